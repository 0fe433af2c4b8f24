"""What every engine under test needs of the machine: commands, daemons, deadlines, and leaving nothing behind.

Everything of the tests lies below ``LAB``, so that a run that crashed can be found and removed by the next.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeVar

T = TypeVar("T")

LAB = Path("/run/ctrscope-lab")
#: What a container under test runs when it is only to be there. busybox sleeps this long; nobody waits for it.
FOREVER = ("/bin/sleep", "100000")


class CommandFailedError(Exception):
    """A command of an engine ended with an error."""


def run(*argv: str, env: Mapping[str, str] | None = None, check: bool = True, timeout: float = 300) -> str:
    """Run a command with no standard input; its standard output.

    A detached container may inherit and keep the output open, so output goes through files, not pipes.
    """
    with TemporaryFile() as out, TemporaryFile() as err:
        process = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            timeout=timeout,
            check=False,
            env={**os.environ, **(env or {})},
        )
        out.seek(0)
        err.seek(0)
        text, complaint = out.read().decode("utf-8", "surrogateescape"), err.read().decode("utf-8", "replace")
    if check and process.returncode != 0:
        raise CommandFailedError(f"{' '.join(argv)}: {process.returncode}: {(complaint or text)[-2000:]}")
    return text


@contextmanager
def removed(*command: str) -> Iterator[None]:
    """Without what *command* removes, now and afterwards."""
    run(*command, check=False)
    try:
        yield
    finally:
        run(*command, check=False)


def wait_for(what: str, condition: Callable[[], T | None], *, seconds: float = 30) -> T:
    """Wait until *condition* is true and return it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)
    return value


def start_time(pid: int) -> int | None:
    """Field 22 of proc_pid_stat(5); None when there is no such process, or only its zombie."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def end(pid: int, *, seconds: float = 20, first: signal.Signals = signal.SIGTERM) -> None:
    """End one process and wait until it is gone."""
    for number in (first, signal.SIGKILL):
        if start_time(pid) is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        with suppress(TimeoutError):
            wait_for(f"end of {pid}", lambda: start_time(pid) is None, seconds=seconds)


class Background:
    """A process in the background that another run of the tests can find again: by its PID and start time."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.name, self.argv, self.env = name, argv, env
        self._file, self.log = LAB / f"{name}.pid", LAB / f"{name}.log"

    @property
    def pid(self) -> int | None:
        """Its PID while it runs."""
        try:
            pid, started = self._file.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if start_time(int(pid)) == int(started) else None

    def start(self) -> int:
        """Start it in a session of its own, so that the end of a shell does not end it."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **(self.env or {})},
            )
        self._file.write_text(f"{process.pid} {start_time(process.pid)}")
        return process.pid

    def stop(self, first: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if (pid := self.pid) is not None:
            end(pid, first=first)
        self._file.unlink(missing_ok=True)


def tail(path: Path) -> str:
    """The last lines of a log, for the message of a failure."""
    try:
        return path.read_text(errors="replace")[-1500:]
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    """PIDs of the children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def processes(match: Callable[[list[str]], bool]) -> list[int]:
    """PIDs of the processes whose arguments *match*."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with suppress(OSError):
                text = Path(entry.path, "cmdline").read_bytes().decode("utf-8", "surrogateescape")
                if text and match(text.rstrip("\0").split("\0")):
                    found.append(int(entry.name))
    return found


def unmount_below(top: str) -> None:
    """Unmount everything mounted at or below a directory."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        if point == top or point.startswith(f"{top}/"):
            run("umount", "-l", point, check=False)


def remove_directory(path: str) -> None:
    """Unmount below a directory and remove it; or remove a file."""
    unmount_below(path)
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)


def remove_cgroups(*names: str) -> None:
    """Remove cgroups that hold no process any more, in every hierarchy. Names may end in ``*``."""
    hierarchies = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if " - cgroup" in line]
    for top in hierarchies:
        for name in names:
            for found in sorted(Path(top).glob(name)):
                for directory, _, _ in os.walk(found, topdown=False):
                    with suppress(OSError):
                        os.rmdir(directory)


def remove_links(*names: str) -> None:
    """Remove network links."""
    for name in names:
        run("ip", "link", "delete", name, check=False)


class Borrowed:
    """Directories that the tests made at an engine's usual place; those that were there before are left alone."""

    def __init__(self, *paths: str) -> None:
        self._paths = paths

    def note(self) -> None:
        """Write down which of them are not there."""
        with (LAB / "made").open("a") as file:
            for path in self._paths:
                if not os.path.lexists(path):
                    file.write(path + "\n")

    @staticmethod
    def give_back() -> None:
        """Remove what was not there when ``note`` was called."""
        with suppress(OSError):
            for path in _lines(LAB / "made"):
                remove_directory(path)


def _lines(path: Path) -> Iterable[str]:
    return path.read_text().splitlines()
