"""sandbox.py -- run untrusted Python: fast enough to be free, closed enough to trust.

    python sandbox.py             what protects this machine, and a self-test
    python sandbox.py FILE        run one file in the sandbox

    with Sandbox(timeout=5) as sandbox:
        result = sandbox.run("print(6 * 7)")    # Result(status="ok", stdout="42\\n", ...)

A script's way through three kinds of process, and through this file from top to bottom:

    trainer   Sandbox.submit -> WorkerHandle.ask ----------------------------------> Result
                                 |  four files in memory: source,         exit code,  ^
                                 v  stdin, stdout, stderr                     times   |
    worker                  ForkServer.serve -> fork -> watch, kill, reap, new scratch
                                                  |
                                                  v
    script                                     confine -> run_script

The scripts come from a policy that is rewarded for whatever works, thousands of them a step. So
each core has a worker: a process, started by exec, with numpy, sympy and the common standard
library imported. Each script is one fork of it, which locks itself in, runs, and dies.

The script is the enemy: any Python, hence (ctypes) any machine code, with as many tries as it
likes. Its time, memory and scratch directory are its own. All else is kept from it by layers:

    w: the worker lays it on itself, and its forks inherit it (`build_layers`, `limit_forks`)
    f: each fork lays it on itself before the script begins (`confine`, `become_script`)
    (no letter: it follows from how the processes are started and watched)

    own environment     no API key to print
    blind worker        it never reads a script or an output: what it held, its forks would inherit
    private root    w   (namespaces) Python's own files, read-only; no network, no foreign IPC
    thread gate     w   the worker is asked before a thread starts: at most MAX_THREADS
    rlimits         w   memory (beyond the warm process's), file sizes, descriptors
                    f   CPU time
    Landlock        f   rules for files, a second time; alone where a container forbids namespaces
    capabilities    f   dropped: root is nobody
    seccomp         f   one process for ever: no fork, exec, socket, signal that reaches others
    deadline            the worker kills and reaps: another process, out of the script's reach
    memory files        output goes to files, not pipes: nothing blocks. Exit code and times come
                        from the worker, by a socket that no script has: none can be forged

Private root and Landlock, then seccomp and the thread gate, are explained in two sections after the
script's. None needs root. Required are seccomp and one of private root and Landlock: with less,
`Sandbox` raises, or with allow_weak warns. Not stopped: bugs of the kernel, side channels (time,
caches), theft of CPU up to the limit, and of memory up to workers x (MEMORY_MB + DISK_MB +
2 x FILE_MB). Without the private root, names and sizes of files show (never contents), and a script
that fills its scratch is killed, not given an error. Linux on x86-64 and aarch64; on macOS and
other processors for development only, with allow_weak, in plain subprocesses.

A script sees what `python main.py` shows it, except, on purpose:
    - no process, socket or /proc: a PermissionError (FileNotFoundError) that a model can read;
    - errors name "main.py", not its full path; the working directory is empty, main.py not in it;
    - chmod, utime, locks and fsync succeed and do nothing; O_SYNC is refused;
    - a set of texts is printed in the same order each time; local time is UTC;
    - stdout is written line by line, so that a timeout keeps what was printed;
    - text that is not Unicode is printed with backslashes; after a KeyboardInterrupt the exit code
      is 1;
    - at the end only objects that main.py itself holds are deleted (its files flushed), and none
      if a daemon thread still runs, unless main.py defines a __del__;
    - below main.py are a few calls of ours: inspect.stack() shows them. The recursion limit is
      raised by their number, which lets a thread of the script recurse that much deeper;
    - what the preloaded packages import is there: after `import urllib` alone, urllib.parse, too.
"""
import argparse
import atexit
import ctypes
import errno
import gc
import importlib.util
import io
import json
import linecache
import math
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

if os.name != "posix":
    raise ImportError("sandbox.py needs Linux (or macOS, for development): Windows has none of its "
                      "layers.")
import fcntl
import resource

# What one script may have.
MEMORY_MB = 512  # beyond the warm libraries
FILE_MB = 16  # the largest file, and the most that stdout and stderr hold
DISK_MB = 64  # its scratch directory
MAX_FILES = 64  # open at once
MAX_ENTRIES = 4096  # names of files and directories in the scratch
MAX_THREADS = 64

# What a worker imports before the first script; the last lines are what sympy imports when used.
PRELOAD = tuple("""
    array ast asyncio bisect calendar cmath collections copy csv dataclasses datetime decimal enum
    fractions functools hashlib heapq inspect io itertools json linecache math operator pprint queue
    random re secrets statistics string textwrap threading time traceback typing unicodedata
    numpy numpy.fft numpy.linalg numpy.polynomial numpy.random networkx mpmath sympy
    sympy.assumptions.wrapper sympy.integrals.heurisch sympy.integrals.manualintegrate
    sympy.integrals.risch sympy.physics.units sympy.sets.setexpr sympy.tensor.tensor""".split())
# And what it runs with them.
WARM_UP = dict(
    numpy="import numpy; str(numpy.arange(6).reshape(2, 3) * 1.5)",
    sympy="import sympy; x = sympy.symbols('x'); str(sympy.expand((x + 1) ** 2))")
ENVIRONMENT = dict(
    PATH="/usr/bin:/bin", LANG="C.UTF-8", TZ="UTC", CUDA_VISIBLE_DEVICES="", MPLBACKEND="Agg",
    PYTHONHASHSEED="0",  # a printed set has the same order each time
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1",
    LD_BIND_NOW="1",  # symbols are looked up in the worker, not in each fork
    MALLOC_ARENA_MAX="1")  # else malloc takes 64 MB of addresses, which we limit, for each thread
# The layers that a machine can lack.
LAYERS = ("seccomp", "landlock", "private_root", "thread_gate")

# Where a script lives. BASE is /home in the private root, else a directory of the worker's own.
#     BASE/script/main.py     its source, where tracebacks look for their lines
#     BASE/script/work        its working directory, HOME and TMPDIR
PRIVATE_BASE, SCRIPT, WORK = "/home", "script", "work"

# Numbers of the kernel, from its headers.
PR_SET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME = 1, 3, 15, 16
PR_SET_NO_NEW_PRIVS = 38
MFD_CLOEXEC = 1
CAPABILITY_VERSION = 0x20080522
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_NOATIME, MS_NODIRATIME, MS_BIND = 0x20, 0x400, 0x800, 0x1000
MS_REC, MS_PRIVATE, MS_RELATIME, ST_RELATIME = 0x4000, 0x40000, 0x200000, 0x1000
MNT_DETACH = 2
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x8000000, 0x10000000, 0x40000000
CLONE_THREAD = 0x10000
MADV_COLLAPSE, HUGE_PAGE = 25, 2 << 20
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER = 1, 8
SECCOMP_NOTIF_RECV, SECCOMP_NOTIF_SEND = 0xC0502100, 0xC0182101
SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1
PIDFD_OPEN = 434  # the same number on all architectures, as are Landlock's
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446

# What differs between processors: the kernel's code for each (AUDIT_ARCH_...), which the filter
# reads, and the numbers of system calls: the tables of `parse_table` have a column for each.
AUDIT_ARCH, COLUMN = dict(x86_64=(0xC000003E, 0), aarch64=(0xC00000B7, 1)).get(
    os.uname().machine, (None, 0))  # another processor: no filter is made of the tables

libc = ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: object) -> int:
    """Calls a function of libc; raises OSError where that returns -1."""
    result = getattr(libc, function)(*arguments)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
    return result


def system_call(number: int, *arguments: object) -> int:
    """One for which libc has no function."""
    return call("syscall", number, *arguments)


class SandboxError(RuntimeError):
    """The sandbox itself cannot work: too few layers, a dead worker, a failed self-test."""


@dataclass(frozen=True)
class Job:
    """One script to run."""
    source: bytes
    stdin: bytes
    timeout: float  # seconds
    seed: int


@dataclass(frozen=True)
class Result:
    """What happened to one script: facts, never a verdict. Judge a script by what it printed."""
    status: str  # ok: exit code 0 | error: another | timeout | signal | sandbox_error: ours
    stdout: str  # what is not UTF-8 is replaced. Over max_output bytes: the first max_output / 2
    stderr: str  # its last max_output bytes: a traceback ends with the error
    exit_code: int  # as in subprocess: -9 is death by signal 9
    left_out: int  # characters of stdout between stdout and stdout_end
    wall: float  # seconds from fork to end
    cpu: float  # seconds, all threads. A timeout with little of it was asleep, or starved
    rss_mb: float  # peak memory, with the warm libraries (90 MB)
    stdout_end: str = ""  # if stdout is over max_output bytes, its last max_output / 2


