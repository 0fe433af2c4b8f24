"""State directories of the OCI runtimes: ``state.json`` of runc, youki and our own launcher, ``status`` of crun.

*Source:* runc libcontainer ``state.json`` (keys ``init_process_pid``, ``init_process_start``, ``cgroup_paths``,
``config``), crun ``status`` (keys ``pid``, ``process-start-time``, ``cgroup-path``, ``bundle``, ``created``), youki
``state.json`` (the OCI runtime specification's state: ``pid``, ``status``, ``bundle``, ``annotations``; and ``created``);
``oci/state.py``.
*Shape:* the start times are clock ticks after boot, field 22 of proc_pid_stat(5): with the PID they name one process.
youki records none. Whether a container was started, runc, crun and the launcher tell by ``exec.fifo``, which there until then.
*Versions:* ``init_process_start`` was a string before runc 1.0 (2017); crun left ``process-start-time`` out at first.
*Cost:* eight system calls a container, seven of them for the one file. Looking for ``exec.fifo`` is one, listing the
directory would be five.
"""

from collections.abc import Mapping

import msgspec

from ctrscope.engines.state_file import check_path
from ctrscope.model.gap import ParseError
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs


class OciState(Value, frozen=True, kw_only=True):
    """One container as its OCI runtime recorded it."""

    path: str  # the state directory
    runtime: str  # "runc", "crun", "youki", "ctrscope-oci"
    id: str  # name of the state directory: what the runtime finds it by
    pid: int | None
    starttime_ticks: int | None
    created_at: str | None  # RFC 3339
    bundle: str | None
    rootfs: str | None
    cgroup_paths: Mapping[str, str]  # runc: controller → path with the mount of cgroupfs before it; crun: {"": path}
    annotations: Mapping[str, str]
    awaits_start: bool  # created, not started
    source: str  # the file this was read from
    has_stopped: bool = False  # youki and the launcher write its end down, the others do not


class _RuncConfig(msgspec.Struct, gc=False):
    rootfs: str = ""
    labels: list[str] | None = None


class _RuncState(msgspec.Struct, gc=False):
    id: str
    init_process_pid: int = 0
    init_process_start: int | str = 0
    created: str | None = None
    cgroup_paths: dict[str, str] | None = None
    config: _RuncConfig | None = None  # youki's state.json has none


class _YoukiState(msgspec.Struct):
    id: str
    status: str = ""
    pid: int | None = None
    bundle: str = ""
    annotations: dict[str, str] | None = None
    created: str | None = None


class _CrunState(msgspec.Struct, rename="kebab", gc=False):
    pid: int
    process_start_time: int = 0
    cgroup_path: str = ""
    rootfs: str = ""
    bundle: str = ""
    created: str | None = None


_runc_decoder = msgspec.json.Decoder(_RuncState)
_youki_decoder = msgspec.json.Decoder(_YoukiState)
_crun_decoder = msgspec.json.Decoder(_CrunState)
#: What the decoders raise; RecursionError for "[[[[…" in a key that is skipped.
_MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError)


def read_oci_state(host: HostFs, directory: str, *, owner: int | None = None) -> OciState | None:
    """The container that a runtime's state directory (``/run/runc/ID``) describes; None when it describes none.

    Errors: OSError as from ``HostFs.read``, except that the directory went away (None); ParseError.
    """
    names = ("status", "state.json") if directory.rpartition("/")[0].endswith("crun") else ("state.json", "status")
    for name in names:
        source = f"{directory}/{name}"
        try:
            text = host.read(source, owner=owner)
        except (FileNotFoundError, NotADirectoryError):
            continue
        parse = parse_crun_status if name == "status" else parse_runc_state
        state = parse(text, directory, source, awaits_start=host.exists(f"{directory}/exec.fifo"))
        if state.bundle is not None:
            check_path(state.bundle, source)
        return state
    return None


def parse_runc_state(text: bytes, directory: str, source: str, *, awaits_start: bool) -> OciState:
    """Parse runc's ``state.json``, or youki's, or the launcher's."""
    try:
        state = _runc_decoder.decode(text)
        if state.config is None:
            return _other_state(text, directory, source, awaits_start=awaits_start)
        start = int(state.init_process_start)
    except _MALFORMED as error:
        raise ParseError(f"{source}: {error}") from error
    annotations = dict(label.split("=", 1) for label in state.config.labels or () if "=" in label)
    return OciState(
        path=directory,
        runtime="runc",
        id=directory.rpartition("/")[2],
        pid=_positive(state.init_process_pid),
        starttime_ticks=_positive(start),
        created_at=state.created,
        bundle=annotations.pop("bundle", None),
        rootfs=state.config.rootfs or None,
        cgroup_paths=state.cgroup_paths or {},
        annotations=annotations,
        awaits_start=awaits_start,
        source=source,
    )


def _other_state(text: bytes, directory: str, source: str, *, awaits_start: bool) -> OciState:
    state = _youki_decoder.decode(text)
    if not state.status:
        return _launcher_state(text, directory, source, awaits_start=awaits_start)
    return OciState(
        path=directory,
        runtime="youki",
        id=directory.rpartition("/")[2],
        pid=_positive(state.pid or 0),
        starttime_ticks=None,
        created_at=state.created,
        bundle=state.bundle or None,
        rootfs=None,
        cgroup_paths={},
        annotations=state.annotations or {},
        awaits_start=state.status in ("creating", "created"),
        source=source,
        has_stopped=state.status == "stopped",
    )


def _launcher_state(text: bytes, directory: str, source: str, *, awaits_start: bool) -> OciState:
    from ctrscope.engines.launcher_state import launcher_state_decoder  # few engines drive it

    state = launcher_state_decoder.decode(text)
    return OciState(
        path=directory,
        runtime="ctrscope-oci",
        id=directory.rpartition("/")[2],
        pid=_positive(state.pid or 0),
        starttime_ticks=_positive(state.starttime_ticks or 0),
        created_at=state.created,
        bundle=state.bundle or None,
        rootfs=state.rootfs or None,
        cgroup_paths=state.cgroups.directories if state.cgroups else {},
        annotations=state.annotations,
        awaits_start=awaits_start,
        source=source,
        has_stopped=state.pid is None or state.finished is not None,
    )


def parse_crun_status(text: bytes, directory: str, source: str, *, awaits_start: bool) -> OciState:
    """Parse crun's ``status``."""
    try:
        state = _crun_decoder.decode(text)
    except _MALFORMED as error:
        raise ParseError(f"{source}: {error}") from error
    rootfs = state.rootfs or None
    if rootfs is not None and state.bundle and not rootfs.startswith("/"):
        rootfs = f"{state.bundle}/{rootfs}"
    return OciState(
        path=directory,
        runtime="crun",
        id=directory.rpartition("/")[2],
        pid=_positive(state.pid),
        starttime_ticks=_positive(state.process_start_time),
        created_at=state.created,
        bundle=state.bundle or None,
        rootfs=rootfs,
        cgroup_paths={"": state.cgroup_path} if state.cgroup_path else {},
        annotations={},
        awaits_start=awaits_start,
        source=source,
    )


def _positive(number: int) -> int | None:
    return number if number > 0 else None
