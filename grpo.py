"""grpo.py -- reinforcement learning on questions whose answers can be checked, with code that really runs.

    python grpo.py                                                     the tiny model of runs/sft, on a CPU
    torchrun --nproc_per_node 8 grpo.py --model DIR --preset paper     a fine-tuned model on eight GPUs

1. Measure how often the model solves each training question: p. Its improvement potential is 4 p (1 - p): what is
   always or never solved has nothing to teach, since all answers of its group get the same reward.
2. Curriculum: sort by potential, cut into groups, train on the best group first, then on the two best, ...
3. Roll out: G conversations per question, scripts running in the sandbox between the turns.
4. Reward: 1 if the task's verifier accepts the answer, else 0; a second version adds the paper's small terms.
5. Advantage: the reward less its group's mean, over its standard deviation (GRPO); or RLOO's, REINFORCE++'s, PPO's.
6. Update: the clipped policy gradient on the tokens the model sampled. What the sandbox wrote is not in the loss.
7. Validate now and then, keep the best, and measure it on held-out questions that nothing else has seen.
"""
import argparse
import json
import math
import random
import shutil
import textwrap
import time
from collections import defaultdict
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Callable

from r1ci import Chat, check_model, checked_sandbox, command_line, compute_dtype, evaluate, load_model, load_tokenizer, merge_shares, micro_batches, pad, rollout, save_model, token_logps
from sft import Interrupt, RunDir, World, add_run_flags, add_training_flags, copy_weights, free_weights, load_sharded, make_batches, make_optimizer, memory_gb, optimizer_step, start_training
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from sandbox import Sandbox
from tasks import LEVELS, Instance
from tasks.conversation import (MODES, Protocol, Trajectory, add_protocol_flags, extract_answer, extract_code,
                            protocol_of)
from tasks.questions import TINY_TASKS, draw_questions, parse_tasks, read_pass_rates
from tasks.report import BEHAVIOURS, check_tool_failures, paint_trajectory, report_table

Groups = list[list[Trajectory]]   # the answers to one question are a group
Numbers = list[list[float]]       # one for each of them

# What --preset changes of the flags' defaults, which are the tiny model's. Each flag can still be given.
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {},
    "paper": dict(  # arXiv 2505.21668 v2; "ours": the paper does not tell
        tasks="train", level=3, per_task=100,                            # its 107 tasks; level and number are ours
        agents="text,code,ci,guided", potential_samples=5, potential_temperatures="0.6,0.8,1.0",  # temperatures: ours
        order="potential", stages=4, merge=True, steps_per_stage=150, reward="v2",
        advantage="grpo", std=True, norm="sequence", mask_tool_output=True, kl_coef=0.001,
        clip_low=0.2, clip_high=0.2, updates=1,                          # ours: its ancestors' values
        batch_size=128, group_size=5, lr=1e-6, warmup=10,                # warm-up: ours
        temperature=1.0, eval_temperature=0.6, max_calls=8, code_timeout=60.0,
        max_turn_tokens=2048, max_tokens=8192, tool_chars=4000, micro_tokens=16384, eval_every=50),  # ours
    "steady": dict(  # ours: what others found to keep multi-turn runs from collapsing
        clip_high=0.28, kl_coef=0.001, norm="token", zero_std="drop", drop_truncated=True, drop_void=True,
        importance_cap=2.0),
}


def flag(default: Any, text: str, *choices: str) -> Any:
    """A field of Algorithm that is a flag of the command line, with its help."""
    return field(default=default, metadata=dict(help=text, choices=choices or None))


@dataclass(frozen=True)
class Algorithm:
    """The choices that make the algorithm, each a flag. What exactly one means says the function that reads it."""
    reward: str = flag("v1", "right or wrong alone; or with the paper's terms for format and turns", "v1", "v2")
    overlong_tokens: int = flag(0, "band below --max-tokens in which the reward falls by up to 1; 0: off")
    advantage: str = flag("grpo", "what a reward is compared with", "grpo", "rloo", "reinforce++", "ppo")
    std: bool = flag(True, "divide advantages by their standard deviation, in the group or the batch (not in rloo)")
    gae_lambda: float = flag(1.0, "of PPO's advantage estimates")
    value_lr: float = flag(1e-3, "learning rate of PPO's value head")
    value_coef: float = flag(0.0, "share of the value loss's gradient that enters the policy's layers")
    norm: str = flag("sequence", "what the loss is a mean over (paper: sequence)", "sequence", "token", "constant")
    ratio: str = flag("token", "probability ratio of a token, or of its whole row (GSPO)", "token", "sequence")
    clip_low: float = flag(0.2, "ratio may fall by")
    clip_high: float = flag(0.2, "ratio may rise by")
    kl_coef: float = flag(0.0, "weight of the KL to the first model")
    importance_cap: float = flag(0.0, "weigh tokens by trainer's over sampler's probability, at most this; 0: off")
    mask_tool_output: bool = flag(True, "keep what the sandbox wrote out of the loss")
    zero_std: str = flag("keep", "what happens to groups with equal rewards", "keep", "drop", "resample")
    drop_truncated: bool = flag(False, "keep rows cut off by a budget out of the loss")
    drop_void: bool = flag(False, "keep rows with a turn that has neither code nor answer out of the loss")
    updates: int = flag(1, "optimiser steps per rollout")
    max_tokens: int = 384        # these have their flags elsewhere
    temperature: float = 1.0
    micro_tokens: int = 1024
    clip: float = 1.0


