"""Rules about processes: only what lasted counts, and what may not be read is not judged."""

from typing import Any

import pytest
from msgspec.structs import replace

from ctrscope.findings.health import processes
from ctrscope.model.container import ContainerStatus
from ctrscope.model.finding import Finding
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.observed import Observed, ObservedProcess
from tests.awkward import WEB
from tests.findings.observations import judge, observe, only

INIT = ObservedProcess(pid=4711, ppid=4690, comm="nginx", state="S")
ZOMBIE = ObservedProcess(pid=4800, ppid=4711, comm="sleep", state="Z", has_lasted=True)
STUCK = ObservedProcess(pid=4730, ppid=4711, comm="dd", state="D", has_lasted=True)


def of(*found: ObservedProcess, **more: Any) -> Observed:
    return observe(processes={WEB.key: (INIT, *found)}, **more)


def test_a_zombie_of_init_says_that_pid_1_does_not_reap() -> None:
    finding = only(processes.zombies, of(ZOMBIE, replace(ZOMBIE, pid=4801)))
    assert finding.title == "2 zombies that PID 1 of it, nginx 4711, does not reap"
    assert finding.severity == "medium"
    assert [one.source for one in finding.evidence] == ["/proc/4800/stat", "/proc/4801/stat"]
    assert "--init" in finding.remedy


def test_a_zombie_of_another_parent_is_that_programs_bug() -> None:
    parent = ObservedProcess(pid=4730, ppid=4711, comm="worker", state="S")
    finding = only(processes.zombies, of(parent, replace(ZOMBIE, ppid=4730)))
    assert (finding.title, finding.severity) == ("1 zombie that worker 4730 does not reap", "low")


@pytest.mark.parametrize("change", [{"has_lasted": False}, {"state": "S"}])
def test_a_zombie_that_its_parent_is_about_to_reap_is_none(change: dict[str, Any]) -> None:
    assert judge(processes.zombies, of(replace(ZOMBIE, **change))) == []


def test_zombies_count_from_the_threshold_on() -> None:
    two = of(ZOMBIE, replace(ZOMBIE, pid=4801))
    assert len(judge(processes.zombies, two, zombies=2)) == 1
    assert judge(processes.zombies, two, zombies=3) == []


def test_a_process_that_did_not_leave_the_kernel_is_stuck() -> None:
    finding = only(processes.stuck, of(STUCK))
    assert finding.title == "1 process in uninterruptible sleep for 0.5 s at least: dd 4730"
    assert finding.severity == "high"
    assert "/proc/4730/stack" in finding.remedy


def test_a_process_that_waits_for_a_disk_for_a_moment_is_not_stuck() -> None:
    assert judge(processes.stuck, of(replace(STUCK, has_lasted=False))) == []


def test_what_the_freezer_holds_is_not_stuck() -> None:
    paused = replace(WEB, status=ContainerStatus.PAUSED)
    assert judge(processes.stuck, of(STUCK, container=paused)) == []


def test_processes_of_one_deleted_file_are_told_together() -> None:
    deleted = replace(INIT, pid=5, executable="/usr/sbin/nginx (deleted)")
    finding = only(processes.deleted_executables, of(deleted, replace(deleted, pid=6)))
    assert finding.title == "2 processes of /usr/sbin/nginx, which is deleted on disk"
    assert [one.source for one in finding.evidence] == ["/proc/5/exe", "/proc/6/exe"]


@pytest.mark.parametrize("executable", [None, "/usr/sbin/nginx", "/memfd:runc_cloned:/proc/self/exe (deleted)"])
def test_a_file_that_is_there_or_never_was_is_not_deleted(executable: str | None) -> None:
    assert judge(processes.deleted_executables, of(replace(INIT, executable=executable))) == []


def descriptors(opened: int | None, limit: Any) -> list[Finding]:
    return judge(processes.descriptors, of(replace(INIT, open_files=opened, open_files_limit=limit)))


def test_descriptors_count_from_the_threshold_on_and_are_critical_at_the_limit() -> None:
    (near,), (full,) = descriptors(90, 100), descriptors(100, 100)
    assert (near.title, near.severity) == ("nginx 4711 has 90 of 100 descriptors open", "high")
    assert (full.title, full.severity) == ("nginx 4711 has 100 of 100 descriptors open: it cannot open another", "critical")
    assert [one.source for one in near.evidence] == ["/proc/4711/fd", "/proc/4711/limits"]


@pytest.mark.parametrize(("opened", "limit"), [(89, 100), (None, 100), (90, None), (90, "max"), (0, 0)])
def test_descriptors_below_or_unknown_are_not_told(opened: int | None, limit: object) -> None:
    assert descriptors(opened, limit) == []


ESCAPED = ObservedProcess(pid=30111, ppid=30110, comm="bash", state="S", is_outside_cgroup=True, outside=())
VISITOR = replace(ESCAPED, is_outside_cgroup=False, outside=(NamespaceType.NET, NamespaceType.PID))


def test_who_is_in_it_and_not_in_its_cgroup_is_held_by_no_limit() -> None:
    finding = only(processes.outside_of_its_cgroup, of(ESCAPED))
    assert finding.title == "1 process in it and not in its cgroup, held by none of its limits: bash 30111"
    assert judge(processes.outside_of_its_namespaces, of(ESCAPED)) == []


def test_who_is_in_its_cgroup_and_not_in_its_namespaces_counts_as_its_usage() -> None:
    finding = only(processes.outside_of_its_namespaces, of(VISITOR))
    assert finding.title == "1 process in its cgroup and not in all of its namespaces: bash 30111"
    assert finding.evidence[0].value == "not in its net pid"
    assert judge(processes.outside_of_its_cgroup, of(VISITOR)) == []


def test_where_a_process_stands_is_not_guessed() -> None:
    unknown = replace(ESCAPED, is_outside_cgroup=None, outside=None)
    assert judge(processes.outside_of_its_cgroup, of(unknown)) == []
    assert judge(processes.outside_of_its_namespaces, of(unknown)) == []


@pytest.mark.parametrize(
    "rule",
    [processes.zombies, processes.stuck, processes.deleted_executables, processes.descriptors],
    ids=lambda rule: rule.__name__,
)
def test_without_processes_there_is_nothing_to_say(rule: Any) -> None:
    assert judge(rule, observe()) == []
    assert judge(rule, of()) == []
