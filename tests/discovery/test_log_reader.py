"""Pages of a log: from the end, both ways, across rotated files, by time; bounded whatever is in the files."""

import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ctrscope.discovery.log_reader import LogReader
from ctrscope.model.log import LogFormat, LogPage, LogPlace, LogSource
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.log_file import LINE_LIMIT

_START = datetime(2026, 9, 21, 12, tzinfo=UTC)


def _cri(first: int, count: int) -> str:
    return "".join(
        f"{(_START + timedelta(seconds=number)).isoformat()} stdout F line {number}\n" for number in range(first, first + count)
    )


def _reader(root: Path, *names: str, format_: LogFormat = LogFormat.CRI, owner: int | None = None) -> LogReader:
    return LogReader(HostFs(str(root)), LogSource(paths=tuple(f"/{name}" for name in names), format=format_, owner=owner))


def _texts(page: LogPage) -> list[str]:
    return [line.text for line in page.lines]


@pytest.fixture
def rotated(tmp_path: Path) -> Path:
    """Three files: the oldest compressed, the newest with the rest."""
    (tmp_path / "x.2.gz").write_bytes(gzip.compress(_cri(0, 100).encode()))
    (tmp_path / "x.1").write_text(_cri(100, 100))
    (tmp_path / "x").write_text(_cri(200, 50))
    return tmp_path


def test_going_back_page_by_page_tells_every_line_once(rotated: Path) -> None:
    reader = _reader(rotated, "x.2.gz", "x.1", "x")
    page = reader.before(None, 30)
    assert page.is_last
    found = _texts(page)
    while not page.is_first:
        page = reader.before(page.start, 30)
        found = _texts(page) + found
    assert found == [f"line {number}" for number in range(250)]


def test_going_on_page_by_page_tells_every_line_once(rotated: Path) -> None:
    reader = _reader(rotated, "x.2.gz", "x.1", "x")
    page = reader.after(LogPlace(0, 0), 30)
    found = _texts(page)
    while not page.is_last:
        page = reader.after(page.end, 30)
        found += _texts(page)
    assert found == [f"line {number}" for number in range(250)]
    assert reader.after(page.end, 30).lines == ()


def test_pages_meet_wherever_one_turns_round(rotated: Path) -> None:
    reader = _reader(rotated, "x.2.gz", "x.1", "x")
    back = reader.before(None, 120)
    again = reader.after(back.start, 120)
    assert _texts(again) == _texts(back)


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "line 0"), (0, "line 0"), (99.5, "line 100"), (137, "line 137"), (249, "line 249")]
)
def test_a_moment_leads_to_the_first_line_of_that_time_or_later(rotated: Path, seconds: float, text: str) -> None:
    reader = _reader(rotated, "x.2.gz", "x.1", "x")
    place = reader.find_time((_START + timedelta(seconds=seconds)).timestamp())
    assert place is not None
    assert _texts(reader.after(place, 1)) == [text]


def test_a_moment_after_the_last_line_leads_to_the_end(rotated: Path) -> None:
    reader = _reader(rotated, "x.2.gz", "x.1", "x")
    place = reader.find_time((_START + timedelta(days=1)).timestamp())
    assert place is not None
    assert reader.after(place, 1).lines == ()


