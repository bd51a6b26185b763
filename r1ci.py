"""r1ci.py -- a language model that reasons in words and in Python that runs: model, sampler, rollout.

    python r1ci.py ask "What is 17 * 23?" --model runs/grpo        one conversation, streamed in colour
    python r1ci.py eval --model runs/grpo --mode ci --n 84         accuracy on held-out questions
    python r1ci.py show runs/grpo/trajectories.jsonl               saved conversations, trained tokens green
    python r1ci.py plot runs/grpo                                  the reward curve (needs matplotlib)

One conversation (ChatML; "|" marks the tokens that the model samples, and only those are ever trained on):

      <|im_start|>system ...  <|im_start|>user\\nWhat is 17 * 23? ... <|im_end|>\\n<|im_start|>assistant\\n
    | ```python\\nprint(17 * 23)\\n```
      <|im_end|>\\n<|im_start|>user\\nCode Execution Results:\\n391<|im_end|>\\n<|im_start|>assistant\\n
    | <<<391>>><|im_end|>

Read from top to bottom: model, cache, weights, chat format, rollout, evaluation, plumbing, command line.
sft.py and grpo.py import this file. It imports sandbox.py and tasks/, where the conversation as text is
(protocol.py), statistics (reports.py) and served models (endpoint.py). Letters for shapes: B rows, T tokens,
D width, H heads, K key-value heads, C cache capacity, V vocabulary, G group, N trained tokens.
"""
import os

# Before torch: threads that wait by spinning starve the sandbox's workers (a small product: 88 us -> 32 ms).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Rollout and update want device memory in other pieces: let the allocator grow and remap them.
os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")

import argparse
import functools
import inspect
import json
import math
import re
import shutil
from collections import Counter, deque
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from tqdm import tqdm

from sandbox import Sandbox, SandboxError, self_test
from tasks import LEVELS, Instance
from tasks.conversation import (MODES, SYSTEM_PROMPTS, TOOL_PREFIX, Protocol, Trajectory, add_protocol_flags,
                            cut_template, extract_answer, extract_code, find_code, keyed_bytes, protocol_of,
                            tool_text)
from tasks.questions import (draw_questions, grade, parse_tasks, read_bbh, read_json, read_jsonl,
                             read_questions)
from tasks.teacher import Endpoint, add_endpoint_flags, converse_all, converse_with, find_endpoint
from tasks.report import (BOLD, GREEN, GREY, check_tool_failures, make_report, modes_table, paint,
                           paint_trajectory, report_table, segments)


# ---- model: Qwen2 and Qwen3, under the parameter names of their Hugging Face checkpoints -------------------

@dataclass
class ModelConfig:
    """What the architecture needs of a Hugging Face config.json. The defaults are the tiny model's."""
    vocab_size: int
    model_type: str = "qwen2"
    hidden_size: int = 128
    intermediate_size: int = 384
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 0                  # 0: hidden_size / num_attention_heads
    attention_bias: bool = False       # of Qwen3; Qwen2 has biases on q, k and v, and only there
    max_position_embeddings: int = 2048
    rope_theta: float = 10_000.0
    rope_scaling: dict[str, Any] | None = None
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = True
    initializer_range: float = 0.02
    extra: dict[str, Any] = field(default_factory=dict)  # the rest of the file, kept for the next one

    def __post_init__(self) -> None:
        self.head_dim = self.head_dim or self.hidden_size // self.num_attention_heads


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        # In float32: the mean of squares of a bf16 row loses half of its few digits.
        y = x.float()
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * y.to(x.dtype)


def rope_tables(positions: Tensor, config: ModelConfig, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine of position * frequency: [..., T] -> 2 x [..., 1, T, head_dim] (1 for the heads)."""
    size, theta, scaling, scale = config.head_dim, config.rope_theta, config.rope_scaling, 1.0
    exponents = torch.arange(0, size, 2, device=positions.device, dtype=torch.float32) / size
    frequencies = 1.0 / theta ** exponents                        # [head_dim / 2]
    if scaling:
        # YaRN (arXiv 2309.00071, 3.2 to 3.4). Pairs that turn beta_fast times or more within the old context
        # keep their frequency, those that turn beta_slow times or less are slowed down by `factor`.
        factor, context = scaling["factor"], scaling["original_max_position_embeddings"]
        pair = lambda turns: size * math.log(context / (turns * 2 * math.pi)) / (2 * math.log(theta))
        low = max(math.floor(pair(scaling.get("beta_fast") or 32)), 0)
        high = min(math.ceil(pair(scaling.get("beta_slow") or 1)), size - 1)
        ramp = (torch.arange(size // 2, device=positions.device) - low) / max(high - low, 0.001)
        frequencies = frequencies * (1 - ramp.clamp(0, 1) * (1 - 1 / factor))
        scale = scaling.get("attention_factor") or 0.1 * math.log(factor) + 1
    angles = positions[..., None].float() * frequencies           # [..., T, head_dim / 2]
    angles = torch.cat((angles, angles), dim=-1).unsqueeze(-3)    # [..., 1, T, head_dim]
    return (angles.cos() * scale).to(dtype), (angles.sin() * scale).to(dtype)


def apply_rotary_emb(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate each pair (x[i], x[i + head_dim / 2]) by its angle; [B, heads, T, head_dim] -> the same."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        self.head_dim, width = config.head_dim, config.hidden_size
        q_width = config.num_attention_heads * config.head_dim
        kv_width = config.num_key_value_heads * config.head_dim
        qwen3 = config.model_type == "qwen3"
        bias = config.attention_bias or not qwen3
        self.q_proj = nn.Linear(width, q_width, bias=bias)
        self.k_proj = nn.Linear(width, kv_width, bias=bias)
        self.v_proj = nn.Linear(width, kv_width, bias=bias)
        self.o_proj = nn.Linear(q_width, width, bias=bias and qwen3)
        head_norm = lambda: RMSNorm(config.head_dim, config.rms_norm_eps) if qwen3 else nn.Identity()
        self.q_norm, self.k_norm = head_norm(), head_norm()

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], cache: "KVCache | None", layer: int) -> Tensor:
        B, T, _ = x.shape
        q, k, v = (proj(x).view(B, T, -1, self.head_dim) for proj in (self.q_proj, self.k_proj, self.v_proj))
        q, k, v = (y.transpose(1, 2) for y in (self.q_norm(q), self.k_norm(k), v))  # [B, H or K, T, head_dim]
        q, k = apply_rotary_emb(q, *rope), apply_rotary_emb(k, *rope)
        if cache is None:  # grouped queries: each key-value head serves H / K query heads
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=k.shape[1] != q.shape[1])
        else:
            y = cache.attend(layer, q, k, v)                                             # [B, H, T, head_dim]
        return self.o_proj(y.transpose(1, 2).reshape(B, T, -1))


class MLP(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))  # SwiGLU


class Block(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], cache: "KVCache | None", layer: int) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rope, cache, layer)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """All between token ids and the last hidden states; its own module only for the names "model.*"."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class CausalLM(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        if not config.tie_word_embeddings:  # tied (0.5B to 3B): the head is the embedding
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=self.config.initializer_range)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, ids: Tensor, cache: "KVCache | None" = None,
                head: Callable[[Tensor, Tensor], Any] | None = None) -> Any:
        """ids [B, T] -> logits [B, T, V]; or head(hidden [B, T, D], weight [V, D]), whatever that returns.

        Without a cache rows start at position 0, and padding belongs on the right: no causal row sees it.
        With one, `cache.select` has said which rows and positions these ids are. `head` runs in here because
        under FSDP the weights are whole only during forward.
        """
        x = self.model.embed_tokens(ids)                                                           # [B, T, D]
        everywhere = torch.arange(ids.shape[1], device=ids.device)
        rope = rope_tables(everywhere, self.config, x.dtype) if cache is None else cache.rope
        for i, block in enumerate(self.model.layers):
            x = block(x, rope, cache, i)
        x = self.model.norm(x)
        weight = self.model.embed_tokens.weight if self.config.tie_word_embeddings else self.lm_head.weight
        return F.linear(x, weight) if head is None else head(x, weight)


