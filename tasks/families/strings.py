"""Strings and lists of words: reversing, sorting, counting, rearranging, deciphering."""
import re
from random import Random
from string import ascii_lowercase, ascii_uppercase

from tasks.base import Instance, Task, at, between, grid, integer, items, norm, yes_no
from tasks.families.words import ADJECTIVES, ANAGRAMS, COMMON, FIRST_NAMES, NOUNS, PLACES, VERBS


def letters(text: str) -> str:
    """A string given as an answer: quotes, case and blanks do not matter."""
    return norm(text).replace(" ", "")


def cased_word_list(text: str) -> list[str]:
    """A list of words whose case counts."""
    return items(text.strip().removesuffix("."))


def word_list(text: str) -> list[str]:
    """A list of words; their case does not matter."""
    return cased_word_list(text.lower())


def scramble(rng: Random, length: int, alphabet: str | list[str] = ascii_lowercase) -> str:
    return "".join(rng.choices(alphabet, k=length))


def clause(rng: Random) -> list[str]:
    """Ada sells the red clock near the park: the colour and the place may be missing."""
    start = [rng.choice(FIRST_NAMES), rng.choice(VERBS), "the"]
    adjective = [rng.choice(ADJECTIVES)] * rng.randrange(2)
    noun = [rng.choice(NOUNS)[0]]
    place = ["near", "the", rng.choice(PLACES)] * rng.randrange(2)
    return start + adjective + noun + place


def sentence(rng: Random, low: int, high: int) -> str:
    """Clauses with "and" between them, low to high words; "the" is one of the inner ones."""
    told = clause(rng)
    while not low <= len(told) <= high:
        if len(told) < low:
            told += ["and", *clause(rng)]
        else:  # too long: begin again
            told = clause(rng)
    return " ".join(told)


# ---- reversing and sorting -----------------------------------------------------------------------

class SpellBackward(Task):
    """Spell "stone" backward: enots."""
    parse = staticmethod(letters)

    def make(self, rng: Random, level: int) -> tuple:
        word = scramble(rng, between(rng, level, (3, 5), (5, 10), (20, 40)))
        return f'Spell "{word}" backward. Answer with the letters alone.', dict(word=word)

    @staticmethod
    def solve(word):
        return word[::-1]

    def program(self, instance: Instance) -> str:
        word = instance.facts["word"]
        return f'print("{word}"[::-1])\n'


class WordSequenceReversal(Task):
    """Reverse this list of words: river oak lamp."""
    parse = staticmethod(word_list)

    def make(self, rng: Random, level: int) -> tuple:
        words = rng.sample(COMMON, between(rng, level, (3, 5), (5, 10), (20, 40)))
        question = f"Reverse this list of words: {' '.join(words)}. Answer with the words."
        return question, dict(words=words)

    @staticmethod
    def solve(words):
        return " ".join(words[::-1])

    def program(self, instance: Instance) -> str:
        words = " ".join(instance.facts["words"])
        return f'print(*"{words}".split()[::-1])\n'


class WordSorting(Task):
    """Sort these words alphabetically: river oak lamp."""
    suite = "bbh"
    parse = staticmethod(word_list)

    def make(self, rng: Random, level: int) -> tuple:
        # Words with one beginning are hard to sort.
        few = rng.choice(("bcs", "cps", "lmps", "bfgw"))
        initials = at(rng, level, ascii_lowercase, ascii_lowercase, few)
        pool = [word for word in COMMON if word[0] in initials]
        words = rng.sample(pool, between(rng, level, (3, 5), (5, 12), (20, 40)))
        question = f"Sort these words alphabetically: {' '.join(words)}. Answer with the words."
        return question, dict(words=words)

    @staticmethod
    def solve(words):
        return " ".join(sorted(words))

    def program(self, instance: Instance) -> str:
        words = " ".join(instance.facts["words"])
        return f'print(*sorted("{words}".split()))\n'


