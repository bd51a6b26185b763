"""grpo.py -- reinforcement learning on questions whose answers can be checked, with code that really runs.

    python grpo.py                                                     the tiny model of runs/sft, on a CPU
    torchrun --nproc_per_node 8 grpo.py --model DIR --lr 1e-6          a fine-tuned model on eight GPUs

1. Measure how often the model solves each training question: p. Its improvement potential is 4 p (1 - p): what is
   always or never solved has nothing to teach, since all answers of its group get the same reward.
2. Curriculum: sort by potential, cut into equal groups, train on the best group first, then on the two best, ...
3. Roll out: G conversations per question, scripts running in the sandbox between the turns.
4. Reward: 1 if the task's verifier accepts the answer, else 0.
5. Advantage: the reward less the mean of its group, over the group's standard deviation.
6. Update: the clipped policy gradient on the tokens the model sampled. What the sandbox wrote is not in the loss.
7. Validate now and then, keep the best, and measure it on held-out questions that nothing else has seen.

The paper (arXiv 2505.21668 v2) uses G = 5, learning rate 1e-6, KL 0.001, 4 stages of 150 steps. The defaults here are
the tiny model's.
"""
import argparse
import json
import math
import random
import time
from collections import defaultdict
from typing import Any

from r1ci import (Chat, Interrupt, Protocol, RunDir, Trajectory, World, accumulate, add_protocol_flags,
                  add_run_flags, check_model, check_tool_failures, checked_sandbox, command_line, compute_dtype,
                  copy_weights, evaluate, load_model, load_tokenizer, memory_gb, micro_batches,
                  optimizer_step, pad, paint_trajectory, protocol_of, report_table, rollout, save_model,
                  shard, start_world, token_logps)
import torch
from torch import Tensor
from tqdm import tqdm

from sandbox import Sandbox
from sft import TINY_TASKS
from tasks import LEVELS, Instance
from tasks.questions import draw_questions, parse_tasks, read_jsonl


# ---- 1, 2. improvement potential and curriculum ----------------------------------------------------------------------

def potential(pass_rate: float) -> float:
    """Improvement potential 4 p (1 - p) of a question solved with probability p (paper, multi-stage curriculum)."""
    return 4 * pass_rate * (1 - pass_rate)


class Curriculum:
    """Which questions each step trains on. It has no state: a batch follows from pass rates, seed and step."""

    def __init__(self, pass_rates: list[float], stages: int, steps_per_stage: int, order: str, seed: int):
        rank = {"potential": lambda i: -potential(pass_rates[i]), "difficulty": lambda i: -pass_rates[i],
                "none": lambda i: 0}[order]
        ranked = sorted(range(len(pass_rates)), key=lambda i: (rank(i), i))  # best first
        if order == "none":
            stages = 1
        cuts = [round(len(ranked) * k / stages) for k in range(1, stages + 1)]
        self.pools = [ranked[:cut] for cut in cuts]  # stage k: its own group and all better ones
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


