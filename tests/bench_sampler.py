"""The sampler against transformers' `generate`, against itself without scripts, and against the
memory's bandwidth.

    python tests/bench_sampler.py [--size tiny] [--device cpu] [--parts generate stub turns decode]

Random weights of a named size, so nothing is downloaded. What every row samples is planned
beforehand: turns of given lengths, each but the last ending with a code block. The same lengths
bound `generate`, which is called turn by turn on the whole batch (left-padded, sampling, its cache
on), once with the cache of the turn before handed over and once without; the bar holds against the
faster. Rates move with whatever else the machine does, ratios less: the rounds go A B C A B C, and
a ratio is the median of those of the rounds.
"""
import argparse
import copy
import random
import statistics
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
import r1ci   # before torch: it chooses how threads wait
import numpy as np
import torch
from torch import Tensor

import tiny
from r1ci import (DTYPES, CausalLM, Interpreter, Row, Sampler, choose_dtype, load_model,
                  read_config, render_messages, rollout)
from sandbox import Result
from sft import memory_gb
from shapes import SHAPES, in_transformers, shape
from tasks import Instance
from tasks.conversation import Protocol, Trajectory

CODE = "\n```python\nprint(1)\n```"
OUTPUT = "the output of a script"

# By how much ours has to be ahead of `generate`, and what share of its rate scripts may leave.
BARS = {"generate": {"exponential": 4.0, "uniform": 2.5},
        "stub": {"exponential": 0.8, "uniform": 0.8}}


# ---- the work: conversations whose lengths are planned -------------------------------------------

def exponential(rng: random.Random, least: int) -> int:
    """Tokens of a turn: 36 on average, some turns of many times that."""
    return min(160, max(least, round(rng.expovariate(1 / 36))))


def uniform(rng: random.Random, least: int) -> int:
    """Tokens of a turn: from 8 to 72. No script's block is longer, so `least` never binds."""
    return rng.randint(8, 72)


LENGTHS = {"exponential": exponential, "uniform": uniform}


class Stub:
    """A sandbox that needs no CPU: every script sleeps `delay` seconds in a thread of its own."""

    def __init__(self, rows: int):
        self.delay = 0.0
        self.pool = ThreadPoolExecutor(rows)
        self.result = Result("ok", OUTPUT + "\n", "", 0, False, 0.0, 0.0, 0.0)

    def submit(self, code: str, seed: int) -> Future:
        if self.delay:
            return self.pool.submit(self.sleep)
        done = Future()
        done.set_result(self.result)
        return done

    def sleep(self) -> Result:
        time.sleep(self.delay)
        return self.result


class Work:
    """`rows` conversations of `turns` turns, with the length of every turn.

        row 0   prompt | a a a a CODE | output | a CODE | output | a a a a a a END
        row 1   prompt | a CODE | output | a a a a a a a CODE | output | a a END
                        lengths[1][0]     lengths[1][1]                 lengths[1][2]
    """

    def __init__(self, rows: int, turns: int, lengths: str, device: torch.device):
        rng, chat = random.Random(0), tiny.chat()
        self.device = device
        self.code, self.reply = chat.encode(CODE), chat.tool_reply(OUTPUT)
        [self.filler] = chat.encode("a")
        draw = LENGTHS[lengths]
        self.lengths = [[draw(rng, len(self.code)) for _ in range(turns)] for _ in range(rows)]
        # Questions differ in length, so prompts do.
        self.questions = []
        for number in range(rows):
            text = "Question" + " and more" * rng.randint(0, 20) + "?"
            self.questions.append(Instance("user/bench", number, 0, "eval", text, {}, ""))
        self.prompts = [render_messages(chat, chat.opening(q, "ci"))[0] for q in self.questions]
        self.tokens = sum(sum(row) for row in self.lengths)
        # The most that stands behind a prompt, replies included.
        self.budget = max(sum(row) for row in self.lengths) + len(self.reply) * (turns - 1) + 1

    def joined(self) -> "Work":
        """The same tokens in one turn each."""
        other = copy.copy(self)
        other.lengths = [[sum(row)] for row in self.lengths]
        return other

    def part(self, rows: slice) -> "Work":
        other = copy.copy(self)
        other.lengths, other.questions = self.lengths[rows], self.questions[rows]
        return other

    def plan(self) -> Tensor:
        """[rows * budget] What the rows sample behind their prompts, one row after another."""
        plan = np.full((len(self.lengths), self.budget), self.filler)
        for row, lengths in zip(plan, self.lengths):
            start = 0   # of the turn
            for turn, length in enumerate(lengths, 1):
                last = self.code if turn < len(lengths) else [tiny.chat().turn_end]
                row[start + length - len(last):start + length] = last
                start += length + len(self.reply)
        return torch.from_numpy(plan.flatten()).to(self.device)

    @contextmanager
    def planned(self) -> Iterator[None]:
        """Let the rollout sample as ever, then replace the tokens by those of the plan.

        A row's noise, one number for each position, says where in the plan that position is.
        """
        plan, sample, init = self.plan(), r1ci.sample, Row.__init__
        rows: list[Row] = []

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