# ---- the trainer's side -------------------------------------------------------------------------

class Sandbox(AbstractContextManager):
    """Runs scripts in confinement, `workers` at once (one a core: more would make false timeouts).

    timeout: seconds of wall time. max_output: bytes kept of stdout and of stderr. preload: modules
    to hold warm; those that are not installed are listed in `missing`. allow_weak: run scripts even
    where they cannot be confined, with a warning. disable: layers to do without, for tests.
    `layers` says of each layer: True, or why it is missing.
    Thread-safe."""

    def __init__(self, workers: int | None = None, timeout: float = 5.0, max_output: int = 65536,
                 preload: Sequence[str] = PRELOAD, allow_weak: bool = False,
                 disable: Sequence[str] = ()):
        self.timeout, self.max_output = timeout, max_output
        self.team, self.missing = [], []
        confined = sys.platform == "linux" and AUDIT_ARCH
        cores = len(os.sched_getaffinity(0)) if confined else os.cpu_count()
        self.workers = workers or cores
        # A thread for each worker: whoever runs a script finds an idle one.
        self.pool = ThreadPoolExecutor(self.workers, thread_name_prefix="sandbox")
        # What holds without a team: each script is a plain subprocess then, `workers` at once.
        self.layers = dict.fromkeys(LAYERS, f"on {sys.platform}, {os.uname().machine}")
        try:
            if confined:
                settings = json.dumps(dict(preload=preload, disable=disable))
                for _ in range(self.workers):  # started at once, so that all warm up together
                    self.team.append(WorkerHandle(settings))
            # Each one's hello says which layers work: the same for all, or `run_job` complains.
            for worker in self.team:
                worker.ensure_ready()
                self.layers, self.missing = worker.hello["layers"], worker.hello["missing"]
            self.refuse_weakness(allow_weak)
        except BaseException:
            self.close()
            raise
        self.idle = list(self.team)

    def has(self, layer: str) -> bool:
        return self.layers[layer] is True

    def weaknesses(self) -> list[str]:
        """What scripts could do here, beyond what they may."""
        harm = []
        if not self.has("seccomp"):
            harm.append("start processes that stay, signal yours")
            if not self.has("private_root"):   # in which there is an empty network of its own
                harm.append("use the network")
        if not self.has("landlock") and not self.has("private_root"):
            harm.append("read and change all files that you can")
        return harm

    def describe_layers(self) -> str:
        """One line for a log."""
        words = []
        for layer in LAYERS:
            text = layer.replace("_", " ")
            words.append(text if self.has(layer) else f"no {text} ({self.layers[layer]})")
        words += [f"no {name}" for name in self.missing if "." not in name]
        kind = "weak sandbox" if self.weaknesses() else "sandbox"
        return f"{kind}: {', '.join(words)}; workers: {self.workers}"

    def refuse_weakness(self, allow_weak: bool) -> None:
        harm = self.weaknesses()
        text = f"scripts could {', and '.join(harm)} ({self.describe_layers()})"
        if harm and not allow_weak:
            raise SandboxError(f"cannot confine scripts here: {text}. To run them still, on code "
                               "that you trust: --allow-weak, in Python Sandbox(allow_weak=True)")
        if harm:
            warnings.warn(f"weak sandbox: {text}", RuntimeWarning, stacklevel=3)

    def run(self, code: str, **options: object) -> Result:
        """Runs one script, with the options of `submit`, and waits for its Result."""
        return self.submit(code, **options).result()

    def map(self, codes: Iterable[str], **options: object) -> list[Result]:
        """`run` for each of them, in their order."""
        futures = [self.submit(code, **options) for code in codes]
        return [future.result() for future in futures]

    def submit(self, code: str, stdin: str = "", timeout: float | None = None,
               seed: int | None = None) -> Future:
        """A Future of the Result: the script waits for a free worker, then has `timeout` seconds.
        With a seed, `random` and numpy draw the same numbers each time (in plain subprocesses only
        `random`). Whatever a script does is a Result, never an exception."""
        seconds = self.timeout if timeout is None else float(timeout)
        if not 0 < seconds < 1e6:
            raise ValueError(f"a timeout is a number of seconds between 0 and 1e6, not {seconds}")
        if not isinstance(seed, int | None):
            raise ValueError(f"a seed has to be an int or None, and is {seed!r}")
        if seed is None:  # drawn here: a fork has its parent's random state, and would repeat it
            seed = random.SystemRandom().getrandbits(64)
        source, given = (text.encode("utf-8", "surrogatepass") for text in (code, stdin))
        return self.pool.submit(self.run_job, Job(source, given, seconds, seed))

    def run_job(self, job: Job) -> Result:
        """In a thread of the pool."""
        if not self.team:
            return run_plain(job, self.max_output)
        worker = self.idle.pop()
        try:
            worker.ensure_ready()
            if worker.hello["layers"] != self.layers:
                raise SandboxError(f"other layers than before: {worker.hello['layers']}")
            return worker.ask(job, self.max_output)
        except Exception as error:
            worker.stop()  # whatever it was doing: the next script starts it anew
            return Result("sandbox_error", stdout="", stderr=f"{type(error).__name__}: {error}",
                          exit_code=-1, left_out=0, wall=0.0, cpu=0.0, rss_mb=0.0)
        finally:
            self.idle.append(worker)

    def close(self) -> None:
        """Waits for the scripts that run, cancels those that wait, ends the workers."""
        self.pool.shutdown(cancel_futures=True)
        for worker in self.team:
            worker.stop()

    def __exit__(self, *exception: object) -> None:
        self.close()


def memory_file(content: bytes = b"") -> io.FileIO:
    """A file without a name, in memory. libc's function: some builds of Python have none."""
    file = io.FileIO(call("memfd_create", b"sandbox", MFD_CLOEXEC), "r+")
    file.write(content)
    file.seek(0)
    return file


class WorkerHandle:
    """The trainer's end of one worker, which runs a ForkServer."""

    def __init__(self, settings: str) -> None:
        self.settings = settings  # of ForkServer, as JSON
        self.start()

    def start(self) -> None:
        """Returns at once; `ensure_ready` waits. Exec, not fork: a trainer has threads
        and a GPU."""
        self.hello = None  # the worker's first message: its layers, what is missing, its base
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log = memory_file()
        command = [sys.executable, "-s", os.path.abspath(__file__), "--worker", self.settings]
        with theirs:
            self.process = subprocess.Popen(
                command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=self.log,
                env=ENVIRONMENT, cwd="/", start_new_session=True)

    def ensure_ready(self) -> None:
        """Waits for its hello. One that was stopped, or died after its last script, is no fault of
        the next script: it starts anew."""
        if self.process.poll() is not None:
            self.stop()
            self.start()
        if self.hello is None:  # it is still warming up
            self.hello = self.receive(timeout=120)

    def receive(self, timeout: float) -> dict:
        self.control.settimeout(timeout)
        try:
            message = self.control.recv(1 << 16)
        except TimeoutError:
            raise SandboxError(f"a worker has not answered for {timeout:.0f} s")
        if not message:
            log = os.pread(self.log.fileno(), 1 << 16, 0).decode("utf-8", "replace")
            reason = log.strip().splitlines()[-1:] or ["killed"]
            raise SandboxError(f"a worker died: {reason[0]}")
        return json.loads(message)

    def ask(self, job: Job, max_output: int) -> Result:
        """Have one script run. Its four files are ours, and only pass through the worker."""
        with (memory_file(job.source) as source, memory_file(job.stdin) as stdin,
              memory_file() as stdout, memory_file() as stderr):
            files = [file.fileno() for file in (source, stdin, stdout, stderr)]
            numbers = json.dumps([job.timeout, job.seed]).encode()
            socket.send_fds(self.control, [numbers], files)
            answer = self.receive(job.timeout + 10)
            if answer["failure"]:
                raise SandboxError(f"no script could begin: {answer['failure']}")
            return make_result(answer, stdout, stderr, max_output)

    def stop(self) -> None:
        """The worker leaves, with its script, as soon as it sees that its socket is closed; if it
        has not within five seconds, it is killed."""
        self.control.close()
        self.log.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()  # if it has not ended
        self.process.wait()
        if self.hello and self.hello["base"]:
            remove(self.hello["base"])  # what a killed worker could not remove
        self.hello = None


