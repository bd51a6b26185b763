"""Questions by the dozen: chosen from the tasks, or read from files, and whether an answer to one is right."""
import json
import re
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Iterator

from tasks.base import LEVELS, TASKS, Instance, items, letter, norm, number


TINY_TASKS = ("rg/chain_sum,rg/gcd,rg/lcm,rg/count_bits,rg/base_conversion,rg/spell_backward,"
              "bbh/disambiguation_qa@2")


def parse_tasks(text: str, level: int) -> list[tuple[str, int]]:
    """--tasks as (task, level) pairs: "rg/gcd,bbh/word_sorting@2", and "all", "train", "test" or a suite's name.

    "-" before a name takes its tasks out of those that stand before: "train,-bbh" leaves BIG-Bench-Hard out.
    """
    chosen: list[tuple[str, int]] = []
    for part in text.split(","):
        without = part.strip().startswith("-")
        name, _, at_level = part.strip().removeprefix("-").partition("@")
        keys = [key for key, task in TASKS.items() if name in (key, "all", task.split, task.suite)]
        if not keys:
            near = get_close_matches(name, TASKS, 3, 0.4)
            raise SystemExit(f"unknown task {name!r}" + (f", did you mean {' or '.join(near)}?" if near else "")
                             + " `python -m tasks` lists them all")
        if at_level and not (at_level.isdigit() and int(at_level) in LEVELS):
            raise SystemExit(f"unknown level {at_level!r} of task {name}: levels are 1 to 5")
        if without:
            chosen = [(key, its) for key, its in chosen if key not in keys or at_level not in ("", str(its))]
        else:
            chosen += [(key, int(at_level or level)) for key in keys]
    if not chosen:
        raise SystemExit(f"--tasks {text} leaves no task")
    return list(dict.fromkeys(chosen))


def draw_questions(tasks: list[tuple[str, int]], purpose: str, n: int, seed: int = 0) -> list[Instance]:
    """The first n different questions of every task (all it has, if fewer): the arguments alone decide which."""
    questions = []
    for key, level in tasks:
        seen: dict[str, Instance] = {}
        for i in range(20 * n):
            instance = TASKS[key].generate(seed * 1_000_000 + i, level, purpose)
            seen.setdefault(instance.question, instance)
            if len(seen) == n:
                break
        else:
            print(f"note: {key} has only {len(seen)} different {purpose} questions at level {level}",
                  file=sys.stderr)
        questions += seen.values()
    return questions


def grade(instance: Instance, answer: str) -> bool:
    """Whether an answer is right: the task decides; a user's own question compares numbers, or else text."""
    if instance.task in TASKS:
        return TASKS[instance.task].verify(instance, answer)
    try:
        if instance.task.startswith("bbh-file/"):
            return bbh_right(instance, answer)
        return abs(number(answer) - number(instance.expect)) <= abs(number(instance.expect)) / 10 ** 6
    except (ValueError, ZeroDivisionError):
        return norm(answer) == norm(instance.expect)


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SystemExit(f"{path} does not exist: --model takes a directory with config.json, "
                         "*.safetensors and a tokenizer")
    except ValueError as error:
        raise SystemExit(f"{path} is not valid JSON: {error}")


def read_jsonl(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) for each line of a JSON-lines file; a broken line ends the program and is named."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path} cannot be read: {error}")
    for number_, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
            except ValueError as error:
                raise SystemExit(f"{path}, line {number_}: not valid JSON ({error})")
            if not isinstance(value, dict):
                raise SystemExit(f"{path}, line {number_}: a JSON object was expected")
            yield number_, value


def read_questions(path: str) -> list[Instance]:
    """A user's own questions: JSON lines with "question" and "answer"."""
    questions = []
    for i, line in read_jsonl(path):
        if not isinstance(line.get("question"), str) or not isinstance(line.get("answer"), (str, int, float)):
            raise SystemExit(f'{path}, line {i}: "question" (text) and "answer" (text or number) are needed')
        questions.append(Instance(f"user/{Path(path).stem}", i, 0, "eval", line["question"], {}, str(line["answer"])))
    if not questions:
        raise SystemExit(f"{path} holds no question")
    return questions


def read_pass_rates(path: str, questions: list[Instance]) -> list[float]:
    """p of each question from a pass_rates.jsonl, or from the rewards in a trajectories.jsonl of recorded rollouts."""
    known: dict[tuple, list[float]] = {}
    for number_, line in read_jsonl(path):
        if not ({"task", "level", "seed"} <= line.keys() and line.keys() & {"pass_rate", "reward"}):
            raise SystemExit(f'{path}, line {number_}: "task", "level", "seed" and "pass_rate" or "reward" are needed')
        if line.get("purpose", "rl") == "rl" and line.get("stop_reason") != "tool_failure":
            key = line["task"], line["level"], line["seed"]
            known.setdefault(key, []).append(line.get("pass_rate", line.get("reward")))
    missing = sum((q.task, q.level, q.seed) not in known for q in questions)
    if missing:
        raise SystemExit(f"{path} lacks {missing} of {len(questions)} questions: measure again")
    means = {key: sum(values) / len(values) for key, values in known.items()}
    return [means[q.task, q.level, q.seed] for q in questions]


def bbh_right(instance: Instance, answer: str) -> bool:
    """Whether an answer equals the target of an original BIG-Bench-Hard row: a choice, brackets, words, or a word."""
    target = instance.expect
    if re.fullmatch(r"\([A-Z]\)", target):
        options = [line for line in instance.question.splitlines() if re.match(r"\([A-Z]\) ", line)]
        return letter(answer, "\n".join(options)) == target[1]
    if not set(target) - set("()[]{}<> "):
        return "".join(answer.split()) == "".join(target.split())
    return items(norm(answer)) == items(norm(target))


def read_bbh(directory: str, n: int) -> list[Instance]:
    """The first n usable rows of every original BIG-Bench-Hard file of a directory; for evaluation only."""
    questions = []
    for path in sorted(Path(directory).glob("*.json")):
        raw = read_json(path)
        if not isinstance(raw, dict) or not isinstance(raw.get("examples"), list):
            raise SystemExit(f'{path}: not a BIG-Bench-Hard file, "examples" is missing')
        usable = []
        for i, row in enumerate(raw["examples"], 1):
            if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("input", "target")):
                raise SystemExit(f'{path}, example {i}: "input" and "target" must be texts')
            if "\n(A)" in row["input"] and not re.fullmatch(r"\([A-Z]\)", row["target"]):
                print(f"note: {path}, example {i} is left out: its target is none of its options", file=sys.stderr)
                continue
            usable.append(Instance(f"bbh-file/{path.stem}", i, 0, "eval", row["input"], {}, row["target"]))
        questions += usable[:n]
    if not questions:
        raise SystemExit(f"--bbh {directory}: no *.json with BIG-Bench-Hard questions in it")
    return questions
