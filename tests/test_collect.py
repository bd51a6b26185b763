"""Conversations with a served model, and what `python -m tasks.teacher` collects and chooses of them."""
import argparse
import contextlib
import functools
import importlib.util
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import r1ci
import tiny
from tasks import TASKS
from tasks.base import purpose_of
from tasks import teacher as teaching
from tasks.conversation import Protocol, extract_answer
from tasks.questions import OWN_PURPOSES, draw_questions, grade
from tasks.served import (Endpoint, PlannedConversation, add_endpoint_flags, complete, connect,
                          converse_with, find_endpoint)
from tasks.teacher import choose
from test_scripts import ENV, ROOT, inside

openai = pytest.importorskip("openai", reason="served models need an optional package: pip install openai")

COLLECT = ["tasks.teacher", "collect", "--tasks", "rg/gcd,rg/lcm", "--per-task", "4", "--per-question", "2", "--workers", "1"]
CODE = "```python\nprint(6 * 7)\n```"


def completion(text, finish: str = "stop", **fields) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": finish}],
                       "usage": {"prompt_tokens": 10, "completion_tokens": 3}, **fields}).encode()


@contextlib.contextmanager
def server(*replies):
    """A chat endpoint. `replies` answer the requests in turn, the last one all others: text, bytes, (status, headers,
    text), seconds of silence, or a function of the request. Yields its URL and the list of requests."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = replies[min(len(requests), len(replies) - 1)]
            requests.append({**body, "path": self.path, "key": self.headers.get("Authorization")})
            reply = reply(body) if callable(reply) else reply
            if isinstance(reply, float):
                return time.sleep(reply)
            status, headers, body = reply if isinstance(reply, tuple) else (200, {}, reply)
            body = completion(body) if isinstance(body, str) else body
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{served.server_port}/v1", requests
    finally:
        served.shutdown()
        served.server_close()


def talk(url: str, question=None, system: str = "Solve it.", retries: int = 0, **protocol):
    endpoint = Endpoint(url, "teacher", retries=retries)
    job = PlannedConversation(question or tiny.instance(expect="42"), 0, Protocol(**protocol), system)
    return converse_with(connect(endpoint), endpoint, tiny.sandbox(), job, (0,))


@functools.cache
def solutions() -> dict[str, str]:
    questions = draw_questions([("rg/gcd", 1), ("rg/lcm", 1)], "sft", 4)
    return {instance.question: TASKS[instance.task].program(instance) for instance in questions}


def teacher(body: dict) -> str:
    """Answers by code, and gives a wrong answer to every conversation about an lcm that may not use code."""
    *_, question, last = (None, *[m["content"] for m in body["messages"]])
    program = solutions()[body["messages"][1]["content"]]
    if last.startswith("Code Execution Results:\n"):
        return f"So it is <<<{last.removeprefix('Code Execution Results:' + chr(10))}>>>"
    return "<<<0>>>" if "without writing any code" in question else f"Let me see.\n```python\n{program}```\n42, I guess: <<<42>>>"


@pytest.fixture(autouse=True)
def one_sandbox(monkeypatch):
    """The commands run in this process, and share a sandbox: to start one takes longer than all else."""
    monkeypatch.setattr(r1ci, "checked_sandbox", lambda *_: contextlib.nullcontext(tiny.sandbox()))
    monkeypatch.setattr(teaching, "Sandbox", lambda **_: contextlib.nullcontext(tiny.sandbox()))


def command(*args) -> str:
    """`python -m tasks.teacher ARGS` in this process; returns what it prints, or the sentence it ends with."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        patch.setattr(sys, "argv", [str(arg) for arg in args])
        try:
            teaching.main()
        except SystemExit as stopped:
            return f"{said.getvalue()}{stopped.code}"
    return said.getvalue()


# ---- the protocol ----------------------------------------------------------------------------------------------------

def test_a_turn_ends_at_the_closing_fence_and_its_script_is_really_run():
    with server(f"First words.\n{CODE}\nI guess it printed 41. <<<41>>>", "So <<<42>>>") as (url, requests):
        t = talk(url)
    assert [m["content"] for m in t.messages[2:]] == [f"First words.\n{CODE}", "Code Execution Results:\n42", "So <<<42>>>"]
    assert (t.answer, t.right, t.stop_reason, t.statuses) == ("42", 1.0, "answer", ["ok"])
    assert (t.prompt_tokens, t.completion_tokens, t.response_len, t.ids) == (20, 6, 6, [])
    assert requests[1]["messages"] == t.messages[:4]
    assert requests[0]["path"] == "/v1/chat/completions" and requests[0]["model"] == "teacher"


