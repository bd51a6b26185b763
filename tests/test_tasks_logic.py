"""The logic tasks, read back from their questions and recomputed by other means."""
import re
from fractions import Fraction
from itertools import combinations, permutations, product

import pytest

from tasks import TASKS
from tasks.families.logic import follows, holds

COUNT = [5, pytest.param(100, marks=pytest.mark.slow)]


def some(key: str, level: int, count: int) -> list:
    """A task with each of a few of its instances."""
    return [(TASKS[key], TASKS[key].generate(seed, level)) for seed in range(count)]


def split(text: str, signs: list[str]) -> tuple[str, str, str] | None:
    """A text cut at the first of the signs that stands outside brackets."""
    for i in range(len(text)):
        if text[:i].count("(") == text[:i].count(")"):
            for sign in signs:
                if text[i:].startswith(sign):
                    return text[:i], sign, text[i + len(sign):]


def test_expressions_have_the_value_that_python_gives():
    for level in range(1, 6):
        for task, instance in some("bbh/boolean_expressions", level, 20):
            assert instance.expect == str(eval(re.search("What is (.*)\\?", instance.question)[1]))
            assert task.verify(instance, instance.expect.lower())
            assert not task.verify(instance, str(instance.expect != "True"))


# ---- knights, formulas, statements about themselves -----------------------------------------------------------------

def said(claim: str, knights: dict[str, bool]) -> bool:
    """The truth of an English claim."""
    if claim[0] == "(" and split(claim[1:], [")"])[2] == "":
        return said(claim[1:-1], knights)
    if claim.startswith("it is not true that "):
        return not said(claim[20:], knights)
    if claim.startswith("if "):
        a, _, b = split(claim[3:], [" then "])
        return said(b, knights) if said(a, knights) else True
    if cut := split(claim, [" if and only if ", " and ", " or "]):
        a, b = said(cut[0], knights), said(cut[2], knights)
        return {" if and only if ": a is b, " and ": a and b, " or ": a or b}[cut[1]]
    name, role = re.fullmatch(r"(\w+) is a (knight|knave)", claim).groups()
    return knights[name] is (role == "knight")


@pytest.mark.parametrize("count", COUNT)
def test_knights_and_knaves_as_told_leave_one_answer_and_the_others_are_refused(count):
    for level in (1, 3, 5):
        for task, instance in some("rg/knights_knaves", level, count):
            claims = re.findall(r"(\w+) says: (.*?)\.", instance.question)
            names, right = [name for name, _ in claims], 0
            for world in product((True, False), repeat=len(names)):
                knights = dict(zip(names, world))
                fits = all(said(claim, knights) is knights[name] for name, claim in claims)
                right += fits
                roles = [f"{name} is a {'knight' if knights[name] else 'knave'}" for name in names]
                assert task.verify(instance, ", ".join(roles)) is fits
                assert task.verify(instance, " and ".join(reversed(roles)).upper()) is fits
                assert task.verify(instance, "\n".join(f"- {role}." for role in roles)) is fits
                assert not task.verify(instance, ", ".join(roles[1:]))
                assert not task.verify(instance, ", ".join(roles + roles[:1]))
                assert not task.verify(instance, ", ".join(roles) + " or not")
            assert right == 1


def formula(text: str, model: dict[str, bool]) -> bool:
    """The truth of a formula in which whatever is nested is bracketed."""
    text = text.strip()
    if cut := split(text, ["<->", "->", "&", "|"]):
        a, b = formula(cut[0], model), formula(cut[2], model)
        return {"<->": a is b, "->": b or not a, "&": a and b, "|": a or b}[cut[1]]
    if text[0] == "~":
        return not formula(text[1:], model)
    return formula(text[1:-1], model) if text[0] == "(" else model[text]


