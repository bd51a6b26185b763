"""sandbox.py -- run untrusted Python, fast enough to be free, closed enough to trust.

    python sandbox.py              what protects this machine, and a self-test
    python sandbox.py FILE         run one file in the sandbox

    with Sandbox(timeout=5) as sandbox:
        result = sandbox.run("print(6 * 7)")        # Result(status="ok", stdout="42\\n", ...)

The scripts come from a policy that is rewarded for whatever works, thousands of them a step. So each core has a fork
server: a worker, started by exec with an empty environment, that holds numpy, sympy and the common standard library
imported. Every script is one fork of it, which locks itself in, runs, and dies.

Threat model. The script is the enemy: any Python, hence (ctypes) any machine code, with as many tries as it likes. Its
time, its memory and its scratch directory are its own. Everything else is refused by these layers, in the order in
which they are applied; none of them needs root:

    empty environment   no API key to print; nor does a worker ever hold a byte of a script, an output or an answer
    private root        (namespaces) Python's own files, read-only, and an empty home; no network, no shared memory
    Landlock            the same for files where a container forbids namespaces
    rlimits             memory, CPU time, file sizes and descriptors, counted from the warm process
    capabilities        dropped: root is nobody
    seccomp             one process for ever: no fork, exec, socket, signal or priority that reaches anybody else
    deadline            kill and reaping are the worker's: another process, out of the script's reach
    memory files        output goes to files in memory, not pipes: nothing can block, no result can be forged

Required are seccomp and one of private root and Landlock; `Sandbox` refuses to work with less, unless `allow_weak=True`.
NOT stopped: bugs of the kernel (the filter narrows what a script can reach, but it is the same kernel), side channels
(time, caches), use of the CPU up to the limit. Without the private root names and sizes of files show, never contents,
and a script that fills its scratch directory is killed within about 0.1 s instead of getting an error.

Scripts have no subprocesses, sockets or /proc: they get a PermissionError that the model can read. Status "ok" means exit
code 0 and no more; judge a script by what it printed. Linux on x86-64 and aarch64; macOS for development, with
`allow_weak`, in plain subprocesses.
"""

import argparse
import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import json
import linecache
import math
import os
import platform
import queue
import random
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
import types
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

if os.name != "posix":
    raise ImportError("sandbox.py needs Linux (or macOS, for development): Windows has none of its layers.")
import resource

PRELOAD = tuple("""
    abc array ast asyncio base64 bisect calendar cmath collections contextlib copy csv dataclasses datetime decimal enum
    fractions functools hashlib heapq inspect io itertools json math operator pprint queue random re secrets statistics
    string textwrap threading time traceback typing unicodedata zoneinfo
    numpy numpy.fft numpy.linalg numpy.polynomial numpy.random sympy networkx""".split())
HOME = "/home/script"  # the scratch directory inside the private root
ENVIRONMENT = dict(
    PATH="/usr/bin:/bin", LANG="C.UTF-8", TZ="UTC", PYTHONHASHSEED="0",  # sets print in the same order every time
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="", MPLBACKEND="Agg",
    MALLOC_ARENA_MAX="1")  # glibc reserves 64 MB of address space per thread otherwise, and that is what we limit


class SandboxError(RuntimeError):
    """The sandbox itself cannot work: a missing layer, a worker that does not start, a failed self-test."""


@dataclass(frozen=True)
class Result:
    """What happened to one script: facts, never a verdict."""
    status: str  # ok | error (exit code is not 0) | timeout | signal | sandbox_error (our failure, not the script's)
    stdout: str  # the first max_output bytes; undecodable bytes are replaced
    stderr: str  # the last max_output bytes: a traceback names the error at its end
    exit_code: int  # as in subprocess: -9 is death by signal 9
    truncated: bool  # stdout or stderr was longer than max_output
    wall: float  # seconds from fork to reaping
    cpu: float  # seconds of all threads; far below `wall` in a timeout: the script slept, or was starved
    rss_mb: float  # peak memory, the warm libraries (some 80 MB) included


# ---- kernel calls ----------------------------------------------------------------------------------------------------

libc = ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: object) -> int:
    """Calls libc; raises OSError where libc returns -1."""
    result = getattr(libc, function)(*arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), f"{function}: {os.strerror(ctypes.get_errno())}")
    return result


def readable_paths() -> list[str]:
    """All that a script may read: Python, its packages, shared libraries. Not sys.path, which may hold the project (and
    the answers) when that is installed in editable mode; not /usr/src or /usr/bin."""
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= {f"{sys.base_prefix}/lib", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo",
              "/lib", "/lib64", "/etc/ld.so.cache", "/sys/devices/system/cpu"}
    return sorted(path for path in paths if os.path.exists(path))


# ---- private root: own mounts, network, IPC --------------------------------------------------------------------------
# Once per worker, because it costs milliseconds. What is not mounted here does not exist for a script: secrets, /proc,
# GPUs, sockets of services. A user namespace gives the right to do this without root; Docker and Ubuntu 24.04 forbid it.

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 0x1000, 0x4000, 0x40000
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x08000000, 0x10000000, 0x40000000


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    call("mount", source and source.encode(), target.encode(), kind and kind.encode(), flags, options.encode())


