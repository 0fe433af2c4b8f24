"""Before cgroup v2: the cgroup that a state names counts when the kernel lists init in it."""

import json
from pathlib import Path

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import Container
from tests.builders import HostTree
from tests.requirements import require_root

SHALLOW = Plan(cgroups=False, namespaces=False, addresses=False)


@pytest.fixture
def host(tmp_path: Path) -> HostTree:
    tree = HostTree(tmp_path)
    mounts = "".join(f"cgroup /sys/fs/cgroup/{name} cgroup rw,nosuid,{name} 0 0\n" for name in ("memory", "pids"))
    tree.file("/proc/mounts", mounts + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n")
    return tree


def container(host: HostTree, *, named: str, memory: str) -> None:
    """PID 40 is in the cgroup *memory*, and its state says that it is in *named*."""
    host.process(40, starttime=5000)
    host.file("/proc/40/cgroup", f"5:pids:/elsewhere\n4:memory:{memory}\n0::/\n")
    host.file(f"/sys/fs/cgroup/memory{memory}/cgroup.procs", "40\n41\n")
    state = {
        "id": "box",
        "init_process_pid": 40,
        "init_process_start": 5000,
        "cgroup_paths": {"memory": f"/sys/fs/cgroup/memory{named}"},
        "config": {"rootfs": "/r", "labels": ["bundle=/b"]},
    }
    host.file("/run/runc/box/state.json", json.dumps(state))


def read(host: HostTree, plan: Plan) -> Container:
    (found,) = (one for one in discover(host.fs, plan).containers if one.id == "box")
    return found


def test_init_in_the_named_cgroup_makes_it_the_containers_own(host: HostTree) -> None:
    require_root("files of root's: what a user's state names is not asked")
    container(host, named="/pool/x", memory="/pool/x")
    (host.path / "proc/40/cgroup").unlink()  # the kernel has said it already
    found = read(host, SHALLOW)
    assert (found.pids, found.has_own_cgroup, found.cgroup) == ((40, 41), True, None)


def test_init_below_the_named_cgroup_is_found_too(host: HostTree) -> None:
    container(host, named="/pool/x", memory="/pool/x/init.scope")
    host.file("/sys/fs/cgroup/memory/pool/x/cgroup.procs", "")
    assert read(host, SHALLOW).pids == (40, 41)


def test_a_full_answer_says_the_same_and_where_it_is_in_each_hierarchy(host: HostTree) -> None:
    container(host, named="/pool/x", memory="/pool/x")
    found = read(host, Plan(addresses=False))
    assert (found.pids, found.has_own_cgroup) == ((40, 41), True)
    assert found.cgroup is not None
    assert found.cgroup.path == "/pool/x"
    assert found.cgroup.paths == {"pids": "/elsewhere", "memory": "/pool/x", "": "/"}


@pytest.mark.parametrize("named", ["/pool/y", "/", "/pool/none"])
def test_a_named_cgroup_without_init_is_not_believed(host: HostTree, named: str) -> None:
    container(host, named=named, memory="/pool/x")
    host.file("/sys/fs/cgroup/memory/pool/y/cgroup.procs", "50\n")
    found = read(host, SHALLOW)
    assert (found.pids, found.has_own_cgroup) == ((40,), False)


def test_a_named_cgroup_cannot_lead_to_a_file_that_is_not_the_kernels(host: HostTree) -> None:
    container(host, named="/../../../../tmp", memory="/pool/x")
    host.file("/tmp/cgroup.procs", "40\n1\n")
    found = read(host, SHALLOW)
    assert (found.pids, found.has_own_cgroup) == ((40,), False)
