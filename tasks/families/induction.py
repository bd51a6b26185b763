"""Induction: the rule behind a few examples is to be found and applied once more.

Each question lists the rules that may be behind it (so four tasks are narrower than their
originals: grade B), and it is drawn again until all rules that fit the examples lead to the same
answer: the question alone fixes it.
"""
import re
from random import Random
from textwrap import wrap

from tasks.base import Task, at, integer, ints, items, show
from tasks.families.words import NOUNS

# ---- rules ---------------------------------------------------------------------------------------
# A table of rules has functions by what they do, as the question says it, the easy ones first.
# Where there is a number k to choose, a rule has one function for each: "k=k" keeps its k.

def images(table, pairs, query, depth=1):
    """What a query becomes by the rules that lead from before to after in all pairs; each once."""
    functions = sum(table.values(), [])
    if depth == 2:  # one rule and then another
        functions = [lambda v, f=f, g=g: g(f(v)) for f in functions for g in functions]
    found = []
    for function in functions:
        if all(function(before) == after for before, after in pairs):
            image = function(query)
            if image not in found:
                found.append(image)
    return found


# ---- lists ---------------------------------------------------------------------------------------

def list_rules():
    return {
        "reverse": [lambda v: v[::-1]],
        "sort upward": [sorted],
        "sort downward": [lambda v: sorted(v)[::-1]],
        "sum": [lambda v: [sum(v)]],
        "drop repeats": [lambda v: list(dict.fromkeys(v))],
        "keep the even numbers": [lambda v: [x for x in v if x % 2 == 0]],
        "running sums": [lambda v: [sum(v[:i + 1]) for i in range(len(v))]],
        "how many numbers": [lambda v: [len(v)]],
        "keep the numbers that an even one follows":
            [lambda v: [x for x, y in zip(v, v[1:]) if y % 2 == 0]],
        "add to each its place, from 0": [lambda v: [x + i for i, x in enumerate(v)]],
        "each number but the first minus the one before":
            [lambda v: [y - x for x, y in zip(v, v[1:])]],
        "the third number, if any": [lambda v: v[2:3]],
        "the number at the place, from 0, that the last one names, if any":
            [lambda v: v[v[-1]:][:1] if v and v[-1] >= 0 else []],
        "the first and the last, both plus 1": [lambda v: [x + 1 for x in v[:1] + v[-1:]]],
        "twice the last": [lambda v: [2 * x for x in v[-1:]]],
        "how many are k, k from 0 to 9": [lambda v, k=k: [v.count(k)] for k in range(10)],
        "each times 2 plus k, k from -5 to 5":
            [lambda v, k=k: [2 * x + k for x in v] for k in range(-5, 6)],
        "each plus k, k from 1 to 5": [lambda v, k=k: [x + k for x in v] for k in range(1, 6)],
        "keep the multiples of k, k from 3 to 5":
            [lambda v, k=k: [x for x in v if x % k == 0] for k in range(3, 6)],
        "sum of the different numbers below k, k from 3 to 9":
            [lambda v, k=k: [sum({x for x in v if x < k})] for k in range(3, 10)],
    }


class ListFunctions(Task):
    """[3, 1, 2] -> [1, 2, 3]. One of these was done: reverse; sort upward. What of [5, 6, 4]?

    Grade B: the question lists the rules that may be behind the examples.
    """
    grade = "B"
    parse = staticmethod(ints)
    uses = (images, list_rules)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        table = list_rules()
        low, high, offered, depth = at(rng, level, (3, 5, 7, 1), (4, 8, 20, 1), (8, 12, 20, 2))
        names = list(table)[:offered]
        while True:
            lists = [rng.choices(range(10), k=rng.randint(low, high))
                     for _ in range(rng.randint(5, 6))]
            for numbers in lists:
                numbers[-1] %= len(numbers)  # it may name a place
            changed = lists
            for _ in range(depth):
                rule = rng.choice(table[rng.choice(names)])
                changed = [rule(numbers) for numbers in changed]
            *pairs, [query, image] = map(list, zip(lists, changed))
            if image and image != query and images(table, pairs, query, depth) == [image]:
                break
        lines = "\n".join(f"{before} -> {after}" for before, after in pairs)
        how = ("One of these was" if depth == 1 else
               "First one and then another, or the same, of these was")
        question = (f"Lists were changed by one rule:\n{lines}\n{how} done: {'; '.join(names)}. "
                    f"What does {query} become? Answer with a list.")
        return question, dict(pairs=pairs, query=query, depth=depth)

    @staticmethod
    def solve(pairs, query, depth):
        return images(list_rules(), pairs, query, depth)[0]


