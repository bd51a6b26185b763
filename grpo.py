"""grpo.py -- reinforcement learning on questions whose answers can be checked, with code that runs.

    python grpo.py                                             the tiny model of runs/sft, on a CPU
    python grpo.py --explain                                   one update, in numbers
    torchrun --nproc_per_node 8 grpo.py --model DIR --preset paper     a larger one, on eight GPUs

1. Potential: measure how often the model solves each training question: p. Its improvement
   potential is 4 p (1 - p): what is always or never solved teaches GRPO nothing, as all answers
   earn the same.
2. Curriculum: sort by potential, cut into bands; train on the best one, then on the two best, ...
3. Rollout: a group of answers to each question of a step, with scripts running in the sandbox.
4. Reward: 1 if the task's verifier accepts the answer, else 0; v2 adds the small terms of the paper
   (R1-Code-Interpreter, arXiv 2505.21668).
5. Advantage: the reward less the mean of its group, over the group's standard deviation (GRPO); or
   less the mean of the batch (REINFORCE++), or less what a critic expects (PPO, after the loop).
6. Loss and update: the clipped policy gradient on the tokens that the model sampled, and no others
   (--no-mask-tool-output, for comparison, trains on what scripts printed, too).
7. Validation: now and then. The best checkpoint answers held-out questions, by which nothing is
   trained or chosen.

The sections below, and the comments of the loop in `train`, have these numbers.

The field's words: the policy is the model, as what chooses each next token; a rollout, the answers
that it samples. An answer's advantage is how much better (above 0) or worse (below 0) it did than
expected; the policy gradient makes a better answer's tokens likelier, a worse one's less likely.
An answer is here the whole conversation, a Trajectory; what stands between its marks is `t.answer`.
"""
import signal
import sys

# First, Ctrl-C: it ends the program without a traceback, while libraries load, too. (What a shell
# ignores, in the background, stays ignored.) `check_and_start` catches other signals, too.
if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))

import argparse
import json
import math
import os
import random
import time
from collections import defaultdict, deque
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from r1ci import (TAKEN_OVER, Chat, Interpreter, PackedRows, TokenScores, checked_sandbox,
                  evaluate, flags_of_run, inherited_arguments, load_model, load_tokenizer,
                  load_weights, merge_shares, rollout, sha256, token_logps)
from sft import (Example, Interrupt, RunDir, World, add_run_flags, add_training_flags,
                 check_and_start, check_gradients, copy_weights, explain_lost_rank, free_weights,
                 give_back_memory, is_whole, load_sharded, make_batches, make_optimizer, memory_gb,
                 model_sha256, optimizer_step, parse_with_preset, tell_last_pass)
import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm import tqdm

from sandbox import Sandbox
from tasks import LEVELS, Instance
from tasks.conversation import FORMATS, MODES, Protocol, Trajectory, extract_answer, find_block
from tasks.flags import CommandLine, add_protocol_flags, protocol_of, quiet_pipe, real, whole
from tasks.questions import (TASKS_HELP, TINY_TASKS, draw_questions, own_questions, parse_tasks,
                             read_pass_rates)
from tasks.report import (BEHAVIOURS, EXPLAIN_LEGEND, end_if_sandbox_failed, explain_group,
                          explain_tokens, paint_trajectory, report_table, sandbox_problem,
                          tool_failures)

Groups = list[list[Trajectory]]   # a group: the answers to one question
Numbers = list[list[float]]   # a list per group, with a number per answer


# ---- the side that samples -----------------------------------------------------------------------

@dataclass(kw_only=True)
class Actor(Interpreter):
    """An interpreter whose model is a plain copy of the policy. It samples, and never trains.

    The side that trains is `Learner` (section 6). Before the rollout of a step `copy_weights`
    (sft.py) copies the learner's weights into this model; both begin with the same.
    """
    protocol: Protocol          # how conversations are held in training
    eval_temperature: float     # of sampling in validation and evaluation
    seed: int

    def assess(self, questions: list[Instance], name: str,
               mode: str | None = None) -> dict[str, Any]:
        """One answer to each question: the report of `evaluate`, the same on all ranks.

        The name is the progress bar's, and part of the key that fixes the answers' randomness.
        """
        protocol = replace(self.protocol, temperature=self.eval_temperature,
                           mode=mode or self.protocol.mode)
        report, _ = evaluate(self, questions, samples=1, protocol=protocol,
                             key=(self.seed, name), title=name)
        return report


# ---- 1. potential --------------------------------------------------------------------------------

def potential(pass_rate: float) -> float:
    """Improvement potential 4 p (1 - p) of a question solved with probability p (the paper's).

    p (1 - p) is the variance of a reward that is 1 with probability p, else 0. Where all answers to
    a question are right, or all wrong, none is better than its group, and GRPO learns nothing (but
    from the small terms of reward v2).
    """
    return 4 * pass_rate * (1 - pass_rate)


def measure_pass_rates(args: argparse.Namespace, run: RunDir, actor: Actor,
                       questions: list[Instance], stage: int) -> list[float]:
    """p of every question: how often each agent (a mode) solves it, and the mean over the agents.

    The paper's 20 answers are five of each of its four agents. (Where the sandbox has failed all,
    p counts as 0.) The rates are written to pass_rates.jsonl; those measured again before stage
    K > 1, to pass_rates-stage-K.jsonl.
    """
    world = run.world
    # The key of the sampling noise: each stage has its own.
    key: tuple[Any, ...] = (actor.seed, "potential")
    file = "pass_rates.jsonl"
    if stage > 1:
        key += (f"stage-{stage}",)
        file = f"pass_rates-stage-{stage}.jsonl"
    # Every rank asks its share of the questions.
    mine = questions[world.rank::world.size]
    samples = args.potential_samples
    verdicts: list[dict[str, list[float]]] = [{} for _ in mine]   # of each question, by agent
    with tqdm(total=len(mine) * len(args.agents) * samples, desc="improvement potential",
              unit="answer", disable=not world.main, leave=False) as bar:
        for mode in args.agents:
            protocol = replace(actor.protocol, mode=mode)
            groups = rollout(actor, mine, group_size=samples, protocol=protocol,
                             key=(*key, mode, protocol.temperature), bar=bar)
            failed_and_all = tool_failures([t for group in groups for t in group])
            end_if_sandbox_failed(*world.sum(*failed_and_all))
            for by_agent, group in zip(verdicts, without_failures(groups)):
                if group:   # else the sandbox has failed them all: no rate of this agent's
                    by_agent[mode] = [t.right for t in group]
    # All ranks get all verdicts, in the order of the questions.
    pass_rates = []
    lines = ""
    for question, by_agent in zip(questions, merge_shares(verdicts, len(questions))):
        rates = {mode: fmean(right) for mode, right in by_agent.items()}
        p = sum(rates.values()) / max(len(rates), 1)
        pass_rates.append(p)
        lines += json.dumps(dict(task=question.task, level=question.level, seed=question.seed,
                                 samples=sum(map(len, by_agent.values())), pass_rate=p,
                                 potential=potential(p), agents=rates)) + "\n"
    run.write(file, lines)
    return pass_rates


# ---- 2. curriculum -------------------------------------------------------------------------------

def order_value(order: str, pass_rate: float) -> float:
    """What --order sorts by: the questions with the highest value come first."""
    if order == "potential":
        return potential(pass_rate)
    if order == "difficulty":  # from easy to hard
        return pass_rate
    return 0.0                 # none: as they were drawn


