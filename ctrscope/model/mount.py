"""Mounts as proc_pid_mountinfo(5) lists them: a part of ``Detail`` that ``ns`` needs without the rest of it."""

from ctrscope.model.value import Value


class Mount(Value, frozen=True, kw_only=True):
    """One line of proc_pid_mountinfo(5), octal escapes undone."""

    mount_id: int
    parent_id: int
    device: str  # "major:minor"
    root: str  # path inside the file system that is the root of this mount
    mount_point: str  # as seen from the process's root
    options: tuple[str, ...]
    propagation: tuple[str, ...]  # "shared:12", "master:3", "unbindable"
    fs_type: str
    source: str
    super_options: tuple[str, ...]
    host_path: str | None = None  # of a part of the host's files: the host's own name of it; None: it is no such part


class Overlay(Value, frozen=True, kw_only=True):
    """Layers of an overlay root, from the super options of the mount at /."""

    lower: tuple[str, ...]
    upper: str | None
    work: str | None
