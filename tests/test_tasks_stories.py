"""Stories are checked by readers of the text: each test takes the question's words alone, or tells the story anew."""
import re
from fractions import Fraction

from tasks import TASKS
from tasks.base import number, value
from tasks.families.stories import GOODS
from tasks.families.words import NAMES

GENDER = dict(NAMES)
SOME = [(level, seed) for level in (1, 2, 3, 4, 5) for seed in range(30)]


def drawn(key, cases=SOME):
    return [TASKS[key].generate(seed, level) for level, seed in cases]


def only(instance, answer):
    """Whether this is the one option that is accepted."""
    lines = instance.facts["options"].splitlines()
    task = TASKS[instance.task]
    fitting = [line[1] for line in lines if line[4:] == str(answer)]
    return fitting == [instance.expect] == [line[1] for line in lines if task.verify(instance, line[1])]


def relations(text):
    """(who, to) -> relation for all pairs, by the plain definitions."""
    parents, married, sex = {}, {}, {}
    for man, woman, rest in re.findall(r"(\w+) and his wife (\w+) have (.*?)\.", text):
        married[man], married[woman], sex[man], sex[woman] = woman, man, "m", "f"
        for kind, child in re.findall(r"a (son|daughter) (\w+)", rest):
            parents[child], sex[child] = {man, woman}, "mf"[kind == "daughter"]
    up = lambda x: parents.get(x, set())
    siblings = lambda x: {y for y in sex if y != x and up(y) and up(y) == up(x)}
    over = lambda group, f: {y for x in group for y in f(x)}
    down = lambda x: {y for y in sex if x in up(y)}
    spouse = lambda x: {married[x]} if x in married else set()
    words = {"father mother": up, "son daughter": down, "husband wife": spouse, "brother sister": siblings,
             "grandfather grandmother": lambda x: over(up(x), up),
             "grandson granddaughter": lambda x: over(down(x), down),
             "uncle aunt": lambda x: over(up(x), siblings), "nephew niece": lambda x: over(siblings(x), down),
             "cousin cousin": lambda x: over(over(up(x), siblings), down),
             "father-in-law mother-in-law": lambda x: over(spouse(x), up),
             "son-in-law daughter-in-law": lambda x: over(down(x), spouse)}
    found = {}
    for pair, reach in words.items():
        for to in sex:
            for who in reach(to):
                found.setdefault((who, to), []).append(pair.split()[sex[who] == "f"])
    return found


def test_relatives_agree_with_the_definitions_and_are_related_in_one_way_only():
    seen = set()
    for instance in drawn("rg/family_relationships", [(level, seed) for level in (1, 3, 5) for seed in range(100)]):
        who, to = re.search(r"What is (\w+) to (\w+)\?", instance.question).groups()
        assert relations(instance.question)[who, to] == [instance.expect], instance.question
        seen.add(instance.expect)
    assert len(seen) == 21


def test_a_relation_may_be_written_without_hyphens_but_not_turned_round():
    task = TASKS["rg/family_relationships"]
    instance = next(i for i in drawn("rg/family_relationships", [(5, seed) for seed in range(200)]) if "-" in i.expect)
    assert task.verify(instance, instance.expect.replace("-", " ").title())
    other = {"mother": "daughter", "daughter": "mother", "father": "son", "son": "father"}
    for wrong in (f"{other[instance.expect.split('-')[0]]}-in-law", "mother", "in-law", ""):
        assert not task.verify(instance, wrong)


GSM = TASKS["symbench/gsm"]


def test_every_number_of_a_gsm_formula_stands_in_the_story():
    known = {"1", "2", "7", "12", "60", "100"}  # halves, days, months, minutes, centimetres and percent
    for instance in drawn("symbench/gsm", [(level, seed) for level in (1, 3, 5) for seed in range(150)]):
        text = instance.question.removesuffix(GSM.ending)
        told = re.findall(r"\d+(?:\.\d+)?", text)
        used = re.findall(r"\d+(?:\.\d+)?", instance.facts["formula"])
        assert set(used) <= set(told) | known and set(told) - set(used) <= {"100"}, instance
        assert number(instance.expect) == value(instance.facts["formula"]) > 0
        if instance.level <= 3:
            assert number(instance.expect).denominator == 1


def times(k, n):
    return sum([n] * int(k))