class Curriculum:
    """Which questions each step trains on: pass rates, seed and step decide, there is no state.

    A stage adds a band of questions, and trains on a pool: on the band or, with --merge, on all
    bands so far. Eight questions in four stages, best first:

        bands   0 1 | 2 3 | 4 5 | 6 7        merged pools   0 1 | 0-3 | 0-5 | 0-7
    """

    def __init__(self, values: list[float], stages: int, merge: bool, steps_per_stage: int,
                 seed: int):
        """The questions with the highest order values come first; of equals, the earlier ones."""
        ranked = sorted(range(len(values)), key=lambda i: -values[i])
        bounds = [round(len(ranked) * k / stages) for k in range(stages + 1)]
        self.bands = [ranked[start:end] for start, end in zip(bounds, bounds[1:])]
        self.pools = [ranked[:end] for end in bounds[1:]] if merge else self.bands
        self.steps_per_stage = steps_per_stage
        self.seed = seed

    def stage(self, step: int) -> int:
        """The stage of a step; both count from 1."""
        return (step - 1) // self.steps_per_stage + 1

    def batch(self, step: int, size: int) -> list[int]:
        """Indices of a step's questions; a stage goes through its pool in laps of random order.

        A pool of 5, and 3 a step: step 1 takes three of lap 0; step 2 the last two, and one of
        lap 1, which has an order of its own; and so on.
        """
        stage = self.stage(step)
        pool = self.pools[stage - 1]
        steps_before = step - 1 - (stage - 1) * self.steps_per_stage  # in this stage
        lap, start = divmod(steps_before * size, len(pool))
        indices: list[int] = []
        while len(indices) < start + size:
            shuffled = random.Random(f"lap/{self.seed}/{stage}/{lap}").sample(pool, len(pool))
            indices += shuffled
            lap += 1
        return indices[start:start + size]


# ---- 3. rollout ----------------------------------------------------------------------------------

def answer_batch(actor: Actor, questions: list[Instance], group_size: int, step: int,
                 world: World) -> Groups:
    """This rank's groups of a step: `group_size` answers to each of its share of the questions.

    A key fixes all randomness of an answer. A step can ask a question again, where the curriculum's
    pool is small, or the next shuffled lap through it begins within the step. It gets another key
    each time: under one key its answers would be copies.

        questions a b a -> round 0: a b, with the key (seed, step)
                           round 1: a, with the key (seed, step, "again", 1)

    The groups come round by round: nothing that follows needs the questions' order.
    """
    rounds: dict[int, list[Instance]] = {}   # this rank's: asked for the first time, again, ...
    for i, question in enumerate(questions):
        times_before = questions[:i].count(question)
        if i % world.size == world.rank:
            rounds.setdefault(times_before, []).append(question)
    groups: Groups = []
    for times_before, asked in sorted(rounds.items()):
        key = (actor.seed, step, "again", times_before) if times_before else (actor.seed, step)
        groups += rollout(actor, asked, group_size=group_size, protocol=actor.protocol, key=key)
    return groups


RECENT_STEPS = 10   # the newest steps, whose calls are judged together: one alone may have few


def recent_problem(groups: Groups, recent: deque[list[float]], world: World) -> str | None:
    """Notes a step's [calls that the sandbox itself failed, all calls] in `recent`. Returns a
    message if they are too many, over the newest steps and all ranks.
    """
    recent.append(world.sum(*tool_failures([t for group in groups for t in group])))
    # In one evaluation two failures may be enough to end it. Here every step asks: at least five.
    return sandbox_problem(failures=sum(failures for failures, _ in recent),
                           calls=sum(calls for _, calls in recent), least=5)


def without_failures(groups: Groups) -> Groups:
    """The groups without the answers that the sandbox failed: those are not the model's fault."""
    return [[t for t in group if t.stop_reason != "tool_failure"] for group in groups]


# ---- 4. reward -----------------------------------------------------------------------------------

def reward_v1(t: Trajectory) -> float:
    """1 if the answer is right, else 0: what the task's verifier said."""
    return t.right


def reward_v2(t: Trajectory) -> float:
    r"""The paper's: + 0.1 for a good format, - 0.1 for a bad one, - 0.1 for more than six turns.

    The format is good if every reply before the one that answers is one code block, after words or
    none, without an answer beside it (this rule is ours):

        "I count.\n```python ... ```", then "<<<4>>>"   good: words, one block
        "<<<4>>>\n```python ... ```",  then "<<<4>>>"   bad: an answer before anything has run
        "<<<4>>>" at once                               good: no reply comes before it
        "I do not know." and nothing else               bad: neither an answer nor a program
    """
    replies = [message["content"] for message in t.messages if message["role"] == "assistant"]
    before_answer = replies if t.answer is None else replies[:-1]
    well_formed = all(is_one_block(text, t.format) for text in before_answer)
    reward = t.right + (0.1 if well_formed else -0.1)
    if len(replies) > 6:
        reward -= 0.1
    return reward


# To add one: a function above, its name here, and a word in the help of --reward.
REWARDS = {"v1": reward_v1, "v2": reward_v2}


def is_one_block(text: str, format_name: str) -> bool:
    """Whether a reply is one code block, after words or none, without an answer beside it."""
    marks = FORMATS[format_name]
    block = find_block(text, marks)
    if block is None:
        return False
    beside = text[:block.start] + text[block.end:]
    return marks.code_close not in beside and extract_answer(beside, format_name) is None


# ---- 5. advantage --------------------------------------------------------------------------------
#
# From the rewards, a list for each group, an advantage for every answer. `choose_answers` puts it
# on the answer, `policy_batches` on each of its trained tokens, and `update` hands those to
# `policy_loss`.

def has_variance(rewards: list[float]) -> bool:
    return max(rewards, default=0.0) - min(rewards, default=0.0) > 1e-6


def group_advantages(rewards: list[float], divide_by_std: bool) -> list[float]:
    """GRPO (DeepSeekMath, section 4.1.2): (r - mean) / std over the answers to one question.

    std is the population's. Undivided (--no-std) they are Dr. GRPO's. Equal rewards: all 0.

        rewards 1 0 0 0 0    mean 0.2, std 0.4    advantages 2 -0.5 -0.5 -0.5 -0.5
    """
    if not has_variance(rewards):
        return [0.0] * len(rewards)
    mean = sum(rewards) / len(rewards)
    std = (sum((r - mean) ** 2 for r in rewards) / len(rewards)) ** 0.5
    return [(r - mean) / (std if divide_by_std else 1.0) for r in rewards]


def within_groups(rewards: Numbers, divide_by_std: bool, world: World) -> Numbers:
    """GRPO: every answer against those to the same question."""
    return [group_advantages(group, divide_by_std) for group in rewards]


def whiten(values: Numbers, divide_by_std: bool, world: World) -> Numbers:
    """(v - mean) / std over the numbers of all lists and ranks.

    Of rewards: REINFORCE++ (Hu 2025), every answer against all answers of the step. PPO whitens its
    critic's estimates.
    """
    numbers = [v for part in values for v in part]
    count, total = world.sum(len(numbers), sum(numbers))   # of all ranks
    mean = total / max(count, 1)
    centred = [[v - mean for v in part] for part in values]
    [squares] = world.sum(sum(c * c for part in centred for c in part))
    std = (squares / max(count, 1)) ** 0.5
    if std < 1e-6:
        return [[0.0] * len(part) for part in values]
    return [[c / (std if divide_by_std else 1.0) for c in part] for part in centred]


def left_to_critic(rewards: Numbers, divide_by_std: bool, world: World) -> Numbers:
    """PPO: 0 for now. `choose_answers` leaves none of them out, and at the start of `update`
    `Learner.prepare` calls `estimate_advantages` (section PPO): by what the critic says, every
    token gets an advantage of its own.
    """
    return [[0.0] * len(group) for group in rewards]


# To add one: a function above, its name here, and a word in the help of --advantage. All are called
# alike, with what any of them needs. (A test calls each with one group alone, whose advantages have
# to sum to 0.)
ADVANTAGES = {"grpo": within_groups, "reinforce++": whiten, "ppo": left_to_critic}


# ---- 6. loss and update --------------------------------------------------------------------------

