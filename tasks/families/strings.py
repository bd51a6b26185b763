"""Strings and lists of words: reversing, sorting, counting, rearranging, deciphering."""
import re
from random import Random
from string import ascii_lowercase, ascii_uppercase

from tasks.base import Instance, Task, at, grid, integer, items, norm, yes_no
from tasks.families.words import ADJECTIVES, ANAGRAMS, COMMON, NAMES, NOUNS, PLACES, VERBS


def letters(text: str) -> str:
    """A string given as an answer: quotes, case and blanks do not matter."""
    return norm(text).replace(" ", "")


def words_of(text: str) -> list[str]:
    """A list of words; their case counts."""
    return items(text.strip().removesuffix("."))


def scramble(rng: Random, length: int, alphabet: str = ascii_lowercase) -> str:
    return "".join(rng.choices(alphabet, k=length))


def sentence(rng: Random, low: int, high: int) -> str:
    """A made-up sentence of low to high words; one of them, not the first or last, is "the"."""
    words: list[str] = []
    while not low <= len(words) <= high:
        words = words + ["and"] if words and len(words) < low else []
        words += [rng.choice(NAMES)[0], rng.choice(VERBS), "the"]
        words += [rng.choice(ADJECTIVES)] * rng.randrange(2) + [rng.choice(NOUNS)[0]]
        words += ["near", "the", rng.choice(PLACES)] * rng.randrange(2)
    return " ".join(words)


# ---- reversing and sorting ------------------------------------------------------------------------------------------

class SpellBackward(Task):
    parse = staticmethod(letters)

    def make(self, rng: Random, level: int) -> tuple:
        word = scramble(rng, rng.randint(*at(rng, level, (3, 5), (5, 10), (20, 40))))
        return f'Spell "{word}" backward. Answer with the letters alone.', dict(word=word)

    @staticmethod
    def solve(word):
        return word[::-1]

    def program(self, instance: Instance) -> str:
        return f"print(\"{instance.facts['word']}\"[::-1])\n"


class WordSequenceReversal(Task):
    def make(self, rng: Random, level: int) -> tuple:
        words = rng.sample(COMMON, rng.randint(*at(rng, level, (3, 5), (5, 10), (20, 40))))
        return f"Reverse this list of words: {' '.join(words)}. Answer with the words.", dict(words=words)

    @staticmethod
    def solve(words):
        return " ".join(words[::-1])

    @staticmethod
    def parse(text: str) -> list[str]:
        return words_of(text.lower())

    def program(self, instance: Instance) -> str:
        return f"print(*\"{' '.join(instance.facts['words'])}\".split()[::-1])\n"


class WordSorting(Task):
    suite = "bbh"

    def make(self, rng: Random, level: int) -> tuple:
        initials = at(rng, level, ascii_lowercase, ascii_lowercase, rng.choice(("bcs", "cps", "lmps", "bfgw")))
        pool = [word for word in COMMON if word[0] in initials]  # many shared beginnings make sorting hard
        words = rng.sample(pool, rng.randint(*at(rng, level, (3, 5), (5, 12), (20, 40))))
        return f"Sort these words alphabetically: {' '.join(words)}. Answer with the words.", dict(words=words)

    @staticmethod
    def solve(words):
        return " ".join(sorted(words))

    @staticmethod
    def parse(text: str) -> list[str]:
        return words_of(text.lower())

    def program(self, instance: Instance) -> str:
        return f"print(*sorted(\"{' '.join(instance.facts['words'])}\".split()))\n"


class AsciiWordSorting(Task):
    name = "word_sorting"
    parse = staticmethod(words_of)

    def make(self, rng: Random, level: int) -> tuple:
        words = rng.sample(COMMON, rng.randint(*at(rng, level, (3, 6), (5, 10), (20, 40))))
        if level > 1:
            words = [rng.choice((str.lower, str.upper, str.title))(word) for word in words]
        order = rng.choice(("ascending", "descending"))
        return (f"Sort these words by ASCII order (capitals before small letters), {order}: {' '.join(words)}. "
                "Answer with the words.", dict(words=words, order=order))

    @staticmethod
    def solve(words, order):
        return " ".join(sorted(words, reverse=order == "descending"))

    def program(self, instance: Instance) -> str:
        reverse = ", reverse=True" * (instance.facts["order"] == "descending")
        return f"print(*sorted(\"{' '.join(instance.facts['words'])}\".split(){reverse}))\n"


# ---- counting -------------------------------------------------------------------------------------------------------

