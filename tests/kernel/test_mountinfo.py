"""A table of mounts is read to its end: the kernel hands out less than a page where the next record does not fit into it."""

import subprocess
import sys

from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import read_mountinfo
from tests.requirements import require_root

#: Few short records, one overlay whose options take nearly a page, and one more.
_MOUNTS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def mount(source, target, kind, flags=0, data=None):
    if libc.mount(source, target.encode(), kind, flags, data) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)
libc.unshare(0x00020000)
mount(b"none", "/", None, 0x4000 | 0x40000)
mount(b"root", "/tmp", b"tmpfs")
os.chdir("/tmp")
layers = ["l" * 60 + str(number) for number in range(48)]
for name in ("old", "upper", "work", "merged", "last", *layers, *(f"short{number}" for number in range(20))):
    os.mkdir(name)
libc.pivot_root(b".", b"old")
os.chdir("/")
libc.umount2(b"/old", 2)
for number in range(20):
    mount(b"t", f"/short{number}", b"tmpfs")
mount(b"o", "/merged", b"overlay", 0, ("lowerdir=" + ":".join(layers) + ",upperdir=upper,workdir=work").encode())
mount(b"t", "/last", b"tmpfs")
print("up", flush=True)
input()
"""


def test_a_mount_behind_one_with_long_options_is_seen() -> None:
    require_root()
    with subprocess.Popen([sys.executable, "-c", _MOUNTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            points = [mount.mount_point for mount in read_mountinfo(HostFs(), process.pid)]
        finally:
            process.communicate("\n")
    assert points[-2:] == ["/merged", "/last"]
