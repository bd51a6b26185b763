"""The machines against second interpreters, which read the question's text where that is the stricter check."""
import contextlib
import io
import itertools
import re
from collections import Counter
from random import Random

import pytest

from tasks import TASKS
from tasks.base import Instance

COUNTS = [15, pytest.param(200, marks=pytest.mark.slow)]


def instances(key, count, levels=(1, 3, 5)):
    return [TASKS[key].generate(seed, level) for level in levels for seed in range(-(-count // len(levels)))]


def made(key, **facts):
    """An instance of our own with these facts."""
    return Instance(key, 0, 3, "eval", "?", facts, str(TASKS[key].solve(**facts)))


def accepts(instance, answer):
    return TASKS[instance.task].verify(instance, answer)


# ---- rewriting ------------------------------------------------------------------------------------------------------

RULES = {("A#", "#A"): [], ("B#", "#B"): [], ("A#", "#B"): ["#B", "A#"], ("B#", "#A"): ["#A", "B#"]}


def rewritten(row, rng):
    """The final row, the place of each rewriting being drawn."""
    while places := [i for i in range(len(row) - 1) if (row[i], row[i + 1]) in RULES]:
        i = rng.choice(places)
        row = row[:i] + RULES[row[i], row[i + 1]] + row[i + 2:]
    return row


def test_the_order_of_rewriting_tokens_does_not_matter():
    rng = Random(1)
    rows = [list(row) for size in range(1, 6) for row in itertools.product(("A#", "#A", "B#", "#B"), repeat=size)]
    rows += [instance.facts["row"].split() for instance in instances("rg/ab", 40)]
    for row in rows:
        expect = " ".join(rewritten(row, rng))
        assert TASKS["rg/ab"].solve(" ".join(row)) == expect == " ".join(rewritten(row, rng))


def test_rows_of_tokens_are_read_in_any_common_form():
    instance = made("rg/ab", row="B# A# #A #A")
    assert instance.expect == "#A B#"
    assert accepts(instance, "['#A', 'B#']") and accepts(instance, "#a, b#")
    assert not accepts(instance, "B# #A") and not accepts(instance, "#A") and not accepts(instance, "A# B#")


@pytest.mark.parametrize("count", COUNTS)
def test_insertions_follow_every_place_of_the_given_string_overlaps_included(count):
    for instance in instances("symbench/string_insertion", count):
        text = re.search(r"In (\w+) insert", instance.question)[1]
        added = {}
        for letter, pattern in re.findall(r"(\w) after every (\w+)", instance.question):
            for match in re.finditer(f"(?={pattern})", text):
                added[match.start() + len(pattern)] = letter
        result = "".join(added.get(i, "") + text[i:i + 1] for i in range(len(text) + 1))
        assert added and accepts(instance, result) and accepts(instance, f'"{result}"')
        assert not accepts(instance, text) and not accepts(instance, result + "A") and not accepts(instance, result[1:])


def test_overlapping_places_all_count_and_insertions_make_no_new_ones():
    solve = TASKS["symbench/string_insertion"].solve
    assert solve("AAA", {"AA": "B"}) == "AABAB"
    assert solve("ABCD", {"AB": "C", "CC": "D"}) == "ABCCD"


@pytest.mark.parametrize("count", COUNTS)
def test_rules_do_what_their_sentences_say(count):
    """Read from the question's text."""
    tests = {r"starts with (\w+)": lambda s, x: s[:len(x)] == x, r"ends with (\w+)": lambda s, x: s[-len(x):] == x,
             r"contains (\w+)": lambda s, x: s.find(x) >= 0, r"is longer than (\d+)": lambda s, x: len(s) > int(x),
             r"has an even number of (\w)": lambda s, x: not s.count(x) % 2,
             r"has an odd number of (\w)": lambda s, x: s.count(x) % 2}
    deeds = {"drop its first letter": lambda s: s[1:], "drop its last letter": lambda s: s[:-1],
             "move its first letter to the end": lambda s: s[1:] + s[0],
             r"append (\w+)": lambda s, y: s + y, r"prepend (\w+)": lambda s, y: y + s,
             r"delete the first (\w+)": lambda s, x: "".join(s.partition(x)[::2]),
             r"replace the first (\w+) by (\w+)": lambda s, x, y: y.join(s.split(x, 1))}

    def run(table, sentence, text):
        [(match, deed)] = [(match, f) for form, f in table.items() if (match := re.fullmatch(form, sentence))]
        return deed(text, *match.groups())

    for instance in instances("symbench/string_deletion_and_modification", count):
        rules = re.findall(r"^\d+\. If it (.*), (.*)\.$", instance.question, re.MULTILINE)
        text = re.search(r"What becomes of (\w+)\?", instance.question)[1]
        for step in range(61):
            deed = next((deed for test, deed in rules if run(tests, test, text)), None)
            if deed is None:
                break
            text = run(deeds, deed, text)
        assert 1 <= step <= 60 and text and accepts(instance, text)
        assert not accepts(instance, text + "a") and not accepts(instance, text[1:])


# ---- recipes --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("key", ["string_synthesis", "string_splitting", "synthesis_decomposition"])
@pytest.mark.parametrize("count", COUNTS)
def test_recipes_read_from_the_question_lead_to_the_accepted_counts(key, count):
    thing = r"(?:(\d+) )?(\w|[\[({]\w[\])}])"

    def amounts(side):
        return Counter({kind: int(n or 1) for n, kind in (re.fullmatch(thing, part).groups() for part in side)})

    for instance in instances(f"symbench/{key}", count):
        kinds = re.search(r"numbers of (.*)\.$", instance.question)[1].split(", ")
        stock = amounts(re.search(rf"{thing}(?:, {thing})+(?= and|\.)", instance.question)[0].split(", "))
        body = re.search(r": ([^:]*)\. Go through", instance.question)[1]
        recipes = [[amounts(side.split(" + ")) for side in recipe.split(" to ")] for recipe in body.split("; ")]
        idle, turn, repeat = 0, 0, "as often as it can" in instance.question
        while idle < len(recipes):  # a whole round without a change
            used, made_ = recipes[turn % len(recipes)]
            times = min(stock[kind] // n for kind, n in used.items())
            times = times if repeat else min(times, 1)
            for kind in kinds:
                stock[kind] += times * (made_[kind] - used[kind])
            idle, turn = 0 if times else idle + 1, turn + 1
        numbers = [stock[kind] for kind in kinds]
        assert len(kinds) == {"string_synthesis": 9, "string_splitting": 6, "synthesis_decomposition": 5}[key]
        assert accepts(instance, str(numbers)) and accepts(instance, " ".join(map(str, numbers)))
        assert not accepts(instance, str(numbers[:-1])) and not accepts(instance, str([numbers[0] + 1, *numbers[1:]]))
        assert not accepts(instance, str(sorted(numbers) if numbers != sorted(numbers) else numbers[::-1] + [0]))


def test_using_up_a_recipe_differs_from_using_it_once_a_round():
    recipes = [[{"A": 1}, {"X": 1}], [{"A": 1}, {"Y": 1}]]
    solve = TASKS["symbench/string_splitting"].solve
    assert solve({"A": 4, "X": 0, "Y": 0}, recipes, repeat=True) == "0, 4, 0"
    assert solve({"A": 4, "X": 0, "Y": 0}, recipes, repeat=False) == "0, 2, 2"


# ---- games, circuits, programs --------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", COUNTS)
def test_the_last_round_is_judged_by_windows_of_the_alphabet(count):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    windows = [set(alphabet[i:i + 3]) for i in range(24)]
    for instance in instances("symbench/mahjong_pattern", count):
        hand = Counter(re.search(r"letters ([A-Z ]+)\.", instance.question)[1].split())
        assert max(hand.values()) <= 2
        for new, old in re.findall(r"(\w) comes, (\w) goes", instance.question):
            run = any(new in window and all(hand[c] for c in window - {new}) for window in windows)
            result = 1 if hand[new] >= 2 else 2 if run else 0
            hand.update(new)
            assert hand[old] > 0
            hand.subtract(old)
        assert [r for r in range(4) if accepts(instance, str(r))] == [result]


def test_the_three_results_of_a_hand_are_equally_frequent():
    results = Counter(instance.expect for instance in instances("symbench/mahjong_pattern", 300))
    assert set(results) == {"0", "1", "2"} and max(results.values()) < 0.45 * results.total()


def test_doubles_do_not_hide_a_run_and_a_triple_comes_first():
    solve = TASKS["symbench/mahjong_pattern"].solve
    assert solve(["C", "D", "D"], [["E", "C"]]) == 2 and solve(["C", "C", "D", "E"], [["C", "C"]]) == 1
    assert solve(["A", "Y"], [["Z", "A"]]) == 0 and solve(["A", "C"], [["B", "B"]]) == 2


@pytest.mark.parametrize("count", COUNTS)
def test_circuits_agree_with_their_programs_and_both_outputs_are_frequent(count):
    task, outputs = TASKS["rg/circuit_logic"], Counter()
    for instance in instances("rg/circuit_logic", count, levels=(1, 2, 3, 4, 5)):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(task.program(instance), {})
        assert accepts(instance, out.getvalue()) and not accepts(instance, str(1 - int(instance.expect)))
        outputs[instance.expect] += 1
    assert len(outputs) == 2 and (count < 100 or max(outputs.values()) < 0.6 * outputs.total())


def test_gates_of_many_inputs_follow_the_stated_convention():
    for bits in itertools.product((0, 1), repeat=3):
        inputs = "; ".join(f"{name} = {bit}" for name, bit in zip("ABC", bits))
        for gate, output in {"AND": min(bits), "NAND": 1 - min(bits), "OR": max(bits), "NOR": 1 - max(bits),
                             "XOR": bits[0] ^ bits[1] ^ bits[2]}.items():
            assert TASKS["rg/circuit_logic"].solve(f"{inputs}; output = {gate}(A, B, C)") == output
            assert TASKS["rg/circuit_logic"].solve(f"{inputs}; T1 = {gate}(A, not B, C); output = OR(not T1)") \
                == 1 - TASKS["rg/circuit_logic"].solve(f"{inputs}; output = {gate}(A, not B, C)")


@pytest.mark.parametrize("count", COUNTS)
def test_a_compiler_and_the_interpreter_print_what_was_planted(count):
    lines = {"+": "m[p] = (m[p] + 1) % 256", "-": "m[p] = (m[p] - 1) % 256", ">": "p += 1", "<": "p -= 1",
             ".": "out.append(m[p])", "[": "while m[p]:"}
    for instance in instances("rg/bf", count):
        source, depth = "m, p, out = [0] * 50, 0, []\n", 0
        for c in instance.facts["code"]:
            source += " " * depth + lines[c] + "\n" if c != "]" else ""
            depth += {"[": 1, "]": -1}.get(c, 0)
        space = {}
        exec(source, space)
        printed = bytes(space["out"]).decode()
        assert instance.facts["code"] in instance.question and printed.isalnum() and accepts(instance, f'"{printed}"')
        assert printed == instance.expect == TASKS["rg/bf"].solve(instance.facts["code"])
        assert not accepts(instance, printed.swapcase()) and not accepts(instance, printed[:-1])
