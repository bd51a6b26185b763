"""Planning: pouring, pressing, turning, stacking and lifting in the right order. Moves in space are in routes.py."""
import inspect
import json
import re
import textwrap
from collections import Counter
from random import Random
from typing import Any, Callable

from tasks.base import Instance, Task, at, literal, norm
from tasks.families.words import THREE


# ---- what the searches share ----------------------------------------------------------------------------------------

def reach(starts, moves):
    """Every state that can be reached, nearest first, with the steps of a shortest way to it."""
    seen, queue = set(starts), [(state, []) for state in starts]
    yield from queue
    for state, path in queue:  # grows while it is read
        for step, after in moves(state):
            if after not in seen:
                seen.add(after)
                queue.append((after, path + [step]))
                yield queue[-1]


def phrases(text: str) -> list[str]:
    """The steps of an answer that are apart by commas or line breaks, or the strings of a literal list.

    "1. fill A\\n2. pour A → B" is read as ["fill A", "pour A->B"].
    """
    steps = []
    for part in re.split(r"[,;\n]", text.strip().strip("[]")):
        part = " ".join(part.split()).strip(" \"'`.")
        part = re.sub(r"^(?:step )?\d+[.):] ", "", part, flags=re.IGNORECASE)  # its number
        part = re.sub(r" ?(?:->|→) ?", "->", part)
        if part:
            steps.append(part)
    return steps


def words(text: str) -> list[str]:
    """The steps of an answer that are apart by blanks, commas or arrows."""
    return re.sub(r"->|→|[\[\](),;\"'`]", " ", text).split()


class Search(Task, abstract=True):
    """A way through states, any legal one or any shortest one. A task writes

        rules(**facts)   -> the start, moves(state) -> pairs (step, state after it), done(state) -> bool
    """
    steps = staticmethod(phrases)  # reads an answer
    joint = ", "                   # between the steps of the expected answer
    stuck = None                   # the answer where there is no way
    shortest = False               # whether a longer way is wrong

    rules: Callable

    @classmethod
    def path(cls, **facts: Any) -> list[str] | None:
        start, moves, done = cls.rules(**facts)
        return next((path for state, path in reach([start], moves) if done(state)), None)

    @classmethod
    def solve(cls, **facts: Any) -> str:
        path = cls.path(**facts)
        return cls.stuck if path is None else cls.joint.join(path)

    def program(self, instance: Instance) -> str:
        rules = textwrap.dedent(inspect.getsource(self.rules)).replace("@staticmethod\n", "", 1)
        facts = ", ".join(f"{name}={fact!r}" for name, fact in instance.facts.items())
        ways = f"({self.joint!r}.join(path) for state, path in reach([start], moves) if done(state))"
        return "\n".join([*map(inspect.getsource, (reach, *self.uses)), rules,
                          f"start, moves, done = rules({facts})", f"print(next({ways}, {self.stuck!r}))\n"])

    def check(self, answer: str, instance: Instance) -> bool:
        if self.stuck and norm(answer) == norm(self.stuck):
            return instance.expect == self.stuck
        state, moves, done = self.rules(**instance.facts)
        steps = self.steps(answer)
        for step in steps:  # an illegal step is not among the moves: KeyError
            state = {name.casefold(): after for name, after in moves(state)}[step.casefold()]
        return done(state) and (not self.shortest or len(steps) <= len(self.steps(instance.expect)))


# ---- searches -------------------------------------------------------------------------------------------------------

