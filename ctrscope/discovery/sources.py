"""What this kernel answers to whoever runs us: each source, whether it can be read, and what it would take.

*Source:* proc(5) for hidepid, namespaces(7), the kernel's cgroup-v2 and PSI documents, capabilities(7).
"""

from ctrscope.model.gap import VANISHED, ParseError, gap_of
from ctrscope.model.host import Host, Privileges
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.source import HeldCapability, HostSources, Source
from ctrscope.probes.cgroupfs import CgroupLayout, read_layout
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pressure import parse_pressure

#: What each capability is good for here.
_BUYS = {
    "CAP_SYS_PTRACE": "namespaces, environment and root directory of other users' processes",
    "CAP_DAC_READ_SEARCH": "state directories of the engines and of other users' stores",
    "CAP_SYS_ADMIN": "attach, and links and routes inside a network namespace: setns(2)",
    "CAP_SYS_CHROOT": "attach to a mount namespace: setns(2)",
}
#: Kernel option behind each type of namespace.
_OPTIONS = {type_: f"CONFIG_{type_.upper()}_NS" for type_ in NamespaceType} | {
    NamespaceType.MNT: "CONFIG_NAMESPACES",
    NamespaceType.CGROUP: "CONFIG_CGROUPS",
}


def read_sources(host: HostFs, facts: Host) -> tuple[Source, ...]:
    """Try each source once."""
    layout = read_layout(host)
    return (
        _processes(host, facts.privileges),
        _hidepid(host),
        _links(host),
        _namespace_types(host),
        _cgroups(layout),
        *_controllers(host, layout),
        _pressure(host),
    )


def read_host_sources(host: HostFs, facts: Host) -> HostSources:
    """The sources, and how busy the host is: its load and, where the kernel keeps it, its pressure."""
    pressure = {}
    for name in ("cpu", "memory", "io"):
        try:
            pressure[name] = parse_pressure(host.read(f"/proc/pressure/{name}"))
        except (OSError, ParseError):
            continue  # read_sources says why
    return HostSources(
        sources=read_sources(host, facts),
        capabilities=held_capabilities(facts.privileges),
        pressure=pressure or None,
        load=_load(host),
    )


def _load(host: HostFs) -> tuple[float, float, float] | None:
    try:
        one, five, fifteen = map(float, host.read("/proc/loadavg").split()[:3])
    except (OSError, ValueError):
        return None
    return one, five, fifteen


def held_capabilities(privileges: Privileges) -> tuple[HeldCapability, ...]:
    """The capabilities that we have a use for, and whether we hold them."""
    held = privileges.capabilities
    return tuple(HeldCapability(capability=name, held=name in held, buys=buys) for name, buys in _BUYS.items())


def _pids(host: HostFs) -> list[int]:
    try:
        return [int(name) for name in host.names("/proc") if name.isdecimal()]
    except OSError:
        return []


def _processes(host: HostFs, privileges: Privileges) -> Source:
    pids = _pids(host)
    whole = privileges.host_pid_namespace is not False
    return Source(
        source="/proc",
        tells="the processes of the host",
        readable=bool(pids) and whole,
        needs=None if pids and whole else "a mounted /proc" if not pids else "the host's PID namespace (--pid=host)",
        detail=f"{len(pids)} processes",
    )


def _hidepid(host: HostFs) -> Source:
    """The hidepid option of the mount at /proc: invisible or 2 hides other users' processes, noaccess or 1 their files."""
    options: list[str] = []
    try:
        for line in host.read("/proc/mounts").split(b"\n"):
            fields = line.decode("utf-8", "surrogateescape").split(" ")
            if len(fields) > 3 and fields[1] == "/proc" and fields[2] == "proc":
                options = [option for option in fields[3].split(",") if option.startswith("hidepid=")]
    except OSError as error:
        gap = gap_of(error, "host", ("hidepid",), "/proc/mounts")
        return Source(source=gap.source, tells="mounts", readable=False, needs=gap.needs, detail=gap.detail)
    hidden = bool(options) and options[-1] not in ("hidepid=0", "hidepid=off")
    return Source(
        source="/proc/mounts",
        tells="whether other users' processes are hidden",
        readable=True,
        needs="root, or the group of the mount's gid= option" if hidden else None,
        detail=options[-1] if hidden else "not hidden",
    )


def _links(host: HostFs) -> Source:
    """How many processes keep their namespace links from us (ptrace access mode, EACCES)."""
    readable = denied = 0
    for pid in _pids(host):
        try:
            host.readlink(f"/proc/{pid}/ns/pid")
            readable += 1
        except OSError as error:
            denied += error.errno not in VANISHED
    return Source(
        source="/proc/PID/ns/*",
        tells="which process is in which namespace",
        readable=readable > 0 and denied == 0,
        needs="CAP_SYS_PTRACE" if denied else None if readable else "a /proc of a running host",
        detail=f"{denied} of {readable + denied} processes denied" if denied else f"{readable} processes",
    )


def _namespace_types(host: HostFs) -> Source:
    known: list[str] = []
    needs = "a /proc of a running host"
    for pid in ("self", "1"):
        try:
            known = known or host.names(f"/proc/{pid}/ns")
        except PermissionError:
            needs = "CAP_SYS_PTRACE"
        except OSError:
            continue
    missing = [type_ for type_ in NamespaceType if type_ not in known]
    return Source(
        source="nsfs",
        tells="types of namespaces this kernel has",
        readable=bool(known),
        needs=", ".join(_OPTIONS[type_] for type_ in missing) or None if known else needs,
        detail=" ".join(type_ for type_ in NamespaceType if type_ in known),
    )


def _cgroups(layout: CgroupLayout | None) -> Source:
    return Source(
        source=next(iter(layout.mounts.values())) if layout else "/sys/fs/cgroup",
        tells="which process is in which container",
        readable=layout is not None,
        needs=None if layout else "a mounted cgroup file system",
        detail=f"cgroup {layout.version}" if layout else "",
    )


def _controllers(host: HostFs, layout: CgroupLayout | None) -> tuple[Source, ...]:
    """The controllers that figures and limits come from; on v2 those that the root has."""
    if layout is None:
        return ()
    if "" in layout.mounts:
        try:
            unified = host.read(f"{layout.mounts['']}/cgroup.controllers").decode("ascii", "replace").split()
        except OSError:
            unified = []
    else:
        unified = []
    found = []
    for name, old in (("cpu", "cpu"), ("memory", "memory"), ("pids", "pids"), ("io", "blkio")):
        where = layout.mounts[""] if name in unified else layout.mounts.get(old)
        found.append(
            Source(
                source=f"{where or '/sys/fs/cgroup'} {name if name in unified or not where else old}",
                tells=f"{name} usage and limits",
                readable=where is not None,
                needs=None if where else f"the {name} controller in the root's cgroup.controllers",
            )
        )
    return tuple(found)


def _pressure(host: HostFs) -> Source:
    try:
        host.read("/proc/pressure/cpu")
    except OSError as error:
        # ENOENT: built without CONFIG_PSI; EOPNOTSUPP: switched off at boot.
        needs = "CONFIG_PSI" if error.errno in VANISHED else "psi=1 on the kernel's command line"
        return Source(
            source="/proc/pressure", tells="pressure", readable=False, needs=needs, detail=error.strerror or str(error)
        )
    return Source(source="/proc/pressure", tells="pressure", readable=True, needs=None)
