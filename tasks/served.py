"""Conversations with a model that another program serves: vLLM, or any OpenAI-compatible server.

They go by the rules of `rollout` in r1ci.py, in text instead of tokens: same turns, calls, ends.
`r1ci.py ask` and `eval` hold them with --model URL#name, `python -m tasks.teacher collect` with
--teacher URL#name.
"""
import argparse
import importlib.util
import json
import os
import queue
import re
import threading
from dataclasses import dataclass
from operator import index
from typing import Any, Iterator
from urllib.parse import urlsplit

from sandbox import Sandbox
from tasks.base import Instance
from tasks.conversation import (FORMATS, Protocol, Trajectory, keyed_bytes, read_turn,
                                system_prompts, tool_text)
from tasks.flags import real, whole
from tasks.questions import grade


@dataclass(frozen=True)
class Endpoint:
    """A served model behind an OpenAI-compatible server, URL#name on the command line.

    Requests, their repetition and their limits are the `openai` package's; OPENAI_API_KEY goes
    along.
    """

    url: str  # up to /v1
    name: str
    concurrency: int = 8  # conversations at a time
    timeout: float = 300.0  # seconds to wait for a reply
    retries: int = 6  # of what may pass: a busy or broken server


class Refused(Exception):
    """The server refuses this one conversation for good: a filter, or a prompt that is too long."""


def find_endpoint(name: str, concurrency: int, timeout: float) -> Endpoint | None:
    """The endpoint that a model's name stands for, if it is a URL."""
    if not re.match("https?://", name):
        return None
    url, _, model = name.partition("#")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        sound = host and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:  # half a bracket, a port that is no number or too large, a name too long
        sound = False
    if not sound:
        raise SystemExit(f"{name}: this is no address, such as http://localhost:8000/v1#name")
    if not model:
        raise SystemExit(f"{name}: the model's name is missing, as in {url.rstrip('/')}#name")
    if importlib.util.find_spec("openai") is None:
        raise SystemExit(f"{name}: served models need the openai package: pip install openai")
    if not re.fullmatch("[!-~]*", os.environ.get("OPENAI_API_KEY", "")):
        raise SystemExit("OPENAI_API_KEY is no key: one has ASCII letters, digits and signs alone")
    return Endpoint(url.rstrip("/"), model, concurrency, timeout)


def add_endpoint_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("served models").add_argument
    add("--concurrency", type=whole(1), default=Endpoint.concurrency, help="requests at a time")
    add("--request-timeout", type=real(0.001, 86400), default=Endpoint.timeout,
        help="seconds to wait for a reply")


def connect(endpoint: Endpoint) -> Any:
    """A client, shared by all threads."""
    from openai import OpenAI
    key = os.environ.get("OPENAI_API_KEY") or "none"  # a server of one's own wants none
    return OpenAI(base_url=endpoint.url, api_key=key, timeout=endpoint.timeout,
                  max_retries=endpoint.retries)


@dataclass(frozen=True)
class Reply:
    """The model's next turn."""

    text: str | None  # None: nothing was said, since some servers return thoughts alone
    cut_off: bool  # by a limit
    prompt_tokens: int  # charged
    completion_tokens: int


def complete(client: Any, endpoint: Endpoint, messages: list[dict[str, str]], max_tokens: int,
             temperature: float) -> Reply:
    """Ask for the next turn. Raises Refused for one conversation; other faults end the program."""
    import openai

    name = f"{endpoint.url}#{endpoint.name}"
    try:
        answer = client.chat.completions.with_raw_response.create(
            model=endpoint.name, messages=messages, max_tokens=max_tokens, temperature=temperature
        )
    except openai.APIStatusError as error:
        # Of one conversation alone: a bad request, one too large, one that cannot be processed.
        if error.status_code in (400, 413, 422):
            raise Refused(one_line(error.response.text))
        raise SystemExit(f"{name}: it answered {error.status_code} "
                         f"({one_line(error.response.text)})")
    except openai.OpenAIError as error:  # no connection, no answer in time
        raise SystemExit(f"{name}: no answer ({one_line(str(error))}), {endpoint.retries + 1} "
                         "times")
    try:
        return read_reply(answer.http_response.content)
    except (ValueError, AttributeError, LookupError, TypeError, RecursionError):
        raise SystemExit(f"{name}: its answer is not a chat completion in JSON")


