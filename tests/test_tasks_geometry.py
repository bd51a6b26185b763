"""Geometry is checked by coordinates and by numeric integration, never by the formulas that the tasks use."""
import cmath
import math
import re
from dataclasses import replace

import pytest

from tasks import TASKS
from tasks.base import amount

QUESTIONS = [(level, seed) for level in (1, 2, 3, 4, 5) for seed in range(12)]


def test_angles_of_a_convex_polygon_turn_once_around():
    for level, seed in QUESTIONS:
        instance = TASKS["rg/simple_geometry"].generate(seed, level)
        angles = [*instance.facts["angles"], int(instance.expect)]
        assert all(0 < angle < 180 for angle in angles)
        assert len(angles) == instance.facts["sides"] and sum(180 - angle for angle in angles) == 360
        assert TASKS["rg/simple_geometry"].verify(instance, f"{instance.expect}.0°")


def inside(points, p):
    """Distances of p from the three sides."""
    return [abs(((b - a).conjugate() * (p - a)).imag) / abs(b - a) for a, b in zip(points, points[1:] + points[:1])]


def test_triangle_answers_have_the_defining_property():
    task = TASKS["rg/advanced_geometry"]
    for level, seed in [(level, seed) for level in (1, 3, 5) for seed in range(40)]:
        instance = task.generate(seed, level)
        a, b, c = points = [complex(*point) for point in instance.facts["points"]]
        got = [float(part) for part in instance.expect.strip("()").split(",")]
        if instance.facts["kind"] == "orthocentre":
            h, size = complex(*got), max(abs(a - b), abs(b - c), abs(c - a))
            for p, q, r in ((a, b, c), (b, c, a), (c, a, b)):  # the line through a corner is square to the other side
                assert abs(((h - p).conjugate() * (r - q)).real) < 0.002 * size
        elif instance.facts["kind"] == "inradius":
            sides = [abs(b - c), abs(c - a), abs(a - b)]
            centre = sum(s * p for s, p in zip(sides, points)) / sum(sides)
            assert inside(points, centre) == pytest.approx([got[0]] * 3, abs=6e-4)
        else:
            assert abs(math.degrees(cmath.phase((a - b) / (c - b)))) == pytest.approx(got[0], abs=6e-4)


def test_triangle_answers_may_be_off_by_a_rounding_and_no_more():
    task = TASKS["rg/advanced_geometry"]
    kinds = {}
    for seed in range(60):
        instance = task.generate(seed)
        kinds.setdefault(instance.facts["kind"], instance)
    x, y = map(float, kinds["orthocentre"].expect.strip("()").split(", "))
    assert task.verify(kinds["orthocentre"], f"[{x + 0.0004:.4f}, {y:.4f}]")
    assert not task.verify(kinds["orthocentre"], f"({x + 0.01}, {y})")
    assert not task.verify(kinds["orthocentre"], f"({y}, {x})") and not task.verify(kinds["orthocentre"], f"{x}")
    r = float(kinds["inradius"].expect)
    assert task.verify(kinds["inradius"], f"r = {r + 0.0004}") and not task.verify(kinds["inradius"], f"{r + 0.01}")
    d = float(kinds["angle"].expect)
    assert task.verify(kinds["angle"], f"{d:.2f} degrees") and not task.verify(kinds["angle"], f"{d + 0.1}")


@pytest.mark.parametrize("text", [
    "(1.234, -2.345)", "1.234, -2.345", "1.234 -2.345", "[1.234, -2.345]", "H = (1.234, -2.345)", "H(1.234, −2.345)",
    "(x, y) = (1.234, -2.345)", "x = 1.234, y = -2.345", "x=1.234 and y=-2.345", "(1.234; -2.345)", "x = 617/500, y = -2.345"])
def test_a_point_may_have_a_name_and_so_may_its_coordinates(text):
    task = TASKS["rg/advanced_geometry"]
    instance = replace(task.generate(0), facts=dict(kind="orthocentre"), expect="(1.234, -2.345)")
    assert task.verify(instance, text)
    assert not task.verify(instance, text.replace("2.345", "2.35")) and not task.verify(instance, f"{text}, 0")


def area(*corners):
    """The shoelace formula."""
    return abs(sum((a.conjugate() * b).imag for a, b in zip(corners, corners[1:] + corners[:1]))) / 2


def triangle(a, b, c):
    """Corners of a triangle with these sides, c along the axis."""
    x = (b * b + c * c - a * a) / (2 * c)
    return [0j, complex(c), complex(x, math.sqrt(b * b - x * x))]


