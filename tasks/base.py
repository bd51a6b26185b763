"""What the tasks share: the class, the registry, the purposes of questions, the parsers of answers.

A task is a class with two or three short methods. Subclassing `Task` registers it, Gcd -> "rg/gcd":

    class Gcd(Task):                    # its name is the class name in snake case
        parse = staticmethod(integer)   # how an answer is read before it is compared

        def make(self, rng, level):     # -> question, facts (and a planted answer, if there is one)
            numbers = sorted(rng.sample(range(2, at(rng, level, 50, 500, 5000)), 2))
            question = f"What is the greatest common divisor of {numbers}? Answer with one integer."
            return question, dict(numbers=numbers)

        @staticmethod
        def solve(numbers):             # plain Python, imports inside, reads its arguments alone
            import math
            return math.gcd(*numbers)

`solve` gives the expected answer. In half of the tasks its source is also the program that
supervised data shows to the model; the others write a `program` nearer to what a person would type,
and where words are the natural way there is none. The tests run every program in the sandbox.

Answers are text written by a model, so they are hostile: nothing here evaluates them.
"""
import ast
import hashlib
import inspect
import math
import operator
import re
import textwrap
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any, Callable, Iterator

# What is held out, in two ways:
#
#     questions    of every task. Each question has one of these purposes, for ever: `purpose_of`
#                  takes it from a hash of the text, and `Task.generate` draws until it fits. sft.py
#                  trains on "sft"; grpo.py trains on "rl" and validates on "val"; both measure on
#                  "eval". (OWN_PURPOSES in questions.py: those of a user's own questions)
#     tasks        37 of the 144, as a whole: their class says split = "test". `--tasks train`
#                  leaves them out, `--tasks test` asks them
PURPOSES = ("sft", "rl", "val", "eval")
LEVELS = (1, 2, 3, 4, 5)
MAX_ANSWER = 20_000   # characters; a longer answer is wrong before it is parsed
MAX_REDRAWS = 2_000   # a question fits its purpose one time in four
MAX_LAYERS = 8        # of quotes, $, ** and the like that are taken off an answer

# "suite/name" -> task: filled by subclassing, sorted by tasks/__init__.py
TASKS: dict[str, "Task"] = {}


@dataclass(frozen=True)
class Instance:
    """One question: `facts` holds what it shows, as literals; `expect` is one right answer."""
    task: str
    seed: int
    level: int
    purpose: str
    question: str
    facts: dict[str, Any]
    expect: str


def purpose_of(question: str, purposes: tuple[str, ...] = PURPOSES) -> str:
    """The purpose of a question: the SHA-256 of its text decides, so it never has two."""
    digest = hashlib.sha256(question.encode()).digest()
    return purposes[digest[0] % len(purposes)]


# ---- the class ----------------------------------------------------------------------------------

