"""One run or several as one HTML page, laid over each other.

    python r1ci.py page runs/grpo --out page.html
    python r1ci.py page runs/grpo runs/without-mask runs/sft --out page.html

Here a run's files are read and become one JSON object; page.html draws it. The page carries that
object within itself and asks nothing else, so that it opens from a file, anywhere.

    metrics.jsonl        what was run, for how long, the curves
    eval.json            accuracy on the held-out questions, before and after
    pass_rates*.jsonl    p of the training questions, and so the curriculum
    trajectories.jsonl   conversations: a whole group (rows of one "step" and "group"), or one row
    tokenizer.json       token ids to text
"""

import json
import math
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from tasks.questions import is_finite, read_json, read_jsonl, read_trajectories

TEMPLATE = Path(__file__).with_name("page.html")
PLACE = "DATA_OF_THE_RUNS"  # the word in the template that the JSON object replaces

# The curves that a run may have; page.html says what they are.
CURVES = (
    "reward", "val_accuracy", "code_rate", "calls", "self_check", "response_len",
    "zero_std_groups", "entropy", "loss", "grad_norm", "kl", "clipfrac",
)
MOST_POINTS = 400  # of a curve: more than a panel has pixels
MOST_BARS = 20  # of a histogram of p, but the one at 0
MOST_BYTES = 2_000_000  # of all runs' conversations together
MOST_ROWS = 40  # where there are no groups but single rows: evenly spread over the run

Line = dict[str, Any]  # of a JSON-lines file


def write_page(directories: list[str], out: str) -> int:
    """Write the page of these runs; its size in bytes."""
    most_bytes = MOST_BYTES // len(directories)
    if not out.endswith(".html"):   # a slip of the pen shall not replace a run's file
        raise SystemExit(f"--out {out}: the page's name ends in .html")
    template = TEMPLATE.read_text(encoding="utf-8")
    if Path(out).is_file():
        # An earlier page may be written over, and no other file.
        before = Path(out).read_text(encoding="utf-8", errors="replace")
        if not before.startswith(template[:template.index("page.py")]):
            raise SystemExit(f"--out {out} is there, and no page of ours: choose another name")
    runs = []
    for directory in directories:
        try:
            runs.append(read_run(Path(directory), most_bytes))
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise SystemExit(f"{directory}: its files are not as a run writes them ({error!r})")
    page = template.replace(PLACE, as_script({"runs": runs}))
    try:
        Path(out).write_text(page, encoding="utf-8")
    except OSError as error:
        raise SystemExit(f"--out {out} cannot be written: {error.strerror}")
    return len(page.encode())


