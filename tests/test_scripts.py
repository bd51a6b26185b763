"""sft.py, grpo.py and r1ci.py as a reader types them, at a size of seconds."""
import contextlib
import gc
import importlib
import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

import grpo
import r1ci
import sft
import tiny
from tasks.conversation import Protocol
from tasks.flags import CommandLine
from tasks.questions import own_questions

ROOT = Path(__file__).parent.parent
SFT = ["sft.py", "--tasks", "rg/gcd,bbh/disambiguation_qa", "--per-task", "12", "--width", "32",
       "--copy-steps", "2", "--epochs", "1", "--batch-size", "4", "--eval-n", "2",
       "--max-tokens", "60", "--max-turn-tokens", "30", "--workers", "1"]
GRPO = ["grpo.py", "--tasks", "rg/gcd,bbh/disambiguation_qa", "--per-task", "4", "--stages", "2",
        "--steps-per-stage", "2", "--potential-samples", "2", "--batch-size", "2",
        "--group-size", "2", "--val-n", "2", "--eval-n", "2", "--eval-every", "2",
        "--max-tokens", "60", "--max-turn-tokens", "30", "--workers", "1", "--kl-coef", "0.01"]
OWN = [GRPO[0], *GRPO[3:]]   # for questions of one's own: without --tasks
ENV = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}


def launch(ranks: int, *args: str) -> subprocess.CompletedProcess:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(ranks)]
    return subprocess.run([*launcher, *map(str, args)], cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=300)


def run(*args: str, ranks: int) -> str:
    """What torchrun prints."""
    done = launch(ranks, *args)
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


def metrics(directory: Path) -> list[dict]:
    """The metric lines without times and memory, and the flags without the names of directories."""
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        for key in ("seconds", "t_switch", "t_sample", "t_update", "tok_s", "mem_gb"):
            line.pop(key, None)
        for key in ("out", "stop_after", "resume", "overwrite", "save_every"):
            line.get("flags", {}).pop(key, None)
    return lines


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
    asked = inside("r1ci.py", "ask", "What is 2 + 2?", *common)
    assert "What is 2 + 2?" in asked and "was trained on: rg/gcd,bbh/disambiguation_qa" in asked
    shown = inside("r1ci.py", "show", tmp_path / "t.jsonl", "--model", grpo_run, "--n", "2")
    assert shown.count("stop_reason") == 2 and "<|im_start|>assistant" in shown


def test_a_model_is_asked_what_it_was_trained_on(grpo_run, sft_run, tmp_path):
    flags = json.loads((grpo_run / "metrics.jsonl").read_text().splitlines()[0])["flags"]
    out = inside("r1ci.py", "eval", "--model", grpo_run, "--n", "1", "--workers", "1")
    assert f"asking what {grpo_run} was trained on: {flags['tasks']}" in out
    assert out.count("rg/") == flags["tasks"].count("rg/") * 2      # named in that line and in the table
    asked = inside("r1ci.py", "ask", "--task", "rg/gcd", "--model", grpo_run)
    assert "greatest common divisor" in asked and ("right" in asked or "wrong: expected" in asked)
    assert "one of the arguments question --task is required" in refusal("r1ci.py", "ask", "--model", grpo_run)
    shown = inside("r1ci.py", "show", grpo_run, "--n", "1")
    assert "<|im_start|>" in shown and shown.startswith("step 1  answer 0  advantage ")
    assert "step 2  answer 0" in inside("r1ci.py", "show", grpo_run, "--n", "1", "--step", "2")
    assert "holds no conversations of a step 99" in refusal("r1ci.py", "show", grpo_run, "--step", "99")
    assert "there is no number 900" in refusal("r1ci.py", "show", grpo_run, "--first", "900")


def test_grpo_asks_a_model_as_it_was_fine_tuned_unless_it_is_told_more(tmp_path, monkeypatch):
    """What is typed comes first, then a preset's values, then those of the run that made the model."""
    flags = dict(format="tags", mode="guided", level=2, max_turn_tokens=77, max_tokens=333, max_calls=3, lr=9.0, tasks="rg/lcm")
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"flags": flags}) + "\n")

    def told(*typed: str) -> tuple:
        parser = CommandLine()
        grpo.add_flags(parser)
        monkeypatch.setattr(sys, "argv", ["grpo.py", *typed])
        args = grpo.parse_flags(parser)
        return args.format, args.mode, args.level, args.max_turn_tokens, args.max_tokens, args.max_calls

    model = ["--model", str(tmp_path)]
    assert told(*model) == ("tags", "guided", 2, 77, 333, 3)
    assert told(*model, "--format", "boxed", "--level", "4") == ("boxed", "guided", 4, 77, 333, 3)
    assert told(*model, "--preset", "laptop") == ("tags", "guided", 2, 192, 448, 3)
    default = Protocol()
    limits = default.max_turn_tokens, default.max_tokens, default.max_calls
    assert told("--model", str(tmp_path / "none")) == ("fence", "ci", 1, *limits)


def test_the_tiny_models_learning_rate_is_named_where_a_wide_model_gets_it(tmp_path):
    wide = tiny.model(hidden_size=512, intermediate_size=64, head_dim=16)
    r1ci.save_model(wide, tiny.chat().tokenizer, tmp_path / "wide")
    common = ["sft.py", "--model", tmp_path / "wide", "--tasks", "rg/gcd", "--per-task", "4", "--batch-size", "4",
              "--epochs", "0", "--eval-n", "0", "--workers", "1", "--out"]
    assert "--lr 0.0015" in inside(*common, tmp_path / "a")
    assert "--lr" not in inside(*common, tmp_path / "b", "--lr", "1e-5")


