"""/proc/PID/net/{tcp,tcp6,udp,udp6,unix}: the sockets of the network namespace of a process, without entering it.

*Source:* proc_pid_net(5), kernel net/ipv4/tcp_ipv4.c ``tcp4_seq_show``. A line is
``0: 0100007F:1F90 00000000:0000 0A … uid timeout inode …``: addresses are words in the host's byte order, ports big endian.
A line of ``unix`` is ``…: count protocol flags type state inode path``; an abstract name begins with ``@``.
*Versions:* no tcp6 and udp6 where IPv6 is off.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from ctrscope.model.gap import VANISHED, ParseError
from ctrscope.model.network import Socket
from ctrscope.probes.hostfs import HostFs, ProcDir
from ctrscope.probes.proc_pid_net import text4, text6

_PROTOS = ("tcp", "tcp6", "udp", "udp6")
#: include/net/tcp_states.h; of udp 07 is a socket without a peer.
_STATES = {
    "01": "ESTABLISHED", "02": "SYN_SENT", "03": "SYN_RECV", "04": "FIN_WAIT1", "05": "FIN_WAIT2", "06": "TIME_WAIT",
    "07": "CLOSE", "08": "CLOSE_WAIT", "09": "LAST_ACK", "0A": "LISTEN", "0B": "CLOSING", "0C": "NEW_SYN_RECV",
}  # fmt: skip
_UNIX_STATES = {"01": "UNCONN", "02": "CONNECTING", "03": "ESTABLISHED", "04": "DISCONNECTING"}  # include/uapi/linux/net.h
_SO_ACCEPTCON = 0x10000
#: Sockets of one namespace that are told; a busy proxy has tens of thousands of connections.
MOST_SOCKETS = 20_000
_LISTEN, _CLOSE = "0A", "07"  # TCP_LISTEN, and what udp says of a socket without a peer; include/net/tcp_states.h


def read_listeners(host: HostFs, pid: int | str) -> tuple[Socket, ...]:
    """Sockets that wait for somebody: tcp in LISTEN, udp without a peer; *pid* may be ``self``. Errors: EACCES; ParseError.

    *Cost:* as of ``read_sockets``.
    """

    def read(name: str) -> bytes:
        try:
            return host.read(f"/proc/{pid}/net/{name}")
        except OSError as error:
            if error.errno in VANISHED:
                return b""
            raise

    counts = parse_sockstat(read("sockstat") + read("sockstat6"))
    in_use = (proto for proto in _PROTOS if counts.get(proto.upper(), {}).get("inuse", 1))
    return tuple(socket for proto in in_use for socket in parse_listeners(read(proto), proto))


def parse_listeners(text: bytes, proto: str) -> tuple[Socket, ...]:
    """Parse one of the files; sockets in other states are left out."""
    wanted = _LISTEN if proto.startswith("tcp") else _CLOSE
    return tuple(_sockets(text, proto, wanted))


def read_sockets(read: Callable[[str], bytes]) -> tuple[Socket, ...]:
    """All sockets of a network namespace, at most ``MOST_SOCKETS`` and one more, which says that there are more.

    *read*: content of a file by its name (``tcp``). Errors: those of *read*, save that a file is missing; ParseError.
    *Cost:* 1 ms for ``tcp`` and as much for ``tcp6``, whose table all namespaces share; nothing where ``sockstat`` says that
    there are none.
    """

    def read_if_there(name: str) -> bytes:
        try:
            return read(name)
        except OSError as error:
            if error.errno in VANISHED:
                return b""
            raise

    found: list[Socket] = []
    counts = parse_sockstat(read_if_there("sockstat") + read_if_there("sockstat6"))
    for proto in (*_PROTOS, "unix"):
        # Sockets in TIME_WAIT are counted apart, both families together.
        waiting = counts.get("TCP", {}).get("tw", 0) if proto.startswith("tcp") else 0
        if counts.get(proto.upper(), {}).get("inuse", 1) == 0 == waiting:
            continue
        text = read_if_there(proto)
        sockets = parse_unix(text) if proto == "unix" else _sockets(text, proto)
        found += islice(sockets, MOST_SOCKETS + 1 - len(found))
    return tuple(found)


def parse_sockstat(text: bytes) -> dict[str, dict[str, int]]:
    """``TCP: inuse 1 orphan 0 tw 0``: protocol → what is counted. Lines that say something else are left out."""
    found = {}
    for line in text.decode("ascii", "replace").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) % 2 == 0 and all(word.isdecimal() for word in words[1::2]):
            found[name] = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    return found


def parse_unix(text: bytes) -> Iterator[Socket]:
    """Sockets of ``unix``."""
    for number, line in enumerate(text.decode("utf-8", "surrogateescape").split("\n")[1:], 2):
        if not line:
            continue
        words = line.split(maxsplit=7)
        try:
            is_listening = bool(int(words[3], 16) & _SO_ACCEPTCON)
            yield Socket(
                proto="unix",
                state="LISTEN" if is_listening else _UNIX_STATES.get(words[5], words[5]),
                local=words[7] if len(words) > 7 else None,
                local_port=None,
                remote=None,
                remote_port=None,
                ino=int(words[6]),
            )
        except (ValueError, IndexError) as error:
            raise ParseError(f"not a unix socket: {error}", number) from error


def find_holders(host: HostFs, pids: Iterable[int]) -> dict[int, int]:
    """Inode of each socket that one of *pids* has open → the first that has it. What may not be looked at is left out."""
    found: dict[int, int] = {}
    for pid in pids:
        try:
            with host.process(pid) as process:
                for name in process.names("fd"):
                    link = _link(process, name)
                    if link.startswith("socket:[") and link[8:-1].isdecimal():
                        found.setdefault(int(link[8:-1]), pid)
        except OSError:
            continue  # it ended, or may not be looked at
    return found


def find_holder(host: HostFs, pids: Iterable[int], ino: int) -> int | None:
    """The first of *pids* that has the socket with that inode number open."""
    wanted = f"socket:[{ino}]"
    for pid in pids:
        try:
            with host.process(pid) as process:
                if any(_link(process, name) == wanted for name in process.names("fd")):
                    return pid
        except OSError:
            continue  # it ended, or may not be looked at
    return None


def _link(process: ProcDir, name: str) -> str:
    try:
        return process.readlink(f"fd/{name}")
    except OSError:
        return ""  # closed meanwhile


def _sockets(text: bytes, proto: str, wanted: str | None = None) -> Iterator[Socket]:
    for number, line in enumerate(text.decode("ascii", "replace").splitlines()[1:], 2):
        words = line.split()
        try:
            state = words[3]
            if wanted not in (None, state):
                continue
            local, local_port = _end(words[1])
            remote, remote_port = _end(words[2])
            yield Socket(
                proto=proto,
                state="UNCONN" if state == _CLOSE and proto.startswith("udp") else _STATES.get(state, state),
                local=local,
                local_port=local_port,
                remote=remote if remote_port else None,
                remote_port=remote_port or None,
                ino=int(words[9]),
                uid=int(words[7]),
            )
        except (ValueError, IndexError) as error:
            raise ParseError(f"not a socket: {error}", number) from error


def _end(word: str) -> tuple[str, int]:
    """``0100007F:1F90``."""
    address, _, port = word.partition(":")
    return _address(bytes.fromhex(address)), int(port, 16)


def _address(packed: bytes) -> str:
    """Four bytes at a time are a word in the host's byte order."""
    octets = b"".join(packed[start : start + 4][::-1] for start in range(0, len(packed), 4))
    if len(octets) == 4:
        return text4(int.from_bytes(octets))
    if len(octets) != 16:
        raise ValueError("an address is 4 or 16 bytes long")
    return text6(octets)
