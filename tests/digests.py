"""Whether the questions of the shipped tasks are still the same: `python tests/digests.py` compares.

tests/digests.txt holds one short digest a task, made of nine of its questions and their answers.
It also says which tasks are shipped: a task that is not in it is the reader's own.
With --write the table is made anew from the questions of today; then CHANGED is emptied.
"""
import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "tests" / "digests.txt"

# Tasks whose questions were changed on purpose since the table was written, and why.
CHANGED: dict[str, str] = {
    "bbh/boolean_expressions": "only the constants are drawn anew, so no operator hints at True",
    "bbh/causal_judgement": "stories on whose causes and intentions nobody is in doubt; either person may stand first",
    "bbh/date_understanding": "riddles count from the day they name; no option stands out, not by nearness to it either",
    "bbh/disambiguation_qa": "level 1 says what C is for",
    "bbh/formal_fallacies": "a spoilt argument has as many negations as a sound one",
    "bbh/logical_deduction_five_objects": "no clue says the place that is asked for",
    "bbh/logical_deduction_seven_objects": "no clue says the place that is asked for",
    "bbh/logical_deduction_three_objects": "no clue says the place that is asked for",
    "bbh/navigate": "a walk that misses the start has an even sum of steps too",
    "bbh/object_counting": "no animal is among the objects that are counted",
    "bbh/penguins_in_a_table": "the right number stands anywhere among five neighbours",
    "bbh/reasoning_about_colored_objects": "two colours that differ, and one thing \"is\" there",
    "bbh/ruin_names": "the other options are as long as the pun, with letters no rarer",
    "bbh/salient_translation_error_detection": "an opposite is never a noun, so one fault is meant",
    "bbh/snarks": "no comment that fits good and bad news alike",
    "bbh/sports_understanding": "asks whether all belongs to one sport; no doubtful deeds",
    "bbh/temporal_sequences": "a span that no sentence tells need not be the free one; each time is told once",
    "bbh/web_of_lies": "asks for somebody in the middle: counting lies tells nothing",
    "rg/acre": "each answer has a question about the same trials",
    "rg/arc_1d": "says when a single digit counts as a run, and what becomes of equally long ones",
    "rg/basic_arithmetic": "no product alone, which held-out tasks ask for",
    "rg/binary_alternation": "neither the amount of ones nor the length tells the swaps",
    "rg/circuit_logic": "each circuit has inputs for 0 and for 1, so its gates tell nothing",
    "rg/course_schedule": "a course that needs nothing is in schedules with a circle, too",
    "rg/cryptarithm": "says that no two letters share a digit",
    "rg/game_of_life_halting": "boards with few cells are no likelier to die out",
    "rg/group_anagrams": "words without an anagram are drawn again",
    "rg/isomorphic_strings": "neither counting letters nor looking for doubles gives the answer away",
    "rg/jugs": "says what one step is",
    "rg/quantum_lock": "says which buttons may be pressed when",
    "rg/ransom_note": "comparing lengths does not give the answer away",
    "rg/self_reference": "says \"1 is true\" instead of \"1 are true\"",
    "rg/syllogism": "All, No, Some and not occur as often for Yes as for No",
    "symbench/gsm": "plainer sentences: boxes are given, sums take the singular",
    "symbench/logical_equation": "says that the numbers are different",
    "symbench/mahjong_pattern": "counting letters does not give the answer away",
    "symbench/math_counting_and_probability": "three questions are said without doubt",
    "symbench/math_geometry": "three questions are said without doubt",
}

# The table as a dictionary: "rg/gcd" -> "3f2a91bc".
KNOWN = dict(line.split() for line in TABLE.read_text().splitlines()) if TABLE.exists() else {}
SHIPPED = sorted(KNOWN)


def digest(instances) -> str:
    """Eight hexadecimal digits for a list of questions with their answers."""
    told = [(instance.question, instance.expect) for instance in instances]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:8]


def digests(tasks) -> dict[str, str]:
    """The digest of every task: of three questions at levels 1, 3 and 5 each."""
    return {key: digest([task.generate(seed, level) for level in (1, 3, 5) for seed in range(3)])
            for key, task in tasks.items()}


def complaints(now: dict[str, str]) -> list[str]:
    """One sentence for every shipped task that changed and is not in CHANGED, or the other way round."""
    said = []
    for key, before in KNOWN.items():
        if key not in now and key not in CHANGED:
            said.append(f"{key} is gone: name it in CHANGED, or bring it back")
        elif now.get(key) != before and key not in CHANGED:
            said.append(f"{key} asks other questions than before: name it in CHANGED with the reason")
        elif now.get(key) == before and key in CHANGED:
            said.append(f"{key} is named in CHANGED, but its questions are the same")
    return said


def main() -> None:
    # The tasks are those of the directory above, whatever the current one is.
    sys.path.insert(0, str(ROOT))
    from tasks import TASKS
    now = digests(TASKS)
    if sys.argv[1:] == ["--write"]:
        TABLE.write_text("".join(f"{key} {value}\n" for key, value in now.items()))
        print(f"{TABLE}: {len(now)} tasks")
        return
    found = complaints(now)
    own = [key for key in now if key not in KNOWN]
    print("\n".join(found) or f"{len(KNOWN) - len(CHANGED)} tasks ask the same questions as before")
    print(f"changed on purpose: {len(CHANGED)}; not shipped: {', '.join(own) or 'none'}")
    for key, why in CHANGED.items():
        print(f"    {key}: {why}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
