"""The language tasks: each label is worked out again from the text of the question."""
import re
from random import Random

import pytest

from tasks import TASKS
from tasks.families.language import (ADJECTIVES, FILMS, FRAMES, FRAMES_EASY, KINDS, NEAR, NEWS, PUNS, ROLES, SPORTS, STORIES)

LEVELS = (1, 2, 3, 4, 5)


def instances(name, levels=LEVELS, seeds=40):
    return [TASKS[f"bbh/{name}"].generate(seed, level) for level in levels for seed in range(seeds)]


def choices(instance):
    return dict(re.findall(r"^\((\w)\) (.*)$", instance.question, re.MULTILINE))


def edits(word):
    """All texts one letter away."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    return {a + c + b[skip:] for a, b in cuts for c in ("", *letters) for skip in (0, 1)} - {word}


@pytest.mark.parametrize("name", ["disambiguation_qa", "movie_recommendation", "ruin_names", "hyperbaton", "snarks",
                                  "salient_translation_error_detection"])
def test_the_text_of_the_right_choice_is_as_good_as_its_letter(name):
    for instance in instances(name, seeds=10):
        for letter, text in choices(instance).items():
            right = letter == instance.expect
            for answer in (letter, f"({letter})", letter.lower(), f"{letter}.", f"({letter}) {text}", text):
                assert TASKS[instance.task].verify(instance, answer) is right, (answer, instance.question)


def test_one_tells_of_oneself_asks_of_the_other_and_meets_either():
    for instance in instances("disambiguation_qa", levels=(1,)):
        verb = instance.question.split()[2]
        assert instance.expect == {"told": "A", "asked": "B", "met": "C"}[verb]


def test_a_reason_that_fits_one_role_follows_the_role_when_the_two_change_places():
    seen = set()
    for instance in instances("disambiguation_qa", levels=(3,), seeds=400):
        people = [text.removeprefix("the ") for text in choices(instance).values()][:2]
        for role, other, first, second in ROLES:
            for who, reason in ((role, first), (other, second)):
                if set(people) == {role, other} and reason in instance.question:
                    assert people["AB".index(instance.expect)] == who
                    seen.add((who, instance.expect))
    assert len(seen) > 20


def test_the_sarcastic_statement_sets_a_comment_against_its_news():
    bad = re.compile(r"\b(lost|missed|broke|failed)\b"), re.compile(r"\b(Awful|Bad|Horrid)\b")
    for instance in instances("snarks", levels=(1,)):
        odd = [tag for tag, text in choices(instance).items() if len([1 for sign in bad if sign.search(text)]) == 1]
        assert odd == [instance.expect]


def test_two_statements_share_their_news_or_their_comment_but_not_both():
    for instance in instances("snarks"):
        (news, comment), (other_news, other_comment) = [text.split(". ", 1) if ". " in text else text.rsplit(" ", 1)
                                                        for text in choices(instance).values()]
        assert (news == other_news) != (comment == other_comment)
    texts = [text for pair in NEWS for text in pair]
    assert len(set(texts)) == len(texts), "the same news is both good and bad"


def test_the_rationale_says_of_the_news_what_they_are():
    bad = re.compile(r"\b(lost|missed|broke|failed)\b")
    for instance in instances("snarks", levels=(1,)):
        news = "bad" if bad.search(choices(instance)[instance.expect]) else "good"
        assert f"In {instance.expect} the news is {news} " in TASKS[instance.task].rationale(instance)


def test_two_people_in_one_story_of_cause_get_opposite_answers():
    told = [(label, text, question) for label, texts, question, _, _ in STORIES for text in texts]
    for told_text in {text for _, text, _ in told if "{y}" in text and "intentionally" not in text}:
        answers = [(label, question) for label, text, question in told if text == told_text]
        if len(answers) == 2:
            (one, ask_one), (two, ask_two) = answers
            assert one != two and ask_one != ask_two
            assert ask_one.replace("{x}", "{y}") == ask_two.replace("{x}", "{y}")


def test_harm_foreseen_is_intended_and_help_foreseen_is_not():
    found = set()
    for instance in instances("causal_judgement", levels=(3, 5), seeds=300):
        match = re.search(r"Did \w+ (harm|help) .* intentionally", instance.question)
        if match:
            found.add((match[1], instance.expect))
    assert found == {("harm", "Yes"), ("help", "No")}


def test_no_film_is_of_two_kinds_and_only_one_choice_is_of_the_kind_named():
    titles = [title for films in FILMS.values() for title in films]
    assert len(set(titles)) == len(titles) == 120 and not any("," in title for title in titles)
    kind_of = {title: kind for kind, films in FILMS.items() for title in films}
    for instance in instances("movie_recommendation"):
        named = re.search(r"most like (.*)\?", instance.question)[1]
        kinds = {kind_of[title] for title in re.split(", | and (?!a F)", named)}
        assert len(kinds) == 1
        kind = kinds.pop()
        assert [tag for tag, title in choices(instance).items() if kind_of[title] == kind] == [instance.expect]
        assert not any({kind, kind_of[title]} in NEAR for title in choices(instance).values())


def test_every_choice_of_a_spoilt_name_is_one_letter_away_and_one_of_them_is_a_pun():
    assert all(pun in edits(name) for name, puns in PUNS.items() for pun in puns)
    for instance in instances("ruin_names"):
        name = re.search('"(.*)"', instance.question)[1]
        assert set(choices(instance).values()) <= edits(name)
        assert [tag for tag, text in choices(instance).items() if text in PUNS[name]] == [instance.expect]


def test_a_translation_differs_from_the_true_one_in_the_slot_named():
    task = TASKS["bbh/salient_translation_error_detection"]
    for frame in FRAMES + FRAMES_EASY:
        for fault in ("name", "noun", "adjective") + ("number", "sense", "extra") * (frame in FRAMES):
            for seed in range(20):
                source, true = task._translate(Random(seed), frame, "")
                german, english = task._translate(Random(seed), frame, fault)
                assert german == source and english != true
                assert (re.findall(r"\d+", german) == re.findall(r"\d+", english)) == (fault != "number")
                if fault == "extra":
                    words = iter(re.findall(r"\w+", true))
                    assert all(word in words for word in re.findall(r"\w+", english)), "something else changed too"


def test_no_word_of_a_lexicon_is_the_translation_of_two():
    for frame in FRAMES + FRAMES_EASY:
        for lexicon in frame[2:]:
            pairs = [entry.split("/") for entry in lexicon.split(";")]
            assert all(len(pair) == 2 for pair in pairs), lexicon
            for side in zip(*pairs):
                assert len({word.strip() for word in side}) == len(pairs), lexicon


def test_the_right_order_of_adjectives_is_sorted_by_kind_and_the_wrong_one_is_not():
    words = [word for kind in KINDS for word in ADJECTIVES[kind]]
    assert len(set(words)) == len(words), "an adjective of two kinds"
    assert KINDS == ["opinion", "size", "age", "shape", "colour", "origin", "material", "purpose"]
    rank = {word: i for i, kind in enumerate(KINDS) for word in ADJECTIVES[kind]}
    for instance in instances("hyperbaton"):
        ordered = [tag for tag, text in choices(instance).items()
                   if all(rank[a] < rank[b] for a, b in zip(text.split()[:-1], text.split()[1:-1]))]
        assert ordered == [instance.expect]


def test_players_deeds_and_events_belong_to_one_sport_and_decide_the_answer():
    entries = [entry for parts in SPORTS.values() for part in parts for entry in part]
    assert len(set(entries)) == len(entries)
    for instance in instances("sports_understanding", seeds=100):
        parts = [{sport for sport, part in SPORTS.items() for entry in part[kind] if entry in instance.question}
                 for kind in range(3)]
        assert all(len(sports) == 1 for sports in parts[:2]), "a text is read in two ways"
        assert instance.expect == ("yes" if len(set().union(*parts)) == 1 else "no")
