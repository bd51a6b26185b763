r"""r1ci.py -- a language model that reasons in words and in Python that runs: the interpreter.

    python r1ci.py ask --task rg/gcd --model runs/grpo          one conversation, streamed in colour
    python r1ci.py eval --model runs/grpo --mode ci --n 84      accuracy on held-out questions
    python r1ci.py show runs/grpo/trajectories.jsonl            saved conversations, in colour
    python r1ci.py page runs/grpo --out page.html               curves and whole groups, to look at

One conversation ("|" marks the tokens that the model samples: only those are trained on):

      <|im_start|>system... <|im_start|>user\nWhat is 12 + 30?...<|im_end|>\n<|im_start|>assistant\n
    | ```python\nprint(12 + 30)\n```
      <|im_end|>\n<|im_start|>user\nCode Execution Results:\n42<|im_end|>\n<|im_start|>assistant\n
    | <<<42>>><|im_end|>

Read from top to bottom:

    1. the model            a decoder-only transformer under Hugging Face's parameter names
    2. the KV cache         what rows that decode remember of their earlier tokens
    3. the chat format      messages as token ids, and which of them are trained on
    4. the sampler          one token for every row, again and again
    5. the rollout          conversations: turns, calls of the sandbox, ends
    6. evaluation           conversations about fixed questions, as a report
    7. Hugging Face files   (on a first reading, skip from here)
    8. the command line

There is no training loop in this file: how to train is in sft.py. What is text stands in
tasks/conversation.py, to be read before: prompts, marks, what ends a turn, and the records Protocol
(the limits of a conversation) and Trajectory (what was said). Letters for shapes: B rows, T tokens,
D width, H heads, K key-value heads, C cache capacity, V vocabulary, M packed tokens, N trained
tokens.
"""

import os
import signal
import sys

# First, Ctrl-C: it ends the program without a traceback, while libraries load, too. (What a shell
# ignores, in the background, stays ignored.)
if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))

# Before torch: how often its threads look for more work before they sleep. By default they look for
# milliseconds, and beside two busy scripts a matrix product took 8 ms instead of 0.5. If they sleep
# at once, a step of the tiny model takes twice as long. 5000 looks take a tenth of a millisecond.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")
# Rollout and update want device memory in other pieces: let the allocator grow and remap them.
os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
# On Hopper torch prefers cuDNN's attention, which plans anew for every shape, and ours all differ.
os.environ.setdefault("TORCH_CUDNN_SDPA_DEPRIORITIZED", "1")

if not (sys.stderr and sys.stderr.isatty()):   # in a file, a progress bar is a line now and then
    os.environ.setdefault("TQDM_MININTERVAL", "30")

import argparse
import functools
import hashlib
import json
import math
import re
from abc import ABC, abstractmethod
from collections import Counter, deque
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from tokenizers.decoders import DecodeStream
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from tqdm import tqdm

from sandbox import Sandbox, SandboxError, self_test
from tasks import LEVELS, Instance
from tasks.conversation import (FORMATS, MODES, Format, Protocol, Trajectory, cut_template,
                                keyed_bytes, read_turn, system_prompts, tool_text)
from tasks.flags import CommandLine, add_protocol_flags, protocol_of, quiet_pipe, whole
from tasks.questions import (TASKS_HELP, draw_questions, grade, is_finite, is_text, own_questions,
                             parse_tasks, read_bbh, read_json, read_jsonl, read_questions,
                             read_trajectories)
from tasks.report import (BOLD, GREEN, GREY, end_if_sandbox_failed, make_report, modes_table, paint,
                          paint_trajectory, report_table, tool_failures)
from tasks.served import (Endpoint, PlannedConversation, add_endpoint_flags, converse_all,
                          find_endpoint)


# ---- 1. the model --------------------------------------------------------------------------------

@dataclass(frozen=True)
class Family:
    """In what a family of models differs from the others.

    To add one, add a line to FAMILIES, here and in tests/test_models.py. If its config.json can ask
    for something that this code does not compute (as `mlp_bias` does), add a line to the table in
    `refuse_config`, too. A new kind of layer also needs a field here, and its use in Attention or
    Block.
    """
    architecture: str         # the class that transformers opens its files with
    qkv_bias: bool = False    # biases on the projections of queries, keys and values
    qk_norm: bool = False     # RMSNorm over each head's query and key
    head_dim: int = 0         # of files that do not say it; 0: hidden_size / num_attention_heads


FAMILIES = {
    "llama": Family("LlamaForCausalLM"),  # SmolLM2, Llama 3.0; `Chat` refuses Llama 2's tokenizer
    "qwen2": Family("Qwen2ForCausalLM", qkv_bias=True),
    "qwen3": Family("Qwen3ForCausalLM", qk_norm=True, head_dim=128),
}


@dataclass
class ModelConfig:
    """What the model needs of a Hugging Face config.json. Sizes by default are the tiny model's."""
    vocab_size: int                    # rows of the embedding; the tokenizer may have fewer tokens
    model_type: str = "qwen2"          # a name in FAMILIES
    hidden_size: int = 128
    intermediate_size: int = 384
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 0                  # 0: hidden_size / num_attention_heads
    attention_bias: bool = False       # biases on all four projections of attention
    max_position_embeddings: int = 2048
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = True
    initializer_range: float = 0.02
    # Further keys of the file: save_model writes them back.
    other: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.head_dim = self.head_dim or self.hidden_size // self.num_attention_heads


class Linear(nn.Linear):
    """Computes in the type of its input; its weights may have another (see `CausalLM`)."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


class RMSNorm(nn.RMSNorm):
    def forward(self, x: Tensor) -> Tensor:
        # One kernel on CUDA, in float32 inside: a bf16 mean of squares loses half of its digits.
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


def rope_table(positions: Tensor, config: ModelConfig, dtype: torch.dtype) -> Tensor:
    """The rotations of positions [T]: pair i turns by position / theta^(2 i / head_dim).

    [2, T, head_dim]: cosines, and sines with a minus in their first half (see apply_rope).
    """
    exponents = torch.arange(0, config.head_dim, 2, device=positions.device, dtype=torch.float32)
    frequencies = 1.0 / config.rope_theta ** (exponents / config.head_dim)  # [head_dim / 2]
    angles = positions[:, None].float() * frequencies  # [T, head_dim / 2]
    cos = torch.cat((angles.cos(), angles.cos()), dim=-1)  # [T, head_dim]
    sin = torch.cat((-angles.sin(), angles.sin()), dim=-1)
    return torch.stack((cos, sin)).to(dtype)


def apply_rope(x: Tensor, rope: Tensor) -> Tensor:
    """Rotate each pair (x[i], x[i + head_dim / 2]) by its angle: [B, heads, T, head_dim].

    Halves [a, b] become [a c - b s, b c + a s]: [a, b] c + [b, a] [-s, s].
    """
    cos, sin = rope
    swapped = x.roll(x.shape[-1] // 2, dims=-1)   # the halves change places
    return torch.addcmul(x * cos, swapped, sin)


class Layout(ABC):
    """How the tokens of a forward pass are laid out, if they are not just whole rows: where they
    stand, and how attention finds what they see.

        PackedRows, below, for training         many rows, one after the other in a long one
        CacheLayout, in section 2, to sample    new tokens of rows whose earlier ones are in a cache
    """

    @abstractmethod
    def find_rope(self, config: ModelConfig, dtype: torch.dtype) -> Tensor:
        """The rotations of the tokens' positions: [2, T, head_dim], the same for all rows, or
        [2, B, 1, T, head_dim].
        """

    @abstractmethod
    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q [B, H, T, head_dim], k and v [B, K, T, head_dim] of the pass's tokens -> as q."""


class Attention(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        family, width = FAMILIES[config.model_type], config.hidden_size
        self.head_dim = config.head_dim
        q_width = config.num_attention_heads * config.head_dim
        kv_width = config.num_key_value_heads * config.head_dim
        qkv_bias = family.qkv_bias or config.attention_bias
        self.q_proj = Linear(width, q_width, bias=qkv_bias)
        self.k_proj = Linear(width, kv_width, bias=qkv_bias)
        self.v_proj = Linear(width, kv_width, bias=qkv_bias)
        self.o_proj = Linear(q_width, width, bias=config.attention_bias)
        self.q_norm, self.k_norm = nn.Identity(), nn.Identity()
        if family.qk_norm:
            self.q_norm = RMSNorm(config.head_dim, config.rms_norm_eps)
            self.k_norm = RMSNorm(config.head_dim, config.rms_norm_eps)

    def forward(self, x: Tensor, rope: Tensor, layout: Layout | None, layer: int) -> Tensor:
        """x [B, T, D] -> [B, T, D].

        layout: where the tokens stand and what they see; None: x are whole rows.
        """
        B, T, _ = x.shape
        q = self.q_proj(x).view(B, T, -1, self.head_dim)               # [B, T, H, head_dim]
        k = self.k_proj(x).view(B, T, -1, self.head_dim)               # [B, T, K, head_dim]
        v = self.v_proj(x).view(B, T, -1, self.head_dim)
        q, k = self.q_norm(q).transpose(1, 2), self.k_norm(k).transpose(1, 2)
        v = v.transpose(1, 2)                                          # [B, K, T, head_dim]
        q, k = apply_rope(q, rope), apply_rope(k, rope)
        if layout is None:
            y = causal_attention(q, k, v)                              # [B, H, T, head_dim]
        else:
            y = layout.attend(layer, q, k, v)
        return self.o_proj(y.transpose(1, 2).reshape(B, T, -1))


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Every token sees itself and those before it. A key-value head serves H / K heads."""
    grouped = k.shape[1] != q.shape[1]
    dtype = q.dtype
    # On a CPU the backward pass takes half as long in float32 as in bfloat16. We cast in a pass
    # without gradients, too: old and new log-probabilities must be rounded alike.
    if q.device.type == "cpu":
        q, k, v = q.float(), k.float(), v.float()
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
    return y.to(dtype)


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MLP(config)
        # True: only the input is kept for the backward pass, which computes the rest again.
        self.checkpointing = False

    def forward(self, x: Tensor, rope: Tensor, layout: Layout | None, layer: int) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(self.compute, x, rope, layout, layer=layer, use_reentrant=False)
        return self.compute(x, rope, layout, layer)

    def compute(self, x: Tensor, rope: Tensor, layout: Layout | None, layer: int) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rope, layout, layer)
        return x + self.mlp(self.post_attention_layernorm(x))


class CausalLM(nn.Module):
    """Token ids in, logits out.

    It can compute in another type than its weights have:

        a model that only samples          its weights have the type already
        trained by one process on a CPU    float32; `forward` casts the embedding to
                                           `compute_dtype`, and every layer casts its weights to the
                                           type of its input
        trained on CUDA, or by several     float32; FSDP (weights spread over processes: `shard` in
        processes                          sft.py) casts what it gathers for a block
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.model = nn.ModuleDict({   # so that its parameters are called "model.*"
            "embed_tokens": nn.Embedding(config.vocab_size, config.hidden_size),
            "layers": nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers)),
            "norm": RMSNorm(config.hidden_size, config.rms_norm_eps),
        })
        # None: the weights' own. `shard` in sft.py sets it where it leaves the model in one piece,
        # in a single process on a CPU.
        self.compute_dtype: torch.dtype | None = None
        if not config.tie_word_embeddings:  # tied (small models): the head is the embedding
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=self.config.initializer_range)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, ids: Tensor, layout: Layout | None = None,
                head: Callable[[Tensor, Tensor], Any] = F.linear) -> Any:
        """ids [B, T] -> head(hidden [B, T, D], weight [V, D]): by default logits [B, T, V].

        Without a layout ids are whole rows, from position 0 on; padding belongs on the right, where
        no earlier token sees it.

        The caller passes the head in, to run inside this forward pass: under FSDP (weights spread
        over processes, `shard` in sft.py) weights are whole only while it runs. Decoding keeps the
        default, training scores the trained tokens (`token_logps`), and what only fills the cache
        needs none (`no_head`).
        """
        embedding = self.model.embed_tokens.weight
        dtype = self.compute_dtype or embedding.dtype
        embedding = embedding.to(dtype)
        x = F.embedding(ids, embedding)                                # [B, T, D]
        if layout is None:
            rope = rope_table(torch.arange(ids.shape[1], device=ids.device), self.config, dtype)
        else:
            rope = layout.find_rope(self.config, dtype)
        for layer, block in enumerate(self.model.layers):
            x = block(x, rope, layout, layer)
        hidden = self.model.norm(x)
        if self.config.tie_word_embeddings:
            return head(hidden, embedding)
        return head(hidden, self.lm_head.weight.to(dtype))


