"""What finished conversations say: accuracy and behaviour with standard errors, as data and as tables."""
import ast
import math
import os
import sys
from collections import Counter
from typing import Any, Callable

from tasks.base import TASKS, norm
from tasks.conversation import FORMATS, Trajectory


def mean_stderr(values: list[float]) -> tuple[float, float]:
    """Mean and standard error of the mean."""
    if not values:
        return 0.0, 0.0
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / max(len(values) - 1, 1) / len(values))


def check_tool_failures(trajectories: list[Trajectory], total: Callable[..., Any] = lambda *counts: counts,
                        share: float = 0.02) -> int:
    """How many rows the sandbox itself failed; above a share of the calls, numbers would mean nothing.

    `total` adds the counts up over the ranks, which so stop together.
    """
    failures, calls = map(int, total(sum(t.stop_reason == "tool_failure" for t in trajectories),
                                     sum(t.calls for t in trajectories)))
    if failures > max(1, share * calls):
        raise SystemExit(f"the sandbox failed {failures} of {calls} calls: `python sandbox.py` shows why")
    return failures


def majority_right(group: list[Trajectory]) -> bool:
    """Whether the answer given most often (the earliest of equals) is right; no answer is no vote."""
    votes = Counter(norm(t.answer) for t in group if t.answer is not None)
    if not votes:
        return False
    winner = votes.most_common(1)[0][0]
    return any(t.reward > 0 for t in group if t.answer is not None and norm(t.answer) == winner)


def checks_itself(t: Trajectory) -> bool:
    """Whether a script verifies an earlier result (a rule of thumb, ours).

    It comes after a script that ran, and it compares (==, !=, in, assert ...) with a constant that an
    earlier one printed, as a line or as a word of it; or it compares and prints nothing but True and False.
    """
    printed: set[str] = set()   # by earlier scripts: whole outputs, lines and words
    outputs = [FORMATS[t.format].read_output(message["content"]) for message in t.messages[3::2]]
    for turn, output, status in zip(t.turns, outputs, t.statuses):
        if printed and turn.code and status in ("ok", "error"):   # a failed assert is a check, too
            compared = comparisons(turn.code)
            constants = {str(node.value) for comparison in compared for node in ast.walk(comparison)
                         if isinstance(node, ast.Constant)}
            prints_truth = set(output.split()) <= {"True", "False"}
            if constants & printed or (compared and prints_truth):
                return True
        if status == "ok":
            printed |= {output, *output.splitlines(), *output.split()}
    return False


def comparisons(code: str) -> list[ast.AST]:
    """The comparisons and assertions of a script; none if it is no Python."""
    try:
        return [node for node in ast.walk(ast.parse(code)) if isinstance(node, (ast.Compare, ast.Assert))]
    except (SyntaxError, ValueError, RecursionError):
        return []


def switches(t: Trajectory) -> int:
    """How often the model goes from words to code or back."""
    return count_switches(t.messages, t.format)


def count_switches(messages: list[dict[str, str]], format_name: str) -> int:
    """Changes between words and code over the model's turns; an answer and remarks after it are no words."""
    marks = FORMATS[format_name]
    kinds = []
    for message in messages:
        if message["role"] == "assistant":
            words, code_mark, _ = message["content"].partition(marks.code_open)
            if words.split(marks.answer_open)[0].strip():
                kinds.append("words")
            if code_mark:
                kinds.append("code")
    return sum(kind != following for kind, following in zip(kinds, kinds[1:]))


BEHAVIOURS: dict[str, Callable[[Trajectory], float | None]] = {  # of one row; None: it does not count
    "code_rate": lambda t: t.calls > 0,
    "calls": lambda t: t.calls,
    "failed_calls": lambda t: sum(status != "ok" for status in t.statuses),
    "text_rate": lambda t: None if t.answer is None else t.calls == 0,
    "response_len": lambda t: t.response_len,
    "self_check": checks_itself,
    "recovery": lambda t: t.reward > 0 if set(t.statuses) - {"ok"} else None,
    "switches": switches,
}


def behaviour(groups: list[list[Trajectory]]) -> tuple[dict[str, float], dict[str, float]]:
    """How the answers came about: means over questions (its samples averaged first), and standard errors."""
    means, stderrs = {}, {}
    for name, value_of in BEHAVIOURS.items():
        values = [[float(v) for t in group if (v := value_of(t)) is not None] for group in groups]
        means[name], stderrs[name] = mean_stderr([sum(v) / len(v) for v in values if v])
    return means, stderrs


def summarise(groups: list[list[Trajectory]]) -> dict[str, Any]:
    """Accuracy over questions (samples of a question averaged first), and how the answers came about."""
    groups = [[t for t in group if t.stop_reason != "tool_failure"] for group in groups]
    groups = [group for group in groups if group]
    accuracy, stderr = mean_stderr([sum(t.reward for t in group) / len(group) for group in groups])
    pass_at_k, _ = mean_stderr([float(any(t.reward > 0 for t in group)) for group in groups])
    majority, _ = mean_stderr([float(majority_right(group)) for group in groups])
    means, stderrs = behaviour(groups)
    rounded = lambda values: {key: round(value, 4) for key, value in values.items()}
    return {**rounded(dict(accuracy=accuracy, stderr=stderr)), "n": len(groups),
            **rounded(dict(pass_at_k=pass_at_k, majority=majority, **means)), "stderrs": rounded(stderrs),
            "call_counts": dict(sorted(Counter(t.calls for group in groups for t in group).items())),
            "stop_reasons": dict(sorted(Counter(t.stop_reason for group in groups for t in group).items()))}


