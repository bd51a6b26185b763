"""Advantages, losses and the curriculum, against float64 references written here and numbers computed by hand."""
import json
import math
from dataclasses import replace

import pytest
import torch

import grpo
import tiny
from grpo import (Algorithm, Curriculum, advantages_of, choose_rows, group_advantages, kl_estimate, log_ratio, policy_loss, potential,
                  token_weights, update)
from r1ci import token_logps
from sft import World
from tasks.conversation import Protocol, Trajectory

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


def test_thresholds_cut_the_stages_where_they_say_and_an_empty_one_is_refused():
    its = curriculum("potential", 4, thresholds=[0.9, 0.7, 0.4])
    assert its.groups == [[1, 4], [3, 6], [5, 7], [0, 2]] and its.pools[1] == [1, 4, 3, 6]
    assert curriculum("potential", 3, thresholds=[0.75, 0.4375]).groups == [[1, 4, 3, 6], [5, 7], [0, 2]]  # at them: in
    with pytest.raises(SystemExit, match="stage 2 of the curriculum has no question"):
        curriculum("potential", 3, thresholds=[0.5, 0.45])
    with pytest.raises(SystemExit, match="fewer --stages"):
        curriculum("potential", 9)


def test_without_merging_a_stage_trains_on_its_own_group():
    assert curriculum("potential", 4, merge=False).pools == [[1, 4], [3, 6], [5, 7], [0, 2]]


def test_the_asymmetric_order_prefers_hard_questions_and_has_its_maximum_of_one_at_a_third():
    value = grpo.ORDERS["asymmetric"]
    assert value(1 / 3) == pytest.approx(1) and max(value(i / 300) for i in range(301)) == pytest.approx(1)
    assert value(0.1) == pytest.approx(9 * value(0.9)) and value(0) == value(1) == 0
    assert potential(0.1) == pytest.approx(potential(0.9))  # which is what it mends
    assert curriculum("asymmetric", 4).groups == [[3, 1], [5, 4], [6, 7], [0, 2]]


def test_further_questions_of_a_step_are_unused_ones_of_its_pool_and_the_same_every_time():
    its = curriculum("potential", 4, steps=3)
    assert sorted(its.more(4, 9, {1, 4})) == [3, 6] and its.more(1, 2, {1, 4}) == []
    assert its.more(12, 2, {0, 1}) == its.more(12, 2, {0, 1}) and len(its.more(12, 2, {0, 1})) == 2


def test_pass_rates_are_read_from_a_measurement_or_from_recorded_rollouts(tmp_path):
    questions = tiny.task_instances("rg/gcd", 2, purpose="rl")
    line = lambda i, **more: json.dumps(dict(task="rg/gcd", level=1, seed=i, **more)) + "\n"
    (tmp_path / "rates").write_text(line(0, pass_rate=0.25) + line(1, pass_rate=1.0))
    assert grpo.read_pass_rates(tmp_path / "rates", questions) == [0.25, 1.0]
    rows = [line(0, reward=r, purpose="rl") for r in (1.0, 0.0, 0.0, 0.0)] + [line(1, reward=1.0, purpose="rl")] + \
        [line(0, reward=1.0, purpose="eval"), line(0, reward=0.0, stop_reason="tool_failure")]  # neither counts
    (tmp_path / "rows").write_text("".join(rows))
    rates = grpo.read_pass_rates(tmp_path / "rows", questions)
    assert rates == [0.25, 1.0] and [potential(p) for p in rates] == [4 * 0.25 * 0.75, 0]
    (tmp_path / "rates").write_text(line(0, pass_rate=0.25))
    with pytest.raises(SystemExit, match="lacks 1 of 2 questions"):
        grpo.read_pass_rates(tmp_path / "rates", questions)
    (tmp_path / "rates").write_text('{"task": "rg/gcd"}\n')
    with pytest.raises(SystemExit, match="line 1"):
        grpo.read_pass_rates(tmp_path / "rates", questions)


