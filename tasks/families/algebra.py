"""Algebra with letters: equations, products of polynomials, antiderivatives.

An answer is a formula, and many formulas are right. Each checker compares values: exact ones at
random points for polynomials, numerical derivatives for the rest.
"""
import itertools
import math
import re
from fractions import Fraction
from numbers import Rational
from random import Random
from typing import Any

from tasks.base import (FRACTION, Instance, Task, at, between, integer, lowered, norm, number,
                        right_side, tie, value)
from tasks.families.arithmetic import signed


# ---- formulas as text -------------------------------------------------------------------------

def times(coefficient: Rational, *factors: str) -> str:
    """A product as text: times(Fraction(3, 2), "x**2") -> "3*x**2/2"."""
    sign = "-" if coefficient < 0 else ""
    size = abs(coefficient.numerator)
    # a 1 in front of a letter is not written
    shown = list(factors) if factors and size == 1 else [str(size), *factors]
    divided = f"/{coefficient.denominator}" if coefficient.denominator > 1 else ""
    return sign + "*".join(shown) + divided


def power(letter: str, n: int) -> list[str]:
    """The power of a letter as factors for `times`: x**0 is no factor at all."""
    if n == 0:
        return []
    return [letter] if n == 1 else [f"{letter}**{n}"]


def plus(terms: list[tuple]) -> str:
    """A sum as text, of (coefficient, *factors): [(3, "x"), (-2,)] -> "3*x - 2"."""
    return " + ".join(times(*term) for term in terms).replace("+ -", "- ")


def polynomial(terms: list[tuple[Rational, int]], letter: str = "x") -> str:
    """A sum as text, of (coefficient, power): [(3, 2), (-5, 0)] -> "3*x**2 - 5"."""
    return plus([(coefficient, *power(letter, n)) for coefficient, n in terms])


SIGNS = {"^": "**", "·": "*", "×": "*", "√": "sqrt", "\\cdot": "*", "\\times": "*",
         "\\left": "", "\\right": "", "\\,": " ", "\\": "", "{": "(", "}": ")"}


def asked(left: str, right: str) -> bool:
    """Whether what stands before "=" may be the question: an integral, or a product of brackets."""
    return re.search(r"[(∫]|\\int", left) is not None


def formula(text: str) -> str:
    """What a person may write, in Python's notation: "F(x) = 3x^2 + C" -> "3*x**2 + c".

    LaTeX too: "\\frac{2}{3}x^{10}" -> "(2)/(3)*x**10".
    """
    text = lowered(right_side(norm(text), same=asked))
    # a plain exponent loses its braces first, so that no bracket comes of it
    text = re.sub(r"\^\s*{(\d+)}", r"^\1", text)
    for _ in range(2):  # a root inside of a fraction, or the other way round
        text = re.sub(FRACTION, r"((\1)/(\2))", text)
        text = re.sub(r"\\sqrt\s*{([^{}]*)}", r"sqrt(\1)", text)
    # sin^2(x) is sin(x)^2
    text = re.sub(r"(sin|cos|tan)\s*\^\s*(\d+)\s*(\([^()]*\))", r"\1\3^\2", text)
    for written, python in SIGNS.items():
        text = text.replace(written, python)
    text = re.sub(r"\|([^|]*)\|", r"(abs(\1))", text)  # ln|x| is ln(abs(x))
    # 2x, 2(x + 1) and x**2(x + 1) are products
    return re.sub(r"(?<=[\d)])\s*(?=[a-z(])", "*", text)


# ---- equations --------------------------------------------------------------------------------

