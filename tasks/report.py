"""What finished conversations say: accuracy and behaviour, as data, as tables, in colour.

Samples of one question are averaged first: a mean and its standard error are over questions.
"""

import ast
import math
import os
import sys
import textwrap
from collections import Counter
from itertools import groupby
from statistics import fmean, pstdev, stdev
from typing import Any, Callable

from tasks.base import TASKS, norm
from tasks.conversation import FORMATS, Trajectory, find_block

Groups = list[list[Trajectory]]  # the conversations about one question are a group


def mean_stderr(values: list[float]) -> tuple[float, float]:
    """Mean and standard error of the mean."""
    if not values:
        return 0.0, 0.0
    deviation = stdev(values) if len(values) > 1 else 0.0
    return fmean(values), deviation / math.sqrt(len(values))


def tool_failures(trajectories: list[Trajectory]) -> tuple[int, int]:
    """How many conversations the sandbox itself failed, and the code calls of all."""
    failures = sum(t.stop_reason == "tool_failure" for t in trajectories)
    return failures, sum(t.calls for t in trajectories)


def sandbox_problem(failures: float, calls: float, least: int = 2) -> str | None:
    """What to say if at least so many calls failed, and over 2 % of all; counts are of all ranks.

    Such answers enter no loss. But where they are many, the sandbox is broken, and a model that
    knows how to break it could choose what it is trained on.
    """
    if failures < least or failures <= 0.02 * calls:
        return None
    return f"the sandbox failed {failures:.0f} of {calls:.0f} calls: `python sandbox.py` shows why"


def end_if_sandbox_failed(failures: float, calls: float) -> None:
    problem = sandbox_problem(failures, calls)
    if problem:
        raise SystemExit(problem)


# ---- behaviour -----------------------------------------------------------------------------------


def checks_itself(t: Trajectory) -> bool:
    """Whether a script verifies an earlier result (a rule of thumb, ours).

    It comes after a script that ran, and it compares (==, !=, in, assert ...) with a constant that
    an earlier one printed, as a line or as a word of it; or it compares and prints nothing but True
    and False.
    """
    printed: set[str] = set()  # by earlier scripts: whole outputs, lines and words
    # Messages: system, question, turn, output, turn, output, ...
    outputs = [FORMATS[t.format].read_output(message["content"]) for message in t.messages[3::2]]
    for turn, output, status in zip(t.turns, outputs, t.statuses):
        if printed and turn.code and status in ("ok", "error"):  # a failed assert is a check, too
            compared = comparisons(turn.code)
            prints_truth = set(output.split()) <= {"True", "False"}
            if constants(compared) & printed or (compared and prints_truth):
                return True
        if status == "ok":
            printed |= {output, *output.splitlines(), *output.split()}
    return False


