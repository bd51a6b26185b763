"""One whole GRPO step with the real sandbox: switch, sample, execute, update; and the same step by TRL.

    python tests/bench_step.py                                      random weights of the tiny shape on a CPU
    python tests/bench_step.py --size 3B                            ... of Qwen2.5-3B's shape on one GPU, in bfloat16
    torchrun --nproc_per_node 8 tests/bench_step.py --size 7B       ... on eight
    python tests/bench_step.py --trl                                against TRL's GRPOTrainer on a CPU (pip install trl)

The functions are those that grpo.py calls. Random weights would never write code, so each row's tokens are dictated:
turns of exponential length, scripts that really run, an answer. The sampler does all its work and then takes the
dictated token. Rewards alternate within a group, so that no row is left out of the update.

Against TRL nothing is dictated. A tiny model is overfitted on the spot to call Python once and then to answer; both
sides get that model, its tokenizer and chat format, the same questions, group size and budget, temperature 1, no KL
term, one update per rollout, and the same sandbox. Their steps alternate in one process.
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
from grpo import choose_rows, update
from r1ci import (SYSTEM_PROMPTS, TOOL_PREFIX, CausalLM, Chat, ModelConfig, Protocol, World, checked_sandbox,
                  compute_dtype, copy_weights, extract_answer, load_model, load_tokenizer, memory_gb, micro_batches,
                  render_messages, rollout, save_model, shard, start_world, tool_text)
import numpy as np
import torch
from sandbox import Sandbox
from sft import TINY_TASKS, block, sft_step, tiny_tokenizer
from shapes import SHAPES, shape
from tasks import TASKS, Instance
from tasks.questions import draw_questions, grade, parse_tasks

# By size: questions, tokens of a turn (mean), tokens behind the prompt, slots, padded tokens per forward pass.
WORK = {"tiny": (16, 36, 384, 96, 1024), "0.5B": (32, 300, 4096, 256, 16_384), "1.5B": (32, 300, 4096, 256, 8192),
        "3B": (32, 300, 4096, 128, 4096), "7B": (32, 300, 4096, 128, 4096), "14B": (32, 300, 4096, 64, 4096)}


# ---- our step --------------------------------------------------------------------------------------------------------

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
    """A sandbox as the rollout uses it, with the scripts it ran and the seconds the rollout waited for them."""

    def __init__(self, sandbox: Sandbox):
        self.sandbox, self.scripts, self.waited = sandbox, 0, 0.0

    def submit(self, code: str, **kwargs: Any) -> Future:
        self.scripts += 1
        return Awaited(self, self.sandbox.submit(code, **kwargs))


def now(world: World) -> float:
    if world.device.type == "cuda":
        torch.cuda.synchronize(world.device)
    return time.perf_counter()


def grpo_step(model: torch.nn.Module, sampler: CausalLM, optimizer: torch.optim.Optimizer, chat: Chat, sandbox: Sandbox,
              questions: list[Instance], group_size: int, protocol: Protocol, micro_tokens: int, world: World,
              step: int) -> dict[str, float]:
    """Steps 3 to 6 of grpo.py, timed; seconds, and what was sampled and trained on this rank."""
    watched, began = WatchedSandbox(sandbox), now(world)
    copy_weights(model, sampler)
    switched = now(world)
    groups = rollout(sampler, chat, watched, questions, group_size, protocol, (0, step))
    sampled = now(world)
    for group in groups:
        for i, t in enumerate(group):
            t.reward = float(i % 2)
    rows, advantages, counts = choose_rows(groups, True, False)
    totals = dict(zip(counts, world.sum(*counts.values())))
    update(model, optimizer, rows, advantages, (totals["rows"], totals["tokens"]), None, world, chat.vocab_size,
           updates=1, norm="sequence", max_tokens=protocol.max_tokens, clip_low=0.2, clip_high=0.2, kl_coef=0.0,
           temperature=protocol.temperature, micro_tokens=micro_tokens, lr=1e-6, clip=1.0)
    end = now(world)
    lengths = [len(t.ids) for t in rows]
    padded = sum(max(lengths[i] for i in batch) * len(batch) for batch in micro_batches(lengths, micro_tokens))
    return dict(switch=switched - began, sample=sampled - switched - watched.waited, scripts=watched.waited,
                update=end - sampled, step=end - began, calls=watched.scripts, tokens=totals["tokens"],
                trained=sum(lengths), padding=1 - sum(lengths) / padded)


# ---- dictated tokens -------------------------------------------------------------------------------------------------

def plan(rng: random.Random, chat: Chat, calls: int, turn_tokens: int, max_tokens: int) -> list[int]:
    """What follows a prompt: `calls` turns that end in a script, what the sandbox will answer, and a last turn."""
    ids, filler = [], chat.encode("a")
    for call in range(calls + 1):
        ids += filler * min(int(rng.expovariate(1 / turn_tokens)), max_tokens // (calls + 2))
        ids += chat.encode(f"\n{block(f'print({call})')}" if call < calls else "<<<0>>>")
        ids += chat.tool_reply(str(call)) if call < calls else [chat.end]
    return (ids + [chat.end] * max_tokens)[:max_tokens]


@contextmanager
def dictated(chat: Chat, calls: int, turn_tokens: int) -> Iterator[None]:
    """Within it a row's noise, one number for each position behind its prompt, is the token to take there."""
    make_row, sample = r1ci.Row.__init__, r1ci.sample

    def init(row: r1ci.Row, trajectory: r1ci.Trajectory, key: tuple, noise: np.ndarray, **kwargs: Any) -> None:
        tokens = plan(random.Random(str(key)), chat, calls, turn_tokens, len(noise))
        make_row(row, trajectory, key, np.array(tokens, dtype=np.float32), **kwargs)

    def take(logits: torch.Tensor, noise: torch.Tensor, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
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
    questions = draw_questions(parse_tasks(TINY_TASKS, 1), "rl", args.questions)[:args.questions]
    chat = Chat(tiny_tokenizer([question.question for question in questions]))
    torch.manual_seed(0)
    sampler = load_model(shape(args.size), world.device, compute_dtype(world.device)).eval()
    model = shard(load_model(shape(args.size), world.device), world)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    with dictated(chat, args.calls, args.turn_tokens):
        steps = [grpo_step(model, sampler, optimizer, chat, sandbox, questions[world.rank::world.size],
                           args.group_size, protocol, args.micro_tokens, world, step)
                 for step in range(args.warmup + args.steps)]
    return steps[args.warmup:]


def report_split(steps: list[dict[str, float]], world: World) -> str:
    """A line a step, and the medians with their shares of the step."""
    parts = ("switch", "sample", "scripts", "update", "step")
    lines = ["seconds  " + "".join(f"{part:>9s}" for part in parts) + "   sampled   tokens/s   of rollout   trained/s  "
             "padding"]
    middle = {key: statistics.median(step[key] for step in steps) for key in steps[0]}
    for name, s in [*((str(i), s) for i, s in enumerate(steps, 1)), ("median", middle)]:
        lines.append(f"{name:9s}" + "".join(f"{s[part]:9.3f}" for part in parts) + f"{s['tokens']:10,.0f}"
                     f"{s['tokens'] / s['step']:11,.0f}{s['tokens'] / (s['sample'] + s['scripts']):13,.0f}"
                     f"{world.size * s['trained'] / s['update']:12,.0f}{s['padding']:9.1%}")
    lines.append("share    " + "".join(f"{middle[part] / middle['step']:9.1%}" for part in parts))
    lines.append(f"{middle['calls']:.0f} scripts a step and rank; peak memory {memory_gb(world.device):.1f} GB")
    return "\n".join(lines)


# ---- TRL's step ------------------------------------------------------------------------------------------------------

# Our conversations as TRL sees them: a call is a Python block, a tool's message is a user's turn. TRL wants a template
# that shows a call's name and arguments and never changes what it has rendered before.
CHAT_TEMPLATE = (
    "{% for m in messages %}"
    "<|im_start|>{{ 'user' if m.role == 'tool' else m.role }}\n"
    "{% if m.role == 'tool' %}" + TOOL_PREFIX.replace("\n", "\\n").join(("{{ '", "' }}")) + "{% endif %}{{ m.content }}"
    "{% for call in m.tool_calls or [] %}```{{ call.function.name }}\n"
    "{% for key, value in call.function.arguments.items() %}{{ '' if key == 'code' else key + '=' }}{{ value }}"
    "{% endfor %}\n```{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
RESPONSE_TEMPLATE = {
    "defaults": {"role": "assistant"}, "start_anchor": "<|im_start|>assistant\n",
    "fields": {"tool_calls": {"open": "```python\n", "close_pattern": r"\n```\s*", "repeats": True, "content": "text",
                              "transform": {"type": "function", "function": {
                                  "name": "python", "arguments": {"code": "{content}"}}}},
               "content": {"close_pattern": r"<\|im_end\|>\s*", "content": "text"}}}


def write_caller(directory: Path, questions: list[Instance], sandbox: Sandbox, world: World, steps: int) -> float:
    """Overfit the tiny model on one conversation per question and save it; returns the last loss.

    TRL stops a turn at the end-of-turn token alone, so the model has to sample it after a script, too.
    """
    conversations = []
    for question in questions:
        program = TASKS[question.task].program(question)
        conversations.append([{"role": "system", "content": SYSTEM_PROMPTS["ci"][0]},
                              {"role": "user", "content": question.question},
                              {"role": "assistant", "content": block(program)},
                              {"role": "user", "content": TOOL_PREFIX + tool_text(sandbox.run(program, seed=0), 400)},
                              {"role": "assistant", "content": f"<<<{question.expect}>>>"}])
    tokenizer = tiny_tokenizer([m["content"] for messages in conversations for m in messages[1:]])
    tokenizer.chat_template = CHAT_TEMPLATE
    chat, rows = Chat(tokenizer), []
    for messages in conversations:
        ids, loss_mask = render_messages(chat, messages)
        rows.append((ids, [m or int(i > 0 and ids[i] == chat.end and loss_mask[i - 1]) for i, m in enumerate(loss_mask)]))
    torch.manual_seed(0)
    model = load_model(ModelConfig(vocab_size=len(tokenizer), rope_theta=100.0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.0)
    for step in range(steps):
        loss = sft_step(model, optimizer, rows, world, chat.vocab_size, 4096, 2e-3 * min(1, step / 20), 1.0)["loss"]
    save_model(model, tokenizer, directory)
    return loss


def trl_trainer(directory: Path, questions: list[Instance], sandbox: Sandbox, args: argparse.Namespace) -> Any:
    """TRL's GRPOTrainer, set up as quick as it gets on a CPU: no log, no save, no recomputation, the whole batch at once."""
    try:
        from datasets import Dataset
        from trl import GRPOConfig, GRPOTrainer
    except ImportError as error:
        raise SystemExit(f"--trl needs TRL in this environment ({error}): pip install trl")
    tokenizer = load_tokenizer(directory)
    tokenizer.response_template = RESPONSE_TEMPLATE

    def python(code: str) -> str:
        """Run a script.

        Args:
            code: the script's source

        Returns:
            what it printed
        """
        trainer.spent["calls"] += 1
        began = time.perf_counter()
        text = tool_text(sandbox.run(code, seed=0), 400)
        trainer.spent["scripts"] += time.perf_counter() - began
        return text

    def reward(completions: list[list[dict]], **columns: Any) -> list[float]:
        answers = [extract_answer(completion[-1]["content"]) for completion in completions]
        trainer.spent["right"] += sum(answer is not None and grade(question, answer) for question, answer in
                                      zip((q for q in questions for _ in range(args.group_size)), answers))
        return [float(i % 2) for i in range(len(completions))]

    class Trainer(GRPOTrainer):
        spent = dict.fromkeys(("sample", "scripts", "calls", "tokens", "right"), 0.0)

        def _generate(self, prompts: list) -> tuple:
            began, waited = time.perf_counter(), self.spent["scripts"]
            out = super()._generate(prompts)
            self.spent["sample"] += time.perf_counter() - began - (self.spent["scripts"] - waited)
            self.spent["tokens"] += sum(map(sum, out[2]))  # the tool mask: 1 where the model sampled
            return out

    rows = len(questions) * args.group_size
    config = GRPOConfig(
        output_dir=str(directory / "trl"), use_cpu=True, bf16=False, fp16=False, gradient_checkpointing=False,
        per_device_train_batch_size=rows // args.trl_accumulation, gradient_accumulation_steps=args.trl_accumulation,
        num_generations=args.group_size, num_iterations=1, beta=0.0, loss_type="grpo", scale_rewards="group",
        temperature=1.0, top_p=1.0, top_k=0, max_completion_length=args.max_tokens, max_tool_calling_iterations=8,
        learning_rate=1e-6, lr_scheduler_type="constant", max_steps=args.warmup + args.steps, shuffle_dataset=False,
        optim="adamw_torch", logging_strategy="no", save_strategy="no", report_to="none", disable_tqdm=True,
        dataloader_num_workers=0, dataloader_pin_memory=False, use_vllm=False)
    prompts = [{"prompt": [{"role": "system", "content": SYSTEM_PROMPTS["ci"][0]},
                           {"role": "user", "content": question.question}]} for question in questions]
    trainer = Trainer(model=str(directory), reward_funcs=reward, args=config, train_dataset=Dataset.from_list(prompts),
                      processing_class=tokenizer, tools=[python])
    return trainer


def bench_trl(args: argparse.Namespace, world: World, sandbox: Sandbox) -> tuple[list[dict], list[dict]]:
    """Our steps and TRL's in turn: ours run between two steps of TRL's own loop."""
    questions = draw_questions(parse_tasks(TINY_TASKS.rsplit(",", 1)[0], 1), "rl", args.questions)
    questions = random.Random(0).sample(questions, args.questions)
    directory = Path(tempfile.mkdtemp(prefix="bench-step-"))
    loss = write_caller(directory, questions, sandbox, world, args.overfit_steps)
    print(f"a tiny model, overfitted on {len(questions)} conversations to a loss of {loss:.4f}")
    trainer = trl_trainer(directory, questions, sandbox, args)
    chat = Chat(load_tokenizer(directory))
    for question, prompt in zip(questions, trainer.train_dataset["prompt"]):
        theirs = chat.tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=False)
        assert theirs == render_messages(chat, chat.prompt(question, "ci"))[0], "both sides see the same prompt"
    sampler, model = load_model(directory).eval(), shard(load_model(directory), world)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    protocol = Protocol(max_turn_tokens=args.max_tokens, max_tokens=args.max_tokens, slots=args.slots)
    ours, theirs = [], []
    from transformers import TrainerCallback

    class InTurn(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            trainer.spent.update(dict.fromkeys(trainer.spent, 0.0))
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            step, spent = time.perf_counter() - self.began, dict(trainer.spent)
            theirs.append(dict(spent, step=step, update=step - spent["sample"] - spent["scripts"]))
            ours.append(grpo_step(model, sampler, optimizer, chat, sandbox, questions, args.group_size, protocol,
                                  args.micro_tokens, world, len(ours)))

    trainer.add_callback(InTurn())
    trainer.train()
    return ours[args.warmup:], theirs[args.warmup:]


def report_trl(ours: list[dict], theirs: list[dict], rows: int) -> str:
    lines = ["seconds, median       sample  scripts   update     step   sampled  calls  tokens/s"]
    for name, steps in (("TRL's GRPOTrainer", theirs), ("ours", ours)):
        s = {key: statistics.median(step[key] for step in steps) for key in steps[0]}
        lines.append(f"{name:20s}" + "".join(f"{s[part]:9.3f}" for part in ("sample", "scripts", "update", "step"))
                     + f"{s['tokens']:10,.0f}{s['calls']:7.0f}{s['tokens'] / s['step']:10,.0f}")
    ratio = statistics.median(their["step"] / our["step"] for our, their in zip(ours, theirs))
    tokens = sum(step["tokens"] for step in ours) / sum(step["tokens"] for step in theirs)
    right = statistics.median(step["right"] for step in theirs)
    lines.append(f"TRL's rows with a right answer: {right:.0f} of {rows}; our sampled tokens are {tokens:.3f} of TRL's "
                 "(0.9 to 1.1 counts as the same work)")
    lines.append(f"a step of TRL takes {ratio:.2f}x the time of ours, median of {len(ours)} pairs (bar 3x)")
    return "\n".join(lines)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = r1ci.command_line("One whole GRPO step, split; with --trl beside TRL's.")
    parser.add_argument("--size", choices=SHAPES, default="tiny", help="shape of the random weights")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--questions", type=int, help="per step (none: by size)")
    parser.add_argument("--group-size", type=int, default=8, help="answers per question")
    parser.add_argument("--calls", type=int, default=2, help="scripts of every row")
    parser.add_argument("--turn-tokens", type=int, help="mean tokens of a turn before its script (none: by size)")
    parser.add_argument("--max-tokens", type=int, help="behind the prompt (none: by size)")
    parser.add_argument("--slots", type=int, help="rows that decode together (none: by size)")
    parser.add_argument("--micro-tokens", type=int, help="padded tokens per forward pass (none: by size)")
    parser.add_argument("--steps", type=int, default=5, help="measured")
    parser.add_argument("--warmup", type=int, default=1, help="steps before")
    parser.add_argument("--threads", type=int, default=2, help="of torch on a CPU")
    parser.add_argument("--trl", action="store_true", help="against TRL's GRPOTrainer, on a CPU")
    parser.add_argument("--trl-accumulation", type=int, default=1, help="forward passes of TRL's update")
    parser.add_argument("--overfit-steps", type=int, default=300, help="of the tiny model for --trl")
    args = parser.parse_args(argv)
    for name, value in zip(("questions", "turn_tokens", "max_tokens", "slots", "micro_tokens"), WORK[args.size]):
        setattr(args, name, getattr(args, name) or value)
    if args.trl and (args.size != "tiny" or args.device == "cuda"):
        parser.error("--trl compares the tiny model on a CPU: leave --size and --device out")
    return args


def main() -> None:
    warnings.simplefilter("ignore")
    args = parse()
    world = start_world("cpu" if args.trl else args.device)
    if args.questions % world.size:
        raise SystemExit(f"--questions {args.questions} does not divide over {world.size} ranks")
    if world.device.type == "cpu":
        torch.set_num_threads(args.threads)
    rows = args.questions * args.group_size
    with checked_sandbox(None, 5.0) as sandbox:
        if world.main:
            print(f"{'TRL comparison' if args.trl else args.size} on {world.size} x {world.device.type}, "
                  f"{compute_dtype(world.device)}; {rows} rows, {args.slots} slots, {args.micro_tokens} tokens a pass")
        report = report_trl(*bench_trl(args, world, sandbox), rows) if args.trl else \
            report_split(bench_split(args, world, sandbox), world)
    if world.main:
        print(report)


if __name__ == "__main__":
    main()
