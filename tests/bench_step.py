"""One whole GRPO step with the real sandbox: switch, sample, execute, update; and the same by TRL.

    python tests/bench_step.py                                   random weights, tiny shape, a CPU
    python tests/bench_step.py --size 3B                         ... of Qwen2.5-3B's shape, one GPU
    torchrun --nproc_per_node 8 tests/bench_step.py --size 7B    ... on eight
    python tests/bench_step.py --trl                             beside TRL's GRPOTrainer
                                                                 (pip install trl)
    python tests/bench_step.py --trl --model DIR                 ... with a real model of ChatML's
                                                                 marks (SmolLM2, Qwen)

The functions are those that grpo.py calls. Random weights would never write code, so each row's
tokens are dictated: turns of exponential length, scripts that really run, an answer. The sampler
does all its work and then takes the dictated token. Rewards alternate within a group, so that no
row is left out of the update.

Against TRL nothing is dictated. The tiny model, or that of --model, is overfitted on the spot to
think for a random while, call Python once, and answer. Both sides get that model, its tokenizer and
chat format, the same questions, group size and budget, temperature 1, no KL term, one update per
rollout, and the same sandbox; bfloat16 where ours computes in it (TRL: bf16=True). Their steps take
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
import r1ci
from grpo import ADVANTAGES, Algorithm, Learner, choose_answers, update
from r1ci import (CausalLM, Chat, Interpreter, ModelConfig, checked_sandbox, load_model,
                  load_tokenizer, read_config, render_messages, rollout, save_model)
from sft import (Example, World, copy_weights, free_weights, make_optimizer, memory_gb,
                 optimizer_step, sft_backward, shard, start_world, tiny_tokenizer, weights_on_main)
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from sandbox import Sandbox
from shapes import SHAPES, shape
from tasks import TASKS, Instance
from tasks.conversation import FORMATS, Protocol, Trajectory, extract_answer, tool_text
from tasks.flags import CommandLine
from tasks.questions import TINY_TASKS, draw_questions, grade, parse_tasks

# The flags whose defaults depend on the size, and those defaults.
SIZED = ("questions", "turn_tokens", "max_tokens", "slots", "micro_tokens", "steps")
WORK = {
    "tiny": (16, 36, 384, 96, 1024, 5),
    "real": (2, 36, 384, 96, 1024, 2),   # that of --model, on a CPU
    "0.5B": (32, 300, 4096, 256, 16_384, 2),
    "1.5B": (32, 300, 4096, 256, 8192, 2),
    "3B": (32, 300, 4096, 128, 4096, 2),
    "7B": (32, 300, 4096, 128, 4096, 2),
    "14B": (32, 300, 4096, 64, 4096, 2),
}
COMPUTING = TINY_TASKS.rsplit(",", 1)[0]   # the tiny model's tasks that a program solves
MARKS = FORMATS["fence"]
Step = dict[str, float]                    # seconds of each part of a step, tokens, calls


# ---- our step ------------------------------------------------------------------------------------

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
    """A sandbox as the rollout uses it; counts scripts and the seconds that were waited for them.
    """

    def __init__(self, sandbox: Sandbox):
        self.sandbox, self.scripts, self.waited = sandbox, 0, 0.0

    def submit(self, code: str, **kwargs: Any) -> Future:
        self.scripts += 1
        return Awaited(self, self.sandbox.submit(code, **kwargs))


def now(world: World) -> float:
    if world.device.type == "cuda":
        torch.cuda.synchronize(world.device)
    return time.perf_counter()


@dataclass
class Ours:
    """All that our step needs but the questions."""
    learner: Learner
    sampler: CausalLM       # the plain copy of the learner's model
    chat: Chat
    sandbox: Sandbox
    protocol: Protocol
    group_size: int
    keep_sampler: bool = True

    def step(self, questions: list[Instance], number: int) -> Step:
        """Steps 3 to 6 of grpo.py: the seconds of each part, what was sampled and trained on."""
        world, watched = self.learner.world, WatchedSandbox(self.sandbox)
        began = now(world)
        copy_weights(self.learner.model, self.sampler, world)
        switched = now(world)
        # 3. Rollout.
        groups = rollout(Interpreter(self.sampler, self.chat, watched), questions,
                         group_size=self.group_size, protocol=self.protocol, key=(0, number))
        sampled = now(world)
        # 4 and 5. Rewards alternate, so no advantage is 0 and all rows are trained on.
        rewards = [[float(i % 2) for i in range(len(group))] for group in groups]
        advantages = ADVANTAGES["grpo"](rewards, True, world)
        # 6. Loss and update.
        if not self.keep_sampler:
            free_weights(self.sampler)
        samples = choose_answers(groups, rewards, advantages, self.learner.algorithm, world=world)
        update(self.learner, samples, lr=1e-6)
        end = now(world)
        rows = [t for group in groups for t in group]
        tokens, trained = world.sum(sum(t.response_len for t in rows),
                                    sum(len(t.ids) for t in rows))
        return dict(switch=switched - began, sample=sampled - switched - watched.waited,
                    scripts=watched.waited, update=end - sampled, step=end - began,
                    calls=watched.scripts, tokens=tokens, trained=trained)


def make_ours(args: argparse.Namespace, sandbox: Sandbox, world: World, source: Path | ModelConfig,
              chat: Chat) -> Ours:
    """Learner and sampler with the weights of `source`, or with random ones of its shape."""
    with world.device:   # random weights are made there: 3 G numbers take minutes on a CPU
        model = load_model(source, world.device)
        sampler = load_model(source, world.device, world.dtype).eval()
    model = shard(model, world, args.replicas, args.offload, args.checkpointing)
    learner = Learner(
        model=model, optimizer=make_optimizer(model, 1e-6, 0.0, world), reference=None, critic=None,
        algorithm=Algorithm(max_tokens=args.max_tokens, micro_tokens=args.micro_tokens,
                            max_grad_norm=1.0),
        tokenizer_size=chat.tokenizer_size, world=world)
    protocol = Protocol(max_turn_tokens=args.max_tokens, max_tokens=args.max_tokens,
                        slots=args.slots)
    return Ours(learner=learner, sampler=sampler, chat=chat, sandbox=sandbox, protocol=protocol,
                group_size=args.group_size, keep_sampler=args.keep_sampler)


# ---- dictated tokens -----------------------------------------------------------------------------

def exponential(rng: random.Random, mean: float, most: int) -> int:
    if mean == 0:
        return 0
    return min(round(rng.expovariate(1 / mean)), most)


def plan(rng: random.Random, chat: Chat, calls: int, turn_tokens: int,
         max_tokens: int) -> list[int]:
    """What follows a prompt: `calls` turns that end in a script, what the sandbox answers, a last
    turn.

        a a a a print(0) | output 0 | a print(1) | output 1 | a a a <<<0>>> END
    """
    [filler], ids = chat.encode("a"), []
    for call in range(calls):
        ids += [filler] * exponential(rng, turn_tokens, max_tokens // (calls + 2))
        ids += chat.encode("\n" + MARKS.show_code(f"print({call})"))
        ids += chat.tool_reply(str(call))
    ids += [filler] * exponential(rng, turn_tokens, max_tokens // (calls + 2))
    ids += chat.encode(MARKS.show_answer("0")) + [chat.turn_end]
    padding = [chat.turn_end] * max_tokens
    return (ids + padding)[:max_tokens]


@contextmanager
def dictated(chat: Chat, calls: int, turn_tokens: int) -> Iterator[None]:
    """Within it a row's noise, one number for each position behind its prompt, is the token to take
    there.
    """
    make_row, sample = r1ci.Row.__init__, r1ci.sample

    def init(row: r1ci.Row, trajectory: Trajectory, key: tuple, noise: np.ndarray,
             group: list[r1ci.Row], turn_start: int) -> None:
        tokens = plan(random.Random(str(key)), chat, calls, turn_tokens, max_tokens=len(noise))
        make_row(row, trajectory, key, np.array(tokens, dtype=np.float32), group,
                 turn_start)

    def take(logits: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        sample(logits, torch.full_like(noise, 0.5), temperature)   # the usual work, to be in time
        tokens = noise.long()
        logps = (logits / temperature).log_softmax(-1)
        return tokens, logps.gather(-1, tokens[:, None]).squeeze(-1)

    r1ci.Row.__init__, r1ci.sample = init, take
    try:
        yield
    finally:
        r1ci.Row.__init__, r1ci.sample = make_row, sample


def bench_split(args: argparse.Namespace, world: World, sandbox: Sandbox) -> list[Step]:
    """Steps with random weights, each rank on its share of the questions; the first ones warm up.
    """
    drawn = draw_questions(parse_tasks(COMPUTING, 1), "rl", args.questions)
    questions = drawn[:args.questions]
    chat = Chat(tiny_tokenizer([question.question for question in questions]))
    torch.manual_seed(0)
    ours = make_ours(args, sandbox, world, shape(args.size), chat)
    mine = questions[world.rank::world.size]
    with dictated(chat, args.calls, args.turn_tokens):
        steps = [ours.step(mine, number) for number in range(args.warmup + args.steps)]
    return steps[args.warmup:]


PARTS = ("switch", "sample", "scripts", "update", "step")


def medians(steps: list[Step]) -> Step:
    return {key: statistics.median(step[key] for step in steps) for key in steps[0]}


def report_split(steps: list[Step], world: World) -> str:
    """A line a step, the medians, and each part's share of the step."""
    middle = medians(steps)
    lines = ["seconds  " + "".join(f"{part:>9s}" for part in PARTS)
             + "   sampled  tokens/s  in rollout  trained/s"]
    named = [(str(number), step) for number, step in enumerate(steps, 1)]
    for name, step in [*named, ("median", middle)]:
        seconds = "".join(f"{step[part]:9.3f}" for part in PARTS)
        in_rollout = step["tokens"] / (step["sample"] + step["scripts"])
        lines.append(f"{name:9s}{seconds}{step['tokens']:10,.0f}"
                     f"{step['tokens'] / step['step']:10,.0f}{in_rollout:12,.0f}"
                     f"{step['trained'] / step['update']:11,.0f}")
    lines.append("share    " + "".join(f"{middle[part] / middle['step']:9.1%}" for part in PARTS))
    lines.append(f"rank 0: {middle['calls']:.0f} scripts a step, "
                 f"peak {memory_gb(world.device):.1f} GiB")
    return "\n".join(lines)


