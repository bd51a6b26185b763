"""The tasks about routes, judged from the text of their questions alone: no fact, no `rules`, no program is looked at."""
import re
from ast import literal_eval
from random import Random

import numpy as np
import pytest
from test_questions_planning import COUNT, LEVELS, spoilt, verdict

from tasks import TASKS

STEPS = {"up": -1j, "down": 1j, "left": -1, "right": 1, "U": -1j, "D": 1j, "L": -1, "R": 1}  # x + y * 1j, y downwards


def cells(question, alphabet):
    """The cells of the board that a question shows, as complex numbers x + y * 1j, with their marks."""
    rows = [line for line in question.split("\n") if re.fullmatch(alphabet, line)]
    return {x + y * 1j: mark for y, row in enumerate(rows) for x, mark in enumerate(row)}


def at(board, mark):
    return {cell for cell, its in board.items() if its == mark}


def distance(free, start, goal):
    """Steps from a cell to another over free cells, by a flood; None where it does not arrive."""
    flood, steps = {start}, 0
    while goal not in flood:
        wider = flood | {cell + step for cell in flood for step in (1, -1, 1j, -1j)} & free
        if wider == flood:
            return None
        flood, steps = wider, steps + 1
    return steps


def maze(question):
    board = cells(question, "[.#SG]+")
    [start], [goal] = at(board, "S"), at(board, "G")
    return lambda answer: int(answer) == distance(board.keys() - at(board, "#"), start, goal)


def shortest(question):
    board = cells(question, "[OX*#]+")
    [start], [goal] = at(board, "*"), at(board, "#")
    free = board.keys() - at(board, "X")
    best = distance(free, start, goal)

    def right(answer):
        if answer == "infeasible":
            return best is None
        place, steps = start, answer.split()
        for step in steps:
            place += STEPS[step]
            if place not in free:
                return False
        return place == goal and len(steps) == best

    return right


def sokoban(question):
    board = cells(question, "[#.PBG]+")
    [start] = at(board, "P")

    def right(answer):
        place, boxes = start, at(board, "B")
        for step in answer:
            place += STEPS[step]
            if place in boxes:
                beyond = place + STEPS[step]
                if beyond in boxes:
                    return False
                boxes = boxes - {place} | {beyond}
            if any(board[cell] == "#" for cell in boxes | {place}):
                return False
        return boxes == at(board, "G")

    return right


def rush_hour(question):
    board = cells(question, "[.A-Z]{6}")
    cars = {name: at(board, name) for name in set(board.values()) - {"."}}
    # Across if its cells differ in x; a car moves along its own line only.
    ahead = {name: 1 if len({cell.real for cell in car}) > 1 else 1j for name, car in cars.items()}

    def right(answer):
        now = dict(cars)
        for step in answer.split(" "):
            name, by = step[0], int(step[1:])
            for _ in range(abs(by)):  # cell by cell
                now[name] = {cell + ahead[name] * (1 if by > 0 else -1) for cell in now[name]}
                others = set().union(*(car for other, car in now.items() if other != name))
                if not now[name] <= board.keys() - others:
                    return False
        return max(cell.real for cell in now["A"]) == 5

    return right


def knights(question):
    squares, white, black, first = re.search(
        r"only the squares (.*?)\. White knights: (.*?); black knights: (.*?)\. (White|Black) begins", question).groups()
    squares = set(squares.split(" "))
    start = {"White": frozenset(white.split(" and ")), "Black": frozenset(black.split(" and "))}

    def leap(a, b):
        return sorted((abs(ord(a[0]) - ord(b[0])), abs(int(a[1]) - int(b[1])))) == [1, 2]

    def possible():
        """Whether any sequence of moves exchanges the knights: all positions, layer by layer."""
        seen = layer = {(start["White"], start["Black"], first)}
        while layer:
            if any((w, b) == (start["Black"], start["White"]) for w, b, _ in layer):
                return True
            after = set()
            for w, b, side in layer:
                for a in w if side == "White" else b:
                    for z in squares - w - b:
                        if leap(a, z):
                            after.add((w ^ {a, z}, b, "Black") if side == "White" else (w, b ^ {a, z}, "White"))
            layer = after - seen
            seen = seen | layer
        return False

    def right(answer):
        if answer == "No":
            return not possible()
        now, side = dict(start), first
        for move in answer.split(", "):
            a, z = move.split("-")
            if a not in now[side] or z not in squares - now["White"] - now["Black"] or not leap(a, z):
                return False
            now[side] = now[side] - {a} | {z}
            side = "Black" if side == "White" else "White"
        return now == {"White": start["Black"], "Black": start["White"]}

    return right


def plane(question):
    """Two thousand points on each piece of the path are looked at."""
    boxes = {name: list(map(float, numbers.split(", ")))
             for name, numbers in re.findall(r"^(\w+): ([-\d., ]+)$", question, re.MULTILINE)}
    start, end = map(literal_eval, re.search(r"from (\(.*?\)) to (\(.*?\)) that", question).groups())
    visit = re.search(r"visits ([\w, ]*?)(?: in this order| and never|\. Other)", question)[1].split(", ")
    never = re.search(r"and never touches ([\w, ]*), not even at an edge", question)
    avoid = never[1].split(", ") if never else []
    ordered = " in this order (more visits do no harm)" in question

    def right(answer):
        points = np.array(literal_eval(answer), float)
        share = np.linspace(0, 1, 2000)[:, None]
        way = np.concatenate([a + (b - a) * share for a, b in zip(points, points[1:])])

        def touched(name):
            x0, x1, y0, y1 = boxes[name]
            x, y = way.T
            return np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))

        now = 0
        for name in visit:
            later = [i for i in touched(name) if i >= now]
            if not later:
                return False
            now = later[0] if ordered else 0
        return tuple(points[0]) == start and tuple(points[-1]) == end and np.abs(points).max() < 1.4 \
            and not any(len(touched(name)) for name in avoid)

    return right


# The reader of each task, how an answer is cut into steps, how steps make an answer, and an answer to try everywhere.
JUDGES = {
    "rg/maze": (maze, lambda text: [int(text)], lambda steps: str(sum(steps)), "5"),
    "rg/shortest_path": (shortest, str.split, " ".join, "infeasible"),
    "rg/sokoban": (sokoban, list, "".join, "UDLR"),
    "rg/rush_hour": (rush_hour, str.split, " ".join, "A+1"),
    "rg/knight_swap": (knights, lambda text: text.split(", "), ", ".join, "No"),
    "symbench/path_plan": (plane, literal_eval, str, "[(0, 0), (1, 1)]")}


@pytest.mark.parametrize("count", COUNT)
@pytest.mark.parametrize("key", JUDGES)
def test_the_question_alone_says_which_ways_are_right(key, count):
    read, cut, join, other = JUDGES[key]
    rng = Random(0)
    for level in LEVELS:
        for seed in range(count):
            instance = TASKS[key].generate(seed, level)
            right = read(instance.question)
            assert right(instance.expect), instance.question
            near = [join(steps) for steps in spoilt(rng, cut(instance.expect))]
            for answer in [*near, other]:
                assert TASKS[key].verify(instance, answer) is bool(verdict(right, answer)), (instance.question, answer)


def test_every_task_about_routes_is_read():
    assert {*JUDGES} == {key for key, task in TASKS.items() if task.family == "routes"}
