"""The benchmarks start, do the work that they say they do, and count it."""
import runpy
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

import bench_sampler
import bench_step
import r1ci
import tiny
from r1ci import Interpreter, rollout
from sft import start_world
from tasks.conversation import Protocol

BENCHMARKS = sorted(Path(__file__).parent.glob("bench_*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_every_benchmark_explains_its_flags(path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(path), run_name="__main__")
    assert stopped.value.code == 0
    assert "usage:" in capsys.readouterr().out


# ---- bench_sampler.py ----------------------------------------------------------------------------

@pytest.mark.parametrize("lengths", bench_sampler.LENGTHS)
def test_planned_rows_sample_the_planned_lengths_and_call_scripts_between(lengths):
    """`ours` checks the lengths itself; the turns are counted here."""
    work = bench_sampler.Work(rows=4, turns=3, lengths=lengths, device=torch.device("cpu"))
    protocol = Protocol(max_turn_tokens=work.budget, max_tokens=work.budget, slots=2)
    with work.planned():
        interpreter = Interpreter(tiny.model(), tiny.chat(), bench_sampler.Stub(4))
        groups = rollout(interpreter, work.questions, group_size=1, protocol=protocol, key=(0,))
    for [t], planned in zip(groups, work.lengths):
        assert t.response_len == sum(planned)
        assert t.statuses == ["ok", "ok"]
        assert [m["content"] for m in t.messages[3::2]] == [
            f"Code Execution Results:\n{bench_sampler.OUTPUT}"] * 2


def test_waiting_for_all_rows_samples_the_planned_lengths_and_ends_with_them():
    """`ours` checks the lengths; what made them wait is taken back."""
    work = bench_sampler.Work(rows=4, turns=2, lengths="uniform", device=torch.device("cpu"))
    patience = r1ci.PATIENCE
    bench_sampler.lock_step(tiny.model(), work, bench_sampler.Stub(4), slots=2)
    assert r1ci.PATIENCE == patience


def test_generate_gets_the_same_weights():
    model = tiny.model()
    theirs = bench_sampler.transformers_model(model)
    ids = torch.arange(40)[None]
    with torch.no_grad():
        assert (theirs(ids).logits - model(ids)).abs().max() < 1e-4


# ---- bench_step.py -------------------------------------------------------------------------------

def test_the_parts_of_a_step_add_up():
    args = bench_step.parse("--questions 2 --group-size 2 --calls 1 --turn-tokens 3 --max-tokens 64 "
                            "--slots 4 --steps 1 --warmup 0 --device cpu".split())
    world = start_world("cpu")
    try:
        [step] = bench_step.bench_split(args, world, tiny.sandbox())
    finally:
        dist.destroy_process_group()
    parts = [step[name] for name in ("switch", "sample", "scripts", "update")]
    assert sum(parts) == pytest.approx(step["step"])
    assert min(parts) > 0
    assert step["calls"] == 4
    assert "median" in bench_step.report_split([step], world)


def test_dictated_rows_say_what_was_planned_and_run_their_scripts():
    chat, limits = tiny.chat(), Protocol(max_turn_tokens=200, max_tokens=200)
    with bench_step.dictated(chat, calls=2, turn_tokens=3):
        interpreter = Interpreter(tiny.model(), chat, tiny.sandbox())
        [group] = rollout(interpreter, [tiny.instance()], group_size=3, protocol=limits, key=(0, 0))
    for t in group:
        said = [message["content"] for message in t.messages[2:]]
        assert t.stop_reason == "answer" and t.answer == "0"
        assert t.statuses == ["ok", "ok"]
        assert said[0].endswith("```python\nprint(0)\n```")
        assert said[1].endswith("Results:\n0") and said[3].endswith("Results:\n1")
    assert len({len(t.ids) for t in group}) > 1   # turns differ in length


def test_the_model_for_trl_learns_to_end_its_turn_behind_a_script():
    chat, question = tiny.chat(), tiny.instance()
    example = bench_step.caller_conversation(chat, question, "print(46)", "46", ["a\n", "\n"])
    ends = [mask for token, mask in zip(example.ids, example.loss_mask) if token == chat.turn_end]
    assert ends == [0, 0, 1, 0, 1]   # system, question, script, output, answer