class Task:
    """Base of all tasks; see the module's docstring for an example.

    suite     "rg" | "symbench" | "bbh"
    split     "train" | "test": held out as a whole task; training on it says so
    grade     "A" same family as the original, "B" narrower than a human-written original,
              "C" a rule-based stand-in
    shortcut  for grades B and C: a sentence that names a cheap rule which answers far more than a
              guess does, in the original as well
    uses      functions of the module that `solve` calls: their source goes into the program as well
    parse     reads an answer before it is compared with the expected one; raises on malformed text
    """
    suite, split, grade = "rg", "train", "A"
    name, family = "", ""
    shortcut: str | None = None
    uses: tuple[Callable, ...] = ()

    def __init_subclass__(cls, abstract: bool = False) -> None:
        cls.family = cls.__module__.rsplit(".", 1)[-1]
        if abstract:  # a shared parent of several tasks
            return
        if "name" not in cls.__dict__:  # WordSorting -> word_sorting
            cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        key = f"{cls.suite}/{cls.name}"
        assert key not in TASKS, f"two tasks are called {key}"
        TASKS[key] = cls()

    @property
    def key(self) -> str:
        return f"{self.suite}/{self.name}"

    @property
    def natural(self) -> bool:
        """Whether a program is the natural way to answer: where it is not, `program = None`."""
        return self.program is not None

    # -- what a task writes --

    def make(self, rng: Random, level: int) -> tuple:
        """A question drawn from `rng` alone: (question, facts), or with a planted answer third."""
        raise NotImplementedError

    @staticmethod
    def solve(**facts: Any) -> Any:
        """The answer, computed from the facts alone."""
        raise NotImplementedError

    @staticmethod
    def parse(text: str) -> Any:
        return norm(text)

    def check(self, answer: str, instance: Instance) -> bool:
        """Whether the answer is right; may raise. Tasks with many right answers override it."""
        return self.parse(answer) == self.parse(instance.expect)

    # -- what everybody calls --

    def generate(self, seed: int, level: int = 3, purpose: str = "eval") -> Instance:
        """Question number `seed`: the same in every process, never shared between two purposes."""
        if level not in LEVELS:
            raise ValueError(f"level {level!r} of task {self.key}: levels are 1 to 5")
        if purpose not in PURPOSES:
            known = ", ".join(PURPOSES)
            raise ValueError(f"purpose {purpose!r} of task {self.key}: one of {known}")
        # A string is hashed with SHA-512: close seeds share nothing, nor has PYTHONHASHSEED a say.
        rng = Random(f"{self.key}/{level}/{seed}")
        # One draw in four belongs to the purpose that is asked for; the first that does is taken.
        for _ in range(MAX_REDRAWS):
            made = self.make(rng, level)
            if not isinstance(made, tuple):
                raise TypeError(f"task {self.key}: make returned {made!r:.60}, where a question "
                                "and its facts are needed: a text, a dict")
            question, facts, *planted = made
            if purpose_of(question) == purpose:
                expect = planted[0] if planted else self.solve(**facts)
                return Instance(self.key, seed, level, purpose, question, facts, str(expect))
        raise RuntimeError(
            f"task {self.key}, level {level}: no {purpose} question in {MAX_REDRAWS} draws")

    def verify(self, instance: Instance, answer: str) -> bool:
        """Whether `answer` is right. Never raises: whatever cannot be parsed is wrong."""
        return accepts(self.check, answer, instance)

    def program(self, instance: Instance) -> str:
        """A program that prints the answer alone: the source of `solve`, and a call with the facts.

            def solve(numbers):
                import math
                return math.gcd(*numbers)

            print(solve(numbers=[12, 18]))

        A task sets `program = None` where text is the natural way.
        """
        return "\n".join([*self._sources(), f"print(solve({arguments(instance.facts)}))\n"])

    def script(self, instance: Instance) -> str:
        """As `program`, but what `solve` does stands outside of a function: for a `solve` without a
        return annotation whose last line is its one `return`. `program = Task.script` takes it.

            numbers = [12, 18]
            import math
            print(math.gcd(*numbers))
        """
        *helpers, solve = self._sources()
        body = textwrap.dedent(solve.split("):\n", 1)[1])
        steps, result = body.rsplit("return ", 1)
        facts = "".join(f"{name} = {fact!r}\n" for name, fact in instance.facts.items())
        return "\n".join([*helpers, f"{facts}{steps}print({result.strip()})\n"])

    def _sources(self) -> list[str]:
        """The source of every helper that `solve` uses, and last of `solve` itself."""
        functions = (*self.uses, self.solve)
        sources = [textwrap.dedent(inspect.getsource(function)) for function in functions]
        sources[-1] = sources[-1].replace("@staticmethod\n", "", 1)
        return sources

    def rationale(self, instance: Instance) -> str:
        """A short derivation in words that ends in the answer, for tasks without a program."""
        return f"The answer is {instance.expect}."


class Choice(Task, abstract=True):
    """Multiple choice: `facts["options"]` is the block of choices; see `options`."""

    def check(self, answer: str, instance: Instance) -> bool:
        return letter(answer, instance.facts["options"]) == instance.expect


