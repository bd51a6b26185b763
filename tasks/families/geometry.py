"""Geometry: angles, triangles, formulas, and shapes drawn by a path.

Answers may be exact formulas or decimals: `amount` of tasks/base.py reads both, and a tolerance
forgives what rounding does.
"""
import cmath
import inspect
import math
import re
from itertools import pairwise
from random import Random
from typing import Any

from tasks.base import Choice, Formula, Instance, Task, amount, at, between, items, options


# ---- polygons and triangles -------------------------------------------------------------------

class SimpleGeometry(Task):
    """The last angle of a convex polygon, from all the others."""

    def make(self, rng: Random, level: int) -> tuple:
        sides = between(rng, level, (3, 4), (3, 6), (6, 12))
        # a walk around the polygon turns by 360 degrees in all, by less than 180 at each corner
        turns = [180]
        while max(turns) >= 180:
            cuts = sorted(rng.sample(range(1, 360), sides - 1))
            turns = [b - a for a, b in zip([0, *cuts], [*cuts, 360])]
        angles = [180 - turn for turn in turns[1:]]
        listed = ", ".join(map(str, angles[:-1])) + f" and {angles[-1]}"
        question = (f"A convex polygon with {sides} sides has angles of {listed} degrees. "
                    "How many degrees has the last angle? Answer with a number.")
        return question, dict(sides=sides, angles=angles)

    @staticmethod
    def solve(sides, angles):
        return 180 * (sides - 2) - sum(angles)

    def check(self, answer: str, instance: Instance) -> bool:
        return abs(amount(answer) - int(instance.expect)) < 1e-6

    def program(self, instance: Instance) -> str:
        sides, angles = instance.facts.values()
        return f"print(180 * ({sides} - 2) - sum({angles}))\n"


def orthocentre(a, b, c):
    # H - A is perpendicular to C - B, and H - B to C - A: p*x + q*y = u and r*x + s*y = v
    p, q = c[0] - b[0], c[1] - b[1]
    r, s = c[0] - a[0], c[1] - a[1]
    u = p * a[0] + q * a[1]
    v = r * b[0] + s * b[1]
    # Cramer's rule
    det = p * s - q * r
    return round((u * s - q * v) / det, 3), round((p * v - u * r) / det, 3)


def inradius(a, b, c):
    # three triangles with the incentre as a corner make up the area: area = radius * perimeter / 2
    from math import dist
    area = abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) / 2
    return round(2 * area / (dist(a, b) + dist(b, c) + dist(c, a)), 3)


def angle(a, b, c):
    from math import atan2, degrees
    p, q = a[0] - b[0], a[1] - b[1]
    r, s = c[0] - b[0], c[1] - b[1]
    # tan = sin / cos = cross product / dot product
    return round(degrees(abs(atan2(p * s - q * r, p * r + q * s))), 3)


def coordinates(text: str) -> list[Any]:
    """A point's coordinates: "(1, 2)", "H = (1, 2)", "H(1; 2)" and "x = 1, y = 2" are [1, 2]."""
    # of an equation the right side counts, and a point may have a name in front of its brackets
    text = re.sub(r"\b[A-Za-z]\s*=|\(\s*x\s*,\s*y\s*\)\s*=", "", text)
    text = re.sub(r"^\s*[A-Za-z]\s*(?=\()", "", text)
    parts = items(re.sub(r";|\band\b", ",", text))
    if len(parts) != 2:
        raise ValueError("a point has two coordinates")
    return [amount(part) for part in parts]


class AdvancedGeometry(Task):
    """Three questions about a triangle, each with the function that answers it."""
    kinds = {
        "orthocentre":
            (orthocentre, "Where is its orthocentre? Answer with (x, y) to three decimals."),
        "inradius":
            (inradius, "What is the radius of its incircle? "
                       "Answer with a number to three decimals."),
        "angle":
            (angle, "What is the angle at B in degrees? Answer with a number to three decimals."),
    }

    def make(self, rng: Random, level: int) -> tuple:
        kind = rng.choice(list(self.kinds))
        function, asked = self.kinds[kind]
        reach = at(rng, level, 5, 10, 50)
        doubled_area = 0
        while doubled_area < 2:  # three corners on a line make no triangle
            points = [[rng.randint(-reach, reach) for _ in "xy"] for _ in "ABC"]
            a, b, c = (complex(x, y) for x, y in points)
            doubled_area = abs(((b - a).conjugate() * (c - a)).imag)
        corners = ", ".join(f"{name}({x}, {y})" for name, (x, y) in zip("ABC", points))
        question = f"A triangle has the corners {corners}. {asked}"
        return question, dict(kind=kind, points=points), function(*points)

    def check(self, answer: str, instance: Instance) -> bool:
        kind = instance.facts["kind"]
        given, right = (coordinates(text) if kind == "orthocentre" else [amount(text)]
                        for text in (answer, instance.expect))
        tolerance = 0.01 if kind == "angle" else 0.002
        return all(abs(x - y) <= tolerance for x, y in zip(given, right))

    def program(self, instance: Instance) -> str:
        kind, points = instance.facts.values()
        function, _ = self.kinds[kind]
        return f"{inspect.getsource(function)}\nprint({kind}(*{points}))\n"


