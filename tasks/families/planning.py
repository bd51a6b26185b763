"""Planning: pouring, pressing, turning, stacking and lifting. Moves in space are in routes.py."""
import inspect
import json
import re
import textwrap
from collections import Counter
from math import dist
from random import Random
from typing import Any, Callable, Sequence

from tasks.base import Instance, Task, at, between, commas, literal, norm
from tasks.families.words import THREE


# ---- what the searches share ---------------------------------------------------------------------

def reach(start, moves):
    """Every state that can be reached, nearest first, with the steps of a shortest way to it."""
    seen, queue = {start}, [(start, [])]
    yield queue[0]
    for state, path in queue:  # grows while it is read
        for step, after in moves(state):
            if after not in seen:
                seen.add(after)
                queue.append((after, path + [step]))
                yield queue[-1]


def phrases(text: str) -> list[str]:
    """The steps of an answer that are apart by commas, "and" or line breaks, or those of a list.

    "1. fill A\\n2. pour A → B" is read as ["fill A", "pour A->B"].
    """
    steps = []
    for part in re.split(r"[,;\n]|\band\b", text.strip().strip("[]")):
        part = " ".join(part.split()).strip(" \"'`.")
        # its number or its bullet
        part = re.sub(r"^(?:(?:step )?\d+[.):]|[-*•]) ", "", part, flags=re.IGNORECASE)
        part = re.sub(r" ?(?:->|→) ?", "->", part)
        if part:
            steps.append(part)
    return steps


def draw_stacks(rng: Random, things: Sequence, count: int) -> list[list]:
    """The things one after another, each put on top of any of so many stacks."""
    stacks = [[] for _ in range(count)]
    for thing in things:
        rng.choice(stacks).append(thing)
    return stacks


def list_stacks(stacks: list[list], name: str = "") -> str:
    """A line for each stack, from bottom to top: "Peg 1: 3 1"."""
    return "\n".join(f"{name}{i}: {' '.join(map(str, stack)) or 'empty'}"
                     for i, stack in enumerate(stacks, 1))


def words(text: str) -> list[str]:
    """The steps of an answer that are apart by blanks, commas or arrows."""
    return re.sub(r"->|→|[\[\](),;\"'`]", " ", commas(text)).split()


class Search(Task, abstract=True):
    """A way through states, any legal one or any shortest one. A task writes

        rules(**facts)   -> the start, moves(state) -> pairs (step, state after it), done(state)
    """
    steps = staticmethod(phrases)  # reads an answer
    joint = ", "                   # between the steps of the expected answer
    stuck = None                   # the answer where there is no way
    shortest = False               # whether a longer way is wrong

    rules: Callable

    @classmethod
    def path(cls, **facts: Any) -> list[str] | None:
        """The steps of a shortest way, None if there is no way."""
        start, moves, done = cls.rules(**facts)
        for state, path in reach(start, moves):
            if done(state):
                return path
        return None

    @classmethod
    def solve(cls, **facts: Any) -> str:
        path = cls.path(**facts)
        return cls.stuck if path is None else cls.joint.join(path)

    def program(self, instance: Instance) -> str:
        rules = textwrap.dedent(inspect.getsource(self.rules)).replace("@staticmethod\n", "", 1)
        helpers = [inspect.getsource(function) for function in (reach, *self.uses)]
        facts = ", ".join(f"{name}={fact!r}" for name, fact in instance.facts.items())
        ways = f"({self.joint!r}.join(path) for state, path in reach(start, moves) if done(state))"
        return "\n".join([*helpers, rules, f"start, moves, done = rules({facts})",
                          f"print(next({ways}, {self.stuck!r}))\n"])

    def check(self, answer: str, instance: Instance) -> bool:
        if self.stuck and norm(answer) == norm(self.stuck):
            return instance.expect == self.stuck
        state, moves, done = self.rules(**instance.facts)
        steps = self.steps(answer)
        for step in steps:  # an illegal step is not among the moves: KeyError
            after = {name.casefold(): result for name, result in moves(state)}
            state = after[step.casefold()]
        if self.shortest and len(steps) > len(self.steps(instance.expect)):
            return False
        return done(state)


# ---- searches ------------------------------------------------------------------------------------