def pad(rows: list[list[int]], device: torch.device) -> Tensor:
    """Rows of different lengths as one tensor [B, T], padded with 0 on the right."""
    longest = max(map(len, rows))
    padded = [row + [0] * (longest - len(row)) for row in rows]
    return torch.tensor(padded, device=device)


class PackedRows(Layout):
    """Rows to train on, without padding; a prompt that several of them share is there once.

    Their M tokens stand in one long row, and all layers but attention take it for a row like any
    other. Attention lays out B rows of T tokens again, padded on the right, where no earlier token
    sees it, and packs what comes of it.

        place     a token's number in the long row
        entry     its number in the padded table [B, T], counted row by row: row * T + t

    B = 3 rows, T = 6, two of which share the prompt p p p:

        rows          p p p a b c    p p p d        q q e f
        loss_masks    0 0 0 1 0 1    0 0 0 1        0 0 1 1         1: this token is trained

        ids           p p p a b c          d        q q e f         M = 11, at the places 0 to 10
        to_rows       0 1 2 3 4 5    0 1 2 6 . .    7 8 9 10 . .    [B, T]: the place of each entry;
                                                                    ".": 0, nobody sees it
        to_packed     0 1 2 3 4 5          9        12 13 14 15     [M]: the entry of each place (of
                                                                    a shared prompt the first row's)
        targets             a   c          d            e f         N = 5
        predictors          2   4          2            8 9         the place before each target
    """

    def __init__(self, rows: list[list[int]], loss_masks: list[list[int]], device: torch.device,
                 prompt_lens: list[int] | None = None):
        """prompt_lens: how many first tokens of each row others may share; these have mask 0.

        A row's first token is never trained, whatever its mask is: nothing predicts it.
        """
        longest = max(map(len, rows))   # T
        prompt_lens = prompt_lens or [0] * len(rows)
        ids, positions, to_rows, to_packed, predictors, targets = [], [], [], [], [], []
        known: dict[tuple[int, ...], list[int]] = {}   # prompts, with their tokens' places
        for number, (row, loss_mask) in enumerate(zip(rows, loss_masks)):
            # The prompt, if an earlier row has it, stands there; what follows is new. (Of a prompt
            # of no tokens nothing is shared.)
            prompt = tuple(row[:prompt_lens[number]])
            shared = known.get(prompt, [])
            start = len(shared)
            places = [*shared, *range(len(ids), len(ids) + len(row) - start)]
            known[prompt] = places[:len(prompt)]
            # New tokens.
            ids += row[start:]
            positions += range(start, len(row))
            to_packed += range(number * longest + start, number * longest + len(row))
            to_rows.append(places)
            # Trained tokens.
            trained = [i for i in range(1, len(row)) if loss_mask[i]]
            targets += [row[i] for i in trained]
            predictors += [places[i - 1] for i in trained]
        as_tensor = functools.partial(torch.tensor, device=device, dtype=torch.long)
        self.ids = as_tensor([ids])                # [1, M]
        self.positions = as_tensor(positions)      # [M] of the tokens in their rows
        self.to_rows = pad(to_rows, device)        # [B, T]
        self.to_packed = as_tensor(to_packed)      # [M]
        self.targets = as_tensor(targets)          # [N]
        self.predictors = as_tensor(predictors)    # [N]

    def find_rope(self, config: ModelConfig, dtype: torch.dtype) -> Tensor:
        return rope_table(self.positions, config, dtype)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q [1, H, M, head_dim], k and v [1, K, M, head_dim] -> [1, H, M, head_dim]."""
        y = causal_attention(self.lay_out(q), self.lay_out(k), self.lay_out(v))
        y = y.transpose(1, 2).flatten(0, 1)                            # [B * T, H, head_dim]
        return y.index_select(0, self.to_packed).transpose(0, 1)[None]

    def lay_out(self, x: Tensor) -> Tensor:
        """[1, heads, M, head_dim] -> [B, heads, T, head_dim]."""
        tokens = x[0].transpose(0, 1)                                  # [M, heads, head_dim]
        rows = tokens.index_select(0, self.to_rows.flatten())          # [B * T, heads, head_dim]
        return rows.unflatten(0, self.to_rows.shape).transpose(1, 2)


class TokenScores(NamedTuple):
    """What the model says of N trained tokens, row by row."""

    logps: Tensor  # [N] the log-probability of each token, float32
    entropies: Tensor  # [N] the entropy of the model's distribution there, without gradient
    hidden: Tensor  # [N, D] the hidden state that predicted it (for PPO's critic)


LOGITS_CHUNK = 1024  # trained tokens whose logits exist at a time


def token_logps(model: nn.Module, packed: PackedRows, tokenizer_size: int,
                temperature: float = 1.0) -> TokenScores:
    """Score the N trained tokens. Only what predicts them reaches the head: nothing that is masked
    enters a loss.
    """

    def score(hidden: Tensor, weight: Tensor) -> TokenScores:
        # Several rows may share a predictor. `hidden[0, predictors]` would have its gradient summed
        # by two threads in any order: the same run would end differently each time.
        hidden = hidden[0].index_select(0, packed.predictors)  # [N, D]
        logps, entropies = [], []
        # Logits exist for a chunk of tokens at a time: the backward pass computes them again. Of no
        # tokens `split` makes one empty chunk, so a batch that trains nothing works, too.
        for states, tokens in zip(hidden.split(LOGITS_CHUNK), packed.targets.split(LOGITS_CHUNK)):
            chunk = checkpoint(chunk_logps, states, weight, targets=tokens,
                               tokenizer_size=tokenizer_size, temperature=temperature,
                               use_reentrant=False)
            logps.append(chunk[0])
            entropies.append(chunk[1])
        return TokenScores(torch.cat(logps), torch.cat(entropies), hidden)

    return model(packed.ids, packed, head=score)


def chunk_logps(
    hidden: Tensor, weight: Tensor, targets: Tensor, tokenizer_size: int, temperature: float
) -> tuple[Tensor, Tensor]:
    """hidden [n, D], weight [V, D], targets [n] -> log-probabilities, entropies [n], float32."""
    logits = F.linear(hidden, weight).float().div_(temperature)  # [n, V]
    # Logits of ids that no token has. In place and unseen by autograd, which is sound: their
    # probability is 0, and so is their gradient. `masked_fill` would keep a second [n, V].
    with torch.no_grad():
        logits[:, tokenizer_size:] = -torch.inf
    logps = F.log_softmax(logits, dim=-1)
    with torch.no_grad():
        entropies = torch.special.entr(logps.exp()).sum(-1)  # entr(p) = -p log p
    return logps.gather(-1, targets[:, None]).squeeze(-1), entropies


# ---- 2. the KV cache -----------------------------------------------------------------------------

class KVCache:
    """Keys and values of `slots` rows of at most `capacity` tokens, for one rollout.

    It never outlives the rollout: in training the weights change then. A row's newest token is not
    in it: the next step feeds that. One tensor [2 (keys, values), layers, slots, K, C, head_dim];
    for one layer and one head, after a pass that has computed two rows together:

                 position 0   1   2   3   4   5  ...  C - 1
        slot 0            a   a   a   a   a   .        x       a row of six tokens: five are here
        slot 1            b   b   b   p   p   .        x       a row of four: three are here
        slot 2            .   .   .   .   .   .        x       free

    Rows that decode stand in the first slots: a pass reads plain slices up to the longest row's
    length, and copies nothing. Rows that are computed together have different lengths, and the
    padding after the shorter ones is stored like any token ("p"). Nobody sees it: the mask shows a
    query what stands up to its own position, and b's next tokens overwrite it. Padding can reach
    beyond the table: with C = 100, a row with 80 tokens here (positions 0 to 79) and 10 to compute,
    beside one with 30 to compute, is padded up to position 109. What is beyond goes to C - 1 ("x"),
    which is there for that alone.

    To write, slots, heads and positions are taken as one axis:

        flat_index(slot s, head h, position p) = (s K + h) C + p
    """

    def __init__(self, config: ModelConfig, slots: int, capacity: int, device: torch.device,
                 dtype: torch.dtype):
        self.capacity = capacity
        heads = config.num_key_value_heads
        shape = (2, config.num_hidden_layers, slots, heads, capacity, config.head_dim)
        self.kv = torch.zeros(shape, device=device, dtype=dtype)
        # Where each (slot, head) begins on the one axis, and the last one ends (`decode_varlen`).
        self.borders = torch.arange(slots * heads + 1, device=device, dtype=torch.int32) * capacity
        self.starts = self.borders[:-1].view(slots, heads, 1)
        # [2, C, head_dim]: CacheLayout looks positions up in it.
        self.rope = rope_table(torch.arange(capacity, device=device), config, dtype)
        self.heads_per_kv_head = config.num_attention_heads // heads   # H / K
        # The CUDA kernel that reads rows at their true lengths knows half precision alone.
        self.varlen = device.type == "cuda" and dtype != torch.float32

    def save(self, slot: int, length: int) -> Tensor:
        """A copy of the first `length` tokens of a slot."""
        return self.kv[:, :, slot, :, :length].clone()         # [2, layers, K, length, head_dim]

    def load(self, slot: int, kv: Tensor) -> None:
        self.kv[:, :, slot, :, :kv.shape[3]] = kv

    def move(self, source: int, target: int, length: int) -> None:
        self.kv[:, :, target, :, :length] = self.kv[:, :, source, :, :length]


class CacheLayout(Layout):
    """What one forward pass of B rows and T new tokens each writes and reads of the cache."""

    def __init__(self, cache: KVCache, slots: slice | Tensor, positions: Tensor, read_length: int):
        """For a pass that writes `positions` [B, T] of B slots, and reads the first `read_length`
        tokens of each.

        slots: slice(B), the first B, of rows that decode; else [B] numbers of slots, in any order.

        kind of pass                           slots    read_length   attention is computed by
        new rows: all but their newest token   tensor   0             causal_attention
        rows back from a script: what is new   tensor   over 0        extend
        rows that decode: one token each       slice    over 0        extend
        the same, on CUDA in half precision    slice    over 0        decode_varlen

        `extend` gets a mask, `decode_varlen` the rows' lengths.
        """
        self.cache, self.slots, self.read_length = cache, slots, read_length
        self.rope = cache.rope[:, positions].unsqueeze(2)              # [2, B, 1, T, head_dim]
        # [B * K * T] where the new keys and values go.
        starts = cache.starts[slots]                                   # [B, K, 1]: (s K + h) C
        self.flat_index = (starts + positions[:, None]).flatten()
        self.by_length = cache.varlen and isinstance(slots, slice)
        if self.by_length:
            row_lengths = (positions[:, -1] + 1).int()                 # [B]
            self.row_lengths = row_lengths.repeat_interleave(cache.kv.shape[3])   # [B * K]
        elif read_length > 0:
            columns = torch.arange(read_length, device=positions.device)
            later = columns > positions[:, None, :, None]              # [B, 1, T, read_length]
            mask = torch.zeros_like(later, dtype=cache.kv.dtype).masked_fill_(later, -torch.inf)
            # [B, 1, (H / K) T, read_length]: 0 where a query may look, else -inf. `extend` takes
            # queries by head and token (of two heads and tokens: h0 t0, h0 t1, h1 t0, h1 t1), so
            # the tokens' mask repeats per head.
            self.mask = mask.repeat(1, 1, cache.heads_per_kv_head, 1)

    def find_rope(self, config: ModelConfig, dtype: torch.dtype) -> Tensor:
        return self.rope

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Store k, v [B, K, T, head_dim]; attention of q [B, H, T, head_dim] over its row."""
        # A view, so what is written there is in the cache: [2, slots * K * C, head_dim].
        flat = self.cache.kv[:, layer].view(2, -1, q.shape[-1])
        flat[0].index_copy_(0, self.flat_index, k.flatten(0, 2))
        flat[1].index_copy_(0, self.flat_index, v.flatten(0, 2))
        if self.read_length == 0:
            return causal_attention(q, k, v)
        if self.by_length:
            return self.decode_varlen(flat, q)
        return self.extend(self.cache.kv[:, layer, self.slots, :, :self.read_length], q)

    def extend(self, stored: Tensor, q: Tensor) -> Tensor:
        """New tokens of each row, one or several, after those that are stored.

        The heads that share a key-value head stand as more queries of it, so no key is copied.
        """
        keys, values = stored                                     # [B, K, read_length, head_dim]
        B, H, T, head_dim = q.shape
        q = q.reshape(B, keys.shape[1], -1, head_dim)                  # [B, K, (H / K) T, head_dim]
        y = F.scaled_dot_product_attention(q, keys, values, attn_mask=self.mask)
        return y.reshape(B, H, T, head_dim)

    def decode_varlen(self, flat: Tensor, q: Tensor) -> Tensor:
        """One new token a row, on CUDA, by a kernel that reads each sequence at its true length.

        It knows no slots: we pretend that each (row, head) is a sequence of its own. Rows that
        decode are in the first slots, so with K = 2 and C = 10 two rows of 5 and 3 tokens are four
        sequences, from 0, 10, 20 and 30 on, of 5, 5, 3 and 3 tokens, each with one query.
        """
        B, H, _, head_dim = q.shape
        assert self.slots == slice(B), "the rows must be those in the first slots"
        K = len(self.row_lengths) // B
        q = q.reshape(B * K, H // K, head_dim)
        query_starts = torch.arange(B * K + 1, device=q.device, dtype=torch.int32)
        keys, values = flat[:, :, None]   # [slots K C, 1, head_dim] each: a sequence has one head
        y = flash_varlen(query=q, key=keys, value=values,
                         cu_seq_q=query_starts, cu_seq_k=self.cache.borders[:B * K + 1],
                         max_k=self.read_length, seqused_k=self.row_lengths)
        return y.view(B, H, 1, head_dim)


def flash_varlen(query: Tensor, key: Tensor, value: Tensor, cu_seq_q: Tensor, cu_seq_k: Tensor,
                 max_k: int, seqused_k: Tensor) -> Tensor:
    """The operator under torch's varlen_attn, which lacks `seqused_k` before torch 2.12.

    One query for each sequence, [n, H / K, head_dim] -> the same shape. cu_seq_q and cu_seq_k
    [n + 1] say where queries and keys begin, seqused_k [n] how many keys are read, at most max_k.
    """
    return torch.ops.aten._flash_attention_forward(
        query, key, value, cum_seq_q=cu_seq_q, cum_seq_k=cu_seq_k, max_q=1, max_k=max_k,
        dropout_p=0.0, is_causal=False, return_debug_mask=False, seqused_k=seqused_k)[0]


# ---- 3. the chat format --------------------------------------------------------------------------

class Chat:
    """A tokenizer, and the fixed pieces of a conversation as token ids, cut out of its template.

    Pieces are encoded apart and joined as ids, here and in the rollout: text that a model sampled
    is never encoded again, and no template can change what was written (some drop the thoughts of
    earlier turns).
    """

    def __init__(self, tokenizer: Any, format_name: str = "fence"):
        self.tokenizer, self.format_name = tokenizer, format_name
        self.format: Format = FORMATS[format_name]
        vocabulary, added = tokenizer.get_vocab(), tokenizer.added_tokens_decoder
        # An embedding may have more rows than the tokenizer has tokens: these are never sampled.
        self.tokenizer_size = max(vocabulary.values()) + 1
        # Tokens that can close a code block: after each of them the text is looked at. The mark may
        # be spread over several tokens; the one that completes it holds its last character.
        last_character = self.format.code_close[-1]
        self.closing_ids = {i for token, i in vocabulary.items() if last_character in token}
        # What stands between two messages, by their roles. The token that ends the model's turn
        # stands apart, as turn_end: the model samples it itself (but after code). In ChatML:
        #     ("user", "assistant")    <|im_end|>\n<|im_start|>assistant\n    (ends the user's turn)
        #     ("assistant", "user")    \n<|im_start|>user\n                  (turn_end is taken off)
        self.between: dict[tuple[str | None, str], list[int]] = {
            roles: tokenizer.encode(piece, add_special_tokens=False)
            for roles, piece in cut_template(tokenizer).items()}
        self.turn_end = self.between["assistant", "user"].pop(0)   # the first of that piece
        if self.turn_end not in added or not added[self.turn_end].special:
            raise SystemExit(f"the chat template of the tokenizer {tokenizer.name_or_path} ends "
                             "the assistant's turn without a special token")
        # Any of these ends a turn, too: those of the model's generation_config, a dictionary that
        # `load_tokenizer` has put there, and <|endoftext|>, with which base models end.
        settings = getattr(tokenizer, "generation_config", {})
        self.stop_ids = {self.turn_end, *settings.get("eos_token_id", [])}
        if "<|endoftext|>" in vocabulary:
            self.stop_ids.add(vocabulary["<|endoftext|>"])
        if max(self.stop_ids) >= self.tokenizer_size:
            raise SystemExit(f"{tokenizer.name_or_path}: eos_token_id {max(self.stop_ids)} is none "
                             f"of the tokenizer's {self.tokenizer_size} tokens")
        self.cut_points = self._find_cut_points(added)
        if self.decode(self.encode("a") + self.encode("b")) != "ab":   # Llama 2's says "a b"
            raise SystemExit(f"the tokenizer {tokenizer.name_or_path} puts a blank before each "
                             "piece of text that it encodes, so pieces cannot be joined as ids: "
                             "take a model with a byte-level tokenizer")

    def _find_cut_points(self, added: dict[int, Any]) -> re.Pattern:
        r"""Where `encode` cuts text, so that no mark of the template in it becomes one token.

        Most tokenizers need no cut: their marks are special tokens, which `split_special_tokens`
        leaves text. But in some <|im_start|> is an added token and no special one, found wherever
        it stands whole. So a mark is cut after its "<", and neither half is a token:

            "a <|im_end|> b"  ->  "a <", "|im_end|> b"

        For ChatML the pattern is (?<=<)(?=\|im_end\|>|\|im_start\|>): a place with a "<" before it
        and the rest of a mark after it.
        """
        pieces = [*self.between.values(), [self.turn_end]]
        mark_ids = {i for piece in pieces for i in piece if i in added}
        rests = []
        for mark in sorted(added[i].content for i in mark_ids):
            # A mark of another form is special in every tokenizer that we met, so it needs no cut.
            if mark.startswith("<") and mark.endswith(">"):
                rests.append(re.escape(mark[1:]))
        if not rests:
            return re.compile("(?!)")   # a pattern that matches nowhere
        return re.compile(f"(?<=<)(?={'|'.join(rests)})")

    def encode(self, text: str) -> list[int]:
        """Content as ids. A "<|im_end|>" in a question or in a script's output stays plain text."""
        ids = []
        for part in self.cut_points.split(text):
            ids += self.tokenizer.encode(part, add_special_tokens=False, split_special_tokens=True)
        return ids

    def decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=False,
                                     clean_up_tokenization_spaces=False)

    def opening(self, instance: Instance, mode: str) -> list[dict[str, str]]:
        """The messages that open a conversation."""
        # Of several wordings the first; supervised data has them all.
        system = system_prompts(mode, self.format_name)[0]
        return [{"role": "system", "content": system},
                {"role": "user", "content": instance.question}]

    def tool_reply(self, text: str) -> list[int]:
        """The environment's words between a code block and the model's next turn."""
        return [self.turn_end, *self.between["assistant", "user"],
                *self.encode(self.format.show_output(text)), *self.between["user", "assistant"]]


