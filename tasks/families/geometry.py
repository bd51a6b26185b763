"""Geometry: angles, triangles, formulas, and shapes drawn by a path."""
import inspect
import math
from random import Random
from typing import Any

from tasks.base import Choice, Formula, Instance, Task, amount, at, items, number, options


class SimpleGeometry(Task):
    def make(self, rng: Random, level: int) -> tuple:
        sides = rng.randint(*at(rng, level, (3, 4), (3, 6), (6, 12)))
        turns = [180]  # outer angles of a convex polygon: each below 180 degrees, 360 together
        while max(turns) >= 180:
            cuts = sorted(rng.sample(range(1, 360), sides - 1))
            turns = [b - a for a, b in zip([0, *cuts], [*cuts, 360])]
        angles = [180 - turn for turn in turns[1:]]
        listed = ", ".join(map(str, angles[:-1])) + f" and {angles[-1]}"
        return (f"A convex polygon with {sides} sides has angles of {listed} degrees. How many degrees has the last "
                "angle? Answer with a number.", dict(sides=sides, angles=angles))

    @staticmethod
    def solve(sides, angles):
        return 180 * (sides - 2) - sum(angles)

    def check(self, answer: str, instance: Instance) -> bool:
        return abs(amount(answer) - int(instance.expect)) < 1e-6

    def program(self, instance: Instance) -> str:
        return f"print(180 * ({instance.facts['sides']} - 2) - sum({instance.facts['angles']}))\n"


def orthocentre(a, b, c):
    # H - A is perpendicular to C - B and H - B to C - A: two linear equations, solved by Cramer's rule
    (p, q), (r, s) = (c[0] - b[0], c[1] - b[1]), (c[0] - a[0], c[1] - a[1])
    u, v = p * a[0] + q * a[1], r * b[0] + s * b[1]
    det = p * s - q * r
    return round((u * s - q * v) / det, 3), round((p * v - u * r) / det, 3)


def inradius(a, b, c):
    from math import dist
    area = abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) / 2
    return round(2 * area / (dist(a, b) + dist(b, c) + dist(c, a)), 3)


def angle(a, b, c):
    from math import atan2, degrees
    (p, q), (r, s) = (a[0] - b[0], a[1] - b[1]), (c[0] - b[0], c[1] - b[1])
    return round(degrees(abs(atan2(p * s - q * r, p * r + q * s))), 3)


class AdvancedGeometry(Task):
    kinds = {"orthocentre": (orthocentre, "Where is its orthocentre? Answer with (x, y) to three decimals."),
             "inradius": (inradius, "What is the radius of its incircle? Answer with a number to three decimals."),
             "angle": (angle, "What is the angle at B in degrees? Answer with a number to three decimals.")}

    def make(self, rng: Random, level: int) -> tuple:
        kind = rng.choice(list(self.kinds))
        function, asked = self.kinds[kind]
        reach = at(rng, level, 5, 10, 50)
        while True:
            a, b, c = points = [[rng.randint(-reach, reach) for _ in "xy"] for _ in "abc"]
            if abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) >= 2:  # twice the area
                corners = ", ".join(f"{name}({x}, {y})" for name, (x, y) in zip("ABC", points))
                question = f"A triangle has the corners {corners}. {asked}"
                return question, dict(kind=kind, points=points), function(*points)

    def check(self, answer: str, instance: Instance) -> bool:
        expect = [number(part) for part in items(instance.expect)]
        tolerance = 0.01 if instance.facts["kind"] == "angle" else 0.002
        if len(expect) == 1:
            return abs(amount(answer) - expect[0]) <= tolerance
        x, y = map(amount, items(answer.split("=")[-1]))
        return abs(x - expect[0]) <= tolerance and abs(y - expect[1]) <= tolerance

    def program(self, instance: Instance) -> str:
        function, _ = self.kinds[instance.facts["kind"]]
        return f"{inspect.getsource(function)}\nprint({function.__name__}(*{instance.facts['points']}))\n"


