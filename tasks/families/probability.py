"""Counting and probability: dice, and a table of formulas.

All answers are exact: whole numbers and fractions.
"""
import math
import re
from fractions import Fraction
from random import Random
from typing import Any

from tasks.base import Formula, Instance, Task, amount, at, between
from tasks.families.arithmetic import ratio
from tasks.families.words import FIRST_NAMES


# ---- dice -------------------------------------------------------------------------------------

class Dice(Task):
    """The chance that dice with different numbers of sides reach a sum."""
    parse = staticmethod(ratio)  # lowest terms are asked for: 2/4 is not 1/2

    def make(self, rng: Random, level: int) -> tuple:
        count = between(rng, level, (2, 3), (4, 4), (5, 7))
        sides = [rng.randint(3, at(rng, level, 6, 20, 30)) for _ in range(count)]
        # sums go from `count` to sum(sides): the target is in their middle third
        lowest, highest = count, sum(sides)
        third = math.ceil((highest - lowest) / 3)
        least = rng.randint(lowest + third, highest - third)
        listed = ", ".join(map(str, sides[:-1])) + f" and {sides[-1]}"
        question = (f"Dice with {listed} sides, numbered from 1, are rolled. What is the "
                    f"probability that their sum is at least {least}? "
                    "Answer with a fraction in lowest terms.")
        return question, dict(sides=sides, least=least)

    @staticmethod
    def solve(sides, least):
        from fractions import Fraction
        from math import prod
        ways = {0: 1}  # sum so far -> in how many ways
        for side in sides:
            rolled = {}
            for total, count in ways.items():
                for pips in range(1, side + 1):
                    rolled[total + pips] = rolled.get(total + pips, 0) + count
            ways = rolled
        return Fraction(sum(ways[total] for total in ways if total >= least), prod(sides))

    def program(self, instance: Instance) -> str:
        """All rolls one by one, where they are few: [a + b >= 7 for a in range(1, 7) for b ...]."""
        sides, least = instance.facts.values()
        if len(sides) > 3:
            return super().program(instance)
        names = "abc"[:len(sides)]
        loops = [f"for {name} in range(1, {side + 1})" for name, side in zip(names, sides)]
        return ("from fractions import Fraction\n"
                f"good = [{' + '.join(names)} >= {least} {' '.join(loops)}]\n"
                "print(Fraction(sum(good), len(good)))\n")


# ---- a table of formulas ----------------------------------------------------------------------

def derangements(n):
    # orders of n things with none in its place: 1, 0, 1, 2, 9, 44, ...
    return 1 if n == 0 else n * derangements(n - 1) + (-1) ** n