@pytest.mark.parametrize("count", COUNT)
def test_a_conclusion_is_accepted_if_all_premises_are_needed_for_it(count):
    for level in (1, 3, 5):
        for task, instance in some("rg/propositional_logic", level, count):
            premises = re.search("Premises: (.*?)\\. Give", instance.question)[1].split("; ")
            p, q = re.search("which (.) and (.) occur", instance.question).groups()
            models = [dict(zip("pqrs", world)) for world in product((True, False), repeat=4)]
            assert any(all(formula(premise, m) for premise in premises) for m in models)
            right = 0
            for table in product((True, False), repeat=4):
                rows = dict(zip(product((True, False), repeat=2), table))
                true = [case for case, row in rows.items() if row]
                text = " | ".join(f"({'' if a else '~'}{p} & {'' if b else '~'}{q})" for a, b in true)
                fits = bool(true) and all(rows[m[p], m[q]] for m in models if all(formula(x, m) for x in premises)) \
                    and not any(all(rows[m[p], m[q]] for m in models if formula(x, m)) for x in premises)
                right += fits
                assert task.verify(instance, text) is fits
                assert task.verify(instance, f"¬¬({text})".translate(str.maketrans("|&~", "∨∧¬"))) is fits
                other = min({*"pqrs"} - {p, q})
                assert not task.verify(instance, f"({text}) & ({other} | ~{other})")
            assert right >= 1
            assert not any(task.verify(instance, premise) for premise in premises)


def test_formulas_are_read_with_the_usual_binding():
    parse = TASKS["rg/propositional_logic"].parse
    assert parse("~p & q | r -> s <-> p") == ["iff", ["if", ["or", ["and", ["not", "p"], "q"], "r"], "s"], "p"]
    assert parse("p -> q -> r") == ["if", "p", ["if", "q", "r"]]
    assert parse("p & q & r") == ["and", ["and", "p", "q"], "r"]
    assert parse("not p and (q or ¬r) => s") == parse("~p∧(q∨~r)→s") == parse("!P && (Q || !R) -> S.")
    for wrong in ("", "p &", "(p", "p)", "p q", "pq", "p & t", "& p", "()", "p == q", "~", "p -> -> q"):
        with pytest.raises((ValueError, IndexError)):
            parse(wrong)


def meaning(sentence: str, world: tuple) -> bool:
    """Whether a sentence about the truth of statements is so."""
    counts = {"true": sum(world), "false": len(world) - sum(world)}
    if match := re.fullmatch("at least (.) (?:is|are) (.*)", sentence):
        return counts[match[2]] in range(int(match[1]), 99)
    if match := re.fullmatch("at most (.) (?:is|are) (.*)", sentence):
        return counts[match[2]] in range(int(match[1]) + 1)
    if match := re.fullmatch("exactly (.) (?:is|are) (.*)", sentence):
        return counts[match[2]] == int(match[1])
    if match := re.fullmatch("exactly one of numbers (.) and (.) is true", sentence):
        return [world[int(i) - 1] for i in match.groups()].count(True) == 1
    kind, how = re.fullmatch("the number of (true|false) ones is (prime|composite)", sentence).groups()
    divisors = [d for d in range(1, 10) if counts[kind] and counts[kind] % d == 0]
    return len(divisors) == 2 if how == "prime" else len(divisors) > 2


def test_statements_about_themselves_are_counted_as_they_read():
    for level in (1, 3, 5):
        for _, instance in some("rg/self_reference", level, 6):
            sentences = [text.lower() for text in re.findall(r"\d\. (.*)\.\n", instance.question)]
            worlds = product((True, False), repeat=len(sentences))
            ways = sum(all(meaning(s, world) is is_true for s, is_true in zip(sentences, world)) for world in worlds)
            assert instance.expect == str(ways)


# ---- classes --------------------------------------------------------------------------------------------------------

def test_15_moods_and_figures_are_valid_and_24_if_no_class_is_empty():
    moods = list(TASKS["rg/syllogism"].MOODS.values())

    def statement(mood: list, a: str, b: str) -> list:
        return [mood[0], [mood[1], a, ["not", b] if "not" in mood else b]]

    for existing, valid in (([], 15), ([["some", "S"], ["some", "M"], ["some", "P"]], 24)):
        assert valid == sum(follows([statement(x, *major), statement(y, *minor), *existing], statement(z, "S", "P"))
                            for x, y, z in product(moods, repeat=3) for major in ("MP", "PM") for minor in ("SM", "MS"))


