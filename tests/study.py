"""study.py -- the paper's seven findings in miniature, and the loss's variants: each a command and a table.

    python tests/study.py warm-start                 one finding on the tiny model, three seeds, in runs/study
    python tests/study.py variants                   GRPO's loss against Dr. GRPO's and DAPO's
    python tests/study.py all --dry-run              every command that all of them would type
    python tests/study.py curriculum --seeds 0,1     fewer seeds
    python tests/study.py masking --quick            one seed, 20 steps an arm, from the finished runs/sft: ten minutes
    python tests/study.py masking --model DIR        a real model, with --preset laptop; one seed, hours
    python r1ci.py page runs/study/grpo-0 runs/study/unmasked-0      the curves of two arms, laid over each other

An arm is a command that a reader could type, run in a process of its own; it writes OUT/ARM-SEED, and what it says goes to
OUT/ARM-SEED.log. An arm that is finished is not run again, whichever study asks for it, and one that was killed goes on.
A difference is taken question by question over the same held-out questions, all of them in every arm and seed; its
standard error is that of the mean over questions of the mean over seeds. The standard error over seeds stands beside it.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

ROOT = Path(__file__).parent.parent
COMPUTING = ["rg/chain_sum", "rg/gcd", "rg/lcm", "rg/count_bits", "rg/base_conversion", "rg/spell_backward"]

# ---- the arms: what is typed after `python`; {name} stands for the directory of another arm of the same seed ---------

AGAIN = "grpo.py --model {sft} --pass-rates {grpo}/pass_rates.jsonl"  # the same start and the same order of questions
# Level 1 is what the model was fine-tuned on; of level 3 it solves a few, of levels 4 and 5 none. With two questions a
# step, a step on those teaches nothing.
MIXED = ("grpo.py --model {sft} --steps-per-stage 15 --batch-size 2 --per-task 20 --val-n 8 --eval-n 24 --eval-every 5 "
         "--tasks " + ",".join(f"{task}@{level}" for task in COMPUTING for level in (1, 3, 4, 5)))
ORDERED = " --pass-rates {potential}/pass_rates.jsonl"
SHORT = "grpo.py --model {sft} --steps-per-stage 5 --eval-every 5"
ARMS = {
    "base": "sft.py --epochs 0",                                   # has learned to copy, and nothing of the tasks
    "sft": "sft.py --model {base}",
    "grpo": "grpo.py --model {sft}",
    "cold": "grpo.py --model {base}",
    "ppo": AGAIN + " --advantage ppo",
    "reinforce": AGAIN + " --advantage reinforce++",
    "unmasked": AGAIN + " --no-mask-tool-output",
    "dr-grpo": AGAIN + " --no-std --norm constant",
    "dapo": AGAIN + " --norm token --clip-high 0.28",  # with one update a rollout nothing is clipped, in no arm
    "potential": MIXED,
    "difficulty": MIXED + ORDERED + " --order difficulty",
    "none": MIXED + ORDERED + " --order none",
    "together": SHORT,
    "alone-gcd": SHORT + " --tasks rg/gcd",
    "alone-chain-sum": SHORT + " --tasks rg/chain_sum",
    "alone-count-bits": SHORT + " --tasks rg/count_bits",
    "single-turn": "sft.py --model {base} --multi-turn-weight 0",
    "one-wording": "sft.py --model {base} --wordings one",
    "with-wrong": "sft.py --model {base} --keep-wrong",
    "sft-tags": "sft.py --model {base} --format tags",
    "grpo-tags": "grpo.py --model {sft-tags} --format tags",
    "sft-boxed": "sft.py --model {base} --format boxed",
    "grpo-boxed": "grpo.py --model {sft-boxed} --format boxed",
}
ALONE = "alone-gcd+alone-chain-sum+alone-count-bits"


# ---- the studies -----------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Study:
    """A finding, the rows of its table and whether it shows.

    A difference is "label": (side, side), first minus second. A side is an arm, "arm:before" for the model that it began
    with, or several with "+" between them. `extra` adds rows; `shown` reads the rows by their labels.
    """
    says: str
    differences: dict[str, tuple[str, str]]
    shown: Callable[[dict[str, dict]], bool]
    extra: Callable[[Path, list[int]], list[dict]] = lambda out, seeds: []


def close(row: dict[str, Any], points: float) -> bool:
    return abs(row["mean"]) <= points


SHARE = "share of the steps until no order's final validation accuracy is reached"


def curriculum_rows(out: Path, seeds: list[int]) -> list[dict[str, Any]]:
    """How soon each order is where no order ends, what merging does to the reward, and what each stage adds."""
    rows = []
    for arm in ("potential", "difficulty", "none"):
        rows.append(seed_row(f"{SHARE}, {arm}", 1, [
            steps_until(curve(out, arm, s, "val_accuracy"), curve(out, "none", s, "val_accuracy")[-1][1])
            / curve(out, "none", s, "val_accuracy")[-1][0] for s in seeds], brief=True))
    logs = [metrics(out, "potential", s) for s in seeds]
    stages = sorted({line["stage"] for line in logs[0]})

    def of(log: list[dict], stage: int) -> list[dict]:
        return [line for line in log if line["stage"] == stage]

    def mean(lines: list[dict], key: str) -> float:
        return sum(line[key] for line in lines) / len(lines)

    def last(log: list[dict], stage: int) -> float:
        return [line["val_accuracy"] for line in of(log, stage) if "val_accuracy" in line][-1]

    for stage in stages[1:]:
        rows.append(seed_row(f"reward, first 3 steps of stage {stage} - last 3 of stage {stage - 1}", 100, [
            mean(of(log, stage)[:3], "reward") - mean(of(log, stage - 1)[-3:], "reward") for log in logs]))
    for stage in stages[1:]:
        rows.append(seed_row(f"validation accuracy, end of stage {stage} - end of stage {stage - 1}", 100, [
            last(log, stage) - last(log, stage - 1) for log in logs]))
    return rows


def behaviour_rows(out: Path, seeds: list[int]) -> list[dict[str, Any]]:
    """Behaviour before GRPO and after it; each model's own standard errors, without pairing."""
    rows = []
    for key, label, scale in (("calls", "code calls", 1), ("response_len", "response length, tokens", 1),
                              ("self_check", "share of self-checking code, %", 100), ("text_rate", "answers in words, %", 100)):
        reports = [report(out, "grpo", s) for s in seeds]
        before, after = [r["before"][key] for r in reports], [r[key] for r in reports]
        errors = [math.hypot(r["before"]["stderrs"][key], r["stderrs"][key]) for r in reports]
        error = math.sqrt(sum(e * e for e in errors)) / len(errors)
        rows += [seed_row(f"{label}, before", scale, before), seed_row(f"{label}, after", scale, after),
                 seed_row(f"{label}, after - before", scale, [b - a for a, b in zip(before, after)], error, brief=True)]
    few = [sum(n for calls, n in r["call_counts"].items() if int(calls) <= 4) / sum(r["call_counts"].values())
           for r in reports]
    return rows + [seed_row("questions that end within 4 code calls, %", 100, few, brief=True)]