@pytest.mark.parametrize("replies, limits, reason, calls", [
    (["no idea"], {}, "eos", 0), ([CODE], dict(max_calls=2), "calls", 2), ([CODE], dict(mode="text"), "calls", 0),
    ([completion("<<<42>>>", "length")], {}, "budget", 0), ([CODE], dict(max_tokens=5), "budget", 2),
    ([CODE, (400, {}, b"the maximum context length is 9")], {}, "budget", 1)])
def test_every_conversation_ends_for_a_reason(replies, limits, reason, calls):
    with server(*replies) as (url, _):
        t = talk(url, **limits)
    assert (t.stop_reason, t.calls, t.right, t.answer) == (reason, calls, 0.0, None)


def test_the_rules_are_those_of_the_rollout(monkeypatch):
    texts = [f"Words.\n{CODE}", "Is it so?\n```python\n1 / 0\n```", "<<<42>>>"]
    tiny.Script(monkeypatch, tiny.turns(*texts))
    model, protocol = tiny.model(), Protocol(max_tokens=600, max_turn_tokens=200, mode="guided")
    [[ours]] = r1ci.rollout(r1ci.Interpreter(model, tiny.chat(), tiny.sandbox()), [tiny.instance(expect="42")], 1, protocol, (0,))
    with server(*texts) as (url, _):
        theirs = talk(url, system=ours.messages[0]["content"], mode="guided")
    assert [theirs.messages, theirs.answer, theirs.right, theirs.stop_reason, theirs.statuses] == \
        [ours.messages, ours.answer, ours.right, ours.stop_reason, ours.statuses]


# ---- failures --------------------------------------------------------------------------------------------------------

def test_what_may_pass_is_asked_again():
    with server((429, {"Retry-After": "0"}, b""), (503, {"Retry-After": "0"}, b"busy"), "<<<42>>>") as (url, requests):
        assert talk(url, retries=3).answer == "42"
    assert len(requests) == 3


@pytest.mark.parametrize("reply, why", [
    ((401, {}, b'{"error": "wrong key"}'), "it answered 401 .*wrong key"),
    ((404, {}, b"no such model"), "it answered 404 .*no such model"),
    ((500, {}, b""), "it answered 500"),
    ((200, {"Content-Type": "application/json"}, b"{oops"), "its answer is not a chat completion"),
    ((200, {"Content-Type": "application/json"}, b'{"choices": []}'), "its answer is not a chat completion"),
    (b"<html>", "its answer is not a chat completion"), (30.0, "no answer .*imed out"),
    *[(reply, "its answer is not a chat completion") for reply in (
        b"[" * 100_000, completion(5), completion([{"type": "text", "text": "x"}]), completion({"a": 1}),
        completion("x", usage={"prompt_tokens": "x"}), completion("x", usage="x"), completion("x", usage=[1]),
        completion("x", choices=None), completion("x", choices=[None]), completion("x", choices=[{"message": None}]))]])
def test_an_endpoint_that_fails_gives_one_sentence(reply, why):
    with server(reply) as (url, _):
        endpoint = Endpoint(url, "a/b", timeout=0.2, retries=0)
        with pytest.raises(SystemExit, match=f"^{re.escape(url)}#a/b: {why}") as stopped:
            complete(connect(endpoint), endpoint, [{"role": "user", "content": "?"}], 9, 0.5)
    assert "\n" not in str(stopped.value)


def test_one_refused_request_is_one_conversations_end():
    with server((400, {}, b'{"error": "content filter"}')) as (url, _):
        assert talk(url).stop_reason == "refused"
    nothing = json.dumps({"choices": [{"message": {"role": "assistant", "content": None, "reasoning_content": "hm"},
                                       "finish_reason": "stop"}]}).encode()
    with server((200, {"Content-Type": "application/json"}, nothing)) as (url, _):
        t = talk(url)
    assert (t.stop_reason, t.answer, t.right) == ("empty", None, 0.0)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}])