# ---- TRL's step ----------------------------------------------------------------------------------

# Our conversations in TRL's terms: a call is a Python block, a tool's message is a user's turn. TRL
# insists on a template that shows names and arguments of calls and never changes what it has
# rendered before.
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ 'user' if m.role == 'tool' else m.role }}\n"
    "{% if m.role == 'tool' %}" + MARKS.output_open.strip() + "{{ '\\n' }}{% endif %}"
    "{{ m.content }}{% for call in m.tool_calls or [] %}```{{ call.function.name }}\n"
    "{% for key, value in call.function.arguments.items() %}"
    "{{ key + '=' if key != 'code' }}{{ value }}{% endfor %}"
    "\n```{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
FUNCTION = {"name": "python", "arguments": {"code": "{content}"}}
RESPONSE_TEMPLATE = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "tool_calls": {"open": "```python\n", "close_pattern": r"\n```\s*", "repeats": True,
                       "content": "text",
                       "transform": {"type": "function", "function": FUNCTION}},
        "content": {"close_pattern": r"<\|im_end\|>\s*", "content": "text"},
    },
}


def caller_conversation(chat: Chat, question: Instance, program: str, output: str,
                        thoughts: list[str]) -> Example:
    """Thoughts, a script; thoughts, the answer.

    TRL stops a turn at the end-of-turn token alone, so here the model learns to sample it behind a
    script as well: every end behind a trained token is trained.
    """
    ids, loss_mask = render_messages(chat, [
        *chat.opening(question, "ci"),
        {"role": "assistant", "content": thoughts[0] + MARKS.show_code(program)},
        {"role": "user", "content": MARKS.show_output(output)},
        {"role": "assistant", "content": thoughts[1] + MARKS.show_answer(question.expect)}])
    for i in range(1, len(ids)):
        if loss_mask[i - 1] and ids[i] == chat.turn_end:
            loss_mask[i] = 1
    return Example(ids, loss_mask)


