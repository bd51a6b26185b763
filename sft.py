"""sft.py -- how to train, and supervised fine-tuning on conversations in which code really ran.

    python sft.py                                              the tiny model, from nothing: a CPU
    torchrun --nproc_per_node 8 sft.py --model DIR --lr 1e-5   a pre-trained model on eight GPUs

First comes how to train, whatever the loss is (grpo.py trains by it, too): the ranks, weights
sharded over them (torch's fully_shard, applied by hand), micro-batches of a budget of tokens, the
optimiser's step. Then supervised fine-tuning:

1. Write conversations from the tasks' own programs: code and answer, answer in words, code that
   checks, code that fails and is corrected (how, and how often: write_messages and FORMS in
   tasks/teacher.py). Every script runs in the sandbox, and only conversations with a right answer
   are kept (--keep-wrong adds others). Or read them from a file (--data).
2. Load a pre-trained model and its tokenizer; without --model, make tiny ones.
3. Turn conversations into token ids and a loss mask: 1 where the model itself will have to sample.
4. Train on the tokens of mask 1, and on no other. The tiny model first learns to copy, from random
   tokens: copying (a number from the question into the code, from the output into the answer) gates
   everything else, and a language model of the usual kind has learned it long before.
5. Measure accuracy on held-out questions.

`train` and `main` take these steps in order. On a first reading skip what comes after them: the
flags that training runs share, the run's directory with checkpoints that a killed run goes on from,
and signals that stop a run without loss.

The paper (arXiv 2505.21668 v2) takes 3 epochs, batches of 32, correct trajectories only, and GPT-4o
as the teacher. Here programs are the teacher, and the default settings are the tiny model's.
"""
import signal
import sys

# First, Ctrl-C: it ends the program without a traceback, while libraries load, too. (What a shell
# ignores, in the background, stays ignored.) `check_and_start` catches this and other signals anew.
if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))

import argparse
import ctypes
import hashlib
import importlib.util
import itertools
import json
import math
import os
import random
import re
import shutil
import string
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

# Before torch: r1ci.py sets how torch's threads wait and how its memory grows.
from r1ci import (WIDE, CausalLM, Chat, Interpreter, ModelConfig, PackedRows, add_device_flags,
                  check_model, checked_sandbox, choose_dtype, evaluate, explain_out_of_memory,
                  find_device, find_model, gather, load_model, load_tokenizer, load_weights,
                  micro_batches, render_messages, save_model, sha256, token_logps)
import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm import tqdm

from sandbox import Sandbox
from tasks import LEVELS, TASKS
from tasks.conversation import FORMATS, MODES, system_prompts
from tasks.flags import CommandLine, add_protocol_flags, hold_lock, protocol_of, real, whole
from tasks.questions import TASKS_HELP, TINY_TASKS, draw_questions, parse_tasks
from tasks.report import report_table
from tasks.teacher import read_conversations, write_conversations, wrong_conversations


# ---- ranks: the processes that train together ----------------------------------------------------
#
#     rank              one of the processes, by its number; torchrun starts them
#     process group     the ranks that talk to each other
#     collective call   every rank has to make it, and in it waits for the others: `gather`, `sum`,
#                       `on_main`, a sharded model's forward and backward passes
#     DTensor           a tensor of which every rank holds some rows; full_tensor() gathers them all

@dataclass
class World:
    """This process's rank, the number of processes, this one's device, and what it computes in."""
    rank: int
    size: int
    device: torch.device
    dtype: torch.dtype   # of the model's computations; the weights that are trained are float32

    @property
    def main(self) -> bool:
        return self.rank == 0

    def say(self, text: str) -> None:
        """Print it once, above any progress bar."""
        if self.main:
            tqdm.write(text)
            sys.stdout.flush()

    def gather(self, value: Any) -> list[Any]:
        """Everybody's value, on everybody."""
        return gather(value)   # r1ci.py's

    def sum(self, *values: float) -> list[float]:
        """Sums over the ranks, in float64."""
        tensor = torch.tensor(values, dtype=torch.float64)
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor.tolist()

    def on_main(self, work: Callable[[], Any]) -> Any:
        """Rank 0 works while the others wait; all get its result, or end with its SystemExit or
        OSError: else the others would wait for a rank that is gone, at their next collective call.
        """
        result, error = None, None
        if self.main:
            try:
                result = work()
            except SystemExit as stopped:
                error = stopped.code
            except OSError as failure:   # disk full, read-only, no permission
                error = str(failure)
        result, error = self.gather((result, error))[0]
        if error is not None:
            raise SystemExit(error)
        return result


def start_world(device: str = "auto", dtype: str = "auto", width: int = 0) -> World:
    """Join the processes that torchrun started; without torchrun, a world of one.

    The model's width decides what --dtype auto is (`choose_dtype` in r1ci.py).
    Tensors on CUDA travel by nccl, those on a CPU (counts, metrics, off-loaded gradients) by gloo.
    """
    own_device, backend = find_device(device), "gloo"
    if own_device.type == "cuda":
        backend = "cpu:gloo,cuda:nccl"
    if "RANK" in os.environ:   # torchrun tells each process who it is and where to meet the others
        # Ranks wait for each other where one writes or loads alone; torchrun notices the dead.
        try:
            dist.init_process_group(backend, timeout=timedelta(hours=2))
        except ValueError as error:
            raise SystemExit(f"RANK is set, but not all that torchrun sets ({error}): start with "
                             "torchrun, or unset RANK")
    else:
        # FSDP and checkpoints want a process group even then: one with a single member, and with
        # its address book in memory.
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    return World(dist.get_rank(), dist.get_world_size(), own_device,
                 choose_dtype(dtype, own_device, width))


@contextmanager
def explain_lost_rank(world: World) -> Iterator[None]:
    """End in one sentence when another rank has died: then this one's collective calls fail.

    It is printed at once: torchrun may end this process before the program's own end comes.
    """
    try:
        yield
    except RuntimeError as error:
        if world.size == 1 or not ("gloo" in str(error) or isinstance(error, dist.DistError)):
            raise
        print(f"rank {world.rank} ends, since another rank has died: its own message says why; "
              "--resume goes on from the newest checkpoint", file=sys.stderr, flush=True)
        raise SystemExit(1)


# ---- weights: sharded for training, whole for sampling and saving --------------------------------

