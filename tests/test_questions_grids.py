"""Every grid task solved again from the words of its question alone, by another method than the task's own."""
import itertools
import re
from collections import Counter

import pytest

from tasks import LEVELS, TASKS
from tasks.base import show

STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def numbers(question):
    """The lines that hold nothing but whole numbers, as rows."""
    return [list(map(int, line.split())) for line in question.splitlines() if re.fullmatch(r"[-\d ]+", line)]


def cells_of(rows):
    """{(row, column): cell}, both counted from 0."""
    return {(r, c): cell for r, row in enumerate(rows) for c, cell in enumerate(row)}


def rows_of(cells):
    """The rows of such a dictionary."""
    height, width = (1 + max(place[axis] for place in cells) for axis in (0, 1))
    return [[cells[r, c] for c in range(width)] for r in range(height)]


# ---- turning and editing --------------------------------------------------------------------------------------------

TURNS = {  # where the cell in row r and column c of a matrix of h rows and w columns goes
    "rotate it 90 degrees clockwise": lambda r, c, h, w: (c, h - 1 - r),
    "rotate it 180 degrees": lambda r, c, h, w: (h - 1 - r, w - 1 - c),
    "rotate it 270 degrees clockwise": lambda r, c, h, w: (w - 1 - c, r),
    "reverse the order of its rows": lambda r, c, h, w: (h - 1 - r, c),
    "reverse the order of its columns": lambda r, c, h, w: (r, w - 1 - c),
    "transpose it": lambda r, c, h, w: (c, r),
    "mirror it in the diagonal from top right to bottom left": lambda r, c, h, w: (w - 1 - c, h - 1 - r)}


def turned(rows, order):
    height, width = len(rows), len(rows[0])
    return rows_of({TURNS[order](r, c, height, width): cell for (r, c), cell in cells_of(rows).items()})


def edited(rows, order):
    """An order that changes or deletes cells, carried out cell by cell."""
    n = [int(number) for number in re.findall(r"\d+", order.replace("counted from 1", ""))]
    kept = []
    for i, row in enumerate(rows, 1):
        cells = []
        for j, cell in enumerate(row, 1):
            if order.startswith("replace each"):
                cells.append(n[1] if cell == n[0] else cell)
            elif order.startswith("set each multiple"):
                cells.append(cell if cell % n[0] else 0)
            elif order.startswith("keep only rows"):
                cells += [cell] if n[0] <= i <= n[1] and n[2] <= j <= n[3] else []
            elif order.startswith("delete each row"):
                cells += [cell] if i % n[0] else []
            elif order.startswith("delete each column"):
                cells += [cell] if j % n[0] else []
            else:
                raise AssertionError(f"an unknown order: {order}")
        kept += [cells] if cells else []
    return kept


def operations(question):
    rows = [line.split() for line in re.search(r"matrix:\n(.*)\n(?:Now|First)", question, re.DOTALL)[1].splitlines()]
    asked = question.split("\n")[-1]
    if "list of rows" in asked:
        rows = [[int(cell) for cell in row] for row in rows]
    for order in re.findall(r"(?:Now|First|Then) (.*?)\. ", asked):
        rows = turned(rows, order) if order in TURNS else edited(rows, order)
    return show(rows)