class Formula(Task, abstract=True):
    """Questions from a `table` of (text, formula), with slots in braces for what is drawn:

        ("{X} has {a} coins and gets {b} more. How many is that?", "{a} + {b}")

    A slot is an expression over the drawn numbers and words, so {a * b} is one too. The formula
    with its slots filled, "3 + 4", is the program: Python over + - * / ** and the `functions`.
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
        # The easy ones come first in the table, and are all there is at level 1.
        table = self.table[:max(8, len(self.table) // 3)] if level == 1 else self.table
        names = {name: self._exact(function) for name, function in self.functions.items()}
        names["pi"] = math.pi
        while True:
            slots = self.slots(rng, level)
            text, formula = rng.choice(table)
            text, formula = self._filled(text, slots), self._filled(formula, slots)
            answer = value(formula, names)
            if self.fits(answer, level):
                expect = int(answer) if answer == int(answer) else answer
                return f"{text} {self.ending}", dict(formula=formula), expect

    @staticmethod
    def _filled(text: str, slots: dict[str, Any]) -> str:
        """The text with every {slot} replaced by its value."""
        return re.sub(r"{(.*?)}", lambda slot: decimal(value(slot[1], slots)), text)

    @staticmethod
    def _exact(function: Callable) -> Callable:
        """The function for exact numbers: whole ones reach it as int, and leave it as Fraction."""
        def call(*numbers: Any) -> Any:
            result = function(*(int(x) if x == int(x) else x for x in numbers))
            return Fraction(result) if isinstance(result, int) else result
        return call

    def program(self, instance: Instance) -> str:
        """The imports that the formula needs, and `print(formula)`."""
        formula = instance.facts["formula"]
        used = [name for name in ["pi", *self.functions] if re.search(rf"\b{name}\b", formula)]
        lines = []
        # Names that `math` has are imported from there, Fraction from its module.
        known = ", ".join(sorted(name for name in used if hasattr(math, name)))
        if known:
            lines.append(f"from math import {known}\n")
        if "Fraction" in used:
            lines.append("from fractions import Fraction\n")
        # A function of the task's own comes with its source.
        for name in used:
            if inspect.isfunction(self.functions.get(name)):
                lines.append(inspect.getsource(self.functions[name]))
        return "".join(lines) + f"print({formula})\n"


# ---- right answers, dressed or not ---------------------------------------------------------------

# What people and models put around an answer: before -> after, "$$" before "$", which begins alike.
DRESS = {"```": "```", "\\boxed{": "}", "\\text{": "}", "\\[": "\\]", "\\(": "\\)",
         "$$": "$$", "$": "$", "**": "**", "`": "`", '"': '"', "'": "'", "“": "”", "‘": "’"}


def accepts(check: Callable[[str, Instance], bool], answer: str, instance: Instance) -> bool:
    """Whether `check` holds for the answer as it stands or, failing that, without its dress.

    The parsers see the text as it was given first: what looks like dress may be the answer itself,
    as the prime in B', a move of a cube. A text that makes a parser raise is wrong.
    """
    if not isinstance(answer, str) or len(answer) > MAX_ANSWER:
        return False
    for text in undressed(answer.replace("−", "-")):  # the minus of print is that of a keyboard
        try:
            if check(text, instance):
                return True
        except Exception:  # hostile text can raise anything: ValueError, RecursionError, ...
            pass
    return False


def undressed(answer: str) -> Iterator[str]:
    r"""The answer, then what is left after each layer of dress, from outside in.

        **$\boxed{42}$**.  ->  **$\boxed{42}$**  ->  $\boxed{42}$  ->  \boxed{42}  ->  42
    """
    text = answer
    for _ in range(MAX_LAYERS + 1):
        yield text
        inside = without_a_layer(text.strip())
        if inside is None:
            return
        text = inside.strip()


def without_a_layer(text: str) -> str | None:
    """The text without its outermost fence, pair of marks or full stop; None if it wears none."""
    # ```python, some lines, ```
    fence = re.match("```+|~~~+", text)
    lines = text.split("\n")
    if fence and len(lines) > 2 and lines[-1].strip() == fence[0]:
        return "\n".join(lines[1:-1])
    for before, after in DRESS.items():
        room = len(text) > len(before) + len(after)
        if room and text.startswith(before) and text.endswith(after):
            return text[len(before):-len(after)]
    # A full stop after a word, a number or a closing mark; elsewhere it may be a cell of a grid.
    if re.search(r"[\w%)\]}>\"'`*$”’]\.$", text):
        return text[:-1]
    return None


# ---- for generators ------------------------------------------------------------------------------

def at(rng: Random, level: int, easy: Any, default: Any, hard: Any) -> Any:
    """One of three values at levels 1, 3 and 5; levels 2 and 4 draw one of the two neighbours."""
    # Both are drawn whatever the level, so that what a seed draws next is the same at all levels.
    below = rng.choice((easy, default))
    above = rng.choice((default, hard))
    return {1: easy, 2: below, 3: default, 4: above, 5: hard}[level]


def between(rng: Random, level: int, *bounds: tuple[int, int]) -> int:
    """A number as large as the level says: `at` chooses among three (lowest, highest)."""
    return rng.randint(*at(rng, level, *bounds))


def options(rng: Random, right: Any, wrong: list) -> tuple[str, str]:
    """Lettered choices, all different, and the letter of the right one: ("(A) x\\n(B) y", "B")."""
    choices = [str(choice) for choice in (right, *wrong)]
    assert len(set(choices)) == len(choices), f"two choices are the same: {choices}"
    rng.shuffle(choices)
    lines = [f"({chr(65 + i)}) {choice}" for i, choice in enumerate(choices)]
    return "\n".join(lines), chr(65 + choices.index(str(right)))


def decimal(x: Any) -> str:
    """A number as a story tells it: whole, or with two decimals; a word stays as it is."""
    return str(x) if isinstance(x, str) or x == int(x) else f"{int(x)}.{int(x * 100) % 100:02}"


def tie(x: Fraction) -> bool:
    """Whether x is so near the middle of two integers that rounding it is a matter of luck."""
    return abs(abs(x) % 1 - Fraction(1, 2)) < Fraction(1, 100)


def arguments(facts: dict[str, Any]) -> str:
    """Facts as a program hands them to a function: "numbers=[12, 18], order='ascending'"."""
    return ", ".join(f"{name}={fact!r}" for name, fact in facts.items())


def show(grid: list, gap: str = " ") -> str:
    """A grid as text: one row a line, the cells apart by blanks or by another gap."""
    return "\n".join(gap.join(map(str, row)) for row in grid)


# ---- for checkers: text in, value out, anything unexpected raises --------------------------------

def norm(text: str) -> str:
    """Text without outer quotes, final full stop, case and spare blanks; a − is a -."""
    text = " ".join(text.replace("−", "-").split())
    text = text.strip("\"'`").removesuffix(".").strip("\"'` ")
    return text.casefold()


COUNTS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
            fifteen sixteen seventeen eighteen nineteen twenty""".split()
