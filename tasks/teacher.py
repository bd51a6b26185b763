"""Supervised data: conversations with right answers, from the tasks' own programs (for sft.py) or
from a teacher.

    python -m tasks.teacher collect --teacher URL#model --tasks train --out data    ask a server
    python -m tasks.teacher choose data/collected.jsonl --out data.jsonl            keep the best
    python sft.py --data data.jsonl

A teacher may be a model of ours, too: `python r1ci.py eval --model runs/grpo --purpose sft
--samples 4 --trajectories FILE` samples it, and `choose FILE` keeps its right conversations
(rejection sampling).

A conversation is a JSON line: messages (role, content), task, level, seed, reward, calls, mode
(kind of system prompt), form (what its scripts are for); of programs also purpose and format, of a
server also stop_reason and source.

    1. conversations from programs   2. collecting         3. files of others
    4. the choice                    5. the command line
"""
import argparse
import json
import random
import re
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm

from sandbox import Result, Sandbox, SandboxError
from tasks.base import LEVELS, TASKS, Instance, norm
from tasks.conversation import (FORMATS, Protocol, extract_answer, read_turn, system_prompts,
                                tool_text)
from tasks.flags import CommandLine, add_protocol_flags, hold_lock, protocol_of, real, whole
from tasks.questions import (TASKS_HELP, TINY_TASKS, draw_questions, is_finite, is_text,
                             own_questions, parse_tasks, read_jsonl, read_trajectories)
from tasks.report import count_switches, end_if_sandbox_failed, tool_failures
from tasks.served import (Endpoint, PlannedConversation, add_endpoint_flags, converse_all,
                          find_endpoint)


# ---- 1. conversations from programs --------------------------------------------------------------

# How often each form is written, by mode. In "ci" the model is shown both ways and not told which
# is better: that choice is what reinforcement learning has to find out. ("text" is the answer with
# the task's rationale or, where a program is the natural way, the answer alone.)
FORMS = {
    "ci": {"text": 24, "code": 24, "check": 1, "repair": 1, "switch": 1},
    "text": {"text": 1},
    "code": {"code": 16, "check": 1, "repair": 1},
}
# Forms with several calls or a change from words to code count --multi-turn-weight times.
MULTI_TURN = ("check", "repair", "switch")
MODE_SHARES = {"ci": 8, "text": 1, "code": 1}
WORDINGS = ("all", "one")  # of the system prompt: all that a mode has, or the first alone


@dataclass(frozen=True)
class Plan:
    """One conversation to be written: whose prompt opens it, and the scripts that it runs."""

    mode: str
    form: str
    scripts: list[str]


def write_conversations(instances: list[Instance], sandbox: Sandbox, seed: int | str,
                        tool_chars: int, multi_turn_weight: float = 4.0, wordings: str = "all",
                        format_name: str = "fence") -> list[dict[str, Any]]:
    """One verified conversation for each question that yields one, as JSON-ready lines."""
    plans = []
    for instance in instances:
        rng = random.Random(f"plan/{seed}/{instance.task}/{instance.level}/{instance.seed}")
        plans.append(make_plan(rng, instance, multi_turn_weight))
    # All scripts are under way at once; each conversation then waits for its own.
    futures = [[sandbox.submit(script, seed=0) for script in plan.scripts] for plan in plans]
    lines, runs_failed = [], 0
    bar = tqdm(instances, desc="running the scripts", leave=False)
    for instance, plan, runs in zip(bar, plans, futures):
        rng = random.Random(f"wording/{seed}/{instance.task}/{instance.level}/{instance.seed}")
        system = draw_prompt(rng, plan.mode, wordings, format_name)
        results = [run.result() for run in runs]
        runs_failed += sum(result.status == "sandbox_error" for result in results)
        messages = write_messages(system, instance, plan, results, tool_chars, format_name)
        if messages:
            lines.append(dict(
                messages=messages, task=instance.task, seed=instance.seed, level=instance.level,
                purpose=instance.purpose, reward=1.0, mode=plan.mode, form=plan.form,
                format=format_name, calls=len(plan.scripts)))
    end_if_sandbox_failed(runs_failed, calls=sum(map(len, futures)))
    return lines


