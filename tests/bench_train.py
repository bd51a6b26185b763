"""A training step of this code beside the same model in transformers, with plain padded batches and
whole logits.

    python tests/bench_train.py --size tiny                     CPU or CUDA, random weights
    python tests/bench_train.py --size 3B --context 4096        on a GPU
    python tests/bench_train.py --memory                        the memory table: computed, needs no
                                                                device

Model FLOPs are counted as 6 N a token and 12 * layers * width * (length / 2) for causal attention;
a repeated forward pass does not count. The peak is that of an H100 or H200 in bf16 (989 TFLOP/s,
dense); on a CPU, of a measured matrix product.
"""
import argparse
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
from r1ci import CausalLM, ModelConfig, add_device_flags, load_model, pad, read_config
from sft import (Example, World, make_optimizer, memory_gb, optimizer_step, sft_backward, shard,
                 start_world)
import torch
import torch.nn.functional as F

from memory import Setting, memory_needed
from shapes import SHAPES, in_transformers, shape


def memory_table() -> str:
    """GiB on each GPU: an update (checkpointing, no sampler's copy), a rollout of 64 slots."""
    lines = ["| model | ranks | 4k: update, rollout | 8k | 16k |", "|---|---|---|---|---|"]
    for size in SHAPES:
        if size == "tiny":
            continue
        for ranks in (1, 8):
            cells = []
            for context in (4096, 8192, 16_384):
                setting = Setting(ranks, context, micro_tokens=8192, checkpointing=True,
                                  keep_sampler=False)
                need = memory_needed(shape(size), setting)
                cells.append(f"{need['update']:.0f}, {need['rollout']:.0f}")
            lines.append(f"| {size} | {ranks} | {' | '.join(cells)} |")
    return "\n".join(lines)


# ---- rows and what they cost ---------------------------------------------------------------------

def draw_rows(args: argparse.Namespace, vocab_size: int) -> list[list[int]]:
    """Random ids; lengths are exponential with a quarter of the context as the mean, or --full."""
    rng = random.Random(0)
    lengths = [args.context] * args.rows
    if not args.full:
        mean = args.context / 4
        lengths = [min(args.context, 2 + int(rng.expovariate(1 / mean))) for _ in range(args.rows)]
    return [[rng.randrange(vocab_size) for _ in range(length)] for length in lengths]


def model_flops(config: ModelConfig, parameters: int, rows: list[list[int]]) -> int:
    """Forward and backward pass over the rows, as the docstring above counts them."""
    width = config.num_attention_heads * config.head_dim
    tokens = sum(len(row) for row in rows)
    pairs = sum(len(row) ** 2 for row in rows)   # half of them are ahead and not looked at
    return 6 * parameters * tokens + 6 * config.num_hidden_layers * width * pairs


def peak_flops(device: torch.device) -> float:
    """FLOP/s that the device could do: the data sheet's, or on a CPU a float32 matrix product's."""
    if device.type == "cuda":
        return 989e12
    matrix, seconds = torch.randn(1024, 1024), []
    for _ in range(5):
        began = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - began)
    return 2 * 1024 ** 3 / min(seconds)


@dataclass
class Meter:
    """Times steps of one kind and another on the same rows."""
    tokens: int             # of all rows
    flops: int              # of a step on them
    peak: float             # FLOP/s
    repeats: int
    device: torch.device

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def measure(self, name: str, step: Callable[[], None]) -> None:
        """Run a step some times after one to warm up."""
        step()
        self.wait()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        for _ in range(self.repeats):
            step()
        self.wait()
        seconds = (time.perf_counter() - began) / self.repeats
        print(f"{name:13s} {self.tokens / seconds:10,.0f} {self.flops / seconds / self.peak:6.1%} "
              f"{memory_gb(self.device):8.2f}", flush=True)


# ---- the two steps -------------------------------------------------------------------------------

def measure_ours(args: argparse.Namespace, rows: list[list[int]], world: World,
                 meter: Meter) -> None:
    """A step of sft.py in which all tokens are trained."""
    config = shape_of(args)
    torch.manual_seed(0)
    with world.device:   # made there: billions of random numbers take minutes on a CPU
        model = load_model(config, world.device)
    model = shard(model, world, checkpointing=args.checkpointing)
    optimizer = make_optimizer(model, 1e-6, 0.0, world)
    examples = [Example(row, [1] * len(row)) for row in rows]

    def step() -> None:
        sft_backward(model, examples, world, tokenizer_size=config.vocab_size,
                     micro_tokens=args.micro_tokens)
        optimizer_step(model, optimizer, 1e-6, 1.0)

    meter.measure("this code", step)


def measure_transformers(args: argparse.Namespace, rows: list[list[int]], world: World,
                         meter: Meter) -> None:
    """Rows in the order they come, as many at a time as fit if all were as long as the longest."""
    device, tokens = world.device, meter.tokens
    model = in_transformers(shape_of(args)).to(device)
    if args.checkpointing:
        model.gradient_checkpointing_enable()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    per_batch = max(args.micro_tokens // max(map(len, rows)), 1)

    def step() -> None:
        for start in range(0, len(rows), per_batch):
            batch = rows[start:start + per_batch]
            ids = pad(batch, device)
            mask = pad([[1] * len(row) for row in batch], device)
            with torch.autocast(device.type, torch.bfloat16, enabled=world.dtype == torch.bfloat16):
                logits = model(input_ids=ids, attention_mask=mask).logits.float()   # [B, T, V]
            targets = ids[:, 1:].masked_fill(mask[:, 1:] == 0, -100)                # -100: none
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten(),
                                   reduction="sum")
            (loss / tokens).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    meter.measure("transformers", step)


def shape_of(args: argparse.Namespace) -> ModelConfig:
    return read_config(Path(args.model)) if args.model else shape(args.size)


def main() -> None:
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("--memory", action="store_true", help="print the memory table and stop")
    add("--size", choices=tuple(SHAPES), default="tiny")
    add("--model", metavar="DIR", help="or a model's directory: its shape, with random weights")
    add_device_flags(add)
    add("--rows", type=int, default=32)
    add("--context", type=int, default=384, help="longest row")
    add("--full", action="store_true",
        help="all rows as long as the context; else exponential, a quarter in mean")
    add("--micro-tokens", type=int, default=2048)
    add("--checkpointing", action="store_true")
    add("--repeats", type=int, default=3)
    add("--baseline", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    if args.memory:
        print(memory_table())
        return
    config = shape_of(args)
    world = start_world(args.device, args.dtype, config.hidden_size)
    rows = draw_rows(args, config.vocab_size)
    tokens = sum(len(row) for row in rows)
    with torch.device("meta"):   # shapes alone
        parameters = sum(parameter.numel() for parameter in CausalLM(config).parameters())
    flops = model_flops(config, parameters, rows)
    meter = Meter(tokens, flops, peak_flops(world.device), args.repeats, world.device)
    print(f"{args.model or args.size}: {parameters / 1e6:.1f} M parameters, {len(rows)} rows, {tokens:,} tokens "
          f"on {world.device}; peak {meter.peak / 1e12:.2f} TFLOP/s\n"
          "              tokens/s    MFU peak GiB")
    measure_ours(args, rows, world, meter)
    if args.baseline:
        measure_transformers(args, rows, world, meter)


if __name__ == "__main__":
    main()
