"""Stories: families, legs, purchases, walks, tables, coloured things, swaps."""
import inspect
import re
from fractions import Fraction
from random import Random
from typing import Any

from tasks.base import Choice, Formula, Instance, Task, at, decimal, integer, norm, number, options, yes_no
from tasks.families.words import ANIMALS, NAMES, NOUNS, VERBS

WOMEN, MEN = ([name for name, gender in NAMES if gender == sex] for sex in "fm")
PEOPLE = ("bakers", "children", "doctors", "farmers", "nurses", "painters", "pilots", "teachers")
COLOURS = ["black", "blue", "brown", "gold", "green", "grey", "orange", "pink", "purple", "red", "silver", "teal",
           "turquoise", "white", "yellow"]


def listed(parts: list[str]) -> str:
    """a, b and c"""
    return ", ".join(parts[:-1]) + " and " * (len(parts) > 1) + parts[-1]


def a(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


class Aiw(Formula):
    """Who counts themselves? Slots: women F G, men M N, numbers a b c d."""
    parse = staticmethod(integer)
    siblings = "{F} has {a} sisters and {b} brothers, all of the same parents. "
    brothers = "{M} has {a} sisters and {b} brothers, all of the same parents. "
    friends = ("{F} has {a} female and {b} male friends. All of them are friends of each other and have no other "
               "friends. One of them is {M}. ")
    colleagues = ("{F} has {a} female and {b} male colleagues in a shop, and {c} female and {d} male colleagues in an "
                  "office. In each place everybody is a colleague of everybody else. {M} works in the shop; only {F} "
                  "works in both. ")
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
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        kinds = rng.sample(sorted(ANIMALS), rng.randint(*at(rng, level, (2, 3), (3, 10), (10, 15))))
        animals = {kind: rng.randint(1, at(rng, level, 5, 15, 100)) for kind in kinds}
        told = listed([f"{count} {kind}{'s' * (count > 1)}" for kind, count in animals.items()])
        return (f"How many legs do {told} have in all? Answer with one integer.", dict(animals=animals),
                sum(count * ANIMALS[kind] for kind, count in animals.items()))

    def program(self, instance: Instance) -> str:
        return f"print({' + '.join(f'{n} * {ANIMALS[kind]}' for kind, n in instance.facts['animals'].items())})\n"


class NeedleHaystack(Task):
    natural, program = False, None

    def make(self, rng: Random, level: int) -> tuple:
        count = rng.randint(*at(rng, level, (10, 30), (30, 100), (100, 130)))
        pairs = [(verb, thing) for verb in VERBS for _, thing in NOUNS if thing not in PEOPLE]
        facts = rng.sample(pairs, count)  # all different
        text = " ".join(f"{rng.choice(NAMES)[0]} {verb} {thing}." for verb, thing in facts)
        verb, thing = rng.choice(facts)
        return f"{text} Who {verb} {thing}? Answer with the name.", dict(text=text, verb=verb, thing=thing)

    @staticmethod
    def solve(text, verb, thing):
        return next(line.split()[0] for line in text.split(".") if line.split()[1:] == [verb, thing])

    def rationale(self, instance: Instance) -> str:
        who, facts = instance.expect, instance.facts
        return f'The text says "{who} {facts["verb"]} {facts["thing"]}." So the answer is {who}.'


class FamilyRelationships(Task):
    def make(self, rng: Random, level: int) -> tuple:
        names = dict(m=rng.sample(MEN, 14), f=rng.sample(WOMEN, 14))
        couples = rng.randint(*at(rng, level, (1, 1), (2, 2), (3, 4)))
        families, single = [], []  # couples with their children; those who can still marry, oldest first
        while len(families) < couples:
            person, sex = single.pop(0) if single else (names["m"].pop(), "m")
            partner = names["mf"[sex == "m"]].pop()
            children = [[names[s].pop(), {"m": "son", "f": "daughter"}[s]]
                        for s in rng.choices("mf", k=rng.randint(1, 2) if families else rng.randint(2, 3))]
            families.append([*([person, partner] if sex == "m" else [partner, person]), children])
            single += [(child, "mf"[kind == "daughter"]) for child, kind in children]
            if len(families) == 1:
                rng.shuffle(single)
        people = sorted({person for man, woman, children in families
                         for person in (man, woman, *(child for child, _ in children))})
        pairs = {}  # relation -> pairs of people
        for who in people:
            for to in people:
                if word := self.solve(families, who, to):
                    pairs.setdefault(word, []).append((who, to))
        who, to = rng.choice(pairs[rng.choice(sorted(pairs))])
        text = " ".join(f"{man} and his wife {woman} have {listed([f'a {kind} {child}' for child, kind in children])}."
                        for man, woman, children in families)
        return (f"{text} What is {who} to {to}? Answer with the word, such as uncle or daughter-in-law.",
                dict(families=families, who=who, to=to))

    @staticmethod
    def solve(families, who, to):
        women, steps = set(), {}  # steps: person -> (p to a parent, c to a child or m to the married partner, person)
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
        ways, queue = {to: ""}, [to]  # the shortest way from `to` to everybody
        for person in queue:
            for step, other in steps[person]:
                if other not in ways:
                    ways[other] = ways[person] + step
                    queue.append(other)
        words = {"p": "father mother", "c": "son daughter", "m": "husband wife", "pc": "brother sister",
                 "pp": "grandfather grandmother", "cc": "grandson granddaughter", "ppc": "uncle aunt",
                 "pcc": "nephew niece", "ppcc": "cousin cousin", "mp": "father-in-law mother-in-law",
                 "cm": "son-in-law daughter-in-law"}
        return words[ways[who]].split()[who in women] if ways[who] in words else None

    @staticmethod
    def parse(text: str) -> str:
        return re.sub(r"[\s-]", "", norm(text))


class ColorCubeRotation(Task):
    split = "test"
    faces = ["top", "bottom", "front", "back", "left", "right"]

    def make(self, rng: Random, level: int) -> tuple:
        cube = dict(zip(self.faces, rng.sample(COLOURS, 6)))
        turns = [rng.choice(self.faces[1:]) for _ in range(rng.randint(*at(rng, level, (1, 2), (2, 4), (6, 12))))]
        face = rng.choice(self.faces)
        sides = ", ".join(f"{place} {colour}" for place, colour in cube.items())
        told = ", then ".join(turns)
        half = " The bottom comes up by a half turn about the axis from left to right." * ("bottom" in turns)
        return (f"The faces of a cube are coloured: {sides}. It is turned, each time by the shortest way that brings "
                f"the face then at the named place to the top: {told}.{half} Which colour is now on the {face} face? "
                "Answer with the colour.", dict(cube=cube, turns=turns, face=face))

    @staticmethod
    def solve(cube, turns, face):
        rings = {"front": ["front", "top", "back", "bottom"], "back": ["back", "top", "front", "bottom"],
                 "left": ["left", "top", "right", "bottom"], "right": ["right", "top", "left", "bottom"]}
        for turn in turns:
            for ring in [rings["front"]] * 2 if turn == "bottom" else [rings[turn]]:
                moved = {ring[(i + 1) % 4]: cube[ring[i]] for i in range(4)}
                cube = {**cube, **moved}
        return cube[face]


class Gsm(Formula):
    """Slots: numbers a b c of the level's length, small ones k m, percentages p q, money u v, names X Y, a thing T."""
    suite, grade = "symbench", "B"
    ending = "Answer with one number, with two decimals if it is not whole."
    table = (
        ("{X} has {a} {T} and is given {k} boxes, each with {b} {T} in it. How many {T} does {X} have now?", "{a} + {k} * {b}"),
        ("{X} has {a + b + c} {T}, gives {b} to {Y} and loses {c}. How many {T} are left?", "{a + b + c} - {b} - {c}"),
        ("A shop sells {a} {T} a day. How many does it sell in {k} weeks, open every day?", "{a} * 7 * {k}"),
        ("{X} buys {a} {T} at {u} dollars each and pays {v} dollars for delivery. How many dollars is that in all?",
         "{a} * {u} + {v}"),
        ("{X} shares {a * k} {T} equally among {k} children. Then each gets {b} more. How many does each child have?",
         "{a * k} / {k} + {b}"),
        ("{X} has {a} {T} and {Y} has {k} times as many. How many do they have together?", "{a} + {k} * {a}"),
        ("{X} earns {u} dollars an hour and works {k} hours a day. How many dollars is that in {m} days?",
         "{u} * {k} * {m}"),
        ("{X} walks {a} metres a day for {k} days and {b} metres on one more day. How many metres is that in all?",
         "{a} * {k} + {b}"),
        ("{X} buys {k} {T} at {u} dollars each and pays with {k * u + v} dollars. How many dollars does {X} get back?",
         "{k * u + v} - {k} * {u}"),
        ("A book has {a + k * b} pages. {X} reads {b} pages a day for {k} days. How many pages are left?",
         "{a + k * b} - {k} * {b}"),
        ("{X} saves {u} dollars a month for {k} years. How many dollars is that in all?", "{u} * 12 * {k}"),
        ("A machine makes {a} {T} a minute. How many does it make in {k} hours?", "{a} * 60 * {k}"),
        ("A farm packs {k * b} eggs in crates of {k} and sells each crate for {u} dollars. How many dollars does it "
         "get?",
         "{k * b} / {k} * {u}"),
        ("A coat costs {20 * a} dollars and is sold {p} percent cheaper. What is its price in dollars?",
         "{20 * a} * (100 - {p}) / 100"),
        ("A town had {20 * a} people. Their number grew by {p} percent, then {b} more came. How many are there now?",
         "{20 * a} * (100 + {p}) / 100 + {b}"),
        ("A piano costs {400 * a} dollars. The price falls by {p} percent and then by {q} percent of the new price. "
         "What is the last price in dollars?", "{400 * a} * (100 - {p}) / 100 * (100 - {q}) / 100"),
        ("A rope is {a} metres and {k} centimetres long. How many centimetres long are {m} such ropes together?",
         "({a} * 100 + {k}) * {m}"),
        ("A train covers {a * k} kilometres in {k} hours. How many kilometres does it cover in {m} hours at that speed?",
         "{a * k} / {k} * {m}"),
        ("{X} sold {a} {T} on Monday and {a + 2 * b} on Tuesday. How many is that a day on average?",
         "({a} + {a + 2 * b}) / 2"),
        ("{X} collects {a + b} {T} a week and {Y} {b} a week. How many more does {X} collect than {Y} in {k} weeks?",
         "({a + b} - {b}) * {k}"),
        ("A theatre sells {a} tickets at {u} dollars and {b} tickets at {v} dollars. How many dollars does it take?",
         "{a} * {u} + {b} * {v}"),
        ("{X} has {k * a} {T} and gives one out of every {k} to {Y}. How many does {X} keep?",
         "{k * a} - {k * a} / {k}"),
        ("{X} and {Y} share {k * a + m * a} dollars in the ratio {k} to {m}. How many dollars does {X} get?",
         "{k * a + m * a} * {k} / ({k} + {m})"),
        ("{k} equal pumps empty a pool in {m * a} hours. How many hours do {k * m} such pumps need?",
         "{k} * {m * a} / {k * m}"),
        ("{X} lends {Y} {100 * a} dollars at {p} percent simple interest a year. How many dollars does {Y} owe after "
         "{k} years?", "{100 * a} + {100 * a} * {p} / 100 * {k}"),
        ("{X} buys {a} {T} at {u} dollars each and sells them at {u + v} dollars each. How many dollars does {X} gain?",
         "{a} * ({u + v} - {u})"),
        ("One hill is {a} metres high, the second {b} metres higher, the third {k} times as high as the second. How "
         "many metres are they together?", "{a} + ({a} + {b}) + {k} * ({a} + {b})"),
        ("A car burns {k} litres of fuel on 100 kilometres, and a litre costs {u} dollars. How many dollars does the "
         "fuel for {100 * a} kilometres cost?", "{100 * a} / 100 * {k} * {u}"),
        ("There are {c} litres of water in a tank. Every minute {a + b} litres flow in and {b} litres out. How many litres are in it "
         "after {k} minutes?", "{c} + ({a + b} - {b}) * {k}"),
        ("{X} gives away half of the {T} and then {a} more. Now {b} are left. How many were there at first?",
         "({a} + {b}) * 2"),
        ("After a discount of {p} percent a boat costs {100 * a - p * a} dollars. What did it cost before, in dollars?",
         "{100 * a - p * a} / (100 - {p}) * 100"),
        ("{X} earns {b} dollars a month and {p} percent of all sales. How many dollars does {X} earn with sales of "
         "{20 * a} dollars?", "{b} + {20 * a} * {p} / 100"),
    )

    def slots(self, rng: Random, level: int) -> dict[str, Any]:
        low, high = at(rng, level, (1, 2), (3, 4), (6, 7))
        digits = {name: rng.randint(low, high) for name in "abcuv"}
        sizes = {name: rng.randint(max(2, 10 ** (d - 1)), 10 ** d - 1) for name, d in digits.items()}
        if level > 3:  # prices with cents
            sizes.update({name: Fraction(rng.randint(101, 100 * sizes[name]), 100) for name in "uv"})
        (x, _), (y, _) = rng.sample(NAMES, 2)
        percent = range(5, 65, 5)
        return dict(sizes, k=rng.randint(2, 12), m=rng.randint(2, 9), p=rng.choice(percent), q=rng.choice(percent),
                    X=x, Y=y, T=rng.choice("apples books buttons candles stamps cups lamps pencils plates".split()))

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
    suite = "bbh"
    parse = staticmethod(yes_no)
    ways = {1: "forward", 1j: "left", -1: "backward", -1j: "right"}  # places are complex numbers, ahead is 1

    def make(self, rng: Random, level: int) -> tuple:
        back, turning = rng.random() < 0.5, level > 1 and rng.random() < 0.5
        count, home = rng.randint(*at(rng, level, (2, 2), (2, 6), (10, 18))), [(1, 99)]
        while max(steps for _, steps in home) > 10:
            legs = [(rng.choice(list(self.ways)), rng.randint(1, 10)) for _ in range(count)]
            place = sum(way * steps for way, steps in legs) + 0j
            x, y = int(place.real), int(place.imag)
            home = [(-1 if x > 0 else 1, abs(x)), (-1j if y > 0 else 1j, abs(y))]
        legs += [leg for leg in home if leg[1]]
        if not back:
            i = rng.randrange(len(legs))
            way, steps = legs[i]
            # Two steps more or fewer: the sum of all steps is even, whether one returns or not.
            legs[i] = way, rng.choice([n for n in (steps - 2, steps + 2) if n > 0])
        if not turning:
            rng.shuffle(legs)
        moves, heading = [], 1
        for way, steps in legs:
            if turning and way != heading:
                moves.append({1j: "Turn left", -1j: "Turn right", -1: "Turn around"}[way / heading])
                heading = way
            moves.append(f"Take {steps} step{'s' * (steps > 1)}" + f" {self.ways[way]}" * (not turning))
        facing = "" if turning else "Always face forward. "
        return (f"If you follow these instructions, do you return to the start? {facing}{'. '.join(moves)}. Answer Yes "
                "or No.", dict(moves=moves))

    @staticmethod
    def solve(moves):
        place, heading = 0, 1  # complex numbers: 1 is ahead, 1j is left
        for move in moves:
            words = move.split()
            if words[0] == "Turn":
                heading *= {"left": 1j, "right": -1j, "around": -1}[words[1]]
            else:
                place += int(words[1]) * heading * {"left": 1j, "right": -1j, "backward": -1}.get(words[-1], 1)
        return "Yes" if place == 0 else "No"

    def program(self, instance: Instance) -> str:
        moves = [move.split() for move in instance.facts["moves"]]
        if any(words[0] == "Turn" or len(words) < 4 for words in moves):
            return self.script(instance)
        signs = {"forward": "+ {}", "backward": "- {}", "left": "+ {}j", "right": "- {}j"}
        terms = " ".join(signs[words[3]].format(words[1]) for words in moves)
        return f'print("Yes" if {terms.removeprefix("+ ")} == 0 else "No")\n'


GOODS = {kind: [tuple(word.split("/")) if "/" in word else (word, word + "s") for word in words.split()]
         for kind, words in {
    "fruits": """apple apricot banana blueberry/blueberries cherry/cherries grape grapefruit kiwi lemon lime
        mango/mangoes melon nectarine orange papaya peach/peaches pear pineapple plum strawberry/strawberries""",
    "vegetables": """artichoke beetroot cabbage carrot cauliflower celeriac endive kohlrabi leek lettuce onion parsnip
        potato/potatoes radish/radishes rutabaga scallion shallot sprout turnip yam""",
    "animals": """bear camel cat cow dog donkey duck fox/foxes frog goat hen horse lion monkey owl pig rabbit snake
        tiger wolf/wolves""",
    "musical instruments": """accordion banjo bassoon cello clarinet cornet flute guitar harmonica harp lute mandolin
        oboe piano saxophone trombone trumpet tuba viola violin""",
    "pieces of furniture": """armchair bed bench/benches bookcase bureau chair couch/couches cradle cupboard desk
        dresser footstool nightstand ottoman recliner sideboard sofa stool table wardrobe""",
    "pieces of clothing": """bathrobe blouse cardigan coat dress/dresses jacket jumper kimono nightgown poncho
        pullover raincoat robe sari shirt skirt sock sweater swimsuit tunic""",
    "tools": """chisel crowbar drill hammer hatchet hoe mallet pickaxe pitchfork rake sander saw screwdriver shovel
        sickle sledgehammer spade spanner trowel wrench/wrenches""",
    "vehicles": """airplane ambulance bicycle boat bus/buses canoe car coach/coaches ferry/ferries helicopter
        lorry/lorries motorcycle scooter ship taxi tractor train tram truck van""",
}.items()}
COUNTS = ["", "", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


class ObjectCounting(Task):
    suite, split = "bbh", "test"
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        asked = rng.choice([*GOODS, "objects"])
        size = rng.randint(*at(rng, level, (2, 4), (5, 9), (12, 20)))
        wanted = size if asked == "objects" else rng.randint(1, size)
        right = [(kind, pair) for kind, pairs in GOODS.items() for pair in pairs if asked in (kind, "objects")]
        other = [(kind, pair) for kind, pairs in GOODS.items() for pair in pairs if asked not in (kind, "objects")]
        chosen = rng.sample(right, wanted) + rng.sample(other, size - wanted)
        rng.shuffle(chosen)
        counts = [rng.randint(1, at(rng, level, 3, 5, 12)) for _ in chosen]
        told = listed([f"{COUNTS[n]} {many}" if n > 1 else a(one) for n, (_, (one, many)) in zip(counts, chosen)])
        things = [[n, pair[n > 1], kind] for n, (kind, pair) in zip(counts, chosen)]
        return (f"I have {told}. How many {asked} do I have? Answer with one integer.",
                dict(things=[thing[:2] for thing in things], asked=asked),
                sum(n for n, _, kind in things if asked in (kind, "objects")))

    def program(self, instance: Instance) -> str:
        facts, known = instance.facts, {name: kind for kind, pairs in GOODS.items() for pair in pairs for name in pair}
        counts = [n for n, name in facts["things"] if facts["asked"] in (known[name], "objects")]
        return f"print({' + '.join(map(str, counts))})\n"


def rows_about(tables, added, removed, about):
    """The rows of one table, or of all, after a penguin was added at the end and another one was deleted."""
    rows = []
    for species, table in tables.items():
        if about in (species, "animals"):
            rows += table + ([added] if added and species == "penguins" else [])
    return [row for row in rows if row[0] != removed]


def look_up(rows, kind, *args):
    """Rows hold name, age, height and weight; the answer to one kind of question about them."""
    if kind == "rank":  # the name at this place when the largest number comes first
        column, place = args
        return sorted(rows, key=lambda row: -row[column])[place][0]
    if kind == "count":  # the rows that pass all conditions
        return sum(all(row[column] > bound if more else row[column] < bound for column, more, bound in args[0])
                   for row in rows)
    if kind == "alphabet":
        return sorted(row[0] for row in rows)[args[0]]
    if kind == "row":
        return rows[args[0]][0]
    if kind == "cell":
        return next(row[args[1]] for row in rows if row[0] == args[0])
    numbers = [row[args[0]] for row in rows]
    return {"sum": sum(numbers), "mean": sum(numbers) / len(numbers), "spread": max(numbers) - min(numbers)}[kind]


class PenguinsInATable(Choice):
    suite, split, uses = "bbh", "test", (rows_about, look_up)
    heads, units = ["name", "age", "height", "weight"], ["", "years", "cm", "kg"]
    most = [[], ["oldest", "youngest"], ["tallest", "shortest"], ["heaviest", "lightest"]]
    compared = [[], ["younger", "older"], ["shorter", "taller"], ["lighter", "heavier"]]

    def make(self, rng: Random, level: int) -> tuple:
        while True:
            text, facts = self._scene(rng, level)
            rows = rows_about(**facts)
            question, form = self._ask(rng, rows, facts["about"])
            right = look_up(rows, *form)
            if not isinstance(right, float) or right == int(right):  # only whole means
                break
        wrong = [row[0] for row in rows if row[0] != right]
        if not isinstance(right, str):
            # Five neighbouring numbers; where the right one stands among them is drawn.
            right = int(right)
            lowest = rng.randint(max(0, right - 4), right)
            wrong = [n for n in range(lowest, lowest + 5) if n != right]
        block, letter = options(rng, right, rng.sample(wrong, min(4, len(wrong))))
        return f"{text}\n{question}\n{block}\nAnswer with the letter.", dict(facts, form=form, options=block), letter

    def _scene(self, rng: Random, level: int) -> tuple[str, dict]:
        """The tables and what happens to them."""
        size = rng.randint(*at(rng, level, (3, 4), (4, 5), (6, 8)))
        names = rng.sample([name for name, _ in NAMES], 2 * size + 1)
        values = [rng.sample(scale, 2 * size + 1) for scale in (range(2, 25), range(40, 120), range(5, 60))]
        animals = [list(row) for row in zip(names, *values)]  # no two share a value: there are no ties
        tables, added, removed = {"penguins": animals[:size]}, [], ""
        often = at(rng, level, 0, 0.4, 0.7)
        if rng.random() < often:
            tables["giraffes"] = animals[size:-1]
        text = "\n".join(f"Table of {species}:\nname, age (years), height (cm), weight (kg)\n"
                         + "\n".join(", ".join(map(str, row)) for row in rows)
                         for species, rows in tables.items())
        if rng.random() < often:
            added = animals[-1]
            text += f"\nThen the penguin {', '.join(map(str, added))} is added at the end of its table."
        if rng.random() < often:
            removed = rng.choice(tables["penguins"])[0]
            text += f"\nThen the penguin {removed} is deleted."
        about = rng.choice([*tables, "animals"] if len(tables) > 1 else ["penguins"])
        return text, dict(tables=tables, added=added, removed=removed, about=about)

    def _ask(self, rng: Random, rows: list, about: str) -> tuple[str, list]:
        """A question about the rows, and the same as arguments of `look_up`."""
        column, other = rng.sample((1, 2, 3), 2)
        head, unit, end = self.heads[column], self.units[column], rng.choice((0, 1))
        most, one, name = self.most[column][end], about[:-1], rng.choice(rows)[0]

        def condition(column: int) -> tuple[str, list]:
            more, bound = rng.choice((0, 1)), rng.choice(rows)[column]
            return f"{self.compared[column][more]} than {bound} {self.units[column]}", [column, more, bound]

        (first, first_form), (second, second_form) = condition(column), condition(other)
        asked = [
            (f"Which {one} is the {most}?", ["rank", column, -end]),
            (f"Which {one} is the second {most}?", ["rank", column, -2 if end else 1]),
            (f"How many {about} are listed now?", ["count", []]),
            (f"How many {about} are {first}?", ["count", [first_form]]),
            (f"How many {about} are {first} and {second}?", ["count", [first_form, second_form]]),
            (f"What is the sum of the {head}s of all {about}, in {unit}?", ["sum", column]),
            (f"What is the average {head} of the {about}, in {unit}?", ["mean", column]),
            (f"How many {unit} are there between the {' and the '.join(self.most[column])} {one}?", ["spread", column]),
            (f"Whose name is {('first', 'last')[end]} in the alphabet among the {about}?", ["alphabet", -end]),
            (f"What is the {head} of {name}, in {unit}?", ["cell", name, column]),
        ]
        if about != "animals":
            place = rng.randrange(len(rows))
            asked.append((f"Which {one} is in row {place + 1} below the heading of its table now?", ["row", place]))
        return rng.choice(asked)

    @staticmethod
    def solve(tables, added, removed, about, form, options):
        answer = look_up(rows_about(tables, added, removed, about), *form)
        text = answer if isinstance(answer, str) else str(int(answer))
        return next(line[1] for line in options.splitlines() if line[4:] == text)


# ---- coloured things: one function for each kind of question --------------------------------------------------------

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
    "ball", "book", "bottle", "brush", "button", "candle", "clock", "coin", "cup", "fork", "hammer", "hat", "key",
    "lamp", "mirror", "pencil", "plate", "ring", "spoon", "stone")]