def make_plan(rng: random.Random, instance: Instance, multi_turn_weight: float) -> Plan:
    """Draw a mode and a form that the task allows."""
    task = TASKS[instance.task]
    mode = draw(rng, MODE_SHARES)
    if task.program is None:  # words are the natural way, and "code" would ask for a program
        return Plan("ci" if mode == "code" else mode, "text", [])
    # The more a form is weighted, the oftener it is drawn.
    shares = {}
    for form, share in FORMS[mode].items():
        shares[form] = share * (multi_turn_weight if form in MULTI_TURN else 1)
    form, program = draw(rng, shares), task.program(instance)
    # The scripts that it needs, in the order in which they run.
    if form == "text":
        return Plan(mode, form, [])
    if form == "repair":
        return Plan(mode, form, [broken(rng, program), program])
    if form == "check":
        check = checking(program, instance.expect)
        # Not every program can be checked: such a one stands alone.
        return Plan(mode, form, [program, check]) if check else Plan(mode, "code", [program])
    return Plan(mode, form, [program])


def draw(rng: random.Random, shares: dict[str, float]) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]


def draw_prompt(rng: random.Random, mode: str, wordings: str, format_name: str) -> str:
    prompts = system_prompts(mode, format_name)
    return rng.choice(prompts if wordings == "all" else prompts[:1])


def broken(rng: random.Random, program: str) -> str:
    """The program with a slip: a misspelt name, a lost bracket or a lost import."""
    last = program.rindex(")")  # there is one: the program prints
    slips = [program.replace("print(", "prnt("), program[:last] + program[last + 1 :]]
    if program.startswith("import "):
        slips.append(program.split("\n", 1)[1])
    return rng.choice(slips)


def checking(program: str, answer: str) -> str | None:
    """A program that computes the answer again and compares: it prints True.

    `print(math.gcd(4, 6))` becomes `print(str(math.gcd(4, 6)) == '2')`. None if the last line is no
    print.
    """
    *lines, last = program.rstrip("\n").split("\n")
    match = re.fullmatch(r"print\((\*?)(.*)\)", last)
    if not match:
        return None
    star, printed = match.groups()
    again = f'" ".join({printed})' if star else f"str({printed})"
    return "\n".join((*lines, f"print({again} == {answer!r})")) + "\n"


def write_messages(system: str, instance: Instance, plan: Plan, results: list[Result],
                   tool_chars: int, format_name: str) -> list[dict[str, str]] | None:
    """The conversation, or None if its scripts did not do what its form needs."""
    task, marks = TASKS[instance.task], FORMATS[format_name]
    outputs = [tool_text(result, tool_chars) for result in results]
    # A script that should fail has to fail, and all others have to run.
    wanted = ["error", "ok"] if plan.form == "repair" else ["ok"] * len(results)
    if [result.status for result in results] != wanted:
        return None
    if plan.form == "check" and outputs[1] != "True":
        return None
    # The answer is what a script printed: the last one, but a check prints True after it.
    answer = instance.expect
    if outputs:
        answer = outputs[0] if plan.form == "check" else outputs[-1]
    last = marks.show_answer(answer)
    # Some do not survive their marks: \boxed{}} holds nothing.
    if not task.verify(instance, extract_answer(last, format_name) or ""):
        return None
    # Question, then each script and what it printed, then the answer.
    messages = [{"role": "system", "content": system},
                {"role": "user", "content": instance.question}]
    for script, output in zip(plan.scripts, outputs):
        words = ""
        if plan.form == "switch":
            words = "This is easy to get wrong in words, so I run code.\n"
        messages.append({"role": "assistant", "content": words + marks.show_code(script)})
        messages.append({"role": "user", "content": marks.show_output(output)})
    why = f"{task.rationale(instance)}\n" if task.program is None else ""
    messages.append({"role": "assistant", "content": why + last})
    return messages


def wrong_conversations(lines: list[dict[str, Any]],
                        instances: list[Instance]) -> list[dict[str, Any]]:
    """A wrong one to every second right one, as from a teacher who is right two times in three.

    Of two neighbours of a task it asks the first one's question, and has the second one's scripts
    and answer, which the verifier refuses.
    """
    asked = {instance.question: instance for instance in instances}
    wrong = []
    for line, other in zip(lines[::2], lines[1::2]):
        question, other_question = line["messages"][1], other["messages"][1]
        answer = asked[other_question["content"]].expect
        refused = not TASKS[line["task"]].verify(asked[question["content"]], answer)
        if line["task"] == other["task"] and refused:
            messages = [other["messages"][0], question, *other["messages"][2:]]
            wrong.append({**other, "messages": messages, "level": line["level"],
                          "seed": line["seed"], "reward": 0.0})
    return wrong


