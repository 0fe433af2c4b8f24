"""Who is in which CNI network: the results that libcni keeps until a container is taken out again.

*Source:* libcni's cache, ``/var/lib/cni/results``. *Versions:* written as ``cniCacheV1`` since 0.7.
"""

from functools import partial
from typing import NamedTuple

import msgspec

from ctrscope.engines.kept import KeptReader
from ctrscope.engines.state_file import parse_json

_RESULTS = "/var/lib/cni/results"


class Attachment(NamedTuple):
    """A container, or a pod's sandbox, in a network."""

    container: str  # full id
    network: str
    host_links: tuple[str, ...] = ()  # links that were made or used outside: the bridge, the other end of the veth


class _Interface(msgspec.Struct):
    name: str = ""
    sandbox: str = ""  # the network namespace it is in; "" is the host's


class _Answer(msgspec.Struct):
    interfaces: list[_Interface] | None = None


class _CniResult(msgspec.Struct, rename="camel"):
    container_id: str = ""
    network_name: str = ""
    result: _Answer | None = None


_decoder = msgspec.json.Decoder(_CniResult)


def read_cni_attachments(reader: KeptReader) -> tuple[Attachment, ...]:
    """All of them, but that every pod's loopback is a network of its own, too."""
    found = []
    for _, result in reader.parsed(_RESULTS, partial(parse_json, _decoder)):
        if result.container_id and result.network_name and result.network_name != "cni-loopback":
            interfaces = (result.result.interfaces if result.result is not None else None) or ()
            outside = tuple(one.name for one in interfaces if one.name and not one.sandbox)
            found.append(Attachment(result.container_id, result.network_name, outside))
    return tuple(found)
