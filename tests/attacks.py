"""The scripts that the sandbox is tried with: ATTACKS and HONEST, and the Arena in which an attack is judged.

    python tests/attacks.py [NAME ...]                     judge attacks and run honest scripts: all, or these
    python tests/attacks.py --without seccomp,thread_gate NAME    ... with layers taken away

An attack holds when it comes back in time, prints no secret and no BREACH (its own word for success), leaves
no process, when the victim, the caller, the files and the listeners around it are as before, and when the
next script prints 42. Attacks know the functions of PRELUDE, and by name what there is to attack
(SECRET_FILE, VICTIM, ...); MARK becomes a word that shows where something came from. What is sent to many
processes at once is a harmless signal, SIGURG, and the victim notices.

Nor may an attack that gets out, where a layer is missing, harm the machine: outside of the arena it creates
files with MARK in their names, which are taken away afterwards, and changes nothing else. Some would still
take all its processes or memory: where they would get out, only those run that are named.
"""
import argparse
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
from sandbox import LAYERS, PRELOAD, Sandbox

PRELUDE = """
import ctypes, errno, mmap, os, signal, socket, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
ARM = os.uname().machine == "aarch64"
def number(x86, arm): return arm if ARM else x86
def breach(*words): print("BREACH", *words, flush=True)
def refused(what, numbers, *arguments):
    "Makes a system call that has to fail."
    nr = number(*numbers) if isinstance(numbers, tuple) else numbers
    if nr is None: return
    result = libc.syscall(nr, *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result != -1: breach(what, result)
def fails(what, function, *arguments):
    "Calls what has to raise."
    try: result = function(*arguments)
    except (OSError, ValueError, MemoryError, RuntimeError, OverflowError, ImportError): return
    breach(what, result)
"""

ATTACKS, HANGS = {}, set()


def attack(name: str, code: str, hangs: bool = False) -> None:
    """`hangs`: this one uses its whole time."""
    ATTACKS[name] = code
    if hangs:
        HANGS.add(name)


# ---- time -------------------------------------------------------------------------------------------------

attack("infinite_loop", "while True: pass", hangs=True)
attack("sleep_ignoring_signals", """
for s in range(1, 65):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: time.sleep(100)""", hangs=True)
attack("masks_all_signals", """
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True: time.sleep(100)""", hangs=True)
attack("swallows_exceptions", """
while True:
    try:
        while True: pass
    except BaseException: pass""", hangs=True)
attack("bigint_power", "print(len(str(10 ** 10 ** 9)))", hangs=True)
attack("regex_bomb", "import re\nprint(re.match('(a+)+$', 'a' * 64 + 'b'))", hangs=True)
attack("sigstop_self", "os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(100)", hangs=True)
attack("stop_by_tty_signals", "os.kill(os.getpid(), signal.SIGTSTP)\ntime.sleep(100)", hangs=True)
attack("threads_left", "threading.Thread(target=time.sleep, args=(100,)).start()\nprint('done')", hangs=True)
attack("atexit_hang", "import atexit\natexit.register(time.sleep, 100)", hangs=True)
attack("finalizer_hang", """
class Tail:
    def __del__(self): time.sleep(100)
tail = Tail()""", hangs=True)
attack("main_thread_exits_alone", """
threading.Thread(target=time.sleep, args=(100,)).start()
libc.syscall(number(60, 93), 0)""", hangs=True)
attack("stdin_deadlock", "if sys.stdin.read(): breach('input')\nos.read(0, 1)")
attack("deadline_handler", """
signal.signal(signal.SIGXCPU, lambda *_: time.sleep(100))
time.sleep(100)""", hangs=True)
attack("signal_storm", """
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)
while True: pass""", hangs=True)
attack("slow_excepthook", "sys.excepthook = lambda *_: time.sleep(100)\n1 / 0", hangs=True)
attack("slow_to_print", """
class Loud(Exception):
    def __str__(self): time.sleep(100)
raise Loud""", hangs=True)

# ---- processes --------------------------------------------------------------------------------------------

attack("fork_bomb", """
def bomb(depth):
    for _ in range(2):
        if depth and os.fork() == 0:
            bomb(depth - 1); time.sleep(8); os._exit(0)
bomb(8)""")
attack("daemon_double_fork", """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(30)
    os._exit(0)""")
attack("daemon_keeps_stdout", "if os.fork() == 0:\n    os.setsid(); time.sleep(30)\n    os._exit(0)")
attack("raw_fork_calls", """
clone3 = struct.pack("8Q", 0, 0, 0, 0, 17, 0, 0, 0)
for what, numbers, arguments in (
        ("fork", (57, None), ()), ("vfork", (58, None), ()), ("clone", (56, 220), (17, 0, 0, 0, 0)),
        ("with my parent", (56, 220), (0x8011, 0, 0, 0, 0)), ("clone3", (435, 435), (clone3, 64))):
    nr = number(*numbers)
    if nr is None: continue
    pid = libc.syscall(nr, *arguments)
    if pid == 0: time.sleep(30); os._exit(0)
    if pid > 0: breach(what)""")
