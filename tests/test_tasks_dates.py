"""Dates are checked by a calendar of our own: month lengths, the leap rule, and one known Saturday."""
import contextlib
import io
import re
from random import Random

from tasks import TASKS
from tasks.families.dates import NAMED_DAYS, OFFSETS, OTHER_RIDDLES, draw_day, named_day

CALENDAR, INTERVALS = TASKS["rg/calendar_arithmetic"], TASKS["rg/time_intervals"]
UNDERSTANDING = TASKS["bbh/date_understanding"]
WEEKDAYS = ["Saturday", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]


def leap(year):
    return year % 400 == 0 or year % 4 == 0 and year % 100 != 0


def lengths(year):
    return [31, 29 if leap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


def number(year, month, day):
    """Days since January 1, 2000, a Saturday."""
    past = year - 1
    leaps = past // 4 - past // 100 + past // 400 - (1999 // 4 - 1999 // 100 + 1999 // 400)
    return (year - 2000) * 365 + leaps + sum(lengths(year)[:month - 1]) + day - 1


def weekday(n):
    return WEEKDAYS[n % 7]


def dates_in(text):
    return [number(int(year), MONTHS.index(month) + 1, int(day))
            for month, day, year in re.findall(rf"({'|'.join(MONTHS)}) (\d+), (\d+)", text)]


def answer_from_text(question):
    """The answer of a calendar question, from its words alone."""
    days = dates_in(question)
    names = re.findall("|".join(WEEKDAYS), question)
    if later := re.match(r"Which weekday is (\d+) days? (after|before) ", question):
        return weekday(days[0] + int(later[1]) * {"after": 1, "before": -1}[later[2]])
    if question.startswith("How many"):
        wanted = WEEKDAYS[2:] if "Monday to Friday" in question else [names[0]]
        return str(sum(weekday(n) in wanted for n in range(days[0], days[1] + 1)))
    if question.startswith("Which weekday"):
        return weekday(days[0])
    if question.startswith("Is "):
        return "Yes" if leap(int(question.split()[1])) else "No"
    if question.startswith("In a "):
        month, day = re.search(r"Which weekday is (\w+) (\d+)\?", question).groups()
        year = 2000 if "In a leap year" in question else 2001
        passed = number(year, MONTHS.index(month) + 1, int(day)) - number(year, 1, 1)
        return WEEKDAYS[(WEEKDAYS.index(names[0]) + passed) % 7]
    nth, name, month, year = re.search(r"the (\w+) (\w+) of (\w+) (\d+)\?", question).groups()
    month = MONTHS.index(month) + 1
    fitting = [day for day in range(1, lengths(int(year))[month - 1] + 1)
               if weekday(number(int(year), month, day)) == name]
    return str(fitting[["first", "second", "third", "fourth", "last"].index(nth) if nth != "last" else -1])


def test_calendar_answers_agree_with_our_own_calendar():
    kinds = set()
    for level, seed in [(level, seed) for level in (1, 3, 5) for seed in range(120)]:
        instance = CALENDAR.generate(seed, level)
        assert answer_from_text(instance.question) == instance.expect, instance.question
        kinds.add(instance.facts["kind"])
    assert kinds == {kind.__name__ for kind in CALENDAR.kinds}


def test_leap_years_are_as_often_yes_as_no_and_full_centuries_occur():
    rng, years = Random(3), {"Yes": [], "No": []}
    for _ in range(800):
        _, facts, answer = CALENDAR.make(rng, 5)
        if facts["kind"] == "leap_year":
            years[answer].append(facts["year"])
    assert 0.4 < len(years["Yes"]) / (len(years["Yes"]) + len(years["No"])) < 0.6
    assert any(year % 100 == 0 for year in years["Yes"]) and any(year % 100 == 0 for year in years["No"])


def milliseconds(text):
    """A stamp as milliseconds since 2000, offset taken away."""
    day = re.match(r"(\d+)-(\d+)-(\d+)", text)
    time = re.search(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{3}))?)?", text[10 if day else 0:])
    total = number(*map(int, day.groups())) * 86_400_000 if day else 0
    for part, unit in zip(time.groups() if time else (), (3_600_000, 60_000, 1000, 1)):
        total += int(part or 0) * unit
    if zone := re.search(r"([+-])(\d\d):(\d\d)$", text[11:]):
        total -= (int(zone[2]) * 60 + int(zone[3])) * 60_000 * {"+": 1, "-": -1}[zone[1]]
    return total