def make_report(groups: list[list[Trajectory]]) -> dict[str, Any]:
    """Summaries of the whole, per task, suite and split, and the share of right answers to every question."""
    parts: dict[str, dict[str, list]] = {"tasks": {}, "suites": {}, "splits": {}}
    for group in groups:
        key = group[0].instance.task
        split = TASKS[key].split if key in TASKS else "own"
        for part, name in (("tasks", key), ("suites", key.split("/")[0]), ("splits", split)):
            parts[part].setdefault(name, []).append(group)
    share = lambda group: sum(t.reward for t in group) / len(group)
    asked = [group[0].instance for group in groups]
    questions = {f"{i.task}@{i.level}/{i.seed}": share(group) for i, group in zip(asked, groups)}
    return {**summarise(groups), **{part: {name: summarise(its) for name, its in found.items()}
                                    for part, found in parts.items()}, "questions": questions}


def report_table(report: dict[str, Any]) -> str:
    """The report as text: one line a task, then suites and splits, the whole last."""
    many = report["samples"] > 1
    rows = [*report["tasks"].items(), *((f"suite {key}", r) for key, r in report["suites"].items()),
            *((f"split {key}", r) for key, r in report["splits"].items()), ("all", report)]
    width = max(len(key) for key, _ in rows)
    lines = [f"{'task':{width}}      n  accuracy  +- stderr"
             + (f"  pass@{report['samples']}  majority" if many else "")
             + "  calls  in words  tokens  checked  recovered  stopped by"]
    for key, r in rows:
        stops = ", ".join(f"{reason} {count}" for reason, count in r["stop_reasons"].items())
        recovered = f"{100 * r['recovery']:5.1f}%" if r["failed_calls"] else "     -"
        lines.append(f"{key:{width}}  {r['n']:5d}    {100 * r['accuracy']:5.1f}%"
                     f"     {100 * r['stderr']:4.1f}%"
                     + (f"   {100 * r['pass_at_k']:5.1f}%    {100 * r['majority']:5.1f}%" if many else "")
                     + f"  {r['calls']:5.2f}    {100 * r['text_rate']:5.1f}%  {r['response_len']:6.1f}   "
                     f"{100 * r['self_check']:5.1f}%     {recovered}  {stops}")
    if report["too_long"]:
        each = ", ".join(f"{count} of {key}" for key, count in report["too_long"].items())
        lines.append("left out, too long for the model's context: "
                     f"{sum(report['too_long'].values())} questions ({each})")
    return "\n".join(lines)


def modes_table(reports: dict[str, dict[str, Any]]) -> str:
    """Accuracy with its standard error by mode: one line a task, the whole last, and what each mode cost."""
    tasks = list(dict.fromkeys(key for report in reports.values() for key in report["tasks"]))
    width = max(map(len, (*tasks, "tokens an answer")))
    line = lambda name, cells: f"{name:{width}}" + "".join(f"{cell:>17}" for cell in cells)
    accuracy = lambda r: f"{100 * r['accuracy']:.1f} +- {100 * r['stderr']:.1f}%" if r else "-"
    lines = [line("task", reports)]
    lines += [line(key, [accuracy(report["tasks"].get(key)) for report in reports.values()]) for key in tasks]
    lines += [line("all", map(accuracy, reports.values()))]
    lines += [line(name, [f"{report[key]:.2f}" for report in reports.values()])
              for name, key in (("code calls", "calls"), ("tokens an answer", "response_len"))]
    return "\n".join(lines)


GREEN, GREY, BOLD, RESET = "\033[32m", "\033[90m", "\033[1m", "\033[0m"
Decode = Callable[[list[int]], str]  # token ids to text


def paint(text: str, colour: str) -> str:
    return f"{colour}{text}{RESET}" if sys.stdout.isatty() or os.environ.get("FORCE_COLOR") else text


def segments(line: dict[str, Any], decode: Decode | None) -> list[tuple[str, bool]]:
    """A saved trajectory as (text, sampled by the model): by its loss mask, or by its messages' roles."""
    if not (decode and line.get("ids")):
        return [(m["content"] + "\n", m["role"] == "assistant") for m in line["messages"]]
    ids, mask, parts, start = line["ids"], line["loss_mask"], [], 0
    for i in range(1, len(ids) + 1):
        if i == len(ids) or mask[i] != mask[start]:
            parts.append((decode(ids[start:i]), bool(mask[start])))
            start = i
    return parts


def paint_trajectory(line: dict[str, Any], decode: Decode | None = None) -> str:
    """A saved trajectory; what the model sampled (and is trained on) in green, everything else in grey."""
    keys = ("task", "level", "seed", "reward", "stop_reason", "calls")
    about = "  ".join(f"{key} {line[key]}" for key in keys if key in line)
    said = "".join(paint(text, GREEN if sampled else GREY) for text, sampled in segments(line, decode))
    return f"{paint(about, BOLD)}\n{said}\n"