# ---- 1. improvement potential ----------------------------------------------------------------------------------------

def potential(pass_rate: float) -> float:
    """Improvement potential 4 p (1 - p) of a question solved with probability p (paper, multi-stage curriculum)."""
    return 4 * pass_rate * (1 - pass_rate)


ORDERS: dict[str, Callable[[float], float]] = {  # --order: what comes first has the highest value
    "potential": potential,
    # Ours: highest (1) at p = 1/3. Under 4p(1-p) p = .1 and p = .9 count alike; here the first counts nine times more.
    "asymmetric": lambda p: 27 / 4 * p * (1 - p) ** 2,
    "difficulty": lambda p: p,  # from easy to hard
    "none": lambda p: 0.0,
}


def measure_pass_rates(model: nn.Module, chat: Chat, sandbox: Sandbox, questions: list[Instance], agents: list[str],
                       samples: int, temperatures: list[float], protocol: Protocol, key: tuple, world: World) \
        -> list[dict[str, Any]]:
    """Lines of pass_rates.jsonl; the `samples` answers of every agent (a mode) share the temperatures."""
    mine = questions[world.rank::world.size]
    right = [dict.fromkeys(agents, 0.0) for _ in mine]
    with tqdm(total=len(mine) * len(agents) * samples, desc="improvement potential", unit="row",
              disable=not world.main, leave=False) as progress:
        for mode in agents:
            for i, temperature in enumerate(temperatures[:samples]):
                its = replace(protocol, mode=mode, temperature=temperature)
                n = len(range(i, samples, len(temperatures)))
                groups = rollout(model, chat, sandbox, mine, n, its, (*key, mode, temperature), progress)
                check_tool_failures([t for group in groups for t in group], world.sum)
                for rates, group in zip(right, groups):
                    rates[mode] += sum(t.reward for t in group) / samples
    found = merge_shares(right, len(questions))
    return [dict(task=q.task, level=q.level, seed=q.seed, samples=samples * len(agents),
                 pass_rate=(p := sum(each.values()) / len(agents)), potential=potential(p), agents=each)
            for q, each in zip(questions, found)]


# ---- 2. curriculum ---------------------------------------------------------------------------------------------------

