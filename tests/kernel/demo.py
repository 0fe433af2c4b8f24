"""``ctrscope demo`` in a world of its own, left in every way there is; PID 1 of that world is this module."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import urllib.request
from pathlib import Path

from tests.kernel.world import difference, make_world, take_picture
from tests.live.machine import wait_for

_RUNNING = {"demo-web", "demo-client", "demo-app", "demo-sidecar", "demo-throttled", "demo-hungry"}
_PATIENCE = 60


class Demo:
    """One run of it, at a terminal of ours."""

    def __init__(self) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, (sys.executable, "-m", "ctrscope", "demo"), {**os.environ, "TERM": "xterm"})
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
        self.drawn = b""

    def read(self) -> None:
        """Take what it draws, so that it never waits for us."""
        while select.select([self.terminal], [], [], 0)[0]:
            try:
                self.drawn += os.read(self.terminal, 65536)
            except OSError:  # EIO: it has ended
                return

    def wait_until_it_shows(self, text: bytes) -> None:
        """Wait for something on the screen."""

        def shown() -> bool:
            self.read()
            return text in self.drawn

        wait_for(f"{text!r} on the screen", shown, seconds=_PATIENCE)

    def wait_until_it_ended(self, terminal: bool = True) -> int:
        """Its exit status, as wait(2) has it."""
        deadline = time.monotonic() + _PATIENCE
        while not (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            assert time.monotonic() < deadline, "the demo does not end"
            if terminal:
                self.read()
            time.sleep(0.02)
        if terminal:
            os.close(self.terminal)
        return ended[1]


def ctrscope(*arguments: str) -> dict[str, list[dict[str, object]]]:
    """An answer as JSON."""
    done = subprocess.run((sys.executable, "-m", "ctrscope", *arguments, "--json"), capture_output=True, check=True)
    answer: dict[str, list[dict[str, object]]] = json.loads(done.stdout)
    return answer


def ready() -> Demo:
    """A demo whose containers all run, and whose dashboard is open."""
    demo = Demo()
    demo.wait_until_it_shows(b"\x1b[?1049h")  # the alternate screen
    demo.wait_until_it_shows(b"demo-throttled")
    assert {str(one["name"]) for one in ctrscope("ps")["containers"]} == _RUNNING
    return demo


def _read_page() -> bytes | None:
    try:
        with urllib.request.urlopen("http://127.0.0.1:8080/", timeout=5) as answer:
            page: bytes = answer.read()
            return page
    except OSError:  # URLError is one: whoever listens is still starting
        return None


def killed_and_started_again() -> None:
    """SIGKILL leaves all of it; the next demo removes that, and shows what the first one had."""
    first = ready()
    os.kill(first.pid, signal.SIGKILL)
    first.wait_until_it_ended()
    assert len(ctrscope("ps")["containers"]) == len(_RUNNING)
    second = ready()
    assert wait_for("an answer on the published port", _read_page, seconds=_PATIENCE) == b"This is the demo of ctrscope.\n"

    def found() -> bool:
        rules = {str(one["rule"]) for one in ctrscope("diagnose")["findings"]}
        second.read()
        return {"health/cpu-throttled", "health/leaked"} <= rules

    wait_for("findings", found, seconds=_PATIENCE)
    os.close(second.terminal)  # as the window of a terminal is closed
    second.wait_until_it_ended(terminal=False)


def interrupted_while_it_starts() -> None:
    """^C before the dashboard is there."""
    demo = Demo()
    demo.wait_until_it_shows(b"--name demo-app")
    os.write(demo.terminal, b"\x03")
    assert os.waitstatus_to_exitcode(demo.wait_until_it_ended()) == 130
    assert b"\x1b[?1049h" not in demo.drawn


def told_to_end() -> None:
    """SIGTERM, while the dashboard is open: the terminal is as it was."""
    demo = ready()
    os.kill(demo.pid, signal.SIGTERM)
    demo.wait_until_it_ended()
    assert b"\x1b[?1049l" in demo.drawn


def main() -> int:
    """Each in turn; after each nothing may be left."""
    make_world()
    Path("/run/ctrscope/containers").mkdir(parents=True)  # the directory of states stays
    before = take_picture()
    for case in (interrupted_while_it_starts, killed_and_started_again, told_to_end):
        case()
        if left := difference(before):
            sys.stdout.write("\n  ".join((f"{case.__name__}:", *left)) + "\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
