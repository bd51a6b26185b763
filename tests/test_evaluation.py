"""The report of an evaluation: behaviour, parts of the tasks, questions that do not fit."""
import pytest

import r1ci
import tiny
from tasks import TASKS
from tasks.conversation import FORMATS, Protocol, Trajectory
from tasks.questions import parse_tasks
from tasks.report import BEHAVIOURS, behaviour, checks_itself, make_report, report_table


def talk(*turns, task="rg/gcd", seed=0, reward=1.0, answer="4") -> Trajectory:
    """A conversation; a turn is a text, or (script, what came back, status, words before the script if any)."""
    t = Trajectory(TASKS[task].generate(seed, 1, "eval"), 0, [{"role": "system"}, {"role": "user"}], 4, ids=[1] * 9,
                   loss_mask=[0] * 4 + [1] * 5, logps=[0.0] * 9, stop_reason="answer", answer=answer, right=reward)
    for turn in turns:
        if isinstance(turn, str):
            t.messages.append({"role": "assistant", "content": turn})
        else:
            code, output, status, *words = turn
            t.messages += [{"role": "assistant", "content": "".join(words) + f"```python\n{code}\n```"},
                           {"role": "user", "content": FORMATS["fence"].show_output(output)}]
            t.statuses.append(status)
    return t


FIRST = ("print(6 * 7)", "42", "ok")


@pytest.mark.parametrize("second, checks", [
    (("print(str(7 * 6) == '42')", "True", "ok"), True),
    (("assert 7 * 6 == 42\nprint('fine')", "fine", "ok"), True),
    (("assert 7 + 6 == 42", "AssertionError", "error"), True),
    (("x = 42\nprint(7 * 6 == x)", "True", "ok"), True),
    (("print(7 * 6 == 41 + 1, 1 > 2)", "True False", "ok"), True),
    (("print(42 + 1)", "43", "ok"), False),                          # goes on with the result
    (("print(sum(i for i in range(9) if i > 3))", "30", "ok"), False),  # compares with something else
    (("print(1 == ", "SyntaxError", "error"), False),
    (("while 42 == 42: pass", "", "timeout"), False)])
def test_a_script_checks_itself_if_it_compares_with_what_an_earlier_one_printed(second, checks):
    assert checks_itself(talk(FIRST, second, "<<<42>>>")) is checks
    assert not checks_itself(talk(second, "<<<42>>>"))  # there is nothing yet to check
    assert not checks_itself(talk(("print(6 * 7", "42", "error"), second, "<<<42>>>"))


def test_switches_count_the_changes_between_words_and_code():
    switches = BEHAVIOURS["switches"]
    assert switches(talk("<<<1>>>")) == 0
    assert switches(talk("I think so. <<<1>>>")) == 0
    assert switches(talk(FIRST, FIRST, "<<<1>>>")) == 0
    assert switches(talk(("print(1)", "1", "ok", "Let me run it.\n"), "<<<1>>>")) == 1
    assert switches(talk(FIRST, "That is too large.\n<<<1>>>")) == 1
    assert switches(talk("Let me see.\n```py\nprint(1)\n```", "<<<1>>>")) == 1   # runs, too
    assert switches(talk("```python\nprint(1)\n```", "```python\nprint(")) == 0   # cut off: neither
    assert switches(talk(("print(1)", "1", "ok", "Hm.\n"), ("print(2)", "2", "ok", "So\n"), "Well <<<2>>>")) == 4


def test_behaviour_averages_over_questions_and_counts_only_the_rows_it_is_about():
    failed = ("print(x)", "NameError", "error")
    groups = [[talk("<<<4>>>"), talk(FIRST, "<<<4>>>")], [talk(failed, FIRST, "<<<4>>>"), talk(failed, "5", reward=0, answer=None)],
              [talk(failed, "<<<5>>>", reward=0), talk(failed, "<<<5>>>", reward=0)]]
    means, stderrs = behaviour(groups)
    assert means["calls"] == pytest.approx((0.5 + 1.5 + 1) / 3)
    assert stderrs["calls"] == pytest.approx((((0.5 - 1) ** 2 + 0.5 ** 2) / 2 / 3) ** 0.5)
    assert means["failed_calls"] == pytest.approx(2 / 3)
    assert means["text_rate"] == pytest.approx((0.5 + 0 + 0) / 3)   # of rows with an answer
    assert means["recovery"] == pytest.approx((0.5 + 0) / 2)        # of rows with a failed script: two questions
    assert means["response_len"] == 5 and stderrs["response_len"] == 0
    assert behaviour([[talk("<<<4>>>")]])[0]["recovery"] == 0  # nothing to recover from