def test_a_run_that_has_not_ended_names_its_checkpoint(sft_run, tmp_path):
    said = inside(*SFT, "--stop-after", "2", "--out", tmp_path / "run")
    assert "--warmup 50 ends after the last step, 6" in said
    said = refusal("r1ci.py", "eval", "--model", tmp_path / "run")
    assert "has not ended" in said and "--resume, or take" in said and "step-000002" in said
    checkpoint = tmp_path / "run/checkpoints/step-000002"   # is asked as it was trained, too
    report = tmp_path / "report.json"
    out = inside("r1ci.py", "eval", "--model", checkpoint, "--n", "1", "--workers", "1", "--json", report)
    assert f"asking what {checkpoint} was trained on" in out
    asked, trained = (json.loads(text)["flags"] for text in (
        report.read_text(), (tmp_path / "run/metrics.jsonl").read_text().splitlines()[0]))
    assert all(asked[name] == trained[name] for name in ("tasks", "level", "max_tokens", "max_turn_tokens"))


def test_a_run_on_questions_of_ones_own(sft_run, tmp_path):
    """It trains on none of those that are held out, and `eval` then asks just these."""
    path = tmp_path / "sums.jsonl"
    lines = [dict(question=f"What is {a} + {a + 7}?", answer=2 * a + 7) for a in range(40)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    inside(*OWN, "--model", sft_run, "--questions", path, "--out", tmp_path / "run")
    trained = [json.loads(line) for line in (tmp_path / "run/pass_rates.jsonl").read_text().splitlines()]
    assert trained and {line["task"] for line in trained} == {"user/sums"}
    held_out = {q.seed for q in own_questions(path, "eval", 40)}
    assert held_out and held_out.isdisjoint(line["seed"] for line in trained)
    asked = tmp_path / "t.jsonl"
    asking = inside("r1ci.py", "eval", "--model", tmp_path / "run", "--workers", "1", "--trajectories", asked)
    flags = json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[0])["flags"]
    again = {q.seed for q in own_questions(path, "eval", flags["eval_n"])}   # those that the run has asked
    assert {json.loads(line)["seed"] for line in asked.read_text().splitlines()} == again <= held_out
    # Of the file that it was trained on only what was held out, and no more than is asked for.
    again = ["r1ci.py", "eval", "--model", tmp_path / "run", "--workers", "1", "--questions", path, "--n", "1", "--trajectories"]
    before = path.read_bytes()
    assert f"{path} exists: choose another file" in refusal(*again, path)   # the questions themselves
    assert path.read_bytes() == before
    inside(*again, tmp_path / "one.jsonl")
    [line] = (tmp_path / "one.jsonl").read_text().splitlines()
    assert json.loads(line)["seed"] in held_out
    moved = tmp_path / "elsewhere.jsonl"   # the same file: what was trained on is left out still
    moved.write_bytes(before)
    inside(*again[:-4], moved, "--n", "40", "--trajectories", tmp_path / "moved.jsonl")
    assert {json.loads(line)["seed"] for line in (tmp_path / "moved.jsonl").read_text().splitlines()} <= held_out
    forgotten = refusal(*OWN, "--model", sft_run, "--out", tmp_path / "run", "--resume")
    assert f"--questions was {path} when the run began and is None now" in forgotten and "has changed" not in forgotten
    path.write_text("".join(json.dumps(line) + "\n" for line in lines[1:]))
    changed = refusal(*OWN, "--model", sft_run, "--questions", path, "--out", tmp_path / "run", "--resume")
    assert f"{path} has changed since the run began" in changed
    out = inside("r1ci.py", "eval", "--model", tmp_path / "run", "--workers", "1", "--n", "1")
    assert f"note: {path} has changed since" in out
    assert "has changed since" not in asking
    assert "line 2" in refusal(*OWN, "--questions", broken_line(tmp_path), "--out", tmp_path / "other")
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
    assert "leaves no room for a prompt" in refusal(*SFT, "--max-tokens", "2048", "--out", tmp_path / "a")
    shutil.copytree(sft_run, tmp_path / "a.new")   # where --overwrite would write
    for name, source in (("--model", tmp_path / "a.new"), ("--data", tmp_path / "a.new" / "data.jsonl")):
        assert f"{name} {source} lies in --out" in refusal(*SFT, name, source, "--out", tmp_path / "a", "--overwrite")
    assert "unknown task" in refusal("r1ci.py", "eval", "--model", sft_run, "--tasks", "rg/gdc", "--json", tmp_path / "left.json")
    assert not (tmp_path / "left.json").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RANK", "0")
        assert "start with torchrun, or unset RANK" in refusal(*SFT, "--out", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_refusal_is_one_line_and_a_failing_exit():
    done = subprocess.run([sys.executable, "sft.py", "--tasks", "rg/gdc"], cwd=ROOT, env=ENV, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "unknown task 'rg/gdc'" in done.stderr


@pytest.mark.parametrize("command", [
    ["grpo.py", "--stagse", "3"], ["grpo.py", "--stages", "0"], ["sft.py", "--width", "13"], ["sft.py", "--out", ""],
    ["r1ci.py"], ["r1ci.py", "evil"], ["r1ci.py", "eval", "--model", "runs/sft", "--n", "0"], ["-m", "tasks.teacher"],
    ["-m", "tasks", "--level", "9"]])
def test_a_wrong_flag_is_one_sentence(command):
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=ENV, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "error: " in done.stderr and not done.stdout


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