class TokenScores(NamedTuple):
    """What the model says of N trained tokens, row by row."""
    logps: Tensor      # [N] log-probability of each token
    entropies: Tensor  # [N] entropy of the distribution it was drawn from, without gradient
    hidden: Tensor     # [N, D] the hidden state that predicted it


def token_logps(model: nn.Module, ids: Tensor, loss_mask: Tensor, vocab_size: int,
                temperature: float = 1.0) -> TokenScores:
    """Score the trained tokens of right-padded ids [B, T]; N = loss_mask[:, 1:].sum().

    Position t predicts token t + 1, so a row's first token is never scored. Only trained positions reach the
    head: nothing that is masked enters a loss.
    """
    trained = loss_mask[:, 1:].bool()                                          # [B, T - 1]
    targets = ids[:, 1:][trained]                                              # [N]

    def score(hidden: Tensor, weight: Tensor) -> TokenScores:
        hidden = hidden[:, :-1][trained]                                       # [N, D]
        logps, entropies = [], []
        # Logits exist for a chunk of tokens at a time: the backward pass computes them again.
        for states, tokens in zip(hidden.split(LOGITS_CHUNK), targets.split(LOGITS_CHUNK)):
            scores = checkpoint(chunk_logps, states, weight, tokens, vocab_size, temperature,
                                use_reentrant=False)
            logps.append(scores[0])
            entropies.append(scores[1])
        return TokenScores(torch.cat(logps), torch.cat(entropies), hidden)

    return model(ids, head=score)


def chunk_logps(hidden: Tensor, weight: Tensor, targets: Tensor, vocab_size: int,
                temperature: float) -> tuple[Tensor, Tensor]:
    """hidden [n, D], weight [V, D], targets [n] -> log-probabilities and entropies [n] in float32."""
    logits = F.linear(hidden, weight).float().div_(temperature)                # [n, V]
    logits[:, vocab_size:] = -torch.inf   # these rows of the vocabulary have no token
    logps = F.log_softmax(logits, dim=-1)
    with torch.no_grad():
        entropies = torch.special.entr(logps.exp()).sum(-1)                    # sum of -p log p
    return logps.gather(-1, targets[:, None]).squeeze(-1), entropies


# ---- cache -------------------------------------------------------------------------------------------------

def varlen_kernel(device: torch.device, dtype: torch.dtype) -> Callable[..., Tensor] | None:
    """The CUDA kernel that reads rows at their true lengths, if there is one (torch 2.13; half precision)."""
    if device.type != "cuda" or dtype == torch.float32:
        return None
    from torch.nn.attention.varlen import varlen_attn
    return varlen_attn if "seqused_k" in inspect.signature(varlen_attn).parameters else None


