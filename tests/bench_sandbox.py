"""The sandbox against subprocess.run, and against itself without layers, in interleaved rounds.

    python tests/bench_sandbox.py [--rounds 9] [--seconds 0.5]

Rates are scripts a second with as many threads (subprocess) or workers (sandbox) as `--workers`, one BLAS
thread on both sides. They move with whatever else the machine does, ratios much less: the rounds go
A B C A B C, and a ratio is the median of those of the rounds.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).parent.parent))
from sandbox import ENVIRONMENT, Sandbox

NO_LAYERS = ("seccomp", "landlock", "private_root")
SCRIPTS = {
    "print": ("print(1)", 2.5),
    "numpy": ("import numpy as np\nprint(np.arange(12).reshape(3, 4).sum(axis=0))", 12),
    "sympy": ("import sympy\nprint(sympy.Rational(1, 3) + 1)", 50),
    "sympy at work": ("import sympy\nx = sympy.symbols('x')\nprint(sympy.expand((x + 1) ** 3))", None),
}


def rate(run: Callable[[str], object], code: str, threads: int, seconds: float) -> float:
    """Scripts a second, of `threads` callers for about `seconds`."""
    end, start = time.perf_counter() + seconds, time.perf_counter()

    def caller(_: int) -> int:
        count = 0
        while count == 0 or time.perf_counter() < end:
            run(code)
            count += 1
        return count

    with ThreadPoolExecutor(threads) as pool:
        total = sum(pool.map(caller, range(threads)))
    return total / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scripts", nargs="*", default=list(SCRIPTS), choices=SCRIPTS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    environment = {**os.environ, **{name: ENVIRONMENT[name] for name in ENVIRONMENT if "THREADS" in name}}

    def plain(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)

    start = time.perf_counter()
    full = Sandbox(args.workers)
    warm = time.perf_counter() - start
    bare = Sandbox(args.workers, allow_weak=True, disable=NO_LAYERS)
    print(full.describe_layers())
    print(f"{args.workers} workers warm after {warm:.2f} s\n")
    print("scripts a second  subprocess  no layers  sandbox | against subprocess bar | against no layers bar")
    for name in args.scripts:
        code, bar = SCRIPTS[name]
        if name.split()[0] in full.missing:
            continue
        rounds = [[rate(run, code, args.workers, args.seconds) for run in (plain, bare.run, full.run)]
                  for _ in range(args.rounds)]
        a, b, c = (statistics.median(column) for column in zip(*rounds))
        plainly, layers = (statistics.median(row[2] / row[i] for row in rounds) for i in (0, 1))
        bar = f"{bar}x" if bar else ""
        print(f"{name:17s} {a:10.1f} {b:10.1f} {c:8.1f} | {plainly:17.1f}x {bar:>3s} | {layers:16.2f}x 0.75x")

    print("\nlatency in ms (one caller for each worker)   median     p99   ratio   bar")
    for name, code in {"print": "print(1)", "numpy": SCRIPTS["numpy"][0]}.items():
        with ThreadPoolExecutor(args.workers) as pool:
            start = time.perf_counter
            times = list(pool.map(lambda _: -start() + (full.run(code), start())[1], range(1000)))
        median, p99 = statistics.median(times), sorted(times)[989]
        print(f"{name:40s} {1e3 * median:10.1f} {1e3 * p99:7.1f} {p99 / median:6.1f}x  4.0x")

    write = "open('f', 'w').write('x')\nprint(1)"
    rounds = [[rate(full.run, code, args.workers, args.seconds) for code in ("print(1)", write)]
              for _ in range(args.rounds)]
    writing = statistics.median(b / a for a, b in rounds)
    print(f"\nwriting a file: {writing:.2f}x of the rate without (bar 0.60x)")

    late = [full.run("while True: pass", timeout=0.5).wall - 0.5 for _ in range(10)]
    stuck = [full.run("10 ** 10 ** 9", timeout=0.5).wall - 0.5 for _ in range(10)]
    print(f"killed after the deadline by: median {statistics.median(late):.3f} s, most {max(late):.3f} s; "
          f"in one long C call {statistics.median(stuck):.3f} s, most {max(stuck):.3f} s (bar 0.3 s)")
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    with Sandbox() as default:
        results = default.map([busy] * 32, timeout=1.0)
    late, slowest = sum(r.status == "timeout" for r in results), max(r.wall for r in results)
    print(f"32 scripts of 0.3 CPU seconds, limit 1 s, {default.workers} workers: {late} time-outs, "
          f"slowest {slowest:.2f} s")
    full.close()
    bare.close()


if __name__ == "__main__":
    main()
