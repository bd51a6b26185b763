"""Puzzles: numbers to combine, squares to fill, queens and colours to place, cards to order."""
import re
from itertools import combinations, permutations
from math import isqrt
from random import Random
from typing import Any

from tasks.base import Instance, Task, at, between, grid, items, show, value
from tasks.families.logic import holds, placed_further, placements, search_order


def pairs(text: str) -> list[tuple[int, int]]:
    """Cells such as "0 1, 2 3", "(0, 1), (2, 3)" or "[[0, 1], [2, 3]]": row and column in turn."""
    text = re.sub(r"\band\b", ",", text)
    if not re.fullmatch(r"[\d\s,;()\[\]]*", text, re.ASCII):
        raise ValueError(f"not a list of cells: {text[:40]!r}")
    numbers = [int(n) for n in re.findall(r"\d+", text)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def mapping(text: str) -> dict[str, str]:
    """Assignments such as "A=1, B=2", {"0": 1, "1": 2} or "A = 1" one a line; nothing twice."""
    sides = text.strip("{}[]() \n.,;").replace(":", "=").split("=")
    tight = "=".join(side.strip() for side in sides)  # blanks part assignments, not their sides
    parts = [re.fullmatch(r"[\"']?(\w+)[\"']?=[\"']?(\w+)[\"']?", part)
             for part in re.split(r"(?:[\s,;]|\b(?:and|AND)\b)+", tight)]
    found = {part[1]: part[2] for part in parts}
    if len(found) < len(parts):
        raise ValueError("something has two values")
    return found


# ---- numbers to combine --------------------------------------------------------------------------

def splits(chosen):
    """Every way to part the chosen into two groups, the smaller one first."""
    from itertools import combinations
    for size in range(1, len(chosen) // 2 + 1):
        for part in combinations(chosen, size):
            yield part, tuple(i for i in chosen if i not in part)


def combined(one, other):
    """From the values of two groups, each with its expression, those of both together."""
    found = {}
    for a, x in one.items():
        for b, y in other.items():
            found[a + b] = f"({x} + {y})"
            found[a * b] = f"({x} * {y})"
            found[a - b] = f"({x} - {y})"
            found[b - a] = f"({y} - {x})"
            if b:
                found[a / b] = f"({x} / {y})"
            if a:
                found[b / a] = f"({y} / {x})"
    return found


def search(chosen, goal, values):
    """An expression over the chosen numbers that has the value `goal`, or None."""
    if chosen in values:
        return values[chosen].get(goal)
    for part, rest in splits(chosen):
        for b, y in values[part].items():
            # If y is one side, which value x must the other one have? x + y = goal, and so on.
            needs = {"({x} + {y})": goal - b, "({x} - {y})": goal + b, "({y} - {x})": b - goal}
            if b:
                needs |= {"({x} * {y})": goal / b, "({x} / {y})": goal * b}
            if b and goal:
                needs["({y} / {x})"] = b / goal
            for form, need in needs.items():
                x = search(rest, need, values)
                if x:
                    return form.format(x=x, y=y)


def reach(numbers, target):
    """An expression that uses each of up to six numbers once and has this value, or None."""
    from fractions import Fraction
    from itertools import combinations
    everything = tuple(range(len(numbers)))
    # Every value of one, two or three of the numbers, with an expression.
    values = {(i,): {Fraction(numbers[i]): str(numbers[i])} for i in everything}
    for size in (2, 3):
        for chosen in combinations(everything, size):
            values[chosen] = {}
            for part, rest in splits(chosen):
                values[chosen] |= combined(values[part], values[rest])
    return search(everything, Fraction(target), values)


def whole_steps(a: int, b: int) -> dict[str, int]:
    """What a and b make by each sign, a division only if it leaves no rest."""
    results = {"+": a + b, "-": a - b, "*": a * b}
    if b and a % b == 0:
        results["/"] = a // b
    return results


def reached_in_turn(numbers: list[int], target: int) -> bool:
    """Whether whole steps in some order, as in ((a + b) * c) - d, make the target."""
    for first, *others in permutations(numbers):
        reached = {first}
        for n in others:
            reached = {result for a in reached for result in whole_steps(a, n).values()}
        if target in reached:
            return True
    return False


def reached_undivided(numbers: list[int], target: int) -> bool:
    """Whether + - * make the target: two numbers become one, until one is left."""
    if len(numbers) == 1:
        return numbers == [target]
    for i, j in combinations(range(len(numbers)), 2):
        a, b = numbers[i], numbers[j]
        others = [n for k, n in enumerate(numbers) if k not in (i, j)]
        for result in (a + b, a - b, b - a, a * b):
            if reached_undivided([*others, result], target):
                return True
    return False


def reached_by_division_alone(numbers: list[int], target: int) -> bool:
    """Whether the numbers make the target, but not without a division."""
    return bool(reach(numbers, target)) and not reached_undivided(numbers, target)


class Reach(Task, abstract=True):
    """Numbers make a target: every expression that uses each once and has the value is right."""
    uses = (splits, combined, search, reach)
    QUESTION = ("Make {} from {}: use each number once, with brackets and + - * / between values. "
                "Answer with the expression.")
    # At level 1 some order in turn does: names for the numbers and signs, and the expression.
    IN_TURN = {3: ("a, b, c", "p, q", "({a}{p}{b}){q}{c}"),
               4: ("a, b, c, d", "p, q, r", "(({a}{p}{b}){q}{c}){r}{d}")}

    def asked(self, numbers: list[int], target: int) -> tuple[str, dict]:
        """The question and its facts."""
        question = self.QUESTION.format(target, ", ".join(map(str, numbers)))
        return question, dict(numbers=numbers, target=target)

    @staticmethod
    def solve(numbers, target):
        return reach(numbers, target)

    def check(self, answer: str, instance: Instance) -> bool:
        numbers, target = instance.facts["numbers"], instance.facts["target"]
        text = re.sub(r"\\(?:times|cdot)\b", "*", answer)
        text = re.sub(r"\\div\b", "/", text)
        text = text.translate(str.maketrans("×·xX÷–[]{}", "****/-()()"))
        text, _, right = text.strip().strip("`").partition("=")
        if right.strip() not in ("", str(target)):
            return False
        # No power, and no sign before a number: only the four operations between two values.
        signed_or_power = re.search(r"\*\s*\*|(^|[(+*/-])\s*[+-]", text)
        if signed_or_power or not re.fullmatch(r"[\d\s()+*/-]+", text):
            return False
        used = [int(digits) for digits in re.findall(r"\d+", text)]
        return sorted(used) == sorted(numbers) and value(text) == target

    def program(self, instance: Instance) -> str:
        if instance.level > 1:
            return super().program(instance)
        numbers, target = instance.facts["numbers"], instance.facts["target"]
        names, signs, expression = self.IN_TURN[len(numbers)]
        return ("from itertools import *\n"
                f"print(next(e for {names} in permutations({numbers})\n"
                f"for {signs} in product('+-*/', repeat={len(numbers) - 1})\n"
                f"if eval(e := f'{expression}') == {target}))\n")


class Game24(Reach):
    """Make 24 from 3, 3, 8, 8: use each number once. -> 8 / (3 - 8 / 3)"""
    suite = "symbench"

    def make(self, rng: Random, level: int) -> tuple:
        reached = at(rng, level, reached_in_turn, reach, reached_by_division_alone)
        numbers = []
        while not numbers or not reached(numbers, 24):
            numbers = [rng.randint(1, 13) for _ in range(4)]
        return self.asked(numbers, 24)


class Countdown(Reach):
    """Make 27 from 4, 3, 15: use each number once. -> (15 + 4 * 3)"""

    def make(self, rng: Random, level: int) -> tuple:
        fewest, most, top, low, high = at(rng, level, (3, 3, 25, 1, 100), (4, 5, 100, 10, 999),
                                          (6, 6, 100, 100, 999))
        while True:
            numbers = [rng.randint(1, top) for _ in range(rng.randint(fewest, most))]
            # Random whole steps lead from the numbers to one value: (value, expression).
            left = [(n, str(n)) for n in numbers]
            while len(left) > 1:
                a, x = left.pop(rng.randrange(len(left)))
                b, y = left.pop(rng.randrange(len(left)))
                sign, result = rng.choice(list(whole_steps(a, b).items()))
                left.append((result, f"({x} {sign} {y})"))
            target, expression = left[0]
            if low <= target <= high and (level > 1 or reached_in_turn(numbers, target)):
                return *self.asked(numbers, target), expression


def digits_for(letters, weight, leading, digits, left):
    """A different digit for each letter so that the digits times the weights, and `left`, make 0.

    `digits` holds those of the first letters, the heaviest; None if the others cannot make up.
    """
    others = letters[len(digits):]
    if abs(left) > 9 * sum(abs(weight[letter]) for letter in others):
        return None
    if not others:
        return digits
    letter = others[0]
    for digit in range(10):
        if digit not in digits.values() and not (digit == 0 and letter in leading):
            wider = {**digits, letter: digit}
            found = digits_for(letters, weight, leading, wider, left + digit * weight[letter])
            if found:
                return found


class Cryptarithm(Task):
    """AB + BB = CAA. Each letter stands for a different digit. -> A=8, B=9, C=1"""
    split = "test"
    uses = (digits_for,)

    def make(self, rng: Random, level: int) -> tuple:
        fewest, most, low, high = at(rng, level, (2, 2, 2, 3), (2, 3, 3, 5), (3, 4, 5, 6))
        lengths = [rng.randint(low, high) for _ in range(rng.randint(fewest, most))]
        numbers = [rng.randrange(10 ** (length - 1), 10 ** length) for length in lengths]
        letters = "".join(rng.sample("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10))
        encoded = str.maketrans("0123456789", letters)
        words = [str(n).translate(encoded) for n in [*numbers, sum(numbers)]]
        *addends, total = words
        question = (f"{' + '.join(addends)} = {total}. Each letter stands for a different digit, "
                    "no two for the same, and no number begins with 0. "
                    "Answer in the form A=1, B=2 with every letter.")
        used = sorted(set("".join(words)))
        answer = ", ".join(f"{letter}={letters.index(letter)}" for letter in used)
        return question, dict(addends=addends, total=total), answer

    @staticmethod
    def solve(addends, total):
        # AB + BB = CAA says 10 A + B + 11 B - 100 C - 11 A = 0: -A + 12 B - 100 C = 0.
        weight = {}
        for word in [*addends, total]:
            sign = -1 if word == total else 1
            for power, letter in enumerate(reversed(word)):
                weight[letter] = weight.get(letter, 0) + sign * 10 ** power
        letters = sorted(weight, key=lambda letter: -abs(weight[letter]))
        leading = [word[0] for word in [*addends, total]]
        digits = digits_for(letters, weight, leading, {}, 0)
        return ", ".join(f"{letter}={digits[letter]}" for letter in sorted(digits))

    def check(self, answer: str, instance: Instance) -> bool:
        words = [*instance.facts["addends"], instance.facts["total"]]
        digits = mapping(answer.upper())
        used = set(digits.values())
        if set(digits) != set("".join(words)) or len(used) < len(digits):
            return False
        numbers = [word.translate(str.maketrans(digits)) for word in words]
        if not used <= set("0123456789") or any(number.startswith("0") for number in numbers):
            return False
        *addends, total = map(int, numbers)
        return sum(addends) == total


# ---- squares to fill -----------------------------------------------------------------------------

# The cells of an n x n square are numbered from 0, row by row, and hold 1 to n, or 0 if empty.

def lines(n):
    """The rows and columns of an n x n square: lists of cells."""
    rows = [list(range(n * r, n * r + n)) for r in range(n)]
    columns = [list(range(c, n * n, n)) for c in range(n)]
    return rows + columns


def sudoku_groups(n):
    """The rows, the columns and the boxes of an n x n sudoku."""
    k = round(n ** 0.5)
    boxes = [[n * r + c for r in range(i, i + k) for c in range(j, j + k)]
             for i in range(0, n, k) for j in range(0, n, k)]
    return lines(n) + boxes


def choices_in(cells, n):
    """The numbers that each cell may hold: the one that is given, or any."""
    return {c: {number} if number else set(range(1, n + 1)) for c, number in enumerate(cells)}


def fillings(choices, groups, less=()):
    """Every way to choose for each cell, as dicts, so that no group holds a number twice.

    For (a, b) in `less`, cell a holds less than cell b.
    """
    if not choices:
        yield {}
        return
    cell = min(choices, key=lambda c: len(choices[c]))
    for number in sorted(choices[cell]):
        # What the other cells may still hold.
        left = {c: numbers for c, numbers in choices.items() if c != cell}
        for group in groups:
            if cell in group:
                for c in group:
                    if c in left:
                        left[c] = left[c] - {number}
        for a, b in less:
            if a == cell and b in left:
                left[b] = {n for n in left[b] if n > number}
            if b == cell and a in left:
                left[a] = {n for n in left[a] if n < number}
        for found in fillings(left, groups, less):
            yield {cell: number, **found}


def text_of(cells, gap="", symbols="0123456789"):
    """The square as text, a symbol for each number: "12\\n21"."""
    n = round(len(cells) ** 0.5)
    rows = [[symbols[cells[c]] for c in range(i, i + n)] for i in range(0, n * n, n)]
    return "\n".join(gap.join(row) for row in rows)


def complete(rng: Random, cells: list[int], groups: list[list[int]]) -> list[int]:
    """A random filling: the cells are met in random order, and the numbers swap their names."""
    n = isqrt(len(cells))
    choices = choices_in(cells, n)
    turn = rng.sample(range(len(cells)), len(cells))
    shuffled = {c: choices[c] for c in sorted(choices, key=lambda c: turn[c])}
    found = next(fillings(shuffled, groups))
    names = rng.sample(range(1, n + 1), n)
    return [names[found[c] - 1] for c in range(len(cells))]


def carve(rng: Random, cells: list[int], blanks: int, groups: list[list[int]],
          less: list = ()) -> list[int]:
    """The cells with up to so many of them emptied that no other filling becomes possible."""
    puzzle = list(cells)
    for c in rng.sample(range(len(cells)), len(cells)):
        if puzzle.count(0) == blanks:
            break
        puzzle[c] = 0
        # Is there a filling with another number in this cell? Then it stays.
        choices = choices_in(puzzle, isqrt(len(cells)))
        choices[c].remove(cells[c])
        if any(fillings(choices, groups, less)):
            puzzle[c] = cells[c]
    return puzzle


def board(text: str, n: int) -> list[list[str]]:
    """An n x n square; the cells of a row may stand together, as in 1234."""
    rows = [list(row[0]) if len(row) == 1 else row for row in grid(text)]
    if [len(row) for row in rows] != [n] * n:
        raise ValueError(f"not a square of side {n}")
    return rows


class Filling(Task, abstract=True):
    """A square to fill: `facts["puzzle"]` holds its rows, symbols[0] marks an empty cell."""
    uses = (lines, choices_in, fillings, text_of)
    groups = staticmethod(lines)
    symbols = "0123456789"

    def check(self, answer: str, instance: Instance) -> bool:
        puzzle = instance.facts["puzzle"]
        n = len(puzzle)
        rows = board(answer.lower(), n)
        given, cells = self._numbers(puzzle), self._numbers(rows)
        kept = all(number in (0, cell) for number, cell in zip(given, cells))
        full = list(range(1, n + 1))
        filled = all(sorted(cells[c] for c in group) == full for group in self.groups(n))
        return kept and filled and self.fits(rows, instance.facts)

    def fits(self, rows: list[list[str]], facts: dict[str, Any]) -> bool:
        """Whether the rows do what the task asks for besides."""
        return True

    def _numbers(self, rows: list) -> list[int]:
        return [list(self.symbols).index(cell) for row in rows for cell in row]


class Sudoku(Filling):
    """Fill in this sudoku; every row, column and 3 x 3 box holds 1 to 9 once each."""
    uses = (lines, sudoku_groups, choices_in, fillings, text_of)
    groups = staticmethod(sudoku_groups)
    side = 9
    blanks = ((20, 30), (30, 45), (46, 52))

    def make(self, rng: Random, level: int) -> tuple:
        n = self.side
        groups = sudoku_groups(n)
        cells = complete(rng, [0] * n * n, groups)
        blanks = between(rng, level, *self.blanks)
        listed, k = text_of(carve(rng, cells, blanks, groups)), isqrt(n)
        question = (f"Fill in this sudoku, in which 0 marks an empty cell.\n{listed}\n"
                    f"Every row, column and {k} x {k} box holds 1 to {n} once each. "
                    f"Answer with {n} rows of {n} digits.")
        return question, dict(puzzle=listed.split()), text_of(cells, " ")

    @staticmethod
    def solve(puzzle):
        n = len(puzzle)
        choices = choices_in([int(cell) for row in puzzle for cell in row], n)
        found = next(fillings(choices, sudoku_groups(n)))
        return text_of(found, " ")


class MiniSudoku(Sudoku):
    side = 4
    blanks = ((6, 8), (8, 10), (10, 12))


class StandardSudoku(Sudoku):
    suite = "symbench"
    blanks = ((30, 36), (40, 48), (51, 55))


class Futoshiki(Filling):
    """Fill in this square; every row and column holds 1 to 4 once each, and r1c2 < r1c3."""

    def make(self, rng: Random, level: int) -> tuple:
        n = at(rng, level, 4, 5, 6)
        cells = complete(rng, [0] * n * n, lines(n))
        # A cell's neighbours on the right and below, and a sign between some of them.
        neighbours = []
        for c in range(n * n):
            if c % n < n - 1:
                neighbours.append((c, c + 1))
            if c + n < n * n:
                neighbours.append((c, c + n))
        chosen = rng.sample(neighbours, n * n // 3)
        signs = [sorted(pair, key=lambda c: cells[c]) for pair in chosen]
        listed = text_of(carve(rng, cells, n * n, lines(n), signs))
        # As the question tells them: row and column of either cell, counted from 1.
        less = [[a // n + 1, a % n + 1, b // n + 1, b % n + 1] for a, b in signs]
        told = ", ".join(f"r{r}c{c} < r{s}c{d}" for r, c, s, d in less)
        question = (f"Fill in this square, in which 0 marks an empty cell.\n{listed}\n"
                    f"Every row and column holds 1 to {n} once each, "
                    f"and {told} (r1c2 is row 1, column 2). Answer with {n} rows of {n} digits.")
        return question, dict(puzzle=listed.split(), less=less), text_of(cells, " ")

    @staticmethod
    def solve(puzzle, less):
        n = len(puzzle)
        choices = choices_in([int(cell) for row in puzzle for cell in row], n)
        signs = [((r - 1) * n + c - 1, (s - 1) * n + d - 1) for r, c, s, d in less]
        found = next(fillings(choices, lines(n), signs))
        return text_of(found, " ")

    def fits(self, rows: list[list[str]], facts: dict[str, Any]) -> bool:
        return all(rows[r - 1][c - 1] < rows[s - 1][d - 1] for r, c, s, d in facts["less"])


class LetterLogicDiagram(Filling):
    """Replace each _ by a letter; rows and columns hold a to e once, the diagonal one letter."""
    suite = "symbench"
    symbols = "_abcdefgh"

    def make(self, rng: Random, level: int) -> tuple:
        n, low, high = at(rng, level, (5, 10, 15), (7, 15, 30), (8, 30, 40))
        diagonal = range(n - 1, n * n - 1, n - 1)
        cells = complete(rng, [int(c in diagonal) for c in range(n * n)], lines(n))
        for c in rng.sample(range(n * n), rng.randint(low, high)):
            cells[c] = 0
        listed = text_of(cells, symbols=self.symbols)
        question = (f"Replace each _ by a letter:\n{listed}\n"
                    f"Every row and column must hold a to {self.symbols[n]} once each, and the "
                    "diagonal from top right to bottom left one and the same letter. "
                    f"Answer with {n} rows of {n} letters, separated by commas.")
        return question, dict(puzzle=listed.split())

    @staticmethod
    def solve(puzzle):
        n = len(puzzle)
        letters = "_abcdefgh"
        choices = choices_in([letters.index(cell) for row in puzzle for cell in row], n)
        # The diagonal may hold what all of its cells may hold.
        diagonal = range(n - 1, n * n - 1, n - 1)
        for number in sorted(set.intersection(*(choices[c] for c in diagonal))):
            one = choices | {c: {number} for c in diagonal}
            for found in fillings(one, lines(n)):
                return text_of(found, ",", letters)

    def fits(self, rows: list[list[str]], facts: dict[str, Any]) -> bool:
        return len({row[-1 - r] for r, row in enumerate(rows)}) == 1


# ---- queens and colours --------------------------------------------------------------------------

def queens(choices, columns=()):
    """Every way to place a queen in each row, in a column given for it, so that none attacks.

    `columns` holds those of the first rows.
    """
    row = len(columns)
    if row == len(choices):
        yield columns
        return
    for c in choices[row]:
        if all(c != d and abs(c - d) != row - r for r, d in enumerate(columns)):
            yield from queens(choices, (*columns, c))


def random_queens(rng: Random, n: int) -> tuple[int, ...]:
    """The column of the queen in each row of an n x n board on which none attacks another."""
    return next(queens([rng.sample(range(n), n) for _ in range(n)]))


def peaceful(cells: list[tuple[int, int]], n: int) -> bool:
    """Whether n cells of an n x n board share no row, column or diagonal."""
    rows, columns = {r for r, c in cells}, {c for r, c in cells}
    falling, rising = {r - c for r, c in cells}, {r + c for r, c in cells}
    apart = all(len(line) == len(cells) for line in (rows, columns, falling, rising))
    return apart and rows == columns == set(range(n))


class NQueens(Task):
    """Add queens to this board; there must be 5 in all, and no two in one row, column or diagonal.

        Q____
        _____   and three more rows
    """
    split = "test"
    uses = (queens,)

    def make(self, rng: Random, level: int) -> tuple:
        # Level 1 mixes the sizes: a 6 x 6 board has four solutions only.
        low, high, fewest, most = at(rng, level, (5, 7, 2, 3), (8, 8, 3, 6), (10, 10, 6, 9))
        n = rng.randint(low, high)
        columns = random_queens(rng, n)
        puzzle = ["_" * n] * n
        for r in rng.sample(range(n), n - rng.randint(fewest, most)):
            puzzle[r] = "_" * columns[r] + "Q" + "_" * (n - 1 - columns[r])
        listed = "\n".join(puzzle)
        question = (f"Add queens (Q) to this board:\n{listed}\nThere must be {n} in all, "
                    "and no two in one row, column or diagonal. "
                    f"Answer with {n} rows of Q and _.")
        return question, dict(puzzle=puzzle)

    @staticmethod
    def solve(puzzle):
        n = len(puzzle)
        choices = [[row.index("Q")] if "Q" in row else range(n) for row in puzzle]
        columns = next(queens(choices))
        return "\n".join("_" * c + "Q" + "_" * (n - 1 - c) for c in columns)

    def check(self, answer: str, instance: Instance) -> bool:
        puzzle = instance.facts["puzzle"]
        n = len(puzzle)
        rows = ["".join(row) for row in board(answer.upper(), n)]
        if set(map(len, rows)) != {n}:   # a cell of two letters
            return False
        cells = [(r, c) for r in range(n) for c in range(n) if rows[r][c] == "Q"]
        kept = all("Q" not in given or given == row for given, row in zip(puzzle, rows))
        return set("".join(rows)) == {"Q", "_"} and kept and peaceful(cells, n)


class EightQueens(Task):
    """On this board 1 is a queen and X a forbidden cell: add queens until there are 8."""
    suite, split = "symbench", "test"
    uses = (queens,)

    def make(self, rng: Random, level: int) -> tuple:
        fewest, most = at(rng, level, (4, 5), (1, 4), (0, 3))
        crosses = at(rng, level, (0, 2), (2, 8), (8, 16))
        columns = random_queens(rng, 8)
        given = rng.sample(range(8), rng.randint(fewest, most))
        free = [(r, c) for r in range(8) for c in range(8) if c != columns[r]]
        cells = [["0"] * 8 for _ in range(8)]
        for r in given:
            cells[r][columns[r]] = "1"
        for r, c in rng.sample(free, rng.randint(*crosses)):
            cells[r][c] = "X"
        puzzle = ["".join(row) for row in cells]
        listed = "\n".join(puzzle)
        question = (f"On this board 1 is a queen and X a forbidden cell:\n{listed}\n"
                    "Add queens so that there are 8, no two in one row, column or diagonal. "
                    "Rows and columns count from 0. "
                    "Answer with the row and column of all 8, as in 0 4, 1 6.")
        return question, dict(puzzle=puzzle)

    @staticmethod
    def solve(puzzle):
        choices = []
        for row in puzzle:
            mark = "1" if "1" in row else "0"
            choices.append([c for c in range(8) if row[c] == mark])
        columns = next(queens(choices))
        return ", ".join(f"{r} {c}" for r, c in enumerate(columns))

    def check(self, answer: str, instance: Instance) -> bool:
        puzzle, cells = instance.facts["puzzle"], pairs(answer)
        if not peaceful(cells, 8):
            return False
        marks = "".join(puzzle[r][c] for r, c in cells)
        return "X" not in marks and marks.count("1") == "".join(puzzle).count("1")


class GraphColor(Task):
    """Colour the vertices 0 to 2 so that no edge joins two of one colour. Edges: 0-1, 1-2."""
    split = "test"
    uses = (fillings,)

    def make(self, rng: Random, level: int) -> tuple:
        low, high, chance = at(rng, level, (6, 6, 0.3), (10, 12, 0.35), (15, 20, 0.3))
        n = rng.randint(low, high)
        colours = rng.sample([1 + v % 3 for v in range(n)], n)
        edges = []
        for b in range(n):
            for a in range(b):
                if colours[a] != colours[b] and rng.random() < chance:
                    edges.append([a, b])
        told = ", ".join(f"{a}-{b}" for a, b in edges)
        question = (f"Colour the vertices 0 to {n - 1} with colours 1, 2, 3 "
                    f"so that no edge joins two of one colour. Edges: {told}. "
                    'Answer in JSON, such as {"0": 2, "1": 3}.')
        return question, dict(n=n, edges=edges)

    @staticmethod
    def solve(n, edges):
        import json
        found = next(fillings({v: {1, 2, 3} for v in range(n)}, edges))
        return json.dumps({v: found[v] for v in range(n)})

    def check(self, answer: str, instance: Instance) -> bool:
        colours, n = mapping(answer), instance.facts["n"]
        if set(colours) != {str(v) for v in range(n)}:
            return False
        return (set(colours.values()) <= {"1", "2", "3"}
                and all(colours[str(a)] != colours[str(b)] for a, b in instance.facts["edges"]))

    def program(self, instance: Instance) -> str:
        if instance.level > 1:
            return super().program(instance)
        n, edges = instance.facts["n"], instance.facts["edges"]
        return ("from itertools import *\n"
                f"print(next(dict(enumerate(c)) for c in product([1,2,3], repeat={n})\n"
                f"if all(c[a] != c[b] for a, b in {edges})))\n")


# ---- cells, cards and books to choose ------------------------------------------------------------

def fair(grid, chosen, limit):
    """Whether what is chosen in each row and column keeps the limit.

    That is the greatest sum or, if None, says that the product must be above 0.
    """
    import math
    for axis in (0, 1):
        for line in {cell[axis] for cell in chosen}:
            numbers = [grid[cell[0]][cell[1]] for cell in chosen if cell[axis] == line]
            broken = math.prod(numbers) <= 0 if limit is None else sum(numbers) > limit
            if broken:
                return False
    return True


def joined(boxes, room, chosen):
    """The chosen cells, then with some of the boxes as well; all are dicts number -> cell."""
    yield chosen
    for i, box in enumerate(boxes):
        if len(box) <= room and not chosen.keys() & box.keys():
            yield from joined(boxes[i + 1:], room - len(box), chosen | box)


def with_products(grid, cells, count, negatives):
    """Choices of different numbers, the first cell's among them, with all products above 0.

    The four corners of a rectangle, a box, may all be negative; positive numbers never hurt.
    """
    from itertools import combinations
    corner = cells[0]
    positive = {grid[r][c]: (r, c) for r, c in reversed(cells) if grid[r][c] > 0}
    others = sorted(positive.values(), key=lambda cell: cell != corner)
    lines = list(combinations(range(len(grid)), 2))
    boxes = []
    for r, s in lines:
        for c, d in lines:
            box = {grid[i][j]: (i, j) for i, j in ((r, c), (r, d), (s, c), (s, d))}
            if len(box) == 4 and max(box) < 0:
                boxes.append(box)
    room = count - 1 if corner in others else count
    for joint in joined(boxes, room, {}):
        chosen = list(joint.values())
        chosen += others[:count - len(chosen)]
        if len(joint) >= negatives and corner in chosen and len(chosen) == count:
            yield chosen


class LogicPuzzle(Task):
    """Choose 4 cells with different numbers from this square; no line may add up to more than 5."""
    suite = "symbench"
    uses = (fair, joined, with_products)

    def make(self, rng: Random, level: int) -> tuple:
        n, count, top = rng.choice(at(rng, level, [(2, 3, 8), (3, 4, 8)],
                                      [(4, 6, 10), (5, 9, 12), (6, 12, 15)],
                                      [(8, 18, 18), (9, 20, 20), (10, 25, 20)]))
        answer = None
        while answer is None:
            grid = [[rng.randint(1, top) * rng.choice((1, 1, 1, -1, -1)) for _ in range(n)]
                    for _ in range(n)]
            # Small squares bound the sums; in larger ones, where that would be long to search,
            # products are positive.
            limit = rng.randint(0, top) if n < 4 else None
            negatives = 0 if n < 4 else 4 if n < 8 else 8
            facts = dict(grid=grid, count=count, limit=limit, negatives=negatives)
            answer = self.solve(**facts)
        rule = "a product above 0" if limit is None else f"a sum of at most {limit}"
        also = f" At least {negatives} of the numbers must be negative." if negatives else ""
        question = (f"Choose {count} cells with {count} different numbers from this square:\n"
                    f"{show(grid)}\nThe one at the top right must be among them, and in every row "
                    f"and column the chosen numbers, if any, must have {rule}.{also} "
                    "Rows and columns count from 0. "
                    "Answer with the row and column of each, as in 0 1, 2 0.")
        return question, facts, answer

    @staticmethod
    def solve(grid, count, limit, negatives):
        from itertools import combinations
        n = len(grid)
        cells = [(r, c) for r in range(n) for c in range(n)]
        cells.remove((0, n - 1))
        cells.insert(0, (0, n - 1))
        if limit is None:
            candidates = with_products(grid, cells, count, negatives)
        else:
            candidates = ([cells[0], *others] for others in combinations(cells[1:], count - 1))
        for chosen in candidates:
            different = len({grid[r][c] for r, c in chosen}) == count
            if different and fair(grid, chosen, limit):
                return ", ".join(f"{r} {c}" for r, c in chosen)

    def check(self, answer: str, instance: Instance) -> bool:
        grid, count, limit, negatives = instance.facts.values()
        n, chosen = len(grid), pairs(answer)
        if not all(r < n and c < n for r, c in chosen) or (0, n - 1) not in chosen:
            return False
        numbers = [grid[r][c] for r, c in chosen]
        return (len(chosen) == len(set(numbers)) == count
                and sum(number < 0 for number in numbers) >= negatives
                and fair(grid, chosen, limit))


def outcomes(mine, others, beats):
    """What each of my cards achieves against the other's card of that round."""
    results = []
    for a, b in zip(mine, others):
        results.append("win" if b in beats[a] else "loss" if a in beats[b] else "draw")
    return results


class ConstrainedLinearArrangement(Task):
    """Two players hold the cards A, B, C, D; A beats B. Mine were: A win. Which has the other?"""
    suite = "symbench"
    uses = (outcomes,)
    # The cards, what each of them beats, the rule in words.
    GAMES = [
        ("ABCD", "B C D A",
         "A beats B, B beats C, C beats D and D beats A; any other two cards draw"),
        ("PQRST", "RT SP TQ PR QS",
         "In the circle P, Q, R, S, T, P each card feeds the next and tames the one after that. A "
         "card loses to the card that it feeds and to the one that tames it; equal cards draw"),
        ("ABCDEFGH", "H A AB ABC ABCD ABCDE ABCDEF BCDEFG",
         "A later letter beats an earlier one, except that A beats H; equal cards draw")]

    def make(self, rng: Random, level: int) -> tuple:
        easy, default = rng.randrange(2), rng.randrange(3)
        game, low, high = at(rng, level, (easy, 3, 3), (default, 4, 5), (2, 7, 8))
        cards, beaten, rule = self.GAMES[game]
        beats = dict(zip(cards, beaten.split()))
        rounds = min(rng.randint(low, high), len(cards))
        mine = rng.sample(cards, rounds)
        other = rng.sample(cards, rounds)
        results = outcomes(mine, other, beats)
        told = ", ".join(f"{card} {result}" for card, result in zip(mine, results))
        question = (f"Two players hold the cards {', '.join(cards)} each and play each card at "
                    f"most once. {rule}. My cards and results were: {told}. "
                    "Which cards can the other have played? Answer with the letters in order.")
        return question, dict(mine=mine, results=results, beats=beats), ", ".join(other)

    @staticmethod
    def solve(mine, results, beats):
        from itertools import permutations
        for cards in permutations(beats, len(mine)):
            if outcomes(mine, cards, beats) == results:
                return ", ".join(cards)

    def check(self, answer: str, instance: Instance) -> bool:
        mine, results, beats = instance.facts.values()
        cards = "".join(items(answer.upper()))
        different = len(cards) == len(set(cards)) == len(mine)
        return different and set(cards) <= set(beats) and outcomes(mine, cards, beats) == results


class PermutationsAndCombinations(Task):
    """Put the books A, B, C, D at places 1 to 4. A is left of B. C is at place 1. -> C, A, B, D"""
    suite, split = "symbench", "test"
    uses = (holds, search_order, placed_further, placements)
    RULES = {"at": "{} is at place {}", "not at": "{} is not at place {}",
             "before": "{} is left of {}", "next": "{} is next to {}",
             "not next": "{} is not next to {}", "apart": "{} and {} are {} places apart",
             "end": "{} is at an end"}

    def make(self, rng: Random, level: int) -> tuple:
        every = sorted(self.RULES)
        kinds, low, high, more = at(rng, level, (("at", "not at", "before"), 4, 4, -1),
                                    (every, 6, 9, 2), (every, 10, 12, 2))
        n = rng.randint(low, high)
        books = "ABCDEFGHIJKL"[:n]
        order = rng.sample(books, n)
        rules = self._rules(rng, kinds, order, n + more)
        told = ". ".join(self.RULES[kind].format(*rest) for kind, *rest in rules)
        question = (f"Put the books {', '.join(books)} at places 1 to {n}, from left to right. "
                    f"{told}. Answer with the letters in order.")
        return question, dict(books=books, rules=rules), ", ".join(order)

    def _rules(self, rng: Random, kinds: list[str], order: list[str], count: int) -> list[list]:
        """Different rules that are true of the order."""
        place = {book: i for i, book in enumerate(order, 1)}
        rules = []
        while len(rules) < count:
            kind = rng.choice(kinds)
            a, b = rng.sample(sorted(order), 2)
            steps = abs(place[a] - place[b])
            told = {"at": [a, place[a]], "not at": [a, rng.randint(1, len(order))],
                    "end": [a, len(order)], "apart": [a, b, steps]}
            rule = [kind, *told.get(kind, [a, b])]
            told_before = rule in rules or [kind, b, a] in rules
            neighbours_apart = kind == "apart" and steps == 1
            if not holds(rule, place) or told_before or neighbours_apart:
                continue
            # A place tells much: every other one is left out.
            if kind != "at" or rng.random() < 0.5:
                rules.append(rule)
        return rules

    @staticmethod
    def solve(books, rules):
        place = next(placements([books], range(1, len(books) + 1), rules, holds))
        return ", ".join(sorted(books, key=place.get))

    def check(self, answer: str, instance: Instance) -> bool:
        order = "".join(items(answer.upper()))
        place = {book: i for i, book in enumerate(order, 1)}
        return (sorted(order) == list(instance.facts["books"])
                and all(holds(rule, place) for rule in instance.facts["rules"]))

    def program(self, instance: Instance) -> str:
        if instance.level > 1:
            return super().program(instance)
        tests = []
        for kind, a, b in instance.facts["rules"]:
            if kind == "before":
                tests.append(f"p.index('{a}') < p.index('{b}')")
            else:
                sign = "==" if kind == "at" else "!="
                tests.append(f"p[{b - 1}] {sign} '{a}'")
        return ("from itertools import permutations\n"
                f"print(*next(p for p in permutations('{instance.facts['books']}')\n"
                f"if {' and '.join(tests)}))\n")