def test_every_agent_answers_every_question_and_the_temperatures_share_its_samples(monkeypatch):
    asked = []

    def rollout(model, chat, sandbox, instances, n, protocol, key, progress):
        asked.append((protocol.mode, protocol.temperature, n))
        return [[replace(trajectory(float(protocol.mode == "code"), j), stop_reason="answer") for j in range(n)]
                for _ in instances]

    monkeypatch.setattr(grpo, "rollout", rollout)
    lines = grpo.measure_pass_rates(None, None, None, tiny.task_instances("rg/gcd", 3, purpose="rl"), ["text", "code"], 5,
                                    [0.6, 0.8, 1.0], Protocol(), (0,), WORLD)
    assert asked == [(mode, t, n) for mode in ("text", "code") for t, n in ((0.6, 2), (0.8, 2), (1.0, 1))]
    assert len(lines) == 3 and lines[0]["agents"] == {"text": 0, "code": pytest.approx(1)} and lines[0]["samples"] == 10
    assert lines[0]["pass_rate"] == pytest.approx(0.5) and lines[0]["potential"] == pytest.approx(1)


def test_resampling_replaces_what_has_no_variance_and_stops_after_its_rounds():
    rates = [0.5] * 12
    its = curriculum("none", 1, rates=rates)
    keys = []

    def roll(indices, key):
        keys.append(key)
        return [[i] for i in indices]

    groups, added = grpo.roll_out(roll, its, 1, 4, 3, lambda group: group[0] % 2 == 0, WORLD)
    assert sum(g[0] % 2 == 0 for g in groups) <= 4 and added == len(groups) - 4 and len({g[0] for g in groups}) == len(groups)
    assert keys[0] == (1,) and keys[1] == (1, "again", 1)
    groups, added = grpo.roll_out(roll, its, 1, 4, 2, lambda group: False, WORLD)
    assert added == 8 and len(groups) == 12
    assert grpo.roll_out(roll, its, 1, 4, 0, lambda group: False, WORLD)[1] == 0


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


# ---- rewards ---------------------------------------------------------------------------------------------------------

CODE = "Let me compute.\n```python\nprint(1)\n```"


def row(*replies: str, reward: float = 1.0, stop_reason: str = "answer") -> Trajectory:
    messages = [m for text in replies for m in ({"role": "user", "content": "-"}, {"role": "assistant", "content": text})]
    answer = "4" if stop_reason == "answer" else None
    return Trajectory(tiny.instance(), 0, messages, [1] * 20, [0] * 4 + [1] * 16, [0.0] * 20, 4, stop_reason, answer, reward)


@pytest.mark.parametrize("replies, reward, stop_reason, v2", [
    (["<<<4>>>"], 1.0, "answer", 1.1), (["<<<5>>>"], 0.0, "answer", 0.1), ([CODE, "<<<4>>>"], 1.0, "answer", 1.1),
    ([CODE + "\n```text\n```", "<<<4>>>"], 1.0, "answer", 0.9), (["<<<4>>> " + CODE, "<<<4>>>"], 1.0, "answer", 0.9),
    (["I do not know."], 0.0, "eos", -0.1), ([CODE, "```python\nprint("], 0.0, "budget", -0.1), ([CODE] * 3, 0.0, "calls", 0.1),
    ([CODE] * 5 + ["<<<4>>>"], 1.0, "answer", 1.1), ([CODE] * 6 + ["<<<4>>>"], 1.0, "answer", 1.0)])
def test_the_second_reward_adds_format_and_turns(replies, reward, stop_reason, v2):
    t = row(*replies, reward=reward, stop_reason=stop_reason)
    assert grpo.reward_of(t, Algorithm(reward="v2")) == pytest.approx(v2)
    assert grpo.reward_of(t, Algorithm()) == reward and t.reward == reward


