"""Language: questions whose natural answer is a reading, not a program.

Labels come from our own tables. Where the originals rest on human judgement (grade C) the tables
are a stand-in: a rule that nearly everybody would agree with, stated beside each task. Each
rationale names that rule.
"""
from random import Random

from tasks.base import Choice, Instance, Task, at, between, options, yes_no
from tasks.families import words
from tasks.families.words import COMMON, FIRST_NAMES


def entries(text: str) -> list[str]:
    """The entries of a list in which a semicolon stands between two."""
    return [entry.strip() for entry in text.split(";")]


class Reading(Task, abstract=True):
    """A question that is read, not computed. `facts["why"]` is what a reader would say in a word.

        The guard met the cook when he felt cold.  ->  Both fit, so the answer is C.
    """
    suite = "bbh"
    program = None

    def rationale(self, instance: Instance) -> str:
        return f"{instance.facts['why']}, so the answer is {instance.expect}."


# ---- who is meant --------------------------------------------------------------------------------

JOBS = "actor baker clerk cook farmer guard judge nurse pilot poet tailor waiter".split()
MORE_JOBS = JOBS + """architect astronomer banker carpenter chemist composer dentist diplomat editor
gardener jeweller librarian mechanic miner musician painter pharmacist plumber reporter sailor
sculptor surgeon translator""".split()

# Two roles, and a reason that fits the first, and one that fits the second.
ROLES = [
    ("doctor", "patient", "had the test results", "had been coughing for days"),
    ("teacher", "pupil", "had marked the essay", "had not done the homework"),
    ("lawyer", "client", "knew the law by heart", "had been sued"),
    ("mechanic", "driver", "could repair the engine", "had had a breakdown on the motorway"),
    ("barber", "customer", "had sharp scissors", "needed a haircut"),
    ("waiter", "guest", "had brought the wrong soup", "had ordered the fish"),
    ("landlord", "tenant", "had not been paid the rent", "could not pay the rent"),
    ("shopkeeper", "thief", "had been robbed", "had stolen a watch"),
]

# Label: (why, deeds of the first person). {y} is the second, {he} the pronoun asked for.
FEELINGS = "ill", "cold", "sad", "tired", "sick", "weak"
READINGS_EASY = {
    "A": [("One tells others about oneself",
           [f"told the {{y}} that {{he}} felt {feeling}" for feeling in FEELINGS])],
    "B": [("One asks others about themselves",
           [f"asked the {{y}} if {{he}} felt {feeling}" for feeling in FEELINGS])],
    "C": [("Both fit",
           [f"met the {{y}} when {{he}} felt {feeling}" for feeling in FEELINGS])]}
READINGS = {
    "A": READINGS_EASY["A"] + [
        ("One tells others about oneself",
         ["told the {y} that {he} could not sleep at night",
          "confessed to the {y} that {he} had lied",
          "admitted to the {y} that {he} had never read the book",
          "wrote to the {y} that {he} missed home", "told the {y} that {he} had dreamt of the sea",
          "boasted to the {y} that {he} had seen the whole world"]),
        ("The reason lies with the one who acts",
         ["apologised to the {y} because {he} had been rude",
          "begged the {y} for help because {he} had lost everything",
          "borrowed money from the {y} because {he} could not pay the bill",
          "asked the {y} for advice because {he} did not know what to do",
          "lied to the {y} because {he} wanted to hide a mistake",
          "hid from the {y} because {he} felt ashamed"]),
    ],
    "B": READINGS_EASY["B"] + [
        ("One asks others about themselves",
         ["asked the {y} whether {he} had slept well",
          "asked the {y} what {he} would like for lunch",
          "asked the {y} why {he} had come so late",
          "wanted to hear from the {y} where {he} had learnt to sing",
          "advised the {y} that {he} should see a doctor",
          "warned the {y} that {he} should not drive so fast"]),
        ("The reason lies with the other one",
         ["thanked the {y} because {he} had helped with the move",
          "praised the {y} because {he} had done fine work",
          "congratulated the {y} because {he} had won the prize",
          "forgave the {y} because {he} had said sorry",
          "scolded the {y} because {he} had broken the lamp",
          "envied the {y} because {he} had become rich",
          "hired the {y} because {he} had the best references",
          "comforted the {y} because {he} had lost a friend"]),
    ],
    "C": READINGS_EASY["C"] + [
        ("Both fit",
         ["quarrelled with the {y} because {he} had forgotten the date",
          "met the {y} after {he} had come back from Spain",
          "danced with the {y} while {he} hummed a tune",
          "sat beside the {y} when {he} fell asleep", "waited with the {y} until {he} had to go",
          "played chess with the {y} before {he} went home",
          "ran into the {y} just as {he} left the bank",
          "shared a flat with the {y} until {he} moved away",
          "talked with the {y} about the journey {he} had made",
          "worked with the {y} until {he} retired"]),
    ],
}
SETTINGS = [
    "On the way home from the market, ", "Late in the evening, when the shops had closed, ",
    "Last summer, ", "During the long journey by train, ", "Before the meeting had even begun, ",
    "In the park, ",
]


class DisambiguationQa(Reading, Choice):
    """Tellers speak of themselves, askers of others, reasons fit one role or both.

        The guard met the cook when he felt cold.
        Who is "he"? Choose C if both fit equally well.
        (A) the guard  (B) the cook  (C) unclear

    Grade B: the verb alone mostly gives the rule, and so the answer.
    """
    grade = "B"
    shortcut = "the verb, such as told, asked or met, mostly decides"

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice("ABC")
        easy, hard = (JOBS, READINGS_EASY), (MORE_JOBS, READINGS)
        jobs, readings = at(rng, level, easy, hard, hard)
        pronoun = rng.choice(at(rng, level, ["he", "she"], ["he", "she", "they"], ["they"]))
        if level > 2 and label != "C" and rng.random() < 0.25:
            x, y, reason_of_x, reason_of_y = rng.choice(ROLES)
            if rng.random() >= 0.5:
                x, y, reason_of_x, reason_of_y = y, x, reason_of_y, reason_of_x
            # Only the first (A) or the second (B) can have the reason.
            reason = reason_of_x if label == "A" else reason_of_y
            verb = rng.choice(("talked to", "met", "phoned", "wrote to"))
            deed = f"{verb} the {{y}} because {{he}} {reason}"
            why = "The reason fits only one of the two roles"
        else:
            x, y = rng.sample(jobs, 2)
            why, deeds = rng.choice(readings[label])
            deed = rng.choice(deeds)
        start = rng.choice(SETTINGS) + "the" if level > 3 else "The"
        block = f"(A) the {x}\n(B) the {y}\n(C) unclear"
        return (f"{start} {x} {deed.format(y=y, he=pronoun)}.\nWho is \"{pronoun}\"? "
                f"Choose C if both fit equally well.\n{block}\nAnswer A, B or C.",
                dict(options=block, why=why), label)