class LetterCounting(Task):
    split = "test"
    parse = staticmethod(integer)

    def make(self, rng: Random, level: int) -> tuple:
        text = sentence(rng, *at(rng, level, (5, 8), (5, 15), (30, 60)))
        letter = rng.choice([c for c in text.lower() if c != " " and text.lower().count(c) > 1])
        return (f'How often does the letter "{letter}" occur in "{text}", capital or not? Answer with one integer.',
                dict(text=text, letter=letter))

    @staticmethod
    def solve(text, letter):
        return text.lower().count(letter)

    def program(self, instance: Instance) -> str:
        return 'print("{text}".lower().count("{letter}"))\n'.format(**instance.facts)


class Letters(Task):
    suite, split = "symbench", "test"
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        letter = rng.choice(ascii_lowercase)
        others = ascii_lowercase.replace(letter, "")
        word = list(scramble(rng, rng.randint(*at(rng, level, (5, 10), (10, 25), (30, 60))), others))
        for i in rng.sample(range(len(word)), rng.randint(*at(rng, level, (1, 3), (0, 5), (0, 8)))):
            word[i] = letter
        word = "".join(word)
        return (f'How often does "{letter}" occur in "{word}", and at which positions, counted from 1? '
                "Answer in the form Count: 2, Positions: [1, 3].", dict(word=word, letter=letter))

    @staticmethod
    def solve(word, letter):
        found = [i for i, c in enumerate(word, 1) if c == letter]
        return f"Count: {len(found)}, Positions: {found}"

    @staticmethod
    def parse(text: str) -> tuple[int, list[int]]:
        match = re.fullmatch(r"count:? (\d{1,9})[,;.]? positions:? (\[[\d, ]*\]|[\d, ]+)", norm(text), re.ASCII)
        return int(match[1]), sorted(map(int, items(match[2])))


class StatisticalCounting(Task):
    suite = "symbench"
    parse = staticmethod(integer)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        alphabet = ascii_uppercase[:rng.randint(*at(rng, level, (2, 2), (3, 5), (4, 7)))]
        longest = at(rng, level, 2, 3, 4)
        rules = {c: [rng.randint(1, 9), rng.randint(2, longest)] for c in alphabet}  # letter: points, shortest run
        size, text = rng.randint(*at(rng, level, (6, 12), (20, 60), (150, 300))), ""
        while len(text) < size:
            text += rng.choice(alphabet) * rng.choice((1, 1, 2, 2, 3, 4, 5))
        score = ", ".join(f"{points} for {least} or more {c}" for c, (points, least) in rules.items())
        return (f"What is the score of {text}, if each unbroken run of one letter scores once: {score}? "
                "Answer with one integer.", dict(text=text, rules=rules))

    @staticmethod
    def solve(text, rules):
        from itertools import groupby
        return sum(rules[c][0] for c, run in groupby(text) if len(list(run)) >= rules[c][1])


