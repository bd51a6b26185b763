"""The trainer: memory and batches, the memory table, run directories and their checkpoints."""
import argparse
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

import r1ci
import sft
from tasks import flags
import tiny
from memory import GIB, Setting, memory_needed
from r1ci import micro_batches
from shapes import shape


class Largest(TorchDispatchMode):
    """Remembers the most elements that a tensor had, of all that any operation returned."""
    numel = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.numel())
        return result


def test_no_tensor_of_all_tokens_times_the_vocabulary_is_made_forward_or_backward(monkeypatch):
    model, vocab, chunk = tiny.model(vocab_size=1000), tiny.chat().tokenizer_size, 16
    ids = torch.randint(0, vocab, (4, 64))
    monkeypatch.setattr(r1ci, "LOGITS_CHUNK", chunk)
    with Largest() as largest:
        tiny.score(model, ids, torch.ones_like(ids), vocab).logps.sum().backward()
    # A chunk's logits, or the head's gradient.
    assert chunk * 1000 <= largest.numel <= max(chunk * 1000, 1000 * 32)
    with Largest() as largest:
        model(ids)
    assert largest.numel == 4 * 64 * 1000


LENGTHS = {  # prompt and conversation: how long rows are, the budget, how many there are
    "exponential": (lambda rng: min(4096, 1 + int(rng.expovariate(1 / 400))), 16_384,
                    (64, 128, 320, 640)),
    "uniform": (lambda rng: rng.randint(200, 4096), 16_384, (16, 128, 640)),
    "tiny": (lambda rng: min(384, 60 + int(rng.expovariate(1 / 40))), 1024, (16, 32, 128)),
    "two kinds": (lambda rng: rng.choice((100, 4096)), 16_384, (7, 128)),
}


@pytest.mark.parametrize("kind", LENGTHS)
def test_padding_is_at_most_three_tenths_of_a_pass_or_what_one_more_would_cost(kind):
    draw, budget, counts = LENGTHS[kind]
    for count in counts:
        rng = random.Random(f"{kind}/{count}")
        lengths = [draw(rng) for _ in range(count)]
        batches = micro_batches(lengths, budget)
        assert sorted(i for batch in batches for i in batch) == list(range(count))
        for batch in batches:
            padded = max(lengths[i] for i in batch) * len(batch)
            padding = padded - sum(lengths[i] for i in batch)
            assert padded <= budget and padding <= max(0.3 * padded, 256)
        assert len(batches) <= 2 * sum(lengths) / budget + 16   # and not the rows one by one


def test_rows_of_one_length_fill_the_budget():
    assert [len(batch) for batch in micro_batches([100] * 25, 1000)] in ([10, 10, 5], [5, 10, 10])
    assert micro_batches([], 1000) == [] and micro_batches([5000], 1000) == [[0]]


