"""Commands do not collect garbage, for they end; what goes on until it is left does, or it would grow for ever."""

import gc
import io
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ctrscope.cli.dashboard import Dashboard
from ctrscope.cli.environment import Environment
from ctrscope.discovery.noticing import Noticer
from ctrscope.probes.hostfs import HostFs
from ctrscope.views.app import CtrscopeApp
from tests.cli.conftest import Done

Run = Callable[..., Done]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_started() -> Iterator[None]:
    """As `__main__` leaves it."""
    gc.disable()
    yield
    gc.enable()


def test_one_answer_is_not_worth_it(v2_root: Path, run: Run) -> None:
    assert run("--root", str(v2_root), "stats", "d-web").status == 0
    assert not gc.isenabled()


def test_a_stream_of_answers_collects_what_they_leave(v2_root: Path, run: Run) -> None:
    assert run("--root", str(v2_root), "stats", "d-web", "--interval", "0.1", "--count", "2").status == 0
    assert gc.isenabled()


def test_the_dashboard_collects_whichever_command_opened_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found: list[bool] = []
    monkeypatch.setattr(CtrscopeApp, "run", lambda self: found.append(gc.isenabled()))
    monkeypatch.setattr(Noticer, "start", lambda self: None)
    monkeypatch.setattr(sys, "setswitchinterval", lambda seconds: None)
    terminal = Terminal()

    Dashboard().run(Namespace(), Environment(HostFs(str(tmp_path)), terminal, terminal, terminal, is_tty=True, colour=True))

    assert found == [True]