def mount_scratch(disk_mb: int, target: str = HOME) -> None:
    mount("scratch", target, "tmpfs", MS_NOSUID | MS_NODEV, f"size={disk_mb}m,nr_inodes=4096,mode=700")


def enter_private_root(disk_mb: int) -> None:
    """Moves this process to a root of its own. The new root is built over /proc: a directory that always exists and holds
    nothing that we take along, so nothing is created outside."""
    uid, gid, proc = os.getuid(), os.getgid(), os.open("/proc/self", os.O_PATH)
    call("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    mount(None, "/", None, MS_REC | MS_PRIVATE)  # nothing of what follows shows outside
    new = "/proc"
    mount("root", new, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for path in readable_paths() + ["/dev/null", "/dev/urandom", "/dev/zero"]:
        for target in (new + path, new + os.path.realpath(path)):
            if os.path.exists(target):  # inside an earlier one
                continue
            if os.path.isdir(path):
                os.makedirs(target)
            else:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                open(target, "x").close()
            mount(os.path.realpath(path), target, None, MS_BIND | MS_REC)
    with open(os.open("mountinfo", os.O_RDONLY, dir_fd=proc)) as file:  # read-only is a flag of each mount below
        mounted = [line.split()[4].encode().decode("unicode_escape") for line in file]
    for target in mounted:
        if target.startswith(new + "/"):
            flags = os.statvfs(target).f_flag  # flags of the original that must be kept, or the kernel refuses
            keep = flags & 0xC0F | (flags & 0x1000) << 9
            read_only = 0 if target.startswith(new + "/dev/") else MS_RDONLY
            mount(None, target, None, MS_REMOUNT | MS_BIND | MS_NOSUID | read_only | keep)
    os.makedirs(new + HOME)
    if not os.path.exists(new + "/tmp"):
        os.symlink(HOME, new + "/tmp")
    mount(None, new, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    mount_scratch(disk_mb, new + HOME)
    os.chdir(new)
    call("syscall", {"x86_64": 155, "aarch64": 41}[platform.machine()], b".", b".")  # pivot_root
    call("umount2", b".", 2)  # detach the old root, which pivot_root put on top of the new one
    os.chdir("/")
    os.close(proc)


# ---- Landlock: which files -------------------------------------------------------------------------------------------
# Rules are attached to directories, by the script's own process, and can never be undone. Contents are protected, not
# metadata (stat answers), and old kernels (ABI 1, 2) do not cover truncate(): seccomp refuses that.

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446  # the same numbers on all machines
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, MAKE_CHAR, MAKE_SOCK, MAKE_BLOCK = 1, 2, 4, 8, 0x40, 0x200, 0x800


def landlock_rules(scratch: str) -> tuple[int, int]:
    """Returns the ABI version of this kernel and a descriptor of the rules, for `landlock_restrict`."""
    abi = call("syscall", LANDLOCK_CREATE, None, 0, 1)
    every_right = 0x1FFF | (abi >= 2) << 13 | (abi >= 3) << 14 | (abi >= 5) << 15
    network, scope = 3 * (abi >= 4), 3 * (abi >= 6)  # TCP; signals and abstract sockets
    rules = call("syscall", LANDLOCK_CREATE, struct.pack("QQQ", every_right, network, scope), 24, 0)
    rights = dict.fromkeys(readable_paths(), READ_FILE | READ_DIR)
    rights |= {"/dev/null": READ_FILE | WRITE_FILE, "/dev/urandom": READ_FILE, "/dev/zero": READ_FILE,
               scratch: every_right & ~(EXECUTE | MAKE_CHAR | MAKE_SOCK | MAKE_BLOCK)}
    for path, right in rights.items():
        fd = os.open(path, os.O_PATH)
        right &= ~0 if os.path.isdir(path) else READ_FILE | WRITE_FILE
        call("syscall", LANDLOCK_ADD, rules, 1, struct.pack("=Qi", right, fd), 0)
        os.close(fd)
    return abi, rules


def landlock_restrict(rules: int) -> None:
    call("syscall", LANDLOCK_RESTRICT, rules, 0)


# ---- rlimits and capabilities: how much, and as whom ------------------------------------------------------------------

def set_limits(timeout: float, address_space: int, file_mb: int) -> None:
    """Limits of the script's process, hard ones. RLIMIT_NPROC is not among them: it counts the user's other processes, and
    nobody's for root; seccomp does that work."""
    limits = dict(AS=address_space, CPU=math.ceil(timeout) + 1, FSIZE=file_mb << 20, NOFILE=64, CORE=0, SIGPENDING=64)
    for name, limit in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))


def drop_capabilities() -> None:
    call("capset", struct.pack("Ii", 0x20080522, 0), bytes(24))


# ---- seccomp: which system calls --------------------------------------------------------------------------------------
# A filter of about 200 instructions that the kernel runs before each system call. Numbers: (x86-64, aarch64).

ARCHITECTURE = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}.get(platform.machine())  # audit number, column
REFUSED = dict(  # PermissionError
    # a second process, or a program of its own
    fork=(57, None), vfork=(58, None), execve=(59, 221), execveat=(322, 281), memfd_create=(319, 279),
    # any socket but a pair of connected ones, which asyncio needs
    socket=(41, 198), connect=(42, 203), bind=(49, 200), listen=(50, 201),
    # other processes of the same user: signals, memory, priority, placement
    tkill=(200, 130), rt_sigqueueinfo=(129, 138), rt_tgsigqueueinfo=(297, 240), ptrace=(101, 117), kcmp=(312, 272),
    process_vm_readv=(310, 270), process_vm_writev=(311, 271), get_robust_list=(274, 100), move_pages=(279, 239),
    migrate_pages=(256, 238), setpriority=(141, 140), ioprio_set=(251, 30), sched_setaffinity=(203, 122),
    sched_setscheduler=(144, 119), sched_setparam=(142, 118), sched_setattr=(314, 274),
    # memory and queues that outlive the script, of the kernel or of others
    shmget=(29, 194), shmat=(30, 196), shmctl=(31, 195), semget=(64, 190), semop=(65, 193), semctl=(66, 191),
    semtimedop=(220, 192), msgget=(68, 186), msgsnd=(69, 189), msgrcv=(70, 188), msgctl=(71, 187), mq_open=(240, 180),
    mq_unlink=(241, 181), keyctl=(250, 219), add_key=(248, 217), request_key=(249, 218), io_setup=(206, 0),
    # files by roads that Landlock does not watch
    truncate=(76, 45), chown=(92, None), lchown=(94, None), fchown=(93, 55), fchownat=(260, 54), chroot=(161, 51),
    open_by_handle_at=(304, 265), name_to_handle_at=(303, 264), inotify_add_watch=(254, 27), fanotify_init=(300, 262),
    # namespaces, mounts, and what else opens a wide surface of the kernel
    unshare=(272, 97), setns=(308, 268), mount=(165, 40), umount2=(166, 39), pivot_root=(155, 41), bpf=(321, 280),
    perf_event_open=(298, 241), userfaultfd=(323, 282), seccomp=(317, 277), modify_ldt=(154, None), syslog=(103, 116),
    # what root could do: without capabilities these fail anyway
    sethostname=(170, 161), setdomainname=(171, 162), settimeofday=(164, 170), clock_settime=(227, 112),
    clock_adjtime=(305, 266), adjtimex=(159, 171), swapon=(167, 224), swapoff=(168, 225), reboot=(169, 142),
    init_module=(175, 105), finit_module=(313, 273), delete_module=(176, 106), kexec_load=(246, 104), acct=(163, 89),
    quotactl=(179, 60), iopl=(172, None), ioperm=(173, None))
