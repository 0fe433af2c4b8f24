"""What ``linux.resources`` becomes, file by file."""

from typing import Any

import pytest

from ctrscope.cgroups.limits import plan_limits, weight_of_shares
from ctrscope.oci.errors import SpecError
from tests.cgroups.placed import resources_of

MIB = 1 << 20


def written(version: str, **resources: Any) -> dict[str, str]:
    """File → text, the first choice of each."""
    return {one.choices[0][0]: one.choices[0][1] for one in plan_limits(resources_of(**resources), is_v2=version == "v2")}


def test_memory() -> None:
    memory = {"limit": 64 * MIB, "swap": 100 * MIB, "reservation": 32 * MIB}
    assert written("v1", memory=memory) == {
        "memory.limit_in_bytes": str(64 * MIB),
        "memory.memsw.limit_in_bytes": str(100 * MIB),
        "memory.soft_limit_in_bytes": str(32 * MIB),
    }
    assert written("v2", memory=memory) == {
        "memory.max": str(64 * MIB),
        "memory.swap.max": str(36 * MIB),  # v2 limits swap alone
        "memory.low": str(32 * MIB),
    }
    assert written("v1", memory={"swappiness": 0, "disableOOMKiller": True}) == {
        "memory.swappiness": "0",
        "memory.oom_control": "1",
    }
    assert written("v2", memory={"disableOOMKiller": False}) == {}


def test_no_limit() -> None:
    memory = {"limit": -1, "reservation": -1}
    assert written("v1", memory=memory, pids={"limit": -1}, cpu={"quota": -1}) == {
        "memory.limit_in_bytes": "-1",
        "memory.memsw.limit_in_bytes": "-1",
        "memory.soft_limit_in_bytes": "-1",
        "pids.max": "max",
        "cpu.cfs_quota_us": "-1",
    }
    assert written("v2", memory=memory, pids={"limit": -1}, cpu={"quota": -1}) == {
        "memory.max": "max",
        "memory.swap.max": "max",
        "memory.low": "max",
        "pids.max": "max",
        "cpu.max": "max",
    }


def test_swap_that_is_not_counted_needs_no_lifting_where_memory_is_unlimited() -> None:
    (_, swap) = plan_limits(resources_of(memory={"limit": -1}), is_v2=False)
    assert swap.choices == (("memory.memsw.limit_in_bytes", "-1"), ("memory.limit_in_bytes", "-1"))


def test_zero_is_not_set_except_where_it_is_a_value() -> None:
    zeros = {
        "memory": {"limit": 0, "swap": 0, "reservation": 0, "swappiness": 0},
        "cpu": {"shares": 0, "quota": 0, "period": 0, "realtimeRuntime": 0, "burst": 0, "idle": 0},
        "pids": {"limit": 0},
        "blockIO": {"weight": 0},
    }
    assert written("v1", **zeros) == {"memory.swappiness": "0", "cpu.cfs_burst_us": "0", "cpu.idle": "0"}


def test_cpu() -> None:
    cpu = {"shares": 512, "quota": 20_000, "period": 50_000, "burst": 5_000, "cpus": "0-1", "mems": "0"}
    assert written("v1", cpu=cpu) == {
        "cpu.shares": "512",
        "cpu.cfs_period_us": "50000",
        "cpu.cfs_quota_us": "20000",
        "cpu.cfs_burst_us": "5000",
        "cpuset.cpus": "0-1",
        "cpuset.mems": "0",
    }
    settings = [one.choices[0] for one in plan_limits(resources_of(cpu=cpu), is_v2=True)]
    # "* 50000": with the quota that holds now; a quota alone keeps the period.
    assert settings[:4] == [("cpu.weight", "20"), ("cpu.max", "* 50000"), ("cpu.max", "20000"), ("cpu.max.burst", "5000")]


@pytest.mark.parametrize(("shares", "weight"), [(1, 1), (2, 1), (1024, 39), (262144, 10000), (1 << 40, 10000)])
def test_the_ends_of_the_two_ranges_lie_on_each_other(shares: int, weight: int) -> None:
    assert weight_of_shares(shares) == weight


