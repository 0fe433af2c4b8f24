"""Interface files of a cgroup of our own on this kernel: those that stay open say what is the case now."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrscope.probes.cgroupfs import read_layout
from ctrscope.probes.hostfs import HostFs
from tests.requirements import require_root, unmet


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A directory that a test may make a cgroup at; its file pids.max can be written."""
    require_root("makes a cgroup")
    layout = read_layout(HostFs())
    if layout is None or not (mount := layout.mounts.get("pids", layout.mounts.get("" if layout.version == "v2" else "pids"))):
        unmet("no pids controller")
    path = Path(str(mount)) / f"cgfiles-{os.getpid()}"
    path.mkdir()
    if not (path / "pids.max").exists():
        path.rmdir()
        pytest.skip("the pids controller is not enabled at the root")
    yield path
    if path.exists():
        path.rmdir()


@pytest.mark.parametrize("keep", [0, 8])
def test_a_file_that_stays_open_says_what_is_the_case_now(cgroup: Path, keep: int) -> None:
    host = HostFs()
    host.keep_open(keep)
    file = cgroup / "pids.max"
    assert host.reread(str(file)) == b"max\n"
    file.write_text("17")
    assert host.reread(str(file)) == b"17\n"
    host.keep_open(0)


def test_a_cgroup_that_was_removed_is_gone_and_one_made_anew_is_another(cgroup: Path) -> None:
    host = HostFs()
    host.keep_open(8)
    file = cgroup / "pids.max"
    file.write_text("17")
    assert host.reread(str(file)) == b"17\n"
    cgroup.rmdir()
    with pytest.raises(FileNotFoundError):
        host.reread(str(file))
    cgroup.mkdir()
    assert host.reread(str(file)) == b"max\n"
    host.keep_open(0)


def test_no_more_files_stay_open_than_were_allowed(cgroup: Path) -> None:
    host = HostFs()
    before = len(os.listdir("/proc/self/fd"))
    host.keep_open(2)
    for name in ("pids.max", "pids.current", "cgroup.procs", "pids.events"):
        assert host.reread(str(cgroup / name)) == (cgroup / name).read_bytes()
    assert len(os.listdir("/proc/self/fd")) == before + 2
    host.keep_open(0)
    assert len(os.listdir("/proc/self/fd")) == before
