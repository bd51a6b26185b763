"""Questions by the dozen: drawn from the tasks or read from files; whether an answer is right."""
import json
import re
import sys
from difflib import get_close_matches
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import Any, Iterable, Iterator

from tasks.base import (LEVELS, TASKS, Instance, accepts, cells, items, letter, norm, number,
                        purpose_of)
from tasks.difficulty import one_statement

# What --tasks takes, for the help texts of the commands.
TASKS_HELP = ("names, name@level, suites, train, test, easy (one Python statement does), "
              "laptop (of --preset laptop) or all, with commas between; -name leaves out: "
              "train,-easy")


# ---- questions from the tasks --------------------------------------------------------------------

TINY_TASKS = ("rg/chain_sum,rg/gcd,rg/lcm,rg/count_bits,rg/base_conversion,rg/spell_backward,"
              "bbh/disambiguation_qa@2")

# What a real model of 135 million parameters trains on, on a laptop: the train tasks whose forty
# first conversations at level 1 have at most 160 tokens in mean (`python tests/laptop_tasks.py DIR`
# counts them by SmolLM2's tokenizer). Length alone chose them, not what a model can do. One has
# become longer since (`rg/isomorphic_strings`, 165): it stays, the README's figures are with it.
LAPTOP_TASKS = """
    bbh/boolean_expressions bbh/causal_judgement bbh/disambiguation_qa bbh/movie_recommendation
    bbh/multistep_arithmetic_two bbh/navigate bbh/ruin_names bbh/snarks bbh/word_sorting rg/aiw
    rg/base_conversion rg/basic_arithmetic rg/bitwise_arithmetic rg/chain_sum rg/count_bits
    rg/decimal_arithmetic rg/decimal_chain_sum rg/fraction_simplification rg/gcd
    rg/isomorphic_strings rg/lcm rg/leg_counting rg/number_sorting rg/prime_factorization
    rg/ransom_note rg/simple_equations rg/simple_geometry rg/simple_integration
    rg/spell_backward rg/word_sequence_reversal rg/word_sorting symbench/gsm
    symbench/math_counting_and_probability symbench/new_operator
""".split()


def parse_tasks(text: str, level: int) -> list[tuple[str, int]]:
    """--tasks as (task, level) pairs, see TASKS_HELP; a name without @level gets `level`.

        "rg/gcd,bbh/word_sorting@2"  ->  [("rg/gcd", level), ("bbh/word_sorting", 2)]

    "-" before a name takes its tasks out of those that stand before it.
    """
    chosen: list[tuple[str, int]] = []
    for part in text.split(","):
        without = part.strip().startswith("-")
        name, at, at_level = part.strip().removeprefix("-").partition("@")
        keys = keys_called(name)
        if at and at_level not in map(str, LEVELS):
            raise SystemExit(f"unknown level {at_level!r} of task {name}: levels are 1 to 5")
        if without:
            chosen = [(key, its) for key, its in chosen
                      if not (key in keys and at_level in ("", str(its)))]
        else:
            chosen += [(key, int(at_level or level)) for key in keys]
    if not chosen:
        raise SystemExit(f"--tasks {text} leaves no task")
    return list(dict.fromkeys(chosen))  # each once, in the order in which they were named


def keys_called(name: str) -> list[str]:
    """The tasks that a word of --tasks stands for; where there is none, the program ends."""
    if name == "easy":
        return [key for key, task in TASKS.items() if one_statement(task)]
    if name == "laptop":
        return LAPTOP_TASKS
    keys = [key for key, task in TASKS.items() if name in ("all", key, task.split, task.suite)]
    if not keys:
        near = get_close_matches(name, TASKS, 3, 0.7)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise SystemExit(f"unknown task {name!r}: {hint}`python -m tasks` lists them all")
    return keys


def draw_questions(tasks: Iterable[tuple[str, int]], purpose: str, n: int,
                   seed: int = 0) -> list[Instance]:
    """The first n different questions of every task, or all it has: fixed by the arguments."""
    questions: list[Instance] = []
    for key, level in tasks:
        seen: dict[str, Instance] = {}
        # A question that was drawn before is drawn again: twenty tries for each that is wanted.
        for i in range(20 * n):
            instance = TASKS[key].generate(seed * 1_000_000 + i, level, purpose)
            seen.setdefault(instance.question, instance)
            if len(seen) == n:
                break
        if len(seen) < n:
            print(f"note: {key} has only {len(seen)} different {purpose} questions "
                  f"at level {level}: these are taken, not {n}", file=sys.stderr)
        questions += seen.values()
    return questions


