"""Small machines: rewriting, recipes, circuits and programs that are run by hand, step by step."""
import re
from random import Random
from string import ascii_uppercase

from tasks.base import Instance, Task, at, between, integer, ints, items, named_integers
from tasks.families.words import COMMON, THREE


def unquoted(text: str) -> str:
    """A string given as an answer: quotes around it do not matter, its case does."""
    return text.strip().removesuffix(".").strip("\"'`")


def scramble(rng: Random, letters: str, size: int) -> str:
    return "".join(rng.choices(letters, k=size))


# ---- rewriting -----------------------------------------------------------------------------------

class Ab(Task):
    """A# B# #A #B becomes A# #A B# #B, and that vanishes."""
    split = "test"
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        size = between(rng, level, (4, 6), (8, 12), (15, 30))
        row = ""
        while not self.solve(row):
            row = " ".join(rng.choices(("A#", "#A", "B#", "#B"), k=size))
        question = ("Neighbours A# #A and B# #B vanish, A# #B becomes #B A#, B# #A becomes #A B#, "
                    f"until nothing applies. What is left of {row}? Answer with the row.")
        return question, dict(row=row)

    # The order of rewriting does not matter.
    @staticmethod
    def solve(row):
        rules = {"A# #A": "", "B# #B": "", "A# #B": "#B A#", "B# #A": "#A B#"}
        while any(old in row for old in rules):
            for old in rules:
                row = " ".join(row.replace(old, rules[old]).split())
        return row

    @staticmethod
    def parse(text: str) -> list[str]:
        return items(text.upper())


class StringInsertion(Task):
    """In ABCD insert E after every BC: ABCED."""
    suite = "symbench"
    parse = staticmethod(unquoted)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        # Letters; length and number of the patterns; the text's length; how many patterns occur.
        letters, size, count, length, present = at(
            rng, level, ("ABC", 2, 2, (5, 8), (1, 2)), ("ABCDE", 4, 5, (12, 24), (1, 5)),
            ("ABCDE", 4, 9, (40, 60), (4, 8)))
        text = scramble(rng, letters, rng.randint(*length))
        places = rng.sample(range(len(text) - size + 1), rng.randint(*present))
        patterns = {text[i:i + size] for i in places}
        while len(patterns) < count:  # the others may occur or not
            patterns.add(scramble(rng, letters, size))
        rules = {pattern: rng.choice(letters) for pattern in sorted(patterns)}
        listed = ", ".join(f"{letter} after every {pattern}" for pattern, letter in rules.items())
        question = (f"In {text} insert {listed}. Only the given string counts, not what was "
                    "inserted; places may overlap. Answer with the new string.")
        return question, dict(text=text, rules=rules)

    @staticmethod
    def solve(text, rules):
        size = len(min(rules))
        return "".join(text[i] + rules.get(text[:i + 1][-size:], "") for i in range(len(text)))


def rewrite(text, rules):
    """The text after the first rule that applies to it, None if none does."""
    for test, x, deed, y in rules:
        holds = {
            "starts with": text.startswith(x), "ends with": text.endswith(x), "contains": x in text,
            "has an even number of": text.count(x) % 2 == 0,
            "has an odd number of": text.count(x) % 2 == 1,
            "is longer than": x.isdigit() and len(text) > int(x)}
        becomes = {
            "drop its first letter": text[1:], "drop its last letter": text[:-1],
            "move its first letter to the end": text[1:] + text[:1],
            "append": text + y, "prepend": y + text,
            "replace the first X by": text.replace(x, y, 1),
            "delete the first X": text.replace(x, "", 1)}
        if holds[test]:
            return becomes[deed]


