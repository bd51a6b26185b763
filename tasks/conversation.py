"""A conversation as text and as data: its formats, its prompts, what ends a turn, and what was
said.

Everything here is text. The same conversation as token ids is made by `Chat` in r1ci.py.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sandbox import Result
from tasks.base import Instance


# ---- formats: the marks around code, output and answer -------------------------------------------


@dataclass(frozen=True)
class Format:
    """The marks of one answer format, from which prompts and the end of a turn follow.

    To add one: its marks in FORMATS, a word in the help of --format.
    """

    answer_open: str
    answer_close: str
    answer_place: str  # where the prompt tells the model to put its answer
    # The paper's own: code in a Markdown fence.
    code_open: str = "```python"
    code_close: str = "```"
    output_open: str = "Code Execution Results:\n"
    output_close: str = ""

    def show_code(self, script: str) -> str:
        """A script as the model writes it."""
        return f"{self.code_open}\n{script.rstrip()}\n{self.code_close}"

    def show_output(self, text: str) -> str:
        """What a script printed, as the user's turn that tells the model."""
        return f"{self.output_open}{text}{self.output_close}"

    def show_answer(self, answer: str) -> str:
        return f"{self.answer_open}{answer}{self.answer_close}"

    def read_output(self, content: str) -> str:
        """What a script printed, out of the turn that told it."""
        return content.removeprefix(self.output_open).removesuffix(self.output_close)

    @property
    def marks(self) -> list[str]:
        """All of them; the tiny tokenizer gives each a token of its own."""
        marks = [
            self.output_open,
            self.output_close,
            f"{self.code_open}\n",
            self.code_close,
            self.answer_open,
            self.answer_close,
        ]
        return [mark for mark in marks if mark]


FORMATS = {
    # The paper's own: a Markdown fence (the default), and an answer between angle brackets.
    "fence": Format(
        answer_open="<<<",
        answer_close=">>>",
        answer_place="between <<< and >>>",
    ),
    # XML-like tags for all three.
    "tags": Format(
        code_open="<code>",
        code_close="</code>",
        output_open="<output>\n",
        output_close="\n</output>",
        answer_open="<answer>",
        answer_close="</answer>",
        answer_place="between <answer> and </answer>",
    ),
    # Code as in "fence"; the answer as in mathematical texts.
    "boxed": Format(
        answer_open="\\boxed{",
        answer_close="}",
        answer_place="in \\boxed{}",
    ),
}


# ---- prompts -------------------------------------------------------------------------------------

MODES = ("ci", "text", "code", "guided")

# By mode, most in several wordings: rollouts use the first, supervised data all ("guided" is in
# none of it; "switch" only where served models write it: PROMPT_SHARES in teacher.py). {open},
# {close} and {answer} come from the format.
PROMPTS = {
    "ci": (
        "Solve the problem step by step. You may think in words, and at any point you may write"
        " one Python script in a block that opens with {open} and closes with {close}. It is "
        "run at once and what it prints comes back to you as code execution results, so print "
        "what you need. Use code where computing or searching helps, several times if "
        "necessary, and check doubtful results. {answer}",
        "Reason carefully. Python helps with calculation, search and simulation: write a "
        "complete script in a {open} block, print its result, close the block with {close}, and"
        " you will be shown its output before you go on. Plain words are enough where code does"
        " not help. {answer}",
        "You can mix reasoning in words with Python code that is really executed. A script goes"
        " into a {open} block closed by {close}; after it you receive its printed output or its"
        " error, and may correct it. {answer}",
    ),
    "text": (
        "Solve the problem step by step in words alone, without writing any code. {answer}",
        "Reason in plain text; no program will be run for you. {answer}",
    ),
    "code": (
        "Solve the problem by writing Python. First put a complete script that prints the "
        "result into a block that opens with {open} and closes with {close}; you are then shown"
        " its output. {answer}",
        "Write code first: one {open} block, closed by {close}, that computes and prints the "
        "answer; its output comes back to you. {answer}",
    ),
    "guided": (
        "Solve the problem step by step. Before anything else decide what suits it: exact "
        "calculation, long enumeration, search, sorting and string work call for Python in a "
        "{open} block closed by {close}, whose printed output comes back to you; common sense, "
        "word meaning and short deductions call for words. If words lead to doubt, switch to "
        "code; if code fails twice, think again in words. {answer}",
    ),
    "switch": (
        "First reason in words alone until you have an answer. Then, in the same reply, switch "
        "to code: a {open} block closed by {close} checks it and prints what it finds; its "
        "output comes back to you. If the two differ, find out why. {answer}",
        "Think in plain words first and say what you expect. Then test that with Python in a "
        "{open} block closed by {close}, and you are shown what it prints. {answer}",
    ),
}