def write_caller(directory: Path, args: argparse.Namespace, questions: list[Instance],
                 sandbox: Sandbox, world: World) -> float:
    """Overfit a model on conversations with one call, and save it; returns the last loss.

    Thoughts are a run of one token, of exponential length, anew in each step: so the model ends its
    turns at random, too.
    """
    programs = [TASKS[question.task].program(question) for question in questions]
    outputs = [tool_text(sandbox.run(program, seed=0), 400) for program in programs]
    torch.manual_seed(0)
    if args.model:
        tokenizer = load_tokenizer(args.model)
        model = load_model(args.model)
        peak, thought = 2e-4, " so"
    else:
        texts = [question.question for question in questions]
        tokenizer = tiny_tokenizer(texts + [MARKS.show_code(program) for program in programs])
        model = load_model(ModelConfig(vocab_size=len(tokenizer), rope_theta=100.0))
        peak, thought = 2e-3, "."
    tokenizer.chat_template = CHAT_TEMPLATE
    chat, rng = Chat(tokenizer), random.Random(0)
    assert len(chat.encode(thought)) == 1
    model = shard(model, world)
    optimizer = make_optimizer(model, peak, 0.0, world)
    steps = args.overfit_steps
    for step in tqdm(range(steps), desc="overfitting", unit="step", leave=False):
        examples = []
        for question, program, output in zip(questions, programs, outputs):
            thoughts = [thought * exponential(rng, args.turn_tokens, 160) + "\n" for _ in range(2)]
            examples.append(caller_conversation(chat, question, program, output, thoughts))
        lr = peak * min(1, (step + 1) / 20, 2 * (1 - step / steps))
        loss = sft_backward(model, examples, world, tokenizer_size=chat.tokenizer_size,
                            micro_tokens=1024)["loss"]
        optimizer_step(model, optimizer, lr, max_grad_norm=1.0)
    save_model(model, tokenizer, directory, weights_on_main(model, world))
    return loss


