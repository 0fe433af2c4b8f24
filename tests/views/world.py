"""What the screens besides the containers draw, for the host of ``builders``: namespaces, cgroups, networks, findings."""

from collections.abc import Sequence
from typing import Any

from msgspec import structs

from ctrscope.model.cgroup import CgroupNode, CgroupStats, EffectiveLimit, EffectiveLimits, Pressure, PressureLine
from ctrscope.model.container import Container, EngineName, EngineStatus, Evidence
from ctrscope.model.event import Event, EventKind
from ctrscope.model.finding import Finding, Severity, Subject
from ctrscope.model.namespace import Holder, HolderKind, IdMapLine, Leader, Namespace, NamespaceType
from ctrscope.model.network import (
    Edge,
    EdgeEnd,
    Link,
    LinkRates,
    NetworkNamespace,
    NetworkTopology,
    Publication,
    Socket,
)
from ctrscope.model.process import ProcessForest, Role
from ctrscope.model.rates import Rates
from ctrscope.model.sample import Sample
from ctrscope.model.source import HeldCapability, HostSources, Source
from ctrscope.model.storage import (
    BuildRecord,
    Image,
    ImageLayer,
    KeptNetwork,
    Kind,
    Secret,
    Storage,
    Usage,
    Volume,
    WritableLayer,
)
from tests.views.builders import APP, M, ago, container, containers, detail, host, process, sample, stats

HOST_NET = 4026531833
POD_NET = 4026532913
BLUE = 4026532977
_POD_PATH = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod6f1c.slice"


def id_of(name: str) -> str:
    """Id of a container by its name."""
    return next(one.id for one in containers() if one.name == name)


def net_of(name: str) -> int:
    """Network namespace of a container by its name."""
    found = next(one.namespaces.net for one in containers() if one.name == name)
    assert found is not None
    return found


# Namespaces


def namespaces(found: Sequence[Container] | None = None) -> tuple[Namespace, ...]:
    """The host's, those of every running container, one that only a bind mount holds, and the user namespace of builder."""
    running = [one for one in (containers() if found is None else found) if one.is_running]
    made = []
    for type_ in NamespaceType:
        initial = host().namespaces.ino(type_)
        members: dict[int | None, list[Container]] = {initial: []}
        for one in running:
            members.setdefault(one.namespaces.ino(type_), []).append(one)
        made += [_namespace(type_, ino, inside, is_initial=ino == initial) for ino, inside in members.items() if ino]
    blue = Holder(kind=HolderKind.BIND_MOUNT, pid=1, path="/run/netns/blue")
    return (*made, Namespace(type=NamespaceType.NET, ino=BLUE, owner=4026531837, owner_uid=0, held_by=(blue,)))


def _namespace(type_: NamespaceType, ino: int, inside: Sequence[Container], *, is_initial: bool) -> Namespace:
    pids = [1] if is_initial else [pid for one in inside for pid in one.pids]
    is_user = type_ is NamespaceType.USER
    return Namespace(
        type=type_,
        ino=ino,
        is_initial=is_initial,
        nprocs=140 if is_initial else len(pids),
        leader=Leader(pid=pids[0], comm="systemd" if is_initial else inside[0].name),
        owner=None if is_user and is_initial else 4026531837,
        owner_uid=0,
        containers=tuple(one.id for one in inside),
        held_by=tuple(Holder(kind=HolderKind.PROCESS, pid=pid, path=f"/proc/{pid}/ns/{type_}") for pid in pids),
        uid_map=(IdMapLine(inside=0, outside=0, count=0xFFFFFFFF),) if is_user else None,
    )


# Cgroups