class Curriculum:
    """Which questions each step trains on. It has no state: a batch follows from pass rates, seed and step."""

    def __init__(self, pass_rates: list[float], order: str, stages: int, thresholds: list[float], merge: bool,
                 steps_per_stage: int, seed: int):
        value = [ORDERS[order](p) for p in pass_rates]
        ranked = sorted(range(len(value)), key=lambda i: (-value[i], i))  # best first
        stages = 1 if order == "none" else stages
        cuts = [sum(v >= t for v in value) for t in thresholds] or \
            [round(len(ranked) * k / stages) for k in range(1, stages)]
        bounds = [0, *cuts, len(ranked)]
        self.groups = [ranked[a:b] for a, b in zip(bounds, bounds[1:])]
        if [] in self.groups:
            raise SystemExit(f"stage {self.groups.index([]) + 1} of the curriculum has no question: choose "
                             + ("other --thresholds" if thresholds else "fewer --stages or more questions"))
        self.pools = [ranked[:b] for b in bounds[1:]] if merge else self.groups  # merged: its group and all better ones
        self.steps_per_stage, self.seed = steps_per_stage, seed

    def stage(self, step: int) -> int:
        """The stage of a step; both count from 1."""
        return min((step - 1) // self.steps_per_stage, len(self.pools) - 1) + 1

    def batch(self, step: int, size: int) -> list[int]:
        """Indices of the questions of a step: each stage goes through its pool in a new random order every time."""
        stage = self.stage(step)
        pool = self.pools[stage - 1]
        first = (step - 1 - (stage - 1) * self.steps_per_stage) * size
        indices = []
        for position in range(first, first + size):
            lap, at = divmod(position, len(pool))
            indices.append(random.Random(f"lap/{self.seed}/{stage}/{lap}").sample(pool, len(pool))[at])
        return indices

    def more(self, step: int, n: int, used: set[int]) -> list[int]:
        """Up to n further questions of the step's pool, none of them used."""
        left = [i for i in self.pools[self.stage(step) - 1] if i not in used]
        return random.Random(f"more/{self.seed}/{step}/{len(used)}").sample(left, min(n, len(left)))


# ---- 3. rollout ------------------------------------------------------------------------------------------------------

def roll_out(roll: Callable[[list[int], tuple], Groups], curriculum: Curriculum, step: int, size: int, rounds: int,
             informative: Callable[[list[Trajectory]], bool], world: World) -> tuple[Groups, int]:
    """This rank's groups of a step, and how many questions all ranks have added to replace uninformative ones.

    Dynamic sampling (DAPO, equation 11), at most `rounds` times; `roll(questions, key)` holds the conversations.
    """
    wanted = curriculum.batch(step, size)
    groups, used, added, missing = [], set(wanted), 0, size
    for attempt in range(1 + rounds):
        fresh = roll(wanted[world.rank::world.size], (step, "again", attempt) if attempt else (step,))
        groups += fresh
        missing -= int(world.sum(sum(map(informative, fresh)))[0])
        wanted = curriculum.more(step, missing, used) if attempt < rounds else []
        if not wanted:
            break
        used.update(wanted)
        added += len(wanted)
    return groups, added


# ---- 4. rewards ------------------------------------------------------------------------------------------------------

def reward_of(t: Trajectory, algorithm: Algorithm) -> float:
    """What a row earns in training; `t.reward` itself is 1 for a right answer, else 0, and stays that.

    v2, the paper's, adds +0.1 or -0.1 for the format and -0.1 for more than six turns. The format is right if every
    reply before the one that answers is one Python block behind some words or none, without an answer beside it (rule
    ours). So a row that stops without an answer or a program has a wrong one.
    """
    reward = t.reward + overlong_penalty(t, algorithm.max_tokens, algorithm.overlong_tokens)
    if algorithm.reward == "v1":
        return reward
    before = replies(t) if t.answer is None else replies(t)[:-1]
    well_formed = all(extract_code(text) is not None and extract_answer(text) is None and text.count("```") == 2
                      for text in before)
    return reward + (0.1 if well_formed else -0.1) - 0.1 * (len(replies(t)) > 6)


def replies(t: Trajectory) -> list[str]:
    return [m["content"] for m in t.messages if m["role"] == "assistant"]


def overlong_penalty(t: Trajectory, max_tokens: int, band: int) -> float:
    """DAPO's soft penalty for length (equation 13): 0 below max_tokens - band, falling to -1; -1 for a row cut off."""
    over = 0.0 if not band else (len(t.ids) - t.prompt_len - max_tokens) / band + 1
    return -1.0 if band and t.stop_reason == "budget" else -min(max(over, 0.0), 1.0)


def is_void(t: Trajectory) -> bool:
    """Whether some turn of the model holds neither a whole program nor an answer (SimpleTIR's filter)."""
    return any(extract_code(text) is None and extract_answer(text) is None for text in replies(t))


# ---- 5. advantages ---------------------------------------------------------------------------------------------------

def has_variance(rewards: list[float]) -> bool:
    return max(rewards, default=0.0) - min(rewards, default=0.0) > 1e-6


def group_advantages(rewards: list[float], kind: str, divide_by_std: bool) -> list[float]:
    """Advantages of the answers to one question, from their rewards. All zero if the rewards are equal.

    "grpo": (r - mean) / std with the population's std (DeepSeekMath, section 4.1.2); undivided, Dr. GRPO's.
    "rloo": r - mean of the others' rewards (Ahmadian et al. 2024, equation 7), which is G / (G - 1) * (r - mean).
    """
    if not has_variance(rewards):
        return [0.0] * len(rewards)
    size, mean = len(rewards), sum(rewards) / len(rewards)
    if kind == "rloo":
        return [size / (size - 1) * (r - mean) for r in rewards]
    std = (sum((r - mean) ** 2 for r in rewards) / size) ** 0.5
    return [(r - mean) / (std if divide_by_std else 1.0) for r in rewards]


def advantages_of(rewards: Numbers, kind: str, divide_by_std: bool, world: World) -> Numbers:
    """A number for every row of every group: its advantage; for PPO, whose critic makes it one a token, its reward."""
    if kind == "ppo":
        return rewards
    if kind == "reinforce++":
        return whiten(rewards, divide_by_std, world)
    return [group_advantages(group, kind, divide_by_std) for group in rewards]


def whiten(values: Numbers, divide_by_std: bool, world: World) -> Numbers:
    """(v - mean) / std over the numbers of all lists and ranks: REINFORCE++ (Hu 2025) on rewards, PPO on estimates."""
    count, total = world.sum(sum(map(len, values)), sum(map(sum, values)))
    centred = [[v - total / max(count, 1) for v in part] for part in values]
    std = (world.sum(sum(c * c for part in centred for c in part))[0] / max(count, 1)) ** 0.5
    scale = 0.0 if std < 1e-6 else 1 / std if divide_by_std else 1.0
    return [[c * scale for c in part] for part in centred]


def gae(values: list[float], reward: float, lam: float) -> list[float]:
    """Generalised advantage estimates of a row's tokens (Schulman et al. 2016, equation 16), gamma = 1.

    `values` [n] stand before each token; the reward comes after the last one, where it takes the next value's place.
    """
    advantages, running = [], 0.0
    for value, following in zip(reversed(values), [reward, *reversed(values[1:])]):
        running = following - value + lam * running
        advantages.append(running)
    return advantages[::-1]


@torch.no_grad()
def score(rows: list[Trajectory], masks: list[list[int]], micro_tokens: int, device: torch.device,
          find: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
    """What find(ids [B, T], mask [B, T]) -> [N] says of the trained tokens, one tensor a row."""
    scores = [torch.empty(0)] * len(rows)
    for batch in micro_batches([len(row.ids) for row in rows], micro_tokens):
        ids, mask = pad([rows[i].ids for i in batch], 0, device), pad([masks[i] for i in batch], 0, device)
        for i, part in zip(batch, find(ids, mask).split([sum(masks[i]) for i in batch])):
            scores[i] = part
    return scores


class Critic:
    """PPO's value function: a linear map of the policy's last hidden state, the same on every rank, with its own Adam.

    `trunk` is the share of its gradient that goes on into the policy's layers; 0 leaves them to the policy.
    """

    def __init__(self, width: int, lr: float, trunk: float, device: torch.device):
        self.head = nn.Linear(width, 1, device=device)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)  # nothing random; and the first advantages are the rewards themselves
        self.optimizer = torch.optim.AdamW(self.head.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.0)
        self.trunk = trunk

    def __call__(self, hidden: Tensor) -> Tensor:
        """[B, T, D] -> values [B, T] in float32."""
        hidden = hidden.float()
        return self.head(hidden.detach() + self.trunk * (hidden - hidden.detach())).squeeze(-1)

    def estimate(self, model: nn.Module, rows: list[Trajectory], rewards: list[float], algorithm: Algorithm,
                 world: World) -> tuple[Numbers, Numbers]:
        """Every token's advantage, whitened, and the return that its value should become. `model` is not sharded."""
        masks = [trained_mask(row, algorithm.mask_tool_output) for row in rows]
        value = lambda ids, mask: model(ids, head=lambda hidden, weight: self(hidden))[:, :-1][mask[:, 1:].bool()]
        values = [part.tolist() for part in score(rows, masks, algorithm.micro_tokens, world.device, value)]
        raw = [gae(its, reward, algorithm.gae_lambda) for its, reward in zip(values, rewards)]
        returns = [[a + v for a, v in zip(*pair)] for pair in zip(raw, values)]
        return whiten(raw, algorithm.std, world), returns

    def over(self, model: nn.Module) -> Callable[..., list[Tensor]]:
        """The policy, called as ever; the values [B, T] of the same hidden states are then in `self.latest`."""
        def policy(ids: Tensor, head: Callable[[Tensor, Tensor], tuple]) -> list[Tensor]:
            found, self.latest = model(ids, head=lambda hidden, weight: (head(hidden, weight), self(hidden)))
            return found
        return policy

    def step(self) -> None:
        """One step of Adam; `update` has multiplied the gradients by the number of ranks, as for FSDP's mean."""
        for parameter in self.head.parameters():
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= dist.get_world_size()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def save(self, directory: Path) -> None:
        moments = {f"adam.{i}.{key}": value for i, state in self.optimizer.state_dict()["state"].items()
                   for key, value in state.items()}
        save_file({**self.head.state_dict(), **moments}, directory / "value_head.safetensors")

    def load(self, directory: Path) -> None:
        tensors = load_file(directory / "value_head.safetensors")
        state: dict[int, dict[str, Tensor]] = defaultdict(dict)
        for name in [name for name in tensors if name.startswith("adam.")]:
            _, i, key = name.split(".")
            state[int(i)][key] = tensors.pop(name)
        self.head.load_state_dict(tensors)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": dict(state)})


# ---- 6. the loss -----------------------------------------------------------------------------------------------------

def trained_mask(t: Trajectory, mask_tool_output: bool) -> list[int]:
    """Which tokens enter the loss: those the model sampled, or everything behind the prompt."""
    return t.loss_mask if mask_tool_output else [0] * t.prompt_len + [1] * (len(t.ids) - t.prompt_len)


def token_weights(lengths: list[int], norm: str, rows: int, tokens: int, max_tokens: int) -> list[float]:
    """What a token of each row counts in the loss. `rows` and `tokens` are totals over the step and all ranks.

    "sequence": the mean over rows of the mean over a row's tokens (GRPO, the paper's);
    "token": the mean over all tokens (DAPO, equation 8); "constant": over rows * max_tokens (Dr. GRPO, section 3.2).
    """
    return [{"sequence": 1 / (max(rows, 1) * max(length, 1)), "token": 1 / max(tokens, 1),
             "constant": 1 / (max(rows, 1) * max_tokens)}[norm] for length in lengths]


def log_ratio(logps: Tensor, old_logps: Tensor, lengths: list[int], ratio: str) -> Tensor:
    """log pi / pi_old of every token [N]; "sequence": of its whole row, over the row's length (GSPO, equation 7)."""
    d = logps - old_logps
    if ratio == "token":
        return d
    rows = torch.arange(len(lengths), device=d.device).repeat_interleave(torch.tensor(lengths, device=d.device))
    means = d.new_zeros(len(lengths)).index_add(0, rows, d) / torch.tensor(lengths, device=d.device).clamp(min=1)
    return means[rows]


def policy_loss(log_ratios: Tensor, advantages: Tensor, weights: Tensor, clip_low: float, clip_high: float,
                importance: Tensor | float = 1.0) -> tuple[Tensor, Tensor]:
    """Clipped policy-gradient loss over trained tokens, all arguments [N] -> (loss, weighted share that is clipped).

    ratio = pi / pi_old; a token's gain is min(ratio * A, clip(ratio, 1 - low, 1 + high) * A) (PPO, equation 7; the
    two bounds are DAPO's), times the importance of its old policy against the sampler.
    """
    ratio = log_ratios.clamp(-20, 20).exp()
    gain = ratio * advantages
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high) * advantages
    with torch.no_grad():
        share = (clipped < gain).float().mul(weights).sum()
    return -(weights * importance * torch.minimum(gain, clipped)).sum(), share


