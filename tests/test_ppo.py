"""PPO: the value head, its estimates and its files, against definitions written out here."""
import math
from dataclasses import replace

import pytest
import torch

import tiny
from grpo import Critic, gae, learn, update, whiten
from r1ci import token_logps
from test_grpo import ALGORITHM, GROUPS, WORLD, Capture, chosen, difference, groups_of

WIDTH = 32  # of tiny.model()


@pytest.fixture(autouse=True)
def one_process():
    """The critic adds its gradients up over the ranks, even if there is one only."""
    import torch.distributed as dist
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def critic(trunk: float = 0.0, lr: float = 0.1, seed: int = 3) -> Critic:
    made = Critic(WIDTH, lr, trunk, WORLD.device)
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


def test_the_values_are_those_before_each_trained_token_for_any_split():
    rows, made = groups_of(*GROUPS)[0], critic()
    for micro_tokens in (1, 10_000):
        algorithm = replace(ALGORITHM, micro_tokens=micro_tokens, gae_lambda=0.0)
        _, returns = made.estimate(tiny.model(), rows, [0.5] * 4, algorithm, WORLD)  # V_(t+1), and the reward at the end
        for t, ahead in zip(rows, returns):
            hidden = tiny.model()(torch.tensor([t.ids]), head=lambda h, w: h)[0]
            values = [made.head(hidden[i - 1]).item() for i, m in enumerate(t.loss_mask) if m]
            assert ahead == pytest.approx([*values[1:], 0.5], abs=1e-5)


def test_values_ride_on_the_policys_own_pass_and_change_none_of_its_numbers():
    t, model, made = groups_of(*GROUPS)[0][0], tiny.model(), critic()
    ids, mask = torch.tensor([t.ids]), torch.tensor([t.loss_mask])
    policy = made.over(model)
    logps, entropies, _ = token_logps(policy, ids, mask, tiny.chat().vocab_size)
    expected = token_logps(model, ids, mask, tiny.chat().vocab_size)
    assert torch.equal(logps, expected[0]) and torch.equal(entropies, expected[1])
    assert made.latest.shape == ids.shape


@pytest.mark.parametrize("trunk", [0.0, 0.5])
def test_the_step_equals_a_float64_computation(trunk):
    """Clipped policy loss with a number a token, plus half the mean squared error; `trunk` of it enters the policy."""
    groups, made = groups_of(*GROUPS), critic(trunk)
    rows, rewards, counts = chosen(groups, replace(ALGORITHM, advantage="ppo"))
    assert len(rows) == 16  # groups without variance, too
    g = torch.Generator().manual_seed(2)
    advantages = [torch.randn(t.response_len, generator=g).tolist() for t in rows]
    returns = [torch.randn(t.response_len, generator=g).tolist() for t in rows]
    model = tiny.model()
    capture, heads = Capture(model), []
    made.optimizer.step = lambda: heads.append([p.grad.clone() for p in made.head.parameters()])
    metrics = update(model, capture, rows, advantages, (16, counts["tokens"]), ALGORITHM, None, WORLD, tiny.chat().vocab_size, 0.0,
                     made, returns)
    model, head = tiny.model().double(), torch.nn.Linear(WIDTH, 1).double()
    head.load_state_dict(made.head.state_dict())
    loss, value_loss = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for t, its_advantages, its_returns in zip(rows, advantages, returns):
        ids = torch.tensor([t.ids])
        logps, hidden = model(ids)[0].log_softmax(-1), model(ids, head=lambda h, w: h)[0]
        where = [i for i, m in enumerate(t.loss_mask) if m]
        for i, a, r in zip(where, its_advantages, its_returns):
            logp = logps[i - 1, t.ids[i]]
            loss = loss - (logp - logp.detach()).exp() * a / (16 * len(where))
            value = head(trunk * hidden[i - 1] + (1 - trunk) * hidden[i - 1].detach())[0]
            value_loss = value_loss + 0.5 * (value - r) ** 2 / (16 * len(where))
    (loss + value_loss).backward()
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert metrics["value_loss"] == pytest.approx(value_loss.item(), rel=1e-5)
    assert difference([p.grad for p in model.parameters()], capture.gradients[0]) < 1e-4
    assert difference([p.grad for p in head.parameters()], heads[0]) < 1e-4


def test_with_the_first_critic_ppo_is_reinforce_with_the_batch_as_baseline():
    """Its values are 0, so every token's advantage is its row's reward, whitened over the tokens of the batch."""
    groups = groups_of([1.0, 0.0], [0.0, 1.0])
    rows = sum(groups, [])
    advantages, returns = Critic(WIDTH, 0.1, 0.0, WORLD.device).estimate(tiny.model(), rows, [t.reward for t in rows],
                                                                         ALGORITHM, WORLD)
    lengths = [t.response_len for t in rows]
    mean = sum(t.reward * n for t, n in zip(rows, lengths)) / sum(lengths)
    std = math.sqrt(sum(n * (t.reward - mean) ** 2 for t, n in zip(rows, lengths)) / sum(lengths))
    for t, n, its, back in zip(rows, lengths, advantages, returns):
        assert its == pytest.approx([(t.reward - mean) / std] * n) and back == [t.reward] * n


def test_the_value_head_learns_what_the_rows_will_earn():
    groups, made, model = groups_of(*GROUPS[:2]), Critic(WIDTH, 0.05, 0.0, WORLD.device), tiny.model()
    algorithm = replace(ALGORITHM, advantage="ppo")
    losses = [learn(model, Capture(model), model, None, made, groups, algorithm, 0.0, WORLD, tiny.chat().vocab_size)["value_loss"]
              for _ in range(20)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_saved_critic_goes_on_exactly(tmp_path):
    def train(made: Critic, steps: int) -> None:
        for step in range(steps):
            made.head.weight.grad = torch.full_like(made.head.weight, 0.1) * (made.optimizer.state_dict()["state"][0]["step"] + 1
                                                                             if made.optimizer.state_dict()["state"] else 1)
            made.head.bias.grad = torch.ones(1)
            made.step()

    whole, first, second = critic(), critic(), Critic(WIDTH, 0.1, 0.0, WORLD.device)
    train(whole, 4)
    train(first, 2)
    first.save(tmp_path)
    second.load(tmp_path)
    train(second, 2)
    assert all(torch.equal(a, b) for a, b in zip(whole.head.parameters(), second.head.parameters()))
    fresh = critic()
    fresh.save(tmp_path)  # before its first step, too
    second.load(tmp_path)
    train(fresh, 1), train(second, 1)
    assert torch.equal(fresh.head.weight, second.head.weight)
