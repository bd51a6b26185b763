"""The tasks: `TASKS["suite/name"]`, each with generate, verify, program and rationale."""

import importlib
import pkgutil

from tasks import families
from tasks.base import LEVELS, PURPOSES, TASKS, Instance, Task, purpose_of

# Importing a family registers its tasks. Sorted afterwards, so that no file's name decides their
# order.
for _module in pkgutil.iter_modules(families.__path__):
    importlib.import_module(f"tasks.families.{_module.name}")
_ordered = sorted(TASKS.items())
TASKS.clear()
TASKS.update(_ordered)

__all__ = ["LEVELS", "PURPOSES", "TASKS", "Instance", "Task", "purpose_of"]
