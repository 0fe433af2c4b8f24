"""What Podman's database says of a container that no kernel knows: restart policy, health check, limits after an update.

*Source:* libpod ``container_config.go`` (ContainerMiscConfig, ``spec``); ``podman_database.py`` for where it is.
*Versions:* ``podman update`` changes ``spec`` here since Podman 5; before, only the runtime was told.
"""

from collections.abc import Mapping

import msgspec

from ctrscope.engines.bolt import Bucket, read_bolt
from ctrscope.engines.oci_spec import parse_specified
from ctrscope.engines.sqlite_file import open_sqlite_copy
from ctrscope.engines.state_file import parse_json
from ctrscope.model.audited import EngineOptions, Specified
from ctrscope.probes.hostfs import HostFs

#: How the names of its databases end.
DATABASES = ("/bolt_state.db", "/db.sql")


class _Health(msgspec.Struct):
    test: list[str] | None = msgspec.field(name="Test", default=None)


class _Config(msgspec.Struct):
    spec: msgspec.Raw = msgspec.Raw(b"{}")
    privileged: bool = False
    restart_policy: str = ""
    restart_retries: int = 0
    healthcheck: _Health | None = None


_decoder = msgspec.json.Decoder(_Config)


def read_podman_configs(host: HostFs, path: str, *, owner: int | None = None) -> Mapping[str, bytes]:
    """Container → the JSON that the database has of it. Errors: OSError, ParseError."""
    if path.endswith(".sql"):
        with open_sqlite_copy(host, path, owner=owner) as copy:
            rows = [(row[0], row[1]) for row in copy.rows("ContainerConfig", "ID", "JSON")]
    else:
        rows = read_bolt(host, path, _read_buckets, owner)
    return {key.decode("ascii", "replace"): text for key, text in rows if isinstance(key, bytes) and isinstance(text, bytes)}


def _read_buckets(root: Bucket) -> list[tuple[object, object]]:
    known = root.bucket(b"ctr")
    return [(key, bucket.get(b"config")) for key, bucket in (known.buckets() if known is not None else ())]


def parse_podman_options(text: bytes, path: str) -> tuple[EngineOptions, Specified]:
    """What the engine was told, and what it asks its runtime for. Errors: ParseError."""
    found = parse_json(_decoder, text, path)
    health = (found.healthcheck.test or []) if found.healthcheck is not None else []
    options = EngineOptions(
        source=path,
        privileged=found.privileged,
        restart_policy=found.restart_policy,
        restart_maximum=found.restart_retries,
        has_health_check=bool(health) and health[0] != "NONE",
        ulimits=None,
    )
    return options, parse_specified(bytes(found.spec), path)
