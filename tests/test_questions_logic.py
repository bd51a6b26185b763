"""The logic tasks, solved again from the text of their questions alone: no fact, no `solve`, no program is looked at.

A reader takes a question and gives either the one right answer (ANSWERS) or a judge of answers (JUDGES).
"""
import re
from fractions import Fraction
from graphlib import CycleError, TopologicalSorter
from itertools import combinations, permutations, product
from random import Random

import pytest
from test_tasks_logic import formula, meaning, nouns, reads, said, true

from tasks import TASKS

# Questions of each task at each level: 30 in all, 300 with --slow.
COUNT = [6, pytest.param(60, marks=pytest.mark.slow)]
LEVELS = (1, 2, 3, 4, 5)


# ---- one right answer -----------------------------------------------------------------------------------------------

def boolean(question):
    """Python itself has the grammar of these expressions."""
    return str(eval(re.fullmatch(r"What is ([TrueFalsandot ()]+)\? .*", question)[1]))


def argument(question):
    """Valid unless a world of at most two people refutes it: one person who refutes, one who has to exist."""
    told, conclusion = question.split(". Is this")[0].split(". Therefore: ")
    premises, (quantifier, goal) = [reads(sentence) for sentence in told.split(". ")], reads(conclusion)
    kinds = sorted(set().union(*(nouns(part) for _, part in [*premises, (quantifier, goal)])))
    people = [dict(zip(kinds, has)) for has in product((True, False), repeat=len(kinds))]
    # Whom the premises about everybody forbid is in no world.
    laws = [part for kind, part in premises if kind == "all"]
    people = [person for person in people if all(true(law, person) for law in laws)]
    for world in [(person,) for person in people] + list(combinations(people, 2)):
        for named in world:
            def holds(kind, part):
                if kind == "all":
                    return all(true(part, person) for person in world)
                if kind == "some":
                    return any(true(part, person) for person in world)
                return true(part, named)

            if all(holds(*premise) for premise in premises) and not holds(quantifier, goal):
                return "invalid"
    return "valid"


# How a question names the two directions of an order and its two ends.
SMALLER = ("to the left of", "ahead of", "newer than", "cheaper than", "lower than", "lighter than", "shorter than",
           "younger than", "nearer to the sea than")
LARGER = ("to the right of", "behind", "older than", "dearer than", "higher than", "heavier than", "longer than",
          "farther from the sea than")
FIRST = ("from the left", "from the front", "newest", "cheapest", "lowest", "lightest", "shortest", "youngest",
         "nearest to the sea")
LAST = ("from the right", "from the back", "oldest", "dearest", "highest", "heaviest", "longest",
        "farthest from the sea")
NTH = {"first": 0, "second": 1, "third": 2, "fourth": 3}


def order(question):
    """All orders of the things are tried against every clue and every choice."""
    head, rest = question.lower().split(". ", 1)
    things = head.split(": ")[1].split(", ")
    told, choices = rest.split(" which statement is true?\n")

    def place(text):
        """"second from the left" or "second-newest" or "newest", counted from 0."""
        nth, end = re.fullmatch(r"(?:(first|second|third|fourth)[ -])?(.*)", text).groups()
        steps = NTH[nth or "first"]
        assert end in FIRST + LAST
        return steps if end in FIRST else len(things) - 1 - steps

    def read(sentence):
        """The test of an order that a sentence stands for."""
        for a, b in permutations(things, 2):
            for words, sign in [(words, 1) for words in SMALLER] + [(words, -1) for words in LARGER]:
                if sentence == f"{a} is {words} {b}":
                    return lambda row: sign * (row.index(b) - row.index(a)) > 0
        a, negated, where = re.fullmatch(f"({'|'.join(things)}) is (not )?the (.*)", sentence).groups()
        i = place(where)
        return lambda row: (row[i] == a) is not bool(negated)

    rows = list(permutations(things))
    for clue in told.rstrip(".").split(". "):
        fits = read(clue)
        rows = [row for row in rows if fits(row)]
    right = [line[1] for line in choices.splitlines()[:-1] if all(map(read(line[4:].rstrip(".")), rows))]
    assert len(rows) == len(right) == 1
    return right[0].upper()


