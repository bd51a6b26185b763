"""Run by test_runs.py under torchrun: a command of which the last rank is killed in some phase.

    torchrun --nproc_per_node 2 tests/lost_rank.py PHASE COUNT grpo.py FLAGS

It is killed where the phase begins for the COUNT-th time; 0: nobody is.
"""
import importlib
import os
import signal
import sys

import grpo
import sft

PHASES = {"rollout": (grpo, "rollout"), "update": (grpo, "update"),
          "checkpoint": (sft.RunDir, "save")}


def main() -> None:
    phase, count = sys.argv[1], int(sys.argv[2])
    owner, name = PHASES[phase]
    real, calls = getattr(owner, name), []

    def called(*args, **kwargs):
        calls.append(name)
        if len(calls) == count and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(owner, name, called)
    sys.argv = sys.argv[3:]
    importlib.import_module(sys.argv[0].removesuffix(".py")).main()


if __name__ == "__main__":
    main()
