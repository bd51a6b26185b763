"""Run by test_scripts.py under torchrun: the gradients of one supervised step and of some of reinforcement, on any number of ranks.

    torchrun --nproc_per_node N tests/ranks.py OUT
"""
import sys
from dataclasses import replace

import torch

import tiny
from grpo import Critic, learn, rollout_metrics
from r1ci import shard, start_world
from sft import sft_step
from test_grpo import ALGORITHM, GROUPS, groups_of


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
    for name, changes in dict(grpo=dict(kl_coef=0.1), token=dict(norm="token", zero_std="drop", ratio="sequence"),
                              reinforce=dict(advantage="reinforce++", mask_tool_output=False),
                              ppo=dict(advantage="ppo", value_coef=0.5, gae_lambda=0.9)).items():
        algorithm = replace(ALGORITHM, micro_tokens=60, **changes)
        critic = Critic(model.config.hidden_size, 0.1, 0.5, world.device) if name == "ppo" else None
        reference = tiny.model(seed=5) if algorithm.kl_coef else None
        for _ in range(2 if critic else 1):  # the critic's first values are all 0
            outcome[name] = learn(model, capture, tiny.model(), reference, critic, mine, algorithm, 0.0, world, vocab_size)
    outcome["rollout"] = rollout_metrics(mine, world)
    if world.main:
        torch.save(dict(outcome=outcome, gradients=capture.gradients), sys.argv[1])


if __name__ == "__main__":
    main()
