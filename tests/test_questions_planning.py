"""The planning tasks, judged from the text of their questions alone: no fact, no `rules`, no program is looked at.

Many plans are right. A reader takes a question and gives a judge of answers, which plays them as the question says.
The stored answer must please the judge, and the task must judge spoilt answers as the judge does.
"""
import ast
import json
import re
from random import Random

import pytest

from tasks import TASKS

# Questions of each task at each level: 30 in all, 300 with --slow.
COUNT = [6, pytest.param(60, marks=pytest.mark.slow)]
LEVELS = (1, 2, 3, 4, 5)


def fewest(start, after, done):
    """The least number of steps from a state to one that is done: layer by layer, without any path."""
    seen, layer, steps = {start}, {start}, 0
    while not any(map(done, layer)):
        layer = {state for old in layer for state in after(old)} - seen
        seen |= layer
        steps += 1
    return steps


# ---- a judge for each task ------------------------------------------------------------------------------------------

def jugs(question):
    sizes = dict(zip("ABC", map(int, re.search(r"can hold (\d+), (\d+) and (\d+) litres", question).groups())))
    goal = int(re.search(r"Get exactly (\d+) litres? into a jug", question)[1])

    def right(answer):
        water = dict.fromkeys("ABC", 0)
        for step in answer.split(", "):
            verb, jug = step.split(" ")
            if verb == "fill":
                water[jug] = sizes[jug]
            elif verb == "empty":
                water[jug] = 0
            else:
                a, b = jug.split("->")
                while water[a] > 0 and water[b] < sizes[b]:  # litre by litre
                    water[a] -= 1
                    water[b] += 1
        return goal in water.values()

    return right


def lock(question):
    target = int(re.search(r"Get the counter to (\d+)", question)[1])
    buttons = {name: rest for name, *rest in re.findall(
        r"^([ABC]) (adds|subtracts|multiplies by) (\d+)(?: \(may be pressed only while the lamp is (\w+)\))?$",
        question, re.MULTILINE)}
    assert "A counter shows 0 and a lamp is red." in question and len(buttons) == 3

    def press(state, name):
        """The state after a press, or None where the button must not be pressed."""
        value, lamp = state
        verb, number, when = buttons[name]
        if when not in ("", lamp):
            return None
        value = {"adds": value + int(number), "subtracts": value - int(number), "multiplies by": value * int(number)}
        return value[verb], "green" if lamp == "red" else "red"

    best = fewest((0, "red"), lambda state: {press(state, name) for name in "ABC"} - {None},
                  lambda state: state[0] == target)

    def right(answer):
        state = (0, "red")
        for name in answer.split(" "):
            state = state and press(state, name)
        return state is not None and state[0] == target and len(answer.split(" ")) == best

    return right


def hanoi(question):
    pegs = [list(map(int, re.findall(r"\d+", line))) for line in re.findall(r"^Peg \d: (.*)$", question, re.MULTILINE)]
    target = int(re.search(r"Bring all to Peg (\d)", question)[1]) - 1
    disks = sum(map(len, pegs))
    start = tuple(next(i for i, peg in enumerate(pegs) if disk in peg) for disk in range(1, disks + 1))
    assert all(peg == sorted(peg, reverse=True) for peg in pegs)

    def after(place):  # place[d] is the peg of disk d + 1; a disk is free, and may land, where no smaller one is
        for disk in range(disks):
            if place[disk] not in place[:disk]:
                for peg in range(len(pegs)):
                    if peg not in place[:disk + 1]:
                        yield (*place[:disk], peg, *place[disk + 1:])

    best = fewest(start, after, lambda place: set(place) == {target})

    def right(answer):
        place = start
        for line in answer.split("\n"):
            disk, a, b = map(int, re.fullmatch(r"Move disk (\d) from Peg (\d) to Peg (\d)", line).groups())
            moved = (*place[:disk - 1], b - 1, *place[disk:])
            if place[disk - 1] != a - 1 or moved not in set(after(place)):
                return False
            place = moved
        return set(place) == {target} and len(answer.split("\n")) == best

    return right


def ladder(question):
    first, last = re.search(r"to get from (\w+) to (\w+)\.", question).groups()
    listed = re.search(r"Use only these words: (.*?)\.", question)[1].split(", ")

    def right(answer):
        chain = answer.split(", ")
        steps = zip(chain, chain[1:])
        return chain[0] == first and chain[-1] == last and set(chain) <= set(listed) \
            and all(len(a) == len(b) and sum(x != y for x, y in zip(a, b)) == 1 for a, b in steps)

    return right


# Where the stickers beside a face go in a quarter turn: from each strip to the next, and from the last to the first.
# Stickers of a face are counted 0 1 2 / 3 4 5 / 6 7 8 as the net shows them.
STRIPS = {"U": "F012 L012 B012 R012", "D": "F678 R678 B678 L678", "R": "F258 U258 B630 D258",
          "L": "F036 D036 B852 U036", "F": "U678 R036 D210 L852", "B": "U012 L630 D876 R258"}