class Jugs(Search):
    """Jugs A, B, C can hold 3, 5 and 8 litres. Get exactly 4 into one. -> fill B, pour B->A, ..."""
    split = "test"

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (2, 4), (4, 8), (8, 14))
        top = at(rng, level, 7, 13, 15)
        goals = []
        while not goals:
            sizes = [rng.randint(3, top) for _ in range(3)]
            start, moves, _ = self.rules(sizes, 0)
            fewest = {}  # steps to each amount
            for levels, path in reach(start, moves):
                for amount in levels:
                    fewest.setdefault(amount, len(path))
            goals = [amount for amount in sorted(fewest) if low <= fewest[amount] <= high]
        goal = rng.choice(goals)
        litres = "litre" if goal == 1 else "litres"
        question = (f"Jugs A, B and C are empty and can hold {sizes[0]}, {sizes[1]} and {sizes[2]} "
                    "litres. A step fills a jug, empties it, or pours it into another one until it "
                    "is empty or the other one full, such as fill A, empty B, pour C->A. "
                    f"Get exactly {goal} {litres} into a jug. "
                    "Answer with the steps, separated by commas.")
        return question, dict(sizes=sizes, goal=goal)

    @staticmethod
    def rules(sizes, goal):
        def moves(levels):
            for i, a in enumerate("ABC"):
                yield f"fill {a}", (*levels[:i], sizes[i], *levels[i + 1:])
                yield f"empty {a}", (*levels[:i], 0, *levels[i + 1:])
                for j, b in enumerate("ABC"):
                    if i != j:
                        poured = min(levels[i], sizes[j] - levels[j])
                        after = list(levels)
                        after[i] -= poured
                        after[j] += poured
                        yield f"pour {a}->{b}", tuple(after)

        return (0, 0, 0), moves, lambda levels: goal in levels


class QuantumLock(Search):
    """A adds 2, B subtracts 1 (only while the lamp is red). Get the counter to 3. -> B A A"""
    split, shortest, joint = "test", True, " "
    steps = staticmethod(words)
    EFFECTS = {"+": "adds", "-": "subtracts", "*": "multiplies by"}

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (2, 4), (4, 8), (6, 12))
        top, targets = at(rng, level, (2, range(8, 13)), (3, range(10, 26)), (5, range(30, 81)))
        path = []
        while not low <= len(path) <= high:
            buttons, listed = {}, ""
            for name, sign in zip("ABC", rng.choices("++-*", k=3)):
                number = rng.randint(2 if sign == "*" else 1, top)
                lamp = rng.choice(("always", "red", "green"))
                buttons[name] = [sign, number, lamp]
                listed += f"{name} {self.EFFECTS[sign]} {number}"
                if lamp != "always":
                    listed += f" (may be pressed only while the lamp is {lamp})"
                listed += "\n"
            facts = dict(buttons=buttons, target=rng.choice(targets))
            path = self.path(**facts) or []
        question = ("A counter shows 0 and a lamp is red. Each press of a button also switches the "
                    f"lamp from red to green or back.\n{listed}"
                    f"Get the counter to {facts['target']} with as few presses as possible. "
                    "Answer with the buttons in order, such as A B A.")
        return question, facts

    @staticmethod
    def rules(buttons, target):
        def moves(state):
            value, lamp = state
            for name, (sign, n, when) in buttons.items():
                after = {"+": value + n, "-": value - n, "*": value * n}[sign]
                # The way back from beyond four times the target is longer than any shortest way
                # asked for.
                if when in ("always", lamp) and abs(after) <= 4 * target:
                    yield name, (after, "green" if lamp == "red" else "red")

        return (0, "red"), moves, lambda state: state[0] == target