attack("subprocess_background", "subprocess.Popen(['/bin/bash', '-c', 'exec -a MARK sleep 30 &'])")
attack("every_way_to_spawn", """
import multiprocessing, pty
if os.system("true") == 0: breach("system")
fails("popen", os.popen, "true")
fails("spawn", os.posix_spawn, "/bin/sleep", ["MARK", "30"], {})
fails("forkpty", pty.fork)
fails("process", multiprocessing.Process(target=time.sleep, args=(30,)).start)
fails("pool", multiprocessing.Pool, 2)""")
attack("exec_replace", """
for program in ("/bin/sh", "/usr/bin/env", "/bin/sleep", sys.executable, "/lib64/ld-linux-x86-64.so.2"):
    fails("exec", os.execv, program, ["MARK", "30"])
fails("exec of a descriptor", os.execve, 0, ["MARK"], {})""")
attack("exec_from_memory", """
refused("memfd", (319, 279), b"MARK", 0)
with open("program", "wb") as file: file.write(b"#!/bin/sh\\nsleep 30\\n")
os.chmod("program", 0o755)
fails("script", os.execv, "./program", ["MARK"])
refused("execveat", (322, 281), os.open("program", os.O_RDONLY), b"", None, None, 0x1000)""")
attack("thread_bomb", """
try:
    for _ in range(2000): threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
    breach("2000 threads")
except RuntimeError as error: print(error)
os._exit(0)""")
attack("kill_everything", """
for target in (-1, 0):
    for s in (signal.SIGURG, signal.SIGWINCH, signal.SIGCONT): fails("kill", os.kill, target, s)
fails("killpg", os.killpg, os.getpgrp(), signal.SIGURG)
fails("killpg of the victim", os.killpg, os.getpgid(VICTIM), signal.SIGURG)""")
attack("kill_parent", """
parent = os.getppid()
if parent != CALLER:
    for s in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP): fails("kill", os.kill, parent, s)
    refused("tgkill", (234, 131), parent, parent, 9)
    refused("tkill", (200, 130), parent, 9)
else: fails("kill", os.kill, parent, signal.SIGURG)""")
attack("kill_victim", """
fails("kill", os.kill, VICTIM, signal.SIGURG)
refused("tgkill", (234, 131), VICTIM, VICTIM, 23)
refused("tkill", (200, 130), VICTIM, 23)
info = struct.pack("iiii", 23, 0, -1, os.getpid()) + bytes(112)
refused("sigqueue", (129, 138), VICTIM, 23, info)
refused("tgsigqueue", (297, 240), VICTIM, VICTIM, 23, info)
fd = libc.syscall(434, VICTIM, 0)
if fd >= 0: breach("pidfd_open", libc.syscall(424, fd, 23, None, 0))
fails("caller", os.kill, CALLER, signal.SIGURG)""")
attack("kill_by_sigio", """
import fcntl
a, b = socket.socketpair()
fails("F_SETOWN", fcntl.fcntl, a, 8, VICTIM)
fails("F_SETSIG", fcntl.fcntl, a, 10, 23)
fails("F_SETOWN_EX", fcntl.fcntl, a, 15, struct.pack("ii", 1, VICTIM))
fails("FIOSETOWN", fcntl.ioctl, a, 0x8901, struct.pack("i", VICTIM))
fails("SIOCSPGRP", fcntl.ioctl, a, 0x8902, struct.pack("i", VICTIM))
fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC)
b.send(b"x")""")
attack("timer_into_victim", """
event = struct.pack("QiiI", 0, 23, 4, VICTIM) + bytes(44)   # SIGEV_THREAD_ID
out = ctypes.c_int()
refused("timer_create", (222, 107), 1, event, ctypes.byref(out))""")
attack("victims_limits", """
import resource
fails("prlimit", resource.prlimit, VICTIM, resource.RLIMIT_CPU, (1, 1))
fails("prlimit of the caller", resource.prlimit, CALLER, resource.RLIMIT_NOFILE, (3, 3))
fails("prlimit of the parent", resource.prlimit, os.getppid(), resource.RLIMIT_NOFILE, (3, 3))
fails("renice", os.setpriority, os.PRIO_PROCESS, VICTIM, 19)
fails("renice user", os.setpriority, os.PRIO_USER, 0, 19)
fails("renice group", os.setpriority, os.PRIO_PGRP, os.getpgid(VICTIM), 19)
fails("affinity", os.sched_setaffinity, VICTIM, {0})
fails("scheduler", os.sched_setscheduler, VICTIM, os.SCHED_IDLE, os.sched_param(0))
refused("setattr", (314, 274), VICTIM, struct.pack("IIQiIQQQ", 48, 5, 0, 0, 0, 0, 0, 0), 0)
refused("ioprio", (251, 30), 1, VICTIM, 3 << 13)
refused("core scheduling", (157, 167), 62, 2, VICTIM, 0, 0)
fails("group", os.setpgid, VICTIM, VICTIM)
fails("oom", lambda: open(f"/proc/{VICTIM}/oom_score_adj", "w").write("1000"))""")
attack("ptrace_victim", """
for target in (VICTIM, CALLER, os.getppid()):
    for request in (16, 0x4206): refused("ptrace", (101, 117), request, target, 0, 0)
    fails("mem", open, f"/proc/{target}/mem", "rb")
    fails("maps", open, f"/proc/{target}/maps")
buffer = ctypes.create_string_buffer(4096)
local = struct.pack("QQ", ctypes.addressof(buffer), 4096)
remote = struct.pack("QQ", VICTIM_ADDRESS, 4096)
refused("readv", (310, 270), VICTIM, local, 1, remote, 1, 0)
refused("writev", (311, 271), VICTIM, local, 1, remote, 1, 0)
refused("traceme", (101, 117), 0, 0, 0, 0)""")
attack("inspect_victim", """
for name in ("environ", "cmdline", "status", "stack", "syscall", "auxv", "io"):
    fails(name, lambda: open(f"/proc/{VICTIM}/{name}", "rb").read())
for name in ("fd", "fdinfo", "task", "ns"): fails(name, os.listdir, f"/proc/{VICTIM}/{name}")
out = ctypes.c_void_p(), ctypes.c_size_t()
refused("robust list", (274, 100), VICTIM, ctypes.byref(out[0]), ctypes.byref(out[1]))
refused("kcmp", (312, 272), VICTIM, VICTIM, 0, 0, 0)
page, node, status = ctypes.c_void_p(VICTIM_ADDRESS & -4096), ctypes.c_int(0), ctypes.c_int()
refused("move_pages", (279, 239), VICTIM, 1, ctypes.byref(page), None, ctypes.byref(status), 0)
nodes = ctypes.byref(ctypes.c_ulong(1))
refused("migrate_pages", (256, 238), VICTIM, 8, nodes, nodes)
refused("pidfd_getfd", 438, 0, 0, 0)
refused("process_madvise", 440, 0, None, 0, 0, 0)
attribute = struct.pack("II", 1, 128) + bytes(120)
refused("perf", (298, 241), attribute, VICTIM, -1, -1, 0)""")
attack("own_priority", """
fails("nice", os.setpriority, os.PRIO_PROCESS, 0, -20)
fails("realtime", os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))
refused("ioprio", (251, 30), 1, 0, 1 << 13)""")
attack("outlives_its_worker", """
refused("PR_SET_PDEATHSIG", (157, 167), 1, 0, 0, 0, 0)
refused("PR_SET_CHILD_SUBREAPER", (157, 167), 36, 1, 0, 0, 0)
refused("PR_SET_DUMPABLE", (157, 167), 4, 1, 0, 0, 0)
refused("PR_SET_PTRACER", (157, 167), 0x59616d61, -1, 0, 0, 0)
refused("PR_SET_MM", (157, 167), 35, 8, 0, 0, 0)
for new in ((0, 0, 0), (65534, 65534, 65534)):
    try: os.setresuid(*new)
    except OSError: pass
out = ctypes.c_int()
libc.prctl(2, ctypes.byref(out), 0, 0, 0)
if out.value not in (0, 9): breach(out.value)""")

# ---- memory and crashes -----------------------------------------------------------------------------------

attack("memory_bomb", "hoard = []\nfor _ in range(48): hoard.append(b'x' * (32 << 20))\nbreach('1.5 GiB')")
attack("mapping_bomb", """
hoard = []
for flags in (mmap.MAP_SHARED, mmap.MAP_PRIVATE):
    try:
        for _ in range(48):
            hoard.append(mmap.mmap(-1, 32 << 20, flags | mmap.MAP_ANONYMOUS)); hoard[-1][::4096] = bytes(8192)
        breach("1.5 GiB")
    except (OSError, ValueError) as error: print(error)""")
attack("object_bomb", "hoard = []\nwhile True: hoard.append([hoard, {}, object(), bytearray(10000)])")
attack("doubling_string", "text = 'x'\nwhile True: text += text")
attack("thread_memory_bomb", """
def eat():
    try:
        hoard = [bytearray(8 << 20) for _ in range(200)]
        breach("1.6 GiB")
    except MemoryError: pass
for t in [threading.Thread(target=eat) for _ in range(4)]: t.start()""")
attack("shared_memory_bomb", """
from multiprocessing import shared_memory
fails("shm", shared_memory.SharedMemory, "MARK", True, 1 << 30)
fails("memfd", os.memfd_create, "MARK")
refused("memfd_secret", 447, 0)
for directory in ("/run", "/var/tmp", "/run/shm"): fails(directory, open, directory + "/MARK", "w")""")
attack("pipe_and_socket_memory", """
import fcntl
try:
    hoard = []
    while True:
        r, w = os.pipe(); hoard += [r, w]
        fails("pipe size", fcntl.fcntl, w, 1031, 1 << 24)
        os.set_blocking(w, False)
        try:
            while True: os.write(w, bytes(65536))
        except BlockingIOError: pass
except OSError as error: print(len(hoard), error)""")
attack("raise_own_limits", """
import resource
for name in ("AS", "CPU", "FSIZE", "NOFILE", "CORE"):
    kind = getattr(resource, "RLIMIT_" + name)
    limit = resource.getrlimit(kind)[1]
    if limit == resource.RLIM_INFINITY: breach(name, "is infinite")
    fails(name, resource.setrlimit, kind, (limit + 1, limit + 1))
    fails(name, resource.setrlimit, kind, (resource.RLIM_INFINITY,) * 2)
    fails(name, resource.prlimit, os.getpid(), kind, (resource.RLIM_INFINITY,) * 2)
for name in ("oom_score_adj", "oom_adj", "timerslack_ns", "coredump_filter"):
    fails(name, lambda: open(f"/proc/self/{name}", "w").write("-17"))""")
attack("deep_recursion", "sys.setrecursionlimit(10 ** 9)\ndef f(n): return f(n + 1) + 1\nf(0)")
attack("nested_source", """
for text in ("(" * 100000 + ")" * 100000, "-" * 100000 + "1", "[" * 80 + "]" * 80, "f(" * 5000):
    try: eval(text)
    except (SyntaxError, MemoryError, RecursionError): pass""")
attack("nested_data", """
deep = []
for _ in range(1000000): deep = [deep]
print(len(repr(deep)))""")
attack("segfault", "ctypes.string_at(0)")
attack("abort", "import faulthandler\nfaulthandler.enable()\nos.abort()")
attack("illegal_instruction", """
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\\x0f\\x0b" if not ARM else bytes(4))
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()""")
attack("corrupts_the_interpreter", "ctypes.memset(id(None), 255, 4096)\nprint(None)")
attack("zip_bomb", """
import zlib
bomb = zlib.compress(bytes(256 << 20), 9)
hoard = [zlib.decompress(bomb) for _ in range(6)]
breach("1.5 GiB")""")
attack("numpy_bomb", """
try: import numpy
except ImportError: sys.exit()
fails("ones", lambda: [numpy.ones(1 << 22) for _ in range(48)])
fails("memmap", lambda: numpy.memmap("big", mode="w+", shape=1 << 30))""")
attack("huge_traceback", """
def f(n): raise ValueError("x" * 1000000) if n == 0 else g(n - 1)
def g(n):
    try: f(n - 1)
    except ValueError as e: raise KeyError("y" * 100000) from e
f(400)""")
attack("kills_itself", "os.kill(os.getpid(), signal.SIGKILL)")
FOREIGN = """
if ARM: sys.exit()
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(CODE)
if ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))() > 0: breach()"""
# getpid, by the number of 32-bit programs, and with the bit of x32
attack("int_0x80", FOREIGN.replace("CODE", r"b'\xb8\x14\0\0\0\xcd\x80\xc3'"))
attack("x32_system_call", FOREIGN.replace("CODE", r"b'\xb8\x27\0\0\x40\x0f\x05\xc3'"))

