"""One CgroupStats from v2, v1 and hybrid hosts."""

import errno
import json
import re
import shutil
from pathlib import Path

import pytest

from ctrscope.model.cgroup import CgroupStats, CpusetStats, DeviceIo, HugetlbStats, PidsStats
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.gap import Reading, Reason
from ctrscope.probes.cgroup_stats import read_cgroup_stats
from ctrscope.probes.cgroupfs import CgroupLayout, parse_layout, read_layout
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_cgroup import read_cgroup
from tests.hostfs import DenyingHostFs

_V2 = CgroupLayout(version="v2", mounts={"": "/sys/fs/cgroup"})


def _of_pid(host: HostFs, pid: int) -> Reading[CgroupStats]:
    layout = read_layout(host)
    assert layout is not None
    return read_cgroup_stats(host, layout, layout.membership(read_cgroup(host, pid)), "container x")


def _inspected(v2_root: Path, engine: str, name: str) -> dict[str, object]:
    for entry in json.loads((v2_root / "cmd" / f"{engine}-inspect.json").read_text()):
        if entry["Name"].strip("/") == name:
            limits: dict[str, object] = {**entry["HostConfig"], "Pid": entry["State"]["Pid"]}
            return limits
    raise LookupError(name)


@pytest.mark.parametrize(("engine", "name"), [("docker", "d-web"), ("podman", "p-web")])
def test_limits_are_those_the_engine_was_asked_for(v2_root: Path, v2_host: HostFs, engine: str, name: str) -> None:
    declared = _inspected(v2_root, engine, name)
    stats, gaps = _of_pid(v2_host, int(str(declared["Pid"])))
    assert stats is not None
    assert stats.cpu is not None
    assert stats.memory is not None
    assert stats.pids is not None
    assert not gaps
    assert stats.memory.limit == declared["Memory"]
    assert stats.memory.swap_limit == int(str(declared["MemorySwap"])) - int(str(declared["Memory"]))
    assert stats.pids.limit == declared["PidsLimit"]
    assert stats.cpu.limit_cpus == int(str(declared["NanoCpus"])) / 1e9


def test_limits_that_crun_set_on_its_sub_cgroup_are_those_of_the_scope(v2_root: Path, v2_host: HostFs) -> None:
    path = next(
        entry["State"]["CgroupPath"]
        for entry in json.loads((v2_root / "cmd/podman-inspect.json").read_text())
        if entry["Name"] == "p-web"
    )
    stats = read_cgroup_stats(v2_host, _V2, CgroupMembership(version="v2", path=path, paths={}), "x").value
    assert stats is not None
    assert stats.cpu is not None
    assert stats.memory is not None
    assert (v2_root / f"sys/fs/cgroup{path}/memory.max").read_text() == "max\n"
    assert stats.memory.limit == 64 * 1024 * 1024
    assert stats.cpu.nr_throttled


def test_usage_is_what_ctr_says(v2_root: Path, v2_host: HostFs) -> None:
    said = dict(re.findall(r"^([a-z_.]+) +(\d+) *$", (v2_root / "cmd/ctr-c1-metrics.txt").read_text(), re.MULTILINE))
    stats = read_cgroup_stats(v2_host, _V2, CgroupMembership(version="v2", path="/default/c1", paths={}), "x").value
    assert stats is not None
    assert stats.cpu is not None
    assert stats.memory is not None
    assert stats.pids is not None
    assert stats.cpu.usage_usec == int(said["cpu.usage_usec"])
    assert stats.cpu.user_usec == int(said["cpu.user_usec"])
    assert stats.cpu.system_usec == int(said["cpu.system_usec"])
    assert stats.memory.current == int(said["memory.usage"])
    assert stats.pids.current == int(said["pids.current"])
    # ctr writes 2^64-1 for "max".
    assert int(said["memory.usage_limit"]) == 2**64 - 1
    assert stats.memory.limit == stats.memory.swap_limit == stats.pids.limit == "max"


