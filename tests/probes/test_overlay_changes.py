"""What the upper directory of an overlay changes: made-up layers, the same mounted by the kernel, and a hostile one."""

import os
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from ctrscope.model.changes import Change, ChangeKind, FileType
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.overlay_changes import FUSE, KERNEL, KERNEL_OF_USER, Marks, OverlayWalk
from tests.requirements import require, require_root, unmet

ADDED, CHANGED, DELETED = ChangeKind


class Layers:
    """Directories that stand for layers, the topmost first."""

    def __init__(self, above: Path, *names: str) -> None:
        self.paths = [above / name for name in names]
        for path in self.paths:
            path.mkdir()

    def write(self, layer: int, path: str, text: str = "", *, at: float = 1000.0) -> None:
        whole = self.paths[layer] / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(text)
        os.utime(whole, (at, at))

    def mkdir(self, layer: int, path: str, **attributes: bytes) -> None:
        whole = self.paths[layer] / path
        whole.mkdir(parents=True, exist_ok=True)
        for name, value in attributes.items():
            os.setxattr(whole, name.replace("__", "."), value)

    def whiteout(self, layer: int, path: str) -> None:
        whole = self.paths[layer] / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(whole, stat.S_IFCHR, 0)

    def walk(self, marks: Marks = KERNEL, most: int = 10_000) -> OverlayWalk:
        host = HostFs()
        upper, *lower = (host.open_directory(str(path)) for path in self.paths)
        return OverlayWalk(upper, lower, marks, most)

    def changes(self, marks: Marks = KERNEL) -> list[Change]:
        return sorted((one for batch in self.walk(marks).changes() for one in batch), key=lambda one: one.path)

    def said(self, marks: Marks = KERNEL) -> list[str]:
        return [f"{one.kind[0].upper()} {one.path}" for one in self.changes(marks)]


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    return Layers(tmp_path, "upper", "middle", "lowest")


def test_what_only_the_upper_layer_has_was_added_and_what_is_below_too_was_changed(layers: Layers) -> None:
    layers.write(2, "etc/passwd", "root")
    layers.write(0, "etc/passwd", "root and another")
    layers.write(0, "etc/new/deep", "x")
    assert layers.said() == ["C /etc", "A /etc/new", "A /etc/new/deep", "C /etc/passwd"]


def test_a_file_that_was_only_opened_for_writing_is_the_same_file(layers: Layers) -> None:
    """The kernel copies it up, with its owner, mode, size and time; an archive's times have whole seconds."""
    layers.write(1, "etc/same", "text", at=1000.0)
    layers.write(0, "etc/same", "text", at=1000.25)
    assert layers.said() == []
    os.chmod(layers.paths[0] / "etc/same", 0o600)
    assert layers.said() == ["C /etc", "C /etc/same"]


def test_a_directory_is_said_to_have_changed_where_something_in_it_has_or_its_mode(layers: Layers) -> None:
    for layer in (0, 1):
        layers.mkdir(layer, "var/lib/quiet")
        layers.mkdir(layer, "root")
    layers.write(0, "var/lib/loud", "x")
    os.chmod(layers.paths[0] / "root", 0o700)
    assert layers.said() == ["C /root", "C /var", "C /var/lib", "A /var/lib/loud"]


def test_figures_are_those_of_files_each_once_and_links_are_not_followed(layers: Layers) -> None:
    layers.write(0, "a", "x" * 100)
    (layers.paths[0] / "b").hardlink_to(layers.paths[0] / "a")
    (layers.paths[0] / "out").symlink_to("/usr")
    layers.write(1, "c", "old")
    layers.write(0, "c", "newer")
    walk = layers.walk()
    found = {one.path: one for batch in walk.changes() for one in batch}
    assert walk.size == 100 + 5 + len("/usr")
    assert walk.sizes == {ADDED: 100 + len("/usr"), CHANGED: 5, DELETED: 0}
    assert found["/out"].type is FileType.LINK
    assert (found["/a"].size, found["/b"].size) == (100, 100)
    assert found["/c"].modified_at == 1000.0
    assert not [path for path in found if path.startswith("/out/")]


def test_a_whiteout_deletes_what_is_below_it_and_nothing_where_there_is_nothing(layers: Layers) -> None:
    require_root()
    layers.write(2, "etc/group", "x")
    layers.write(2, "opt/app/file", "x")
    layers.whiteout(0, "etc/group")
    layers.whiteout(0, "opt/app")
    layers.whiteout(0, "etc/never")
    assert layers.said() == ["C /etc", "D /etc/group", "C /opt", "D /opt/app"]
    assert [one.type for one in layers.changes() if one.kind is DELETED] == [FileType.FILE, FileType.DIRECTORY]


