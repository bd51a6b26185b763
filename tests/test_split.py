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


def solutions(task: Task) -> set[str]:
    """The programs of some questions without their constants; where there are none, the source of `solve`.

    Programs of one or two statements are nobody's: print(_ * _) solves many questions.
    """
    if task.program is None:
        return {inspect.getsource(own(task, "solve"))} if own(task, "solve") else set()
    trees = [ast.parse(task.program(instance)) for instance in instances(task.key, range(3), (1, 3))]
    return {ast.dump(WithoutConstants().visit(tree)) for tree in trees if len(list(ast.walk(tree))) > 40}


@pytest.fixture(scope="module")
def sides():
    return [[task for task in TASKS.values() if task.split == split] for split in ("train", "test")]


def test_no_two_tasks_across_the_split_are_one_class(sides):
    shared = [f"{one.key} and {two.key}" for one in sides[0] for two in sides[1] if same_class(one, two)]
    assert not shared, "\n".join(shared)


def test_no_two_tasks_across_the_split_have_one_solution(sides):
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


# ---- the test finds what it should -----------------------------------------------------------------------------

def test_tasks_that_are_one_class_on_one_side_are_seen_as_such():
    assert same_class(TASKS["symbench/string_splitting"], TASKS["symbench/synthesis_decomposition"])
    assert not same_class(TASKS["rg/gcd"], TASKS["rg/lcm"]) and not same_class(TASKS["rg/jugs"], TASKS["rg/sokoban"])
    assert not same_class(TASKS["symbench/gsm"], TASKS["rg/aiw"])  # both fill formulas, of different tables


def test_sentences_are_compared_without_what_is_drawn():
    name, noun = words.NAMES[0][0].lower(), words.NOUNS[0][1].lower()
    assert {name, noun} <= LISTED
    for sentence in sentences(TASKS["bbh/object_counting"]) | sentences(TASKS["rg/needle_haystack"]):
        assert not LISTED & set(sentence)
