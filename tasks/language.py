"""Language: questions whose natural answer is a reading, not a program. Labels come from our own tables.

Where the originals rest on human judgement (grade C) the tables below are a stand-in: a rule that nearly everybody
would agree with, stated beside each task. Each rationale names that rule.
"""
import re
from random import Random

from tasks.base import Instance, Task, at, letter


class Choice(Task, abstract=True):
    """A lettered choice that is read, not computed; the text of an option is as good as its letter."""
    suite, natural = "bbh", False
    program = None

    def check(self, answer: str, instance: Instance) -> bool:
        choices = [line for line in instance.question.splitlines() if line.startswith("(")]
        return letter(answer, "\n".join(choices)) == instance.expect


# ---- who is meant ---------------------------------------------------------------------------------------------------

JOBS = "actor baker clerk cook farmer guard judge nurse pilot poet tailor waiter".split()
MORE_JOBS = JOBS + """architect astronomer banker carpenter chemist composer dentist diplomat editor gardener jeweller
librarian mechanic miner musician painter pharmacist plumber reporter sailor sculptor surgeon translator""".split()

# Two roles, and a reason that fits the first, and one that fits the second.
ROLES = [("doctor", "patient", "had the test results", "had been coughing for days"),
         ("teacher", "pupil", "had marked the essay", "had not done the homework"),
         ("lawyer", "client", "knew the law by heart", "had been sued"),
         ("mechanic", "driver", "could repair the engine", "had had a breakdown on the motorway"),
         ("barber", "customer", "had sharp scissors", "needed a haircut"),
         ("waiter", "guest", "had brought the wrong soup", "had ordered the fish"),
         ("landlord", "tenant", "had not been paid the rent", "could not pay the rent"),
         ("shopkeeper", "thief", "had been robbed", "had stolen a watch")]

# Rule: (label, why, sentences). {x} and {y} are the two people, {he} is the pronoun asked for.
READINGS_EASY = [
    ("A", "One tells others about oneself", [f"told the {{y}} that {{he}} felt {feeling}" for feeling in
                                             ("ill", "cold", "sad", "tired", "sick", "weak")]),
    ("B", "One asks others about themselves", [f"asked the {{y}} if {{he}} felt {feeling}" for feeling in
                                               ("ill", "cold", "sad", "tired", "sick", "weak")]),
    ("C", "Both fit", [f"met the {{y}} when {{he}} felt {feeling}" for feeling in
                       ("ill", "cold", "sad", "tired", "sick", "weak")])]
READINGS = READINGS_EASY + [
    ("A", "One tells others about oneself",
     ["told the {y} that {he} could not sleep at night", "confessed to the {y} that {he} had lied",
      "admitted to the {y} that {he} had never read the book", "wrote to the {y} that {he} missed home",
      "told the {y} that {he} had dreamt of the sea", "boasted to the {y} that {he} had seen the whole world"]),
    ("A", "The reason lies with the one who acts",
     ["apologised to the {y} because {he} had been rude", "begged the {y} for help because {he} had lost everything",
      "borrowed money from the {y} because {he} could not pay the bill",
      "asked the {y} for advice because {he} did not know what to do",
      "lied to the {y} because {he} wanted to hide a mistake", "hid from the {y} because {he} felt ashamed"]),
    ("B", "One asks others about themselves",
     ["asked the {y} whether {he} had slept well", "asked the {y} what {he} would like for lunch",
      "asked the {y} why {he} had come so late", "wanted to hear from the {y} where {he} had learnt to sing",
      "advised the {y} that {he} should see a doctor", "warned the {y} that {he} should not drive so fast"]),
    ("B", "The reason lies with the other one",
     ["thanked the {y} because {he} had helped with the move", "praised the {y} because {he} had done fine work",
      "congratulated the {y} because {he} had won the prize", "forgave the {y} because {he} had said sorry",
      "scolded the {y} because {he} had broken the lamp", "envied the {y} because {he} had become rich",
      "hired the {y} because {he} had the best references", "comforted the {y} because {he} had lost a friend"]),
    ("C", "Both fit",
     ["quarrelled with the {y} because {he} had forgotten the date", "met the {y} after {he} had come back from Spain",
      "danced with the {y} while {he} hummed a tune", "sat beside the {y} when {he} fell asleep",
      "waited with the {y} until {he} had to go", "played chess with the {y} before {he} went home",
      "ran into the {y} just as {he} left the bank", "shared a flat with the {y} until {he} moved away",
      "talked with the {y} about the journey {he} had made", "worked with the {y} until {he} retired"])]