def test_the_overlong_penalty_falls_through_its_band_to_minus_one():
    t = row("<<<4>>>")  # 16 tokens behind the prompt
    assert [grpo.overlong_penalty(t, limit, 8) for limit in (24, 22, 20, 16)] == [0, -0.25, -0.5, -1]
    assert grpo.overlong_penalty(t, 16, 0) == 0 and grpo.overlong_penalty(row("x", stop_reason="budget"), 100, 8) == -1
    assert grpo.reward_of(t, Algorithm(max_tokens=20, overlong_tokens=8)) == 0.5


def test_a_row_is_void_if_a_turn_has_neither_code_nor_answer():
    assert not grpo.is_void(row(CODE, "<<<4>>>")) and not grpo.is_void(row(CODE, CODE, stop_reason="calls"))
    assert grpo.is_void(row(CODE, "Well.", stop_reason="eos")) and grpo.is_void(row("```python\nx", stop_reason="budget"))


# ---- advantages and weights ------------------------------------------------------------------------------------------

def test_advantages_of_a_group_by_hand():
    assert group_advantages([1, 0, 0, 0, 0], "grpo", True) == pytest.approx([2, -0.5, -0.5, -0.5, -0.5])  # mean .2, std .4
    assert group_advantages([1, 0, 0, 0, 0], "grpo", False) == pytest.approx([0.8, -0.2, -0.2, -0.2, -0.2])
    assert group_advantages([1.0, 1.0, 1.0], "grpo", True) == [0, 0, 0]
    assert group_advantages([0.1] * 7, "grpo", True) == [0] * 7  # rounding leaves no spurious variance


def test_leave_one_out_compares_with_the_others_and_is_the_undivided_advantage_times_g_over_g_minus_1():
    rewards = [1.0, 0.0, 0.25, 0.0, 1.0]
    ours = group_advantages(rewards, "rloo", True)
    assert ours == pytest.approx([r - (sum(rewards) - r) / 4 for r in rewards])
    assert ours == pytest.approx([5 / 4 * a for a in group_advantages(rewards, "grpo", False)])
    assert group_advantages([1, 0], "rloo", True) == [2 * a for a in group_advantages([1, 0], "grpo", False)] == [1, -1]


def test_reinforce_plus_plus_compares_with_the_whole_batch():
    rewards = [[1.0, 1.0], [0.0, 1.0, 0.0]]  # mean .6, variance .24
    flat = [r for group in rewards for r in group]
    expected = [(r - 0.6) / math.sqrt(0.24) for r in flat]
    ours = advantages_of(rewards, "reinforce++", True, WORLD)
    assert [len(group) for group in ours] == [2, 3] and sum(ours, []) == pytest.approx(expected)
    assert sum(advantages_of(rewards, "reinforce++", False, WORLD), []) == pytest.approx([r - 0.6 for r in flat])
    assert advantages_of([[1.0, 1.0], [1.0]], "reinforce++", True, WORLD) == [[0, 0], [0]]


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


def test_the_sequence_ratio_equals_a_float64_loop_and_its_gradient_finite_differences():
    logps, shift, _, weights = random_tokens(9, 3)
    old, lengths, advantages = logps + shift, [2, 4, 3], [1.0, -0.5, 2.0]
    spread = torch.tensor([a for a, n in zip(advantages, lengths) for _ in range(n)], dtype=torch.float64)
    weights = torch.tensor([1 / (3 * n) for n in lengths for _ in range(n)], dtype=torch.float64)

    def gspo(values):
        total, at = 0.0, 0
        for n, a in zip(lengths, advantages):
            s = math.exp(sum(values[at + i].item() - old[at + i].item() for i in range(n)) / n)
            total -= min(s * a, min(max(s, 0.8), 1.3) * a) / 3
            at += n
        return total

    ours = lambda x: policy_loss(log_ratio(x, old, lengths, "sequence"), spread, weights, 0.2, 0.3)[0]
    assert ours(logps).item() == pytest.approx(gspo(logps), rel=1e-12)
    assert torch.autograd.gradcheck(ours, logps.clone().requires_grad_())


