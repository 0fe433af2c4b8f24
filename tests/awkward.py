"""A host on which every string is trouble: spaces, markup, escape sequences, bytes that are not UTF-8, wide characters."""

from ctrscope.model.cgroup import CgroupStats, CpuStats, IoStats, MemoryStats, PidsStats, Pressure, PressureLine
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import Container, ContainerStatus, EngineName, EngineStatus, Evidence, Monitor, Pod, Port
from ctrscope.model.detail import CapabilitySets, Detail, Limits, Security
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.host import Host, Privileges
from ctrscope.model.mount import Mount, Overlay
from ctrscope.model.namespace import IdMapLine, NamespaceSet
from ctrscope.model.network import Link, Network, Route
from ctrscope.model.process import Process, Role
from ctrscope.model.snapshot import Snapshot

NOW = 1795312800.0  # 2026-11-22T02:00:00Z

HOST = Host(
    hostname="web-3",
    kernel="6.1.0-13-amd64",
    machine="x86_64",
    boot_id="6d0b0e0c-0000-4000-8000-000000000000",
    booted_at="2026-11-20T00:00:00.000Z",
    cgroup_version="v2",
    cpus=16,
    memory_total=64 << 30,
    clock_ticks=100,
    namespaces=NamespaceSet(cgroup=4026531835, ipc=4026531839, net=4026531833, pid=4026531836, user=4026531837),
    root="/",
    privileges=Privileges(euid=1000, capabilities=(), host_pid_namespace=True),
)

WEB = Container(
    id="3fcac954851d" + "0" * 52,
    name="web",
    engine=EngineName.DOCKER,
    runtime="runc",
    status=ContainerStatus.RUNNING,
    pid=4711,
    starttime_ticks=81723,
    created_at="2026-11-18T01:00:00.123456789Z",
    started_at="2026-11-18T02:00:00Z",
    image="nginx:1.25",
    command=("nginx", "-g", "daemon off;"),
    group="shop",
    monitor=Monitor(pid=4690, comm="containerd-shim", alive=True),
    cgroup=CgroupMembership(version="v2", path="/system.slice/docker-3fcac954851d.scope", paths={}),
    has_own_cgroup=True,
    namespaces=NamespaceSet(cgroup=4026532601, ipc=4026532602, mnt=4026532603, net=4026532604, pid=4026532605, user=4026531837),
    shares={"user": "host", "net": ("b" * 64,)},
    pids=(4711, 4730, 4800),
    ports=(
        Port(proto="tcp", host_ip="0.0.0.0", host_port=8080, container_ip=None, container_port=80),
        Port(proto="tcp", host_ip="::", host_port=8080, container_ip=None, container_port=80),
        Port(proto="udp", host_ip="127.0.0.1", host_port=53, container_ip=None, container_port=53),
    ),
    addresses=("172.17.0.2/16",),
    labels={"com.docker.compose.project": "shop"},
    evidence=(Evidence(source="/var/lib/docker/containers/3fca/config.v2.json", value="Pid 4711"),),
)
#: Name and command of it are what an attacker would choose.
HOSTILE = Container(
    id="b" * 64,
    name="a [bold]b[/] \x1b[31mred\u202e\udcff\n日本",
    engine=EngineName.CONTAINERD,
    engine_namespace="k8s.io",
    status=ContainerStatus.PAUSED,
    pid=25112,
    created_at="2026-11-22T01:48:00Z",
    started_at="2026-11-22T01:48:00Z",
    image="registry.example/日本語/イメージ:最新",
    command=("sh", "-c", "echo 'it\x07'", ""),
    pod=Pod(name="web-0", namespace="shop", uid="u-1", sandbox_id="c" * 64),
    monitor=Monitor(pid=4690, comm="containerd-shim", alive=True),
    cgroup=CgroupMembership(version="v2", path="/kubepods.slice/evil\x1b]0;title\x07", paths={}),
    has_own_cgroup=True,
    pids=(25112,),
    note="paused (freezer)",
)
ORPHAN = Container(
    id="legacy",
    name="legacy",
    engine=EngineName.PODMAN,
    owner_uid=1000,
    status=ContainerStatus.RUNNING,
    pid=911,
    created_at="not a time",
    monitor=Monitor(pid=4410, comm="conmon", alive=False),
    cgroup=CgroupMembership(version="v2", path="/user.slice/libpod-legacy.scope", paths={}),
    has_own_cgroup=True,
    pids=(911, 912),
    note="conmon 4410 is gone: exit status will not be recorded",
)
STOPPED = Container(
    id="d" * 64,
    name="batch 7",
    engine=EngineName.DOCKER,
    status=ContainerStatus.STOPPED,
    created_at="2026-11-22T00:00:00Z",
    finished_at="2026-11-22T01:57:00Z",
    exit_code=137,
    oom_killed=True,
    note="OOM-killed, exit 137",
)
BY_HAND = Container(
    id="net:[4026532911]",
    name="unshare 9122",
    engine=EngineName.UNCLAIMED,
    owner_uid=1001,
    status=ContainerStatus.RUNNING,
    pid=9122,
    pids=(9122, 9123),
    started_at="2026-11-22T01:20:00Z",
)


def _denied(container: Container) -> Gap:
    return Gap(
        subject=f"container {container.key}",
        fields=("namespaces",),
        source=f"/proc/{container.pid}/ns",
        reason=Reason.DENIED,
        needs="CAP_SYS_PTRACE",
    )


