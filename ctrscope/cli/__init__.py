"""SAY: one module for each verb; nothing heavy is imported before it is needed."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import StringIO, TextIOWrapper
from typing import TextIO

from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.cli.options import options_of, parse_arguments, split_verb, unknown_verb
from ctrscope.cli.verb import ALWAYS_LOCKED, DASHBOARD, VERBS, load_verb
from ctrscope.model.gap import Gap
from ctrscope.probes.hostfs import HostFs
from ctrscope.render.safe import inert


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ctrscope`` and return its exit status. No traceback reaches a user who did not ask for one."""
    argv = sys.argv[1:] if argv is None else list(argv)
    _open_streams()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale without ● is no reason to fail
    try:
        status = _run(argv)
        sys.stdout.flush()
        return int(status)
    except SystemExit as error:  # argparse: 0 after --help and --version, 2 after an error
        return error.code if isinstance(error.code, int) else ExitStatus.FAILED
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        _close_output()
        return ExitStatus.CLOSED_PIPE
    except Exception as error:
        status, lines = _explain(error)
        with suppress(OSError):
            if "--debug" in options_of(argv):
                import traceback

                traceback.print_exc()
            print(f"ctrscope: {lines[0]}", *lines[1:], sep="\n", file=sys.stderr)  # noqa: T201
        if isinstance(error, OSError):
            _close_output()
        return int(status)


def _run(argv: list[str]) -> int:
    name, rest = split_verb(argv)
    if name is None and not {"-h", "--help"}.isdisjoint(options_of(argv)):
        name, rest = "help", []
    if name is not None and name not in VERBS:
        raise CommandError(ExitStatus.USAGE, unknown_verb(inert(name)))
    verb = load_verb(DASHBOARD if name is None else VERBS[name])
    arguments = parse_arguments(verb, rest)
    if name not in ("help", "schema"):
        _check_root(arguments.root)
    is_tty = sys.stdout.isatty()
    environment = Environment(
        host=HostFs(arguments.root),
        stdin=sys.stdin,
        stdout=sys.stdout,
        stderr=sys.stderr,
        is_tty=is_tty,
        colour=is_tty and not arguments.no_color and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
        json=arguments.json,
        strict=arguments.strict,
        read_only=arguments.read_only,
        lock_gaps=_lock(arguments.root, stderr=sys.stderr) if arguments.read_only or name in ALWAYS_LOCKED else (),
    )
    return verb.run(arguments, environment)


def _lock(root: str, stderr: TextIO) -> tuple[Gap, ...]:
    """Give up whatever could change something, for good; say what this kernel would not do."""
    from ctrscope import lock

    # Of another root no process is looked at, unless it has a /proc of its own.
    gaps = lock.lock(image=root != "/" and not HostFs(root).exists("/proc/self/stat"))
    for gap in gaps:
        print(f"ctrscope: not locked by {gap.source}: {gap.detail}; needs {gap.needs}", file=stderr)
    return gaps


def _open_streams() -> None:
    """Put something harmless for the streams that we were started without: ``print(file=None)`` would mean stdout."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, StringIO())


def _check_root(root: str) -> None:
    """Say why nothing could be read from it: what is not permitted is not missing."""
    if not os.path.exists("/proc/self/fd"):  # through which HostFs opens what it has looked at
        raise CommandError(
            ExitStatus.NOT_PERMITTED,
            "no /proc is mounted here, without which nothing can be read, not even files: mount -t proc proc /proc",
        )
    if not root:
        raise CommandError(ExitStatus.USAGE, "--root: an empty name is no directory")
    if os.path.isdir(root):
        return
    try:
        HostFs(root).names("/")
    except OSError as error:
        raise CommandError(ExitStatus.USAGE, f"--root {inert(root)}: {error.strerror or error}") from None


def _explain(error: Exception) -> tuple[ExitStatus, tuple[str, ...]]:
    """Exit status and message for what went wrong."""
    from ctrscope.discovery.lookup import AmbiguousContainer, NoSuchContainer

    if isinstance(error, CommandError):
        return error.status, error.lines
    if isinstance(error, NoSuchContainer):
        nearest = ", ".join(inert(name) for name in error.nearest)
        hint = f"; nearest: {nearest}" if nearest else "; ctrscope ps -a lists them all"
        return ExitStatus.NO_SUCH_CONTAINER, (inert(str(error)) + hint,)
    if isinstance(error, AmbiguousContainer):
        candidates = (f"  {inert(one.key)}  {inert(one.name)}" for one in error.candidates)
        return ExitStatus.AMBIGUOUS, (inert(str(error)) + ":", *candidates)
    if isinstance(error, OSError):
        where = f"{inert(os.fsdecode(error.filename))}: " if error.filename else ""
        return ExitStatus.FAILED, (f"{where}{error.strerror or error}",)
    what = inert(str(error)) or "no message"
    return ExitStatus.FAILED, (f"{type(error).__name__}: {what} (--debug shows where)",)


def _close_output() -> None:
    """Close stdout now, so that the interpreter does not try to flush it once more and complain."""
    with suppress(OSError, ValueError):
        sys.stdout.close()
