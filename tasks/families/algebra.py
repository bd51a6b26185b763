"""Algebra with letters: equations, products of polynomials, antiderivatives.

An answer is a formula, and many formulas are right. Each checker compares values: exact ones at random points for
polynomials, numerical derivatives for the rest.
"""
import itertools
import math
import re
from fractions import Fraction
from numbers import Rational
from random import Random
from typing import Any

from tasks.base import Instance, Task, at, integer, items, norm, number, tie, value


def times(c: Rational, *factors: str) -> str:
    """A product as text: times(Fraction(3, 2), "x**2") -> "3*x**2/2"."""
    head = [] if factors and abs(c.numerator) == 1 else [str(abs(c.numerator))]
    return "-" * (c < 0) + "*".join([*head, *factors]) + (f"/{c.denominator}" if c.denominator > 1 else "")


def power(letter: str, n: int) -> list[str]:
    """The power of a letter as factors for `times`."""
    return [] if n == 0 else [letter] if n == 1 else [f"{letter}**{n}"]


def plus(terms: list[str]) -> str:
    """A sum as text: ["3*x", "-2"] -> "3*x - 2"."""
    return " + ".join(terms).replace("+ -", "- ")


def formula(text: str) -> str:
    """What a person may write, in Python's notation: "F(x) = 3x^2 + C" -> "3*x**2 + c"."""
    text = norm(text).split("=")[-1].strip()
    for old, new in (("^", "**"), ("·", "*"), ("×", "*"), ("−", "-")):
        text = text.replace(old, new)
    return re.sub(r"(?<=[\d)])\s*(?=[a-z(])", "*", text)


def signed(rng: Random, top: int) -> int:
    """A whole number other than 0, up to `top` in size."""
    return rng.choice((-1, 1)) * rng.randint(1, top)


# ---- equations ------------------------------------------------------------------------------------------------------

class SimpleEquations(Task):
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        top, x = at(rng, level, 20, 100, 1_000), rng.choice("abhknpqrtuvwxyz")
        count, both_sides = rng.randint(*at(rng, level, (2, 2), (2, 4), (4, 6))), at(rng, level, False, False, True)
        slope = 0
        while not slope:
            terms = [(signed(rng, top), n) for n in [1] + [rng.randint(0, 1) for _ in range(count - 1)]]
            rng.shuffle(terms)
            far = signed(rng, top) if both_sides else 0
            slope = sum(c for c, n in terms if n == 1) - far
        root = rng.randint(-top, top)
        constant = slope * root + sum(c for c, n in terms if n == 0)
        left = plus([times(c, *power(x, n)) for c, n in terms])
        right = plus([times(far, x)] * both_sides + [str(constant)])
        return (f"Solve {left} = {right} for {x}. Answer with one integer.",
                dict(left=left, right=right, letter=x), root)

    def program(self, instance: Instance) -> str:  # a line meets 0 where its two first values say
        facts = instance.facts
        return (f"f = lambda {facts['letter']}: {facts['left']} - ({facts['right']})\n"
                "print(f(0) // (f(0) - f(1)))\n")


def real_roots(p: list[float]) -> list[float]:
    """The simple real roots, ascending, of a polynomial given by its coefficients from the highest power down."""
    if len(p) == 2:
        return [-p[1] / p[0]]

    def at(x):
        total = 0
        for c in p:
            total = total * x + c
        return total

    slope = [c * (len(p) - 1 - i) for i, c in enumerate(p[:-1])]
    bound = 1 + max(abs(c / p[0]) for c in p)
    points, roots = [-bound, *real_roots(slope), bound], []
    for low, high in zip(points, points[1:]):  # the polynomial is monotone between two of them
        rising = at(high) > at(low)
        if at(low) * at(high) < 0:
            for _ in range(80):
                middle = (low + high) / 2
                low, high = (low, middle) if (at(middle) > 0) == rising else (middle, high)
            roots.append(low)
    return roots