SNAPSHOT = Snapshot(
    taken_at="2026-11-22T02:00:00.000Z",
    monotonic_ns=1,
    host=HOST,
    containers=(HOSTILE, STOPPED, WEB, ORPHAN, BY_HAND),
    engines=(
        EngineStatus(engine=EngineName.DOCKER, found=True, state_roots=("/var/lib/docker", "/run/docker"), containers=2),
        EngineStatus(engine=EngineName.LXC, found=False),
    ),
    gaps=(
        Gap(
            subject=f"container {HOSTILE.key}",
            fields=("namespaces",),
            source="/proc/25112/ns",
            reason=Reason.DENIED,
            needs="CAP_SYS_PTRACE",
        ),
        Gap(
            subject=f"container {ORPHAN.key}",
            fields=("namespaces",),
            source="/proc/911/ns",
            reason=Reason.DENIED,
            needs="CAP_SYS_PTRACE",
        ),
        Gap(
            subject="engine docker",
            fields=("containers",),
            source="/var/lib/docker/\x1b[2J",
            reason=Reason.MALFORMED,
            detail="line 1: \udcfe",
        ),
    ),
    stats={},
)

STATS = CgroupStats(
    cpu=CpuStats(usage_usec=12_300_000, nr_periods=100, nr_throttled=31, quota_usec=50_000, period_usec=100_000),
    memory=MemoryStats(current=412 << 20, inactive_file=12 << 20, peak=430 << 20, limit=512 << 20, oom_kills=1),
    pids=PidsStats(current=23, limit="max"),
    io=IoStats(read_bytes=1_258_291, write_bytes=0),
    pressure={"cpu": Pressure(some=PressureLine(avg10=12.0, avg60=1.0, avg300=0.5, total=9), full=None)},
)


def process(pid: int, ppid: int, *inside: int, role: Role, container: Container | None, **more: object) -> Process:
    """A process with the PIDs *inside* the nested namespaces."""
    fields: dict[str, object] = {
        "comm": "sh",
        "cmdline": ("sh",),
        "state": "S",
        "uid": 0,
        "started_at": None,
        "starttime_ticks": pid,
    } | more
    return Process(pid=pid, ppid=ppid, nspid=(pid, *inside), role=role, container=container and container.key, **fields)  # type: ignore[arg-type]


SHIM = process(
    4690, 1, role=Role.MONITOR, container=WEB, comm="containerd-shim", cmdline=("containerd-shim-runc-v2", "-id", "3fca")
)
WEB_PROCESSES = (
    SHIM,
    process(4711, 4690, 1, role=Role.INIT, container=WEB, comm="nginx", cmdline=("nginx: master process nginx",)),
    process(4730, 4711, 7, role=Role.DESCENDANT, container=WEB, comm="nginx", cmdline=("nginx: worker process",)),
    process(4800, 4711, 12, role=Role.DESCENDANT, container=WEB, comm="sleep\x1b[0m", cmdline=(), state="Z"),
    process(30111, 30110, 31, role=Role.JOINED, container=WEB, comm="bash", cmdline=("bash",)),
)
HOSTILE_PROCESSES = (
    process(
        4690,
        1,
        role=Role.MONITOR,
        container=HOSTILE,
        comm="containerd-shim",
        cmdline=("containerd-shim-runc-v2", "-id", "3fca"),
    ),
    process(25112, 4690, 1, role=Role.INIT, container=HOSTILE, cmdline=("sh", "-c", "echo 'it\x07'")),
    process(25113, 25112, 2, role=Role.DESCENDANT, container=HOSTILE, cmdline=("日本\u202e",), state="T"),
)

DETAIL = Detail(
    processes=WEB_PROCESSES,
    limits=Limits(cpus=0.5, memory=512 << 20, swap=None, pids="max"),
    usage=STATS,
    mounts=(
        Mount(
            mount_id=1,
            parent_id=0,
            device="0:50",
            root="/",
            mount_point="/",
            options=("rw", "relatime"),
            propagation=("master:3",),
            fs_type="overlay",
            source="overlay",
            super_options=("rw",),
        ),
        Mount(
            mount_id=2,
            parent_id=1,
            device="8:1",
            root="/srv/da ta",
            mount_point="/data\x1b[1m",
            options=("ro",),
            propagation=(),
            fs_type="ext4",
            source="/dev/sda1",
            super_options=("rw",),
        ),
    ),
    overlay=Overlay(lower=("/l/A", "/l/B"), upper="/u/diff", work="/u/work"),
    security=Security(
        capabilities=CapabilitySets(
            effective=("CAP_CHOWN", "CAP_NET_RAW"),
            permitted=("CAP_CHOWN", "CAP_NET_RAW"),
            inheritable=(),
            bounding=("CAP_CHOWN", "CAP_NET_RAW"),
            ambient=(),
        ),
        seccomp="filter",
        seccomp_filters=1,
        no_new_privs=False,
        apparmor="docker-default (enforce)",
        uid_map=(IdMapLine(inside=0, outside=0, count=4294967295),),
        gid_map=(IdMapLine(inside=0, outside=100000, count=65536),),
        masked_paths=("/proc/kcore",),
    ),
    network=Network(
        links=(
            Link(
                ifindex=2,
                name="eth0",
                kind="veth",
                mac=None,
                mtu=1500,
                state="UP",
                addresses=("172.17.0.2/16",),
                rx_bytes=2048,
                tx_bytes=0,
            ),
        ),
        routes=(Route(dst="default", gateway="172.17.0.1", dev="eth0", src=None),),
    ),
    environment={"PATH": "/usr/bin", "DB_PASSWORD": "***", "ESC": "\x1b[31m"},
)
