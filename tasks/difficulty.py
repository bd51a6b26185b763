"""How hard the tasks are: whether one statement does, how many questions, what guessing gets."""
import ast
from dataclasses import dataclass

from tasks.base import LEVELS, Task


@dataclass(frozen=True)
class Difficulty:
    """One line of the table below."""
    easy: bool        # one Python statement solves it, at every level
    questions: str    # different ones at level 3, estimated from a thousand draws
    guessing: str     # share of the commonest answer at level 3, or of one word told, or one order
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
    statements = [statement for statement in ast.parse(program).body if not prepares(statement)]
    return len(statements) == 1 and isinstance(statements[0], ast.Expr)


def prepares(statement: ast.stmt) -> bool:
    """Whether a statement is an import, gives a name to a literal, or defines `solve` as one
    `return`, imports aside.
    """
    match statement:
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign():
            try:
                ast.literal_eval(statement.value)
                return True
            except (ValueError, TypeError):
                return False
        case ast.FunctionDef(name="solve", body=[*before, ast.Return()]):
            return all(isinstance(inner, (ast.Import, ast.ImportFrom)) for inner in before)
    return False


# ---- the table, printed anew by `python tests/measure_tasks.py` ----------------------------------
# task | easy: one statement | different questions | guessing gets | level 5 asks to ...