def require_trl() -> str:
    try:
        import transformers
        import trl
        trl.GRPOTrainer   # TRL imports its parts when they are named
        return f"TRL {trl.__version__}, transformers {transformers.__version__}"
    except ImportError as error:
        raise SystemExit(f"--trl needs TRL ({error}): pip install trl")


def trl_config(args: argparse.Namespace, directory: Path, dtype: torch.dtype) -> Any:
    """TRL as quick as it gets on a CPU: no log, no recomputation, all rows at once."""
    from trl import GRPOConfig
    return GRPOConfig(
        output_dir=str(directory / "trl"), use_cpu=True, bf16=dtype == torch.bfloat16,
        gradient_checkpointing=False,
        per_device_train_batch_size=args.questions * args.group_size, gradient_accumulation_steps=1,
        num_generations=args.group_size, num_iterations=1, beta=0.0, loss_type="grpo",
        scale_rewards="group", temperature=1.0, top_p=1.0, top_k=0,
        max_completion_length=args.max_tokens, max_tool_calling_iterations=8, learning_rate=1e-6,
        lr_scheduler_type="constant", max_steps=args.warmup + args.steps, use_vllm=False,
        shuffle_dataset=False, dataloader_num_workers=0, dataloader_pin_memory=False,
        logging_strategy="no", save_strategy="no", report_to="none", disable_tqdm=True)


