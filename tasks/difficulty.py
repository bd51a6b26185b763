"""How hard the tasks are: does one statement do, how many questions are there, what gets guessing?"""
import ast
from dataclasses import dataclass

from tasks.base import LEVELS, Task


@dataclass(frozen=True)
class Difficulty:
    """One line of the table below."""
    easy: bool        # one Python statement solves it, at every level
    questions: str    # different ones at level 3, estimated from a thousand draws
    guessing: str     # share of the commonest answer at level 3
    level_5: str      # what the hardest level asks for


def one_statement(task: Task) -> bool:
    """Whether one Python statement solves the task at every level: by the table, or found out."""
    if task.key in DIFFICULTY:
        return DIFFICULTY[task.key].easy
    # A task of the reader's own is not in the table: one program of each level is looked at.
    return task.program is not None and all(
        is_one_statement(task.program(task.generate(0, level))) for level in LEVELS)


def is_one_statement(program: str) -> bool:
    """Whether a program has one statement, apart from imports and the facts of its question.

        numbers = [12, 18]            # a fact
        import math
        print(math.gcd(*numbers))     # the statement

    A `solve` whose body is one `return` counts as facts do: the call of it is the statement.
    """
    statements = [statement for statement in ast.parse(program).body
                  if not (is_import(statement) or is_fact(statement) or returns_at_once(statement))]
    return len(statements) == 1 and isinstance(statements[0], ast.Expr)


def is_import(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.Import, ast.ImportFrom))


def is_fact(statement: ast.stmt) -> bool:
    """Whether a statement gives a name to a literal."""
    if not isinstance(statement, ast.Assign):
        return False
    try:
        ast.literal_eval(statement.value)
        return True
    except ValueError:
        return False


def returns_at_once(statement: ast.stmt) -> bool:
    """Whether a statement defines `solve` as one `return`, imports aside."""
    if not isinstance(statement, ast.FunctionDef) or statement.name != "solve":
        return False
    body = [inner for inner in statement.body if not is_import(inner)]
    return len(body) == 1 and isinstance(body[0], ast.Return)


# ---- the table, printed anew by `python tests/measure_tasks.py` ----------------------------------
# task | easy: one statement | different questions | guessing gets | level 5 asks to ...

