"""The algebra tasks: roots by Sturm's theorem, expansions by values, antiderivatives by Simpson's rule."""
import math
import re
from dataclasses import replace
from fractions import Fraction

import pytest

from tasks import TASKS
from tasks.base import value

FUNCTIONS = {name: getattr(math, name) for name in ("exp", "log", "sqrt", "sin", "cos", "atan", "asin")}


def questions(key, levels=(1, 3, 5), count=70):
    return [TASKS[key].generate(seed, level) for level in levels for seed in range(count)]


def asked(instance):
    """The expression in the question."""
    return re.search(r"(?:roots|antiderivative) of (.*?)(?:\?|\.) Answer|Expand (.*?)\. Answer", instance.question)


def expression(instance):
    return next(group for group in asked(instance).groups() if group)


# ---- equations ------------------------------------------------------------------------------------------------------

def test_the_root_solves_the_linear_equation_and_no_neighbour_does():
    task = TASKS["rg/simple_equations"]
    for instance in questions(task.key):
        left, right, x = re.match(r"Solve (.*) = (.*) for (\w)\.", instance.question).groups()
        solved = [n for n in range(int(instance.expect) - 3, int(instance.expect) + 4)
                  if value(left, {x: Fraction(n)}) == value(right, {x: Fraction(n)})]
        assert solved == [int(instance.expect)]
        assert task.verify(instance, f"{x} = {instance.expect}.0")
        assert not task.verify(instance, str(int(instance.expect) + 1))
    assert all(x in right for x, right in (re.match(r"Solve .* = (.*) for (\w)\.", instance.question).groups()[::-1]
                                           for instance in questions(task.key, levels=[5])))


def sturm(p):
    """The number of different real roots: sign changes of Sturm's chain at both ends of the line."""
    def rest(a, b):
        a = list(a)
        while len(a) >= len(b):
            factor = a[0] / b[0]
            a = [x - factor * y for x, y in zip(a, b + [Fraction(0)] * len(a))][1:]
        while a and a[0] == 0:
            a = a[1:]
        return a

    p = [Fraction(c) for c in p]
    chain = [p, [c * (len(p) - 1 - i) for i, c in enumerate(p[:-1])]]
    while len(chain[-1]) > 1 and (remainder := rest(chain[-2], chain[-1])):
        chain.append([-c for c in remainder])

    def changes(sign):
        signs = [q[0] * sign ** (len(q) - 1) > 0 for q in chain]
        return sum(a != b for a, b in zip(signs, signs[1:]))

    return changes(-1) - changes(1)


def test_sturm_counts_the_roots_of_known_polynomials():
    assert [sturm(p) for p in ([1, 0, -1], [1, 0, 1], [1, -6, 11, -6], [2, 3], [1, 0, 0, 0, -1, 1])] == [2, 0, 3, 1, 1]


def test_all_real_roots_are_found():
    task, counts = TASKS["rg/polynomial_equations"], set()
    for instance in questions(task.key):
        text = expression(instance)
        roots = [] if instance.expect == "none" else [Fraction(root) for root in instance.expect.split(", ")]
        assert len(set(roots)) == len(roots) == sturm(instance.facts["p"]), instance
        near = Fraction(1, 20_000)
        for root in roots:
            assert value(text, {"x": root - near}) * value(text, {"x": root + near}) < 0
        counts.add(len(roots))
    assert counts >= {0, 1, 2, 3}


def test_roots_are_accepted_in_any_order_and_refused_if_one_is_wrong():
    task = TASKS["rg/polynomial_equations"]
    for instance in questions(task.key, count=30):
        if instance.expect == "none":
            assert task.verify(instance, "None.") and not task.verify(instance, "0")
            assert not task.verify(instance, "") and not task.verify(instance, "[]")
            continue
        roots = instance.expect.split(", ")
        assert task.verify(instance, f"[{', '.join(roots[::-1])}]")
        wrong = f"{float(roots[0]) + 2e-4:.4f}"
        for answer in (", ".join([wrong, *roots[1:]]), ", ".join([*roots, roots[0]]), ", ".join(roots[1:]), "none",
                       ", ".join([*roots, "x"]), str(instance.facts["p"][0])):
            assert not task.verify(instance, answer), answer


@pytest.mark.parametrize("text", [
    "-0.3347, 1.5", "x = -0.3347, x = 1.5", "x = -0.3347, 1.5000", "x=-0.3347 or x=1.5", "x = 1.5 and x = -0.3347",
    "x1 = -0.3347\nx2 = 1.5", "x_1 ≈ −0.3347, x_2 ≈ 1.5", "x_{1} = -0.3347; x_{2} = 1.5", "{-0.3347, 1.5}",
    "['-0.3347', '1.5']", "x₁ = -0.33470001 x₂ = 1.5", "x \\approx -0.3347, 1.5"])