# ---- rows ----------------------------------------------------------------------------------------
# A rule makes a new row of digits from a row, or None where the row does not suit the rule.

def parts(row):
    """A row cut where its digit changes: 0 3 3 0 9 -> [[0], [3, 3], [0], [9]]."""
    from itertools import groupby
    return [list(part) for _, part in groupby(row)]


def runs(row):
    """The parts of other digits than 0."""
    return [part for part in parts(row) if part[0]]


def with_runs(row, change):
    """The row with each run changed."""
    return sum([change(part) if part[0] else part for part in parts(row)], [])


def marks(row):
    """The places of the 9s."""
    return [i for i, digit in enumerate(row) if digit == 9]


def erase_single(row):
    return with_runs(row, lambda run: run if len(run) > 1 else [0])


def write_lengths(row):
    return with_runs(row, lambda run: [len(run)] * len(run))


def rewrite_longest(row, k):
    lengths = [len(run) for run in runs(row)]
    longest = max(lengths, default=0)
    if lengths.count(longest) != 1:
        return None
    return with_runs(row, lambda run: [k] * longest if len(run) == longest else run)


def sort_runs(row):
    ordered = iter(sorted(runs(row), key=len))
    return with_runs(row, lambda run: next(ordered))


def fill(row):
    if len(marks(row)) != 2:
        return None
    first, last = marks(row)
    return row[:first] + [9] * (last - first) + row[last:]


def only_run(row, most=1):
    """The run of a row with a single run of other digits and one to `most` 9s, else None."""
    others = [run for run in runs(row) if run[0] != 9]
    return others[0] if len(others) == 1 and 1 <= row.count(9) <= most else None


def extend(row):
    run = only_run(row)
    if not run:
        return None
    first, last = sorted([row.index(run[0]), row.index(9)])
    return row[:first] + [digit or run[0] for digit in row[first:last]] + row[last:]


def flip(row):
    if not only_run(row):
        return None
    middle = 2 * row.index(9)
    new = [row[middle - i] if 0 <= middle - i < len(row) else 0 for i in range(len(row))]
    return new if new.count(0) == row.count(0) else None  # nothing was flipped out of the row


def copy(row):
    run = only_run(row, most=3)
    if not run:
        return None
    new = row[:]
    for mark in marks(row):
        end = mark + len(run)
        if end > len(row) or any(new[mark + 1:end]):
            return None
        new[mark:end] = run
    return new


def row_rules():
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
        "sort the runs by length, shortest first, ties in their order, keeping the gaps":
            [sort_runs],
        "fill the places between two 9s with 9": [fill],
        "extend the run up to the 9": [extend],
        "flip the run over to the other side of the 9": [flip],
        "write a copy of the run at each 9, beginning there": [copy],
    }


