"""Whole numbers and their notations: divisors, primes, digits, bases, sorting."""
import math
from fractions import Fraction
from random import Random

from tasks.base import Instance, Task, at, integer, items, norm, number


def decimals(rng: Random, count: int, top: int, low: int, high: int) -> list[str]:
    """Different numbers up to `top` in size (from 0 if all are whole) with `low` to `high` decimals, as text."""
    bottom, numbers = -top if high else 0, {}
    while len(numbers) < count:
        places = rng.randint(low, high)
        n = Fraction(rng.randint(bottom * 10 ** places, top * 10 ** places), 10 ** places)
        numbers.setdefault(n, f"{float(n):.{places}f}")
    return list(numbers.values())


def sharing(rng: Random, count: int, top: int) -> list[int]:
    """Different numbers up to `top` with a planted common factor."""
    factor = rng.randint(2, math.isqrt(top))
    return [factor * n for n in rng.sample(range(2, top // factor + 1), count)]


class Divisors(Task, abstract=True):
    parse = staticmethod(integer)
    what, tops = "", (0, 0, 0)

    def make(self, rng: Random, level: int) -> tuple:
        count = rng.randint(*at(rng, level, (2, 2), (2, 3), (3, 5)))
        numbers = sharing(rng, count, at(rng, level, *self.tops))
        listed = ", ".join(map(str, numbers))
        return f"What is the {self.what} of {listed}? Answer with one integer.", dict(numbers=numbers)

    def program(self, instance: Instance) -> str:
        return f"import math\nprint(math.{self.name}({', '.join(map(str, instance.facts['numbers']))}))\n"


class Gcd(Divisors):
    what, tops = "greatest common divisor", (240, 6_000, 10 ** 9)

    @staticmethod
    def solve(numbers):
        import math
        return math.gcd(*numbers)


class Lcm(Divisors):
    what, tops = "least common multiple", (100, 300, 1_000)

    @staticmethod
    def solve(numbers):
        import math
        return math.lcm(*numbers)


class NumberSorting(Task):
    def make(self, rng: Random, level: int) -> tuple:
        count = rng.randint(*at(rng, level, (3, 4), (5, 10), (20, 40)))
        numbers = decimals(rng, count, *at(rng, level, (99, 0, 0), (999, 0, 2), (9_999, 0, 4)))
        order = rng.choice(("ascending", "descending"))
        return (f"Sort {', '.join(numbers)} in {order} order. Answer with the numbers.",
                dict(numbers=numbers, order=order))

    @staticmethod
    def solve(numbers, order):
        return ", ".join(sorted(numbers, key=float, reverse=order == "descending"))

    @staticmethod
    def parse(text: str) -> list:
        return [number(part) for part in items(text)]

    def program(self, instance: Instance) -> str:
        reverse = ", reverse=True" * (instance.facts["order"] == "descending")
        return f"print(sorted([{', '.join(instance.facts['numbers'])}]{reverse}))\n"


class CountBits(Task):
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        n = rng.randrange(1, 2 ** at(rng, level, 16, 31, 200))
        return f"How many ones are in the binary form of {n}? Answer with one integer.", dict(n=n)

    @staticmethod
    def solve(n):
        return bin(n).count("1")

    def program(self, instance: Instance) -> str:
        return f"print(bin({instance.facts['n']}).count(\"1\"))\n"


class BaseConversion(Task):
    def make(self, rng: Random, level: int) -> tuple:
        bases = at(rng, level, [2, 8, 10, 16], list(range(2, 17)), list(range(2, 37)))
        source, target = rng.sample(bases, 2)
        n = rng.randint(2, at(rng, level, 255, 10 ** 4, 10 ** 12))
        digits = self._digits(n, source)
        letters = " Use lower-case letters for digits above 9." if target > 10 else ""
        return (f"Rewrite {digits} from base {source} in base {target}.{letters} Answer with the digits alone.",
                dict(digits=digits, source=source, target=target))

    @staticmethod
    def _digits(n: int, base: int) -> str:
        return (BaseConversion._digits(n // base, base) if n >= base else "") \
            + "0123456789abcdefghijklmnopqrstuvwxyz"[n % base]

    @staticmethod
    def solve(digits, source, target):
        n, out = int(digits, source), ""
        while n:
            n, d = divmod(n, target)
            out = "0123456789abcdefghijklmnopqrstuvwxyz"[d] + out
        return out or "0"

    @staticmethod
    def parse(text: str) -> str:
        text = norm(text)
        return text[2:].lstrip("0") if text[:2] in ("0x", "0b", "0o") else text.lstrip("0")

    def program(self, instance: Instance) -> str:
        facts = instance.facts
        n = facts["digits"] if facts["source"] == 10 else f'int("{facts["digits"]}", {facts["source"]})'
        kind = {2: "b", 8: "o", 10: "d", 16: "x"}.get(facts["target"])
        return f'print(format({n}, "{kind}"))\n' if kind else super().program(instance)