def system_prompts(mode: str, format_name: str = "fence") -> tuple[str, ...]:
    """The system prompts of a mode, with the marks of a format."""
    marks = FORMATS[format_name]
    answer = f"End with your final answer alone {marks.answer_place}."
    return tuple(
        text.format(open=marks.code_open, close=marks.code_close, answer=answer)
        for text in PROMPTS[mode]
    )


# ---- what ends a turn ----------------------------------------------------------------------------


class Turn(NamedTuple):
    """One turn of the model: its text, and the script or the answer that it ends with."""

    text: str
    code: str | None
    answer: str | None


def read_turn(text: str, format_name: str = "fence") -> Turn:
    """The one rule for what ends a turn: the first closed block of Python, or else the text's end.

    In a fence only ```python, ```python3 and ```py are Python: any other block is text.

    Words after a code block are cut off: no rollout hears them. An answer beside code does not
    count, since the model has not yet seen what its code prints.
    """
    block = find_block(text, FORMATS[format_name])
    if block:
        return Turn(text[: block.end], block.code, None)
    return Turn(text, None, extract_answer(text, format_name))


class Block(NamedTuple):
    """A code block, and where in the text it starts and ends. Here, as a Markdown fence:

        ```python title=x     starts at the line's beginning
        print(1)              its code
        ```                   ends after the last tick
    """

    language: str
    code: str | None  # None: nothing closes it, and it goes on to the end of the text
    start: int
    end: int


def find_block(text: str, marks: Format) -> Block | None:
    """The first closed block of Python code."""
    if marks.code_close != "```":  # no Markdown fence: the marks may stand anywhere in a line
        opened = text.find(marks.code_open)
        closed = text.find(marks.code_close, opened)
        if opened < 0 or closed < 0:
            return None
        script = text[opened + len(marks.code_open) : closed].removeprefix("\n")
        return Block("python", script, opened, closed + len(marks.code_close))
    for fenced in find_fences(text):
        if fenced.code is not None and fenced.language in ("python", "python3", "py"):
            return fenced
    return None


# Up to three blanks, three ticks or more, a language.
FENCE = re.compile(r" {0,3}(`{3,}) *([^\s`]*)")


def find_fences(text: str) -> list[Block]:
    """All Markdown fences, in order, closed or not."""
    fences, offset = [], 0
    ticks, language, start, inside = "", "", 0, 0  # of the open fence; no ticks: none is open
    for line in text.split("\n"):
        mark = FENCE.match(line)
        if mark and not ticks:
            ticks, language = mark[1], mark[2].lower()
            start, inside = offset, offset + len(line) + 1
        # Any line with enough ticks closes, whatever follows them: a rollout stops at the ticks.
        elif mark and len(mark[1]) >= len(ticks):
            end = offset + mark.start(1) + len(ticks)
            fences.append(Block(language, text[inside:offset], start, end))
            ticks = ""
        offset += len(line) + 1
    if ticks:
        fences.append(Block(language, None, start, len(text)))
    return fences


def extract_answer(text: str, format_name: str = "fence") -> str | None:
    """What the last answer marks hold, read from the end of the text; None without any."""
    # Marks inside a Markdown fence do not count: "```text\n<<<42>>>\n```" -> None. So look for them
    # in a copy with blanks for everything fenced, where all offsets are those of the text.
    parts, end = [], 0
    for fenced in find_fences(text):
        parts += [text[end : fenced.start], " " * (fenced.end - fenced.start)]
        end = fenced.end
    visible = "".join(parts) + text[end:]
    if format_name == "boxed":
        return boxed_answer(text, visible)
    return marked_answer(text, visible, FORMATS[format_name])