# ---- sarcasm -------------------------------------------------------------------------------------

# Bad news and the good news most like it, as they stand within a sentence.
NEWS_EASY = [(f"{bad} the {thing}", f"{good} the {thing}") for bad, good, things in (
    ("lost", "found", "keys phone ring cat purse dog"),
    ("missed", "caught", "bus train boat ferry"),
    ("broke", "fixed", "bike lamp clock car radio"),
    ("failed", "passed", "test exam")) for thing in things.split()]
NEWS = [
    ("I missed the last train home", "I caught the last train home"),
    ("my phone fell into the river", "my phone was found in the park"),
    ("it rained on all seven days of our holiday",
     "the sun shone on all seven days of our holiday"),
    ("the dentist found five holes in my teeth", "the dentist found no hole in my teeth"),
    ("somebody stole my new bicycle", "somebody brought back my lost bicycle"),
    ("the roof leaks right above my bed", "the leak above my bed is repaired at last"),
    ("my flight was cancelled at midnight", "my flight landed half an hour early"),
    ("I spilt coffee all over my thesis", "I handed in my thesis in good time"),
    ("the heating broke down in January", "the heating works again after a cold week"),
    ("my neighbour drills holes at six every morning",
     "my neighbour bakes bread for the whole house"),
    ("I was given a fine for parking", "the fine for parking was cancelled"),
    ("the computer deleted a year of photographs", "the computer saved a year of photographs"),
    ("my boss gave me extra work on a Friday evening", "my boss gave me an extra day off"),
    ("I have caught a cold before the wedding", "I have got rid of my cold before the wedding"),
    ("the dog ate my birthday cake", "the dog saved a child from the lake"),
    ("the queue at the office was three hours long", "there was no queue at the office"),
    ("my suitcase was sent to the wrong country", "my suitcase was the first off the plane"),
    ("I stepped into a puddle in new shoes", "I got these new shoes as a present"),
    ("the wifi failed during my interview", "they offered me the job after my interview"),
    ("I was bitten by the cat of my aunt", "I was given a kitten by my aunt"),
    ("our team lost by ten goals", "our team won by ten goals"),
    ("the cinema was closed for repairs", "the cinema let us in for free"),
    ("I locked myself out in the snow", "I found the spare key in the snow"),
    ("the soup tasted of soap", "the soup tasted like my grandmother's"),
    ("the lift got stuck between two floors",
     "the lift runs again, so I need not climb ten floors"),
    ("my tent collapsed in the storm", "my tent stood firm in the storm"),
    ("the bank charged me twice", "the bank paid back the charge"),
    ("the baby upstairs cried all night", "the baby upstairs slept all night"),
    ("I burnt the roast for ten guests", "the ten guests loved my roast"),
    ("the concert ended after two songs", "the band played two more songs for us"),
    ("I forgot my own password again", "I remembered my old password at once"),
    ("the car would not start on the morning of the exam", "the car was repaired before the exam"),
    ("a bird ruined my white shirt", "a friend mended my white shirt"),
    ("the hotel had given away our room", "the hotel gave us its best room"),
    ("I sat down on wet paint", "I was paid well for a picture"),
    ("the plumber flooded the kitchen", "the plumber repaired the tap for nothing"),
    ("the tax office wants more money from me", "the tax office pays me money back"),
    ("I overslept on the first day of work", "I was praised on the first day of work"),
    ("the milk in my tea was sour", "the tea was just as I like it"),
    ("the moths have eaten my best coat", "my best coat came back from the cleaner like new")]
COMMENTS_EASY = [(good, bad) for good in ("Great!", "Nice!", "Lovely!")
                 for bad in ("Awful!", "Bad!", "Horrid!")]
COMMENTS = COMMENTS_EASY[:3] + [
    ("What a wonderful day.", "What a terrible day."),
    ("That has made my week.", "That has ruined my week."),
    ("How lucky I am.", "How unlucky I am."),
    ("Just what I had hoped for.", "Just what I had feared."), ("I am delighted.", "I am upset."),
    ("Nothing could please me more.", "Nothing could annoy me more."),
    ("Life is sweet.", "Life is hard."),
    ("Some days are simply perfect.", "Some days are simply dreadful."),
    ("What a treat.", "What a shame."), ("I could jump for joy.", "I could weep."),
    ("My day could not be better.", "My day could not be worse."),
]