def test_roots_may_have_names_and_any_separator(text):
    assert TASKS["rg/polynomial_equations"].parse(text) == [-3347, 15000]


@pytest.mark.parametrize("text", ["", "x =", "[]", "and", "x", "-0.3347, y = 1.5", "none, 1.5", "-0.3347 1.5 roots"])
def test_what_lists_no_roots_is_refused(text):
    with pytest.raises(ValueError):
        TASKS["rg/polynomial_equations"].parse(text)


# ---- polynomials ----------------------------------------------------------------------------------------------------

def test_an_expansion_has_the_values_of_the_product():
    for instance in questions("rg/polynomial_multiplication"):
        assert "(" not in instance.expect and instance.question.count("(") in (2, 3)
        for x, y in ((2, 3), (-5, 7), (11, -13)):
            names = {"x": Fraction(x), "y": Fraction(y)}
            assert value(expression(instance), names) == value(instance.expect, names)


def test_an_expansion_may_be_written_in_any_way_but_with_brackets():
    task = TASKS["rg/polynomial_multiplication"]
    for instance in questions(task.key, count=20):
        terms = instance.expect.replace("- ", "+ -").split(" + ")
        for right in (" + ".join(terms[::-1]), instance.expect.replace("**", "^").replace(" ", ""),
                      f"= {instance.expect}.", instance.expect + " + 3*x - 3*x"):
            assert task.verify(instance, right), right
        for wrong in (expression(instance), f"({instance.expect})", " + ".join(terms[1:]), instance.expect + " + 1",
                      "-" + instance.expect, instance.expect.replace("x", "z"), instance.expect + " + x**2 - x"):
            assert not task.verify(instance, wrong), wrong


def slope(text, x):
    """The derivative of a polynomial's text, by a tiny exact step."""
    step = Fraction(1, 10 ** 12)
    high, low = (value(text, {"x": x + d, "c": Fraction(0)}) for d in (step, -step))
    return float((high - low) / (2 * step))


def test_the_derivative_of_a_polynomial_answer_is_the_integrand():
    for instance in questions("rg/simple_integration"):
        for x in (Fraction(1, 3), Fraction(-2), Fraction(3, 2)):
            assert slope(instance.expect, x) == pytest.approx(float(value(expression(instance), {"x": x})), rel=1e-9)


def test_a_constant_is_free_and_a_coefficient_is_not():
    task = TASKS["rg/simple_integration"]
    for instance in questions(task.key, count=20):
        for right in (f"{instance.expect} + C", f"{instance.expect} - 7/2", f"F(x) = C + {instance.expect}",
                      f"x*({instance.expect})/x", instance.expect.replace("**", "^").replace("*", "")):
            assert task.verify(instance, right), right
        for wrong in (expression(instance), "C", f"{instance.expect} + x", f"{instance.expect} + C*x",
                      f"1.0001*({instance.expect})", f"-({instance.expect})", f"{instance.expect} + sin(x)"):
            assert not task.verify(instance, wrong), wrong


# ---- other antiderivatives ------------------------------------------------------------------------------------------

KINDS = (r"\)\*\*\d$", r"\d\*exp\([^)]*\)$", r"\)\*exp\(", r"sqrt", r"sin\(.*\)\*cos|\)\*\*\d\*cos", r"x(\*\*\d)?\*exp",
         r"x(\*\*\d)?\*sin\(", r"x(\*\*\d)?\*cos\(", r"log", r"atan", r"asin", r"exp.*sin")


def integral(text, low, high, pieces=2000):
    """Simpson's rule."""
    def f(x):
        return value(text, {**FUNCTIONS, "x": x}, float)

    step = (high - low) / pieces
    return step / 3 * (f(low) + f(high) + sum((4 if i % 2 else 2) * f(low + i * step) for i in range(1, pieces)))


def test_answers_are_the_areas_under_all_kinds_of_integrands():
    found = {}
    for instance in questions("rg/intermediate_integration", levels=[1, 3, 5], count=150):
        for kind in KINDS:
            if re.search(kind, expression(instance)):
                found.setdefault(kind, []).append(instance)
    assert set(found) == set(KINDS)
    for instances in found.values():
        for instance in instances[:3]:
            low, high = 0.05, 0.2
            ends = [value(instance.expect, {**FUNCTIONS, "x": x}, float) for x in (low, high)]
            assert ends[1] - ends[0] == pytest.approx(integral(expression(instance), low, high, 200), rel=1e-7)


def test_every_kind_of_answer_is_accepted_and_its_spoilt_copies_are_refused():
    task = TASKS["rg/intermediate_integration"]
    for instance in questions(task.key, count=25):
        answer = instance.expect
        assert task.verify(instance, answer) and task.verify(instance, f"F(x) = {answer.replace('**', '^')} + C")
        for wrong in (expression(instance), f"-({answer})", f"1.0001*({answer})", f"{answer} + x/100", "0", "C",
                      answer.replace("x", "y"), f"{answer} + C*x", f"{answer} + log(-1)", f"({answer}"):
            assert not task.verify(instance, wrong), wrong


