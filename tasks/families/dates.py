"""Dates and times: weekdays, spans, riddles about today's date, gaps in a day."""
import inspect
import re
from datetime import date, datetime, timedelta, timezone
from random import Random
from typing import Callable

from tasks.base import Choice, Instance, Task, at, integer, norm, options
from tasks.families.words import NAMES, PLACES

WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def told(day: date) -> str:
    return f"{day:%B} {day.day}, {day.year}"


def code(day: date) -> str:
    return f"date({day.year}, {day.month}, {day.day})"


def month_moved(day: date, months: int) -> date:
    """The same day of another month, which must have it."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1)


def draw_day(rng: Random, first: int, last: int) -> date:
    """A day in the years from `first` to `last`."""
    return date(first, 1, 1) + timedelta(rng.randrange((date(last + 1, 1, 1) - date(first, 1, 1)).days))


# ---- calendar arithmetic: one function for each kind of question ----------------------------------------------------

def weekday_later(start, days):
    from datetime import date, timedelta
    return (date(*start) + timedelta(days)).strftime("%A")


def weekday_of(day):
    from datetime import date
    return date(*day).strftime("%A")


def leap_year(year):
    from calendar import isleap
    return "Yes" if isleap(year) else "No"


def weekday_from_new_year(first, leap, month, day):
    from calendar import day_name
    from datetime import date
    year = 2024 if leap else 2023
    passed = (date(year, month, day) - date(year, 1, 1)).days
    return day_name[(list(day_name).index(first) + passed) % 7]


def day_of_month(year, month, weekday, nth):
    from calendar import monthrange
    from datetime import date
    days = [day for day in range(1, monthrange(year, month)[1] + 1) if date(year, month, day).strftime("%A") == weekday]
    return days[nth - 1 if nth > 0 else nth]


def count_weekday(start, end, weekday):
    from datetime import date
    days = range(date(*start).toordinal(), date(*end).toordinal() + 1)
    return sum(date.fromordinal(day).strftime("%A") == weekday for day in days)


def count_working_days(start, end):
    from datetime import date
    days = range(date(*start).toordinal(), date(*end).toordinal() + 1)
    return sum(date.fromordinal(day).weekday() < 5 for day in days)


class CalendarArithmetic(Task):
    kinds = (weekday_later, weekday_of, leap_year, weekday_from_new_year, day_of_month, count_weekday,
             count_working_days)  # the first three at level 1

    def make(self, rng: Random, level: int) -> tuple:
        solve = rng.choice(at(rng, level, self.kinds[:3], self.kinds, self.kinds))
        years = at(rng, level, (2000, 2030), (1900, 2100), (1600, 2400))
        span = rng.randint(1, at(rng, level, 30, 100, 5000))
        day, weekday = draw_day(rng, *years), rng.choice(WEEKDAYS)
        start, end = list(day.timetuple()[:3]), list((day + timedelta(span)).timetuple()[:3])
        ending = "Answer with the weekday."
        if solve is weekday_later:
            word, sign = rng.choice((("after", 1), ("before", -1)))
            facts = dict(start=start, days=sign * span)
            question = f"Which weekday is {span} day{'s' * (span > 1)} {word} {told(day)}?"
        elif solve is weekday_of:
            facts, question = dict(day=start), f"Which weekday is {told(day)}?"
        elif solve is leap_year:
            label = rng.choice(("Yes", "No"))
            fitting = [year for year in range(years[0], years[1] + 1) if leap_year(year) == label]
            full = [year for year in fitting if year % 100 == 0]
            year = rng.choice(full if full and rng.random() < 0.3 else fitting)
            facts, question, ending = dict(year=year), f"Is {year} a leap year?", "Answer Yes or No."
        elif solve is weekday_from_new_year:
            leap = leap_year(day.year) == "Yes"
            facts = dict(first=weekday, leap=leap, month=day.month, day=day.day)
            question = f"In a {'leap year' if leap else 'year that is no leap year'}, January 1 is a {weekday}. " \
                       f"Which weekday is {day:%B} {day.day}?"
        elif solve is day_of_month:
            nth = rng.choice((1, 2, 3, 4, -1))
            facts = dict(year=day.year, month=day.month, weekday=weekday, nth=nth)
            word = {1: "first", 2: "second", 3: "third", 4: "fourth", -1: "last"}[nth]
            question = f"On which day of the month is the {word} {weekday} of {day:%B} {day.year}?"
            ending = "Answer with the number of the day."
        else:
            what, facts = "days from Monday to Friday", dict(start=start, end=end)
            if solve is count_weekday:
                what, facts = f"{weekday}s", dict(facts, weekday=weekday)
            question = f"How many {what} are there from {told(day)} to {told(day + timedelta(span))}, both included?"
            ending = "Answer with one integer."
        calendar = " Use the Gregorian calendar." if years[0] < 1900 else ""
        return f"{question}{calendar} {ending}", dict(kind=solve.__name__, **facts), solve(**facts)

    @staticmethod
    def parse(text: str) -> str:
        return norm(text) if norm(text).isalpha() else str(integer(text))

    def program(self, instance: Instance) -> str:
        facts = ", ".join(f"{name}={fact!r}" for name, fact in instance.facts.items() if name != "kind")
        function = next(kind for kind in self.kinds if kind.__name__ == instance.facts["kind"])
        return f"{inspect.getsource(function)}\nprint({function.__name__}({facts}))\n"


class TimeIntervals(Task):
    def make(self, rng: Random, level: int) -> tuple:
        forms = ["HH:MM", "HH:MM:SS", "HH:MM:SS.mmm", "D days", "D days, HH:MM"]
        form = rng.choice(at(rng, level, forms[:2], forms, forms[-1:]))
        start = datetime(1980, 1, 1) + timedelta(minutes=rng.randrange(60 * 365 * 1440))  # within 60 years
        longest = at(rng, level, 1, 100, 5000)
        if "D" not in form:  # two clock times of one day
            times = sorted(timedelta(milliseconds=rng.randrange(86_400_000)) for _ in "ab")
            spec = {"HH:MM": "minutes", "HH:MM:SS": "seconds", "HH:MM:SS.mmm": "milliseconds"}[form]
            start, end = ((datetime.min + time).time().isoformat(spec) for time in times)
            when = " on the same day"
        elif form == "D days":
            start, end = (f"{day:%Y-%m-%d}" for day in (start, start + timedelta(rng.randint(1, longest))))
            when = ""
        else:
            stamps = [start, start + timedelta(minutes=rng.randrange(1, 1440 * longest))]
            when = rng.choice(("", " (with offsets from UTC)"))
            if when:
                zones = [timezone(timedelta(minutes=30 * rng.randint(-20, 24))) for _ in "ab"]
                stamps = [stamp.replace(tzinfo=timezone.utc).astimezone(zone) for stamp, zone in zip(stamps, zones)]
            start, end = (stamp.isoformat(" ", "minutes") for stamp in stamps)
        return (f"How much time passes from {start} to {end}{when}? Answer as {form}.",
                dict(start=start, end=end, form=form))

    @staticmethod
    def solve(start, end, form):
        from datetime import datetime
        day = "" if "D" in form else "2000-01-01 "
        gap = datetime.fromisoformat(day + end) - datetime.fromisoformat(day + start)
        parts = {"D": gap.days, "HH": gap.seconds // 3600, "MM": gap.seconds // 60 % 60, "SS": gap.seconds % 60}
        for mark, part in parts.items():
            form = form.replace(mark, str(part).zfill(len(mark)))
        return form.replace("mmm", f"{gap.microseconds // 1000:03}")

    @staticmethod
    def parse(text: str) -> int:
        """Milliseconds."""
        clock = r"(\d{1,6}):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,3}))?)?"
        match = re.fullmatch(rf"(?=\d)(?:(\d{{1,6}})(?: ?days?)?(?:$|,? ))?(?:{clock})?", norm(text), re.ASCII)
        days, hours, minutes, seconds, rest = (part or "0" for part in match.groups())
        total = ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds)
        return total * 1000 + int(rest.ljust(3, "0"))

    def program(self, instance: Instance) -> str:
        facts = instance.facts
        if facts["form"] not in ("HH:MM", "HH:MM:SS"):
            return super().program(instance)
        start, end = (f'datetime.fromisoformat("2000-01-01 {facts[name]}")' for name in ("start", "end"))
        form = {"HH:MM": "%H:%M", "HH:MM:SS": "%H:%M:%S"}[facts["form"]]
        return f'from datetime import datetime\ngap = {end} - {start}\nprint((datetime.min + gap).strftime("{form}"))\n'


# ---- which day is today? --------------------------------------------------------------------------------------------
# A stem draws what fixes today: the sentence, the same as Python, and today itself.

def moved(sentence: str, low: int, high: int = 0) -> Callable:
    """A stem that shows the day `low` to `high` days before today (after today, where they are negative)."""
    def stem(rng: Random, shown: date) -> tuple[str, str, date]:
        days = rng.randint(low, max(low, high))
        slots = dict(day=told(shown), n=abs(days), m=days + 1, X=rng.choice(NAMES)[0])
        return sentence.format(**slots), code(shown) + f" {'+-'[days < 0]} timedelta({abs(days)})" * (days != 0), \
            shown + timedelta(days)
    return stem


def nth_weekday(rng: Random, day: date) -> tuple[str, str, date]:
    nth, first = (day.day - 1) // 7, code(day.replace(day=1))
    return (f"Today is the {['first', 'second', 'third', 'fourth', 'fifth'][nth]} {day:%A} of {day:%B} {day.year}.",
            f"{first} + timedelta({7 * nth} + ({day.weekday()} - {first}.weekday()) % 7)", day)


def month_end(rng: Random, day: date) -> tuple[str, str, date]:
    following = (day.replace(day=28) + timedelta(4)).replace(day=1)
    return (f"Today is the last day of {day:%B} {day.year}.", f"{code(following)} - timedelta(1)",
            following - timedelta(1))


def palindrome(rng: Random, day: date) -> tuple[str, str, date]:
    today = date(int(f"20{f'{day.month:02}'[::-1]}"), day.month, 2)
    return (f"It is the year {today.year}, and today's date as MMDDYYYY reads the same backward.", code(today), today)


def anniversary(rng: Random, day: date) -> tuple[str, str, date]:
    day, years = day.replace(day=min(day.day, 28)), rng.randint(2, 60)
    sentence = rng.choice(("{X} was born on {day}, exactly {n} years ago.",
                           "{X} got married on {day}, exactly {n} years ago.",
                           "Today it is exactly {n} years since {X} came to town, on {day}."))
    return (sentence.format(X=rng.choice(NAMES)[0], day=told(day), n=years),
            f"date({day.year} + {years}, {day.month}, {day.day})", month_moved(day, 12 * years))


def month_apart(rng: Random, day: date) -> tuple[str, str, date]:
    text, months = rng.choice((("One month ago it was", 1), ("In one month it will be", -1)))
    day = day.replace(day=min(day.day, 28))
    today = month_moved(day, months)
    return f"{text} {told(day)}.", code(today), today


def day_first(rng: Random, day: date) -> tuple[str, str, date]:
    return f"Today is {day:%d/%m/%Y}, written with the day first.", code(day), day


def new_year(rng: Random, day: date) -> tuple[str, str, date]:
    days = rng.randint(1, 40)
    return (f"The year {day.year} begins {24 * days} hours after the start of today.",
            f"date({day.year}, 1, 1) - timedelta({days})", date(day.year, 1, 1) - timedelta(days))


def day_of_year(rng: Random, day: date) -> tuple[str, str, date]:
    n = day.timetuple().tm_yday
    return f"Today is day number {n} of the year {day.year}.", f"date({day.year}, 1, 1) + timedelta({n} - 1)", day


def same_week(rng: Random, day: date) -> tuple[str, str, date]:
    monday = day - timedelta(day.weekday())
    return (f"This week began on Monday, {told(monday)}, and today is {day:%A}.",
            f"{code(monday)} + timedelta({day.weekday()})", day)


STEMS = (
    moved("Today is {day}.", 0), moved("Yesterday was {day}.", 1), moved("Tomorrow is {day}.", -1),
    moved("The day before yesterday was {day}.", 2), moved("The day after tomorrow is {day}.", -2),
    moved("{n} days ago it was {day}.", 3, 60), moved("In {n} days it will be {day}.", -60, -3),
    moved("{X} thinks today is {day}, but {X}'s calendar is {n} days behind.", 2, 9),
    moved("{X} thinks today is {day}, but {X}'s calendar is {n} days ahead.", -9, -2),
    moved("{X} says that today is {day}. In truth that was yesterday.", 1),
    moved("{X} says that today is {day}. In truth that is tomorrow.", -1),
    moved("{X} borrowed a book on {day}, to be brought back {n} days later, which is today.", 7, 40),
    moved("{X} began a diary on {day} and fills one page every day, today page {m}.", 4, 300),
    moved("A parcel was sent on {day} and arrived {n} days later, today.", 2, 20),
    moved("The concert planned for {day} was put off by {n} days and is today.", 2, 30),
    moved("The concert planned for {day} was brought forward by {n} days and is today.", -30, -2),
    moved("{X} left on {day} and has been away for exactly {n} days.", 3, 90),
    moved("{X} will leave on {day}, {n} days from now.", -90, -3),
    moved("{X} counts the days to {day}: there are {n} from today.", -200, -3),
    moved("Three days before yesterday it was {day}.", 4), moved("Three days after tomorrow it will be {day}.", -4),
    nth_weekday, month_end, palindrome, anniversary, month_apart, day_first, new_year, day_of_year, same_week,
)  # the first seven at level 1
OFFSETS = (  # words, days, months
    ("today", 0, 0), ("yesterday", -1, 0), ("tomorrow", 1, 0), ("one week ago", -7, 0), ("one week from today", 7, 0),
    ("10 days ago", -10, 0), ("24 hours later", 1, 0), ("two weeks from today", 14, 0), ("one month ago", 0, -1),
    ("one month from today", 0, 1), ("one year ago", 0, -12), ("one year from today", 0, 12),
)  # the first five at level 1


class DateUnderstanding(Choice):
    suite = "bbh"

    def make(self, rng: Random, level: int) -> tuple:
        while True:
            sentence, expression, today = rng.choice(STEMS[:7] if level == 1 else STEMS)(rng, draw_day(rng, 1900, 2099))
            words, days, months = rng.choice(OFFSETS[:5] if level == 1 else OFFSETS)
            if today.day <= 28 or not months:
                break
        right = month_moved(today, months) + timedelta(days)
        near = {today, month_moved(today, -months) - timedelta(days)}
        near |= {right + timedelta(shift) for shift in (-30, -7, -1, 1, 7, 30)}
        if right.day <= 28:
            near |= {month_moved(right, shift) for shift in (-12, -1, 1, 12)}
        if right.day <= 12:
            near.add(right.replace(month=right.day, day=right.month))
        wrong = rng.sample(sorted(near - {right}), at(rng, level, 2, 4, 5))
        block, letter = options(rng, f"{right:%m/%d/%Y}", [f"{day:%m/%d/%Y}" for day in wrong])
        return (f"{sentence} What is the date {words} in MM/DD/YYYY?\n{block}\nAnswer with the letter.",
                dict(today=expression, days=days, months=months, options=block), letter)

    def program(self, instance: Instance) -> str:
        facts = instance.facts
        lines = ["from datetime import date, timedelta", f"day = {facts['today']}"]
        if facts["days"]:
            lines.append(f"day += timedelta({facts['days']})")
        if facts["months"]:
            lines += [f"year, month = divmod(day.year * 12 + day.month - 1 + {facts['months']}, 12)",
                      "day = day.replace(year=year, month=month + 1)"]
        dates = [line[4:] for line in facts["options"].splitlines()]
        return "\n".join(lines) + f'\nprint("ABCDEF"[{dates}.index(f"{{day:%m/%d/%Y}}")])\n'


def clock(half_hours: int) -> str:
    hour, half = divmod(half_hours, 2)
    return f"{(hour - 1) % 12 + 1}{':30' * half}{'am' if hour < 12 else 'pm'}"


DOING = """buying a lamp, baking bread, cutting a hedge, feeding ducks, fixing a bike, flying a kite, having lunch,
mending a net, painting a fence, picking apples, playing chess, playing the violin, reading a letter, riding a horse,
rowing a boat, sketching a tree, talking to a neighbour, walking a dog, washing a car, watching a play, writing a
report""".replace("\n", " ").split(", ")


class TemporalSequences(Choice):
    suite, split = "bbh", "test"

    def make(self, rng: Random, level: int) -> tuple:
        count = rng.randint(*at(rng, level, (4, 4), (5, 7), (7, 9)))  # parts of the day, one of them free
        step = at(rng, level, 2, 2, 1)  # whole or half hours
        cuts = sorted(rng.sample(range(10 // step, 46 // step + 1), count + 1))
        times = [clock(cut * step) for cut in cuts]
        seen = [[a, b] for a, b in zip(times, times[1:])]
        free = " to ".join(seen.pop(rng.randrange(count)))
        if level >= 3:
            rng.shuffle(seen)
        who, *others = [name for name, _ in rng.sample(NAMES, 5)]
        place = rng.choice(PLACES)
        story = " ".join(f"{rng.choice(others)} saw {who} elsewhere, {doing}, from {a} to {b}."
                         for (a, b), doing in zip(seen, rng.sample(DOING, count)))
        block, letter = options(rng, free, [f"{a} to {b}" for a, b in rng.sample(seen, min(count, 5) - 1)])
        return (f"{who} went to the {place} today. {who} woke up at {times[0]}. {story} The {place} closed at "
                f"{times[-1]}. Between what times could {who} have been there?\n{block}\nAnswer with the letter.",
                dict(wake=times[0], close=times[-1], seen=seen, options=block))

    @staticmethod
    def solve(wake, close, seen, options):
        def minutes(time):
            hour, _, minute = time[:-2].partition(":")
            return (int(hour) % 12 + 12 * (time[-2:] == "pm")) * 60 + int(minute or 0)

        now = wake
        for start, end in sorted(seen, key=lambda span: minutes(span[0])):
            if start != now:
                close = start
                break
            now = end
        return next(line[1] for line in options.splitlines() if line[4:] == f"{now} to {close}")
