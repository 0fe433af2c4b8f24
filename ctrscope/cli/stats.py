"""``ctrscope stats``: live usage against limits."""

import gc
import os
import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, ClassVar

import msgspec

from ctrscope.cli.answer import exit_status, find_or_say, is_blind, print_lines, say_gaps
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import ExitStatus
from ctrscope.cli.inspect import ID_HELP
from ctrscope.cli.options import wrong_value
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap
from ctrscope.model.rates import Rates
from ctrscope.model.snapshot import Snapshot
from ctrscope.render.colour import paint_title
from ctrscope.render.safe import inert
from ctrscope.render.stats import StatsRow, format_stats

if TYPE_CHECKING:
    import argparse

#: Seconds between the two readings that the first rates come from.
_FIRST = 0.2
#: Seconds after which a stream looks at the whole host, whatever seems to have changed.
_WHOLE_EVERY = 30.0
_HOME, _TO_END_OF_LINE, _TO_END = "\x1b[H", "\x1b[K", "\x1b[J"
_EXAMPLES = """\
CPU % is of one CPU; OF LIMIT is of what it may use. A limit with ↑ is that of a cgroup above the container's, one in
parentheses is the size of the host. MEM is without the page cache that is easily given back, as docker has it. THR % is
how many of the scheduler's periods ended throttled, WAIT % what share of the last ten seconds some task waited for CPU,
memory or I/O.

examples:
  ctrscope stats                     every running container, once
  ctrscope stats web db --interval 1
  ctrscope stats --interval 5 --json | jq -c '.stats[] | select(.cpu.throttled_percent > 10) | .name'
"""


class Stats:
    """Usage against limits."""

    name: ClassVar[str] = "stats"
    help: ClassVar[str] = "live usage against limits; one shot by default, a stream with --interval"

    def prepare_parser(self, parser: "argparse.ArgumentParser") -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("id", metavar="ID", nargs="*", help=ID_HELP + "; without it every running container")
        parser.add_argument("--interval", metavar="S", type=_seconds, help="go on, with one answer every S seconds")
        parser.add_argument("--count", metavar="N", type=_positive, help="stop after N answers; one second apart by default")

    def run(self, arguments: "argparse.Namespace", environment: Environment) -> int:
        """Print one answer, or one after another until ^C."""
        from ctrscope.probes.open_files import raise_open_files

        is_stream = arguments.interval is not None or arguments.count is not None
        if is_stream:
            gc.enable()  # `__main__` switched it off: an answer leaves 200 kB of garbage
        ticks = _Ticks(environment, arguments.id, keep_open=raise_open_files() if is_stream else 0)
        wanted = arguments.count if is_stream else 1
        status: int = ExitStatus.DONE
        try:
            for number, (snapshot, rates) in enumerate(ticks.every(arguments.interval or 1.0)):
                gaps = ticks.gaps(snapshot)
                if environment.json:
                    _print_json(environment, snapshot, rates, gaps, is_stream=is_stream)
                else:
                    _print_table(environment, snapshot, rates, is_first=number == 0, is_stream=is_stream)
                if number == 0 and not environment.json and not (is_stream and environment.is_tty):
                    say_gaps(environment, gaps)
                status = ExitStatus.NOT_PERMITTED if is_blind(snapshot) else exit_status(environment, gaps)
                if number + 1 == wanted or (arguments.id and not snapshot.containers):
                    break
        except KeyboardInterrupt:
            if not is_stream:
                raise
        return status


