"""Run by test_scripts.py under torchrun: the gradients of one supervised and one GRPO step, on any number of ranks.

    torchrun --nproc_per_node N tests/ranks.py OUT
"""
import sys

import torch

import tiny
from grpo import choose_rows, rollout_metrics, update
from r1ci import shard, start_world
from sft import sft_step
from test_grpo import GROUPS, SETTINGS, groups_of


class Capture(torch.optim.SGD):
    """Keeps the whole gradients of a sharded model; steps of size zero."""

    def __init__(self, model):
        super().__init__(model.parameters(), lr=0.0)
        self.model, self.gradients = model, []

    def step(self):
        self.gradients.append([p.grad.full_tensor().clone() for p in self.model.parameters()])


def main() -> None:
    world = start_world("cpu")
    vocab_size = tiny.chat().vocab_size
    model = shard(tiny.model(), world)
    groups = groups_of(*GROUPS)
    capture = Capture(model)
    rows = [(t.ids, t.loss_mask) for group in groups for t in group]
    outcome = dict(sft=sft_step(model, capture, rows, world, vocab_size, 60, 0.0, 1e9))
    mine = groups[world.rank::world.size]
    chosen, advantages, counts = choose_rows(mine, True, False)
    totals = dict(zip(counts, world.sum(*counts.values())))
    outcome["grpo"] = update(model, capture, chosen, advantages, (totals["rows"], totals["tokens"]), tiny.model(seed=5), world,
                             vocab_size, **{**SETTINGS, "kl_coef": 0.1, "micro_tokens": 60})
    outcome["rollout"] = rollout_metrics(mine, world)
    if world.main:
        torch.save(dict(outcome=outcome, gradients=capture.gradients), sys.argv[1])


if __name__ == "__main__":
    main()