# ---- output and results -----------------------------------------------------------------------------------

attack("stdout_flood", """
block = b"x" * (1 << 20)
for _ in range(1024): os.write(1, block)
breach("1 GiB")""")
attack("stderr_flood", ATTACKS["stdout_flood"].replace("write(1", "write(2"))
attack("print_flood", "while True: print('flood')")
attack("stubborn_flood", """
while True:
    try: os.write(1, b"x" * 65536)
    except OSError: os.lseek(1, 0, 0)""", hangs=True)
attack("sparse_output", """
fails("seek", lambda: os.pwrite(1, b"x", 1 << 40))
fails("truncate", os.ftruncate, 1, 1 << 40)
fails("fallocate", os.posix_fallocate, 1, 0, 1 << 34)
for fd in (0, 1, 2):
    try: os.lseek(fd, 15 << 20, 0); os.write(fd, b"x")
    except OSError: pass""")
attack("binary_output", """
os.write(1, bytes(range(256)) * 100)
os.write(2, b'\\xff\\xfe\\x00')
print('\\ud800', '\\0')""")
attack("close_fds", "os.closerange(0, 4096)\nprint('nobody hears')")
attack("swap_fds", """
for fd in range(256):
    try: os.dup2(2, fd)
    except OSError: pass
os.dup2(0, 1); os.dup2(1, 2)
print('nobody hears')""")
attack("fd_exhaustion", "hoard = []\nwhile True: hoard.append(os.dup(1))")
attack("no_inherited_fds", """
for fd in range(3, 4096):
    try: os.fstat(fd)
    except OSError: continue
    breach("descriptor", fd)""")
attack("forge_result", """
for answer in (b'{"error": "", "late": false, "code": 0, "wall": 0, "cpu": 0, "rss_mb": 0}', b"ready"):
    for fd in range(1, 512):
        try: os.write(fd, answer)
        except OSError: pass
        try: socket.socket(fileno=os.dup(fd)).send(answer)
        except OSError: pass
os._exit(7)""")
attack("exit0_silently", "os._exit(0)")
attack("hostile_exit_code", """
class Code(int):
    def __and__(self, other): breach("and"); return self
    def __int__(self): raise SystemExit(self)
    def __str__(self): raise SystemExit(self)
    __bool__ = __index__ = __repr__ = __eq__ = __str__
raise SystemExit(Code(3))""")
attack("hostile_exit_object", """
class Code:
    __class__ = property(lambda self: int)
    def __str__(self): raise SystemExit(self)
raise SystemExit(Code())""")
attack("hostile_exception", """
class Bad(BaseException):
    def __str__(self): raise Bad
    __repr__ = __str__
    __traceback__ = property(lambda self: 1 / 0)
    __cause__ = property(lambda self: self)
raise Bad""")
attack("hostile_streams", """
class Stream:
    closed = property(lambda self: 1 / 0)
    def write(self, text): raise KeyboardInterrupt
    flush = write
sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Stream()
raise ValueError""")
attack("no_streams", "sys.stdout = sys.stderr = sys.stdin = sys.__stdout__ = None\n1 / 0")
attack("deletes_the_runtime", """
import builtins, threading, traceback, linecache
os._exit = threading._shutdown = traceback.print_exception = traceback.print_exc = linecache.getline = None
sys.modules.clear(); builtins.__dict__.clear()""")
attack("skips_the_end", """
import atexit
def again(): atexit.register(again)
atexit.register(again)
sys.settrace(lambda *_: None); sys.setprofile(lambda *_: None)
threading.Thread(target=lambda: (time.sleep(0.1), os.write(1, b'late')), daemon=True).start()""")
attack("climbs_the_frames", """
frame = sys._getframe()
while frame:
    for name, value in {**frame.f_globals, **frame.f_locals}.items():
        if isinstance(value, socket.socket):
            fails(name, value.send, b"x")
        if callable(getattr(value, "become_script", None)): value.program = value.landlock_rules = None
    for name in ("status", "pid", "late", "leave"):
        if name in frame.f_locals: frame.f_locals[name] = 0
    frame = frame.f_back""")
attack("source_with_nul", "print('a\0b')")
attack("source_with_surrogate", "print('\ud800')")
attack("source_with_bad_cookie", "# -*- coding: rot13 -*-\nprint(1)")

# ---- other scripts, the worker, secrets -------------------------------------------------------------------

attack("poison_state", """
import builtins, json, math, random
builtins.print = builtins.len = lambda *a: None
sys.modules["math"] = sys.modules["numpy"] = None
math.sqrt = json.loads = random.seed = os.fork = os.waitid = os.listdir = None
sys.path[:] = []
os.environ.clear()
os.umask(0o777)
for s in range(1, 65):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass""")
attack("read_environment", """
print(os.environ, os.environb)
ctypes.c_char_p.in_dll(libc, "program_invocation_name")
environment = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, "environ")
i = 0
while environment[i]: print(environment[i]); i += 1
for pid in ("self", os.getppid(), CALLER, VICTIM, 1):
    try: print(open(f"/proc/{pid}/environ", "rb").read())
    except OSError: pass""")
attack("find_other_scripts", """
import re
wanted = re.compile(b"tell" + b"tale:" + b"MARK" + b":([0-9]+)")   # of the script before
r, w = os.pipe()
for near in (id(re), id([0] * 100000), id(b"x" * 100), ctypes.addressof(ctypes.c_int())):
    for page in range((near >> 12) - 8192, (near >> 12) + 8192):
        if libc.write(w, ctypes.c_void_p(page << 12), ctypes.c_size_t(4096)) == 4096:   # else EFAULT
            found = wanted.search(os.read(r, 4096))
            if found: breach(found)""")
attack("read_secret_file", """
import shutil
def read(path): return open(path, "rb").read()
os.symlink(SECRET_FILE, "link")
os.symlink("/", "root")
parent = os.getppid()
for path in (SECRET_FILE, "link", "root" + SECRET_FILE, "../" * 20 + SECRET_FILE, "/dev/fd/.." + SECRET_FILE,
             *(f"/proc/{pid}/root{SECRET_FILE}" for pid in ("self", parent, CALLER, VICTIM, 1)),
             f"/proc/{CALLER}/cwd/sandbox.py"):
    fails(path, read, path)
    fails(path, shutil.copy, path, "copy")
    if path != "link": fails(path, os.link, path, "hard")
fails("O_PATH", lambda: read(f"/proc/self/fd/{os.open(SECRET_FILE, os.O_PATH)}"))
fails("listdir", os.listdir, os.path.dirname(SECRET_FILE))
refused("openat2", 437, -100, SECRET_FILE.encode(), struct.pack("QQQ", 0, 0, 0), 24)
handle = struct.pack("Ii", 128, 0) + bytes(128)
refused("handle", (303, 264), -100, SECRET_FILE.encode(), handle, ctypes.byref(ctypes.c_int()), 0)
refused("by handle", (304, 265), 0, handle, 0)
for path in ("/etc/passwd", "/etc/shadow", "/root/.bashrc", "/proc/cmdline", "/proc/mounts"):
    fails(path, read, path)""")
attack("read_the_project", """
for path in (PROJECT + "/sandbox.py", PROJECT + "/tasks/base.py", PROJECT + "/.git/config"):
    fails(path, open, path)
for name in ("sandbox", "tasks", "r1ci"): fails(name, __import__, name)
if PROJECT in sys.path: breach(sys.path)""")
attack("escape_by_chroot", """
os.mkdir("x")
fails("chroot", os.chroot, "x")
os.chdir("/")
for _ in range(40): os.chdir("..")
fails("read", lambda: open(SECRET_FILE.lstrip("/")).read())
refused("pivot_root", (155, 41), b".", b".")""")
attack("write_outside", """
library = os.path.dirname(os.__file__)
for d in (OUTSIDE, PROJECT, library, "/", "/etc", "/usr/lib", "/var/tmp", "/root", "/dev", "/run"):
    fails(d, lambda: open(d + "/MARK", "w").write("x"))
    fails(d, os.mkdir, d + "/MARK.d")
    fails(d, os.symlink, "/", d + "/MARK.l")
    fails(d, os.mkfifo, d + "/MARK.f")
for d in ("/tmp", "/dev/shm"):
    try: open(d + "/MARK", "w").close()    # may be the scratch
    except OSError: pass""")