# ---- who does it ---------------------------------------------------------------------------------

def timed(run: Callable[[], Any], device: torch.device) -> float:
    """Seconds, with the device's queue empty before and after."""
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
    groups: list[list[Trajectory]] = []

    def run() -> None:
        interpreter = Interpreter(model, tiny.chat(), stub)
        groups.extend(rollout(interpreter, work.questions, group_size=1, protocol=protocol,
                              key=(0,)))

    with work.planned():
        seconds = timed(run, work.device)
    # All was sampled that was planned, and nothing else.
    sampled = [t.response_len for group in groups for t in group]
    assert sampled == [sum(row) for row in work.lengths]
    return seconds


def lock_step(model: CausalLM, work: Work, stub: Stub, slots: int) -> float:
    """The same sampler, but `slots` rows at a time, and all of them wait for all their scripts."""
    patience = r1ci.PATIENCE
    parts = [work.part(slice(i, i + slots)) for i in range(0, len(work.lengths), slots)]
    try:
        r1ci.PATIENCE = 10 ** 9
        return sum(ours(model, part, stub, slots) for part in parts)
    finally:
        r1ci.PATIENCE = patience


def transformers_model(model: CausalLM) -> Any:
    """The same weights in transformers' model."""
    weight = model.model.embed_tokens.weight
    theirs = in_transformers(model.config).to(weight.device, weight.dtype).eval()
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

    def left_padded(rows: list[list[int]], value: int) -> Tensor:
        longest = max(map(len, rows))
        padded = [[value] * (longest - len(row)) + row for row in rows]
        return torch.tensor(padded, device=work.device)

    def run() -> None:
        reply = torch.tensor(work.reply, device=work.device).expand(len(work.lengths), -1)
        ids = left_padded(work.prompts, 0)                               # [B, T]
        mask = left_padded([[1] * len(row) for row in work.prompts], 0)  # [B, T]
        cache = None
        for turn in range(len(work.lengths[0])):
            lengths = [row[turn] for row in work.lengths]
            longest = max(lengths)
            out = theirs.generate(
                ids, attention_mask=mask, past_key_values=cache, do_sample=True, top_k=0, top_p=1.0,
                max_new_tokens=longest, pad_token_id=0, eos_token_id=None, use_cache=True,
                stopping_criteria=[Lengths(ids.shape[1], lengths)], return_dict_in_generate=True)
            # What a row "sampled" behind its own length is padding; then all get the reply.
            places = torch.arange(longest, device=work.device)
            new = places < torch.tensor(lengths, device=work.device)[:, None]
            ids = torch.cat((out.sequences, reply), dim=1)
            mask = torch.cat((mask, new.long(), torch.ones_like(reply)), dim=1)
            if keep_cache:
                cache = out.past_key_values
                continue
            # Without a cache padding can go to the left, and what is padding in all rows away.
            order = mask.argsort(dim=1, stable=True)
            kept = int(mask.sum(1).max())
            ids = ids.gather(1, order)[:, -kept:]
            mask = mask.gather(1, order)[:, -kept:]

    return timed(run, work.device)


