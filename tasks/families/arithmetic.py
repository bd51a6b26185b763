"""Arithmetic: sums, products and expressions with exact answers.

Most questions show an expression that Python could print. It is drawn as text, and `value` of
tasks/base.py computes it with exact fractions: no float decides whether an answer is right.
"""
import operator
import re
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, Callable

from tasks.base import (FRACTION, Instance, Task, amount, at, between, integer, norm, number,
                        right_side, tie, value)


OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
              "<<": operator.lshift, ">>": operator.rshift}


def bracketed(left: tuple, sign: str, right: tuple) -> tuple[str, Any]:
    """An expression of two, each with its value: ("2", 2), "+", ("3", 3) -> ("(2 + 3)", 5)."""
    (x, a), (y, b) = left, right
    return f"({x} {sign} {y})", OPERATIONS[sign](a, b)


# ---- expressions in Python's notation ---------------------------------------------------------

class Expression(Task, abstract=True):
    """A question that shows one expression in Python's notation, and a program that prints it.

    form  what the question asks for
    """
    form, parse = "with one integer", staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        expression = self.draw(rng, level)
        question = f"What is {expression}? Answer {self.form}."
        return question, dict(expression=expression), self.result(expression)

    def draw(self, rng: Random, level: int) -> str:
        raise NotImplementedError

    @staticmethod
    def result(expression):
        return value(expression)

    def program(self, instance: Instance) -> str:
        return f"print({instance.facts['expression']})\n"


def digits(rng: Random, low: int, high: int) -> int:
    """A positive integer with `low` to `high` digits, each length equally likely."""
    length = rng.randint(low, high)
    return rng.randrange(10 ** (length - 1), 10 ** length)


def signed(rng: Random, top: int) -> int:
    """A whole number other than 0, up to `top` in size."""
    return rng.choice((-1, 1)) * rng.randint(1, top)


def row(rng: Random, signs: str, numbers: list) -> str:
    """The numbers in a row with random signs between them."""
    return str(numbers[0]) + "".join(f" {rng.choice(signs)} {n}" for n in numbers[1:])


def grow(rng: Random, size: int, nesting: float, draw: Callable[[], str],
         divisor: Callable[[Fraction], str]) -> tuple[str, Fraction]:
    """An expression over `size` numbers, and its value.

    It grows at its right end by a number or by a bracketed group; `nesting` is the chance of a
    group. `divisor` gives a number that may divide a term, or "" if none may.

    The value is kept in two parts, since * and / reach back to the last sum alone:
    "7 - 2 * 3" has 7 in `done` and -6 in `term`, and " / 3" turns the -6 into -2.
    """
    text, left = "", size
    done, term = Fraction(0), Fraction(0)
    while left:
        # how many of the numbers the next operand takes: 1, or those of a group
        part = 1
        if left > 1 and size > 2 and rng.random() < nesting:
            part = rng.randint(2, min(left, size - 1))

        sign = rng.choice("+-*/") if text else "+"
        if sign == "/" and (part > 1 or not divisor(term)):
            sign = rng.choice("+-*")

        if part > 1:
            group, n = grow(rng, part, nesting, draw=draw, divisor=divisor)
            operand = f"({group})"
        else:
            operand = divisor(term) if sign == "/" else draw()
            n = Fraction(operand)
        if rng.random() < nesting / 4:
            operand, n = f"-{operand}", -n

        if sign in "+-":
            done += term
            term = n if sign == "+" else -n
        else:
            term = term * n if sign == "*" else term / n
        text += f" {sign} {operand}" if text else operand
        left -= part
    return text, done + term


# ---- whole numbers ----------------------------------------------------------------------------

class ChainSum(Expression):
    """Sums and differences: 12 - 7 + 30."""

    def draw(self, rng: Random, level: int) -> str:
        terms = between(rng, level, (2, 3), (2, 6), (6, 12))
        size = at(rng, level, (1, 2), (1, 4), (4, 8))
        return row(rng, "+-", [digits(rng, *size) for _ in range(terms)])


class Products(Expression):
    """Products of two or three positive numbers: 123 * 45."""
    split = "test"

    def draw(self, rng: Random, level: int) -> str:
        factors = between(rng, level, (2, 2), (2, 2), (2, 3))
        size = at(rng, level, (1, 3), (3, 5), (6, 12))
        return row(rng, "*", [digits(rng, *size) for _ in range(factors)])


