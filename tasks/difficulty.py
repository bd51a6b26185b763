"""How hard a task is, said honestly: what one statement solves, what guessing gets, how many questions there are."""
import ast

from tasks.base import Task

LEVELS_ASKED, SEEDS_ASKED = (1, 3, 5), range(4)


def is_one_statement(program: str) -> bool:
    """Whether a program is a single statement: imports, constants, and `solve` around one `return` aside."""
    left = []
    for statement in ast.parse(program).body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)) or is_constant(statement):
            continue
        if isinstance(statement, ast.FunctionDef) and statement.name == "solve":
            body = [inner for inner in statement.body if not isinstance(inner, (ast.Import, ast.ImportFrom))]
            if [type(inner) for inner in body] == [ast.Return]:
                continue
        left.append(statement)
    return [type(statement) for statement in left] == [ast.Expr]


def is_constant(statement: ast.stmt) -> bool:
    """Whether a statement gives a name to a literal, as a script does with the facts of its question."""
    if not isinstance(statement, ast.Assign):
        return False
    try:
        ast.literal_eval(statement.value)
        return True
    except ValueError:
        return False


def one_statement(task: Task) -> bool:
    """Whether one Python statement solves every question of the task that is looked at."""
    if task.program is None:
        return False
    return all(is_one_statement(task.program(task.generate(seed, level)))
               for level in LEVELS_ASKED for seed in SEEDS_ASKED)
