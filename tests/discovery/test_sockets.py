"""Sockets of the namespaces of a topology, when the process that leads there goes away."""

from pathlib import Path

import pytest

from ctrscope.discovery.sockets import with_sockets
from ctrscope.model.network import NetworkNamespace
from tests.builders import HostTree

_TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21003 1 ffff8a1e 100 0 0 10 0
"""


@pytest.mark.parametrize(("netns", "ports"), [(4026532001, [80]), (4026532002, None)])
def test_sockets_are_those_of_the_namespace_and_not_of_whoever_has_the_pid_now(
    tmp_path: Path, netns: int, ports: list[int] | None
) -> None:
    host = HostTree(tmp_path)
    host.process(70, namespaces={"net": 4026532001})
    host.file("/proc/70/net/tcp", _TCP)
    ((found,), gaps) = with_sockets(host.fs, [NetworkNamespace(ino=netns, pid=70)], ())
    assert (None if found.sockets is None else [one.local_port for one in found.sockets]) == ports
    assert gaps == ()


def test_a_process_that_is_gone_has_not_no_sockets_but_unknown_ones(tmp_path: Path) -> None:
    ((found,), _) = with_sockets(HostTree(tmp_path).fs, [NetworkNamespace(ino=4026532001, pid=70)], ())
    assert found.sockets is None