class NumberMultiply(Expression):
    """Few long factors or several short ones, with signs and in any order."""
    suite, split = "symbench", "test"

    def draw(self, rng: Random, level: int) -> str:
        # what level 5 chooses from: how many digits each factor has
        long = [rng.randint(12, 20) for _ in range(2)]
        short = [rng.randint(3, 6) for _ in range(4)]
        sizes = rng.choice(at(rng, level, [[2, 2]], [[1, 2, 4], [1, 3, 4], [1, 2, 2, 4]],
                              [long, short]))
        numbers = []
        for size in sizes:
            # a factor of one digit is at least 2: 1 would be no work
            sign = rng.choice((1, -1))
            numbers.append(sign * rng.randrange(max(2, 10 ** (size - 1)), 10 ** size))
        return row(rng, "*", rng.sample(numbers, len(numbers)))


class MultistepArithmeticTwo(Expression):
    """Groups of one-digit numbers, and at level 5 groups of groups."""
    suite = "bbh"

    def draw(self, rng: Random, level: int) -> str:
        size, groups, depth = at(rng, level, (2, 2, 1), (4, 2, 1), (4, 3, 2))
        return self._group(rng, size, groups, depth)[1:-1]  # no brackets around all of it

    def _group(self, rng: Random, size: int, groups: int, depth: int) -> str:
        if depth == 0:
            return f"({row(rng, '+-*', [rng.randint(-9, 9) for _ in range(size)])})"
        inner = [self._group(rng, size, groups, depth - 1) for _ in range(groups)]
        return f"({row(rng, '+-*', inner)})"


class BasicArithmetic(Expression):
    """All four operations over whole numbers, with brackets from level 2 on: 7 - (8 + 4) / 3."""
    form = "with one integer; every division is exact"

    def draw(self, rng: Random, level: int) -> str:
        size = between(rng, level, (2, 3), (3, 6), (6, 10))
        low, high = at(rng, level, (1, 2), (1, 4), (3, 6))
        nesting = at(rng, level, 0, 0.4, 0.6)

        def draw() -> str:
            return str(digits(rng, low, high))

        def divisor(term: Fraction) -> str:
            # one of the numbers that divide the term, so that whole numbers stay whole
            whole = int(term)
            if whole == 0:
                return ""
            found = [n for n in range(2, min(1000, 10 ** high)) if whole % n == 0]
            return str(rng.choice(found)) if found else ""

        # not a product alone: held-out tasks ask for those
        text = ""
        while not re.search(r"[+/]| - ", text):
            text, _ = grow(rng, size, nesting, draw=draw, divisor=divisor)
        return text

    def program(self, instance: Instance) -> str:
        # exact, and with // an integer stays one
        return f"print({instance.facts['expression'].replace('/', '//')})\n"


class BitwiseArithmetic(Task):
    """A full binary tree of + - * and shifts by 0 to 3 over 16-bit numbers."""

    def make(self, rng: Random, level: int) -> tuple:
        text, answer = self._draw(rng, between(rng, level, (1, 1), (2, 2), (3, 4)))
        text = text[1:-1]  # no brackets around all of it
        question = (f"What is {text}, where integers have no size limit and >> rounds down? "
                    "Answer in hex, like -0x1f.")
        return question, dict(expression=text), hex(answer)

    def _draw(self, rng: Random, depth: int) -> tuple[str, int]:
        """An expression of this depth in brackets, and its value."""
        if depth == 0:
            n = rng.randrange(1, 2 ** 16)
            return hex(n), n
        left = self._draw(rng, depth - 1)
        sign = rng.choice("+ - * << >>".split())
        if sign in ("<<", ">>"):  # a shift is a small number, no tree
            n = rng.randint(0, 3)
            right = hex(n), n
        else:
            right = self._draw(rng, depth - 1)
        return bracketed(left, sign, right)

    @staticmethod
    def parse(text: str) -> int:
        """An integer in hex alone: "-0x1F" -> -31, and "31" is refused."""
        match = re.fullmatch("([+-]?) ?(0x[0-9a-f]+)", norm(text))
        return int(match[1] + match[2], 16)

    def program(self, instance: Instance) -> str:
        return f"print(hex({instance.facts['expression']}))\n"


# ---- decimals, fractions, powers, complex numbers ---------------------------------------------

