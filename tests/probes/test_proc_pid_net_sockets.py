"""Sockets from the text of /proc/PID/net."""

import errno
import os

import pytest

from ctrscope.model.gap import ParseError
from ctrscope.model.network import Socket
from ctrscope.probes.proc_pid_net_sockets import MOST_SOCKETS, parse_listeners, parse_sockstat, parse_unix, read_sockets

_TITLE = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
_REST = b"00000000:00000000 00:00000000 00000000"
_TCP = (
    _TITLE
    + b"   0: 0100007F:1F90 00000000:0000 0A " + _REST + b"  1000        0 4711 1 0000000000000000 100 0 0 10 0\n"
    + b"   1: 020011AC:0050 090011AC:C350 01 " + _REST + b"     0        0 4712 1 0000000000000000 20 4 30 10 -1\n"
    + b"   2: 020011AC:0050 080011AC:C351 06 03:00000000 00:00000000 00000000     0        0 0 3 0000000000000000\n"
)  # fmt: skip
_TCP6 = _TITLE + (
    b"   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A " + _REST + b" 0 0 4713 1\n"
    b"   1: B80D0120000000000000000001000000:0050 B80D0120000000000000000002000000:C352 01 " + _REST + b" 0 0 4714 1\n"
)  # fmt: skip
_UDP = _TITLE + b"   9: 00000000:0035 00000000:0000 07 " + _REST + b"     0        0 4715 2 0000000000000000 0\n"
_UNIX = (
    b"Num       RefCount Protocol Flags    Type St Inode Path\n"
    b"0000000000000000: 00000002 00000000 00010000 0001 01 4716 /run/a b.sock\n"
    b"0000000000000000: 00000003 00000000 00000000 0001 03 4717\n"
    b"0000000000000000: 00000002 00000000 00010000 0001 01 4718 @abstract\xff\n"
)
_SOCKSTAT = (
    b"sockets: used 187\nTCP: inuse 5 orphan 0 tw 1 alloc 9 mem 248\nUDP: inuse 1 mem 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n"
)
_SOCKSTAT6 = b"TCP6: inuse 2\nUDP6: inuse 0\nFRAG6: inuse 0 memory 0\n"


def found(files: dict[str, bytes]) -> tuple[tuple[Socket, ...], list[str]]:
    """What is found in these files, and which were read."""
    asked: list[str] = []

    def read(name: str) -> bytes:
        asked.append(name)
        if name not in files:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return files[name]

    return read_sockets(read), asked


def ends(sockets: tuple[Socket, ...]) -> list[tuple[str, str, str | None, int | None, str | None, int | None, int]]:
    return [(s.proto, s.state, s.local, s.local_port, s.remote, s.remote_port, s.ino) for s in sockets]


def test_sockets_of_every_family_are_told_with_both_ends() -> None:
    sockets, _ = found({"tcp": _TCP, "tcp6": _TCP6, "udp": _UDP, "unix": _UNIX})
    assert ends(sockets) == [
        ("tcp", "LISTEN", "127.0.0.1", 8080, None, None, 4711),
        ("tcp", "ESTABLISHED", "172.17.0.2", 80, "172.17.0.9", 50000, 4712),
        ("tcp", "TIME_WAIT", "172.17.0.2", 80, "172.17.0.8", 50001, 0),
        ("tcp6", "LISTEN", "::", 80, None, None, 4713),
        ("tcp6", "ESTABLISHED", "2001:db8::1", 80, "2001:db8::2", 50002, 4714),
        ("udp", "UNCONN", "0.0.0.0", 53, None, None, 4715),
        ("unix", "LISTEN", "/run/a b.sock", None, None, None, 4716),
        ("unix", "ESTABLISHED", None, None, None, None, 4717),
        ("unix", "LISTEN", "@abstract\udcff", None, None, None, 4718),
    ]
    assert sockets[0].uid == 1000


def test_listeners_are_those_that_wait() -> None:
    assert [socket.ino for socket in parse_listeners(_TCP, "tcp")] == [4711]
    assert [socket.ino for socket in parse_listeners(_UDP, "udp")] == [4715]


def test_a_table_that_has_nothing_of_the_namespace_is_not_read() -> None:
    quiet = {"sockstat": b"TCP: inuse 0 orphan 0 tw 0 alloc 9 mem 248\nUDP: inuse 0 mem 0\n", "sockstat6": _SOCKSTAT6}
    _, asked = found({**quiet, "tcp6": _TCP6})
    assert asked == ["sockstat", "sockstat6", "tcp6", "unix"]


def test_connections_that_wait_for_their_end_are_read_too() -> None:
    waiting = {"sockstat": b"TCP: inuse 0 orphan 0 tw 1 alloc 9 mem 248\n", "sockstat6": b"TCP6: inuse 0\n"}
    assert {"tcp", "tcp6"} <= set(found(waiting)[1])


def test_counts_of_sockets_are_by_protocol() -> None:
    counts = parse_sockstat(_SOCKSTAT + _SOCKSTAT6)
    assert (counts["TCP"]["inuse"], counts["TCP"]["tw"], counts["TCP6"]["inuse"]) == (5, 1, 2)


def test_of_too_many_sockets_one_more_is_told_than_counts() -> None:
    line = _TCP.splitlines(keepends=True)[1]
    assert len(found({"tcp": _TITLE + line * (MOST_SOCKETS + 5)})[0]) == MOST_SOCKETS + 1


@pytest.mark.parametrize(
    "text", [b"title\n  0: 0100007F 00000000:0000 0A\n", b"title\n 0: 0100:1 0000:1 0A x x x 0 0 1\n", b"title\n nothing\n"]
)
def test_what_is_no_socket_is_malformed(text: bytes) -> None:
    with pytest.raises(ParseError):
        found({"tcp": text})


def test_what_is_no_unix_socket_is_malformed() -> None:
    with pytest.raises(ParseError):
        list(parse_unix(b"title\n0: 2 0 x 1 01 4716\n"))
