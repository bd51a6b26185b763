"""The arithmetic tasks: every answer is computed a second time, from the question's text."""
import ast
import itertools
import math
import re
from decimal import Decimal, getcontext
from fractions import Fraction

import pytest

from tasks import TASKS

getcontext().prec = 60
EXPRESSIONS = ["rg/chain_sum", "rg/products", "rg/basic_arithmetic", "rg/decimal_chain_sum", "rg/decimal_arithmetic",
               "symbench/number_multiply", "bbh/multistep_arithmetic_two"]


def questions(key, levels=(1, 3, 5), count=70):
    return [TASKS[key].generate(seed, level) for level in levels for seed in range(count)]


def between(text, left, right):
    return text[text.index(left) + len(left):text.index(right)]


def exactly(expression):
    """The value of one of our own expressions: Python's parser, exact numbers."""
    return eval(re.sub(r"[\d.]+", r'Fraction("\g<0>")', expression), {"Fraction": Fraction})


@pytest.mark.parametrize("key", EXPRESSIONS)
def test_expressions_have_the_value_that_python_gives_them(key):
    for instance in questions(key):
        exact = exactly(between(instance.question, "What is ", "?"))
        if key == "rg/decimal_arithmetic":
            assert abs(exact - Fraction(instance.expect)) <= Fraction(1, 2 * 10 ** 6), instance
        else:
            assert exact == Fraction(instance.expect), instance
        assert TASKS[key].verify(instance, instance.expect)


def test_every_division_of_whole_numbers_is_exact():
    def walk(node):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            assert walk(node.right) != 0 and walk(node.left) % walk(node.right) == 0, ast.unparse(node)
        if isinstance(node, ast.BinOp):
            walk(node.left), walk(node.right)
        return exactly(ast.unparse(node))

    instances = questions("rg/basic_arithmetic", count=40)
    for instance in instances:
        walk(ast.parse(instance.facts["expression"], mode="eval").body)
    assert sum("/" in instance.facts["expression"] for instance in instances) > 30


def test_a_level_one_sum_needs_no_brackets():
    assert not any("(" in instance.question for instance in questions("rg/basic_arithmetic", levels=[1]))


def test_no_answer_to_a_decimal_question_hangs_on_rounding():
    task = TASKS["rg/decimal_arithmetic"]
    for instance in questions(task.key):
        exact = exactly(instance.facts["expression"]) * 10 ** 6
        assert abs(exact - Fraction(instance.expect) * 10 ** 6) < Fraction(49, 100)
        for wrong in (1, -1):
            assert not task.verify(instance, f"{float(instance.expect) + wrong * 1e-6:.6f}")


def test_bitwise_expressions_have_the_value_that_python_gives_them():
    task = TASKS["rg/bitwise_arithmetic"]
    signs = set()
    for instance in questions(task.key):
        exact = eval(between(instance.question, "What is ", ","))
        assert instance.expect == hex(exact)
        assert task.verify(instance, hex(exact).upper()) and not task.verify(instance, hex(exact ^ 1))
        assert not task.verify(instance, str(exact)), "a decimal is not in hex"
        signs.add(exact < 0)
    assert signs == {True, False}


def test_powers_are_rounded_to_three_figures():
    task = TASKS["rg/power_function"]
    for instance in questions(task.key):
        base, exponent = re.search(r"\((-?[\d.]+)\)\^(-?\d+)", instance.question).groups()
        exact = Decimal(base) ** int(exponent)
        assert instance.expect == re.sub(r"e([+-])(\d)$", r"e\g<1>0\2", f"{exact:.2e}")
        assert task.verify(instance, f"{exact:f}") and task.verify(instance, f"{exact:.10e}")
        assert not task.verify(instance, f"{exact * Decimal('1.01'):.2e}") and not task.verify(instance, f"{-exact}")


@pytest.mark.parametrize("text", [
    "5.58e+02", "5.58E2", "558", "558.0", "+558", "5.58 × 10^2", "5.58 x 10^2", "5.58*10^2", "5.58*10**2", "5.58·10²",
    "5.58 × 10²", "5.58 \\times 10^{2}", "5.58 \\cdot 10^2", "5.58 * 10^(2)", "55.8 × 10^1", "5580 × 10^-1",
    "5580 × 10⁻¹", "5580*10^{-1}", "5580 × 10^−1", "x = 5.58 × 10^+2", "0.558e3", "5.5812 × 10^2"])
