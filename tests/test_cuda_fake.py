"""What runs on a GPU, without one: the project's functions on fake CUDA tensors (fake_cuda.py).

    the sampler     on every build of torch: its step is captured without a wait, and stays short
    the trainer     on a CUDA build with a C++ compiler (else skipped): devices and dtypes,
                    collectives, and the memory table against what is alive at the peak

Speed is nothing a fake tensor knows: for that, tests/bench_gpu.sh on a GPU.
"""
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import tiny
from fake_cuda import DEVICE, GIB, PeakMemory, Recorder, compile_hooks, fake_cuda
from grpo import ADVANTAGES, Algorithm, Critic, Learner, choose_answers, update
from memory import Setting, memory_needed
from r1ci import CausalLM, KVCache, ModelConfig, Row, Sampler
from sft import (Example, World, copy_weights, free_weights, weights_on_main, make_optimizer,
                 optimizer_step, sft_backward, shard)
from shapes import shape
from tasks.conversation import Protocol, Trajectory

pytestmark = pytest.mark.skipif(torch.cuda.is_available(),
                                reason="a GPU is here: the other tests' CUDA cases use it")


def bf16_model(config: ModelConfig) -> CausalLM:
    """A plain copy on the device, as the sampler gets it."""
    torch.set_default_dtype(torch.bfloat16)
    try:
        with DEVICE:
            return CausalLM(config).eval()
    finally:
        torch.set_default_dtype(torch.float32)


# ---- the sampler ---------------------------------------------------------------------------------

PROMPT, NEW = 40, 88   # tokens of each prompt, and of what may follow

# Kernels of one decode step of the 3B shape by the kernel for true lengths: each takes about 2 us
# however small it is, so they set the speed. 842 were counted; it was 1,520 without one kernel for
# each RMSNorm instead of eight, and three for each rotation instead of five.
DECODE_KERNELS = 900


def conversations(count: int) -> list[Row]:
    """One group of rows that wait for their first token."""
    group: list[Row] = []
    for number in range(count):
        t = Trajectory(tiny.instance(), number, [], PROMPT)
        t.append(list(range(5, 5 + PROMPT)), sampled=False)
        noise = np.full(NEW, 0.5, np.float32)
        group.append(Row(t, (number,), noise, group, turn_start=PROMPT))
    return group


def sampler_of(config: ModelConfig, rows: list[Row]) -> Sampler:
    protocol = Protocol(slots=len(rows), max_tokens=NEW)
    return Sampler(bf16_model(config), config.vocab_size - 8, rows, protocol)


@pytest.fixture(params=["true lengths", "mask"])
def attention(request, monkeypatch) -> str:
    """Both ways to decode: by the kernel for true lengths, where torch has one, and by a mask."""
    made = KVCache.__init__

    def without_kernel(cache: KVCache, *args: Any, **named: Any) -> None:
        made(cache, *args, **named)
        cache.varlen = False

    if request.param == "mask":
        monkeypatch.setattr(KVCache, "__init__", without_kernel)
    return request.param


@torch.no_grad()
def test_rows_enter_decode_leave_and_come_back(attention):
    with fake_cuda() as recorder:
        rows = conversations(6)
        sampler = sampler_of(tiny.config(), rows)
        sampler.enter(new=rows, returning=[])
        assert sampler.cache.kv.dtype == torch.bfloat16 and sampler.cache.kv.is_cuda
        sampler.decode()
        row = sampler.rows[1]
        assert len(row.trajectory.ids) == PROMPT + 1   # what the step has chosen
        sampler.leave(1, keep=True)
        assert row.kept_kv.is_cuda and row.kept_kv.shape[3] == PROMPT   # all but the newest token
        row.trajectory.append([8] * 20, sampled=False)        # what its script printed
        sampler.enter(new=[], returning=[row])
        assert row.kept_kv is None and len(sampler.rows) == 6
        sampler.decode()
        assert recorder.operations