def rotate_matrix(question):
    """A quarter turn at a time, as often as told."""
    rows = numbers(question)
    for _ in range(int(re.search(r"matrix (\d+) degrees", question)[1]) // 90):
        rows = turned(rows, "rotate it 90 degrees clockwise")
    return show(rows)


# ---- reading and pooling --------------------------------------------------------------------------------------------

def spiral_matrix(question):
    """A walker who turns right at the edge and at visited cells."""
    cells = cells_of(numbers(question))
    r, c, i, j, visited = 0, 0, 0, 1, {}
    while len(visited) < len(cells):
        visited[r, c] = cells[r, c]
        if (r + i, c + j) not in cells or (r + i, c + j) in visited:
            i, j = j, -i
        r, c = r + i, c + j
    return " ".join(map(str, visited.values()))


def pooling(question):
    """All cells of each window, sorted."""
    rows = numbers(question)
    size = int(re.search(r"Move a (\d) x \1 window", question)[1])
    kind = re.search(r"What is the (\w+) at each place", question)[1]
    values = []
    for r, c in itertools.product(range(len(rows) - size + 1), range(len(rows[0]) - size + 1)):
        window = sorted(rows[i][j] for i in range(r, r + size) for j in range(c, c + size))
        values.append({"maximum": window[-1], "minimum": window[0], "sum": sum(window),
                       "average": round(sum(window) / size ** 2, 2)}[kind])
    return str(values)


# ---- finding shapes -------------------------------------------------------------------------------------------------

def pattern_recognition(question):
    """The side of the largest square of one letter that ends at each cell, from those above and to the left."""
    cells, side = cells_of(re.findall(r"^[A-Z]{6,}$", question, re.MULTILINE)), {}
    for r, c in cells:
        before = [(r - 1, c), (r, c - 1), (r - 1, c - 1)]
        same = all(cells.get(cell) == cells[r, c] for cell in before)
        side[r, c] = 1 + min(side[cell] for cell in before) if same else 1
    large = {cell: n for cell, n in side.items() if n >= 3}
    corner = max(large, key=large.get)
    assert len(large) == (large[corner] - 2) ** 2, "the others are the ends of smaller squares inside it"
    return str(list(corner))


def outlines(ink):
    """The inked outlines of rectangles of 3 x 3 or more, each a set of cells."""
    def inked(cells):
        return list(itertools.takewhile(ink.__contains__, cells))

    found = []
    for top, left in ink:
        for _, right in inked((top, c) for c in itertools.count(left))[2:]:
            for bottom, _ in inked((r, left) for r in itertools.count(top))[2:]:
                edge = {(r, c) for r in range(top, bottom + 1) for c in (left, right)}
                edge |= {(r, c) for r in (top, bottom) for c in range(left, right + 1)}
                if (bottom, right) in ink and edge <= ink.keys():
                    found.append(edge)
    return found


def rectangle_count(question):
    """The cell that the fewest rectangles could have drawn is explained first.

    All ways to use up the ink should have the same number of rectangles; the first eight are looked at.
    """
    drawing = re.findall(r"^[.#@]+$", question, re.MULTILINE)
    ink = {cell: ".#@".index(mark) for cell, mark in cells_of(drawing).items() if mark != "."}

    def counts(left, edges):
        if not left:
            yield 0
            return
        edges = [edge for edge in edges if edge <= left.keys()]
        drawn_by = Counter(cell for edge in edges for cell in edge)
        hardest = min(left, key=lambda cell: (drawn_by[cell], cell))
        for edge in edges:
            if hardest in edge:
                rest = {cell: n - (cell in edge) for cell, n in left.items() if n > (cell in edge)}
                for count in counts(rest, edges):
                    yield count + 1

    [count] = set(itertools.islice(counts(ink, outlines(ink)), 8))
    return str(count)


def largest_island(question):
    """The smallest label spreads over each island."""
    land = [cell for cell, n in cells_of(numbers(question)).items() if n]
    label = {cell: cell for cell in land}
    changed = True
    while changed:
        changed = False
        for r, c in land:
            lowest = min([label[r, c], *(label[r + i, c + j] for i, j in STEPS if (r + i, c + j) in label)])
            changed = changed or lowest != label[r, c]
            label[r, c] = lowest
    return str(max(Counter(label.values()).values()))


# ---- spreading ------------------------------------------------------------------------------------------------------

def binary_matrix(question):
    """A breadth-first search from all zeros at once."""
    cells = cells_of(numbers(question))
    queue = [cell for cell, n in cells.items() if n == 0]
    distance = dict.fromkeys(queue, 0)
    for r, c in queue:  # grows while it is read
        for i, j in STEPS:
            if (r + i, c + j) in cells and (r + i, c + j) not in distance:
                distance[r + i, c + j] = distance[r, c] + 1
                queue.append((r + i, c + j))
    return show(rows_of(distance))


def rotten_oranges(question):
    """A simulation minute by minute."""
    cells, minutes = cells_of(numbers(question)), 0
    while True:
        rotting = [(r, c) for (r, c), n in cells.items()
                   if n == 1 and any(cells.get((r + i, c + j)) == 2 for i, j in STEPS)]
        if not rotting:
            return str(-1 if 1 in cells.values() else minutes)
        cells.update(dict.fromkeys(rotting, 2))
        minutes += 1


def game_of_life(question):
    """Shifted copies of the board, a row of it being the bits of an integer; a full adder counts the neighbours."""
    rows = numbers(question)
    n, steps = len(rows), int(re.search(r"after (\d+) step", question)[1])
    board = [int("".join(map(str, row)), 2) for row in rows]
    for _ in range(steps):
        right = [(row >> 1) | (row & 1) << (n - 1) for row in board]
        left = [(row << 1) & (2 ** n - 1) | row >> (n - 1) for row in board]
        after = []
        for r in range(n):
            ones = twos = fours = 0  # bits of the count of living neighbours, modulo 8
            for copy in (left, board, right):
                for row in (copy[r - 1], copy[(r + 1) % n], *([copy[r]] if copy is not board else [])):
                    carry, ones = ones & row, ones ^ row
                    more, twos = twos & carry, twos ^ carry
                    fours ^= more
            after.append(~fours & twos & (ones | board[r]))
        board = after
    if "all cells dead" in question:
        return str(not any(board))
    return show([list(f"{row:0{n}b}") for row in board])


# ---- games on boards ------------------------------------------------------------------------------------------------

def light_puzzles(question):
    """Every press is carried out."""
    lights = {(r + 1, c + 1): n for (r, c), n in cells_of(numbers(question)).items()}
    presses = re.search(r"^Press ([A-Z, ]+)\.", question, re.MULTILINE)[1].split(", ")
    for press in presses:
        switched = re.search(rf"^Button {press} switches (.*)\.$", question, re.MULTILINE)[1]
        for place in re.findall(r"\((\d+), (\d+)\)", switched):
            lights[tuple(map(int, place))] ^= 1
    return ", ".join(map(str, lights.values()))


def reversi(question):
    """Enclosed lines are found in the strings of pieces that start at the new one."""
    shown = [line.split() for line in question.splitlines() if re.fullmatch(r"[01* ]+", line)]
    board = {(r + 1, c + 1): piece for (r, c), piece in cells_of(shown).items()}
    player = "0" if "Black moves first" in question else "1"
    for place in re.findall(r"\[(\d+), (\d+)\]", question):
        r, c = map(int, place)
        assert board[r, c] == "*"  # the board shown is the one before the moves
        enemy, taken = "10"[int(player)], 0
        for i, j in itertools.product((-1, 0, 1), repeat=2):
            ray = "".join(board.get((r + i * k, c + j * k), " ") for k in range(1, 9))
            enclosed = re.match(f"({enemy}+){player}", ray)
            for k in range(len(enclosed[1]) if enclosed else 0):
                board[r + i * (k + 1), c + j * (k + 1)] = player
                taken += 1
        assert taken, "a move that turns nothing is not legal"
        board[r, c] = player
        player = enemy
    return ", ".join(board.values())


def game_2048(question):
    """Only the tiles are kept, the moving one apart."""
    rows = numbers(question)
    tiles = {(i + 1, j + 1): tile for (i, j), tile in cells_of(rows).items() if tile}
    r, c, moves = re.search(r"row (\d+), column (\d+), counted from 1, takes the steps ([udlr, ]+) \(", question).groups()
    r, c = int(r), int(c)
    value = tiles.pop((r, c))  # there is a tile at the start
    for move in moves.split(", "):
        to = (r + (move == "d") - (move == "u"), c + (move == "r") - (move == "l"))
        if all(1 <= x <= len(rows) for x in to) and tiles.get(to, value) == value:
            r, c = to
            value += tiles.pop(to, 0)
    tiles[r, c] = value
    n = range(1, len(rows) + 1)
    return show([[tiles.get((i, j), 0) for j in n] for i in n])


READERS = {
    "symbench/matrix_transformation": operations, "rg/manipulate_matrix": operations,
    "rg/rotate_matrix": rotate_matrix, "rg/spiral_matrix": spiral_matrix, "symbench/pooling": pooling,
    "symbench/pattern_recognition": pattern_recognition, "rg/rectangle_count": rectangle_count,
    "rg/largest_island": largest_island, "rg/binary_matrix": binary_matrix, "rg/rotten_oranges": rotten_oranges,
    "rg/game_of_life": game_of_life, "rg/game_of_life_halting": game_of_life,
    "symbench/light_puzzles": light_puzzles, "symbench/reversi": reversi, "symbench/2048": game_2048}


@pytest.fixture
def seeds(request):
    """Six questions at each of the five levels; sixty with --slow."""
    return range(60 if request.config.getoption("--slow") else 6)


def test_every_task_of_the_family_has_a_reader():
    assert set(READERS) == {key for key, task in TASKS.items() if task.family == "grids"}


@pytest.mark.parametrize("key", READERS)
def test_the_question_alone_leads_to_the_accepted_answer(key, seeds):
    """And the answer to the question before is refused, where it is another."""
    before = ""
    for level in LEVELS:
        for seed in seeds:
            instance = TASKS[key].generate(seed, level)
            answer = READERS[key](instance.question)
            assert TASKS[key].verify(instance, answer), \
                f"{answer!r} is refused, {instance.expect!r} expected: {instance.question}"
            assert before == instance.expect or not TASKS[key].verify(instance, before), \
                f"{before!r} is accepted, {instance.expect!r} expected: {instance.question}"
            before = instance.expect
