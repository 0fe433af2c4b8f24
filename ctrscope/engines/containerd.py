"""containerd, every namespace: ``ctr`` and nerdctl containers, Kubernetes pods, and whatever else drives a containerd.

*Source:* containerd core/runtime/v2 (bundle directories), core/runtime/restart (labels), cmd/containerd-shim-runc-v2/process
(init.pid, options.json, where runc's state is); ``containerd_meta``, ``cri`` and ``nerdctl`` for what they say on top.
*Shape:* a running or just ended container has a task: ``STATE/io.containerd.runtime.v2.task/NAMESPACE/ID/`` with the bundle;
every container is in ``ROOT/io.containerd.metadata.v1.bolt/meta.db``. A bundle's link ``work`` leads below that ROOT.
*Versions:* 1.4 to 2.x. Docker's containers (namespace ``moby``) are Docker's when Docker's state has them.
"""

import errno
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from ctrscope.engines.claims import is_full_id
from ctrscope.engines.containerd_bundle import find_runtime_name, read_init_pid, read_runc_root
from ctrscope.engines.containerd_meta import MetaContainer, read_meta_database
from ctrscope.engines.containerd_root import ContainerdRoot, find_roots, find_running_roots
from ctrscope.engines.cri import is_cri, metadata_fields, parse_status, pod_fields
from ctrscope.engines.engine import Survey
from ctrscope.engines.oci_cgroup import find_cgroup_path, parse_cgroups_path
from ctrscope.engines.oci_config import OciConfig, parse_oci_config
from ctrscope.engines.oci_state import OciState, read_oci_state
from ctrscope.engines.state_file import first_of
from ctrscope.model.container import ContainerStatus, EngineName, EngineReading, EngineStatus, Evidence, Record
from ctrscope.model.gap import VANISHED, Gap, ParseError, gap_of
from ctrscope.model.value import Value

_TASKS = "io.containerd.runtime.v2.task"
_META = "io.containerd.metadata.v1.bolt/meta.db"
_CRI = "io.containerd.grpc.v1.cri"
_FROM_META = ("image", "labels", "created_at", "containers")


class Containerd:
    """containerd, rootful and every user's."""

    name: ClassVar[EngineName] = EngineName.CONTAINERD

    def read_state(self, survey: Survey) -> EngineReading:
        """Tasks and database records of the usual and configured places."""
        roots, gaps = find_roots(survey)
        return _read_roots(survey, roots, gaps)

    def read_supervisors(self, survey: Survey) -> EngineReading | None:
        """Tasks and database records of running containerds and shims that nothing else named."""
        roots, gaps = find_running_roots(survey)
        known = {root.state for root in find_roots(survey)[0]} if roots else set()
        unknown = [root for root in roots if root.state not in known]
        return _read_roots(survey, unknown, gaps) if unknown else None


def _read_roots(survey: Survey, roots: Iterable[ContainerdRoot], gaps: list[Gap]) -> EngineReading:
    found: list[str] = []
    records: list[Record] = []
    denied: set[int | None] = set()
    read: set[str] = set()
    for root in roots:
        if root.owner is not None and root.owner in denied:
            continue  # one Gap for each user is enough
        if root.state in read:
            continue  # its tasks said which root is theirs
        reader = _Reader(survey, root, gaps)
        if not reader.read():
            denied.add(root.owner)
        if any(record.bundle for record in reader.records):
            read.add(root.state)
        found.extend(reader.found)
        records.extend(reader.records)
    status = EngineStatus(engine=EngineName.CONTAINERD, found=bool(found), state_roots=tuple(found), containers=len(records))
    return EngineReading(status=status, records=tuple(_with_sandbox_ids(records)), gaps=tuple(gaps))


class _Key(Value, frozen=True):
    namespace: str
    id: str


