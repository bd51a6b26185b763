"""The traps of the grid tasks; test_questions_grids.py solves their questions again."""
import itertools
from collections import Counter

import pytest

from tasks import TASKS
from tasks.base import Instance
from tasks.families.grids import OPERATIONS, decompositions

COUNTS = [15, pytest.param(200, marks=pytest.mark.slow)]


def instances(key, count, levels=(1, 3, 5)):
    return [TASKS[key].generate(seed, level) for level in levels for seed in range(-(-count // len(levels)))]


def made(key, expect="", **facts):
    """An instance of our own with these facts."""
    return Instance(key, 0, 3, "eval", "?", facts, str(expect or TASKS[key].solve(**facts)))


# ---- turning and editing --------------------------------------------------------------------------------------------

def test_each_turn_moves_every_cell_to_the_place_that_its_name_says():
    m = [[10 * r + c for c in range(4)] for r in range(3)]
    goes_to = {"rotate_90": lambda r, c: (c, 2 - r), "rotate_180": lambda r, c: (2 - r, 3 - c),
               "rotate_270": lambda r, c: (3 - c, r), "flip_rows": lambda r, c: (2 - r, c),
               "flip_columns": lambda r, c: (r, 3 - c), "transpose": lambda r, c: (c, r),
               "antitranspose": lambda r, c: (3 - c, 2 - r)}
    for name, place in goes_to.items():
        turned = OPERATIONS[name](m)
        assert sum(map(len, turned)) == 12
        for r, c in itertools.product(range(3), range(4)):
            i, j = place(r, c)
            assert turned[i][j] == m[r][c], name


def test_the_edits_do_what_their_sentences_say():
    m = [[1, 2, 3], [4, 5, 6], [7, 8, 0], [2, 2, 9]]
    assert OPERATIONS["replace"](m, 2, 7) == [[1, 7, 3], [4, 5, 6], [7, 8, 0], [7, 7, 9]]
    assert OPERATIONS["zero_multiples"](m, 3) == [[1, 2, 0], [4, 5, 0], [7, 8, 0], [2, 2, 0]]
    assert OPERATIONS["keep"](m, 2, 3, 1, 2) == [[4, 5], [7, 8]]
    assert OPERATIONS["drop_rows"](m, 2) == [[1, 2, 3], [7, 8, 0]]
    assert OPERATIONS["drop_columns"](m, 3) == [[1, 2], [4, 5], [7, 8], [2, 2]]


@pytest.mark.parametrize("count", COUNTS)
def test_a_manipulated_matrix_is_never_empty_and_its_question_lists_every_operation(count):
    for instance in instances("rg/manipulate_matrix", count):
        assert all(TASKS["rg/manipulate_matrix"].parse(instance.expect))
        for name, *arguments in instance.facts["operations"]:
            assert OPERATIONS[name].__doc__.format(*arguments) in instance.question


def test_the_shape_of_an_answered_matrix_counts_where_rows_are_asked():
    task = TASKS["rg/manipulate_matrix"]
    instance = made(task.key, m=[[1, 2, 3], [4, 5, 6]], operations=[])
    for right in ("[[1, 2, 3], [4, 5, 6]]", "1 2 3\n4 5 6", "[1,2,3],\n[4,5,6]", "[ [1, 2, 3],\n [4, 5, 6] ]"):
        assert task.verify(instance, right)
    for wrong in ("[[1, 2], [3, 4], [5, 6]]", "1 2 3 4 5 6", "[[1, 2, 3], [4, 5, 6]] or so", "[[1, 2, 3] 9 [4, 5, 6]]"):
        assert not task.verify(instance, wrong)


def test_a_transformed_letter_keeps_its_case():
    task = TASKS["symbench/matrix_transformation"]
    instance = made(task.key, m=[["a", "B"], ["#", "7"]], operations=[["transpose"]])
    assert task.verify(instance, "a, #, B, 7") and task.verify(instance, "a #\nB 7")
    assert not task.verify(instance, "A, #, B, 7") and not task.verify(instance, "a, #, B")


# ---- reading and pooling --------------------------------------------------------------------------------------------

def test_averages_may_be_rounded_either_way_at_a_tie_but_not_further():
    task = TASKS["symbench/pooling"]
    matrix = [[1] + [0] * 3, [1] + [0] * 3, [0] * 4, [0] * 4]  # average of the one window: 2 / 16 = 0.125
    instance = made(task.key, matrix=matrix, size=4, kind="average")
    assert all(task.verify(instance, right) for right in ("0.12", "0.13", "0.125", "[0.12]", "1/8"))
    assert not any(task.verify(instance, wrong) for wrong in ("0.11", "0.14", "0.12, 0.12", "", "0.12 x"))


# ---- finding shapes -------------------------------------------------------------------------------------------------

def every_count(rows):
    """The numbers of rectangles that can make up a drawing, by trying each choice of rectangles."""
    ink = {(r, c): ".#@".index(mark) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark != "."}
    tops = sorted({r for r, _ in ink})
    lefts = sorted({c for _, c in ink})
    boxes = []
    for top, bottom in itertools.combinations(tops, 2):
        for left, right in itertools.combinations(lefts, 2):
            edge = {(r, c) for r in range(top, bottom + 1) for c in range(left, right + 1)
                    if r in (top, bottom) or c in (left, right)}
            if bottom - top > 1 and right - left > 1 and edge <= ink.keys():
                boxes.append(edge)
    if len(boxes) > 8:
        return None
    return {sum(times) for times in itertools.product(range(3), repeat=len(boxes))
            if ink == {cell: n for cell, n in Counter(
                cell for box, k in zip(boxes, times) for _ in range(k) for cell in box).items()}}


@pytest.mark.parametrize("count", COUNTS)
def test_all_choices_of_rectangles_that_make_up_a_drawing_have_the_expected_number(count):
    found = [(every_count(instance.facts["rows"]), instance.expect)
             for instance in instances("rg/rectangle_count", count, levels=(1,))]
    assert all(counts in (None, {int(expect)}) for counts, expect in found)
    assert sum(counts is not None for counts, _ in found) > 0.5 * len(found)


def test_all_ways_to_take_a_drawing_apart_are_found_also_where_their_numbers_differ():
    nested = ["###..", "#.#..", "##@##", "..#.#", "..###"]
    assert {way for way in decompositions(nested) if way} == every_count(nested) == {2}
    assert set(decompositions(["@@@", "@.@", "@@@"])) == {2}
    assert set(decompositions(["###", "#.#", "##."])) == {0}
    ambiguous = ["...#@@@", "...##.@", "...##.@", ".##@@#@", "#@#@@#@", "###@@#@", "#######"]
    assert {way for way in decompositions(ambiguous) if way} == {4, 5}


# ---- spreading ------------------------------------------------------------------------------------------------------

def test_an_empty_board_does_not_pass_for_a_life_and_text_not_for_a_truth():
    task, instance = TASKS["rg/game_of_life"], TASKS["rg/game_of_life"].generate(1)
    n = len(instance.facts["board"])
    assert not task.verify(instance, str([[0] * n] * n))
    task = TASKS["rg/game_of_life_halting"]
    for seed in range(6):
        instance = task.generate(seed)
        accepted = [answer for answer in ("True", "False", "maybe", "") if task.verify(instance, answer)]
        assert accepted == [instance.expect]


def test_one_case_in_five_has_oranges_that_stay_fresh_for_ever():
    stuck = sum(instance.expect == "-1" for instance in instances("rg/rotten_oranges", 100, levels=(1, 2)))
    assert 0.08 < stuck / 100 < 0.34  # three standard errors


def test_dying_boards_are_about_as_frequent_as_living_ones():
    labels = Counter(TASKS["rg/game_of_life_halting"].generate(seed).expect for seed in range(60))
    assert 0.35 < labels["True"] / 60 < 0.65


# ---- games on boards ------------------------------------------------------------------------------------------------

def test_a_merged_tile_is_moved_next_and_may_merge_again():
    solve = TASKS["symbench/2048"].solve
    assert solve([[2, 2, 4], [0, 0, 0], [0, 2, 0]], [1, 1], "rrd") == [[0, 0, 0], [0, 0, 8], [0, 2, 0]]
    assert solve([[2, 4], [0, 0]], [1, 1], "urd") == [[0, 4], [2, 0]]