class Jugs(Search):
    split = "test"

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (2, 4), (4, 8), (8, 14))
        top, goals = at(rng, level, 7, 13, 15), []
        while not goals:
            sizes, least = [rng.randint(3, top) for _ in "ABC"], {}
            start, moves, _ = self.rules(sizes, 0)
            for levels, path in reach([start], moves):  # the fewest steps to each amount
                for amount in levels:
                    least.setdefault(amount, len(path))
            goals = [amount for amount in sorted(least) if low <= least[amount] <= high]
        goal = rng.choice(goals)
        return f"Jugs A, B and C are empty and can hold {sizes[0]}, {sizes[1]} and {sizes[2]} litres. A step fills a " \
               "jug, empties it, or pours it into another one until it is empty or the other one full, such as " \
               f"fill A, empty B, pour C->A. Get exactly {goal} litre{'s' * (goal > 1)} into a jug. Answer with the steps, separated by commas.", \
            dict(sizes=sizes, goal=goal)

    @staticmethod
    def rules(sizes, goal):
        def moves(levels):
            for i, a in enumerate("ABC"):
                yield f"fill {a}", (*levels[:i], sizes[i], *levels[i + 1:])
                yield f"empty {a}", (*levels[:i], 0, *levels[i + 1:])
                for j, b in enumerate("ABC"):
                    if i != j:
                        after, poured = list(levels), min(levels[i], sizes[j] - levels[j])
                        after[i] -= poured
                        after[j] += poured
                        yield f"pour {a}->{b}", tuple(after)

        return (0, 0, 0), moves, lambda levels: goal in levels


class QuantumLock(Search):
    split, shortest, joint = "test", True, " "
    steps = staticmethod(words)

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (2, 4), (4, 8), (6, 12))
        top, targets = at(rng, level, (2, range(8, 13)), (3, range(10, 26)), (5, range(30, 81)))
        while True:
            buttons = {name: [sign, rng.randint(1 + (sign == "*"), top), rng.choice(("always", "red", "green"))]
                       for name, sign in zip("ABC", rng.choices("++-*", k=3))}
            target = rng.choice(targets)
            path = self.path(buttons=buttons, target=target)
            if path and low <= len(path) <= high:
                break
        effects = {"+": "adds", "-": "subtracts", "*": "multiplies by"}
        listed = "\n".join(f"{name} {effects[sign]} {n}" + f" (may be pressed only while the lamp is {lamp})" * (lamp != "always")
                           for name, (sign, n, lamp) in buttons.items())
        return "A counter shows 0 and a lamp is red. Each press of a button also switches the lamp from red to green " \
               f"or back.\n{listed}\nGet the counter to {target} with as few presses as possible. " \
               "Answer with the buttons in order, such as A B A.", dict(buttons=buttons, target=target)

    @staticmethod
    def rules(buttons, target):
        def moves(state):
            value, lamp = state
            for name, (sign, n, when) in buttons.items():
                after = {"+": value + n, "-": value - n, "*": value * n}[sign]
                # The way back from beyond four times the target is longer than any shortest way asked for.
                if when in ("always", lamp) and abs(after) <= 4 * target:
                    yield name, (after, "green" if lamp == "red" else "red")

        return (0, "red"), moves, lambda state: state[0] == target


class TowerOfHanoi(Search):
    shortest, joint = True, "\n"

    def make(self, rng: Random, level: int) -> tuple:
        disks = rng.randint(*at(rng, level, (2, 3), (4, 5), (5, 7)))
        count = rng.choice((3, 4)) if disks < 6 else 4  # at most 31 steps
        target, pegs = rng.randint(1, count), []
        while not pegs or len(pegs[target - 1]) == disks:
            pegs = [[] for _ in range(count)]
            for disk in range(disks, 0, -1):
                rng.choice(pegs).append(disk)
        shown = "\n".join(f"Peg {i}: {' '.join(map(str, peg)) or 'empty'}" for i, peg in enumerate(pegs, 1))
        return f"Disks on pegs, listed from bottom to top:\n{shown}\nBring all to Peg {target} in as few steps as " \
               "possible; a step moves the top disk of a peg, never onto a smaller disk (1 is the smallest). " \
               'Answer with lines such as "Move disk 1 from Peg 1 to Peg 3".', dict(pegs=pegs, target=target)

    @staticmethod
    def rules(pegs, target):
        def moves(pegs):
            for i, source in enumerate(pegs):
                for j, goal in enumerate(pegs):
                    if source and (not goal or goal[-1] > source[-1]):
                        after = list(pegs)
                        after[i], after[j] = source[:-1], goal + source[-1:]
                        yield f"Move disk {source[-1]} from Peg {i + 1} to Peg {j + 1}", tuple(after)

        return tuple(map(tuple, pegs)), moves, lambda pegs: not any(pegs[:target - 1] + pegs[target:])


