"""No task is solved by a lazy rule: one that looks at the surface of a question and never at what it asks.

A rule is chosen on one half of the questions of a task and measured on the other, so that no luck is counted.
A task whose original has a shortcut too may say so: `shortcut = "a sentence that names it"`, with grade B or C.
"""
import re
from collections import Counter, defaultdict
from datetime import datetime
from random import Random
from types import SimpleNamespace

import pytest

from tasks import TASKS
from tasks.__main__ import show
from tasks.families.words import FIRST_NAMES

LEVEL = 3
MOST_ANSWERS = 10  # a task with more different ones is not solved by picking one


def drawn(task, count, level=LEVEL):
    """(question, options, answer) `count` times, of all purposes; options is None where none are lettered."""
    for seed in range(count):
        question, facts, *planted = task.make(Random(f"lazy {task.key} {seed}"), level)
        answer = str(planted[0] if planted else task.solve(**facts))
        lettered = facts.get("options") if isinstance(facts.get("options"), str) else None
        yield question, lettered and [line[4:] for line in lettered.splitlines()], answer


# ---- rules that pick an option: each gives it a number, the largest or the smallest wins ----------------------

def words(text):
    return re.findall(r"[a-z']+", text.lower())


def told(question):
    """The question without its options."""
    return "\n".join(line for line in question.splitlines() if not re.match(r"\([A-Z]\) ", line))


# What a rule is given: the option, its place, and the question without its options, all in small letters.
OPTION_RULES = {
    "place": lambda option, place, text: place,
    "length": lambda option, place, text: len(option),
    "number of words": lambda option, place, text: len(option.split()),
    "rare letters": lambda option, place, text: sum(map(option.count, "jqvxz")),
    "vowels": lambda option, place, text: sum(map(option.count, "aeiou")),
    "different letters": lambda option, place, text: len(set(option)),
    "place in the alphabet": lambda option, place, text: option,
    "first number": lambda option, place, text: float((re.findall(r"\d+\.?\d*", option) or [0])[0]),
    "times in the text": lambda option, place, text: text.count(option),
    "where it stands in the text": lambda option, place, text: text.find(option),
    "where it stands last": lambda option, place, text: text.rfind(option),
    "words of the text": lambda option, place, text: sum(word in text for word in option.split()),
    "strange words": lambda option, place, text: sum(word not in text for word in option.split()),
    "words of the last line": lambda option, place, text:
        sum(word in text.rpartition("\n")[2] for word in option.split()),
}


def best_option_rule(sample):
    """(share of the first half, share of the second, name) of the rule that is best on the first half."""
    read = [(told(question).lower().strip(), [option.lower().strip(".") for option in options], answer)
            for question, options, answer in sample]
    found = []
    for name, rule in OPTION_RULES.items():
        scored = [([rule(option, place, text) for place, option in enumerate(options)], answer)
                  for text, options, answer in read]
        for pick in max, min:
            # The rule has no say where several options tie: it is right as often as a draw among them.
            right = []
            for scores, answer in scored:
                ties = [chr(65 + place) for place, score in enumerate(scores) if score == pick(scores)]
                right.append((answer in ties) / len(ties))
            half = len(right) // 2
            found.append((sum(right[:half]) / half, sum(right[half:]) / half, f"{pick.__name__} {name}"))
    return max(found)


# ---- rules that look at one thing in the question and remember the answer that goes with it --------------------

def quoted(question):
    """The first two texts in quotation marks; empty ones where there are none."""
    return (re.findall(r'"([^"]*)"', question) + ["", ""])[:2]


def features(question, vocabulary):
    """What a lazy reader may look at: name -> what is seen."""
    read = words(question)
    counts, letters = Counter(read), Counter(question.lower())
    seen = {"parity of the words": len(read) % 2, "parity of the length": len(question) % 2,
            "length": len(question) // 20, "number of words": len(read) // 4,
            "first word": read[0], "second word": read[1], "number of lines": question.count("\n"),
            "last word before the form of answer": (words(question.rpartition("Answer")[0]) or read)[-1],
            "first number": (re.findall(r"\d+", question) or ["-"])[0], "last number": (re.findall(r"\d+", question) or ["-"])[-1],
            "amount of numbers": len(re.findall(r"\d+", question)), "stops": question.count("."), "commas": question.count(",")}
    one, two = quoted(question)
    seen["letter counts of two quoted words"] = sorted(Counter(one).values()) == sorted(Counter(two).values())
    seen["letters of two quoted words"] = len(set(one)) - len(set(two))
    seen["lengths of two quoted words"] = (len(two) > 2 * len(one)) + (len(two) > 3 * len(one))
    for word in vocabulary:
        seen[f"parity of {word!r}"] = counts[word] % 2
        seen[f"count of {word!r}"] = counts[word]
    for letter in "aeiounrt()!?01":
        seen[f"count of {letter!r}"] = letters[letter]
        seen[f"parity of {letter!r}"] = letters[letter] % 2
    return seen


