"""Advantages, losses and the curriculum, against float64 references written here and numbers computed by hand."""
import argparse
import gc
import json
import math
from collections import deque
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import grpo
import tiny
from grpo import (ADVANTAGES, Actor, Algorithm, Curriculum, Learner, TrainedAnswer, choose_answers,
                  group_advantages, kl_estimate, order_value, policy_loss, potential, token_weight,
                  update)
from sft import World, check_gradients, copy_weights
from tasks.conversation import FORMATS, Protocol, Trajectory
from tasks.report import end_if_sandbox_failed, explain_tokens, sandbox_problem, tool_failures
from test_scripts import GRPO, inside, metrics, refusal

WORLD = World(0, 1, torch.device("cpu"), torch.float32)


# ---- curriculum ------------------------------------------------------------------------------------------------------

def test_potential_is_four_p_times_one_minus_p():
    assert [potential(p) for p in (0, 0.25, 0.5, 0.75, 1)] == [0, 0.75, 1, 0.75, 0]


RATES = [0.0, 0.5, 1.0, 0.25, 0.625, 0.125, 0.75, 0.875]  # potentials 0, 1, 0, .75, .9375, .4375, .75, .4375


def curriculum(order: str, stages: int, merge=True, steps=10, seed=0) -> Curriculum:
    values = [order_value(order, p) for p in RATES]
    return Curriculum(values, stages, merge=merge, steps_per_stage=steps, seed=seed)


def test_stages_are_equal_groups_by_potential_merged_one_after_another():
    pools = curriculum("potential", 4).pools
    assert pools == [[1, 4], [1, 4, 3, 6], [1, 4, 3, 6, 5, 7], [1, 4, 3, 6, 5, 7, 0, 2]]
    assert curriculum("difficulty", 2).pools == [[2, 7, 6, 4], [2, 7, 6, 4, 1, 3, 5, 0]]
    assert curriculum("none", 1).pools == [list(range(8))]


