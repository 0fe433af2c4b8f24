"""Sockets of a process: which are listed, and whose the others are."""

import os
import socket
from pathlib import Path

import pytest

from ctrscope.probes import nsfs
from ctrscope.probes.netns_of_socket import read_listed, sockets_of
from tests.builders import HostTree

_UNIX = """\
Num       RefCount Protocol Flags    Type St Inode Path
ffff8a1c: 00000002 00000000 00010000 0001 01 21001 /run/a b
ffff8a1d: 00000003 00000000 00000000 0001 03 21002
"""
_TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21003 1 ffff8a1e 100 0 0 10 0
"""
_NETLINK = """\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
ffff8a1c12345678 0   1          00000000 0        0        0     2        0        21004
broken
"""


def test_the_lists_of_a_network_namespace_name_its_sockets(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/proc/7/net/unix", _UNIX)
    host.file("/proc/7/net/tcp", _TCP)
    host.file("/proc/7/net/netlink", _NETLINK)
    assert read_listed(host.fs, 7) == {21001, 21002, 21003, 21004}
    assert read_listed(host.fs, 8) == set()


def test_our_own_socket_is_in_our_own_network_namespace() -> None:
    with socket.socket() as ours, sockets_of(os.getpid()) as sockets:
        ino = os.fstat(ours.fileno()).st_ino
        try:
            with sockets.network_namespace(ours.fileno(), ino) as handle:
                assert handle is not None
                assert str(nsfs.identify(handle)) == os.readlink("/proc/self/ns/net")
        except PermissionError as error:
            pytest.skip(f"SIOCGSKNS: {error}")
        with sockets.network_namespace(ours.fileno(), ino + 1) as handle:
            assert handle is None, "it is another socket by now"


def test_a_process_that_is_gone_is_an_error() -> None:
    with pytest.raises(ProcessLookupError), sockets_of(2**22 - 1):
        pass
