"""What conmon and the OCI runtime below it leave on disk, for Podman and CRI-O alike.

*Source:* conmon(8): ``--exit-dir DIR`` (``DIR/ID`` holds the exit code), ``--persist-dir DIR`` (``DIR/exit``), ``-P``
(its own PID), ``--exit-command-arg`` (what it runs when the container is over).
*Versions:* ``--persist-dir`` since conmon 2.0.20, used by Podman since 4.7.
"""

from collections.abc import Iterable
from itertools import pairwise

from ctrscope.engines.oci_cgroup import find_cgroup_path
from ctrscope.engines.oci_state import OciState, read_oci_state
from ctrscope.model.container import Evidence
from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs

#: Their state roots, below /run or XDG_RUNTIME_DIR.
RUNTIMES = ("crun", "runc", "youki", "ctrscope/containers")


def find_oci_state(
    host: HostFs, directories: Iterable[str], owner: int | None
) -> tuple[OciState | None, dict[str, OSError | ParseError]]:
    """The first of these state directories (``/run/crun/ID``) that describes a container, and what the others raised."""
    errors: dict[str, OSError | ParseError] = {}
    for directory in directories:
        try:
            state = read_oci_state(host, directory, owner=owner)
        except (OSError, ParseError) as error:
            errors[directory] = error
            continue
        if state is not None:
            return state, errors
    return None, errors


def find_exit(host: HostFs, paths: Iterable[str], owner: int | None) -> tuple[int, Evidence] | None:
    """The exit code that conmon wrote to the first of these files that holds one."""
    for path in paths:
        code = find_number(host, path, owner)
        if code is not None:
            return code, Evidence(source=path, value=str(code))
    return None


def find_number(host: HostFs, path: str, owner: int | None) -> int | None:
    """The number that a file holds (a PID, an exit code), or None."""
    try:
        return int(host.read(path, limit=64, owner=owner))
    except (OSError, ValueError):
        return None


def cgroup_path(oci: OciState | None) -> str | None:
    """Path of the container's cgroup below the hierarchy."""
    path = find_cgroup_path(oci.cgroup_paths) if oci else None
    # crun puts the processes one level below the cgroup that it was told; the engines name the latter.
    return path.removesuffix("/container") if path and oci and oci.runtime == "crun" else path


def oci_evidence(oci: OciState | None) -> tuple[Evidence, ...]:
    """What the runtime's state says of init."""
    return (Evidence(source=oci.source, value=f"pid {oci.pid}, start time {oci.starttime_ticks}"),) if oci else ()


def parse_exit_command_roots(arguments: tuple[str, ...]) -> tuple[str, str] | None:
    """Graph root and run root that conmon hands to ``podman container cleanup``; None when it hands none."""
    handed = [value for name, value in pairwise(arguments) if name == "--exit-command-arg"]
    options = dict(pairwise(handed))
    graphroot, runroot = options.get("--root", ""), options.get("--runroot", "")
    return (graphroot, runroot) if graphroot.startswith("/") and runroot.startswith("/") else None
