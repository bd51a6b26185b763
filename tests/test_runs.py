"""Runs of sft.py and grpo.py: kills, signals, directories, refusals."""
import gc
import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import types
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

import sft
from test_scripts import ENV, GRPO, ROOT, SFT, inside, launch, metrics, refusal, run


@pytest.fixture
def signals_as_in_a_terminal():
    """A shell's background job ignores SIGINT, and nohup SIGHUP: what is started inherits that."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


SAVING = [*SFT, "--save-every", "2", "--keep", "2"]


def child(args: list[str], files: tuple[Path, Path], at: tuple[str, int], number: int,
          times: int) -> None:
    """Runs in a process of its own: a command that gets the signal `number` at a call, say the third
    of `sync`, and at the next ones up to `times` in all. What was called goes to the first file."""
    # As in a terminal, whatever the process of all forks has inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
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
    for name in ("write_conversations", "sft_backward", "rollout", "update", "evaluate"):   # its phases
        if hasattr(module, name):
            watch(module, name)
    for owner, names in ((sft, ("sync", "save_model", "sha256")), (sft.RunDir, ("add_line",)),
                         (os, ("replace", "rename")), (shutil, ("rmtree",))):
        for name in names:
            watch(owner, name)
    sys.argv = [str(arg) for arg in args]
    module.main()


@pytest.fixture(scope="module")
def forks():
    """Processes that have imported everything already, each forked from a clean one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["sft", "grpo", "transformers", "torch.distributed.fsdp",
                                        "torch.distributed.checkpoint", "test_runs"])
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


class Whole(NamedTuple):
    """A run that nothing disturbed: its directory, its command, and what it called."""
    directory: Path
    command: list[str]
    calls: list[str]


def undisturbed(forks, directory: Path, command: list[str]) -> Whole:
    done = Forked(forks, directory, *command)
    assert done.code == 0, done.output
    return Whole(directory, command, done.calls)


@pytest.fixture(scope="module")
def whole(forks, tmp_path_factory) -> Whole:
    return undisturbed(forks, tmp_path_factory.mktemp("whole") / "run", SAVING)


@pytest.fixture(scope="module")
def whole_grpo(forks, sft_run, tmp_path_factory) -> Whole:
    command = [*GRPO, "--model", str(sft_run), "--save-every", "1", "--keep", "2"]
    return undisturbed(forks, tmp_path_factory.mktemp("whole") / "run", command)


@pytest.fixture(params=["whole", "whole_grpo"])
def either(request) -> Whole:
    """A run of sft.py, and one of grpo.py."""
    return request.getfixturevalue(request.param)


def check_same(directory: Path, other: Path) -> None:
    """Everything but times, memory and the names of directories, bit for bit."""
    assert metrics(directory)[1:] == metrics(other)[1:]
    for name in ("data.jsonl", "pass_rates.jsonl", "model.safetensors", "eval.json", "trajectories.jsonl"):
        assert (directory / name).exists() == (other / name).exists(), name
        if (other / name).exists():
            assert (directory / name).read_bytes() == (other / name).read_bytes(), name
    left, expected = ({path.name for path in (run / "checkpoints").iterdir()} for run in (directory, other))
    assert left == expected and len(left) == 2


def resume(forks, directory: Path, other: Whole) -> Forked:
    """The same command with --resume ends in the same run."""
    done = Forked(forks, directory, *other.command, "--resume")
    assert done.code == 0, done.output
    check_same(directory, other.directory)
    return done


