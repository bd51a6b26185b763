"""The sampler against transformers' `generate`, against itself without scripts, and against the memory's bandwidth.

    python tests/bench_sampler.py [--size tiny] [--device cpu] [--parts generate stub turns decode]

Random weights of a named size, so nothing is downloaded. What every row samples is planned beforehand: turns of given
lengths, each but the last ending with a code block. The same lengths bound `generate`, which is called turn by turn
on the whole batch (left-padded, sampling, its cache on), once with the cache of the turn before handed over and once
without; the bar holds against the faster. Rates move with whatever else the machine does, ratios less: the rounds go
A B C A B C, and a ratio is the median of those of the rounds.
"""
import argparse
import dataclasses
import random
import statistics
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
import r1ci  # before torch: it chooses how threads wait
import numpy as np
import torch
from torch import Tensor

import tiny
from r1ci import CausalLM, Row, Sampler, compute_dtype, load_model, rollout
from sft import memory_gb
from sandbox import Result
from shapes import SHAPES, shape
from tasks import Instance
from tasks.conversation import Protocol, Trajectory

CODE, OUTPUT = "\n```python\nprint(1)\n```", "the output of a script"
LENGTHS = {"exponential": lambda rng, least: min(160, max(least, round(rng.expovariate(1 / 36)))),
           "uniform": lambda rng, least: rng.randint(8, 72)}
BARS = {("generate", "exponential"): 4.0, ("generate", "uniform"): 2.5, ("stub", "exponential"): 0.8, ("stub", "uniform"): 0.8}


class Stub:
    """An executor that needs no CPU: every script sleeps for `delay` seconds in a thread of its own."""

    def __init__(self, rows: int):
        self.delay, self.pool = 0.0, ThreadPoolExecutor(rows)
        self.result = Result("ok", OUTPUT + "\n", "", 0, False, 0.0, 0.0, 0.0)

    def submit(self, code: str, seed: int) -> Future:
        if self.delay:
            return self.pool.submit(lambda: time.sleep(self.delay) or self.result)
        future = Future()
        future.set_result(self.result)
        return future


