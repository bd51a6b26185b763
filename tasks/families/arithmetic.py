"""Arithmetic: sums, products and expressions with exact answers."""
import re
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, Callable

from tasks.base import Instance, Task, at, integer, norm, number, tie, value


class Expression(Task, abstract=True):
    """A question that shows one expression in Python's notation, and a program that prints its value."""
    form, written, parse = "one integer", staticmethod(str), staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        expression = self.draw(rng, level)
        answer = self.written(value(expression))
        return f"What is {expression}? Answer with {self.form}.", dict(expression=expression), answer

    def draw(self, rng: Random, level: int) -> str:
        raise NotImplementedError

    def program(self, instance: Instance) -> str:
        return f"print({instance.facts['expression']})\n"


def digits(rng: Random, low: int, high: int) -> int:
    """A positive integer with `low` to `high` digits, each length equally likely."""
    length = rng.randint(low, high)
    return rng.randrange(10 ** (length - 1), 10 ** length)


def row(rng: Random, signs: str, numbers: list) -> str:
    """The numbers in a row with random signs between them."""
    return str(numbers[0]) + "".join(f" {rng.choice(signs)} {n}" for n in numbers[1:])


def grow(rng: Random, size: int, nesting: float, draw: Callable[[], str],
         divisor: Callable[[Fraction], str]) -> tuple[str, Fraction]:
    """An expression over `size` numbers, and its value. A number or a bracketed group at a time is added at the right
    end; `nesting` is the chance of a group. `divisor` gives the number that may divide a term, or "" if none may."""
    text, done, term, left = "", Fraction(0), Fraction(0), size
    while left:
        part = rng.randint(2, min(left, size - 1)) if 1 < left and 2 < size and rng.random() < nesting else 1
        sign = rng.choice("+-*/") if text else "+"
        if sign == "/" and (part > 1 or not divisor(term)):
            sign = rng.choice("+-*")
        if part > 1:
            operand, n = grow(rng, part, nesting, draw, divisor)
            operand = f"({operand})"
        else:
            operand = divisor(term) if sign == "/" else draw()
            n = Fraction(operand)
        if rng.random() < nesting / 4:
            operand, n = "-" + operand, -n
        if sign in "+-":
            done, term = done + term, n if sign == "+" else -n
        else:
            term = term * n if sign == "*" else term / n
        text += f" {sign} {operand}" if text else operand
        left -= part
    return text, done + term


# ---- whole numbers --------------------------------------------------------------------------------------------------

class ChainSum(Expression):
    def draw(self, rng: Random, level: int) -> str:
        terms = rng.randint(*at(rng, level, (2, 3), (2, 6), (6, 12)))
        size = at(rng, level, (1, 2), (1, 4), (4, 8))
        return row(rng, "+-", [digits(rng, *size) for _ in range(terms)])


class Products(Expression):
    split = "test"

    def draw(self, rng: Random, level: int) -> str:
        factors = rng.randint(*at(rng, level, (2, 2), (2, 2), (2, 3)))
        size = at(rng, level, (1, 3), (3, 5), (6, 12))
        return row(rng, "*", [digits(rng, *size) for _ in range(factors)])


class NumberMultiply(Expression):
    suite, split = "symbench", "test"

    def draw(self, rng: Random, level: int) -> str:
        long, short = [rng.randint(12, 20) for _ in range(2)], [rng.randint(3, 6) for _ in range(4)]
        sizes = rng.choice(at(rng, level, [[2, 2]], [[1, 2, 4], [1, 3, 4], [1, 2, 2, 4]], [long, short]))
        numbers = [rng.choice((1, -1)) * rng.randrange(max(2, 10 ** (size - 1)), 10 ** size) for size in sizes]
        return row(rng, "*", rng.sample(numbers, len(numbers)))


class MultistepArithmeticTwo(Expression):
    suite = "bbh"

    def draw(self, rng: Random, level: int) -> str:
        size, groups, depth = at(rng, level, (2, 2, 1), (4, 2, 1), (4, 3, 2))

        def group(depth: int) -> str:
            if depth == 0:
                return f"({row(rng, '+-*', [rng.randint(-9, 9) for _ in range(size)])})"
            return f"({row(rng, '+-*', [group(depth - 1) for _ in range(groups)])})"

        return group(depth)[1:-1]


