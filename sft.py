"""sft.py -- supervised fine-tuning on conversations in which code really ran.

    python sft.py                                                  the tiny model, from nothing, on a CPU
    torchrun --nproc_per_node 8 sft.py --model DIR --lr 1e-5       a pre-trained model on eight GPUs

1. Write conversations from the tasks' own programs: code and answer, answer in words, code that checks, code that
   fails and is corrected. Every script runs in the sandbox, and only conversations with a right answer are kept.
   Or --collect them from a teacher first, a model of ours or a served one, and train on the file (--data).
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
import os
import random
import re
import string
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

from r1ci import (Chat, Interrupt, ModelConfig, RunDir, World, accumulate, add_run_flags, add_training_flags,
                  check_model, checked_sandbox, command_line, compute_dtype, evaluate, full_tensors, load_model,
                  load_sharded, load_tokenizer, make_optimizer, memory_gb, optimizer_step, render_messages,
                  rollout, save_model, shard, start_training)
import torch
from tqdm import tqdm

from sandbox import Result, Sandbox
from tasks import LEVELS, TASKS, Instance
from tasks.conversations import (choose, collection_table, frequent_phrases, pick, plan, read_collected, read_messages,
                                 wrong_conversations)
from tasks.endpoint import Job, add_endpoint_flags, converse_all, find_endpoint
from tasks.conversation import (SYSTEM_PROMPTS, TOOL_PREFIX, Protocol, Trajectory, add_protocol_flags, find_code,
                            protocol_of, tool_text)
from tasks.questions import draw_questions, parse_tasks, read_jsonl
from tasks.report import check_tool_failures, report_table, switches

TINY_TASKS = ("rg/chain_sum,rg/gcd,rg/lcm,rg/count_bits,rg/base_conversion,rg/spell_backward,"
              "bbh/disambiguation_qa@2")


# ---- 1. conversations from programs ----------------------------------------------------------------------------------

PROMPTS = {**SYSTEM_PROMPTS, "switch": (  # the paper's second kind: these force a change from words to code
    "First reason in words alone until you have an answer. Then, in the same reply, switch to code: a ```python block "
    "closed by ``` checks it and prints what it finds; its output comes back to you. If the two differ, find out why. "
    "End with your final answer alone between <<< and >>>.",
    "Think in plain words first and say what you expect. Then test that with Python in a ```python block closed by ```, "
    "and you are shown what it prints. End with your final answer alone between <<< and >>>.")}
WORDINGS = {"all": None, "one": 1}  # how many system prompts of a mode are used


def converse(system: str, instance: Instance, form: str, scripts: list[str], results: list[Result],
             tool_chars: int) -> list[dict[str, str]] | None:
    """The conversation as messages, or None if its scripts did not do what the form needs."""
    task = TASKS[instance.task]
    wanted = ["error", "ok"] if form == "repair" else ["ok"] * len(scripts)
    outputs = [tool_text(result, tool_chars) for result in results]
    if [result.status for result in results] != wanted or (form == "check" and outputs[1] != "True"):
        return None
    answer = instance.expect if not scripts else outputs[0 if form == "check" else -1]
    if not task.verify(instance, answer):
        return None
    messages = [{"role": "system", "content": system}, {"role": "user", "content": instance.question}]
    before = "This is easy to get wrong in words, so I run code.\n" if form == "switch" else ""
    for script, output in zip(scripts, outputs):
        messages += [{"role": "assistant", "content": f"{before}```python\n{script.rstrip()}\n```"},
                     {"role": "user", "content": TOOL_PREFIX + output}]
    why = f"{task.rationale(instance)}\n" if task.program is None else ""
    return messages + [{"role": "assistant", "content": f"{why}<<<{answer}>>>"}]


def write_conversations(instances: list[Instance], sandbox: Sandbox, seed: int | str, tool_chars: int,
                        multi_turn_weight: float = 4.0, wordings: str = "all", keep_wrong: bool = False) \
        -> list[dict[str, Any]]:
    """One verified conversation for each question that yields one, as JSON-ready lines."""
    plans = [plan(random.Random(f"plan/{seed}/{i.task}/{i.level}/{i.seed}"), i, multi_turn_weight) for i in instances]
    scripts = [script for _, _, scripts in plans for script in scripts]
    results = iter([future.result() for future in tqdm([sandbox.submit(script, seed=0) for script in scripts],
                                                       desc="running the scripts", unit="script", leave=False)])
    lines = []
    for instance, (mode, form, its) in zip(instances, plans):
        rng = random.Random(f"wording/{seed}/{instance.task}/{instance.level}/{instance.seed}")
        system = rng.choice(PROMPTS[mode][:WORDINGS[wordings]])
        messages = converse(system, instance, form, its, [next(results) for _ in its], tool_chars)
        if messages:
            lines.append(dict(messages=messages, task=instance.task, seed=instance.seed, level=instance.level,
                              purpose=instance.purpose, reward=1.0, mode=mode, form=form, calls=len(its)))
    return lines + (wrong_conversations(lines, instances) if keep_wrong else [])


# ---- 2. conversations from a teacher ---------------------------------------------------------------------------------

PROMPT_SHARES = {"ci": 4, "switch": 2, "text": 1, "code": 1}  # ours: the paper does not tell them


def teacher_jobs(instances: list[Instance], per_question: int, seed: int, wordings: str, protocol: Protocol) -> list[Job]:
    """The conversations to be held, shuffled: any part of them is a fair part."""
    jobs = []
    for instance in instances:
        for sample in range(per_question):
            rng = random.Random(f"teacher/{seed}/{instance.task}/{instance.level}/{instance.seed}/{sample}")
            mode = pick(rng, PROMPT_SHARES)
            system = rng.choice(PROMPTS[mode][:WORDINGS[wordings]])
            jobs.append((instance, sample, replace(protocol, mode="text" if mode == "text" else "ci"), system))
    return random.Random(f"jobs/{seed}").sample(jobs, len(jobs))


def sample_model(directory: str, jobs: list[Job], sandbox: Sandbox, world: World, seed: int,
                 on_end: Callable[[Trajectory], Any]) -> None:
    """Rejection sampling from a model of ours: one rollout for each system prompt; the ranks share its questions."""
    chat, model = Chat(load_tokenizer(directory)), load_model(directory, world.device, compute_dtype(world.device))
    for sample, protocol, system in dict.fromkeys(job[1:] for job in jobs):
        chat.prompt = lambda instance, mode: [{"role": "system", "content": system},
                                              {"role": "user", "content": instance.question}]
        instances = [job[0] for job in jobs if job[1:] == (sample, protocol, system)]
        groups = rollout(model, chat, sandbox, instances[world.rank::world.size], 1, protocol, (seed, "teacher", sample))
        for [t] in sum(world.gather(groups), []):
            t.sample = sample
            on_end(t)


def line_of(t: Trajectory, source: str) -> dict[str, Any]:
    """A trajectory as a line of data; its form in the words of FORMS."""
    form = ("text" if not t.calls else "repair" if t.statuses[0] != "ok" else "check" if t.calls > 1 else
            "switch" if switches(t) else "code")
    mode = next(mode for mode, prompts in PROMPTS.items() if t.messages[0]["content"] in prompts)
    return {**t.to_json(), "ids": [], "loss_mask": [], "mode": mode, "form": form, "source": source,
            "prompt_tokens": t.prompt_tokens, "completion_tokens": t.completion_tokens}


def collect(args: argparse.Namespace, tasks: list[tuple[str, int]], world: World, sandbox: Sandbox) -> None:
    """Every conversation goes to collected.jsonl as it ends, wrong ones too; the chosen ones go to data.jsonl."""
    endpoint = find_endpoint(args.teacher, args.concurrency, args.request_timeout)
    log, lines, rows, stopped = Path(args.out) / "collected.jsonl", [], [], ""
    if not endpoint and args.teacher != "programs":
        check_model(args.teacher)
    if args.resume:
        lines = read_collected(log)
    else:
        RunDir(args.out, vars(args), world, False, args.overwrite, sandbox)  # makes the directory, or refuses to
    done = {(line["source"], line["task"], line["level"], line["seed"], line["sample"]) for line in lines}
    questions = draw_questions(tasks, "sft", args.per_task, args.seed)
    jobs = [job for job in teacher_jobs(questions, args.per_question, args.seed, args.wordings, protocol_of(args))
            if (args.teacher, job[0].task, job[0].level, job[0].seed, job[1]) not in done]
    with (open(log if world.main else os.devnull, "a", encoding="utf-8") as file,
          tqdm(total=len(jobs), desc="collecting", unit="row", disable=not world.main) as bar):

        def keep(line: dict[str, Any]) -> None:
            lines.append(line)
            file.write(json.dumps(line) + "\n")
            file.flush()  # whatever happens next, this one is not asked for again
            bar.update()

        def on_end(t: Trajectory) -> None:
            rows.append(t)
            if t.stop_reason != "tool_failure":  # the sandbox's own fault: to be asked again
                keep(line_of(t, args.teacher))

        try:
            if args.teacher == "programs":
                for sample in range(args.per_question):
                    seed = f"{args.seed}/{sample}" if sample else args.seed
                    for line in write_conversations(questions, sandbox, seed, args.tool_chars, args.multi_turn_weight,
                                                    args.wordings, args.keep_wrong):
                        keep({**line, "sample": sample, "stop_reason": "answer", "source": "programs"})
            elif endpoint:
                converse_all(endpoint, sandbox, jobs, (args.seed, "teacher"), on_end)
            else:
                sample_model(args.teacher, jobs, sandbox, world, args.seed, on_end)
            check_tool_failures(rows)
        except (SystemExit, KeyboardInterrupt) as error:
            stopped = str(error) or "interrupted"
    chosen = choose(lines, args.keep_per_task, args.multi_turn_weight, args.keep_wrong, args.seed)
    if world.main and chosen:
        (log.parent / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in chosen), encoding="utf-8")
        print(f"{collection_table(lines, chosen)}\nthe chosen ones are in {log.parent / 'data.jsonl'}")
    if stopped:
        raise SystemExit(f"{stopped}; {len(lines)} conversations are kept in {log}, and --resume goes on")


# ---- 3. data as tokens -----------------------------------------------------------------------------------------------

def read_conversations(path: str | Path, keep_wrong: bool = False) -> list[dict[str, Any]]:
    """The right conversations of a file, or all, with messages in our layout; a bad line ends the program.

    Words behind a turn's code block are cut, since no rollout hears them; in the last turn they would be the answer, and
    the conversation is left out and counted.
    """
    lines, cut_off = [], 0
    for number, line in read_jsonl(path):
        try:
            *earlier, last = line["messages"] = read_messages(line, TOOL_PREFIX)
        except ValueError as error:
            raise SystemExit(f"{path}, line {number}: {error}")
        for message in earlier:
            if message["role"] == "assistant" and (code := find_code(message["content"])):
                message["content"] = message["content"][:code[1]]
        code = find_code(last["content"])
        if code and code[1] < len(last["content"]):
            cut_off += 1
        elif line.get("reward", 1.0) == 1.0 or keep_wrong:
            lines.append(line)
    if cut_off:
        print(f"note: {path}: {cut_off} conversations are left out, their last turn goes on behind code", file=sys.stderr)
    if not lines:
        raise SystemExit(f"{path} holds no conversation with reward 1")
    return lines


def render_lines(lines: list[dict[str, Any]], chat: Chat, train_failed: bool) -> list[tuple[list[int], list[int]]]:
    """(ids, loss_mask) of every conversation."""
    rows = []
    for line in lines:
        ids, loss_mask = render_messages(chat, line["messages"])
        if not train_failed and line.get("form") == "repair":  # the failing script is the first turn
            first = len(render_messages(chat, line["messages"][:3])[0])
            loss_mask = [0] * first + loss_mask[first:]
        rows.append((ids, loss_mask))
    return rows


# ---- 4. the tiny model -----------------------------------------------------------------------------------------------

MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
                 "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


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
    length, rows = int(24 + 48 * progress), []
    draw = lambda count: rng.choices(tokens, k=count)
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
    symbols = chat.encode(string.digits + string.ascii_letters + string.punctuation + " ")
    optimizer = make_optimizer(model, args.lr, 0.0, world)
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


# ---- 5. training -----------------------------------------------------------------------------------------------------

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

    padding = accumulate(model, ids, masks, world, micro_tokens, vocab_size, 1.0, loss_of)
    norm = optimizer_step(model, optimizer, lr, clip)
    return dict(loss=world.sum(float(loss_sum))[0], grad_norm=norm, tokens=int(total), padding=padding)


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
    group.add_argument("--collect", action="store_true", help="write --out/data.jsonl, for --data, and stop")
    group.add_argument("--teacher", default="programs", help="of --collect: programs, a directory, or URL#name")
    group.add_argument("--per-question", type=int, default=4, help="conversations that --collect samples")
    group.add_argument("--keep-per-task", type=int, default=70, help="conversations that --collect keeps, at most")
    group.add_argument("--wordings", choices=("all", "one"), default="all", help="of the system prompt")
    group.add_argument("--multi-turn-weight", type=float, default=4.0, help="of forms with several calls or a switch")
    group.add_argument("--keep-wrong", action="store_true", help="train on wrong conversations, too")
    group.add_argument("--train-failed", action=argparse.BooleanOptionalAction, default=True, help="first scripts that fail, too")
    group = add_training_flags(parser, "conversations", batch_size=32, lr=1.5e-3, warmup=50)
    group.add_argument("--epochs", type=float, default=7, help="passes over the data; 0: the base, not fine-tuned")
    group.add_argument("--eval-n", type=int, default=72, help="held-out questions per task in the end")
    add_protocol_flags(parser, temperature=0.6)
    add_endpoint_flags(parser)
    args = parser.parse_args()
    if min(args.epochs, args.multi_turn_weight, args.per_question - 1, args.keep_per_task - 1) < 0:
        parser.error("--epochs, --multi-turn-weight, --per-question or --keep-per-task is too small")
    if args.teacher == "programs" and args.collect and args.resume:
        parser.error("--resume goes on with a --teacher that is a model; programs need seconds")
    if args.teacher != "programs" and not args.collect:
        parser.error("--teacher needs --collect: data is collected first, and trained on with --data")
    served = args.collect and find_endpoint(args.teacher, args.concurrency, args.request_timeout)
    if served and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        parser.error(f"--teacher {args.teacher}: served models are asked by one process, start no others")
    tasks = parse_tasks(args.tasks, args.level)
    world = start_training(parser, args)
    if args.model:
        check_model(args.model)  # a wrong --model or --data ends the program before --out is touched
    if args.data:
        read_conversations(args.data, args.keep_wrong)
    with checked_sandbox(args.workers, args.code_timeout) as sandbox:
        (collect if args.collect else train)(args, tasks, world, sandbox)


def train(args: argparse.Namespace, tasks: list[tuple[str, int]], world: World, sandbox: Sandbox) -> None:
    run = RunDir(args.out, vars(args), world, args.resume, args.overwrite, sandbox)
    say = lambda text: print(text, flush=True) if world.main else None
    data = Path(args.data) if args.data else run.path / "data.jsonl"
    # 1. Conversations.
    if not args.data and not run.resumed:
        if world.main:
            lines = write_conversations(draw_questions(tasks, "sft", args.per_task, args.seed), sandbox, args.seed,
                                        args.tool_chars, args.multi_turn_weight, args.wordings, args.keep_wrong)
            run.write("data.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
            say(f"wrote {data}: {len(lines)} conversations, forms {dict(Counter(line['form'] for line in lines))}")
        world.gather(None)
    lines = read_conversations(data, args.keep_wrong)
    # 2. Model and tokenizer.
    source = run.resumed or args.model
    if source:
        tokenizer = load_tokenizer(source)
        model = load_sharded(source, world, args.replicas, args.offload, args.checkpointing)
    else:
        tokenizer = tiny_tokenizer([m["content"] for line in lines for m in line["messages"][1:]])
        torch.manual_seed(args.seed)
        model = load_model(ModelConfig(vocab_size=len(tokenizer), hidden_size=args.width, num_hidden_layers=args.layers,
                                       intermediate_size=3 * args.width, rope_theta=100.0))
        model = shard(model, world, args.replicas, args.offload, args.checkpointing)
    chat = Chat(tokenizer)
    if not source:
        say(f"tiny model: {sum(p.numel() for p in model.parameters()):,} parameters, {chat.vocab_size} tokens")
        learn_to_copy(model, chat, world, args)
    optimizer = make_optimizer(model, args.lr, args.weight_decay, world)
    # 3. Training.
    rows = render_lines(lines, chat, args.train_failed)
    if len(rows) < args.batch_size:
        raise SystemExit(f"{data} holds {len(rows)} conversations, fewer than --batch-size {args.batch_size}")
    per_epoch = len(rows) // args.batch_size
    steps, first = max(int(args.epochs * per_epoch), int(args.epochs > 0)), 1
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
            metrics = sft_step(model, optimizer, batch, world, chat.vocab_size, args.micro_tokens, lr, args.clip)
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
    weights = full_tensors(model, world)
    if world.main:
        save_model(model, tokenizer, run.path, weights)
    del model, optimizer, weights  # their memory is the sampler's now
    world.gather(None)
    sampler = load_model(run.path, world.device, compute_dtype(world.device))
    questions = draw_questions(tasks, "eval", args.eval_n)
    report, groups = evaluate(sampler, chat, sandbox, questions, 1, protocol_of(args), args.seed, world)
    if world.main:
        run.write("eval.json", json.dumps({**report, "modes": {args.mode: report}}, indent=1) + "\n")
        run.write("trajectories.jsonl", "".join(json.dumps(t.to_json()) + "\n" for [t] in groups))
        say(report_table(report))
        say(f"the model is in {run.path}; next: python grpo.py --model {run.path}")


if __name__ == "__main__":
    main()