def test_syllogisms_say_what_is_solved():
    words = {"all": lambda a, b: ["all", ["if", a, b]], "no": lambda a, b: ["all", ["if", a, ["not", b]]],
             "some": lambda a, b: ["some", ["and", a, b]], "some not": lambda a, b: ["some", ["and", a, ["not", b]]]}
    for level in (1, 3, 5):
        for task, instance in some("rg/syllogism", level, 20):
            *told, asked = re.findall(r"\b(all|no|some) (\w+) are (not )?(\w+)", instance.question.lower())
            read = [words[f"{kind} {negated}".strip()](a, b) for kind, a, negated, b in [*told, asked]]
            assert read == [*instance.facts["premises"], instance.facts["conclusion"]]
            assert task.verify(instance, "yes" if follows(read[:-1], read[-1]) else "no")


def reads(sentence: str) -> list:
    """The statement that a sentence of prose makes."""
    def kind(text: str) -> str | list:
        negated, noun = re.fullmatch(r"(not )?(?:being )?an? (.*)", text).groups()
        return ["not", noun] if negated else noun

    sentence = sentence[0].lower() + sentence[1:]
    for pattern, build in (
            (r"whoever is (.*) is (.*) or (.*), or both", lambda a, b, c: ["all", ["if", a, ["or", b, c]]]),
            (r"whoever is (.*) is (.*)", lambda a, b: ["all", ["if", a, b]]),
            (r"(.*) is sufficient for (.*)", lambda a, b: ["all", ["if", a, b]]),
            (r"(.*) is necessary for (.*)", lambda a, b: ["all", ["if", b, a]]),
            (r"every (.*) is (.*)", lambda a, b: ["all", ["if", a, b]]),
            (r"no (.*) is (.*)", lambda a, b: ["all", ["if", a, ["not", b]]]),
            (r"nobody is neither (.*) nor (.*)", lambda a, b: ["all", ["or", a, b]]),
            (r"somebody is (.*) and (.*)", lambda a, b: ["some", ["and", a, b]])):
        if match := re.fullmatch(pattern, sentence):
            return build(*(kind(re.sub("^(?!not |being |a )", "a ", text)) for text in match.groups()))
    name, noun = re.fullmatch(r"(\w+) is (.*)", sentence).groups()
    return [name.capitalize(), kind(noun)]


def true(part: str | list, person: dict[str, bool]) -> bool:
    if isinstance(part, str):
        return person[part]
    values = [true(p, person) for p in part[1:]]
    return {"not": not values[0], "and": all(values), "or": any(values), "if": not values[0] or values[-1]}[part[0]]


def nouns(part: str | list) -> set[str]:
    return {part} if isinstance(part, str) else set().union(*map(nouns, part[1:]))


def in_every_world(premises: list, conclusion: list, most: int) -> bool:
    """Validity by going through the worlds with so many kinds of people at most, and whoever the named one may be."""
    def holds_in(statement: list, world: tuple, named: dict) -> bool:
        quantifier, part = statement
        if quantifier in ("all", "some"):
            return {"all": all, "some": any}[quantifier](true(part, person) for person in world)
        return true(part, named)

    kinds = sorted(set().union(*(nouns(part) for _, part in [*premises, conclusion])))
    people = [dict(zip(kinds, has)) for has in product((True, False), repeat=len(kinds))]
    return all(holds_in(conclusion, world, named) for size in range(1, most + 1) for world in combinations(people, size)
               for named in world if all(holds_in(premise, world, named) for premise in premises))


def test_arguments_in_prose_mean_what_is_solved():
    for level in (1, 3, 5):
        for _, instance in some("bbh/formal_fallacies", level, 40):
            body = instance.question.split(". Is this")[0].replace("Therefore: ", "")
            meant = [*instance.facts["premises"], instance.facts["conclusion"]]
            for sentence, (quantifier, part) in zip(body.split(". "), meant, strict=True):
                read, formula = reads(sentence)
                kinds = sorted(nouns(part))
                people = [dict(zip(kinds, has)) for has in product((True, False), repeat=len(kinds))]
                assert read == quantifier and sorted(nouns(formula)) == kinds
                assert all(true(formula, person) == true(part, person) for person in people)


