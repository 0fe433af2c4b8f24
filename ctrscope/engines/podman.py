"""Podman: root's containers and those of every user, with their pods.

*Source:* containers/storage for which containers there are (``containers_storage.py``), libpod's database for the rest
(``podman_database.py``), the OCI runtime's state for the process and its start time, ``TMPDIR/exits/ID`` for the exit
code of a container that nobody cleaned up after, conmon(8).
*Versions:* 3 to 6. Without a database that can be read, names, images, processes and commands are still known.
"""

from typing import ClassVar

from ctrscope.engines.conmon import (
    RUNTIMES,
    cgroup_path,
    find_exit,
    find_number,
    find_oci_state,
    oci_evidence,
    parse_exit_command_roots,
)
from ctrscope.engines.containers_storage import Store, StoredContainer, find_stores, read_stored_containers
from ctrscope.engines.engine import Survey
from ctrscope.engines.health import parse_health
from ctrscope.engines.oci_config import OciConfig, read_oci_config
from ctrscope.engines.oci_state import OciState
from ctrscope.engines.podman_database import FIELDS, PodmanContainer, PodmanDatabase, default_tmpdir, read_database
from ctrscope.engines.podman_json import STATUS, real_time
from ctrscope.model.container import ContainerStatus, EngineName, EngineReading, EngineStatus, Evidence, Pod, Port, Record
from ctrscope.model.gap import Gap, ParseError, Reason, gap_of

_SUBJECT = "engine podman"
_LIVE = (ContainerStatus.RUNNING, ContainerStatus.PAUSED)
_COMPOSE_PROJECT = ("io.podman.compose.project", "com.docker.compose.project")
_MANAGER = "io.container.manager"


class Podman:
    """Podman, rootful and rootless."""

    name: ClassVar[EngineName] = EngineName.PODMAN

    def read_state(self, survey: Survey) -> EngineReading:
        """Containers of root's store and of each user's."""
        stores, gaps = find_stores(survey, _SUBJECT)
        return _merge([_StoreReader(survey, store).read() for store in stores or ()], gaps)

    def read_supervisors(self, survey: Survey) -> EngineReading | None:
        """Containers of stores at other places (``podman --root``), which the exit command of a conmon names."""
        known = {store.graphroot for store in find_stores(survey, _SUBJECT).value or ()}
        monitors = survey.known_supervisors()
        stores: dict[Store, None] = {}
        for stat in survey.processes.named(survey.supervisors, "conmon"):
            if stat.pid in monitors:
                continue
            roots = parse_exit_command_roots(survey.processes.cmdline(stat.pid) or ())
            if roots is not None and roots[0] not in known and (uid := survey.uid(stat.pid)) is not None:
                stores[Store(*roots, uid)] = None
        return _merge([_StoreReader(survey, store).read() for store in stores], ()) if stores else None


def _merge(readings: list[EngineReading], gaps: tuple[Gap, ...]) -> EngineReading:
    # By owner too: a user's store may carry the id of another's container.
    records = {(record.owner_uid, record.id): record for reading in readings for record in reading.records}
    roots = dict.fromkeys(root for reading in readings for root in reading.status.state_roots)
    return EngineReading(
        status=EngineStatus(
            engine=EngineName.PODMAN,
            found=any(reading.status.found for reading in readings),
            state_roots=tuple(roots),
            containers=len(records),
        ),
        records=tuple(records.values()),
        gaps=gaps + tuple(gap for reading in readings for gap in reading.gaps),
    )


