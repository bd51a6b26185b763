"""Every induction task solved again from the words of its question alone: each rule is written a second time here."""
import ast
import itertools
import re
from collections import Counter

import pytest

from tasks import LEVELS, TASKS


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


def list_functions(question):
    """The one image that follows from all rules, or pairs of rules, that fit the lists."""
    pairs = [[ast.literal_eval(part) for part in pair]
             for pair in re.findall(r"^(\[.*\]) -> (\[.*\])$", question, re.MULTILINE)]
    menu = re.search(r"done: (.*)\. What", question)[1].split("; ")
    query = ast.literal_eval(re.search(r"What does (\[.*\]) become", question)[1])
    functions = list(written_again(menu))
    if "First one and then another, or the same" in question:
        functions = [lambda v, f=f, g=g: g(f(v)) for f in functions for g in functions]
    found = {tuple(f(query)) for f in functions if all(f(before) == after for before, after in pairs)}
    assert len(pairs) in (4, 5)
    [image] = found
    return str(list(image))


# ---- rows: functions of a text of digits and k; None where the row does not suit the rule ---------------------------

RUN = r"([1-9])\1*"


def longest_run(row, k):
    sizes = sorted(len(run[0]) for run in re.finditer(RUN, row))
    if not sizes or sizes.count(sizes[-1]) > 1:
        return None
    return re.sub(RUN, lambda run: str(k) * len(run[0]) if len(run[0]) == sizes[-1] else run[0], row)


def sorted_runs(row, _):
    """The places of the runs are filled from a queue."""
    queue = sorted((run[0] for run in re.finditer(RUN, row)), key=len)
    return re.sub(RUN, lambda run: queue.pop(0), row)


def filled(row, _):
    if row.count("9") != 2:
        return None
    return re.sub("9.*9", lambda part: "9" * len(part[0]), row)


def one_run(row, most):
    """(start, run, places of the 9s) of a row with one run of other digits and one to `most` 9s, else None."""
    runs = list(re.finditer(r"([1-8])\1*", row))
    if len(runs) != 1 or not 1 <= row.count("9") <= most:
        return None
    return runs[0].start(), runs[0][0], [i for i, digit in enumerate(row) if digit == "9"]


def extended(row, _):
    if not one_run(row, 1):
        return None
    row = re.sub(r"([1-8])(0+)(?=9)", lambda part: part[1] * len(part[0]), row)
    return re.sub(r"(?<=9)(0+)([1-8])", lambda part: part[2] * len(part[0]), row)


def flipped(row, _):
    if not one_run(row, 1):
        return None
    start, run, [mark] = one_run(row, 1)
    new = ["0"] * len(row)
    new[mark] = "9"
    for i in range(start, start + len(run)):
        if not 0 <= 2 * mark - i < len(row):
            return None
        new[2 * mark - i] = run[0]
    return "".join(new)


def copied(row, _):
    if not one_run(row, 3):
        return None
    _, run, marks = one_run(row, 3)
    for mark in marks:
        place = row[mark:mark + len(run)]
        if len(place) < len(run) or set(place[1:]) - {"0"}:
            return None
        row = row[:mark] + run + row[mark + len(run):]
    return row


ROWS = {  # name up to the range of k, if it has one -> function of a row and k
    "shift all k places right, round the end": lambda row, k: "".join(row[i - k] for i in range(len(row))),
    "shift all k places right, dropping what leaves": lambda row, k: ("0" * k + row)[:len(row)],
    "mirror the row": lambda row, _: "".join(reversed(row)),
    "push all digits to the left": lambda row, _: row.replace("0", "").ljust(len(row), "0"),
    "push all digits to the right": lambda row, _: row.replace("0", "").rjust(len(row), "0"),
    "erase each run of a single digit":
        lambda row, _: re.sub(RUN, lambda run: run[0] if len(run[0]) > 1 else "0", row),
    "write the longest run with the digit k": longest_run,
    "write each run with its length": lambda row, _: re.sub(RUN, lambda run: str(len(run[0])) * len(run[0]), row),
    "sort the runs by length, shortest first, ties in their order, keeping the gaps": sorted_runs,
    "fill the places between two 9s with 9": filled,
    "extend the run up to the 9": extended,
    "flip the run over to the other side of the 9": flipped,
    "write a copy of the run at each 9, beginning there": copied,
}


