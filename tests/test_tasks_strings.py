"""The traps of the string tasks; test_questions_strings.py solves their questions again."""
import itertools
import re
from collections import Counter, deque

import pytest

from tasks import TASKS
from tasks.base import Instance

COUNTS = [15, pytest.param(200, marks=pytest.mark.slow)]


def instances(key, count, levels=(1, 3, 5)):
    return [TASKS[key].generate(seed, level) for level in levels for seed in range(-(-count // len(levels)))]


def made(key, **facts):
    """An instance of our own with these facts."""
    return Instance(key, 0, 3, "eval", "?", facts, str(TASKS[key].solve(**facts)))


def accepts(instance, answer):
    return TASKS[instance.task].verify(instance, answer)


# ---- reversing and sorting ------------------------------------------------------------------------------------------

def test_a_word_spelt_backward_ends_where_it_began():
    for instance in instances("rg/spell_backward", 30):
        word = instance.facts["word"]
        assert accepts(instance, " ".join(word[i] for i in range(len(word) - 1, -1, -1)))
        assert not accepts(instance, instance.expect[1:]) and accepts(instance, word) == (word == word[::-1])


@pytest.mark.parametrize("key", ["rg/word_sequence_reversal", "bbh/word_sorting", "rg/word_sorting"])
def test_lists_of_words_are_read_in_any_common_form_but_in_order(key):
    for instance in instances(key, 15):
        words = instance.expect.split()
        for text in (", ".join(words), str(words), str(words).replace("'", '"'), "\n".join(words)):
            assert accepts(instance, text)
        assert not accepts(instance, " ".join(words[::-1])) and not accepts(instance, " ".join(words[:-1]))
        assert not accepts(instance, " ".join(words + words[-1:]))


def test_sorted_words_stand_in_the_order_of_their_character_codes():
    for instance in instances("rg/word_sorting", 60) + instances("bbh/word_sorting", 60):
        codes = [[ord(c) for c in word] for word in instance.expect.split()]
        if instance.facts.get("order") == "descending":
            codes.reverse()
        assert all(a < b for a, b in zip(codes, codes[1:]))
        assert Counter(instance.expect.split()) == Counter(instance.facts["words"])


def test_case_counts_where_capitals_are_sorted_apart():
    instance = made("rg/word_sorting", words=["axe", "Bee", "CAT"], order="ascending")
    assert accepts(instance, "Bee CAT axe")
    assert not accepts(instance, "bee cat axe") and not accepts(instance, "axe Bee CAT")


# ---- counting -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", COUNTS)
def test_letters_are_counted_where_the_question_shows_them(count):
    for instance in instances("rg/letter_counting", count):
        letter, text = re.findall(r'"(.*?)"', instance.question)
        assert int(instance.expect) == len(re.findall(letter, text, re.IGNORECASE)) >= 2
    for instance in instances("symbench/letters", count):
        letter, word = re.findall(r'"(.*?)"', instance.question)
        places = [match.start() + 1 for match in re.finditer(letter, word)]
        backward = ", ".join(map(str, places[::-1]))
        assert accepts(instance, f"count: {len(places)}, positions: [{backward}]")
        assert not accepts(instance, f"Count: {len(places) + 1}, Positions: {places}")
        assert not accepts(instance, f"Count: {len(places)}, Positions: {[p - 1 for p in places] or [0]}")
        if places:
            assert not accepts(instance, f"Count: {len(places)}, Positions: {places + places[:1]}")


def test_swaps_to_alternation_are_the_fewest_by_breadth_first_search():
    def fewest(text):
        seen, queue = {text}, deque([(text, 0)])
        while queue:
            now, steps = queue.popleft()
            if "00" not in now and "11" not in now:
                return steps
            for i, j in itertools.combinations(range(len(now)), 2):
                other = now[:i] + now[j] + now[i + 1:j] + now[i] + now[j + 1:]
                if other not in seen:
                    seen.add(other)
                    queue.append((other, steps + 1))
        return -1

    for size in range(1, 8):
        for bits in itertools.product("01", repeat=size):
            assert TASKS["rg/binary_alternation"].solve("".join(bits)) == fewest("".join(bits)), bits


# ---- rearranging ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", COUNTS)
def test_anagram_groups_are_accepted_in_any_order_and_refused_when_changed(count):
    for instance in instances("rg/group_anagrams", count):
        groups = {}
        for word in instance.facts["words"]:
            groups.setdefault(frozenset(Counter(word).items()), []).append(word)
        groups = list(groups.values())
        assert accepts(instance, str(groups)) and accepts(instance, str([group[::-1] for group in groups[::-1]]))
        assert accepts(instance, "\n".join(", ".join(group) for group in groups))
        assert not accepts(instance, str([groups[0] + groups[1], *groups[2:]]))
        assert not accepts(instance, str(groups + groups[:1])) and not accepts(instance, str(groups[1:]))
        assert not accepts(instance, str([groups[0][:1], groups[0][1:], *groups[1:]]))
        assert not accepts(instance, str([groups[0] + groups[0][:1], *groups[1:]]))


def test_a_false_pair_has_the_letter_counts_and_the_doubles_of_a_true_one():
    for instance in instances("rg/isomorphic_strings", 60):
        s, t = instance.facts.values()
        assert sorted(Counter(s).values()) == sorted(Counter(t).values())
        for i in range(1, len(s)):
            assert (s[i - 1] == s[i]) == (t[i - 1] == t[i])


def test_isomorphism_must_hold_in_both_directions():
    solve = TASKS["rg/isomorphic_strings"].solve
    assert solve("egg", "add") and solve("ab", "ba")
    assert not solve("ab", "aa") and not solve("aa", "ab")


def test_exactly_the_palindromes_among_all_arrangements_are_accepted():
    for instance in instances("rg/palindrome_generation", 12, levels=(1,)):
        for arrangement in set(itertools.permutations(instance.facts["given"])):
            assert accepts(instance, "".join(arrangement)) == (arrangement == arrangement[::-1])
    instance = made("rg/palindrome_generation", given="abbac")
    assert accepts(instance, '"ABCBA".') and accepts(instance, "b a c a b")
    assert not accepts(instance, "abba") and not accepts(instance, "abccba") and not accepts(instance, "")


@pytest.mark.parametrize("count", COUNTS)
def test_notes_fail_for_the_lack_of_one_letter_once(count):
    labels = Counter()
    for instance in instances("rg/ransom_note", count):
        lacking = Counter(instance.facts["note"]) - Counter(instance.facts["magazine"])
        labels[not lacking] += 1
        assert lacking.total() <= 1 and set(instance.facts["note"]) <= set(instance.facts["magazine"])
        assert accepts(instance, str(not lacking)) and not accepts(instance, str(bool(lacking)))
        assert 2 <= len(instance.facts["magazine"]) / len(instance.facts["note"]) <= 4
    assert labels[True] and labels[False]


@pytest.mark.parametrize("count", COUNTS)
def test_the_added_brackets_and_no_others_close_the_sequence(count):
    def closed(text):
        while (shorter := re.sub(r"\(\)|\[\]|\{\}|<>", "", text)) != text:
            text = shorter
        return not text

    for instance in instances("bbh/dyck_languages", count):
        text, added = instance.facts["text"], instance.expect
        assert text in instance.question and closed(text + added)
        assert accepts(instance, " ".join(added)) and accepts(instance, f'"{added}"')
        assert not any(accepts(instance, wrong) for wrong in (added + ")", added[1:], text + added))
        if len(added) < 4:  # of all endings of this length or less, one closes
            endings = ["".join(e) for n in range(len(added) + 1) for e in itertools.product(")]}>", repeat=n)]
            assert [e for e in endings if closed(text + e)] == [e for e in endings if accepts(instance, e)] == [added]


# ---- deciphering ----------------------------------------------------------------------------------------------------

def test_a_code_is_read_in_any_common_form_but_in_order():
    instance = Instance("symbench/cryptanalysis", 0, 3, "eval", "?", {}, "16FV")
    for right in ("16FV", "['1', '6', 'F', 'V']", '["1", "6", "F", "V"]', "1 6 F V", "16fv"):
        assert accepts(instance, right)
    for wrong in ("61FV", "16VF", "16F", "16FVX", ""):
        assert not accepts(instance, wrong)


def test_the_anagram_sets_are_what_they_claim():
    from tasks.families.words import ANAGRAMS
    keys = [{"".join(sorted(word)) for word in group} for group in ANAGRAMS]
    assert all(len(key) == 1 for key in keys) and len(set.union(*keys)) == len(ANAGRAMS)
    assert all(2 <= len(set(group)) == len(group) <= 5 for group in ANAGRAMS)


def test_a_ladder_joins_any_two_short_words():
    from tasks.families.words import THREE
    found = THREE[:1]
    for word in found:  # grows while it is read
        found += [other for other in THREE if other not in found and sum(a != b for a, b in zip(word, other)) == 1]
    assert sorted(found) == THREE == sorted(set(THREE)) and {len(word) for word in THREE} == {3}