class Snarks(Reading, Choice):
    """Sarcastic is the statement whose comment goes against its news.

        (A) I lost the keys. Great!
        (B) I lost the keys. Awful!

    Its twin differs in the comment or in the news, and is meant as it is said.
    """
    grade = "C"

    def make(self, rng: Random, level: int) -> tuple:
        parts = at(rng, level, 0, 1, 2)  # pieces of news in a statement; 0 stands for an easy one
        if parts:
            comments = rng.choice(COMMENTS)
            news = [", and ".join(pieces) for pieces in zip(*rng.sample(NEWS, parts))]
        else:
            comments = rng.choice(COMMENTS_EASY)
            subject = rng.choice(("I", "We"))
            news = [f"{subject} {deed}" for deed in rng.choice(NEWS_EASY)]
        news = [text[0].upper() + text[1:] for text in news]

        # The news is bad, then good, and the comments are good, then bad.
        i = rng.choice((0, 1))
        snark = f"{news[i]}. {comments[i]}"
        # The twin has the same comment with other news, or the same news with another comment.
        if level > 1 and rng.random() < 0.5:
            twin = f"{news[1 - i]}. {comments[i]}"
        else:
            twin = f"{news[i]}. {comments[1 - i]}"
        label = "A" if rng.random() < 0.5 else "B"
        first, second = (snark, twin) if label == "A" else (twin, snark)

        block = f"(A) {first}\n(B) {second}"
        kind, called = [("bad", "good"), ("good", "bad")][i]
        why = f"In {label} the news is {kind} but is called {called}"
        question = f"Which one is sarcastic?\n{block}\nAnswer A or B."
        return question, dict(options=block, why=why), label


# ---- cause and intention -------------------------------------------------------------------------

ACCIDENTS = [tuple(pair.strip().split("/")) for pair in """
left the gate open/the dog ran off; dropped the vase/it broke; lit the match/the straw burned;
cut the cable/the lamp died; spilt the ink/the page was ruined; kicked the ladder/it fell;
left the tap on/the cellar was flooded; let go of the rope/the boat drifted off;
rang the bell/the baby woke up; opened the cage/the bird flew off; shook the tree/the apples fell; 
pulled the plug/the pump stopped""".split(";")]
IDLE = "was asleep", "was out", "was in bed", "read a book", "was in town", "wrote a letter"

# Story: (label, texts, question, why, settings); {x}, {y} are people, {0}, {1} come from a setting.
# Of two texts one names x first and one y, so who stands first tells nothing.
ALONE = "{x} {0}, so {1}. {y} {2}.", "{y} {2}. {x} {0}, so {1}."
STORIES_EASY = [
    ("Yes", ALONE, "Did {x} cause that?",
     "Without {x} it would not have happened",
     [(*pair, idle) for pair in ACCIDENTS for idle in IDLE]),
    ("No", ALONE, "Did {y} cause that?", "{y} did nothing that led to it",
     [(*pair, idle) for pair in ACCIDENTS for idle in IDLE])]

# Two people do the same, which one of them may not; only the two together bring it about.
RULES = [
    ("Only nurses may use the small lift", "a nurse", "used the lift",
     "It bears one person, so it got stuck"),
    ("Only editors may log in before noon", "an editor", "logged in at nine",
     "Two were too many: it crashed"),
    ("Only tutors may take pens from the desk", "a tutor", "took a pen",
     "So no pen was left for the next caller"),
    ("Only guests may park in the yard", "a guest", "parked in the yard",
     "So the fire engine was stuck"),
]
TOGETHER = ("{0}. {x} is {1}, {y} is not. On Monday both {2}. {3}.",
            "{0}. {y} is not {1}, {x} is. On Monday both {2}. {3}.")
# What both do, with what, what the first one's does, the other one's, and what was brought about.
RACES = [
    ("threw a stone at the bottle", "stone", "broke it", "flew over the shards",
     "the bottle to break"),
    ("shot an arrow at the balloon", "arrow", "burst it", "met nothing but air",
     "the balloon to burst"),
    ("rolled a ball at the last skittle", "ball", "knocked it over",
     "rolled across the empty place", "the skittle to fall"),
    ("threw a snowball at the snowman's hat", "snowball", "knocked it off",
     "flew past above the bare head", "the hat to fall off"),
]
RACED = ("{x}'s {1} came first and {2}. {y}'s {1} was aimed just as well, but came a moment later "
         "and {3}.")
RACE = "{x} and {y} each {0}. " + RACED, "{y} and {x} each {0}. " + RACED
DUTIES = [
    ("water the plants", "watered them", "they dried up"),
    ("lock the shop", "locked it", "it was robbed"),
    ("oil the machine", "oiled it", "it broke down"), ("feed the fish", "fed them", "they died"),
    ("salt the icy steps", "salted them", "the postman slipped"),
    ("empty the bin", "emptied it", "it stank"),
]
DUTY = ("It is the task of {x} alone to {0}. {y} works elsewhere and could have done it. "
        "Nobody {1}, and {2}.",
        "{y} works elsewhere and could have helped. It is the task of {x} alone to {0}. "
        "Nobody {1}, and {2}.")
PLANS = [
    ("programme", "environment"), ("road", "village"), ("factory", "river"),
    ("timetable", "pupils"), ("tower", "neighbours"), ("price", "farmers"), ("airport", "forest"),
    ("law", "fishermen"),
]
PLAN = ('{x} was told: "The new {0} will make money, and it will also {2} the {1}." '
        '{x} said: "I do not care about the {1}, I want the money." '
        "So it was done, and it did {2} the {1}.")
AIMS = [
    ("hit the bull's eye", "dart", "hit a lamp and fell on the bull's eye"),
    ("score from the half-way line", "ball", "hit a dog and rolled into the goal"),
    ("ring the bell with one throw", "stone", "hit a pigeon, which fell on the bell"),
    ("sink the long putt", "ball", "hit a tree and a bench and rolled into the hole"),
]
STORIES = STORIES_EASY + [
    ("Yes", TOGETHER, "Did {y} cause that?",
     "Of two joint causes people name the one against the rule", RULES),
    ("No", TOGETHER, "Did {x} cause that?",
     "Of two joint causes people name the one against the rule", RULES),
    ("Yes", RACE, "Did {x} cause {4}?", "The first to arrive brought it about", RACES),
    ("No", RACE, "Did {y} cause {4}?", "The other one had brought it about before", RACES),
    ("Yes", DUTY, "Did {x} cause that by doing nothing?", "It was the task of {x}", DUTIES),
    ("No", DUTY, "Did {y} cause that by doing nothing?", "It was not the task of {y}", DUTIES),
    ("Yes", [PLAN], "Did {x} {2} the {1} intentionally?",
     "A harm that one foresees and accepts counts as intended",
     [(*plan, "harm") for plan in PLANS]),
    ("No", [PLAN], "Did {x} {2} the {1} intentionally?",
     "A good that one does not care about does not count as intended",
     [(*plan, "help") for plan in PLANS]),
    ("Yes",
     ["{x}, a master of the sport, wanted to {0}, took careful aim, and succeeded as planned. {y} "
      "watched."],
     "Did {x} {0} intentionally?", "{x} wanted it, could do it, and did it as planned", AIMS),
    ("No",
     ["{x}, a beginner, wanted to {0}. The hand of {x} slipped, the {1} flew the wrong way, {2}. "
      "{y} watched."],
     "Did {x} {0} intentionally?", "It came about by a fluke and not by skill", AIMS),
]
ASIDES = [
    "It was a cold day in March.", "The radio was on all the time.",
    "A neighbour had come to borrow some sugar.", "There was soup for lunch.",
    "The streets were full of people.", "Nobody had slept much the night before.",
]