# ---- 2. collecting -------------------------------------------------------------------------------

PROMPT_SHARES = {"ci": 4, "switch": 2, "text": 1, "code": 1}  # ours: the paper does not tell them


def teacher_conversations(instances: list[Instance], per_question: int, seed: int, wordings: str,
                          protocol: Protocol) -> list[PlannedConversation]:
    """The conversations to be held, shuffled: any part of them is a fair part."""
    jobs = []
    for instance in instances:
        for sample in range(per_question):
            question = f"{instance.task}/{instance.level}/{instance.seed}"
            rng = random.Random(f"teacher/{seed}/{question}/{sample}")
            mode = draw(rng, PROMPT_SHARES)
            system = draw_prompt(rng, mode, wordings, protocol.format)
            jobs.append(PlannedConversation(instance, sample, replace(protocol, mode=mode), system))
    return random.Random(f"jobs/{seed}").sample(jobs, len(jobs))


def collect(args: argparse.Namespace, endpoint: Endpoint, sandbox: Sandbox) -> None:
    """Every conversation goes to collected.jsonl as it ends, wrong ones too, refused ones not.

    What an earlier run has collected is not asked for again.
    """
    # What is to be asked.
    if args.questions:
        questions = own_questions(args.questions, "rl", args.per_task)
    else:
        tasks = parse_tasks(args.tasks, args.level)
        questions = draw_questions(tasks, "sft", args.per_task or 50, args.seed)
    planned = teacher_conversations(questions, args.per_question, args.seed, args.wordings,
                                    protocol=protocol_of(args))
    # Of that, what no earlier run has collected from this teacher. (Nobody else may write to the
    # file meanwhile.)
    log = Path(args.out) / "collected.jsonl"
    file = hold_lock(log)
    lines = read_collected(file)
    known = {(line["source"], line["task"], line["level"], line["seed"], line["sample"])
             for line in lines}
    jobs = []
    for job in planned:
        asked = job.instance
        if (args.teacher, asked.task, asked.level, asked.seed, job.sample) not in known:
            jobs.append(job)
    # The conversations. What ends the program amid them is told after the table of what there is.
    stopped = ""
    rows = []
    ended = converse_all(endpoint, sandbox, jobs, key=(args.seed, "teacher"))
    with file:
        try:
            for number, t in tqdm(ended, total=len(jobs), desc="collecting", unit="row"):
                rows.append(t)
                if t.stop_reason == "tool_failure":  # the sandbox's own fault: to be asked again
                    continue
                line = t.to_json()
                line.update(mode=jobs[number].protocol.mode, form=form_of(line),
                            source=args.teacher, prompt_tokens=t.prompt_tokens,
                            completion_tokens=t.completion_tokens)
                lines.append(line)
                if t.stop_reason != "refused":  # the server may be set up better next time
                    file.write(json.dumps(line).encode() + b"\n")
                    file.flush()  # whatever happens next, this one is not asked for again
            end_if_sandbox_failed(*tool_failures(rows))
        except (SystemExit, KeyboardInterrupt) as error:
            stopped = str(error) or "interrupted"
    print(collection_table(lines, []))
    print(f"next: python -m tasks.teacher choose {log} --out {log.parent / 'data.jsonl'}")
    if stopped:
        kept = sum(line.get("stop_reason") != "refused" for line in lines)
        raise SystemExit(f"{stopped}; {kept} conversations are kept in {log}, and --resume goes on")


def form_of(line: dict[str, Any]) -> str:
    """What the scripts of a conversation are for, in the words of FORMS."""
    statuses = line.get("statuses", [])
    if not statuses:
        return "text"
    if statuses[0] != "ok":
        return "repair"
    if len(statuses) > 1:
        return "check"
    changes = count_switches(line["messages"], line.get("format", "fence"))
    return "switch" if changes else "code"


# What every line of collected.jsonl has, and more.
COLLECTED = {"messages": list, "source": str, "task": str, "level": int, "seed": int, "sample": int,
             "form": str, "reward": float, "prompt_tokens": int, "completion_tokens": int}