def test_usage_is_what_runc_says(v2_root: Path, v2_host: HostFs) -> None:
    said = json.loads((v2_root / "cmd/runc-events.json").read_text())["data"]
    path = "/system.slice/runc-bare"
    stats = read_cgroup_stats(v2_host, _V2, CgroupMembership(version="v2", path=path, paths={}), "x").value
    assert stats is not None
    assert stats.cpu is not None
    assert stats.memory is not None
    assert stats.memory.current == said["memory"]["usage"]["usage"]
    assert stats.memory.limit == said["memory"]["usage"]["limit"]
    assert stats.memory.inactive_file == said["memory"]["raw"]["inactive_file"]
    assert stats.cpu.usage_usec == said["cpu"]["usage"]["total"] // 1000


def test_the_root_cgroup_is_nobodys(v2_host: HostFs) -> None:
    membership = CgroupMembership(version="v2", path="/", paths={})
    assert read_cgroup_stats(v2_host, _V2, membership, "x") == Reading(None)


def test_a_cgroup_that_went_away_leaves_no_gap(v2_host: HostFs) -> None:
    membership = CgroupMembership(version="v2", path="/system.slice/gone.scope", paths={})
    assert read_cgroup_stats(v2_host, _V2, membership, "x") == Reading(None)


def _copied_cgroup(v2_root: Path, target: Path) -> Path:
    here = target / "sys/fs/cgroup/c1"
    shutil.copytree(v2_root / "sys/fs/cgroup/default/c1", here)
    return here


_C1 = CgroupMembership(version="v2", path="/c1", paths={})


def test_a_controller_that_is_off_is_one_gap(v2_root: Path, tmp_path: Path) -> None:
    here = _copied_cgroup(v2_root, tmp_path)
    for file in here.glob("memory.*"):
        if not file.name.endswith("pressure"):
            file.unlink()
    stats, gaps = read_cgroup_stats(HostFs(str(tmp_path)), _V2, _C1, "container x")
    assert stats is not None
    assert stats.memory is None
    assert stats.pids is not None
    assert [(gap.subject, gap.fields, gap.reason) for gap in gaps] == [("container x", ("memory",), Reason.UNSUPPORTED)]


def test_an_older_kernel_has_no_peak_and_says_so(v2_root: Path, tmp_path: Path) -> None:
    (_copied_cgroup(v2_root, tmp_path) / "memory.peak").unlink()
    stats, gaps = read_cgroup_stats(HostFs(str(tmp_path)), _V2, _C1, "x")
    assert stats is not None
    assert stats.memory is not None
    assert stats.memory.peak is None
    assert stats.memory.current is not None
    assert [gap.fields for gap in gaps] == [("memory.peak",)]


def test_a_file_that_makes_no_sense_costs_only_its_own_field(v2_root: Path, tmp_path: Path) -> None:
    (_copied_cgroup(v2_root, tmp_path) / "cpu.max").write_text("lots\n")
    stats, gaps = read_cgroup_stats(HostFs(str(tmp_path)), _V2, _C1, "x")
    assert stats is not None
    assert stats.cpu is not None
    assert stats.cpu.quota_usec is None
    assert stats.cpu.usage_usec is not None
    assert [gap.reason for gap in gaps] == [Reason.MALFORMED]


def test_a_file_that_is_denied_says_so(v2_root: Path) -> None:
    host = DenyingHostFs(str(v2_root), {"/sys/fs/cgroup/default/c1/pids.max": errno.EACCES})
    stats, gaps = read_cgroup_stats(host, _V2, CgroupMembership(version="v2", path="/default/c1", paths={}), "x")
    assert stats is not None
    assert [(gap.fields, gap.reason) for gap in gaps] == [(("pids.limit",), Reason.DENIED)]


