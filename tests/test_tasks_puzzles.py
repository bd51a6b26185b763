"""The puzzles: every right answer is accepted, by enumeration or by a second solver, and the wrong ones are refused."""
import re
from fractions import Fraction
from itertools import combinations, permutations, product
from math import prod

import pytest

from tasks import TASKS
from tasks.families.puzzles import reach

SEEDS = range(5)


def some(key: str, level: int = 3, seeds: range = SEEDS) -> list:
    """A task with each of a few of its instances."""
    return [(TASKS[key], TASKS[key].generate(seed, level)) for seed in seeds]


# ---- numbers to combine ---------------------------------------------------------------------------------------------

SHAPES = {3: ["({0}{a}{1}){b}{2}", "{0}{a}({1}{b}{2})"],
          4: ["(({0}{a}{1}){b}{2}){c}{3}", "({0}{a}({1}{b}{2})){c}{3}", "({0}{a}{1}){b}({2}{c}{3})",
              "{0}{a}(({1}{b}{2}){c}{3})", "{0}{a}({1}{b}({2}{c}{3}))"]}


def expressions(numbers: list[int], signs: str = "+-*/"):
    """Every fully bracketed expression over all the numbers, with its exact value or None."""
    for order in sorted(set(permutations(numbers))):
        for picked in product(signs, repeat=len(numbers) - 1):
            for shape in SHAPES[len(numbers)]:
                text = shape.format(*order, **dict(zip("abc", picked)))
                try:
                    yield text, eval(re.sub(r"(\d+)", r"F(\1)", text), {"F": Fraction})
                except ZeroDivisionError:
                    yield text, None


@pytest.mark.parametrize("key, level", [("rg/countdown", 1), ("symbench/game24", 3)])
def test_exactly_the_expressions_with_the_value_are_accepted(key, level):
    for task, instance in some(key, level, range(1)):
        found = [(text, v == instance.facts["target"]) for text, v in expressions(instance.facts["numbers"])]
        assert any(right for _, right in found)
        assert all(task.verify(instance, text) is right for text, right in found)


def test_numbers_left_out_repeated_glued_or_signed_are_refused():
    task, instance = some("symbench/game24")[0]
    instance = type(instance)(**{**vars(instance), "facts": dict(numbers=[8, 3, 1, 1], target=24)})
    assert task.verify(instance, "8 × 3 ÷ 1 × 1 = 24") and task.verify(instance, "[8*3]*(1/1)")
    assert task.verify(instance, r"8 \times 3 \div 1 \cdot 1")
    for wrong in ("8*3", "8*3*1", "8*3*1*1*1", "24*1*1", "8*3**1*1", "8*3*(-1)*(-1)", "8*3*1*+1", "8*3*1*1=23",
                  "8*3*11", "8*3*1*1.0", "8*3*1//1", "8*3*01*1", "max(8,3)*3*1*1", "8*3*1*2", "6*4*1*1", "24", ""):
        assert not task.verify(instance, wrong), wrong


def test_hard_game24_needs_a_division():
    for _, instance in some("symbench/game24", 5, range(2)):
        assert reach(instance.facts["numbers"], 24)
        assert all(value != 24 for _, value in expressions(instance.facts["numbers"], "+-*"))


@pytest.mark.parametrize("level", [3, 5])
def test_the_planted_and_the_searched_expression_both_reach_the_target(level):
    for task, instance in some("rg/countdown", level):
        assert task.verify(instance, instance.expect) and task.verify(instance, task.solve(**instance.facts))


@pytest.mark.slow
def test_1362_of_the_1820_hands_make_24():
    hands = [hand for hand in product(range(1, 14), repeat=4) if list(hand) == sorted(hand)]
    assert (len(hands), sum(reach(hand, 24) is not None for hand in hands)) == (1820, 1362)


