"""The number questions, read from their text alone and solved in a second, plainer way."""
import math
import re
from decimal import Decimal

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


# ---- divisors and digits ----------------------------------------------------------------------

def greatest_common_divisor(question):
    """Euclid's algorithm, number after number."""
    shared, *others = integers(question)
    for n in others:
        while n:
            shared, n = n, shared % n
    return str(shared)


def least_common_multiple(question):
    """The first multiple of the largest number that all the others divide, one number at a time."""
    multiple = 1
    for n in sorted(integers(question), reverse=True):
        step = multiple
        while multiple % n:
            multiple += step
    return str(multiple)


def ones(question):
    """The remainders of halving."""
    (n,) = integers(question)
    found = 0
    while n:
        n, bit = n // 2, n % 2
        found += bit
    return str(found)


DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def in_another_base(question):
    """By place values: from the largest power of the base down, how often it fits."""
    digits, source, target = re.match(r"Rewrite (\w+) from base (\d+) in base (\d+)\.",
                                      question).groups()
    n = sum(DIGITS.index(digit) * int(source) ** i for i, digit in enumerate(reversed(digits)))
    place = 1
    while place * int(target) <= n:
        place *= int(target)
    written = ""
    while place:
        written += DIGITS[n // place]
        n, place = n % place, place // int(target)
    return written


# ---- primes -----------------------------------------------------------------------------------

def primes_up_to(n):
    """Legendre's count: 2 to n, less what each prime strikes out first.

    `left[v]` is how many of 2..v are left; only v = n // k are ever needed (1,998 for a million).
    """
    if n < 2:
        return 0
    high = [n // k for k in range(1, math.isqrt(n) + 1)]
    values = high + list(range(high[-1] - 1, 0, -1))
    left = {v: v - 1 for v in values}
    for p in range(2, math.isqrt(n) + 1):
        if left[p] > left[p - 1]:  # p is still there, so it is prime
            for v in values:
                if v < p * p:
                    break
                left[v] -= left[v // p] - left[p - 1]
    return left[n]


def test_the_count_of_primes_is_the_known_one():
    known = {1: 0, 2: 1, 3: 2, 10: 4, 100: 25, 10 ** 4: 1_229, 10 ** 6: 78_498}
    assert {n: primes_up_to(n) for n in known} == known


def primes_between(question):
    start, end = re.match(r"How many primes are there from (\d+) to (\d+), both", question).groups()
    return str(primes_up_to(int(end)) - primes_up_to(int(start) - 1))


# ---- lists of numbers -------------------------------------------------------------------------

def listed(text):
    """The numbers of a list, as they are written."""
    return re.findall(r"-?\d+(?:\.\d+)?", text)


def in_order(question):
    """Insertion: each number goes in front of the first one that must come behind it."""
    shown, order = re.match(r"Sort (.*) in (\w+) order\. ", question).groups()
    done = []
    for text in listed(shown):
        behind = [i for i, other in enumerate(done) if
                  (Decimal(other) > Decimal(text)) == (order == "ascending")]
        done.insert(behind[0] if behind else len(done), text)
    return ", ".join(done)


def remaining(question):
    """Each number is compared with the pivot, in the order of the question."""
    asked = r"(Keep|Remove) the numbers (larger|smaller) than (-?[\d.]+): (.*)\. Answer"
    action, side, pivot, shown = re.match(asked, question).groups()
    limit, left = Decimal(pivot), []
    for text in listed(shown):
        matches = Decimal(text) > limit if side == "larger" else Decimal(text) < limit
        if matches == (action == "Keep"):
            left.append(text)
    return ", ".join(left)


def extreme(question):
    """Each candidate in whole thousandths, its digits moved by hand."""
    size, shown = re.match(r"Which number is the (largest|smallest): (.*)\? Answer",
                           question).groups()
    worth = {}
    for text in shown.split(" or "):
        digits, _, exponent = text.replace(",", "").partition("e")
        whole, _, decimals = digits.partition(".")
        places = 3 + int(exponent or 0)
        assert len(decimals) <= places, f"{text} is no whole number of thousandths"
        worth[text] = int(whole + decimals.ljust(places, "0"))
    ordered = sorted(worth, key=worth.get)
    return ordered[-1] if size == "largest" else ordered[0]


# ---- the test ---------------------------------------------------------------------------------

SOLVED = {
    "rg/gcd": greatest_common_divisor, "rg/lcm": least_common_multiple, "rg/count_bits": ones,
    "rg/base_conversion": in_another_base, "rg/count_primes": primes_between,
    "rg/number_sorting": in_order, "rg/number_filtering": remaining, "rg/number_format": extreme,
}


def test_each_task_has_its_reader():
    tasks = {key for key, task in TASKS.items() if task.family == "numbers"}
    assert tasks == {*SOLVED, "rg/prime_factorization"}


@pytest.mark.parametrize("key", SOLVED)
def test_the_answer_is_what_the_text_of_the_question_says(key, count):
    for instance in questions(key, count):
        answer = SOLVED[key](instance.question)
        assert instance.expect == answer, instance.question
        assert TASKS[key].verify(instance, answer)


def test_prime_factors_are_prime_and_their_product_is_the_number(count):
    task = TASKS["rg/prime_factorization"]
    for instance in questions(task.key, count):
        (n,) = integers(re.match(r"What are the prime factors of (\d+), ", instance.question)[1])
        product = 1
        for factor in integers(instance.expect):
            assert factor > 1 and all(factor % d for d in range(2, math.isqrt(factor) + 1))
            product *= factor
        # every number has one such product only, so there is no other answer
        assert product == n, instance.question
        assert not task.verify(instance, f"{instance.expect} * 1")