def make_result(answer: dict, out: io.IOBase, err: io.IOBase, max_output: int) -> Result:
    """What the worker measured, and what the script wrote: both ends of stdout, stderr's end."""
    code = answer["code"]
    if answer["late"]:
        status = "timeout"
    elif code < 0:
        status = "signal"
    else:
        status = "error" if code else "ok"
    out_size, err_size = os.fstat(out.fileno()).st_size, os.fstat(err.fileno()).st_size
    head, end, left_out = os.pread(out.fileno(), max_output, 0), b"", 0
    if out_size > max_output:
        half = max_output // 2
        head, end = head[:half], os.pread(out.fileno(), half, out_size - half)
        left_out = count_characters(out.fileno(), half, out_size - half)
    tail = os.pread(err.fileno(), max_output, max(0, err_size - max_output))
    return Result(status, stdout=head.decode("utf-8", "replace"), left_out=left_out,
                  stdout_end=end.lstrip(CONTINUATION).decode("utf-8", "replace"),
                  stderr=tail.decode("utf-8", "replace"), exit_code=code,
                  wall=answer["wall"], cpu=answer["cpu"], rss_mb=answer["rss_mb"])


CONTINUATION = bytes(range(0x80, 0xC0))  # in UTF-8, the bytes of a character after its first


def count_characters(file: int, start: int, end: int) -> int:
    """Counts those that begin from byte `start` to byte `end`, in pieces, which take no memory."""
    count, size = 0, 1 << 16
    for offset in range(start, end, size):
        text = os.pread(file, min(size, end - offset), offset)
        count += len(text.translate(None, CONTINUATION))
    return count


# ---- the worker: a fork server ------------------------------------------------------------------
# What a script costs: a fork copies the page tables, and after it the first write to any page, even
# of a reference count, copies that page. Hence a child that runs as little Python as possible
# before the script.

# The C library's own fork, called directly. os.fork would also make Python's locks anew in the
# child, which writes 200 pages and is needed only where another thread may hold one: a worker has
# one thread (`warm_up` checks). PyDLL keeps Python's global lock during the call, so that the child
# has it, too.
fork = ctypes.PyDLL(None).fork

BEGAN = b"began"  # what a script's process reports by a pipe when all layers hold; else the error


def set_limits(**limits: int) -> None:
    """Sets soft and hard limits. (At the soft limit of CPU time the kernel sends SIGXCPU, at the
    hard one it kills: where they are equal, it kills.) NPROC is not among them: it would count the
    user's other processes too, and it never holds for root."""
    for name, limit in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))


