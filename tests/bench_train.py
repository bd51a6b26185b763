"""A training step of this code beside the same model in transformers, with plain padded batches and whole logits.

    python tests/bench_train.py --size tiny                     CPU or CUDA, random weights
    python tests/bench_train.py --size 3B --context 4096        on a GPU
    python tests/bench_train.py --memory                        the memory table: computed, needs no device

Model FLOPs are counted as 6 N a token and 12 * layers * width * (length / 2) for causal attention; a repeated forward pass
does not count. The peak is that of an H100 or H200 in bf16 (989 TFLOP/s, dense); on a CPU, of a measured matrix product.
"""
import argparse
import random
import sys
import time
from pathlib import Path
from typing import Callable

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
from r1ci import CausalLM, load_model, pad
from sft import accumulate, make_optimizer, memory_gb, optimizer_step, shard, start_world
import torch
import torch.nn.functional as F

from memory import Setting, memory_needed
from shapes import SHAPES, shape


def memory_table() -> str:
    """GiB on each GPU for an update (with checkpointing, without the sampler's copy) and for a rollout of 64 slots."""
    lines = ["| model | ranks | 4k: update, rollout | 8k | 16k |", "|---|---|---|---|---|"]
    for size in list(SHAPES)[1:]:
        for ranks in (1, 8):
            cells = []
            for context in (4096, 8192, 16_384):
                need = memory_needed(shape(size), Setting(ranks, context, micro_tokens=8192, checkpointing=True,
                                                          keep_sampler=False))
                cells.append(f"{need['update']:.0f}, {need['rollout']:.0f}")
            lines.append(f"| {size} | {ranks} | {' | '.join(cells)} |")
    return "\n".join(lines)


def peak_flops(device: torch.device) -> float:
    """FLOP/s that the device could do: the data sheet's on CUDA, a float32 matrix product's on a CPU."""
    if device.type == "cuda":
        return 989e12
    a, seconds = torch.randn(1024, 1024), []
    for _ in range(5):
        began = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - began)
    return 2 * 1024 ** 3 / min(seconds)


def measure(name: str, step: Callable[[], float], tokens: int, flops: float, peak: float, repeats: int,
            device: torch.device) -> None:
    """Run a step some times after one to warm up; `step` returns its share of padding."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    step()
    wait()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    for _ in range(repeats):
        padding = step()
    wait()
    seconds = (time.perf_counter() - began) / repeats
    print(f"{name:13s} {tokens / seconds:10,.0f} {flops / seconds / peak:6.1%} {padding:8.1%} {memory_gb(device):8.2f}",
          flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", action="store_true", help="print the memory table and stop")
    parser.add_argument("--size", choices=tuple(SHAPES), default="tiny")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--context", type=int, default=384, help="longest row")
    parser.add_argument("--full", action="store_true", help="all rows as long as the context; else exponential, a quarter in mean")
    parser.add_argument("--micro-tokens", type=int, default=2048)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--baseline", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    if args.memory:
        return print(memory_table())
    config, rng, world = shape(args.size), random.Random(0), start_world(args.device)
    lengths = [args.context if args.full else min(args.context, 2 + int(rng.expovariate(4 / args.context)))
               for _ in range(args.rows)]
    ids = [[rng.randrange(config.vocab_size) for _ in range(length)] for length in lengths]
    masks = [[1] * length for length in lengths]
    torch.manual_seed(0)
    model: CausalLM = load_model(config, world.device)
    tokens, N = sum(lengths), sum(p.numel() for p in model.parameters())
    width = config.num_attention_heads * config.head_dim
    flops = 6 * N * tokens + sum(6 * config.num_hidden_layers * width * length ** 2 for length in lengths)
    peak = peak_flops(world.device)
    print(f"{args.size}: {N / 1e6:.1f} M parameters, {args.rows} rows, {tokens:,} tokens on {world.device}; peak "
          f"{peak / 1e12:.2f} TFLOP/s\n              tokens/s    MFU  padding  peak GiB")
    model = shard(model, world, checkpointing=args.checkpointing)
    optimizer = make_optimizer(model, 1e-6, 0.0, world)

    def ours() -> float:
        padding = accumulate(model, ids, masks, world, args.micro_tokens, config.vocab_size, 1.0,
                             lambda batch, logps, entropies: -logps.sum() / tokens)
        optimizer_step(model, optimizer, 1e-6, 1.0)
        return padding

    measure("this code", ours, tokens, flops, peak, args.repeats, world.device)
    if not args.baseline:
        return
    model = optimizer = None  # their memory is the baseline's now
    from transformers import Qwen2Config, Qwen2ForCausalLM
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
             "num_key_value_heads", "tie_word_embeddings", "max_position_embeddings")
    theirs = Qwen2ForCausalLM(Qwen2Config(**{name: getattr(config, name) for name in names})).to(world.device)
    if args.checkpointing:
        theirs.gradient_checkpointing_enable()
    theirs_optimizer = torch.optim.AdamW(theirs.parameters(), lr=1e-6)
    per_batch = max(args.micro_tokens // max(lengths), 1)  # rows in the order they come, padded to the longest

    def baseline() -> float:
        padded = 0
        for start in range(0, args.rows, per_batch):
            rows, its = pad(ids[start:start + per_batch], 0, world.device), pad(masks[start:start + per_batch], 0, world.device)
            padded += rows.numel()
            with torch.autocast(world.device.type, torch.bfloat16, enabled=world.device.type == "cuda"):
                logits = theirs(input_ids=rows, attention_mask=its).logits.float()
            targets = rows[:, 1:].masked_fill(its[:, 1:] == 0, -100)
            (F.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten(), reduction="sum") / tokens).backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        theirs_optimizer.step()
        theirs_optimizer.zero_grad()
        return 1 - tokens / padded

    measure("transformers", baseline, tokens, flops, peak, args.repeats, world.device)


if __name__ == "__main__":
    main()
