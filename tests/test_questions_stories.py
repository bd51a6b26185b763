"""Readers of the stories: each takes the question's words alone and solves them by another way.

The longer readers stand in tests/test_tasks_stories.py, beside the tests of single properties.
"""
import re
from fractions import Fraction

import pytest

from tasks import TASKS
from tasks.base import number
from tasks.families.stories import GOODS
from test_tasks_stories import GENDER, GSM, RETOLD, coloured, penguins, relations, walk

LEGS = {"snake": 0, "worm": 0, "dolphin": 0, "eel": 0, "shark": 0,
        "duck": 2, "chicken": 2, "swan": 2, "eagle": 2, "owl": 2,
        "cow": 4, "horse": 4, "dog": 4, "cat": 4, "goat": 4, "frog": 4, "lizard": 4,
        "ant": 6, "bee": 6, "beetle": 6, "wasp": 6, "spider": 8, "scorpion": 8, "crab": 10}


@pytest.fixture
def questions(request):
    """(task, questions): 30 a task over the five levels, 300 with --slow."""
    seeds = range(60 if request.config.getoption("--slow") else 6)
    levels = (1, 2, 3, 4, 5)
    return lambda key: [TASKS[key].generate(seed, level) for level in levels for seed in seeds]


def chosen(instance, answer):
    """The letters of the choices that say this."""
    lines = re.findall(r"^\((\w)\) (.*)$", instance.question, re.MULTILINE)
    return [letter for letter, text in lines if text == str(answer)]


# ---- counting ------------------------------------------------------------------------------------

def counted_people(text):
    """The answer about sisters, friends or colleagues: everybody is put in a circle and counted."""
    who, women, men = re.match(r"(\w+) has (\d+) \w+ and (\d+) ", text).groups()
    circle = ["f"] * int(women) + ["m"] * int(men)  # all but the one the story is about
    asked = re.search(r"How many .*\?", text)[0]
    if "parents have" in asked:
        return len([sex for sex in circle + [GENDER[who]] if sex == "f" or "children" in asked])
    if "in all" in asked:
        office = re.search(r"and (\d+) female and (\d+) male colleagues in an office", text)
        return len(circle) + int(office[1]) + int(office[2])
    # Somebody of the circle is asked about: they do not count themselves, but they count `who`.
    other = re.search(r"(\w+) have\?", asked)[1]
    circle.remove(GENDER[other])
    circle.append(GENDER[who])
    return circle.count("f" if re.search("sisters|female", asked) else "m")


def test_sisters_friends_and_colleagues_are_counted_in_a_circle(questions):
    for instance in questions("rg/aiw"):
        assert counted_people(instance.question) == int(instance.expect), instance.question


def test_legs_are_counted_by_a_table_of_our_own(questions):
    for instance in questions("rg/leg_counting"):
        told = re.findall(r"(\d+) (\w+)", instance.question)
        total = sum(int(count) * LEGS[name if count == "1" else name.removesuffix("s")]
                    for count, name in told)
        assert total == int(instance.expect), instance.question


def test_things_are_counted_by_their_class(questions):
    numerals = ("a two three four five six seven eight nine ten eleven twelve").split()
    kinds = {word: kind for kind, pairs in GOODS.items() for pair in pairs for word in pair}
    for instance in questions("bbh/object_counting"):
        found = re.match(r"I have (.*)\. How many (.*) do I have\?", instance.question)
        told, wanted = found.groups()
        total = 0
        for part in re.split(", | and ", told):
            numeral, thing = re.sub("^an ", "a ", part).split(" ", 1)
            # Whether a goat is an object nobody has to say.
            assert (wanted, kinds[thing]) != ("objects", "animals"), instance.question
            if wanted in (kinds[thing], "objects"):
                total += numerals.index(numeral) + 1
        assert total == int(instance.expect), instance.question


# ---- reading -------------------------------------------------------------------------------------

def test_one_sentence_names_who_is_asked_for(questions):
    for instance in questions("rg/needle_haystack"):
        found = re.fullmatch(r"(.*) Who (\w+ \w+)\? Answer with the name\.", instance.question)
        text, deed = found.groups()
        assert re.findall(rf"(\w+) {deed}\.", text) == [instance.expect], instance.question