def shard(model: CausalLM, world: World, replicas: int = 1, offload: bool = False,
          checkpointing: bool = False) -> CausalLM:
    """FSDP2: torch's fully_shard round every block, then round the rest.

    Master weights are float32; what the model computes in is world.dtype. Weights that exist move
    to the rank's device (with `offload` they stay on the host).

        at rest                   rank 0 holds rows 0-3 of every matrix, rank 1 rows 4-7, ...
        before a block runs,
        forward or backward       every rank gathers the block's missing rows from the others
        after it has run          it forgets them
        after its backward pass   the block's gradients are averaged over the ranks, and every rank
                                  keeps those of its own rows

    `replicas` > 1 (HSDP): so many groups of ranks each hold a whole model, sharded within them; of
    8 ranks and 2 replicas, ranks 0-3 hold one and ranks 4-7 the other. The mesh is the ranks as a
    table [replicas, shards], here [2, 4].
    `offload`: parameters, gradients and optimiser state stay in the host's memory. `checkpointing`:
    only the blocks' inputs are kept for the backward pass, which computes the rest again.

    One process on a CPU has nothing to share out: its model stays in one piece, and its layers cast
    their own weights. That spares the tiny model a quarter of a step.
    """
    for block in model.model.layers:
        block.checkpointing = checkpointing
    if world.size == 1 and world.device.type == "cpu" and not offload:
        model.compute_dtype = world.dtype
        return model
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import (CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy,
                                        fully_shard)
    mesh = init_device_mesh(world.device.type, (replicas, world.size // replicas),
                            mesh_dim_names=("replicate", "shard"))
    if replicas == 1:   # plain FSDP: a mesh of one dimension
        mesh = mesh["shard"]
    offload_policy = OffloadPolicy()
    if offload:   # the programs refuse it on a CPU, but its test needs no GPU
        offload_policy = CPUOffloadPolicy(pin_memory=world.device.type == "cuda")
    precision = MixedPrecisionPolicy(param_dtype=world.dtype, reduce_dtype=torch.float32)
    # Every block, then what belongs to none: the embedding, the last norm, the head.
    for module in (*model.model.layers, model):
        fully_shard(module, mesh=mesh, offload_policy=offload_policy, mp_policy=precision)
    return model


def load_sharded(source: str | Path, world: World, offload: bool, **sharding: Any) -> CausalLM:
    """A model of which this rank only ever holds its own share; with the options of `shard`."""
    model = shard(load_model(source, "meta"), world, offload=offload, **sharding)
    return load_weights(model.to_empty(device="cpu" if offload else world.device), source)


def whole_tensor(tensor: Tensor) -> Tensor:
    """A sharded tensor (a DTensor) with all its rows; any other as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


@torch.no_grad()
def gather_weights(model: nn.Module, device: torch.device,
                   dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """The whole weights of a sharded model, gathered one by one; every rank has to do it."""
    for key, value in model.state_dict().items():
        # Cast, then gather: in bf16 half the traffic. Off-loaded shards come to the device here.
        value = value.to(device, dtype)
        yield key, whole_tensor(value)


def weights_on_main(model: nn.Module, world: World) -> dict[str, Tensor]:
    """The whole weights in rank 0's host memory, none on the others; every rank has to call it."""
    weights = {}
    for key, value in gather_weights(model, world.device, torch.float32):
        if world.main:
            # A copy of its own: a matrix that was gathered may be a part of a longer, padded one.
            weights[key] = value.cpu().clone()
    return weights


# For grpo.py, which holds the policy twice: sharded, to train it, and as a plain copy that is whole
# on every rank, to sample from.

def free_weights(plain_copy: CausalLM) -> None:
    """Give the memory of the copy that samples to the update; `copy_weights` brings it back."""
    for parameter in plain_copy.parameters():
        parameter.data = parameter.new_empty(0)


@torch.no_grad()
def copy_weights(trained: nn.Module, plain_copy: CausalLM, world: World) -> None:
    """Bring the copy that samples up to date; every rank has to call it.

    The copy is whole on every rank: one gathering a rollout instead of one a token.
    """
    parameters = dict(plain_copy.named_parameters())
    for key, value in gather_weights(trained, world.device, world.dtype):
        if parameters[key].shape != value.shape:   # free_weights made it empty
            parameters[key].data = torch.empty_like(value)
        parameters[key].copy_(value)


def memory_gb(device: torch.device) -> float:
    """Peak memory in GiB: the device's on CUDA, else the process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2 ** 30
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss   # bytes on macOS, else KiB
    return peak / (2 ** 30 if sys.platform == "darwin" else 2 ** 20)


# ---- batches of a budget of tokens, and the optimiser's step ------------------------------------

class Example(NamedTuple):
    """A row of tokens to train on; mask 1: this token has to be predicted."""
    ids: list[int]
    loss_mask: list[int]
    prompt_len: int = 0   # how many first tokens other rows may share


@dataclass
class Batch:
    """A micro-batch of this rank's rows."""
    row_indices: list[int]   # none: the batch only keeps step with the other ranks
    packed: PackedRows


def make_batches(examples: list[Example], micro_tokens: int, world: World) -> list[Batch]:
    """This rank's rows in micro-batches.

    Every rank gets as many as the one with most, since a backward pass under FSDP is a collective
    call: a rank without rows left takes an empty batch, which trains no token.
    """
    # The indices of the rows of each micro-batch.
    row_batches = micro_batches([len(example.ids) for example in examples], micro_tokens)
    most = max(world.gather(len(row_batches)))
    batches = []
    for indices in row_batches:
        # The micro-batch's rows: all their ids, all their masks, all lengths of their prompts.
        ids, loss_masks, prompt_lens = map(list, zip(*[examples[i] for i in indices]))
        batches.append(Batch(indices, PackedRows(ids, loss_masks, world.device, prompt_lens)))
    # One row of one token with mask 0: no token is scored. The loss is a sum over none of them, 0,
    # but backward runs through the model all the same, and makes the collective calls.
    empty = Batch([], PackedRows([[0]], [[0]], world.device))
    return batches + [empty] * (most - len(row_batches))


def tell_last_pass(model: nn.Module, is_last: bool) -> None:
    """Say before a backward pass whether it is the last one of a step.

    With --replicas: within a replica gradients are reduced after every pass, between replicas only
    after the last one, once a step. Without, nothing changes.
    """
    if hasattr(model, "set_requires_all_reduce"):   # a model in one piece has no such switch
        model.set_requires_all_reduce(is_last)


STATE_TOO_LARGE = "the optimiser's state does not fit: add --offload, or start more ranks"


# A context manager as decorator: the whole function runs inside it.
@explain_out_of_memory(STATE_TOO_LARGE)
def make_optimizer(model: nn.Module, lr: float, weight_decay: float,
                   world: World) -> torch.optim.AdamW:
    """AdamW. On CUDA the fused one: it needs no temporary copies of all parameters."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.98),
                                  weight_decay=weight_decay, fused=world.device.type == "cuda")
    # Adam's state, which torch makes in the first step. We make it now, for a checkpoint before
    # that step (grpo.py writes one if the sandbox fails in step 1). If torch's `get_state_dict`
    # finds no state, it takes a step of its own, with gradients 0: Adam would count one too many.
    for parameter in model.parameters():
        optimizer.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter)}
    return optimizer


@explain_out_of_memory(STATE_TOO_LARGE)
def optimizer_step(model: nn.Module, optimizer: torch.optim.Optimizer, lr: float,
                   max_grad_norm: float) -> float:
    """Clip, step, clear the gradients; returns their norm. If that is not finite, no step."""
    norm = nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm or math.inf)
    # With a sharded model each rank has the norm of its own rows' gradients, a DTensor; combined
    # they are the norm of the whole gradient.
    norm = float(whole_tensor(norm))
    for group in optimizer.param_groups:
        group["lr"] = lr
    if math.isfinite(norm):  # the norm is the same on all ranks, so all of them skip together
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    give_back_memory(model)
    return norm


def check_gradients(skipped: int, steps: int) -> None:
    """End a run of `steps` steps if the newest ten were skipped (or all, of a shorter run)."""
    if skipped >= min(steps, 10):
        raise SystemExit(f"training has failed: the last {skipped} steps were skipped, since no "
                         "gradient was finite; lower --lr, or look at the model and the data")


def give_back_memory(model: nn.Module) -> None:
    """After a step or a rollout: let glibc return what its tensors have left in pieces.

    The next ones have other shapes, which do not fit into them. Without, a run of a real model on a
    CPU grew from 6.5 to 13 GB within thirty steps. A tiny one leaves little, and giving it back
    would take a tenth of its step.
    """
    size = sum(parameter.numel() for parameter in model.parameters())
    if sys.platform == "linux" and size > 10_000_000:
        ctypes.CDLL(None).malloc_trim(0)


# ---- 1. conversations ----------------------------------------------------------------------------
#
# From here on, `run` is the RunDir that the end of this file defines: the directory --out.
#
#     run.world         the ranks
#     run.path          where it writes: that directory; to --overwrite a run, first OUT.new
#     run.resumed       the checkpoint that a resumed run goes on from, or None
#     run.state         what that checkpoint remembers; else it is at step 0
#
#     run.load          before the first step: the checkpoint's weights and the optimiser's state
#     run.take_place    after the first step, with --overwrite: the older run moves aside
#     run.log           a step's numbers
#     run.save          a checkpoint
#     run.finish        the trained model

def prepare_data(args: argparse.Namespace, run: "RunDir", sandbox: Sandbox) -> Path:
    """The file of conversations in the run's directory: written, unless a resumed run has it.

    FORMS and write_messages in tasks/teacher.py say what they look like.
    """
    data = run.path / "data.jsonl"

    def write() -> None:
        if args.resume and data.exists():
            return
        tasks = parse_tasks(args.tasks, args.level)
        questions = draw_questions(tasks, "sft", args.per_task, args.seed)
        lines = write_conversations(questions, sandbox, args.seed, args.tool_chars,
                                    multi_turn_weight=args.multi_turn_weight,
                                    wordings=args.wordings, format_name=args.format)
        if args.keep_wrong:
            lines += wrong_conversations(lines, questions)
        run.write("data.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        forms = dict(Counter(line["form"] for line in lines))
        run.world.say(f"wrote {data}: {len(lines)} conversations, forms {forms}")

    run.world.on_main(write)
    return data


def require_batch(count: int, batch_size: int, source: str | Path) -> None:
    if count < batch_size:
        raise SystemExit(f"{source} holds {count} conversations to train on, fewer than "
                         f"--batch-size {batch_size}")


# ---- 2. the tiny model ---------------------------------------------------------------------------

CHAT_MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = (   # ChatML: the format of the Qwen models
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
HOLE = "\0"   # stands in a text where a phrase has been taken out


def frequent_phrases(texts: list[str]) -> list[str]:
    """The word sequences that save most characters if each becomes one token, chosen one by one.

        What is the sum of 3 and 4?
        What is the sum of 5 and 6?
        What is the product of 7?

    "What is the sum of" stands in two texts and saves 17 characters in each: 34. "What is the"
    saves 10 in each of three: 30. The first is chosen, and what is left is

        HOLE 3 and 4?
        HOLE 5 and 6?
        What is the product of 7?

    Then "What is the product of" is chosen, and so on, 64 of them at most. What occurs fewer times
    than a hundredth of the number of texts is not worth a token.
    """
    left, phrases = texts, []
    for _ in range(64):
        # How often does each sequence of up to twelve words occur? Equal texts count once.
        found: Counter = Counter()
        for text in set(left):
            # Words, each with the blank before it; digits, quotes and holes end a phrase.
            words = re.findall(rf"\s?[^\s{HOLE}\d\"]+", text)
            for i in range(len(words)):
                for j in range(i + 1, min(i + 12, len(words)) + 1):
                    phrase = "".join(words[i:j])
                    # Digits are no words: of "of 3 and" these are "of" and " and", and the text
                    # has no "of and".
                    if phrase not in text:
                        break
                    found[phrase] += 1
        saved = {phrase: times * (len(phrase) - 1) for phrase, times in found.items()
                 if times >= 0.01 * len(left) and len(phrase) > 3}
        if not saved:
            break
        best = max(sorted(saved), key=saved.get)   # of equals, the same in every run
        phrases.append(best)
        left = [text.replace(best, HOLE) for text in left]
    return phrases


def tiny_tokenizer(texts: list[str], format_name: str = "fence") -> Any:
    """Bytes, so that any text can be written; and one token each for what recurs word for word: the
    chat marks, the system prompts, the fences, and the set phrases of the training conversations.
    All other words, and numbers, stay bytes: copying them is learned byte by byte.

        one token      "What is the greatest common divisor of"
        nine           " 196, 188", one for each byte
        one            "? Answer with one integer."
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: i for i, symbol in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(CHAT_MARKS)
    answer_format = FORMATS[format_name]
    phrases = [prompt for mode in MODES for prompt in system_prompts(mode, format_name)]
    phrases += ["system\n", "user\n", "assistant\n", *answer_format.marks, "print("]
    # Set phrases are looked for between the marks, which are tokens already, and outside of
    # answers, which are copied byte by byte.
    separators = [answer_format.code_open + "\n", "print(", answer_format.code_close]
    answer = re.escape(answer_format.answer_open) + ".*?" + re.escape(answer_format.answer_close)
    cuts = "|".join([*map(re.escape, separators), answer])
    parts = []
    for text in texts:
        parts += [part for part in re.split(cuts, text) if part]
    sample = random.Random(0).sample(parts, min(len(parts), 1000))
    phrases += frequent_phrases(sample)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False, special=False)
                          for phrase in phrases])   # a second time a phrase changes nothing
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>",
                                   pad_token="<|endoftext|>", chat_template=CHAT_TEMPLATE,
                                   clean_up_tokenization_spaces=False)