def test_what_a_layer_in_between_deleted_was_not_there(layers: Layers) -> None:
    require_root()
    layers.write(2, "etc/group", "x")
    layers.whiteout(1, "etc/group")
    layers.whiteout(0, "etc/group")
    layers.write(2, "srv/old", "x")
    layers.mkdir(1, "srv", trusted__overlay__opaque=b"y")
    layers.write(0, "srv/old", "new")
    assert layers.said() == ["C /srv", "A /srv/old"]


def test_a_directory_that_was_replaced_says_what_is_gone_with_the_old_one(layers: Layers) -> None:
    require_root()
    layers.write(2, "www/index.html", "old")
    layers.write(2, "www/same", "old")
    layers.write(1, "www/deep/er", "old")
    layers.write(1, "www/sub/gone", "old")
    layers.mkdir(0, "www", trusted__overlay__opaque=b"y")
    layers.write(0, "www/same", "new one")
    layers.write(0, "www/sub/x", "new")
    assert layers.said() == [
        *("C /www", "D /www/deep", "D /www/index.html", "C /www/same", "C /www/sub", "D /www/sub/gone", "A /www/sub/x"),
    ]
    assert [one.path for one in layers.changes() if one.note] == ["/www"]


def test_a_new_directory_is_opaque_too_and_replaces_nothing(layers: Layers) -> None:
    require_root()
    layers.mkdir(0, "new", trusted__overlay__opaque=b"y")
    assert [(one.kind, one.path, one.note) for one in layers.changes()] == [(ADDED, "/new", "")]


def test_a_file_in_place_of_a_directory_and_the_other_way_round_have_changed(layers: Layers) -> None:
    layers.write(1, "tmp/in", "x")
    layers.write(0, "tmp", "a file")
    layers.write(1, "bin", "a file")
    layers.write(0, "bin/tool", "x")
    assert layers.said() == ["C /bin", "A /bin/tool", "C /tmp"]


def test_a_directory_that_was_renamed_says_of_what(layers: Layers) -> None:
    require_root()
    layers.write(1, "old/file", "x")
    layers.whiteout(0, "old")
    layers.mkdir(0, "new", trusted__overlay__redirect=b"old")
    found = layers.changes()
    assert [(one.kind, one.path) for one in found] == [(ADDED, "/new"), (DELETED, "/old")]
    assert found[0].note == "renamed, with what old has"


def test_marks_count_only_of_whoever_mounted_it(layers: Layers) -> None:
    """Somebody inside may write ``user.overlay.opaque`` and ``.wh.`` files where root mounted, and they are only that."""
    layers.write(1, "www/old", "x")
    layers.mkdir(0, "www", user__overlay__opaque=b"y")
    layers.write(0, "www/.wh.old")
    assert layers.said(KERNEL) == ["C /www", "A /www/.wh.old"]
    assert layers.said(KERNEL_OF_USER) == ["C /www", "A /www/.wh.old", "D /www/old"]


def test_fuse_overlayfs_writes_files_where_it_may_not_make_devices(layers: Layers) -> None:
    layers.write(1, "etc/group", "x")
    layers.write(2, "srv/old", "x")
    layers.write(0, "etc/.wh.group")
    layers.write(0, "etc/.wh.never")
    layers.write(0, "srv/.wh..wh..opq")
    layers.write(0, "srv/new", "x")
    layers.write(2, "opt/a", "x")
    layers.write(1, "opt/.wh.a")
    layers.write(0, "opt/a", "x")
    assert layers.said(FUSE) == [
        *("C /etc", "D /etc/group", "C /opt", "A /opt/a", "C /srv", "A /srv/new", "D /srv/old"),
    ]


def test_an_empty_file_with_the_attribute_is_a_whiteout_of_a_lower_layer(layers: Layers) -> None:
    require_root()
    layers.write(2, "etc/group", "x")
    layers.write(1, "etc/group")
    os.setxattr(layers.paths[1] / "etc/group", "trusted.overlay.whiteout", b"y")
    layers.write(0, "etc/group", "x")
    assert layers.said() == ["C /etc", "A /etc/group"]