def measure_pass_rates(model: torch.nn.Module, chat: Chat, sandbox: Sandbox, questions: list[Instance], samples: int,
                       protocol: Protocol, seed: int, world: World) -> list[float]:
    """The share of right answers to every question, as the policy stands before training."""
    mine = questions[world.rank::world.size]
    with tqdm(total=len(mine) * samples, desc="improvement potential", unit="row", disable=not world.main,
              leave=False) as progress:
        groups = rollout(model, chat, sandbox, mine, samples, protocol, (seed, "potential"), progress)
    check_tool_failures([t for group in groups for t in group])
    parts = world.gather([sum(t.reward for t in group) / samples for group in groups])
    return [parts[i % world.size][i // world.size] for i in range(len(questions))]


# ---- 5. advantages ---------------------------------------------------------------------------------------------------

def group_advantages(rewards: list[float], divide_by_std: bool) -> list[float]:
    """(r - mean) / std over one group (GRPO; DeepSeekMath, section 4.1), with the population's standard deviation.

    Without the division, Dr. GRPO's. All zero if the rewards are equal.
    """
    mean = sum(rewards) / len(rewards)
    centred = [r - mean for r in rewards]
    std = (sum(c * c for c in centred) / len(centred)) ** 0.5
    if std < 1e-6:
        return [0.0] * len(rewards)
    return [c / std for c in centred] if divide_by_std else centred


def token_weights(lengths: list[int], norm: str, rows: int, tokens: int, max_tokens: int) -> list[float]:
    """What a token of each row counts in the loss. `rows` and `tokens` are totals over the step and all ranks.

    "sequence": the mean over rows of the mean over a row's tokens (GRPO, the paper's);
    "token": the mean over all tokens (DAPO); "constant": over rows * max_tokens (Dr. GRPO).
    """
    return [{"sequence": 1 / (rows * max(length, 1)), "token": 1 / tokens, "constant": 1 / (rows * max_tokens)}[norm]
            for length in lengths]


# ---- 6. the loss -----------------------------------------------------------------------------------------------------

def policy_loss(logps: Tensor, old_logps: Tensor, advantages: Tensor, weights: Tensor, clip_low: float,
                clip_high: float) -> tuple[Tensor, Tensor]:
    """Clipped policy-gradient loss over trained tokens, all arguments [N] -> (loss, weighted share that is clipped).

    ratio = pi / pi_old; a token's gain is min(ratio * A, clip(ratio, 1 - low, 1 + high) * A) (PPO, equation 7).
    """
    ratio = (logps - old_logps).clamp(-20, 20).exp()
    gain = ratio * advantages
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high) * advantages
    with torch.no_grad():
        share = (clipped < gain).float().mul(weights).sum()
    return -(weights * torch.minimum(gain, clipped)).sum(), share


def kl_estimate(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """KL(pi || reference) at every token by the k3 estimator exp(d) - d - 1, d = ref_logp - logp, clamped to +-20."""
    d = (ref_logps - logps).clamp(-20, 20)
    return d.exp() - d - 1


@torch.no_grad()
def score(model: torch.nn.Module, rows: list[Trajectory], micro_tokens: int, vocab_size: int, temperature: float,
          device: torch.device) -> list[Tensor]:
    """Log-probabilities of each row's trained tokens under an unsharded model."""
    scores: list[Tensor] = [torch.empty(0)] * len(rows)
    for batch in micro_batches([len(row.ids) for row in rows], micro_tokens):
        ids = pad([rows[i].ids for i in batch], 0, device)
        mask = pad([rows[i].loss_mask for i in batch], 0, device)
        logps, _ = token_logps(model, ids, mask, vocab_size, temperature)
        for i, part in zip(batch, logps.split([rows[i].response_len for i in batch])):
            scores[i] = part
    return scores


def update(model: torch.nn.Module, optimizer: torch.optim.Optimizer, rows: list[Trajectory], advantages: list[float],
           counts: tuple[float, float], reference: torch.nn.Module | None, world: World, vocab_size: int, *,
           updates: int, norm: str, max_tokens: int, clip_low: float, clip_high: float, kl_coef: float,
           temperature: float, micro_tokens: int, lr: float, clip: float) -> dict[str, float]:
    """`updates` optimiser steps on the rows of this rank; `counts` = (rows, trained tokens) of all ranks.

    The first step's own log-probabilities are the old ones: the weights are those the rows were sampled with.
    """
    device = world.device
    weights = token_weights([row.response_len for row in rows], norm, int(counts[0]), int(counts[1]), max_tokens)
    ref_logps = score(reference, rows, micro_tokens, vocab_size, temperature, device) if reference is not None else []
    sampler_logps = [torch.tensor([p for p, m in zip(row.logps, row.loss_mask) if m], device=device) for row in rows]
    old_logps: list[Tensor] = [torch.empty(0)] * len(rows)
    metrics: dict[str, float] = defaultdict(float)
    spread = lambda values, batch: torch.cat([torch.full((rows[i].response_len,), values[i], device=device)
                                              for i in batch]) if batch else torch.empty(0, device=device)
    join = lambda parts, batch: torch.cat([parts[i] for i in batch]) if batch else torch.empty(0, device=device)

    for step in range(updates):
        def loss_of(batch: list[int], logps: Tensor, entropies: Tensor) -> Tensor:
            if step == 0:
                for i, part in zip(batch, logps.detach().split([rows[i].response_len for i in batch])):
                    old_logps[i] = part
                d = logps.detach() - join(sampler_logps, batch)
                p = logps.detach().exp()
                metrics["dp_sum"] += (p - (logps.detach() - d).exp()).abs().sum().item()
                metrics["dlogp_max"] = max(metrics["dlogp_max"], d.abs().max().item() if batch else 0.0)
                metrics["sampler_kl_sum"] += (d.exp() - d - 1).sum().item()
                metrics["entropy_sum"] += entropies.sum().item()
                metrics["tokens"] += len(logps)
            each = spread(weights, batch)
            loss, clipped = policy_loss(logps, join(old_logps, batch), spread(advantages, batch), each, clip_low,
                                        clip_high)
            metrics["clipfrac"] += clipped.item() / updates
            if reference is not None:
                kl = (each * kl_estimate(logps, join(ref_logps, batch))).sum()
                metrics["kl"] += kl.item() / updates
                loss = loss + kl_coef * kl
            metrics["loss"] += loss.item() / updates
            return loss

        accumulate(model, [row.ids for row in rows], [row.loss_mask for row in rows], world, micro_tokens, vocab_size,
                   temperature, loss_of)
        metrics["grad_norm"] = optimizer_step(model, optimizer, lr, clip)
        metrics["skipped"] += not math.isfinite(metrics["grad_norm"])
    keys = ("loss", "clipfrac", "kl", "dp_sum", "sampler_kl_sum", "entropy_sum", "tokens")
    total = dict(zip(keys, world.sum(*(metrics[key] for key in keys))))
    tokens = max(total["tokens"], 1)
    return dict(loss=total["loss"], kl=total["kl"], clipfrac=total["clipfrac"], entropy=total["entropy_sum"] / tokens,
                grad_norm=metrics["grad_norm"], dp_mean=total["dp_sum"] / tokens,
                dlogp_max=max(world.gather(metrics["dlogp_max"])), sampler_kl=total["sampler_kl_sum"] / tokens,
                skipped=int(metrics["skipped"]))


# ---- the loop --------------------------------------------------------------------------------------------------------

def choose_rows(groups: list[list[Trajectory]], divide_by_std: bool, drop_truncated: bool) \
        -> tuple[list[Trajectory], list[float], dict[str, float]]:
    """The rows that enter the loss with their advantages, and how many rows and tokens the loss is a mean over.

    Rows the sandbox failed are void. Rows cut off by a budget stay in the baseline and, if `drop_truncated`, leave the
    loss. Groups without variance are counted in the mean but not computed: their policy gradient is zero (so is then
    their share of the KL term, which is taken over the computed rows only).
    """
    rows, advantages = [], []
    counts = dict(rows=0.0, tokens=0.0, groups=0.0, zero_std_groups=0.0)
    for group in groups:
        group = [t for t in group if t.stop_reason != "tool_failure"]
        if not group:
            continue
        its = group_advantages([t.reward for t in group], divide_by_std)
        counts["groups"] += 1
        counts["zero_std_groups"] += not any(its)
        for t, advantage in zip(group, its):
            if drop_truncated and t.stop_reason == "budget":
                continue
            counts["rows"] += 1
            counts["tokens"] += t.response_len
            if any(its):
                rows.append(t)
                advantages.append(advantage)
    return rows, advantages, counts


def rollout_metrics(groups: list[list[Trajectory]], world: World) -> dict[str, float]:
    """Means over the rows of all ranks."""
    rows = [t for group in groups for t in group]
    right = [t for t in rows if t.reward > 0]
    sums = world.sum(len(rows), sum(t.reward for t in rows), sum(t.reward > 0 for t in rows),
                     sum(t.calls > 0 for t in rows), sum(t.calls for t in rows), sum(t.response_len for t in rows),
                     sum(t.stop_reason == "budget" for t in rows), sum(t.stop_reason == "tool_failure" for t in rows),
                     sum(sum(t.logps) for t in right), sum(t.response_len for t in right))
    n = sums[0]
    return dict(reward=sums[1] / n, pass_rate=sums[2] / n, code_rate=sums[3] / n, calls=sums[4] / n,
                response_len=sums[5] / n, truncated=sums[6] / n, tool_failure=sums[7] / n,
                right_logp=sums[8] / max(sums[9], 1))


def main() -> None:
    parser = command_line("GRPO with a curriculum; without arguments, the tiny model on a CPU.")
    add_run_flags(parser, "runs/grpo")
    group = parser.add_argument_group("questions")
    group.add_argument("--model", default="runs/sft", help="Hugging Face directory or hub id to start from")
    group.add_argument("--tasks", default=TINY_TASKS, help="names, name@level, suites, train or all")
    group.add_argument("--level", type=int, choices=LEVELS, default=1, help="of the questions")
    group.add_argument("--per-task", type=int, default=60, help="training questions per task")
    group = parser.add_argument_group("curriculum")
    group.add_argument("--order", choices=("potential", "difficulty", "none"), default="potential",
                       help="what comes first: high 4p(1-p), high p, or no order")
    group.add_argument("--stages", type=int, default=4, help="groups, merged one after another")
    group.add_argument("--steps-per-stage", type=int, default=20, help="optimiser steps of each stage")
    group.add_argument("--potential-samples", type=int, default=8, help="answers per question to measure p")
    group.add_argument("--pass-rates", help="reuse a pass_rates.jsonl instead of measuring")
    group = parser.add_argument_group("training")
    group.add_argument("--batch-size", type=int, default=16, help="questions per step")
    group.add_argument("--group-size", type=int, default=8, help="answers per question")
    group.add_argument("--lr", type=float, default=1e-4, help="learning rate")
    group.add_argument("--warmup", type=int, default=5, help="steps of warm-up")
    group.add_argument("--updates", type=int, default=1, help="optimiser steps per rollout")
    group.add_argument("--norm", choices=("sequence", "token", "constant"), default="sequence",
                       help="loss: mean per sequence (the paper's), per token, or by a constant")
    group.add_argument("--std", action=argparse.BooleanOptionalAction, default=True,
                       help="divide advantages by the group's standard deviation")
    group.add_argument("--drop-truncated", action="store_true", help="keep rows cut off by a budget out of the loss")
    group.add_argument("--clip-low", type=float, default=0.2, help="ratio may fall by")
    group.add_argument("--clip-high", type=float, default=0.2, help="ratio may rise by")
    group.add_argument("--kl-coef", type=float, default=0.0, help="weight of the KL to the first model")
    group.add_argument("--weight-decay", type=float, default=0.0, help="of AdamW")
    group.add_argument("--clip", type=float, default=1.0, help="largest gradient norm")
    group.add_argument("--micro-tokens", type=int, default=1024, help="padded tokens per forward pass")
    group = parser.add_argument_group("evaluation")
    group.add_argument("--eval-every", type=int, default=10, help="steps between validations; each saves a checkpoint")
    group.add_argument("--val-n", type=int, default=20, help="validation questions per task")
    group.add_argument("--eval-n", type=int, default=72, help="held-out questions per task")
    group.add_argument("--eval-temperature", type=float, default=0.6, help="of sampling in validation and evaluation")
    group.add_argument("--show-every", type=int, default=20, help="steps between printed conversations; 0: none")
    add_protocol_flags(parser, temperature=1.0)
    args = parser.parse_args()
    if args.group_size < 2:
        parser.error("--group-size must be at least 2: an advantage compares the answers of a group")
    tasks = parse_tasks(args.tasks, args.level)
    world = start_world(args.device)
    if args.batch_size % world.size:
        parser.error(f"--batch-size {args.batch_size} does not divide over {world.size} ranks")
    check_model(args.model)  # a wrong --model ends the program before --out is touched
    with checked_sandbox(args.workers, args.code_timeout) as sandbox:
        run = RunDir(args.out, vars(args), world, args.resume, args.overwrite, sandbox)
        train(args, run, world, sandbox, tasks)


def train(args: argparse.Namespace, run: RunDir, world: World, sandbox: Sandbox, tasks: list[tuple[str, int]]) -> None:
    say = lambda text: tqdm.write(text) if world.main else None
    protocol, eval_protocol = protocol_of(args), protocol_of(args, temperature=args.eval_temperature)
    dtype = compute_dtype(world.device)
    tokenizer = load_tokenizer(args.model)
    chat = Chat(tokenizer)
    model = shard(load_model(args.model, world.device), world)     # float32 master weights, sharded
    sampler = load_model(args.model, world.device, dtype).eval()   # a plain copy that rolls out
    reference = load_model(args.model, world.device, dtype).eval() if args.kl_coef else None
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=args.weight_decay)
    questions = draw_questions(tasks, "rl", args.per_task, args.seed)
    validation = draw_questions(tasks, "val", args.val_n)
    held_out = draw_questions(tasks, "eval", args.eval_n)

    def assess(instances: list[Instance], mode: str, title: str) -> dict[str, Any]:
        its = Protocol(**{**vars(eval_protocol), "mode": mode})
        return evaluate(sampler, chat, sandbox, instances, 1, its, args.seed, world, title)[0]

    # 1. Improvement potential.
    if run.resumed:
        state = run.load(model, optimizer)
        before, pass_rates = state["before"], state["pass_rates"]
    else:
        before = assess(held_out, args.mode, "held-out questions")
        say(f"before training: {100 * before['accuracy']:.1f}% +- {100 * before['stderr']:.1f}% of {before['n']} "
            "held-out questions")
        if args.pass_rates:
            known = {(line["task"], line["level"], line["seed"]): line["pass_rate"]
                     for _, line in read_jsonl(args.pass_rates)}
            missing = [q for q in questions if (q.task, q.level, q.seed) not in known]
            if missing:
                raise SystemExit(f"{args.pass_rates} lacks {len(missing)} of {len(questions)} questions: measure again")
            pass_rates = [known[q.task, q.level, q.seed] for q in questions]
        else:
            pass_rates = measure_pass_rates(sampler, chat, sandbox, questions, args.potential_samples, protocol,
                                            args.seed, world)
        state = dict(step=0, before=before, pass_rates=pass_rates, best=None)
        if world.main:
            lines = [dict(task=q.task, level=q.level, seed=q.seed, samples=args.potential_samples, pass_rate=p,
                          potential=potential(p)) for q, p in zip(questions, pass_rates)]
            run.write("pass_rates.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    # 2. Curriculum.
    curriculum = Curriculum(pass_rates, args.stages, args.steps_per_stage, args.order, args.seed)
    steps = args.steps_per_stage * args.stages
    for k, pool in enumerate(curriculum.pools, 1):
        values = [potential(pass_rates[i]) for i in pool]
        say(f"stage {k}: {len(pool)} questions, improvement potential {min(values):.2f} to {max(values):.2f}")
    interrupt = Interrupt(world)
    with tqdm(range(state["step"] + 1, steps + 1), desc="training", unit="step", initial=state["step"], total=steps,
              disable=not world.main) as bar:
        for step in bar:
            # 3, 4. Rollout and reward.
            began = time.time()
            copy_weights(model, sampler)
            batch = [questions[i] for i in curriculum.batch(step, args.batch_size)][world.rank::world.size]
            groups = rollout(sampler, chat, sandbox, batch, args.group_size, protocol, (args.seed, step))
            check_tool_failures([t for part in world.gather([t for g in groups for t in g]) for t in part])
            sampled = time.time()
            # 5, 6. Advantage and update.
            rows, advantages, counts = choose_rows(groups, args.std, args.drop_truncated)
            totals = dict(zip(counts, world.sum(*counts.values())))
            lr = args.lr * min(step / args.warmup, 1) if args.warmup else args.lr
            learned = update(model, optimizer, rows, advantages, (totals["rows"], totals["tokens"]), reference, world,
                             chat.vocab_size, updates=args.updates, norm=args.norm, max_tokens=args.max_tokens,
                             clip_low=args.clip_low, clip_high=args.clip_high, kl_coef=args.kl_coef,
                             temperature=args.temperature, micro_tokens=args.micro_tokens, lr=lr, clip=args.clip)
            rolled = rollout_metrics(groups, world)
            t_sample, t_update = sampled - began, time.time() - sampled
            metrics = dict(step=step, stage=curriculum.stage(step), **rolled,
                           zero_std_groups=totals["zero_std_groups"] / max(totals["groups"], 1), **learned, lr=lr,
                           t_sample=t_sample, t_update=t_update, tok_s=totals["tokens"] / t_sample,
                           mem_gb=memory_gb(world.device))
            for t in (group[0] for group in groups[:1]):
                run.add_line("trajectories.jsonl", {"step": step, **t.to_json()})
                if args.show_every and step % args.show_every == 0:
                    say(paint_trajectory(t.to_json(), chat))
            # 7. Validation and checkpoints.
            last = step == steps
            if last or (args.eval_every and step % args.eval_every == 0):
                copy_weights(model, sampler)
                metrics["val_accuracy"] = assess(validation, args.mode, "validation")["accuracy"]
                if state["best"] is None or metrics["val_accuracy"] >= state["best"][1]:
                    state["best"] = [step, metrics["val_accuracy"]]
            run.log(metrics)
            bar.set_postfix(reward=f"{rolled['reward']:.2f}")
            stop = step == args.stop_after or interrupt.wanted()
            if stop or "val_accuracy" in metrics or (args.save_every and step % args.save_every == 0):
                path = run.save(step, model, optimizer, tokenizer, state, args.keep, state["best"] and state["best"][0])
                if stop and not last:
                    say(f"stopped after step {step}; {path} resumes with --resume")
                    raise SystemExit(130 if interrupt.asked else 0)
    # 7. The best by validation, on the held-out questions.
    best = run.checkpoints / f"step-{state['best'][0]:06d}"
    sampler = load_model(best, world.device, dtype).eval()
    after = assess(held_out, args.mode, "held-out questions")
    modes = {args.mode: after}
    if args.mode != "text":
        modes["text"] = assess(held_out, "text", "held-out questions")
    if world.main:
        save_model(sampler if dtype == torch.float32 else load_model(best), tokenizer, run.path)
        report = {**after, "before": before, "modes": modes, "step": state["best"][0]}
        run.write("eval.json", json.dumps(report, indent=1) + "\n")
        say(report_table(after))
        say(f"held-out accuracy: {100 * before['accuracy']:.1f}% after SFT, {100 * after['accuracy']:.1f}% after GRPO "
            f"(step {state['best'][0]}, best of validation)"
            + (f", {100 * modes['text']['accuracy']:.1f}% when it may not run code" if "text" in modes else ""))
        say(f"the model is in {run.path}; look at it with `python r1ci.py show {run.path}/trajectories.jsonl`")


if __name__ == "__main__":
    main()
