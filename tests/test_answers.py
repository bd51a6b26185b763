"""Right answers are right in any dress and wrong ones wrong in all, for tasks and for files of questions."""
import math
import re
from fractions import Fraction
from random import Random

import pytest

from hang import lines_run, must_end
from tasks import TASKS, Instance
from tasks.base import amount, integer, items, number, undressed
from tasks.questions import grade, read_questions
from test_tasks import instances, near_misses

# What models put around an answer, as str.format reads it.
DRESSES = {
    "fence": "```\n{}\n```",
    "named fence": "```text\n{}\n```",
    "tildes": "~~~\n{}\n~~~",
    "fence in a line": "```{}```",
    "box": "\\boxed{{{}}}",
    "box in $": "$\\boxed{{{}}}$",
    "box in $$": "$$\n\\boxed{{{}}}\n$$",
    "text in a box": "\\boxed{{\\text{{{}}}}}",
    "$": "${}$",
    "$$": "$${}$$",
    "\\(": "\\({}\\)",
    "\\[": "\\[ {} \\]",
    "bold": "**{}**",
    "bold box": "**$\\boxed{{{}}}$**",
    "bold and a stop": "**{}**.",
    "a stop in bold": "**{}.**",
    "quotes": '"{}"',
    "single quotes": "'{}'",
    "curly quotes": "“{}”",
    "backticks": "`{}`",
    "quotes and a stop": '"{}".',
    "bold backticks": "**`{}`**",
    "full stop": "{}.",
    "fence around a box": "```\n$\\boxed{{{}}}$\n```\n",
}

# A stop behind # is a cell of a grid, where the other cells are stops.
KEPT_ON = {("full stop", "rg/ab"), ("full stop", "rg/modulo_grid"),
           ("a stop in bold", "rg/ab"), ("a stop in bold", "rg/modulo_grid")}


def test_right_answers_are_accepted_and_wrong_ones_refused_in_24_dresses(request):
    assert len(DRESSES) == 24
    slow = request.config.getoption("--slow")
    refused, paid = {name: [] for name in DRESSES}, []
    for key, task in TASKS.items():
        for instance in instances(key, [0], (1, 3, 5) if slow else (1,)):
            near = near_misses(Random(0), instance)
            wrong = [answer for answer in near if not task.verify(instance, answer)]
            for name, dress in DRESSES.items():
                if not task.verify(instance, dress.format(instance.expect)):
                    refused[name].append(key)
                paid += [f"{key} pays {dress.format(answer)!r} for {instance.expect!r}"
                         for answer in wrong if task.verify(instance, dress.format(answer))]

    # The table of which dress is taken off where.
    for name, keys in refused.items():
        where = f", but not of {', '.join(sorted(set(keys)))}" if keys else ""
        print(f"{name:<20} {len(TASKS) - len(set(keys))} of {len(TASKS)} tasks{where}")
    assert not paid, "\n".join(paid)
    assert {(name, key) for name, keys in refused.items() for key in keys} <= KEPT_ON


def test_what_looks_dressed_and_is_right_is_seen_as_it_is_first():
    cube = TASKS["rg/rubiks_cube"]
    turned = [instance for instance in (cube.generate(seed, 1) for seed in range(30)) if instance.expect.endswith("'")]
    assert turned
    for instance in turned:
        assert cube.verify(instance, instance.expect)
        assert not cube.verify(instance, instance.expect[:-1]), "the other way round"
    largest = TASKS["rg/number_format"]
    with_commas = [instance for instance in (largest.generate(seed, 3) for seed in range(30)) if "," in instance.expect]
    assert with_commas and all(largest.verify(instance, instance.expect) for instance in with_commas)


def test_a_cell_is_not_taken_off_a_grid_nor_a_stop_from_an_ellipsis():
    task = TASKS["rg/modulo_grid"]
    grids = [task.generate(seed, 1) for seed in range(20)]
    assert any(instance.expect.endswith("#") for instance in grids)
    for instance in grids:
        assert not task.verify(instance, instance.expect + "."), "a cell too many"
        assert not task.verify(instance, instance.expect[:-1]), "a cell too few"
    assert list(undressed("42...")) == ["42..."]


