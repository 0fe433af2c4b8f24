"""Containers whose launcher, monitor or init is killed at random moments, in a world of their own, and what is left of them.

``python -m tests.kernel.nothing_left [--moments N] [--seed S]``: nothing may be left once ``ctrscope rm --force`` was told.
The world has namespaces of its own of every type but user, a part of each cgroup hierarchy, and an empty /run: it can be
compared whole, whatever else happens on this machine.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

from tests.live.machine import wait_for

_NAME = "moment"
_LIMITS = ("--memory", "64m", "--pids", "50", "--cpus", "0.5")
_BRIDGE = ("--net", "bridge", "-p", "127.0.0.1:8080:80")
_STATES = Path("/run/ctrscope/containers")
_SETTLED = 10.0  # seconds

#: What a docker host has: whatever it does not name is not forwarded.
_DROPPING = "table ip filter {\n chain FORWARD {\n type filter hook forward priority filter; policy drop;\n }\n}\n"


class Scenario(NamedTuple):
    """What is started, and how long that takes to be over."""

    name: str
    argv: tuple[str, ...]
    is_over: bool  # by itself: whatever was made is removed without anybody asking


SCENARIOS = (
    Scenario("detached", ("run", "-d", *_BRIDGE, *_LIMITS, "--name", _NAME, "--", "sleep", "1000"), is_over=False),
    Scenario("foreground", ("run", "--rm", *_BRIDGE, *_LIMITS, "--name", _NAME, "--", "true"), is_over=True),
    Scenario("detached and over", ("run", "-d", "--rm", *_BRIDGE, *_LIMITS, "--name", _NAME, "--", "true"), is_over=True),
    Scenario("without a network", ("run", "-d", "--name", _NAME, "--", "sleep", "1000"), is_over=False),
    Scenario("removal", ("rm", "--force", _NAME), is_over=True),
)
VICTIMS = ("launcher", "monitor", "init", "all")


def main() -> int:
    """Make the world and count what is left behind in it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--moments", type=int, default=25)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--inside", action="store_true")
    arguments = parser.parse_args()
    if arguments.inside:
        return _inside(arguments.moments, arguments.seed)
    with _own_cgroups() as files:
        enter = "".join(f"echo $$ > {file}\n" for file in files)
        unshare = 'exec unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child --propagation private "$@"'
        own = ("--inside", "--moments", str(arguments.moments), "--seed", str(arguments.seed))
        argv = ("sh", "-ec", enter + unshare, "sh", sys.executable, "-m", "tests.kernel.nothing_left", *own)
        return subprocess.run(argv, check=False).returncode


@contextmanager
def _own_cgroups() -> Iterator[list[Path]]:
    """A cgroup of ours in every hierarchy, and the files that let a process into it."""
    made = []
    for mount in _cgroup_mounts():
        path = mount / f"ctrscope-moments-{os.getpid()}"
        path.mkdir()
        made.append(path)
        for name in ("cpuset.cpus", "cpuset.mems"):  # v1: nobody may enter before these are set
            with suppress(OSError):
                (path / name).write_text((mount / name).read_text())
    try:
        # On v2 what has processes cannot hand on controllers.
        for path in made:
            (path / "harness").mkdir()
            for name in ("cpuset.cpus", "cpuset.mems"):
                with suppress(OSError):
                    (path / "harness" / name).write_text((path / name).read_text())
        yield [path / "cgroup.procs" for path in made]
    finally:
        for path in made:
            for directory in sorted(path.rglob("*/"), key=lambda one: -len(one.parts)):
                with suppress(OSError):
                    directory.rmdir()
            path.rmdir()


def _cgroup_mounts() -> list[Path]:
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(fields[1]) for fields in lines if fields[2] in ("cgroup", "cgroup2")]


def _inside(moments: int, seed: int) -> int:
    _make_world()
    chance = random.Random(seed)
    _say(f"seed {seed}")
    _ctrscope("run", "-d", *_BRIDGE, "--name", _NAME, "--", "sleep", "1000")
    _ctrscope("rm", "--force", _NAME)
    before = _picture()
    lengths = {scenario: _length(scenario, before) for scenario in SCENARIOS}
    for scenario, length in lengths.items():
        _say(f"{scenario.name}: {length * 1000:.0f} ms")
    failures = 0
    for number in range(moments):
        scenario = SCENARIOS[number % len(SCENARIOS)]
        victim = chance.choice(VICTIMS)
        moment = chance.uniform(0, lengths[scenario] * 1.1)
        said = _kill_at(scenario, victim, moment)
        left = _difference(before)
        if left:
            failures += 1
            _say(
                f"moment {number}: {scenario.name}, {victim} killed after {moment * 1000:.0f} ms: {said}",
                *left,
            )
            _clean_by_force()
    _say(f"{moments} moments, something left {failures} times")
    return 1 if failures else 0


def _say(*lines: str) -> None:
    sys.stdout.write("\n  ".join(lines) + "\n")
    sys.stdout.flush()


def _make_world() -> None:
    for file in (mount / "harness/cgroup.procs" for mount in _mount_cgroups()):
        file.write_text(str(os.getpid()))
    commands = f"""
        mount -t proc proc /proc
        mount -t tmpfs tmpfs /run
        ip link set lo up
        nft -f - <<'END'
{_DROPPING}
END
        """
    subprocess.run(("sh", "-e"), input=commands, text=True, check=True)