class DecimalChainSum(Expression):
    """Sums and differences of decimals, without any rounding: 12.5 - 7.25."""
    form, parse = "with the exact decimal", staticmethod(number)

    def draw(self, rng: Random, level: int) -> str:
        terms = between(rng, level, (2, 3), (2, 6), (6, 12))
        size = at(rng, level, (1, 2), (1, 4), (3, 6))
        places = at(rng, level, (1, 2), (1, 4), (3, 6))
        numbers = []
        for _ in range(terms):
            whole = digits(rng, *size)
            # backwards: the first digit is never 0, so the last decimal is none either
            decimals = str(digits(rng, *places))[::-1]
            numbers.append(f"{whole}.{decimals}")
        return row(rng, "+-", numbers)

    @staticmethod
    def result(expression):
        exact = value(expression)
        return Decimal(exact.numerator) / exact.denominator

    def program(self, instance: Instance) -> str:
        # floats would be off in the last place: each number becomes D("12.5")
        quoted = re.sub(r"[\d.]+", r'D("\g<0>")', instance.facts["expression"])
        return f"from decimal import Decimal as D\nprint({quoted})\n"


class DecimalArithmetic(Expression):
    """All four operations over decimals between 0.1 and 10, rounded to six places."""
    form = "with a decimal, rounded to 6 places"

    def draw(self, rng: Random, level: int) -> str:
        size = between(rng, level, (2, 3), (2, 6), (5, 8))
        low, high = at(rng, level, (1, 2), (3, 3), (3, 5))

        def draw(_: Any = None) -> str:  # never near 0, so it may divide any term
            return f"{rng.uniform(0.1, 10):.{rng.randint(low, high)}f}"

        while True:
            # no huge results, and none whose sixth place hangs on the last bit of a float
            nesting = at(rng, level, 0, 0.3, 0.5)
            text, answer = grow(rng, size, nesting, draw=draw, divisor=draw)
            if abs(answer) <= 10 ** 6 and not tie(answer * 10 ** 6):
                return text

    @staticmethod
    def result(expression):
        return f"{float(value(expression)):.6f}"

    @staticmethod
    def parse(text: str) -> int:
        """In millionths, so that more places than six are rounded to six."""
        return round(number(text) * 10 ** 6)

    def program(self, instance: Instance) -> str:
        return f"print(round({instance.facts['expression']}, 6))\n"


class PowerFunction(Task):
    """A decimal to a whole power, to three significant figures."""

    def make(self, rng: Random, level: int) -> tuple:
        top, low, high = at(rng, level, (10, 2, 3), (1000, -8, 8), (1000, -20, 20))
        exponents = [n for n in range(low, high + 1) if n not in (0, 1)]
        while True:
            base = f"{rng.uniform(-top, top):.4f}"
            exponent = rng.choice(exponents)
            # 0 has no negative powers, and the third figure of the answer must be beyond doubt
            if float(base) != 0 and not self._doubtful(Decimal(base) ** exponent):
                break
        question = (f"What is ({base})^{exponent}? "
                    "Answer with 3 significant figures, like -1.23e+04.")
        return question, dict(base=base, exponent=exponent)

    @staticmethod
    def _doubtful(power: Decimal) -> bool:
        """Whether the power, with its point behind the third figure, lies between two integers."""
        return tie(Fraction(power.scaleb(2 - power.adjusted())))

    @staticmethod
    def solve(base, exponent):
        return f"{float(base) ** exponent:.2e}"

    @staticmethod
    def parse(text: str) -> str:
        """Three figures of it: "558.12" and "5.5812 × 10^2" are both 5.58e+2."""
        exact = number(text)
        return f"{Decimal(exact.numerator) / exact.denominator:.2e}"

    def program(self, instance: Instance) -> str:
        base, exponent = instance.facts.values()
        return f"print(f\"{{({base}) ** {exponent}:.2e}}\")\n"


def ratio(text: str) -> list[int]:
    """A fraction as it is written: "4/6" is [4, 6] and not [2, 3]; "\\frac{2}{3}" is [2, 3]."""
    text = right_side(norm(text))
    text = re.sub(FRACTION, r"\1/\2", text)
    return [integer(part) for part in re.sub(r"[()\[\]]", "", text).split("/")]


