"""The algebra questions, read from their text alone and solved in a second way.

Terms are read with one regular expression, c*x**i*y**j/d, into {(i, j): coefficient}. Nothing here
knows the facts, the solvers or the programs of the tasks.
"""
import math
import re
from fractions import Fraction

import numpy
import pytest

from tasks import TASKS


@pytest.fixture
def count(request):
    return 300 if request.config.getoption("--slow") else 30


def questions(key, count):
    """`count` questions of a task, a fifth of them on each level."""
    return [TASKS[key].generate(seed, 1 + seed % 5) for seed in range(count)]


def terms(text, letters="xy"):
    """A sum as {powers: coefficient}: "3*x**2/2 - y" -> {(2, 0): 3/2, (0, 1): -1}."""
    one = rf"[+-]?(?:\d+|[{letters}](?:\*\*\d+)?)(?:\*[{letters}](?:\*\*\d+)?)*(?:/\d+)?"
    found, rest = {}, text.replace(" ", "")
    assert re.fullmatch(rf"(?:{one})+", rest), f"no sum of terms: {text}"
    for term in re.findall(one, rest):
        coefficient = Fraction(-1 if term[0] == "-" else 1)
        product, _, divisor = term.lstrip("+-").partition("/")
        powers = [0] * len(letters)
        for factor in product.replace("**", "^").split("*"):
            letter, _, exponent = factor.partition("^")
            if letter in letters:
                powers[letters.index(letter)] += int(exponent or 1)
            else:
                coefficient *= int(letter)
        key = tuple(powers)
        found[key] = found.get(key, 0) + coefficient / int(divisor or 1)
    return {key: coefficient for key, coefficient in found.items() if coefficient}


def test_terms_are_read_as_written():
    assert terms("3*x**2/2 - y + 7") == {(2, 0): Fraction(3, 2), (0, 1): -1, (0, 0): 7}
    assert terms("-x*y**3 + x - x") == {(1, 3): -1}


# ---- one right answer -------------------------------------------------------------------------

def linear_root(question):
    """Both sides as slope and constant; the letter goes to the left, the numbers to the right."""
    left, right, letter = re.match(r"Solve (.*) = (.*) for (\w)\. ", question).groups()
    a, b = terms(left, letter), terms(right, letter)
    slope = a.get((1,), 0) - b.get((1,), 0)
    constant = b.get((0,), 0) - a.get((0,), 0)
    return str(constant / slope)


def polynomial_roots(question):
    """The real ones among numpy's complex roots: eigenvalues of a matrix, no bisection."""
    sought = terms(re.search(r"roots of (.*)\? Answer", question)[1], "x")
    degree = max(n for n, in sought)
    roots = numpy.roots([float(sought.get((n,), 0)) for n in range(degree, -1, -1)])
    real = sorted(root.real for root in roots if abs(root.imag) < 1e-9)
    return ", ".join(f"{round(root, 4) + 0:.4f}" for root in real) or "none"


def expansion(question):
    """The factors multiplied one after the other, as {powers: coefficient}."""
    total = {(0, 0): Fraction(1)}
    for factor in re.findall(r"\((.*?)\)", question):
        previous, total = total, {}
        for (i, j), a in previous.items():
            for (k, m), b in terms(factor).items():
                total[i + k, j + m] = total.get((i + k, j + m), 0) + a * b
    return {powers: c for powers, c in total.items() if c}


@pytest.mark.parametrize("key, solved", [
    ("rg/simple_equations", linear_root), ("rg/polynomial_equations", polynomial_roots)])
def test_equations_have_the_root_that_their_text_has(key, solved, count):
    for instance in questions(key, count):
        answer = solved(instance.question)
        assert instance.expect == answer, instance.question
        assert TASKS[key].verify(instance, answer)


def test_expansions_are_the_products_of_the_factors_in_the_question(count):
    task = TASKS["rg/polynomial_multiplication"]
    for instance in questions(task.key, count):
        answer = expansion(instance.question)
        assert terms(instance.expect) == answer, instance.question
        # another order of the terms, and powers of 0 written out, are right too
        written = " + ".join(f"{c}*x**{i}*y**{j}" for (i, j), c in answer.items())
        written = written.replace("*y**0", "")  # y may be no letter of the question
        assert task.verify(instance, written)
        assert not task.verify(instance, written + " + x**2")


# ---- many right answers -----------------------------------------------------------------------

def asked(instance):
    return re.search(r"Find an antiderivative of (.*)\. Answer", instance.question)[1]


def test_the_slope_of_each_term_gives_the_integrand_back(count):
    task = TASKS["rg/simple_integration"]
    for instance in questions(task.key, count):
        slopes = {(n - 1,): n * c for (n,), c in terms(instance.expect, "x").items() if n}
        assert slopes == terms(asked(instance), "x"), instance.question
        # every constant is right, another slope is wrong
        assert task.verify(instance, f"{instance.expect} + 5/3")
        assert not task.verify(instance, f"{instance.expect} + x/9")


def heights(text, places):
    """The values of a formula in x, evaluated by Python."""
    names = {name: getattr(math, name) for name in
             ("exp", "log", "sqrt", "sin", "cos", "atan", "asin")}
    code = compile(text, "formula", "eval")
    return [eval(code, {**names, "x": x}) for x in places]


def area(text, low, high, pieces=100):
    """Simpson's rule."""
    step = (high - low) / pieces
    y = heights(text, [low + i * step for i in range(pieces + 1)])
    return step / 3 * (y[0] + 4 * sum(y[1:-1:2]) + 2 * sum(y[2:-1:2]) + y[-1])


def test_areas_under_the_integrand_are_differences_of_the_answer(count):
    task = TASKS["rg/intermediate_integration"]
    for instance in questions(task.key, count):
        # the area under a slope is how far the curve rises
        low, high = 0.05, 0.2
        start, end = heights(instance.expect, (low, high))
        rise = pytest.approx(area(asked(instance), low, high), rel=1e-6)
        assert end - start == rise, instance.question
        assert task.verify(instance, f"{instance.expect} - 7")
        assert not task.verify(instance, f"{instance.expect} - x/7")