# ---- grading -------------------------------------------------------------------------------------

def grade(instance: Instance, answer: str) -> bool:
    """Whether an answer is right, by the task or by the kind of file that asked. Never raises."""
    if instance.task in TASKS:
        return TASKS[instance.task].verify(instance, answer)
    check = bbh_right if instance.task.startswith("bbh-file/") else own_right
    return accepts(check, answer, instance)


def own_right(answer: str, instance: Instance) -> bool:
    """Whether an answer to a user's own question equals the expected one, as number or as text."""
    try:
        expect = number(instance.expect)
    except (ValueError, ZeroDivisionError):
        return norm(answer) == norm(instance.expect)
    # 0.3333333 is a third, but 1000001 is not a million.
    tolerance = min(abs(expect) / 10 ** 6, Fraction(1, 1000))
    return abs(number(answer) - expect) <= tolerance


def bbh_right(answer: str, instance: Instance) -> bool:
    """Whether an answer equals the target of an original BIG-Bench-Hard row."""
    target = instance.expect
    # One of the lettered options.
    if re.fullmatch(r"\([A-Z]\)", target):
        options = [line for line in instance.question.splitlines() if re.match(r"\([A-Z]\) ", line)]
        return letter(answer, "\n".join(options)) == target[1]
    # Closing brackets: blanks between them say nothing.
    if not set(target) - set("()[]{}<> "):
        return "".join(answer.split()) == "".join(target.split())
    # A whole number.
    if re.fullmatch(r"-?\d+", target):
        return number(answer) == int(target)
    # A word or several, apart by blanks or commas.
    return cells(norm(target)) in (cells(norm(answer)), items(norm(answer)))


# ---- questions and other things from files ------------------------------------------------------

def read_text(path: str | Path) -> str:
    """What a text file holds; one that is missing or unreadable ends the program and is named."""
    try:
        # utf-8-sig: with a byte order mark or without.
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SystemExit(f"{path} does not exist")
    except OSError as error:   # a directory, no permission
        raise SystemExit(f"{path} cannot be read: {error.strerror}")
    except ValueError as error:   # no UTF-8, a NUL in its name
        raise SystemExit(f"{path} cannot be read: {error}")


def read_json(path: Path) -> Any:
    """What a JSON file holds; a broken one ends the program, too."""
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SystemExit(f"{path} is not valid JSON: {error}")


def is_text(value: Any) -> bool:
    """Whether a value from JSON is a text that UTF-8 can hold: \\ud800 is half a character."""
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def is_finite(value: Any) -> bool:
    """Whether a value from JSON is a number; Python reads NaN and Infinity, too."""
    return isinstance(value, (int, float)) and abs(value) < 1e300