# ---- the four parts ------------------------------------------------------------------------------

def interleaved(runs: list[Callable[[], float]], rounds: int) -> list[list[float]]:
    """Seconds of each run, a list a round; one more round before them warms up."""
    return [[run() for run in runs] for _ in range(rounds + 1)][1:]


def rates(work: Work, rounds: list[list[float]]) -> list[float]:
    """Tokens a second of each run: the median of the rounds."""
    return [work.tokens / statistics.median(column) for column in zip(*rounds)]


def bench_generate(model: CausalLM, args: argparse.Namespace, device: torch.device) -> None:
    theirs, stub = transformers_model(model), Stub(args.rows)
    print(f"\n{args.rows} rows, {args.turns} turns: sampled tokens a second, and ours against the "
          "faster `generate`\n"
          "turn lengths     ours  generate, cache kept  generate, anew |  ratio   bar")
    for lengths, bar in BARS["generate"].items():
        work = Work(args.rows, args.turns, lengths, device)
        rounds = interleaved([lambda: ours(model, work, stub, args.rows),
                              lambda: generate(theirs, work, keep_cache=True),
                              lambda: generate(theirs, work, keep_cache=False)], args.rounds)
        own, kept, anew = rates(work, rounds)
        ratio = statistics.median(min(row[1:]) / row[0] for row in rounds)
        print(f"{lengths:12s} {own:8.0f} {kept:21.0f} {anew:15.0f} | {ratio:5.2f}x  {bar:.1f}x",
              flush=True)


def bench_stub(model: CausalLM, args: argparse.Namespace, device: torch.device) -> None:
    rows, slots = 4 * args.rows, args.rows
    stub = Stub(rows)
    print(f"\n{rows} rows in {slots} slots, {args.turns} turns; every script sleeps for 20 % of "
          "the rollout without: tokens/s\n"
          "turn lengths  no delay    delay  lock-step | share kept   bar  lock-step")
    for lengths, bar in BARS["stub"].items():
        work, rounds = Work(rows, args.turns, lengths, device), []
        for _ in range(args.rounds + 1):
            stub.delay = 0.0
            free = ours(model, work, stub, slots)
            stub.delay = 0.2 * free
            delayed = ours(model, work, stub, slots)
            rounds.append([free, delayed, lock_step(model, work, stub, slots)])
        rounds = rounds[1:]   # the first one warms up
        free, delayed, locked = rates(work, rounds)
        kept = statistics.median(row[0] / row[1] for row in rounds)
        kept_locked = statistics.median(row[0] / row[2] for row in rounds)
        print(f"{lengths:12s} {free:9.0f} {delayed:8.0f} {locked:10.0f} | {kept:9.2f}x  "
              f"{bar:.2f}x {kept_locked:9.2f}x", flush=True)


def bench_turns(model: CausalLM, args: argparse.Namespace, device: torch.device) -> None:
    stub = Stub(args.rows)
    print(f"\nwhat turns cost: {args.rows} rows, {args.turns} turns against the same tokens in one "
          f"turn\nturn lengths  one turn  {args.turns} turns | overhead")
    for lengths in LENGTHS:
        work = Work(args.rows, args.turns, lengths, device)
        joined = work.joined()
        rounds = interleaved([lambda: ours(model, joined, stub, args.rows),
                              lambda: ours(model, work, stub, args.rows)], args.rounds)
        one, several = rates(work, rounds)
        overhead = statistics.median(row[1] / row[0] for row in rounds) - 1
        print(f"{lengths:12s} {one:9.0f} {several:8.0f} | {100 * overhead:6.1f} %", flush=True)


def copy_bandwidth(device: torch.device) -> float:
    """Bytes a second, read and written, of a copy that no cache holds."""
    size = 2 ** 30 if device.type == "cuda" else 2 ** 27
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / min(timed(lambda: target.copy_(source), device) for _ in range(10))


