"""Logic: truth values, formulas, syllogisms, liars, and orders found from clues."""
import re
from collections.abc import Iterator
from itertools import product
from random import Random

from tasks.base import Choice, Instance, Task, at, integer, ints, items, norm, options, yes_no
from tasks.families.words import NAMES, NOUNS


class BooleanExpressions(Task):
    suite = "bbh"
    parse = staticmethod(yes_no)

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice((True, False))  # drawn first, so that both answers are equally frequent
        size = rng.randint(*at(rng, level, (2, 3), (4, 6), (8, 14)))
        # The shape is drawn once and only its constants again: drawn anew, "or" would hint at True.
        expression = self._draw(rng, size)
        while self.solve(expression) is not label:
            expression = re.sub("True|False", lambda _: rng.choice(("True", "False")), expression)
        return f"What is {expression}? Answer True or False.", dict(expression=expression)

    def _draw(self, rng: Random, size: int) -> str:
        """A random expression with `size` constants."""
        if size == 1:
            return "not " * (rng.random() < 0.4) + rng.choice(("True", "False"))
        left = rng.randrange(1, size)
        text = f"{self._draw(rng, left)} {rng.choice(('and', 'or'))} {self._draw(rng, size - left)}"
        return "not " * (rng.random() < 0.3) + f"({text})" if rng.random() < 0.5 else text

    @staticmethod
    def solve(expression):
        # Grammar: or := and ("or" and)*;  and := not ("and" not)*;  not := "not" not | "(" or ")" | constant
        tokens = expression.replace("(", " ( ").replace(")", " ) ").split()

        def disjunction():
            result = conjunction()
            while tokens and tokens[0] == "or":
                tokens.pop(0)
                result = conjunction() or result
            return result

        def conjunction():
            result = negation()
            while tokens and tokens[0] == "and":
                tokens.pop(0)
                result = negation() and result
            return result

        def negation():
            token = tokens.pop(0)
            if token == "not":
                return not negation()
            if token == "(":
                result = disjunction()
                tokens.pop(0)
                return result
            return token == "True"

        return disjunction()

    def program(self, instance: Instance) -> str:
        return f"print({instance.facts['expression']})\n"


# ---- formulas -------------------------------------------------------------------------------------------------------

def truth(formula, model):
    """The truth value of a formula: a name, or a list such as ["and", f, g] over not, and, or, if, iff."""
    if isinstance(formula, str):
        return model[formula]
    a, b = truth(formula[1], model), truth(formula[-1], model)
    return {"not": not a, "and": a and b, "or": a or b, "if": not a or b, "iff": a == b}[formula[0]]


def names_in(formula):
    """The names in a formula, sorted."""
    return [formula] if isinstance(formula, str) else sorted({name for part in formula[1:] for name in names_in(part)})


def draw(rng: Random, names: list[str], depth: int) -> str | list:
    """A random formula, `depth` connectives deep, not counting negations."""
    if depth == 0:
        name = rng.choice(names)
        return ["not", name] if rng.random() < 0.4 else name
    left = right = draw(rng, names, depth - 1)
    while names_in(left) == names_in(right):  # "p and p" would say little
        right = draw(rng, names, rng.randrange(depth))
    formula = [rng.choice(("and", "or", "if", "iff")), *rng.sample((left, right), 2)]
    return ["not", formula] if rng.random() < 0.15 else formula


def say(formula: str | list, words: dict[str, str]) -> str:
    """A formula as text, from a template for each connective; a connective inside another is bracketed."""
    def atomic(part: str | list) -> bool:
        return isinstance(part, str) or part[0] == "not" and isinstance(part[1], str)

    if atomic(formula):
        return words["atom"].format(formula) if isinstance(formula, str) else words["not atom"].format(formula[1])
    return words[formula[0]].format(*(say(part, words) if atomic(part) else f"({say(part, words)})"
                                      for part in formula[1:]))


