"""What root of a container may do in namespaces of its own to make us wait, and what we do about it."""

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.netlink import Connection
from ctrscope.probes.netns import Door, run_in_network_namespace
from ctrscope.probes.rtnetlink import NsidQuery, dump_network, parse_network, read_nsids
from tests.kernel.networks import Namespace, network_namespace
from tests.requirements import require, require_root


@pytest.fixture
def inside() -> Iterator[Namespace]:
    require_root("network namespaces")
    require("unshare", "nsenter", "ip")
    with network_namespace() as namespace:
        yield namespace


def test_messages_that_others_send_are_no_answers() -> None:
    require_root("sending to somebody else's netlink socket takes CAP_NET_ADMIN")
    with Connection() as ours, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as other:
        ours._socket.bind((0, 0))
        port = ours._socket.getsockname()[0]
        done = struct.pack("=IHHII", 20, 3, 0, 1, 0) + bytes(4)  # NLMSG_DONE of our first question: an empty dump
        other.sendto(done, (port, 0))
        answer = ours.dump(18, struct.pack("=BxHiII", 0, 0, 0, 0, 0), 100)  # RTM_GETLINK
    assert answer.messages


def test_somebody_who_never_stops_sending_does_not_keep_us_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctrscope.probes.netlink._PATIENCE", 0.2)
    require_root("sending to somebody else's netlink socket takes CAP_NET_ADMIN")
    stop = threading.Event()
    with Connection(socket.NETLINK_ROUTE) as ours, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as other:
        ours._socket.bind((0, 0))
        port = ours._socket.getsockname()[0]

        def flood() -> None:
            while not stop.is_set():
                try:
                    other.sendto(struct.pack("=IHHII", 16, 18, 0, 7, 0), socket.MSG_DONTWAIT, (port, 0))
                except OSError:
                    continue

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            with pytest.raises(OSError, match=r"drowned|No buffer space"):
                ours._receive()
        finally:
            stop.set()
            thread.join()


def test_where_one_namespace_is_gone_the_others_are_asked_what_they_were_to_be_asked(inside: Namespace) -> None:
    with network_namespace() as other:
        inside.script(f"ip link add va type veth peer name vb netns {other.pid}")
        here, there = (Door((f"/proc/{one.pid}/ns/net",)) for one in (inside, other))
        dump = run_in_network_namespace(inside.pid, dump_network)
        nsids = {link.peer_netnsid for link in parse_network(dump).links if link.name == "va"}
        gone = Door(("/proc/0/ns/net",))
        assert read_nsids(HostFs(), [NsidQuery(gone, ()), NsidQuery(here, (there,))], 100) == [{}, dict.fromkeys(nsids, 0)]


#: A FUSE file system in a mount namespace of its own, which nobody serves, and a descriptor of it.
_UNSERVED = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x00020000) == 0
assert libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None) == 0
fuse = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
assert libc.mount(b"nobody", b"/mnt", b"fuse", 0, options) == 0
print(os.open("/mnt", os.O_PATH), flush=True)
input()
"""
_LOOK = """
import sys
from ctrscope.probes.hostfs import HostFs
try:
    with HostFs().namespace(sys.argv[1]):
        pass
except OSError as error:
    print(error.strerror)
"""


def test_a_descriptor_of_a_file_system_that_never_answers_is_seen_to_be_no_namespace() -> None:
    require_root("mounts")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse")
    with subprocess.Popen(
        [sys.executable, "-c", _UNSERVED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            number = int(server.stdout.readline())
            asked = [sys.executable, "-c", _LOOK, f"/proc/{server.pid}/fd/{number}"]
            assert subprocess.check_output(asked, timeout=10, text=True) == "not a namespace\n"
        finally:
            server.kill()


_PLAN = """
import sys
from ctrscope.attach.plan import plan_attach
from ctrscope.attach.request import AttachRequest
from ctrscope.probes.hostfs import HostFs
from tests.attach.containers import container_of
print(plan_attach(HostFs(), container_of(int(sys.argv[1])), AttachRequest(argv=("true",))).environment["HOME"])
print(len(plan_attach(HostFs(), container_of(int(sys.argv[1])), AttachRequest()).argv))
"""


def test_who_enters_waits_for_files_that_never_answer_only_so_long() -> None:
    """Nothing but SIGKILL ends that wait: no key of a terminal did."""
    require_root("mounts")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse")
    code = _UNSERVED.replace("/mnt", "/etc")
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline()
            asked = [sys.executable, "-c", _PLAN, str(server.pid)]
            assert subprocess.check_output(asked, timeout=60, text=True) == "/\n1\n"
        finally:
            server.kill()


def test_a_symlink_in_the_root_of_a_process_leads_to_no_namespace_of_ours(tmp_path: Path) -> None:
    require_root("chroot")
    (tmp_path / "blue").symlink_to("/proc/self/ns/net")
    code = f"import os; os.chroot({str(tmp_path)!r}); print('up', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            with pytest.raises(OSError), HostFs().namespace(f"/proc/{process.pid}/root/blue"):  # noqa: PT011 -- ENOTSUP, ENOENT
                pass
        finally:
            process.kill()
