"""What README.md and STUDIES.md say is true: flags, names, metrics, numbers, examples."""
import ast
import contextlib
import functools
import importlib.util
import io
import re
import tokenize
from pathlib import Path

import pytest

import grpo
import tiny
from digests import SHIPPED
from r1ci import render_messages
from tasks import TASKS
from tasks.report import make_report
from test_evaluation import talk
from test_scripts import inside

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
STUDIES = (ROOT / "tests" / "STUDIES.md").read_text(encoding="utf-8")
BOTH = README + "\n" + STUDIES


def section(title: str) -> str:
    """A section of the README, from its heading to the next one of the same depth."""
    pattern = rf"^(##+) {re.escape(title)}$.*?(?=^##? |\Z)"
    found = re.search(pattern, README, re.MULTILINE | re.DOTALL)
    assert found, f"the README has no section {title!r}"
    return found[0]


def words(text: str) -> int:
    return len(text.split())


def test_the_readme_has_at_most_1800_words_and_the_lab_sheet_1200():
    lab = words(section("Lab sheet"))
    assert lab <= 1_200
    assert words(README) - lab <= 1_800


# ---- commands ------------------------------------------------------------------------------------

# What may stand behind `python`; the first that fits is the command.
COMMANDS = ["r1ci.py ask", "r1ci.py eval", "r1ci.py show", "r1ci.py page", "sft.py", "grpo.py",
            "sandbox.py", "-m tasks.teacher collect", "-m tasks.teacher choose", "-m tasks",
            "tests/study.py", "tests/attacks.py", "tests/bench_step.py", "tests/bench_sampler.py",
            "tests/bench_train.py", "tests/bench_sandbox.py"]