class ForkServer:
    """The main object of a worker. Makes what all its scripts share, then forks one for each.

    Of LAYERS it enters two itself, and its forks inherit them; two each fork lays on itself:

        private root  self.private_root    whether we are in one
        thread gate   self.thread_gate     the descriptor by which threads ask us; -1: no gate
        Landlock      self.landlock_rules  a descriptor of the rules; None: no Landlock
        seccomp       self.seccomp         whether it works
                      self.program         its instructions (section seccomp explains them)
    """

    def __init__(self, preload: list[str], disable: list[str]):
        self.preload, self.disable, self.layers, self.pid = preload, disable, {}, os.getpid()
        # Standard input is the socket to the trainer (see WorkerHandle.start). We keep a copy, and
        # make standard input what standard output is: /dev/null.
        self.trainer = socket.socket(fileno=os.dup(0))
        os.dup2(1, 0)
        # In the private root there is no /proc; this descriptor of the old one stays ours.
        self.proc = os.open("/proc", os.O_PATH)

    def live(self) -> None:
        """All that a worker does: gets ready, says so, and serves until the trainer is gone."""
        self.set_oom_score(500)  # where memory runs out, a worker dies before the trainer
        self.build_layers(readable_paths(self.preload))
        try:
            missing = self.warm_up()
            self.limit_forks()
            self.new_scratch()
            base = None if self.private_root else self.base
            hello = dict(layers=self.layers, missing=missing, base=base)
            self.trainer.send(json.dumps(hello).encode())
            with suppress(BrokenPipeError):  # the trainer is gone
                self.serve()
        finally:
            if not self.private_root:
                remove(self.base)

    def read_proc(self, name: str) -> str:
        """One of /proc's files about this process."""
        with open(os.open(f"self/{name}", os.O_RDONLY, dir_fd=self.proc)) as file:
            return file.read()

    def read_status(self, name: str) -> int:
        """A number out of /proc's file "status" about this process."""
        return int(re.search(rf"^{name}:\s*(\d+)", self.read_proc("status"), re.MULTILINE)[1])

    def set_oom_score(self, score: int) -> None:
        """Of the process that calls it. The highest is killed first."""
        # Without privilege the kernel lets nobody lower a score: then it stays as it is.
        with suppress(OSError):
            file = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=self.proc)
            os.write(file, str(score).encode())
            os.close(file)

    def build_layers(self, readable: list[str]) -> None:
        """Finds out which layers work here: each is tried in a fork, which then ends. (Of Landlock
        only the making of its rules is tried.)

        The private root is entered for good, before the others are tried. Landlock's rules and the
        filter's lines are kept: each script's fork lays them on itself. The gate is installed by
        `limit_forks`."""
        self.private_root = self.try_in_fork("private_root", lambda: enter_private_root(readable))
        if self.private_root:
            enter_private_root(readable)
            self.base = PRIVATE_BASE
        else:
            self.base = tempfile.mkdtemp(prefix="sandbox-")
        self.script_dir = f"{self.base}/{SCRIPT}"
        self.work_dir = f"{self.script_dir}/{WORK}"
        tempfile.tempdir = None  # it has cached our /tmp; scripts are to look at TMPDIR
        os.environ.update(HOME=self.work_dir, TMPDIR=self.work_dir)
        # Who gives up set-uid programs may install filters and Landlock's rules without root.
        call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        gate_works = self.try_in_fork("thread_gate", install_thread_gate)
        self.landlock_rules = None
        if self.try_in_fork("landlock", lambda: make_landlock_rules(self.base, readable)):
            self.landlock_rules = make_landlock_rules(self.base, readable)
        # Without a gate (Linux before 5.5, gVisor, a container that lays one on its processes)
        # scripts have one thread.
        self.program = make_program(threads=gate_works)
        self.seccomp = self.try_in_fork("seccomp", lambda: install(self.program))

    def try_in_fork(self, name: str, layer: Callable[[], object]) -> bool:
        """Whether a layer works; noted in `layers`, with the reason if not. In a fork, because a
        process that fails half-way through a layer cannot leave that half again. (os.fork will do:
        before warm_up it costs little.)"""
        if name in self.disable:
            self.layers[name] = "switched off"
            return False
        read_end, write_end = os.pipe()
        if os.fork() == 0:
            try:
                layer()
                report = "works"
            except BaseException as error:
                report = str(error) or repr(error)
            os.write(write_end, report.encode()[:500])
            os._exit(0)
        os.wait()
        os.close(write_end)
        with open(read_end) as file:
            report = file.read() or "killed"
        self.layers[name] = True if report == "works" else report
        return report == "works"

    def warm_up(self) -> list[str]:
        """Does what all scripts would do, and makes forks cheap. Returns what is missing."""
        missing = [name for name in self.preload if not can_import(name)]
        for package, source in WARM_UP.items():
            if package in self.preload and package not in missing:
                for _ in range(20):  # Python specialises code that runs often: here, for all forks
                    exec(source, {})
        threads = self.read_status("Threads")
        if threads > 1:
            raise SandboxError(f"the preloaded modules start {threads - 1} threads, which a fork "
                               "would lose")
        prepare_for_scripts(self.script_dir, self.work_dir)
        libc.capset   # ctypes looks it up now, and not in each fork
        use_huge_pages(self.read_proc("maps"))
        gc.collect()
        gc.freeze()  # the collector leaves the warm objects alone: what nobody writes stays shared
        return missing

    def limit_forks(self) -> None:
        """What all forks inherit: the thread gate, and rlimits (but for CPU time: `confine`). After
        `warm_up`, since a module that starts a thread could wait at the gate for ever."""
        self.thread_gate = install_thread_gate() if self.layers["thread_gate"] is True else -1
        warm_bytes = self.read_status("VmSize") << 10
        set_limits(
            AS=warm_bytes + (MEMORY_MB << 20), FSIZE=FILE_MB << 20, NOFILE=MAX_FILES,
            SIGPENDING=64, MEMLOCK=0,  # timers that wait; memory that could not be swapped out
            CORE=1)  # where cores are piped to a program, the kernel heeds 1, but not 0

    def new_scratch(self) -> None:
        """Gives the next script an empty directory: a new tmpfs in the place of the old one or,
        without the private root, the old directory emptied."""
        if self.private_root:
            # Fails the first time: nothing is mounted yet.
            libc.umount2(self.script_dir.encode(), MNT_DETACH)
            options = f"size={DISK_MB}m,nr_inodes={MAX_ENTRIES},mode=700"
            mount("scratch", self.script_dir, MS_NOSUID | MS_NODEV, kind="tmpfs", options=options)
        else:
            # The usual case is fast: nothing is left but main.py. A script may have replaced its
            # directory by a link: then unlinking main.py in it would delete a file elsewhere.
            # Hence islink first, and `remove_contents`, which follows no links.
            if not os.path.islink(self.script_dir):
                with suppress(OSError):
                    os.unlink(f"{self.script_dir}/main.py")
                    os.rmdir(self.work_dir)
                    os.rmdir(self.script_dir)
            if os.listdir(self.base):   # whatever is left, a link included: the slow way
                remove_contents(self.base)
            os.mkdir(self.script_dir, 0o700)
        os.mkdir(self.work_dir, 0o700)

    def serve(self) -> None:
        """Answers one request after the other, until the trainer is gone. It sees no script, only
        numbers and descriptors."""
        while True:
            message, files, _, _ = socket.recv_fds(self.trainer, 4096, 4)
            if not message:
                return
            timeout, seed = json.loads(message)
            answer = self.run_fork(files, timeout, seed)
            for fd in files:
                os.close(fd)
            self.trainer.send(json.dumps(answer).encode())
            self.new_scratch()

    def run_fork(self, files: list[int], timeout: float, seed: int) -> dict:
        """Forks, watches until the deadline, kills, reaps. A script has no part in any of it.

            how it ended                    what the Result will say
            by itself, or by a signal       its exit code; minus the signal
            deadline, or limit of CPU time  late: a timeout
            scratch full (see `overfull`)   as a script that a signal has killed
            trainer gone                    nobody reads it
        """
        # Seed and main.py are made before the fork, where writing to memory copies no page.
        set_seed(seed)
        with suppress(OSError):  # it runs from memory: only tracebacks read the file
            with open(f"{self.script_dir}/main.py", "wb", buffering=0) as file:
                # The kernel copies it: this process never reads it.
                os.sendfile(file.fileno(), files[0], 0, os.fstat(files[0]).st_size)
        # Fork.
        read_end, write_end = os.pipe()
        start = time.monotonic()
        pid = fork()
        # No process to be had? Others have them all, for a while.
        while pid < 0 and time.monotonic() < start + timeout:
            time.sleep(0.01)
            pid = fork()
        if pid == 0:
            self.become_script(files, write_end, timeout)   # never returns
        if pid < 0:   # this worker ends; the trainer reads why in its log
            raise SandboxError("the system allows no more processes")
        os.close(write_end)
        # Watch.
        late = self.reaches_deadline(pid, start + timeout)
        if late:
            # A chance to flush (`at_deadline`), no more. SIGXCPU is free for this: the kernel sends
            # it for used-up CPU time alone, and at our limit it kills at once (`set_limits`).
            os.kill(pid, signal.SIGXCPU)
            self.reaches_deadline(pid, time.monotonic() + 0.1)
        # Kill, always: one that has ended is a zombie until wait4, and its pid is still its own.
        os.kill(pid, signal.SIGKILL)
        if not self.seccomp:  # then it may have children
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        # Reap.
        _, status, usage = os.wait4(pid, 0)
        wall, cpu = time.monotonic() - start, usage.ru_utime + usage.ru_stime
        code = os.waitstatus_to_exitcode(status)
        # k threads use k seconds of CPU in a second. So the limit of CPU time (`confine`: at least
        # a second more than the timeout) can be reached before the deadline, and the kernel kills.
        if code == -signal.SIGKILL and cpu > timeout:
            late = True
        if late:   # whatever exit code it gave itself at SIGXCPU (`at_deadline`: 1)
            code = -signal.SIGKILL
        # `told` is BEGAN if the script began; anything else is a failure of ours. No script can
        # write it: the pipe is closed when it begins. One that was too late to begin ran out of
        # time.
        with open(read_end, "rb") as file:
            told = file.read()
        failure = None
        if told != BEGAN and not late:
            failure = told.decode("utf-8", "replace") or "it was killed"
        return dict(late=late, code=code, failure=failure, wall=wall, cpu=cpu,
                    rss_mb=usage.ru_maxrss / 1024)

    def reaches_deadline(self, pid: int, deadline: float) -> bool:
        """Watches a script until it has ended or has to, and answers at the thread gate meanwhile.
        Returns True if it was still at work at the deadline (a time.monotonic); False if it has
        ended, its scratch is full, or the trainer is gone."""
        pidfd = libc.syscall(PIDFD_OPEN, pid, 0)  # readable when it has ended. gVisor has none: -1
        watched = [fd for fd in (pidfd, self.thread_gate, self.trainer.fileno()) if fd >= 0]
        # How long a single wait may last. A pidfd wakes us when the script ends: then this is only
        # how often the scratch is measured. Without one we also look whether the script has ended.
        wait_seconds = 0.1 if pidfd >= 0 else 0.005
        try:
            # WNOWAIT leaves it a zombie, which owns its pid until it is reaped: the kill before
            # that can reach no other process.
            while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                left = deadline - time.monotonic()
                if left <= 0:
                    return True
                ready, _, _ = select.select(watched, [], [], min(left, wait_seconds))
                if self.thread_gate in ready:
                    self.answer_thread_gate(pid)
                if self.trainer.fileno() in ready:  # it never writes meanwhile: it has closed
                    return False
                if not self.private_root and overfull(self.base, pid):
                    return False
            return False
        finally:
            if pidfd >= 0:
                os.close(pidfd)

    def answer_thread_gate(self, pid: int) -> None:
        """A thread of the script wants to start another, and waits for our answer."""
        question = bytearray(80)  # struct seccomp_notif: an id of 8 bytes, then other facts
        # If that thread has died, there is nobody to answer.
        with suppress(FileNotFoundError, ProcessLookupError):
            fcntl.ioctl(self.thread_gate, SECCOMP_NOTIF_RECV, question)
            # /proc/PID/task has a subdirectory for each thread, and a directory's link count is the
            # number of its subdirectories + 2.
            threads = os.stat(f"{pid}/task", dir_fd=self.proc).st_nlink - 2
            if threads < MAX_THREADS:
                error, flags = 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE
            else:
                error, flags = -errno.EAGAIN, 0
            send_answer(self.thread_gate, bytes(question[:8]), error, flags)

    def become_script(self, files: list[int], reporter: int, timeout: float) -> None:
        """The forked process; never returns."""
        source_file, *streams = files
        try:
            source = os.pread(source_file, os.fstat(source_file).st_size, 0)
            self.confine(streams, reporter, math.ceil(timeout))
            if self.seccomp:  # last: from here on only its memory and scratch are left to it
                install(self.program)
            os.write(reporter, BEGAN)
            os.close(reporter)
        except BaseException as error:
            os.write(reporter, repr(error).encode())
            os._exit(1)
        run_script(source, self.work_dir)

    def confine(self, streams: list[int], reporter: int, seconds: int) -> None:
        """What a fork lays on itself but for seccomp, which is the last; the other layers it has
        inherited. Leaves four descriptors: 0, 1, 2 and the reporter."""
        self.set_oom_score(1000)  # a script dies before its worker
        for number, file in enumerate(streams):
            os.dup2(file, number)
        os.chdir(self.script_dir)   # where main.py lies; `execute` goes on to the working directory
        call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)  # it dies with the worker
        if os.getppid() != self.pid:  # which died before we asked
            os._exit(1)
        if self.landlock_rules is not None:
            system_call(LANDLOCK_RESTRICT_SELF, self.landlock_rules, 0)
        os.closerange(3, reporter)
        os.closerange(reporter + 1, MAX_FILES)   # none can be higher, since limit_forks
        set_limits(CPU=seconds + 1)
        call("capset", struct.pack("Ii", CAPABILITY_VERSION, 0), bytes(24))  # all sets empty
        if not self.seccomp:
            os.setsid()  # the script can have children then: they are killed as a group


def can_import(name: str) -> bool:
    """Imports a module; False if it is not installed, or is an empty package: all that remains of
    one whose files are links to what we cannot read (uv, Nix)."""
    try:
        return importlib.import_module(name).__spec__.origin is not None
    except ModuleNotFoundError:
        return False