def test_a_power_of_ten_is_read_in_every_usual_form(text):
    assert TASKS["rg/power_function"].parse(text) == "5.58e+2"


@pytest.mark.parametrize("text", ["5.58 × 102", "5.58 × 10", "5.58 × 9^2", "5.58 × 10^2 × 10^2", "10^2", "5.58^2", "× 10^2",
                                  "5.58 × 10^2.0", "5.58 × 10^99999", "5.58 + 10^2"])
def test_what_is_no_power_of_ten_is_refused(text):
    with pytest.raises(ValueError):
        TASKS["rg/power_function"].parse(text)


@pytest.mark.parametrize("text", ["2/3", " 2 / 3 ", "(2)/(3)", "\\frac{2}{3}", "\\dfrac{2}{3}", "4/6 = 2/3", "2/3."])
def test_a_fraction_is_read_as_it_is_written(text):
    assert TASKS["rg/fraction_simplification"].parse(text) == [2, 3]


def test_a_reduced_fraction_has_the_same_value_and_no_common_factor():
    task = TASKS["rg/fraction_simplification"]
    for instance in questions(task.key):
        p, q = map(int, re.findall(r"\d+", instance.question)[:2])
        a, b = map(int, instance.expect.split("/"))
        assert a * q == b * p and math.gcd(a, b) == 1 and b > 1
        assert task.verify(instance, f"( {a} / {b} )")
        for wrong in (f"{p}/{q}", f"{2 * a}/{2 * b}", f"{b}/{a}", f"-{a}/{b}", f"{a / b}", f"{a}/{b}/1", f"{a}"):
            assert not task.verify(instance, wrong), wrong


def test_complex_results_undo_their_operation():
    task = TASKS["rg/complex_arithmetic"]

    def multiply(x, y):
        return x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]

    seen = set()
    for instance in questions(task.key):
        a, b, sign, c, d = re.fullmatch(r"What is \((-?\d+)([+-]\d+)i\) (.) \((-?\d+)([+-]\d+)i\)\? .*",
                                        instance.question).groups()
        left, right, result = (int(a), int(b)), (int(c), int(d)), task.parse(instance.expect)
        expected = {"+": (left[0] + right[0], left[1] + right[1]), "-": (left[0] - right[0], left[1] - right[1]),
                    "*": multiply(left, right), "/": result}[sign]
        assert result == expected and (sign != "/" or multiply(result, right) == left)
        assert task.verify(instance, str(complex(*result)))
        assert not any(task.verify(instance, str(complex(*result) + near)) for near in (1, -1, 1j, -1j))
        seen.add(sign)
    assert seen == set("+-*/")


@pytest.mark.parametrize("text, pair", [
    ("3+4i", (3, 4)), ("(3 + 4j)", (3, 4)), ("4i + 3", (3, 4)), ("-i", (0, -1)), ("i", (0, 1)), ("7", (7, 0)),
    ("55i", (0, 55)), ("3 - 1*i", (3, -1)), ("3.0-4.0j", (3, -4)), ("z = 1+i", (1, 1)), ("-9 + -11i", (-9, -11)),
    ("-9+-11j", (-9, -11)), ("(-9) + (-11)i", (-9, -11)), ("−9 − 11i", (-9, -11)), ("0 + -i", (0, -1)),
    ("-11i + -9", (-9, -11)), ("3 + 4·i", (3, 4)), ("3 - 4\\,i", (3, -4)), ("1,234 + 5i", (1234, 5))])
def test_a_complex_number_is_read_in_every_usual_form(text, pair):
    assert TASKS["rg/complex_arithmetic"].parse(text) == pair


@pytest.mark.parametrize("text", ["", "3+4", "3i+4i", "3+4ii", "--3", "3+", "a+bi", "3 4i 5", "3;4i", "3--4i", "3-+4i", "+-", "3+i4"])
def test_what_is_no_complex_number_is_refused(text):
    with pytest.raises(ValueError):
        TASKS["rg/complex_arithmetic"].parse(text)