def truncated_importance(old_logps: Tensor, sampler_logps: Tensor, sampled: Tensor, cap: float) -> Tensor | float:
    """min(pi_old / pi_sampler, cap) of sampled tokens [N]: corrects for a sampler that computes otherwise. 0: off."""
    return torch.where(sampled, (old_logps - sampler_logps).clamp(-20, 20).exp().clamp(max=cap), 1.0) if cap else 1.0


def kl_estimate(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """KL(pi || reference) at every token by the k3 estimator exp(d) - d - 1, d = ref_logp - logp, clamped to +-20."""
    d = (ref_logps - logps).clamp(-20, 20)
    return d.exp() - d - 1


def choose_rows(groups: Groups, rewards: Numbers, signals: Numbers, algorithm: Algorithm) \
        -> tuple[list[Trajectory], list[float], dict[str, float]]:
    """The rows that enter the loss with their signals (advantages, or PPO's rewards), and what the loss is a mean over.

    Rows that are left out stay in the baseline. With zero_std "keep", groups without variance count in the mean, but
    are computed only where it matters: for the KL term and PPO.
    """
    all_rows = algorithm.kl_coef > 0 or algorithm.advantage == "ppo"
    rows, chosen = [], []
    counts = dict(rows=0.0, tokens=0.0, groups=0.0, zero_std_groups=0.0)
    for group, its_rewards, its_signals in zip(groups, rewards, signals):
        varied = has_variance(its_rewards)
        counts["groups"] += 1
        counts["zero_std_groups"] += not varied
        for t, signal in zip(group, its_signals):
            if not varied and algorithm.zero_std != "keep" or algorithm.drop_void and is_void(t) \
                    or algorithm.drop_truncated and t.stop_reason == "budget":
                continue
            counts["rows"] += 1
            counts["tokens"] += sum(trained_mask(t, algorithm.mask_tool_output))
            if signal or all_rows:
                rows.append(t)
                chosen.append(signal)
    return rows, chosen, counts


def update(model: nn.Module, optimizer: torch.optim.Optimizer, rows: list[Trajectory], advantages: list[Any],
           counts: tuple[float, float], algorithm: Algorithm, reference: nn.Module | None, world: World,
           vocab_size: int, lr: float, critic: Critic | None = None, returns: Numbers = []) -> dict[str, float]:
    """`algorithm.updates` optimiser steps on this rank's rows with their advantages; of PPO, one a token.

    `counts` = (rows, trained tokens) of all ranks. The first step's own log-probabilities are the old ones.
    """
    device, cap = world.device, algorithm.importance_cap
    masks = [trained_mask(row, algorithm.mask_tool_output) for row in rows]
    lengths = list(map(sum, masks))
    weights = token_weights(lengths, algorithm.norm, int(counts[0]), int(counts[1]), algorithm.max_tokens)
    of_trained = lambda values, mask: torch.tensor([v for v, m in zip(values, mask) if m], device=device)
    known: dict[str, list[Tensor]] = dict(  # of every row, [n] each
        advantages=[torch.tensor(a, device=device).expand(n) for a, n in zip(advantages, lengths)],
        weights=[torch.full((n,), w, device=device) for n, w in zip(lengths, weights)],
        sampled=[of_trained(row.loss_mask, mask).bool() for row, mask in zip(rows, masks)],
        sampler_logps=[of_trained(row.logps, mask) for row, mask in zip(rows, masks)], old_logps=[None] * len(rows))
    if reference is not None:
        known["ref_logps"] = score(rows, masks, algorithm.micro_tokens, device, lambda ids, mask: token_logps(
            reference, ids, mask, vocab_size, algorithm.temperature)[0])
    if critic is not None:
        known["returns"] = [torch.tensor(r, device=device) for r in returns]
    policy = model if critic is None else critic.over(model)
    sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=device))  # read once, after the last batch
    largest_gap, skipped = torch.zeros((), device=device), 0

    for step in range(algorithm.updates):
        def loss_of(batch: list[int], logps: Tensor, entropies: Tensor) -> Tensor:
            nonlocal largest_gap
            if not batch:
                return logps.sum() + (0 if critic is None else 0 * critic.latest.sum())
            sizes = [lengths[i] for i in batch]
            if step == 0:
                for i, part in zip(batch, logps.detach().split(sizes)):
                    known["old_logps"][i] = part
            its = {name: torch.cat([parts[i] for i in batch]) for name, parts in known.items()}             # [N] each
            if step == 0:
                d = torch.where(its["sampled"], logps.detach() - its["sampler_logps"], 0.0)
                largest_gap = torch.maximum(largest_gap, d.abs().max())
                sums["dp"] += (logps.detach().exp() - (logps.detach() - d).exp()).abs().sum()
                sums["sampler_kl"] += (d.exp() - d - 1).sum()
                sums["entropy"] += (entropies * its["sampled"]).sum()
                sums["tokens"] += its["sampled"].sum()
            ratios = log_ratio(logps, its["old_logps"], sizes, algorithm.ratio)
            importance = truncated_importance(its["old_logps"], its["sampler_logps"], its["sampled"], cap)
            loss, clipped = policy_loss(ratios, its["advantages"], its["weights"], algorithm.clip_low,
                                        algorithm.clip_high, importance)
            sums["clipfrac"] += clipped / algorithm.updates
            if reference is not None:
                kl = (its["weights"] * kl_estimate(logps, its["ref_logps"])).sum()
                sums["kl"] += kl.detach() / algorithm.updates
                loss = loss + algorithm.kl_coef * kl
            sums["loss"] += loss.detach() / algorithm.updates
            if critic is not None:
                mask = pad([masks[i] for i in batch], 0, device)[:, 1:].bool()
                value_loss = 0.5 * (its["weights"] * (critic.latest[:, :-1][mask] - its["returns"]) ** 2).sum()
                sums["value_loss"] += value_loss.detach() / algorithm.updates
                loss = loss + value_loss
            return loss

        batches, padding = make_batches([row.ids for row in rows], masks, algorithm.micro_tokens, world)
        for batch in batches:
            scores = token_logps(policy, batch.ids, batch.loss_mask, vocab_size, algorithm.temperature)
            loss = loss_of(batch.rows, scores.logps, scores.entropies)
            (loss * world.size).backward()   # FSDP averages over the ranks: undo that
        grad_norm = optimizer_step(model, optimizer, lr, algorithm.clip)
        skipped += not math.isfinite(grad_norm)
        if critic is not None and math.isfinite(grad_norm):
            critic.step()
    keys = ("loss", "clipfrac", "kl", "value_loss", "dp", "sampler_kl", "entropy", "tokens")
    total = dict(zip(keys, world.sum(*torch.stack([sums[key] for key in keys]).tolist())))
    tokens = max(total["tokens"], 1)
    return dict(loss=total["loss"], kl=total["kl"], clipfrac=total["clipfrac"], entropy=total["entropy"] / tokens,
                grad_norm=grad_norm, **({} if critic is None else {"value_loss": total["value_loss"]}),
                dp_mean=total["dp"] / tokens, dlogp_max=max(world.gather(float(largest_gap))),
                sampler_kl=total["sampler_kl"] / tokens, skipped=skipped, padding=padding)


