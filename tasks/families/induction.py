"""Induction: the rule behind a few examples is to be found and applied once more.

Each question lists the rules that may be behind it (so four tasks are narrower than their originals: grade B), and it is
drawn again until all rules that fit the examples lead to the same answer: the question alone fixes it.
"""
import re
from random import Random

from tasks.base import Task, at, integer, ints, items
from tasks.families.words import NOUNS


def images(table, pairs, query, depth=1):
    """What a query becomes by the rules that make the second of each pair from the first; each result once."""
    functions = [function for group in table.values() for function in group]
    if depth == 2:
        functions = [lambda v, f=f, g=g: g(f(v)) for f in functions for g in functions]
    found = []
    for function in functions:
        if all(function(before) == after for before, after in pairs) and function(query) not in found:
            found.append(function(query))
    return found


# ---- lists ----------------------------------------------------------------------------------------------------------

def list_rules():
    """Functions on lists by what they do, the easy ones first; where there is a k, one for each k."""
    return {
        "reverse": [lambda v: v[::-1]],
        "sort upward": [sorted],
        "sort downward": [lambda v: sorted(v)[::-1]],
        "sum": [lambda v: [sum(v)]],
        "drop repeats": [lambda v: list(dict.fromkeys(v))],
        "keep the even numbers": [lambda v: [x for x in v if x % 2 == 0]],
        "running sums": [lambda v: [sum(v[:i + 1]) for i in range(len(v))]],
        "how many numbers": [lambda v: [len(v)]],
        "keep the numbers that an even one follows": [lambda v: [x for x, y in zip(v, v[1:]) if y % 2 == 0]],
        "add to each its place, from 0": [lambda v: [x + i for i, x in enumerate(v)]],
        "each number but the first minus the one before": [lambda v: [y - x for x, y in zip(v, v[1:])]],
        "the third number, if any": [lambda v: v[2:3]],
        "the number at the place, from 0, that the last one names, if any":
            [lambda v: v[v[-1]:][:1] if v and v[-1] >= 0 else []],
        "the first and the last, both plus 1": [lambda v: [v[i] + 1 for i in (0, -1) if v]],
        "twice the last": [lambda v: [2 * x for x in v[-1:]]],
        "how many are k, k from 0 to 9": [lambda v, k=k: [v.count(k)] for k in range(10)],
        "each times 2 plus k, k from -5 to 5": [lambda v, k=k: [2 * x + k for x in v] for k in range(-5, 6)],
        "each plus k, k from 1 to 5": [lambda v, k=k: [x + k for x in v] for k in range(1, 6)],
        "keep the multiples of k, k from 3 to 5": [lambda v, k=k: [x for x in v if x % k == 0] for k in (3, 4, 5)],
        "sum of the different numbers below k, k from 3 to 9":
            [lambda v, k=k: [sum({x for x in v if x < k})] for k in range(3, 10)],
    }


class ListFunctions(Task):
    """Grade B: the question lists the rules that may be behind the examples."""
    grade = "B"
    parse = staticmethod(ints)
    uses = (images, list_rules)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        table = list_rules()
        (low, high), offered, depth = at(rng, level, ((3, 5), 7, 1), ((4, 8), 20, 1), ((8, 12), 20, 2))
        names = list(table)[:offered]
        while True:
            lists = [rng.choices(range(10), k=rng.randint(low, high)) for _ in range(rng.randint(5, 6))]
            for numbers in lists:
                numbers[-1] %= len(numbers)  # it may name a place
            after = lists
            for function in [rng.choice(table[rng.choice(names)]) for _ in range(depth)]:
                after = [function(numbers) for numbers in after]
            *pairs, [query, image] = [list(pair) for pair in zip(lists, after)]
            if image and image != query and images(table, pairs, query, depth) == [image]:
                break
        lines = "\n".join(f"{before} -> {after}" for before, after in pairs)
        how = "One of these was" if depth == 1 else "First one and then another, or the same, of these was"
        return (f"Lists were changed by one rule:\n{lines}\n{how} done: {'; '.join(names)}. "
                f"What does {query} become? Answer with a list.", dict(pairs=pairs, query=query, depth=depth))

    @staticmethod
    def solve(pairs, query, depth):
        return images(list_rules(), pairs, query, depth)[0]


# ---- rows -------------------------------------------------------------------------------------------
# A rule makes a new row of digits from a row, or None where the row does not suit the rule. The row
# 0 3 3 0 9 5 has the runs (1, 3), (4, 5) and (5, 6): from the first place of a run up to behind its last.

