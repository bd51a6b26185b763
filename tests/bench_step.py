"""One whole GRPO step with the real sandbox: switch, sample, execute, update; and the same step by TRL.

    python tests/bench_step.py                                   random weights of the tiny shape, on a CPU
    python tests/bench_step.py --size 3B                         ... of Qwen2.5-3B's shape, on one GPU
    torchrun --nproc_per_node 8 tests/bench_step.py --size 7B    ... on eight
    python tests/bench_step.py --trl                             beside TRL's GRPOTrainer (pip install trl)

The functions are those that grpo.py calls. Random weights would never write code, so each row's tokens are
dictated: turns of exponential length, scripts that really run, an answer. The sampler does all its work and
then takes the dictated token. Rewards alternate within a group, so that no row is left out of the update.

Against TRL nothing is dictated. A tiny model is overfitted on the spot to think for a random while, call
Python once, and answer. Both sides get that model, its tokenizer and chat format, the same questions, group
size and budget, temperature 1, no KL term, one update per rollout, and the same sandbox. Their steps take
turns in one process.
"""
import argparse
import random
import statistics
import sys
import tempfile
import time
import warnings
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
import r1ci
from grpo import Algorithm, learn
from r1ci import CausalLM, Chat, ModelConfig, checked_sandbox, compute_dtype, load_model, load_tokenizer, micro_batches, render_messages, rollout, save_model
from sft import World, copy_weights, free_weights, make_optimizer, memory_gb, shard, start_world
import numpy as np
import torch
from torch import Tensor

from sandbox import Sandbox
from sft import TINY_TASKS, sft_step, tiny_tokenizer
from shapes import SHAPES, shape
from tasks import TASKS, Instance
from tasks.conversation import TOOL_PREFIX, Protocol, extract_answer, tool_text
from tasks.questions import draw_questions, grade, parse_tasks

FLAGS = ("questions", "turn_tokens", "max_tokens", "slots", "micro_tokens", "steps")  # defaults of each size:
WORK = {"tiny": (16, 36, 384, 96, 1024, 5), "0.5B": (32, 300, 4096, 256, 16_384, 2),
        "1.5B": (32, 300, 4096, 256, 8192, 2), "3B": (32, 300, 4096, 128, 4096, 2),
        "7B": (32, 300, 4096, 128, 4096, 2), "14B": (32, 300, 4096, 64, 4096, 2)}
COMPUTING = TINY_TASKS.rsplit(",", 1)[0]  # the tiny model's tasks that a program solves


# ---- our step ----------------------------------------------------------------------------------------------

class Awaited(Future):
    """A script's result that notes how long the rollout stands still for it."""

    def __init__(self, watch: "WatchedSandbox", future: Future):
        super().__init__()
        self.watch = watch
        future.add_done_callback(lambda done: self.set_result(done.result()))

    def result(self, timeout: float | None = None) -> Any:
        began = time.perf_counter()
        result = super().result(timeout)
        self.watch.waited += time.perf_counter() - began
        return result


class WatchedSandbox:
    """A sandbox as the rollout uses it; counts the scripts and the seconds the rollout waited for them."""

    def __init__(self, sandbox: Sandbox):
        self.sandbox, self.scripts, self.waited = sandbox, 0, 0.0

    def submit(self, code: str, **kwargs: Any) -> Future:
        self.scripts += 1
        return Awaited(self, self.sandbox.submit(code, **kwargs))


def now(world: World) -> float:
    if world.device.type == "cuda":
        torch.cuda.synchronize(world.device)
    return time.perf_counter()


def grpo_step(model: torch.nn.Module, sampler: CausalLM, optimizer: torch.optim.Optimizer, chat: Chat,
              sandbox: Sandbox, questions: list[Instance], group_size: int, protocol: Protocol,
              micro_tokens: int, world: World, step: int, keep_sampler: bool = True) -> dict[str, float]:
    """Steps 3 to 6 of grpo.py: the seconds of each part, and what was sampled and trained on."""
    watched, began = WatchedSandbox(sandbox), now(world)
    copy_weights(model, sampler, world)
    switched = now(world)
    groups = rollout(sampler, chat, watched, questions, group_size, protocol, (0, step))
    sampled = now(world)
    for group in groups:
        for i, t in enumerate(group):
            t.reward = float(i % 2)
    if not keep_sampler:
        free_weights(sampler)
    algorithm = Algorithm(max_tokens=protocol.max_tokens, micro_tokens=micro_tokens)
    learn(model, optimizer, sampler, None, None, groups, algorithm, 1e-6, world, chat.vocab_size)
    end = now(world)
    rows = [t for group in groups for t in group]
    lengths = [len(t.ids) for t in rows]
    batches = micro_batches(lengths, micro_tokens)
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    tokens, trained = world.sum(sum(t.response_len for t in rows), sum(lengths))
    return dict(switch=switched - began, sample=sampled - switched - watched.waited, scripts=watched.waited,
                update=end - sampled, step=end - began, calls=watched.scripts, tokens=tokens, trained=trained,
                padding=1 - sum(lengths) / padded)


