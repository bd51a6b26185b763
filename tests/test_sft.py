"""Conversations, the tiny tokenizer, and the supervised step."""
import json
import math
import random

import pytest
import torch

import sft
import tiny
from r1ci import render_messages
from sft import World
from tasks import TASKS, teacher
from tasks.conversation import system_prompts, extract_answer, read_turn

WORLD = World(0, 1, torch.device("cpu"), torch.float32)
TASK_KEYS = ("rg/gcd", "rg/spell_backward", "rg/chain_sum", "bbh/disambiguation_qa")


@pytest.fixture(scope="module")
def lines() -> list[dict]:
    instances = [i for key in TASK_KEYS for i in tiny.task_instances(key, 40)]
    return teacher.write_conversations(instances, tiny.sandbox(), seed=0, tool_chars=400)


def test_conversations_come_in_every_form_and_mode(lines):
    assert {line["form"] for line in lines} == {"text", "code", "check", "repair", "switch"}
    assert {line["mode"] for line in lines} == {"ci", "text", "code"}
    assert len({line["messages"][0]["content"] for line in lines}) > 4  # several wordings of the system prompt
    for line in lines:
        ran = sum(m["content"].startswith("Code Execution Results:") for m in line["messages"])
        assert ran == line["calls"] == {"text": 0, "code": 1, "check": 2, "repair": 2, "switch": 1}[line["form"]]


def test_every_kept_answer_is_right_and_what_the_code_printed(lines):
    for line in lines:
        instance = TASKS[line["task"]].generate(line["seed"], line["level"], "sft")
        answer = extract_answer(line["messages"][-1]["content"])
        assert TASKS[line["task"]].verify(instance, answer) and line["reward"] == 1.0
        if line["form"] in ("code", "repair", "switch"):
            assert answer in line["messages"][-2]["content"]


def test_a_repair_fails_first_and_shows_its_traceback(lines):
    repairs = [line for line in lines if line["form"] == "repair"]
    for line in repairs:
        assert "Error" in line["messages"][3]["content"]
        assert read_turn(line["messages"][2]["content"]).code != read_turn(line["messages"][4]["content"]).code


def test_a_conversation_whose_script_did_not_do_its_job_is_dropped(monkeypatch):
    monkeypatch.setattr(type(TASKS["rg/gcd"]), "program", lambda self, instance: "print(0)\n")  # a wrong program
    instances = tiny.task_instances("rg/gcd", 30)
    lines = teacher.write_conversations(instances, tiny.sandbox(), seed=0, tool_chars=400)
    assert lines and all(line["form"] == "text" for line in lines)


def test_checking_programs_compare_with_the_answer():
    assert teacher.checking("import math\nprint(math.gcd(4, 6))\n", "2") == "import math\nprint(str(math.gcd(4, 6)) == '2')\n"
    assert teacher.checking('print(*sorted("b a".split()))\n', "a b") == "print(\" \".join(sorted(\"b a\".split())) == 'a b')\n"
    assert teacher.checking("for i in range(3):\n    print(i)\n", "0") is None


def test_slips_make_a_program_fail():
    rng = random.Random(0)
    slips = {teacher.broken(rng, "import math\nprint(math.gcd(4, 6))\n") for _ in range(50)}
    assert len(slips) == 3
    assert all(tiny.sandbox().run(slip).status == "error" for slip in slips)


def test_conversations_longer_than_the_context_are_left_out(lines):
    assert len(sft.render_examples(lines, tiny.chat(), context=10 ** 9)) == len(lines)
    lengths = sorted(len(render_messages(tiny.chat(), line["messages"])[0]) for line in lines)
    context = lengths[len(lengths) // 2]
    fitting = [length for length in lengths if length <= context]
    examples = sft.render_examples(lines, tiny.chat(), context)
    assert sorted(len(example.ids) for example in examples) == fitting != lengths


def test_wrong_conversations_are_not_trained_on_and_broken_ones_named(lines, tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({**line, "reward": reward}) + "\n" for line, reward in zip(lines[:3], (1.0, 0.0, 1.0))))
    assert len(teacher.read_conversations(path)) == 2
    for broken, why in ((json.dumps({"messages": [{"role": "user"}]}), "messages"), ("[1]", "JSON object"), ("{", "not valid JSON"),
                        (json.dumps({"messages": lines[0]["messages"][:2]}), "assistant"),
                        (json.dumps({**lines[0], "reward": "1"}), "reward is '1'"),
                        (json.dumps({**lines[0], "reward": None}), "reward is None"),
                        (json.dumps({**lines[0], "reward": math.inf}), "reward is inf"),
                        (json.dumps({**lines[0], "system": 5}), '"system" must be')):
        path.write_text(json.dumps(lines[0]) + "\n" + broken + "\n")
        with pytest.raises(SystemExit, match=f"data.jsonl, line 2.*{why}"):
            teacher.read_conversations(path)
    path.write_text(json.dumps({**lines[0], "reward": 0.0}) + "\n")
    with pytest.raises(SystemExit, match="no right conversation"):
        teacher.read_conversations(path)


