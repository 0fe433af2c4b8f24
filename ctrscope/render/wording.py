"""Facts about one container in words, the same on the page that ``inspect`` prints and in the dashboard."""

from collections.abc import Callable, Sequence
from typing import Literal

from ctrscope.model.cgroup import Limit
from ctrscope.model.container import Container
from ctrscope.model.detail import Security
from ctrscope.model.mount import Mount, Overlay
from ctrscope.model.namespace import IdMapLine
from ctrscope.model.process import Process, Role
from ctrscope.render.safe import inert
from ctrscope.render.units import NOT_APPLICABLE, NOT_PERMITTED

_WHOLE_RANGE = 0xFFFFFFFF  # count of the map of the initial user namespace; user_namespaces(7)

#: Titles of the cells that ``mount_cells`` gives.
MOUNT_TITLES = ("MOUNTED ON", "TYPE", "SOURCE", "OPTIONS", "PROPAGATION")


def supervision_text(container: Container, processes: Sequence[Process]) -> str:
    """Who keeps a running container, its init, and how many are below: ``conmon 4410 alive ─ init 4412 sh (pid 1 inside)``."""
    monitor = container.monitor
    if monitor is None:
        text = "no supervisor"
    else:
        who = f"{inert(monitor.comm or '?')} {monitor.pid or ''}".rstrip()
        text = f"{who} {'alive' if monitor.alive else 'is gone'}"
    text += f" ─ init {container.pid}"
    init = next((process for process in processes if process.role is Role.INIT), None)
    if init is not None:
        text += f" {inert(init.comm)}" + (f" (pid {init.nspid[-1]} inside)" if len(init.nspid) > 1 else "")
    below = sum(process.role is Role.DESCENDANT for process in processes)
    return text + (f" ─ {below} below" if below else "")


def runtime_text(container: Container) -> str:
    """The runtime, and what it means where the container has a kernel of its own: ``kata-runtime, a Kata virtual machine``."""
    kinds = {"kata": "a Kata virtual machine", "gvisor": "gVisor, a kernel in user space"}
    parts = (inert(container.runtime or ""), kinds.get(container.sandbox or "", ""))
    return ", ".join(part for part in parts if part)


def joined_text(processes: Sequence[Process]) -> str:
    """The processes that joined from outside, or nothing."""
    return ", ".join(f"{inert(process.comm)} {process.pid}" for process in processes if process.role is Role.JOINED)


def sharing_text(shared: Literal["host"] | tuple[str, ...] | None, name_of: Callable[[str], str]) -> str:
    """Whose a namespace is. *name_of*: inert name of another container, by its id."""
    if shared == "host":
        return "the host's"
    return f"shared with {', '.join(map(name_of, shared))}" if shared else "its own"


def seccomp_text(security: Security) -> str:
    """The mode of seccomp, and how many filters there are when the kernel says so."""
    filters = f" ({security.seccomp_filters})" if security.seccomp_filters else ""
    return f"{security.seccomp}{filters}" if security.seccomp else ""


def capabilities_text(held: Sequence[str]) -> str:
    """Names of capabilities as capsh(1) and engines write them: ``chown net_raw``."""
    return inert(" ".join(name.removeprefix("CAP_").lower() for name in held))


def is_hosts_id_map(lines: Sequence[IdMapLine]) -> bool:
    """Whether every id inside is the same id on the host."""
    return len(lines) == 1 and lines[0].inside == lines[0].outside == 0 and lines[0].count >= _WHOLE_RANGE


def id_map_text(lines: Sequence[IdMapLine] | None) -> str:
    """``0 → 100000 (65536)``, line by line."""
    if lines is None:
        return NOT_PERMITTED
    if is_hosts_id_map(lines):
        return "none: ids inside are the host's"
    return ", ".join(f"{line.inside} → {line.outside} ({line.count})" for line in lines) or NOT_APPLICABLE


def upper_text(overlay: Overlay) -> str:
    """The layer that takes what is written."""
    return inert(overlay.upper or "none: read-only")


def mount_cells(mount: Mount) -> tuple[str, ...]:
    """One mount as the cells of a table."""
    return (
        inert(mount.mount_point),
        inert(mount.fs_type),
        inert(mount.source) + (f" [{inert(mount.root)}]" if mount.root != "/" else ""),
        inert(",".join(mount.options)),
        inert(" ".join(mount.propagation)) or "private",
    )


def cpus_text(limit: float | Literal["max"] | None) -> str:
    """A CPU limit: ``0.5 CPU``."""
    return "max" if limit == "max" else NOT_PERMITTED if limit is None else f"{limit:g} CPU"


def count_text(value: Limit | None) -> str:
    """A number, or a limit on one."""
    return NOT_PERMITTED if value is None else str(value)
