"""What tasks/difficulty.py says of the tasks is so."""
import pytest

from digests import SHIPPED
from measure_tasks import GUESSES, different, draws, guessing
from tasks import TASKS
from tasks.difficulty import DIFFICULTY, is_one_statement, one_statement
from tasks.questions import parse_tasks
from test_tasks import instances


def test_every_shipped_task_has_a_line_and_no_other():
    assert set(DIFFICULTY) == set(SHIPPED) & set(TASKS)


def test_easy_tasks_are_those_whose_programs_are_one_statement_at_every_level():
    for key, known in DIFFICULTY.items():
        task = TASKS[key]
        programs = [task.program(instance) for instance in instances(key, range(3)) if task.natural]
        assert known.easy == (bool(programs) and all(map(is_one_statement, programs))), key


@pytest.mark.parametrize("program, easy", [
    ("print(2 + 3)", True),
    ("import math\nprint(math.gcd(4, 6))", True),
    ("numbers = [3, 1]\nprint(*sorted(numbers))", True),
    ("def solve(n):\n    import math\n    return math.factorial(n)\n\nprint(solve(n=5))", True),
    ("def solve(n):\n    n += 1\n    return n\n\nprint(solve(n=5))", False),
    ("def helper(n):\n    return n\n\nprint(helper(5))", False),
    ("total = sum([1, 2])\nprint(total)", False),
    ("for i in range(3):\n    print(i)", False),
    ("print(1)\nprint(2)", False)])
def test_one_statement_leaves_imports_and_facts_aside(program, easy):
    assert is_one_statement(program) is easy


def test_a_minus_leaves_the_easy_ones_out():
    train, hard, easy = (parse_tasks(names, 1) for names in ("train", "train,-easy", "easy"))
    assert sorted(hard) == sorted(pair for pair in train if not one_statement(TASKS[pair[0]]))
    assert ("rg/gcd", 1) in easy and ("rg/gcd", 1) not in hard and ("rg/sudoku", 1) in hard
    assert 25 <= len(easy) <= 45


@pytest.mark.parametrize("key, share", [
    ("rg/color_cube_rotation", 1 / 6),   # six colours are told
    ("rg/knights_knaves", 0.19),         # that all are knights; 1 in 8 were they independent
    ("rg/number_format", 0.26),          # three to five numbers are told
    ("rg/zebra_puzzles", 1 / 24)])       # orders of four names
def test_a_guess_among_the_words_of_a_question_gets_what_the_table_says(key, share):
    asked = [TASKS[key].generate(seed, 3) for seed in range(100)]
    right = sum(TASKS[key].verify(instance, GUESSES[key](instance.question)) for instance in asked)
    assert abs(right / 100 - share) < 0.1
    assert abs(float(DIFFICULTY[key].guessing.strip("%")) / 100 - share) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("key", DIFFICULTY)
def test_guessing_and_the_number_of_questions_are_as_the_table_says(key):
    known = DIFFICULTY[key]
    questions, answers = zip(*draws(TASKS[key]))
    assert abs(guessing(key, questions, answers) - float(known.guessing.strip("%")) / 100) < 0.06
    told, found = (int(text.strip(">").replace(",", "")) for text in (known.questions, different(questions)))
    assert max(told, found) <= 5 * min(told, found) or ">" in known.questions + different(questions)
