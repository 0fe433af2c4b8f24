"""Bounded reads, and another root that nothing leads out of."""

import errno
import os
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrscope.probes import hostfs
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.in_root import resolve_in_root
from tests.requirements import require


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """``root`` with some files, beside a file that must never be seen."""
    (tmp_path / "secret").write_text("outside")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/name").write_text("inside")
    return root


def test_a_file_is_read_whole(tree: Path) -> None:
    (tree / "long").write_bytes(b"x" * 200_000)
    assert HostFs(str(tree)).read("/etc/name") == b"inside"
    assert len(HostFs(str(tree)).read("/long")) == 200_000


def test_lines_come_as_they_are_asked_for(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "long").write_bytes(b"1\n\n" + b"2" * 70_000 + b"\n3")
    lines = HostFs(str(tree)).lines("/long")

    assert (next(lines), next(lines), len(next(lines)), next(lines, None), next(lines, None)) == (b"1", b"", 70_000, b"3", None)

    monkeypatch.setattr(hostfs, "READ_LIMIT", 65_536)
    with pytest.raises(OSError, match="longer than") as caught:
        list(HostFs(str(tree)).lines("/long"))
    assert caught.value.errno == errno.EFBIG


@pytest.mark.parametrize("limit", [5, 70_000])
def test_a_file_longer_than_the_limit_is_refused(tree: Path, limit: int) -> None:
    (tree / "long").write_bytes(b"x" * (limit + 1))
    with pytest.raises(OSError, match="longer") as caught:
        HostFs(str(tree)).read("/long", limit=limit)
    assert caught.value.errno == errno.EFBIG
    (tree / "long").write_bytes(b"x" * limit)
    assert len(HostFs(str(tree)).read("/long", limit=limit)) == limit


@pytest.mark.parametrize("target", ["/etc/name", "etc/name", "../../../etc/name", "/../etc/./name", "//etc//name"])
def test_a_symlink_is_followed_inside_the_root(tree: Path, target: str) -> None:
    (tree / "link").symlink_to(target)
    assert HostFs(str(tree)).read("/link") == b"inside"


@pytest.mark.parametrize("target", ["../secret", "/../secret", "../../../../../../etc/passwd", "etc/../../secret"])
def test_no_symlink_leads_out(tree: Path, target: str) -> None:
    (tree / "link").symlink_to(target)
    with pytest.raises(FileNotFoundError):
        HostFs(str(tree)).read("/link")


def test_a_symlink_to_itself_is_a_loop(tree: Path) -> None:
    (tree / "one").symlink_to("two")
    (tree / "two").symlink_to("/one")
    with pytest.raises(OSError, match="link") as caught:
        HostFs(str(tree)).read("/one/etc")
    assert caught.value.errno == errno.ELOOP


def test_readlink_and_lstat_do_not_follow(tree: Path) -> None:
    (tree / "link").symlink_to("net:[4026531833]")
    host = HostFs(str(tree))
    assert host.readlink("/link") == "net:[4026531833]"
    assert stat.S_ISLNK(host.lstat("/link").st_mode)
    assert not host.exists("/link")


def test_a_pipe_is_never_opened(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(OSError, match="regular") as caught:
        HostFs(str(tree)).read("/pipe")
    assert caught.value.errno == errno.EINVAL


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_of_somebody_else_is_refused(tree: Path) -> None:
    (tree / "link").symlink_to("etc/name")
    os.chown(tree / "etc/name", 1000, 1000)
    assert HostFs(str(tree)).read("/link", owner=1000) == b"inside"
    with pytest.raises(PermissionError, match="owned by uid 1000, not by uid 1001"):
        HostFs(str(tree)).read("/link", owner=1001)


def test_names_that_are_not_utf_8_come_back_the_way_they_went(tree: Path) -> None:
    os.mkdir(os.fsencode(tree) + b"/b\xffd")
    host = HostFs(str(tree))
    (name,) = (name for name in host.names("/") if name.startswith("b"))
    assert os.fsencode(name) == b"b\xffd"
    assert host.names(f"/{name}") == []


def test_descriptors_are_closed_again(tree: Path) -> None:
    (tree / "loop").symlink_to("loop")
    host = HostFs(str(tree))
    before = len(os.listdir("/proc/self/fd"))
    host.read("/etc/name")
    for path in ("/etc/gone", "/loop", "/etc/name/below"):
        with pytest.raises(OSError, match=path.rpartition("/")[2]):
            host.stat(path)
    assert len(os.listdir("/proc/self/fd")) == before


_NAME = st.sampled_from(["a", "b", "c"])
_TARGET = st.lists(st.sampled_from(["a", "b", "c", "..", ".", ""]), min_size=1, max_size=6).map("/".join)


@settings(max_examples=300, deadline=None)
@given(
    entries=st.lists(st.tuples(st.lists(_NAME, min_size=1, max_size=3), st.none() | _TARGET), max_size=12),
    path=_TARGET,
    follow=st.booleans(),
)
def test_no_tree_of_directories_and_symlinks_leads_out_of_the_root(
    entries: list[tuple[list[str], str | None]], path: str, follow: bool
) -> None:
    with tempfile.TemporaryDirectory() as outside:
        root = os.path.join(os.path.realpath(outside), "a")  # what lies outside has the names that targets have
        os.mkdir(root)
        os.mkdir(os.path.join(outside, "b"))
        for names, target in entries:
            place = os.path.join(root, *names)
            try:
                if target is None:
                    os.makedirs(place, exist_ok=True)
                else:
                    os.symlink(target, place)
            except OSError:
                continue  # its parent is a dangling symlink, or it exists
        try:
            handle = resolve_in_root(root, "/" + path, follow=follow)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
                raise
            return
        try:
            found = os.readlink(f"/proc/self/fd/{handle}")
            assert found == root or found.startswith(root + "/")
        finally:
            os.close(handle)


def test_a_directory_that_turns_into_a_symlink_meanwhile_does_not_lead_out(tree: Path) -> None:
    (tree / "etc/secret").write_text("inside")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(tree / "etc", tree / "away")
            os.symlink("..", tree / "etc")
            os.unlink(tree / "etc")
            os.rename(tree / "away", tree / "etc")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        seen = set()
        looks, end = 0, time.monotonic() + 60
        while looks < 3000 or (b"inside" not in seen and time.monotonic() < end):  # a loaded machine may swap whenever we look
            looks += 1
            try:
                seen.add(HostFs(str(tree)).read("/etc/secret"))
            except OSError:
                seen.add(b"")
    finally:
        stop.set()
        swapper.join()
    assert seen <= {b"inside", b""}
    assert b"inside" in seen


def test_an_open_process_is_the_same_process_until_it_ends() -> None:
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), 19)
        os._exit(0)
    os.waitpid(pid, os.WUNTRACED)
    with HostFs().process(pid) as process:
        assert process.read("stat").startswith(f"{pid} ".encode())
        assert "net" in process.names("ns")
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        with pytest.raises(ProcessLookupError):
            process.read("stat")


