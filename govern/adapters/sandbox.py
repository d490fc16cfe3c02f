"""Shut the calling process in, by the kernel's own means: Landlock, seccomp, resource limits.

No root, no helper program and no package: system calls by ctypes. ``enter`` is called once,
early, while the process has one thread, and cannot be undone. What the kernel lacks is
reported, never passed over.

After it: files can be read below the named folders only and none can be written; no socket
can be made, no program started, no process forked; memory, file size and open files are
limited. It does not hide the clock, nor measure time: whoever started the process does that.

Sources: Linux ``Documentation/userspace-api/landlock.rst``, ``seccomp(2)``, ``setrlimit(2)``,
``asm-generic/unistd.h`` and ``arch/x86/entry/syscalls/syscall_64.tbl``.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

FILE_BYTES_MAX = 1 << 20
OPEN_FILES_MAX = 256
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
# Landlock's file rights in bit order; ABI 1 has the first 13.
_RIGHTS = (
    "execute", "write_file", "read_file", "read_dir", "remove_dir", "remove_file", "make_char",
    "make_dir", "make_reg", "make_sock", "make_fifo", "make_block", "make_sym", "refer",
    "truncate", "ioctl_dev",
)  # fmt: skip
_BIT = {name: 1 << place for place, name in enumerate(_RIGHTS)}
_FILE_RIGHTS = sum(
    _BIT[name] for name in ("execute", "write_file", "read_file", "truncate", "ioctl_dev")
)
_READ = _BIT["execute"] | _BIT["read_file"] | _BIT["read_dir"]
_DEVICE = _BIT["read_file"] | _BIT["write_file"] | _BIT["ioctl_dev"]
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3, _CLONE_THREAD, _X32_BIT = 435, 0x10000, 0x40000000
# Numbers on x86-64 and on aarch64; None where the architecture has no such call.
_DENIED: dict[str, tuple[int, int | None]] = {
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "bind": (49, 200),
    "listen": (50, 201), "socketpair": (53, 199), "accept4": (288, 242), "fork": (57, None),
    "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "mount": (165, 40),
    "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "bpf": (321, 280), "perf_event_open": (298, 241), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "reboot": (169, 142), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "userfaultfd": (323, 282), "open_by_handle_at": (304, 265),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "name_to_handle_at": (303, 264),
}  # fmt: skip
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38


@dataclass(frozen=True, slots=True)
class Report:
    """What the kernel granted.

    Args:
        landlock_abi: version of Landlock in force; 0 is none.
        seccomp: whether the system call filter is in force.
        memory_bytes: limit on private memory; 0 is none.
        lacks: a sentence for each protection that is missing.
    """

    landlock_abi: int
    seccomp: bool
    memory_bytes: int
    lacks: tuple[str, ...]

    @property
    def level(self) -> str:
        """``full`` where nothing lacks, ``none`` without both filters, else ``partial``."""
        if not self.lacks:
            return "full"
        return "partial" if self.landlock_abi or self.seccomp else "none"

    def to_json(self) -> dict[str, Any]:
        """Return the object that goes into the evidence."""
        return {
            "level": self.level,
            "landlock_abi": self.landlock_abi,
            "seccomp": self.seccomp,
            "memory_bytes": self.memory_bytes,
            "lacks": list(self.lacks),
        }


def enter(*, readable: Sequence[str], devices: Sequence[str] = (), memory_bytes: int = 0) -> Report:
    """Shut this process in for the rest of its life.

    Args:
        readable: files and folders that may be read and mapped; missing ones are left out.
        devices: device files that may be opened, written and controlled.
        memory_bytes: limit on private writable memory (``RLIMIT_DATA``); 0 for none.

    Returns:
        what is in force and what lacks.
    """
    threads = _thread_count()
    _limit(memory_bytes)
    libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    abi = _landlock(readable, devices)
    filtered = _seccomp()
    return Report(abi, filtered, memory_bytes, tuple(_lacking(abi, filtered, threads)))


def end_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends.

    Args:
        parent: process id of the starter; where it has ended already, this process exits.
    """
    libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def libc() -> ctypes.CDLL:
    """Return the C library with ``errno`` kept."""
    return ctypes.CDLL(None, use_errno=True)


