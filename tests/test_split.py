"""Nothing of a held-out task is trained on: no question, no program and no class stands on both sides of the split."""
import ast
import inspect
import re
from difflib import SequenceMatcher

import pytest

from tasks import TASKS
from tasks.base import Task
from tasks.families import words
from test_tasks import instances

ALIKE = 0.8         # share of the words of two sentences that are the same, in order
LEAST_WORDS = 6     # shorter sentences ("Answer with one integer.") belong to everybody


def listed_words(value) -> set[str]:
    """All words of the word lists, however deep they lie: what is drawn from them says nothing about a task."""
    if isinstance(value, str):
        return set(re.findall("[a-z]+", value.lower()))
    if isinstance(value, dict):
        return listed_words(list(value.items()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return set().union(*map(listed_words, value))
    return set()


LISTED = listed_words([value for name, value in vars(words).items() if name.isupper()])


def sentences(task: Task) -> set[tuple[str, ...]]:
    """The sentences of some questions without numbers, single letters and words from the lists.

    Those that tell the form of the answer are everybody's.
    """
    found = set()
    for instance in instances(task.key, range(3), (1, 3)):
        for sentence in re.split(r"[.?!:;\n]", instance.question.lower()):
            kept = tuple(word for word in re.findall("[a-z]{2,}", sentence) if word not in LISTED)
            if len(kept) >= LEAST_WORDS and kept[0] != "answer":
                found.add(kept)
    return found


def form(question: str) -> tuple[str, ...]:
    """The words and signs of what is asked, up to the form of the answer: ("what", "is", "_", "*", "_", "?").

    _ is an integer with its own sign, and 1.5 is _._; words from the lists are left out, and quotes are.
    """
    asked = re.sub(r"(?<!\d)-?\d+", "_", question.lower().split("answer")[0])
    return tuple(token for token in re.findall("[a-z]+|_|[^\\w\\s\"']", asked) if token not in LISTED)


def short_forms(task: Task) -> set[tuple[str, ...]]:
    """The forms of many questions of a task that asks in less than LEAST_WORDS words: signs tell what is asked there."""
    forms = {form(instance.question) for instance in instances(task.key, range(3), (1, 3))}
    if all(sum(len(token) > 1 for token in told) >= LEAST_WORDS for told in forms):
        return set()
    return {form(instance.question) for instance in instances(task.key, range(100), (1, 3))}


def own(task: Task, name: str):
    """The function behind a method, or None where it is the one that all tasks have."""
    function = getattr(type(task), name)
    return function if function and inspect.unwrap(function).__module__ != "tasks.base" else None


def same_class(one: Task, two: Task) -> bool:
    """Whether both draw and solve by the same methods: one class with two settings, whatever the two are called."""
    return all(own(one, name) and own(one, name) is own(two, name) for name in ("make", "solve"))


class WithoutConstants(ast.NodeTransformer):
    """Puts _ for everything in a program that belongs to one question: numbers, texts, and lists of them."""

    def visit(self, node):
        literal = isinstance(node, (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.UnaryOp))
        if literal and not any(isinstance(inner, (ast.Name, ast.Call)) for inner in ast.walk(node)):
            return ast.Name("_", ast.Load())
        return self.generic_visit(node)


# What print(_ * (_ - _) // _) is made of, and print(_).
ARITHMETIC = {ast.Module, ast.Expr, ast.Call, ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.USub,
              ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv}


def solutions(task: Task) -> set[str]:
    """The programs of some questions without their constants; where there are none, the source of `solve`.

    One print of an expression over numbers alone is nobody's: print(_ * _) solves many questions, and is not compared.
    """
    if task.program is None:
        return {inspect.getsource(own(task, "solve"))} if own(task, "solve") else set()
    trees = [ast.parse(task.program(instance)) for instance in instances(task.key, range(3), (1, 3))]
    trees = [WithoutConstants().visit(tree) for tree in trees]
    return {ast.dump(tree) for tree in trees if not set(map(type, ast.walk(tree))) <= ARITHMETIC}


@pytest.fixture(scope="module")
def sides():
    return [[task for task in TASKS.values() if task.split == split] for split in ("train", "test")]


def test_no_two_tasks_across_the_split_are_one_class(sides):
    shared = [f"{one.key} and {two.key}" for one in sides[0] for two in sides[1] if same_class(one, two)]
    assert not shared, "\n".join(shared)


def test_no_two_tasks_across_the_split_have_one_solution(sides):
    """All programs are compared, however short, but those that print an expression over numbers alone: see solutions."""
    held_out = {solution: task.key for task in sides[1] for solution in solutions(task)}
    shared = {f"{task.key} and {held_out[solution]}" for task in sides[0]
              for solution in solutions(task) if solution in held_out}
    assert not shared, "\n".join(sorted(shared))


def test_no_two_tasks_across_the_split_have_a_sentence_in_common(sides):
    held_out = [(task.key, told, set(told)) for task in sides[1] for told in sentences(task)]
    shared = []
    for task in sides[0]:
        for one in sentences(task):
            for key, two, its_words in held_out:
                # The slow comparison only of those that are of one length and share half their words.
                if 2 * len(one) < 3 * len(two) < 4.5 * len(one) and 2 * len(its_words.intersection(one)) >= len(one):
                    if SequenceMatcher(None, one, two, False).ratio() >= ALIKE:
                        shared.append(f"{task.key}: {' '.join(one)}\n{key}: {' '.join(two)}\n")
    assert not shared, "\n".join(shared)


# Sentences as short as "What is 3 * 8?" are not compared above, and would be alike whatever the signs. Here the whole
# question, without the form of the answer, is compared with all its signs: only numbers and drawn words are taken out.
def test_no_two_tasks_across_the_split_ask_a_short_question_in_one_form(sides):
    train, held_out = [{told: task.key for task in side for told in short_forms(task)} for side in sides]
    shared = [f"{train[told]} and {held_out[told]}: {' '.join(told)}" for told in train if told in held_out]
    assert not shared, "\n".join(shared)


# ---- the test finds what it should -----------------------------------------------------------------------------

def test_tasks_that_are_one_class_on_one_side_are_seen_as_such():
    assert same_class(TASKS["symbench/string_splitting"], TASKS["symbench/synthesis_decomposition"])
    assert not same_class(TASKS["rg/gcd"], TASKS["rg/lcm"]) and not same_class(TASKS["rg/jugs"], TASKS["rg/sokoban"])
    assert not same_class(TASKS["symbench/gsm"], TASKS["rg/aiw"])  # both fill formulas, of different tables


def test_short_questions_are_compared_with_their_signs_and_programs_however_short():
    assert form("What is 3 * -8? Answer with one integer.") == ("what", "is", "_", "*", "_", "?")
    assert form("What is 3 - 8? Answer with one integer.") == ("what", "is", "_", "-", "_", "?")
    assert short_forms(TASKS["rg/products"]) and short_forms(TASKS["rg/chain_sum"]) and not short_forms(TASKS["rg/jugs"])
    assert solutions(TASKS["rg/gcd"]) and not solutions(TASKS["rg/products"])


def test_sentences_are_compared_without_what_is_drawn():
    name, noun = words.NAMES[0][0].lower(), words.NOUNS[0][1].lower()
    assert {name, noun} <= LISTED
    for sentence in sentences(TASKS["bbh/object_counting"]) | sentences(TASKS["rg/needle_haystack"]):
        assert not LISTED & set(sentence)
