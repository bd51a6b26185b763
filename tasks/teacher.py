"""Supervised data: conversations from the tasks' own programs, or from a served model, and the choice among them."""
import argparse
import http.client
import json
import os
import random
import re
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

from tqdm import tqdm

from sandbox import Result, Sandbox
from tasks.base import TASKS, Instance, norm
from tasks.conversation import (FORMATS, PROMPTS, Format, Protocol, Trajectory, keyed_bytes, protocol_of, read_turn,
                                system_prompts, tool_text)
from tasks.questions import draw_questions, grade, read_jsonl
from tasks.report import check_tool_failures, switches

# How often each form is written, by mode. In "ci" the model is shown both ways and not told which is better: that choice
# is what reinforcement learning has to find out. Forms with several calls or a change from words to code count
# --multi-turn-weight times.
FORMS = {"ci": {"text": 24, "code": 24, "check": 1, "repair": 1, "switch": 1},
         "text": {"text": 1},
         "code": {"code": 16, "check": 1, "repair": 1}}
WEIGHTED = ("check", "repair", "switch")
MODE_SHARES = {"ci": 8, "text": 1, "code": 1}


def pick(rng: random.Random, shares: dict[str, float]) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]


@dataclass(frozen=True)
class Job:
    """One conversation to be held."""
    instance: Instance
    sample: int                # its number among those of the question
    protocol: Protocol
    system: str | None = None  # a system prompt other than the mode's first



# ---- programs --------------------------------------------------------------------------------------------------------

def broken(rng: random.Random, program: str) -> str:
    """The program with a slip that makes it fail: a misspelt name, a lost import or a lost bracket."""
    slips = [program.replace("print(", "prnt(")]
    if ")" in program:
        at = program.rindex(")")
        slips.append(program[:at] + program[at + 1:])
    if program.startswith("import "):
        slips.append(program.split("\n", 1)[1])
    return rng.choice(slips)


def checking(program: str, answer: str) -> str | None:
    """A program that computes the answer again and compares: it prints True. None if the program's end is unusual."""
    *lines, last = program.rstrip("\n").split("\n")
    match = re.fullmatch(r"print\((\*?)(.*)\)", last)
    if not match:
        return None
    again = f'" ".join({match[2]})' if match[1] else f"str({match[2]})"
    return "\n".join((*lines, f"print({again} == {answer!r})")) + "\n"


def plan(rng: random.Random, instance: Instance, multi_turn_weight: float) -> tuple[str, str, list[str]]:
    """(mode, form, scripts to run) of one conversation."""
    task, mode = TASKS[instance.task], pick(rng, MODE_SHARES)
    if task.program is None:
        return ("ci" if mode == "code" else mode), "text", []
    shares = {form: n * (multi_turn_weight if form in WEIGHTED else 1) for form, n in FORMS[mode].items()}
    form, program = pick(rng, shares), task.program(instance)
    scripts = {"text": [], "code": [program], "switch": [program], "repair": [broken(rng, program), program],
               "check": [program, checking(program, instance.expect)]}[form]
    return (mode, form, scripts) if None not in scripts else (mode, "code", [program])


def wrong_conversations(lines: list[dict[str, Any]], instances: list[Instance]) -> list[dict[str, Any]]:
    """A wrong one to every second right one, as from a teacher who is right two times in three.

    It treats the next question of its task instead of its own, code and all, and the verifier refuses its answer.
    """
    wrong, asked = [], {instance.question: instance for instance in instances}
    for line, other in zip(lines[::2], lines[1::2]):
        (_, question, *_), (system, its_question, *turns) = line["messages"], other["messages"]
        answer = asked[its_question["content"]].expect
        if line["task"] == other["task"] and not TASKS[line["task"]].verify(asked[question["content"]], answer):
            wrong.append({**other, "messages": [system, question, *turns], "seed": line["seed"], "reward": 0.0})
    return wrong


# ---- files -----------------------------------------------------------------------------------------------------------

ROLES = {"system": "system", "user": "user", "human": "user", "tool": "user", "observation": "user",
         "assistant": "assistant", "gpt": "assistant"}


