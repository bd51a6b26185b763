"""A conversation as text and as data: its rules, prompts, code blocks, answers, and what was said."""
import argparse
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from sandbox import Result
from tasks.base import Instance

MODES = ("ci", "text", "code", "guided")

_ANSWER = "End with your final answer alone between <<< and >>>."
SYSTEM_PROMPTS = {  # by mode, in several wordings: supervised data uses all of them, rollouts the first
    "ci": (
        "Solve the problem step by step. You may think in words, and at any point you may write one Python "
        "script in a block that opens with ```python and closes with ```. It is run at once and what it "
        "prints comes back to you as code execution results, so print what you need. Use code where "
        "computing or searching helps, several times if necessary, and check doubtful results. " + _ANSWER,
        "Reason carefully. Python helps with calculation, search and simulation: write a complete script in "
        "a ```python block, print its result, close the block with ```, and you will be shown its output "
        "before you go on. Plain words are enough where code does not help. " + _ANSWER,
        "You can mix reasoning in words with Python code that is really executed. A script goes into a "
        "```python block closed by ```; after it you receive its printed output or its error, and may "
        "correct it. " + _ANSWER,
    ),
    "text": (
        "Solve the problem step by step in words alone, without writing any code. " + _ANSWER,
        "Reason in plain text; no program will be run for you. " + _ANSWER,
    ),
    "code": (
        "Solve the problem by writing Python. First put a complete script that prints the result into a "
        "block that opens with ```python and closes with ```; you are then shown its output. " + _ANSWER,
        "Write code first: one ```python block, closed by ```, that computes and prints the answer; its "
        "output comes back to you. " + _ANSWER,
    ),
    "guided": (
        "Solve the problem step by step. Before anything else decide what suits it: exact calculation, long "
        "enumeration, search, sorting and string work call for Python in a ```python block closed by ```, "
        "whose printed output comes back to you; common sense, word meaning and short deductions call for "
        "words. If words lead to doubt, switch to code; if code fails twice, think again in words. "
        + _ANSWER,
    ),
}
TOOL_PREFIX = "Code Execution Results:\n"
ANSWER = re.compile(r"<<<(.*?)>>>(?!>)", re.DOTALL)


def find_code(text: str) -> tuple[str, int] | None:
    """The first closed Python block: its source and the offset just behind its closing fence."""
    offset, opened, python = 0, None, False
    for line in text.split("\n"):
        if line.startswith("```"):
            if opened is None:
                opened = offset + len(line) + 1
                python = line[3:].strip().lower() in ("python", "python3", "py")
            elif python:
                return text[opened:offset], offset + 3
            else:
                opened = None  # some other block is over
        offset += len(line) + 1
    return None


def extract_code(text: str) -> str | None:
    found = find_code(text)
    return found and found[0]


def extract_answer(text: str) -> str | None:
    """The last <<<answer>>> outside of fenced blocks; it may span lines and end in ">"."""
    outside, fenced = [], False
    for line in text.split("\n"):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            outside.append(line)
    text = "\n".join(outside)
    # Nothing behind the last ">>>": there every "<<<" would scan to the end.
    found = ANSWER.findall(text[:text.rfind(">>>") + 3] if ">>>" in text else "")
    return found[-1].strip() if found else None


