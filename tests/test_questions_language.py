"""Readers of the language questions: the label is worked out again from the words of the question.

Where a question is judged by reading, the tables here hold the words that decide, written down from
the sentences themselves: which verbs speak of oneself, which news is bad, which deed is of which
sport. What is knowledge rather than reading (the kinds of films, a lexicon, players) comes from the
task.
"""
import re

import pytest

from tasks import TASKS
from tasks.families import words
from tasks.families.language import FILMS, FRAMES, FRAMES_EASY, PUNS, SPORTS
from test_tasks_language import choices, edits


@pytest.fixture
def questions(request):
    """(task, questions): 30 a task over the five levels, 300 with --slow."""
    seeds = range(60 if request.config.getoption("--slow") else 6)
    return lambda name: [TASKS[f"bbh/{name}"].generate(seed, level)
                         for level in (1, 2, 3, 4, 5) for seed in seeds]


def the_one(pattern_to_value, text):
    """The value of the only pattern that the text holds."""
    found = [value for pattern, value in pattern_to_value.items() if re.search(pattern, text)]
    assert len(found) == 1, f"{len(found)} patterns fit {text!r}"
    return found[0]


# ---- who is meant --------------------------------------------------------------------------------

SPEAKER, HEARER, BOTH = "ABC"
DEEDS = {
    # Who tells, confesses, apologises or asks for something has a reason of their own.
    r"\btold the|confessed to|admitted to|wrote to the \w+ that|boasted to": SPEAKER,
    r"apologised to|begged the|borrowed money|for advice|lied to|hid from": SPEAKER,
    # Who asks, advises, thanks, scolds or hires has a reason that lies with the other.
    r"asked the \w+ (if|whether|what|why)\b|wanted to hear from|advised the|warned the": HEARER,
    r"thanked|praised|congratulated|forgave|scolded|envied|hired|comforted": HEARER,
    # What two do together says nothing of which of them is meant.
    r"quarrelled with|\bmet the \w+ (when|after)\b|danced with|sat beside|waited with": BOTH,
    r"played chess|ran into|shared a flat|talked with|worked with": BOTH,
    r"(talked to|met|phoned|wrote to) the \w+ because": "role"}
REASONS = {"test results": "doctor", "coughing": "patient", "marked the essay": "teacher",
           "not done the homework": "pupil", "knew the law": "lawyer", "been sued": "client",
           "repair the engine": "mechanic", "breakdown": "driver", "sharp scissors": "barber",
           "needed a haircut": "customer", "brought the wrong soup": "waiter",
           "ordered the fish": "guest", "not been paid the rent": "landlord",
           "not pay the rent": "tenant", "been robbed": "shopkeeper", "stolen a watch": "thief"}


def test_the_pronoun_means_whom_the_verb_or_the_reason_says(questions):
    for instance in questions("disambiguation_qa"):
        sentence = instance.question.split("\n")[0]
        shown = choices(instance)
        meant = the_one(DEEDS, sentence)
        if meant == "role":
            role = the_one(REASONS, sentence)
            (meant,) = [letter for letter, text in shown.items() if text == f"the {role}"]
        assert meant == instance.expect, instance.question
        # (A) is the one who acts and (B) the other, and the question says what C is for.
        one, other = (text.removeprefix("the ") for text in list(shown.values())[:2])
        assert re.search(rf"[Tt]he {one} .*the {other}\b", sentence)
        assert "Choose C if both fit equally well" in instance.question


# ---- sarcasm -------------------------------------------------------------------------------------

BAD_NEWS = re.compile(
    r"(?<!my )\b(lost|missed|broke|failed)\b|fell into|rained|five holes|stole my|leaks|spilt"
    r"|was cancelled at|drills|was given a fine|deleted|extra work|caught a cold|ate my"
    r"|three hours long|wrong country|puddle|was bitten|closed for|locked myself|of soap|got stuck"
    r"|collapsed|charged me|cried"
    r"|burnt|after two songs|forgot|would not start|ruined my white|given away|wet paint|flooded"
    r"|wants more|overslept|sour|moths")
BAD_COMMENTS = re.compile(
    r"Awful|Bad!|Horrid|terrible|ruined my week|unlucky|feared|upset|annoy|hard\.|dreadful|a shame|weep|worse")


def test_the_sarcastic_one_calls_bad_news_good_or_good_news_bad(questions):
    for instance in questions("snarks"):
        sarcastic = []
        for letter, text in choices(instance).items():
            news, comment = re.fullmatch(r"(.*?[.]) (.*)", text).groups()
            assert not re.search(r", and (?!I )[A-Z]", news), "a capital letter within a sentence"
            # Whoever is glad that a leak is mended hopes that nothing of the kind "happens again".
            assert "again" not in comment, instance.question
            bad = {bool(BAD_NEWS.search(part)) for part in news.split(", and ")}
            assert len(bad) == 1, f"two pieces of news that do not agree: {news}"
            if bad != {bool(BAD_COMMENTS.search(comment))}:
                sarcastic.append(letter)
        assert sarcastic == [instance.expect], instance.question


