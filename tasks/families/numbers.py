"""Numbers and their notations: divisors, primes, digits, bases, sorting."""
import math
import re
from decimal import Decimal
from fractions import Fraction
from random import Random

from tasks.base import Instance, Task, at, integer, items, norm, number


class Divisors(Task, abstract=True):
    parse = staticmethod(integer)
    what, tops = "", (0, 0, 0)

    def make(self, rng: Random, level: int) -> tuple:
        count = rng.randint(*at(rng, level, (2, 2), (2, 3), (3, 5)))
        top = at(rng, level, *self.tops)
        factor = rng.randint(2, math.isqrt(top))  # planted: random numbers seldom share any
        numbers = [factor * n for n in rng.sample(range(2, top // factor + 1), count)]
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
        digits = self.solve(str(n), 10, source)
        letters = " Use lower-case letters for digits above 9." if target > 10 else ""
        return (f"Rewrite {digits} from base {source} in base {target}.{letters} Answer with the digits alone.",
                dict(digits=digits, source=source, target=target))

    @staticmethod
    def solve(digits, source, target):
        n, out = int(digits, source), ""
        while n:
            n, d = divmod(n, target)
            out = "0123456789abcdefghijklmnopqrstuvwxyz"[d] + out
        return out

    def check(self, answer: str, instance: Instance) -> bool:
        prefix = {2: "0b", 8: "0o", 16: "0x"}.get(instance.facts["target"], "")
        return norm(answer).removeprefix(prefix).lstrip("0") == instance.expect

    def program(self, instance: Instance) -> str:
        facts = instance.facts
        n = facts["digits"] if facts["source"] == 10 else f'int("{facts["digits"]}", {facts["source"]})'
        kind = {2: "b", 8: "o", 10: "d", 16: "x"}.get(facts["target"])
        return f'print(format({n}, "{kind}"))\n' if kind else self.script(instance)


# ---- primes ---------------------------------------------------------------------------------------------------------

class CountPrimes(Task):
    split, parse = "test", staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        top = at(rng, level, 100, 10 ** 4, 10 ** 6)
        start = rng.randint(1, top - 20)
        end = rng.randint(start + 20, top)
        return (f"How many primes are there from {start} to {end}, both included? Answer with one integer.",
                dict(start=start, end=end))

    @staticmethod
    def solve(start, end):
        prime = [False, False] + [True] * (end - 1)  # the sieve of Eratosthenes
        for p in range(2, int(end ** 0.5) + 1):
            if prime[p]:
                for multiple in range(p * p, end + 1, p):
                    prime[multiple] = False
        return sum(prime[start:])

    def program(self, instance: Instance) -> str:
        start, end = instance.facts["start"], instance.facts["end"]
        if end > 100:
            return self.script(instance)
        return f"print(sum(all(n % d for d in range(2, n)) for n in range({max(start, 2)}, {end + 1})))\n"


class PrimeFactorization(Task):
    def make(self, rng: Random, level: int) -> tuple:
        n = rng.randint(4, at(rng, level, 1_000, 10 ** 4, 10 ** 9))
        return f"What are the prime factors of {n}, with repetition? Answer like 2 * 2 * 3.", dict(n=n)

    @staticmethod
    def solve(n):
        factors, p = [], 2
        while n > 1:
            while n % p == 0:
                factors.append(p)
                n //= p
            p = p + 1 if p * p < n else n  # what is left is prime once it has no divisor up to its root
        return " * ".join(map(str, factors))

    @staticmethod
    def parse(text: str) -> list[int]:
        text = norm(text).split("=")[-1].strip("()[] ")
        return sorted(integer(part) for part in re.split(r"\s*[×x*·,]\s*|\s+", text))

    def program(self, instance: Instance) -> str:
        n = instance.facts["n"]
        if n > 1_000:
            return self.script(instance)
        return f"n, p = {n}, 2\nwhile n > 1:\n    if n % p:\n        p += 1\n    else:\n" \
               "        print(p)\n        n //= p\n"


# ---- lists of numbers -----------------------------------------------------------------------------------------------

def decimals(rng: Random, count: int, top: int, low: int, high: int) -> list[str]:
    """Different numbers up to `top` in size (from 0 if all are whole) with `low` to `high` decimals, as text."""
    bottom, numbers = -top if high else 0, {}
    while len(numbers) < count:
        places = rng.randint(low, high)
        n = Fraction(rng.randint(bottom * 10 ** places, top * 10 ** places), 10 ** places)
        numbers.setdefault(n, f"{float(n):.{places}f}")
    return list(numbers.values())


def exact(text: str) -> list[Fraction]:
    """The numbers of a list, as exact values."""
    return [number(part) for part in items(text)]


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

    parse = staticmethod(exact)

    def program(self, instance: Instance) -> str:
        reverse = ", reverse=True" * (instance.facts["order"] == "descending")
        return f"print(sorted([{', '.join(instance.facts['numbers'])}]{reverse}))\n"


class NumberFiltering(Task):
    parse = staticmethod(exact)

    def make(self, rng: Random, level: int) -> tuple:
        count = rng.randint(*at(rng, level, (3, 5), (5, 12), (20, 40)))
        while True:
            pivot, *numbers = decimals(rng, count + 1, *at(rng, level, (99, 0, 0), (999, 0, 3), (9_999, 0, 4)))
            action, side = rng.choice(("Keep", "Remove")), rng.choice(("larger", "smaller"))
            question = (f"{action} the numbers {side} than {pivot}: {', '.join(numbers)}. "
                        "Answer with those that remain, in order.")
            facts = dict(action=action, side=side, pivot=pivot, numbers=numbers)
            if self.solve(**facts):
                return question, facts

    @staticmethod
    def solve(action, side, pivot, numbers):
        larger = (action == "Keep") == (side == "larger")  # whether the larger numbers remain
        return ", ".join(n for n in numbers if (float(n) > float(pivot)) == larger)

    def program(self, instance: Instance) -> str:
        facts = instance.facts
        sign = ">" if (facts["action"] == "Keep") == (facts["side"] == "larger") else "<"
        return f"print([n for n in [{', '.join(facts['numbers'])}] if n {sign} {facts['pivot']}])\n"


class NumberFormat(Task):
    split, parse = "test", staticmethod(number)

    def make(self, rng: Random, level: int) -> tuple:
        count = rng.randint(*at(rng, level, (2, 3), (3, 5), (6, 10)))
        spread = at(rng, level, 100_000, 10_000, 1_000)  # in thousandths
        base = rng.randint(10 ** 6, 10 ** rng.randint(7, 12))
        values = [Fraction(base + n, 1000) for n in rng.sample(range(spread + 1), count)]
        candidates = [self._spell(value, rng.choice((".3f", ",.3f", "e"))) for value in values]
        size = rng.choice(("largest", "smallest"))
        return (f"Which number is the {size}: {' or '.join(candidates)}? Answer with that number.",
                dict(size=size, candidates=candidates))

    @staticmethod
    def _spell(value: Fraction, style: str) -> str:
        return format(Decimal(value.numerator) / value.denominator, style)

    @staticmethod
    def solve(size, candidates):
        pick = max if size == "largest" else min
        return pick(candidates, key=lambda text: float(text.replace(",", "")))

    def program(self, instance: Instance) -> str:
        pick = "max" if instance.facts["size"] == "largest" else "min"
        return f"print({pick}({instance.facts['candidates']}, key=lambda n: float(n.replace(\",\", \"\"))))\n"