# ---- the loop --------------------------------------------------------------------------------------------------------

MEASURES = {"pass_rate": lambda t: t.reward > 0, **BEHAVIOURS, "truncated": lambda t: t.stop_reason == "budget",
            "void": is_void, "tool_failure": lambda t: t.stop_reason == "tool_failure"}


def rollout_metrics(groups: Groups, world: World) -> dict[str, float]:
    """Means over the rows of all ranks, or over those that a measure is about."""
    rows = [t for group in groups for t in group]
    right = [t for t in rows if t.reward > 0]
    values = [[float(v) for t in rows if (v := measure(t)) is not None] for measure in MEASURES.values()]
    sums, counts = world.sum(*map(sum, values)), world.sum(*map(len, values))
    logps, tokens = world.sum(sum(sum(t.logps) for t in right), sum(t.response_len for t in right))
    return {**{name: total / max(count, 1) for name, total, count in zip(MEASURES, sums, counts)},
            "right_logp": logps / max(tokens, 1)}


def learn(model: nn.Module, optimizer: torch.optim.Optimizer, sampler: nn.Module, reference: nn.Module | None,
          critic: Critic | None, rolled: Groups, algorithm: Algorithm, lr: float, world: World, vocab_size: int) \
        -> dict[str, float]:
    """Steps 4 to 6 on the groups of this rank, with what they measured. Rows that the sandbox failed are void."""
    groups = [[t for t in group if t.stop_reason != "tool_failure"] for group in rolled]
    rewards = [[reward_of(t, algorithm) for t in group] for group in groups]
    signals = advantages_of(rewards, algorithm.advantage, algorithm.std, world)
    rows, advantages, counts = choose_rows(groups, rewards, signals, algorithm)
    total = dict(zip(counts, world.sum(*counts.values())))
    advantages, returns = critic.estimate(sampler, rows, advantages, algorithm, world) if critic else (advantages, [])
    learned = update(model, optimizer, rows, advantages, (total["rows"], total["tokens"]), algorithm, reference, world,
                     vocab_size, lr, critic, returns)
    mean_reward = world.sum(sum(map(sum, rewards)), sum(map(len, rewards)))
    return dict(reward=mean_reward[0] / max(mean_reward[1], 1), trained_rows=int(total["rows"]),
                zero_std_groups=total["zero_std_groups"] / max(total["groups"], 1), **learned)


def numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",") if part]


def add_curriculum_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("curriculum").add_argument
    add("--agents", default="ci", help="modes whose answers measure p, commas between")
    add("--potential-samples", type=int, default=8, help="answers per question and agent to measure p")
    add("--potential-temperatures", type=numbers, default="1.0", help="of these answers, in turn")
    add("--pass-rates", metavar="FILE", help="take p from a pass_rates.jsonl, or from a trajectories.jsonl of rollouts")
    add("--order", choices=tuple(ORDERS), default="potential", help="first comes high 4p(1-p), p(1-p)^2 or p")
    add("--stages", type=int, default=4, help="equal groups of questions, one after another")
    add("--thresholds", type=numbers, default="", metavar="A,B,..", help="cut at these falling values instead")
    add("--merge", action=argparse.BooleanOptionalAction, default=True, help="a stage trains on all groups so far")
    add("--steps-per-stage", type=int, default=20, help="rollouts of each stage")
    add("--remeasure-every", type=int, default=0, metavar="N", help="measure p again after every N stages; 0: never")


def main() -> None:
    parser = command_line("Reinforcement learning with a curriculum; without arguments, the tiny model on a CPU.")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="tiny", help="defaults of all other flags")
    add_run_flags(parser, "runs/grpo")
    add = parser.add_argument_group("questions").add_argument
    add("--model", default="runs/sft", help="Hugging Face directory or hub id to start from")
    add("--tasks", default=TINY_TASKS, help="names, name@level, suites, train or all")
    add("--level", type=int, choices=LEVELS, default=1, help="of the questions")
    add("--per-task", type=int, default=60, help="training questions per task")
    add_curriculum_flags(parser)
    add = parser.add_argument_group("reward, advantage and loss").add_argument
    for f in fields(Algorithm):
        if f.metadata:
            kind = dict(action=argparse.BooleanOptionalAction) if isinstance(f.default, bool) else \
                dict(type=type(f.default), choices=f.metadata["choices"])
            add(f"--{f.name.replace('_', '-')}", default=f.default, help=f.metadata["help"], **kind)
    add = add_training_flags(parser, "questions", batch_size=16, lr=1e-4, warmup=5).add_argument
    add("--group-size", type=int, default=8, help="answers per question")
    add("--keep-sampler", action=argparse.BooleanOptionalAction, default=True,
        help="keep the sampler's copy of the weights in device memory during the update")
    add = parser.add_argument_group("evaluation").add_argument
    add("--eval-every", type=int, default=10, help="steps between validations; each saves a checkpoint")
    add("--val-n", type=int, default=20, help="validation questions per task")
    add("--eval-n", type=int, default=72, help="held-out questions per task")
    add("--eval-temperature", type=float, default=0.6, help="of sampling in validation and evaluation")
    add("--show-every", type=int, default=20, help="steps between printed conversations; 0: none")
    add_protocol_flags(parser, temperature=1.0)
    parser.set_defaults(**PRESETS[parser.parse_known_args()[0].preset])
    args = parser.parse_args()
    check_flags(parser, args)
    tasks = parse_tasks(args.tasks, args.level)
    world = start_training(parser, args)
    check_model(args.model)  # a wrong --model ends the program before --out is touched
    with checked_sandbox(args.workers, args.code_timeout) as sandbox:
        run = RunDir(args.out, vars(args), world, args.resume, args.overwrite, sandbox)
        train(args, run, world, sandbox, tasks)


