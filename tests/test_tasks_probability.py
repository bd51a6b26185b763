"""Counting and probability are checked by listing all cases, never by the formulas that the tasks use."""
import re
from fractions import Fraction
from itertools import combinations, permutations, product
from random import Random

import pytest

from tasks import TASKS
from tasks.base import amount

DICE, COUNTING = TASKS["rg/dice"], TASKS["symbench/math_counting_and_probability"]


def share(cases, good):
    cases = list(cases)
    return Fraction(sum(map(good, cases)), len(cases))


def number_of(cases, good=lambda case: True):
    return sum(1 for case in cases if good(case))


def test_dice_probabilities_agree_with_listing_all_rolls():
    for seed in range(100):
        instance = DICE.generate(seed, 1 + seed % 3)
        sides, least = instance.facts["sides"], instance.facts["least"]
        rolls = product(*(range(1, side + 1) for side in sides))
        if max(sides) <= 6 or seed % 10 == 0:
            gold = share(rolls, lambda roll: sum(roll) >= least)
            assert str(gold) == instance.expect and 0 < gold < 1


def test_dice_want_the_lowest_terms():
    instance = DICE.generate(3, 1)
    gold = Fraction(instance.expect)
    assert DICE.verify(instance, f" {gold.numerator} / {gold.denominator}. ")
    p, q = gold.numerator, gold.denominator
    assert DICE.verify(instance, f"P = {gold}") and DICE.verify(instance, f"\\frac{{{p}}}{{{q}}}")
    for wrong in (f"{2 * p}/{2 * q}", str(float(gold)), f"{q}/{p}", f"-{p}/-{q}", f"{p}/{q}/1", "", "1/0",
                  f"\\frac{{{2 * p}}}{{{2 * q}}}"):
        assert not DICE.verify(instance, wrong), wrong


def letters(a, b, c):
    return number_of(product("ABC", repeat=a + b + c), lambda word: (word.count("A"), word.count("B")) == (a, b))


def lattice(east, north, *avoid):
    """Walks one by one, each given by its steps to the north."""
    def free(steps):
        return avoid not in [(i - n, n) for i in range(east + north) for n in [sum(step < i for step in steps)]]
    return number_of(combinations(range(east + north), north), free)


def row(size, good):
    return number_of(permutations(range(size)), lambda order: good([order.index(i) for i in range(size)]))


def two_drawn(a, b, good):
    return share(combinations("C" * a + "D" * b, 2), good)


# the start of each question (numbers as #) -> the answer from its numbers, by listing all cases
SECOND = {
    "In how many ways can # of # ": lambda a, n: number_of(combinations(range(n), a)),
    "In how many orders can # different": lambda a: number_of(permutations(range(a))),
    "How many codes of # signs": lambda a, n: number_of(product(range(n), repeat=a)),
    "How many subsets has": lambda n: number_of(product("01", repeat=n)),
    "# people all shake hands": lambda n: number_of(combinations(range(n), 2)),
    "A fair die with # sides": lambda n, a, k: share(product(range(1, n + 1), repeat=a), lambda roll: k not in roll),
    "What is the expected value": lambda _, n: Fraction(sum(range(1, n + 1)), n),
    "A bag holds # {C} and # {D} {T}. Two are drawn together. What is the probability that both":
        lambda a, b: two_drawn(a, b, lambda pair: pair == ("C", "C")),
    "Two fair dice": lambda _, n, s: share(product(range(1, n + 1), repeat=2), lambda roll: sum(roll) == s),
    "How many shortest ways": lattice,
    "From # women and # men":
        lambda w, m, a, b: number_of(product(combinations(range(w), a), combinations(range(m), b))),
    "How many car plates":
        lambda a, b: number_of(product(range(26), repeat=a)) * number_of(product(range(10), repeat=b)),
    "In how many orders can # people stand in a row if two of them, {X} and {Y}, must be":
        lambda n: row(n, lambda place: abs(place[0] - place[1]) == 1),
    "In how many orders can # people stand in a row if two of them, {X} and {Y}, must not":
        lambda n: row(n, lambda place: abs(place[0] - place[1]) > 1),
    "In how many ways can {X} and # others sit": lambda n: number_of(
        {tuple((order[order.index(p) - 1], p) for p in range(n + 1)) for order in permutations(range(n + 1))}),
    "How many different strings": letters,
    "A fair coin is flipped": lambda n, a: share(product("HT", repeat=n), lambda flips: flips.count("H") == a),
    "A bag holds # {C} and # {D} {T}. Two are drawn together. What is the probability that their":
        lambda a, b: two_drawn(a, b, lambda pair: len(set(pair)) == 2),
    "How many of the numbers from # to # are divisible by":
        lambda _, n, a, b: number_of(range(1, n + 1), lambda i: i % a == 0 or i % b == 0),
    "How many of the numbers from # to # are divisible neither":
        lambda _, n, a, b: number_of(range(1, n + 1), lambda i: i % a and i % b),
    "A walk on a grid": lambda _, __, east, north, a, b: lattice(east, north, a, b),
    "In how many ways can # equal {T} be given to # children?":
        lambda n, a: number_of(product(range(n + 1), repeat=a), lambda gifts: sum(gifts) == n),
    "In how many ways can # equal {T} be given to # children so":
        lambda n, a: number_of(product(range(1, n + 1), repeat=a), lambda gifts: sum(gifts) == n),
    "{X}, {Y} and # others": lambda a: row(a + 2, lambda place: all(i != p for i, p in enumerate(place))),
    "How many numbers with": lambda a, k, _: number_of(range(10 ** (a - 1), 10 ** a), lambda n: str(k) not in str(n)),
    "In how many ways can the first": lambda a, n: number_of(permutations(range(n), a)),
    "How many codes of # decimal": lambda a, k: number_of(product(range(10), repeat=a), lambda code: k in code),
    "How many subsets with": lambda n: number_of(product((0, 1), repeat=n), lambda bits: sum(bits) % 2 == 0),
    "What is the coefficient": lambda a, _, k, n: number_of(  # from every factor the 1 or one of the k parts of k*x
        product(range(k + 1), repeat=n), lambda parts: sum(map(bool, parts)) == a),
    "# fair dice": lambda a, _, n: Fraction(sum(map(sum, product(range(1, n + 1), repeat=a))), n ** a),
    "A point is chosen": lambda n, a: share(product(range(n), repeat=2), lambda cell: max(cell) < a),
    "How many diagonals":
        lambda n: number_of(combinations(range(n), 2), lambda pair: pair[1] - pair[0] not in (1, n - 1)),
    "# points lie on a circle": lambda n: number_of(combinations(range(n), 3)),
    "In how many ways can # different letters": lambda a, n: number_of(product(range(n), repeat=a)),
    "# of # people are chosen": lambda a, n, _: share(combinations(range(n), a), lambda team: {0, 1} <= set(team)),
    "# people each pick": lambda a, n: share(product(range(n), repeat=a), lambda picks: len(set(picks)) == a),
    "In how many ways can # people be split":
        lambda n, a: number_of({frozenset([team, frozenset(range(n)) - team])
                                for team in map(frozenset, combinations(range(n), a))}),
    "In how many orders can # women": lambda w, m: number_of(
        permutations(range(w + m)), lambda order: not any(p < w and q < w for p, q in zip(order, order[1:]))),
}


