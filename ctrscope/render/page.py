"""One container from top to bottom, as ``inspect`` prints it: what an SRE asks first stands first."""

from collections.abc import Iterable, Mapping

from ctrscope.model.cgroup import CgroupStats, Pressure
from ctrscope.model.container import Container
from ctrscope.model.detail import Detail, Security
from ctrscope.model.gap import Gap
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.network import Link, Network
from ctrscope.render.cgroups import imposed_text
from ctrscope.render.fields import engine_text, group_text, ports_text, short_id, since, status_sign
from ctrscope.render.gaps import describe_gap
from ctrscope.render.safe import inert, inert_command
from ctrscope.render.tables import Column, format_table
from ctrscope.render.trees import format_forest
from ctrscope.render.units import NOT_PERMITTED, format_bytes, format_duration, format_limit, format_percent
from ctrscope.render.wording import (
    MOUNT_TITLES,
    capabilities_text,
    count_text,
    cpus_text,
    id_map_text,
    joined_text,
    mount_cells,
    runtime_text,
    seccomp_text,
    sharing_text,
    supervision_text,
    upper_text,
)

_LABEL = 14


def format_page(container: Container, detail: Detail, names: Mapping[str, str], gaps: Iterable[Gap], now: float) -> list[str]:
    """Lines of the page. *names*: container id → name, for the namespaces it shares; *now* in seconds since 1970."""
    lines = [_headline(container, now)]
    if container.note:
        lines.append(f"  {inert(container.note)}")
    sections = (
        ("", _identity(container)),
        ("supervision", _supervision(container, detail)),
        ("processes", format_forest(detail.processes, {container.key: inert(container.name)})),
        ("namespaces", _namespaces(container, names)),
        ("cgroup", _cgroup(container)),
        ("usage and limits", _usage(container, detail)),
        ("reach", _reach(container, detail.network)),
        ("security", _security(detail.security)),
        ("root", _overlay(detail)),
        ("mounts", _mounts(detail)),
        ("environment", _environment(detail)),
        ("evidence", [f"{inert(found.source)}  {inert(found.value)}" for found in container.evidence]),
        ("gaps", [describe_gap(gap) for gap in gaps]),
    )
    for title, body in sections:
        if body:
            lines += ["", *([title.upper()] if title else []), *(f"  {line}" for line in body)]
    return lines


def _headline(container: Container, now: float) -> str:
    start = since(container)
    age = "" if start is None else f" {'for ' if container.is_running else ''}{format_duration(now - start)}"
    if age and not container.is_running:
        age += " ago"
    parts = (
        f"{status_sign(container)} {inert(container.name)}",
        engine_text(container),
        short_id(container),
        group_text(container),
        f"{container.status}{age}",
    )
    return "   ".join(part for part in parts if part)


def _line(label: str, text: str | None) -> list[str]:
    return [f"{label:<{_LABEL}}{text}"] if text else []


def _identity(container: Container) -> list[str]:
    exit_code = None if container.exit_code is None or container.is_running else str(container.exit_code)
    return [
        *_line("id", inert(container.id)),
        *_line("image", inert(container.image or "")),
        *_line("command", inert_command(container.command or ())),
        *_line("runtime", runtime_text(container)),
        *_line("created", inert(container.created_at or "")),
        *_line("started", inert(container.started_at or "")),
        *_line("finished", inert(container.finished_at or "")),
        *_line("exit status", exit_code and exit_code + (", OOM-killed" if container.oom_killed else "")),
        *_line("health", container.health),
        *_line("restarts", str(container.restart_count) if container.restart_count else None),
        *_line("bundle", inert(container.bundle or "")),
        *_line("root", inert(container.rootfs or "")),
        *_line("log", inert(container.log_path or "")),
        *(f"{'label':<{_LABEL}}{inert(key)}={inert(value)}" for key, value in sorted(container.labels.items())),
    ]


def _supervision(container: Container, detail: Detail) -> list[str]:
    if container.pid is None:
        return []
    joined = joined_text(detail.processes)
    return [supervision_text(container, detail.processes), *([f"joined from outside: {joined}"] if joined else [])]


def _namespaces(container: Container, names: Mapping[str, str]) -> list[str]:
    if container.pid is None:
        return []
    lines = []
    for type_ in NamespaceType:
        ino = container.namespaces.ino(type_)
        if ino is None:
            lines.append(f"{type_:<8}{NOT_PERMITTED}")
        else:
            whose = sharing_text(container.shares.get(type_), lambda other: inert(names.get(other, other[:12])))
            lines.append(f"{type_:<8}{ino:<12}{whose}")
    return lines


def _cgroup(container: Container) -> list[str]:
    cgroup = container.cgroup
    if cgroup is None:
        return []
    odd = [f"{inert(name) or 'v2'}: {inert(path)}" for name, path in cgroup.paths.items() if path != cgroup.path]
    return [f"{cgroup.version}  {inert(cgroup.path)}", *odd]