def render_messages(chat: Chat, messages: list[dict[str, str]]) -> tuple[list[int], list[int]]:
    """A conversation as (ids, loss_mask), encoded piece by piece, just as the rollout does.

    So these are the ids of a rollout in which the model said that and ended its last turn by the
    end-of-turn token. (It may also sample a spelling that the tokenizer would not choose, such as
    two tokens for a word that is one; and a budget, or a call too many, may end its last turn
    elsewhere.)

    Mask 1: what the model has to sample, that is the text of its turns and the end-of-turn token it
    stops with. After a code block the environment stops it: there that token has mask 0. A
    conversation whose last message is the user's is a prompt: it ends with the opening of the
    model's turn.
    """
    ids: list[int] = []
    loss_mask: list[int] = []

    def add(piece: list[int], sampled: bool) -> None:
        ids.extend(piece)
        loss_mask.extend([int(sampled)] * len(piece))

    before = None   # the role of the message before
    for message in messages:
        role, content = message["role"], message["content"]
        if (before, role) not in chat.between:
            how = f"follow the {before}" if before else "come first"
            raise ValueError(f"a message of the {role} cannot {how}")
        add(chat.between[before, role], sampled=False)
        add(chat.encode(content), sampled=role == "assistant")
        if role == "assistant":
            turn = read_turn(content, chat.format_name)
            if turn.text != content:
                raise ValueError("text follows the closing mark of a code block, where a turn ends")
            add([chat.turn_end], sampled=turn.code is None)
        before = role
    if before != "assistant":
        add(chat.between[before, "assistant"], sampled=False)
    return ids, loss_mask


# ---- 4. the sampler ------------------------------------------------------------------------------
#
#                 enter                  closing mark of a code block
#     waiting -----------> decoding ------------------------------------> calling
#                          |      ^                                          |
#      end of turn, budget,|      | enter again, the output appended         | its script runs in
#      too many calls      v      '------------------------------------------' the sandbox
#                        ended  <-- the sandbox failed, or the output exceeds the budget
#
# (`Sampler` is about what decodes. `TurnRules` and `rollout`, section 5, move the rows.)
#
#     row     a conversation (`Row`), from its prompt to its end
#     slot    its place in the cache while it decodes. The first slots are taken: when a row leaves,
#             the last one moves into its slot

@dataclass(eq=False)   # a row equals itself alone
class Row:
    """A conversation on its way, and what the sampler needs to go on with it."""
    trajectory: Trajectory
    key: tuple                    # fixes its randomness
    noise: np.ndarray             # [max_tokens] uniform numbers, one a token after the prompt
    group: list["Row"]            # the rows of its question; the first computes their prompt
    turn_start: int               # the length at which its present turn began
    # Keys and values [2, layers, K, tokens, head_dim] that it brings along when it enters: of its
    # group's prompt, or its own from before its call (the table in `Sampler.fill_slots`).
    kept_kv: Tensor | None = None
    future: Future | None = None  # the run of its newest script
    called_at: int = 0            # the decode step of its newest call