@torch.no_grad()
def test_a_captured_step_makes_the_host_wait_for_nothing(attention):
    """Nor does a replayed one, but for what it has chosen; before it goes what it is told."""
    with fake_cuda() as recorder:
        rows = conversations(6)
        sampler = sampler_of(tiny.config(), rows)
        sampler.enter(new=rows, returning=[])
        recorder.clear()
        sampler.decode()
        assert list(sampler.graphs.graphs) == [(6, 64)]   # slots, and the power of two above PROMPT
        captured = [operation for operation in recorder.operations if operation.in_graph]
        assert 2 * len(captured) == len(recorder.operations) - 1   # once run, once recorded
        assert [wait.name for wait in recorder.waits if wait.in_graph] == []
        recorder.clear()
        sampler.decode()
        # The copy waits, too, but the host has just heard what the step before has chosen: the device
        # has nothing to do then.
        assert [operation.name for operation in recorder.operations] == ["copy_.default"]
        assert [wait.name for wait in recorder.waits] == ["copy_.default", "tolist"]


@torch.no_grad()
def test_a_wait_inside_the_capture_would_be_seen(monkeypatch):
    """The test before this one, on a step that is at fault."""
    step = Sampler.step

    def step_that_asks(sampler: Sampler, count: int, longest: int) -> None:
        step(sampler, count, longest)
        sampler.told[:, :count].tolist()

    monkeypatch.setattr(Sampler, "step", step_that_asks)
    with fake_cuda() as recorder:
        rows = conversations(2)
        sampler = sampler_of(tiny.config(), rows)
        sampler.enter(new=rows, returning=[])
        sampler.decode()
        assert [wait.name for wait in recorder.waits if wait.in_graph] == ["tolist"]


@torch.no_grad()
def test_kernels_of_a_decode_step():
    """Every block has the same: one and two of them, counted, say what 36 have."""
    kernels, products = [], []
    for layers in (1, 2):
        config = replace(shape("3B"), num_hidden_layers=layers)
        with fake_cuda() as recorder:
            rows = conversations(64)
            sampler = sampler_of(config, rows)
            sampler.enter(new=rows, returning=[])
            recorder.clear()
            sampler.decode()
        names = [operation.name for operation in recorder.operations if operation.in_graph]
        kernels.append(len(names))
        products.append(sum(name in ("mm.default", "addmm.default") for name in names))
    # A block multiplies by seven matrices, and the step by the head: no step can do without.
    assert products == [8, 15]
    of_a_block = kernels[1] - kernels[0]
    assert kernels[0] + 35 * of_a_block <= DECODE_KERNELS


# ---- the trainer ---------------------------------------------------------------------------------

PROMPT_OF_A_ROW, SAMPLED, PRINTED = 10, 24, 6   # tokens of each row: prompt, model's, sandbox's
ROWS = 12
MICRO_TOKENS = 4 * (PROMPT_OF_A_ROW + SAMPLED + PRINTED)   # four rows
MICRO_BATCHES = 3
UNITS = 3           # that FSDP gathers: the tiny model's two blocks, and what is left


@pytest.fixture(scope="module")
def autograd(tmp_path_factory) -> None:
    """Backward passes on fake CUDA tensors."""
    if torch.version.cuda is None:
        pytest.skip("autograd on fake CUDA tensors needs a CUDA build of torch (not a GPU)")
    if shutil.which("g++") is None:
        pytest.skip("autograd on fake CUDA tensors needs g++")
    compile_hooks(tmp_path_factory.mktemp("hooks"))


def sharded(config: ModelConfig, world: World, **way: Any) -> nn.Module:
    """As `load_sharded` makes it, without a file of weights."""
    with torch.device("meta"):
        model = CausalLM(config)
    model = shard(model, world, **way)
    return model.to_empty(device="cpu" if way.get("offload") else DEVICE)


def rows_of(recorder: Recorder, world: World) -> list[Example]:
    """ROWS for each rank; of each the last SAMPLED are trained."""
    recorder.selected_per_row = SAMPLED
    untrained = PROMPT_OF_A_ROW + PRINTED
    row = Example([5] * (untrained + SAMPLED), [0] * untrained + [1] * SAMPLED)
    return [row] * ROWS * world.size


def places(tensors: Any) -> set[tuple[str, torch.dtype]]:
    """Devices and dtypes of tensors, or of what this rank holds of them."""
    local = [t.to_local() if hasattr(t, "to_local") else t for t in tensors]
    return {(t.device.type, t.dtype) for t in local}


WAYS = {"plain": {}, "checkpointing": dict(checkpointing=True), "off-loading": dict(offload=True),
        "two replicas": dict(replicas=2)}