class KVCache:
    """Keys and values of `slots` rows of at most `capacity` tokens, for one rollout: then the weights change.

    Rows that decode stand together in the first slots, so that a step reads plain slices and copies nothing.
    The last position of a slot is nobody's: what padding writes may go there.
    """

    def __init__(self, config: ModelConfig, slots: int, capacity: int, device: torch.device,
                 dtype: torch.dtype):
        layers, heads = config.num_hidden_layers, config.num_key_value_heads
        self.kv = torch.zeros(2, layers, slots, heads, capacity, config.head_dim, device=device, dtype=dtype)
        self.slots, self.capacity, self.varlen = slots, capacity, varlen_kernel(device, dtype)
        # Where each of them starts in the flat cache that `attend` writes to.
        self.starts = torch.arange(slots * heads + 1, device=device, dtype=torch.int32) * capacity
        everywhere = torch.arange(capacity, device=device)
        self.ropes = [table[0] for table in rope_tables(everywhere, config, dtype)]        # 2 x [C, head_dim]

    def select(self, slots: slice | Tensor, positions: Tensor, length: int) -> None:
        """The next forward writes `slots` at `positions` [B, T] and reads `length` tokens (0: new rows)."""
        self.rows, self.length, heads = slots, length, self.kv.shape[3]
        starts = self.starts[:-1].view(-1, heads, 1)[slots]                                        # [B, K, 1]
        self.places = (starts + positions[:, None]).flatten()                                    # [B * K * T]
        self.rope = [table[positions].unsqueeze(1) for table in self.ropes]          # 2 x [B, 1, T, head_dim]
        self.used = (positions[:, -1] + 1).int().repeat_interleave(heads)                            # [B * K]
        # A query sees the keys up to its own position, whatever older rows or padding left behind it.
        keys = torch.arange(length, device=positions.device)
        hidden = keys > positions[:, None, :, None]                                        # [B, 1, T, length]
        self.mask = torch.zeros_like(hidden, dtype=self.kv.dtype).masked_fill_(hidden, -torch.inf)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Store k and v [B, K, T, head_dim]; attention of q [B, H, T, head_dim] over all its row has seen."""
        flat = self.kv[:, layer].flatten(1, 3)                   # [2, slots * K * capacity, head_dim], a view
        for store, new in zip(flat, (k, v)):
            store.index_copy_(0, self.places, new.flatten(0, 2))
        B, H, T, head_dim = q.shape
        K = k.shape[1]
        if not self.length:
            return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=H != K)
        if T == 1 and self.varlen:  # each key-value head of each row is a sequence with H / K query heads
            q = q.reshape(B * K, H // K, head_dim)
            each = torch.arange(B * K + 1, device=q.device, dtype=torch.int32)
            y = self.varlen(q, *flat[:, :, None], each, self.starts[:B * K + 1], 1, self.capacity,
                            seqused_k=self.used, enable_gqa=H != K)
            return y.view(B, H, 1, head_dim)
        k, v = self.kv[0, layer, self.rows, :, :self.length], self.kv[1, layer, self.rows, :, :self.length]
        if T > 1:  # where there is a mask, CUDA's fast kernels know no groups
            k, v = k.repeat_interleave(H // K, dim=1), v.repeat_interleave(H // K, dim=1)
            return F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask)
        # By hand: for one query a row, two thirds of a CPU's time for scaled_dot_product_attention.
        scores = q.reshape(B, K, H // K, head_dim) * head_dim ** -0.5 @ k.transpose(2, 3) + self.mask
        return (scores.softmax(-1) @ v).view(B, H, 1, head_dim)

    def save(self, slot: int, length: int) -> Tensor:
        """A copy of the first `length` tokens of a slot."""
        return self.kv[:, :, slot, :, :length].clone()                      # [2, layers, K, length, head_dim]

    def load(self, slot: int, kv: Tensor) -> None:
        self.kv[:, :, slot, :, :kv.shape[3]] = kv

    def move(self, source: int, target: int, length: int) -> None:
        self.kv[:, :, target, :, :length] = self.kv[:, :, source, :, :length]


# ---- weights: Hugging Face directories in and out ----------------------------------------------------------

ARCHITECTURES = {"qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
SHARD_BYTES = 5 * 10 ** 9  # of one file


@functools.cache
def find_model(name: str | Path) -> Path:
    """The directory of a model: a local one, or else the hub's of that id ("owner/name"), downloaded once.

    Under torchrun every process asks: the hub's file locks let one of each machine download, the others wait.
    A name under runs/, or under any directory that exists, is nobody's on the hub.
    """
    path = Path(name)
    if path.is_dir():
        return path
    if not re.fullmatch(r"(?!runs/)[\w.-]+/[\w.-]+", str(name)) or Path(path.parts[0]).exists():
        raise SystemExit(f"{name} does not exist: run sft.py first, then grpo.py; --model takes a directory "
                         "or a hub id (Qwen/Qwen2.5-3B-Instruct)")
    from huggingface_hub import snapshot_download
    files = ["*.safetensors", "*.json", "*.jinja", "*.txt"]
    try:
        return Path(snapshot_download(str(name), allow_patterns=files))
    except Exception as error:  # a dozen types: unknown, gated, offline, disk full
        reason = str(error).strip().split("\n")[0]
        raise SystemExit(f"{name} is no directory, and the Hugging Face hub does not give it: {reason}")


def read_config(directory: Path) -> ModelConfig:
    """config.json, as transformers 4 or 5 writes it; what this code does not implement is refused by name."""
    path = directory / "config.json"
    raw = read_json(path)
    kind = raw.get("model_type") if isinstance(raw, dict) else None
    refuse = lambda what: SystemExit(f"{path}: {what} is not supported")
    if kind not in ARCHITECTURES:
        raise SystemExit(f"{path}: model_type {kind!r} is not supported, only 'qwen2' and 'qwen3' are")
    wanted = {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"}
    if missing := sorted(wanted - raw.keys()):
        raise SystemExit(f"{path} lacks {', '.join(missing)}")
    if raw.get("architectures") not in (None, [ARCHITECTURES[kind]]):
        raise refuse(f"architecture {', '.join(raw['architectures'])}")
    if raw.get("hidden_act", "silu") != "silu":
        raise refuse(f"hidden_act {raw['hidden_act']!r}")
    if raw.get("quantization_config"):
        raise refuse(f"quantization_config {raw['quantization_config'].get('quant_method', '')!r}")
    windows = raw.get("use_sliding_window") and raw.get("max_window_layers", 0) < raw["num_hidden_layers"]
    if windows or "sliding_attention" in (raw.get("layer_types") or []):
        raise refuse("use_sliding_window")
    rope = {**(raw.pop("rope_scaling", None) or {}), **(raw.pop("rope_parameters", None) or {})}
    raw["rope_theta"] = rope.pop("rope_theta", raw.get("rope_theta", 10_000.0))
    rope = {"rope_type": rope.pop("type", "default"), **rope}
    context, plain = raw.setdefault("max_position_embeddings", 32768), rope == {"rope_type": "default"}
    known = {"original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow"}
    if not plain and (rope["rope_type"] != "yarn" or rope.keys() - known != {"rope_type", "factor"}):
        raise refuse(f"rope scaling {rope}")
    raw["rope_scaling"] = None if plain else {"original_max_position_embeddings": context, **rope}
    raw["head_dim"] = raw.get("head_dim") or (128 if kind == "qwen3" else 0)
    raw["num_key_value_heads"] = raw.get("num_key_value_heads") or raw["num_attention_heads"]
    raw.setdefault("tie_word_embeddings", False)
    own = {key: raw.pop(key) for key in list(raw) if key in ModelConfig.__dataclass_fields__}
    return ModelConfig(**own, extra=raw)


def find_weights(directory: Path, config: ModelConfig) -> dict[str, list[str]]:
    """{file: names of its tensors}. Names and shapes are compared with config.json, and no weight is read."""
    from safetensors import SafetensorError, safe_open
    with torch.device("meta"):
        wanted = {key: list(p.shape) for key, p in CausalLM(config).named_parameters()}
    index, files = directory / "model.safetensors.index.json", {"model.safetensors"}
    if index.exists():
        raw = read_json(index)
        if not (isinstance(raw, dict) and isinstance(raw.get("weight_map"), dict) and raw["weight_map"]):
            raise SystemExit(f"{index} has no weight_map")
        files = set(raw["weight_map"].values())
    found, problems = {}, []
    for name in sorted(files):
        path = directory / name
        if not path.exists():
            raise SystemExit(f"{path} does not exist: the model's weights are incomplete")
        try:
            with safe_open(path, "pt") as file:
                # Some files of tied models hold the head: a second copy of the embedding.
                found[name] = [key for key in file.keys() if key != "lm_head.weight" or key in wanted]
                for key in found[name]:
                    view = file.get_slice(key)
                    if key not in wanted:
                        problems.append(f"{key} is unexpected")
                    elif view.get_shape() != wanted[key]:
                        problems.append(f"{key} has shape {view.get_shape()} instead of {wanted[key]}")
                    elif view.get_dtype() not in ("F64", "F32", "BF16", "F16"):
                        problems.append(f"{key} is quantised ({view.get_dtype()}), which is not supported")
        except SafetensorError as error:  # a truncated or corrupt file
            raise SystemExit(f"{path} cannot be read as safetensors: {error}")
    problems += [f"{key} is missing" for key in wanted.keys() - set(sum(found.values(), []))]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise SystemExit(f"{directory}: the weights do not fit config.json: "
                         f"{'; '.join(sorted(problems)[:3])}{more}")
    return found


@torch.no_grad()
def load_weights(model: CausalLM, source: str | Path) -> CausalLM:
    """Fill a model tensor by tensor: nothing is held twice. A sharded one (FSDP2) takes its rows of each."""
    from safetensors import safe_open
    from torch.distributed.tensor import DTensor, distribute_tensor
    directory, own = find_model(source), dict(model.named_parameters())
    for name, keys in find_weights(directory, model.config).items():
        with safe_open(directory / name, "pt") as file:
            for key in keys:
                p, tensor = own[key], file.get_tensor(key)
                if isinstance(p, DTensor):  # src_data_rank None: every rank takes its rows, nobody sends any
                    whole = distribute_tensor(tensor, p.device_mesh, p.placements, src_data_rank=None)
                    p, tensor = p.to_local(), whole.to_local()
                p.copy_(tensor)
    return model


def load_model(source: str | Path | ModelConfig, device: str | torch.device = "cpu",
               dtype: torch.dtype = torch.float32) -> CausalLM:
    """A model from a Hugging Face directory or hub id; or from a ModelConfig, with random weights.

    On the device "meta" it has shapes alone: shard it, give it memory by `to_empty`, then `load_weights`.
    """
    if isinstance(source, ModelConfig):
        model = CausalLM(source)
        model.init_weights()
        return model.to(device=device, dtype=dtype)
    with torch.device("meta"):
        model = CausalLM(read_config(find_model(source))).to(dtype)
    return model if str(device) == "meta" else load_weights(model.to_empty(device=device), source)


def load_tokenizer(source: str | Path) -> Any:
    """The tokenizer of a model as its tokenizer.json says, with generation_config.json as an attribute."""
    # Not AutoTokenizer: transformers 5 replaces the file's rules by those of a class that it thinks right.
    from transformers import PreTrainedTokenizerFast
    directory = find_model(source)
    path = directory / "tokenizer.json"
    if not path.exists():
        raise SystemExit(f"{path} does not exist: the model directory has no tokenizer")
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(directory)
    except Exception as error:  # tokenizers raises its own, untyped
        raise SystemExit(f"{path} cannot be read as a tokenizer: {error}")
    files = [directory / "config.json", directory / "generation_config.json"]
    raws, ends = [read_json(path) if path.exists() else {} for path in files], set()
    for end in (raw.get("eos_token_id") for raw in raws):
        ends |= set(end if isinstance(end, list) else [] if end is None else [end])
    tokenizer.generation_config = {**raws[1], "eos_token_id": sorted(ends)}
    return tokenizer


def check_model(source: str | Path) -> None:
    """Refuse a model that cannot be used before any long work: config, tokenizer, template, names, shapes."""
    directory = find_model(source)
    config, chat = read_config(directory), Chat(load_tokenizer(directory))
    if chat.vocab_size > config.vocab_size:
        raise SystemExit(f"{directory}: the tokenizer has {chat.vocab_size} tokens, the embedding only "
                         f"{config.vocab_size} rows")
    find_weights(directory, config)


def save_model(model: CausalLM, tokenizer: Any, directory: str | Path,
               tensors: dict[str, Tensor] | None = None) -> None:
    """Write a Hugging Face directory that transformers opens, with `tensors` in place of (sharded) weights.

    Files are written aside and then renamed. config.json goes first and comes back last: a directory that was
    cut off half-way has none and is refused when it is loaded.
    """
    from huggingface_hub import split_torch_state_dict_into_shards
    from safetensors.torch import save_file
    directory, part = Path(directory), Path(directory) / ".part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    write = lambda name, value: (part / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    tensors = model.state_dict() if tensors is None else tensors
    split = split_torch_state_dict_into_shards(tensors, max_shard_size=SHARD_BYTES)
    for name, keys in split.filename_to_tensors.items():
        whole = {key: tensors[key].detach().contiguous().cpu() for key in keys}
        save_file(whole, part / name, metadata={"format": "pt"})
    if split.is_sharded:
        write("model.safetensors.index.json",
              {"metadata": split.metadata, "weight_map": split.tensor_to_filename})
    tokenizer.save_pretrained(part)
    # The class name that transformers 4 and 5 both know for "what tokenizer.json says".
    write("tokenizer_config.json", {**read_json(part / "tokenizer_config.json"),
                                    "tokenizer_class": "PreTrainedTokenizerFast"})
    # Without do_sample some servers would answer greedily at any temperature.
    write("generation_config.json", {"do_sample": True, **getattr(tokenizer, "generation_config", {}),
                                     "eos_token_id": sorted(Chat(tokenizer).ends)})
    config = asdict(model.config)
    if config["model_type"] == "qwen2":
        del config["attention_bias"]  # a switch of Qwen3's
    dtype = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    write("config.json", {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "hidden_act": "silu",
                          **config.pop("extra"), **config,
                          "architectures": [ARCHITECTURES[config["model_type"]]],
                          "dtype": dtype, "torch_dtype": dtype})  # the names of transformers 5 and 4
    (directory / "config.json").unlink(missing_ok=True)
    for old in directory.glob("model*.safetensors*"):  # another number of shards
        old.unlink()
    for path in sorted(part.iterdir(), key=lambda path: path.name == "config.json"):
        os.replace(path, directory / path.name)
    part.rmdir()


# ---- chat format -------------------------------------------------------------------------------------------

class Chat:
    """A tokenizer with the fixed pieces of a conversation as token ids, cut out of its own chat template.

    Pieces are encoded apart and joined as ids, here and in the rollout: text that a model sampled is never
    encoded again, and no template can change what was written (some drop the thoughts of earlier turns).
    """

    def __init__(self, tokenizer: Any):
        vocabulary, added = tokenizer.get_vocab(), tokenizer.added_tokens_decoder
        self.tokenizer = tokenizer
        self.vocab_size = max(vocabulary.values()) + 1  # the model may have more rows: they are never sampled
        self.backticks = {i for token, i in vocabulary.items() if "`" in token}  # these can close a fence
        self.between = {roles: tokenizer.encode(piece, add_special_tokens=False)
                        for roles, piece in cut_template(tokenizer).items()}
        # What ends the model's turn is a token that it samples, so it is kept apart.
        self.end, *self.between["assistant", "user"] = self.between["assistant", "user"]
        if self.end not in added or not added[self.end].special:
            raise SystemExit(f"the chat template of the tokenizer {tokenizer.name_or_path} ends the "
                             "assistant's turn without a special token")
        ends = getattr(tokenizer, "generation_config", {}).get("eos_token_id", [])
        self.ends = {self.end, vocabulary.get("<|endoftext|>", self.end), *ends}  # any of them ends a turn
        # Marks such as <｜User｜>, which not every tokenizer counts as special: cut in two in any content.
        marks = {added[i].content for piece in self.between.values() for i in piece if i in added}
        marks = [re.escape(mark[1:]) for mark in sorted(marks) if mark[0] == "<" and mark[-1] == ">"]
        self.marks = re.compile(f"(?<=<)(?={'|'.join(marks)})" if marks else "(?!)")

    def encode(self, text: str) -> list[int]:
        """Content as ids. A "<|im_end|>" in a question or in a script's output stays plain text."""
        return [i for part in self.marks.split(text)
                for i in self.tokenizer.encode(part, add_special_tokens=False, split_special_tokens=True)]

    def decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def prompt(self, instance: Instance, mode: str) -> list[dict[str, str]]:
        return [{"role": "system", "content": SYSTEM_PROMPTS[mode][0]},
                {"role": "user", "content": instance.question}]

    def tool_reply(self, text: str) -> list[int]:
        """The environment's words between a code block and the model's next turn."""
        return [self.end, *self.between["assistant", "user"], *self.encode(TOOL_PREFIX + text),
                *self.between["user", "assistant"]]


