r"""CRI-O: containers and pod sandboxes of a Kubernetes node.

*Source:* containers/storage, whose metadata CRI-O fills (cri-o ``internal/storage/runtime.go``: ``pod-id``, ``pod-name``,
``metadata-name``); ``userdata/config.json`` with the annotations ``io.kubernetes.cri-o.*`` (``internal/annotations``);
``userdata/state.json`` (``internal/oci/container.go``, ContainerState: ``status``, ``initPid``, ``exitCode`` …).
*Versions:* 1.1x to 1.3x. ``initStartTime`` is text and field 22 of proc_pid_stat(5) since 1.19; the number before that was
a time of day and says nothing here. Since 1.19 the infra container is dropped where nobody needs it: such a sandbox has
namespaces and no process, and its status is ``created`` until the file ``stopped`` is below the run root. The default runtime
is crun since 1.31, runc before.
"""

from collections.abc import Mapping
from typing import ClassVar, TypeVar

import msgspec

from ctrscope.engines.conmon import RUNTIMES, cgroup_path, find_exit, find_number, find_oci_state, oci_evidence
from ctrscope.engines.containers_storage import (
    Store,
    StoredContainer,
    find_root_store,
    read_stored_containers,
    read_toml_table,
)
from ctrscope.engines.engine import Survey
from ctrscope.engines.oci_config import OciConfig, read_oci_config
from ctrscope.engines.oci_state import OciState
from ctrscope.engines.podman_json import CniResult, real_time
from ctrscope.engines.state_file import parse_json
from ctrscope.model.container import ContainerStatus, EngineName, EngineReading, EngineStatus, Evidence, Pod, Port, Record
from ctrscope.model.gap import VANISHED, Gap, ParseError, gap_of
from ctrscope.probes.hostfs import HostFs

T = TypeVar("T")

_SUBJECT = "engine cri-o"
_STATE_ROOTS = ("/etc/crio", "/var/lib/crio", "/run/crio")
_PREFIX = "io.kubernetes.cri-o."
_SPOOFED = ("spoofed.crio.io", f"{_PREFIX}Spoofed")  # a sandbox without infra container
_STATUS = {
    "creating": ContainerStatus.CREATING,
    "created": ContainerStatus.CREATED,
    "running": ContainerStatus.RUNNING,
    "paused": ContainerStatus.PAUSED,
    "stopped": ContainerStatus.STOPPED,
}


class _Monitor(msgspec.Struct):
    pid: int = 0


class _State(msgspec.Struct, rename="camel"):
    """``state.json``."""

    status: str = ""
    pid: int = 0
    created: str | None = None
    started: str | None = None
    finished: str | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    init_pid: int = 0
    init_start_time: str | int = ""
    container_monitor_process: _Monitor | None = None


class _PortMapping(msgspec.Struct, rename="pascal"):
    host_port: int = 0
    container_port: int = 0
    protocol: str = "TCP"
    host_ip: str = msgspec.field(name="HostIP", default="")


_state_decoder = msgspec.json.Decoder(_State)
_ports_decoder = msgspec.json.Decoder(list[_PortMapping] | None)
_cni_decoder = msgspec.json.Decoder(CniResult)
_labels_decoder = msgspec.json.Decoder(dict[str, str] | None)


class CriO:
    """CRI-O."""

    name: ClassVar[EngineName] = EngineName.CRI_O

    def read_state(self, survey: Survey) -> EngineReading:
        """Sandboxes and containers of root's store, and of the store that crio.conf names."""
        host = survey.host
        stores, gaps = _find_stores(host)
        records: dict[str, Record] = {}
        for store in stores:
            stored, new_gaps = read_stored_containers(host, store, _SUBJECT)
            gaps.extend(new_gaps)
            reader = _StoreReader(survey, store)
            ours = [entry for entry in stored or () if entry.metadata.pod_id]
            # Sandboxes first: their containers take pod, ports and addresses from them.
            for entry in sorted(ours, key=lambda entry: entry.id != entry.metadata.pod_id):
                record = reader.read(entry)
                if record is not None:
                    records[entry.id] = record
            gaps.extend(reader.gaps)
        roots = tuple(path for path in _STATE_ROOTS if host.exists(path))
        status = EngineStatus(engine=self.name, found=bool(roots or records), state_roots=roots, containers=len(records))
        # Podman reads the same store: what denies it is said once, unless CRI-O is known to be here.
        return EngineReading(status=status, records=tuple(records.values()), gaps=tuple(gaps) if status.found else ())

    def read_supervisors(self, survey: Survey) -> EngineReading | None:
        """Nothing more: the roots of CRI-O's conmon are those of crio.conf."""
        return None


