"""Every string task solved again from the words of its question alone, by another method than the task's own."""
import itertools
import re
from collections import Counter

import pytest

from tasks import LEVELS, TASKS

CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def quoted(question):
    """The strings between quotation marks."""
    return re.findall(r'"(.*?)"', question)


def listed(question):
    """The words of a list: they stand behind the question's last colon."""
    return re.search(r": ([A-Za-z ]+)\. Answer", question)[1].split()


# ---- reversing and sorting ------------------------------------------------------------------------------------------

def spell_backward(question):
    [word] = quoted(question)
    return "".join(word[-i] for i in range(1, len(word) + 1))


def word_sequence_reversal(question):
    turned = []
    for word in listed(question):
        turned.insert(0, word)
    return " ".join(turned)


def word_sorting(question):
    """Each word stands behind as many words as are smaller, letter by letter."""
    words = listed(question)
    codes = {word: [ord(letter) for letter in word] for word in words}
    if "ASCII" not in question:
        assert all(word.islower() for word in words)
    place = {word: sum(codes[other] < codes[word] for other in words) for word in words}
    order = sorted(words, key=place.get)
    return " ".join(order[::-1] if "descending" in question else order)


# ---- counting -------------------------------------------------------------------------------------------------------

def letter_counting(question):
    letter, text = quoted(question)
    return str(len(re.findall(letter, text, re.IGNORECASE)))


def letters(question):
    letter, word = quoted(question)
    places = [match.start() + 1 for match in re.finditer(letter, word)]
    return f"Count: {len(places)}, Positions: {places}"


def statistical_counting(question):
    total = 0
    for run in re.finditer(r"(.)\1*", re.search(r"score of ([A-Z]+),", question)[1]):
        points, least = re.search(rf"(\d+) for (\d+) or more {run[1]}", question).groups()
        total += int(points) * (len(run[0]) >= int(least))
    return str(total)


def binary_alternation(question):
    """Each swap puts a misplaced 1 right and a misplaced 0: both alternating strings are compared place by place."""
    bits = re.search(r"makes ([01]+) alternate", question)[1]
    swaps = []
    for first in "01":
        target = [first if i % 2 == 0 else "10"[int(first)] for i in range(len(bits))]
        if Counter(target) == Counter(bits):
            swaps.append(sum(have == "1" and want == "0" for have, want in zip(bits, target)))
    return str(min(swaps, default=-1))


# ---- rearranging ----------------------------------------------------------------------------------------------------

def group_anagrams(question):
    words = listed(question)
    groups = []
    for word in words:
        for group in groups:
            if Counter(group[0]) == Counter(word):
                group.append(word)
                break
        else:
            groups.append([word])
    assert len(set(words)) == len(words) and min(map(len, groups)) >= 2, "each word should have an anagram"
    return str(groups)


def isomorphic_strings(question):
    """Two strings match if the same pairs of places hold equal letters."""
    s, t = quoted(question)
    pairs = itertools.combinations(range(len(s)), 2)
    return str(len(s) == len(t) and all((s[i] == s[j]) == (t[i] == t[j]) for i, j in pairs))


def palindrome_generation(question):
    """Put each pair of equal letters round what stands so far."""
    [given] = quoted(question)
    odd = [letter for letter, count in Counter(given).items() if count % 2]
    assert len(odd) == len(given) % 2
    word = "".join(odd)
    for letter in (Counter(given) - Counter(odd)).elements():
        if word.count(letter) < given.count(letter):
            word = letter + word + letter
    return word


def palindrome_partitioning(question):
    """Try all ways to cut or not to cut between two letters."""
    [text] = quoted(question)
    ways = []
    for cuts in itertools.product((False, True), repeat=len(text) - 1):
        ends = [0, *(i for i, cut in enumerate(cuts, 1) if cut), len(text)]
        pieces = [text[a:b] for a, b in zip(ends, ends[1:])]
        if all(piece == piece[::-1] for piece in pieces):
            ways.append(pieces)
    return str(ways)


