"""What must come to an end: a stop for endless work, so far above what any machine takes that it measures no speed; and
a count of work, for what must not grow too fast."""
import contextlib
import signal
import sys
from typing import Callable

import pytest

CPU_SECONDS = 30  # what is refused or made at once takes a hundredth of one


@contextlib.contextmanager
def must_end(what: str):
    """Fail the test, by the name of what it was doing, where the block takes more of the processor than a hang would.

    The process's own time is counted, so a busy machine stops nothing; and what is raised is no Exception, so the
    code under test cannot catch it.
    """
    def give_up(*_):
        pytest.fail(f"{what} has not ended after {CPU_SECONDS} seconds of the processor")
    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def lines_run(action: Callable[[], object]) -> int:
    """How many lines of Python an action runs: work that can be compared, the same on every machine."""
    count = 0

    def tell(_frame: object, event: str, _argument: object) -> Callable:
        nonlocal count
        count += event == "line"
        return tell

    before = sys.gettrace()
    sys.settrace(tell)
    try:
        action()
    finally:
        sys.settrace(before)
    return count