def test_layers_are_taken_off_from_outside_in_one_at_a_time():
    assert list(undressed("**$\\boxed{42}$**.")) == [
        "**$\\boxed{42}$**.", "**$\\boxed{42}$**", "$\\boxed{42}$", "\\boxed{42}", "42"]
    assert list(undressed("```python\n a\nb\n```")) == ["```python\n a\nb\n```", "a\nb"]
    assert list(undressed("a `b`")) == ["a `b`"] and list(undressed("$5")) == ["$5"]
    assert list(undressed("")) == [""] and list(undressed("**")) == ["**"]
    assert len(list(undressed("'" * 10_000))) < 10


def test_the_minus_of_print_is_a_minus_in_every_answer(request):
    seeds = range(5 if request.config.getoption("--slow") else 1)
    told = [instance for key in TASKS for instance in instances(key, seeds, (1, 3)) if "-" in instance.expect]
    assert {"symbench/path_plan", "rg/rush_hour", "rg/chain_sum"} <= {instance.task for instance in told}
    refused = {instance.task for instance in told
               if not TASKS[instance.task].verify(instance, instance.expect.replace("-", "−"))}
    assert not refused
    assert grade(file_question("user/mine", "−x"), "-x") and grade(file_question("user/mine", "-x"), "−x")


# ---- the spellings of numbers ------------------------------------------------------------------------

@pytest.mark.parametrize("text, value", [
    ("1,234", 1234), ("−12", -12), ("24.0", 24), ("x = 3", 3), ("1{,}234", 1234), ("1\\,234,567", 1234567),
    ("$18", 18), ("-$1,000", -1000), ("1 234", 1234), ("+7", 7), ("1_000", 1000)])
def test_integers_in_their_spellings(text, value):
    assert integer(text) == value


@pytest.mark.parametrize("text", ["1,23", "12,34,567", "1234,567", "7/2", "12.5", "1 2", "tenth", "", "$", "2*3"])
def test_what_is_no_integer_is_refused(text):
    with pytest.raises(ValueError):
        integer(text)


@pytest.mark.parametrize("text, value", [
    ("5.58 × 10^2", 558), ("5.58\\times 10^{2}", 558), ("5.58 * 10**-2", Fraction(558, 10_000)), ("−5.58e2", -558),
    ("1.5 \\cdot 10^{-1}", Fraction(15, 100)), ("\\frac{7}{2}", Fraction(7, 2)), ("-\\dfrac{1,000}{3}", Fraction(-1000, 3)),
    ("7/2", Fraction(7, 2)), ("5,693.923", Fraction(5693923, 1000)), ("1,234/2", 617), (".5", Fraction(1, 2))])
def test_numbers_in_their_spellings(text, value):
    assert number(text) == value
    assert amount(text) == value or "e" in text


