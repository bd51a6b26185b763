"""Run by test_scripts.py under torchrun, which starts slowly: all that needs two ranks.

    torchrun --nproc_per_node 2 tests/ranks.py OUT.pt FLAGS

saves the gradients of one supervised and one GRPO step and the refusals of bad flags, then runs grpo.py with FLAGS.
"""
import contextlib
import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import grpo
import r1ci
import sft
import tiny
from grpo import Critic, learn, rollout_metrics
from sft import World, copy_weights, free_weights, full_tensors, shard, start_world
from sft import sft_step
from test_grpo import ALGORITHM, GROUPS, groups_of

WAYS = {"plain": {}, "checkpointing": dict(checkpointing=True), "offload": dict(offload=True), "HSDP": dict(replicas=2)}


class Capture(torch.optim.SGD):
    """Keeps the whole gradients of a sharded model; steps of size zero."""

    def __init__(self, model):
        super().__init__(model.parameters(), lr=0.0)
        self.model, self.gradients = model, []

    def step(self):
        self.gradients.append([p.grad.full_tensor().clone() for p in self.model.parameters()])


def steps(world: World, **way: Any) -> dict[str, Any]:
    """What one supervised and one GRPO step report, their gradients, and whether the weights arrive whole."""
    vocab_size = tiny.chat().vocab_size
    model = shard(tiny.model(), world, **way)
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
    for part in outcome.values():
        part.pop("padding", None)  # each number of ranks cuts the rows in its own way
    sampler, weights, whole = tiny.model(seed=9), full_tensors(model, world), tiny.model().state_dict()
    free_weights(sampler)
    assert not sum(p.numel() for p in sampler.parameters())
    copy_weights(model, sampler, world)
    assert all(torch.equal(value, whole[key]) for key, value in sampler.state_dict().items())
    assert weights.keys() == (whole.keys() if world.main else set())
    assert all(torch.equal(value, whole[key]) for key, value in weights.items())
    return dict(outcome=outcome, gradients=capture.gradients)


def refusal(world: World, *args: str) -> list[str]:
    """The sentences with which all ranks refuse these flags of sft.py."""
    errors, sys.argv = io.StringIO(), ["sft.py", *args]
    try:
        with contextlib.redirect_stderr(errors):
            sft.main()
    except SystemExit as stopped:
        return world.gather(stopped.code if isinstance(stopped.code, str) else errors.getvalue())
    raise AssertionError("not refused")


def main() -> None:
    world, out, training = start_world("cpu"), Path(sys.argv[1]), ["grpo.py", *sys.argv[2:]]
    sft.start_world = lambda device: world  # the commands below run in these processes, too
    outcomes = {name: steps(world, **way) for name, way in WAYS.items()}
    flags = ["--out", str(out.parent / "refused")]
    refusals = [refusal(world, *flags, "--batch-size", "3"), refusal(world, *flags, "--replicas", "3"),
                refusal(world, *flags, "--lr", str(world.rank + 1))]
    if world.main:
        torch.save((outcomes, refusals), out)
    sys.argv = training
    grpo.main()


if __name__ == "__main__":
    main()
