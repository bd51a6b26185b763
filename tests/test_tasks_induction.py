"""Induction: every rule is written a second time, and the answer is found again from the text of the question."""
import ast
import itertools
import re
from collections import Counter
from random import Random

import pytest

from tasks import TASKS
from tasks.families.induction import images, list_rules, row_rules

COUNTS = [15, pytest.param(200, marks=pytest.mark.slow)]


def instances(key, count, levels=(1, 2, 3, 4, 5)):
    return [TASKS[key].generate(seed, level) for level in levels for seed in range(-(-count // len(levels)))]


def accepts(instance, answer):
    return TASKS[instance.task].verify(instance, answer)


# ---- lists ----------------------------------------------------------------------------------------------------------

def taken(numbers, k):
    """The number at place k, if there is one."""
    return [x for i, x in enumerate(numbers) if i == k]


LISTS = {  # name up to the range of k, if it has one -> function of a list and k
    "reverse": lambda v, _: list(reversed(v)),
    "sort upward": lambda v, _: [x for n in range(-99, 999) for x in [n] * v.count(n)],
    "sort downward": lambda v, _: [x for n in range(999, -99, -1) for x in [n] * v.count(n)],
    "sum": lambda v, _: [list(itertools.accumulate([0, *v]))[-1]],
    "drop repeats": lambda v, _: [x for i, x in enumerate(v) if x not in v[:i]],
    "keep the even numbers": lambda v, _: list(filter(lambda x: x & 1 == 0, v)),
    "running sums": lambda v, _: list(itertools.accumulate(v)),
    "how many numbers": lambda v, _: [len(v)],
    "keep the numbers that an even one follows": lambda v, _: [v[i] for i in range(len(v) - 1) if v[i + 1] & 1 == 0],
    "add to each its place, from 0": lambda v, _: list(map(sum, zip(v, itertools.count()))),
    "each number but the first minus the one before": lambda v, _: [v[i] - v[i - 1] for i in range(1, len(v))],
    "the third number, if any": lambda v, _: taken(v, 2),
    "the number at the place, from 0, that the last one names, if any": lambda v, _: taken(v, v[-1]) if v else [],
    "the first and the last, both plus 1": lambda v, _: [v[0] + 1, v[-1] + 1] if v else [],
    "twice the last": lambda v, _: [v[-1] + v[-1]] if v else [],
    "how many are k": lambda v, k: [Counter(v)[k]],
    "each times 2 plus k": lambda v, k: [x + x + k for x in v],
    "each plus k": lambda v, k: [k + x for x in v],
    "keep the multiples of k": lambda v, k: [x for x in v if x == x // k * k],
    "sum of the different numbers below k": lambda v, k: [sum(x for x in sorted(set(v)) if x < k)],
}


def functions_of(menu):
    """The functions that a question's list of rules stands for, written by us again."""
    for name in menu:
        match = re.fullmatch(r"(.*), k from (-?\d+) to (\d+)", name)
        for k in range(int(match[2]), int(match[3]) + 1) if match else [None]:
            yield lambda v, f=LISTS[match[1] if match else name], k=k: f(v, k)


def test_each_rule_on_lists_does_what_its_name_says():
    rng, table = Random(1), list_rules()
    for name, group in table.items():
        again = list(functions_of([name]))
        assert len(again) == len(group)
        for _ in range(50):
            numbers = [rng.randint(-5, 20) for _ in range(rng.randrange(8))]
            assert [f(numbers) for f in group] == [f(numbers) for f in again], (name, numbers)


@pytest.mark.parametrize("count", COUNTS)
def test_one_image_alone_follows_from_the_lists_and_rules_of_the_question(count):
    for instance in instances("rg/list_functions", count):
        pairs = [[ast.literal_eval(part) for part in pair]
                 for pair in re.findall(r"^(\[.*\]) -> (\[.*\])$", instance.question, re.MULTILINE)]
        menu = re.search(r"done: (.*)\. What", instance.question)[1].split("; ")
        query = ast.literal_eval(re.search(r"What does (\[.*\]) become", instance.question)[1])
        functions = list(functions_of(menu))
        if "and then another" in instance.question:
            functions = [lambda v, f=f, g=g: g(f(v)) for f in functions for g in functions]
        found = {tuple(f(query)) for f in functions if all(f(before) == after for before, after in pairs)}
        assert len(pairs) in (4, 5) and len(found) == 1
        image = [*found.pop()]
        assert accepts(instance, str(image)) and accepts(instance, ", ".join(map(str, image)))
        wrong = ("", str(query), str(image + [0]), str([image[0] + 1, *image[1:]]))
        assert not any(accepts(instance, text) for text in wrong)


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
    "sort the runs by length, shortest first, keeping the gaps":
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


def test_rules_with_a_number_have_the_range_that_their_names_tell():
    for table in (list_rules(), row_rules()):
        for name, group in table.items():
            match = re.search(r", k from (-?\d+) to (\d+)$", name)
            assert len(group) == (int(match[2]) - int(match[1]) + 1 if match else 1), name


@pytest.mark.parametrize("count", COUNTS)
def test_one_image_alone_follows_from_the_rows_of_the_question(count):
    for instance in instances("rg/arc_1d", count):
        rows = [[[int(c) for c in part.split()] for part in line.split(" -> ")]
                for line in re.findall(r"^[\d ]+ -> [\d ]+$", instance.question, re.MULTILINE)]
        query = [int(c) for c in re.search(r"What does ([\d ]+) become", instance.question)[1].split()]
        table = row_rules()
        menu = re.search(r"one of these: (.*)\. What", instance.question)[1].split("; ")
        fitting = [f for name in menu for f in table[name] if not any(f(a) != b for a, b in rows)]
        assert len(rows) == 3 and fitting and all(f(query) == fitting[0](query) for f in fitting)
        image = fitting[0](query)
        assert accepts(instance, str(image)) and accepts(instance, "".join(map(str, image))) and image != query
        wrong = ("", str(query), str(image + [0]), str([(image[0] + 1) % 10, *image[1:]]))
        assert not any(accepts(instance, text) for text in wrong)


def test_a_query_that_fitting_rules_disagree_on_is_told_apart():
    pairs = [([1, 1], [1, 1]), ([2, 2, 2], [2, 2, 2])]
    table = {"same": [lambda v: v], "mirror": [lambda v: v[::-1]], "none": [lambda v: None]}
    assert images(table, pairs, [3, 4]) == [[3, 4], [4, 3]] and images(table, pairs, [5, 5]) == [[5, 5]]
    assert images({"mirror": [lambda v: v[::-1]]}, [([1, 2], [1, 2])], [3, 4], depth=2) == [[3, 4]]


# ---- sequences and squares ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", COUNTS)
def test_all_rules_that_fit_a_sequence_lead_to_the_accepted_term(count):
    """The numbers in the rules are worked out from the terms, not tried one by one."""
    for instance in instances("rg/number_sequence", count):
        t = [int(n) for n in instance.question.split(":")[0].split(", ")]
        limit = int(re.search(r"a from 1 to (\d+)", instance.question)[1])
        triples = list(zip(t, t[1:], t[2:]))
        found = set()
        for parts, following in [({z - x - y for x, y, z in triples}, t[-2] + t[-1]),
                                 ({z - y // 2 for _, y, z in triples}, t[-1] // 2),
                                 ({z - y - (y - x) for x, y, z in triples}, 2 * t[-1] - t[-2]),
                                 *(({z - a * y for _, y, z in triples}, a * t[-1]) for a in range(1, limit + 1))]:
            if len(parts) == 1 and abs(min(parts)) <= limit:
                found.add(following + min(parts))
        gaps = [z - y for _, y, z in triples]
        if len(set(gaps[::2])) == len(set(gaps[1::2])) == 1 and max(map(abs, gaps)) <= limit:
            found.add(t[-1] + gaps[-2])
        assert len(found) == 1 and max(map(abs, t)) < 2_000 and len(set(t)) > 1
        term = found.pop()
        assert accepts(instance, f"x = {term}.0") and not accepts(instance, str(term + 1))


@pytest.mark.parametrize("count", COUNTS)
def test_all_rules_that_fit_a_square_complete_it_alike(count):
    """A remainder belongs to # or to the full stop: the cells shown decide which, for each operation and divisor."""
    operations = [lambda x, y: x + y, lambda x, y: max(x, y) - min(x, y), lambda x, y: sum([x] * y),
                  lambda x, y: 1 if y == 0 else x ** y]
    for instance in instances("rg/modulo_grid", count):
        rows = re.findall(r"^[#.?]+$", instance.question, re.MULTILINE)
        limit = int(re.search(r"d is from 2 to (\d+)", instance.question)[1])
        cells = {(x, y): c for y, row in enumerate(rows) for x, c in enumerate(row)}
        assert len(cells) == len(rows) ** 2
        found = set()
        for op, d in itertools.product(operations, range(2, limit + 1)):
            remainder = {place: op(*place) % d for place in cells}
            marked, plain = ({remainder[place] for place in cells if cells[place] == c} for c in "#.")
            for t in set(range(d)) - plain:
                if marked <= {t}:
                    found.add("\n".join("".join(".#"[remainder[x, y] == t] for x in range(len(rows)))
                                        for y in range(len(rows))))
        [square] = found
        assert accepts(instance, square) and accepts(instance, str(square.split("\n"))) and "?" in instance.question
        assert not any(accepts(instance, wrong) for wrong in ("", square[:-1], "\n".join(rows)))
        hole = next(i for i, c in enumerate("\n".join(rows)) if c == "?")
        assert not accepts(instance, square[:hole] + ("." if square[hole] == "#" else "#") + square[hole + 1:])


# ---- causes ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", [60, pytest.param(600, marks=pytest.mark.slow)])
def test_the_detector_answers_what_all_assignments_of_the_power_agree_on(count):
    labels = Counter()
    for instance in instances("rg/acre", count):
        lines = re.findall(r"([\w, ]+): (on|off)\.", instance.question)
        trials = [(set(things.strip().split(", ")), light) for things, light in lines]
        query = set(re.search(r"it is on with ([\w, ]+)\?", instance.question)[1].split(", "))
        things = sorted(query.union(*(laid for laid, _ in trials)))
        seen = set()
        for size in range(len(things) + 1):
            for power in map(set, itertools.combinations(things, size)):
                if all(bool(laid & power) == (light == "on") for laid, light in trials):
                    seen.add("on" if query & power else "off")
        truth = "undetermined" if len(seen) == 2 else seen.pop()
        assert len(trials) >= 3 and [a for a in ("on", "off", "undetermined") if accepts(instance, a)] == [truth]
        labels[truth] += 1
    assert set(labels) == {"on", "off", "undetermined"} and max(labels.values()) < 0.5 * labels.total()