class _StoreReader:
    """Reads one store."""

    def __init__(self, survey: Survey, store: Store) -> None:
        self._survey = survey
        self._host = survey.host
        self._store = store
        self._database = PodmanDatabase()
        self._gaps: list[Gap] = []

    def read(self) -> EngineReading:
        store = self._store
        stored, gaps = read_stored_containers(self._host, store, _SUBJECT)
        self._gaps.extend(gaps)
        if stored is not None:
            self._database, gaps = read_database(self._host, store, _SUBJECT)
            self._gaps.extend(gaps)
        entries = {entry.id: entry for entry in stored or ()}
        known = self._database.containers
        named = ((container, entries.get(key)) for key, container in known.items())
        is_sought = self._survey.is_sought
        records = [self._recorded(one, entry) for one, entry in named if is_sought(one.config.id, _name(one, entry))]
        # Those that name a pod are CRI-O's.
        unknown = [entry for key, entry in entries.items() if key not in known and not entry.metadata.pod_id]
        sought = [entry for entry in unknown if is_sought(entry.id, _stored_name(entry))]
        left = [record for entry in sought if (record := self._stored(entry)) is not None]
        records += left
        if left and not self._database.paths and not any(gap.fields == FIELDS for gap in self._gaps):
            path = f"{store.graphroot}/{{libpod/bolt_state.db,db.sql}}"
            self._gaps.append(
                Gap(subject=_SUBJECT, fields=FIELDS, source=path, reason=Reason.UNAVAILABLE, detail="no database")
            )
        found = bool(records or self._database.paths)
        roots = tuple(path for path in (store.graphroot, store.runroot) if found and self._host.exists(path))
        status = EngineStatus(engine=EngineName.PODMAN, found=found, state_roots=roots, containers=len(records))
        return EngineReading(status=status, records=tuple(records), gaps=tuple(self._gaps))

    def _recorded(self, container: PodmanContainer, entry: StoredContainer | None) -> Record:
        """A container of the database."""
        config, state = container.config, container.state
        status = STATUS.get(state.state, ContainerStatus.STOPPED)
        oci = self._oci_state(config.id, config.runtime.rpartition("/")[2])
        pid = (oci.pid if oci else None) or state.pid or None
        starttime = oci.starttime_ticks if oci else None
        exit_code = state.exit_code if state.exited or state.state == 6 else None
        oom_killed = state.oom_killed
        evidence = [
            Evidence(source=container.source, value=f"state {state.state}, pid {state.pid}, conmonPid {state.conmon_pid}"),
            *oci_evidence(oci),
            *_stored_evidence(entry),
        ]
        if status in _LIVE and not (pid and self._survey.processes.is_alive(pid, starttime)):
            found = self._recorded_exit(config.id)
            if found is not None:
                status, exit_code = ContainerStatus.STOPPED, found[0]
                evidence.append(found[1])
                oom_killed = oom_killed or self._host.exists(f"{self._tmpdir}/persist/{config.id}/oom")
        spec = config.spec or OciConfig()
        pod = self._database.pods.get(config.pod)
        labels = config.labels or {}
        args = spec.process.args if spec.process else None
        return Record(
            id=config.id,
            name=_name(container, entry),
            engine=EngineName.PODMAN,
            owner_uid=self._store.uid,
            runtime=config.runtime or (oci.runtime if oci else None),
            created_at=real_time(config.created_time),
            started_at=real_time(state.started_time),
            finished_at=real_time(state.finished_time),
            exit_code=exit_code,
            oom_killed=oom_killed,
            image=config.image_name or None,
            image_id=config.image_id or None,
            command=args or (*(config.entrypoint or ()), *(config.command or ())) or None,
            bundle=state.config_path.removesuffix("/config.json") or None,
            rootfs=state.mount_point or config.rootfs or None,
            labels=labels,
            annotations=spec.annotations or {},
            pod=Pod(name=pod.name if pod else None, uid=config.pod, sandbox_id=pod.infra_id if pod else None)
            if config.pod
            else None,
            is_sandbox=config.is_infra,
            ports=self._ports(container),
            addresses=self._database.addresses(container),
            networks=container.networks,
            log_path=config.log_path or None,
            restart_count=state.restart_count,
            health=self._health(container) if status in _LIVE else None,
            group=next((labels[key] for key in _COMPOSE_PROJECT if labels.get(key)), None),
            evidence=tuple(evidence),
            status=status,
            pid=pid if status is not ContainerStatus.STOPPED else None,
            starttime_ticks=starttime if status is not ContainerStatus.STOPPED else None,
            monitor_pid=(state.conmon_pid or None) if status is not ContainerStatus.STOPPED else None,
            monitor_expected="conmon",
            cgroup_path=cgroup_path(oci),
            state_dirs=(oci.path,) if oci else (),
        )

    def _stored(self, entry: StoredContainer) -> Record | None:
        """A container that no database describes; None when another engine's."""
        oci = self._oci_state(entry.id, None)
        config = self._oci_config(entry)
        annotations = (config.annotations if config else None) or {}
        # Without a word from config.json: entries of buildah carry no time.
        if annotations.get(_MANAGER, "libpod" if entry.metadata.created_at else "") != "libpod":
            return None
        status, exit_code = ContainerStatus.CREATED, None
        evidence = [*_stored_evidence(entry), *oci_evidence(oci)]
        if oci is not None and not oci.awaits_start:
            status = ContainerStatus.RUNNING
        # config.json is written when the container is started for the first time.
        elif oci is None and config is not None:
            status = ContainerStatus.STOPPED
        if status is not ContainerStatus.CREATED and not (
            oci and oci.pid and self._survey.processes.is_alive(oci.pid, oci.starttime_ticks)
        ):
            found = self._recorded_exit(entry.id)
            if found is not None:
                status, exit_code = ContainerStatus.STOPPED, found[0]
                evidence.append(found[1])
        args = config.process.args if config and config.process else None
        return Record(
            id=entry.id,
            name=_stored_name(entry),
            engine=EngineName.PODMAN,
            owner_uid=self._store.uid,
            runtime=oci.runtime if oci else None,
            created_at=entry.created_at,
            exit_code=exit_code,
            image=entry.metadata.image_name or None,
            image_id=entry.image_id,
            command=args,
            bundle=entry.userdata if config else None,
            rootfs=config.root.path if config and config.root else None,
            annotations=annotations,
            evidence=tuple(evidence),
            status=status,
            pid=oci.pid if oci and status is not ContainerStatus.STOPPED else None,
            starttime_ticks=oci.starttime_ticks if oci and status is not ContainerStatus.STOPPED else None,
            monitor_pid=find_number(self._host, f"{entry.run_userdata}/conmon.pid", self._store.owner)
            if status is not ContainerStatus.STOPPED
            else None,
            monitor_expected="conmon",
            cgroup_path=cgroup_path(oci),
            state_dirs=(oci.path,) if oci else (),
        )

    def _oci_state(self, container_id: str, runtime: str | None) -> OciState | None:
        roots = [self._store.runtime_directory]
        if self._store.uid:
            # Without a login session a user's runtimes keep their state beside the run root, below /tmp.
            roots.append((self._database.runroot or self._store.runroot).rpartition("/")[0])
        names = (runtime,) if runtime in RUNTIMES else RUNTIMES
        paths = dict.fromkeys(f"{root}/{name}/{container_id}" for root in roots for name in names)
        state, errors = find_oci_state(self._host, paths, self._store.owner)
        self._gaps.extend(gap_of(error, self._subject(container_id), ("pid",), path) for path, error in errors.items())
        return state

    def _oci_config(self, entry: StoredContainer) -> OciConfig | None:
        for bundle in (entry.userdata, entry.run_userdata):
            try:
                return read_oci_config(self._host, bundle, owner=self._store.owner)
            except FileNotFoundError:
                continue
            except (OSError, ParseError) as error:
                self._gaps.append(gap_of(error, self._subject(entry.id), ("command", "annotations"), f"{bundle}/config.json"))
                return None
        return None

    @property
    def _tmpdir(self) -> str:
        return self._database.tmpdir or default_tmpdir(self._store)

    def _recorded_exit(self, container_id: str) -> tuple[int, Evidence] | None:
        paths = (f"{self._tmpdir}/exits/{container_id}", f"{self._tmpdir}/persist/{container_id}/exit")
        return find_exit(self._host, paths, self._store.owner)

    def _health(self, container: PodmanContainer) -> str | None:
        """What the last check found; None where there is none, or where nothing ran it yet."""
        path = _health_log(container)
        if container.config.healthcheck is None or path is None:
            return None
        try:
            return parse_health(self._host.read(path, owner=self._store.owner), path)
        except FileNotFoundError:
            return None
        except (OSError, ParseError) as error:
            self._gaps.append(gap_of(error, self._subject(container.config.id), ("health",), path))
            return None

    def _ports(self, container: PodmanContainer) -> tuple[Port, ...]:
        try:
            return self._database.ports(container)
        except ParseError as error:
            self._gaps.append(gap_of(error, self._subject(container.config.id), ("ports",), container.source))
            return ()

    def _subject(self, container_id: str) -> str:
        owner = f"@{self._store.uid}" if self._store.uid else ""
        return f"container podman{owner}/{container_id}"


def _health_log(container: PodmanContainer) -> str | None:
    """Where the last checks of its health are written down; None where it never ran."""
    destination = container.config.health_log_destination
    if destination.startswith("/"):
        return f"{destination}/{container.config.id}-healthcheck.log"
    directory = container.state.run_dir.rpartition("/")[0]
    return f"{directory}/healthcheck.log" if directory else None


def _name(container: PodmanContainer, entry: StoredContainer | None) -> str:
    return container.config.name or (entry.name if entry else None) or container.config.id[:12]


def _stored_name(entry: StoredContainer) -> str:
    return entry.name or entry.id[:12]


def _stored_evidence(entry: StoredContainer | None) -> tuple[Evidence, ...]:
    return (Evidence(source=entry.source, value=f"name {entry.name}, image {entry.metadata.image_name}"),) if entry else ()
