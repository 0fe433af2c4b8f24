"""The cgroup of a container as OCI runtimes and bundles write it, as a path below the hierarchy.

*Source:* runc ``state.json`` key ``cgroup_paths``; OCI runtime specification, config-linux.md ``cgroupsPath``;
runc and crun systemd drivers for ``SLICE:PREFIX:NAME``.
"""

from collections.abc import Mapping

_MOUNT = "/sys/fs/cgroup"


def find_cgroup_path(cgroup_paths: Mapping[str, str]) -> str | None:
    """Path below the hierarchy of the paths that a runtime recorded by controller; None when it recorded none.

    Shape: v2 ``{"": "/sys/fs/cgroup/system.slice/x.scope"}``; v1 and hybrid have one directory more per controller.
    crun records the path itself.
    """
    if not cgroup_paths:
        return None
    if tuple(cgroup_paths) == ("",):
        return cgroup_paths[""].removeprefix(_MOUNT) or "/"
    # On v1 a runtime may leave a controller that it does not manage where it was.
    controller = next((name for name in ("memory", "pids", "cpu", "devices") if name in cgroup_paths), next(iter(cgroup_paths)))
    path = cgroup_paths[controller]
    if not path.startswith(_MOUNT + "/"):
        return path or None
    return "/" + path[len(_MOUNT) + 1 :].partition("/")[2]


def parse_cgroups_path(text: str) -> str | None:
    """Path below the hierarchy of a bundle's ``cgroupsPath``; None for a relative one, which starts at its caller's cgroup."""
    parts = text.split(":")
    if len(parts) == 3 and not text.startswith("/"):
        parent, prefix, name = parts
        unit = name if name.endswith(".slice") else f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
        return f"{expand_slice(parent or 'system.slice')}/{unit}"
    return text if text.startswith("/") else None


def expand_slice(name: str) -> str:
    """Directory of a slice, systemd.slice(5): ``a-b.slice`` → ``/a.slice/a-b.slice``."""
    if not name.endswith(".slice") or name == "-.slice":
        return ""
    parts = name.removesuffix(".slice").split("-")
    return "".join(f"/{'-'.join(parts[: depth + 1])}.slice" for depth in range(len(parts)))