def sample(logits: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """logits [B, V], uniform noise [B] -> tokens [B], their log-probabilities [B].

    Temperature 0 is greedy.

    By inverting the distribution function: token i is chosen where the sum of the probabilities up
    to i first exceeds the noise. So one number, made in advance from a row's key and position,
    decides a token, whatever rows decode beside it. They change only how its probabilities are
    rounded. Even that is the same in each run, since the same rows decode together (PATIENCE, in
    section 5).
    """
    probs = F.softmax(logits / (temperature or 1), dim=-1)             # [B, V]
    if temperature == 0:
        tokens = logits.argmax(-1)
    else:
        tokens = invert(probs, noise)
    return tokens, probs.gather(-1, tokens[:, None]).squeeze(-1).log()


SAMPLE_BLOCK = 512   # tokens; a vocabulary of 150,000 has about 300 blocks


def invert(probs: Tensor, noise: Tensor) -> Tensor:
    """probs [B, V], noise [B] -> the tokens [B] at which the sums of probs first exceed the noise.

    (On a first reading skip how.) In two steps, since float64 sums over a whole vocabulary take
    long: first the block of tokens within which that happens, then the token. Noise .5 in blocks of
    2 tokens instead of 512:

        probs  .1  .2  |  .3  .4       the sums at the ends of the blocks are .3 and 1: block 1
        within block 1:   .3  .7       .5 - .3 = .2 of the noise remains, and .3 exceeds it: token 2
    """
    missing = -probs.shape[1] % SAMPLE_BLOCK
    blocks = F.pad(probs, (0, missing)).unflatten(1, (-1, SAMPLE_BLOCK))   # [B, n, SAMPLE_BLOCK]
    ends = blocks.sum(-1, dtype=torch.float64).cumsum(-1)                  # [B, n]
    wanted = noise.double()[:, None] * ends[:, -1:]   # below the total: noise is below 1
    chosen = torch.searchsorted(ends, wanted, right=True)                  # [B, 1]
    # Both `clamp` are for tokens that are never used: of NaN probabilities, with which
    # `Sampler.decode` ends the program, and of free slots, whose noise is 1. No sum exceeds those.
    chosen = chosen.clamp(max=ends.shape[1] - 1)
    rest = wanted - F.pad(ends, (1, 0)).gather(1, chosen)                  # within the block
    block = blocks.gather(1, chosen[:, :, None].expand(-1, -1, SAMPLE_BLOCK)).squeeze(1)
    sums = block.double().cumsum(-1)                                       # [B, SAMPLE_BLOCK]
    # The block's total was added up by `sum` before, and is now by `cumsum`: in the last digits
    # they may differ. The rest has to stay below it.
    rest = torch.minimum(rest, sums[:, -1:] * (1 - 1e-12))
    tokens = chosen * SAMPLE_BLOCK + torch.searchsorted(sums, rest, right=True)
    return tokens.squeeze(-1).clamp(max=probs.shape[1] - 1)


PREFILL_TOKENS = 8192   # computed together, padding included


class Sampler:
    """Decodes up to `slots` rows together, one token a step for each.

    The host knows the rows, and tells the device in every step what it needs of them; the device
    answers with what it has chosen. Each way that is one small table, because every copy makes one
    side wait for the other. (It is of float64, which holds ids without rounding.) Two rows in three
    slots:

                               slot 0   slot 1   slot 2 (free)
        rows                        a        b
        told     newest id        512       40        1
                 length           131       88        1
                 noise            .37      .92        1
        chosen   next id           77       17        -
                 its logp        -1.2      -.3        -

    A step feeds a row's newest id: the cache always lacks just that one. On CUDA it may compute
    free slots, too (`DecodeGraphs`, below): of length 1, they write position 0 of their own slot in
    the cache, where nobody reads.
    """

    def __init__(self, model: CausalLM, tokenizer_size: int, all_rows: list[Row],
                 protocol: Protocol):
        weight = model.model.embed_tokens.weight
        self.model, self.tokenizer_size, self.device = model, tokenizer_size, weight.device
        self.temperature = protocol.temperature
        self.slot_count = min(protocol.slots, len(all_rows))
        longest_prompt = max((row.trajectory.prompt_len for row in all_rows), default=0)
        self.capacity = longest_prompt + protocol.max_tokens + 1   # the last: padding goes there
        self.cache = KVCache(model.config, self.slot_count, self.capacity, device=self.device,
                             dtype=weight.dtype)
        self.rows: list[Row] = []   # those in the first slots: none yet
        self.told = torch.ones(3, self.slot_count, dtype=torch.float64, device=self.device)
        self.chosen = torch.zeros(2, self.slot_count, dtype=torch.float64, device=self.device)
        self.graphs = DecodeGraphs() if self.device.type == "cuda" else None

    # Rows enter.

    def enter(self, new: list[Row], returning: list[Row]) -> None:
        """Let rows decode: what the cache does not know of them is computed first.

        A group's prompt is computed once, by its first row: new rows come in the order of their
        groups, so the first enters before the others or together with them. Rows a, b and c of a
        group, and two free slots:

            a and b are new     a computes the prompt: kept_kv of b and c. b starts from it
            a calls             it leaves with a kept_kv of its own; its script's output is appended
            b ends              now both slots are free
            a returns           it starts from its own kept_kv, and computes what has been appended
            c is new            it starts from the prompt
        """
        # First the rows that compute a prompt; then, when all prompts are known, all others.
        firsts = [row for row in new if row is row.group[0]]
        slots = self.fill_slots(firsts)
        for slot, first in zip(slots, firsts):
            others = first.group[1:]
            if others:   # they start from the prompt that the first row has computed
                prompt_kv = self.cache.save(slot, first.trajectory.prompt_len - 1)
                for row in others:
                    row.kept_kv = prompt_kv
        self.fill_slots(returning + [row for row in new if row not in firsts])

    def fill_slots(self, rows: list[Row]) -> range:
        """Give rows the next slots, with all but their newest id in the cache. Returns them.

        row                         its kept_kv knows      computed here
        the first of a group        nothing                the prompt
        another one of it           the prompt             nothing
        one back from its script    all before its call's  that id, and what the script printed
                                    last id

        (The newest id, that is the last of the prompt or of the output, is left to the next step.)
        """
        slots = range(len(self.rows), len(self.rows) + len(rows))
        # What is to be computed: (slot, how many ids are in the cache, the ids to compute).
        pending: list[tuple[int, int, list[int]]] = []
        for slot, row in zip(slots, rows):
            known = 0
            if row.kept_kv is not None:
                known = row.kept_kv.shape[3]
                self.cache.load(slot, row.kept_kv)
                row.kept_kv = None   # a group's prompt is freed with its last row
            rest = row.trajectory.ids[known:-1]
            if rest:
                pending.append((slot, known, rest))
        # In as few passes as can be (`micro_batches` is below): waste=1.0 allows any padding.
        for batch in micro_batches([len(ids) for _, _, ids in pending], PREFILL_TOKENS, waste=1.0):
            self.prefill([pending[i] for i in batch])
        self.rows += rows
        return slots

    def prefill(self, pending: list[tuple[int, int, list[int]]]) -> None:
        """Compute keys and values of ids after those the cache knows; padding is never seen."""
        slots = torch.tensor([slot for slot, _, _ in pending], device=self.device)
        known = [count for _, count, _ in pending]
        ids = pad([new for _, _, new in pending], self.device)      # [B, T]
        offsets = torch.arange(ids.shape[1], device=self.device)
        positions = torch.tensor(known, device=self.device)[:, None] + offsets   # [B, T]
        positions = positions.clamp(max=self.capacity - 1)   # padding may write to the last one
        # `enter` fills slots twice: first with rows that compute a prompt, for which nothing is
        # known; then with the rest. Of these only rows that come back have something pending.
        assert all(known) or not any(known)
        read_length = 0   # new rows read nothing
        if any(known):
            read_length = min(max(known) + ids.shape[1], self.capacity)
        self.model(ids, CacheLayout(self.cache, slots, positions, read_length), head=no_head)

    # Rows decode.

    def decode(self) -> None:
        """One token for every row, which is appended to its trajectory."""
        trajectories = [row.trajectory for row in self.rows]
        count = len(trajectories)
        lengths = [len(t.ids) for t in trajectories]
        told = np.ones((3, self.slot_count))
        told[0, :count] = [t.ids[-1] for t in trajectories]
        told[1, :count] = lengths
        # A row's noise has one number for each token after the prompt.
        told[2, :count] = [row.noise[len(row.trajectory.ids) - row.trajectory.prompt_len]
                           for row in self.rows]
        self.told.copy_(torch.from_numpy(told))
        if self.graphs is None:
            self.step(count, read_length=max(lengths))
        else:
            self.graphs.run(self, count, read_length=max(lengths))
        tokens, logps = self.chosen[:, :count].tolist()
        if any(map(math.isnan, logps)):
            raise SystemExit("the model's probabilities are no numbers: its weights have been "
                             "spoiled; take an older checkpoint, or train with a lower --lr")
        for t, token, logp in zip(trajectories, tokens, logps):
            t.append([int(token)], sampled=True, logps=[logp])

    def step(self, count: int, read_length: int) -> None:
        """Feed the newest ids of the first `count` slots and choose the next ones.

        All it reads and writes are tensors that stay in their place: a graph replays addresses.
        """
        newest, lengths, noise = self.told[:, :count]                  # [B] each
        positions = lengths.long()[:, None] - 1                        # [B, 1]
        layout = CacheLayout(self.cache, slice(count), positions, read_length)
        logits = self.model(newest.long()[:, None], layout)[:, -1].float()   # [B, V]
        logits[:, self.tokenizer_size:] = -torch.inf
        self.chosen[0, :count], self.chosen[1, :count] = sample(logits, noise, self.temperature)

    # Rows leave.

    def leave(self, slot: int, keep: bool) -> None:
        """Take a row out; `keep` what the cache knows if it will return. The last gets its slot."""
        row, last = self.rows[slot], self.rows[-1]
        if keep:
            row.kept_kv = self.cache.save(slot, len(row.trajectory.ids) - 1)
        if row is not last:
            self.cache.move(len(self.rows) - 1, slot, len(last.trajectory.ids) - 1)
        self.rows[slot] = last
        self.rows.pop()


def no_head(hidden: Tensor, weight: Tensor) -> None:
    """Filling the cache needs no logits."""


class DecodeGraphs:
    """Runs the sampler's step on CUDA by graphs, which start all its kernels at once.

    A graph is recorded for a number of slots and a length read. Both are rounded up, to the next
    power of two or to all there are, so that few graphs are needed: with 96 slots, 60 rows run as
    64 slots, the last four of which are free, and 70 rows as 96.
    """

    def __init__(self) -> None:
        self.graphs: dict[tuple[int, int], Any] = {}
        self.pool = torch.cuda.graph_pool_handle()

    def run(self, sampler: Sampler, count: int, read_length: int) -> None:
        """One step of the first `count` rows, the longest of which has `read_length` tokens.

        The sampler is an argument: if each held the other, the cache would be freed only when
        Python's garbage collector runs.
        """
        count = round_up(count, most=sampler.slot_count)
        read_length = round_up(read_length, most=sampler.capacity)
        if (count, read_length) in self.graphs:
            self.graphs[count, read_length].replay()
            return
        sampler.step(count, read_length)   # the first time without a graph: it warms the kernels up
        # Recording runs nothing: the rows do not advance twice. "thread_local": nccl's watchdog
        # thread may call CUDA meanwhile, which by default would break the recording.
        self.graphs[count, read_length] = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graphs[count, read_length], pool=self.pool,
                              capture_error_mode="thread_local"):
            sampler.step(count, read_length)


def round_up(n: int, most: int) -> int:
    """To a power of two, or to `most` where that is less."""
    return min(1 << (n - 1).bit_length(), most)


