"""Which tasks --preset laptop trains on: the rule, and what it gives.

    python tests/laptop_tasks.py DIR          DIR: a model's directory, for its tokenizer

The train tasks whose conversations at level 1, written by their own programs, have at most 160
tokens in mean. So the choice knows nothing of what a model can do; it keeps a run within an hour.
A task whose questions have become longer since then stays in the preset: figures were measured with it.
"""
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
from r1ci import Chat, checked_sandbox, load_tokenizer, render_messages
from sandbox import Sandbox
from tasks import TASKS
from tasks.questions import draw_questions
from tasks.teacher import write_conversations

MOST_TOKENS = 160
CONVERSATIONS = 40   # of each task
LONGER_SINCE = {"rg/isomorphic_strings"}   # 165 tokens


def mean_tokens(task: str, chat: Chat, sandbox: Sandbox) -> float:
    questions = draw_questions([(task, 1)], "sft", CONVERSATIONS)
    lines = write_conversations(questions, sandbox, seed=0, tool_chars=2000)
    lengths = [len(render_messages(chat, line["messages"])[0]) for line in lines]
    return sum(lengths) / len(lengths)


def tokens_of_tasks(chat: Chat) -> dict[str, float]:
    """Mean tokens of the conversations of every train task."""
    with checked_sandbox(None, timeout=5.0) as sandbox:
        return {key: mean_tokens(key, chat, sandbox)
                for key, task in TASKS.items() if task.split == "train"}


def chosen(tokens: dict[str, float]) -> list[str]:
    return [task for task, mean in tokens.items() if mean < MOST_TOKENS + 0.5]


if __name__ == "__main__":
    tokens = tokens_of_tasks(Chat(load_tokenizer(sys.argv[1])))
    for task in sorted(tokens, key=tokens.get):
        print(f"{tokens[task]:6.0f}  {task}")
    print(" ".join(chosen(tokens)))
