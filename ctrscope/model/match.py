"""What ``find`` is asked and what it answers: something of the kernel or of an engine, and the container it belongs to."""

import re
from enum import StrEnum
from typing import NamedTuple

from ctrscope.model.namespace import NamespaceType
from ctrscope.model.value import Value


class MatchKind(StrEnum):
    """What answers to a query, in the order in which matches are listed."""

    CONTAINER = "container"
    POD = "pod"
    IMAGE = "image"
    PROCESS = "process"
    THREAD = "thread"
    PID_INSIDE = "pid inside"  # a PID as the container itself counts
    NAMESPACE = "namespace"
    LINK = "link"
    MAC = "mac"
    ADDRESS = "address"
    PORT = "port"
    CGROUP = "cgroup"
    OVERLAY = "overlay"  # a layer of an overlay mount, or something below it
    MOUNT = "mount"  # a mount point, or what is mounted there
    FILE = "file"  # a file that an engine keeps for the container


class Match(Value, frozen=True, kw_only=True):
    """One answer. Encodes to an item of ``matches`` of the contract."""

    kind: MatchKind
    what: str  # "process 4711", "net:[4026532281]", "veth9c41"
    container: str | None  # key, which every command takes for an id; None: the host's, or nobody's: detail says which
    detail: str


class Query(NamedTuple):
    """What somebody may mean. A bare number has several kinds: all that it could be."""

    text: str
    kinds: tuple[MatchKind, ...]
    number: int | None = None  # PID or inode
    namespace: NamespaceType | None = None
    address: str | None = None  # as the ipaddress module writes it
    mac: str | None = None  # lower case, with colons
    proto: str | None = None  # "tcp", "udp"; None: any
    port: int | None = None


#: PID_MAX_LIMIT of include/linux/threads.h: no PID is larger.
_PID_LIMIT = 1 << 22
_PID_KINDS = (MatchKind.PROCESS, MatchKind.THREAD, MatchKind.PID_INSIDE)
_NAMES = (MatchKind.CONTAINER, MatchKind.POD, MatchKind.IMAGE)
_NAMESPACE = re.compile(rf"({'|'.join(NamespaceType)}):\[?(\d{{1,19}})\]?")
_PORT = re.compile(r"(?:(tcp|udp|sctp)[/:]|(?:port)?:)?(\d{1,5})(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_MAC = re.compile(r"[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}", re.IGNORECASE)


def parse_query(text: str) -> Query:
    """Everything that a query can mean by its form alone. What has no form of its own is a name."""
    if text.startswith("/"):
        return Query(text, (MatchKind.CGROUP, MatchKind.OVERLAY, MatchKind.MOUNT, MatchKind.FILE, MatchKind.NAMESPACE))
    # "pid:4711" is a process, as in an ID; "pid:4026532281" a PID namespace.
    if text.startswith("pid:") and _is_number(text[4:]) and int(text[4:]) <= _PID_LIMIT:
        return Query(text, _PID_KINDS, number=int(text[4:]))
    if found := _NAMESPACE.fullmatch(text):
        return Query(text, (MatchKind.NAMESPACE,), number=int(found[2]), namespace=NamespaceType(found[1]))
    if _MAC.fullmatch(text):
        return Query(text, (MatchKind.MAC,), mac=text.lower().replace("-", ":"))
    if _is_number(text):
        number = int(text)
        kinds: tuple[MatchKind, ...] = (MatchKind.CONTAINER,)
        kinds += _PID_KINDS if number <= _PID_LIMIT else (MatchKind.NAMESPACE,)
        is_port = 0 < number < 65536
        return Query(text, kinds + ((MatchKind.PORT,) if is_port else ()), number=number, port=number if is_port else None)
    if (found := _PORT.fullmatch(text)) and 0 < int(found[2]) < 65536:
        return Query(text, (MatchKind.PORT,), proto=(found[1] or found[3] or "").lower() or None, port=int(found[2]))
    return _parse_address(text) or Query(text, (*_NAMES, MatchKind.LINK))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20


def _parse_address(text: str) -> Query | None:
    """``172.17.0.2``, ``fd00::2``, with a prefix length (``/16``) or a port (``172.17.0.2:80``, ``[fd00::2]:80``)."""
    if not any(mark in text for mark in ".:"):
        return None
    from ipaddress import ip_address, ip_interface  # half of this module's import time

    try:
        return Query(text, (MatchKind.ADDRESS,), address=str(ip_interface(text.strip("[]")).ip))
    except ValueError:
        pass
    address, _, port = text.rpartition(":")
    if not (_is_number(port) and 0 < int(port) < 65536):
        return None
    try:
        return Query(text, (MatchKind.PORT,), address=str(ip_address(address.strip("[]"))), port=int(port))
    except ValueError:
        return None