class Work:
    """`rows` conversations of `turns` turns, with the length of every turn."""

    def __init__(self, rows: int, turns: int, lengths: str, device: torch.device, seed: int = 0):
        rng, chat = random.Random(seed), tiny.chat()
        self.code, self.reply = chat.encode(CODE), chat.tool_reply(OUTPUT)
        self.lengths = [[LENGTHS[lengths](rng, len(self.code)) for _ in range(turns)] for _ in range(rows)]
        self.filler, self.device = chat.encode("a")[0], device
        self.questions = [Instance("user/bench", i, 0, "eval", "Question" + " and more" * rng.randint(0, 20) + "?", {}, "")
                          for i in range(rows)]
        self.prompts = [r1ci.render_messages(chat, chat.prompt(q, "ci"))[0] for q in self.questions]
        self.tokens = sum(map(sum, self.lengths))
        self.budget = max(sum(row) + len(self.reply) * (turns - 1) for row in self.lengths) + 1

    def joined(self) -> "Work":
        """The same tokens in one turn each."""
        other = Work.__new__(Work)
        other.__dict__.update(self.__dict__, lengths=[[sum(row)] for row in self.lengths])
        return other

    def part(self, rows: slice) -> "Work":
        other = Work.__new__(Work)
        other.__dict__.update(self.__dict__, lengths=self.lengths[rows], questions=self.questions[rows])
        return other

    def plan(self) -> Tensor:
        """What the rows sample at every position behind their prompts, one row after the other."""
        plan = np.full((len(self.lengths), self.budget), self.filler)
        for row, lengths in zip(plan, self.lengths):
            at = 0
            for turn, length in enumerate(lengths, 1):
                end = self.code if turn < len(lengths) else [tiny.chat().end]
                row[at + length - len(end):at + length] = end
                at += length + len(self.reply)
        return torch.from_numpy(plan.flatten()).to(self.device)

    @contextmanager
    def planned(self) -> Iterator[None]:
        """Let the rollout sample as ever, then replace the tokens; a row's noise says where in the plan it is."""
        plan, sample, init, rows = self.plan(), r1ci.sample, Row.__init__, []

        def numbered(row: Row, *args: Any, **kwargs: Any) -> None:
            init(row, *args, **kwargs)
            row.noise = np.arange(len(row.noise), dtype=np.float32) + len(rows) * self.budget
            rows.append(row)

        def replaced(logits: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
            _, logps = sample(logits, noise, temperature)
            return plan[noise.long()], logps

        try:
            r1ci.sample, Row.__init__ = replaced, numbered
            yield
        finally:
            r1ci.sample, Row.__init__ = sample, init


def timed(run: Callable[[], Any], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def ours(model: CausalLM, work: Work, stub: Stub, slots: int) -> float:
    """Seconds of a rollout."""
    protocol = Protocol(max_turn_tokens=work.budget, max_tokens=work.budget, slots=slots)
    with work.planned():
        groups: list = []
        seconds = timed(lambda: groups.extend(rollout(model, tiny.chat(), stub, work.questions, 1, protocol, (0,))), work.device)
    assert [t.response_len for group in groups for t in group] == [sum(row) for row in work.lengths]
    return seconds


def lock_step(model: CausalLM, work: Work, stub: Stub, slots: int) -> float:
    """The same sampler, but `slots` rows at a time, and nobody goes on before all have heard of their scripts."""
    patience, r1ci.PATIENCE = r1ci.PATIENCE, 10 ** 9
    try:
        return sum(ours(model, work.part(slice(i, i + slots)), stub, slots) for i in range(0, len(work.lengths), slots))
    finally:
        r1ci.PATIENCE = patience


def transformers_model(model: CausalLM) -> Any:
    """The same weights in transformers' model."""
    from transformers import Qwen2Config, Qwen2ForCausalLM
    values = dataclasses.asdict(model.config)
    theta = values.pop("rope_theta")
    config = Qwen2Config(**{key: value for key, value in values.items() if key in vars(Qwen2Config())},
                         rope_parameters={"rope_type": "default", "rope_theta": theta})
    weight = model.model.embed_tokens.weight
    theirs = Qwen2ForCausalLM(config).to(weight.device, weight.dtype).eval()
    theirs.load_state_dict(model.state_dict(), strict=not model.config.tie_word_embeddings)
    return theirs


@torch.no_grad()
def generate(theirs: Any, work: Work, keep_cache: bool) -> float:
    """Seconds of transformers' `generate`, called once a turn."""
    from transformers import StoppingCriteria

    class Lengths(StoppingCriteria):
        """Every row stops at its own planned length; the batch runs until the last one has."""

        def __init__(self, start: int, lengths: list[int]):
            self.start, self.lengths = start, torch.tensor(lengths, device=work.device)

        def __call__(self, ids: Tensor, scores: Any, **_: Any) -> Tensor:
            return ids.shape[1] - self.start >= self.lengths

    def run() -> None:
        reply = torch.tensor(work.reply, device=work.device).expand(len(work.lengths), -1)
        rows, longest = work.prompts, max(map(len, work.prompts))
        ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows], device=work.device)
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=work.device)
        cache = None
        for turn in range(len(work.lengths[0])):
            lengths = [row[turn] for row in work.lengths]
            out = theirs.generate(ids, attention_mask=mask, past_key_values=cache, do_sample=True, top_k=0, top_p=1.0,
                                  max_new_tokens=max(lengths), pad_token_id=0, eos_token_id=None, use_cache=True,
                                  stopping_criteria=[Lengths(ids.shape[1], lengths)], return_dict_in_generate=True)
            new = torch.arange(max(lengths), device=work.device) < torch.tensor(lengths, device=work.device)[:, None]
            ids = torch.cat((out.sequences, reply), dim=1)
            mask = torch.cat((mask, new.long(), torch.ones_like(reply)), dim=1)
            cache = out.past_key_values if keep_cache else None
            if not keep_cache:  # the padding behind short turns goes to the left, and what is padding in all rows goes
                order = mask.argsort(dim=1, stable=True)
                longest = int(mask.sum(1).max())
                ids, mask = (x.gather(1, order)[:, -longest:] for x in (ids, mask))

    return timed(run, work.device)


def bench_generate(model: CausalLM, args: argparse.Namespace, device: torch.device) -> None:
    theirs, stub = transformers_model(model), Stub(args.rows)
    print(f"\n{args.rows} rows, {args.turns} turns: sampled tokens a second, and ours against the faster `generate`\n"
          f"turn lengths     ours  generate, cache kept  generate, anew |  ratio   bar")
    for lengths in LENGTHS:
        work = Work(args.rows, args.turns, lengths, device)
        runs = (lambda: ours(model, work, stub, args.rows), lambda: generate(theirs, work, True),
                lambda: generate(theirs, work, False))
        rounds = [[run() for run in runs] for _ in range(args.rounds + 1)][1:]  # the first one warms up
        a, b, c = (work.tokens / statistics.median(column) for column in zip(*rounds))
        ratio = statistics.median(min(row[1:]) / row[0] for row in rounds)
        print(f"{lengths:12s} {a:8.0f} {b:21.0f} {c:15.0f} | {ratio:5.2f}x  {BARS['generate', lengths]:.1f}x", flush=True)