class BasicArithmetic(Expression):
    form = "one integer; every division is exact"

    def draw(self, rng: Random, level: int) -> str:
        size = rng.randint(*at(rng, level, (2, 3), (3, 6), (6, 10)))
        low, high = at(rng, level, (1, 2), (1, 4), (3, 6))

        def divisor(term: Fraction) -> str:
            whole = int(term)
            found = [n for n in range(2, min(1000, 10 ** high)) if whole and whole % n == 0]
            return str(rng.choice(found)) if found else ""

        return grow(rng, size, at(rng, level, 0, 0.4, 0.6), lambda: str(digits(rng, low, high)), divisor)[0]

    def program(self, instance: Instance) -> str:
        return f"print({instance.facts['expression'].replace('/', '//')})\n"  # exact, and an integer stays one


class BitwiseArithmetic(Task):
    def make(self, rng: Random, level: int) -> tuple:
        text, answer = self._draw(rng, rng.randint(*at(rng, level, (1, 1), (2, 2), (3, 4))))
        text = text[1:-1]  # the outermost brackets
        return (f"What is {text}, where integers have no size limit and >> rounds down? Answer in hex, like -0x1f.",
                dict(expression=text), hex(answer))

    def _draw(self, rng: Random, depth: int) -> tuple[str, int]:
        if depth == 0:
            n = rng.randrange(1, 2 ** 16)
            return hex(n), n
        left, a = self._draw(rng, depth - 1)
        sign = rng.choice(("+", "-", "*", "<<", ">>"))
        if sign in ("<<", ">>"):
            b = rng.randint(0, 3)
            return f"({left} {sign} {hex(b)})", a << b if sign == "<<" else a >> b
        right, b = self._draw(rng, depth - 1)
        return f"({left} {sign} {right})", {"+": a + b, "-": a - b, "*": a * b}[sign]

    @staticmethod
    def parse(text: str) -> int:
        text = norm(text)
        if not re.fullmatch(r"[+-]?0x[0-9a-f]+", text):
            raise ValueError("not in hex")
        return int(text, 16)

    def program(self, instance: Instance) -> str:
        return f"print(hex({instance.facts['expression']}))\n"


# ---- decimals, fractions, powers, complex numbers -------------------------------------------------------------------

class DecimalChainSum(Expression):
    form, parse = "the exact decimal", staticmethod(number)

    def draw(self, rng: Random, level: int) -> str:
        terms = rng.randint(*at(rng, level, (2, 3), (2, 6), (6, 12)))
        size, places = at(rng, level, (1, 2), (1, 4), (3, 6)), at(rng, level, (1, 2), (1, 4), (3, 6))
        return row(rng, "+-", [f"{digits(rng, *size)}.{str(digits(rng, *places))[::-1]}" for _ in range(terms)])

    @staticmethod
    def written(answer: Fraction) -> str:
        return str(Decimal(answer.numerator) / answer.denominator)

    def program(self, instance: Instance) -> str:
        quoted = re.sub(r"[\d.]+", r'D("\g<0>")', instance.facts["expression"])
        return f"from decimal import Decimal as D\nprint({quoted})\n"


class DecimalArithmetic(Expression):
    form = "a decimal, rounded to 6 places"

    def draw(self, rng: Random, level: int) -> str:
        size = rng.randint(*at(rng, level, (2, 3), (2, 6), (5, 8)))
        low, high = at(rng, level, (1, 2), (3, 3), (3, 5))

        def draw(_: Any = None) -> str:  # never near 0, so it may divide any term
            return f"{rng.uniform(0.1, 10):.{rng.randint(low, high)}f}"

        while True:
            text, answer = grow(rng, size, at(rng, level, 0, 0.3, 0.5), draw, draw)
            if abs(answer) <= 10 ** 6 and not tie(answer * 10 ** 6):
                return text

    @staticmethod
    def written(answer: Fraction) -> str:
        return f"{float(answer):.6f}"

    @staticmethod
    def parse(text: str) -> int:
        return round(number(text) * 10 ** 6)

    def program(self, instance: Instance) -> str:
        return f"print(round({instance.facts['expression']}, 6))\n"


