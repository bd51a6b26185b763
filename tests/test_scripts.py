"""sft.py, grpo.py and r1ci.py as a reader types them, at a size of seconds."""
import contextlib
import gc
import importlib
import importlib.util
import io
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

import sft
from tasks.questions import own_questions

ROOT = Path(__file__).parent.parent
SFT = ["sft.py", "--tasks", "rg/gcd,bbh/disambiguation_qa", "--per-task", "12", "--width", "32",
       "--copy-steps", "2", "--epochs", "1", "--batch-size", "4", "--eval-n", "2",
       "--max-tokens", "60", "--max-turn-tokens", "30", "--workers", "1"]
GRPO = ["grpo.py", "--tasks", "rg/gcd,bbh/disambiguation_qa", "--per-task", "4", "--stages", "2",
        "--steps-per-stage", "2", "--potential-samples", "2", "--batch-size", "2",
        "--group-size", "2", "--val-n", "2", "--eval-n", "2", "--eval-every", "2",
        "--max-tokens", "60", "--max-turn-tokens", "30", "--workers", "1", "--kl-coef", "0.01"]
ENV = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}


def run(*args: str, ranks: int) -> str:
    """What torchrun prints."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(ranks)]
    done = subprocess.run([*launcher, *map(str, args)], cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@contextlib.contextmanager
def own_process(*argv: str):
    """These words as the command line, and afterwards this process as it was before."""
    gc.collect()   # runs that were refused in this process let go of their locks
    handlers = {number: signal.getsignal(number) for number in sft.SIGNALS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", list(argv))
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            if dist.is_initialized():
                dist.destroy_process_group()


def refusal(*args: str) -> str:
    """The one sentence with which a command refuses bad input; in this process, to be quick."""
    script, *rest = map(str, args)
    errors = io.StringIO()
    with own_process(script, *rest), contextlib.redirect_stderr(errors), \
            pytest.raises(SystemExit) as stopped:
        importlib.import_module(script.removesuffix(".py")).main()
    code = stopped.value.code  # a text, which Python prints before it exits with 1; or argparse's 2
    sentence = code if isinstance(code, str) else errors.getvalue().strip().split("\n")[-1]
    assert code and "\n" not in sentence
    return sentence


def inside(*args: str, code: int = 0) -> str:
    """What a command prints; in this process, to be quick."""
    script, *rest = map(str, args)
    output = io.StringIO()
    with own_process(script, *rest), contextlib.redirect_stdout(output), \
            contextlib.redirect_stderr(output):
        try:
            importlib.import_module(script.removesuffix(".py")).main()
        except SystemExit as stopped:
            assert (stopped.code or 0) == code, stopped.code
    return output.getvalue()


@pytest.fixture
def signals_as_in_a_terminal():
    """A shell's background job ignores SIGINT, and nohup SIGHUP: what is started inherits that."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def metrics(directory: Path) -> list[dict]:
    """The metric lines without times and memory, and the flags without the names of directories."""
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        for key in ("seconds", "t_switch", "t_sample", "t_update", "tok_s", "mem_gb"):
            line.pop(key, None)
        for key in ("out", "stop_after", "resume", "overwrite", "save_every"):
            line.get("flags", {}).pop(key, None)
    return lines