def liars(question):
    """From the one who is asked about back to the one whose honesty is told."""
    about = {name: (other, does == "lies") for name, other, does in
             re.findall(r"(\w+) says (\w+) (lies|tells the truth)\.", question)}
    known = {name: does != "lies" for name, does in re.findall(r"(?:^|\. )(\w+) (lies|tells the truth)\.", question)}

    def honest(name):
        if name in known:
            return known[name]
        other, accused = about[name]
        return honest(other) is not accused

    return "Yes" if honest(re.search(r"Does (\w+) tell the truth\?", question)[1]) else "No"


def knights(question):
    claims = re.findall(r"(\w+) says: (.*?)\.", question)
    names = [name for name, _ in claims]
    worlds = [dict(zip(names, bits)) for bits in product((True, False), repeat=len(names))]
    [world] = [world for world in worlds if all(said(claim, world) is world[name] for name, claim in claims)]
    return ", ".join(f"{name} is a {'knight' if world[name] else 'knave'}" for name in names)


def statements(question):
    sentences = [text.lower() for text in re.findall(r"^\d\. (.*)\.$", question, re.MULTILINE)]
    assert f"these {len(sentences)} statements" in question
    worlds = product((True, False), repeat=len(sentences))
    return str(sum(all(meaning(text, world) is so for text, so in zip(sentences, world)) for world in worlds))


def syllogism(question):
    """Yes unless a small world refutes it: four individuals are enough for three premises and a conclusion."""
    *premises, conclusion = re.findall(r"\b(all|no|some) (\w+) are (not )?(\w+)", question.lower())
    classes = sorted({name for _, a, _, b in [*premises, conclusion] for name in (a, b)})
    kinds = [frozenset(name for name, bit in zip(classes, bits) if bit)
             for bits in product((True, False), repeat=len(classes))]

    def so(statement, world):
        quantifier, a, negated, b = statement
        both = any(a in kind and b in kind for kind in world)
        only_a = any(a in kind and b not in kind for kind in world)
        if quantifier == "some":
            return only_a if negated else both
        return not both if quantifier == "no" else not only_a

    for size in range(5):
        for world in combinations(kinds, size):
            if not so(conclusion, world) and all(so(premise, world) for premise in premises):
                return "No"
    return "Yes"


def houses(question):
    """Rows of names, then of one attribute after the other; a clue sorts out as soon as it can be judged."""
    names, count = re.match(r"(.*) live in houses 1 to (\d)", question).groups()
    names = names.split(", ")
    traits = re.search(r"Each of them (.*?), no two the same\.", question)[1]
    groups = [names] + [part.split("/") for part in re.findall(r"\w+(?:/\w+)+", traits)]
    told = question.split("no two the same. ")[1].split(" Who lives where?")[0].rstrip(".").split(". ")
    known = {word for group in groups for word in group}

    def words(clue):
        return [word for word in re.findall(r"\w+", clue) if word in known]

    def fits(clue, at):
        first, second, *_ = [at[word] for word in words(clue)] + [0]
        if " next to " in clue:
            return abs(first - second) == 1
        if " directly to the left of " in clue:
            return second - first == 1
        number = re.search(r"lives in house (\d)$", clue)
        return first == (int(number[1]) if number else second)

    rows, placed = [{}], set()
    for group in groups:
        placed |= set(group)
        ready = [clue for clue in told if placed.issuperset(words(clue)) and set(words(clue)) & set(group)]
        orders = [dict(zip(group, places)) for places in permutations(range(1, int(count) + 1))]
        wider = [row | order for row in rows for order in orders]
        rows = [row for row in wider if all(fits(clue, row) for clue in ready)]
    [row] = rows
    return ", ".join(sorted(names, key=row.get))