class StringDeletionAndModification(Task):
    """1. If it starts with ab, drop its first letter. 2. If it contains c, append a. ..."""
    suite = "symbench"
    uses = (rewrite,)
    parse = staticmethod(unquoted)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        # The string's length, the number of rules, and the fewest and most steps.
        length, count, low, high = at(rng, level, ((4, 7), (2, 2), 1, 3), ((10, 20), (4, 6), 4, 14),
                                      ((10, 20), (6, 8), 15, 60))
        while True:
            start = text = scramble(rng, "abc", rng.randint(*length))
            rules = [self._rule(rng) for _ in range(rng.randint(*count))]
            # Some rules go on for ever, and some let the string grow.
            steps, after = 0, rewrite(text, rules)
            while after is not None and steps < high and len(text) < 50:
                text, after = after, rewrite(after, rules)
                steps += 1
            if after is None and text and steps >= low:
                break
        lines = [f"{i}. If it {test} {x}, {deed.replace('X', x)} {y}".strip() + ".\n"
                 for i, (test, x, deed, y) in enumerate(rules, 1)]
        question = (f"Rules for rewriting a string:\n{''.join(lines)}Apply the first rule that "
                    "applies, once, then look again from rule 1 on, until none applies (0 is "
                    f"even). What becomes of {start}? Answer with the string.")
        return question, dict(text=start, rules=rules)


    def _rule(self, rng: Random) -> list[str]:
        """A test of x and what is then done with y."""
        part = scramble(rng, "abc", rng.randint(1, 3))
        letter = rng.choice("abc")
        test, x = rng.choice((
            ("starts with", part), ("ends with", part), ("contains", part), ("contains", part),
            ("has an even number of", letter), ("has an odd number of", letter),
            ("is longer than", str(rng.randint(5, 15)))))
        deeds = ["drop its first letter", "drop its last letter",
                 "move its first letter to the end"]
        if not x.isdigit():
            deeds += ["delete the first X", "replace the first X by", "replace the first X by"]
        deed = rng.choice([*deeds, "append", "prepend"])
        takes_y = deed in ("append", "prepend", "replace the first X by")
        y = scramble(rng, "abc", rng.randint(1, 2)) if takes_y else ""
        return [test, x, deed, y]

    @staticmethod
    def solve(text, rules):
        while text is not None:
            text, last = rewrite(text, rules), text
        return last


# ---- recipes -------------------------------------------------------------------------------------

class Exchange(Task, abstract=True):
    """Things are exchanged by recipes, in their order, round after round, until none can be used.

    Every recipe takes more weight than it gives, for weights that are not told: it ends.
    """
    suite = "symbench"
    parse = staticmethod(ints)
    program = Task.script
    kinds = "A B C X Y Z"               # what there is; the first three are in stock
    knobs = ((2, 3), (5, 10), (7, 30))  # recipes, and the most of a kind at first
    stories = ("",)                     # with slots for the stock and the recipes
    repeat = False                      # is a recipe used as often as it can, or once?

    def make(self, rng: Random, level: int) -> tuple:
        kinds = self.kinds.split()
        count, most = at(rng, level, *self.knobs)
        while True:
            counts = dict.fromkeys(kinds, 0)
            for kind in kinds[:3]:
                counts[kind] = rng.randint(1, most)
            recipes = self._recipes(rng, kinds, count)
            if ints(self.solve(counts, recipes, self.repeat)) != list(counts.values()):
                break
        stock = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
        lines = "; ".join(f"{self._side(used)} to {self._side(made)}" for used, made in recipes)
        policy = "as often as it can be used" if self.repeat else "once if it can be used"
        story = rng.choice(self.stories).format(stock=stock, recipes=lines)
        question = (f"{story} Go through these in order, each {policy}, round after round, until a "
                    "whole round changes nothing. How many are there at the end? "
                    f"Answer with the {len(kinds)} numbers of {', '.join(kinds)}.")
        return question, dict(counts=counts, recipes=recipes, repeat=self.repeat)

    def _recipes(self, rng: Random, kinds: list[str], count: int) -> list[list[dict[str, int]]]:
        """[used, made] for each recipe; what is used is in stock or made by an earlier one."""
        weight = {kind: rng.randint(1, 9) for kind in kinds}
        known = kinds[:3]
        recipes: list[list[dict[str, int]]] = []
        while len(recipes) < count:
            used = self._amounts(rng, known, rng.choice((1, 1, 2)))
            others = [kind for kind in kinds if kind not in used]
            made = self._amounts(rng, others, rng.choice((1, 2)))
            taken = sum(weight[kind] * n for kind, n in used.items())
            given = sum(weight[kind] * n for kind, n in made.items())
            if taken > given and [used, made] not in recipes:
                recipes.append([used, made])
                known = [kind for kind in kinds if kind in known or kind in made]
        return rng.sample(recipes, count)

    def _amounts(self, rng: Random, kinds: list[str], size: int) -> dict[str, int]:
        """One or two of so many kinds."""
        return {kind: rng.choice((1, 1, 2)) for kind in rng.sample(kinds, size)}

    def _side(self, amounts: dict[str, int]) -> str:
        return " + ".join(kind if n == 1 else f"{n} {kind}" for kind, n in amounts.items())

    def check(self, answer: str, instance: Instance) -> bool:
        # The kinds may stand before their numbers, if all do: "A = 1, B: 5".
        named, numbers = named_integers(answer)
        right = numbers == ints(instance.expect)
        return right and named in ([], list(instance.facts["counts"]))

    @staticmethod
    def solve(counts, recipes, repeat):
        counts, before = dict(counts), {}
        while counts != before:
            before = dict(counts)
            for used, made in recipes:
                while all(counts[kind] >= n for kind, n in used.items()):
                    for kind in counts:
                        counts[kind] += made.get(kind, 0) - used.get(kind, 0)
                    if not repeat:
                        break
        return ", ".join(str(n) for n in counts.values())


