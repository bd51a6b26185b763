"""The sandbox under attack, at honest work, and over time. attacks.py holds the scripts and their arena."""
import ctypes
import importlib.util
import json
import math
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import types
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the layers of the sandbox are Linux's", allow_module_level=True)

import sandbox as module
from attacks import ATTACKS, HONEST, Arena, run_honest
from sandbox import Result, Sandbox, SandboxError, self_test
from tasks.conversation import tool_text

TESTS = Path(__file__).parent
PROJECT = TESTS.parent
ROOT = os.getuid() == 0
AS_USER = dict(user=65534, group=65534, extra_groups=[])


@pytest.fixture(scope="module")
def box():
    with Sandbox(workers=2, max_output=1 << 20) as sandbox:
        yield sandbox


# ---- the other settings: they run beside the tests of the first -------------------------------------------

def python_of_user(directory: Path) -> str | None:
    """An interpreter that an unprivileged user may start: ours, or the system's, with our packages."""
    def starts(python: str) -> bool:
        command = [python, "-c", "import sys; print(*sys.version_info[:2])"]
        try:
            version = subprocess.run(command, **AS_USER, capture_output=True, text=True, cwd="/")
        except OSError:
            return False
        return version.stdout.split() == [str(number) for number in sys.version_info[:2]]

    if starts(sys.executable):
        return sys.executable
    if not starts("/usr/bin/python3"):
        return None
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", directory / "venv"], check=True)
    packages = Path(*directory.glob("venv/lib/python*/site-packages"))
    packages.rmdir()
    packages.symlink_to(Path(module.sysconfig.get_path("purelib")))
    return str(directory / "venv/bin/python")


OTHERS = [("us", ["landlock"]), ("us", ["private_root"])]
OTHERS += [("nobody", without) for without in ([], ["landlock"], ["private_root"])] if ROOT else []