def runs(row):
    """(start, end) of all runs of one digit other than 0."""
    edges = [i for i in range(len(row) + 1) if i in (0, len(row)) or row[i] != row[i - 1]]
    return [(start, end) for start, end in zip(edges, edges[1:]) if row[start]]


def marks(row):
    """The places of the 9s."""
    return [i for i, digit in enumerate(row) if digit == 9]


def one_run(row, most):
    """(start, end) of the run in a row with one run of other digits and one to `most` 9s, else None."""
    found = [(start, end) for start, end in runs(row) if row[start] != 9]
    return found[0] if len(found) == 1 and 1 <= len(marks(row)) <= most else None


def erase_single(row):
    new = row[:]
    for start, end in runs(row):
        if end - start == 1:
            new[start] = 0
    return new


def rewrite_longest(row, k):
    new, by_length = row[:], sorted(runs(row), key=lambda run: run[1] - run[0])
    lengths = [end - start for start, end in by_length]
    if not lengths or lengths.count(lengths[-1]) > 1:
        return None
    start, end = by_length[-1]
    new[start:end] = [k] * lengths[-1]
    return new


def write_lengths(row):
    new = row[:]
    for start, end in runs(row):
        new[start:end] = [end - start] * (end - start)
    return new


def sort_runs(row):
    new, done = [], 0
    by_length = sorted(runs(row), key=lambda run: run[1] - run[0])
    for (start, end), (first, last) in zip(runs(row), by_length):
        new += row[done:start] + row[first:last]  # the gap as it is, then the run whose turn it is
        done = end
    return new + row[done:]


def fill(row):
    if len(marks(row)) != 2:
        return None
    first, last = marks(row)
    return row[:first] + [9] * (last + 1 - first) + row[last + 1:]


def extend(row):
    if not one_run(row, 1):
        return None
    (start, end), [mark], new = one_run(row, 1), marks(row), row[:]
    for i in [*range(end, mark), *range(mark + 1, start)]:  # one of the two is empty
        new[i] = row[start]
    return new


def flip(row):
    if not one_run(row, 1):
        return None
    (start, end), [mark], new = one_run(row, 1), marks(row), [0] * len(row)
    for i in range(start, end):
        image = 2 * mark - i
        if not 0 <= image < len(row):
            return None
        new[image] = row[start]
    new[mark] = 9
    return new


def copy(row):
    if not one_run(row, 3):
        return None
    (start, end), new = one_run(row, 3), row[:]
    size = end - start
    for mark in marks(row):
        if any(new[mark + 1:mark + size]) or mark + size > len(row):
            return None
        new[mark:mark + size] = row[start:end]
    return new


def row_rules():
    """The rules by what they do, the easy ones first; where there is a k, one for each k."""
    return {
        "shift all k places right, round the end, k from 1 to 4":
            [lambda row, k=k: row[-k:] + row[:-k] for k in range(1, 5)],
        "shift all k places right, dropping what leaves, k from 1 to 4":
            [lambda row, k=k: [0] * k + row[:-k] for k in range(1, 5)],
        "mirror the row": [lambda row: row[::-1]],
        "push all digits to the left": [lambda row: [c for c in row if c] + [0] * row.count(0)],
        "push all digits to the right": [lambda row: [0] * row.count(0) + [c for c in row if c]],
        "erase each run of a single digit": [erase_single],
        "write the longest run with the digit k, k from 1 to 8":
            [lambda row, k=k: rewrite_longest(row, k) for k in range(1, 9)],
        "write each run with its length": [write_lengths],
        "sort the runs by length, shortest first, keeping the gaps": [sort_runs],
        "fill the places between two 9s with 9": [fill],
        "extend the run up to the 9": [extend],
        "flip the run over to the other side of the 9": [flip],
        "write a copy of the run at each 9, beginning there": [copy],
    }