_V1_FILES = {
    "cpuacct/c/cpuacct.usage": "7707948123\n",
    "cpuacct/c/cpuacct.stat": "user 567\nsystem 202\n",
    "cpu/c/cpu.stat": "nr_periods 215\nnr_throttled 94\nthrottled_time 3609266789\n",
    "cpu/c/cpu.cfs_quota_us": "-1\n",
    "cpu/c/cpu.cfs_period_us": "100000\n",
    "cpu/c/cpu.shares": "1024\n",
    "memory/c/memory.usage_in_bytes": "8192\n",
    "memory/c/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/c/memory.memsw.usage_in_bytes": "12288\n",
    "memory/c/memory.memsw.limit_in_bytes": "9223372036854771712\n",
    "memory/c/memory.max_usage_in_bytes": "65536\n",
    "memory/c/memory.stat": "cache 4096\ninactive_file 1\ntotal_inactive_file 4096\n",
    "memory/c/memory.failcnt": "17\n",
    "memory/c/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    "pids/c/pids.current": "2\n",
    "pids/c/pids.max": "max\n",
    "blkio/c/blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Write 512\n8:16 Read 1\nTotal 4609\n",
    "blkio/c/blkio.throttle.io_serviced_recursive": "8:0 Read 2\n8:0 Write 1\n8:16 Read 1\nTotal 4\n",
}
_V1_NAMES = ("cpu", "cpuacct", "memory", "pids", "blkio")


def _v1_host(root: Path, files: dict[str, str], *, unified: str | None = None) -> tuple[HostFs, CgroupLayout, CgroupMembership]:
    mounts = "".join(f"cgroup /sys/fs/cgroup/{name} cgroup rw,{name} 0 0\n" for name in _V1_NAMES)
    paths = dict.fromkeys(_V1_NAMES, "/c")
    if unified is not None:
        mounts += "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
        paths[""] = unified
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    layout = parse_layout(mounts.encode().splitlines())
    assert layout is not None
    return HostFs(str(root)), layout, layout.membership(paths)


def test_v1_is_told_in_the_words_of_v2(tmp_path: Path) -> None:
    stats, gaps = read_cgroup_stats(*_v1_host(tmp_path, _V1_FILES), "x")
    assert stats is not None
    assert stats.cpu is not None
    assert stats.memory is not None
    assert stats.pids is not None
    assert stats.io is not None
    assert stats.cpu.usage_usec == 7707948
    assert (stats.cpu.nr_periods, stats.cpu.nr_throttled, stats.cpu.throttled_usec) == (215, 94, 3609266)
    assert (stats.cpu.limit_cpus, stats.cpu.period_usec) == ("max", 100000)
    assert (stats.memory.current, stats.memory.inactive_file, stats.memory.peak) == (8192, 4096, 65536)
    assert (stats.memory.limit, stats.memory.swap_current, stats.memory.swap_limit) == ("max", 4096, "max")
    assert (stats.memory.oom_kills, stats.memory.events) == (3, {"max": 17, "oom_kill": 3})
    assert (stats.pids.current, stats.pids.limit) == (2, "max")
    assert (stats.io.read_bytes, stats.io.write_bytes) == (4097, 512)
    assert (stats.io.read_operations, stats.io.write_operations) == (3, 1)
    assert [(gap.fields, gap.reason) for gap in gaps] == [(("pressure",), Reason.UNSUPPORTED)]


def test_v1_limits_are_numbers_where_they_are_set(tmp_path: Path) -> None:
    files = _V1_FILES | {
        "cpu/c/cpu.cfs_quota_us": "50000\n",
        "memory/c/memory.limit_in_bytes": "67108864\n",
        "memory/c/memory.memsw.limit_in_bytes": "100663296\n",
    }
    stats = read_cgroup_stats(*_v1_host(tmp_path, files), "x").value
    assert stats is not None
    assert stats.cpu is not None
    assert stats.memory is not None
    assert stats.cpu.limit_cpus == 0.5
    assert (stats.memory.limit, stats.memory.swap_limit) == (67108864, 33554432)