class ReasoningAboutColoredObjects(Choice):
    """Things in a row, and one question of eight kinds about them.

    Grade B: as in the original, all colours are choices and few of them are told, and the thing at
    an end of the row is asked for more often than the others.
    """
    suite, grade = "bbh", "B"
    shortcut = "all colours are choices, few are told, and an end of the row is often asked for"
    kinds = (colour_of, is_colour, colour_at, colour_beside, colour_furthest, count_neither, count_beside, count_left)

    def make(self, rng: Random, level: int) -> tuple:
        function = rng.choice(self.kinds)
        palette, many = at(rng, level, 5, 15, 15), at(rng, level, 5, 10, 17)
        colours, size = rng.sample(COLOURS, palette), rng.randint(*at(rng, level, (3, 3), (4, 6), (7, 8)))
        things = rng.sample(SMALL, size)
        row = [[rng.choice(colours[:size]), one] for one, _ in things]
        (colour, thing), other = rng.choice(row), rng.choice(colours[:size])
        place = [name for _, name in row].index(thing)
        if function is colour_of:
            facts, ask = dict(thing=thing), f"What is the colour of the {thing}?"
        elif function is is_colour:
            facts = dict(thing=thing, colour=rng.choice((colour, rng.choice([c for c in colours if c != colour]))))
            ask = f"Is the {thing} {facts['colour']}?"
        elif function is colour_at:
            facts = dict(place=rng.choice((0, -1)))
            ask = f"What is the colour of the {'right' if facts['place'] else 'left'}most thing?"
        elif function is colour_beside:
            facts = dict(thing=thing, step=1 if place == 0 else -1 if place == size - 1 else rng.choice((1, -1)))
            side = {1: "right", -1: "left"}[facts["step"]]
            ask = f"What is the colour of the thing directly to the {side} of the {thing}?"
        elif function is colour_furthest:
            if 2 * place == size - 1:  # the middle is equally far from both ends
                thing = row[0][1]
            facts, ask = dict(thing=thing), f"What is the colour of the thing furthest from the {thing}?"
        elif function is count_neither:
            facts, ask = dict(colours=[colour, other]), f"How many things are neither {colour} nor {other}?"
        elif function is count_beside:
            side = rng.choice(("left", "right"))
            facts = dict(thing=thing, side=side, colour=other)
            ask = f"How many things that are not {other} are to the {side} of the {thing}?"
        else:
            pairs = rng.sample([(c, pair) for c in colours[:3] for pair in things[:2]], min(size, 5))
            row = [[rng.randint(1, 4), c, pair] for c, pair in pairs]
            ((_, colour, _), (_, _, (thing, plural))) = rng.choice(row), rng.choice(row)
            story = "are " + listed([f"{n} {c} {pair[n > 1]}" for n, c, pair in row])
            facts = dict(groups=[[n, c, pair[0]] for n, c, pair in row], colour=colour, thing=thing)
            ask = f"If all {colour} things are taken away, how many {plural} are left?"
        if function is not count_left:
            story = "is a row of things from left to right: " + listed([a(f"{c} {name}") for c, name in row])
            facts = dict(row=row, **facts)
        right = str(function(**facts))
        pool = ["yes", "no"] if right in ("yes", "no") else colours if right in colours else list(map(str, range(many)))
        block, letter = options(rng, right, [choice for choice in pool if choice != right])
        where = rng.choice(("desk", "floor", "shelf", "table"))
        return (f"On the {where} there {story}. {ask}\n{block}\nAnswer with the letter.",
                dict(kind=function.__name__, **facts, options=block), letter)

    def program(self, instance: Instance) -> str:
        facts = dict(instance.facts)
        name, choices = facts.pop("kind"), [line[4:] for line in facts.pop("options").splitlines()]
        function = next(kind for kind in self.kinds if kind.__name__ == name)
        call = f"{function.__name__}({', '.join(f'{name}={fact!r}' for name, fact in facts.items())})"
        return f'{inspect.getsource(function)}\nprint("ABCDEFGHIJKLMNOPQ"[{choices}.index(str({call}))])\n'