class Arc1d(Task):
    """Grade B: the question lists the rules that may be behind the examples."""
    name, grade = "arc_1d", "B"
    uses = (images, runs, marks, one_run, erase_single, rewrite_longest, write_lengths, sort_runs,
            fill, extend, flip, copy, row_rules)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        table = row_rules()
        (low, high), offered = at(rng, level, ((8, 12), 6), ((10, 20), 13), ((20, 30), 13))
        names, size = list(table)[:offered], rng.randint(low, high)
        while True:
            function, pairs = rng.choice(table[rng.choice(names)]), []
            while len(pairs) < 4:
                row = self._row(rng, size)
                image = function(row)
                if image and image != row and 0 < max(image) < 10:  # a length may have two digits
                    pairs.append([row, image])
            query, image = pairs.pop()
            if images(table, pairs, query) == [image]:
                break
        lines = "\n".join(" -> ".join(" ".join(map(str, row)) for row in pair) for pair in pairs)
        return (f"Rows of digits were changed by one rule:\n{lines}\n0 is empty. A run is all equal digits "
                "that stand side by side, or a digit that stands alone. The rule is one of these: "
                f"{'; '.join(names)}. What does {' '.join(map(str, query))} become? Answer with the digits.",
                dict(pairs=pairs, query=query))

    def _row(self, rng: Random, size: int) -> list[int]:
        """Some runs; or a run and one or two 9s; or two 9s."""
        drawn = [[rng.randint(1, 8)] * rng.randint(1, 2 + size // 10) for _ in range(4)]
        run = drawn[0]
        pieces = rng.choice((drawn[:2], drawn[:3], drawn, [run, [9]], [run, [9], [9]], [[9], [9]]))
        rng.shuffle(pieces)
        free = size - len(pieces) - sum(map(len, pieces))
        if free < 0:
            return self._row(rng, size)
        row: list[int] = []
        # How many zeros stand before each piece; one more for each piece before it keeps them apart.
        before = sorted(rng.choices(range(free + 1), k=len(pieces)))
        for i, zeros in enumerate(before):
            row += [0] * (zeros + i - row.count(0)) + pieces[i]
        return row + [0] * (size - len(row))

    @staticmethod
    def solve(pairs, query):
        return " ".join(map(str, images(row_rules(), pairs, query)[0]))

    @staticmethod
    def parse(text: str) -> list[int]:
        """The digits of a row, with or without anything between them."""
        digits = "".join(items(text))
        if not re.fullmatch("[0-9]+", digits):
            raise ValueError(f"not a row of digits: {digits[:40]!r}")
        return [int(digit) for digit in digits]


# ---- sequences and squares ------------------------------------------------------------------------------------------

def successors(limit):
    """The rules for the next term, from the last two terms x, y and the number i of terms so far, kind by kind."""
    span = range(-limit, limit + 1)
    return [
        [lambda x, y, i, a=a, b=b: a * y + b for a in range(1, limit + 1) for b in span],
        [lambda x, y, i, b=b: x + y + b for b in span],
        [lambda x, y, i, b=b: y // 2 + b for b in span],
        [lambda x, y, i, b=b: y + (y - x) + b for b in span],
        [lambda x, y, i, a=a, b=b: y + (a if i % 2 else b) for a in span for b in span],
    ]


def next_terms(terms, limit):
    """The next terms by all rules that fit the terms from the third on; each once."""
    found = []
    for rule in sum(successors(limit), []):
        if all(rule(*terms[i - 2:i], i) == terms[i] for i in range(2, len(terms))):
            term = rule(*terms[-2:], len(terms))
            found += [term] * (term not in found)
    return found


class NumberSequence(Task):
    """Grade B: the question lists the rules that may be behind the terms."""
    split, grade = "test", "B"
    parse = staticmethod(integer)
    uses = (successors, next_terms)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        (low, high), limit = at(rng, level, ((5, 5), 3), ((6, 8), 10), ((7, 9), 10))
        size = rng.randint(low, high)
        while True:
            rule, terms = rng.choice(rng.choice(successors(limit))), [rng.randint(-5, 20)]
            terms.append(rule(rng.randint(0, 9), terms[0], 1))
            while len(terms) <= size:
                terms.append(rule(*terms[-2:], len(terms)))
            *shown, last = terms
            if max(map(abs, terms)) < 2_000 and len(set(terms)) > 2 and next_terms(shown, limit) == [last]:
                break
        return (f"{', '.join(map(str, shown))}: from the third on, each term is made from the term y before it and the "
                f"term x before that by one rule, with whole numbers a from 1 to {limit} and b, c from -{limit} to "
                f"{limit}: a*y + b; or x + y + b; or y/2 rounded down, plus b; or y + (y - x) + b; or y + b and y + c "
                "in turn. What is the next term? Answer with one integer.", dict(terms=shown, limit=limit))

    @staticmethod
    def solve(terms, limit):
        return next_terms(terms, limit)[0]


def squares(rows, limit):
    """The completed squares by all rules op(x, y) mod d = t, d up to a limit, that fit the cells shown; each once."""
    found, cells = [], [(x, y) for y in range(len(rows)) for x in range(len(rows))]
    for op in lambda x, y: x + y, lambda x, y: abs(x - y), lambda x, y: x * y, lambda x, y: x ** y:
        values = {(x, y): op(x, y) for x, y in cells}
        for d in range(2, limit + 1):
            for t in range(d):
                if all(rows[y][x] in "?" + ".#"[values[x, y] % d == t] for x, y in cells):
                    square = ["".join(".#"[values[x, y] % d == t] for x in range(len(rows))) for y in range(len(rows))]
                    found += [square] * (square not in found)
    return found


class ModuloGrid(Task):
    """Grade B: the question lists the rules that may be behind the square."""
    grade = "B"
    uses = (squares,)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        size, limit, holes = at(rng, level, (6, 6, 2), (12, 10, 6), (16, 15, 12))
        cells = [(x, y) for y in range(size) for x in range(size)]
        while True:
            op = rng.choice((int.__add__, lambda x, y: abs(x - y), int.__mul__, pow))
            d = rng.randint(2, limit)
            t = rng.randrange(d)
            rows = [[".#"[op(x, y) % d == t] for x in range(size)] for y in range(size)]
            for x, y in rng.sample(cells, holes):
                rows[y][x] = "?"
            rows = ["".join(row) for row in rows]
            if 0.05 < "".join(rows).count("#") / size ** 2 < 0.8 and len(squares(rows, limit)) == 1:
                break
        picture = "\n".join(rows)
        return ("In this square the cell in column x and row y, both counted from 0 at the top left, is # if f(x, y) "
                "leaves the remainder t when divided by d, else a full stop. f(x, y) is x + y, |x - y|, x * y or x to "
                f"the power y, where 0 to the power 0 is 1; d is from 2 to {limit}.\n{picture}\nFill in the cells with "
                "a question mark. Answer with the whole square.", dict(rows=rows, limit=limit))

    @staticmethod
    def parse(text: str) -> str:
        return "".join(c for c in text if c not in " \n\r\t,[]\"'`")

    @staticmethod
    def solve(rows, limit):
        return "\n".join(squares(rows, limit)[0])


# ---- causes ---------------------------------------------------------------------------------------------------------

class Acre(Task):
    """Each set of trials has a question of the same size for every answer, and the label decides: they tell nothing."""
    split = "test"
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice(("on", "off", "undetermined"))  # drawn first, so that all three are equally frequent
        kinds, count = at(rng, level, ((4, 4), (4, 4)), ((4, 6), (5, 7)), ((8, 10), (8, 10)))
        queries: dict[str, list[str]] = {}  # answer -> things to ask about
        while len(queries) < 3:
            things = rng.sample([singular for singular, _ in NOUNS], rng.randint(*kinds))
            power = rng.sample(things, rng.randint(1, len(things) // 2))
            trials = []
            for _ in range(rng.randint(*count)):
                laid = rng.sample(things, rng.randint(1, min(4, len(things) - 1)))
                trials.append([laid, "on" if set(laid) & set(power) else "off"])
            # Only things that were laid are asked about, and no trial is asked for again.
            known = [thing for thing in things if any(thing in laid for laid, _ in trials)]
            size = rng.randint(1, min(3, len(known)))
            drawn = [rng.sample(known, size) for _ in range(20)]
            new = [query for query in drawn if sorted(query) not in [sorted(laid) for laid, _ in trials]]
            queries = {self.solve(trials, query): query for query in new}
        query = queries[label]
        lines = ". ".join(f"{', '.join(laid)}: {light}" for laid, light in trials)
        return (f"A detector is on if at least one of the things laid on it has a hidden power, else off. {lines}. "
                f"Do these trials tell whether it is on with {', '.join(query)}? Answer on, off or undetermined.",
                dict(trials=trials, query=query))

    # Off rules out all things laid on; what is left of a trial that was on holds a power, somewhere.
    @staticmethod
    def solve(trials, query):
        dark = {thing for laid, light in trials if light == "off" for thing in laid}
        sure = any(set(laid) - dark <= set(query) for laid, light in trials if light == "on")
        return "on" if sure else "off" if set(query) <= dark else "undetermined"