SETTINGS = ["On the way home from the market, ", "Late in the evening, when the shops had closed, ", "Last summer, ",
            "During the long journey by train, ", "Before the meeting had even begun, ", "In the park, "]


class DisambiguationQa(Choice):
    """The pronoun goes by a rule: tellers speak of themselves, askers of others, reasons fit one role or both."""
    grade = "B"

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice("ABC")
        jobs, readings = at(rng, level, (JOBS, READINGS_EASY), (MORE_JOBS, READINGS), (MORE_JOBS, READINGS))
        pronoun = rng.choice(at(rng, level, ("he", "she"), ("he", "she", "they"), ("they",)))
        if level > 2 and label != "C" and rng.random() < 0.25:
            role, other, *reasons = rng.choice(ROLES)
            people = [role, other] if rng.random() < 0.5 else [other, role]
            fitting = reasons[people["AB".index(label)] == other]
            deed = f"talked to the {{y}} because {{he}} {fitting}"
        else:
            people = rng.sample(jobs, 2)
            deed = rng.choice(rng.choice([deeds for tag, _, deeds in readings if tag == label]))
        sentence = f"The {people[0]} {deed.format(y=people[1], he=pronoun)}."
        if level > 3:
            sentence = rng.choice(SETTINGS) + sentence[0].lower() + sentence[1:]
        hint = " Choose C if both fit equally well." if level > 1 else ""
        return (f"{sentence}\nWho is \"{pronoun}\"?{hint}\n(A) the {people[0]}\n(B) the {people[1]}\n(C) unclear\n"
                "Answer A, B or C.", dict(sentence=sentence, people=people, pronoun=pronoun), label)

    def rationale(self, instance: Instance) -> str:
        facts = instance.facts
        why = [why for _, why, deeds in READINGS for deed in deeds
               if deed.format(y=facts["people"][1], he=facts["pronoun"]) in facts["sentence"]]
        return f"{(why or ['The reason fits only one of the two roles'])[0]}, so the answer is {instance.expect}."


# ---- sarcasm --------------------------------------------------------------------------------------------------------

# Bad news and the good news most like it.
NEWS_EASY = [(f"{bad} the {thing}", f"{good} the {thing}") for bad, good, things in (
    ("lost", "found", "keys phone ring cat purse dog"), ("missed", "caught", "bus train boat ferry"),
    ("broke", "fixed", "bike lamp clock car radio"), ("failed", "passed", "test exam")) for thing in things.split()]