def test_every_solution_of_a_cryptarithm_is_accepted_and_no_other_true_sum():
    small = [(t, i) for t, i in some("rg/cryptarithm", 1, range(40)) if all(len(w) == 2 for w in i.facts["addends"])]
    assert len(small) >= 3
    for task, instance in small[:5]:
        words, right = [*instance.facts["addends"], instance.facts["total"]], 0
        for x, y in product(range(100), repeat=2):  # from the numbers to the letters: the other way round
            digits = f"{x:02}{y:02}{x + y:0{len(words[2])}}"
            told = dict(zip("".join(words), digits))
            if "".join(told[letter] for letter in "".join(words)) != digits:
                continue
            fits = len(set(told.values())) == len(told) and all(told[word[0]] != "0" for word in words)
            right += fits
            parts = [f"{letter}={digit}" for letter, digit in told.items()]
            assert task.verify(instance, ", ".join(parts)) is fits
            assert task.verify(instance, str(told)) is fits
            assert task.verify(instance, "\n".join(parts).replace("=", " = ")) is fits
            for wrong in (parts[1:], parts + parts[:1], parts + ["?=1"], [part.replace("=", "=1") for part in parts]):
                assert not task.verify(instance, ", ".join(wrong))
        assert right >= 1


# ---- squares to fill ------------------------------------------------------------------------------------------------

def squares(puzzle: list[str], symbols: str):
    """Every Latin square that keeps what is given, row by row from all permutations; for small squares."""
    def extend(done):
        if len(done) == len(puzzle):
            yield done
            return
        for row in permutations(symbols):
            if all(given in ("0_") or given == cell for given, cell in zip(puzzle[len(done)], row)) \
                    and all(cell != above for other in done for cell, above in zip(row, other)):
                yield from extend([*done, row])
    return extend([])


def test_exactly_the_squares_that_keep_the_rules_are_accepted():
    for level, key in product((1, 3), ("rg/mini_sudoku", "rg/futoshiki", "symbench/letter_logic_diagram")):
        for task, instance in some(key, 1 if "letter" in key else level, range(3)):
            puzzle = instance.facts["puzzle"]
            n = len(puzzle)
            symbols = "abcde" if "letter" in key else "12345"[:n]
            right = 0
            for rows in squares(puzzle, symbols):
                if "sudoku" in key:
                    boxes = [rows[i][j:j + 2] + rows[i + 1][j:j + 2] for i in (0, 2) for j in (0, 2)]
                    fits = all(len(set(box)) == 4 for box in boxes)
                elif "letter" in key:
                    fits = len({rows[r][n - 1 - r] for r in range(n)}) == 1
                else:
                    told = [map(int, pair) for pair in re.findall(r"r(.)c(.) < r(.)c(.)", instance.question)]
                    fits = all(rows[r - 1][c - 1] < rows[s - 1][d - 1] for r, c, s, d in told)
                right += fits
                assert task.verify(instance, "\n".join(" ".join(row) for row in rows)) is fits
                assert task.verify(instance, "\n".join(map("".join, rows))) is fits
            assert right == 1 or "letter" in key and right > 1


def test_the_diagonal_of_a_letter_diagram_must_be_one_letter():
    task, instance = some("symbench/letter_logic_diagram")[0]
    instance = type(instance)(**{**vars(instance), "facts": dict(puzzle=["____"] * 4)})
    accepted = [rows for rows in squares(["____"] * 4, "abcd") if task.verify(instance, "\n".join(map(",".join, rows)))]
    assert len(accepted) == 96 and all(len({row[3 - r] for r, row in enumerate(rows)}) == 1 for rows in accepted)


def test_a_diagonal_of_which_nothing_is_told_gets_a_letter_that_fits():
    task = TASKS["symbench/letter_logic_diagram"]
    puzzle = ["_dbc_", "_ac__", "bc__a", "c_a_d", "__da_"]
    rows = [row.split(",") for row in task.solve(puzzle).splitlines()]
    assert all(sorted(line) == list("abcde") for line in [*rows, *zip(*rows)])
    assert all(old in ("_", new) for told, row in zip(puzzle, rows) for old, new in zip(told, row))
    assert len({row[4 - r] for r, row in enumerate(rows)}) == 1


