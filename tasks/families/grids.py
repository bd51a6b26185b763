"""Grids of numbers, letters and marks: turning, reading, finding shapes, spreading, board games.

A grid is a list of rows. A cell is named by its row and its column: from 0 in the code, from 1 in
most questions, which then say so.
"""
import inspect
from collections import Counter
from fractions import Fraction
from itertools import islice, product
from random import Random
from string import ascii_uppercase

from tasks.base import (Instance, Task, at, between, commas, grid, integer, ints, number, show,
                        yes_no)

ROWS = "Answer with a list of rows, such as [[1, 2], [3, 4]]."
CELLS = "Answer with all cells row by row, separated by commas."


def rows_of_ints(text: str) -> list[list[int]]:
    return grid(text, integer)


def cells(text: str) -> list[str]:
    """The cells of a grid in reading order; the breaks between its rows do not matter."""
    return [cell for row in grid(commas(text)) for cell in row]


def cells_of_ints(text: str) -> list[int]:
    return [integer(cell) for cell in cells(text)]


def numbers(rng: Random, height: int, width: int, least: int, most: int) -> list[list[int]]:
    """A grid of random integers."""
    return [[rng.randint(least, most) for _ in range(width)] for _ in range(height)]


def neighbours(r, c):
    """The four cells that share a side with a cell."""
    return {(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)}


# ---- turning and editing -------------------------------------------------------------------------
# The docstring of an operation is its order in the question, with its arguments in the braces.
# What it returns is one expression: a line of the program.

def rotate_90(m):
    """rotate it 90 degrees clockwise"""
    return [list(row) for row in zip(*m[::-1])]


def rotate_180(m):
    """rotate it 180 degrees"""
    return [row[::-1] for row in m[::-1]]


def rotate_270(m):
    """rotate it 270 degrees clockwise"""
    return [list(row) for row in zip(*m)][::-1]


def flip_rows(m):
    """reverse the order of its rows"""
    return m[::-1]


def flip_columns(m):
    """reverse the order of its columns"""
    return [row[::-1] for row in m]


def transpose(m):
    """transpose it"""
    return [list(row) for row in zip(*m)]


def antitranspose(m):
    """mirror it in the diagonal from top right to bottom left"""
    return [list(row) for row in zip(*m[::-1])][::-1]


def replace(m, old, new):
    """replace each {0} by {1}"""
    return [[new if cell == old else cell for cell in row] for row in m]


def zero_multiples(m, k):
    """set each multiple of {0} to 0"""
    return [[0 if cell % k == 0 else cell for cell in row] for row in m]


def keep(m, top, bottom, left, right):
    """keep only rows {0} to {1} and columns {2} to {3}, counted from 1"""
    return [row[left - 1:right] for row in m[top - 1:bottom]]


def drop_rows(m, k):
    """delete each row whose number, counted from 1, is a multiple of {0}"""
    return [row for i, row in enumerate(m, 1) if i % k]


def drop_columns(m, k):
    """delete each column whose number, counted from 1, is a multiple of {0}"""
    return [[cell for i, cell in enumerate(row, 1) if i % k] for row in m]


TURNS = (rotate_90, rotate_180, rotate_270, flip_rows, flip_columns, transpose, antitranspose)
EDITS = (replace, zero_multiples, keep, drop_rows, drop_columns)
OPERATIONS = {function.__name__: function for function in TURNS + EDITS}


