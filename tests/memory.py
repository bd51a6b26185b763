"""How much device memory a run needs, computed from shapes and settings.

test_trainer.py checks it against measured peaks.
"""
from dataclasses import dataclass

from r1ci import ModelConfig

GIB = 2 ** 30


@dataclass(frozen=True)
class Setting:
    """What decides about memory besides the shape; by default, an update on one CUDA device."""
    ranks: int = 1                # that share one model
    context: int = 4096           # tokens of the longest conversation, prompt included
    slots: int = 64
    micro_tokens: int = 8192
    checkpointing: bool = False
    offload: bool = False
    keep_sampler: bool = True
    reference: bool = False       # --kl-coef above 0
    chunk: int = 1024             # of token_logps
    compute_bytes: int = 2        # of bfloat16; 4 on a CPU


def parameters(config: ModelConfig) -> tuple[int, int, int]:
    """Parameters of one block, of the embedding, and of a head that is not the embedding."""
    width = config.hidden_size
    q = config.num_attention_heads * config.head_dim
    kv = config.num_key_value_heads * config.head_dim
    attention = width * (q + 2 * kv) + q + 2 * kv + q * width   # q, k, v with their biases, and o
    block = attention + 3 * width * config.intermediate_size + 2 * width
    embedding = config.vocab_size * width
    return block, embedding, 0 if config.tie_word_embeddings else embedding


def activations(config: ModelConfig, c: int) -> tuple[int, int, int]:
    """Bytes a token: what a block keeps for its backward pass, its input, what that pass adds."""
    width, mlp = config.hidden_size, config.intermediate_size
    heads = config.num_attention_heads
    q, kv = heads * config.head_dim, config.num_key_value_heads * config.head_dim
    # The input in float32, 1 / rms, x / rms, the output.
    norm = 4 * width + 4 + 2 * c * width
    # q, k, v after the rotation, the output, log-sum-exp.
    attention = c * (q + 2 * kv) + c * q + 4 * heads
    swiglu = 4 * c * mlp                              # gate, silu(gate), up, their product
    return 2 * norm + attention + swiglu, c * width, 3 * c * mlp


def memory_needed(config: ModelConfig, setting: Setting) -> dict[str, float]:
    """GiB on each device by part, and the peaks of its two phases, "rollout" and "update"."""
    s = setting
    block, embedding, head = parameters(config)
    c, layers = s.compute_bytes, config.num_hidden_layers
    total = layers * block + embedding + head + config.hidden_size
    own = 0 if s.offload else 4 * total / s.ranks
    kept, its_input, backward = activations(config, c)
    tokens = max(s.micro_tokens, s.context)  # a row longer than the budget is a batch of its own
    logits = (5 * 4 + (c if c < 4 else 0)) * min(s.chunk, tokens) * config.vocab_size
    cache = 2 * c * layers * config.num_key_value_heads * config.head_dim * s.slots * s.context
    parts = {
        "weights": own, "gradients": own, "Adam": 2 * own,
        "sampler": c * total, "reference": c * total if s.reference else 0,
        "cache": cache,
        # Rows that wait for a script keep a copy outside the cache: say `slots` rows of half
        # the context.
        "waiting": cache / 2,
        # In the compute type: embedding and head all the time, this block and the next. What is
        # neither cast nor gathered is not copied.
        "gathered": 0 if c == 4 and s.ranks == 1 else c * (embedding + head + 2 * block),
        # Whole gradients of the largest part, before and after they are cast for the reduction.
        "reduced": (c + 4) * max(embedding + head, block),
        "activations": tokens * layers * (its_input if s.checkpointing else kept),
        # The logits of a chunk, or one block's backward pass: whichever is more.
        "working": max(logits, tokens * (backward + (kept if s.checkpointing else 0))),
    }
    update_parts = ["weights", "gradients", "Adam", "reference", "gathered", "reduced",
                    "activations", "working"]
    if s.keep_sampler:
        update_parts.append("sampler")
    rollout_parts = ["weights", "Adam", "sampler", "reference", "cache", "waiting"]
    needed = {**parts, "update": sum(parts[key] for key in update_parts),
              "rollout": sum(parts[key] for key in rollout_parts)}
    return {key: value / GIB for key, value in needed.items()}