def bench_stub(model: CausalLM, args: argparse.Namespace, device: torch.device) -> None:
    rows, slots, stub = 4 * args.rows, args.rows, Stub(4 * args.rows)
    print(f"\n{rows} rows in {slots} slots, {args.turns} turns; every script sleeps for 20 % of the rollout without: tokens/s\n"
          f"turn lengths  no delay    delay  lock-step | share kept   bar  lock-step")
    for lengths in LENGTHS:
        work, rounds = Work(rows, args.turns, lengths, device), []
        for i in range(args.rounds + 1):
            stub.delay = 0.0
            free = ours(model, work, stub, slots)
            stub.delay = 0.2 * free
            rounds.append((free, ours(model, work, stub, slots), lock_step(model, work, stub, slots)))
        rounds = rounds[1:]
        a, b, c = (work.tokens / statistics.median(column) for column in zip(*rounds))
        kept, locked = (statistics.median(row[0] / row[i] for row in rounds) for i in (1, 2))
        print(f"{lengths:12s} {a:9.0f} {b:8.0f} {c:10.0f} | {kept:9.2f}x  {BARS['stub', lengths]:.2f}x {locked:9.2f}x", flush=True)


def bench_turns(model: CausalLM, args: argparse.Namespace, device: torch.device) -> None:
    stub = Stub(args.rows)
    print(f"\nwhat turns cost: {args.rows} rows, {args.turns} turns against the same tokens in one turn\n"
          f"turn lengths  one turn  {args.turns} turns | overhead")
    for lengths in LENGTHS:
        work = Work(args.rows, args.turns, lengths, device)
        rounds = [[ours(model, w, stub, args.rows) for w in (work.joined(), work)] for _ in range(args.rounds + 1)][1:]
        a, b = (work.tokens / statistics.median(column) for column in zip(*rounds))
        print(f"{lengths:12s} {a:9.0f} {b:8.0f} | {100 * (statistics.median(y / x for x, y in rounds) - 1):6.1f} %", flush=True)


def copy_bandwidth(device: torch.device) -> float:
    """Bytes a second, read and written, of a copy that no cache holds."""
    source = torch.ones(2 ** (30 if device.type == "cuda" else 27), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() / min(timed(lambda: target.copy_(source), device) for _ in range(10))


@torch.no_grad()
def bench_decode(model: CausalLM, args: argparse.Namespace, device: torch.device) -> None:
    """Decoding alone. Every step has to read all weights and what the cache holds of every row."""
    bandwidth, config, chat = copy_bandwidth(device), model.config, tiny.chat()
    untied = 0 if config.tie_word_embeddings else model.model.embed_tokens.weight.nbytes  # only some rows are read
    weights = sum(p.nbytes for p in model.parameters()) - untied
    token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * compute_dtype(device).itemsize
    print(f"\ndecode: contexts of {args.context} tokens on average, {bandwidth / 1e9:.0f} GB/s copied, "
          f"{weights / 1e9:.3g} GB of weights\nrows  ms/step  tokens/s  share of the bandwidth bound  peak memory GiB")
    for rows in (64, 128, 256):
        group: list[Row] = []
        for _ in range(rows):
            prompt = [chat.end + 0] * (args.context - args.steps // 2)
            t = Trajectory(tiny.instance(), 0, [], len(prompt), ids=list(prompt))
            group.append(Row(t, (), np.random.rand(args.steps + 4).astype(np.float32), group, stop=10 ** 9))
        sampler = Sampler(model, chat.vocab_size, group, rows, args.context + args.steps // 2 + 8, 1.0, [])
        sampler.enter(group)
        sampler.decode()
        steps = lambda sampler=sampler: [sampler.decode() for _ in range(args.steps)]
        seconds = timed(steps, device) / args.steps
        bound = (weights + rows * args.context * token) / bandwidth
        print(f"{rows:4d} {1e3 * seconds:8.2f} {rows / seconds:9.0f} {100 * bound / seconds:28.1f} % {memory_gb(device):15.2f}",
              flush=True)
        del sampler, steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SHAPES, default="tiny", help="of the random model")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS), help="what to measure (default: all)")
    parser.add_argument("--rows", type=int, default=64, help="conversations that run together (default: 64)")
    parser.add_argument("--turns", type=int, default=3, help="of every conversation (default: 3)")
    parser.add_argument("--rounds", type=int, default=3, help="of each comparison, after one to warm up (default: 3)")
    parser.add_argument("--context", type=int, default=512, help="mean tokens in the cache of a row, for decode (default: 512)")
    parser.add_argument("--steps", type=int, default=64, help="timed for decode (default: 64)")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.manual_seed(0)
    with device:
        model = load_model(shape(args.size), device, compute_dtype(device)).eval()
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    print(f"{args.size}: {sum(p.numel() for p in model.parameters()):,} parameters in {model.model.embed_tokens.weight.dtype} "
          f"on {where}, torch {torch.__version__}", flush=True)
    for part in args.parts:
        PARTS[part](model, args, device)


PARTS = {"generate": bench_generate, "stub": bench_stub, "turns": bench_turns, "decode": bench_decode}

if __name__ == "__main__":
    main()
