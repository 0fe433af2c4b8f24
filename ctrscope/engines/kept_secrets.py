"""Names of Podman's secrets. What is secret stands in another file, which is never opened.

*Source:* containers-common pkg/secrets (``GRAPHROOT/secrets/secrets.json``).
*Shape:* ``{"secrets": {"ID": {"name": …, "driver": …, "createdAt": …}}}``.
*Versions:* Podman 3.1 to 6; ``updatedAt`` and ``labels`` since 4.3. Those of Docker are in the encrypted log of a swarm.
"""

import msgspec

from ctrscope.engines.containers_storage import Store
from ctrscope.engines.kept import KeptReader
from ctrscope.engines.podman_json import real_time
from ctrscope.engines.state_file import parse_json
from ctrscope.model.container import EngineName
from ctrscope.model.gap import ParseError
from ctrscope.model.storage import Secret


class _Secret(msgspec.Struct, rename="camel"):
    name: str
    id: str
    driver: str = ""
    created_at: str | None = None
    updated_at: str | None = None
    labels: dict[str, str] | None = None


class _Secrets(msgspec.Struct):
    secrets: dict[str, _Secret] = {}


_decoder = msgspec.json.Decoder(_Secrets)


def read_podman_secrets(reader: KeptReader, store: Store) -> tuple[Secret, ...]:
    """Secrets of one store."""
    path = f"{store.graphroot}/secrets/secrets.json"
    try:
        found = list(parse_json(_decoder, reader.read(path), path).secrets.values())
    except (OSError, ParseError) as error:
        reader.note(error, path)
        return ()
    return tuple(
        Secret(
            engine=EngineName.PODMAN,
            owner_uid=store.uid,
            store=store.graphroot,
            source=path,
            created_at=real_time(one.created_at),
            labels=one.labels or {},
            id=one.id,
            name=one.name,
            driver=one.driver or None,
            updated_at=real_time(one.updated_at),
        )
        for one in reader.first_of(found, path)
    )