STUDIES = {
    "warm-start": Study(
        "1. GRPO without SFT first gains almost nothing, with SFT it does",
        {"cold: GRPO - base": ("cold", "cold:before"), "warm: GRPO - SFT": ("grpo", "grpo:before"),
         "warm - cold": ("grpo", "cold")},
        lambda r: r["warm - cold"]["mean"] >= 20),
    "algorithms": Study(
        "2. GRPO, PPO and REINFORCE++ end about equal",
        {"GRPO - SFT": ("grpo", "grpo:before"), "PPO - GRPO": ("ppo", "grpo"), "REINFORCE++ - GRPO": ("reinforce", "grpo"),
         "REINFORCE++ - PPO": ("reinforce", "ppo")},
        lambda r: all(close(r[key], 5) for key in ("PPO - GRPO", "REINFORCE++ - GRPO", "REINFORCE++ - PPO"))),
    "masking": Study(
        "3. Keeping tool output out of the loss beats training on it",
        {"masked - SFT": ("grpo", "grpo:before"), "not masked - SFT": ("unmasked", "unmasked:before"),
         "masked - not masked": ("grpo", "unmasked")},
        lambda r: r["masked - not masked"]["mean"] > 2 * r["masked - not masked"]["stderr"]),
    "curriculum": Study(
        "4. Order by improvement potential beats order by difficulty and no order; the reward dips at each merge; "
        "the fourth stage adds little",
        {"no order - SFT": ("none", "none:before"), "potential - no order": ("potential", "none"),
         "potential - difficulty": ("potential", "difficulty")},
        lambda r: r["potential - no order"]["mean"] > 2 * r["potential - no order"]["stderr"]
        or r["no order - SFT"]["mean"] > 2 * r["no order - SFT"]["stderr"] and r[f"{SHARE}, potential"]["mean"] <= 0.8,
        curriculum_rows),
    "diversity": Study(
        "5. The more tasks are trained at once, the smaller the gain",
        {"one task alone: GRPO - SFT": (ALONE, ALONE.replace("+", ":before+") + ":before"),
         "all seven at once: GRPO - SFT": ("together", "together:before"),
         "the same tasks, alone - all at once": (ALONE, "together")},
        lambda r: r["the same tasks, alone - all at once"]["mean"] > 2 * r["the same tasks, alone - all at once"]["stderr"]),
    "sft-data": Study(
        "6. In SFT data, no multi-turn emphasis hurts most, then one wording of the prompt, then wrong trajectories",
        {"no multi-turn conversations - SFT": ("single-turn", "sft"), "one wording - SFT": ("one-wording", "sft"),
         "wrong ones kept - SFT": ("with-wrong", "sft")},
        lambda r: r["no multi-turn conversations - SFT"]["mean"] < r["one wording - SFT"]["mean"]
        < r["wrong ones kept - SFT"]["mean"] < 0),
    "behaviour": Study(
        "7. Most questions end within 4 code calls, length stays flat, self-checking code becomes more frequent",
        {"GRPO - SFT": ("grpo", "grpo:before")},
        lambda r: r["questions that end within 4 code calls, %"]["mean"] > 50
        and r["share of self-checking code, %, after - before"]["mean"]
        > 2 * r["share of self-checking code, %, after - before"]["stderr"],
        behaviour_rows),
    "formats": Study(
        "The marks of code and answer matter little: <code> and <answer>, or \\boxed{}, beside fences and <<<>>>",
        {"GRPO - SFT": ("grpo", "grpo:before"), "tags - fence": ("grpo-tags", "grpo"), "boxed - fence": ("grpo-boxed", "grpo")},
        lambda r: all(close(r[key], 5) for key in ("tags - fence", "boxed - fence"))),
    "variants": Study(
        "The loss of GRPO, of Dr. GRPO (undivided, constant norm) and of DAPO (token norm, wider clip) end about equal",
        {"GRPO - SFT": ("grpo", "grpo:before"), "Dr. GRPO's loss - GRPO": ("dr-grpo", "grpo"),
         "DAPO's loss - GRPO": ("dapo", "grpo")},
        lambda r: all(close(r[key], 5) for key in ("Dr. GRPO's loss - GRPO", "DAPO's loss - GRPO"))),
}