TABLE = """
bbh/boolean_expressions | easy | >100,000 | 51% | evaluate one expression
bbh/causal_judgement | - | 80,000 | 51% | read who brought about what
bbh/date_understanding | - | >100,000 | 21% | add and subtract dates
bbh/disambiguation_qa | - | 10,000 | 36% | read whom a pronoun means
bbh/dyck_languages | - | >100,000 | 3% | keep a stack of open brackets
bbh/formal_fallacies | - | >100,000 | 52% | try every model of the premises
bbh/geometric_shapes | - | >100,000 | 12% | parse a path and compare sides and angles
bbh/hyperbaton | - | >100,000 | 51% | sort adjectives by kind
bbh/logical_deduction_five_objects | - | >100,000 | 23% | try every order that the clues leave
bbh/logical_deduction_seven_objects | - | >20,000 | 15% | try every order that the clues leave
bbh/logical_deduction_three_objects | - | >100,000 | 35% | try every order that the clues leave
bbh/movie_recommendation | - | >100,000 | 26% | know what films have in common
bbh/multistep_arithmetic_two | easy | >100,000 | 3% | evaluate one expression
bbh/navigate | - | >100,000 | 50% | follow steps and turns on a grid
bbh/object_counting | easy | >100,000 | 6% | pick out the things of a kind and add
bbh/penguins_in_a_table | - | >100,000 | 21% | filter, sort and count rows of a table
bbh/reasoning_about_colored_objects | - | >100,000 | 14% | filter, remove and count things in a row
bbh/ruin_names | - | >100,000 | 26% | read which change gives a word with a meaning
bbh/salient_translation_error_detection | - | >100,000 | 19% | compare two sentences word by word
bbh/snarks | - | 4,000 | 52% | read which praise does not fit
bbh/sports_understanding | - | 7,000 | 52% | know the sports of players and of moves
bbh/temporal_sequences | - | >100,000 | 22% | take busy spans from a day
bbh/tracking_shuffled_objects_five_objects | - | >100,000 | 22% | carry out swaps in a dictionary
bbh/tracking_shuffled_objects_seven_objects | - | >100,000 | 16% | carry out swaps in a dictionary
bbh/tracking_shuffled_objects_three_objects | - | >100,000 | 34% | carry out swaps in a dictionary
bbh/web_of_lies | - | >100,000 | 50% | carry the truth from one to the next
bbh/word_sorting | easy | >100,000 | 0% | sort words
rg/ab | - | >100,000 | 1% | rewrite neighbours until nothing changes
rg/acre | - | >100,000 | 35% | rule out causes by set differences
rg/advanced_geometry | - | >100,000 | 1% | coordinates: heights, areas, angles
rg/aiw | easy | >100,000 | 15% | add two or three numbers
rg/arc_1d | - | >100,000 | 0% | try candidate rules on the examples
rg/base_conversion | - | >100,000 | 0% | divide by the base again and again
rg/basic_arithmetic | easy | >100,000 | 1% | evaluate one expression
rg/bf | - | 90,000 | 2% | interpret a machine with loops
rg/binary_alternation | - | >100,000 | 22% | count misplaced digits of two patterns
rg/binary_matrix | - | >100,000 | 0% | breadth-first search from many cells
rg/bitwise_arithmetic | easy | >100,000 | 0% | evaluate one expression
rg/caesar_cipher | - | >100,000 | 0% | try 25 shifts
rg/calendar_arithmetic | - | 30,000 | 8% | go through the days of a span
rg/chain_sum | easy | >100,000 | 0% | evaluate one expression
rg/circuit_logic | - | >100,000 | 51% | evaluate gates in order
rg/color_cube_rotation | - | >100,000 | 17% | carry out turns on six faces
rg/complex_arithmetic | - | >100,000 | 0% | multiply and divide complex numbers
rg/count_bits | easy | >100,000 | 14% | count the ones of bin(n)
rg/count_primes | - | >100,000 | 1% | the sieve of Eratosthenes
rg/countdown | - | >100,000 | 0% | search the expressions over six numbers
rg/course_schedule | - | >100,000 | 50% | sort a graph topologically
rg/cryptarithm | - | >100,000 | 0% | backtrack over digits for letters
rg/decimal_arithmetic | easy | >100,000 | 0% | evaluate one expression and round
rg/decimal_chain_sum | easy | >100,000 | 0% | evaluate one expression with Decimal
rg/dice | - | >100,000 | 3% | convolve distributions
rg/family_relationships | - | >100,000 | 7% | search a family tree
rg/fraction_simplification | easy | >100,000 | 0% | divide by the greatest common divisor
rg/futoshiki | - | >20,000 | 0% | backtrack with constraints
rg/game_of_life | - | >100,000 | 0% | simulate a board
rg/game_of_life_halting | - | >4,000 | 50% | simulate a board until it repeats
rg/gcd | easy | >100,000 | 2% | call math.gcd
rg/graph_color | - | >100,000 | 0% | backtrack over colours
rg/group_anagrams | easy | >100,000 | 0% | group words by their sorted letters
rg/intermediate_integration | - | 3,000 | 0% | integrate by parts and by substitution
rg/isomorphic_strings | easy | >100,000 | 50% | compare sets of letters and of pairs
rg/jugs | - | 3,000 | 10% | breadth-first search over fillings
rg/knight_swap | - | >8,000 | 26% | breadth-first search over placements
rg/knights_knaves | - | >100,000 | 18% | try all truth values
rg/largest_island | - | >100,000 | 7% | flood fill
rg/lcm | easy | 20,000 | 1% | call math.lcm
rg/leg_counting | easy | >100,000 | 2% | multiply and add by a table of animals
rg/letter_counting | easy | >100,000 | 28% | count a letter
rg/list_functions | - | >100,000 | 6% | try pairs of candidate rules on the examples
rg/manipulate_matrix | - | >100,000 | 0% | carry out steps on a matrix
rg/maze | - | >100,000 | 14% | breadth-first search
rg/mini_sudoku | - | >100,000 | 1% | backtrack with constraints
rg/modulo_grid | - | >100,000 | 4% | try formulas and moduli on the cells
rg/n_queens | - | 8,000 | 4% | backtrack over columns
rg/needle_haystack | - | >100,000 | 2% | find a sentence
rg/number_filtering | easy | >100,000 | 0% | filter a list
rg/number_format | easy | >100,000 | 26% | compare numbers in several notations
rg/number_sequence | - | 40,000 | 2% | try the coefficients of recurrences
rg/number_sorting | easy | >100,000 | 0% | sort numbers
rg/palindrome_generation | - | >100,000 | 0% | place each letter on both sides
rg/palindrome_partitioning | - | 60,000 | 0% | recurse over beginnings that are palindromes
rg/polynomial_equations | - | >100,000 | 20% | find roots between stationary points
rg/polynomial_multiplication | easy | >100,000 | 0% | multiply term by term and collect
rg/power_function | easy | >100,000 | 0% | evaluate one power and format it
rg/prime_factorization | - | 10,000 | 0% | trial division
rg/products | easy | >100,000 | 0% | evaluate one expression
rg/propositional_logic | - | >20,000 | 6% | find a formula with truth tables
rg/quantum_lock | - | 40,000 | 2% | breadth-first search over counter and lamp
rg/ransom_note | easy | >100,000 | 50% | compare letter counts
rg/rectangle_count | - | >40,000 | 25% | take overlapping outlines apart
rg/rotate_matrix | - | >100,000 | 0% | turn a matrix
rg/rotten_oranges | - | >100,000 | 22% | breadth-first search in rounds
rg/rubiks_cube | - | >10,000 | 1% | search the turns of a cube from both ends
rg/rush_hour | - | >1,000 | 1% | breadth-first search over boards
rg/self_reference | - | >100,000 | 29% | try all truth values
rg/shortest_path | - | >100,000 | 14% | breadth-first search
rg/simple_equations | - | >100,000 | 1% | solve a linear equation
rg/simple_geometry | easy | >100,000 | 1% | the sum of the angles of a polygon
rg/simple_integration | easy | >100,000 | 0% | integrate a polynomial term by term
rg/sokoban | - | 70,000 | 0% | breadth-first search over pushes
rg/spell_backward | easy | >100,000 | 0% | reverse a string
rg/spiral_matrix | - | >100,000 | 0% | peel a matrix
rg/sudoku | - | >1,000 | 1% | backtrack with constraints
rg/syllogism | - | >100,000 | 51% | try every model of the premises
rg/time_intervals | - | >100,000 | 1% | subtract dates with time zones
rg/tower_of_hanoi | - | 2,000 | 1% | breadth-first search over pegs
rg/word_ladder | - | >50,000 | 1% | breadth-first search over words
rg/word_sequence_reversal | easy | >100,000 | 0% | reverse a list
rg/word_sorting | easy | >100,000 | 0% | sort words
rg/zebra_puzzles | - | >10,000 | 4% | try every arrangement that the clues leave
symbench/2048 | - | >100,000 | 0% | simulate slides and merges
symbench/blocksworld | - | >100,000 | 0% | build the stacks one by one from the ground
symbench/boxlift | - | >100,000 | 0% | hand out the heaviest boxes first
symbench/boxnet1 | - | >100,000 | 0% | send every box its way, all in step
symbench/combinatorial_calculation | - | >100,000 | 0% | search the expressions over ordered numbers
symbench/constrained_linear_arrangement | - | 9,000 | 2% | backtrack over orders of cards
symbench/cryptanalysis | - | >1,000 | 1% | filter the codes that fit all judgements
symbench/eight_queens | - | >80,000 | 6% | backtrack over rows
symbench/game24 | - | 40,000 | 1% | search the expressions over the numbers
symbench/gsm | easy | >100,000 | 0% | write a story as one formula
symbench/letter_logic_diagram | - | >30,000 | 0% | backtrack with constraints
symbench/letters | - | >100,000 | 17% | list the positions of a letter
symbench/light_puzzles | easy | >100,000 | 0% | count presses modulo two
symbench/logic_puzzle | - | >100,000 | 0% | backtrack over cells
symbench/logical_equation | - | >100,000 | 0% | try assignments of numbers to letters
symbench/mahjong_pattern | - | >100,000 | 35% | simulate rounds with counts
symbench/math_counting_and_probability | easy | 4,000 | 2% | write a story as one formula
symbench/math_geometry | easy | 5,000 | 1% | write a figure as one formula
symbench/matrix_transformation | - | >100,000 | 0% | carry out steps on a matrix
symbench/new_operator | - | >100,000 | 1% | define functions and nest their calls
symbench/number_multiply | easy | >100,000 | 0% | evaluate one product
symbench/path_plan | - | >100,000 | 0% | search the corners around the boxes
symbench/pattern_recognition | - | >100,000 | 3% | look for a filled square
symbench/permutations_and_combinations | - | >100,000 | 0% | try the orders that the rules leave
symbench/pooling | - | >100,000 | 1% | slide a window
symbench/reversi | - | 30,000 | 1% | simulate moves and flips
symbench/standard_sudoku | - | >80 | 3% | backtrack with constraints
symbench/statistical_counting | easy | >100,000 | 3% | group runs of letters and add
symbench/string_deletion_and_modification | - | >40,000 | 3% | rewrite a string by rules
symbench/string_insertion | - | >100,000 | 0% | find patterns and insert
symbench/string_splitting | - | >100,000 | 0% | carry out exchanges in rounds
symbench/string_synthesis | - | >100,000 | 0% | carry out exchanges in rounds
symbench/synthesis_decomposition | - | >100,000 | 0% | carry out exchanges in rounds
"""


def read_table() -> dict[str, Difficulty]:
    """The table by task: "rg/gcd" -> Difficulty(easy=True, ...)."""
    rows = {}
    for line in TABLE.strip().splitlines():
        key, easy, questions, guessing, level_5 = line.split(" | ")
        rows[key] = Difficulty(easy == "easy", questions, guessing, level_5)
    return rows


DIFFICULTY = read_table()