def ransom_note(question):
    """Take the letters out of the magazine one by one."""
    note, magazine = quoted(question)
    for letter in note:
        if letter not in magazine:
            return "False"
        magazine = magazine.replace(letter, "", 1)
    return "True"


def dyck_languages(question):
    """Strike out pairs until only opening brackets are left."""
    text = re.search(r"complete (\S+) so", question)[1]
    shorter = re.sub(r"\(\)|\[\]|\{\}|<>", "", text)
    while shorter != text:
        text, shorter = shorter, re.sub(r"\(\)|\[\]|\{\}|<>", "", shorter)
    return text[::-1].translate(str.maketrans("([{<", ")]}>"))


# ---- deciphering ----------------------------------------------------------------------------------------------------

def caesar_cipher(question):
    """One shift alone may show the word THE."""
    text = re.search(r": ([A-Z ]+)\. The plain", question)[1]
    tables = [str.maketrans(CAPITALS, CAPITALS[k:] + CAPITALS[:k]) for k in range(26)]
    [plain] = [plain for plain in map(text.translate, tables) if "THE" in plain.split()]
    return plain


def judged(guess, code, symbols):
    """What the question's words say of a guess, worked out symbol by symbol."""
    marks = ["in place" if g == c else "misplaced" if g in code else "wrong" for g, c in zip(guess, code)]
    right = [mark for mark in marks if mark != "wrong"]
    if len(right) == 2:
        return "both right" if marks[0] == "in place" else "both right but swapped"
    if right:
        return f"one {right[0]}"
    above = {symbols.index(g) > symbols.index(c) for g in guess for c in code}
    return "both wrong" if len(above) == 2 else "both too high" if above.pop() else "both too low"


def cryptanalysis(question):
    """Try all codes; one alone may fit."""
    lines = re.findall(r"^(\d\d)([A-Z][A-Z]): digits (.*), letters (.*)$", question, re.MULTILINE)
    digits = [pair for pair in itertools.permutations("0123456789", 2)
              if all(judged(guess, pair, "0123456789") == said for guess, _, said, _ in lines)]
    capitals = [pair for pair in itertools.permutations(CAPITALS, 2)
                if all(judged(guess, pair, CAPITALS) == said for _, guess, _, said in lines)]
    assert len(digits) == len(capitals) == 1
    return "".join(digits[0] + capitals[0])


READERS = {
    "rg/spell_backward": spell_backward, "rg/word_sequence_reversal": word_sequence_reversal,
    "bbh/word_sorting": word_sorting, "rg/word_sorting": word_sorting, "rg/letter_counting": letter_counting,
    "symbench/letters": letters, "symbench/statistical_counting": statistical_counting,
    "rg/binary_alternation": binary_alternation, "rg/group_anagrams": group_anagrams,
    "rg/isomorphic_strings": isomorphic_strings, "rg/palindrome_generation": palindrome_generation,
    "rg/palindrome_partitioning": palindrome_partitioning, "rg/ransom_note": ransom_note,
    "bbh/dyck_languages": dyck_languages, "rg/caesar_cipher": caesar_cipher, "symbench/cryptanalysis": cryptanalysis}


@pytest.fixture
def seeds(request):
    """Six questions at each of the five levels; sixty with --slow."""
    return range(60 if request.config.getoption("--slow") else 6)


def test_every_task_of_the_family_has_a_reader():
    assert set(READERS) == {key for key, task in TASKS.items() if task.family == "strings"}


@pytest.mark.parametrize("key", READERS)
def test_the_question_alone_leads_to_the_accepted_answer(key, seeds):
    """And the answer to the question before is refused, where it is another."""
    before = ""
    for level in LEVELS:
        for seed in seeds:
            instance = TASKS[key].generate(seed, level)
            answer = READERS[key](instance.question)
            assert TASKS[key].verify(instance, answer), \
                f"{answer!r} is refused, {instance.expect!r} expected: {instance.question}"
            assert before == instance.expect or not TASKS[key].verify(instance, before), \
                f"{before!r} is accepted, {instance.expect!r} expected: {instance.question}"
            before = instance.expect