def test_a_full_device_is_reported_with_the_flag_to_lower(monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    world = sft.World(0, 1, torch.device("cpu"), torch.float32)
    model = tiny.model()
    with monkeypatch.context() as patch, \
            pytest.raises(SystemExit, match="lower --micro-tokens.*--checkpointing"):
        patch.setattr(sft, "token_logps", full)
        sft.sft_backward(model, [sft.Example([1, 2, 3], [0, 1, 1])], world, 100, 10)
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="lower --slots"):
        patch.setattr(r1ci, "KVCache", full)
        interpreter = r1ci.Interpreter(model, tiny.chat(), tiny.sandbox())
        r1ci.rollout(interpreter, [tiny.instance()], 2, r1ci.Protocol(), key=(0,))
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="add --offload"):
        patch.setattr(torch, "zeros_like", full)
        sft.make_optimizer(model, 0.1, 0.0, world)
    optimizer = torch.optim.SGD(model.parameters())
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="add --offload"):
        patch.setattr(optimizer, "step", full)
        sft.optimizer_step(model, optimizer, 0.1, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device"))])
def test_the_memory_table_is_within_a_fifth_of_the_measured_peak(device, checkpointing):
    """Of the second of two steps: first where activations dominate, then where weights do."""
    world = sft.start_world(device)
    for width, layers, context, rows in ((128, 4, 256, 4), (384, 6, 64, 2)):
        config = r1ci.ModelConfig(
            vocab_size=4000, hidden_size=width, intermediate_size=4 * width,
            num_hidden_layers=layers, num_attention_heads=width // 32, num_key_value_heads=2)
        model = sft.shard(r1ci.load_model(config, device), world, checkpointing=checkpointing)
        optimizer = sft.make_optimizer(model, 1e-6, 0.0, world)

        def step():
            examples = [sft.Example(list(range(context)), [1] * context)] * 2 * rows
            sft.sft_backward(model, examples, world, 4000, context * rows)
            sft.optimizer_step(model, optimizer, 1e-6, 1.0)

        step()
        need = memory_needed(config, Setting(
            context=context, micro_tokens=context * rows, checkpointing=checkpointing,
            keep_sampler=False, compute_bytes=4 if device == "cpu" else 2))
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            step()
            measured = torch.cuda.max_memory_allocated() / GIB
        else:
            with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
                step()
            events = profiler.profiler.kineto_results.events()
            events = [e for e in events if e.name() == "[memory]"]
            events.sort(key=lambda e: e.start_ns())
            grown = itertools.accumulate(e.nbytes() for e in events)
            # The weights and Adam's moments were there before.
            measured = 3 * need["weights"] + max(grown) / GIB
        assert need["update"] == pytest.approx(measured, rel=0.2)
    dist.destroy_process_group()


@pytest.mark.parametrize("size, capacity, setting", [
    ("0.5B", 24, Setting(context=4096, slots=32, micro_tokens=8192, checkpointing=True)),
    ("1.5B", 24, Setting(context=4096, slots=32, micro_tokens=4096, checkpointing=True,
                        offload=True)),
    ("3B", 80, Setting(context=8192, slots=64, micro_tokens=16_384, checkpointing=True)),
    ("7B", 80, Setting(context=8192, slots=64, micro_tokens=16_384, checkpointing=True,
                        offload=True)),
    ("7B", 80, Setting(ranks=8, context=8192, slots=64, micro_tokens=16_384, checkpointing=True)),
    ("14B", 80, Setting(ranks=8, context=8192, slots=8, micro_tokens=16_384, checkpointing=True,
                        keep_sampler=False)),
])
def test_the_recipes_of_the_readme_fit(size, capacity, setting):
    """With a twentieth to spare and a gigabyte for CUDA itself.

    `capacity` is in 10 ** 9 bytes, as cards are sold.
    """
    need = memory_needed(shape(size), setting)
    assert max(need["update"], need["rollout"]) * GIB + 1e9 < 0.95 * capacity * 1e9, need


# ---- run directories -----------------------------------------------------------------------------

FLAGS = {"lr": 0.1, "keep": 1}


@pytest.fixture
def world():
    yield sft.start_world("cpu")
    dist.destroy_process_group()


def run_flags(path: Path, **how) -> dict:
    """The flags of a run, as a program parses them; `how` adds to FLAGS, or changes them."""
    return {"out": str(path), "resume": False, "overwrite": False, "log": None, **FLAGS, **how}


def open_run(path: Path, world: sft.World, **how) -> sft.RunDir:
    return sft.RunDir(run_flags(path, **how), world, tiny.sandbox())


def save(run: sft.RunDir, step: int, keep: int, extra_files=None, **state) -> Path:
    """A checkpoint of a model that has taken so many steps, each logged."""
    model = sft.shard(tiny.model(), run.world)
    optimizer = sft.make_optimizer(model, 0.1, 0.0, run.world)
    for i in range(1, step + 1):
        sft.sft_backward(model, [sft.Example([1, 2, 3], [0, 1, 1])], run.world, 4, 10)
        sft.optimizer_step(model, optimizer, 0.1, 1.0)
    run.log({"step": step})
    run.flags["keep"] = keep
    return run.save(model, optimizer, tiny.chat().tokenizer, {"step": step, "cursor": step, **state},
                    extra_files=extra_files)


def test_log_sends_every_number_of_a_step_to_a_tracker(world, tmp_path, monkeypatch):
    sent = []
    tracked = types.SimpleNamespace(log=lambda numbers, step: sent.append((step, numbers)))
    fake = types.SimpleNamespace(init=lambda **how: sent.append(how["config"]) or tracked)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    run = open_run(tmp_path / "run", world, log="wandb")
    run.log({"step": 3, "loss": 0.5, "kl": float("nan")})
    assert sent == [run_flags(tmp_path / "run", log="wandb"), (3, {"step": 3, "loss": 0.5})]   # nan is no number


def test_a_checkpoint_restores_weights_optimiser_and_state(world, tmp_path):
    """Pitfall 20. The next step, which Adam's moments decide, gives all weights the same bits."""
    run = open_run(tmp_path / "run", world)
    path = save(run, 3, keep=1, extra_files=lambda directory: (directory / "more").write_text("x"))
    assert path.name == "step-000003" and (path / "more").read_text() == "x"
    run.log({"step": 4})   # not in the checkpoint
    run.locks[0].close()
    again = open_run(tmp_path / "run", world, resume=True)
    assert again.resumed == path and again.state["cursor"] == again.state["step"] == 3
    models = []
    for resumed in (False, True):
        model = sft.shard(tiny.model(seed=7 if resumed else 0), world)
        optimizer = sft.make_optimizer(model, 0.1, 0.0, world)
        if resumed:
            again.load(model, optimizer)
        for _ in range(1 if resumed else 4):
            sft.sft_backward(model, [sft.Example([1, 2, 3], [0, 1, 1])], world, 4, 10)
            sft.optimizer_step(model, optimizer, 0.1, 1.0)
        models.append(sft.weights_on_main(model, world))
    assert all(torch.equal(models[1][key], value) for key, value in models[0].items())
    lines = (again.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line).get("step") for line in lines] == [None, 3]


@pytest.mark.parametrize("tasks, named", [("rg/gcd", None), ("train", None), ("rg/gcd,test", "37 of"), (None, None)])
def test_who_trains_on_held_out_tasks_is_told(tmp_path, capsys, monkeypatch, tasks, named):
    monkeypatch.setattr(sft, "catch_signals", lambda handler: None)
    parser = flags.CommandLine("x")
    args = argparse.Namespace(out=str(tmp_path), model=None, overwrite=False, log=None, width=128, max_tokens=60,
                              device="cpu", dtype="float32", preset="paper", lr=1.0, tasks=tasks, level=1,
                              batch_size=2, replicas=1, offload=False)
    try:
        sft.check_and_start(parser, args)
    finally:
        dist.destroy_process_group()
    said = capsys.readouterr().out
    assert ("held out as whole tasks" in said) == bool(named) and (named or "") in said


def test_the_log_says_when_a_run_goes_on_in_another_sandbox(world, tmp_path):
    """--allow-weak may come with --resume; a reader of the log has to learn of it."""
    log = tmp_path / "run" / "metrics.jsonl"
    lines = []
    for kind in ("sandbox: seccomp", "weak sandbox: no seccomp", "weak sandbox: no seccomp", "sandbox: seccomp"):
        sandbox = types.SimpleNamespace(describe_layers=lambda: kind)
        run = sft.RunDir(run_flags(tmp_path / "run", resume=bool(lines)), world, sandbox)
        model = sft.shard(tiny.model(), world)
        run.load(model, sft.make_optimizer(model, 0.1, 0.0, world))
        run.log({"step": 1})
        run.locks[0].close()
        first, step = map(json.loads, log.read_text().splitlines())
        lines.append(first["sandbox"])
        assert step == {"step": 1} and first["flags"] == run_flags(tmp_path / "run")
    both = "sandbox: seccomp; then weak sandbox: no seccomp"
    assert lines == ["sandbox: seccomp", both, both, both]
    # Where a finished model is only asked again, nothing is cut.
    sandbox = types.SimpleNamespace(describe_layers=lambda: "weak sandbox: none")
    sft.RunDir(run_flags(tmp_path / "run", resume=True), world, sandbox).note_sandbox()
    first, step = map(json.loads, log.read_text().splitlines())
    assert first["sandbox"] == f"{both}; then weak sandbox: none" and step == {"step": 1}


def test_a_run_is_older_or_newer_than_a_flag(world, tmp_path, capsys):
    """Whoever adds a flag can still resume his runs; one that has decided results may not just go."""
    def resume(flags: dict) -> None:
        sft.RunDir(flags, world, tiny.sandbox()).locks[0].close()

    same = run_flags(tmp_path / "run", resume=True)

    open_run(tmp_path / "run", world).locks[0].close()
    resume({**same, "length_price": 0.0})
    assert "note: the run began without --length-price, which is 0.0 from now on" in capsys.readouterr().out
    resume(same)
    assert "note" not in capsys.readouterr().out
    with pytest.raises(SystemExit, match="--lr was 0.1 when the run began and is no flag now"):
        resume({name: value for name, value in same.items() if name != "lr"})


def test_a_checkpoint_before_the_first_gradient_changes_no_later_step(world, tmp_path):
    """All groups of the first steps can have equal rewards: then nothing has had a gradient when it is saved."""
    run = open_run(tmp_path / "run", world)
    after = []
    for saves, resumes in ((False, False), (True, False), (False, True)):
        model = sft.shard(tiny.model(), world)
        optimizer = sft.make_optimizer(model, 0.1, 0.0, world)
        if resumes:
            run.locks[0].close()
            open_run(tmp_path / "run", world, resume=True).load(model, optimizer)
        sft.optimizer_step(model, optimizer, 0.1, 1.0)
        if saves:
            run.save(model, optimizer, tiny.chat().tokenizer, {"step": 1})
        sft.sft_backward(model, [sft.Example([1, 2, 3], [0, 1, 1])], world, 4, 10)
        sft.optimizer_step(model, optimizer, 0.1, 1.0)
        after.append(sft.weights_on_main(model, world))
    for other in after[1:]:
        assert all(torch.equal(other[key], value) for key, value in after[0].items())


def test_a_step_is_saved_once(world, tmp_path):
    """Saved again, a kill between its removal and its renaming would leave no checkpoint."""
    run = open_run(tmp_path / "run", world)
    path = save(run, 1, keep=1)
    written = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    assert save(run, 1, keep=1) == path
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == written


@pytest.mark.parametrize("finished", [False, True])
def test_the_log_of_a_finished_model_stays(world, tmp_path, finished):
    """sft.py saves no checkpoint by default: --resume then begins again, or has only the evaluation left."""
    run = open_run(tmp_path / "run", world)
    for step in (1, 2, 3):
        run.log({"step": step})
    if finished:
        (run.path / "broken link").symlink_to(tmp_path / "nowhere")   # a tracker leaves such
        run.finish(sft.shard(tiny.model(), world), tiny.chat().tokenizer)
    run.locks[0].close()
    again = open_run(tmp_path / "run", world, resume=True)
    if not finished:
        model = sft.shard(tiny.model(), world)
        again.load(model, sft.make_optimizer(model, 0.1, 0.0, world))
    lines = (again.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line).get("step") for line in lines] == ([None, 1, 2, 3] if finished else [None])


