"""The traps of the machines; test_questions_machines.py runs them again from their questions."""
import contextlib
import io
import itertools
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


def test_overlapping_places_all_count_and_insertions_make_no_new_ones():
    solve = TASKS["symbench/string_insertion"].solve
    assert solve("AAA", {"AA": "B"}) == "AABAB"
    assert solve("ABCD", {"AB": "C", "CC": "D"}) == "ABCCD"


# ---- recipes --------------------------------------------------------------------------------------------------------

def test_using_up_a_recipe_differs_from_using_it_once_a_round():
    recipes = [[{"A": 1}, {"X": 1}], [{"A": 1}, {"Y": 1}]]
    solve = TASKS["symbench/string_splitting"].solve
    assert solve({"A": 4, "X": 0, "Y": 0}, recipes, repeat=True) == "0, 4, 0"
    assert solve({"A": 4, "X": 0, "Y": 0}, recipes, repeat=False) == "0, 2, 2"


# ---- games, circuits, programs --------------------------------------------------------------------------------------

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