def marked_answer(text: str, visible: str, marks: Format) -> str | None:
    r"""What stands between the last closing mark and the nearest opening one before it:

        "not <<<41>>>, but <<<42>>>" -> "42"
        "between <<< and\n<<<42>>>"  -> "42"
        "<<<}>>>])>>>"               -> "}>>>])", for brackets are an answer, too
        "<<<<(>>>"                   -> "<(", for the first three are the mark
        "<<<<42>>>>"                 -> "42", for round plain words there are just too many
    """
    end = visible.rfind(marks.answer_close)
    start = visible.rfind(marks.answer_open, 0, max(end, 0))
    if start < 0:
        return None
    # Of a run of "<" the first three are the mark.
    while start > 0 and visible.startswith(marks.answer_open, start - 1):
        start -= 1
    # From the text: a fence between the marks is an answer, "<<<\n```\n1 2\n```\n>>>" -> the fence.
    answer = text[start + len(marks.answer_open) : end].strip()
    # But a model that writes too many of these brackets round plain words means the words; of
    # "<<<<42>>>>" there is "<42>" so far.
    framed = marks.answer_close == ">>>" and re.fullmatch(r"<+([^<>()\[\]{}]+)>+", answer)
    return framed[1].strip() if framed else answer


def boxed_answer(text: str, visible: str) -> str | None:
    r"""What the last \boxed holds, inner brackets in pairs: "\boxed{{1, 2}}" -> "{1, 2}"."""
    start = visible.rfind("\\boxed{")
    if start < 0:
        return None
    start += len("\\boxed{")
    depth = 1
    for offset in range(start, len(text)):
        if text[offset] == "{":
            depth += 1
        elif text[offset] == "}":
            depth -= 1
        if depth == 0:
            return text[start:offset].strip()
    return None


# ---- what the model reads of a run ---------------------------------------------------------------


