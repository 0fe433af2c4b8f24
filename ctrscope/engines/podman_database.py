"""Podman's own database: what it knows of containers and pods beyond containers/storage.

*Source:* libpod ``boltdb_state.go`` and ``sqlite_state_internal.go`` for where things are; ``podman_json.py``
for the JSON, which is the same in both.
*Versions:* BoltDB ``libpod/bolt_state.db`` up to 4.7 and wherever it exists before 6.0; SQLite ``db.sql`` opt-in from 4.5,
default from 4.8. A transient store has either below its run-time directory. Where both exist, each container is in one;
after a migration to SQLite the newer is that.
"""

from collections.abc import Callable

import msgspec

from ctrscope.engines.bolt import Bucket, read_bolt
from ctrscope.engines.containers_storage import Store, is_safe_id
from ctrscope.engines.podman_json import ContainerConfig, ContainerState, PodConfig, PodState
from ctrscope.engines.state_file import check_path, parse_json
from ctrscope.model.container import Port
from ctrscope.model.gap import Gap, ParseError, gap_of
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs

#: What stays null when there is no database.
FIELDS = ("command", "labels", "pod", "ports", "addresses", "networks", "started_at", "exit_code", "log_path")
#: Published ports of all containers of one store together; a hostile database may hold ranges without end.
_MAX_PORTS = 131_072


class PodmanContainer(Value, frozen=True, kw_only=True):
    """One container of the database."""

    config: ContainerConfig
    state: ContainerState
    networks: tuple[str, ...]
    source: str


class _Row(Value, frozen=True):
    """What BoltDB has of a pod or container."""

    key: bytes
    config: bytes | None
    state: bytes | None
    networks: list[str]


class PodmanPod(Value, frozen=True, kw_only=True):
    """One pod of the database."""

    id: str
    name: str
    infra_id: str | None


class PodmanDatabase:
    """All databases of one store together."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.containers: dict[str, PodmanContainer] = {}
        self.pods: dict[str, PodmanPod] = {}
        self.runroot: str | None = None
        self.tmpdir: str | None = None
        self._ports_left = _MAX_PORTS

    def network_container(self, container: PodmanContainer) -> PodmanContainer:
        """The container whose network namespace this one uses: the pod's infra container, or itself."""
        seen = set()
        while (other := self.containers.get(container.config.network_of)) is not None and other.config.id not in seen:
            seen.add(other.config.id)
            container = other
        return container

    def ports(self, container: PodmanContainer) -> tuple[Port, ...]:
        """Published ports, ranges spelled out. Errors: ParseError when it is more than anybody has."""
        config = self.network_container(container).config
        ports: list[Port] = []
        for mapping in (*(config.port_mappings or ()), *(config.cni_port_mappings or ())):
            count = max(1, mapping.range)
            if count > self._ports_left:
                raise ParseError(f"more than {_MAX_PORTS} published ports")
            self._ports_left -= count
            ports += (
                Port(
                    proto=mapping.protocol,
                    host_ip=mapping.host_ip,
                    host_port=mapping.host_port + offset,
                    container_ip=None,
                    container_port=mapping.container_port + offset,
                )
                for offset in range(count)
            )
        return tuple(ports)

    def addresses(self, container: PodmanContainer) -> tuple[str, ...]:
        """Addresses of the network namespace it uses, in CIDR form."""
        return self.network_container(container).state.addresses


_config_decoder = msgspec.json.Decoder(ContainerConfig)
_state_decoder = msgspec.json.Decoder(ContainerState)
_pod_config_decoder = msgspec.json.Decoder(PodConfig)
_pod_state_decoder = msgspec.json.Decoder(PodState)


def read_database(host: HostFs, store: Store, subject: str) -> tuple[PodmanDatabase, tuple[Gap, ...]]:
    """Read every database of a store. Gaps: one for each that cannot be read, and for each malformed entry."""
    database = PodmanDatabase()
    gaps: list[Gap] = []
    for path in database_paths(store):
        read: Callable[..., None] = _read_sqlite if path.endswith(".sql") else _read_bolt
        try:
            read(host, path, store.owner, database, lambda error, path=path: gaps.append(gap_of(error, subject, FIELDS, path)))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ParseError) as error:
            gaps.append(gap_of(error, subject, FIELDS, path))
    return database, tuple(gaps)


