"""Every machine run again from the words of its question alone, by another method than the task's own."""
import re
from collections import Counter
from random import Random

import pytest

from tasks import LEVELS, TASKS


# ---- rewriting ------------------------------------------------------------------------------------------------------

def ab(question):
    """One rewriting at a time, as the question lists them, at a place that is drawn: the order does not matter."""
    rules = {}
    vanish, *swaps = re.match(r"Neighbours (.*) vanish, (.*) becomes (.*), (.*) becomes (.*), until", question).groups()
    for pair in vanish.split(" and "):
        rules[tuple(pair.split())] = []
    for before, after in zip(swaps[::2], swaps[1::2]):
        rules[tuple(before.split())] = after.split()
    row, rng = re.search(r"left of ([AB# ]+)\?", question)[1].split(), Random(0)
    while places := [i for i in range(len(row) - 1) if (row[i], row[i + 1]) in rules]:
        i = rng.choice(places)
        row[i:i + 2] = rules[row[i], row[i + 1]]
    return " ".join(row)


def string_insertion(question):
    """Find all places first, overlaps included, then insert."""
    text = re.search(r"In (\w+) insert", question)[1]
    added = {}
    for letter, pattern in re.findall(r"(\w) after every (\w+)", question):
        for match in re.finditer(f"(?={pattern})", text):
            assert match.start() + len(pattern) not in added, "one place, two letters"
            added[match.start() + len(pattern)] = letter
    assert added
    return "".join(added.get(i, "") + text[i:i + 1] for i in range(len(text) + 1))


TESTS = {
    r"starts with (\w+)": lambda s, x: s[:len(x)] == x, r"ends with (\w+)": lambda s, x: s[-len(x):] == x,
    r"contains (\w+)": lambda s, x: s.find(x) >= 0, r"is longer than (\d+)": lambda s, x: len(s) > int(x),
    r"has an even number of (\w)": lambda s, x: not s.count(x) % 2,
    r"has an odd number of (\w)": lambda s, x: s.count(x) % 2}
DEEDS = {
    "drop its first letter": lambda s: s[1:], "drop its last letter": lambda s: s[:-1],
    "move its first letter to the end": lambda s: s[1:] + s[:1],
    r"append (\w+)": lambda s, y: s + y, r"prepend (\w+)": lambda s, y: y + s,
    r"delete the first (\w+)": lambda s, x: "".join(s.partition(x)[::2]),
    r"replace the first (\w+) by (\w+)": lambda s, x, y: y.join(s.split(x, 1))}


def carried_out(table, sentence, text):
    """What the one entry of a table that matches a sentence says of a text."""
    [(match, function)] = [(re.fullmatch(form, sentence), function) for form, function in table.items()
                           if re.fullmatch(form, sentence)]
    return function(text, *match.groups())


def string_deletion_and_modification(question):
    rules = re.findall(r"^\d+\. If it (.*), (.*)\.$", question, re.MULTILINE)
    text = re.search(r"What becomes of (\w+)\?", question)[1]
    for _ in range(61):
        deeds = [deed for test, deed in rules if carried_out(TESTS, test, text)]
        if not deeds:
            return text
        text = carried_out(DEEDS, deeds[0], text)
    raise AssertionError("the rewriting does not end")


# ---- recipes --------------------------------------------------------------------------------------------------------

THING = r"(?:(\d+) )?(\w|[\[({]\w[\])}])"


def amounts(parts):
    """["2 A", "B"] -> {"A": 2, "B": 1}."""
    counts = Counter()
    for part in parts:
        n, kind = re.fullmatch(THING, part).groups()
        counts[kind] += int(n or 1)
    return counts