class MathCountingAndProbability(Formula):
    """Urns, codes, teams, walks: the text of a question and the formula that answers it.

    Slots: small whole numbers a b c d from 2, a digit k from 2, a size n from 9, a sum s from 2
    to 12, two names X and Y, two colours C and D, a thing T.
    """
    suite, grade = "symbench", "B"
    functions = {"comb": math.comb, "factorial": math.factorial, "perm": math.perm,
                 "floor": math.floor, "lcm": math.lcm, "abs": abs, "Fraction": Fraction,
                 "derangements": derangements}
    ending = "Answer with an integer or a fraction."
    table = (
        ("In how many ways can {a} of {a + b} different {T} be chosen?", "comb({a + b}, {a})"),
        ("In how many orders can {a + 1} different {T} stand in a row?", "factorial({a + 1})"),
        ("How many codes of {a} signs are there if each sign is one of {n}?", "{n} ** {a}"),
        ("How many subsets has a set of {a + b} elements?", "2 ** {a + b}"),
        ("{n} people all shake hands with each other once. How many handshakes is that?",
         "comb({n}, 2)"),
        ("A fair die with {n} sides is rolled {a} times. What is the probability that side {k} "
         "never comes?",
         "Fraction({n} - 1, {n}) ** {a}"),
        ("What is the expected value of a fair die with the numbers 1 to {n}?",
         "Fraction({n} + 1, 2)"),
        ("A bag holds {a} {C} and {b} {D} {T}. Two are drawn together. What is the probability "
         "that both are {C}?",
         "Fraction(comb({a}, 2), comb({a + b}, 2))"),
        ("Two fair dice with the numbers 1 to {n} are rolled. What is the probability of the sum "
         "{s}?",
         "Fraction({n} - abs({n} + 1 - {s}), {n} ** 2)"),
        ("How many shortest ways along the streets lead to a corner {a} blocks east and {b} "
         "blocks north?",
         "comb({a + b}, {a})"),
        ("From {a + c} women and {b + d} men, how many teams of {a} women and {b} men can be "
         "formed?",
         "comb({a + c}, {a}) * comb({b + d}, {b})"),
        ("How many car plates have {a} letters from A to Z followed by {b} digits?",
         "26 ** {a} * 10 ** {b}"),
        ("In how many orders can {a + 2} people stand in a row if two of them, {X} and {Y}, must "
         "be neighbours?",
         "2 * factorial({a + 2} - 1)"),
        ("In how many orders can {a + 2} people stand in a row if two of them, {X} and {Y}, must "
         "not be neighbours?",
         "factorial({a + 2}) - 2 * factorial({a + 2} - 1)"),
        ("In how many ways can {X} and {a + 1} others sit at a round table, if only who sits to "
         "whose left and right matters, and left differs from right?",
         "factorial({a + 2} - 1)"),
        ("How many different strings consist of {a} letters A, {b} letters B and {c} letters C?",
         "comb({a + b + c}, {a}) * comb({b + c}, {b})"),
        ("A fair coin is flipped {a + b} times. What is the probability of exactly {a} heads?",
         "Fraction(comb({a + b}, {a}), 2 ** {a + b})"),
        ("A bag holds {a} {C} and {b} {D} {T}. Two are drawn together. What is the probability "
         "that their colours differ?",
         "Fraction({a} * {b}, comb({a + b}, 2))"),
        ("How many of the numbers from 1 to {n * k} are divisible by {a} or by {b}?",
         "floor({n * k} / {a}) + floor({n * k} / {b}) - floor({n * k} / lcm({a}, {b}))"),
        ("How many of the numbers from 1 to {n * k} are divisible neither by {a} nor by {b}?",
         "{n * k} - floor({n * k} / {a}) - floor({n * k} / {b}) + floor({n * k} / lcm({a}, {b}))"),
        ("A walk on a grid goes from (0, 0) to ({a + c}, {b + d}), each step one up or one to the "
         "right. How many walks avoid the point ({a}, {b})?",
         "comb({a + b + c + d}, {a + c}) - comb({a + b}, {a}) * comb({c + d}, {c})"),
        ("In how many ways can {n} equal {T} be given to {a} children?",
         "comb({n} + {a} - 1, {a} - 1)"),
        ("In how many ways can {n} equal {T} be given to {a} children so that each gets at least "
         "one?",
         "comb({n} - 1, {a} - 1)"),
        ("{X}, {Y} and {a} others put their names on cards and draw one each. In how many ways "
         "does nobody draw their own?",
         "derangements({a + 2})"),
        ("How many numbers with {a} digits have no digit {k}? The first digit is not 0.",
         "8 * 9 ** ({a} - 1)"),
        ("In how many ways can the first {a} places of a race with {n} runners be filled?",
         "perm({n}, {a})"),
        ("How many codes of {a} decimal digits have at least one {k}?", "10 ** {a} - 9 ** {a}"),
        ("How many subsets with an even number of elements has a set of {n} elements? The empty "
         "set counts.",
         "2 ** ({n} - 1)"),
        ("What is the coefficient of x**{a} in (1 + {k}*x)**{a + b}?",
         "comb({a + b}, {a}) * {k} ** {a}"),
        ("{a} fair dice with the numbers 1 to {n} are rolled. What is the expected value of their "
         "sum?",
         "Fraction({a} * ({n} + 1), 2)"),
        ("A point is chosen at random in a square with side {a + b}. What is the probability that "
         "it lies in a given smaller square with side {a} inside?",
         "Fraction({a} ** 2, {a + b} ** 2)"),
        ("How many diagonals has a convex polygon with {n + 3} corners?",
         "comb({n + 3}, 2) - {n + 3}"),
        ("{n + 2} points lie on a circle. How many triangles have three of them as corners?",
         "comb({n + 2}, 3)"),
        ("In how many ways can {a} different letters be put into {n} numbered boxes?",
         "{n} ** {a}"),
        ("{a} of {a + b} people are chosen at random for a team. What is the probability that {X} "
         "and {Y}, two of the {a + b}, are both in it?",
         "Fraction(comb({a + b} - 2, {a} - 2), comb({a + b}, {a}))"),
        ("{a} people each pick one of {a + b} boxes at random. What is the probability that they "
         "all pick different ones?",
         "Fraction(factorial({a + b}), factorial({b}) * {a + b} ** {a})"),
        ("In how many ways can {2 * n} people be split into two teams of {n}? The teams have no "
         "names.",
         "comb({2 * n} - 1, {n})"),
        ("In how many orders can {a} women and {a + b} men stand in a row so that no two women "
         "are neighbours?",
         "factorial({a + b}) * comb({a + b} + 1, {a}) * factorial({a})"),
    )

    colours = ("black", "blue", "brown", "green", "red", "white", "yellow")
    things = ("balls", "books", "cards", "cups", "hats", "pens", "plates", "stones")

    def make(self, rng: Random, level: int) -> tuple:
        while True:
            question, facts, answer = super().make(rng, level)
            # "divisible by 3 or by 3" is no English: draw again
            if not re.search(r"by (\d+) n?or by \1\b", question):
                return question, facts, answer

    def slots(self, rng: Random, level: int) -> dict[str, Any]:
        slots = {name: rng.randint(2, at(rng, level, 4, 7, 9)) for name in "abcd"}
        slots["X"], slots["Y"] = rng.sample(FIRST_NAMES, 2)
        slots["C"], slots["D"] = rng.sample(self.colours, 2)
        slots["T"] = rng.choice(self.things)
        slots["k"] = rng.randint(2, 9)
        slots["n"] = between(rng, level, (9, 15), (10, 40), (30, 90))
        slots["s"] = rng.randint(2, 12)
        return slots

    def check(self, answer: str, instance: Instance) -> bool:
        return amount(answer) == amount(instance.expect)
