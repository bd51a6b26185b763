"""The page of runs: by parsing it, and as a browser shows it (skipped where there is none)."""
import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
import tiny
from test_scripts import inside, refusal

import grpo
from tasks.conversation import Trajectory
from tasks.page import MOST_BYTES, arrange, decode_each, read_curve, write_page

# What a hostile model writes to get out of the page's data and have its script run.
HOSTILE = ("</script><script>document.title = 'hacked'</script><!-- <img src=x onerror=alert(1)>"
           " &lt; \u2028")
SYSTEM = "Solve it."


def trajectory(question: str, texts: list[str], reward: float, sample: int) -> Trajectory:
    """A conversation of turns and, between them, what the sandbox printed."""
    chat = tiny.chat()
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    t = Trajectory(tiny.instance(question), sample, messages, right=reward, stop_reason="answer")
    t.append(chat.encode(SYSTEM + question), sampled=False)
    t.prompt_len = len(t.ids)
    for i, text in enumerate(texts):
        ids = chat.encode(text)
        sampled = i % 2 == 0
        t.append(ids, sampled, [-0.5 - i] * len(ids) if sampled else None)
        t.messages.append({"role": "assistant" if sampled else "user", "content": text})
    t.statuses = ["ok"] * (len(texts) // 2)
    return t


class Lines:
    """Stands in for a RunDir: what is written to trajectories.jsonl."""

    def __init__(self, directory: Path):
        self.directory = directory

    def add_line(self, name: str, value: dict) -> None:
        with open(self.directory / name, "a", encoding="utf-8") as file:
            file.write(json.dumps(value) + "\n")


def write_lines(path: Path, lines: list[dict]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def report(accuracy: float, **more) -> dict:
    return {"accuracy": accuracy, "stderr": 0.05, "n": 72, **more}


@pytest.fixture
def run(tmp_path) -> Path:
    """A run of four steps in two stages; steps 2 and 4 keep a whole group, 1 and 3 one answer."""
    directory = tmp_path / "run"
    directory.mkdir()
    flags = {"seed": 0, "tasks": "rg/gcd", "group_size": 2, "order": "potential", "stages": 2,
             "updates": 1, "mode": "ci", "advantage": "grpo"}
    lines = [{"flags": flags, "sandbox": "sandbox: seccomp"}]
    for step in (1, 2, 3, 4):
        lines.append({"step": step, "stage": 1 if step < 3 else 2, "reward": step / 10,
                      "t_sample": 2.0, "t_update": 1.0, "grad_norm": None if step == 3 else 1.0})
    lines[2] |= {"val_accuracy": 0.5}
    write_lines(directory / "metrics.jsonl", lines)
    # 4p(1-p) is 0, 0.75, 1, 0.75: the two of stage 1 are p = 0.5 and the first of 0.75 and 0.25.
    # Of the first one's answers the sandbox has failed three.
    rates = [{"pass_rate": p, "samples": n} for p, n in ((0.0, 1), (0.75, 4), (0.5, 4), (0.25, 4))]
    write_lines(directory / "pass_rates.jsonl", rates)
    before = report(0.25, tasks={"rg/gcd": report(0.25)})
    after = report(0.75, tasks={"rg/gcd": report(0.75)}, before=before, step=4,
                   modes={"text": report(0.125)})
    (directory / "eval.json").write_text(json.dumps(after))
    tiny.chat().tokenizer.backend_tokenizer.save(str(directory / "tokenizer.json"))
    for step in (1, 2, 3, 4):
        right = ["print(1)", HOSTILE, "Good: <<<1>>> \u00e9\u4e2d"]
        group = [trajectory(f"Question {step}?", right, reward=1.0, sample=0),
                 trajectory(f"Question {step}?", [HOSTILE], reward=0.0, sample=1)]
        kept = 1 if step % 2 else 2
        grpo.log_answers(Lines(directory), step, group[:kept], [1.0, 0.0], [1.0, -1.0])
    return directory


class Parsed(HTMLParser):
    """A page's elements, and what its scripts hold."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        self.data = json.loads(self.scripts[0])

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, text):
        if self.lasttag == "script" and self.scripts:
            self.scripts[-1] += text


def page_of(*directories: Path) -> Parsed:
    out = directories[0].parent / "page.html"
    size = write_page([str(directory) for directory in directories], str(out))
    assert size == out.stat().st_size
    return Parsed(out.read_text(encoding="utf-8"))


# ---- by parsing ----------------------------------------------------------------------------------

def test_the_page_needs_nothing_but_itself(run):
    page = page_of(run)
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object"), tag
        assert "src" not in attributes and attributes.get("href", "#").startswith("#")
    policy = [attributes["content"] for tag, attributes in page.elements
              if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy and policy[0].startswith("default-src 'none'")


def test_what_a_model_writes_cannot_leave_the_data(run):
    page = page_of(run)
    assert [attributes.get("type") for tag, attributes in page.elements if tag == "script"] == \
        ["application/json", None]
    assert not re.search("[<>&\u2028]", page.scripts[0])
    [wrong] = page.data["runs"][0]["groups"][0]["conversations"][1:]
    assert "".join(wrong["texts"]) == HOSTILE


def test_what_was_run_and_how_it_ended_is_as_its_files_say(run):
    [told] = page_of(run).data["runs"]
    assert (told["kind"], told["steps"]) == ("grpo", 4)
    assert told["seconds"] == {"sampling": 8.0, "updates": 4.0}
    assert told["accuracy"]["tasks"] == {"rg/gcd": [[0.25, 0.05], [0.75, 0.05]],
                                         "all": [[0.25, 0.05], [0.75, 0.05]]}
    assert told["accuracy"]["modes"] == {"text": [0.125, 0.05]}
    assert told["curves"] == {"reward": [[1, 0.1], [2, 0.2], [3, 0.3], [4, 0.4]],
                              "val_accuracy": [[2, 0.5]],
                              "grad_norm": [[1, 1.0], [2, 1.0], [4, 1.0]]}


def test_a_loss_that_is_0_but_for_rounding_is_drawn_as_0():
    steps = [{"step": 1, "loss": -3e-8}, {"step": 2, "loss": 4e-8}, {"step": 3, "loss": 0.012346}]
    assert read_curve(steps, "loss") == [[1, 0.0], [2, 0.0], [3, 0.01235]]


def test_the_curriculum_is_told_by_question_and_by_stage(run):
    [told] = page_of(run).data["runs"]
    assert told["stages"] == [1, 3]
    [measured] = told["measurements"]
    # [p, questions of stage 1, of stage 2]
    assert measured["bars"] == [[0.0, 0, 1], [0.25, 0, 1], [0.5, 1, 0], [0.75, 1, 0], [1.0, 0, 0]]
    assert measured["ranges"] == [[2, 0.5, 0.75], [2, 0.0, 0.25]]


def test_the_stages_are_those_of_the_training_loop():
    rates = [i / 16 for i in (0, 3, 16, 8, 8, 5, 11, 13, 2, 9)]
    values = [grpo.potential(p) for p in rates]
    curriculum = grpo.Curriculum(values, stages=3, merge=True, steps_per_stage=1, seed=0)
    expected = [[rates[i] for i in group] for group in curriculum.bands]
    assert arrange(rates, "potential", 3) == expected


def test_a_group_has_its_question_once_and_every_token_under_its_mask(run):
    [told] = page_of(run).data["runs"]
    assert [group["step"] for group in told["groups"]] == [2, 4]   # of 1 and 3 no group was kept
    group = told["groups"][0]
    assert group["question"] == "Question 2?" and group["system"] == SYSTEM
    right, wrong = group["conversations"]
    assert (right["reward"], right["advantage"], right["calls"]) == (1.0, 1.0, 1)
    assert (wrong["reward"], wrong["advantage"], wrong["calls"]) == (0.0, -1.0, 0)
    parts = {1: "", 0: ""}
    for text, sampled in zip(right["texts"], right["mask"], strict=True):
        parts[sampled] += text
    assert parts == {1: "print(1)Good: <<<1>>> \u00e9\u4e2d", 0: HOSTILE}
    first = len(tiny.chat().encode("print(1)"))
    assert set(right["logps"][:first]) == {-0.5} and set(right["logps"][first:]) == {-2.5}
    assert len(right["logps"]) == sum(right["mask"])


def test_a_character_of_several_tokens_is_shown_whole_and_a_broken_one_does_not_hide_others():
    tokenizer = tiny.chat().tokenizer.backend_tokenizer
    ids = tokenizer.encode("a\u4e2d\U0001f600b", add_special_tokens=False).ids
    texts = decode_each(tokenizer, ids)
    assert len(texts) == len(ids) and "".join(texts) == "a\u4e2d\U0001f600b"
    assert [text for text in texts if text] == ["a", "\u4e2d", "\U0001f600", "b"]
    cut = decode_each(tokenizer, ids[:2])   # ends within a character
    assert cut == ["a", ""]
    stray = decode_each(tokenizer, [ids[1]] * 9 + ids[-1:])
    assert len(stray) == 10 and "".join(stray).endswith("b")


def test_questions_of_two_levels_are_no_group(run):
    """Seed 0 of level 1 and seed 0 of level 2 are different questions."""
    lines = [json.loads(line) for line in (run / "trajectories.jsonl").read_text().splitlines()]
    [first] = [line for line in lines if line["step"] == 1][:1]
    write_lines(run / "trajectories.jsonl", [{**first, "level": level} for level in (1, 2)])
    [told] = page_of(run).data["runs"]
    assert [len(group["conversations"]) for group in told["groups"]] == [1, 1]


def test_a_run_that_kept_no_groups_is_shown_by_single_rows(run):
    lines = [json.loads(line) for line in (run / "trajectories.jsonl").read_text().splitlines()]
    old = [{key: value for key, value in line.items() if key not in ("group", "logps", "advantage")}
           for line in lines if line["sample"] == 0]
    write_lines(run / "trajectories.jsonl", old)
    groups = page_of(run).data["runs"][0]["groups"]
    assert [group["step"] for group in groups] == [1, 2, 3, 4]
    [row] = groups[0]["conversations"]
    assert row["logps"] == [] and row["advantage"] is None and 1 in row["mask"]
    # Without tokens the messages are what there is.
    (run / "tokenizer.json").unlink()
    [row] = page_of(run).data["runs"][0]["groups"][0]["conversations"]
    assert row["mask"] == [1, 0, 1] and row["texts"][0] == "print(1)\n"


def test_a_run_that_has_just_begun_has_a_page(tmp_path):
    directory = tmp_path / "new"
    directory.mkdir()
    write_lines(directory / "metrics.jsonl", [{"flags": {"lr": 0.1}, "sandbox": ""}])
    [told] = page_of(directory).data["runs"]
    assert told["kind"] == "sft" and told["curves"] == {} and told["groups"] == []


def test_long_curves_become_means_of_neighbours(tmp_path):
    directory = tmp_path / "long"
    directory.mkdir()
    lines = [{"flags": {}}] + [{"step": i, "loss": float(i)} for i in range(1, 1001)]
    write_lines(directory / "metrics.jsonl", lines)
    curve = page_of(directory).data["runs"][0]["curves"]["loss"]
    assert curve[:2] == [[2, 2.0], [5, 5.0]] and len(curve) == 334   # 1000 / 3


def test_a_page_is_written_over_a_page_and_over_nothing_else(run, tmp_path):
    page, other = tmp_path / "page.html", tmp_path / "other.html"
    write_page([str(run)], str(page))
    write_page([str(run)], str(page))
    other.write_text("<!doctype html><html>my notes</html>")
    with pytest.raises(SystemExit, match="no page of ours"):
        write_page([str(run)], str(other))
    assert "my notes" in other.read_text()


def test_many_long_conversations_are_thinned_out_to_three_megabytes(run):
    (run / "trajectories.jsonl").unlink()
    for step in range(1, 31):
        group = [trajectory("Long?", ["x = 1\n" * 2000], float(i), i) for i in range(4)]
        grpo.log_answers(Lines(run), step, group, [t.right for t in group], [1.0, -1.0, 0.5, -0.5])
    assert (run / "trajectories.jsonl").stat().st_size > MOST_BYTES
    steps = [group["step"] for group in page_of(run).data["runs"][0]["groups"]]
    assert (run.parent / "page.html").stat().st_size < 3_000_000
    assert steps[0] == 1 and steps[-1] == 30 and 2 <= len(steps) < 30


def test_the_command_writes_the_page_and_refuses_what_is_no_run(run, tmp_path):
    out = tmp_path / "several.html"
    assert f"wrote {out}" in inside("r1ci.py", "page", run, run, "--out", out)
    assert len(Parsed(out.read_text(encoding="utf-8")).data["runs"]) == 2
    assert "holds no run: it has no metrics.jsonl" in refusal("r1ci.py", "page", tmp_path)
    nowhere = tmp_path / "no" / "page.html"
    assert "cannot be written" in refusal("r1ci.py", "page", run, "--out", nowhere)


# ---- in a browser --------------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

# A headless window is at least 500 pixels wide: narrower pages stand in a frame.
FRAME = """<!doctype html>
<iframe src="{src}" style="border:0;width:{width}px;height:3000px"></iframe>
<pre id="said"></pre>
<script>addEventListener("message", event => {{ said.textContent = event.data; }});</script>"""
MEASURE = """<script>
const wide = [...document.querySelectorAll("body *")].filter(
  node => node.getBoundingClientRect().right > innerWidth + 1 && !node.closest(".strip"));
parent.postMessage(JSON.stringify({
  title: document.title, width: innerWidth, content: document.documentElement.scrollWidth,
  cut: wide.map(node => node.tagName + "." + node.className).slice(0, 5),
  panels: document.querySelectorAll("#curves-body svg").length,
  bars: document.querySelectorAll("#curriculum-body rect").length,
  tasks: document.querySelectorAll("#accuracy-body .task").length,
  conversations: [...document.querySelectorAll(".conversation .tokens")].map(n => n.textContent),
  tips: [...document.querySelectorAll(".conversation span[data-tip]")].map(n => n.dataset.tip),
  scripts: document.scripts.length, images: document.images.length,
  background: getComputedStyle(document.body).backgroundColor}), "*");
</script>"""


def look(page: Path, width: int, dark: bool = False) -> dict:
    """What the page is in a browser of this width."""
    measured = page.with_name("measured.html")
    text = page.read_text(encoding="utf-8").replace("</body>", MEASURE + "</body>")
    measured.write_text(text, encoding="utf-8")
    frame = page.with_name("frame.html")
    frame.write_text(FRAME.format(src=measured.as_uri(), width=width))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--blink-settings=preferredColorScheme={0 if dark else 1}",
             f"--user-data-dir={page.with_name(f'profile-{width}-{dark}')}",
             "--window-size=1400,3000", "--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run([CHROMIUM, *flags, frame.as_uri()], capture_output=True, text=True,
                          timeout=120)
    said = re.search(r'<pre id="said">(.*)</pre>', done.stdout, re.DOTALL)
    assert said, done.stderr[-2000:]
    return json.loads(unescape(said[1]))


@browser
def test_a_browser_draws_every_part_and_runs_nothing_a_model_wrote(run):
    page_of(run)
    seen = look(run.parent / "page.html", 1280)
    assert seen["title"] == f"R1-Code-Interpreter: {run}"
    assert seen["scripts"] == 3 and seen["images"] == 0   # data, drawing, and this test's own
    assert (seen["panels"], seen["bars"], seen["tasks"]) == (3, 4, 3)   # tasks: head, one, all
    right, wrong = seen["conversations"]
    assert wrong == HOSTILE and right.startswith("print(1)" + HOSTILE + "Good")
    assert any("mask 1" in tip and "log-probability -0.5000" in tip and "probability 0.6065" in tip
               for tip in seen["tips"])   # exp(-0.5)
    assert any("mask 0: not trained on" in tip for tip in seen["tips"])


@browser
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_and_dark_is_dark(run, width):
    other = run.parent / "a-run-whose-name-is-long-enough-to-need-more-than-one-line-on-a-telephone"
    shutil.copytree(run, other)
    metrics = (other / "metrics.jsonl").read_text()
    more_tasks = metrics.replace('"rg/gcd"', '"rg/gcd,rg/lcm,rg/chain_sum"')
    (other / "metrics.jsonl").write_text(more_tasks)
    page_of(run, other)
    light = look(run.parent / "page.html", width)
    assert light["width"] == width and light["content"] <= width and not light["cut"], light
    dark = look(run.parent / "page.html", width, dark=True)
    assert light["background"] == "rgb(255, 255, 255)" != dark["background"]