def best_feature(sample):
    """(share of the first half, share of the second, name) of the feature that is best on the first half."""
    # Words are looked at that vary: in some questions, but not the same number in all.
    vary = Counter(word for question, _, _ in sample for word in set(words(question)))
    vocabulary = [word for word, times in vary.most_common(40) if times >= len(sample) / 10]
    rows = [(features(question, vocabulary), answer) for question, _, answer in sample]
    half, found = len(rows) // 2, []
    usual = Counter(answer for _, answer in rows[:half]).most_common(1)[0][0]
    for name in rows[0][0]:
        # What goes with each sight: the answer that was commonest with it in the first half.
        seen = defaultdict(Counter)
        for row, answer in rows[:half]:
            seen[row[name]][answer] += 1
        guess = {sight: counts.most_common(1)[0][0] for sight, counts in seen.items()}
        right = [guess.get(row[name], usual) == answer for row, answer in rows]
        # A sight seen once is remembered, not understood: the first half is judged by what comes often.
        often = sum(counts.most_common(1)[0][1] - 1 for counts in seen.values()) / half
        found.append((often, sum(right[half:]) / half, name))
    return max(found)


def laziest(task, count):
    """(what guessing gets, what the best lazy rule gets, its name), or None where answers are many."""
    questions = drawn(task, count)
    sample = [next(questions) for _ in range(20)]
    has_options = all(options for _, options, _ in sample)
    if not has_options and len({answer.casefold() for _, _, answer in sample}) > MOST_ANSWERS:
        return None
    sample += questions
    if has_options:
        guess = sum(1 / len(options) for _, options, _ in sample) / count
        return (guess, *max(best_option_rule(sample), best_feature(sample))[1:])
    answers = Counter(answer.casefold() for _, _, answer in sample)
    if len(answers) > MOST_ANSWERS:
        return None
    return (max(answers.values()) / count, *best_feature(sample)[1:])


def test_no_lazy_rule_is_ten_points_better_than_guessing(request):
    count = 1_000 if request.config.getoption("--slow") else 200
    solved = []
    for key, task in TASKS.items():
        found = laziest(task, count)
        if found:
            guess, lazy, name = found
            noise = 2 * (guess * (1 - guess) / (count / 2)) ** 0.5  # two standard errors
            told = f"{key:<44} guessing {guess:.0%}, {name} {lazy:.0%}"
            print(told)
            if lazy > guess + 0.10 + noise and not task.shortcut:
                solved.append(told)
    assert not solved, "\n".join(solved)


def test_a_task_that_names_a_shortcut_is_no_faithful_copy():
    for key, task in TASKS.items():
        assert task.shortcut is None or task.grade in "BC" and len(task.shortcut.split()) > 3, key


# ---- rules that know what one task is about --------------------------------------------------------------------

def asked_first(question):
    """Whether the person who is asked about is named before the others."""
    names = [word for word in re.findall(r"[A-Z][a-z]+", question) if word in FIRST_NAMES]
    return names[0] == re.search(r"\nDid (\w+)", question)[1]


def doubles_in_both(question):
    """Whether the letters that stand twice in a row stand at the same places in both words."""
    one, two = quoted(question)
    return [a == b for a, b in zip(one, one[1:])] == [a == b for a, b in zip(two, two[1:])]


def courses_without_needs(question):
    """Whether every course needs something, and whether every course is needed."""
    count = int(re.search(r"courses 0 to (\d+)", question)[1]) + 1
    needing, needed = map(set, zip(*re.findall(r"(\d+) needs (\d+)", question)))
    return len(needing) == count, len(needed) == count


# What is looked at; the answer that mostly goes with it is given.
SIGHTS = [
    ("bbh/causal_judgement", asked_first),
    ("rg/course_schedule", courses_without_needs),
    ("rg/isomorphic_strings", doubles_in_both),
]


def usual(answers):
    """How often the commonest answer is given."""
    return max(Counter(answers).values())