class PolynomialEquations(Task):
    split, uses = "test", (real_roots,)

    def make(self, rng: Random, level: int) -> tuple:
        degree = rng.randint(*at(rng, level, (1, 2), (2, 3), (3, 5)))
        top = at(rng, level, 20, 100, 100)
        while True:
            p = [signed(rng, top)] + [rng.randint(-top, top) for _ in range(degree)]
            if self._clear(p):
                text = plus([times(c, *power("x", degree - i)) for i, c in enumerate(p) if c])
                return (f"What are the real roots of {text}? "
                        "Answer with each root, rounded to 4 decimals, separated by commas, or with none.", dict(p=p))

    @staticmethod
    def _clear(p: list[int]) -> bool:
        """Whether nobody can be in doubt about the roots: none is nearly double or hard to round."""
        roots, degree = real_roots(p), len(p) - 1
        stationary = real_roots([c * (degree - i) for i, c in enumerate(p[:-1])]) if degree > 1 else []
        heights = [sum(c * x ** (degree - i) for i, c in enumerate(p)) for x in stationary]
        return (all(abs(y) > 1e-3 for y in heights) and all(b - a > 0.01 for a, b in zip(roots, roots[1:]))
                and not any(tie(Fraction(root) * 10 ** 4) for root in roots))

    @staticmethod
    def solve(p):
        return ", ".join(f"{round(root, 4) + 0:.4f}" for root in real_roots(p)) or "none"

    @staticmethod
    def parse(text: str) -> list[int]:
        if norm(text) == "none":
            return []
        return sorted(round(number(part) * 10 ** 4) for part in items(text) or [""])

    def program(self, instance: Instance) -> str:
        p = instance.facts["p"]
        if len(p) == 2:
            return f"print({-p[1]} / {p[0]})\n"
        if len(p) == 3:
            return (f"a, b, c = {p[0]}, {p[1]}, {p[2]}\nd = b * b - 4 * a * c\nif d < 0:\n    print(\"none\")\n"
                    "else:\n    print((-b - d ** 0.5) / (2 * a), (-b + d ** 0.5) / (2 * a), sep=\", \")\n")
        return self.script(instance)


# ---- polynomials ----------------------------------------------------------------------------------------------------

def points(text: str, letters: str) -> dict[str, Fraction]:
    """Values for the letters, drawn from the answer's own text: no answer can be made to fit them."""
    rng = Random(text)
    return {letter: Fraction(rng.randrange(10 ** 6, 10 ** 9)) for letter in letters}


class PolynomialMultiplication(Task):
    def make(self, rng: Random, level: int) -> tuple:
        letters = at(rng, level, "x", "x", "xy")
        degree, top = at(rng, level, (2, 10), (3, 100), (4, 100))
        every = [[0]] + [[n] for n in range(1, degree + 1)] if letters == "x" else \
            [[i, j] for i in range(degree + 1) for j in range(degree + 1 - i)]
        factors = []
        for _ in range(rng.randint(*at(rng, level, (2, 2), (2, 3), (3, 3)))):
            size = min(rng.randint(*at(rng, level, (2, 2), (2, 4), (3, 5))), len(every))
            factors.append([[signed(rng, top), *powers] for powers in sorted(rng.sample(every, size), reverse=True)])
        text = " * ".join(f"({self.solve([factor], letters)})" for factor in factors)
        return (f"Expand {text}. Answer without brackets, like 3*x**2 - 5*x + 7.",
                dict(factors=factors, letters=letters))

    @staticmethod
    def products(factors: list, letters: str) -> dict[str, list[list[int]]]:
        """All choices of one term from each factor: letters with their powers -> lists of coefficients."""
        found = {}
        for terms in itertools.product(*factors):
            powers = [sum(exponents) for exponents in list(zip(*terms))[1:]]
            found.setdefault(tuple(powers), []).append([term[0] for term in terms])
        return {"*".join(f for letter, n in zip(letters, powers) for f in power(letter, n)): found[powers]
                for powers in sorted(found, reverse=True)}

    def solve(self, factors: list, letters: str) -> str:
        sums = {part: sum(map(math.prod, found)) for part, found in self.products(factors, letters).items()}
        return plus([times(c, *[part] * bool(part)) for part, c in sums.items() if c])

    def program(self, instance: Instance) -> str:  # like terms stand in one pair of braces
        sums = [f"{{{' + '.join('*'.join(map(str, numbers)) for numbers in found)}}}" + f"*{part}" * bool(part)
                for part, found in self.products(**instance.facts).items()]
        return f"print(f\"{' + '.join(sums)}\")\n"

    def check(self, answer: str, instance: Instance) -> bool:
        text = formula(answer)
        at_random = points(text, instance.facts["letters"])
        return "(" not in text and value(text, at_random) == value(instance.expect, at_random)


