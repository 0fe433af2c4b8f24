"""Containers whose launcher, monitor or init is killed at random moments, in a world of their own, and what is left of them.

``python -m tests.kernel.nothing_left [--moments N] [--seed S]``: nothing may be left once ``ctrscope rm --force`` was told.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

from tests.kernel.world import Picture, difference, kill_everybody, make_world, processes, run_in_world, take_picture

_NAME = "moment"
_LIMITS = ("--memory", "64m", "--pids", "50", "--cpus", "0.5")
_BRIDGE = ("--net", "bridge", "-p", "127.0.0.1:8080:80")
_STATES = Path("/run/ctrscope/containers")
_SETTLED, _PATIENCE = 10.0, 300.0  # seconds; a machine may be emulated


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
    own = ("--inside", "--moments", str(arguments.moments), "--seed", str(arguments.seed))
    return run_in_world("tests.kernel.nothing_left", *own)


def _inside(moments: int, seed: int) -> int:
    make_world()
    chance = random.Random(seed)
    _say(f"seed {seed}")
    _ctrscope("run", "-d", *_BRIDGE, "--name", _NAME, "--", "sleep", "1000")
    _ctrscope("rm", "--force", _NAME)
    before = take_picture()
    lengths = {scenario: _length(scenario, before) for scenario in SCENARIOS}
    for scenario, length in lengths.items():
        _say(f"{scenario.name}: {length * 1000:.0f} ms")
    failures = 0
    for number in range(moments):
        scenario = SCENARIOS[number % len(SCENARIOS)]
        victim = chance.choice(VICTIMS)
        moment = chance.uniform(0, lengths[scenario] * 1.1)
        said = _kill_at(scenario, victim, moment)
        left = difference(before)
        if left:
            failures += 1
            _say(
                f"moment {number}: {scenario.name}, {victim} killed after {moment * 1000:.0f} ms: {said}",
                *left,
            )
            _clean_by_force()
        if number % 10 == 9:  # a run that is cut off has shown something, too
            _say(f"{number + 1} so far, something left {failures} times")
    _say(f"{moments} moments, something left {failures} times")
    return 1 if failures else 0


def _say(*lines: str) -> None:
    sys.stdout.write("\n  ".join(lines) + "\n")
    sys.stdout.flush()


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
    status, said = Running(argv).end(_PATIENCE)
    assert status == 0, f"ctrscope {' '.join(argv)}: {status}: {said}"


def _length(scenario: Scenario, before: Picture) -> float:
    """Seconds until it has done what it does, everything that it started included. The second time counts: all is read then."""
    taken = 0.0
    for _ in range(2):
        if scenario.name == "removal":
            _ctrscope(*SCENARIOS[0].argv)
        began = time.monotonic()
        _ctrscope(*scenario.argv)
        if scenario.is_over:
            assert difference(before) == []
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
    done = [Running(("rm", "--force", _NAME)).end(_PATIENCE)]
    if _STATES.exists():
        done += [Running(("rm", "--force", one.name)).end(_PATIENCE) for one in _STATES.iterdir() if one.is_dir()]
    return done


def _kill(launcher: int, victim: str) -> str:
    """Kill it; where there is no such victim, the launcher. The names of the killed."""
    family = processes()
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


def _clean_by_force() -> None:
    """So that the next moment is judged by itself."""
    kill_everybody()
    _remove()


if __name__ == "__main__":
    sys.exit(main())