RANKS_AND_WAYS = [(1, "plain"), (1, "off-loading"), (2, "plain"), (2, "two replicas"),
                  (8, "checkpointing"), (8, "off-loading"), (8, "two replicas")]


@pytest.mark.parametrize("ranks, way", RANKS_AND_WAYS)
def test_a_supervised_step_and_the_way_of_the_weights(autograd, ranks, way):
    with fake_cuda(ranks) as recorder:
        world = World(0, ranks, DEVICE, torch.bfloat16)
        model = sharded(tiny.config(), world, **WAYS[way])
        optimizer = make_optimizer(model, 1e-4, 0.0, world)
        held = "cpu" if way == "off-loading" else "cuda"
        for _ in range(2):   # the second finds Adam's state
            sft_backward(model, rows_of(recorder, world), world, tiny.config().vocab_size,
                         MICRO_TOKENS)
            assert places(p.grad for p in model.parameters()) == {(held, torch.float32)}
            assert optimizer_step(model, optimizer, 1e-4, max_grad_norm=1.0) == 0.5   # the fake norm
        moments = [state[name] for state in optimizer.state.values()
                   for name in ("exp_avg", "exp_avg_sq")]
        assert places(moments) == {(held, torch.float32)}

        sampler = bf16_model(tiny.config())
        shapes = {name: p.shape for name, p in sampler.named_parameters()}
        free_weights(sampler)
        assert all(p.numel() == 0 for p in sampler.parameters())
        copy_weights(model, sampler, world)
        assert {name: p.shape for name, p in sampler.named_parameters()} == shapes
        assert places(sampler.parameters()) == {("cuda", torch.bfloat16)}
        whole = weights_on_main(model, world)
        assert {name: value.shape for name, value in whole.items()} == shapes
        assert places(whole.values()) == {("cpu", torch.float32)}


def collectives_of_a_step(ranks: int, replicas: int = 1) -> dict[str, int]:
    with fake_cuda(ranks) as recorder:
        world = World(0, ranks, DEVICE, torch.bfloat16)
        model = sharded(tiny.config(), world, replicas=replicas)
        rows = rows_of(recorder, world)
        recorder.clear()
        sft_backward(model, rows, world, tiny.config().vocab_size, MICRO_TOKENS)
    names = ("allgather", "reduce_scatter", "allreduce")
    return {name: recorder.count(f"{name}_") for name in names}


@pytest.mark.parametrize("ranks", [1, 2, 8])
def test_collectives_of_a_step(autograd, ranks):
    """Blocks are gathered for the forward and again for the backward pass, the rest once."""
    expected = dict(allgather=MICRO_BATCHES * (2 * UNITS - 1),
                    reduce_scatter=MICRO_BATCHES * UNITS, allreduce=0)
    if ranks == 1:   # nobody to talk to
        expected = dict.fromkeys(expected, 0)
    assert collectives_of_a_step(ranks) == expected


def test_replicas_reduce_their_gradients_once_a_step(autograd):
    """The way between replicas is the slow one: the network between machines."""
    assert collectives_of_a_step(ranks=8, replicas=2)["allreduce"] == UNITS


