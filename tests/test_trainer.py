"""The trainer's memory and batches: what is never built, how much is padding, what the memory table says."""
import itertools
import random

import pytest
import torch
import torch.distributed as dist
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

import r1ci
import sft
import tiny
from memory import GIB, Setting, memory_needed
from r1ci import micro_batches, token_logps
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


def test_no_tensor_of_all_tokens_times_the_vocabulary_is_made_forward_or_backward():
    model, vocab, chunk = tiny.model(vocab_size=1000), tiny.chat().vocab_size, 16
    ids = torch.randint(0, vocab, (4, 64))
    with Largest() as largest:
        logps, _ = token_logps(model, ids, torch.ones_like(ids), vocab, chunk=chunk)
        logps.sum().backward()
    assert chunk * 1000 <= largest.numel <= max(chunk * 1000, 1000 * 32)  # a chunk's logits, the head's gradient
    with Largest() as largest:
        model(ids)
    assert largest.numel == 4 * 64 * 1000


LENGTHS = {  # prompt and conversation: how long rows are, the budget, how many there are
    "exponential": (lambda rng: min(4096, 1 + int(rng.expovariate(1 / 400))), 16_384, (64, 128, 320, 640)),
    "uniform": (lambda rng: rng.randint(200, 4096), 16_384, (16, 128, 640)),
    "tiny": (lambda rng: min(384, 60 + int(rng.expovariate(1 / 40))), 1024, (16, 32, 128)),
    "two kinds": (lambda rng: rng.choice((100, 4096)), 16_384, (7, 128)),
}


@pytest.mark.parametrize("kind", LENGTHS)
def test_padding_is_at_most_a_tenth_of_the_tokens(kind):
    draw, budget, counts = LENGTHS[kind]
    for count in counts:
        rng = random.Random(f"{kind}/{count}")
        lengths = [draw(rng) for _ in range(count)]
        batches = micro_batches(lengths, budget)
        padded = [max(lengths[i] for i in batch) * len(batch) for batch in batches]
        assert sorted(i for batch in batches for i in batch) == list(range(count))
        assert sum(lengths) >= 0.9 * sum(padded) and max(padded) <= budget
        assert len(batches) <= 2 * sum(lengths) / budget + 12  # and yet the rows are not taken one by one


def test_rows_of_one_length_fill_the_budget():
    assert [len(batch) for batch in micro_batches([100] * 25, 1000)] in ([10, 10, 5], [5, 10, 10])
    assert micro_batches([], 1000) == [] and micro_batches([5000], 1000) == [[0]]


def test_a_full_device_is_reported_with_the_flag_to_lower(monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    world = sft.World(0, 1, torch.device("cpu"))
    model = tiny.model()
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="lower --micro-tokens.*--checkpointing"):
        patch.setattr(r1ci, "token_logps", full)
        sft.accumulate(model, [[1, 2, 3]], [[0, 1, 1]], world, 100, 10, 1.0, lambda *_: None)
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="lower --slots"):
        patch.setattr(r1ci, "KVCache", full)
        r1ci.rollout(model, tiny.chat(), tiny.sandbox(), [tiny.instance()], 2, r1ci.Protocol(), (0,))
    optimizer = torch.optim.SGD(model.parameters())
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="add --offload"):
        patch.setattr(optimizer, "step", full)
        sft.optimizer_step(model, optimizer, 0.1, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device"))])
def test_the_memory_table_is_within_a_fifth_of_the_measured_peak(device, checkpointing):
    """Of the second of two steps, several micro-batches long: first where activations, then where weights dominate."""
    world = sft.start_world(device)
    for width, layers, context, rows in ((128, 4, 256, 4), (384, 6, 64, 2)):
        config = r1ci.ModelConfig(vocab_size=4000, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
                                  num_attention_heads=width // 32, num_key_value_heads=2)
        model = sft.shard(r1ci.load_model(config, device), world, checkpointing=checkpointing)
        optimizer = sft.make_optimizer(model, 1e-6, 0.0, world)

        def step():
            sft.accumulate(model, [list(range(context))] * 2 * rows, [[1] * context] * 2 * rows, world, context * rows, 4000,
                            1.0, lambda batch, logps, entropies: -logps.mean())
            sft.optimizer_step(model, optimizer, 1e-6, 1.0)

        step()
        need = memory_needed(config, Setting(context=context, micro_tokens=context * rows, checkpointing=checkpointing,
                                             keep_sampler=False, compute_bytes=4 if device == "cpu" else 2))
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            step()
            measured = torch.cuda.max_memory_allocated() / GIB
        else:
            with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
                step()
            events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
            grown = itertools.accumulate(e.nbytes() for e in sorted(events, key=lambda e: e.start_ns()))
            measured = 3 * need["weights"] + max(grown) / GIB  # the weights and Adam's moments were there before
        assert need["update"] == pytest.approx(measured, rel=0.2)
    dist.destroy_process_group()


@pytest.mark.parametrize("size, capacity, setting", [
    ("0.5B", 24, Setting(context=4096, slots=32, micro_tokens=8192, checkpointing=True)),
    ("1.5B", 24, Setting(context=4096, slots=32, micro_tokens=4096, checkpointing=True, offload=True)),
    ("3B", 80, Setting(context=8192, slots=64, micro_tokens=16_384, checkpointing=True)),
    ("7B", 80, Setting(context=8192, slots=64, micro_tokens=16_384, checkpointing=True, offload=True)),
    ("7B", 80, Setting(ranks=8, context=8192, slots=64, micro_tokens=16_384, checkpointing=True)),
    ("14B", 80, Setting(ranks=8, context=8192, slots=8, micro_tokens=16_384, checkpointing=True, keep_sampler=False)),
])
def test_the_recipes_of_the_readme_fit(size, capacity, setting):
    """With a twentieth to spare, and a gigabyte for CUDA itself; `capacity` is in 10 ** 9 bytes, as cards are sold."""
    need = memory_needed(shape(size), setting)
    assert max(need["update"], need["rollout"]) * GIB + 1e9 < 0.95 * capacity * 1e9, need
