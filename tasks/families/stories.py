"""Stories: families, legs, purchases, walks, tables, coloured things, swaps."""
import inspect
import re
from fractions import Fraction
from itertools import permutations
from random import Random
from typing import Any, Callable

from tasks.base import (COUNTS, Choice, Formula, Instance, Task, arguments, at, between, decimal,
                        integer, norm, number, options, yes_no)
from tasks.families.words import ANIMALS, FIRST_NAMES, NAMES, NOUNS, VERBS

WOMEN, MEN = ([name for name, gender in NAMES if gender == sex] for sex in "fm")
PEOPLE = ("bakers", "children", "doctors", "farmers", "nurses", "painters", "pilots", "teachers")
COLOURS = ["black", "blue", "brown", "gold", "green", "grey", "orange", "pink", "purple", "red",
           "silver", "teal", "turquoise", "white", "yellow"]


def listed(parts: list[str]) -> str:
    """a, b and c"""
    *before, last = parts
    return f"{', '.join(before)} and {last}" if before else last


def a(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


class Aiw(Formula):
    """Who counts themselves? Slots: women F G, men M N, numbers a b c d."""
    parse = staticmethod(integer)
    siblings = "{F} has {a} sisters and {b} brothers, all of the same parents. "
    brothers = "{M} has {a} sisters and {b} brothers, all of the same parents. "
    friends = ("{F} has {a} female and {b} male friends. All of them are friends of each other and "
               "have no other friends. One of them is {M}. ")
    colleagues = ("{F} has {a} female and {b} male colleagues in a shop, and {c} female and {d} "
                  "male colleagues in an office. In each place everybody is a colleague of "
                  "everybody else. {M} works in the shop; only {F} works in both. ")
    ending = "Answer with one integer."
    table = (
        (siblings + "How many sisters does her brother {M} have?", "{a} + 1"),
        (siblings + "How many brothers does her brother {M} have?", "{b} - 1"),
        (siblings + "How many sisters does her sister {G} have?", "{a} - 1 + 1"),
        (siblings + "How many brothers does her sister {G} have?", "{b}"),
        (brothers + "How many brothers does his sister {F} have?", "{b} + 1"),
        (brothers + "How many sisters does his sister {F} have?", "{a} - 1"),
        (brothers + "How many brothers does his brother {N} have?", "{b} - 1 + 1"),
        (brothers + "How many children do his parents have?", "{a} + {b} + 1"),
        (siblings + "How many daughters do her parents have?", "{a} + 1"),
        (friends + "How many female friends does {M} have?", "{a} + 1"),
        (friends + "How many male friends does {M} have?", "{b} - 1"),
        (colleagues + "How many female colleagues does {M} have?", "{a} + 1"),
        (colleagues + "How many male colleagues does {M} have?", "{b} - 1"),
        (colleagues + "How many colleagues does {F} have in all?", "{a} + {b} + {c} + {d}"),
    )

    def slots(self, rng: Random, level: int) -> dict[str, Any]:
        people = dict(zip("FGMN", rng.sample(WOMEN, 2) + rng.sample(MEN, 2)))
        return dict(people, **{name: rng.randint(2, at(rng, level, 4, 7, 20)) for name in "abcd"})


class LegCounting(Task):
    """How many legs do 3 spiders and 1 duck have in all? The legs of each kind must be known."""
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        kinds = rng.sample(sorted(ANIMALS), between(rng, level, (2, 3), (3, 10), (10, 15)))
        animals = {kind: rng.randint(1, at(rng, level, 5, 15, 100)) for kind in kinds}
        told = listed([f"1 {kind}" if count == 1 else f"{count} {kind}s"
                       for kind, count in animals.items()])
        legs = sum(count * ANIMALS[kind] for kind, count in animals.items())
        return (f"How many legs do {told} have in all? Answer with one integer.",
                dict(animals=animals), legs)

    def program(self, instance: Instance) -> str:
        animals = instance.facts["animals"].items()
        return f"print({' + '.join(f'{count} * {ANIMALS[kind]}' for kind, count in animals)})\n"


class NeedleHaystack(Task):
    """Ann likes tea. Bob loathes chess. ... Who loathes chess? One sentence of many says it."""
    program = None

    def make(self, rng: Random, level: int) -> tuple:
        count = between(rng, level, (10, 30), (30, 100), (100, 130))
        pairs = [(verb, thing) for verb in VERBS for _, thing in NOUNS if thing not in PEOPLE]
        facts = rng.sample(pairs, count)  # all different
        text = " ".join(f"{rng.choice(FIRST_NAMES)} {verb} {thing}." for verb, thing in facts)
        verb, thing = rng.choice(facts)
        question = f"{text} Who {verb} {thing}? Answer with the name."
        return question, dict(text=text, verb=verb, thing=thing)

    @staticmethod
    def solve(text, verb, thing):
        sentences = [sentence.split() for sentence in text.split(".")]
        return next(words[0] for words in sentences if words[1:] == [verb, thing])

    def rationale(self, instance: Instance) -> str:
        who, facts = instance.expect, instance.facts
        return f'The text says "{who} {facts["verb"]} {facts["thing"]}." So the answer is {who}.'


class FamilyRelationships(Task):
    """Couples with their children, some of whom are the next couples; one relation is asked for."""

    def make(self, rng: Random, level: int) -> tuple:
        men, women = rng.sample(MEN, 14), rng.sample(WOMEN, 14)
        couples = between(rng, level, (1, 1), (2, 2), (3, 4))
        families = self._families(rng, men, women, couples)
        people, sentences = set(), []
        for man, woman, children in families:
            people |= {man, woman} | {child for child, _ in children}
            told = listed([f"a {kind} {child}" for child, kind in children])
            sentences.append(f"{man} and his wife {woman} have {told}.")
        # Every relation is asked for equally often, however many pairs of people have it.
        pairs = {}  # relation -> pairs of people
        for who, to in permutations(sorted(people), 2):
            relation = self.solve(families, who, to)
            if relation:
                pairs.setdefault(relation, []).append((who, to))
        who, to = rng.choice(pairs[rng.choice(sorted(pairs))])
        return (f"{' '.join(sentences)} What is {who} to {to}? "
                "Answer with the word, such as uncle or daughter-in-law.",
                dict(families=families, who=who, to=to))

    @staticmethod
    def _families(rng: Random, men: list[str], women: list[str], couples: int) -> list:
        """[man, woman, [[child, "son" or "daughter"], ...]] for every couple; names are used up."""
        families = []
        # [child, kind], the oldest generation first. The first couple comes from nowhere; later
        # ones are a child and somebody new.
        unmarried = [["", ""]]
        while len(families) < couples:
            first = not families
            child, kind = unmarried.pop(0)
            man = child if kind == "son" else men.pop()
            woman = child if kind == "daughter" else women.pop()
            count = rng.randint(2, 3) if first else rng.randint(1, 2)
            kinds = rng.choices(("son", "daughter"), k=count)
            children = [[(men if kind == "son" else women).pop(), kind] for kind in kinds]
            families.append([man, woman, children])
            unmarried += children
            if first:
                rng.shuffle(unmarried)
        return families

    @staticmethod
    def solve(families, who, to):
        # Steps from everybody: p to a parent, c to a child, m to the husband or wife.
        women, steps = set(), {}
        for man, woman, children in families:
            women.add(woman)
            for a, step, b in [(man, "m", woman), (woman, "m", man)]:
                steps.setdefault(a, []).append((step, b))
            for child, kind in children:
                if kind == "daughter":
                    women.add(child)
                for parent in (man, woman):
                    steps.setdefault(parent, []).append(("c", child))
                    steps.setdefault(child, []).append(("p", parent))
        # The shortest way from `to` to everybody.
        ways, queue = {to: ""}, [to]
        for person in queue:
            for step, other in steps[person]:
                if other not in ways:
                    ways[other] = ways[person] + step
                    queue.append(other)
        words = {"p": "father mother", "c": "son daughter", "m": "husband wife",
                 "pc": "brother sister", "pp": "grandfather grandmother",
                 "cc": "grandson granddaughter", "ppc": "uncle aunt", "pcc": "nephew niece",
                 "ppcc": "cousin cousin", "mp": "father-in-law mother-in-law",
                 "cm": "son-in-law daughter-in-law"}
        return words[ways[who]].split()[who in women] if ways[who] in words else None

    @staticmethod
    def parse(text: str) -> str:
        return re.sub(r"[\s-]", "", norm(text))


class ColorCubeRotation(Task):
    """A cube with a named colour on each face is turned; which colour is then on one face?

    Each turn brings a face to the top: "front, then left" is two quarter turns.
    """
    split = "test"

    def make(self, rng: Random, level: int) -> tuple:
        faces = "top bottom front back left right".split()
        cube = dict(zip(faces, rng.sample(COLOURS, 6)))
        count = between(rng, level, (1, 2), (2, 4), (6, 12))
        turns = [rng.choice(faces[1:]) for _ in range(count)]
        face = rng.choice(faces)
        sides = ", ".join(map(" ".join, cube.items()))
        # This is the one turn whose direction the shortest way leaves open.
        half = " The bottom comes up by a half turn about the axis from left to right."
        return (f"The faces of a cube are coloured: {sides}. It is turned, each time by the "
                "shortest way that brings the face then at the named place to the top: "
                f"{', then '.join(turns)}.{half if 'bottom' in turns else ''} "
                f"Which colour is now on the {face} face? Answer with the colour.",
                dict(cube=cube, turns=turns, face=face))

    @staticmethod
    def solve(cube, turns, face):
        opposite = {"front": "back", "back": "front", "left": "right", "right": "left"}
        for turn in turns:
            # The near face comes to the top, and what was there goes to the far side.
            for near in ["front", "front"] if turn == "bottom" else [turn]:
                far = opposite[near]
                moved = {"top": cube[near], far: cube["top"], "bottom": cube[far],
                         near: cube["bottom"]}
                cube = {**cube, **moved}
        return cube[face]


class Gsm(Formula):
    """Stories with sums of two to six operations, in the manner of GSM-Hard.

    Slots: a b c are numbers as long as the level says, k m small ones, p q percentages,
    u v sums of money, X Y names, T a thing.
    """
    suite, grade = "symbench", "B"
    ending = "Answer with one number, with two decimals if it is not whole."
    table = (
        ("{X} has {a} {T} and is given {k} boxes, each with {b} {T} in it. How many {T} does {X} "
         "have now?",
         "{a} + {k} * {b}"),
        ("{X} has {a + b + c} {T}, gives {b} to {Y} and loses {c}. How many {T} are left?",
         "{a + b + c} - {b} - {c}"),
        ("A shop sells {a} {T} a day. How many does it sell in {k} weeks, open every day?",
         "{a} * 7 * {k}"),
        ("{X} buys {a} {T} at {u} dollars each and pays {v} dollars for delivery. How many "
         "dollars is that in all?",
         "{a} * {u} + {v}"),
        ("{X} shares {a * k} {T} equally among {k} children. Then each gets {b} more. How many "
         "does each child have?",
         "{a * k} / {k} + {b}"),
        ("{X} has {a} {T} and {Y} has {k} times as many. How many do they have together?",
         "{a} + {k} * {a}"),
        ("{X} earns {u} dollars an hour and works {k} hours a day. How many dollars is that in "
         "{m} days?",
         "{u} * {k} * {m}"),
        ("{X} walks {a} metres a day for {k} days and {b} metres on one more day. How many metres "
         "is that in all?",
         "{a} * {k} + {b}"),
        ("{X} buys {k} {T} at {u} dollars each and pays with {k * u + v} dollars. How many "
         "dollars does {X} get back?",
         "{k * u + v} - {k} * {u}"),
        ("A book has {a + k * b} pages. {X} reads {b} pages a day for {k} days. How many pages "
         "are left?",
         "{a + k * b} - {k} * {b}"),
        ("{X} saves {u} dollars a month for {k} years. How many dollars is that in all?",
         "{u} * 12 * {k}"),
        ("A machine makes {a} {T} a minute. How many does it make in {k} hours?", "{a} * 60 * {k}"),
        ("A farm packs {k * b} eggs in crates of {k} and sells each crate for {u} dollars. How "
         "many dollars does it get?",
         "{k * b} / {k} * {u}"),
        ("A coat costs {20 * a} dollars and is sold {p} percent cheaper. What is its price in "
         "dollars?",
         "{20 * a} * (100 - {p}) / 100"),
        ("A town had {20 * a} people. Their number grew by {p} percent, then {b} more came. How "
         "many are there now?",
         "{20 * a} * (100 + {p}) / 100 + {b}"),
        ("A piano costs {400 * a} dollars. The price falls by {p} percent and then by {q} percent "
         "of the new price. What is the last price in dollars?",
         "{400 * a} * (100 - {p}) / 100 * (100 - {q}) / 100"),
        ("A rope is {a} metres and {k} centimetres long. How many centimetres long are {m} such "
         "ropes together?",
         "({a} * 100 + {k}) * {m}"),
        ("A train covers {a * k} kilometres in {k} hours. How many kilometres does it cover in "
         "{m} hours at that speed?",
         "{a * k} / {k} * {m}"),
        ("{X} sold {a} {T} on Monday and {a + 2 * b} on Tuesday. How many is that a day on "
         "average?",
         "({a} + {a + 2 * b}) / 2"),
        ("{X} collects {a + b} {T} a week and {Y} {b} a week. How many more does {X} collect than "
         "{Y} in {k} weeks?",
         "({a + b} - {b}) * {k}"),
        ("A theatre sells {a} tickets at {u} dollars and {b} tickets at {v} dollars. How many "
         "dollars does it take?",
         "{a} * {u} + {b} * {v}"),
        ("{X} has {k * a} {T} and gives one out of every {k} to {Y}. How many does {X} keep?",
         "{k * a} - {k * a} / {k}"),
        ("{X} and {Y} share {k * a + m * a} dollars in the ratio {k} to {m}. How many dollars "
         "does {X} get?",
         "{k * a + m * a} * {k} / ({k} + {m})"),
        ("{k} equal pumps empty a pool in {m * a} hours. How many hours do {k * m} such pumps "
         "need?",
         "{k} * {m * a} / {k * m}"),
        ("{X} lends {Y} {100 * a} dollars at {p} percent simple interest a year. How many dollars "
         "does {Y} owe after {k} years?",
         "{100 * a} + {100 * a} * {p} / 100 * {k}"),
        ("{X} buys {a} {T} at {u} dollars each and sells them at {u + v} dollars each. How many "
         "dollars does {X} gain?",
         "{a} * ({u + v} - {u})"),
        ("One hill is {a} metres high, the second {b} metres higher, the third {k} times as high "
         "as the second. How many metres are they together?",
         "{a} + ({a} + {b}) + {k} * ({a} + {b})"),
        ("A car burns {k} litres of fuel on 100 kilometres, and a litre costs {u} dollars. How "
         "many dollars does the fuel for {100 * a} kilometres cost?",
         "{100 * a} / 100 * {k} * {u}"),
        ("There are {c} litres of water in a tank. Every minute {a + b} litres flow in and {b} "
         "litres out. How many litres are in it after {k} minutes?",
         "{c} + ({a + b} - {b}) * {k}"),
        ("{X} gives away half of the {T} and then {a} more. Now {b} are left. How many were there "
         "at first?",
         "({a} + {b}) * 2"),
        ("After a discount of {p} percent a boat costs {100 * a - p * a} dollars. What did it "
         "cost before, in dollars?",
         "{100 * a - p * a} / (100 - {p}) * 100"),
        ("{X} earns {b} dollars a month and {p} percent of all sales. How many dollars does {X} "
         "earn with sales of {20 * a} dollars?",
         "{b} + {20 * a} * {p} / 100"),
    )

    things = "apples books buttons candles stamps cups lamps pencils plates".split()

    def slots(self, rng: Random, level: int) -> dict[str, Any]:
        low, high = at(rng, level, (1, 2), (3, 4), (6, 7))
        digits = {name: rng.randint(low, high) for name in "abcuv"}
        sizes = {name: rng.randint(max(2, 10 ** (length - 1)), 10 ** length - 1)
                 for name, length in digits.items()}
        if level > 3:  # prices with cents
            sizes |= {name: Fraction(rng.randint(101, 100 * sizes[name]), 100) for name in "uv"}
        x, y = rng.sample(FIRST_NAMES, 2)
        percent = range(5, 65, 5)
        return dict(sizes, k=rng.randint(2, 12), m=rng.randint(2, 9), p=rng.choice(percent),
                    q=rng.choice(percent), X=x, Y=y, T=rng.choice(self.things))

    def fits(self, answer: Fraction, level: int) -> bool:
        return level > 3 or answer.denominator == 1

    def make(self, rng: Random, level: int) -> tuple:
        question, facts, answer = super().make(rng, level)
        return question, facts, decimal(answer)

    def check(self, answer: str, instance: Instance) -> bool:
        without_dollars = re.sub(r"^\s*\$|\s*(\$|dollars?\.?)\s*$", "", answer)
        expect = number(instance.expect)
        # To the cent, with room for the error of floats alone.
        return abs(number(without_dollars) - expect) <= 0.004 + 4e-16 * expect


class Navigate(Task):
    """A walk, told with directions or with turns. Places are complex numbers, 1 is ahead."""
    suite = "bbh"
    parse = staticmethod(yes_no)
    ways = {1: "forward", 1j: "left", -1: "backward", -1j: "right"}
    turns = {1j: "Turn left", -1j: "Turn right", -1: "Turn around"}

    def make(self, rng: Random, level: int) -> tuple:
        back = rng.random() < 0.5
        turning = level > 1 and rng.random() < 0.5
        legs = self._way_home(rng, count=between(rng, level, (2, 2), (2, 6), (10, 18)))
        if not back:
            i = rng.randrange(len(legs))
            way, steps = legs[i]
            # Two steps more or fewer: the sum of all steps is even, whether one returns or not.
            legs[i] = way, rng.choice([n for n in (steps - 2, steps + 2) if n > 0])
        if not turning:
            rng.shuffle(legs)
        moves = self._told(legs, turning)
        facing = "" if turning else "Always face forward. "
        return (f"If you follow these instructions, do you return to the start? {facing}"
                f"{'. '.join(moves)}. Answer Yes or No.", dict(moves=moves))

    def _way_home(self, rng: Random, count: int) -> list[tuple[complex, int]]:
        """Legs (direction, steps) that lead back to the start: `count` drawn ones, and home."""
        x = y = 11
        while max(abs(x), abs(y)) > 10:
            legs = [(rng.choice(list(self.ways)), rng.randint(1, 10)) for _ in range(count)]
            place = complex(sum(way * steps for way, steps in legs))
            x, y = int(place.real), int(place.imag)
        home = [(-1 if x > 0 else 1, abs(x)), (-1j if y > 0 else 1j, abs(y))]
        return legs + [(way, steps) for way, steps in home if steps]

    def _told(self, legs: list, turning: bool) -> list[str]:
        """Legs in words: "Take 2 steps left", or, with turns, "Turn left", "Take 2 steps"."""
        moves, heading = [], 1
        for way, steps in legs:
            take = "Take 1 step" if steps == 1 else f"Take {steps} steps"
            if turning and way != heading:
                moves.append(self.turns[way / heading])
                heading = way
            moves.append(take if turning else f"{take} {self.ways[way]}")
        return moves

    @staticmethod
    def solve(moves):
        place, heading = 0, 1  # complex numbers: 1 is ahead, 1j is left
        ways = {"left": 1j, "right": -1j, "backward": -1}
        for move in moves:
            words = move.split()
            if words[0] == "Turn":
                heading *= {"left": 1j, "right": -1j, "around": -1}[words[1]]
            else:
                place += int(words[1]) * heading * ways.get(words[-1], 1)
        return "Yes" if place == 0 else "No"

    def program(self, instance: Instance) -> str:
        """Without turns, one sum of complex numbers: 3 forward and 2 left are 3 + 2j."""
        moves = [move.split() for move in instance.facts["moves"]]
        if any(len(words) < 4 for words in moves):  # a turn, or steps without a direction
            return self.script(instance)
        signs = {"forward": "+ {}", "backward": "- {}", "left": "+ {}j", "right": "- {}j"}
        terms = " ".join(signs[way].format(steps) for _, steps, _, way in moves)
        return f'print("Yes" if {terms.removeprefix("+ ")} == 0 else "No")\n'


def singular_and_plural(words: str) -> list[tuple[str, str]]:
    """ "apple cherry/cherries" -> [("apple", "apples"), ("cherry", "cherries")] """
    return [tuple(word.split("/")) if "/" in word else (word, word + "s") for word in words.split()]


GOODS = {
    "fruits": singular_and_plural("""
        apple apricot banana blueberry/blueberries cherry/cherries grape grapefruit kiwi lemon
        lime mango/mangoes melon nectarine orange papaya peach/peaches pear pineapple plum
        strawberry/strawberries"""),
    "vegetables": singular_and_plural("""
        artichoke beetroot cabbage carrot cauliflower celeriac endive kohlrabi leek lettuce
        onion parsnip potato/potatoes radish/radishes rutabaga scallion shallot sprout turnip
        yam"""),
    "animals": singular_and_plural("""
        bear camel cat cow dog donkey duck fox/foxes frog goat hen horse lion monkey owl pig
        rabbit snake tiger wolf/wolves"""),
    "musical instruments": singular_and_plural("""
        accordion banjo bassoon cello clarinet cornet flute guitar harmonica harp lute mandolin
        oboe piano saxophone trombone trumpet tuba viola violin"""),
    "pieces of furniture": singular_and_plural("""
        armchair bed bench/benches bookcase bureau chair couch/couches cradle cupboard desk
        dresser footstool nightstand ottoman recliner sideboard sofa stool table wardrobe"""),
    "pieces of clothing": singular_and_plural("""
        bathrobe blouse cardigan coat dress/dresses jacket jumper kimono nightgown poncho
        pullover raincoat robe sari shirt skirt sock sweater swimsuit tunic"""),
    "tools": singular_and_plural("""
        chisel crowbar drill hammer hatchet hoe mallet pickaxe pitchfork rake sander saw
        screwdriver shovel sickle sledgehammer spade spanner trowel wrench/wrenches"""),
    "vehicles": singular_and_plural("""
        airplane ambulance bicycle boat bus/buses canoe car coach/coaches ferry/ferries
        helicopter lorry/lorries motorcycle scooter ship taxi tractor train tram truck van"""),
}

# All of them but the animals, which nobody calls objects.
OBJECTS = [pair for kind, pairs in GOODS.items() if kind != "animals" for pair in pairs]


class ObjectCounting(Task):
    """I have two pears, a harp and three limes. How many fruits do I have?"""
    suite, split = "bbh", "test"
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        asked = rng.choice(["objects", *GOODS])
        size = between(rng, level, (2, 4), (5, 9), (12, 20))
        wanted = size if asked == "objects" else rng.randint(1, size)
        right = OBJECTS if asked == "objects" else GOODS[asked]
        other = [pair for pair in sum(GOODS.values(), []) if pair not in right]
        chosen = rng.sample(right, wanted) + rng.sample(other, size - wanted)
        rng.shuffle(chosen)
        things, counted = [], []
        for one, many in chosen:
            number = rng.randint(1, at(rng, level, 3, 5, 12))
            things.append(f"{COUNTS[number]} {many}" if number > 1 else a(one))
            if (one, many) in right:
                counted.append(number)
        return (f"I have {listed(things)}. How many {asked} do I have? Answer with one integer.",
                dict(counted=counted), sum(counted))

    def program(self, instance: Instance) -> str:
        return f"print({' + '.join(map(str, instance.facts['counted']))})\n"


def rows_about(tables, added, removed, about):
    """The rows of one table, or of all, after penguins were added at the end and deleted."""
    penguins = [row for row in tables["penguins"] + added if row[0] not in removed]
    tables = {**tables, "penguins": penguins}
    return sum(tables.values(), []) if about == "animals" else tables[about]


def look_up(rows, kind, column, wanted=None):
    """Rows hold name, age, height and weight; the answer to one kind of question about them."""
    from statistics import mean
    values = [row[column] for row in rows]
    if kind == "rank":  # the name at this place when the largest number comes first
        return sorted(rows, key=lambda row: -row[column])[wanted][0]
    if kind == "alphabet":
        return sorted(values)[wanted]
    if kind == "row":
        return values[wanted]
    if kind == "cell":  # of the animal with this name
        return next(row[column] for row in rows if row[0] == wanted)
    if kind == "count":  # the rows that pass all conditions
        for column, more, bound in wanted:
            rows = [row for row in rows if (row[column] > bound if more else row[column] < bound)]
        return len(rows)
    if kind == "spread":
        return max(values) - min(values)
    return sum(values) if kind == "sum" else mean(values)


class PenguinsInATable(Choice):
    """A table of penguins, maybe one of giraffes, maybe changed, and a question about the rows."""
    suite, split, uses = "bbh", "test", (rows_about, look_up)
    # The columns of numbers, column 0 is the name: heading, unit, both ends, less and more.
    columns = {1: ("age", "years", ("oldest", "youngest"), ("younger", "older")),
               2: ("height", "cm", ("tallest", "shortest"), ("shorter", "taller")),
               3: ("weight", "kg", ("heaviest", "lightest"), ("lighter", "heavier"))}

    def make(self, rng: Random, level: int) -> tuple:
        right = 0.5
        while isinstance(right, float):  # a mean is asked for only if it is whole
            text, facts = self._scene(rng, level)
            rows = rows_about(**facts)
            question, form = self._ask(rng, rows, facts["about"])
            right = look_up(rows, *form)
        if isinstance(right, str):
            choices = [row[0] for row in rows]
        else:
            # Five neighbouring numbers; where the right one stands among them is drawn.
            lowest = rng.randint(max(0, right - 4), right)
            choices = range(lowest, lowest + 5)
        wrong = [choice for choice in choices if choice != right]
        block, letter = options(rng, right, rng.sample(wrong, min(4, len(wrong))))
        return (f"{text}\n{question}\n{block}\nAnswer with the letter.",
                dict(facts, form=form, options=block), letter)

    def _scene(self, rng: Random, level: int) -> tuple[str, dict]:
        """The tables and what happens to them."""
        # No two animals share a value, so that there are no ties.
        size = between(rng, level, (3, 4), (4, 5), (6, 8))
        scales = FIRST_NAMES, range(2, 25), range(40, 120), range(5, 60)
        columns = [rng.sample(scale, 2 * size + 1) for scale in scales]
        *animals, last = [list(row) for row in zip(*columns)]
        tables, added, removed = {"penguins": animals[:size]}, [], []
        about = ["penguins"]
        often = at(rng, level, 0, 0.4, 0.7)
        if rng.random() < often:
            tables["giraffes"] = animals[size:]
            about += ["giraffes", "animals"]
        text = "\n".join(self._shown(species, rows) for species, rows in tables.items())
        if rng.random() < often:
            added.append(last)
            text += f"\nThen the penguin {self._told(last)} is added at the end of its table."
        if rng.random() < often:
            removed.append(rng.choice(tables["penguins"])[0])
            text += f"\nThen the penguin {removed[0]} is deleted."
        return text, dict(tables=tables, added=added, removed=removed, about=rng.choice(about))

    @staticmethod
    def _told(row: list) -> str:
        return ", ".join(map(str, row))

    def _shown(self, species: str, rows: list) -> str:
        heading = f"Table of {species}:\nname, age (years), height (cm), weight (kg)"
        return "\n".join([heading, *map(self._told, rows)])

    def _ask(self, rng: Random, rows: list, about: str) -> tuple[str, list]:
        """A question about the rows, and the same as arguments of `look_up`."""
        column, other = rng.sample([1, 2, 3], 2)
        head, unit, ends, _ = self.columns[column]
        end = rng.choice((0, 1))
        name = rng.choice(rows)[0]
        first, first_form = self._condition(rng, rows, column)
        second, second_form = self._condition(rng, rows, other)
        one, most, in_alphabet = about.removesuffix("s"), ends[end], ("first", "last")[end]
        asked = [
            (f"Which {one} is the {most}?", ["rank", column, -end]),
            (f"Which {one} is the second {most}?", ["rank", column, -2 if end else 1]),
            (f"How many {about} are listed now?", ["count", 0, []]),
            (f"How many {about} are {first}?", ["count", 0, [first_form]]),
            (f"How many {about} are {first} and {second}?",
             ["count", 0, [first_form, second_form]]),
            (f"What is the sum of the {head}s of all {about}, in {unit}?", ["sum", column]),
            (f"What is the average {head} of the {about}, in {unit}?", ["mean", column]),
            (f"How many {unit} are there between the {' and the '.join(ends)} {one}?",
             ["spread", column]),
            (f"Whose name is {in_alphabet} in the alphabet among the {about}?",
             ["alphabet", 0, -end]),
            (f"What is the {head} of {name}, in {unit}?", ["cell", column, name]),
        ]
        if about != "animals":
            place = rng.randrange(len(rows))
            asked.append((f"Which {one} is in row {place + 1} below the heading of its table now?",
                          ["row", 0, place]))
        return rng.choice(asked)

    def _condition(self, rng: Random, rows: list, column: int) -> tuple[str, list]:
        """A comparison with one of the rows: "taller than 70 cm", [2, 1, 70]."""
        _, unit, _, compared = self.columns[column]
        more, bound = rng.choice((0, 1)), rng.choice(rows)[column]
        return f"{compared[more]} than {bound} {unit}", [column, more, bound]

    @staticmethod
    def solve(tables, added, removed, about, form, options):
        answer = str(look_up(rows_about(tables, added, removed, about), *form))
        return next(line[1] for line in options.splitlines() if line[4:] == answer)


# ---- coloured things: one function for each kind of question -------------------------------------
# A row holds [colour, thing] from left to right; groups hold [number, colour, thing].

def colour_of(row, thing):
    return next(colour for colour, name in row if name == thing)


def is_colour(row, thing, colour):
    return "yes" if [colour, thing] in row else "no"


def colour_at(row, place):
    return row[place][0]


def colour_beside(row, thing, step):
    names = [name for _, name in row]
    return row[names.index(thing) + step][0]


def colour_furthest(row, thing):
    left = [name for _, name in row].index(thing)
    right = len(row) - 1 - left
    return row[0][0] if left > right else row[-1][0]


def count_neither(row, colours):
    return sum(colour not in colours for colour, _ in row)


def count_beside(row, thing, side, colour):
    i = [name for _, name in row].index(thing)
    part = row[:i] if side == "left" else row[i + 1:]
    return sum(other != colour for other, _ in part)


def count_left(groups, colour, thing):
    return sum(number for number, other, name in groups if other != colour and name == thing)


SMALL = [pair for pair in NOUNS if pair[0] in (
    "ball", "book", "bottle", "brush", "button", "candle", "clock", "coin", "cup", "fork", "hammer",
    "hat", "key", "lamp", "mirror", "pencil", "plate", "ring", "spoon", "stone")]


class ReasoningAboutColoredObjects(Choice):
    """Things in a row, or in groups, and one question of eight kinds about them.

    Grade B: as in the original, all colours are choices and few of them are told, and the thing at
    an end of the row is asked for more often than the others.
    """
    suite, grade = "bbh", "B"
    shortcut = "all colours are choices, few are told, and an end of the row is often asked for"
    kinds = (colour_of, is_colour, colour_at, colour_beside, colour_furthest, count_neither,
             count_beside, count_left)

    def make(self, rng: Random, level: int) -> tuple:
        kind = rng.choice(self.kinds)
        palette, many = at(rng, level, 5, 15, 15), at(rng, level, 5, 10, 17)
        colours = rng.sample(COLOURS, palette)
        size = between(rng, level, (3, 3), (4, 6), (7, 8))
        things = rng.sample(SMALL, size)
        row = [[rng.choice(colours[:size]), one] for one, _ in things]
        (colour, thing), other = rng.choice(row), rng.choice(colours[:size])
        if kind is count_left:
            story, facts, question = self._groups(rng, colours[:3], things[:2], min(size, 5))
        else:
            if kind in (is_colour, count_neither):
                other = rng.choice([choice for choice in colours if choice != colour])
            things_told = listed([a(" ".join(pair)) for pair in row])
            story = f"is a row of things from left to right: {things_told}"
            facts, question = self._about(rng, kind, row, thing, colour, other)
            facts = dict(row=row, **facts)
        right = str(kind(**facts))
        if right in ("yes", "no"):
            choices = ["yes", "no"]
        else:
            choices = colours if right in colours else [str(n) for n in range(many)]
        block, letter = options(rng, right, [choice for choice in choices if choice != right])
        where = rng.choice(("desk", "floor", "shelf", "table"))
        return (f"On the {where} there {story}. {question}\n{block}\nAnswer with the letter.",
                dict(kind=kind.__name__, **facts, options=block), letter)

    @staticmethod
    def _about(rng: Random, kind: Callable, row: list, thing: str, colour: str,
               other: str) -> tuple[dict, str]:
        """Arguments of a kind of question besides the row, and the question.

        They are about a thing of the row, its colour, or another colour, drawn before.
        """
        last, place = len(row) - 1, row.index([colour, thing])
        if kind is colour_of:
            return dict(thing=thing), f"What is the colour of the {thing}?"
        if kind is is_colour:
            told = rng.choice((colour, other))
            return dict(thing=thing, colour=told), f"Is the {thing} {told}?"
        if kind is colour_at:
            end, which = rng.choice(((0, "leftmost"), (-1, "rightmost")))
            return dict(place=end), f"What is the colour of the {which} thing?"
        if kind is colour_beside:
            # The ends of the row have a neighbour on one side alone.
            step = {0: 1, last: -1}.get(place) or rng.choice((1, -1))
            side = {1: "right", -1: "left"}[step]
            return (dict(thing=thing, step=step),
                    f"What is the colour of the thing directly to the {side} of the {thing}?")
        if kind is colour_furthest:
            # The thing in the middle is equally far from both ends.
            start = row[0][1] if 2 * place == last else thing
            return (dict(thing=start),
                    f"What is the colour of the thing furthest from the {start}?")
        if kind is count_neither:
            return (dict(colours=[colour, other]),
                    f"How many things are neither {colour} nor {other}?")
        side = rng.choice(("left", "right"))
        return (dict(thing=thing, side=side, colour=other),
                f"How many things that are not {other} are to the {side} of the {thing}?")

    @staticmethod
    def _groups(rng: Random, colours: list, things: list, count: int) -> tuple[str, dict, str]:
        """Groups of equal things, their facts, and how many are left without one colour."""
        kinds = [(colour, *pair) for colour in colours for pair in things]
        groups = [(rng.randint(1, 4), *kind) for kind in rng.sample(kinds, count)]
        _, gone, _, _ = rng.choice(groups)
        _, _, thing, plural = rng.choice(groups)
        told = listed([f"{n} {colour} {many if n > 1 else one}" for n, colour, one, many in groups])
        verb = "is" if told.startswith("1 ") else "are"
        facts = dict(groups=[[n, colour, one] for n, colour, one, _ in groups], colour=gone,
                     thing=thing)
        return (f"{verb} {told}", facts,
                f"If all {gone} things are taken away, how many {plural} are left?")

    def program(self, instance: Instance) -> str:
        facts = dict(instance.facts)
        kind = facts.pop("kind")
        choices = [line[4:] for line in facts.pop("options").splitlines()]
        answer = f"str({kind}({arguments(facts)}))"
        return (f"{inspect.getsource(globals()[kind])}\n"
                f'print("ABCDEFGHIJKLMNOPQ"[{choices}.index({answer})])\n')


# ---- swaps ---------------------------------------------------------------------------------------

class Tracking(Choice, abstract=True):
    """Everybody has one thing; two at a time swap; who has what at the end?"""
    suite, count = "bbh", 3
    program = Task.script
    settings = (  # what each has at first, how two of them swap, what is asked, the things
        ("{} dances with {}", "{} and {} switch partners", "Whom does {} dance with at the end?",
         ["Alma", "Bart", "Cleo", "Dirk", "Enid", "Finn", "Gwen", "Hank"]),
        ("{} holds the {} ball", "{} and {} swap balls",
         "Which ball does {} hold at the end?", COLOURS),
        ("{} has the {} present", "{} and {} swap presents",
         "Which present does {} have at the end?", COLOURS),
        ("{} wears the {} hat", "{} and {} swap hats",
         "Which hat does {} wear at the end?", COLOURS),
        ("{} reads the {}", "{} and {} swap books", "Which book does {} read at the end?",
         ["atlas", "biography", "comic", "cookbook", "diary", "dictionary", "fairy tale", "novel"]),
        ("{} plays as {}", "{} and {} change positions", "Which position does {} play at the end?",
         ["goalkeeper", "left back", "left winger", "midfielder", "right back", "right winger",
          "striker", "sweeper"]),
        ("{} plays the {}", "{} and {} swap instruments",
         "Which instrument does {} play at the end?",
         ["cello", "clarinet", "drum", "flute", "guitar", "harp", "trumpet", "violin"]),
        ("{} sits in seat {}", "{} and {} change seats", "In which seat does {} sit at the end?",
         ["A1", "A2", "A3", "B1", "B2", "B3", "C1", "C2"]),
    )

    def make(self, rng: Random, level: int) -> tuple:
        has, swap, ask, things = rng.choice(self.settings)
        people = rng.sample(FIRST_NAMES, self.count)
        start = dict(zip(people, rng.sample(things, self.count)))
        swap_count = self.count * at(rng, level, 1, 1, 3)
        if level == 1:
            swap_count -= 1
        swaps = [rng.sample(people, 2) for _ in range(swap_count)]
        who = rng.choice(people)
        shown = rng.sample(sorted(start.values()), self.count)
        block, _ = options(rng, shown[0], shown[1:])
        told = f"At first {listed([has.format(*pair) for pair in start.items()])}. "
        told += " ".join(f"Then {swap.format(*pair)}." for pair in swaps)
        return (f"{told} {ask.format(who)}\n{block}\nAnswer with the letter.",
                dict(start=start, swaps=swaps, who=who, options=block))

    @staticmethod
    def solve(start, swaps, who, options):
        has = dict(start)
        for a, b in swaps:
            has[a], has[b] = has[b], has[a]
        return next(line[1] for line in options.splitlines() if line[4:] == has[who])


class TrackingShuffledObjectsThreeObjects(Tracking):
    pass


class TrackingShuffledObjectsFiveObjects(Tracking):
    count = 5


class TrackingShuffledObjectsSevenObjects(Tracking):
    count = 7