def test_counting_formulas_agree_with_listing_all_cases(monkeypatch):
    def tiny(rng, level):
        slots = {name: rng.randint(2, 3) for name in "abcd"}
        words = {name: f"{{{name}}}" for name in "XYCDT"}
        return dict(slots, k=rng.randint(2, 4), n=rng.randint(4, 5), s=rng.randint(2, 8), **words)
    monkeypatch.setattr(COUNTING, "slots", tiny, raising=False)
    seen, rng = {start: 0 for start in SECOND}, Random(1)
    for _ in range(400):
        question, _, answer = COUNTING.make(rng, 3)
        text = question.removesuffix(COUNTING.ending)
        (start,) = [key for key in SECOND if re.sub(r"\d+", "#", text).startswith(key)]
        if seen[start] < 3:
            seen[start] += 1
            assert SECOND[start](*map(int, re.findall(r"\d+", text))) == answer, question
    assert len(SECOND) == len(COUNTING.table) and min(seen.values()) == 3


def test_counting_takes_any_form_of_the_number_and_nothing_near_it():
    instance = next(i for i in (COUNTING.generate(seed) for seed in range(99)) if "/" in i.expect)
    p, q = map(int, instance.expect.split("/"))
    for right in (f"{p}/{q}", f"{3 * p}/{3 * q}", f"\\frac{{{p}}}{{{q}}}", f"$\\dfrac{{{p}}}{{{q}}}$", f"P = {p}/{q}"):
        assert COUNTING.verify(instance, right), right
    for wrong in (f"{p + 1}/{q}", f"{p}/{q + 1}", f"{q}/{p}", f"{p / q:.4f}1", f"{p}", "comb(4, 2)", ""):
        assert not COUNTING.verify(instance, wrong), wrong


def test_two_divisors_are_different_numbers():
    found = 0
    for seed in range(300):
        question = COUNTING.generate(seed, 2).question
        divisors = re.search(r"divisible (?:neither )?by (\d+) n?or by (\d+)", question)
        if divisors:
            found += 1
            assert divisors[1] != divisors[2], question
    assert found > 10


@pytest.mark.parametrize("level", (3, 5))
def test_answers_stay_exact_however_large(level):
    for seed in range(100):
        instance = COUNTING.generate(seed, level)
        assert re.fullmatch(r"\d+(/\d+)?", instance.expect), instance
        if "/" not in instance.expect:
            assert not COUNTING.verify(instance, str(int(instance.expect) + 1))
        assert amount(instance.expect) > 0
