"""The shapes of the Qwen2.5 family and of the tiny model, for benchmarks with random weights."""
import dataclasses
from typing import Any

from r1ci import ModelConfig

# width, width of the MLP, layers, heads, key-value heads, rows of the vocabulary, whether the head is tied
SHAPES = {
    "tiny": (128, 384, 2, 4, 2, 512, True),
    "0.5B": (896, 4864, 24, 14, 2, 151_936, True),
    "1.5B": (1536, 8960, 28, 12, 2, 151_936, True),
    "3B": (2048, 11_008, 36, 16, 2, 151_936, True),
    "7B": (3584, 18_944, 28, 28, 4, 152_064, False),
    "14B": (5120, 13_824, 48, 40, 8, 152_064, False),
}


def shape(size: str) -> ModelConfig:
    width, mlp, layers, heads, kv_heads, vocab, tied = SHAPES[size]
    return ModelConfig(vocab_size=vocab, hidden_size=width, intermediate_size=mlp, num_hidden_layers=layers,
                       num_attention_heads=heads, num_key_value_heads=kv_heads, tie_word_embeddings=tied,
                       max_position_embeddings=32_768, rope_theta=100.0 if size == "tiny" else 1e6)


def in_transformers(config: ModelConfig) -> Any:
    """transformers' model of the same shape, with random weights."""
    from transformers import AutoConfig, AutoModelForCausalLM
    values = dataclasses.asdict(config)
    kind = values.pop("model_type")
    rope = {"rope_type": "default", "rope_theta": values.pop("rope_theta")}
    known = vars(AutoConfig.for_model(kind))
    shared = {key: value for key, value in values.items() if key in known}
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shared, rope_parameters=rope))
