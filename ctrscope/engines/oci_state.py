"""State directories of the OCI runtimes: ``state.json`` of runc, ``status`` of crun.

*Source:* runc libcontainer ``state.json`` (keys ``init_process_pid``, ``init_process_start``, ``cgroup_paths``,
``config``), crun ``status`` (keys ``pid``, ``process-start-time``, ``cgroup-path``, ``bundle``, ``owner``).
*Shape:* both start times are clock ticks after boot, field 22 of proc_pid_stat(5): with the PID they name one process.
*Versions:* ``init_process_start`` was a string before runc 1.0 (2017); crun left ``process-start-time`` out at first.
"""

from collections.abc import Mapping

import msgspec

from ctrscope.model.gap import ParseError
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs


class OciState(Value, frozen=True, kw_only=True):
    """One container as its OCI runtime recorded it."""

    path: str  # the state directory
    runtime: str  # "runc", "crun"
    id: str
    pid: int | None
    starttime_ticks: int | None
    created_at: str | None  # RFC 3339
    bundle: str | None
    rootfs: str | None
    cgroup_paths: Mapping[str, str]  # runc: controller → path below the mount of cgroupfs; crun: {"": path}
    annotations: Mapping[str, str]
    awaits_start: bool  # exec.fifo is there: created, not started
    source: str  # the file this was read from


class _RuncConfig(msgspec.Struct):
    rootfs: str = ""
    labels: list[str] = []


class _RuncState(msgspec.Struct):
    id: str
    init_process_pid: int = 0
    init_process_start: int | str = 0
    created: str | None = None
    cgroup_paths: dict[str, str] | None = None
    config: _RuncConfig = msgspec.field(default_factory=_RuncConfig)


class _CrunState(msgspec.Struct, rename="kebab"):
    pid: int = 0
    process_start_time: int = 0
    cgroup_path: str = ""
    rootfs: str = ""
    bundle: str = ""
    created: str | None = None


_runc_decoder = msgspec.json.Decoder(_RuncState)
_crun_decoder = msgspec.json.Decoder(_CrunState)


def read_oci_state(host: HostFs, directory: str, *, owner: int | None = None) -> OciState | None:
    """The container that a runtime's state directory (``/run/runc/ID``) describes; None when it describes none.

    Errors: OSError as from ``HostFs.read``, except that the directory went away (None); ParseError.
    """
    for parse, name in ((parse_runc_state, "state.json"), (parse_crun_status, "status")):
        source = f"{directory}/{name}"
        try:
            text = host.read(source, owner=owner)
        except (FileNotFoundError, NotADirectoryError):
            continue
        return parse(text, directory, source, awaits_start=host.exists(f"{directory}/exec.fifo"))
    return None


def parse_runc_state(text: bytes, directory: str, source: str, *, awaits_start: bool) -> OciState:
    """Parse runc's ``state.json``."""
    try:
        state = _runc_decoder.decode(text)
        start = int(state.init_process_start)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ParseError(f"{source}: {error}") from error
    annotations = dict(label.split("=", 1) for label in state.config.labels if "=" in label)
    return OciState(
        path=directory,
        runtime="runc",
        id=state.id,
        pid=state.init_process_pid or None,
        starttime_ticks=start or None,
        created_at=state.created,
        bundle=annotations.pop("bundle", None),
        rootfs=state.config.rootfs or None,
        cgroup_paths=state.cgroup_paths or {},
        annotations=annotations,
        awaits_start=awaits_start,
        source=source,
    )


def parse_crun_status(text: bytes, directory: str, source: str, *, awaits_start: bool) -> OciState:
    """Parse crun's ``status``."""
    try:
        state = _crun_decoder.decode(text)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ParseError(f"{source}: {error}") from error
    rootfs = state.rootfs or None
    if rootfs is not None and state.bundle and not rootfs.startswith("/"):
        rootfs = f"{state.bundle}/{rootfs}"
    return OciState(
        path=directory,
        runtime="crun",
        id=directory.rpartition("/")[2],
        pid=state.pid or None,
        starttime_ticks=state.process_start_time or None,
        created_at=state.created,
        bundle=state.bundle or None,
        rootfs=rootfs,
        cgroup_paths={"": state.cgroup_path} if state.cgroup_path else {},
        annotations={},
        awaits_start=awaits_start,
        source=source,
    )