def test_a_server_need_not_tell_its_usage(usage):
    with server(completion("\ud800 <<<42>>>", usage=usage)) as (url, _):   # nor does half a character stop anybody
        t = talk(url)
    assert (t.answer, t.messages[-1]["content"], t.prompt_tokens, t.completion_tokens) == ("42", "? <<<42>>>", 0, 0)


def test_a_dead_endpoint_and_a_name_without_a_model_are_said_to_be_that():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SystemExit, match="no answer .*, 1 times"):
        talk(f"http://127.0.0.1:{port}/v1")
    with pytest.raises(SystemExit, match="the model's name is missing, as in http://x/v1#name"):
        find_endpoint("http://x/v1/", 1, 1.0)
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_endpoint_flags(parser)
    for odd in (["--concurrency", "0"], ["--request-timeout", "nan"], ["--request-timeout", "-1"],
                ["--request-timeout", "1e12"]):
        with pytest.raises(argparse.ArgumentError, match="is not a"):
            parser.parse_args(odd)
    assert find_endpoint("http://x/v1/#a/b#c", 1, 1.0).name == "a/b#c" and find_endpoint("runs/sft", 1, 1.0) is None
    for url in ("http://[::1", "http://", "http://a b/v1", "http://localhost:abc/v1", "http://localhost:99999/v1",
                "http://x:0/v1", "http://x\x07/v1", f"http://{'x' * 70}/v1"):
        with pytest.raises(SystemExit, match=f"^{re.escape(url)}#x: this is no address, such as http://localhost:8000/v1#name"):
            find_endpoint(f"{url}#x", 1, 1.0)
    for url in ("http://[::1]:8000/v1", "https://user:p@ss@x.org/v1", "http://bücher.example/v1", "http://localhost:65535"):
        assert find_endpoint(f"{url}#x", 1, 1.0).url == url


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with server("<<<42>>>") as (url, requests):
        talk(url)
    assert requests[0]["key"] == "Bearer secret"
    for key in ("schlüssel", "secret\n", "two words"):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(SystemExit, match="OPENAI_API_KEY is no key"):
            find_endpoint("http://x/v1#x", 1, 1.0)


# ---- collecting ------------------------------------------------------------------------------------------------------

def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_only_right_and_different_answers_are_kept_and_the_tokens_counted(tmp_path):
    data = tmp_path / "data.jsonl"
    with server(teacher) as (url, requests):
        command(*COLLECT, "--teacher", f"{url}#teacher", "--out", tmp_path)
    out = command("tasks.teacher", "choose", tmp_path / "collected.jsonl", "--out", data, "--keep-per-task", "3")
    collected, kept = lines_of(tmp_path / "collected.jsonl"), lines_of(data)
    assert len(collected) == 16 and {line["reward"] for line in collected} == {0.0, 1.0}
    for line in kept:
        instance = TASKS[line["task"]].generate(line["seed"], line["level"], "sft")
        assert grade(instance, extract_answer(line["messages"][-1]["content"])) and line["reward"] == 1.0
        assert line["source"] == f"{url}#teacher" and line["form"] == "switch" and line["calls"] == 1
        assert {"messages", "task", "seed", "level", "reward", "stop_reason", "calls", "mode"} <= line.keys()
    assert Counter(line["task"] for line in kept) == {"rg/gcd": 3, "rg/lcm": 3}
    assert len(teaching.read_conversations(data)) == 6
    assert len({(m["messages"][1]["content"], m["messages"][-1]["content"]) for m in kept}) == 6
    assert f"{10 * len(requests)} of prompts, {3 * len(requests)} of completions" in out
    assert {m["mode"] for m in collected} <= {"ci", "switch", "text", "code"}
    assert "exists: choose another file" in command("tasks.teacher", "choose", tmp_path / "collected.jsonl", "--out", data)


@pytest.mark.parametrize("failure, why", [((401, {}, b"wrong key"), "401"), (b"{oops", "not a chat completion")])
def test_what_was_collected_survives_a_failing_endpoint_and_is_not_asked_for_again(tmp_path, monkeypatch, failure, why):
    with server(*[teacher] * 9, failure) as (url, _):
        said = command(*COLLECT, "--teacher", f"{url}#teacher", "--out", tmp_path, "--concurrency", "1")
    first = lines_of(tmp_path / "collected.jsonl")
    assert why in said and f"{len(first)} conversations are kept in {tmp_path / 'collected.jsonl'}" in said
    assert 4 <= len(first) <= 9
    with open(tmp_path / "collected.jsonl", "a") as file:
        file.write('{"messages": [{"role": "sys')  # killed while it wrote
    asked = []
    with server(lambda body: asked.append(body) or teacher(body)) as (other, _):
        monkeypatch.setattr(teaching, "find_endpoint", lambda *_: Endpoint(other, "teacher", 2))  # the same server, come back
        command(*COLLECT, "--teacher", f"{url}#teacher", "--out", tmp_path, "--resume")
    after = lines_of(tmp_path / "collected.jsonl")
    assert after[:len(first)] == first and len(after) == 16
    assert len({(line["task"], line["seed"], line["sample"]) for line in after}) == 16
    assert sum(len(body["messages"]) == 2 for body in asked) == 16 - len(first)