def test_at_ratio_one_the_sequence_ratio_has_the_gradient_of_the_token_ratio():
    logps, _, _, _ = random_tokens(9, 4)
    lengths = [2, 4, 3]
    advantages = torch.tensor([1.0] * 2 + [-0.5] * 4 + [2.0] * 3, dtype=torch.float64)
    weights = torch.tensor([1 / 2] * 2 + [1 / 4] * 4 + [1 / 3] * 3, dtype=torch.float64) / 3
    gradients = []
    for ratio in ("token", "sequence"):
        x = logps.clone().requires_grad_()
        policy_loss(log_ratio(x, logps, lengths, ratio), advantages, weights, 0.2, 0.2)[0].backward()
        gradients.append(x.grad)
    assert torch.allclose(*gradients)


def test_without_clipping_the_gradient_is_importance_sampled_reinforce():
    logps, shift, advantages, weights = random_tokens(30, 5)
    x = logps.clone().requires_grad_()
    loss, clipped = policy_loss(x - (logps + shift), advantages, weights, math.inf, math.inf)
    loss.backward()
    assert torch.allclose(x.grad, -weights * advantages * (-shift).exp()) and clipped == 0


def test_importance_weights_are_truncated_and_carry_no_gradient():
    sampler = torch.tensor([0.0, 0.0, 0.0], dtype=torch.float64)
    old = torch.tensor([0.5, 1.5, 4.0], dtype=torch.float64).log()
    importance = grpo.truncated_importance(old, sampler, torch.tensor([True] * 3), 2.0)
    assert torch.allclose(importance, torch.tensor([0.5, 1.5, 2.0], dtype=torch.float64))
    foreign = torch.tensor([True, True, False])
    assert grpo.truncated_importance(old, sampler, foreign, 2.0)[2] == 1 and grpo.truncated_importance(old, sampler, foreign, 0) == 1
    logps, _, advantages, weights = random_tokens(3, 6)
    x = logps.clone().requires_grad_()
    policy_loss(x - logps, advantages, weights, 0.2, 0.2, importance)[0].backward()
    assert torch.allclose(x.grad, -weights * advantages * importance)


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


def test_unmasked_tool_output_enters_the_loss_as_if_sampled():
    """The same gradient as if the sandbox's tokens had been the model's own."""
    pretended = groups_of(*GROUPS[:2])
    for t in sum(pretended, []):
        t.loss_mask = [0] * t.prompt_len + [1] * (len(t.ids) - t.prompt_len)
    metrics, [unmasked] = gradients_of(groups_of(*GROUPS[:2]), mask_tool_output=False)
    assert difference(unmasked, gradients_of(pretended)[1][0]) < 1e-6
    masked, [gradients] = gradients_of(groups_of(*GROUPS[:2]))
    assert difference(unmasked, gradients) > 1e-3
    for key in ("dp_mean", "sampler_kl", "entropy"):  # are of sampled tokens alone
        assert metrics[key] == pytest.approx(masked[key], rel=1e-4)


def test_groups_without_variance_count_in_the_mean_or_leave_it():
    kept, dropped = chosen(groups_of(*GROUPS)), chosen(groups_of(*GROUPS), Algorithm(zero_std="drop"))
    assert len(kept[0]) == len(dropped[0]) == 8 and (kept[2]["rows"], dropped[2]["rows"]) == (16, 8)
    assert len(chosen(groups_of(*GROUPS), Algorithm(kl_coef=0.1))[0]) == 16  # the KL term is a mean over all rows
    assert kept[2]["zero_std_groups"] == 2 and kept[2]["groups"] == 4
    assert difference(gradients_of(groups_of(*GROUPS))[1][0],
                      [g / 2 for g in gradients_of(groups_of(*GROUPS), zero_std="drop")[1][0]]) < 1e-5