def integral(f, low, high, steps=2_000):
    """Simpson's rule."""
    h = (high - low) / steps
    return h / 3 * sum(f(low + i * h) * (1 if i in (0, steps) else 4 if i % 2 else 2) for i in range(steps + 1))


def circumradius(a, b, c):
    """Distance of a corner from the crossing of two perpendicular bisectors."""
    _, p, q = triangle(a, b, c)
    return abs(complex(p.real / 2, (abs(q) ** 2 - p.real * q.real) / (2 * q.imag)))


def regular(n):
    return [cmath.rect(1, 2 * math.pi * i / n) for i in range(n)]


def lattice_area(inner, edge):
    """Area of a polygon with these lattice points: a triangle of height 1 for the edge, each inner point adds 1."""
    return area(0j, complex(edge - 2), 1j) + inner


# the start of each question -> the answer from its numbers, found another way
SECOND = {
    "A right triangle has legs": lambda a, b: abs(complex(a, b)),
    "A right triangle has one leg": lambda x, z: next(y for y in range(1, 2 * z) if abs(complex(x, y)) == z),
    "What is the area of a circle with": lambda r: area(*[r * p for p in regular(20_000)]),
    "What is the circumference": lambda d: 20_000 * abs(regular(20_000)[1] - 1) * d / 2,
    "How long is the diagonal of a rectangle": lambda a, b: math.dist((0, 0), (a, b)),
    "A triangle has base": lambda a, b: area(0j, complex(a), complex(3, b)),
    "The diagonal of a square": lambda d: area(*[d / 2 * p for p in regular(4)]),
    "What is the area of an equilateral": lambda a: area(*triangle(a, a, a)),
    "A trapezoid of height": lambda h, a, b: area(0j, complex(a), complex(b + 1, h), complex(1, h)),
    "How far apart are the points": lambda a, b, c, d: abs(complex(a, b) - complex(c, d)),
    "What is the volume of a sphere": lambda r: integral(lambda x: math.pi * (r * r - x * x), -r, r),
    "The diagonals of a rhombus are # and #. What is its area": lambda a, b: 
        area(a / 2 + 0j, b / 2 * 1j, -a / 2 + 0j, -b / 2 * 1j),
    "The diagonals of a rhombus are # and #. How long": lambda a, b: abs(a / 2 - b / 2 * 1j),
    "A box has edges #, # and #. What is its surface": lambda a, b, c: (a + 2 * c) * (b + 2 * c) - 4 * c * c + a * b,
    "A box has edges #, # and #. How far": lambda a, b, c: math.dist((0, 0, 0), (a, b, c)),
    "What is the volume of a cylinder": lambda r, h: h * integral(lambda t: r * r / 2, 0, 2 * math.pi),
    "What is the volume of a cone": lambda r, h: integral(lambda x: math.pi * (r * x / h) ** 2, 0, h),
    "A cone has base radius": lambda r, h: integral(lambda x: 2 * math.pi * (r * x / h), 0, h) * math.hypot(r, h) / h,
    "A pyramid of height": lambda h, a: integral(lambda x: (a * x / h) ** 2, 0, h),
    "What is the area of a circle's sector": lambda r, w: integral(lambda t: r * r / 2, 0, math.radians(w)),
    "How long is the arc": lambda w, r: r * math.radians(w),
    "A chord of a circle": lambda z, x: 2 * z * math.sin(math.acos(x / z)),
    "A point is": lambda d, r: d * math.cos(math.asin(r / d)),
    "Two chords of a circle cross": lambda p, q, r: p / r * q,
    "What is the area between two circles": lambda r, s: integral(lambda x: 2 * math.pi * x, r, s),
    "How many degrees has each angle of a regular": lambda n: 180 - math.degrees(cmath.phase(regular(n)[1])),
    "An arc of a circle": lambda w: math.degrees(cmath.phase((cmath.rect(1, math.radians(w)) + 1) / 2)),
    "What is the area of a regular hexagon": lambda a: area(*[a * p for p in regular(6)]),
    "Two similar triangles": lambda a, b, c: c * (b / a) * (b / a),
    "What is the area of a triangle with sides": lambda a, b, c: area(*triangle(a, b, c)),
    "What is the radius of the incircle": lambda a, b, c: 2 * area(*triangle(a, b, c)) / (a + b + c),
    "What is the radius of the circle through": circumradius,
    "How high is a right triangle": lambda a, b: inside([0j, complex(a), complex(0, b)], 0j)[1],
    "A right triangle has an angle of 60": lambda _, a: a * math.sin(math.radians(60)),
    "Two sides of a triangle are": lambda a, b, w: abs(a - cmath.rect(b, math.radians(w))),
    "What is the area of the triangle with the corners": lambda _, o, a, b, c, d: area(0j, a + b * 1j, c + d * 1j),
    "A polygon has its corners": lattice_area,
}


