"""LXC containers: their configuration below every lxcpath, and the monitors of those that run.

*Source:* lxc.container.conf(5), lxc.system.conf(5) ``lxc.lxcpath``; lxc lxccontainer.c for ``LXCPATH/NAME/config``, the
file ``partial`` of an unfinished creation, and the monitor's title ``[lxc monitor] LXCPATH NAME``.
*Versions:* ``lxc.rootfs`` and ``lxc.init_cmd`` became ``lxc.rootfs.path`` and ``lxc.init.cmd`` in LXC 2.1.

LXC leaves no PID file. ``read_state`` therefore describes every container as stopped; ``read_supervisors`` describes the
running ones again, with their init, and such a record stands in place of the first. Names are unique in one lxcpath
only: a container outside its owner's default lxcpath has that path as its ``engine_namespace``.
"""

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import msgspec

from ctrscope.engines.engine import Survey
from ctrscope.engines.state_file import first_of
from ctrscope.model.container import ContainerStatus, EngineName, EngineReading, EngineStatus, Evidence, Record
from ctrscope.model.gap import VANISHED, Gap, ParseError, gap_of
from ctrscope.model.namespace import NamespaceSet
from ctrscope.probes.hostfs import HostFs

DEFAULT_LXCPATH = "/var/lib/lxc"
_TITLE = "[lxc monitor] "
#: Programs that become the monitor of what they start; the title tells the rest.
_COMMS = ("lxc-start", "lxc-autostart", "lxc-execute", "lxc-copy", "lxc-checkpoint", "lxc-snapshot", "lxc-unpriv-star")
#: Options of lxc-start(1) and lxc-execute(1) that take a value in the next argument.
_WITH_VALUE = frozenset(
    [
        *("-n", "-P", "-f", "-s", "-o", "-l", "-p", "-c", "-L", "-u", "-g", "--name", "--lxcpath", "--rcfile", "--define"),
        *("--logfile", "--logpriority", "--pidfile", "--console", "--console-log", "--uid", "--gid"),
        *("--share-net", "--share-ipc", "--share-uts", "--share-pid"),
    ]
)


class LxcConfig(NamedTuple):
    """The keys of a container's configuration that we use."""

    rootfs: str | None = None
    command: tuple[str, ...] | None = None  # lxc.execute.cmd or lxc.init.cmd; LXC splits at blanks
    hostname: str | None = None
    links: tuple[str, ...] = ()  # bridges and devices that its interfaces are linked to
    console_log: str | None = None  # lxc.console.logfile


class LxcMonitor(NamedTuple):
    """A process that keeps an LXC container."""

    pid: int
    comm: str
    lxcpath: str | None  # None: as configured
    name: str
    uid: int  # effective
    init: int | None  # PID; None while it is starting or when we may not see


class Lxc:
    """LXC without a manager above it."""

    name: ClassVar[EngineName] = EngineName.LXC

    def read_state(self, survey: Survey) -> EngineReading:
        """Containers that are configured, all as stopped."""
        roots: list[str] = []
        records: list[Record] = []
        gaps: list[Gap] = []
        for lxcpath, owner, namespace in _lxcpaths(survey):
            try:
                names = survey.host.names(lxcpath)
            except OSError as error:
                if error.errno not in VANISHED:
                    roots.append(lxcpath)
                    gaps.append(gap_of(error, "engine lxc", ("containers",), lxcpath))
                continue
            roots.append(lxcpath)
            names, more = first_of(names, owner, "engine lxc", lxcpath)
            gaps += more
            for name in names:
                record = _read_container(survey.host, lxcpath, name, owner, namespace, gaps)
                if record is not None:
                    records.append(record)
        return EngineReading(
            status=EngineStatus(engine=self.name, found=bool(roots), state_roots=tuple(roots), containers=len(records)),
            records=tuple(records),
            gaps=tuple(gaps),
        )

    def read_supervisors(self, survey: Survey) -> EngineReading | None:
        """Containers that run, from their monitors; in any lxcpath."""
        monitors = find_monitors(survey, _COMMS)
        if not monitors:
            return None
        known = {record.evidence[0].source: record for record in survey.records if record.engine is self.name}
        defaults = {owner or 0: lxcpath for lxcpath, owner, namespace in _lxcpaths(survey) if namespace is None}
        records: list[Record] = []
        gaps: list[Gap] = []
        for monitor in monitors:
            lxcpath = monitor.lxcpath or defaults.get(monitor.uid, defaults[0])
            record = known.get(f"{lxcpath}/{monitor.name}/config")
            # Anybody can give a process that title; only root and the owner run the owner's containers.
            if record is None or monitor.uid not in (0, record.owner_uid):
                owner = monitor.uid or _owner_of(survey, lxcpath)
                namespace = None if defaults.get(owner) == lxcpath else lxcpath
                record = _read_container(survey.host, lxcpath, monitor.name, owner or None, namespace, gaps) or Record(
                    # `lxc-start -f FILE` needs nothing below the lxcpath.
                    id=monitor.name,
                    name=monitor.name,
                    engine=self.name,
                    engine_namespace=namespace,
                    owner_uid=owner,
                    status=ContainerStatus.RUNNING,
                )
            records.append(running(survey, record, monitor))
        status = EngineStatus(engine=self.name, found=True, containers=len(records))
        return EngineReading(status=status, records=tuple(records), gaps=tuple(gaps))


