"""Arithmetic: sums, products and expressions with exact answers."""
from random import Random

from tasks.base import Instance, Task, at, integer, value


class Expression(Task, abstract=True):
    """A question that shows one expression, a program that prints it."""
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        expression = self.draw(rng, level)
        return f"What is {expression}? Answer with one integer.", dict(expression=expression), value(expression)

    def draw(self, rng: Random, level: int) -> str:
        """A random expression in Python's notation."""
        raise NotImplementedError

    def program(self, instance: Instance) -> str:
        return f"print({instance.facts['expression']})\n"


def digits(rng: Random, low: int, high: int) -> int:
    """A positive integer with `low` to `high` digits, each length equally likely."""
    length = rng.randint(low, high)
    return rng.randrange(10 ** (length - 1), 10 ** length)


class ChainSum(Expression):
    def draw(self, rng: Random, level: int) -> str:
        terms = rng.randint(*at(rng, level, (2, 3), (2, 6), (6, 12)))
        size = at(rng, level, (1, 2), (1, 4), (4, 8))
        return str(digits(rng, *size)) + "".join(f" {rng.choice('+-')} {digits(rng, *size)}" for _ in range(terms - 1))


class Products(Expression):
    split = "test"

    def draw(self, rng: Random, level: int) -> str:
        factors = rng.randint(*at(rng, level, (2, 2), (2, 2), (2, 3)))
        size = at(rng, level, (1, 3), (3, 5), (6, 12))
        return " * ".join(str(digits(rng, *size)) for _ in range(factors))


class MultistepArithmeticTwo(Expression):
    suite = "bbh"

    def draw(self, rng: Random, level: int) -> str:
        size, groups, depth = at(rng, level, (2, 2, 1), (4, 2, 1), (4, 3, 2))

        def group(depth: int) -> str:
            if depth == 0:
                parts = [str(rng.randint(-9, 9)) for _ in range(size)]
            else:
                parts = [group(depth - 1) for _ in range(groups)]
            return "(" + parts[0] + "".join(f" {rng.choice('+-*')} {part}" for part in parts[1:]) + ")"

        return group(depth)
