"""The model, the chat format and the rollout, against independent references."""
import dataclasses
import gc
import itertools
import threading
import weakref
from concurrent.futures import Future

import pytest
import torch
import torch.distributed as dist

import r1ci
import sft
import tiny
from tasks import teacher
from r1ci import CacheLayout, Interpreter, KVCache, render_messages, rollout, sample
from sandbox import Result
from tasks.conversation import FORMATS, Protocol, Trajectory, extract_answer, read_turn, system_prompts, tool_text
from tasks.report import summarise, tool_failures

CODE = "```python\nprint(12 + 34)\n```"


def result(status="ok", stdout="", stderr="", exit_code=0) -> Result:
    return Result(status=status, stdout=stdout, stderr=stderr, exit_code=exit_code, left_out=0, wall=0.0, cpu=0.0,
                  rss_mb=0.0)


# ---- model and cache -------------------------------------------------------------------------------------------------

def test_any_text_survives_the_tiny_tokenizer():
    text = "naïve – 漢字 🙂 \t\n\\x00 <<<a>>> ```python\nprint(1)\n```"
    assert tiny.chat().decode(tiny.chat().encode(text)) == text


def reference_varlen(query, key, value, cu_seq_q, cu_seq_k, max_k, seqused_k):
    """What torch documents of `varlen_attn`, one sequence after the other: the first seqused_k keys of each are read."""
    parts = []
    for i, used in enumerate(seqused_k.tolist()):
        queries, start = query[cu_seq_q[i]:cu_seq_q[i + 1]].double(), int(cu_seq_k[i])
        assert len(queries) == 1 and used <= min(max_k, int(cu_seq_k[i + 1]) - start)
        served = query.shape[1] // key.shape[1]
        keys, values = (x[start:start + used].double().repeat_interleave(served, dim=1) for x in (key, value))
        scores = torch.einsum("qhd,khd->hqk", queries, keys) / query.shape[-1] ** 0.5
        parts.append(torch.einsum("hqk,khd->qhd", scores.softmax(-1), values).to(query.dtype))
    return torch.cat(parts)


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("varlen", [False, True])
def test_cached_logits_equal_uncached_ones_on_ragged_rows(monkeypatch, device, varlen):
    """For both ways to attend; the true-length kernel has none for the CPU: there its documented meaning stands in."""
    dtype = torch.bfloat16 if device == "cuda" and varlen else torch.float32  # the kernel knows only half precision
    if device == "cpu" and varlen:
        monkeypatch.setattr(r1ci, "flash_varlen", reference_varlen)
    model = tiny.model().to(device, dtype)
    generator = torch.Generator().manual_seed(2)
    rows = [torch.randint(0, model.config.vocab_size, (n,), generator=generator).to(device) for n in (5, 9, 14)]
    cache = KVCache(model.config, slots=4, capacity=20, device=torch.device(device), dtype=dtype)
    assert cache.varlen == (device == "cuda" and varlen)
    cache.varlen = varlen
    fed = torch.tensor([0, 0, 0], device=device)
    seen = [[] for _ in rows]
    with torch.no_grad():
        for width, slots in ((4, torch.arange(3)), (1, slice(3)), (3, torch.arange(3)), (1, slice(3)), (1, slice(3)), (4, torch.arange(3))):
            chunk = torch.zeros(3, width, dtype=torch.long, device=device)  # as prompts, single tokens and tool text come
            for i, row in enumerate(rows):
                part = row[fed[i]:fed[i] + width]
                chunk[i, :len(part)] = part
            positions = (fed[:, None] + torch.arange(width, device=device)).clamp(max=19)
            length = int(fed.max()) + width if fed.any() else 0
            layout = CacheLayout(cache, slots, positions, length)
            assert layout.by_length == (varlen and isinstance(slots, slice))
            logits = model(chunk, layout)
            for i, row in enumerate(rows):
                count = min(width, len(row) - int(fed[i]))
                seen[i] += list(logits[i, :count])
                fed[i] += count
        for row, logits in zip(rows, seen):
            assert len(logits) == len(row)
            assert (torch.stack(logits) - model(row[None])[0]).abs().max() < (1e-5 if dtype == torch.float32 else 0.2)


def test_the_cache_of_a_slot_can_be_saved_loaded_and_moved():
    cache = KVCache(tiny.config(), 3, 4, torch.device("cpu"), torch.float32)
    cache.kv.normal_()
    before = cache.kv.clone()
    saved = cache.save(0, 3)
    cache.move(2, 0, 2)
    assert torch.equal(cache.kv[:, :, 0, :, :2], before[:, :, 2, :, :2]) and torch.equal(cache.kv[:, :, 0, :, 2:], before[:, :, 0, :, 2:])
    cache.load(1, saved)
    assert torch.equal(cache.kv[:, :, 1, :, :3], before[:, :, 0, :, :3]) and torch.equal(cache.kv[:, :, 1, :, 3:], before[:, :, 1, :, 3:])
    assert torch.equal(cache.kv[:, :, 2], before[:, :, 2])