IGNORED = dict(  # "succeeds" and does nothing, so that shutil.copy works: modes and times of files, locks, flushing disks
    chmod=(90, None), fchmod=(91, 52), fchmodat=(268, 53), utime=(132, None), utimes=(235, None), futimesat=(261, None),
    utimensat=(280, 88), setxattr=(188, 5), lsetxattr=(189, 6), fsetxattr=(190, 7), removexattr=(197, 14),
    lremovexattr=(198, 15), fremovexattr=(199, 16), flock=(73, 32), sync=(162, 81), syncfs=(306, 267))
EPERM, ENOTTY, ENOSYS, SELF = 1, 25, 38, 0x7EADBEEF  # SELF stands for the script's own pid
ANY = 0xFFFFFFFF
LIMITED = dict(  # call: (numbers, which argument, bits of it that count, values that pass, error otherwise)
    clone=((56, 220), 0, 0x7E030000, [0x10000], EPERM),  # with CLONE_THREAD and without any CLONE_NEW...: threads only
    kill=((62, 129), 0, ANY, [SELF], EPERM),
    tgkill=((234, 131), 0, ANY, [SELF], EPERM),
    prlimit64=((302, 261), 0, ANY, [0, SELF], EPERM),
    socketpair_domain=((53, 199), 0, ANY, [socket.AF_UNIX], EPERM),
    socketpair_type=((53, 199), 1, 0xF, [socket.SOCK_STREAM], EPERM),  # a datagram one can send to any address
    prctl=((157, 167), 0, ANY, [3, 15, 16], EPERM),  # dumpable? name. Not PR_SET_PDEATHSIG, which ties us to the worker
    fcntl=((72, 25), 1, ANY, [*range(8), 36, 37, 38, 1030], EPERM),  # not F_SETOWN, F_SETSIG (SIGIO kills), F_SETLEASE
    ioctl=((16, 29), 1, ANY, [0x541B, 0x5421, 0x5450, 0x5451], ENOTTY))  # FIONREAD, FIONBIO, FIOCLEX, FIONCLEX


