"""Files of a few lines: timens_offsets, passwd."""

from pathlib import Path

import pytest

from ctrscope.model.gap import ParseError
from ctrscope.model.namespace import TimeOffsets
from ctrscope.probes.proc_pid_timens_offsets import parse_time_offsets, read_time_offsets
from ctrscope.probes.user_names import parse_user_names, read_user_names
from tests.builders import HostTree


@pytest.mark.parametrize(
    "text",
    [
        b"monotonic           3600 500000000\nboottime       -86400         0\n",
        b"1 3600 500000000\n7 -86400 0\n",  # before Linux 5.9
    ],
)
def test_offsets_are_seconds(text: bytes) -> None:
    assert parse_time_offsets(text) == TimeOffsets(monotonic=3600.5, boottime=-86400.0)


@pytest.mark.parametrize("text", [b"", b"monotonic 1 0\n", b"monotonic one 0\nboottime 1 0\n", b"realtime 1 0\n", b"1 2\n"])
def test_other_offsets_are_malformed(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_time_offsets(text)


def test_offsets_of_a_process_that_is_gone_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_time_offsets(HostTree(tmp_path).fs, 99)


def test_the_first_name_of_a_number_counts(tmp_path: Path) -> None:
    text = b"root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n# none\nalice:x:1000:1000::/home/alice:\nbob:x:y:1:::\n"
    assert parse_user_names(text) == {0: "root", 1000: "alice"}
    host = HostTree(tmp_path)
    assert read_user_names(host.fs) == {}
    host.file("/etc/passwd", text)
    assert read_user_names(host.fs)[1000] == "alice"