def one_letter_apart(a, b):
    return sum(x != y for x, y in zip(a, b)) == 1


class WordLadder(Search):
    uses = (one_letter_apart,)
    steps = staticmethod(words)

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (2, 3), (3, 5), (5, 8))
        size = at(rng, level, 15, 30, 60)
        while True:
            chain = [rng.choice(THREE)]
            for _ in range(rng.randint(low, high)):
                near = [word for word in THREE if word not in chain and one_letter_apart(word, chain[-1])]
                chain += [rng.choice(near)] if near else []
            listed = chain + rng.sample([word for word in THREE if word not in chain], size - len(chain))
            path = self.path(listed=sorted(listed), first=chain[0], last=chain[-1])
            if low < len(path) <= high + 1:  # the first word counts, too
                break
        listed.sort()
        return f"Change one letter at a time to get from {chain[0]} to {chain[-1]}. Use only these words: " \
               f"{', '.join(listed)}. Answer with the words from {chain[0]} to {chain[-1]}, separated by commas.", \
            dict(listed=listed, first=chain[0], last=chain[-1])

    @staticmethod
    def rules(listed, first, last):
        def moves(word):
            for other in listed:
                if one_letter_apart(word, other) or not word and other == first:
                    yield other, other

        return "", moves, lambda word: word == last


def quarter_turns():
    """For each quarter turn of a cube the sticker that comes to each place of the net, counted in reading order."""
    n = range(3)  # a sticker is a point: x to the right, y up, z to the viewer; one coordinate is 2 or -2, its face
    net = [(j - 1, 2, i - 1) for i in n for j in n]
    for i in n:
        net += [(-2, 1 - i, j - 1) for j in n] + [(j - 1, 1 - i, 2) for j in n]
        net += [(2, 1 - i, 1 - j) for j in n] + [(1 - j, 1 - i, -2) for j in n]
    net += [(j - 1, -2, 1 - i) for i in n for j in n]
    turns = {}
    for axis, faces in enumerate(("RL", "UD", "FB")):
        for face, sign in zip(faces, (1, -1)):
            comes = list(range(54))
            for k, point in enumerate(net):
                if point[axis] * sign > 0:  # clockwise, seen from outside
                    goal, b, c = list(point), (axis + 1) % 3, (axis + 2) % 3
                    goal[b], goal[c] = sign * point[c], -sign * point[b]
                    comes[net.index(tuple(goal))] = k
            turns[face], turns[face + "'"] = comes, [comes.index(k) for k in range(54)]
    return turns