def seccomp_program() -> bytes:
    """The filter as instructions (code, jump if true, jump if false, operand) of classic BPF."""
    audit, column = ARCHITECTURE
    load, equal, at_least, mask, give = 0x20, 0x15, 0x35, 0x54, 0x06
    allow, error, kill_process = 0x7FFF0000, 0x50000, 0x80000000
    number, architecture, argument = 0, 4, lambda index: 16 + 8 * index  # offsets in what the kernel shows
    program = [(load, 0, 0, architecture), (equal, 1, 0, audit), (give, 0, 0, kill_process),  # int 0x80: other numbers
               # All newer calls at once, and x32: io_uring, clone3 (glibc goes back to clone), pidfd_*, openat2, ...
               (load, 0, 0, number), (at_least, 0, 1, 424), (give, 0, 0, error | ENOSYS)]
    for table, errno in ((REFUSED, EPERM), (IGNORED, 0)):
        numbers = [row[column] for row in table.values() if row[column] is not None]
        program += [(equal, len(numbers) - i, 0, n) for i, n in enumerate(numbers)]  # to the last line here
        program += [(equal, 0, 1, ANY), (give, 0, 0, error | errno)]  # no number is ANY: always jumps over the next
    for numbers, index, bits, passing, errno in LIMITED.values():
        checks = [(load, 0, 0, argument(index)), (mask, 0, 0, bits)]
        checks += [(equal, len(passing) - i, 0, value) for i, value in enumerate(passing)]
        checks += [(give, 0, 0, error | errno), (load, 0, 0, number)]  # a passing value jumps to the second
        program += [(equal, 0, len(checks), numbers[column]), *checks]
    return b"".join(struct.pack("HBBI", *line) for line in program + [(give, 0, 0, allow)])


def install_seccomp(program: bytes) -> None:
    program = program.replace(struct.pack("I", SELF), struct.pack("I", os.getpid()))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    call("prctl", 22, 2, header, 0, 0)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


# ---- the script's process --------------------------------------------------------------------------------------------