@pytest.mark.parametrize("count", [8, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("level, most", [(1, 8), (3, 2)])  # a person that refutes and a person that exists: two suffice
def test_arguments_in_prose_are_valid_exactly_if_no_world_refutes_them(level, most, count):
    for task, instance in some("bbh/formal_fallacies", level, count):
        told, conclusion = instance.question.split(". Is this")[0].split(". Therefore: ")
        valid = in_every_world([reads(sentence) for sentence in told.split(". ")], reads(conclusion), most)
        assert task.verify(instance, "Valid." if valid else "invalid")
        assert not task.verify(instance, "invalid" if valid else "valid")


def test_the_last_of_a_chain_of_liars_is_judged_as_the_only_consistent_world_has_it():
    for level in (1, 3, 4):
        for task, instance in some("bbh/web_of_lies", level, 6):
            known = re.findall(r"(?:^|\. )(\w+) (tells the truth|lies)\.", instance.question)
            claims = re.findall(r"(\w+) says (\w+) (tells the truth|lies)", instance.question)
            names = sorted({name for name, _, _ in claims} | {name for name, _ in known})
            if len(names) > 10:
                continue
            worlds = [w for bits in product((True, False), repeat=len(names)) if (w := dict(zip(names, bits)))
                      and all(w[a] is (does != "lies") for a, does in known)
                      and all(w[a] is (w[b] is (does != "lies")) for a, b, does in claims)]
            asked = re.search(r"Does (\w+) tell", instance.question)[1]
            assert len(worlds) == 1 and instance.expect == ("Yes" if worlds[0][asked] else "No")


# ---- orders and matchings -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("key", [f"bbh/logical_deduction_{n}_objects" for n in ("three", "five", "seven")])
def test_clues_about_an_order_as_told_leave_one_true_statement(key):
    for level in (1, 3, 5):
        for task, instance in some(key, level, 5):
            *_, lower, higher, first, last = next(s for s in task.SETTINGS if instance.question[2:].startswith(s[0]))
            things = re.search(": (.*?)\\.", instance.question)[1].split(", ")
            told, choices = instance.question.split(". ", 1)[1].split(" Which statement is true?\n")
            named = {}
            for i, nth in enumerate(("first", "second", "third", "fourth")):
                for end, index in ((first, i), (last, task.size - 1 - i)):
                    named[f"{nth} {end}"] = named[f"{nth}-{end}" if i else end] = index

            def read(sentence: str):
                """The test of an order that a sentence stands for."""
                for a, b in permutations(things, 2):
                    if sentence in (f"{a} is {lower} {b}".lower(), f"{b} is {higher} {a}".lower()):
                        return lambda order: order.index(a) < order.index(b)
                a, match = next((a, match) for a in things
                                if (match := re.fullmatch(f"{a} is (not )?the (.*)".lower(), sentence)))
                return lambda order: (order[named[match[2]]] == a) is not bool(match[1])

            clues = [read(sentence) for sentence in told.lower().rstrip(".").split(". ")]
            orders = [order for order in permutations(things) if all(clue(order) for clue in clues)]
            assert len(orders) == 1
            true = [line[1] for line in choices.splitlines()[:-1] if read(line[4:].lower().rstrip("."))(orders[0])]
            assert true == [instance.expect] and task.verify(instance, f"({true[0]})")
            assert sum(task.verify(instance, letter) for letter in "ABCDEFGH") == 1


def test_houses_can_be_filled_in_one_way_and_no_clue_is_idle():
    for level in (1, 3):
        for task, instance in some("rg/zebra_puzzles", level, 3):
            groups, clues = instance.facts["groups"], instance.facts["clues"]
            places = range(1, len(groups[0]) + 1)
            ways = [{thing: place for group, order in zip(groups, orders) for thing, place in zip(group, order)}
                    for orders in product(permutations(places), repeat=len(groups))]
            fits = [[holds(clue, way) for clue in clues] for way in ways]
            assert sum(map(all, fits)) == 1
            assert all(any(sum(row) == len(clues) - 1 and not row[i] for row in fits) for i in range(len(clues)))
            names = sorted(groups[0], key=ways[[all(row) for row in fits].index(True)].get)
            for order in permutations(names):
                assert task.verify(instance, " ".join(order)) is (list(order) == names)


def test_exactly_the_values_that_keep_the_told_equations_are_accepted():
    for task, instance in some("symbench/logical_equation", 1, 20):
        numbers, told = re.search(r"numbers (.*?), no two the same\. (.*)\. Answer", instance.question).groups()
        right = 0
        for values in product(map(int, numbers.split(", ")), repeat=4):
            exact = {letter: Fraction(value) for letter, value in zip("ABCD", values)}
            equations = re.sub(r"(\d+\.\d+)", r"F('\1')", told).replace(" = ", " == ").split(", ")
            fits = len(set(values)) == 4 and all(eval(text, {"F": Fraction, **exact}) for text in equations)
            right += fits
            assert task.verify(instance, str(list(values))) is fits
        assert right >= 1


@pytest.mark.parametrize("level", [3, 5])
def test_the_planted_and_the_searched_values_both_keep_the_equations(level):
    for task, instance in some("symbench/logical_equation", level, 20):
        values = task.solve(**instance.facts)
        assert task.verify(instance, values) and task.verify(instance, instance.expect)
        assert not task.verify(instance, values.rsplit(",", 1)[0])
        first, second, *rest = values.split(", ")
        assert not task.verify(instance, ", ".join([first, first, *rest]))
        letters = instance.facts["letters"]
        named = [f"{letter} = {value}" for letter, value in zip(letters, values.split(", "))]
        assert task.verify(instance, ", ".join(named)) and task.verify(instance, "\n".join(named))
        assert not task.verify(instance, ", ".join(reversed(named)))
        assert not task.verify(instance, ", ".join(named[:1] + values.split(", ")[1:]))


def test_one_is_said_in_the_singular():
    tell = TASKS["rg/self_reference"]._tell
    assert tell("true", 1) == "Exactly 1 is true." and tell("at most", 1) == "At most 1 is false."
    assert tell("true", 0) == "Exactly 0 are true." and tell("at least", 2) == "At least 2 are true."


@pytest.mark.parametrize("key", [f"bbh/logical_deduction_{n}_objects" for n in ("three", "five", "seven")])
def test_no_clue_alone_says_which_statement_about_an_order_is_true(key):
    for level in (1, 3, 5):
        for task, instance in some(key, level, 20):
            told, choices = instance.question.split(". ", 1)[1].split(" Which statement is true?\n")
            right = re.search(rf"^\({instance.expect}\) (.*) is ", choices, re.MULTILINE)[1].lower()
            clues = [clue for clue in told.lower().split(". ") if right in clue]
            assert clues and not any(re.search(f"{right} is the ", clue) for clue in clues)


def test_the_moods_of_a_syllogism_and_the_number_of_lies_do_not_tell_the_answer():
    for key, feature in (("rg/syllogism", lambda text: re.findall("(?i)all|no |some|not", text)),
                         ("bbh/web_of_lies", lambda text: text.count("lies") % 2)):
        verdicts = {}
        for _, instance in some(key, 3, 300):
            verdicts.setdefault(str(feature(instance.question)), []).append(instance.expect == "Yes")
        best = sum(max(sum(group), len(group) - sum(group)) for group in verdicts.values()
                   if len(group) >= 20)  # a small group has a majority by chance
        assert best <= 0.62 * sum(len(group) for group in verdicts.values() if len(group) >= 20)


def test_each_schedule_has_a_course_without_needs_and_one_that_none_needs():
    for level in (1, 3, 5):
        for _, instance in some("rg/course_schedule", level, 40):
            needing, needed = map(set, zip(*re.findall(r"(\d+) needs (\d+)", instance.question)))
            assert needing - needed and needed - needing


def test_courses_can_be_taken_unless_one_needs_itself_in_the_end():
    for level in (1, 3, 5):
        for task, instance in some("rg/course_schedule", level, 20):
            needs = {(a, b) for a, b in re.findall(r"(\d+) needs (\d+)", instance.question)}
            while wider := {(a, d) for a, b in needs for c, d in needs if b == c} - needs:  # the transitive closure
                needs |= wider
            assert instance.expect == str(all(a != b for a, b in needs))