class StringSynthesis(Exchange):
    split = "test"
    kinds, repeat = "[A] [B] [C] {A} {B} {C} (A) (B) (C)", True
    knobs = ((2, 3), (6, 8), (8, 20))
    stories = ("You have the blocks {stock}. These recipes turn blocks into others: {recipes}.",)


class StringSplitting(Exchange):
    split = "test"
    stories = ("A workshop has the machines {stock}. It can turn machines and parts into others: "
               "{recipes}.",
               "In stock: {stock}. Machines A, B, C and parts X, Y, Z can be rebuilt: {recipes}.")


class SynthesisDecomposition(Exchange):
    split = "test"
    kinds, knobs = "A B C X Y", ((2, 4), (3, 12), (4, 25))
    stories = ("A farmer has the crops {stock} and can trade crops and products: {recipes}.",)


# ---- games and circuits --------------------------------------------------------------------------

class MahjongPattern(Task):
    """You hold B C C H. In each round a letter comes, a result is noted, one goes: C comes, H goes.

    The first hand alone leads to any result: to skip the rounds in between tells nothing.
    """
    suite = "symbench"
    parse = staticmethod(integer)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.randrange(3)     # the result, so that all three are equally frequent
        skipping = rng.randrange(3)  # the result of the last round with the first hand
        size, rounds = at(rng, level, (6, (1, 1)), (13, (2, 5)), (13, (8, 12)))
        count = rng.randint(*rounds)
        while True:
            start = sorted(rng.sample(ascii_uppercase * 2, size))
            moves = self._rounds(rng, start, count)
            last = moves[-1][0]
            skips = count == 1 or self.solve(start, [[last, last]]) == skipping
            if skips and self.solve(start, moves) == label:
                break
        steps = "; ".join(f"{new} comes, {old} goes" for new, old in moves)
        question = (f"You hold the letters {' '.join(start)}. In each round a letter comes, a "
                    f"result is noted, one goes: {steps}. The result is 1 if at least two of the "
                    "letter that comes were held already, else 2 if it forms three neighbours in "
                    "the alphabet (such as C, D, E) with two letters held, else 0. What is the "
                    "result of the last round? Answer with 0, 1 or 2.")
        return question, dict(hand=start, rounds=moves)

    def _rounds(self, rng: Random, hand: list[str], count: int) -> list[list[str]]:
        """[letter that comes, letter that goes] for each round; it may be the same letter."""
        rounds = []
        for _ in range(count):
            new = rng.choice(ascii_uppercase)
            hand = [*hand, new]
            old = rng.choice(hand)
            hand.remove(old)
            rounds.append([new, old])
        return rounds

    @staticmethod
    def solve(hand, rounds):
        hand = list(hand)
        for new, old in rounds:
            near = [chr(ord(new) + d) in hand for d in (-2, -1, 1, 2)]
            run = any(a and b for a, b in zip(near, near[1:]))
            result = 1 if hand.count(new) > 1 else 2 if run else 0
            hand.append(new)
            hand.remove(old)
        return result


GATES = {"AND": "all(x)", "NAND": "not all(x)", "OR": "any(x)", "NOR": "not any(x)",
         "XOR": "sum(x) % 2"}


