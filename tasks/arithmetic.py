"""Arithmetic: sums, products and expressions with exact answers."""
from random import Random

from tasks.base import Instance, Task, at, integer


class ChainSum(Task):
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        terms = rng.randint(*at(rng, level, (2, 3), (2, 6), (6, 12)))
        low, high = at(rng, level, (1, 2), (1, 4), (4, 8))
        numbers = [str(rng.randrange(10 ** (d - 1), 10 ** d)) for d in (rng.randint(low, high) for _ in range(terms))]
        expression = numbers[0] + "".join(f" {rng.choice('+-')} {n}" for n in numbers[1:])
        return f"What is {expression}? Answer with one integer.", dict(expression=expression)

    @staticmethod
    def solve(expression):
        terms = expression.replace("- ", "-").replace("+ ", "").split()
        return sum(int(term) for term in terms)

    def program(self, instance: Instance) -> str:
        return f"print({instance.facts['expression']})\n"
