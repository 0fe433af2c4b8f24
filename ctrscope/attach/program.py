"""Executing the command, once everything has been joined.

*Source:* execve(2), execveat(2), and "Interpreter scripts" there. *Errors:* the statuses of CONTRACT: 126 and 127.
"""

import errno
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from ctrscope.attach.become import load_filter
from ctrscope.attach.confinement import Filter
from ctrscope.attach.environment import DEFAULT_PATH
from ctrscope.attach.request import CannotAttach

CANNOT_EXECUTE, NOT_FOUND = 126, 127
_MAX_INTERPRETERS = 5  # as the kernel: BINPRM recursion in fs/exec.c
_HEAD = 256  # as the kernel: BINPRM_BUF_SIZE


def candidates(name: str, path: str) -> list[str]:
    """Where a program of that name may be, in the order in which it is looked for."""
    return [name] if "/" in name else [f"{directory or '.'}/{name}" for directory in path.split(":")]


_Run = Callable[[str | int, Sequence[str], Mapping[str, str]], NoReturn]


def execute(
    argv: Sequence[str], environment: Mapping[str, str], *, inside: bool, alone: bool = False, last: Filter | None = None
) -> NoReturn:
    """Exec a command, looking it up in its own PATH; *inside* a container only what is its own. Errors: CannotAttach.

    *alone*: nobody else is in the container yet, so that what was looked at is still there under its name. *last*: a filter
    that is loaded when nothing but execve(2) is left to do.
    """

    def run(program: str | int, arguments: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
        nonlocal last
        if last is not None:
            filter_, last = last, None
            try:
                load_filter(filter_)
            except OSError as error:
                raise CannotAttach(f"loading its seccomp filter: {error.strerror}") from error
        os.execve(program, list(arguments), environment)  # noqa: S606 -- that is what it is for

    name = argv[0]
    if not name:
        raise CannotAttach("the command is empty", NOT_FOUND)
    path = environment.get("PATH", DEFAULT_PATH)
    reason = None
    for candidate in candidates(name, path):
        try:
            if inside:
                _execute_inside(candidate, argv, environment, run, alone=alone)
            run(candidate, argv, environment)
        except (FileNotFoundError, NotADirectoryError):
            if os.path.exists(candidate):
                raise CannotAttach(
                    f"{candidate}: cannot be executed: its interpreter or loader is missing", CANNOT_EXECUTE
                ) from None
        except OSError as error:
            reason = reason or f"{candidate}: cannot be executed: {error.strerror}"
    if reason is not None:
        raise CannotAttach(reason, CANNOT_EXECUTE)
    raise CannotAttach(f"{name}: not found there" + ("" if "/" in name else f" (PATH is {path})"), NOT_FOUND)


def _execute_inside(path: str, argv: Sequence[str], environment: Mapping[str, str], run: _Run, *, alone: bool) -> NoReturn:
    """Exec a file of the container: the very one that was looked at, whatever its name means by then.

    A shell that is a link to /proc/self/exe, or names that as its interpreter, would be our own interpreter, run inside,
    where root could then overwrite it (CVE-2019-5736). Such links jump: what they say and where they lead differ. Hence a
    script's interpreter is started here rather than by the kernel, which would look its name up once more.
    *Kernel:* a program that is executed by its descriptor has the file's name for its comm, before 6.14 that number, and not
    the name of the link (``sh``) that it was called by.
    """
    name, arguments = path, argv
    for _ in range(_MAX_INTERPRETERS + 1):
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        found, said = os.fstat(handle), os.path.realpath(path)
        try:
            same = os.path.samestat(found, os.lstat(said))
        except OSError:
            same = False
        if not same:
            break
        first = _first_line(path, found)
        if not first.startswith(b"#!") or not (words := first[2:].split(maxsplit=1)):
            run(name if alone else handle, argv if alone else arguments, environment)
        if not os.access(path, os.X_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        os.close(handle)
        interpreter, *argument = (os.fsdecode(word.strip()) for word in words)
        path, arguments = interpreter, (interpreter, *argument, path, *arguments[1:])
    raise CannotAttach(f"{path}: refused: it leads to a file outside the container", CANNOT_EXECUTE)


def _first_line(path: str, found: os.stat_result) -> bytes:
    """The beginning of that file; nothing of one that may be run but not read, or that is another by now."""
    if not stat.S_ISREG(found.st_mode):
        return b""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except PermissionError:
        return b""
    with open(handle, "rb", buffering=0) as file:
        if not os.path.samestat(os.fstat(handle), found):
            return b""
        head: bytes = file.read(_HEAD) or b""
    return head.split(b"\n")[0]