attack("tamper_outside", """
f = OUTSIDE + "/keep.txt"
for mode in ("w", "a", "r+", "x"): fails(mode, open, f, mode)
fails("truncate", os.truncate, f, 0)
fails("unlink", os.unlink, f)
fails("rename", os.rename, f, OUTSIDE + "/moved.txt")
fails("move here", os.rename, f, "moved.txt")
open("mine", "w").close()
fails("replace", os.replace, "mine", f)
fails("link", os.link, f, OUTSIDE + "/hard.txt")
fails("link here", os.link, f, "hard.txt")
fails("rmdir", os.rmdir, OUTSIDE + "/empty")
fails("chown", os.chown, f, os.getuid(), os.getgid())
for change in (lambda: os.chmod(f, 0o777), lambda: os.chmod(OUTSIDE, 0), lambda: os.utime(f, (0, 0)),
               lambda: os.setxattr(f, "user.MARK", b"x"),
               lambda: libc.syscall(452, -100, f.encode(), 0o777, 0)):
    try: change()
    except OSError: pass""")
attack("tamper_with_packages", """
import fcntl, json, sysconfig
for path in (os.__file__, struct.__file__, json.__file__):
    # Where no layer stops them these change nothing: the library is the user's own.
    for mode in ("a", "r+"): fails(path, open, path, mode)
    fails("rename", os.rename, path, path)
    fails("truncate", os.truncate, path, os.path.getsize(path))
    with open(path) as file:
        for lease in (0, 1): fails("lease", fcntl.fcntl, file, fcntl.F_SETLEASE, lease)
        fails("flags", fcntl.ioctl, file, 0x40086602, struct.pack("l", 64))      # FS_IOC_SETFLAGS, nodump
        fails("attributes", fcntl.ioctl, file, 0x401C5820, bytes(28))
        fails("version", fcntl.ioctl, file, 0x40087602, struct.pack("l", 1))
for name in ("purelib", "stdlib"): fails(name, lambda: open(sysconfig.get_path(name) + "/MARK.pth", "w"))""")
attack("watch_outside", """
refused("inotify", (254, 27), libc.inotify_init(), OUTSIDE.encode(), 0xFFF)
refused("fanotify", (300, 262), 0, 0)
import fcntl
fails("dnotify", fcntl.fcntl, os.open(os.path.dirname(os.__file__), os.O_RDONLY), fcntl.F_NOTIFY, 1)""")

# ---- the scratch directory --------------------------------------------------------------------------------

attack("symlink_cleanup", """
for target, name in ((OUTSIDE, "outside"), (OUTSIDE + "/keep.txt", "file"), ("/", "root"), ("self", "self")):
    os.symlink(target, name)
os.mkdir("d"); os.symlink("..", "d/up")""")
attack("persist_in_scratch", """
os.makedirs("a/b/c")
for name in ("leftover", "json.py", "sitecustomize.py", "main.py"): open(name, "w").write("1 / 0")""")
attack("fill_disk", """
for i in range(128):
    try: open(f"f{i}", "wb").write(bytes(8 << 20))
    except OSError as error: print(error); sys.exit()
breach("1 GiB")""")
attack("fill_deleted_files", """
hoard = []
for i in range(60):
    try:
        f = open("f", "wb", 0); os.unlink("f"); hoard.append(f); f.write(bytes(8 << 20))
    except OSError as error: print(error); sys.exit()
if os.statvfs(".").f_blocks * os.statvfs(".").f_frsize < 1 << 30: breach("480 MiB")""")
attack("fill_inodes", """
for i in range(100000):
    try: open(f"f{i}", "w").close()
    except OSError as error: print(error); sys.exit()
breach("100000 files")""")
attack("fill_disk_without_writing", """
for i in range(8):
    refused("fallocate", (285, 47), os.open(f"f{i}", os.O_CREAT | os.O_WRONLY), 0, 0, 15 << 20)""")
attack("many_names_of_one_file", """
open("f", "w").close()
for i in range(20000):
    try: os.link("f", f"{i:0200d}")
    except OSError as error: print(error); sys.exit()
time.sleep(100)""")
attack("deep_directories", """
for _ in range(3000):
    try: os.mkdir("d"); os.chdir("d")
    except OSError as error: print(error); break""")
attack("deep_and_closed", """
for _ in range(60): os.mkdir("d" * 200, 0o300); os.chdir("d" * 200)
open("f", "w").close()""")
attack("huge_sparse_file", """
with open("sparse", "wb") as f:
    fails("truncate", f.truncate, 100 << 30)
    f.seek(100 << 30)
    try: f.write(b"x"); f.flush(); breach("100 GiB")
    except OSError as error: print(error)""")
attack("unremovable", """
os.umask(0)
for mode in (0, 0o100, 0o200, 0o300, 0o400):
    os.mkdir(f"d{mode}", mode)
    try: open(f"d{mode}/f", "x").close()
    except OSError: pass
os.close(os.open("f", os.O_CREAT | os.O_RDWR, 0))
os.chmod("f", 0); os.chmod(".", 0); os.chmod("d0", 0)
try: os.setxattr("f", "user.x", b"x")
except OSError: pass""")
attack("fifo_in_scratch", "os.mkfifo('fifo')\nos.mkfifo('main.py')\nos.mkfifo('x.pyc')")
attack("device_in_scratch", """
import stat
fails("char", os.mknod, "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
fails("block", os.mknod, "disk", 0o666 | stat.S_IFBLK, os.makedev(254, 0))""")
attack("delete_the_scratch", """
here = os.getcwd()
for step, *paths in (os.rmdir, here), (os.rename, here, here + "2"), (os.rmdir, "."), (os.unlink, here):
    try: step(*paths)
    except OSError: pass
try: os.symlink(OUTSIDE, here)
except OSError: pass""")
attack("mount_over_scratch", """
refused("mount", (165, 40), b"none", os.getcwd().encode(), b"tmpfs", 0, None)
refused("bind", (165, 40), b"/", os.getcwd().encode(), None, 4096, None)
refused("umount", (166, 39), os.getcwd().encode(), 2)
refused("fsopen", 430, b"tmpfs", 0)
refused("open_tree", 428, -100, b"/", 1)
refused("mount_setattr", 442, -100, b"/", 0, bytes(32), 32)""")
attack("odd_names", r"""
for name in b'\xff\xfe', b'-rf', b'a\nb', b' ', b'$(touch x)', b'\'"', b'x' * 255: open(name, 'w').close()""")

# ---- network ----------------------------------------------------------------------------------------------

attack("tcp_loopback", """
fails("tcp", lambda: socket.create_connection(("127.0.0.1", TCP), 1))
fails("tcp6", lambda: socket.create_connection(("::1", TCP), 1))
fails("listen", lambda: socket.create_server(("127.0.0.1", 0)))
import urllib.request
fails("http", urllib.request.urlopen, f"http://127.0.0.1:{TCP}/")""")
attack("udp_loopback", """
fails("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", UDP)))
fails("dns", socket.getaddrinfo, "example.com", 80)""")
attack("unix_sockets", """
for name in (UNIX, ABSTRACT, UNIX_DGRAM, ABSTRACT_DGRAM):
    kind = socket.SOCK_STREAM if name in (UNIX, ABSTRACT) else socket.SOCK_DGRAM
    fails(name, lambda: socket.socket(socket.AF_UNIX, kind).connect(name))""")
attack("datagram_from_a_pair", """
for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    for name in (UNIX_DGRAM, ABSTRACT_DGRAM):
        def send():
            a, b = socket.socketpair(socket.AF_UNIX, kind)
            try: a.sendto(b"x", name)
            except OSError: a.connect(name); a.send(b"x")
        fails(name, send)
a, b = socket.socketpair()
for name in (UNIX, ABSTRACT):
    fails(name, a.connect, name)
    fails(name, a.sendto, b"x", name)
fails("bind", a.bind, "here")""")
attack("other_socket_families", """
for family in range(50):
    for kind in (1, 2, 3, 5): fails(family, socket.socket, family, kind)
    if family != 1: refused(family, (53, 199), family, 1, 0, struct.pack("ii", 0, 0))""")

# ---- the kernel -------------------------------------------------------------------------------------------