class CausalJudgement(Reading):
    """Ten structures of stories on whose causes and intentions nearly everybody agrees.

        Grace dropped the vase, so it broke. Leo was in bed.
        Did Grace cause that? Answer Yes or No.
    """
    grade = "C"
    parse = staticmethod(yes_no)

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice(("Yes", "No"))
        stories = at(rng, level, STORIES_EASY, STORIES, STORIES[2:])
        _, orders, asked, why, settings = rng.choice([story for story in stories
                                                      if story[0] == label])
        x, y = rng.sample(FIRST_NAMES, 2)
        setting = rng.choice(settings)
        texts = rng.choice(orders), asked, why
        story, asked, why = (text.format(*setting, x=x, y=y) for text in texts)
        if level > 3:
            before, after = rng.sample(ASIDES, 2)
            story = f"{before} {story} {after}"
        hint = "" if level == 1 else " as most people would,"
        return f"{story}\n{asked} Answer{hint} Yes or No.", dict(why=why), label


# ---- films ---------------------------------------------------------------------------------------

FILM_TITLES = {
    "animated films for families":
        "Toy Story; Finding Nemo; Shrek; Bambi; Ratatouille; Pinocchio; Dumbo; Up; Coco; Zootopia",
    "science fiction in space":
        "Star Wars; Alien; Interstellar; Gravity; Solaris; The Martian; Star Trek; Avatar; Moon; "
        "Dune",
    "westerns":
        "High Noon; Unforgiven; Rio Bravo; Shane; Stagecoach; The Searchers; True Grit; "
        "Tombstone; Hombre; Silverado",
    "horror films":
        "The Exorcist; The Shining; Halloween; Scream; Saw; Poltergeist; The Omen; Hereditary; "
        "The Ring; Carrie",
    "romantic comedies":
        "Notting Hill; Pretty Woman; Sleepless in Seattle; Love Actually; When Harry Met Sally; "
        "You've Got Mail; Bridget Jones's Diary; Four Weddings and a Funeral; Hitch; Sabrina",
    "gangster films":
        "The Godfather; Goodfellas; Casino; Scarface; The Departed; Carlito's Way; Donnie Brasco; "
        "The Untouchables; Mean Streets; Miller's Crossing",
    "war films":
        "Saving Private Ryan; Platoon; Full Metal Jacket; Dunkirk; Paths of Glory; Das Boot; "
        "Hacksaw Ridge; Apocalypse Now; Black Hawk Down; The Bridge on the River Kwai",
    "musicals":
        "Singin' in the Rain; West Side Story; The Sound of Music; Grease; Cabaret; Chicago; "
        "La La Land; My Fair Lady; Hairspray; Fiddler on the Roof",
    "superhero films":
        "Batman Begins; Iron Man; Spider-Man; The Avengers; Superman; Wonder Woman; "
        "Black Panther; Thor; Ant-Man; X-Men",
    "sports films":
        "Rocky; Raging Bull; Hoosiers; Moneyball; Remember the Titans; Field of Dreams; "
        "Chariots of Fire; Million Dollar Baby; Creed; Bend It Like Beckham",
    "spy films":
        "Goldfinger; Skyfall; Dr. No; GoldenEye; Moonraker; Spectre; The Bourne Identity; "
        "Mission: Impossible; Tinker Tailor Soldier Spy; From Russia with Love",
    "disaster films":
        "The Towering Inferno; Twister; The Poseidon Adventure; Armageddon; Deep Impact; "
        "San Andreas; Volcano; Dante's Peak; Airport; The Day After Tomorrow",
}
FILMS = {kind: entries(titles) for kind, titles in FILM_TITLES.items()}
FILMS_EASY = ["animated films for families", "science fiction in space", "westerns", "horror films"]
NEAR = [
    {"science fiction in space", "superhero films"},
    {"superhero films", "animated films for families"}, {"animated films for families", "musicals"},
    {"romantic comedies", "musicals"}, {"gangster films", "spy films"},
    {"science fiction in space", "disaster films"}, {"superhero films", "spy films"},
    {"westerns", "war films"}, {"science fiction in space", "horror films"},
]


class MovieRecommendation(Reading, Choice):
    """Most alike are two films of one kind; decoys are never of a kind near to it.

        Which film is most like High Noon?
        (A) Alien  (B) Rio Bravo  (C) Shrek
    """
    grade = "C"

    def make(self, rng: Random, level: int) -> tuple:
        easy, default, hard = (FILMS_EASY, 2, 2), (list(FILMS), 4, 3), (list(FILMS), 6, 5)
        kinds, count, decoys = at(rng, level, easy, default, hard)
        kind = rng.choice(kinds)
        right, *liked = rng.sample(FILMS[kind], count + 1)
        far = [other for other in kinds if other != kind and {kind, other} not in NEAR]
        others = rng.sample(far, decoys)
        block, label = options(rng, right, [rng.choice(FILMS[other]) for other in others])
        named = f"{', '.join(liked[:-1])} and {liked[-1]}"
        question = f"Which film is most like {named}?\n{block}\nAnswer with the letter."
        why = f"The films named are {kind}, and so is {right}"
        return question, dict(options=block, why=why), label


