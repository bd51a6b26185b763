"""Advantages, losses and the curriculum, against float64 references written here and numbers computed by hand."""
import math
from dataclasses import replace

import pytest
import torch

import grpo
import tiny
from grpo import (Algorithm, Curriculum, advantages_of, choose_rows, group_advantages, kl_estimate, log_ratio, policy_loss, potential,
                  token_weights, update)
from r1ci import Trajectory, World

WORLD = World(0, 1, torch.device("cpu"))


# ---- curriculum ------------------------------------------------------------------------------------------------------

def test_potential_is_four_p_times_one_minus_p():
    assert [potential(p) for p in (0, 0.25, 0.5, 0.75, 1)] == [0, 0.75, 1, 0.75, 0]


RATES = [0.0, 0.5, 1.0, 0.25, 0.625, 0.125, 0.75, 0.875]  # potentials 0, 1, 0, .75, .9375, .4375, .75, .4375


def curriculum(order: str, stages: int, thresholds=(), merge=True, steps=10, seed=0, rates=RATES) -> Curriculum:
    return Curriculum(rates, order, stages, list(thresholds), merge, steps, seed)


def test_stages_are_equal_groups_by_potential_merged_one_after_another():
    pools = curriculum("potential", 4).pools
    assert pools == [[1, 4], [1, 4, 3, 6], [1, 4, 3, 6, 5, 7], [1, 4, 3, 6, 5, 7, 0, 2]]
    assert curriculum("difficulty", 2).pools == [[2, 7, 6, 4], [2, 7, 6, 4, 1, 3, 5, 0]]
    assert curriculum("none", 4).pools == [list(range(8))]


def test_every_step_knows_its_stage_and_a_stage_goes_through_its_pool_evenly():
    its = curriculum("potential", 4, steps=3)
    assert [its.stage(step) for step in (1, 3, 4, 6, 7, 9, 10, 12, 13)] == [1, 1, 2, 2, 3, 3, 4, 4, 4]
    drawn = [i for step in (4, 5, 6) for i in its.batch(step, 4)]
    assert sorted(drawn) == sorted([1, 4, 3, 6] * 3)
    assert drawn[:4] != drawn[4:8] or drawn[4:8] != drawn[8:]  # each time in a new order


def test_a_batch_depends_on_the_step_alone_so_a_resumed_run_sees_the_same_questions():
    first = [curriculum("potential", 4, steps=3, seed=7).batch(step, 5) for step in range(1, 13)]
    again = curriculum("potential", 4, steps=3, seed=7)
    assert [again.batch(step, 5) for step in range(6, 13)] == first[5:]
    assert [curriculum("potential", 4, steps=3, seed=8).batch(step, 5) for step in range(1, 13)] != first


# ---- advantages and weights ------------------------------------------------------------------------------------------

def test_advantages_of_a_group_by_hand():
    assert group_advantages([1, 0, 0, 0, 0], "grpo", True) == pytest.approx([2, -0.5, -0.5, -0.5, -0.5])  # mean .2, std .4
    assert group_advantages([1, 0, 0, 0, 0], "grpo", False) == pytest.approx([0.8, -0.2, -0.2, -0.2, -0.2])
    assert group_advantages([1.0, 1.0, 1.0], "grpo", True) == [0, 0, 0]
    assert group_advantages([0.1] * 7, "grpo", True) == [0] * 7  # rounding leaves no spurious variance


def test_token_weights_of_each_normalisation_by_hand():
    assert token_weights([2, 4], "sequence", 2, 6, 10) == [1 / 4, 1 / 8]  # each row counts one half
    assert token_weights([2, 4], "token", 2, 6, 10) == [1 / 6, 1 / 6]
    assert token_weights([2, 4], "constant", 2, 6, 10) == [1 / 20, 1 / 20]


# ---- losses ----------------------------------------------------------------------------------------------------------

