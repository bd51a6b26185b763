"""sandbox.py -- run untrusted Python: fast enough to be free, closed enough to trust.

    python sandbox.py             what protects this machine, and a self-test
    python sandbox.py FILE        run one file in the sandbox

    with Sandbox(timeout=5) as sandbox:
        result = sandbox.run("print(6 * 7)")    # Result(status="ok", stdout="42\\n", ...)

The scripts come from a policy that is rewarded for whatever works, thousands of them a step. So each core
has a worker: a process, started by exec, that holds numpy and the common standard library imported. Each
script is one fork of it, which locks itself in, runs, and dies. Where sympy or networkx is installed, a
second worker beside the first, started when needed, holds these too: large processes fork slowly.

The script is the enemy: any Python, hence (ctypes) any machine code, with as many tries as it likes. Its
time, memory and scratch directory are its own. All else is kept from it by these layers, in this order:

    empty environment   no API key to print; and a worker never holds a byte of a script, an output, an answer
    private root        (namespaces) Python's own files, read-only, an empty home; no network, no foreign IPC
    Landlock            the same for files, where a container forbids namespaces
    rlimits             memory, CPU time, file sizes and descriptors, counted from the warm process
    capabilities        dropped: root is nobody
    seccomp             one process for ever: no fork, exec, socket, signal or priority that reaches others
    deadline            the worker kills and reaps: another process, out of the script's reach
    memory files        output goes to files in memory, not pipes: nothing blocks, no result can be forged

None needs root. Required are seccomp and one of private root and Landlock: with less, `Sandbox` raises, or
with allow_weak warns. Not stopped: bugs of the kernel, side channels (time, caches), theft of CPU up to the
limit, and of memory up to workers x (memory_mb + disk_mb + 2 x file_mb). Without the private root, names and
sizes of files show (never contents), and a script that fills its scratch is killed, not given an error. What
is forbidden is a PermissionError that the model can read. Linux on x86-64 and aarch64; macOS for development
only, with allow_weak, in plain subprocesses.
"""
import argparse
import atexit
import contextlib
import ctypes
import gc
import importlib.util
import io
import json
import linecache
import math
import os
import queue
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
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

if os.name != "posix":
    raise ImportError("sandbox.py needs Linux (or macOS, for development): Windows has none of its layers.")
import resource

PRELOAD = tuple("""
    array ast asyncio bisect calendar cmath collections copy csv dataclasses datetime decimal enum fractions
    functools hashlib heapq inspect io itertools json math operator pprint queue random re secrets statistics
    string textwrap threading time traceback typing unicodedata
    numpy numpy.fft numpy.linalg numpy.polynomial numpy.random networkx sympy
    sympy.assumptions.wrapper sympy.integrals.heurisch sympy.integrals.manualintegrate
    sympy.integrals.risch sympy.physics.units sympy.sets.setexpr sympy.tensor.tensor""".split())
HEAVY = ("sympy", "networkx")  # held warm apart, for the scripts that name them
WARM_UP = dict(numpy="import numpy; str(numpy.arange(6).reshape(2, 3) * 1.5)",
               sympy="import sympy; x = sympy.symbols('x'); str(sympy.expand((x + 1) ** 2))")
LAYERS = dict(seccomp="seccomp", landlock="Landlock", namespaces="private root and network")
HOME = "/home/script"  # the scratch directory, in the private root
MAX_FILES = 64
ENVIRONMENT = dict(
    PATH="/usr/bin:/bin", LANG="C.UTF-8", TZ="UTC", CUDA_VISIBLE_DEVICES="", MPLBACKEND="Agg",
    PYTHONHASHSEED="0",  # a printed set has the same order each time
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1",
    LD_BIND_NOW="1",  # symbols are looked up in the worker, not in each fork
    MALLOC_ARENA_MAX="1")  # else malloc reserves 64 MB of addresses a thread, and addresses are what we limit


class SandboxError(RuntimeError):
    """The sandbox itself cannot work: too few layers, a dead worker, a failed self-test."""


@dataclass(frozen=True)
class Result:
    """What happened to one script: facts, never a verdict. Judge a script by what it printed."""
    status: str  # ok: exit code 0 | error: another | timeout | signal | sandbox_error: ours, not the script's
    stdout: str  # its first max_output bytes; what is not UTF-8 is replaced
    stderr: str  # its last max_output bytes: a traceback ends with the error
    exit_code: int  # as in subprocess: -9 is death by signal 9
    truncated: bool  # stdout or stderr was longer
    wall: float  # seconds from fork to end
    cpu: float  # seconds, all threads. A timeout with little of it was asleep, or starved
    rss_mb: float  # peak memory, with the warm libraries (40 MB, with sympy 90)


# ---- the kernel's layers ----------------------------------------------------------------------------------

libc = ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: object) -> int:
    """Calls a function of libc; raises OSError where that returns -1."""
    if (result := getattr(libc, function)(*arguments)) == -1:
        raise OSError(ctypes.get_errno(), f"{function}: {os.strerror(ctypes.get_errno())}")
    return result