FRACTION = r"\\[dt]?frac\s*{([^{}]*)}\s*{([^{}]*)}"  # \frac{7}{2}, in a formula


def numeral(text: str) -> str:
    """A number's spelling made plain: "x = −1,234" -> "-1234", "$5" and "five" -> "5"."""
    # The comma of 1,234 is {,} or \, in a formula.
    text = lowered(norm(text)).replace("{,}", ",").replace("\\,", ",")
    thousands = r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])"
    text = re.sub(thousands, lambda n: n[0].replace(",", ""), text)
    text = re.sub(r"^([+-]?)\$", r"\1", right_side(text))
    return str(COUNTS.index(text)) if text in COUNTS else text


def lowered(text: str) -> str:
    """Text with raised digits as a power: "10⁻²" -> "10^-2"."""
    digits = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
    raised = "[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+"
    return re.sub(raised, lambda power: "^" + power[0].translate(digits), text)


def equal(left: str, right: str) -> bool:
    """Whether two formulas have one value; a decimal on the right may be rounded."""
    tolerance = 0.005 if "." in right else 1e-9
    left, right = (worth(side.replace("$", "")) for side in (left, right))
    return math.isclose(left, right, rel_tol=tolerance)


def right_side(text: str, same: Callable[[str, str], bool] = equal) -> str:
    """What is after the last "=": the 20 of "x = 20", "gcd(60, 80) = 20" and "12 + 8 = 20".

    Before it stands nothing, a name, some words without numbers, or what is the `same` as that.
    """
    *before, right = (side.strip() for side in text.split("="))
    if len(before) > 9:  # 1=1=1=... thousands of times would take seconds
        raise ValueError("too many equations")
    for left in before:
        if re.search(rf"[!<>≠≤≥]|\b(?:not|never|or|{'|'.join(COUNTS)})\b", left):
            raise ValueError(f"not an equation: {text[:40]!r}")
        # The brackets of f(12), and what may be in or around the words: x_{1}, \angle B, "so, x".
        words = re.sub(r"(?<=\w) ?\([^()]*\)|[{}\\,:∠]", " ", left.replace("_{", "_"))
        named = all(word.isidentifier() for word in words.split())
        if not named and not same(left, right):
            raise ValueError(f"what stands before = is something else: {text[:40]!r}")
    return right


