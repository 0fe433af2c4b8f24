"""One limit of one cgroup, from text that no kernel writes: another root may hold anything."""

from pathlib import Path

import pytest

from ctrscope.model.cgroup_membership import CgroupVersion
from ctrscope.probes.cgroup_limits import read_limit
from ctrscope.probes.hostfs import HostFs


@pytest.mark.parametrize(
    ("version", "files"),
    [("v2", {"cpu.max": "50000 0\n"}), ("v1", {"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "0\n"})],
)
def test_a_period_of_nothing_is_no_limit_that_is_known(version: CgroupVersion, files: dict[str, str], tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert read_limit(HostFs(str(tmp_path)), version, "cpu", "/") is None