class PowerFunction(Task):
    def make(self, rng: Random, level: int) -> tuple:
        top, low, high = at(rng, level, (10, 2, 3), (1000, -8, 8), (1000, -20, 20))
        while True:
            base = f"{rng.uniform(-top, top):.4f}"
            exponent = rng.choice([n for n in range(low, high + 1) if n not in (0, 1)])
            power = Decimal(base) ** exponent if abs(float(base)) > 0.1 else Decimal("0.5")
            if not tie(Fraction(power.scaleb(2 - power.adjusted()))):
                question = f"What is ({base})^{exponent}? Answer with 3 significant figures, like -1.23e+04."
                return question, dict(base=base, exponent=exponent)

    @staticmethod
    def solve(base, exponent):
        return f"{float(base) ** exponent:.2e}"

    @staticmethod
    def parse(text: str) -> str:
        exact = number(text)
        return f"{Decimal(exact.numerator) / exact.denominator:.2e}"

    def program(self, instance: Instance) -> str:
        return f"print(f\"{{({instance.facts['base']}) ** {instance.facts['exponent']}:.2e}}\")\n"


class FractionSimplification(Task):
    def make(self, rng: Random, level: int) -> tuple:
        top = at(rng, level, 50, 1_000, 10 ** 6)
        reduced = Fraction(1)
        while reduced.denominator == 1:
            reduced = Fraction(rng.randint(1, top), rng.randint(2, top))
        factor = rng.randint(*at(rng, level, (2, 10), (2, 100), (100, 10 ** 4)))
        p, q = reduced.numerator * factor, reduced.denominator * factor
        return f"Reduce {p}/{q} to lowest terms. Answer like 2/3.", dict(p=p, q=q)

    @staticmethod
    def solve(p, q):
        from fractions import Fraction
        return Fraction(p, q)

    @staticmethod
    def parse(text: str) -> list[int]:
        return [integer(part) for part in norm(text).strip("()[] ").split("/")]

    def program(self, instance: Instance) -> str:
        return f"from fractions import Fraction\nprint(Fraction({instance.facts['p']}, {instance.facts['q']}))\n"


class ComplexArithmetic(Task):
    split = "test"

    def make(self, rng: Random, level: int) -> tuple:
        top = at(rng, level, 10, 50, 10 ** 4)
        (a, b), (c, d) = ([rng.choice((-1, 1)) * rng.randint(1, top) for _ in range(2)] for _ in range(2))
        sign = rng.choice("+-*/")
        if sign == "/":  # the first number becomes a multiple of the second
            a, b = a * c - b * d, a * d + b * c
        return (f"What is ({a}{b:+}i) {sign} ({c}{d:+}i)? Answer in the form a+bi.",
                dict(left=[a, b], sign=sign, right=[c, d]))

    @staticmethod
    def solve(left, sign, right):
        (a, b), (c, d) = left, right
        if sign == "/":
            size = c * c + d * d
            real, imaginary = (a * c + b * d) // size, (b * c - a * d) // size
        elif sign == "*":
            real, imaginary = a * c - b * d, a * d + b * c
        else:
            real, imaginary = (a + c, b + d) if sign == "+" else (a - c, b - d)
        return f"{real}{imaginary:+}i"

    @staticmethod
    def parse(text: str) -> tuple[int, int]:
        text = re.sub(r"[\s()*]", "", norm(text)).replace("−", "-").replace("j", "i").split("=")[-1]
        terms, parts = re.findall(r"[+-]?[^+-]+", text), {}
        for term in terms:
            unit, imaginary = term.rstrip("i"), term.endswith("i")
            if imaginary in parts or len(term) - len(unit) > 1:
                raise ValueError("two parts of a kind")
            parts[imaginary] = {"": 1, "+": 1, "-": -1}.get(unit) or integer(unit)
        if not parts or "".join(terms) != text:
            raise ValueError("not a complex number")
        return parts.get(False, 0), parts.get(True, 0)

    def program(self, instance: Instance) -> str:
        (a, b), (c, d), sign = (instance.facts[name] for name in ("left", "right", "sign"))
        return f"z = ({a}{b:+}j) {sign} ({c}{d:+}j)\nprint(complex(round(z.real), round(z.imag)))\n"


# ---- expressions with a twist ---------------------------------------------------------------------------------------

