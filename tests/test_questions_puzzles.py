"""The puzzles, judged from the text of their questions alone: no fact, no `solve`, no program is looked at.

Most puzzles have many right answers. A reader takes a question and gives a judge of answers; the stored answer must
please the judge, and the task must judge answers in which something is changed as the judge does.
"""
import json
import re
from fractions import Fraction
from math import prod
from random import Random

import pytest
from test_tasks_puzzles import attack, result

from tasks import TASKS

# Questions of each task at each level: 30 in all, 300 with --slow.
COUNT = [6, pytest.param(60, marks=pytest.mark.slow)]
LEVELS = (1, 2, 3, 4, 5)


# ---- numbers to combine ---------------------------------------------------------------------------------------------

def combined(question):
    target, numbers = re.match(r"Make (\d+) from (.*?):", question).groups()

    def right(answer):
        used = re.findall(r"\d+", answer)
        value = eval(re.sub(r"(\d+)", r"exact(\1)", answer), {"exact": Fraction})
        return sorted(used) == sorted(numbers.split(", ")) and value == int(target)

    return right


def cryptarithm(question):
    words = re.findall("[A-Z]+", question.split(". ")[0])

    def right(answer):
        digit = dict(part.split("=") for part in answer.split(", "))
        *addends, total = ["".join(digit[letter] for letter in word) for word in words]
        return len(set(digit.values())) == len(digit) == len(set("".join(words))) \
            and not any(number.startswith("0") for number in [*addends, total]) \
            and sum(map(int, addends)) == int(total)

    return right


# ---- squares to fill ------------------------------------------------------------------------------------------------

def square(question):
    """A judge for every kind of square: each condition is taken up if the question states it."""
    given = [line for line in question.split("\n") if re.fullmatch("[0-9]+|[_a-h]+", line)]
    n = len(given)
    symbols = "abcdefgh"[:n] if "letter" in question else "123456789"[:n]
    assert f"1 to {n} once each" in question or f"a to {symbols[-1]} once each" in question
    side = re.search(r"(\d) x \d box", question)
    smaller = [tuple(int(i) - 1 for i in pair) for pair in re.findall(r"r(\d)c(\d) < r(\d)c(\d)", question)]

    def right(answer):
        rows = [re.split("[ ,]", line) for line in answer.split("\n")]
        lines = [*rows, *zip(*rows)]
        if side:
            k = int(side[1])
            lines += [[rows[r + i][c + j] for i in range(k) for j in range(k)]
                      for r in range(0, n, k) for c in range(0, n, k)]
        kept = all(old in ("0", "_", new) for line, row in zip(given, rows) for old, new in zip(line, row))
        return kept and all(sorted(line) == list(symbols) for line in lines) \
            and all(rows[r][c] < rows[s][d] for r, c, s, d in smaller) \
            and ("diagonal" not in question or len({rows[i][n - 1 - i] for i in range(n)}) == 1)

    return right


# ---- queens and colours ---------------------------------------------------------------------------------------------

def queens(question):
    given = [line for line in question.split("\n") if re.fullmatch("[Q_]+", line)]
    assert f"There must be {len(given)} in all" in question

    def right(answer):
        rows = answer.split("\n")
        cells = [(r, c) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark == "Q"]
        kept = all(mark == "_" or rows[r][c] == "Q" for r, row in enumerate(given) for c, mark in enumerate(row))
        return kept and len(cells) == len(given) and not attack(cells)

    return right


def eight_queens(question):
    board = {(r, c): mark for r, line in enumerate(re.findall("^[01X]{8}$", question, re.MULTILINE))
             for c, mark in enumerate(line)}

    def right(answer):
        cells = [tuple(map(int, pair.split(" "))) for pair in answer.split(", ")]
        given = [cell for cell, mark in board.items() if mark == "1"]
        return len(cells) == 8 and set(given) <= set(cells) and all(board[cell] != "X" for cell in cells) \
            and not attack(cells)

    return right


def colours(question):
    count = int(re.search(r"vertices 0 to (\d+) ", question)[1]) + 1
    edges = re.findall(r"(\d+)-(\d+)", question)

    def right(answer):
        pairs = json.loads(answer, object_pairs_hook=list)
        colour = dict(pairs)
        return sorted(map(int, dict(pairs))) == list(range(count)) and len(pairs) == count \
            and set(colour.values()) <= {1, 2, 3} and all(colour[a] != colour[b] for a, b in edges)

    return right


# ---- cells, cards and books to choose -------------------------------------------------------------------------------

