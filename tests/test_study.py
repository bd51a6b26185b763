"""The studies of the findings, with made-up results and commands that train nothing."""
import json
import math
import re
import sys

import pytest

import study
from test_scripts import inside

FAKE = """
import json, os, sys
out = sys.argv[sys.argv.index("--out") + 1]
os.makedirs(out, exist_ok=True)
open(out + "/calls", "a").write(sys.argv[-1] + "\\n")
open(out + "/eval.json", "w").write(json.dumps({"questions": {"a@1/0": 1.0}}))
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Commands that note how they were called, in place of training."""
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setattr(study, "ROOT", tmp_path)
    monkeypatch.setattr(study, "ARMS", {"base": "fake.py", "one": "fake.py --model {base}", "two": "fake.py --model {base}"})
    return study.Study("", {"two - one": ("two", "one")}, lambda rows: True)


def write(out, arm, seed, questions, before=None):
    (out / f"{arm}-{seed}").mkdir(parents=True, exist_ok=True)
    (out / f"{arm}-{seed}" / "eval.json").write_text(json.dumps({"questions": questions, "before": {"questions": before}}))


def test_every_finding_has_its_study():
    *findings, formats, variants = study.STUDIES
    assert [study.STUDIES[name].says[:2] for name in findings] == [f"{i}." for i in range(1, 8)]
    assert (formats, variants) == ("formats", "variants")  # no findings of the paper
    for its in study.STUDIES.values():
        assert set(study.arms_of(its)) <= set(study.ARMS)


@pytest.mark.parametrize("script", ["sft.py", "grpo.py"])
def test_every_flag_of_the_arms_exists(script):
    known = set(re.findall(r"--[\w-]+", inside(script, "--help")))
    used = {flag for text in study.ARMS.values() if text.startswith(script) for flag in re.findall(r"(?<!\S)--[\w-]+", text)}
    assert used <= known, used - known


def test_an_arm_stands_behind_the_arms_it_reads():
    for its in study.STUDIES.values():
        ordered = study.arms_of(its)
        for arm in ordered:
            for needed in study.fields(study.ARMS[arm]):
                assert ordered.index(needed) < ordered.index(arm)


def test_differences_are_paired_over_questions(tmp_path):
    """By hand: seed 0 differs by 1, 0, 0, -1; seed 1 by 1, 1, 0, 0; the means over seeds are 1, .5, 0, -.5."""
    write(tmp_path, "a", 0, {"x": 1, "y": 1, "z": 0, "w": 0, "only a": 1})
    write(tmp_path, "b", 0, {"x": 0, "y": 1, "z": 0, "w": 1})
    write(tmp_path, "a", 1, {"x": 1, "y": 1, "z": 1, "w": 1, "only a": 1})
    write(tmp_path, "b", 1, {"w": 1, "z": 1, "y": 0, "x": 0})
    row = study.difference(tmp_path, "a - b", "a", "b", [0, 1])
    assert row["n"] == 4 and row["seeds"] == [0, 50] and row["mean"] == 25
    variance = (0.75 ** 2 + 0.25 ** 2 + 0.25 ** 2 + 0.75 ** 2) / 3
    assert row["stderr"] == pytest.approx(100 * math.sqrt(variance / 4))
    assert row["stderr_seeds"] == pytest.approx(math.sqrt(2 * 25 ** 2 / 2))


def test_a_side_may_be_the_model_before_or_several_arms(tmp_path):
    write(tmp_path, "a", 0, {"x": 1.0}, before={"x": 0.25})
    write(tmp_path, "b", 0, {"y": 0.5}, before={"y": 0.0})
    assert study.answers(tmp_path, "a+b", 0) == {"x": 1.0, "y": 0.5}
    assert study.answers(tmp_path, "a:before+b:before", 0) == {"x": 0.25, "y": 0.0}
    write(tmp_path, "c", 0, {"other": 1.0})
    with pytest.raises(SystemExit, match="not answered the same questions"):
        study.difference(tmp_path, "a - c", "a", "c", [0])