@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """The choices that make the algorithm; each is the flag of its name.

    The defaults here are the flags' defaults (`add_flags`).
    """
    reward: str = "v1"              # a name in REWARDS
    advantage: str = "grpo"         # a name in ADVANTAGES
    std: bool = True                # divide advantages by their standard deviation
    norm: str = "sequence"          # what the loss is a mean over: sequence | token | constant
    clip_low: float = 0.2           # the probability ratio may fall by
    clip_high: float = 0.2          # and rise by
    kl_coef: float = 0.0            # weight of the KL divergence from the first model
    mask_tool_output: bool = True   # keep what the sandbox wrote out of the loss
    updates: int = 1                # optimiser steps a rollout
    max_tokens: int = Protocol.max_tokens       # of an answer, script output included
    temperature: float = Protocol.temperature   # of sampling, and of the loss's probabilities
    # Flags of sft.py, too: `add_training_flags` there has their defaults.
    micro_tokens: int               # of a micro-batch's rows, their padding included
    max_grad_norm: float            # larger gradients are scaled down


@dataclass
class TrainedAnswer:
    """An answer that enters the update."""
    trajectory: Trajectory
    mask: list[int]           # 1: a token that is trained (`trained_mask`)
    reward: float             # by --reward
    advantage: float          # the same for all its tokens (PPO: 0, tokens have their own)
    weight: float = 0.0       # of each of its trained tokens in the loss


def trained_mask(t: Trajectory, mask_tool_output: bool) -> list[int]:
    """Which tokens enter the loss: those the model sampled, or everything after the prompt.

    t.loss_mask is 1 for what the sampler has chosen and 0 for what the rollout has put in: prompts
    (`make_rows` in r1ci.py) and outputs of scripts (`take_output`: t.append(ids, sampled=False)).
    `PackedRows` makes targets of 1s alone. (sft.py's mask is made by `render_messages`.)
    The prompt never enters the loss, so no mask holds a row's first token, which nothing predicts:
    `token_logps` scores exactly sum(mask) tokens a row.
    """
    if mask_tool_output:
        return t.loss_mask
    return [0] * t.prompt_len + [1] * (len(t.ids) - t.prompt_len)


def token_weight(length: int, answer_count: float, token_count: float,
                 algorithm: Algorithm) -> float:
    """What one of an answer's `length` trained tokens counts in the loss.

    The counts are of all ranks: how a step is shared out changes no gradient.

    sequence    mean over answers of the mean over their tokens (GRPO: DeepSeekMath, equation 3)
    token       mean over all tokens (DAPO, equation 8)
    constant    sum over all tokens / (answer_count * max_tokens): long answers count more (Dr.
                GRPO, section 3.2)
    """
    if algorithm.norm == "sequence":
        return 1 / (answer_count * max(length, 1))
    if algorithm.norm == "token":
        return 1 / max(token_count, 1)
    return 1 / (answer_count * algorithm.max_tokens)


def choose_answers(groups: Groups, rewards: Numbers, advantages: Numbers, algorithm: Algorithm,
                   world: World) -> list[TrainedAnswer]:
    """This rank's answers that enter the update, each with its weight in the loss.

    An answer whose advantage is 0 (with GRPO, all of a group with equal rewards) has no gradient:
    it counts in the mean and is left out of the work. But the KL term and PPO's critic need it.
    """
    all_needed = algorithm.kl_coef > 0 or algorithm.advantage == "ppo"
    chosen = []
    answer_count = 0
    token_count = 0
    for group, rewards_of_group, advantages_of_group in zip(groups, rewards, advantages):
        for t, reward, advantage in zip(group, rewards_of_group, advantages_of_group):
            mask = trained_mask(t, algorithm.mask_tool_output)
            answer_count += 1
            token_count += sum(mask)
            if advantage != 0 or all_needed:
                chosen.append(TrainedAnswer(t, mask, reward, advantage))
    all_answers, all_tokens = world.sum(answer_count, token_count)
    for answer in chosen:
        answer.weight = token_weight(sum(answer.mask), all_answers, all_tokens, algorithm)
    return chosen


@dataclass
class PolicyBatch:
    """A micro-batch of B answers; N are its trained tokens, row by row."""
    packed: PackedRows      # their tokens; answers to one question share its prompt
    lengths: list[int]      # [B] trained tokens of each answer, N in all
    rewards: list[float]    # [B]
    weights: Tensor         # [N] what each token counts in the loss
    sampled: Tensor         # [N] the model chose it; False for what the sandbox wrote
    sampler_logps: Tensor   # [N] its log-probability when it was sampled: for the metrics alone
    advantages: Tensor      # [N] of the answer that the token belongs to; PPO: the token's own,
                            # filled in by `Learner.prepare`
    # Filled in by `update`: [N] log-probabilities under the policy before the first optimiser step,
    # with which the ratio compares. The first update's own forward pass gives them: its ratio is 1.
    old_logps: Tensor | None = None
    # Filled in by `Learner.prepare`, or None.
    ref_logps: Tensor | None = None   # [N] under the first model: for the KL term
    returns: Tensor | None = None     # [N] what PPO's critic should have said


def policy_batches(answers: list[TrainedAnswer], algorithm: Algorithm,
                   world: World) -> list[PolicyBatch]:
    """The answers in micro-batches, as many on every rank."""
    rows = [Example(answer.trajectory.ids, answer.mask, answer.trajectory.prompt_len)
            for answer in answers]
    batches = []
    for batch in make_batches(rows, algorithm.micro_tokens, world):
        inside = [answers[i] for i in batch.row_indices]   # an answer for each row
        # The trained tokens, row by row: (answer, position), in the order of `token_logps`.
        tokens = [(answer, i) for answer in inside for i, m in enumerate(answer.mask) if m]
        assert len(tokens) == len(batch.packed.targets)
        weights = [answer.weight for answer, _ in tokens]
        sampled = [answer.trajectory.loss_mask[i] == 1 for answer, i in tokens]
        logps = [answer.trajectory.logps[i] for answer, i in tokens]
        advantages = [answer.advantage for answer, _ in tokens]
        batches.append(PolicyBatch(
            packed=batch.packed,
            lengths=[sum(answer.mask) for answer in inside],
            rewards=[answer.reward for answer in inside],
            weights=torch.tensor(weights, device=world.device),
            sampled=torch.tensor(sampled, device=world.device, dtype=torch.bool),
            sampler_logps=torch.tensor(logps, device=world.device),
            advantages=torch.tensor(advantages, device=world.device)))
    return batches


@dataclass
class Learner:
    """The model that is trained, and what an update needs beside the samples."""
    model: nn.Module                # by `load_sharded`
    optimizer: torch.optim.Optimizer
    reference: nn.Module | None     # the first model, for the KL term
    critic: "Critic | None"         # PPO's
    algorithm: Algorithm
    tokenizer_size: int
    world: World

    def score(self, model: nn.Module, batch: PolicyBatch) -> TokenScores:
        """What a model says of the trained tokens, at the temperature they were sampled with."""
        return token_logps(model, batch.packed, self.tokenizer_size,
                           temperature=self.algorithm.temperature)

    @torch.no_grad()
    def prepare(self, batches: list[PolicyBatch]) -> None:
        """Fill in what the first model and the critic say of the batches, before any is trained
        on.
        """
        if self.reference:
            for batch in batches:
                batch.ref_logps = self.score(self.reference, batch).logps
        if self.critic:   # section PPO
            values = [self.critic(self.score(self.model, batch).hidden) for batch in batches]
            estimate_advantages(batches, values, self.algorithm, self.world)


