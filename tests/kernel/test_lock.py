"""The lock, tried from inside: a process that has locked itself reads on, and whatever else it tries, the kernel refuses."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ctrscope.lock.landlock import landlock_version
from ctrscope.lock.reading_filter import assemble
from tests.requirements import require, require_root

_TRIES = """
import ctypes, errno, fcntl, json, os, signal, socket, sys, threading
from ctrscope.lock import lock
directory, victim, image = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "image"
inside = os.open(directory, os.O_RDONLY)
uts, net = os.open("/proc/self/ns/uts", os.O_RDONLY), os.open("/proc/self/ns/net", os.O_RDONLY)
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.inotify import CREATE, Inotify
from ctrscope.probes.proc_connector import ProcConnector
gaps = lock(image=image)
def thread():
    seen = []
    one = threading.Thread(target=lambda: seen.append(open("/proc/version").read())); one.start(); one.join()
    return len(seen)
def netlink():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as one:
        one.send(bytes.fromhex("14000000120001030100000000000000") + bytes(4))
        return len(one.recv(65536)) > 0
tries = {
    "read": lambda: open("/proc/self/status").read(1),
    "list": lambda: os.listdir(directory),
    "thread": thread,
    "netlink": netlink,
    "setns net": lambda: call("setns", net, 0x40000000),
    "watch": lambda: Inotify().add(HostFs(), directory, CREATE),
    "hear of processes": lambda: ProcConnector().close(),
    "signal self": lambda: os.kill(os.getpid(), 0),
    "terminal": lambda: os.isatty(1),
    "namespace of another": lambda: os.readlink(f"/proc/{victim}/ns/net"),
    "root of another": lambda: os.listdir(f"/proc/{victim}/root"),
    "write": lambda: open(f"{directory}/new", "w"),
    "append": lambda: open(f"{directory}/file", "a"),
    "truncate": lambda: os.truncate(f"{directory}/file", 0),
    "mkdir": lambda: os.mkdir(f"{directory}/new"),
    "unlink": lambda: os.unlink(f"{directory}/file"),
    "rename": lambda: os.rename(f"{directory}/file", f"{directory}/new"),
    "chmod": lambda: os.chmod(f"{directory}/file", 0),
    "chown": lambda: os.chown(f"{directory}/file", 1, 1),
    "utime": lambda: os.utime(f"{directory}/file"),
    "setxattr": lambda: os.setxattr(f"{directory}/file", "user.x", b"1"),
    "symlink": lambda: os.symlink("x", f"{directory}/new"),
    "link": lambda: os.link(f"{directory}/file", f"{directory}/new"),
    "mknod": lambda: os.mknod(f"{directory}/new"),
    "kill": lambda: os.kill(victim, signal.SIGTERM),
    "signal of a pidfd": lambda: signal.pidfd_send_signal(os.pidfd_open(victim), signal.SIGTERM),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "connect unix": lambda: socket.socket(socket.AF_UNIX).connect(f"{directory}/socket"),
    "connect tcp": lambda: socket.socket(socket.AF_INET).connect(("127.0.0.1", 9)),
    "listen": lambda: socket.socket(socket.AF_INET).bind(("127.0.0.1", 0)),
    "send": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
    "mount": lambda: call("mount", b"none", directory.encode(), b"tmpfs", 0, None),
    "umount": lambda: call("umount2", directory.encode(), 0),
    "ptrace": lambda: call("ptrace", 16, victim, None, None),
    "setns uts": lambda: call("setns", uts, 0x04000000),
    "setns of any type": lambda: call("setns", net, 0),
    "unshare": lambda: call("unshare", 0x04000000),
    "sethostname": lambda: socket.sethostname("x"),
    "inode flags": lambda: fcntl.ioctl(inside, 0x40086602, bytes(8)),
    "type into a terminal": lambda: fcntl.ioctl(0, 0x5412, b"x"),
    "limit of another": lambda: __import__("resource").prlimit(victim, 7, (64, 64)),
    "iptables": lambda: socket.socket(socket.AF_INET).setsockopt(0, 64, bytes(128)),
    "chroot": lambda: os.chroot(directory),
    "setuid": lambda: os.setuid(1),
}
said = {}
for name, one in tries.items():
    try:
        one()
        said[name] = "done"
    except OSError as error:
        said[name] = errno.errorcode[error.errno]
print(json.dumps({"gaps": len(gaps), "said": said, "status": open("/proc/self/status").read()}))
"""
_ALLOWED = {"read", "list", "thread", "netlink", "setns net", "signal self", "terminal", "namespace of another"}
_ALLOWED |= {"root of another", "watch", "hear of processes"}
#: CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SYSLOG.
_KEPT = 1 << 2 | 1 << 12 | 1 << 19 | 1 << 21 | 1 << 34


@pytest.fixture(scope="module")
def victim() -> Any:
    """A process of ours that the locked one tries to reach."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        assert process.poll() is None, "the locked process killed it"
        process.kill()


def locked(directory: Path, victim: int, kind: str) -> Any:
    (directory / "file").write_text("x")
    done = subprocess.run(
        [sys.executable, "-c", _TRIES, str(directory), str(victim), kind],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in directory.iterdir()) == ["file"]
    assert (directory / "file").read_text() == "x"
    return json.loads(done.stdout)


