"""A model behind an OpenAI-compatible chat server: requests with retries, conversations as in rollout."""
import argparse
import http.client
import json
import os
import random
import re
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable

from sandbox import Sandbox
from tasks.base import Instance
from tasks.conversation import (TOOL_PREFIX, Protocol, Trajectory, extract_answer, find_code, keyed_bytes,
                            tool_text)
from tasks.questions import grade


@dataclass(frozen=True)
class Endpoint:
    """A served model, URL#name on the command line. OPENAI_API_KEY goes along if it is set."""
    url: str                   # up to /v1
    name: str
    concurrency: int = 8       # conversations at a time
    timeout: float = 300.0     # seconds without a byte
    tries: int = 7             # of a request, with about 1, 2, 4, ... 32 s between them
    sleep: Callable[[float], Any] = time.sleep

    def complete(self, messages: list[dict[str, str]], max_tokens: int, temperature: float) \
            -> tuple[str, bool, dict]:
        """The model's next turn, whether a limit cut it off, tokens charged. What may pass is tried again."""
        body = dict(model=self.name, messages=messages, max_tokens=max_tokens, temperature=temperature,
                    stream=False)
        headers = {"Content-Type": "application/json"}
        if os.environ.get("OPENAI_API_KEY"):
            headers["Authorization"] = f"Bearer {os.environ['OPENAI_API_KEY']}"
        request = urllib.request.Request(f"{self.url}/chat/completions", json.dumps(body).encode(), headers)
        for attempt in range(self.tries):
            pause = 2 ** attempt * random.uniform(0.5, 1.0)  # the jitter: not all at once again
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as response:
                    reply = json.load(response)
                choice, usage = reply["choices"][0], reply.get("usage") or {}
                return str(choice["message"]["content"] or ""), choice.get("finish_reason") == "length", usage
            except urllib.error.HTTPError as error:
                detail = " ".join(error.read(10_000).decode(errors="replace").split())[:300]
                problem = f"it answered {error.code} {error.reason}" + f" ({detail})" * bool(detail)
                if error.code in (400, 413) and "context" in detail and len(messages) > 2:
                    return "", True, {}  # the conversation has outgrown the model
                if error.code < 500 and error.code not in (408, 409, 425, 429):
                    raise SystemExit(f"{self.url}#{self.name}: {problem}")
                if re.fullmatch(r"\d+(\.\d+)?", error.headers.get("Retry-After", "")):
                    pause = max(pause, float(error.headers["Retry-After"]))
            except (OSError, http.client.HTTPException) as error:  # refused, reset, timed out, cut off
                why = getattr(error, "reason", None) or str(error) or type(error).__name__
                problem = f"no answer ({why})"
            except (ValueError, LookupError, TypeError, AttributeError):
                problem = "its answer is not a chat completion in JSON"
            if attempt + 1 < self.tries:
                self.sleep(pause)
        raise SystemExit(f"{self.url}#{self.name}: {problem}, {self.tries} times")


def find_endpoint(name: str, concurrency: int, timeout: float) -> Endpoint | None:
    """The endpoint that a model's name stands for, if it is a URL."""
    if not re.match("https?://", name):
        return None
    url, _, model = name.partition("#")
    if not model:
        raise SystemExit(f"{name}: the model's name is missing, as in {url.rstrip('/')}#name")
    if concurrency < 1 or timeout <= 0:
        raise SystemExit("--concurrency and --request-timeout must be above 0")
    return Endpoint(url.rstrip("/"), model, concurrency, timeout)


def add_endpoint_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("endpoint").add_argument
    add("--concurrency", type=int, default=Endpoint.concurrency, help="conversations at a time")
    add("--request-timeout", type=float, default=Endpoint.timeout, help="seconds to wait for a reply")


def converse_with(endpoint: Endpoint, sandbox: Sandbox, instance: Instance, sample: int, protocol: Protocol,
                  system: str, key: tuple) -> Trajectory:
    """One conversation by the rules of `rollout`, in text instead of tokens: the same turns, calls and ends.

    A server cannot be told to stop at a closing fence and not at an opening one: turns are cut there later.
    """
    messages = [{"role": "system", "content": system}, {"role": "user", "content": instance.question}]
    t = Trajectory(instance, sample, messages, [], [], [], 0)
    while not t.stop_reason:
        left = protocol.max_tokens - t.completion_tokens
        limit = min(protocol.max_turn_tokens, left)
        text, cut, usage = endpoint.complete(messages, limit, protocol.temperature)
        t.prompt_tokens += usage.get("prompt_tokens", 0)
        t.completion_tokens += usage.get("completion_tokens", 0)
        code, end = find_code(text) or (None, len(text))
        messages.append({"role": "assistant", "content": text[:end]})
        if code is None:
            t.answer = None if cut else extract_answer(text)
            t.stop_reason = "budget" if cut else "eos" if t.answer is None else "answer"
        elif t.calls == (0 if protocol.mode == "text" else protocol.max_calls):
            t.stop_reason = "calls"
        else:
            row_key = (*key, instance.task, instance.level, instance.purpose, instance.seed, sample, t.calls)
            result = sandbox.run(code, seed=int.from_bytes(keyed_bytes(*row_key)[:4], "big"))
            t.statuses.append(result.status)
            messages.append({"role": "user", "content": TOOL_PREFIX + tool_text(result, protocol.tool_chars)})
            if result.status == "sandbox_error":
                t.stop_reason = "tool_failure"
            elif t.completion_tokens >= protocol.max_tokens:
                t.stop_reason = "budget"
    t.reward = float(t.answer is not None and grade(instance, t.answer))
    return t


Job = tuple[Instance, int, Protocol, str]  # question, number of the sample, protocol, system prompt


def converse_all(endpoint: Endpoint, sandbox: Sandbox, jobs: list[Job], key: tuple,
                 on_end: Callable[[Trajectory], Any]) -> list[Trajectory]:
    """The conversations of the jobs, several at a time; `on_end` hears of each.

    When one fails for good or is interrupted, those under way come to their end, and no other begins.
    """
    lock = threading.Lock()

    def hold(job: Job) -> Trajectory:
        t = converse_with(endpoint, sandbox, *job, key)
        with lock:
            on_end(t)
        return t

    with ThreadPoolExecutor(endpoint.concurrency) as pool:
        futures = [pool.submit(hold, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