# Batches of rows, for the sampler here and for training in sft.py.

PASS_COST = 256   # tokens that could be computed in the time that one more pass takes


def micro_batches(lengths: list[int], max_tokens: int, waste: float = 0.3) -> list[list[int]]:
    """The indices of rows in batches, with little padding.

    The longest come first, so that memory runs out at once if it does. A batch holds at most
    `max_tokens` with its padding (or one row). Its padding is at most the share `waste`, or
    PASS_COST tokens, whichever is more: below that, one more pass would cost more. (In training
    only attention computes padding: see `PackedRows`.)
    """
    batches: list[list[int]] = []
    real_tokens = 0   # of the newest batch
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches:
            padded_tokens = lengths[batches[-1][0]] * (len(batches[-1]) + 1)
            padding = padded_tokens - real_tokens - lengths[i]
            dense = padding <= max(waste * padded_tokens, PASS_COST)
            if padded_tokens <= max_tokens and dense:
                batches[-1].append(i)
                real_tokens += lengths[i]
                continue
        batches.append([i])
        real_tokens = lengths[i]
    return batches


# ---- 5. the rollout ------------------------------------------------------------------------------

@dataclass
class Interpreter:
    """A model that holds conversations and runs code: what the paper of R1-Code-Interpreter calls
    an interpreter, with all it needs.
    """
    model: CausalLM
    chat: Chat
    sandbox: Sandbox
    # For streaming: hears all ids after the prompt, and whether the model sampled them.
    on_append: Callable[[list[int], bool], None] | None = None


@dataclass
class TurnRules:
    """How a conversation goes on, for all rows of a rollout: when a turn ends, a script starts, its
    output is appended, the answer graded.
    """
    interpreter: Interpreter
    protocol: Protocol
    bar: tqdm | None

    def after_token(self, row: Row, decode_step: int) -> str | None:
        """Look at the newest token. If it ends the turn, the message is appended.

        End tokens are `Chat.stop_ids`; `read_turn` in tasks/conversation.py finds code blocks.

            what it is                        what follows            returns
            a token of the turn               nothing                 None
            an end token                      the conversation ends   "answer", or "eos": none given
            closing mark of a Python block    the script starts       "script runs"
            the same, after --max-calls       the conversation ends   "calls"
            any other, the budget's last      the conversation ends   "budget"

        (Where a closing mark is the conversation's last token, the script still runs, and
        `take_output` ends the row.)
        """
        t, chat, protocol = row.trajectory, self.interpreter.chat, self.protocol
        newest = t.ids[-1]
        says_end = newest in chat.stop_ids
        # Or a budget ends it, the turn's or the conversation's.
        must_end = (says_end or len(t.ids) - row.turn_start >= protocol.max_turn_tokens
                    or len(t.ids) - t.prompt_len >= protocol.max_tokens)
        if not (must_end or newest in chat.closing_ids):
            return None
        turn_ids = t.ids[row.turn_start:]
        if says_end:   # that token is no part of the text
            turn_ids.pop()
        turn = read_turn(chat.decode(turn_ids), chat.format_name)
        has_code = turn.code is not None
        if not (must_end or has_code):   # the mark's last character, which closed no block
            return None
        # A closing token may carry more than the mark, as "```\n" does: t.ids keep what was
        # sampled, the message is cut at the mark.
        t.messages.append({"role": "assistant", "content": turn.text})
        if says_end:
            # There is no code here: a block closes with its mark's last character, every token with
            # that one is in closing_ids, and so the turn would have ended there.
            t.answer = turn.answer
            return "eos" if turn.answer is None else "answer"
        if not has_code:   # cut off: what stands there is no answer
            return "budget"
        # t.calls counts the calls that came back. (allowed_calls: --max-calls, or 0 in mode text.)
        if t.calls == protocol.allowed_calls:
            return "calls"
        seed = int.from_bytes(keyed_bytes(*row.key, t.calls)[:4], "big")
        row.future = self.interpreter.sandbox.submit(turn.code, seed=seed)
        row.called_at = decode_step
        return "script runs"

    def take_output(self, row: Row) -> bool:
        """Append what the row's script printed, or end the row. Returns whether it goes on.

        Here alone a rollout waits for a script.
        """
        t, chat = row.trajectory, self.interpreter.chat
        result = row.future.result()
        t.statuses.append(result.status)
        # Our fault, not the model's: it never enters a loss (`without_failures` in grpo.py).
        if result.status == "sandbox_error":
            self.end_row(row, "tool_failure")
            return False
        text = tool_text(result, self.protocol.tool_chars)
        ids = chat.tool_reply(text)
        if len(t.ids) + len(ids) - t.prompt_len >= self.protocol.max_tokens:
            self.end_row(row, "budget")
            return False
        t.append(ids, sampled=False)
        t.messages.append({"role": "user", "content": chat.format.show_output(text)})
        row.turn_start = len(t.ids)
        if self.interpreter.on_append:
            self.interpreter.on_append(ids, False)
        return True

    def end_row(self, row: Row, stop_reason: str) -> None:
        """The row has ended: its answer is graded here."""
        row.kept_kv = None   # no use any more: free its memory
        t = row.trajectory
        t.stop_reason = stop_reason
        t.right = float(t.answer is not None and grade(t.instance, t.answer))
        if self.bar is not None:
            self.bar.update()


# The decode steps that a script has before its row may return, unless no other row decodes. Not the
# script's own time decides: when a row returns depends on tokens alone, so that runs repeat to the
# last bit.
PATIENCE = 32

# Rows that could enter wait until they are at least this share of those that decode. While they are
# computed, the decoding rows stand still: on a CPU for the time of many decode steps, on a GPU, we
# expect, of a few.
ENTER_WORTH = {"cpu": 1 / 2, "cuda": 1 / 8}


def how_many_enter(running: int, waiting: int, calling: int, due: int, slot_count: int,
                   worth: float) -> tuple[int, int]:
    """How many new rows, and how many rows that called, start to decode now.

    Of those that called (`calling`), `due` have waited for their scripts long enough: PATIENCE
    steps. On a CPU (`worth` 1/2), with 96 slots:

        running  waiting  calling   due     new  back
             60      500       10     4      36     0    new rows have the first claim on 96 - 60
             60      500      120    24      12    24    ... but 192 run or call at most: 192 - 180
             60        0       50    20       0     0    too few to be worth it, until 30 are due
             60        0       50    30       0    30
              0        0       50     0       0    50    nobody decodes: nothing to wait for
    """
    # New rows come first, so that no long conversation begins late. But at most twice as many as
    # there are slots may be running or calling, since one that calls keeps a copy of its keys and
    # values.
    new = max(0, min(waiting, slot_count - running, 2 * slot_count - running - calling))
    # Rows that called, in the slots that are left, in the order of their calls: those that are due,
    # or all, if nobody decodes.
    back = min(calling if running == 0 else due, slot_count - running - new)
    # Nobody enters yet, if it is not worth it.
    if new + back < worth * running:
        return 0, 0
    return new, back


def rollout(interpreter: Interpreter, instances: list[Instance], group_size: int,
            protocol: Protocol, key: tuple,
            bar: tqdm | None = None) -> list[list[Trajectory]]:
    """Hold `group_size` conversations about every question: graded, in groups, in their order.

    A row's way through a call of Python, while other rows go on decoding:

        rules.after_token    its newest token closes a Python block: the script starts in a process
                             of the sandbox, and row.future will hold what comes of it
        sampler.leave        its keys and values are copied out of the cache, into row.kept_kv, and
                             its slot is free for another
        how_many_enter       decides when it comes back: PATIENCE steps later at the earliest,
                             together with others; or at once, if no row decodes
        rules.take_output    waits for the script, and appends what it printed, as the user's
                             message, with mask 0
        sampler.enter        copies kept_kv into the next free slot, and computes keys and values of
                             what is new: the call's last id, and the output

    `key`, for example (seed, step), fixes all randomness.
    """
    model, chat, on_append = interpreter.model, interpreter.chat, interpreter.on_append
    rules = TurnRules(interpreter, protocol, bar)
    groups = make_rows(interpreter, instances, group_size, protocol, key=key)
    waiting = deque(row for group in groups for row in group)
    calling: deque[Row] = deque()               # in the order of their calls
    decode_step = 0

    with (torch.no_grad(), few_threads(model),
          explain_out_of_memory("lower --slots or --max-tokens")):
        sampler = Sampler(model, chat.tokenizer_size, list(waiting), protocol)
        while waiting or calling or sampler.rows:
            # 1. Let rows in: new ones, and those that called PATIENCE steps ago (or, if nobody
            # decodes, all that called).
            due = len([row for row in calling if decode_step - row.called_at >= PATIENCE])
            new, back = how_many_enter(running=len(sampler.rows), waiting=len(waiting),
                                       calling=len(calling), due=due,
                                       slot_count=sampler.slot_count,
                                       worth=ENTER_WORTH[sampler.device.type])
            new_rows = [waiting.popleft() for _ in range(new)]
            returning = [calling.popleft() for _ in range(back)]
            returning = [row for row in returning if rules.take_output(row)]   # or it ends
            if new_rows or returning:
                sampler.enter(new_rows, returning)
            if not sampler.rows:
                continue
            # 2. One token for every row.
            sampler.decode()
            decode_step += 1
            # 3. Look at it. From the last slot down: where a row leaves, the last row moves into
            # its slot, and has been looked at.
            for slot, row in reversed(list(enumerate(sampler.rows))):
                if on_append:
                    on_append(row.trajectory.ids[-1:], True)
                outcome = rules.after_token(row, decode_step)
                if outcome == "script runs":
                    sampler.leave(slot, keep=True)
                    calling.append(row)
                elif outcome:
                    sampler.leave(slot, keep=False)
                    rules.end_row(row, outcome)
    return [[row.trajectory for row in group] for group in groups]


def make_rows(interpreter: Interpreter, instances: list[Instance], group_size: int,
              protocol: Protocol, key: tuple) -> list[list[Row]]:
    """A group of rows for every question, with its prompt, and noise that its key decides."""
    groups = []
    for instance in instances:
        messages, prompt = make_prompt(interpreter.chat, instance, protocol.mode)
        if not fits(interpreter, prompt, protocol):
            raise SystemExit(f"the prompt of {instance.task} has {len(prompt)} tokens; with "
                             f"--max-tokens {protocol.max_tokens} it exceeds the model's context "
                             f"of {interpreter.model.config.max_position_embeddings}")
        group: list[Row] = []
        for number in range(group_size):
            row_key = (*key, instance.task, instance.level, instance.purpose, instance.seed, number)
            generator = np.random.Philox(key=int.from_bytes(keyed_bytes(*row_key)[:16], "big"))
            noise = np.random.Generator(generator).random(protocol.max_tokens, dtype=np.float32)
            t = Trajectory(instance, number, list(messages), prompt_len=len(prompt),
                           format=interpreter.chat.format_name)
            t.append(prompt, sampled=False)
            group.append(Row(t, row_key, noise, group, turn_start=len(prompt)))
        groups.append(group)
    return groups


def make_prompt(chat: Chat, instance: Instance,
                mode: str) -> tuple[list[dict[str, str]], list[int]]:
    """The messages that open a conversation, and their ids."""
    messages = chat.opening(instance, mode)
    ids, _ = render_messages(chat, messages)
    return messages, ids


def fits(interpreter: Interpreter, prompt: list[int], protocol: Protocol) -> bool:
    """Whether the model's context holds the longest conversation that can follow a prompt."""
    context = interpreter.model.config.max_position_embeddings
    return len(prompt) + protocol.max_tokens <= context


# The hidden_size from which a model on a CPU decodes on all threads, and computes in bfloat16 by
# --dtype auto, if the CPU has instructions for it (`choose_dtype`).
WIDE = 512