@pytest.fixture(scope="module")
def others():
    """Starts attacks.py for each of the other settings. A function that waits for one, for its report."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    nobody, started = python_of_user(directory) if ROOT else None, {}
    for who, without in OTHERS:
        log = open(directory / f"{who} {without}", "w+")
        python = nobody if who == "nobody" else sys.executable
        if python:
            command = [python, "-B", TESTS / "attacks.py", "--timeout", "0.3", "--without", ",".join(without)]
            started[(who, *without)] = log, subprocess.Popen(command, stdout=log, stderr=log, cwd="/",
                                                           **(AS_USER if who == "nobody" else {}))

    def wait(who: str, without: list[str]) -> str:
        if (who, *without) not in started:
            pytest.skip("no interpreter of this version that an unprivileged user may start")
        log, process = started[(who, *without)]
        process.wait(300)
        log.seek(0)
        return log.read()

    yield wait
    for log, process in started.values():
        process.kill()
        process.wait()
        log.close()
    shutil.rmtree(directory)


# ---- attacks and honest scripts ---------------------------------------------------------------------------

@pytest.fixture(scope="module")
def arena(others, tmp_path_factory):
    arena = Arena(tmp_path_factory.mktemp("arena"))
    with arena.sandbox(workers=1) as sandbox:
        arena.all_layers = sandbox
        yield arena
    arena.close()


@pytest.mark.skipif(sys.platform != "linux", reason="there are no layers")
def test_an_attack_that_gets_out_harms_nothing():
    """It is named, or refused; the library is as before, and what it made is taken away."""
    attacks = [sys.executable, str(Path(__file__).with_name("attacks.py"))]

    def tried(*args: str) -> subprocess.CompletedProcess:
        return subprocess.run([*attacks, *args], capture_output=True, text=True, timeout=60)

    assert "name those" in tried("--without", "seccomp").stderr
    assert "layers are" in tried("fork_bomb", "--without", "seccmp").stderr
    assert "no attack or script 'my_conection'" in tried("my_conection").stderr
    library = [Path(module.__file__) for module in (os, struct, json)]
    before = [(path.read_bytes(), path.stat().st_mode) for path in library]
    names = ["tamper_with_packages", "write_outside"]
    done = tried(*names, "--without", "landlock,private_root")
    assert done.returncode == 1 and json.loads(done.stdout).keys() == set(names)
    assert [(path.read_bytes(), path.stat().st_mode) for path in library] == before
    for place in ("/", "/etc", "/usr/lib", "/root", "/run", "/var/tmp", library[0].parent):
        if os.access(place, os.R_OK):
            assert not [path for path in Path(place).glob("mark[0-9]*")]


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_holds(arena, name):
    assert arena.judge(arena.all_layers, name, timeout=0.3) == []


@pytest.mark.parametrize("name", HONEST)
def test_honest_script_gives_its_exact_output(box, name):
    if name.split("_")[0] in box.missing:
        pytest.skip("the package is not installed")
    assert run_honest(box, name) is None


@pytest.mark.parametrize("who, without", OTHERS, ids=str)
def test_attacks_and_honest_scripts_hold_in_the_other_settings(others, who, without):
    report = others(who, without)
    assert report.rstrip().endswith("{}"), report


# ---- what a Result says -----------------------------------------------------------------------------------

def test_a_traceback_shows_the_lines_of_the_script(box):
    code = "def half(x):\n    return x / 0\n\n\nprint('before')\nhalf(1)\n"
    result = box.run(code)
    assert (result.status, result.stdout, result.exit_code) == ("error", "before\n", 1)
    lines = [line for line in result.stderr.splitlines() if "^" not in line]
    assert lines == ["Traceback (most recent call last):",
                     '  File "main.py", line 6, in <module>', "    half(1)",
                     '  File "main.py", line 2, in half', "    return x / 0",
                     "ZeroDivisionError: division by zero"]


def test_an_exception_in_a_thread_shows_the_lines_too(box):
    result = box.run("import threading\ndef f():\n    1 / 0\nthreading.Thread(target=f, name='T').start()")
    assert result.status == "ok" and result.stderr.startswith("Exception in thread T:\n")
    assert "    1 / 0\n" in result.stderr


def test_memory_that_runs_out_is_an_error_in_words(box):
    for code in ("x = []\nwhile True: x.append([])", "x = 'a'\nwhile True: x += x", "x = [0] * 10**12"):
        result = box.run(code, timeout=90)
        assert result.status == "error" and result.stderr.endswith("MemoryError\n")


def test_a_syntax_error_shows_its_line(box):
    result = box.run("x = 1\nprint(x\n")
    assert result.status == "error"
    assert 'File "main.py", line 2' in result.stderr and "print(x" in result.stderr


@pytest.mark.parametrize("code, status, exit_code", [
    ("pass", "ok", 0), ("raise SystemExit", "ok", 0), ("raise SystemExit(0)", "ok", 0),
    ("raise SystemExit(256)", "ok", 0), ("import os; os._exit(0)", "ok", 0),
    ("raise SystemExit(7)", "error", 7), ("raise SystemExit(True)", "error", 1), ("1 / 0", "error", 1),
    ("raise SystemExit('text')", "error", 1), ("raise KeyboardInterrupt", "error", 1),
    ("import os; os.abort()", "signal", -6), ("import os; os.kill(os.getpid(), 9)", "signal", -9),
    ("import ctypes; ctypes.string_at(0)", "signal", -11)])
def test_status_and_exit_code_are_those_of_the_script(box, code, status, exit_code):
    result = box.run(code)
    assert (result.status, result.exit_code) == (status, exit_code)


def test_what_stands_in_a_stream_without_its_buffer_is_kept_and_the_end_has_failed_as_in_python(box):
    for end, code in ("", 120), ("1 / 0", 120), ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", 1):
        result = box.run(f"import sys\nout = sys.stdout.detach()\nout.write(b'bytes')\nout.flush()\n{end}")
        assert (result.stdout, result.exit_code) == ("bytes", code)
    result = box.run("import sys\nout = sys.stdout.detach()\nout.write(b'bytes')")
    assert (result.stdout, result.exit_code) == ("bytes", 120)


def test_long_output_is_cut_and_says_so():
    with Sandbox(workers=1, max_output=1000, preload=()) as sandbox:
        result = sandbox.run("print('a' * 999 + 'b' * 999)\nraise ValueError('c' * 2000 + 'the end')")
        assert (result.stdout, result.left_out, result.stdout_end) == ("a" * 500, 999, "b" * 499 + "\n")
        assert len(result.stderr) == 1000 and result.stderr.endswith("the end\n")
        result = sandbox.run("print('a' * 999)")
        assert (result.stdout, result.left_out, result.stdout_end) == ("a" * 999 + "\n", 0, "")
        # Characters are left out, not bytes: 1 + 250 * 2 bytes, 501 of 4, and as many as the first.
        result = sandbox.run("print('a' + 'ü' * 250 + '🌍' * 501 + 'ü' * 250, end='')")
        assert (result.stdout, result.left_out, result.stdout_end) == ("a" + "ü" * 249 + "\ufffd", 501, "ü" * 250)
        result = sandbox.run("print('🌍' * 501 + 'a', end='')")  # the ends may cut through one
        assert (result.stdout, result.left_out, result.stdout_end) == ("🌍" * 125, 252, "🌍" * 124 + "a")


def test_the_model_reads_the_two_ends_of_any_output_and_how_much_lies_between():
    with Sandbox(workers=1, preload=()) as sandbox:
        result = sandbox.run("for i in range(20000): print(i)")
    printed = "\n".join(map(str, range(20000)))
    assert tool_text(result, 40) == \
        f"{printed[:20]}\n[{len(printed) - 40} characters left out]\n{printed[-20:]}"
    head, tail = tool_text(result, 200_000).split("\n[43354 characters left out]\n")  # more than the sandbox keeps
    assert printed.startswith(head) and printed.endswith(tail) and len(head + tail) + 43354 == len(printed)


def test_a_flood_ends_at_the_file_limit_with_an_error_in_words(box):
    result = box.run("while True: print('x' * 1000)")
    assert result.status == "error" and result.left_out > 10 << 20 and "File too large" in result.stderr


def test_times_and_memory_are_measured(box):
    idle = box.run("import time; time.sleep(0.4)")
    busy = box.run("import time\nwhile time.process_time() < 0.3: pass\nx = b'x' * (100 << 20)")
    assert idle.wall >= 0.4 and idle.cpu < 0.2
    assert busy.cpu >= 0.3 and busy.rss_mb > idle.rss_mb + 90


@pytest.mark.parametrize("code", [
    "print('kept'); print('this too', end='')\nwhile True: pass",
    "print('kept'); print('this too', end='')\nimport time; time.sleep(60)",
    "import io, sys; sys.stdout = io.TextIOWrapper(sys.stdout.buffer)\n"
    "print('kept'); print('this too', end='')\nwhile True: pass",
    "print('kept'); print('this too', end='', flush=True)\nprint(len(str(7 ** 10 ** 9)))",
    "print('kept\\nthis too', end='', flush=True)\nimport signal, time\n"
    "signal.signal(signal.SIGXCPU, lambda *_: time.sleep(9)); time.sleep(60)"])
def test_a_deadline_keeps_what_was_printed_and_kills_within_a_third_of_a_second(box, code):
    results = [box.run(code, timeout=0.4) for _ in range(3)]
    assert {(r.status, r.stdout, r.exit_code) for r in results} == {("timeout", "kept\nthis too", -9)}
    assert min(r.wall for r in results) <= 0.4 + 0.3  # of three: this machine may be busy


def test_the_kernel_keeps_the_deadline_too_and_it_is_a_timeout(box):
    code = "import threading\nfor _ in range(6): threading.Thread(target=pow, args=(7, 10 ** 9)).start()"
    assert box.run(code, timeout=0.5).status == "timeout"


def test_arguments_are_checked(box):
    for wrong in (dict(timeout=0), dict(timeout=-1), dict(timeout=math.nan), dict(seed="x"), dict(seed=1.5)):
        with pytest.raises(ValueError):
            box.run("print(1)", **wrong)


# ---- random state -----------------------------------------------------------------------------------------

DRAW = "import random\nprint(random.random(), random.sample(range(99), 3))"
DRAW_NUMPY = "import numpy as np\nprint(np.random.rand(2), np.random.default_rng().random(2))"
# Draws by numpy, and does not say so.
DRAW_NETWORKX = "import networkx as nx\nprint(nx.spring_layout(nx.path_graph(3))[0])"


@pytest.mark.parametrize("module, code", [("random", DRAW), ("numpy", DRAW_NUMPY), ("networkx", DRAW_NETWORKX)])
def test_a_seed_repeats_and_no_seed_never_does(box, module, code):
    if module in box.missing:
        pytest.skip(f"{module} is not installed")
    seeded = {seed: {box.run(code, seed=seed).stdout for _ in range(3)} for seed in (0, 1, 2**70 + 2, -5)}
    assert all(len(outputs) == 1 for outputs in seeded.values()) and len(set.union(*seeded.values())) == 4
    assert len({box.run(code).stdout for _ in range(6)}) == 6


def test_a_seed_is_the_one_that_a_reader_expects(box):
    code = "import random\nprint(random.random() == random.Random(5).random())"
    assert box.run(code, seed=5).stdout == "True\n"


def test_a_printed_set_has_the_same_order_in_each_process(box):
    with Sandbox(workers=1, preload=()) as other:
        code = "print({'apple', 'pear', 'plum', 'fig', 'date'})"
        assert len({sandbox.run(code).stdout for sandbox in (box, other) for _ in range(4)}) == 1


# ---- the sandbox as an object -----------------------------------------------------------------------------

def test_map_keeps_order_and_submit_returns_a_future(box):
    codes = [f"import time; time.sleep({(7 - i) / 100}); print({i})" for i in range(8)]
    assert [r.stdout for r in box.map(codes)] == [f"{i}\n" for i in range(8)]
    future = box.submit("print(input())", stdin="hello")
    assert isinstance(future, Future) and future.result().stdout == "hello\n"


def test_64_threads_share_two_workers(box):
    answers, threads = {}, []
    for i in range(64):
        def work(i=i):
            answers[i] = [box.run(f"print({i} * {j})").stdout for j in range(3)]
        threads.append(threading.Thread(target=work))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert answers == {i: [f"{i * j}\n" for j in range(3)] for i in range(64)}


def test_a_closed_sandbox_says_so_and_leaves_no_process():
    sandbox = Sandbox(workers=2, preload=())
    pids = [worker.process.pid for worker in sandbox.team]
    late = sandbox.submit("import time; time.sleep(0.2); print('done')")
    time.sleep(0.05)
    sandbox.close()
    sandbox.close()
    assert late.result().stdout == "done\n"
    with pytest.raises(RuntimeError, match="shutdown"):
        sandbox.run("print(1)")
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_32_scripts_of_a_third_of_a_cpu_second_do_not_time_out_beside_each_other():
    code = "import time\nwhile time.process_time() < 0.3: pass\nprint('done')"
    with Sandbox(preload=()) as sandbox:
        for _ in range(3):  # other programs may take the cores away: then a script alone is slow as well
            alone = max(sandbox.run(code, timeout=60).wall for _ in range(3))
            results = sandbox.map([code] * 32, timeout=max(1.0, 3.3 * alone))
            if {r.stdout for r in results} == {"done\n"}:
                return
    pytest.fail(f"{sum(r.status == 'timeout' for r in results)} time-outs, {alone:.2f} s alone")


def test_importing_has_no_side_effect_and_needs_no_torch():
    code = ("import sys, threading, os; before = set(os.listdir('/proc/self/fd')); import sandbox; "
            "print(threading.active_count(), set(os.listdir('/proc/self/fd')) == before, "
            "'torch' in sys.modules, 'numpy' in sys.modules)")
    run = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert run.stdout == "1 True False False\n"


def test_the_environment_of_a_script_holds_nothing_of_ours(box):
    os.environ["A_KEY"] = "secret"
    with Sandbox(workers=1, preload=()) as fresh:
        names = set(fresh.run("import os; print(*os.environ)").stdout.split())
    del os.environ["A_KEY"]
    assert names <= {*module.ENVIRONMENT, "HOME", "TMPDIR", "LC_CTYPE"}


def test_a_pool_of_threads_finds_its_semaphores(box):
    if not box.has("private_root"):
        pytest.skip("needs a /dev/shm of its own")
    code = "from multiprocessing.pool import ThreadPool\nwith ThreadPool(3) as p: print(p.map(abs, [-1, 2]))"
    assert box.run(code).stdout == "[1, 2]\n"


def test_a_worker_is_a_program_of_its_own_without_our_descriptors(tmp_path):
    with open(tmp_path / "ours", "w") as file:
        os.set_inheritable(file.fileno(), True)
        with Sandbox(workers=1, preload=()) as sandbox:
            fds = Path(f"/proc/{sandbox.team[0].process.pid}/fd")
            targets = [os.readlink(fd) for fd in fds.iterdir()]
            assert str(tmp_path / "ours") not in targets
            assert sum(target.startswith("socket:") for target in targets) == 1
            assert os.getsid(sandbox.team[0].process.pid) != os.getsid(0)


def test_no_lock_on_a_shared_file_holds_anybody_up(box):
    import fcntl
    path = os.__file__
    holding = box.submit(f"import fcntl, time\nf = open({path!r})\nfcntl.flock(f, fcntl.LOCK_EX)\n"
                         "print('locked', flush=True)\ntime.sleep(0.5)")
    time.sleep(0.25)
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert holding.result().stdout == "locked\n"


def test_preloaded_modules_that_start_threads_are_refused_in_words(box, monkeypatch):
    if "numpy" in box.missing or len(os.sched_getaffinity(0)) == 1:
        pytest.skip("needs numpy and two cores: its BLAS starts threads then")
    monkeypatch.setitem(module.ENVIRONMENT, "OPENBLAS_NUM_THREADS", "2")
    with pytest.raises(SandboxError, match="1 threads, which a fork would lose"):
        Sandbox(workers=1)


# ---- layers -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("disable, words", [
    (["seccomp"], "start processes"), (["landlock", "private_root"], "read and change"),
    (["seccomp", "landlock", "private_root"], "start processes.*read and change")])
def test_too_few_layers_are_refused_and_a_weak_sandbox_says_what_it_allows(disable, words):
    with pytest.raises(SandboxError, match=words):
        Sandbox(workers=1, preload=(), disable=disable)
    with (pytest.warns(RuntimeWarning, match=words),
          Sandbox(workers=1, preload=(), disable=disable, allow_weak=True) as sandbox):
        assert sandbox.run("print(6 * 7)").stdout == "42\n"
        assert "switched off" in sandbox.describe_layers() and "\n" not in sandbox.describe_layers()
        assert "passed" in self_test(sandbox)


def test_a_weak_sandbox_kills_the_group_of_a_script():
    with (pytest.warns(RuntimeWarning),
          Sandbox(workers=1, preload=(), disable=["seccomp"], allow_weak=True) as sandbox):
        result = sandbox.run("import os, time\npid = os.fork()\nprint(pid) if pid else time.sleep(60)")
        assert wait_for(lambda: gone(int(result.stdout)))


def test_layers_say_what_protects_this_machine(box):
    assert set(box.layers) == {"seccomp", "landlock", "private_root", "thread_gate"}
    assert box.layers["seccomp"] is True and box.has("seccomp")
    assert box.describe_layers().startswith("sandbox: seccomp") and "passed" in self_test(box)


def test_mounts_below_proc_do_not_cost_the_private_root(box):
    """systemd has one there (binfmt_misc), containers have several: the new root covers them."""
    if not box.has("private_root") or shutil.which("unshare") is None:
        pytest.skip("needs a private root, and the program unshare")
    code = ("from sandbox import Sandbox\n"
            "with Sandbox(workers=1, preload=()) as box: print(box.layers['private_root'])")
    mounts = "mount -t tmpfs one /proc/fs && mount -t tmpfs two /proc/sys && exec \"$@\""
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", mounts, "sh", sys.executable, "-c", code],
                          cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stdout + done.stderr


def test_the_self_test_fails_in_one_sentence(box, monkeypatch):
    monkeypatch.setattr(box, "run", lambda *_, **__: Result("ok", "", "", 0, 0, 0, 0, 0))
    with pytest.raises(SandboxError, match="it should answer"):
        self_test(box)


def sandbox_on(machine: str, monkeypatch) -> types.ModuleType:
    """sandbox.py as a module of its own, whose tables are those of that processor."""
    spec = importlib.util.spec_from_file_location(f"sandbox_on_{machine}", module.__file__)
    loaded = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setattr(os, "uname", lambda: types.SimpleNamespace(machine=machine))
        patch.setitem(sys.modules, spec.name, loaded)  # dataclasses look there
        spec.loader.exec_module(loaded)
    return loaded


def test_no_seccomp_filter_number_is_wrong(monkeypatch):
    """Against the headers of the kernel: x86-64's own, and the generic table that aarch64 uses."""
    tables = []
    for header, pattern in (("x86_64-linux-gnu/asm/unistd_64.h", r"#define __NR_(\w+)\s+(\d+)"),
                            ("asm-generic/unistd.h", r"#define __NR(?:3264)?_(\w+)\s+(\d+)")):
        path = Path("/usr/include") / header
        if not path.exists():
            pytest.skip(f"no {path}")
        tables.append({name: int(number) for name, number in re.findall(pattern, path.read_text())})
    x86, arm = (sandbox_on(machine, monkeypatch) for machine in ("x86_64", "aarch64"))
    assert (x86.AUDIT_ARCH, arm.AUDIT_ARCH) == (0xC000003E, 0xC00000B7)
    assert sandbox_on("riscv64", monkeypatch).AUDIT_ARCH is None
    names = {*x86.REFUSED, *x86.IGNORED, *x86.LIMITED}  # those that aarch64 lacks, too
    for loaded, table in zip((x86, arm), tables):
        ours = {**loaded.REFUSED, **loaded.IGNORED, **loaded.LIMITED}
        assert len(ours) == len(loaded.REFUSED) + len(loaded.IGNORED) + len(loaded.LIMITED)
        assert ours.keys() <= names and {limit.call for limit in loaded.LIMITS} == x86.LIMITED.keys()
        assert not {name: table.get(name) for name in names if ours.get(name) != table.get(name)}