def kill_points(calls: list[str], slow: bool) -> list[int]:
    """Every call, or six of them evenly spread."""
    return list(range(1, len(calls) + 1)) if slow else [1 + i * len(calls) // 6 for i in range(6)]


def test_a_run_killed_anywhere_resumes_to_the_same_bits(forks, either, tmp_path, request):
    """Pitfall 20. The calls are those that change files, and the phases; with --slow, all of them."""
    phases = {"rollout", "update"} if "grpo.py" in either.command else {"write_conversations", "sft_backward"}
    assert {*phases, "evaluate", "save_model", "add_line", "replace", "rename", "sha256"} <= set(either.calls)
    for point in kill_points(either.calls, request.config.getoption("--slow")):
        directory = tmp_path / str(point)
        assert Forked(forks, directory, *either.command, at=("any", point)).code == -signal.SIGKILL
        resume(forks, directory, either)
        shutil.rmtree(directory)


@pytest.mark.slow
def test_a_run_killed_at_any_moment_resumes_to_the_same_bits(forks, either, tmp_path):
    rng = random.Random(0)
    began = time.time()
    Forked(forks, tmp_path / "timed", *either.command)
    duration = time.time() - began
    for i in range(20):
        directory = tmp_path / str(i)
        Forked(forks, directory, *either.command, wait=rng.random() * duration)
        resume(forks, directory, either)


@pytest.mark.parametrize("number, at, kept", [
    (signal.SIGTERM, ("write_conversations", 1), []),
    (signal.SIGHUP, ("sft_backward", 1), ["data.jsonl"]),            # while it learns to copy
    (signal.SIGUSR1, ("sft_backward", 3), ["checkpoints/step-000001"]),
    (signal.SIGINT, ("sft_backward", 5), ["checkpoints/step-000003"]),
    (signal.SIGINT, ("evaluate", 1), ["config.json", "model.safetensors"])])
def test_a_signal_stops_a_run_in_any_phase_and_loses_nothing(forks, whole, tmp_path, number, at, kept):
    done = stop_and_resume(forks, tmp_path / "run", whole, number, at, kept)
    if at[0] == "evaluate":
        assert "sft_backward" not in done.calls   # the model was there


@pytest.mark.parametrize("number, at, kept", [
    pytest.param(signal.SIGHUP, ("evaluate", 1), ["metrics.jsonl"], marks=pytest.mark.slow),   # before training
    (signal.SIGTERM, ("rollout", 1), ["metrics.jsonl"]),             # the measurement of p
    pytest.param(signal.SIGUSR1, ("rollout", 3), ["checkpoints/step-000002"], marks=pytest.mark.slow),
    (signal.SIGINT, ("update", 3), ["checkpoints/step-000003"]),
    pytest.param(signal.SIGTERM, ("evaluate", 2), ["checkpoints/step-000002"],
                 marks=pytest.mark.slow),                            # validation
    (signal.SIGHUP, ("evaluate", 4), ["config.json", "model.safetensors"])])
def test_a_signal_stops_reinforcement_learning_in_any_phase_and_loses_nothing(forks, whole_grpo, tmp_path,
                                                                              number, at, kept):
    done = stop_and_resume(forks, tmp_path / "run", whole_grpo, number, at, kept)
    if at == ("evaluate", 4):   # the first of the two in the end
        assert "update" not in done.calls and done.calls.count("evaluate") == 2


def stop_and_resume(forks, directory: Path, other: Whole, number: int, at: tuple[str, int],
                    kept: list[str]) -> Forked:
    stopped = Forked(forks, directory, *other.command, at=at, number=number)
    assert stopped.code == 128 + number and "Traceback" not in stopped.output, stopped.output
    assert all((directory / name).exists() for name in kept)
    assert not (directory / "eval.json").exists()
    done = Forked(forks, directory, *other.command, "--resume")
    assert done.code == 0 and metrics(directory)[1:] == metrics(other.directory)[1:], done.output
    for name in ("model.safetensors", "eval.json"):
        assert (directory / name).read_bytes() == (other.directory / name).read_bytes()
    return done


@pytest.mark.parametrize("program, words", [("sft.py", ["--out", "out"]), ("grpo.py", ["--out", "out"]), ("r1ci.py", ["show", "out"])])
def test_ctrl_c_while_torch_loads_ends_without_a_word(signals_as_in_a_terminal, tmp_path, program, words):
    process = subprocess.Popen([sys.executable, ROOT / program, *words], cwd=tmp_path, env=ENV,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    maps = Path(f"/proc/{process.pid}/maps")
    while "libtorch_cpu" not in maps.read_text() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    assert process.communicate() == ("", "") and process.returncode == 128 + signal.SIGINT
    assert not (tmp_path / "out").exists()


def test_ctrl_c_and_head_end_r1ci_without_a_traceback(signals_as_in_a_terminal, sft_run):
    evaluation = subprocess.Popen([sys.executable, ROOT / "r1ci.py", "eval", "--model", sft_run, "--n", "200", "--allow-weak"],
                                  env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert evaluation.stdout.readline().startswith("asking what")   # its imports are behind it
    evaluation.send_signal(signal.SIGINT)
    _, told = evaluation.communicate()
    assert evaluation.returncode == 130 and "Traceback" not in told
    show = subprocess.Popen([sys.executable, ROOT / "r1ci.py", "show", sft_run], env=ENV,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    show.stdout.close()   # as `| head` does when it has enough
    assert show.stderr.read() == "" and show.wait() == 1


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
    shutil.copytree(whole.directory, directory)
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


def test_a_new_run_finds_nothing_of_one_that_was_killed_before_its_first_step(tmp_path):
    """Not the rates of p, for example, that another model had."""
    out, new = tmp_path / "run", tmp_path / "run.new"   # a run, and an --overwrite that was killed
    for directory in (out, new):
        directory.mkdir()
        (directory / "metrics.jsonl").write_text('{"flags": {}}\n')
    (new / "pass_rates.jsonl").write_text("p")
    world = sft.World(rank=0, size=1, device=torch.device("cpu"), dtype=torch.float32)
    sandbox = types.SimpleNamespace(describe_layers=lambda: "a sandbox")
    flags = dict(out=str(out), resume=False, overwrite=True, log=None)
    with pytest.raises(SystemExit, match="run.new already holds a run"):   # where OUT holds none
        (out / "metrics.jsonl").rename(tmp_path / "elsewhere")
        sft.RunDir({**flags, "overwrite": False}, world, sandbox)
    (tmp_path / "elsewhere").rename(out / "metrics.jsonl")
    run = sft.RunDir(flags, world, sandbox)
    assert run.path == new and {path.name for path in new.iterdir()} == {"lock", "metrics.jsonl"}
    assert (tmp_path / "run.1" / "pass_rates.jsonl").read_text() == "p"
    run.take_place()
    assert run.path == out and not new.exists() and (tmp_path / "run.2" / "metrics.jsonl").exists()


def test_one_rank_and_two_train_alike_and_one_resumes_two(whole, tmp_path):
    """Pitfalls 10 and 20: to 1e-5, whatever the number of ranks was."""
    run(*SFT, "--out", tmp_path, "--stop-after", "3", ranks=2)
    one, two = metrics(whole.directory)[1:], metrics(tmp_path)[1:]
    assert len(two) == 3
    inside(*SFT, "--out", tmp_path, "--resume")
    for a, b in zip(one, metrics(tmp_path)[1:], strict=True):
        for key in ("loss", "grad_norm", "tokens", "lr"):
            assert a[key] == pytest.approx(b[key], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("phase, count", [
    ("update", 3), pytest.param("rollout", 4, marks=pytest.mark.slow),
    pytest.param("checkpoint", 3, marks=pytest.mark.slow)])
def test_a_rank_that_dies_ends_the_other_and_both_resume_to_the_same_bits(whole_of_two, tmp_path, phase, count):
    """No traceback of ours: torch writes a rank's number in front of each line of one."""
    killed = launch(2, "tests/lost_rank.py", phase, count, *whole_of_two.command, "--out", tmp_path / "run")
    said = killed.stdout + killed.stderr
    assert killed.returncode == 1 and "[rank0]:" not in said, said[-4000:]
    assert "exitcode  : -9" in said                   # torchrun's own report
    assert not (tmp_path / "run" / "eval.json").exists()
    run(*whole_of_two.command, "--out", tmp_path / "run", "--resume", ranks=2)
    check_same(tmp_path / "run", whole_of_two.directory)


@pytest.fixture(scope="module")
def whole_of_two(sft_run, tmp_path_factory) -> Whole:
    directory = tmp_path_factory.mktemp("whole") / "run"
    command = [*GRPO, "--model", str(sft_run), "--save-every", "1", "--keep", "2"]
    run(*command, "--out", directory, ranks=2)
    return Whole(directory, command, [])


def test_the_loss_of_a_rank_is_told_from_errors_of_the_code():
    two = sft.World(rank=0, size=2, device=torch.device("cpu"), dtype=torch.float32)
    with pytest.raises(SystemExit), sft.explain_lost_rank(two):
        raise RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:37082")
    with pytest.raises(RuntimeError, match="shapes"), sft.explain_lost_rank(two):
        raise RuntimeError("the shapes cannot be multiplied")
    with pytest.raises(RuntimeError), sft.explain_lost_rank(replace(two, size=1)):
        raise RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:37082")


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
    assert "since you are in it" in refusal(*SFT, "--out", ".", "--overwrite")
    monkeypatch.undo()
    changed = refusal(*SFT, "--out", sft_run, "--resume", "--lr", "0.5", "--epochs", "3")
    assert "--epochs was 1.0 when the run began and is 3.0 now" in changed
    assert "--lr was 0.0015 when the run began and is 0.5 now" in changed
    gc.collect()
    lock = sft.hold_lock(sft_run / "lock")
    for flags in (["--resume"], ["--overwrite"]):
        assert "another run is writing" in refusal(*SFT, "--out", sft_run, *flags)
    lock.close()
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nothing"):
        assert "cannot be written" in refusal(*SFT, "--out", out)
    assert listing(own) == before and listing(sft_run) == run_before


@pytest.mark.parametrize("flags", [["--batch-size", "0"], ["--lr", "-1"], ["--lr", "nan"],
                                   ["--lr", "inf"], ["--lr", "1e300"], ["--max-grad-norm", "-1"], ["--micro-tokens", "0"],
                                   ["--epochs", "-1"], ["--epochs", "nan"], ["--eval-n", "-1"],
                                   ["--keep", "0"], ["--per-task", "0"], ["--workers", "0"],
                                   ["--layers", "0"], ["--width", "4"], ["--copy-steps", "1.5"],
                                   ["--replicas", "0"], ["--multi-turn-weight", "x"],
                                   ["--save-every", "-1"], ["--warmup", "-3"]])
def test_numbers_out_of_range_are_refused_with_their_range(flags, tmp_path):
    sentence = refusal(*SFT, *flags, "--out", tmp_path / "a")
    assert flags[0] in sentence and flags[1] in sentence
    assert "number of at least" in sentence or "number from" in sentence
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


def test_a_file_that_others_put_into_a_checkpoint_does_no_harm(whole, tmp_path):
    checkpoint = tmp_path / "step-000002"
    shutil.copytree(next((whole.directory / "checkpoints").iterdir()), checkpoint)
    assert sft.is_whole(checkpoint)
    (checkpoint / ".DS_Store").write_text("a desktop's notes")
    assert sft.is_whole(checkpoint)
    os.truncate(checkpoint / "state.json", 5)
    assert not sft.is_whole(checkpoint)
    os.remove(checkpoint / "state.json")
    assert not sft.is_whole(checkpoint)
    (checkpoint / "SHA256SUMS").write_text("")
    assert not sft.is_whole(checkpoint)


def test_a_model_that_has_changed_is_not_gone_on_with(sft_run, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(sft_run, model, ignore=shutil.ignore_patterns("checkpoints"))
    args = [*GRPO, "--model", model, "--out", tmp_path / "run"]
    inside(*args, "--stop-after", "1")
    text = (model / "tokenizer.json").read_text()
    (model / "tokenizer.json").write_text(text + "\n")
    assert f"{model} has changed since the run began" in refusal(*args, "--resume")
    (model / "tokenizer.json").write_text(text)
    inside(*args, "--resume", "--stop-after", "2")


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
    modes = {oct(path.stat().st_mode & 0o777) for path in whole.directory.rglob("*") if path.is_file()}
    assert len(modes) == 1


def test_a_run_without_a_finite_step_says_so(sft_run, tmp_path):
    from safetensors.torch import load_file, save_file
    broken = tmp_path / "broken"
    shutil.copytree(sft_run, broken, ignore=shutil.ignore_patterns("checkpoints"))
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    sentence = refusal(*SFT, "--model", broken, "--out", tmp_path / "run")
    assert "the last 6 steps were skipped" in sentence
    lines = [json.loads(line, parse_constant=pytest.fail)   # NaN is no JSON
             for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["grad_norm"] for line in lines[1:]] == [None] * 6
    assert "is not finite" in refusal(*SFT, "--model", broken, "--out", tmp_path / "a", "--epochs", "0")
