"""What is left of a container is removed, whatever its program made of its files."""

import os
from pathlib import Path

import pytest

from ctrscope.oci.errors import LauncherError
from ctrscope.run.removal import _remove_tree
from tests.requirements import require_root


def test_a_tree_deeper_than_any_path_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "container"
    (top / "rootfs").mkdir(parents=True)
    before = Path.cwd()
    os.chdir(top / "rootfs")
    try:
        for depth in range(3000):
            Path(f"file{depth}").touch()
            Path("deeper").mkdir()
            os.chdir("deeper")
    finally:
        os.chdir(before)
    _remove_tree(str(top))
    assert os.listdir(tmp_path) == []


def test_links_are_removed_and_not_what_they_lead_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    top = tmp_path / "container"
    (top / "rootfs/a").mkdir(parents=True)
    (top / "rootfs/way").symlink_to(outside)
    (top / "rootfs/a/way").symlink_to(outside)
    _remove_tree(str(top))
    assert os.listdir(tmp_path) == ["outside"]
    assert os.listdir(outside) == ["kept"]


def test_what_is_mounted_in_there_is_not_removed(tmp_path: Path) -> None:
    require_root("a mount")
    outside, place = tmp_path / "outside", tmp_path / "container/rootfs/mnt"
    outside.mkdir()
    (outside / "kept").touch()
    place.mkdir(parents=True)
    assert os.spawnlp(os.P_WAIT, "mount", "mount", "--bind", str(outside), str(place)) == 0
    try:
        with pytest.raises(LauncherError, match="something is mounted"):
            _remove_tree(str(tmp_path / "container"))
    finally:
        os.spawnlp(os.P_WAIT, "umount", "umount", str(place))
    assert os.listdir(outside) == ["kept"]