def full_sampler(model: CausalLM, rows: int, context: int, steps: int) -> Sampler:
    """A sampler in which `rows` rows decode, whose contexts will be `context` long on average."""
    chat, group = tiny.chat(), []
    for _ in range(rows):
        prompt = [chat.turn_end] * (context - steps // 2)
        t = Trajectory(tiny.instance(), 0, [], prompt_len=len(prompt), ids=list(prompt))
        noise = np.random.rand(steps + 4).astype(np.float32)
        group.append(Row(t, (), noise, group, turn_start=len(prompt)))
    protocol = Protocol(max_tokens=steps + 8, slots=rows)
    sampler = Sampler(model, chat.tokenizer_size, group, protocol)
    sampler.enter(new=group, returning=[])
    return sampler


@torch.no_grad()
def bench_decode(model: CausalLM, args: argparse.Namespace, device: torch.device) -> None:
    """Decoding alone. Every step has to read all weights and what the cache holds of every row."""
    bandwidth, config = copy_bandwidth(device), model.config
    weights = sum(p.nbytes for p in model.parameters())
    if not config.tie_word_embeddings:
        weights -= model.model.embed_tokens.weight.nbytes   # only some of its rows are read
    values = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    token = values * model.model.embed_tokens.weight.itemsize   # bytes that the cache holds of it
    print(f"\ndecode: contexts of {args.context} tokens on average, {bandwidth / 1e9:.0f} GB/s "
          f"copied, {weights / 1e9:.3g} GB of weights\n"
          "rows  ms/step  tokens/s  share of the bandwidth bound  peak memory GiB")
    for rows in (64, 128, 256):
        sampler = full_sampler(model, rows, args.context, args.steps)
        sampler.decode()   # warms up

        def decode_all() -> None:
            for _ in range(args.steps):
                sampler.decode()

        seconds = timed(decode_all, device) / args.steps
        bound = (weights + rows * args.context * token) / bandwidth
        print(f"{rows:4d} {1e3 * seconds:8.2f} {rows / seconds:9.0f} "
              f"{100 * bound / seconds:28.1f} % {memory_gb(device):15.2f}", flush=True)
        del sampler, decode_all   # its memory is the next one's


PARTS = {"generate": bench_generate, "stub": bench_stub, "turns": bench_turns,
         "decode": bench_decode}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--size", choices=SHAPES, default="tiny", help="of the random model")
    add("--model", metavar="DIR", help="or a model's directory: its shape, with random weights")
    add("--device", choices=("cpu", "cuda"),
        default="cuda" if torch.cuda.is_available() else "cpu")
    add("--dtype", choices=("auto", *DTYPES), default="auto", help="what it computes in")
    add("--parts", nargs="*", choices=PARTS, default=list(PARTS),
        help="what to measure (default: all)")
    add("--rows", type=int, default=64, help="conversations that run together (default: 64)")
    add("--turns", type=int, default=3, help="of every conversation (default: 3)")
    add("--rounds", type=int, default=3,
        help="of each comparison, after one to warm up (default: 3)")
    add("--context", type=int, default=600,
        help="mean tokens in the cache of a row, for decode (default: 600)")
    add("--steps", type=int, default=64, help="timed for decode (default: 64)")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.manual_seed(0)
    config = read_config(Path(args.model)) if args.model else shape(args.size)
    dtype = choose_dtype(args.dtype, device, config.hidden_size)
    with device:   # made there: large models take minutes on a CPU
        model = load_model(config, device, dtype).eval()
    where = f"{torch.get_num_threads()} CPU threads"
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    size = sum(parameter.numel() for parameter in model.parameters())
    print(f"{args.model or args.size}: {size:,} parameters in {dtype} on {where}, "
          f"torch {torch.__version__}", flush=True)
    for part in args.parts:
        PARTS[part](model, args, device)


if __name__ == "__main__":
    main()