def _find_stores(host: HostFs) -> tuple[list[Store], list[Gap]]:
    root, root_gaps = find_root_store(host, _SUBJECT)
    assert root is not None
    gaps = list(root_gaps)
    settings: dict[str, str] = {}
    try:
        parts = sorted(host.names("/etc/crio/crio.conf.d"))
    except OSError:
        parts = []
    for path in ("/etc/crio/crio.conf", *(f"/etc/crio/crio.conf.d/{name}" for name in parts if not name.startswith("."))):
        try:
            settings |= read_toml_table(host, path, "crio")
        except (OSError, ParseError) as error:
            if not isinstance(error, OSError) or error.errno not in VANISHED:
                gaps.append(gap_of(error, _SUBJECT, ("containers",), path))
    configured = Store(settings.get("root") or root.graphroot, settings.get("runroot") or root.runroot, 0)
    return list(dict.fromkeys((root, configured))), gaps


class _StoreReader:
    """Reads the entries of one store."""

    def __init__(self, survey: Survey, store: Store) -> None:
        self._survey = survey
        self._host = survey.host
        self._store = store
        self._sandboxes: dict[str, Record] = {}
        self.gaps: list[Gap] = []

    def read(self, entry: StoredContainer) -> Record | None:
        """One sandbox or container; None when its config.json says that it is another engine's."""
        metadata, subject = entry.metadata, f"container cri-o/{entry.id}"
        config = self._read_config(entry, subject)
        annotations = (config.annotations if config else None) or {}
        if annotations.get("io.container.manager", "cri-o") != "cri-o":
            return None
        state = self._read_state(entry, subject)
        oci, errors = find_oci_state(self._host, [f"/run/{name}/{entry.id}" for name in RUNTIMES], None)
        self.gaps.extend(gap_of(error, subject, ("pid",), path) for path, error in errors.items())
        labels = self._decode(_labels_decoder, annotations, "Labels", subject, "labels") or {}
        is_sandbox = entry.id == metadata.pod_id
        sandbox = self._sandboxes.get(metadata.pod_id)
        pod = Pod(
            name=labels.get("io.kubernetes.pod.name")
            or annotations.get(f"{_PREFIX}KubeName")
            or _pod_of(sandbox).name
            or metadata.pod_name
            or None,
            namespace=labels.get("io.kubernetes.pod.namespace")
            or annotations.get(f"{_PREFIX}Namespace")
            or metadata.namespace
            or _pod_of(sandbox).namespace,
            uid=labels.get("io.kubernetes.pod.uid") or metadata.uid or _pod_of(sandbox).uid,
            sandbox_id=metadata.pod_id,
        )
        is_spoofed = is_sandbox and any(annotations.get(key) == "true" for key in _SPOOFED)
        status = _status(state, oci, is_spoofed)
        pid, starttime = _init(state, oci)
        exit_code = state.exit_code if status is ContainerStatus.STOPPED else None
        evidence = [
            Evidence(source=entry.source, value=f"name {entry.name}, pod-id {metadata.pod_id}"),
            *([Evidence(source=f"{entry.userdata}/state.json", value=_describe(state))] if state.status else []),
            *oci_evidence(oci),
        ]
        if is_spoofed:
            evidence.append(Evidence(source=f"{entry.userdata}/config.json", value="no infra container, namespaces only"))
            stopped = f"{entry.run_userdata}/stopped"
            if self._host.exists(stopped):
                status = ContainerStatus.STOPPED
                evidence.append(Evidence(source=stopped, value="exists"))
        if status in (ContainerStatus.RUNNING, ContainerStatus.PAUSED) and not (
            pid and self._survey.processes.is_alive(pid, starttime)
        ):
            found = find_exit(self._host, (f"/run/crio/exits/{entry.id}", f"{entry.userdata}/exit"), None)
            if found is not None:
                status, exit_code = ContainerStatus.STOPPED, found[0]
                evidence.append(found[1])
        has_process = status is not ContainerStatus.STOPPED and not is_spoofed
        monitor = state.container_monitor_process.pid if state.container_monitor_process else 0
        record = Record(
            id=entry.id,
            name=(pod.name if is_sandbox else labels.get("io.kubernetes.container.name") or metadata.metadata_name)
            or entry.name
            or entry.id[:12],
            engine=EngineName.CRI_O,
            owner_uid=0,
            runtime=oci.runtime if oci else None,
            created_at=real_time(state.created) or annotations.get(f"{_PREFIX}Created") or entry.created_at,
            started_at=real_time(state.started),
            finished_at=real_time(state.finished),
            exit_code=exit_code,
            oom_killed=state.oom_killed if state.status else None,
            image=annotations.get(f"{_PREFIX}ImageName") or metadata.image_name or None,
            image_id=metadata.image_id or entry.image_id,
            command=config.process.args if config and config.process else None,
            bundle=entry.run_userdata,
            rootfs=annotations.get(f"{_PREFIX}MountPoint") or (config.root.path if config and config.root else None),
            labels=labels,
            annotations=annotations,
            pod=pod,
            is_sandbox=is_sandbox,
            ports=sandbox.ports if sandbox else self._ports(annotations, subject),
            addresses=sandbox.addresses if sandbox else self._addresses(annotations, subject),
            log_path=annotations.get(f"{_PREFIX}LogPath"),
            restart_count=metadata.attempt,
            evidence=tuple(evidence),
            status=status,
            pid=pid if has_process else None,
            starttime_ticks=starttime if has_process else None,
            monitor_pid=(monitor or find_number(self._host, f"{entry.run_userdata}/conmon-pidfile", None))
            if has_process
            else None,
            monitor_expected="conmon" if has_process else None,
            cgroup_path=cgroup_path(oci),
            state_dirs=(oci.path,) if oci else (),
        )
        if is_sandbox:
            self._sandboxes[entry.id] = record
        return record

    def _read_config(self, entry: StoredContainer, subject: str) -> OciConfig | None:
        for bundle in (entry.userdata, entry.run_userdata):
            try:
                return read_oci_config(self._host, bundle)
            except FileNotFoundError:
                continue
            except (OSError, ParseError) as error:
                self.gaps.append(gap_of(error, subject, ("command", "labels", "pod", "ports"), f"{bundle}/config.json"))
                return None
        return None

    def _read_state(self, entry: StoredContainer, subject: str) -> _State:
        path = f"{entry.userdata}/state.json"
        try:
            return parse_json(_state_decoder, self._host.read(path), path)
        except FileNotFoundError:
            return _State()
        except (OSError, ParseError) as error:
            self.gaps.append(gap_of(error, subject, ("status", "started_at", "exit_code"), path))
            return _State()

    def _ports(self, annotations: Mapping[str, str], subject: str) -> tuple[Port, ...]:
        mappings = self._decode(_ports_decoder, annotations, "PortMappings", subject, "ports") or ()
        return tuple(
            Port(
                proto=mapping.protocol.lower(),
                host_ip=mapping.host_ip,
                host_port=mapping.host_port,
                container_ip=None,
                container_port=mapping.container_port,
            )
            for mapping in mappings
            if mapping.host_port  # 0: declared by the pod, not published
        )

    def _addresses(self, annotations: Mapping[str, str], subject: str) -> tuple[str, ...]:
        result = self._decode(_cni_decoder, annotations, "CNIResult", subject, "addresses")
        return result.addresses if result is not None else ()

    def _decode(
        self, decoder: "msgspec.json.Decoder[T]", annotations: Mapping[str, str], name: str, subject: str, field: str
    ) -> T | None:
        """JSON text that an annotation holds, or None."""
        text = annotations.get(_PREFIX + name)
        if not text:
            return None
        try:
            return parse_json(decoder, text.encode(errors="surrogateescape"), name)
        except ParseError as error:
            self.gaps.append(gap_of(error, subject, (field,), f"annotation {_PREFIX}{name}"))
            return None


def _status(state: _State, oci: OciState | None, is_spoofed: bool) -> ContainerStatus:
    if is_spoofed:
        return ContainerStatus.CREATED
    if state.status == "stopped":
        return ContainerStatus.STOPPED
    if oci is not None:
        # state.json follows the runtime with a delay: it says "created" until the first status request.
        return ContainerStatus.CREATED if oci.awaits_start else _STATUS["paused" if state.status == "paused" else "running"]
    return _STATUS.get(state.status, ContainerStatus.CREATED)


def _init(state: _State, oci: OciState | None) -> tuple[int | None, int | None]:
    """PID of init and its start time."""
    if oci is not None and oci.pid is not None:
        return oci.pid, oci.starttime_ticks
    start = state.init_start_time
    return state.init_pid or state.pid or None, int(start) if isinstance(start, str) and start.isdecimal() and len(
        start
    ) < 20 else None


def _describe(state: _State) -> str:
    return f"status {state.status}, initPid {state.init_pid}, initStartTime {state.init_start_time}"


def _pod_of(sandbox: Record | None) -> Pod:
    return (sandbox.pod if sandbox else None) or Pod()