def policy_loss(log_ratio: Tensor, advantages: Tensor, weights: Tensor, clip_low: float,
                clip_high: float) -> tuple[Tensor, Tensor]:
    """The clipped policy gradient's loss, tensors [N] -> (loss, which tokens [N] are clipped).

    With ratio = pi / pi_old a token gains min(ratio A, clip(ratio, 1 - low, 1 + high) A) (PPO,
    equation 7; two bounds are DAPO's, equation 10). pi_old is the trainer's own, before its first
    optimiser step on this rollout (`old_logps`). A good token stops gaining when it has become 20 %
    likelier since; a bad one, when 20 % less likely.

    With one update a rollout, the default, pi is pi_old: every ratio is 1, nothing is ever clipped
    (`clipfrac` is 0), and the loss is minus the weighted mean advantage: with GRPO about 0, and it
    says nothing. Its gradient teaches. As grad ratio = ratio grad log pi, it is -A grad log pi: a
    step against it makes tokens with A > 0 likelier, and those with A < 0 less likely.

    With --updates 4 the same answers serve four times: after the first the ratios leave 1, and
    clipping is what holds them back.
    """
    ratio = log_ratio.clamp(-20, 20).exp()
    gain = ratio * advantages
    clipped_gain = ratio.clamp(1 - clip_low, 1 + clip_high) * advantages
    return -(weights * torch.minimum(gain, clipped_gain)).sum(), clipped_gain < gain