def test_there_are_at_most_as_many_stages_as_questions(tmp_path):
    assert "--stages 9: there are only 8 training questions" in refusal(*GRPO, "--stages", "9", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert curriculum("potential", 8).bands == [[1], [4], [3], [6], [5], [7], [0], [2]]


def test_without_merging_a_stage_trains_on_its_own_group():
    assert curriculum("potential", 4, merge=False).pools == [[1, 4], [3, 6], [5, 7], [0, 2]]


def test_pass_rates_are_read_from_a_measurement_or_from_recorded_rollouts(tmp_path):
    questions = tiny.task_instances("rg/gcd", 2, purpose="rl")

    def line(seed, **more):
        return json.dumps(dict(task="rg/gcd", level=1, seed=seed, **more)) + "\n"

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


def actor(protocol: Protocol = Protocol()) -> Actor:
    """Asks nothing: the tests put a rollout of their own into its place."""
    return Actor(model=None, chat=None, sandbox=None, protocol=protocol, eval_temperature=0.6, seed=0)


def test_every_agent_answers_every_question_and_p_is_their_mean(monkeypatch):
    asked = []

    def rollout(interpreter, instances, group_size, protocol, key, bar):
        asked.append((protocol.mode, group_size, key))
        right = {"code": 1.0, "text": 0.0}[protocol.mode]
        return [[trajectory(right, j) for j in range(group_size)] for _ in instances]

    monkeypatch.setattr(grpo, "rollout", rollout)
    questions = tiny.task_instances("rg/gcd", 3, purpose="rl")
    files = {}
    run = SimpleNamespace(world=WORLD, write=files.__setitem__)
    args = SimpleNamespace(agents=["text", "code"], potential_samples=5)
    assert grpo.measure_pass_rates(args, run, actor(), questions, stage=1) == [0.5] * 3
    lines = [json.loads(line) for line in files["pass_rates.jsonl"].splitlines()]
    assert asked == [("text", 5, (0, "potential", "text", 1.0)), ("code", 5, (0, "potential", "code", 1.0))]
    assert [line["seed"] for line in lines] == [q.seed for q in questions]
    assert lines[0]["agents"] == {"text": 0, "code": 1} and lines[0]["samples"] == 10
    assert lines[0]["pass_rate"] == 0.5 and lines[0]["potential"] == 1
    args = SimpleNamespace(agents=["code"], potential_samples=1)
    assert grpo.measure_pass_rates(args, run, actor(), questions, stage=3) == [1.0] * 3
    assert asked[-1][2] == (0, "potential", "stage-3", "code", 1.0)  # another measurement, other noise
    assert files.keys() == {"pass_rates.jsonl", "pass_rates-stage-3.jsonl"}


def test_answers_that_the_sandbox_failed_do_not_count_in_the_pass_rate(monkeypatch):
    answers = [trajectory(1.0, 0), trajectory(0.0, 1), trajectory(0.0, 2), trajectory(0.0, 3)]
    for failed in answers[2:]:
        failed.stop_reason = "tool_failure"
    monkeypatch.setattr(grpo, "rollout", lambda *_, **__: [answers, answers[2:]])
    monkeypatch.setattr(grpo, "end_if_sandbox_failed", lambda *_: None)  # that many would end the run
    args = SimpleNamespace(agents=["ci"], potential_samples=4)
    questions = tiny.task_instances("rg/gcd", 2, purpose="rl")
    files = {}
    run = SimpleNamespace(world=WORLD, write=files.__setitem__)
    assert grpo.measure_pass_rates(args, run, actor(), questions, stage=1) == [0.5, 0.0]
    lines = [json.loads(line) for line in files["pass_rates.jsonl"].splitlines()]
    assert [line["samples"] for line in lines] == [2, 0]   # of four each


def test_a_question_that_comes_twice_in_a_step_is_answered_anew_each_time(monkeypatch):
    """Pitfall 9: noise never alike. Under one key the second group would be a copy of the first."""
    asked = []

    def rollout(interpreter, instances, group_size, protocol, key):
        asked.append(([i.seed for i in instances], key))
        return [[trajectory(1.0, i.seed)] * group_size for i in instances]

    monkeypatch.setattr(grpo, "rollout", rollout)
    a, b, c = tiny.task_instances("rg/gcd", 3, purpose="rl")
    groups = grpo.answer_batch(actor(), [a, b, a, c, a], 2, step=7, world=WORLD)
    assert asked == [([a.seed, b.seed, c.seed], (0, 7)), ([a.seed], (0, 7, "again", 1)), ([a.seed], (0, 7, "again", 2))]
    assert [len(group) for group in groups] == [2] * 5
    asked.clear()
    grpo.answer_batch(actor(), [a, b], 2, step=7, world=WORLD)
    assert asked == [([a.seed, b.seed], (0, 7))]
    asked.clear()
    grpo.answer_batch(actor(), [a, a, b, a], 2, step=7, world=replace(WORLD, rank=1, size=2))  # the second and the last
    assert asked == [([a.seed], (0, 7, "again", 1)), ([a.seed], (0, 7, "again", 2))]


def failing(failures: int, calls: int) -> list[Trajectory]:
    """Answers with one call each, some of which the sandbox failed."""
    group = [trajectory(1.0, i) for i in range(calls)]
    for i, t in enumerate(group):
        t.statuses = ["ok"]
        if i < failures:
            t.stop_reason = "tool_failure"
    return group


def test_a_broken_sandbox_is_noticed_and_a_small_step_with_two_failures_is_none():
    """Pitfall 16."""
    assert tool_failures(failing(2, 11)) == (2, 11)
    for failures, calls, least in ((1, 1, 2), (2, 100, 2), (4, 20, 5), (6, 331, 5)):   # too few, or below 2 %
        assert sandbox_problem(failures, calls, least) is None
    for failures, calls, least in ((2, 99, 2), (8, 342, 5), (8, 8, 5)):
        assert f"failed {failures} of {calls} calls" in sandbox_problem(failures, calls, least)
    end_if_sandbox_failed(2, 100)
    with pytest.raises(SystemExit, match="failed 2 of 99 calls"):
        end_if_sandbox_failed(2, 99)


def test_the_newest_steps_are_judged_together_and_what_lies_further_back_is_forgotten():
    recent = deque(maxlen=grpo.RECENT_STEPS)
    for failures, calls in ((2, 11), (0, 300), (4, 20)):      # 6 of 331: below 2 %
        assert grpo.recent_problem([failing(failures, calls)], recent, WORLD) is None
    assert "failed 8 of 342 calls" in grpo.recent_problem([failing(2, 11)], recent, WORLD)
    for _ in range(grpo.RECENT_STEPS):   # a problem as long as most of the failures are among them
        problem = grpo.recent_problem([failing(0, 10)], recent, WORLD)
    assert problem is None
    assert list(recent) == [[0, 10]] * grpo.RECENT_STEPS


def test_every_step_knows_its_stage_and_a_stage_goes_through_its_pool_evenly():
    its = curriculum("potential", 4, steps=3)
    assert [its.stage(step) for step in (1, 3, 4, 6, 7, 9, 10, 12)] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert its.stage(0) < 1 and its.stage(13) > 4   # so the first step begins a stage, and the last one ends one
    assert [curriculum("none", 1, steps=12).stage(step) for step in (0, 1, 12, 13)] == [0, 1, 1, 2]
    drawn = [i for step in (4, 5, 6) for i in its.batch(step, 4)]
    assert sorted(drawn) == sorted([1, 4, 3, 6] * 3)
    assert drawn[:4] != drawn[4:8] or drawn[4:8] != drawn[8:]  # each time in a new order


def test_a_batch_depends_on_the_step_alone_so_a_resumed_run_sees_the_same_questions():
    """Pitfalls 9 and 20."""
    first = [curriculum("potential", 4, steps=3, seed=7).batch(step, 5) for step in range(1, 13)]
    again = curriculum("potential", 4, steps=3, seed=7)
    assert [again.batch(step, 5) for step in range(6, 13)] == first[5:]
    assert [curriculum("potential", 4, steps=3, seed=8).batch(step, 5) for step in range(1, 13)] != first


def test_answers_that_the_sandbox_failed_leave_their_group():
    """Pitfall 16: they count neither in the baseline nor in the loss."""
    group = failing(1, 3)
    [left] = grpo.without_failures([group])
    assert left == group[1:]
    left[0].right = 0.0
    samples = chosen([left])
    assert [sample.advantage for sample in samples] == pytest.approx([-1.0, 1.0])  # mean .5, std .5: of the two


# ---- rewards ---------------------------------------------------------------------------------------------------------

CODE = "Let me compute.\n```python\nprint(1)\n```"


def row(*replies: str, reward: float = 1.0, stop_reason: str = "answer") -> Trajectory:
    messages = [m for text in replies for m in ({"role": "user", "content": "-"}, {"role": "assistant", "content": text})]
    answer = "4" if stop_reason == "answer" else None
    return Trajectory(tiny.instance(), 0, messages, 4, ids=[1] * 20, loss_mask=[0] * 4 + [1] * 16, logps=[0.0] * 20,
                      stop_reason=stop_reason, answer=answer, right=reward)


@pytest.mark.parametrize("replies, reward, stop_reason, v2", [
    (["<<<4>>>"], 1.0, "answer", 1.1), (["<<<5>>>"], 0.0, "answer", 0.1), ([CODE, "<<<4>>>"], 1.0, "answer", 1.1),
    ([CODE + "\n```text\n```", "<<<4>>>"], 1.0, "answer", 0.9), (["<<<4>>> " + CODE, "<<<4>>>"], 1.0, "answer", 0.9),
    (["I do not know."], 0.0, "eos", -0.1), ([CODE, "```python\nprint("], 0.0, "budget", -0.1), ([CODE] * 3, 0.0, "calls", 0.1),
    ([CODE] * 5 + ["<<<4>>>"], 1.0, "answer", 1.1), ([CODE] * 6 + ["<<<4>>>"], 1.0, "answer", 1.0)])
def test_the_second_reward_adds_format_and_turns(replies, reward, stop_reason, v2):
    t = row(*replies, reward=reward, stop_reason=stop_reason)
    assert grpo.REWARDS["v2"](t) == pytest.approx(v2)
    assert grpo.REWARDS["v1"](t) == reward and t.right == reward


@pytest.mark.parametrize("name, printed", [("fence", "<<<4>>>"), ("fence", "a ``` b"), ("tags", "<answer>4</answer>"),
                                           ("boxed", r"\boxed{4}")])
def test_marks_that_a_program_prints_are_not_beside_it(name, printed):
    code = FORMATS[name].show_code(f'print("{printed}")')
    assert grpo.is_one_block(f"I count.\n{code}", name)
    assert not grpo.is_one_block(f"{FORMATS[name].show_answer('4')}\n{code}", name)


def test_a_row_is_void_if_a_turn_has_neither_code_nor_answer():
    def void(*replies, **about):
        return grpo.ANSWER_METRICS["void"](row(*replies, **about))

    assert not void(CODE, "<<<4>>>") and not void(CODE, CODE, stop_reason="calls")
    assert void(CODE, "Well.", stop_reason="eos") and void("```python\nx", stop_reason="budget")


def test_metrics_are_means_over_the_answers_that_they_are_about_and_null_where_there_is_none():
    """Pitfall 13: why answers ended is logged."""
    cut_off, right = row("```python\nx", reward=0.0, stop_reason="budget"), row("<<<4>>>")
    right.logps = [0.0] * 4 + [-0.5] * 16
    metrics = grpo.rollout_metrics([[cut_off, right]], WORLD)
    assert metrics["right"] == metrics["truncated"] == metrics["void"] == 0.5
    assert metrics["text_rate"] == 1.0           # of the one that answers
    assert metrics["recovery"] is None           # no call has failed
    assert metrics["right_logp"] == pytest.approx(-0.5)
    assert set(grpo.rollout_metrics([], WORLD).values()) == {None}
    assert set(grpo.ANSWER_METRICS) < set(metrics)


def test_a_steps_line_is_one_of_at_most_80_columns_also_with_the_longest_numbers():
    line = grpo.step_line(dict(step=20, stage=1, right=0.8333, reward=-0.1, code_rate=None, loss=1.0), 4.25)
    assert line == "step 20  stage 1  right 0.83  reward -0.10  code -  4.2 s"
    longest = dict(step=9999, stage=9, right=1.0, reward=-0.25, code_rate=1.0, val_accuracy=0.95)
    line = grpo.step_line(longest, 1234.5)
    assert line.endswith("val 0.95") and len(line) <= 80 and "\n" not in line


def test_reward_metrics_by_hand():
    metrics = grpo.reward_metrics([[1.0, 0.0], [1.0, 1.0, 1.0]], WORLD)
    assert metrics == dict(reward=0.8, counted_answers=5, zero_std_groups=0.5)
    assert grpo.reward_metrics([], WORLD) == dict(reward=None, counted_answers=0, zero_std_groups=None)


# ---- advantages and weights ------------------------------------------------------------------------------------------

def test_advantages_of_a_group_by_hand():
    assert group_advantages([1, 0, 0, 0, 0], True) == pytest.approx([2, -0.5, -0.5, -0.5, -0.5])  # mean .2, std .4
    assert group_advantages([1, 0, 0, 0, 0], False) == pytest.approx([0.8, -0.2, -0.2, -0.2, -0.2])
    assert group_advantages([1.0, 1.0, 1.0], True) == [0, 0, 0]
    assert group_advantages([0.1] * 7, True) == [0] * 7  # rounding leaves no spurious variance


def test_reinforce_plus_plus_compares_with_the_whole_batch():
    rewards = [[1.0, 1.0], [0.0, 1.0, 0.0]]  # mean .6, variance .24
    flat = [r for group in rewards for r in group]
    expected = [(r - 0.6) / math.sqrt(0.24) for r in flat]
    ours = ADVANTAGES["reinforce++"](rewards, True, WORLD)
    assert [len(group) for group in ours] == [2, 3] and sum(ours, []) == pytest.approx(expected)
    assert sum(ADVANTAGES["reinforce++"](rewards, False, WORLD), []) == pytest.approx([r - 0.6 for r in flat])
    assert ADVANTAGES["reinforce++"]([[1.0, 1.0], [1.0]], True, WORLD) == [[0, 0], [0]]


@pytest.mark.parametrize("name", ADVANTAGES)
def test_every_advantage_is_a_number_an_answer(name):
    """Yours, too, if the table has it: they sum to 0, right answers are not below wrong ones, equal rewards give 0."""
    [advantages] = ADVANTAGES[name]([[1.0, 0.0, 0.0, 0.0, 0.0]], True, WORLD)
    assert len(advantages) == 5 and sum(advantages) == pytest.approx(0)
    assert advantages[0] >= advantages[1] == advantages[2] == advantages[3] == advantages[4]
    assert ADVANTAGES[name]([[1.0, 1.0], [1.0, 1.0]], True, WORLD) == [[0, 0], [0, 0]]


def test_token_weights_of_each_normalisation_by_hand():
    """Two answers of 2 and 4 trained tokens, --max-tokens 10."""
    def weights(norm):
        return [token_weight(length, 2, 6, replace(ALGORITHM, norm=norm, max_tokens=10)) for length in (2, 4)]

    assert weights("sequence") == [1 / 4, 1 / 8]  # each answer counts one half
    assert weights("token") == [1 / 6, 1 / 6]
    assert weights("constant") == [1 / 20, 1 / 20]


# ---- losses ----------------------------------------------------------------------------------------------------------

def random_tokens(n: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(seed)

    def draw(scale):
        return scale * torch.randn(n, generator=g, dtype=torch.float64)

    return -draw(1).abs() - 0.1, draw(0.4), draw(1), draw(1).abs()


def test_the_policy_loss_by_hand():
    # ratios 1.5, 1.5, 0.5, 0.5 with advantages +1, -1, +1, -1 and clip 0.2: gains 1.2, -1.5, 0.5, -0.8
    logps = torch.tensor([1.5, 1.5, 0.5, 0.5]).log()
    loss, clipped = policy_loss(logps, torch.tensor([1.0, -1.0, 1.0, -1.0]), torch.full((4,), 0.25), 0.2, 0.2)
    assert loss.item() == pytest.approx(-(1.2 - 1.5 + 0.5 - 0.8) / 4)
    assert clipped.tolist() == [True, False, False, True]


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


def test_without_clipping_the_gradient_is_importance_sampled_reinforce():
    logps, shift, advantages, weights = random_tokens(30, 5)
    x = logps.clone().requires_grad_()
    loss, clipped = policy_loss(x - (logps + shift), advantages, weights, math.inf, math.inf)
    loss.backward()
    assert torch.allclose(x.grad, -weights * advantages * (-shift).exp()) and not clipped.any()


def test_on_the_first_update_the_gradient_is_plain_reinforce():
    logps, _, advantages, weights = random_tokens(30, 1)
    x = logps.clone().requires_grad_()
    policy_loss(x - logps, advantages, weights, 0.2, 0.2)[0].backward()
    assert torch.allclose(x.grad, -weights * advantages)


def test_the_kl_estimate_is_k3_zero_at_equality_never_negative_and_never_infinite():
    """Pitfall 6: the log-ratio is clamped before exp."""
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
    ids = torch.randint(0, tiny.chat().tokenizer_size, (len(mask),), generator=g).tolist()
    return Trajectory(tiny.instance(), 0, [], lengths[0], ids=ids, loss_mask=mask, logps=[-1.0 * m for m in mask],
                      stop_reason=stop_reason, answer="4", right=reward)


def groups_of(*rewards: list[float]) -> list[list[Trajectory]]:
    return [[trajectory(r, 100 * i + j) for j, r in enumerate(group)] for i, group in enumerate(rewards)]


GROUPS = [[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
ALGORITHM = Algorithm(max_tokens=64, micro_tokens=10_000, max_grad_norm=1e9)


def chosen(groups: list[list[Trajectory]], algorithm: Algorithm = ALGORITHM) -> list[TrainedAnswer]:
    """Steps 4 to 6 up to the update: the samples of these groups."""
    rewards = [[t.right for t in group] for group in groups]
    advantages = ADVANTAGES[algorithm.advantage](rewards, algorithm.std, WORLD)
    return choose_answers(groups, rewards, advantages, algorithm, world=WORLD)


class Capture:
    """An optimiser that keeps the gradients instead of using them."""

    def __init__(self, model):
        self.model, self.param_groups, self.gradients = model, [{"lr": 0.0}], []

    def step(self):
        self.gradients.append([p.grad.clone() for p in self.model.parameters()])

    def zero_grad(self, set_to_none):
        self.model.zero_grad()


def learner_of(model, optimizer, reference=None, critic=None, algorithm=ALGORITHM) -> Learner:
    return Learner(model=model, optimizer=optimizer, reference=reference, critic=critic, algorithm=algorithm,
                   tokenizer_size=tiny.chat().tokenizer_size, world=WORLD)


def gradients_of(groups, reference=None, samples=None, **changes):
    """What an update reports, and its gradients (one for each optimiser step)."""
    model, algorithm = tiny.model(), replace(ALGORITHM, **changes)
    capture = Capture(model)
    learner = learner_of(model, capture, reference=reference, algorithm=algorithm)
    metrics = update(learner, samples or chosen(groups, algorithm), 0.0)
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
        rewards = [t.right for t in group]
        mean = sum(rewards) / 4
        std = math.sqrt(sum((r - mean) ** 2 for r in rewards) / 4)
        for t in group:  # where all rewards are equal there is no advantage, but the KL term counts
            advantage = (t.right - mean) / std if std else 0.0
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
    """Pitfalls 7 and 10: padding, and means of means."""
    _, [whole] = gradients_of(groups_of(*GROUPS))
    for micro_tokens in (1, 40, 90):
        assert difference(whole, gradients_of(groups_of(*GROUPS), micro_tokens=micro_tokens)[1][0]) < 1e-5


def test_groups_without_variance_count_in_the_mean_and_are_left_out_of_the_work():
    """Pitfall 12. The weights are those of all 16 answers; that half of them is computed changes time alone."""
    groups = groups_of(*GROUPS)
    samples = chosen(groups)
    assert len(samples) == 8
    for sample in samples:
        assert sample.weight == pytest.approx(1 / (16 * sum(sample.trajectory.loss_mask)))
    everything = []
    for group in groups:
        for t, advantage in zip(group, group_advantages([t.right for t in group], True)):
            everything.append(TrainedAnswer(t, t.loss_mask, t.right, advantage, 1 / (16 * sum(t.loss_mask))))
    assert difference(gradients_of(groups)[1][0], gradients_of(groups, samples=everything)[1][0]) < 1e-5
    assert len(chosen(groups, replace(ALGORITHM, kl_coef=0.1))) == 16  # the KL term is a mean over all answers


def test_other_samples_of_masked_tokens_change_neither_loss_nor_gradient():
    """Pitfall 3. What the sandbox wrote at the end of a row is a target only: replaced, no bit moves."""
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


@pytest.mark.parametrize("kl_coef", [0.0, 0.1])
def test_a_cold_start_in_which_nothing_is_ever_right_moves_nothing_and_does_not_crash(kl_coef):
    """And what nobody has computed is null, not 0: metrics.jsonl invents nothing."""
    for groups in (groups_of([0.0, 0.0], [0.0, 0.0]), []):
        model, algorithm = tiny.model(), replace(ALGORITHM, kl_coef=kl_coef)
        before = [p.clone() for p in model.parameters()]
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
        learner = learner_of(model, optimizer, reference=tiny.model() if kl_coef else None, algorithm=algorithm)
        metrics = update(learner, chosen(groups, algorithm), 0.1)
        if kl_coef and groups:
            assert metrics["loss"] == pytest.approx(0, abs=1e-6) and metrics["entropy"] > 0
        else:
            assert metrics["loss"] is metrics["entropy"] is metrics["dp_mean"] is None
            assert metrics["grad_norm"] == 0 and metrics["skipped"] == 0
            assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))


@pytest.mark.parametrize("pass_rates, said", [
    ([0.0, 0.0], "no answer was right"), ([0.0, 1.0], "solved always or never"), ([0.0, 0.5], "")])
def test_pass_rates_that_promise_nothing_are_named(pass_rates, said, capsys):
    args = argparse.Namespace(order="potential", stages=2, merge=True, steps_per_stage=1, seed=0)
    grpo.make_curriculum(args, pass_rates, WORLD)
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert len(notes) == bool(said) and all(said in note for note in notes)


def test_one_update_clips_nothing_and_several_compare_with_the_policy_before_the_first():
    """With --updates 1 the ratio is 1. With more it leaves 1, and only then is anything clipped."""
    def trained(updates):
        model = tiny.model()
        algorithm = replace(ALGORITHM, updates=updates)
        learner = learner_of(model, torch.optim.SGD(model.parameters(), lr=0.1), algorithm=algorithm)
        return update(learner, chosen(groups_of(*GROUPS[:2])), 0.1), model

    assert trained(1)[0]["clipfrac"] == 0
    metrics, model = trained(3)
    assert metrics["clipfrac"] > 0

    reference = tiny.model().double()   # the same three steps in float64, with loops over rows and tokens
    rows = [(s, torch.tensor([s.trajectory.ids])) for s in chosen(groups_of(*GROUPS[:2]))]
    with torch.no_grad():
        old = [reference(ids)[0].log_softmax(-1) for _, ids in rows]
    for _ in range(3):
        loss = torch.zeros((), dtype=torch.float64)
        for (sample, ids), old_logps in zip(rows, old):
            logps = reference(ids)[0].log_softmax(-1)
            for i, m in enumerate(sample.mask):
                if m:
                    token = sample.trajectory.ids[i]
                    ratio = (logps[i - 1, token] - old_logps[i - 1, token]).exp()
                    bounded = ratio.clamp(0.8, 1.2)
                    loss = loss - sample.weight * torch.minimum(ratio * sample.advantage, bounded * sample.advantage)
        loss.backward()
        with torch.no_grad():
            for parameter in reference.parameters():
                parameter -= 0.1 * parameter.grad
                parameter.grad = None
    assert difference(list(reference.parameters()), list(model.parameters())) < 1e-4


def test_the_gap_between_sampler_and_trainer_is_measured():
    """Pitfall 5."""
    groups = groups_of(*GROUPS[:2])
    model = tiny.model()
    for t in sum(groups, []):  # the sampler's log-probabilities: the trainer's, but for a known gap
        with torch.no_grad():
            logps = tiny.score(model, torch.tensor([t.ids]), torch.tensor([t.loss_mask]), tiny.chat().tokenizer_size).logps
        where = [i for i, m in enumerate(t.loss_mask) if m]
        for i, logp in zip(where, logps.tolist()):
            t.logps[i] = logp - 0.1
    metrics, _ = gradients_of(groups)
    assert metrics["dlogp_max"] == pytest.approx(0.1, abs=1e-4)
    assert metrics["dlogp_mean"] == pytest.approx(0.1, abs=1e-4)
    assert metrics["sampler_kl"] == pytest.approx(math.exp(0.1) - 0.1 - 1, abs=1e-4)
    assert 0 < metrics["dp_mean"] < 0.1


def test_a_step_that_is_not_finite_is_skipped_and_counted():
    """Pitfall 6."""
    model = tiny.model()
    before = [p.clone() for p in model.parameters()]
    samples = chosen(groups_of(*GROUPS[:2]))
    samples[0].advantage = math.inf
    learner = learner_of(model, torch.optim.SGD(model.parameters(), lr=1.0), algorithm=replace(ALGORITHM, max_grad_norm=1.0))
    assert update(learner, samples, 1.0)["skipped"] == 1
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))


