"""Scripts as models write them, in the sandbox and by plain `python main.py`: the same stdout, exit code and
stderr. What differs on purpose is listed in sandbox.py, and no script here touches it."""
import os
import re
import subprocess
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("the sandbox confines scripts on Linux only", allow_module_level=True)

from sandbox import ENVIRONMENT, Sandbox

# Scripts are separated by a line of dashes.
SCRIPTS = r'''
print(6 * 7)
-----
print(sum(i for i in range(1000) if i % 3 == 0 or i % 5 == 0))
-----
def gcd(a, b):
    while b:
        a, b = b, a % b
    return a
print(gcd(1071, 462))
-----
from math import gcd, lcm, comb, factorial, isqrt
print(gcd(12, 18), lcm(4, 6), comb(10, 3), factorial(20), isqrt(99))
-----
from itertools import permutations
for a, b, c in permutations(range(1, 10), 3):
    if 100 * a + 10 * b + c == 11 * (a + b + c):
        print(a, b, c)
-----
from collections import Counter
text = "the quick brown fox jumps over the lazy dog"
print(Counter(text.replace(" ", "")).most_common(3))
-----
from fractions import Fraction
print(sum(Fraction(1, n) for n in range(1, 11)))
-----
from functools import lru_cache
@lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
print(fib(300))
-----
import heapq
graph = {"A": {"B": 1, "C": 4}, "B": {"C": 2, "D": 5}, "C": {"D": 1}, "D": {}}
distance, queue = {}, [(0, "A")]
while queue:
    d, node = heapq.heappop(queue)
    if node in distance:
        continue
    distance[node] = d
    for other, weight in graph[node].items():
        heapq.heappush(queue, (d + weight, other))
print(distance)
-----
from datetime import date, timedelta
print(date(2024, 2, 28) + timedelta(days=2), (date(2024, 12, 25) - date(2024, 7, 4)).days)
-----
import re
print(re.findall(r"\b\w{5}\b", "seven words make these lines quite short"))
-----
grid = [[0] * 3 for _ in range(3)]
grid[1][1] = 5
for row in grid:
    print(*row)
-----
def solve(n):
    queens = []
    def safe(row, column):
        return all(c != column and abs(c - column) != row - r for r, c in enumerate(queens))
    def place(row):
        if row == n:
            return 1
        count = 0
        for column in range(n):
            if safe(row, column):
                queens.append(column)
                count += place(row + 1)
                queens.pop()
        return count
    return place(0)
print(solve(6))
-----
print(f"{3.14159:.2f} {1e6:,.0f} {255:#x} {'left':<8}| {'right':>8}|")
-----
import json
print(json.dumps({"b": [1, 2.5, None, True], "a": "ü"}, sort_keys=True, indent=1))
-----
import random
random.seed(42)
print(random.randint(1, 100), random.choice("abc"), random.sample(range(20), 5))
-----
import string
print(str.maketrans("abc", "xyz"), "cab".translate(str.maketrans("abc", "xyz")), string.ascii_lowercase[::5])
-----
from decimal import Decimal, getcontext
getcontext().prec = 30
print(Decimal(2).sqrt())
-----
import statistics
print(statistics.mean([1, 2, 3, 4]), statistics.median([5, 1, 3]), round(statistics.stdev([1, 2, 4]), 4))
-----
class Stack:
    def __init__(self):
        self.items = []
    def push(self, item):
        self.items.append(item)
    def __repr__(self):
        return f"Stack({self.items})"
s = Stack()
s.push(1)
print(s)
-----
from dataclasses import dataclass
@dataclass
class Point:
    x: int
    y: int = 2
print(Point(1), Point(1) == Point(1, 2))
-----
from enum import Enum
Color = Enum("Color", "RED GREEN")
print(list(Color), Color.RED.value)
-----
match [1, 2, 3]:
    case [first, *rest]:
        print(first, rest)
-----
print([x ** 2 for x in range(5)], {x: x % 2 for x in range(3)}, sorted({3, 1, 2}))
-----
import bisect
a = [1, 3, 5]
bisect.insort(a, 4)
print(a, bisect.bisect_left(a, 3))
-----
import textwrap
print(textwrap.fill("word " * 20, 30))
-----
import calendar
print(calendar.month(2024, 2))
-----
import hashlib
print(hashlib.sha256(b"abc").hexdigest())
-----
import cmath
print(cmath.sqrt(-4), abs(3 + 4j))
-----
import operator, functools
print(functools.reduce(operator.mul, range(1, 11)))
-----
for n in range(1, 16):
    print("FizzBuzz" if n % 15 == 0 else "Fizz" if n % 3 == 0 else "Buzz" if n % 5 == 0 else n, end=" ")
-----
import numpy as np
a = np.array([[1, 2], [3, 4]])
print(np.linalg.det(a).round(6), a @ a, a.mean(axis=0))
-----
import numpy as np
print(np.roots([1, -6, 11, -6]).round(6), np.arange(6).reshape(2, 3))
-----
import numpy as np
print(np.array([1, 2]) + np.array([1, 2, 3]))
-----
import numpy as np
np.random.seed(0)
print(np.random.rand(3), np.random.randint(0, 10, 5))
-----
import numpy as np
print(np.array([1, 0]) / 0)
-----
import sympy
x = sympy.symbols("x")
print(sympy.solve(x ** 2 - 5 * x + 6, x), sympy.factor(x ** 4 - 1), sympy.integrate(sympy.sin(x), x))
-----
from sympy import symbols, Eq, solve
x, y = symbols("x y")
print(solve([Eq(x + y, 10), Eq(x - y, 2)], [x, y]))
-----
from sympy import isprime, primerange, factorint
print(isprime(97), list(primerange(10, 30)), factorint(360))
-----
import networkx as nx
g = nx.Graph([(1, 2), (2, 3), (3, 4), (4, 1), (1, 3)])
print(nx.shortest_path_length(g, 2, 4), sorted(nx.degree(g)), nx.is_bipartite(g))
-----
print(undefined_name)
-----
number = 3
print(numbr + 1)
-----
import math
print(math.squareroot(2))
-----
from math import squrt
-----
import numpi
-----
print("3" + 4)
-----
int("twelve")
-----
[1, 2, 3][7]
-----
{"a": 1}["b"]
-----
None.strip()
-----
1 / 0
-----
assert 1 + 1 == 3, "arithmetic"
-----
def f(x):
    return x / 0

def g(x):
    return f(x) + 1

print("before")
print(g(1))
-----
try:
    int("x")
except ValueError as error:
    raise RuntimeError("could not parse") from error
-----
try:
    {}["key"]
except KeyError:
    [][0]
-----
raise ValueError("two\nlines")
-----
class NotFound(Exception):
    """One of the script's own."""
raise NotFound({"id": 7})
-----
def count(n):
    return count(n + 1)
count(0)
-----
def depth(n):
    global deepest
    deepest = n
    depth(n + 1)
try:
    depth(1)
except RecursionError as error:
    print(deepest, error)
-----
import sys
print(sys.getrecursionlimit())
sys.setrecursionlimit(2000)
def count(n):
    return 0 if n == 0 else 1 + count(n - 1)
print(sys.getrecursionlimit(), count(1995))
for n in range(1990, 2010):
    try:
        count(n)
    except RecursionError as error:
        print(n, error)
        break
sys.setrecursionlimit(2 ** 31 - 1)
-----
print("missing bracket"
-----
def f():
return 1
-----
if True
    print(1)
-----
x = 5
  y = 6
-----
return 3
-----
print "old"
-----
for i in range(3):
    pass
break
-----
await something()
-----
def f(a, a):
    pass
-----
x = 1
def f():
    print(x)
    global x
-----
print('unclosed)
-----
f(x for x in [1], 2)
-----
x = 1 +
-----
import sys
print("to stderr", file=sys.stderr)
print("to stdout")
-----
import sys
sys.exit(3)
-----
import sys
sys.exit("a last word")
-----
import sys
sys.exit(2 ** 64)
-----
import sys
sys.exit(-2 ** 63 + 5)
-----
import sys
sys.excepthook = lambda kind, error, trace: print(sys.exc_info(), error, trace.tb_lineno)
1 / 0
-----
import atexit, sys
atexit.register(print, "at exit")
def hook(*error):
    raise RuntimeError("in the hook")
sys.excepthook = hook
1 / 0
-----
import sys
sys.excepthook = lambda *error: sys.exit(5)
1 / 0
-----
exit()
-----
quit(2)
-----
import os
print("x", end="")
os._exit(4)
-----
raise SystemExit(-1)
-----
try:
    name = input("name? ")
except EOFError:
    print("nothing to read")
-----
name = input()
-----
import sys
data = sys.stdin.read()
print(len(data))
-----
import traceback
try:
    1 / 0
except ZeroDivisionError:
    traceback.print_exc()
    print(traceback.format_exc().splitlines()[-1])
-----
import warnings
warnings.warn("careful")
print("done")
-----
import logging
logging.basicConfig(level=logging.INFO)
logging.info("hello")
logging.getLogger("part").warning("odd: %d", 3)
-----
import threading
def work():
    raise ValueError("in a thread")
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("main goes on")
-----
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor() as pool:
    print(list(pool.map(lambda n: n * n, range(10))))
-----
import asyncio
async def main():
    print(await asyncio.gather(*(asyncio.sleep(0.001 * n, n) for n in range(3))))
asyncio.run(main())
-----
import asyncio
async def main():
    raise ValueError("in a task")
asyncio.run(main())
-----
class Loud:
    def __del__(self):
        print("gone", NAME)
NAME = "loud"
thing = Loud()
thing.self = thing
print("end")
-----
class Bad:
    def __del__(self):
        raise ValueError("in del")
Bad()
print("end")
-----
import atexit
atexit.register(print, "registered first, runs last")
atexit.register(print, "then this")
print("main")
-----
import os
out = os.fdopen(os.dup(1), "w")
out.write("written by its own writer")
-----
import io, sys
out = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")
for n in range(3):
    print(n, file=out)
def use():
    return out
-----
import sys
class Fast:
    def __init__(self):
        self.parts = []
    def write(self, text):
        self.parts.append(text)
    def flush(self):
        sys.__stdout__.write("".join(self.parts))
        self.parts = []
sys.stdout = Fast()
print("fast output")
-----
import sys
sys.stdout.buffer.write(b"bytes\n")
print("text")
-----
import io, sys
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
print("text")
-----
import io, sys
sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8")
print("text")
-----
import codecs, sys
sys.stdout = codecs.getwriter("utf-8")(sys.stdout.detach())
print("text")
-----
import sys
sys.stdout = open(1, "w", closefd=False, buffering=1000)
print("kept")
-----
import io, contextlib
captured = io.StringIO()
with contextlib.redirect_stdout(captured):
    print("inside")
print(repr(captured.getvalue()))
-----
with open("notes.txt", "w") as file:
    file.write("1\n2\n3\n")
print(sum(int(line) for line in open("notes.txt")))
-----
open("missing.txt")
-----
import csv, io
rows = list(csv.DictReader(io.StringIO("a,b\n1,2\n3,4\n")))
print(rows)
-----
import time
start = time.perf_counter()
time.sleep(0.01)
print(time.perf_counter() - start > 0.01)
-----
import inspect
def twice(x):
    return 2 * x
print(inspect.getsource(twice))
-----
import threading, time
count = 0
def spin():
    global count
    while True:
        count += 1
threading.Thread(target=spin, daemon=True).start()
time.sleep(0.05)
print("done", end="")
-----
x: int = 3
print(__annotations__, __name__, sorted(name for name in globals() if name.startswith("__")))
-----
x = 1
FORMFEED
def broken():
    return [1, 2, 3][4] + (1 / x)
broken()
-----
s = "häßlich 🌍"
print(s, len(s), s.encode())
print(s.missing)
-----
print(  1 +  (2 / 0)  + 3)
-----
eval("1 +")
-----
exec("def f(:\n pass")
-----
raise ExceptionGroup("several", [ValueError(1), TypeError("two")])
-----
a = b = [0]
a.append(b)
print(a)
print({}.get)
'''.strip("\n").replace("FORMFEED", "\f").split("\n-----\n")