@contextmanager
def few_threads(model: CausalLM) -> Iterator[None]:
    """A model that is not wide decodes on one thread: its matrix products are too small to share.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if model.config.hidden_size < WIDE else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def explain_out_of_memory(advice: str) -> Iterator[None]:
    """Turn CUDA's own report into one sentence that says what to change."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise SystemExit(f"the device's memory is full: {advice}")


# ---- 6. evaluation -------------------------------------------------------------------------------

def evaluate(interpreter: Interpreter, instances: list[Instance], samples: int,
             protocol: Protocol, key: tuple,
             title: str = "held-out questions") -> tuple[dict[str, Any], list[list[Trajectory]]]:
    """A report on fixed questions, and the conversations. Each rank asks its share; all get all.

    `key` fixes the noise; `title` is the progress bar's. Questions too long for the model's context
    are left out and counted.
    """
    fitting: list[Instance] = []
    too_long: Counter = Counter()
    for instance in instances:
        _, prompt = make_prompt(interpreter.chat, instance, protocol.mode)
        if fits(interpreter, prompt, protocol):
            fitting.append(instance)
        else:
            too_long[instance.task] += 1
    if not fitting:
        raise SystemExit("no question fits into the model's context of "
                         f"{interpreter.model.config.max_position_embeddings} with --max-tokens "
                         f"{protocol.max_tokens}")
    rank, size = rank_and_size()
    mine = fitting[rank::size]
    with tqdm(total=len(mine) * samples, desc=title, disable=rank > 0, leave=False) as bar:
        groups = rollout(interpreter, mine, samples, protocol, key=key, bar=bar)
    groups = merge_shares(groups, len(fitting))
    return describe(groups, protocol, samples, too_long), groups


def describe(groups: list[list[Trajectory]], protocol: Protocol, samples: int,
             too_long: Counter) -> dict[str, Any]:
    """The report on groups of conversations, with how they were held."""
    failures, calls = tool_failures([t for group in groups for t in group])
    end_if_sandbox_failed(failures, calls)
    return {**make_report(groups), "samples": samples, "mode": protocol.mode,
            "temperature": protocol.temperature, "tool_failures": failures,
            "too_long": dict(too_long)}


def rank_and_size() -> tuple[int, int]:
    """The number of this process and how many there are: torchrun's, or else 0 of 1."""
    if not dist.is_initialized():
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def gather(value: Any) -> list[Any]:
    """Every rank's value, on every rank."""
    _, size = rank_and_size()
    values = [value] * size
    if size > 1:
        dist.all_gather_object(values, value)
    return values


def merge_shares(mine: list[Any], count: int) -> list[Any]:
    """Undo items[rank::size]: of rank 0's [a, c, e] and rank 1's [b, d] make [a, b, c, d, e]."""
    parts = gather(mine)
    return [parts[i % len(parts)][i // len(parts)] for i in range(count)]


# ---- 7. Hugging Face files -----------------------------------------------------------------------

SHARD_BYTES = 5 * 10**9  # of one file


@functools.cache
def find_model(name: str | Path) -> Path:
    """The directory of a model: a local one, or else the hub's of that id ("owner/name"),
    downloaded once.

    Under torchrun every process asks: the hub's file locks let one of each machine download, the
    others wait. A name under runs/, or any directory that exists, is never looked up on the hub.
    """
    path = Path(name)
    if path.is_dir():
        return path
    if str(name).startswith("runs/"):
        there = ", ".join(sorted(str(path.parent) for path in Path("runs").glob("*/config.json")))
        raise SystemExit(f"{name} does not exist: " + (
            f"finished models are {there}" if there else "run sft.py first, then grpo.py"))
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(name)) or Path(path.parts[0]).exists():
        raise SystemExit(f"{name} does not exist, or is no directory: --model takes one, or a hub "
                         "id with its owner (Qwen/Qwen2.5-3B-Instruct)")
    from huggingface_hub import snapshot_download

    files = ["*.safetensors", "*.json", "*.jinja", "*.txt"]
    try:
        return Path(snapshot_download(str(name), allow_patterns=files))
    except Exception as error:  # a dozen types: unknown, gated, offline, disk full
        reason = str(error).strip().split("\n")[0]
        raise SystemExit(f"{name} is no directory, and the Hugging Face hub does not give it: "
                         f"{reason}")


def read_config(directory: Path) -> ModelConfig:
    """config.json of transformers 4 or 5; what this code does not implement is refused by name."""
    path = directory / "config.json"
    if not path.exists() and (directory / "metrics.jsonl").exists():
        checkpoints = sorted(directory.glob("checkpoints/step-??????"))
        instead = f", or take {checkpoints[-1]}" if checkpoints else ""
        raise SystemExit(f"{directory} is a run that has not ended: wait, if it is at work; if "
                         f"it was stopped, go on with its command and --resume{instead}")
    raw = read_json(path)
    kind = raw.get("model_type") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise SystemExit(f"{path}: model_type {kind!r} is not supported, only "
                         f"{', '.join(FAMILIES)} are")
    for key in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                "num_attention_heads", "max_position_embeddings"):
        if key not in raw:
            raise SystemExit(f"{path} lacks {key}")
    for key, kind_of_value in (("rope_scaling", dict), ("rope_parameters", dict),
                               ("quantization_config", dict), ("layer_types", list)):
        value = raw.get(key)
        if value and not isinstance(value, kind_of_value):
            raise SystemExit(f"{path}: {key} {value!r} is not supported")
    # The rotation's base stands in one of three places, by the version of transformers.
    rope = {**(raw.pop("rope_scaling", None) or {}), **(raw.pop("rope_parameters", None) or {})}
    rope_type = rope.get("rope_type") or rope.get("type") or "default"
    raw["rope_theta"] = rope.get("rope_theta", raw.get("rope_theta", 10_000.0))
    raw.setdefault("tie_word_embeddings", False)
    raw.setdefault("rms_norm_eps", ModelConfig.rms_norm_eps)
    raw["num_key_value_heads"] = raw.get("num_key_value_heads") or raw["num_attention_heads"]
    raw["head_dim"] = raw.get("head_dim") or FAMILIES[kind].head_dim
    check_numbers(path, raw)
    refuse_config(path, raw, FAMILIES[kind], rope_type)
    # Ours, and the rest.
    known = {key: value for key, value in raw.items() if key in ModelConfig.__dataclass_fields__}
    other = {key: value for key, value in raw.items() if key not in known}
    return ModelConfig(**known, other=other)


def check_numbers(path: Path, raw: dict[str, Any]) -> None:
    """Refuse numbers of which no model can be made, before one is tried: a text, 10 ** 9 layers."""
    for key in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                "num_attention_heads", "num_key_value_heads", "max_position_embeddings"):
        # Layers are objects even on the device "meta", where sizes cost nothing.
        maximum = 1000 if key == "num_hidden_layers" else 10 ** 9
        if type(raw[key]) is not int or not 1 <= raw[key] <= maximum:
            raise SystemExit(f"{path}: {key} {raw[key]!r} is not a whole number from 1 to "
                             f"{maximum}")
    for key in ("rope_theta", "rms_norm_eps"):
        if not (is_finite(raw[key]) and raw[key] > 0):
            raise SystemExit(f"{path}: {key} {raw[key]!r} is not a number above 0")
    if type(raw["head_dim"]) is not int:
        raise SystemExit(f"{path}: head_dim {raw['head_dim']!r} is not a whole number")
    heads = raw["num_attention_heads"]
    head_dim = raw["head_dim"] or raw["hidden_size"] / heads   # 0: it follows from the others
    if head_dim <= 0 or head_dim % 2:   # a fraction is not even, either
        raise SystemExit(f"{path}: {heads} num_attention_heads of head_dim {head_dim!r}, not a "
                         "whole even number")
    if heads % raw["num_key_value_heads"]:
        raise SystemExit(f"{path}: num_attention_heads {heads} is not a multiple of "
                         f"num_key_value_heads {raw['num_key_value_heads']}")


def refuse_config(path: Path, raw: dict[str, Any], family: Family, rope_type: str) -> None:
    """Refuse what transformers would compute in another way than this code does."""
    architectures = raw.get("architectures") or [family.architecture]
    activation = raw.get("hidden_act", "silu")
    quantisation = raw.get("quantization_config") or {}
    # With use_sliding_window the layers from number max_window_layers on see a window alone.
    first_with_window = raw.get("max_window_layers")
    if type(first_with_window) is not int:
        first_with_window = 0
    has_windows = raw.get("use_sliding_window") and first_with_window < raw["num_hidden_layers"]
    refused = {
        f"architecture {architectures}": architectures != [family.architecture],
        f"hidden_act {activation!r}": activation != "silu",
        f"quantization_config {quantisation.get('quant_method')!r}": quantisation,
        "use_sliding_window": has_windows or "sliding_attention" in (raw.get("layer_types") or []),
        f"rope scaling {rope_type!r}": rope_type != "default",
        "mlp_bias": raw.get("mlp_bias"),
    }
    for what, found in refused.items():
        if found:
            raise SystemExit(f"{path}: {what} is not supported")


def stored_tensors(directory: Path) -> Iterator[tuple[str, Any]]:
    """Names and tensors of a model's safetensors files, not read yet: `tensor[:]` reads one."""
    from safetensors import SafetensorError, safe_open

    # One file, or those that an index names.
    names = ["model.safetensors"]
    index = directory / "model.safetensors.index.json"
    if index.exists():
        raw = read_json(index)
        if not isinstance(raw, dict) or not isinstance(raw.get("weight_map"), dict):
            raise SystemExit(f"{index} has no weight_map")
        names = sorted(set(map(str, raw["weight_map"].values())))
    for path in [directory / name for name in names]:
        if not path.exists():
            raise SystemExit(f"{path} does not exist: the model's weights are incomplete")
        try:
            with safe_open(path, "pt") as file:
                for key in file.keys():
                    yield key, file.get_slice(key)
        except (SafetensorError, OSError) as error:  # a truncated or corrupt file, a directory
            raise SystemExit(f"{path} cannot be read as safetensors: {error}")


def check_weights(directory: Path, config: ModelConfig) -> None:
    """Compare names and shapes with config.json; no weight is read."""
    found = {}
    for key, tensor in stored_tensors(directory):
        if tensor.get_dtype() not in ("F64", "F32", "BF16", "F16"):
            raise SystemExit(f"{directory}: {key} is quantised ({tensor.get_dtype()}), which is "
                             "not supported")
        found[key] = torch.empty(tensor.get_shape(), device="meta")
    if config.tie_word_embeddings:
        # Some files hold the embedding twice: load_weights compares them.
        found.pop("lm_head.weight", None)
    with torch.device("meta"):
        model = CausalLM(config)
    try:
        model.load_state_dict(found, strict=True)
    except RuntimeError as error:  # names what is missing, unexpected or misshapen
        reasons = " ".join(str(error).split("\n\t", 1)[-1].split())
        raise SystemExit(f"{directory}: the weights do not fit config.json: {reasons[:400]}")