attack("new_user_namespace", """
for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x04000000, 0x08000000, 0x02000000, 0x80):
    refused("unshare", (272, 97), flag)
    if flag > 0x80: refused("clone", (56, 220), flag | 0x10F00, 0, 0, 0, 0)
for name in ("net", "mnt", "user"):
    for pid in (1, CALLER, os.getppid()):
        fails("setns", lambda: libc.setns(os.open(f"/proc/{pid}/ns/{name}", 0), 0))
refused("setns", (308, 268), 0, 0)""")
attack("mount_and_caps", """
sets = struct.pack("6I", 1 << 21, 1 << 21, 0, 0, 0, 0)
refused("capset", (126, 91), struct.pack("Ii", 0x20080522, 0), sets)
status = ctypes.create_string_buffer(24)
libc.capget(struct.pack("Ii", 0x20080522, 0), status)
if any(status.raw): breach("capabilities", status.raw)
refused("keepcaps", (157, 167), 8, 1, 0, 0, 0)
refused("ambient", (157, 167), 47, 2, 21, 0, 0)
fails("setgroups", os.setgroups, [0])
if os.getuid(): fails("setuid", os.setuid, 0)
else: fails("setuid", os.setuid, 1)
refused("mount", (165, 40), b"proc", b"/proc", b"proc", 0, None)""")
attack("machine_settings", """
refused("hostname", (170, 161), b"MARK", 4)
refused("domain", (171, 162), b"MARK", 4)
refused("settimeofday", (164, 170), struct.pack("qq", int(time.time()), 0), None)
refused("clock_settime", (227, 112), 0, struct.pack("qq", int(time.time()), 0))
refused("adjtimex", (159, 171), struct.pack("i", 2) + bytes(204))
refused("reboot", (169, 142), 0, 0, 0, None)
refused("module", (313, 273), 0, b"", 0)
refused("kexec", (246, 104), 0, 0, None, 0)
refused("swap", (167, 224), b"/dev/null", 0)
refused("accounting", (163, 89), b"/dev/null")
refused("syslog", (103, 116), 3, ctypes.create_string_buffer(4096), 4096)
refused("iopl", (172, None), 3)
refused("modify_ldt", (154, None), 0, ctypes.create_string_buffer(64), 64)
for path in ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/sys/power/state"):
    fails(path, open, path, "w")""")
attack("system_v_memory", """
refused("shmget", (29, 194), 0x4D41524B, 4096, 0o1666)
refused("attach", (30, 196), SHM_ID, None, 0)
refused("remove", (31, 195), SHM_ID, 0, None)
refused("semget", (64, 190), 0x4D41524B, 1, 0o1666)
refused("msgget", (68, 186), 0x4D41524B, 0o1666)
refused("mq_open", (240, 180), b"MARK", 0o102, 0o600, None)
refused("mq_unlink", (241, 181), b"MARK")""")
attack("keyrings", """
refused("add_key", (248, 217), b"user", b"MARK", b"x", 1, -4)
refused("request_key", (249, 218), b"user", b"MARK", None, -4)
for ring in (-1, -2, -3, -4, -5): refused("keyctl", (250, 219), 0, ring, 1)
refused("session", (250, 219), 1, b"MARK")""")
attack("asynchronous_io", """
refused("io_uring", (425, 425), 8, bytes(120))
refused("io_setup", (206, 0), 64, ctypes.byref(ctypes.c_ulong(0)))""")
attack("kernel_surface", """
refused("bpf", (321, 280), 0, struct.pack("IIII", 1, 4, 4, 1) + bytes(112), 128)
refused("userfaultfd", (323, 282), 1)
refused("perf", (298, 241), struct.pack("II", 1, 128) + bytes(120), 0, -1, -1, 0)
refused("seccomp listener", (317, 277), 1, 8, struct.pack("HxxxxxxQ", 1, 0))
refused("landlock", (444, 444), None, 0, 1)
refused("another filter", (157, 167), 22, 2, 0, 0, 0)
refused("no_new_privs", (157, 167), 38, 0, 0, 0, 0)""")
attack("devices", """
import glob
names = "tty kvm mem fuse ptmx dri/card0 nvidia0 nvidiactl nvidia-uvm".split()
for path in {f"/dev/{name}" for name in names}.union(glob.glob("/dev/*")):
    if not os.path.isdir(path) and path not in ("/dev/null", "/dev/zero", "/dev/urandom"):
        for mode in (os.O_RDONLY, os.O_RDWR): fails(path, os.open, path, mode | os.O_NONBLOCK)""")
attack("typing_into_terminals", """
import fcntl, glob
paths = ["/dev/tty", "/dev/console", *glob.glob("/dev/pts/*"), *glob.glob("/dev/tty?")]
for path in paths: fails(path, open, path, "w")
for fd in (0, 1, 2): fails("TIOCSTI", fcntl.ioctl, fd, 0x5412, b"x")""")

# ---- what is shared with everybody on the machine ---------------------------------------------------------

attack("thread_bomb_in_machine_code", """
# Threads that need no address space: all on one stack, which they leave alone (pause, exit).
if ARM: sys.exit()
page = mmap.mmap(-1, 8192, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
start = ctypes.addressof(ctypes.c_char.from_buffer(page))
#   mov r10,rcx; mov eax,56; syscall; the parent returns, a thread waits: mov eax,34; syscall; again
page.write(bytes.fromhex("4989ca" "b838000000" "0f05" "4885c0" "7401" "c3" "b822000000" "0f05" "ebf7"))
clone = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * 5)(start)
started = 0
for _ in range(20000):
    if clone(0x3D0F00, start + 8192, start + 4096, start + 4100, 0) < 0: break
    started += 1
print("started", started, flush=True)
if started > 200: breach(started, "threads")
os._exit(0)""")
attack("thread_churn", """
started = 0
def again():
    global started
    started += 1
    if started < 3000:
        try: threading.Thread(target=again, daemon=True).start()
        except RuntimeError: pass
for _ in range(40): threading.Thread(target=again, daemon=True).start()
time.sleep(0.2)
os._exit(0)""")
attack("descriptor_tables_of_threads", """
flags = 0x3D0F00 & ~0x400   # a thread without CLONE_FILES has a table of its own
for with_flags in (flags, flags & ~0x200, 0x3D0F00 | 0x80000000, 0x3D0F00 | 0x1000):
    refused("clone", (56, 220), with_flags, 0, 0, 0, 0)
refused("unshare", (272, 97), 0x400)
refused("close_range", 436, 3, 10, 2)""")
attack("pages_pinned_in_pipes", """
r, w = os.pipe()
vector = struct.pack("QQ", id(b""), 4096)
refused("vmsplice", (278, 75), w, vector, 1, 8)
r2, w2 = os.pipe()
os.write(w, b"x")
refused("tee", (276, 77), r, w2, 1, 0)
refused("splice", (275, 76), r, None, w2, None, 1, 0)
library = os.open(os.__file__, os.O_RDONLY)
refused("sendfile", (40, 71), w2, library, None, 4096)
fails("splice", lambda: os.splice(library, w2, 4096))""")
attack("descriptors_in_flight", """
a, b = socket.socketpair()
import array
rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))]
fails("sendmsg", a.sendmsg, [b"x"], rights)
a.send(b"y")
fails("recvmsg", b.recvmsg, 1, 100)
fails("send_fds", socket.send_fds, a, [b"x"], [0])
refused("sendmmsg", (307, 269), a.fileno(), bytes(64), 1, 0)
refused("recvmmsg", (299, 243), b.fileno(), bytes(64), 1, 0, None)""")
attack("socket_buffers", """
a, b = socket.socketpair()
for option in (socket.SO_SNDBUF, socket.SO_RCVBUF, 32, 33):
    fails("setsockopt", a.setsockopt, socket.SOL_SOCKET, option, 1 << 28)
fails("filter", a.setsockopt, socket.SOL_SOCKET, 26, struct.pack("HxxxxxxQ", 1, 0))""")
attack("timers_of_the_user", """
out = ctypes.c_int()
for clock in (0, 1, 2, 3, ~VICTIM << 3 | 2, ~CALLER << 3 | 2, ~os.getppid() << 3 | 2):
    refused("timer_create", (222, 107), clock, None, ctypes.byref(out))
import resource
if resource.getrlimit(resource.RLIMIT_SIGPENDING)[1] > 64: breach("pending signals")
if resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] > 0: breach("locked memory")""")
attack("clocks_of_others", """
for pid in (VICTIM, CALLER, os.getppid(), 1):
    for kind in (0, 1, 2, 6):
        clock = ~pid << 3 | kind
        fails("clock_gettime", time.clock_gettime, clock)
        fails("clock_getres", time.clock_getres, clock)
        refused("clock_nanosleep", (230, 115), clock, 0, struct.pack("qq", 0, 1), None)
    out = ctypes.c_int()
    if libc.clock_getcpuclockid(pid, ctypes.byref(out)) == 0: breach("clock of", pid)""")
