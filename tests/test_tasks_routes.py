"""The route tasks: all short answers to small questions are tried; plain simulations say which are right."""
import itertools
from random import Random

import pytest

from tasks import TASKS
from tasks.base import Instance
from tasks.families.routes import BOARDS

COUNTS = [3, pytest.param(40, marks=pytest.mark.slow)]
STEPS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1),
         "U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}


def made(key, expect=None, **facts):
    """An instance of our own with these facts."""
    return Instance(key, 0, 3, "eval", "?", facts, str(TASKS[key].solve(**facts) if expect is None else expect))


def compare(instance, answers, right, joint):
    """`verify` must accept exactly the answers that are `right`, and there are some."""
    answers = list(answers)
    accepted = {steps for steps in answers if TASKS[instance.task].verify(instance, joint.join(steps))}
    assert accepted == {steps for steps in answers if right(steps)}
    assert accepted


def tries(alphabet, length):
    return itertools.chain(*(itertools.product(alphabet, repeat=n) for n in range(1, length + 1)))


def find(rows, mark):
    return next((r, row.index(mark)) for r, row in enumerate(rows) if mark in row)


# ---- mazes ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", COUNTS)
def test_the_length_of_a_way_through_a_maze_is_that_of_spreading_step_by_step(count):
    for level, seed in itertools.product((1, 3, 5), range(count)):
        instance = TASKS["rg/maze"].generate(seed, level)
        rows = instance.facts["rows"]
        wet, steps = {find(rows, "S")}, 0
        while find(rows, "G") not in wet:
            steps += 1
            wet |= {(r + i, c + j) for r, c in wet for i, j in STEPS.values() if 0 <= r + i < len(rows)
                    and 0 <= c + j < len(rows[0]) and rows[r + i][c + j] != "#"}
        assert TASKS["rg/maze"].verify(instance, str(steps)) and not TASKS["rg/maze"].verify(instance, str(steps + 2))


def test_exactly_the_shortest_ways_are_right_where_there_are_several():
    instance = made("rg/shortest_path", rows=["*OOX", "OXOO", "OOO#"])

    def arrives(steps):
        (r, c), rows = find(instance.facts["rows"], "*"), instance.facts["rows"]
        for step in steps:
            r, c = r + STEPS[step][0], c + STEPS[step][1]
            if not (0 <= r < 3 and 0 <= c < 4) or rows[r][c] == "X":
                return False
        return rows[r][c] == "#"

    compare(instance, tries(("up", "down", "left", "right"), 6), lambda steps: len(steps) == 5 and arrives(steps), " ")
    assert not TASKS["rg/shortest_path"].verify(instance, "infeasible")
    assert TASKS["rg/shortest_path"].verify(instance, '["right", "right", "Down", "right", "down"]')


def test_only_a_blocked_goal_is_infeasible():
    instance, task = made("rg/shortest_path", rows=["*OX", "OXO", "XO#"]), TASKS["rg/shortest_path"]
    assert task.verify(instance, "Infeasible.")
    assert not any(task.verify(instance, answer) for answer in ("", "No", "right down", "right right down down"))


# ---- puzzles with pieces in the way ---------------------------------------------------------------------------------

@pytest.mark.parametrize("rows", [["#####", "#P..#", "#.BG#", "#...#", "#####"],
                                  ["######", "#P.BG#", "#.B..#", "#.G..#", "######"]])
def test_exactly_the_pushes_that_fill_the_goals_are_right(rows):
    def fills(steps):
        board = {(r, c): mark for r, row in enumerate(rows) for c, mark in enumerate(row)}
        boxes, (r, c) = {cell for cell, mark in board.items() if mark == "B"}, find(rows, "P")
        for step in steps:
            i, j = STEPS[step]
            r, c = r + i, c + j
            if (r, c) in boxes:
                if board[r + i, c + j] == "#" or (r + i, c + j) in boxes:
                    return False
                boxes = boxes ^ {(r, c), (r + i, c + j)}
            if board[r, c] == "#":
                return False
        return all(board[cell] == "G" for cell in boxes)

    compare(made("rg/sokoban", rows=rows), tries("UDLR", 7), fills, "")


def cars_of(rows):
    """The cells of each car."""
    cars = {}
    for r, row in enumerate(rows):
        for c, mark in enumerate(row):
            if mark != ".":
                cars.setdefault(mark, []).append((r, c))
    return cars


def drives_out(rows, steps):
    """Whether the moves are legal, cell by cell, and bring car A to the right edge."""
    cars = cars_of(rows)
    for step in steps:
        name, by = step[0], int(step[1:])
        if name not in cars or by == 0:
            return False
        for _ in range(abs(by)):
            (r, c), (r2, _), *_ = cars[name]
            sign = by // abs(by)
            cars[name] = [(y, x + sign) if r == r2 else (y + sign, x) for y, x in cars[name]]
            cells = [cell for car in cars.values() for cell in car]
            if len(set(cells)) < len(cells) or not all(0 <= x < 6 and 0 <= y < 6 for y, x in cells):
                return False
    return cars["A"][-1] == (2, 5)