# ---- a table of formulas ----------------------------------------------------------------------

class MathGeometry(Formula):
    """Lengths, areas and volumes: the text of a question and the formula that answers it.

    Slots: lengths a b c d, a whole right triangle x y z (z the hypotenuse), a small k >= 2.
    """
    suite, grade = "symbench", "B"
    functions = {"sqrt": math.sqrt, "abs": abs}
    ending = "Answer exactly (7/2, 3*sqrt(2), 5*pi) or with at least four decimals."
    table = (
        ("A right triangle has legs {a} and {b}. How long is its hypotenuse?",
         "sqrt({a} ** 2 + {b} ** 2)"),
        ("A right triangle has one leg {x} and the hypotenuse {z}. How long is the other leg?",
         "sqrt({z} ** 2 - {x} ** 2)"),
        ("What is the area of a circle with radius {a}?", "pi * {a} ** 2"),
        ("What is the circumference of a circle with diameter {a}?", "pi * {a}"),
        ("How long is the diagonal of a rectangle with sides {a} and {b}?",
         "sqrt({a} ** 2 + {b} ** 2)"),
        ("A triangle has base {a} and height {b}. What is its area?", "{a} * {b} / 2"),
        ("The diagonal of a square is {a}. What is its area?", "{a} ** 2 / 2"),
        ("What is the area of an equilateral triangle with side {a}?", "sqrt(3) / 4 * {a} ** 2"),
        ("A trapezoid of height {c} has parallel sides {a} and {b}. What is its area?",
         "({a} + {b}) / 2 * {c}"),
        ("How far apart are the points ({a}, {b}) and ({c}, {d})?",
         "sqrt(({a} - {c}) ** 2 + ({b} - {d}) ** 2)"),
        ("What is the volume of a sphere with radius {a}?", "4 / 3 * pi * {a} ** 3"),
        ("The diagonals of a rhombus are {a} and {b}. What is its area?", "{a} * {b} / 2"),
        ("The diagonals of a rhombus are {a} and {b}. How long is its side?",
         "sqrt({a} ** 2 + {b} ** 2) / 2"),
        ("A box has edges {a}, {b} and {c}. What is its surface area?",
         "2 * ({a} * {b} + {b} * {c} + {c} * {a})"),
        ("A box has edges {a}, {b} and {c}. How far apart are the two corners farthest from each "
         "other?",
         "sqrt({a} ** 2 + {b} ** 2 + {c} ** 2)"),
        ("What is the volume of a cylinder with radius {a} and height {b}?", "pi * {a} ** 2 * {b}"),
        ("What is the volume of a cone with base radius {a} and height {b}?",
         "pi * {a} ** 2 * {b} / 3"),
        ("A cone has base radius {x} and height {y}. What is the area of its curved surface?",
         "pi * {x} * sqrt({x} ** 2 + {y} ** 2)"),
        ("A pyramid of height {b} stands on a square with side {a}. What is its volume?",
         "{a} ** 2 * {b} / 3"),
        ("What is the area of a circle's sector with radius {a} and an angle of {15 * k} degrees?",
         "pi * {a} ** 2 * {15 * k} / 360"),
        ("How long is the arc that an angle of {15 * k} degrees at the centre cuts out of a "
         "circle with radius {a}?",
         "2 * pi * {a} * {15 * k} / 360"),
        ("A chord of a circle with radius {z} is {x} away from the centre. How long is it?",
         "2 * sqrt({z} ** 2 - {x} ** 2)"),
        ("A point is {a + b} away from the centre of a circle with radius {a}. How long is the "
         "tangent from the point to the circle?",
         "sqrt({a + b} ** 2 - {a} ** 2)"),
        ("Two chords of a circle cross. The point divides one into {a * b} and {c}, and a piece "
         "of the other is {a}. How long is the other piece?",
         "{a * b} * {c} / {a}"),
        ("What is the area between two circles with the same centre and the radii {a} and {a + "
         "b}?",
         "pi * ({a + b} ** 2 - {a} ** 2)"),
        ("How many degrees has each angle of a regular polygon with {k + 2} sides?",
         "180 * ({k + 2} - 2) / {k + 2}"),
        ("An arc of a circle is seen from the centre under {10 * k} degrees. Under how many "
         "degrees is it seen from a point on the rest of the circle?",
         "{10 * k} / 2"),
        ("What is the area of a regular hexagon with side {a}?", "3 * sqrt(3) / 2 * {a} ** 2"),
        ("Two similar triangles have matching sides {a} and {b}. The area of the first is {c}. "
         "What is the area of the second?",
         "{c} * {b} ** 2 / {a} ** 2"),
        ("What is the area of a triangle with sides {a + b}, {b + c} and {c + a}?",
         "sqrt({a + b + c} * {a} * {b} * {c})"),
        ("What is the radius of the incircle of a triangle with sides {a + b}, {b + c} and {c + "
         "a}?",
         "sqrt({a} * {b} * {c} / {a + b + c})"),
        ("What is the radius of the circle through the corners of a triangle with sides {a + b}, "
         "{b + c} and {c + a}?",
         "{a + b} * {b + c} * {c + a} / 4 / sqrt({a + b + c} * {a} * {b} * {c})"),
        ("How high is a right triangle with legs {x} and {y} above its hypotenuse?",
         "{x} * {y} / sqrt({x} ** 2 + {y} ** 2)"),
        ("A right triangle has an angle of 60 degrees and the hypotenuse {a}. How long is its "
         "longer leg?",
         "{a} * sqrt(3) / 2"),
        ("Two sides of a triangle are {a} and {b}, with an angle of 60 degrees between them. How "
         "long is the third?",
         "sqrt({a} ** 2 + {b} ** 2 - {a} * {b})"),
        ("What is the area of the triangle with the corners (0, 0), ({a}, {b}) and ({c}, {d})?",
         "abs({a} * {d} - {b} * {c}) / 2"),
        ("A polygon has its corners on points with whole coordinates, no holes and no crossing "
         "sides. {a} such points lie inside it and {b + 2} on its edge. What is its area?",
         "{a} + {b + 2} / 2 - 1"),
    )

    def slots(self, rng: Random, level: int) -> dict[str, Any]:
        size = at(rng, level, 12, 40, 400)
        # Euclid's formula: n*n - m*m and 2*m*n are the legs, m*m + n*n is the hypotenuse
        m, n = sorted(rng.sample(range(1, at(rng, level, 4, 7, 20)), 2))
        x, y = rng.sample((n * n - m * m, 2 * m * n), 2)
        lengths = {name: rng.randint(2, size) for name in "abcd"}
        return dict(lengths, x=x, y=y, z=m * m + n * n, k=rng.randint(2, 10))

    def check(self, answer: str, instance: Instance) -> bool:
        expect = amount(instance.expect)
        return abs(amount(answer) - expect) <= 2e-4 + 1e-12 * expect