class BinaryAlternation(Task):
    parse = staticmethod(integer)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        size = rng.randint(*at(rng, level, (6, 10), (10, 30), (50, 100)))
        if rng.random() < 0.8:
            # An alternating row, and then as many swaps as are asked for: all are equally likely,
            # whatever the length of the row.
            row = list((rng.choice(("01", "10")) * size)[:size])
            swaps = rng.randint(0, size // 4)
            ones = [i for i, digit in enumerate(row) if digit == "1"]
            zeros = [i for i, digit in enumerate(row) if digit == "0"]
            for i, j in zip(rng.sample(ones, swaps), rng.sample(zeros, swaps)):
                row[i], row[j] = row[j], row[i]
        else:
            # Impossible: digits drawn one by one until there are too many of one kind.
            row = rng.choices("01", k=size)
            while abs(2 * row.count("1") - size) < 2:
                row = rng.choices("01", k=size)
        text = "".join(row)
        return ("What is the smallest number of swaps of any two characters that makes "
                f"{text} alternate? Answer with one integer, -1 if it is impossible.", dict(text=text))

    # A swap mends two places, and as many must be mended among the ones as among the zeros.
    @staticmethod
    def solve(text):
        n = sum(a == b for a, b in zip(text, "01" * len(text)))
        swaps = [wrong // 2 for wrong in (n, len(text) - n) if wrong % 2 == 0]
        return min(swaps) if abs(2 * text.count("1") - len(text)) < 2 else -1


# ---- rearranging ----------------------------------------------------------------------------------------------------

class GroupAnagrams(Task):
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        count = rng.randint(*at(rng, level, (2, 3), (4, 8), (8, 12)))
        if at(rng, level, 0, 0, 1):
            groups = [self._scrambles(rng) for _ in range(count)]
        else:
            groups = [rng.sample(group, rng.randint(2, min(len(group), at(rng, level, 2, 5, 5))))
                      for group in rng.sample(ANAGRAMS, count)]
        words = sorted({word for group in groups for word in group})
        rng.shuffle(words)
        return (f"Group the anagrams among these words: {' '.join(words)}. Answer with a list of lists of words.",
                dict(words=words))

    def _scrambles(self, rng: Random) -> list[str]:
        """Some letters in two or more different orders."""
        orders: set[str] = set()
        while len(orders) < 2:  # the same order may be drawn each time
            source = scramble(rng, rng.randint(4, 7))
            orders = {"".join(rng.sample(source, len(source))) for _ in range(rng.randint(2, 5))}
        return sorted(orders)

    @staticmethod
    def solve(words):
        from itertools import groupby
        return [list(group) for _, group in groupby(sorted(words, key=sorted), sorted)]

    @staticmethod
    def parse(text: str) -> list[list[str]]:
        return sorted(map(sorted, grid(text.lower())))


def doubles(text: str) -> int:
    """How many letters of a string are followed by the same letter."""
    return sum(a == b for a, b in zip(text, text[1:]))


class IsomorphicStrings(Task):
    """A false pair has two letters swapped: to count letters, or letters that stand twice in a row, tells nothing."""
    parse = staticmethod(yes_no)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice((True, False))
        size = rng.randint(*at(rng, level, (3, 5), (5, 10), (15, 40)))
        alphabet = rng.sample(ascii_lowercase, max(2, size // 2))
        renamed = dict(zip(ascii_lowercase, rng.sample(ascii_lowercase, 26)))
        s = t = ""
        while self.solve(s, t) is not label or len(set(s)) < 2 or doubles(s) != doubles(t):
            s = scramble(rng, size, alphabet)
            t = "".join(renamed[c] for c in s)
            if not label:  # may still be a true pair: "ab" is renamed to "xy" as well as to "yx"
                i, j = sorted(rng.sample(range(size), 2))
                t = t[:i] + t[j] + t[i + 1:j] + t[i] + t[j + 1:]
        return (f'Can the letters of "{s}" be renamed one-to-one to give "{t}"? Answer True or False.', dict(s=s, t=t))

    @staticmethod
    def solve(s, t):
        return len(set(s)) == len(set(t)) == len(set(zip(s, t)))


class PalindromeGeneration(Task):
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        size = rng.randint(*at(rng, level, (3, 6), (6, 12), (20, 40)))
        given = "a"
        while given == given[::-1]:
            given = scramble(rng, size // 2) * 2 + rng.choice(ascii_lowercase) * (size % 2)
            given = "".join(rng.sample(given, size))
        return (f'Rearrange the letters of "{given}" into a palindrome. Answer with the letters alone.',
                dict(given=given))

    @staticmethod
    def solve(given):
        half = "".join(c * (given.count(c) // 2) for c in sorted(set(given)))
        middle = "".join(c for c in set(given) if given.count(c) % 2)
        return half + middle + half[::-1]

    def check(self, answer: str, instance: Instance) -> bool:
        word = letters(answer)
        return word == word[::-1] and sorted(word) == sorted(instance.facts["given"])


class PalindromePartitioning(Task):
    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (4, 6), (5, 9), (9, 12))
        while True:
            alphabet, text = rng.sample(ascii_lowercase, rng.randint(3, 5)), ""
            while len(text) < low:
                half = scramble(rng, rng.randint(1, 2), alphabet)
                text += half + half[::-1][rng.randrange(2):]
            if len(text) <= high and 1 < len(ways := self.solve(text)) <= 40 and len(str(ways)) < 1_400:
                return (f'List all ways to cut "{text}" into palindromes (single letters are palindromes). '
                        "Answer with a list of lists of pieces, the pieces in order.", dict(text=text))

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
    """A false note lacks one copy of a letter that the magazine has: to look for each letter is not enough."""
    parse = staticmethod(yes_no)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        label = rng.choice((True, False))
        size = rng.randint(*at(rng, level, (2, 5), (5, 10), (20, 40)))
        pool = rng.sample(ascii_lowercase, at(rng, level, 6, 10, 16))
        note = ""
        while len(set(note)) == len(note):  # some letter is needed twice
            note = scramble(rng, size, pool)
        magazine = list(note)
        if not label:
            lacking = rng.choice([c for c in note if note.count(c) > 1])
            magazine.remove(lacking)
            pool.remove(lacking)
        magazine += rng.choices(pool, k=rng.randint(2 * size, 4 * size) - len(magazine))
        rng.shuffle(magazine)
        magazine = "".join(magazine)
        return (f'Can "{note}" be put together from the letters of "{magazine}", each used at most once? '
                "Answer True or False.", dict(note=note, magazine=magazine))

    @staticmethod
    def solve(note, magazine):
        return all(note.count(c) <= magazine.count(c) for c in note)


class DyckLanguages(Task):
    suite, split = "bbh", "test"
    parse = staticmethod(letters)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        missing = rng.randint(*at(rng, level, (1, 2), (2, 4), (4, 8)))
        text = ""
        for _ in range(missing):
            text += self._balanced(rng, rng.randint(*at(rng, level, (0, 1), (0, 4), (2, 5)))) + rng.choice("([{<")
        text += self._balanced(rng, rng.randint(*at(rng, level, (0, 1), (0, 4), (2, 5))))
        return (f"Which closing brackets complete {text} so that all are properly nested? "
                "Answer with the brackets that are to be added.", dict(text=text))

    def _balanced(self, rng: Random, pairs: int) -> str:
        if not pairs:
            return ""
        inside = rng.randrange(pairs)
        left, right = rng.choice(("()", "[]", "{}", "<>"))
        return left + self._balanced(rng, inside) + right + self._balanced(rng, pairs - 1 - inside)

    @staticmethod
    def solve(text):
        missing = ""
        for c in text:
            if c in "([{<":
                missing = ")]}>"["([{<".index(c)] + missing
            else:
                missing = missing[1:]
        return missing


# ---- deciphering ----------------------------------------------------------------------------------------------------

class CaesarCipher(Task):
    split = "test"
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        plain = sentence(rng, *at(rng, level, (4, 6), (6, 10), (12, 20))).upper()
        key = rng.randint(1, 25)
        text = "".join(chr((ord(c) - 65 + key) % 26 + 65) if c != " " else c for c in plain)
        return ("Each letter was moved on by the same unknown number of places in the alphabet (A follows Z): "
                f"{text}. The plain text has the word THE. Answer with it.", dict(text=text), plain)

    @staticmethod
    def solve(text):
        for key in range(26):
            plain = "".join(chr((ord(c) - key) % 26 + 65) if c > " " else c for c in text)
            if " THE " in plain:
                break
        return plain


def feedback(guess, code):
    """What a guess of two different symbols tells about two true ones."""
    placed = (guess[0] == code[0]) + (guess[1] == code[1])
    found = (guess[0] in code) + (guess[1] in code)
    if found == 2:
        return "both right" if placed else "both right but swapped"
    if found == 1:
        return "one in place" if placed else "one misplaced"
    if max(guess) < min(code):
        return "both too low"
    return "both too high" if min(guess) > max(code) else "both wrong"


def pairs():
    """All pairs of different digits, and all pairs of different capital letters."""
    return [[a + b for a in symbols for b in symbols if a != b]
            for symbols in ("0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")]


def narrow(left, guess, said):
    """The digit pairs and letter pairs, of those left, that agree with what was said of a guess."""
    return [[pair for pair in half if feedback(part, pair) == word]
            for half, part, word in zip(left, (guess[:2], guess[2:]), said)]


class Cryptanalysis(Task):
    suite, split = "symbench", "test"
    uses = (feedback, pairs, narrow)

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (4, 6), (7, 11), (14, 18))
        every, guesses = pairs(), []
        while not low <= len(guesses) <= high:  # guesses are drawn until a single code is left
            code, left, guesses = "".join(map(rng.choice, every)), every, []
            while len(guesses) <= high and len(left[0]) * len(left[1]) > 1:
                guess = "".join(map(rng.choice, every))
                said = [feedback(guess[:2], code[:2]), feedback(guess[2:], code[2:])]
                left = narrow(left, guess, said)
                guesses.append([guess, *said])
        lines = "\n".join(f"{guess}: digits {one}, letters {two}" for guess, one, two in guesses)
        return ("A code has two different digits, then two different capital letters. Some guesses were judged:\n"
                f"{lines}\nDigits and letters are judged apart. In place: a right symbol in its place. Misplaced: it "
                "belongs in the other place of its pair. Where one symbol is mentioned, the other is wrong. Both too "
                "low: both are wrong and below the two true ones (B is above A); both too high: likewise above; both "
                "wrong: neither of these two. What is the code? Answer in the form 12AB.", dict(guesses=guesses))

    @staticmethod
    def solve(guesses):
        left = pairs()
        for guess, *said in guesses:
            left = narrow(left, guess, said)
        return left[0][0] + left[1][0]

    @staticmethod
    def parse(text: str) -> str:
        return "".join(items(norm(text)))