def integer(text: str) -> int:
    """An integer; "1,234", "1 234", "+7", "12.0", "x = 3" and "`5`" are integers too."""
    sign, digits = r"[+-]?\s*", r"(?:\d+|\d{1,3}(?:[ _]\d{3})+)"
    match = re.fullmatch(rf"({sign}{digits})(?:\.0*)?", numeral(text), re.ASCII)
    if not match:
        raise ValueError(f"not an integer: {text[:40]!r}")
    return int(re.sub(r"[\s_]", "", match[1]))


def number(text: str) -> Fraction:
    """An exact number: an integer or a decimal, 7/2, \\frac{7}{2}, 5.58e2 or 5.58 × 10^2."""
    plain = re.sub(rf"^([+-]?){FRACTION}$", r"\1\2/\3", numeral(text))
    times_ten_to_the = r"\s*(?:×|x|\*|·|\\times|\\cdot)\s*10\s*(?:\^|\*\*)\s*"
    plain = re.sub(rf"(?<=[\d.]){times_ten_to_the}[{{(]?([+-]?\d{{1,3}})[}})]?", r"e\1", plain)
    part = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?"
    if not re.fullmatch(rf"{part}(?:\s*/\s*{part})?", plain, re.ASCII):
        raise ValueError(f"not a number: {text[:40]!r}")
    top, _, bottom = plain.partition("/")
    return Fraction(top.strip()) / Fraction(bottom.strip() or 1)


def amount(text: str) -> Any:
    """A number as a formula: 12, 7/2, 3*sqrt(2), 5π/6 or 2√3; exact without a root and pi."""
    return worth(numeral(text))


def worth(formula: str) -> Any:
    """The value of such a formula, once its numbers are plain."""
    if len(formula) > 500:
        raise ValueError("formula too long")
    if re.search(rf"\d\s*{FRACTION}", formula):  # 1\frac{1}{2} is 1.5 to some and 0.5 to others
        raise ValueError("a number beside a fraction")
    formula = formula.replace("^{\\circ}", "").replace("^\\circ", "")
    formula = formula.removesuffix("degrees").rstrip("° ")
    # A root may stand in a fraction, or a fraction in a root: the second round reads the outer one.
    for _ in range(2):
        formula = re.sub(FRACTION, r"((\1)/(\2))", formula)
        formula = re.sub(r"\\?sqrt\s*{([^{}]*)}|(?:√|sqrt)\s*(\d+)", r"sqrt(\1\2)", formula)
    # Other signs become Python's, a word of LaTeX before its backslash.
    python = {"√": "sqrt", "π": "pi", "\\cdot": "*", "\\times": "*", "·": "*", "×": "*",
              "^": "**", "\\left": "", "\\right": "", "\\": "", "{": "(", "}": ")"}
    for old, new in python.items():
        formula = formula.replace(old, new)
    # A product: 2sqrt(3), 5 pi, pi(3).
    formula = re.sub(r"(?<=[\d)i])\s*(?=\(|sqrt|pi)", "*", formula)
    return value(formula.strip(), {"pi": math.pi, "sqrt": math.sqrt})


def items(text: str) -> list[str]:
    """The parts of a list: [1, 2], "1, 2", "1 2" or "1 and 2", without its brackets and their
    quotes; "x = 3" or "x: 3" is one part.
    """
    text = re.sub(r"\b([A-Za-z]\w*)\s*[=:]\s*(?=[-+\d.])", r"\1=", text)
    return cells(re.sub(r"(?i)^(\S+) and (\S+)$", r"\1, \2", commas(text)))


def commas(text: str) -> str:
    """A list with commas alone: "a, b and c" -> "a, b, c"; in "a and b c" the "and" is a word."""
    return re.sub(r"(?i)(?<![\s,])[\s,]+and\s+(?=[^\s,]+$)", ", ", text) if "," in text else text


def cells(text: str) -> list[str]:
    """The parts of a row, whatever they are: "n = 4" has three."""
    text = text.strip()
    if text[:1] in "[(" and text[-1:] in ")]":
        text = text[1:-1]
    parts = text.split(",") if "," in text else text.split()
    return [part.strip().strip("\"'`").strip() for part in parts if part.strip()]