NEWS = [
    ("I missed the last train home", "I caught the last train home"),
    ("My phone fell into the river", "My phone was found in the park"),
    ("It rained on all seven days of our holiday", "The sun shone on all seven days of our holiday"),
    ("The dentist found five holes in my teeth", "The dentist found no hole in my teeth"),
    ("Somebody stole my new bicycle", "Somebody brought back my lost bicycle"),
    ("The roof leaks right above my bed", "The leak above my bed is repaired at last"),
    ("My flight was cancelled at midnight", "My flight landed half an hour early"),
    ("I spilt coffee all over my thesis", "I handed in my thesis in good time"),
    ("The heating broke down in January", "The heating works again after a cold week"),
    ("My neighbour drills holes at six every morning", "My neighbour bakes bread for the whole house"),
    ("I was given a fine for parking", "The fine for parking was cancelled"),
    ("The computer deleted a year of photographs", "The computer saved a year of photographs"),
    ("My boss gave me extra work on a Friday evening", "My boss gave me an extra day off"),
    ("I have caught a cold before the wedding", "I have got rid of my cold before the wedding"),
    ("The dog ate my birthday cake", "The dog saved a child from the lake"),
    ("The queue at the office was three hours long", "There was no queue at the office"),
    ("My suitcase was sent to the wrong country", "My suitcase was the first off the plane"),
    ("I stepped into a puddle in new shoes", "I got these new shoes as a present"),
    ("The wifi failed during my interview", "They offered me the job after my interview"),
    ("I was bitten by the cat of my aunt", "I was given a kitten by my aunt"),
    ("Our team lost by ten goals", "Our team won by ten goals"),
    ("The cinema was closed for repairs", "The cinema let us in for free"),
    ("I locked myself out in the snow", "I found the spare key in the snow"),
    ("The soup tasted of soap", "The soup tasted like my grandmother's"),
    ("The lift got stuck between two floors", "The lift runs again, so I need not climb ten floors"),
    ("My tent collapsed in the storm", "My tent stood firm in the storm"),
    ("The bank charged me twice", "The bank paid back the charge"),
    ("The baby upstairs cried all night", "The baby upstairs slept all night"),
    ("I burnt the roast for ten guests", "The ten guests loved my roast"),
    ("The concert ended after two songs", "The band played two more songs for us"),
    ("I forgot my own password again", "I remembered my old password at once"),
    ("The car would not start on the morning of the exam", "The car was repaired before the exam"),
    ("A bird ruined my white shirt", "A friend mended my white shirt"),
    ("The hotel had given away our room", "The hotel gave us its best room"),
    ("I sat down on wet paint", "I was paid well for a picture"),
    ("The plumber flooded the kitchen", "The plumber repaired the tap for nothing"),
    ("The tax office wants more money from me", "The tax office pays me money back"),
    ("I overslept on the first day of work", "I was praised on the first day of work"),
    ("The milk in my tea was sour", "The tea was just as I like it"),
    ("The moths have eaten my best coat", "My best coat came back from the cleaner like new")]
COMMENTS_EASY = [(good, bad) for good in ("Great!", "Nice!", "Lovely!") for bad in ("Awful!", "Bad!", "Horrid!")]
COMMENTS = COMMENTS_EASY[:3] + [
    ("What a wonderful day.", "What a terrible day."), ("That has made my week.", "That has ruined my week."),
    ("How lucky I am.", "How unlucky I am."), ("Just what I had hoped for.", "Just what I had feared."),
    ("I am delighted.", "I am upset."), ("I hope it happens again soon.", "I hope it never happens again."),
    ("Nothing could please me more.", "Nothing could annoy me more."), ("Life is sweet.", "Life is hard."),
    ("Some days are simply perfect.", "Some days are simply dreadful."), ("What a treat.", "What a shame."),
    ("I could jump for joy.", "I could weep."), ("My day could not be better.", "My day could not be worse.")]


class Snarks(Choice):
    """Sarcastic is the statement whose comment goes against its news; its twin differs in the comment or the news."""
    grade = "C"

    def make(self, rng: Random, level: int) -> tuple:
        parts = at(rng, level, 0, 1, 2)
        comments = rng.choice(COMMENTS if parts else COMMENTS_EASY)
        if parts:
            news = [", and ".join(told) for told in zip(*rng.sample(NEWS, parts))]
        else:
            subject = rng.choice(("I", "We"))
            news = [f"{subject} {deed}" for deed in rng.choice(NEWS_EASY)]
        news = [re.sub(r"(?<=, and )[A-HJ-Z]", lambda capital: capital[0].lower(), told) for told in news]
        sign = rng.randrange(2)  # of the sarcastic statement's news: 0 bad, 1 good
        snark = [news[sign], comments[sign]]
        twin = [news[sign], comments[1 - sign]] if level == 1 or rng.random() < 0.5 else [news[1 - sign], comments[sign]]
        statements = [snark, twin] if rng.random() < 0.5 else [twin, snark]
        shown = "\n".join(f"({tag}) {told}. {comment}" for tag, (told, comment) in zip("AB", statements))
        return (f"Which one is sarcastic?\n{shown}\nAnswer A or B.", dict(statements=statements),
                "AB"[statements.index(snark)])

    def rationale(self, instance: Instance) -> str:
        _, comment = instance.facts["statements"]["AB".index(instance.expect)]
        news, verdict = ("bad", "good") if comment in [good for good, _ in COMMENTS] else ("good", "bad")
        return f"In {instance.expect} the news is {news} but is called {verdict}, so the answer is {instance.expect}."