def test_a_run_that_only_leaves_steps_out_ends_with_a_sentence():
    check_gradients(skipped=9, steps=20)
    with pytest.raises(SystemExit, match="last 10 steps were skipped"):
        check_gradients(skipped=10, steps=20)
    with pytest.raises(SystemExit, match="last 2 steps were skipped"):
        check_gradients(skipped=2, steps=2)


@pytest.mark.parametrize("value", [math.nan, 1e10])
def test_a_model_whose_weights_are_spoiled_samples_nothing(value):
    """Finite weights can be as bad: 1e10, squared in attention's scores and again in the MLP, is no number."""
    its = replace(actor(), model=tiny.model(seed=1), chat=tiny.chat(), sandbox=tiny.sandbox())
    trained = tiny.model()
    for parameter in trained.parameters():
        parameter.data[..., -1:] = value
    copy_weights(trained, its.model, WORLD)
    assert torch.equal(its.model.model.norm.weight[:-1], trained.model.norm.weight[:-1])
    with pytest.raises(SystemExit, match="probabilities are no numbers"):
        its.assess([tiny.instance()], "validation")


# ---- flags -----------------------------------------------------------------------------------------------------------

def flags_of(monkeypatch, *argv: str):
    """The flags with which `grpo.py ARGV` would begin its work."""
    class Stop(Exception):
        pass

    def check_and_start(parser, args):
        seen.update(vars(args))
        raise Stop

    seen = {}
    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(grpo, "choose_questions", lambda *_: [tiny.instance()] * 100)   # not 107 tasks' own
        patch.setattr(grpo, "check_and_start", check_and_start)
        patch.setattr("sys.argv", ["grpo.py", *argv])
        grpo.main()
    return seen


