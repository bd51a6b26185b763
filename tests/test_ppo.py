"""PPO: the value head, its estimates and its files, against definitions written out here."""
import math
from dataclasses import replace

import pytest
import torch

import grpo
import tiny
from grpo import Critic, estimate_advantages, gae, policy_batches, update, whiten
from test_grpo import ALGORITHM, GROUPS, WORLD, Capture, chosen, difference, groups_of, learner_of

PPO = replace(ALGORITHM, advantage="ppo")
WIDTH = 32  # of tiny.model()


@pytest.fixture(autouse=True)
def one_process():
    """The critic adds its gradients up over the ranks, even if there is one only."""
    import torch.distributed as dist
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def critic(lr: float = 0.1, seed: int = 3) -> Critic:
    made = Critic(WIDTH, lr, WORLD)
    torch.manual_seed(seed)
    torch.nn.init.normal_(made.head.weight, std=0.1)
    return made


def recursive_gae(values: list[float], rewards: list[float], gamma: float, lam: float, t: int = 0) -> list[float]:
    """A_t = delta_t + gamma lambda A_(t+1), delta_t = r_t + gamma V_(t+1) - V_t, V = 0 behind the end."""
    if t == len(values):
        return []
    rest = recursive_gae(values, rewards, gamma, lam, t + 1)
    following = values[t + 1] if t + 1 < len(values) else 0.0
    return [rewards[t] + gamma * following - values[t] + gamma * lam * (rest[0] if rest else 0.0), *rest]


@pytest.mark.parametrize("lam", [0.0, 0.5, 0.95, 1.0])
def test_gae_equals_its_recursive_definition(lam):
    values = torch.randn(12, generator=torch.Generator().manual_seed(1)).tolist()
    assert gae(values, 1.0, lam) == pytest.approx(recursive_gae(values, [0.0] * 11 + [1.0], 1.0, lam), abs=1e-12)


def test_gae_by_hand_and_at_its_limits():
    values = [0.5, 0.25, 0.75]
    assert gae(values, 1.0, 0.0) == [-0.25, 0.5, 0.25]              # one step: V_(t+1) - V_t, and the reward at the end
    assert gae(values, 1.0, 1.0) == [0.5, 0.75, 0.25]               # all steps: R - V_t
    assert gae(values, 1.0, 0.5) == [-0.25 + 0.5 * 0.625, 0.625, 0.25]
    assert gae([], 1.0, 0.9) == [] and gae([0.0] * 3, 1.0, 1.0) == [1, 1, 1]


def test_whitening_by_hand():
    assert whiten([[1.0, 2.0], [], [3.0]], False, WORLD) == [[-1, 0], [], [1]]
    assert sum(whiten([[1.0, 2.0], [3.0]], True, WORLD), []) == pytest.approx([-math.sqrt(1.5), 0, math.sqrt(1.5)])
    assert whiten([[2.0, 2.0]], True, WORLD) == [[0, 0]] and whiten([], True, WORLD) == []


def prepared(made: Critic, rewards: list[float], **changes):
    """The samples of GROUPS with these rewards, and their batches with the critic's advantages and returns."""
    samples = chosen(groups_of(*GROUPS), PPO)[:len(rewards)]
    for sample, reward in zip(samples, rewards):
        sample.reward = reward
    algorithm = replace(PPO, **changes)
    learner = learner_of(tiny.model(), None, critic=made, algorithm=algorithm)
    batches = policy_batches(samples, algorithm, WORLD)
    learner.prepare(batches)
    return samples, batches


def per_row(batches, name: str) -> dict[tuple, list[float]]:
    """A tensor of the batches as one list for every row, by the row's trained tokens."""
    found = {}
    for batch in batches:
        rows = batch.packed.ids[0][batch.packed.to_rows]
        for row, length, part in zip(rows, batch.lengths, getattr(batch, name).split(batch.lengths)):
            found[tuple(row.tolist())[:8]] = part.tolist()
    return found


def test_the_values_are_those_before_each_trained_token_for_any_split(monkeypatch):
    monkeypatch.setattr(grpo, "GAE_LAMBDA", 0.0)
    made = critic()
    for micro_tokens in (1, 10_000):
        samples, batches = prepared(made, [0.5] * 4, micro_tokens=micro_tokens)
        returns = per_row(batches, "returns")   # with lambda 0: V_(t+1), and the reward at the end
        for sample in samples:
            t = sample.trajectory
            hidden = tiny.model()(torch.tensor([t.ids]), head=lambda h, w: h)[0]
            values = [made.head(hidden[i - 1]).item() for i, m in enumerate(t.loss_mask) if m]
            assert returns[tuple(t.ids[:8])] == pytest.approx([*values[1:], 0.5], abs=1e-5)