def tiny_model(args: argparse.Namespace, vocab_size: int) -> CausalLM:
    torch.manual_seed(args.seed)
    # Its conversations are short: at a base of 100 (usual: 10,000 or more) even the slowest pair of
    # dimensions turns by a radian within 75 tokens, so every one of them tells positions apart.
    return load_model(ModelConfig(
        vocab_size=vocab_size, hidden_size=args.width, num_hidden_layers=args.layers,
        intermediate_size=3 * args.width, rope_theta=100.0))


# ---- 3. token ids and loss mask ------------------------------------------------------------------

def render_examples(lines: list[dict[str, Any]], chat: Chat, context: int) -> list[Example]:
    """The conversations that fit into the model's context."""
    examples = [Example(*render_messages(chat, line["messages"])) for line in lines]
    return [example for example in examples if len(example.ids) <= context]


# ---- 4. training ---------------------------------------------------------------------------------

def learning_rate(step: int, steps: int, peak: float, warmup: int) -> float:
    """Linear up over `warmup` steps, then a cosine down to 0 in the last one; `step` counts from 1.
    """
    if step <= warmup:
        return peak * step / warmup
    falling = max(steps - warmup, 2)   # else a single step after the warm-up would have rate 0
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / falling))


def batch_of(step: int, examples: list[Example], batch_size: int, seed: int) -> list[Example]:
    """A step's examples. Every epoch has an order of its own and drops the incomplete batch."""
    epoch, position = divmod(step - 1, len(examples) // batch_size)
    shuffled = random.Random(f"order/{seed}/{epoch}").sample(examples, len(examples))
    return shuffled[position * batch_size:(position + 1) * batch_size]


@explain_out_of_memory("lower --micro-tokens, or add --checkpointing")
def sft_backward(model: nn.Module, examples: list[Example], world: World, tokenizer_size: int,
                 micro_tokens: int) -> dict[str, float]:
    """Adds gradients of the mean negative log-likelihood of all trained tokens. Returns that mean
    as `loss`, and their number as `tokens`.

    The examples are shared out over the ranks by length, so that all have about as much to do.
    """
    mine = sorted(examples, key=lambda example: len(example.ids))[world.rank::world.size]
    # A row's first token is predicted by nothing, so it does not count.
    [total] = world.sum(sum(sum(example.loss_mask[1:]) for example in mine))
    batches = make_batches(mine, micro_tokens, world)
    loss_sum = torch.zeros((), device=world.device)
    for number, batch in enumerate(batches, 1):
        tell_last_pass(model, is_last=number == len(batches))
        scores = token_logps(model, batch.packed, tokenizer_size)   # logps: [N]
        # Over the total of all ranks and micro-batches: how they are cut changes no gradient.
        loss = -scores.logps.sum() / max(total, 1)
        (loss * world.size).backward()   # FSDP averages over the ranks: undo that
        loss_sum += loss.detach()
    return dict(loss=world.sum(float(loss_sum))[0], tokens=int(total))


def copy_examples(rng: random.Random, tokens: list[int], progress: float) -> list[Example]:
    """Rows that repeat a random segment between random tokens; about 1,550 to 1,900 tokens in all.

        ids        x y  A B C  z  A B C  u v w  A B C
        loss_mask  0 0  0 0 0  0  0 1 1  0 0 0  0 1 1      the A of a repetition cannot be foreseen

    What repeats is short and close together at first, and grows with `progress` (0 to 1).
    """
    length, examples = int(24 + 48 * progress), []
    for _ in range(1536 // length):
        segment = rng.choices(tokens, k=rng.randint(3, 5 + int(15 * progress)))
        ids, loss_mask = [], []
        while len(ids) < length or not any(loss_mask):
            gap = rng.choices(tokens, k=rng.randint(0, int(24 * progress)))
            repeated = int(bool(ids))   # 0 for the first time
            ids += gap + segment
            loss_mask += [0] * (len(gap) + 1) + [repeated] * (len(segment) - 1)
        examples.append(Example(ids, loss_mask))
    return examples


def learn_to_copy(model: nn.Module, chat: Chat, world: World, args: argparse.Namespace) -> None:
    """Pre-train on repeated random text that grows as the model keeps up, until it copies well.

    The order matters: the circuit that copies forms suddenly, on short rows within some 300 steps;
    on long rows from the start it had not formed after 1,000.
    """
    symbols = chat.encode(string.digits + string.ascii_letters + string.punctuation + " ")
    optimizer = make_optimizer(model, args.lr, 0.0, world)
    progress, steps_at_full_length = 0.0, 0
    if args.copy_steps:
        world.say("the new model learns to copy random texts first; their length grows to 100%")
    bar = tqdm(range(1, args.copy_steps + 1), desc="learning to copy", unit="step",
               disable=not world.main)
    for step in bar:
        examples = copy_examples(random.Random(f"copy/{args.seed}/{step}"), symbols, progress)
        lr = args.lr * min(step / max(args.warmup, 1), 1)
        loss = sft_backward(model, examples, world, tokenizer_size=chat.tokenizer_size,
                            micro_tokens=args.micro_tokens)["loss"]
        optimizer_step(model, optimizer, lr, args.max_grad_norm)
        bar.set_postfix(loss=f"{loss:.3f}", length=f"{progress:.0%}", refresh=False)
        if loss < 0.7:   # the right token gets half the probability (e ** -0.7): it keeps up
            progress = min(progress + 0.01, 1.0)
        if progress == 1.0:
            steps_at_full_length += 1
        if steps_at_full_length == 100:
            bar.close()
            world.say(f"after {step} steps it copies well enough")
            return
    if args.copy_steps and progress < 1.0:
        world.say(f"note: after {args.copy_steps} steps it copies at {progress:.0%} of the full "
                  "length only")


# ---- 5. held-out accuracy ------------------------------------------------------------------------

def evaluate_run(args: argparse.Namespace, run: "RunDir", sandbox: Sandbox) -> None:
    """Ask the model in the run's directory, and write what it said and how much was right."""
    model = load_model(run.path, run.world.device, run.world.dtype)
    chat = Chat(load_tokenizer(run.path), args.format)
    questions = draw_questions(parse_tasks(args.tasks, args.level), "eval", args.eval_n)
    if args.data:
        run.world.say(f"asking held-out questions of --tasks {args.tasks}, which {args.data} need "
                      "not be about; your own are asked by r1ci.py eval --questions FILE")
    report, groups = evaluate(Interpreter(model, chat, sandbox), questions, samples=1,
                              protocol=protocol_of(args), key=(args.seed, "held-out questions"))
    lines = [json.dumps(trajectory.to_json()) + "\n" for group in groups for trajectory in group]
    run.write("trajectories.jsonl", "".join(lines))
    run.write("eval.json", json.dumps({**report, "modes": {args.mode: report}}, indent=1) + "\n")
    run.world.say(report_table(report))


# ---- the run -------------------------------------------------------------------------------------

def train(args: argparse.Namespace, run: "RunDir", sandbox: Sandbox) -> None:
    """Steps 1 to 4; the trained model is then in the run's directory."""
    world = run.world
    sharding = dict(replicas=args.replicas, offload=args.offload, checkpointing=args.checkpointing)
    # 1. Conversations.
    data = Path(args.data) if args.data else prepare_data(args, run, sandbox)
    digest = sha256(data)
    if run.resumed and digest != run.state["data_sha256"]:
        raise SystemExit(f"--resume: {data} has changed since the run began")
    lines = read_conversations(data, args.keep_wrong, args.format)
    # 2. Model and tokenizer: of the checkpoint, pre-trained, or new. (A resumed model's weights are
    # read twice: here like any model's, and by run.load with the state of the optimiser.)
    source = run.resumed or args.model
    is_new = source is None
    if is_new:
        # All but the system prompts: tiny_tokenizer knows those of the modes.
        texts = [message["content"] for line in lines for message in line["messages"]
                 if message["role"] != "system"]
        tokenizer = tiny_tokenizer(texts, args.format)
        # Made on the CPU; `shard` moves it to the rank's device.
        model = shard(tiny_model(args, vocab_size=len(tokenizer)), world, **sharding)
    else:
        tokenizer = load_tokenizer(source)
        model = load_sharded(source, world, **sharding)
    chat = Chat(tokenizer, args.format)
    # 3. Token ids and loss mask.
    context = model.config.max_position_embeddings
    examples = render_examples(lines, chat, context)
    too_long = len(lines) - len(examples)
    if too_long:
        world.say(f"note: {too_long} conversations are left out: they are longer than the model's "
                  f"context of {context} tokens")
    require_batch(len(examples), args.batch_size, data)
    # 4. Training: a new model first learns to copy.
    if is_new:
        size = sum(parameter.numel() for parameter in model.parameters())
        world.say(f"tiny model: {size:,} parameters, {chat.tokenizer_size} tokens")
        learn_to_copy(model, chat, world, args)
    optimizer = make_optimizer(model, args.lr, args.weight_decay, world)
    steps = int(args.epochs * (len(examples) // args.batch_size))
    if args.epochs > 0:
        steps = max(steps, 1)
    if 0 < steps <= args.warmup:
        world.say(f"note: --warmup {args.warmup} ends after the last step, {steps}: --lr "
                  f"{args.lr:g} is not reached")
    run.load(model, optimizer)   # of a checkpoint, if the run goes on from one
    first = run.state["step"] + 1
    # The newest steps, one after the other, whose gradient was not finite.
    skipped = run.state.get("skipped", 0)
    # Ctrl-C waits for the end of the step: then a checkpoint is written, and the program ends. In
    # the last step it waits until the model is written (see `Interrupt`, at the end of this file).
    with Interrupt(world) as interrupt, tqdm(
            range(first, steps + 1), desc="fine-tuning", unit="step", initial=first - 1,
            total=steps, disable=not world.main) as bar:
        for step in bar:
            began = time.time()
            batch = batch_of(step, examples, args.batch_size, args.seed)
            lr = learning_rate(step, steps, args.lr, args.warmup)
            metrics = sft_backward(model, batch, world, tokenizer_size=chat.tokenizer_size,
                                   micro_tokens=args.micro_tokens)
            metrics["grad_norm"] = optimizer_step(model, optimizer, lr, args.max_grad_norm)
            skipped = 0 if math.isfinite(metrics["grad_norm"]) else skipped + 1
            bar.set_postfix(loss=f"{metrics['loss']:.3f}", refresh=False)
            run.take_place()   # a step is done: with --overwrite, the older run moves aside
            metrics = dict(step=step, **metrics, lr=lr, seconds=time.time() - began,
                           mem_gb=memory_gb(world.device))
            run.log(metrics)
            if step % 50 == 0 or step == steps:
                world.say("step {step}  loss {loss:.3g}  tokens {tokens}  grad_norm {grad_norm:.3g}"
                          "  lr {lr:.3g}  seconds {seconds:.3g}  mem_gb {mem_gb:.3g}"
                          .format(**metrics))
            check_gradients(skipped, steps)
            stop = interrupt.wanted() or step == args.stop_after
            if stop or (args.save_every and step % args.save_every == 0):
                path = run.save(model, optimizer, tokenizer,
                                state={"step": step, "data_sha256": digest, "skipped": skipped})
                if stop and step < steps:   # after the last step nothing is left to stop
                    world.say(f"stopped after step {step}; the same command with --resume (in the "
                              f"place of --overwrite) goes on from {path}")
                    raise SystemExit(interrupt.status)
        run.finish(model, tokenizer)


# What --preset changes of the flags' defaults (the tiny model's). Each flag can still be given.
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {},
    "quick": dict(per_task=200, eval_n=24),   # for a first look or an exercise in class
    "laptop": dict(   # a real model of 135 million parameters, on two cores
        model="HuggingFaceTB/SmolLM2-135M-Instruct",
        out="runs/laptop-sft",
        tasks="laptop",
        per_task=24,
        epochs=2.0,
        batch_size=16,
        lr=1e-4,
        warmup=10,
        micro_tokens=2048,
        max_turn_tokens=192,
        max_tokens=448,
        slots=64,
        eval_n=8,
    ),
}


def main() -> None:
    parser = CommandLine("Supervised fine-tuning; without arguments, the tiny model on a CPU.")
    parser.add_argument("--preset", choices=PRESETS, default="tiny",
                        help="defaults of the other flags: tiny, a new model from nothing; quick, "
                        "with a quarter of the data; laptop, a real one of 135 million parameters")
    add_run_flags(parser, "runs/sft")
    add = parser.add_argument_group("model").add_argument
    add("--model", help="Hugging Face directory or hub id (none: a new tiny model)")
    add("--width", type=whole(8), default=128, help="of the tiny model")
    add("--layers", type=whole(1), default=2, help="of the tiny model")
    add("--copy-steps", type=whole(0), default=800, help="at most, of copying")
    add = parser.add_argument_group("data").add_argument
    add("--data", help="train on these JSON lines instead of writing conversations: "
        '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", ...}, ...]}')
    add("--tasks", default=TINY_TASKS, help=TASKS_HELP)
    add("--level", type=int, choices=LEVELS, default=1, help="of the questions")
    add("--per-task", type=whole(1), default=800, help="questions per task")
    add("--wordings", choices=("all", "one"), default="all",
        help="of the system prompts")
    add("--multi-turn-weight", type=real(0), default=4.0,
        help="of forms with several calls or a switch")
    add("--keep-wrong", action="store_true",
        help="train on wrong conversations, too")
    add = add_training_flags(parser, "conversations", batch_size=32, lr=1.5e-3, warmup=50)
    add("--epochs", type=real(0), default=7.0,
        help="passes over the data; 0: the model as it was, or a new one that has learned to copy")
    add("--eval-n", type=whole(0), default=72,
        help="held-out questions per task in the end; 0: none")
    add_protocol_flags(parser, temperature=0.6)
    args = parse_with_preset(parser, PRESETS)
    if args.width % 8:
        parser.error(f"--width {args.width} is not a multiple of 8: 4 heads of an even width")
    world = check_and_start(parser, args)
    # A wrong --data ends the program here, before --out is touched.
    if args.data:
        lines = read_conversations(args.data, args.keep_wrong, args.format)
        require_batch(len(lines), args.batch_size, args.data)
    with (checked_sandbox(args.workers, args.code_timeout, args.allow_weak) as sandbox,
          explain_lost_rank(world)):
        run = RunDir(vars(args), world, sandbox)
        # save_model writes config.json last: where that is, only step 5 is left to a resumed run.
        if args.resume and (run.path / "config.json").exists():
            run.note_sandbox()
        else:
            train(args, run, sandbox)
        # 5. Held-out accuracy.
        if args.eval_n:
            evaluate_run(args, run, sandbox)
    # The command that comes next. It takes over how the model was asked, but not on which tasks.
    # With other tasks it gets an --out, too: runs/grpo is for the default ones.
    further = ""
    if args.preset != "tiny":
        further += f" --preset {args.preset}"
    if args.tasks != parser.get_default("tasks"):
        further += f" --tasks {args.tasks} --out {run.path}-grpo"
    world.say(f"the model is in {run.path}; next: python grpo.py --model {run.path}{further}")


# ---- flags that training runs share (on a first reading, skip from here) -------------------------

def parse_with_preset(parser: argparse.ArgumentParser,
                      presets: dict[str, dict[str, Any]]) -> argparse.Namespace:
    """The flags. Parsed twice: --preset's values become defaults, and what is typed still wins."""
    preset = parser.parse_args().preset
    parser.set_defaults(**presets[preset])
    return parser.parse_args()


def add_run_flags(parser: argparse.ArgumentParser, out: str) -> None:
    """A run's place and seed; how it is saved, stopped and taken up again; on what it runs."""
    group = parser.add_argument_group("run")
    add = group.add_argument
    add("--out", default=out, help="directory of the run")
    either = group.add_mutually_exclusive_group()
    either.add_argument("--resume", action="store_true",
                        help="go on from whatever --out holds: a checkpoint, data, nothing "
                             "(Ctrl-C stops a run, in the background `kill PID`)")
    either.add_argument("--overwrite", action="store_true",
                        help="move a run that --out holds aside, to OUT.1, and begin again")
    add("--seed", type=whole(0), default=0, help="fixes all randomness")
    add_device_flags(add)
    add("--save-every", type=whole(0), default=0,
        help="steps between checkpoints; 0: only when stopped (grpo.py: and at validations)")
    add("--keep", type=whole(1), default=1, help="newest checkpoints kept")
    add("--stop-after", type=whole(0), default=0,
        help="save a checkpoint and stop after this step; resumed, it goes on. 0: never")
    add("--log", choices=("tensorboard", "wandb"),
        help="send every step's numbers there, too (a package of that name)")
    add("--workers", type=whole(1), help="sandbox processes; none: one a core")
    add("--allow-weak", action="store_true",
        help="run scripts even where the sandbox cannot confine them")


def add_training_flags(parser: argparse.ArgumentParser, unit: str, batch_size: int, lr: float,
                       warmup: int) -> Callable[..., Any]:
    """The flags that sft.py and grpo.py share; each adds its own to the group, by what is returned.
    """
    add = parser.add_argument_group("training").add_argument
    add("--batch-size", type=whole(1), default=batch_size, help=f"{unit} per step")
    add("--lr", type=real(0), default=lr, help="peak learning rate")
    add("--warmup", type=whole(0), default=warmup, help="steps of warm-up")
    add("--weight-decay", type=real(0), default=0.0, help="of AdamW")
    add("--max-grad-norm", type=real(0), default=1.0, help="largest gradient norm; 0: any")
    add("--micro-tokens", type=whole(1), default=4096,
        help="tokens of a forward pass: rows times the longest of them (computed are fewer: no "
        "padding, and a prompt that rows share once)")
    add("--checkpointing", action="store_true",
        help="keep blocks' inputs only: less memory, more work")
    add("--offload", action="store_true",
        help="parameters, gradients, optimiser state in host memory (CUDA)")
    add("--replicas", type=whole(1), default=1,
        help="whole models that the ranks hold, each sharded (HSDP)")
    return add


def check_and_start(parser: argparse.ArgumentParser, args: argparse.Namespace) -> World:
    """The ranks of a training run, once its flags are found to fit them and each other.

    From here on a signal ends the program without a traceback, and --dtype is no longer "auto".
    """
    catch_signals(stop_at_once)
    # Wrong --tasks end the program here at the latest, before --out is touched. (With --questions
    # there are none.)
    tasks = parse_tasks(args.tasks, args.level) if args.tasks else []
    held_out = [key for key, _ in tasks if TASKS[key].split == "test"]
    out = Path(args.out).resolve()
    # What a run begins from, by flags of either program, must not lie where it writes. (grpo.py
    # --explain writes nothing.)
    outputs = [] if getattr(args, "explain", False) else [out, Path(f"{out}.new")]
    for name in ("model", "data", "questions", "pass_rates"):
        source = getattr(args, name, None)
        if source and any(Path(source).resolve().is_relative_to(output) for output in outputs):
            parser.error(f"--{name.replace('_', '-')} {source} lies in --out {args.out}: a run "
                         "does not replace what it begins from")
    if args.overwrite and out in (Path.cwd(), *Path.cwd().parents):
        parser.error(f"--overwrite cannot move --out {args.out!r} aside, since you are in it: "
                     "start from the directory above")
    if args.log and importlib.util.find_spec(args.log) is None:
        parser.error(f"--log {args.log} needs a package that is not installed: pip install "
                     f"{args.log}")
    # A wrong --model ends the program here, before --out is touched.
    if args.model:
        config = check_model(args.model)
    else:
        config = ModelConfig(vocab_size=0, hidden_size=args.width)   # the tiny model's
    width, context = config.hidden_size, config.max_position_embeddings
    if args.max_tokens >= context:
        parser.error(f"--max-tokens {args.max_tokens} leaves no room for a prompt in the model's "
                     f"context of {context}")
    world = start_world(args.device, args.dtype, width)
    # The presets for real models bring a --lr of their own, and so does who types one.
    if args.model and args.preset in ("tiny", "quick") and args.lr == parser.get_default("lr"):
        if width >= WIDE:
            world.say(f"note: --lr {args.lr:g} and --max-turn-tokens {args.max_turn_tokens} are "
                      f"meant for the tiny model, and {args.model} is none: --preset laptop has "
                      "others")
        elif args.lr > 1e-4:   # sft.py's default is, grpo.py's is not
            world.say(f"note: --lr {args.lr:g} is meant for a new model, and {args.model} has "
                      "learned already: 1e-4 spoils less")
    if held_out:
        world.say(f"note: {len(held_out)} of --tasks are meant to be held out as whole tasks "
                  f"(split test), {held_out[0]} for one: who trains on them cannot ask them "
                  "afterwards")
    # What "auto" has come to is noted with the flags: where it would be another dtype, --resume is
    # refused.
    args.dtype = str(world.dtype).removeprefix("torch.")
    if args.batch_size % world.size:
        parser.error(f"--batch-size {args.batch_size} does not divide over {world.size} ranks")
    if world.size % args.replicas:
        parser.error(f"--replicas {args.replicas} does not divide the number of ranks, "
                     f"{world.size}")
    if args.offload and world.device.type == "cpu":
        parser.error("--offload moves memory from a CUDA device to the host: on a CPU leave it out")
    return world


# ---- run directory: logs and checkpoints ---------------------------------------------------------

def sync(path: Path) -> None:
    """Wait until a file or a directory is on the disk, where no power cut takes it away again."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def model_sha256(source: str | Path) -> str:
    """A digest of a model's weights and tokenizer."""
    directory = find_model(source)
    files = [directory / "tokenizer.json", *sorted(directory.glob("*.safetensors"))]
    return hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()


def is_run(path: Path) -> bool:
    return (path / "metrics.jsonl").exists()


def checksums(checkpoint: Path) -> str:
    """What `sha256sum` says of all files: a line with the digest and the name for each."""
    lines = []
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file() and path.name != "SHA256SUMS":
            lines.append(f"{sha256(path)}  {path.relative_to(checkpoint)}\n")
    return "".join(lines)


def is_whole(checkpoint: Path) -> bool:
    """Whether the files that were written are there, to the last bit; others do no harm."""
    try:
        written = set((checkpoint / "SHA256SUMS").read_text().splitlines())
        return bool(written) and written <= set(checksums(checkpoint).splitlines())
    except (OSError, ValueError):
        return False


def write_model(model: nn.Module, tokenizer: Any, directory: Path,
                weights: dict[str, Tensor]) -> None:
    try:
        save_model(model, tokenizer, directory, weights)
    except Exception as error:   # a full disk has another, untyped error in each library
        raise SystemExit(f"{directory}: {error}")


class RunDir:
    """A run's directory. One run at a time writes to it, and no run is deleted for another.

        OUT/metrics.jsonl                the flags, then a line a step
        OUT/data.jsonl                   (sft.py) the conversations that it trains on
        OUT/pass_rates.jsonl             (grpo.py) p of every question, if it measured them;
                                         pass_rates-stage-K.jsonl: again, before stage K
        OUT/trajectories.jsonl           grpo.py: some of the answers, with their advantages;
                                         sft.py: those to the held-out questions
        OUT/eval.json                    held-out accuracy
        OUT/config.json, ...             the trained model, a Hugging Face directory
        OUT/checkpoints/step-NNNNNN/     a Hugging Face directory, with
            state/                       weights and optimiser, by torch.distributed.checkpoint
            state.json                   step, flags, lines of the logs by then, and what else the
                                         algorithm has to remember
            value_head.pt                (grpo.py) PPO's critic
            SHA256SUMS                   tells a damaged checkpoint (`sha256sum -c SHA256SUMS`)
        OUT/lock                         held by rank 0 as long as it lives

    --overwrite, where OUT holds a run:

        it starts                   the new run writes to OUT.new; OUT is as it was
        its first step is done      OUT becomes OUT.1 (or .2, ...), OUT.new becomes OUT
        it is killed before that    OUT.new stays: --resume goes on with it, and another --overwrite
                                    makes it OUT.1 (or .2, ...)

    `out` is OUT, and `path` where the run writes now: there, or OUT.new.
    `resumed` is the checkpoint that the run goes on from, if any; `state` is what its state.json
    says, or else that of step 0. A resumed run ends as if it had not been stopped, although no
    random state and no place in the data is stored: both follow from seed and step. Flags that
    decide results must be the same, and logs are cut to the step.
    (Only grpo.py's count of the sandbox's failures, which may end a run, begins anew.)
    """
    # A resumed run may change flags that change no result, the order of floating-point sums aside.
    MAY_CHANGE = {"out", "resume", "overwrite", "stop_after", "keep", "save_every", "device",
                  "workers", "replicas", "checkpointing", "offload", "keep_sampler", "micro_tokens",
                  "slots", "allow_weak", "log"}

    def __init__(self, flags: dict[str, Any], world: World, sandbox: Sandbox):
        self.out, self.world, self.flags = Path(flags["out"]), world, flags
        self.locks: list[Any] = []
        self.sandbox_line = sandbox.describe_layers()
        self.path = world.on_main(self._claim)
        self.resumed = world.on_main(self._open)
        # Without a checkpoint: before step 1, when the logs hold the line of flags alone.
        self.state: dict[str, Any] = {"step": 0, "lines": {"metrics.jsonl": 1}}
        if self.resumed:
            state = self.resumed / "state.json"
            self.state = world.on_main(lambda: json.loads(state.read_text(encoding="utf-8")))

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def _choose_path(self) -> Path:
        """Where this run writes; what must not be touched is refused.

            it finds a run in          without a flag   --resume   --overwrite
            neither OUT nor OUT.new    OUT              OUT        OUT
            OUT alone                  (refused)        OUT        OUT.new
            OUT.new, or both           (refused)        OUT.new    OUT.new, when `_claim` has moved
                                                                   aside what it holds

        OUT.new is what an --overwrite left that was killed before its first step. Directories with
        files that are no run's are refused, too.
        """
        new = Path(f"{self.out}.new")
        leftovers = {"lock", "metrics.jsonl.part"}   # of a run that was killed before it had begun
        if not (is_run(self.out) or is_run(new)):
            path = self.out
        elif self.flags["overwrite"]:
            path = new
        elif self.flags["resume"]:
            path = new if is_run(new) else self.out
        else:
            found = self.out if is_run(self.out) else new
            raise SystemExit(f"{found} already holds a run: choose another --out, --resume it, or "
                             "--overwrite it (which moves it aside)")
        for touched in (self.out, path):
            if touched.is_dir() and not is_run(touched) and set(os.listdir(touched)) - leftovers:
                raise SystemExit(f"--out: {touched} is not empty and holds no run: choose another "
                                 "one")
        return path

    def _claim(self) -> Path:
        """On rank 0: where this run writes; nobody else may from now on."""
        path = self._choose_path()
        if self.flags["overwrite"] and is_run(path):   # OUT.new, left by an earlier --overwrite
            with hold_lock(path / "lock"):   # nobody is at work in it
                self._move_aside(path)
        self.locks = [hold_lock(path / "lock")]
        if path != self.out and self.out.exists():   # nobody is at work there, either
            self.locks.append(hold_lock(self.out / "lock"))
        print(f"{self.sandbox_line}\nwriting to {path}", flush=True)
        return path

    def _open(self) -> Path | None:
        """On rank 0: begin the logs, or make a directory ready to go on. Returns the checkpoint to
        go on from, if there is one.

        What is made ready: flags are compared, parts of checkpoints are deleted, damaged ones moved
        aside. (The logs are cut by `load`.)
        """
        if self.flags["resume"] and is_run(self.path):
            self._compare_flags()
            for part in self.checkpoints.glob("part-*"):   # the save failed or was killed
                shutil.rmtree(part)
            return self._find_checkpoint()
        first_line = {"flags": self.flags, "sandbox": self.sandbox_line}
        self.write("metrics.jsonl", json.dumps(first_line) + "\n")
        return None

    def _compare_flags(self) -> None:
        """A run goes on with the flags that it began with: all that differ are named at once, or
        --preset alone, if it does.
        """
        path = self.path / "metrics.jsonl"
        try:
            with open(path, encoding="utf-8") as file:
                saved = dict(json.loads(file.readline())["flags"])
        except (ValueError, LookupError, TypeError):
            raise SystemExit(f"--resume: the first line of {path} does not hold the run's flags; "
                             "--overwrite moves the run aside and begins again")
        # A flag that is newer than the run decided nothing so far.
        for name in sorted(self.flags.keys() - saved.keys() - self.MAY_CHANGE):
            if not name.endswith("_sha256"):
                print(f"note: the run began without --{name.replace('_', '-')}, which is "
                      f"{self.flags[name]} from now on", flush=True)
        compared = saved.keys() - self.MAY_CHANGE
        # Model and questions are noted by a path, and in grpo.py by a digest of what is there, too:
        #
        #     digests then and now    compared       left out
        #     both are there          the digests    the paths: a file may have moved
        #     else                    the paths      the digests
        for name in ("model", "questions"):
            digest = f"{name}_sha256"
            if saved.get(digest) and self.flags.get(digest):
                compared.discard(name)
            else:
                compared.discard(digest)
        changed = [name for name in sorted(compared) if saved.get(name) != self.flags.get(name)]
        # What follows from a preset differs with it: only that one is to be mended.
        if "preset" in changed:
            changed = ["preset"]
        if changed:
            reasons = ", ".join(self._tell_change(name, saved) for name in changed)
            raise SystemExit(f"--resume: {reasons}; a run goes on with its own flags")

    def _tell_change(self, name: str, saved: dict[str, Any]) -> str:
        flag = name.removesuffix("_sha256")
        before, now = saved.get(flag), self.flags.get(flag)
        if name not in self.flags:
            return f"--{flag.replace('_', '-')} was {before} when the run began and is no flag now"
        if before == now:   # it is the digest that differs
            return f"{before} has changed since the run began"
        return f"--{flag.replace('_', '-')} was {before} when the run began and is {now} now"

    def _find_checkpoint(self) -> Path | None:
        """The newest checkpoint that is whole, if there are any; newer, damaged ones move aside."""
        checkpoints = sorted(self.checkpoints.glob("step-??????"), reverse=True)
        newest = next(filter(is_whole, checkpoints), None)
        if checkpoints and newest is None:
            raise SystemExit(f"--resume: every checkpoint in {self.checkpoints} is damaged; "
                             "--overwrite moves the run aside and begins again")
        newer = checkpoints[:checkpoints.index(newest)] if newest else []
        for damaged in newer:
            aside = damaged.with_name(f"damaged-{damaged.name}")
            print(f"note: {damaged} is damaged and not used: it is {aside.name} now, where "
                  "`sha256sum -c SHA256SUMS` names the file", flush=True)
            shutil.rmtree(aside, ignore_errors=True)
            os.rename(damaged, aside)
        return newest

    def _cut_back(self) -> None:
        """Forget lines that were written after the checkpoint: their steps will be done again."""
        for log in self._logs():
            lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
            self.write(log.name, "".join(lines[:self.state["lines"].get(log.name, 0)]))
        self._delete_older(self.state)   # a run that was killed right after its save has them still

    def note_sandbox(self) -> None:
        """The log's first line says how scripts are confined: from now on perhaps otherwise."""
        def note() -> None:
            first, *others = (self.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            begun = json.loads(first)
            known = begun.get("sandbox", "")
            if self.sandbox_line not in known.split("; then "):
                begun["sandbox"] = f"{known}; then {self.sandbox_line}"
                self.write("metrics.jsonl", "\n".join([json.dumps(begun), *others]) + "\n")

        self.world.on_main(note)

    def _logs(self) -> list[Path]:
        logs = (self.path / "metrics.jsonl", self.path / "trajectories.jsonl")
        return [log for log in logs if log.exists()]

    def take_place(self) -> None:
        """Once, after the first step of --overwrite: the run that it replaces moves aside."""
        if self.path != self.out:
            self.world.on_main(self._replace)
            self.path = self.out

    def _replace(self) -> None:
        if self.out.exists():
            self._move_aside(self.out)
        os.rename(self.path, self.out)

    def _move_aside(self, path: Path) -> None:
        free = (f"{self.out}.{number}" for number in itertools.count(1))
        aside = next(place for place in free if not os.path.exists(place))
        os.rename(path, aside)
        self.world.say(f"the run that {path} held is in {aside} now")

    def write(self, name: str, text: str) -> None:
        """Replace a file, whole or not at all."""
        if self.world.main:
            part = self.path / f"{name}.part"
            part.write_text(text, encoding="utf-8")
            sync(part)
            os.replace(part, self.path / name)
            sync(self.path)

    def add_line(self, name: str, value: dict[str, Any]) -> None:
        if self.world.main:
            with open(self.path / name, "a", encoding="utf-8") as file:
                file.write(json.dumps(value, allow_nan=False) + "\n")

    def log(self, metrics: dict[str, Any]) -> None:
        """A step's numbers as a JSON line, fractions to six digits (null: not finite); with --log
        a tracker gets them, too.
        """
        written = dict(metrics)
        for key, value in metrics.items():
            if isinstance(value, float):
                written[key] = float(f"{value:.6g}") if math.isfinite(value) else None
        self.add_line("metrics.jsonl", written)
        if self.world.main and self.flags["log"]:
            numbers = {key: value for key, value in written.items() if value is not None}
            self.track(numbers, step=written["step"])

    @cached_property
    def track(self) -> Callable[[dict, int], None]:
        """--log: what sends a step's numbers to a tracker, too; it is opened with the first step.
        """
        if self.flags["log"] == "wandb":
            import wandb
            return wandb.init(project="r1ci", name=self.path.name, dir=self.path,
                              config=self.flags).log
        from torch.utils.tensorboard import SummaryWriter
        writer = SummaryWriter(self.path)

        def send(numbers: dict[str, Any], step: int) -> None:
            for key, value in numbers.items():
                writer.add_scalar(key, value, step)

        return send

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, tokenizer: Any,
             state: dict[str, Any], extra_files: Callable[[Path], None] | None = None) -> Path:
        """A checkpoint, whole or not at all.

        `state` holds the step and whatever else a resumed run has to know; its best_step, if it has
        one, is a checkpoint that stays. `extra_files(directory)` may add files of its own. The
        weights are written twice: whole, by rank 0, so that any tool opens the checkpoint; and in
        shards with the optimiser's state, by every rank, so that resuming needs no whole copy.
        Everything is on the disk under a temporary name before it gets its own. Only then older
        checkpoints go.
        """
        import torch.distributed.checkpoint as dcp
        from torch.distributed.checkpoint.state_dict import get_state_dict
        step = state["step"]
        part = self.checkpoints / f"part-{step:06d}"
        final = self.checkpoints / f"step-{step:06d}"
        if self.world.on_main(lambda: is_whole(final)):   # this step has been saved
            return final
        weights = weights_on_main(model, self.world)

        def write_files() -> None:
            write_model(model, tokenizer, part, weights)
            lines = {log.name: log.read_bytes().count(b"\n") for log in self._logs()}
            saved = {**state, "flags": self.flags, "lines": lines}
            (part / "state.json").write_text(json.dumps(saved, allow_nan=False))
            if extra_files:
                extra_files(part)

        try:
            self.world.on_main(write_files)
            model_state, optimizer_state = get_state_dict(model, optimizer)
            dcp.save({"model": model_state, "optimizer": optimizer_state},
                     checkpoint_id=part / "state")
            self.world.on_main(lambda: self._name_checkpoint(part, final))
            self.world.on_main(lambda: self._delete_older(state))
        except (SystemExit, dcp.CheckpointException) as error:
            if self.world.main:
                shutil.rmtree(part, ignore_errors=True)
            reason = str(error).strip().split("\n")[-1]
            raise SystemExit(f"the checkpoint of step {step} cannot be written ({reason}): make "
                             "room, and --resume goes on from the one before it")
        return final

    def _name_checkpoint(self, part: Path, final: Path) -> None:
        """Give a finished checkpoint its name, once all of it is on the disk."""
        (part / "SHA256SUMS").write_text(checksums(part))
        self._make_durable(part)
        for log in self._logs():
            sync(log)
        shutil.rmtree(final, ignore_errors=True)
        os.rename(part, final)
        sync(self.checkpoints)

    def _delete_older(self, state: dict[str, Any]) -> None:
        """The --keep newest checkpoints stay, and (grpo.py) that of the best step in validation."""
        best = f"step-{state.get('best_step', 0):06d}"
        for path in sorted(self.checkpoints.glob("step-??????"))[:-self.flags["keep"]]:
            if path.name != best:
                shutil.rmtree(path)

    def _make_durable(self, directory: Path) -> None:
        """Bring all of a directory to the disk, and give its files the mode that metrics.jsonl has.

        safetensors writes files that nobody else may read, whatever the umask is.
        """
        mode = (self.path / "metrics.jsonl").stat().st_mode
        for path in directory.rglob("*"):
            if path.is_file():
                path.chmod(mode)
            if path.exists():   # a tracker may leave links that lead nowhere
                sync(path)
        sync(directory)

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Restore the checkpoint `resumed`, if there is one, on any number of ranks, and forget
        what was written after it.
        """
        if self.resumed:
            import torch.distributed.checkpoint as dcp
            from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
            # dcp.load fills tensors in place, on each rank its shards: first we need a state of the
            # right shapes.
            model_state, optimizer_state = get_state_dict(model, optimizer)
            saved = {"model": model_state, "optimizer": optimizer_state}
            dcp.load(saved, checkpoint_id=self.resumed / "state")
            set_state_dict(model, optimizer, model_state_dict=saved["model"],
                           optim_state_dict=saved["optimizer"])
            self.world.say(f"going on from {self.resumed}")
        self.world.on_main(self._cut_back)
        self.note_sandbox()

    def finish(self, model: nn.Module, tokenizer: Any) -> None:
        """Write the trained model into the directory itself, beside the logs."""
        self.take_place()
        weights = weights_on_main(model, self.world)

        def write_files() -> None:
            for key, value in weights.items():
                if not value.isfinite().all():
                    raise SystemExit(f"training has failed: {key} is not finite; lower --lr")
            write_model(model, tokenizer, self.path, weights)
            self._make_durable(self.path)

        self.world.on_main(write_files)


# ---- signals: a run that is asked to end loses nothing -------------------------------------------

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


def catch_signals(handler: Any) -> None:
    """Let `handler` answer whatever asks a run to end; what is ignored (nohup) stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def stop_at_once(number: int, frame: Any) -> None:
    """Outside of the loop over steps: end, without a traceback, with the signal's exit status."""
    catch_signals(signal.SIG_DFL)   # a second signal does not even wait for this one's clearing up
    with suppress(OSError):   # not by print: the signal may have come amid one
        os.write(2, b"\nstopped; a run goes on with --resume, where its files end\n")
    raise SystemExit(128 + number)


class Interrupt:
    """While it is entered, Ctrl-C and its like ask the loop to stop after the step that it is in.

    A terminal sends SIGINT or, closed, SIGHUP; docker and batch systems SIGTERM or SIGUSR1.

        asked in a step       the step ends, a checkpoint is written, the program ends
        asked in the last     the `with` is left as always (sft.py writes the model in it), then the
        step, or after it     program ends; what follows the `with` is left to --resume
        asked twice           the program ends at once; --resume has the newest checkpoint
    """

    def __init__(self, world: World):
        self.world = world
        self.status = 0   # once asked, the exit status that says by which signal: 128 + its number

    def __enter__(self) -> "Interrupt":
        catch_signals(self._ask)
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        catch_signals(stop_at_once)
        if kind is None and self.wanted():
            self.world.say("stopped after the last step; the same command with --resume (in the "
                           "place of --overwrite) does what is left")
            raise SystemExit(self.status)

    def _ask(self, number: int, frame: Any) -> None:
        self.status = 128 + number
        catch_signals(signal.SIG_DFL)   # a second signal kills
        try:  # not by print: the signal may have come amid one
            os.write(2, b"\nstopping after this step; a second signal stops at once\n")
        except OSError:   # the terminal is gone, and printing to it must not end the run
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)

    def wanted(self) -> bool:
        """Whether any rank was asked to stop; every rank has to call it."""
        self.status = max(self.world.gather(self.status))
        return self.status > 0


if __name__ == "__main__":
    main()
