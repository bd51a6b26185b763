"""Small models, tokenizers and conversations that the tests make on the spot."""
import functools

import numpy as np
import torch
from torch import nn

import r1ci
import sft
from r1ci import Chat, ModelConfig, load_model
from sandbox import Sandbox
from tasks import TASKS, Instance

QUESTIONS = ["What is 12 + 34? Answer with one integer.", "Spell \"abc\" backward. Answer with the letters alone."] * 20


@functools.cache
def chat() -> Chat:
    return Chat(sft.tiny_tokenizer(QUESTIONS))


def config(**changes) -> ModelConfig:
    values = dict(vocab_size=chat().tokenizer_size, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                  num_attention_heads=4, num_key_value_heads=2, initializer_range=0.3)
    return ModelConfig(**{**values, **changes})


def model(seed: int = 0, **changes) -> r1ci.CausalLM:
    """A random model whose logits are far from uniform; biases and norms are random too."""
    torch.manual_seed(seed)
    made = load_model(config(**changes))
    for name, parameter in made.named_parameters():
        if name.endswith("bias") or "norm" in name:
            nn.init.normal_(parameter, mean=float("norm" in name), std=0.3)
    return made.eval()


def instance(question: str = "What is 12 + 34? Answer with one integer.", expect: str = "46", seed: int = 0) -> Instance:
    return Instance("user/test", seed, 0, "eval", question, {}, expect)


def task_instances(key: str, n: int, level: int = 1, purpose: str = "sft") -> list[Instance]:
    return [TASKS[key].generate(seed, level, purpose) for seed in range(n)]


def score(model, ids, loss_mask, vocab_size: int, temperature: float = 1.0) -> r1ci.TokenScores:
    """`token_logps` of the rows of two tensors [B, T]."""
    packed = r1ci.PackedRows(ids.tolist(), loss_mask.tolist(), ids.device)
    return r1ci.token_logps(model, packed, vocab_size, temperature)


class Script:
    """Stands in for `r1ci.sample`: makes the rollout choose given tokens, with the model's own log-probabilities.

    `turns[row]` lists the texts of a row's turns; the rows are told apart by the order in which they were admitted.
    """

    def __init__(self, monkeypatch, *rows: list[int]):
        self.rows, self.noise = [list(row) for row in rows], {}
        real = r1ci.Row.__init__

        def numbered(row, *args, **kwargs):  # a row's noise carries its number instead
            real(row, *args, **kwargs)
            row.noise = np.full_like(row.noise, len(self.noise) % len(self.rows))
            self.noise[len(self.noise)] = row

        monkeypatch.setattr(r1ci.Row, "__init__", numbered)
        monkeypatch.setattr(r1ci, "sample", self.sample)
        self.at = {}

    def sample(self, logits, noise, temperature):
        logps = torch.log_softmax(logits / (temperature or 1.0), dim=-1)
        tokens = []
        for number in noise.int().tolist():
            at = self.at.get(number, 0)
            tokens.append(self.rows[number][at])
            self.at[number] = at + 1
        tokens = torch.tensor(tokens)
        return tokens, logps.gather(-1, tokens[:, None]).squeeze(-1)


def turns(*texts: str, end: bool = True) -> list[int]:
    """The ids a model samples for these turns: each text, and the end-of-turn token after the last."""
    ids = [i for text in texts for i in chat().encode(text)]
    return ids + [chat().turn_end] * end


@functools.cache
def sandbox() -> Sandbox:
    """One sandbox for all tests of a process."""
    import atexit
    made = Sandbox(workers=1, timeout=3.0)
    atexit.register(made.close)
    return made
