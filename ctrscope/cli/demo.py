"""``ctrscope demo``: test containers for every view, the dashboard, and nothing left afterwards."""

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import ClassVar

from ctrscope.cli.consent import refuse_unless_allowed
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.render.safe import inert

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PAUSE = 1.0  # seconds between two looks at who died
_EPILOG = """\
A web server and its client on a bridge, with a published port; two containers that share a network, as in a pod; one that
is throttled; one that is killed for its memory and started again; the network namespace of one that is gone. They are made of
this host's own root, read-only, and its Python. The commands are shown, the dashboard is opened, and when it is left everything
is removed: also on ^C, and when the terminal closes. What a demo that was killed has left is removed by the next one.

examples:
  sudo ctrscope demo
"""


class Demo:
    """Start the demo."""

    name: ClassVar[str] = "demo"
    help: ClassVar[str] = "a small set of test containers that shows every view something, and removes them again"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Only the options of every command."""
        parser.epilog = _EPILOG

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Start the containers, then the dashboard; tend them until it is left."""
        refuse_unless_allowed(environment, "demo")
        if environment.host.root != "/":
            raise CommandError(ExitStatus.USAGE, "demo starts containers on this host, not in another root")
        if not (environment.is_tty and environment.stdin.isatty() and environment.stderr.isatty()):
            raise CommandError(ExitStatus.USAGE, "demo opens the dashboard, which needs a terminal")
        from ctrscope.cli.dashboard import Dashboard
        from ctrscope.oci.errors import LauncherError
        from ctrscope.run.demo import demo

        asked = Event()

        def say(line: str) -> None:
            if asked.is_set():
                raise KeyboardInterrupt
            environment.say(f"+ {line}")

        # A handler, because what is ignored stays ignored in every program that is started. While something is started or
        # removed nothing is interrupted: that would be half a container.
        for number in _SIGNALS:
            signal.signal(number, lambda *_: asked.set())
        try:
            with demo(say), _tending(), _interruptible(asked):
                return Dashboard().run(arguments, environment)
        except LauncherError as error:
            raise CommandError(ExitStatus.FAILED, inert(str(error))) from error


@contextmanager
def _interruptible(asked: Event) -> Iterator[None]:
    """Each of the signals is what ^C is: the dashboard ends as if it was left, and puts the terminal back."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in _SIGNALS[1:]:
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        if asked.is_set():
            raise KeyboardInterrupt
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)


@contextmanager
def _tending() -> Iterator[None]:
    """What dies for its memory is started again, on a thread beside the dashboard."""
    from ctrscope.oci.errors import LauncherError
    from ctrscope.run.demo import tend

    done, failed = Event(), list[LauncherError]()

    def look() -> None:
        while not done.wait(_PAUSE):
            try:
                tend()
            except LauncherError as error:
                failed.append(error)
                return

    thread = Thread(target=look, name="demo", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if failed:
        raise failed[0]