def kl_estimate(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """KL(pi || reference) at every token [N]: exp(d) - d - 1 with d = log ref - log pi.

    It is never negative, rounding aside (DeepSeekMath's equation 4, known as k3); d is clamped, so
    that exp stays finite.
    """
    d = (ref_logps - logps).clamp(-20, 20)
    return d.exp() - d - 1


def update(learner: Learner, answers: list[TrainedAnswer], lr: float) -> dict[str, float | None]:
    """`algorithm.updates` optimiser steps on this rank's answers; metrics are over all ranks.

    loss = policy loss + kl_coef * KL + critic's loss: sums over trained tokens of weight * value.
    (What is logged as `loss` leaves out the critic's, which is `value_loss`.)

    Where no rank has an answer (all groups have equal rewards) there is no batch and no gradient:
    the optimiser changes nothing, and the metrics of the loss are None.
    """
    model = learner.model
    algorithm = learner.algorithm
    world = learner.world
    give_back_memory(model)   # what the rollout has left
    batches = policy_batches(answers, algorithm, world)
    learner.prepare(batches)
    metrics = UpdateMetrics()
    skipped = 0
    for _ in range(algorithm.updates):
        # Gradients add up over the micro-batches; then follows one optimiser step.
        for number, batch in enumerate(batches, 1):
            tell_last_pass(model, is_last=number == len(batches))
            scores = learner.score(model, batch)
            if batch.old_logps is None:   # the first update: the policy is the one that sampled
                batch.old_logps = scores.logps.detach()
            log_ratio = scores.logps - batch.old_logps
            loss, clipped = policy_loss(log_ratio, batch.advantages, batch.weights,
                                        clip_low=algorithm.clip_low, clip_high=algorithm.clip_high)
            metrics.add("clipfrac", (batch.weights * clipped).sum())
            if learner.reference:
                kl = (batch.weights * kl_estimate(scores.logps, batch.ref_logps)).sum()
                loss = loss + algorithm.kl_coef * kl
                metrics.add("kl", kl)
            metrics.add("loss", loss)
            if learner.critic:
                value_loss = learner.critic.loss(scores.hidden, batch)
                loss = loss + value_loss
                metrics.add("value_loss", value_loss)
            metrics.add_sampled(batch, scores.entropies)
            (loss * world.size).backward()   # FSDP averages over the ranks: undo that
        grad_norm = optimizer_step(model, learner.optimizer, lr, algorithm.max_grad_norm)
        if not math.isfinite(grad_norm):   # the optimiser has skipped the step
            skipped += 1
        if learner.critic:
            learner.critic.step()
    # The means are over all updates, the gradient norm is the last one's.
    return dict(metrics.means(algorithm.updates, world), grad_norm=grad_norm, skipped=skipped)


class UpdateMetrics:
    """What an update logs of its loss: sums over its batches, on the device, read at its end.

    It sees the answers that are trained on: those with advantage 0 are not among them, unless
    --kl-coef or PPO needs them.

        loss, kl, value_loss   sums over tokens of weight * value; mean over the updates
        clipfrac               sum of the weights of the clipped tokens, mean over the updates: with
                               weights that sum to 1 (not by --norm constant) the clipped share.
                               It is a share of all answers, also of those with advantage 0, which
                               are not trained on: if four of eight have it, and a tenth of the
                               others' tokens is clipped, it is .05
        entropy                of the model's distribution, mean over the sampled tokens

    Sampler and trainer should give a sampled token one probability. How far are they off?

        dp_mean      mean of |difference of the probabilities|; in bf16 below 0.01 is normal
        dlogp_mean   mean of |difference of the log-probabilities|; in bf16 below 0.05 is normal
        dlogp_max    the largest of them
        sampler_kl   KL(sampler || trainer), estimated as in `kl_estimate`
    """
    # What is logged as None if there was no batch.
    NAMES = ("loss", "clipfrac", "entropy", "dp_mean", "dlogp_mean", "dlogp_max", "sampler_kl")

    def __init__(self) -> None:
        # Sums over the batches of all updates, whose means will be over the updates, or the tokens.
        self.per_update: dict[str, Any] = defaultdict(float)
        self.per_token: dict[str, Any] = defaultdict(float)
        self.largest_gap = torch.zeros(())

    def add(self, name: str, value: Tensor) -> None:
        """Add a batch's part of a number, such as the loss, that its batches make together."""
        self.per_update[name] += value.detach()

    def add_sampled(self, batch: PolicyBatch, entropies: Tensor) -> None:
        """Add what is about sampled tokens: their entropy, and how far the sampler is off.

        The entropy is the present policy's. The gap is that of the rollout's policy, as the sampler
        and as the trainer computed it, and is the same in every update.
        """
        trainer = batch.old_logps[batch.sampled]
        sampler = batch.sampler_logps[batch.sampled]
        gap = trainer - sampler
        if len(gap):
            self.largest_gap = torch.maximum(self.largest_gap.to(gap), gap.abs().max())
        of_tokens = dict(dp_mean=(trainer.exp() - sampler.exp()).abs(), dlogp_mean=gap.abs(),
                         sampler_kl=kl_estimate(sampler, trainer), entropy=entropies[batch.sampled],
                         tokens=torch.ones_like(gap))
        for name, values in of_tokens.items():
            self.per_token[name] += values.sum()

    def means(self, updates: int, world: World) -> dict[str, float | None]:
        """Over all ranks, updates and tokens; None for what nobody has computed."""
        if not self.per_update:
            return dict.fromkeys(self.NAMES)
        sums = {**self.per_update, **self.per_token}
        of_rank = torch.stack(list(sums.values())).tolist()   # read from the device at once
        totals = dict(zip(sums, world.sum(*of_rank)))
        tokens = totals.pop("tokens")
        means = {name: total / (tokens if name in self.per_token else updates)
                 for name, total in totals.items()}
        return {**means, "dlogp_max": max(world.gather(float(self.largest_gap)))}


# ---- the numbers of a step -----------------------------------------------------------------------

def is_void(t: Trajectory) -> bool:
    """Whether some turn holds neither a whole program nor an answer (SimpleTIR's word)."""
    return any(turn.code is None and turn.answer is None for turn in t.turns)


# Each of one answer (True: 1); None: it is not about this one. BEHAVIOURS (tasks/report.py) has
# code_rate, calls, failed_calls, text_rate, response_len, self_check, recovery, switches.
ANSWER_METRICS = {
    "right": lambda t: t.right > 0,
    **BEHAVIOURS,
    "truncated": lambda t: t.stop_reason == "budget",
    "void": is_void,
    "tool_failure": lambda t: t.stop_reason == "tool_failure",
}


def mean_or_none(total: float, count: float) -> float | None:
    return total / count if count else None


def rollout_metrics(groups: Groups, world: World) -> dict[str, float | None]:
    """Means of ANSWER_METRICS, each over the answers of all ranks that it is about."""
    answers = [t for group in groups for t in group]
    metrics = {}
    for name, value_of in ANSWER_METRICS.items():
        values = [float(value) for value in map(value_of, answers) if value is not None]
        metrics[name] = mean_or_none(*world.sum(sum(values), len(values)))
    # How likely the tokens of right answers were: this falls when a policy collapses. (A token
    # that was not sampled has a log-probability of 0.)
    right = [t for t in answers if t.right > 0]
    logps = sum(sum(t.logps) for t in right)
    metrics["right_logp"] = mean_or_none(*world.sum(logps, sum(t.response_len for t in right)))
    return metrics


def reward_metrics(rewards: Numbers, world: World) -> dict[str, float | None]:
    """Mean reward, answers that the loss is a mean over, share of groups without variance."""
    equal = sum(not has_variance(group) for group in rewards)
    total = sum(map(sum, rewards))
    answers = sum(map(len, rewards))
    total, answers, equal, groups = world.sum(total, answers, equal, len(rewards))   # of all ranks
    return dict(reward=mean_or_none(total, answers), counted_answers=int(answers),
                zero_std_groups=mean_or_none(equal, groups))


STEP_LEGEND = """A step's line: right, the share of right answers; reward, the mean reward (of
answers that the sandbox did not fail); code, the share that ran code; its seconds; val, the share
right in validation. All other numbers of a step are in OUT/metrics.jsonl."""


def step_line(metrics: dict[str, Any], seconds: float) -> str:
    """What a person watches of a step, in at most 80 columns:

        step 20  stage 1  right 0.83  reward 0.83  code 1.00  4.2 s  val 0.95
    """
    line = f"step {metrics['step']}  stage {metrics['stage']}"
    for name, key in (("right", "right"), ("reward", "reward"), ("code", "code_rate")):
        value = metrics[key]
        line += f"  {name} -" if value is None else f"  {name} {value:.2f}"
    line += f"  {seconds:.1f} s"
    if "val_accuracy" in metrics:
        line += f"  val {metrics['val_accuracy']:.2f}"
    return line


# ---- 7. validation, and what a run keeps ---------------------------------------------------------

@dataclass
class Progress:
    """What a resumed run needs beside weights and optimiser; a checkpoint's state.json holds it."""
    before: dict[str, Any]              # the report on the held-out questions before training
    pass_rates: list[float]             # of the training questions, the newest measurement
    step: int = 0                       # the last one that was trained
    best_step: int = 0                  # best in validation; 0: none yet
    best_accuracy: float = 0.0
    skipped: int = 0                    # steps in a row whose gradient was not finite


def validate(actor: Actor, validation: list[Instance], progress: Progress, step: int) -> float:
    """The share of validation questions that is right; notes the best step, of equals the later."""
    accuracy = actor.assess(validation, "validation")["accuracy"]
    if accuracy >= progress.best_accuracy:
        progress.best_step = step
        progress.best_accuracy = accuracy
    return accuracy


def keep_best(run: RunDir, learner: Learner, actor: Actor, held_out: list[Instance],
              progress: Progress) -> None:
    """Make the best checkpoint in validation the run's model, and ask it the held-out questions."""
    world = run.world
    best = run.checkpoints / f"step-{progress.best_step:06d}"
    if not world.on_main(lambda: is_whole(best)):
        raise SystemExit(f"{best}, the best in validation, is damaged (`sha256sum -c SHA256SUMS` "
                         f"names the file); the last one is in {run.checkpoints}, too")
    load_weights(learner.model, best)
    run.finish(learner.model, actor.chat.tokenizer)
    copy_weights(learner.model, actor.model, world)
    after = actor.assess(held_out, "held-out questions")
    modes = {actor.protocol.mode: after}
    if "text" not in modes:
        modes["text"] = actor.assess(held_out, "held-out questions", mode="text")
    report = {**after, "before": progress.before, "modes": modes, "step": progress.best_step}
    run.write("eval.json", json.dumps(report, indent=1) + "\n")
    world.say(report_table(after))
    world.say(f"held-out accuracy: {progress.before['accuracy']:.1%} before, "
              f"{after['accuracy']:.1%} after training (step {progress.best_step}, best of "
              f"validation), {modes['text']['accuracy']:.1%} when it may not run code")
    world.say(f"the model is in {run.path}; look at its training's answers with `python r1ci.py "
              f"show {run.path}`")


# ---- the loop ------------------------------------------------------------------------------------

def make_sides(args: argparse.Namespace, world: World,
               sandbox: Sandbox) -> tuple[Learner, Actor]:
    """The side that trains and the side that samples.

    The learner has the model with float32 master weights (sharded, if there are several ranks or a
    GPU), its optimiser, and what the flags add; the actor a plain copy of the model.
    """
    chat = Chat(load_tokenizer(args.model), args.format)
    model = load_sharded(args.model, world, replicas=args.replicas, offload=args.offload,
                         checkpointing=args.checkpointing)
    reference = None
    critic = None
    if args.kl_coef:
        # Whole on every rank, as the actor's copy is: it needs no collective calls.
        reference = load_model(args.model, world.device, world.dtype).eval()
    if args.advantage == "ppo":
        # A new head may learn ten times as fast as the policy (the factor is ours).
        critic = Critic(model.config.hidden_size, 10 * args.lr, world)
    optimizer = make_optimizer(model, args.lr, args.weight_decay, world)
    algorithm = Algorithm(**{name: getattr(args, name) for name in Algorithm.__dataclass_fields__})
    learner = Learner(model=model, optimizer=optimizer, reference=reference, critic=critic,
                      algorithm=algorithm, tokenizer_size=chat.tokenizer_size, world=world)
    plain_copy = load_model(args.model, world.device, world.dtype).eval()
    actor = Actor(model=plain_copy, chat=chat, sandbox=sandbox, protocol=protocol_of(args),
                  eval_temperature=args.eval_temperature, seed=args.seed)
    return learner, actor


def make_curriculum(args: argparse.Namespace, pass_rates: list[float], world: World) -> Curriculum:
    """The curriculum that the flags make of the pass rates; says what each stage adds."""
    if not any(pass_rates):
        world.say("note: no answer was right. While that is so, all rewards are equal, and nothing "
                  "is learned: begin with sft.py, easier questions or a larger --max-turn-tokens")
    elif not any(map(potential, pass_rates)):
        world.say("note: every question was solved always or never, so their order says nothing")
    world.say(f"of {len(pass_rates)} training questions {pass_rates.count(0)} were never answered "
              f"right and {pass_rates.count(1)} always: these teach nothing at first")
    stages, steps_per_stage = args.stages, args.steps_per_stage
    if args.order == "none":   # one stage, with the steps of them all
        stages, steps_per_stage = 1, args.stages * args.steps_per_stage
    curriculum = Curriculum([order_value(args.order, p) for p in pass_rates], stages,
                            merge=args.merge, steps_per_stage=steps_per_stage, seed=args.seed)
    for stage, band in enumerate(curriculum.bands, 1):
        values = [potential(pass_rates[i]) for i in band]
        world.say(f"stage {stage}: {len(band)} new questions, improvement potential "
                  f"{min(values):.2f} to {max(values):.2f}")
    return curriculum


def log_answers(run: RunDir, step: int, answers: list[Trajectory], rewards: list[float],
                advantages: list[float] | None) -> None:
    """Adds some answers of a step's first group to trajectories.jsonl, with the step and "group" 0,
    by which tasks/page.py finds them. Advantages None: PPO's, one a token.
    """
    for i, t in enumerate(answers):
        logps = [round(logp, 4) for logp, sampled in zip(t.logps, t.loss_mask) if sampled]
        advantage = None if advantages is None else round(advantages[i], 4)
        run.add_line("trajectories.jsonl", {"step": step, "group": 0, **t.to_json(), "logps": logps,
                                            "reward": rewards[i], "advantage": advantage})


def save_checkpoint(run: RunDir, learner: Learner, actor: Actor, progress: Progress) -> Path:
    extra_files = learner.critic.save if learner.critic else None
    return run.save(learner.model, learner.optimizer, actor.chat.tokenizer, state=vars(progress),
                    extra_files=extra_files)


def resume_or_measure(args: argparse.Namespace, run: RunDir, learner: Learner, actor: Actor,
                      questions: list[Instance], held_out: list[Instance]) -> Progress:
    """1. Where the run stands: at its newest checkpoint, or before step 1. Then p comes from

        --pass-rates              if that is typed
        OUT/pass_rates.jsonl      if this run was stopped after it had measured p
        a measurement             else
    """
    run.load(learner.model, learner.optimizer)
    if run.resumed:
        if learner.critic:
            learner.critic.load(run.resumed)
        return Progress(**{name: run.state[name] for name in Progress.__dataclass_fields__})
    left_here = run.path / "pass_rates.jsonl"
    pass_rates = None
    # Files are read first: a bad one should end the run before the long work.
    if args.pass_rates or left_here.exists():
        pass_rates = read_pass_rates(args.pass_rates or left_here, questions)
    before = actor.assess(held_out, "held-out questions")
    run.world.say(f"before training: {before['accuracy']:.1%} +- {before['stderr']:.1%} of "
                  f"{before['n']} held-out questions")
    if pass_rates is None:
        pass_rates = measure_pass_rates(args, run, actor, questions, stage=1)
    return Progress(before, pass_rates)


def choose_questions(args: argparse.Namespace, purpose: str, n: int,
                     seed: int = 0) -> list[Instance]:
    """n questions for a purpose: of each of --tasks, or of the user's file, which is one task."""
    if args.questions:
        return own_questions(args.questions, purpose, n)
    # A bar where it takes long: hundreds of hard ones of all tasks.
    tasks = tqdm(parse_tasks(args.tasks, args.level), desc="drawing questions", unit="task",
                 delay=3, leave=False, disable=os.environ.get("RANK", "0") != "0")
    return draw_questions(tasks, purpose, n, seed)


def train(args: argparse.Namespace, run: RunDir, sandbox: Sandbox, questions: list[Instance],
          validation: list[Instance], held_out: list[Instance]) -> None:
    """The seven steps; the run's directory then holds the best model and its eval.json."""
    world = run.world
    if args.questions:
        known = len(own_questions(args.questions, "rl"))
        world.say(f"{args.questions}: trains on {len(questions)} (--per-task) of the {known} "
                  f"questions for that, validates on {len(validation)}, holds out {len(held_out)}")
    learner, actor = make_sides(args, world, sandbox)
    algorithm = learner.algorithm
    # 1. Potential.
    progress = resume_or_measure(args, run, learner, actor, questions=questions, held_out=held_out)
    # 2. Curriculum.
    curriculum = make_curriculum(args, progress.pass_rates, world)
    steps = args.stages * args.steps_per_stage   # with --order none as many, all in one stage
    recent: deque[list[float]] = deque(maxlen=RECENT_STEPS)
    with Interrupt(world) as interrupt, tqdm(
            range(progress.step + 1, steps + 1), desc="training", unit="step",
            initial=progress.step, total=steps, disable=not world.main) as bar:
        for step in bar:
            switch_began = time.time()   # from training to sampling
            # The actor began with --model's weights: a resumed run's first step needs this, too.
            copy_weights(learner.model, actor.model, world)
            t_switch = time.time() - switch_began
            stage = curriculum.stage(step)
            stage_begins = step > 1 and stage > curriculum.stage(step - 1)
            if stage_begins and args.remeasure_every and (stage - 1) % args.remeasure_every == 0:
                # All questions are sorted anew, those of earlier stages, too.
                progress.pass_rates = measure_pass_rates(args, run, actor, questions, stage=stage)
                curriculum = make_curriculum(args, progress.pass_rates, world)
            # 3. Rollout.
            rollout_began = time.time()
            asked = [questions[i] for i in curriculum.batch(step, args.batch_size)]
            all_groups = answer_batch(actor, asked, args.group_size, step, world=world)
            [tokens] = world.sum(sum(t.response_len for group in all_groups for t in group))
            t_sample = time.time() - rollout_began
            problem = recent_problem(all_groups, recent, world)
            if problem:
                # `progress.step` and the weights are still those of the step before: a resumed run
                # does this step again (and what is measured before it, where it begins a stage).
                path = save_checkpoint(run, learner, actor, progress)
                raise SystemExit(f"{problem}; {path} resumes with --resume")
            # 4. Reward.
            update_began = time.time()
            groups = without_failures(all_groups)
            reward_of = REWARDS[algorithm.reward]
            rewards = [[reward_of(t) for t in group] for group in groups]
            if not all(math.isfinite(reward) for group in rewards for reward in group):
                raise SystemExit(f"--reward {algorithm.reward} is no finite number for an answer "
                                 f"of step {step}")
            # 5. Advantage. (PPO's are 0 here: `update` has `estimate_advantages` set them.)
            advantages = ADVANTAGES[algorithm.advantage](rewards, algorithm.std, world)
            # 6. Loss and update.
            if not args.keep_sampler:   # the copy that samples makes room for the update
                free_weights(actor.model)   # `copy_weights` brings it back
            lr = args.lr * min(step / max(args.warmup, 1), 1)
            chosen = choose_answers(groups, rewards, advantages, algorithm, world=world)
            update_metrics = update(learner, chosen, lr)
            t_update = time.time() - update_began
            progress.step = step
            all_skipped = update_metrics["skipped"] == algorithm.updates
            progress.skipped = progress.skipped + 1 if all_skipped else 0
            metrics = dict(step=step, stage=stage, **rollout_metrics(all_groups, world),
                           **reward_metrics(rewards, world), **update_metrics, lr=lr,
                           t_switch=t_switch, t_sample=t_sample, t_update=t_update,
                           tok_s=tokens / t_sample, mem_gb=memory_gb(world.device))
            # 7. Validation. (The last step ends the last stage: every run has a best step.)
            stage_ends = curriculum.stage(step + 1) > stage
            validates = stage_ends or (args.eval_every > 0 and step % args.eval_every == 0)
            if validates:
                copy_weights(learner.model, actor.model, world)
                metrics["val_accuracy"] = validate(actor, validation, progress, step)
            if stage_ends:
                example = all_groups[0][0]
                world.say(paint_trajectory({**example.to_json(), "reward": reward_of(example)},
                                           actor.chat.decode))
            # What is kept of the step: its numbers, and answers of its first group (all of them at
            # validations and at step 1, else one: the file stays small).
            run.take_place()   # a step is done: with --overwrite, the older run moves aside
            count = args.group_size if validates or step == 1 else 1
            shown = None if algorithm.advantage == "ppo" else advantages[0]
            log_answers(run, step, groups[0][:count], rewards=rewards[0], advantages=shown)
            run.log(metrics)
            world.say(step_line(metrics, seconds=t_switch + t_sample + t_update))
            bar.set_postfix(reward=metrics["reward"], refresh=False)
            check_gradients(progress.skipped, steps)
            # A checkpoint, and the end of the program if it was asked for.
            stop = interrupt.wanted() or step == args.stop_after
            if stop or validates or (args.save_every and step % args.save_every == 0):
                path = save_checkpoint(run, learner, actor, progress)
                if stop and step < steps:   # after the last step nothing is left to stop
                    world.say(f"stopped after step {step}; the same command with --resume (in the "
                              f"place of --overwrite) goes on from {path}")
                    raise SystemExit(interrupt.status)
    # Outside of the `with`: after a signal in the last step, --resume does this.
    keep_best(run, learner, actor, held_out, progress)


# ---- one update in numbers (--explain) -----------------------------------------------------------

def explain(args: argparse.Namespace, world: World, sandbox: Sandbox) -> None:
    """Steps 3 to 6 on one group, on the screen; nothing is written.

    During a single update, the default, all ratios are 1. So the answers are scored again after the
    last update, and that ratio is shown: what a further update would clip.
    """
    learner, actor = make_sides(args, world, sandbox)
    algorithm = learner.algorithm
    # Of some questions of each task, the first whose answers earn different rewards.
    asked = choose_questions(args, "rl", 8 if args.questions else 2, args.seed)
    groups = without_failures(answer_batch(actor, asked, args.group_size, step=1, world=world))
    reward_of = REWARDS[algorithm.reward]
    varied = [group for group in groups if has_variance(list(map(reward_of, group)))]
    if not varied:
        raise SystemExit("no group has different rewards, so there is nothing to learn: "
                         "try another --seed, or a larger --group-size")
    group = varied[0]
    rewards = [reward_of(t) for t in group]
    [advantages] = ADVANTAGES[algorithm.advantage]([rewards], algorithm.std, world)
    answers = choose_answers([group], [rewards], [advantages], algorithm, world=world)
    # A best and a worst answer, of equals the shortest, will be shown token by token.
    best = max(answers, key=lambda answer: (answer.advantage, -sum(answer.mask)))
    worst = min(answers, key=lambda answer: (answer.advantage, sum(answer.mask)))

    @torch.no_grad()
    def logps_of(answer: TrainedAnswer) -> Tensor:
        [batch] = policy_batches([answer], algorithm, world)
        return learner.score(learner.model, batch).logps

    old_logps = [logps_of(best), logps_of(worst)]
    learned = update(learner, answers, args.lr)
    many = "one update" if algorithm.updates == 1 else f"{algorithm.updates} updates"
    print(f"{many} of {args.model}\n{explain_group(group, rewards, advantages)}")
    print(EXPLAIN_LEGEND)
    for answer, old in zip((best, worst), old_logps):
        new = logps_of(answer)
        advantage = torch.full_like(old, answer.advantage)
        _, clipped = policy_loss(new - old, advantage, torch.ones_like(old),
                                 clip_low=algorithm.clip_low, clip_high=algorithm.clip_high)
        t = answer.trajectory
        texts = [actor.chat.decode([token]) for token in t.ids[t.prompt_len:]]
        print(f"\nanswer {t.number}, advantage {answer.advantage:.3f}")
        print(explain_tokens(texts, answer.mask[t.prompt_len:], old_logps=old.tolist(),
                             new_logps=new.tolist(), clipped=clipped.tolist()))
    print(f"\nloss {learned['loss']:.6f}  grad_norm {learned['grad_norm']:.3f}  "
          f"clipfrac {learned['clipfrac']:.3f}  lr {args.lr:g}")


# ---- PPO: an advantage for every token (--advantage ppo) -----------------------------------------

GAE_LAMBDA = 1.0   # 1 trusts the rewards alone, 0 the critic's next value


def gae(values: list[float], reward: float, gae_lambda: float) -> list[float]:
    """Generalised advantage estimates of an answer's n tokens (Schulman et al. 2016, equation 16).

    values[t] is what the critic expects before token t, the reward comes after the last one; gamma
    is 1. With lambda = 1 an estimate is reward - values[t].

        delta[t] = values[t + 1] - values[t]        and reward - values[t] at the end
        advantage[t] = delta[t] + lambda * advantage[t + 1]
    """
    advantages = [0.0] * len(values)
    following_value, following_advantage = reward, 0.0
    for t in reversed(range(len(values))):
        delta = following_value - values[t]
        advantages[t] = delta + gae_lambda * following_advantage
        following_value, following_advantage = values[t], advantages[t]
    return advantages


def estimate_advantages(batches: list[PolicyBatch], values: list[Tensor], algorithm: Algorithm,
                        world: World) -> None:
    """Fill in every token's advantage, whitened over all ranks, and the return its value should be.

    `values` has one tensor [N] a batch: what the critic expects before each of its trained tokens.
    """
    raw: list[list[float]] = []   # a list for each batch, with a number for each token
    for batch, batch_values in zip(batches, values):
        estimates: list[float] = []   # of its tokens, row by row
        for answer_values, reward in zip(batch_values.split(batch.lengths), batch.rewards):
            estimates += gae(answer_values.tolist(), reward, GAE_LAMBDA)
        # return = value + advantage: what the critic should have said.
        batch.returns = batch_values + torch.tensor(estimates, device=world.device)
        raw.append(estimates)
    for batch, advantages in zip(batches, whiten(raw, algorithm.std, world)):
        batch.advantages = torch.tensor(advantages, device=world.device)


class Critic:
    """PPO's value function: a linear map of the policy's last hidden states, equal on every rank.

    It has its own Adam and reads the hidden states without sending a gradient back into the policy.
    """
    FILE = "value_head.pt"

    def __init__(self, width: int, lr: float, world: World):
        self.lr, self.world = lr, world
        self.head = nn.Linear(width, 1, device=world.device)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)   # all values are 0 at first: the first estimates are rewards
        self.optimizer = make_optimizer(self.head, lr, 0.0, world)

    def __call__(self, hidden: Tensor) -> Tensor:
        """[N, D] -> values [N] in float32."""
        return self.head(hidden.detach().float()).squeeze(-1)

    def loss(self, hidden: Tensor, batch: PolicyBatch) -> Tensor:
        """Half the squared error of the values, weighted as in the policy loss."""
        return 0.5 * (batch.weights * (self(hidden) - batch.returns) ** 2).sum()

    def step(self) -> None:
        """One step of Adam, as the policy's: on the gradient of all ranks' answers."""
        for parameter in self.head.parameters():
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= self.world.size   # `update` multiplies the loss, as for FSDP
        optimizer_step(self.head, self.optimizer, self.lr, max_grad_norm=0)   # 0: any

    def save(self, directory: Path) -> None:
        state = {"head": self.head.state_dict(), "optimizer": self.optimizer.state_dict()}
        try:
            torch.save(state, directory / self.FILE)
        except RuntimeError as error:   # a full disk, which other libraries call an OSError
            raise SystemExit(f"{directory}: {error}")

    def load(self, directory: Path) -> None:
        state = torch.load(directory / self.FILE, map_location=self.world.device, weights_only=True)
        self.head.load_state_dict(state["head"])
        self.optimizer.load_state_dict(state["optimizer"])


