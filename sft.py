"""sft.py -- supervised fine-tuning on conversations in which code really ran.

    python sft.py                                                  the tiny model, from nothing, on a CPU
    torchrun --nproc_per_node 8 sft.py --model DIR --lr 1e-5       a pre-trained model on eight GPUs

1. Write conversations from the tasks' own programs: code and answer, answer in words, code that checks, code that
   fails and is corrected. Every script runs in the sandbox, and only conversations with a right answer are kept.
2. Without --model: make a tokenizer and a tiny model, and pre-train it to copy. Copying (a number from the question
   into the code, from the output into the answer) gates everything else; a language model of the usual kind has
   learned it long before. This minute of random tokens stands in for its pre-training.
3. Train on the tokens that the model itself will have to sample, and on no other.
4. Measure accuracy on held-out questions.

From the paper (arXiv 2505.21668 v2): 3 epochs, batch 32, correct trajectories only. Ours: programs instead of GPT-4o
as the teacher, and the tiny model with its settings, which are the defaults.
"""
import argparse
import json
import math
import random
import re
import string
import time
from collections import Counter
from pathlib import Path
from typing import Any

from r1ci import (SYSTEM_PROMPTS, TOOL_PREFIX, Chat, Interrupt, ModelConfig, RunDir, World, accumulate,
                  add_protocol_flags, add_run_flags, check_model, checked_sandbox, command_line, compute_dtype, evaluate,
                  extract_answer, full_tensors, load_model, load_tokenizer, memory_gb, optimizer_step, protocol_of,
                  render_messages, report_table, save_model, shard, start_world, tool_text)
import torch
from tqdm import tqdm

from sandbox import Result, Sandbox
from tasks import LEVELS, TASKS, Instance
from tasks.questions import draw_questions, grade, parse_tasks, read_jsonl

TINY_TASKS = ("rg/chain_sum,rg/gcd,rg/lcm,rg/count_bits,rg/base_conversion,rg/spell_backward,"
              "bbh/disambiguation_qa@2")


# ---- 1. conversations from programs ----------------------------------------------------------------------------------

# How often each form is written, by system prompt. In "ci" the model is shown both ways and not told which is better:
# that choice is what reinforcement learning has to find out. Forms with several calls or a change from words to code
# count --multi-turn-weight times.
FORMS = {"ci": {"text": 24, "code": 24, "check": 1, "repair": 1, "switch": 1},
         "text": {"text": 1},
         "code": {"code": 16, "check": 1, "repair": 1}}
WEIGHTED = ("check", "repair", "switch")
MODE_SHARES = {"ci": 8, "text": 1, "code": 1}


def pick(rng: random.Random, shares: dict[str, float]) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]


def broken(rng: random.Random, program: str) -> str:
    """The program with a slip that makes it fail: a misspelt name, a lost import or a lost bracket."""
    slips = [program.replace("print(", "prnt(")]
    if ")" in program:
        at = program.rindex(")")
        slips.append(program[:at] + program[at + 1:])
    if program.startswith("import "):
        slips.append(program.split("\n", 1)[1])
    return rng.choice(slips)


def checking(program: str, answer: str) -> str | None:
    """A program that computes the answer again and compares: it prints True. None if the program's end is unusual."""
    *lines, last = program.rstrip("\n").split("\n")
    match = re.fullmatch(r"print\((\*?)(.*)\)", last)
    if not match:
        return None
    again = f'" ".join({match[2]})' if match[1] else f"str({match[2]})"
    return "\n".join((*lines, f"print({again} == {answer!r})")) + "\n"


def block(program: str) -> str:
    return f"```python\n{program.rstrip()}\n```"


def plan(rng: random.Random, instance: Instance, multi_turn_weight: float) -> tuple[str, str, list[str]]:
    """(mode, form, scripts to run) of one conversation."""
    task, mode = TASKS[instance.task], pick(rng, MODE_SHARES)
    if task.program is None:
        return ("ci" if mode == "code" else mode), "text", []
    shares = {form: n * (multi_turn_weight if form in WEIGHTED else 1) for form, n in FORMS[mode].items()}
    form, program = pick(rng, shares), task.program(instance)
    scripts = {"text": [], "code": [program], "switch": [program], "repair": [broken(rng, program), program],
               "check": [program, checking(program, instance.expect)]}[form]
    return (mode, form, scripts) if None not in scripts else (mode, "code", [program])