def test_geometry_formulas_agree_with_coordinates_and_integrals():
    task = TASKS["symbench/math_geometry"]
    seen = set()
    for level, seed in [(level, seed) for level in (1, 3, 5) for seed in range(150)]:
        instance = task.generate(seed, level)
        text = instance.question.removesuffix(task.ending)
        start = next(key for key in SECOND if re.sub(r"\d+", "#", text).startswith(re.sub(r"\d+", "#", key)))
        second = SECOND[start](*map(int, re.findall(r"\d+", text)))
        assert float(amount(instance.expect)) == pytest.approx(second, rel=1e-6), instance.question
        seen.add(start)
    assert len(SECOND) == len(task.table) and seen == set(SECOND)


@pytest.mark.parametrize("start, right, wrong", [
    ("What is the area of a circle with", ["{a2}*pi", "{a2}π", "{a2} \\pi", "pi*{a}^2", "${a2}\\pi$", "{float:.4f}"],
     ["{a2}", "3*{a2}", "{float:.0f}", "{a2}*3.14", ""]),
    ("What is the area of an equilateral",
     ["\\frac{{{a2}\\sqrt{{3}}}}{{4}}", "{a2}√3/4", "sqrt(3)/4*{a2}", "{float:.5f}"],
     ["{a2}/4", "sqrt({a2})", "{float:.1f}1", "sqrt(-1)", "__import__('os')"]),
])
def test_exact_and_decimal_forms_are_right_and_rough_ones_wrong(start, right, wrong):
    task = TASKS["symbench/math_geometry"]
    instance = next(i for i in (task.generate(seed) for seed in range(900)) if i.question.startswith(start))
    a = int(re.search(r"\d+", instance.question)[0])
    forms = dict(a=a, a2=a * a, float=float(amount(instance.expect)))
    for text in right:
        assert task.verify(instance, text.format(**forms)), text
    for text in wrong:
        assert not task.verify(instance, text.format(**forms)), text


def shape_of(path):
    """The shape by side lengths and angles, from the strokes as a list of segments."""
    if "A" in path:
        wide, high = map(float, re.search(r"A ([\d.]+),([\d.]+)", path).groups())
        return "sector" if "L" in path else "circle" if wide == high else "ellipse"
    pen, strokes = None, []
    for command, x, y in re.findall(r"([ML]) (-?[\d.]+),(-?[\d.]+)", path):
        point = complex(float(x), float(y))
        if command == "L":
            strokes.append((pen, point))
        pen = point
    if len(strokes) == 1:
        return "line"
    assert all(a[1] == b[0] for a, b in zip(strokes, strokes[1:] + strokes[:1])), "the outline is open"
    lengths = [abs(b - a) for a, b in strokes]
    sides = [b - a for a, b in strokes]
    angles = [abs(math.degrees(cmath.phase(b / a))) for a, b in zip(sides, sides[1:] + sides[:1])]
    assert min(angles) > 3, "three corners in a row"
    if len(strokes) == 4:
        def near(p, q):
            return abs(p - q) < 0.05

        if all(abs(angle - 90) < 0.5 for angle in angles):
            return "rectangle"
        if near(lengths[0], lengths[1]) and near(lengths[2], lengths[3]) or \
                near(lengths[1], lengths[2]) and near(lengths[3], lengths[0]):
            return "kite"
        # one pair of parallel sides: the angles along a leg sum up to 180 degrees
        assert sum(abs(p + q - 180) < 0.5 for p, q in zip(angles, angles[1:] + angles[:1])) == 2
        return "trapezoid"
    return {3: "triangle", 5: "pentagon", 6: "hexagon", 7: "heptagon", 8: "octagon"}[len(strokes)]


def test_paths_draw_the_shape_that_is_the_answer():
    task = TASKS["bbh/geometric_shapes"]
    seen = set()
    for level, seed in [(level, seed) for level in (1, 3, 5) for seed in range(60)]:
        instance = task.generate(seed, level)
        shape = shape_of(instance.facts["path"])
        lines = instance.facts["options"].splitlines()
        assert [line[1] for line in lines if line[4:] == shape] == [instance.expect]
        assert task.solve(**instance.facts) == instance.expect
        assert task.verify(instance, shape) and task.verify(instance, f"({instance.expect})")
        assert sum(task.verify(instance, line[1]) for line in lines) == 1
        seen.add(shape)
    assert len(seen) == 12