class FractionSimplification(Task):
    """A fraction in lowest terms, multiplied above and below by a common factor: 6/9 is asked."""
    parse = staticmethod(ratio)

    def make(self, rng: Random, level: int) -> tuple:
        top = at(rng, level, 50, 1_000, 10 ** 6)
        # a fraction proper, not a whole number
        reduced = Fraction(1)
        while reduced.denominator == 1:
            reduced = Fraction(rng.randint(1, top), rng.randint(2, top))
        factor = between(rng, level, (2, 10), (2, 100), (100, 10 ** 4))
        p, q = reduced.numerator * factor, reduced.denominator * factor
        return f"Reduce {p}/{q} to lowest terms. Answer like 2/3.", dict(p=p, q=q)

    @staticmethod
    def solve(p, q):
        from fractions import Fraction
        return Fraction(p, q)

    def program(self, instance: Instance) -> str:
        p, q = instance.facts.values()
        return f"from fractions import Fraction\nprint(Fraction({p}, {q}))\n"


class ComplexArithmetic(Task):
    """One operation on two complex numbers with whole parts; quotients are whole too."""
    split = "test"

    def make(self, rng: Random, level: int) -> tuple:
        top = at(rng, level, 10, 50, 10 ** 4)
        a, b, c, d = [signed(rng, top) for _ in "abcd"]
        sign = rng.choice("+-*/")
        if sign == "/":  # a product is divided by one of its factors
            a, b = a * c - b * d, a * d + b * c
        question = f"What is ({a}{b:+}i) {sign} ({c}{d:+}i)? Answer in the form a+bi."
        return question, dict(left=[a, b], sign=sign, right=[c, d])

    @staticmethod
    def solve(left, sign, right):
        # Python's complex numbers are floats: a quotient is rounded back to whole parts
        z = OPERATIONS[sign](complex(*left), complex(*right))
        return f"{round(z.real)}{round(z.imag):+}i"

    @staticmethod
    def parse(text: str) -> tuple[int, int]:
        """(real part, imaginary part): "z = 3 - i" -> (3, -1), "-9 + -11i" -> (-9, -11)."""
        text = right_side(norm(text), same=lambda left, right: "(" in left)
        text = text.replace("j", "i")
        text = re.sub(r"\\cdot|\\,|[\s*·]", "", text)
        # Brackets around the whole or a part, as in (3) + (-4)i: none may open within a number.
        text = re.sub(r"(?<!\d)\(([+-]?[\di+-]*)\)(?!\d)", r"\1", text).replace("+-", "-")
        text = re.sub(r"(^|[+-])i", r"\g<1>1i", text)  # i is 1i
        terms = re.findall("[+-]?[^+-]+", text)
        # is it imaginary? -> how many
        parts = {term.endswith("i"): integer(term.removesuffix("i")) for term in terms}
        if not terms or "".join(terms) != text or len(parts) < len(terms):
            raise ValueError("not a complex number, or two parts of a kind")
        return parts.get(False, 0), parts.get(True, 0)

    def program(self, instance: Instance) -> str:
        (a, b), sign, (c, d) = instance.facts.values()
        return (f"z = ({a}{b:+}j) {sign} ({c}{d:+}j)\n"
                "print(complex(round(z.real), round(z.imag)))\n")


# ---- expressions with a twist -----------------------------------------------------------------