def use_huge_pages(maps: str) -> None:
    """Collapses the warm heap to pages of 2 MB, where that is possible (Linux 6.1): shorter page
    tables to copy. Without it, a script costs 1.8 times the CPU."""
    libc.madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for line in maps.splitlines():  # from-to, rights, offset, device, inode, path
        span, rights, _, _, inode, *_ = line.split()
        if rights == "rw-p" and inode == "0":
            start, end = (int(border, 16) for border in span.split("-"))
            first = math.ceil(start / HUGE_PAGE) * HUGE_PAGE
            # A call for each page: one for all ends at the first that the kernel cannot collapse.
            for page in range(first, end - HUGE_PAGE + 1, HUGE_PAGE):
                libc.madvise(page, HUGE_PAGE, MADV_COLLAPSE)


def overfull(base: str, pid: int) -> bool:
    """Without the private root: whether a script has more than DISK_MB or MAX_ENTRIES there, or in
    files that are deleted, but still open or mapped. What cannot be walked fast counts as full."""
    try:
        sizes = named_files(base) | deleted_files(base, pid)
    except FileNotFoundError:
        return False  # the script has ended
    except OSError:
        return True
    return sum(sizes.values()) > DISK_MB << 20


def named_files(base: str) -> dict[int, int]:
    """Bytes by inode, since several names can lead to one file. OSError: more names than allowed.
    """
    sizes, names, directories = {}, 0, [base]
    while directories:
        with suppress(FileNotFoundError):  # deleted while we look
            for entry in os.scandir(directories.pop()):
                sizes[entry.inode()] = entry.stat(follow_symlinks=False).st_blocks * 512
                names += 1
                if names > MAX_ENTRIES or len(entry.path) > 1024:
                    raise OSError("too many names, or too long ones")
                if entry.is_dir(follow_symlinks=False):
                    directories.append(entry.path)
    return sizes


def deleted_files(base: str, pid: int) -> dict[int, int]:
    """Those that a process still holds, as `named_files`."""
    # All threads share one table of descriptors, so the first that can be read answers for all. The
    # main thread is asked last: when it has ended and others run on, its table reads as empty.
    for thread in reversed(os.listdir(f"/proc/{pid}/task")):
        # One that ends meanwhile is not found, or belongs to root all of a sudden: ask the next.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            return held_by(f"/proc/{pid}/task/{thread}", base)
    return {}


def held_by(thread_dir: str, base: str) -> dict[int, int]:
    """The deleted files under `base` that a thread, by its directory in /proc, has open, or mapped
    into its memory."""
    sizes = {}
    for fd in os.listdir(f"{thread_dir}/fd"):
        file = os.stat(f"{thread_dir}/fd/{fd}")
        if file.st_nlink == 0 and file.st_dev == os.stat(base).st_dev:
            sizes[file.st_ino] = file.st_blocks * 512
    with open(f"{thread_dir}/maps", "rb") as maps:
        for line in maps:  # addresses, rights, offset, device, inode, path
            if base.encode() in line and line.endswith(b" (deleted)\n"):
                # The map does not say how large the file is: the largest that is allowed.
                sizes.setdefault(int(line.split()[4]), FILE_MB << 20)
    return sizes


def remove_contents(directory: str) -> None:
    """Deletes all that is in a directory. Not by shutil.rmtree, which recurses a level at a time. A
    script can make directories that nobody may enter: hence chmod first."""
    command = 'chmod -R u+rwx "$0"; find "$0" -mindepth 1 -delete'   # $0 is the directory
    subprocess.run(["sh", "-c", command, directory], stderr=subprocess.DEVNULL)


def remove(directory: str) -> None:
    remove_contents(directory)
    with suppress(OSError):   # it is gone already
        os.rmdir(directory)


# ---- the script: what `python main.py` does -----------------------------------------------------
# A script's classes may override any method. Where that would mislead us, the method is taken from
# the base class: int.__and__, BaseException.with_traceback.

RESERVE = []  # some memory, held back for the report of a MemoryError


def at_deadline(*_: object) -> None:
    flush_streams(sys.stdout, sys.__stdout__)  # the line that has not ended
    os._exit(1)


def prepare_for_scripts(script_dir: str, work_dir: str) -> None:
    """Once per worker: what a fork has from its parent costs a script no time."""
    signal.signal(signal.SIGXCPU, at_deadline)
    sys.argv = ["main.py"]
    sys.path.insert(0, work_dir)  # a script may import what it wrote
    sys.path.append(script_dir)  # where main.py lies: the interpreter's own tracebacks look there
    RESERVE.append(bytes(4 << 20))
    # On the worker's own 0, 1 and 2: `confine` puts each script's files under these numbers.
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace")
    # Line by line (1), so that a timeout keeps what was printed.
    sys.stdout = sys.__stdout__ = open(1, "w", 1, encoding="utf-8", errors="backslashreplace")
    sys.stderr = sys.__stderr__ = open(2, "w", 1, encoding="utf-8", errors="backslashreplace")


def set_seed(seed: int) -> None:
    """Python's random numbers, and numpy's: other modules (networkx) draw from both."""
    random.seed(seed)
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed(seed % 2**32)
        # what default_rng() asks for a seed
        sys.modules["numpy.random.bit_generator"].randbits = random.Random(seed).getrandbits


def new_main(source: bytes) -> dict:
    """Makes a new, empty __main__ for main.py; returns its names."""
    sys.modules["__main__"] = types.ModuleType("__main__")
    namespace = sys.modules["__main__"].__dict__
    namespace.update(__file__="main.py", __cached__=None, __annotations__={})
    # Where traceback and inspect look for main.py's lines.
    lines = io.StringIO(source.decode("utf-8", "replace") + "\n", newline=None).readlines()
    linecache.cache["main.py"] = len(source), None, lines, "main.py"
    return namespace


def execute(source: bytes, work_dir: str, namespace: dict) -> int:
    """Runs the code; returns its exit code."""
    hide_depth()
    try:
        # Compiled in script_dir, so that a SyntaxError finds its line; run in work_dir.
        code = compile(source, "main.py", "exec", dont_inherit=True)
        os.chdir(work_dir)
        exec(code, namespace)
        return 0
    except SystemExit as stop:
        return exit_code(stop)
    except BaseException:
        RESERVE.clear()
        error = handled_error()
    # Outside of `except`, as in Python: an error that the script's own excepthook raises is told
    # without "During handling of the above exception, another exception occurred".
    return report_error(*error)


def exit_code(stop: SystemExit) -> int:
    code = stop.code
    if code is None:
        return 0
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        return 1
    # To Python, what does not fit into 64 bits is -1, and the system takes the last 8 bits: 255.
    fits_64_bits = int.__rshift__(code, 63) in (0, -1)
    return int.__and__(code, 255) if fits_64_bits else 255


# No caller passes `join`, `leave` or `ends`: as defaults they are bound before a script can replace
# those functions.

def join_threads(join: Callable = threading._shutdown) -> None:
    """At the end of a script: if it has no threads, `join` would take a while to find that out."""
    if len(sys._current_frames()) > 1 or threading._threading_atexits:
        join()


def run_script(source: bytes, work_dir: str, leave: Callable = os._exit,
               ends: Sequence[Callable] = (join_threads, atexit._run_exitfuncs)) -> None:
    """From the first line of a script to the end of its process."""
    status = 1
    streams = sys.__stdout__, sys.__stderr__
    namespace = new_main(source)
    try:
        status = execute(source, work_dir, namespace)
        # 1. Threads are joined, and what is registered with atexit is called.
        for end in ends:
            end()
        status = flush_streams(sys.stdout, sys.stderr) or status
        # 2. What main.py holds is deleted: its open files are flushed, and a __del__ may print. The
        # script may have replaced sys.stdout, so first our own streams stand there again.
        #
        #     it defines a __del__    the namespace is dropped as a whole, slowly: each __del__ may
        #                             still use all names
        #     a daemon thread runs    nothing: it uses the names
        #     else                    the namespace is emptied
        sys.stdout, sys.stderr = streams
        if b"__del__" in source:
            del namespace
            sys.modules.pop("__main__", None)
            gc.collect()
        elif len(sys._current_frames()) == 1:
            namespace.clear()
        flush_streams(*streams)
    except BaseException:
        status = status or 120
    finally:
        leave(status)


def flush_streams(*streams: object) -> int:
    """Returns 120, Python's own exit code for an end that failed, if one cannot be flushed."""
    code = 0
    for stream in streams:
        try:
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except BaseException:  # a script may have taken its buffer away (detach)
            code = 120
    return code