class SimpleEquations(Task):
    """A line meets a line: sums of c*x and c, and at level 5 the letter stands on both sides."""
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        top = at(rng, level, 20, 100, 1_000)
        x = rng.choice("abhknpqrtuvwxyz")
        count = between(rng, level, (2, 2), (2, 4), (4, 6))
        both_sides = at(rng, level, False, False, True)

        # the left side: (coefficient, power of the letter), one term with the letter at least
        slope = 0  # of the left side minus the right one: 0 would leave no single root
        while slope == 0:
            powers = [1] + [rng.randint(0, 1) for _ in range(count - 1)]
            terms = [(signed(rng, top), n) for n in powers]
            rng.shuffle(terms)
            right_slope = signed(rng, top) if both_sides else 0
            slope = sum(c * n for c, n in terms) - right_slope

        # the constant on the right side makes both sides equal at the root
        root = rng.randint(-top, top)
        left = polynomial(terms, x)
        constant = value(left, {x: root}) - right_slope * root
        right = plus([(right_slope, x), (constant,)]) if both_sides else str(constant)
        question = f"Solve {left} = {right} for {x}. Answer with one integer."
        return question, dict(left=left, right=right, letter=x), root

    def program(self, instance: Instance) -> str:
        left, right, letter = instance.facts.values()
        # a line through (0, f(0)) and (1, f(1)) meets the axis at f(0) / (f(0) - f(1))
        return (f"f = lambda {letter}: {left} - ({right})\n"
                "print(f(0) // (f(0) - f(1)))\n")


def height(p, x):
    """The value of a polynomial at x; coefficients stand from the highest power down."""
    total = 0
    for c in p:
        total = total * x + c
    return total


def slope(p):
    """The derivative of a polynomial."""
    degree = len(p) - 1
    return [c * (degree - i) for i, c in enumerate(p[:-1])]


def real_roots(p):
    """The simple real roots of a polynomial, ascending."""
    if len(p) == 1:  # a constant
        return []
    # between two roots of the slope the polynomial only rises or only falls
    bound = 1 + max(abs(c / p[0]) for c in p)  # no root is larger in size (Cauchy)
    turns = [-bound, *real_roots(slope(p)), bound]
    roots = []
    for low, high in zip(turns, turns[1:]):
        if height(p, low) * height(p, high) < 0:
            for _ in range(80):  # halve the interval that holds the root
                middle = (low + high) / 2
                if height(p, low) * height(p, middle) > 0:
                    low = middle
                else:
                    high = middle
            roots.append(low)
    return roots


class PolynomialEquations(Task):
    """The real roots of a polynomial of degree 1 to 5, to four decimals."""
    split, uses = "test", (height, slope, real_roots)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        degree = between(rng, level, (1, 2), (2, 3), (3, 5))
        top = at(rng, level, 20, 100, 100)
        while True:
            p = [signed(rng, top)] + [rng.randint(-top, top) for _ in range(degree)]
            if self._clear(p):
                break
        text = polynomial([(c, degree - i) for i, c in enumerate(p) if c])
        question = (f"What are the real roots of {text}? Answer with each root, "
                    "rounded to 4 decimals, separated by commas, or with none.")
        return question, dict(p=p)

    @staticmethod
    def _clear(p: list[int]) -> bool:
        """Whether the roots are beyond doubt: none is nearly double or hard to round."""
        roots = real_roots(p)
        apart = all(b - a > 0.01 for a, b in zip(roots, roots[1:]))
        roundable = not any(tie(Fraction(root) * 10 ** 4) for root in roots)
        # where the slope is 0 the curve must keep away from the axis, else two roots nearly touch
        clear = all(abs(height(p, x)) > 1e-3 for x in real_roots(slope(p)))
        return apart and roundable and clear

    @staticmethod
    def solve(p):
        return ", ".join(f"{round(root, 4) + 0:.4f}" for root in real_roots(p)) or "none"

    @staticmethod
    def parse(text: str) -> list[int]:
        """Ten-thousandths, ascending: "x1 = 1.5 or x2 = -2" -> [-20000, 15000]; "none" -> []."""
        text = norm(text).strip("()[]{}")
        if text == "none":
            return []
        # a root may have a name in front of it, and what stands between two roots is free
        parts = re.split(r"\bx[\w{}]{0,5}\s*(?:[=≈]|\\approx)|\b(?:and|or)\b|[\s,;]", text)
        roots = [round(number(part) * 10 ** 4) for part in parts if part]
        if not roots:
            raise ValueError("no root")
        return sorted(roots)


