"""Strings and lists of words: reversing, sorting, counting, rearranging."""
from random import Random
from string import ascii_lowercase

from tasks.base import Instance, Task, at, items, norm
from tasks.words import COMMON


class SpellBackward(Task):
    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (3, 5), (5, 10), (20, 40))
        word = "".join(rng.choice(ascii_lowercase) for _ in range(rng.randint(low, high)))
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
        return items(norm(text))

    def program(self, instance: Instance) -> str:
        return f"print(*\"{' '.join(instance.facts['words'])}\".split()[::-1])\n"


class WordSorting(Task):
    suite = "bbh"

    def make(self, rng: Random, level: int) -> tuple:
        words = rng.sample(COMMON, rng.randint(*at(rng, level, (3, 5), (5, 12), (20, 40))))
        return f"Sort these words alphabetically: {' '.join(words)}. Answer with the words.", dict(words=words)

    @staticmethod
    def solve(words):
        return " ".join(sorted(words))

    @staticmethod
    def parse(text: str) -> list[str]:
        return items(norm(text))

    def program(self, instance: Instance) -> str:
        return f"print(*sorted(\"{' '.join(instance.facts['words'])}\".split()))\n"