class TowerOfHanoi(Search):
    """Disks on pegs: Peg 1: 2 1, the others empty. Bring all to Peg 3 in as few steps as possible.

        Move disk 1 from Peg 1 to Peg 2
        Move disk 2 from Peg 1 to Peg 3
        Move disk 1 from Peg 2 to Peg 3
    """
    shortest, joint = True, "\n"

    def make(self, rng: Random, level: int) -> tuple:
        disks = between(rng, level, (2, 3), (4, 5), (5, 7))
        count = rng.randint(3, 4) if disks < 6 else 4  # at most 31 steps
        target = rng.randrange(count)
        pegs = []
        while not pegs or len(pegs[target]) == disks:
            pegs = draw_stacks(rng, range(disks, 0, -1), count)
        return (f"Disks on pegs, listed from bottom to top:\n{list_stacks(pegs, 'Peg ')}\n"
                f"Bring all to Peg {target + 1} in as few steps as possible; a step moves the top "
                "disk of a peg, never onto a smaller disk (1 is the smallest). "
                'Answer with lines such as "Move disk 1 from Peg 1 to Peg 3".',
                dict(pegs=pegs, target=target))

    @staticmethod
    def rules(pegs, target):
        def moves(pegs):
            for i, source in enumerate(pegs):
                for j, goal in enumerate(pegs):
                    if source and source[-1] < min(goal, default=99):  # any disk on a bare peg
                        after = list(pegs)
                        after[i] = source[:-1]
                        after[j] = goal + source[-1:]
                        yield (f"Move disk {source[-1]} from Peg {i + 1} to Peg {j + 1}",
                               tuple(after))

        # All are on the target when no other peg has one.
        return tuple(map(tuple, pegs)), moves, lambda pegs: not any(pegs[:target]
                                                                    + pegs[target + 1:])


def one_letter_apart(a, b):
    return sum(x != y for x, y in zip(a, b)) == 1


def draw_chain(rng: Random, low: int, high: int) -> list[str]:
    """A word, and low to high further ones, each new and one letter apart from the one before.

    Where there is no such word the chain ends early.
    """
    chain = [rng.choice(THREE)]
    for _ in range(rng.randint(low, high)):
        near = [word for word in THREE
                if word not in chain and one_letter_apart(word, chain[-1])]
        if near:
            chain.append(rng.choice(near))
    return chain


class WordLadder(Search):
    """Change one letter at a time to get from cat to dot. Use only cat, cot, dot. -> cat, ..."""
    uses = (one_letter_apart,)
    steps = staticmethod(words)

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (2, 3), (3, 5), (5, 8))
        size = at(rng, level, 15, 30, 60)
        path = []
        while not low < len(path) <= high + 1:  # the first word counts, too
            chain = draw_chain(rng, low, high)
            others = [word for word in THREE if word not in chain]
            listed = sorted(chain + rng.sample(others, size - len(chain)))
            first, last = chain[0], chain[-1]
            facts = dict(listed=listed, first=first, last=last)
            path = self.path(**facts)
        question = (f"Change one letter at a time to get from {first} to {last}. "
                    f"Use only these words: {', '.join(listed)}. "
                    f"Answer with the words from {first} to {last}, separated by commas.")
        return question, facts

    @staticmethod
    def rules(listed, first, last):
        def moves(word):
            if word == "":  # the first word is a step as well
                return [(first, first)]
            return [(other, other) for other in listed if one_letter_apart(word, other)]

        return "", moves, lambda word: word == last


def quarter_turns():
    """For each quarter turn of a cube the sticker that comes to each place of the net.

    The 54 places are counted in reading order: the upper face, three rows over left, front, right
    and back, the lower face. A sticker is a point: x to the right, y up, z to the viewer; the
    coordinate that is 2 or -2 says on which face it is.
    """
    n = (-1, 0, 1)
    net = [(x, 2, z) for z in n for x in n]
    for y in (1, 0, -1):
        net += [(-2, y, z) for z in n] + [(x, y, 2) for x in n]
        net += [(2, y, -z) for z in n] + [(-x, y, -2) for x in n]
    net += [(x, -2, -z) for z in n for x in n]
    turns = {}
    for face, axis, sign in (("R", 0, 1), ("L", 0, -1), ("U", 1, 1), ("D", 1, -1),
                             ("F", 2, 1), ("B", 2, -1)):
        comes = list(range(54))
        b, c = (axis + 1) % 3, (axis + 2) % 3
        for place, point in enumerate(net):
            if point[axis] * sign > 0:  # clockwise, seen from outside
                goal = list(point)
                goal[b] = sign * point[c]
                goal[c] = -sign * point[b]
                comes[net.index(tuple(goal))] = place
        turns[face] = comes
        turns[face + "'"] = [comes.index(place) for place in range(54)]
    return turns


def solved_cube(colours):
    """The net whose upper, left, front, right, back and lower face have these colours."""
    upper, *sides, lower = colours
    row = [colour for colour in sides for _ in range(3)]
    return [upper] * 9 + row * 3 + [lower] * 9