def test_steps_until_a_goal():
    assert study.steps_until([(5, 0.2), (10, 0.4), (15, 0.3), (20, 0.5)], 0.4) == 10
    assert study.steps_until([(5, 0.2)], 0.4) == math.inf


def test_a_finished_arm_is_not_run_again_and_a_killed_one_goes_on(fake, tmp_path):
    out = tmp_path / "out"
    out.mkdir()

    def calls(arm):
        return (out / arm / "calls").read_text().split()

    study.run_study(fake, [0, 1], out, jobs=2)
    study.run_study(fake, [0, 1], out, jobs=2)
    assert all(calls(f"{arm}-{seed}") == ["--overwrite"] for arm in ("base", "one", "two") for seed in (0, 1))
    (out / "one-0" / "eval.json").unlink()                      # killed before its first checkpoint
    (out / "two-1" / "eval.json").unlink()                      # killed after one
    (out / "two-1" / "checkpoints" / "step-000005").mkdir(parents=True)
    study.run_study(fake, [0, 1], out, jobs=1)
    assert calls("one-0") == ["--overwrite", "--overwrite"] and calls("two-1") == ["--overwrite", "--resume"]
    assert calls("base-0") == ["--overwrite"]


def test_results_of_another_command_are_refused(fake, tmp_path, monkeypatch):
    study.run_study(fake, [0], tmp_path, jobs=1)
    monkeypatch.setitem(study.ARMS, "one", "fake.py --lr 1")
    with pytest.raises(SystemExit, match="made by another command"):
        study.run_study(fake, [0], tmp_path, jobs=1)


def test_a_quick_study_starts_from_a_finished_run(fake, tmp_path, monkeypatch):
    """The arm that is given is linked and not run, nor what it would have needed; all others get the preset."""
    monkeypatch.setattr(study, "ARMS", {"base": "fake.py", "sft": "fake.py --model {base}", "one": "fake.py --model {sft}",
                                        "two": "fake.py --model {sft}"})
    out, start = tmp_path / "out", tmp_path / "start"
    study.adapt("quick", ["sft"])
    with pytest.raises(SystemExit, match="holds no model"):
        study.link({"sft": start}, out, [0])
    start.mkdir()
    (start / "config.json").write_text("{}")
    (start / "eval.json").write_text(json.dumps({"questions": {"a@1/0": 0.0}}))
    study.link({"sft": start}, out, [0])
    study.run_study(fake, [0], out, jobs=2)
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"sft-0", "one-0", "two-0"}
    words = json.loads((out / "one-0.json").read_text())["command"]
    assert words[:5] == ["fake.py", "--model", str(out / "sft-0"), "--preset", "quick"]
    assert study.answers(out, "sft", 0) == {"a@1/0": 0.0}