def hide_depth() -> None:
    """Below main.py there are calls of ours, where `python main.py` has none: its recursion is to
    end at the same depth, whatever limit it sets."""
    # Up to Python 3.11 the call of exec itself counts as one level, too.
    depth = 1 if sys.version_info < (3, 12) else 0
    frame = sys._getframe(1)
    while frame:
        frame, depth = frame.f_back, depth + 1
    set_limit, get_limit = sys.setrecursionlimit, sys.getrecursionlimit
    set_limit(1000 + depth)
    # Limits near 2 ** 31, which a C int just holds, are as good as none and stay as they are.
    sys.setrecursionlimit = lambda limit: set_limit(limit + depth if 0 < limit < 1 << 30 else limit)
    sys.getrecursionlimit = lambda: get_limit() - depth


def handled_error() -> tuple:
    """The exception that is being handled, as sys.excepthook takes it, without its outermost frame:
    that is of our function, which called the script's."""
    kind, error, trace = sys.exc_info()
    if trace is not None:  # where memory has run out, there may be none
        trace = trace.tb_next
    BaseException.with_traceback(error, trace)
    return kind, error, trace


def report_error(*error: object) -> int:
    """Returns the exit code. A script may have set an excepthook, which may fail or exit."""
    try:
        sys.excepthook(*error)
    except SystemExit as stop:
        return exit_code(stop)
    except BaseException:
        print("Error in sys.excepthook:", file=sys.stderr)
        sys.__excepthook__(*handled_error())
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(*error)
    return 1


# ---- layer: files, by a private root or by Landlock ---------------------------------------------

def readable_paths(modules: Sequence[str]) -> list[str]:
    """All that scripts may read: Python, its packages, shared libraries, three devices. Not
    sys.path: an editable install puts the project on it, and with it the answers."""
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= {f"{sys.base_prefix}/lib", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib",
              "/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/sys/devices/system/cpu",
              "/etc/alternatives",  # which Debian's libraries go through
              "/dev/null", "/dev/urandom", "/dev/zero"}
    # uv, Nix and others fill site-packages with links: the preloaded packages' real directories,
    # and beside them the libraries that a wheel brings along.
    for name in modules:
        spec = None if "." in name else importlib.util.find_spec(name)
        if spec and spec.submodule_search_locations and spec.origin:
            package = os.path.dirname(os.path.realpath(spec.origin))
            paths |= {package, f"{package}.libs"}
    return sorted(path for path in paths if os.path.exists(path))


# Private root: own mounts, network and IPC, once per worker. A user namespace gives the right to
# mount; Docker's default profile and Ubuntu 24.04 do not let us have one.
#
#     before, the machine's           after, all that exists
#     /                               /                    tmpfs, read-only
#     |-- usr/lib, lib, ...    ---->  |-- usr/lib, lib, ...   the same, read-only
#     |-- venv/lib/python3.11  ---->  |-- venv/lib/python3.11  the same, read-only
#     |-- dev/null, zero, ...  ---->  |-- dev/null, zero, urandom
#     |-- etc/ld.so.cache, ... ---->  |-- etc, sys         what `readable_paths` names of them
#     |-- proc                        |-- home/script      tmpfs, new for each script
#     |-- home, root, tmp             '-- tmp, dev/shm     links to home/script/work
#     '-- dev/kvm, nvidia0, ...
#
# The new root is built over /proc: that exists everywhere, and scripts are to see nothing of it.
# Then the two change places (pivot_root), and the old one is unmounted: no path leads to it any
# more.

def mount(source: str, target: str, flags: int, kind: str = "", options: str = "") -> None:
    call("mount", source.encode(), target.encode(), kind.encode(), flags, options.encode())


def enter_private_root(readable: list[str]) -> None:
    new = "/proc"   # the new root, until it changes places with the old one
    # 1. In namespaces of our own we may mount.
    enter_namespaces()
    # 2. The table of mounts is read now, and again in step 4: what is new then is ours. One open
    # file serves for both, since /proc will be covered; the kernel writes it at each reading.
    table = open("/proc/self/mountinfo")
    earlier = read_mounts(table)
    # 3. An empty root, and in it what scripts may read.
    mount("", "/", MS_REC | MS_PRIVATE)  # nobody else sees the mounts that follow
    mount("root", new, MS_NOSUID | MS_NODEV, kind="tmpfs", options="size=1m,mode=755")
    for path in readable:
        # Under both names, since /lib may be a link, and links within packages lead to real paths.
        for target in (new + path, new + os.path.realpath(path)):
            if not os.path.exists(target):  # else it is inside an earlier one
                bind(path, target)
    # 4. Read-only is a flag of each mount. What we have bound can bring along others, mounted
    # inside it: so every mount that is new in the table is made read-only (/proc/usr/lib, ...).
    with table:
        table.seek(0)   # so it is written anew
        mounts = read_mounts(table)
    for number in mounts.keys() - earlier.keys():
        if mounts[number] != new:  # the root itself comes last: directories are still made in it
            make_read_only(mounts[number])
    os.makedirs(f"{new}{PRIVATE_BASE}/{SCRIPT}")
    for path in ("/tmp", "/dev/shm"):
        if not os.path.exists(new + path):
            os.symlink(f"{PRIVATE_BASE}/{SCRIPT}/{WORK}", new + path)
    mount("", new, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    # 5. The roots change places: pivot_root(new root, place for the old one). With "." for both the
    # old root lies on top of the new one; umount2(".") takes it off, and the new one is left.
    os.chdir(new)
    system_call(CALL_NUMBERS["pivot_root"], b".", b".")   # libc has no function for it
    call("umount2", b".", MNT_DETACH)
    os.chdir("/")


def enter_namespaces() -> None:
    """In the new user namespace we are who we were, with the right to mount."""
    uid, gid = os.getuid(), os.getgid()
    call("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC)
    maps = dict(setgroups="deny", uid_map=f"{uid} {uid} 1", gid_map=f"{gid} {gid} 1")
    for name, text in maps.items():
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def bind(path: str, target: str) -> None:
    """Makes a file or directory visible at a second place."""
    if os.path.isdir(path):
        os.makedirs(target)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        open(target, "x").close()
    mount(path, target, MS_BIND | MS_REC)


def read_mounts(table: io.TextIOBase) -> dict[str, str]:
    """Where each mount is, by its number: the fifth and the first field of a line."""
    mounts = {}
    for line in table:
        number, _, _, _, escaped, *_ = line.split()
        # The table writes a blank as \040: /a\040b is "/a b".
        mounts[number] = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), escaped)
    return mounts


def make_read_only(point: str) -> None:
    # The kernel insists on the flags of the original. statvfs tells them by the numbers that mount
    # takes, but for ST_RELATIME.
    now = os.statvfs(point).f_flag
    flags = now & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)
    if now & ST_RELATIME:
        flags |= MS_RELATIME
    # Devices are written to nevertheless: that changes no file.
    mount("", point, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | flags)


# Landlock: rules for directories that a process lays on itself and can never take off. They protect
# contents, not metadata (stat answers); truncate() only since ABI 3, so seccomp refuses that.

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, MAKE_CHAR, MAKE_SOCK, MAKE_BLOCK = (
    1, 2, 4, 8, 0x40, 0x200, 0x800)
BIND_TCP, CONNECT_TCP = 1, 2  # rights of the network
ABSTRACT_SOCKETS, SIGNALS = 1, 2  # the scope: what reaches no process outside of the script
CREATE_RULESET_VERSION = 1  # a flag: only tell the ABI
RULE_PATH_BENEATH = 1  # a kind of rule
FIRST_RIGHTS = 0x1FFF  # the thirteen of ABI 1
LATER_RIGHTS = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # by ABI: refer, truncate, ioctl on a device


def make_landlock_rules(base: str, readable: list[str]) -> int:
    """Scripts may write under `base`. Returns a descriptor of the rules."""
    abi = system_call(LANDLOCK_CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)
    all_rights = FIRST_RIGHTS
    for since, right in LATER_RIGHTS.items():
        if abi >= since:
            all_rights |= right
    network = BIND_TCP | CONNECT_TCP if abi >= 4 else 0
    scope = ABSTRACT_SOCKETS | SIGNALS if abi >= 6 else 0
    # What no rule allows is forbidden. (An older kernel takes the longer struct: its rest is 0.)
    ruleset = struct.pack("QQQ", all_rights, network, scope)
    rules = system_call(LANDLOCK_CREATE_RULESET, ruleset, len(ruleset), 0)
    allowed = dict.fromkeys(readable, READ_FILE | READ_DIR)
    allowed["/dev/null"] = READ_FILE | WRITE_FILE
    allowed[base] = all_rights & ~(EXECUTE | MAKE_CHAR | MAKE_SOCK | MAKE_BLOCK)
    for path, rights in allowed.items():
        fd = os.open(path, os.O_PATH)
        if not os.path.isdir(path):
            rights &= READ_FILE | WRITE_FILE  # the kernel refuses a directory's rights here
        rule = struct.pack("=Qi", rights, fd)
        system_call(LANDLOCK_ADD_RULE, rules, RULE_PATH_BENEATH, rule, 0)
        os.close(fd)
    return rules


