"""The grid tasks against second solvers that work in another way, and the traps of each kind."""
import itertools
import re
from collections import Counter

import pytest

from tasks import TASKS
from tasks.base import Instance
from tasks.families.grids import OPERATIONS, decompositions

STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
COUNTS = [15, pytest.param(200, marks=pytest.mark.slow)]


def instances(key, count, levels=(1, 3, 5)):
    return [TASKS[key].generate(seed, level) for level in levels for seed in range(-(-count // len(levels)))]


def made(key, expect="", **facts):
    """An instance of our own with these facts."""
    return Instance(key, 0, 3, "eval", "?", facts, str(expect or TASKS[key].solve(**facts)))


def near(cell, matrix):
    """The places beside a place, inside the matrix."""
    r, c = cell
    return [(r + i, c + j) for i, j in STEPS if 0 <= r + i < len(matrix) and 0 <= c + j < len(matrix[0])]


# ---- turning and editing --------------------------------------------------------------------------------------------

def test_each_turn_moves_every_cell_to_the_place_that_its_name_says():
    m = [[10 * r + c for c in range(4)] for r in range(3)]
    goes_to = {"rotate_90": lambda r, c: (c, 2 - r), "rotate_180": lambda r, c: (2 - r, 3 - c),
               "rotate_270": lambda r, c: (3 - c, r), "flip_rows": lambda r, c: (2 - r, c),
               "flip_columns": lambda r, c: (r, 3 - c), "transpose": lambda r, c: (c, r),
               "antitranspose": lambda r, c: (3 - c, 2 - r)}
    for name, place in goes_to.items():
        turned = OPERATIONS[name](m)
        assert sum(map(len, turned)) == 12
        for r, c in itertools.product(range(3), range(4)):
            i, j = place(r, c)
            assert turned[i][j] == m[r][c], name


def test_the_edits_do_what_their_sentences_say():
    m = [[1, 2, 3], [4, 5, 6], [7, 8, 0], [2, 2, 9]]
    assert OPERATIONS["replace"](m, 2, 7) == [[1, 7, 3], [4, 5, 6], [7, 8, 0], [7, 7, 9]]
    assert OPERATIONS["zero_multiples"](m, 3) == [[1, 2, 0], [4, 5, 0], [7, 8, 0], [2, 2, 0]]
    assert OPERATIONS["keep"](m, 2, 3, 1, 2) == [[4, 5], [7, 8]]
    assert OPERATIONS["drop_rows"](m, 2) == [[1, 2, 3], [7, 8, 0]]
    assert OPERATIONS["drop_columns"](m, 3) == [[1, 2], [4, 5], [7, 8], [2, 2]]


@pytest.mark.parametrize("count", COUNTS)
def test_a_manipulated_matrix_is_never_empty_and_its_question_lists_every_operation(count):
    for instance in instances("rg/manipulate_matrix", count):
        assert all(TASKS["rg/manipulate_matrix"].parse(instance.expect))
        for name, *arguments in instance.facts["operations"]:
            assert OPERATIONS[name].__doc__.format(*arguments) in instance.question


def test_the_shape_of_an_answered_matrix_counts_where_rows_are_asked():
    task = TASKS["rg/manipulate_matrix"]
    instance = made(task.key, m=[[1, 2, 3], [4, 5, 6]], operations=[])
    for right in ("[[1, 2, 3], [4, 5, 6]]", "1 2 3\n4 5 6", "[1,2,3],\n[4,5,6]", "[ [1, 2, 3],\n [4, 5, 6] ]"):
        assert task.verify(instance, right)
    for wrong in ("[[1, 2], [3, 4], [5, 6]]", "1 2 3 4 5 6", "[[1, 2, 3], [4, 5, 6]] or so", "[[1, 2, 3] 9 [4, 5, 6]]"):
        assert not task.verify(instance, wrong)


def test_a_transformed_letter_keeps_its_case():
    task = TASKS["symbench/matrix_transformation"]
    instance = made(task.key, m=[["a", "B"], ["#", "7"]], operations=[["transpose"]])
    assert task.verify(instance, "a, #, B, 7") and task.verify(instance, "a #\nB 7")
    assert not task.verify(instance, "A, #, B, 7") and not task.verify(instance, "a, #, B")


@pytest.mark.parametrize("count", COUNTS)
def test_a_rotated_matrix_has_every_cell_where_the_angle_puts_it(count):
    for instance in instances("rg/rotate_matrix", count):
        m, n = instance.facts["matrix"], len(instance.facts["matrix"])
        place = {0: lambda r, c: (r, c), 90: lambda r, c: (n - 1 - c, r), 180: lambda r, c: (n - 1 - r, n - 1 - c),
                 270: lambda r, c: (c, n - 1 - r)}[instance.facts["degrees"] % 360]
        rotated = [[m[place(r, c)[0]][place(r, c)[1]] for c in range(n)] for r in range(n)]
        assert TASKS["rg/rotate_matrix"].parse(instance.expect) == rotated


# ---- reading and pooling --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", COUNTS)
def test_a_walker_who_turns_right_at_visited_cells_reads_the_same_spiral(count):
    for instance in instances("rg/spiral_matrix", count):
        m = instance.facts["matrix"]
        r, c, i, j, visited = 0, 0, 0, 1, {}
        while len(visited) < len(m) * len(m[0]):
            visited[r, c] = m[r][c]
            if not (0 <= r + i < len(m) and 0 <= c + j < len(m[0])) or (r + i, c + j) in visited:
                i, j = j, -i
            r, c = r + i, c + j
        assert TASKS["rg/spiral_matrix"].verify(instance, " ".join(map(str, visited.values())))


def test_averages_may_be_rounded_either_way_at_a_tie_but_not_further():
    task = TASKS["symbench/pooling"]
    matrix = [[1] + [0] * 3, [1] + [0] * 3, [0] * 4, [0] * 4]  # average of the one window: 2 / 16 = 0.125
    instance = made(task.key, matrix=matrix, size=4, kind="average")
    assert all(task.verify(instance, right) for right in ("0.12", "0.13", "0.125", "[0.12]", "1/8"))
    assert not any(task.verify(instance, wrong) for wrong in ("0.11", "0.14", "0.12, 0.12", "", "0.12 x"))


@pytest.mark.parametrize("count", COUNTS)
def test_every_pooled_value_is_that_of_its_window(count):
    for instance in instances("symbench/pooling", count):
        matrix, size, kind = instance.facts.values()
        values = [float(value) for value in instance.expect.strip("[]").split(",")]
        for r, c in itertools.product(range(len(matrix) - size + 1), repeat=2):
            window = sorted(matrix[i][j] for i in range(r, r + size) for j in range(c, c + size))
            exact = {"maximum": window[-1], "minimum": window[0], "sum": sum(window),
                     "average": sum(window) / len(window)}[kind]
            assert abs(values.pop(0) - exact) <= 0.0051
        assert not values


# ---- finding shapes -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", COUNTS)
def test_exactly_one_square_of_a_letter_cannot_grow_and_it_ends_at_the_expected_corner(count):
    for instance in instances("symbench/pattern_recognition", count):
        rows, side = instance.facts["rows"], {}
        for r, c in itertools.product(range(len(rows)), range(len(rows[0]))):  # largest square that ends at each cell
            corner = [(r - 1, c), (r, c - 1), (r - 1, c - 1)]
            same = all(cell in side and rows[cell[0]][cell[1]] == rows[r][c] for cell in corner)
            side[r, c] = 1 + min(side[cell] for cell in corner) if same else 1
        large = {cell: n for cell, n in side.items() if n >= 3}
        r, c = max(large, key=large.get)
        assert TASKS["symbench/pattern_recognition"].verify(instance, f"[{r}, {c}]")
        assert len(large) == (large[r, c] - 2) ** 2  # the others are the ends of smaller squares inside it
        assert not TASKS["symbench/pattern_recognition"].verify(instance, f"[{c}, {r + 1}]")


def every_count(rows):
    """The numbers of rectangles that can make up a drawing, by trying each choice of rectangles."""
    ink = {(r, c): ".#@".index(mark) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark != "."}
    tops = sorted({r for r, _ in ink})
    lefts = sorted({c for _, c in ink})
    boxes = []
    for top, bottom in itertools.combinations(tops, 2):
        for left, right in itertools.combinations(lefts, 2):
            edge = {(r, c) for r in range(top, bottom + 1) for c in range(left, right + 1)
                    if r in (top, bottom) or c in (left, right)}
            if bottom - top > 1 and right - left > 1 and edge <= ink.keys():
                boxes.append(edge)
    if len(boxes) > 8:
        return None
    return {sum(times) for times in itertools.product(range(3), repeat=len(boxes))
            if ink == {cell: n for cell, n in Counter(
                cell for box, k in zip(boxes, times) for _ in range(k) for cell in box).items()}}


@pytest.mark.parametrize("count", COUNTS)
def test_all_choices_of_rectangles_that_make_up_a_drawing_have_the_expected_number(count):
    found = [(every_count(instance.facts["rows"]), instance.expect)
             for instance in instances("rg/rectangle_count", count, levels=(1,))]
    assert all(counts in (None, {int(expect)}) for counts, expect in found)
    assert sum(counts is not None for counts, _ in found) > 0.5 * len(found)


def test_all_ways_to_take_a_drawing_apart_are_found_also_where_their_numbers_differ():
    nested = ["###..", "#.#..", "##@##", "..#.#", "..###"]
    assert {way for way in decompositions(nested) if way} == every_count(nested) == {2}
    assert set(decompositions(["@@@", "@.@", "@@@"])) == {2}
    assert set(decompositions(["###", "#.#", "##."])) == {0}
    ambiguous = ["...#@@@", "...##.@", "...##.@", ".##@@#@", "#@#@@#@", "###@@#@", "#######"]
    assert {way for way in decompositions(ambiguous) if way} == {4, 5}


@pytest.mark.parametrize("count", COUNTS)
def test_the_largest_island_is_the_largest_class_of_joined_cells(count):
    for instance in instances("rg/largest_island", count):
        matrix = instance.facts["matrix"]
        label = {(r, c): (r, c) for r, row in enumerate(matrix) for c, cell in enumerate(row) if cell}
        for _ in label:  # the smallest label spreads
            label = {cell: min([label[cell], *(label[other] for other in near(cell, matrix) if other in label)])
                     for cell in label}
        assert int(instance.expect) == max(Counter(label.values()).values())


# ---- spreading ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", COUNTS)
def test_distances_to_zeros_are_those_of_a_breadth_first_search(count):
    for instance in instances("rg/binary_matrix", count):
        matrix = instance.facts["matrix"]
        queue = [(r, c) for r, row in enumerate(matrix) for c, cell in enumerate(row) if not cell]
        distance = dict.fromkeys(queue, 0)
        for cell in queue:
            for other in near(cell, matrix):
                if other not in distance:
                    distance[other] = distance[cell] + 1
                    queue.append(other)
        right = [[distance[r, c] for c in range(len(matrix))] for r in range(len(matrix))]
        assert TASKS["rg/binary_matrix"].verify(instance, "\n".join(" ".join(map(str, row)) for row in right))
        right[-1][-1] += 1
        assert not TASKS["rg/binary_matrix"].verify(instance, str(right))


@pytest.mark.parametrize("count", COUNTS)
def test_oranges_rot_as_in_a_simulation_minute_by_minute(count):
    stuck = 0
    for instance in instances("rg/rotten_oranges", count):
        matrix, minutes = [row[:] for row in instance.facts["matrix"]], 0
        while True:
            rotting = [(r, c) for r, row in enumerate(matrix) for c, cell in enumerate(row)
                       if cell == 1 and any(matrix[i][j] == 2 for i, j in near((r, c), matrix))]
            if not rotting:
                break
            for r, c in rotting:
                matrix[r][c] = 2
            minutes += 1
        assert int(instance.expect) == (-1 if any(1 in row for row in matrix) else minutes)
        stuck += instance.expect == "-1"
    assert count < 100 or 0.1 < stuck / count < 0.3


def later(alive, n, steps):
    """The living cells on a torus after some steps."""
    for _ in range(steps):
        counts = Counter(((r + i) % n, (c + j) % n) for r, c in alive for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)
        alive = {cell for cell, k in counts.items() if k == 3 or k == 2 and cell in alive}
    return alive


@pytest.mark.parametrize("key", ["rg/game_of_life", "rg/game_of_life_halting"])
@pytest.mark.parametrize("count", COUNTS)
def test_the_game_of_life_agrees_with_one_that_counts_from_the_living(count, key):
    for instance in instances(key, count):
        board, n = instance.facts["board"], len(instance.facts["board"])
        alive = {(r, c) for r, row in enumerate(board) for c, cell in enumerate(row) if cell}
        end = later(alive, n, instance.facts["steps"])
        if key == "rg/game_of_life":
            assert end and instance.expect == str([[int((r, c) in end) for c in range(n)] for r in range(n)])
        else:
            assert alive and instance.expect == str(not end)


def test_an_empty_board_does_not_pass_for_a_life_and_text_not_for_a_truth():
    task, instance = TASKS["rg/game_of_life"], TASKS["rg/game_of_life"].generate(1)
    n = len(instance.facts["board"])
    assert not task.verify(instance, str([[0] * n] * n))
    task = TASKS["rg/game_of_life_halting"]
    for seed in range(6):
        instance = task.generate(seed)
        accepted = [answer for answer in ("True", "False", "maybe", "") if task.verify(instance, answer)]
        assert accepted == [instance.expect]


def test_dying_boards_are_about_as_frequent_as_living_ones():
    labels = Counter(TASKS["rg/game_of_life_halting"].generate(seed).expect for seed in range(60))
    assert 0.35 < labels["True"] / 60 < 0.65


# ---- games on boards ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", COUNTS)
def test_lights_end_as_when_every_press_is_carried_out(count):
    for instance in instances("symbench/light_puzzles", count):
        lights, buttons, presses = instance.facts.values()
        lights = [row[:] for row in lights]
        for press in presses:
            for row, column in buttons[press]:
                lights[row - 1][column - 1] = 1 - lights[row - 1][column - 1]
        shown = "\n".join(", ".join(map(str, row)) for row in lights)
        assert TASKS["symbench/light_puzzles"].verify(instance, shown)
        assert not TASKS["symbench/light_puzzles"].verify(instance, "1" + shown)


@pytest.mark.parametrize("count", COUNTS)
def test_reversi_agrees_with_a_search_for_enclosed_lines_in_strings(count):
    for instance in instances("symbench/reversi", count):
        board, player, moves = instance.facts.values()
        board = {(r, c): piece for r, row in enumerate(board, 1) for c, piece in enumerate(row, 1)}
        for r, c in moves:
            assert board[r, c] == "*"  # the board shown is the one before the moves
            enemy, turned = "10"[int(player)], 0
            for i, j in itertools.product((-1, 0, 1), repeat=2):
                ray = "".join(board.get((r + i * k, c + j * k), " ") for k in range(1, 9))
                enclosed = re.match(f"({enemy}+){player}", ray)
                for k in range(len(enclosed[1]) if enclosed else 0):
                    board[r + i * (k + 1), c + j * (k + 1)] = player
                    turned += 1
            assert turned  # a move that turns nothing is not legal
            board[r, c] = player
            player = enemy
        assert TASKS["symbench/reversi"].verify(instance, ", ".join(board.values()))


@pytest.mark.parametrize("count", COUNTS)
def test_a_moved_tile_slides_merges_and_stops_as_told(count):
    for instance in instances("symbench/2048", count):
        board, (r, c), moves = instance.facts.values()
        tiles = {(i, j): tile for i, row in enumerate(board, 1) for j, tile in enumerate(row, 1) if tile}
        value = tiles.pop((r, c))  # there is a tile at the start
        for move in moves:
            to = (r + (move == "d") - (move == "u"), c + (move == "r") - (move == "l"))
            if not all(1 <= x <= len(board) for x in to) or tiles.get(to, value) != value:
                continue
            r, c = to
            value += tiles.pop(to, 0)
        tiles[r, c] = value
        n = range(1, len(board) + 1)
        assert TASKS["symbench/2048"].parse(instance.expect) == [tiles.get((i, j), 0) for i in n for j in n]


def test_a_merged_tile_is_moved_next_and_may_merge_again():
    solve = TASKS["symbench/2048"].solve
    assert solve([[2, 2, 4], [0, 0, 0], [0, 2, 0]], [1, 1], "rrd") == [[0, 0, 0], [0, 0, 8], [0, 2, 0]]
    assert solve([[2, 4], [0, 0]], [1, 1], "urd") == [[0, 4], [2, 0]]
