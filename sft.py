"""sft.py -- supervised fine-tuning on conversations in which code really ran.

    python sft.py                                                  the tiny model, from nothing, on a CPU
    torchrun --nproc_per_node 8 sft.py --model DIR --lr 1e-5       a pre-trained model on eight GPUs

1. Write conversations from the tasks' own programs: code and answer, answer in words, code that checks, code that
   fails and is corrected. Every script runs in the sandbox, and only conversations with a right answer are kept.
   Or --collect them from a teacher first, a model of ours or a served one, and train on the file (--data).
2. Without --model: make a tokenizer and a tiny model, and pre-train it to copy. Copying (a number from the question
   into the code, from the output into the answer) gates everything else; a language model of the usual kind has
   learned it long before. This minute of random tokens stands in for its pre-training.
3. Train on the tokens that the model itself will have to sample, and on no other.
4. Measure accuracy on held-out questions.

From the paper (arXiv 2505.21668 v2): 3 epochs, batch 32, correct trajectories only. Ours: programs instead of GPT-4o
as the teacher, and the tiny model with its settings, which are the defaults.
"""
import argparse
import functools
import json
import math
import os
import random
import re
import shutil
import signal
import string
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

from r1ci import (CausalLM, Chat, ModelConfig, checked_sandbox, check_model, command_line, compute_dtype, evaluate, explain_out_of_memory, find_device, gather, load_model, load_tokenizer, load_weights, micro_batches, pad, render_messages, save_model, token_logps)
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from tqdm import tqdm

from sandbox import Sandbox
from tasks import LEVELS
from tasks.conversation import FORMATS, MODES, add_protocol_flags, protocol_of, system_prompts
from tasks.questions import TINY_TASKS, draw_questions, parse_tasks, read_json
from tasks.report import report_table
from tasks.teacher import read_conversations, write_conversations

# ---- ranks ----

@dataclass
class World:
    """The processes that train together: this one's rank, their number, this one's device."""
    rank: int
    size: int
    device: torch.device

    @property
    def main(self) -> bool:
        return self.rank == 0

    def gather(self, value: Any) -> list[Any]:
        return gather(value)

    def sum(self, *values: float) -> list[float]:
        """Sums over the ranks, in float64."""
        tensor = torch.tensor(values, dtype=torch.float64)
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor.tolist()

    def agree(self, flags: dict[str, Any]) -> None:
        """Ranks that were started with different flags all refuse to work, with the same sentence."""
        parts = self.gather({key: str(value) for key, value in flags.items()})
        for key in flags:
            for rank, part in enumerate(parts):
                if part[key] != parts[0][key]:
                    raise SystemExit(f"--{key.replace('_', '-')} is {parts[0][key]} on rank 0 and "
                                     f"{part[key]} on rank {rank}: start all ranks with the same flags")


def start_world(device: str = "auto") -> World:
    """Join the processes that torchrun started; without torchrun, a world of one.

    Tensors on CUDA travel by nccl, those on a CPU (counts, metrics, off-loaded gradients) by gloo.
    """
    place, backend = find_device(device), "gloo"
    if place.type == "cuda":
        backend = "cpu:gloo,cuda:nccl"
        torch.cuda.set_device(place)
    alone = {} if "RANK" in os.environ else dict(store=dist.HashStore(), rank=0, world_size=1)
    dist.init_process_group(backend, **alone)
    return World(dist.get_rank(), dist.get_world_size(), place)