# ---- dictated tokens ---------------------------------------------------------------------------------------

def block(program: str) -> str:
    return f"```python\n{program.rstrip()}\n```"


def exponential(rng: random.Random, mean: float, most: int) -> int:
    return min(round(rng.expovariate(1 / mean)), most) if mean else 0


def plan(rng: random.Random, chat: Chat, calls: int, turn_tokens: int, max_tokens: int) -> list[int]:
    """What follows a prompt: `calls` turns that end in a script, what the sandbox answers, a last turn."""
    ids, filler = [], chat.encode("a")
    for call in range(calls + 1):
        ids += filler * exponential(rng, turn_tokens, max_tokens // (calls + 2))
        ids += chat.encode(f"\n{block(f'print({call})')}" if call < calls else "<<<0>>>")
        ids += chat.tool_reply(str(call)) if call < calls else [chat.end]
    return (ids + [chat.end] * max_tokens)[:max_tokens]


@contextmanager
def dictated(chat: Chat, calls: int, turn_tokens: int) -> Iterator[None]:
    """Within it a row's noise, one number for each position behind its prompt, is the token to take there."""
    make_row, sample = r1ci.Row.__init__, r1ci.sample

    def init(row: r1ci.Row, trajectory: r1ci.Trajectory, key: tuple, noise: np.ndarray, *its: Any) -> None:
        tokens = plan(random.Random(str(key)), chat, calls, turn_tokens, len(noise))
        make_row(row, trajectory, key, np.array(tokens, dtype=np.float32), *its)

    def take(logits: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        sample(logits, torch.full_like(noise, 0.5), temperature)  # the usual work, so that it is in the time
        tokens = noise.long()
        return tokens, (logits / temperature).log_softmax(-1).gather(-1, tokens[:, None]).squeeze(-1)

    r1ci.Row.__init__, r1ci.sample = init, take
    try:
        yield
    finally:
        r1ci.Row.__init__, r1ci.sample = make_row, sample


def bench_split(args: argparse.Namespace, world: World, sandbox: Sandbox) -> list[dict[str, float]]:
    """Steps with random weights, each rank on its share of the questions; the first ones are the warm-up."""
    protocol = Protocol(max_turn_tokens=args.max_tokens, max_tokens=args.max_tokens, slots=args.slots)
    questions = draw_questions(parse_tasks(COMPUTING, 1), "rl", args.questions)[:args.questions]
    chat = Chat(tiny_tokenizer([question.question for question in questions]))
    torch.manual_seed(0)
    with world.device:  # made there: 3 G random numbers take minutes on a CPU
        model = shard(load_model(shape(args.size), world.device), world, args.replicas, args.offload,
                      args.checkpointing)
        sampler = load_model(shape(args.size), world.device, compute_dtype(world.device)).eval()
    optimizer = make_optimizer(model, 1e-6, 0.0, world)
    with dictated(chat, args.calls, args.turn_tokens):
        steps = [grpo_step(model, sampler, optimizer, chat, sandbox, questions[world.rank::world.size],
                           args.group_size, protocol, args.micro_tokens, world, step, args.keep_sampler)
                 for step in range(args.warmup + args.steps)]
    return steps[args.warmup:]


def report_split(steps: list[dict[str, float]], world: World) -> str:
    """A line a step, the medians, and each part's share of the step."""
    parts = ("switch", "sample", "scripts", "update", "step")
    middle = {key: statistics.median(step[key] for step in steps) for key in steps[0]}
    lines = ["seconds  " + "".join(f"{part:>9s}" for part in parts)
             + "   sampled  tokens/s  in rollout  trained/s  padding"]
    for name, s in [*((str(i), s) for i, s in enumerate(steps, 1)), ("median", middle)]:
        lines.append(f"{name:9s}" + "".join(f"{s[part]:9.3f}" for part in parts)
                     + f"{s['tokens']:10,.0f}{s['tokens'] / s['step']:10,.0f}"
                     + f"{s['tokens'] / (s['sample'] + s['scripts']):12,.0f}"
                     + f"{s['trained'] / s['update']:11,.0f}{s['padding']:9.1%}")
    lines.append("share    " + "".join(f"{middle[part] / middle['step']:9.1%}" for part in parts))
    lines.append(f"rank 0: {middle['calls']:.0f} scripts a step, peak {memory_gb(world.device):.1f} GB")
    return "\n".join(lines)


# ---- TRL's step --------------------------------------------------------------------------------------------

# Our conversations in TRL's terms: a call is a Python block, a tool's message is a user's turn. TRL insists
# on a template that shows names and arguments of calls and never changes what it has rendered before.
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ 'user' if m.role == 'tool' else m.role }}\n"
    "{% if m.role == 'tool' %}" + TOOL_PREFIX.strip() + "{{ '\\n' }}{% endif %}{{ m.content }}"
    "{% for call in m.tool_calls or [] %}```{{ call.function.name }}\n"
    "{% for key, value in call.function.arguments.items() %}{{ key + '=' if key != 'code' }}{{ value }}"
    "{% endfor %}\n```{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