def test_a_server_that_refuses_everything_fails_and_may_be_asked_again(tmp_path, monkeypatch):
    refusal = (400, {}, b"max_tokens is not supported")
    with server(refusal) as (url, _):
        asked = [*COLLECT, "--teacher", f"{url}#teacher", "--out", tmp_path]
        assert (f"{url}#teacher: it refused every conversation (max_tokens is not supported); 0 conversations are kept"
                in command(*asked))
        ask = ["r1ci.py", "eval", "--model", f"{url}#x", "--tasks", "rg/gcd", "--n", "2", "--workers", "1"]
        inside(*ask, code=f"{url}#x: it refused every conversation (max_tokens is not supported)")
    with server(*[refusal] * 3, teacher) as (other, _):   # some that it refuses are no failure
        monkeypatch.setattr(teaching, "find_endpoint", lambda *_: Endpoint(other, "teacher", 2))
        assert "3 conversations ended as refused" in command(*asked, "--resume")
    assert len(lines_of(tmp_path / "collected.jsonl")) == 13


@pytest.mark.parametrize("line", [b'{"a": 1}\n', b"\xff\n", b'{"messages": [], "task": "rg/gcd"}\n'])
def test_nothing_is_collected_behind_what_collecting_never_wrote(tmp_path, line):
    log = tmp_path / "collected.jsonl"
    log.write_bytes(line)
    served = [*COLLECT, "--teacher", "http://127.0.0.1:9#x", "--out", tmp_path]
    assert "exists: choose another --out" in command(*served)
    assert str(log) in command(*served, "--resume")
    assert "--purpose sft" in command(*COLLECT, "--teacher", "runs/x", "--out", tmp_path / "other")
    assert log.read_bytes() == line


def test_a_last_line_without_its_end_is_kept_if_it_is_whole_and_a_refused_run_touches_nothing(tmp_path):
    log = tmp_path / "collected.jsonl"
    with server(teacher) as (url, requests):
        asked = [*COLLECT, "--teacher", f"{url}#teacher", "--out", tmp_path, "--resume"]
        command(*asked, "--per-task", "1", "--per-question", "1")
        [first, second] = log.read_bytes().splitlines(keepends=True)
        for left, kept in ((first + second[:-1], 2), (first[:-1], 1), (first + second[:99], 1), (first[:99], 0)):
            log.write_bytes(left)
            assert "unknown task" in command(*asked, "--tasks", "rg/gdc") and log.read_bytes() == left
            requests.clear()
            command(*asked, "--per-task", "1", "--per-question", "1")
            assert sum(len(body["messages"]) == 2 for body in requests) == 2 - kept
            assert len(lines_of(log)) == 2 and log.read_bytes().startswith(b"".join([first, second][:kept]))
        log.write_bytes(b'{"a": 1}\n' + first[:99])
        assert f"{log}, line 1: no conversation" in command(*asked) and log.read_bytes() == b'{"a": 1}\n' + first[:99]


def test_a_second_run_with_the_same_out_is_refused_while_the_first_collects(tmp_path):
    seconds = []

    def reply(body):
        if len(requests) == 1:
            seconds.append(command(*asked, "--resume"))
        return teacher(body)

    with server(reply) as (url, requests):
        asked = [*COLLECT, "--teacher", f"{url}#teacher", "--out", tmp_path]
        command(*asked, "--concurrency", "1")
    assert seconds == [f"another run is writing to {tmp_path}: wait for it, or choose another --out"]
    assert len(lines_of(tmp_path / "collected.jsonl")) == 16