class MathGeometry(Formula):
    """Slots: lengths a b c d, a whole right triangle x y z (z the hypotenuse), a small number k >= 2."""
    suite, grade = "symbench", "B"
    functions = {"sqrt": math.sqrt, "abs": abs}
    ending = "Answer exactly (7/2, 3*sqrt(2), 5*pi) or with at least four decimals."
    table = (
        ("A right triangle has legs {a} and {b}. How long is its hypotenuse?", "sqrt({a} ** 2 + {b} ** 2)"),
        ("A right triangle has one leg {x} and the hypotenuse {z}. How long is the other leg?",
         "sqrt({z} ** 2 - {x} ** 2)"),
        ("What is the area of a circle with radius {a}?", "pi * {a} ** 2"),
        ("What is the circumference of a circle with diameter {a}?", "pi * {a}"),
        ("How long is the diagonal of a rectangle with sides {a} and {b}?", "sqrt({a} ** 2 + {b} ** 2)"),
        ("A triangle has base {a} and height {b}. What is its area?", "{a} * {b} / 2"),
        ("The diagonal of a square is {a}. What is its area?", "{a} ** 2 / 2"),
        ("What is the area of an equilateral triangle with side {a}?", "sqrt(3) / 4 * {a} ** 2"),
        ("A trapezoid of height {c} has parallel sides {a} and {b}. What is its area?", "({a} + {b}) / 2 * {c}"),
        ("How far apart are the points ({a}, {b}) and ({c}, {d})?", "sqrt(({a} - {c}) ** 2 + ({b} - {d}) ** 2)"),
        ("What is the volume of a sphere with radius {a}?", "4 / 3 * pi * {a} ** 3"),
        ("The diagonals of a rhombus are {a} and {b}. What is its area?", "{a} * {b} / 2"),
        ("The diagonals of a rhombus are {a} and {b}. How long is its side?", "sqrt({a} ** 2 + {b} ** 2) / 2"),
        ("A box has edges {a}, {b} and {c}. What is its surface?", "2 * ({a} * {b} + {b} * {c} + {c} * {a})"),
        ("A box has edges {a}, {b} and {c}. How far apart are opposite corners?",
         "sqrt({a} ** 2 + {b} ** 2 + {c} ** 2)"),
        ("What is the volume of a cylinder with radius {a} and height {b}?", "pi * {a} ** 2 * {b}"),
        ("What is the volume of a cone with base radius {a} and height {b}?", "pi * {a} ** 2 * {b} / 3"),
        ("A cone has base radius {x} and height {y}. What is the area of its curved surface?",
         "pi * {x} * sqrt({x} ** 2 + {y} ** 2)"),
        ("A pyramid of height {b} stands on a square with side {a}. What is its volume?", "{a} ** 2 * {b} / 3"),
        ("What is the area of a circle's sector with radius {a} and an angle of {15 * k} degrees?",
         "pi * {a} ** 2 * {15 * k} / 360"),
        ("How long is the arc that an angle of {15 * k} degrees at the centre cuts out of a circle with radius {a}?",
         "2 * pi * {a} * {15 * k} / 360"),
        ("A chord of a circle with radius {z} is {x} away from the centre. How long is it?",
         "2 * sqrt({z} ** 2 - {x} ** 2)"),
        ("A point is {a + b} away from the centre of a circle with radius {a}. How long is the tangent from the point "
         "to the circle?", "sqrt({a + b} ** 2 - {a} ** 2)"),
        ("Two chords of a circle cross. The point divides one into {a * b} and {c}, and a piece of the other is {a}. "
         "How long is the other piece?", "{a * b} * {c} / {a}"),
        ("What is the area between two circles with the same centre and the radii {a} and {a + b}?",
         "pi * ({a + b} ** 2 - {a} ** 2)"),
        ("How many degrees has each angle of a regular polygon with {k + 2} sides?", "180 * ({k + 2} - 2) / {k + 2}"),
        ("An arc of a circle is seen from the centre under {10 * k} degrees. Under how many degrees is it seen from "
         "a point on the rest of the circle?", "{10 * k} / 2"),
        ("What is the area of a regular hexagon with side {a}?", "3 * sqrt(3) / 2 * {a} ** 2"),
        ("Two similar triangles have matching sides {a} and {b}. The area of the first is {c}. What is the area of the "
         "second?", "{c} * {b} ** 2 / {a} ** 2"),
        ("What is the area of a triangle with sides {a + b}, {b + c} and {c + a}?",
         "sqrt({a + b + c} * {a} * {b} * {c})"),
        ("What is the radius of the incircle of a triangle with sides {a + b}, {b + c} and {c + a}?",
         "sqrt({a} * {b} * {c} / {a + b + c})"),
        ("What is the radius of the circle through the corners of a triangle with sides {a + b}, {b + c} and {c + a}?",
         "{a + b} * {b + c} * {c + a} / 4 / sqrt({a + b + c} * {a} * {b} * {c})"),
        ("How high is a right triangle with legs {x} and {y} above its hypotenuse?",
         "{x} * {y} / sqrt({x} ** 2 + {y} ** 2)"),
        ("A right triangle has an angle of 60 degrees and the hypotenuse {a}. How long is its longer leg?",
         "{a} * sqrt(3) / 2"),
        ("Two sides of a triangle are {a} and {b}, with an angle of 60 degrees between them. How long is the third?",
         "sqrt({a} ** 2 + {b} ** 2 - {a} * {b})"),
        ("What is the area of the triangle with the corners (0, 0), ({a}, {b}) and ({c}, {d})?",
         "abs({a} * {d} - {b} * {c}) / 2"),
        ("A polygon has its corners on points with whole coordinates, no holes and no crossing sides. {a} such points "
         "lie inside it and {b + 2} on its edge. What is its area?", "{a} + {b + 2} / 2 - 1"),
    )

    def slots(self, rng: Random, level: int) -> dict[str, Any]:
        size = at(rng, level, 12, 40, 400)
        m, n = sorted(rng.sample(range(1, at(rng, level, 4, 7, 20)), 2))
        x, y = rng.sample((n * n - m * m, 2 * m * n), 2)
        return dict({name: rng.randint(2, size) for name in "abcd"}, x=x, y=y, z=m * m + n * n, k=rng.randint(2, 10))

    def check(self, answer: str, instance: Instance) -> bool:
        expect = amount(instance.expect)
        return abs(amount(answer) - expect) <= 2e-4 + 1e-12 * expect


