import io
from collections.abc import Callable

import msgspec
import pytest

from ctrscope.cli.environment import Environment
from ctrscope.cli.ps import Ps
from ctrscope.discovery.plan import Plan
from ctrscope.model.gap import Gap, Reason
from ctrscope.probes.hostfs import HostFs
from ctrscope.render.safe import cell_width
from tests.awkward import SNAPSHOT
from tests.cli.conftest import Done, Host
from tests.golden import assert_golden

Run = Callable[..., Done]


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int, *, colour: bool = False) -> list[str]:
    """What ``ps -a`` prints on a terminal."""
    import argparse

    monkeypatch.setenv("COLUMNS", str(columns))
    out = io.StringIO()
    environment = Environment(HostFs("/"), io.StringIO(), out, io.StringIO(), is_tty=True, colour=colour)
    assert Ps().run(argparse.Namespace(all=True, quiet=False), environment) == 0
    return out.getvalue().splitlines()


def test_a_pipe_gets_the_whole_table(awkward: Host, run: Run) -> None:
    done = run("ps", "-a")
    assert done.status == 0
    assert_golden("ps.txt", done.out)


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_a_terminal_gets_what_fits(awkward: Host, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    lines = on_terminal(monkeypatch, columns)
    assert max(map(cell_width, lines)) <= columns
    assert_golden(f"ps-{columns}.txt", "\n".join(lines) + "\n")


def test_colour_adds_nothing_but_colour(awkward: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    plain, coloured = on_terminal(monkeypatch, 120), on_terminal(monkeypatch, 120, colour=True)
    assert coloured != plain
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in coloured] == plain


def test_without_a_only_what_runs_is_listed(awkward: Host, run: Run) -> None:
    assert "batch 7" not in run("ps").out
    assert "batch 7" in run("ps", "-a").out


def test_q_prints_full_ids_only(awkward: Host, run: Run) -> None:
    assert run("ps", "-aq").out.splitlines() == [container.id for container in SNAPSHOT.containers]


def test_the_gaps_are_one_line_on_stderr(awkward: Host, run: Run) -> None:
    assert run("ps").err.splitlines() == [
        "3 gaps: 2 denied (/proc/25112/ns, …), needs CAP_SYS_PTRACE; 1 malformed (/var/lib/docker/\\x1b[2J). "
        "ctrscope doctor tells more."
    ]


def test_text_asks_for_the_cheap_plan_and_json_for_the_full_one(awkward: Host, run: Run) -> None:
    run("ps")
    run("ps", "--json", "-a")
    assert awkward.plans == [
        Plan(cgroups=False, namespaces=False, addresses=False, stats=False, stopped=False),
        Plan(namespaces=True, addresses=True, stats=False, stopped=True),
    ]


def test_json_is_one_line_and_nothing_else(awkward: Host, run: Run) -> None:
    done = run("ps", "--json", "-a")
    assert (done.out.count("\n"), done.err) == (1, "")
    assert [one["name"] for one in done.answer["containers"]][1:] == ["batch 7", "web", "legacy", "unshare 9122"]


def test_strict_exits_3_when_something_could_not_be_read(awkward: Host, run: Run) -> None:
    assert (run("ps", "--strict").status, run("--strict", "ps", "--json").status) == (3, 3)
    not_collected = Gap(subject="host", fields=("stats",), source="", reason=Reason.NOT_COLLECTED)
    awkward.snapshot = msgspec.structs.replace(SNAPSHOT, gaps=(not_collected,))
    assert run("ps", "--strict").status == 0


def test_a_host_that_would_not_answer_exits_6(awkward: Host, run: Run) -> None:
    denied = Gap(subject="host", fields=("namespaces",), source="/proc/1/ns", reason=Reason.DENIED, needs="CAP_SYS_PTRACE")
    awkward.snapshot = msgspec.structs.replace(SNAPSHOT, containers=(), engines=(), gaps=(denied,))
    assert run("ps").status == 6


def test_a_host_without_containers_is_an_answer(awkward: Host, run: Run) -> None:
    awkward.snapshot = msgspec.structs.replace(SNAPSHOT, containers=(), gaps=())
    done = run("ps")
    assert (done.status, len(done.out.splitlines()), done.err) == (0, 1, "")