def test_ctrl_c_before_the_first_request_ends_without_a_word(tmp_path, monkeypatch):
    # As in a terminal: a shell's background job ignores SIGINT. (pytest answers with Python's own handler.)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(teaching, "draw_questions", lambda *_: signal.raise_signal(signal.SIGINT))
    said = command(*COLLECT, "--teacher", "http://127.0.0.1:9#x", "--out", tmp_path / "other")
    signal.signal(signal.SIGINT, before)
    assert said == "130" and not (tmp_path / "other").exists()


def test_trajectories_of_our_own_are_chosen_by_form_and_purpose(tmp_path):
    """What `r1ci.py eval --purpose sft --trajectories FILE` writes."""
    def line(purpose, reward, statuses, *said):
        talk = [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]
        for text in said:
            talk += [{"role": "assistant", "content": text}, {"role": "user", "content": "Code Execution Results:\n42"}]
        return dict(messages=talk[:-1], task="rg/gcd", seed=1, level=1, purpose=purpose, reward=reward, sample=0,
                    stop_reason="answer", calls=len(statuses), statuses=statuses, ids=[1], loss_mask=[1])

    lines = [line("sft", 1.0, ["ok"], CODE, "<<<42>>>"), line("sft", 1.0, ["error", "ok"], CODE, CODE, "<<<42>>>"),
             line("sft", 1.0, [], "<<<42>>>"), line("sft", 0.0, [], "<<<41>>>"), line("eval", 1.0, [], "It is <<<42>>>")]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    said = command("tasks.teacher", "choose", tmp_path / "t.jsonl", "--out", tmp_path / "data.jsonl")
    assert "1 conversations are left out: their questions do not train" in said
    assert Counter(line["form"] for line in lines_of(tmp_path / "data.jsonl")) == {"code": 1, "repair": 1, "text": 1}


def test_conversations_about_ones_own_questions_are_chosen_if_these_train(tmp_path):
    lines = []
    for seed in range(1, 201):   # three in five train: more than `choose` keeps of one of our tasks
        question = f"What is {seed} + {seed}?"
        purpose = purpose_of(question, OWN_PURPOSES)
        lines.append(dict(messages=[{"role": "system", "content": "S"}, {"role": "user", "content": question},
                                    {"role": "assistant", "content": f"<<<{2 * seed}>>>"}],
                          task="user/sums", seed=seed, level=0, purpose=purpose, reward=1.0))
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    command("tasks.teacher", "choose", tmp_path / "t.jsonl", "--out", tmp_path / "data.jsonl")
    chosen = {line["seed"] for line in lines_of(tmp_path / "data.jsonl")}
    assert chosen == {line["seed"] for line in lines if line["purpose"] == "rl"} and 70 < len(chosen) < 200


def test_weighted_forms_are_drawn_in_proportion():
    line = lambda form, i: dict(task="t", reward=1.0, form=form, messages=[{"role": "system", "content": ""}, {
        "role": "user", "content": str(i)}, {"role": "assistant", "content": "a"}])
    pool = [line("check" if i % 2 else "code", i) for i in range(4000)]
    for weight in (0.0, 1.0, 4.0):
        chosen = choose(pool, 400, weight, False, 0)
        assert len(chosen) == 400
        assert sum(c["form"] == "check" for c in chosen) / 400 == pytest.approx(weight / (weight + 1), abs=0.07)
    assert len(choose(pool + pool, 10_000, 1.0, False, 0)) == 4000
    assert choose([{**pool[0], "reward": 0.0}], 9, 1.0, False, 0) == []


# ---- evaluation of a served model ------------------------------------------------------------------------------------

def test_a_served_model_is_evaluated_in_all_modes(tmp_path):
    with server(lambda body: teacher(body) if body["messages"][1]["content"] in solutions() else "<<<0>>>") as (url, _):
        common = ["r1ci.py", "eval", "--model", f"{url}#a/b", "--tasks", "rg/gcd", "--n", "2", "--workers", "1"]
        out = inside(*common, "--mode", "all", "--json", tmp_path / "all.json", "--trajectories", tmp_path / "t.jsonl")
        one = inside(*common, "--mode", "guided", "--json", tmp_path / "one.json")
        asked = inside("r1ci.py", "ask", "What is it?", "--model", f"{url}#a/b")
    reports = json.loads((tmp_path / "all.json").read_text())["modes"]
    assert list(reports) == ["ci", "text", "code", "guided"] and len(lines_of(tmp_path / "t.jsonl")) == 8
    assert re.search(r"[\r\n]task +ci +text +code +guided\n", out) and "80 of prompts" in out
    assert json.loads((tmp_path / "one.json").read_text())["mode"] == "guided" and "rg/gcd" in one
    assert "answer: 0" in asked