attack("watches_of_the_user", """
refused("inotify_init", (253, None))
refused("inotify_init1", (294, 26), 0)
refused("inotify_add_watch", (254, 27), 0, b".", 0xFFF)""")
attack("flushes_the_disk", """
import sysconfig
begin, count = time.monotonic(), 0
files = [os.open(path, os.O_RDONLY) for path in (os.__file__, struct.__file__)]
while time.monotonic() - begin < 0.1 and count < 1000:
    for fd in files: os.fsync(fd); os.fdatasync(fd)
    os.sync()
    count += 1
if count < 1000: breach("the disk took part, after", count)
# A descriptor that does not exist is no error, because the kernel never sees the call.
for numbers in ((74, 82), (75, 83), (277, 84), (306, 267), (221, 223)):
    if libc.syscall(number(*numbers), 999, 0, 0, 4) != 0: breach(numbers)
if libc.syscall(number(26, 227), 0, 4096, 4) != 0: breach("msync")
for flags in (os.O_SYNC, os.O_DSYNC, os.O_SYNC & ~os.O_DSYNC):
    fails("O_SYNC", os.open, "f", os.O_CREAT | os.O_WRONLY | flags)
    refused("open", (2, None), b"f", os.O_CREAT | os.O_WRONLY | flags, 0o600)
f = os.open("f", os.O_CREAT | os.O_WRONLY)
for flags in (os.RWF_SYNC, os.RWF_DSYNC): fails("RWF_SYNC", os.pwritev, f, [b"x"], 0, flags)""")
attack("fill_deleted_and_mapped_files", """
hoard, begin = [], time.monotonic()
try:
    while len(hoard) < 128:   # 1 GiB, of which little is in our address space
        with open("f", "wb+", 0) as f:
            os.unlink("f"); f.write(bytes(8 << 20))
            hoard.append(mmap.mmap(f.fileno(), 4096))
        time.sleep(0.02)
    breach("1 GiB")
except OSError as error: print(len(hoard), error)""")
attack("fill_files_without_a_name", """
hoard = []
try:
    for _ in range(50):
        fd = os.open(".", os.O_TMPFILE | os.O_RDWR); hoard.append(fd); os.write(fd, bytes(8 << 20))
        time.sleep(0.02)
    breach("400 MiB")
except OSError as error: print(len(hoard), error)""")
attack("fill_while_the_main_thread_is_dead", """
def fill():
    hoard = []
    time.sleep(0.1)
    try:
        while len(hoard) < 50:
            with open("f", "wb+", 0) as f:
                os.unlink("f"); f.write(bytes(8 << 20)); hoard.append(mmap.mmap(f.fileno(), 4096))
            time.sleep(0.02)
        breach("400 MiB")
    except OSError as error: print(len(hoard), error, flush=True)
    os._exit(0)
threading.Thread(target=fill).start()
libc.syscall(number(60, 93), 0)""")
attack("message_by_inode_numbers", """
# A new scratch each time: nothing of an earlier script shows in it, nor in what is around it.
for directory in (".", ".."):
    if time.time() - os.stat(directory).st_mtime > 20: breach(directory, "is old")
names = sorted(os.listdir(".."))
if names != ["main.py", "work"]: breach(names)
if os.path.isdir("/home/script") and not os.path.exists("/etc"):
    if os.stat(".").st_ino > 10: breach("inode", os.stat(".").st_ino)
for i in range(500): open(f"../f{i}", "w").close()""")
attack("replaces_its_place", """
# What cleans up must not follow this link: there are a file and a directory with the usual names.
place = os.path.dirname(os.getcwd())
try:
    os.rename(place, place + "2"); os.symlink(OUTSIDE, place)
except OSError as error: print(error)
try:
    os.rmdir(os.getcwd()); os.symlink(OUTSIDE + "/empty", os.path.join(place, "work"))
except OSError as error: print(error)
try:
    os.unlink("../main.py"); os.symlink(OUTSIDE + "/keep.txt", "../main.py")
except OSError as error: print(error)""")
attack("raises_its_oom_score", """
for path in ("/proc/self/oom_score_adj", f"/proc/{os.getpid()}/oom_score_adj", "/proc/thread-self/oom_score_adj"):
    fails(path, lambda: open(path, "w").write("0"))""")
attack("poses_as_a_failure_of_the_sandbox", """
for fd in range(3, 64):
    try: os.write(fd, b"the layers failed"); breach(fd)
    except OSError: pass
os.kill(os.getpid(), signal.SIGKILL)""")
attack("memory_gone_before_the_report", """
hoard = []
try:
    while True: hoard.append(mmap.mmap(-1, 1 << 20))
except OSError: pass
try:
    while True: hoard.append(mmap.mmap(-1, 4096))
except OSError: pass
raise ValueError("x" * 100)""")
attack("epoll_hoard", """
import select
hoard = []
try:
    while True:
        e = select.epoll(); hoard.append(e)
        for other in hoard[:-1]: e.register(other.fileno())
except OSError as error: print(len(hoard), error)""")

attack("locked_memory", """
page = mmap.mmap(-1, 1 << 20)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
refused("mlock", (149, 228), address, 1 << 20)
refused("mlock2", (325, 284), address, 1 << 20, 0)
refused("mlockall", (151, 230), 3)
fails("MAP_LOCKED", mmap.mmap, -1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x2000)
fails("huge pages", mmap.mmap, -1, 1 << 21, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)""")
attack("hoard_of_kernel_objects", """
# Events, timers, signals, epolls and pipes all are descriptors, of which there are few.
mask = (1 << 64) - 1
makers = (lambda: libc.syscall(number(290, 19), 0, 0), lambda: libc.syscall(number(283, 85), 1, 0),
          lambda: libc.syscall(number(289, 74), -1, struct.pack("Q", 1 << 9), 8, 0),
          lambda: libc.syscall(number(291, 20), 0))
made, tries = set(), 0
while tries < 1000:
    for make in makers: made.add(make())
    tries += 4
made.discard(-1)
print(len(made))
if len(made) > 64: breach(len(made), "objects")""")
attack("memory_in_attributes", """
open("f", "w").close()
for i in range(2000):
    try: os.setxattr("f", f"user.MARK{i}", bytes(60000))
    except OSError: pass
if os.listxattr("f"): breach(len(os.listxattr("f")), "attributes")""")
attack("memory_in_names", """
count = 0
try:
    for i in range(100000): os.symlink("x" * 4000, f"{i:0200d}"); count += 1
except OSError as error: print(error)
if count > 20000: breach(count, "links of 4 kB")""")
attack("pending_signals", """
info = struct.pack("iiii", 40, 0, -1, os.getpid()) + bytes(112)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
for _ in range(1000):
    if libc.syscall(number(129, 138), os.getpid(), 40, info) == 0: breach("queued")
for _ in range(1000): os.kill(os.getpid(), 40)
print(len(signal.sigpending()))""")
attack("mappings_without_end", """
# Each is a record of the kernel's: address space bounds their number before the kernel's own limit does.
hoard, page = [], 4096
try:
    for i in range(200000): hoard.append(mmap.mmap(-1, page, prot=[1, 3][i % 2]))
    breach(len(hoard), "mappings")
except (OSError, MemoryError): pass
os.write(1, b"full")
os._exit(0)""")
attack("page_tables", """
# One page in each 2 MB needs a table for itself: the limit of address space bounds the tables too.
areas = []
try:
    while True:
        areas.append(mmap.mmap(-1, 64 << 20))
        areas[-1][::2 << 20] = bytes(32)
except OSError: pass
print(len(areas))
if len(areas) > 8: breach(64 * len(areas), "MB")""")
attack("one_script_starves_the_gate", """
# The worker answers threads and keeps the deadline: questions without end must not delay it.
def ask():
    while True:
        try: threading.Thread(target=int, daemon=True).start()
        except RuntimeError: pass
for _ in range(30): threading.Thread(target=ask, daemon=True).start()
while True: time.sleep(1)""", hangs=True)
attack("time_limits_of_its_own", """
import resource
for soft in (1, 2, resource.RLIM_INFINITY):
    try: resource.setrlimit(resource.RLIMIT_CPU, (soft, soft))
    except (OSError, ValueError): pass
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
while True: pass""", hangs=True)
attack("joins_another_group", """
import fcntl
fails("group", os.setpgid, 0, os.getpgid(VICTIM))
fails("group of the caller", os.setpgid, 0, os.getpgid(CALLER))
for fd in (0, 1, 2):
    fails("TIOCSCTTY", fcntl.ioctl, fd, 0x540E, 1)
    fails("TIOCSPGRP", fcntl.ioctl, fd, 0x5410, struct.pack("i", VICTIM))""")
