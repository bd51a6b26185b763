"""How much device memory a run needs, computed from shapes and settings; test_trainer.py checks it against measured peaks."""
from dataclasses import dataclass

from r1ci import ModelConfig

GIB = 2 ** 30


@dataclass(frozen=True)
class Setting:
    """What decides about memory besides the shape. The defaults are those of an update on one CUDA device."""
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
    """Numbers of parameters: of one block, of the embedding, and of the head where it is not the embedding."""
    width, q, kv = config.hidden_size, config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim
    block = width * (q + 2 * kv) + q + 2 * kv + q * width + 3 * width * config.intermediate_size + 2 * width
    embedding = config.vocab_size * width
    return block, embedding, 0 if config.tie_word_embeddings else embedding


def activations(config: ModelConfig, c: int) -> tuple[int, int, int]:
    """Bytes a token that a block keeps for its backward pass, that its input takes, and that its backward pass adds."""
    width, mlp, heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    q, kv = heads * config.head_dim, config.num_key_value_heads * config.head_dim
    norm = 4 * width + 4 + 2 * c * width              # the input in float32, 1 / rms, x / rms, the output
    attention = c * (q + 2 * kv) + c * q + 4 * heads  # q, k, v after the rotation, output, log-sum-exp
    swiglu = 4 * c * mlp                              # gate, silu(gate), up, their product
    return 2 * norm + attention + swiglu, c * width, 3 * c * mlp


def memory_needed(config: ModelConfig, setting: Setting) -> dict[str, float]:
    """GiB on each device by part, and the peaks of its two phases, "rollout" and "update"."""
    s, (block, embedding, head) = setting, parameters(config)
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
        # Rows that wait for a script keep a copy outside the cache: taken as `slots` rows of half the context.
        "waiting": cache / 2,
        # In the compute type: embedding and head all the time, this block and the next. Not copied where it is not cast.
        "gathered": 0 if c == 4 and s.ranks == 1 else c * (embedding + head + 2 * block),
        # Whole gradients of the largest part, before and after they are cast for the reduction.
        "reduced": (c + 4) * max(embedding + head, block),
        "activations": tokens * layers * (its_input if s.checkpointing else kept),
        # The logits of a chunk, or one block's backward pass: whichever is more.
        "working": max(logits, tokens * (backward + (kept if s.checkpointing else 0))),
    }
    update = sum(parts[key] for key in ("weights", "gradients", "Adam", "reference", "gathered", "reduced", "activations",
                                        "working")) + parts["sampler"] * s.keep_sampler
    rollout = sum(parts[key] for key in ("weights", "Adam", "sampler", "reference", "cache", "waiting"))
    return {key: value / GIB for key, value in {**parts, "update": update, "rollout": rollout}.items()}
