"""Readers of the questions about dates: each takes the words alone and solves them by another way.

Days are numbers that our own calendar counts (tests/test_tasks_dates.py), never `datetime`.
"""
import re
from random import Random

import pytest

from tasks import TASKS
from test_tasks_dates import (MONTHS, WEEKDAYS, answer_from_text, half_hour, lengths, milliseconds,
                              number, weekday)


@pytest.fixture
def questions(request):
    """(task, questions): 30 a task over the five levels, 300 with --slow."""
    seeds = range(60 if request.config.getoption("--slow") else 6)
    levels = (1, 2, 3, 4, 5)
    return lambda key: [TASKS[key].generate(seed, level) for level in levels for seed in seeds]


def test_calendar_questions_agree_with_our_own_calendar(questions):
    for instance in questions("rg/calendar_arithmetic"):
        assert answer_from_text(instance.question) == instance.expect, instance.question


def test_time_between_two_stamps_is_their_difference_in_milliseconds(questions):
    for instance in questions("rg/time_intervals"):
        found = re.search(r"from (.+?) to (.+?)(?: on the same day| \(with|\?)", instance.question)
        gap = milliseconds(found[2]) - milliseconds(found[1])
        assert TASKS["rg/time_intervals"].parse(instance.expect) == gap >= 0, instance.question


# ---- which day is today? -------------------------------------------------------------------------

def month_later(day, months):
    """A day as (year, month, day), moved by months one at a time."""
    year, month, rest = day
    for _ in range(abs(months)):
        month += 1 if months > 0 else -1
        if month in (0, 13):
            year, month = (year - 1, 12) if month == 0 else (year + 1, 1)
    return year, month, rest


def moved(day, days):
    """A day as (year, month, day), moved by days: month after month is used up."""
    year, month, rest = day
    rest += days
    while rest < 1:
        year, month, _ = month_later((year, month, 1), -1)
        rest += lengths(year)[month - 1]
    while rest > lengths(year)[month - 1]:
        rest -= lengths(year)[month - 1]
        year, month, _ = month_later((year, month, 1), 1)
    return year, month, rest


DAY = rf"(?P<month>{'|'.join(MONTHS)}) (?P<day>\d+), (?P<year>\d+)"

# What a sentence says of the day it names: how many days later than that day today is. `n` is the
# number told. Written down from the sentences' own words, not from the table of the task.
DISTANCES = {
    rf"Today is {DAY}\.": lambda n: 0,
    rf"Yesterday was {DAY}\.": lambda n: 1,
    rf"Tomorrow is {DAY}\.": lambda n: -1,
    rf"The day before yesterday was {DAY}\.": lambda n: 2,
    rf"The day after tomorrow is {DAY}\.": lambda n: -2,
    rf"(?P<n>\d+) days ago it was {DAY}\.": lambda n: n,
    rf"In (?P<n>\d+) days it will be {DAY}\.": lambda n: -n,
    rf"\w+ thinks today is {DAY}, but \w+'s calendar is (?P<n>\d+) days behind\.": lambda n: n,
    rf"\w+ thinks today is {DAY}, but \w+'s calendar is (?P<n>\d+) days ahead\.": lambda n: -n,
    rf"\w+ says that today is {DAY}\. In truth that was yesterday\.": lambda n: 1,
    rf"\w+ says that today is {DAY}\. In truth that is tomorrow\.": lambda n: -1,
    rf"\w+ borrowed a book on {DAY}, to be brought back (?P<n>\d+) days later, which is today\.":
        lambda n: n,
    rf"\w+ began a diary on {DAY} and fills one page every day, today page (?P<n>\d+)\.":
        lambda n: n - 1,  # page 1 was written on the day named
    rf"A parcel was sent on {DAY} and arrived (?P<n>\d+) days later, today\.": lambda n: n,
    rf"The concert planned for {DAY} was put off by (?P<n>\d+) days and is today\.": lambda n: n,
    rf"The concert planned for {DAY} was brought forward by (?P<n>\d+) days and is today\.":
        lambda n: -n,
    rf"\w+ left on {DAY} and has been away for exactly (?P<n>\d+) days\.": lambda n: n,
    rf"\w+ will leave on {DAY}, (?P<n>\d+) days from now\.": lambda n: -n,
    rf"\w+ counts the days to {DAY}: there are (?P<n>\d+) from today\.": lambda n: -n,
    rf"Three days before yesterday it was {DAY}\.": lambda n: 3 + 1,
    rf"Three days after tomorrow it will be {DAY}\.": lambda n: -(3 + 1)}
ASKED = {  # words -> days, months
    "today": (0, 0), "yesterday": (-1, 0), "tomorrow": (1, 0), "one week ago": (-7, 0),
    "one week from today": (7, 0), "10 days ago": (-10, 0), "24 hours later": (1, 0),
    "two weeks from today": (14, 0), "one month ago": (0, -1), "one month from today": (0, 1),
    "one year ago": (0, -12), "one year from today": (0, 12)}


def named(found):
    return int(found["year"]), MONTHS.index(found["month"]) + 1, int(found["day"])