# ---- names spoilt by one letter ------------------------------------------------------------------

# Each pun exchanges one consonant for another, or puts one in: so do the other options.
PUNS = {name: puns.split(", ") for name, puns in (line.split(": ") for line in """
star wars: star jars, scar wars
jaws: jars
king kong: king song, king gong
finding nemo: finding memo
high noon: high moon
the sting: the string, the sling, the stink
the shining: the shinning
pulp fiction: pulp friction, pulp diction
blade runner: blade gunner, blame runner
singing in the rain: singing in the drain, singing in the train
mary poppins: marry poppins
snow white: snow whine, slow white, show white
the jungle book: the jungle cook, the jungle boot
the mask: the mast
the rolling stones: the rolling scones
the doors: the donors
green day: green hay, greed day
foo fighters: food fighters
talking heads: talking beads
simple minds: simple mints
fleetwood mac: fleetwood mat, fleetwood map
nine inch nails: nine inch snails, nine inch tails
the clash: the crash, the flash
lord of the rings: lord of the kings, lord of the wings
harry potter: harry porter
the silence of the lambs: the silence of the lamps
raging bull: raging bulb, raging dull
taxi driver: taxi drivel
the green mile: the green smile, the greed mile
full metal jacket: full petal jacket, full medal jacket
good will hunting: good will bunting
the big sleep: the big sheep
groundhog day: groundhog bay
beauty and the beast: beauty and the feast
chicken run: chicken bun, chicken nun, chicken rug
ice age: ice cage
brave new world: grave new world
the old man and the sea: the old man and the tea, the old man and the pea, the old mat and the sea
a tale of two cities: a table of two cities
lord of the flies: lord of the fries
""".split("\n") if line)}
# Neighbouring letters that occur in some word, among them those of all names and puns.
WORDS = {*COMMON, *words.THREE, *words.VERBS, *words.ADJECTIVES}
for forms in words.NOUNS:
    WORDS.update(forms)
for name, puns in PUNS.items():
    WORDS.update(" ".join([name, *puns]).split())


def neighbours(text: str) -> set[tuple[str, str]]:
    """The pairs of letters that stand side by side."""
    return set(zip(text, text[1:]))


PAIRS = set().union(*map(neighbours, WORDS))
VOWELS = set("aeiouy ")  # and the blank
CONSONANTS = "bcdfghklmnprstw"  # without the rare ones, which no pun puts in


class RuinNames(Reading, Choice):
    """Funny is the edit that leaves real words.

        Which one-letter edit of "jaws" is a funny name?
        (A) jaks  (B) jars

    A decoy has two consonants side by side that no word has. All options of a question are equally
    long and have equally many vowels, so that neither length nor vowels nor rare letters tell.
    """
    grade = "C"
    shortcut = "puns come from a list: who has learnt it sees if the last option is one of them"

    def make(self, rng: Random, level: int) -> tuple:
        short = [name for name in PUNS if len(name) < 13]
        name = rng.choice(at(rng, level, short, list(PUNS), list(PUNS)))
        pun = rng.choice(PUNS[name])
        possible = self._decoys(name, insert=len(pun) > len(name))
        # How many stand before the pun in the alphabet is drawn: its place there tells nothing.
        before = [decoy for decoy in possible if decoy < pun]
        after = [decoy for decoy in possible if decoy > pun]
        count = at(rng, level, 1, 3, 5)
        count_before = rng.randint(max(0, count - len(after)), min(count, len(before)))
        decoys = rng.sample(before, count_before) + rng.sample(after, count - count_before)
        block, label = options(rng, pun, decoys)
        question = (f'Which one-letter edit of "{name}" is a funny name?\n{block}\n'
                    "Answer with the letter.")
        why = f"Only {pun} still consists of real words"
        return question, dict(options=block, why=why), label

    @staticmethod
    def _decoys(name: str, insert: bool) -> list[str]:
        """The name with a consonant put in, or in place of another, so that it is no word."""
        decoys = set()
        # A spoilt "the" would be too easy.
        start = len("the ") if name.startswith("the ") else 0
        # A vowel is not exchanged, so that all have as many.
        kept = " " if insert else VOWELS
        for i in range(start, len(name)):
            if name[i] in kept:
                continue
            rest = name[i:] if insert else name[i + 1:]
            for new in CONSONANTS.replace(name[i], ""):
                decoy = name[:i] + new + rest
                # A pair of consonants that no word has makes the decoy no word.
                if any(VOWELS.isdisjoint(pair) for pair in neighbours(decoy) - PAIRS):
                    decoys.add(decoy)
        return sorted(decoys)


# ---- faults in translations ----------------------------------------------------------------------

CITIES = ("Rom/Rome; Wien/Vienna; Prag/Prague; Köln/Cologne; München/Munich; Genf/Geneva; "
          "Athen/Athens; Mailand/Milan; Warschau/Warsaw; Brüssel/Brussels; Lissabon/Lisbon; "
          "Kopenhagen/Copenhagen")
MEN = ("Karl Weber/Karl Weber; Otto Lang/Otto Lang; Emil Berg/Emil Berg; Hugo Stein/Hugo Stein; "
       "Max Vogel/Max Vogel; Paul Richter/Paul Richter; Anton Huber/Anton Huber; "
       "Jakob Frei/Jakob Frei")
WOMEN = ("Klara Weber/Klara Weber; Ida Lang/Ida Lang; Emma Berg/Emma Berg; Rosa Stein/Rosa Stein; "
         "Martha Vogel/Martha Vogel; Anna Richter/Anna Richter; Greta Huber/Greta Huber; "
         "Lena Frei/Lena Frei")
THINGS = ("Uhren/clocks; Schuhe/shoes; Möbel/furniture; Brillen/spectacles; Fahrräder/bicycles; "
          "Hüte/hats; Klaviere/pianos; Messer/knives; Teppiche/carpets; Glocken/bells")