# ---- command line --------------------------------------------------------------------------------

# What --preset changes of the flags' defaults (the tiny model's). Each flag can still be given.
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {},
    "quick": dict(   # 20 steps, for a first look or an exercise in class
        per_task=20,
        potential_samples=4,
        steps_per_stage=5,
        batch_size=8,
        eval_every=5,
        val_n=8,
        eval_n=24,
    ),
    "laptop": dict(   # a real model of 135 million parameters, after sft.py --preset laptop
        model="runs/laptop-sft",
        out="runs/laptop-grpo",
        tasks="laptop",
        per_task=6,
        potential_samples=4,
        steps_per_stage=10,
        batch_size=8,
        lr=1e-5,
        max_turn_tokens=192,
        max_tokens=448,
        micro_tokens=2048,
        slots=64,
        val_n=2,
        eval_n=8,
    ),
    "paper": dict(   # arXiv 2505.21668 v2; "ours": the paper does not tell
        tasks="train",                            # its 107 training tasks
        level=3,                                  # ours
        per_task=100,                             # ours
        agents=["text", "code", "ci", "guided"],  # its four agents
        potential_samples=5,                      # five answers each: 20 for a question
        order="potential",                        # its section on the multi-stage curriculum
        stages=4,                                 # four bands of equal size
        merge=True,                               # stage k trains on the k best bands
        steps_per_stage=150,                      # as it says
        reward="v2",                              # right, format, turns
        advantage="grpo",                         # and PPO and REINFORCE++ in comparison
        std=True,                                 # GRPO's
        norm="sequence",                          # GRPO's
        mask_tool_output=True,                    # its finding 3
        kl_coef=0.001,                            # as it says
        clip_low=0.2,                             # ours: what the frameworks it builds on use
        clip_high=0.2,                            # ours, the same
        updates=1,                                # ours: one step on the whole batch of a rollout
        batch_size=128,                           # as it says
        group_size=5,                             # as it says
        lr=1e-6,                                  # as it says
        warmup=10,                                # ours
        temperature=1.0,                          # as it says
        eval_temperature=0.6,                     # as it says
        max_calls=8,                              # as it says (v1: 5)
        code_timeout=60.0,                        # as it says
        max_turn_tokens=2048,                     # ours
        max_tokens=8192,                          # ours
        tool_chars=4000,                          # ours
        micro_tokens=16384,                       # ours
        eval_every=50,                            # ours
    ),
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """All flags of grpo.py in the order of the algorithm."""
    switch = argparse.BooleanOptionalAction
    parser.add_argument("--preset", choices=PRESETS, default="tiny",
                        help="defaults of the other flags: tiny, the tiny model's run; quick, "
                        "20 steps in one to three minutes; laptop, a real model of 135 "
                        "million parameters; paper, arXiv 2505.21668's")
    parser.add_argument("--explain", action="store_true",
                        help="show one update on one group in numbers, and write nothing")
    add_run_flags(parser, "runs/grpo")
    add = parser.add_argument_group("questions").add_argument
    add("--model", default="runs/sft", help="Hugging Face directory or hub id to start from")
    add("--tasks", default=TINY_TASKS, help=TASKS_HELP)
    add("--level", type=int, choices=LEVELS, default=1, help="level of the questions")
    add("--questions", metavar="FILE",
        help="your own in place of --tasks, as one task: JSON lines of question and answer; by the "
             "hash of its text a question trains (3 in 5), validates (1) or is held out (1); right "
             "is what equals the answer as a number or as a text")
    add("--per-task", type=whole(1), default=60, help="training questions of each task")

    add = parser.add_argument_group("curriculum (steps 1 and 2)").add_argument
    add("--agents", nargs="+", choices=MODES, help="modes whose answers measure p (that of --mode)")
    add("--potential-samples", type=whole(1), default=8,
        help="answers of each agent to a question to measure p")
    add("--pass-rates", metavar="FILE",
        help="take p from a pass_rates.jsonl, or from the verdicts in a trajectories.jsonl")
    add("--order", choices=("potential", "difficulty", "none"), default="potential",
        help="begin with high 4p(1-p), with high p, or anywhere")
    add("--stages", type=whole(1), default=4, help="equal bands of questions, one after another")
    add("--merge", action=switch, default=True, help="let a stage train on all bands so far")
    add("--steps-per-stage", type=whole(1), default=15, help="rollouts of each stage")
    add("--remeasure-every", type=whole(0), default=0, metavar="N",
        help="measure p again after every N stages; 0: never")

    # Their defaults are those of `Algorithm`, in section 6: see the end of this function.
    add = parser.add_argument_group("reward, advantage and loss (steps 4 to 6)").add_argument
    add("--reward", choices=REWARDS,
        help="v1: right or wrong; v2: with the paper's terms for format and turns")
    add("--advantage", choices=ADVANTAGES,
        help="compare a reward with its group, with the whole batch, or with a critic's value")
    add("--std", action=switch, help="divide advantages by their standard deviation")
    add("--norm", choices=("sequence", "token", "constant"),
        help="the loss is a mean over answers (the paper's), over tokens, or over --max-tokens")
    add("--clip-low", type=real(0, 1), help="the probability ratio may fall by this")
    add("--clip-high", type=real(0), help="the probability ratio may rise by this")
    add("--kl-coef", type=real(0), help="weight of the KL from the first model")
    add("--mask-tool-output", action=switch, help="keep what the sandbox wrote out of the loss")
    add("--updates", type=whole(1),
        help="optimiser steps a rollout; with 1 the ratio is 1, and nothing is clipped")

    add = add_training_flags(parser, "questions", batch_size=16, lr=1e-4, warmup=5)
    add("--group-size", type=whole(1), default=8, help="answers to each question")
    add("--keep-sampler", action=switch, default=True,
        help="keep the actor's copy of the weights in device memory during the update")

    add = parser.add_argument_group("validation (step 7)").add_argument
    add("--eval-every", type=whole(0), default=10,
        help="steps between validations, each with a checkpoint; 0: at the end of a stage only")
    add("--val-n", type=whole(1), default=20, help="validation questions of each task")
    add("--eval-n", type=whole(1), default=72, help="held-out questions of each task")
    add("--eval-temperature", type=real(0), default=0.6, help="of sampling in both")
    add_protocol_flags(parser, temperature=Algorithm.temperature)
    parser.set_defaults(**{field.name: field.default for field in fields(Algorithm)
                           if field.default is not MISSING})


