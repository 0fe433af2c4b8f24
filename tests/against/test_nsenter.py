"""Our way into a network namespace against that of the ``nsenter`` package."""

import os

import nsenter

from ctrscope.probes.netns import run_in_network_namespace
from tests.kernel.networks import network_namespace
from tests.requirements import require, require_root


def inode() -> int:
    return os.stat("/proc/thread-self/ns/net").st_ino


def test_both_lead_to_the_same_namespace_and_back() -> None:
    require_root()
    require("ip", "unshare")
    before = inode()
    with network_namespace() as one:
        ours = run_in_network_namespace(one.pid, inode)
        with nsenter.Namespace(one.pid, "net"):
            theirs = inode()
        assert ours == theirs == os.stat(f"/proc/{one.pid}/ns/net").st_ino != before
    assert inode() == before