def covers(puzzle: list[str]) -> int:
    """How many solutions a sudoku has, up to 2: exact cover by dancing over dicts, another way than the task's."""
    choices = {(r, c, v): [("cell", r, c), ("row", r, v), ("column", c, v), ("box", r // 3, c // 3, v)]
               for r in range(9) for c in range(9) for v in "123456789"}
    open_ = {}
    for choice, met in choices.items():
        for constraint in met:
            open_.setdefault(constraint, set()).add(choice)

    def select(choice):
        removed = []
        for constraint in choices[choice]:
            for other in open_[constraint]:
                for touched in choices[other]:
                    if touched != constraint:
                        open_[touched].discard(other)
            removed.append(open_.pop(constraint))
        return removed

    def restore(choice, removed):
        for constraint in reversed(choices[choice]):
            open_[constraint] = removed.pop()
            for other in open_[constraint]:
                for touched in choices[other]:
                    if touched != constraint:
                        open_[touched].add(other)

    def count():
        if not open_:
            return 1
        found = 0
        for choice in sorted(min(open_.values(), key=len)):
            removed = select(choice)
            found += count()
            restore(choice, removed)
            if found > 1:
                break
        return found

    for r, row in enumerate(puzzle):
        for c, value in enumerate(row):
            if value != "0":
                select((r, c, value))
    return count()


@pytest.mark.parametrize("level", [1, 3, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("key", ["rg/sudoku", "symbench/standard_sudoku"])
def test_a_sudoku_has_one_solution_and_no_changed_square_is_accepted(key, level):
    for task, instance in some(key, level, range(3)):
        assert covers(instance.facts["puzzle"]) == 1
        assert sum(row.count("0") for row in instance.facts["puzzle"]) >= {1: 20, 3: 30, 5: 46}[level]
        assert task.solve(**instance.facts) == instance.expect
        rows = [line.split() for line in instance.expect.splitlines()]
        for i, j in combinations(range(9), 2):  # rows that change places keep rows and columns, not what is given
            swapped = [rows[j] if r == i else rows[i] if r == j else row for r, row in enumerate(rows)]
            assert not task.verify(instance, "\n".join(map(" ".join, swapped)))


# ---- queens and colours ---------------------------------------------------------------------------------------------

def attack(cells: list[tuple[int, int]]) -> bool:
    return any(r == s or c == d or abs(r - s) == abs(c - d) for (r, c), (s, d) in combinations(cells, 2))


@pytest.mark.parametrize("level", [1, 3])
def test_exactly_the_peaceful_boards_with_the_given_queens_are_accepted(level):
    for task, instance in some("rg/n_queens", level, range(3)):
        puzzle = instance.facts["puzzle"]
        n, right = len(puzzle), 0
        for columns in permutations(range(n)):
            board = ["_" * c + "Q" + "_" * (n - 1 - c) for c in columns]
            kept = sum(row != old and "Q" in old for row, old in zip(board, puzzle)) < 1
            fits = kept and not attack(list(enumerate(columns)))
            if fits or kept or columns[0] == 0 and columns[1] == 2:  # the others are too many to verify
                right += fits
                assert task.verify(instance, "\n".join(board)) is fits
                assert task.verify(instance, "\n".join(" ".join(row) for row in board)) is fits
        assert right >= 1


@pytest.mark.parametrize("level", [1, 3, 5])
def test_exactly_the_eight_queens_that_respect_the_marks_are_accepted(level):
    peaceful = [list(enumerate(p)) for p in permutations(range(8)) if not attack(list(enumerate(p)))]
    assert len(peaceful) == 92
    for task, instance in some("symbench/eight_queens", level):
        puzzle, right = instance.facts["puzzle"], 0
        for cells in peaceful:
            marks = [puzzle[r][c] for r, c in cells]
            fits = "X" not in marks and marks.count("1") == sum(row.count("1") for row in puzzle)
            right += fits
            assert task.verify(instance, ", ".join(f"{r} {c}" for r, c in cells)) is fits
            assert task.verify(instance, str(cells[::-1])) is fits
            assert not task.verify(instance, str(cells[1:])) and not task.verify(instance, str(cells + cells[:1]))
        assert right >= 1


def test_exactly_the_proper_colourings_are_accepted():
    for task, instance in some("rg/graph_color", 1):
        n, edges = instance.facts["n"], instance.facts["edges"]
        assert [f"{a}-{b}" for a, b in edges] == re.findall(r"\d+-\d+", instance.question)
        for colours in product((1, 2, 3), repeat=n):
            text = ", ".join(f'"{v}": {c}' for v, c in enumerate(colours))
            assert task.verify(instance, f"{{{text}}}") is all(colours[a] != colours[b] for a, b in edges)
        for wrong in (instance.expect.replace("}", f', "{n}": 1}}'), instance.expect.replace("}", ', "0": 1}'),
                      instance.expect.replace('"0": ', '"0": 1'), instance.expect.replace(f', "{n - 1}"', ', "99"')):
            assert not task.verify(instance, wrong), wrong


# ---- cells, cards and books to choose -------------------------------------------------------------------------------

@pytest.mark.parametrize("level", [1, 3])
def test_exactly_the_picks_that_keep_all_conditions_are_accepted(level):
    small = [(task, i) for task, i in some("symbench/logic_puzzle", level, range(12)) if len(i.facts["grid"]) < 5]
    assert len(small) > 1
    for task, instance in small[:4]:
        grid, count, limit = (instance.facts[name] for name in ("grid", "count", "limit"))
        n, right = len(grid), 0
        for cells in combinations(product(range(n), repeat=2), count):
            numbers = [grid[r][c] for r, c in cells]
            lines = [[grid[r][c] for r, c in cells if (r, c)[axis] == i] for axis in (0, 1) for i in range(n)]
            fits = (len(set(numbers)) == count and (0, n - 1) in cells
                    and sum(x < 0 for x in numbers) >= instance.facts["negatives"]
                    and all(sum(line) <= limit if limit is not None else prod(line) > 0 for line in lines if line))
            right += fits
            assert task.verify(instance, ", ".join(f"{r} {c}" for r, c in cells)) is fits
        assert right >= 1


CIRCLE = {("P", "Q"), ("Q", "R"), ("R", "S"), ("S", "T"), ("T", "P")}  # the first feeds the second
TAMES = {(a, c) for a, b in CIRCLE for d, c in CIRCLE if b == d}


def result(mine: str, other: str, question: str) -> str:
    """A round's result, from the rules as the question words them."""
    if "feeds" in question:
        return "draw" if mine == other else "loss" if (mine, other) in CIRCLE or (other, mine) in TAMES else "win"
    if "later letter" in question:
        pair = {mine, other}
        return "draw" if mine == other else "win" if (mine == "A" if pair == {"A", "H"} else mine > other) else "loss"
    return {0: "draw", 1: "win", 2: "draw", 3: "loss"}[("ABCD".index(other) - "ABCD".index(mine)) % 4]


@pytest.mark.parametrize("level", [1, 3, 4])
def test_exactly_the_card_orders_with_the_told_results_are_accepted(level):
    for task, instance in some("symbench/constrained_linear_arrangement", level, range(12)):
        played = re.findall(r"\b([A-Z]) (win|loss|draw)\b", instance.question)
        cards, right = sorted(instance.facts["beats"]), 0
        for order in product(cards, repeat=len(played)) if len(cards) < 6 else permutations(cards, len(played)):
            fits = len(set(order)) == len(order) and all(
                result(mine, other, instance.question) == told for (mine, told), other in zip(played, order))
            right += fits
            if fits or len(cards) < 6 and order[0] == cards[0]:
                assert task.verify(instance, "".join(order)) is fits
        assert right >= 1


READ = [(r"([A-Z]) is at place (\d+)", lambda p, a, k: p[a] == int(k)),
        (r"([A-Z]) is not at place (\d+)", lambda p, a, k: p[a] != int(k)),
        (r"([A-Z]) is left of ([A-Z])", lambda p, a, b: p[a] < p[b]),
        (r"([A-Z]) is next to ([A-Z])", lambda p, a, b: p[a] - p[b] in (-1, 1)),
        (r"([A-Z]) is not next to ([A-Z])", lambda p, a, b: p[a] - p[b] not in (-1, 1)),
        (r"([A-Z]) and ([A-Z]) are (\d+) places apart", lambda p, a, b, k: p[a] - p[b] in (int(k), -int(k))),
        (r"([A-Z]) is at an end", lambda p, a: p[a] in (1, len(p)))]


@pytest.mark.parametrize("level", [1, 3])
def test_exactly_the_orders_of_books_that_keep_the_rules_as_told_are_accepted(level):
    for task, instance in [(t, i) for t, i in some("symbench/permutations_and_combinations", level, range(30))
                           if len(i.facts["books"]) < 8][:6]:
        books, right = instance.facts["books"], 0
        told = re.search(r"from left to right\. (.*)\. Answer", instance.question)[1].split(". ")
        rules = [(test, match.groups()) for sentence in told for pattern, test in READ
                 if (match := re.fullmatch(pattern, sentence))]
        assert len(rules) == len(told)
        for order in permutations(books):
            place = {book: i for i, book in enumerate(order, 1)}
            fits = all(test(place, *parts) for test, parts in rules)
            right += fits
            if fits or order[0] in books[:2]:
                assert task.verify(instance, str(list(order))) is fits
        assert right >= 1