class KnightsKnaves(Task):
    uses = (truth,)
    WORDS = {"atom": "{} is a knight", "not atom": "{} is a knave", "not": "it is not true that {}",
             "and": "{} and {}", "or": "{} or {}", "if": "if {} then {}", "iff": "{} if and only if {}"}

    def make(self, rng: Random, level: int) -> tuple:
        names = [name for name, _ in rng.sample(NAMES, rng.randint(*at(rng, level, (2, 2), (3, 3), (4, 5))))]
        depth = at(rng, level, 1, 2, 3)
        while True:
            claims = [draw(rng, names, rng.randint(depth // 2, depth)) for _ in names]
            worlds = [dict(zip(names, world)) for world in product((True, False), repeat=len(names))]
            if sum(all(truth(f, w) == w[name] for name, f in zip(names, claims)) for w in worlds) == 1:
                break
        said = " ".join(f"{name} says: {say(claim, self.WORDS)}." for name, claim in zip(names, claims))
        return (f"Knights always tell the truth, knaves always lie. {said} What are they? "
                "Answer for all, in the form: X is a knight, Y is a knave.", dict(names=names, claims=claims))

    @staticmethod
    def solve(names, claims):
        from itertools import product
        for world in product((True, False), repeat=len(names)):
            knight = dict(zip(names, world))
            if all(truth(claim, knight) == knight[name] for name, claim in zip(names, claims)):
                return ", ".join(f"{name} is a {'knight' if knight[name] else 'knave'}" for name in names)

    @staticmethod
    def parse(text: str) -> list[tuple]:
        lines = [line.strip(" ,.;-*") for line in text.splitlines()]  # one a line is as good as commas
        parts = re.split(r", and |, ?| and |; ?", norm(", ".join(line for line in lines if line)))
        return sorted(re.fullmatch(r"(\w+)(?: is(?: an?)?|:| =) (knight|knave)", part).groups() for part in parts)


class PropositionalLogic(Task):
    uses = (truth,)
    WORDS = {"atom": "{}", "not atom": "~{}", "not": "~{}", "and": "{} & {}", "or": "{} | {}", "if": "{} -> {}",
             "iff": "{} <-> {}"}

    def make(self, rng: Random, level: int) -> tuple:
        names = list("pqrs"[:at(rng, level, 2, 3, 4)])
        depth = at(rng, level, 1, 2, 3)
        while True:
            premises = [draw(rng, names, rng.randint(1, depth))
                        for _ in range(rng.randint(*at(rng, level, (2, 3), (3, 4), (4, 5))))]
            pair = sorted(rng.sample(names, 2))
            if self.solve(premises, pair):
                break
        listed = "; ".join(say(premise, self.WORDS) for premise in premises)
        return (f"Premises: {listed}. Give a formula in which {pair[0]} and {pair[1]} occur, and no other letter, that "
                "follows from all premises together, but from no single one of them. "
                "Answer with the formula, in the signs ~ & | -> <-> and brackets.", dict(premises=premises, pair=pair))

    @staticmethod
    def solve(premises, pair):
        from itertools import product
        p, q = pair
        models = [dict(zip("pqrs", bits)) for bits in product((True, False), repeat=4)]

        def cases(some):  # the truth values that the two letters can have together if some premises hold
            return {(m[p], m[q]) for m in models if all(truth(premise, m) for premise in some)}

        left, alone = cases(premises), [cases([premise]) for premise in premises]
        if not left:
            return None  # the premises contradict each other
        # A conclusion is a set of cases; it follows if no case that is left lies outside it.
        for chosen in product((True, False), repeat=4):
            allowed = {case for case, yes in zip(product((True, False), repeat=2), chosen) if yes}
            if left <= allowed and not any(some <= allowed for some in alone):
                return " | ".join(f"({'' if a else '~'}{p} & {'' if b else '~'}{q})"
                                  for a, b in sorted(allowed, reverse=True))

    def check(self, answer: str, instance: Instance) -> bool:
        formula, premises = self.parse(answer), instance.facts["premises"]
        models = [dict(zip("pqrs", bits)) for bits in product((True, False), repeat=4)]

        def entailed(some: list) -> bool:
            return all(truth(formula, m) for m in models if all(truth(premise, m) for premise in some))

        return (names_in(formula) == instance.facts["pair"] and entailed(premises)
                and not any(entailed([premise]) for premise in premises))

    SIGNS = {"¬": "~", "!": "~", "not": "~", "∧": "&", "&&": "&", "and": "&", "∨": "|", "||": "|", "or": "|",
             "→": "->", "=>": "->", "↔": "<->", "<=>": "<->"}

    @classmethod
    def parse(cls, text: str) -> str | list:
        """The formula of a text. ~ binds tightest, then &, |, ->, <->; -> groups to the right."""
        tokens = [cls.SIGNS.get(t, t) for t in re.findall(r"<->|<=>|->|=>|&&|\|\||\w+|\S", norm(text))][::-1]
        if len(tokens) > 500:
            raise ValueError("formula too long")
        binary = {"<->": "iff", "->": "if", "|": "or", "&": "and"}

        def expression(loosest: int) -> str | list:
            if loosest == len(binary):
                token = tokens.pop()
                if token == "~":
                    return ["not", expression(loosest)]
                if token == "(":
                    inner = expression(0)
                    if tokens.pop() != ")":
                        raise ValueError("a bracket is not closed")
                    return inner
                if token not in list("pqrs"):
                    raise ValueError(f"not a letter: {token!r}")
                return token
            sign = list(binary)[loosest]
            left = expression(loosest + 1)
            while tokens and tokens[-1] == sign:
                tokens.pop()
                left = [binary[sign], left, expression(loosest + (sign != "->"))]
            return left

        formula = expression(0)
        if tokens:
            raise ValueError("text after the formula")
        return formula


class SelfReference(Task):
    split = "test"
    parse = staticmethod(integer)
    SENTENCES = {"at least": "at least {} are true", "at most": "at most {} are false", "true": "exactly {} are true",
                 "false": "exactly {} are false", "one of": "exactly one of numbers {} and {} is true",
                 "prime": "the number of true ones is prime", "composite": "the number of false ones is composite"}

    def make(self, rng: Random, level: int) -> tuple:
        count = at(rng, level, 5, 7, 9)
        ways = rng.choice((0, 0, 1, 1, 2, 2, 3))  # drawn first, so that no answer is above 35 %; 3 is 3 or more
        while True:
            kinds = rng.sample(sorted(self.SENTENCES), 5) + rng.choices(sorted(self.SENTENCES), k=count - 5)
            claims = [[kind, *(rng.sample(range(1, count + 1), 2) if kind == "one of"
                               else [rng.randint(0, count)] * ("{}" in self.SENTENCES[kind]))] for kind in kinds]
            if min(self.solve(claims), 3) == ways:
                break
        listed = "\n".join(f"{i}. {self._tell(*claim)}" for i, claim in enumerate(claims, 1))
        return (f"Each of these {count} statements is true or false:\n{listed}\nIn how many ways can that be, if the "
                "true ones say what is so and the false ones do not? Answer with one integer.", dict(claims=claims))

    def _tell(self, kind: str, *numbers: int) -> str:
        text = self.SENTENCES[kind].format(*numbers).capitalize()
        if numbers == (1,):  # "exactly 1 is true"
            text = text.replace(" are ", " is ")
        return f"{text}."

    @staticmethod
    def solve(claims):
        from itertools import product
        ways = 0
        for world in product((True, False), repeat=len(claims)):
            true, false = sum(world), len(claims) - sum(world)
            says = []
            for kind, *n in claims:
                says.append(true >= n[0] if kind == "at least" else false <= n[0] if kind == "at most"
                            else true == n[0] if kind == "true" else false == n[0] if kind == "false"
                            else world[n[0] - 1] != world[n[1] - 1] if kind == "one of"
                            else true in (2, 3, 5, 7) if kind == "prime" else false in (4, 6, 8, 9))
            ways += says == list(world)
        return ways


# ---- deductions about classes ---------------------------------------------------------------------------------------

def follows(premises, conclusion):
    """Whether a conclusion holds wherever the premises do; a class may be empty.

    A statement is ["all", f], ["some", f] or [name, f]: f, a formula over classes, is true of everything, of something,
    or of the one who has this name.
    """
    from itertools import product
    classes = sorted({name for _, formula in [*premises, conclusion] for name in names_in(formula)})
    types = [dict(zip(classes, bits)) for bits in product((True, False), repeat=len(classes))]
    types = [t for t in types if all(truth(f, t) for kind, f in premises if kind == "all")]
    beings = {}  # whatever is said to exist, or has a name -> the types it may have
    for i, (kind, formula) in enumerate(premises):
        if kind != "all":
            being = i if kind == "some" else kind
            beings[being] = [t for t in beings.get(being, types) if truth(formula, t)]
    kind, goal = conclusion
    if [] in beings.values():
        return True  # the premises contradict each other
    if kind == "some":
        return any(all(truth(goal, t) for t in being) for being in beings.values())
    return all(truth(goal, t) for t in beings.get(kind, types))


class Syllogism(Task):
    uses = (truth, names_in, follows)
    parse = staticmethod(yes_no)
    MOODS = {"All {} are {}": ["all", "if"], "No {} are {}": ["all", "if", "not"], "Some {} are {}": ["some", "and"],
             "Some {} are not {}": ["some", "and", "not"]}

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice((True, False))
        nouns = [plural for _, plural in rng.sample(NOUNS, at(rng, level, 3, 3, 4))]
        # Each statement is about two neighbours in the ring of nouns; the last one is the conclusion.
        links = list(zip(nouns, nouns[1:] + nouns[:1]))

        def shuffled() -> list[list[str]]:
            return [rng.sample(link, 2) for link in links]

        # First a valid argument. Then, for the answer No, its nouns change places until it is invalid:
        # so All, No, Some and not occur as often for Yes as for No, and do not give the answer away.
        valid = False
        while not valid:
            moods, pairs = [rng.choice(sorted(self.MOODS)) for _ in links], shuffled()
            valid = follows(*self._argument(moods, pairs))
        while valid is not label:
            pairs = shuffled()
            valid = follows(*self._argument(moods, pairs))
        premises, conclusion = self._argument(moods, pairs)
        *given, asked = [mood.format(*pair) for mood, pair in zip(moods, pairs)]
        return (f"A class may be empty. {'. '.join(given)}. Does it follow that {asked[0].lower()}{asked[1:]}? "
                "Answer Yes or No.", dict(premises=premises, conclusion=conclusion))

    def _argument(self, moods: list[str], pairs: list[list[str]]) -> tuple[list, list]:
        """The premises and the conclusion, such as ["all", ["if", "cats", ["not", "dogs"]]]."""
        statements = []
        for mood, (subject, predicate) in zip(moods, pairs):
            kind, connective, *negation = self.MOODS[mood]
            statements.append([kind, [connective, subject, ["not", predicate] if negation else predicate]])
        return statements[:-1], statements[-1]

    @staticmethod
    def solve(premises, conclusion):
        return "Yes" if follows(premises, conclusion) else "No"


class FormalFallacies(Task):
    suite = "bbh"
    uses = (truth, names_in, follows)
    KINDS = [pattern.format(name) for pattern, names in (
        ("supporter of {}", "Ardmore Belhaven Corvale Dunmere Eastwick Farholm Glenrow Kelsby Lundal Marwick"),
        ("buyer of {} soap", "Alvo Brisa Cleona Dovex Elmi Florin Glimo Hesta Lumo Nevol"),
        ("cousin of {}", "Birgit Dagny Farid Jarek Katya Ludek Mirela Niamh Oskar Petra")) for name in names.split()]

    def make(self, rng: Random, level: int) -> tuple:
        label, links = rng.choice((True, False)), rng.randint(*at(rng, level, (1, 1), (2, 3), (3, 5)))
        absurd = ["some", ["and", "", ["not", ""]]]  # follows from contradictory premises only
        while True:
            *premises, conclusion = self._argument(rng, links)
            if follows(premises, conclusion) is label and not follows(premises, absurd):
                break
        rng.shuffle(premises)
        told = " ".join(self._tell(rng, *statement) for statement in premises)
        return (f"{told} Therefore: {self._tell(rng, *conclusion)} Is this argument deductively valid? There need not "
                "be people of every kind. Answer valid or invalid.", dict(premises=premises, conclusion=conclusion))

    def _argument(self, rng: Random, links: int) -> list:
        """Premises and, last, a conclusion: a valid chain of inferences, spoilt in one place half of the time."""
        third, other, *chain = [self._flip(kind) if rng.random() < 0.3 else kind
                                for kind in rng.sample(self.KINDS, links + 3)]
        argument = [["all", ["if", a, b]] for a, b in zip(chain, chain[1:])]
        if links > 1 and rng.random() < 0.5:  # two ways lead to the second link
            argument[:1] = [["all", ["if", chain[0], ["or", chain[1], third]]], ["all", ["if", third, chain[1]]]]
        about = rng.choice(("all", "some", rng.choice(NAMES)[0]))
        if about == "all":  # the contrapositive: the conclusion is never just a premise
            argument.append(["all", ["if", self._flip(chain[-1]), self._flip(chain[0])]])
        else:
            argument += [[about, ["and", other, end] if about == "some" else end] for end in (chain[0], chain[-1])]
        if rng.random() < 0.5:
            statement = rng.choice(argument)
            connective, *parts = statement[1]
            if connective in ("if", "and"):
                i = 0 if parts[1][0] == "or" else rng.randrange(2)
                parts[i] = self._flip(parts[i])
                statement[1] = [connective, *parts]
            else:
                statement[1] = self._flip(statement[1])
        return argument

    @staticmethod
    def _flip(literal: str | list) -> str | list:
        return ["not", literal] if isinstance(literal, str) else literal[1]

    @staticmethod
    def _tell(rng: Random, kind: str, formula: str | list) -> str:
        """A statement in prose, worded in one of several ways that mean the same."""
        def a(literal: str | list, verb: str = "") -> str:
            return f"{verb}a {literal}" if isinstance(literal, str) else f"not {verb}a {literal[1]}"

        if kind not in ("all", "some"):
            return f"{kind} is {a(formula)}."
        connective, p, q = formula
        if connective == "and":
            r, s = sorted((p, q), key=lambda part: part[0] == "not")  # "not a cousin and a buyer" has two readings
            return f"Somebody is {a(r)} and {a(s)}."
        if q[0] == "or":
            r, s = sorted(q[1:], key=lambda part: part[0] == "not")
            return f"Whoever is {a(p)} is {a(r)} or {a(s)}, or both."
        ways = [f"whoever is {a(p)} is {a(q)}.", f"{a(p, 'being ')} is sufficient for {a(q, 'being ')}.",
                f"{a(q, 'being ')} is necessary for {a(p, 'being ')}."]
        if isinstance(p, str):
            ways.append(f"every {p} is {a(q)}." if isinstance(q, str) else f"no {p} is {a(q[1])}.")
        elif isinstance(q, str):
            ways.append(f"nobody is neither {a(p[1])} nor {a(q)}.")
        text = rng.choice(ways)
        return text[0].upper() + text[1:]

    @staticmethod
    def solve(premises, conclusion):
        return "valid" if follows(premises, conclusion) else "invalid"


class WebOfLies(Task):
    suite = "bbh"
    parse = staticmethod(yes_no)

    def make(self, rng: Random, level: int) -> tuple:
        count = rng.randint(*at(rng, level, (4, 5), (8, 12), (14, 24)))
        names = [name for name, _ in rng.sample(NAMES, count)]
        # [speaker, whom it is about, whether that one is said to tell the truth]; the first is told without a speaker
        claims = [[name, before, rng.random() < 0.5] for name, before in zip(names, [None, *names])]
        # Somebody in the middle: of the last one, an odd or even number of "lies" would tell.
        asked = rng.choice(names[1:-1])
        if level > 3:
            rng.shuffle(claims)
        does = {True: "tells the truth", False: "lies"}
        told = " ".join(f"{name} says {other} {does[truth]}." if other else f"{name} {does[truth]}."
                        for name, other, truth in claims)
        return (f"{told} Does {asked} tell the truth? Answer Yes or No.", dict(claims=claims, asked=asked))

    @staticmethod
    def solve(claims, asked):
        honest = {None: True}
        while asked not in honest:
            for name, other, truth in claims:
                if other in honest:
                    honest[name] = honest[other] == truth
        return "Yes" if honest[asked] else "No"

    def program(self, instance: Instance) -> str:
        claims, asked = instance.facts["claims"], instance.facts["asked"]
        told = {other: (name, truth) for name, other, truth in claims}
        lines, known = [], None
        while known != asked:  # the sentences in an order in which each can be judged
            name, truth = told[known]
            lines.append(f"{name} = {'' if truth else 'not '}{known}" if known else f"{name} = {truth}")
            known = name
        return "\n".join(lines) + f'\nprint("Yes" if {asked} else "No")\n'


# ---- orders and matchings found from clues --------------------------------------------------------------------------

def placements(groups, places, rules, holds):
    """Every way to give the things of each group different places so that all rules hold, as dicts thing -> place."""
    group_of = {thing: group for group in groups for thing in group}
    about = [{part for part in rule if part in group_of} for rule in rules]
    order, checks = [], []  # next comes the thing that lets most rules be checked; ties go to the busiest
    while len(order) < len(group_of):
        ready = {t: [r for r, things in zip(rules, about) if t in things and things <= {*order, t}]
                 for t in group_of if t not in order}
        order.append(max(ready, key=lambda t: (len(ready[t]), sum(t in things for things in about))))
        checks.append(ready[order[-1]])

    def extend(place):
        if len(place) == len(order):
            yield place
            return
        thing = order[len(place)]
        taken = [place.get(other) for other in group_of[thing]]
        for p in places:
            if p not in taken:
                wider = {**place, thing: p}
                if all(holds(rule, wider) for rule in checks[len(place)]):
                    yield from extend(wider)

    return extend({})


def holds(rule, place):
    """Whether a rule like ["before", a, b] is true of the places of things; b may be the number of a place itself."""
    kind, a, b, *steps = rule
    p, q = place[a], place.get(b, b)
    return {"at": p == q, "not at": p != q, "before": p < q, "just before": p + 1 == q, "next": abs(p - q) == 1,
            "not next": abs(p - q) != 1, "apart": [abs(p - q)] == steps, "end": p in (1, q)}[kind]


def clues(rng: Random, groups: list[list[str]], places: list[int], hidden: dict, pool: list) -> list:
    """True rules from a pool that leave only the hidden placement, none of them idle."""
    def others(chosen: list) -> Iterator[dict]:
        return (found for found in placements(groups, places, chosen, holds) if found != hidden)

    chosen = []
    while other := next(others(chosen), None):  # a rule that this counter-example breaks
        chosen.append(next(rule for rule in pool if not holds(rule, other)))
    for rule in list(chosen):
        fewer = [kept for kept in chosen if kept is not rule]
        if not next(others(fewer), None):
            chosen = fewer
    return rng.sample(chosen, len(chosen))


class LogicalDeduction(Choice, abstract=True):
    suite = "bbh"
    uses = (holds, placements)
    size = 0
    ORDINALS = "first second third fourth".split()
    SETTINGS = [  # scene, how a thing is called, things, lower, higher, the two ends
        ("birds sit on a branch", "the {}", "crow finch heron magpie owl pigeon robin swallow wren",
         "to the left of", "to the right of", "from the left", "from the right"),
        ("books stand on a shelf", "the {} book", "black blue brown green grey orange purple red white yellow",
         "to the left of", "to the right of", "from the left", "from the right"),
        ("runners finish a race", "{}", "Ada Boris Carla Diego Emma Felix Grace Hugo Ines", "ahead of", "behind",
         "from the front", "from the back"),
        ("cars stand in a museum", "the {}", "bus convertible coupe hearse limousine taxi tractor truck van",
         "newer than", "older than", "newest", "oldest"),
        ("fruits are for sale", "the {}", "apple fig kiwi lemon mango melon orange peach plum",
         "cheaper than", "dearer than", "cheapest", "dearest"),
        ("towers stand in a city", "the {} tower", "bank bell church clock radio rose television water west",
         "lower than", "higher than", "lowest", "highest"),
        ("parcels are weighed", "the {} parcel", "cubic dented flat grey long round small square striped",
         "lighter than", "heavier than", "lightest", "heaviest"),
        ("rivers are compared", "the {}", "Arda Belna Corin Dorva Elsa Firth Garrow Hesk Isen",
         "shorter than", "longer than", "shortest", "longest"),
        ("cousins compare their ages", "{}", "Amir Bella Cyril Dora Elias Flora Gustav Hana Ivan",
         "younger than", "older than", "youngest", "oldest"),
        ("villages lie along a road from the sea", "{}", "Ashby Brook Colne Denby Elmet Ford Hythe Leigh Marsh",
         "nearer to the sea than", "farther from the sea than", "nearest to the sea", "farthest from the sea"),
    ]

    def make(self, rng: Random, level: int) -> tuple:
        scene, called, things, lower, higher, *ends = rng.choice(self.SETTINGS)
        things = [called.format(thing) for thing in rng.sample(things.split(), self.size)]
        places = list(range(1, self.size + 1))
        hidden = dict(zip(things, rng.sample(places, self.size)))
        pool = [["before", a, b] for a in things for b in things if hidden[a] < hidden[b]]
        pool += [["at", a, hidden[a]] for a in things] if level < 5 else []
        pool += [["not at", a, place] for a in things for place in places if place != hidden[a]] if level > 3 else []
        # The question is about a thing that is compared with others: a place that a clue names, or
        # a thing that no clue names, would be found without putting the things in order.
        candidates = []
        while not candidates:
            told = clues(rng, [things], places, hidden, rng.sample(pool, len(pool)))
            given = {a for kind, a, _ in told if kind == "at"}
            compared = {thing for _, *pair in told for thing in pair if thing in things}
            candidates = [hidden[thing] for thing in things if thing in compared - given]

        def rank(place: int) -> str:
            end, steps = (ends[0], place) if 2 * place <= self.size + 1 else (ends[1], self.size + 1 - place)
            nth = self.ORDINALS[steps - 1]
            return f"the {nth} {end}" if end.startswith("from") else "the " + f"{nth}-" * (steps > 1) + end

        def tell(kind: str, a: str, b: str | int) -> str:
            if kind == "before":
                return rng.choice((f"{a} is {lower} {b}", f"{b} is {higher} {a}"))
            return f"{a} is{' not' * (kind == 'not at')} {rank(b)}"

        sentences = [text[0].upper() + text[1:] for text in (tell(*clue) for clue in told)]
        place = rng.choice(candidates)
        asked = rank(place)
        statements = [f"{a[0].upper()}{a[1:]} is {asked}." for a in things]
        block, _ = options(rng, statements[0], statements[1:])
        return (f"{self.size} {scene}: {', '.join(things)}. {'. '.join(sentences)}. Which statement is true?\n{block}\n"
                "Answer with its letter.", dict(things=things, clues=told, place=place, options=block))

    @staticmethod
    def solve(things, clues, place, options):
        found = next(placements([things], range(1, len(things) + 1), clues, holds))
        who = next(thing for thing in things if found[thing] == place)
        return next(line[1] for line in options.splitlines() if f"{who} is".lower() in line.lower())


class LogicalDeductionThreeObjects(LogicalDeduction):
    size = 3


class LogicalDeductionFiveObjects(LogicalDeduction):
    size = 5


class LogicalDeductionSevenObjects(LogicalDeduction):
    size = 7


class ZebraPuzzles(Task):
    uses = (holds, placements)
    ATTRIBUTES = [("lives in the {} house", "blue green grey red white yellow"), ("keeps a {}", "cat dog hen mouse"),
                  ("drinks {}", "cocoa coffee juice milk tea water"), ("plays the {}", "cello drum flute harp piano"),
                  ("works as a {}", "baker carpenter dentist gardener pilot teacher")]

    def make(self, rng: Random, level: int) -> tuple:
        count, kinds = at(rng, level, (3, 2), (4, 2), (4, 3))
        places = list(range(1, count + 1))
        groups = [sorted(name for name, _ in rng.sample(NAMES, count))]
        patterns, values = zip(*rng.sample(self.ATTRIBUTES, kinds))
        groups += [sorted(rng.sample(words.split(), count)) for words in values]
        does = {value: pattern.format(value) for pattern, group in zip(patterns, groups[1:]) for value in group}
        hidden = {thing: place for group in groups for thing, place in zip(group, rng.sample(places, count))}
        pool = [["at", a, b] for a in hidden for b in [*hidden, *places] if a != b and hidden[a] == hidden.get(b, b)]
        pool += [[kind, a, b] for kind in ("next", "just before") for a in hidden for b in hidden
                 if holds([kind, a, b], hidden)]
        told = clues(rng, groups, places, hidden, rng.sample(pool, len(pool)))

        def tell(kind: str, a: str, b: str | int) -> str:
            if kind == "at" and b in groups[0]:
                a, b = b, a
            who = a if a in groups[0] else f"Whoever {does[a]}"
            if kind == "at":
                return f"{who} {does[b]}." if b in does else f"{who} lives in house {b}."
            side = "next to" if kind == "next" else "directly to the left of"
            return f"{who} lives {side} {b if b in groups[0] else 'whoever ' + does[b]}."

        each = " and ".join(pattern.format("/".join(group)) for pattern, group in zip(patterns, groups[1:]))
        return (f"{', '.join(groups[0])} live in houses 1 to {count}, counted from the left, one in each. Each of them "
                f"{each}, no two the same. {' '.join(tell(*clue) for clue in told)} Who lives where? "
                "Answer with the names from left to right.", dict(groups=groups, clues=told))

    @staticmethod
    def solve(groups, clues):
        place = next(placements(groups, range(1, len(groups[0]) + 1), clues, holds))
        return ", ".join(sorted(groups[0], key=place.get))

    @staticmethod
    def parse(text: str) -> list[str]:
        return items(norm(text))


def relates(rule, value):
    """Whether a rule holds: sum is a + b = n, difference is a - b = n, times is a = n * b, more is a > b."""
    kind, a, b, *number = rule
    a, b = value[a], value[b]
    if kind == "times":
        return 10 * a == round(10 * number[0]) * b  # one decimal: exact in tenths
    return a > b if kind == "more" else (a + b if kind == "sum" else a - b) == number[0]


class LogicalEquation(Task):
    suite = "symbench"
    uses = (relates, placements)
    SIGNS = {"sum": "{0} + {1} = {2}", "difference": "{0} - {1} = {2}", "times": "{0} = {2} * {1}", "more": "{0} > {1}"}

    def make(self, rng: Random, level: int) -> tuple:
        count = at(rng, level, 4, rng.choice((9, 11)), 15)
        letters, numbers = "ABCDEFGHIJKLMNO"[:count], rng.sample(range(1, 4 * count), count)
        hidden = dict(zip(letters, numbers))
        tenths = (15, 20, 25, 30, 40) if level == 1 else range(11, 50)  # level 1: exact as floats
        larger = [(a, b, hidden[a], hidden[b]) for a in letters for b in letters if hidden[a] > hidden[b]]
        pools = [[["sum", *rng.sample((a, b), 2), x + y] for a, b, x, y in larger],
                 [["difference", a, b, x - y] for a, b, x, y in larger],
                 [["times", a, b, x / y] for a, b, x, y in larger if 10 * x % y == 0 and 10 * x // y in tenths],
                 [["more", a, b] for a, b, x, y in larger]]
        rules = []
        while len(rules) < count - 1 + level // 3:
            pool = rng.choices(pools, (6, 6, 6, 1))[0]
            if pool:
                rules.append(pool.pop(rng.randrange(len(pool))))
        told = ", ".join(self._tell(rule) for rule in rules)
        listed = ", ".join(map(str, sorted(numbers)))
        return (f"Each letter {letters[0]} to {letters[-1]} is a different one of the numbers {listed}, "
                f"no two the same. {told}. Answer with their values in alphabetical order of the letters.",
                dict(letters=letters, numbers=sorted(numbers), rules=rules), ", ".join(map(str, numbers)))

    def _tell(self, rule: list) -> str:
        kind, a, b, *number = rule
        return self.SIGNS[kind].format(a, b, *(f"{n:g}" for n in number))

    @staticmethod
    def solve(letters, numbers, rules):
        value = next(placements([letters], numbers, rules, relates))
        return ", ".join(str(value[letter]) for letter in letters)

    def check(self, answer: str, instance: Instance) -> bool:
        # "A = 3, B = 39" is right as well, as long as every letter is named, in order.
        tight = "=".join(side.strip() for side in answer.split("="))
        named = "".join(re.findall(r"\b(\w+)=", tight.upper()))
        if "=" in tight and named != instance.facts["letters"]:
            return False
        values = ints(tight)
        value = dict(zip(instance.facts["letters"], values))
        return (sorted(values) == instance.facts["numbers"]
                and all(relates(rule, value) for rule in instance.facts["rules"]))

    def program(self, instance: Instance) -> str:
        if instance.level > 1:
            return super().program(instance)
        letters, numbers = ", ".join(instance.facts["letters"]), instance.facts["numbers"]
        tests = " and ".join(self._tell(rule).replace(" = ", " == ") for rule in instance.facts["rules"])
        return (f"from itertools import permutations\nfor {letters} in permutations({numbers}):\n"
                f"    if {tests}:\n        print({letters})\n        break\n")


class CourseSchedule(Task):
    split = "test"
    parse = staticmethod(yes_no)

    def make(self, rng: Random, level: int) -> tuple:
        possible = rng.choice((True, False))
        low, high, *ring = at(rng, level, (5, 5, 3, 3), (5, 10, 3, 5), (20, 40, 6, 12))
        count = rng.randint(low, high)
        order = rng.sample(range(count), count)
        most = min(level, 2)
        needs = [[order[i], order[rng.randrange(i)]] for i in range(1, count) for _ in range(rng.randint(1, most))]
        # A chain of courses, closed to a ring or not.
        chain = [order[i] for i in sorted(rng.sample(range(count), rng.randint(*ring)))]
        needs += [[b, a] for a, b in zip(chain, chain[1:])]
        needs.append([chain[-1], chain[0]] if possible else [chain[0], chain[-1]])
        needs = [pair for i, pair in enumerate(needs) if pair not in needs[:i]]
        rng.shuffle(needs)
        told = ", ".join(f"{a} needs {b}" for a, b in needs)
        return (f"Of the courses 0 to {count - 1}, {told}. A course comes after all that it needs. "
                "Can all be taken? Answer True or False.", dict(needs=needs))

    @staticmethod
    def solve(needs):
        left = {a for need in needs for a in need}
        while new := left - {a for a, b in needs if b in left}:
            left -= new
        return not left

    program = Task.script