def read_collected(file: BinaryIO) -> list[dict[str, Any]]:
    """What an earlier run has collected.

    A last line without an end gets one if it is whole; else it was cut off when that run died, and
    is deleted.
    """
    file.seek(0)
    lines, size = [], 0
    for number, text in enumerate(file, 1):
        ended = text.endswith(b"\n")
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if line is None and not ended:
            file.truncate(size)
            break
        if not (isinstance(line, dict) and all(isinstance(line.get(key), kind)
                                               for key, kind in COLLECTED.items())):
            raise SystemExit(f"{file.name}, line {number}: no conversation that `collect` wrote")
        if not ended:
            file.write(b"\n")
        lines.append(line)
        size += len(text)
    return lines


# ---- 3. files of others --------------------------------------------------------------------------

# Names of the roles in files of others, and ours.
ROLES = {"system": "system", "user": "user", "human": "user", "tool": "user",
         "observation": "user", "assistant": "assistant", "gpt": "assistant"}


def read_conversations(path: str | Path, keep_wrong: bool = False,
                       format_name: str = "fence") -> list[dict[str, Any]]:
    """The right conversations of a file, or all, with messages in our layout.

    A bad line ends the program.

    Words after a turn's code block are cut, since no rollout hears them. In the last turn they
    would be the answer; and a turn without code ends a rollout. A conversation that goes on after
    either is left out and counted. One that ends without an answer is kept and counted: perhaps its
    marks are another format's.
    """
    lines, left_out, unanswered = [], 0, 0
    for number, line in read_jsonl(path):
        try:
            messages = read_messages(line, format_name)
            told = line.get("format")
            if told in list(FORMATS) and told != format_name:
                raise ValueError(f"its code and answers have the marks of --format {told}")
            if not is_finite(line.get("reward", 1.0)):
                raise ValueError(f"its reward is {line['reward']!r}, where a number is needed")
        except ValueError as error:
            raise SystemExit(f"{path}, line {number}: {error}")
        spoken = [message for message in messages if message["role"] == "assistant"]
        *earlier, last = [read_turn(message["content"], format_name) for message in spoken]
        if last.text != spoken[-1]["content"] or any(turn.code is None for turn in earlier):
            left_out += 1
            continue
        for message, turn in zip(spoken, (*earlier, last)):
            message["content"] = turn.text
        if keep_wrong or is_right(line):
            lines.append({**line, "messages": messages})
            unanswered += last.answer is None
    if unanswered:
        print(f"note: {path}: {unanswered} of {len(lines)} conversations end without an answer in "
              f"the marks of --format {format_name}, and teach to give none", file=sys.stderr)
    if left_out:
        print(f"note: {path}: {left_out} conversations are left out, since they go on after a "
              "turn without code, or their last turn after its code (or their marks are another "
              "--format's)", file=sys.stderr)
    if not lines:
        raise SystemExit(f"{path} holds no right conversation that a rollout could have had (of "
                         f"code and answer in the marks of --format {format_name})")
    return lines


def is_right(line: dict[str, Any]) -> bool:
    """Whether a conversation ended right. Of grpo.py's the reward may be another number than 1
    (--reward v2): they say it apart from that.
    """
    return line.get("right", line.get("reward", 1.0)) == 1.0