@pytest.fixture(scope="module")
def box():
    with Sandbox(workers=1, timeout=60) as sandbox:
        yield sandbox


def first_statement(code: str) -> str:
    return code.strip().split("\n")[-1][:40]


@pytest.mark.parametrize("code", SCRIPTS, ids=first_statement)
def test_a_script_does_what_plain_python_does(box, code, tmp_path):
    for package in ("numpy", "sympy", "networkx"):
        if f"import {package}" in code or f"from {package}" in code:
            pytest.importorskip(package)
    if "ExceptionGroup" in code and sys.version_info < (3, 11):
        pytest.skip("Python 3.11 has exception groups")
    # With and without a newline at the end: where a caret stands must not depend on it.
    for source in {code, code + "\n"} if code.endswith(")") and "/ 0" in code else [code]:
        (tmp_path / "main.py").write_text(source)
        run = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True,
                             stdin=subprocess.DEVNULL, env={**ENVIRONMENT, "HOME": str(tmp_path)})
        ours = box.run(source)
        stderr = run.stderr.replace(f"{tmp_path}{os.sep}main.py", "main.py")  # not by its full path
        assert ours.exit_code == run.returncode
        assert without_addresses(ours.stdout) == without_addresses(run.stdout)
        assert without_addresses(ours.stderr) == without_addresses(stderr)


def without_addresses(text: str) -> str:
    return re.sub("0x[0-9a-f]{6,}", "0x...", text)


def test_there_are_at_least_eighty():
    assert len(SCRIPTS) == len(set(SCRIPTS)) >= 80