def converse(system: str, instance: Instance, form: str, scripts: list[str], results: list[Result],
             tool_chars: int) -> list[dict[str, str]] | None:
    """The conversation as messages, or None if its scripts did not do what the form needs."""
    task = TASKS[instance.task]
    wanted = {"repair": ["error", "ok"], "check": ["ok", "ok"]}.get(form, ["ok"] * len(scripts))
    outputs = [tool_text(result, tool_chars) for result in results]
    if [result.status for result in results] != wanted or (form == "check" and outputs[1] != "True"):
        return None
    answer = instance.expect if not scripts else outputs[0 if form == "check" else -1]
    if not task.verify(instance, answer):
        return None
    messages = [{"role": "system", "content": system}, {"role": "user", "content": instance.question}]
    for i, (script, output) in enumerate(zip(scripts, outputs)):
        before = "This is easy to get wrong in words, so I run code.\n" if form == "switch" else ""
        messages.append({"role": "assistant", "content": before + block(script)})
        messages.append({"role": "user", "content": TOOL_PREFIX + output})
    why = f"{task.rationale(instance)}\n" if task.program is None else ""
    return messages + [{"role": "assistant", "content": f"{why}<<<{answer}>>>"}]


def write_conversations(instances: list[Instance], sandbox: Sandbox, seed: int, tool_chars: int,
                        multi_turn_weight: float = 4.0, wordings: int | None = None) -> list[dict[str, Any]]:
    """One verified conversation for each question that yields one, as JSON-ready lines; `wordings`: None is all."""
    plans = [plan(random.Random(f"plan/{seed}/{i.task}/{i.level}/{i.seed}"), i, multi_turn_weight) for i in instances]
    scripts = [script for _, _, scripts in plans for script in scripts]
    results = iter([future.result() for future in tqdm([sandbox.submit(script, seed=0) for script in scripts],
                                                       desc="running the scripts", unit="script", leave=False)])
    lines = []
    for instance, (mode, form, its) in zip(instances, plans):
        rng = random.Random(f"wording/{seed}/{instance.task}/{instance.level}/{instance.seed}")
        system = rng.choice(SYSTEM_PROMPTS[mode][:wordings])
        messages = converse(system, instance, form, its, [next(results) for _ in its], tool_chars)
        if messages:
            lines.append(dict(messages=messages, task=instance.task, seed=instance.seed, level=instance.level,
                              purpose=instance.purpose, reward=1.0, mode=mode, form=form, calls=len(its)))
    return lines


def wrong_conversations(lines: list[dict[str, Any]], instances: list[Instance]) -> list[dict[str, Any]]:
    """A wrong one to every second right one, as from a teacher who is right two times in three.

    It treats the next question of its task instead of its own, code and all, and the verifier has refused its answer.
    """
    wrong, asked = [], {instance.question: instance for instance in instances}
    for line, other in zip(lines[::2], lines[1::2]):
        (_, question, *_), (system, _, *turns) = line["messages"], other["messages"]
        if line["task"] == other["task"] and not grade(asked[question["content"]], extract_answer(turns[-1]["content"])):
            wrong.append({**other, "messages": [system, question, *turns], "seed": line["seed"], "reward": 0.0})
    return wrong


def read_conversations(path: str | Path, chat: Chat, train_failed: bool, keep_wrong: bool = False) \
        -> list[tuple[list[int], list[int]]]:
    """(ids, loss_mask) of every right conversation of a file (or of all); a line that cannot be used ends the program."""
    rows = []
    for number, line in read_jsonl(path):
        messages = line.get("messages")
        well_formed = isinstance(messages, list) and messages and all(
            isinstance(m, dict) and m.get("role") in ("system", "user", "assistant")
            and isinstance(m.get("content"), str) for m in messages) and messages[-1]["role"] == "assistant"
        if not well_formed:
            raise SystemExit(f'{path}, line {number}: "messages" must be a list of role and content that ends with the '
                             "assistant's turn")
        if line.get("reward", 1.0) != 1.0 and not keep_wrong:
            continue
        try:
            ids, loss_mask = render_messages(chat, messages)
        except ValueError as error:
            raise SystemExit(f"{path}, line {number}: {error}")
        if not train_failed and line.get("form") == "repair":  # the failing script is the first turn
            first = len(render_messages(chat, messages[:messages.index(next(
                m for m in messages if m["role"] == "assistant")) + 1])[0])
            loss_mask = [0] * first + loss_mask[first:]
        rows.append((ids, loss_mask))
    if not rows:
        raise SystemExit(f"{path} holds no conversation with reward 1")
    return rows