# ---- running arms ----------------------------------------------------------------------------------------------------

def fields(template: str) -> list[str]:
    """The arms that a command needs first."""
    return [name for name in ARMS if f"{{{name}}}" in template]


def arms_of(study: Study) -> list[str]:
    """All arms of a study, each behind those that it needs."""
    ordered: list[str] = []

    def add(arm: str) -> None:
        for needed in fields(ARMS[arm]):
            add(needed)
        if arm not in ordered:
            ordered.append(arm)

    for sides in study.differences.values():
        for part in "+".join(sides).split("+"):
            add(part.split(":")[0])
    return sorted(ordered, key=lambda arm: arm not in ("base", "sft"))  # shared ones first, the order else kept


def command(arm: str, seed: int, out: Path) -> list[str]:
    filled = ARMS[arm].format(**{name: out / f"{name}-{seed}" for name in ARMS})
    return [*filled.split(), "--seed", str(seed), "--out", str(out / f"{arm}-{seed}")]


GIVEN = "(given)"   # in place of the command of an arm that a finished directory stands for


def adapt(preset: str, given: list[str]) -> None:
    """Run every arm with a preset, but for those that are given; these need no other arm."""
    for arm in ARMS:
        ARMS[arm] = GIVEN if arm in given else f"{ARMS[arm]} --preset {preset}"


def link(given: dict[str, Path], out: Path, seeds: list[int]) -> None:
    """OUT/ARM-SEED of an arm that is given is a link to its directory."""
    out.mkdir(parents=True, exist_ok=True)
    for arm, directory in given.items():
        if not (directory / "config.json").exists():
            raise SystemExit(f"{directory} holds no model: make it by `python sft.py`, or name another with --start")
        for seed in seeds:
            path = out / f"{arm}-{seed}"
            if not path.exists():
                path.symlink_to(directory.resolve())
            elif not path.is_symlink():
                raise SystemExit(f"{path} is an arm's own run: choose another --out")
            note = {"command": [GIVEN, str(directory)], "seconds": 0.0}
            path.with_name(path.name + ".json").write_text(json.dumps(note) + "\n")


def finished(path: Path, words: list[str]) -> bool:
    """Whether an arm's directory holds its results; those of another command are refused."""
    note = path.with_name(path.name + ".json")
    if path.is_symlink():   # given
        return True
    if note.exists() and json.loads(note.read_text())["command"] != words:
        raise SystemExit(f"{path} was made by another command ({note} has it): delete both, or choose another --out")
    return note.exists() and (path / "eval.json").exists()