def read_messages(line: dict[str, Any], format_name: str = "fence") -> list[dict[str, str]]:
    """The messages of a line: "messages" (role, content) or ShareGPT's "conversations"."""
    marks = FORMATS[format_name]
    turns = line.get("messages", line.get("conversations"))
    if turns is None and {"question", "answer"} <= line.keys():
        raise ValueError("questions and answers are no conversations yet: ask a model of yours for "
                         "some, by `python r1ci.py eval --model DIR --questions FILE --purpose rl "
                         "--samples 4 --trajectories SAID` and `python -m tasks.teacher choose "
                         "SAID --out DATA`, or a served one, by `python -m tasks.teacher collect "
                         "--questions FILE --teacher URL#name`")
    if not isinstance(turns, list):
        raise ValueError('"messages" (a list of role and content) or "conversations" (from, value) '
                         "is needed")
    messages = []
    system = line.pop("system", None)  # a message from now on
    if system is not None:
        if not is_text(system):
            raise ValueError('"system" must be a text')
        messages.append({"role": "system", "content": system})
    for turn in turns:
        turn = turn if isinstance(turn, dict) else {}
        role = turn.get("role", turn.get("from"))
        content = turn.get("content", turn.get("value"))
        if not isinstance(role, str) or role not in ROLES or not is_text(content):
            raise ValueError('"messages" needs a list of role and content (or "conversations" one '
                             f"of from and value), and one role is {role!r} with "
                             f"{type(content).__name__} as content")
        if turn.get("tool_calls") or turn.get("function_call"):
            raise ValueError(f'a message of the {role} has "tool_calls": write its code into the '
                             "content")
        if not content.strip() and ROLES[role] == "assistant":
            raise ValueError("a turn of the assistant is empty")
        if role in ("tool", "observation"):
            content = marks.show_output(marks.read_output(content))
        messages.append({"role": ROLES[role], "content": content})
    roles = [message["role"] for message in messages]
    spoken = roles[1:] if roles[:1] == ["system"] else roles
    if not spoken or spoken != ["user", "assistant"] * (len(spoken) // 2):
        raise ValueError("user and assistant must take turns after the system, and the "
                         "assistant's turn is the last: " + ", ".join(roles))
    return messages


# ---- 4. the choice -------------------------------------------------------------------------------

def choose(lines: list[dict[str, Any]], keep: int | None, multi_turn_weight: float,
           keep_wrong: bool, seed: int) -> list[dict[str, Any]]:
    """At most `keep` right conversations a task, no two alike, drawn by weight; None: 70 a task,
    and all about one's own questions.
    """
    by_task: dict[str, dict[tuple, dict]] = {}
    for line in lines:
        wanted = keep_wrong or is_right(line)
        if wanted and (multi_turn_weight > 0 or line["form"] not in MULTI_TURN):
            said = [norm(m["content"]) for m in line["messages"] if m["role"] == "assistant"]
            question = next((m["content"] for m in line["messages"] if m["role"] == "user"), "")
            by_task.setdefault(line["task"], {}).setdefault((question, *said), line)
    chosen = []
    for task, different in by_task.items():
        rng = random.Random(f"choose/{seed}/{task}")
        pool = list(different.values())
        # Conversations with several calls or a switch are rare, and teach what the others do not.
        weights = [multi_turn_weight if line["form"] in MULTI_TURN else 1.0 for line in pool]
        most = keep or (len(pool) if task.startswith("user/") else 70)
        # Without replacement: the one that is drawn leaves the pool.
        for _ in range(min(most, len(pool))):
            drawn = rng.choices(range(len(pool)), weights)[0]
            chosen.append(pool.pop(drawn))
            weights.pop(drawn)
    return chosen


def choose_from_file(args: argparse.Namespace) -> None:
    """Read trajectories or collected conversations, write the chosen ones."""
    out = Path(args.out)
    if out.exists():
        raise SystemExit(f"--out {out} exists: choose another file")
    if not out.resolve().parent.is_dir():
        raise SystemExit(f"--out {out}: its directory does not exist")
    lines, left_out = [], 0
    for number, line in read_trajectories(args.file):
        known = {"task", "seed", "level", "reward"} <= line.keys() and len(line["messages"]) > 2
        if not (known and isinstance(line["task"], str)
                and isinstance(line.get("statuses", []), list)
                and line.get("format", "fence") in list(FORMATS)):
            raise SystemExit(f"{args.file}, line {number}: messages, task, seed, level and reward "
                             f"are needed, and as format one of {', '.join(FORMATS)}")
        # Never train on the questions of anything else. Of a user's own those that train are "rl".
        trains = "rl" if line["task"].startswith("user/") else "sft"
        if line.get("purpose", trains) != trains:
            left_out += 1
            continue
        form = line.get("form") or form_of(line)
        # Without ids: sft.py makes those of its own tokenizer.
        lines.append({**line, "form": form, "ids": [], "loss_mask": []})
    if left_out:
        print(f"note: {left_out} conversations are left out: their questions do not train")
    chosen = choose(lines, args.keep_per_task, args.multi_turn_weight, args.keep_wrong, args.seed)
    print(collection_table(lines, chosen))
    if not chosen:
        raise SystemExit(f"{args.file} holds no right conversation about questions that train "
                         "(purpose sft; of one's own, rl)")
    out.write_text("".join(json.dumps(line) + "\n" for line in chosen), encoding="utf-8")
    print(f"the chosen ones are in {out}; next: python sft.py --data {out} --model DIR (without "
          "--model a new, tiny model learns from them)")


def collection_table(lines: list[dict[str, Any]], chosen: list[dict[str, Any]]) -> str:
    """What was sampled and what was kept, per task, and the tokens spent."""
    tasks = list(dict.fromkeys(line["task"] for line in lines))
    width = max(map(len, (*tasks, "task")))
    rows = [f"{'task':{width}}  sampled  right  kept  forms"]
    for name in (*tasks, "all"):
        sampled = [line for line in lines if name in (line["task"], "all")]
        kept = [line for line in chosen if name in (line["task"], "all")]
        forms = Counter(line["form"] for line in kept or sampled).most_common()
        told = ", ".join(f"{form} {count}" for form, count in forms)
        right = sum(map(is_right, sampled))
        rows.append(f"{name:{width}}  {len(sampled):7d}  {right:5d}  {len(kept):4d}  {told}")
    prompts = sum(line.get("prompt_tokens", 0) for line in lines)
    completions = sum(line.get("completion_tokens", 0) for line in lines)
    rows.append(f"tokens spent at an endpoint: {prompts:,} of prompts, {completions:,} of "
                "completions")
    unanswered = Counter(line.get("stop_reason") for line in lines)
    for reason, meaning in (("refused", "refused by the server"), ("empty", "empty replies")):
        if unanswered[reason]:
            rows.append(f"{unanswered[reason]} conversations ended as {reason}: {meaning}")
    return "\n".join(rows)


# ---- 5. the command line -------------------------------------------------------------------------

def main() -> None:
    parser = CommandLine("Supervised data.", prog="python -m tasks.teacher")
    commands = parser.add_subparsers(dest="command", required=True, metavar="collect | choose")

    collecting = commands.add_parser("collect", help="ask a served model for conversations")
    add = collecting.add_argument
    add("--teacher", required=True, help="URL#name of a served model")
    add("--tasks", default=TINY_TASKS, help=TASKS_HELP)
    add("--level", type=int, choices=LEVELS, default=1, help="of the questions")
    add("--questions", metavar="FILE",
        help="the training part of your own in place of --tasks: JSON lines of question and answer")
    add("--per-task", type=whole(1), help="questions per task (50; of --questions all)")
    add("--per-question", type=whole(1), default=4, help="conversations about each")
    add("--wordings", choices=WORDINGS, default="all", help="of the system prompt")
    add("--out", default="runs/teacher", help="directory of collected.jsonl")
    add("--resume", action="store_true", help="go on with what --out holds")
    add("--workers", type=whole(1), default=None, help="sandbox processes; none: one a core")
    add("--allow-weak", action="store_true",
        help="run scripts even where the sandbox cannot confine them")
    add_protocol_flags(collecting, temperature=1.0)
    add_endpoint_flags(collecting)

    choosing = commands.add_parser("choose", help="keep the best of each task")
    choosing.add_argument("file", help="collected.jsonl, or the --trajectories of r1ci.py eval "
                          "--purpose sft")
    choosing.add_argument("--out", required=True, help="the file for sft.py --data")
    choosing.add_argument("--keep-per-task", type=whole(1),
                          help="at most (70; about one's own questions all)")
    choosing.add_argument("--keep-wrong", action="store_true", help="wrong ones, too")
    choosing.add_argument("--multi-turn-weight", type=real(0), default=4.0,
                          help="of forms with several calls or a switch")
    for command in (collecting, choosing):
        command.add_argument("--seed", type=int, default=0, help="of questions and draws")

    # "choose" reads a file and writes one; all that follows is for "collect".
    args = parser.parse_args()
    if args.command == "choose":
        choose_from_file(args)
        return
    endpoint = find_endpoint(args.teacher, args.concurrency, args.request_timeout)
    if not endpoint:
        parser.error(f"--teacher {args.teacher} is no URL#name; a model of ours is sampled by "
                     "`python r1ci.py eval --purpose sft --trajectories FILE`")
    log = Path(args.out) / "collected.jsonl"
    if log.exists() and not args.resume:
        parser.error(f"{log} exists: choose another --out, or --resume")
    try:
        with Sandbox(workers=args.workers, timeout=args.code_timeout,
                     allow_weak=args.allow_weak) as sandbox:
            collect(args, endpoint, sandbox)
    except SandboxError as error:
        raise SystemExit(str(error))
    except KeyboardInterrupt:  # before the first request, there is nothing to tell
        raise SystemExit(130)


if __name__ == "__main__":
    main()