def read_jsonl(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of every line of a JSON-lines file; a broken line ends the program."""
    lines: list[tuple[int, dict[str, Any]]] = []
    faults: list[str] = []
    for line_number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except json.JSONDecodeError as error:
            faults.append(f"line {line_number}: not valid JSON ({error.msg}, at column "
                          f"{error.colno})")
        except (ValueError, RecursionError) as error:
            faults.append(f"line {line_number}: not valid JSON ({error})")
        else:
            if isinstance(found, dict):
                lines.append((line_number, found))
            else:
                faults.append(f"line {line_number}: a JSON object was expected, one a line")
    refuse_lines(path, faults)
    yield from lines


def refuse_lines(path: str | Path, faults: list[str]) -> None:
    """End the program if lines are at fault ("line 3: ...")."""
    if faults:
        more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise SystemExit(f"{path}, {'; '.join(faults[:10])}{more}")


def read_trajectories(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of every saved conversation; one without messages, or whose mask does
    not fit its ids, ends the program.
    """
    for line_number, line in read_jsonl(path):
        messages = line.get("messages")
        sound = isinstance(messages, list) and all(
            isinstance(message, dict) and isinstance(message.get("role"), str)
            and isinstance(message.get("content"), str) for message in messages)
        if not sound:
            raise SystemExit(f'{path}, line {line_number}: no "messages" (a list of role and '
                             "content)")
        ids, mask = line.get("ids", []), line.get("loss_mask", [])
        if not (isinstance(ids, list) and isinstance(mask, list) and len(ids) == len(mask)):
            raise SystemExit(f'{path}, line {line_number}: "ids" and "loss_mask" must be lists of '
                             "one length")
        yield line_number, line


# The purposes of a user's own questions, in fifths: three to train on.
OWN_PURPOSES = ("rl", "rl", "rl", "val", "eval")


def read_questions(path: str) -> list[Instance]:
    """A user's own questions: JSON lines with "question" and "answer".

    An answer in GSM8K's form, "a derivation #### 72", stands for what is after its last ####. The
    number of its line is a question's seed.
    """
    questions: list[Instance] = []
    asked: dict[str, Instance] = {}
    faults: list[str] = []
    for i, line in read_jsonl(path):
        question, answer = line.get("question"), line.get("answer")
        if not is_text(question) or not (is_text(answer) or is_finite(answer)):
            faults.append(f'line {i}: "question" (text) and "answer" (text or number) are needed')
            continue
        expect = str(answer).split("####")[-1].strip()
        if not question.strip():
            faults.append(f"line {i}: the question is empty")
            continue
        if not expect:
            faults.append(f"line {i}: the answer is empty")
            continue
        purpose = purpose_of(question, OWN_PURPOSES)
        instance = Instance(f"user/{Path(path).stem}", i, 0, purpose, question, {}, expect)
        before = asked.setdefault(question, instance)
        if before.expect != expect:
            faults.append(f"line {i}: line {before.seed} asks the same and has another answer")
        questions.append(instance)
    refuse_lines(path, faults)
    if not questions:
        raise SystemExit(f"{path} holds no question")
    return questions


def own_questions(path: str, purpose: str, n: int | None = None) -> list[Instance]:
    """n different questions (None: all) of a user's file that are for `purpose`.

    They are taken in the order of a hash of their texts: some of a sorted file are a fair part.
    """
    chosen = {q.question: q for q in read_questions(path) if q.purpose == purpose}
    if n != 0 and not chosen:
        raise SystemExit(f"--questions {path} holds no question for {purpose!r}: of its questions "
                         "three in five train (rl, also for supervised data), one validates (val), "
                         "one is held out (eval), by the hash of their text")
    ordered = sorted(chosen.values(), key=lambda q: sha256(q.question.encode()).digest())
    return ordered[:n]


def read_pass_rates(path: str, questions: list[Instance]) -> list[float]:
    """p of each question: from a pass_rates.jsonl, or the verdicts in a trajectories.jsonl."""
    rates: dict[str, list[float]] = {}  # by a question's name, as in eval.json
    for i, line in read_jsonl(path):
        if not ({"task", "level", "seed"} <= line.keys() and line.keys() & {"pass_rate", "reward"}):
            raise SystemExit(
                f'{path}, line {i}: "task", "level", "seed" and "pass_rate" or "reward" are needed')
        # Of a trajectory the verdict: its reward, all that an older file has, may have more terms.
        rate = line.get("pass_rate", line.get("right", line.get("reward")))
        if not (is_finite(rate) and 0 <= rate <= 1):
            raise SystemExit(f"{path}, line {i}: {rate!r} is no pass rate, a number from 0 to 1")
        # Questions of other purposes and rows that the sandbox failed say nothing about these.
        if line.get("purpose", "rl") == "rl" and line.get("stop_reason") != "tool_failure":
            name = f"{line['task']}@{line['level']}/{line['seed']}"
            rates.setdefault(name, []).append(rate)
    names = [f"{q.task}@{q.level}/{q.seed}" for q in questions]
    missing = sum(name not in rates for name in names)
    if missing:
        raise SystemExit(f"{path} lacks {missing} of {len(questions)} questions: measure again")
    return [fmean(rates[name]) for name in names]


def read_bbh(directory: str, n: int) -> list[Instance]:
    """The first n usable rows of each original BIG-Bench-Hard file, for evaluation only."""
    questions = []
    for path in sorted(Path(directory).glob("*.json")):
        raw = read_json(path)
        if not isinstance(raw, dict) or not isinstance(raw.get("examples"), list):
            raise SystemExit(f'{path}: not a BIG-Bench-Hard file, "examples" is missing')
        usable = []
        for i, row in enumerate(raw["examples"], 1):
            texts = [row.get("input"), row.get("target")] if isinstance(row, dict) else [None]
            if not all(map(is_text, texts)):
                raise SystemExit(f'{path}, example {i}: "input" and "target" must be texts')
            question, target = texts
            # Three original rows have options and a target that is none of them.
            if "\n(A)" in question and not re.fullmatch(r"\([A-Z]\)", target):
                print(f"note: {path}, example {i} is left out: its target is none of its options",
                      file=sys.stderr)
                continue
            usable.append(Instance(f"bbh-file/{path.stem}", i, 0, "eval", question, {}, target))
        questions += usable[:n]
    if not questions:
        raise SystemExit(f"--bbh {directory}: no *.json with BIG-Bench-Hard questions in it")
    return questions