RESPONSE_TEMPLATE = {
    "defaults": {"role": "assistant"}, "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "tool_calls": {
            "open": "```python\n", "close_pattern": r"\n```\s*", "repeats": True, "content": "text",
            "transform": {"type": "function",
                          "function": {"name": "python", "arguments": {"code": "{content}"}}}},
        "content": {"close_pattern": r"<\|im_end\|>\s*", "content": "text"}}}


def write_caller(directory: Path, questions: list[Instance], sandbox: Sandbox, world: World, turn_tokens: int,
                 steps: int) -> float:
    """Overfit the tiny model on the questions and save it: thoughts, a script; thoughts, the answer.

    Thoughts are a run of one token, of exponential length, so that the model ends its turns at random, too.
    TRL stops a turn at the end-of-turn token alone: here the model samples it after a script as well.
    """
    programs = [TASKS[question.task].program(question) for question in questions]
    outputs = [TOOL_PREFIX + tool_text(sandbox.run(program, seed=0), 400) for program in programs]
    tokenizer = tiny_tokenizer([text for q, p in zip(questions, programs) for text in (q.question, block(p))])
    tokenizer.chat_template = CHAT_TEMPLATE
    chat, rng = Chat(tokenizer), random.Random(0)

    def conversation(question: Instance, program: str, output: str) -> tuple[list[int], list[int]]:
        before, after = ("." * exponential(rng, turn_tokens, 160) + "\n" for _ in range(2))
        ids, mask = render_messages(chat, [
            *chat.prompt(question, "ci"), {"role": "assistant", "content": before + block(program)},
            {"role": "user", "content": output},
            {"role": "assistant", "content": f"{after}<<<{question.expect}>>>"}])
        return ids, [m or int(i > 0 and mask[i - 1] and ids[i] == chat.end) for i, m in enumerate(mask)]

    torch.manual_seed(0)
    model = load_model(ModelConfig(vocab_size=len(tokenizer), rope_theta=100.0))
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.0)
    for step in range(steps):
        rows = [conversation(*its) for its in zip(questions, programs, outputs)]
        lr = 2e-3 * min(1, (step + 1) / 20, 2 * (1 - step / steps))
        loss = sft_step(model, optimizer, rows, world, chat.vocab_size, 1024, lr, 1.0)["loss"]
    save_model(model, tokenizer, directory)
    return loss


def require_trl() -> str:
    try:
        import transformers
        import trl
        trl.GRPOTrainer  # TRL imports its parts when they are named
        return f"TRL {trl.__version__}, transformers {transformers.__version__}"
    except ImportError as error:
        raise SystemExit(f"--trl needs TRL ({error}): pip install trl")