class RubiksCube(Task):
    uses = (reach, quarter_turns)

    def make(self, rng: Random, level: int) -> tuple:
        turns, colours = quarter_turns(), rng.sample("WYRGBO", 6)
        solved = [*colours[0] * 9, *"".join(3 * colour for colour in colours[1:5]) * 3, *colours[5] * 9]
        count, cube = rng.randint(*at(rng, level, (1, 2), (3, 5), (6, 7))), solved
        while cube == solved:
            last = ""
            for _ in range(count):
                last = rng.choice([turn for turn in turns if turn[0] != last[:1] or turn == last])  # undoes nothing
                cube = [cube[k] for k in turns[last]]
        cuts = (0, 3, 6, 9, 21, 33, 45, 48, 51, 54)
        net = ["".join(cube[a:b]).rjust(6) for a, b in zip(cuts, cuts[1:])]
        return "The net of a cube: the upper face; left, front, right and back; the lower face.\n" + "\n".join(net) + \
            "\nTurn its faces until each has one colour. U, D, L, R, F, B turn the upper, lower, left, right, front, " \
            "back face clockwise by 90 degrees, as seen from outside, U' anticlockwise, U2 by 180 degrees. " \
            "Answer with the turns, separated by blanks.", dict(net=net)

    @staticmethod
    def solve(net):
        from itertools import takewhile
        from operator import itemgetter

        def moves(cube):
            return [(name, turn(cube)) for name, turn in turns.items()]

        turns = {name: itemgetter(*comes) for name, comes in quarter_turns().items()}
        start = tuple("".join(net).replace(" ", ""))
        sides = [start[22 + 3 * side] for side in range(4)]  # the centres do not move
        solved = tuple([start[4]] * 9 + [colour for colour in sides for _ in range(3)] * 3 + [start[49]] * 9)
        near = dict(takewhile(lambda found: len(found[1]) < 4, reach([solved], moves)))
        # The two searches meet; the second half is undone backwards.
        there, back = next((path, near[cube]) for cube, path in reach([start], moves) if cube in near)
        return " ".join(there + [name[0] if "'" in name else name + "'" for name in back[::-1]])

    def check(self, answer: str, instance: Instance) -> bool:
        turns, cube = quarter_turns(), "".join(instance.facts["net"]).replace(" ", "")
        for token in re.sub(r"[\[\](),\"`]", " ", re.sub("[’′]", "'", answer)).split():
            face, twice, back = re.fullmatch(r"([UDLRFB])(2?)('?)", token[1:-1] if token[0] == "'" else token).groups()
            for _ in range(1 + bool(twice)):
                cube = "".join([cube[k] for k in turns[face + back]])
        sides = ["".join(cube[9 + 12 * i + 3 * side:][:3] for i in range(3)) for side in range(4)]
        return all(len(set(face)) == 1 for face in (cube[:9], *sides, cube[45:]))


# ---- plans that are built, not searched -----------------------------------------------------------------------------

class Blocksworld(Search):
    suite, joint = "symbench", "\n"
    program = Task.program

    def make(self, rng: Random, level: int) -> tuple:
        blocks = "ABCDEFGHIJK"[:rng.randint(*at(rng, level, (3, 3), (5, 7), (9, 11)))]
        count = rng.randint(3, 4)
        start = goal = self._draw(rng, blocks, count)
        while goal == start:
            goal = self._draw(rng, blocks, count)
        shown = ["\n".join(f"{i}: {' '.join(stack) or 'empty'}" for i, stack in enumerate(stacks, 1))
                 for stacks in (start, goal)]
        return f"Stacks of blocks, from bottom to top:\n{shown[0]}\nMove one top block at a time to another of these " \
               f"stacks until they are:\n{shown[1]}\nAnswer with at most 200 lines such as \"Move B from 2 to 1\".", \
            dict(start=start, goal=goal)

    @staticmethod
    def _draw(rng: Random, blocks: str, count: int) -> list[list[str]]:
        stacks = [[] for _ in range(count)]
        for block in rng.sample(blocks, len(blocks)):
            rng.choice(stacks).append(block)
        return stacks

    @staticmethod
    def rules(start, goal):
        def moves(stacks):
            for i, source in enumerate(stacks):
                for j in range(len(stacks)):
                    if source and i != j:
                        after = list(stacks)
                        after[i], after[j] = source[:-1], stacks[j] + source[-1:]
                        yield f"Move {source[-1]} from {i + 1} to {j + 1}", tuple(after)

        return tuple(map(tuple, start)), moves, lambda stacks: list(map(list, stacks)) == goal

    @staticmethod
    def steps(text: str) -> list[str]:
        return phrases(re.sub(r"(?i)\b(?:stack|block)\s*", "", text))

    def check(self, answer: str, instance: Instance) -> bool:
        return len(self.steps(answer)) <= 200 and super().check(answer, instance)

    @staticmethod
    def solve(start, goal):
        stacks, lines = [stack[:] for stack in start], []

        def move(i, j):
            lines.append(f"Move {stacks[i][-1]} from {i + 1} to {j + 1}")
            stacks[j].append(stacks[i].pop())

        for target, stack in enumerate(goal):  # stack by stack, each from the bottom
            for height, block in enumerate(stack):
                if stacks[target][height:height + 1] == [block]:
                    continue
                if block in stacks[target]:  # in the right stack, but too high: set it aside
                    spare, source = [i for i in range(len(stacks)) if i != target][:2]
                    while stacks[target][-1] != block:
                        move(target, spare)
                    move(target, source)
                source = next(i for i, other in enumerate(stacks) if block in other)
                spare = next(i for i in range(len(stacks)) if i not in (source, target))
                while stacks[source][-1] != block:
                    move(source, spare)
                while len(stacks[target]) > height:
                    move(target, spare)
                move(source, target)
        return "\n".join(lines)