def run_arm(arm: str, seed: int, out: Path, threads: int) -> None:
    """Run one command to its end, from its newest checkpoint if it has one; its log and its seconds stay beside it."""
    words, path = command(arm, seed, out), out / f"{arm}-{seed}"
    note, log = (out / f"{path.name}{ending}" for ending in (".json", ".log"))
    if finished(path, words):
        return
    before = json.loads(note.read_text())["seconds"] if note.exists() else 0.0
    begun = any((path / "checkpoints").glob("step-??????"))
    note.write_text(json.dumps({"command": words, "seconds": before}) + "\n")
    print(f"$ python {' '.join(words)}" + "  (resumed)" * begun, flush=True)
    began = time.time()
    with open(log, "a") as file:
        done = subprocess.run([sys.executable, *words, "--resume" if begun else "--overwrite"], cwd=ROOT, stdout=file,
                              stderr=file, env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    seconds = before + time.time() - began
    note.write_text(json.dumps({"command": words, "seconds": round(seconds, 1)}) + "\n")
    if done.returncode or not (path / "eval.json").exists():
        raise SystemExit(f"{path.name} ended with {done.returncode}; {log} says why")
    print(f"  {path.name}: {seconds / 60:.1f} minutes", flush=True)


def run_study(study: Study, seeds: list[int], out: Path, jobs: int) -> None:
    """All arms, `jobs` at a time. A command starts when those that it reads from have ended."""
    threads = max(1, len(os.sched_getaffinity(0)) // jobs)
    with ThreadPoolExecutor(jobs) as pool:
        running: dict[tuple[str, int], Any] = {}

        def start(arm: str, seed: int) -> None:
            for needed in fields(ARMS[arm]):
                running[needed, seed].result()  # queued earlier, so it never waits behind this one
            run_arm(arm, seed, out, threads)

        for arm in arms_of(study):
            for seed in seeds:
                running[arm, seed] = pool.submit(start, arm, seed)
        try:
            for future in running.values():
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


# ---- reading results -------------------------------------------------------------------------------------------------

def report(out: Path, arm: str, seed: int) -> dict[str, Any]:
    return json.loads((out / f"{arm}-{seed}" / "eval.json").read_text())


def metrics(out: Path, arm: str, seed: int) -> list[dict[str, Any]]:
    lines = (out / f"{arm}-{seed}" / "metrics.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if "step" in line]


def curve(out: Path, arm: str, seed: int, key: str) -> list[tuple[int, float]]:
    return [(line["step"], line[key]) for line in metrics(out, arm, seed) if key in line]


def steps_until(points: list[tuple[int, float]], goal: float) -> float:
    """The first step at which a curve is at `goal` or above; infinite if it never is."""
    return next((step for step, value in points if value >= goal), math.inf)


def answers(out: Path, side: str, seed: int) -> dict[str, float]:
    """Share of right answers to every held-out question."""
    found: dict[str, float] = {}
    for part in side.split("+"):
        arm, _, when = part.partition(":")
        its = report(out, arm, seed)
        found |= (its["before"] if when else its)["questions"]
    return found


def stderr(values: list[float]) -> float:
    """Standard error of the mean."""
    if len(values) < 2:
        return 0.0
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))


def seed_row(label: str, scale: float, values: list[float], error: float | None = None,
             brief: bool = False) -> dict[str, Any]:
    """A row with a value for each seed, times `scale`; `error` is over questions. `brief`: for the README, too."""
    values = [scale * v for v in values]
    mean = sum(values) / len(values)
    return dict(label=label, seeds=values, mean=mean, stderr=None if error is None else scale * error,
                stderr_seeds=stderr(values) if math.isfinite(mean) else None, brief=brief)


def difference(out: Path, label: str, plus: str, minus: str, seeds: list[int]) -> dict[str, Any]:
    """First minus second side in points of accuracy, paired over the questions that both have answered."""
    each: list[dict[str, float]] = []
    for seed in seeds:
        a, b = answers(out, plus, seed), answers(out, minus, seed)
        each.append({question: a[question] - b[question] for question in a if question in b})
    if len({frozenset(d) for d in each}) != 1 or not each[0]:
        raise SystemExit(f"{label}: the arms have not answered the same questions")
    by_question = [sum(d[question] for d in each) / len(each) for question in each[0]]
    values = [sum(d.values()) / len(d) for d in each]
    return dict(seed_row(label, 100, values, stderr(by_question), brief=True), n=len(by_question))


def results(name: str, out: Path, seeds: list[int], jobs: int) -> dict[str, Any]:
    study = STUDIES[name]
    rows = [difference(out, label, *sides, seeds) for label, sides in study.differences.items()] + study.extra(out, seeds)
    notes = [json.loads((out / f"{arm}-{seed}.json").read_text()) for arm in arms_of(study) for seed in seeds]
    return dict(study=name, says=study.says, rows=rows, shown=bool(study.shown({row["label"]: row for row in rows})),
                minutes=round(sum(note["seconds"] for note in notes) / 60 / jobs, 1), seeds=seeds, jobs=jobs,
                commands=[" ".join(["python", *note["command"]]) for note in notes])


def number(value: float | None) -> str:
    if value is None or math.isinf(value):
        return "" if value is None else "never"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def table(result: dict[str, Any]) -> str:
    """The study as Markdown, and its row for the README."""
    names = [f"seed {seed}" for seed in result["seeds"]]
    lines = [f"## {result['study']}: {result['says']}", "",
             "Differences in points of held-out accuracy, paired over questions.", "",
             "| " + " | ".join(["", *names, "mean", "se (questions)", "se (seeds)"]) + " |",
             "|---" * (len(names) + 4) + "|"]
    for row in result["rows"]:
        cells = [*row["seeds"], row["mean"], row["stderr"], row["stderr_seeds"]]
        lines.append("| " + " | ".join([row["label"], *map(number, cells)]) + " |")
    return "\n".join(lines + ["", f"Shown: {'yes' if result['shown'] else 'no'}", "", readme_row(result)]) + "\n"


def readme_row(result: dict[str, Any]) -> str:
    seen = "; ".join(f"{row['label']}: {number(row['mean'])}" + (f" ± {number(row['stderr'])}" if row["stderr"] is not None else "")
                     for row in result["rows"] if row["brief"])
    return (f"| {result['says']} | {'yes' if result['shown'] else '**no**'}: {seen} | `{result['study']}` | "
            f"{result['minutes']:.0f} | {len(result['seeds'])} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="The paper's findings on the tiny model.",
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("name", choices=(*STUDIES, "all"), help="which finding")
    parser.add_argument("--seeds", default=None, help="with commas between; none: 0,1,2, or 0 with --quick or --model")
    parser.add_argument("--out", default=None, help="directory of all arms and tables; none: runs/study, or runs/study-quick "
                        "or runs/study-model")
    parser.add_argument("--quick", action="store_true", help="--preset quick for every arm, after the SFT of --start")
    parser.add_argument("--model", metavar="DIR", help="a real model in place of the tiny one: --preset laptop for every arm")
    parser.add_argument("--start", metavar="DIR", default=None,
                        help="a finished run of sft.py to start from; none: runs/sft with --quick")
    parser.add_argument("--grpo", metavar="DIR", default=None,
                        help="a finished run of grpo.py from --start, without further flags: that arm is not run again")
    parser.add_argument("--jobs", type=int, default=2, help="arms side by side; they share the cores out")
    parser.add_argument("--dry-run", action="store_true", help="print the commands only")
    args = parser.parse_args()
    small = args.quick or args.model
    if args.quick and args.model:
        parser.error("--quick is for the tiny model: leave it or --model out")
    seeds = [int(seed) for seed in (args.seeds or ("0" if small else "0,1,2")).split(",")]
    out = Path(args.out or ("runs/study-quick" if args.quick else "runs/study-model" if args.model else "runs/study"))
    given = {}
    if args.start or args.quick:
        given["sft"] = Path(args.start or "runs/sft")
    if args.grpo:
        if "sft" not in given or not (Path(args.grpo) / "eval.json").exists():
            parser.error(f"--grpo {args.grpo} has to be a finished run of grpo.py, from a --start that is named, too")
        given["grpo"] = Path(args.grpo)
    if args.model:
        given["base"] = Path(args.model)
    if small:
        adapt("quick" if args.quick else "laptop", list(given))
    names = list(STUDIES) if args.name == "all" else [args.name]
    if args.dry_run:
        every = {(arm, seed): None for name in names for arm in arms_of(STUDIES[name]) for seed in seeds
                 if ARMS[arm] != GIVEN}
        print("\n".join("python " + " ".join(command(arm, seed, out)) for arm, seed in every))
        return
    out.mkdir(parents=True, exist_ok=True)
    link(given, out, seeds)
    for name in names:
        run_study(STUDIES[name], seeds, out, args.jobs)
        result = results(name, out, seeds, args.jobs)
        (out / f"{name}.json").write_text(json.dumps(result, indent=1).replace("Infinity", '"never"') + "\n")
        (out / f"{name}.md").write_text(table(result))
        print(table(result))


if __name__ == "__main__":
    main()