class NewOperator(Task):
    """Made-up operators, each with a rule such as "3*a + 2*b", in an expression read from the left.

    What the question shows as 2 # (3 @ 4) is the call f(2, g(3, 4)) in the program.
    """
    suite, parse = "symbench", staticmethod(amount)

    def make(self, rng: Random, level: int) -> tuple:
        formulas = ("{c}*a + {d}*b", "{c}*a*b", "(a + b) / b")
        symbols = rng.sample("#@$&%~", between(rng, level, (1, 1), (2, 3), (4, 4)))
        operators = []  # (symbol, name of its function, rule)
        for symbol, name in zip(symbols, "fghk"):
            rule = rng.choice(formulas).format(c=rng.randint(1, 5), d=rng.randint(1, 5))
            operators.append((symbol, name, rule))
        size = between(rng, level, (2, 2), (3, 4), (6, 8))
        shown, call, worth = self._draw(rng, operators, size)
        let = ", ".join(f"a {symbol} b = {rule}" for symbol, _, rule in operators)
        order = " No operator binds tighter than another: work from left to right."
        question = (f"Let {let}. What is {shown}?{order if level > 1 else ''} "
                    "Answer with an integer or a fraction like 7/3.")
        rules = {symbol: rule for symbol, _, rule in operators}
        return question, dict(rules=rules, call=call), worth

    def _draw(self, rng: Random, operators: list, size: int) -> tuple[str, str, Fraction]:
        """An expression over `size` numbers: as it is shown, as calls of functions, its value."""
        if size == 1:
            n = rng.randint(1, 10)
            return str(n), str(n), Fraction(n)
        cut = rng.randint(1, size - 1)
        symbol, name, rule = rng.choice(operators)
        left, left_call, a = self._draw(rng, operators, cut)
        right, right_call, b = self._draw(rng, operators, size - cut)
        # read from the left, only a right operand needs brackets
        operand = right if right.isdigit() else f"({right})"
        worth = value(rule, dict(a=a, b=b))
        return f"{left} {symbol} {operand}", f"{name}({left_call}, {right_call})", worth

    def program(self, instance: Instance) -> str:
        rules, call = instance.facts.values()
        lines = [f"{name} = lambda a, b: {rule}" for name, rule in zip("fghk", rules.values())]
        if any("/" in rule for rule in rules.values()):  # exact: with fractions from the start
            lines.insert(0, "from fractions import Fraction")
            call = re.sub(r"\d+", r"Fraction(\g<0>)", call)
        return "\n".join([*lines, f"print({call})\n"])


class CombinatorialCalculation(Task):
    """Numbers in a fixed order, and signs and brackets to find: any expression that fits is right.

    `solve` fills a table of spans: what numbers[i:j] can be worth, from all ways to cut the span.
    """
    suite = "symbench"

    def make(self, rng: Random, level: int) -> tuple:
        # the target is what a random expression is worth, if that is a small whole number
        worth = Fraction(0)
        while worth.denominator != 1 or not 1 <= worth <= 200:
            count = between(rng, level, (3, 3), (4, 5), (6, 7))
            numbers = [rng.randint(1, 9) for _ in range(count)]
            text, worth = self._tree(rng, numbers)
        listed = " ".join(map(str, numbers))
        question = (f"Put + - * / and brackets between the numbers {listed}, in this order, "
                    f"to get {worth}. Answer with the expression.")
        return question, dict(numbers=numbers, target=int(worth)), text[1:-1]

    def _tree(self, rng: Random, numbers: list[int]) -> tuple[str, Fraction]:
        """A random expression over the numbers in their order, and its value."""
        if len(numbers) == 1:
            return str(numbers[0]), Fraction(numbers[0])
        cut = rng.randint(1, len(numbers) - 1)
        left = self._tree(rng, numbers[:cut])
        right = self._tree(rng, numbers[cut:])
        sign = rng.choice("+-*/" if right[1] else "+-*")
        return bracketed(left, sign, right)

    @staticmethod
    def solve(numbers, target):
        from fractions import Fraction
        n = len(numbers)
        # span -> value -> an expression that has it
        reach = {(i, i + 1): {Fraction(numbers[i]): str(numbers[i])} for i in range(n)}
        for size in range(2, n + 1):
            for i in range(n - size + 1):
                found = reach[i, i + size] = {}
                for k in range(i + 1, i + size):
                    for a, left in reach[i, k].items():
                        for b, right in reach[k, i + size].items():
                            found[a + b] = f"({left} + {right})"
                            found[a - b] = f"({left} - {right})"
                            found[a * b] = f"({left} * {right})"
                            if b:
                                found[a / b] = f"({left} / {right})"
        return reach[0, n][target]

    program = Task.script

    SIGNS = {"\\times": "*", "\\cdot": "*", "\\div": "/", "×": "*", "·": "*", "÷": "/"}

    def check(self, answer: str, instance: Instance) -> bool:
        numbers, target = instance.facts.values()
        text = norm(answer)
        for written, python in self.SIGNS.items():
            text = text.replace(written, python)
        if text.startswith("[") and "," in text:  # a list of tokens, as the original asks for
            text = re.sub(r"[\[\],'\"]", "", text)
        expression, equals, claim = text.partition("=")
        # these numbers in this order, and no sign of a number, no power, no floor division
        if re.findall(r"\d+", expression) != [str(n) for n in numbers]:
            return False
        if re.search(r"(^|[-+*/(])\s*[-+*/]", expression):
            return False
        return value(expression) == target and (not equals or integer(claim) == target)
