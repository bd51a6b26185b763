"""Grids of numbers, letters and marks: turning, reading, finding shapes, spreading, games on boards."""
import inspect
from collections import Counter
from fractions import Fraction
from itertools import islice
from random import Random
from string import ascii_uppercase

from tasks.base import Instance, Task, at, grid, integer, ints, number, show, yes_no

ROWS = "Answer with a list of rows, such as [[1, 2], [3, 4]]."
CELLS = "Answer with all cells row by row, separated by commas."


def rows_of_ints(text: str) -> list[list[int]]:
    return grid(text, integer)


def cells(text: str) -> list[str]:
    """The cells of a grid in reading order; the breaks between its rows do not matter."""
    return [cell for row in grid(text) for cell in row]


def cells_of_ints(text: str) -> list[int]:
    return [integer(cell) for cell in cells(text)]


# ---- turning and editing --------------------------------------------------------------------------------------------
# Each operation is one expression. Its first line says in the question what it does, the rest goes into programs.

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
    """A matrix `m` and a list of operations on it, each a name with its arguments."""

    def ask(self, m: list[list], operations: list[list]) -> str:
        orders = [OPERATIONS[name].__doc__.format(*arguments) for name, *arguments in operations]
        return f"Take this matrix:\n{show(m)}\n" + "".join(
            f"{'Then' if i else 'First'} {order}. " if len(orders) > 1 else f"Now {order}. "
            for i, order in enumerate(orders))

    @staticmethod
    def solve(m, operations):
        for name, *arguments in operations:
            m = OPERATIONS[name](m, *arguments)
        return m

    def program(self, instance: Instance) -> str:
        """A line for each operation: its expression, after its arguments."""
        lines = [f"m = {instance.facts['m']}"]
        for name, *arguments in instance.facts["operations"]:
            parameters = list(inspect.signature(OPERATIONS[name]).parameters)[1:]
            lines += [f"{parameter} = {argument}" for parameter, argument in zip(parameters, arguments)]
            lines.append("m = " + inspect.getsource(OPERATIONS[name]).split("return ")[1].strip())
        return "\n".join([*lines, "print(m)\n"])


class MatrixTransformation(Operations):
    suite = "symbench"
    parse = staticmethod(cells)

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (2, 3), (3, 5), (5, 8))
        width, height = rng.randint(low, high), rng.randint(low, high)
        m = [[rng.choice("abcdefghkmnprstuvwxyzABCDEFGHKLMNPRSTUVWXYZ23456789#@+*%&=?!$") for _ in range(width)]
             for _ in range(height)]
        count = rng.randint(*at(rng, level, (1, 1), (1, 3), (3, 4)))
        operations = [[rng.choice(TURNS).__name__] for _ in range(count)]
        return self.ask(m, operations) + CELLS, dict(m=m, operations=operations)


class ManipulateMatrix(Operations):
    parse = staticmethod(rows_of_ints)

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (2, 3), (4, 8), (8, 12))
        width = rng.randint(low, high)
        m = start = [[rng.randrange(10) for _ in range(width)] for _ in range(rng.randint(low, high))]
        operations = []
        for _ in range(rng.randint(*at(rng, level, (1, 1), (3, 6), (8, 12)))):
            operations.append(self._draw(rng, m))
            m = self.solve(m, operations[-1:])
        return self.ask(start, operations) + ROWS, dict(m=start, operations=operations)

    @staticmethod
    def _draw(rng: Random, m: list[list[int]]) -> list:
        """An operation that leaves something of `m`: only what has three or more rows or columns is cut."""
        height, width = len(m), len(m[0])
        draws = [lambda: [rng.choice(TURNS).__name__],
                 lambda: ["replace", rng.choice(rng.choice(m)), rng.randrange(10)],
                 lambda: ["zero_multiples", rng.randint(2, 4)]]
        if min(height, width) > 2:
            draws += [lambda: ["keep", rng.randint(1, 2), rng.randint(height - 1, height),
                               rng.randint(1, 2), rng.randint(width - 1, width)],
                      lambda: ["drop_rows", rng.randint(2, height)],
                      lambda: ["drop_columns", rng.randint(2, width)]]
        return rng.choice(draws)()