# a part of each story -> its answer from the numbers in the order of the text, reckoned another way
RETOLD = {
    "boxes, each with": lambda a, k, b: times(k, b) + a,
    "and loses": lambda a, b, c: a - (b + c),
    "open every day": lambda a, k: times(7 * k, a),
    "for delivery": lambda a, u, v: v + u * a,
    "equally among": lambda a, k, b: (a + k * b) / k,
    "times as many": lambda a, k: a * (k + 1),
    "an hour and works": lambda u, k, m: times(k * m, u),
    "metres a day": lambda a, k, b: b + times(k, a),
    "get back": lambda k, u, paid: paid - times(k, u),
    "pages are left": lambda pages, b, k: pages - times(k, b),
    "saves": lambda u, k: times(12, times(k, u)),
    "A machine": lambda a, k: times(60 * k, a),
    "sells each crate": lambda eggs, k, u: u * eggs / k,
    "percent cheaper": lambda a, p: a - a * p / 100,
    "grew by": lambda a, p, b: a + b + a * p / 100,
    "falls by": lambda a, p, q: a - a * p / 100 - (a - a * p / 100) * q / 100,
    "A rope is": lambda a, k, m: times(m, 100 * a + k),
    "A train": lambda a, k, m: a * m / k,
    "on average": lambda a, b: a + (b - a) / 2,
    "a week and": lambda a, b, k: times(k, a) - times(k, b),
    "A theatre": lambda a, u, b, v: b * v + a * u,
    "one out of every": lambda a, k: a / k * (k - 1),
    "in the ratio": lambda a, k, m: a / (k + m) * k,
    "equal pumps": lambda k, a, m: 1 / (m * (1 / k / a)),
    "simple interest": lambda a, p, k: a + times(k, a / 100 * p),
    "gain": lambda a, u, v: a * v - a * u,
    "One hill": lambda a, b, k: a + times(k + 1, a + b),
    "A car burns": lambda k, _, u, a: times(k, u) * a / 100,
    "in a tank": lambda c, a, b, k: c + times(k, a) - times(k, b),
    "gives away half": lambda a, b: 2 * a + 2 * b,
    "After a discount": lambda p, a: a / (1 - p / 100),
    "percent of all sales": lambda b, p, a: a / 100 * p + b,
}


def test_gsm_stories_reckoned_another_way_give_the_same_number():
    seen = set()
    for instance in drawn("symbench/gsm", [(level, seed) for level in (1, 3, 5) for seed in range(150)]):
        text = instance.question.removesuffix(GSM.ending)
        (part,) = [part for part in RETOLD if part in text]
        numbers = [Fraction(n) for n in re.findall(r"\d+(?:\.\d+)?", text)]
        assert RETOLD[part](*numbers) == number(instance.expect), instance
        seen.add(part)
    assert seen == set(RETOLD) and len(RETOLD) == len(GSM.table)


def test_gsm_wants_whole_numbers_exactly_and_others_to_the_cent():
    whole = next(i for i in drawn("symbench/gsm", [(5, seed) for seed in range(300)]) if number(i.expect) > 10 ** 12
                 and number(i.expect).denominator == 1)
    n = int(number(whole.expect))
    assert GSM.verify(whole, f"{n:,}") and GSM.verify(whole, f"{n}.0") and GSM.verify(whole, f"{n} .")
    assert all(GSM.verify(whole, told) for told in (f"${n}", f"$ {n:,}", f"{n} dollars", f"{n}$"))
    assert not any(GSM.verify(whole, told) for told in ("$", "dollars", f"{n} dollars {n}", f"${n + 1}"))
    assert not GSM.verify(whole, str(n + 1)) and not GSM.verify(whole, str(n - 1)) and not GSM.verify(whole, f"-{n}")
    other = next(i for i in drawn("symbench/gsm", [(5, seed) for seed in range(200)]) if "." in i.expect)
    x = number(other.expect)
    assert GSM.verify(other, f"{float(x):,.2f}") and GSM.verify(other, str(x)) and GSM.verify(other, repr(float(x)))
    assert not GSM.verify(other, str(x + Fraction(1, 100))) and not GSM.verify(other, str(round(x)))


def walk(text):
    """Whether the walk comes back, with coordinates and a compass."""
    x = y = facing = 0  # 0 north, 1 east, 2 south, 3 west
    for step in re.findall(r"Turn \w+|Take \d+ steps?(?: \w+)?", text):
        words = step.split()
        if words[0] == "Turn":
            facing = (facing + {"right": 1, "around": 2, "left": 3}[words[1]]) % 4
            continue
        way = (facing + {"right": 1, "backward": 2, "left": 3}.get(words[-1], 0)) % 4
        x += int(words[1]) * (way == 1) - int(words[1]) * (way == 3)
        y += int(words[1]) * (way == 0) - int(words[1]) * (way == 2)
    return (x, y) == (0, 0)


def test_walks_agree_with_a_compass_and_half_of_them_come_back():
    back = [walk(i.question) == (i.expect == "Yes") and i.expect for i in
            drawn("bbh/navigate", [(level, seed) for level in (1, 3, 5) for seed in range(150)])]
    assert False not in back and 0.42 < back.count("Yes") / len(back) < 0.58


def test_no_thing_belongs_to_two_classes():
    words = [word for pairs in GOODS.values() for pair in pairs for word in set(pair)]
    assert len(words) == len(set(words)) and len(GOODS) == 8