def test_a_report_has_tasks_suites_splits_and_every_question():
    keys = ["rg/gcd", "rg/caesar_cipher", "bbh/word_sorting", "user/mine"]
    groups = [[talk("<<<4>>>", task=key if key in TASKS else "rg/gcd", seed=i, reward=float(i == 0))]
              for key in keys for i in range(2)]
    for [t] in groups[-2:]:
        t.instance = tiny.instance(seed=t.instance.seed)
    report = make_report(groups) | dict(samples=1, too_long={"bbh/word_sorting": 3})
    assert {k: r["n"] for k, r in report["suites"].items()} == {"rg": 4, "bbh": 2, "user": 2}
    assert {k: r["n"] for k, r in report["splits"].items()} == {"train": 4, "test": 2, "own": 2}
    assert report["call_counts"] == {0: 8}
    assert report["questions"]["rg/caesar_cipher@1/0"] == 1 and report["questions"]["user/test@0/1"] == 0
    lines = report_table(report).split("\n")
    assert [" ".join(line.split()[:2]) for line in lines[5:12]] == [
        "suite rg", "suite bbh", "suite user", "split train", "split test", "split own", "all 8"]
    assert lines[-1].endswith("3 questions (3 of bbh/word_sorting)")
    assert max(map(len, lines)) <= 80
    long = [[talk("<<<4>>>", task="bbh/tracking_shuffled_objects_three_objects", seed=i) for _ in range(2)] for i in range(2)]
    for samples in (1, 2, 16):   # the longest name, and the widest table
        lines = report_table(make_report(long) | dict(samples=samples, too_long={})).split("\n")
        assert "bbh/tracking_shuffled_objects_three_objects" in lines and max(map(len, lines)) <= 80


def test_answers_that_the_sandbox_failed_count_nowhere_in_a_report():
    failed = talk("<<<4>>>", reward=0.0)
    failed.stop_reason = "tool_failure"
    report = make_report([[talk("<<<4>>>"), failed], [failed]])
    assert (report["accuracy"], report["n"], report["questions"]) == (1.0, 1, {"rg/gcd@1/0": 1.0})


def test_questions_longer_than_the_context_are_left_out_and_counted():
    short, long = tiny.instance(seed=0), tiny.instance("word " * 200, seed=1)
    ask = lambda *questions: r1ci.evaluate(r1ci.Interpreter(tiny.model(max_position_embeddings=300), tiny.chat(), tiny.sandbox()), list(questions),
                                           1, Protocol(max_turn_tokens=5, max_tokens=5), (0,))
    report, groups = ask(long, short, long)
    assert report["n"] == len(groups) == 1 and report["too_long"] == {"user/test": 2}
    assert groups[0][0].instance == short
    with pytest.raises(SystemExit, match="no question fits"):
        ask(long)


def test_a_minus_leaves_a_suite_out():
    chosen = parse_tasks("train,-bbh", 1)
    assert chosen and {TASKS[key].split for key, _ in chosen} == {"train"}
    assert {TASKS[key].suite for key, _ in chosen} == {"rg", "symbench"}
    assert sorted(chosen + [(key, 1) for key, task in TASKS.items() if task.suite == "bbh" and task.split == "train"]) == \
        sorted(parse_tasks("train", 1))
    assert parse_tasks("rg/gcd,rg/lcm@2,rg/lcm@3,-rg/lcm@2", 1) == [("rg/gcd", 1), ("rg/lcm", 3)]
    assert parse_tasks("rg/gcd,train,rg/gcd", 1).count(("rg/gcd", 1)) == 1
    with pytest.raises(SystemExit, match="leaves no task"):
        parse_tasks("rg/gcd,-rg", 1)
    with pytest.raises(SystemExit, match="unknown task"):
        parse_tasks("rg/gcd,-rgg", 1)