class AsciiWordSorting(Task):
    """Sort these words by ASCII order, ascending: river OAK Lamp."""
    name = "word_sorting"
    parse = staticmethod(cased_word_list)

    def make(self, rng: Random, level: int) -> tuple:
        words = rng.sample(COMMON, between(rng, level, (3, 6), (5, 10), (20, 40)))
        if level > 1:
            words = [rng.choice((str.lower, str.upper, str.title))(word) for word in words]
        order = rng.choice(("ascending", "descending"))
        question = ("Sort these words by ASCII order (capitals before small letters), "
                    f"{order}: {' '.join(words)}. Answer with the words.")
        return question, dict(words=words, order=order)

    @staticmethod
    def solve(words, order):
        return " ".join(sorted(words, reverse=order == "descending"))

    def program(self, instance: Instance) -> str:
        words = " ".join(instance.facts["words"])
        reverse = ", reverse=True" if instance.facts["order"] == "descending" else ""
        return f'print(*sorted("{words}".split(){reverse}))\n'


# ---- counting ------------------------------------------------------------------------------------

class LetterCounting(Task):
    """How often does the letter "e" occur in "Ada sells the red clock"?"""
    split = "test"
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        text = sentence(rng, *at(rng, level, (5, 8), (5, 15), (30, 60)))
        small = text.lower()
        letter = rng.choice([c for c in small if c != " " and small.count(c) > 1])
        question = (f'How often does the letter "{letter}" occur in "{text}", capital or not? '
                    "Answer with one integer.")
        return question, dict(text=text, letter=letter)

    @staticmethod
    def solve(text, letter):
        return text.lower().count(letter)

    def program(self, instance: Instance) -> str:
        return 'print("{text}".lower().count("{letter}"))\n'.format(**instance.facts)


class Letters(Task):
    """How often does "a" occur in "banana", and at which positions?"""
    suite, split = "symbench", "test"
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        letter = rng.choice(ascii_lowercase)
        size = between(rng, level, (5, 10), (10, 25), (30, 60))
        signs = rng.choices(ascii_lowercase.replace(letter, ""), k=size)
        for i in rng.sample(range(size), between(rng, level, (1, 3), (0, 5), (0, 8))):
            signs[i] = letter
        word = "".join(signs)
        return (f'How often does "{letter}" occur in "{word}", and at which positions, counted '
                "from 1? Answer in the form Count: 2, Positions: [1, 3].",
                dict(word=word, letter=letter))

    @staticmethod
    def solve(word, letter):
        found = [i for i, c in enumerate(word, 1) if c == letter]
        return f"Count: {len(found)}, Positions: {found}"

    @staticmethod
    def parse(text: str) -> tuple[int, list[int]]:
        part = r"(?:[\d, ]|and)"
        form = rf"count ?[:=]? ?(\d{{1,9}})[,;.]? positions ?[:=]? ?(\[{part}*\]|{part}+)"
        match = re.fullmatch(form, norm(text), re.ASCII)
        return int(match[1]), sorted(map(int, items(match[2])))


class StatisticalCounting(Task):
    """What is the score of AABBBA, if runs score: 3 for 2 or more A, 5 for 3 or more B? 8."""
    suite = "symbench"
    parse = staticmethod(integer)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        alphabet = ascii_uppercase[:between(rng, level, (2, 2), (3, 5), (4, 7))]
        longest = at(rng, level, 2, 3, 4)
        # letter -> its points, and the shortest run that scores
        rules = {c: [rng.randint(1, 9), rng.randint(2, longest)] for c in alphabet}
        size = between(rng, level, (6, 12), (20, 60), (150, 300))
        text = ""
        while len(text) < size:
            text += rng.choice(alphabet) * rng.choice((1, 1, 2, 2, 3, 4, 5))
        scores = ", ".join(f"{points} for {least} or more {c}"
                           for c, (points, least) in rules.items())
        return (f"What is the score of {text}, if each unbroken run of one letter scores once: "
                f"{scores}? Answer with one integer.", dict(text=text, rules=rules))

    # The pattern of a run of at least three letters A is AAA+.
    @staticmethod
    def solve(text, rules):
        import re
        return sum(points * len(re.findall(c * least + "+", text))
                   for c, (points, least) in rules.items())