# ---- new operators --------------------------------------------------------------------------------------------------

def fold(tokens, rules):
    """The value of a row of operands, from left to right; brackets first."""
    def operand():
        token = tokens.pop(0)
        if token != "(":
            return Fraction(token)
        inside = fold(tokens, rules)
        assert tokens.pop(0) == ")"
        return inside

    total = operand()
    while tokens and tokens[0] != ")":
        rule = rules[tokens.pop(0)]
        total = Fraction(eval(rule, {"a": total, "b": operand()}))
    return total


def test_new_operators_work_from_left_to_right():
    task = TASKS["symbench/new_operator"]
    fractions = 0
    for instance in questions(task.key):
        rules = dict(re.findall(r"a (\S) b = ([^,]*?)(?=, a|\. What)", instance.question))
        expression = between(instance.question, "What is ", "?")
        assert rules == instance.facts["rules"]
        exact = fold(re.findall(r"\d+|\S", expression), rules)
        assert Fraction(instance.expect) == exact
        assert task.verify(instance, f"{2 * exact.numerator}/{2 * exact.denominator}")
        assert not task.verify(instance, str(exact + Fraction(1, 1000)))
        fractions += exact.denominator > 1
    assert fractions > 20


# ---- expressions that reach a target --------------------------------------------------------------------------------

def every_expression(numbers):
    """All ways to put signs and brackets between the numbers, with their values; None where it divides by zero."""
    if len(numbers) == 1:
        return [(str(numbers[0]), Fraction(numbers[0]))]
    found = []
    for cut in range(1, len(numbers)):
        halves = every_expression(numbers[:cut]), every_expression(numbers[cut:])
        for (left, a), (right, b) in itertools.product(*halves):
            for sign in "+-*/":
                worth = None
                if a is not None and b is not None and not (sign == "/" and b == 0):
                    worth = {"+": a + b, "-": a - b, "*": a * b, "/": a / (b or 1)}[sign]
                found.append((f"({left} {sign} {right})", worth))
    return found


def test_an_expression_is_right_exactly_if_it_reaches_the_target():
    task = TASKS["symbench/combinatorial_calculation"]
    accepted = 0
    for seed in range(25):
        instance = task.generate(seed, level=1 if seed < 20 else 3)
        for text, worth in every_expression(instance.facts["numbers"]):
            right = worth == instance.facts["target"]
            assert task.verify(instance, text) is right, text
            accepted += right
    assert accepted > 25


def test_the_search_reaches_every_target():
    task = TASKS["symbench/combinatorial_calculation"]
    for instance in questions(task.key, count=6):
        assert exactly(instance.expect) == instance.facts["target"]
        assert task.verify(instance, task.solve(**instance.facts))


@pytest.mark.parametrize("text", [
    "2*3+4", "(2*3)+4", "2 × 3 + 4", "2*3+4 = 10", "[(, 2, *, 3, ), +, 4]", "['2', '*', '3', '+', '4']", "`2*3+4`",
    "2 \\times 3 + 4", "2·3 + 4", "(2 \\cdot 3) + 4", "2*3+4=10"])
def test_a_right_expression_is_accepted_in_every_form(text):
    assert combinatorial(text)


@pytest.mark.parametrize("text", [
    "", "10", "4+2*3", "3*2+4", "2*3+4+0", "2*3*4", "-2*-3+4", "+2*3+4", "2**3+4", "2*3+4 = 11", "23+4", "2 3 4",
    "2*(3)4", "2*3+4.0", "02*3+4", "2//3+4", "[2*3]+4", "2*3+4; 10", "print(2*3+4)", "2*3+4 if 1 else 5", "2(3)+4"])
def test_other_numbers_orders_and_signs_are_refused(text):
    assert not combinatorial(text)


def combinatorial(text):
    task = TASKS["symbench/combinatorial_calculation"]
    instance = task.generate(0, 1)
    facts = dict(numbers=[2, 3, 4], target=10)
    return task.verify(type(instance)(**{**vars(instance), "facts": facts, "expect": "2*3+4"}), text)