def test_no_limit_is_max_with_big_pages_too(tmp_path: Path) -> None:
    files = _V1_FILES | {"memory/c/memory.limit_in_bytes": f"{0x7FFFFFFFFFFF0000}\n"}
    stats = read_cgroup_stats(*_v1_host(tmp_path, files), "x").value
    assert stats is not None
    assert stats.memory is not None
    assert stats.memory.limit == "max"


def test_a_kernel_without_swap_accounting_has_no_swap_and_says_so(tmp_path: Path) -> None:
    files = {name: text for name, text in _V1_FILES.items() if "memsw" not in name}
    stats, gaps = read_cgroup_stats(*_v1_host(tmp_path, files), "x")
    assert stats is not None
    assert stats.memory is not None
    assert (stats.memory.swap_current, stats.memory.swap_limit) == (None, None)
    assert ("memory.swap_current",) in [gap.fields for gap in gaps]


_PRESSURE = "some avg10=1.00 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


def test_a_hybrid_host_has_pressure_where_the_container_is_in_the_v2_hierarchy(tmp_path: Path) -> None:
    files = _V1_FILES | {f"unified/c/{name}.pressure": _PRESSURE for name in ("cpu", "memory", "io")}
    stats, gaps = read_cgroup_stats(*_v1_host(tmp_path, files, unified="/c"), "x")
    assert stats is not None
    assert stats.pressure is not None
    assert stats.pressure["io"].some.total == 5
    assert not gaps


def test_pressure_of_the_whole_host_is_not_the_containers(tmp_path: Path) -> None:
    files = _V1_FILES | {f"unified/{name}.pressure": _PRESSURE for name in ("cpu", "memory", "io")}
    stats, gaps = read_cgroup_stats(*_v1_host(tmp_path, files, unified="/"), "x")
    assert stats is not None
    assert stats.pressure is None
    assert [(gap.fields, gap.reason) for gap in gaps] == [(("pressure",), Reason.UNSUPPORTED)]


def test_a_controller_that_the_container_has_no_cgroup_of_is_not_the_hosts(tmp_path: Path) -> None:
    host, layout, membership = _v1_host(tmp_path, _V1_FILES | {"pids/pids.current": "4711\n"})
    elsewhere = layout.membership({**membership.paths, "pids": "/"})
    stats, gaps = read_cgroup_stats(host, layout, elsewhere, "x")
    assert stats is not None
    assert stats.pids is None
    assert ("pids",) in [gap.fields for gap in gaps]


_V1_MORE = {
    "cpu/c/cpu.cfs_burst_us": "20000\n",
    "cpu/c/cpu.stat": "nr_periods 215\nnr_throttled 94\nthrottled_time 3609266789\nnr_bursts 2\nburst_time 5000\n",
    "cpuset/c/cpuset.cpus": "0-3\n",
    "cpuset/c/cpuset.effective_cpus": "0-1\n",
    "cpuset/c/cpuset.mems": "0\n",
    "cpuset/c/cpuset.effective_mems": "0\n",
    "memory/c/memory.soft_limit_in_bytes": "33554432\n",
    "memory/c/memory.oom_control": "oom_kill_disable 1\nunder_oom 1\noom_kill 3\n",
    "memory/c/memory.kmem.usage_in_bytes": "4096\n",
    "memory/c/memory.kmem.limit_in_bytes": "9223372036854771712\n",
    "pids/c/pids.events": "max 5\n",
    "blkio/c/blkio.throttle.read_bps_device": "8:16 1048576\n",
    "blkio/c/blkio.throttle.write_bps_device": "",
    "blkio/c/blkio.throttle.read_iops_device": "",
    "blkio/c/blkio.throttle.write_iops_device": "8:32 100\n",
    "blkio/c/blkio.bfq.weight": "100\n",
    "hugetlb/c/hugetlb.2MB.usage_in_bytes": "2097152\n",
    "hugetlb/c/hugetlb.2MB.limit_in_bytes": "9223372036852678656\n",
    "hugetlb/c/hugetlb.2MB.failcnt": "1\n",
    "devices/c/devices.list": "c 1:3 rwm\nb *:* m\n",
}


