"""Malformed files and odd flag values: each command ends with one sentence, and touches nothing."""
import contextlib
import gc
import io
import json
import os
import sys
from pathlib import Path

import pytest

import tiny
from r1ci import check_model, read_jsonl, save_model
from tasks.questions import read_bbh, read_questions
from tasks.teacher import read_conversations
from test_scripts import GRPO, OWN, SFT, inside, refusal

DEEP = b"[" * 100_000
MISSING, DIRECTORY = object(), object()   # in place of a file's bytes


def line(**fields) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def said(*turns: str, **fields) -> bytes:
    """A conversation of these roles; what each says is "x", or stands behind a colon."""
    messages = [dict(zip(("role", "content"), (turn + ":x").split(":")[:2])) for turn in turns]
    return line(messages=messages, **fields)


# What is no JSON lines, whatever is read from them.
NO_LINES = {
    "missing": MISSING, "a directory": DIRECTORY, "empty": b"", "blank": b"\n \n\n", "binary": bytes(range(256)),
    "UTF-16": line(question="1 + 1?", answer=2).decode().encode("utf-16"), "Latin-1": '{"question": "é"}'.encode("latin-1"),
    "a list": b"[1, 2]\n", "a text": b'"x"\n', "a number": b"7\n", "null": b"null\n", "half an object": b'{"question": "1',
    "two objects in a line": b'{"a": 1} {"b": 2}\n', "single quotes": b"{'a': 1}\n", "a comma too many": b'{"a": 1,}\n',
    "too deep": DEEP, "too deep within": b'{"a": ' + DEEP + b"\n", "a number of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}\n",
    "nothing known": b'{"a": 1}\n', "a raw line break in a text": b'{"a": "x\ny"}\n',
}