@pytest.mark.parametrize("kl_coef", [0.0, 0.1])
def test_a_cold_start_in_which_nothing_is_ever_right_moves_nothing_and_does_not_crash(kl_coef):
    for groups in (groups_of([0.0, 0.0], [0.0, 0.0]), []):
        for zero_std in ("keep", "drop", "resample"):
            model, algorithm = tiny.model(), Algorithm(zero_std=zero_std, kl_coef=kl_coef)
            before = [p.clone() for p in model.parameters()]
            reference = tiny.model() if kl_coef else None
            metrics = grpo.learn(model, torch.optim.AdamW(model.parameters(), weight_decay=0.0), model, reference, None, groups,
                                 algorithm, 0.1, WORLD, tiny.chat().vocab_size)
            assert metrics["loss"] == pytest.approx(0, abs=1e-6) and all(map(math.isfinite, metrics.values()))
            assert kl_coef or all(torch.equal(a, b) for a, b in zip(before, model.parameters()))


def test_rows_that_the_sandbox_failed_leave_their_group():
    groups, outcomes = groups_of([1.0, 0.0, 0.0]), []
    groups[0][1].stop_reason = "tool_failure"
    for rolled in (groups, [[groups[0][0], groups[0][2]]]):
        model = tiny.model()
        capture = Capture(model)
        outcomes.append((grpo.learn(model, capture, model, None, None, rolled, ALGORITHM, 0.0, WORLD,
                                    tiny.chat().vocab_size), capture.gradients))
    assert outcomes[0][0] == outcomes[1][0] and difference(*[o[1][0] for o in outcomes]) == 0


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
        [logps] = grpo.score([t], [t.loss_mask], 1000, WORLD.device,
                             lambda ids, mask: token_logps(model, ids, mask, tiny.chat().vocab_size)[0])
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


# ---- flags -----------------------------------------------------------------------------------------------------------

def flags_of(monkeypatch, *argv: str):
    """The flags with which `grpo.py ARGV` would begin its work."""
    class Stop(Exception):
        pass

    def start_training(parser, args):
        raise Stop

    seen = {}
    real = grpo.check_flags
    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(grpo, "start_training", start_training)
        patch.setattr(grpo, "check_flags", lambda parser, args: (real(parser, args), seen.update(vars(args))))
        patch.setattr("sys.argv", ["grpo.py", *argv])
        grpo.main()
    return seen


def test_a_preset_changes_defaults_and_every_flag_still_overrides_it(monkeypatch):
    tiny_flags, paper = flags_of(monkeypatch), flags_of(monkeypatch, "--preset", "paper")
    assert (tiny_flags["group_size"], tiny_flags["agents"], tiny_flags["reward"]) == (8, ["ci"], "v1")
    assert (paper["group_size"], paper["kl_coef"], paper["lr"], paper["steps_per_stage"]) == (5, 0.001, 1e-6, 150)
    assert paper["agents"] == ["text", "code", "ci", "guided"] and paper["potential_temperatures"] == [0.6, 0.8, 1.0]
    mixed = flags_of(monkeypatch, "--preset", "steady", "--no-drop-void", "--clip-high", "0.3", "--thresholds", "0.6,0.3")
    assert (mixed["clip_high"], mixed["norm"], mixed["drop_truncated"], mixed["drop_void"]) == (0.3, "token", True, False)
    assert mixed["thresholds"] == [0.6, 0.3] and mixed["stages"] == 3
    for name, preset in grpo.PRESETS.items():
        assert preset.keys() <= tiny_flags.keys(), name  # a misspelt flag would change nothing


@pytest.mark.parametrize("argv, says", [
    (["--thresholds", "0.3,0.6"], "must fall"), (["--thresholds", "0.3", "--order", "none"], "do not go with"),
    (["--agents", "ci,poet"], "unknown agent 'poet'"), (["--overlong-tokens", "9999"], "exceeds --max-tokens"),
    (["--preset", "huge"], "invalid choice")])
def test_contradicting_flags_are_refused(argv, says, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["grpo.py", *argv])
    with pytest.raises(SystemExit):
        grpo.main()
    assert says in capsys.readouterr().err
