"""Puzzles: numbers to combine, squares to fill, queens and colours to place, cards and books to order."""
import re
from fractions import Fraction
from itertools import permutations
from random import Random
from typing import Any

from tasks.base import Instance, Task, at, grid, items, show, value
from tasks.families.logic import holds, placed_further, placements, search_order


def pairs(text: str) -> list[tuple[int, int]]:
    """Cells such as "0 1, 2 3", "(0, 1), (2, 3)" or "[[0, 1], [2, 3]]": row and column in turn."""
    if not re.fullmatch(r"[\d\s,;()\[\]]*", text, re.ASCII):
        raise ValueError(f"not a list of cells: {text[:40]!r}")
    numbers = [int(n) for n in re.findall(r"\d+", text)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def mapping(text: str) -> dict[str, str]:
    """Assignments such as "A=1, B=2", {"0": 1, "1": 2} or "A = 1" one a line; nothing twice."""
    sides = text.strip("{}[]() \n.,;").replace(":", "=").split("=")
    tight = "=".join(side.strip() for side in sides)  # no blanks around a sign: blanks part assignments
    parts = [re.fullmatch(r"[\"']?(\w+)[\"']?=[\"']?(\w+)[\"']?", part)
             for part in re.split(r"[\s,;]+", tight)]
    found = {part[1]: part[2] for part in parts}
    if len(found) < len(parts):
        raise ValueError("something has two values")
    return found


# ---- numbers to combine ---------------------------------------------------------------------------------------------

def reach(numbers, target):
    """An expression that uses every number once and has this value, or None."""
    from fractions import Fraction
    from functools import lru_cache
    from itertools import combinations

    def splits(chosen):
        for size in range(1, len(chosen) // 2 + 1):
            for part in combinations(chosen, size):
                yield part, tuple(i for i in chosen if i not in part)

    @lru_cache(None)
    def values(chosen):  # every value of up to three of the numbers, with an expression
        if len(chosen) == 1:
            return {Fraction(numbers[chosen[0]]): str(numbers[chosen[0]])}
        found = {}
        for part, rest in splits(chosen):
            for a, x in values(part).items():
                for b, y in values(rest).items():
                    found |= {a + b: f"({x} + {y})", a * b: f"({x} * {y})"}
                    found |= {a - b: f"({x} - {y})", b - a: f"({y} - {x})"}
                    if b:
                        found[a / b] = f"({x} / {y})"
                    if a:
                        found[b / a] = f"({y} / {x})"
        return found

    def find(chosen, goal):  # more numbers: from the value of some, which value must the others have?
        if len(chosen) <= 3:
            return values(chosen).get(goal)
        for part, rest in splits(chosen):
            for b, y in values(part).items():
                needs = [(goal - b, "({x} + {y})"), (goal + b, "({x} - {y})"), (b - goal, "({y} - {x})")]
                if b:
                    needs += [(goal / b, "({x} * {y})"), (goal * b, "({x} / {y})")]
                if b and goal:
                    needs.append((b / goal, "({y} / {x})"))
                for need, form in needs:
                    x = find(rest, need)
                    if x:
                        return form.format(x=x, y=y)

    return find(tuple(range(len(numbers))), Fraction(target))


class Reach(Task, abstract=True):
    """Combine numbers to a target: every expression that uses each once and has the value is right."""
    uses = (reach,)

    @staticmethod
    def solve(numbers, target):
        return reach(numbers, target)

    def check(self, answer: str, instance: Instance) -> bool:
        facts, used = instance.facts, []
        text = re.sub(r"\\(times|cdot|div)\b", lambda sign: "/" if sign[1] == "div" else "*", answer)
        text = text.translate(str.maketrans("×·xX÷−–[]{}", "****/--()()"))
        text, _, right = text.strip().strip("`").partition("=")
        # No power, and no sign before a number: only the four operations between two values.
        if not re.fullmatch(r"[\d\s()+*/-]+", text) or re.search(r"\*\s*\*|(^|[(+*/-])\s*[+-]", text):
            return False
        result = value(text, const=lambda digits: used.append(int(digits)) or Fraction(digits))
        return (sorted(used) == sorted(facts["numbers"]) and result == facts["target"]
                and right.strip() in ("", str(facts["target"])))

    @staticmethod
    def folds(numbers: list[int], target: int) -> bool:
        """Whether whole steps from left to right, as in ((a + b) * c) - d, reach the target in some order."""
        for first, *others in permutations(numbers):
            reached = {first}
            for n in others:
                reached = {v for a in reached for v in (a + n, a - n, a * n, *([a // n] if a % n == 0 else []))}
            if target in reached:
                return True
        return False

    def program(self, instance: Instance) -> str:
        numbers, target = instance.facts["numbers"], instance.facts["target"]
        if instance.level > 1:
            return super().program(instance)
        n = len(numbers)
        names, signs = ", ".join("abcd"[:n]), ", ".join("pqr"[:n - 1])
        form = {3: "({a}{p}{b}){q}{c}", 4: "(({a}{p}{b}){q}{c}){r}{d}"}[n]
        return (f"from itertools import *\nprint(next(e for {names} in permutations({numbers})\n"
                f"for {signs} in product('+-*/', repeat={n - 1})\nif eval(e := f'{form}') == {target}))\n")


class Game24(Reach):
    suite = "symbench"

    def make(self, rng: Random, level: int) -> tuple:
        wanted = at(rng, level, lambda n: self.folds(n, 24), lambda n: reach(n, 24), self._divides)
        while True:
            numbers = [rng.randint(1, 13) for _ in range(4)]
            if wanted(numbers):
                break
        listed = ", ".join(map(str, numbers))
        return (f"Make 24 from {listed}: use each number once, with brackets and + - * / between values. "
                "Answer with the expression.", dict(numbers=numbers, target=24))

    @staticmethod
    def _divides(numbers: list[int]) -> bool:
        """Whether 24 can be reached, but not without a division."""
        def without(left: list[int]) -> bool:
            return left == [24] or any(
                without([*left[:i], *left[i + 1:j], *left[j + 1:], v])
                for j, b in enumerate(left) for i, a in enumerate(left[:j]) for v in (a + b, a - b, b - a, a * b))

        return bool(reach(numbers, 24)) and not without(numbers)


class Countdown(Reach):
    def make(self, rng: Random, level: int) -> tuple:
        fewest, most, top, low, high = at(rng, level, (3, 3, 25, 1, 100), (4, 5, 100, 10, 999), (6, 6, 100, 100, 999))
        while True:
            numbers = [rng.randint(1, top) for _ in range(rng.randint(fewest, most))]
            target, expression = self._combine(rng, numbers)
            if low <= target <= high and (level > 1 or self.folds(numbers, target)):
                break
        listed = ", ".join(map(str, numbers))
        return (f"Make {target} from {listed}: use each number once, with brackets and + - * / between values. "
                "Answer with the expression.", dict(numbers=numbers, target=target), expression)

    @staticmethod
    def _combine(rng: Random, numbers: list[int]) -> tuple[int, str]:
        """Random whole steps from the numbers to one value, as an expression."""
        left = [(n, str(n)) for n in numbers]
        while len(left) > 1:
            (a, x), (b, y) = (left.pop(rng.randrange(len(left))) for _ in "ab")
            results = {"+": a + b, "-": a - b, "*": a * b} | ({"/": a // b} if b and a % b == 0 else {})
            sign = rng.choice(list(results))
            left.append((results[sign], f"({x} {sign} {y})"))
        return left[0]


class Cryptarithm(Task):
    split = "test"

    def make(self, rng: Random, level: int) -> tuple:
        fewest, most, low, high = at(rng, level, (2, 2, 2, 3), (2, 3, 3, 5), (3, 4, 5, 6))
        lengths = [rng.randint(low, high) for _ in range(rng.randint(fewest, most))]
        numbers = [rng.randrange(10 ** (length - 1), 10 ** length) for length in lengths]
        letters = rng.sample("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10)
        *addends, total = ("".join(letters[int(d)] for d in str(n)) for n in (*numbers, sum(numbers)))
        used = sorted(set("".join([*addends, total])))
        return (f"{' + '.join(addends)} = {total}. Each letter stands for a different digit, no two for the same, "
                "and no number begins with 0. Answer in the form A=1, B=2 with every letter.", dict(addends=addends, total=total),
                ", ".join(f"{letter}={letters.index(letter)}" for letter in used))

    @staticmethod
    def solve(addends, total):
        weight = {}
        for word, sign in [*((word, 1) for word in addends), (total, -1)]:
            for power, letter in enumerate(reversed(word)):
                weight[letter] = weight.get(letter, 0) + sign * 10 ** power
        letters = sorted(weight, key=lambda letter: -abs(weight[letter]))

        def search(digits, left):  # the heaviest letters first; the others must be able to make up for what is left
            rest = letters[len(digits):]
            if abs(left) > 9 * sum(abs(weight[letter]) for letter in rest):
                return None
            if not rest:
                return digits
            for digit in range(any(word[0] == rest[0] for word in [*addends, total]), 10):
                if digit not in digits.values():
                    found = search({**digits, rest[0]: digit}, left + digit * weight[rest[0]])
                    if found:
                        return found

        return ", ".join(f"{letter}={digit}" for letter, digit in sorted(search({}, 0).items()))

    def check(self, answer: str, instance: Instance) -> bool:
        *addends, total = words = [*instance.facts["addends"], instance.facts["total"]]
        digits = mapping(answer.upper())
        if set(digits) != set("".join(words)) or len(set(digits.values())) < len(digits):
            return False
        *parts, result = ("".join(digits[letter] for letter in word) for word in words)
        return (all(re.fullmatch("[0-9]", digit) for digit in digits.values())
                and all(n[0] != "0" for n in (*parts, result)) and sum(map(int, parts)) == int(result))


# ---- squares to fill ------------------------------------------------------------------------------------------------

def units(n, boxed=False):
    """The rows and columns of an n x n square and, for a sudoku, its boxes: lists of cell numbers."""
    lines = [[r * n + c for c in range(n)] for r in range(n)]
    k = round(n ** 0.5)
    boxes = [[r * n + c for r in range(n) for c in range(n) if (r // k, c // k) == (i, j)]
             for i in range(k) for j in range(k)]
    return lines + [list(column) for column in zip(*lines)] + (boxes if boxed else [])


def fillings(cells, groups, less=()):
    """Every way to replace 0s by 1, 2, ... so that no group repeats a value, and cell a < cell b for (a, b) in less."""
    cells, full = list(cells), 2 ** len(groups[0]) - 1
    member = [[g for g, group in enumerate(groups) if c in group] for c in range(len(cells))]
    used = [sum(1 << cells[c] - 1 for c in group if cells[c]) for group in groups]

    def choices(c):  # a bit for each value that cell c may have
        mask = full
        for g in member[c]:
            mask &= ~used[g]
        for a, b in less:
            if a == c and cells[b]:
                mask &= (1 << cells[b] - 1) - 1
            if b == c and cells[a]:
                mask &= -1 << cells[a]
        return mask

    def search():
        best, fewest = None, 99
        for c, number in enumerate(cells):
            if not number:
                count = choices(c).bit_count()
                if count < fewest:
                    best, fewest = c, count
                    if count < 2:
                        break
        if best is None:
            yield list(cells)
            return
        mask = choices(best)
        for number in range(1, full.bit_length() + 1):
            bit = 1 << number - 1
            if mask & bit:
                cells[best] = number
                for g in member[best]:
                    used[g] ^= bit
                yield from search()
                cells[best] = 0
                for g in member[best]:
                    used[g] ^= bit

    return search()


def complete(rng: Random, cells: list[int], groups: list[list[int]]) -> list[int]:
    """A random filling of a square: the search meets the cells in random order, and the values swap their names."""
    order = rng.sample(range(len(cells)), len(cells))
    start = [cells[order.index(i)] for i in range(len(cells))]
    found = next(fillings(start, [[order[c] for c in group] for group in groups]))
    names = rng.sample(range(1, len(groups[0]) + 1), len(groups[0]))
    return [names[found[i] - 1] for i in order]


def carve(rng: Random, cells: list[int], blanks: int, groups: list[list[int]], less: list = ()) -> list[int]:
    """The cells with up to so many of them emptied that no other filling becomes possible."""
    puzzle, ghost = list(cells), len(cells)
    for c in rng.sample(range(ghost), ghost):
        if puzzle.count(0) == blanks:
            break
        puzzle[c] = 0
        # An extra cell that holds the old value, in a group with cell c: is there a filling with another value at c?
        if next(fillings([*puzzle, cells[c]], [*groups, [c, ghost]], less), None):
            puzzle[c] = cells[c]
    return puzzle


def rows(cells, symbols="0123456789"):
    """The cells of a square as text, from a symbol for each number."""
    n = round(len(cells) ** 0.5)
    return "\n".join(" ".join(symbols[c] for c in cells[i:i + n]) for i in range(0, n * n, n))


def board(text: str, n: int) -> list[list[str]]:
    """An n x n square; the cells of a row may stand together, as in 1234."""
    lines = [list(line[0]) if len(line) == 1 else line for line in grid(text)]
    if [len(line) for line in lines] != [n] * n:
        raise ValueError(f"not a square of side {n}")
    return lines


class Filling(Task, abstract=True):
    """A square to fill: `facts["puzzle"]` holds the rows as text, symbols[0] marks an empty cell."""
    symbols, boxed = "0123456789", False

    def numbers(self, lines: list) -> list[int]:
        return [list(self.symbols).index(cell) for line in lines for cell in line]

    def check(self, answer: str, instance: Instance) -> bool:
        puzzle = instance.facts["puzzle"]
        n = len(puzzle)
        given, cells = self.numbers(puzzle), self.numbers(board(answer.lower(), n))
        return (all(number in (0, cells[c]) for c, number in enumerate(given)) and self.fits(cells, instance.facts)
                and all(sorted(cells[c] for c in group) == [*range(1, n + 1)] for group in units(n, self.boxed)))

    def fits(self, cells: list[int], facts: dict[str, Any]) -> bool:
        return True


class Sudoku(Filling):
    uses = (units, fillings, rows)
    side, blanks, boxed = 9, ((20, 30), (30, 45), (46, 52)), True

    def make(self, rng: Random, level: int) -> tuple:
        n, groups = self.side, units(self.side, True)
        cells = complete(rng, [0] * n * n, groups)
        puzzle = rows(carve(rng, cells, rng.randint(*at(rng, level, *self.blanks)), groups)).replace(" ", "").split()
        listed, k = "\n".join(puzzle), round(n ** 0.5)
        return (f"Fill in this sudoku, in which 0 marks an empty cell.\n{listed}\nEvery row, column and {k} x {k} box "
                f"holds 1 to {n} once each. Answer with {n} rows of {n} digits.", dict(puzzle=puzzle), rows(cells))

    @staticmethod
    def solve(puzzle):
        cells = [int(cell) for row in puzzle for cell in row]
        return rows(next(fillings(cells, units(len(puzzle), True))))


class MiniSudoku(Sudoku):
    side, blanks = 4, ((6, 8), (8, 10), (10, 12))


class StandardSudoku(Sudoku):
    suite = "symbench"
    blanks = ((30, 36), (40, 48), (51, 55))


class Futoshiki(Filling):
    uses = (units, fillings, rows)

    def make(self, rng: Random, level: int) -> tuple:
        n = at(rng, level, 4, 5, 6)
        groups = units(n)
        cells = complete(rng, [0] * n * n, groups)
        neighbours = [(r * n + c, r * n + c + step) for r in range(n) for c in range(n)
                      for step, inside in ((1, c < n - 1), (n, r < n - 1)) if inside]
        less = [sorted(pair, key=cells.__getitem__) for pair in rng.sample(neighbours, n * n // 3)]
        puzzle = rows(carve(rng, cells, n * n, groups, less)).replace(" ", "").split()
        less = [[a // n + 1, a % n + 1, b // n + 1, b % n + 1] for a, b in less]
        told = ", ".join("r{}c{} < r{}c{}".format(*pair) for pair in less)
        listed = "\n".join(puzzle)
        return (f"Fill in this square, in which 0 marks an empty cell.\n{listed}\nEvery row and column holds 1 to {n} "
                f"once each, and {told} (r1c2 is row 1, column 2). Answer with {n} rows of {n} digits.",
                dict(puzzle=puzzle, less=less), rows(cells))

    @staticmethod
    def solve(puzzle, less):
        n = len(puzzle)
        less = [((r - 1) * n + c - 1, (s - 1) * n + d - 1) for r, c, s, d in less]
        return rows(next(fillings([int(cell) for row in puzzle for cell in row], units(n), less)))

    def fits(self, cells: list[int], facts: dict[str, Any]) -> bool:
        n = len(facts["puzzle"])
        return all(cells[(r - 1) * n + c - 1] < cells[(s - 1) * n + d - 1] for r, c, s, d in facts["less"])


class LetterLogicDiagram(Filling):
    suite = "symbench"
    uses = (units, fillings, rows)
    symbols = "_abcdefgh"

    def make(self, rng: Random, level: int) -> tuple:
        n, low, high = at(rng, level, (5, 10, 15), (7, 15, 30), (8, 30, 40))
        diagonal = range(n - 1, n * n - 1, n - 1)
        cells = complete(rng, [int(c in diagonal) for c in range(n * n)], units(n))
        empty = rng.sample(range(n * n), rng.randint(low, high))
        listed = rows([0 if c in empty else number for c, number in enumerate(cells)], self.symbols).replace(" ", "")
        return (f"Replace each _ by a letter:\n{listed}\nEvery row and column must hold a to {self.symbols[n]} once "
                "each, and the diagonal from top right to bottom left one and the same letter. "
                f"Answer with {n} rows of {n} letters, separated by commas.", dict(puzzle=listed.split()))

    @staticmethod
    def solve(puzzle):
        n, letters = len(puzzle), "_abcdefgh"
        given = [letters.index(cell) for row in puzzle for cell in row]
        diagonal = range(n - 1, n * n - 1, n - 1)
        for number in {given[c] for c in diagonal} - {0} or range(1, n + 1):  # the letter of the diagonal
            cells = [number if c in diagonal else cell for c, cell in enumerate(given)]
            found = next(fillings(cells, units(n)), None)
            if found:
                return rows(found, letters).replace(" ", ",")

    def fits(self, cells: list[int], facts: dict[str, Any]) -> bool:
        n = len(facts["puzzle"])
        return len({cells[c] for c in range(n - 1, n * n - 1, n - 1)}) == 1


# ---- queens and colours ---------------------------------------------------------------------------------------------

def queens(choices):
    """Every way to place a queen in each row, in one of the columns given for it, so that none attack each other."""
    def place(columns):
        row = len(columns)
        if row == len(choices):
            yield columns
            return
        for c in choices[row]:
            if all(c != d and abs(c - d) != row - r for r, d in enumerate(columns)):
                yield from place([*columns, c])

    return place([])


def peaceful(cells: list[tuple[int, int]], n: int) -> bool:
    """Whether the cells are on an n x n board, one in each row, column and at most one in each diagonal."""
    lines = ({r for r, c in cells}, {c for r, c in cells}, {r + c for r, c in cells}, {r - c for r, c in cells})
    return all(len(line) == len(cells) == n for line in lines) and all(0 <= x < n for cell in cells for x in cell)


class NQueens(Task):
    split = "test"
    uses = (queens,)

    def make(self, rng: Random, level: int) -> tuple:
        # Level 1 mixes the sizes: a 6 x 6 board has four solutions only.
        low, high, fewest, most = at(rng, level, (5, 7, 2, 3), (8, 8, 3, 6), (10, 10, 6, 9))
        n = rng.randint(low, high)
        columns = next(queens([rng.sample(range(n), n) for _ in range(n)]))
        kept = rng.sample(range(n), n - rng.randint(fewest, most))
        puzzle = ["".join("Q" if r in kept and c == columns[r] else "_" for c in range(n)) for r in range(n)]
        listed = "\n".join(puzzle)
        return (f"Add queens (Q) to this board:\n{listed}\nThere must be {n} in all, and no two in one row, column or "
                f"diagonal. Answer with {n} rows of Q and _.", dict(puzzle=puzzle))

    @staticmethod
    def solve(puzzle):
        n = len(puzzle)
        columns = next(queens([[row.index("Q")] if "Q" in row else range(n) for row in puzzle]))
        return "\n".join("_" * c + "Q" + "_" * (n - 1 - c) for c in columns)

    def check(self, answer: str, instance: Instance) -> bool:
        puzzle = instance.facts["puzzle"]
        lines = board(answer.upper(), len(puzzle))
        cells = [(r, c) for r, line in enumerate(lines) for c, cell in enumerate(line) if cell == "Q"]
        return (peaceful(cells, len(puzzle)) and {cell for line in lines for cell in line} == {"Q", "_"}
                and all((r, c) in cells for r, row in enumerate(puzzle) for c, cell in enumerate(row) if cell == "Q"))


class EightQueens(Task):
    suite, split = "symbench", "test"
    uses = (queens,)

    def make(self, rng: Random, level: int) -> tuple:
        queens_given, crosses = at(rng, level, (4, 5), (1, 4), (0, 3)), at(rng, level, (0, 2), (2, 8), (8, 16))
        columns = next(queens([rng.sample(range(8), 8) for _ in range(8)]))
        given = sorted(rng.sample(range(8), rng.randint(*queens_given)))
        free = [(r, c) for r in range(8) for c in range(8) if c != columns[r]]
        forbidden = rng.sample(free, rng.randint(*crosses))
        puzzle = ["".join("1" if r in given and c == columns[r] else "X" if (r, c) in forbidden else "0"
                          for c in range(8)) for r in range(8)]
        listed = "\n".join(puzzle)
        return (f"On this board 1 is a queen and X a forbidden cell:\n{listed}\nAdd queens so that there are 8, no two "
                "in one row, column or diagonal. Rows and columns count from 0. "
                "Answer with the row and column of all 8, as in 0 4, 1 6.", dict(puzzle=puzzle))

    @staticmethod
    def solve(puzzle):
        free = [[row.index("1")] if "1" in row else [c for c in range(8) if row[c] == "0"] for row in puzzle]
        return ", ".join(f"{r} {c}" for r, c in enumerate(next(queens(free))))

    def check(self, answer: str, instance: Instance) -> bool:
        puzzle, cells = instance.facts["puzzle"], pairs(answer)
        given = sum(row.count("1") for row in puzzle)
        return peaceful(cells, 8) and given == [puzzle[r][c] for r, c in cells].count("1") \
            and all(puzzle[r][c] != "X" for r, c in cells)


class GraphColor(Task):
    split = "test"

    def make(self, rng: Random, level: int) -> tuple:
        low, high, chance = at(rng, level, (6, 6, 0.3), (10, 12, 0.35), (15, 20, 0.3))
        n = rng.randint(low, high)
        colours = rng.sample([1 + v % 3 for v in range(n)], n)
        edges = [[a, b] for b in range(n) for a in range(b) if colours[a] != colours[b] and rng.random() < chance]
        told = ", ".join(f"{a}-{b}" for a, b in edges)
        return (f"Colour the vertices 0 to {n - 1} with colours 1, 2, 3 so that no edge joins two of one colour. "
                f'Edges: {told}. Answer in JSON, such as {{"0": 2, "1": 3}}.', dict(n=n, edges=edges))

    @staticmethod
    def solve(n, edges):
        near = [[a + b - v for a, b in edges if v in (a, b)] for v in range(n)]

        def extend(colour):  # the vertex with fewest colours left comes next
            free = {v: {1, 2, 3} - {colour.get(u) for u in near[v]} for v in range(n) if v not in colour}
            if not free:
                return colour
            v = min(free, key=lambda v: len(free[v]))
            for c in sorted(free[v]):
                found = extend({**colour, v: c})
                if found:
                    return found

        colour = extend({})
        return "{" + ", ".join(f'"{v}": {colour[v]}' for v in range(n)) + "}"

    def check(self, answer: str, instance: Instance) -> bool:
        colour, n = mapping(answer), instance.facts["n"]
        return (set(colour) == {str(v) for v in range(n)} and set(colour.values()) <= {"1", "2", "3"}
                and all(colour[str(a)] != colour[str(b)] for a, b in instance.facts["edges"]))

    def program(self, instance: Instance) -> str:
        n, edges = instance.facts["n"], instance.facts["edges"]
        if instance.level > 1:
            return super().program(instance)
        return ("from itertools import *\n"
                f"print(next(dict(enumerate(c)) for c in product([1,2,3], repeat={n})\n"
                f"if all(c[a] != c[b] for a, b in {edges})))\n")


# ---- cells, cards and books to choose -------------------------------------------------------------------------------

def fair(grid, chosen, limit):
    """Whether the chosen numbers in each row and column have a product above 0 or, given a limit, a sum up to it."""
    import math
    for axis in (0, 1):
        for line in {cell[axis] for cell in chosen}:
            numbers = [grid[r][c] for r, c in chosen if (r, c)[axis] == line]
            if (math.prod(numbers) <= 0) if limit is None else (sum(numbers) > limit):
                return False
    return True


class LogicPuzzle(Task):
    suite = "symbench"
    uses = (fair,)

    def make(self, rng: Random, level: int) -> tuple:
        # Small squares bound the sums; in larger ones, where that would be long to search, products are positive.
        n, count, top = rng.choice(at(rng, level, [(2, 3, 8), (3, 4, 8)], [(4, 6, 10), (5, 9, 12), (6, 12, 15)],
                                      [(8, 18, 18), (9, 20, 20), (10, 25, 20)]))
        answer = None
        while answer is None:
            grid = [[rng.randint(1, top) * rng.choice((1, 1, 1, -1, -1)) for _ in range(n)] for _ in range(n)]
            limit, negatives = (rng.randint(0, top), 0) if n < 4 else (None, 4 if n < 8 else 8)
            facts = dict(grid=grid, count=count, limit=limit, negatives=negatives)
            answer = self.solve(**facts)
        rule = "a product above 0" if limit is None else f"a sum of at most {limit}"
        also = f" At least {negatives} of the numbers must be negative." if negatives else ""
        return (f"Choose {count} cells with {count} different numbers from this square:\n{show(grid)}\nThe one at the "
                "top right must be among them, and in every row and column the chosen numbers, if any, must have "
                f"{rule}.{also} Rows and columns count from 0. Answer with the row and column of each, as in 0 1, 2 0.",
                facts, answer)

    @staticmethod
    def solve(grid, count, limit, negatives):
        from itertools import combinations
        n = len(grid)
        corner = (0, n - 1)
        cells = [corner] + [(r, c) for r in range(n) for c in range(n) if (r, c) != corner]
        value = {(r, c): grid[r][c] for r, c in cells}

        def show(chosen):
            return ", ".join(f"{r} {c}" for r, c in chosen)

        if limit is not None:
            for chosen in combinations(cells, count):
                if corner in chosen and len({value[cell] for cell in chosen}) == count and fair(grid, chosen, limit):
                    return show(chosen)
            return None
        # Products: the four corners of a rectangle may all be negative; positive numbers never hurt.
        positive = {value[cell]: cell for cell in reversed(cells) if value[cell] > 0}
        lines = list(combinations(range(n), 2))
        boxes = [[(r, c), (r, d), (s, c), (s, d)] for r, s in lines for c, d in lines]
        boxes = [box for box in boxes if all(value[cell] < 0 for cell in box)]

        def extend(chosen, boxes):
            if len({value[cell] for cell in chosen}) < len(chosen) or len(chosen) > count - (value[corner] > 0):
                return None
            if len(chosen) >= max(negatives, count - len(positive)) and (value[corner] > 0 or corner in chosen):
                others = sorted(positive.values(), key=lambda cell: cell != corner)
                return chosen + others[:count - len(chosen)]
            for i, box in enumerate(boxes):
                found = extend(chosen + box, boxes[i + 1:])
                if found:
                    return found

        chosen = extend([], boxes)
        return chosen and show(chosen)

    def check(self, answer: str, instance: Instance) -> bool:
        grid, count, limit, negatives = (instance.facts[name] for name in ("grid", "count", "limit", "negatives"))
        chosen, n = pairs(answer), len(grid)
        if not all(r < n and c < n for r, c in chosen):
            return False
        numbers = [grid[r][c] for r, c in chosen]
        return (len(chosen) == len(set(numbers)) == count and (0, n - 1) in chosen and fair(grid, chosen, limit)
                and sum(number < 0 for number in numbers) >= negatives)


def outcomes(mine, others, beats):
    """What each of my cards achieves against the other's card of that round."""
    return ["win" if b in beats[a] else "loss" if a in beats[b] else "draw" for a, b in zip(mine, others)]


class ConstrainedLinearArrangement(Task):
    suite = "symbench"
    uses = (outcomes,)
    GAMES = [  # the cards, what each of them beats, the rule in words
        ("ABCD", "B C D A", "A beats B, B beats C, C beats D and D beats A; any other two cards draw"),
        ("PQRST", "RT SP TQ PR QS", "In the circle P, Q, R, S, T, P each card feeds the next and tames the one "
         "after that. A card loses to the card that it feeds and to the one that tames it; equal cards draw"),
        ("ABCDEFGH", "H A AB ABC ABCD ABCDE ABCDEF BCDEFG", "A later letter beats an earlier one, except that A beats "
         "H; equal cards draw")]

    def make(self, rng: Random, level: int) -> tuple:
        number, low, high = at(rng, level, (rng.randrange(2), 3, 3), (rng.randrange(3), 4, 5), (2, 7, 8))
        cards, beaten, rule = self.GAMES[number]
        beats = dict(zip(cards, beaten.split()))
        rounds = min(rng.randint(low, high), len(cards))
        mine, other = rng.sample(cards, rounds), rng.sample(cards, rounds)
        results = outcomes(mine, other, beats)
        told = ", ".join(f"{a} {result}" for a, result in zip(mine, results))
        return (f"Two players hold the cards {', '.join(cards)} each and play each card at most once. {rule}. My cards "
                f"and results were: {told}. Which cards can the other have played? Answer with the letters in order.",
                dict(mine=mine, results=results, beats=beats), ", ".join(other))

    @staticmethod
    def solve(mine, results, beats):
        from itertools import permutations
        tries = permutations(beats, len(mine))
        return ", ".join(next(cards for cards in tries if outcomes(mine, cards, beats) == results))

    def check(self, answer: str, instance: Instance) -> bool:
        facts, cards = instance.facts, "".join(items(answer.upper()))
        return (len(cards) == len(set(cards)) == len(facts["mine"]) and set(cards) <= set(facts["beats"])
                and outcomes(facts["mine"], cards, facts["beats"]) == facts["results"])


class PermutationsAndCombinations(Task):
    suite, split = "symbench", "test"
    uses = (holds, search_order, placed_further, placements)
    RULES = {"at": "{} is at place {}", "not at": "{} is not at place {}", "before": "{} is left of {}",
             "next": "{} is next to {}", "not next": "{} is not next to {}", "apart": "{} and {} are {} places apart",
             "end": "{} is at an end"}

    def make(self, rng: Random, level: int) -> tuple:
        kinds, low, high, more = at(rng, level, (("at", "not at", "before"), 4, 4, -1),
                                    (sorted(self.RULES), 6, 9, 2), (sorted(self.RULES), 10, 12, 2))
        n = rng.randint(low, high)
        books = "ABCDEFGHIJKL"[:n]
        order = rng.sample(books, n)
        place = {book: i for i, book in enumerate(order, 1)}
        rules = []
        while len(rules) < n + more:
            kind, (a, b) = rng.choice(kinds), rng.sample(books, 2)
            steps = abs(place[a] - place[b])
            rule = {"at": [kind, a, place[a]], "not at": [kind, a, rng.randint(1, n)], "end": [kind, a, n],
                    "apart": [kind, a, b, steps]}.get(kind, [kind, a, b])
            if holds(rule, place) and rule not in rules and (kind != "apart" or steps > 1) \
                    and [kind, b, a] not in rules and (kind != "at" or rng.random() < 0.5):
                rules.append(rule)
        told = ". ".join(self.RULES[kind].format(*rest) for kind, *rest in rules)
        return (f"Put the books {', '.join(books)} at places 1 to {n}, from left to right. {told}. "
                "Answer with the letters in order.", dict(books=books, rules=rules), ", ".join(order))

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
        books, rules = instance.facts["books"], instance.facts["rules"]
        tests = " and ".join(f"p.index('{a}') < p.index('{b}')" if kind == "before" else
                             f"p[{b - 1}] {'=' if kind == 'at' else '!'}= '{a}'" for kind, a, b in rules)
        return f"from itertools import permutations\nprint(*next(p for p in permutations('{books}')\nif {tests}))\n"
