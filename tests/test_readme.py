"""What the README says of the code is true: flags, tasks, metric names."""
import re
from pathlib import Path

import pytest

import grpo
from tasks import TASKS
from test_scripts import inside

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_family_table_counts_the_registered_tasks():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \|", README, re.MULTILINE)
    for family, count, train, test in rows:
        its = [task for task in TASKS.values() if task.family == family]
        assert (len(its), sum(t.split == "train" for t in its), sum(t.split == "test" for t in its)) == \
            (int(count), int(train), int(test)), family
    assert {row[0] for row in rows} == {task.family for task in TASKS.values()}


@pytest.mark.parametrize("script", ["sft.py", "grpo.py", "r1ci.py ask", "r1ci.py eval", "r1ci.py show", "r1ci.py page"])
def test_every_flag_of_the_readmes_commands_exists(script):
    commands = [" ".join(match.split("#")[0].replace("\\\n", " ").split())
                for match in re.findall(rf"^.*{re.escape(script)} (?:.*\\\n)*.*$", README, re.MULTILINE)]
    used = {flag for command in commands for flag in re.findall(r"(?<!\S)--[\w-]+", command.split(script, 1)[1])}
    known = inside(*script.split(), "--help")
    assert used <= set(re.findall(r"--[\w-]+", known)), used


def test_every_metric_is_explained():
    for name in grpo.ANSWER_METRICS:
        assert f"`{name}`" in README, name
    source = (ROOT / "grpo.py").read_text(encoding="utf-8")
    for name in re.findall(r"(?:dict\(|, |\s)(\w+)=", source[source.index("metrics = dict(step"):source.index("# 7. Val")]):
        if name not in ("step", "sampled", "metrics"):
            assert f"`{name}`" in README, name