class CircuitLogic(Task):
    """A = 1; B = 0; T1 = AND(A, not B); output = OR(T1). What is the output? 1.

    Each circuit has inputs that lead to 0 and others that lead to 1: its gates tell nothing.
    """
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.randrange(2)
        # Inputs, terms, wires that a term joins, and whether later terms may use earlier ones.
        inputs, terms, ends, nested = at(rng, level, (2, (2, 2), (2, 2), False),
                                         (4, (3, 5), (2, 4), False), (8, (6, 10), (4, 6), True))
        names = list(ascii_uppercase[:inputs])
        while True:
            gates = self._gates(rng, names, rng.randint(*terms), ends, nested)
            found = {}  # a circuit for each output
            for _ in range(20):
                bits = [f"{name} = {rng.randrange(2)}" for name in names]
                circuit = "; ".join(bits + gates)
                found[self.solve(circuit)] = circuit
            if len(found) == 2:
                break
        question = (f"A circuit: {found[label]}. XOR is 1 if an odd number of its inputs are 1. "
                    "What is the output? Answer 0 or 1.")
        return question, dict(circuit=found[label])

    def _gates(self, rng: Random, inputs: list[str], count: int, ends: tuple[int, int],
               nested: bool) -> list[str]:
        """Some terms, each a gate with wires, and an output gate that joins them."""
        wires = list(inputs)
        names = [f"T{i}" for i in range(1, count + 1)]
        lines = []
        for name in names:
            joined = [rng.choice(("", "not ")) + wire
                      for wire in rng.sample(wires, rng.randint(*ends))]
            lines.append(f"{name} = {rng.choice(('AND', 'NAND', 'XOR'))}({', '.join(joined)})")
            if nested:
                wires.append(name)
        output = rng.choice(("OR", "NOR", "XOR", "AND"))
        return [*lines, f"output = {output}({', '.join(names)})"]

    @staticmethod
    def solve(circuit):
        bits = {}
        for line in circuit.split("; "):
            # "T1 = AND(A, not B)" or "A = 1"
            name, gate, *ends = re.findall(r"(?:not )?\w+", line)
            x = [bits[end] for end in ends]
            outputs = {"AND": all(x), "NAND": not all(x), "OR": any(x), "NOR": not any(x),
                       "XOR": sum(x) % 2, "0": 0, "1": 1}
            bits[name] = int(outputs[gate])
            bits[f"not {name}"] = 1 - bits[name]
        return bits["output"]

    def program(self, instance: Instance) -> str:
        """The gates that occur; with them, the circuit is Python."""
        circuit = instance.facts["circuit"]
        gates = [f"{gate} = lambda *x: {body}" for gate, body in GATES.items()
                 if f" {gate}(" in circuit]
        return "\n".join([*gates, circuit, "print(int(output))\n"])


class Bf(Task):
    """++++++++[>++++++++<-]>+. prints A."""
    parse = staticmethod(unquoted)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        kind, low, high = at(rng, level, ("plain", 3, 4), ("loop", 5, 7), ("nested", 3, 5))
        printed = rng.choice([word for word in COMMON + THREE if low <= len(word) <= high])
        printed = rng.choice((str.lower, str.upper, str.title))(printed)
        codes = list(printed.encode())
        code = self._loop(rng, codes)
        if kind == "plain":  # the letters one after another in one cell
            code = "".join(self._step(b - a) for a, b in zip([0, *codes], codes))
        if kind == "nested":
            a, b, c, d = rng.randint(2, 5), rng.randint(2, 4), rng.randint(3, 4), rng.randint(0, 9)
            # Three loops in one another make a * b * c + d.
            code += f">{'+' * a}[>{'+' * b}[>{'+' * c}[>+<-]<-]<-]>>>{'+' * d}"
            # One more takes it apart into tens and ones; 48 is the character 0.
            code += f">{'+' * 10}<[->-[>+>>]>[+[-<+>]>+>>]<<<<<]>>>{'+' * 48}.<{'+' * 48}."
            printed += str(a * b * c + d)
        question = ("What does this Brainf*** program print? Cells hold 0 to 255 and are 0 at "
                    "first; + and - change the cell, > and < go to its right and left neighbour, "
                    "[ and ] enclose what is repeated while the cell is not 0, . prints it as an "
                    f"ASCII character.\n{code}\nAnswer with the printed text.")
        return question, dict(code=code), printed

    def _loop(self, rng: Random, codes: list[int]) -> str:
        """A cell for each letter, all raised in one loop and then corrected."""
        times = rng.randint(6, 12)
        raised = printed = ""
        for code in codes:
            factor = code // times + rng.randrange(2)
            raised += ">" + "+" * factor
            printed += ">" + self._step(code - times * factor)
        return "+" * times + "[" + raised + "<" * len(codes) + "-]" + printed

    def _step(self, change: int) -> str:
        """Change the cell and print it."""
        return ("+" if change > 0 else "-") * abs(change) + "."

    @staticmethod
    def solve(code):
        jump, stack = {}, []
        for i, c in enumerate(code):
            if c == "[":
                stack.append(i)
            elif c == "]":
                jump[i] = stack.pop()
                jump[jump[i]] = i
        cells, at, i, out = [0] * 100, 0, 0, ""
        while i < len(code):
            c = code[i]
            if c in "<>":
                at += 1 if c == ">" else -1
            elif c in "+-":
                cells[at] = (cells[at] + (1 if c == "+" else -1)) % 256
            elif c == ".":
                out += chr(cells[at])
            elif (c == "[") == (cells[at] == 0):  # past the loop, or back to its beginning
                i = jump[i]
            i += 1
        return out