class BinaryAlternation(Task):
    """What is the smallest number of swaps that makes 0011 alternate? 1, since 0101 does."""
    parse = staticmethod(integer)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        size = between(rng, level, (6, 10), (10, 30), (50, 100))
        if rng.random() < 0.8:
            text = self._swapped(rng, size)
        else:
            text = "01"
            while self.solve(text) >= 0:  # until there are too many of one digit
                text = scramble(rng, size, "01")
        question = (f"What is the smallest number of swaps of any two characters that makes {text} "
                    "alternate? Answer with one integer, -1 if it is impossible.")
        return question, dict(text=text)

    def _swapped(self, rng: Random, size: int) -> str:
        """An alternating row, then some swaps of a 1 and a 0: each number of swaps is as likely."""
        start = rng.randrange(2)  # where the first 0 stands
        row = list("01" * size)[start:start + size]
        swaps = rng.randint(0, size // 4)
        ones = rng.sample(range(1 - start, size, 2), swaps)
        zeros = rng.sample(range(start, size, 2), swaps)
        for i, j in zip(ones, zeros):
            row[i], row[j] = "0", "1"
        return "".join(row)

    # A swap mends two places, and as many must be mended among the ones as among the zeros.
    @staticmethod
    def solve(text):
        n = sum(a == b for a, b in zip(text, "01" * len(text)))
        swaps = [wrong // 2 for wrong in (n, len(text) - n) if wrong % 2 == 0]
        return min(swaps) if abs(2 * text.count("1") - len(text)) < 2 else -1


# ---- rearranging ---------------------------------------------------------------------------------

class GroupAnagrams(Task):
    """Group the anagrams among these words: tea now eat won."""
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        count = between(rng, level, (2, 3), (4, 8), (8, 12))
        drawn = set()
        if at(rng, level, False, False, True):
            for _ in range(count):
                drawn |= self._scrambles(rng)
        else:
            for known in rng.sample(ANAGRAMS, count):
                most = at(rng, level, 2, 5, 5)
                drawn.update(rng.sample(known, rng.randint(2, min(len(known), most))))
        words = sorted(drawn)
        rng.shuffle(words)
        question = (f"Group the anagrams among these words: {' '.join(words)}. "
                    "Answer with a list of lists of words.")
        return question, dict(words=words)

    def _scrambles(self, rng: Random) -> set[str]:
        """Some letters in two or more different orders."""
        orders = set()
        while len(orders) < 2:  # one order may be drawn each time
            source = scramble(rng, rng.randint(4, 7))
            orders = {"".join(rng.sample(source, len(source))) for _ in range(rng.randint(2, 5))}
        return orders

    @staticmethod
    def solve(words):
        from itertools import groupby
        return [list(group) for _, group in groupby(sorted(words, key=sorted), sorted)]

    @staticmethod
    def parse(text: str) -> list[list[str]]:
        return sorted(map(sorted, grid(text.lower())))


def doubles(text: str | list[str]) -> list[bool]:
    """Of each letter but the last, whether the same one follows."""
    return [a == b for a, b in zip(text, text[1:])]


class IsomorphicStrings(Task):
    """Can the letters of "egg" be renamed one-to-one to give "add"?

    A false pair has two letters swapped and its doubles where a true pair has them, and either
    kind is drawn from the same words: neither counting letters nor looking for doubles tells.
    """
    parse = staticmethod(yes_no)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice((True, False))
        size = between(rng, level, (5, 7), (6, 10), (15, 40))
        alphabet = rng.sample(ascii_lowercase, max(3, size // 2))
        new = dict(zip(ascii_lowercase, rng.sample(ascii_lowercase, 26)))
        while True:
            s = scramble(rng, size, alphabet)
            renamed = [new[c] for c in s]
            spoilt = renamed.copy()
            i, j = rng.sample(range(size), 2)
            spoilt[i], spoilt[j] = spoilt[j], spoilt[i]
            # It may still be a true pair: "ab" is renamed to "xy" as well as to "yx".
            if doubles(s) == doubles(spoilt) and not self.solve(s, spoilt):
                t = "".join(renamed if label else spoilt)
                return (f'Can the letters of "{s}" be renamed one-to-one to give "{t}"? '
                        "Answer True or False.", dict(s=s, t=t))

    @staticmethod
    def solve(s, t):
        return len(set(s)) == len(set(t)) == len(set(zip(s, t)))


class PalindromeGeneration(Task):
    """Rearrange the letters of "aabcb" into a palindrome: abcba."""
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        size = between(rng, level, (3, 6), (6, 12), (20, 40))
        given = ""
        while given == given[::-1]:
            half = scramble(rng, size // 2)
            middle = rng.choice(ascii_lowercase) * (size % 2)
            given = "".join(rng.sample(half + half + middle, size))
        question = (f'Rearrange the letters of "{given}" into a palindrome. '
                    "Answer with the letters alone.")
        return question, dict(given=given)

    @staticmethod
    def solve(given):
        half = "".join(c * (given.count(c) // 2) for c in sorted(set(given)))
        middle = "".join(c for c in set(given) if given.count(c) % 2)
        return half + middle + half[::-1]

    def check(self, answer: str, instance: Instance) -> bool:
        word = letters(answer)
        return word == word[::-1] and sorted(word) == sorted(instance.facts["given"])


def draw_palindromes(rng: Random, least: int) -> str:
    """Short palindromes one after another, of few letters, with so many letters at the least."""
    alphabet = rng.sample(ascii_lowercase, rng.randint(3, 5))
    text = ""
    while len(text) < least:
        half = scramble(rng, rng.randint(1, 2), alphabet)
        text += half + half[::-1][rng.randrange(2):]
    return text


class PalindromePartitioning(Task):
    """List all ways to cut "aab" into palindromes: [["a", "a", "b"], ["aa", "b"]]."""

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (4, 6), (5, 9), (9, 12))
        while True:
            text = draw_palindromes(rng, low)
            ways = self.solve(text)
            if len(text) <= high and 1 < len(ways) <= 40 and len(str(ways)) < 1_400:
                break
        question = (f'List all ways to cut "{text}" into palindromes (single letters are '
                    "palindromes). Answer with a list of lists of pieces, the pieces in order.")
        return question, dict(text=text)

    @staticmethod
    def solve(text):
        def ways(rest):
            if not rest:
                return [[]]
            heads = [rest[:i] for i in range(1, len(rest) + 1) if rest[:i] == rest[:i][::-1]]
            return [[head] + tail for head in heads for tail in ways(rest[len(head):])]

        return ways(text)

    @staticmethod
    def parse(text: str) -> list[list[str]]:
        return sorted(grid(text.lower()))  # a way given twice differs from a way given once


class RansomNote(Task):
    """Can "bee" be put together from the letters of "zebra", each used at most once?

    A false note lacks one copy of a letter that the magazine has: to look for each letter is not
    enough.
    """
    parse = staticmethod(yes_no)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice((True, False))
        size = between(rng, level, (2, 5), (5, 10), (20, 40))
        pool = rng.sample(ascii_lowercase, at(rng, level, 6, 10, 16))
        repeated = []
        while not repeated:  # some letter is needed twice
            note = scramble(rng, size, pool)
            repeated = [c for c in note if note.count(c) > 1]
        cut = list(note)
        if not label:
            lacking = rng.choice(repeated)
            cut.remove(lacking)
            pool.remove(lacking)
        cut += rng.choices(pool, k=rng.randint(2 * size, 4 * size) - len(cut))
        rng.shuffle(cut)
        magazine = "".join(cut)
        question = (f'Can "{note}" be put together from the letters of "{magazine}", each used at '
                    "most once? Answer True or False.")
        return question, dict(note=note, magazine=magazine)

    @staticmethod
    def solve(note, magazine):
        return all(note.count(c) <= magazine.count(c) for c in note)


class DyckLanguages(Task):
    """Which closing brackets complete ( < > [ so that all are properly nested? ] )."""
    suite, split = "bbh", "test"
    parse = staticmethod(letters)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        # Balanced parts, and between two of them a bracket that stays open.
        parts = between(rng, level, (2, 3), (3, 5), (5, 9))
        text = ""
        for i in range(parts):
            if i:  # not before the first part
                text += rng.choice("([{<")
            text += self._balanced(rng, between(rng, level, (0, 1), (0, 4), (2, 5)))
        return (f"Which closing brackets complete {text} so that all are properly nested? "
                "Answer with the brackets that are to be added.",
                dict(text=text))

    def _balanced(self, rng: Random, pairs: int) -> str:
        """So many pairs of brackets, side by side and within each other."""
        text = ""
        while pairs:
            inside = rng.randrange(pairs)
            left = rng.choice("([{<")
            text += left + self._balanced(rng, inside) + self.solve(left)
            pairs -= inside + 1
        return text

    @staticmethod
    def solve(text):
        closing = {"(": ")", "[": "]", "{": "}", "<": ">"}
        missing = ""
        for c in text:
            if c in closing:
                missing = closing[c] + missing
            else:
                missing = missing[1:]
        return missing


# ---- deciphering ---------------------------------------------------------------------------------

class CaesarCipher(Task):
    """BEB TFMMT UIF DMPDL, each letter moved on by as many places, was ADA SELLS THE CLOCK."""
    split = "test"
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        plain = sentence(rng, *at(rng, level, (4, 6), (6, 10), (12, 20))).upper()
        key = rng.randint(1, 25)
        moved = ascii_uppercase[key:] + ascii_uppercase[:key]
        text = plain.translate(str.maketrans(ascii_uppercase, moved))
        question = ("Each letter was moved on by the same unknown number of places in the alphabet "
                    f"(A follows Z): {text}. The plain text has the word THE. Answer with it.")
        return question, dict(text=text), plain

    @staticmethod
    def solve(text):
        for key in range(26):
            plain = "".join(chr((ord(c) - key) % 26 + 65) if c > " " else c for c in text)
            if " THE " in plain:
                break
        return plain


def pairs(symbols):
    """All pairs of two different symbols."""
    return [a + b for a in symbols for b in symbols if a != b]


def feedback(guess, true):
    """What a guess of two different symbols tells about the two true ones."""
    in_place = guess[0] == true[0] or guess[1] == true[1]
    found = len(set(guess) & set(true))
    if found == 2:
        return "both right" if in_place else "both right but swapped"
    if found == 1:
        return "one in place" if in_place else "one misplaced"
    if max(guess) < min(true):
        return "both too low"
    if min(guess) > max(true):
        return "both too high"
    return "both wrong"


def agreeing(pairs, guess, said):
    """The pairs that agree with what was said of a guess."""
    return [pair for pair in pairs if feedback(guess, pair) == said]


class Cryptanalysis(Task):
    """A guess of 12AB was judged: digits one misplaced, letters both too low. What is the code?"""
    suite, split = "symbench", "test"
    uses = (pairs, feedback, agreeing)

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (4, 6), (7, 11), (14, 18))
        guesses = []
        while not low <= len(guesses) <= high:
            guesses = self._guesses(rng, high)
        lines = "\n".join(f"{guess}: digits {one}, letters {two}" for guess, one, two in guesses)
        question = ("A code has two different digits, then two different capital letters. Some "
                    f"guesses were judged:\n{lines}\nDigits and letters are judged apart. In "
                    "place: a right symbol in its place. Misplaced: it belongs in the other place "
                    "of its pair. Where one symbol is mentioned, the other is wrong. Both too low: "
                    "both are wrong and below the two true ones (B is above A); both too high: "
                    "likewise above; both wrong: neither of these two. What is the code? Answer in "
                    "the form 12AB.")
        return question, dict(guesses=guesses)

    def _guesses(self, rng: Random, most: int) -> list[list[str]]:
        """Guesses, and what is said of them, until a single code is left or they are too many."""
        every = digits, capitals = pairs("0123456789"), pairs(ascii_uppercase)
        code = [rng.choice(half) for half in every]
        guesses = []
        while len(guesses) <= most and len(digits) * len(capitals) > 1:
            guess = [rng.choice(half) for half in every]
            one, two = map(feedback, guess, code)
            digits = agreeing(digits, guess[0], one)
            capitals = agreeing(capitals, guess[1], two)
            guesses.append(["".join(guess), one, two])
        return guesses

    @staticmethod
    def solve(guesses):
        digits, capitals = pairs("0123456789"), pairs("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        for guess, one, two in guesses:
            digits = agreeing(digits, guess[:2], one)
            capitals = agreeing(capitals, guess[2:], two)
        return digits[0] + capitals[0]

    @staticmethod
    def parse(text: str) -> str:
        return "".join(items(norm(text)))
