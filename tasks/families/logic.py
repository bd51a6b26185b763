"""Logic: truth values, formulas, syllogisms, liars, and orders found from clues."""
import re
from collections.abc import Iterator
from random import Random

from tasks.base import (Choice, Instance, Task, at, between, integer, items, named_integers, norm,
                        options, yes_no)
from tasks.families.arithmetic import Expression
from tasks.families.words import FIRST_NAMES, NOUNS

CONSTANTS = ("True", "False")


def without_brackets(expression: str) -> str:
    """The value of an expression such as "not True or False and not not True", as text."""
    for term in expression.split(" or "):
        values = []
        for part in term.split(" and "):
            even = part.count("not") % 2 == 0
            values.append(part.endswith("True") is even)
        if all(values):
            return "True"
    return "False"


class BooleanExpressions(Expression):
    """What is not (True and False) or False? -> True"""
    suite = "bbh"
    form = "True or False"
    parse = staticmethod(yes_no)

    def draw(self, rng: Random, level: int) -> str:
        label = rng.choice(CONSTANTS)  # drawn first, so that both answers are equally frequent
        size = between(rng, level, (2, 3), (4, 6), (8, 14))
        # The shape is drawn once and only its constants again: drawn anew, "or" would hint at True.
        expression = self._group(rng, size)
        while self.result(expression) != label:
            expression = re.sub("True|False", lambda _: rng.choice(CONSTANTS), expression)
        return expression

    def _group(self, rng: Random, size: int) -> str:
        """A random expression with `size` constants."""
        if size == 1:
            negation = "not " if rng.random() < 0.4 else ""
            return negation + rng.choice(CONSTANTS)
        left = rng.randrange(1, size)
        first = self._group(rng, left)
        connective = rng.choice(("and", "or"))
        text = f"{first} {connective} {self._group(rng, size - left)}"
        if rng.random() < 0.5:
            negation = "not " if rng.random() < 0.3 else ""
            return f"{negation}({text})"
        return text

    @staticmethod
    def result(expression):
        # The innermost brackets become constants until none is left.
        while "(" in expression:
            expression = re.sub(r"\(([^()]*)\)", lambda inner: without_brackets(inner[1]),
                                expression)
        return without_brackets(expression)


# ---- formulas ------------------------------------------------------------------------------------

# A formula is a name, or a list such as ["and", f, g] over not, and, or, if, iff.

def truth(formula, model):
    """The truth value of a formula, given that of each name."""
    if isinstance(formula, str):
        return model[formula]
    a, b = truth(formula[1], model), truth(formula[-1], model)
    values = {"not": not a, "and": a and b, "or": a or b, "if": not a or b, "iff": a == b}
    return values[formula[0]]


def models(names):
    """Every way to make each of the names true or false."""
    from itertools import product
    return [dict(zip(names, bits)) for bits in product((True, False), repeat=len(names))]


def names_in(formula):
    """The names in a formula, sorted."""
    if isinstance(formula, str):
        return [formula]
    return sorted({name for part in formula[1:] for name in names_in(part)})


def is_literal(formula: str | list) -> bool:
    """Whether a formula is a name or a negated name."""
    return isinstance(formula, str) or formula[0] == "not" and isinstance(formula[1], str)


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
    """A formula as text, from a template for each connective; brackets around one in another."""
    if isinstance(formula, str):
        return words["atom"].format(formula)
    if is_literal(formula):
        return words["not atom"].format(formula[1])
    parts = []
    for part in formula[1:]:
        text = say(part, words)
        parts.append(text if is_literal(part) else f"({text})")
    return words[formula[0]].format(*parts)


def consistent(names, claims):
    """Every way to be knights, who tell the truth, or knaves, given what each of them says."""
    found = []
    for knight in models(names):
        if all(truth(claim, knight) == knight[name] for name, claim in zip(names, claims)):
            found.append(knight)
    return found


