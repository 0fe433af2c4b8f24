"""Images: what layers become, and what is refused without a byte written outside."""

import hashlib
import json
import os
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from ctrscope.images.image import opened_image
from ctrscope.oci.errors import LauncherError
from tests.images.layouts import Entry, archive, file, folder, hard_link, special, symlink, write_layout
from tests.requirements import require, require_root


def unpack(tmp_path: Path, *layers: list[Entry], compress: str = "") -> Path:
    root = tmp_path / "root"
    root.mkdir()
    with opened_image(write_layout(tmp_path / "layout", [archive(one) for one in layers], compress=compress)) as image:
        image.unpack(str(root))
    return root


def listed(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.mark.parametrize("compress", ["", "gzip", "zstd"])
def test_files_folders_and_links_are_unpacked_as_they_are(tmp_path: Path, compress: str) -> None:
    require(*(["zstd"] if compress == "zstd" else []))
    root = unpack(
        tmp_path,
        [
            folder("etc"),
            file("etc/motd", b"hello\n", mode=0o640, mtime=1_000_000_000),
            symlink("etc/mtab", "/proc/mounts"),
            hard_link("etc/same", "etc/motd"),
            folder("var/tmp", mode=0o1777, mtime=1_100_000_000),
            file("var/tmp/x"),
            special("pipe", tarfile.FIFOTYPE),
        ],
        compress=compress,
    )
    assert (root / "etc/motd").read_bytes() == b"hello\n"
    assert (root / "etc/motd").stat().st_mode & 0o7777 == 0o640
    assert (root / "etc/motd").stat().st_mtime == 1_000_000_000
    assert os.readlink(root / "etc/mtab") == "/proc/mounts"
    assert (root / "etc/same").samefile(root / "etc/motd")
    assert (root / "var/tmp").stat().st_mode & 0o7777 == 0o1777
    assert (root / "var/tmp").stat().st_mtime == 1_100_000_000
    assert (root / "pipe").is_fifo()


def test_set_user_id_survives_the_change_of_owner(tmp_path: Path) -> None:
    root = unpack(tmp_path, [file("su", b"#!", mode=0o4755)])
    assert (root / "su").stat().st_mode & 0o7777 == 0o4755


def test_a_whiteout_removes_what_a_layer_below_put_there(tmp_path: Path) -> None:
    root = unpack(
        tmp_path,
        [file("kept"), file("gone"), file("folder/a"), file("folder/deep/b")],
        [file(".wh.gone"), file(".wh.folder"), file("new")],
    )
    assert listed(root) == ["kept", "new"]


@pytest.mark.parametrize("first", ["marker", "file"])
def test_an_opaque_folder_keeps_what_its_own_layer_puts_in_wherever_the_marker_stands(tmp_path: Path, first: str) -> None:
    entries = [file("folder/.wh..wh..opq"), file("folder/new"), file("folder/deep/new")]
    root = unpack(
        tmp_path, [file("folder/old"), file("folder/deep/old")], entries if first == "marker" else [*entries[1:], entries[0]]
    )
    assert listed(root) == ["folder", "folder/deep", "folder/deep/new", "folder/new"]


@pytest.mark.parametrize("first", ["whiteout", "file"])
def test_a_whiteout_is_about_layers_below_not_about_its_own(tmp_path: Path, first: str) -> None:
    entries = [file(".wh.folder"), file("folder/new")]
    root = unpack(tmp_path, [file("folder/old")], entries if first == "whiteout" else entries[::-1])
    assert listed(root) == ["folder", "folder/new"]


def test_a_later_layer_replaces_whatever_kind_of_thing_was_there(tmp_path: Path) -> None:
    root = unpack(
        tmp_path,
        [file("a"), folder("b"), file("b/inside"), symlink("c", "a"), folder("d"), file("d/kept")],
        [folder("a"), file("b", b"b"), file("c", b"c"), folder("d", mode=0o700)],
    )
    assert (root / "a").is_dir()
    assert (root / "b").read_bytes() == b"b"
    assert (root / "c").read_bytes() == b"c"
    assert not (root / "c").is_symlink()
    assert (root / "d").stat().st_mode & 0o7777 == 0o700
    assert (root / "d/kept").exists()


HOSTILE = {
    "a path with ..": [file("../escaped")],
    "a path with .. in the middle": [folder("a"), file("a/../../escaped")],
    "an absolute path": [file("/{outside}/escaped")],
    "a whiteout of ..": [folder("a"), file("a/.wh...")],
    "a whiteout of the folder itself": [folder("a"), file("a/.wh..")],
    "a hard link to a file outside": [hard_link("stolen", "{outside}/victim")],
    "a hard link with ..": [hard_link("stolen", "../outside/victim")],
    "a hard link through a link": [symlink("way", "{outside}"), hard_link("stolen", "way/victim")],
    "a hard link to nothing": [hard_link("stolen", ".")],
    "a hard link to what is missing": [hard_link("stolen", "missing")],
    "a character device": [special("null", tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "a block device": [special("disk", tarfile.BLKTYPE, devmajor=8)],
    "a name too long": [file("x" * 256)],
    "a path too long": [file("/".join(["x" * 200] * 25))],
    "directories too deep": [folder("/".join(["x"] * 257))],
    "directories too deep behind a link": [symlink("way", "/".join(["x"] * 257)), file("way/a")],
    "a link to itself": [symlink("way", "way"), file("way/a")],
    "links in a circle": [symlink("one", "two/x"), symlink("two", "one/x"), file("one/a")],
    "more links than the kernel follows": [*(symlink(f"{n}", f"{n + 1}") for n in range(41)), folder("41"), file("0/a")],
    "a file below a link to a file": [file("a"), symlink("way", "a"), file("way/b")],
    "a file below a file": [file("a"), file("a/b")],
    "an exbibyte": [file("huge", size=1 << 60)],
    "a negative size": [special("negative", tarfile.REGTYPE, size=-512)],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_has_no_place_in_an_image_is_refused_and_nothing_outside_changes(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_text("mine\n")
    before = {path: path.lstat() for path in (outside, outside / "victim")}
    entries = []
    for entry, content in HOSTILE[name]:
        entry.name, entry.linkname = (text.replace("{outside}", str(outside)) for text in (entry.name, entry.linkname))
        entries.append((entry, content))
    with pytest.raises(LauncherError, match="layer sha256:"):
        unpack(tmp_path, entries)
    assert sorted(os.listdir(tmp_path)) == ["layout", "outside", "root"]
    assert os.listdir(outside) == ["victim"]
    for path, found in before.items():
        now = path.lstat()
        assert (now.st_mode, now.st_nlink, now.st_mtime_ns, now.st_ctime_ns) == (
            found.st_mode,
            found.st_nlink,
            found.st_mtime_ns,
            found.st_ctime_ns,
        )
    assert not (tmp_path / "root/stolen").exists()


#: What the layers are, and what is in the root then: as a process inside would have found its way.
LINKS: dict[str, tuple[list[list[Entry]], list[str]]] = {
    "Debian's /bin": (
        [[folder("usr/bin"), symlink("bin", "usr/bin")], [file("bin/new"), file("usr/bin/other")]],
        ["bin -> usr/bin", "usr", "usr/bin", "usr/bin/new", "usr/bin/other"],
    ),
    "a folder made in Debian's /lib": (
        [[folder("usr/lib"), symlink("lib", "usr/lib")], [folder("lib/x", mode=0o700, mtime=900_000_000), file("lib/x/y")]],
        ["lib -> usr/lib", "usr", "usr/lib", "usr/lib/x", "usr/lib/x/y"],
    ),
    "a whiteout in Debian's /bin": (
        [[file("usr/bin/gone"), file("usr/bin/kept"), symlink("bin", "usr/bin")], [file("bin/.wh.gone")]],
        ["bin -> usr/bin", "usr", "usr/bin", "usr/bin/kept"],
    ),
    "a file of this layer that a whiteout on another way is not about": (
        [[file("usr/bin/x", b"old"), symlink("bin", "usr/bin")], [file("usr/bin/x", b"new"), file("bin/.wh.x")]],
        ["bin -> usr/bin", "usr", "usr/bin", "usr/bin/x"],
    ),
    "an opaque folder behind a link": (
        [[file("usr/bin/gone"), symlink("bin", "usr/bin")], [file("bin/new"), file("bin/.wh..wh..opq")]],
        ["bin -> usr/bin", "usr", "usr/bin", "usr/bin/new"],
    ),
    "a hard link on both ways": (
        [[file("usr/bin/a", b"a"), symlink("bin", "usr/bin")], [hard_link("bin/b", "bin/a"), hard_link("usr/bin/c", "bin/b")]],
        ["bin -> usr/bin", "usr", "usr/bin", "usr/bin/a", "usr/bin/b", "usr/bin/c"],
    ),
    "a link to what is not there yet": (
        [[symlink("var/run", "/run/deep")], [file("var/run/pid")]],
        ["run", "run/deep", "run/deep/pid", "var", "var/run -> /run/deep"],
    ),
    "a chain of links": (
        [[symlink("one", "two/./x"), symlink("two", "/three/../three"), folder("three/x")], [file("one/a")]],
        ["one -> two/./x", "three", "three/x", "three/x/a", "two -> /three/../three"],
    ),
    "a link that becomes a folder": (
        [[folder("usr/bin"), symlink("bin", "usr/bin")], [folder("bin"), file("bin/new")]],
        ["bin", "bin/new", "usr", "usr/bin"],
    ),
    "a folder that becomes a link": (
        [[file("bin/old"), folder("usr/bin")], [symlink("bin", "usr/bin"), file("bin/new")]],
        ["bin -> usr/bin", "usr", "usr/bin", "usr/bin/new"],
    ),
    "a link that becomes another": (
        [[folder("a"), folder("b"), symlink("way", "a")], [file("way/1")], [symlink("way", "b"), file("way/2")]],
        ["a", "a/1", "b", "b/2", "way -> b"],
    ),
    "an absolute link to what is outside": (
        [[symlink("way", "/outside")], [file("way/.wh.victim"), file("way/.wh..wh..opq"), file("way/mine")]],
        ["outside", "outside/mine", "way -> /outside"],
    ),
    "a link with more .. than there are folders": (
        [[symlink("a/way", "../../../../outside"), symlink("a/up", "../../..")], [file("a/way/mine"), file("a/up/top")]],
        ["a", "a/up -> ../../..", "a/way -> ../../../../outside", "outside", "outside/mine", "top"],
    ),
    "a link out of the root that a link leads to": (
        [
            [folder("outside/deep"), symlink("one", "two/.."), symlink("two", "/outside/deep")],
            [folder("one/x"), symlink("one/y", "/")],
        ],
        ["one -> two/..", "outside", "outside/deep", "outside/x", "outside/y -> /", "two -> /outside/deep"],
    ),
    "a link that is swapped once more is looked at": (
        [[folder("in"), symlink("way", "in"), file("way/1"), symlink("way", "/outside"), file("way/2")]],
        ["in", "in/1", "outside", "outside/2", "way -> /outside"],
    ),
}  # fmt: skip


def links_listed(root: Path) -> list[str]:
    return sorted(
        f"{path.relative_to(root)}{f' -> {os.readlink(path)}' if path.is_symlink() else ''}" for path in root.rglob("*")
    )


@pytest.mark.parametrize("name", LINKS)
def test_links_on_the_way_are_followed_as_from_inside(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "victim").write_text("mine\n")
    layers, expected = LINKS[name]
    # "/outside" is the container's own, and as a path of this host there is none; one that climbs meets this one.
    root = unpack(tmp_path, *layers)
    assert links_listed(root) == expected
    assert sorted(os.listdir(tmp_path)) == ["layout", "outside", "root"]
    assert sorted(os.listdir(outside)) == ["deep", "victim"]
    assert not Path("/outside").exists()


def test_a_link_by_a_path_of_this_host_leads_nowhere_on_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_text("mine\n")
    before = outside.stat()
    root = unpack(
        tmp_path,
        [symlink("way", str(outside))],
        [file("way/mine"), file("way/.wh.victim"), folder("way", mtime=900_000_000), file("way/two")],
    )
    assert (outside / "victim").read_text() == "mine\n"
    assert os.listdir(outside) == ["victim"]
    assert (outside.stat().st_mtime_ns, outside.stat().st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
    assert [str(path) for path in (Path(f"{root}{outside}").iterdir())] == [f"{root}{outside}/mine"]
    assert os.listdir(root / "way") == ["two"]


@pytest.mark.parametrize("name", LINKS)
def test_umoci_follows_the_same_links(tmp_path: Path, name: str) -> None:
    require("umoci")
    require_root("umoci gives files their owners")
    reference = write_layout(tmp_path / "layout", [archive(one) for one in LINKS[name][0]])
    subprocess.run(["umoci", "unpack", "--image", reference, tmp_path / "theirs"], check=True, capture_output=True)
    assert links_listed(tmp_path / "theirs/rootfs") == LINKS[name][1]


def test_a_bomb_of_zeros_is_refused_before_it_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctrscope.images.layers._SIZE_LIMIT", 1 << 20)
    with pytest.raises(LauncherError, match="more bytes than it may bring"):
        unpack(tmp_path, [file(f"zeros{number}", bytes(1 << 19)) for number in range(4)], compress="gzip")
    assert sum(path.stat().st_size for path in (tmp_path / "root").iterdir()) <= 1 << 20


def test_a_bomb_that_zstd_packed_is_refused_too_and_nobody_is_left_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("zstd")
    before = set(threading.enumerate())
    monkeypatch.setattr("ctrscope.images.layers._SIZE_LIMIT", 1 << 20)
    with pytest.raises(LauncherError, match="more bytes than it may bring"):
        unpack(tmp_path, [file(f"zeros{number}", bytes(1 << 19)) for number in range(40)], compress="zstd")
    assert sum(path.stat().st_size for path in (tmp_path / "root").iterdir()) <= 1 << 20
    assert set(threading.enumerate()) <= before


def test_without_zstd_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("zstd")
    reference = write_layout(tmp_path / "layout", [archive([file("a")])], compress="zstd")
    monkeypatch.setattr("ctrscope.images.zstd.import_module", absent)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "root").mkdir()
    with (
        opened_image(reference) as image,
        pytest.raises(LauncherError, match="install zstd, or copy the image once more with skopeo copy"),
    ):
        image.unpack(str(tmp_path / "root"))


def absent(name: str) -> None:
    raise ImportError(name)


def test_what_zstd_cannot_make_sense_of_is_refused(tmp_path: Path) -> None:
    require("zstd")
    content = archive([file("a", os.urandom(1 << 16))])
    packed = subprocess.run(("zstd", "-q"), input=content, capture_output=True, check=True).stdout
    diff_id = f"sha256:{hashlib.sha256(content).hexdigest()}"
    for number, broken in enumerate((packed[:-100], packed[:200] + b"?" * 200 + packed[400:])):
        target = tmp_path / f"{number}"
        reference = write_layout(target, [broken], diff_ids=[diff_id])
        (target / "root").mkdir()
        with opened_image(reference) as image, pytest.raises(LauncherError, match="layer sha256:"):
            image.unpack(str(target / "root"))


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctrscope.images.layers._ENTRY_LIMIT", 10)
    with pytest.raises(LauncherError, match="more than 10 entries"):
        unpack(tmp_path, [file(str(number)) for number in range(11)])


def test_a_header_that_says_it_is_longer_than_memory_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 1 << 33
    layer = header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 16)
    (tmp_path / "root").mkdir()
    with opened_image(write_layout(tmp_path / "layout", [layer])) as image, pytest.raises(LauncherError, match="header of 85"):
        image.unpack(str(tmp_path / "root"))


@pytest.mark.parametrize("cut", [700, 1100])
def test_an_archive_that_ends_early_is_refused(tmp_path: Path, cut: int) -> None:
    layer = archive([file("a", b"x" * 600), file("b", b"y" * 600)])[:cut]
    (tmp_path / "root").mkdir()
    with opened_image(write_layout(tmp_path / "layout", [layer])) as image, pytest.raises(LauncherError):
        image.unpack(str(tmp_path / "root"))


def test_a_blob_that_is_not_what_its_digest_says_is_refused(tmp_path: Path) -> None:
    reference = write_layout(tmp_path / "layout", [archive([file("a", b"good")])])
    for blob in (tmp_path / "layout/blobs/sha256").iterdir():
        if b"good" in (content := blob.read_bytes()):
            blob.write_bytes(content.replace(b"good", b"evil"))
    (tmp_path / "root").mkdir()
    with opened_image(reference) as image, pytest.raises(LauncherError, match="not what its digest says"):
        image.unpack(str(tmp_path / "root"))
    assert os.listdir(tmp_path / "root") == []


def test_a_layer_that_is_not_what_the_configuration_says_is_refused(tmp_path: Path) -> None:
    reference = write_layout(tmp_path / "layout", [archive([file("a")])], diff_ids=["sha256:" + "0" * 64])
    (tmp_path / "root").mkdir()
    with opened_image(reference) as image, pytest.raises(LauncherError, match="the configuration says sha256:000"):
        image.unpack(str(tmp_path / "root"))


@pytest.mark.parametrize("digest", ["sha256:../../../../etc/passwd", "sha256:" + "A" * 64, "md5:" + "0" * 32, ""])
def test_a_digest_is_no_path(tmp_path: Path, digest: str) -> None:
    write_layout(tmp_path / "layout", [])
    (tmp_path / "layout/index.json").write_text(json.dumps({"manifests": [{"digest": digest}]}))
    with pytest.raises(LauncherError, match="is no sha256 or sha512 digest"), opened_image(str(tmp_path / "layout")):
        pass


def test_the_tag_chooses_and_without_one_there_has_to_be_one_image(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", [], tag="one", config={"Cmd": ["one"]})
    two = write_layout(tmp_path / "layout", [], tag="two", config={"Cmd": ["two"]})
    with opened_image(two) as image:
        assert image.settings.cmd == ["two"]
    with pytest.raises(LauncherError, match="say which tag; it has one, two"), opened_image(str(tmp_path / "layout")):
        pass
    with pytest.raises(LauncherError, match="no such tag; it has one, two"), opened_image(f"{tmp_path}/layout:three"):
        pass


def test_what_is_no_image_layout_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="there is no such image layout"), opened_image(f"{tmp_path}/none:1"):
        pass
    with pytest.raises(LauncherError, match=r"index\.json is missing"), opened_image(str(tmp_path)):
        pass
    (tmp_path / "text").write_text("hello")
    with pytest.raises(LauncherError, match="no image layout"), opened_image(f"{tmp_path}/text"):
        pass


def test_an_archive_of_a_layout_is_as_good_as_the_layout(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", [archive([file("a", b"content")])], compress="gzip")
    with tarfile.open(tmp_path / "image.tar", "w") as tar:
        for path in sorted((tmp_path / "layout").rglob("*")):
            tar.add(path, str(path.relative_to(tmp_path / "layout")), recursive=False)
    (tmp_path / "root").mkdir()
    with opened_image(f"{tmp_path}/image.tar:latest") as image:
        image.unpack(str(tmp_path / "root"))
    assert (tmp_path / "root/a").read_bytes() == b"content"


def described(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything of every file that an image can say."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        one = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        names = os.listxattr(path, follow_symlinks=False)
        attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
        times = one.st_mtime_ns if path != root else None
        found[str(path.relative_to(root))] = (one.st_mode, one.st_uid, one.st_gid, one.st_nlink if not path.is_dir() else 0,
                                              times, content, attributes)  # fmt: skip
    return found


def test_umoci_makes_the_same_of_it_file_by_file(tmp_path: Path) -> None:
    require("umoci")
    require_root("umoci gives files their owners")
    capability = (b"\x01\x00\x00\x02\x00\x04\x00\x00" + bytes(12)).decode("latin-1")
    entries = [
        folder("./", mode=0o755, mtime=900_000_000),
        folder("./etc", mode=0o755, mtime=900_000_001),
        file("./etc/motd", b"hello\n", mode=0o640, uid=7, gid=8, mtime=900_000_002),
        file("./usr/bin/su", b"\x7fELF", mode=0o4755, uid=0, gid=9, mtime=900_000_003),
        file("./usr/bin/ping", b"\x7fELF!", mode=0o755, pax_headers={"SCHILY.xattr.security.capability": capability}),
        file("./usr/bin/fine", b"", pax_headers={"mtime": "900000004.123456789", "SCHILY.xattr.user.note": "yes"}),
        symlink("./etc/mtab", "/proc/mounts"),
        symlink("./bin", "usr/bin"),
        hard_link("./usr/bin/sudo", "./usr/bin/su"),
        special("./run/pipe", tarfile.FIFOTYPE, mode=0o600, mtime=900_000_005),
        folder("./var/tmp", mode=0o1777, mtime=900_000_006),
        *(file(f"./var/cache/{number}", b"x" * number, mtime=900_000_010) for number in range(50)),
        file("./srv/" + "é" * 100 + "/" + "y" * 200, b"long", mtime=900_000_011),
        folder("./var/cache", mode=0o2755, uid=6, mtime=900_000_012),
        folder("./srv", mtime=900_000_013), folder("./usr", mtime=900_000_013), folder("./usr/bin", mtime=900_000_013),
        folder("./run", mtime=900_000_013), folder("./srv/" + "é" * 100, mtime=900_000_013), folder("./var", mtime=900_000_013),
    ]  # fmt: skip
    changes = [
        folder("etc", mode=0o750, mtime=900_000_020),
        file("etc/.wh.motd"),
        folder("var", mtime=900_000_020),
        folder("var/cache", mode=0o700, mtime=900_000_021),
        file("var/cache/.wh..wh..opq"),
        file("var/cache/new", b"new", mtime=900_000_022),
        folder("usr", mtime=900_000_020),
        folder("usr/bin", mtime=900_000_020),
        file("usr/bin/fine", b"changed", mode=0o600, mtime=900_000_023),
    ]
    reference = write_layout(tmp_path / "layout", [archive(entries), archive(changes)], compress="gzip")
    subprocess.run(["umoci", "unpack", "--image", reference, tmp_path / "theirs"], check=True, capture_output=True)
    (tmp_path / "ours").mkdir()
    with opened_image(reference) as image:
        image.unpack(str(tmp_path / "ours"))
    ours, theirs = described(tmp_path / "ours"), described(tmp_path / "theirs/rootfs")
    assert {name: (ours.get(name), theirs.get(name)) for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)} == {}
