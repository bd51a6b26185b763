"""Small machines: rewriting, recipes, circuits and programs that are run by hand, step by step."""
from random import Random
from string import ascii_uppercase

from tasks.base import Instance, Task, at, integer, ints, items
from tasks.families.words import COMMON, THREE


def unquoted(text: str) -> str:
    """A string given as an answer: quotes around it do not matter, its case does."""
    return text.strip().removesuffix(".").strip("\"'`")


# ---- rewriting -----------------------------------------------------------------------------------

class Ab(Task):
    split = "test"
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        size, row = rng.randint(*at(rng, level, (4, 6), (8, 12), (15, 30))), ""
        while not self.solve(row):
            row = " ".join(rng.choices(("A#", "#A", "B#", "#B"), k=size))
        return ("Neighbours A# #A and B# #B vanish, A# #B becomes #B A#, B# #A becomes #A B#, "
                f"until nothing applies. What is left of {row}? Answer with the row.",
                dict(row=row))

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
    suite = "symbench"
    parse = staticmethod(unquoted)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        # Letters; length and number of the patterns; the text's length; how many patterns occur.
        alphabet, size, count, length, present = at(
            rng, level, ("ABC", 2, 2, (5, 8), (1, 2)), ("ABCDE", 4, 5, (12, 24), (1, 5)),
            ("ABCDE", 4, 9, (40, 60), (4, 8)))
        text = "".join(rng.choices(alphabet, k=rng.randint(*length)))
        places = rng.sample(range(len(text) - size + 1), rng.randint(*present))
        patterns = {text[i:i + size] for i in places}
        while len(patterns) < count:  # the others may occur or not
            patterns.add("".join(rng.choices(alphabet, k=size)))
        rules = {pattern: rng.choice(alphabet) for pattern in sorted(patterns)}
        listed = ", ".join(f"{letter} after every {pattern}" for pattern, letter in rules.items())
        return (f"In {text} insert {listed}. Only the given string counts, not what was inserted; "
                "places may overlap. Answer with the new string.", dict(text=text, rules=rules))

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
    suite = "symbench"
    uses = (rewrite,)
    parse = staticmethod(unquoted)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        # The string's length, the number of rules, and the fewest and most steps.
        length, count, low, high = at(rng, level, ((4, 7), (2, 2), 1, 3), ((10, 20), (4, 6), 4, 14),
                                      ((10, 20), (6, 8), 15, 60))
        ends = False
        while not ends:
            start = "".join(rng.choices("abc", k=rng.randint(*length)))
            rules = [self._rule(rng) for _ in range(rng.randint(*count))]
            texts = self._course(start, rules, high)
            last = texts[-1]
            ends = low < len(texts) <= high + 1 and last != "" and rewrite(last, rules) is None
        lines = [f"If it {test} {x}, {deed.replace('X', x)} {y}".strip() + "."
                 for test, x, deed, y in rules]
        listed = "\n".join(f"{i}. {line}" for i, line in enumerate(lines, 1))
        return (f"Rules for rewriting a string:\n{listed}\nApply the first rule that applies, "
                "once, then look again from rule 1 on, until none applies (0 is even). What "
                f"becomes of {start}? Answer with the string.", dict(text=start, rules=rules))

    def _course(self, text: str, rules: list[list[str]], most: int) -> list[str]:
        """The string and what becomes of it, step by step; given up where it goes on or grows."""
        texts = [text]
        while len(texts) <= most + 1 and len(texts[-1]) < 50:
            after = rewrite(texts[-1], rules)
            if after is None:
                break
            texts.append(after)
        return texts

    def _rule(self, rng: Random) -> list[str]:
        """A test of x and what is then done with y."""
        part = "".join(rng.choices("abc", k=rng.randint(1, 3)))
        letter = rng.choice("abc")
        test, x = rng.choice((
            ("starts with", part), ("ends with", part), ("contains", part), ("contains", part),
            ("has an even number of", letter), ("has an odd number of", letter),
            ("is longer than", str(rng.randint(5, 15)))))
        deeds = ["drop its first letter", "drop its last letter",
                 "move its first letter to the end"]
        if not x.isdigit():
            deeds += ["delete the first X", "replace the first X by", "replace the first X by"]
        deed = rng.choice(deeds + ["append", "prepend"])
        takes = deed in ("append", "prepend", "replace the first X by")
        return [test, x, deed, "".join(rng.choices("abc", k=rng.randint(1, 2))) if takes else ""]

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
    kinds, start = "A B C X Y Z", 3     # what there is; how many of these are in stock at first
    knobs = ((2, 3), (5, 10), (7, 30))  # recipes, and the most of a kind at first
    stories = ("",)                     # with slots for the stock and the recipes
    repeat = False                      # is a recipe used as often as it can, or once?

    def make(self, rng: Random, level: int) -> tuple:
        kinds = self.kinds.split()
        count, most = at(rng, level, *self.knobs)
        counts: dict[str, int] = {}
        result: list[int] = []
        while list(counts.values()) == result:  # something should happen
            counts = dict.fromkeys(kinds, 0)
            for kind in kinds[:self.start]:
                counts[kind] = rng.randint(1, most)
            recipes = self._recipes(rng, kinds, count)
            result = ints(self.solve(counts, recipes, self.repeat))
        stock = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
        lines = "; ".join(f"{self._side(used)} to {self._side(made)}" for used, made in recipes)
        policy = "as often as it can be used" if self.repeat else "once if it can be used"
        story = rng.choice(self.stories).format(stock=stock, recipes=lines)
        return (f"{story} Go through these in order, each {policy}, round after round, until a "
                "whole round changes nothing. How many are there at the end? "
                f"Answer with the {len(kinds)} numbers of {', '.join(kinds)}.",
                dict(counts=counts, recipes=recipes, repeat=self.repeat))

    def _recipes(self, rng: Random, kinds: list[str], count: int) -> list[list[dict[str, int]]]:
        """[used, made] for each recipe; what is used is in stock or made by an earlier one."""
        weight = {kind: rng.randint(1, 9) for kind in kinds}
        known = kinds[:self.start]
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

    @staticmethod
    def solve(counts, recipes, repeat):
        counts, changed = dict(counts), True
        while changed:
            changed = False
            for used, made in recipes:
                while all(counts[kind] >= n for kind, n in used.items()):
                    for kind, n in used.items():
                        counts[kind] -= n
                    for kind, n in made.items():
                        counts[kind] += n
                    changed = True
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
    """The first hand alone leads to any result: to skip the rounds in between tells nothing."""
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
        return (f"You hold the letters {' '.join(start)}. In each round a letter comes, a result "
                f"is noted, one goes: {steps}. The result is 1 if at least two of the letter that "
                "comes were held already, else 2 if it forms three neighbours in the alphabet "
                "(such as C, D, E) with two letters held, else 0. What is the result of the last "
                "round? Answer with 0, 1 or 2.",
                dict(hand=start, rounds=moves))

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
    """Each circuit has inputs that lead to 0 and others that lead to 1: its gates tell nothing."""
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        label = str(rng.randrange(2))
        # Inputs, terms, wires that a term joins, and whether later terms may use earlier ones.
        inputs, terms, ends, nested = at(rng, level, (2, (2, 2), (2, 2), False),
                                         (4, (3, 5), (2, 4), False), (8, (6, 10), (4, 6), True))
        names = ascii_uppercase[:inputs]
        found: dict[str, str] = {}
        while len(found) < 2:
            gates = self._gates(rng, list(names), rng.randint(*terms), ends, nested)
            values = [[f"{name} = {rng.randrange(2)}" for name in names] for _ in range(20)]
            circuits = ["; ".join([*lines, gates]) for lines in values]
            found = {str(self.solve(circuit)): circuit for circuit in circuits}
        return (f"A circuit: {found[label]}. XOR is 1 if an odd number of its inputs are 1. What "
                "is the output? Answer 0 or 1.", dict(circuit=found[label]))

    def _gates(self, rng: Random, inputs: list[str], count: int, ends: tuple[int, int],
               nested: bool) -> str:
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
        lines.append(f"output = {rng.choice(('OR', 'NOR', 'XOR', 'AND'))}({', '.join(names)})")
        return "; ".join(lines)

    @staticmethod
    def solve(circuit):
        import re
        values = {}
        for line in circuit.split("; "):
            name, gate, ends = re.fullmatch(r"(\w+) = (\w+)(?:\((.*)\))?", line).groups("")
            bits = [values[wire] ^ bool(negated)
                    for negated, wire in re.findall(r"(not )?(\w+)", ends)]
            outputs = {"AND": all(bits), "NAND": not all(bits), "OR": any(bits),
                       "NOR": not any(bits), "XOR": sum(bits) % 2}
            values[name] = int(outputs[gate] if bits else gate)
        return values["output"]

    def program(self, instance: Instance) -> str:
        circuit = instance.facts["circuit"]  # with the gates defined, it is Python
        gates = "".join(f"{gate} = lambda *x: {body}\n" for gate, body in GATES.items()
                        if f" {gate}(" in circuit)
        return f"{gates}{circuit}\nprint(int(output))\n"


