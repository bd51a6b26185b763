"""Look at the tasks.

    python -m tasks                                   list them all
    python -m tasks rg/gcd --level 3 --seed 0         one question, its program, the output, the accepted answer
    python -m tasks --bench                           seconds per question, program run and verification
"""
import argparse
import difflib
import signal
import sys
import time
from collections import Counter
from typing import Any, Callable

from sandbox import Sandbox, SandboxError
from tasks import LEVELS, PURPOSES, TASKS, Instance, Task

BOUNDS = {3: 1.0, 5: 5.0}     # seconds for one question, and for one verification, at levels 3 and 5
PROGRAM_BOUND = 5.0           # seconds in the sandbox, at any level
QUESTIONS = {3: 20, 5: 3}     # measured for each task
TOTAL_BOUND = 20.0            # seconds for all questions of level 3


def list_tasks() -> None:
    """One line a task, and the counts."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that `| head` ends it without a word
    row = "{:<48} {:<6} {:<12} {:<6} {}".format
    print(row("task", "split", "family", "grade", "program natural"))
    for key, task in TASKS.items():
        print(row(key, task.split, task.family, task.grade, "yes" if task.natural else "no"))
    counts = [Counter(getattr(task, name) for task in TASKS.values()) for name in ("suite", "split", "grade")]
    print(f"\n{len(TASKS)} tasks: " + "; ".join(
        ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) for counter in counts))


def show(task: Task, instance: Instance) -> bool:
    """Prints one question with everything that belongs to it; says whether the accepted answer was reached."""
    print(f"{instance.task}, level {instance.level}, seed {instance.seed}, purpose {instance.purpose}")
    print(f"\n--- question\n{instance.question}")
    if task.program is None:
        print(f"\n--- rationale (a program is not the natural way)\n{task.rationale(instance)}")
        answer, what = instance.expect, "the answer"
    else:
        code = task.program(instance)
        print(f"\n--- program\n{code}")
        with Sandbox(workers=1, timeout=PROGRAM_BOUND) as sandbox:
            result = sandbox.run(code)
        print(f"--- output ({result.status}, {result.wall:.3f} s)\n{result.stdout}{result.stderr}".rstrip("\n"))
        answer, what = result.stdout.strip(), "the output"
    right = task.verify(instance, answer)
    print(f"\n--- accepted answer\n{instance.expect}\n\nverify {'accepts' if right else 'REFUSES'} {what}")
    return right


def timed(function: Callable, *arguments: Any) -> tuple[Any, float]:
    """The result and the CPU seconds it took: wall time would count the neighbours' work."""
    start = time.process_time()
    result = function(*arguments)
    return result, time.process_time() - start


def bench(keys: list[str]) -> bool:
    """Prints the worst seconds of each task; says whether all keep their bounds."""
    titles = [f"{what} {level}" for level in BOUNDS for what in ("question", "program", "verify")]
    print(f"{'worst seconds, at levels 3 and 5':<48} " + " ".join(f"{title:>11}" for title in titles))
    bounds = [bound for level in BOUNDS for bound in (BOUNDS[level], PROGRAM_BOUND, BOUNDS[level])]
    print(f"{'bound':<48} " + " ".join(f"{bound:>10.1f} " for bound in bounds))
    total, late = 0.0, []
    with Sandbox(workers=1, timeout=2 * PROGRAM_BOUND) as sandbox:
        for count, key in enumerate(keys, 1):
            print(f"\r{count}/{len(keys)} {key:<48}", end="", file=sys.stderr, flush=True)
            worst = []
            for level in BOUNDS:
                seconds = [measure(TASKS[key], seed, level, sandbox) for seed in range(QUESTIONS[level])]
                total += sum(question for question, _, _ in seconds) * (level == 3)
                worst += [max(column) for column in zip(*seconds)]
            marks = ["*" if seconds > bound else " " for seconds, bound in zip(worst, bounds)]
            late += [key] * ("*" in marks)
            print("\r" * (sys.stderr.isatty() and sys.stdout.isatty()) + f"{key:<48} "
                  + " ".join(f"{seconds:>10.4f}{mark}" for seconds, mark in zip(worst, marks)), flush=True)
    print(f"\r{'':<60}\r", end="", file=sys.stderr)
    print(f"\n{QUESTIONS[3]} questions of each task at level 3: {total:.1f} s (bound {TOTAL_BOUND:.0f} s)")
    print(f"above a bound (*): {', '.join(late) or 'none'}")
    return not late and total <= TOTAL_BOUND


def measure(task: Task, seed: int, level: int, sandbox: Sandbox) -> tuple[float, float, float]:
    """Seconds to make one question, to run its program, to verify its answer."""
    instance, made = timed(task.generate, seed, level)
    ran = sandbox.run(task.program(instance)).wall if task.program else 0.0
    right, verified = timed(task.verify, instance, instance.expect)
    assert right, f"{task.key}, level {level}, seed {seed}: its own answer is refused"
    return made, ran, verified


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tasks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", nargs="?", metavar="SUITE/NAME", help="the task to show, or to measure alone")
    parser.add_argument("--level", type=int, choices=LEVELS, default=3, help="difficulty (3)")
    parser.add_argument("--seed", type=int, default=0, help="number of the question (0)")
    parser.add_argument("--purpose", choices=PURPOSES, default="eval", help="what the question is for (eval)")
    parser.add_argument("--bench", action="store_true", help="measure every task, fail if one is too slow")
    args = parser.parse_args()
    if args.task is not None and args.task not in TASKS:
        near = [key for key in TASKS if key.endswith(f"/{args.task}")] or difflib.get_close_matches(args.task, TASKS)
        mend = f"did you mean {' or '.join(near)}?" if near else "`python -m tasks` lists them all."
        parser.error(f"there is no task {args.task!r}: {mend}")
    try:
        if args.bench:
            sys.exit(not bench([args.task] if args.task else list(TASKS)))
        if args.task:
            sys.exit(not show(TASKS[args.task], TASKS[args.task].generate(args.seed, args.level, args.purpose)))
        list_tasks()
    except SandboxError as error:
        sys.exit(f"the programs cannot be run: {error}")


if __name__ == "__main__":
    main()