def written_again(menu):
    """The functions that a question's list of rules stands for: one for each k where a rule has a k."""
    for name in menu:
        match = re.fullmatch(r"(.*), k from (-?\d+) to (\d+)", name)
        function = (LISTS | ROWS)[match[1] if match else name]
        for k in range(int(match[2]), int(match[3]) + 1) if match else [None]:
            yield lambda v, f=function, k=k: f(v, k)


def arc_1d(question):
    """The one image that follows from all rules that fit the rows."""
    pairs = [[part.replace(" ", "") for part in line.split(" -> ")]
             for line in re.findall(r"^[\d ]+ -> [\d ]+$", question, re.MULTILINE)]
    query = re.search(r"What does ([\d ]+) become", question)[1].replace(" ", "")
    menu = re.search(r"one of these: (.*)\. What", question)[1].split("; ")
    assert len(pairs) == 3
    [image] = {f(query) for f in written_again(menu) if all(f(before) == after for before, after in pairs)}
    assert image != query
    return image


# ---- sequences and squares ------------------------------------------------------------------------------------------

def number_sequence(question):
    """The numbers in the rules are worked out from the terms, not tried one by one."""
    t = [int(n) for n in question.split(":")[0].split(", ")]
    limit = int(re.search(r"a from 1 to (\d+)", question)[1])
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
    assert max(map(abs, t)) < 2_000 and len(set(t)) > 1
    [term] = found
    return str(term)


OPERATIONS = (lambda x, y: x + y, lambda x, y: max(x, y) - min(x, y), lambda x, y: sum([x] * y),
              lambda x, y: 1 if y == 0 else x ** y)


def modulo_grid(question):
    """A remainder belongs to # or to the full stop: the cells shown decide which, for each operation and divisor."""
    rows = re.findall(r"^[#.?]+$", question, re.MULTILINE)
    limit = int(re.search(r"d is from 2 to (\d+)", question)[1])
    cells = {(x, y): c for y, row in enumerate(rows) for x, c in enumerate(row)}
    assert len(cells) == len(rows) ** 2 and "?" in cells.values()
    found = set()
    for op, d in itertools.product(OPERATIONS, range(2, limit + 1)):
        remainder = {place: op(*place) % d for place in cells}
        marked, plain = ({remainder[place] for place in cells if cells[place] == c} for c in "#.")
        for t in set(range(d)) - plain:
            if marked <= {t}:
                found.add("\n".join("".join(".#"[remainder[x, y] == t] for x in range(len(rows)))
                                    for y in range(len(rows))))
    [square] = found
    return square


# ---- causes ---------------------------------------------------------------------------------------------------------

def acre(question):
    """What all assignments of the power that fit the trials agree on."""
    lines = re.findall(r"([\w, ]+): (on|off)\.", question)
    trials = [(set(things.strip().split(", ")), light) for things, light in lines]
    query = set(re.search(r"it is on with ([\w, ]+)\?", question)[1].split(", "))
    things = sorted(query.union(*(laid for laid, _ in trials)))
    seen = set()
    for size in range(len(things) + 1):
        for power in map(set, itertools.combinations(things, size)):
            if all(bool(laid & power) == (light == "on") for laid, light in trials):
                seen.add("on" if query & power else "off")
    assert len(trials) >= 3 and seen
    return "undetermined" if len(seen) == 2 else seen.pop()


READERS = {"rg/list_functions": list_functions, "rg/arc_1d": arc_1d, "rg/number_sequence": number_sequence,
           "rg/modulo_grid": modulo_grid, "rg/acre": acre}


@pytest.fixture
def seeds(request):
    """Six questions at each of the five levels; sixty with --slow."""
    return range(60 if request.config.getoption("--slow") else 6)


def test_every_task_of_the_family_has_a_reader():
    assert set(READERS) == {key for key, task in TASKS.items() if task.family == "induction"}


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


def test_the_three_answers_of_the_detector_are_equally_frequent():
    labels = Counter(TASKS["rg/acre"].generate(seed).expect for seed in range(120))
    assert set(labels) == {"on", "off", "undetermined"} and max(labels.values()) < 0.5 * labels.total()