def trl_trainer(args: argparse.Namespace, directory: Path, questions: list[Instance],
                sandbox: Sandbox, dtype: torch.dtype) -> Any:
    """TRL's GRPOTrainer; its `spent` adds up the seconds and counts of a step."""
    from datasets import Dataset
    from trl import GRPOTrainer
    spent = dict.fromkeys(("sample", "scripts", "calls", "tokens", "right"), 0.0)

    class Trainer(GRPOTrainer):
        def _generate(self, prompts: list) -> tuple:
            began, waited = time.perf_counter(), spent["scripts"]
            generated = super()._generate(prompts)
            spent["sample"] += time.perf_counter() - began - (spent["scripts"] - waited)
            tool_masks = generated[2]   # 1 where the model sampled
            spent["tokens"] += sum(sum(mask) for mask in tool_masks)
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
        """Alternating, as on our side; right answers are only counted."""
        asked = [question for question in questions for _ in range(args.group_size)]
        for question, completion in zip(asked, completions):
            answer = extract_answer(completion[-1]["content"])
            spent["right"] += answer is not None and grade(question, answer)
        return [float(i % 2) for i in range(len(completions))]

    tokenizer = load_tokenizer(directory)
    tokenizer.response_template = RESPONSE_TEMPLATE
    prompts = [{"prompt": Chat(tokenizer).opening(question, "ci")} for question in questions]
    trainer = Trainer(model=str(directory), reward_funcs=reward,
                      args=trl_config(args, directory, dtype), processing_class=tokenizer,
                      tools=[python], train_dataset=Dataset.from_list(prompts))
    trainer.spent = spent
    return trainer


def require_same_prompts(chat: Chat, questions: list[Instance]) -> None:
    """TRL renders by the tokenizer's template: both sides must see the same tokens."""
    for question in questions:
        messages = chat.opening(question, "ci")
        theirs = chat.tokenizer.apply_chat_template(messages, add_generation_prompt=True,
                                                    return_dict=False)
        assert render_messages(chat, messages)[0] == theirs, question.question