# ---- data of others --------------------------------------------------------------------------------------------------

def read(tmp_path: Path, *lines: dict, **flags) -> list[dict]:
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return teaching.read_conversations(tmp_path / "data.jsonl", **flags)


def sharegpt(*turns: tuple[str, str]) -> dict:
    return {"conversations": [{"from": role, "value": text} for role, text in turns]}


def test_both_common_layouts_are_read_alike(tmp_path):
    turns = [("system", "S"), ("user", "Q"), ("assistant", CODE), ("user", "Code Execution Results:\n42"), ("assistant", "<<<42>>>")]
    theirs = [("system", "S"), ("human", "Q"), ("gpt", f"{CODE}\nand now I wait"), ("observation", "42"), ("gpt", "<<<42>>>")]
    a, b = read(tmp_path, {"messages": [{"role": role, "content": text} for role, text in turns]}, sharegpt(*theirs))
    assert a["messages"] == b["messages"] == [{"role": role, "content": text} for role, text in turns]
    [c] = read(tmp_path, sharegpt(("human", "Q"), ("gpt", CODE), ("human", "```output\n42\n```"), ("gpt", "<<<42>>>")))
    assert c["messages"][2] == {"role": "user", "content": "```output\n42\n```"}
    for without in ({"messages": [{"role": role, "content": text} for role, text in turns[1:]]}, sharegpt(*theirs[1:])):
        [d] = read(tmp_path, {**without, "system": "S"})
        assert d["messages"] == a["messages"] and [d] == read(tmp_path, d)   # what was read may be read again


def test_data_in_another_format_is_refused_with_its_line(tmp_path):
    tags = {**sharegpt(("human", "Q"), ("gpt", "<answer>A</answer>")), "format": "tags"}
    with pytest.raises(SystemExit, match="line 2: .*--format tags"):
        read(tmp_path, sharegpt(("human", "Q"), ("gpt", "<<<A>>>")), tags)
    assert len(read(tmp_path, tags, format_name="tags")) == 1


def test_turns_in_a_wrong_order_are_refused_with_their_line(tmp_path):
    good = sharegpt(("human", "Q"), ("gpt", "A"))
    for bad, why in (([("human", "Q"), ("human", "Q"), ("gpt", "A")], "take turns.*user, user, assistant"),
                     ([("gpt", "A")], "take turns"), ([("human", "Q"), ("system", "S"), ("gpt", "A")], "take turns"),
                     ([], "take turns"), ([("human", "Q"), ("narrator", "A")], "'narrator'")):
        with pytest.raises(SystemExit, match=f"data.jsonl, line 2: .*{why}"):
            read(tmp_path, good, sharegpt(*bad))


def test_a_last_turn_that_goes_on_behind_its_code_is_left_out_and_counted(tmp_path, capsys):
    good, odd = sharegpt(("human", "Q"), ("gpt", "A")), sharegpt(("human", "Q"), ("gpt", f"{CODE}\n<<<42>>>"))
    assert len(read(tmp_path, good, odd)) == 1 and "1 conversations are left out" in capsys.readouterr().err


def test_right_is_what_the_verifier_said_and_not_a_shaped_reward(tmp_path, capsys):
    """grpo.py --reward v2 gives a right answer 1.1, or after many turns 0.9, and a wrong one 0.1."""
    def line(right: float, reward: float, answer: int) -> dict:
        return {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"},
                             {"role": "assistant", "content": f"<<<{answer}>>>"}],
                "task": "user/sums", "seed": 1, "level": 1, "purpose": "rl", "right": right, "reward": reward}

    lines = [line(1.0, 1.1, 1), line(1.0, 0.9, 2), line(0.0, 0.1, 3), line(0.0, 1.0, 4)]
    kept = read(tmp_path, *lines)
    assert [row["messages"][-1]["content"] for row in kept] == ["<<<1>>>", "<<<2>>>"]
    inside("tasks.teacher", "choose", tmp_path / "data.jsonl", "--out", tmp_path / "chosen.jsonl")
    chosen = [json.loads(text)["messages"][-1]["content"] for text in (tmp_path / "chosen.jsonl").read_text().splitlines()]
    assert sorted(chosen) == ["<<<1>>>", "<<<2>>>"]