def chosen_cells(question):
    count = int(re.match(r"Choose (\d+) cells with \1 different numbers", question)[1])
    rows = [list(map(int, line.split())) for line in question.split("\n") if re.fullmatch(r"[-\d ]+", line)]
    most = re.search(r"a sum of at most (\d+)", question)
    negative = re.search(r"At least (\d+) of the numbers must be negative", question)

    def right(answer):
        cells = [tuple(map(int, pair.split(" "))) for pair in answer.split(", ")]
        numbers = [rows[r][c] for r, c in cells]
        lines = [[rows[r][c] for r, c in cells if (r, c)[axis] == i] for axis in (0, 1) for i in range(len(rows))]
        return len(set(numbers)) == len(cells) == count and (0, len(rows) - 1) in cells \
            and all(sum(line) <= int(most[1]) if most else prod(line) > 0 for line in lines if line) \
            and (not negative or sum(number < 0 for number in numbers) >= int(negative[1]))

    return right


def cards(question):
    held = re.search(r"hold the cards (.*?) each", question)[1].split(", ")
    played = re.findall(r"\b([A-Z]) (win|loss|draw)\b", question)

    def right(answer):
        others = answer.split(", ")
        return len(set(others)) == len(others) == len(played) and set(others) <= set(held) \
            and all(result(mine, other, question) == told for (mine, told), other in zip(played, others))

    return right


def books(question):
    listed = re.search(r"Put the books (.*?) at places", question)[1].split(", ")
    told = question.split("to right. ")[1].split(". Answer")[0].split(". ")

    def right(answer):
        row = answer.split(", ")

        def kept(sentence):
            a, b, *_ = re.findall(r"\b[A-L]\b", sentence) + [None]
            p, q = row.index(a), row.index(b) if b else None
            number = int(re.search(r"\d+|$", sentence)[0] or 0)
            [holds] = [holds for text, holds in (
                (" is at place ", p == number - 1), (" is not at place ", p != number - 1),
                (" is left of ", b and p < q), (" is next to ", b and q in (p - 1, p + 1)),
                (" is not next to ", b and q not in (p - 1, p + 1)),
                (" places apart", b and q in (p - number, p + number)),
                (" is at an end", p in (0, len(row) - 1))) if text in sentence]
            return holds

        return sorted(row) == listed and all(map(kept, told))

    return right


JUDGES = {"rg/countdown": combined, "symbench/game24": combined, "rg/cryptarithm": cryptarithm, "rg/sudoku": square,
          "rg/mini_sudoku": square, "symbench/standard_sudoku": square, "rg/futoshiki": square,
          "symbench/letter_logic_diagram": square, "rg/n_queens": queens, "symbench/eight_queens": eight_queens,
          "rg/graph_color": colours, "symbench/logic_puzzle": chosen_cells,
          "symbench/constrained_linear_arrangement": cards, "symbench/permutations_and_combinations": books}


def verdict(right, answer):
    """What a judge says; an answer that cannot be read or computed is wrong."""
    try:
        return right(answer)
    except (IndexError, KeyError, ValueError, ZeroDivisionError):
        return False


def changed(rng, answer):
    """Answers of the same form: two parts of a kind, or two lines, change places, or one part replaces another."""
    found = []
    for kind in (r"\d+", r"[A-Za-z_]", r"[-+*/]"):
        spans = [match.span() for match in re.finditer(kind, answer)]
        for _ in range(3 if len(spans) > 1 else 0):
            (a, b), (c, d) = sorted(rng.sample(spans, 2))
            found.append(answer[:a] + answer[c:d] + answer[b:c] + answer[a:b] + answer[d:])
            found.append(answer[:a] + answer[c:d] + answer[b:])
    lines = answer.split("\n")
    return found + ["\n".join(rng.sample(lines, len(lines)))]


@pytest.mark.parametrize("count", COUNT)
@pytest.mark.parametrize("key", JUDGES)
def test_the_question_alone_says_which_answers_are_right(key, count):
    rng = Random(0)
    for level in LEVELS:
        for seed in range(count):
            instance = TASKS[key].generate(seed, level)
            right = JUDGES[key](instance.question)
            assert right(instance.expect), instance.question
            for answer in changed(rng, instance.expect):
                assert TASKS[key].verify(instance, answer) is bool(verdict(right, answer)), (instance.question, answer)


def test_every_puzzle_is_read():
    assert {*JUDGES} == {key for key, task in TASKS.items() if task.family == "puzzles"}