def shard(model: CausalLM, world: World, replicas: int = 1, offload: bool = False,
          checkpointing: bool = False) -> CausalLM:
    """FSDP2 by hand: every block, then the rest. float32 master weights, and bf16 compute on CUDA.

    `replicas` > 1 (HSDP): so many groups of ranks each hold a whole model, sharded within the group.
    `offload`: parameters, gradients and optimiser state stay in the host's memory. `checkpointing`: only the
    blocks' inputs are kept for the backward pass, which computes the rest again.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard
    mesh = init_device_mesh(world.device.type, (replicas, world.size // replicas),
                            mesh_dim_names=("replicate", "shard"))
    offload_policy = CPUOffloadPolicy(world.device.type == "cuda") if offload else OffloadPolicy()
    options = dict(mesh=mesh if replicas > 1 else mesh["shard"], offload_policy=offload_policy,
                   mp_policy=MixedPrecisionPolicy(compute_dtype(world.device), torch.float32))
    for block in model.model.layers:
        if checkpointing:
            block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)
        fully_shard(block, **options)
    return fully_shard(model, **options)


def load_sharded(source: str | Path, world: World, replicas: int = 1, offload: bool = False,
                 checkpointing: bool = False) -> CausalLM:
    """A model of which this rank only ever holds its own share."""
    model = shard(load_model(source, "meta"), world, replicas, offload, checkpointing)
    return load_weights(model.to_empty(device="cpu" if offload else world.device), source)


def make_optimizer(model: nn.Module, lr: float, weight_decay: float, world: World) -> torch.optim.AdamW:
    """AdamW. On CUDA the fused one: it needs no temporary copies of all parameters."""
    return torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay,
                             fused=world.device.type == "cuda")


@torch.no_grad()
def whole_tensors(model: nn.Module, device: torch.device, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """The whole weights of a sharded model, gathered one by one; every rank has to go through all of them."""
    for key, value in model.state_dict().items():
        value = value.to(device, dtype)  # cast, then gather: half the traffic; off-loaded shards meet here
        yield key, value.full_tensor() if hasattr(value, "full_tensor") else value


def full_tensors(model: nn.Module, world: World) -> dict[str, Tensor]:
    """The whole weights in the host's memory of rank 0, nothing on the others; every rank has to call it."""
    tensors = whole_tensors(model, world.device, torch.float32)
    return {key: value.cpu() for key, value in tensors if world.main}


@torch.no_grad()
def copy_weights(trained: nn.Module, sampler: CausalLM, world: World) -> None:
    """Bring the sampler's plain copy up to date: one gathering a rollout instead of one a token."""
    own = dict(sampler.named_parameters())
    for key, value in whole_tensors(trained, world.device, compute_dtype(world.device)):
        if own[key].shape != value.shape:  # it was freed
            own[key].data = torch.empty_like(value)
        own[key].copy_(value)


def free_weights(sampler: CausalLM) -> None:
    """Give the sampler's memory to the update; `copy_weights` brings it back."""
    for parameter in sampler.parameters():
        parameter.data = parameter.new_empty(0)


def memory_gb(device: torch.device) -> float:
    """Peak memory in GiB: the device's on CUDA, else the process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2 ** 30
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2 ** 30 if sys.platform == "darwin" else 2 ** 20)


@dataclass
class Batch:
    """A micro-batch of this rank's rows, padded on the right."""
    rows: list[int]     # their indices; none: the batch only keeps step with the other ranks
    ids: Tensor         # [B, T]
    loss_mask: Tensor   # [B, T]


def make_batches(ids: list[list[int]], loss_masks: list[list[int]], micro_tokens: int,
                 world: World) -> tuple[list[Batch], float]:
    """This rank's rows in micro-batches, and the share of all ranks' tokens that is padding.

    Every rank gets as many as the one with most, since each backward pass is a collective under FSDP: a rank
    without rows left takes an empty one, which trains no token.
    """
    groups = micro_batches([len(row) for row in ids], micro_tokens)
    real_tokens = sum(map(len, ids))
    padded_tokens = sum(len(ids[group[0]]) * len(group) for group in groups)
    most = max(world.gather(len(groups)))
    real_tokens, padded_tokens = world.sum(real_tokens, padded_tokens)
    batches = []
    for group in groups:
        padded_ids = pad([ids[i] for i in group], 0, world.device)
        padded_mask = pad([loss_masks[i] for i in group], 0, world.device)
        batches.append(Batch(group, padded_ids, padded_mask))
    empty = torch.zeros(1, 2, dtype=torch.long, device=world.device)
    batches += [Batch([], empty, empty)] * (most - len(groups))
    return batches, 1 - real_tokens / max(padded_tokens, 1)


@explain_out_of_memory("the optimiser's state does not fit: add --offload, or start more ranks")
def optimizer_step(model: nn.Module, optimizer: torch.optim.Optimizer, lr: float, clip: float) -> float:
    """Clip, step, clear the gradients; returns the gradient's norm. One that is not finite skips the step."""
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
    norm = float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
    for group in optimizer.param_groups:
        group["lr"] = lr
    if math.isfinite(norm):  # the norm is the same on all ranks, so all of them skip together
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm


# ---- run directory ----

class RunDir:
    """A run's directory: model, metrics.jsonl, trajectories.jsonl, eval.json and checkpoints/step-NNNNNN."""
    FREE = {"out", "resume", "overwrite", "stop_after", "keep", "save_every", "device", "workers", "replicas",
            "checkpointing", "offload", "keep_sampler"}  # flags that a resumed run may change

    def __init__(self, out: str, flags: dict[str, Any], world: World, resume: bool, overwrite: bool,
                 sandbox: Sandbox):
        self.path, self.world, self.flags = Path(out), world, flags
        self.checkpoints = self.path / "checkpoints"
        self.resumed: Path | None = None
        if resume:
            found = sorted(self.checkpoints.glob("step-??????"))
            if not found:
                raise SystemExit(f"--resume: {self.checkpoints} holds no checkpoint")
            self.resumed = found[-1]
            saved = read_json(self.resumed / "state.json")["flags"]
            for key in sorted((saved.keys() | flags.keys()) - self.FREE):
                if saved.get(key) != flags.get(key):
                    raise SystemExit(f"--resume: --{key.replace('_', '-')} was {saved.get(key)} when the run "
                                     f"began and is {flags.get(key)} now; a run goes on with its own flags")
        elif (self.path / "metrics.jsonl").exists() and not overwrite:
            raise SystemExit(f"{self.path} already holds a run: choose another --out, --resume it, or "
                             "--overwrite it")
        world.gather(None)  # nobody writes before everybody has looked
        if world.main:
            print(f"{sandbox.describe_layers()}\nwriting to {self.path}", flush=True)
            if not resume and overwrite:
                shutil.rmtree(self.path, ignore_errors=True)
            self.path.mkdir(parents=True, exist_ok=True)
            if not resume:
                header = {"flags": flags, "sandbox": sandbox.describe_layers()}
                self.write("metrics.jsonl", json.dumps(header) + "\n")
                self.write("trajectories.jsonl", "")

    def write(self, name: str, text: str) -> None:
        part = self.path / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        os.replace(part, self.path / name)

    def add_line(self, name: str, value: dict[str, Any]) -> None:
        if self.world.main:
            with open(self.path / name, "a", encoding="utf-8") as file:
                file.write(json.dumps(value) + "\n")

    def log(self, metrics: dict[str, Any], show: bool = True) -> None:
        """One step: a JSON line with everything, and a line on the screen."""
        each = lambda form: {key: form(v) if isinstance(v, float) else v for key, v in metrics.items()}
        self.add_line("metrics.jsonl", each(lambda v: round(v, 6)))
        if self.world.main and show:
            tqdm.write("  ".join(f"{key} {v}" for key, v in each("{:.3g}".format).items()))

    def save(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, tokenizer: Any,
             state: dict[str, Any], keep: int, best: int | None = None,
             also: Callable[[Path], None] | None = None) -> Path:
        """Checkpoint, whole or not at all: Hugging Face directory, sharded state, state.json, `also`."""
        import torch.distributed.checkpoint as dcp
        from torch.distributed.checkpoint.state_dict import get_state_dict
        final = self.checkpoints / f"step-{step:06d}"
        part = self.checkpoints / f"part-{step:06d}"
        weights = full_tensors(model, self.world)
        if self.world.main:
            shutil.rmtree(part, ignore_errors=True)
            save_model(model, tokenizer, part, weights)
            state = {**state, "step": step, "flags": self.flags,
                     "lines": {name: sum(1 for _ in open(self.path / name, encoding="utf-8"))
                               for name in ("metrics.jsonl", "trajectories.jsonl")}}
            (part / "state.json").write_text(json.dumps(state))
            if also:
                also(part)
        self.world.gather(None)
        model_state, optimizer_state = get_state_dict(model, optimizer)
        dcp.save({"model": model_state, "optimizer": optimizer_state}, checkpoint_id=part / "state")
        self.world.gather(None)
        if self.world.main:
            shutil.rmtree(final, ignore_errors=True)
            os.rename(part, final)
            for path in sorted(self.checkpoints.glob("step-??????"))[:-keep]:
                if best is None or path.name != f"step-{best:06d}":
                    shutil.rmtree(path)
        self.world.gather(None)
        return final

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """Restore the newest checkpoint, on any number of ranks; log lines written after it are forgotten."""
        import torch.distributed.checkpoint as dcp
        from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
        state = read_json(self.resumed / "state.json")
        model_state, optimizer_state = get_state_dict(model, optimizer)
        whole = {"model": model_state, "optimizer": optimizer_state}
        dcp.load(whole, checkpoint_id=self.resumed / "state")
        set_state_dict(model, optimizer, model_state_dict=whole["model"], optim_state_dict=whole["optimizer"])
        if self.world.main:
            for name, count in state["lines"].items():
                lines = (self.path / name).read_text(encoding="utf-8").splitlines(keepends=True)
                self.write(name, "".join(lines[:count]))
        self.world.gather(None)
        return state