SHAPES = ("line", "triangle", "rectangle", "trapezoid", "kite", "pentagon", "hexagon", "heptagon", "octagon", "circle",
          "ellipse", "sector")


class GeometricShapes(Choice):
    suite, split = "bbh", "test"

    def make(self, rng: Random, level: int) -> tuple:
        shape = rng.choice(SHAPES)
        path = self._arcs(rng, shape) if shape in ("circle", "ellipse", "sector") else self._strokes(rng, shape, level)
        wrong = [other for other in SHAPES if other != shape]
        block, right = options(rng, shape, rng.sample(wrong, at(rng, level, 3, 9, 11)))
        return (f'Which shape does the SVG path "{path}" draw? If several names fit, take the '
                f"most specific one.\n{block}\nAnswer with the letter.",
                dict(path=path, options=block), right)

    @staticmethod
    def _polar(centre: complex, radius: float, degrees: float) -> complex:
        return centre + radius * complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))

    def _arcs(self, rng: Random, shape: str) -> str:
        centre, turn = complex(rng.uniform(30, 70), rng.uniform(30, 70)), rng.uniform(0, 360)
        long, flags = rng.uniform(8, 30), "0,1"
        short = long * rng.uniform(0.3, 0.7) if shape == "ellipse" else long
        wide = 180.0
        if shape == "sector":
            wide = rng.choice((rng.uniform(40, 150), rng.uniform(210, 320)))
            flags = f"{int(wide > 180)},1"
        start, end = (f"{p.real:.2f},{p.imag:.2f}" for p in (self._polar(centre, long, turn),
                                                            self._polar(centre, long, turn + wide)))
        arc = f"A {long:.2f},{short:.2f} {turn:.2f} {flags}"
        if shape == "sector":
            middle = f"{centre.real:.2f},{centre.imag:.2f}"
            return f"M {middle} L {start} {arc} {end} L {middle}"
        return f"M {start} {arc} {end} {arc} {start}"

    def _strokes(self, rng: Random, shape: str, level: int) -> str:
        while True:
            corners = self._corners(rng, shape)
            turn, middle = self._polar(0, 1, rng.uniform(0, 360)), complex(rng.uniform(35, 65), rng.uniform(35, 65))
            corners = [middle + turn * corner for corner in corners]
            sides = [b - a for a, b in zip(corners, corners[1:] + corners[:1])]
            bends = [(a.conjugate() * b).imag / abs(a * b) for a, b in zip(sides, sides[1:] + sides[:1])]
            if shape == "line" or min(map(abs, bends)) > 0.1:  # no three corners in a row
                break
        first = rng.randrange(len(corners))
        corners = corners[first:] + corners[:first]
        texts = [f"{p.real:.2f},{p.imag:.2f}" for p in corners + corners[:1] * (shape != "line")]
        lift = at(rng, level, 0, 0.3, 0.7)  # how often the pen is lifted and put down where it is
        path = f"M {texts[0]} L {texts[1]}"
        for before, after in zip(texts[1:], texts[2:]):
            path += (f" M {before}" if rng.random() < lift else "") + f" L {after}"
        return path

    def _corners(self, rng: Random, shape: str) -> list[complex]:
        a, b, c = rng.uniform(8, 14), rng.uniform(17, 25), rng.uniform(10, 30)
        if shape == "line":
            return [0, b]
        if shape == "rectangle":
            return [0, a, a + b * 1j, b * 1j]
        if shape == "trapezoid":
            return [0, b + 15, rng.uniform(3, 8) + a + c * 1j, rng.uniform(1, 3) + c * 1j]
        if shape == "kite":
            return [a * 1j, -rng.uniform(5, 12), -a * 1j, b + c]
        count = 3 if shape == "triangle" else SHAPES.index(shape)
        return [self._polar(0, rng.uniform(16, 24), (i + rng.uniform(-0.25, 0.25)) * 360 / count) for i in range(count)]

    @staticmethod
    def solve(path, options):
        if "A" in path:
            radii = path.split("A ")[1].split()[0].split(",")
            shape = "sector" if "L" in path else "circle" if radii[0] == radii[1] else "ellipse"
        else:
            words = [word for word in path.split() if word not in "ML"]
            corners = [complex(*map(float, word.split(","))) for word in dict.fromkeys(words)]
            sides = [b - a for a, b in zip(corners, corners[1:] + corners[:1])]
            shape = ["", "", "line", "triangle", "", "pentagon", "hexagon", "heptagon", "octagon"][len(corners)]
            if not shape:  # four corners: count the pairs of parallel sides
                pairs = [(sides[0], sides[2]), (sides[1], sides[3])]
                parallel = [abs((a.conjugate() * b).imag) < 0.01 * abs(a * b) for a, b in pairs]
                shape = ["kite", "trapezoid", "rectangle"][sum(parallel)]
        return next(line[1] for line in options.splitlines() if line[4:] == shape)
