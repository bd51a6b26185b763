"""The number tasks: every answer is found a second time in a plainer way, from the question's text."""
import random
import re
from decimal import Decimal

import pytest

from tasks import TASKS


def questions(key, levels=(1, 3, 5), count=70):
    return [TASKS[key].generate(seed, level) for level in levels for seed in range(count)]


def integers(text):
    return [int(n) for n in re.findall(r"-?\d+", text)]


def euclid(a, b):
    while b:
        a, b = b, a % b
    return a


@pytest.mark.parametrize("key", ["rg/gcd", "rg/lcm"])
def test_divisors_and_multiples_agree_with_euclid(key):
    answers = set()
    for instance in questions(key):
        divisor = multiple = integers(instance.question)[0]
        for n in integers(instance.question)[1:]:
            divisor, multiple = euclid(divisor, n), multiple * n // euclid(multiple, n)
        assert instance.expect == str(divisor if key == "rg/gcd" else multiple)
        assert divisor > 1, "a common factor is planted"
        answers.add(instance.expect)
        assert not TASKS[key].verify(instance, str(int(instance.expect) * 2))
    assert len(answers) > 100


def test_bits_are_counted_one_by_one():
    for instance in questions("rg/count_bits"):
        n, ones = integers(instance.question)[0], 0
        while n:
            n, ones = n // 2, ones + n % 2
        assert instance.expect == str(ones)


def test_a_number_is_the_same_in_both_bases():
    task = TASKS["rg/base_conversion"]
    for instance in questions(task.key):
        digits, source, target = re.match(r"Rewrite (\S+) from base (\d+) in base (\d+)", instance.question).groups()
        assert int(digits, int(source)) == int(instance.expect, int(target)) and source != target
        assert ("lower-case" in instance.question) == (int(target) > 10)
        assert task.verify(instance, "00" + instance.expect.upper())
        for wrong in (instance.expect + "0", "1" + instance.expect, f"{instance.expect}.0", f"-{instance.expect}"):
            assert not task.verify(instance, wrong)


def test_a_prefix_counts_only_in_its_own_base():
    task, instances = TASKS["rg/base_conversion"], questions("rg/base_conversion", levels=[1])
    for target, prefix in ((2, "0b"), (8, "0o"), (16, "0x")):
        instance = next(instance for instance in instances if instance.facts["target"] == target)
        accepted = [p for p in ("0b", "0o", "0x", "0z") if task.verify(instance, p + instance.expect)]
        assert accepted == [prefix]


def test_primes_are_counted_by_trial_division():
    task = TASKS["rg/count_primes"]
    for instance in questions(task.key, levels=[1, 3], count=40):
        start, end = integers(instance.question)
        assert end - start >= 20
        primes = [n for n in range(max(2, start), end + 1) if all(n % d for d in range(2, int(n ** 0.5) + 1))]
        assert instance.expect == str(len(primes))


def test_the_sieve_knows_how_many_primes_there_are_below_a_million():
    solve = TASKS["rg/count_primes"].solve
    assert solve(1, 10 ** 6) == 78_498 and solve(2, 2) == 1 and solve(1, 1) == 0 and solve(24, 28) == 0
    assert solve(10 ** 6 - 20, 10 ** 6) == solve(1, 10 ** 6) - solve(1, 10 ** 6 - 21)


def test_prime_factors_are_prime_and_give_the_number():
    task = TASKS["rg/prime_factorization"]
    for instance in questions(task.key):
        n, product = integers(instance.question)[0], 1
        factors = integers(instance.expect)
        for p in factors:
            assert p > 1 and all(p % d for d in range(2, int(p ** 0.5) + 1))
            product *= p
        assert product == n and factors == sorted(factors)
        shuffled = random.Random(0).sample(factors, len(factors))
        for sign in (" × ", "*", "x", " · ", ", ", " ", "\n", " \\times ", " \\cdot ", " and "):
            assert task.verify(instance, sign.join(map(str, shuffled)))
        assert task.verify(instance, f"{n} = {instance.expect}") and task.verify(instance, str(factors))
        for wrong in (f"1 * {instance.expect}", f"{instance.expect} * 1", f"-{instance.expect}", f"{instance.expect} *",
                      " * ".join(map(str, factors[1:])), " * ".join(map(str, [*factors, 2]))):
            assert not task.verify(instance, wrong), wrong
        if len(factors) > 1:
            assert not task.verify(instance, str(n)), "the number itself is not factored"
            assert not task.verify(instance, " * ".join(map(str, [factors[0] * factors[1], *factors[2:]])))


def listed(text):
    return [Decimal(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text)]


def test_sorted_numbers_are_the_same_numbers_in_order():
    task = TASKS["rg/number_sorting"]
    orders = set()
    for instance in questions(task.key):
        numbers, order = listed(instance.question), re.search(r"in (\w+) order", instance.question)[1]
        result = listed(instance.expect)
        rest = list(numbers)
        while rest:  # a selection sort
            best = min(rest) if order == "ascending" else max(rest)
            rest.remove(best)
            assert result[len(numbers) - len(rest) - 1] == best
        assert len(set(numbers)) == len(numbers) == len(result)
        assert task.verify(instance, f"[{', '.join(f'{n:.5f}' for n in result)}]"), "zeros at the end are free"
        orders.add(order)
    assert orders == {"ascending", "descending"}


def test_sorting_has_no_tolerance():
    task = TASKS["rg/number_sorting"]
    for instance in questions(task.key, count=20):
        result = listed(instance.expect)
        for wrong in ([n + Decimal("0.9") for n in result], result[::-1], result[1:], [*result, result[-1]],
                      [result[0] + Decimal("0.00001"), *result[1:]]):
            assert not task.verify(instance, ", ".join(map(str, wrong)))


def test_filtering_keeps_what_the_question_says():
    task, seen = TASKS["rg/number_filtering"], set()
    for instance in questions(task.key):
        action, side = re.match(r"(Keep|Remove) the numbers (larger|smaller) than ", instance.question).groups()
        pivot, *numbers = listed(instance.question)
        chosen = [n for n in numbers if (n > pivot if side == "larger" else n < pivot)]
        result = chosen if action == "Keep" else [n for n in numbers if n not in chosen]
        assert listed(instance.expect) == result and result and pivot not in numbers
        assert task.verify(instance, str([float(n) for n in result]))
        assert not task.verify(instance, str([float(n) for n in result] + [float(pivot)]))
        if len(result) > 1:
            assert not task.verify(instance, str([float(n) for n in result[::-1]])), "the order is asked for"
        seen.add((action, side))
    assert len(seen) == 4


def test_the_largest_is_found_among_all_spellings():
    task, spellings = TASKS["rg/number_format"], set()
    for instance in questions(task.key):
        size, listing = re.match(r"Which number is the (\w+): (.*)\? Answer", instance.question).groups()
        texts = listing.split(" or ")
        values = [Decimal(text.replace(",", "")) for text in texts]
        best = (max if size == "largest" else min)(values)
        assert Decimal(instance.expect.replace(",", "")) == best and len(set(values)) == len(values)
        for text, worth in zip(texts, values):
            for spelling in (text, f"{worth:f}", f"{worth:,f}", f"{worth:e}", f"{worth:e}".replace("e+", " × 10^")):
                assert task.verify(instance, spelling) is (worth == best)
        assert not task.verify(instance, f"{best + Decimal('0.001'):f}"), "near is not enough"
        spellings.update("e" if "e" in text else "," if "," in text else "." for text in texts)
    assert spellings == {"e", ",", "."}