@pytest.mark.parametrize("level", (1, LEVEL))
@pytest.mark.parametrize("key, look", SIGHTS)
def test_what_a_lazy_reader_of_one_task_looks_at_tells_little(key, look, level, request):
    count = 1_000 if request.config.getoption("--slow") else 300
    seen = defaultdict(list)
    for question, _, answer in drawn(TASKS[key], count, level):
        seen[look(question)].append(answer)
    guess = usual(sum(seen.values(), [])) / count
    lazy = sum(map(usual, seen.values())) / count
    assert lazy < guess + 0.10, f"{key}, level {level}: guessing {guess:.0%}, {look.__name__} {lazy:.0%}"


def days_from_told(option, text):
    """How many days lie between the option and the date that the question tells, if it tells one."""
    named = re.search(r"([A-Z]\w+ \d+, \d{4})", text)
    figures = re.search(r"\d\d/\d\d/\d{4}", text)
    if named:
        told_day = datetime.strptime(named[0], "%B %d, %Y")
    elif figures:
        told_day = datetime.strptime(figures[0], "%d/%m/%Y")
    else:
        return 0
    return abs(datetime.strptime(option, "%m/%d/%Y") - told_day).days


def times_told(option, text):
    """How often the text names the two times of a span."""
    return sum(len(re.findall(rf"\b{time}\b", text)) for time in option.split(" to "))


def hours(option, text):
    """How long a span is, in hours."""
    start, end = (datetime.strptime(time, "%I:%M%p" if ":" in time else "%I%p") for time in option.split(" to "))
    return (end - start).seconds / 3600


def borders_of_sentences(option, text):
    """Whether a span begins where a sentence ends, and ends where one begins."""
    start, end = option.split(" to ")
    return (f"to {start}." in text) + (f"from {end} to" in text)


# What is looked at in each option; the option with most of it is chosen, or with least.
AIMS = [
    ("bbh/date_understanding", days_from_told),
    ("bbh/temporal_sequences", times_told),
    ("bbh/temporal_sequences", hours),
    ("bbh/temporal_sequences", borders_of_sentences),
]


@pytest.mark.parametrize("level", (1, LEVEL))
@pytest.mark.parametrize("key, look", AIMS)
def test_no_option_stands_out_to_who_knows_what_the_task_is_about(key, look, level, request):
    count = 1_000 if request.config.getoption("--slow") else 300
    right, guess = Counter(), 0.0
    for question, options, answer in drawn(TASKS[key], count, level):
        scores = [look(option, told(question)) for option in options]
        guess += 1 / len(options) / count
        for pick in max, min:
            ties = [chr(65 + place) for place, score in enumerate(scores) if score == pick(scores)]
            right[pick.__name__] += (answer in ties) / len(ties)
    for name, share in right.items():
        assert share / count < guess + 0.10, f"{key}, level {level}: {name} {look.__name__} {share / count:.0%}"


def test_the_shortcut_of_a_task_is_shown_with_its_questions(capsys):
    task = TASKS["bbh/ruin_names"]
    show(task, task.generate(0), allow_weak=False)
    assert f"\nshortcut: {task.shortcut}\n" in capsys.readouterr().out


# ---- the rules find what is planted ----------------------------------------------------------------------------

def made_up(make):
    return SimpleNamespace(key="made up", make=lambda rng, level: make(rng))


def test_the_parity_of_a_word_is_found_and_a_fair_coin_is_not():
    def lies(rng):
        count = rng.randint(0, 6)
        claims = ["Ann lies."] * count + ["Bob speaks."] * rng.randint(0, 6)
        rng.shuffle(claims)
        return " ".join(claims) + " Is it so?", {}, ["yes", "no"][count % 2]

    guess, lazy, _ = laziest(made_up(lies), 200)
    assert lazy == 1 and guess < 0.65
    coin = made_up(lambda rng: (lies(rng)[0], {}, rng.choice(["yes", "no"])))
    guess, lazy, _ = laziest(coin, 1_000)
    assert lazy < guess + 0.05


def test_an_option_that_the_text_lacks_is_found():
    def lacking(rng):
        right, *others = rng.sample(["cook", "read", "swim", "work", "rest"], 5)
        options = [right, *others]
        rng.shuffle(options)
        block = "\n".join(f"({chr(65 + i)}) {option}" for i, option in enumerate(options))
        return f"They {', '.join(others)}.\n{block}", dict(options=block), chr(65 + options.index(right))

    guess, lazy, _ = laziest(made_up(lacking), 200)
    assert round(guess, 9) == 0.2 and lazy == 1


def test_a_task_with_many_answers_has_no_lazy_rule():
    assert laziest(made_up(lambda rng: ("How many?", {}, rng.randrange(1_000))), 200) is None