class NewOperator(Task):
    suite, parse = "symbench", staticmethod(number)

    def make(self, rng: Random, level: int) -> tuple:
        formulas = ("{c}*a + {d}*b", "{c}*a*b", "(a + b) / b")
        symbols = rng.sample("#@$&%~", rng.randint(*at(rng, level, (1, 1), (2, 3), (4, 4))))
        rules = {symbol: rng.choice(formulas).format(c=rng.randint(1, 5), d=rng.randint(1, 5)) for symbol in symbols}

        def draw(size: int) -> Any:  # a number, or [symbol, left, right]
            if size == 1:
                return rng.randint(1, 10)
            cut = rng.randint(1, size - 1)
            return [rng.choice(symbols), draw(cut), draw(size - cut)]

        def text(tree: Any) -> str:  # only a right operand needs brackets
            if isinstance(tree, int):
                return str(tree)
            symbol, left, right = tree
            return f"{text(left)} {symbol} " + (str(right) if isinstance(right, int) else f"({text(right)})")

        def worth(tree: Any) -> Any:
            if isinstance(tree, int):
                return Fraction(tree)
            return value(rules[tree[0]], dict(a=worth(tree[1]), b=worth(tree[2])))

        tree = draw(rng.randint(*at(rng, level, (2, 2), (3, 4), (6, 8))))
        let = ", ".join(f"a {symbol} b = {rule}" for symbol, rule in rules.items())
        order = "" if level == 1 else " No operator binds tighter than another: work from left to right."
        question = f"Let {let}. What is {text(tree)}?{order} Answer with an integer or a fraction like 7/3."
        return question, dict(rules=rules, tree=tree), worth(tree)

    def program(self, instance: Instance) -> str:
        rules, tree = instance.facts["rules"], instance.facts["tree"]
        names = dict(zip(rules, "fghk"))
        exact = any("/" in rule for rule in rules.values())

        def call(tree: Any) -> str:
            if isinstance(tree, int):
                return f"Fraction({tree})" if exact else str(tree)
            return f"{names[tree[0]]}({call(tree[1])}, {call(tree[2])})"

        lines = ["from fractions import Fraction"] * exact
        lines += [f"{names[symbol]} = lambda a, b: {rule}" for symbol, rule in rules.items()]
        return "\n".join([*lines, f"print({call(tree)})\n"])


class CombinatorialCalculation(Task):
    suite = "symbench"

    def make(self, rng: Random, level: int) -> tuple:
        worth = Fraction(0)
        while worth.denominator != 1 or not 1 <= worth <= 200:
            numbers = [rng.randint(1, 9) for _ in range(rng.randint(*at(rng, level, (3, 3), (4, 5), (6, 7))))]
            text, worth = self._tree(rng, numbers)
        question = (f"Put + - * / and brackets between the numbers {' '.join(map(str, numbers))}, in this order, "
                    f"to get {worth}. Answer with the expression.")
        return question, dict(numbers=numbers, target=int(worth)), text[1:-1]

    def _tree(self, rng: Random, numbers: list[int]) -> tuple[str, Fraction]:
        if len(numbers) == 1:
            return str(numbers[0]), Fraction(numbers[0])
        cut = rng.randint(1, len(numbers) - 1)
        (left, a), (right, b) = self._tree(rng, numbers[:cut]), self._tree(rng, numbers[cut:])
        sign = rng.choice("+-*/" if b else "+-*")
        return f"({left} {sign} {right})", {"+": a + b, "-": a - b, "*": a * b, "/": a / (b or 1)}[sign]

    @staticmethod
    def solve(numbers, target):
        from fractions import Fraction
        n = len(numbers)
        reach = {(i, i + 1): {Fraction(numbers[i]): str(numbers[i])} for i in range(n)}  # span: value -> expression
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

    def check(self, answer: str, instance: Instance) -> bool:
        numbers, target = instance.facts["numbers"], instance.facts["target"]
        text = norm(answer).replace("×", "*").replace("÷", "/").replace("−", "-")
        if text.startswith("[") and "," in text:  # a list of tokens, as the original asks for
            text = re.sub(r"[\[\],'\"]", "", text)
        text, equals, claim = text.partition("=")
        if re.findall(r"\d+", text) != list(map(str, numbers)) or re.search(r"(^|[-+*/(])\s*[-+*/]", text):
            return False  # other numbers or another order; or a sign, a power, a floor division
        return value(text) == target and (not equals or integer(claim) == target)