class _Ticks:
    """One reading after another of the containers that somebody asked for."""

    def __init__(self, environment: Environment, queries: Sequence[str], *, keep_open: int) -> None:
        from ctrscope.discovery.plan import Plan
        from ctrscope.discovery.watcher import Watcher

        self._environment, self._queries = environment, queries
        self._keys: frozenset[str] | None = None
        # Namespaces, because traffic is counted by network namespace.
        plan = Plan(namespaces=True, addresses=False, stats=True, stopped=bool(queries))
        self._watcher = Watcher(environment.host, plan, whole_every=_WHOLE_EVERY, select=self._select, keep_open=keep_open)

    def every(self, interval: float) -> Iterator[tuple[Snapshot, dict[str, Rates]]]:
        """Snapshots with their rates: the first as soon as there are rates, then at fixed moments."""
        from ctrscope.discovery.rates import rates_between

        previous = self._watcher.look()
        due = time.monotonic() + _FIRST
        for _ in count():
            time.sleep(max(0.0, due - time.monotonic()))
            snapshot = self._watcher.look()
            yield snapshot, rates_between(previous, snapshot)
            previous = snapshot
            due = max(due + interval, time.monotonic())

    def gaps(self, snapshot: Snapshot) -> tuple[Gap, ...]:
        """The gaps of an answer: with ids, those of their containers only."""
        if self._keys is None:
            return snapshot.gaps
        subjects = {"host", *(f"container {key}" for key in self._keys)}
        return tuple(gap for gap in snapshot.gaps if gap.subject in subjects)

    def _select(self, snapshot: Snapshot) -> Snapshot:
        if self._keys is None and self._queries:
            found = [find_or_say(self._environment, snapshot, query) for query in self._queries]
            for container in found:
                if not container.is_running:
                    self._environment.say(f"{inert(container.name)} is {container.status}: it uses nothing.")
            self._keys = frozenset(container.key for container in found)
        kept = (one for one in snapshot.containers if one.is_running and (self._keys is None or one.key in self._keys))
        return msgspec.structs.replace(snapshot, containers=tuple(kept))


def _print_json(
    environment: Environment, snapshot: Snapshot, rates: dict[str, Rates], gaps: tuple[Gap, ...], *, is_stream: bool
) -> None:
    from ctrscope.cli.answer import print_json
    from ctrscope.export.contract import StatsAnswer, encode_answer
    from ctrscope.export.stats import container_figures

    answer = StatsAnswer(
        taken_at=snapshot.taken_at,
        host=snapshot.host,
        stats=tuple(container_figures(*_row(snapshot, rates, container)) for container in snapshot.containers),
        gaps=gaps,
    )
    # A stream is one object a line, on a terminal too.
    print_json(msgspec.structs.replace(environment, is_tty=environment.is_tty and not is_stream), encode_answer(answer))
    environment.stdout.flush()


def _print_table(
    environment: Environment, snapshot: Snapshot, rates: dict[str, Rates], *, is_first: bool, is_stream: bool
) -> None:
    lines = format_stats([_row(snapshot, rates, container) for container in snapshot.containers], environment.width)
    redraw = is_stream and environment.is_tty
    if redraw:
        lines = fitting(lines, _height(environment) - 1)
    if environment.colour:
        lines[0] = paint_title(lines[0])
    if redraw:
        # Overwritten in place: what is cleared first flickers.
        text = "".join(f"{line}{_TO_END_OF_LINE}\n" for line in lines)
        environment.stdout.write((_HOME + _TO_END if is_first else _HOME) + text + _TO_END)
    else:
        print_lines(environment, lines if is_first else ["", *lines])
    environment.stdout.flush()


def fitting(lines: list[str], room: int) -> list[str]:
    """The lines that fit on the screen; the last one says how many do not."""
    if len(lines) <= room or room < 3:
        return lines[:room]
    return [*lines[: room - 1], f"… and {len(lines) - room + 1} more: name those that you want to see"]


def _row(snapshot: Snapshot, rates: dict[str, Rates], container: Container) -> StatsRow:
    key = container.key
    return StatsRow(container, snapshot.stats.get(key), snapshot.effective.get(key), rates.get(key), snapshot.traffic.get(key))


def _height(environment: Environment) -> int:
    try:
        return os.get_terminal_size(environment.stdout.fileno()).lines or 24
    except OSError:
        return 24


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86400:
        raise wrong_value(f"{text!r} is not a number of seconds from 0.1 to 86400")
    return seconds


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= len(text) <= 9 or not int(text):
        raise wrong_value(f"{text!r} is not a number from 1 up")
    return int(text)