class Boxlift(Task):
    suite = "symbench"

    def make(self, rng: Random, level: int) -> tuple:
        boxes, lifters = at(rng, level, (3, 4), (8, 12), (18, 25)), at(rng, level, (2, 2), (3, 4), (5, 6))
        heaviest, strongest = at(rng, level, (50, 40), (100, 60), (400, 160))
        weights, capacities = [1], [0]
        while sum(capacities) < max(weights):
            weights = [rng.randint(heaviest // 10, heaviest) for _ in range(rng.randint(*boxes))]
            capacities = [rng.randint(strongest // 3, strongest) for _ in range(rng.randint(*lifters))]
        limit = len(self.solve(weights, capacities, len(weights)).splitlines())
        listed = ", ".join(f"{i}: {capacity}" for i, capacity in enumerate(capacities))
        return f"Boxes weigh {', '.join(map(str, weights))}. Lifters can lift (number: weight) {listed}. In a step " \
               "a lifter works at one box at most; several may lift a box together, and what they can lift adds up. " \
               f"Lift each box once, in at most {limit} steps. Answer with a line for each step, with the weight of " \
               "each box lifted and its lifters, such as \"Step 1: [(50, [0, 2]), (20, [1])]\".", \
            dict(weights=weights, capacities=capacities, limit=limit)

    @staticmethod
    def solve(weights, capacities, limit):
        boxes, lines = sorted(weights, reverse=True), []
        while boxes and len(lines) < limit:
            free, lifts, waiting = list(range(len(capacities))), [], []
            for box in boxes:  # the heaviest first; lifters join in their order until they are strong enough
                team = []
                for lifter in free:
                    if sum(capacities[i] for i in team) < box:
                        team.append(lifter)
                if sum(capacities[i] for i in team) >= box:
                    lifts.append((box, team))
                    free = [lifter for lifter in free if lifter not in team]
                else:
                    waiting.append(box)
            boxes = waiting
            lines.append(f"Step {len(lines) + 1}: {lifts}")
        return "\n".join(lines)

    def check(self, answer: str, instance: Instance) -> bool:
        weights, capacities, limit = instance.facts.values()
        lines, lifted = [line.strip() for line in answer.splitlines() if line.strip()], []
        for k, line in enumerate(lines, 1):
            lifts = literal(re.fullmatch(rf"(?i)(?:step\s*{k}\s*:)?\s*(\[.*\])", line)[1])
            working = [lifter for _, team in lifts for lifter in team]
            if len(set(working)) < len(working) or not all(type(i) is int and i >= 0 for i in working) \
                    or any(sum(capacities[i] for i in team) < box for box, team in lifts):
                return False
            lifted += [box for box, _ in lifts]
        return len(lines) <= limit and sorted(lifted) == sorted(weights)


class Boxnet1(Task):
    suite = "symbench"
    MOST = 50  # steps

    def make(self, rng: Random, level: int) -> tuple:
        height, width = rng.choice(at(rng, level, [(1, 2), (1, 3), (2, 2)], [(2, 3), (2, 4), (3, 3)], [(4, 4)]))
        names = [f"[{r}.5, {c}.5]" for r in range(height) for c in range(width)]
        count, pairs = rng.randint(*at(rng, level, (1, 2), (3, 4), (3, 5))), at(rng, level, 1, 1, 2)
        while True:
            cells = {name: [] for name in names}
            for colour in rng.sample(("blue", "green", "orange", "purple", "red"), count):
                for thing in ("box", "target") * rng.randint(1, pairs):
                    cells[rng.choice(names)].append(f"{thing}_{colour}")
            expect = self.solve(cells)
            if len(expect) < 1400:
                break
        shown = "\n".join(f"square{name}: {', '.join(things) or 'empty'}" for name, things in cells.items())
        return f"Each square of a grid, named by its centre, has an agent of the same name:\n{shown}\nIn a step each " \
               "agent may act once: move a box from its square (where it is when the step begins) to a square that " \
               "shares a side, or to a target of the box's colour in its own square, which removes both. Match all " \
               f"boxes with targets in at most {self.MOST} steps. Answer with a JSON list with an object for each " \
               'step, such as [{"Agent[0.5, 0.5]": "move(box_red, square[0.5, 1.5])"}, ' \
               '{"Agent[0.5, 1.5]": "move(box_red, target_red)"}].', dict(cells=cells), expect

    @staticmethod
    def solve(cells):
        import json
        places = [(json.loads(cell), thing) for cell, things in cells.items() for thing in things]
        targets = [(place, thing[7:]) for place, thing in places if thing.startswith("target")]
        jobs, plan = [], []
        for place, thing in places:  # each box goes to the nearest target that is left for its colour
            if thing.startswith("box"):
                goal = min((target for target in targets if target[1] == thing[4:]),
                           key=lambda target: abs(target[0][0] - place[0]) + abs(target[0][1] - place[1]))
                targets.remove(goal)
                jobs.append([place, *goal])
        while jobs:
            step = {}
            for job in jobs[:]:
                (r, c), goal, colour = job
                agent = f"Agent[{r}, {c}]"
                if agent in step:  # this agent is busy with another box
                    continue
                if [r, c] == goal:
                    step[agent] = f"move(box_{colour}, target_{colour})"
                    jobs.remove(job)
                else:
                    if r != goal[0]:  # along the rows first, then along the columns
                        r += 1 if goal[0] > r else -1
                    else:
                        c += 1 if goal[1] > c else -1
                    step[agent] = f"move(box_{colour}, square[{r}, {c}])"
                    job[0] = [r, c]
            plan.append(step)
        return json.dumps(plan)

    def check(self, answer: str, instance: Instance) -> bool:
        plan = literal(answer)
        if len(plan) > self.MOST or answer.count("Agent") != sum(map(len, plan)):  # an agent named twice in a step
            return False
        now = Counter((cell, thing) for cell, things in instance.facts["cells"].items() for thing in things)
        for step in plan:
            after = now.copy()
            for agent, action in step.items():
                cell = self._name(agent.removeprefix("Agent"))
                box, target, square = re.fullmatch(
                    r"\s*move\(\s*(box_\w+)\s*,\s*(?:(target_\w+)|square(\[.*\]))\s*\)\s*", action).groups()
                after[cell, box] -= 1
                if target:
                    after[cell, target] -= 1
                    legal = target[7:] == box[4:] and now[cell, target]
                else:
                    square = self._name(square)
                    after[square, box] += 1
                    legal = square in instance.facts["cells"] and 1 == sum(
                        abs(a - b) for a, b in zip(json.loads(cell), json.loads(square)))
                if not legal or not now[cell, box]:
                    return False
            now = after
        return not any(now.values())

    @staticmethod
    def _name(text: str) -> str:
        """The name of a square as the question writes it."""
        return re.sub(r"\s*,\s*", ", ", text.strip())
