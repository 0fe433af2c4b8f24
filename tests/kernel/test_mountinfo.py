"""A table of mounts is read to its end: the kernel hands out less than a page where the next record does not fit into it.

And of several mounts at one place the one is known that a path leads to.
"""

import subprocess
import sys
from itertools import takewhile

from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import read_mountinfo, seen_mounts
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


#: What is mounted below a directory that was mounted over itself, shared, is mounted twice: the later line is the covered one.
_COVERED = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def mount(source, target, kind, flags=0):
    if libc.mount(source, target.encode(), kind, flags, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)
libc.unshare(0x00020000)
mount(b"none", "/", None, 0x4000 | 0x40000)
mount(b"t", "/tmp", b"tmpfs")
mount(b"none", "/tmp", None, 0x100000)
os.makedirs("/tmp/host/inner")
os.makedirs("/tmp/twice")
mount(b"/tmp/host", "/tmp/host", None, 0x1000)
mount(b"a", "/tmp/host/inner", b"tmpfs")
for name in (b"b", b"c"):
    mount(name, "/tmp/twice", b"tmpfs")
for line in open("/proc/self/mountinfo"):
    number, place = line.split()[0], line.split()[4]
    try:
        handle = os.open(place.encode().decode("unicode_escape"), os.O_PATH)
    except OSError:
        continue
    found = next(one.split()[1] for one in open(f"/proc/self/fdinfo/{handle}") if one.startswith("mnt_id"))
    os.close(handle)
    print(number, found, flush=True)
print("up", flush=True)
input()
"""


def test_the_mount_that_a_path_leads_to_is_the_one_that_the_kernel_opens() -> None:
    require_root()
    with subprocess.Popen(
        [sys.executable, "-c", _COVERED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            opened = dict(line.split() for line in takewhile(lambda line: line != "up\n", process.stdout))
            mounts = read_mountinfo(HostFs(), process.pid)
        finally:
            process.communicate("\n")
    seen = {str(mount.mount_id) for mount in seen_mounts(mounts)}
    assert sum(mount.mount_point == "/tmp/host/inner" for mount in mounts) > 1
    assert {number: number in seen for number in opened} == {number: number == found for number, found in opened.items()}