def as_script(value: Any) -> str:
    """JSON that can stand in a <script>: what a model wrote may hold "</script>" or "<!--".

    With "<" written as \\u003c there is no tag in it, and JSON.parse reads the same text again.
    Everything beyond ASCII is escaped, too, lone surrogates included.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def read_run(directory: Path, most_bytes: int) -> dict[str, Any]:
    """All that the page tells of a run."""
    if not (directory / "metrics.jsonl").exists():
        raise SystemExit(f"{directory} holds no run: it has no metrics.jsonl")
    lines = [line for _, line in read_jsonl(directory / "metrics.jsonl")]
    flags = next((line["flags"] for line in lines if "flags" in line), {})
    steps = [line for line in lines if "step" in line]
    return {
        "name": str(directory),
        "kind": "grpo" if "group_size" in flags else "sft",
        "flags": flags,
        "sandbox": next((line["sandbox"] for line in lines if "sandbox" in line), ""),
        "steps": max((line["step"] for line in steps), default=0),
        "seconds": read_seconds(steps),
        "accuracy": read_accuracy(directory),
        "curves": {name: curve for name in CURVES if (curve := read_curve(steps, name))},
        "measurements": read_curriculum(directory, flags),
        "stages": read_stages(steps),
        "groups": read_groups(directory, flags, most_bytes),
    }


# ---- what was run, before and after, curves ------------------------------------------------------


def read_seconds(steps: list[Line]) -> dict[str, float]:
    """Seconds in all steps, by what they were spent on; evaluation is not in them."""
    # sft.py writes the first of them, grpo.py the others.
    names = {"seconds": "updates", "t_sample": "sampling", "t_update": "updates"}
    seconds: dict[str, float] = {}
    for line in steps:
        for key, spent_on in names.items():
            if is_finite(line.get(key)):
                seconds[spent_on] = round(seconds.get(spent_on, 0.0) + line[key], 2)
    return seconds


def read_accuracy(directory: Path) -> dict[str, Any]:
    """Accuracy and standard error before and after, by task; "all" is the last; and by mode."""
    if not (directory / "eval.json").exists():
        return {}  # the run has not ended
    report = read_json(directory / "eval.json")
    before = report.get("before", {})
    tasks = {}
    for task in report.get("tasks", {}):
        earlier = before.get("tasks", {}).get(task)
        tasks[task] = [with_error(earlier), with_error(report["tasks"][task])]
    tasks["all"] = [with_error(before), with_error(report)]
    modes = {mode: with_error(part) for mode, part in report.get("modes", {}).items()}
    return {"tasks": tasks, "modes": modes, "step": report.get("step")}


def with_error(part: Line | None) -> list[float] | None:
    """[accuracy, standard error] of a report."""
    if not part or not is_finite(part.get("accuracy")):
        return None
    return [part["accuracy"], part["stderr"]]


def read_curve(steps: list[Line], name: str) -> list[list[float]]:
    """[step, value] where a metric has one; of a long run the means of neighbouring steps."""
    points = [(line["step"], line[name]) for line in steps if is_finite(line.get(name))]
    width = math.ceil(len(points) / MOST_POINTS)
    curve = []
    for start in range(0, len(points), max(width, 1)):
        part = points[start : start + width]
        step, _ = part[len(part) // 2]
        mean = sum(value for _, value in part) / len(part)
        # A loss that is 0 but for rounding is 0.
        curve.append([step, float(f"{round(mean, 6):.4g}")])
    return curve


# ---- curriculum ----------------------------------------------------------------------------------


def read_stages(steps: list[Line]) -> list[int]:
    """The first step of each stage."""
    stages: dict[int, int] = {}
    for line in steps:
        if "stage" in line:
            stages.setdefault(line["stage"], line["step"])
    return list(stages.values())


def read_curriculum(directory: Path, flags: Line) -> list[dict[str, Any]]:
    """For each measurement of p: the stage it was made for, its bars, and the stages' ranges.

    A bar is [p, questions of stage 1, of stage 2, ...].
    """
    found = read_measurements(directory)
    count = 1 if flags.get("order") == "none" else flags.get("stages", 1)
    measurements = []
    for first_stage, (rates, samples) in found.items():
        groups = arrange(rates, flags.get("order", "potential"), count)
        bins = min(samples, MOST_BARS)
        bars = [[i / bins] + [0] * count for i in range(bins + 1)]
        for stage, group in enumerate(groups, 1):
            for p in group:
                bars[round(p * bins)][stage] += 1
        ranges = [[len(group), min(group), max(group)] if group else [0] for group in groups]
        measurements.append({"stage": first_stage, "bars": bars, "ranges": ranges})
    return measurements


def read_measurements(directory: Path) -> dict[int, tuple[list[float], int]]:
    """Stage it was measured for -> (p of every training question, the most answers that a p is of:
    fewer where the sandbox has failed some).
    """
    found = {}
    for path in directory.glob("pass_rates*.jsonl"):
        _, _, stage = path.stem.partition("-stage-")
        lines = [line for _, line in read_jsonl(path)]
        if lines:
            rates = [line["pass_rate"] for line in lines]
            guess = count_samples(rates)
            found[int(stage or 1)] = (rates, max(line.get("samples", guess) for line in lines))
    if not found:  # p was taken from another run: the checkpoints remember it
        for path in sorted(directory.glob("checkpoints/step-*/state.json"))[-1:]:
            rates = read_json(path).get("pass_rates")
            if rates:
                found[1] = (rates, count_samples(rates))
    return dict(sorted(found.items()))


def count_samples(rates: list[float]) -> int:
    """The smallest number of answers of which all these can be the shares that are right: MOST_BARS
    at most, since more bars are not drawn.
    """
    for count in range(1, MOST_BARS):
        if all(abs(p * count - round(p * count)) < 1e-6 for p in rates):
            return count
    return MOST_BARS


def arrange(rates: list[float], order: str, stages: int) -> list[list[float]]:
    """p of each stage's new questions, as `Curriculum` in grpo.py cuts them (that imports us)."""
    if order == "potential":
        ranked = sorted(rates, key=lambda p: -4 * p * (1 - p))
    elif order == "difficulty":
        ranked = sorted(rates, reverse=True)
    else:
        ranked = rates
    bounds = [round(len(ranked) * k / stages) for k in range(stages + 1)]
    return [ranked[start:end] for start, end in zip(bounds, bounds[1:])]