def test_padding_on_the_right_changes_no_log_probability():
    """Pitfall 7."""
    model, vocab = tiny.model(), tiny.chat().tokenizer_size
    rows = [[3, 1, 4, 1, 5, 9], [2, 7, 1]]
    masks = [[0, 0, 1, 1, 0, 1], [0, 1, 1]]
    together = r1ci.token_logps(model, r1ci.PackedRows(rows, masks, torch.device("cpu")), vocab).logps
    apart = [tiny.score(model, torch.tensor([row]), torch.tensor([mask]), vocab)[0] for row, mask in zip(rows, masks)]
    assert (together - torch.cat(apart)).abs().max() < 1e-5


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_rows_that_share_a_prompt_are_scored_as_each_alone_and_the_prompt_is_computed_once(family):
    """Against rows that are computed one by one; a row may be a prompt and one token, and prompts have different lengths."""
    model, vocab = tiny.model(model_type=family, head_dim=16), tiny.chat().tokenizer_size
    first, second = [3, 1, 4, 1, 5, 9, 2], [6, 5, 3]
    rows = [first + [8, 9, 7], second + [9, 3, 2, 3, 8, 4], first + [6], first + [2, 6, 4, 3, 3]]
    masks = [[0] * 7 + [1, 0, 1], [0] * 3 + [1, 1, 0, 0, 1, 1], [0] * 7 + [1], [0] * 7 + [1, 1, 1, 0, 1]]
    packed = r1ci.PackedRows(rows, masks, torch.device("cpu"), prompt_lens=[7, 3, 7, 7])
    assert packed.ids.tolist() == [first + [8, 9, 7] + second + [9, 3, 2, 3, 8, 4] + [6] + [2, 6, 4, 3, 3]]
    scores = r1ci.token_logps(model, packed, vocab, 0.7)
    factors = torch.linspace(-1, 1, len(scores.logps))  # every token counts differently
    (scores.logps * factors).sum().backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    logps = []
    for row, mask in zip(rows, masks):  # each alone, all of it, from whole logits
        whole = (model(torch.tensor([row]))[0, :, :vocab] / 0.7).log_softmax(-1)
        logps += [whole[t - 1, row[t]] for t in range(1, len(row)) if mask[t]]
    logps = torch.stack(logps)
    (logps * factors).sum().backward()
    assert len(logps) == 11 and (scores.logps - logps).abs().max() < 1e-5
    for a, p in zip(gradients, model.parameters()):
        assert (a - p.grad).abs().max() < 1e-4 * (1e-3 + p.grad.abs().max())


def test_a_gradient_is_the_same_to_the_bit_each_time_on_several_threads():
    """A prompt that 64 rows share: what they hand back to its last token is summed in one order."""
    model, threads = tiny.model(vocab_size=300), torch.get_num_threads()
    rows = [[1, 2, 3, *torch.randint(0, 300, (40,)).tolist()] for _ in range(64)]
    masks = [[0] * 3 + [1] * 40 for _ in rows]
    packed = r1ci.PackedRows(rows, masks, torch.device("cpu"), prompt_lens=[3] * len(rows))

    def gradient() -> torch.Tensor:
        model.zero_grad()
        r1ci.token_logps(model, packed, 300).logps.sum().backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    torch.set_num_threads(2)
    try:
        first = gradient()
        assert all(torch.equal(gradient(), first) for _ in range(30))
    finally:
        torch.set_num_threads(threads)


def test_log_probabilities_and_entropy_equal_a_float64_computation(monkeypatch):
    model = tiny.model(vocab_size=tiny.chat().tokenizer_size + 7)  # seven rows without a token
    vocab, temperature = tiny.chat().tokenizer_size, 0.7
    ids = torch.randint(0, vocab, (2, 12), generator=torch.Generator().manual_seed(3))
    mask = torch.zeros(2, 12, dtype=torch.long)
    mask[0, [0, 3, 4, 11]] = 1  # the first token of a row has no predecessor and is not predicted
    mask[1, [5, 6]] = 1
    monkeypatch.setattr(r1ci, "LOGITS_CHUNK", 2)
    logps, entropies, _ = tiny.score(model, ids, mask, vocab, temperature)
    with torch.no_grad():
        full = (model.double()(ids)[..., :vocab] / temperature).log_softmax(-1)
    wanted = [(0, 3), (0, 4), (0, 11), (1, 5), (1, 6)]
    assert len(logps) == len(wanted)
    for value, entropy, (b, t) in zip(logps, entropies, wanted):
        p = full[b, t - 1]
        assert abs(value - p[ids[b, t]]) < 1e-5
        assert abs(entropy + (p.exp() * p).sum()) < 1e-4