# Frame: (German, English, names, nouns, adjectives, two opposites, parts to leave out); entries are
# German/English.
# No two adjectives of a frame are opposites, so that a wrong adjective is never also a wrong sense.
FRAMES = [
    ("{noun} in {name}, {number} {extra} gebaut, gilt als {adjective} und ist heute {sense}.",
     "{noun} in {name}, built {extra} in {number}, is regarded as {adjective} and is {sense} "
     "today.",
     CITIES,
     "Die Kirche/The church; Der Turm/The tower; Das Schloss/The castle; Die Brücke/The bridge; "
     "Das Rathaus/The town hall; Die Mühle/The mill; Der Bahnhof/The railway station; "
     "Das Theater/The theatre",
     "berühmt/famous; rätselhaft/mysterious; prächtig/splendid; romantisch/romantic; "
     "kostbar/precious",
     "geöffnet/open; geschlossen/closed",
     "gleich neben dem Fluss/right beside the river; von zwei Brüdern/by two brothers; "
     "nach einem Brand/after a fire"),
    ("{name} wurde {number} {extra} geboren, arbeitete als {noun}, war {adjective} und blieb "
     "{sense}.",
     "{name} was born {extra} in {number}, worked as {noun}, was {adjective} and remained {sense}.",
     MEN,
     "Bäcker/a baker; Maler/a painter; Schneider/a tailor; Gärtner/a gardener; Drucker/a printer; "
     "Koch/a cook",
     "freundlich/friendly; fleißig/diligent; humorvoll/humorous; fromm/pious; musikalisch/musical",
     "arm/poor; reich/rich",
     "auf einer Insel/on an island; als drittes Kind/as the third child; "
     "in einem Dorf/in a village"),
    ("{name} schrieb {number} {extra} {noun}; das Werk gilt als {adjective} und ist bis heute "
     "{sense}.",
     "{name} wrote {noun} {extra} in {number}; the work is regarded as {adjective} and is {sense} "
     "to this day.",
     WOMEN,
     "einen Roman/a novel; eine Oper/an opera; ein Lied/a song; ein Gedicht/a poem; "
     "ein Kochbuch/a cookery book",
     "witzig/witty; spannend/thrilling; feierlich/solemn; lehrreich/instructive; poetisch/poetic",
     "bekannt/known; unbekannt/unknown",
     "auf einer Reise/on a journey; in wenigen Wochen/within a few weeks; "
     "für ihre Kinder/for her children"),
    ("Die Firma aus {name} hat {number} Angestellte, liefert {extra} {noun}, gilt als {adjective} "
     "und {sense} stetig.",
     "The firm from {name} has {number} employees, supplies {noun} {extra}, is regarded as "
     "{adjective} and steadily {sense}.",
     CITIES, THINGS,
     "modern/modern; sparsam/thrifty; gerecht/fair; ehrgeizig/ambitious; zuverlässig/reliable",
     "wächst/grows; schrumpft/shrinks",
     "seit vielen Jahren/for many years; in alle Welt/all over the world; auf Bestellung/to order"),
    ("Im Zoo von {name} leben {extra} {number} {noun}; sie sind {adjective} und schlafen {sense}.",
     "In the zoo of {name} there live {number} {noun} {extra}; they are {adjective} and sleep "
     "{sense}.",
     CITIES,
     "Affen/monkeys; Pinguine/penguins; Schildkröten/turtles; Papageien/parrots; "
     "Elefanten/elephants; Bären/bears",
     "neugierig/curious; gefräßig/greedy; friedlich/peaceful; eitel/vain; klug/clever",
     "viel/a lot; wenig/little",
     "neben dem Teich/beside the pond; hinter Glas/behind glass; auf einem Hügel/on a hill"),
    ("{noun} nach {name} ist {number} Meter lang, führt {extra} bergauf, ist {adjective} und "
     "nachts {sense}.",
     "{noun} to {name} is {number} metres long, leads uphill {extra}, is {adjective} and {sense} "
     "at night.",
     CITIES,
     "Die Straße/The road; Der Radweg/The cycle track; Der Fußweg/The footpath; "
     "Die Bahnlinie/The railway line",
     "schön/beautiful; gefährlich/dangerous; eintönig/monotonous; berühmt/famous; teuer/expensive",
     "gesperrt/closed; offen/open",
     "durch viele Wälder/through many forests; an einem See entlang/along a lake; "
     "über zwei Pässe/over two passes"),
    ("{noun} von {name} verließ {number} {extra} den Hafen, galt als {adjective} und kam {sense} "
     "an.",
     "{noun} of {name} left the harbour {extra} in {number}, was regarded as {adjective} and "
     "arrived {sense}.",
     MEN,
     "Die Fähre/The ferry; Das Boot/The boat; Der Dampfer/The steamer; Das Floß/The raft; "
     "Die Jacht/The yacht",
     "schnell/fast; elegant/elegant; bequem/comfortable; robust/sturdy; berühmt/famous",
     "zu früh/too early; zu spät/too late",
     "bei Nebel/in fog; ohne Ladung/without cargo; mit einer Kapelle an Bord/with a band on board"),
    ("In {name} fand {number} {extra} {noun} statt; der Abend war {adjective} und endete {sense}.",
     "In {name} {noun} took place {extra} in {number}; the evening was {adjective} and ended "
     "{sense}.",
     CITIES,
     "ein Konzert/a concert; eine Hochzeit/a wedding; eine Wahl/an election; ein Rennen/a race; "
     "ein Ball/a ball",
     "warm/warm; laut/loud; festlich/festive; aufregend/exciting; lang/long",
     "früh/early; spät/late",
     "unter freiem Himmel/in the open air; trotz der Hitze/despite the heat; "
     "zum ersten Mal/for the first time"),
    ("{name} besaß {number} {noun} {extra}, lebte {adjective} und ging {sense} zu Bett.",
     "{name} owned {number} {noun} {extra}, lived {adjective} and went to bed {sense}.", WOMEN,
     "Katzen/cats; Hunde/dogs; Bücher/books; Puppen/dolls; Teller/plates; Lampen/lamps; "
     "Uhren/clocks",
     "gesund/healthily; bescheiden/modestly; zufrieden/contentedly; zurückgezogen/secludedly",
     "früh/early; spät/late",
     "aus aller Welt/from all over the world; in drei Zimmern/in three rooms; "
     "von ihrer Tante/from her aunt"),
    ("{noun} in {name} hat {number} Sitzplätze, liegt {extra}, wirkt {adjective} und ist am "
     "Sonntag {sense}.",
     "{noun} in {name} has {number} seats, is situated {extra}, appears {adjective} and is "
     "{sense} on Sundays.",
     CITIES,
     "Das Kino/The cinema; Das Stadion/The stadium; Die Bücherei/The library; "
     "Das Gasthaus/The inn; Die Schule/The school",
     "gemütlich/cosy; vornehm/genteel; altmodisch/old-fashioned; freundlich/friendly",
     "voll/full; leer/empty",
     "am Stadtrand/at the edge of the town; unter der Erde/below ground; "
     "an einem Platz/on a square"),
]
FRAMES_EASY = [
    ("{noun} in {name} ist {adjective}.", "{noun} in {name} is {adjective}.", CITIES,
     "Das Haus/The house; Der Garten/The garden; Die Kirche/The church; Der Turm/The tower; "
     "Die Straße/The street",
     "alt/old; schön/beautiful; grün/green; berühmt/famous; klein/small", "/", "/"),
]
# No two of these are true of one fault: an opposite is never a noun, and never just a change.
FAULTS = dict(name="a name was changed",
              adjective="an adjective or adverb was changed, but not to its opposite",
              noun="a common noun was changed",
              number="a number was changed",
              sense="a word was changed to its opposite",
              extra="a part was left out")


