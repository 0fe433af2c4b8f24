"""The real dashboard in a terminal of tmux: keys go in, what is on the screen comes out."""

import os
import sys
import time
from pathlib import Path

from tests.live.machine import run

_PATIENCE = 90.0  # seconds; on a busy machine a first look alone may take ten


class Terminal:
    """A tmux server of its own with one pane; ``close`` ends both."""

    def __init__(self, directory: Path, *arguments: str, size: tuple[int, int] = (120, 30)) -> None:
        self._tmux = ("tmux", "-u", "-S", str(directory / "tmux"), "-f", "/dev/null")
        environment = (
            "TERM=xterm-256color",
            f"XDG_CONFIG_HOME={directory}",  # nobody's own keys
            f"PYTHONPATH={os.pathsep.join([os.getcwd(), *sys.path])}",
        )
        width, height = map(str, size)
        command = ("env", *environment, sys.executable, "-m", "ctrscope", *arguments)
        run(*self._tmux, "new-session", "-d", "-x", width, "-y", height, *command)
        run(*self._tmux, "set-option", "-g", "status", "off")

    def screen(self) -> str:
        """What is on it."""
        return run(*self._tmux, "capture-pane", "-p", check=False)

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        run(*self._tmux, "send-keys", *keys)

    def write(self, text: str) -> None:
        """Type a text."""
        run(*self._tmux, "send-keys", "-l", "--", text)

    def until(self, *words: str, without: str = "\0") -> str:
        """Wait until all *words* are on the screen, and *without* is not; the screen."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            screen = self.screen()
            if all(word in screen for word in words) and without not in screen:
                return screen
            assert time.monotonic() < deadline, f"{words} without {without!r} never came:\n{screen}"
            time.sleep(0.1)

    def close(self) -> None:
        """End it."""
        run(*self._tmux, "kill-server", check=False)
