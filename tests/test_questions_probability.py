"""Counting and probability, read from the questions' text alone and solved in a second way.

test_tasks_probability lists all cases, which small numbers alone allow. Here the numbers are as
large as in the questions: cases are counted step by step (a row of Pascal's triangle, one die or
one child after the other), and none of the formulas of the tasks is used.
"""
import itertools
import re
from fractions import Fraction

import pytest

from tasks import TASKS


@pytest.fixture
def count(request):
    return 300 if request.config.getoption("--slow") else 30


def questions(key, count):
    """`count` questions of a task, a fifth of them on each level."""
    return [TASKS[key].generate(seed, 1 + seed % 5) for seed in range(count)]


def integers(text):
    return [int(n) for n in re.findall(r"\d+", text)]


# ---- dice -------------------------------------------------------------------------------------

def dice(question):
    """Inclusion and exclusion over the dice that show too much; the missing pips are spread freely.

    Each die shows its side count less some missing pips, and the sum is at least `least` if no
    more than sum(sides) - least pips are missing.
    """
    *sides, one, least = integers(question)
    assert one == 1, "numbered from 1"
    spare = sum(sides) - least
    good = 0
    for size in range(len(sides) + 1):
        for over in itertools.combinations(sides, size):  # these dice miss all their pips, or more
            left = spare - sum(over)
            if left >= 0:
                # up to `left` pips over the dice, and a place for the pips that do not miss
                good += (-1) ** size * chosen(left + len(sides), len(sides))
    rolls = 1
    for side in sides:
        rolls *= side
    return Fraction(good, rolls)


# ---- counted step by step ---------------------------------------------------------------------

def row_of_pascal(n):
    """How many subsets of n things have 0, 1, ... n elements: each thing is left out or taken."""
    row = [1]
    for _ in range(n):
        row = [left + taken for left, taken in zip([*row, 0], [0, *row])]
    return row


def chosen(n, k):
    return row_of_pascal(n)[k]


def product(numbers):
    result = 1
    for number in numbers:
        result *= number
    return result


def in_a_row(n):
    """Orders of n things: the i-th finds i places among those that stand."""
    return product(range(1, n + 1))


def pairs_of_places(n, neighbours):
    """Places for two people among n in a row, who are neighbours or are not."""
    places = itertools.permutations(range(n), 2)
    return sum((abs(one - other) == 1) is neighbours for one, other in places)


def walks(east, north, avoided=None):
    """Shortest ways, corner by corner: each is reached from the west and from the south."""
    ways = {(0, 0): 1}
    for x, y in itertools.product(range(east + 1), range(north + 1)):
        if (x, y) != (0, 0):
            ways[x, y] = ways.get((x - 1, y), 0) + ways.get((x, y - 1), 0)
        if (x, y) == avoided:
            ways[x, y] = 0
    return ways[east, north]


def words(a, b, c):
    """Strings of so many letters A, B and C, by their last letter."""
    ways = {}
    for i, j, k in itertools.product(range(a + 1), range(b + 1), range(c + 1)):
        before = [(i - 1, j, k), (i, j - 1, k), (i, j, k - 1)]
        ways[i, j, k] = sum(ways.get(place, 0) for place in before) if (i, j, k) != (0, 0, 0) else 1
    return ways[a, b, c]


def gifts(things, children, least=0):
    """Ways to give everything away, child by child."""
    ways = [1] + [0] * things  # ways[n]: n things are given so far
    for _ in range(children):
        ways = [sum(ways[:n - least + 1]) if n >= least else 0 for n in range(things + 1)]
    return ways[things]


def nobody_draws_their_own(n):
    """Inclusion and exclusion over those who do draw their own card."""
    return sum((-1) ** size * own * in_a_row(n - size) for size, own in enumerate(row_of_pascal(n)))


def power_series(factor, times):
    """The coefficients of (1 + factor*x)**times, multiplied out."""
    row = [1]
    for _ in range(times):
        row = [a + factor * b for a, b in zip([*row, 0], [0, *row])]
    return row


def codes_with(digit, length):
    """Codes that hold the digit and codes that do not, sign by sign."""
    without, held = 1, 0
    for _ in range(length):
        others = sum(1 for sign in "0123456789" if sign != str(digit))
        without, held = without * others, held * 10 + without
    return held


def women_apart(women, men):
    """Rows of W and M without WW, by their last sign; then the people take their signs."""
    ways = {(0, 0): (0, 1)}  # (W, M) -> rows that end in W, other rows
    for w, m in itertools.product(range(women + 1), range(men + 1)):
        if (w, m) != (0, 0):
            after_man = ways.get((w - 1, m), (0, 0))[1]
            after_anybody = sum(ways.get((w, m - 1), (0, 0)))
            ways[w, m] = (after_man, after_anybody)
    return sum(ways[women, men]) * in_a_row(women) * in_a_row(men)


def one_by_one(*steps):
    """The probability of all steps, each given as (good, all)."""
    return product(Fraction(good, cases) for good, cases in steps)