# ---- polynomials ------------------------------------------------------------------------------

def points(text: str, letters: str) -> dict[str, Fraction]:
    """Values for the letters, drawn from the answer's own text: none can be made to fit them."""
    rng = Random(text)
    return {letter: Fraction(rng.randrange(10 ** 6, 10 ** 9)) for letter in letters}


class PolynomialMultiplication(Task):
    """A factor is a list of terms, and a term is [coefficient, power of x, power of y]:

    3*x**2 - 5 is [[3, 2], [-5, 0]] where x is the only letter.
    """

    def make(self, rng: Random, level: int) -> tuple:
        letters = at(rng, level, "x", "x", "xy")
        degree, top = at(rng, level, (2, 10), (3, 100), (4, 100))
        every = [powers for powers in itertools.product(range(degree + 1), repeat=len(letters))
                 if sum(powers) <= degree]
        factors = []
        for _ in range(between(rng, level, (2, 2), (2, 3), (3, 3))):
            size = min(between(rng, level, (2, 2), (2, 4), (3, 5)), len(every))
            chosen = sorted(rng.sample(every, size), reverse=True)
            factors.append([[signed(rng, top), *powers] for powers in chosen])

        # one factor alone, expanded, is its own text
        text = " * ".join(f"({self.solve([factor], letters)})" for factor in factors)
        question = f"Expand {text}. Answer without brackets, like 3*x**2 - 5*x + 7."
        return question, dict(factors=factors, letters=letters)

    @staticmethod
    def products(factors: list, letters: str) -> list[tuple[list[str], list[tuple]]]:
        """Each product of letters, highest power first, with the coefficients before it.

        They are to be multiplied and added up: (2*x + 3) * (5*x + 7) has
        [(["x**2"], [(2, 5)]), (["x"], [(2, 7), (3, 5)]), ([], [(3, 7)])].
        """
        found = {}  # the powers of the letters -> the coefficients
        for terms in itertools.product(*factors):  # one term from each factor
            coefficients, *powers = zip(*terms)
            found.setdefault(tuple(map(sum, powers)), []).append(coefficients)
        named = []
        for powers in sorted(found, reverse=True):
            parts = sum(map(power, letters, powers), [])
            named.append((parts, found[powers]))
        return named

    def solve(self, factors: list, letters: str) -> str:
        terms = []
        for parts, found in self.products(factors, letters):
            coefficient = sum(map(math.prod, found))
            if coefficient:
                terms.append((coefficient, *parts))
        return plus(terms)

    def program(self, instance: Instance) -> str:
        # like terms stand in one pair of braces: f"{2*5}*x**2 + {2*7 + 3*5}*x + {3*7}"
        terms = []
        for parts, found in self.products(**instance.facts):
            coefficient = " + ".join("*".join(map(str, numbers)) for numbers in found)
            terms.append("*".join([f"{{{coefficient}}}", *parts]))
        return f"print(f\"{' + '.join(terms)}\")\n"

    def check(self, answer: str, instance: Instance) -> bool:
        text = formula(answer)
        at_random = points(text, instance.facts["letters"])
        return "(" not in text and value(text, at_random) == value(instance.expect, at_random)


