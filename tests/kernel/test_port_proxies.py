"""Proxies of ports as the kernel has them, made for the purpose."""

import os
import subprocess
import sys

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.port_proxies import find_port_proxies
from ctrscope.discovery.topology import TopologyReader
from ctrscope.probes.hostfs import HostFs
from tests.requirements import require_root

#: As rootlessport is now and then: its first thread went to the container's network after another opened the port.
_SPLIT = """
import ctypes, socket, sys
open("/proc/self/comm", "w").write("rootlessport")
port = socket.create_server(("127.0.0.1", 0))
assert ctypes.CDLL(None).unshare(0x40000000) == 0
print(port.getsockname()[1], flush=True)
sys.stdin.read()
"""


def test_a_proxy_whose_first_thread_is_in_another_network_listens_where_its_socket_is() -> None:
    require_root("makes a network namespace")
    command = ["rootlessport", "-c", _SPLIT]
    with subprocess.Popen(command, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        host = HostFs()
        snapshot = discover(host, Plan(namespaces=True, addresses=False, stats=False))
        topology = TopologyReader(host).read(snapshot, sockets=True).value
        assert topology is not None
        (found,) = [one for one in find_port_proxies(host, topology) if one.pid == process.pid]
        process.communicate()
    assert found.netns == os.stat("/proc/self/ns/net").st_ino
    assert found.sockets is not None
    assert [one.local_port for one in found.sockets] == [port]