class RubiksCube(Task):
    """The net of a cube: ... Turn its faces until each has one colour. -> R U' F"""
    uses = (reach, quarter_turns, solved_cube)

    def make(self, rng: Random, level: int) -> tuple:
        turns = quarter_turns()
        solved = solved_cube(rng.sample("WYRGBO", 6))
        count = between(rng, level, (1, 2), (3, 5), (6, 7))
        cube = solved
        while cube == solved:
            last = ""
            for _ in range(count):
                # No turn undoes the one before.
                last = rng.choice([turn for turn in turns if turn[0] != last[:1] or turn == last])
                cube = [cube[place] for place in turns[last]]
        cuts = (0, 3, 6, 9, 21, 33, 45, 48, 51, 54)
        net = ["".join(cube[a:b]).rjust(6) for a, b in zip(cuts, cuts[1:])]
        shown = "\n".join(net)
        question = ("The net of a cube: the upper face; left, front, right and back; the lower "
                    f"face.\n{shown}\n"
                    "Turn its faces until each has one colour. U, D, L, R, F, B turn the upper, "
                    "lower, left, right, front, back face clockwise by 90 degrees, as seen from "
                    "outside, U' anticlockwise, U2 by 180 degrees. "
                    "Answer with the turns, separated by blanks.")
        return question, dict(net=net)

    @staticmethod
    def solve(net):
        from itertools import takewhile
        from operator import itemgetter
        turns = {name: itemgetter(*comes) for name, comes in quarter_turns().items()}

        def moves(cube):
            return [(name, turn(cube)) for name, turn in turns.items()]

        start = tuple("".join(net).replace(" ", ""))
        colours = [start[centre] for centre in (4, 22, 25, 28, 31, 49)]  # centres do not move
        solved = tuple(solved_cube(colours))
        near = dict(takewhile(lambda found: len(found[1]) < 4, reach(solved, moves)))
        # The two searches meet; the second half is undone backwards.
        there, back = next((path, near[cube]) for cube, path in reach(start, moves) if cube in near)
        undone = [name[0] if "'" in name else name + "'" for name in reversed(back)]
        return " ".join(there + undone)

    def check(self, answer: str, instance: Instance) -> bool:
        turns = quarter_turns()
        cube = list("".join(instance.facts["net"]).replace(" ", ""))
        text = re.sub(r"[\[\](),\"`]", " ", re.sub("[’′]", "'", answer))
        for token in text.split():
            if token.startswith("'"):  # of a list of strings
                token = token[1:-1]
            face, twice, back = re.fullmatch(r"([UDLRFB])(2?)('?)", token).groups()
            for _ in range(2 if twice else 1):
                cube = [cube[place] for place in turns[face + back]]
        # In reading order, the six colours first appear in the order of the faces.
        return cube == solved_cube(dict.fromkeys(cube))


# ---- plans that are built, not searched ----------------------------------------------------------

def move_top(stacks, i, j):
    """Move the top block of stack i to stack j, and say so."""
    block = stacks[i].pop()
    stacks[j].append(block)
    return f"Move {block} from {i + 1} to {j + 1}"


class Blocksworld(Task):
    """Stacks of blocks: 1: A B, 2: C. Move one top block at a time until they are: 1: A, 2: C B."""
    suite = "symbench"
    uses = (move_top,)

    def make(self, rng: Random, level: int) -> tuple:
        blocks = "ABCDEFGHIJK"[:between(rng, level, (3, 3), (5, 7), (9, 11))]
        count = rng.randint(3, 4)
        start = goal = draw_stacks(rng, rng.sample(blocks, len(blocks)), count)
        while goal == start:
            goal = draw_stacks(rng, rng.sample(blocks, len(blocks)), count)
        question = (f"Stacks of blocks, from bottom to top:\n{list_stacks(start)}\n"
                    "Move one top block at a time to another of these stacks until they are:\n"
                    f"{list_stacks(goal)}\n"
                    'Answer with at most 200 lines such as "Move B from 2 to 1".')
        return question, dict(start=start, goal=goal)

    def check(self, answer: str, instance: Instance) -> bool:
        start, goal = instance.facts.values()
        stacks = [list(stack) for stack in start]
        steps = phrases(re.sub(r"(?i)\b(?:stack|block)\s*", "", answer))
        for step in steps:  # the move is made, and must be told in these words
            i, j = (int(number) - 1 for number in re.findall(r"\d+", step))
            if i == j or i < 0 or j < 0:
                return False
            if move_top(stacks, i, j).casefold() != step.casefold():
                return False
        return len(steps) <= 200 and stacks == goal

    @staticmethod
    def solve(start, goal):
        stacks, lines = [list(stack) for stack in start], []
        for target, stack in enumerate(goal):  # stack by stack, each from the bottom
            for height, block in enumerate(stack):
                if stacks[target][height:height + 1] == [block]:
                    continue
                if block in stacks[target]:  # in the right stack, but too high: set it aside
                    spare, source = [i for i in range(len(stacks)) if i != target][:2]
                    while stacks[target][-1] != block:
                        lines.append(move_top(stacks, target, spare))
                    lines.append(move_top(stacks, target, source))
                source = next(i for i, other in enumerate(stacks) if block in other)
                spare = next(i for i in range(len(stacks)) if i not in (source, target))
                while stacks[source][-1] != block:
                    lines.append(move_top(stacks, source, spare))
                while len(stacks[target]) > height:
                    lines.append(move_top(stacks, target, spare))
                lines.append(move_top(stacks, source, target))
        return "\n".join(lines)