def test_a_locked_process_reads_and_whatever_else_it_tries_is_refused(tmp_path: Path, victim: Any) -> None:
    require_root("namespaces of others")
    answer = locked(tmp_path, victim.pid, "host")
    assert answer["gaps"] == 0
    assert {name for name, said in answer["said"].items() if said == "done"} == _ALLOWED
    assert {said for name, said in answer["said"].items() if name not in _ALLOWED} <= {"EPERM", "EROFS", "ENOSYS", "EACCES"}


def test_a_locked_process_can_gain_nothing_and_has_what_reading_needs(tmp_path: Path, victim: Any) -> None:
    require_root()
    status = locked(tmp_path, victim.pid, "host")["status"]
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    assert int(fields["CapEff"], 16) | int(fields["CapPrm"], 16) == int(fields["CapEff"], 16)
    assert int(fields["CapEff"], 16) & ~_KEPT == 0
    assert int(fields["CapInh"], 16) == 0


def test_where_an_image_is_read_landlock_holds_too(tmp_path: Path, victim: Any) -> None:
    require_root()
    if landlock_version() is None:
        pytest.skip("this kernel has no Landlock")
    said = locked(tmp_path, victim.pid, "image")["said"]
    # What Landlock costs, and why it is not used on a live host.
    assert said["namespace of another"] == said["root of another"] == "EACCES"
    assert said["read"] == said["list"] == "done"


_WRITING_ONLY = """
import ctypes, errno, json, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
victim, handled = int(sys.argv[1]), 1 << 1  # LANDLOCK_ACCESS_FS_WRITE_FILE and nothing else
def link():
    try:
        os.readlink(f"/proc/{victim}/ns/net")
        os.listdir(f"/proc/{victim}/root")
        return "read"
    except OSError as error:
        return errno.errorcode[error.errno]
before = link()
ruleset = libc.syscall(444, struct.pack("Q", handled), 8, 0)
assert ruleset >= 0 and libc.syscall(446, ruleset, 0) == 0
print(json.dumps([before, link(), open("/proc/version").read(5)]))
"""


def test_even_a_domain_that_handles_writing_only_hides_the_namespaces_of_others(victim: Any) -> None:
    """Why Landlock is no part of the lock of a live host: its domains are kept from tracing, whatever they handle."""
    require_root()
    if landlock_version() is None:
        pytest.skip("this kernel has no Landlock")
    done = subprocess.run(
        [sys.executable, "-c", _WRITING_ONLY, str(victim.pid)], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == ["read", "EACCES", "Linux"]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_program_ends_everywhere_and_jumps_nowhere_outside(machine: str) -> None:
    program = assemble(machine, 4711)
    assert len(program) % 8 == 0
    count = len(program) // 8
    assert count < 4096
    for index in range(count):
        code = int.from_bytes(program[8 * index : 8 * index + 2], "little")
        if code & 0x07 == 0x05:
            assert all(index + 1 + program[8 * index + 2 + way] < count for way in (0, 1))
    assert program[-8] == 0x06  # the last one returns


def test_the_numbers_are_those_of_the_kernels_table() -> None:
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    generic = Path("/usr/include/asm-generic/unistd.h")
    if not header.exists() or not generic.exists():
        pytest.skip("headers of the kernel are not installed")
    from ctrscope.lock import reading_filter

    tables = {
        "x86_64": dict(re.findall(r"#define __NR_(\w+) (\d+)", header.read_text())),
        "aarch64": dict(re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", generic.read_text())),
    }
    for machine, table in tables.items():
        ours = f"{reading_filter._HARMLESS[machine]} {reading_filter._DEPENDING[machine]}".split()
        for word in ours:
            name, _, number = word.partition("=")
            assert table.get(name, number) == number or name in ("newfstatat", "fstat"), (machine, word)


@pytest.mark.parametrize("verb", ["audit", "audit --format html", "diagnose", "net --read-only"])
def test_a_trace_shows_no_write_no_connection_and_no_signal(verb: str, tmp_path: Path) -> None:
    require_root()
    require("strace")
    trace = tmp_path / "trace"
    calls = "%file,%network,kill,tkill,tgkill,pidfd_send_signal,ptrace,mount,umount2,setns,seccomp,bpf,execve,write"
    argv = [sys.executable, "-B", "-m", "ctrscope", *verb.split()]
    done = subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-o", str(trace), "-e", f"trace={calls}", *argv],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = trace.read_text(errors="replace").splitlines()
    locked_at = next(index for index, line in enumerate(lines) if re.search(r" seccomp\(SECCOMP_SET_MODE_FILTER.*= 0$", line))
    assert not [line for line in lines if re.search(r"\bopen(at)?\(.*O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)", line)]
    changing = r" (connect|bind|kill|tkill|tgkill|pidfd_send_signal|ptrace|mount|umount2|bpf)\("
    assert not [line for line in lines if re.search(changing, line)]
    assert not [line for line in lines[1:] if " execve(" in line]
    assert not [line for line in lines if " setns(" in line and "CLONE_NEWNET" not in line]
    assert not [line for line in lines if re.search(r" socket\(AF_(UNIX|INET6?), SOCK_STREAM", line)]
    assert {line.split("(")[1].split(",")[0] for line in lines if " write(" in line} <= {"1", "2"}
    # Nothing of the host was read before the lock was there.
    assert not [line for line in lines[:locked_at] if re.search(r"/proc/1/|/var/lib/(docker|containers)|/run/docker", line)]