class _Reader:
    """Reads one containerd."""

    def __init__(self, survey: Survey, root: ContainerdRoot, gaps: list[Gap]) -> None:
        self._survey = survey
        self._host = survey.host
        self._root = root
        self._gaps = gaps
        self._meta: dict[_Key, MetaContainer] = {}
        self._runc_ids: dict[str, frozenset[str]] = {}
        self.found: list[str] = []
        self.records: list[Record] = []

    def read(self) -> bool:
        """Fill ``records`` and ``found``; False when the state directory may not be read."""
        try:
            tasks = self._find_tasks()
        except OSError as error:
            directory = f"{self._root.state}/{_TASKS}"
            self._gaps.append(gap_of(error, "engine containerd", ("containers",), directory))
            # A user's run-time directory that we may not enter says nothing about containerd.
            if self._host.exists(directory):
                self.found.append(self._root.state)
            return False
        if tasks and self._root.owner is None:
            self._root = self._root_of(tasks[0])
        self._meta = self._read_meta(needed=bool(tasks))
        known = set()
        for key in tasks:
            record = self._read_task(key)
            if record is not None:
                self.records.append(record)
                known.add(key)
        self.records += [self._read_taskless(key, meta) for key, meta in self._meta.items() if key not in known]
        return True

    def _find_tasks(self) -> list[_Key]:
        """Tasks that no other engine's record stands for."""
        directory = f"{self._root.state}/{_TASKS}"
        try:
            namespaces = self._host.names(directory)
        except (FileNotFoundError, NotADirectoryError):
            return []
        self.found.append(self._root.state)
        keys: list[_Key] = []
        for namespace in namespaces:
            try:
                names = self._host.names(f"{directory}/{namespace}")
            except OSError as error:
                if error.errno not in VANISHED:
                    source = f"{directory}/{namespace}"
                    self._gaps.append(gap_of(error, "engine containerd", ("containers",), source))
                continue
            names, more = first_of(names, self._root.owner, "engine containerd", f"{directory}/{namespace}")
            self._gaps += more
            keys.extend(key for name in names if not self._is_claimed(key := _Key(namespace, name)))
        return keys

    def _is_claimed(self, key: _Key) -> bool:
        """Whether it is Docker's. A name that is no full id may be used once in every namespace."""
        owner = self._root.owner or 0
        return self._survey.has_state_dir(self._bundle(key), owner) or (
            is_full_id(key.id) and self._survey.has_id(key.id, owner)
        )

    def _root_of(self, key: _Key) -> ContainerdRoot:
        """The containerd whose task that is, with the root directory that its bundle leads to.

        A rootless containerd writes a path of its mount namespace there.
        """
        try:
            root, found, _ = self._host.readlink(f"{self._bundle(key)}/work").partition(f"/{_TASKS}/")
        except OSError:
            return self._root
        is_root = bool(found) and root.startswith("/") and self._host.exists(f"{root}/{_META}")
        return msgspec.structs.replace(self._root, root=root) if is_root else self._root

    @property
    def _meta_path(self) -> str:
        return f"{self._root.root}/{_META}"

    def _bundle(self, key: _Key) -> str:
        return f"{self._root.state}/{_TASKS}/{key.namespace}/{key.id}"

    def _subject(self, key: _Key) -> str:
        return f"container containerd{f'@{self._root.owner}' if self._root.owner else ''}/{key.namespace}/{key.id}"

    def _read_meta(self, *, needed: bool) -> dict[_Key, MetaContainer]:
        """What the database has of the containers that no other engine's record stands for."""
        if self._root.root is None:
            return {}
        try:
            found = read_meta_database(
                self._host, self._meta_path, lambda namespace, id_: not self._is_claimed(_Key(namespace, id_)), self._root.owner
            )
        except (OSError, ParseError) as error:
            # Without tasks there may just be no containerd; with them there has to be a database.
            if needed or not (isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENOTDIR)):
                self._gaps.append(gap_of(error, "engine containerd", _FROM_META, self._meta_path))
            return {}
        if self._root.state not in self.found:
            self.found.append(self._root.root)
        metas = {_Key(*names): meta for names, meta in found.items()}
        for key, meta in metas.items():
            if meta.error is not None:
                self._gap(meta.error, self._subject(key), ("image", "labels", "created_at"), self._meta_path)
        return metas

    def _read_task(self, key: _Key) -> Record | None:
        """A container with a task; None when the task was deleted meanwhile."""
        bundle = self._bundle(key)
        subject = self._subject(key)
        source = f"{bundle}/config.json"
        spec = None
        try:
            spec = parse_oci_config(self._host.read(source, owner=self._root.owner), source)
        except (OSError, ParseError) as error:
            self._gap(error, subject, ("command", "annotations"), source)
        state = self._read_runtime_state(key, bundle)
        pid = self._read_init_pid(bundle, subject) if state is None else state.pid
        if spec is None and state is None and pid is None:
            return None
        status = ContainerStatus.STOPPED if pid is None else ContainerStatus.RUNNING
        fields: dict[str, Any] = {"status": status, "pid": pid, "bundle": bundle, "state_dirs": (bundle,)}
        evidence = Evidence(source=f"{bundle}/init.pid", value=f"pid {pid}")
        fields |= self._described(key, spec, self._meta.get(key))
        if state is not None:
            fields |= _state_fields(state, fields)
            fields["state_dirs"] = (state.path, bundle)
            evidence = _state_evidence(state)
        if "runtime" not in fields:
            fields["runtime"] = find_runtime_name(self._host, bundle, self._root.owner)
        if fields["pid"] is None and (runtime := fields["runtime"]) is not None and "kata" in runtime:
            fields |= self._read_kata(key, fields)
        return self._record(key, fields, (evidence,))

    def _read_kata(self, key: _Key, fields: dict[str, Any]) -> dict[str, Any]:
        """A task of Kata's shim, which writes no init.pid: its process is the hypervisor of its sandbox."""
        from ctrscope.engines.kata import kata_state_file, read_hypervisor_pid  # few hosts have any

        sandbox_id = (fields["pod"].sandbox_id if fields.get("pod") is not None else None) or key.id
        try:
            pid = read_hypervisor_pid(self._host, sandbox_id)
        except (OSError, ParseError) as error:
            self._gaps.append(gap_of(error, self._subject(key), ("pid",), kata_state_file(sandbox_id)))
            return {}
        # There is a task, and only the guest knows whether its process runs.
        return {"pid": pid, "status": ContainerStatus.RUNNING}

    def _read_taskless(self, key: _Key, meta: MetaContainer) -> Record:
        """A container that only the database has."""
        spec = None
        if meta.spec:
            try:
                spec = parse_oci_config(meta.spec, self._meta_path)
            except ParseError as error:
                self._gap(error, self._subject(key), ("command", "annotations"), self._meta_path)
        # containerd does not record whether a container without a task ever had one; nerdctl calls it created as well.
        fields: dict[str, Any] = {"status": ContainerStatus.CREATED} | self._described(key, spec, meta)
        fields["rootfs"] = None  # it is below the bundle, which there is none of
        if "io.cri-containerd.container.metadata" in meta.extensions:
            fields |= self._read_cri_status(key)
        elif fields.get("is_sandbox"):
            # It is made and started in one request: without a task, CRI calls it not ready.
            fields["status"] = ContainerStatus.STOPPED
        evidence: tuple[Evidence, ...] = (Evidence(source=self._meta_path, value=f"{key.namespace}/{key.id}, no task"),)
        # The bundle may have been deleted under a container that lives on.
        state = self._read_runtime_state(key, None)
        if state is not None:
            fields |= _state_fields(state, fields)
            evidence += (_state_evidence(state),)
        return self._record(key, fields, evidence)

    def _read_cri_status(self, key: _Key) -> dict[str, Any]:
        source = f"{self._root.root}/{_CRI}/containers/{key.id}/status"
        try:
            return parse_status(self._host.read(source, owner=self._root.owner), source)
        except (OSError, ParseError) as error:
            self._gap(error, self._subject(key), ("exit_code", "started_at", "finished_at"), source)
            return {}

    def _described(self, key: _Key, spec: OciConfig | None, meta: MetaContainer | None) -> dict[str, Any]:
        """Fields of a Record that the bundle's configuration and the database hold."""
        annotations = dict(spec.annotations or {}) if spec is not None else {}
        labels = dict(meta.labels) if meta is not None else {}
        described = labels | annotations
        fields: dict[str, Any] = {"annotations": annotations, "labels": labels}
        fields["group"] = described.get("com.docker.compose.project")
        if spec is not None:
            fields["command"] = spec.process.args if spec.process is not None else None
            if spec.root is not None and spec.root.path:
                path = spec.root.path
                fields["rootfs"] = path if path.startswith("/") else f"{self._bundle(key)}/{path}"
            if spec.linux is not None and spec.linux.cgroups_path:
                fields["cgroup_path"] = parse_cgroups_path(spec.linux.cgroups_path)
        if meta is not None:
            fields |= {"image": meta.image, "created_at": meta.created_at, "runtime": meta.runtime}
            # containerd's restart monitor counts there, which is what nerdctl's --restart asks for.
            if (count := labels.get("containerd.io/restart.count", "")).isdecimal() and len(count) < 10:
                fields["restart_count"] = int(count)
        try:
            if any(name.startswith("nerdctl/") for name in described):
                fields |= self._read_nerdctl(key, described)
            if is_cri(described):
                fields |= pod_fields(described)
                if meta is not None:
                    fields |= metadata_fields(meta.extensions, self._meta_path)
        except ParseError as error:
            self._gap(error, self._subject(key), ("ports", "networks", "log_path"), self._meta_path)
        return fields

    def _read_nerdctl(self, key: _Key, described: Mapping[str, str]) -> dict[str, Any]:
        """Fields of a Record that nerdctl noted. Errors: ParseError."""
        from ctrscope.engines.nerdctl import nerdctl_fields, network_config_file, read_ports  # only where it was used

        fields = nerdctl_fields(described, key.id)
        if "log_path" in fields and not self._host.exists(fields["log_path"]):
            del fields["log_path"]  # another log driver
        path = network_config_file(described)
        try:
            ports = read_ports(self._host, path, self._root.owner) if path is not None else ()
        except (OSError, ParseError) as error:
            self._gap(error, self._subject(key), ("ports",), str(path))
            ports = ()
        return fields | {"ports": ports} if ports else fields

    def _read_runtime_state(self, key: _Key, bundle: str | None) -> OciState | None:
        """The OCI runtime's state: at the shim's usual place, or where the bundle's ``options.json`` says."""
        usual = f"{self._root.runc_root}/{key.namespace}"
        if key.namespace not in self._runc_ids:
            try:
                self._runc_ids[key.namespace] = frozenset(self._host.names(usual))
            except OSError:
                self._runc_ids[key.namespace] = frozenset()
        try:
            if key.id in self._runc_ids[key.namespace]:
                return read_oci_state(self._host, f"{usual}/{key.id}", owner=self._root.owner)
            if bundle is None:
                return None
            root = read_runc_root(self._host, bundle, self._root.owner)
            if root is not None:
                return read_oci_state(self._host, f"{root}/{key.namespace}/{key.id}", owner=self._root.owner)
        except (OSError, ParseError) as error:
            self._gap(error, self._subject(key), ("starttime_ticks",), f"{usual}/{key.id}")
        return None

    def _read_init_pid(self, bundle: str, subject: str) -> int | None:
        try:
            return read_init_pid(self._host, bundle, self._root.owner)
        except (OSError, ParseError) as error:
            self._gap(error, subject, ("pid",), f"{bundle}/init.pid")
            return None

    def _record(self, key: _Key, fields: dict[str, Any], evidence: tuple[Evidence, ...]) -> Record:
        return Record(
            id=key.id,
            engine=EngineName.CONTAINERD,
            engine_namespace=key.namespace,
            owner_uid=self._root.owner or 0,
            monitor_expected="containerd-shim",
            evidence=evidence,
            **({"name": key.id} | fields),
        )

    def _gap(self, error: OSError | ParseError, subject: str, fields: tuple[str, ...], source: str) -> None:
        if not isinstance(error, OSError) or error.errno not in VANISHED:
            self._gaps.append(gap_of(error, subject, fields, source))