class Boxlift(Task):
    """Boxes weigh 50, 20. Lifters can lift 0: 40, 1: 30. In at most 2 steps, lift each box once.

        Step 1: [(50, [0, 1])]
        Step 2: [(20, [0])]
    """
    suite = "symbench"

    def make(self, rng: Random, level: int) -> tuple:
        boxes = at(rng, level, (3, 4), (8, 12), (18, 25))
        lifters = at(rng, level, (2, 2), (3, 4), (5, 6))
        heaviest, strongest = at(rng, level, (50, 40), (100, 60), (400, 160))
        weights, capacities = [1], [0]
        while sum(capacities) < max(weights):
            weights = [rng.randint(heaviest // 10, heaviest) for _ in range(rng.randint(*boxes))]
            capacities = [rng.randint(strongest // 3, strongest)
                          for _ in range(rng.randint(*lifters))]
        limit = len(self.solve(weights, capacities, len(weights)).splitlines())
        listed = ", ".join(f"{i}: {capacity}" for i, capacity in enumerate(capacities))
        question = (f"Boxes weigh {', '.join(map(str, weights))}. Lifters can lift (number: "
                    f"weight) {listed}. In a step a lifter works at one box at most; several may "
                    "lift a box together, and what they can lift adds up. "
                    f"Lift each box once, in at most {limit} steps. Answer with a line for each "
                    "step, with the weight of each box lifted and its lifters, such as "
                    '"Step 1: [(50, [0, 2]), (20, [1])]".')
        return question, dict(weights=weights, capacities=capacities, limit=limit)

    @staticmethod
    def solve(weights, capacities, limit):
        boxes, lines = sorted(weights, reverse=True), []
        while boxes and len(lines) < limit:
            free, lifts, waiting = list(range(len(capacities))), [], []
            for box in boxes:  # the heaviest first
                # Lifters join in their order until they are strong enough.
                team, strength = [], 0
                for lifter in free:
                    if strength < box:
                        team.append(lifter)
                        strength += capacities[lifter]
                if strength >= box:
                    lifts.append((box, team))
                    free = [lifter for lifter in free if lifter not in team]
                else:
                    waiting.append(box)
            boxes = waiting
            lines.append(f"Step {len(lines) + 1}: {lifts}")
        return "\n".join(lines)

    def check(self, answer: str, instance: Instance) -> bool:
        weights, capacities, limit = instance.facts.values()
        lines = [line.strip() for line in answer.splitlines() if line.strip()]
        lifted = []
        for number, line in enumerate(lines, 1):
            match = re.fullmatch(rf"(?i)(?:step\s*{number}\s*:)?\s*(\[.*\])", line)
            working = []
            for box, team in literal(match[1]):
                if not all(type(i) is int and i >= 0 for i in team):
                    return False
                if sum(capacities[i] for i in team) < box:
                    return False
                lifted.append(box)
                working += team
            if len(set(working)) < len(working):
                return False
        return len(lines) <= limit and sorted(lifted) == sorted(weights)


class Boxnet1(Task):
    """square[0.5, 0.5]: box_red; square[0.5, 1.5]: target_red. Match all boxes with targets.

        [{"Agent[0.5, 0.5]": "move(box_red, square[0.5, 1.5])"},
         {"Agent[0.5, 1.5]": "move(box_red, target_red)"}]
    """
    suite = "symbench"
    MOST = 50  # steps

    def make(self, rng: Random, level: int) -> tuple:
        height, width = rng.choice(at(rng, level, [(1, 2), (1, 3), (2, 2)],
                                      [(2, 3), (2, 4), (3, 3)], [(4, 4)]))
        names = [f"[{r}.5, {c}.5]" for r in range(height) for c in range(width)]
        count = between(rng, level, (1, 2), (3, 4), (3, 5))
        pairs = at(rng, level, 1, 1, 2)
        while True:
            cells = {name: [] for name in names}
            for colour in rng.sample(("blue", "green", "orange", "purple", "red"), count):
                for thing in ("box", "target") * rng.randint(1, pairs):
                    cells[rng.choice(names)].append(f"{thing}_{colour}")
            expect = self.solve(cells)
            if len(expect) < 1400:
                break
        shown = "\n".join(f"square{name}: {', '.join(things) or 'empty'}"
                          for name, things in cells.items())
        question = ("Each square of a grid, named by its centre, has an agent of the same name:\n"
                    f"{shown}\nIn a step each agent may act once: move a box from its square "
                    "(where it is when the step begins) to a square that shares a side, or to a "
                    "target of the box's colour in its own square, which removes both. "
                    f"Match all boxes with targets in at most {self.MOST} steps. "
                    "Answer with a JSON list with an object for each step, such as "
                    '[{"Agent[0.5, 0.5]": "move(box_red, square[0.5, 1.5])"}, '
                    '{"Agent[0.5, 1.5]": "move(box_red, target_red)"}].')
        return question, dict(cells=cells), expect

    @staticmethod
    def solve(cells):
        import json
        boxes, targets = [], []
        for cell, things in cells.items():
            for thing in things:
                kind, colour = thing.split("_")
                found = boxes if kind == "box" else targets
                found.append((json.loads(cell), colour))
        # Each box goes to the nearest target that is left for its colour.
        jobs = []
        for (r, c), colour in boxes:
            near = min((target for target in targets if target[1] == colour),
                       key=lambda target: abs(target[0][0] - r) + abs(target[0][1] - c))
            targets.remove(near)
            jobs.append([[r, c], near[0], colour])
        plan = []
        while jobs:
            step = {}
            for job in list(jobs):
                (r, c), goal, colour = job
                agent = f"Agent[{r}, {c}]"
                if agent in step:  # this agent is busy with another box
                    continue
                if [r, c] == goal:
                    step[agent] = f"move(box_{colour}, target_{colour})"
                    jobs.remove(job)
                    continue
                if r != goal[0]:  # along the rows first, then along the columns
                    r += 1 if goal[0] > r else -1
                else:
                    c += 1 if goal[1] > c else -1
                step[agent] = f"move(box_{colour}, square[{r}, {c}])"
                job[0] = [r, c]
            plan.append(step)
        return json.dumps(plan)

    def check(self, answer: str, instance: Instance) -> bool:
        cells, plan = instance.facts["cells"], literal(answer)
        # JSON keeps one of two actions of an agent in a step: both are counted in the text.
        if len(plan) > self.MOST or answer.count("Agent") != sum(map(len, plan)):
            return False
        now = Counter((cell, thing) for cell, things in cells.items() for thing in things)
        for step in plan:
            after = now.copy()
            agents = [self._name(agent.removeprefix("Agent")) for agent in step]
            if len(set(agents)) < len(agents):   # one agent, spelt in two ways, acts twice
                return False
            for cell, action in zip(agents, step.values()):
                colour, square = re.fullmatch(
                    r"\s*move\(\s*box_(\w+)\s*,\s*(?:target_\1|square(\[.*\]))\s*\)\s*",
                    action).groups()
                box, target = f"box_{colour}", f"target_{colour}"
                after[cell, box] -= 1
                if square is None:
                    after[cell, target] -= 1
                    legal = now[cell, target]
                else:
                    square = self._name(square)
                    after[square, box] += 1
                    # The centres of two squares that share a side are 1 apart.
                    legal = square in cells and dist(json.loads(cell), json.loads(square)) == 1
                if not legal or not now[cell, box]:
                    return False
            now = after
        return not any(now.values())

    def _name(self, text: str) -> str:
        """The name of a square as the question writes it."""
        return re.sub(r"\s*,\s*", ", ", text.strip())