TABLE = """
bbh/boolean_expressions | - | ? | ? | evaluate one expression
bbh/causal_judgement | - | ? | ? | read who brought about what
bbh/date_understanding | - | ? | ? | add and subtract dates
bbh/disambiguation_qa | - | ? | ? | read whom a pronoun means
bbh/dyck_languages | - | ? | ? | keep a stack of open brackets
bbh/formal_fallacies | - | ? | ? | try every model of the premises
bbh/geometric_shapes | - | ? | ? | parse a path and compare sides and angles
bbh/hyperbaton | - | ? | ? | sort adjectives by kind
bbh/logical_deduction_five_objects | - | ? | ? | try every order that the clues leave
bbh/logical_deduction_seven_objects | - | ? | ? | try every order that the clues leave
bbh/logical_deduction_three_objects | - | ? | ? | try every order that the clues leave
bbh/movie_recommendation | - | ? | ? | know what films have in common
bbh/multistep_arithmetic_two | - | ? | ? | evaluate one expression
bbh/navigate | - | ? | ? | follow steps and turns on a grid
bbh/object_counting | - | ? | ? | pick out the things of a kind and add
bbh/penguins_in_a_table | - | ? | ? | filter, sort and count rows of a table
bbh/reasoning_about_colored_objects | - | ? | ? | filter, take away and count things in a row
bbh/ruin_names | - | ? | ? | read which change gives a word with a meaning
bbh/salient_translation_error_detection | - | ? | ? | compare two sentences word by word
bbh/snarks | - | ? | ? | read which praise does not fit
bbh/sports_understanding | - | ? | ? | know the sports of players and of moves
bbh/temporal_sequences | - | ? | ? | take busy spans from a day
bbh/tracking_shuffled_objects_five_objects | - | ? | ? | carry out swaps in a dictionary
bbh/tracking_shuffled_objects_seven_objects | - | ? | ? | carry out swaps in a dictionary
bbh/tracking_shuffled_objects_three_objects | - | ? | ? | carry out swaps in a dictionary
bbh/web_of_lies | - | ? | ? | carry the truth from one to the next
bbh/word_sorting | - | ? | ? | sort words
rg/ab | - | ? | ? | rewrite neighbours until nothing changes
rg/acre | - | ? | ? | rule out causes by set differences
rg/advanced_geometry | - | ? | ? | coordinates: heights, areas, angles
rg/aiw | - | ? | ? | add two or three numbers
rg/arc_1d | - | ? | ? | try candidate rules on the examples
rg/base_conversion | - | ? | ? | divide by the base again and again
rg/basic_arithmetic | - | ? | ? | evaluate one expression
rg/bf | - | ? | ? | interpret a machine with loops
rg/binary_alternation | - | ? | ? | count misplaced digits of two patterns
rg/binary_matrix | - | ? | ? | breadth-first search from many cells
rg/bitwise_arithmetic | - | ? | ? | evaluate one expression
rg/caesar_cipher | - | ? | ? | try 25 shifts
rg/calendar_arithmetic | - | ? | ? | go through the days of a span
rg/chain_sum | - | ? | ? | evaluate one expression
rg/circuit_logic | - | ? | ? | evaluate gates in order
rg/color_cube_rotation | - | ? | ? | carry out turns on six faces
rg/complex_arithmetic | - | ? | ? | multiply and divide complex numbers
rg/count_bits | - | ? | ? | count the ones of bin(n)
rg/count_primes | - | ? | ? | the sieve of Eratosthenes
rg/countdown | - | ? | ? | search the expressions over six numbers
rg/course_schedule | - | ? | ? | sort a graph topologically
rg/cryptarithm | - | ? | ? | backtrack over digits for letters
rg/decimal_arithmetic | - | ? | ? | evaluate one expression and round
rg/decimal_chain_sum | - | ? | ? | evaluate one expression with Decimal
rg/dice | - | ? | ? | convolve distributions
rg/family_relationships | - | ? | ? | search a family tree
rg/fraction_simplification | - | ? | ? | divide by the greatest common divisor
rg/futoshiki | - | ? | ? | backtrack with constraints
rg/game_of_life | - | ? | ? | simulate a board
rg/game_of_life_halting | - | ? | ? | simulate a board until it repeats
rg/gcd | - | ? | ? | call math.gcd
rg/graph_color | - | ? | ? | backtrack over colours
rg/group_anagrams | - | ? | ? | group words by their sorted letters
rg/intermediate_integration | - | ? | ? | integrate by parts and by substitution
rg/isomorphic_strings | - | ? | ? | compare sets of letters and of pairs
rg/jugs | - | ? | ? | breadth-first search over fillings
rg/knight_swap | - | ? | ? | breadth-first search over placements
rg/knights_knaves | - | ? | ? | try all truth values
rg/largest_island | - | ? | ? | flood fill
rg/lcm | - | ? | ? | call math.lcm
rg/leg_counting | - | ? | ? | multiply and add by a table of animals
rg/letter_counting | - | ? | ? | count a letter
rg/list_functions | - | ? | ? | try pairs of candidate rules on the examples
rg/manipulate_matrix | - | ? | ? | carry out steps on a matrix
rg/maze | - | ? | ? | breadth-first search
rg/mini_sudoku | - | ? | ? | backtrack with constraints
rg/modulo_grid | - | ? | ? | try formulas and moduli on the cells
rg/n_queens | - | ? | ? | backtrack over columns
rg/needle_haystack | - | ? | ? | find a sentence
rg/number_filtering | - | ? | ? | filter a list
rg/number_format | - | ? | ? | compare numbers in several notations
rg/number_sequence | - | ? | ? | try the coefficients of recurrences
rg/number_sorting | - | ? | ? | sort numbers
rg/palindrome_generation | - | ? | ? | place each letter on both sides
rg/palindrome_partitioning | - | ? | ? | recurse over beginnings that are palindromes
rg/polynomial_equations | - | ? | ? | find roots between stationary points
rg/polynomial_multiplication | - | ? | ? | multiply term by term and collect
rg/power_function | - | ? | ? | evaluate one power and format it
rg/prime_factorization | - | ? | ? | trial division
rg/products | - | ? | ? | evaluate one expression
rg/propositional_logic | - | ? | ? | find a formula with truth tables
rg/quantum_lock | - | ? | ? | breadth-first search over counter and lamp
rg/ransom_note | - | ? | ? | compare letter counts
rg/rectangle_count | - | ? | ? | take overlapping outlines apart
rg/rotate_matrix | - | ? | ? | turn a matrix
rg/rotten_oranges | - | ? | ? | breadth-first search in rounds
rg/rubiks_cube | - | ? | ? | search the turns of a cube from both ends
rg/rush_hour | - | ? | ? | breadth-first search over boards
rg/self_reference | - | ? | ? | try all truth values
rg/shortest_path | - | ? | ? | breadth-first search
rg/simple_equations | - | ? | ? | solve a linear equation
rg/simple_geometry | - | ? | ? | the sum of the angles of a polygon
rg/simple_integration | - | ? | ? | integrate a polynomial term by term
rg/sokoban | - | ? | ? | breadth-first search over pushes
rg/spell_backward | - | ? | ? | reverse a string
rg/spiral_matrix | - | ? | ? | peel a matrix
rg/sudoku | - | ? | ? | backtrack with constraints
rg/syllogism | - | ? | ? | try every model of the premises
rg/time_intervals | - | ? | ? | subtract dates with time zones
rg/tower_of_hanoi | - | ? | ? | breadth-first search over pegs
rg/word_ladder | - | ? | ? | breadth-first search over words
rg/word_sequence_reversal | - | ? | ? | reverse a list
rg/word_sorting | - | ? | ? | sort words
rg/zebra_puzzles | - | ? | ? | try every arrangement that the clues leave
symbench/2048 | - | ? | ? | simulate slides and merges
symbench/blocksworld | - | ? | ? | build the stacks one by one from the ground
symbench/boxlift | - | ? | ? | hand out the heaviest boxes first
symbench/boxnet1 | - | ? | ? | send every box its way, all in step
symbench/combinatorial_calculation | - | ? | ? | search the expressions over ordered numbers
symbench/constrained_linear_arrangement | - | ? | ? | backtrack over orders of cards
symbench/cryptanalysis | - | ? | ? | filter the codes that fit all judgements
symbench/eight_queens | - | ? | ? | backtrack over rows
symbench/game24 | - | ? | ? | search the expressions over the numbers
symbench/gsm | - | ? | ? | write a story as one formula
symbench/letter_logic_diagram | - | ? | ? | backtrack with constraints
symbench/letters | - | ? | ? | list the positions of a letter
symbench/light_puzzles | - | ? | ? | count presses modulo two
symbench/logic_puzzle | - | ? | ? | backtrack over cells
symbench/logical_equation | - | ? | ? | try assignments of numbers to letters
symbench/mahjong_pattern | - | ? | ? | simulate rounds with counts
symbench/math_counting_and_probability | - | ? | ? | write a story as one formula
symbench/math_geometry | - | ? | ? | write a figure as one formula
symbench/matrix_transformation | - | ? | ? | carry out steps on a matrix
symbench/new_operator | - | ? | ? | define functions and nest their calls
symbench/number_multiply | - | ? | ? | evaluate one product
symbench/path_plan | - | ? | ? | search the corners around the boxes
symbench/pattern_recognition | - | ? | ? | look for a filled square
symbench/permutations_and_combinations | - | ? | ? | try the orders that the rules leave
symbench/pooling | - | ? | ? | slide a window
symbench/reversi | - | ? | ? | simulate moves and flips
symbench/standard_sudoku | - | ? | ? | backtrack with constraints
symbench/statistical_counting | - | ? | ? | group runs of letters and add
symbench/string_deletion_and_modification | - | ? | ? | rewrite a string by rules
symbench/string_insertion | - | ? | ? | find patterns and insert
symbench/string_splitting | - | ? | ? | carry out exchanges in rounds
symbench/string_synthesis | - | ? | ? | carry out exchanges in rounds
symbench/synthesis_decomposition | - | ? | ? | carry out exchanges in rounds
"""


def read_table() -> dict[str, Difficulty]:
    """The table by task: "rg/gcd" -> Difficulty(easy=True, ...)."""
    rows = {}
    for line in TABLE.strip().splitlines():
        key, easy, questions, guessing, level_5 = line.split(" | ")
        rows[key] = Difficulty(easy == "easy", questions, guessing, level_5)
    return rows


DIFFICULTY = read_table()
