"""The default seccomp profile: what Docker's or Podman's refuses, ours refuses; and what it says is what happens."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ctrscope.attach.confinement import Filter
from ctrscope.attach.seccomp import Profile, compile_filter, known_syscalls
from ctrscope.run.seccomp_profile import default_seccomp
from tests.live import docker, podman
from tests.live.machine import run
from tests.requirements import require, require_root

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of system calls are x86-64's here")

#: AUDIT_ARCH_… of linux/audit.h.
_X86_64, _X86, _ARM = 0xC000003E, 0x40000003, 0x40000028
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
#: What older profiles of the engines refuse because they did not know it; harmless, and allowed by their newer ones.
_HARMLESS = {
    "cachestat", "fchmodat2", "futex_requeue", "futex_wait", "futex_waitv", "futex_wake", "io_pgetevents",
    "io_pgetevents_time64", "map_shadow_stack", "name_to_handle_at", "pkey_alloc", "pkey_free", "pkey_mprotect",
}  # fmt: skip
#: What we refuse and one of them or both do not: the younger profiles refuse most of it, or without the capability.
_STRICTER = set(
    str.split(
        "bpf clone3 fsconfig fsmount fsopen fspick get_mempolicy io_uring_enter io_uring_register io_uring_setup keyctl mbind "
        "mount mount_setattr move_mount open_tree pidfd_getfd pivot_root process_vm_readv process_vm_writev quotactl_fd reboot "
        "set_mempolicy setns syslog umount umount2 unshare vmsplice"
    )
)
#: What the kernel itself has no longer, whoever asks.
_GONE = {
    "afs_syscall", "create_module", "get_kernel_syms", "getpmsg", "putpmsg", "query_module", "security", "tuxcall", "vserver",
}  # fmt: skip
_GONE_WITH_32_BITS = set(str.split("break ftime gtty idle lock mpx prof profil stty ulimit"))
#: What Docker's profile refuses to programs of 32 bits and Podman's does not: what `rt_sigaction` and `getdents` do, as of old.
_OLD = {"readdir", "sigaction", "signal", "sigpending", "sigsuspend"}


def answer(compiled: Filter, number: int, *arguments: int, architecture: int = _X86_64) -> int:
    """What the filter returns for a system call; the classic BPF of seccomp(2), run here."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    accumulator, at = 0, 0
    while True:
        code, yes, no, value = struct.unpack_from("=HBBI", compiled.program, at * 8)
        at += 1
        match code:
            case 0x20:
                accumulator = struct.unpack_from("=I", data, value)[0]
            case 0x54:
                accumulator &= value
            case 0x15 | 0x25 | 0x35 | 0x45:
                holds = {
                    0x15: accumulator == value,
                    0x25: accumulator > value,
                    0x35: accumulator >= value,
                    0x45: bool(accumulator & value),
                }
                at += yes if holds[code] else no
            case 0x05:
                at += value
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"{code:#x}")


def numbers(architecture: str = "SCMP_ARCH_X86_64") -> dict[str, int]:
    """Name → number of every system call that libseccomp knows."""
    found: dict[str, int] = {}
    before: tuple[str, ...] = ()
    for last in range(470):
        now = known_syscalls(architecture, last)
        if len(now) > len(before):
            found[now[-1]] = last
        before = now
    return found


@contextmanager
def engines_filter(engine: str) -> Iterator[tuple[Filter, tuple[str, ...]]]:
    """What that engine hands to its runtime for a container without options: the filter, and the bounding set."""
    name, lab = f"ctrscope-seccomp-{os.getpid()}", docker if engine == "docker" else podman
    try:
        container = lab.start_container(name, "--network", "none", lab.IMAGE, "sleep", "100000")
        places = (
            f"/run/containerd/io.containerd.runtime.v2.task/moby/{container}",
            f"/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/{container}",
            f"/var/lib/containers/storage/overlay-containers/{container}/userdata",
            f"/var/lib/containers/storage/vfs-containers/{container}/userdata",
        )
        config: Any = next(json.loads(Path(one, "config.json").read_text()) for one in places if Path(one).exists())
        profile = msgspec.convert(config["linux"]["seccomp"], Profile)
        yield compile_filter(profile), tuple(config["process"]["capabilities"]["bounding"])
    finally:
        run(engine, "rm", "-f", name)


@pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)
def test_what_the_engine_refuses_is_refused(engine: str) -> None:
    require_root()
    with engines_filter(engine) as (theirs, capabilities):
        ours = compile_filter(default_seccomp(capabilities))
        known = numbers()
        allowed = {name for name, number in known.items() if answer(ours, number) == _ALLOW}
        refused = {name for name, number in known.items() if answer(theirs, number) != _ALLOW}
        assert len(known) > 330
        assert len(refused) > 40
        assert allowed & refused - _HARMLESS - _GONE == set()
        for arguments in (
            (number, value) for number in (known["clone"], known["personality"], known["socket"]) for value in _VALUES
        ):
            if answer(theirs, *arguments) != _ALLOW:
                assert answer(ours, *arguments) != _ALLOW, arguments
        assert {name for name in known if name not in refused and name not in allowed} <= _STRICTER
        with_32_bits = numbers("SCMP_ARCH_X86")
        assert len(with_32_bits) > 400
        allowed = {name for name, number in with_32_bits.items() if answer(ours, number, architecture=_X86) == _ALLOW}
        refused = {name for name, number in with_32_bits.items() if answer(theirs, number, architecture=_X86) != _ALLOW}
        assert allowed & refused - _HARMLESS - _OLD - _GONE - _GONE_WITH_32_BITS == set()
        assert {name for name in with_32_bits if name not in refused and name not in allowed} <= _STRICTER
        clone = with_32_bits["clone"]
        assert answer(ours, clone, 17 | 1 << 28, architecture=_X86) == _ERRNO | 1
        assert answer(ours, clone, 17, architecture=_X86) == _ALLOW