# command (the file comes last) -> what else is wrong for it
READERS = {
    "--data": ([*SFT, "--out", "out", "--data"], {
        "messages null": line(messages=None), "messages a text": line(messages="x"), "no messages": line(messages=[]),
        "a message is a text": line(messages=["x"]), "a role that is a list": line(messages=[{"role": ["user"], "content": "x"}]),
        "content null": line(messages=[{"role": "user", "content": None}]),
        "content is parts": line(messages=[{"role": "user", "content": [{"type": "text", "text": "x"}]}]),
        "only a question": said("user"), "assistant first": said("assistant"), "two users": said("user", "user", "assistant"),
        "a late system": said("user", "system", "assistant"), "two systems": said("system", "system", "user", "assistant"),
        "an unknown role": said("user", "narrator"), "an empty answer": said("user", "assistant:"),
        "tool calls": line(messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": "x", "tool_calls": [1]}]),
        "only wrong ones": said("user", "assistant", reward=0.0), "reward a text": said("user", "assistant", reward="x"),
        "only words behind code": line(messages=[{"role": "user", "content": "x"}, {
            "role": "assistant", "content": "```python\n1\n```\n<<<1>>>"}]),
        "half a character": b'{"messages": [{"role": "user", "content": "\\ud800"}, {"role": "assistant", "content": "x"}]}\n' * 4,
        "too few": said("user", "assistant"),
    }),
    "--questions": ([*OWN, "--out", "out", "--questions"], {
        "a question that is a number": line(question=3, answer=2), "no answer": line(question="1 + 1?"),
        "an answer that is a list": line(question="1 + 1?", answer=[2]), "an answer of null": line(question="x", answer=None),
        "an empty answer": line(question="x", answer=""), "nothing behind ####": line(question="x", answer="2 ####"),
        "an empty question": line(question=" ", answer=2) * 9, "an answer of NaN": b'{"question": "x", "answer": NaN}\n',
        "an answer of infinity": b'{"question": "x", "answer": 1e999}\n',
        "an answer of 400 digits, as a number": b'{"question": "x", "answer": 1' + b"0" * 400 + b"}\n",
        "half a character": b'{"question": "x\\ud800", "answer": 2}\n', "half a character in the answer":
            b'{"question": "x", "answer": "\\udc00"}\n', "one question alone": line(question="1 + 1?", answer=2),
    }),
    "--pass-rates": ([*GRPO, "--out", "out", "--pass-rates"], {
        "of other questions": line(task="rg/lcm", level=1, seed=0, pass_rate=0.5),
        "a rate that is a text": line(task="rg/gcd", level=1, seed=0, pass_rate="x"),
        "a rate of null": line(task="rg/gcd", level=1, seed=0, pass_rate=None),
        "a rate of NaN": b'{"task": "rg/gcd", "level": 1, "seed": 0, "pass_rate": NaN}\n',
        "a rate above 1": line(task="rg/gcd", level=1, seed=0, pass_rate=7),
        "a negative rate": line(task="rg/gcd", level=1, seed=0, reward=-1),
        "a task that is a list": line(task=["rg/gcd"], level=1, seed=0, pass_rate=1),
    }),
    "show": (["r1ci.py", "show"], {
        "messages a text": line(messages="x"), "a message is a text": line(messages=["x"]),
        "a message without a role": line(messages=[{"content": "x"}]),
        "content null": line(messages=[{"role": "user", "content": None}]),
    }),
    "choose": (["tasks.teacher", "choose", "--out", "out", "--keep-wrong"], {
        "no reward": said("system", "user", "assistant", task="t", seed=0, level=1),
        "messages a text": line(messages="x", task="t", seed=0, level=1, reward=1),
        "no messages": line(messages=[], task="t", seed=0, level=1, reward=1),
        "one message": said("user", task="t", seed=0, level=1, reward=1.0),
        "a task that is a list": said("system", "user", "assistant", task=["t"], seed=0, level=1, reward=1.0),
        "another purpose": said("system", "user", "assistant", task="t", seed=0, level=1, reward=1.0, purpose="eval"),
        "statuses a number": said("system", "user", "assistant", task="t", seed=0, level=1, reward=1.0, statuses=3),
    }),
}
FILES = [pytest.param(command, content, id=f"{name}: {what}") for name, (command, others) in READERS.items()
         for what, content in {**NO_LINES, **others}.items()]


@pytest.fixture(scope="module", autouse=True)
def quick_refusals():
    """`refusal` collects garbage each time: what is here already need not be looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def listing(directory: Path) -> dict:
    return {path: path.is_file() and path.read_bytes() for path in directory.rglob("*")}


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """The working directory of the command; after it, what was there is there, and nothing else."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def refused(place: Path, *args) -> str:
    before = listing(place)
    sentence = refusal(*args)
    assert listing(place) == before
    assert len(sentence) > 10 and "Traceback" not in sentence
    return sentence


def put(path: Path, content) -> Path:
    if content is DIRECTORY:
        path.mkdir()
    elif content is not MISSING:
        path.write_bytes(content)
    return path


def of_model(command: list[str], model: Path) -> list[str]:
    return [*command[:1], "--model", str(model), *command[1:]] if command[0] == "grpo.py" else command


@pytest.mark.parametrize("command, content", FILES)
def test_a_malformed_file_of_lines_is_refused_by_its_name(command, content, place, sft_run):
    path = put(place / "mine.jsonl", content)
    assert "mine" in refused(place, *of_model(command, sft_run), path)


def test_a_file_without_permission_is_refused(place):
    path = put(place / "mine.jsonl", line(question="1 + 1?", answer=2))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    assert "mine.jsonl cannot be read" in refused(place, *OWN, "--questions", path)


BBH = {
    "empty": b"", "binary": bytes(range(256)), "UTF-16": '{"examples": []}'.encode("utf-16"), "a directory": DIRECTORY,
    "a list": b"[]", "null": b"null", "too deep": DEEP, "no examples": b"{}", "examples null": b'{"examples": null}',
    "no example": b'{"examples": []}', "an example is a text": b'{"examples": ["x"]}',
    "a target that is a number": b'{"examples": [{"input": "x", "target": 3}]}',
    "half a character": b'{"examples": [{"input": "\\ud800", "target": "3"}]}',
    "a target that is none of the options": b'{"examples": [{"input": "x\\n(A) y", "target": "y"}]}',
}


@pytest.mark.parametrize("content", BBH.values(), ids=BBH)
def test_a_malformed_file_of_big_bench_hard_is_refused(content, place, sft_run):
    put(place / "mine.json", content)
    assert str(place) in refused(place, "r1ci.py", "eval", "--model", sft_run, "--bbh", place)


# ---- directories of models and runs --------------------------------------------------------------

def fields(**values):
    """config.json with these values."""
    def change(directory: Path) -> None:
        path = directory / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return change


def content(name: str, data):
    def change(directory: Path) -> None:
        (directory / name).unlink(missing_ok=True)
        put(directory / name, data)
    return change


INDEX = "model.safetensors.index.json"
MODELS = {
    **{f"config.json: {what}": content("config.json", data) for what, data in NO_LINES.items()},
    **{f"tokenizer.json: {what}": content("tokenizer.json", data) for what, data in NO_LINES.items()},
    **{f"{key} {value!r}": fields(**{key: value})
       for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
       for value in ("x", -1, 0, 2.5, [2], 10 ** 30) if (key, value) != ("num_key_value_heads", 0)},
    **{f"{key} {value!r}": fields(**{key: value}) for key, value in (
        ("num_hidden_layers", 10 ** 9), ("num_attention_heads", 3), ("num_key_value_heads", 3), ("head_dim", 3), ("head_dim", "x"), ("head_dim", 8.0),
        ("head_dim", -2), ("rope_theta", "x"), ("rope_theta", 0), ("rms_norm_eps", "x"), ("rms_norm_eps", -1),
        ("max_position_embeddings", "x"), ("max_position_embeddings", 0), ("rope_scaling", "x"), ("rope_scaling", [1]),
        ("rope_parameters", {"rope_theta": None}), ("architectures", "x"), ("quantization_config", "x"), ("layer_types", 3),
        ("eos_token_id", "x"), ("eos_token_id", {"a": 1}), ("eos_token_id", ["x"]), ("model_type", ["qwen2"]), ("model_type", None))},
    "windows of unknown layers": fields(use_sliding_window=True, max_window_layers=None),
    "an end that is no token": content("generation_config.json", b'{"eos_token_id": 99999999}'),
    "generation_config.json a list": content("generation_config.json", b"[1]"),
    "generation_config.json empty": content("generation_config.json", b""),
    "generation_config.json a directory": content("generation_config.json", DIRECTORY),
    "tokenizer_config.json broken": content("tokenizer_config.json", b"{"),
    "chat template broken": content("chat_template.jinja", b"{% for %}"),
    "chat template empty": content("chat_template.jinja", b""),
    "safetensors a directory": content("model.safetensors", DIRECTORY),
    "safetensors missing": content("model.safetensors", MISSING),
    "safetensors empty": content("model.safetensors", b""),
    "safetensors binary": content("model.safetensors", bytes(range(256))),
    "safetensors with a huge header": content("model.safetensors", b"\xff" * 7 + b"\x0f" + b"{}"),
    "safetensors without tensors": content("model.safetensors", (2).to_bytes(8, "little") + b"{}"),
    "index a list": content(INDEX, b"[1]"), "index empty": content(INDEX, b""), "index a directory": content(INDEX, DIRECTORY),
    "index too deep": content(INDEX, DEEP), "index without files": content(INDEX, b'{"weight_map": {}}'),
    "index names a number": content(INDEX, b'{"weight_map": {"a": 1}}'),
    "index names a directory": content(INDEX, b'{"weight_map": {"a": "."}}'),
    "index names a file elsewhere": content(INDEX, b'{"weight_map": {"a": "../x.safetensors"}}'),
}


@pytest.mark.parametrize("change", MODELS.values(), ids=MODELS)
def test_a_malformed_model_is_refused_by_its_name(change, place):
    save_model(tiny.model(), tiny.chat().tokenizer, place / "mine")
    change(place / "mine")
    assert "mine" in refused(place, "r1ci.py", "eval", "--model", "mine", "--tasks", "rg/gcd")


RUNS = {
    **{what: data for what, data in NO_LINES.items() if data not in (MISSING, b"", b"\n \n\n") and what != "nothing known"},
    "flags a list": line(flags=[1]), "flags a text": line(flags="mine"), "flags null": line(flags=None),
    "tasks a number": line(flags={"tasks": 3}), "unknown tasks": line(flags={"tasks": "mine"}),
    "level 9": line(flags={"tasks": "rg/gcd", "level": 9}), "level a text": line(flags={"tasks": "rg/gcd", "level": "mine"}),
    "an unknown format": line(flags={"tasks": "rg/gcd", "format": "mine"}),
    "a format that is a list": line(flags={"tasks": "rg/gcd", "format": ["mine"]}),
    "questions a number": line(flags={"questions": 3}),
}


@pytest.mark.parametrize("data", RUNS.values(), ids=RUNS)
def test_a_malformed_log_of_the_run_that_made_a_model_is_refused(data, place):
    save_model(tiny.model(), tiny.chat().tokenizer, place / "mine")
    put(place / "mine" / "metrics.jsonl", data)
    with contextlib.redirect_stdout(io.StringIO()):
        assert "mine" in refused(place, "r1ci.py", "eval", "--model", "mine")


STEP = line(step=1, reward=0.5)
PAGES = {
    **{f"metrics.jsonl {what}": {"metrics.jsonl": data} for what, data in NO_LINES.items()
       if data not in (b"", b"\n \n\n") and what != "nothing known"},
    "flags a list": {"metrics.jsonl": line(flags=[1])}, "stages a text": {
        "metrics.jsonl": line(flags={"stages": "x"}), "pass_rates.jsonl": line(pass_rate=0.5, samples=2)},
    "a step that is a text": {"metrics.jsonl": line(step="x", reward=0.5) + STEP},
    "eval.json a list": {"metrics.jsonl": STEP, "eval.json": b"[1]"}, "eval.json empty": {"metrics.jsonl": STEP, "eval.json": b""},
    "eval.json before a list": {"metrics.jsonl": STEP, "eval.json": b'{"before": [1]}'},
    "eval.json no stderr": {"metrics.jsonl": STEP, "eval.json": b'{"accuracy": 1}'},
    "pass rates without p": {"metrics.jsonl": STEP, "pass_rates.jsonl": line(samples=2)},
    "p a text": {"metrics.jsonl": STEP, "pass_rates.jsonl": line(pass_rate="x", samples=2)},
    "p above 1": {"metrics.jsonl": STEP, "pass_rates.jsonl": line(pass_rate=7, samples=2)},
    "samples 0": {"metrics.jsonl": STEP, "pass_rates.jsonl": line(pass_rate=1, samples=0)},
    "a message without a role": {"metrics.jsonl": STEP, "trajectories.jsonl": line(messages=[{"content": "x"}])},
    "a message is a text": {"metrics.jsonl": STEP, "trajectories.jsonl": line(messages=["x"])},
    "messages a number": {"metrics.jsonl": STEP, "trajectories.jsonl": line(messages=3)},
    "tokenizer.json empty": {"metrics.jsonl": STEP, "trajectories.jsonl": said("user", "assistant"), "tokenizer.json": b""},
}


@pytest.mark.parametrize("files", PAGES.values(), ids=PAGES)
def test_a_malformed_run_gives_no_page(files, place):
    (place / "mine").mkdir()
    for name, data in files.items():
        put(place / "mine" / name, data)
    assert "mine" in refused(place, "r1ci.py", "page", "mine", "--out", "page.html")


# ---- flags ---------------------------------------------------------------------------------------

NUMBERS = ("0", "-1", "1.5", "nan", "inf", "x", "", "1e99", "0x10")   # none is a count
ODD = {
    "sft.py": [
        *[("--batch-size", value) for value in NUMBERS], *[("--lr", value) for value in ("-1", "nan", "inf", "x", "")],
        ("--width", "12"), ("--width", "0"), ("--tasks", ""), ("--tasks", ","), ("--tasks", "rg/gcd,-rg/gcd"), ("--tasks", "-rg/gcd"),
        ("--tasks", "rg/gcd@9"), ("--tasks", "rg/gcd@"), ("--tasks", "rg/gcd@²"), ("--tasks", "@1"), ("--tasks", "../x"),
        ("--level", "0"), ("--level", "x"), ("--seed", "x"), ("--seed", "1.5"), ("--seed", "9" * 30), ("--device", "tpu"), ("--device", ""), ("--dtype", "float16"),
        ("--preset", "x"), ("--preset", ""), ("--format", "x"), ("--mode", "all"), ("--wordings", "x"), ("--model", ""),
        ("--model", "nowhere"), ("--model", "file"), ("--model", "\0"), ("--data", ""), ("--data", "nowhere"), ("--data", "."),
        ("--out", "file"), ("--out", "file/below"), ("--out", "\0"), ("--out", "x" * 300), ("--resume", "--overwrite"), ("--offload",),
        ("--replicas", "2"), ("--nonsense",), ("--tas",), ("word",), ("--code-timeout", "0"), ("--code-timeout", "nan"), ("--code-timeout", "2e6"),
        ("--temperature", "-1"), ("--temperature", "1e-300"), ("--max-calls", "-1"), ("--tool-chars", "0"), ("--epochs", "1e999"), ("--warmup", "9" * 5000)],
    "grpo.py": [
        *[("--group-size", value) for value in (*NUMBERS, "1")], ("--temperature", "0"), ("--clip-low", "1.1"), ("--clip-high", "-0.1"),
        ("--agents",), ("--agents", "poem"), ("--agents", "ci", ""), ("--order", "x"), ("--advantage", "trpo"), ("--reward", "v3"),
        ("--norm", ""), ("--stages", "0"), ("--stages", "1000"), ("--updates", "0"), ("--eval-n", "0"), ("--val-n", "0"), ("--kl-coef", "nan"),
        ("--explain", "--advantage", "ppo"), ("--steps", "20"), ("--questions", ""), ("--questions", "nowhere"), ("--pass-rates", "nowhere"),
        ("--pass-rates", ""), ("--model", "file"), ("--model", ""), ("--out", "file"), ("--tasks", ""), ("--preset", "quickly")],
    "r1ci.py eval": [
        *[("--n", value) for value in NUMBERS], ("--samples", "0"), ("--mode", "x"), ("--purpose", "test"), ("--question-seed", "x"),
        ("--tasks", ""), ("--tasks", "rg/gdc"), ("--level", "6"), ("--questions", "nowhere"), ("--questions", ""), ("--bbh", "nowhere"),
        ("--bbh", "file"), ("--bbh", ""), ("--json", "nowhere/x.json"), ("--json", "."), ("--json", ""), ("--trajectories", "nowhere/x"),
        ("--trajectories", "."), ("--trajectories", ""), ("--questions", "file", "--bbh", "."), ("--questions", "file", "--tasks", "rg/gcd"),
        ("--model", "http://localhost:1/v1"), ("--model", "http://localhost:1/v1#x", "--concurrency", "0"), ("--request-timeout", "0")],
    "r1ci.py ask": [
        (), ("x", "--task", "rg/gcd"), ("--task", ""), ("--task", "rg/gdc"), ("--task", "rg/gcd,-rg/gcd"), ("",), (" ",), ("x", "y"),
        ("x", "--mode", "all"), ("x", "--seed", "nan"), ("x", "--max-tokens", "0"), ("x", "--slots", "0"), ("x", "--model", "file"),
        ("x\ud800",)],
    "r1ci.py show": [
        (), ("nowhere",), ("",), ("file", "--n", "0"), ("file", "--first", "-1"), ("file", "--first", "x"), ("file", "--model", "nowhere")],
    "r1ci.py page": [(), ("nowhere",), ("",), ("file",), ("run", "--out", "."), ("run", "--out", ""), ("run", "--out", "nowhere/x"),
                     ("run", "--out", "run/metrics.jsonl")],
    "r1ci.py": [(), ("poem",), ("--model", "x")],
    "tasks.teacher collect": [
        *[("--per-task", value) for value in NUMBERS], ("--teacher", "gpt"), ("--teacher", ""), ("--teacher", "http://x"),
        ("--tasks", ""), ("--tasks", "x"), ("--questions", "file"), ("--questions", "nowhere", "--teacher", "http://x#y"),
        ("--wordings", "some"), ("--out", "file"), ("--resume",), ("--multi-turn-weight", "-1"), ("--level", "0"), ("--workers", "0")],
    "tasks.teacher choose": [
        (), ("file",), ("file", "--out", "file"), ("file", "--out", "nowhere/x"), ("file", "--out", ""), ("nowhere", "--out", "x"),
        ("file", "--out", "x", "--keep-per-task", "0"), ("file", "--out", "x", "--multi-turn-weight", "nan")],
    "tasks.teacher": [(), ("poem",)],
    "tasks.__main__": [("rg/gdc",), ("",), ("rg/gcd", "--level", "0"), ("rg/gcd", "--seed", "x"), ("rg/gcd", "--purpose", "x"),
                       ("rg/gcd", "x"), ("--nonsense",), ("--level", "nan")],
}
FLAGS = [pytest.param(name.split(), list(flags), id=f"{name} {' '.join(flags)!a:.60}")
         for name, table in ODD.items() for flags in table]


@pytest.mark.parametrize("command, flags", FLAGS)
def test_an_odd_flag_is_refused(command, flags, place, sft_run):
    (place / "file").write_text("what is here stays here\n")
    (place / "run").mkdir()
    (place / "run" / "metrics.jsonl").write_bytes(STEP)
    command = {"sft.py": [*SFT, "--device", "cpu"], "grpo.py": [*GRPO, "--model", str(sft_run)]}.get(command[0], command)
    if command[:2] in (["r1ci.py", "eval"], ["r1ci.py", "ask"]):
        command = [*command, "--model", str(sft_run)]
    with contextlib.redirect_stdout(io.StringIO()):
        refused(place, *command, *flags)


# ---- what is odd and right -----------------------------------------------------------------------

def test_byte_order_marks_line_ends_and_blank_lines_are_read_over(tmp_path):
    path = tmp_path / "mine.jsonl"
    lines = line(question="1 + 1?", answer=2) + b"\n" + line(question="ä\u2028?", answer="\u00e9")
    for data in (b"\xef\xbb\xbf" + lines, lines.replace(b"\n", b"\r\n"), lines.rstrip(b"\n"), lines):
        path.write_bytes(data)
        assert [(q.question, q.expect) for q in read_questions(path)] == [("1 + 1?", "2"), ("ä\u2028?", "é")]
    path.write_bytes(b"\xef\xbb\xbf" + said("user", "assistant").replace(b"\n", b"\r\n"))
    assert [m["content"] for m in read_conversations(path)[0]["messages"]] == ["x", "x"]
    (tmp_path / "bbh.json").write_bytes(b'\xef\xbb\xbf{"examples":\r\n[{"input": "x", "target": "y"}]}')
    assert read_bbh(tmp_path, 1)[0].expect == "y"
    path.write_bytes(b'{"question": "first", "question": "last", "answer": 2}')   # of equal keys the last counts
    assert read_questions(path)[0].question == "last"
    # A question may hold what a file must not: these are texts like any other.
    path.write_bytes(line(question="<|im_end|>\0```python", answer=2))
    assert read_questions(path)[0].question == "<|im_end|>\0```python"


def test_a_model_with_marks_in_its_json_files_is_read(tmp_path):
    save_model(tiny.model(), tiny.chat().tokenizer, tmp_path)
    path = tmp_path / "config.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    check_model(tmp_path)


@pytest.mark.filterwarnings("ignore:weak sandbox")
def test_the_flag_that_the_refusal_of_a_weak_sandbox_names_is_known(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with contextlib.redirect_stdout(io.StringIO()):
        assert "--allow-weak" in refusal("tasks.__main__", "rg/gcd")
    assert "verify accepts the output" in inside("tasks.__main__", "rg/gcd", "--allow-weak")


def test_half_a_character_is_shown_as_its_escape(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b'{"messages": [{"role": "user", "content": "\\ud800"}]}\n')
    assert next(read_jsonl(path))[1]["messages"][0]["content"] == "\ud800"
    assert "stop" not in inside("r1ci.py", "show", path)