# ---- layer: seccomp, a filter that the kernel runs before each system call ----------------------
# First the tables that say what is refused, ignored or limited; then the filter made from them.

def parse_table(table: str) -> dict[str, int]:
    """The numbers of this machine's calls, by name, from a table of: name of the call, its number
    on x86-64, on aarch64 ("-": there is none)."""
    rows = re.findall(r"(\w+) (\d+) (\d+|-)", table)
    return {name: int(numbers[COLUMN]) for name, *numbers in rows if numbers[COLUMN] != "-"}


# These calls fail with EPERM, in Python a PermissionError. What stands before the colon says why.
REFUSED = parse_table("""
    other programs:   fork 57 -, vfork 58 -, execve 59 221, execveat 322 281, memfd_create 319 279
    network:          socket 41 198, connect 42 203, bind 49 200, listen 50 201, setsockopt 54 208
    descriptors sent away, memory of pipes:
                      sendmsg 46 211, recvmsg 47 212, sendmmsg 307 269, recvmmsg 299 243,
                      splice 275 76, tee 276 77, vmsplice 278 75, sendfile 40 71
    other processes:  tkill 200 130, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240,
                      ptrace 101 117, kcmp 312 272, process_vm_readv 310 270,
                      process_vm_writev 311 271, get_robust_list 274 100
    their memory, processor and priority:
                      move_pages 279 239, migrate_pages 256 238, setpriority 141 140,
                      ioprio_set 251 30, sched_setaffinity 203 122, sched_setscheduler 144 119,
                      sched_setparam 142 118, sched_setattr 314 274, membarrier 324 283
    timers that send signals:
                      timer_create 222 107
    memory and queues that outlive a process:
                      shmget 29 194, shmat 30 196, shmctl 31 195, semget 64 190, semop 65 193,
                      semctl 66 191, semtimedop 220 192, msgget 68 186, msgsnd 69 189,
                      msgrcv 70 188, msgctl 71 187, mq_open 240 180, mq_unlink 241 181,
                      keyctl 250 219, add_key 248 217, request_key 249 218
    files, by roads that Landlock does not watch:
                      truncate 76 45, chown 92 -, lchown 94 -, fchown 93 55, fchownat 260 54,
                      chroot 161 51, open_by_handle_at 304 265, name_to_handle_at 303 264
    objects of which a user may have few:
                      inotify_init 253 -, inotify_init1 294 26, inotify_add_watch 254 27,
                      fanotify_init 300 262
    a wide surface of the kernel:
                      unshare 272 97, setns 308 268, mount 165 40, umount2 166 39,
                      pivot_root 155 41, bpf 321 280, perf_event_open 298 241,
                      userfaultfd 323 282, seccomp 317 277, io_setup 206 0, syslog 103 116,
                      modify_ldt 154 -, quotactl 179 60, lookup_dcookie 212 18""")
# These return 0 and do nothing: programs use them in passing (shutil.copy2 sets modes and times, a
# database locks and flushes), and none is worth a PermissionError.
IGNORED = parse_table("""
    modes:            chmod 90 -, fchmod 91 52, fchmodat 268 53, setxattr 188 5, lsetxattr 189 6,
                      fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15,
                      fremovexattr 199 16
    times:            utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88
    locks:            flock 73 32
    everybody's disk: sync 162 81, syncfs 306 267, fsync 74 82, fdatasync 75 83,
                      sync_file_range 277 84, msync 26 227, fadvise64 221 223""")
# These pass with some arguments only: LIMITS, below.
LIMITED = parse_table("""
    kill 62 129, tgkill 234 131, prlimit64 302 261, clone 56 220, clock_gettime 228 113,
    clock_getres 229 114, clock_nanosleep 230 115, socketpair 53 199, prctl 157 167, fcntl 72 25,
    open 2 -, openat 257 56, pwritev2 328 287, fallocate 285 47, ioctl 16 29""")
CALL_NUMBERS = REFUSED | IGNORED | LIMITED   # we make some of these calls ourselves
# From here on no call exists for scripts (ENOSYS): io_uring, pidfd, clone3 (glibc uses clone), ...
FIRST_NEW_CALL = 424
ALL_BITS = 0xFFFFFFFF

# Commands of fcntl: duplicate, flags, who holds a lock. Not F_SETOWN (whose SIGIO kills others),
# F_SETLEASE, F_SETPIPE_SZ.
F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC = 0, 1, 2, 3, 4, 1030
F_GETLK, F_SETLK, F_SETLKW = 5, 6, 7
F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW = 36, 37, 38
HARMLESS = F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_GETLK, F_OFD_GETLK
LOCKS = F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW
RWF_DSYNC, RWF_SYNC = 2, 4


@dataclass(frozen=True)
class Limit:
    """A call that passes if argument & mask is one of `passing`."""
    call: str  # its name in LIMITED
    argument: int   # which of them, from 0 on
    passing: Sequence[int]
    error: int = errno.EPERM  # of a call that does not pass; 0: it does nothing, and "succeeds"
    mask: int = ALL_BITS


# Stands for the pid of the process that a filter will confine. `install` puts that pid in its
# place, in the bytes of the finished filter: to assemble one for each script would take longer.
OWN_PID = 0x5EC0_4321

# The clocks 0 to 15 have none of these bits. All others belong to a process, a thread or a device.
FOREIGN_CLOCK = ALL_BITS & ~15

# A call may have several limits, and has to pass them all.
LIMITS = [
    # What a process may do to itself alone.
    Limit("kill", 0, [OWN_PID]),
    Limit("tgkill", 0, [OWN_PID]),
    Limit("prlimit64", 0, [0, OWN_PID]),
    Limit("clone", 0, [0x3D0F00, 0x7D0F00]),  # the flags of a thread: of glibc, of musl
    Limit("clock_gettime", 0, [0], mask=FOREIGN_CLOCK),
    Limit("clock_getres", 0, [0], mask=FOREIGN_CLOCK),
    Limit("clock_nanosleep", 0, [0], mask=FOREIGN_CLOCK),
    Limit("socketpair", 0, [socket.AF_UNIX]),  # asyncio needs it
    # A datagram could go to any address.
    Limit("socketpair", 1, [socket.SOCK_STREAM], mask=0xF),
    # What libraries ask and set of their own process: whether it may be traced, and its name. Not
    # PR_SET_PDEATHSIG: a script dies with its worker.
    Limit("prctl", 0, [PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME]),
    # Two limits, which the filter tests in this order. A lock passes the first and not the second,
    # whose error 0 means that the call returns 0 and does nothing.
    Limit("fcntl", 1, HARMLESS + LOCKS),
    Limit("fcntl", 1, HARMLESS, error=0),
    # A write that waits for the disk takes it from everybody, as fsync would.
    Limit("open", 1, [0], mask=os.O_SYNC),
    Limit("openat", 2, [0], mask=os.O_SYNC),
    Limit("pwritev2", 5, [0], errno.EOPNOTSUPP, mask=RWF_DSYNC | RWF_SYNC),
    # Would fill a disk before the worker looks. After this error libc writes zeros instead.
    Limit("fallocate", 0, [], errno.EOPNOTSUPP),
    # FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
    Limit("ioctl", 1, [0x541B, 0x5421, 0x5450, 0x5451], error=errno.ENOTTY)]


# The filter is a program of lines (operation, jump if true, jump if false, operand) for a machine
# with one register. A jump says how many lines to skip. It reads a struct seccomp_data:
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16  # offsets in bytes; 8 for each argument
LOAD, IF_EQUAL, IF_AT_LEAST, IF_ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
# FAIL + the error's number; FAIL + 0: the call returns 0, and does nothing.
ALLOW, KILL, FAIL, ASK = 0x7FFF0000, 0x80000000, 0x50000, 0x7FC00000
Line = tuple[int, int, int, int]

# Worked example. limit_call(62, Limit("kill", 0, [4711])), for kill on x86-64 by process 4711:
#
#     line                            in words
#     (IF_EQUAL, 0, 5, 62)            is the number that of kill? If not, over the next 5 lines
#     (LOAD, 0, 0, 16)                the first argument, whom to kill,
#     (AND, 0, 0, 0xFFFFFFFF)         all of its 32 bits (the kernel reads no more of a pid):
#     (IF_EQUAL, 1, 0, 4711)          is it 4711? Then over the error
#     (RETURN, 0, 0, FAIL + 1)        no: the call fails with error 1, EPERM
#     (LOAD, 0, 0, 0)                 the number again, for the tests that follow
#
# With two values that pass, [0, 4711], there are two tests, and each jumps over what is left of
# them and over the error: (IF_EQUAL, 2, 0, 0), (IF_EQUAL, 1, 0, 4711), (RETURN, ...).


