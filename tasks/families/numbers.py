"""Numbers and their notations: divisors, primes, digits, bases, sorting.

Decimals stay text from the drawing of a question to its answer: no digit of theirs is lost in a
float, and two answers are compared as exact fractions.
"""
import math
import re
from decimal import Decimal
from fractions import Fraction
from random import Random

from tasks.base import Instance, Task, at, between, integer, items, norm, number, right_side


# ---- divisors and digits ----------------------------------------------------------------------

class Divisors(Task, abstract=True):
    """What two to five numbers share. `tops` bounds the numbers at levels 1, 3 and 5."""
    parse = staticmethod(integer)
    what, tops = "", (0, 0, 0)

    def make(self, rng: Random, level: int) -> tuple:
        count = between(rng, level, (2, 2), (2, 3), (3, 5))
        top = at(rng, level, *self.tops)
        factor = rng.randint(2, math.isqrt(top))  # planted: random numbers seldom share any
        numbers = [factor * n for n in rng.sample(range(2, top // factor + 1), count)]
        listed = ", ".join(map(str, numbers))
        question = f"What is the {self.what} of {listed}? Answer with one integer."
        return question, dict(numbers=numbers)

    def program(self, instance: Instance) -> str:
        listed = ", ".join(map(str, instance.facts["numbers"]))
        return f"import math\nprint(math.{self.name}({listed}))\n"


class Gcd(Divisors):
    """The largest number that divides all of them."""
    what, tops = "greatest common divisor", (240, 6_000, 10 ** 9)

    @staticmethod
    def solve(numbers):
        import math
        return math.gcd(*numbers)


class Lcm(Divisors):
    """The smallest number that all of them divide."""
    what, tops = "least common multiple", (100, 300, 1_000)

    @staticmethod
    def solve(numbers):
        import math
        return math.lcm(*numbers)


class CountBits(Task):
    """The ones of a binary number; the question shows it in decimal."""
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        n = rng.randrange(1, 2 ** at(rng, level, 16, 31, 200))
        question = f"How many ones are in the binary form of {n}? Answer with one integer."
        return question, dict(n=n)

    @staticmethod
    def solve(n):
        return bin(n).count("1")

    def program(self, instance: Instance) -> str:
        return f"print(bin({instance.facts['n']}).count(\"1\"))\n"


class BaseConversion(Task):
    """From one base into another; digits above 9 are letters, and 35 is z."""

    def make(self, rng: Random, level: int) -> tuple:
        bases = at(rng, level, [2, 8, 10, 16], range(2, 17), range(2, 37))
        source, target = rng.sample(bases, 2)
        n = rng.randint(2, at(rng, level, 255, 10 ** 4, 10 ** 12))
        digits = self.solve(str(n), 10, source)
        letters = " Use lower-case letters for digits above 9." if target > 10 else ""
        question = (f"Rewrite {digits} from base {source} in base {target}.{letters} "
                    "Answer with the digits alone.")
        return question, dict(digits=digits, source=source, target=target)

    @staticmethod
    def solve(digits, source, target):
        n, out = int(digits, source), ""
        while n:
            n, d = divmod(n, target)
            out = "0123456789abcdefghijklmnopqrstuvwxyz"[d] + out
        return out

    def check(self, answer: str, instance: Instance) -> bool:
        # Python's prefix of the target's own base is welcome, and so are zeros in front
        prefix = {2: "0b", 8: "0o", 16: "0x"}.get(instance.facts["target"], "")
        return norm(answer).removeprefix(prefix).lstrip("0") == instance.expect

    def program(self, instance: Instance) -> str:
        digits, source, target = instance.facts.values()
        kind = {2: "b", 8: "o", 10: "d", 16: "x"}.get(target)
        if kind is None:  # Python has no format for this base
            return self.script(instance)
        n = digits if source == 10 else f'int("{digits}", {source})'
        return f'print(format({n}, "{kind}"))\n'


# ---- primes -----------------------------------------------------------------------------------

class CountPrimes(Task):
    """How many primes an interval of at least 20 numbers holds."""
    split, parse = "test", staticmethod(integer)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        top = at(rng, level, 100, 10 ** 4, 10 ** 6)
        start = rng.randint(1, top - 20)
        end = rng.randint(start + 20, top)
        question = (f"How many primes are there from {start} to {end}, both included? "
                    "Answer with one integer.")
        return question, dict(start=start, end=end)

    @staticmethod
    def solve(start, end):
        prime = [False, False] + [True] * (end - 1)  # the sieve of Eratosthenes
        for p in range(2, int(end ** 0.5) + 1):
            if prime[p]:
                for multiple in range(p * p, end + 1, p):
                    prime[multiple] = False
        return sum(prime[start:])


class PrimeFactorization(Task):
    """A number as a product of primes; their order is free, their repetition is not."""

    def make(self, rng: Random, level: int) -> tuple:
        n = rng.randint(4, at(rng, level, 1_000, 10_000, 10 ** 9))
        return (f"What are the prime factors of {n}, with repetition? Answer like 2 * 2 * 3.",
                dict(n=n))

    @staticmethod
    def solve(n):
        factors, p = [], 2
        while n > 1:
            while n % p == 0:
                factors.append(p)
                n //= p
            p = p + 1 if p * p < n else n  # no divisor up to its root: what is left is prime
        return " * ".join(map(str, factors))

    @staticmethod
    def parse(text: str) -> list[int]:
        """The factors, ascending: "12 = 3 × 2 × 2" -> [2, 2, 3]."""
        def factors(product: str) -> list[int]:
            sign = r"\s*(?:[×x*·,]|\\times|\\cdot|\band\b)\s*|\s+"
            return sorted(map(integer, re.split(sign, product.strip("()[] "))))

        def same(left: str, right: str) -> bool:
            return math.prod(factors(left)) == math.prod(factors(right))

        return factors(right_side(norm(text), same))

    def program(self, instance: Instance) -> str:
        # a small number needs no bound at its root, and its factors are printed one a line
        n = instance.facts["n"]
        if n > 1_000:
            return self.script(instance)
        return (f"n, p = {n}, 2\n"
                "while n > 1:\n"
                "    if n % p:\n"
                "        p += 1\n"
                "    else:\n"
                "        print(p)\n"
                "        n //= p\n")


# ---- lists of numbers -------------------------------------------------------------------------

def decimals(rng: Random, count: int, top: int, low: int, high: int) -> list[str]:
    """Different numbers up to `top` in size with `low` to `high` decimals, as text.

    They are whole and from 0 up if `high` is 0, else from -top up.
    """
    bottom = -top if high else 0
    numbers: dict[Fraction, str] = {}  # 1.5 and 1.50 are one number: the first spelling stays
    while len(numbers) < count:
        places = rng.randint(low, high)
        n = Fraction(rng.randint(bottom * 10 ** places, top * 10 ** places), 10 ** places)
        numbers.setdefault(n, f"{float(n):.{places}f}")
    return list(numbers.values())


def exact(text: str) -> list[Fraction]:
    """The numbers of a list, as exact values."""
    return [number(part) for part in items(text)]


class NumberSorting(Task):
    """Different numbers in ascending or descending order; zeros at the end of one do not matter."""
    parse = staticmethod(exact)

    def make(self, rng: Random, level: int) -> tuple:
        count = between(rng, level, (3, 4), (5, 10), (20, 40))
        numbers = decimals(rng, count, *at(rng, level, (99, 0, 0), (999, 0, 2), (9_999, 0, 4)))
        order = rng.choice(("ascending", "descending"))
        question = f"Sort {', '.join(numbers)} in {order} order. Answer with the numbers."
        return question, dict(numbers=numbers, order=order)

    @staticmethod
    def solve(numbers, order):
        return ", ".join(sorted(numbers, key=float, reverse=order == "descending"))

    def program(self, instance: Instance) -> str:
        numbers, order = instance.facts.values()
        reverse = ", reverse=True" if order == "descending" else ""
        return f"print(sorted([{', '.join(numbers)}]{reverse}))\n"


class NumberFiltering(Task):
    """Keep or remove what is larger or smaller than a pivot: something always remains."""
    parse = staticmethod(exact)

    def make(self, rng: Random, level: int) -> tuple:
        count = between(rng, level, (3, 5), (5, 12), (20, 40))
        remaining = []
        while not remaining:
            top, low, high = at(rng, level, (99, 0, 0), (999, 0, 3), (9_999, 0, 4))
            pivot, *numbers = decimals(rng, count + 1, top, low, high)
            action = rng.choice(("Keep", "Remove"))
            side = rng.choice(("larger", "smaller"))
            # removing the smaller ones keeps the larger ones: no number equals the pivot
            larger = (action == "Keep") == (side == "larger")
            remaining = [n for n in numbers if (float(n) > float(pivot)) == larger]
        question = (f"{action} the numbers {side} than {pivot}: {', '.join(numbers)}. "
                    "Answer with those that remain, in order.")
        return question, dict(numbers=numbers, larger=larger, pivot=pivot), ", ".join(remaining)

    def program(self, instance: Instance) -> str:
        numbers, larger, pivot = instance.facts.values()
        sign = ">" if larger else "<"
        return f"print([n for n in [{', '.join(numbers)}] if n {sign} {pivot}])\n"


class NumberFormat(Task):
    """The largest or smallest of near numbers, spelled as 1234.500, 1,234.500 or 1.2345e+3."""
    split, parse = "test", staticmethod(number)

    def make(self, rng: Random, level: int) -> tuple:
        count = between(rng, level, (2, 3), (3, 5), (6, 10))
        spread = at(rng, level, 100_000, 10_000, 1_000)  # in thousandths
        base = rng.randint(10 ** 6, 10 ** rng.randint(7, 12))
        # different numbers with the same first digits, each in a spelling of its own: a Decimal
        # keeps all digits with "e" too
        values = [Decimal(base + n) / 1000 for n in rng.sample(range(spread + 1), count)]
        candidates = [format(value, rng.choice((".3f", ",.3f", "e"))) for value in values]
        size, pick = rng.choice((("largest", max), ("smallest", min)))
        question = (f"Which number is the {size}: {' or '.join(candidates)}? "
                    "Answer with that number.")
        answer = candidates[values.index(pick(values))]
        return question, dict(pick=pick.__name__, candidates=candidates), answer

    def program(self, instance: Instance) -> str:
        pick, candidates = instance.facts.values()
        return f"print({pick}({candidates}, key=lambda n: float(n.replace(\",\", \"\"))))\n"