class SimpleIntegration(Task):
    """An antiderivative of a polynomial with fractions as coefficients; the constant is free."""

    def make(self, rng: Random, level: int) -> tuple:
        low, high, degree, top, bottom = at(rng, level, (1, 2, 3, 20, 1), (2, 5, 10, 20, 10),
                                            (5, 8, 15, 50, 20))
        # the antiderivative is drawn: c * x**n is one of the integrand c * n * x**(n - 1)
        degrees = sorted(rng.sample(range(degree + 1), rng.randint(low, high)), reverse=True)
        drawn = [(Fraction(signed(rng, top), rng.randint(1, bottom)), n + 1) for n in degrees]
        slopes = [(c * n, n - 1) for c, n in drawn]
        integrand = [[n, *c.as_integer_ratio()] for c, n in slopes]
        question = f"Find an antiderivative of {polynomial(slopes)}. Answer like 2*x**3/3 - x."
        return question, dict(integrand=integrand), polynomial(drawn)

    def check(self, answer: str, instance: Instance) -> bool:
        ours, theirs = instance.expect, formula(answer)
        low = points(theirs, "xc")
        # the constant c is the same in both, and so the difference of two values forgets it
        high = low | points(theirs + "'", "x")
        return value(ours, high) - value(ours, low) == value(theirs, high) - value(theirs, low)

    def program(self, instance: Instance) -> str:
        integrand = instance.facts["integrand"]
        terms = [f"{{F({p}, {q}) / {n + 1}}}*x**{n + 1}" for n, p, q in integrand]
        return f"from fractions import Fraction as F\nprint(f\"{' + '.join(terms)}\")\n"


# ---- antiderivatives of other functions -------------------------------------------------------

FUNCTIONS = {"exp": math.exp, "log": math.log, "ln": math.log, "sqrt": math.sqrt, "abs": abs,
             "sin": math.sin, "cos": math.cos, "tan": math.tan, "atan": math.atan,
             "arctan": math.atan, "asin": math.asin, "arcsin": math.asin}
STEP = 2.0 ** -11  # of the numerical derivative


def numerically(text: str, x: float, c: float = 0.0) -> Any:
    """The value of a formula in x and a constant c, in floating point."""
    return value(text, dict(FUNCTIONS, x=x, c=c, e=math.e, pi=math.pi), float)


# Each function returns pairs of an integrand and its antiderivative, without the factor in front.
# The integrand is one term (coefficient, *factors), the antiderivative a list of them.

def by_substitution(rng: Random, a: int, b: int, n: int) -> list[tuple]:
    """Where an inner function can be named u; the two exponentials share one place."""
    sign, size = "-" if b < 0 else "+", abs(b)
    line = f"{a}*x {sign} {size}"
    rising = f"({a}*x + {size})"  # has a root at x = 0
    slope = f"({2 * a}*x {sign} {size})"  # of the curve in the second exponential
    exp_line, exp_curve = f"exp({line})", f"exp({a}*x**2 {sign} {size}*x)"
    sin, cos = f"sin({line})", f"cos({line})"
    return [
        ((1, f"({line})**{n + 1}"), [(Fraction(1, a * (n + 2)), f"({line})**{n + 2}")]),
        rng.choice((((a, exp_line), [(1, exp_line)]),
                    ((1, slope, exp_curve), [(1, exp_curve)]))),
        ((1, f"sqrt{rising}"), [(Fraction(2, 3 * a), rising, f"sqrt{rising}")]),
        ((1, *power(sin, n), cos), [(Fraction(1, a * (n + 1)), f"{sin}**{n + 1}")]),
    ]


def power_by_parts(n: int, a: int, cycle: list[tuple[int, str]]) -> tuple:
    """x**n * g: the power falls by 1 in each step.

    `cycle` holds g's repeated antiderivatives with their signs, and last g itself: for sin(a*x)
    [(-1, "cos(a*x)"), (-1, "sin(a*x)"), (1, "cos(a*x)"), (1, "sin(a*x)")].
    """
    terms = []
    coefficient = Fraction(1)
    for i in range(n + 1):
        sign, antiderivative = cycle[i % len(cycle)]
        coefficient /= a
        terms.append((coefficient * sign, *power("x", n - i), antiderivative))
        coefficient *= -(n - i)
    _, g = cycle[-1]
    return (1, *power("x", n), g), terms