class Operations(Task, abstract=True):
    """A matrix `m`, and operations on it: lists of a name and its arguments, ["replace", 2, 7]."""

    def ask(self, m: list[list], operations: list[list]) -> str:
        orders = [OPERATIONS[name].__doc__.format(*arguments) for name, *arguments in operations]
        if len(orders) == 1:
            told = f"Now {orders[0]}. "
        else:
            told = f"First {orders[0]}. " + "".join(f"Then {order}. " for order in orders[1:])
        return f"Take this matrix:\n{show(m)}\n{told}"

    @staticmethod
    def solve(m, operations):
        for name, *arguments in operations:
            m = OPERATIONS[name](m, *arguments)
        return m

    def program(self, instance: Instance) -> str:
        """The expression of each operation, after a line for each of its arguments.

            m = [[1, 2], [3, 4]]
            k = 2
            m = [[0 if cell % k == 0 else cell for cell in row] for row in m]
            print(m)
        """
        lines = [f"m = {instance.facts['m']}"]
        for name, *arguments in instance.facts["operations"]:
            function = OPERATIONS[name]
            parameters = list(inspect.signature(function).parameters)
            for parameter, argument in zip(parameters[1:], arguments):
                lines.append(f"{parameter} = {argument}")
            expression = inspect.getsource(function).split("return ")[1].strip()
            lines.append(f"m = {expression}")
        return "\n".join([*lines, "print(m)\n"])


class MatrixTransformation(Operations):
    """Take this matrix: a B / # 7. First transpose it. Then rotate it 180 degrees."""
    suite = "symbench"
    parse = staticmethod(cells)
    signs = "abcdefghkmnprstuvwxyzABCDEFGHKLMNPRSTUVWXYZ23456789#@+*%&=?!$"

    def make(self, rng: Random, level: int) -> tuple:
        sizes = at(rng, level, (2, 3), (3, 5), (5, 8))
        width, height = rng.randint(*sizes), rng.randint(*sizes)
        m = [[rng.choice(self.signs) for _ in range(width)] for _ in range(height)]
        number_of_turns = between(rng, level, (1, 1), (1, 3), (3, 4))
        operations = [[rng.choice(TURNS).__name__] for _ in range(number_of_turns)]
        return self.ask(m, operations) + CELLS, dict(m=m, operations=operations)


class ManipulateMatrix(Operations):
    """Take this matrix: 1 2 3 / 4 5 6. First delete each row whose number is a multiple of 2."""
    parse = staticmethod(rows_of_ints)

    def make(self, rng: Random, level: int) -> tuple:
        sizes = at(rng, level, (2, 3), (4, 8), (8, 12))
        width, height = rng.randint(*sizes), rng.randint(*sizes)
        m = numbers(rng, height, width, 0, 9)
        operations = []
        for _ in range(between(rng, level, (1, 1), (3, 6), (8, 12))):
            operations.append(self._draw(rng, self.solve(m, operations)))
        return self.ask(m, operations) + ROWS, dict(m=m, operations=operations)

    @staticmethod
    def _draw(rng: Random, m: list[list[int]]) -> list:
        """An operation that leaves something of `m`: only what has three rows or more is cut."""
        height, width = len(m), len(m[0])
        # All turns together are as likely as one of the edits.
        names = ["turn", "replace", "zero_multiples"]
        if min(height, width) > 2:
            names += ["keep", "drop_rows", "drop_columns"]
        name = rng.choice(names)
        if name == "turn":
            return [rng.choice(TURNS).__name__]
        if name == "replace":
            return [name, rng.choice(rng.choice(m)), rng.randrange(10)]
        if name == "keep":
            rows = [rng.randint(1, 2), rng.randint(height - 1, height)]
            return [name, *rows, rng.randint(1, 2), rng.randint(width - 1, width)]
        largest = {"zero_multiples": 4, "drop_rows": height, "drop_columns": width}
        return [name, rng.randint(2, largest[name])]


