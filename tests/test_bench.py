"""The benchmarks start, and a step of bench_step.py does and counts what it says."""
import runpy
import sys
from pathlib import Path

import pytest
import torch.distributed as dist

import bench_step
import tiny
from r1ci import rollout
from sft import start_world
from tasks.conversation import Protocol


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.glob("bench_*.py")), ids=lambda path: path.stem)
def test_every_benchmark_explains_its_flags(path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(path), run_name="__main__")
    assert stopped.value.code == 0 and "usage:" in capsys.readouterr().out


def test_the_parts_of_a_step_add_up():
    args = bench_step.parse("--questions 2 --group-size 2 --calls 1 --turn-tokens 3 --max-tokens 64 "
                            "--slots 4 --steps 1 --warmup 0 --device cpu".split())
    world = start_world("cpu")
    try:
        [step] = bench_step.bench_split(args, world, tiny.sandbox())
    finally:
        dist.destroy_process_group()
    assert step["switch"] + step["sample"] + step["scripts"] + step["update"] == pytest.approx(step["step"])
    assert step["calls"] == 4 and min(step[part] for part in ("switch", "sample", "scripts", "update")) > 0
    assert 0 <= step["padding"] < 1 and "median" in bench_step.report_split([step], world)


def test_dictated_rows_say_what_was_planned_and_run_their_scripts():
    chat, limits = tiny.chat(), Protocol(max_turn_tokens=200, max_tokens=200)
    with bench_step.dictated(chat, calls=2, turn_tokens=3):
        [group] = rollout(tiny.model(), chat, tiny.sandbox(), [tiny.instance()], 3, limits, (0, 0))
    for t in group:
        said = [m["content"] for m in t.messages[2:]]
        assert t.stop_reason == "answer" and t.answer == "0" and t.statuses == ["ok", "ok"]
        assert said[0].endswith("```python\nprint(0)\n```")
        assert said[1].endswith("Results:\n0") and said[3].endswith("Results:\n1")
    assert len({len(t.ids) for t in group}) > 1