def _usage(container: Container, detail: Detail) -> list[str]:
    usage = detail.usage
    if usage is None:
        return []
    lines = []
    if usage.cpu is not None:
        cpu = usage.cpu
        used = NOT_PERMITTED if cpu.usage_usec is None else f"{cpu.usage_usec / 1e6:.1f} s"
        lines += _line("cpu", f"{used} used, limit {cpus_text(cpu.limit_cpus)}")
        if cpu.nr_throttled:
            lines += _line("", f"throttled in {cpu.nr_throttled} of {cpu.nr_periods} periods")
    if usage.memory is not None:
        memory = usage.memory
        used = NOT_PERMITTED if memory.current is None else format_bytes(memory.current)
        share = ""
        if memory.current is not None and isinstance(memory.limit, int) and memory.limit:
            share = f" ({100 * memory.current / memory.limit:.0f} %)"
        lines += _line("memory", f"{used} of {format_limit(memory.limit)}{share}")
        details = (
            ("working set", memory.working_set),
            ("peak", memory.peak),
            ("swap", memory.swap_current),
        )
        lines += _line("", ", ".join(f"{what} {format_bytes(value)}" for what, value in details if value is not None))
        if memory.oom_kills:
            lines += _line("", f"{memory.oom_kills} OOM kill{'s' if memory.oom_kills > 1 else ''}")
    if usage.pids is not None:
        lines += _line("tasks", f"{count_text(usage.pids.current)} of {count_text(usage.pids.limit)}")
    if usage.io is not None and usage.io.read_bytes is not None and usage.io.write_bytes is not None:
        lines += _line("io", f"{format_bytes(usage.io.read_bytes)} read, {format_bytes(usage.io.write_bytes)} written")
    lines += _line("limited", _from_above(container, detail))
    lines += _pressure(usage)
    return lines


def _from_above(container: Container, detail: Detail) -> str:
    """Limits of cgroups above the container's that are tighter than its own."""
    cgroup, effective = container.cgroup, detail.effective
    if cgroup is None or effective is None:
        return ""
    where = imposed_text({cgroup.path, *cgroup.paths.values()}, effective)
    return f"from above, {where}" if where else ""


def _pressure(usage: CgroupStats) -> list[str]:
    if not usage.pressure:
        return []

    def words(pressure: Pressure) -> str:
        full = "" if pressure.full is None else f", all {format_percent(pressure.full.avg10)}"
        return f"some {format_percent(pressure.some.avg10)}{full}"

    shown = (f"{inert(name)} {words(pressure)}" for name, pressure in usage.pressure.items())
    return _line("stalled", "; ".join(shown) + "   (% of the last 10 s)")


def _reach(container: Container, network: Network | None) -> list[str]:
    lines = [
        *_line("ports", ports_text(container.ports)),
        *_line("addresses", inert(", ".join(container.addresses))),
        *_line("networks", inert(", ".join(container.networks))),
    ]
    if network is not None:
        lines += [_link(link) for link in network.links]
        for route in network.routes:
            via = f" via {inert(route.gateway)}" if route.gateway else ""
            lines.append(f"{'route':<{_LABEL}}{inert(route.dst)}{via}" + (f" dev {inert(route.dev)}" if route.dev else ""))
    return lines


def _link(link: Link) -> str:
    counted = ""
    if link.rx_bytes is not None and link.tx_bytes is not None:
        counted = f"{format_bytes(link.rx_bytes)} in, {format_bytes(link.tx_bytes)} out"
    parts = (inert(link.name), inert(link.kind or ""), inert(link.state or ""), inert(", ".join(link.addresses)), counted)
    return f"{'link':<{_LABEL}}" + "  ".join(part for part in parts if part)


def _security(security: Security | None) -> list[str]:
    if security is None:
        return []
    lines = []
    if security.capabilities is not None:
        sets = security.capabilities
        for name in ("effective", "bounding", "ambient"):
            held = getattr(sets, name)
            if held or name == "effective":
                lines += _line(name if name != "effective" else "capabilities", capabilities_text(held) or "none")
    lines += _line("seccomp", seccomp_text(security))
    if security.no_new_privs is not None:
        lines += _line("no_new_privs", "yes" if security.no_new_privs else "no")
    lines += _line("apparmor", inert(security.apparmor or ""))
    lines += _line("selinux", inert(security.selinux or ""))
    lines += _line("uid map", id_map_text(security.uid_map))
    lines += _line("gid map", id_map_text(security.gid_map))
    lines += _line("masked", inert(" ".join(security.masked_paths or ())))
    lines += _line("read-only", inert(" ".join(security.readonly_paths or ())))
    return lines + _line("devices", inert(" ".join(security.devices or ())))


def _overlay(detail: Detail) -> list[str]:
    if detail.overlay is None:
        return []
    return [
        *_line("upper", upper_text(detail.overlay)),
        *_line("work", inert(detail.overlay.work or "")),
        *(f"{'lower':<{_LABEL}}{inert(layer)}" for layer in detail.overlay.lower),
    ]


def _mounts(detail: Detail) -> list[str]:
    if not detail.mounts:
        return []
    return format_table([Column(title) for title in MOUNT_TITLES], [mount_cells(mount) for mount in detail.mounts])


def _environment(detail: Detail) -> list[str]:
    return [f"{inert(name)}={inert(value)}" for name, value in (detail.environment or {}).items()]