def bench_trl(args: argparse.Namespace, world: World, sandbox: Sandbox,
              directory: Path) -> tuple[list[Step], list[Step]]:
    """Our steps and TRL's in turn: ours run between two steps of TRL's own loop."""
    from transformers import TrainerCallback
    drawn = draw_questions(parse_tasks(COMPUTING, 1), "rl", args.questions)
    questions = random.Random(0).sample(drawn, args.questions)
    loss = write_caller(directory, args, questions, sandbox, world)
    print(f"{args.model or 'a tiny model'}, overfitted on {len(questions)} questions to a loss of "
          f"{loss:.3f}", flush=True)
    trainer = trl_trainer(args, directory, questions, sandbox, world.dtype)
    chat = Chat(load_tokenizer(directory))
    require_same_prompts(chat, questions)
    ours = make_ours(args, sandbox, world, directory, chat)
    our_steps: list[Step] = []
    their_steps: list[Step] = []

    class InTurn(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            for key in trainer.spent:
                trainer.spent[key] = 0.0
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            spent, step = dict(trainer.spent), time.perf_counter() - self.began
            rest = step - spent["sample"] - spent["scripts"]
            their_steps.append({**spent, "switch": 0.0, "update": rest, "step": step})
            our_steps.append(ours.step(questions, len(our_steps)))
            print(f"steps {len(our_steps)}: TRL's {step:.1f} s, ours {our_steps[-1]['step']:.1f} s",
                  flush=True)

    trainer.add_callback(InTurn())
    trainer.train()
    return our_steps[args.warmup:], their_steps[args.warmup:]


def report_trl(ours: list[Step], theirs: list[Step], rows: int) -> str:
    lines = ["seconds, median   " + "".join(f"{part:>9s}" for part in PARTS)
             + "   sampled  calls  tokens/s"]
    for name, steps in (("TRL's GRPOTrainer", theirs), ("ours", ours)):
        middle = medians(steps)
        seconds = "".join(f"{middle[part]:9.3f}" for part in PARTS)
        lines.append(f"{name:18s}{seconds}{middle['tokens']:10,.0f}{middle['calls']:7.0f}"
                     f"{middle['tokens'] / middle['step']:10,.0f}")
    tokens = sum(step["tokens"] for step in ours) / sum(step["tokens"] for step in theirs)
    ratios = sorted(their["step"] / our["step"] for our, their in zip(ours, theirs))
    right = medians(theirs)["right"]
    lines.append(f"TRL's rows with a right answer: {right:.0f} of {rows}; our sampled tokens: "
                 f"{tokens:.3f} of TRL's (0.9 to 1.1 is the same work)")
    lines.append(f"TRL's step takes {statistics.median(ratios):.2f}x the time of ours: median of "
                 f"{len(ours)} pairs from {ratios[0]:.2f} to {ratios[-1]:.2f} (bar 3x)")
    return "\n".join(lines)


# ---- command line --------------------------------------------------------------------------------

def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = CommandLine("One whole GRPO step, split; with --trl beside TRL's.")
    add = parser.add_argument
    add("--size", choices=SHAPES, default="tiny", help="shape of the random weights")
    r1ci.add_device_flags(add)
    add("--questions", type=int, help="per step (none: by size)")
    add("--group-size", type=int, default=8, help="answers per question")
    add("--calls", type=int, default=2, help="scripts of every row; with --trl one")
    add("--turn-tokens", type=int, help="mean, of a turn's thoughts (none: by size)")
    add("--max-tokens", type=int, help="behind the prompt (none: by size)")
    add("--slots", type=int, help="rows that decode together (none: by size)")
    add("--micro-tokens", type=int, help="padded tokens per forward pass (none: by size)")
    add("--steps", type=int, help="measured (none: by size)")
    add("--warmup", type=int, default=1, help="steps before")
    add("--threads", type=int, default=2, help="of torch on a CPU")
    add("--checkpointing", action="store_true", help="as in grpo.py")
    add("--offload", action="store_true", help="as in grpo.py")
    add("--replicas", type=int, default=1, help="as in grpo.py")
    add("--keep-sampler", action=argparse.BooleanOptionalAction, default=True, help="as in grpo.py")
    add("--trl", action="store_true", help="against TRL's GRPOTrainer, on a CPU")
    add("--model", metavar="DIR", help="a real model for --trl, in place of the tiny one")
    add("--overfit-steps", type=int, help="of the model for --trl (none: 300, or 60 of a real one)")
    args = parser.parse_args(argv)
    if args.overfit_steps is None:
        args.overfit_steps = 60 if args.model else 300
    for name, default in zip(SIZED, WORK["real" if args.model else args.size]):
        if getattr(args, name) is None:
            setattr(args, name, default)
    if args.trl and (args.size != "tiny" or args.device == "cuda"):
        parser.error("--trl compares the tiny model, or --model's, on a CPU: leave --size and --device out")
    if args.model and not args.trl:
        parser.error("--model is for --trl; without, --size chooses a shape")
    return args


def main() -> None:
    warnings.simplefilter("ignore")
    args = parse()
    title = require_trl() if args.trl else args.size
    config = read_config(Path(args.model)) if args.model else shape(args.size)
    world = start_world("cpu" if args.trl else args.device, args.dtype, config.hidden_size)
    if args.questions % world.size:
        raise SystemExit(f"--questions {args.questions} does not divide over {world.size} ranks")
    if world.device.type == "cpu":
        torch.set_num_threads(args.threads)
    rows = args.questions * args.group_size
    world.say(f"{title} on {world.size} x {world.device.type} in {world.dtype}: "
              f"{rows} rows, {args.slots} slots, {args.micro_tokens} tokens a pass")
    with checked_sandbox(None, 5.0) as sandbox, tempfile.TemporaryDirectory() as directory:
        if args.trl:
            world.say(report_trl(*bench_trl(args, world, sandbox, Path(directory)), rows))
        else:
            world.say(report_split(bench_split(args, world, sandbox), world))


if __name__ == "__main__":
    main()
