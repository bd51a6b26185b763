"""Logic: truth values, formulas, deductions."""
from random import Random

from tasks.base import Instance, Task, at, yes_no


class BooleanExpressions(Task):
    suite = "bbh"
    parse = staticmethod(yes_no)

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice((True, False))  # drawn first, so that both answers are equally frequent
        size = rng.randint(*at(rng, level, (2, 3), (4, 6), (8, 14)))
        while True:
            expression = self._draw(rng, size)
            if self.solve(expression) is label:
                return f"What is {expression}? Answer True or False.", dict(expression=expression)

    def _draw(self, rng: Random, size: int) -> str:
        """A random expression with `size` constants."""
        if size == 1:
            return "not " * (rng.random() < 0.4) + rng.choice(("True", "False"))
        left = rng.randrange(1, size)
        text = f"{self._draw(rng, left)} {rng.choice(('and', 'or'))} {self._draw(rng, size - left)}"
        return "not " * (rng.random() < 0.3) + f"({text})" if rng.random() < 0.5 else text

    @staticmethod
    def solve(expression):
        # Grammar: or := and ("or" and)*;  and := not ("and" not)*;  not := "not" not | "(" or ")" | constant
        tokens = expression.replace("(", " ( ").replace(")", " ) ").split()

        def disjunction():
            result = conjunction()
            while tokens and tokens[0] == "or":
                tokens.pop(0)
                result = conjunction() or result
            return result

        def conjunction():
            result = negation()
            while tokens and tokens[0] == "and":
                tokens.pop(0)
                result = negation() and result
            return result

        def negation():
            token = tokens.pop(0)
            if token == "not":
                return not negation()
            if token == "(":
                result = disjunction()
                tokens.pop(0)
                return result
            return token == "True"

        return disjunction()

    def program(self, instance: Instance) -> str:
        return f"print({instance.facts['expression']})\n"