# the start of each question, numbers as # and words as {...} -> the answer from its numbers
SOLVED = {
    "In how many ways can # of # ": lambda a, n: chosen(n, a),
    "In how many orders can # different": in_a_row,
    "How many codes of # signs": lambda a, n: product([n] * a),
    "How many subsets has": lambda n: sum(row_of_pascal(n)),
    "# people all shake hands": lambda n: sum(range(n)),  # each shakes hands with those before
    "A fair die with # sides": lambda n, a, k: one_by_one(*[(n - 1, n)] * a),
    "What is the expected value": lambda first, n: Fraction(sum(range(first, n + 1)), n),
    "A bag holds # {C} and # {D} {T}. Two are drawn together. What is the probability that both":
        lambda a, b: one_by_one((a, a + b), (a - 1, a + b - 1)),
    "Two fair dice": lambda first, n, s:
        Fraction(sum(first <= s - i <= n for i in range(first, n + 1)), n * n),
    "How many shortest ways": walks,
    "From # women and # men": lambda w, m, a, b: chosen(w, a) * chosen(m, b),
    "How many car plates": lambda a, b: product([26] * a + [10] * b),
    "In how many orders can # people stand in a row if two of them, {X} and {Y}, must be":
        lambda n: pairs_of_places(n, neighbours=True) * in_a_row(n - 2),
    "In how many orders can # people stand in a row if two of them, {X} and {Y}, must not":
        lambda n: pairs_of_places(n, neighbours=False) * in_a_row(n - 2),
    "In how many ways can {X} and # others sit": in_a_row,  # the others in a row, to the left of X
    "How many different strings": words,
    "A fair coin is flipped": lambda n, a: Fraction(chosen(n, a), product([2] * n)),
    "A bag holds # {C} and # {D} {T}. Two are drawn together. What is the probability that their":
        lambda a, b: (one_by_one((a, a + b), (b, a + b - 1))
                      + one_by_one((b, a + b), (a, a + b - 1))),
    "How many of the numbers from # to # are divisible by":
        lambda first, n, a, b: sum(i % a == 0 or i % b == 0 for i in range(first, n + 1)),
    "How many of the numbers from # to # are divisible neither":
        lambda first, n, a, b: sum(i % a != 0 and i % b != 0 for i in range(first, n + 1)),
    "A walk on a grid": lambda x, y, east, north, a, b: walks(east, north, (a, b)),
    "In how many ways can # equal {T} be given to # children?": gifts,
    "In how many ways can # equal {T} be given to # children so": lambda n, a: gifts(n, a, 1),
    "{X}, {Y} and # others": lambda a: nobody_draws_their_own(a + 2),
    "How many numbers with": lambda a, k, _:
        product(sum(digit != k for digit in range(place == 0, 10)) for place in range(a)),
    "In how many ways can the first": lambda a, n: product(range(n, n - a, -1)),
    "How many codes of # decimal": lambda a, k: codes_with(k, a),
    "How many subsets with": lambda n: sum(row_of_pascal(n)[::2]),
    "What is the coefficient": lambda a, _, k, n: power_series(k, n)[a],
    "# fair dice": lambda a, first, n: sum(Fraction(sum(range(first, n + 1)), n) for _ in range(a)),
    "A point is chosen": lambda n, a: one_by_one((a, n), (a, n)),  # its place across, and up
    "How many diagonals": lambda n: Fraction(sum(n - 3 for _ in range(n)), 2),  # each has two ends
    "# points lie on a circle": lambda n: chosen(n, 3),
    "In how many ways can # different letters": lambda a, n: product([n] * a),
    "# of # people are chosen": lambda a, n, _: one_by_one((a, n), (a - 1, n - 1)),
    "# people each pick": lambda a, n: one_by_one(*[(n - i, n) for i in range(a)]),
    "In how many ways can # people be split": lambda n, a: Fraction(chosen(n, a), 2),
    "In how many orders can # women": women_apart,
}


def start_of(question):
    """The key of SOLVED that the question begins with."""
    shown = re.sub(r"\d+", "#", question)
    fitting = [start for start in SOLVED if
               re.match(re.sub(r"\\{\w\\}", r"[\\w-]+", re.escape(start)), shown)]
    assert len(fitting) == 1, question
    return fitting[0]


def table_of_formulas(question):
    text = question.removesuffix(" Answer with an integer or a fraction.")
    return Fraction(SOLVED[start_of(text)](*integers(text)))


@pytest.mark.parametrize("key, solved", [
    ("rg/dice", dice), ("symbench/math_counting_and_probability", table_of_formulas)])
def test_the_answer_is_what_the_text_of_the_question_says(key, solved, count):
    for instance in questions(key, count):
        answer = solved(instance.question)
        assert instance.expect == str(answer), instance.question
        assert TASKS[key].verify(instance, str(answer))
        assert not TASKS[key].verify(instance, str(answer + Fraction(1, 7)))


def test_every_formula_is_asked_and_has_its_reader():
    task = TASKS["symbench/math_counting_and_probability"]
    assert len(SOLVED) == len(task.table)
    seen = {}
    for seed in range(400):
        instance = task.generate(seed, 2 + seed % 4)
        seen.setdefault(start_of(instance.question), instance)
        if len(seen) == len(SOLVED):
            break
    assert seen.keys() == SOLVED.keys()
    for instance in seen.values():
        assert instance.expect == str(table_of_formulas(instance.question)), instance.question