attack("reads_the_machines_state", """
for path in ("/proc/stat", "/proc/meminfo", "/proc/loadavg", "/proc/self/status", "/proc/net/tcp", "/sys/class/net",
             "/sys/class/dmi/id/product_name", "/sys/firmware", "/sys/kernel", "/dev/kmsg", "/run/docker.sock"):
    fails(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1))""")
attack("rare_calls", """
refused("uselib", (134, None), b"/usr/lib/libc.so.6")
refused("vhangup", (153, 58))
refused("quotactl", (179, 60), 0, None, 0, None)
refused("acct", (163, 89), None)
refused("process_mrelease", 448, 0, 0)
refused("memfd_secret", 447, 0)
refused("set_mempolicy_home_node", 450, 0, 0, 0, 0)
refused("cachestat", 451, 0, None, None, 0)
refused("map_shadow_stack", 453, 0, 4096, 0)
refused("futex_waitv", 449, None, 0, 0, None, 0)""")


# ---- honest scripts ---------------------------------------------------------------------------------------

HONEST = {}  # name: (code, standard input, exact stdout, exit code)


def honest(name: str, code: str, stdout: str, stdin: str = "", exit_code: int = 0) -> None:
    HONEST[name] = code, stdin, stdout, exit_code


honest("numpy", """
import numpy as np
print(np.linalg.solve(np.array([[2., 1], [1, 3]]), np.array([3., 5])))""", "[0.8 1.4]\n")
honest("numpy_types", """
import numpy as np
a = np.arange(12).reshape(3, 4)
print(a[1:, ::2].sum(), a.T.shape, a.dtype)""", "28 (4, 3) int64\n")
honest("sympy", """
from sympy import *
x = symbols("x")
print(factor(x**3 - 1), integrate(sin(x)**2, (x, 0, pi)), solve(x**2 - 2))""",
       "(x - 1)*(x**2 + x + 1) pi/2 [-sqrt(2), sqrt(2)]\n")
honest("networkx", """
import networkx as nx
print(nx.shortest_path(nx.cycle_graph(7), 0, 4))""", "[0, 6, 5, 4]\n")
honest("recursion", "def f(n): return n and 1 + f(n - 1)\nprint(f(900))", "900\n")
honest("deeper_recursion", """
import sys
sys.setrecursionlimit(20000)
def f(n): return n and 1 + f(n - 1)
print(f(15000))""", "15000\n")
honest("files", """
import os, shutil
os.makedirs("a/b")
with open("a/b/c.txt", "w") as f: f.write("one\\ntwo\\n")
shutil.copy("a/b/c.txt", "d.txt"); shutil.move("d.txt", "a/e.txt")
print(sorted(os.listdir("a")), open("a/e.txt").read().split())
shutil.rmtree("a")
print(os.listdir("."))""", "['b', 'e.txt'] ['one', 'two']\n[]\n")
honest("files_by_system_calls", """
import os
f = os.open("f", os.O_CREAT | os.O_RDWR)
os.posix_fallocate(f, 0, 10000)
print(os.fstat(f).st_size, os.pwritev(f, [b"one", b"two"], 0), os.pread(f, 7, 0))
os.fsync(f)""", "10000 6 b'onetwo\\x00'\n")
honest("temporary_files", """
import tempfile
with tempfile.NamedTemporaryFile("w+") as f:
    f.write("x" * 10); f.seek(0); print(len(f.read()))
with tempfile.TemporaryDirectory() as d: print(d != "")""", "10\nTrue\n")
honest("own_module", """
open("helper.py", "w").write("def twice(x): return 2 * x")
import helper
print(helper.twice(21))""", "42\n")
honest("database", """
import sqlite3
db = sqlite3.connect("db")
db.execute("create table t (x)")
db.executemany("insert into t values (?)", [(i,) for i in range(9)])
db.commit()
print(db.execute("select sum(x) from t").fetchone())""", "(36,)\n")
honest("stdin", """
import sys
n = int(input())
print(sum(map(int, sys.stdin.read().split())) + n)""", "16\n", stdin="1\n2 3\n4 6\n")
honest("stdin_lines", "for line in open(0): print(line.strip()[::-1])", "cba\nüß\n", stdin="abc\nßü\n")
honest("end_of_input", "try: input()\nexcept EOFError: print('EOF')", "EOF\n")
honest("unicode", "print('Grüße, 世界 🌍', 'naïve'.upper())", "Grüße, 世界 🌍 NAÏVE\n")
honest("output_300k", "for i in range(30000): print(f'{i:09d}')", "".join(f"{i:09d}\n" for i in range(30000)))
honest("asyncio", """
import asyncio
async def task(n):
    await asyncio.sleep(0.4 - n / 5); print(n); return n
async def main(): print(await asyncio.gather(*map(task, range(3))))
asyncio.run(main())""", "2\n1\n0\n[0, 1, 2]\n")
honest("threads", """
import threading
lock, total = threading.Lock(), 0
def work(n):
    global total
    with lock: total += n; print("thread", n)
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for t in threads: t.start(); t.join()
print(total)""", "".join(f"thread {i}\n" for i in range(8)) + "28\n")
honest("thread_pool", """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool: print(list(pool.map(abs, range(-4, 0))))""", "[4, 3, 2, 1]\n")
honest("dataclasses", """
from dataclasses import dataclass, field, asdict
@dataclass(order=True)
class Point:
    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)
print(asdict(Point(1)), Point(1) < Point(2), Point(1, 2))""",
       "{'x': 1, 'y': 0, 'tags': []} True Point(x=1, y=2, tags=[])\n")
honest("pickle", """
import pickle
class Thing:
    def __init__(self): self.n = 42
print(pickle.loads(pickle.dumps(Thing())).n)""", "42\n")
honest("sys_exit", "import sys\nprint('before')\nsys.exit(3)", "before\n", exit_code=3)
honest("sys_exit_text", "import sys\nprint('before')\nsys.exit('a reason')", "before\n", exit_code=1)
honest("main_guard", """
def main(): print(__name__, __file__)
if __name__ == "__main__": main()""", "__main__ main.py\n")
honest("endings", """
import atexit
class Thing:
    def __del__(self): print("deleted")
thing = Thing()
atexit.register(print, "at exit")
print("no newline", end="|")""", "no newline|at exit\ndeleted\n")
honest("sets_in_order", "print({'b', 'a', 'c', 'd'} == set('abcd'), len({'x': 1}))", "True 1\n")
honest("alarm", """
import signal, time
def ring(*_): print("ring"); raise TimeoutError
signal.signal(signal.SIGALRM, ring); signal.setitimer(signal.ITIMER_REAL, 0.02)
try: time.sleep(5)
except TimeoutError: print("woken")""", "ring\nwoken\n")
honest("refused_politely", """
import subprocess, socket, os
for attempt in (lambda: subprocess.run(["ls"]), socket.socket, os.fork):
    try: attempt()
    except PermissionError as error: print(error)""", "[Errno 1] Operation not permitted\n" * 3)
honest("big_numbers", """
from fractions import Fraction
from decimal import Decimal
print(2**200 % 10**9 + 7, Fraction(1, 3) + Fraction(1, 6), Decimal(1) / 7)""",
       "835301383 1/2 0.1428571428571428571428571429\n")
honest("memory_within_limits", """
x = bytearray(256 << 20)
x[::4096] = b'x' * 65536
print(len(x))""", "268435456\n")
honest("memory_error_caught", "try: bytearray(1 << 34)\nexcept MemoryError: print('too much')", "too much\n")
honest("source_of_a_function", """
import inspect
def f(x):
    return x
print(inspect.getsource(f), end="")""", "def f(x):\n    return x\n")


# ---- the arena --------------------------------------------------------------------------------------------

VICTIM = """
import ctypes, signal, time
for s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(s, lambda s, _: print("signal", s, flush=True))
memory = ctypes.create_string_buffer(b"the victim's memory", 64)
print(ctypes.addressof(memory), flush=True)
while True: time.sleep(1)
"""
libc = ctypes.CDLL(None, use_errno=True)


