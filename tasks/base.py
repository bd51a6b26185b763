"""What the 144 tasks share: the class, the registry, the purposes of questions, and the parsers of answers.

A task is a class with two or three short methods. Subclassing `Task` registers it under "suite/name":

    class Gcd(Task):                                  # rg/gcd, the name is the class name in snake case
        parse = staticmethod(integer)                 # how an answer is read before it is compared

        def make(self, rng, level):                   # -> question, facts (and a planted answer, if there is one)
            numbers = sorted(rng.sample(range(2, at(rng, level, 50, 500, 5000)), 2))
            return f"What is the greatest common divisor of {numbers}? Answer with one integer.", dict(numbers=numbers)

        @staticmethod
        def solve(numbers):                           # plain Python, imports inside, reads nothing but its arguments
            import math
            return math.gcd(*numbers)

`solve` is written once and serves three times: it gives the expected answer, its source is the program that
supervised data shows to the model, and the tests run that program in the sandbox.

Answers are text written by a model, so they are hostile: nothing here evaluates them, they are parsed by hand.
"""
import ast
import hashlib
import inspect
import json
import math
import re
import textwrap
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any, Callable

PURPOSES = ("sft", "rl", "val", "eval")  # every question belongs to one of them, for ever
LEVELS = (1, 2, 3, 4, 5)
MAX_ANSWER = 20_000   # characters; a longer answer is wrong before it is parsed
MAX_REDRAWS = 2_000   # a question fits its purpose one time in four

TASKS: dict[str, "Task"] = {}  # "suite/name" -> task; filled by subclassing, sorted by tasks/__init__.py


@dataclass(frozen=True)
class Instance:
    """One question. `facts` holds what the question shows, as literals; `expect` is one right answer as text."""
    task: str
    seed: int
    level: int
    purpose: str
    question: str
    facts: dict[str, Any]
    expect: str


def purpose_of(question: str) -> str:
    """The purpose a question text belongs to: its SHA-256 decides, so no two purposes can share a question."""
    digest = hashlib.sha256(question.encode()).digest()
    return PURPOSES[digest[0] % len(PURPOSES)]


# ---- the class ------------------------------------------------------------------------------------------------------

class Task:
    """Base of all tasks; see the module's docstring for an example.

    suite    "rg" | "symbench" | "bbh"
    split    "train" | "test": whole tasks are held out
    grade    "A" same family as the original, "B" narrower than a human-written original, "C" a rule-based stand-in
    natural  whether writing a program is the natural way to answer
    uses     module-level functions that `solve` calls: their source goes into the program, before `solve`
    parse    reads an answer before it is compared with the expected one; raises on malformed text
    """
    suite, split, grade, natural = "rg", "train", "A", True
    name, family = "", ""
    uses: tuple[Callable, ...] = ()

    def __init_subclass__(cls, abstract: bool = False) -> None:
        cls.family = cls.__module__.rsplit(".", 1)[-1]
        if abstract:  # a shared parent of several tasks
            return
        if "name" not in cls.__dict__:
            cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        key = f"{cls.suite}/{cls.name}"
        assert key not in TASKS, f"two tasks are called {key}"
        TASKS[key] = cls()

    @property
    def key(self) -> str:
        return f"{self.suite}/{self.name}"

    # -- what a task writes --

    def make(self, rng: Random, level: int) -> tuple:
        """Draw a question from `rng` alone: (question, facts) or (question, facts, planted answer)."""
        raise NotImplementedError

    @staticmethod
    def solve(**facts: Any) -> Any:
        """The answer, computed from the facts alone."""
        raise NotImplementedError

    def check(self, answer: str, instance: Instance) -> bool:
        """Whether the answer is right; may raise. Tasks with many right answers override it."""
        return self.parse(answer) == self.parse(instance.expect)

    @staticmethod
    def parse(text: str) -> Any:
        return norm(text)

    # -- what everybody calls --

    def generate(self, seed: int, level: int = 3, purpose: str = "eval") -> Instance:
        """The question number `seed`: the same in every process, and never shared between two purposes."""
        if level not in LEVELS:
            raise ValueError(f"level {level!r} of task {self.key}: levels are 1 to 5")
        if purpose not in PURPOSES:
            raise ValueError(f"purpose {purpose!r} of task {self.key}: one of {', '.join(PURPOSES)}")
        # A string seed is hashed with SHA-512: neighbouring seeds share nothing, and PYTHONHASHSEED has no say.
        rng = Random(f"{self.suite}/{self.name}/{level}/{seed}")
        for _ in range(MAX_REDRAWS):
            question, facts, *planted = self.make(rng, level)
            if purpose_of(question) == purpose:
                expect = planted[0] if planted else self.solve(**facts)
                return Instance(self.key, seed, level, purpose, question, facts, str(expect))
        raise RuntimeError(f"task {self.key}, level {level}: no {purpose} question in {MAX_REDRAWS} draws")

    def verify(self, instance: Instance, answer: str) -> bool:
        """Whether `answer` is right. Never raises and never evaluates: whatever cannot be parsed is wrong."""
        if not isinstance(answer, str) or len(answer) > MAX_ANSWER:
            return False
        try:
            return bool(self.check(answer, instance))
        except Exception:  # hostile text can raise anything: ValueError, RecursionError, OverflowError, ...
            return False

    def program(self, instance: Instance) -> str:
        """A program that prints the answer alone. A task sets `program = None` where text is the natural way."""
        sources = [textwrap.dedent(inspect.getsource(function)) for function in (*self.uses, self.solve)]
        sources[-1] = sources[-1].replace("@staticmethod\n", "", 1)
        facts = ", ".join(f"{name}={fact!r}" for name, fact in instance.facts.items())
        return "\n".join(sources) + f"\nprint(solve({facts}))\n"

    def script(self, instance: Instance) -> str:
        """The program without the function around it, for a `solve` that returns once: `program = Task.script`."""
        sources = [textwrap.dedent(inspect.getsource(function)) for function in (*self.uses, self.solve)]
        body = textwrap.dedent(sources.pop().split("):\n", 1)[1])
        before, result = body.rsplit("return ", 1)
        facts = "".join(f"{name} = {fact!r}\n" for name, fact in instance.facts.items())
        return "\n".join([*sources, f"{facts}{before}print({result.strip()})\n"])

    def rationale(self, instance: Instance) -> str:
        """A short derivation in words that ends in the answer: tasks without a program override it."""
        return f"The answer is {instance.expect}."