def set_limits(**limits: int) -> None:  # not NPROC: it counts the user's other processes, and root's never
    for name, limit in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))


def readable_paths() -> list[str]:
    """All that scripts may read: Python, its packages, shared libraries. Not sys.path: an editable install
    puts the project on it, and with it the answers. Debian's libraries go through /etc/alternatives."""
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= {f"{sys.base_prefix}/lib", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64",
              "/usr/share/zoneinfo", "/etc/alternatives", "/etc/ld.so.cache", "/sys/devices/system/cpu"}
    return sorted(path for path in paths if os.path.exists(path))


# Private root: own mounts, network and IPC, once per worker. What is not mounted here does not exist for a
# script: secrets, /proc, GPUs, sockets of services. A user namespace gives the right to mount; Docker's
# default profile and Ubuntu 24.04 do not let us have one.

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 0x1000, 0x4000, 0x40000
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x08000000, 0x10000000, 0x40000000


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    call("mount", source.encode(), target.encode(), kind.encode(), flags, options.encode())


def mount_scratch(target: str, disk_mb: int) -> None:
    mount("scratch", target, "tmpfs", MS_NOSUID | MS_NODEV, f"size={disk_mb}m,nr_inodes=4096,mode=700")


def enter_private_root(disk_mb: int) -> None:
    """Builds the new root over /proc, which always exists and has nothing to take along: no trace is left."""
    new, uid, gid = "/proc", os.getuid(), os.getgid()
    call("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    mounts = open("/proc/self/mountinfo")  # read below, when there is no /proc
    mount("", "/", "", MS_REC | MS_PRIVATE)  # nobody else sees the mounts that follow
    mount("root", new, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for path in readable_paths() + ["/dev/null", "/dev/urandom", "/dev/zero"]:
        for target in (new + path, new + os.path.realpath(path)):
            if os.path.exists(target):  # inside an earlier one
                continue
            os.makedirs(target if os.path.isdir(path) else os.path.dirname(target), exist_ok=True)
            if not os.path.isdir(path):
                open(target, "x").close()
            mount(os.path.realpath(path), target, "", MS_BIND | MS_REC)
    with mounts:
        points = [line.split()[4].encode("latin-1", "backslashreplace") for line in mounts]  # \040 is a space
    for point in (point.decode("unicode_escape") for point in points):  # read-only is a flag of each one
        if point.startswith(new + "/"):
            flags = os.statvfs(point).f_flag
            flags = flags & 0xC0F | (flags & 0x1000) << 9  # the kernel insists on the flags of the original
            flags |= 0 if point.startswith(new + "/dev/") else MS_RDONLY
            mount("", point, "", MS_REMOUNT | MS_BIND | MS_NOSUID | flags)
    os.makedirs(new + HOME)
    for path in ("/tmp", "/dev/shm"):
        if not os.path.exists(new + path):
            os.symlink(HOME, new + path)
    mount("", new, "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    mount_scratch(new + HOME, disk_mb)
    os.chdir(new)
    call("syscall", REFUSED["pivot_root"][ARCHITECTURE[1]], b".", b".")
    call("umount2", b".", 2)  # pivot_root left the old root on top of the new one: detach it
    os.chdir("/")


# Landlock: rules for directories that a process lays on itself and can never take off. They protect contents,
# not metadata (stat answers); truncate() only since ABI 3, so seccomp refuses that.

LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, MAKE_CHAR, MAKE_SOCK, MAKE_BLOCK = 1, 2, 4, 8, 0x40, 0x200, 0x800


def landlock_rules(directory: str) -> tuple[int, int]:
    """Scripts may write in `directory`. Returns the kernel's ABI version and the rules, a descriptor."""
    abi = call("syscall", LANDLOCK_CREATE_RULESET, None, 0, 1)
    every = 0x1FFF | (abi >= 2) << 13 | (abi >= 3) << 14 | (abi >= 5) << 15  # the rights it knows
    network, scope = 3 * (abi >= 4), 3 * (abi >= 6)  # TCP; signals and abstract sockets
    rules = call("syscall", LANDLOCK_CREATE_RULESET, struct.pack("QQQ", every, network, scope), 24, 0)
    rights = dict.fromkeys(readable_paths(), READ_FILE | READ_DIR)
    rights |= {"/dev/null": READ_FILE | WRITE_FILE, "/dev/urandom": READ_FILE, "/dev/zero": READ_FILE}
    rights[directory] = every & ~(EXECUTE | MAKE_CHAR | MAKE_SOCK | MAKE_BLOCK)
    for path, right in rights.items():
        fd = os.open(path, os.O_PATH)
        right &= -1 if os.path.isdir(path) else READ_FILE | WRITE_FILE
        call("syscall", LANDLOCK_ADD_RULE, rules, 1, struct.pack("=Qi", right, fd), 0)
        os.close(fd)
    return abi, rules


# seccomp: a filter that the kernel runs before each system call.

def numbers(table: str) -> dict[str, tuple[int, int | None]]:
    """From a table of: name of the call, its number on x86-64, on aarch64 ("-": there is none)."""
    return {name: (int(x86), None if arm == "-" else int(arm))
            for name, x86, arm in re.findall(r"(\w+) (\d+) (\d+|-)", table)}


ARCHITECTURE = dict(x86_64=(0xC000003E, 0), aarch64=(0xC00000B7, 1)).get(os.uname().machine)  # id, column
# PermissionError. Others: processes of the same user. Memory: what outlives a process, queues and keys too.
# Files: by roads that Landlock does not watch. Kernel: what opens a wide surface of it.
REFUSED = numbers("""
    programs:    fork 57 -, vfork 58 -, execve 59 221, execveat 322 281, memfd_create 319 279
    sockets:     socket 41 198, connect 42 203, bind 49 200, listen 50 201
    others:      tkill 200 130, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, ptrace 101 117,
                 kcmp 312 272, process_vm_readv 310 270, process_vm_writev 311 271, get_robust_list 274 100
    their place: move_pages 279 239, migrate_pages 256 238, setpriority 141 140, ioprio_set 251 30,
                 sched_setaffinity 203 122, sched_setscheduler 144 119, sched_setparam 142 118,
                 sched_setattr 314 274
    memory:      shmget 29 194, shmat 30 196, shmctl 31 195, semget 64 190, semop 65 193, semctl 66 191,
                 semtimedop 220 192, msgget 68 186, msgsnd 69 189, msgrcv 70 188, msgctl 71 187,
                 mq_open 240 180, mq_unlink 241 181, keyctl 250 219, add_key 248 217, request_key 249 218
    files:       truncate 76 45, chown 92 -, lchown 94 -, fchown 93 55, fchownat 260 54, chroot 161 51,
                 open_by_handle_at 304 265, name_to_handle_at 303 264, inotify_add_watch 254 27,
                 fanotify_init 300 262
    kernel:      unshare 272 97, setns 308 268, mount 165 40, umount2 166 39, pivot_root 155 41, bpf 321 280,
                 perf_event_open 298 241, userfaultfd 323 282, seccomp 317 277, io_setup 206 0,
                 syslog 103 116, modify_ldt 154 -""")
IGNORED = numbers("""
    modes:       chmod 90 -, fchmod 91 52, fchmodat 268 53, setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7,
                 removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16
    times:       utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88
    locks:       flock 73 32, sync 162 81, syncfs 306 267""")  # "succeed", so that shutil.copy works
EPERM, ENOTTY, ENOSYS, ANY, SELF = 1, 25, 38, 0xFFFFFFFF, 0x7EADBEEF  # SELF stands for the script's own pid
LIMITED = dict(  # name=(numbers, which argument, which of its bits, values that pass, error for others)
    clone=((56, 220), 0, 0x7E030000, [0x10000], EPERM),  # CLONE_THREAD, no CLONE_NEW...: only threads
    kill=((62, 129), 0, ANY, [SELF], EPERM),
    tgkill=((234, 131), 0, ANY, [SELF], EPERM),
    prlimit64=((302, 261), 0, ANY, [0, SELF], EPERM),
    socketpair=((53, 199), 0, ANY, [socket.AF_UNIX], EPERM),  # asyncio needs it
    socketpair_kind=((53, 199), 1, 0xF, [socket.SOCK_STREAM], EPERM),  # a datagram could go to any address
    prctl=((157, 167), 0, ANY, [3, 15, 16], EPERM),  # its name. Not PR_SET_PDEATHSIG: it dies with the worker
    fcntl=((72, 25), 1, ANY, [*range(8), 36, 37, 38, 1030], EPERM),  # not F_SETOWN (SIGIO kills), F_SETLEASE
    fcntl_locks=((72, 25), 1, ANY, [*range(6), 36, 1030], 0),  # as flock: shared files can be locked
    ioctl=((16, 29), 1, ANY, [0x541B, 0x5421, 0x5450, 0x5451], ENOTTY))  # FIONREAD, FIONBIO, FION-, FIOCLEX


def seccomp_program() -> ctypes.Array:
    """The filter, about 160 lines of classic BPF: (operation, jump if true, jump if false, operand)."""
    if ARCHITECTURE is None:
        raise OSError(f"no table of the system calls of {os.uname().machine}")
    audit, column = ARCHITECTURE
    load, equal, at_least, mask, give = 0x20, 0x15, 0x35, 0x54, 0x06
    allow, error, kill_process = 0x7FFF0000, 0x50000, 0x80000000
    program = [(load, 0, 0, 4), (equal, 1, 0, audit), (give, 0, 0, kill_process),  # int 0x80: other numbers
               # x32 and all newer calls in one test: io_uring, pidfd, clone3 (glibc goes back to clone), ...
               (load, 0, 0, 0), (at_least, 0, 1, 424), (give, 0, 0, error | ENOSYS)]
    for table, errno in ((REFUSED, EPERM), (IGNORED, 0)):
        rows = [row[column] for row in table.values() if row[column] is not None]
        program += [(equal, len(rows) - i, 0, number) for i, number in enumerate(rows)]  # to the error
        program += [(equal, 0, 1, ANY), (give, 0, 0, error | errno)]  # others (no number is ANY) jump over it
    for row, argument, bits, passing, errno in LIMITED.values():
        test = [(load, 0, 0, 16 + 8 * argument), (mask, 0, 0, bits)]
        test += [(equal, len(passing) - i, 0, value) for i, value in enumerate(passing)]  # over the error
        test += [(give, 0, 0, error | errno), (load, 0, 0, 0)]
        program += [(equal, 0, len(test), row[column]), *test]
    program = b"".join(struct.pack("HBBI", *line) for line in [*program, (give, 0, 0, allow)])
    return ctypes.create_string_buffer(program, len(program))


def install_seccomp(program: ctypes.Array) -> None:
    program.raw = program.raw.replace(struct.pack("I", SELF), struct.pack("I", os.getpid()))
    call("prctl", 22, 2, struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(program)), 0, 0)


# ---- the script: what `python main.py` does ---------------------------------------------------------------

RESERVE = []  # some memory, held back for the report of a MemoryError


def at_deadline(*_: object) -> None:
    sys.__stdout__.flush()  # the line that has not ended
    os._exit(1)


def print_error(kind: type, error: BaseException, trace: object) -> None:
    RESERVE.clear()
    traceback.print_exception(kind, error, trace, limit=-1000)  # the last 1000 calls


def print_thread_error(error: threading.ExceptHookArgs) -> None:
    if error.exc_type is not SystemExit:
        print(f"Exception in thread {error.thread.name}:", file=sys.stderr)
        print_error(error.exc_type, error.exc_value, error.exc_traceback)


def prepare_for_scripts() -> None:
    """Once per server: what a fork has from its parent costs a script no time."""
    signal.signal(signal.SIGXCPU, at_deadline)
    sys.excepthook, threading.excepthook, sys.argv = print_error, print_thread_error, ["main.py"]
    RESERVE.append(bytes(4 << 20))
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace")
    sys.stdout = sys.__stdout__ = open(1, "w", 1, "utf-8", "backslashreplace")  # 1: line by line
    sys.stderr = sys.__stderr__ = open(2, "w", 1, "utf-8", "backslashreplace")


def set_seed(seed: int | None, numpy: bool) -> None:
    random.seed(seed)
    if numpy and "numpy.random" in sys.modules:
        draw = (random.SystemRandom() if seed is None else random.Random(seed)).getrandbits
        sys.modules["numpy.random"].seed(draw(32) if seed is None else seed % 2**32)
        sys.modules["numpy.random.bit_generator"].randbits = draw  # what default_rng() asks for a seed


def run_script(source: str, leave: Callable = os._exit,
               ends: Sequence[Callable] = (threading._shutdown, atexit._run_exitfuncs)) -> None:
    """Runs to the end of the process. The defaults are bound before a script can replace them."""
    stdout, status = sys.stdout, 1
    main = sys.modules["__main__"] = type(sys)("__main__")
    main.__file__ = "main.py"
    linecache.cache["main.py"] = len(source), None, source.splitlines(True), "main.py"  # lines for tracebacks
    try:
        try:
            exec(compile(source, "main.py", "exec", dont_inherit=True), main.__dict__)
            status = 0
        except SystemExit as stop:
            if stop.code is None or isinstance(stop.code, int):
                status = int.__and__(stop.code or 0, 255)
            else:
                print(stop.code, file=sys.stderr)
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__.tb_next)
        for end in ends:  # join threads, call what is registered with atexit
            end()
        if "__del__" in source:
            del sys.modules["__main__"], main
            gc.collect()  # what is left of them runs now
        for stream in (sys.stdout, sys.stderr, stdout):
            if stream and not stream.closed:
                stream.flush()
    except BaseException:
        status = status or 120  # Python's own code for an end that failed
    finally:
        leave(status)


# ---- the worker: a fork server ----------------------------------------------------------------------------
# A fork copies page tables, and each page that parent or child writes afterwards, be it a reference count, is
# a fault and a copy. That is the cost of a script; hence the second server, the huge pages, and a child that
# runs as little Python as possible before the script.

fork = ctypes.PyDLL(None).fork  # os.fork's hooks renew locks: 200 pages that a single thread need not touch


def use_huge_pages(maps: str) -> None:
    """Collapses the warm heap to pages of 2 MB (Linux 6.1), where that is possible: short page tables."""
    libc.madvise.argtypes, size = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int), 2 << 20
    for line in maps.splitlines():
        span, access, _, _, inode, *name = line.split()
        start, end = (int(address, 16) for address in span.split("-"))
        if access == "rw-p" and inode == "0" and name != ["[stack]"]:
            for page in range(start + -start % size, end - size + 1, size):
                libc.madvise(page, size, 25)  # MADV_COLLAPSE