def lock_in(timeout: float, settings: dict) -> None:
    """The layers that belong to one process. After the last line only the script's own memory and scratch are left."""
    call("prctl", 1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: die with the worker
    if os.getppid() != settings["worker"]:  # which died before we asked
        os._exit(1)
    call("prctl", 4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: no core dump, not even into a program of the system
    if settings["rules"] is not None:
        landlock_restrict(settings["rules"])
    os.closerange(4, MAX_FILES)  # 0, 1, 2 are memory files, 3 is the pipe that says "ready"
    if "rlimits" not in settings["disable"]:
        set_limits(timeout, settings["warm_bytes"] + (settings["memory_mb"] << 20), settings["file_mb"])
    if "caps" not in settings["disable"]:
        drop_capabilities()
    if settings["program"]:
        install_seccomp(settings["program"])
    else:
        os.setsid()  # the script may have children: the worker will kill the whole group


def set_seed(seed: int | None) -> None:
    """Fresh random state: a fork inherits its parent's. With a seed, `random` and numpy repeat (os.urandom does not)."""
    random.seed(seed)
    if "numpy.random" in sys.modules:
        state = random.Random(seed)
        sys.modules["numpy.random"].seed(state.getrandbits(32))
        if seed is not None:
            sys.modules["numpy.random.bit_generator"].randbits = state.getrandbits  # default_rng() asks this for a seed


def open_streams() -> None:
    """As with `python -u`: each print is in the memory file at once, and survives a kill."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace")
    for fd, name in ((1, "stdout"), (2, "stderr")):
        stream = io.TextIOWrapper(io.FileIO(fd, "w"), "utf-8", errors="backslashreplace", write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def run_script(source: str, exit_now=os._exit, join_threads=threading._shutdown, at_exit=atexit._run_exitfuncs) -> None:
    """What `python main.py` does, to the end of the process. The defaults are bound before a script can replace them."""
    main = types.ModuleType("__main__")
    main.__file__ = "main.py"
    sys.modules["__main__"], sys.argv = main, ["main.py"]
    linecache.cache["main.py"] = (len(source), None, source.splitlines(True), "main.py")  # tracebacks show the lines
    sys.excepthook = traceback.print_exception
    status = 1
    try:
        try:
            exec(compile(source, "main.py", "exec", dont_inherit=True), main.__dict__)
            status = 0
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            if not isinstance(stop.code, int | None):
                print(stop.code, file=sys.stderr)
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__.tb_next)
        join_threads()
        at_exit()
        for name in [name for name in main.__dict__ if name != "__builtins__"]:
            main.__dict__[name] = None  # runs what is left of __del__
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except BaseException:
        status = status or 120
        try:
            traceback.print_exc()
        except BaseException:
            pass  # the script broke sys.stderr: nobody is left to tell
    finally:
        exit_now(status & 255)


def child(files: list[int], ready: int, timeout: float, seed: int | None, settings: dict) -> None:
    """The forked process; never returns. Until it has written "ready", which no script can do for it, a failure is ours."""
    os.dup2(ready, 3)  # over the socket to the trainer: nothing of the worker's stays open
    try:
        with open(files[0], "rb") as file:
            source = file.read().decode("utf-8", "surrogatepass")
        for target, fd in enumerate(files[1:]):
            os.dup2(fd, target)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.chdir(settings["scratch"])
        lock_in(timeout, settings)
        open_streams()
        set_seed(seed)
        gc.enable()
        os.write(3, b"ready")
        os.close(3)
    except BaseException as error:
        os.write(3, f"the script's process failed before the script: {error!r}".encode()[:1000])
        os._exit(1)
    run_script(source)


# ---- the worker: a fork server ---------------------------------------------------------------------------------------

MAX_FILES = 256  # descriptors of a worker, hence what a child has to close


def attempt(layer: Callable[[], object]) -> str | None:
    """Tries a layer in a process of its own, because half a namespace cannot be left again. Returns why it fails."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            layer()
        except BaseException as error:
            os.write(write_end, str(error).encode()[:1000])
        os._exit(0)
    os.close(write_end)
    os.waitpid(pid, 0)
    with open(read_end, "rb") as file:
        return file.read().decode() or None


def share_page_tables(maps: str) -> None:
    """Collapses the warm heap into huge pages (Linux 6.1): a fork copies page tables, and that is most of its time."""
    libc.madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for line in maps.splitlines():
        span, access, _, _, inode, *name = line.split()
        start, end = (int(address, 16) for address in span.split("-"))
        if access == "rw-p" and inode == "0" and end - start >= 2 << 20 and name != ["[stack]"]:
            libc.madvise(start, end - start, 25)  # MADV_COLLAPSE; where the kernel cannot, nothing changes


def overfull(scratch: str, disk_mb: int) -> bool:
    """Whether more than disk_mb or 4096 files are there. A tree too deep to be walked counts as full."""
    size = count = 0
    directories = [scratch]
    while directories:
        try:
            for entry in os.scandir(directories.pop()):
                count += 1
                size += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    directories.append(entry.path)
                if count > 4096 or size > disk_mb << 20:
                    return True
        except FileNotFoundError:
            pass  # deleted while we looked
        except OSError:
            return True
    return False


def remove(directory: str) -> None:
    """rm, not shutil.rmtree: that one recurses once per level. A script can make directories which deny access."""
    subprocess.run(["sh", "-c", 'chmod -R u+rwx "$0"; rm -rf "$0"', directory], stderr=subprocess.DEVNULL)


def serve(settings: dict) -> None:
    """Main of a worker: builds what all its scripts share, then forks one child per request until the trainer is gone."""
    os.dup2(0, 3)
    control, null = socket.socket(fileno=3), os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_FILES, MAX_FILES))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # to be waited for, with a deadline
    proc = os.open("/proc/self", os.O_PATH)  # the private root has no /proc

    def read_proc(name: str) -> str:
        with open(os.open(name, os.O_RDONLY, dir_fd=proc)) as file:
            return file.read()

    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # where memory runs out, a script dies before the trainer
    layers = {}

    def works(name: str, layer: Callable[[], object]) -> bool:
        reason = "switched off" if name in settings["disable"] else attempt(layer)
        layers[name] = reason or True
        return reason is None

    private, scratch = works("namespaces", lambda: enter_private_root(settings["disk_mb"])), HOME
    if private:
        enter_private_root(settings["disk_mb"])
    else:
        scratch = tempfile.mkdtemp(prefix="sandbox-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        tempfile.tempdir = None  # computed anew by each script, from TMPDIR
    os.environ.update(HOME=scratch, TMPDIR=scratch)
    sys.path.insert(0, scratch)  # a script may import what it wrote
    call("prctl", 38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS: what Landlock and seccomp ask of a process without root
    program = seccomp_program() if ARCHITECTURE else b""
    if not works("seccomp", lambda: install_seccomp(program)):
        program = b""
    rules = None
    if works("landlock", lambda: landlock_restrict(landlock_rules(scratch)[1])):
        layers["landlock"], rules = landlock_rules(scratch)

    missing = {}
    for name in settings["preload"]:
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing[name] = str(error)
    threads = len(os.listdir(os.open("task", os.O_RDONLY, dir_fd=proc)))
    assert threads == 1, f"the preloaded modules start threads ({threads - 1}), which no fork can copy"
    gc.collect()
    gc.freeze()  # the collector leaves the warm objects alone: a page that nobody writes to stays shared
    gc.disable()
    share_page_tables(read_proc("maps"))
    settings |= dict(scratch=scratch, rules=rules, program=program, worker=os.getpid(),
                     warm_bytes=int(read_proc("statm").split()[0]) * resource.getpagesize())
    control.send(json.dumps(dict(layers=layers, missing=missing, scratch=None if private else scratch)).encode())
    try:
        while True:
            message, files, _, _ = socket.recv_fds(control, 4096, 4)
            if not message:
                break
            answer = run_child(files, *json.loads(message), control, settings)
            if os.listdir(scratch):
                if private:
                    call("umount2", scratch.encode(), 2)
                    mount_scratch(settings["disk_mb"])
                else:
                    remove(scratch)
                    os.mkdir(scratch, 0o700)
                if rules is not None:  # they hold on to the directory that is gone
                    os.close(rules)
                    rules = settings["rules"] = landlock_rules(scratch)[1]
            control.send(json.dumps(answer).encode())
    except BrokenPipeError:
        pass  # the trainer is gone
    finally:
        if not private:
            remove(scratch)


def run_child(files: list[int], timeout: float, seed: int | None, control: socket.socket, settings: dict) -> dict:
    """Forks, waits until the deadline, kills, reaps. The script has no part in any of it."""
    read_end, write_end = os.pipe()
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        child(files, write_end, timeout, seed, settings)
    for fd in (*files, write_end):
        os.close(fd)
    killed = late = False
    while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        late = time.monotonic() >= start + timeout
        full = settings["scratch"] != HOME and overfull(settings["scratch"], settings["disk_mb"])
        if late or full or select.select([control], [], [], 0)[0]:  # readable: the trainer is gone
            os.kill(pid, signal.SIGKILL)
            break
        signal.sigtimedwait([signal.SIGCHLD], min(0.1, max(0, start + timeout - time.monotonic())))
    if not settings["program"]:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    wall = time.monotonic() - start
    with open(read_end, "rb") as file:
        report = file.read(4096).decode()
    cpu, code = usage.ru_utime + usage.ru_stime, os.waitstatus_to_exitcode(status)
    late = late or code == -signal.SIGKILL and cpu > timeout  # by RLIMIT_CPU
    error = None if late or report == "ready" else report or f"the script's process died before the script ({code})"
    return dict(error=error, late=late, code=code, wall=wall, cpu=cpu, rss_mb=usage.ru_maxrss / 1024)


# ---- the trainer's side ----------------------------------------------------------------------------------------------

# As `python -P`, which Python 3.10 lacks: the directory of this file, with all its answers, is not on the path.
START = "import sys; del sys.path[0], sys.argv[0]; import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"


def start_python(role: str, settings: dict, **streams: object) -> subprocess.Popen:
    """Starts this file as a worker, by exec: the trainer, with its threads and its GPU, is never forked."""
    command = [sys.executable, "-s", "-c", START, os.path.abspath(__file__), role, json.dumps(settings)]
    return subprocess.Popen(command, env=ENVIRONMENT, cwd="/", start_new_session=True, **streams)


def memory_file(content: bytes = b"") -> io.FileIO:
    file = io.FileIO(os.memfd_create("sandbox"), "r+")
    file.write(content)
    file.seek(0)
    return file


def make_result(answer: dict, stdout: int, stderr: int, max_output: int) -> Result:
    code, sizes = answer["code"], [os.fstat(fd).st_size for fd in (stdout, stderr)]
    status = "timeout" if answer["late"] else "signal" if code < 0 else "error" if code else "ok"
    out, err = os.pread(stdout, max_output, 0), os.pread(stderr, max_output, max(0, sizes[1] - max_output))
    return Result(status, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), code,
                  max(sizes) > max_output, answer["wall"], answer["cpu"], answer["rss_mb"])


class Worker:
    """The trainer's end of one fork server."""

    def __init__(self, settings: dict) -> None:
        self.settings, self.layers, self.process = settings, None, None
        self.start()

    def start(self) -> None:
        """Returns at once; `ready` waits for the warm-up."""
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log, self.hello = memory_file(), None
        with theirs:
            self.process = start_python("--worker", self.settings, stdin=theirs, stdout=subprocess.DEVNULL, stderr=self.log)

    def ready(self) -> None:
        if self.process is None:
            self.start()
        if self.hello is None:
            self.hello = self.receive(timeout=120)
            if self.layers not in (None, self.hello["layers"]):
                raise SandboxError(f"a new worker has other layers: {self.hello['layers']} instead of {self.layers}")
            self.layers = self.hello["layers"]

    def receive(self, timeout: float) -> dict:
        self.control.settimeout(timeout)
        message = self.control.recv(1 << 16)
        if not message:
            words = os.pread(self.log.fileno(), 1 << 16, 0).decode("utf-8", "replace").split("\n")
            raise SandboxError(f"a worker died: {' '.join(words[-2:]).strip() or 'killed'}")
        return json.loads(message)

    def run(self, code: bytes, stdin: bytes, timeout: float, seed: int | None, max_output: int) -> Result:
        """One script, in four memory files: the worker passes them on and holds nothing that a later script could find."""
        self.ready()
        with memory_file(code) as source, memory_file(stdin) as given, memory_file() as stdout, memory_file() as stderr:
            files = [file.fileno() for file in (source, given, stdout, stderr)]
            socket.send_fds(self.control, [json.dumps([timeout, seed]).encode()], files)
            answer = self.receive(timeout + 10)
            if answer["error"]:
                raise SandboxError(answer["error"])
            return make_result(answer, *files[2:], max_output)

    def stop(self) -> None:
        """The worker leaves when its socket ends, with its script, within 0.2 s."""
        if self.process is None:
            return
        self.control.close()
        self.log.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        if self.hello and self.hello["scratch"]:
            remove(self.hello["scratch"])  # what a killed worker could not remove


class PlainWorker:
    """macOS, for development: a new interpreter for each script, rlimits, its process group killed at the end."""

    def __init__(self, settings: dict) -> None:
        self.settings, self.hello = settings, dict(missing={})
        self.layers = dict.fromkeys(("seccomp", "landlock", "namespaces"), f"{sys.platform} has no such thing")

    def ready(self) -> None:
        pass

    def run(self, code: bytes, stdin: bytes, timeout: float, seed: int | None, max_output: int) -> Result:
        with (tempfile.TemporaryDirectory(prefix="sandbox-") as scratch, tempfile.TemporaryFile() as given,
              tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr):
            with open(os.path.join(scratch, "main.py"), "wb") as file:
                file.write(code)
            given.write(stdin)
            given.seek(0)
            start = time.monotonic()
            job = self.settings | dict(scratch=scratch, timeout=timeout, seed=seed)
            process = start_python("--plain", job, stdin=given, stdout=stdout, stderr=stderr)
            pid = 0
            while not pid and time.monotonic() < start + timeout:
                time.sleep(0.005)
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            late = not pid
            if late:
                _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            answer = dict(late=late, code=process.returncode, wall=time.monotonic() - start,
                          cpu=usage.ru_utime + usage.ru_stime, rss_mb=usage.ru_maxrss / 2**20)  # macOS counts bytes
            return make_result(answer, stdout.fileno(), stderr.fileno(), max_output)

    def stop(self) -> None:
        pass


def run_plain(settings: dict) -> None:
    """Main of a process that runs one script and has no layer but rlimits."""
    os.chdir(settings["scratch"])
    os.environ.update(HOME=settings["scratch"], TMPDIR=settings["scratch"])
    sys.path.insert(0, settings["scratch"])
    set_limits(settings["timeout"], resource.RLIM_INFINITY, settings["file_mb"])
    open_streams()
    set_seed(settings["seed"])
    with open("main.py", encoding="utf-8", errors="surrogatepass") as file:
        source = file.read()
    run_script(source)


class Sandbox:
    """Runs scripts in confinement, `workers` at a time (default: one per core; more makes false timeouts). Thread-safe.

    timeout: seconds of wall time. memory_mb: for the script, beyond the warm libraries. max_output: bytes kept of stdout
    and of stderr. file_mb: largest file. disk_mb: all files in the scratch directory. preload: modules to hold warm; those
    that are not installed are listed in `missing`. disable: layers to leave out, for tests. Raises SandboxError on a
    machine that cannot confine scripts."""

    def __init__(self, workers: int | None = None, timeout: float = 5.0, memory_mb: int = 512, max_output: int = 65536,
                 file_mb: int = 16, disk_mb: int = 64, preload: Sequence[str] = PRELOAD, allow_weak: bool = False, *,
                 disable: Sequence[str] = ()) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self.workers, self.timeout, self.max_output, self.closed = workers or cores, timeout, max_output, False
        settings = dict(memory_mb=memory_mb, file_mb=file_mb, disk_mb=disk_mb, preload=list(preload), disable=list(disable))
        kind = Worker if sys.platform == "linux" else PlainWorker
        self.pool = ThreadPoolExecutor(self.workers, thread_name_prefix="sandbox")
        self.idle: queue.LifoQueue[Worker | PlainWorker | None] = queue.LifoQueue()
        team = [kind(settings) for _ in range(self.workers)]
        for worker in team:
            self.idle.put(worker)
        try:
            for worker in team:
                worker.layers = worker.layers or team[0].layers  # all alike, now and after a restart
                worker.ready()
            self.layers: dict[str, bool | int | str] = team[0].layers  # True, an ABI version, or why it is missing
            self.missing: dict[str, str] = team[0].hello["missing"]
            self.check(allow_weak)
        except BaseException:
            self.close()
            raise

    def check(self, allow_weak: bool) -> None:
        """Raises SandboxError where too few layers protect this machine; warns instead with `allow_weak`."""
        has = {name: not isinstance(value, str) for name, value in self.layers.items()}
        harm = [] if has["seccomp"] else ["start processes that outlive them, signal yours, and use the network"]
        harm += [] if has["landlock"] or has["namespaces"] else ["read and change every file that you can"]
        if harm:
            text = f"scripts can {' and '.join(harm)} ({self.describe_layers()})"
            if not allow_weak:
                raise SandboxError(f"this machine cannot confine scripts: {text}; allow_weak=True runs them even so")
            warnings.warn(f"weak sandbox: {text}", RuntimeWarning, stacklevel=3)

    def describe_layers(self) -> str:
        """One line for a log."""
        names = dict(seccomp="seccomp", landlock="Landlock", namespaces="private root and network")
        there = [f"{names[name]}{f' {value}' if type(value) is int else ''}"
                 for name, value in self.layers.items() if not isinstance(value, str)]
        lacking = [f"no {names[name]} ({value})" for name, value in self.layers.items() if isinstance(value, str)]
        lacking += [f"no {name}" for name in self.missing if "." not in name]
        return f"sandbox: {', '.join(there + lacking)}; {self.workers} workers"

    def run(self, code: str, stdin: str = "", timeout: float | None = None, seed: int | None = None) -> Result:
        """Runs one script; waits for a free worker first. `timeout` in seconds, counted from the script's own start. With a
        seed, `random` and numpy give the same numbers each time; without one, never. Any failure of a script is a
        Result; raises only for misuse."""
        timeout = self.timeout if timeout is None else timeout
        if not 0 < timeout < 1e6:
            raise ValueError(f"timeout must be a positive number of seconds, got {timeout}")
        if not isinstance(seed, int | None):
            raise TypeError(f"seed must be an int or None, got {seed!r}")
        source, given = code.encode("utf-8", "surrogatepass"), stdin.encode("utf-8", "surrogatepass")
        worker = self.idle.get()
        try:
            if worker is None:
                raise RuntimeError("this sandbox is closed")
            return worker.run(source, given, timeout, seed, self.max_output)
        except BaseException as error:
            if worker is None:
                raise
            worker.stop()  # it may be in the middle of something
            if not isinstance(error, Exception):
                raise  # KeyboardInterrupt
            with contextlib.suppress(OSError):
                worker.start()
            return Result("sandbox_error", "", f"{type(error).__name__}: {error}", -1, False, 0.0, 0.0, 0.0)
        finally:
            self.idle.put(worker)

    def submit(self, code: str, stdin: str = "", timeout: float | None = None, seed: int | None = None) -> Future:
        """`run` in the background: a Future of its Result."""
        return self.pool.submit(self.run, code, stdin, timeout, seed)

    def map(self, codes: Iterable[str], stdin: str = "", timeout: float | None = None,
            seed: int | None = None) -> list[Result]:
        """Results of many scripts, in their order; the other arguments are the same for all."""
        return [future.result() for future in [self.submit(code, stdin, timeout, seed) for code in codes]]

    def close(self) -> None:
        """Waits for the scripts that are running, cancels those that are not, ends the workers."""
        if not self.closed:
            self.closed = True
            self.pool.shutdown(cancel_futures=True)
            for worker in [self.idle.get() for _ in range(self.workers)]:
                worker.stop()
            self.idle.put(None)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


# ---- self-test and command line --------------------------------------------------------------------------------------

def self_test(sandbox: Sandbox) -> str:
    """Runs a few scripts, honest and not, about a second in all. Returns one sentence, or raises SandboxError with one."""
    has = {name: not isinstance(value, str) for name, value in sandbox.layers.items()}
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as secret:
        secret.write("the secret")
        secret.flush()
        tests = [("print an answer", True, "print(6 * 7)", ("ok", "42\n")),
                 ("keep what an endless loop printed", True, "print(1, end='')\nwhile True: pass", ("timeout", "1")),
                 ("report an exception", True, "print(1 / 0)", ("error", "")),
                 ("limit memory", "limits", "print(len(bytes(1 << 36)))", ("error", "")),
                 ("refuse a process", has["seccomp"], "import os\nprint(os.fork())", ("error", "")),
                 ("refuse a socket", has["seccomp"], "import socket\nprint(socket.socket())", ("error", "")),
                 ("hide a file", has["landlock"] or has["namespaces"], f"print(open({secret.name!r}).read())", ("error", "")),
                 ("work after all that", True, "print(6 * 7)", ("ok", "42\n"))]
        for what, applies, code, expected in tests:
            result = sandbox.run(code, timeout=0.3 if "while" in code else 10)
            if applies and (result.status, result.stdout) != expected:
                raise SandboxError(f"the sandbox's self-test failed: it should {what}, but got {result}")
    return f"the sandbox's self-test passed ({len(tests)} scripts)"


def main() -> None:
    if sys.argv[1:2] in (["--worker"], ["--plain"]):
        return (serve if sys.argv[1] == "--worker" else run_plain)(json.loads(sys.argv[2]))
    parser = argparse.ArgumentParser(description="Runs a Python file in the sandbox; without one, tests this machine.")
    parser.add_argument("file", nargs="?", help="the script")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds")
    parser.add_argument("--stdin", action="store_true", help="pass on standard input")
    parser.add_argument("--allow-weak", action="store_true", help="go on where the machine cannot confine scripts")
    args = parser.parse_args()
    try:
        with Sandbox(workers=1, timeout=args.timeout, allow_weak=args.allow_weak) as sandbox:
            if args.file is None:
                print(sandbox.describe_layers())
                return print(self_test(sandbox))
            with open(args.file, encoding="utf-8") as file:
                code = file.read()
            result = sandbox.run(code, stdin=sys.stdin.read() if args.stdin else "")
    except (OSError, SandboxError) as error:
        sys.exit(f"sandbox.py: {error}")
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    if result.status not in ("ok", "error"):
        sys.stderr.write(f"sandbox.py: {result.status} after {result.wall:.1f} s (exit code {result.exit_code})\n")
    sys.exit(result.exit_code if result.exit_code >= 0 else 128 - result.exit_code)


if __name__ == "__main__":
    main()