class SalientTranslationErrorDetection(Reading, Choice):
    """One slot of a sentence is translated wrongly; the kind of that slot is the answer.

        German: Das Haus in Rom ist alt.
        English: The house in Rome is green.
        (A) a name was changed  (B) an adjective or adverb was changed, but not to its opposite  ...
    """
    grade = "B"

    def make(self, rng: Random, level: int) -> tuple:
        frames, count, kinds = at(rng, level, (FRAMES_EASY, 1, 3), (FRAMES, 1, 6), (FRAMES, 2, 6))
        faults = list(FAULTS)[:kinds]
        fault, faulty = rng.choice(faults), rng.randrange(count)
        pairs = [self._translate(rng, frame, fault if i == faulty else "")
                 for i, frame in enumerate(rng.sample(frames, count))]
        german, english = map(" ".join, zip(*pairs))
        wrong = [FAULTS[other] for other in faults if other != fault]
        block, label = options(rng, FAULTS[fault], wrong)
        question = (f"German: {german}\nEnglish: {english}\nWhat is wrong in the English?\n"
                    f"{block}\nAnswer with the letter.")
        why = f"Compared part by part, {FAULTS[fault]}"
        return question, dict(options=block, why=why), label

    @staticmethod
    def _translate(rng: Random, frame: tuple, fault: str) -> tuple[str, str]:
        """A German sentence and its English translation, in which one slot may be wrong."""
        german, english, *lexicons = frame
        # slot -> "German/English" of all that may fill it
        slots = "name", "noun", "adjective", "sense", "extra"
        lexicon = dict(zip(slots, map(entries, lexicons)))
        # A number is the same in both languages.
        year = rng.randint(1600, 1990)
        source, target = {"number": year}, {"number": year}
        for slot, choices in lexicon.items():
            source[slot], target[slot] = rng.choice(choices).split("/")
        if fault == "number":
            target["number"] += rng.choice((-100, -30, -10, -1, 1, 10, 30, 100))
        elif fault:
            translations = [entry.split("/")[1] for entry in lexicon[fault]]
            target[fault] = rng.choice([word for word in translations if word != target[fault]])
        if fault == "extra":  # left out, not changed; so are the blanks around it
            target["extra"] = ""
        english = " ".join(english.format(**target).split()).replace(" ,", ",").replace(" ;", ";")
        return german.format(**source), english


# ---- the order of adjectives ---------------------------------------------------------------------

KINDS = "opinion size age shape colour origin material purpose".split()  # in the order of English
ADJECTIVES = dict(zip(KINDS, (line.split() for line in """
lovely ugly nice awful pretty silly charming dreadful splendid wonderful horrible boring
big small tiny huge little enormous gigantic large massive miniature
old new ancient modern brand-new prehistoric medieval
round square oval triangular spherical rectangular star-shaped heart-shaped
red blue green yellow black white brown purple pink grey
French German Italian Chinese Japanese Brazilian Mexican Turkish Danish Canadian Indian Russian
wooden plastic leather cotton paper steel woollen rubber ceramic granite
drinking hiking typing driving cooking fishing sleeping whittling""".strip().splitlines())))
OBJECTS = """bag ball box car chair clock cup dog hat house jar kettle knife lamp mug ring ship shoe
table vase""".split()


class Hyperbaton(Reading, Choice):
    """Two orders of the same adjectives; the rule of their order is told in the question.

        (A) big old car
        (B) old big car
    """
    split = "test"

    def make(self, rng: Random, level: int) -> tuple:
        count = between(rng, level, (2, 2), (3, 5), (6, 7))
        kinds = [KINDS[i] for i in sorted(rng.sample(range(len(KINDS)), count))]
        right = [rng.choice(ADJECTIVES[kind]) for kind in kinds]
        wrong = list(right)
        if level > 3:  # one exchange of neighbours is the hardest to see
            i = rng.randrange(count - 1)
            wrong[i:i + 2] = wrong[i + 1], wrong[i]
        while wrong == right:
            rng.shuffle(wrong)
        thing = rng.choice(OBJECTS)
        block, label = options(rng, " ".join([*right, thing]), [" ".join([*wrong, thing])])
        question = (f"English puts adjectives in this order: {', '.join(KINDS)}. Which is right?\n"
                    f"{block}\nAnswer A or B.")
        order = ", ".join(f"{word} ({kind})" for word, kind in zip(right, kinds))
        return question, dict(options=block, why=f"The order is {order}"), label