class KnightsKnaves(Task):
    """Ann says: Bob is a knave. Bob says: Ann is a knave and Bob is a knight. What are they?"""
    uses = (truth, models, consistent)
    WORDS = {"atom": "{} is a knight", "not atom": "{} is a knave",
             "not": "it is not true that {}", "and": "{} and {}", "or": "{} or {}",
             "if": "if {} then {}", "iff": "{} if and only if {}"}

    def make(self, rng: Random, level: int) -> tuple:
        count = between(rng, level, (2, 2), (3, 3), (4, 5))
        names = rng.sample(FIRST_NAMES, count)
        depth = at(rng, level, 1, 2, 3)
        claims = []
        while not claims or len(consistent(names, claims)) != 1:
            claims = [draw(rng, names, rng.randint(depth // 2, depth)) for _ in names]
        said = " ".join(f"{name} says: {say(claim, self.WORDS)}."
                        for name, claim in zip(names, claims))
        question = (f"Knights always tell the truth, knaves always lie. {said} What are they? "
                    "Answer for all, in the form: X is a knight, Y is a knave.")
        return question, dict(names=names, claims=claims)

    @staticmethod
    def solve(names, claims):
        knight = consistent(names, claims)[0]
        told = [f"{name} is a {'knight' if knight[name] else 'knave'}" for name in names]
        return ", ".join(told)

    @staticmethod
    def parse(text: str) -> list[tuple]:
        # One a line is as good as commas.
        lines = [line.strip(" ,.;-*") for line in text.splitlines()]
        joined = norm(", ".join(line for line in lines if line))
        found = []
        for part in re.split(r", and |, ?| and |; ?", joined):
            match = re.fullmatch(r"(\w+)(?: is(?: an?)?|:| =) (knight|knave)", part)
            found.append(match.groups())
        return sorted(found)


def cases(premises, pair):
    """The truth values that two of the letters p to s can have together if all premises hold."""
    found = set()
    for model in models("pqrs"):
        if all(truth(premise, model) for premise in premises):
            found.add((model[pair[0]], model[pair[1]]))
    return found


class PropositionalLogic(Task):
    """Premises: p -> q; p | ~r. Give a formula in q and r that follows from both only. -> q | ~r"""
    uses = (truth, models, cases)
    WORDS = {"atom": "{}", "not atom": "~{}", "not": "~{}", "and": "{} & {}", "or": "{} | {}",
             "if": "{} -> {}", "iff": "{} <-> {}"}
    # From the loosest to the one that binds most tightly.
    CONNECTIVES = {"<->": "iff", "->": "if", "|": "or", "&": "and"}
    SIGNS = {"¬": "~", "!": "~", "not": "~", "∧": "&", "&&": "&", "and": "&", "∨": "|",
             "||": "|", "or": "|", "→": "->", "=>": "->", "↔": "<->", "<=>": "<->"}

    def make(self, rng: Random, level: int) -> tuple:
        names = list("pqrs"[:at(rng, level, 2, 3, 4)])
        depth = at(rng, level, 1, 2, 3)
        answer = None
        while answer is None:
            count = between(rng, level, (2, 3), (3, 4), (4, 5))
            premises = [draw(rng, names, rng.randint(1, depth)) for _ in range(count)]
            pair = sorted(rng.sample(names, 2))
            answer = self.solve(premises, pair)
        listed = "; ".join(say(premise, self.WORDS) for premise in premises)
        question = (f"Premises: {listed}. Give a formula in which {pair[0]} and {pair[1]} occur, "
                    "and no other letter, that follows from all premises together, but from no "
                    "single one of them. "
                    "Answer with the formula, in the signs ~ & | -> <-> and brackets.")
        return question, dict(premises=premises, pair=pair)

    @staticmethod
    def solve(premises, pair):
        from itertools import product
        left = cases(premises, pair)
        alone = [cases([premise], pair) for premise in premises]
        if not left:
            return None  # the premises contradict each other
        # A conclusion is a set of cases; it follows if no case that is left lies outside it.
        for chosen in product((True, False), repeat=4):
            every = product((True, False), repeat=2)
            allowed = [case for case, allows in zip(every, chosen) if allows]
            if left.issubset(allowed) and not any(some.issubset(allowed) for some in alone):
                p, q = pair
                return " | ".join(f"({'' if a else '~'}{p} & {'' if b else '~'}{q})"
                                  for a, b in allowed)

    def check(self, answer: str, instance: Instance) -> bool:
        premises, pair = instance.facts["premises"], instance.facts["pair"]
        formula = self.parse(answer)
        if names_in(formula) != pair:
            return False
        allowed = {tuple(model.values()) for model in models(pair) if truth(formula, model)}
        return (cases(premises, pair) <= allowed
                and not any(cases([premise], pair) <= allowed for premise in premises))

    @classmethod
    def parse(cls, text: str) -> str | list:
        """The formula of a text. ~ binds tightest, then &, |, ->, <->; -> groups to the right."""
        tokens = re.findall(r"<->|<=>|->|=>|&&|\|\||\w+|\S", norm(text))
        if len(tokens) > 500:
            raise ValueError("formula too long")
        return cls._formula([cls.SIGNS.get(token, token) for token in tokens])

    @classmethod
    def _formula(cls, tokens: list[str]) -> str | list:
        """It is split at its loosest connective outside brackets: p & q -> r into p & q and r."""
        outside, depth = [], 0
        for i, token in enumerate(tokens):
            depth += {"(": 1, ")": -1}.get(token, 0)
            if depth == 0:
                outside.append(i)
        for sign, connective in cls.CONNECTIVES.items():
            places = [i for i in outside if tokens[i] == sign]
            if places:
                i = places[0] if sign == "->" else places[-1]
                return [connective, cls._formula(tokens[:i]), cls._formula(tokens[i + 1:])]
        if tokens[:1] == ["~"]:
            return ["not", cls._formula(tokens[1:])]
        if tokens[:1] == ["("] and tokens[-1] == ")":
            return cls._formula(tokens[1:-1])
        if len(tokens) != 1 or tokens[0] not in list("pqrs"):
            raise ValueError(f"not a formula: {' '.join(tokens)[:40]!r}")
        return tokens[0]


def is_so(claim, world):
    """Whether a claim about how many claims are true is so, if that is how they are."""
    kind, *numbers = claim
    true, false = world.count(True), world.count(False)
    if kind == "at least":
        return true >= numbers[0]
    if kind == "at most":
        return false <= numbers[0]
    if kind == "true":
        return true == numbers[0]
    if kind == "false":
        return false == numbers[0]
    if kind == "one of":
        a, b = numbers
        return world[a - 1] != world[b - 1]
    if kind == "prime":
        return true in (2, 3, 5, 7)
    return false in (4, 6, 8, 9)


class SelfReference(Task):
    """In how many ways can "1. At least 1 is true. 2. Exactly 1 is false." be so or not? -> 1"""
    split = "test"
    parse = staticmethod(integer)
    uses = (is_so,)
    SENTENCES = {"at least": "at least {} are true", "at most": "at most {} are false",
                 "true": "exactly {} are true", "false": "exactly {} are false",
                 "one of": "exactly one of numbers {} and {} is true",
                 "prime": "the number of true ones is prime",
                 "composite": "the number of false ones is composite"}

    def make(self, rng: Random, level: int) -> tuple:
        count = at(rng, level, 5, 7, 9)
        # Drawn first, so that no answer is above 35 %; 3 is 3 or more.
        ways = rng.choice((0, 0, 1, 1, 2, 2, 3))
        found = None
        while found != ways:
            every = sorted(self.SENTENCES)
            kinds = rng.sample(every, 5) + rng.choices(every, k=count - 5)
            claims = [[kind, *self._numbers(rng, kind, count)] for kind in kinds]
            found = min(self.solve(claims), 3)
        listed = "\n".join(f"{i}. {self._tell(*claim)}" for i, claim in enumerate(claims, 1))
        question = (f"Each of these {count} statements is true or false:\n{listed}\n"
                    "In how many ways can that be, if the true ones say what is so and the false "
                    "ones do not? Answer with one integer.")
        return question, dict(claims=claims)

    def _numbers(self, rng: Random, kind: str, count: int) -> list[int]:
        """The numbers in a claim of this kind."""
        if kind == "one of":
            return rng.sample(range(1, count + 1), 2)
        numbers = [rng.randint(0, count)]
        return numbers if "{}" in self.SENTENCES[kind] else []

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
            if all(is_so(claim, world) == true for claim, true in zip(claims, world)):
                ways += 1
        return ways


# ---- deductions about classes --------------------------------------------------------------------

# A statement is ["all", f], ["some", f] or [name, f]: f, a formula over classes, is true of
# everything, of something, or of the one who has this name. "No cats are dogs" is
# ["all", ["if", "cats", ["not", "dogs"]]].

def follows(premises, conclusion):
    """Whether a conclusion holds wherever the premises do; a class may be empty."""
    classes = sorted({name for _, formula in [*premises, conclusion] for name in names_in(formula)})
    # A type says to which classes a being belongs; these are not ruled out.
    types = []
    for model in models(classes):
        if all(truth(formula, model) for kind, formula in premises if kind == "all"):
            types.append(model)
    # Whatever is said to exist, or has a name, with the types it may have.
    beings = {}
    for i, (kind, formula) in enumerate(premises):
        if kind != "all":
            being = i if kind == "some" else kind
            beings[being] = [t for t in beings.get(being, types) if truth(formula, t)]
    if [] in beings.values():
        return True  # the premises contradict each other
    kind, goal = conclusion
    if kind == "some":
        return any(all(truth(goal, t) for t in being) for being in beings.values())
    return all(truth(goal, t) for t in beings.get(kind, types))


class Syllogism(Task):
    """All cats are pets. No pets are trees. Does it follow that no cats are trees? -> Yes"""
    uses = (truth, models, names_in, follows)
    parse = staticmethod(yes_no)
    MOODS = {"All {} are {}": ["all", "if"], "No {} are {}": ["all", "if", "not"],
             "Some {} are {}": ["some", "and"], "Some {} are not {}": ["some", "and", "not"]}

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice((True, False))
        nouns = [plural for _, plural in rng.sample(NOUNS, at(rng, level, 3, 3, 4))]
        # Each statement is about two neighbours in the ring of nouns; the last is the conclusion.
        links = list(zip(nouns, nouns[1:] + nouns[:1]))
        # First a valid argument. Then, for the answer No, its nouns change places until it is
        # invalid: so All, No, Some and not occur as often for Yes as for No, and do not give the
        # answer away.
        valid = False
        while not valid:
            moods = [rng.choice(sorted(self.MOODS)) for _ in links]
            pairs = [rng.sample(link, 2) for link in links]
            valid = follows(*self._argument(moods, pairs))
        while valid is not label:
            pairs = [rng.sample(link, 2) for link in links]
            valid = follows(*self._argument(moods, pairs))
        premises, conclusion = self._argument(moods, pairs)
        *given, asked = [mood.format(*pair) for mood, pair in zip(moods, pairs)]
        question = (f"A class may be empty. {'. '.join(given)}. "
                    f"Does it follow that {asked[0].lower()}{asked[1:]}? Answer Yes or No.")
        return question, dict(premises=premises, conclusion=conclusion)

    def _argument(self, moods: list[str], pairs: list[list[str]]) -> tuple[list, list]:
        """The premises and the conclusion, such as ["all", ["if", "cats", ["not", "dogs"]]]."""
        statements = []
        for mood, (subject, predicate) in zip(moods, pairs):
            kind, connective, *negation = self.MOODS[mood]
            if negation:
                predicate = ["not", predicate]
            statements.append([kind, [connective, subject, predicate]])
        return statements[:-1], statements[-1]

    @staticmethod
    def solve(premises, conclusion):
        return "Yes" if follows(premises, conclusion) else "No"


def literals_of(formula: str | list) -> list:
    """The literals of a formula, from left to right."""
    if is_literal(formula):
        return [formula]
    return [literal for part in formula[1:] for literal in literals_of(part)]


def filled(formula: str | list, literals: Iterator) -> str | list:
    """A formula of the same shape with other literals."""
    if is_literal(formula):
        return next(literals)
    return [formula[0], *(filled(part, literals) for part in formula[1:])]


def negated(literal: str | list) -> str | list:
    return ["not", literal] if isinstance(literal, str) else literal[1]


def with_article(literal: str | list, verb: str = "") -> str:
    """ "a buyer" or "not a buyer"; "being a buyer" or "not being a buyer". """
    if isinstance(literal, str):
        return f"{verb}a {literal}"
    return f"not {verb}a {literal[1]}"


class FormalFallacies(Task):
    """Every buyer is a cousin. Ann is not a cousin. Therefore: Ann is not a buyer. -> valid"""
    suite = "bbh"
    uses = (truth, models, names_in, follows)
    KINDS = [
        *(f"supporter of {club}" for club in "Ardmore Belhaven Corvale Dunmere Eastwick Farholm "
                                             "Glenrow Kelsby Lundal Marwick".split()),
        *(f"buyer of {brand} soap" for brand in "Alvo Brisa Cleona Dovex Elmi Florin Glimo Hesta "
                                                "Lumo Nevol".split()),
        *(f"cousin of {name}" for name in "Birgit Dagny Farid Jarek Katya Ludek Mirela Niamh "
                                          "Oskar Petra".split())]

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice((True, False))
        links = between(rng, level, (1, 1), (2, 3), (3, 5))
        absurd = ["some", ["and", "", ["not", ""]]]  # follows from contradictory premises only
        # First a valid argument. Then, for the answer invalid, two of its parts change places until
        # it is invalid: so no word, such as "not", occurs more often for one answer than the other.
        argument = self._argument(rng, links)
        *premises, conclusion = argument
        while follows(premises, conclusion) is not label or follows(premises, absurd):
            *premises, conclusion = self._exchanged(rng, argument)
        rng.shuffle(premises)
        told = " ".join(self._tell(rng, *statement) for statement in premises)
        question = (f"{told} Therefore: {self._tell(rng, *conclusion)} Is this argument "
                    "deductively valid? There need not be people of every kind. "
                    "Answer valid or invalid.")
        return question, dict(premises=premises, conclusion=conclusion)

    def _argument(self, rng: Random, links: int) -> list:
        """Premises and, last, a conclusion: a valid chain of inferences."""
        kinds = []
        for kind in rng.sample(self.KINDS, links + 3):
            kinds.append(negated(kind) if rng.random() < 0.3 else kind)
        third, other, *chain = kinds
        argument = [["all", ["if", a, b]] for a, b in zip(chain, chain[1:])]
        if links > 1 and rng.random() < 0.5:  # two ways lead to the second link
            argument[:1] = [["all", ["if", chain[0], ["or", chain[1], third]]],
                            ["all", ["if", third, chain[1]]]]
        first, last = chain[0], chain[-1]
        about = rng.choice(("all", "some", rng.choice(FIRST_NAMES)))
        if about == "all":  # the contrapositive: the conclusion is never just a premise
            argument.append(["all", ["if", negated(last), negated(first)]])
        elif about == "some":
            argument += [["some", ["and", other, first]], ["some", ["and", other, last]]]
        else:
            argument += [[about, first], [about, last]]
        return argument

    def _exchanged(self, rng: Random, argument: list) -> list:
        """The argument after two of its literals, negated or not, have changed places.

            all a are b, X is a: X is b   ->   all b are a, X is a: X is b
        """
        literals = [literal for _, formula in argument for literal in literals_of(formula)]
        i, j = rng.sample(range(len(literals)), 2)
        literals[i], literals[j] = literals[j], literals[i]
        left = iter(literals)
        exchanged = [[kind, filled(formula, left)] for kind, formula in argument]
        # "Every buyer is a buyer" would be no statement: then two others change places.
        for _, formula in exchanged:
            if len(literals_of(formula)) != len(names_in(formula)):
                return self._exchanged(rng, argument)
        return exchanged

    def _tell(self, rng: Random, kind: str, formula: str | list) -> str:
        """A statement in prose, worded in one of several ways that mean the same."""
        if kind not in ("all", "some"):
            return f"{kind} is {with_article(formula)}."
        connective, p, q = formula
        if connective == "and":
            return f"Somebody is {self._joined('and', p, q)}."
        if q[0] == "or":
            return f"Whoever is {with_article(p)} is {self._joined('or', *q[1:])}, or both."
        being_p, being_q = with_article(p, "being "), with_article(q, "being ")
        ways = [f"whoever is {with_article(p)} is {with_article(q)}.",
                f"{being_p} is sufficient for {being_q}.",
                f"{being_q} is necessary for {being_p}."]
        if isinstance(p, str) and isinstance(q, str):
            ways.append(f"every {p} is a {q}.")
        elif isinstance(p, str):
            ways.append(f"no {p} is a {q[1]}.")
        elif isinstance(q, str):
            ways.append(f"nobody is neither a {p[1]} nor a {q}.")
        text = rng.choice(ways)
        return text[0].upper() + text[1:]

    def _joined(self, word: str, p: str | list, q: str | list) -> str:
        """Both literals, "not" last: "not a cousin and a buyer" has two readings."""
        first, last = sorted((p, q), key=lambda literal: literal[0] == "not")
        return f"{with_article(first)} {word} {with_article(last)}"

    @staticmethod
    def solve(premises, conclusion):
        return "valid" if follows(premises, conclusion) else "invalid"


class WebOfLies(Task):
    """Ann lies. Bob says Ann lies. Cleo says Bob lies. Does Bob tell the truth? -> Yes"""
    suite = "bbh"
    parse = staticmethod(yes_no)

    def make(self, rng: Random, level: int) -> tuple:
        count = between(rng, level, (4, 5), (8, 12), (14, 24))
        names = rng.sample(FIRST_NAMES, count)
        truthful = [rng.random() < 0.5 for _ in names]
        # Somebody in the middle: of the last one, an odd or even number of "lies" would tell.
        asked = rng.randrange(1, count - 1)
        sentences = []
        says = ""  # the first one speaks of nobody
        for name, honest in zip(names, truthful):
            does = "tells the truth" if honest else "lies"
            sentences.append(f"{name} {says}{does}.")
            says = f"says {name} "  # in the next sentence
        if level > 3:
            rng.shuffle(sentences)
        question = f"{' '.join(sentences)} Does {names[asked]} tell the truth? Answer Yes or No."
        # Everybody up to the one who is asked about, in the order in which they can be judged.
        claims = dict(zip(names[:asked + 1], truthful))
        return question, dict(claims=claims)

    @staticmethod
    def solve(claims):
        lies = list(claims.values()).count(False)
        return "No" if lies % 2 else "Yes"

    def program(self, instance: Instance) -> str:
        text = ""
        before = ""
        for name, truthful in instance.facts["claims"].items():
            negation = "" if truthful else "not "
            text += f"{name} = {negation}{before}\n" if before else f"{name} = {truthful}\n"
            before = name
        return text + f'print("Yes" if {before} else "No")\n'


# ---- orders and matchings found from clues -------------------------------------------------------

# Things of one or several groups are put at places: those of one group at different ones. A rule is
# a list such as ["before", "A", "B"], and holds(rule, place) says whether it is true.

def search_order(groups, rules):
    """The things in an order to place them, each with its group and the rules to check then.

    Next comes the thing that lets most rules be checked; ties go to the one in most rules.
    """
    group_of = {thing: group for group in groups for thing in group}
    left, order = list(group_of), []
    while left:
        found = {}
        for thing in left:
            about = [rule for rule in rules if thing in rule]
            later = set(left) - {thing}
            ready = [rule for rule in about if later.isdisjoint(rule)]
            found[thing] = len(ready), len(about), ready
        thing = max(left, key=lambda thing: found[thing][:2])
        order.append((thing, group_of[thing], found[thing][2]))
        left.remove(thing)
    return order


def placed_further(place, order, places, holds):
    """Every way to place the things of the order as well, as dicts thing -> place."""
    if not order:
        yield place
        return
    thing, group, rules = order[0]
    taken = [place.get(other) for other in group]
    for spot in places:
        if spot not in taken:
            wider = {**place, thing: spot}
            if all(holds(rule, wider) for rule in rules):
                yield from placed_further(wider, order[1:], places, holds)


def placements(groups, places, rules, holds):
    """Every way to give the things of each group different places so that all rules hold."""
    return placed_further({}, search_order(groups, rules), places, holds)


def holds(rule, place):
    """Whether a rule like ["before", a, b] is true; b may be the number of a place itself."""
    kind, a, b, *steps = rule
    p, q = place[a], place.get(b, b)
    return {"at": p == q, "not at": p != q, "before": p < q, "just before": p + 1 == q,
            "next": abs(p - q) == 1, "not next": abs(p - q) != 1, "apart": [abs(p - q)] == steps,
            "end": p in (1, q)}[kind]


def other_placement(groups: list[list[str]], rules: list, hidden: dict) -> dict | None:
    """A placement that keeps the rules and is not the hidden one."""
    places = range(1, len(groups[0]) + 1)
    for found in placements(groups, places, rules, holds):
        if found != hidden:
            return found
    return None


def clues(rng: Random, groups: list[list[str]], hidden: dict, pool: list) -> list:
    """True rules from a pool that leave only the hidden placement, none of them idle."""
    chosen = []
    other = other_placement(groups, chosen, hidden)
    while other:
        chosen.append(next(rule for rule in pool if not holds(rule, other)))
        other = other_placement(groups, chosen, hidden)
    for rule in list(chosen):
        fewer = [kept for kept in chosen if kept is not rule]
        if not other_placement(groups, fewer, hidden):
            chosen = fewer
    return rng.sample(chosen, len(chosen))


class LogicalDeduction(Choice, abstract=True):
    """3 runners finish a race: Ada, Emma, Hugo. Ada is ahead of Hugo. Which statement is true?"""
    suite = "bbh"
    uses = (holds, search_order, placed_further, placements)
    size = 0
    ORDINALS = "first second third fourth".split()
    # Scene, how a thing is called, things, lower, higher, the two ends.
    SETTINGS = [
        ("birds sit on a branch", "the {}",
         "crow finch heron magpie owl pigeon robin swallow wren",
         "to the left of", "to the right of", "from the left", "from the right"),
        ("books stand on a shelf", "the {} book",
         "black blue brown green grey orange purple red white yellow",
         "to the left of", "to the right of", "from the left", "from the right"),
        ("runners finish a race", "{}", "Ada Boris Carla Diego Emma Felix Grace Hugo Ines",
         "ahead of", "behind", "from the front", "from the back"),
        ("cars stand in a museum", "the {}",
         "bus convertible coupe hearse limousine taxi tractor truck van",
         "newer than", "older than", "newest", "oldest"),
        ("fruits are for sale", "the {}", "apple fig kiwi lemon mango melon orange peach plum",
         "cheaper than", "dearer than", "cheapest", "dearest"),
        ("towers stand in a city", "the {} tower",
         "bank bell church clock radio rose television water west",
         "lower than", "higher than", "lowest", "highest"),
        ("parcels are weighed", "the {} parcel",
         "cubic dented flat grey long round small square striped",
         "lighter than", "heavier than", "lightest", "heaviest"),
        ("rivers are compared", "the {}", "Arda Belna Corin Dorva Elsa Firth Garrow Hesk Isen",
         "shorter than", "longer than", "shortest", "longest"),
        ("cousins compare their ages", "{}", "Amir Bella Cyril Dora Elias Flora Gustav Hana Ivan",
         "younger than", "older than", "youngest", "oldest"),
        ("villages lie along a road from the sea", "{}",
         "Ashby Brook Colne Denby Elmet Ford Hythe Leigh Marsh",
         "nearer to the sea than", "farther from the sea than",
         "nearest to the sea", "farthest from the sea"),
    ]

    def make(self, rng: Random, level: int) -> tuple:
        scene, called, things, lower, higher, *ends = rng.choice(self.SETTINGS)
        things = [called.format(thing) for thing in rng.sample(things.split(), self.size)]
        hidden = dict(zip(things, rng.sample(range(1, self.size + 1), self.size)))
        pool = self._pool(hidden, level)
        # The question is about a thing that is compared with others: a place that a clue names, or
        # a thing that no clue names, would be found without putting the things in order.
        candidates = []
        while not candidates:
            told = clues(rng, [things], hidden, rng.sample(pool, len(pool)))
            given = {a for kind, a, _ in told if kind == "at"}
            compared = {part for clue in told for part in clue if part in things}
            candidates = [hidden[thing] for thing in things if thing in compared - given]
        sentences = []
        for kind, a, b in told:
            if kind == "before":
                text = rng.choice((f"{a} is {lower} {b}", f"{b} is {higher} {a}"))
            elif kind == "at":
                text = f"{a} is {self._rank(b, *ends)}"
            else:
                text = f"{a} is not {self._rank(b, *ends)}"
            sentences.append(text[0].upper() + text[1:])
        place = rng.choice(candidates)
        asked = self._rank(place, *ends)
        statements = [f"{thing[0].upper()}{thing[1:]} is {asked}." for thing in things]
        block, _ = options(rng, statements[0], statements[1:])
        question = (f"{self.size} {scene}: {', '.join(things)}. {'. '.join(sentences)}. "
                    f"Which statement is true?\n{block}\nAnswer with its letter.")
        return question, dict(things=things, clues=told, place=place, options=block)

    def _pool(self, hidden: dict[str, int], level: int) -> list[list]:
        """What is true and may be told."""
        pool = [["before", a, b] for a in hidden for b in hidden if hidden[a] < hidden[b]]
        if level < 5:
            pool += [["at", thing, place] for thing, place in hidden.items()]
        if level > 3:
            places = range(1, self.size + 1)
            pool += [["not at", a, place] for a in hidden for place in places if place != hidden[a]]
        return pool

    def _rank(self, place: int, first: str, last: str) -> str:
        """A place counted from the nearer end: "the second from the left", "the second-oldest"."""
        end, steps = first, place
        if 2 * place > self.size + 1:
            end, steps = last, self.size + 1 - place
        nth = self.ORDINALS[steps - 1]
        if end.startswith("from"):
            return f"the {nth} {end}"
        return f"the {end}" if steps == 1 else f"the {nth}-{end}"

    @staticmethod
    def solve(things, clues, place, options):
        found = next(placements([things], range(1, len(things) + 1), clues, holds))
        who = next(thing for thing in things if found[thing] == place)
        for line in options.splitlines():
            if f"{who} is".lower() in line.lower():
                return line[1]


class LogicalDeductionThreeObjects(LogicalDeduction):
    size = 3


class LogicalDeductionFiveObjects(LogicalDeduction):
    size = 5


class LogicalDeductionSevenObjects(LogicalDeduction):
    size = 7


class ZebraPuzzles(Task):
    """Ann, Bob live in houses 1 to 2. Whoever keeps a cat lives next to Bob. Who lives where?"""
    uses = (holds, search_order, placed_further, placements)
    ATTRIBUTES = [("lives in the {} house", "blue green grey red white yellow"),
                  ("keeps a {}", "cat dog hen mouse"),
                  ("drinks {}", "cocoa coffee juice milk tea water"),
                  ("plays the {}", "cello drum flute harp piano"),
                  ("works as a {}", "baker carpenter dentist gardener pilot teacher")]

    def make(self, rng: Random, level: int) -> tuple:
        count, kinds = at(rng, level, (3, 2), (4, 2), (4, 3))
        places = list(range(1, count + 1))
        names = sorted(rng.sample(FIRST_NAMES, count))
        groups, each, does = [names], [], {}
        for pattern, words in rng.sample(self.ATTRIBUTES, kinds):
            group = sorted(rng.sample(words.split(), count))
            groups.append(group)
            each.append(pattern.format("/".join(group)))
            does |= {value: pattern.format(value) for value in group}
        hidden = {}
        for group in groups:
            hidden |= zip(group, rng.sample(places, count))
        pool = [["at", a, b] for a in hidden for b in [*hidden, *places]
                if a != b and holds(["at", a, b], hidden)]
        for kind in ("next", "just before"):
            pool += [[kind, a, b] for a in hidden for b in hidden if holds([kind, a, b], hidden)]
        told = clues(rng, groups, hidden, rng.sample(pool, len(pool)))
        sentences = [self._tell(*clue, names, does) for clue in told]
        question = (f"{', '.join(names)} live in houses 1 to {count}, counted from the left, one "
                    f"in each. Each of them {' and '.join(each)}, no two the same. "
                    f"{' '.join(sentences)} Who lives where? "
                    "Answer with the names from left to right.")
        return question, dict(groups=groups, clues=told)

    def _tell(self, kind: str, a: str, b: str | int, names: list[str],
              does: dict[str, str]) -> str:
        if kind == "at" and b in names:
            a, b = b, a
        who = a if a in names else f"Whoever {does[a]}"
        if kind == "at":
            return f"{who} {does[b]}." if b in does else f"{who} lives in house {b}."
        side = "next to" if kind == "next" else "directly to the left of"
        whom = b if b in names else f"whoever {does[b]}"
        return f"{who} lives {side} {whom}."

    @staticmethod
    def solve(groups, clues):
        place = next(placements(groups, range(1, len(groups[0]) + 1), clues, holds))
        return ", ".join(sorted(groups[0], key=place.get))

    @staticmethod
    def parse(text: str) -> list[str]:
        return items(norm(text))


def relates(rule, value):
    """Whether ["sum", a, b, n] is true: a + b = n; difference: a - b = n; times: a = n * b."""
    kind, a, b, *number = rule
    a, b = value[a], value[b]
    if kind == "more":
        return a > b
    if kind == "times":
        return 10 * a == round(10 * number[0]) * b  # one decimal: exact in tenths
    return (a + b if kind == "sum" else a - b) == number[0]


class LogicalEquation(Task):
    """Each letter A to C is a different one of 2, 3, 5. A + B = 8, C > B is told. -> 5, 3, 2"""
    suite = "symbench"
    uses = (relates, search_order, placed_further, placements)
    SIGNS = {"sum": "{0} + {1} = {2}", "difference": "{0} - {1} = {2}", "times": "{0} = {2} * {1}",
             "more": "{0} > {1}"}

    def make(self, rng: Random, level: int) -> tuple:
        count = at(rng, level, 4, rng.choice((9, 11)), 15)
        letters = "ABCDEFGHIJKLMNO"[:count]
        numbers = rng.sample(range(1, 4 * count), count)
        tenths = (15, 20, 25, 30, 40) if level == 1 else range(11, 50)  # level 1: exact as floats
        pools = self._pools(rng, dict(zip(letters, numbers)), tenths)
        rules = []
        while len(rules) < count - 1 + level // 3:
            pool = rng.choices(pools, (6, 6, 6, 1))[0]
            if pool:
                rules.append(pool.pop(rng.randrange(len(pool))))
        told = ", ".join(self._tell(rule) for rule in rules)
        listed = ", ".join(map(str, sorted(numbers)))
        question = (f"Each letter {letters[0]} to {letters[-1]} is a different one of the numbers "
                    f"{listed}, no two the same. {told}. "
                    "Answer with their values in alphabetical order of the letters.")
        facts = dict(letters=letters, numbers=sorted(numbers), rules=rules)
        return question, facts, ", ".join(map(str, numbers))

    def _pools(self, rng: Random, value: dict[str, int], tenths: tuple | range) -> list[list]:
        """The true rules of each kind; for times, with ten times the number in `tenths`."""
        sums, differences, multiples, comparisons = pools = [[], [], [], []]
        for a, x in value.items():
            for b, y in value.items():
                if x > y:
                    sums.append(["sum", *rng.sample((a, b), 2), x + y])
                    differences.append(["difference", a, b, x - y])
                    comparisons.append(["more", a, b])
                    if 10 * x % y == 0 and 10 * x // y in tenths:
                        multiples.append(["times", a, b, x / y])
        return pools

    def _tell(self, rule: list) -> str:
        kind, a, b, *number = rule
        return self.SIGNS[kind].format(a, b, *(f"{n:g}" for n in number))

    @staticmethod
    def solve(letters, numbers, rules):
        value = next(placements([letters], numbers, rules, relates))
        return ", ".join(str(value[letter]) for letter in letters)

    def check(self, answer: str, instance: Instance) -> bool:
        letters, numbers, rules = instance.facts.values()
        # "A = 3, B: 39" is right as well, as long as every letter is named, in order.
        named, values = named_integers(answer)
        if named and "".join(named) != letters:
            return False
        value = dict(zip(letters, values))
        return sorted(values) == numbers and all(relates(rule, value) for rule in rules)

    def program(self, instance: Instance) -> str:
        if instance.level > 1:
            return super().program(instance)
        letters, numbers = ", ".join(instance.facts["letters"]), instance.facts["numbers"]
        tests = " and ".join(self._tell(rule) for rule in instance.facts["rules"])
        return ("from itertools import permutations\n"
                f"for {letters} in permutations({numbers}):\n"
                f"    if {tests.replace(' = ', ' == ')}:\n"
                f"        print({letters})\n        break\n")


class CourseSchedule(Task):
    """Of the courses 0 to 3, 1 needs 0, 2 needs 1, 1 needs 2, 3 needs 2. Can all be taken? -> False

    In each schedule some course needs nothing and some course is needed by none.
    """
    split = "test"
    parse = staticmethod(yes_no)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        possible = rng.choice((True, False))
        low, high, *ring = at(rng, level, (6, 7, 3, 3), (7, 10, 3, 5), (20, 40, 6, 12))
        count = rng.randint(low, high)
        order = rng.sample(range(count), count)
        # A chain of places in that order, which leaves out the first and the last of all.
        chain = sorted(rng.sample(range(1, count - 1), rng.randint(*ring)))
        before = dict(zip(chain[1:], chain))
        # The course at the first place of a pair needs the one at the second.
        pairs = []
        for i in range(1, count):
            pairs.append((i, before.get(i, rng.randrange(i))))
            if rng.randrange(min(level, 2)):
                pairs.append((i, rng.randrange(i)))
        # The chain is closed to a ring or not; either way its last course is needed by a later one.
        first, last = chain[0], chain[-1]
        pairs.append((last, first) if possible else (first, last))
        pairs.append((rng.randrange(last + 1, count), last))
        needs = [[order[i], order[j]] for i, j in dict.fromkeys(pairs)]  # each pair once
        rng.shuffle(needs)
        told = ", ".join(f"{a} needs {b}" for a, b in needs)
        question = (f"Of the courses 0 to {count - 1}, {told}. A course comes after all that it "
                    "needs. Can all be taken? Answer True or False.")
        return question, dict(needs=needs)

    @staticmethod
    def solve(needs):
        left = free = {course for pair in needs for course in pair}
        while free:
            # What needs no course that is left can be taken.
            free = left - {a for a, b in needs if b in left}
            left = left - free
        return not left
