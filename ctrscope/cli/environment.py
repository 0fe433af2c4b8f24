"""What a command runs in: the host it reads, its streams, and the options that every command has."""

import os
from typing import TextIO

from ctrscope.model.gap import Gap
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs


def terminal_width(stream: TextIO) -> int:
    """Cells of a line: what COLUMNS says, else the terminal, else 80."""
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


class Environment(Value, frozen=True):
    """Handed to every command; nothing below ``cli`` knows of it."""

    host: HostFs
    stdin: TextIO
    stdout: TextIO  # the answer and nothing else
    stderr: TextIO  # messages
    is_tty: bool = False  # whether stdout is a terminal
    colour: bool = False
    json: bool = False
    strict: bool = False
    read_only: bool = False
    lock_gaps: tuple[Gap, ...] = ()  # what the kernel would not lock

    @property
    def width(self) -> int | None:
        """Cells of a line of the terminal; None when stdout is none: then lines are as long as they are."""
        return terminal_width(self.stdout) if self.is_tty else None

    def say(self, line: str) -> None:
        """A message for people."""
        print(line, file=self.stderr)