def test_a_process_sees_its_own_root() -> None:
    with HostFs().inside(os.getpid()) as inside:
        assert inside.read("/etc/passwd") == Path("/etc/passwd").read_bytes()


def test_the_root_link_of_a_captured_process_is_not_followed(tree: Path) -> None:
    (tree / "proc/4711").mkdir(parents=True)
    (tree / "proc/4711/root").symlink_to("/")
    with pytest.raises(OSError, match="live") as caught, HostFs(str(tree)).inside(4711):
        pass
    assert caught.value.errno == errno.ENOTSUP


@pytest.mark.parametrize("path", ["/a\0b", "/a\ud800b", "/" + "x" * 5000])
@pytest.mark.parametrize("method", ["read", "readlink", "names", "lstat", "stat"])
def test_a_path_that_no_file_can_have_is_an_os_error(tmp_path: Path, method: str, path: str) -> None:
    for root in ("/", str(tmp_path)):
        with pytest.raises(OSError, match=r"not a path|too long|No such file"):
            getattr(HostFs(root), method)(path)


def test_links_of_one_directory_come_in_order_and_missing_ones_are_none(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).symlink_to(f"{name}:[1]")
    for host, directory in ((HostFs(), str(tmp_path)), (HostFs(str(tmp_path)), "/")):
        assert host.readlinks(directory, names=("b", "x", "a")) == ["b:[1]", None, "a:[1]"]


@pytest.mark.parametrize("root", ["/", "/proc/self/root"])
def test_the_file_of_a_namespace_is_held_open_as_long_as_it_is_looked_at(root: str) -> None:
    with HostFs(root).namespace(f"/proc/{os.getpid()}/ns/net") as handle:
        assert os.fstat(handle).st_ino == os.stat("/proc/self/ns/net").st_ino
        with HostFs(root).namespace(f"/proc/{os.getpid()}/fd/{handle}") as again:
            assert os.path.samestat(os.fstat(handle), os.fstat(again))
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(handle)


@pytest.mark.parametrize("path", ["/dev/null", "/etc/passwd", "/proc/self/fd/0", "/proc/../etc/passwd"])
def test_what_is_no_namespace_is_not_opened_as_one(path: str) -> None:
    with pytest.raises(OSError, match="not a namespace") as caught, HostFs().namespace(path):
        pass
    assert caught.value.errno == errno.EINVAL


def test_the_namespace_link_of_a_captured_process_is_not_followed(tree: Path) -> None:
    (tree / "proc/4711/ns").mkdir(parents=True)
    (tree / "proc/4711/ns/net").symlink_to("/proc/self/ns/net")
    with pytest.raises(OSError, match="live") as caught, HostFs(str(tree)).namespace("/proc/4711/ns/net"):
        pass
    assert caught.value.errno == errno.ENOTSUP


def test_a_directory_with_more_files_than_anybody_needs_is_too_big(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctrscope.probes.hostfs._MOST_NAMES", 3)
    for number in range(4):
        (tree / "etc" / f"more{number}").touch()
    for host, path in ((HostFs(str(tree)), "/etc"), (HostFs(), str(tree / "etc"))):
        with pytest.raises(OSError, match="more than 3 files") as caught:
            host.names(path)
        assert caught.value.errno == errno.EFBIG


def test_what_a_directory_holds_is_what_du_says(tmp_path: Path) -> None:
    require("du")
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/file").write_bytes(b"x" * 123_456)
    (tmp_path / "twice").hardlink_to(tmp_path / "deep/er/file")
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 1 << 30)
    (tmp_path / "out").symlink_to("/usr")
    said = subprocess.run(["du", "-sx", "--block-size=1", str(tmp_path)], capture_output=True, text=True, check=True).stdout
    found = HostFs().disk_usage(str(tmp_path), most=100)
    assert found.size == int(said.split()[0])
    assert (found.files, found.trouble) == (5, "")
    assert found.content == 123_456 + (1 << 30) + len("/usr")  # as engines count: what files say, each once
    assert HostFs(str(tmp_path)).disk_usage("/", most=100) == found


def test_counting_ends_where_there_are_too_many_files_or_levels(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}").touch()
    found = HostFs().disk_usage(str(tmp_path), most=10)
    assert (found.files, found.trouble) == (10, "more than 10 files")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    found = HostFs().disk_usage(str(tmp_path), most=1000)
    assert "below each other" in found.trouble
    assert found.files < 1000
