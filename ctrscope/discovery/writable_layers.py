"""Which directory holds what a container changed: its overlay's upper one, as the kernel says while it is mounted.

*Source:* proc_pid_mountinfo(5), whose super options of an overlay name its layers; of fuse-overlayfs, and of what is not
mounted, only the engine's store knows (``kept_layers``).
"""

import os

from ctrscope.discovery.confinement import find_overlay
from ctrscope.engines.kept_layers import find_kept_layer
from ctrscope.model.container import Container, EngineName
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reading, Reason, gap_of
from ctrscope.model.mount import Mount
from ctrscope.model.storage import Mounted, WritableLayer
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import find_unanswering, parse_mountinfo, read_mountinfo

_FUSE = "fuse.fuse-overlayfs"
#: Engines whose store is looked into where the kernel does not say it.
_KEEPING = frozenset({EngineName.DOCKER, EngineName.PODMAN, EngineName.CRI_O, EngineName.CONTAINERD})


def find_writable_layer(host: HostFs, container: Container) -> Reading[WritableLayer]:
    """The writable layer of a container. Gaps: it has none, or why it cannot be found.

    *Cost:* one mountinfo, of which one line is parsed; of a container that is not mounted some files of its engine.
    """
    if container.sandbox is not None:
        return _gap(container, "", Reason.UNSUPPORTED, f"its root is the guest's: {container.sandbox} shows it to nobody else")
    source = f"/proc/{container.pid if container.pid is not None else 1}/mountinfo"
    point = "/" if container.pid is not None else container.rootfs
    try:
        root = _mount_on(host.read(source), point) if point is not None else None
    except (OSError, ParseError) as error:
        if container.pid is not None and isinstance(error, OSError) and error.errno in VANISHED:
            return Reading(None)
        return Reading(None, (gap_of(error, _subject(container), ("layer",), source, "CAP_SYS_PTRACE"),))
    if root is not None and root.fs_type == "overlay":
        return _mounted(host, container, root, source)
    if container.engine in _KEEPING and (root is None or root.fs_type == _FUSE):
        found, gaps = find_kept_layer(host, container)
        marks: Mounted = "fuse" if found is not None and found.is_fuse else "user" if container.owner_uid else "kernel"
        return Reading(None if found is None else _layer(container, found.upper, found.lower, marks, found.source), gaps)
    if root is None:
        return _gap(container, source, Reason.UNAVAILABLE, "it is not mounted, and no store of an engine has it")
    kind = f"its root is {root.fs_type}, no overlay"
    return _gap(container, source, Reason.UNSUPPORTED, f"{kind}: what it was made from is not kept beside what it changed")


def _mounted(host: HostFs, container: Container, root: Mount, source: str) -> Reading[WritableLayer]:
    overlay = find_overlay(host, (_at_root(root),))
    if overlay is None or overlay.upper is None:
        return _gap(
            container, source, Reason.UNSUPPORTED, "its root is an overlay without an upper directory: nothing can change"
        )
    if _is_hosts(host, container, root):
        return _gap(container, source, Reason.UNSUPPORTED, "its root is the host's own")
    inside = _outer_root(container)
    if inside is not None and (why := _why_not_inside(host, inside)):
        return _gap(container, inside, Reason.NOT_COLLECTED, why)
    upper, *lower = (f"{inside or ''}{path}" for path in (overlay.upper, *overlay.lower))
    marks: Mounted = "user" if "userxattr" in root.super_options else "kernel"
    return Reading(_layer(container, upper, tuple(lower), marks, source))


def _layer(container: Container, upper: str, lower: tuple[str, ...], marks: Mounted, source: str) -> WritableLayer:
    return WritableLayer(
        engine=container.engine,
        engine_namespace=container.engine_namespace,
        owner_uid=container.owner_uid or 0,
        store=os.path.dirname(upper),
        source=source,
        created_at=container.created_at,
        containers=(container.key,),
        container=container.key,
        name=container.name,
        upper=upper,
        lower=lower,
        marks=marks,
    )


def _mount_on(text: bytes, point: str) -> Mount | None:
    """The mount on top of a place: of a hundred lines one is parsed."""
    escaped = point.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")
    wanted, found = os.fsencode(escaped), b""
    for line in text.split(b"\n"):
        words = line.split(b" ", 5)
        if len(words) == 6 and words[4] == wanted:
            found = line
    return next(iter(parse_mountinfo(found)), None)


def _at_root(mount: Mount) -> Mount:
    """Of a container that does not run, its root is mounted elsewhere."""
    from msgspec.structs import replace

    return replace(mount, mount_point="/")


def _is_hosts(host: HostFs, container: Container, root: Mount) -> bool:
    """Whether the root is that of the host, which may be an overlay itself: then it is no container's layer."""
    if container.pid is None:
        return False
    try:
        found = _mount_on(host.read("/proc/1/mountinfo"), "/")
    except (OSError, ParseError):
        return False
    return found is not None and found.device == root.device


def _outer_root(container: Container) -> str | None:
    """``/proc/PID/root`` of the container that it runs in: what its mounts name is in there."""
    if container.outer is None:
        return None
    parts = (container.rootfs or container.bundle or "").split("/", 4)
    return "/".join(parts[:4]) if len(parts) > 3 and parts[1] == "proc" and parts[3] == "root" else ""


def _why_not_inside(host: HostFs, inside: str) -> str:
    """Why files in an outer container are left alone; "" when they need not be."""
    if not inside:
        return "it runs in another container, and nothing says where that one's root is"
    try:
        served = find_unanswering(host, read_mountinfo(host, int(inside.split("/")[2])), "/")
    except (OSError, ParseError, ValueError):
        return "the mounts of the container that it runs in are not known"
    return f"the container that it runs in has a FUSE file system at {served}: looking might never end" if served else ""


def _subject(container: Container) -> str:
    return f"container {container.key}"


def _gap(container: Container, source: str, reason: Reason, detail: str) -> Reading[WritableLayer]:
    return Reading(None, (Gap(subject=_subject(container), fields=("layer",), source=source, reason=reason, detail=detail),))