def test_time_intervals_agree_with_plain_arithmetic():
    forms, zones = set(), 0
    for level, seed in [(level, seed) for level in (1, 3, 5) for seed in range(100)]:
        instance = INTERVALS.generate(seed, level)
        start, end = re.search(r"from (.+?) to (.+?)(?: on the same day| \(with|\?)", instance.question).groups()
        assert INTERVALS.parse(instance.expect) == milliseconds(end) - milliseconds(start) >= 0, instance
        assert re.fullmatch(re.sub(r"HH|MM|SS", r"\\d\\d", instance.facts["form"]).replace("mmm", r"\d{3}")
                            .replace("D", r"\d+"), instance.expect), instance
        forms.add(instance.facts["form"])
        zones += "UTC" in instance.question
    assert len(forms) == 5 and zones > 20


def test_time_intervals_read_the_usual_forms():
    for text, minutes in (("05:27", 327), ("5:27:00", 327), ("10:25", 625), ("1 day, 00:01", 1441), ("3 days", 4320),
                          ("2 days 01:00", 2940), ("1140 days,02:41", 1140 * 1440 + 161),
                          ("1,140 days, 02:41", 1140 * 1440 + 161), ("88", 88 * 1440), ("00:00:01.5", 0.025)):
        assert INTERVALS.parse(text) == minutes * 60_000
    instance = next(i for i in (INTERVALS.generate(seed) for seed in range(99)) if "mmm" in i.facts["form"])
    head, tail = instance.expect[:-1], instance.expect[-1]
    for wrong in (head + str((int(tail) + 1) % 10), "", "12", "-" + instance.expect, instance.expect + " days",
                  "1 day, " + instance.expect, "00:61:00"):
        assert not INTERVALS.verify(instance, wrong), wrong


def printed(task, instance):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(task.program(instance), {})
    return out.getvalue().strip()


def test_date_riddles_have_one_right_option_and_their_program_finds_it():
    for level, seed in [(level, seed) for level in (1, 2, 3, 4, 5) for seed in range(80)]:
        instance = UNDERSTANDING.generate(seed, level)
        assert printed(UNDERSTANDING, instance) == instance.expect, instance.question
        lines = instance.facts["options"].splitlines()
        assert len({line[4:] for line in lines}) == len(lines) >= {1: 3, 2: 3, 3: 5, 4: 5, 5: 6}[level]
        assert UNDERSTANDING.verify(instance, lines["ABCDEF".index(instance.expect)][4:])
        assert sum(UNDERSTANDING.verify(instance, line[1]) for line in lines) == 1


def test_every_riddle_and_its_python_tell_the_same_day():
    rng = Random(5)
    riddles = [(riddle, ()) for riddle in OTHER_RIDDLES] + [(named_day, ([row],)) for row in NAMED_DAYS]
    for riddle, arguments in riddles:
        for _ in range(30):
            sentence, expression, today = riddle(rng, draw_day(rng, 1900, 2099), *arguments)
            space = {}
            exec(f"from datetime import date, timedelta\ntoday = {expression}", space)
            assert space["today"] == today, sentence


def test_offsets_keep_the_day_of_the_month():
    assert len({words for words, _, _ in OFFSETS}) == len(OFFSETS)
    seen = 0
    for seed in range(400):
        instance = UNDERSTANDING.generate(seed, 5)
        if instance.facts["months"]:
            months = [line[4:] for line in instance.facts["options"].splitlines() if line[1] == instance.expect]
            assert int(months[0][3:5]) <= 28
            seen += 1
    assert seen > 50


def half_hour(time):
    hour, minute, half = re.fullmatch(r"(\d+)(:30)?(am|pm)", time).groups()
    return int(hour) % 12 * 2 + (minute is not None) + (24 if half == "pm" else 0)