def refuse_call(number: int, error: int) -> list[Line]:
    return [(IF_EQUAL, 0, 1, number), (RETURN, 0, 0, FAIL + error)]


def limit_call(number: int, rule: Limit) -> list[Line]:
    """The block of one limit, whose only ways out are the error and its last line."""
    block = [(LOAD, 0, 0, ARGUMENTS_AT + 8 * rule.argument), (AND, 0, 0, rule.mask)]
    # A value that passes jumps over those that follow, and over the error.
    for index, value in enumerate(rule.passing):
        block.append((IF_EQUAL, len(rule.passing) - index, 0, value))
    block += [(RETURN, 0, 0, FAIL + rule.error), (LOAD, 0, 0, NUMBER_AT)]
    return [(IF_EQUAL, 0, len(block), number), *block]


def assemble(lines: list[Line]) -> bytes:
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def make_program(threads: bool) -> bytes:
    """The filter, about 330 lines on x86-64."""
    lines = [(LOAD, 0, 0, ARCHITECTURE_AT),
             # A 64-bit process can make 32-bit calls (int 0x80), whose numbers mean other calls.
             (IF_EQUAL, 1, 0, AUDIT_ARCH),
             (RETURN, 0, 0, KILL),
             (LOAD, 0, 0, NUMBER_AT),
             # No call from here on exists, nor do those of x32, whose numbers have a high bit.
             (IF_AT_LEAST, 0, 1, FIRST_NEW_CALL),
             (RETURN, 0, 0, FAIL + errno.ENOSYS)]
    for rule in LIMITS:
        if rule.call != "open" or "open" in LIMITED:  # aarch64 has none
            lines += limit_call(LIMITED[rule.call], rule)
    if not threads:  # a clone that passes its limit is for a thread: refused, too
        lines += refuse_call(LIMITED["clone"], errno.EAGAIN)
    for table, error in ((REFUSED, errno.EPERM), (IGNORED, 0)):
        for number in table.values():
            lines += refuse_call(number, error)
    return assemble([*lines, (RETURN, 0, 0, ALLOW)])


def install(program: bytes, flags: int = 0) -> int:
    """Lays a filter on this process, for ever. Returns the gate's descriptor if the flags ask for
    it, else 0."""
    program = program.replace(struct.pack("I", OWN_PID), struct.pack("I", os.getpid()))
    lines = ctypes.create_string_buffer(program, len(program))
    # A struct sock_fprog: how many lines of 8 bytes, and where they are.
    argument = struct.pack("HxxxxxxQ", len(lines) // 8, ctypes.addressof(lines))
    return system_call(CALL_NUMBERS["seccomp"], SECCOMP_SET_MODE_FILTER, flags, argument)


# The thread gate: a second filter, which the worker lays on itself and each fork inherits. It lets
# everything pass but a clone for a thread: that waits until the worker has answered. Of a script's
# two filters the stricter decides.

def install_thread_gate() -> int:
    """Returns the descriptor on which the kernel asks."""
    flags_of_clone = ARGUMENTS_AT
    gate = install(flags=SECCOMP_FILTER_FLAG_NEW_LISTENER, program=assemble([
        (LOAD, 0, 0, NUMBER_AT),
        (IF_EQUAL, 0, 3, LIMITED["clone"]),  # is it clone? If not, to the last line
        (LOAD, 0, 0, flags_of_clone),
        (IF_ANY_BIT, 0, 1, CLONE_THREAD),  # for a thread? If not, to the last line
        (RETURN, 0, 0, ASK),
        (RETURN, 0, 0, ALLOW)]))
    # Does this kernel know CONTINUE? We answer a question that nobody has asked. One that knows it
    # finds no such question (FileNotFoundError); before 5.5 the answer is invalid, and this fails.
    with suppress(FileNotFoundError):
        send_answer(gate, question=bytes(8), error=0, flags=SECCOMP_USER_NOTIF_FLAG_CONTINUE)
    return gate


def send_answer(gate: int, question: bytes, error: int, flags: int) -> None:
    """To a thread that waits: a struct seccomp_notif_resp of id, result, error, flags."""
    fcntl.ioctl(gate, SECCOMP_NOTIF_SEND, question + struct.pack("qiI", 0, error, flags))


# ---- without any layer: macOS, other processors -------------------------------------------------

def run_plain(job: Job, max_output: int) -> Result:
    """For development: an interpreter for each script, its process group killed at the end."""
    start = (f"import random; random.seed({job.seed}); "
             "exec(compile(open('main.py', 'rb').read(), 'main.py', 'exec'))")
    with (tempfile.TemporaryDirectory(prefix="sandbox-") as scratch,
          tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout,
          tempfile.TemporaryFile() as stderr):
        with open(f"{scratch}/main.py", "wb") as file:
            file.write(job.source)
        stdin.write(job.stdin)
        stdin.seek(0)
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-s", "-u", "-c", start], stdin=stdin, stdout=stdout, stderr=stderr,
            cwd=scratch, env=ENVIRONMENT | dict(HOME=scratch, TMPDIR=scratch),
            start_new_session=True)
        with suppress(subprocess.TimeoutExpired):
            process.wait(job.timeout)
        late, wall = process.poll() is None, time.monotonic() - began
        with suppress(ProcessLookupError, PermissionError):  # nobody is left, or zombies
            os.killpg(process.pid, signal.SIGKILL)
        answer = dict(late=late, code=process.wait(), wall=wall, cpu=math.nan, rss_mb=math.nan)
        return make_result(answer, stdout, stderr, max_output)


# ---- self-test and command line -----------------------------------------------------------------

@dataclass(frozen=True)
class Check:
    """A script, and what the sandbox should make of it."""
    should: str
    code: str
    status: str
    stdout: str = ""


def self_test(sandbox: Sandbox) -> str:
    """Runs a few scripts, some hostile, in about a second. Returns one sentence, or raises
    SandboxError."""
    answer = Check("answer", "print(6 * 7)", "ok", "42\n")
    loop = Check("end a loop", "while 1: pass", "timeout")
    checks = [answer, loop, Check("report an exception", "1 / 0", "error")]
    if sandbox.has("seccomp"):   # on Linux, that is
        checks += [Check("limit memory", "bytes(1 << 36)", "error"),
                   Check("refuse a process", "import os\nos.fork()", "error"),
                   Check("refuse a socket", "import socket\nsocket.socket()", "error")]
    with tempfile.NamedTemporaryFile() as secret:
        if sandbox.has("landlock") or sandbox.has("private_root"):
            checks.append(Check("hide a file", f"open({secret.name!r})", "error"))
        checks.append(answer)  # the worker has survived
        for check in checks:
            # A loop takes all the time that it gets.
            result = sandbox.run(check.code, timeout=0.5 if check is loop else 10)
            if (result.status, result.stdout) != (check.status, check.stdout):
                raise SandboxError(f"the sandbox's self-test failed: it should {check.should}, and "
                                   f"gave {result}")
    return "the sandbox's self-test passed"


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        del sys.path[0]  # the directory of this file, the project's: no script imports from it
        ForkServer(**json.loads(sys.argv[2])).live()
        return
    parser = argparse.ArgumentParser(description="Runs a Python file in the sandbox; without "
                                     "one, says what protects this machine and tests the sandbox.")
    parser.add_argument("file", nargs="?", type=argparse.FileType(encoding="utf-8"),
                        help="the script; it gets no arguments and an empty stdin")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds")
    parser.add_argument("--allow-weak", action="store_true",
                        help="even where scripts cannot be confined")
    args = parser.parse_args()
    # Ctrl-C ends it without a traceback. (What a shell ignores, in the background, stays ignored.)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # workers leave when we are gone
    try:
        with Sandbox(workers=1, timeout=args.timeout, max_output=FILE_MB << 20,
                     allow_weak=args.allow_weak) as sandbox:
            if args.file is None:
                print(sandbox.describe_layers())
                print(self_test(sandbox))
                return
            result = sandbox.run(args.file.read())
    except (SandboxError, ValueError) as error:
        sys.exit(f"sandbox.py: {error}")
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    if result.status not in ("ok", "error"):
        sys.stderr.write(f"sandbox.py: {result.status} after {result.wall:.1f} s\n")
    sys.exit(result.exit_code if result.exit_code >= 0 else 128 - result.exit_code)


if __name__ == "__main__":
    main()
