"""Measures what tasks/difficulty.py says of the tasks: `python tests/measure_tasks.py` prints its table anew."""
import re
import sys
import time
from collections import Counter
from operator import eq
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent.parent))

from tasks import TASKS  # noqa: E402
from tasks.difficulty import DIFFICULTY, is_one_statement  # noqa: E402

DRAWS, SECONDS = 1_000, 3.0   # of a task, at level 3; whatever ends first
MANY = 100_000                # more than this is not told apart


def draws(task, count=DRAWS, seconds=SECONDS):
    """Questions of all purposes with their answers: at most `count`, and none later than `seconds`."""
    start = time.process_time()
    for seed in range(count):
        if time.process_time() - start > seconds:
            break
        question, facts, *planted = task.make(Random(f"count {task.key} {seed}"), 3)
        yield question, str(planted[0] if planted else task.solve(**facts)).casefold()


def different(questions):
    """How many different questions there are, by Chao's estimate from those drawn once and twice; rounded down."""
    times = Counter(Counter(questions).values())
    drawn, n = sum(times.values()), len(questions)
    if drawn == n:  # none twice: about n * n / 10 or more
        return f">{rounded(min(MANY, n * n / 10)):,}"
    estimate = drawn + times[1] ** 2 / (2 * max(times[2], 1))
    return f">{MANY:,}" if estimate > MANY else f"{rounded(estimate):,}"


def rounded(n):
    """Down to one digit: 8,312 -> 8,000."""
    size = 10 ** (len(str(int(n))) - 1)
    return int(n) // size * size


# A guess where answers repeat words that each question draws anew, so that no answer is common.
GUESSES = {
    "rg/color_cube_rotation": lambda question: re.search(r"front (\w+)", question)[1],
    "rg/knights_knaves": lambda question: ", ".join(f"{name} is a knight" for name in re.findall(r"(\w+) says", question)),
    "rg/number_format": lambda question: re.search(r": (\S+)", question)[1],
    "rg/zebra_puzzles": lambda question: question.split(" live in houses")[0],
}


def guessing(key, questions, answers):
    """The share of the commonest answer or, where it gets more, of the task's guess."""
    share = max(Counter(answers).values()) / len(answers)
    if key in GUESSES:
        guesses = [GUESSES[key](question).casefold() for question in questions]
        share = max(share, sum(map(eq, guesses, answers)) / len(answers))
    return share


def is_easy(task):
    """Whether one statement solves the questions of the levels 1, 3 and 5."""
    return task.program is not None and all(is_one_statement(task.program(task.generate(seed, level)))
                                            for level in (1, 3, 5) for seed in range(3))


def main():
    for key, task in TASKS.items():
        questions, answers = zip(*draws(task))
        words = DIFFICULTY[key].level_5 if key in DIFFICULTY else "?"
        print(f"{key} | {'easy' if is_easy(task) else '-'} | {different(questions)} | {guessing(key, questions, answers):.0%} "
              f"| {words}", flush=True)


if __name__ == "__main__":
    main()