def test_relatives_follow_from_the_definitions(questions):
    for instance in questions("rg/family_relationships"):
        who, to = re.search(r"What is (\w+) to (\w+)\?", instance.question).groups()
        assert relations(instance.question)[who, to] == [instance.expect], instance.question


def test_table_questions_are_answered_from_the_text(questions):
    for instance in questions("bbh/penguins_in_a_table"):
        assert chosen(instance, penguins(instance.question)) == [instance.expect], instance.question


def test_coloured_things_are_found_in_the_text(questions):
    for instance in questions("bbh/reasoning_about_colored_objects"):
        assert not re.search(r"neither (\w+) nor \1\b|there are 1 ", instance.question), instance.question
        assert chosen(instance, coloured(instance.question)) == [instance.expect], instance.question


def test_stories_with_numbers_are_reckoned_another_way(questions):
    for instance in questions("symbench/gsm"):
        text = instance.question.removesuffix(GSM.ending)
        (part,) = [part for part in RETOLD if part in text]
        numbers = [Fraction(told) for told in re.findall(r"\d+(?:\.\d+)?", text)]
        assert RETOLD[part](*numbers) == number(instance.expect), instance.question


# ---- moving --------------------------------------------------------------------------------------

# x to the right, y to the back, z up
PLACES = {"top": (0, 0, 1), "bottom": (0, 0, -1), "front": (0, -1, 0), "back": (0, 1, 0),
          "left": (-1, 0, 0), "right": (1, 0, 0)}


def turned(place, side):
    """Where a face goes when the cube is turned so that a side comes to the top."""
    x, y, z = place
    return {"front": (x, z, -y), "back": (x, -z, y), "left": (z, y, -x), "right": (-z, y, x),
            "bottom": (x, -y, -z)}[side]


def test_a_cube_is_turned_as_vectors(questions):
    for side in ("front", "back", "left", "right", "bottom"):
        assert turned(PLACES[side], side) == PLACES["top"]
    for instance in questions("rg/color_cube_rotation"):
        told = re.search(r"are coloured: (.*?)\. It is turned", instance.question)[1]
        sides = dict(part.split() for part in told.split(", "))
        colour_at = {PLACES[side]: colour for side, colour in sides.items()}
        for side in re.search(r"place to the top: (.*?)\.", instance.question)[1].split(", then "):
            colour_at = {turned(place, side): colour for place, colour in colour_at.items()}
        asked = re.search(r"is now on the (\w+) face", instance.question)[1]
        assert colour_at[PLACES[asked]] == instance.expect, instance.question


def test_a_walk_is_followed_with_a_compass(questions):
    for instance in questions("bbh/navigate"):
        assert ("Yes" if walk(instance.question) else "No") == instance.expect, instance.question


def test_the_steps_of_a_walk_that_misses_the_start_are_even_too(questions):
    for instance in questions("bbh/navigate"):
        assert sum(map(int, re.findall(r"Take (\d+) step", instance.question))) % 2 == 0


THINGS = r"(?:dances with|holds the|has the|wears the|reads the|plays as|plays the|sits in seat)"


@pytest.mark.parametrize("count", ("three", "five", "seven"))
def test_swapped_things_are_followed_one_after_the_other(count, questions):
    for instance in questions(f"bbh/tracking_shuffled_objects_{count}_objects"):
        story = instance.question.split("\n")[0]
        first = re.match(r"At first (.*?)\.", story)[1]
        holder = {}  # thing -> who has it
        for part in re.split(r", | and ", first):
            found = re.fullmatch(rf"(\w+) {THINGS} (.*?)(?: ball| present| hat)?", part)
            holder[found[2]] = found[1]
        swaps = re.findall(r"Then (\w+) and (\w+) (?:swap|switch|change)", story)
        assert len(holder) == {"three": 3, "five": 5, "seven": 7}[count]
        assert len(swaps) == story.count("Then ")
        for one, other in swaps:
            holder = {thing: {one: other, other: one}.get(person, person)
                      for thing, person in holder.items()}
        asked = re.search(r"does (\w+) [\w ]*at the end\?", story)[1]
        (thing,) = [thing for thing, person in holder.items() if person == asked]
        assert chosen(instance, thing) == [instance.expect], instance.question