def _full_v1(root: Path) -> Reading[CgroupStats]:
    names = (*_V1_NAMES, "cpuset", "hugetlb", "devices")
    host, _, _ = _v1_host(root, _V1_FILES | _V1_MORE)
    (root / "sys/dev/block").mkdir(parents=True)
    (root / "sys/dev/block/8:16").symlink_to("../../devices/virtual/block/sdb")
    layout = parse_layout(f"cgroup /sys/fs/cgroup/{name} cgroup rw,{name} 0 0".encode() for name in names)
    assert layout is not None
    return read_cgroup_stats(host, layout, layout.membership(dict.fromkeys(names, "/c")), "x", full=True)


def test_a_full_reading_of_v1_has_every_controller(tmp_path: Path) -> None:
    stats, gaps = _full_v1(tmp_path)
    assert stats is not None
    assert stats.cpu is not None
    assert stats.memory is not None
    assert (stats.cpu.user_usec, stats.cpu.system_usec, stats.cpu.weight) == (5670000, 2020000, 1024)
    assert (stats.cpu.max_burst_usec, stats.cpu.nr_bursts, stats.cpu.burst_usec) == (20000, 2, 5)
    assert stats.cpuset == CpusetStats(cpus="0-3", cpus_effective="0-1", mems="0", mems_effective="0")
    assert (stats.memory.soft_limit, stats.memory.under_oom, stats.memory.oom_kill_disabled) == (33554432, True, True)
    assert (stats.memory.kmem_current, stats.memory.kmem_limit) == (4096, "max")
    assert stats.pids == PidsStats(current=2, limit="max", max_events=5)
    assert stats.hugetlb == {"2MB": HugetlbStats(current=2097152, limit="max", max_events=1)}
    assert stats.devices == ("c 1:3 rwm", "b *:* m")
    assert [gap.fields for gap in gaps] == [("pressure",)]


def test_io_of_v1_is_told_by_device_with_its_limits(tmp_path: Path) -> None:
    stats = _full_v1(tmp_path).value
    assert stats is not None
    assert stats.io is not None
    assert stats.io.weight == 100
    assert stats.io.devices == {
        "8:0": DeviceIo(read_bytes=4096, write_bytes=512, read_operations=2, write_operations=1),
        "8:16": DeviceIo(
            name="sdb", read_bytes=1, write_bytes=0, read_operations=1, write_operations=0, read_bytes_limit=1048576
        ),
        "8:32": DeviceIo(write_operations_limit=100),
    }
    assert (stats.io.read_bytes, stats.io.write_bytes) == (4097, 512)