COMMAND = re.compile("(?<![\\w/])(" + "|".join(map(re.escape, COMMANDS)) + ")(?![\\w.])([^`#|&]*)")


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of code blocks and of inline code, each as (command, what follows)."""
    code = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    code += re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    joined = [line for part in code for line in part.replace("\\\n", " ").splitlines()]
    # Inline code may go on in the next line of the text.
    joined += [" ".join(part.split()) for part in code if "python" in part and "\n\n" not in part]
    return [(found[1], found[2]) for line in joined for found in COMMAND.finditer(line)]


@functools.cache
def help_of(command: str) -> str:
    """What `--help` prints; in this process, which has imported torch already."""
    script, *subcommand = command.removeprefix("-m ").removeprefix("tests/").split()
    if script == "tasks":
        script = "tasks.__main__"
    return inside(script, *subcommand, "--help")


def flags_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_of_every_command_exists(command):
    used = set()
    for name, rest in commands(BOTH):
        if name == command:
            used |= flags_in(rest)
    # $C is spelled out in the lab sheet, and given to grpo.py.
    if command == "grpo.py":
        used |= flags_in(re.search(r'^C="(.*)"$', README, re.MULTILINE)[1])
    known = flags_in(help_of(command))
    assert used <= known, used - known


def test_the_commands_are_found_in_the_text():
    """Else the test above would test nothing."""
    text = "`python grpo.py $C --a\n--b`\n```bash\npython sft.py --c \\\n    --d # --e\n```\n"
    found = commands(text + "`python -m tasks.teacher choose F --f`")
    flags = {(command, flag) for command, rest in found for flag in flags_in(rest)}
    assert flags == {("grpo.py", "--a"), ("grpo.py", "--b"), ("sft.py", "--c"), ("sft.py", "--d"),
                     ("-m tasks.teacher choose", "--f")}
    assert {command for command, _ in commands(BOTH)} == set(COMMANDS)


def test_a_flag_that_is_named_alone_belongs_to_some_command():
    prose = re.sub(r"```.*?```", "", BOTH, flags=re.DOTALL)
    named = {flag for code in re.findall(r"`(--[^`]+)`", prose) for flag in flags_in(code)}
    known = set().union(*(flags_in(help_of(command)) for command in COMMANDS))
    assert named and named <= known, named - known


# ---- files and names -----------------------------------------------------------------------------

@functools.cache
def names_of(file: str) -> set[str]:
    """Functions, classes, `Class.method` and constants of a file, without importing it."""
    found = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
            found |= {f"{node.name}.{part.name}" for part in node.body
                      if isinstance(node, ast.ClassDef) and isinstance(part, ast.FunctionDef)}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign):
            found.add(node.target.id)
    return found


def test_every_function_that_is_named_with_its_file_exists():
    named = re.findall(r"`([\w/]+\.py): ([^`]+)`", BOTH)
    assert len(named) > 30
    for file, listed in named:
        for name in listed.split(", "):
            assert name in names_of(file), f"{file} has no {name}"


def test_every_file_that_is_named_exists():
    runs = r"runs/|page\.html|families/mine\.py"   # written by the reader
    for path in re.findall(r"`((?:tests|tasks)/[\w/.]*)`|\]\(((?!http)[^)]+)\)", BOTH):
        name = path[0] or path[1]
        assert re.search(runs, name) or (ROOT / name).exists(), name


def test_every_test_that_is_named_exists():
    defined = set()
    for path in (ROOT / "tests").glob("test_*.py"):
        source = path.read_text(encoding="utf-8")
        defined |= set(re.findall(r"^def (test_\w+)", source, re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", BOTH))
    assert len(named) > 10
    assert named <= defined, named - defined


# ---- the reading route ---------------------------------------------------------------------------

def code_tokens(source: str) -> list[tuple[int, str]]:
    """(line, token) of all that is no comment, layout or docstring."""
    layout = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
              tokenize.ENDMARKER)
    kept, starts_line = [], True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        docstring = starts_line and token.type == tokenize.STRING
        if token.type not in layout and not docstring:
            kept.append((token.start[0], token.string))
        starts_line = token.type in layout
    return kept


def section_lines(source: str, title: str) -> range:
    """The lines of the section of a Python file whose heading begins with `title`."""
    lines = source.splitlines()
    headings = [i for i, line in enumerate(lines, 1) if line.startswith("# ---- ")]
    ends = [*headings[1:], len(lines) + 1]
    found = [range(start, end) for start, end in zip(headings, ends)
             if lines[start - 1].removeprefix("# ---- ").startswith(title)]
    assert len(found) == 1, title
    return found[0]


def definition_lines(source: str, name: str) -> range:
    """The lines of a function, class or `Class.method`."""
    body = ast.parse(source).body
    for part in name.split("."):
        node = next(node for node in body if getattr(node, "name", None) == part)
        body = node.body
    return range(node.lineno, node.end_lineno + 1)


def test_the_reading_route_exists_and_is_about_15000_tokens_long():
    text = section("Read it in one evening")
    skipped = re.search(r"`r1ci.py: ([\w., ]+)`", text)[1].split(", ")
    count = 0
    for file, titles in re.findall(r"^\| \d+ \| `([\w/]+\.py)` \| (.*?) \|$", text, re.MULTILINE):
        source = (ROOT / file).read_text(encoding="utf-8")
        chosen: set[int] = set()
        for title in titles.split("; "):
            if title.startswith("then `train`"):
                chosen |= set(definition_lines(source, "train"))
            else:
                chosen |= set(section_lines(source, title))
        if file == "r1ci.py":
            for name in skipped:
                chosen -= set(definition_lines(source, name))
        count += sum(line in chosen for line, _ in code_tokens(source))
    stated = int(re.search(r"About ([\d,]+) Python tokens", text)[1].replace(",", ""))
    assert abs(count - stated) < 0.1 * stated, count


def test_the_seven_steps_have_their_numbers_in_grpo():
    source = (ROOT / "grpo.py").read_text(encoding="utf-8")
    text = section("The algorithm in seven steps")
    steps = re.findall(r"^(\d)\. \*\*(\w+)\*\*", text, re.MULTILINE)
    assert [number for number, _ in steps] == list("1234567")
    for number, name in steps:
        [heading] = re.findall(rf"^# ---- {number}\. (.*?) -*$", source, re.MULTILINE)
        assert name.lower() in heading, heading


# ---- metrics -------------------------------------------------------------------------------------

def logged_by_grpo() -> set[str]:
    """Names of what grpo.py logs: its measures, and the keywords and keys that its code writes."""
    names = set(grpo.ANSWER_METRICS)
    functions = {"rollout_metrics", "reward_metrics", "update", "train", "means", "add_sampled"}
    for node in ast.walk(ast.parse((ROOT / "grpo.py").read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef) or node.name not in functions:
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Call) and getattr(part.func, "id", "") == "dict":
                names |= {keyword.arg for keyword in part.keywords if keyword.arg}
            if isinstance(part, ast.Call) and getattr(part.func, "attr", "") in ("add", "fromkeys"):
                names |= {leaf.value for leaf in ast.walk(part) if isinstance(leaf, ast.Constant)}
            if isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant) \
                    and getattr(part.value, "id", "") in ("metrics", "means"):
                names.add(part.slice.value)
            if isinstance(part, ast.Dict):
                names |= {key.value for key in part.keys if isinstance(key, ast.Constant)}
    return {name for name in names if isinstance(name, str)}


def explained(title: str) -> set[str]:
    """The names in the first column of the first table behind `title` in STUDIES.md."""
    table = re.search(r"(?:^\|.*\n)+", STUDIES[STUDIES.index(title):], re.MULTILINE)[0]
    first_cells = [row.split("|")[1] for row in table.splitlines()]
    return {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_metric_is_explained_and_every_name_that_is_explained_is_logged():
    names = explained("`metrics.jsonl` has the flags")
    logged = logged_by_grpo()
    assert names <= logged, names - logged
    # `step` is itself; `tokens` is summed up and not logged.
    assert logged - names <= {"step", "tokens"}, logged - names


def test_every_field_of_an_evaluation_that_is_explained_is_written():
    report = {**make_report([[talk(), talk()]]), "too_long": {}}   # evaluate adds the last
    names = explained("An evaluation (`eval.json`")
    assert names <= set(report), names - set(report)


# ---- numbers and examples ------------------------------------------------------------------------

def test_the_shipped_tasks_are_counted():
    tasks = [TASKS[key] for key in SHIPPED]   # a reader may have added some
    text = " ".join(section("The tasks").split())
    grades = [sum(task.grade == grade for task in tasks) for grade in "ABC"]
    splits = [sum(task.split == split for task in tasks) for split in ("train", "test")]
    assert f"all {len(tasks)}:" in text
    assert f"{splits[0]} train, {splits[1]} are held out" in text
    told = re.findall(r"(\d+) (?:are like|narrower|rule-based)", text)
    assert [int(number) for number in told] == grades


def test_the_conversation_is_masked_as_it_says():
    text = section("One conversation, its mask, its reward, its advantage")
    shown = re.findall(r"^mask ([01]) \| (.*)$", text, re.MULTILINE)
    pieces = [(int(mask), piece.replace("\\n", "\n").removeprefix("...")) for mask, piece in shown]
    chat = tiny.chat()
    question = re.search(r"user\n(.*?)<\|im_end\|>", pieces[0][1], re.DOTALL)[1]
    result = pieces[2][1].split("user\n")[1].split("<|im_end|>")[0]
    messages = [{"role": "user", "content": question},
                {"role": "assistant", "content": pieces[1][1]},
                {"role": "user", "content": result},
                {"role": "assistant", "content": pieces[3][1].removesuffix("<|im_end|>")}]
    ids, loss_mask = render_messages(chat, [{"role": "system", "content": "Solve it."}, *messages])
    found = []   # runs of tokens with one mask
    for token, mask in zip(ids, loss_mask):
        if not found or found[-1][0] != mask:
            found.append((mask, []))
        found[-1][1].append(token)
    decoded = [(mask, chat.decode(run)) for mask, run in found]
    assert decoded[0][0] == 0 and decoded[0][1].endswith(pieces[0][1])
    # The template may end with a new line, which nobody samples.
    assert decoded[1:4] == pieces[1:]


def test_the_advantages_are_those_of_the_rewards():
    text = section("One conversation, its mask, its reward, its advantage")
    rewards = re.search(r"^rewards +((?:[01] +)+)", text, re.MULTILINE)[1]
    rewards = [float(reward) for reward in rewards.split()]
    shown = re.search(r"^advantages +(.*)$", text, re.MULTILINE)[1]
    shown = [float(advantage) for advantage in shown.split()]
    mean = sum(rewards) / len(rewards)
    deviation = (sum((r - mean) ** 2 for r in rewards) / len(rewards)) ** 0.5
    assert shown == [round((r - mean) / deviation, 2) for r in rewards]
    assert shown == [round(a, 2) for a in grpo.group_advantages(rewards, divide_by_std=True)]
    assert f"mean {mean:.2f}, standard deviation {deviation:.2f}" in text


def test_the_task_that_the_readme_adds_works(tmp_path):
    """Its text, saved as the file that it names, is a task like all others."""
    [source] = re.findall(r"```python\n(# tasks/families/mine.py\n.*?)```", README, re.DOTALL)
    (tmp_path / "mine.py").write_text(source)
    spec = importlib.util.spec_from_file_location("tasks.families.mine", tmp_path / "mine.py")
    module = importlib.util.module_from_spec(spec)
    shipped = dict(TASKS)   # perhaps with this very task, if the reader has done the exercise
    TASKS.pop("rg/digit_sum", None)
    try:
        spec.loader.exec_module(module)
        task = TASKS["rg/digit_sum"]
        instance = task.generate(seed=0, level=3)
        number = re.search(r"digits of (\d+)\?", instance.question)[1]
        assert task.verify(instance, str(sum(int(digit) for digit in number)))
        assert not task.verify(instance, str(sum(int(digit) for digit in number) + 1))
        assert (task.split, task.grade) == ("train", "A")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(task.program(instance), {})
        assert task.verify(instance, printed.getvalue())
    finally:
        TASKS.clear()
        TASKS.update(shipped)


def test_rloo_in_the_lab_sheet_gives_what_it_says():
    """Its lines, run as they stand: an answer less the mean of the others, by hand 1 and -1/4."""
    lines = re.search(r"(def rloo\(.*?)```", README, re.DOTALL)[1]
    body = {"within_groups": grpo.within_groups}
    exec(lines, body)
    [found] = body["rloo"]([[1.0, 0.0, 0.0, 0.0, 0.0]], True, None)
    assert found == pytest.approx([1, -0.25, -0.25, -0.25, -0.25])