def database_paths(store: Store) -> tuple[str, ...]:
    """Where a store may have a database: those that end in ``.sql`` are SQLite, the others BoltDB."""
    return (
        f"{store.graphroot}/libpod/bolt_state.db",
        f"{default_tmpdir(store)}/bolt_state.db",
        f"{store.graphroot}/db.sql",
        f"{store.graphroot}/libpod/db.sql",
        f"{store.runroot}/db.sql",
    )


def default_tmpdir(store: Store) -> str:
    """Libpod's directory of this boot: exit codes of containers that nobody cleaned up after."""
    return f"/run/user/{store.uid}/libpod/tmp" if store.uid else "/run/libpod"


def _read_bolt(
    host: HostFs, path: str, owner: int | None, database: PodmanDatabase, report: Callable[[ParseError], None]
) -> None:
    settings, pods, containers = read_bolt(host, path, _read_buckets, owner)
    database.paths.append(path)
    database.runroot, database.tmpdir = _text(settings.get(b"run-root")), _text(settings.get(b"tmp-dir"))
    for pod in pods:
        _add_pod(database, pod.config, pod.state, report, pod.key)
    for one in containers:
        _add_container(database, path, one.config, one.state, one.networks, report, one.key)


def _read_buckets(root: Bucket) -> tuple[dict[bytes, bytes], list[_Row], list[_Row]]:
    """Settings, pods and containers."""
    settings = root.bucket(b"runtime-config")
    return (
        dict(settings.values()) if settings is not None else {},
        [_row(key, bucket) for key, bucket in _buckets(root, b"pod")],
        [_row(key, bucket) for key, bucket in _buckets(root, b"ctr")],
    )


def _row(key: bytes, bucket: Bucket) -> _Row:
    networks = bucket.bucket(b"networks")
    names = [name.decode(errors="surrogateescape") for name, _ in networks.items()] if networks is not None else []
    return _Row(key, bucket.get(b"config"), bucket.get(b"state"), names)


def _read_sqlite(
    host: HostFs, path: str, owner: int | None, database: PodmanDatabase, report: Callable[[ParseError], None]
) -> None:
    host.stat(path)  # where there is none, nothing that reads it is imported
    from ctrscope.engines.sqlite_file import open_sqlite_copy

    with open_sqlite_copy(host, path, owner=owner) as copy:
        database.paths.append(path)
        for runroot, tmpdir in copy.rows("DBConfig", "RunRoot", "TmpDir"):
            database.runroot, database.tmpdir = _text(runroot), _text(tmpdir)
        pod_states = {row[0]: row[1] for row in copy.rows("PodState", "ID", "JSON")}
        for key, text in copy.rows("PodConfig", "ID", "JSON"):
            _add_pod(database, text, pod_states.get(key), report, key)
        states = {row[0]: row[1] for row in copy.rows("ContainerState", "ID", "JSON")}
        for key, text in copy.rows("ContainerConfig", "ID", "JSON"):
            _add_container(database, path, text, states.get(key), [], report, key)


def _buckets(root: Bucket, name: bytes) -> list[tuple[bytes, Bucket]]:
    parent = root.bucket(name)
    return [] if parent is None else list(parent.buckets())


def _add_container(
    database: PodmanDatabase,
    path: str,
    config_text: object,
    state_text: object,
    networks: list[str],
    report: Callable[[ParseError], None],
    key: object,
) -> None:
    try:
        config = parse_json(_config_decoder, _bytes(config_text), f"container {key!r}")
        state = parse_json(_state_decoder, _bytes(state_text), f"container {key!r}")
        if not is_safe_id(config.id):
            raise ParseError(f"container {key!r}: id {config.id[:80]!r}")
        if state.config_path:
            check_path(state.config_path, f"container {key!r}")
    except ParseError as error:
        report(error)
        return
    names = dict.fromkeys((*networks, *config.network_names, *(state.network_status or ())))
    database.containers[config.id] = PodmanContainer(config=config, state=state, networks=tuple(names), source=path)


def _add_pod(
    database: PodmanDatabase, config_text: object, state_text: object, report: Callable[[ParseError], None], key: object
) -> None:
    try:
        config = parse_json(_pod_config_decoder, _bytes(config_text), f"pod {key!r}")
        state = parse_json(_pod_state_decoder, _bytes(state_text), f"pod {key!r}")
    except ParseError as error:
        report(error)
        return
    database.pods[config.id] = PodmanPod(id=config.id, name=config.name, infra_id=state.infra or None)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""  # no such row, or not text: not JSON either way


def _text(value: object) -> str | None:
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) and value and b"\0" not in value else None
