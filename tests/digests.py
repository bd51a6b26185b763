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
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