def penguins(text):
    """The answer to a question about the tables, read from the text."""
    tables, current = {}, None
    question = text.split("\n(A)")[0].splitlines()[-1]
    for line in text.splitlines():
        if found := re.fullmatch(r"Table of (\w+):", line):
            current = tables.setdefault(found[1], [])
        elif re.fullmatch(r"\w+(, \d+){3}", line):
            name, *numbers = line.split(", ")
            current.append(dict(name=name, **dict(zip(("age", "height", "weight"), map(int, numbers)))))
        elif found := re.fullmatch(r"Then the penguin (\w+), (\d+), (\d+), (\d+) is added .*", line):
            numbers = zip(("age", "height", "weight"), map(int, found.groups()[1:]))
            tables["penguins"].append(dict(numbers, name=found[1]))
        elif found := re.fullmatch(r"Then the penguin (\w+) is deleted\.", line):
            tables["penguins"] = [row for row in tables["penguins"] if row["name"] != found[1]]
    about = re.search(r"penguin|giraffe|animal", question)
    rows = [row for species, table in tables.items() for row in table
            if not about or about[0] == "animal" or species.startswith(about[0])]
    scale = {"oldest": ("age", 1), "youngest": ("age", 0), "tallest": ("height", 1), "shortest": ("height", 0),
             "heaviest": ("weight", 1), "lightest": ("weight", 0), "older": ("age", 1), "younger": ("age", 0),
             "taller": ("height", 1), "shorter": ("height", 0), "heavier": ("weight", 1), "lighter": ("weight", 0)}
    if found := re.search(r"is the (second )?(\w+)\?", question):
        column, up = scale[found[2]]
        return sorted(rows, key=lambda row: row[column] * (-1 if up else 1))[1 if found[1] else 0]["name"]
    if found := re.search(r"in row (\d+)", question):
        return rows[int(found[1]) - 1]["name"]
    if found := re.search(r"name is (first|last)", question):
        return (min if found[1] == "first" else max)(row["name"] for row in rows)
    if found := re.search(r"What is the (\w+) of (\w+), in", question):
        return next(row[found[1]] for row in rows if row["name"] == found[2])
    if found := re.search(r"sum of the (\w+)s of", question):
        return sum(row[found[1]] for row in rows)
    if found := re.search(r"average (\w+) of", question):
        total = sum(row[found[1]] for row in rows)
        return total // len(rows) if total % len(rows) == 0 else None
    if found := re.search(r"between the (\w+) and the", question):
        numbers = sorted(row[scale[found[1]][0]] for row in rows)
        return numbers[-1] - numbers[0]
    for word, bound in re.findall(r"(\w+) than (\d+)", question):
        column, up = scale[word]
        rows = [row for row in rows if row[column] != int(bound) and (row[column] > int(bound)) == bool(up)]
    return len(rows)


def test_table_questions_agree_with_a_reader_of_the_text():
    kinds = set()
    for instance in drawn("bbh/penguins_in_a_table", [(level, seed) for level in (1, 3, 5) for seed in range(120)]):
        assert only(instance, penguins(instance.question)), instance.question
        kinds.add(instance.facts["form"][0])
        assert TASKS["bbh/penguins_in_a_table"].solve(**instance.facts) == instance.expect
    assert len(kinds) == 8


def coloured(text):
    """The answer to a question about coloured things, read from the text."""
    story, question = re.match(r"On the \w+ there (?:is|are) (.*?)\. (.*\?)", text).groups()
    if question.startswith("If all"):
        gone, thing = re.search(r"all (\w+) things .* many (\w+) are", question).groups()
        groups = re.findall(r"(\d+) (\w+) (\w+)", story)
        return sum(int(n) for n, colour, name in groups if colour != gone and name in (thing, thing[:-1], thing[:-2]))
    row = [part.split()[-2:] for part in re.split(r", | and ", story.split(": ")[1])]
    names = [name for _, name in row]
    if found := re.match(r"Is the (\w+) (\w+)\?", question):
        return "yes" if row[names.index(found[1])][0] == found[2] else "no"
    if found := re.search(r"neither (\w+) nor (\w+)\?", question):
        return len([1 for colour, _ in row if colour != found[1] and colour != found[2]])
    if found := re.search(r"not (\w+) are to the (\w+) of the (\w+)\?", question):
        i = names.index(found[3])
        part = row[:i] if found[2] == "left" else row[:i:-1]
        return len([1 for colour, _ in part if colour != found[1]])
    if found := re.search(r"furthest from the (\w+)\?", question):
        i = names.index(found[1])
        far = sorted(range(len(row)), key=lambda j: abs(i - j))
        assert abs(i - far[-1]) > abs(i - far[-2])
        return row[far[-1]][0]
    if found := re.search(r"directly to the (\w+) of the (\w+)\?", question):
        return row[names.index(found[2]) + {"left": -1, "right": 1}[found[1]]][0]
    if "leftmost" in question or "rightmost" in question:
        return row[0 if "leftmost" in question else len(row) - 1][0]
    return row[names.index(re.search(r"colour of the (\w+)\?", question)[1])][0]


def test_coloured_things_agree_with_a_reader_of_the_text():
    kinds = set()
    for instance in drawn("bbh/reasoning_about_colored_objects", [(l, s) for l in (1, 3, 5) for s in range(120)]):
        assert only(instance, coloured(instance.question)), instance.question
        kinds.add(instance.facts["kind"])
    assert len(kinds) == 8