@pytest.mark.parametrize("text", [
    "1\\frac{1}{2}", "2*3", "5,693,92", "5.58 × 10^", "5.58 × 11^2", "1e9999", "0x10", "2^3", "1/2/3", "0.123,456", "nan"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError):
        number(text)


def test_a_formula_is_read_as_mathematics_reads_it():
    assert amount("\\frac{\\sqrt{3}}{2}") == pytest.approx(math.sqrt(3) / 2)
    assert amount("2√3") == amount("2\\sqrt{3}") == pytest.approx(2 * math.sqrt(3))
    assert amount("5\\pi/6") == pytest.approx(5 * math.pi / 6)
    assert amount("45^\\circ") == amount("45°") == amount("45^{\\circ}") == amount("45 degrees") == 45
    with pytest.raises(ValueError):
        amount("1\\frac{1}{2}")  # 1.5 to some, 0.5 to others


def test_an_assignment_is_one_item_of_a_list():
    assert items("x = -0.3347") == ["x=-0.3347"]
    assert items("A = 1, B = 2") == items("A=1 B=2") == ["A=1", "B=2"]
    roots = TASKS["rg/polynomial_equations"]
    linear = Instance(roots.key, 0, 1, "eval", "", dict(p=[3, 1]), "-0.3333")
    assert all(roots.verify(linear, text) for text in ("x = -0.3333", "x=-0.3333", "$x = -0.3333$"))


@pytest.mark.parametrize("text", [
    "x = 20", "x=20", "= 20", "gcd(60, 80) = 20", "$\\gcd(60, 80) = 20$", "12 + 8 = 20", "the answer = 20", "Answer: x = 20",
    "gcd(60, 80) = 2 * 10 = 20", "x_{1} = 20", "\\text{gcd} = 20", "3 × 8 − 4 = 20", "\\frac{40}{2} = 20", "1,000 / 50 = $20"])
def test_before_an_equals_sign_stands_a_name_or_an_expression(text):
    assert TASKS["rg/gcd"].verify(Instance("rg/gcd", 0, 1, "eval", "", dict(numbers=[60, 80]), "20"), text)


@pytest.mark.parametrize("text", [
    "x != 20", ">= 20", "<= 20", "x ≠ 20", "x > 20 = 20", "not = 20", "isn't = 20", "x = not 20", "12 or 18 = 20", "12, 18 = 20",
    "12345 = 20", "(12) = 20", "\\boxed{12} = 20", "x = 12, x = 20", "x (or 12) = 20", "it is not 12 = 20", "12 + 9 = 20",
    "20 = 12 = 20", "x/2 = 20", "2x = 20", "-x = 20", "20.01 = 20"])
def test_before_an_equals_sign_stands_no_other_number_and_no_no(text):
    assert not TASKS["rg/gcd"].verify(Instance("rg/gcd", 0, 1, "eval", "", dict(numbers=[60, 80]), "20"), text)
    assert not grade(file_question("user/mine", "20"), text)


def test_thousands_of_equations_and_of_blanks_are_refused_without_a_hang():
    for answer in "'" * 8 + "1=" * 9_900 + "1" + "'" * 8, "," + " " * 19_000, "," + " and" * 4_900, "a (" * 6_000 + "=1":
        for key in "rg/gcd", "rg/number_sorting", "rg/zebra_puzzles", "rg/prime_factorization", "rg/polynomial_equations":
            with must_end(f"{key} of {answer[:20]!r}"):
                assert not TASKS[key].verify(drawn(key, 1)[0], answer)


@pytest.mark.parametrize("key", ["rg/intermediate_integration", "rg/simple_integration", "rg/polynomial_multiplication"])
def test_the_work_for_a_formula_grows_as_its_length(key):
    """Not as the square of it: the rollout grades in its own loop, and who is rewarded may write what it likes."""
    instance = drawn(key, 1)[0]
    short, long = (lines_run(lambda: TASKS[key].verify(instance, "1*" * terms + "1")) for terms in (200, 800))
    assert 200 < short and long < 6 * short   # four times the length


def test_other_answers_behind_an_equals_sign_are_read_likewise():
    for key, facts, expect, right, wrong in (
            ("rg/prime_factorization", dict(n=12), "2 * 2 * 3", ("12 = 3 × 2 × 2", "n = 2, 2, 3"),
             ("13 = 2 * 2 * 3", "12 != 2 * 2 * 3")),
            ("rg/fraction_simplification", dict(p=6, q=9), "2/3", ("6/9 = 2/3", "x = 2/3"), ("4/9 = 2/3", "1/3 or 2/3 = 2/3")),
            ("rg/complex_arithmetic", {}, "3-1i", ("(1+2i) + (2-3i) = 3-i", "z = 3-i"), ("2-i = 3-i", "z != 3-i")),
            ("rg/polynomial_multiplication", dict(letters="x"), "x**2 - 1", ("(x + 1)(x - 1) = x^2 - 1", "p(x) = x^2 - 1"),
             ("x**3 = x^2 - 1", "x <= x^2 - 1")),
            ("rg/simple_integration", {}, "x**3", ("F(x) = x^3", "\\int 3x^2 dx = x^3 + C"), ("3*x**2 = x**3", "not = x**3"))):
        instance = Instance(key, 0, 1, "eval", "", facts, expect)
        assert [text for text in right if not TASKS[key].verify(instance, text)] == []
        assert [text for text in wrong if TASKS[key].verify(instance, text)] == []


def test_an_equation_about_a_decimal_may_be_rounded():
    assert number("2/3 = 0.6667") == Fraction("0.6667") and number("12.5^3 = 1.95e+03") == 1950
    with pytest.raises(ValueError):
        number("2/3 = 0.7")


# ---- the spellings of lists, plans and formulas --------------------------------------------------------

def drawn(key, count=20, level=3):
    return [TASKS[key].generate(seed, level) for seed in range(count)]


def refused(key, spelling, count=20, level=3):
    """The answers that are refused in another spelling of the right one."""
    answers = [(instance, spelling(instance.expect)) for instance in drawn(key, count, level)]
    assert any(answer != instance.expect for instance, answer in answers)
    return [answer for instance, answer in answers if not TASKS[key].verify(instance, answer)]


@pytest.mark.parametrize("key", [
    "rg/zebra_puzzles", "symbench/permutations_and_combinations", "symbench/constrained_linear_arrangement", "rg/number_sorting",
    "rg/number_filtering", "rg/cryptarithm", "rg/jugs", "rg/word_ladder", "rg/knight_swap", "symbench/eight_queens",
    "symbench/logic_puzzle", "symbench/logical_equation", "symbench/string_splitting", "symbench/string_synthesis"])
def test_the_last_of_a_list_may_stand_behind_and(key):
    for level in 1, 3:
        for last in " and ", ", and ":
            assert refused(key, lambda text: last.join(text.rsplit(", ", 1)), level=level) == []


def test_and_may_be_a_word_of_an_answer():
    assert items("ant and bee fly") == ["ant", "and", "bee", "fly"] and items("ant and bee") == ["ant", "bee"]
    ladder = TASKS["rg/word_ladder"]
    way = Instance(ladder.key, 0, 1, "eval", "", dict(listed=["ant", "and", "aid"], first="ant", last="aid"), "ant, and, aid")
    assert ladder.verify(way, "ant, and, aid") and ladder.verify(way, "ant and aid") and not ladder.verify(way, "ant, aid")
    assert grade(file_question("bbh-file/word_sorting", "ant and bee"), "ant, and, bee")
    assert grade(file_question("bbh-file/word_sorting", "ant bee cow"), "ant, bee and cow")
    assert not grade(file_question("bbh-file/word_sorting", "ant and bee"), "ant, bee")


@pytest.mark.parametrize("key", ["rg/tower_of_hanoi", "symbench/blocksworld", "rg/jugs", "rg/knight_swap"])
@pytest.mark.parametrize("mark", ["- ", "* ", "• ", "1. "])
def test_steps_may_stand_in_a_list_with_bullets_or_numbers(key, mark):
    def listed(text):
        return text if text == "No" else mark + re.sub("\n|, ", f"\n{mark}", text)

    assert refused(key, listed) == []


def test_moves_of_knights_may_be_apart_by_blanks():
    assert refused("rg/knight_swap", lambda text: text.replace(",", "")) == []
    assert refused("rg/knight_swap", lambda text: text.replace(",", "").replace("-", " -> ")) == []


def test_named_numbers_may_have_equals_signs_or_colons_and_stand_in_their_order():
    assert refused("symbench/letters", lambda text: text.replace(": ", "=")) == []
    for key in "symbench/string_splitting", "symbench/string_synthesis", "symbench/synthesis_decomposition":
        for instance in drawn(key):
            kinds, numbers = list(instance.facts["counts"]), instance.expect.split(", ")
            for sign in ": ", "=", " = ":
                told = [kind + sign + number for kind, number in zip(kinds, numbers)]
                swapped = [kind + sign + number for kind, number in zip(reversed(kinds), numbers)]
                assert TASKS[key].verify(instance, ", ".join(told)) and not TASKS[key].verify(instance, ", ".join(swapped))
                assert not TASKS[key].verify(instance, ", ".join([*told[:-1], numbers[-1]])), "the last has no name"
    for instance in drawn("symbench/logical_equation"):
        told = [f"{letter}: {number}" for letter, number in zip(instance.facts["letters"], instance.expect.split(", "))]
        assert TASKS[instance.task].verify(instance, ", ".join(told))
        assert not TASKS[instance.task].verify(instance, ", ".join(told[1:] + told[:1]))


def test_formulas_may_have_raised_digits_and_bars():
    raised = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
    for key in "rg/simple_integration", "rg/polynomial_multiplication", "rg/intermediate_integration":
        powers = re.compile(r"\*\*(\d+)")
        assert refused(key, lambda text: powers.sub(lambda power: power[1].translate(raised), text)) == []
    for old, new in ("log(abs(", "))"), ("ln|", "|"), ("\\ln\\left|", "\\right|"), ("ln |", "|"):
        inside = re.compile(r"log\(([^()]*)\)")
        assert refused("rg/intermediate_integration", lambda text: inside.sub(lambda log: old + log[1] + new, text), 60) == []
    assert number("5580 × 10⁻¹") == 558 and number("3² = 9") == 9


@pytest.mark.parametrize("key", ["bbh/object_counting", "rg/letter_counting", "rg/maze", "rg/count_primes"])
def test_counts_up_to_twenty_may_be_words(key):
    words = "zero one two three four five six seven eight nine ten eleven twelve thirteen".split() \
        + "fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()
    for instance in drawn(key, 20, 1):
        if instance.expect in map(str, range(21)):
            right = words[int(instance.expect)]
            assert [word for word in words if TASKS[key].verify(instance, word.title())] == [right]
    assert number("x = five") == 5 and grade(file_question("user/mine", "5"), "**five**")
    assert not grade(file_question("user/mine", "5"), "five or six") and not grade(file_question("user/mine", "5"), "six = 5")


# ---- questions from files ----------------------------------------------------------------------------

def file_question(task, expect, question="How many?"):
    return Instance(task, 1, 0, "eval", question, {}, expect)


@pytest.mark.parametrize("task", ["user/mine", "bbh-file/object_counting"])
def test_numbers_of_files_compare_as_numbers_in_any_dress(task):
    for expect, right, wrong in (
            ("24", ("24", "24.0", " 24.", "x = 24", "\\boxed{24}", "```\n24\n```"), ("24.5", "2", "244", "twenty", "24 or 25")),
            ("1234", ("1,234", "1{,}234", "**1,234**", "1234.00"), ("1,23", "1235", "1.234", "12,34")),
            ("-12", ("−12", "-12", "$-12$", "-12.0"), ("12", "--12", "- 1 2"))):
        for answer in right:
            assert grade(file_question(task, expect), answer), answer
        for answer in wrong:
            assert not grade(file_question(task, expect), answer), answer


def test_words_of_files_are_undressed_too():
    for task in "user/mine", "bbh-file/navigate":
        for answer in ("Yes", "yes.", "**Yes**", "\\boxed{\\text{Yes}}", '"Yes".', "`yes`"):
            assert grade(file_question(task, "Yes"), answer), (task, answer)
        for answer in ("No", "**No**", "Yes or No", "**Yes** or **No**", ""):
            assert not grade(file_question(task, "Yes"), answer), (task, answer)
    assert grade(file_question("bbh-file/dyck_languages", "] )"), "```\n])\n```")
    assert grade(file_question("bbh-file/word_sorting", "ant bee"), "**ant, bee**")
    choice = file_question("bbh-file/hyperbaton", "(B)", "Which?\nOptions:\n(A) old red\n(B) red old")
    assert grade(choice, "**(B)**") and grade(choice, "$\\boxed{B}$") and not grade(choice, "\\boxed{A}")


def test_large_whole_numbers_of_files_are_not_rounded():
    assert grade(file_question("user/mine", "0.3333333"), "1/3")
    assert not grade(file_question("user/mine", "1000000"), "1000001")
    assert grade(file_question("user/mine", "4"), "2 + 2 = 4") and not grade(file_question("user/mine", "4"), "5 = 4")
    assert grade(file_question("user/mine", "2.5"), "2.5000001") and not grade(file_question("user/mine", "2.5"), "2.501")


def test_gsm8k_answers_stand_behind_their_four_hash_signs(tmp_path):
    path = tmp_path / "gsm8k.jsonl"
    path.write_text('{"question": "Clips?", "answer": "48/2 = <<48/2=24>>24\\n48+24 = 72\\n#### 72"}\n'
                    '{"question": "Cost?", "answer": "#### 1,450"}\n')
    clips, cost = read_questions(path)
    assert clips.expect == "72" and grade(clips, "72") and grade(clips, "$\\boxed{72}$") and not grade(clips, "24")
    assert grade(cost, "1450") and grade(cost, "$1,450.00") and not grade(cost, "450")
    path.write_text('{"question": "Clips?", "answer": "no result ####"}\n')
    with pytest.raises(SystemExit, match="gsm8k.jsonl, line 1: the answer is empty"):
        read_questions(path)


def test_no_answer_to_a_question_of_a_file_raises():
    hostile = [None, 7, "", "(" * 9_999, "9" * 20_001, "1/0", "1e999999999", "\ud800", "\\boxed{", "$" * 9_999, "```\n```"]
    for task, expect in (("user/a", "7"), ("user/a", "Paris"), ("bbh-file/b", "(A)"), ("bbh-file/b", "] )"), ("bbh-file/b", "3")):
        for answer in hostile:
            assert grade(file_question(task, expect), answer) is False