def test_a_moment_is_found_in_a_long_file_without_reading_it(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(_cri(0, 40_000))
    reader = _reader(tmp_path, "x")
    place = reader.find_time((_START + timedelta(seconds=31_234)).timestamp())
    assert place is not None
    assert _texts(reader.after(place, 1)) == ["line 31234"]


def test_a_moment_is_found_among_records_that_have_no_newlines(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        for number in range(20_000):
            moment = int(_START.timestamp()) + number
            entry = (
                b"\n\x06stdout\x10"
                + _varint(moment * 10**9)
                + b"\x1a"
                + _varint(len(b"line %d" % number))
                + b"line %d" % number
            )
            file.write(len(entry).to_bytes(4, "big") + entry + len(entry).to_bytes(4, "big"))
    reader = _reader(tmp_path, "x", format_=LogFormat.LOCAL)

    place = reader.find_time((_START + timedelta(seconds=12_345)).timestamp())

    assert place is not None
    assert _texts(reader.after(place, 2)) == ["line 12345", "line 12346"]
    assert _texts(reader.before(place, 2)) == ["line 12343", "line 12344"]
    assert _texts(reader.before(None, 1)) == ["line 19999"]


def _varint(number: int) -> bytes:
    return (bytes([number & 0x7F | 0x80]) + _varint(number >> 7)) if number > 0x7F else bytes([number])


def test_a_console_has_no_times(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("Welcome\nlogin: ")
    reader = _reader(tmp_path, "x", format_=LogFormat.PLAIN)
    assert reader.find_time(0) is None
    page = reader.before(None, 10)
    assert _texts(page) == ["Welcome"]
    assert page.unfinished is not None
    assert page.unfinished.text == "login: "


def test_what_is_written_later_is_what_follows(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(_cri(0, 3))
    reader = _reader(tmp_path, "x")
    page = reader.before(None, 10)
    with path.open("a") as file:
        file.write(_cri(3, 2))
    assert _texts(reader.after(page.end, 10)) == ["line 3", "line 4"]


def test_a_log_that_is_rotated_while_it_is_followed_loses_no_line(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(_cri(0, 3))
    reader = _reader(tmp_path, "x")
    page = reader.before(None, 10)
    with path.open("a") as file:
        file.write(_cri(3, 1))
    path.rename(tmp_path / "x.1")
    path.write_text(_cri(4, 1))
    assert _texts(reader.after(page.end, 10)) == ["line 3", "line 4"]


def test_a_log_that_is_cut_off_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(_cri(0, 300))
    reader = _reader(tmp_path, "x")
    page = reader.before(None, 10)
    path.write_text(_cri(900, 2))
    assert _texts(reader.after(page.end, 10)) == ["line 900", "line 901"]
    assert _texts(reader.before(None, 10)) == ["line 900", "line 901"]


def test_a_long_line_is_one_line_though_it_was_written_in_pieces(tmp_path: Path) -> None:
    pieces = [f'{{"log":"{"x" * 16_384}","stream":"stdout","time":"T{n}"}}' for n in range(3)]
    last = '{"log":"end\\n","stream":"stdout","time":"T3"}'
    (tmp_path / "x").write_text("\n".join(['{"log":"before\\n"}', *pieces, last, '{"log":"after\\n"}']) + "\n")
    reader = _reader(tmp_path, "x", format_=LogFormat.JSON_FILE)
    forwards, backwards = reader.after(LogPlace(0, 0), 10), reader.before(None, 10)
    assert _texts(forwards) == _texts(backwards) == ["before", "x" * 16_384 * 3 + "end", "after"]
    assert forwards.lines[1].at == "T0"


def test_pieces_without_an_end_do_not_pile_up(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("2026-09-21T12:00:00Z stdout P \n" * 20_000)
    reader = _reader(tmp_path, "x")
    for page in (reader.after(LogPlace(0, 0), 10), reader.before(None, 10)):
        assert len(page.lines) == 10
        assert page.looked_through < 10 * 2000 * 40


def test_a_file_without_newlines_is_taken_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"z" * (3 * LINE_LIMIT))
    reader = _reader(tmp_path, "x", format_=LogFormat.PLAIN)
    assert 1 <= len(reader.after(LogPlace(0, 0), 10).lines) <= 3
    assert len(reader.before(None, 10).lines) <= 3


def test_one_look_goes_through_so_much_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(20 * 1024**3)  # sparse: zeros, without a newline
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + _cri(0, 3).encode())
    reader = _reader(tmp_path, "x")
    page = reader.before(None, 3)
    assert _texts(page) == ["line 0", "line 1", "line 2"]
    page = reader.before(page.start, 3, lambda line: "wanted" in line.text)
    assert page.lines == ()
    assert not page.is_first
    assert page.looked_through < 8 * 1024**2


def test_only_lines_that_are_wanted_are_told(rotated: Path) -> None:
    reader = _reader(rotated, "x.2.gz", "x.1", "x")
    page = reader.before(None, 10, lambda line: line.text.endswith("7"))
    assert _texts(page) == [f"line {number}" for number in range(157, 250, 10)]


def test_a_symlink_does_not_lead_out_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("outside\n")
    (root / "x").symlink_to("/../secret")
    with pytest.raises(FileNotFoundError):
        _reader(root, "x")


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(OSError, match="not a regular file"):
        _reader(tmp_path, "x")


def test_a_users_log_is_the_users_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x\n")
    with pytest.raises(OSError, match="owned by uid"):
        _reader(tmp_path, "x", owner=os.geteuid() + 1)


def test_an_older_part_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.1.gz").write_bytes(b"not gzip")
    (tmp_path / "x").write_text(_cri(0, 1))
    page = _reader(tmp_path, "x.1.gz", "x").before(None, 10)
    assert _texts(page) == ["line 0"]
    assert len(page.remarks) == 1
    assert page.remarks[0].startswith("/x.1.gz: ")


def test_a_compressed_part_is_not_unpacked_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctrscope.probes.log_file._UNPACKED_LIMIT", 1000)
    (tmp_path / "x.1.gz").write_bytes(gzip.compress(b"0" * 10_000_000))
    (tmp_path / "x").write_text(_cri(0, 1))
    page = _reader(tmp_path, "x.1.gz", "x").before(None, 10)
    assert page.remarks == ("/x.1.gz: only its beginning was unpacked",)
    assert sum(map(len, _texts(page)[:-1])) <= 1000


def test_no_descriptor_stays_open_when_nobody_has_the_log_any_more(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(_cri(0, 1))
    before = set(os.listdir("/proc/self/fd"))
    reader = _reader(tmp_path, "x")
    assert set(os.listdir("/proc/self/fd")) > before
    del reader
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_line_in_whose_middle_the_file_was_rotated_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.1").write_text("2026-09-21T12:00:00Z stdout F before\n2026-09-21T12:00:01Z stdout P first half, \n")
    (tmp_path / "x").write_text("2026-09-21T12:00:01Z stdout F second half\n2026-09-21T12:00:02Z stdout F after\n")
    reader = _reader(tmp_path, "x.1", "x")
    page = reader.after(LogPlace(0, 0), 2)
    assert _texts(page) == ["before", "first half, second half"]
    assert _texts(reader.after(page.end, 2)) == ["after"]
    assert _texts(reader.before(None, 2)) == ["first half, second half", "after"]


def test_lines_of_a_later_start_are_not_there(rotated: Path) -> None:
    paths = ("/x.2.gz", "/x.1", "/x")
    until = (_START + timedelta(seconds=150)).timestamp()
    reader = LogReader(HostFs(str(rotated)), LogSource(paths=paths, format=LogFormat.CRI, until=until))
    page = reader.before(None, 10)
    assert _texts(page) == [f"line {number}" for number in range(140, 150)]
    assert page.is_last
    assert _texts(reader.after(LogPlace(0, 0), 1000)) == [f"line {number}" for number in range(150)]
    assert reader.after(page.end, 10).lines == ()
    assert reader.after(page.end, 10).is_last
    with (rotated / "x").open("a") as file:
        file.write(_cri(250, 1))
    assert reader.after(page.end, 10).lines == ()


@pytest.mark.parametrize("text", ["", "no time at all\n", _cri(5, 2)])
def test_where_nothing_is_from_before_the_start_there_is_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    reader = LogReader(HostFs(str(tmp_path)), LogSource(paths=("/x",), format=LogFormat.CRI, until=_START.timestamp()))
    assert reader.end() == reader.beginning
    assert reader.before(None, 10).lines == ()


def test_a_compressed_part_that_is_torn_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    packed = gzip.compress("".join(f"{number * 7919 % 10007} {_cri(number, 1)}" for number in range(5000)).encode())
    (tmp_path / "x.1.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "x").write_text(_cri(0, 1))
    page = _reader(tmp_path, "x.1.gz", "x").before(None, 10)
    assert len(page.lines) == 10
    assert page.remarks == ("/x.1.gz: only its beginning was unpacked",)