def test_a_preset_changes_defaults_and_every_flag_still_overrides_it(monkeypatch):
    tiny_flags, paper = flags_of(monkeypatch), flags_of(monkeypatch, "--preset", "paper")
    assert (tiny_flags["group_size"], tiny_flags["agents"], tiny_flags["reward"]) == (8, ["ci"], "v1")
    assert (paper["group_size"], paper["kl_coef"], paper["lr"], paper["steps_per_stage"]) == (5, 0.001, 1e-6, 150)
    assert paper["agents"] == ["text", "code", "ci", "guided"] and paper["potential_samples"] == 5
    mixed = flags_of(monkeypatch, "--preset", "paper", "--clip-high", "0.3", "--no-merge", "--agents", "ci", "text")
    assert (mixed["clip_high"], mixed["merge"], mixed["agents"], mixed["lr"]) == (0.3, False, ["ci", "text"], 1e-6)
    defaults = vars(Algorithm(micro_tokens=4096, max_grad_norm=1.0))
    assert {name: tiny_flags[name] for name in defaults} == defaults
    quick = flags_of(monkeypatch, "--preset", "quick")
    assert quick["steps_per_stage"] * quick["stages"] == 20 and quick["model"] == "runs/sft"
    for name, preset in grpo.PRESETS.items():
        assert preset.keys() <= tiny_flags.keys(), name  # a misspelt flag would change nothing