def comparisons(code: str) -> list[ast.AST]:
    """The comparisons and assertions of a script; none if it is no Python."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Compare, ast.Assert))]


def constants(nodes: list[ast.AST]) -> set[str]:
    """The constants in parts of a script, as text."""
    return {
        str(inner.value)
        for node in nodes
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant)
    }


def count_switches(messages: list[dict[str, str]], format_name: str) -> int:
    """Changes between words and code over the model's turns; an answer is no words, and a block
    that nothing closes is neither.
    """
    marks = FORMATS[format_name]
    kinds = []
    for message in messages:
        if message["role"] == "assistant":
            block = find_block(message["content"], marks)
            if block:
                words = message["content"][:block.start]
            else:
                words, _, _ = message["content"].partition(marks.code_open)
            if words.split(marks.answer_open)[0].strip():
                kinds.append("words")
            if block:
                kinds.append("code")
    return sum(kind != following for kind, following in zip(kinds, kinds[1:]))


def in_words(t: Trajectory) -> float | None:
    """Whether an answer came without code."""
    return None if t.answer is None else t.calls == 0


def recovers(t: Trajectory) -> float | None:
    """Whether the answer is right although a script had failed."""
    return t.right > 0 if set(t.statuses) - {"ok"} else None


# Each of one conversation; None: it does not count. (tests/STUDIES.md explains them: a test asks.)
BEHAVIOURS: dict[str, Callable[[Trajectory], float | None]] = {
    "code_rate": lambda t: t.calls > 0,
    "calls": lambda t: t.calls,
    "failed_calls": lambda t: sum(status != "ok" for status in t.statuses),
    "text_rate": in_words,
    "response_len": lambda t: t.response_len,
    "self_check": checks_itself,
    "recovery": recovers,
    "switches": lambda t: count_switches(t.messages, t.format),
}


def behaviour(groups: Groups) -> tuple[dict[str, float], dict[str, float]]:
    """How the answers came about: means over questions, and their standard errors."""
    means, stderrs = {}, {}
    for name, value_of in BEHAVIOURS.items():
        by_question = []
        for group in groups:
            values = [value for value in map(value_of, group) if value is not None]
            if values:
                by_question.append(fmean(values))
        means[name], stderrs[name] = mean_stderr(by_question)
    return means, stderrs


# ---- reports -------------------------------------------------------------------------------------


def majority_right(group: list[Trajectory]) -> bool:
    """Whether the answer given most often (the earliest of equals) is right; no answer is no vote.
    """
    answered = [t for t in group if t.answer is not None]
    if not answered:
        return False
    winner, _ = Counter(norm(t.answer) for t in answered).most_common(1)[0]
    return any(t.right > 0 for t in answered if norm(t.answer) == winner)


def share_right(group: list[Trajectory]) -> float:
    return fmean(t.right for t in group)


def summarise(groups: Groups) -> dict[str, Any]:
    """Accuracy over questions, and behaviour."""
    rows = [t for group in groups for t in group]
    accuracy, stderr = mean_stderr([share_right(group) for group in groups])
    pass_at_k, _ = mean_stderr([any(t.right > 0 for t in group) for group in groups])
    majority, _ = mean_stderr([majority_right(group) for group in groups])
    means, stderrs = behaviour(groups)
    numbers = {"accuracy": accuracy, "stderr": stderr, "n": len(groups), "pass_at_k": pass_at_k,
               "majority": majority, **means}
    return {
        **rounded(numbers),
        "stderrs": rounded(stderrs),
        "call_counts": dict(sorted(Counter(t.calls for t in rows).items())),
        "stop_reasons": dict(sorted(Counter(t.stop_reason for t in rows).items())),
    }


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in values.items()}


def make_report(groups: Groups) -> dict[str, Any]:
    """Summaries of the whole, per task, suite and split; and how often each question was right.
    Failures of the sandbox do not count. (`describe` in r1ci.py adds how was asked.)
    """
    groups = [[t for t in group if t.stop_reason != "tool_failure"] for group in groups]
    groups = [group for group in groups if group]
    parts: dict[str, dict[str, Groups]] = {"tasks": {}, "suites": {}, "splits": {}}
    questions = {}
    for group in groups:
        question = group[0].instance
        split = TASKS[question.task].split if question.task in TASKS else "own"
        suite = question.task.split("/")[0]
        for part, name in (("tasks", question.task), ("suites", suite), ("splits", split)):
            parts[part].setdefault(name, []).append(group)
        questions[f"{question.task}@{question.level}/{question.seed}"] = share_right(group)
    report = summarise(groups)
    for part, by_name in parts.items():
        report[part] = {name: summarise(its_groups) for name, its_groups in by_name.items()}
    return {**report, "questions": questions}


def report_table(report: dict[str, Any]) -> str:
    """The report in at most 80 columns: a line a task, then suites and splits, the whole last."""
    samples = report["samples"]
    rows = list(report["tasks"].items())
    rows += [(f"suite {name}", part) for name, part in report["suites"].items()]
    rows += [(f"split {name}", part) for name, part in report["splits"].items()]
    rows.append(("all", report))
    # A name that is too long for its column has a line of its own.
    columns = 61 + len(str(samples)) if samples > 1 else 44
    width = min(max(len(name) for name, _ in rows), 80 - columns)
    head = f"{'task':{width}}     n   accuracy       calls  words  tokens"
    if samples > 1:
        head += f"  pass@{samples}  majority"
    lines = [head]
    for name, part in rows:
        if len(name) > width:
            lines.append(name)
            name = ""
        line = f"{name:{width}} {part['n']:5d}  {with_stderr(part):>14} {part['calls']:6.2f} "
        line += f"{100 * part['text_rate']:5.0f}% {part['response_len']:7.1f}"
        if samples > 1:
            line += f" {100 * part['pass_at_k']:6.0f}% {100 * part['majority']:8.0f}%"
        lines.append(line)
    lines += remarks(report)
    return "\n".join(lines)


def with_stderr(part: dict[str, Any]) -> str:
    return f"{100 * part['accuracy']:.1f} +- {100 * part['stderr']:.1f} %"


def remarks(report: dict[str, Any]) -> list[str]:
    """What stands below the table."""
    stops = ", ".join(f"{reason} {count}" for reason, count in report["stop_reasons"].items())
    lines = [f"stopped by: {stops}"]
    checked = f"self-checking {100 * report['self_check']:.1f} %"
    if report["failed_calls"]:
        checked += f"; right after a failed script {100 * report['recovery']:.1f} %"
    lines.append(checked)
    if report["too_long"]:
        each = ", ".join(f"{count} of {task}" for task, count in report["too_long"].items())
        total = sum(report["too_long"].values())
        lines.append(f"left out, too long for the model's context: {total} questions ({each})")
    return lines


def modes_table(reports: dict[str, dict[str, Any]]) -> str:
    """Accuracy by mode: one line a task, the whole last, and what each mode cost."""
    tasks = list(dict.fromkeys(task for report in reports.values() for task in report["tasks"]))
    rows: list[tuple[str, list[str]]] = [("task", list(reports))]
    for task in tasks:
        parts = [report["tasks"].get(task) for report in reports.values()]
        rows.append((task, [with_stderr(part) if part else "-" for part in parts]))
    rows.append(("all", [with_stderr(report) for report in reports.values()]))
    for name, key in (("code calls", "calls"), ("tokens", "response_len")):
        rows.append((name, [f"{report[key]:.2f}" for report in reports.values()]))
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        f"{name:{width}}" + "".join(f"{cell:>15}" for cell in cells) for name, cells in rows
    )


# ---- colour --------------------------------------------------------------------------------------

GREEN, GREY, BOLD, RESET = "\033[32m", "\033[90m", "\033[1m", "\033[0m"
Decode = Callable[[list[int]], str]  # token ids to text


def paint(text: str, colour: str) -> str:
    """Coloured text on a terminal, plain text in a file; half a character as its escape."""
    text = text.encode(errors="backslashreplace").decode()
    if sys.stdout.isatty() or os.environ.get("FORCE_COLOR"):
        return f"{colour}{text}{RESET}"
    return text


def segments(line: dict[str, Any], decode: Decode | None) -> list[tuple[str, bool]]:
    """A saved trajectory as (text, sampled by the model): by its loss mask, or else by its roles.
    """
    if not (decode and line.get("ids")):
        return [
            (message["content"] + "\n", message["role"] == "assistant")
            for message in line["messages"]
        ]
    parts = []
    # Runs of tokens with the same mask.
    for mask, run in groupby(zip(line["ids"], line["loss_mask"]), key=lambda pair: pair[1]):
        parts.append((decode([token for token, _ in run]), bool(mask)))
    return parts


def paint_trajectory(line: dict[str, Any], decode: Decode | None = None) -> str:
    """A saved trajectory: what the model sampled (and is trained on) in green, all else in grey; a
    long system prompt is cut short.
    """
    keys = ("step", "sample", "advantage", "task", "level", "seed", "reward", "stop_reason",
            "calls")
    names = {"sample": "answer"}   # its number in its group, called as on the page
    about = "  ".join(f"{names.get(key, key)} {line[key]}" for key in keys
                      if line.get(key) is not None)
    said = "".join(
        paint(text, GREEN if sampled else GREY) for text, sampled in segments(line, decode)
    )
    for message in line["messages"][:1]:
        if message["role"] == "system" and len(message["content"]) > 100:
            said = said.replace(message["content"], f"{message['content'][:60]} ...")
    return f"{paint(about, BOLD)}\n{said}\n"


# ---- one update in numbers (grpo.py --explain) ---------------------------------------------------


EXPLAIN_LEGEND = """
In the first update, by default the only one, the policy is the one that
sampled: every ratio is 1, nothing is clipped, and the loss is minus the mean
advantage, which is 0. Only its gradient matters. The table shows what has
moved after the last update; "clipped" are tokens that a further one would
leave alone. All answers pull at once, so a token of a good answer can still
become less likely: another good one may go on differently there."""


def explain_group(
    group: list[Trajectory], rewards: list[float], advantages: list[float]
) -> str:
    """The question, then each answer with its reward and advantage; at most 80 columns."""
    lines = [
        *textwrap.wrap(group[0].instance.question, 80),
        "",
        f"rewards: mean {fmean(rewards):.3f}, standard deviation {pstdev(rewards):.3f}",
        "answer  reward  advantage  calls  tokens  text",
    ]
    for t, reward, advantage in zip(group, rewards, advantages):
        answer = "-" if t.answer is None else t.answer
        lines.append(
            f"{t.number:6d}{reward:8.2f}{advantage:11.3f}{t.calls:7d}{t.response_len:8d}"
            f"  {answer!r:.36}"
        )
    return "\n".join(lines)


def explain_tokens(
    texts: list[str],
    loss_mask: list[int],
    old_logps: list[float],
    new_logps: list[float],
    clipped: list[bool],
) -> str:
    """An answer token by token: log-probabilities before and after the step, and their ratio.

    The last three lists have an entry for each token whose mask is 1.
    """
    lines = ["token                 mask  old_logp  new_logp     moved   ratio  clipped"]
    trained = iter(zip(old_logps, new_logps, clipped))
    for text, mask in zip(texts, loss_mask):
        line = f"{text!r:20.20}{mask:6d}"
        if mask:
            old, new, is_clipped = next(trained)
            line += f"{old:10.4f}{new:10.4f}{new - old:+10.4f}{math.exp(new - old):8.4f}"
            line += "  yes" if is_clipped else "  no"
        lines.append(line)
    return "\n".join(lines)