def written(**flags) -> list[dict]:
    instances = [i for key in TASK_KEYS for i in tiny.task_instances(key, 40)]
    return teacher.write_conversations(instances, tiny.sandbox(), seed=0, tool_chars=400, **flags)


def test_the_multi_turn_weight_sets_the_share_of_forms_with_several_calls_or_a_change(lines):
    shares = [sum(line["form"] in teacher.MULTI_TURN for line in its) / len(its)
              for its in (written(multi_turn_weight=0.0), written(multi_turn_weight=1.0), lines)]
    assert shares[0] == 0 < shares[1] < 0.1 < shares[2] < 0.3


def test_one_wording_is_the_one_that_rollouts_use(lines):
    for line in written(wordings="one"):
        assert line["messages"][0]["content"] == system_prompts(line["mode"])[0]
    assert [line["messages"][1:] for line in written(wordings="one")] == [line["messages"][1:] for line in lines]


def test_wrong_conversations_are_wrong_by_the_verifier_and_trained_on_only_when_asked_for(lines, tmp_path):
    instances = [i for key in TASK_KEYS for i in tiny.task_instances(key, 40)]
    wrong = teacher.wrong_conversations(lines, instances)
    assert len(lines) / 3 < len(wrong) <= len(lines) / 2
    for line in wrong:
        instance = TASKS[line["task"]].generate(line["seed"], line["level"], "sft")
        assert line["reward"] == 0.0 and line["messages"][1]["content"] == instance.question
        assert not TASKS[line["task"]].verify(instance, extract_answer(line["messages"][-1]["content"]))
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines + wrong))
    assert len(teacher.read_conversations(path)) == len(lines)
    assert len(teacher.read_conversations(path, keep_wrong=True)) == len(lines) + len(wrong)


def test_set_phrases_become_tokens_and_numbers_stay_bytes(lines):
    tokenizer = sft.tiny_tokenizer([m["content"] for line in lines for m in line["messages"][1:]])
    phrase = "What is the greatest common divisor of"
    assert len(tokenizer.encode(phrase)) == 1
    assert len(tokenizer.encode("12345", add_special_tokens=False)) == 5
    assert len(tokenizer) < 450


def test_copy_examples_train_repetitions_only():
    rng = random.Random(0)
    for progress in (0.0, 0.5, 1.0):
        for ids, mask, _ in sft.copy_examples(rng, list(range(1000, 9000)), progress):
            assert len(ids) == len(mask) and any(mask)
            for i, m in enumerate(mask):
                if m:  # a trained token follows the same token as it did before
                    assert any(ids[j - 1:j + 1] == ids[i - 1:i + 1] for j in range(1, i))


def test_the_learning_rate_rises_then_falls_to_zero():
    rates = [sft.learning_rate(step, 100, 2.0, 10) for step in range(1, 101)]
    assert rates[0] == 0.2 and rates[9] == 2.0 == max(rates) and rates[-1] < 1e-12
    assert all(a > b for a, b in zip(rates[9:], rates[10:]))
    assert sft.learning_rate(1, 1, 2.0, 0) > 0   # a single step learns something
    assert sft.learning_rate(1, 10, 2.0, 0) < 2.0 and sft.learning_rate(10, 10, 2.0, 0) < 1e-12