class Arc1d(Task):
    """0 3 3 0 -> 0 0 3 3. The rule is one of these: mirror the row; extend the run up to the 9.

    Grade B: the question lists the rules that may be behind the examples.
    """
    name, grade = "arc_1d", "B"
    uses = (images, parts, runs, with_runs, marks, erase_single, write_lengths, rewrite_longest,
            sort_runs, fill, only_run, extend, flip, copy, row_rules)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        table = row_rules()
        low, high, offered = at(rng, level, (8, 12, 6), (10, 20, 13), (20, 30, 13))
        names = list(table)[:offered]
        size = rng.randint(low, high)
        while True:
            rule = rng.choice(table[rng.choice(names)])
            pairs = []
            while len(pairs) < 4:
                row = self._row(rng, size)
                image = rule(row)
                if image and image != row and 0 < max(image) < 10:  # a length may have two digits
                    pairs.append([row, image])
            query, image = pairs.pop()
            if images(table, pairs, query) == [image]:
                break
        lines = show([[*before, "->", *after] for before, after in pairs])
        question = (f"Rows of digits were changed by one rule:\n{lines}\n0 is empty. A run is all "
                    "equal digits that stand side by side, or a digit that stands alone. The rule "
                    f"is one of these: {'; '.join(names)}. What does {show([query])} become? "
                    "Answer with the digits.")
        return question, dict(pairs=pairs, query=query)

    def _row(self, rng: Random, size: int) -> list[int]:
        """Some runs; or a run and one or two 9s; or two 9s."""
        some = [[rng.randint(1, 8)] * rng.randint(1, 2 + size // 10) for _ in range(4)]
        run, mark = some[0], [9]
        drawn = rng.choice((some[:2], some[:3], some,
                            [run, mark], [run, mark, mark], [mark, mark]))
        rng.shuffle(drawn)
        # A zero behind each keeps it apart from the next.
        free = size - sum(len(part) + 1 for part in drawn)
        if free < 0:
            return self._row(rng, size)
        row = [0] * free
        places = sorted(rng.choices(range(free + 1), k=len(drawn)))
        while drawn:  # the last first, so that the places of the others stay
            place = places.pop()
            row[place:place] = [*drawn.pop(), 0]
        return row

    @staticmethod
    def solve(pairs, query):
        return " ".join(map(str, images(row_rules(), pairs, query)[0]))

    @staticmethod
    def parse(text: str) -> list[int]:
        """The digits of a row, with or without anything between them."""
        return [integer(digit) for digit in "".join(items(text))]


# ---- sequences and squares -----------------------------------------------------------------------

def sequence_rules(limit):
    """Each makes the next term from the list t of those before it."""
    span = range(-limit, limit + 1)
    return {
        "a*y + b": [lambda t, a=a, b=b: a * t[-1] + b for a in range(1, limit + 1) for b in span],
        "x + y + b": [lambda t, b=b: t[-2] + t[-1] + b for b in span],
        "y/2 rounded down, plus b": [lambda t, b=b: t[-1] // 2 + b for b in span],
        "y + (y - x) + b": [lambda t, b=b: 2 * t[-1] - t[-2] + b for b in span],
        "y + b and y + c in turn":
            [lambda t, b=b, c=c: t[-1] + (b, c)[len(t) % 2] for b in span for c in span],
    }


def next_terms(terms, limit):
    """The next terms by all rules that lead to the terms from the third on; each once."""
    found = []
    for rule in sum(sequence_rules(limit).values(), []):
        if all(rule(terms[:i]) == terms[i] for i in range(2, len(terms))):
            if rule(terms) not in found:
                found.append(rule(terms))
    return found


class NumberSequence(Task):
    """3, 5, 8, 13: from the third on, each term is made from y before it and x before that.

    Grade B: the question lists the rules that may be behind the terms.
    """
    split, grade = "test", "B"
    parse = staticmethod(integer)
    uses = (sequence_rules, next_terms)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        low, high, limit = at(rng, level, (5, 5, 3), (6, 8, 10), (7, 9, 10))
        size = rng.randint(low, high)
        table = sequence_rules(limit)
        while True:
            rule = rng.choice(table[rng.choice(list(table))])
            first = rng.randint(-5, 20)
            # A rule needs two terms: one before the first, which is not shown.
            terms = [rng.randint(0, 9), first]
            for _ in range(size):
                terms.append(rule(terms))
            _, *shown, last = terms
            fair = max(map(abs, terms)) < 2_000 and len({*shown, last}) > 2
            if fair and next_terms(shown, limit) == [last]:
                break
        question = (f"{', '.join(map(str, shown))}: from the third on, each term is made from the "
                    "term y before it and the term x before that by one rule, with whole numbers a "
                    f"from 1 to {limit} and b, c from -{limit} to {limit}: {'; or '.join(table)}. "
                    "What is the next term? Answer with one integer.")
        return question, dict(terms=shown, limit=limit)

    @staticmethod
    def solve(terms, limit):
        return next_terms(terms, limit)[0]


def operations():
    return [int.__add__, lambda x, y: abs(x - y), int.__mul__, pow]


def signs(op, d, t, size):
    """The cells of a square, row by row: # where op(x, y) mod d is t."""
    return (".#"[op(x, y) % d == t] for y in range(size) for x in range(size))


def squares(rows, limit):
    """The completed squares by all rules that fit the cells shown; each once."""
    from textwrap import wrap
    found = []
    for op in operations():
        for d, t in [(d, t) for d in range(2, limit + 1) for t in range(d)]:
            pairs = zip("".join(rows), signs(op, d, t, len(rows)))
            if all(shown in ("?", sign) for shown, sign in pairs):
                square = wrap("".join(signs(op, d, t, len(rows))), len(rows))
                found += [square] * (square not in found)
    return found


class ModuloGrid(Task):
    """The cell in column x and row y is # if f(x, y) mod d = t. Fill in the question marks.

    Grade B: the question lists the rules that may be behind the square.
    """
    grade = "B"
    uses = (operations, signs, squares)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        size, limit, holes = at(rng, level, (6, 6, 2), (12, 10, 6), (16, 15, 12))
        while True:
            op = rng.choice(operations())
            d = rng.randint(2, limit)
            t = rng.randrange(d)
            cells = list(signs(op, d, t, size))
            for i in rng.sample(range(size ** 2), holes):
                cells[i] = "?"
            rows = wrap("".join(cells), size)
            if 0.05 < cells.count("#") / size ** 2 < 0.8 and len(squares(rows, limit)) == 1:
                break
        return ("In this square the cell in column x and row y, both counted from 0 at the top "
                "left, is # if f(x, y) leaves the remainder t when divided by d, else a full stop. "
                "f(x, y) is x + y, |x - y|, x * y or x to the power y, where 0 to the power 0 is "
                f"1; d is from 2 to {limit}.\n{show(rows, '')}\nFill in the cells with a question "
                "mark. Answer with the whole square.",
                dict(rows=rows, limit=limit))

    @staticmethod
    def parse(text: str) -> str:
        return re.sub(r"""[ \n\r\t,[\]"'`]""", "", text)

    @staticmethod
    def solve(rows, limit):
        return "\n".join(squares(rows, limit)[0])


# ---- causes --------------------------------------------------------------------------------------

class Acre(Task):
    """lamp, key: on. key: off. Do these trials tell whether the detector is on with lamp? On.

    Each set of trials has a question of the same size for every answer, and the label, drawn
    first, decides: the trials tell nothing, and all answers are equally frequent.
    """
    split = "test"
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice(("on", "off", "undetermined"))
        kinds, count = at(rng, level, ((4, 4), (4, 4)), ((4, 6), (5, 7)), ((8, 10), (8, 10)))
        queries = {}  # answer -> things to ask about
        while len(queries) < 3:
            things = rng.sample([singular for singular, _ in NOUNS], rng.randint(*kinds))
            power = rng.sample(things, rng.randint(1, len(things) // 2))
            trials = []
            for _ in range(rng.randint(*count)):
                laid = rng.sample(things, rng.randint(1, min(4, len(things) - 1)))
                trials.append([laid, "on" if set(laid) & set(power) else "off"])
            # Only things that were laid are asked about, and no trial is asked for again.
            told = [set(laid) for laid, _ in trials]
            known = [thing for thing in things if any(thing in laid for laid in told)]
            size = rng.randint(1, min(3, len(known)))
            drawn = [rng.sample(known, size) for _ in range(20)]
            queries = {self.solve(trials, query): query
                       for query in drawn if set(query) not in told}
        query = queries[label]
        lines = ". ".join(f"{', '.join(laid)}: {light}" for laid, light in trials)
        question = ("A detector is on if at least one of the things laid on it has a hidden power, "
                    f"else off. {lines}. Do these trials tell whether it is on with "
                    f"{', '.join(query)}? Answer on, off or undetermined.")
        return question, dict(trials=trials, query=query)

    # Off rules out all things laid on; what is left of a trial that was on holds a power somewhere.
    @staticmethod
    def solve(trials, query):
        dark = {thing for laid, light in trials if light == "off" for thing in laid}
        sure = any(set(laid) - dark <= set(query) for laid, light in trials if light == "on")
        return "on" if sure else "off" if set(query) <= dark else "undetermined"