def parse_flags(parser: CommandLine) -> argparse.Namespace:
    """What is typed; else the preset's values; else how --model's own run has asked it.

    Flags with which no run makes sense are refused.
    """
    args = parse_with_preset(parser, PRESETS)
    preset = PRESETS[args.preset]
    flags = flags_of_run(Path(args.model))
    # Typed > preset > the model's run > default (INHERITED in r1ci.py says how). Where the preset
    # has a value, the run's is left out: as an argument it would beat the preset, which has become
    # the parser's defaults.
    inherited = inherited_arguments({name: flags[name] for name in flags if name not in preset})
    args = parser.parse_after_run(inherited, sys.argv[1:], args.model)
    if args.group_size < 2 and args.advantage == "grpo":
        parser.error("--group-size must be at least 2: an advantage compares a group's answers")
    if args.temperature <= 0:
        parser.error("--temperature must be above 0: greedy answers to a question are all the same")
    if args.explain and args.advantage == "ppo":
        parser.error("--explain shows one advantage an answer: --advantage ppo has one a token")
    if args.questions and args.tasks != parser.get_default("tasks"):
        parser.error("--tasks, --questions: only one of them can choose questions")
    if args.questions:
        args.tasks = None   # so that the flags, as they are saved, name what chose the questions
    args.agents = args.agents or [args.mode]
    return args