def check_flags(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse flags that contradict each other; --thresholds say how many stages there are."""
    if args.group_size < 2 and args.advantage in ("grpo", "rloo"):
        parser.error("--group-size must be at least 2: an advantage compares the answers of a group")
    if args.overlong_tokens > args.max_tokens:
        parser.error(f"--overlong-tokens {args.overlong_tokens} exceeds --max-tokens {args.max_tokens}")
    if args.thresholds:
        if sorted(set(args.thresholds))[::-1] != args.thresholds or args.order == "none" or args.remeasure_every:
            parser.error("--thresholds must fall, and do not go with --order none or --remeasure-every")
        args.stages = len(args.thresholds) + 1
    args.agents = args.agents.split(",")
    for agent in set(args.agents) - set(MODES):
        parser.error(f"--agents: unknown agent {agent!r}, choose from {', '.join(MODES)}")
    if args.advantage == "ppo" and not args.keep_sampler:
        parser.error("--advantage ppo reads its values off the sampler's copy: leave --no-keep-sampler out")
    if not args.potential_temperatures or min(args.potential_temperatures) <= 0:
        parser.error("--potential-temperatures must be above 0")


def train(args: argparse.Namespace, run: RunDir, world: World, sandbox: Sandbox, tasks: list[tuple[str, int]]) -> None:
    say = lambda text: tqdm.write(text) if world.main else None
    say(textwrap.fill("flags: " + " ".join(f"{key}={value}" for key, value in vars(args).items()), 110))
    protocol = protocol_of(args)
    algorithm = Algorithm(**{key: getattr(args, key) for key in Algorithm.__dataclass_fields__})
    questions = draw_questions(tasks, "rl", args.per_task, args.seed)
    validation, held_out = draw_questions(tasks, "val", args.val_n), draw_questions(tasks, "eval", args.eval_n)
    recorded = read_pass_rates(args.pass_rates, questions) if args.pass_rates else None
    dtype = compute_dtype(world.device)
    tokenizer = load_tokenizer(args.model)
    chat = Chat(tokenizer)
    model = load_sharded(args.model, world, args.replicas, args.offload, args.checkpointing)  # float32 master weights
    sampler = load_model(args.model, world.device, dtype).eval()   # a plain copy that rolls out
    reference = load_model(args.model, world.device, dtype).eval() if args.kl_coef else None
    optimizer = make_optimizer(model, args.lr, args.weight_decay, world)
    critic = Critic(sampler.config.hidden_size, args.value_lr, args.value_coef, world.device) \
        if args.advantage == "ppo" else None

    def assess(instances: list[Instance], title: str, mode: str = args.mode) -> dict[str, Any]:
        its = replace(protocol, temperature=args.eval_temperature, mode=mode)
        return evaluate(sampler, chat, sandbox, instances, 1, its, args.seed, title)[0]
    def measure(*key: str) -> list[float]:
        lines = measure_pass_rates(sampler, chat, sandbox, questions, args.agents, args.potential_samples,
                                   args.potential_temperatures, protocol, (args.seed, "potential", *key), world)
        if world.main:
            run.write("-".join(["pass_rates", *key]) + ".jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        return [line["pass_rate"] for line in lines]
    def arrange(pass_rates: list[float]) -> Curriculum:
        made = Curriculum(pass_rates, args.order, args.stages, args.thresholds, args.merge, args.steps_per_stage,
                          args.seed)
        for k, group in enumerate(made.groups, 1):
            values = [potential(pass_rates[i]) for i in group]
            say(f"stage {k}: {len(group)} new questions, improvement potential {min(values):.2f} to {max(values):.2f}")
        return made
    def solved(stage: int) -> float:
        """Accuracy on the questions that are new in a stage; on some of many, evenly spread."""
        group = curriculum.groups[stage - 1]
        some = [questions[i] for i in group[::math.ceil(len(group) / len(validation))]]
        return assess(some, f"stage {stage}")["accuracy"]

    # 1. Improvement potential.
    if run.resumed:
        state = run.load(model, optimizer)
        if critic:
            critic.load(run.resumed)
    else:
        before = assess(held_out, "held-out questions")
        say("before training: {accuracy:.1%} +- {stderr:.1%} of {n} held-out questions".format(**before))
        state = dict(step=0, before=before, pass_rates=recorded or measure(), group_before=None, best=None)
    if not any(map(potential, state["pass_rates"])):
        say("note: every question was solved always or never, so their order says nothing")
    # 2. Curriculum.
    curriculum = arrange(state["pass_rates"])
    steps = args.steps_per_stage * args.stages
    interrupt = Interrupt(world)
    with tqdm(range(state["step"] + 1, steps + 1), desc="training", unit="step", initial=state["step"], total=steps,
              disable=not world.main) as bar:
        for step in bar:
            began = time.time()
            copy_weights(model, sampler, world)
            t_switch, stage = time.time() - began, curriculum.stage(step)
            if step == 1 or stage > curriculum.stage(step - 1):
                if args.remeasure_every and stage > 1 and (stage - 1) % args.remeasure_every == 0:
                    state["pass_rates"] = measure(f"stage-{stage}")
                    curriculum = arrange(state["pass_rates"])
                state["group_before"] = solved(stage)
            # 3. Rollout.
            began = time.time()
            roll = lambda chosen, key: rollout(sampler, chat, sandbox, [questions[i] for i in chosen], args.group_size,
                                               protocol, (args.seed, *key))
            informative = lambda group: has_variance([reward_of(t, algorithm) for t in group])
            groups, added = roll_out(roll, curriculum, step, args.batch_size, 3 * (args.zero_std == "resample"),
                                     informative, world)
            check_tool_failures([t for group in groups for t in group], world.sum)
            tokens = world.sum(sum(t.response_len for group in groups for t in group))[0]
            t_sample, began = time.time() - began, time.time()
            # 4, 5, 6. Reward, advantage, update.
            if not args.keep_sampler:
                free_weights(sampler)
            lr = args.lr * min(step / args.warmup, 1) if args.warmup else args.lr
            learned = learn(model, optimizer, sampler, reference, critic, groups, algorithm, lr, world, chat.vocab_size)
            metrics = dict(step=step, stage=stage, **rollout_metrics(groups, world), resampled=added, **learned, lr=lr,
                           t_switch=t_switch, t_sample=t_sample, t_update=time.time() - began, tok_s=tokens / t_sample,
                           mem_gb=memory_gb(world.device))
            if world.main:
                run.add_line("trajectories.jsonl", {"step": step, **groups[0][0].to_json()})
                if args.show_every and step % args.show_every == 0:
                    say(paint_trajectory(groups[0][0].to_json(), chat.decode))
            # 7. Validation and checkpoints.
            last = step == steps
            ends = last or curriculum.stage(step + 1) > stage
            if ends or (args.eval_every and step % args.eval_every == 0):
                copy_weights(model, sampler, world)
                metrics["val_accuracy"] = assess(validation, "validation")["accuracy"]
                if state["best"] is None or metrics["val_accuracy"] >= state["best"][1]:
                    state["best"] = [step, metrics["val_accuracy"]]
            if ends:
                metrics["group_before"] = state["group_before"]
                metrics["group_after"] = solved(stage)
                say("stage {stage} ends: {group_before:.1%} -> {group_after:.1%} of its new questions, "
                    "{val_accuracy:.1%} in validation".format(**metrics))
            run.log(metrics)
            bar.set_postfix(reward=metrics["reward"])
            stop = step == args.stop_after or interrupt.wanted()
            if stop or "val_accuracy" in metrics or (args.save_every and step % args.save_every == 0):
                path = run.save(step, model, optimizer, tokenizer, state, args.keep, state["best"] and state["best"][0],
                                critic.save if critic else None)
                if stop and not last:
                    say(f"stopped after step {step}; {path} resumes with --resume")
                    raise SystemExit(130 if interrupt.asked else 0)
    # 7. The best by validation, on the held-out questions.
    best = run.checkpoints / f"step-{state['best'][0]:06d}"
    free_weights(sampler)
    sampler = load_model(best, world.device, dtype).eval()
    after = assess(held_out, "held-out questions")
    modes = {args.mode: after}
    if args.mode != "text":
        modes["text"] = assess(held_out, "held-out questions", "text")
    if world.main:
        save_model(sampler if dtype == torch.float32 else load_model(best), tokenizer, run.path)
        if critic:
            shutil.copy(best / "value_head.safetensors", run.path)
        report = {**after, "before": state["before"], "modes": modes, "step": state["best"][0]}
        run.write("eval.json", json.dumps(report, indent=1) + "\n")
        say(report_table(after))
        say(f"held-out accuracy: {state['before']['accuracy']:.1%} before, {after['accuracy']:.1%} after training "
            f"(step {state['best'][0]}, best of validation)"
            + (f", {modes['text']['accuracy']:.1%} when it may not run code" if "text" in modes else ""))
        say(f"the model is in {run.path}; look at it with `python r1ci.py show {run.path}/trajectories.jsonl`")


if __name__ == "__main__":
    main()