def find_monitors(survey: Survey, comms: tuple[str, ...]) -> list[LxcMonitor]:
    """The LXC monitors among processes of these names."""
    monitors: list[LxcMonitor] = []
    for stat in survey.processes.named(survey.supervisors, *comms):
        parsed = parse_monitor(survey.processes.cmdline(stat.pid) or ())
        uid = survey.uid(stat.pid) if parsed is not None else None
        if parsed is not None and uid is not None:
            monitors.append(LxcMonitor(stat.pid, stat.comm, *parsed, uid, None))
    inits = find_inits(survey, [monitor.pid for monitor in monitors])
    return [monitor._replace(init=inits.get(monitor.pid)) for monitor in monitors]


def parse_monitor(arguments: tuple[str, ...]) -> tuple[str | None, str] | None:
    """Lxcpath (None: the configured one) and name of a monitor's container; None when the process is no monitor.

    Shape: the title ``[lxc monitor] LXCPATH NAME`` of one that went into the background, else the command line.
    """
    if not arguments:
        return None
    if arguments[0].startswith(_TITLE):
        lxcpath, _, name = arguments[0][len(_TITLE) :].rstrip().rpartition(" ")
        return (lxcpath.rstrip("/"), name) if lxcpath.startswith("/") and _is_name(name) else None
    if arguments[0].rpartition("/")[2] not in ("lxc-start", "lxc-execute"):
        return None
    lxcpath, name = "", ""
    rest = iter(arguments[1:])
    for argument in rest:
        option, equals, value = argument.partition("=")
        if argument == "--":
            break
        if not argument.startswith("-"):
            name = name or argument
            break
        if option in _WITH_VALUE and not equals:
            value = next(rest, "")
        elif argument[:2] in ("-n", "-P") and not argument.startswith("--"):
            option, value = argument[:2], argument[2:]
        if option in ("-n", "--name"):
            name = value
        elif option in ("-P", "--lxcpath"):
            lxcpath = value
    if not _is_name(name):
        return None
    return (lxcpath.rstrip("/") if lxcpath.startswith("/") else None), name


def find_inits(survey: Survey, supervisors: list[int]) -> dict[int, int]:
    """Of each supervisor the child in another PID namespace; its only child where namespaces may not be read."""
    children: dict[int, list[int]] = {pid: [] for pid in supervisors}
    for pid in survey.supervisors if supervisors else ():
        stat = survey.processes.stat(pid)
        if stat is not None and stat.ppid in children and not stat.has_ended:
            children[stat.ppid].append(pid)
    inits: dict[int, int] = {}
    for supervisor, pids in children.items():
        outside = survey.processes.namespaces(supervisor)
        for pid in pids:
            inside = survey.processes.namespaces(pid)
            if not isinstance(outside, NamespaceSet) or not isinstance(inside, NamespaceSet):
                is_init = len(pids) == 1
            else:
                is_init = inside.pid != outside.pid
            if is_init:
                inits.setdefault(supervisor, pid)
    return inits


def running(survey: Survey, record: Record, monitor: LxcMonitor) -> Record:
    """The record of a configured container, now that its monitor was found."""
    evidence = Evidence(source=f"/proc/{monitor.pid}/cmdline", value=f"{monitor.comm}, monitor of {monitor.name}")
    return msgspec.structs.replace(
        record,
        status=ContainerStatus.RUNNING if monitor.init else ContainerStatus.CREATING,
        pid=monitor.init,
        command=record.command or (survey.processes.cmdline(monitor.init) or None if monitor.init else None),
        monitor_pid=monitor.pid,
        monitor_expected=monitor.comm,
        evidence=(*record.evidence, evidence),
    )