@torch.no_grad()
def load_weights(model: CausalLM, source: str | Path) -> CausalLM:
    """Fill a model tensor by tensor; a sharded one (FSDP2) takes its rows of each."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    directory = find_model(source)
    check_weights(directory, model.config)
    own = dict(model.named_parameters())
    for key, stored in stored_tensors(directory):
        tensor = stored[:]
        if key not in own:   # after check_weights: the lm_head.weight of tied embeddings
            check_tied_head(directory, tensor)
            continue
        parameter = own[key]
        if isinstance(parameter, DTensor):
            # This rank has some of its rows (`to_local`), see `shard` in sft.py.
            # src_data_rank None: every rank takes its rows, nobody sends.
            tensor = distribute_tensor(tensor, parameter.device_mesh, parameter.placements,
                                       src_data_rank=None).to_local()
            parameter = parameter.to_local()
        parameter.copy_(tensor)
    return model


def check_tied_head(directory: Path, head: Tensor) -> None:
    """config.json says that the head is the embedding: a file with another head contradicts it."""
    for key, tensor in stored_tensors(directory):
        if key == "model.embed_tokens.weight" and not torch.equal(tensor[:], head):
            raise SystemExit(f"{directory}: config.json says tie_word_embeddings, but "
                             "lm_head.weight differs from the embedding: set it to false")


def load_model(source: str | Path | ModelConfig, device: str | torch.device = "cpu",
               dtype: torch.dtype = torch.float32) -> CausalLM:
    """A model from a Hugging Face directory or hub id; or from a ModelConfig, with random weights.

    On the device "meta" it has shapes alone: shard it, give it memory by `to_empty`, then
    `load_weights`.
    """
    if isinstance(source, ModelConfig):
        model = CausalLM(source)
        model.init_weights()
        return model.to(device=device, dtype=dtype)
    with torch.device("meta"):
        model = CausalLM(read_config(find_model(source))).to(dtype)
    if str(device) == "meta":
        return model
    return load_weights(model.to_empty(device=device), source)


def load_tokenizer(source: str | Path) -> Any:
    """A model's tokenizer as its tokenizer.json says, with generation_config.json as attribute."""
    # Not AutoTokenizer: transformers 5 replaces the file's rules by those of a class.
    from transformers import PreTrainedTokenizerFast

    directory = find_model(source)
    path = directory / "tokenizer.json"
    if not path.exists():
        raise SystemExit(f"{path} does not exist: the model directory has no tokenizer")
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(directory)
    except Exception as error:  # tokenizers raises its own, untyped
        raise SystemExit(f"{path} cannot be read as a tokenizer: "
                         f"{' '.join(str(error).split())[:300]}")
    # The ids that end a turn stand in either file. `Chat` and `save_model` read them here.
    generation = read_settings(directory / "generation_config.json")
    config = read_settings(directory / "config.json")
    ends = {*generation["eos_token_id"], *config["eos_token_id"]}
    tokenizer.generation_config = {**generation, "eos_token_id": sorted(ends)}
    return tokenizer


def read_settings(path: Path) -> dict[str, Any]:
    """A JSON object, empty where there is no file; its eos_token_id (one, several or none) a list.
    """
    settings = read_json(path) if path.exists() else {}
    if not isinstance(settings, dict):
        raise SystemExit(f"{path}: a JSON object was expected")
    ends = settings.get("eos_token_id")
    if ends is None:
        ends = []
    if not isinstance(ends, list):
        ends = [ends]
    if not all(type(token) is int for token in ends):
        raise SystemExit(f"{path}: eos_token_id {ends} is not made of token ids")
    return {**settings, "eos_token_id": ends}


def check_model(source: str | Path) -> ModelConfig:
    """Refuse a model that cannot be used, before any long work: config, tokenizer, shapes."""
    directory = find_model(source)
    config, chat = read_config(directory), Chat(load_tokenizer(directory))
    if chat.tokenizer_size > config.vocab_size:
        raise SystemExit(f"{directory}: the tokenizer has {chat.tokenizer_size} tokens, the "
                         f"embedding only {config.vocab_size} rows")
    check_weights(directory, config)
    return config


def save_model(model: CausalLM, tokenizer: Any, directory: str | Path,
               tensors: dict[str, Tensor] | None = None) -> None:
    """Write a Hugging Face directory that transformers opens, with `tensors` in place of (sharded)
    weights.

    An old config.json is deleted first, and the new one is written last: a directory that was cut
    off half-way has none and is refused when it is loaded.
    """
    from huggingface_hub import save_torch_state_dict

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").unlink(missing_ok=True)
    # One safetensors file, or several and their index, in place of those that are there.
    tensors = model.state_dict() if tensors is None else tensors
    save_torch_state_dict(tensors, directory, max_shard_size=SHARD_BYTES)
    tokenizer.save_pretrained(directory)
    # The class name that transformers 4 and 5 both know for "what tokenizer.json says".
    settings = read_json(directory / "tokenizer_config.json")
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    write_json(directory / "tokenizer_config.json", settings)
    # Without do_sample some servers would answer greedily at any temperature.
    generation = {"do_sample": True, **getattr(tokenizer, "generation_config", {})}
    generation["eos_token_id"] = sorted(Chat(tokenizer).stop_ids)
    write_json(directory / "generation_config.json", generation)
    own = asdict(model.config)
    other = own.pop("other")
    dtype = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    config = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "hidden_act": "silu",
              **other, **own, "architectures": [FAMILIES[model.config.model_type].architecture]}
    config["dtype"] = dtype         # as transformers 5 calls it
    config["torch_dtype"] = dtype   # and 4
    write_json(directory / "config.json", config)


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


# ---- 8. the command line -------------------------------------------------------------------------