def exchange(question):
    """Each recipe is used several times at a stroke; a whole idle round ends it."""
    kinds = re.search(r"numbers of (.*)\.$", question)[1].split(", ")
    stock = amounts(re.search(rf"{THING}(?:, {THING})+(?= and|\.)", question)[0].split(", "))
    body = re.search(r": ([^:]*)\. Go through", question)[1]
    recipes = [[amounts(side.split(" + ")) for side in recipe.split(" to ")] for recipe in body.split("; ")]
    repeat = "each as often as it can be used" in question
    assert repeat or "each once if it can be used" in question
    idle, turn = 0, 0
    while idle < len(recipes):
        used, made = recipes[turn % len(recipes)]
        times = min(stock[kind] // n for kind, n in used.items())
        times = times if repeat else min(times, 1)
        for kind in kinds:
            stock[kind] += times * (made[kind] - used[kind])
        idle, turn = 0 if times else idle + 1, turn + 1
    return str([stock[kind] for kind in kinds])


# ---- games, circuits, programs --------------------------------------------------------------------------------------

def mahjong_pattern(question):
    """A run is one of the 24 windows of the alphabet."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    windows = [set(alphabet[i:i + 3]) for i in range(24)]
    hand = Counter(re.search(r"letters ([A-Z ]+)\.", question)[1].split())
    assert max(hand.values()) <= 2
    for new, old in re.findall(r"([A-Z]) comes, ([A-Z]) goes", question):
        run = any(new in window and all(hand[c] for c in window - {new}) for window in windows)
        result = 1 if hand[new] >= 2 else 2 if run else 0
        hand.update(new)
        assert hand[old] > 0
        hand.subtract(old)
    return str(result)


GATES = {"AND": min, "NAND": lambda bits: 1 - min(bits), "OR": max, "NOR": lambda bits: 1 - max(bits),
         "XOR": lambda bits: len([bit for bit in bits if bit]) % 2}


def circuit_logic(question):
    """From the output back to the inputs."""
    circuit = re.match(r"A circuit: (.*?)\. XOR", question)[1]
    lines = dict(line.split(" = ") for line in circuit.split("; "))

    def bit(wire):
        if wire.startswith("not "):
            return 1 - bit(wire.removeprefix("not "))
        if lines[wire] in ("0", "1"):
            return int(lines[wire])
        gate, ends = re.fullmatch(r"(\w+)\((.*)\)", lines[wire]).groups()
        return GATES[gate]([bit(end) for end in ends.split(", ")])

    return str(bit("output"))


def bf(question):
    """The code translated to Python, and that program run."""
    code = question.splitlines()[1]
    lines = {"+": "m[p] = (m[p] + 1) % 256", "-": "m[p] = (m[p] - 1) % 256", ">": "p += 1", "<": "p -= 1",
             ".": "out.append(m[p])", "[": "while m[p]:"}
    source, depth = "m, p, out = [0] * 50, 0, []\n", 0
    for sign in code:
        if sign != "]":
            source += " " * depth + lines[sign] + "\n"
        depth += {"[": 1, "]": -1}.get(sign, 0)
    space = {}
    exec(source, space)
    return bytes(space["out"]).decode("ascii")


READERS = {
    "rg/ab": ab, "symbench/string_insertion": string_insertion,
    "symbench/string_deletion_and_modification": string_deletion_and_modification,
    "symbench/string_synthesis": exchange, "symbench/string_splitting": exchange,
    "symbench/synthesis_decomposition": exchange, "symbench/mahjong_pattern": mahjong_pattern,
    "rg/circuit_logic": circuit_logic, "rg/bf": bf}


@pytest.fixture
def seeds(request):
    """Six questions at each of the five levels; sixty with --slow."""
    return range(60 if request.config.getoption("--slow") else 6)


def test_every_task_of_the_family_has_a_reader():
    assert set(READERS) == {key for key, task in TASKS.items() if task.family == "machines"}


@pytest.mark.parametrize("key", READERS)
def test_the_question_alone_leads_to_the_accepted_answer(key, seeds):
    """And the answer to the question before is refused, where it is another."""
    before = ""
    for level in LEVELS:
        for seed in seeds:
            instance = TASKS[key].generate(seed, level)
            answer = READERS[key](instance.question)
            assert TASKS[key].verify(instance, answer), \
                f"{answer!r} is refused, {instance.expect!r} expected: {instance.question}"
            assert before == instance.expect or not TASKS[key].verify(instance, before), \
                f"{before!r} is accepted, {instance.expect!r} expected: {instance.question}"
            before = instance.expect


LAST_LETTER = re.compile(r"([A-Z]) comes, [A-Z] goes\. The")


def without_rounds(question):
    """The result of the last letter with the first hand."""
    last = LAST_LETTER.search(question)[1]
    return mahjong_pattern(re.match(r".*?\. ", question)[0] + f"{last} comes, {last} goes. ")


def output_gate(question):
    """The likelier output of the last gate, if its inputs were coins."""
    gate = re.search(r"output = (\w+)", question)[1]
    return {"OR": "1", "NOR": "0", "AND": "0", "XOR": "1"}[gate]


# What somebody would try who does not want to reason: task -> rule, and the share that is right by chance.
LAZY = {"symbench/mahjong_pattern": (without_rounds, 1 / 3), "rg/circuit_logic": (output_gate, 1 / 2)}


@pytest.mark.parametrize("key", LAZY)
def test_a_lazy_rule_is_hardly_better_than_guessing(key, request):
    rule, chance = LAZY[key]
    count = 300 if request.config.getoption("--slow") else 60
    instances = [TASKS[key].generate(seed) for seed in range(count)]
    right = sum(rule(instance.question) == instance.expect for instance in instances)
    # Ten points, and two and a half standard errors of the draw.
    assert right / count < chance + 0.1 + 2.5 * (0.25 / count) ** 0.5