# ---- 2. the tiny model -----------------------------------------------------------------------------------------------

MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
                 "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def frequent_phrases(texts: list[str], count: int, share: float = 0.01) -> list[str]:
    """The word sequences that save most tokens if each becomes one, chosen one after another."""
    texts, phrases = list(texts), []
    for _ in range(count):
        saved: Counter = Counter()
        for text in set(texts):
            words = re.findall(r"\s?[^\s\0\d\"]+", text)
            for i in range(len(words)):
                for j in range(i + 1, min(i + 12, len(words)) + 1):
                    phrase = "".join(words[i:j])
                    if phrase not in text:
                        break
                    saved[phrase] += 1
        frequent = {p: n * (len(p) - 1) for p, n in saved.items() if n >= share * len(texts) and len(p) > 3}
        if not frequent:
            break
        best = max(sorted(frequent), key=frequent.get)
        phrases.append(best)
        texts = [text.replace(best, "\0") for text in texts]
    return phrases


def tiny_tokenizer(texts: list[str]) -> Any:
    """Bytes, so that any text can be written; and one token each for what recurs word for word: the chat marks, the
    system prompts, the fences, and the set phrases of the training conversations. Numbers and words stay bytes:
    copying them is learned byte by byte."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={symbol: i for i, symbol in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(MARKS)
    phrases = [prompt for prompts in SYSTEM_PROMPTS.values() for prompt in prompts]
    phrases += ["system\n", "user\n", "assistant\n", TOOL_PREFIX, "```python\n", "```", "print(", "<<<", ">>>"]
    texts = [part for text in texts for part in re.split(r"```python\n|print\(|```|<<<.*?>>>", text) if part]
    phrases += frequent_phrases(random.Random(0).sample(texts, min(len(texts), 1000)), 64)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False, special=False) for phrase in dict.fromkeys(phrases)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>",
                                   chat_template=CHAT_TEMPLATE, clean_up_tokenization_spaces=False)


def copy_rows(rng: random.Random, tokens: list[int], progress: float) -> list[tuple[list[int], list[int]]]:
    """Rows that repeat a random segment with random tokens between: loss on the repetitions, about 1,500 tokens in all.

    What repeats is short and close together at first, and grows with `progress` (0 to 1).
    """
    length = int(24 + 48 * progress)
    draw = lambda count: rng.choices(tokens, k=count)
    rows = []
    for _ in range(1536 // length):
        segment, ids, loss_mask = draw(rng.randint(3, 5 + int(15 * progress))), [], []
        while len(ids) < length or not any(loss_mask):
            gap = draw(rng.randint(0, int(24 * progress)))
            seen = bool(ids)  # the first token of a repetition cannot be foreseen
            ids += gap + segment
            loss_mask += [0] * (len(gap) + 1) + [int(seen)] * (len(segment) - 1)
        rows.append((ids, loss_mask))
    return rows


def learn_to_copy(model: torch.nn.Module, chat: Chat, world: World, args: argparse.Namespace) -> None:
    """Pre-train on repeated random text, growing longer as the model keeps up, until it copies at full length.

    The order matters: the circuit that copies forms suddenly, on short rows within some 300 steps; on long rows from
    the start it had not formed after 1,000.
    """
    symbols = [i for i in chat.encode(string.digits + string.ascii_letters + string.punctuation + " ")]
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0)
    progress, left = 0.0, 100
    with tqdm(range(1, args.copy_steps + 1), desc="learning to copy", unit="step", disable=not world.main) as bar:
        for step in bar:
            rows = copy_rows(random.Random(f"copy/{args.seed}/{step}"), symbols, progress)
            lr = args.lr * min(step / args.warmup, 1)
            loss = sft_step(model, optimizer, rows, world, chat.vocab_size, args.micro_tokens, lr, args.clip)["loss"]
            bar.set_postfix(loss=f"{loss:.3f}", length=f"{progress:.0%}")
            progress = min(progress + 0.01, 1.0) if loss < 0.7 else progress
            left -= progress == 1.0
            if not left:
                return
    if world.main and args.copy_steps:
        tqdm.write(f"note: after {args.copy_steps} steps it copies at {progress:.0%} of the full length only")


# ---- 3. training -----------------------------------------------------------------------------------------------------

def learning_rate(step: int, steps: int, peak: float, warmup: int) -> float:
    """Linear up over `warmup` steps, then a cosine down to zero; `step` counts from 1."""
    if step <= warmup:
        return peak * step / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def sft_step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, rows: list[tuple[list[int], list[int]]],
             world: World, vocab_size: int, micro_tokens: int, lr: float, clip: float) -> dict[str, float]:
    """One optimiser step on rows shared out over the ranks: the mean negative log-likelihood of all trained tokens."""
    rows = sorted(rows, key=lambda row: len(row[0]))[world.rank::world.size]
    ids, masks = [row[0] for row in rows], [row[1] for row in rows]
    total = world.sum(sum(sum(mask[1:]) for mask in masks))[0]
    loss_sum = torch.zeros((), device=world.device)

    def loss_of(batch: list[int], logps: torch.Tensor, entropies: torch.Tensor) -> torch.Tensor:
        loss = -logps.sum() / total
        loss_sum.add_(loss.detach())
        return loss

    accumulate(model, ids, masks, world, micro_tokens, vocab_size, 1.0, loss_of)
    norm = optimizer_step(model, optimizer, lr, clip)
    return dict(loss=world.sum(float(loss_sum))[0], grad_norm=norm, tokens=int(total))


def main() -> None:
    parser = command_line("Supervised fine-tuning; without arguments, the tiny model on a CPU.")
    add_run_flags(parser, "runs/sft")
    group = parser.add_argument_group("model")
    group.add_argument("--model", help="Hugging Face directory or hub id to start from (none: a new tiny model)")
    group.add_argument("--width", type=int, default=128, help="of the tiny model")
    group.add_argument("--layers", type=int, default=2, help="of the tiny model")
    group.add_argument("--copy-steps", type=int, default=800, help="at most, of copy pre-training")
    group = parser.add_argument_group("data")
    group.add_argument("--data", help="train on these JSON lines instead of writing conversations")
    group.add_argument("--tasks", default=TINY_TASKS, help="names, name@level, suites, train or all")
    group.add_argument("--level", type=int, choices=LEVELS, default=1, help="of the questions")
    group.add_argument("--per-task", type=int, default=800, help="questions per task")
    group.add_argument("--wordings", choices=("all", "one"), default="all", help="of the system prompt")
    group.add_argument("--multi-turn-weight", type=float, default=4.0,
                       help="of conversations with several calls or a change from words to code; 1: as any other")
    group.add_argument("--keep-wrong", action="store_true", help="train on wrong conversations, too")
    group.add_argument("--train-failed", action=argparse.BooleanOptionalAction, default=True,
                       help="train on first scripts that fail, too")
    group = parser.add_argument_group("training")
    group.add_argument("--epochs", type=float, default=7, help="passes over the data; 0: the base, not fine-tuned")
    group.add_argument("--batch-size", type=int, default=32, help="conversations per step")
    group.add_argument("--micro-tokens", type=int, default=1024, help="padded tokens per forward pass")
    group.add_argument("--lr", type=float, default=1.5e-3, help="peak learning rate")
    group.add_argument("--warmup", type=int, default=50, help="steps of warm-up")
    group.add_argument("--weight-decay", type=float, default=0.0, help="of AdamW")
    group.add_argument("--clip", type=float, default=1.0, help="largest gradient norm")
    group.add_argument("--eval-n", type=int, default=72, help="held-out questions per task in the end")
    add_protocol_flags(parser, temperature=0.6)
    args = parser.parse_args()
    if args.epochs < 0 or args.multi_turn_weight < 0:
        parser.error("--epochs and --multi-turn-weight cannot be negative")
    tasks = parse_tasks(args.tasks, args.level)
    world = start_world(args.device)
    if args.batch_size % world.size:
        parser.error(f"--batch-size {args.batch_size} does not divide over {world.size} ranks")
    if args.model:
        check_model(args.model)  # a wrong --model ends the program before --out is touched
    with checked_sandbox(args.workers, args.code_timeout) as sandbox:
        run = RunDir(args.out, vars(args), world, args.resume, args.overwrite, sandbox)
        train(args, run, world, sandbox, tasks)


def train(args: argparse.Namespace, run: RunDir, world: World, sandbox: Sandbox, tasks: list[tuple[str, int]]) -> None:
    say = lambda text: print(text, flush=True) if world.main else None
    data = Path(args.data) if args.data else run.path / "data.jsonl"
    # 1. Conversations.
    if not args.data and not run.resumed:
        if world.main:
            questions = draw_questions(tasks, "sft", args.per_task, args.seed)
            lines = write_conversations(questions, sandbox, args.seed, args.tool_chars, args.multi_turn_weight,
                                        {"all": None, "one": 1}[args.wordings])
            lines += wrong_conversations(lines, questions) if args.keep_wrong else []
            run.write("data.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
            say(f"wrote {data}: {len(lines)} conversations, forms {dict(Counter(line['form'] for line in lines))}")
        world.gather(None)
    # 2. Model and tokenizer.
    source = run.resumed or args.model
    if source:
        tokenizer, model = load_tokenizer(source), load_model(source)
    else:
        tokenizer = tiny_tokenizer([m["content"] for _, line in read_jsonl(data) for m in line["messages"][1:]])
        torch.manual_seed(args.seed)
        model = load_model(ModelConfig(vocab_size=len(tokenizer), hidden_size=args.width, num_hidden_layers=args.layers,
                                       intermediate_size=3 * args.width, rope_theta=100.0))
    chat = Chat(tokenizer)
    model = shard(model.to(world.device), world)
    vocab_size = chat.vocab_size
    if not source:
        say(f"tiny model: {sum(p.numel() for p in model.parameters()):,} parameters, {vocab_size} tokens")
        learn_to_copy(model, chat, world, args)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=args.weight_decay)
    # 3. Training.
    rows = read_conversations(data, chat, args.train_failed, args.keep_wrong)
    if len(rows) < args.batch_size:
        raise SystemExit(f"{data} holds {len(rows)} conversations, fewer than --batch-size {args.batch_size}")
    per_epoch = len(rows) // args.batch_size
    steps, first = max(int(args.epochs * per_epoch), args.epochs > 0), 1
    if run.resumed:
        first = run.load(model, optimizer)["step"] + 1
    interrupt = Interrupt(world)
    with tqdm(range(first, steps + 1), desc="fine-tuning", unit="step", initial=first - 1, total=steps,
              disable=not world.main) as bar:
        for step in bar:
            began = time.time()
            epoch, at = divmod(step - 1, per_epoch)
            order = random.Random(f"order/{args.seed}/{epoch}").sample(range(len(rows)), len(rows))
            batch = [rows[i] for i in order[at * args.batch_size:(at + 1) * args.batch_size]]
            lr = learning_rate(step, steps, args.lr, args.warmup)
            metrics = sft_step(model, optimizer, batch, world, vocab_size, args.micro_tokens, lr, args.clip)
            bar.set_postfix(loss=f"{metrics['loss']:.3f}")
            run.log(dict(step=step, **metrics, lr=lr, seconds=time.time() - began, mem_gb=memory_gb(world.device)),
                    show=step % 50 == 0 or step == steps)
            stop = step == args.stop_after or interrupt.wanted()
            if stop or (args.save_every and step % args.save_every == 0):
                path = run.save(step, model, optimizer, tokenizer, {}, args.keep)
                if stop:
                    say(f"stopped after step {step}; {path} resumes with --resume")
                    raise SystemExit(130 if interrupt.asked else 0)
    # 4. The model, and its accuracy on held-out questions.
    weights = full_tensors(model)
    if world.main:
        save_model(model, tokenizer, run.path, weights)
    world.gather(None)
    sampler = load_model(run.path, world.device, compute_dtype(world.device))
    report, groups = evaluate(sampler, chat, sandbox, draw_questions(tasks, "eval", args.eval_n), 1,
                              protocol_of(args), args.seed, world, "held-out questions")
    if world.main:
        run.write("eval.json", json.dumps({**report, "modes": {args.mode: report}}, indent=1) + "\n")
        run.write("trajectories.jsonl", "".join(json.dumps(t.to_json()) + "\n" for [t] in groups))
        say(report_table(report))
        say(f"the model is in {run.path}; next: python grpo.py --model {run.path}")


if __name__ == "__main__":
    main()