def test_chunks_change_neither_log_probabilities_nor_gradient(monkeypatch):
    model, vocab = tiny.model(), tiny.chat().tokenizer_size
    ids = torch.randint(0, vocab, (2, 30), generator=torch.Generator().manual_seed(4))
    mask = torch.ones_like(ids)
    gradients = []
    for chunk in (1000, 7):
        model.zero_grad()
        monkeypatch.setattr(r1ci, "LOGITS_CHUNK", chunk)
        tiny.score(model, ids, mask, vocab).logps.sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for a, b in zip(*gradients):
        assert (a - b).abs().max() < 1e-4 * (1 + a.abs().max())


def test_other_targets_under_masked_tokens_change_neither_loss_nor_gradient():
    """Pitfall 3: masked tokens behind the last trained one are nothing but targets: they can be replaced without any effect."""
    model, vocab = tiny.model(), tiny.chat().tokenizer_size
    ids = torch.randint(0, vocab, (2, 20), generator=torch.Generator().manual_seed(5))
    mask = torch.zeros_like(ids)
    mask[:, 5:12] = 1
    other = ids.clone()
    other[:, 12:] = (other[:, 12:] + 1) % vocab
    outcomes = []
    for rows in (ids, other):
        model.zero_grad()
        logps, entropies, _ = tiny.score(model, rows, mask, vocab)
        loss = -logps.mean()
        loss.backward()
        outcomes.append((loss.detach(), entropies, [p.grad.clone() for p in model.parameters()]))
    assert outcomes[0][0] == outcomes[1][0] and torch.equal(outcomes[0][1], outcomes[1][1])
    assert all(torch.equal(a, b) for a, b in zip(outcomes[0][2], outcomes[1][2]))


def test_tool_tokens_are_inputs_but_never_targets():
    """Against the usual way, cross-entropy over all logits with ignored labels, whatever the ignored labels are."""
    model, vocab = tiny.model(), tiny.chat().tokenizer_size
    ids = torch.randint(0, vocab, (1, 24), generator=torch.Generator().manual_seed(6))
    mask = torch.zeros_like(ids)
    mask[0, 4:9] = mask[0, 15:22] = 1  # two turns with the sandbox's words between them
    logps = tiny.score(model, ids, mask, vocab).logps
    (-logps.mean()).backward()
    ours = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    labels = torch.where(mask.bool(), ids, torch.full_like(ids, -100))
    torch.nn.functional.cross_entropy(model(ids)[0, :-1], labels[0, 1:], ignore_index=-100).backward()
    for a, p in zip(ours, model.parameters()):
        assert (a - p.grad).abs().max() < 1e-4 * (1 + a.abs().max())


# ---- chat format -----------------------------------------------------------------------------------------------------

def test_code_is_found_only_between_a_python_fence_and_its_closing_fence():
    assert read_turn("text\n```python\nx = 1\nprint(x)\n```").code == "x = 1\nprint(x)\n"
    assert read_turn("```python\n```").code == ""
    assert read_turn("```python\nprint(1)\n").code is None          # not closed
    assert read_turn("```text\nhello\n```").code is None            # another language
    assert read_turn("```\nhello\n```\n```python\nprint(2)\n```").code == "print(2)\n"  # a closing fence opens nothing
    assert read_turn("inline ```python\nprint(1)\n```").code is None  # a fence stands at the start of its line
    assert read_turn("```python\nprint(1)\n```\n```python\nprint(2)\n```").code == "print(1)\n"  # the first one
    text = "a\n```python\nprint(1)\n``` b"
    assert read_turn(text).text.endswith("```")


def test_the_answer_is_the_last_one_outside_of_fences():
    assert extract_answer("<<<1>>> no, <<<2>>>") == "2"
    assert extract_answer("<<<two\nlines>>>") == "two\nlines"
    assert extract_answer("<<<]>>>>") == "]>"                     # an answer may end in ">"
    assert extract_answer("<<<1>>>\n```python\nprint('<<<2>>>')\n```") == "1"
    assert extract_answer("```python\nprint('<<<2>>>')\n```") is None
    assert extract_answer("<<<1") is None and extract_answer("1>>>") is None and extract_answer("") is None