def ints(text: str) -> list[int]:
    """The integers of a list, in order; every part must be one."""
    return [integer(part) for part in items(text)]


def named_integers(text: str) -> tuple[list[str], list[int]]:
    """The names in capitals, as far as there are any, and the integers of "A = 1, B: 5" or "1, 5".
    """
    sides = [part.replace(":", "=").rpartition("=") for part in items(text)]
    return [name.strip().upper() for name, *_ in sides if name], [integer(n) for *_, n in sides]


def grid(text: str, cell: Callable[[str], Any] = str) -> list[list]:
    """A grid: one row a line, cells apart by commas or blanks; or a literal list of lists."""
    text = text.strip()
    if re.match(r"\[\s*\[", text):
        rows = re.findall(r"\[([^\[\]]*)\]", text)
        if re.sub(r"\[[^\[\]]*\]", "", text).strip("[], \r\n\t"):
            raise ValueError("text between the rows of a grid")
    else:
        rows = [line.strip().strip("[],") for line in text.splitlines() if line.strip()]
    return [[cell(part) for part in cells(row)] for row in rows]


def literal(text: str) -> Any:
    """A Python literal, or JSON of numbers, plain texts, lists and objects: both spell them alike.

    `ast.literal_eval` builds constants: it cannot call anything.
    """
    return ast.literal_eval(text.strip())


def letter(text: str, choices: str) -> str:
    """The letter of a choice: "(B)", "B", "b.", "B) text" or its text; not with another's text."""
    text = " ".join(text.split()).strip("\"'`* ")
    texts = {line[1]: norm(line[3:]) for line in choices.splitlines()}
    for tag, choice in texts.items():
        if choice == norm(text):
            return tag
    match = re.fullmatch(r"\(?([A-Za-z])(?:\)?[.:)]?\s(.*)|\)?[.:]?)", text)
    if not match:
        raise ValueError(f"not a choice: {text[:40]!r}")
    tag, further = match[1].upper(), match[2]
    if further and norm(further) != texts.get(tag):
        raise ValueError(f"the letter of one choice with another text: {text[:40]!r}")
    return tag


def yes_no(text: str) -> bool:
    """Yes or no, true or false."""
    return {"yes": True, "true": True, "no": False, "false": False}[norm(text)]


# ---- arithmetic without eval ---------------------------------------------------------------------

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub,
             ast.Mult: operator.mul, ast.Div: operator.truediv}


def value(text: str, names: dict[str, Any] | None = None,
          const: Callable[[str], Any] = Fraction) -> Any:
    """The value of an expression over + - * / ** and brackets, exact unless `const` is float.

    Walks a whitelist of syntax nodes: no attribute, index or comparison, and no call but of a
    function that is among the `names`. Anything else raises, and so do numbers beyond about
    10,000 bits.
    """
    names = names or {}
    text = " ".join(text.split())  # one line, so that an offset is a place in it
    if len(text) > 2_000 or "#" in text:
        raise ValueError("expression too long, or with a comment")
    source = text.encode()

    def bits(x: Fraction) -> int:
        return max(x.numerator.bit_length(), x.denominator.bit_length())

    def walk(node: ast.AST) -> Any:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            # As they are written: as a float they would not be exact.
            digits = source[node.col_offset:node.end_col_offset].decode().replace("_", "").lower()
            if len(digits.partition("e")[2]) > 4:  # 1e9999 is a number of 9,999 digits
                raise ValueError("exponent out of bounds")
            return const(digits)
        if isinstance(node, ast.Name) and node.id in names:
            return names[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            return -walk(node.operand) if isinstance(node.op, ast.USub) else walk(node.operand)
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            result = OPERATORS[type(node.op)](walk(node.left), walk(node.right))
            # A long product would take seconds.
            if isinstance(result, Fraction) and bits(result) > 10_000:
                raise ValueError("number out of bounds")
            return result
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            base, exponent = walk(node.left), walk(node.right)
            if isinstance(base, Fraction):
                if exponent.denominator != 1 or bits(base) * abs(exponent) > 10_000:
                    raise ValueError("exponent out of bounds")
                exponent = int(exponent)
            return base ** exponent
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return names[node.func.id](*map(walk, node.args))
        raise ValueError(f"not allowed in an expression: {type(node).__name__}")

    return walk(ast.parse(text, mode="eval").body)