def test_an_epoch_takes_every_example_at_most_once_and_the_next_one_in_another_order():
    examples = [sft.Example([i], [1]) for i in range(11)]
    epochs = []
    for first in (1, 4, 7):   # 3 batches of 3 to an epoch, 2 examples left over
        batches = [sft.batch_of(step, examples, 3, seed=0) for step in range(first, first + 3)]
        epochs.append([example.ids[0] for batch in batches for example in batch])
        assert len(set(epochs[-1])) == 9
    assert epochs[0] != epochs[1] != epochs[2]
    assert sft.batch_of(1, examples, 3, seed=1) != sft.batch_of(1, examples, 3, seed=0)


def test_the_supervised_loss_is_the_mean_over_all_trained_tokens_for_any_split():
    """Pitfalls 3, 7 and 10: against float64 cross-entropy over the full logits of each row alone."""
    g = torch.Generator().manual_seed(0)
    vocab = tiny.chat().tokenizer_size
    examples = []
    for n in (5, 9, 30, 17):
        mask = [0] * (n // 3) + [1] * (n - n // 3)
        examples.append(sft.Example(torch.randint(0, vocab, (n,), generator=g).tolist(), mask))
    model = tiny.model().double()
    total = sum(sum(mask[1:]) for _, mask, _ in examples)
    loss = 0.0
    for ids, mask, _ in examples:
        logps = model(torch.tensor([ids]))[0, :-1].log_softmax(-1)                       # [T - 1, V]
        logps = logps.gather(-1, torch.tensor(ids)[1:, None])[:, 0]                      # [T - 1]
        loss = loss - (logps * torch.tensor(mask[1:])).sum() / total
    loss.backward()
    expected = [parameter.grad for parameter in model.parameters()]
    for micro_tokens in (10_000, 31, 1):
        model = tiny.model()
        metrics = sft.sft_backward(model, examples, WORLD, vocab, micro_tokens)
        assert metrics["loss"] == pytest.approx(loss.item(), rel=1e-5) and metrics["tokens"] == total
        for a, parameter in zip(expected, model.parameters(), strict=True):
            assert (a - parameter.grad).abs().max() < 1e-4 * (1 + a.abs().max())


def test_a_batch_without_a_trained_token_has_loss_0_and_no_gradient():
    model = tiny.model()
    metrics = sft.sft_backward(model, [sft.Example([1, 2, 3], [0, 0, 0])], WORLD, tiny.chat().tokenizer_size, 99)
    assert metrics == {"loss": 0.0, "tokens": 0}
    assert all(parameter.grad.abs().max() == 0 for parameter in model.parameters() if parameter.grad is not None)


def test_what_is_masked_moves_no_bit_of_the_gradient():
    """Pitfall 3: other tokens in the place of masked targets, seen by no trained token behind them."""
    ids, mask = list(range(40, 60)), [0] * 4 + [1] * 8 + [0] * 8
    gradients = []
    for tail in ([3] * 8, list(range(70, 78))):
        model = tiny.model()
        sft.sft_backward(model, [sft.Example(ids[:12] + tail, mask)], WORLD, tiny.chat().tokenizer_size, 99)
        gradients.append([parameter.grad for parameter in model.parameters()])
    for a, b in zip(*gradients):
        assert torch.equal(a, b)


def test_a_gradient_that_is_not_finite_takes_no_step_and_does_not_stay():
    model = tiny.model()
    optimizer = sft.make_optimizer(model, 0.1, 0.0, WORLD)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for value in (float("nan"), float("inf")):
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, value)
        assert not math.isfinite(sft.optimizer_step(model, optimizer, 0.1, 1.0))
        assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))
        assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("clip, size", [(0.5, 0.5), (0, 3.0), (10.0, 3.0)])
def test_the_gradient_is_clipped_to_its_largest_norm(clip, size):
    """One step of gradient descent moves the weights by the clipped gradient's length; 0: any length."""
    layer = torch.nn.Linear(9, 1, bias=False)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.ones(1, 9)   # of norm 3
    norm = sft.optimizer_step(layer, torch.optim.SGD(layer.parameters(), lr=1.0), 1.0, clip)
    assert norm == pytest.approx(3.0)
    assert (layer.weight - before).norm().item() == pytest.approx(size, rel=1e-4)


def test_masks_of_data_equal_what_the_chat_format_says(lines):
    """Pitfalls 2 and 4: nothing before the model's turn, and the end-of-turn token that it stops with."""
    for line in lines[:20]:
        ids, mask = render_messages(tiny.chat(), line["messages"])
        assert mask[0] == 0 and mask[-1] == 1 and ids[-1] == tiny.chat().turn_end