class Arena:
    """Things worth attacking, and what they looked like before."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.mark = f"mark{os.getpid()}"
        self.secret = f"secret{os.urandom(8).hex()}"
        self.telltale = str(int.from_bytes(os.urandom(6), "big") + 10**12)
        os.environ["ARENA_API_KEY"] = self.secret
        self.outside = directory / "outside"
        (self.outside / "empty").mkdir(parents=True)
        for path, text in ((directory / "secret.txt", self.secret), (self.outside / "keep.txt", "keep")):
            path.write_text(text)
            path.chmod(0o600)
        command = [sys.executable, "-c", VICTIM]
        self.victim = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        self.victim_address = int(self.victim.stdout.readline())
        self.shared_memory = libc.shmget(0, 4096, 0o1600)
        self.listeners = {}
        for name, family, kind, address in (
                ("TCP", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
                ("UDP", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
                ("UNIX", socket.AF_UNIX, socket.SOCK_STREAM, str(directory / "stream")),
                ("UNIX_DGRAM", socket.AF_UNIX, socket.SOCK_DGRAM, str(directory / "dgram")),
                ("ABSTRACT", socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.mark}s"),
                ("ABSTRACT_DGRAM", socket.AF_UNIX, socket.SOCK_DGRAM, f"\0{self.mark}d")):
            listener = self.listeners[name] = socket.socket(family, kind)
            listener.bind(address)
            listener.setblocking(False)
            if kind == socket.SOCK_STREAM:
                listener.listen()
        names = dict(SECRET_FILE=str(directory / "secret.txt"), OUTSIDE=str(self.outside), CALLER=os.getpid(),
                     PROJECT=str(Path(__file__).resolve().parent.parent), SHM_ID=self.shared_memory,
                     VICTIM=self.victim.pid, VICTIM_ADDRESS=self.victim_address)
        for name, listener in self.listeners.items():
            address = listener.getsockname()
            names[name] = address[1] if isinstance(address, tuple) else address
        self.prelude = PRELUDE + "".join(f"{name} = {value!r}\n" for name, value in names.items())

    def close(self) -> None:
        for path in self.marked_files():   # of attacks that got out
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.victim.kill()
        self.victim.wait()
        self.victim.stdout.close()
        libc.shmctl(self.shared_memory, 0, None)
        for listener in self.listeners.values():
            listener.close()
        shutil.rmtree(self.directory)

    def marked_files(self) -> list[Path]:
        """What scripts have made where they may not."""
        places = ("/tmp", "/dev/shm", "/var/tmp", "/run", "/", "/etc", "/usr/lib", "/root", "/dev",
                  Path(__file__).resolve().parent.parent, os.path.dirname(os.__file__),
                  sysconfig.get_path("purelib"))
        found: list[Path] = []
        for place in dict.fromkeys(map(str, places)):
            with suppress(PermissionError):   # /root, to other users
                found += Path(place).glob(f"{self.mark}*")
        return found

    def state(self) -> dict:
        """Whatever an attack may not change."""
        files = {str(p): (p.lstat().st_mode, p.lstat().st_size, p.lstat().st_mtime_ns, p.lstat().st_nlink,
                          p.read_text() if p.is_file() else "") for p in sorted(self.directory.rglob("*"))}
        people = {pid: (os.getpriority(os.PRIO_PROCESS, pid), os.sched_getaffinity(pid), os.getpgid(pid),
                        os.sched_getscheduler(pid), [resource.prlimit(pid, limit) for limit in range(16)],
                        Path(f"/proc/{pid}/oom_score_adj").read_text())
                  for pid in (self.victim.pid, os.getpid())}
        with open(f"/proc/{self.victim.pid}/mem", "rb") as file:
            file.seek(self.victim_address)
            memory = file.read(19)
        marked = [str(path) for path in self.marked_files()]
        ipc = [line.split()[:2] for kind in ("shm", "sem", "msg") for line in open(f"/proc/sysvipc/{kind}")
               if str(0x4D41524B) in line or str(self.shared_memory) in line.split()[:2]]
        return dict(files=files, people=people, memory=memory, marked=marked, ipc=ipc,
                    host=socket.gethostname(), descriptors=len(os.listdir("/proc/self/fd")))

    def processes(self) -> tuple[set[int], list[int]]:
        """The processes that carry our mark (workers, and whatever they forked), and their zombies."""
        marked, zombies, parents = set(), [], {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if self.mark.encode() in (entry / "cmdline").read_bytes():
                    marked.add(int(entry.name))
                parents[int(entry.name)] = int(fields[1])
                if fields[0] == "Z":
                    zombies.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                pass
        return marked, [pid for pid in zombies if parents[pid] in marked]

    def sandbox(self, **options: object) -> Sandbox:
        """A module that nobody has is preloaded: its name is our mark in the command line of the workers."""
        return Sandbox(preload=[*PRELOAD, self.mark], **options)

    def judge(self, sandbox: Sandbox, name: str, timeout: float) -> list[str]:
        """Runs one attack in a sandbox with one worker. Returns what is wrong afterwards."""
        wrong = []
        telltale = f"telltale:{self.mark}:{self.telltale}"
        before = self.state()
        echo = sandbox.run(f"import sys\nprint({telltale!r}, sys.stdin.read())", stdin=telltale)
        if telltale not in echo.stdout:
            wrong.append(f"the script before it failed: {echo}")
        start = time.monotonic()
        result = sandbox.run((self.prelude + ATTACKS[name]).replace("MARK", self.mark), timeout=timeout)
        wall = time.monotonic() - start
        if wall > timeout + 2:
            wrong.append(f"came back after {wall:.1f} s")
        if result.status == "sandbox_error":
            wrong.append(f"broke the sandbox: {result.stderr}")
        if name in HANGS and result.status != "timeout":
            wrong.append(f"was to use all its time, but gave {result}")
        own_mistakes = [] if name.startswith("source") else ["NameError", "SyntaxError"]
        for word in ["BREACH", self.secret, self.telltale, *own_mistakes]:
            if word in result.stdout + result.stderr:
                wrong.append(f"printed {word}: {(result.stdout + result.stderr)[-600:]}")
        after = sandbox.run("import json, math, os\nprint(int(math.sqrt(json.loads('1764'))), os.listdir())")
        if (after.status, after.stdout) != ("ok", "42 []\n"):
            wrong.append(f"the next script gave {after}")
        marked, zombies = self.processes()
        survivors = marked - {worker.process.pid for worker in sandbox.team}
        if survivors or zombies:
            wrong.append(f"left processes {survivors}, zombies {zombies}")
        for pid in survivors:
            os.kill(pid, signal.SIGKILL)
        if self.victim.poll() is not None or select.select([self.victim.stdout], [], [], 0)[0]:
            wrong.append(f"reached the victim: {os.read(self.victim.stdout.fileno(), 1000)}")
        now = self.state()
        now["descriptors"] = max(now["descriptors"], before["descriptors"])  # garbage of other tests may go
        wrong += [f"changed {key}: {before[key]} -> {now[key]}" for key in before if before[key] != now[key]]
        for kind in select.select(list(self.listeners.values()), [], [], 0)[0]:
            wrong.append(f"reached the listener {kind.getsockname()}")
            kind.accept() if kind.type == socket.SOCK_STREAM else kind.recv(100)
        return wrong


def run_honest(sandbox: Sandbox, name: str) -> str | None:
    """Returns what is wrong, or None. A script whose package is not installed is not run."""
    code, stdin, stdout, exit_code = HONEST[name]
    if name.split("_")[0] in sandbox.missing:
        return None
    result = sandbox.run(code, stdin=stdin, timeout=20)
    expected = ("error" if exit_code else "ok", stdout, exit_code)
    got = (result.status, result.stdout, result.exit_code)
    return None if got == expected else f"{name}: {got} {result.stderr[-500:]}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Try the sandbox: {} prints that all holds.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of attacks and honest scripts; none: all")
    parser.add_argument("--without", default="", metavar="LAYERS",
                        help=f"take layers away, with commas between: {', '.join(LAYERS)}")
    parser.add_argument("--timeout", type=float, default=1.0, help="of an attack, in seconds")
    args = parser.parse_args()
    without = args.without.split(",") if args.without else []
    for name in args.names:
        if name not in ATTACKS and name not in HONEST:
            parser.error(f"there is no attack or script {name!r}")
    if set(without) - set(LAYERS):
        parser.error(f"--without {args.without}: layers are {', '.join(LAYERS)}")
    weak = "seccomp" in without or {"landlock", "private_root"} <= set(without)
    if weak and not args.names:
        parser.error("without these layers attacks get out: name those that you want to see do it")
    args.names = args.names or [*ATTACKS, *HONEST]
    failures = {}
    arena = Arena(Path(tempfile.mkdtemp()))
    with arena.sandbox(workers=1, max_output=1 << 20, disable=without, allow_weak=weak) as sandbox:
        # The mark is preloaded as a module that nobody has (`Arena.sandbox`): no layer is missing.
        print(sandbox.describe_layers().replace(f", no {arena.mark}", ""), file=sys.stderr)
        for name in args.names:
            wrong = arena.judge(sandbox, name, args.timeout) if name in ATTACKS else run_honest(sandbox, name)
            if wrong:   # a table of /proc can be kilobytes
                failures[name] = [text if len(text) <= 300 else text[:300] + " ..." for text in wrong]
    arena.close()
    print(json.dumps(failures, indent=1))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