def read_reply(body: bytes) -> Reply:
    """The turn that a chat completion holds. The client checks no types, so this raises whatever
    comes of wrong ones.
    """
    answer = json.loads(body)
    choice, usage = answer["choices"][0], answer.get("usage") or {}
    text = choice["message"].get("content")
    if text is not None:
        text = text.encode(errors="replace").decode()  # no half of a character
    # `index` takes whole numbers alone.
    tokens = [index(usage.get(kind) or 0) for kind in ("prompt_tokens", "completion_tokens")]
    return Reply(text, choice.get("finish_reason") == "length", *tokens)


def one_line(text: str) -> str:
    return " ".join(text.split())[:300]


@dataclass(frozen=True)
class PlannedConversation:
    """One conversation to be held."""

    instance: Instance
    sample: int  # its number among those of the question
    protocol: Protocol
    system: str | None = None  # a system prompt other than the mode's first


def converse_with(client: Any, endpoint: Endpoint, sandbox: Sandbox, job: PlannedConversation,
                  key: tuple) -> Trajectory:
    """One conversation.

    A server cannot be told to stop at a closing fence and not at an opening one: turns are cut
    later. The protocol's max_tokens bounds what the model writes, if the server tells its usage; of
    what scripts print nobody knows the tokens.
    """
    instance, protocol = job.instance, job.protocol
    system = job.system or system_prompts(protocol.mode, protocol.format)[0]
    opening = [{"role": "system", "content": system},
               {"role": "user", "content": instance.question}]
    t = Trajectory(instance, job.sample, opening, format=protocol.format)
    while not t.stop_reason:
        limit = min(protocol.max_turn_tokens, protocol.max_tokens - t.completion_tokens)
        try:
            reply = complete(client, endpoint, t.messages, limit, protocol.temperature)
        except Refused as error:
            # Servers name the context's length there: after the first turn the conversation has
            # outgrown it.
            outgrown = "context" in str(error) and len(t.messages) > 2
            t.stop_reason = "budget" if outgrown else "refused"
            t.refusal = str(error)
            break
        t.prompt_tokens += reply.prompt_tokens
        t.completion_tokens += reply.completion_tokens
        turn = read_turn(reply.text or "", protocol.format)
        t.messages.append({"role": "assistant", "content": turn.text})
        if reply.text is None:
            t.stop_reason = "empty"
        elif turn.code is not None and t.calls == protocol.allowed_calls:
            t.stop_reason = "calls"
        elif turn.code is not None:
            run_script(t, sandbox, turn.code, protocol, key)
        elif reply.cut_off:
            t.stop_reason = "budget"
        else:
            t.answer = turn.answer
            t.stop_reason = "eos" if turn.answer is None else "answer"
    t.right = float(t.answer is not None and grade(t.instance, t.answer))
    return t


def run_script(t: Trajectory, sandbox: Sandbox, code: str, protocol: Protocol, key: tuple) -> None:
    """Run a script of the conversation and append what it printed."""
    row = (t.instance.task, t.instance.level, t.instance.purpose, t.instance.seed, t.number)
    seed = int.from_bytes(keyed_bytes(*key, *row, t.calls)[:4], "big")
    result = sandbox.run(code, seed=seed)
    t.statuses.append(result.status)
    output = tool_text(result, protocol.tool_chars)
    t.messages.append({"role": "user", "content": FORMATS[protocol.format].show_output(output)})
    if result.status == "sandbox_error":
        t.stop_reason = "tool_failure"
    elif t.completion_tokens >= protocol.max_tokens:
        t.stop_reason = "budget"


def converse_all(endpoint: Endpoint, sandbox: Sandbox, jobs: list[PlannedConversation],
                 key: tuple) -> Iterator[tuple[int, Trajectory]]:
    """(the job's number, the conversation) of every job, as they end; several go on at a time.

    When the server itself fails, or on Ctrl-C, nobody waits for what hangs: the threads are
    daemons. A server that refuses them all fails.
    """
    client = connect(endpoint)
    # The threads share it: each goes on with the next job. (A generator could not be shared.)
    waiting = iter(list(enumerate(jobs)))
    done: queue.SimpleQueue = queue.SimpleQueue()  # (number, Trajectory or what went wrong)

    def work() -> None:
        for number, job in waiting:
            try:
                done.put((number, converse_with(client, endpoint, sandbox, job, key)))
            except (Exception, SystemExit) as error:
                done.put((number, error))
                return

    for _ in range(min(endpoint.concurrency, len(jobs))):
        threading.Thread(target=work, daemon=True).start()
    refusals = []
    for _ in jobs:
        number, outcome = done.get()
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome.stop_reason == "refused":
            refusals.append(outcome.refusal)
        yield number, outcome
    if jobs and len(refusals) == len(jobs):
        raise SystemExit(f"{endpoint.url}#{endpoint.name}: it refused every conversation "
                         f"({refusals[0]})")