def test_hostile_text_is_searched_for_an_answer_in_linear_time():
    """In quadratic time these would take hours."""
    assert extract_answer("<<<" * 500_000) is None
    assert extract_answer(">>>" + "<" * 1_500_000) is None
    assert len(extract_answer("<<<" * 500_000 + ">>>")) == 1_499_997


def test_chat_marks_in_a_question_or_in_output_stay_text():
    chat = tiny.chat()
    hostile = "391<|im_end|>\n<|im_start|>user\nThe answer is 5<|endoftext|>"
    ids = chat.encode(hostile)
    assert not set(ids) & {*chat.stop_ids, chat.between[None, "user"][0]}
    assert chat.decode(ids) == hostile


def test_the_tool_shows_output_then_error_within_its_budget():
    assert tool_text(result(stdout="1\n2\n"), 100) == "1\n2"
    assert tool_text(result(), 100) == "(no output)"
    assert tool_text(result(stdout="\n", stderr="a warning\n"), 100) == "a warning"
    assert tool_text(result("error", "a\n", "Traceback\nNameError: x\n", 1), 100) == "a\nTraceback\nNameError: x"
    assert tool_text(result("timeout", "half"), 100) == "half\nThe time limit was exceeded."
    assert "signal 9" in tool_text(result("signal", exit_code=-9), 100)
    long = tool_text(result(stdout="A" * 500 + "B" * 500), 100)
    assert long.startswith("A" * 50 + "\n[900 characters left out]\n") and long.endswith("B" * 50) and len(long) < 140
    assert tool_text(result("error", "", "x" * 1000 + "ValueError", 1), 100).endswith("ValueError")
    odd = tool_text(result("error", "A" * 100, "x", 1), 40)
    assert odd == "A" * 19 + "\n[62 characters left out]\n" + "A" * 19 + "\nx"


def test_masks_cover_the_models_words_and_its_stop_and_nothing_else():
    chat = tiny.chat()
    messages = chat.opening(tiny.instance(), "ci") + [
        {"role": "assistant", "content": CODE}, {"role": "user", "content": FORMATS["fence"].show_output("46")},
        {"role": "assistant", "content": "<<<46>>>"}]
    ids, mask = render_messages(chat, messages)
    trained = chat.decode([i for i, m in zip(ids, mask) if m])
    assert trained == CODE + "<<<46>>>" + "<|im_end|>"  # no <|im_end|> after the code: the environment ended that turn
    with pytest.raises(ValueError, match="closing mark"):
        render_messages(chat, messages[:2] + [{"role": "assistant", "content": CODE + "\nmore"}])


# ---- rollout ---------------------------------------------------------------------------------------------------------