def _mount_cgroups() -> list[Path]:
    """Over each hierarchy the part of it that is ours, which is its root to whoever is in this namespace."""
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    found = []
    for source, place, kind, options, *_ in lines:
        if kind == "cgroup2":
            subprocess.run(("mount", "-t", "cgroup2", source, place), check=True)
        elif kind == "cgroup":
            general = {"rw", "ro", "nosuid", "nodev", "noexec", "relatime", "noatime", "xattr"}
            wanted = ",".join(
                one for one in options.split(",") if (one not in general and "=" not in one) or one.startswith("name=")
            )
            wanted = f"none,{wanted}" if wanted.startswith("name=") else wanted
            subprocess.run(("mount", "-t", "cgroup", "-o", wanted, source, place), check=True)
        else:
            continue
        found.append(Path(place))
    return found


class Running:
    """A command of ctrscope; what it says goes to a file, which whoever it leaves behind may keep open."""

    def __init__(self, argv: tuple[str, ...]) -> None:
        self._output = TemporaryFile("w+")  # noqa: SIM115 -- closed when it ended
        self._process = subprocess.Popen(
            (sys.executable, "-m", "ctrscope", *argv),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def end(self, seconds: float) -> tuple[int | None, str]:
        """Exit status and what was said; a status of None, and it is killed, when it takes longer."""
        try:
            status: int | None = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
            self._process.kill()
            self._process.wait()
        with self._output:
            self._output.seek(0)
            return status, self._output.read().strip()


def _ctrscope(*argv: str) -> None:
    """Run it to its end. Errors: AssertionError."""
    status, said = Running(argv).end(60)
    assert status == 0, f"ctrscope {' '.join(argv)}: {status}: {said}"


def _length(scenario: Scenario, before: Mapping[str, list[str]]) -> float:
    """Seconds until it has done what it does, everything that it started included. The second time counts: all is read then."""
    taken = 0.0
    for _ in range(2):
        if scenario.name == "removal":
            _ctrscope(*SCENARIOS[0].argv)
        began = time.monotonic()
        _ctrscope(*scenario.argv)
        if scenario.is_over:
            wait_for("nothing to be left", lambda: not _difference_now(before), seconds=_SETTLED)
        taken = time.monotonic() - began
        if not scenario.is_over:
            _ctrscope("rm", "--force", _NAME)
    return taken


def _kill_at(scenario: Scenario, victim: str, moment: float) -> str:
    """Start it, kill the victim at that moment, remove what is left; what was said."""
    if scenario.name == "removal":
        _ctrscope(*SCENARIOS[0].argv)
    running = Running(scenario.argv)
    time.sleep(moment)
    killed = _kill(running.pid, victim)
    # Whoever lost only its monitor or its init comes to an end by itself, unless its program lives on.
    ended = running.end(_SETTLED)
    return f"killed {killed}; {ended}; rm: {_remove()}"


def _remove() -> list[tuple[int | None, str]]:
    """By its name; what was killed before that was written down, by the id that its directory has."""
    done = [Running(("rm", "--force", _NAME)).end(60)]
    if _STATES.exists():
        done += [Running(("rm", "--force", one.name)).end(60) for one in _STATES.iterdir() if one.is_dir()]
    return done


def _kill(launcher: int, victim: str) -> str:
    """Kill it; where there is no such victim, the launcher. The names of the killed."""
    family = _family()
    if victim == "monitor":
        chosen = [pid for pid, comm in family.items() if comm.startswith("ctrscope-mon")]
    elif victim == "init":
        # The youngest is the container's own, or what is about to be.
        chosen = [max(family)] if len(family) > 1 else []
    else:
        chosen = list(family) if victim == "all" else []
    killed = []
    for pid in chosen or [launcher]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed.append(f"{family.get(pid)} {pid}")
    return ", ".join(killed)


def _family() -> dict[int, str]:
    """Every process that came of it: there are no others in this world but ours and the first."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) not in (os.getpid(), 1):
            with suppress(OSError):
                state, comm = (entry / "stat").read_text(), (entry / "comm").read_text().strip()
                if state.rpartition(")")[2].split()[0] != "Z":
                    found[int(entry.name)] = comm
    return found


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _picture() -> dict[str, list[str]]:
    """Everything that a container is made of, as the usual programs tell it."""
    commands = {
        "mount": ("findmnt", "-rno", "TARGET,FSTYPE,SOURCE"),
        "link": ("ip", "-br", "link"),
        "address": ("ip", "-4", "-o", "addr"),
        "rule": ("nft", "list", "ruleset"),
        "namespace": ("lsns", "-rno", "NS,TYPE"),
        "file": ("find", "/run", "-mindepth", "1"),
        "forwarding": ("cat", "/proc/sys/net/ipv4/ip_forward"),
    }
    found = {
        name: sorted(subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines())
        for name, argv in commands.items()
    }
    found["cgroup"] = sorted(str(path) for mount in _cgroup_mounts() for path in mount.rglob("*/"))
    found["process"] = sorted(_family().values())
    return found


def _difference(before: Mapping[str, list[str]]) -> list[str]:
    """What is there that was not, and the reverse, once it does not change any more."""
    deadline = time.monotonic() + _SETTLED
    while (left := _difference_now(before)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _difference_now(before: Mapping[str, list[str]]) -> list[str]:
    _reap()
    after = _picture()
    return [
        f"{kind} {sign} {one}"
        for kind in before
        for sign, one in (
            *(("+", one) for one in after[kind] if one not in before[kind]),
            *(("-", one) for one in before[kind] if one not in after[kind]),
        )
    ]


def _clean_by_force() -> None:
    """So that the next moment is judged by itself."""
    for pid in _family():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _remove()
    _reap()


if __name__ == "__main__":
    sys.exit(main())
