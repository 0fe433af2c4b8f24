"""A host made by hand for the dashboard: every kind of container, every state of a figure, one moment in time."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from ctrscope.model.cgroup import (
    CgroupStats,
    CpuStats,
    EffectiveLimit,
    EffectiveLimits,
    IoStats,
    MemoryStats,
    PidsStats,
    Pressure,
    PressureLine,
)
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import Container, ContainerStatus, EngineName, Evidence, Monitor, Pod, Port
from ctrscope.model.detail import CapabilitySets, Detail, Security
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.host import Host, Privileges
from ctrscope.model.mount import Mount, Overlay
from ctrscope.model.namespace import IdMapLine, NamespaceSet
from ctrscope.model.network import Link, Network, Route
from ctrscope.model.process import Process, Role
from ctrscope.model.rates import Rates
from ctrscope.model.sample import HostTotals, Sample
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.timestamp import rfc3339

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
MONOTONIC_NS = 500_000_000_000
M, G = 1024**2, 1024**3
APP = "containerd/k8s.io/3fcac954851d0a7b6c"

_HOST_NAMESPACES = NamespaceSet(
    cgroup=4026531835,
    ipc=4026531839,
    mnt=4026531832,
    net=4026531833,
    pid=4026531836,
    time=4026531834,
    user=4026531837,
    uts=4026531838,
)


def own_namespaces(number: int, **shared: int) -> NamespaceSet:
    """Namespaces of the container with that number: its own, but for cgroup, time and user, and those of *shared*."""
    first = 4026533000 + 10 * number
    own = {"ipc": first, "mnt": first + 1, "net": first + 2, "pid": first + 3, "uts": first + 4}
    return structs.replace(_HOST_NAMESPACES, **(own | shared))


def ago(seconds: float) -> str:
    """RFC 3339 of a moment before NOW."""
    return rfc3339(NOW - seconds)


def host(*, euid: int = 0, capabilities: Sequence[str] = ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE"), **changes: Any) -> Host:
    """A host with a fixed name."""
    values: dict[str, Any] = {
        "hostname": "web-3",
        "kernel": "6.1.0-18-amd64",
        "machine": "x86_64",
        "boot_id": "0f5a",
        "booted_at": ago(40 * 86400),
        "cgroup_version": "v2",
        "cpus": 16,
        "memory_total": 64 * G,
        "clock_ticks": 100,
        "namespaces": _HOST_NAMESPACES,
        "root": "/",
        "privileges": Privileges(euid=euid, capabilities=tuple(capabilities), host_pid_namespace=True),
    }
    return Host(**(values | changes))


def container(name: str, engine: EngineName = EngineName.DOCKER, **changes: Any) -> Container:
    """A running container; its id is made from its name."""
    values: dict[str, Any] = {
        "id": (
            name.encode(errors="surrogateescape").hex() + "0a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b"
        )[:64],
        "name": name,
        "engine": engine,
        "status": ContainerStatus.RUNNING,
        "pid": 4711,
        "starttime_ticks": 81723,
        "pids": (4711,),
        "created_at": ago(4 * 86400),
        "started_at": ago(4 * 86400),
        "cgroup": CgroupMembership(version="v2", path=f"/system.slice/{name}.scope", paths={}),
        "has_own_cgroup": True,
        "namespaces": own_namespaces(100 + zlib.crc32(name.encode(errors="surrogateescape")) % 9000),
    }
    return Container(**(values | changes))


def stopped(name: str, engine: EngineName = EngineName.DOCKER, **changes: Any) -> Container:
    """A container that ran."""
    values: dict[str, Any] = {
        "status": ContainerStatus.STOPPED,
        "pid": None,
        "pids": (),
        "cgroup": None,
        "has_own_cgroup": False,
        "finished_at": ago(180),
        "exit_code": 0,
    }
    return container(name, engine, **(values | changes))


def stats(
    memory: int | None, limit: int | str | None, *, quota: int | str = "max", pids: int = 1, throttled: int = 0
) -> CgroupStats:
    """One reading of a cgroup."""
    return CgroupStats(
        cpu=CpuStats(
            usage_usec=8_400_000_000,
            user_usec=7_000_000_000,
            system_usec=1_400_000_000,
            nr_periods=91_000 if quota != "max" else 0,
            nr_throttled=throttled,
            throttled_usec=throttled * 40_000,
            quota_usec=quota,  # type: ignore[arg-type]
            period_usec=100_000,
            weight=100,
        ),
        memory=MemoryStats(
            current=memory,
            inactive_file=None if memory is None else memory // 5,
            peak=None if memory is None else memory + 9 * M,
            limit=limit,  # type: ignore[arg-type]
            high="max",
            swap_current=0,
            swap_limit="max",
            oom_kills=0,
        ),
        pids=PidsStats(current=pids, limit="max"),
        io=IoStats(read_bytes=812 * M, write_bytes=94 * M, read_operations=9000, write_operations=700),
        pressure={
            name: Pressure(
                some=PressureLine(avg10=high, avg60=high / 2, avg300=high / 4, total=1),
                full=PressureLine(avg10=high / 3, avg60=high / 9, avg300=0.0, total=1),
            )
            for name, high in (("cpu", 31.4), ("memory", 0.0), ("io", 2.5))
        },
        frozen=False,
    )


_POD_NAMESPACES: dict[str, int] = {"ipc": 4026532912, "net": 4026532913, "uts": 4026532915}
_POD_CGROUP = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod6f1c.slice"


def _in_pod(scope: str) -> CgroupMembership:
    return CgroupMembership(version="v2", path=f"{_POD_CGROUP}/cri-containerd-{scope}.scope", paths={})


_POD = Pod(name="web-0", namespace="shop", uid="6f1c", sandbox_id="9d2e")
_SHIM = Monitor(pid=25090, comm="containerd-shim", alive=True)
_K8S: dict[str, Any] = {
    "engine_namespace": "k8s.io",
    "runtime": "io.containerd.runc.v2",
    "pod": _POD,
    "monitor": _SHIM,
    "addresses": ("10.99.0.7/24",),
}


def containers() -> tuple[Container, ...]:
    """Something of everything."""
    return (
        container(
            "app",
            EngineName.CONTAINERD,
            **_K8S,
            id="3fcac954851d0a7b6c",
            pid=25112,
            pids=tuple(range(25112, 25135)),
            image="docker.io/shop/web:1.4",
            image_id="sha256:9f0c",
            command=("node", "/srv/server.js", "--greeting", "hello world"),
            bundle="/run/containerd/io.containerd.runtime.v2.task/k8s.io/3fcac954851d0a7b6c",
            rootfs="/run/containerd/io.containerd.runtime.v2.task/k8s.io/3fcac954851d0a7b6c/rootfs",
            log_path="/var/log/pods/shop_web-0_6f1c/app/0.log",
            namespaces=NamespaceSet(
                cgroup=4026532920,
                ipc=4026532912,
                mnt=4026532921,
                net=4026532913,
                pid=4026532922,
                time=4026531834,
                user=4026531837,
                uts=4026532915,
            ),
            shares={"net": ("9d2e", "51710"), "ipc": ("9d2e",), "uts": ("9d2e",), "time": "host", "user": "host"},
            labels={"io.kubernetes.container.name": "app", "tier": "front"},
            ports=(Port(proto="tcp", host_ip="0.0.0.0", host_port=8080, container_ip="10.99.0.7", container_port=3000),),
            cgroup=_in_pod("3fca"),
            note="throttled in 31 % of periods: quota 0.5 CPU",
            evidence=(
                Evidence(source="/run/containerd/io.containerd.runtime.v2.task/k8s.io/3fca/init.pid", value="25112"),
                Evidence(source="/run/containerd/runc/k8s.io/3fca/state.json", value="init_process_start 81723"),
                Evidence(source="/proc/25112/stat", value="starttime 81723"),
                Evidence(source="/proc/25112/cgroup", value="…/cri-containerd-3fca.scope"),
            ),
        ),
        container(
            "istio-proxy",
            EngineName.CONTAINERD,
            **_K8S,
            id="51710",
            pid=25201,
            pids=tuple(range(25201, 25210)),
            cgroup=_in_pod("5171"),
            namespaces=own_namespaces(1, **_POD_NAMESPACES),
        ),
        container(
            "pause",
            EngineName.CONTAINERD,
            **_K8S,
            id="9d2e",
            pid=25044,
            pids=(25044,),
            is_sandbox=True,
            cgroup=_in_pod("9d2e"),
            namespaces=own_namespaces(2, **_POD_NAMESPACES),
        ),
        container(
            "d-db",
            group="shop",
            image="postgres:16",
            pid=3100,
            pids=tuple(range(3100, 3112)),
            started_at=ago(19 * 3600),
            monitor=Monitor(pid=3080, comm="containerd-shim", alive=True),
        ),
        container(
            "d-paused",
            group="shop",
            image="nginx:1.27",
            pid=3200,
            status=ContainerStatus.PAUSED,
            started_at=ago(720),
            note="paused (freezer)",
        ),
        container(
            "legacy",
            EngineName.PODMAN,
            image="localhost/legacy:2019",
            pid=4420,
            pids=(4420, 4421),
            started_at=ago(8 * 86400),
            monitor=Monitor(pid=4410, comm="conmon", alive=False),
            note="conmon 4410 is gone: exit status will not be recorded",
            namespaces=own_namespaces(3, net=4026531833, pid=4026531836),
            shares={"net": "host", "pid": "host", "time": "host", "user": "host", "cgroup": "host"},
        ),
        container("builder", EngineName.PODMAN, owner_uid=1000, image="fedora:41", pid=5100, pids=(5100, 5101, 5102)),
        stopped("batch-7", image="jobs/batch:7", exit_code=137, oom_killed=True, note="OOM-killed, exit 137"),
        stopped("migrate", image="jobs/migrate:7", finished_at=ago(86400)),
        container("fresh", EngineName.CRUN, status=ContainerStatus.CREATED, pid=6100, pids=(6100,), started_at=None),
        container(
            "ghost",
            EngineName.RUNC,
            status=ContainerStatus.STALE,
            pid=None,
            pids=(),
            cgroup=None,
            note="state says running, but process 7001 is another one",
        ),
        container("alpine", EngineName.LXC, pid=8100, pids=tuple(range(8100, 8109)), started_at=ago(12 * 86400)),
        container("debian", EngineName.NSPAWN, pid=8300, pids=tuple(range(8300, 8315)), started_at=ago(2 * 86400)),
        container(
            "net:[4026532911]",
            EngineName.UNCLAIMED,
            id="4026532911",
            pid=9122,
            pids=(9122, 9123),
            owner_uid=1000,
            started_at=ago(2400),
            note="2 processes isolated by hand (unshare 9122), no engine's",
            namespaces=structs.replace(_HOST_NAMESPACES, net=4026532911),
        ),
    )


_FIGURES: Mapping[str, tuple[float, float | None, CgroupStats]] = {
    "app": (48.1, 31.2, stats(412 * M, 512 * M, quota=50_000, pids=23, throttled=28_400)),
    "istio-proxy": (2.0, 0.0, stats(61 * M, 128 * M, quota=200_000, pids=9)),
    "pause": (0.0, None, stats(M // 2, "max")),
    "d-db": (4.2, None, stats(201 * M, "max", pids=12)),
    "d-paused": (0.0, None, stats(3 * M, "max")),
    "legacy": (0.1, None, stats(12 * M, 64 * M, pids=2)),
    "builder": (186.4, None, stats(int(1.96 * G), 2 * G, quota=400_000, pids=3)),
    "fresh": (0.0, None, stats(M, "max")),
    "alpine": (0.3, None, stats(38 * M, "max", pids=9)),
    "debian": (0.6, None, stats(73 * M, "max", pids=15)),
    "net:[4026532911]": (0.0, None, stats(M, "max", pids=2)),
}


#: ``app`` may use no more memory than its pod.
_BOUND = EffectiveLimits(
    cpus=EffectiveLimit(value=0.5, limited_by=f"{_POD_CGROUP}/cri-containerd-3fca.scope"),
    memory=EffectiveLimit(value=480 * M, limited_by=_POD_CGROUP),
    pids=EffectiveLimit(value="max"),
)


def _grown(figures: CgroupStats, second: int) -> CgroupStats:
    """The figures as they were: memory grew for a quarter of an hour until a minute ago."""
    memory = figures.memory
    if second >= -60 or memory is None or memory.current is None:
        return figures
    return structs.replace(figures, memory=structs.replace(memory, current=int(memory.current * (1 + second / 1500))))


def sample(
    found: Sequence[Container] | None = None,
    *,
    second: int = 0,
    on: Host | None = None,
    gaps: Sequence[Gap] = (),
    with_figures: bool = True,
    details: Mapping[str, Detail] | None = None,
) -> Sample:
    """A sample taken *second* seconds after NOW."""
    found = containers() if found is None else tuple(found)
    figures = {one.key: _FIGURES.get(one.name, (0.0, None, stats(4 * M, "max"))) for one in found if one.is_running}
    swing = (0.62, 0.8, 1.0, 0.97, 0.9, 1.0, 0.7, 0.95)[second // 2 % 8]
    if second < -60:  # long ago it was another load
        swing *= 0.2 + 0.8 * abs((second % 400) / 200 - 1)
    return Sample(
        snapshot=Snapshot(
            taken_at=rfc3339(NOW + second),
            monotonic_ns=MONOTONIC_NS + second * 1_000_000_000,
            host=on or host(),
            containers=tuple(found),
            engines=(),
            gaps=tuple(gaps),
            stats={key: _grown(value[2], second) for key, value in figures.items()} if with_figures else {},
            effective={APP: _BOUND} if with_figures and APP in figures else {},
        ),
        findings=(),
        rates={
            key: Rates(
                cpu_percent=value[0] * (swing if second else 1.0),
                throttled_percent=None if value[1] is None else value[1] * (swing if second else 1.0),
                read_bytes=value[0] * 4000 * swing,
                write_bytes=value[0] * 900 * (1 - swing),
                rx_bytes=None if key.startswith("podman/") else value[0] * 26_000 * swing,
                tx_bytes=None if key.startswith("podman/") else value[0] * 7_300 * swing,
                stalled_percent={"cpu": min(100.0, value[0] * swing), "memory": 0.0, "io": 2.0},
            )
            for key, value in figures.items()
        }
        if with_figures
        else {},
        totals=HostTotals(
            cpu_percent=38.0 * (swing if second else 1.0),
            memory_used=int(41.2 * G),
            memory_total=64 * G,
            stalled_percent={"cpu": 12.4 * swing, "memory": 0.0, "io": 3.1 * (1 - swing)},
            read_bytes=9.2 * M * swing,
            write_bytes=2.1 * M * (1 - swing),
            rx_bytes=1.3 * M * swing,
            tx_bytes=0.4 * M * swing,
            self_cpu_percent=2.1,
            self_rss=71 * M,
        ),
        details=details or {},
    )


def minute(**options: Any) -> list[Sample]:
    """The samples of the last minute, the newest taken at NOW."""
    return [sample(second=second, **options) for second in range(-58, 1, 2)]


def quarter(**options: Any) -> list[Sample]:
    """The samples of the last quarter of an hour, the newest taken at NOW; of two minutes among them nobody knows."""
    return [sample(second=second, **options) for second in range(-895, 1, 5) if not -600 < second < -480]


def denied(subject: str, *fields: str, source: str = "/proc/4711/ns/net", needs: str = "CAP_SYS_PTRACE") -> Gap:
    """A gap of somebody who is not root."""
    return Gap(subject=subject, fields=fields, source=source, reason=Reason.DENIED, needs=needs, detail="Permission denied")


def process(pid: int, ppid: int, comm: str, role: Role, **changes: Any) -> Process:
    """One process."""
    values: dict[str, Any] = {
        "nspid": (pid, pid - 25111) if role is not Role.MONITOR else (pid,),
        "cmdline": (comm,),
        "state": "S",
        "uid": 0,
        "started_at": ago(4 * 86400),
        "starttime_ticks": 81723,
        "container": APP,
    }
    values |= {"pid": pid, "ppid": ppid, "comm": comm, "role": role}
    return Process(**(values | changes))


def _mount(point: str, fs_type: str, source: str, *options: str, **changes: Any) -> Mount:
    values: dict[str, Any] = {
        "mount_id": 900,
        "parent_id": 899,
        "device": "0:51",
        "root": "/",
        "propagation": (),
        "super_options": ("rw",),
    }
    return Mount(**({"mount_point": point, "options": options, "fs_type": fs_type, "source": source} | values | changes))


_CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in (
        *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"),
        *("NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
    )
)


def detail(**changes: Any) -> Detail:
    """Everything about ``app``."""
    layers = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots"
    values: dict[str, Any] = {
        "processes": (
            process(25090, 1, "containerd-shim", Role.MONITOR, container=None, cmdline=("/usr/bin/containerd-shim-runc-v2",)),
            process(25112, 25090, "node", Role.INIT, cmdline=("node", "/srv/server.js", "--greeting", "hello world")),
            process(25130, 25112, "node", Role.DESCENDANT, cmdline=("node", "/srv/worker.js"), uid=1000),
            process(25131, 25130, "sh", Role.DESCENDANT, cmdline=("sh", "-c", "sleep 5"), uid=1000),
            process(25132, 25112, "defunct", Role.DESCENDANT, cmdline=(), state="Z", uid=1000),
            process(30111, 30100, "bash", Role.JOINED, started_at=ago(60)),
        ),
        "mounts": (
            _mount("/", "overlay", "overlay", "rw", "relatime"),
            _mount("/proc", "proc", "proc", "rw", "nosuid", "nodev", "noexec"),
            _mount("/dev", "tmpfs", "tmpfs", "rw", "nosuid"),
            _mount("/etc/hosts", "ext4", "/dev/sda1", "rw", "relatime", root="/var/lib/kubelet/pods/6f1c/etc-hosts"),
            _mount("/srv/data", "ext4", "/dev/sdb1", "rw", root="/shop", propagation=("master:12",)),
            _mount("/proc/kcore", "tmpfs", "tmpfs", "ro"),
        ),
        "overlay": Overlay(lower=(f"{layers}/31/fs", f"{layers}/30/fs"), upper=f"{layers}/32/fs", work=f"{layers}/32/work"),
        "security": Security(
            capabilities=CapabilitySets(
                effective=_CAPABILITIES,
                permitted=_CAPABILITIES,
                inheritable=(),
                bounding=_CAPABILITIES,
                ambient=(),
            ),
            seccomp="filter",
            seccomp_filters=1,
            no_new_privs=True,
            apparmor="cri-containerd.apparmor.d (enforce)",
            uid_map=(IdMapLine(inside=0, outside=0, count=0xFFFFFFFF),),
            gid_map=(IdMapLine(inside=0, outside=0, count=0xFFFFFFFF),),
            masked_paths=("/proc/kcore", "/proc/keys", "/sys/firmware"),
            readonly_paths=("/proc/bus", "/proc/sys"),
            devices=("full", "null", "random", "tty", "urandom", "zero"),
        ),
        "network": Network(
            links=(
                Link(ifindex=1, name="lo", kind=None, mac=None, mtu=65536, state="UNKNOWN", addresses=("127.0.0.1/8",)),
                Link(
                    ifindex=2,
                    name="eth0",
                    kind="veth",
                    mac="0a:58:0a:63:00:07",
                    mtu=1450,
                    state="UP",
                    addresses=("10.99.0.7/24", "fe80::858:aff:fe63:7/64"),
                    peer_ifindex=14,
                    peer_netnsid=0,
                    rx_bytes=731 * M,
                    tx_bytes=96 * M,
                ),
            ),
            routes=(
                Route(dst="default", gateway="10.99.0.1", dev="eth0", src=None),
                Route(dst="10.99.0.0/24", gateway=None, dev="eth0", src="10.99.0.7"),
            ),
        ),
        "environment": {"PATH": "/usr/local/bin:/usr/bin:/bin", "NODE_ENV": "production", "DB_PASSWORD": "***"},
    }
    return Detail(**(values | changes))


#: Names that try to be markup, escape sequences, several lines, wide, or bytes that are no text.
HOSTILE_NAMES = (
    "[red]markup[/red]",
    "[/]",
    "[@click=app.quit]quit[/]",
    "esc\x1b[31m\x1b]0;title\x07",
    "two\nlines\r\tand a tab",
    "漢字のコンテナ名前がとても長い",
    "bidi\u202egnp.exe",
    "bytes\udcff\udc80",
    "zero\u200bwidth e\u0301",
    "$error $accent",
)
