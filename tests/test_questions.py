"""Questions chosen from the tasks or read from files, and the grading of answers."""
import json

import pytest

from tasks import TASKS, questions


def test_questions_are_fixed_distinct_and_their_purposes_apart():
    tasks = questions.parse_tasks("rg/gcd,bbh/word_sorting@2", 1)
    assert tasks == [("rg/gcd", 1), ("bbh/word_sorting", 2)]
    drawn = {purpose: questions.draw_questions(tasks, purpose, 40) for purpose in ("sft", "rl", "val", "eval")}
    assert drawn["eval"] == questions.draw_questions(tasks, "eval", 40)
    texts = [{i.question for i in instances} for instances in drawn.values()]
    assert [len(t) for t in texts] == [80] * 4 and len(set.union(*texts)) == 320


def test_unknown_tasks_and_levels_are_refused_with_a_hint():
    with pytest.raises(SystemExit, match="did you mean rg/gcd"):
        questions.parse_tasks("rg/gdc", 1)
    with pytest.raises(SystemExit, match="unknown level '9'"):
        questions.parse_tasks("rg/gcd@9", 1)


def test_a_users_own_questions_compare_numbers_or_text(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "2 / 8?", "answer": 0.25}\n\n{"question": "capital?", "answer": "Paris"}\n')
    quarter, capital = questions.read_questions(path)
    assert questions.grade(quarter, "1/4") and questions.grade(quarter, ".2500") and not questions.grade(quarter, "0.26")
    assert questions.grade(capital, " paris.") and not questions.grade(capital, "London")
    path.write_text('{"question": "2 / 8?", "answer": 0.25}\n{"question": 3}\n')
    with pytest.raises(SystemExit, match="mine.jsonl, line 2"):
        questions.read_questions(path)


def test_original_big_bench_hard_files_are_read_and_graded(tmp_path, capsys):
    rows = [("Which?\nOptions:\n(A) a red ball\n(B) a blue ball", "(B)"), ("Which?\nOptions:\n(A) x\n(B) y", "free text"),
            ("Complete: ( [", "] )"), ("Sort: b a", "a b"), ("Is it plausible?", "yes"), ("2 + 3 =", "5")]
    (tmp_path / "mixed.json").write_text(json.dumps({"canary": "", "examples": [dict(input=i, target=t) for i, t in rows]}))
    choice, brackets, words, yes, number = questions.read_bbh(tmp_path, 10)
    assert "mixed.json, example 2 is left out" in capsys.readouterr().err
    for question, right, wrong in ((choice, "(B)", "A"), (choice, "a blue ball", "a red ball"), (brackets, "])", "]"),
                                   (words, "a, b", "b a"), (yes, "Yes.", "no"), (number, " 5", "6"), (choice, "(B)", "blue")):
        assert questions.grade(question, right) and not questions.grade(question, wrong)
    (tmp_path / "mixed.json").write_text(json.dumps({"examples": [{"input": "x"}]}))
    with pytest.raises(SystemExit, match="mixed.json, example 1"):
        questions.read_bbh(tmp_path, 10)
    with pytest.raises(SystemExit, match="no .*json"):
        questions.read_bbh(tmp_path / "nothing", 10)


def test_all_broken_lines_of_a_file_are_named_at_once(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "1?", "answer": 1}\n{\n[1]\n{"question": "2?", "answer": 2}\n{"a" 1}\n')
    with pytest.raises(SystemExit, match=r"mine.jsonl, line 2: not valid JSON \(.*at column 2\); line 3: .*; line 5: [^;]*$"):
        questions.read_questions(path)
    path.write_text('{"question": "1?"}\n{"question": "2?", "answer": 2}\n{"question": " ", "answer": 2}\n')
    with pytest.raises(SystemExit, match='line 1: .*"answer".* are needed; line 3: the question is empty$'):
        questions.read_questions(path)


def test_one_question_has_one_answer(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "1 + 1?", "answer": 2}\n{"question": "1 + 1?", "answer": "2"}\n' * 2)
    assert len(questions.read_questions(path)) == 4   # the same again is no fault
    path.write_text('{"question": "1 + 1?", "answer": 2}\n{"question": "1 + 1?", "answer": 3}\n')
    with pytest.raises(SystemExit, match="line 2: line 1 asks the same and has another answer"):
        questions.read_questions(path)


def test_some_of_a_sorted_file_are_a_fair_part(tmp_path):
    path = tmp_path / "mine.jsonl"
    lines = [json.dumps(dict(question=f"{kind} number {i}", answer=i)) for kind in ("easy", "hard") for i in range(200)]
    path.write_text("\n".join(lines))
    part = questions.own_questions(path, "rl", 60)
    assert 15 < sum(q.question.startswith("easy") for q in part) < 45
    assert len(questions.own_questions(path, "rl")) > 200


def test_a_users_own_questions_are_shared_out_by_their_text(tmp_path):
    path = tmp_path / "sums.jsonl"
    lines = [json.dumps(dict(question=f"What is {a} + 5?", answer=a + 5)) for a in range(300)]
    path.write_text("\n".join(lines + lines[:20]) + "\n")    # twenty questions stand there twice
    parts = {purpose: questions.own_questions(path, purpose, 1000) for purpose in ("rl", "val", "eval")}
    texts = {purpose: {q.question for q in part} for purpose, part in parts.items()}
    assert all(len(texts[purpose]) == len(parts[purpose]) for purpose in parts)     # each once
    assert sum(map(len, texts.values())) == len(set().union(*texts.values())) == 300
    assert 150 < len(texts["rl"]) < 210 and min(len(texts["val"]), len(texts["eval"])) > 40
    assert questions.own_questions(path, "val", 3) == parts["val"][:3]
    path.write_text("\n".join(reversed(lines)))                                     # their order changes nothing
    assert {q.question for q in questions.own_questions(path, "eval", 1000)} == texts["eval"]
    path.write_text(json.dumps(dict(question=parts["rl"][0].question, answer=1)))
    with pytest.raises(SystemExit, match="no question for 'val'"):
        questions.own_questions(path, "val", 1)


def test_the_laptop_preset_trains_on_enough_kinds_of_train_tasks():
    chosen = [TASKS[key] for key, level in questions.parse_tasks("laptop", 1)]
    assert len(chosen) >= 24 and {task.split for task in chosen} == {"train"}
    assert {task.suite for task in chosen} == {"rg", "bbh", "symbench"}
    assert len({type(task).__module__ for task in chosen}) >= 8   # a family is a module