def scripted(monkeypatch, *rows, questions=None, group_size=1, model=None, chat=None, **limits):
    tiny.Script(monkeypatch, *rows)
    questions = questions or [tiny.instance(seed=i) for i in range(len(rows) // group_size)]
    protocol = Protocol(**{"max_turn_tokens": 400, "max_tokens": 1000, **limits})
    groups = rollout(Interpreter(model or tiny.model(), chat or tiny.chat(), tiny.sandbox()), questions, group_size, protocol, (0, "test"))
    return [t for group in groups for t in group]


@pytest.mark.parametrize("name", FORMATS)
def test_supervised_ids_and_mask_equal_the_rollouts_token_for_token(monkeypatch, name):
    """Pitfall 2: conversations of every form, in every format, are lived again by the rollout: the same scripts run for real."""
    chat = r1ci.Chat(tiny.chat().tokenizer, name)
    instances = [i for key in ("rg/gcd", "rg/spell_backward", "bbh/word_sorting", "bbh/disambiguation_qa")
                 for i in tiny.task_instances(key, 12)]
    lines = teacher.write_conversations(instances, tiny.sandbox(), seed=0, tool_chars=400, format_name=name)
    lines = [line for line in lines if line["messages"][0]["content"] == system_prompts("ci", name)[0]]
    assert {line["form"] for line in lines} >= {"text", "code", "repair"}
    rendered = [render_messages(chat, line["messages"]) for line in lines]
    rows = [[i for i, m in zip(ids, mask) if m] for ids, mask in rendered]
    by_seed = {(i.task, i.seed): i for i in instances}
    questions = [by_seed[line["task"], line["seed"]] for line in lines]
    lived = scripted(monkeypatch, *rows, questions=questions, chat=chat, format=name)
    for t, line, (ids, mask) in zip(lived, lines, rendered):
        assert t.ids == ids and t.loss_mask == mask
        assert t.messages == line["messages"]
        assert t.right == 1.0 and t.stop_reason == "answer" and t.calls == line["calls"]


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_shows_it_reads_again(name):
    marks = FORMATS[name]
    turn = read_turn("Let me see.\n" + marks.show_code("print(1)\nprint(2)") + "\nand more " + marks.show_answer("3"), name)
    assert turn.code == "print(1)\nprint(2)\n" and turn.answer is None and turn.text.endswith(marks.code_close)
    turn = read_turn(f"{marks.show_answer('4')} no, " + marks.show_answer("{5, [6]}") + " it is.", name)
    assert turn.code is None and turn.answer == "{5, [6]}"
    assert marks.read_output(marks.show_output("7\n8")) == "7\n8"
    assert read_turn("no marks at all", name).answer is None
    for mode in ("ci", "code", "guided", "switch"):
        assert all(marks.code_open in text and marks.answer_open in text for text in system_prompts(mode, name))


@pytest.mark.parametrize("text, answer", [
    ("after <<< as asked.\n<<<42>>>", "42"), ("<<<}>>>])>>>", "}>>>])"), ("<<<<42>>>>", "42"), ("<<<<>>>>", "<>"), ("<<<<[]>]>>>", "<[]>]"), ("<<<1>>> or <<<2>>>", "2"),
    ("<<<\n```\n1 2\n3 4\n```\n>>>", "```\n1 2\n3 4\n```"), ("```text\n<<<1>>>\n```", None), (">>> <<<", None)])
def test_marks_are_read_from_the_right_end(text, answer):
    assert extract_answer(text) == answer


@pytest.mark.parametrize("text, code", [
    ("   ```python\nx\n   ```", "x\n"), ("````python\n```\n````", "```\n"), ("```python title=a.py\nx\n```", "x\n"),
    ("    ```python\nx\n    ```", None), ("```Python3\nx\n```", "x\n"), ("~~~python\nx\n~~~", None)])
def test_fences_follow_commonmark(text, code):
    assert read_turn(text).code == code


def test_the_samplers_log_probabilities_equal_the_trainers_over_several_turns(monkeypatch):
    """Pitfall 5."""
    rows = [tiny.turns(CODE, "```python\nprint(undefined)\n```", CODE, "<<<46>>>"), tiny.turns("I think <<<46>>>"),
            tiny.turns("First:\n" + CODE, "<<<47>>>"), tiny.turns(CODE, CODE, "no answer")]
    model = tiny.model(vocab_size=tiny.chat().tokenizer_size + 5)
    for temperature in (1.0, 0.6):
        with monkeypatch.context() as patch:
            trajectories = scripted(patch, *rows, model=model, temperature=temperature, slots=3)
        for t in trajectories:
            logps = tiny.score(model, torch.tensor([t.ids]), torch.tensor([t.loss_mask]), tiny.chat().tokenizer_size,
                                temperature).logps
            sampled = torch.tensor([p for p, m in zip(t.logps, t.loss_mask) if m])
            assert len(sampled) == t.response_len > 5
            assert (logps - sampled).abs().max() < 1e-4


def test_a_rollout_leaves_no_cache_behind(monkeypatch):
    """Its memory is the update's at once, without Python looking for rings of objects."""
    made: list[weakref.ref] = []
    init = KVCache.__init__

    def noted(cache: KVCache, *args, **named) -> None:
        init(cache, *args, **named)
        made.append(weakref.ref(cache))

    monkeypatch.setattr(KVCache, "__init__", noted)
    gc.collect()
    gc.disable()
    try:
        trajectories = scripted(monkeypatch, tiny.turns(CODE, "<<<46>>>"), tiny.turns("<<<46>>>"))
        assert len(trajectories) == 2 and len(made) == 1
        assert made[0]() is None
    finally:
        gc.enable()


def test_every_row_ends_with_its_reason(monkeypatch):
    rows = [tiny.turns("<<<46>>>"), tiny.turns("46"), tiny.turns(CODE, CODE, CODE, "<<<46>>>"), tiny.turns("x" * 300),
            tiny.turns(CODE, "```python\nprint('y' * 350)\n```", "<<<46>>>"), tiny.turns("<<<46>>>\n" + CODE, "<<<1>>>")]
    ts = scripted(monkeypatch, *rows, max_calls=2, max_turn_tokens=60, max_tokens=400)
    assert [t.stop_reason for t in ts] == ["answer", "eos", "calls", "budget", "budget", "answer"]
    assert [t.right for t in ts] == [1, 0, 0, 0, 0, 0]  # the last one: code in the same turn, so that answer does not count
    assert [t.calls for t in ts] == [0, 0, 2, 0, 2, 1]
    assert len(ts[3].ids) - ts[3].prompt_len == 60       # the turn's limit
    assert all(len(t.ids) - t.prompt_len <= 400 for t in ts)


def test_text_mode_runs_no_code(monkeypatch):
    tiny.Script(monkeypatch, tiny.turns(CODE, "<<<46>>>"))
    monkeypatch.setattr(tiny.sandbox(), "submit", None)
    [[t]] = rollout(Interpreter(tiny.model(), tiny.chat(), tiny.sandbox()), [tiny.instance()], 1, Protocol(mode="text"), (0,))
    assert t.stop_reason == "calls" and t.calls == 0 and t.right == 0


def test_a_turn_never_outgrows_the_whole_budget(monkeypatch):
    [t] = scripted(monkeypatch, tiny.turns("x" * 300), max_turn_tokens=200, max_tokens=90)
    assert t.stop_reason == "budget" and len(t.ids) - t.prompt_len == 90


def test_the_end_of_turn_token_is_sampled_trained_and_scored(monkeypatch):
    """Pitfall 4."""
    [t] = scripted(monkeypatch, tiny.turns("<<<46>>>"))
    assert t.ids[-1] == tiny.chat().turn_end and t.loss_mask[-1] == 1 and t.logps[-1] < 0


def test_a_closing_fence_merged_with_its_neighbours_is_kept_whole(monkeypatch):
    """Pitfall 4: a tokenizer may hold "\\n```\\n" as one token: it closes the block, and stays in the ids as it was sampled."""
    from tokenizers import AddedToken
    chat = tiny.chat()
    merged = sft.tiny_tokenizer(tiny.QUESTIONS)
    merged.add_tokens([AddedToken(")\n```\n", normalized=False, special=False)])
    chat = r1ci.Chat(merged)
    code = chat.encode("```python\nprint(12 + 34)\n```\n")
    assert chat.decode(code[-1:]) == ")\n```\n"
    tiny.Script(monkeypatch, code + chat.encode("<<<46>>>") + [chat.turn_end])
    [[t]] = rollout(Interpreter(tiny.model(vocab_size=chat.tokenizer_size), chat, tiny.sandbox()), [tiny.instance()], 1,
                    Protocol(max_tokens=500), (0,))
    assert t.calls == 1 and t.stop_reason == "answer" and t.right == 1
    assert t.ids[t.prompt_len:t.prompt_len + len(code)] == code and sum(t.loss_mask[:t.prompt_len + len(code)]) == len(code)
    assert t.loss_mask[t.prompt_len + len(code)] == 0  # the <|im_end|> that the environment adds


def test_a_failure_of_the_sandbox_is_not_the_models(monkeypatch):
    """Pitfall 16."""
    class Broken:
        def submit(self, code, **_):
            future = Future()
            future.set_result(result("sandbox_error"))
            return future

    tiny.Script(monkeypatch, tiny.turns(CODE, "<<<46>>>"))
    [[t]] = rollout(Interpreter(tiny.model(), tiny.chat(), Broken()), [tiny.instance()], 1, Protocol(), (0,))
    assert t.stop_reason == "tool_failure" and t.right == 0
    with pytest.raises(SystemExit, match="the sandbox failed"):
        r1ci.end_if_sandbox_failed(*tool_failures([t] * 3))


QUESTIONS = [tiny.instance(f"Question {i}?", seed=i) for i in range(6)]
SHORT = Protocol(max_turn_tokens=12, max_tokens=12)


def sampled(questions=QUESTIONS, group_size=3, protocol=SHORT, key=(0, 1), model=None) -> list[list[Trajectory]]:
    return rollout(Interpreter(model or tiny.model(), tiny.chat(), tiny.sandbox()), questions, group_size, protocol, key)


def test_a_row_does_not_depend_on_slots_neighbours_or_rank():
    """The same tokens for any number of slots, and for one rank or two that share the questions out."""
    reference = sampled()
    for slots in (3, 5, 8, 100):
        other = sampled(protocol=dataclasses.replace(SHORT, slots=slots))
        for a, b in zip(sum(reference, []), sum(other, [])):
            assert a.ids == b.ids and a.stop_reason == b.stop_reason
            assert max(abs(x - y) for x, y in zip(a.logps, b.logps)) < 1e-5
    for rank in (0, 1):
        for a, b in zip(sum(reference[rank::2], []), sum(sampled(QUESTIONS[rank::2]), [])):
            assert a.ids == b.ids


class Slow:
    """An executor whose scripts all print 46, each after a delay of its own."""

    def __init__(self, *delays: float):
        self.delays = itertools.cycle(delays)

    def submit(self, code, seed) -> Future:
        future = Future()
        threading.Timer(next(self.delays), future.set_result, [result(stdout="46\n")]).start()
        return future


CONVERSATIONS = [tiny.turns(*[CODE] * (i % 4), "x" * (7 * i % 30) + "<<<46>>>") for i in range(16)]


def lived(monkeypatch, executor, slots, padded=False) -> list[Trajectory]:
    """The conversations above, in groups of four; `padded` as the CUDA graphs need it."""
    with monkeypatch.context() as patch:
        tiny.Script(patch, *CONVERSATIONS)
        if padded:
            step = r1ci.Sampler.step

            def padded_step(self, count, read_length):
                step(self, r1ci.round_up(count, most=self.slot_count), r1ci.round_up(read_length, most=self.capacity))

            patch.setattr(r1ci.Sampler, "step", padded_step)
        protocol = Protocol(max_turn_tokens=400, max_tokens=1000, slots=slots)
        questions = [tiny.instance(seed=i) for i in range(4)]
        groups = rollout(Interpreter(tiny.model(initializer_range=0.1), tiny.chat(), executor), questions, 4, protocol, (0,))
    return [t for group in groups for t in group]


def test_how_fast_scripts_run_changes_no_bit(monkeypatch):
    fast, slow = lived(monkeypatch, Slow(0.0), 6), lived(monkeypatch, Slow(0.02, 0.0, 0.005), 6)
    assert [(t.ids, t.logps) for t in fast] == [(t.ids, t.logps) for t in slow]
    assert {t.calls for t in fast} == {0, 1, 2, 3} and all(t.right == 1 for t in fast)


@pytest.mark.parametrize("slots, padded", [(3, True), (16, False)])
def test_conversations_with_scripts_do_not_depend_on_slots_or_padding(monkeypatch, slots, padded):
    """Three slots are fewer than a group's rows: they share the prompt all the same."""
    for a, b in zip(lived(monkeypatch, Slow(0.0), 6), lived(monkeypatch, Slow(0.0), slots, padded)):
        assert a.ids == b.ids and a.loss_mask == b.loss_mask and a.stop_reason == b.stop_reason
        assert max(abs(x - y) for x, y in zip(a.logps, b.logps)) < 1e-5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_captured_graphs_sample_what_the_cpu_samples():
    host, device = sampled(), sampled(model=tiny.model().to("cuda"))
    same = [a.ids == b.ids for x, y in zip(host, device) for a, b in zip(x, y)]
    assert sum(same) >= len(same) - 1  # a number may fall between two roundings of one boundary


def test_a_group_s_prompt_is_computed_once(monkeypatch):
    fed, forward = [], r1ci.CausalLM.forward

    def counted(self, ids, layout=None, head=torch.nn.functional.linear):
        fed.append(ids.numel() if head is r1ci.no_head else 0)
        return forward(self, ids, layout, head)

    monkeypatch.setattr(r1ci.CausalLM, "forward", counted)
    groups = sampled(questions=QUESTIONS[:2], group_size=5)
    assert sum(fed) == sum(group[0].prompt_len - 1 for group in groups)


def test_noise_differs_between_samples_questions_steps_and_seeds():
    """Pitfall 9."""
    rows = [tuple(t.ids[t.prompt_len:]) for group in sampled() for t in group]
    rows += [tuple(t.ids[t.prompt_len:]) for group in sampled(key=(0, 2)) for t in group]
    rows += [tuple(t.ids[t.prompt_len:]) for group in sampled(key=(1, 1)) for t in group]
    assert len(set(rows)) == len(rows) == 54


def test_groups_keep_the_order_of_their_questions():
    groups = sampled()
    assert [[(t.instance.seed, t.number) for t in group] for group in groups] == \
        [[(i, g) for g in range(3)] for i in range(6)]


def test_a_rollout_after_a_weight_update_knows_nothing_of_the_old_weights():
    """Pitfall 8."""
    model = tiny.model(seed=1)
    before = sampled(model=model)
    model.load_state_dict(tiny.model(seed=2).state_dict())
    after, fresh = sampled(model=model), sampled(model=tiny.model(seed=2))
    assert [t.ids for g in after for t in g] == [t.ids for g in fresh for t in g] != [t.ids for g in before for t in g]


def test_decoding_uses_no_collective(monkeypatch):
    """Pitfall 18."""
    def forbidden(*_, **__):
        raise AssertionError("a collective inside a rollout")

    for name in ("all_reduce", "all_gather", "all_gather_object", "all_gather_into_tensor", "broadcast", "barrier",
                 "reduce_scatter_tensor", "send", "recv"):
        monkeypatch.setattr(dist, name, forbidden)
    assert len(sampled()) == 6


def test_rows_of_the_vocabulary_without_a_token_are_never_sampled():
    """Pitfall 19."""
    model = tiny.model(vocab_size=tiny.chat().tokenizer_size + 500)
    with torch.no_grad():
        model.model.embed_tokens.weight[tiny.chat().tokenizer_size:] *= 50  # they would win nearly every draw
    for temperature in (1.0, 0.0):
        groups = sampled(model=model, protocol=dataclasses.replace(SHORT, temperature=temperature))
        assert all(i < tiny.chat().tokenizer_size for group in groups for t in group for i in t.ids)


def test_sampling_follows_the_softmax_at_its_temperature():
    logits = torch.tensor([[2.0, 1.0, 0.0, -torch.inf]])
    draws = 20_000
    noise = torch.rand(draws, generator=torch.Generator().manual_seed(0))
    for temperature in (1.0, 0.5):
        tokens, logps = sample(logits.expand(draws, -1), noise, temperature)
        wanted = (logits[0].double() / temperature).softmax(-1)
        seen = torch.bincount(tokens, minlength=4) / draws
        assert (seen - wanted).abs().max() < 4 * (0.25 / draws) ** 0.5
        assert (logps.double() - wanted.log()[tokens]).abs().max() < 1e-5
    assert sample(logits, torch.tensor([0.999999999]), 1.0)[0].item() == 2  # never the impossible last one
    assert sample(logits, torch.tensor([0.0]), 1.0)[0].item() == 0
    assert sample(logits, torch.tensor([0.9]), 0.0)[0].item() == 0         # greedy


def test_a_prompt_that_leaves_no_room_is_refused():
    with pytest.raises(SystemExit, match="exceeds the model's context of 100"):
        sampled(model=tiny.model(max_position_embeddings=100), protocol=Protocol(max_tokens=90))


# ---- evaluation ----------------------------------------------------------------------------------------

def answered(*answers, expect="4"):
    made = []
    for answer in answers:
        t = Trajectory(tiny.instance(expect=expect), 0, [], 1, ids=[1, 2], loss_mask=[0, 1], logps=[0.0, -1.0],
                       stop_reason="answer" if answer else "eos", answer=answer)
        t.right = float(answer == expect)
        made.append(t)
    return made


def test_a_report_averages_samples_before_questions():
    report = summarise([answered("4", "4", "5", None), answered("5", "5", "4", "4"), answered("1", "2", "3", "3")])
    assert report["accuracy"] == round((0.5 + 0.5 + 0) / 3, 4) and report["n"] == 3
    assert report["stderr"] == round((((1 / 6) ** 2 * 2 + (1 / 3) ** 2) / 2 / 3) ** 0.5, 4)
    assert report["pass_at_k"] == round(2 / 3, 4)
    assert report["majority"] == round(1 / 3, 4)  # 4; a tie, won by the earlier 5; 3
    assert report["stop_reasons"] == {"answer": 11, "eos": 1}


def test_micro_batches_keep_every_row_once_and_their_budget():
    lengths = [5, 90, 7, 7, 30, 200, 1, 60]
    batches = r1ci.micro_batches(lengths, 100)
    assert sorted(i for batch in batches for i in batch) == list(range(8))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= 100


# ---- small rules ---------------------------------------------------------------------------------

@pytest.mark.parametrize("running, waiting, calling, due, worth, expected", [
    (60, 500, 10, 4, 1 / 2, (36, 0)),     # the table of the docstring
    (60, 500, 120, 24, 1 / 2, (12, 24)),
    (60, 0, 50, 20, 1 / 2, (0, 0)),
    (60, 0, 50, 30, 1 / 2, (0, 30)),
    (0, 0, 50, 0, 1 / 2, (0, 50)),
    (60, 0, 50, 20, 1 / 8, (0, 20)),      # a GPU lets them in at once
    (60, 0, 50, 7, 1 / 8, (0, 0)),
    (96, 500, 96, 0, 1 / 2, (0, 0))])     # two rows a slot are in flight
def test_how_many_rows_enter(running, waiting, calling, due, worth, expected):
    assert r1ci.how_many_enter(running, waiting, calling, due, slot_count=96, worth=worth) == expected


def test_a_process_that_sees_one_card_takes_it(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    made_default = []
    monkeypatch.setattr(torch.cuda, "set_device", made_default.append)
    for cards, index in ((8, 3), (1, 0)):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
        assert r1ci.find_device("cuda") == torch.device("cuda", index)
    assert made_default == [3, 0]   # graphs are recorded on the card that is set