def today_of(riddle):
    """Today as (year, month, day), from the riddle's sentence, and the kind of the riddle."""
    for pattern, distance in DISTANCES.items():
        if found := re.fullmatch(pattern, riddle):
            return moved(named(found), distance(int(found.groupdict().get("n") or 0))), pattern
    if found := re.fullmatch(r"Today is the (\w+) (\w+) of (\w+) (\d+)\.", riddle):
        if found[2] == "day":
            month, year = MONTHS.index(found[3]) + 1, int(found[4])
            return (year, month, lengths(year)[month - 1]), "last of month"
        month, year = MONTHS.index(found[3]) + 1, int(found[4])
        fitting = [day for day in range(1, lengths(year)[month - 1] + 1)
                   if weekday(number(year, month, day)) == found[2]]
        nth = ["first", "second", "third", "fourth", "fifth"].index(found[1])
        return (year, month, fitting[nth]), "nth weekday"
    if found := re.fullmatch(r"It is the year (\d+), and today's date as MMDDYYYY reads the same "
                             r"backward\.", riddle):
        year = int(found[1])
        days = [(year, month, day) for month in range(1, 13)
                for day in range(1, lengths(year)[month - 1] + 1)]
        (today,) = [(year, month, day) for year, month, day in days
                    if f"{month:02}{day:02}" == str(year)[::-1]]
        return today, "palindrome"
    years_ago = rf"\w+ (?:was born|got married) on {DAY}, exactly (?P<n>\d+) years ago\."
    years_since = rf"Today it is exactly (?P<n>\d+) years since \w+ came to town, on {DAY}\."
    if found := re.fullmatch(years_ago, riddle) or re.fullmatch(years_since, riddle):
        year, month, day = named(found)
        return (year + int(found["n"]), month, day), "anniversary"
    month_apart = rf"(?P<when>One month ago it was|In one month it will be) {DAY}\."
    if found := re.fullmatch(month_apart, riddle):
        return month_later(named(found), 1 if "ago" in found["when"] else -1), "month apart"
    if found := re.fullmatch(r"Today is (\d\d)/(\d\d)/(\d{4}), written with the day first\.",
                             riddle):
        return (int(found[3]), int(found[2]), int(found[1])), "day first"
    if found := re.fullmatch(r"The year (\d+) begins (\d+) hours after the start of today\.",
                             riddle):
        assert int(found[2]) % 24 == 0
        return moved((int(found[1]), 1, 1), -int(found[2]) // 24), "new year"
    if found := re.fullmatch(r"Today is day number (\d+) of the year (\d+)\.", riddle):
        return moved((int(found[2]), 1, 1), int(found[1]) - 1), "day of year"
    found = re.fullmatch(rf"This week began on Monday, {DAY}, and today is (?P<today>\w+)\.",
                         riddle)
    monday = named(found)
    assert weekday(number(*monday)) == "Monday"
    passed = (WEEKDAYS.index(found["today"]) - WEEKDAYS.index("Monday")) % 7
    return moved(monday, passed), "same week"


def test_the_date_of_a_riddle_is_worked_out_from_its_words(questions, request):
    kinds = set()
    for instance in questions("bbh/date_understanding"):
        text, *choices, _ = instance.question.split("\n")
        riddle, words = re.fullmatch(r"(.*) What is the date (.*) in MM/DD/YYYY\?", text).groups()
        today, kind = today_of(riddle)
        days, months = ASKED[words]
        year, month, day = month_later(moved(today, days), months)
        fitting = [choice[1] for choice in choices if choice[4:] == f"{month:02}/{day:02}/{year}"]
        assert fitting == [instance.expect], instance.question
        kinds.add(kind)
    if request.config.getoption("--slow"):
        assert len(kinds) == len(DISTANCES) + 9, "a kind of riddle was never drawn"


def test_the_date_most_like_the_others_is_right_no_more_often_than_any(request):
    """Were all wrong dates slips from the right one, it would share most parts with the others."""
    count = 600 if request.config.getoption("--slow") else 150
    right = 0
    for seed in range(count):
        question, facts, letter = TASKS["bbh/date_understanding"].make(Random(f"like {seed}"), 3)
        dates = {line[1]: line[4:].split("/") for line in facts["options"].splitlines()}
        shared = {tag: sum(part == other for choice in dates.values()
                           for part, other in zip(parts, choice))
                  for tag, parts in dates.items()}
        most = [tag for tag in dates if shared[tag] == max(shared.values())]
        right += (letter in most) / len(most)
    assert right / count < 0.2 + (0.07 if count == 600 else 0.12)  # 5 options; 3 standard errors


# ---- when was there time? ------------------------------------------------------------------------

def test_exactly_one_span_is_free_from_beginning_to_end(questions):
    for instance in questions("bbh/temporal_sequences"):
        story, *choices, _ = instance.question.split("\n")
        wake = half_hour(re.search(r"woke up at (\S+)\.", story)[1])
        close = half_hour(re.search(r"closed at (\S+)\.", story)[1])
        busy = set()
        for start, end in re.findall(r"elsewhere, [\w ]+, from (\S+) to (\S+)\.", story):
            busy |= set(range(half_hour(start), half_hour(end)))
        fitting = []
        for choice in choices:
            start, end = map(half_hour, choice[4:].split(" to "))
            if wake <= start < end <= close and not busy & set(range(start, end)):
                fitting.append(choice[1])
        assert fitting == [instance.expect], instance.question


def test_a_span_that_no_sentence_tells_need_not_be_the_free_one(questions):
    for instance in questions("bbh/temporal_sequences"):
        story, *choices, _ = instance.question.split("\n")
        untold = [choice for choice in choices if f"from {choice[4:]}." not in story]
        assert len(untold) == len(choices) - 1


def test_no_time_of_a_day_is_told_more_often_than_another(questions):
    for instance in questions("bbh/temporal_sequences"):
        story, *choices, _ = instance.question.split("\n")
        times = re.findall(r"\b\d+(?::30)?[ap]m\b", story)
        assert len(set(times)) == len(times)
        assert all(time in times for choice in choices for time in choice[4:].split(" to "))