# ---- groups --------------------------------------------------------------------------------------


def read_groups(directory: Path, flags: Line, most_bytes: int) -> list[dict[str, Any]]:
    """The saved groups, in the order of training; single rows where no whole group was saved."""
    path = directory / "trajectories.jsonl"
    if not path.exists():
        return []
    by_group: dict[tuple, list[Line]] = {}
    for _, line in read_trajectories(path):
        key = tuple(map(line.get, ("step", "group", "task", "level", "seed")))
        by_group.setdefault(key, []).append(line)
    chosen = [rows for rows in by_group.values() if len(rows) > 1]
    if not chosen:
        chosen = thin_out(list(by_group.values()), MOST_ROWS)
    tokenizer = find_tokenizer(directory, flags)
    groups = [describe_group(rows, tokenizer) for rows in chosen]
    # Long conversations: fewer steps, evenly spread, until the page is small enough.
    while len(groups) > 1 and len(as_script(groups)) > most_bytes:
        groups = thin_out(groups, len(groups) // 2)
    return groups


def thin_out(values: list, most: int) -> list:
    """At most so many of them, evenly spread, the last among them."""
    if len(values) <= most:
        return values
    if most == 1:
        return values[-1:]
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def find_tokenizer(directory: Path, flags: Line) -> Tokenizer | None:
    """The run's tokenizer; while it runs a checkpoint has it, or the model that it began with."""
    places = [directory, *directory.glob("checkpoints/step-*"), Path(flags.get("model") or ".")]
    for place in places:
        if (place / "tokenizer.json").is_file():
            try:
                return Tokenizer.from_file(str(place / "tokenizer.json"))
            except Exception as error:   # tokenizers raises its own, untyped
                raise SystemExit(f"{place}/tokenizer.json cannot be read: {error}")
    return None


def describe_group(rows: list[Line], tokenizer: Tokenizer | None) -> dict[str, Any]:
    """The question, once, and its conversations."""
    first = rows[0]
    opening = []  # the messages before the model's first turn
    for message in first["messages"]:
        if message["role"] == "assistant":
            break
        opening.append(message)
    return {
        "step": first.get("step"),
        "task": first.get("task", ""),
        "system": "\n".join(m["content"] for m in opening if m["role"] == "system"),
        "question": "\n".join(m["content"] for m in opening if m["role"] != "system"),
        "conversations": [describe_row(row, tokenizer) for row in rows],
    }


def describe_row(row: Line, tokenizer: Tokenizer | None) -> dict[str, Any]:
    """A conversation after its prompt: texts, their mask (1: sampled) and log-probabilities.

    Of sampled tokens alone grpo.py has saved log-probabilities: one for each sampled text here, or
    none at all.
    """
    if tokenizer and row.get("ids"):
        start = row["loss_mask"].index(1) if 1 in row["loss_mask"] else len(row["ids"])
        texts = decode_each(tokenizer, row["ids"][start:])
        mask = row["loss_mask"][start:]
    else:  # without tokens: whole messages
        start = 0
        spoken = [message["role"] for message in row["messages"]]
        begin = spoken.index("assistant") if "assistant" in spoken else len(spoken)
        texts = [message["content"] + "\n" for message in row["messages"][begin:]]
        mask = [int(role == "assistant") for role in spoken[begin:]]
    logps = row.get("logps", [])
    return {
        "reward": row.get("reward"),
        "advantage": row.get("advantage"),
        "stop_reason": row.get("stop_reason", ""),
        "calls": row.get("calls"),
        "start": start,
        "texts": texts,
        "mask": mask,
        "logps": logps if len(logps) == sum(mask) else [],
    }


def decode_each(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    """The text of every token. Where a character is made of several, the last of them has it."""
    stream = DecodeStream(skip_special_tokens=False)
    return [stream.step(tokenizer, token) or "" for token in ids]
