"""Rules about supervisors, records on disk, restarts and what is left behind."""

from typing import Any

import pytest
from msgspec.structs import replace

from ctrscope.findings.health import leaks, supervision
from ctrscope.model.container import ContainerStatus, EngineName, Monitor
from ctrscope.model.observed import Remnant
from tests.awkward import ORPHAN, STOPPED, WEB
from tests.findings.observations import judge, observe, only


def test_a_container_without_its_supervisor_will_end_unrecorded() -> None:
    finding = only(supervision.monitor_gone, observe(container=ORPHAN))
    assert finding.title == "conmon 4410 is gone: exit status will not be recorded"
    assert finding.severity == "high"
    assert [one.source for one in finding.evidence] == ["/proc/4410/stat", "/proc/911/stat"]


@pytest.mark.parametrize(
    "container",
    [WEB, replace(WEB, monitor=None), replace(ORPHAN, pid=None, status=ContainerStatus.STOPPED)],
    ids=["alive", "none", "stopped"],
)
def test_a_supervisor_that_lives_or_is_not_needed_is_no_finding(container: object) -> None:
    assert judge(supervision.monitor_gone, observe(container=container)) == []  # type: ignore[arg-type]


def test_a_supervisor_whose_pid_nobody_recorded_has_a_name_at_least() -> None:
    unnamed = replace(WEB, monitor=Monitor(pid=None, comm="containerd-shim", alive=False))
    assert only(supervision.monitor_gone, observe(container=unnamed)).title.startswith("containerd-shim is gone")


def test_state_that_the_kernel_contradicts_is_stale() -> None:
    stale = replace(WEB, status=ContainerStatus.STALE, pid=None, note=None)
    finding = only(supervision.stale, observe(container=stale))
    assert finding.evidence == WEB.evidence
    assert judge(supervision.stale, observe(container=STOPPED)) == []


LOOPING = replace(STOPPED, restart_count=3, finished_at="2026-11-22T01:59:00Z", exit_code=1)


@pytest.mark.parametrize(
    ("container", "title"),
    [
        (LOOPING, "restarted 3 times, last ended 60 s ago, last exit status 1"),
        (replace(WEB, restart_count=14, started_at="2026-11-22T01:59:58Z"), "restarted 14 times, last started 2 s ago"),
    ],
)
def test_a_container_that_keeps_restarting_is_in_a_loop(container: object, title: str) -> None:
    assert only(supervision.restart_loop, observe(container=container)).title == title  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"restart_count": 2},
        {"restart_count": None},
        {"finished_at": "2026-11-22T01:49:59Z"},
        {"finished_at": None},
        {"finished_at": "not a time"},
        {"finished_at": "2026-11-22T03:00:00Z"},
    ],
    ids=str,
)
def test_few_restarts_or_long_ago_are_no_loop(change: dict[str, object]) -> None:
    assert judge(supervision.restart_loop, observe(container=replace(LOOPING, **change))) == []


def remnant(kind: Any, what: str, container_id: str | None) -> Remnant:
    source, remedy = "/proc/1/mountinfo", f"remove {what}"
    return Remnant(kind=kind, what=what, id=container_id, engine=EngineName.DOCKER, source=source, remedy=remedy)


def test_what_one_container_left_is_one_finding() -> None:
    left = (remnant("cgroup", "/docker/3f", "3f"), remnant("mount", "/m", "3f"), remnant("cgroup", "/docker/3f", "3f"))
    finding = only(leaks.remnants, observe(remnants=left))
    assert finding.title == "2 cgroups and 1 mount of a container of docker that is gone"
    assert finding.remedy == "remove /docker/3f; remove /m"
    assert finding.subject.name == "3f"


def test_what_names_nobody_is_a_finding_each() -> None:
    left = (remnant("namespace", "net:[1]", None), remnant("namespace", "net:[2]", None))
    assert [finding.subject.name for finding in judge(leaks.remnants, observe(remnants=left))] == ["net:[1]", "net:[2]"]
    assert judge(leaks.remnants, observe()) == []