class RotateMatrix(Task):
    """Rotate this matrix 450 degrees clockwise: 1 2 / 3 4."""
    parse = staticmethod(rows_of_ints)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        n = between(rng, level, (2, 4), (4, 8), (10, 14))
        matrix = numbers(rng, n, n, 0, 9)
        degrees = 90 * between(rng, level, (1, 3), (1, 10), (1, 40))
        question = f"Rotate this matrix {degrees} degrees clockwise:\n{show(matrix)}\n{ROWS}"
        return question, dict(matrix=matrix, degrees=degrees)

    @staticmethod
    def solve(matrix, degrees):
        for _ in range(degrees // 90 % 4):
            matrix = [list(row) for row in zip(*matrix[::-1])]
        return matrix


# ---- reading and pooling -------------------------------------------------------------------------

class SpiralMatrix(Task):
    """The matrix 1 2 3 / 4 5 6 / 7 8 9 is read as 1 2 3 6 9 8 7 4 5."""
    split = "test"
    parse = staticmethod(ints)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        width, height = (between(rng, level, (2, 4), (4, 8), (10, 14)) for _ in range(2))
        matrix = numbers(rng, height, width, 0, 9)
        question = ("Read this matrix in a clockwise spiral, inwards from the top left corner:\n"
                    f"{show(matrix)}\nAnswer with the list of its numbers in that order.")
        return question, dict(matrix=matrix)

    # Read the first row; then turn what is left, so that the next side is on top.
    @staticmethod
    def solve(matrix):
        numbers = []
        while matrix:
            numbers += matrix[0]
            matrix = list(zip(*matrix[1:]))[::-1]
        return numbers


def average(numbers):
    return round(sum(numbers) / len(numbers), 2)


class Pooling(Task):
    """Move a 2 x 2 window over 1 2 3 / 4 5 6. What is the maximum at each place? 5, 6."""
    suite = "symbench"
    uses = (average,)

    def make(self, rng: Random, level: int) -> tuple:
        n = between(rng, level, (3, 3), (4, 6), (7, 9))
        size = rng.randint(2, at(rng, level, 2, 3, 4))
        kind = rng.choice(("maximum", "minimum", "sum", "average"))
        matrix = numbers(rng, n, n, *at(rng, level, (0, 9), (-10, 20), (-99, 99)))
        decimals = ", rounded to two decimals" if kind == "average" else ""
        question = (f"Move a {size} x {size} window over this grid in steps of one cell:\n"
                    f"{show(matrix)}\nWhat is the {kind} at each place{decimals}? "
                    "Answer row by row, separated by commas.")
        return question, dict(matrix=matrix, size=size, kind=kind)

    @staticmethod
    def solve(matrix, size, kind):
        pool = {"maximum": max, "minimum": min, "sum": sum, "average": average}[kind]
        places = range(len(matrix) - size + 1)
        pooled = []
        for r in places:
            for c in places:
                window = [row[c:c + size] for row in matrix[r:r + size]]
                pooled.append(pool(sum(window, [])))
        return pooled

    def check(self, answer: str, instance: Instance) -> bool:
        matrix, size, kind = instance.facts.values()
        given = [number(cell) for cell in cells(answer)]
        if kind != "average":
            return given == self.solve(matrix, size, kind)
        # Compared with the exact averages, as a third decimal of 5 may be rounded either way.
        exact = [Fraction(total, size ** 2) for total in self.solve(matrix, size, "sum")]
        return all(abs(one - other) <= Fraction(6, 1000)
                   for one, other in zip(given, exact, strict=True))


# ---- finding shapes ------------------------------------------------------------------------------

def blocks(rows):
    """The lower right corners of all blocks of 3 x 3 equal letters."""
    found = []
    for r in range(2, len(rows)):
        for c in range(2, len(rows[0])):
            block = {letter for row in rows[r - 2:r + 1] for letter in row[c - 2:c + 1]}
            if len(block) == 1:
                found.append([r, c])
    return found


class PatternRecognition(Task):
    """Where is the lower right corner of the one square of 3 x 3 or more equal letters?"""
    suite = "symbench"
    parse = staticmethod(ints)
    uses = (blocks,)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        sizes = at(rng, level, (6, 6), (6, 15), (20, 30))
        # Few letters make many blocks that are almost squares.
        letters = ascii_uppercase[:at(rng, level, 26, 26, 4)]
        while True:
            height, width = rng.randint(*sizes), rng.randint(*sizes)
            side, letter = rng.randint(3, min(height, width) // 2), rng.choice(letters)
            bottom, right = rng.randint(side, height), rng.randint(side, width)
            rows = [""] * height
            for r in range(height):
                for c in range(width):
                    inside = bottom - side <= r < bottom and right - side <= c < right
                    rows[r] += letter if inside else rng.choice(letters)
            # With no 3 x 3 block outside the square, it is the only one and cannot grow.
            if len(blocks(rows)) == (side - 2) ** 2:
                break
        return (f"One square of 3 x 3 or more is filled with one letter:\n{show(rows, '')}\n"
                "Where is its lower right corner? Answer [row, column], both counted from 0.",
                dict(rows=rows))

    # The square ends where its last 3 x 3 block ends.
    @staticmethod
    def solve(rows):
        return max(blocks(rows))


def outline(top, left, bottom, right):
    """The cells on the outline of a rectangle."""
    return [(r, c) for r in (top, bottom) for c in range(left, right + 1)] \
        + [(r, c) for r in range(top + 1, bottom) for c in (left, right)]


def decompositions(rows):
    """For each way to take a drawing apart the number of rectangles, or 0 where ink is left over."""
    from collections import Counter
    ink = Counter({(r, c): ".#@".index(mark)
                   for r, row in enumerate(rows) for c, mark in enumerate(row)})

    def take(count):
        first = next((cell for cell in ink if ink[cell]), None)
        if not first:
            yield count
            return
        top, left = first  # the first cell in reading order can only be an upper left corner
        stuck = True
        for right in range(left + 1, len(rows[0])):
            if not ink[top, right]:
                break
            for bottom in range(top + 1, len(rows)):
                if not (ink[bottom, left] and ink[bottom, right]):
                    break
                cells = outline(top, left, bottom, right)
                if right > left + 1 and bottom > top + 1 and all(ink[cell] for cell in cells):
                    stuck = False
                    ink.subtract(cells)
                    yield from take(count + 1)
                    ink.update(cells)
        if stuck:
            yield 0

    return take(0)


def draw_outlines(rng: Random, height: int, width: int, counts: tuple[int, int]) -> list[str]:
    """A drawing of rectangles anywhere on the canvas; no cell is on more than two outlines."""
    while True:
        ink = Counter()
        for _ in range(rng.randint(*counts)):
            top, left = rng.randrange(height - 2), rng.randrange(width - 2)
            bottom, right = rng.randrange(top + 2, height), rng.randrange(left + 2, width)
            ink.update(outline(top, left, bottom, right))
        if max(ink.values()) <= 2:
            return ["".join(".#@"[ink[r, c]] for c in range(width)) for r in range(height)]


class RectangleCount(Task):
    """How many rectangles, of which the outlines are drawn and may cross, are on the canvas?"""
    split = "test"
    parse = staticmethod(integer)
    uses = (outline, decompositions)

    def make(self, rng: Random, level: int) -> tuple:
        height, width = at(rng, level, (12, 24), (20, 40), (36, 60))
        counts = at(rng, level, (1, 3), (2, 6), (5, 9))
        while True:
            rows = draw_outlines(rng, height, width, counts)
            # Crossing outlines can be taken apart in several ways: all must have one number.
            ways = list(islice(decompositions(rows), 1000))
            if len(ways) < 1000 and len({*ways} - {0}) == 1:
                break
        question = ("A canvas shows outlines of rectangles, each at least 3 x 3: "
                    f'"#" is a cell on one outline, "@" a cell on two.\n{show(rows, "")}\n'
                    "How many rectangles are there? Answer with one integer.")
        return question, dict(rows=rows)

    @staticmethod
    def solve(rows):
        return max(decompositions(rows))


class LargestIsland(Task):
    """In 1 1 0 / 0 0 1 the largest island of ones that touch along a side has two cells."""
    parse = staticmethod(integer)
    uses = (neighbours,)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (5, 6), (5, 10), (15, 25))
        height, width = rng.randint(low, high), rng.randint(low, high)
        matrix = [[0] * width for _ in range(height)]
        # Random walks from random cells; a step over the edge stays where it is.
        for _ in range(rng.randint(1, high // 2)):
            r, c = rng.randrange(height), rng.randrange(width)
            for _ in range(rng.randint(1, 2 * high)):
                matrix[r][c] = 1
                down, right = rng.choice(((0, 1), (1, 0), (0, -1), (-1, 0)))
                if r + down in range(height) and c + right in range(width):
                    r, c = r + down, c + right
        question = (f"Ones that touch along a side belong to one island:\n{show(matrix)}\n"
                    "How many cells has the largest island? Answer with one integer.")
        return question, dict(matrix=matrix)

    @staticmethod
    def solve(matrix):
        land = {(r, c) for r, row in enumerate(matrix) for c, cell in enumerate(row) if cell}
        largest = 0
        while land:
            shore, size = [land.pop()], 0
            while shore:
                near = neighbours(*shore.pop()) & land
                land -= near
                shore += near
                size += 1
            largest = max(largest, size)
        return largest


# ---- spreading -----------------------------------------------------------------------------------

class BinaryMatrix(Task):
    """Replace each cell by its distance to the nearest 0: 1 1 0 becomes 2 1 0."""
    parse = staticmethod(rows_of_ints)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        n = between(rng, level, (3, 4), (5, 10), (12, 16))
        share = at(rng, level, 0.4, 0.25, 0.1)
        matrix = [[int(rng.random() > share) for _ in range(n)] for _ in range(n)]
        matrix[rng.randrange(n)][rng.randrange(n)] = 0  # at least one
        question = ("Replace each cell by its distance to the nearest 0, "
                    f"in steps up, down, left or right:\n{show(matrix)}\n{ROWS}")
        return question, dict(matrix=matrix)

    @staticmethod
    def solve(matrix):
        n = range(len(matrix))
        zeros = [(r, c) for r in n for c in n if matrix[r][c] == 0]
        return [[min(abs(r - i) + abs(c - j) for i, j in zeros) for c in n] for r in n]


class RottenOranges(Task):
    """In 2 1 1 / 0 0 1 no orange is fresh after 3 minutes; in 2 0 1 one stays fresh for ever."""
    parse = staticmethod(integer)
    uses = (neighbours,)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        stuck = rng.random() < 0.2
        sizes = at(rng, level, (4, 6), (10, 15), (20, 30))
        while True:
            n = rng.randint(*sizes)
            # So many empty places and rotten oranges to 80 fresh ones.
            weights = (rng.randint(10, 30), 80, rng.randint(1, 8))
            matrix = [rng.choices((0, 1, 2), weights, k=n) for _ in range(n)]
            minutes = self.solve(matrix)  # 0 if no orange is fresh at first
            if minutes and (minutes == -1) == stuck:
                break
        question = ("0 is an empty place, 1 a fresh orange, 2 a rotten one. Each minute the fresh "
                    "oranges directly above, below, left and right of rotten ones rot.\n"
                    f"{show(matrix)}\nAfter how many minutes is no orange fresh? "
                    "Answer with one integer, -1 if some stay fresh for ever.")
        return question, dict(matrix=matrix)

    @staticmethod
    def solve(matrix):
        places = [(r, c) for r in range(len(matrix)) for c in range(len(matrix[0]))]
        fresh = {(r, c) for r, c in places if matrix[r][c] == 1}
        rotten = {(r, c) for r, c in places if matrix[r][c] == 2}
        minutes = 0
        while fresh and rotten:
            # Only those that have just turned rotten still have fresh ones beside them.
            rotten = {near for r, c in rotten for near in neighbours(r, c) & fresh}
            fresh -= rotten
            minutes += 1
        return -1 if fresh else minutes


LIFE = ("This is a board of Conway's Game of Life whose opposite edges are joined. "
        "In each step a cell with 3 living cells (1) among its 8 neighbours lives, "
        "one with 2 stays as it is, any other is dead (0).\n")


def life(board):
    """The board one step later."""
    from collections import Counter
    n, near = len(board), (-1, 0, 1)
    alive = [(r, c) for r in range(n) for c in range(n) if board[r][c]]
    # Each living cell counts once for itself and for each of its neighbours.
    counts = Counter(((r + i) % n, (c + j) % n) for r, c in alive for i in near for j in near)
    # With itself, a living cell that stays counts 3 or 4; a dead one that is born counts 3.
    return [[int(counts[r, c] in (3, 3 + board[r][c])) for c in range(n)] for r in range(n)]


class GameOfLife(Task):
    """What is the board after 2 steps?"""
    parse = staticmethod(rows_of_ints)
    uses = (life,)

    def make(self, rng: Random, level: int) -> tuple:
        steps = between(rng, level, (1, 1), (1, 3), (5, 10))
        sizes = at(rng, level, (4, 6), (8, 10), (12, 16))
        while True:
            n = rng.randint(*sizes)
            board = [[int(rng.random() < 0.3) for _ in range(n)] for _ in range(n)]
            if any(map(any, self.solve(board, steps))):  # an empty board could be guessed
                break
        after = "1 step" if steps == 1 else f"{steps} steps"
        question = f"{LIFE}{show(board)}\nWhat is the board after {after}? {ROWS}"
        return question, dict(board=board, steps=steps)

    @staticmethod
    def solve(board, steps):
        for _ in range(steps):
            board = life(board)
        return board


class GameOfLifeHalting(Task):
    """Are all cells dead after 12 steps?

    The number of living cells is drawn before the boards, so that those with few cells are no
    likelier to die out.
    """
    parse = staticmethod(yes_no)
    uses = (life,)

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice((True, False))
        n, steps = at(rng, level, (6, 5), (12, 20), (16, 40))
        alive = round(n * n * at(rng, level, 0.16, 0.1, 0.09) * rng.uniform(0.75, 1.25))
        while True:
            shuffled = [1] * alive + [0] * (n * n - alive)
            rng.shuffle(shuffled)
            board = [shuffled[r * n:(r + 1) * n] for r in range(n)]
            if self.solve(board, steps) is label:
                break
        question = (f"{LIFE}{show(board)}\nAre all cells dead after {steps} steps? "
                    "Answer True or False.")
        return question, dict(board=board, steps=steps)

    @staticmethod
    def solve(board, steps):
        for _ in range(steps):
            if any(map(any, board)):  # a dead board stays dead
                board = life(board)
        return not any(map(any, board))


# ---- games on boards -----------------------------------------------------------------------------

class LightPuzzles(Task):
    """Button A switches (1, 1), (2, 2). Press A, B, A."""
    suite = "symbench"
    parse = staticmethod(cells_of_ints)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        n = between(rng, level, (2, 2), (3, 5), (6, 8))
        lights = numbers(rng, n, n, 0, 1)
        places = [[r + 1, c + 1] for r in range(n) for c in range(n)]
        buttons, effects = {}, ""
        for name in ascii_uppercase[:between(rng, level, (1, 2), (2, 3), (4, 6))]:
            buttons[name] = sorted(rng.sample(places, rng.randint(2, n * n // 2)))
            switched = ", ".join(f"({r}, {c})" for r, c in buttons[name])
            effects += f"Button {name} switches {switched}.\n"
        length = between(rng, level, (1, 4), (2, 6), (10, 20))
        presses = "".join(rng.choices(list(buttons), k=length))
        question = ("Lights, 1 for on, with rows and columns counted from 1:\n"
                    f"{show(lights)}\n{effects}Press {', '.join(presses)}. {CELLS}")
        return question, dict(lights=lights, buttons=buttons, presses=presses)

    # A light that is switched an even number of times is as before.
    @staticmethod
    def solve(lights, buttons, presses):
        return [light ^ sum([r, c] in buttons[b] for b in presses) % 2
                for r, row in enumerate(lights, 1) for c, light in enumerate(row, 1)]


def turned(board, row, column, player):
    """The enemy pieces between a new piece of the player and an older one, in all directions."""
    found, inside = [], range(len(board))
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            between = []
            r, c = row + down, column + right
            while r in inside and c in inside and board[r][c] != "*":
                if board[r][c] == player:
                    found += between
                    break
                between.append((r, c))
                r, c = r + down, c + right
    return found


def play(board, move, player):
    """Puts a piece of the player on the board and turns what it encloses."""
    row, column = move[0] - 1, move[1] - 1
    for r, c in turned(board, row, column, player):
        board[r][c] = player
    board[row][column] = player


class Reversi(Task):
    """Black moves first, then both in turn, at these places: [3, 4], [3, 3]."""
    suite = "symbench"
    parse = staticmethod(cells)
    uses = (turned, play)

    def make(self, rng: Random, level: int) -> tuple:
        n = at(rng, level, 4, 6, 8)
        opening = between(rng, level, (0, 3), (2, 6), (4, 8))
        asked = between(rng, level, (1, 2), (2, 4), (4, 6))
        i, j = n // 2 - 1, n // 2  # the rows and columns in the middle
        moves = []
        while len(moves) < asked:
            after = [["*"] * n for _ in range(n)]
            after[i][i] = after[j][j] = "1"
            after[i][j] = after[j][i] = "0"
            self._play_at_random(rng, after, range(opening))
            board = [row[:] for row in after]
            moves = self._play_at_random(rng, after, range(opening, opening + asked))
        side = ("Black", "White")[opening % 2]
        question = (f"A Reversi board (0 black, 1 white, * empty):\n{show(board)}\n{side} moves "
                    "first, then both in turn, at these places [row, column], counted from 1: "
                    f"{', '.join(map(str, moves))}. At each move the enemy pieces in a straight "
                    "line (also diagonal) between the new piece and another one of its colour, "
                    f"with no gap, change colour. What is the board in the end? {CELLS}")
        return question, dict(board=board, player=str(opening % 2), moves=moves)

    @staticmethod
    def _play_at_random(rng: Random, board: list[list[str]], turns: range) -> list[list[int]]:
        """A legal move at each turn, until one side has none; Black has the even turns."""
        moves, places = [], range(len(board))
        for turn in turns:
            player = str(turn % 2)
            legal = [[r + 1, c + 1] for r in places for c in places
                     if board[r][c] == "*" and turned(board, r, c, player)]
            if not legal:
                break
            moves.append(rng.choice(legal))
            play(board, moves[-1], player)
        return moves

    @staticmethod
    def solve(board, player, moves):
        board = [row[:] for row in board]
        for move in moves:
            play(board, move, player)
            player = "10"[int(player)]
        return [cell for row in board for cell in row]


class Game2048(Task):
    """The tile in row 2, column 1, takes the steps u, r: it slides, or merges with an equal one."""
    suite, split, name = "symbench", "test", "2048"
    parse = staticmethod(cells_of_ints)

    def make(self, rng: Random, level: int) -> tuple:
        n = between(rng, level, (2, 3), (3, 5), (5, 7))
        length = between(rng, level, (2, 3), (3, 6), (10, 20))
        moves = "".join(rng.choices("udlr", k=length))
        places = list(product(range(n), repeat=2))
        board = [[0] * n for _ in range(n)]
        for r, c in rng.sample(places, rng.randint(n, 2 * n)):
            board[r][c] = 2 ** rng.randint(1, at(rng, level, 2, 3, 4))
        start = rng.choice([[r + 1, c + 1] for r, c in places if board[r][c]])
        question = (f"Tiles on a board (0 is an empty cell):\n{show(board)}\n"
                    f"The tile in row {start[0]}, column {start[1]}, counted from 1, takes the "
                    f"steps {', '.join(moves)} (u up, d down, l left, r right). Each moves it one "
                    "cell: it slides into an empty cell; it merges with an equal tile into their "
                    "sum, which takes the further steps; at the edge or another tile it stays. "
                    f"No other tile moves. What is the board in the end? {ROWS}")
        return question, dict(board=board, start=start, moves=moves)

    @staticmethod
    def solve(board, start, moves):
        steps = {"u": (-1, 0), "d": (1, 0), "l": (0, -1), "r": (0, 1)}
        board = [row[:] for row in board]
        inside = range(len(board))
        r, c = start[0] - 1, start[1] - 1
        for move in moves:
            i, j = r + steps[move][0], c + steps[move][1]
            if i in inside and j in inside and board[i][j] in (0, board[r][c]):
                board[i][j] += board[r][c]
                board[r][c] = 0
                r, c = i, j
        return board