def test_the_step_equals_a_float64_computation(monkeypatch):
    """Clipped policy loss with an advantage a token, plus half the mean squared error, which stays in the head."""
    monkeypatch.setattr(grpo, "GAE_LAMBDA", 0.9)
    made, captured = critic(), []
    made.optimizer.step = lambda: captured.append([p.grad.clone() for p in made.head.parameters()])
    samples = chosen(groups_of(*GROUPS), PPO)
    assert len(samples) == 16  # groups without variance, too
    model = tiny.model()
    capture = Capture(model)
    metrics = update(learner_of(model, capture, critic=made, algorithm=PPO), samples, 0.0)

    model, head = tiny.model().double(), torch.nn.Linear(WIDTH, 1).double()
    head.load_state_dict(made.head.state_dict())
    rows, raw = [], []
    for sample in samples:
        t = sample.trajectory
        ids = torch.tensor([t.ids])
        where = [i for i, m in enumerate(t.loss_mask) if m]
        hidden = model(ids, head=lambda h, w: h)[0].detach()
        values = [head(hidden[i - 1]).item() for i in where]
        estimates = recursive_gae(values, [0.0] * (len(where) - 1) + [t.right], 1.0, 0.9)
        rows.append((t, ids, where, values, estimates))
        raw += estimates
    mean = sum(raw) / len(raw)
    std = math.sqrt(sum((a - mean) ** 2 for a in raw) / len(raw))
    loss, value_loss = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for t, ids, where, values, estimates in rows:
        logps, hidden = model(ids)[0].log_softmax(-1), model(ids, head=lambda h, w: h)[0].detach()
        for i, old_value, estimate in zip(where, values, estimates):
            logp = logps[i - 1, t.ids[i]]
            loss = loss - (logp - logp.detach()).exp() * (estimate - mean) / std / (16 * len(where))
            value = head(hidden[i - 1])[0]
            value_loss = value_loss + 0.5 * (value - (estimate + old_value)) ** 2 / (16 * len(where))
    (loss + value_loss).backward()
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert metrics["value_loss"] == pytest.approx(value_loss.item(), rel=1e-5)
    assert difference([p.grad for p in model.parameters()], capture.gradients[0]) < 1e-4
    assert difference([p.grad for p in head.parameters()], captured[0]) < 1e-4


def test_with_the_first_critic_ppo_is_reinforce_with_the_batch_as_baseline():
    """Its values are 0, so every token's advantage is its row's reward, whitened over the tokens of the batch."""
    samples, batches = prepared(Critic(WIDTH, 0.1, WORLD), [1.0, 0.0, 0.0, 1.0])
    lengths = [sum(sample.mask) for sample in samples]
    mean = sum(s.reward * n for s, n in zip(samples, lengths)) / sum(lengths)
    std = math.sqrt(sum(n * (s.reward - mean) ** 2 for s, n in zip(samples, lengths)) / sum(lengths))
    advantages, returns = per_row(batches, "advantages"), per_row(batches, "returns")
    for sample, n in zip(samples, lengths):
        ids = tuple(sample.trajectory.ids[:8])
        assert advantages[ids] == pytest.approx([(sample.reward - mean) / std] * n, abs=1e-6)
        assert returns[ids] == [sample.reward] * n


def test_a_batch_without_rows_is_prepared_like_the_others():
    """A rank that has fewer rows than another takes empty batches."""
    empty = torch.zeros(0)
    _, [batch] = prepared(critic(), [1.0, 0.0])
    none = replace(batch, lengths=[], rewards=[], advantages=empty)
    estimate_advantages([none, batch], [empty, torch.zeros(sum(batch.lengths))], PPO, WORLD)
    assert none.advantages.shape == none.returns.shape == (0,)
    assert batch.advantages.shape == (sum(batch.lengths),)


def test_the_value_head_learns_what_the_rows_will_earn():
    model = tiny.model()
    learner = learner_of(model, Capture(model), critic=Critic(WIDTH, 0.05, WORLD), algorithm=PPO)
    losses = [update(learner, chosen(groups_of(*GROUPS[:2]), PPO), 0.0)["value_loss"] for _ in range(20)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_step_left_out_clears_the_value_heads_gradient_so_the_next_one_is_taken():
    made = critic()
    before = made.head.weight.clone()
    made.head.weight.grad = torch.full_like(before, math.nan)
    made.step()
    assert torch.equal(made.head.weight, before) and not made.head.weight.grad
    made.head.weight.grad = torch.ones_like(before)
    made.step()
    assert torch.isfinite(made.head.weight).all() and not torch.equal(made.head.weight, before)


def test_after_an_update_that_was_left_out_ppo_goes_on():
    made, model = critic(), tiny.model()
    learner = learner_of(model, Capture(model), critic=made, algorithm=PPO)
    samples = chosen(groups_of(*GROUPS[:2]), PPO)
    samples[0].reward = math.nan
    assert update(learner, samples, 0.0)["skipped"] == 1
    head = made.head.weight.clone()
    metrics = update(learner, chosen(groups_of(*GROUPS[:2]), PPO), 0.0)
    assert metrics["skipped"] == 0 and math.isfinite(metrics["value_loss"])
    assert torch.isfinite(made.head.weight).all() and not torch.equal(made.head.weight, head)


def test_a_saved_critic_goes_on_exactly(tmp_path):
    """Pitfall 20: two steps, saved, loaded and two more equal four."""
    def train(made: Critic, steps: range) -> None:
        for step in steps:
            made.head.weight.grad = torch.full_like(made.head.weight, 0.1 * (step + 1))
            made.head.bias.grad = torch.ones(1)
            made.step()

    whole, first, second = critic(), critic(), Critic(WIDTH, 0.1, WORLD)
    train(whole, range(4))
    train(first, range(2))
    first.save(tmp_path)
    second.load(tmp_path)
    train(second, range(2, 4))
    assert all(torch.equal(a, b) for a, b in zip(whole.head.parameters(), second.head.parameters()))
    fresh = critic()
    fresh.save(tmp_path)  # before its first step, too
    second.load(tmp_path)
    train(fresh, range(1))
    train(second, range(1))
    assert torch.equal(fresh.head.weight, second.head.weight)