class SimpleIntegration(Task):
    def make(self, rng: Random, level: int) -> tuple:
        low, high, degree, top, bottom = at(rng, level, (1, 2, 3, 20, 1), (2, 5, 10, 20, 10), (5, 8, 15, 50, 20))
        degrees = sorted(rng.sample(range(degree + 1), rng.randint(low, high)), reverse=True)
        terms = [(n, Fraction(signed(rng, top), rng.randint(1, bottom))) for n in degrees]
        answer = plus([times(c, *power("x", n + 1)) for n, c in terms])
        integrand = [[n, (c * (n + 1)).numerator, (c * (n + 1)).denominator] for n, c in terms]
        text = plus([times(Fraction(p, q), *power("x", n)) for n, p, q in integrand])
        return f"Find an antiderivative of {text}. Answer like 2*x**3/3 - x.", dict(integrand=integrand), answer

    def check(self, answer: str, instance: Instance) -> bool:  # the difference of two values forgets the constant
        text = formula(answer)
        low, high = points(text, "xc"), points(text + "'", "xc")
        high["c"] = low["c"]
        ours, theirs = ([value(f, high) - value(f, low)] for f in (instance.expect, text))
        return ours == theirs

    def program(self, instance: Instance) -> str:
        terms = [f"{{F({p}, {q}) / {n + 1}}}*x**{n + 1}" for n, p, q in instance.facts["integrand"]]
        return f"from fractions import Fraction as F\nprint(f\"{' + '.join(terms)}\")\n"


# ---- antiderivatives of other functions -----------------------------------------------------------------------------

FUNCTIONS = {"exp": math.exp, "log": math.log, "ln": math.log, "sqrt": math.sqrt, "abs": abs, "sin": math.sin,
             "cos": math.cos, "tan": math.tan, "atan": math.atan, "arctan": math.atan, "asin": math.asin,
             "arcsin": math.asin}
STEP = 2.0 ** -11  # of the numerical derivative


def numerically(text: str, x: float, c: float = 0.0) -> Any:
    return value(text, dict(x=x, c=c, e=math.e, pi=math.pi), FUNCTIONS, float)


def by_parts(k: int, n: int, a: int, cycle: list[tuple[int, str]]) -> str:
    """Antiderivative of k * x**n * g(ax), where `cycle` holds the signs and names of g's repeated antiderivatives."""
    terms, c = [], Fraction(k)
    for i in range(n + 1):
        c /= a
        sign, g = cycle[i % len(cycle)]
        terms.append(times(c * sign, *power("x", n - i), g))
        c *= -(n - i)
    return plus(terms)