def cgroups() -> CgroupNode:
    """The tree of a host with systemd: a pod below two slices, some scopes, a service, a user."""
    by_name = {one.name: one for one in containers()}

    def scope(name: str, figures: CgroupStats | None, effective: EffectiveLimits | None = None) -> CgroupNode:
        one = by_name[name]
        assert one.cgroup is not None
        return _node(one.cgroup.path, figures, effective=effective, container=one.id)

    pod = EffectiveLimit(value=480 * M, limited_by=_POD_PATH)
    cpus = EffectiveLimit(value=0.5, limited_by="/kubepods.slice/kubepods-burstable.slice")
    in_pod = EffectiveLimits(cpus=cpus, memory=pod, pids=EffectiveLimit(value=4096, limited_by=_POD_PATH))
    return _node(
        "/",
        stats(9000 * M, None),
        children=(
            _node("/init.scope", stats(12 * M, "max")),
            _node(
                "/kubepods.slice",
                stats(473 * M, "max", pids=33),
                children=(
                    _node(
                        "/kubepods.slice/kubepods-burstable.slice",
                        stats(473 * M, "max", quota=50_000, pids=33),
                        effective=EffectiveLimits(cpus=cpus),
                        children=(
                            _node(
                                _POD_PATH,
                                stats(473 * M, 480 * M, pids=33),
                                effective=EffectiveLimits(cpus=cpus, memory=pod),
                                children=(
                                    scope("app", stats(412 * M, 512 * M, quota=100_000, pids=23), in_pod),
                                    scope(
                                        "istio-proxy",
                                        stats(61 * M, 128 * M, pids=9),
                                        _own(128 * M, f"{_POD_PATH}/cri-containerd-5171.scope"),
                                    ),
                                    scope("pause", stats(M // 2, "max"), in_pod),
                                ),
                            ),
                        ),
                    ),
                ),
            ),
            _node(
                "/system.slice",
                stats(640 * M, "max", pids=90),
                children=(
                    _node("/system.slice/cron.service", stats(4 * M, "max")),
                    scope("d-db", stats(201 * M, "max", pids=12)),
                    scope("d-paused", stats(3 * M, "max")),
                    scope("legacy", stats(12 * M, 64 * M, pids=2), _own(64 * M, "/system.slice/legacy.scope")),
                    _node("/system.slice/ssh.service", None),
                ),
            ),
            _node("/user.slice", stats(90 * M, "max"), children=(_node("/user.slice/user-1000.slice", stats(90 * M, "max")),)),
        ),
    )


def _own(limit: int, path: str) -> EffectiveLimits:
    return EffectiveLimits(memory=EffectiveLimit(value=limit, limited_by=path))


def _node(path: str, figures: CgroupStats | None, **more: Any) -> CgroupNode:
    unbounded = EffectiveLimits(memory=EffectiveLimit(value=64 * 1024 * M, limited_by="host"))
    return CgroupNode(path=path, stats=figures, **({"effective": unbounded} | {key: one for key, one in more.items() if one}))


CGROUP_RATES = {
    "/": Rates(cpu_percent=608.0),
    "/kubepods.slice/kubepods-burstable.slice": Rates(cpu_percent=50.1, throttled_percent=31.2),
    _POD_PATH: Rates(cpu_percent=50.1),
    f"{_POD_PATH}/cri-containerd-3fca.scope": Rates(cpu_percent=48.1, throttled_percent=0.0),
    f"{_POD_PATH}/cri-containerd-5171.scope": Rates(cpu_percent=2.0),
    "/system.slice": Rates(cpu_percent=5.1),
    "/system.slice/d-db.scope": Rates(cpu_percent=4.2),
}


# Networks


def topology(*, down: bool = True) -> NetworkTopology:
    """The wire, docker0 with two containers, one of them cut off when *down*, cni0 with the pod, an empty bridge, blue."""
    web = Socket(
        proto="tcp",
        state="LISTEN",
        local="0.0.0.0",
        local_port=3000,
        remote=None,
        remote_port=None,
        ino=7,
        pid=25112,
        comm="node",
    )
    return NetworkTopology(
        network_namespaces=(
            NetworkNamespace(
                ino=HOST_NET,
                is_initial=True,
                pid=1,
                containers=(id_of("legacy"),),
                links=(
                    _link(1, "lo", None, "127.0.0.1/8"),
                    _link(2, "eth0", None, "10.0.0.5/24"),
                    _link(3, "docker0", "bridge", "172.17.0.1/16"),
                    _link(4, "cni0", "bridge", "10.99.0.1/24"),
                    _link(5, "podman0", "bridge", "10.88.0.1/16"),
                    _link(11, "veth1a3f", "veth", master=3),
                    _link(12, "veth9c41", "veth", master=3, is_up=not down, state="DOWN" if down else "UP"),
                    _link(14, "veth5a1b", "veth", master=4),
                ),
            ),
            _namespace_with_eth0(net_of("d-db"), "172.17.0.2/16", "d-db"),
            _namespace_with_eth0(net_of("d-paused"), "172.17.0.3/16", "d-paused"),
            _namespace_with_eth0(POD_NET, "10.99.0.7/24", "app", "istio-proxy", "pause"),
            NetworkNamespace(ino=BLUE, path="/run/netns/blue", links=(_link(1, "lo", None),)),
        ),
        edges=(
            *(_edge("bridge_port", (HOST_NET, port), (HOST_NET, bridge)) for port, bridge in ((11, 3), (12, 3), (14, 4))),
            _edge("veth", (net_of("d-db"), 2), (HOST_NET, 11)),
            _edge("veth", (net_of("d-paused"), 2), (HOST_NET, 12)),
            _edge("veth", (POD_NET, 2), (HOST_NET, 14)),
        ),
        publications=(
            Publication(
                proto="tcp",
                host_ip="",
                host_port=8080,
                netns=HOST_NET,
                via=("nftables",),
                target_ip="10.99.0.7",
                target_port=3000,
                target_netns=POD_NET,
                container=id_of("app"),
                listener=web,
            ),
        ),
    )


def _link(ifindex: int, name: str, kind: str | None, *addresses: str, **more: Any) -> Link:
    values: dict[str, Any] = {"mac": "0a:58:0a:63:00:07", "mtu": 1500, "state": "UP", "is_up": True, "has_carrier": True}
    return Link(ifindex=ifindex, name=name, kind=kind, addresses=addresses, **(values | more))


def _namespace_with_eth0(ino: int, address: str, *names: str) -> NetworkNamespace:
    links = (_link(1, "lo", None, "127.0.0.1/8"), _link(2, "eth0", "veth", address))
    return NetworkNamespace(ino=ino, pid=25112, containers=tuple(map(id_of, names)), links=links)


def _edge(kind: Any, a: tuple[int, int], b: tuple[int, int]) -> Edge:
    return Edge(kind=kind, a=EdgeEnd(netns=a[0], ifindex=a[1]), b=EdgeEnd(netns=b[0], ifindex=b[1]))


LINK_RATES = {
    (POD_NET, 2): LinkRates(rx_bytes=1_200_000, tx_bytes=340_000),
    (net_of("d-db"), 2): LinkRates(rx_bytes=88_000, tx_bytes=12_000),
}


# Findings


def findings() -> tuple[Finding, ...]:
    """One of each severity, about a container, a cgroup, a namespace, a link and the host."""

    def finding(rule: str, severity: Severity, kind: str, id_: str, name: str, title: str, remedy: str, *seen: str) -> Finding:
        evidence = tuple(Evidence(source=source, value=value) for source, _, value in (one.partition(": ") for one in seen))
        subject = Subject(kind=kind, id=id_, name=name)
        return Finding(rule=rule, severity=severity, subject=subject, title=title, evidence=evidence, remedy=remedy)

    legacy = next(one for one in containers() if one.name == "legacy")
    return (
        finding(
            "health/monitor-gone",
            Severity.HIGH,
            "container",
            legacy.key,
            "legacy",
            "conmon 4410 is gone: exit status will not be recorded",
            "Restart the container when you can: nobody waits for its init any more.",
            "/run/containers/legacy/conmon.pid: 4410",
            "/proc/4410: no such process",
        ),
        finding(
            "health/cpu-throttled",
            Severity.MEDIUM,
            "container",
            APP,
            "app",
            "throttled in 31 % of periods: quota 0.5 CPU set by kubepods-burstable.slice",
            "Raise the quota of kubepods-burstable.slice, or give the pod requests that its load fits into.",
            "/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/cpu.max: 50000 100000",
            "/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/cpu.stat: nr_throttled +31 of +100 periods",
        ),
        finding(
            "health/link-down",
            Severity.MEDIUM,
            "link",
            f"{HOST_NET}/12",
            "veth9c41",
            "veth9c41 is down: d-paused is cut off from docker0",
            "Set it up again: ip link set veth9c41 up.",
            "rtnetlink: veth9c41 flags without IFF_UP",
        ),
        finding(
            "health/leftover-cgroup",
            Severity.LOW,
            "cgroup",
            "/user.slice/user-1000.slice",
            "user-1000.slice",
            "empty cgroup of a container that is gone",
            "Remove it: rmdir.",
            "/sys/fs/cgroup/user.slice/user-1000.slice/cgroup.procs: empty",
        ),
        finding(
            "health/pinned-namespace",
            Severity.LOW,
            "namespace",
            f"net:[{BLUE}]",
            f"net:[{BLUE}]",
            "held by bind mount /run/netns/blue, no process is in it",
            "Remove it if nobody needs it: ip netns delete blue.",
            f"/proc/1/mountinfo: net:[{BLUE}] /run/netns/blue",
        ),
        finding(
            "health/oom-elsewhere",
            Severity.INFO,
            "host",
            "host",
            "web-3",
            "1 OOM kill in a cgroup of no container that is known",
            "Nothing to do here.",
            "/dev/kmsg: oom-kill: task_memcg=/system.slice/cron.service",
        ),
    )


# Storage


_DOCKER, _ALICES = "/var/lib/docker/image/overlay2", "/home/builder/.local/share/containers/storage"
_BASE = ImageLayer("sha256:" + "5f" * 32, 74 * M)


def storage(found: Sequence[Container] | None = None) -> Storage:
    """Images in three stores, some of which share a layer; volumes that are mounted, not mounted, unused; networks; secrets."""
    keys = {one.name: one.key for one in (containers() if found is None else found)}

    def of(*names: str) -> tuple[str, ...]:
        return tuple(keys[name] for name in names if name in keys)

    k8s: dict[str, Any] = {"engine": EngineName.CONTAINERD, "engine_namespace": "k8s.io", "store": "/var/lib/containerd"}
    podman: dict[str, Any] = {"engine": EngineName.PODMAN, "owner_uid": 1000, "store": _ALICES}
    return Storage(
        builds=(_build("mount / from exec /bin/sh -c apt-get update", 96 * M), _build("fileop target", 2 * M, is_shared=True)),
        layers=tuple(_layer(name, keys[name]) for name in ("d-db", "d-paused", "batch-7") if name in keys),
        images=(
            _image("postgres:16", 1, (_BASE, ImageLayer("sha256:01", 351 * M)), containers=of("d-db")),
            _image("nginx:1.27", 2, (_BASE, ImageLayer("sha256:02", 113 * M)), containers=of("d-paused")),
            _image("jobs/batch:7", 3, (ImageLayer("sha256:03", 40 * M),), containers=of("batch-7")),
            _image("", 4, (_BASE, ImageLayer("sha256:04", 12 * M))),
            _image("docker.io/shop/web:1.4", 5, (ImageLayer("sha256:05", 88 * M),), containers=of("app"), **k8s),
            _image("fedora:41", 6, (ImageLayer("06" * 32, 170 * M),), containers=of("builder"), **podman),
        ),
        volumes=(
            _volume("pgdata", containers=of("d-db"), declared=of("d-db", "migrate")),
            _volume("cache", declared=of("d-paused")),
            _volume("b1" * 32, is_anonymous=True),
            _volume("media", options={"type": "nfs", "o": "addr=10.0.0.9,ro"}, declared=of("batch-7")),
        ),
        networks=(
            _kept_network("bridge", "172.17.0.0/16", "docker0", of("d-db", "d-paused")),
            _kept_network("shop", "172.18.0.0/16", "br-5f1c", ()),
        ),
        secrets=tuple(
            Secret(source=f"{_ALICES}/secrets/secrets.json", id=id_, name=name, driver="file", created_at=ago(86400), **podman)
            for id_, name in (("0d9b4a36b4865340f4a767e33", "registry"), ("1d9b4a36b4865340f4a767e33", "signing-key"))
        ),
        usage={Kind.IMAGE: Usage(6, 5, 848 * M, 12 * M), Kind.VOLUME: Usage(4, 3)},
    )


def _image(name: str, number: int, layers: Sequence[ImageLayer], **more: Any) -> Image:
    values: dict[str, Any] = {"engine": EngineName.DOCKER, "store": _DOCKER}
    return Image(
        id=f"sha256:{number:02x}" + "7c" * 31,
        source=f"{_DOCKER}/repositories.json",
        names=(name,) if name else (),
        layers=tuple(layers),
        size=sum(layer.size or 0 for layer in layers),
        size_source=f"{_DOCKER}/layerdb/sha256/*/size",
        shared_size=_BASE.size if _BASE in layers else 0,
        created_at=ago(number * number * 86400),
        **(values | more),
    )


def _volume(name: str, **more: Any) -> Volume:
    return Volume(
        engine=EngineName.DOCKER,
        store="/var/lib/docker/volumes",
        source="/var/lib/docker/volumes/metadata.db",
        created_at=ago(86400),
        name=name,
        driver="local",
        mount_point=f"/var/lib/docker/volumes/{name}/_data",
        **more,
    )


def _layer(name: str, key: str) -> WritableLayer:
    directory = f"/var/lib/docker/overlay2/{name.encode().hex():0<64}"
    return WritableLayer(
        engine=EngineName.DOCKER,
        store=directory,
        source=f"{directory}/lower",
        created_at=ago(4 * 86400),
        containers=(key,),
        container=key,
        name=name,
        upper=f"{directory}/diff",
        lower=("/var/lib/docker/overlay2/l/IMAGE",),
    )


def _build(description: str, size: int, *, is_shared: bool = False) -> BuildRecord:
    store = "/var/lib/docker/buildkit"
    return BuildRecord(
        engine=EngineName.DOCKER,
        store=store,
        source=f"{store}/metadata_v2.db",
        created_at=ago(3 * 86400),
        id=f"{description.encode().hex():0<25}"[:25],
        description=description,
        size=size,
        is_shared=is_shared,
        last_used_at=ago(86400),
        used=3,
    )


def _kept_network(name: str, subnet: str, bridge: str, members: tuple[str, ...]) -> KeptNetwork:
    path = "/var/lib/docker/network/files/local-kv.db"
    return KeptNetwork(
        engine=EngineName.DOCKER,
        store=path,
        source=path,
        created_at=ago(40 * 86400),
        id=f"{name.encode().hex():0<64}",
        name=name,
        driver="bridge",
        subnets=(subnet,),
        bridge=bridge,
        containers=members,
    )


def hostile_storage(names: Sequence[str]) -> Storage:
    """Everything that can be kept, by such names."""
    docker = EngineName.DOCKER
    return Storage(
        images=tuple(
            Image(engine=docker, store=name, source=name, labels={name: name}, id=f"x{number}", names=(name,))
            for number, name in enumerate(names)
        ),
        builds=tuple(BuildRecord(engine=docker, store=name, source=name, id=name, description=name) for name in names),
        layers=tuple(
            WritableLayer(engine=docker, store=name, source=name, container=name, name=name, upper=name, lower=(name,))
            for name in names
        ),
        volumes=tuple(
            Volume(engine=docker, store="/", source=name, name=name, driver=name, mount_point=name, options={name: name})
            for name in names
        ),
        networks=tuple(
            KeptNetwork(engine=None, store=name, source=name, id=name, name=name, driver=name, subnets=(name,), bridge=name)
            for name in names
        ),
        secrets=tuple(Secret(engine=docker, store=name, source=name, id=name, name=name, driver=name) for name in names),
    )


# Processes, events, the host


def security() -> tuple[Finding, ...]:
    """What an audit says of them, worst first."""
    web = next(one.key for one in containers() if one.name == "d-db")
    capability = Finding(
        rule="security/cap-sys-admin",
        severity=Severity.HIGH,
        subject=Subject(kind="container", id=web, name="d-db"),
        title="CAP_SYS_ADMIN in force: mounts, namespaces and much else: close to root of the host",
        evidence=(Evidence(source="/proc/4711/status", value="CapEff has CAP_SYS_ADMIN"),),
        remedy="drop it: --cap-drop ALL and --cap-add what is needed",
        references=("CIS Docker Benchmark v1.6 5.4", "capabilities(7)"),
    )
    mount = Finding(
        rule="security/sensitive-mount",
        severity=Severity.MEDIUM,
        subject=Subject(kind="container", id=APP, name="app"),
        title="/etc of the host is mounted read-only at /host-etc",
        evidence=(Evidence(source="/proc/25112/mountinfo", value="/etc at /host-etc, read-only, ext4"),),
        remedy="mount the one file that is needed, read-only",
        references=("CIS Docker Benchmark v1.6 5.6",),
    )
    host = Finding(
        rule="security/kernel-kptr-restrict",
        severity=Severity.LOW,
        subject=Subject(kind="host", id="host", name="host"),
        title="kernel.kptr_restrict is 0: addresses of the kernel are shown to those with CAP_SYSLOG",
        evidence=(Evidence(source="/proc/sys/kernel/kptr_restrict", value="0"),),
        remedy="sysctl -w kernel.kptr_restrict=1",
        references=("proc_sys_kernel(5)",),
    )
    return (capability, mount, host)


def forest(found: Sequence[Container] | None = None) -> ProcessForest:
    """The processes of app, one for each other container, and which of them are busy."""
    running = [one for one in (containers() if found is None else found) if one.is_running]
    processes = {
        one.key: detail().processes
        if one.key == APP
        else (process(one.pid or 0, 1, one.name, Role.INIT, container=one.key, uid=one.owner_uid, nspid=(one.pid or 0, 1)),)
        for one in running
    }
    percent = {member.pid: 0.0 for group in processes.values() for member in group} | {25112: 31.4, 25131: 16.7}
    return ProcessForest(processes=processes, cpu_percent=percent, users={0: "root", 1000: "alice"})


def events() -> tuple[Event, ...]:
    """One of each kind, about containers that are there and others that are gone."""
    db = next(one for one in containers() if one.name == "d-db")
    legacy = next(one for one in containers() if one.name == "legacy")

    def event(seconds: float, kind: EventKind, name: str, what: str, cause: str = "", key: str | None = None) -> Event:
        return Event(time=ago(seconds), kind=kind, container=key, name=name, what=what, cause=cause)

    return (
        event(95, EventKind.CREATED, "fresh", "created", key="crun/fresh"),
        event(91, EventKind.STARTED, "batch-8", "started, init 7300", "python3 batch.py --all", "docker/gone"),
        event(80, EventKind.OOM_KILLED, "batch-8", "OOM-killed: python3 7300", "its own limit 512M", "docker/gone"),
        event(
            79.9,
            EventKind.DIED,
            "batch-8",
            "died, exit 137",
            "OOM-killed by its own limit 512M, victim python3 7300",
            "docker/gone",
        ),
        event(62, EventKind.REMOVED, "batch-8", "removed", key="docker/gone"),
        event(60, EventKind.JOINED, "app", "exec'd in: bash (pid 30111, by uid 0)", key=APP),
        event(48, EventKind.PAUSED, "d-db", "paused", key=db.key),
        event(47.5, EventKind.UNPAUSED, "d-db", "unpaused", key=db.key),
        event(31, EventKind.LIMIT_CHANGED, "app", "memory limit 256M → 512M", key=APP),
        event(
            20, EventKind.MONITOR_LOST, "legacy", "conmon 4410 is gone", "nobody will record how the container ends", legacy.key
        ),
        event(8, EventKind.NAMESPACE, "/run/netns/blue", "a network namespace got this name"),
        event(2, EventKind.STOPPED, "migrate", "stopped, exit 0", key="docker/gone-too"),
    )


def sources(*, held: bool = True) -> HostSources:
    """What the kernel answers: everything, or what somebody without rights gets."""
    line = PressureLine(avg10=12.0, avg60=9.4, avg300=3.0, total=1)
    idle = PressureLine(avg10=0.0, avg60=0.1, avg300=0.0, total=1)
    needs = None if held else "CAP_SYS_PTRACE"
    links = Source(source="/proc/PID/ns/*", tells="which process is in which namespace", readable=held, needs=needs)
    return HostSources(
        sources=(
            Source(source="/proc", tells="the processes of the host", readable=True, needs=None, detail="812 processes"),
            links,
            Source(source="/proc/pressure", tells="pressure", readable=True, needs=None),
        ),
        capabilities=(HeldCapability(capability="CAP_SYS_PTRACE", held=held, buys="namespaces of other users' processes"),),
        pressure={"cpu": Pressure(some=line), "memory": Pressure(some=idle, full=idle), "io": Pressure(some=line, full=line)},
        load=(6.1, 5.8, 4.97),
    )


ENGINES = (
    EngineStatus(engine=EngineName.DOCKER, found=True, state_roots=("/var/lib/docker",), containers=4),
    EngineStatus(engine=EngineName.PODMAN, found=True, state_roots=("/var/lib/containers/storage",), containers=2),
    EngineStatus(engine=EngineName.LXD, found=False),
)


def full(found: Sequence[Container] | None = None, **options: Any) -> Sample:
    """A sample with everything that any screen asks for."""
    made = sample(found, **options)
    return structs.replace(
        made,
        snapshot=structs.replace(made.snapshot, engines=ENGINES),
        processes=forest(found),
        sources=sources(),
        findings=findings(),
        security=security(),
        namespaces=namespaces(found),
        cgroups=cgroups(),
        cgroup_rates=CGROUP_RATES,
        topology=topology(),
        link_rates=LINK_RATES,
        storage=storage(found),
    )


def nothing() -> Sample:
    """A host on which nothing runs and nothing is wrong."""
    wire = NetworkNamespace(
        ino=HOST_NET, is_initial=True, pid=1, links=(_link(1, "lo", None), _link(2, "eth0", None, "10.0.0.5/24"))
    )
    return structs.replace(
        sample([]),
        processes=ProcessForest(processes={}),
        sources=sources(),
        security=(),
        namespaces=tuple(one for one in namespaces(()) if one.is_initial),
        cgroups=_node("/", stats(900 * M, None)),
        topology=NetworkTopology(network_namespaces=(wire,)),
        storage=Storage(),
    )


def hostile(names: Sequence[str]) -> Sample:
    """A host on which everything that has a name has one of *names*."""
    found = [container(name, id=f"x{number}", note=name) for number, name in enumerate(names)]
    ids = [one.id for one in found]
    nodes = tuple(
        CgroupNode(path=one.cgroup.path, container=one.id, effective=_own(M, one.name))
        for one in found
        if one.cgroup is not None
    )
    links = tuple(_link(number + 2, name, name, name, mac=name) for number, name in enumerate(names))
    subjects = [Subject(kind="container", id=one.key, name=one.name) for one in found]
    return structs.replace(
        sample(found, on=host(hostname="".join(names))),
        events=tuple(
            Event(time=ago(9), kind=EventKind.DIED, container=one.key, name=one.name, what=one.name, cause=one.name)
            for one in found
        ),
        processes=ProcessForest(
            processes={
                one.key: (process(4711 + number, 1, one.name, Role.INIT, cmdline=(one.name, one.name)),)
                for number, one in enumerate(found)
            },
            users={0: names[0]},
        ),
        sources=HostSources(
            sources=tuple(Source(source=name, tells="x", readable=False, needs=name, detail=name) for name in names),
            capabilities=(),
        ),
        findings=tuple(
            Finding(
                rule=name,
                severity=Severity.HIGH,
                subject=subject,
                title=name,
                evidence=(Evidence(source=name, value=name),),
                remedy=name,
                references=(name,),
            )
            for name, subject in zip(names, subjects, strict=True)
        ),
        namespaces=tuple(
            structs.replace(one, held_by=tuple(Holder(kind=HolderKind.BIND_MOUNT, pid=1, path=name) for name in names))
            for one in namespaces(found)
        ),
        cgroups=CgroupNode(path="/", children=nodes),
        storage=hostile_storage(names),
        topology=NetworkTopology(
            network_namespaces=(NetworkNamespace(ino=HOST_NET, is_initial=True, containers=tuple(ids), links=links),)
        ),
    )