def courses(question):
    """The standard library's sorter objects to a circle."""
    needs = {}
    for a, b in re.findall(r"(\d+) needs (\d+)", question):
        needs.setdefault(a, set()).add(b)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError:
        return "False"
    return "True"


ANSWERS = {"bbh/boolean_expressions": boolean, "bbh/formal_fallacies": argument,
           "bbh/logical_deduction_three_objects": order, "bbh/logical_deduction_five_objects": order,
           "bbh/logical_deduction_seven_objects": order, "bbh/web_of_lies": liars, "rg/knights_knaves": knights,
           "rg/self_reference": statements, "rg/syllogism": syllogism, "rg/zebra_puzzles": houses,
           "rg/course_schedule": courses}


@pytest.mark.parametrize("count", COUNT)
@pytest.mark.parametrize("key", ANSWERS)
def test_the_question_alone_leads_to_the_stored_answer(key, count):
    for level in LEVELS:
        for seed in range(count):
            instance = TASKS[key].generate(seed, level)
            assert ANSWERS[key](instance.question) == instance.expect, instance.question


# ---- many right answers ---------------------------------------------------------------------------------------------

def conclusion(question):
    """A judge of formulas: it follows from all premises together and from no single one; and formulas to try."""
    premises = re.search(r"Premises: (.*?)\. Give", question)[1].split("; ")
    p, q = re.search("in which (.) and (.) occur, and no other letter", question).groups()
    models = [dict(zip("pqrs", bits)) for bits in product((True, False), repeat=4)]

    def right(answer):
        def follows(some):
            return all(formula(answer, m) for m in models if all(formula(premise, m) for premise in some))

        return set(re.findall("[p-s]", answer)) == {p, q} and follows(premises) \
            and not any(follows([premise]) for premise in premises)

    return right, [f"{p} & {q}", f"{p} | {q}", f"~{p} | {q}", f"{p} | ~{q}", f"~({p} & {q})", f"{p} <-> {q}",
                   f"~({p} <-> {q})", p, *premises]


def values(question):
    """A judge of lists of numbers, and some of the wrong ones: two values change places."""
    letters, listed, told = re.search(
        r"letter (. to .) is a different one of the numbers (.*), no two the same\. (.*)\. Answer", question).groups()
    first, last = letters.split(" to ")
    letters = [chr(i) for i in range(ord(first), ord(last) + 1)]
    python = re.sub(r"(\d+(?:\.\d+)?)", r"exact('\1')", told).replace(" = ", " == ").split(", ")

    def right(answer):
        value = {letter: Fraction(text) for letter, text in zip(letters, answer.split(", "))}
        return sorted(answer.split(", "), key=int) == listed.split(", ") \
            and all(eval(equation, {"exact": Fraction} | value) for equation in python)

    return right, []


JUDGES = {"rg/propositional_logic": conclusion, "symbench/logical_equation": values}


@pytest.mark.parametrize("count", COUNT)
@pytest.mark.parametrize("key", JUDGES)
def test_the_question_alone_says_which_answers_are_right(key, count):
    rng = Random(0)
    for level in LEVELS:
        for seed in range(count):
            instance = TASKS[key].generate(seed, level)
            right, others = JUDGES[key](instance.question)
            assert right(instance.expect), instance.question
            # The parts of the answer in another order, too: mostly wrong, now and then right.
            parts = instance.expect.split(", ")
            others += [", ".join(rng.sample(parts, len(parts))) for _ in range(3)]
            for answer in [instance.expect, *others]:
                assert TASKS[key].verify(instance, answer) is right(answer), (instance.question, answer)


def test_every_logic_task_is_read():
    assert {*ANSWERS, *JUDGES} == {key for key, task in TASKS.items() if task.family == "logic"}