def read_lxc_config(host: HostFs, path: str, *, owner: int | None = None) -> LxcConfig:
    """Read a container's configuration. Errors: OSError as from ``HostFs.read``; ParseError."""
    return parse_lxc_config(host.read(path, owner=owner), path)


def parse_lxc_config(text: bytes, path: str) -> LxcConfig:
    """Parse ``key = value`` lines. ``lxc.include`` is not followed: what it names says nothing about this container only."""
    values: dict[str, str] = {}
    links: list[str] = []
    for number, line in enumerate(text.decode("utf-8", "surrogateescape").split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        key, equals, value = stripped.partition("=")
        if not equals or "\0" in stripped:
            raise ParseError(f"{path}: not 'key = value'", number)
        key, value = key.strip(), value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        values[key] = value
        if key.startswith(("lxc.net.", "lxc.network.")) and key.endswith(".link"):
            links.append(value)
    rootfs = values.get("lxc.rootfs.path") or values.get("lxc.rootfs")
    command = values.get("lxc.execute.cmd") or values.get("lxc.init.cmd") or values.get("lxc.init_cmd")
    console_log = values.get("lxc.console.logfile", "")
    return LxcConfig(
        rootfs=_rootfs(rootfs) if rootfs else None,
        command=tuple(command.split()) if command else None,
        hostname=values.get("lxc.uts.name") or values.get("lxc.utsname"),
        links=tuple(dict.fromkeys(link for link in links if link)),
        console_log=console_log if console_log.startswith("/") and "\0" not in console_log else None,
    )


def _rootfs(value: str) -> str:
    """``dir:/a`` → ``/a``; of ``overlay:/lower:/upper`` the upper directory's sibling is mounted, so the lower says most."""
    kind, colon, rest = value.partition(":")
    if not colon or kind.startswith("/"):
        return value
    return rest.split(":")[0] if kind in ("overlay", "overlayfs", "aufs") else rest


def _read_container(
    host: HostFs, lxcpath: str, name: str, owner: int | None, namespace: str | None, gaps: list[Gap]
) -> Record | None:
    if not _is_name(name):
        return None
    directory = f"{lxcpath}/{name}"
    source = f"{directory}/config"
    try:
        config = read_lxc_config(host, source, owner=owner)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ParseError) as error:
        gaps.append(gap_of(error, f"container lxc/{name}", ("rootfs", "command"), source))
        config = LxcConfig()
    return Record(
        id=name,
        name=name,
        engine=EngineName.LXC,
        engine_namespace=namespace,
        owner_uid=owner or 0,
        command=config.command,
        rootfs=config.rootfs,
        networks=config.links,
        log_path=config.console_log,
        evidence=(Evidence(source=source, value="configured"),),
        # While a container is created or copied, this file is there.
        status=ContainerStatus.CREATING if host.exists(f"{directory}/partial") else ContainerStatus.STOPPED,
    )


def _lxcpaths(survey: Survey) -> list[tuple[str, int | None, str | None]]:
    """Where containers may be configured: path, owner (None: the system), engine namespace."""
    configured = _configured(survey.host, "/etc/lxc/lxc.conf", None) or DEFAULT_LXCPATH
    paths: list[tuple[str, int | None, str | None]] = [(configured, None, None)]
    if configured != DEFAULT_LXCPATH:
        paths.append((DEFAULT_LXCPATH, None, DEFAULT_LXCPATH))
    for user in survey.users:
        if not user.home:
            continue
        default = f"{user.home}/.local/share/lxc"
        path = _configured(survey.host, f"{user.home}/.config/lxc/lxc.conf", user.uid)
        paths.append((path or default, user.uid, None))
        if path is not None and path != default:
            paths.append((default, user.uid, default))
    return paths


def _configured(host: HostFs, path: str, owner: int | None) -> str | None:
    try:
        lines = host.read(path, owner=owner, limit=65536).decode("utf-8", "surrogateescape").split("\n")
    except OSError:
        return None
    values = _values_of(lines, "lxc.lxcpath")
    return next((value.rstrip("/") for value in values if value.startswith("/") and "\0" not in value), None)


def _values_of(lines: Iterable[str], wanted: str) -> Iterable[str]:
    return (value.strip() for key, equals, value in (line.partition("=") for line in lines) if equals and key.strip() == wanted)


def _owner_of(survey: Survey, lxcpath: str) -> int:
    return next((user.uid for user in survey.users if user.home and lxcpath.startswith(user.home + "/")), 0)


def _is_name(name: str) -> bool:
    return bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name