# ---- shapes drawn by a path -------------------------------------------------------------------

SHAPES = ("line", "triangle", "rectangle", "trapezoid", "kite", "pentagon", "hexagon", "heptagon",
          "octagon", "circle", "ellipse", "sector")


def polar(radius: float, degrees: float) -> complex:
    """The point at this distance and angle from 0: points of the plane are complex numbers."""
    return cmath.rect(radius, math.radians(degrees))


def spell(point: complex) -> str:
    """A point as paths show it: "12.34,5.60"."""
    return f"{point.real:.2f},{point.imag:.2f}"


def sides(corners):
    """The vectors from each corner to the next."""
    return [b - a for a, b in zip(corners, corners[1:] + corners[:1])]


def sine(a, b):
    """The sine of the angle between two vectors: 0 if they are parallel."""
    return (a.conjugate() * b).imag / abs(a * b)


class GeometricShapes(Choice):
    """Paths of SVG: M moves the pen, L draws a line, A draws an arc.

    "M 1,1 L 5,1 L 1,4 L 1,1" is a triangle; "A 8,3 30 0,1 9,9" goes on to 9,9 along an ellipse
    with radii 8 and 3, turned by 30 degrees; the flags choose one of four such arcs.
    """
    suite, split = "bbh", "test"
    uses = (sides, sine)

    def make(self, rng: Random, level: int) -> tuple:
        shape = rng.choice(SHAPES)
        if shape in ("circle", "ellipse", "sector"):
            path = self._arcs(rng, shape)
        else:
            path = self._strokes(rng, shape, level)
        wrong = [other for other in SHAPES if other != shape]
        block, right = options(rng, shape, rng.sample(wrong, at(rng, level, 3, 9, 11)))
        question = (f'Which shape does the SVG path "{path}" draw? If several names fit, take the '
                    f"most specific one.\n{block}\nAnswer with the letter.")
        return question, dict(path=path, options=block), right

    @staticmethod
    def _arcs(rng: Random, shape: str) -> str:
        """A circle or an ellipse as two halves, or a sector as an arc between two radii."""
        centre = complex(rng.uniform(30, 70), rng.uniform(30, 70))
        turn = rng.uniform(0, 360)
        long = rng.uniform(8, 30)
        short = long * rng.uniform(0.3, 0.7) if shape == "ellipse" else long
        arc = f"A {long:.2f},{short:.2f} {turn:.2f}"
        start = spell(centre + polar(long, turn))

        if shape == "sector":  # along one radius, the arc, and back along the other radius
            wide = rng.choice((rng.uniform(40, 150), rng.uniform(210, 320)))
            end = spell(centre + polar(long, turn + wide))
            large = int(wide > 180)  # the flag for the longer way round
            return f"M {spell(centre)} L {start} {arc} {large},1 {end} L {spell(centre)}"
        # there by one half, and back by the other
        opposite = spell(centre + polar(long, turn + 180.0))
        return f"M {start} {arc} 0,1 {opposite} {arc} 0,1 {start}"

    def _strokes(self, rng: Random, shape: str, level: int) -> str:
        """A shape with straight sides, turned and moved, and drawn from one of its corners on."""
        while True:
            drawn = self._corners(rng, shape)
            turn = polar(1, rng.uniform(0, 360))
            middle = complex(rng.uniform(35, 65), rng.uniform(35, 65))
            # no three corners in a row, or nearly so
            vectors = sides(drawn)
            bends = [abs(sine(a, b)) for a, b in pairwise(vectors + vectors[:1])]
            if shape == "line" or min(bends) > 0.1:
                break

        # any corner may be the first, and an outline ends where it began
        points = [spell(middle + turn * corner) for corner in drawn]
        first = rng.randrange(len(points))
        points = points[first:] + points[:first]
        if shape != "line":
            points.append(points[0])

        lift = at(rng, level, 0, 0.3, 0.7)  # how often the pen is lifted and put down where it is
        path = f"M {points[0]} L {points[1]}"
        for before, after in pairwise(points[1:]):
            if rng.random() < lift:
                path += f" M {before}"
            path += f" L {after}"
        return path

    @staticmethod
    def _corners(rng: Random, shape: str) -> list[complex]:
        """The corners in order, around 0 or near it, not turned yet."""
        a, b, c = rng.uniform(8, 14), rng.uniform(17, 25), rng.uniform(10, 30)
        if shape == "line":
            return [0, b]
        if shape == "rectangle":
            return [0, a, complex(a, b), complex(0, b)]
        if shape == "trapezoid":  # the upper side is the shorter one, and not above the middle
            right = rng.uniform(3, 8) + a
            return [0, b + 15, complex(right, c), complex(rng.uniform(1, 3), c)]
        if shape == "kite":
            return [complex(0, a), -rng.uniform(5, 12), complex(0, -a), b + c]
        # around a circle, each corner somewhat off its place
        count = {"triangle": 3, "pentagon": 5, "hexagon": 6, "heptagon": 7, "octagon": 8}[shape]
        return [polar(rng.uniform(16, 24), (i + rng.uniform(-0.25, 0.25)) * 360 / count)
                for i in range(count)]

    @staticmethod
    def solve(path, options):
        if "A" in path:
            long, short = path.split("A ")[1].split()[0].split(",")
            shape = "sector" if "L" in path else "circle" if long == short else "ellipse"
        else:
            points = [word for word in dict.fromkeys(path.split()) if word not in "ML"]
            corners = [complex(*map(float, point.split(","))) for point in points]
            names = ["line", "triangle", "", "pentagon", "hexagon", "heptagon", "octagon"]
            shape = names[len(corners) - 2]
            if len(corners) == 4:  # count the pairs of parallel sides
                a, b, c, d = sides(corners)
                pairs = (abs(sine(a, c)) < 0.01) + (abs(sine(b, d)) < 0.01)
                shape = ["kite", "trapezoid", "rectangle"][pairs]
        return next(line[1] for line in options.splitlines() if line[4:] == shape)