def random_tokens(n: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    draw = lambda scale: scale * torch.randn(n, generator=g, dtype=torch.float64)
    return -draw(1).abs() - 0.1, draw(0.4), draw(1), draw(1).abs()


def test_the_policy_loss_by_hand():
    # ratios 1.5, 1.5, 0.5, 0.5 with advantages +1, -1, +1, -1 and clip 0.2: gains 1.2, -1.5, 0.5, -0.8
    logps = torch.tensor([1.5, 1.5, 0.5, 0.5]).log()
    loss, clipped = policy_loss(logps, torch.tensor([1.0, -1.0, 1.0, -1.0]), torch.full((4,), 0.25), 0.2, 0.2)
    assert loss.item() == pytest.approx(-(1.2 - 1.5 + 0.5 - 0.8) / 4)
    assert clipped.item() == pytest.approx(0.5)  # the first and the last


def test_the_policy_loss_equals_a_float64_loop_and_its_gradient_finite_differences():
    logps, shift, advantages, weights = random_tokens(50)
    old = logps + shift

    def reference(values) -> float:
        total = 0.0
        for logp, o, a, w in zip(values, old.tolist(), advantages.tolist(), weights.tolist()):
            ratio = math.exp(logp - o)
            bounded = min(max(ratio, 1 - 0.2), 1 + 0.28)
            total -= w * min(ratio * a, bounded * a)
        return total

    x = logps.clone().requires_grad_()
    loss, _ = policy_loss(x - old, advantages, weights, 0.2, 0.28)
    loss.backward()
    assert loss.item() == pytest.approx(reference(logps.tolist()), rel=1e-12)
    for i in range(50):
        up, down = logps.tolist(), logps.tolist()
        up[i] += 1e-6
        down[i] -= 1e-6
        assert x.grad[i].item() == pytest.approx((reference(up) - reference(down)) / 2e-6, abs=1e-6)


def test_on_the_first_update_the_gradient_is_plain_reinforce():
    logps, _, advantages, weights = random_tokens(30, 1)
    x = logps.clone().requires_grad_()
    policy_loss(x - logps, advantages, weights, 0.2, 0.2)[0].backward()
    assert torch.allclose(x.grad, -weights * advantages)


def test_the_kl_estimate_is_k3_zero_at_equality_never_negative_and_never_infinite():
    assert kl_estimate(torch.tensor(math.log(0.5)), torch.tensor(math.log(0.25))).item() == \
        pytest.approx(0.5 - math.log(0.5) - 1)
    logps, shift, _, _ = random_tokens(40, 2)
    assert (kl_estimate(logps, logps + shift) >= 0).all() and kl_estimate(logps, logps).abs().max() == 0
    assert torch.isfinite(kl_estimate(torch.tensor([-1e4, 0.0]), torch.tensor([0.0, -1e4]))).all()
    x = logps.clone().requires_grad_()
    kl_estimate(x, logps + shift).sum().backward()
    assert torch.allclose(x.grad, 1 - shift.exp())  # d/dx exp(r - x) - (r - x) - 1


# ---- the update ------------------------------------------------------------------------------------------------------

def trajectory(reward: float, seed: int, stop_reason: str = "answer") -> Trajectory:
    """Random ids: a prompt, a turn, the sandbox's words, a turn."""
    g = torch.Generator().manual_seed(seed)
    lengths = [int(torch.randint(2, 9, (), generator=g)) for _ in range(4)]
    mask = [m for m, n in zip((0, 1, 0, 1), lengths) for _ in range(n)]
    ids = torch.randint(0, tiny.chat().vocab_size, (len(mask),), generator=g).tolist()
    return Trajectory(tiny.instance(), 0, [], ids, mask, [-1.0 * m for m in mask], lengths[0], stop_reason, "4", reward)


def groups_of(*rewards: list[float]) -> list[list[Trajectory]]:
    return [[trajectory(r, 100 * i + j) for j, r in enumerate(group)] for i, group in enumerate(rewards)]


GROUPS = [[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
ALGORITHM = Algorithm(max_tokens=64, micro_tokens=10_000, clip=1e9)


def chosen(groups: list[list[Trajectory]], algorithm: Algorithm = ALGORITHM, world: World = WORLD):
    rewards = [[t.reward for t in group] for group in groups]
    return choose_rows(groups, rewards, advantages_of(rewards, algorithm.advantage, algorithm.std, world), algorithm)


class Capture:
    """An optimiser that keeps the gradients instead of using them."""

    def __init__(self, model):
        self.model, self.param_groups, self.gradients = model, [{"lr": 0.0}], []

    def step(self):
        self.gradients.append([p.grad.clone() for p in self.model.parameters()])

    def zero_grad(self, set_to_none):
        self.model.zero_grad()


def gradients_of(groups, reference=None, rows=None, **changes):
    model, algorithm = tiny.model(), replace(ALGORITHM, **changes)
    *its, counts = chosen(groups, algorithm)
    capture = Capture(model)
    metrics = update(model, capture, *(rows or its), (counts["rows"], counts["tokens"]), algorithm, reference, WORLD,
                     tiny.chat().vocab_size, 0.0)
    return metrics, capture.gradients


def difference(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    scale = max(x.abs().max().item() for x in a)
    return max((x - y).abs().max().item() for x, y in zip(a, b)) / scale


@pytest.mark.parametrize("norm", ["sequence", "token", "constant"])
@pytest.mark.parametrize("kl_coef", [0.0, 0.3])
def test_the_whole_step_equals_a_float64_computation(norm, kl_coef):
    """Loss and gradient, from full logits in float64, with loops over rows and tokens."""
    groups = groups_of(*GROUPS)
    reference_model = tiny.model(seed=5)
    metrics, [ours] = gradients_of(groups, norm=norm, kl_coef=kl_coef, reference=reference_model if kl_coef else None)
    model, reference_model = tiny.model().double(), reference_model.double()
    rows = [t for group in groups for t in group]
    total_tokens = sum(sum(t.loss_mask) for t in rows)
    loss = torch.zeros((), dtype=torch.float64)
    for group in groups:
        rewards = [t.reward for t in group]
        mean = sum(rewards) / 4
        std = math.sqrt(sum((r - mean) ** 2 for r in rewards) / 4)
        for t in group:  # where all rewards are equal there is no advantage, but the KL term counts
            advantage = (t.reward - mean) / std if std else 0.0
            ids = torch.tensor([t.ids])
            logps = model(ids)[0].log_softmax(-1)
            with torch.no_grad():
                ref = reference_model(ids)[0].log_softmax(-1)
            for i in range(1, len(t.ids)):
                if not t.loss_mask[i]:
                    continue
                weight = {"sequence": 1 / (16 * sum(t.loss_mask)), "token": 1 / total_tokens, "constant": 1 / (16 * 64)}[norm]
                logp, r = logps[i - 1, t.ids[i]], ref[i - 1, t.ids[i]]
                loss = loss - weight * (logp - logp.detach()).exp() * advantage
                loss = loss + weight * kl_coef * ((r - logp).exp() - (r - logp) - 1)
    loss.backward()
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert difference([p.grad for p in model.parameters()], ours) < 1e-4


def test_the_gradient_is_the_same_for_any_split_into_micro_batches():
    _, [whole] = gradients_of(groups_of(*GROUPS))
    for micro_tokens in (1, 40, 90):
        assert difference(whole, gradients_of(groups_of(*GROUPS), micro_tokens=micro_tokens)[1][0]) < 1e-5


def test_leaving_out_groups_without_variance_changes_nothing_but_time():
    groups = groups_of(*GROUPS)
    rows = [t for group in groups for t in group]
    advantages = [a for group in groups for a in group_advantages([t.reward for t in group], "grpo", True)]
    assert len(chosen(groups)[0]) == 8 < len(rows)
    assert difference(gradients_of(groups)[1][0], gradients_of(groups, rows=(rows, advantages))[1][0]) < 1e-5


def test_other_samples_of_masked_tokens_change_neither_loss_nor_gradient():
    """What the sandbox wrote at the end of a row is a target only; replaced, nothing moves, not by one bit."""
    outcomes = []
    for extra in ([3, 1, 4], [1, 5, 9]):
        groups = groups_of(*GROUPS[:2])
        for t in sum(groups, []):
            t.append(extra, sampled=False)
        outcomes.append(gradients_of(groups))
    assert outcomes[0][0] == outcomes[1][0]
    assert all(torch.equal(a, b) for a, b in zip(outcomes[0][1][0], outcomes[1][1][0]))


def test_several_updates_keep_the_first_log_probabilities_as_the_old_ones():
    model = tiny.model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    rows, advantages, counts = chosen(groups_of(*GROUPS[:2]))
    metrics = update(model, optimizer, rows, advantages, (counts["rows"], counts["tokens"]),
                     replace(ALGORITHM, updates=3), None, WORLD, tiny.chat().vocab_size, 0.5)
    assert metrics["clipfrac"] > 0  # only a policy that has moved away from the old one is ever clipped


def test_cut_off_rows_leave_the_loss_but_not_the_baseline():
    groups = groups_of([1.0, 0.0])
    groups[0][1].stop_reason = "budget"
    rows, advantages, counts = chosen(groups, Algorithm(std=False))
    assert [t.stop_reason for t in rows] == ["answer", "budget"] and advantages == [0.5, -0.5]
    rows, advantages, counts = chosen(groups, Algorithm(std=False, drop_truncated=True))
    assert [t.stop_reason for t in rows] == ["answer"] and advantages == [0.5]  # the baseline still knows both
    assert counts == dict(rows=1, tokens=rows[0].response_len, groups=1, zero_std_groups=0)


def test_the_gap_between_sampler_and_trainer_is_measured():
    groups = groups_of(*GROUPS[:2])
    model = tiny.model()
    rows, _, _ = chosen(groups)
    for t in rows:  # the sampler's log-probabilities: the trainer's, but for a known gap
        [logps] = grpo.score(model, [t], [t.loss_mask], tiny.chat().vocab_size, ALGORITHM, WORLD.device)
        where = [i for i, m in enumerate(t.loss_mask) if m]
        for i, logp in zip(where, logps.tolist()):
            t.logps[i] = logp - 0.1
    metrics, _ = gradients_of(groups)
    assert metrics["dlogp_max"] == pytest.approx(0.1, abs=1e-4)
    assert metrics["sampler_kl"] == pytest.approx(math.exp(0.1) - 0.1 - 1, abs=1e-4)
    assert 0 < metrics["dp_mean"] < 0.1


def test_a_step_that_is_not_finite_is_skipped_and_counted():
    model = tiny.model()
    before = [p.clone() for p in model.parameters()]
    rows, advantages, counts = chosen(groups_of(*GROUPS[:2]))
    advantages[0] = math.inf
    metrics = update(model, torch.optim.SGD(model.parameters(), lr=1.0), rows, advantages, (counts["rows"], counts["tokens"]),
                     replace(ALGORITHM, clip=1.0), None, WORLD, tiny.chat().vocab_size, 1.0)
    assert metrics["skipped"] == 1
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))
