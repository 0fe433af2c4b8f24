"""A world of a test's own, which can be compared whole with what it was, whatever else happens on this machine.

It has namespaces of its own of every type but user, a part of each cgroup hierarchy as its root, an empty /run and
/var/lib. What runs in it is its PID 1: all ends with it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.live.machine import wait_for

#: What Docker makes of a host: whatever it does not name is not forwarded.
_DROPPING = "table ip filter {\n chain FORWARD {\n type filter hook forward priority filter; policy drop;\n }\n}\n"
_SETTLED = 10.0  # seconds
_CPUSET = ("cpuset.cpus", "cpuset.mems")  # v1: nobody may enter before these are set

Picture = Mapping[str, list[str]]


def run_in_world(module: str, *arguments: str) -> int:
    """Run a module of Python as PID 1 of a new world, where it has to call ``make_world`` first; its exit status."""
    with _own_cgroups() as files:
        enter = "".join(f"echo $$ > {file}\n" for file in files)
        unshare = 'exec unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child --propagation private "$@"'
        argv = ("sh", "-ec", enter + unshare, "sh", sys.executable, "-m", module, *arguments)
        with subprocess.Popen(argv) as process:
            # Who waits outside has done with unshare(2) once it has a child; on v2 it may not stay where it was for that.
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            wait_for("a child", lambda: process.poll() is not None or children.read_text())
            for file in files if process.poll() is None else ():
                (file.parent / "harness/cgroup.procs").write_text(str(process.pid))
            return process.wait()


def make_world() -> None:
    """From inside: what namespaces alone do not give."""
    for mount in _mount_cgroups():
        (mount / "harness/cgroup.procs").write_text(str(os.getpid()))
    places = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
    # Copies of containers' mounts would keep those busy.
    for place in sorted((place for place in places if place.startswith(("/run/", "/var/", "/tmp/"))), reverse=True):
        subprocess.run(("umount", "-l", place), stderr=subprocess.DEVNULL, check=False)  # whose directory was removed is gone
    commands = f"""
        mount -t proc proc /proc
        mount -t tmpfs tmpfs /run
        mount -t tmpfs tmpfs /var/lib
        ip link set lo up
        echo 0 > /proc/sys/net/ipv4/ip_forward
        nft -f - <<'END'
{_DROPPING}
END
        """
    subprocess.run(("sh", "-e"), input=commands, text=True, check=True)


def processes() -> dict[int, str]:
    """PID → comm of everybody but PID 1."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and entry.name != "1":
            with suppress(OSError):
                state, comm = (entry / "stat").read_text(), (entry / "comm").read_text().strip()
                if state.rpartition(")")[2].split()[0] != "Z":
                    found[int(entry.name)] = comm
    return found


def take_picture() -> Picture:
    """Everything that a container is made of, as the usual programs tell it."""
    with suppress(ChildProcessError):  # PID 1 buries the orphans
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    commands = {
        "mount": ("findmnt", "-rno", "TARGET,FSTYPE,SOURCE"),
        "link": ("ip", "-br", "link"),
        "address": ("ip", "-4", "-o", "addr"),
        "rule": ("nft", "list", "ruleset"),
        "namespace": ("lsns", "-rno", "NS,TYPE"),
        "file": ("find", "/run", "/var/lib", "-mindepth", "1"),
        "forwarding": ("cat", "/proc/sys/net/ipv4/ip_forward"),
    }
    found = {
        name: sorted(subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines())
        for name, argv in commands.items()
    }
    found["cgroup"] = sorted(str(path) for mount in _cgroup_mounts() for path in mount.rglob("*/"))
    found["process"] = sorted(processes().values())
    return found


def difference(before: Picture) -> list[str]:
    """What is there that was not, and the reverse, once it is over with changing."""
    deadline = time.monotonic() + _SETTLED
    while (left := _compare(before, take_picture())) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def kill_everybody() -> None:
    """Kill whoever is there besides PID 1."""
    for pid in processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _compare(before: Picture, after: Picture) -> list[str]:
    return [
        f"{kind} {sign} {one}"
        for kind in before
        for sign, those, others in (("+", after[kind], before[kind]), ("-", before[kind], after[kind]))
        for one in those
        if one not in others
    ]


@contextmanager
def _own_cgroups() -> Iterator[list[Path]]:
    """A cgroup of ours in every hierarchy, and the files that let a process into it."""
    made: list[Path] = []
    try:
        for mount in _cgroup_mounts():
            path = mount / f"ctrscope-world-{os.getpid()}"
            path.mkdir()
            made.append(path)
            # The world's own processes are one level below: on v2 what has processes cannot hand on controllers.
            (path / "harness").mkdir()
            for name in _CPUSET:
                with suppress(OSError):
                    for directory in (path, path / "harness"):
                        (directory / name).write_text((mount / name).read_text())
        yield [path / "cgroup.procs" for path in made]
    finally:
        for path in made:
            for directory in sorted(path.rglob("*/"), key=lambda one: -len(one.parts)):
                directory.rmdir()
            path.rmdir()


def _cgroup_mounts() -> list[Path]:
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    # Containers of others may have some, too, in what is not their root yet.
    places = (fields[1] for fields in lines if fields[2] in ("cgroup", "cgroup2") and fields[1].startswith("/sys/fs/cgroup"))
    return [Path(place) for place in dict.fromkeys(places)]


def _mount_cgroups() -> list[Path]:
    """In place of each hierarchy the part of it that is ours, which is its root to whoever is in this namespace."""
    general = {"rw", "ro", "nosuid", "nodev", "noexec", "relatime", "noatime", "xattr"}
    mounts = _cgroup_mounts()
    for line in Path("/proc/self/mounts").read_text().splitlines():
        source, place, kind, options, *_ = line.split()
        if kind not in ("cgroup", "cgroup2") or Path(place) not in mounts:
            continue
        words = [one for one in options.split(",") if one not in general and ("=" not in one or one.startswith("name="))]
        named = ("none", *words) if words and words[0].startswith("name=") else words
        chosen = ("-o", ",".join(named)) if kind == "cgroup" else ()
        subprocess.run(("umount", place), check=True)  # the kernel refuses the same file system over itself
        subprocess.run(("mount", "-t", kind, *chosen, source, place), check=True)
    return mounts
