"""The geometry questions, read from their text alone and solved in a second way.

The table of formulas is judged by `SECOND` of test_tasks_geometry: each of its entries takes the
numbers of a question in the order of the text, and works with coordinates or by integration.
"""
import cmath
import math
import re

import pytest

from tasks import TASKS
from tasks.base import amount
from test_tasks_geometry import SECOND, shape_of


@pytest.fixture
def count(request):
    return 300 if request.config.getoption("--slow") else 30


def questions(key, count):
    """`count` questions of a task, a fifth of them on each level."""
    return [TASKS[key].generate(seed, 1 + seed % 5) for seed in range(count)]


def integers(text):
    return [int(n) for n in re.findall(r"-?\d+", text)]


def last_angle(question):
    """A walk around the polygon turns by 360 degrees: the last corner gets what is left."""
    sides, *angles = integers(question)
    assert len(angles) == sides - 1
    turned = sum(180 - angle for angle in angles)
    return 180 - (360 - turned)


def triangle_answer(question):
    """The three questions about a triangle, with no system of equations and no atan2."""
    corners = re.findall(r"[ABC]\((-?\d+), (-?\d+)\)", question)
    a, b, c = [complex(int(x), int(y)) for x, y in corners]
    # each side stands in the place of the corner on its other side
    sides = [abs(b - c), abs(c - a), abs(a - b)]
    if "angle at B" in question:  # the law of cosines
        cosine = (sides[0] ** 2 + sides[2] ** 2 - sides[1] ** 2) / (2 * sides[0] * sides[2])
        return [math.degrees(math.acos(cosine))]
    if "incircle" in question:  # tan(A / 2) = radius / (half of the three sides - side a)
        angle = abs(cmath.phase((b - a) / (c - a)))
        return [(sum(sides) / 2 - sides[0]) * math.tan(angle / 2)]
    # Euler's line: H = A + B + C - 2 O, where O is the centre of the circle through the corners;
    # O is their mean with the weights a**2 * (b**2 + c**2 - a**2), and so on around
    squares = [side ** 2 for side in sides]
    weights = [square * (sum(squares) - 2 * square) for square in squares]
    centre = sum(weight * corner for weight, corner in zip(weights, (a, b, c))) / sum(weights)
    orthocentre = a + b + c - 2 * centre
    return [orthocentre.real, orthocentre.imag]


def shape_letter(question):
    """The path and the choices as the question shows them."""
    path = re.search(r'SVG path "(.*?)"', question)[1]
    shape = shape_of(path)
    return re.search(rf"^\((\w)\) {shape}$", question, re.MULTILINE)[1]


def test_each_task_has_its_reader():
    tasks = {key for key, task in TASKS.items() if task.family == "geometry"}
    assert tasks == {"rg/simple_geometry", "rg/advanced_geometry", "symbench/math_geometry",
                     "bbh/geometric_shapes"}


def test_the_last_angle_is_what_the_others_leave(count):
    task = TASKS["rg/simple_geometry"]
    for instance in questions(task.key, count):
        answer = last_angle(instance.question)
        assert int(instance.expect) == answer, instance.question
        assert 0 < answer < 180, "the polygon is convex"
        assert task.verify(instance, str(answer)) and not task.verify(instance, str(answer + 1))


def test_triangle_questions_have_the_answer_of_their_corners(count):
    task = TASKS["rg/advanced_geometry"]
    for instance in questions(task.key, count):
        exact = triangle_answer(instance.question)
        stored = [float(n) for n in re.findall(r"-?[\d.]+", instance.expect)]
        # the answers show three decimals: a half of the last place, and the error of our floats
        assert stored == pytest.approx(exact, abs=0.00051), instance.question
        shown = ", ".join(f"{n:.3f}" for n in exact)
        assert task.verify(instance, shown) and task.verify(instance, f"({shown})")
        assert not task.verify(instance, ", ".join(f"{n + 0.05:.3f}" for n in exact))


def test_formulas_have_the_value_that_coordinates_give(count):
    task = TASKS["symbench/math_geometry"]
    for instance in questions(task.key, count):
        text = instance.question.removesuffix(task.ending)
        (start,) = [key for key in SECOND if
                    re.sub(r"\d+", "#", text).startswith(re.sub(r"\d+", "#", key))]
        second = SECOND[start](*integers(text))
        assert float(amount(instance.expect)) == pytest.approx(second, rel=1e-6), instance.question
        assert not task.verify(instance, f"{second * 1.01 + 0.001:.6f}")


def test_the_letter_is_the_shape_that_the_path_draws(count):
    task = TASKS["bbh/geometric_shapes"]
    for instance in questions(task.key, count):
        answer = shape_letter(instance.question)
        assert instance.expect == answer, instance.question
        assert task.verify(instance, f"({answer})")