class Interrupt:
    """Ctrl-C asks the loop to stop after the step it is in; a second one stops at once."""

    def __init__(self, world: World):
        self.world, self.asked = world, False
        self.previous = signal.signal(signal.SIGINT, self._ask)

    def _ask(self, *_: Any) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self.previous)
        tqdm.write("stopping after this step; Ctrl-C again stops at once", file=sys.stderr)

    def wanted(self) -> bool:
        """Whether any rank was asked to stop."""
        return self.world.sum(float(self.asked))[0] > 0


def add_run_flags(parser: argparse.ArgumentParser, out: str) -> None:
    add = parser.add_argument_group("run").add_argument
    add("--out", default=out, help="directory of the run")
    add("--resume", action="store_true", help="go on from the newest checkpoint of --out")
    add("--overwrite", action="store_true", help="delete a run that --out already holds")
    add("--seed", type=int, default=0, help="fixes all randomness")
    add("--device", default="auto", help="auto, cpu or cuda")
    add("--save-every", type=int, default=0, help="steps between checkpoints; 0: only on Ctrl-C")
    add("--keep", type=int, default=1, help="newest checkpoints kept")
    add("--stop-after", type=int, default=0, help="save a checkpoint and stop after this step; 0: never")
    add("--workers", type=int, default=None, help="sandbox processes; none: one a core")


def add_training_flags(parser: argparse.ArgumentParser, unit: str, batch_size: int, lr: float, warmup: int) \
        -> argparse._ArgumentGroup:
    """The flags that sft.py and grpo.py share; each adds its own to the group."""
    group = parser.add_argument_group("training")
    add = group.add_argument
    add("--batch-size", type=int, default=batch_size, help=f"{unit} per step")
    add("--lr", type=float, default=lr, help="peak learning rate")
    add("--warmup", type=int, default=warmup, help="steps of warm-up")
    add("--weight-decay", type=float, default=0.0, help="of AdamW")
    add("--clip", type=float, default=1.0, help="largest gradient norm")
    add("--micro-tokens", type=int, default=1024, help="padded tokens per forward pass")
    add("--checkpointing", action="store_true", help="keep blocks' inputs only: less memory, more work")
    add("--offload", action="store_true", help="parameters, gradients, optimiser state in host memory (CUDA)")
    add("--replicas", type=int, default=1, help="whole models that the ranks hold, each sharded (HSDP)")
    return group


def start_training(parser: argparse.ArgumentParser, args: argparse.Namespace) -> World:
    """The ranks of a training run, once their flags are found to agree and to fit their number."""
    world = start_world(args.device)
    world.agree(vars(args))
    if args.batch_size % world.size:
        parser.error(f"--batch-size {args.batch_size} does not divide over {world.size} ranks")
    if args.replicas < 1 or world.size % args.replicas:
        parser.error(f"--replicas {args.replicas} does not divide the number of ranks, {world.size}")
    if args.offload and world.device.type == "cpu":
        parser.error("--offload moves memory from a CUDA device to the host: on a CPU leave it out")
    return world


# ---- 3. data as tokens -----------------------------------------------------------------------------------------------

