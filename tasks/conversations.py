"""Conversations as data: the forms that a program gives, the layouts of files, and the choice among many.

A conversation is a JSON line: "messages" (role, content), task, level, seed, reward, stop_reason, calls, and here also
mode (kind of system prompt), form, source.
"""
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

from tasks.base import TASKS, Instance, norm
from tasks.questions import read_jsonl

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


def frequent_phrases(texts: list[str], count: int, share: float = 0.01) -> list[str]:
    """The word sequences that save most tokens if each becomes one, chosen one after another."""
    texts, phrases = list(texts), []
    for _ in range(count):
        saved: Counter = Counter()
        for text in set(texts):
            words = re.findall(r"\s?[^\s\0\d\"]+", text)
            for i in range(len(words)):
                for j in range(i + 1, min(i + 12, len(words)) + 1):
                    phrase = "".join(words[i:j])
                    if phrase not in text:
                        break
                    saved[phrase] += 1
        frequent = {p: n * (len(p) - 1) for p, n in saved.items() if n >= share * len(texts) and len(p) > 3}
        if not frequent:
            break
        best = max(sorted(frequent), key=frequent.get)
        phrases.append(best)
        texts = [text.replace(best, "\0") for text in texts]
    return phrases


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
