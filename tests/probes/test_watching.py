"""Records of inotify and of the process connector, as the kernel writes them."""

import os
import struct
from pathlib import Path

import pytest

from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.inotify import CREATE, IS_DIR, Change, Inotify, parse_changes
from ctrscope.probes.proc_connector import Ended, Executed, parse_event


def test_records_follow_each_other_with_their_names() -> None:
    data = struct.pack("=iIII16s", 1, CREATE | IS_DIR, 0, 16, b"web") + struct.pack("=iIII", 2, 0x8000, 0, 0)
    assert list(parse_changes(data)) == [Change(1, CREATE | IS_DIR, "web"), Change(2, 0x8000, "")]


@pytest.mark.parametrize("data", [b"\0" * 15, struct.pack("=iIII", 1, 2, 0, 16) + b"web"])
def test_a_record_that_is_cut_off_is_malformed(data: bytes) -> None:
    with pytest.raises(ParseError):
        list(parse_changes(data))


def test_a_directory_below_another_root_is_watched_inside_it(tmp_path: Path) -> None:
    (tmp_path / "host/run/runc").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "host/out").symlink_to("../outside")
    watcher, host = Inotify(), HostFs(str(tmp_path / "host"))
    try:
        watch = watcher.add(host, "/run/runc", CREATE)
        (tmp_path / "host/run/runc/web").mkdir()
        assert watcher.read() == [Change(watch, CREATE | IS_DIR, "web")]
        assert watcher.read() == []
        with pytest.raises(FileNotFoundError):
            watcher.add(host, "/out", CREATE)
        (tmp_path / "host/file").touch()
        with pytest.raises(NotADirectoryError):
            watcher.add(host, "/file", CREATE)
    finally:
        watcher.close()


def test_closing_gives_the_descriptor_back() -> None:
    before = set(os.listdir("/proc/self/fd"))
    watcher = Inotify()
    watcher.close()
    assert set(os.listdir("/proc/self/fd")) == before


def message(what: int, *more: int) -> bytes:
    header = struct.pack("=IHHII", 76, 3, 0, 0, 0) + struct.pack("=IIIIHH", 1, 1, 0, 0, 40, 0)
    return header + struct.pack("=IIQ", what, 0, 5_000_000_000) + struct.pack("=6I", *(*more, *[0] * (6 - len(more))))


def test_a_program_executed_and_a_process_ended() -> None:
    assert parse_event(message(2, 41, 40)) == Executed(40, 5_000_000_000)
    assert parse_event(message(0x80000000, 40, 40, 0x0700, 17)) == Ended(40, 5_000_000_000, 0x0700)


def test_forks_and_cut_messages_tell_nothing() -> None:
    assert parse_event(message(1, 1, 1, 40, 40)) is None
    assert parse_event(message(2, 40, 40)[:50]) is None
