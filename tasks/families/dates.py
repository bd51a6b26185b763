"""Dates and times: weekdays, spans, riddles about today's date, gaps in a day."""
import inspect
import re
from datetime import date, datetime, timedelta, timezone
from random import Random

from tasks.base import (COUNTS, Choice, Instance, Task, arguments, at, between, integer, norm,
                        options)
from tasks.families.words import FIRST_NAMES, PLACES

WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def told(day: date) -> str:
    """A day as a story tells it: March 3, 2020."""
    return f"{day:%B} {day.day}, {day.year}"


def code(day: date) -> str:
    """A day as a program writes it: date(2020, 3, 3)."""
    return f"date({day.year}, {day.month}, {day.day})"


def month_moved(day: date, months: int) -> date:
    """The same day of another month, which must have it."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1)


def draw_day(rng: Random, first: int, last: int) -> date:
    """A day in the years from `first` to `last`."""
    start, end = date(first, 1, 1), date(last + 1, 1, 1)
    return start + timedelta(rng.randrange((end - start).days))


# ---- calendar arithmetic: one function for each kind of question ---------------------------------

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
    days = range(1, monthrange(year, month)[1] + 1)
    fitting = [day for day in days if date(year, month, day).strftime("%A") == weekday]
    return fitting[nth - 1 if nth > 0 else nth]


def count_weekday(start, end, weekday):
    from datetime import date
    days = range(date(*start).toordinal(), date(*end).toordinal() + 1)
    return sum(date.fromordinal(day).strftime("%A") == weekday for day in days)


def count_working_days(start, end):
    from datetime import date
    days = range(date(*start).toordinal(), date(*end).toordinal() + 1)
    return sum(date.fromordinal(day).weekday() < 5 for day in days)


class CalendarArithmetic(Task):
    kinds = (weekday_later, weekday_of, leap_year,  # at level 1 these alone
             weekday_from_new_year, day_of_month, count_weekday, count_working_days)

    def make(self, rng: Random, level: int) -> tuple:
        kind = rng.choice(at(rng, level, self.kinds[:3], self.kinds, self.kinds))
        years = at(rng, level, (2000, 2030), (1900, 2100), (1600, 2400))
        # What every kind may name: two days with a span of days between them, and a weekday.
        span = between(rng, level, (1, 30), (1, 100), (1, 5000))
        start = draw_day(rng, *years)
        end = start + timedelta(span)
        weekday = rng.choice(WEEKDAYS)
        if kind is weekday_later:
            word, sign = rng.choice((("after", 1), ("before", -1)))
            facts = dict(start=triple(start), days=sign * span)
            days = "1 day" if span == 1 else f"{span} days"
            question = f"Which weekday is {days} {word} {told(start)}? Answer with the weekday."
        elif kind is weekday_of:
            facts = dict(day=triple(start))
            question = f"Which weekday is {told(start)}? Answer with the weekday."
        elif kind is leap_year:
            facts = dict(year=self._leap_or_not(rng, years))
            question = f"Is {facts['year']} a leap year? Answer Yes or No."
        elif kind is weekday_from_new_year:
            leap = leap_year(start.year) == "Yes"
            facts = dict(first=weekday, leap=leap, month=start.month, day=start.day)
            year = "leap year" if leap else "year that is no leap year"
            question = (f"In a {year}, January 1 is a {weekday}. "
                        f"Which weekday is {start:%B} {start.day}? Answer with the weekday.")
        elif kind is day_of_month:
            nth, word = rng.choice(((1, "first"), (2, "second"), (3, "third"), (4, "fourth"),
                                    (-1, "last")))
            facts = dict(year=start.year, month=start.month, weekday=weekday, nth=nth)
            question = (f"On which day of the month is the {word} {weekday} of {start:%B} "
                        f"{start.year}? Answer with the number of the day.")
        else:
            facts = dict(start=triple(start), end=triple(end))
            what = "days from Monday to Friday"
            if kind is count_weekday:
                facts["weekday"] = weekday
                what = f"{weekday}s"
            question = (f"How many {what} are there from {told(start)} to {told(end)}, "
                        "both included? Answer with one integer.")
        if years[0] < 1900:
            question = question.replace("?", "? Use the Gregorian calendar.")
        return question, dict(kind=kind.__name__, **facts), kind(**facts)

    @staticmethod
    def _leap_or_not(rng: Random, years: tuple[int, int]) -> int:
        """A leap year as often as another one, and full centuries, where the rule is special."""
        label = rng.choice(("Yes", "No"))
        fitting = [year for year in range(years[0], years[1] + 1) if leap_year(year) == label]
        full = [year for year in fitting if year % 100 == 0]
        return rng.choice(full if full and rng.random() < 0.3 else fitting)

    @staticmethod
    def parse(text: str) -> str:
        """A weekday, Yes or No as they are, or an integer."""
        word = norm(text)
        return word if word.isalpha() and word not in COUNTS else str(integer(text))

    def program(self, instance: Instance) -> str:
        facts = dict(instance.facts)
        kind = facts.pop("kind")
        return f"{inspect.getsource(globals()[kind])}\nprint({kind}({arguments(facts)}))\n"


def triple(day: date) -> list[int]:
    return [day.year, day.month, day.day]


CLOCKS = {"HH:MM": "minutes", "HH:MM:SS": "seconds", "HH:MM:SS.mmm": "milliseconds"}
TIME_FORMS = [*CLOCKS, "D days", "D days, HH:MM"]


class TimeIntervals(Task):
    """The time between two clock times, two dates, or two stamps, maybe with offsets from UTC."""

    def make(self, rng: Random, level: int) -> tuple:
        form = rng.choice(at(rng, level, TIME_FORMS[:2], TIME_FORMS, TIME_FORMS[-1:]))
        minutes_of_60_years = 60 * 365 * 1440
        first = datetime(1980, 1, 1) + timedelta(minutes=rng.randrange(minutes_of_60_years))
        longest = at(rng, level, 1, 100, 5000)  # days
        when = ""
        if form in CLOCKS:
            times = sorted(datetime.min + timedelta(milliseconds=rng.randrange(86_400_000))
                           for _ in range(2))
            start, end = (time.time().isoformat(CLOCKS[form]) for time in times)
            when = " on the same day"
        elif form == "D days":
            last = first + timedelta(rng.randint(1, longest))
            start, end = f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"
        else:
            stamps = [first, first + timedelta(minutes=rng.randrange(1, 1440 * longest))]
            when = rng.choice(("", " (with offsets from UTC)"))
            if when:
                for i, stamp in enumerate(stamps):
                    zone = timezone(timedelta(minutes=30 * rng.randint(-20, 24)))
                    stamps[i] = stamp.replace(tzinfo=timezone.utc).astimezone(zone)
            start, end = (stamp.isoformat(" ", "minutes") for stamp in stamps)
        return (f"How much time passes from {start} to {end}{when}? Answer as {form}.",
                dict(start=start, end=end, form=form))

    @staticmethod
    def solve(start, end, form):
        from datetime import datetime
        day = "" if "D" in form else "2000-01-01 "
        gap = datetime.fromisoformat(day + end) - datetime.fromisoformat(day + start)
        parts = {"D": gap.days, "HH": gap.seconds // 3600, "MM": gap.seconds // 60 % 60,
                 "SS": gap.seconds % 60}
        for mark, part in parts.items():
            form = form.replace(mark, str(part).zfill(len(mark)))
        return form.replace("mmm", f"{gap.microseconds // 1000:03}")

    @staticmethod
    def parse(text: str) -> int:
        """Milliseconds of "5 days", "05:27", "5:27:00.125", "1,140 days, 02:41" and the like."""
        clock = r"(\d{1,6}):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,3}))?)?"
        days = r"(\d{1,6}|\d{1,3},\d{3})(?: ?days?)?(?:$|, ?| )"
        match = re.fullmatch(rf"(?=\d)(?:{days})?(?:{clock})?", norm(text), re.ASCII)
        day, hour, minute, second, fraction = (part or "0" for part in match.groups())
        minutes = (int(day.replace(",", "")) * 24 + int(hour)) * 60 + int(minute)
        return (minutes * 60 + int(second)) * 1000 + int(fraction.ljust(3, "0"))

    def program(self, instance: Instance) -> str:
        """Where the answer is a time of the clock, `strftime` writes it."""
        facts = instance.facts
        forms = {"HH:MM": "%H:%M", "HH:MM:SS": "%H:%M:%S"}
        if facts["form"] not in forms:
            return super().program(instance)
        start, end = (f'datetime.fromisoformat("2000-01-01 {facts[name]}")'
                      for name in ("start", "end"))
        return (f"from datetime import datetime\ngap = {end} - {start}\n"
                f'print((datetime.min + gap).strftime("{forms[facts["form"]]}"))\n')


# ---- which day is today? -------------------------------------------------------------------------
#
# Most riddles name a day and say how far it is from today:
#
#     "The day after tomorrow is March 3, 2020."       the named day:                 March 3, 2020
#                                                      days from it to today:         -2
#     date(2020, 3, 3) + timedelta(-2)                 so today is                    March 1, 2020
#
# Every riddle function draws a sentence and returns it with today as a Python expression, which the
# program computes, and today as a date.

# Sentence, fewest and most days from the named day to today; negative: the named day is to come.
NAMED_DAYS = (
    ("Today is {day}.", 0, 0),
    ("Yesterday was {day}.", 1, 1),
    ("Tomorrow is {day}.", -1, -1),
    ("The day before yesterday was {day}.", 2, 2),
    ("The day after tomorrow is {day}.", -2, -2),
    ("{n} days ago it was {day}.", 3, 60),
    ("In {n} days it will be {day}.", -60, -3),
    # harder from here on
    ("{X} thinks today is {day}, but {X}'s calendar is {n} days behind.", 2, 9),
    ("{X} thinks today is {day}, but {X}'s calendar is {n} days ahead.", -9, -2),
    ("{X} says that today is {day}. In truth that was yesterday.", 1, 1),
    ("{X} says that today is {day}. In truth that is tomorrow.", -1, -1),
    ("{X} borrowed a book on {day}, to be brought back {n} days later, which is today.", 7, 40),
    ("{X} began a diary on {day} and fills one page every day, today page {page}.", 4, 300),
    ("A parcel was sent on {day} and arrived {n} days later, today.", 2, 20),
    ("The concert planned for {day} was put off by {n} days and is today.", 2, 30),
    ("The concert planned for {day} was brought forward by {n} days and is today.", -30, -2),
    ("{X} left on {day} and has been away for exactly {n} days.", 3, 90),
    ("{X} will leave on {day}, {n} days from now.", -90, -3),
    ("{X} counts the days to {day}: there are {n} from today.", -200, -3),
    ("Three days before yesterday it was {day}.", 4, 4),
    ("Three days after tomorrow it will be {day}.", -4, -4),
)
EASY_NAMED_DAYS = NAMED_DAYS[:7]


def named_day(rng: Random, day: date, sentences: tuple = NAMED_DAYS) -> tuple[str, str, date]:
    sentence, fewest, most = rng.choice(sentences)
    days = rng.randint(fewest, most)
    expression = f"{code(day)} + timedelta({days})" if days else code(day)
    words = dict(day=told(day), n=abs(days), page=days + 1, X=rng.choice(FIRST_NAMES))
    return sentence.format(**words), expression, day + timedelta(days)


def nth_weekday(rng: Random, day: date) -> tuple[str, str, date]:
    weeks = (day.day - 1) // 7
    word = ["first", "second", "third", "fourth", "fifth"][weeks]
    first = code(day.replace(day=1))
    to_weekday = f"({day.weekday()} - {first}.weekday()) % 7"  # days from the 1st to such a weekday
    return (f"Today is the {word} {day:%A} of {day:%B} {day.year}.",
            f"{first} + timedelta({7 * weeks} + {to_weekday})", day)


def last_of_month(rng: Random, day: date) -> tuple[str, str, date]:
    next_month = (day.replace(day=28) + timedelta(4)).replace(day=1)
    return (f"Today is the last day of {day:%B} {day.year}.",
            f"{code(next_month)} - timedelta(1)", next_month - timedelta(1))


def palindrome(rng: Random, day: date) -> tuple[str, str, date]:
    """12/02/2021: the year ends in the month backward, the day is 02, for the 20 backward."""
    month = f"{day.month:02}"
    today = date(int("20" + month[::-1]), day.month, 2)
    return (f"It is the year {today.year}, and today's date as MMDDYYYY reads the same backward.",
            code(today), today)


def anniversary(rng: Random, day: date) -> tuple[str, str, date]:
    day, years = day.replace(day=min(day.day, 28)), rng.randint(2, 60)
    sentence = rng.choice(("{X} was born on {day}, exactly {n} years ago.",
                           "{X} got married on {day}, exactly {n} years ago.",
                           "Today it is exactly {n} years since {X} came to town, on {day}."))
    return (sentence.format(X=rng.choice(FIRST_NAMES), day=told(day), n=years),
            f"date({day.year} + {years}, {day.month}, {day.day})", month_moved(day, 12 * years))


def month_apart(rng: Random, day: date) -> tuple[str, str, date]:
    words, months = rng.choice((("One month ago it was", 1), ("In one month it will be", -1)))
    named = day.replace(day=min(day.day, 28))
    today = month_moved(named, months)
    return f"{words} {told(named)}.", code(today), today


def day_first(rng: Random, day: date) -> tuple[str, str, date]:
    return f"Today is {day:%d/%m/%Y}, written with the day first.", code(day), day


def new_year(rng: Random, day: date) -> tuple[str, str, date]:
    days = rng.randint(1, 40)
    return (f"The year {day.year} begins {24 * days} hours after the start of today.",
            f"date({day.year}, 1, 1) - timedelta({days})", date(day.year, 1, 1) - timedelta(days))


def day_of_year(rng: Random, day: date) -> tuple[str, str, date]:
    n = day.timetuple().tm_yday
    return (f"Today is day number {n} of the year {day.year}.",
            f"date({day.year}, 1, 1) + timedelta({n} - 1)", day)


def same_week(rng: Random, day: date) -> tuple[str, str, date]:
    monday = day - timedelta(day.weekday())
    return (f"This week began on Monday, {told(monday)}, and today is {day:%A}.",
            f"{code(monday)} + timedelta({day.weekday()})", day)


OTHER_RIDDLES = (nth_weekday, last_of_month, palindrome, anniversary, month_apart, day_first,
                 new_year, day_of_year, same_week)
OFFSETS = (  # words for the day that is asked for, days and months from today
    ("today", 0, 0), ("yesterday", -1, 0), ("tomorrow", 1, 0), ("one week ago", -7, 0),
    ("one week from today", 7, 0),
    # harder from here on
    ("10 days ago", -10, 0), ("24 hours later", 1, 0), ("two weeks from today", 14, 0),
    ("one month ago", 0, -1), ("one month from today", 0, 1), ("one year ago", 0, -12),
    ("one year from today", 0, 12),
)
EASY_OFFSETS = OFFSETS[:5]


class DateUnderstanding(Choice):
    """A riddle tells which day is today; the date of a day near it is asked for."""
    suite = "bbh"

    def make(self, rng: Random, level: int) -> tuple:
        while True:
            day = draw_day(rng, 1900, 2099)
            if level == 1:
                sentence, expression, today = named_day(rng, day, EASY_NAMED_DAYS)
                words, days, months = rng.choice(EASY_OFFSETS)
            else:
                riddle = rng.choice(OTHER_RIDDLES) if rng.random() < 0.3 else named_day
                sentence, expression, today = riddle(rng, day)
                words, days, months = rng.choice(OFFSETS)
            if not months or today.day <= 28:  # a step by months keeps the day of the month
                break
        right = month_moved(today, months) + timedelta(days)
        wrong = self._wrong(rng, right, told=day, count=at(rng, level, 2, 4, 5))
        block, letter = options(rng, f"{right:%m/%d/%Y}", [f"{day:%m/%d/%Y}" for day in wrong])
        question = f"{sentence} What is the date {words} in MM/DD/YYYY?"
        facts = dict(today=expression, days=days, months=months, options=block)
        return f"{question}\n{block}\nAnswer with the letter.", facts, letter

    @classmethod
    def _wrong(cls, rng: Random, right: date, told: date, count: int) -> list[date]:
        """Wrong dates, so drawn that the right one does not stand out.

        Were all of them slips from the right date, it would be the one most like the others:
        so they are slips from one date, and each choice is that date equally often.
        The right date may well be the nearest to the date told: so it is drawn how many are nearer.
        """
        centre_is_right = rng.randrange(count + 1) == 0
        draws = [cls._draw(rng, right, count, centre_is_right) for _ in range(20)]
        nearer = rng.randint(0, count)

        def off(wrong: list[date]) -> int:
            return abs(nearer - sum(abs(day - told) < abs(right - told) for day in wrong))

        return min(draws, key=off)

    @classmethod
    def _draw(cls, rng: Random, right: date, count: int, centre_is_right: bool) -> list[date]:
        """Slips from the right date, or a slip from it with slips from that one."""
        if centre_is_right:
            return rng.sample(cls._slips(right), count)
        centre = rng.choice(cls._slips(right))
        others = [day for day in cls._slips(centre) if day != right]
        return [centre, *rng.sample(others, count - 1)]

    @staticmethod
    def _slips(day: date) -> list[date]:
        """The dates that a slip makes of a date: off by one step, or day and month exchanged."""
        slips = {day + timedelta(sign * days) for days in (1, 2, 7, 10, 14) for sign in (-1, 1)}
        if day.day <= 28:
            slips |= {month_moved(day, months) for months in (-12, -1, 1, 12)}
        if day.day <= 12:
            slips.add(day.replace(month=day.day, day=day.month))
        return sorted(slips - {day})

    def program(self, instance: Instance) -> str:
        facts = instance.facts
        lines = ["from datetime import date, timedelta", f"day = {facts['today']}"]
        if facts["days"]:
            lines.append(f"day += timedelta({facts['days']})")
        if facts["months"]:
            lines.append("year, month = divmod(day.year * 12 + day.month - 1 "
                         f"+ {facts['months']}, 12)")
            lines.append("day = day.replace(year=year, month=month + 1)")
        dates = [line[4:] for line in facts["options"].splitlines()]
        lines.append(f'\nprint("ABCDEF"[{dates}.index(f"{{day:%m/%d/%Y}}")])')
        return "\n".join(lines) + "\n"


# ---- when was there time? ------------------------------------------------------------------------

def clock(half_hours: int) -> str:
    """Half hours since midnight as on a clock: 19 is 9:30am."""
    hour, half = divmod(half_hours, 2)
    minutes = ":30" if half else ""
    return f"{(hour - 1) % 12 + 1}{minutes}{'am' if hour < 12 else 'pm'}"


DOING = """buying a lamp, baking bread, cutting a hedge, feeding ducks, fixing a bike, flying a
kite, having lunch, mending a net, painting a fence, picking apples, playing chess,
playing the violin, reading a letter, riding a horse, rowing a boat, sketching a tree,
talking to a neighbour, walking a dog, washing a car, watching a play,
writing a report""".replace("\n", " ").split(", ")


def minutes(time):
    hour, _, minute = time[:-2].partition(":")
    return int(hour) % 12 * 60 + int(minute or 0) + 720 * time.endswith("pm")


class TemporalSequences(Choice):
    """Somebody was free now and then, between the times at which others saw them.

        8am      9am      11am     12pm      1pm      5pm      6pm      9pm
         |   -    | lunch  |   -    |  chess  |  free  |  kite  |   -    |

    The right option is a free span, one wrong option is told in a sentence. The others are two free
    spans with what lies between: as the right one, they begin where a sentence ends, and end where
    one begins. Each time is told once, so counting them tells nothing.
    """
    suite, split = "bbh", "test"
    uses = (minutes,)

    def make(self, rng: Random, level: int) -> tuple:
        sights = between(rng, level, (3, 3), (4, 6), (6, 8))
        step = at(rng, level, 2, 1, 1)  # whole or half hours
        cuts, free, wrong = self._day(rng, sights, step)
        times = [clock(cut) for cut in cuts]
        seen = [[times[i], times[i + 1]] for i in range(1, 2 * sights, 2)]
        if level >= 3:
            rng.shuffle(seen)
        # The story: one sentence for each time that somebody saw them.
        who, *others = rng.sample(FIRST_NAMES, 5)
        place = rng.choice(PLACES)
        story = " ".join(
            f"{rng.choice(others)} saw {who} elsewhere, {doing}, from {start} to {end}."
            for (start, end), doing in zip(seen, rng.sample(DOING, sights)))
        block, letter = options(rng, f"{times[free]} to {times[free + 1]}",
                                [f"{clock(start)} to {clock(end)}" for start, end in wrong])
        return (f"{who} went to the {place} today. {who} woke up at {times[0]}. {story} "
                f"The {place} closed at {times[-1]}. Which of these spans could {who} have spent "
                f"there from beginning to end?\n{block}\nAnswer with the letter.",
                dict(seen=seen, options=block), letter)

    @staticmethod
    def _day(rng: Random, sights: int, step: int) -> tuple[list[int], int, list[tuple[int, int]]]:
        """The cuts in half hours, the number of a free part, and the spans that are not free."""
        count = min(sights, 4) - 1  # joined spans
        shorter = rng.randint(0, count + 1)  # how many wrong spans are shorter than the free part
        times = range(10 // step, 46 // step + 1)  # from 5am to 11pm
        while True:
            # Every other part is a sight: the first and the last part are free.
            cuts = [cut * step for cut in sorted(rng.sample(times, 2 * sights + 2))]
            free = 2 * rng.randrange(sights + 1)
            length = cuts[free + 1] - cuts[free]
            seen = 2 * rng.randrange(sights) + 1
            told_span = (cuts[seen], cuts[seen + 1])
            joined = [(cuts[i], cuts[i + 3]) for i in range(0, 2 * sights, 2)]
            rng.shuffle(joined)
            short = [(start, end) for start, end in joined if end - start < length]
            others = [span for span in joined if span not in short]
            # One wrong span is told in a sentence, the others join two free parts.
            few = shorter - (told_span[1] - told_span[0] < length)
            chosen = short[:few] + others[:count - few]
            if 0 <= few <= count == len(chosen):
                return cuts, free, [told_span, *chosen]

    @staticmethod
    def solve(seen, options):
        busy = [(minutes(start), minutes(end)) for start, end in seen]
        for line in options.splitlines():
            start, end = map(minutes, line[4:].split(" to "))
            if all(end <= begin or finish <= start for begin, finish in busy):
                return line[1]