def render_messages(chat: Chat, messages: list[dict[str, str]]) -> tuple[list[int], list[int]]:
    """A conversation as (ids, loss_mask), token for token what the rollout makes of it.

    Mask 1: what the model has to sample, that is the text of its turns and the end-of-turn token it stops
    with. After a code block the environment stops it: there that token has mask 0. A conversation whose last
    message is the user's is a prompt: it ends with the opening of the model's turn.
    """
    ids, loss_mask, before = [], [], None

    def add(piece: list[int], sampled: bool) -> None:
        ids.extend(piece)
        loss_mask.extend([int(sampled)] * len(piece))

    for message in messages:
        role, content = message["role"], message["content"]
        if (before, role) not in chat.between:
            place = f"follow the {before}" if before else "come first"
            raise ValueError(f"a message of the {role} cannot {place}")
        add(chat.between[before, role], False)
        add(chat.encode(content), role == "assistant")
        if role == "assistant":
            code = find_code(content)
            if code and code[1] < len(content):
                raise ValueError("text follows the closing fence of a code block, where the turn ends")
            add([chat.end], not code)
        before = role
    if before != "assistant":
        add(chat.between[before, "assistant"], False)
    return ids, loss_mask


# ---- rollout: tokens in, tokens out ------------------------------------------------------------------------

@dataclass
class Row:
    """A trajectory on its way. While it does not decode, `kv` is what the cache knew of it."""
    trajectory: Trajectory
    key: tuple
    noise: np.ndarray         # [max_tokens] uniform numbers, one for each position behind the prompt
    group: list["Row"]        # the rows of its question; the first one computes the prompt for all
    line: int = 0             # of the sampler's tables
    turn_start: int = 0
    stop: int = 0             # the length at which a budget ends the turn
    kv: Tensor | None = None  # [2, layers, K, tokens, head_dim]
    future: Future | None = None
    called: int = 0           # the step of its last call


LOGITS_CHUNK = 1024    # trained tokens whose logits exist at a time
PREFILL_TOKENS = 8192  # computed together, padding included
PATIENCE = 32          # decode steps that a script gets before the others wait for it


def power_of_two(n: int, most: int) -> int:
    """The next power of two, at most `most`: few different sizes, so few graphs."""
    return min(1 << (n - 1).bit_length(), most)


class Sampler:
    """Decodes up to `slots` rows together. What they sample stays on the device until a row has an event: a
    token that the host watches for, or the length at which it must stop.

    `state` holds for every slot the line of its row in the tables, its length, and the length at which it
    must stop. A step adds one to the lengths, so the host knows them without asking.
    """

    def __init__(self, model: CausalLM, vocab_size: int, rows: list[Row], slots: int, capacity: int,
                 temperature: float, watched: list[int]):
        device, dtype = model.model.embed_tokens.weight.device, model.model.embed_tokens.weight.dtype
        self.model, self.vocab_size, self.temperature, self.device = model, vocab_size, temperature, device
        self.cache = KVCache(model.config, slots, capacity, device, dtype)
        self.rows: list[Row] = []                                            # that decode, in the first slots
        noise = np.zeros((len(rows) + 1, capacity), np.float32)                 # the last line is for padding
        for line, row in enumerate(rows):
            row.line = line
            noise[line, row.trajectory.prompt_len:][:len(row.noise)] = row.noise
        self.noise = torch.from_numpy(noise).to(device)                                           # [R + 1, C]
        self.ids = torch.zeros(noise.shape, dtype=torch.long, device=device)
        self.logps = torch.zeros(noise.shape, device=device)
        self.watched = torch.zeros(model.config.vocab_size, dtype=torch.bool, device=device)             # [V]
        self.watched[watched] = True
        self.events = torch.zeros(slots, dtype=torch.bool, device=device)
        self.padding = np.array([len(rows), 1, capacity])                        # its line, length and stop
        self.host = np.tile(self.padding[:, None], slots)                      # what `state` is, for the host
        self.state = torch.tensor(self.host, device=device)                                       # [3, slots]
        self.graphs: dict[tuple[int, int], Any] = {}
        self.padded = device.type == "cuda"                               # a graph has a fixed number of rows
        self.pool = torch.cuda.graph_pool_handle() if self.padded else None

    def enter(self, rows: list[Row]) -> None:
        """Let rows decode: the text they do not know yet is computed together, a group's prompt once."""
        leaders = [row for row in rows if row.kv is None and row is row.group[0]]
        followers = [row for row in rows if row.kv is None and row is not row.group[0]]
        self._join([row for row in rows if row.kv is not None])
        self._join(leaders)
        for slot, row in enumerate(leaders, len(self.rows) - len(leaders)):
            kv = self.cache.save(slot, row.trajectory.prompt_len - 1) if len(row.group) > 1 else None
            for other in row.group[1:]:
                other.kv = kv
        self._join(followers)

    def _join(self, rows: list[Row]) -> None:
        """Take the next slots. A step feeds a row's last id, so all before it have to be in the cache."""
        start, pending = len(self.rows), []
        for slot, row in enumerate(rows, start):
            ids, known = row.trajectory.ids, 0 if row.kv is None else row.kv.shape[3]
            if known:
                self.cache.load(slot, row.kv)
            if known < len(ids) - 1:
                pending.append((slot, known, ids[known:-1]))
            row.kv = None
            self.host[:, slot] = row.line, len(ids), row.stop
        for batch in micro_batches([len(ids) for _, _, ids in pending], PREFILL_TOKENS, waste=1.0):
            self._prefill(*zip(*(pending[i] for i in batch)))
        self.rows += rows
        line, size, _ = torch.from_numpy(self.host[:, start:len(self.rows)]).to(self.device)
        newest = [row.trajectory.ids[-1] for row in rows]
        self.ids[line, size - 1] = torch.tensor(newest, device=self.device, dtype=torch.long)
        self.state.copy_(torch.from_numpy(self.host))

    def _prefill(self, slots: tuple[int, ...], known: tuple[int, ...],
                 pending: tuple[list[int], ...]) -> None:
        """Keys and values of ids that follow the first `known` ones; what padding writes is never seen."""
        ids = pad(pending, 0, self.device)                                                            # [B, T]
        offsets = torch.arange(ids.shape[1], device=self.device)
        positions = torch.tensor(known, device=self.device)[:, None] + offsets                        # [B, T]
        length = min(max(known) + ids.shape[1], self.cache.capacity) if any(known) else 0
        self.cache.select(torch.tensor(slots, device=self.device),
                          positions.clamp(max=self.cache.capacity - 1), length)
        self.model(ids, self.cache, head=lambda hidden, weight: None)

    def decode(self) -> list[tuple[int, Row]]:
        """One token for every row; the slots and rows with an event, up to date, the last first."""
        B = count = len(self.rows)
        length = int(self.host[1, :B].max())
        if self.padded:
            B, length = power_of_two(B, self.cache.slots), power_of_two(length, self.cache.capacity)
        if (B, length) in self.graphs:
            self.graphs[B, length].replay()
        else:
            self.step(B, length)  # the first time without a graph: it warms the kernels up
            if self.device.type == "cuda":
                self.graphs[B, length] = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self.graphs[B, length], pool=self.pool):  # records and runs nothing
                    self.step(B, length)
        self.host[1, :count] += 1
        events = self.events[:count].tolist()
        found = [(slot, self.rows[slot]) for slot in reversed(range(count)) if events[slot]]
        for slot, row in found:
            line, size, _ = self.host[:, slot]
            new = slice(len(row.trajectory.ids), size)
            row.trajectory.append(self.ids[line, new].tolist(), True, self.logps[line, new].tolist())
        return found

    def step(self, B: int, length: int) -> None:
        """Feed the last ids of the first B slots and choose the next. Only static tensors go in and out."""
        line, size, stop = self.state[:, :B]
        self.cache.select(slice(B), (size - 1)[:, None], length)
        logits = self.model(self.ids[line, size - 1][:, None], self.cache)[:, -1].float()             # [B, V]
        logits[:, self.vocab_size:] = -torch.inf
        tokens, logps = sample(logits, self.noise[line, size], self.temperature)                         # [B]
        self.ids[line, size], self.logps[line, size] = tokens, logps
        size.add_(1).clamp_(max=self.cache.capacity - 1)  # padding advances, too
        torch.logical_or(self.watched[tokens], size >= stop, out=self.events[:B])

    def leave(self, slot: int, keep: bool) -> None:
        """Take a row out, with its keys and values if it will come back; the last one gets its slot."""
        last = len(self.rows) - 1
        if keep:
            self.rows[slot].kv = self.cache.save(slot, self.host[1, slot] - 1)
        if slot != last:
            self.cache.move(last, slot, self.host[1, last] - 1)
        self.rows[slot], self.host[:, slot] = self.rows[last], self.host[:, last]
        self.rows.pop()
        self.host[:, last] = self.padding
        self.state.copy_(torch.from_numpy(self.host))


