"""The one way of saying that a container cannot be made, changed or removed: what the kernel refuses, or a program does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class LauncherError(Exception):
    """What happened, to what, and what to do. *status* is the exit status: 125 ctrscope failed, 126 and 127 the command's."""

    def __init__(self, message: str, status: int = 125) -> None:
        super().__init__(message)
        self.status = status


class SpecError(LauncherError):
    """A config.json does not say what it has to: the JSON path and what is expected there."""


@contextmanager
def step(what: str, hint: str = "") -> Iterator[None]:
    """What the system refuses meanwhile is an error about *what*."""
    try:
        yield
    except OSError as error:
        raise LauncherError(f"{what}: {error.strerror or error}{hint}") from error


def run_program(what: str, argv: Sequence[str], **options: Any) -> str:
    """Run a program to its end; returns what it wrote. Errors: LauncherError about *what*, with what it said."""
    import subprocess

    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(argv, capture_output=True, text=True, check=False, **options)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LauncherError(f"{what}: {error}") from None
    if done.returncode:
        raise LauncherError(f"{what}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout
