"""Limits changed on the running kernel: what its files say before and after, and everything that is refused."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from ctrscope.act.limit import Change, LimitRequest, apply_limit, plan_limit
from ctrscope.act.refusal import CannotAct
from ctrscope.model.container import Container, ContainerStatus
from ctrscope.probes.hostfs import HostFs
from tests.kernel.cgroups import cgroup, container_in_cgroup, layout, process_in
from tests.requirements import require_root

pytestmark = pytest.mark.usefixtures("root")

MIB = 1 << 20
HOST = HostFs()


@pytest.fixture
def root() -> None:
    require_root("writes into cgroups")


@pytest.fixture
def group() -> Iterator[dict[str, Path]]:
    with cgroup(f"/ctrscope-act-{os.getpid()}") as found:
        yield found


@pytest.fixture
def box(group: dict[str, Path]) -> Iterator[Container]:
    with process_in(group) as pid:
        yield container_in_cgroup(pid)


def is_v2() -> bool:
    return layout().version == "v2"


def memory_limit(group: dict[str, Path]) -> str:
    return (group["memory"] / ("memory.max" if is_v2() else "memory.limit_in_bytes")).read_text().strip()


def quota(group: dict[str, Path]) -> str:
    return (group["cpu"] / ("cpu.max" if is_v2() else "cpu.cfs_quota_us")).read_text().split()[0]


def change(box: Container, **request: object) -> tuple[Change, ...]:
    return apply_limit(HOST, plan_limit(HOST, box, LimitRequest(**request)))  # type: ignore[arg-type]


def test_every_limit_is_in_the_kernels_files_afterwards(group: dict[str, Path], box: Container) -> None:
    changes = change(box, memory=64 * MIB, cpus=0.5, pids=20)
    assert memory_limit(group) == str(64 * MIB)
    assert quota(group) == "50000"
    assert (group["pids"] / "pids.max").read_text() == "20\n"
    said = {one.resource: (one.before, one.after) for one in changes}
    assert said == {"memory": ("max", "64M"), "cpus": ("max", "0.5 CPU"), "pids": ("max", "20")}


def test_a_limit_is_lifted(group: dict[str, Path], box: Container) -> None:
    change(box, memory=64 * MIB, cpus=0.5, pids=20)
    unlimited = memory_limit(group)
    changes = change(box, memory="max", cpus="max", pids="max")
    assert memory_limit(group) != unlimited
    assert {one.after for one in changes} == {"max"}
    assert quota(group) in ("max", "-1")
    assert (group["pids"] / "pids.max").read_text() == "max\n"


def test_a_plan_changes_nothing(group: dict[str, Path], box: Container) -> None:
    before = memory_limit(group), quota(group)
    plan = plan_limit(HOST, box, LimitRequest(memory=64 * MIB, cpus=1))
    assert [one.resource for one in plan.changes] == ["memory", "cpus"]
    assert (memory_limit(group), quota(group)) == before


def test_what_is_so_already_is_no_change(box: Container) -> None:
    change(box, memory=64 * MIB, cpus=0.5, pids=20)
    assert plan_limit(HOST, box, LimitRequest(memory=64 * MIB, cpus=0.5, pids=20)).changes == ()


def test_on_v1_memory_and_swap_together_follow_in_either_direction(group: dict[str, Path], box: Container) -> None:
    both = group["memory"] / "memory.memsw.limit_in_bytes"
    if not both.exists():
        pytest.skip("v2, or swap is not counted")
    (group["memory"] / "memory.limit_in_bytes").write_text(str(32 * MIB))
    both.write_text(str(40 * MIB))
    for size in (64, 20):
        change(box, memory=size * MIB)
        assert (memory_limit(group), both.read_text().strip()) == (str(size * MIB), str((size + 8) * MIB))
    change(box, memory="max")
    assert int(both.read_text()) > 1 << 60


def test_less_memory_than_is_used_is_refused_unless_forced(group: dict[str, Path]) -> None:
    with process_in(group, "import time; kept = bytes(range(256)) * 81920 * 2; print(flush=True); time.sleep(1000)") as pid:
        box = container_in_cgroup(pid)
        with pytest.raises(CannotAct, match=r"uses .*M of memory, more than 16M.*--force"):
            plan_limit(HOST, box, LimitRequest(memory=16 * MIB))
        plan = plan_limit(HOST, box, LimitRequest(memory=16 * MIB, force=True))
        assert [one.after for one in plan.changes] == ["16M"]


def test_fewer_tasks_than_there_are_is_refused_unless_forced(group: dict[str, Path], box: Container) -> None:
    with process_in(group):
        with pytest.raises(CannotAct, match="has 2 tasks, more than 1"):
            plan_limit(HOST, box, LimitRequest(pids=1))
        change(box, pids=1, force=True)
        assert (group["pids"] / "pids.max").read_text() == "1\n"


def test_what_the_kernel_refuses_is_said_with_what_was_changed_before(group: dict[str, Path]) -> None:
    if is_v2():
        pytest.skip("v2 lets a cgroup have a larger quota than the one above it")
    (group["cpu"] / "cpu.cfs_quota_us").write_text("50000")
    with cgroup(f"/ctrscope-act-{os.getpid()}/inner") as inner, process_in(inner) as pid:
        with pytest.raises(CannotAct, match=r"refuses the value.*above it.*left so: memory max -> 64M"):
            change(container_in_cgroup(pid), memory=64 * MIB, cpus=2)
        assert memory_limit(inner) == str(64 * MIB)
        assert quota(inner) == "-1"


def test_a_container_that_was_replaced_meanwhile_is_not_touched(group: dict[str, Path], box: Container) -> None:
    plan = plan_limit(HOST, box, LimitRequest(memory=64 * MIB))
    other = replace(plan, target=replace(plan.target, starttime_ticks=plan.target.starttime_ticks - 1))
    before = memory_limit(group)
    with pytest.raises(CannotAct, match="is another one now; nothing was done"):
        apply_limit(HOST, other)
    with pytest.raises(CannotAct, match="is another one now"):
        plan_limit(HOST, replace(box, starttime_ticks=1), LimitRequest(memory=64 * MIB))
    assert memory_limit(group) == before


def test_a_container_that_moved_to_another_cgroup_is_not_touched(group: dict[str, Path], box: Container) -> None:
    plan = plan_limit(HOST, box, LimitRequest(memory=64 * MIB))
    before = memory_limit(group)
    with cgroup(f"/ctrscope-elsewhere-{os.getpid()}") as elsewhere:
        for directory in dict.fromkeys(elsewhere.values()):
            (directory / "cgroup.procs").write_text(str(box.pid))
        with pytest.raises(CannotAct, match="has moved to cgroup /ctrscope-elsewhere"):
            apply_limit(HOST, plan)
        assert memory_limit(group) == before
        for directory in dict.fromkeys(group.values()):
            (directory / "cgroup.procs").write_text(str(box.pid))


def test_a_container_that_ended_meanwhile_is_not_looked_for(group: dict[str, Path]) -> None:
    with process_in(group) as pid:
        box = container_in_cgroup(pid)
        plan = plan_limit(HOST, box, LimitRequest(pids=50))
    with pytest.raises(CannotAct, match="ended meanwhile"):
        apply_limit(HOST, plan)
    with pytest.raises(CannotAct, match="ended meanwhile"):
        plan_limit(HOST, box, LimitRequest(pids=50))
    assert (group["pids"] / "pids.max").read_text() == "max\n"


def test_a_cgroup_that_is_shared_is_not_limited(box: Container) -> None:
    with pytest.raises(CannotAct, match=r"has no cgroup of its own.*who would be hit too"):
        plan_limit(HOST, replace(box, has_own_cgroup=False), LimitRequest(pids=50))


def test_a_hierarchy_in_which_it_stands_with_others_is_not_limited(group: dict[str, Path], box: Container) -> None:
    if is_v2():
        pytest.skip("v2 has one hierarchy")
    with cgroup(f"/ctrscope-elsewhere-{os.getpid()}") as elsewhere:
        (elsewhere["pids"] / "cgroup.procs").write_text(str(box.pid))
        moved = container_in_cgroup(box.pid or 0)
        assert [one.resource for one in plan_limit(HOST, moved, LimitRequest(pids=50)).changes] == ["pids"]
        with (
            process_in({"pids": elsewhere["pids"]}),
            pytest.raises(CannotAct, match=r"has no pids cgroup of its own.*elsewhere"),
        ):
            plan_limit(HOST, moved, LimitRequest(pids=50))
        (group["pids"] / "cgroup.procs").write_text(str(box.pid))
    assert box.cgroup is not None
    root = replace(box.cgroup, paths={**box.cgroup.paths, "pids": "/"})
    with pytest.raises(CannotAct, match="has no pids cgroup of its own: it shares / with others"):
        plan_limit(HOST, replace(box, cgroup=root), LimitRequest(pids=50))


def test_a_container_that_does_not_run_has_nothing_to_limit(box: Container) -> None:
    with pytest.raises(CannotAct, match="is stopped, not running"):
        plan_limit(HOST, replace(box, pid=None, status=ContainerStatus.STOPPED), LimitRequest(pids=50))


def test_another_root_is_not_acted_on(box: Container, tmp_path: Path) -> None:
    with pytest.raises(CannotAct, match="is not the running host"):
        plan_limit(HostFs(str(tmp_path)), box, LimitRequest(pids=50))