@pytest.mark.parametrize("count", COUNTS)
def test_exactly_the_legal_moves_of_cars_free_the_way(count):
    task = TASKS["rg/rush_hour"]
    drawn = (task.generate(seed, 1) for seed in range(20 * count))
    for instance in itertools.islice((i for i in drawn if i.expect.count(" ") == 1), count):
        rows = instance.facts["rows"]
        alphabet = [f"{name}{by:+d}" for name in sorted(cars_of(rows)) for by in range(-4, 5)] + ["Z+1"]
        compare(instance, tries(alphabet, 2), lambda steps: drives_out(rows, steps), " ")


def test_a_car_does_not_jump_and_a_solution_with_an_illegal_move_is_wrong():
    rows = ["......", "......", "AAB..C", "..B..C", "......", "......"]
    instance = made("rg/rush_hour", rows=rows)
    task = TASKS["rg/rush_hour"]
    assert all(task.verify(instance, answer) for answer in ("B+2 C+2 A+4", "B-2, C-2, A+4", "b-2 C+1 C+1 A+3 A+1"))
    for wrong in ("A+4", "C+2 A+4", "B+2 C+2 A+4 C-5", "B+0 B+2 C+2 A+4", ""):
        assert not task.verify(instance, wrong)


@pytest.mark.parametrize("count", COUNTS)
def test_cars_need_as_many_moves_as_the_level_says(count):
    for level, low, high in ((1, 2, 4), (3, 4, 8), (5, 8, 12)):
        for seed in range(count):
            instance = TASKS["rg/rush_hour"].generate(seed, level)
            assert low <= len(instance.expect.split()) <= high
            assert drives_out(instance.facts["rows"], instance.expect.split())
            cars = cars_of(instance.facts["rows"])
            assert all(len(cells) in (2, 3) for cells in cars.values())
            assert sorted(cars) == [chr(65 + i) for i in range(len(cars))]  # no gap among the letters


@pytest.mark.slow
def test_the_stored_boards_need_at_least_eleven_moves():
    assert all(len(TASKS["rg/rush_hour"].path(rows=board.split("/"))) >= 11 for board in BOARDS)


def knight_walks(facts, length):
    """All legal sequences of moves up to a length, with what stands where after them."""
    board = {square: "w" if square in facts["white"] else "b" if square in facts["black"] else "."
             for square in facts["squares"]}
    walks = [((), board)]
    for n in range(length):
        mover = "wb"[(n + (facts["first"] == "black")) % 2]
        longer = []
        for steps, board in walks:
            for a, b in itertools.permutations(board, 2):
                jump = sorted((abs(ord(a[0]) - ord(b[0])), abs(int(a[1]) - int(b[1]))))
                if board[a] == mover and board[b] == "." and jump == [1, 2]:
                    longer.append(((*steps, f"{a}-{b}"), board | {a: ".", b: mover}))
        yield from longer
        walks = longer


def test_exactly_the_legal_exchanges_of_knights_are_right():
    task = TASKS["rg/knight_swap"]
    instance = next(i for i in (task.generate(seed, 1) for seed in range(200)) if i.expect.count(",") == 5)
    facts = instance.facts
    found = 0
    for steps, board in knight_walks(facts, 6):
        exchanged = all(board[x] == "b" for x in facts["white"]) and all(board[x] == "w" for x in facts["black"])
        assert task.verify(instance, ", ".join(steps)) == exchanged
        assert task.verify(instance, "\n".join(f"{i}. {step}" for i, step in enumerate(steps, 1))) == exchanged
        assert task.verify(instance, ", ".join(steps).replace("-", " → ")) == exchanged
        found += exchanged
        if exchanged:
            assert not task.verify(instance, ", ".join(steps[1:] + steps[:1]))  # the other side begins
            assert not task.verify(instance, ", ".join(steps[:-1]))
    assert found and not task.verify(instance, "No")


@pytest.mark.parametrize("count", COUNTS)
def test_no_is_right_exactly_where_no_sequence_of_moves_exchanges_the_knights(count):
    task, answers = TASKS["rg/knight_swap"], set()
    for seed in range(5 * count):
        instance = task.generate(seed)
        facts = instance.facts
        white, black = frozenset(facts["white"]), frozenset(facts["black"])
        seen = todo = {(white, black, facts["first"])}
        while todo:  # all positions, layer by layer
            layer = set()
            for w, b, side in todo:
                for a, z in itertools.product(w if side == "white" else b, facts["squares"]):
                    if z not in w | b and {abs(ord(a[0]) - ord(z[0])), abs(int(a[1]) - int(z[1]))} == {1, 2}:
                        layer.add((w ^ {a, z}, b, "black") if side == "white" else (w, b ^ {a, z}, "white"))
            todo = layer - seen
            seen = seen | layer
        possible = any((w, b) == (black, white) for w, b, _ in seen)
        assert task.verify(instance, "No") == (not possible)
        answers.add(possible)
    assert answers == {True, False}


