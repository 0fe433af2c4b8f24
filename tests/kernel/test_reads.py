"""What HostFs reads of the kernel's files is all of it, also where it does not ask for the end."""

from pathlib import Path

import pytest

from ctrscope.probes.hostfs import HostFs

STEADY = ("mounts", "self/mountinfo", "crypto", "devices", "filesystems", "cmdline", "sys/kernel/ostype", "1/cgroup", "cpuinfo")


@pytest.mark.parametrize("name", STEADY)
def test_a_file_of_proc_is_read_whole(name: str) -> None:
    path = Path("/proc", name)
    if not path.exists():
        pytest.skip(f"this kernel has no {path}")
    lines = path.read_bytes().splitlines()
    # The figures of cpuinfo change, its lines do not.
    assert len(HostFs().read(str(path)).splitlines()) == len(lines)


def test_a_listing_of_cgroups_is_read_whole() -> None:
    seen = 0
    for path in Path("/sys/fs/cgroup").glob("*/**/cgroup.controllers"):
        seen += 1
        assert HostFs().read(str(path)) == path.read_bytes()
    for path in Path("/sys/fs/cgroup").glob("*/memory.stat"):
        seen += 1
        assert len(HostFs().read(str(path)).splitlines()) == len(path.read_bytes().splitlines())
    if not seen:
        pytest.skip("no cgroup file system here")