class Bf(Task):
    parse = staticmethod(unquoted)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        kind, low, high = at(rng, level, ("plain", 3, 4), ("loop", 5, 7), ("nested", 3, 5))
        printed = rng.choice([word for word in COMMON + THREE if low <= len(word) <= high])
        printed = rng.choice((str.lower, str.upper, str.title))(printed)
        code = self._loop(rng, printed)
        if kind == "plain":  # the letters one after another in one cell
            code = "".join(self._step(ord(c) - ord(last))
                           for last, c in zip("\0" + printed, printed))
        if kind == "nested":
            a, b, c, d = rng.randint(2, 5), rng.randint(2, 4), rng.randint(3, 4), rng.randint(0, 9)
            # Three loops in one another make a * b * c, one more takes it apart into tens and ones.
            code += f">{'+' * a}[>{'+' * b}[>{'+' * c}[>+<-]<-]<-]>>>{'+' * d}"
            code += f">{'+' * 10}<[->-[>+>>]>[+[-<+>]>+>>]<<<<<]>>>{'+' * 48}.<{'+' * 48}."
            printed += str(a * b * c + d)
        return ("What does this Brainf*** program print? Cells hold 0 to 255 and are 0 at first; + "
                "and - change the cell, > and < go to its right and left neighbour, [ and ] "
                "enclose what is repeated while the cell is not 0, . prints it as an ASCII "
                f"character.\n{code}\nAnswer with the printed text.",
                dict(code=code), printed)

    def _loop(self, rng: Random, word: str) -> str:
        """A cell for each letter, all raised in one loop and then corrected."""
        times = rng.randint(6, 12)
        factors = [ord(c) // times + rng.randrange(2) for c in word]
        raised = "".join(">" + "+" * factor for factor in factors)
        printed = "".join(">" + self._step(ord(c) - times * factor)
                          for c, factor in zip(word, factors))
        return "+" * times + "[" + raised + "<" * len(word) + "-]" + printed

    def _step(self, change: int) -> str:
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