def _state_fields(state: OciState, fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a Record that the OCI runtime's state holds; *fields* are those known otherwise."""
    return {
        "status": ContainerStatus.CREATED if state.awaits_start else ContainerStatus.RUNNING,
        "pid": state.pid,
        "starttime_ticks": state.starttime_ticks,
        "state_dirs": (state.path,),
        "rootfs": state.rootfs or fields.get("rootfs"),
        "cgroup_path": find_cgroup_path(state.cgroup_paths) or fields.get("cgroup_path"),
        "created_at": fields.get("created_at") or state.created_at,
    }


def _state_evidence(state: OciState) -> Evidence:
    return Evidence(source=state.source, value=f"pid {state.pid}, start time {state.starttime_ticks}")


def _with_sandbox_ids(records: list[Record]) -> list[Record]:
    """Give the containers of a pod its sandbox's id, where only the pod's uid joins them."""
    sandboxes = {record.pod.uid: record.id for record in records if record.is_sandbox and record.pod and record.pod.uid}
    joined = []
    for record in records:
        pod = record.pod
        if pod is not None and pod.sandbox_id is None and pod.uid in sandboxes:
            record = msgspec.structs.replace(record, pod=msgspec.structs.replace(pod, sandbox_id=sandboxes[pod.uid]))
        joined.append(record)
    return joined
