"""The arithmetic questions, read from their text alone and solved in a second way.

Expressions go through a little calculator of our own, precedence climbing over exact fractions:
neither Python's parser, which the programs use, nor `value`, which the tasks use.
"""
import itertools
import re
from fractions import Fraction

import pytest

from tasks import TASKS


@pytest.fixture
def count(request):
    return 300 if request.config.getoption("--slow") else 30


def questions(key, count):
    """`count` questions of a task, a fifth of them on each level."""
    return [TASKS[key].generate(seed, 1 + seed % 5) for seed in range(count)]


def asked(question):
    return re.match(r"What is (.*?)(?:\?|, where) ", question)[1]


# ---- a calculator -----------------------------------------------------------------------------

TIGHTNESS = {"<<": 1, ">>": 1, "+": 2, "-": 2, "*": 3, "/": 3}


def apply(sign, a, b):
    if sign == "/":
        return a / b
    if sign in ("<<", ">>"):  # a shift doubles or halves, and halves are rounded down
        return a * 2 ** int(b) if sign == "<<" else Fraction(a // 2 ** int(b))
    return {"+": a + b, "-": a - b, "*": a * b}[sign]


def operand(tokens):
    token = tokens.pop(0)
    if token == "-":
        return -operand(tokens)
    if token == "(":
        inside = climb(tokens, 0)
        assert tokens.pop(0) == ")"
        return inside
    return Fraction(int(token, 16)) if token.startswith("0x") else Fraction(token)


def climb(tokens, least):
    """The value of what binds tighter than `least`; takes its tokens from the front."""
    total = operand(tokens)
    while tokens and TIGHTNESS.get(tokens[0], 0) > least:
        sign = tokens.pop(0)
        total = apply(sign, total, climb(tokens, TIGHTNESS[sign]))
    return total


def calculate(text):
    tokens = re.findall(r"0x[0-9a-f]+|[\d.]+|<<|>>|[-+*/()]", text)
    assert "".join(tokens) == text.replace(" ", ""), f"unread text in {text}"
    total = climb(tokens, 0)
    assert not tokens, f"what is {tokens}?"
    return total


@pytest.mark.parametrize("text, worth", [
    ("2 + 3 * 4", 14), ("2 - 3 - 4", -5), ("(2 - 3) * -4", 4), ("8 / 4 / 2", 1),
    ("-(1 - 0.5)", Fraction(-1, 2)), ("0x10 >> 0x2", 4), ("(0x1 - 0x4) >> 0x1", -2),
    ("1 << 2 + 1", 8)])
def test_the_calculator_knows_these(text, worth):
    assert calculate(text) == worth


# ---- one right answer -------------------------------------------------------------------------

def rounded(exact, places):
    """To the nearest decimal, by whole numbers."""
    scaled = round(exact * 10 ** places)
    sign = "-" if scaled < 0 else ""
    return f"{sign}{abs(scaled) // 10 ** places}.{abs(scaled) % 10 ** places:0{places}}"


def whole(question):
    return str(calculate(asked(question)))


def in_hex(question):
    exact = int(calculate(asked(question)))
    digits, left = "", abs(exact)
    while left:
        left, digit = left // 16, left % 16
        digits = "0123456789abcdef"[digit] + digits
    return f"{'-' if exact < 0 else ''}0x{digits or '0'}"


def exact_decimal(question):
    """A sum of decimals by whole numbers: no more places than the longest term has."""
    text = asked(question)
    places = max(len(part) for part in re.findall(r"\.(\d+)", text))
    answer = rounded(calculate(text), places)
    return answer.rstrip("0").rstrip(".")


def six_places(question):
    return rounded(calculate(asked(question)), 6)


def power(question):
    """Factor by factor, and the place of the first figure by dividing by ten."""
    base, exponent = re.search(r"\((-?[\d.]+)\)\^(-?\d+)", question).groups()
    exact = Fraction(1)
    for _ in range(abs(int(exponent))):
        exact *= Fraction(base)
    if int(exponent) < 0:
        exact = 1 / exact
    size, tens = abs(exact), 0
    while size >= 10:
        size, tens = size / 10, tens + 1
    while size < 1:
        size, tens = size * 10, tens - 1
    figures = round(size * 100)
    if figures == 1000:  # 9.999 is 10.0
        figures, tens = 100, tens + 1
    sign = "-" if exact < 0 else ""
    return f"{sign}{figures // 100}.{figures % 100:02}e{'-' if tens < 0 else '+'}{abs(tens):02}"


def lowest_terms(question):
    """Euclid's algorithm finds what both parts share."""
    p, q = map(int, re.match(r"Reduce (\d+)/(\d+) ", question).groups())
    shared, rest = p, q
    while rest:
        shared, rest = rest, shared % rest
    return f"{p // shared}/{q // shared}"


def complex_number(question):
    """With Python's own complex numbers, whose parts are exact below 2**53."""
    left, sign, right = re.match(r"What is \((.*?)\) (.) \((.*?)\)\?", question).groups()
    a, b = complex(left.replace("i", "j")), complex(right.replace("i", "j"))
    result = {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[sign]
    return f"{round(result.real)}{round(result.imag):+}i"


def new_operator(question):
    """The rules are read from the question; the row is folded from its left end, brackets first."""
    rules = dict(re.findall(r"a (\S) b = (.*?)(?=, a \S b|\. What)", question))
    text = asked(question[question.index("What is"):])
    number = r"-?\d+(?:/\d+)?"
    while not re.fullmatch(number, text):
        # the first "n op n" that stands behind nothing, or behind an opening bracket
        step = re.search(rf"(?:(?<=\()|^)({number}) (\S) ({number})", text)
        a, symbol, b = step.groups()
        named = {"a": f"({a})", "b": f"({b})"}
        rule = re.sub(r"[ab]", lambda letter: named[letter[0]], rules[symbol])
        text = text[:step.start()] + str(calculate(rule)) + text[step.end():]
        text = re.sub(rf"\(({number})\)", r"\1", text)
    return text


SOLVED = {
    "rg/chain_sum": whole, "rg/products": whole, "symbench/number_multiply": whole,
    "bbh/multistep_arithmetic_two": whole, "rg/basic_arithmetic": whole,
    "rg/bitwise_arithmetic": in_hex, "rg/decimal_chain_sum": exact_decimal,
    "rg/decimal_arithmetic": six_places, "rg/power_function": power,
    "rg/fraction_simplification": lowest_terms, "rg/complex_arithmetic": complex_number,
    "symbench/new_operator": new_operator,
}


def test_each_task_has_its_reader():
    tasks = {key for key, task in TASKS.items() if task.family == "arithmetic"}
    assert tasks == {*SOLVED, "symbench/combinatorial_calculation"}


@pytest.mark.parametrize("key", SOLVED)
def test_the_answer_is_what_the_text_of_the_question_says(key, count):
    for instance in questions(key, count):
        answer = SOLVED[key](instance.question)
        assert instance.expect == answer, instance.question
        assert TASKS[key].verify(instance, answer)


# ---- many right answers -----------------------------------------------------------------------

def every_expression(numbers):
    """All ways to put signs and brackets between the numbers; what divides by zero is left out."""
    if len(numbers) == 1:
        yield str(numbers[0]), Fraction(numbers[0])
        return
    for cut in range(1, len(numbers)):
        left = list(every_expression(numbers[:cut]))
        right = list(every_expression(numbers[cut:]))
        for (one, a), (other, b), sign in itertools.product(left, right, "+-*/"):
            if sign != "/" or b != 0:
                yield f"({one} {sign} {other})", apply(sign, a, b)


def test_signs_and_brackets_reach_the_target_of_the_question(count):
    task = TASKS["symbench/combinatorial_calculation"]
    for instance in questions(task.key, count):
        listed, target = re.search(r"numbers ([\d ]+), in this order, to get (\d+)\.",
                                   instance.question).groups()
        assert calculate(instance.expect) == int(target), instance.question
        assert re.findall(r"\d+", instance.expect) == listed.split()
        numbers = [int(number) for number in listed.split()]
        if len(numbers) > 3:
            continue
        # among all expressions over three numbers the right ones are accepted, the others are not
        for text, worth in every_expression(numbers):
            assert task.verify(instance, text) is (worth == int(target)), text