class Choice(Task, abstract=True):
    """Multiple choice: `facts["options"]` is the block of choices that the question shows; see `options` below."""

    def check(self, answer: str, instance: Instance) -> bool:
        return letter(answer, instance.facts["options"]) == instance.expect


class Formula(Task, abstract=True):
    """Questions from a `table` of (text, formula). Both hold slots such as {a * b}: expressions over what is drawn.

    The formula with its slots filled is the program, so it is Python over + - * / ** and the `functions` by name.
    """
    table: tuple[tuple[str, str], ...] = ()
    functions: dict[str, Callable] = {}
    ending = "Answer with one number."

    def slots(self, rng: Random, level: int) -> dict[str, Any]:
        """What the slots may name: numbers and words."""
        raise NotImplementedError

    def fits(self, answer: Any, level: int) -> bool:
        return answer > 0

    def make(self, rng: Random, level: int) -> tuple:
        table = self.table[:max(8, len(self.table) // 3)] if level == 1 else self.table  # the easy ones come first
        while True:
            slots = self.slots(rng, level)
            text, formula = (re.sub(r"{(.*?)}", lambda slot: decimal(value(slot[1], slots)), part)
                             for part in rng.choice(table))
            answer = value(formula, {"pi": math.pi}, {name: self._exact(f) for name, f in self.functions.items()})
            if self.fits(answer, level):
                return f"{text} {self.ending}", dict(formula=formula), int(answer) if answer == int(answer) else answer

    @staticmethod
    def _exact(function: Callable) -> Callable:
        """The function for exact numbers: whole ones reach it as int, and an int comes back as a Fraction."""
        def call(*numbers: Any) -> Any:
            result = function(*(int(x) if x == int(x) else x for x in numbers))
            return Fraction(result) if isinstance(result, int) else result
        return call

    def program(self, instance: Instance) -> str:
        formula = instance.facts["formula"]
        used = [name for name in ["pi", *self.functions] if re.search(rf"\b{name}\b", formula)]
        known = ", ".join(sorted(name for name in used if hasattr(math, name)))
        lines = [f"from math import {known}\n"] if known else []
        lines += ["from fractions import Fraction\n"] if "Fraction" in used else []
        own = [self.functions[name] for name in used if inspect.isfunction(self.functions.get(name))]
        lines += [inspect.getsource(function) for function in own]
        return "".join(lines) + f"print({formula})\n"


# ---- for generators -------------------------------------------------------------------------------------------------

def at(rng: Random, level: int, easy: Any, default: Any, hard: Any) -> Any:
    """A knob's setting at levels 1, 3 and 5; levels 2 and 4 draw one of the two neighbours."""
    return {1: easy, 2: rng.choice((easy, default)), 3: default, 4: rng.choice((default, hard)), 5: hard}[level]


def options(rng: Random, right: Any, wrong: list, shuffle: bool = True) -> tuple[str, str]:
    """A block of lettered choices and the letter of the right one: ("(A) x\\n(B) y", "B"). All must differ."""
    choices = [str(choice) for choice in (right, *wrong)]
    assert len(set(choices)) == len(choices), f"two choices are the same: {choices}"
    if shuffle:
        rng.shuffle(choices)
    lines = [f"({chr(65 + i)}) {choice}" for i, choice in enumerate(choices)]
    return "\n".join(lines), chr(65 + choices.index(str(right)))


def decimal(x: Any) -> str:
    """A number as a story tells it: whole, or with two digits after the point; a word stays as it is."""
    return str(x) if isinstance(x, str) or x == int(x) else f"{int(x)}.{int(x * 100) % 100:02}"


def tie(x: Fraction) -> bool:
    """Whether x is so near the middle of two integers that an answer should not depend on rounding it."""
    return abs(abs(x) % 1 - Fraction(1, 2)) < Fraction(1, 100)


def show(grid: list[list]) -> str:
    """A grid as text: one row a line, cells apart by blanks."""
    return "\n".join(" ".join(map(str, row)) for row in grid)


# ---- for checkers: text in, value out, anything unexpected raises ---------------------------------------------------

def norm(text: str) -> str:
    """Text without outer quotes, final full stop, case and spare blanks."""
    text = " ".join(str(text).split())
    text = text.strip("\"'`").removesuffix(".").strip("\"'` ")
    return text.casefold()


def integer(text: str) -> int:
    """An integer; "1,234", "+7", "12.0", "x = 3" and "`5`" are integers too."""
    text = norm(text).split("=")[-1].replace("−", "-")
    match = re.fullmatch(r"\s*([+-]?\s*(?:\d+|\d{1,3}(?:[, _]\d{3})+))(?:\.0*)?\s*", text, re.ASCII)
    if not match:
        raise ValueError(f"not an integer: {text[:40]!r}")
    return int(re.sub(r"[\s,_]", "", match[1]))


def number(text: str) -> Fraction:
    """An exact number: integer, decimal, e-notation or a/b, with optional thousands commas."""
    text = norm(text).split("=")[-1].replace("−", "-").strip()
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    part = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?"
    if not re.fullmatch(rf"{part}(?:\s*/\s*{part})?", text, re.ASCII):
        raise ValueError(f"not a number: {text[:40]!r}")
    top, _, bottom = text.partition("/")
    return Fraction(top.strip()) / Fraction(bottom.strip() or 1)


def close(answer: str, expect: str, tolerance: float) -> bool:
    """Whether two numbers differ by at most tolerance * max(1, |expected|)."""
    gold = number(expect)
    return abs(number(answer) - gold) <= Fraction(tolerance) * max(1, abs(gold))


def items(text: str) -> list[str]:
    """The parts of a list: a literal list, or text with commas, or else with blanks; quotes and brackets dropped."""
    text = str(text).strip()
    if text[:1] in "[(" and text[-1:] in ")]":
        text = text[1:-1]
    parts = text.split(",") if "," in text else text.split()
    return [part.strip().strip("\"'`").strip() for part in parts if part.strip()]


def ints(text: str) -> list[int]:
    """The integers of a list, in order; every part must be one."""
    return [integer(part) for part in items(text)]


def grid(text: str, cell: Callable[[str], Any] = str) -> list[list]:
    """A grid: one row a line, cells apart by commas or blanks; or a literal list of lists."""
    text = str(text).strip()
    if re.match(r"\[\s*\[", text):
        rows = re.findall(r"\[([^\[\]]*)\]", text)
        if re.sub(r"\[[^\[\]]*\]", "", text).strip("[], \r\n\t"):
            raise ValueError("text between the rows of a grid")
    else:
        rows = [line.strip().strip("[],") for line in text.splitlines() if line.strip()]
    return [[cell(part) for part in items(row)] for row in rows]


def amount(text: str) -> Any:
    """A number as a formula: 12, 7/2, 3*sqrt(2), 5π/6, \\frac{7}{2} or 2√3; exact unless a root or pi is in it."""
    text = norm(text).split("=")[-1].strip("$° ").replace("^\\circ", "").removesuffix("degrees")
    if len(text) > 500:
        raise ValueError("formula too long")
    for _ in "ab":  # a root in a fraction, or a fraction in a root
        text = re.sub(r"\\[dt]?frac\s*{([^{}]*)}\s*{([^{}]*)}", r"((\1)/(\2))", text)
        text = re.sub(r"\\?sqrt\s*{([^{}]*)}|(?:√|sqrt)\s*(\d+)", r"sqrt(\1\2)", text)
    for old, new in (("√", "sqrt"), ("π", "pi"), ("\\cdot", "*"), ("·", "*"), ("×", "*"), ("^", "**"), ("−", "-"),
                     ("\\left", ""), ("\\right", ""), ("\\", ""), ("{", "("), ("}", ")")):
        text = text.replace(old, new)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(?<=[\d)i])\s*(?=\(|sqrt|pi)", "*", text)  # 2sqrt(3), 5 pi: a product
    return value(text.strip(), {"pi": math.pi}, {"sqrt": math.sqrt})


def literal(text: str) -> Any:
    """A Python or JSON literal. `ast.literal_eval` builds constants only: it cannot call anything."""
    text = str(text).strip()
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(text)


def letter(text: str, choices: str) -> str:
    """The letter of a choice: "(B)", "B", "b.", "B) text" or its text alone. A letter with another text is no choice."""
    text = " ".join(str(text).split()).strip("\"'`* ")
    texts = {line[1]: norm(line[3:]) for line in choices.splitlines()}
    for tag, choice in texts.items():
        if choice == norm(text):
            return tag
    match = re.fullmatch(r"\(?([A-Za-z])(?:\)?[.:)]?\s(.*)|\)?[.:]?)", text)
    if not match or match[2] and norm(match[2]) != texts.get(match[1].upper()):
        raise ValueError(f"not a choice: {text[:40]!r}")
    return match[1].upper()


def yes_no(text: str) -> bool:
    """Yes or no, true or false."""
    return {"yes": True, "true": True, "no": False, "false": False}[norm(text)]


# ---- arithmetic without eval ----------------------------------------------------------------------------------------

_OPERATORS = {ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
              ast.Div: lambda a, b: a / b}


def value(text: str, names: dict[str, Any] | None = None, functions: dict[str, Callable] | None = None,
          const: Callable[[str], Any] = Fraction) -> Any:
    """The value of an arithmetic expression over + - * / ** and brackets, exact unless `const` is float.

    Walks a whitelist of syntax nodes: no attribute, index, comparison or call but of the given `functions`.
    Raises ValueError on anything else, and on numbers beyond about 10,000 bits.
    """
    text = " ".join(str(text).split())  # one line, so that an offset is a place in it
    if len(text) > 2_000 or "#" in text:
        raise ValueError("expression too long, or with a comment")
    source = text.encode()

    def bits(x: Fraction) -> int:
        return max(x.numerator.bit_length(), x.denominator.bit_length())

    def walk(node: ast.AST) -> Any:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            digits = source[node.col_offset:node.end_col_offset].decode().replace("_", "").lower()
            if len(digits.partition("e")[2]) > 4:  # 1e9999 is a number of 9,999 digits
                raise ValueError("exponent out of bounds")
            return const(digits)
        if isinstance(node, ast.Name) and node.id in (names or {}):
            return names[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            return -walk(node.operand) if isinstance(node.op, ast.USub) else walk(node.operand)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            result = _OPERATORS[type(node.op)](walk(node.left), walk(node.right))
            if isinstance(result, Fraction) and bits(result) > 10_000:  # else a long product takes seconds
                raise ValueError("number out of bounds")
            return result
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            base, exponent = walk(node.left), walk(node.right)
            if isinstance(base, Fraction):
                if exponent.denominator != 1 or bits(base) * abs(exponent) > 10_000:
                    raise ValueError("exponent out of bounds")
                exponent = int(exponent)
            return base ** exponent
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords \
                and node.func.id in (functions or {}):
            return functions[node.func.id](*map(walk, node.args))
        raise ValueError(f"not allowed in an expression: {type(node).__name__}")

    return walk(ast.parse(text, mode="eval").body)