def render_lines(lines: list[dict[str, Any]], chat: Chat, train_failed: bool) -> list[tuple[list[int], list[int]]]:
    """(ids, loss_mask) of every conversation."""
    rows = []
    for line in lines:
        ids, loss_mask = render_messages(chat, line["messages"])
        if not train_failed and line.get("form") == "repair":  # the failing script is the first turn
            first = len(render_messages(chat, line["messages"][:3])[0])
            loss_mask = [0] * first + loss_mask[first:]
        rows.append((ids, loss_mask))
    return rows


# ---- 4. the tiny model -----------------------------------------------------------------------------------------------

MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
                 "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def frequent_phrases(texts: list[str], count: int, share: float = 0.01) -> list[str]:
    """The word sequences that save most tokens if each becomes one, chosen one after another."""
    texts, phrases = list(texts), []
    for _ in range(count):
        saved: Counter = Counter()
        for text in set(texts):
            words = re.findall(r"\s?[^\s\0\d\"]+", text)
            for i in range(len(words)):
                for j in range(i + 1, min(i + 12, len(words)) + 1):
                    phrase = "".join(words[i:j])
                    if phrase not in text:
                        break
                    saved[phrase] += 1
        frequent = {p: n * (len(p) - 1) for p, n in saved.items() if n >= share * len(texts) and len(p) > 3}
        if not frequent:
            break
        best = max(sorted(frequent), key=frequent.get)
        phrases.append(best)
        texts = [text.replace(best, "\0") for text in texts]
    return phrases