# ---- paths in the plane ---------------------------------------------------------------------------------------------

def path_instance(**facts):
    boxes = {"red": [-0.5, 0.5, -0.5, 0.5], "blue": [0.8, 1.2, -0.2, 0.2]}
    return made("symbench/path_plan", **{**dict(boxes=boxes, start=[-1.0, 0.0], end=[1.3, 0.0], visit=["blue"],
                                                avoid=["red"], ordered=False), **facts})


def test_a_path_that_enters_crosses_or_touches_a_box_to_avoid_is_refused():
    instance, task = path_instance(), TASKS["symbench/path_plan"]
    assert task.verify(instance, "[(-1, 0), (-0.6, 0.6), (0.6, 0.6), [1.0, 0.1], (1.3, 0)]")
    for wrong in ("[(-1, 0), (1.3, 0)]",                                             # straight through both
                  "[(-1, 0), (-0.5, 0.5), (0.6, 0.6), (1.0, 0.1), (1.3, 0)]",        # touches a corner
                  "[(-1, 0), (-1, 0.5), (1, 0.5), (1, 0), (1.3, 0)]",                # runs along an edge
                  "[(-1, 0), (-0.6, 0.6), (0.6, 0.6), (1.3, 0.6), (1.3, 0)]",        # does not visit
                  "[(-1, 0), (-0.6, 1.4), (0.6, 0.6), (1.0, 0.1), (1.3, 0)]",        # touches the wall
                  "[(-0.6, 0.6), (0.6, 0.6), (1.0, 0.1), (1.3, 0)]",                 # starts elsewhere
                  "[(-1, 0), (-0.6, 0.6), (0.6, 0.6), (1.0, 0.1)]",                  # ends elsewhere
                  "[(-1, 0), (-0.6, 0.6), (0.6, 0.6), (1.0, 0.1), (1.3, NaN)]", "[]", "",
                  "[(-1, 0), " + "(-0.6, 0.6), " * 200 + "(0.6, 0.6), (1.0, 0.1), (1.3, 0)]"):
        assert not task.verify(instance, wrong), wrong


def test_a_path_wholly_inside_a_box_visits_it_and_the_order_counts_only_where_it_is_asked():
    boxes = {"red": [-1.2, -0.8, -0.2, 0.2], "blue": [0.8, 1.2, -0.2, 0.2]}
    task, there_and_back = TASKS["symbench/path_plan"], "[(0, 0), (1, 0), (-1, 0), (0, 0)]"
    facts = dict(boxes=boxes, start=[0.0, 0.0], end=[0.0, 0.0], visit=["red", "blue"], avoid=[])
    assert task.verify(made(task.key, ordered=False, **facts), there_and_back)
    assert not task.verify(made(task.key, ordered=True, **facts), there_and_back)
    assert task.verify(made(task.key, ordered=True, **facts), "[(0, 0), (1, 0), (-1, 0), (1, 0), (0, 0)]")
    inside = dict(boxes={"red": [-1.0, 1.0, -1.0, 1.0]}, start=[0.1, 0.1], end=[0.2, 0.2], visit=["red"], avoid=[])
    assert task.verify(made(task.key, ordered=False, **inside), "[[0.1, 0.1], [0.2, 0.2]]")


@pytest.mark.parametrize("count", COUNTS)
def test_random_paths_are_judged_as_by_looking_at_many_of_their_points(count):
    rng, task, verdicts = Random(7), TASKS["symbench/path_plan"], []
    for seed in range(20 * count):
        instance = task.generate(seed, rng.choice((1, 1, 3)))
        boxes, start, end, visit, avoid, ordered = instance.facts.values()
        points = [start, *([rng.uniform(-1.3, 1.3), rng.uniform(-1.3, 1.3)] for _ in range(rng.randint(0, 3))), end]
        places = [(a[0] + (b[0] - a[0]) * k / 500, a[1] + (b[1] - a[1]) * k / 500)
                  for a, b in zip(points, points[1:]) for k in range(501)]

        def verdict(margin):
            """The verdict on boxes that are larger by a margin where they are to avoid, smaller where to visit."""
            def hits(colour, m):
                x0, x1, y0, y1 = boxes[colour]
                return [i for i, (x, y) in enumerate(places) if x0 - m <= x <= x1 + m and y0 - m <= y <= y1 + m]

            now = 0
            for colour in visit:
                later = [i for i in hits(colour, -margin) if i >= now]
                if not later:
                    return False
                now = later[0] if ordered else 0
            return not any(hits(colour, margin) for colour in avoid)

        if verdict(0.01) == verdict(-0.01):  # not a matter of a hair's breadth
            verdicts.append(verdict(0))
            assert task.verify(instance, str(points)) == verdicts[-1]
    assert True in verdicts and False in verdicts