def _lacking(abi: int, filtered: bool, threads: int) -> Iterable[str]:
    if not abi:
        yield "the kernel has no Landlock: files are not shut off"
    elif abi < 6:
        yield f"Landlock ABI {abi} is older than 6: signals to other processes are not shut off"
    if not filtered:
        yield "the kernel took no seccomp filter: sockets and programs are not shut off"
    if threads != 1:
        yield f"{threads} threads ran before the sandbox: the others are not shut in"


def _thread_count() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def _limit(memory_bytes: int) -> None:
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: FILE_BYTES_MAX,
        resource.RLIMIT_NOFILE: OPEN_FILES_MAX,
    }
    if memory_bytes:
        limits[resource.RLIMIT_DATA] = memory_bytes
    for name, wanted in limits.items():
        hard = resource.getrlimit(name)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(name, (value, value))


def _landlock(readable: Sequence[str], devices: Sequence[str]) -> int:
    """Restrict files, TCP and signals; return the ABI version in force, 0 for none."""
    call = libc().syscall
    abi = int(call(_LANDLOCK_CREATE, None, 0, 1))
    if abi < 1:
        return 0
    rights = (1 << (13 + (abi >= 2) + (abi >= 3) + (abi >= 5))) - 1
    # struct landlock_ruleset_attr: handled_access_fs, handled_access_net, scoped
    attributes = struct.pack("=QQQ", rights, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    rules = int(call(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0))
    if rules < 0:
        return 0
    try:
        for path in readable:
            _allow(rules, path, _READ & rights)
        for path in devices:
            _allow(rules, path, _DEVICE & rights)
        return abi if call(_LANDLOCK_RESTRICT, rules, 0) == 0 else 0
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        kept = rights if os.path.isdir(path) else rights & _FILE_RIGHTS
        # struct landlock_path_beneath_attr is packed: allowed_access, parent_fd
        libc().syscall(_LANDLOCK_ADD, rules, 1, struct.pack("=Qi", kept, opened), 0)
    finally:
        os.close(opened)


def _seccomp() -> bool:
    """Install the filter on every thread; say whether it is in force."""
    machine = platform.machine()
    if machine not in _AUDIT_ARCH:
        return False
    program = _program(machine)
    code = ctypes.create_string_buffer(b"".join(program))
    # struct sock_fprog: unsigned short len, then a pointer
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    everywhere = 1  # SECCOMP_FILTER_FLAG_TSYNC; operation 1 is SECCOMP_SET_MODE_FILTER
    return bool(libc().syscall(_SECCOMP[machine], 1, everywhere, header) == 0)


def _program(machine: str) -> list[bytes]:
    """Return the BPF instructions: refuse what is named, allow the rest."""
    denied = [pair[machine == "aarch64"] for pair in _DENIED.values()]
    code = [_load(4), _jump_equal(_AUDIT_ARCH[machine], 1, 0), _answer(_KILL), _load(0)]
    if machine == "x86_64":  # the x32 numbers would be a way round
        code += [_instruction(0x35, 0, 1, _X32_BIT), _answer(_ERRNO | _EPERM)]
    # clone3 hides its flags behind a pointer: "no such call" makes the C library use clone
    code += [_jump_equal(_CLONE3, 0, 1), _answer(_ERRNO | _ENOSYS)]
    code += [
        _jump_equal(_CLONE[machine], 0, 4),
        _load(16),
        _instruction(0x45, 1, 0, _CLONE_THREAD),
        _answer(_ERRNO | _EPERM),
        _answer(_ALLOW),
    ]
    for number in denied:
        if number is not None:
            code += [_jump_equal(number, 0, 1), _answer(_ERRNO | _EPERM)]
    return [*code, _answer(_ALLOW)]


def _instruction(code: int, when_true: int, when_false: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, when_true, when_false, value)


def _load(offset: int) -> bytes:
    return _instruction(0x20, 0, 0, offset)


def _jump_equal(value: int, when_true: int, when_false: int) -> bytes:
    return _instruction(0x15, when_true, when_false, value)


def _answer(value: int) -> bytes:
    return _instruction(0x06, 0, 0, value)