def test_disks() -> None:
    disk = {"major": 8, "minor": 16}
    block_io = {
        "weight": 500,
        "weightDevice": [{**disk, "weight": 100}],
        "throttleReadBpsDevice": [{**disk, "rate": MIB}],
        "throttleWriteIOPSDevice": [{**disk, "rate": 20}],
    }
    v1 = [one.choices for one in plan_limits(resources_of(blockIO=block_io), is_v2=False)]
    assert v1 == [
        (("blkio.bfq.weight", "500"), ("blkio.weight", "500")),
        (("blkio.bfq.weight_device", "8:16 100"), ("blkio.weight_device", "8:16 100")),
        (("blkio.throttle.read_bps_device", f"8:16 {MIB}"),),
        (("blkio.throttle.write_iops_device", "8:16 20"),),
    ]
    v2 = [one.choices for one in plan_limits(resources_of(blockIO=block_io), is_v2=True)]
    assert v2 == [
        (("io.bfq.weight", "500"), ("io.weight", "4950")),  # 1-1000 and 1-10000
        (("io.bfq.weight", "8:16 100"), ("io.weight", "8:16 910")),
        (("io.max", f"8:16 rbps={MIB}"),),
        (("io.max", "8:16 wiops=20"),),
    ]


def test_the_rest() -> None:
    rest = {
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}],
        "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10_000}, "rxe3": {"hcaObjects": 5}},
    }
    network = {"classID": 0x100001, "priorities": [{"name": "eth0", "priority": 5}]}
    rdma = [(("rdma.max", "mlx5_1 hca_handle=3 hca_object=10000"),), (("rdma.max", "rxe3 hca_object=5"),)]
    v1 = [one.choices for one in plan_limits(resources_of(**rest, network=network), is_v2=False)]
    assert v1 == [
        (("net_cls.classid", str(0x100001)),),
        (("hugetlb.2MB.limit_in_bytes", str(4 * MIB)),),
        (("net_prio.ifpriomap", "eth0 5"),),
        *rdma,
    ]
    v2 = [one.choices for one in plan_limits(resources_of(**rest, unified={"memory.high": "5M"}), is_v2=True)]
    assert v2 == [(("hugetlb.2MB.max", str(4 * MIB)),), *rdma, (("memory.high", "5M"),)]


@pytest.mark.parametrize(
    ("version", "resources", "path"),
    [
        ("v1", {"unified": {"memory.high": "1"}}, r"unified\['memory.high'\]"),
        ("v2", {"unified": {"../x": "1"}}, r"unified\['../x'\]"),
        ("v2", {"unified": {"cgroup.procs": "1"}}, r"unified\['cgroup.procs'\]"),
        ("v2", {"memory": {"swappiness": 60}}, "memory.swappiness"),
        ("v2", {"memory": {"disableOOMKiller": True}}, "memory.disableOOMKiller"),
        ("v2", {"memory": {"swap": MIB}}, "memory.swap"),
        ("v2", {"memory": {"swap": MIB, "limit": 2 * MIB}}, "memory.swap"),
        ("v2", {"memory": {"swap": MIB, "limit": -1}}, "memory.swap"),
        ("v2", {"cpu": {"realtimeRuntime": 5}}, "cpu.realtimeRuntime"),
        ("v2", {"network": {"classID": 1}}, "network.classID"),
        ("v2", {"network": {"priorities": [{"name": "a", "priority": 1}]}}, "network.priorities"),
        ("v2", {"blockIO": {"leafWeight": 10}}, "blockIO.leafWeight"),
        (
            "v2",
            {"blockIO": {"weightDevice": [{"major": 1, "minor": 2, "leafWeight": 10}]}},
            r"blockIO.weightDevice\[0\].leafWeight",
        ),
    ],
)
def test_what_this_version_cannot_do_is_refused_by_its_path(version: str, resources: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError, match=rf"^\$\.linux\.resources\.{path}: "):
        written(version, **resources)