def test_a_full_reading_of_v2_equals_every_file(v2_root: Path, v2_host: HostFs) -> None:
    pid = int(str(_inspected(v2_root, "docker", "d-web")["Pid"]))
    membership = CgroupMembership(version="v2", path=read_cgroup(v2_host, pid)[""], paths={})
    stats, gaps = read_cgroup_stats(v2_host, _V2, membership, "x", full=True)
    assert stats is not None
    assert stats.cpu is not None
    assert stats.memory is not None
    assert stats.pids is not None
    here = v2_root / f"sys/fs/cgroup{membership.path}"

    def said(name: str) -> object:
        text = (here / name).read_text().strip()
        return int(text) if text.isdecimal() else text

    def keyed(name: str) -> dict[str, int]:
        return {key: int(value) for key, value in (line.split() for line in (here / name).read_text().splitlines())}

    memory = stats.memory
    assert {
        "memory.current": memory.current,
        "memory.peak": memory.peak,
        "memory.max": memory.limit,
        "memory.high": memory.high,
        "memory.low": memory.low,
        "memory.min": memory.min,
        "memory.swap.current": memory.swap_current,
        "memory.swap.max": memory.swap_limit,
        "pids.current": stats.pids.current,
        "pids.peak": stats.pids.peak,
        "pids.max": stats.pids.limit,
        "cpu.weight": stats.cpu.weight,
        "cpu.max.burst": stats.cpu.max_burst_usec,
        "cpu.max": f"{stats.cpu.quota_usec} {stats.cpu.period_usec}",
    } == {
        name: said(name)
        for name in (
            *("memory.current", "memory.peak", "memory.max", "memory.high", "memory.low", "memory.min"),
            *("memory.swap.current", "memory.swap.max", "pids.current", "pids.peak", "pids.max", "cpu.weight"),
            *("cpu.max.burst", "cpu.max"),
        )
    }
    assert stats.memory.events == keyed("memory.events")
    assert stats.memory.events_local == keyed("memory.events.local")
    assert stats.pids.max_events == keyed("pids.events")["max"]
    assert (stats.nr_descendants, stats.nr_dying_descendants) == tuple(keyed("cgroup.stat").values())
    cpu = keyed("cpu.stat")
    assert (stats.cpu.usage_usec, stats.cpu.nr_throttled, stats.cpu.throttled_usec, stats.cpu.nr_bursts) == (
        *(cpu["usage_usec"], cpu["nr_throttled"], cpu["throttled_usec"], cpu["nr_bursts"]),
    )
    assert stats.cpuset is not None
    assert stats.cpuset.cpus_effective == str(said("cpuset.cpus.effective"))
    assert stats.hugetlb is not None
    assert set(stats.hugetlb) == {name.name.split(".")[1] for name in here.glob("hugetlb.*.max") if "rsvd" not in name.name}
    assert [(gap.fields, gap.reason) for gap in gaps] == [(("devices",), Reason.UNSUPPORTED)]


def test_devices_of_v2_have_their_counters_and_limits(v2_root: Path, tmp_path: Path) -> None:
    here = _copied_cgroup(v2_root, tmp_path)
    # The first device did nothing: the kernel may leave out the line break after it.
    (here / "io.stat").write_text("7:0 254:0 rbytes=4096 wbytes=512 rios=2 wios=1 dbytes=0 dios=0\n")
    (here / "io.max").write_text("254:0 rbps=1048576 wbps=max riops=max wiops=100\n")
    stats = read_cgroup_stats(HostFs(str(tmp_path)), _V2, _C1, "x", full=True).value
    assert stats is not None
    assert stats.io is not None
    assert stats.io.devices == {
        "254:0": DeviceIo(
            read_bytes=4096,
            write_bytes=512,
            read_operations=2,
            write_operations=1,
            read_bytes_limit=1048576,
            write_bytes_limit="max",
            read_operations_limit="max",
            write_operations_limit=100,
        )
    }
    assert (stats.io.read_bytes, stats.io.weight) == (4096, 100)


def test_limits_of_an_earlier_reading_are_taken_over(v2_root: Path, tmp_path: Path) -> None:
    here = _copied_cgroup(v2_root, tmp_path)
    host = HostFs(str(tmp_path))
    before = read_cgroup_stats(host, _V2, _C1, "x").value
    (here / "memory.max").write_text("4096\n")
    (here / "memory.current").write_text("8192\n")
    lean = read_cgroup_stats(host, _V2, _C1, "x", known=before).value
    assert lean is not None
    assert lean.memory is not None
    assert (lean.memory.limit, lean.memory.current) == ("max", 8192)


def test_limits_of_another_cgroup_of_the_same_path_are_not(v2_root: Path, tmp_path: Path) -> None:
    here = _copied_cgroup(v2_root, tmp_path)
    host = HostFs(str(tmp_path))
    before = read_cgroup_stats(host, _V2, _C1, "x").value
    here.rename(here.with_name("gone"))  # so that its inode number stays taken
    (_copied_cgroup(v2_root, tmp_path) / "memory.max").write_text("4096\n")
    after = read_cgroup_stats(host, _V2, _C1, "x", known=before).value
    assert after is not None
    assert after.memory is not None
    assert after.memory.limit == 4096