def find_device(name: str) -> torch.device:
    """The device that --device names: under torchrun, each process of a machine takes its own.

    A CUDA device is also made the one that torch uses where no other is named.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda: no CUDA device is available; use --device cpu")
    if name == "cpu":
        return torch.device("cpu")
    # A launcher may show each process only its own card: then that is number 0.
    index = int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count()
    torch.cuda.set_device(index)   # `DecodeGraphs` records on the card that is set
    return torch.device("cuda", index)


DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_dtype(wanted: str, device: torch.device, width: int) -> torch.dtype:
    """What --dtype stands for, for a model of that width (its hidden_size).

    "auto" is bfloat16 on CUDA, and on a CPU that has instructions for it if the model is wide.
    """
    if wanted != "auto":
        return DTYPES[wanted]
    has_instructions = (torch.cpu._is_avx512_bf16_supported()
                        or torch.cpu._is_amx_tile_supported())
    if device.type == "cuda" or (has_instructions and width >= WIDE):
        return torch.bfloat16
    return torch.float32


@contextmanager
def checked_sandbox(workers: int | None, timeout: float,
                    allow_weak: bool = False) -> Iterator[Sandbox]:
    """A sandbox that has passed its self-test; the processes of one machine share its cores.

    To run scripts elsewhere, yield another object here, and leave out `self_test`. It needs
    `submit`, which returns a Future of a Result, `run` and `describe_layers`. `python -m tasks` and
    `python -m tasks.teacher` make a Sandbox of their own.
    """
    if workers is None and hasattr(os, "sched_getaffinity"):
        workers = max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    try:
        with Sandbox(workers=workers, timeout=timeout, allow_weak=allow_weak) as sandbox:
            self_test(sandbox)
            yield sandbox
    except SandboxError as error:
        raise SystemExit(str(error))


def add_device_flags(add: Callable[..., Any]) -> None:
    """What every command that runs a model shares."""
    add("--device", choices=("auto", "cpu", "cuda"), default="auto",
        help="auto: cuda if there is one")
    add("--dtype", choices=("auto", *DTYPES), default="auto",
        help="what the model computes in; auto: bfloat16 on CUDA, and on a CPU with instructions "
             f"for it if the model is at least {WIDE} wide")


# Flags that `ask`, `eval` and grpo.py take over from the run that made the model: it is asked as it
# was trained. Where a flag's value comes from; each line beats those below it:
#
#     typed
#     grpo.py's preset    (that of "tiny" is empty)
#     the model's run     INHERITED; for `eval` the questions, too (`question_arguments`)
#     its default
#
# What is taken over is written as command-line arguments, put in front of those that are typed, and
# parsed with them once more: of "--mode=ci --mode text" the later one counts.
INHERITED = ("level", "mode", "format", "max_turn_tokens", "max_tokens", "max_calls", "tool_chars",
             "code_timeout")
TAKEN_OVER = """Level, mode, format and limits are those of the run that made --model, unless they
are typed (or grpo.py's --preset has them)."""


def flags_of_run(directory: Path) -> dict[str, Any]:
    """The flags of the run that wrote this model, or this checkpoint; {} if no run did."""
    for file in (directory / "metrics.jsonl", directory / "state.json"):
        if file.exists():
            # The first line holds them (of state.json the only one).
            _, value = next(read_jsonl(file), (0, {}))
            flags = value.get("flags", {})
            # These two are used as texts; they may be absent or null.
            sound = isinstance(flags, dict) and all(
                isinstance(flags.get(name) or "", str) for name in ("tasks", "questions"))
            if not sound:
                raise SystemExit(f"{file} does not hold the flags of a run")
            return flags
    return {}


def inherited_arguments(flags: dict[str, Any]) -> list[str]:
    """How a model was asked in training: --mode=ci, --max-calls=4, ..."""
    # One may be absent (of an older run) or null (it was not given).
    return [f"--{name.replace('_', '-')}={flags[name]}" for name in INHERITED
            if flags.get(name) is not None]


def sha256(path: str | Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(2 ** 20):
            digest.update(chunk)
    return digest.hexdigest()


def question_arguments(args: argparse.Namespace, flags: dict[str, Any]) -> list[str]:
    """Which questions `eval` asks, as further arguments:

        typed                               asked
        nothing                             the held-out questions that the run has asked
        the run's own file by --questions   the same: the held-out part of the file, which may have
                                            moved, or have changed
        other questions                     those; nothing is added
    """
    tasks, questions = flags.get("tasks"), flags.get("questions")
    if args.tasks or args.bbh or not (questions or tasks):
        return []
    if args.questions:
        if not is_same_file(args.questions, questions, flags.get("questions_sha256")):
            return []
        questions = args.questions
    if os.environ.get("RANK", "0") == "0":   # torchrun's ranks do not know each other yet
        tell_questions(args.model, {**flags, "questions": questions})
    if questions:
        arguments = [f"--questions={questions}", "--purpose=eval"]
    else:
        arguments = [f"--tasks={tasks}"]
    if flags.get("eval_n") and args.purpose in (None, "eval"):
        arguments.append(f"--n={flags['eval_n']}")
    return arguments


def is_same_file(typed: str, noted: str | None, digest: str | None) -> bool:
    """Whether a file that is typed is the one that a run has noted: at its path, or with what it
    held.
    """
    if noted is None or not Path(typed).is_file():
        return False
    return Path(typed).resolve() == Path(noted).resolve() or sha256(typed) == digest


def tell_questions(model: str, flags: dict[str, Any]) -> None:
    """Say which questions of a run are asked, and whether its file of them has changed."""
    tasks, questions = flags.get("tasks"), flags.get("questions")
    if flags.get("data"):
        print(f"{model} was trained on {flags['data']}; asking {tasks}")
    else:
        print(f"asking what {model} was trained on: {questions or tasks}")
    digest = flags.get("questions_sha256")
    if digest and Path(questions).is_file() and digest != sha256(questions):
        print(f"note: {questions} has changed since: what is held out now may have been trained on "
              "in other words")


def command_ask(args: argparse.Namespace) -> None:
    if args.question is not None and not is_text(args.question):
        raise SystemExit("ask: the question is not UTF-8")
    if args.task:
        # A name may stand for several tasks: then the first one's.
        [question, *_] = draw_questions(parse_tasks(args.task, args.level), "eval", 1, args.seed)
    else:
        question = Instance("user/ask", seed=0, level=0, purpose="eval", question=args.question,
                            facts={}, expect="")
    endpoint = find_endpoint(args.model, args.concurrency, args.request_timeout)

    def write(text: str, sampled: bool) -> None:
        print(paint(text, GREEN if sampled else GREY), end="", flush=True)

    print(paint(question.question, GREY))
    with checked_sandbox(1, args.code_timeout, args.allow_weak) as sandbox:
        if endpoint:
            planned = PlannedConversation(question, 0, protocol_of(args))
            [(_, t)] = converse_all(endpoint, sandbox, [planned], key=(args.seed, "ask"))
            for message in t.messages[2:]:
                write(message["content"] + "\n", message["role"] == "assistant")
        else:
            model, chat = open_model(args, check_model(args.model))
            stream = DecodeStream(skip_special_tokens=False)

            def write_ids(ids: list[int], sampled: bool) -> None:
                for token in ids:   # a character of several tokens comes with the last of them
                    write(stream.step(chat.tokenizer.backend_tokenizer, token) or "", sampled)

            interpreter = Interpreter(model, chat, sandbox, on_append=write_ids)
            [[t]] = rollout(interpreter, [question], 1, protocol_of(args), key=(args.seed, "ask"))
    print("\n" + paint(how_it_ended(t, protocol_of(args)), BOLD))
    if args.task:
        print("right" if t.right == 1 else f"wrong: expected {question.expect}")


def how_it_ended(t: Trajectory, protocol: Protocol) -> str:
    """One line about the end of a conversation, for people."""
    if t.answer is not None:
        return f"answer: {t.answer}"
    calls = f"more than {protocol.max_calls} code calls"
    if protocol.mode == "text":
        calls = "the model wrote code, which --mode text does not run"
    ended = {
        "eos": "the model stopped without an answer",
        "budget": "the token budget was used up",
        "calls": calls,
        "tool_failure": "the sandbox failed",
    }
    return ended.get(t.stop_reason, t.stop_reason)


def open_model(args: argparse.Namespace, config: ModelConfig) -> tuple[CausalLM, Chat]:
    device = find_device(args.device)
    dtype = choose_dtype(args.dtype, device, config.hidden_size)
    model = load_model(args.model, device, dtype).eval()
    return model, Chat(load_tokenizer(args.model), args.format)


def command_eval(args: argparse.Namespace) -> None:
    endpoint = find_endpoint(args.model, args.concurrency, args.request_timeout)
    if not endpoint:
        # A mistyped one ends here: before questions are made, which takes a while.
        config = check_model(args.model)
    questions = questions_of_flags(args)
    for flag, file in (("--json", args.json), ("--trajectories", args.trajectories)):
        if file:
            require_new_file(flag, Path(file))
    if "RANK" in os.environ:  # torchrun: every process answers its share of the questions
        if endpoint:
            raise SystemExit("a served model is asked by one process: leave torchrun out")
        dist.init_process_group("gloo")
    if not endpoint:
        model, chat = open_model(args, config)
    reports: dict[str, dict[str, Any]] = {}
    trajectories: list[Trajectory] = []
    with checked_sandbox(args.workers, args.code_timeout, args.allow_weak) as sandbox:
        layers = sandbox.describe_layers()
        for mode in MODES if args.mode == "all" else [args.mode]:
            protocol = replace(protocol_of(args), mode=mode)
            key = (args.seed, "held-out questions")
            if endpoint:
                reports[mode], groups = evaluate_endpoint(
                    endpoint, sandbox, questions, args.samples, protocol=protocol, key=key
                )
            else:
                reports[mode], groups = evaluate(
                    Interpreter(model, chat, sandbox), questions, args.samples, protocol, key=key,
                    title="questions"
                )
            trajectories += [t for group in groups for t in group]
    rank, _ = rank_and_size()
    if rank > 0:
        return
    print(modes_table(reports) if args.mode == "all" else report_table(reports[args.mode]))
    if endpoint:
        print(f"tokens spent: {sum(t.prompt_tokens for t in trajectories):,} of prompts, "
              f"{sum(t.completion_tokens for t in trajectories):,} of completions")
    if args.json:
        report = {"modes": reports} if args.mode == "all" else reports[args.mode]
        # All flags but the function that answers the command.
        flags = {name: value for name, value in vars(args).items() if name != "command"}
        write_json(Path(args.json), {"flags": flags, "sandbox": layers, **report})
    if args.trajectories:
        with open(args.trajectories, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(t.to_json()) + "\n" for t in trajectories)


def require_new_file(flag: str, path: Path) -> None:
    """Found out before the work: whether it can be written, and that nothing is written over."""
    if path.exists():
        raise SystemExit(f"{flag} {path} exists: choose another file")
    if not os.access(path.parent, os.W_OK):
        raise SystemExit(f"{flag} {path}: no directory that can be written to holds that file")


EVAL_LEGEND = """The table: n, questions; calls, code calls of an answer; words, the share of given
answers that came without code; tokens, sampled for an answer; pass@k, the share of questions with a
right one of k answers; majority, of those whose commonest answer is right. Stopped by: answer; eos,
an end without an answer; calls, too many; budget, of tokens; of a served model also refused and
empty."""


def questions_of_flags(args: argparse.Namespace) -> list[Instance]:
    """The questions that `eval` asks: of tasks, of your own file, or of the original benchmark."""
    if args.bbh and args.purpose:
        raise SystemExit("--bbh: its questions have no --purpose: leave it out")
    if args.bbh:
        return read_bbh(args.bbh, args.n or 50)
    if args.questions and args.purpose:
        return own_questions(args.questions, args.purpose, args.n)
    if args.questions:
        return read_questions(args.questions)[:args.n]
    tasks = parse_tasks(args.tasks or "train", args.level)
    return draw_questions(tasks, args.purpose or "eval", args.n or 50, args.question_seed)


def evaluate_endpoint(endpoint: Endpoint, sandbox: Sandbox, questions: list[Instance],
                      samples: int, protocol: Protocol,
                      key: tuple) -> tuple[dict[str, Any], list[list[Trajectory]]]:
    """The same report on a served model."""
    planned = [PlannedConversation(question, number, protocol)
               for question in questions for number in range(samples)]
    ended = tqdm(converse_all(endpoint, sandbox, planned, key), total=len(planned),
                 desc="questions", unit="row", leave=False)
    trajectories = [t for _, t in sorted(ended)]   # in the order of the questions
    groups = [trajectories[i : i + samples] for i in range(0, len(trajectories), samples)]
    return describe(groups, protocol, samples, Counter()), groups


def command_show(args: argparse.Namespace) -> None:
    file = Path(args.file)
    if file.is_dir():
        file = file / "trajectories.jsonl"
    directory = Path(args.model or file.parent)
    decode = None
    if (directory / "tokenizer.json").exists():
        decode = Chat(load_tokenizer(directory)).decode
    elif args.model:
        raise SystemExit(f"--model {directory} has no tokenizer.json")
    lines = [line for _, line in read_trajectories(file)
             if args.step is None or line.get("step") == args.step]
    if args.step is not None and not lines:
        raise SystemExit(f"{file} holds no conversations of a step {args.step}")
    if args.first >= len(lines):
        which = f" of step {args.step}" if args.step is not None else ""
        raise SystemExit(f"{file} holds {len(lines)} conversations{which}: there is no number "
                         f"{args.first}")
    chosen = lines[args.first:args.first + args.n]
    for line in chosen:
        print(paint_trajectory(line, decode))
    print(f"{len(chosen)} of {len(lines)}, from number {args.first} on: --first, --n and --step "
          "choose others")


def command_page(args: argparse.Namespace) -> None:
    from tasks.page import write_page  # here: no other command needs it

    size = write_page(args.runs, args.out)
    print(f"wrote {args.out} ({size // 1000} kB): open it in a browser")


def add_model_flags(parser: argparse.ArgumentParser, modes: tuple[str, ...]) -> None:
    """What `ask` and `eval` share."""
    add = parser.add_argument
    add("--model", required=True,
        help="a Hugging Face directory, hub id, or URL#name of a served model")
    add("--seed", type=whole(0), default=0, help="of the sampling noise")
    add_device_flags(add)
    add("--allow-weak", action="store_true",
        help="run scripts even where the sandbox cannot confine them")
    add_protocol_flags(parser, temperature=0.6, modes=modes)
    add_endpoint_flags(parser)


def main() -> None:
    parser = CommandLine("Ask, evaluate and look at a model that reasons with code.")
    commands = parser.add_subparsers(required=True, metavar="ask | eval | show | page")

    ask = commands.add_parser("ask", help="hold one conversation, streamed", epilog=TAKEN_OVER)
    either = ask.add_mutually_exclusive_group(required=True)
    either.add_argument("question", nargs="?", help="what to ask")
    either.add_argument("--task", metavar="NAME", help="or a question of a task; --seed draws")
    ask.add_argument("--level", type=int, choices=LEVELS, default=1, help="of that question")
    add_model_flags(ask, MODES)
    ask.set_defaults(command=command_ask)

    evaluation = commands.add_parser("eval", help="accuracy, per task",
                                     epilog=f"{TAKEN_OVER} {EVAL_LEGEND}")
    add = evaluation.add_argument
    either = evaluation.add_mutually_exclusive_group()
    either.add_argument("--tasks", help=f"{TASKS_HELP} (default: what the model was trained on, "
                                        "else train)")
    either.add_argument("--questions", metavar="FILE",
                        help="JSON lines of your own: question, answer; right is what equals it as "
                             "a number or as a text")
    either.add_argument("--bbh", metavar="DIR",
                        help="your copy of the original BIG-Bench-Hard JSON files")
    add("--level", type=int, choices=LEVELS, default=1, help="of the questions")
    add("--n", "--eval-n", type=whole(1), default=None,
        help="questions per task (50; of --questions all; of what a run was trained on, as many as "
             "it has asked); torchrun takes --n for a flag of its own: there write --eval-n")
    add("--samples", type=whole(1), default=1, help="answers per question")
    add("--purpose", choices=("eval", "val", "rl", "sft"),
        help="which questions: held-out ones, validation, those that GRPO trains on, or those that "
             "supervised data is made of (default: eval; of --questions, all)")
    add("--question-seed", type=whole(0), default=0, help="another set of questions")
    add("--json", metavar="FILE", help="write the report there")
    add("--trajectories", metavar="FILE", help="write the conversations there, as JSON lines")
    add("--workers", type=whole(1), default=None, help="sandbox processes; none: one a core")
    add_model_flags(evaluation, (*MODES, "all"))
    evaluation.set_defaults(command=command_eval)

    show = commands.add_parser(
        "show", help="saved trajectories in colour",
        description="What the model sampled is green, all else (prompts, the sandbox) grey. In a "
                    "pipe there are no colours, unless FORCE_COLOR=1 is set.")
    show.add_argument("file", metavar="RUN", help="a run's directory, or a trajectories.jsonl")
    show.add_argument("--model", help="directory of the tokenizer (none: the file's directory)")
    show.add_argument("--step", type=whole(0), help="those of this step alone")
    show.add_argument("--first", type=whole(0), default=0, help="index of the first one")
    show.add_argument("--n", type=whole(1), default=5, help="how many")
    show.set_defaults(command=command_show)

    page = commands.add_parser("page", help="runs as one page for a browser")
    page.add_argument("runs", nargs="+", metavar="RUN", help="directories, laid over each other")
    page.add_argument("--out", default="page.html", help="the file to write")
    page.set_defaults(command=command_page)

    args = parser.parse_args()
    # A model is asked as it was trained, where nothing else is typed: all is parsed again, with
    # what is taken over in front (INHERITED).
    if args.command in (command_ask, command_eval):
        flags = flags_of_run(Path(args.model))
        inherited = inherited_arguments(flags)
        learned = flags.get("questions") or flags.get("tasks")
        if args.command == command_eval:
            inherited += question_arguments(args, flags)
        elif args.question and learned:   # a tiny model knows nothing else
            print(paint(f"{args.model} was trained on: {learned} (`python -m tasks NAME` shows how "
                        "each asks)", GREY))
        chosen = ask if args.command == command_ask else evaluation
        args = chosen.parse_after_run(inherited, sys.argv[2:], args.model)
    with quiet_pipe():
        args.command(args)


if __name__ == "__main__":
    main()