def test_files_of_every_type_are_told_by_name_and_never_opened(layers: Layers) -> None:
    require_root()
    upper = layers.paths[0]
    os.mkfifo(upper / "fifo")
    os.mknod(upper / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(upper / "loop", stat.S_IFBLK | 0o600, os.makedev(7, 0))
    assert {one.path: one.type for one in layers.changes()} == {
        "/fifo": FileType.FIFO,
        "/null": FileType.CHARACTER,
        "/loop": FileType.BLOCK,
    }


def test_names_come_as_they_are(layers: Layers) -> None:
    odd = "\x1b[31m\u202e[bold]\udcff\n"
    layers.write(0, odd, "x")
    assert [one.path for one in layers.changes()] == [f"/{odd}"]


def test_it_ends_where_there_are_too_many_files_or_levels_and_gives_every_descriptor_back(layers: Layers) -> None:
    for number in range(30):
        layers.write(0, f"{number:02}")
    before = len(os.listdir("/proc/self/fd"))
    walk = layers.walk(most=10)
    assert len([one for batch in walk.changes() for one in batch]) == 10
    assert walk.trouble == "more than 10 files"
    here = os.open(layers.paths[0], os.O_RDONLY)
    for _ in range(400):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    walk = layers.walk()
    assert len([one for batch in walk.changes() for one in batch]) < 300
    assert "below each other" in walk.trouble
    changes = layers.walk().changes()
    next(changes)
    del changes  # whoever has seen enough just drops it
    assert len(os.listdir("/proc/self/fd")) == before


@contextmanager
def stacked(above: Path) -> Iterator[tuple[Layers, Path]]:
    """Layers on a tmpfs, since the file system of the tests may be an overlay itself, and where to mount them."""
    subprocess.run(["mount", "-t", "tmpfs", "none", str(above)], check=True)
    merged = above / "merged"
    try:
        layers = Layers(above, "upper", "middle", "lowest")
        merged.mkdir()
        (above / "work").mkdir()
        for layer, path in ((2, "a/one"), (2, "a/two"), (1, "a/three"), (1, "b/deep/file"), (2, "c"), (2, "d/x"), (1, "e/f/g")):
            layers.write(layer, path, path)
        yield layers, merged
    finally:
        subprocess.run(["umount", str(merged)], check=False, capture_output=True)
        subprocess.run(["umount", "-l", str(above)], check=True)  # fuse-overlayfs takes a moment to end


def tree(top: Path) -> dict[str, tuple[int, ...]]:
    """Everything below a directory, with what makes a change of it."""
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(top.rglob("*")):
        one = path.lstat()
        what = (one.st_mode, one.st_uid, one.st_gid)
        found[f"/{path.relative_to(top)}"] = what if stat.S_ISDIR(one.st_mode) else (*what, one.st_size, one.st_mtime_ns)
    return found


#: Who mounts it, with what in the environment, and the marks that it writes.
MOUNTED: dict[str, tuple[tuple[str, ...], dict[str, str], Marks]] = {
    "kernel": (("mount", "-t", "overlay", "overlay"), {}, KERNEL),
    "fuse-overlayfs": (("fuse-overlayfs",), {}, FUSE),
    "fuse-overlayfs without devices": (("fuse-overlayfs",), {"FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT": "1"}, FUSE),
}


@pytest.mark.parametrize("by", MOUNTED)
def test_it_says_what_comparing_both_trees_says(by: str, tmp_path: Path) -> None:
    """What overlayfs itself writes into the upper directory, against the two trees that a container would see."""
    require_root()
    command, environment, marks = MOUNTED[by]
    require(command[0])
    if marks is FUSE and not Path("/dev/fuse").exists():
        unmet("there is no /dev/fuse")
    with stacked(tmp_path) as (layers, merged):
        upper, *lower = layers.paths
        options = f"lowerdir={':'.join(map(str, lower))},upperdir={upper},workdir={upper.parent / 'work'}"
        subprocess.run([*command, "-o", options, str(merged)], check=True, env={**os.environ, **environment})
        old = tree(merged)
        script = """
            echo x >> a/one; rm a/two; mv a/three a/four; rm -r b; mkdir -p b/deep; echo y > b/deep/other
            rm c; mkdir c; : > c/in
            rm -r d; echo file > d; mkdir -p new/er; ln -s /etc new/er/link; touch -a e/f/g; chmod 700 e/f; mkfifo pipe
            mkdir gone; echo x > gone/x; rm -r gone
        """
        subprocess.run(["sh", "-ec", script], cwd=merged, check=True)
        has_files = (upper / "a" / ".wh.two").exists()
        assert has_files is bool(environment)
        expected = said_of(old, tree(merged))
        assert set(layers.said(marks)) == expected
        assert len(layers.said(marks)) == len(expected)


def said_of(old: Mapping[str, tuple[int, ...]], new: Mapping[str, tuple[int, ...]]) -> set[str]:
    """What became of one tree in another."""
    said = {f"A {path}" for path in new.keys() - old.keys()}
    said |= {f"C {path}" for path in new.keys() & old.keys() if new[path] != old[path]}
    directories = {path for path, found in new.items() if stat.S_ISDIR(found[0])} | {"/"}
    said |= {f"D {path}" for path in old.keys() - new.keys() if os.path.dirname(path) in directories}
    above = {os.path.dirname(line[2:]) for line in said}
    while above - {"/"}:  # a directory in which something changed has changed
        said |= {f"C {path}" for path in above - {"/"} if f"A {path}" not in said}
        above = {os.path.dirname(path) for path in above - {"/"}}
    return said