def tool_text(result: Result, limit: int) -> str:
    """What the model reads of a run: output, then the error, about `limit` characters in all."""
    output = (result.stdout + result.stdout_end).rstrip("\n")
    if result.status == "timeout":
        note = "The time limit was exceeded."
    elif result.status == "signal":
        note = f"The process died of signal {-result.exit_code}."
    elif result.status == "error" or not output:
        note = result.stderr.strip()
    else:
        note = ""
    note = note[-limit // 2 :]  # an error's last lines say most
    room = limit - len(note)
    if result.stdout_end or len(output) > room:
        # Of a very long output the sandbox has kept the two ends alone.
        end = (result.stdout_end or output).rstrip("\n")
        head, tail = result.stdout[: room // 2], end[max(0, len(end) - room // 2) :]
        left_out = result.left_out + len(output) - len(head) - len(tail)
        output = f"{head}\n[{left_out} characters left out]\n{tail}"
    return "\n".join(part for part in (output, note) if part) or "(no output)"


# ---- the chat template, cut into pieces ----------------------------------------------------------


def cut_template(tokenizer: Any) -> dict[tuple[str | None, str], str]:
    r"""What the tokenizer's template writes between two messages, by their roles (None: before the
    first).

    For ChatML, whose template writes <|im_start|>ROLE\nCONTENT<|im_end|>\n for every message:

        (None, "system")         "<|im_start|>system\n"
        ("system", "user")       "<|im_end|>\n<|im_start|>user\n"
        (None, "user")           "<|im_start|>user\n"
        ("user", "assistant")    "<|im_end|>\n<|im_start|>assistant\n"
        ("assistant", "user")    "<|im_end|>\n<|im_start|>user\n"

    A conversation of sentinels is rendered and cut at them. A template may open the turn that is to
    be generated otherwise than those before it ("<|im_start|>assistant\n<think>\n"): here all of
    the model's turns are opened like that one, so that earlier tokens never change.
    """

    def gaps(*roles: str) -> list[str] | None:
        sentinels = [f"@@{i}@@" for i in range(len(roles))]
        messages = [{"role": role, "content": sentinel} for role, sentinel in zip(roles, sentinels)]
        try:
            text = tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        except Exception:  # a template raises what it likes, for a role that it does not know
            return None
        if re.findall("@@[0-9]@@", text) != sentinels:
            return None
        return re.split("@@[0-9]@@", text)

    talk = ("user", "assistant", "user", "assistant", "user")
    first, plain, system = gaps("user"), gaps(*talk), gaps("system", *talk)
    # By number, with what they are in ChatML:
    #
    #     plain   system
    #       -       0       before the system                   <|im_start|>system
    #       -       1       system to user                      <|im_end|> <|im_start|>user
    #       0       -       before the user                     <|im_start|>user
    #      1, 3    2, 4     user to assistant                   <|im_end|> <|im_start|>assistant
    #      2, 4    3, 5     assistant to user                   <|im_end|> <|im_start|>user
    #       5       6       user to what the model continues    <|im_end|> <|im_start|>assistant
    sound = first is not None and plain is not None and all([
        # A conversation of one question opens and closes as a long one.
        first == [plain[0], plain[-1]],
        # The pieces are the same in every turn.
        plain[1:3] == plain[3:5],
        # What the model continues opens as its turns do; it may go on, with <think> for example.
        plain[-1].startswith(plain[1]),
        # And so after a system prompt.
        not system or system[2:] == plain[1:],
    ])
    if not sound:
        raise SystemExit(
            f"the tokenizer {tokenizer.name_or_path} has no chat template that can be cut into "
            "pieces between messages, the same in every turn: take the instruct model of its "
            "family, or put that one's chat_template.jinja into a copy of the directory"
        )
    # Before a turn of the model: always the last piece, which opens the one to be generated.
    before_user, to_user, to_model = plain[0], plain[2], plain[5]
    # Without a role "system" its text opens the first question.
    before_system, after_system = system[:2] if system else (before_user, "\n\n")
    return {
        (None, "system"): before_system,
        ("system", "user"): after_system,
        (None, "user"): before_user,
        ("user", "assistant"): to_model,
        ("assistant", "user"): to_user,
    }


# ---- limits, and what was said -------------------------------------------------------------------


@dataclass(frozen=True)
class Protocol:
    """How a conversation is held; in evaluation as in training, but for temperature (and mode)."""

    mode: str = "ci"
    format: str = "fence"  # of a served model; `rollout` in r1ci.py goes by its Chat's
    temperature: float = 1.0
    max_turn_tokens: int = 128
    max_tokens: int = 384  # of everything after the prompt, the environment's words included
    max_calls: int = 8
    tool_chars: int = 400  # of a script's output and error that the model gets to read
    slots: int = 96  # rows that decode together

    @property
    def allowed_calls(self) -> int:
        """In mode "text" code is not run: a code block ends the conversation."""
        return 0 if self.mode == "text" else self.max_calls


@dataclass
class Trajectory:
    """One conversation, as messages and as tokens.

    ids, loss_mask and logps have one entry a token: where the model chose the token, the mask is 1
    and the log-probability the sampler's; elsewhere, in prompts and outputs, both are 0.
    """

    instance: Instance
    number: int  # its place in its group
    messages: list[dict[str, str]]
    prompt_len: int = 0  # tokens of the prompt
    format: str = "fence"
    ids: list[int] = field(default_factory=list)
    loss_mask: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)  # of its code calls
    # answer | eos: its end, without an answer | calls: one too many | budget | tool_failure: ours;
    # and of a served model also refused | empty
    stop_reason: str = ""
    refusal: str = ""  # what a server said that refused it
    answer: str | None = None
    right: float = 0.0  # the verdict: 1.0 if the answer is right, else 0.0
    prompt_tokens: int = 0  # what a served model charged; it tells no ids
    completion_tokens: int = 0

    def append(self, ids: list[int], sampled: bool, logps: list[float] | None = None) -> None:
        self.ids += ids
        self.loss_mask += [int(sampled)] * len(ids)
        self.logps += logps or [0.0] * len(ids)

    @property
    def turns(self) -> list[Turn]:
        """The model's turns."""
        return [
            read_turn(message["content"], self.format)
            for message in self.messages
            if message["role"] == "assistant"
        ]

    @property
    def calls(self) -> int:
        return len(self.statuses)

    @property
    def response_len(self) -> int:
        """Tokens that the model sampled."""
        return self.completion_tokens or sum(self.loss_mask)

    def to_json(self) -> dict[str, Any]:
        question = self.instance
        return dict(
            messages=self.messages,
            task=question.task,
            seed=question.seed,
            level=question.level,
            purpose=question.purpose,
            sample=self.number,
            right=self.right,
            reward=self.right,  # grpo.py puts its own there
            format=self.format,
            stop_reason=self.stop_reason,
            calls=self.calls,
            statuses=self.statuses,
            ids=self.ids,
            loss_mask=self.loss_mask,
        )


def keyed_bytes(*key: Any) -> bytes:
    """32 bytes that depend on the key alone: not on rank, row, slot, process or hash seed."""
    return hashlib.sha256("/".join(map(str, key)).encode()).digest()