# ---- sports --------------------------------------------------------------------------------------

# Players known for one sport alone; deeds that belong to one sport alone; events of that sport.
SPORT_ENTRIES = {
    "basketball": (
        "LeBron James; Magic Johnson; Larry Bird; Kobe Bryant; Stephen Curry; Tim Duncan; "
        "Shaquille O'Neal; Yao Ming; Kareem Abdul-Jabbar; Dirk Nowitzki; Scottie Pippen; "
        "Karl Malone; John Stockton; Patrick Ewing; Kevin Durant; Pau Gasol; Dwyane Wade; "
        "Chris Paul; Reggie Miller; Allen Iverson; Tony Parker; Vince Carter; Jason Kidd",
        "dunked the ball; made a layup; hit a three-pointer; made a finger roll; "
        "dunked after an alley-oop; was called for goaltending; made two free throws; "
        "was called for a double dribble; scored with a hook shot; "
        "hit a jump shot from the baseline",
        "the NBA Finals; the NBA All-Star Game; the NBA playoffs"),
    "American football": (
        "Tom Brady; Peyton Manning; Joe Montana; Jerry Rice; Dan Marino; Brett Favre; "
        "Emmitt Smith; Barry Sanders; Aaron Rodgers; Drew Brees; Eli Manning; Randy Moss; "
        "Walter Payton; Lawrence Taylor; Joe Namath; Troy Aikman; Terry Bradshaw; "
        "Patrick Mahomes; Rob Gronkowski; Ray Lewis; Steve Young; Roger Staubach; Larry Fitzgerald",
        "threw a touchdown pass; caught a Hail Mary pass; ran for a first down; "
        "sacked the quarterback; fumbled at the two-yard line; caught a screen pass; "
        "returned a kickoff; converted a fourth down; recovered an onside kick; "
        "ran into the end zone",
        "the Super Bowl; the Pro Bowl; the NFL playoffs"),
    "baseball": (
        "Babe Ruth; Hank Aaron; Willie Mays; Ted Williams; Derek Jeter; Barry Bonds; "
        "Mickey Mantle; Joe DiMaggio; Lou Gehrig; Cal Ripken; Pete Rose; Mike Trout; Ken Griffey; "
        "Nolan Ryan; Randy Johnson; Greg Maddux; Yogi Berra; Stan Musial; Ichiro Suzuki; "
        "Mariano Rivera; David Ortiz; Albert Pujols; Roger Clemens",
        "hit a home run; stole second base; struck out swinging; threw a no-hitter; "
        "walked with the bases loaded; bunted for a single; grounded into a double play; "
        "threw a curveball; hit a sacrifice fly; slid into home plate",
        "the World Series; the American League Championship Series; the National League "
        "Championship Series"),
    "ice hockey": (
        "Wayne Gretzky; Mario Lemieux; Sidney Crosby; Bobby Orr; Gordie Howe; Alexander Ovechkin; "
        "Jaromir Jagr; Mark Messier; Patrick Roy; Martin Brodeur; Dominik Hasek; Steve Yzerman; "
        "Joe Sakic; Peter Forsberg; Nicklas Lidstrom; Teemu Selanne; Bobby Hull; Maurice Richard; "
        "Guy Lafleur; Mike Bossy; Phil Esposito; Connor McDavid; Ray Bourque",
        "was called for icing; took a slap shot; was sent to the penalty box; "
        "hit the puck off the post; cleared the puck; was called for high-sticking; "
        "skated behind the net; scored with a wrist shot; blocked a shot with the stick; "
        "lost the puck at the blue line",
        "the Stanley Cup Final; the NHL Winter Classic; the NHL playoffs"),
    "soccer": (
        "Pele; Diego Maradona; Lionel Messi; Cristiano Ronaldo; Zinedine Zidane; David Beckham; "
        "Franz Beckenbauer; Johan Cruyff; Ronaldinho; Thierry Henry; Wayne Rooney; "
        "Michel Platini; Andrea Pirlo; Andres Iniesta; Neymar; Kylian Mbappe; Didier Drogba; "
        "Robert Lewandowski; Paolo Maldini; Iker Casillas; Gianluigi Buffon; Harry Kane; "
        "Luka Modric",
        "headed the ball into the net; was shown a yellow card; was shown a red card; "
        "nutmegged a defender; scored with a bicycle kick; took a corner kick; "
        "curled a free kick over the wall; took a goal kick; scored with a diving header; "
        "volleyed the ball over the crossbar",
        "the FIFA World Cup; the UEFA Champions League final; the FA Cup final"),
}
SPORTS = {sport: tuple(map(entries, parts)) for sport, parts in SPORT_ENTRIES.items()}


class SportsUnderstanding(Reading):
    """Plausible is what keeps to one sport: the player's, the deed's and the event's.

        Is this plausible, that is, does all of it belong to one sport?
        "Kobe Bryant hit a home run in the NBA playoffs."
    """
    split, grade = "test", "B"
    parse = staticmethod(yes_no)

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice(("yes", "no"))
        known, event_share = at(rng, level, (5, 0), (23, 0.3), (23, 1))
        sports = [rng.choice(list(SPORTS))] * 3  # of the player, the deed, the event
        told = 3 if rng.random() < event_share else 2  # without the event there are two
        if label == "no":
            odd = rng.randrange(told)
            sports[odd] = rng.choice([sport for sport in SPORTS if sport != sports[odd]])
        parts = [rng.choice(SPORTS[sport][part][:known]) for part, sport in enumerate(sports)]
        player, deed, event = parts
        sentence = f"{player} {deed} in {event}." if told == 3 else f"{player} {deed}."
        question = (f"Is this plausible, that is, does all of it belong to one sport? "
                    f"\"{sentence}\" Answer yes or no.")
        belongs = [f"\"{part}\" belongs to {sport}" for part, sport in zip(parts, sports)]
        return question, dict(why=", ".join(belongs[:told])), label