def overfull(scratch: str, disk_mb: int) -> bool:
    """Whether there are more than disk_mb or 4096 files. What cannot be walked fast counts as full."""
    size, count, directories = 0, 0, [scratch]
    try:
        while directories:
            with contextlib.suppress(FileNotFoundError):  # deleted while we look
                for entry in os.scandir(directories.pop()):
                    size, count = size + entry.stat(follow_symlinks=False).st_blocks * 512, count + 1
                    if size > disk_mb << 20 or count > 4096 or len(entry.path) > 1024:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        directories.append(entry.path)
    except OSError:
        return True
    return False


def remove(directory: str, *which: str) -> None:
    """Not shutil.rmtree, which recurses at each level. chmod: a script can make what nobody may enter."""
    subprocess.run(["sh", "-c", 'chmod -R u+rwx "$0"; find "$0" "$@" -delete', directory, *which],
                   stderr=subprocess.DEVNULL)


def ended(pid: int, deadline: float) -> bool:
    """Whether the child ends before the deadline, a time.monotonic. As a zombie it still owns its pid."""
    while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if (left := deadline - time.monotonic()) <= 0:
            return False
        signal.sigtimedwait([signal.SIGCHLD], left)
    return True


class ForkServer:
    """The main object of a worker. Builds once what all its scripts share, then forks a child for each."""

    def __init__(self, memory_mb: int, file_mb: int, disk_mb: int, preload: list[str], disable: list[str]):
        self.disk_mb, self.disable, self.layers, self.pid = disk_mb, disable, {}, os.getpid()
        os.dup2(0, 3)
        os.dup2(1, 0)  # /dev/null
        self.trainer = socket.socket(fileno=3)
        maps, status = open("/proc/self/maps"), open("/proc/self/status")  # gone later
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGCHLD])  # blocked, to be waited for
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # where memory runs out, a script dies before the trainer
        self.build_layers()
        try:
            hello = dict(missing=self.warm_up(preload), layers=self.layers,
                         scratch=None if self.private else self.scratch)
            with maps, status:
                use_huge_pages(maps.read())
                facts = dict(line.split(":", 1) for line in status)
            threads, warm_bytes = int(facts["Threads"]), int(facts["VmSize"].split()[0]) << 10
            assert threads == 1, f"the preloaded modules start {threads - 1} threads, which a fork would lose"
            if "rlimits" not in disable:  # set here, and inherited
                set_limits(AS=warm_bytes + (memory_mb << 20), FSIZE=file_mb << 20, NOFILE=MAX_FILES, CORE=0)
            self.trainer.send(json.dumps(hello).encode())
            with contextlib.suppress(BrokenPipeError):  # the trainer is gone
                self.serve()
        finally:
            if not self.private:
                remove(self.scratch)

    def build_layers(self) -> None:
        """Enters the private root, once. Landlock and seccomp are laid on each script, by these rules."""
        self.private = self.works("namespaces", lambda: enter_private_root(self.disk_mb))
        if self.private:
            enter_private_root(self.disk_mb)
            self.scratch, writable = HOME, os.path.dirname(HOME)  # HOME itself changes with each mount
        else:
            shm = os.path.isdir("/dev/shm") and os.statvfs("/dev/shm")
            roomy = shm and shm.f_bavail * shm.f_frsize > 1 << 30  # Docker gives 64 MB, for the trainer
            self.scratch = writable = tempfile.mkdtemp(prefix="sandbox-", dir="/dev/shm" if roomy else None)
        tempfile.tempdir = None  # a script finds its own, in TMPDIR
        os.environ.update(HOME=self.scratch, TMPDIR=self.scratch)
        call("prctl", 38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS: without root, the condition for the next two
        seccomp = self.works("seccomp", lambda: install_seccomp(seccomp_program()))
        self.program, self.rules = seccomp_program() if seccomp else None, None
        if self.works("landlock", lambda: landlock_rules(writable)):
            self.layers["landlock"], self.rules = landlock_rules(writable)

    def works(self, name: str, layer: Callable[[], object]) -> bool:
        """Tries a layer in a fork, because half a namespace cannot be left again, and notes why it fails."""
        read_end, write_end = os.pipe()
        if os.fork() == 0:
            try:
                layer()
                report = "works"
            except BaseException as error:
                report = str(error)
            os.write(write_end, report.encode()[:500])
            os._exit(0)
        os.wait()
        os.close(write_end)
        with open(read_end) as file:
            report = "switched off" if name in self.disable else file.read()
        self.layers[name] = report == "works" or report or "killed"
        return self.layers[name] is True

    def warm_up(self, modules: list[str]) -> list[str]:
        """Does what all scripts would do, and makes forks cheap. Returns the modules that are missing."""
        missing = []
        for name in modules:
            try:
                importlib.import_module(name)
            except ModuleNotFoundError:
                missing.append(name)
        for package in set(WARM_UP) & set(modules) - set(missing):
            for _ in range(20):  # Python specialises code that it runs often, by writing to it
                run_script(WARM_UP[package], leave=bool, ends=())
        prepare_for_scripts()
        libc.capset  # looked up here, once, and not in each child
        gc.collect()
        gc.freeze()  # the collector leaves the warm objects alone: pages that nobody writes stay shared
        gc.disable()
        return missing

    def serve(self) -> None:
        """Answers one request after the other, until the trainer is gone. It sees no script, only numbers."""
        while (request := socket.recv_fds(self.trainer, 4096, 4))[0]:
            message, files, _, _ = request
            answer = self.run(files, *json.loads(message))
            for fd in files:
                os.close(fd)
            used = bool(os.listdir(self.scratch))
            if used and self.private:  # what a script leaves there, nobody has to understand
                call("umount2", self.scratch.encode(), 2)
                mount_scratch(self.scratch, self.disk_mb)
            elif used:
                remove(self.scratch, "-mindepth", "1")
            self.trainer.send(json.dumps(answer).encode())

    def run(self, files: list[int], timeout: float, seed: int | None) -> dict:
        """Forks, waits until the deadline, kills, reaps. A script has no part in any of it."""
        start, late = time.monotonic(), False
        if (pid := fork()) == 0:
            self.child(files, timeout, seed)
        if pid < 0:
            raise OSError("no fork")
        while not late and not ended(pid, min(time.monotonic() + 0.1, start + timeout)):
            late = time.monotonic() >= start + timeout
            gone = select.select([self.trainer], [], [], 0)[0]  # it says nothing meanwhile: the trainer died
            if gone or not self.private and overfull(self.scratch, self.disk_mb):
                break
        if late:
            os.kill(pid, signal.SIGXCPU)  # a chance to flush, no more
            ended(pid, time.monotonic() + 0.1)
        os.kill(pid, signal.SIGKILL)
        if not self.program:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        wall, cpu = time.monotonic() - start, usage.ru_utime + usage.ru_stime
        code = -signal.SIGKILL if late else os.waitstatus_to_exitcode(status)
        late = late or code == -signal.SIGKILL and cpu > timeout  # RLIMIT_CPU was first: several threads
        return dict(late=late, code=code, measured=[wall, cpu, usage.ru_maxrss / 1024])

    def child(self, files: list[int], timeout: float, seed: int | None) -> None:
        """The forked process; never returns. What it leaves in the file of its source is a failure of ours:
        it empties it when all layers hold, and a script cannot reach it."""
        try:
            source = os.pread(files[0], os.fstat(files[0]).st_size, 0).decode("utf-8", "surrogatepass")
            for target, fd in zip((3, 0, 1, 2), files):  # 3 was the socket to the trainer
                os.dup2(fd, target)
            os.chdir(self.scratch)
            sys.path.insert(0, self.scratch)  # a script may import what it wrote; the worker must not
            call("prctl", 1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: die with the worker
            if os.getppid() != self.pid:  # it died before we asked
                os._exit(1)
            call("prctl", 4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: no core, not even into a program of the system
            if self.rules is not None:
                call("syscall", LANDLOCK_RESTRICT_SELF, self.rules, 0)
            os.closerange(4, MAX_FILES)  # left are the memory files: 0, 1, 2, and 3, its source
            if "rlimits" not in self.disable:
                set_limits(CPU=math.ceil(timeout) + 1)
            if "caps" not in self.disable:
                call("capset", struct.pack("Ii", 0x20080522, 0), bytes(24))
            if self.program:
                install_seccomp(self.program)  # from here on only its memory and scratch are left to it
            else:
                os.setsid()  # the script can have children then: they are killed as a group
            set_seed(seed, numpy="random" in source)
            gc.enable()
            os.ftruncate(3, 0)
            os.close(3)
        except BaseException as error:
            os.ftruncate(3, 0)
            os.pwrite(3, repr(error).encode(), 0)
            os._exit(1)
        run_script(source)


# ---- the trainer's side -----------------------------------------------------------------------------------

# As `python -P`, which 3.10 lacks: the directory of this file, the project's, is not on the path of scripts.
START = "import sys; del sys.path[0], sys.argv[0]; import runpy; runpy.run_path(sys.argv[0], {}, '__main__')"


def memory_file(content: bytes = b"") -> io.FileIO:
    file = io.FileIO(os.memfd_create("sandbox"), "r+")
    file.write(content)
    file.seek(0)
    return file


def make_result(answer: dict, out: io.IOBase, err: io.IOBase, max_output: int) -> Result:
    code, sizes = answer["code"], [os.fstat(file.fileno()).st_size for file in (out, err)]
    status = "timeout" if answer["late"] else "signal" if code < 0 else "error" if code else "ok"
    head = os.pread(out.fileno(), max_output, 0).decode("utf-8", "replace")
    tail = os.pread(err.fileno(), max_output, max(0, sizes[1] - max_output)).decode("utf-8", "replace")
    return Result(status, head, tail, code, max(sizes) > max_output, *answer["measured"])


class Worker:
    """The trainer's end of one fork server."""

    def __init__(self, settings: dict) -> None:
        """Returns at once; `ready` waits for the warm-up."""
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log, self.hello = memory_file(), None
        command = [sys.executable, "-s", "-c", START, os.path.abspath(__file__), "--worker"]
        with theirs:  # exec, not fork: a trainer has threads and a GPU
            self.process = subprocess.Popen(
                [*command, json.dumps(settings)], stdin=theirs, stdout=subprocess.DEVNULL, stderr=self.log,
                env=ENVIRONMENT, cwd="/", start_new_session=True)

    def ready(self, layers: dict) -> None:
        """Waits for it, and insists on the same `layers` as the first worker's."""
        if self.hello is None:
            hello = self.receive(timeout=120)
            if layers not in ({}, hello["layers"]):
                raise SandboxError(f"a worker has other layers: {hello['layers']}, not {layers}")
            self.hello = hello

    def receive(self, timeout: float) -> dict:
        self.control.settimeout(timeout)
        message = self.control.recv(1 << 16)
        if not message:
            words = os.pread(self.log.fileno(), 1 << 16, 0).decode("utf-8", "replace").strip()
            raise SandboxError(f"a worker died: {words.split(chr(10))[-1] or 'killed'}")
        return json.loads(message)

    def run(self, code: bytes, stdin: bytes, timeout: float, seed: int | None, max_output: int) -> Result:
        """One script. Its four files are ours and only pass through the worker."""
        with (memory_file(code) as source, memory_file(stdin) as given, memory_file() as out,
              memory_file() as err):
            files = [file.fileno() for file in (source, given, out, err)]
            socket.send_fds(self.control, [json.dumps([timeout, seed]).encode()], files)
            answer = self.receive(timeout + 10)
            if (left := source.read()) and not answer["late"]:
                why = "was killed" if left == code else left.decode("utf-8", "replace")
                raise SandboxError(f"a script's process failed before the script: {why}")
            return make_result(answer, out, err, max_output)

    def stop(self) -> None:
        """The worker leaves, with its script, within 0.1 s of the end of its socket."""
        self.control.close()
        self.log.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()  # if it has not ended
        self.process.wait()
        if self.hello and self.hello["scratch"]:
            remove(self.hello["scratch"])  # what a killed worker could not remove


def run_plain(code: bytes, stdin: bytes, timeout: float, seed: int | None, max_output: int) -> Result:
    """macOS, for development: an interpreter for each script, its process group killed at the end."""
    start = f"import random; random.seed({seed}); exec(compile(open('main.py').read(), 'main.py', 'exec'))"
    with (tempfile.TemporaryDirectory(prefix="sandbox-") as scratch, tempfile.TemporaryFile() as given,
          tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err):
        with open(f"{scratch}/main.py", "wb") as file:
            file.write(code)
        given.write(stdin)
        given.seek(0)
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-s", "-u", "-c", start], stdin=given, stdout=out, stderr=err, cwd=scratch,
            env=ENVIRONMENT | dict(HOME=scratch, TMPDIR=scratch), start_new_session=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
        late, wall = process.poll() is None, time.monotonic() - began
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left, or a zombie
            os.killpg(process.pid, signal.SIGKILL)
        answer = dict(late=late, code=process.wait(), measured=[wall, math.nan, math.nan])
        return make_result(answer, out, err, max_output)


class Sandbox(contextlib.AbstractContextManager):
    """Runs scripts in confinement, `workers` at once (one per core: more would make false timeouts).

    timeout: seconds of wall time. memory_mb: of a script, beyond the warm libraries. max_output: bytes kept
    of stdout and of stderr. file_mb: largest file. disk_mb: the whole scratch directory. preload: modules to
    hold warm; those not installed are listed in `missing`. disable: layers to do without, for tests. `layers`
    says for seccomp, landlock and namespaces: True, the ABI version, or why it is missing. Thread-safe."""

    def __init__(self, workers: int | None = None, timeout: float = 5.0, memory_mb: int = 512,
                 max_output: int = 65536, file_mb: int = 16, disk_mb: int = 64,
                 preload: Sequence[str] = PRELOAD, allow_weak: bool = False, *, disable: Sequence[str] = ()):
        self.timeout, self.max_output, self.closed, self.missing = timeout, max_output, False, []
        linux = sys.platform == "linux"
        self.layers = {} if linux else dict.fromkeys(LAYERS, f"on {sys.platform}")
        self.workers = workers or (len(os.sched_getaffinity(0)) if linux else os.cpu_count())
        heavy = {name for name in HEAVY if importlib.util.find_spec(name)}
        light = [name for name in preload if name.split(".")[0] not in heavy]
        self.settings = [dict(memory_mb=memory_mb, file_mb=file_mb, disk_mb=disk_mb, preload=modules,
                              disable=list(disable)) for modules in (light, list(preload))]
        self.names = tuple(heavy) if len(light) < len(preload) else ()  # a script with one goes to the second
        self.pool = ThreadPoolExecutor(self.workers, thread_name_prefix="sandbox")
        # Pairs: the second worker of one starts with the first script that needs it.
        self.team = [[Worker(self.settings[0]), None] for _ in range(self.workers if linux else 0)]
        self.idle = queue.LifoQueue()
        for pair in self.team:
            self.idle.put(pair)
        try:
            for worker in self.started():
                worker.ready(self.layers)
                self.layers, self.missing = worker.hello["layers"], worker.hello["missing"]
            self.refuse_weakness(allow_weak)
        except BaseException:
            self.close()
            raise

    def started(self) -> list[Worker]:
        return [worker for pair in self.team for worker in pair if worker]

    def has(self, layer: str) -> bool:
        return not isinstance(self.layers[layer], str)

    def describe_layers(self) -> str:
        """One line for a log."""
        words = [text if self.has(key) else f"no {text} ({self.layers[key]})" for key, text in LAYERS.items()]
        words += [f"no {name}" for name in self.missing if "." not in name]
        return f"sandbox: {', '.join(words)}; {self.workers} worker{'s' * (self.workers > 1)}"

    def refuse_weakness(self, allow_weak: bool) -> None:
        harm = [] if self.has("seccomp") else ["start processes that stay, signal yours, use the network"]
        if not self.has("landlock") and not self.has("namespaces"):
            harm.append("read and change all files that you can")
        text = f"scripts could {', and '.join(harm)} ({self.describe_layers()})"
        if harm and not allow_weak:
            raise SandboxError(f"cannot confine scripts here: {text}; allow_weak=True runs them still")
        if harm:
            warnings.warn(f"weak sandbox: {text}", RuntimeWarning, stacklevel=3)

    def run(self, code: str, stdin: str = "", timeout: float | None = None,
            seed: int | None = None) -> Result:
        """Runs one script: waits for a free worker, then at most `timeout` seconds. With a seed, `random` and
        numpy draw the same numbers each time. Whatever a script does is a Result, never an exception."""
        timeout = self.timeout if timeout is None else float(timeout)
        if not 0 < timeout < 1e6 or not isinstance(seed, int | None):
            raise ValueError(f"need seconds > 0 and an int or None as seed, got {timeout} and {seed!r}")
        job = code.encode("utf-8", "surrogatepass"), stdin.encode("utf-8", "surrogatepass"), timeout, seed
        if not self.team:
            return run_plain(*job, self.max_output)
        which, pair = int(any(name in code for name in self.names)), self.idle.get()
        if pair is None:
            self.idle.put(None)  # for the next who waits
            raise RuntimeError("this sandbox is closed")
        try:
            pair[which] = pair[which] or Worker(self.settings[which])
            pair[which].ready(self.layers)
            return pair[which].run(*job, self.max_output)
        except BaseException as error:
            if pair[which]:
                pair[which].stop()  # whatever it was doing: the next run starts another
                pair[which] = None
            if not isinstance(error, Exception):
                raise  # KeyboardInterrupt
            return Result("sandbox_error", "", f"{type(error).__name__}: {error}", -1, False, 0.0, 0.0, 0.0)
        finally:
            self.idle.put(pair)

    def submit(self, code: str, *args: object, **kwargs: object) -> Future:
        """`run` in the background: a Future of its Result."""
        return self.pool.submit(self.run, code, *args, **kwargs)

    def map(self, codes: Iterable[str], *args: object, **kwargs: object) -> list[Result]:
        """`run` for each of them, in their order."""
        return [future.result() for future in [self.submit(code, *args, **kwargs) for code in codes]]

    def close(self) -> None:
        """Waits for the scripts that run, cancels those that wait, ends the workers."""
        if not self.closed:
            self.closed = True
            self.pool.shutdown(cancel_futures=True)
            for _ in self.team:
                self.idle.get()
            for worker in self.started():
                worker.stop()
            self.idle.put(None)

    def __exit__(self, *exception: object) -> None:
        self.close()


# ---- self-test and command line ---------------------------------------------------------------------------

def self_test(sandbox: Sandbox) -> str:
    """Runs a few scripts, some hostile, in about a second. Returns one sentence, or raises SandboxError."""
    closed, files = sandbox.has("seccomp"), sandbox.has("landlock") or sandbox.has("namespaces")
    with tempfile.NamedTemporaryFile() as secret:
        tests = [("answer", True, "print(6 * 7)", ("ok", "42\n")),
                 ("keep the output of an endless loop", True, "print(1)\nwhile 1: pass", ("timeout", "1\n")),
                 ("report an exception", True, "1 / 0", ("error", "")),
                 ("limit memory", closed, "bytes(1 << 36)", ("error", "")),
                 ("refuse a process", closed, "import os\nos.fork()", ("error", "")),
                 ("refuse a socket", closed, "import socket\nsocket.socket()", ("error", "")),
                 ("hide a file", files, f"open({secret.name!r})", ("error", "")),
                 ("answer after all that", True, "print(6 * 7)", ("ok", "42\n"))]
        for what, applies, code, expected in tests:
            result = sandbox.run(code, timeout=0.5 if expected[0] == "timeout" else 10)
            if applies and (result.status, result.stdout) != expected:
                raise SandboxError(f"the sandbox's self-test failed: it should {what}, and gave {result}")
    return "the sandbox's self-test passed"


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        ForkServer(**json.loads(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description="Runs a Python file in the sandbox, or tests it.")
    parser.add_argument("file", nargs="?", type=argparse.FileType(encoding="utf-8"), help="the script")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds")
    parser.add_argument("--allow-weak", action="store_true", help="even where scripts cannot be confined")
    args = parser.parse_args()
    try:
        with Sandbox(workers=1, timeout=args.timeout, allow_weak=args.allow_weak) as sandbox:
            if args.file is None:
                print(sandbox.describe_layers())
                return print(self_test(sandbox))
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