# ---- cause and intention -------------------------------------------------------------------------

def judged(text):
    """Yes or no, as the words of a story of cause or intention decide it."""
    story, question = text.rsplit("\n", 1)
    question = question[:question.index("?") + 1]
    if "intentionally" in question:
        if plan := re.search(r"and it did (harm|help) ", story):
            return plan[1] == "harm"
        return "a master of the sport" in story
    asked = re.match(r"Did (\w+) cause ", question)[1]
    if duty := re.search(r"It is the task of (\w+) alone", story):
        return asked == duty[1]
    if race := re.search(r"(\w+)'s \w+ came first and ", story):
        return asked == race[1]
    if may := re.search(r"Only \w+ may .* (\w+) is not(?: an? \w+, \w+ is)?\.", story):
        return asked == may[1]
    deeds = "left|dropped|lit|cut|spilt|kicked|let|rang|opened|shook|pulled"
    return asked == re.search(rf"(\w+) (?:{deeds})\b[\w ]*, so ", story)[1]


def test_causes_and_intentions_are_judged_from_the_words_of_the_story(questions):
    for instance in questions("causal_judgement"):
        assert ("Yes" if judged(instance.question) else "No") == instance.expect, instance.question


def test_a_race_asks_for_what_happened_by_name(questions):
    races = [instance.question for instance in questions("causal_judgement")
             if "came first" in instance.question]
    for question in races:
        assert re.search(r"Did \w+ cause the (bottle|balloon|skittle|hat) to \w+", question)
    assert races


# ---- films and names -----------------------------------------------------------------------------

def test_one_film_is_of_the_kind_of_the_films_named(questions):
    kinds = {title: kind for kind, titles in FILMS.items() for title in titles}
    for instance in questions("movie_recommendation"):
        named = re.match(r"Which film is most like (.*)\?", instance.question)[1]
        liked = {kinds[title] for title in re.split(", | and (?=[A-Z])", named)}
        assert len(liked) == 1, "the films named are of several kinds"
        same = [letter for letter, title in choices(instance).items() if {kinds[title]} == liked]
        assert same == [instance.expect], instance.question


def test_one_spoilt_name_consists_of_words(questions):
    lists = [words.COMMON, words.THREE, words.VERBS, words.ADJECTIVES]
    known = {word for listed in lists for word in listed}
    names = [text for name, puns in PUNS.items() for text in (name, *puns)]
    known |= {word for text in names for word in text.split()}
    for instance in questions("ruin_names"):
        name = re.match(r'Which one-letter edit of "(.*)" is', instance.question)[1]
        shown = choices(instance)
        assert set(shown.values()) <= edits(name)
        real = [letter for letter, text in shown.items() if set(text.split()) <= known]
        assert real == [instance.expect], instance.question
        assert len({len(text) for text in shown.values()}) == 1
        assert len({len(re.findall("[aeiouy]", text)) for text in shown.values()}) == 1


# ---- faults in translations ----------------------------------------------------------------------

MEANINGS = {"name": "a name was changed", "number": "a number was changed",
            "noun": "a common noun was changed", "sense": "a word was changed to its opposite",
            "adjective": "an adjective or adverb was changed, but not to its opposite",
            "extra": "a part was left out"}
SLOTS = ("name", "noun", "adjective", "sense", "extra")


def slots_of(sentence, template, lexicons):
    """What fills the slots of a template in a sentence, or None; `extra` may be missing."""
    pattern = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
    pattern = pattern.replace(r"\ {extra}", r"(?: (?P<extra>EXTRA))?")
    for slot in SLOTS:
        found = "|".join(re.escape(word) for word in lexicons[slot])
        pattern = pattern.replace("EXTRA" if slot == "extra" else f"{{{slot}}}",
                                  found if slot == "extra" else f"(?P<{slot}>{found})")
    pattern = pattern.replace("{number}", r"(?P<number>\d+)")
    match = re.fullmatch(pattern, sentence)
    return match and match.groupdict()


