"""The command line over a hand-made host, so that what it prints can be looked at."""

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
import pytest

from ctrscope.cli import main
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import Container
from ctrscope.model.detail import Detail
from ctrscope.model.gap import Reading
from ctrscope.model.observed import Observed, ObservedProcess
from ctrscope.model.process import Process
from ctrscope.model.rates import Rates
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable
from tests.awkward import DETAIL, HOSTILE, HOSTILE_PROCESSES, NOW, SNAPSHOT, STATS, WEB, WEB_PROCESSES


class Done(NamedTuple):
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out)


class Host:
    """The host that discovery finds; records the plans that it was asked with."""

    def __init__(self) -> None:
        self.snapshot = SNAPSHOT
        self.detail = DETAIL
        self.plans: list[Plan] = []
        self.roots: list[str] = []
        self.shown_secrets: list[bool] = []

    def discover(self, host: HostFs, plan: Plan, processes: ProcessTable | None = None) -> Snapshot:
        self.plans.append(plan)
        self.roots.append(host.root)
        kept = tuple(one for one in self.snapshot.containers if plan.stopped or one.is_running)
        return msgspec.structs.replace(self.snapshot, containers=kept)

    def read_detail(self, host: HostFs, container: Container, *, show_secrets: bool = False) -> Detail:
        self.shown_secrets.append(show_secrets)
        return self.detail

    def read_processes(self, host: HostFs, container: Container) -> tuple[Process, ...]:
        return {WEB.key: WEB_PROCESSES, HOSTILE.key: HOSTILE_PROCESSES}.get(container.key, ())


@pytest.fixture
def awkward(monkeypatch: pytest.MonkeyPatch) -> Host:
    """Discovery finds the awkward host."""
    host = Host()
    monkeypatch.setattr("ctrscope.discovery.discover.discover", host.discover)
    monkeypatch.setattr("ctrscope.discovery.detail.read_detail", host.read_detail)
    monkeypatch.setattr("ctrscope.discovery.detail.read_processes", host.read_processes)
    monkeypatch.setattr(time, "time", lambda: NOW)
    return host


@pytest.fixture
def observed(awkward: Host, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...] | None]:
    """What ``diagnose`` observes is the awkward host, with figures of web; the keys that it was asked to look into."""
    asked: list[tuple[str, ...] | None] = []

    def observe(host: HostFs, snapshot: Snapshot, *, keys: Iterable[str] | None = None) -> Reading[Observed]:
        asked.append(None if keys is None else tuple(keys))
        init = ObservedProcess(pid=4711, ppid=4690, comm="nginx", state="S")
        value = Observed(
            snapshot=msgspec.structs.replace(snapshot, stats={WEB.key: STATS}),
            seconds=0.5,
            rates={WEB.key: Rates(throttled_percent=31.0)},
            processes=dict.fromkeys(asked[-1] or (WEB.key,), (init,)),
        )
        return Reading(value, snapshot.gaps)

    monkeypatch.setattr("ctrscope.discovery.observe.observe", observe)
    return asked


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run the command line."""

    def run(*argv: str) -> Done:
        status = main(argv)
        return Done(status, *capsys.readouterr())

    return run