def answers() -> list[list[Trajectory]]:
    """Three groups of four: prompt, code, the sandbox's output, an answer; rewards 1 0 0 1."""
    groups = []
    for number in range(3):
        group = []
        for reward in (1.0, 0.0, 0.0, 1.0):
            t = Trajectory(tiny.instance(), number, [], PROMPT_OF_A_ROW, right=reward)
            t.append([5] * PROMPT_OF_A_ROW, sampled=False)
            t.append([6] * (SAMPLED // 2), sampled=True, logps=[-1.0] * (SAMPLED // 2))
            t.append([7] * PRINTED, sampled=False)
            t.append([8] * (SAMPLED // 2), sampled=True, logps=[-1.0] * (SAMPLED // 2))
            group.append(t)
        groups.append(group)
    return groups


CHOICES = {
    "grpo": dict(),
    "two updates with the KL term": dict(kl_coef=0.1, updates=2),
    "a mean over tokens": dict(norm="token", std=False),
    "a sum over a constant": dict(norm="constant"),
    "reinforce++": dict(advantage="reinforce++"),
    "with the sandbox's tokens": dict(mask_tool_output=False),
    "ppo": dict(advantage="ppo"),
}


UPDATES = [
    ("grpo", 1, "plain"), ("grpo", 8, "checkpointing"),
    ("two updates with the KL term", 2, "two replicas"),
    ("two updates with the KL term", 8, "off-loading"), ("a mean over tokens", 2, "plain"),
    ("a sum over a constant", 1, "off-loading"), ("reinforce++", 8, "two replicas"),
    ("with the sandbox's tokens", 2, "off-loading"),
    ("ppo", 1, "plain"), ("ppo", 2, "off-loading"), ("ppo", 8, "two replicas"),
]


@pytest.mark.parametrize("name, ranks, way", UPDATES)
def test_an_update(autograd, name, ranks, way):
    algorithm = Algorithm(**CHOICES[name], micro_tokens=MICRO_TOKENS, max_grad_norm=1.0)
    with fake_cuda(ranks) as recorder:
        recorder.selected_per_row = SAMPLED if algorithm.mask_tool_output else SAMPLED + PRINTED
        world = World(0, ranks, DEVICE, torch.bfloat16)
        model = sharded(tiny.config(), world, **WAYS[way])
        optimizer = make_optimizer(model, 1e-4, 0.0, world)
        reference = bf16_model(tiny.config()) if algorithm.kl_coef else None
        critic = None
        if algorithm.advantage == "ppo":
            critic = Critic(tiny.config().hidden_size, 0.1, world)
        learner = Learner(model=model, optimizer=optimizer, reference=reference, critic=critic,
                          algorithm=algorithm, tokenizer_size=tiny.config().vocab_size, world=world)
        groups = answers()
        rewards = [[t.right for t in group] for group in groups]
        advantages = ADVANTAGES[algorithm.advantage](rewards, algorithm.std, world)
        samples = choose_answers(groups, rewards, advantages, algorithm, world=world)
        metrics = update(learner, samples, 1e-4)
        assert metrics["skipped"] == 0 and metrics["grad_norm"] == 0.5
        assert ("kl" in metrics) == bool(reference) and ("value_loss" in metrics) == bool(critic)
        assert len(optimizer.state) == len(list(model.parameters()))   # all have been stepped
        if critic:
            assert places(critic.head.parameters()) == {("cuda", torch.float32)}


# ---- memory --------------------------------------------------------------------------------------

# The formula may be above the peak, never below: its slack pays for what is not tracked.
MOST_ABOVE_PEAK = 0.35

MEMORY = [
    ("0.5B", 4, Setting(ranks=1, checkpointing=True, keep_sampler=False)),
    ("0.5B", 4, Setting(ranks=8, keep_sampler=True)),
    pytest.param("0.5B", 24, Setting(ranks=8, checkpointing=True), marks=pytest.mark.slow),
    pytest.param("3B", 36, Setting(ranks=8, checkpointing=True), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("size, layers, setting", MEMORY)
def test_the_memory_formula_is_above_the_peak_of_an_update_but_not_far(autograd, size, layers,
                                                                      setting):
    """With four blocks instead of all, but for --slow."""
    config = replace(shape(size), num_hidden_layers=layers)
    needed = memory_needed(config, setting)["update"]
    peak = peak_of_an_update(config, setting)
    assert peak <= needed <= (1 + MOST_ABOVE_PEAK) * peak


def peak_of_an_update(config: ModelConfig, setting: Setting) -> float:
    """GiB of the second step, when Adam's state is there: two micro-batches, then the optimiser."""
    memory = PeakMemory()
    with fake_cuda(setting.ranks) as recorder, memory.watching():
        world = World(0, setting.ranks, DEVICE, torch.bfloat16)
        model = sharded(config, world, offload=setting.offload,
                        checkpointing=setting.checkpointing)
        for parameter in model.parameters():
            memory.add(parameter)
        sampler = bf16_model(config)
        if not setting.keep_sampler:
            free_weights(sampler)
        optimizer = make_optimizer(model, 1e-6, 0.0, world)
        prompt = setting.context // 10
        trained = setting.context - prompt
        recorder.selected_per_row = trained
        row = Example([5] * setting.context, [0] * prompt + [1] * trained)
        rows = [row] * (2 * setting.micro_tokens // setting.context) * setting.ranks
        for _ in range(2):
            memory.peak = memory.now
            sft_backward(model, rows, world, 151_665, setting.micro_tokens)
            optimizer_step(model, optimizer, 1e-6, max_grad_norm=1.0)
    return memory.peak / GIB