@pytest.mark.parametrize("integrand, right", [
    ("2*sin(2*x + 3)*cos(2*x + 3)", ("sin(2*x + 3)**2/2", "-cos(2x+3)^2/2 + C", "-cos(4*x + 6)/4")),
    ("3*sqrt(2*x + 5)", ("(2*x + 5)**(3/2)", "(2*x+5)**1.5 + 100", "(2*x + 5)*sqrt(2*x + 5)", "sqrt(2x+5)^3")),
    ("4*(3*x + 1)**2", ("4*(3*x + 1)**3/9", "12*x**3 + 12*x**2 + 4*x", "12x^3 + 12x^2 + 4x + C")),
    ("5*log(3*x)", ("5*x*log(3*x) - 5*x", "5*x*(ln(x) + ln(3) - 1)", "5*x*log(abs(3*x)) - 5*x", "5x*ln(3x) - 5x")),
    ("6*exp(3*x)", ("2*exp(3*x)", "2*e**(3*x)", "2e^(3x) + C")),
    ("2*atan(3*x)", ("2*x*atan(3*x) - log(1 + 9*x**2)/3", "2x*arctan(3x) - ln(9x^2 + 1)/3")),
    ("10*exp(2*x)*sin(x)", ("2*exp(2*x)*(2*sin(x) - cos(x))", "4*exp(2x)sin(x) - 2*exp(2x)cos(x)"))])
def test_equal_antiderivatives_are_all_accepted(integrand, right):
    task = TASKS["rg/intermediate_integration"]
    instance = replace(task.generate(0), facts=dict(integrand=integrand), expect=right[0])
    assert [answer for answer in right if not task.verify(instance, answer)] == []


@pytest.mark.parametrize("key, facts, expect, latex", [
    ("rg/polynomial_multiplication", dict(letters="xy"), "3*x**12 - 5*x*y + 7",
     ("3x^{12} - 5x \\cdot y + 7", "3 \\times x^{12} − 5·x·y + 7")),
    ("rg/simple_integration", {}, "2*x**3/3 - x",
     ("\\frac{2}{3}x^3 - x", "\\frac{2x^{3}}{3} - x + C", "\\dfrac{2}{3} x^3 - x", "2x³/3 − x")),
    ("rg/intermediate_integration", dict(integrand="6*exp(3*x)"), "2*exp(3*x)",
     ("2e^{3x} + C", "2\\exp(3x)", "2\\exp\\left(3x\\right)")),
    ("rg/intermediate_integration", dict(integrand="3*sqrt(2*x + 5)"), "(2*x + 5)*sqrt(2*x + 5)",
     ("(2x+5)^{\\frac{3}{2}}", "(2x+5)\\sqrt{2x+5}", "(2x+5)√(2x+5)")),
    ("rg/intermediate_integration", dict(integrand="2*sin(2*x + 3)*cos(2*x + 3)"), "sin(2*x + 3)**2/2",
     ("\\frac{1}{2}\\sin^2(2x+3)", "\\frac{\\sin^{2}(2x+3)}{2}", "-\\frac{1}{4}\\cos(4x+6) + C"))])
def test_formulas_in_latex_are_read_and_spoilt_ones_refused(key, facts, expect, latex):
    instance = replace(TASKS[key].generate(0), facts=facts, expect=expect)
    for text in latex:
        assert TASKS[key].verify(instance, text), text
        for wrong in (f"{text} + x", f"{text} - \\frac{{x}}{{9}}", f"2 \\cdot ({text})", text + "}"):
            assert not TASKS[key].verify(instance, wrong), wrong


@pytest.mark.slow
def test_sympy_expands_solves_and_integrates_to_accepted_answers():
    sympy = pytest.importorskip("sympy")
    x = sympy.Symbol("x")
    for instance in questions("rg/polynomial_multiplication", count=20):
        assert TASKS[instance.task].verify(instance, str(sympy.expand(sympy.sympify(expression(instance)))))
    for instance in questions("rg/polynomial_equations", count=20):
        roots = sympy.Poly(sympy.sympify(expression(instance)), x).nroots(n=30)
        real = [str(sympy.re(root).round(4)) for root in roots if abs(sympy.im(root)) < 1e-15]
        assert TASKS[instance.task].verify(instance, ", ".join(real) or "none")
    for key, count in (("rg/simple_integration", 20), ("rg/intermediate_integration", 40)):
        for instance in questions(key, count=count):
            answer = sympy.integrate(sympy.sympify(expression(instance)), x)
            if "Piecewise" not in str(answer):
                assert TASKS[key].verify(instance, str(answer)), (instance, answer)
