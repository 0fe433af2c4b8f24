"""Mounts, octal escapes, overlay layers."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrscope.model.gap import ParseError
from ctrscope.model.mount import Mount, Overlay
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import find_unanswering, parse_mountinfo, parse_overlay, read_mountinfo

_LINE = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"


def test_the_line_of_the_manual_page_is_parsed() -> None:
    assert parse_mountinfo(_LINE) == (
        Mount(
            mount_id=36,
            parent_id=35,
            device="98:0",
            root="/mnt1",
            mount_point="/mnt2",
            options=("rw", "noatime"),
            propagation=("master:1", "shared:2"),
            fs_type="ext3",
            source="/dev/root",
            super_options=("rw", "errors=continue"),
        ),
    )


def test_a_private_mount_has_no_optional_fields() -> None:
    (mount,) = parse_mountinfo(b"1 0 0:1 / / rw - tmpfs none rw\n")
    assert mount.propagation == ()


def test_a_source_may_be_empty_and_a_mount_point_a_hyphen() -> None:
    (mount,) = parse_mountinfo(b"1 0 0:1 - - rw - tmpfs  rw\n")
    assert (mount.root, mount.mount_point, mount.source, mount.super_options) == ("-", "-", "", ("rw",))


def test_a_backslash_that_escapes_nothing_stays() -> None:
    (mount,) = parse_mountinfo(b"1 0 0:1 / /a\\9b\\400\\04 rw - tmpfs x rw\n")
    assert mount.mount_point == "/a\\9b\\400\\04"


@given(st.binary(min_size=1, max_size=30).filter(lambda path: b"\0" not in path))
def test_any_path_comes_back_as_it_was(path: bytes) -> None:
    escaped = b"".join(b"\\%03o" % byte if byte in b" \t\n\\#" else bytes((byte,)) for byte in b"/" + path)
    (mount,) = parse_mountinfo(b"1 0 0:1 %s %s rw - tmpfs x rw\n" % (escaped, escaped))
    assert mount.mount_point.encode("utf-8", "surrogateescape") == b"/" + path
    assert mount.root == mount.mount_point


@pytest.mark.parametrize("text", [b"1 0 0:1 / / rw\n", b"x 0 0:1 / / rw - a b c\n", b"1 0 0:1 / / rw - tmpfs\n", b"\xff\n"])
def test_a_broken_line_is_malformed(text: bytes) -> None:
    with pytest.raises(ParseError, match="line 2"):
        parse_mountinfo(_LINE + text)


def _overlay(options: bytes) -> Overlay | None:
    (mount,) = parse_mountinfo(b"1 0 0:1 / / rw - overlay overlay rw,%s\n" % options)
    return parse_overlay(mount)


def test_layers_are_split_at_colons() -> None:
    assert _overlay(b"lowerdir=/l/A:/l/B,upperdir=/u/diff,workdir=/u/work") == Overlay(
        lower=("/l/A", "/l/B"), upper="/u/diff", work="/u/work"
    )


def test_a_colon_or_comma_that_is_part_of_a_layer_does_not_split() -> None:
    assert _overlay(rb"lowerdir=/a\134:b:/c\054d,upperdir=/x\134\134y,workdir=/w") == Overlay(
        lower=("/a:b", "/c,d"), upper="/x\\y", work="/w"
    )


def test_newer_kernels_tell_each_layer_by_itself() -> None:
    assert _overlay(b"lowerdir+=/a:b,lowerdir+=/c,datadir+=/d") == Overlay(lower=("/a:b", "/c", "/d"), upper=None, work=None)


def test_data_only_layers_come_after_two_colons() -> None:
    assert _overlay(b"lowerdir=/a::/b") == Overlay(lower=("/a", "/b"), upper=None, work=None)


def test_a_mount_of_another_kind_has_no_layers() -> None:
    (mount,) = parse_mountinfo(b"1 0 0:1 / / rw - fuse.fuse-overlayfs fuse-overlayfs rw\n")
    assert parse_overlay(mount) is None


def test_mounts_of_the_host_are_those_findmnt_tells(v2_root: Path, v2_host: HostFs) -> None:
    def flatten(entries: list[dict[str, object]]) -> list[str]:
        found = []
        for entry in entries:
            found.append(str(entry["target"]))
            children = entry.get("children", [])
            assert isinstance(children, list)
            found += flatten(children)
        return found

    said = flatten(json.loads((v2_root / "cmd/findmnt.json").read_text())["filesystems"])
    assert sorted(mount.mount_point for mount in read_mountinfo(v2_host, 1)) == sorted(said)


@pytest.mark.parametrize(
    ("mounts", "path", "served"),
    [
        ([("/", "overlay"), ("/proc", "proc")], "/etc/resolv.conf", None),
        ([("/", "overlay"), ("/data", "fuse.sshfs")], "/etc/resolv.conf", "/data"),  # it may be a symlink into that
        ([("/", "overlay"), ("/etc/resolv.conf", "ext4"), ("/data", "fuse.sshfs")], "/etc/resolv.conf", None),
        ([("/", "overlay"), ("/etc/resolv.conf", "ext4"), ("/etc", "fuse")], "/etc/resolv.conf", "/etc"),
        ([("/", "fuse.fuse-overlayfs"), ("/dev", "tmpfs")], "/dev", "/"),
        ([("/", "overlay"), ("/dev", "tmpfs"), ("/dev/x", "fuse")], "/dev", "/dev/x"),
        ([("/", "overlay"), ("/dev", "tmpfs"), ("/dev/fuse.d", "fuse.lxcfs"), ("/devices", "fuse")], "/dev", None),
        ([("/", "overlay"), ("/dev", "fuse.lxcfs")], "/dev", "/dev"),  # not the host's: anybody may call his own so
    ],
)
def test_what_may_never_answer_is_known_before_it_is_asked(
    tmp_path: Path, mounts: list[tuple[str, str]], path: str, served: str | None
) -> None:
    init = tmp_path / "proc/1/mountinfo"
    init.parent.mkdir(parents=True)
    init.write_text("20 1 0:4 / /var/lib/lxcfs rw - fuse.lxcfs lxcfs rw\n21 1 0:3 / /mnt rw - fuse.sshfs x rw\n")
    text = "".join(f"{number} 1 0:{number} / {point} rw - {kind} x rw\n" for number, (point, kind) in enumerate(mounts, 2))
    assert find_unanswering(HostFs(str(tmp_path)), parse_mountinfo(text.encode()), path) == served