def faults(german, english):
    """The slots in which the English of one sentence differs from its German."""
    for template, translated, *listed in FRAMES + FRAMES_EASY:
        pairs = {slot: [entry.strip().split("/") for entry in lexicon.split(";")]
                 for slot, lexicon in zip(SLOTS, listed)}
        in_german = {slot: [one for one, _ in pairs[slot]] for slot in SLOTS}
        in_english = {slot: [other for _, other in pairs[slot]] for slot in SLOTS}
        source = slots_of(german, template, in_german)
        if source:
            target = slots_of(english, translated, in_english)
            to_english = {slot: dict(pairs[slot]) for slot in SLOTS}
            true = {slot: to_english.get(slot, {}).get(text, text) for slot, text in source.items()}
            return [slot for slot in source if target[slot] != true[slot]]
    raise AssertionError(f"no frame fits {german!r}")


def test_one_slot_of_a_translation_is_wrong_and_one_choice_says_so(questions):
    for instance in questions("salient_translation_error_detection"):
        german, english = re.match(r"German: (.*)\nEnglish: (.*)\n", instance.question).groups()
        sentences = [re.split(r"(?<=\.) (?=[A-Z])", text) for text in (german, english)]
        assert len(sentences[0]) == len(sentences[1])
        (wrong,) = [slot for pair in zip(*sentences) for slot in faults(*pair)]
        fitting = [letter for letter, text in choices(instance).items() if text == MEANINGS[wrong]]
        assert fitting == [instance.expect], instance.question


def test_a_word_with_an_opposite_is_never_a_noun():
    opposites = {tuple(sorted(entry.split("/")[1].strip() for entry in frame[5].split(";")))
                 for frame in FRAMES}
    assert opposites == {("closed", "open"), ("poor", "rich"), ("known", "unknown"),
                         ("grows", "shrinks"), ("a lot", "little"), ("too early", "too late"),
                         ("early", "late"), ("empty", "full")}


# ---- adjectives and sports -----------------------------------------------------------------------

# Own readings: words, or endings, that show the kind of an adjective.
ADJECTIVE_SIGNS = {
    "opinion": "lovely ugly nice awful pretty silly charming dreadful splendid wonderful horrible "
               "boring",
    "size": "big small tiny huge little enormous gigantic large massive miniature",
    "age": "old new ancient modern brand-new prehistoric medieval",
    "shape": r"round square oval triangular spherical rectangular \S+-shaped",
    "colour": "red blue green yellow black white brown purple pink grey",
    "origin": r"[A-Z]\w+",
    "material": "wooden plastic leather cotton paper steel woollen rubber ceramic granite",
    "purpose": "(?!boring|charming)[a-z]+ing"}


def kind_of(word):
    kinds = [kind for kind, signs in ADJECTIVE_SIGNS.items()
             if any(re.fullmatch(sign, word) for sign in signs.split())]
    assert len(kinds) == 1, f"{word} is of {kinds}"
    return kinds[0]


def test_one_choice_keeps_the_order_that_the_question_tells(questions):
    for instance in questions("hyperbaton"):
        told = re.search(r"adjectives in this order: (.*)\. Which", instance.question)[1]
        order = told.split(", ")
        places = {letter: [order.index(kind_of(word)) for word in text.split()[:-1]]
                  for letter, text in choices(instance).items()}
        kept = [letter for letter, seen in places.items() if seen == sorted(seen)]
        assert kept == [instance.expect], instance.question


SPORT_SIGNS = {
    "basketball": r"dunked|layup|three-pointer|finger roll|goaltending|free throws|double dribble"
                  r"|hook shot|jump shot|NBA",
    "American football": r"touchdown|Hail Mary|first down|quarterback|fumbled|screen pass|kickoff"
                         r"|fourth down|onside kick|end zone|Super Bowl|Pro Bowl|NFL",
    "baseball": r"home run|second base|struck out|no-hitter|bases loaded|bunted|double play"
                r"|curveball|sacrifice fly|home plate|World Series|League Championship Series",
    "ice hockey": r"icing|slap shot|penalty box|puck|high-sticking|skated|wrist shot|the stick"
                  r"|Stanley Cup|NHL",
    "soccer": r"headed|yellow card|red card|nutmegged|bicycle kick|corner kick|free kick|goal kick"
              r"|diving header|crossbar|FIFA|UEFA|FA Cup"}


def sports_named(text):
    return {sport for sport, signs in SPORT_SIGNS.items() if re.search(signs, text)}


def test_a_sentence_is_plausible_if_player_deed_and_event_are_of_one_sport(questions):
    for instance in questions("sports_understanding"):
        sentence = re.search(r'"(.*)"', instance.question)[1]
        (sport,) = [sport for sport, (players, _, _) in SPORTS.items()
                    if any(sentence.startswith(f"{player} ") for player in players)]
        found = sports_named(sentence) | {sport}
        assert instance.expect == ("yes" if len(found) == 1 else "no"), instance.question


def test_every_deed_and_event_shows_one_sport():
    for sport, (_, deeds, events) in SPORTS.items():
        for text in (*deeds, *events):
            assert sports_named(text) == {sport}, text