def by_parts(a: int, n: int) -> list[tuple]:
    """A power of x times a function, a function as a product with 1, and a wave that grows."""
    sin, cos, exp = f"sin({a}*x)", f"cos({a}*x)", f"exp({a}*x)"
    log, atan, asin = f"log({a}*x)", f"atan({a}*x)", f"asin({a}*x)"
    square = f"{a * a}*x**2"
    return [
        power_by_parts(n, a, [(1, exp)]),
        power_by_parts(n, a, [(-1, cos), (-1, sin), (1, cos), (1, sin)]),
        power_by_parts(n, a, [(1, sin), (-1, cos), (-1, sin), (1, cos)]),
        ((1, log), [(1, "x", log), (-1, "x")]),
        ((1, atan), [(1, "x", atan), (Fraction(-1, 2 * a), f"log(1 + {square})")]),
        ((1, asin), [(1, "x", asin), (Fraction(1, a), f"sqrt(1 - {square})")]),
        # twice by parts gives the integral back: I = ... - I / a**2
        ((1, exp, "sin(x)"), [(Fraction(1, a * a + 1), exp, f"({a}*sin(x) - cos(x))")]),
    ]


class IntermediateIntegration(Task):
    """Twelve kinds of integrands; level 1 has a power or an exponential of a line."""
    program = None

    def make(self, rng: Random, level: int) -> tuple:
        n = rng.randint(1, at(rng, level, 3, 3, 5))
        a = rng.randint(2, 4)
        k = signed(rng, at(rng, level, 9, 20, 50))
        b = signed(rng, 9)
        pairs = by_substitution(rng, a, b, n) + by_parts(a, n)
        term, terms = rng.choice(pairs[:at(rng, level, 2, len(pairs), len(pairs))])
        integrand, answer = (plus([(k * coefficient, *factors) for coefficient, *factors in side])
                             for side in ([term], terms))
        question = (f"Find an antiderivative of {integrand}. "
                    "Answer with a formula like 2*x*sin(3*x)/5.")
        return question, dict(integrand=integrand), answer

    def check(self, answer: str, instance: Instance) -> bool:
        text = formula(answer)
        c = Random(text).uniform(1, 2)  # the constant: whatever it is, it must drop out

        def rise(x, step):
            return numerically(text, x + step, c) - numerically(text, x - step, c)

        # the answer's slope is the integrand
        integrand = instance.facts["integrand"]
        for x in self._places(integrand):
            # five-point formula: (8 (F(x+h) - F(x-h)) - (F(x+2h) - F(x-2h))) / 12 h
            slope = (8 * rise(x, STEP) - rise(x, 2 * STEP)) / (12 * STEP)
            y = numerically(integrand, x)
            if not abs(slope - y) <= 1e-6 * abs(y):  # this way round, nan is refused
                return False
        return True

    @staticmethod
    def _places(integrand: str) -> list[float]:
        """The six places where it is real, with room around, and its size is nearest to 1."""
        distance = {}
        for n in range(-30, 31):
            x = n / 16
            try:
                numerically(integrand, x - 3 * STEP)
                numerically(integrand, x + 3 * STEP)
                distance[x] = abs(math.log(abs(numerically(integrand, x))))
            except ValueError:  # the root or the logarithm of a number that has none
                continue
        return sorted(distance, key=distance.get)[:6]

    def rationale(self, instance: Instance) -> str:
        rules = ((r"log|atan|asin", "Integrate by parts, with 1 as the other factor"),
                 (r"exp.*sin", "Integrate by parts twice and solve for the integral"),
                 (r"x(\*\*\d)?\*(exp|sin|cos)", "Integrate by parts until the power of x is gone"),
                 (r"", "Substitute u for the inner function"))
        integrand = instance.facts["integrand"]
        rule = next(rule for pattern, rule in rules if re.search(pattern, integrand))
        return f"{rule}. Differentiating the result gives the integrand back: {instance.expect}"