def read_messages(line: dict[str, Any], tool_prefix: str) -> list[dict[str, str]]:
    """The messages of a line in either layout: "messages" (role, content) or "conversations" (from, value; ShareGPT)."""
    turns, messages = line.get("messages", line.get("conversations")), []
    for turn in turns if isinstance(turns, list) else [None]:
        turn = turn if isinstance(turn, dict) else {}
        role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if role not in ROLES or not isinstance(content, str):
            raise ValueError('"messages" needs a list of role and content (or "conversations" one of from and value), '
                             f"and one role is {role!r} with {type(content).__name__} as content")
        if role in ("tool", "observation"):
            content = tool_prefix + content.removeprefix(tool_prefix)
        messages.append({"role": ROLES[role], "content": content})
    roles = [message["role"] for message in messages]
    spoken = roles[roles[:1] == ["system"]:]
    if not spoken or spoken != ["user", "assistant"] * (len(spoken) // 2):
        raise ValueError("user and assistant must take turns behind the system, and the assistant's turn is the last: "
                         + ", ".join(roles))
    return messages


def read_collected(path: Path) -> list[dict[str, Any]]:
    """What an earlier run has collected; a last line that was cut off when it died is deleted."""
    if not path.exists():
        raise SystemExit(f"--resume: {path} does not exist")
    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        path.write_text(text[:text.rfind("\n") + 1], encoding="utf-8")
    return [line for _, line in read_jsonl(path)]


# ---- choice ----------------------------------------------------------------------------------------------------------

def choose(lines: list[dict[str, Any]], keep: int, multi_turn_weight: float, keep_wrong: bool, seed: int) \
        -> list[dict[str, Any]]:
    """At most `keep` right conversations a task, no two alike, drawn by weight where there are more."""
    tasks: dict[str, dict] = {}
    for line in lines:
        said = [norm(m["content"]) for m in line["messages"] if m["role"] == "assistant"]
        if (line["reward"] == 1.0 or keep_wrong) and (multi_turn_weight or line["form"] not in WEIGHTED):
            tasks.setdefault(line["task"], {}).setdefault((line["messages"][1]["content"], *said), line)
    chosen = []
    for task, different in tasks.items():
        rng = random.Random(f"choose/{seed}/{task}")
        # Without replacement: each waits for a time that is exponential with its weight as rate; the first are drawn.
        wait = lambda line: rng.expovariate(multi_turn_weight if line["form"] in WEIGHTED else 1.0)
        chosen += sorted(different.values(), key=wait)[:keep]
    return chosen


def collection_table(lines: list[dict[str, Any]], chosen: list[dict[str, Any]]) -> str:
    """What was sampled and what was kept, per task, and the tokens spent."""
    tasks = list(dict.fromkeys(line["task"] for line in lines))
    width = max(map(len, (*tasks, "task")))
    rows = [f"{'task':{width}}  sampled  right  kept  forms kept"]
    for name in (*tasks, "all"):
        its, kept = ([line for line in some if name in (line["task"], "all")] for some in (lines, chosen))
        forms = ", ".join(f"{form} {count}" for form, count in Counter(line["form"] for line in kept).most_common())
        right = sum(line["reward"] == 1.0 for line in its)
        rows.append(f"{name:{width}}  {len(its):7d}  {right:5d}  {len(kept):4d}  {forms}")
    spent = (sum(line.get(f"{kind}_tokens", 0) for line in lines) for kind in ("prompt", "completion"))
    return "\n".join(rows) + "\ntokens spent at an endpoint: {:,} of prompts, {:,} of completions".format(*spent)


# ---- 1. conversations from programs ----------------------------------------------------------------------------------

WORDINGS = {"all": None, "one": 1}  # how many system prompts of a mode are used


def converse(system: str, instance: Instance, form: str, scripts: list[str], results: list[Result],
             tool_chars: int, marks: Format) -> list[dict[str, str]] | None:
    """The conversation as messages, or None if its scripts did not do what the form needs."""
    task = TASKS[instance.task]
    wanted = ["error", "ok"] if form == "repair" else ["ok"] * len(scripts)
    outputs = [tool_text(result, tool_chars) for result in results]
    if [result.status for result in results] != wanted or (form == "check" and outputs[1] != "True"):
        return None
    answer = instance.expect if not scripts else outputs[0 if form == "check" else -1]
    if not task.verify(instance, answer):
        return None
    messages = [{"role": "system", "content": system}, {"role": "user", "content": instance.question}]
    before = "This is easy to get wrong in words, so I run code.\n" if form == "switch" else ""
    for script, output in zip(scripts, outputs):
        messages += [{"role": "assistant", "content": before + marks.show_code(script)},
                     {"role": "user", "content": marks.show_output(output)}]
    why = f"{task.rationale(instance)}\n" if task.program is None else ""
    return messages + [{"role": "assistant", "content": why + marks.show_answer(answer)}]


def write_conversations(instances: list[Instance], sandbox: Sandbox, seed: int | str, tool_chars: int,
                        multi_turn_weight: float = 4.0, wordings: str = "all", keep_wrong: bool = False,
                        format_name: str = "fence") \
        -> list[dict[str, Any]]:
    """One verified conversation for each question that yields one, as JSON-ready lines."""
    plans = [plan(random.Random(f"plan/{seed}/{i.task}/{i.level}/{i.seed}"), i, multi_turn_weight) for i in instances]
    scripts = [script for _, _, scripts in plans for script in scripts]
    results = iter([future.result() for future in tqdm([sandbox.submit(script, seed=0) for script in scripts],
                                                       desc="running the scripts", unit="script", leave=False)])
    lines = []
    for instance, (mode, form, its) in zip(instances, plans):
        rng = random.Random(f"wording/{seed}/{instance.task}/{instance.level}/{instance.seed}")
        system = rng.choice(system_prompts(mode, format_name)[:WORDINGS[wordings]])
        messages = converse(system, instance, form, its, [next(results) for _ in its], tool_chars, FORMATS[format_name])
        if messages:
            lines.append(dict(messages=messages, task=instance.task, seed=instance.seed, level=instance.level,
                              purpose=instance.purpose, reward=1.0, mode=mode, form=form, calls=len(its)))
    return lines + (wrong_conversations(lines, instances) if keep_wrong else [])


# ---- 2. conversations from a teacher ---------------------------------------------------------------------------------

PROMPT_SHARES = {"ci": 4, "switch": 2, "text": 1, "code": 1}  # ours: the paper does not tell them


def teacher_jobs(instances: list[Instance], per_question: int, seed: int, wordings: str, protocol: Protocol) -> list[Job]:
    """The conversations to be held, shuffled: any part of them is a fair part."""
    jobs, format_name = [], protocol.format
    for instance in instances:
        for sample in range(per_question):
            rng = random.Random(f"teacher/{seed}/{instance.task}/{instance.level}/{instance.seed}/{sample}")
            mode = pick(rng, PROMPT_SHARES)
            system = rng.choice(system_prompts(mode, format_name)[:WORDINGS[wordings]])
            jobs.append(Job(instance, sample, replace(protocol, mode="text" if mode == "text" else "ci"), system))
    return random.Random(f"jobs/{seed}").sample(jobs, len(jobs))


def line_of(t: Trajectory, source: str) -> dict[str, Any]:
    """A trajectory as a line of data; its form in the words of FORMS."""
    form = ("text" if not t.calls else "repair" if t.statuses[0] != "ok" else "check" if t.calls > 1 else
            "switch" if switches(t) else "code")
    mode = next(mode for mode in PROMPTS if t.messages[0]["content"] in system_prompts(mode, t.format))
    return {**t.to_json(), "ids": [], "loss_mask": [], "mode": mode, "form": form, "source": source,
            "prompt_tokens": t.prompt_tokens, "completion_tokens": t.completion_tokens}


def collect(args: argparse.Namespace, tasks: list[tuple[str, int]], sandbox: Sandbox) -> None:
    """Every conversation goes to collected.jsonl as it ends, wrong ones too; the chosen ones go to data.jsonl."""
    endpoint = find_endpoint(args.teacher, args.concurrency, args.request_timeout)
    log, lines, rows, stopped = Path(args.out) / "collected.jsonl", [], [], ""
    if args.resume:
        lines = read_collected(log)
    elif log.exists():
        raise SystemExit(f"{log} exists: choose another --out, or --resume it")
    log.parent.mkdir(parents=True, exist_ok=True)
    done = {(line["source"], line["task"], line["level"], line["seed"], line["sample"]) for line in lines}
    questions = draw_questions(tasks, "sft", args.per_task, args.seed)
    jobs = [job for job in teacher_jobs(questions, args.per_question, args.seed, args.wordings, protocol_of(args))
            if (args.teacher, job.instance.task, job.instance.level, job.instance.seed, job.sample) not in done]
    with (open(log, "a", encoding="utf-8") as file,
          tqdm(total=len(jobs), desc="collecting", unit="row") as bar):

        def keep(line: dict[str, Any]) -> None:
            lines.append(line)
            file.write(json.dumps(line) + "\n")
            file.flush()  # whatever happens next, this one is not asked for again
            bar.update()

        def on_end(t: Trajectory) -> None:
            rows.append(t)
            if t.stop_reason != "tool_failure":  # the sandbox's own fault: to be asked again
                keep(line_of(t, args.teacher))

        try:
            if args.teacher == "programs":
                for sample in range(args.per_question):
                    seed = f"{args.seed}/{sample}" if sample else args.seed
                    for line in write_conversations(questions, sandbox, seed, args.tool_chars, args.multi_turn_weight,
                                                    args.wordings, args.keep_wrong):
                        keep({**line, "sample": sample, "stop_reason": "answer", "source": "programs"})
            else:
                converse_all(endpoint, sandbox, jobs, (args.seed, "teacher"), on_end)
            check_tool_failures(rows)
        except (SystemExit, KeyboardInterrupt) as error:
            stopped = str(error) or "interrupted"
    chosen = choose(lines, args.keep_per_task, args.multi_turn_weight, args.keep_wrong, args.seed)
    if chosen:
        (log.parent / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in chosen), encoding="utf-8")
        print(f"{collection_table(lines, chosen)}\nthe chosen ones are in {log.parent / 'data.jsonl'}")
    if stopped:
        raise SystemExit(f"{stopped}; {len(lines)} conversations are kept in {log}, and --resume goes on")




