"""Look at the tasks.

    python -m tasks                              list them all, and how hard each is
    python -m tasks rg/gcd --level 3 --seed 0    a question, its program, output and accepted answer
"""
import argparse
import difflib
import sys
from collections import Counter

from sandbox import Sandbox, SandboxError
from tasks import LEVELS, PURPOSES, TASKS, Instance, Task
from tasks.difficulty import DIFFICULTY, one_statement
from tasks.flags import CommandLine, quiet_pipe

PROGRAM_BOUND = 5.0   # seconds in the sandbox, at any level

LEGEND = """
by     easy: one Python statement at every level; code: a program; text: words
grade  A like the original, B narrower than it, C a stand-in made by rules
Below each task: how many different questions level 3 has (estimated), what a
guess gets (the commonest answer, or one of those that the question offers), and
what level 5 asks to do.
`--tasks train,-easy` leaves the easy ones out."""


def list_tasks() -> None:
    """Two lines a task, within 80 columns, what they mean, and the counts."""
    row = "{:<43} {:<5} {:<11} {:<5} {}".format
    print(row("task", "split", "family", "grade", "by"))
    for key, task in TASKS.items():
        by = "easy" if one_statement(task) else "code" if task.natural else "text"
        print(row(key, task.split, task.family, task.grade, by))
        # Only the shipped tasks were measured.
        if key in DIFFICULTY:
            known = DIFFICULTY[key]
            print(f"  {known.questions:>8} questions, guess {known.guessing:>3}; {known.level_5}")
    # "33 symbench, 27 bbh, 84 rg", and likewise for splits and grades.
    counts = []
    for name in ("suite", "split", "grade"):
        counter = Counter(getattr(task, name) for task in TASKS.values())
        counts.append(", ".join(f"{count} {value}" for value, count in sorted(counter.items())))
    print(f"{LEGEND}\n\n{len(TASKS)} tasks: {'; '.join(counts)}")


def show(task: Task, instance: Instance, allow_weak: bool) -> bool:
    """Prints one question with all that belongs to it; says whether its answer was reached."""
    print(f"{instance.task}, level {instance.level}, seed {instance.seed}, "
          f"purpose {instance.purpose}")
    if instance.task in DIFFICULTY:
        print(f"level 5 asks to: {DIFFICULTY[instance.task].level_5}")
    if task.shortcut:
        print(f"shortcut: {task.shortcut}")
    print(f"\n--- question\n{instance.question}")
    # How the task answers it: in words, or by a program that runs here, in the sandbox.
    if task.program is None:
        print(f"\n--- rationale (a program is not the natural way)\n{task.rationale(instance)}")
        answer, what = instance.expect, "the answer"
    else:
        code = task.program(instance)
        print(f"\n--- program\n{code}")
        with Sandbox(workers=1, timeout=PROGRAM_BOUND, allow_weak=allow_weak) as sandbox:
            result = sandbox.run(code)
        output = f"{result.stdout}{result.stderr}".rstrip("\n")
        print(f"--- output ({result.status}, {result.wall:.3f} s)\n{output}")
        answer, what = result.stdout.strip(), "the output"
    # What came of it has to pass the verifier, as a model's answer would.
    right = task.verify(instance, answer)
    print(f"\n--- accepted answer\n{instance.expect}")
    print(f"\nverify {'accepts' if right else 'REFUSES'} {what}")
    return right


def main() -> None:
    parser = CommandLine(__doc__, prog="python -m tasks",
                         formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("task", nargs="?", metavar="SUITE/NAME", help="the task to show")
    add("--level", type=int, choices=LEVELS, default=1, help="difficulty (1)")
    add("--seed", type=int, default=0, help="number of the question (0)")
    add("--purpose", choices=PURPOSES, default="eval", help="what the question is for (eval)")
    add("--allow-weak", action="store_true",
        help="run the program even where the sandbox cannot confine it")
    args = parser.parse_args()
    if args.task is not None and args.task not in TASKS:
        # The name without its suite, or a slip of the pen.
        near = [key for key in TASKS if key.endswith(f"/{args.task}")]
        near = near or difflib.get_close_matches(args.task, TASKS)
        mend = f"did you mean {' or '.join(near)}?" if near else "`python -m tasks` lists them all."
        parser.error(f"there is no task {args.task!r}: {mend}")
    # A task that its own verifier refuses is an error of whoever wrote it: then the exit code is 1.
    right = True
    with quiet_pipe():
        try:
            if args.task:
                task = TASKS[args.task]
                instance = task.generate(args.seed, args.level, args.purpose)
                right = show(task, instance, args.allow_weak)
            else:
                list_tasks()
        except SandboxError as error:
            sys.exit(f"the programs cannot be run: {error}")
    sys.exit(not right)


if __name__ == "__main__":
    main()
