"""Run by test_scripts.py under torchrun, which starts slowly: all that needs two ranks.

    torchrun --nproc_per_node 2 tests/ranks.py OUT.pt FLAGS

saves the gradients of one supervised and four reinforcement learning steps and the refusals of bad flags,
then runs grpo.py with FLAGS.
"""
import contextlib
import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import grpo
import sft
import tiny
from grpo import (ADVANTAGES, Critic, Learner, choose_answers, reward_metrics, rollout_metrics,
                  update)
from sft import (Example, World, copy_weights, free_weights, weights_on_main, optimizer_step, sft_backward,
                 shard, start_world, whole_tensor)
from test_grpo import ALGORITHM, GROUPS, groups_of

WAYS = {"plain": {}, "checkpointing": dict(checkpointing=True), "offload": dict(offload=True),
        "HSDP": dict(replicas=2)}
STEPS = {
    "grpo": dict(kl_coef=0.1),
    "token": dict(norm="token", std=False),
    "reinforce": dict(advantage="reinforce++", mask_tool_output=False),
    "ppo": dict(advantage="ppo"),
}


class Capture(torch.optim.SGD):
    """Keeps the whole gradients of a sharded model; steps of size zero."""

    def __init__(self, model):
        super().__init__(model.parameters(), lr=0.0)
        self.model, self.gradients = model, []

    def step(self):
        self.gradients.append([whole_tensor(p.grad).clone() for p in self.model.parameters()])


def sft_step(model: torch.nn.Module, capture: Capture, world: World) -> dict[str, Any]:
    examples = [Example(t.ids, t.loss_mask) for group in groups_of(*GROUPS) for t in group]
    metrics = sft_backward(model, examples, world, tokenizer_size=tiny.chat().tokenizer_size, micro_tokens=60)
    return {**metrics, "grad_norm": optimizer_step(model, capture, lr=0.0, max_grad_norm=1e9)}


def grpo_step(name: str, model: torch.nn.Module, capture: Capture, world: World) -> dict[str, Any]:
    """One of STEPS on this rank's share of the groups."""
    algorithm = replace(ALGORITHM, micro_tokens=60, **STEPS[name])
    reference = tiny.model(seed=5) if algorithm.kl_coef else None
    critic = Critic(model.config.hidden_size, 0.1, world) if name == "ppo" else None
    learner = Learner(model=model, optimizer=capture, reference=reference, critic=critic,
                      algorithm=algorithm, tokenizer_size=tiny.chat().tokenizer_size, world=world)
    mine = groups_of(*GROUPS)[world.rank::world.size]
    rewards = [[t.right for t in group] for group in mine]
    advantages = ADVANTAGES[algorithm.advantage](rewards, algorithm.std, world)
    samples = choose_answers(mine, rewards, advantages, algorithm, world=world)
    metrics = update(learner, samples, 0.0)
    if critic:  # its first values were all 0
        metrics = update(learner, samples, 0.0)
    return {**metrics, **reward_metrics(rewards, world)}


def steps(world: World, **way: Any) -> dict[str, Any]:
    """What the steps report, their gradients, and whether the weights arrive whole."""
    model = shard(tiny.model(), world, **way)
    capture = Capture(model)
    outcome = {"sft": sft_step(model, capture, world)}
    for name in STEPS:
        outcome[name] = grpo_step(name, model, capture, world)
    outcome["rollout"] = rollout_metrics(groups_of(*GROUPS)[world.rank::world.size], world)
    for name, part in outcome.items():
        outcome[name] = {key: -1.0 if value is None else value for key, value in part.items()}
    sampler, weights, whole = tiny.model(seed=9), weights_on_main(model, world), tiny.model().state_dict()
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
    sft.start_world = lambda *wanted: world  # the commands below run in these processes, too
    outcomes = {name: steps(world, **way) for name, way in WAYS.items()}
    flags = ["--out", str(out.parent / "refused")]
    refusals = [refusal(world, *flags, "--batch-size", "3"), refusal(world, *flags, "--replicas", "3")]
    if world.main:
        torch.save((outcomes, refusals), out)
    sys.argv = training
    grpo.main()


if __name__ == "__main__":
    main()