def main() -> None:
    parser = CommandLine("Reinforcement learning with a curriculum; without arguments, the tiny "
                         "model on a CPU.")
    parser.epilog = f"{TAKEN_OVER} {STEP_LEGEND}"
    add_flags(parser)
    args = parse_flags(parser)
    # Wrong --tasks, --stages or files end the program before --out is touched. No question has two
    # purposes: the hash of its text decides (`purpose_of` in tasks/base.py).
    questions = choose_questions(args, "rl", args.per_task, args.seed)
    validation = choose_questions(args, "val", args.val_n)
    held_out = choose_questions(args, "eval", args.eval_n)
    if args.order != "none" and args.stages > len(questions):
        parser.error(f"--stages {args.stages}: there are only {len(questions)} training questions")
    if args.pass_rates and not args.resume:   # a checkpoint holds p
        read_pass_rates(args.pass_rates, questions)
    world = check_and_start(parser, args)
    with (checked_sandbox(args.workers, args.code_timeout, args.allow_weak) as sandbox,
          explain_lost_rank(world)):
        if args.explain:
            if world.size > 1:
                raise SystemExit("--explain shows one process's update: leave out torchrun")
            with quiet_pipe():
                explain(args, world, sandbox)
            return
        # The flags that a run notes, and --resume compares: without --explain, and with digests of
        # the files.
        del args.explain
        flags = dict(vars(args), model_sha256=world.on_main(lambda: model_sha256(args.model)))
        if args.questions:
            flags["questions_sha256"] = sha256(args.questions)
        run = RunDir(flags, world, sandbox)
        train(args, run, sandbox, questions, validation=validation, held_out=held_out)


if __name__ == "__main__":
    main()
