"""A training step of this code beside the same model in transformers (plain padding, whole logits).

    python tests/bench_train.py --size tiny                CPU or CUDA, random weights
    python tests/bench_train.py --size 3B --context 4096   on a GPU
    python tests/bench_train.py --memory                   the memory table: computed, no device

Model FLOPs are counted as 6 N a token and 12 * layers * width * (length / 2) for causal attention;
a repeated forward pass does not count. The peak is that of an H100 or H200 in bf16 (989 TFLOP/s,
dense); on a CPU, of a measured matrix product.
"""
import argparse
import random
import sys
import time
from pathlib import Path
from typing import Callable

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
from r1ci import CausalLM, ModelConfig, load_model, pad
from sft import (Example, World, make_optimizer, memory_gb, optimizer_step, sft_backward, shard,
                 start_world)
import torch
import torch.nn.functional as F

from memory import Setting, memory_needed
from shapes import SHAPES, shape


def memory_table() -> str:
    """GiB on each GPU: an update (checkpointing, no sampler's copy) and a rollout of 64 slots."""
    lines = ["| model | ranks | 4k: update, rollout | 8k | 16k |", "|---|---|---|---|---|"]
    for size in list(SHAPES)[1:]:
        for ranks in (1, 8):
            cells = []
            for context in (4096, 8192, 16_384):
                setting = Setting(ranks, context, micro_tokens=8192, checkpointing=True,
                                  keep_sampler=False)
                need = memory_needed(shape(size), setting)
                cells.append(f"{need['update']:.0f}, {need['rollout']:.0f}")
            lines.append(f"| {size} | {ranks} | {' | '.join(cells)} |")
    return "\n".join(lines)


def peak_flops(device: torch.device) -> float:
    """FLOP/s that the device could do: its data sheet's, or a float32 matrix product's on a CPU."""
    if device.type == "cuda":
        return 989e12
    a, seconds = torch.randn(1024, 1024), []
    for _ in range(5):
        began = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - began)
    return 2 * 1024 ** 3 / min(seconds)


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds_of(step: Callable[[], float], repeats: int,
               device: torch.device) -> tuple[float, float]:
    """The mean seconds of a step, after one to warm up, and the padding share that it returns."""
    step()
    wait_for(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    for _ in range(repeats):
        padding = step()
    wait_for(device)
    return (time.perf_counter() - began) / repeats, padding


def our_step(model: CausalLM, examples: list[Example], world: World, args: argparse.Namespace,
             vocab_size: int) -> Callable[[], float]:
    model = shard(model, world, checkpointing=args.checkpointing)
    optimizer = make_optimizer(model, 1e-6, 0.0, world)

    def step() -> float:
        done = sft_backward(model, examples, world, vocab_size=vocab_size,
                            micro_tokens=args.micro_tokens)
        optimizer_step(model, optimizer, 1e-6, 1.0)
        return done["padding"]

    return step


def their_step(config: ModelConfig, examples: list[Example], device: torch.device,
               args: argparse.Namespace) -> Callable[[], float]:
    """The same by transformers: rows in the order they come, padded to the longest of a batch."""
    from transformers import Qwen2Config, Qwen2ForCausalLM
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
             "num_attention_heads", "num_key_value_heads", "tie_word_embeddings",
             "max_position_embeddings")
    theirs = Qwen2Config(**{name: getattr(config, name) for name in names})
    model = Qwen2ForCausalLM(theirs).to(device)
    if args.checkpointing:
        model.gradient_checkpointing_enable()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    tokens = sum(len(example.ids) for example in examples)
    longest = max(len(example.ids) for example in examples)
    per_batch = max(args.micro_tokens // longest, 1)

    def step() -> float:
        padded = 0
        for start in range(0, len(examples), per_batch):
            batch = examples[start:start + per_batch]
            rows = pad([example.ids for example in batch], 0, device)
            mask = pad([example.loss_mask for example in batch], 0, device)
            padded += rows.numel()
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                logits = model(input_ids=rows, attention_mask=mask).logits.float()
            targets = rows[:, 1:].masked_fill(mask[:, 1:] == 0, -100)
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten(),
                                   reduction="sum")
            (loss / tokens).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return 1 - tokens / padded

    return step


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", action="store_true", help="print the memory table and stop")
    parser.add_argument("--size", choices=tuple(SHAPES), default="tiny")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--context", type=int, default=384, help="longest row")
    parser.add_argument("--full", action="store_true",
                        help="all rows as long as the context; else exponential, a quarter in mean")
    parser.add_argument("--micro-tokens", type=int, default=2048)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--baseline", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    if args.memory:
        print(memory_table())
        return
    config, rng, world = shape(args.size), random.Random(0), start_world(args.device)
    examples = []
    for _ in range(args.rows):
        length = args.context
        if not args.full:
            length = min(args.context, 2 + int(rng.expovariate(4 / args.context)))
        ids = [rng.randrange(config.vocab_size) for _ in range(length)]
        examples.append(Example(ids, [1] * length))
    torch.manual_seed(0)
    model = load_model(config, world.device)
    lengths = [len(example.ids) for example in examples]
    tokens, parameters = sum(lengths), sum(p.numel() for p in model.parameters())
    width = config.num_attention_heads * config.head_dim
    attention = sum(6 * config.num_hidden_layers * width * length ** 2 for length in lengths)
    flops, peak = 6 * parameters * tokens + attention, peak_flops(world.device)
    print(f"{args.size}: {parameters / 1e6:.1f} M parameters, {args.rows} rows, {tokens:,} tokens "
          f"on {world.device}; peak {peak / 1e12:.2f} TFLOP/s\n"
          "              tokens/s    MFU  padding  peak GiB")

    def measure(name: str, step: Callable[[], float]) -> None:
        seconds, padding = seconds_of(step, args.repeats, world.device)
        print(f"{name:13s} {tokens / seconds:10,.0f} {flops / seconds / peak:6.1%} "
              f"{padding:8.1%} {memory_gb(world.device):8.2f}", flush=True)

    measure("this code", our_step(model, examples, world, args, config.vocab_size))
    del model   # its memory is the baseline's now
    if args.baseline:
        measure("transformers", their_step(config, examples, world.device, args))


if __name__ == "__main__":
    main()