def read_conversations(path: str | Path, keep_wrong: bool = False, format_name: str = "fence") -> list[dict[str, Any]]:
    """The right conversations of a file, or all, with messages in our layout; a bad line ends the program.

    Words behind a turn's code block are cut, since no rollout hears them; in the last turn they would be the answer, and
    the conversation is left out and counted.
    """
    lines, cut_off = [], 0
    for number, line in read_jsonl(path):
        try:
            *earlier, last = line["messages"] = read_messages(line, FORMATS[format_name].output_open)
        except ValueError as error:
            raise SystemExit(f"{path}, line {number}: {error}")
        for message in earlier:
            if message["role"] == "assistant":
                message["content"] = read_turn(message["content"], format_name).text
        if read_turn(last["content"], format_name).text != last["content"]:
            cut_off += 1
        elif line.get("reward", 1.0) == 1.0 or keep_wrong:
            lines.append(line)
    if cut_off:
        print(f"note: {path}: {cut_off} conversations are left out, their last turn goes on behind code", file=sys.stderr)
    if not lines:
        raise SystemExit(f"{path} holds no conversation with reward 1")
    return lines




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


def converse_with(endpoint: Endpoint, sandbox: Sandbox, job: Job, key: tuple) -> Trajectory:
    """One conversation by the rules of `rollout`, in text instead of tokens: the same turns, calls and ends.

    A server cannot be told to stop at a closing fence and not at an opening one: turns are cut there later.
    """
    instance, protocol = job.instance, job.protocol
    system = job.system or system_prompts(protocol.mode, protocol.format)[0]
    messages = [{"role": "system", "content": system}, {"role": "user", "content": instance.question}]
    t = Trajectory(instance, job.sample, messages, format=protocol.format)
    while not t.stop_reason:
        left = protocol.max_tokens - t.completion_tokens
        limit = min(protocol.max_turn_tokens, left)
        text, cut, usage = endpoint.complete(messages, limit, protocol.temperature)
        t.prompt_tokens += usage.get("prompt_tokens", 0)
        t.completion_tokens += usage.get("completion_tokens", 0)
        turn = read_turn(text, protocol.format)
        messages.append({"role": "assistant", "content": turn.text})
        if turn.code is None:
            t.answer = None if cut else turn.answer
            t.stop_reason = "budget" if cut else "eos" if t.answer is None else "answer"
        elif t.calls == protocol.allowed_calls:
            t.stop_reason = "calls"
        else:
            row_key = (*key, instance.task, instance.level, instance.purpose, instance.seed, job.sample, t.calls)
            result = sandbox.run(turn.code, seed=int.from_bytes(keyed_bytes(*row_key)[:4], "big"))
            t.statuses.append(result.status)
            output = FORMATS[protocol.format].show_output(tool_text(result, protocol.tool_chars))
            messages.append({"role": "user", "content": output})
            if result.status == "sandbox_error":
                t.stop_reason = "tool_failure"
            elif t.completion_tokens >= protocol.max_tokens:
                t.stop_reason = "budget"
    t.reward = float(t.answer is not None and grade(t.instance, t.answer))
    return t


def converse_all(endpoint: Endpoint, sandbox: Sandbox, jobs: list[Job], key: tuple,
                 on_end: Callable[[Trajectory], Any] | None = None) -> list[Trajectory]:
    """The conversations of the jobs, several at a time; `on_end` hears of each.

    When one fails for good or is interrupted, those under way come to their end, and no other begins.
    """
    lock = threading.Lock()

    def hold(job: Job) -> Trajectory:
        t = converse_with(endpoint, sandbox, job, key)
        with lock:
            if on_end:
                on_end(t)
        return t

    with ThreadPoolExecutor(endpoint.concurrency) as pool:
        futures = [pool.submit(hold, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
