"""Whole numbers and their notations: divisors, primes, digits, bases, sorting."""
import math
from random import Random

from tasks.base import Instance, Task, at, integer, norm


class Gcd(Task):
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        count = rng.randint(*at(rng, level, (2, 2), (2, 3), (3, 5)))
        top = at(rng, level, 240, 6_000, 10 ** 9)
        factor = rng.randint(2, math.isqrt(top))
        numbers = [factor * rng.randint(2, top // factor) for _ in range(count)]
        listed = " and ".join(map(str, numbers)) if count == 2 else ", ".join(map(str, numbers))
        return f"What is the greatest common divisor of {listed}? Answer with one integer.", dict(numbers=numbers)

    @staticmethod
    def solve(numbers):
        import math
        return math.gcd(*numbers)

    def program(self, instance: Instance) -> str:
        return f"import math\nprint(math.gcd({', '.join(map(str, instance.facts['numbers']))}))\n"


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