def test_the_newest_checkpoints_and_the_best_are_kept(world, tmp_path):
    run = open_run(tmp_path / "run", world)
    for step in (1, 2, 3, 4):
        save(run, step, keep=2, best_step=1)
    names = sorted(path.name for path in run.checkpoints.iterdir())
    assert names == ["step-000001", "step-000003", "step-000004"]


def damages(checkpoint: Path) -> list[tuple[Path, str]]:
    """Every file of a checkpoint, in every way that a disk or a person damages it."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    ways = ("gone", "empty", "cut", "flipped", "directory")
    return [(path, how) for path in files for how in ways]


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    path.unlink()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(data[:len(data) // 2])
    elif how == "flipped":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:])
    elif how == "directory":
        path.mkdir()


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_used(world, tmp_path, capsys,
                                                                      request):
    run = open_run(tmp_path / "run", world)
    for step in (1, 2):
        save(run, step, keep=2)
    run.locks[0].close()
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], check=True,
                   cwd=run.checkpoints / "step-000002", stdout=subprocess.DEVNULL)
    ways = damages(run.checkpoints / "step-000002")
    for i, (path, how) in enumerate(ways if request.config.getoption("--slow") else ways[::7]):
        copy = tmp_path / str(i)
        shutil.copytree(run.path, copy)
        damage(copy / path.relative_to(run.path), how)
        resumed = open_run(copy, world, resume=True)
        assert resumed.resumed == copy / "checkpoints" / "step-000001", (path, how)
        assert "step-000002 is damaged and not used" in capsys.readouterr().out
        resumed.locks[0].close()
        # The damaged one is out of the way: a new step 2 is saved and outlives it.
        save(resumed, 2, keep=1)
        assert (resumed.checkpoints / "step-000002").exists()
    shutil.copytree(run.path, tmp_path / "all")
    for path in (tmp_path / "all" / "checkpoints").rglob("state.json"):
        path.write_text("{}")
    for _ in range(2):   # and nothing is forgotten by being looked at
        with pytest.raises(SystemExit, match="every checkpoint in .* is damaged; --overwrite"):
            open_run(tmp_path / "all", world, resume=True)


def test_what_is_replaced_is_on_the_disk_before_the_older_one_goes(world, tmp_path, monkeypatch):
    """All of a checkpoint is synced before it is renamed, and only then an older one is deleted."""
    run = open_run(tmp_path / "run", world)
    save(run, 1, keep=1)
    events = []
    real_sync, real_rename, real_rmtree = sft.sync, os.rename, shutil.rmtree

    def sync(path: Path) -> None:
        events.append(("sync", path))
        real_sync(path)

    def rename(before: Path, after: Path) -> None:
        events.append(("rename", after))
        real_rename(before, after)

    def rmtree(path: Path, **how) -> None:
        events.append(("rmtree", path))
        real_rmtree(path, **how)

    monkeypatch.setattr(sft, "sync", sync)
    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(shutil, "rmtree", rmtree)
    final = save(run, 2, keep=1)
    old, part = run.checkpoints / "step-000001", run.checkpoints / "part-000002"
    renamed = events.index(("rename", final))
    synced = {path for kind, path in events[:renamed] if kind == "sync"}
    files = {part / path.relative_to(final) for path in final.rglob("*")} | {part}
    assert files <= synced and run.path / "metrics.jsonl" in synced
    assert renamed < events.index(("sync", run.checkpoints)) < events.index(("rmtree", old))


def test_metrics_are_json_whatever_the_numbers_are(world, tmp_path):
    run = open_run(tmp_path / "run", world)
    run.log({"step": 1, "loss": float("nan"), "kl": float("inf"), "lr": 0.12345678})
    run.log({"step": 2, "lr": 1e-7})   # the first one of --preset paper
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    assert lines[1:] == ['{"step": 1, "loss": null, "kl": null, "lr": 0.123457}', '{"step": 2, "lr": 1e-07}']


def test_one_run_at_a_time_writes_to_a_directory(world, tmp_path):
    run = open_run(tmp_path / "run", world)
    with pytest.raises(SystemExit, match="another run is writing to"):
        open_run(tmp_path / "run", world, resume=True)
    run.locks[0].close()
    open_run(tmp_path / "run", world, resume=True)


def test_other_ranks_hear_of_what_went_wrong_on_the_first(monkeypatch):
    """As rank 1, to which rank 0 has sent its sentence."""
    world = sft.World(1, 2, torch.device("cpu"), torch.float32)
    for error in ("the disk is full", 128 + 15):
        monkeypatch.setattr(sft, "gather", lambda value: [(None, error), value])
        with pytest.raises(SystemExit) as stopped:
            world.on_main(pytest.fail)
        assert stopped.value.code == error


def test_ranges_of_numbers():
    assert flags.whole(1)("1") == 1 and flags.real(0)("1e-3") == 1e-3 and flags.real(0, 1)("1") == 1.0
    for parse, texts in ((flags.whole(1), ("0", "1.5", "x", "")),
                         (flags.real(0, 1), ("-0.1", "1.1", "nan", "inf", "-inf", "x", ""))):
        for text in texts:
            with pytest.raises(argparse.ArgumentTypeError):
                parse(text)


# ---- what a model computes in ---------------------------------------------------------------------

@pytest.mark.parametrize("wanted, width, instructions, expected", [
    ("auto", 576, True, torch.bfloat16),     # a real model, on a CPU with instructions for it
    ("auto", 576, False, torch.float32),
    ("auto", 128, True, torch.float32),      # the tiny model
    ("float32", 576, True, torch.float32),   # what is typed wins
    ("bfloat16", 128, False, torch.bfloat16)])
def test_dtype_auto_is_a_fixed_rule(monkeypatch, wanted, width, instructions, expected):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert r1ci.choose_dtype(wanted, torch.device("cpu"), width) == expected


def test_bfloat16_on_a_cpu_samples_and_trains_by_the_same_probabilities(world):
    """The master weights stay float32; sampler and trainer agree to what bfloat16 can hold."""
    world.dtype = torch.bfloat16
    trained = sft.shard(tiny.model(), world)
    assert {parameter.dtype for parameter in trained.parameters()} == {torch.float32}
    plain_copy = r1ci.load_model(trained.config, dtype=torch.bfloat16).eval()
    sft.copy_weights(trained, plain_copy, world)
    assert {parameter.dtype for parameter in plain_copy.parameters()} == {torch.bfloat16}
    ids = torch.randint(0, trained.config.vocab_size, (3, 40), generator=torch.Generator().manual_seed(0))
    cache = r1ci.KVCache(trained.config, slots=3, capacity=41, device=torch.device("cpu"), dtype=torch.bfloat16)
    sampled = torch.zeros(3, 39)
    with torch.no_grad():
        for position in range(39):   # one token at a time, as a row decodes
            layout = r1ci.CacheLayout(cache, slice(3), torch.full((3, 1), position), position + 1)
            logits = plain_copy(ids[:, position:position + 1], layout)[:, -1].float()
            sampled[:, position] = logits.log_softmax(-1).gather(-1, ids[:, position + 1:position + 2]).squeeze(-1)
    mask = torch.ones_like(ids)
    scores = tiny.score(trained, ids, mask, trained.config.vocab_size)
    assert scores.logps.dtype == torch.float32
    gap = (sampled.flatten() - scores.logps.detach()).abs()
    assert 0 < gap.mean() < 0.05
    (-scores.logps.mean()).backward()
    assert {parameter.grad.dtype for parameter in trained.parameters()} == {torch.float32}


def test_a_model_in_one_piece_trains_as_a_sharded_one_to_the_bit(world):
    """`shard` leaves the model of one process that computes in float32 whole."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    whole, sharded = sft.shard(tiny.model(), world), tiny.model()
    for part in (*sharded.model.layers, sharded):
        fully_shard(part, mesh=init_device_mesh("cpu", (1,)))
    assert not any(hasattr(parameter, "full_tensor") for parameter in whole.parameters())
    assert all(hasattr(parameter, "full_tensor") for parameter in sharded.parameters())
    rng = random.Random(0)
    examples = [sft.Example([rng.randrange(90) for _ in range(length)], [1] * length) for length in (5, 9, 30, 40)]
    reports = []
    for model in (whole, sharded):
        optimizer = sft.make_optimizer(model, 1e-2, 0.0, world)
        for _ in range(3):
            report = sft.sft_backward(model, examples, world, tokenizer_size=90, micro_tokens=40)
            report["grad_norm"] = sft.optimizer_step(model, optimizer, 1e-2, 1.0)
        reports.append(report)
    assert reports[0] == reports[1]
    weights = dict(sft.gather_weights(sharded, world.device, torch.float32))
    assert all(torch.equal(value, weights[name]) for name, value in whole.state_dict().items())