def tool_text(result: Result, limit: int) -> str:
    """What the model reads of a run: output, then the error if there was one, `limit` characters in all."""
    note = {"timeout": "The time limit was exceeded.", "error": result.stderr.strip(),
            "signal": f"The process died of signal {-result.exit_code}."}.get(result.status, "")
    note = note[-limit // 2:]  # an error's last lines say most
    output = result.stdout.rstrip("\n")
    room = limit - len(note)
    if len(output) > room:
        left_out = f"\n[{len(output) - room} characters left out]\n"
        output = output[:room // 2] + left_out + output[len(output) - room // 2:]
    return "\n".join(part for part in (output, note) if part) or "(no output)"


def cut_template(tokenizer: Any) -> dict[tuple[str | None, str], str]:
    """What the tokenizer's template writes between two messages, by their roles (None: before the first).

    Every turn of the model opens as the generation prompt does, earlier ones too: what it once read stays.
    """
    def gaps(*roles: str) -> list[str] | None:
        marks = [f"@@{i}@@" for i in range(len(roles))]
        messages = [{"role": role, "content": mark} for role, mark in zip(roles, marks)]
        try:
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception:  # a template raises what it likes, for a role that it does not know
            return None
        return re.split("@@[0-9]@@", text) if re.findall("@@[0-9]@@", text) == marks else None

    talk = ("user", "assistant") * 2 + ("user",)
    first, plain, system = gaps("user"), gaps(*talk), gaps("system", *talk)
    # Cutting is sound if pieces are the same in every turn, and the generation prompt begins as a turn does.
    if not (first and plain and first == [plain[0], plain[-1]] and plain[1:3] == plain[3:5]
            and plain[-1].startswith(plain[1]) and (not system or system[2:] == plain[1:])):
        raise SystemExit(f"the tokenizer {tokenizer.name_or_path} has no chat template that can be cut into "
                         "pieces between messages, the same in every turn")
    opening = system[:2] if system else [plain[0], "\n\n"]  # no such role: its text opens the first question
    return {(None, "system"): opening[0], ("system", "user"): opening[1], (None, "user"): plain[0],
            ("user", "assistant"): plain[-1], ("assistant", "user"): plain[2]}


@dataclass(frozen=True)
class Protocol:
    """How a conversation is held; the same in training and evaluation, temperature aside."""
    mode: str = "ci"
    temperature: float = 1.0
    max_turn_tokens: int = 128
    max_tokens: int = 384      # of everything behind the prompt, the environment's words included
    max_calls: int = 8
    tool_chars: int = 400      # of a script's output and error that the model gets to read
    slots: int = 96


def add_protocol_flags(parser: argparse.ArgumentParser, temperature: float,
                       modes: tuple[str, ...] = MODES) -> None:
    base, group = Protocol(), parser.add_argument_group("conversation")
    group.add_argument("--mode", choices=modes, default=base.mode, help="system prompt")
    group.add_argument("--temperature", type=float, default=temperature, help="of sampling; 0: greedy")
    group.add_argument("--max-turn-tokens", type=int, default=base.max_turn_tokens, help="per turn")
    group.add_argument("--max-tokens", type=int, default=base.max_tokens,
                       help="per conversation behind the prompt, script output included")
    group.add_argument("--max-calls", type=int, default=base.max_calls, help="code calls")
    group.add_argument("--tool-chars", type=int, default=base.tool_chars,
                       help="characters of a script's output and error shown")
    group.add_argument("--slots", type=int, default=base.slots, help="rows that decode together")
    group.add_argument("--code-timeout", type=float, default=5.0, help="seconds a script may run")


def protocol_of(args: argparse.Namespace, **changes: Any) -> Protocol:
    values = {key: getattr(args, key) for key in Protocol.__dataclass_fields__}
    return Protocol(**{**values, **changes})


@dataclass
class Trajectory:
    """One conversation. loss_mask is 1 and logps are the sampler's where the model chose the token."""
    instance: Instance
    sample: int
    messages: list[dict[str, str]]
    ids: list[int]
    loss_mask: list[int]
    logps: list[float]
    prompt_len: int
    stop_reason: str = ""      # answer | eos | calls | budget | tool_failure
    answer: str | None = None
    reward: float = 0.0
    statuses: list[str] = field(default_factory=list)  # of its code calls
    prompt_tokens: int = 0     # that an endpoint charged for; it tells no ids
    completion_tokens: int = 0

    def append(self, ids: list[int], sampled: bool, logps: list[float] | None = None) -> None:
        self.ids += ids
        self.loss_mask += [int(sampled)] * len(ids)
        self.logps += logps if logps else [0.0] * len(ids)

    @property
    def calls(self) -> int:
        return len(self.statuses)

    @property
    def response_len(self) -> int:
        """Tokens that the model sampled."""
        return self.completion_tokens or sum(self.loss_mask)

    def to_json(self) -> dict[str, Any]:
        instance = self.instance
        return dict(messages=self.messages, task=instance.task, seed=instance.seed, level=instance.level,
                    purpose=instance.purpose, sample=self.sample, reward=self.reward,
                    stop_reason=self.stop_reason, calls=self.calls, ids=self.ids, loss_mask=self.loss_mask)


def keyed_bytes(*key: Any) -> bytes:
    """32 bytes that depend on the key alone: not on rank, row, slot, process or hash seed."""
    return hashlib.sha256("/".join(map(str, key)).encode()).digest()
