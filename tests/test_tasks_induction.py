"""The rules of the induction tasks against examples by hand and against a second writing of each."""
import re
from random import Random

from tasks import TASKS
from tasks.base import Instance
from tasks.families.induction import images, list_rules, row_rules
from test_questions_induction import written_again


# ---- lists ----------------------------------------------------------------------------------------------------------

def test_each_rule_on_lists_does_what_its_name_says():
    rng, table = Random(1), list_rules()
    for name, group in table.items():
        again = list(written_again([name]))
        assert len(again) == len(group)
        for _ in range(50):
            numbers = [rng.randint(-5, 20) for _ in range(rng.randrange(8))]
            assert [f(numbers) for f in group] == [f(numbers) for f in again], (name, numbers)


# ---- rows -----------------------------------------------------------------------------------------------------------

ROWS = {  # worked out by hand: rule, number of k among its functions, row, image (None where the rule cannot be used)
    "shift all k places right, round the end": [(2, "1200340", "3401200"), (0, "0000005", "5000000")],
    "shift all k places right, dropping what leaves": [(2, "1200340", "0001200"), (0, "0100001", "0010000")],
    "mirror the row": [(0, "1200340", "0430021")],
    "push all digits to the left": [(0, "0102003", "1230000")],
    "push all digits to the right": [(0, "1020030", "0000123")],
    "erase each run of a single digit": [(0, "0110223405", "0110220000"), (0, "9099", "0099")],
    "write the longest run with the digit k":
        [(4, "0110222", "0110555"), (0, "0110220", None), (0, "0303330", "0301110")],
    "write each run with its length": [(0, "0110777052", "0220333011")],
    "sort the runs by length, shortest first, ties in their order, keeping the gaps":
        [(0, "0444011002", "0201100444"), (0, "3305500", "3305500"), (0, "6611100700", "7660011100"),
         (0, "111220", "221110")],
    "fill the places between two 9s with 9":
        [(0, "0900390", "0999990"), (0, "0990", "0990"), (0, "090", None), (0, "90909", None)],
    "extend the run up to the 9": [(0, "0220009", "0222229"), (0, "9004400", "9444400"), (0, "922", "922"),
                                   (0, "0909220", None), (0, "1022900", None)],
    "flip the run over to the other side of the 9":
        [(0, "0220090000", "0000090022"), (0, "02200900", None), (0, "00900311", None), (0, "000900300", "300900000"),
         (0, "2290000", "0092200"), (0, "00900400", None)],
    "write a copy of the run at each 9, beginning there":
        [(0, "0330009000900", "0330003300330"), (0, "9003300", "3303300"), (0, "033009", None), (0, "90330", "33330")],
}


def test_each_rule_on_rows_does_what_its_name_says():
    table = {re.sub(r", k from .*", "", name): group for name, group in row_rules().items()}
    assert list(table) == list(ROWS)
    for name, cases in ROWS.items():
        for k, before, after in cases:
            row = [int(c) for c in before]
            assert table[name][k](row) == (after and [int(c) for c in after]), (name, before)
            assert row == [int(c) for c in before]  # unchanged itself


def test_each_rule_on_rows_agrees_with_its_second_writing():
    """On rows that are drawn at random, most of them unsuitable for the rules that need a mark."""
    rng, table = Random(2), row_rules()
    for name, group in table.items():
        again = list(written_again([name]))
        assert len(again) == len(group)
        for _ in range(200):
            row = rng.choices(range(10), (12, 1, 1, 1, 0, 0, 0, 0, 0, 2), k=rng.randint(5, 12))
            text = "".join(map(str, row))
            images_ = [function(row) for function in group]
            assert [image and "".join(map(str, image)) for image in images_] == [f(text) for f in again], (name, text)


def test_rules_with_a_number_have_the_range_that_their_names_tell():
    for table in (list_rules(), row_rules()):
        for name, group in table.items():
            match = re.search(r", k from (-?\d+) to (\d+)$", name)
            assert len(group) == (int(match[2]) - int(match[1]) + 1 if match else 1), name


def test_rows_of_digits_are_read_with_or_without_blanks_and_in_one_script_alone():
    instance = Instance("rg/arc_1d", 0, 3, "eval", "?", {}, "3 0 3")
    for right in ("3 0 3", "303", "[3, 0, 3]", "3,0,3"):
        assert TASKS["rg/arc_1d"].verify(instance, right)
    for wrong in ("٣0٣", "3 0", "3 0 3 0", "3 x 3", "²03", ""):
        assert not TASKS["rg/arc_1d"].verify(instance, wrong)


def test_a_query_that_fitting_rules_disagree_on_is_told_apart():
    pairs = [([1, 1], [1, 1]), ([2, 2, 2], [2, 2, 2])]
    table = {"same": [lambda v: v], "mirror": [lambda v: v[::-1]], "none": [lambda v: None]}
    assert images(table, pairs, [3, 4]) == [[3, 4], [4, 3]] and images(table, pairs, [5, 5]) == [[5, 5]]
    assert images({"mirror": [lambda v: v[::-1]]}, [([1, 2], [1, 2])], [3, 4], depth=2) == [[3, 4]]


# ---- answers --------------------------------------------------------------------------------------------------------

def test_answers_are_read_in_any_common_form():
    def accepts(key, expect, answer):
        return TASKS[key].verify(Instance(key, 0, 3, "eval", "?", {}, expect), answer)

    assert accepts("rg/list_functions", "[4, 0]", "4, 0") and not accepts("rg/list_functions", "[4, 0]", "[4, 0, 0]")
    assert accepts("rg/number_sequence", "12", "x = 12.0") and not accepts("rg/number_sequence", "12", "13")
    for right in ("#.\n.#", "['#.', '.#']", "# .\n. #"):
        assert accepts("rg/modulo_grid", "#.\n.#", right)
    for wrong in ("#.\n.?", "#.\n##", "#.\n.", ""):
        assert not accepts("rg/modulo_grid", "#.\n.#", wrong)
