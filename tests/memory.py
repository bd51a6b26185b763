"""How much device memory a run needs, computed from shapes and settings; test_trainer.py checks it
against measured peaks.

Two moments need most, and `memory_needed` adds up what is there in each:

    rollout     weights | Adam |                         | sampler | cache | rows that wait
    update      weights | Adam | gradients | activations | sampler | working memory
"""
from dataclasses import dataclass

from r1ci import LOGITS_CHUNK, ModelConfig

GIB = 2 ** 30


@dataclass(frozen=True)
class Setting:
    """What decides about memory besides the shape. The defaults: an update on one CUDA device."""
    ranks: int = 1                # that share one model
    context: int = 4096           # tokens of the longest conversation, prompt included
    slots: int = 64
    micro_tokens: int = 8192
    checkpointing: bool = False
    offload: bool = False
    keep_sampler: bool = True
    reference: bool = False       # --kl-coef above 0
    chunk: int = LOGITS_CHUNK     # tokens whose logits exist at a time
    compute_bytes: int = 2        # of bfloat16; 4 on a CPU


def parameters(config: ModelConfig) -> tuple[int, int, int]:
    """Numbers of parameters: of a block, the embedding, the head (0: it is the embedding)."""
    width, mlp = config.hidden_size, config.intermediate_size
    q = config.num_attention_heads * config.head_dim
    kv = config.num_key_value_heads * config.head_dim
    # Query, key and value with their biases (Qwen2's); output; gate, up and down; two norms.
    attention = width * (q + 2 * kv) + (q + 2 * kv) + q * width
    block = attention + 3 * width * mlp + 2 * width
    embedding = config.vocab_size * width
    return block, embedding, 0 if config.tie_word_embeddings else embedding


def activations(config: ModelConfig, c: int) -> tuple[int, int, int]:
    """Bytes of a token, at c bytes a number, in a block.

    What it keeps for its backward pass, what its input takes, and what its backward pass adds.
    """
    width, mlp, heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    q, kv = heads * config.head_dim, config.num_key_value_heads * config.head_dim
    norm = 4 * width + 4 + 2 * c * width              # input in float32, 1 / rms, x / rms, output
    # Rotated q, k, v and output, laid out as rows; log-sum-exp; the output, packed.
    attention = c * (q + 2 * kv) + c * q + 4 * heads + c * q
    swiglu = 4 * c * mlp                              # gate, silu(gate), up, their product
    return 2 * norm + attention + swiglu, c * width, 3 * c * mlp


def memory_needed(config: ModelConfig, setting: Setting) -> dict[str, float]:
    """GiB on each device by part, and at the peaks of both phases, "rollout" and "update"."""
    s, c, layers = setting, setting.compute_bytes, config.num_hidden_layers
    block, embedding, head = parameters(config)
    total = layers * block + embedding + head + config.hidden_size
    kept, block_input, backward = activations(config, c)
    tokens = max(s.micro_tokens, s.context)   # a row longer than the budget is a batch of its own

    # Float32, shared out over the ranks: the weights, as much for gradients, twice for Adam.
    own = 0 if s.offload else 4 * total / s.ranks
    # Keys and values of full slots. Rows that wait for a script keep theirs outside of the cache:
    # taken as `slots` rows of half the context.
    token = 2 * c * layers * config.num_key_value_heads * config.head_dim
    cache = token * s.slots * s.context
    # In the compute type: embedding and head all the time, this block and the next.
    gathered = c * (embedding + head + 2 * block)
    # Whole gradients of the largest part, before and after they are cast for the reduction.
    reduced = (c + 4) * max(embedding + head, block)
    if c == 4 and s.ranks == 1 and not s.offload:   # the model is in one piece
        gathered, reduced = 0, 4 * max(embedding + head, block)   # a gradient before it is added
    # The logits of a chunk, or one block's backward pass (with checkpointing also what it computes
    # again): whichever is more.
    copies = 5 * 4 + (c if c < 4 else 0)
    logits = copies * min(s.chunk, tokens) * config.vocab_size
    block_again = tokens * (backward + (kept if s.checkpointing else 0))

    parts = {
        "weights": own, "gradients": own, "Adam": 2 * own,
        "sampler": c * total, "reference": c * total if s.reference else 0,
        "cache": cache, "waiting": cache / 2,
        "gathered": gathered, "reduced": reduced,
        "activations": tokens * layers * (block_input if s.checkpointing else kept),
        "working": max(logits, block_again),
    }
    in_rollout = ["weights", "Adam", "sampler", "reference", "cache", "waiting"]
    in_update = ["weights", "gradients", "Adam", "reference", "gathered", "reduced", "activations",
                 "working"]
    if s.keep_sampler:
        in_update.append("sampler")
    parts["rollout"] = sum(parts[name] for name in in_rollout)
    parts["update"] = sum(parts[name] for name in in_update)
    return {name: size / GIB for name, size in parts.items()}