def test_what_ends_without_an_answer_is_counted(tmp_path, capsys):
    """The commonest reason: its marks are those of another format."""
    def asked(text: str) -> dict:
        return {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": text}]}
    texts = ["<<<42>>>", "<code>\nprint(42)\n</code>", "<answer>42</answer>", "42"]
    assert len(read(tmp_path, *map(asked, texts))) == 4
    assert "3 of 4 conversations end without an answer in the marks of --format fence" in capsys.readouterr().err
    assert len(read(tmp_path, *map(asked, texts[:1]))) == 1 and not capsys.readouterr().err


def test_what_goes_on_behind_a_turn_without_code_is_left_out_and_counted(tmp_path, capsys):
    good = sharegpt(("human", "Q"), ("gpt", CODE), ("observation", "42"), ("gpt", CODE))
    chat = [sharegpt(("human", "Q"), ("gpt", said), ("human", "And?"), ("gpt", "<<<42>>>"))
            for said in ("What do you mean?", "<<<41>>>", "```python\nprint(1)")]
    assert len(read(tmp_path, good, *chat)) == 1 and "3 conversations are left out" in capsys.readouterr().err


# ---- a real server ---------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_collecting_from_transformers_serve_survives_a_kill(tmp_path):
    """A model trained for a minute, served by `transformers serve`; the collector is killed and goes on."""
    if not all(importlib.util.find_spec(name) for name in ("fastapi", "uvicorn", "openai", "requests")):
        pytest.skip("pip install 'transformers[serving]' requests")
    model = Path(os.environ.get("SERVED_MODEL", tmp_path / "model"))  # a model that is trained already, to be quicker
    if not model.exists():
        tasks = "rg/gcd,rg/lcm,bbh/disambiguation_qa"
        subprocess.run([sys.executable, "sft.py", "--tasks", tasks, "--eval-n", "1", "--out", model], cwd=ROOT, env=ENV, check=True)
    eos = json.loads((model / "config.json").read_text())["eos_token_id"]  # this file replaces what config.json says
    (model / "generation_config.json").write_text(json.dumps({"do_sample": True, "eos_token_id": eos}))  # else it is greedy
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve = [sys.executable, "-m", "transformers.cli.transformers", "serve", "--host", "127.0.0.1", "--port", str(port),
             "--device", "cpu"]
    served = subprocess.Popen(serve, env={**ENV, "HF_HUB_OFFLINE": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                break
            time.sleep(0.5)
        teacher = f"http://127.0.0.1:{port}/v1#{model.resolve()}"
        args = ["-m", "tasks.teacher", "collect", "--tasks", "rg/gcd,rg/lcm,bbh/disambiguation_qa", "--per-task", "2", "--per-question", "2",
                "--teacher", teacher, "--workers", "1", "--out", str(tmp_path / "data"), "--concurrency", "4"]
        log = tmp_path / "data" / "collected.jsonl"
        collector = subprocess.Popen([sys.executable, *args], cwd=ROOT, env=ENV)
        while not log.exists() or len(log.read_text().splitlines()) < 4:
            assert collector.poll() is None
            time.sleep(0.2)
        collector.send_signal(signal.SIGKILL)
        collector.wait()
        before = log.read_text()
        before = before[:before.rfind("\n") + 1]
        out = command(*args[1:], "--resume")
        lines = lines_of(log)
        assert log.read_text().startswith(before) and 4 <= len(before.splitlines()) < len(lines) == 12
        assert len({(line["task"], line["seed"], line["sample"]) for line in lines}) == 12
        command("tasks.teacher", "choose", log, "--out", tmp_path / "data.jsonl")
        for line in lines_of(tmp_path / "data.jsonl"):
            instance = TASKS[line["task"]].generate(line["seed"], line["level"], "sft")
            assert grade(instance, extract_answer(line["messages"][-1]["content"]))
        assert f"{sum(line['prompt_tokens'] for line in lines):,} of prompts" in out and lines[0]["prompt_tokens"] > 0
        table = inside("r1ci.py", "eval", "--model", teacher, "--tasks", "rg/gcd", "--n", "1", "--mode", "all", "--workers", "1")
        print(out, table)
        assert "tokens spent: " in table
    finally:
        served.terminate()
        served.wait()