# ---- swaps ----------------------------------------------------------------------------------------------------------

class Tracking(Choice, abstract=True):
    suite, count = "bbh", 3
    program = Task.script
    settings = (  # what each has at first, how two of them swap, what is asked, the things
        ("{} dances with {}", "{} and {} switch partners", "Whom does {} dance with at the end?",
         "Alma Bart Cleo Dirk Enid Finn Gwen Hank".split()),
        ("{} holds the {} ball", "{} and {} swap balls", "Which ball does {} hold at the end?", COLOURS),
        ("{} has the {} present", "{} and {} swap presents", "Which present does {} have at the end?", COLOURS),
        ("{} wears the {} hat", "{} and {} swap hats", "Which hat does {} wear at the end?", COLOURS),
        ("{} reads the {}", "{} and {} swap books", "Which book does {} read at the end?",
         ["atlas", "biography", "comic", "cookbook", "diary", "dictionary", "fairy tale", "novel"]),
        ("{} plays as {}", "{} and {} change positions", "Which position does {} play at the end?",
         ["goalkeeper", "left back", "left winger", "midfielder", "right back", "right winger", "striker", "sweeper"]),
        ("{} plays the {}", "{} and {} swap instruments", "Which instrument does {} play at the end?",
         ["cello", "clarinet", "drum", "flute", "guitar", "harp", "trumpet", "violin"]),
        ("{} sits in seat {}", "{} and {} change seats", "In which seat does {} sit at the end?",
         ["A1", "A2", "A3", "B1", "B2", "B3", "C1", "C2"]),
    )

    def make(self, rng: Random, level: int) -> tuple:
        has, swap, ask, things = rng.choice(self.settings)
        people = [name for name, _ in rng.sample(NAMES, self.count)]
        start = dict(zip(people, rng.sample(things, self.count)))
        swaps = [rng.sample(people, 2) for _ in range(self.count * at(rng, level, 1, 1, 3) - (level == 1))]
        who = rng.choice(people)
        order = rng.sample(sorted(start.values()), self.count)
        block, _ = options(rng, order[0], order[1:])
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
