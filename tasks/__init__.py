"""The tasks: `TASKS["suite/name"]`, each with generate, verify, program and rationale. One file a family; the rest is what all need."""
import importlib
import pkgutil

from tasks.base import LEVELS, PURPOSES, TASKS, Instance, Task, purpose_of

for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    if _module not in ("__main__", "base", "conversations", "endpoint", "protocol", "questions", "reports", "words"):
        importlib.import_module(f"tasks.{_module}")
_ordered = sorted(TASKS.items())
TASKS.clear()
TASKS.update(_ordered)

__all__ = ["LEVELS", "PURPOSES", "TASKS", "Instance", "Task", "purpose_of"]