class RotateMatrix(Task):
    parse = staticmethod(rows_of_ints)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        n = rng.randint(*at(rng, level, (2, 4), (4, 8), (10, 14)))
        matrix = [[rng.randrange(10) for _ in range(n)] for _ in range(n)]
        degrees = 90 * rng.randint(*at(rng, level, (1, 3), (1, 10), (1, 40)))
        return f"Rotate this matrix {degrees} degrees clockwise:\n{show(matrix)}\n{ROWS}", \
            dict(matrix=matrix, degrees=degrees)

    @staticmethod
    def solve(matrix, degrees):
        for _ in range(degrees // 90 % 4):
            matrix = [list(row) for row in zip(*matrix[::-1])]
        return matrix


# ---- reading and pooling --------------------------------------------------------------------------------------------

class SpiralMatrix(Task):
    split = "test"
    parse = staticmethod(ints)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        width, height = (rng.randint(*at(rng, level, (2, 4), (4, 8), (10, 14))) for _ in range(2))
        matrix = [[rng.randrange(10) for _ in range(width)] for _ in range(height)]
        return f"Read this matrix in a clockwise spiral, inwards from the top left corner:\n{show(matrix)}\n" \
               "Answer with the list of its numbers in that order.", dict(matrix=matrix)

    # Read the first row; then turn what is left, so that the next side is on top.
    @staticmethod
    def solve(matrix):
        numbers = []
        while matrix:
            numbers += matrix[0]
            matrix = list(zip(*matrix[1:]))[::-1]
        return numbers


class Pooling(Task):
    suite = "symbench"

    def make(self, rng: Random, level: int) -> tuple:
        n = rng.randint(*at(rng, level, (3, 3), (4, 6), (7, 9)))
        size = rng.randint(2, at(rng, level, 2, 3, 4))
        kind = rng.choice(("maximum", "minimum", "sum", "average"))
        low, high = at(rng, level, (0, 9), (-10, 20), (-99, 99))
        matrix = [[rng.randint(low, high) for _ in range(n)] for _ in range(n)]
        decimals = ", rounded to two decimals" * (kind == "average")
        return f"Move a {size} x {size} window over this grid in steps of one cell:\n{show(matrix)}\n" \
               f"What is the {kind} at each place{decimals}? Answer row by row, separated by commas.", \
            dict(matrix=matrix, size=size, kind=kind)

    @staticmethod
    def solve(matrix, size, kind):
        pool = {"maximum": max, "minimum": min, "sum": sum, "average": lambda w: round(sum(w) / len(w), 2)}[kind]
        places = range(len(matrix) - size + 1)
        return [pool([v for row in matrix[r:r + size] for v in row[c:c + size]]) for r in places for c in places]

    def check(self, answer: str, instance: Instance) -> bool:
        given, facts = [number(cell) for cell in cells(answer)], instance.facts
        if facts["kind"] != "average":
            return given == self.solve(**facts)
        # Compared with the exact averages, as a third decimal of 5 may be rounded either way.
        sums = self.solve(facts["matrix"], facts["size"], "sum")
        return len(given) == len(sums) and all(
            abs(cell - Fraction(total, facts["size"] ** 2)) <= Fraction(6, 1000) for cell, total in zip(given, sums))

    def program(self, instance: Instance) -> str:
        matrix, size, kind = instance.facts.values()
        pool = {"maximum": "max({})", "minimum": "min({})", "sum": "sum({})",
                "average": f"round(sum({{}}) / {size ** 2}, 2)"}[kind]
        window = pool.format(f"m[r + i][c + j] for i in range({size}) for j in range({size})")
        return f"m = {matrix}\nn = range({len(matrix) - size + 1})\nprint([{window} for r in n for c in n])\n"


# ---- finding shapes -------------------------------------------------------------------------------------------------

class PatternRecognition(Task):
    suite = "symbench"
    parse = staticmethod(ints)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (6, 6), (6, 15), (20, 30))
        letters = ascii_uppercase[:at(rng, level, 26, 26, 4)]  # few letters: many blocks that are almost squares
        while True:
            height, width = rng.randint(low, high), rng.randint(low, high)
            side, letter = rng.randint(3, min(height, width) // 2), rng.choice(letters)
            top, left = rng.randint(0, height - side), rng.randint(0, width - side)
            rows = ["".join(letter if r - top in range(side) and c - left in range(side) else rng.choice(letters)
                            for c in range(width)) for r in range(height)]
            # With no 3 x 3 block outside the square, it is the only one and cannot grow.
            blocks = sum(rows[r][c:c + 3] == rows[r + 1][c:c + 3] == rows[r + 2][c:c + 3] == rows[r][c] * 3
                         for r in range(height - 2) for c in range(width - 2))
            if blocks == (side - 2) ** 2:
                break
        return "One square of 3 x 3 or more is filled with one letter:\n" + "\n".join(rows) + \
            "\nWhere is its lower right corner? Answer [row, column], both counted from 0.", dict(rows=rows)

    @staticmethod
    def solve(rows):
        h, w = len(rows), len(rows[0])  # the square ends where its last 3 x 3 block ends
        return max([r, c] for r in range(2, h) for c in range(2, w)
                   if len({x for row in rows[r - 2:r + 1] for x in row[c - 2:c + 1]}) == 1)


def outline(top, left, bottom, right):
    """The cells on the outline of a rectangle."""
    return [(r, c) for r in (top, bottom) for c in range(left, right + 1)] \
        + [(r, c) for r in range(top + 1, bottom) for c in (left, right)]


def decompositions(rows):
    """For each way to take a drawing apart the number of rectangles, or 0 where ink is left over."""
    from collections import Counter
    ink = Counter({(r, c): ".#@".index(mark) for r, row in enumerate(rows) for c, mark in enumerate(row)})

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


class RectangleCount(Task):
    split = "test"
    parse = staticmethod(integer)
    uses = (outline, decompositions)

    def make(self, rng: Random, level: int) -> tuple:
        height, width = at(rng, level, (12, 24), (20, 40), (36, 60))
        low, high = at(rng, level, (1, 3), (2, 6), (5, 9))
        while True:
            ink = Counter()
            for _ in range(rng.randint(low, high)):
                top, left = rng.randint(0, height - 3), rng.randint(0, width - 3)
                ink.update(outline(top, left, rng.randint(top + 2, height - 1), rng.randint(left + 2, width - 1)))
            if max(ink.values()) > 2:
                continue
            rows = ["".join(".#@"[ink[r, c]] for c in range(width)) for r in range(height)]
            # Crossing outlines can be taken apart in several ways: all must have the same number of rectangles.
            ways = list(islice(decompositions(rows), 1000))
            if len(ways) < 1000 and len({*ways} - {0}) == 1:
                break
        drawing = "\n".join(rows)
        return 'A canvas shows outlines of rectangles, each at least 3 x 3: "#" is a cell on one outline, "@" a cell ' \
               f"on two.\n{drawing}\nHow many rectangles are there? Answer with one integer.", dict(rows=rows)

    @staticmethod
    def solve(rows):
        return max(decompositions(rows))


class LargestIsland(Task):
    parse = staticmethod(integer)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (5, 6), (5, 10), (15, 25))
        height, width = rng.randint(low, high), rng.randint(low, high)
        matrix = [[0] * width for _ in range(height)]
        for _ in range(rng.randint(1, high // 2)):  # random walks from random cells
            r, c = rng.randrange(height), rng.randrange(width)
            for _ in range(rng.randint(1, 2 * high)):
                matrix[r][c] = 1
                i, j = rng.choice(((0, 1), (1, 0), (0, -1), (-1, 0)))
                r, c = min(max(r + i, 0), height - 1), min(max(c + j, 0), width - 1)
        return f"Ones that touch along a side belong to one island:\n{show(matrix)}\n" \
               "How many cells has the largest island? Answer with one integer.", dict(matrix=matrix)

    @staticmethod
    def solve(matrix):
        land = {(r, c) for r, row in enumerate(matrix) for c, cell in enumerate(row) if cell}
        largest = 0
        while land:
            island = [land.pop()]
            for r, c in island:  # grows while it is read
                near = {(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)} & land
                island += near
                land -= near
            largest = max(largest, len(island))
        return largest


# ---- spreading ------------------------------------------------------------------------------------------------------

class BinaryMatrix(Task):
    parse = staticmethod(rows_of_ints)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        n = rng.randint(*at(rng, level, (3, 4), (5, 10), (12, 16)))
        zeros = at(rng, level, 0.4, 0.25, 0.1)
        matrix = [[int(rng.random() > zeros) for _ in range(n)] for _ in range(n)]
        matrix[rng.randrange(n)][rng.randrange(n)] = 0
        return "Replace each cell by its distance to the nearest 0, in steps up, down, left or right:\n" \
               f"{show(matrix)}\n{ROWS}", dict(matrix=matrix)

    @staticmethod
    def solve(matrix):
        n = range(len(matrix))
        return [[min(abs(r - i) + abs(c - j) for i in n for j in n if not matrix[i][j]) for c in n] for r in n]


class RottenOranges(Task):
    parse = staticmethod(integer)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        stuck = rng.random() < 0.2
        low, high = at(rng, level, (4, 6), (10, 15), (20, 30))
        while True:
            n, weights = rng.randint(low, high), (rng.randint(10, 30), 80, rng.randint(1, 8))
            matrix = [rng.choices((0, 1, 2), weights, k=n) for _ in range(n)]
            if (self.solve(matrix) == -1) == stuck and any(1 in row for row in matrix):
                break
        return "0 is an empty place, 1 a fresh orange, 2 a rotten one. Each minute the fresh oranges directly above, " \
               f"below, left and right of rotten ones rot.\n{show(matrix)}\nAfter how many minutes is no orange " \
               "fresh? Answer with one integer, -1 if some stay fresh for ever.", dict(matrix=matrix)

    @staticmethod
    def solve(matrix):
        cells = {(r, c): cell for r, row in enumerate(matrix) for c, cell in enumerate(row)}
        fresh = {place for place in cells if cells[place] == 1}
        rotten = {place for place in cells if cells[place] == 2}
        minutes = 0
        while fresh and rotten:
            rotten = {(r + i, c + j) for r, c in rotten for i, j in ((0, 1), (1, 0), (0, -1), (-1, 0))} & fresh
            fresh -= rotten
            minutes += 1
        return -1 if fresh else minutes


LIFE = "This is a board of Conway's Game of Life whose opposite edges are joined. In each step a cell with 3 living " \
       "cells (1) among its 8 neighbours lives, one with 2 stays as it is, any other is dead (0).\n"


def life(board):
    """The board one step later."""
    from collections import Counter
    n, near = len(board), (-1, 0, 1)
    # Each living cell counts once for itself and for each of its neighbours.
    counts = Counter(((r + i) % n, (c + j) % n) for r in range(n) for c in range(n) if board[r][c]
                     for i in near for j in near)
    return [[int(counts[r, c] in (3, 3 + board[r][c])) for c in range(n)] for r in range(n)]


class GameOfLife(Task):
    parse = staticmethod(rows_of_ints)
    uses = (life,)

    def make(self, rng: Random, level: int) -> tuple:
        steps = rng.randint(*at(rng, level, (1, 1), (1, 3), (5, 10)))
        low, high = at(rng, level, (4, 6), (8, 10), (12, 16))
        while True:
            n = rng.randint(low, high)
            board = [[int(rng.random() < 0.3) for _ in range(n)] for _ in range(n)]
            if any(map(any, self.solve(board, steps))):
                break
        return f"{LIFE}{show(board)}\nWhat is the board after {steps} step{'s' * (steps > 1)}? {ROWS}", \
            dict(board=board, steps=steps)

    @staticmethod
    def solve(board, steps):
        for _ in range(steps):
            board = life(board)
        return board


class GameOfLifeHalting(Task):
    """The number of living cells is drawn before the boards: boards with few cells are no likelier to die out."""
    parse = staticmethod(yes_no)
    uses = (life,)

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice((True, False))
        n, steps = at(rng, level, (6, 5), (12, 20), (16, 40))
        alive = round(n * n * at(rng, level, 0.16, 0.1, 0.09) * rng.uniform(0.75, 1.25))
        while True:
            cells = [1] * alive + [0] * (n * n - alive)
            rng.shuffle(cells)
            board = [cells[r * n:(r + 1) * n] for r in range(n)]
            if self.solve(board, steps) is label:
                break
        return f"{LIFE}{show(board)}\nAre all cells dead after {steps} steps? Answer True or False.", \
            dict(board=board, steps=steps)

    @staticmethod
    def solve(board, steps):
        for _ in range(steps):
            if any(map(any, board)):  # a dead board stays dead
                board = life(board)
        return not any(map(any, board))


# ---- games on boards ------------------------------------------------------------------------------------------------

class LightPuzzles(Task):
    suite = "symbench"
    parse = staticmethod(cells_of_ints)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        n = rng.randint(*at(rng, level, (2, 2), (3, 5), (6, 8)))
        lights = [[rng.randrange(2) for _ in range(n)] for _ in range(n)]
        places = [[r + 1, c + 1] for r in range(n) for c in range(n)]
        buttons = {name: sorted(rng.sample(places, rng.randint(2, n * n // 2)))
                   for name in ascii_uppercase[:rng.randint(*at(rng, level, (1, 2), (2, 3), (4, 6)))]}
        presses = "".join(rng.choices(list(buttons), k=rng.randint(*at(rng, level, (1, 4), (2, 6), (10, 20)))))
        effects = [f"Button {name} switches {', '.join(f'({r}, {c})' for r, c in cells)}."
                   for name, cells in buttons.items()]
        return f"Lights, 1 for on, with rows and columns counted from 1:\n{show(lights)}\n" + "\n".join(effects) + \
            f"\nPress {', '.join(presses)}. {CELLS}", dict(lights=lights, buttons=buttons, presses=presses)

    @staticmethod
    def solve(lights, buttons, presses):
        return [light ^ sum([r, c] in buttons[b] for b in presses) % 2
                for r, row in enumerate(lights, 1) for c, light in enumerate(row, 1)]


def turned(board, row, column, player):
    """The enemy pieces between a new piece of the player and an older one, in all eight directions."""
    found, inside = [], range(len(board))
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            line, r, c = [], row + i, column + j
            while r in inside and c in inside and board[r][c] not in (player, "*"):
                line.append((r, c))
                r, c = r + i, c + j
            if r in inside and c in inside and board[r][c] == player:
                found += line
    return found


class Reversi(Task):
    suite = "symbench"
    parse = staticmethod(cells)
    uses = (turned,)

    def make(self, rng: Random, level: int) -> tuple:
        n, opening = at(rng, level, 4, 6, 8), rng.randint(*at(rng, level, (0, 3), (2, 6), (4, 8)))
        asked = rng.randint(*at(rng, level, (1, 2), (2, 4), (4, 6)))
        while True:
            board = [["*"] * n for _ in range(n)]
            for r, c, piece in ((-1, -1, "1"), (0, 0, "1"), (-1, 0, "0"), (0, -1, "0")):
                board[n // 2 + r][n // 2 + c] = piece
            board, _ = self._play(rng, board, "0", opening)
            player = "01"[opening % 2]
            _, moves = self._play(rng, board, player, asked)
            if len(moves) == asked:
                break
        return f"A Reversi board (0 black, 1 white, * empty):\n{show(board)}\n" \
               f"{('Black', 'White')[int(player)]} moves first, then both in turn, at these places [row, column], " \
               f"counted from 1: {', '.join(map(str, moves))}. At each move the enemy pieces in a straight line " \
               "(also diagonal) between the new piece and another one of its colour, with no gap, change colour. " \
               f"What is the board in the end? {CELLS}", dict(board=board, player=player, moves=moves)

    def _play(self, rng: Random, board: list[list[str]], player: str, count: int) -> tuple:
        """The board after so many random legal moves (fewer where one side cannot move), and the moves."""
        moves, n = [], range(len(board))
        for _ in range(count):
            legal = [[r + 1, c + 1] for r in n for c in n if board[r][c] == "*" and turned(board, r, c, player)]
            if not legal:
                break
            moves.append(rng.choice(legal))
            flat = self.solve(board, player, moves[-1:])
            board = [flat[r * len(n):(r + 1) * len(n)] for r in n]
            player = "10"[int(player)]
        return board, moves

    @staticmethod
    def solve(board, player, moves):
        board = [row[:] for row in board]
        for row, column in moves:
            for r, c in turned(board, row - 1, column - 1, player) + [(row - 1, column - 1)]:
                board[r][c] = player
            player = "10"[int(player)]
        return [cell for row in board for cell in row]


class Game2048(Task):
    suite, split, name = "symbench", "test", "2048"
    parse = staticmethod(cells_of_ints)

    def make(self, rng: Random, level: int) -> tuple:
        n = rng.randint(*at(rng, level, (2, 3), (3, 5), (5, 7)))
        moves = "".join(rng.choices("udlr", k=rng.randint(*at(rng, level, (2, 3), (3, 6), (10, 20)))))
        places = [(r, c) for r in range(n) for c in range(n)]
        board = [[0] * n for _ in range(n)]
        for r, c in rng.sample(places, rng.randint(n, min(2 * n, n * n))):
            board[r][c] = 2 ** rng.randint(1, at(rng, level, 2, 3, 4))
        start = rng.choice([[r + 1, c + 1] for r, c in places if board[r][c]])
        return f"Tiles on a board (0 is an empty cell):\n{show(board)}\nThe tile in row {start[0]}, column " \
               f"{start[1]}, counted from 1, takes the steps {', '.join(moves)} (u up, d down, l left, r right). " \
               "Each moves it one cell: it slides into an empty cell; it merges with an equal tile into their sum, " \
               "which takes the further steps; at the edge or another tile it stays. No other tile moves. " \
               f"What is the board in the end? {ROWS}", dict(board=board, start=start, moves=moves)

    @staticmethod
    def solve(board, start, moves):
        board, n = [row[:] for row in board], range(len(board))
        r, c = start[0] - 1, start[1] - 1
        for move in moves:
            i, j = {"u": (-1, 0), "d": (1, 0), "l": (0, -1), "r": (0, 1)}[move]
            if r + i in n and c + j in n and board[r + i][c + j] in (0, board[r][c]):
                board[r + i][c + j] += board[r][c]
                board[r][c] = 0
                r, c = r + i, c + j
        return board