@pytest.mark.parametrize("argv, says", [
    (["--agents", "ci", "poet"], "invalid choice: 'poet'"), (["--stages", "0"], "0 is not a whole number of at least 1"),
    (["--temperature", "0"], "--temperature must be above 0"), (["--group-size", "1"], "--group-size must be at least 2"), (["--clip-low", "2"], "from 0 to 1"),
    (["--preset", "huge"], "invalid choice")])
def test_contradicting_flags_are_refused(argv, says, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["grpo.py", *argv])
    with pytest.raises(SystemExit):
        grpo.main()
    assert says in capsys.readouterr().err


# ---- whole runs ------------------------------------------------------------------------------------------------------

PPO = [*GRPO, "--advantage", "ppo", "--updates", "2", "--reward", "v2"]  # v2: so that there are rewards


def resume(*args) -> None:
    """As a process of its own would: the lock of the run before goes with the objects that held it."""
    gc.collect()
    inside(*args, "--resume")


def test_a_stopped_and_resumed_run_of_ppo_equals_an_uninterrupted_one_bit_for_bit(sft_run, tmp_path):
    """Pitfall 20: the critic's head and its Adam are in the checkpoint, too."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    inside(*PPO, "--model", sft_run, "--out", whole)
    inside(*PPO, "--model", sft_run, "--out", parts, "--stop-after", "3")
    resume(*PPO, "--model", sft_run, "--out", parts)
    assert metrics(parts)[1:] == metrics(whole)[1:]
    assert [line["step"] for line in metrics(whole)[1:]] == [1, 2, 3, 4]
    assert (parts / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    heads = [torch.load(run / "checkpoints" / "step-000004" / grpo.Critic.FILE)["head"] for run in (whole, parts)]
    assert all(torch.equal(heads[0][name], heads[1][name]) for name in heads[0])
    assert heads[0]["weight"].abs().max() > 0


def test_a_broken_sandbox_ends_the_run_behind_a_checkpoint_from_which_it_goes_on(sft_run, tmp_path, monkeypatch):
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    with monkeypatch.context() as patch:
        # 4 of 40 calls are too few to judge, 6 of 60 are not.
        failures = iter([(0, 20), (2, 20), (2, 20), (2, 20)])   # the first: when p is measured
        patch.setattr(grpo, "tool_failures", lambda trajectories: next(failures))
        sentence = refusal(*GRPO, "--model", sft_run, "--out", broken)
    assert "the sandbox failed" in sentence and "step-000002 resumes with --resume" in sentence
    resume(*GRPO, "--model", sft_run, "--out", broken)
    inside(*GRPO, "--model", sft_run, "--out", whole)
    assert metrics(broken)[1:] == metrics(whole)[1:]
    assert (broken / "eval.json").read_text() == (whole / "eval.json").read_text()


def test_a_run_killed_before_its_first_checkpoint_keeps_its_pass_rates(sft_run, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def killed(*_, **__):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(grpo, "make_curriculum", killed)
        inside(*GRPO, "--model", sft_run, "--out", tmp_path)
    rates = (tmp_path / "pass_rates.jsonl").read_text()
    monkeypatch.setattr(grpo, "measure_pass_rates", killed)  # not measured again
    resume(*GRPO, "--model", sft_run, "--out", tmp_path, "--stop-after", "1")
    assert (tmp_path / "pass_rates.jsonl").read_text() == rates
    assert [line["step"] for line in metrics(tmp_path)[1:]] == [1]


def test_metrics_are_json_without_nan_and_a_run_that_never_has_a_gradient_ends_with_a_sentence(sft_run, tmp_path, monkeypatch):
    """Pitfall 6: every step of every rank is left out."""
    def never_finite(log_ratio, *_, **__):
        return log_ratio.sum() * math.nan, torch.zeros(())

    monkeypatch.setattr(grpo, "policy_loss", never_finite)
    assert "the last 4 steps were skipped" in refusal(*GRPO, "--model", sft_run, "--out", tmp_path)
    text = (tmp_path / "metrics.jsonl").read_text()
    assert "NaN" not in text and "Infinity" not in text
    assert [line["skipped"] for line in metrics(tmp_path)[1:]] == [1] * 4
    assert all(line["loss"] is line["grad_norm"] is None for line in metrics(tmp_path)[1:])


def test_one_update_is_explained_in_numbers_and_nothing_is_written(sft_run, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in sft_run.rglob("*")}
    # --out is the model's directory: a run could not begin there.
    out = inside(*GRPO, "--explain", "--reward", "v2", "--group-size", "8", "--model", sft_run, "--out", sft_run)
    assert {path: path.stat().st_mtime_ns for path in sft_run.rglob("*")} == before
    assert max(map(len, out.splitlines())) <= 80
    lines = out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("answer  reward")) + 1
    shown = [line.split() for line in lines[start:start + 8]]
    rewards = [float(words[1]) for words in shown]
    assert [float(words[2]) for words in shown] == pytest.approx(group_advantages(rewards, True), abs=1e-3)
    assert out.count("old_logp") == 2 and "grad_norm" in lines[-1] and "clipfrac 0.000" in lines[-1]


def test_tokens_are_explained_by_mask_and_by_hand():
    """0.5 -> 0.6: a ratio of 1.2; a token of the sandbox has no numbers."""
    text = explain_tokens(["a", "b"], [1, 0], [math.log(0.5)], [math.log(0.6)], [False])
    assert text.splitlines()[1].split() == ["'a'", "1", "-0.6931", "-0.5108", "+0.1823", "1.2000", "no"]
    assert text.splitlines()[2].split() == ["'b'", "0"]