@pytest.fixture(scope="session")
def sft_run(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("sft")
    inside(*SFT, "--out", directory)
    return directory


@pytest.fixture(scope="session")
def grpo_run(sft_run, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("grpo")
    inside(*GRPO, "--model", sft_run, "--out", directory)
    return directory


def test_supervised_fine_tuning_writes_its_run(sft_run):
    lines = [json.loads(line) for line in (sft_run / "data.jsonl").read_text().splitlines()]
    assert len(lines) >= 20 and all(line["reward"] == 1.0 for line in lines)
    assert {line["purpose"] for line in lines} == {"sft"}
    report = json.loads((sft_run / "eval.json").read_text())
    assert report["n"] == 4 and set(report["tasks"]) == {"rg/gcd", "bbh/disambiguation_qa"}
    assert "flags" in metrics(sft_run)[0] and [line["step"] for line in metrics(sft_run)[1:]] == list(range(1, 6 + 1))


def test_zero_epochs_write_the_base_and_measure_it(sft_run, tmp_path):
    inside(*SFT, "--epochs", "0", "--out", tmp_path)
    assert len(metrics(tmp_path)) == 1 and json.loads((tmp_path / "eval.json").read_text())["n"] == 4
    assert (tmp_path / "data.jsonl").read_text() == (sft_run / "data.jsonl").read_text()
    assert (tmp_path / "model.safetensors").read_bytes() != (sft_run / "model.safetensors").read_bytes()


def test_grpo_writes_its_run_and_evaluates_before_and_after_on_the_same_questions(grpo_run):
    report = json.loads((grpo_run / "eval.json").read_text())
    assert report["n"] == report["before"]["n"] == 4 and set(report["modes"]) == {"ci", "text"}
    steps = metrics(grpo_run)[1:]
    assert [line["step"] for line in steps] == [1, 2, 3, 4] and [line["stage"] for line in steps] == [1, 1, 2, 2]
    assert all(0 <= line["reward"] <= 1 and line["dp_mean"] < 0.005 for line in steps)
    assert ["val_accuracy" in line for line in steps] == [False, True, False, True]
    rates = [json.loads(line) for line in (grpo_run / "pass_rates.jsonl").read_text().splitlines()]
    assert len(rates) == 8 and all(line["potential"] == 4 * line["pass_rate"] * (1 - line["pass_rate"]) for line in rates)


@pytest.mark.parametrize("script", ["sft", "grpo"])
def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one_bit_for_bit(script, request,
                                                                           tmp_path):
    """Pitfall 20: a checkpoint holds all that a run is made of."""
    whole = request.getfixturevalue(f"{script}_run")
    args = SFT if script == "sft" else [*GRPO, "--model", request.getfixturevalue("sft_run")]
    inside(*args, "--out", tmp_path, "--stop-after", "2")
    assert not (tmp_path / "eval.json").exists()
    inside(*args, "--out", tmp_path, "--resume")
    assert metrics(tmp_path)[1:] == metrics(whole)[1:]
    assert (tmp_path / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert (tmp_path / "eval.json").read_text() == (whole / "eval.json").read_text()


def test_the_same_seed_gives_the_same_run_and_another_seed_another(sft_run, grpo_run, tmp_path):
    """Pitfall 9: noise is keyed by seed, step, question and sample."""
    inside(*GRPO, "--model", sft_run, "--out", tmp_path / "same")
    assert metrics(tmp_path / "same")[1:] == metrics(grpo_run)[1:]
    inside(*GRPO, "--model", sft_run, "--out", tmp_path / "other", "--seed", "1")
    assert metrics(tmp_path / "other")[1:] != metrics(grpo_run)[1:]


@pytest.fixture(scope="session")
def two_ranks(sft_run, tmp_path_factory) -> tuple[dict, list, Path]:
    """What tests/ranks.py saves on two ranks, and its directory: a stopped run of grpo.py is in "run" there."""
    directory = tmp_path_factory.mktemp("ranks")
    run(ROOT / "tests" / "ranks.py", directory / "two.pt", *GRPO[1:], "--model", sft_run, "--out", directory / "run",
        "--stop-after", "2", "--replicas", "2", "--checkpointing", ranks=2)
    return *torch.load(directory / "two.pt"), directory


@pytest.fixture(scope="session")
def one_rank() -> dict:
    import ranks
    world = sft.start_world("cpu")
    outcomes = {name: ranks.steps(world, **way) for name, way in ranks.WAYS.items() if name != "HSDP"}
    dist.destroy_process_group()
    return outcomes


@pytest.mark.parametrize("way", ["plain", "checkpointing", "offload", "HSDP"])
def test_one_rank_and_two_give_the_same_gradients_and_metrics(one_rank, two_ranks, way):
    """Pitfalls 10 and 18: FSDP averages over the ranks, and the loss divides by the tokens of all."""
    one, two = one_rank["plain"], two_ranks[0][way]
    assert len(one["gradients"]) == len(two["gradients"]) == 6
    for a, b in zip(one["gradients"], two["gradients"]):
        scale = max(x.abs().max() for x in a)
        assert scale > 0 and max((x - y).abs().max() for x, y in zip(a, b)) / scale < 1e-5
    for part in one["outcome"]:
        assert one["outcome"][part] == pytest.approx(two["outcome"][part], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("way", ["checkpointing", "offload"])
def test_computing_activations_again_and_offloading_change_no_bit_of_the_gradient(one_rank, way):
    for a, b in zip(one_rank["plain"]["gradients"], one_rank[way]["gradients"]):
        assert all(torch.equal(x, y) for x, y in zip(a, b))


def test_ranks_that_cannot_work_together_refuse_in_one_sentence_on_all_of_them(two_ranks):
    _, [batch, replicas, *_], directory = two_ranks
    assert all("--batch-size 3 does not divide over 2 ranks" in sentence for sentence in batch)
    assert all("--replicas 3 does not divide the number of ranks, 2" in sentence for sentence in replicas)
    assert not (directory / "refused").exists()


def test_two_ranks_train_and_one_rank_resumes_them(two_ranks, sft_run, grpo_run):
    directory = two_ranks[2] / "run"
    for a, b in zip(metrics(directory)[1:], metrics(grpo_run)[1:3], strict=True):
        for key in ("reward", "loss", "kl", "entropy", "grad_norm", "response_len", "val_accuracy"):
            assert a.get(key, 0) == pytest.approx(b.get(key, 0), rel=1e-4, abs=1e-5)
    inside(*GRPO, "--model", sft_run, "--out", directory, "--no-keep-sampler", "--resume")
    assert [line["step"] for line in metrics(directory)[1:]] == [1, 2, 3, 4]
    for a, b in zip(metrics(directory)[1:], metrics(grpo_run)[1:], strict=True):
        assert a["reward"] == b["reward"] and a["grad_norm"] == pytest.approx(b["grad_norm"], rel=1e-3)


def test_checkpoints_beyond_the_newest_and_the_best_are_removed(grpo_run):
    assert 1 <= len(list((grpo_run / "checkpoints").iterdir())) <= 2


def test_evaluation_asking_and_showing_work_on_a_trained_model(grpo_run, tmp_path):
    common = ["--model", grpo_run, "--max-tokens", "60", "--max-turn-tokens", "30"]
    out = inside("r1ci.py", "eval", *common, "--tasks", "rg/gcd,bbh/disambiguation_qa", "--n", "3", "--samples", "2",
              "--json", tmp_path / "report.json", "--trajectories", tmp_path / "t.jsonl", "--workers", "1")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["n"] == 6 and report["samples"] == 2 and "pass@2" in out and "rg/gcd" in out
    (tmp_path / "q.jsonl").write_text('{"question": "What is 1 + 1?", "answer": 2}\n')
    assert "user/q" in inside("r1ci.py", "eval", *common, "--questions", tmp_path / "q.jsonl", "--workers", "1")
    assert "What is 2 + 2?" in inside("r1ci.py", "ask", "What is 2 + 2?", *common)
    shown = inside("r1ci.py", "show", tmp_path / "t.jsonl", "--model", grpo_run, "--n", "2")
    assert shown.count("stop_reason") == 2 and "<|im_start|>assistant" in shown


def test_a_model_is_asked_what_it_was_trained_on(grpo_run, sft_run, tmp_path):
    flags = json.loads((grpo_run / "metrics.jsonl").read_text().splitlines()[0])["flags"]
    out = inside("r1ci.py", "eval", "--model", grpo_run, "--n", "1", "--workers", "1")
    assert f"asking what {grpo_run} was trained on: {flags['tasks']}" in out
    assert out.count("rg/") == flags["tasks"].count("rg/") * 2      # named in that line and in the table
    asked = inside("r1ci.py", "ask", "--task", "rg/gcd", "--model", grpo_run)
    assert "greatest common divisor" in asked and ("right" in asked or "wrong: expected" in asked)
    assert "ask needs a question or --task" in refusal("r1ci.py", "ask", "--model", grpo_run)
    assert "<|im_start|>" in inside("r1ci.py", "show", grpo_run, "--n", "1")


def test_a_run_on_questions_of_ones_own(sft_run, tmp_path):
    """It trains on none of those that are held out, and `eval` then asks just these."""
    path = tmp_path / "sums.jsonl"
    lines = [dict(question=f"What is {a} + {a + 7}?", answer=2 * a + 7) for a in range(40)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    inside(*GRPO, "--model", sft_run, "--questions", path, "--out", tmp_path / "run")
    trained = [json.loads(line) for line in (tmp_path / "run/pass_rates.jsonl").read_text().splitlines()]
    assert trained and {line["task"] for line in trained} == {"user/sums"}
    held_out = {q.seed for q in own_questions(path, "eval", 40)}
    assert held_out and held_out.isdisjoint(line["seed"] for line in trained)
    asked = tmp_path / "t.jsonl"
    inside("r1ci.py", "eval", "--model", tmp_path / "run", "--workers", "1", "--trajectories", asked)
    assert {json.loads(line)["seed"] for line in asked.read_text().splitlines()} == held_out
    path.write_text("".join(json.dumps(line) + "\n" for line in lines[1:]))
    changed = refusal(*GRPO, "--model", sft_run, "--questions", path, "--out", tmp_path / "run", "--resume")
    assert "--questions-sha256 was" in changed
    assert "line 2" in refusal(*GRPO, "--questions", broken_line(tmp_path), "--out", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def broken_line(directory: Path) -> Path:
    path = directory / "broken.jsonl"
    path.write_text('{"question": "1 + 1?", "answer": 2}\n{"question": 3}\n')
    return path


def test_bad_input_is_refused_in_one_sentence(sft_run, tmp_path):
    assert "unknown task 'rg/gdc': did you mean rg/gcd" in refusal("sft.py", "--tasks", "rg/gdc", "--out", tmp_path / "a")
    assert "unknown level '7'" in refusal("grpo.py", "--tasks", "rg/gcd@7", "--model", sft_run, "--out", tmp_path / "a")
    assert "--level" in refusal("sft.py", "--level", "9", "--out", tmp_path / "a")
    assert "invalid choice: 'poem'" in refusal("r1ci.py", "eval", "--model", sft_run, "--mode", "poem")
    assert "config.json" in refusal("r1ci.py", "eval", "--model", tmp_path)
    assert "already holds a run" in refusal(*SFT, "--out", sft_run)
    assert "group-size must be at least 2" in refusal(*GRPO, "--model", sft_run, "--group-size", "1")
    assert "does not exist" in refusal(*GRPO, "--model", tmp_path / "nothing", "--out", tmp_path / "a")
    shutil.copytree(sft_run, tmp_path / "damaged", ignore=shutil.ignore_patterns("checkpoints"))
    os.truncate(tmp_path / "damaged" / "model.safetensors", 9000)
    for command in (["sft.py", "--out", tmp_path / "a"], [*GRPO, "--out", tmp_path / "a"], ["r1ci.py", "eval"]):
        assert "model.safetensors cannot be read" in refusal(*command, "--model", tmp_path / "damaged")
    (tmp_path / "broken.jsonl").write_text('{"messages": []}\n')
    assert "broken.jsonl, line 1" in refusal(*SFT, "--data", tmp_path / "broken.jsonl", "--out", tmp_path / "b")
    (tmp_path / "broken.jsonl").write_text((sft_run / "data.jsonl").read_text() + "{oops\n")
    assert "not valid JSON" in refusal(*SFT, "--data", tmp_path / "broken.jsonl", "--out", tmp_path / "c")
    if not torch.cuda.is_available():
        assert "no CUDA device is available" in refusal(*SFT, "--device", "cuda", "--out", tmp_path / "a")
    assert "--offload moves memory from a CUDA device" in refusal(*SFT, "--device", "cpu", "--offload", "--out", tmp_path / "a")
    if importlib.util.find_spec("wandb") is None:
        assert "--log wandb needs a package that is not installed" in refusal(*SFT, "--log", "wandb", "--out", tmp_path / "a")
    assert "--width 12 is not a multiple of 8" in refusal(*SFT, "--width", "12", "--out", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_refusal_is_one_line_and_a_failing_exit():
    done = subprocess.run([sys.executable, "sft.py", "--tasks", "rg/gdc"], cwd=ROOT, env=ENV, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "unknown task 'rg/gdc'" in done.stderr


@pytest.mark.parametrize("command", [["sft.py"], ["grpo.py"], ["r1ci.py"], ["r1ci.py", "ask"], ["r1ci.py", "eval"],
                                     ["r1ci.py", "show"], ["r1ci.py", "page"]])
def test_help_explains_every_flag(command):
    out = inside(*command, "--help")
    flags = [line for line in out.splitlines() if line.strip().startswith("--")]
    assert "usage" in out and (flags or command == ["r1ci.py"])


def test_the_score_before_grpo_is_the_score_after_sft(sft_run, grpo_run):
    """The same questions, the same noise: three programs print one number."""
    after_sft = json.loads((sft_run / "eval.json").read_text())
    assert json.loads((grpo_run / "eval.json").read_text())["before"] == {k: v for k, v in after_sft.items() if k != "modes"}


# ---- runs: kills, signals, directories, refusals -------------------------------------------------

SAVING = [*SFT, "--save-every", "2", "--keep", "2"]


def child(args: list[str], files: tuple[Path, Path], at: tuple[str, int], number: int,
          times: int) -> None:
    """Runs in a process of its own: a command that gets the signal `number` at a call, say the third
    of `sync`, and at the next ones up to `times` in all. What was called goes to the first file."""
    counts, log = files
    output = open(log, "w")
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
    calls: list[str] = []
    sent: list[int] = []

    def watch(owner, name: str) -> None:
        real = getattr(owner, name)

        def called(*args, **kwargs):
            calls.append(name)
            counts.write_text("\n".join(calls))
            due = at in ((name, calls.count(name)), ("any", len(calls)))
            if due or 0 < len(sent) < times:
                sent.append(number)
                os.kill(os.getpid(), number)
            return real(*args, **kwargs)

        setattr(owner, name, called)

    module = importlib.import_module(args[0].removesuffix(".py"))
    for name in ("write_conversations", "sft_backward", "evaluate", "sync", "save_model", "sha256"):
        watch(sft, name)
    for owner, name in ((os, "replace"), (os, "rename"), (shutil, "rmtree")):
        watch(owner, name)
    sys.argv = [str(arg) for arg in args]
    module.main()


@pytest.fixture(scope="module")
def forks():
    """Processes that have imported everything already, each forked from a clean one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["sft", "transformers", "torch.distributed.fsdp",
                                        "torch.distributed.checkpoint", "test_scripts"])
        yield context


class Forked:
    """A command in a process of its own: its exit code, its output, what it called."""

    def __init__(self, forks, directory: Path, *args, at: tuple[str, int] = ("", 0),
                 number: int = signal.SIGKILL, times: int = 1, wait: float | None = None):
        counts, log = Path(f"{directory}.calls"), Path(f"{directory}.log")
        counts.write_text("")
        command = [*args, "--out", str(directory)]
        process = forks.Process(target=child, args=(command, (counts, log), at, number, times))
        process.start()
        process.join(wait)
        if process.is_alive():
            process.kill()
            process.join()
        self.code, self.output = process.exitcode, log.read_text() if log.exists() else ""
        self.calls = counts.read_text().split()


@pytest.fixture(scope="module")
def whole(forks, tmp_path_factory) -> tuple[Path, list[str]]:
    """A run that nothing disturbs, and what it called."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    done = Forked(forks, directory, *SAVING)
    assert done.code == 0, done.output
    return directory, done.calls


def check_same(directory: Path, other: Path) -> None:
    assert metrics(directory)[1:] == metrics(other)[1:]
    for name in ("data.jsonl", "model.safetensors", "eval.json", "trajectories.jsonl"):
        assert (directory / name).read_bytes() == (other / name).read_bytes(), name
    left = {path.name for path in (directory / "checkpoints").iterdir()}
    assert left == {"step-000004", "step-000006"}


def resume(forks, directory: Path, other: Path) -> Forked:
    done = Forked(forks, directory, *SAVING, "--resume")
    assert done.code == 0, done.output
    check_same(directory, other)
    return done


def kill_points(calls: list[str], slow: bool) -> list[int]:
    """Every call, or a dozen of them evenly spread."""
    return list(range(1, len(calls) + 1)) if slow else [1 + i * len(calls) // 12 for i in range(12)]


def test_a_run_killed_anywhere_resumes_to_the_same_bits(forks, whole, tmp_path, request):
    """Pitfall 20. The calls are those that change files, and the steps; with --slow, all of them."""
    other, calls = whole
    assert {"write_conversations", "sft_backward", "save_model", "replace", "rename", "sha256",
            "evaluate"} <= set(calls)
    for point in kill_points(calls, request.config.getoption("--slow")):
        directory = tmp_path / str(point)
        assert Forked(forks, directory, *SAVING, at=("any", point)).code == -signal.SIGKILL
        resume(forks, directory, other)


@pytest.mark.slow
def test_a_run_killed_at_any_moment_resumes_to_the_same_bits(forks, whole, tmp_path):
    rng = random.Random(0)
    began = time.time()
    Forked(forks, tmp_path / "timed", *SAVING)
    duration = time.time() - began
    for i in range(20):
        directory = tmp_path / str(i)
        Forked(forks, directory, *SAVING, wait=rng.random() * duration)
        resume(forks, directory, whole[0])


@pytest.mark.usefixtures("signals_as_in_a_terminal")
@pytest.mark.parametrize("number, at, kept", [
    (signal.SIGTERM, ("write_conversations", 1), []),
    (signal.SIGHUP, ("sft_backward", 1), ["data.jsonl"]),            # while it learns to copy
    (signal.SIGUSR1, ("sft_backward", 3), ["checkpoints/step-000001"]),
    (signal.SIGINT, ("sft_backward", 5), ["checkpoints/step-000003"]),
    (signal.SIGINT, ("evaluate", 1), ["config.json", "model.safetensors"])])
def test_a_signal_stops_a_run_in_any_phase_and_loses_nothing(forks, whole, tmp_path, number, at, kept):
    directory = tmp_path / "run"
    stopped = Forked(forks, directory, *SAVING, at=at, number=number)
    assert stopped.code == 128 + number and "Traceback" not in stopped.output, stopped.output
    assert all((directory / name).exists() for name in kept)
    assert not (directory / "eval.json").exists()
    done = Forked(forks, directory, *SFT, "--save-every", "2", "--keep", "2", "--resume")
    assert done.code == 0 and metrics(directory)[1:] == metrics(whole[0])[1:], done.output
    assert (directory / "eval.json").read_bytes() == (whole[0] / "eval.json").read_bytes()
    if at[0] == "evaluate":
        assert "sft_backward" not in done.calls   # the model was there


@pytest.mark.usefixtures("signals_as_in_a_terminal")
def test_the_second_signal_ends_at_once(forks, tmp_path):
    """The first comes in a step, the second when its checkpoint is begun, which is not finished."""
    stopped = Forked(forks, tmp_path / "run", *SAVING, at=("sft_backward", 5), number=signal.SIGINT,
                     times=2)
    assert stopped.code == -signal.SIGINT and "Traceback" not in stopped.output
    assert not (tmp_path / "run" / "checkpoints" / "step-000003").exists()


def test_nohup_stays_nohup():
    """What ignores a signal when it is started goes on ignoring it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    others = {number: signal.getsignal(number) for number in sft.SIGNALS}
    try:
        sft.catch_signals(sft.stop_at_once)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == sft.stop_at_once
    finally:
        for number, handler in {**others, signal.SIGHUP: before}.items():
            signal.signal(number, handler)


def test_overwriting_moves_a_run_aside_at_the_first_step_and_not_before(forks, whole, tmp_path):
    directory = tmp_path / "run"
    shutil.copytree(whole[0], directory)
    before = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    again = [*SFT, "--overwrite", "--seed", "1"]
    # Killed while it learns to copy: the old run is where it was.
    assert Forked(forks, directory, *again, at=("sft_backward", 2)).code == -signal.SIGKILL
    assert {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()} == before
    assert not Path(f"{directory}.1").exists()
    # --resume goes on with the new one, which then takes the old one's place.
    assert Forked(forks, directory, *SFT, "--resume", "--seed", "1").code == 0
    aside = Path(f"{directory}.1")
    assert {path.name: path.read_bytes() for path in aside.iterdir() if path.is_file()} == before
    assert metrics(directory)[0]["flags"]["seed"] == 1 and not Path(f"{directory}.new").exists()
    assert Forked(forks, directory, *SFT, "--overwrite", "--eval-n", "0").code == 0
    assert metrics(Path(f"{directory}.2"))[0]["flags"]["seed"] == 1


def test_one_rank_and_two_train_alike_and_one_resumes_two(whole, tmp_path):
    """Pitfalls 10 and 20: to 1e-5, whatever the number of ranks was."""
    run(*SFT, "--out", tmp_path, "--stop-after", "3", ranks=2)
    one, two = metrics(whole[0])[1:], metrics(tmp_path)[1:]
    assert len(two) == 3
    inside(*SFT, "--out", tmp_path, "--resume")
    for a, b in zip(one, metrics(tmp_path)[1:], strict=True):
        for key in ("loss", "grad_norm", "tokens", "lr"):
            assert a[key] == pytest.approx(b[key], rel=1e-5, abs=1e-6)


def test_refusals_touch_nothing(sft_run, tmp_path, monkeypatch):
    """What is no run is never written to or moved; a run that lives is left alone."""
    def listing(directory: Path) -> dict:
        return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}

    own = tmp_path / "own"
    own.mkdir()
    (own / "thesis.txt").write_text("ten years of work")
    shutil.copy(sft_run / "data.jsonl", own / "data.jsonl")
    before, run_before = listing(own), listing(sft_run)
    for flags in ([], ["--overwrite"], ["--resume"]):
        assert "is not empty and holds no run" in refusal(*SFT, "--out", own, *flags)
    new = Path(f"{sft_run}.new")   # where --overwrite would begin its run
    new.mkdir()
    (new / "thesis.txt").write_text("ten years of work")
    assert f"{new} is not empty and holds no run" in refusal(*SFT, "--out", sft_run, "--overwrite")
    shutil.rmtree(new)
    assert "lies in --out" in refusal(*SFT, "--out", own, "--data", own / "data.jsonl")
    assert "lies in --out" in refusal(*SFT, "--out", sft_run, "--model", sft_run, "--overwrite")
    assert "already holds a run" in refusal(*SFT, "--out", sft_run)
    assert "not allowed with" in refusal(*SFT, "--out", sft_run, "--overwrite", "--resume")
    monkeypatch.chdir(sft_run)
    for out in (".", ""):
        assert "since you are in it" in refusal(*SFT, "--out", out, "--overwrite")
    monkeypatch.undo()
    changed = refusal(*SFT, "--out", sft_run, "--resume", "--lr", "0.5", "--epochs", "3")
    assert "--epochs was 1.0 when the run began and is 3.0 now" in changed
    assert "--lr was 0.0015 when the run began and is 0.5 now" in changed
    gc.collect()
    lock = sft.claim(sft_run)
    for flags in (["--resume"], ["--overwrite"]):
        assert "another run is writing" in refusal(*SFT, "--out", sft_run, *flags)
    lock.close()
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nothing"):
        assert "cannot be written" in refusal(*SFT, "--out", out)
    assert listing(own) == before and listing(sft_run) == run_before


@pytest.mark.parametrize("flags", [["--batch-size", "0"], ["--lr", "-1"], ["--lr", "nan"],
                                   ["--lr", "inf"], ["--clip", "-1"], ["--micro-tokens", "0"],
                                   ["--epochs", "-1"], ["--epochs", "nan"], ["--eval-n", "-1"],
                                   ["--keep", "0"], ["--per-task", "0"], ["--workers", "0"],
                                   ["--layers", "0"], ["--width", "4"], ["--copy-steps", "1.5"],
                                   ["--replicas", "0"], ["--multi-turn-weight", "x"],
                                   ["--save-every", "-1"], ["--warmup", "-3"]])
def test_numbers_out_of_range_are_refused_with_their_range(flags, tmp_path):
    sentence = refusal(*SFT, *flags, "--out", tmp_path / "a")
    assert flags[0] in sentence and flags[1] in sentence
    assert "number of at least" in sentence or "finite number from" in sentence
    assert not (tmp_path / "a").exists()


def test_flags_that_change_no_result_may_change_and_changed_data_is_noticed(sft_run, tmp_path):
    data, directory = tmp_path / "data.jsonl", tmp_path / "run"
    shutil.copy(sft_run / "data.jsonl", data)
    args = [*SFT, "--data", data, "--out", directory]
    inside(*args, "--stop-after", "2", "--eval-n", "0")
    free = ["--micro-tokens", "99", "--slots", "3", "--save-every", "9", "--keep", "5",
            "--workers", "2", "--checkpointing", "--allow-weak", "--eval-n", "0"]
    with open(data, "a") as file:
        file.write(json.dumps({"messages": [{"role": "user", "content": "1 + 1?"},
                                            {"role": "assistant", "content": "<<<2>>>"}]}) + "\n")
    assert "data.jsonl has changed since the run began" in refusal(*args, *free, "--resume")
    shutil.copy(sft_run / "data.jsonl", data)
    inside(*args, *free, "--resume")
    assert [line["step"] for line in metrics(directory)[1:]] == [1, 2, 3, 4, 5, 6]
    assert not (directory / "eval.json").exists()   # --eval-n 0


def test_a_full_disk_ends_a_run_in_one_sentence_and_leaves_no_part(tmp_path):
    """A limit on the size of files stands for the disk; the optimiser's state is the largest."""
    import resource

    def small_files() -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]   # the sandbox sets limits of its own
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))

    done = subprocess.run([sys.executable, *SFT, "--out", str(tmp_path / "run"), "--save-every", "2"],
                          cwd=ROOT, env=ENV, capture_output=True, text=True, preexec_fn=small_files)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr[-3000:]
    assert "the checkpoint of step 2 cannot be written" in done.stderr.splitlines()[-1]
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []


def test_files_have_the_mode_that_the_umask_gives(whole):
    modes = {oct(path.stat().st_mode & 0o777) for path in whole[0].rglob("*") if path.is_file()}
    assert len(modes) == 1


def test_a_run_without_a_finite_step_says_so(sft_run, tmp_path):
    from safetensors.torch import load_file, save_file
    broken = tmp_path / "broken"
    shutil.copytree(sft_run, broken, ignore=shutil.ignore_patterns("checkpoints"))
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    sentence = refusal(*SFT, "--model", broken, "--out", tmp_path / "run")
    assert "no step had a finite gradient" in sentence
    lines = [json.loads(line, parse_constant=pytest.fail)   # NaN is no JSON
             for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["grad_norm"] for line in lines[1:]] == [None] * 6
    assert "is not finite" in refusal(*SFT, "--model", broken, "--out", tmp_path / "a", "--epochs", "0")