def what_it_installs(module: types.ModuleType, program: bytes, monkeypatch) -> bytes:
    """The lines that `install` hands to the kernel, out of the struct sock_fprog."""
    def read(_number: int, _operation: int, _flags: int, argument: bytes) -> int:
        count, address = struct.unpack("HxxxxxxQ", argument)
        installed.append(ctypes.string_at(address, 8 * count))
        return 0

    installed: list[bytes] = []
    monkeypatch.setattr(module, "system_call", read)
    module.install(program)
    return installed[0]


def decide(program: bytes, architecture: int, number: int, arguments: list[int]) -> int:
    """What the kernel makes of one system call, by the few operations of BPF that the filter uses."""
    data = struct.pack("iIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    line, value = 0, 0
    while True:
        operation, if_true, if_false, operand = struct.unpack_from("HBBI", program, 8 * line)
        line += 1
        if operation == 0x06:
            return operand
        if operation == 0x20:
            value = struct.unpack_from("I", data, operand)[0]
        elif operation == 0x54:
            value &= operand
        else:
            line += if_true if {0x15: value == operand, 0x35: value >= operand}[operation] else if_false


@pytest.mark.parametrize("machine, architecture", [("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)],
                         ids=["x86", "arm"])
def test_the_filter_decides_as_its_tables_say_on_both_architectures(monkeypatch, machine, architecture):
    allow, kill, error = 0x7FFF0000, 0x80000000, 0x50000
    module = sandbox_on(machine, monkeypatch)
    monkeypatch.setattr(module.os, "getpid", lambda: 4711)
    pid, number = 4711, module.LIMITED
    program = what_it_installs(module, module.make_program(threads=True), monkeypatch)
    assert struct.pack("I", module.OWN_PID) not in program
    assert len(program) // 8 <= 4096, "the kernel takes no more lines"
    refused, ignored, limited = map(set, (module.REFUSED.values(), module.IGNORED.values(), number.values()))
    for call in range(600):
        expected = error | 1 if call in refused else error if call in ignored else allow
        expected = error | 38 if call >= 424 else expected
        if call not in limited:
            assert decide(program, architecture, call, [0, 0, 0]) == expected, call
    assert decide(program, 0x40000003, 20, []) == kill  # 32-bit
    assert decide(program, architecture, 0x40000000 + 39, []) == error | 38  # x32
    for name, arguments, answer in [
            ("clone", [0x3D0F00], allow), ("clone", [17], error | 1), ("clone", [0x10010F00], error | 1),
            ("clone", [0x4111], error | 1), ("clone", [0x3D0F00 - 0x400], error | 1),
            ("clone", [0x7D0F00], allow), ("clock_gettime", [1], allow),
            ("clock_gettime", [11], allow), ("clock_gettime", [2**32 - 6 - 8 * pid], error | 1),
            ("clock_getres", [2**32 - 2], error | 1), ("clock_nanosleep", [1], allow),
            ("kill", [pid, 9], allow), ("kill", [1, 9], error | 1),
            ("kill", [2**32 - 1, 9], error | 1), ("kill", [0, 9], error | 1),
            ("tgkill", [pid, 5, 9], allow), ("tgkill", [5, pid, 9], error | 1),
            ("prlimit64", [0, 7], allow), ("prlimit64", [1, 7], error | 1),
            ("socketpair", [1, 0x80801], allow), ("socketpair", [1, 2], error | 1),
            ("socketpair", [2, 1], error | 1), ("prctl", [15], allow), ("prctl", [1], error | 1),
            ("prctl", [22], error | 1), ("fcntl", [0, 3], allow), ("fcntl", [0, 8], error | 1),
            ("fcntl", [0, 6], error), ("fcntl", [0, 38], error), ("fcntl", [0, 36], allow),
            ("fcntl", [0, 1024], error | 1), ("ioctl", [0, 0x5421], allow),
            ("ioctl", [0, 0x5412], error | 25),
            ("open", [0, 0o2102], allow), ("open", [0, 0o10001], error | 1), ("open", [0, 0o4010001], error | 1),
            ("openat", [0, 0, 0o2102], allow), ("openat", [0, 0, 0o10001], error | 1),
            ("pwritev2", [1, 0, 1, 0, 0, 0], allow), ("pwritev2", [1, 0, 1, 0, 0, 0x10], allow),
            ("pwritev2", [1, 0, 1, 0, 0, 2], error | 95), ("pwritev2", [1, 0, 1, 0, 0, 4], error | 95),
            ("fallocate", [1, 0, 0, 4096], error | 95)]:
        if name in number:  # aarch64 has no open
            assert decide(program, architecture, number[name], arguments) == answer, (name, arguments)
    without_threads = module.make_program(threads=False)
    assert decide(without_threads, architecture, number["clone"], [0x3D0F00]) == error | 11  # EAGAIN


def test_the_worked_example_is_what_the_filter_says():
    """The lines of the comment, read out of the source, against those that `limit_call` makes."""
    source = Path(module.__file__).read_text()
    example = source[source.index("# Worked example"):source.index("def refuse_call(")]
    lines = [eval(line, vars(module)) for line in re.findall(r"^#     (\(.*?\))  ", example, re.M)]
    assert len(lines) == 6 and lines == module.limit_call(62, module.Limit("kill", 0, [4711]))


def test_plain_subprocesses_stand_in_on_macos(monkeypatch):
    monkeypatch.setattr(module.sys, "platform", "darwin")
    with pytest.raises(SandboxError, match="allow_weak"):
        Sandbox(workers=1)
    with pytest.warns(RuntimeWarning, match="weak"), Sandbox(workers=2, allow_weak=True) as sandbox:
        assert [r.stdout for r in sandbox.map(["print(1)", "print(2)"])] == ["1\n", "2\n"]
        assert sandbox.run("print(input())", stdin="x").stdout == "x\n"
        assert 'File "main.py", line 1' in sandbox.run("1 / 0").stderr
        first, second, other = (sandbox.run(DRAW, seed=seed).stdout for seed in (3, 3, None))
        assert first == second != other
        late = sandbox.run("import os, time\nprint(os.fork())\ntime.sleep(60)", timeout=1.5)
        children = [int(pid) for pid in late.stdout.split() if pid != "0"]
        assert late.status == "timeout" and children and wait_for(lambda: all(map(gone, children)))


PRETEND_DARWIN = """
import importlib.util, os, signal, socket, sys, time, warnings
warnings.simplefilter("ignore")
sys.platform = "darwin"
missing = dict(time=time, os=os, signal=signal, socket=socket)
for name in ("os.memfd_create os.sched_getaffinity os.pidfd_open os.O_PATH os.unshare os.setns os.splice "
             "os.sched_setaffinity os.MFD_CLOEXEC signal.sigtimedwait signal.sigwaitinfo "
             "socket.SOCK_CLOEXEC").split():
    module, name = name.split(".")
    if hasattr(missing[module], name):
        delattr(missing[module], name)
from sandbox import Sandbox, SandboxError, self_test
import ctypes
class NoLibc:  # whoever calls the kernel fails here
    def __getattr__(self, name): raise AttributeError("macOS has no " + name)
sys.modules["sandbox"].libc = NoLibc()
"""
DARWIN = PRETEND_DARWIN + """
try: Sandbox()
except SandboxError as error: print(error)
with Sandbox(timeout=60, allow_weak=True) as box:
    print(box.describe_layers())
    print(self_test(box))
    futures = [box.submit(f"print({n} + int(input()))", stdin="1", seed=0) for n in range(3)]
    print([future.result().stdout for future in futures])
    print(box.run("import time; print(1, flush=True); time.sleep(60)", timeout=3))
"""
DARWIN_COMMAND = "import torch._dynamo, transformers  # which read what kind of machine this is\n" + PRETEND_DARWIN + """
import runpy
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_what_a_trainer_uses_needs_nothing_of_linux():
    """An interpreter that says it is macOS, and lacks what Python lacks there."""
    run = subprocess.run([sys.executable, "-c", DARWIN], cwd=PROJECT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    refusal, layers, own, outputs, late = run.stdout.splitlines()
    assert "cannot confine scripts here" in refusal and "--allow-weak" in refusal
    assert layers.startswith("weak sandbox: no seccomp (on darwin,")
    assert "passed" in own and outputs == str(["1\n", "2\n", "3\n"])
    assert "status='timeout'" in late and "stdout='1\\n'" in late


@pytest.mark.slow
def test_the_commands_of_a_trainer_run_on_macos_with_allow_weak(tmp_path):
    """At a size of seconds: without the flag one sentence that names it, with it a run that has a result."""
    pytest.importorskip("torch")

    def command(*words: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
        return subprocess.run([sys.executable, "-c", DARWIN_COMMAND, *words], cwd=PROJECT, env=environment,
                              capture_output=True, text=True)

    small = ["--tasks", "rg/gcd", "--batch-size", "2", "--eval-n", "2", "--max-tokens", "60",
             "--max-turn-tokens", "30", "--workers", "2"]
    sft = ["sft.py", *small, "--per-task", "4", "--width", "32", "--copy-steps", "2", "--epochs", "1"]
    grpo = ["grpo.py", *small, "--per-task", "2", "--stages", "1", "--steps-per-stage", "1", "--group-size", "2",
            "--potential-samples", "1", "--val-n", "2", "--model", str(tmp_path / "sft")]
    refused = command(*sft, "--out", str(tmp_path / "sft"))
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert "cannot confine scripts here" in refused.stderr and "--allow-weak" in refused.stderr
    for words, name in ((sft, "sft"), (grpo, "grpo")):
        done = command(*words, "--out", str(tmp_path / name), "--allow-weak")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        assert "accuracy" in json.loads((tmp_path / name / "eval.json").read_text())
        log = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        assert json.loads(log[0])["sandbox"].startswith("weak sandbox: no seccomp (on darwin")
    programs = [line for line in (tmp_path / "sft" / "data.jsonl").read_text().splitlines() if "```python" in line]
    assert programs  # conversations with a script are kept only if it ran and its answer was right


# ---- packages that are links ------------------------------------------------------------------------------

@pytest.fixture
def linked_packages(tmp_path):
    """As `uv --link-mode symlink` leaves them: directories of links to files that lie elsewhere. Returns
    a venv's interpreter, its site-packages and the place where the files are."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    packages, = tmp_path.glob("venv/lib/python3*/site-packages")
    cache = tmp_path / "cache"
    for name, directory in (("numpy", "numpy"), ("numpy.libs", "numpy.libs"), ("json5", "json5")):
        (cache / directory).mkdir(parents=True)
        (packages / directory).mkdir()
        for file in ("__init__.py", "part.py"):
            (cache / directory / file).write_text(f"NAME = '{name} {file}'\n")
            (packages / directory / file).symlink_to(cache / directory / file)
    (cache / "secret.txt").write_text("not for scripts")
    return tmp_path / "venv/bin/python", packages, cache


@pytest.mark.parametrize("disable", [[], ["landlock"], ["private_root"]], ids=str)
def test_packages_that_are_links_to_files_elsewhere_can_be_imported(linked_packages, disable):
    python, packages, cache = linked_packages
    scripts = ["import json5, json5.part; print(json5.NAME, json5.part.NAME)",
               f"open({str(cache / 'secret.txt')!r})"]
    code = ("from sandbox import Sandbox\n"
            f"with Sandbox(workers=1, preload=['json5', 'nowhere'], disable={disable}) as box:\n"
            "    print(box.missing)\n"
            f"    for script in {scripts!r}:\n"
            "        result = box.run(script)\n"
            "        print(result.stdout or result.status)")
    run = subprocess.run([python, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    lines = [line for line in run.stdout.splitlines() if line]
    assert lines[:2] == ["['nowhere']", "json5 __init__.py json5 part.py"], run.stderr
    assert lines[-1] == "error"  # their neighbours stay hidden


def test_a_preloaded_package_whose_files_cannot_be_read_is_missing(linked_packages):
    python, packages, cache = linked_packages
    for file in ("__init__.py", "part.py"):
        (cache / "json5" / file).unlink()
    code = ("from sandbox import Sandbox\n"
            "with Sandbox(workers=1, preload=['json5', 'json']) as box: print(box.describe_layers())")
    run = subprocess.run([python, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert "no json5" in run.stdout, run.stderr


# ---- other rows -------------------------------------------------------------------------------------------

NEIGHBOURS = """
import resource, sys, threading
resource.setrlimit(resource.RLIMIT_NPROC, (1500, 1500))
sys.path[:0] = [PROJECT, TESTS]
from attacks import ATTACKS, PRELUDE
from sandbox import Sandbox
hostile = PRELUDE + ATTACKS["thread_bomb_in_machine_code"].replace("os._exit(0)", "time.sleep(60)")
honest = "import threading\\nt = threading.Thread(target=print, args=(42,))\\nt.start()\\nt.join()"
with Sandbox(workers=3, preload=(), timeout=20) as box:
    bombs = [box.submit(hostile, timeout=4) for _ in range(2)]
    rows, started = [], 0
    while not all(bomb.done() for bomb in bombs):
        rows.append(box.run(honest))
        extra = [threading.Thread(target=int) for _ in range(20)]
        for thread in extra: thread.start()
        for thread in extra: thread.join()
        started += 20
    print({(row.status, row.stdout) for row in rows}, len(rows) > 3, started > 60)
    print(*[bomb.result().status for bomb in bombs])
    print(*[int(bomb.result().stdout.split()[1]) <= 200 for bomb in bombs])
"""


@pytest.mark.parametrize("disable", [[], ["private_root"]], ids=str)
def test_threads_of_one_script_take_none_from_other_rows_or_the_trainer(disable):
    """A user who may have 1,500 processes, two scripts that want 20,000 threads each, and honest rows."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    python = python_of_user(directory) if ROOT else sys.executable
    if python is None:
        pytest.skip("no interpreter of this version that an unprivileged user may start")
    code = NEIGHBOURS.replace("PROJECT", repr(str(PROJECT))).replace("TESTS", repr(str(TESTS)))
    code = code.replace("preload=()", f"preload=(), disable={disable}")
    run = subprocess.run([python, "-B", "-c", code], cwd="/", capture_output=True, text=True,
                         **(AS_USER if ROOT else {}))
    shutil.rmtree(directory)
    expected = ["{('ok', '42\\n')} True True", "timeout timeout", "True True"]
    assert run.stdout.splitlines() == expected, run.stderr


def test_where_threads_cannot_be_counted_a_script_has_one():
    with Sandbox(workers=1, preload=(), disable=["thread_gate"]) as sandbox:
        result = sandbox.run("import threading\nprint(1)\nthreading.Thread(target=print).start()")
        assert result.stdout == "1\n" and result.stderr.endswith("RuntimeError: can't start new thread\n")
        assert "no thread gate" in sandbox.describe_layers()


def test_a_preloaded_module_that_starts_a_thread_is_refused_in_a_sentence(tmp_path, monkeypatch):
    package = tmp_path / "starter"
    package.mkdir()
    (package / "__init__.py").write_text("import threading, time\n"
                                         "threading.Thread(target=time.sleep, args=[99], daemon=True).start()\n")
    monkeypatch.setitem(module.ENVIRONMENT, "PYTHONPATH", str(tmp_path))
    with pytest.raises(SandboxError, match="the preloaded modules start 1 threads"):
        Sandbox(workers=1, preload=["starter"])


def test_a_script_dies_before_its_worker_where_memory_runs_out():
    with Sandbox(workers=1, preload=()) as sandbox:
        worker = sandbox.team[0].process.pid
        running = sandbox.submit("import time\ntime.sleep(2)")
        children = Path(f"/proc/{worker}/task/{worker}/children")
        assert wait_for(lambda: children.read_text())
        script = int(children.read_text())
        assert wait_for(lambda: Path(f"/proc/{script}/oom_score_adj").read_text() == "1000\n")
        assert int(Path(f"/proc/{worker}/oom_score_adj").read_text()) < 1000
        assert int(Path("/proc/self/oom_score_adj").read_text()) < 1000
        assert running.result().status == "ok"


def test_no_script_can_pose_as_a_failure_of_the_sandbox(box):
    """Rows with a sandbox_error leave the loss: whatever a script does, it has another status."""
    for code in ("import os; os._exit(1)", "import os; os.kill(os.getpid(), 9)", "import os; os.closerange(0, 64)",
                 "import ctypes; ctypes.memset(id(None), 255, 4096)", "x" * 3_000_000, "(" * 100_000,
                 "import sys; sys.modules.clear()", "\0", "print('\ud800')", "-" * 90_000 + "1"):
        assert box.run(code).status in ("ok", "error", "signal")


@pytest.mark.parametrize("disable", [[], ["private_root"]], ids=str)
def test_each_script_has_a_new_scratch_even_after_one_that_left_nothing(disable):
    code = "import os, time\nprint(time.time_ns() - os.stat('.').st_mtime_ns < 10**9 * SECONDS)"
    with Sandbox(workers=1, preload=(), disable=disable) as sandbox:
        assert sandbox.run("print(1)").stdout == "1\n"
        time.sleep(1)
        sandbox.run("print(1)")
        seen = sandbox.run(code.replace("SECONDS", "1")).stdout
        assert seen == "True\n"


def test_names_count_as_files_whether_or_not_they_lead_to_one():
    code = "import os, time\nopen('f', 'w').close()\nfor i in range(MANY): os.link('f', str(i))\nprint(1, flush=True)"
    for disable, status in ([], "error"), (["private_root"], "signal"):
        with Sandbox(workers=1, preload=(), disable=disable) as sandbox:
            assert sandbox.run(code.replace("MANY", "2000")).stdout == "1\n"
            assert sandbox.run(code.replace("MANY", "8000") + "\ntime.sleep(60)").status == status
            assert sandbox.run("import os; print(os.listdir('.'))").stdout == "[]\n"


# ---- accidents --------------------------------------------------------------------------------------------

def gone(pid: int) -> bool:
    """Dead; a zombie whose parent is not ours counts as dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_for(condition, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("disable", [[], ["private_root"]], ids=["all-layers", "without-private-root"])
def test_a_killed_worker_costs_one_sandbox_error_and_is_replaced(disable):
    with Sandbox(workers=1, preload=(), disable=disable) as sandbox:
        worker, scratch = sandbox.team[0].process.pid, sandbox.team[0].hello["base"]
        running = sandbox.submit("import time\nprint('on', flush=True)\ntime.sleep(60)", timeout=60)
        children = Path(f"/proc/{worker}/task/{worker}/children")
        assert wait_for(lambda: children.read_text())
        script = int(children.read_text())
        os.kill(worker, signal.SIGKILL)
        assert running.result().status == "sandbox_error" and running.result().stderr
        assert wait_for(lambda: gone(script))  # the script dies with its worker
        assert [sandbox.run("print(6 * 7)").stdout for _ in range(3)] == ["42\n"] * 3
        assert scratch is None or not os.path.exists(scratch)
        os.kill(sandbox.team[0].process.pid, signal.SIGKILL)  # this time idle: no script's fault
        time.sleep(0.2)
        assert [sandbox.run("print(6 * 7)").status for _ in range(3)] == ["ok", "ok", "ok"]


@pytest.mark.parametrize("disable", [[], ["private_root"]], ids=["all-layers", "without-private-root"])
def test_a_killed_trainer_leaves_nothing_behind(disable):
    code = ("import json, os, sys; from sandbox import Sandbox\n"
            f"box = Sandbox(workers=2, preload=(), disable={disable})\n"
            "box.submit('open(\"file\", \"w\").close()\\nwhile True: pass', timeout=2)\n"
            "pids, scratch = zip(*[(w.process.pid, w.hello['base']) for w in box.team])\n"
            "print(json.dumps([pids, scratch]), flush=True)\n"
            "import time; time.sleep(60)")
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as trainer:
        workers, scratch = json.loads(trainer.stdout.readline())
        children = [Path(f"/proc/{pid}/task/{pid}/children") for pid in workers]
        assert wait_for(lambda: any(file.read_text() for file in children))
        scripts = [int(pid) for file in children for pid in file.read_text().split()]
        trainer.kill()
    assert scripts and wait_for(lambda: all(map(gone, workers + scripts)), seconds=2 + 2)
    assert not any(path and os.path.exists(path) for path in scratch)


def test_an_interrupted_run_does_not_confuse_the_next_one():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    with Sandbox(workers=1, preload=()) as sandbox:
        timer = threading.Timer(0.3, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            sandbox.run("import time; time.sleep(60)\nprint('old')", timeout=2)
        assert sandbox.run("print('new')").stdout == "new\n"
    signal.signal(signal.SIGINT, before)


def test_a_worker_that_lost_a_layer_is_not_accepted(monkeypatch):
    with Sandbox(workers=1, preload=()) as sandbox:
        sandbox.team[0].settings = json.dumps(dict(preload=[], disable=["private_root"]))
        sandbox.team[0].process.kill()
        sandbox.team[0].process.wait()
        assert "other layers" in sandbox.run("print(1)").stderr


def soak(count: int) -> None:
    mixed = ["print(6 * 7)", "1 / 0", "raise SystemExit(3)", "import os; os.abort()",
             "import ctypes; ctypes.string_at(0)", "open('f', 'w').write('x' * 100000)\nprint(42)",
             "while True: print('flood' * 100)", "import os; os.mkdir('d', 0o300)", "x = [0] * 10**9 * 10",
             "def f(): f()\nf()", "import os; os.fork()", "import random; print(random.random())",
             "import threading; threading.Thread(target=print, args=(42,)).start()"]
    slow = ["while True: pass", "import time; time.sleep(60)"]
    with Sandbox(workers=2) as sandbox:
        sandbox.map(mixed * 2)

        def measure() -> list[list[int]]:
            pids = [os.getpid(), *(worker.process.pid for worker in sandbox.team)]
            return [[len(os.listdir(f"/proc/{pid}/fd")) for pid in pids],
                    [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]]

        before, workers = measure(), [worker.process.pid for worker in sandbox.team]
        for start in range(0, count, 100):
            codes = [mixed[i % len(mixed)] for i in range(start, start + 97)]
            results = sandbox.map(codes) + sandbox.map([*slow, slow[0]], timeout=0.1)
            assert "sandbox_error" not in {r.status for r in results}
            assert {r.status for r in results} == {"ok", "error", "signal", "timeout"}
        after = measure()
        assert [worker.process.pid for worker in sandbox.team] == workers  # none was replaced
        assert after[0] == before[0], "descriptors"
        grown = [now / then for then, now in zip(before[1], after[1])]
        assert max(grown) <= 1.1, "memory"
        for pid in workers:
            assert Path(f"/proc/{pid}/task/{pid}/children").read_text() == ""
        assert sandbox.run("import os; print(os.listdir('.'))").stdout == "[]\n"
    assert not any(os.path.exists(f"/proc/{pid}") for pid in workers)


def test_200_mixed_scripts_leave_everything_as_it_was():
    soak(200)


@pytest.mark.slow
def test_2000_mixed_scripts_leave_everything_as_it_was():
    soak(2000)


# ---- the command line -------------------------------------------------------------------------------------

def test_the_command_line_tests_the_machine_and_runs_a_file(tmp_path):
    def cli(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, PROJECT / "sandbox.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    own = cli()
    assert own.returncode == 0 and own.stdout.startswith("sandbox: seccomp")
    assert "passed" in own.stdout.splitlines()[-1]
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint('hello')\nsys.exit(3)")
    ran = cli(str(script))
    assert (ran.stdout, ran.returncode) == ("hello\n", 3)
    script.write_text("for i in range(20000): print(i)")
    assert cli(str(script)).stdout == "".join(f"{i}\n" for i in range(20000))  # all of it
    script.write_text("while True: pass")
    ran = cli(str(script), "--timeout", "0.3")
    assert ran.returncode == 128 + 9 and "timeout" in ran.stderr
    assert cli(str(tmp_path / "none.py")).returncode == 2


def test_ctrl_c_ends_the_command_line_at_once_and_leaves_nothing(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("while True: pass")
    command = [sys.executable, "-c", "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
               "os.execv(sys.executable, sys.argv[1:])", sys.executable, PROJECT / "sandbox.py", script, "--timeout", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
        assert wait_for(lambda: children.read_text())
        worker = int(children.read_text())
        scripts = Path(f"/proc/{worker}/task/{worker}/children")

        def runs_a_script() -> bool:
            with suppress(FileNotFoundError, ProcessLookupError):  # a fork that has tried a layer
                return any(Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"
                           for pid in scripts.read_text().split())

        assert wait_for(runs_a_script)
        run.send_signal(signal.SIGINT)
        assert run.communicate(timeout=10) == ("", "") and run.returncode == 130
    assert wait_for(lambda: gone(worker))