def tiny_tokenizer(texts: list[str], format_name: str = "fence") -> Any:
    """Bytes, so that any text can be written; and one token each for what recurs word for word: the chat marks, the
    system prompts, the fences, and the set phrases of the training conversations. Numbers and words stay bytes:
    copying them is learned byte by byte."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={symbol: i for i, symbol in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(MARKS)
    phrases = [prompt for mode in MODES for prompt in system_prompts(mode, format_name)]
    phrases += ["system\n", "user\n", "assistant\n", *FORMATS[format_name].marks, "print("]
    texts = [part for text in texts for part in re.split(r"```python\n|print\(|```|<<<.*?>>>", text) if part]
    phrases += frequent_phrases(random.Random(0).sample(texts, min(len(texts), 1000)), 64)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False, special=False) for phrase in dict.fromkeys(phrases)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>",
                                   chat_template=CHAT_TEMPLATE, clean_up_tokenization_spaces=False)


def copy_rows(rng: random.Random, tokens: list[int], progress: float) -> list[tuple[list[int], list[int]]]:
    """Rows that repeat a random segment with random tokens between: loss on the repetitions, about 1,500 tokens in all.

    What repeats is short and close together at first, and grows with `progress` (0 to 1).
    """
    length, rows = int(24 + 48 * progress), []
    draw = lambda count: rng.choices(tokens, k=count)
    for _ in range(1536 // length):
        segment, ids, loss_mask = draw(rng.randint(3, 5 + int(15 * progress))), [], []
        while len(ids) < length or not any(loss_mask):
            gap = draw(rng.randint(0, int(24 * progress)))
            seen = bool(ids)  # the first token of a repetition cannot be foreseen
            ids += gap + segment
            loss_mask += [0] * (len(gap) + 1) + [int(seen)] * (len(segment) - 1)
        rows.append((ids, loss_mask))
    return rows


def learn_to_copy(model: torch.nn.Module, chat: Chat, world: World, args: argparse.Namespace) -> None:
    """Pre-train on repeated random text, growing longer as the model keeps up, until it copies at full length.

    The order matters: the circuit that copies forms suddenly, on short rows within some 300 steps; on long rows from
    the start it had not formed after 1,000.
    """
    symbols = chat.encode(string.digits + string.ascii_letters + string.punctuation + " ")
    optimizer = make_optimizer(model, args.lr, 0.0, world)
    progress, left = 0.0, 100
    with tqdm(range(1, args.copy_steps + 1), desc="learning to copy", unit="step", disable=not world.main) as bar:
        for step in bar:
            rows = copy_rows(random.Random(f"copy/{args.seed}/{step}"), symbols, progress)
            lr = args.lr * min(step / args.warmup, 1)
            loss = sft_step(model, optimizer, rows, world, chat.vocab_size, args.micro_tokens, lr, args.clip)["loss"]
            bar.set_postfix(loss=f"{loss:.3f}", length=f"{progress:.0%}")
            progress = min(progress + 0.01, 1.0) if loss < 0.7 else progress
            left -= progress == 1.0
            if not left:
                return
    if world.main and args.copy_steps:
        tqdm.write(f"note: after {args.copy_steps} steps it copies at {progress:.0%} of the full length only")


# ---- 5. training -----------------------------------------------------------------------------------------------------

def learning_rate(step: int, steps: int, peak: float, warmup: int) -> float:
    """Linear up over `warmup` steps, then a cosine down to zero; `step` counts from 1."""
    if step <= warmup:
        return peak * step / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def sft_step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, rows: list[tuple[list[int], list[int]]],
             world: World, vocab_size: int, micro_tokens: int, lr: float, clip: float) -> dict[str, float]:
    """One optimiser step on rows shared out over the ranks: the mean negative log-likelihood of all trained tokens."""
    rows = sorted(rows, key=lambda row: len(row[0]))[world.rank::world.size]
    ids, masks = [row[0] for row in rows], [row[1] for row in rows]
    total = world.sum(sum(sum(mask[1:]) for mask in masks))[0]
    loss_sum = torch.zeros((), device=world.device)
    batches, padding = make_batches(ids, masks, micro_tokens, world)
    for batch in batches:
        scores = token_logps(model, batch.ids, batch.loss_mask, vocab_size)
        # Divided by the total of all ranks and micro-batches: the gradient does not depend on how they are cut.
        loss = -scores.logps.sum() / total
        (loss * world.size).backward()   # FSDP averages over the ranks: undo that
        loss_sum += loss.detach()
    norm = optimizer_step(model, optimizer, lr, clip)
    return dict(loss=world.sum(float(loss_sum))[0], grad_norm=norm, tokens=int(total), padding=padding)


def main() -> None:
    parser = command_line("Supervised fine-tuning; without arguments, the tiny model on a CPU.")
    add_run_flags(parser, "runs/sft")
    group = parser.add_argument_group("model")
    group.add_argument("--model", help="Hugging Face directory or hub id to start from (none: a new tiny model)")
    group.add_argument("--width", type=int, default=128, help="of the tiny model")
    group.add_argument("--layers", type=int, default=2, help="of the tiny model")
    group.add_argument("--copy-steps", type=int, default=800, help="at most, of copy pre-training")
    group = parser.add_argument_group("data")
    group.add_argument("--data", help="train on these JSON lines instead of writing conversations")
    group.add_argument("--tasks", default=TINY_TASKS, help="names, name@level, suites, train or all")
    group.add_argument("--level", type=int, choices=LEVELS, default=1, help="of the questions")
    group.add_argument("--per-task", type=int, default=800, help="questions per task")
    group.add_argument("--wordings", choices=("all", "one"), default="all", help="of the system prompt")
    group.add_argument("--multi-turn-weight", type=float, default=4.0, help="of forms with several calls or a switch")
    group.add_argument("--keep-wrong", action="store_true", help="train on wrong conversations, too")
    group.add_argument("--train-failed", action=argparse.BooleanOptionalAction, default=True, help="first scripts that fail, too")
    group = add_training_flags(parser, "conversations", batch_size=32, lr=1.5e-3, warmup=50)
    group.add_argument("--epochs", type=float, default=7, help="passes over the data; 0: the base, not fine-tuned")
    group.add_argument("--eval-n", type=int, default=72, help="held-out questions per task in the end")
    add_protocol_flags(parser, temperature=0.6)
    args = parser.parse_args()
    if min(args.epochs, args.multi_turn_weight) < 0:
        parser.error("--epochs or --multi-turn-weight is too small")
    tasks = parse_tasks(args.tasks, args.level)
    world = start_training(parser, args)
    if args.model:
        check_model(args.model)  # a wrong --model or --data ends the program before --out is touched
    if args.data:
        read_conversations(args.data, args.keep_wrong)
    with checked_sandbox(args.workers, args.code_timeout) as sandbox:
        train(args, tasks, world, sandbox)


def train(args: argparse.Namespace, tasks: list[tuple[str, int]], world: World, sandbox: Sandbox) -> None:
    run = RunDir(args.out, vars(args), world, args.resume, args.overwrite, sandbox)
    say = lambda text: print(text, flush=True) if world.main else None
    data = Path(args.data) if args.data else run.path / "data.jsonl"
    # 1. Conversations.
    if not args.data and not run.resumed:
        if world.main:
            lines = write_conversations(draw_questions(tasks, "sft", args.per_task, args.seed), sandbox, args.seed,
                                        args.tool_chars, args.multi_turn_weight, args.wordings, args.keep_wrong)
            run.write("data.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
            say(f"wrote {data}: {len(lines)} conversations, forms {dict(Counter(line['form'] for line in lines))}")
        world.gather(None)
    lines = read_conversations(data, args.keep_wrong)
    # 2. Model and tokenizer.
    source = run.resumed or args.model
    if source:
        tokenizer = load_tokenizer(source)
        model = load_sharded(source, world, args.replicas, args.offload, args.checkpointing)
    else:
        tokenizer = tiny_tokenizer([m["content"] for line in lines for m in line["messages"][1:]])
        torch.manual_seed(args.seed)
        model = load_model(ModelConfig(vocab_size=len(tokenizer), hidden_size=args.width, num_hidden_layers=args.layers,
                                       intermediate_size=3 * args.width, rope_theta=100.0))
        model = shard(model, world, args.replicas, args.offload, args.checkpointing)
    chat = Chat(tokenizer)
    if not source:
        say(f"tiny model: {sum(p.numel() for p in model.parameters()):,} parameters, {chat.vocab_size} tokens")
        learn_to_copy(model, chat, world, args)
    optimizer = make_optimizer(model, args.lr, args.weight_decay, world)
    # 3. Training.
    rows = render_lines(lines, chat, args.train_failed)
    if len(rows) < args.batch_size:
        raise SystemExit(f"{data} holds {len(rows)} conversations, fewer than --batch-size {args.batch_size}")
    per_epoch = len(rows) // args.batch_size
    steps, first = max(int(args.epochs * per_epoch), int(args.epochs > 0)), 1
    if run.resumed:
        first = run.load(model, optimizer)["step"] + 1
    interrupt = Interrupt(world)
    with tqdm(range(first, steps + 1), desc="fine-tuning", unit="step", initial=first - 1, total=steps,
              disable=not world.main) as bar:
        for step in bar:
            began = time.time()
            epoch, at = divmod(step - 1, per_epoch)
            order = random.Random(f"order/{args.seed}/{epoch}").sample(range(len(rows)), len(rows))
            batch = [rows[i] for i in order[at * args.batch_size:(at + 1) * args.batch_size]]
            lr = learning_rate(step, steps, args.lr, args.warmup)
            metrics = sft_step(model, optimizer, batch, world, chat.vocab_size, args.micro_tokens, lr, args.clip)
            bar.set_postfix(loss=f"{metrics['loss']:.3f}")
            run.log(dict(step=step, **metrics, lr=lr, seconds=time.time() - began, mem_gb=memory_gb(world.device)),
                    show=step % 50 == 0 or step == steps)
            stop = step == args.stop_after or interrupt.wanted()
            if stop or (args.save_every and step % args.save_every == 0):
                path = run.save(step, model, optimizer, tokenizer, {}, args.keep)
                if stop:
                    say(f"stopped after step {step}; {path} resumes with --resume")
                    raise SystemExit(130 if interrupt.asked else 0)
    # 4. The model, and its accuracy on held-out questions.
    weights = full_tensors(model, world)
    if world.main:
        save_model(model, tokenizer, run.path, weights)
    del model, optimizer, weights  # their memory is the sampler's now
    world.gather(None)
    sampler = load_model(run.path, world.device, compute_dtype(world.device))
    questions = draw_questions(tasks, "eval", args.eval_n)
    report, groups = evaluate(sampler, chat, sandbox, questions, 1, protocol_of(args), args.seed)
    if world.main:
        run.write("eval.json", json.dumps({**report, "modes": {args.mode: report}}, indent=1) + "\n")
        run.write("trajectories.jsonl", "".join(json.dumps(t.to_json()) + "\n" for [t] in groups))
        say(report_table(report))
        say(f"the model is in {run.path}; next: python grpo.py --model {run.path}")


if __name__ == "__main__":
    main()