_VALUES = (*(1 << bit for bit in range(32)), 0, 0xFFFFFFFF, 38, 39, 40, 41, 0x20008, 17 | 1 << 28, 0x3D0F00)

_TRY = r"""
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *(ctypes.c_ulong(one) for one in arguments))
    return errno.errorcode[ctypes.get_errno()] if result < 0 else "done"
print(*(f"{name}={call(*arguments)}" for name, arguments in {
    "clone3": (435, 0, 0), "unshare user": (272, 0x10000000), "clone user": (56, 0x10000011, 0, 0, 0, 0),
    "mount": (165, 0, 0, 0, 0, 0), "keyctl": (250, 0, 0), "bpf": (321, 0, 0, 0), "AF_ALG": (41, 38, 5, 0),
    "AF_VSOCK": (41, 40, 1, 0), "AF_UNIX": (41, 1, 1, 0), "personality?": (135, 0xffffffff), "io_uring": (425, 1, 0),
    "ptrace": (101, 16, 0, 0, 0), "not yet": (600,), "Linux 32": (135, 8),
}.items()), sep="\n")
"""


def test_a_live_container_gets_these_answers() -> None:
    require_root("starts a container")
    require("/usr/bin/python3")  # a container of the host's root does not see every other
    words = ("run", "--rm", "--", "/usr/bin/python3", "-c", _TRY)
    done = subprocess.run([sys.executable, "-m", "ctrscope", *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert dict(line.split("=") for line in done.stdout.splitlines()) == {
        "clone3": "ENOSYS",
        "unshare user": "EPERM",
        "clone user": "EPERM",
        "mount": "EPERM",
        "keyctl": "EPERM",
        "bpf": "EPERM",
        "AF_ALG": "EAFNOSUPPORT",
        "AF_VSOCK": "EAFNOSUPPORT",
        "AF_UNIX": "done",
        "personality?": "done",
        "io_uring": "EPERM",
        "ptrace": "ESRCH",  # the kernel's own answer
        "not yet": "ENOSYS",
        "Linux 32": "done",
    }


#: A program for i386: write(1, "32 bits\\n", 8), then exit(0), by int 0x80.
_CODE = bytes.fromhex("b804000000 bb01000000 b973800408 ba08000000 cd80 b801000000 31db cd80") + b"32 bits\n"
_ELF = (
    b"\x7fELF\x01\x01\x01" + bytes(9)
    + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x08048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    + struct.pack("<8I", 1, 0, 0x08048000, 0x08048000, 84 + len(_CODE), 84 + len(_CODE), 5, 4096)
    + _CODE
)  # fmt: skip


def test_a_program_of_32_bits_runs(tmp_path: Path) -> None:
    require_root("starts a container")
    program = tmp_path / "program"
    program.write_bytes(_ELF)
    program.chmod(0o755)
    try:
        assert subprocess.run([program], capture_output=True, check=True).stdout == b"32 bits\n"
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this kernel runs no programs of 32 bits")
    words = ("run", "--rm", "-v", f"{program}:/tmp/program", "--", "/tmp/program")
    done = subprocess.run([sys.executable, "-m", "ctrscope", *words], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "32 bits\n"), done.stderr


def test_arm_has_its_programs_of_32_bits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = os.uname()
    monkeypatch.setattr("os.uname", lambda: os.uname_result((*found[:4], "aarch64")))
    compiled = compile_filter(default_seccomp())
    known = numbers("SCMP_ARCH_ARM")
    for name in ("mmap2", "fcntl64", "clock_gettime64", "sigreturn", "socket"):
        assert answer(compiled, known[name], 1, architecture=_ARM) == _ALLOW, name
    assert answer(compiled, 0x0F0005, architecture=_ARM) == _ALLOW  # set_tls
    assert answer(compiled, known["mount"], architecture=_ARM) == _ERRNO | 1


def test_whoever_has_the_capability_may_do_what_it_is_for() -> None:
    known = numbers()
    plain = compile_filter(default_seccomp())
    given = {
        "SYS_ADMIN": ("mount", "clone3"), "SYSLOG": ("syslog",), "BPF": ("bpf",), "SYS_BOOT": ("reboot",),
        "SYS_PTRACE": ("process_vm_readv",), "SYS_TIME": ("clock_settime",), "SYS_MODULE": ("finit_module",),
    }  # fmt: skip
    for capability, name in ((f"CAP_{one}", name) for one, names in given.items() for name in names):
        assert answer(plain, known[name]) != _ALLOW
        assert answer(compile_filter(default_seccomp((capability,))), known[name]) == _ALLOW
    every = default_seccomp(tuple(f"CAP_{one}" for one in ("SYS_ADMIN", "BPF", "SYS_PTRACE", "SYS_NICE")))
    assert answer(compile_filter(every), known["keyctl"]) == _ERRNO | 1
    assert answer(compile_filter(every), known["clone"], 1 << 28) == _ALLOW