def cube(question):
    rows = [line.strip() for line in question.split("\n")[1:10]]
    faces = {"U": "".join(rows[:3]), "D": "".join(rows[6:])}
    for i, name in enumerate("LFRB"):
        faces[name] = "".join(row[3 * i:3 * i + 3] for row in rows[3:6])

    def turn(now, name):
        after = {face: list(stickers) for face, stickers in now.items()}
        after[name] = [now[name][k] for k in (6, 3, 0, 7, 4, 1, 8, 5, 2)]
        strips = STRIPS[name].split()
        for source, goal in zip(strips, strips[1:] + strips[:1]):
            for i, k in zip(source[1:], goal[1:]):
                after[goal[0]][int(k)] = now[source[0]][int(i)]
        return after

    def right(answer):
        now = faces
        for name in answer.split(" "):
            for _ in range({"": 1, "2": 2, "'": 3}[name[1:]]):
                now = turn(now, name[0])
        return all(len(set(stickers)) == 1 for stickers in now.values())

    return right


def blocks(question):
    start, goal = re.findall(r"((?:^\d: .*\n)+)", question, re.MULTILINE)

    def stacks(text):
        return [line[3:].replace("empty", "").split() for line in text.splitlines()]

    def right(answer):
        now = stacks(start)
        for line in answer.split("\n"):
            block, a, b = re.fullmatch(r"Move (\w) from (\d) to (\d)", line).groups()
            if a == b or now[int(a) - 1][-1] != block:
                return False
            now[int(b) - 1].append(now[int(a) - 1].pop())
        return now == stacks(goal) and len(answer.split("\n")) <= 200

    return right


def lifts(question):
    weights = sorted(map(int, re.search(r"Boxes weigh (.*?)\.", question)[1].split(", ")))
    strength = dict(map(int, pair) for pair in re.findall(r"(\d+): (\d+)", question.split(". In a step")[0]))
    most = int(re.search(r"at most (\d+) steps", question)[1])

    def right(answer):
        lifted = []
        for k, line in enumerate(answer.split("\n"), 1):
            number, pairs = re.fullmatch(r"Step (\d+): (.*)", line).groups()
            pairs = ast.literal_eval(pairs)
            team = [lifter for _, lifters in pairs for lifter in lifters]
            weak = any(sum(strength[lifter] for lifter in lifters) < weight for weight, lifters in pairs)
            if int(number) != k or len(team) > len(set(team)) or weak:
                return False
            lifted += [weight for weight, _ in pairs]
        return sorted(lifted) == weights and len(answer.split("\n")) <= most

    return right


def boxnet(question):
    squares = re.findall(r"^square(\[.*?\]): (.*)$", question, re.MULTILINE)
    start = {name: [] if things == "empty" else things.split(", ") for name, things in squares}
    most = int(re.search(r"in at most (\d+) steps", question)[1])

    def right(answer):
        now = {name: list(things) for name, things in start.items()}
        plan = json.loads(answer)
        for step in plan:
            arriving = []  # a box cannot act again in the step in which it arrives
            for agent, action in step.items():
                name = agent.removeprefix("Agent")
                box, goal = re.fullmatch(r"move\((box_\w+), (.*)\)", action).groups()
                now[name].remove(box)
                if goal.startswith("target"):
                    if goal != box.replace("box", "target"):
                        return False
                    now[name].remove(goal)
                else:
                    (r, c), (s, d) = json.loads(name), json.loads(goal.removeprefix("square"))
                    if abs(r - s) + abs(c - d) != 1 or f"[{s}, {d}]" not in now:
                        return False
                    arriving.append((f"[{s}, {d}]", box))
            for name, box in arriving:
                now[name].append(box)
        return not any(now.values()) and len(plan) <= most

    return right


# The reader of each task, and what stands between the steps of an answer.
JUDGES = {"rg/jugs": (jugs, ", "), "rg/quantum_lock": (lock, " "), "rg/tower_of_hanoi": (hanoi, "\n"),
          "rg/word_ladder": (ladder, ", "), "rg/rubiks_cube": (cube, " "), "symbench/blocksworld": (blocks, "\n"),
          "symbench/boxlift": (lifts, "\n"), "symbench/boxnet1": (boxnet, "}, {")}


def verdict(right, answer):
    """What a judge says; a step that cannot be made or read is wrong."""
    try:
        return right(answer)
    except (AttributeError, IndexError, KeyError, ValueError):
        return False


def spoilt(rng, steps):
    """Lists of steps near a right one: without one of them, with one twice, with two of them swapped."""
    i, j = rng.randrange(len(steps)), rng.randrange(len(steps))
    swapped = list(steps)
    swapped[i], swapped[j] = steps[j], steps[i]
    return [steps[:-1], steps[1:], steps[:i] + steps[i + 1:], steps[:i] + steps[i:i + 1] + steps[i:], swapped]


@pytest.mark.parametrize("count", COUNT)
@pytest.mark.parametrize("key", JUDGES)
def test_the_question_alone_says_which_plans_are_right(key, count):
    read, joint = JUDGES[key]
    rng = Random(0)
    for level in LEVELS:
        for seed in range(count):
            instance = TASKS[key].generate(seed, level)
            right = read(instance.question)
            assert right(instance.expect), instance.question
            for steps in spoilt(rng, instance.expect.split(joint)):
                answer = joint.join(steps)
                assert TASKS[key].verify(instance, answer) is verdict(right, answer), (instance.question, answer)


def test_every_planning_task_is_read():
    assert {*JUDGES} == {key for key, task in TASKS.items() if task.family == "planning"}