def test_a_finished_run_of_grpo_stands_for_its_arm(fake, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(study, "ARMS", {"base": "fake.py", "sft": "fake.py --model {base}",
                                        "grpo": "fake.py --model {sft}", "one": "fake.py --model {sft}"})
    monkeypatch.setattr(study, "STUDIES", {"fake": study.Study("", {"grpo - one": ("grpo", "one")}, lambda rows: True)})
    for name in ("sft", "grpo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    words = ["study.py", "fake", "--quick", "--start", str(tmp_path / "sft"), "--grpo", str(tmp_path / "grpo")]
    monkeypatch.setattr(sys, "argv", [*words, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit):   # it has not been evaluated
        study.main()
    assert "has to be a finished run" in capsys.readouterr().err and not (tmp_path / "out").exists()
    (tmp_path / "grpo" / "eval.json").write_text(json.dumps({"questions": {"a@1/0": 0.0}}))
    study.main()
    assert "| grpo - one | -100.0 |" in capsys.readouterr().out
    assert not (tmp_path / "grpo" / "calls").exists() and (tmp_path / "out" / "one-0" / "calls").exists()


def test_an_arm_that_fails_ends_the_study_with_its_log(fake, tmp_path, monkeypatch):
    monkeypatch.setitem(study.ARMS, "one", "missing.py --model {base}")
    with pytest.raises(SystemExit, match="one-0.log says why"):
        study.run_study(fake, [0], tmp_path, jobs=2)


def fake_curriculum(out, arm, values):
    """Two steps a stage; reward and validation accuracy of each step."""
    (out / f"{arm}-0").mkdir(parents=True)
    lines = [dict(step=i + 1, stage=i // 2 + 1, reward=v, val_accuracy=v) for i, v in enumerate(values)]
    (out / f"{arm}-0" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [{"flags": {}}, *lines]))


def test_the_curriculums_rows(tmp_path):
    fake_curriculum(tmp_path, "potential", [0.5, 0.9, 0.6, 0.8])
    fake_curriculum(tmp_path, "difficulty", [0.1, 0.2, 0.3, 0.4])
    fake_curriculum(tmp_path, "none", [0.4, 0.5, 0.6, 0.6])
    rows = {row["label"]: row["mean"] for row in study.curriculum_rows(tmp_path, [0])}
    assert [rows[f"{study.SHARE}, {arm}"] for arm in ("potential", "difficulty", "none")] == [0.5, math.inf, 0.75]
    assert rows["reward, first 3 steps of stage 2 - last 3 of stage 1"] == pytest.approx(0)      # .7 - .7
    assert rows["validation accuracy, end of stage 2 - end of stage 1"] == pytest.approx(-10)


def test_the_variants_change_the_loss_alone(tmp_path):
    """Each starts from the same model with the same order of questions, and differs by its words in the literature."""
    arms = study.arms_of(study.STUDIES["variants"])
    assert arms == ["base", "sft", "grpo", "dr-grpo", "dapo"]
    common = study.command("grpo", 2, tmp_path)[1:3] + ["--pass-rates", str(tmp_path / "grpo-2/pass_rates.jsonl")]
    changes = {"dr-grpo": ["--no-std", "--norm", "constant"], "dapo": ["--norm", "token", "--clip-high", "0.28"]}
    for arm, changed in changes.items():
        words = study.command(arm, 2, tmp_path)
        assert words == ["grpo.py", *common, *changed, "--seed", "2", "--out", str(tmp_path / f"{arm}-2")]
        for name, right in (("grpo", 1), (arm, 0)):
            write(tmp_path, name, 2, {"x": right, "y": 1}, before={"x": 0, "y": 0})
    for arm in arms:
        (tmp_path / f"{arm}-2").mkdir(exist_ok=True)
        (tmp_path / f"{arm}-2.json").write_text(json.dumps(dict(command=["x"], seconds=60)))
    result = study.results("variants", tmp_path, [2], 1)
    assert [row["mean"] for row in result["rows"]] == [100, -50, -50] and not result["shown"]


def test_a_dry_run_and_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["study.py", "masking", "--dry-run", "--out", str(tmp_path), "--seeds", "4"])
    study.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("/")[-1] for line in lines] == ["base-4", "sft-4", "grpo-4", "unmasked-4"]
    for arm, right in (("base", 0), ("sft", 0), ("grpo", 1), ("unmasked", 0)):
        write(tmp_path, arm, 4, {"x": right, "y": 1}, before={"x": 0, "y": 0})
        (tmp_path / f"{arm}-4.json").write_text(json.dumps(dict(command=["x"], seconds=60)))
    result = study.results("masking", tmp_path, [4], 2)
    assert not result["shown"] and result["minutes"] == 2   # 50 +- 50 shows nothing
    text = study.table(result)
    assert "| masked - not masked | 50.0 | 50.0 | 50.0 | 0.00 |" in text
    assert text.strip().split("\n")[-1].startswith("| 3. Keeping tool output")
    many = {str(i): 0 for i in range(20)}
    for arm, right in (("base", 0), ("sft", 0), ("grpo", 1), ("unmasked", 0)):
        write(tmp_path, arm, 4, {key: right if int(key) < 15 else 0 for key in many}, before=many)
    assert study.results("masking", tmp_path, [4], 2)["shown"]   # 75 +- 10