def sample(logits: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """logits [B, V], uniform noise [B] -> tokens [B], their log-probabilities [B]; temperature 0 is greedy.

    By inverting the distribution function: one number decides a token, so a row depends on no other row.
    """
    logps = F.log_softmax(logits / (temperature or 1), dim=-1)
    if temperature == 0:
        tokens = logits.argmax(-1)
    else:
        cumulative = logps.double().exp().cumsum(-1)                                                  # [B, V]
        # Below the total by a margin: a number rounded up to it would choose behind the last possible token.
        wanted = noise.double().clamp(max=1 - 1e-7)[:, None] * cumulative[:, -1:]
        tokens = torch.searchsorted(cumulative, wanted, right=True).squeeze(-1)
    return tokens, logps.gather(-1, tokens[:, None]).squeeze(-1)


@contextmanager
def explain_out_of_memory(mend: str) -> Iterator[None]:
    """Turn CUDA's own report into one sentence that says what to change."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise SystemExit(f"the device's memory is full: {mend}")


def make_rows(chat: Chat, instances: list[Instance], group_size: int, protocol: Protocol, key: tuple,
              context: int) -> list[list[Row]]:
    """A group of rows for every question, each with its prompt and noise that its key alone decides."""
    groups = []
    for instance in instances:
        messages = chat.prompt(instance, protocol.mode)
        prompt = render_messages(chat, messages)[0]
        if len(prompt) + protocol.max_tokens > context:
            raise SystemExit(f"the prompt of {instance.task} has {len(prompt)} tokens; with --max-tokens "
                             f"{protocol.max_tokens} it exceeds the model's context of {context}")
        group = []
        for g in range(group_size):
            row_key = (*key, instance.task, instance.level, instance.purpose, instance.seed, g)
            generator = np.random.Philox(key=int.from_bytes(keyed_bytes(*row_key)[:16], "big"))
            noise = np.random.Generator(generator).random(protocol.max_tokens, dtype=np.float32)
            t = Trajectory(instance, g, list(messages), [], [], [], len(prompt))
            t.append(prompt, sampled=False)
            group.append(Row(t, row_key, noise, group))
        groups.append(group)
    return groups


@contextmanager
def few_threads(model: CausalLM) -> Iterator[None]:
    """A small model decodes on one CPU thread: to share out its small products costs more than it saves, and
    the scripts get the other cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if model.config.hidden_size < 512 else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@explain_out_of_memory("lower --slots or --max-tokens")
@torch.no_grad()
def rollout(model: CausalLM, chat: Chat, sandbox: Sandbox, instances: list[Instance], group_size: int,
            protocol: Protocol, key: tuple, progress: tqdm | None = None,
            on_append: Callable[[str, bool], None] | None = None) -> list[list[Trajectory]]:
    """Hold `group_size` conversations about every question: a list of groups, in the order of the questions.

    A turn ends with the end-of-turn token or with the closing fence of its first Python block. Then the
    script runs in the sandbox while other rows go on decoding, and the row comes back with the output. `key`
    (seed and step) fixes all randomness. `on_append(text, sampled)` hears all text, for streaming.
    """
    limits = protocol
    max_calls = 0 if limits.mode == "text" else limits.max_calls  # words alone: a code block ends it all
    groups = make_rows(chat, instances, group_size, protocol, key, model.config.max_position_embeddings)
    rows = [row for group in groups for row in group]
    slots = min(limits.slots, len(rows))
    capacity = max((row.trajectory.prompt_len for row in rows), default=0) + limits.max_tokens + 1
    watched = range(chat.vocab_size) if on_append else chat.ends | chat.backticks
    sampler = Sampler(model, chat.vocab_size, rows, slots, capacity, limits.temperature, list(watched))
    fresh, calling, step = deque(rows), deque(), 0

    def start_turn(row: Row) -> None:
        row.turn_start = len(row.trajectory.ids)
        row.stop = min(row.turn_start + limits.max_turn_tokens, row.trajectory.prompt_len + limits.max_tokens)

    def finish(row: Row, reason: str) -> None:
        t = row.trajectory
        t.stop_reason = reason
        t.reward = float(t.answer is not None and grade(t.instance, t.answer))
        if progress is not None:
            progress.update()

    def end_turn(row: Row, end: int) -> str:
        """Close the turn that ends before index `end` of the ids; returns its text."""
        text = chat.decode(row.trajectory.ids[row.turn_start:end])
        row.trajectory.messages.append({"role": "assistant", "content": text})
        return text

    def after_token(row: Row) -> str | None:
        """What the newest token does to its row: nothing, a call of the sandbox, or an end."""
        t = row.trajectory
        token, size = t.ids[-1], len(t.ids)
        if token in chat.ends:
            t.answer = extract_answer(end_turn(row, size - 1))
            return "eos" if t.answer is None else "answer"
        if token in chat.backticks:
            code = extract_code(chat.decode(t.ids[row.turn_start:]))
            if code is not None:
                end_turn(row, size)
                if t.calls == max_calls:
                    return "calls"
                seed = int.from_bytes(keyed_bytes(*row.key, t.calls)[:4], "big")
                row.future, row.called = sandbox.submit(code, seed=seed), step
                return "call"
        if size >= row.stop:
            end_turn(row, size)
            return "budget"
        return None

    def read_result(row: Row) -> None:
        """Append what the row's script printed, or end the row."""
        t, result = row.trajectory, row.future.result()
        t.statuses.append(result.status)
        text = tool_text(result, limits.tool_chars)
        ids = chat.tool_reply(text)
        if result.status == "sandbox_error":  # ours, not the model's: such rows never enter a loss
            finish(row, "tool_failure")
        elif len(t.ids) + len(ids) - t.prompt_len >= limits.max_tokens:
            finish(row, "budget")
        else:
            t.append(ids, sampled=False)
            t.messages.append({"role": "user", "content": TOOL_PREFIX + text})
            start_turn(row)
            if on_append:
                on_append(chat.decode(ids), False)

    for row in rows:
        start_turn(row)
    with few_threads(model):
        while fresh or calling or sampler.rows:
            # 1. Let rows in: new ones, then those whose script has had PATIENCE steps, in the order of their
            #    calls. Entering costs as much as several steps, so they come together, half as many as run.
            #    All this depends on tokens alone, never on how fast a script ran: runs repeat. In flight are
            #    at most 4 rows a slot.
            running = len(sampler.rows)
            new = min(len(fresh), slots - running, 4 * slots - running - len(calling))
            back = sum(not running or step - row.called >= PATIENCE for row in calling)
            back = min(back, slots - running - new)
            if 2 * (new + back) >= running:
                returning = [calling.popleft() for _ in range(back)]
                for row in returning:
                    read_result(row)
                sampler.enter([row for row in returning if not row.trajectory.stop_reason]
                              + [fresh.popleft() for _ in range(new)])
                if not sampler.rows:
                    continue
            # 2. One token for every running row.
            events, step = sampler.decode(), step + 1
            # 3. Look at the rows with an event, last slot first: a leaving row is replaced by the last one.
            for slot, row in events:
                if on_append:
                    on_append(chat.decode(row.trajectory.ids[-1:]), True)
                event = after_token(row)
                if event:
                    sampler.leave(slot, keep=event == "call")
                    if event == "call":
                        calling.append(row)
                    else:
                        finish(row, event)
    return [[row.trajectory for row in group] for group in groups]


# ---- evaluation --------------------------------------------------------------------------------------------

def evaluate(model: CausalLM | Endpoint, chat: Chat | None, sandbox: Sandbox, instances: list[Instance],
             samples: int, protocol: Protocol, seed: int, title: str = "held-out questions") \
        -> tuple[dict[str, Any], list[list[Trajectory]]]:
    """A report on fixed questions; every rank answers its share. `title` and seed fix the noise.

    Questions that are too long for the model's context are left out, and the report counts them.
    """
    fitting, served = instances, isinstance(model, Endpoint)
    if not served:
        context = model.config.max_position_embeddings
        size = lambda instance: len(render_messages(chat, chat.prompt(instance, protocol.mode))[0])
        fitting = [instance for instance in instances if size(instance) + protocol.max_tokens <= context]
        if not fitting:
            raise SystemExit(f"no question fits into the model's context of {context} with --max-tokens "
                             f"{protocol.max_tokens}")
    too_long = Counter(i.task for i in instances) - Counter(i.task for i in fitting)
    rank, size = rank_and_size()
    mine = fitting[rank::size]
    with tqdm(total=len(mine) * samples, desc=title, unit="row", disable=rank > 0, leave=False) as bar:
        if served:
            jobs = [(i, s, protocol, SYSTEM_PROMPTS[protocol.mode][0]) for i in mine for s in range(samples)]
            rows = converse_all(model, sandbox, jobs, (seed, title), lambda t: bar.update())
            groups = [rows[i:i + samples] for i in range(0, len(rows), samples)]
        else:
            groups = rollout(model, chat, sandbox, mine, samples, protocol, (seed, title), bar)
    groups = merge_shares(groups, len(fitting))
    failures = check_tool_failures([t for group in groups for t in group])
    about = {"samples": samples, "mode": protocol.mode, "temperature": protocol.temperature,
             "tool_failures": failures, "too_long": dict(too_long)}
    return {**make_report(groups), **about}, groups


# ---- ranks --------------------------------------------------------------------------------------------------

def rank_and_size() -> tuple[int, int]:
    """The number of this process and how many there are: torchrun's, or else 0 of 1."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def gather(value: Any) -> list[Any]:
    """Everybody's value, on everybody."""
    values = [value] * rank_and_size()[1]
    if len(values) > 1:
        dist.all_gather_object(values, value)
    return values


def merge_shares(mine: list[Any], count: int) -> list[Any]:
    """What the ranks made of items[rank::size], all `count` of them in the order of the items."""
    parts = gather(mine)
    return [parts[i % len(parts)][i // len(parts)] for i in range(count)]


def find_device(device: str = "auto") -> torch.device:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda: no CUDA device is available; use --device cpu")
    if device not in ("cpu", "cuda"):
        raise SystemExit(f"--device {device}: one of auto, cpu, cuda")
    return torch.device("cpu") if device == "cpu" else torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))



def compute_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on CUDA; float32 on a CPU, where bfloat16 is slower by far."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def micro_batches(lengths: list[int], max_tokens: int, waste: float = 0.1) -> list[list[int]]:
    """Indices grouped by length, the longest rows first: what does not fit into memory shows at once.

    A group holds at most `max_tokens` with its padding (or one row), at most the share `waste` of it padding.
    """
    batches: list[list[int]] = []
    real_tokens = 0   # of the newest batch
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches:
            padded_tokens = lengths[batches[-1][0]] * (len(batches[-1]) + 1)
            enough = real_tokens + lengths[i] >= (1 - waste) * padded_tokens
            if padded_tokens <= max_tokens and enough:
                batches[-1].append(i)
                real_tokens += lengths[i]
                continue
        batches.append([i])
        real_tokens = lengths[i]
    return batches


def pad(rows: list[list], value: float, device: torch.device, dtype: torch.dtype = torch.long) -> Tensor:
    """Rows of different lengths as one tensor [B, T], padded on the right."""
    longest = max(map(len, rows))
    rows = [list(row) + [value] * (longest - len(row)) for row in rows]
    return torch.tensor(rows, dtype=dtype, device=device)


@contextmanager
def checked_sandbox(workers: int | None, timeout: float) -> Iterator[Sandbox]:
    """A sandbox that has passed its self-test; the processes of one machine share its cores."""
    if workers is None and hasattr(os, "sched_getaffinity"):
        workers = max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    try:
        with Sandbox(workers=workers, timeout=timeout) as sandbox:
            self_test(sandbox)
            yield sandbox
    except SandboxError as error:
        raise SystemExit(str(error))


class Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Adds a flag's default to its help, where it has one."""

    def _get_help_string(self, action: argparse.Action) -> str:
        plain = any(action.default is value for value in (None, False, argparse.SUPPRESS))
        return action.help if plain else super()._get_help_string(action)


def command_line(description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=description, formatter_class=Defaults)


# ---- command line ------------------------------------------------------------------------------------------

def pyplot() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise SystemExit("pictures need matplotlib: pip install matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    return plt


def draw_trajectory(parts: list[tuple[str, bool]], path: str, columns: int = 100) -> None:
    """A trajectory's segments as a picture, on a grid of monospaced cells."""
    plt, cells, row, column = pyplot(), [], 0, 0
    for text, sampled in parts:
        for character in text:
            if character == "\n" or column == columns:
                row, column = row + 1, 0
            if character != "\n":
                cells.append((column, row, character, "#116329" if sampled else "#8b949e"))
                column += 1
    figure = plt.figure(figsize=(0.085 * columns, 0.18 * (row + 2)))
    for column, at, character, colour in cells:
        figure.text((column + 0.5) / columns, 1 - (at + 1) / (row + 2), character, family="monospace",
                    fontsize=9, color=colour, ha="center", va="center",
                    fontweight="bold" if colour == "#116329" else "normal")
    figure.savefig(path, dpi=130)


def open_model(args: argparse.Namespace) -> tuple[CausalLM | Endpoint, Chat | None]:
    endpoint = find_endpoint(args.model, args.concurrency, args.request_timeout)
    device = find_device(args.device)
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
    if endpoint:
        return endpoint, None
    check_model(args.model)
    return (load_model(args.model, device, compute_dtype(device)).eval(),
            Chat(load_tokenizer(args.model)))


def command_ask(args: argparse.Namespace) -> None:
    model, chat = open_model(args)
    question = Instance("user/ask", 0, 0, "eval", args.question, {}, "")
    write = lambda text, sampled: print(paint(text, GREEN if sampled else GREY), end="", flush=True)
    print(paint(args.question, GREY))
    with checked_sandbox(1, args.code_timeout) as sandbox:
        if isinstance(model, Endpoint):
            t = converse_with(model, sandbox, question, 0, protocol_of(args), SYSTEM_PROMPTS[args.mode][0],
                              (args.seed,))
            for message in t.messages[2:]:
                write(message["content"] + "\n", message["role"] == "assistant")
        else:
            [[t]] = rollout(model, chat, sandbox, [question], 1, protocol_of(args), (args.seed, "ask"),
                            on_append=write)
    ended = {"eos": "the model stopped without an answer", "budget": "the token budget was used up",
             "calls": f"more than {args.max_calls} code calls", "tool_failure": "the sandbox failed"}
    print("\n" + paint(f"answer: {t.answer}" if t.answer is not None else ended[t.stop_reason], BOLD))


def command_eval(args: argparse.Namespace) -> None:
    if args.json and not Path(args.json).resolve().parent.is_dir():
        raise SystemExit(f"--json {args.json}: its directory does not exist")
    tasks = parse_tasks(args.tasks, args.level)
    model, chat = open_model(args)
    if args.questions or args.bbh:
        questions = read_questions(args.questions) if args.questions else read_bbh(args.bbh, args.n)
    else:
        questions = draw_questions(tasks, args.purpose, args.n, args.question_seed)
    with checked_sandbox(args.workers, args.code_timeout) as sandbox:
        modes = MODES if args.mode == "all" else [args.mode]
        found = {mode: evaluate(model, chat, sandbox, questions, args.samples, protocol_of(args, mode=mode),
                                args.seed) for mode in modes}
    if rank_and_size()[0] > 0:
        return
    reports = {mode: report for mode, (report, _) in found.items()}
    rows = [t for _, groups in found.values() for group in groups for t in group]
    report = {"modes": reports} if args.mode == "all" else reports[args.mode]
    print(modes_table(reports) if args.mode == "all" else report_table(report))
    if isinstance(model, Endpoint):
        print(f"tokens spent: {sum(t.prompt_tokens for t in rows):,} of prompts, "
              f"{sum(t.completion_tokens for t in rows):,} of completions")
    if args.json:
        report = {"flags": vars(args) | {"run": None}, **report}
        Path(args.json).write_text(json.dumps(report, indent=1) + "\n")
    if args.trajectories:
        with open(args.trajectories, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(t.to_json()) + "\n" for t in rows)


def command_show(args: argparse.Namespace) -> None:
    directory = Path(args.model or Path(args.file).parent)
    decode = Chat(load_tokenizer(directory)).decode if (directory / "tokenizer.json").exists() else None
    for i, (number, line) in enumerate(read_jsonl(args.file)):
        if not isinstance(line.get("messages"), list):
            raise SystemExit(f'{args.file}, line {number}: no "messages"')
        if args.first <= i < args.first + args.n:
            print(paint_trajectory(line, decode))
            if args.picture and i == args.first:
                draw_trajectory(segments(line, decode), args.picture)


def command_plot(args: argparse.Namespace) -> None:
    lines = [line for _, line in read_jsonl(Path(args.directory) / "metrics.jsonl") if "step" in line]
    plt = pyplot()
    keys = [key for key in ("reward", "val_accuracy", "code_rate", "entropy", "grad_norm")
            if any(key in line for line in lines)]
    figure, axes = plt.subplots(1, len(keys), figsize=(3.2 * len(keys), 2.6), squeeze=False)
    for axis, key in zip(axes[0], keys):
        axis.plot(*zip(*[(line["step"], line[key]) for line in lines if key in line]),
                  marker="o" if key == "val_accuracy" else None, linewidth=1.2)
        axis.set(title=key, xlabel="step")
        axis.grid(alpha=0.3)
    figure.tight_layout()
    out = args.out or str(Path(args.directory) / "curve.png")
    figure.savefig(out, dpi=120)
    print(f"wrote {out}")


def main() -> None:
    parser = command_line("Ask, evaluate and look at a model that reasons with code.")
    commands = parser.add_subparsers(required=True, metavar="ask | eval | show | plot")
    ask = commands.add_parser("ask", formatter_class=Defaults, help="hold one conversation and stream it")
    ask.add_argument("question", help="what to ask")
    ask.set_defaults(run=command_ask)
    eval_ = commands.add_parser("eval", formatter_class=Defaults, help="accuracy on questions, per task")
    add = eval_.add_argument
    add("--tasks", default="train",
        help="names, name@level, suites, train, test or all, with commas between; -name leaves out")
    add("--level", type=int, choices=LEVELS, default=1, help="of the questions")
    add("--n", type=int, default=50, help="questions per task")
    add("--samples", type=int, default=1, help="answers per question")
    add("--purpose", choices=("eval", "val", "sft"), default="eval", help="which questions")
    add("--question-seed", type=int, default=0, help="another set of questions")
    add("--questions", help="JSON lines of your own: question, answer")
    add("--bbh", metavar="DIR", help="your copy of the original BIG-Bench-Hard JSON files")
    add("--json", help="write the report there")
    add("--trajectories", help="write the conversations there, as JSON lines")
    add("--workers", type=int, default=None, help="sandbox processes; none: one a core")
    eval_.set_defaults(run=command_eval)
    for command, modes in ((ask, MODES), (eval_, (*MODES, "all"))):
        add = command.add_argument
        add("--model", required=True, help="a Hugging Face directory, hub id, or URL#name of a served model")
        add("--seed", type=int, default=0, help="of the sampling noise")
        add("--device", default="auto", help="auto, cpu or cuda")
        add_protocol_flags(command, temperature=0.6, modes=modes)
        add_endpoint_flags(command)
    show = commands.add_parser("show", formatter_class=Defaults, help="saved trajectories in colour")
    add = show.add_argument
    add("file", help="a trajectories.jsonl")
    add("--model", help="directory of the tokenizer (none: the file's directory)")
    add("--first", type=int, default=0, help="index of the first one")
    add("--n", type=int, default=5, help="how many")
    add("--picture", help="draw the first one into this file, too (needs matplotlib)")
    show.set_defaults(run=command_show)
    plot = commands.add_parser("plot", formatter_class=Defaults, help="draw a run's curves (by matplotlib)")
    plot.add_argument("directory", help="a run directory")
    plot.add_argument("--out", help="picture file (none: curve.png in the run directory)")
    plot.set_defaults(run=command_plot)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
