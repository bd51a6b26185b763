"""The command line that all programs share: how a wrong flag is refused, who may write to --out,
and the flags of a conversation.

The range of a number is said where its flag is, by a type, and nowhere else: a value that no run
can use ends the program with one sentence, before anything starts.
"""

import argparse
import fcntl
import math
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterator

from tasks.conversation import FORMATS, MODES, Protocol


@contextmanager
def quiet_pipe() -> Iterator[None]:
    """Inside of it, `| head` ends the program without a word, as it ends other programs."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still to be written at the end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1)


def hold_lock(path: Path) -> BinaryIO:
    """A file in the directory --out, open: whoever has it may write there, until it is closed."""
    out = path.parent
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = open(path, "ab+")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"another run is writing to {out}: wait for it, or choose another --out")
    except OSError as error:
        raise SystemExit(f"--out {out} cannot be written: {error.strerror}")
    return file


class HelpFormatter(argparse.HelpFormatter):
    """Tells a flag's default where there is one to tell."""

    def _expand_help(self, action: argparse.Action) -> str:
        default = action.default
        # Python 3.10 has told that of the flags below by itself, as True or False.
        told = super()._expand_help(action).removesuffix(f" (default: {default})")
        # Every flag without a value is off by default, but one that can be said both ways.
        if isinstance(action, argparse.BooleanOptionalAction):
            default = "on" if default else "off"
        if default is None or isinstance(default, bool) or default is argparse.SUPPRESS:
            return told
        if isinstance(default, list):
            default = " ".join(default)
        return f"{told} ({default})"


class CommandLine(argparse.ArgumentParser):
    """A parser that refuses in one sentence; --help alone tells all flags. A flag has one name: by
    argparse's abbreviations --steps would set --steps-per-stage.
    """

    def __init__(self, description: str | None = None, **further: Any):
        further.setdefault("formatter_class", HelpFormatter)
        super().__init__(description=description, allow_abbrev=False, **further)

    def error(self, message: str) -> None:
        self.exit(2, f"{self.prog}: error: {message} (--help tells all flags)\n")

    def parse_args(self, *what: Any, **where: Any) -> argparse.Namespace:
        """As in argparse. Also refused: a text that is empty, such as a shell's variable that is
        not set, and one with a NUL, which no path can have.
        """
        args = super().parse_args(*what, **where)
        for name, value in vars(args).items():
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str) and (not text.strip() or "\0" in text):
                    self.error(f"{name} {text!r}: a text is needed")
        return args

    def parse_after_run(self, inherited: list[str], typed: list[str],
                        run: str) -> argparse.Namespace:
        """Arguments taken over from a run, and then what is typed, which wins.

        What is typed has been parsed alone before, so an error is about what was taken over.
        """
        prog, self.prog = self.prog, f"the flags of the run in {run}"   # it begins every error
        args = self.parse_args([*inherited, *typed])
        self.prog = prog
        return args


# ---- types of numbers ----------------------------------------------------------------------------

def whole(minimum: int) -> Callable[[str], int]:
    """A whole number of at least `minimum`."""
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least {minimum}")
        if value >= 10 ** 15:
            raise argparse.ArgumentTypeError(f"{text:.20} is too large")
        return value
    return parse


def real(minimum: float, maximum: float = 1e6) -> Callable[[str], float]:
    """A number from `minimum` to `maximum`; 0 or at least 1e-12, since it may be divided by."""
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not minimum <= value <= maximum:   # nor is NaN
            raise argparse.ArgumentTypeError(f"{text} is not a number from {minimum:g} to "
                                             f"{maximum:g}")
        if 0 < value < 1e-12:
            raise argparse.ArgumentTypeError(f"{text} is too small")
        return value
    return parse


# ---- flags of a conversation ---------------------------------------------------------------------

def add_protocol_flags(parser: argparse.ArgumentParser, temperature: float,
                       modes: tuple[str, ...] = MODES) -> None:
    """A flag for every field of Protocol, and how long a script may run."""
    add = parser.add_argument_group("conversation").add_argument
    add("--mode", choices=modes,
        help="system prompt: ci lets the model choose words or code, text forbids code, code asks "
             "for it first, guided says when to use which")
    add("--format", choices=tuple(FORMATS),
        help="marks of code and answer: ```python and <<< >>>, <code> and <answer>, or \\boxed{}")
    add("--temperature", type=real(0), help="of sampling; 0: greedy")
    add("--max-turn-tokens", type=whole(1), help="per turn")
    add("--max-tokens", type=whole(1),
        help="per conversation after the prompt, script output included")
    add("--max-calls", type=whole(0), help="code calls at most")
    add("--tool-chars", type=whole(1),
        help="characters of a script's output and error that the model reads")
    add("--slots", type=whole(1), help="rows that decode together")
    add("--code-timeout", type=real(0.1, 86400), default=5.0, help="seconds a script may run")
    # The other defaults are Protocol's own.
    parser.set_defaults(**vars(Protocol(temperature=temperature)))


def protocol_of(args: argparse.Namespace) -> Protocol:
    """How the flags tell a conversation to be held."""
    return Protocol(**{key: getattr(args, key) for key in Protocol.__dataclass_fields__})
