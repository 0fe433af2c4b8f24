"""What is left of a container is removed, whatever its program made of its files."""

import os
from pathlib import Path

import pytest

from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import Root, Spec
from ctrscope.run import removal
from ctrscope.run.removal import _remove_tree, remove, sweep, unpacked
from tests.images.layouts import archive, file, folder, write_layout
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


def test_the_image_of_a_container_whose_state_is_kept_elsewhere_is_not_swept_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user logs in with XDG_RUNTIME_DIR, and later comes by su or cron without."""
    there, here = tmp_path / "run/containers", tmp_path / "tmp/containers"
    image = write_layout(tmp_path / "layout", [archive([folder("etc"), file("etc/kept")])])
    monkeypatch.setattr(removal, "image_root", lambda: str(tmp_path / "images"))
    monkeypatch.setattr(removal, "default_root", lambda: str(there))
    with unpacked(image, "web", lambda _: (Spec(oci_version="1.2.0", root=Root(path="rootfs")), "")) as (rootfs, _, _):
        (there / "web").mkdir(parents=True)
    monkeypatch.setattr(removal, "default_root", lambda: str(here))
    sweep()
    assert Path(rootfs, "etc/kept").exists()
    (here / "web").mkdir(parents=True)  # another of the same name
    remove(str(here), "web")
    assert Path(rootfs, "etc/kept").exists()
    remove(str(there), "web")
    assert os.listdir(tmp_path / "images") == []