class IntermediateIntegration(Task):
    natural, program = False, None

    def make(self, rng: Random, level: int) -> tuple:
        n, a, k = rng.randint(1, at(rng, level, 3, 3, 5)), rng.randint(2, 4), signed(rng, at(rng, level, 9, 20, 50))
        b, m = signed(rng, 9), Fraction(k, a * (n + 1))
        line, rising, ax = f"{a}*x {'+-'[b < 0]} {abs(b)}", f"{a}*x + {abs(b)}", f"{a}*x"
        sin, cos, exp = f"sin({ax})", f"cos({ax})", f"exp({ax})"
        curve, slope = f"{a}*x**2 {'+-'[b < 0]} {abs(b)}*x", f"({2 * a}*x {'+-'[b < 0]} {abs(b)})"
        table = [  # (integrand, antiderivative)
            (times(k, f"({line})**{n + 1}"), times(Fraction(k, a * (n + 2)), f"({line})**{n + 2}")),
            rng.choice(((times(k * a, f"exp({line})"), times(k, f"exp({line})")),
                        (times(k, slope, f"exp({curve})"), times(k, f"exp({curve})")))),
            (times(k, f"sqrt({rising})"), times(Fraction(2 * k, 3 * a), f"({rising})", f"sqrt({rising})")),
            (times(k, *power(f"sin({line})", n), f"cos({line})"), times(m, f"sin({line})**{n + 1}")),
            (times(k, *power("x", n), exp), by_parts(k, n, a, [(1, exp)])),
            (times(k, *power("x", n), sin), by_parts(k, n, a, [(-1, cos), (-1, sin), (1, cos), (1, sin)])),
            (times(k, *power("x", n), cos), by_parts(k, n, a, [(1, sin), (-1, cos), (-1, sin), (1, cos)])),
            (times(k, f"log({ax})"), plus([times(k, "x", f"log({ax})"), times(-k, "x")])),
            (times(k, f"atan({ax})"),
             plus([times(k, "x", f"atan({ax})"), times(Fraction(-k, 2 * a), f"log(1 + {a * a}*x**2)")])),
            (times(k, f"asin({ax})"),
             plus([times(k, "x", f"asin({ax})"), times(Fraction(k, a), f"sqrt(1 - {a * a}*x**2)")])),
            (times(k, exp, "sin(x)"), times(Fraction(k, a * a + 1), exp, f"({a}*sin(x) - cos(x))")),
        ]
        integrand, answer = rng.choice(table[:at(rng, level, 2, len(table), len(table))])
        return (f"Find an antiderivative of {integrand}. Answer with a formula like 2*x*sin(3*x)/5.",
                dict(integrand=integrand), answer)

    def check(self, answer: str, instance: Instance) -> bool:
        text, integrand = formula(answer), instance.facts["integrand"]
        c = Random(text).uniform(1, 2)  # whatever it is, it must drop out
        for _, x, y in sorted(self._values(integrand))[:6]:
            far, near = (numerically(text, x + n * STEP, c) - numerically(text, x - n * STEP, c) for n in (2, 1))
            if not abs((8 * near - far) / (12 * STEP) - y) <= 1e-6 * abs(y):  # this way round, nan is refused
                return False
        return True

    @staticmethod
    def _values(integrand: str) -> list[tuple[float, float, float]]:
        """Points where the integrand and its neighbourhood are real, with the distance of its size from 1."""
        found = []
        for x in [n / 16 for n in range(-30, 31)]:
            try:
                *_, y = [numerically(integrand, x + d) for d in (-3 * STEP, 3 * STEP, 0)]
                found.append((abs(math.log(abs(y))), x, y))
            except ValueError:  # the root or the logarithm of a number that has none
                continue
        return found

    def rationale(self, instance: Instance) -> str:
        rules = ((r"log|atan|asin", "Integrate by parts, with 1 as the other factor"),
                 (r"exp.*sin", "Integrate by parts twice and solve for the integral"),
                 (r"x(\*\*\d)?\*(exp|sin|cos)", "Integrate by parts until the power of x is gone"),
                 (r"", "Substitute u for the inner function"))
        rule = next(rule for pattern, rule in rules if re.search(pattern, instance.facts["integrand"]))
        return f"{rule}. Differentiating the result gives the integrand back: {instance.expect}"