def trl_trainer(directory: Path, questions: list[Instance], sandbox: Sandbox, group_size: int,
                max_tokens: int, steps: int) -> Any:
    """TRL's GRPOTrainer, as quick as it gets on a CPU: no log, no recomputation, all rows at once."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer
    spent = dict.fromkeys(("sample", "scripts", "calls", "tokens", "right"), 0.0)

    class Trainer(GRPOTrainer):
        def _generate(self, prompts: list) -> tuple:
            began, waited = time.perf_counter(), spent["scripts"]
            generated = super()._generate(prompts)
            spent["sample"] += time.perf_counter() - began - (spent["scripts"] - waited)
            spent["tokens"] += sum(map(sum, generated[2]))  # the tool mask: 1 where the model sampled
            return generated

    def python(code: str) -> str:
        """Run a script.

        Args:
            code: the script's source

        Returns:
            what it printed
        """
        began = time.perf_counter()
        text = tool_text(sandbox.run(code, seed=0), 400)
        spent["scripts"] += time.perf_counter() - began
        spent["calls"] += 1
        return text

    def reward(completions: list[list[dict]], **columns: Any) -> list[float]:
        answers = [extract_answer(completion[-1]["content"]) for completion in completions]
        asked = [question for question in questions for _ in range(group_size)]
        spent["right"] += sum(answer is not None and grade(q, answer) for q, answer in zip(asked, answers))
        return [float(i % 2) for i in range(len(completions))]

    tokenizer = load_tokenizer(directory)
    tokenizer.response_template = RESPONSE_TEMPLATE
    config = GRPOConfig(
        output_dir=str(directory / "trl"), use_cpu=True, bf16=False, gradient_checkpointing=False,
        per_device_train_batch_size=len(questions) * group_size, gradient_accumulation_steps=1,
        num_generations=group_size, num_iterations=1, beta=0.0, loss_type="grpo", scale_rewards="group",
        temperature=1.0, top_p=1.0, top_k=0, max_completion_length=max_tokens, max_tool_calling_iterations=8,
        learning_rate=1e-6, lr_scheduler_type="constant", max_steps=steps, use_vllm=False,
        shuffle_dataset=False, dataloader_num_workers=0, dataloader_pin_memory=False, logging_strategy="no",
        save_strategy="no", report_to="none", disable_tqdm=True)
    chat = Chat(tokenizer)
    trainer = Trainer(model=str(directory), reward_funcs=reward, args=config, processing_class=tokenizer,
                      tools=[python],
                      train_dataset=Dataset.from_list([{"prompt": chat.prompt(q, "ci")} for q in questions]))
    trainer.spent = spent
    return trainer


def bench_trl(args: argparse.Namespace, world: World, sandbox: Sandbox, directory: Path) -> tuple[list, list]:
    """Our steps and TRL's in turn: ours run between two steps of TRL's own loop."""
    from transformers import TrainerCallback
    questions = draw_questions(parse_tasks(COMPUTING, 1), "rl", args.questions)
    questions = random.Random(0).sample(questions, args.questions)
    loss = write_caller(directory, questions, sandbox, world, args.turn_tokens, args.overfit_steps)
    print(f"a tiny model, overfitted on {len(questions)} questions to a loss of {loss:.3f}", flush=True)
    trainer = trl_trainer(directory, questions, sandbox, args.group_size, args.max_tokens,
                          args.warmup + args.steps)
    chat = Chat(load_tokenizer(directory))
    for question in questions:
        messages = chat.prompt(question, "ci")
        assert render_messages(chat, messages)[0] == chat.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=False), "both sides must see the same prompt"
    sampler, model = load_model(directory).eval(), shard(load_model(directory), world)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    protocol = Protocol(max_turn_tokens=args.max_tokens, max_tokens=args.max_tokens, slots=args.slots)
    ours, theirs = [], []

    class InTurn(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            trainer.spent.update(dict.fromkeys(trainer.spent, 0.0))
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            step, spent = time.perf_counter() - self.began, dict(trainer.spent, switch=0.0)
            theirs.append(dict(spent, step=step, update=step - spent["sample"] - spent["scripts"]))
            ours.append(grpo_step(model, sampler, optimizer, chat, sandbox, questions, args.group_size,
                                  protocol, args.micro_tokens, world, len(ours)))

    trainer.add_callback(InTurn())
    trainer.train()
    return ours[args.warmup:], theirs[args.warmup:]


def report_trl(ours: list[dict[str, float]], theirs: list[dict[str, float]], rows: int) -> str:
    parts = ("switch", "sample", "scripts", "update", "step")
    lines = ["seconds, median   " + "".join(f"{part:>9s}" for part in parts) + "   sampled  calls  tokens/s"]
    for name, steps in (("TRL's GRPOTrainer", theirs), ("ours", ours)):
        s = {key: statistics.median(step[key] for step in steps) for key in steps[0]}
        lines.append(f"{name:18s}" + "".join(f"{s[part]:9.3f}" for part in parts)
                     + f"{s['tokens']:10,.0f}{s['calls']:7.0f}{s['tokens'] / s['step']:10,.0f}")
    tokens = sum(step["tokens"] for step in ours) / sum(step["tokens"] for step in theirs)
    ratios = sorted(their["step"] / our["step"] for our, their in zip(ours, theirs))
    right = statistics.median(step["right"] for step in theirs)
    lines.append(f"TRL's rows with a right answer: {right:.0f} of {rows}; our sampled tokens: {tokens:.3f} "
                 "of TRL's (0.9 to 1.1 is the same work)")
    lines.append(f"TRL's step takes {statistics.median(ratios):.2f}x the time of ours: median of {len(ours)} "
                 f"pairs from {ratios[0]:.2f} to {ratios[-1]:.2f} (bar 3x)")
    return "\n".join(lines)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = r1ci.command_line("One whole GRPO step, split; with --trl beside TRL's.")
    parser.add_argument("--size", choices=SHAPES, default="tiny", help="shape of the random weights")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--questions", type=int, help="per step (none: by size)")
    parser.add_argument("--group-size", type=int, default=8, help="answers per question")
    parser.add_argument("--calls", type=int, default=2, help="scripts of every row; with --trl one")
    parser.add_argument("--turn-tokens", type=int, help="mean, of a turn's thoughts (none: by size)")
    parser.add_argument("--max-tokens", type=int, help="behind the prompt (none: by size)")
    parser.add_argument("--slots", type=int, help="rows that decode together (none: by size)")
    parser.add_argument("--micro-tokens", type=int, help="padded tokens per forward pass (none: by size)")
    parser.add_argument("--steps", type=int, help="measured (none: by size)")
    parser.add_argument("--warmup", type=int, default=1, help="steps before")
    parser.add_argument("--threads", type=int, default=2, help="of torch on a CPU")
    parser.add_argument("--checkpointing", action="store_true", help="as in grpo.py")
    parser.add_argument("--offload", action="store_true", help="as in grpo.py")
    parser.add_argument("--replicas", type=int, default=1, help="as in grpo.py")
    parser.add_argument("--keep-sampler", action=argparse.BooleanOptionalAction, default=True,
                        help="as in grpo.py")
    parser.add_argument("--trl", action="store_true", help="against TRL's GRPOTrainer, on a CPU")
    parser.add_argument("--overfit-steps", type=int, default=300, help="of the tiny model for --trl")
    args = parser.parse_args(argv)
    for name, value in zip(FLAGS, WORK[args.size]):
        setattr(args, name, value if getattr(args, name) is None else getattr(args, name))
    if args.trl and (args.size != "tiny" or args.device == "cuda"):
        parser.error("--trl compares the tiny model on a CPU: leave --size and --device out")
    return args


def main() -> None:
    warnings.simplefilter("ignore")
    args = parse()
    title = require_trl() if args.trl else args.size
    world = start_world("cpu" if args.trl else args.device)
    if args.questions % world.size:
        raise SystemExit(f"--questions {args.questions} does not divide over {world.size} ranks")
    if world.device.type == "cpu":
        torch.set_num_threads(args.threads)
    rows = args.questions * args.group_size
    if world.main:
        print(f"{title} on {world.size} x {world.device.type} in {compute_dtype(world.device)}: {rows} rows, "
              f"{args.slots} slots, {args.micro_tokens} tokens a pass", flush=True)
    with checked_sandbox(None, 5.0) as sandbox, tempfile.TemporaryDirectory() as directory:
        if args.trl:
            print(report_trl(*bench_trl(args, world, sandbox, Path(directory)), rows))
        else:
            report = report_split(bench_split(args, world, sandbox), world)
            print(report if world.main else "", end="\n" * world.main)


if __name__ == "__main__":
    main()
