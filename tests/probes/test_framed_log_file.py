"""Records between their lengths, forwards and backwards, whole and torn."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrscope.probes import framed_log_file
from ctrscope.probes.framed_log_file import FramedLogFile
from ctrscope.probes.hostfs import HostFs

_RECORDS = st.lists(st.binary(min_size=1, max_size=60).map(lambda text: b"\n\x06stdout" + text), max_size=30)


def _framed(record: bytes) -> bytes:
    length = len(record).to_bytes(4, "big")
    return length + record + length


def _file(directory: Path, text: bytes) -> FramedLogFile:
    (directory / "container.log").write_bytes(text)
    return FramedLogFile(HostFs(str(directory)), "/container.log", None)


def _after(file: FramedLogFile, offset: int = 0) -> list[bytes]:
    return [record for _, _, record in file.lines_after(offset)]


def _before(file: FramedLogFile) -> list[bytes]:
    return [record for _, _, record in file.lines_before(file.end_of_lines())][::-1]


@pytest.fixture(params=[64 * 1024, 16])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framed_log_file, "BLOCK", request.param)


@pytest.mark.usefixtures("block")
@settings(max_examples=60)
@given(records=_RECORDS)
def test_what_was_written_is_read_in_both_directions(tmp_path_factory: pytest.TempPathFactory, records: list[bytes]) -> None:
    file = _file(tmp_path_factory.mktemp("log"), b"".join(map(_framed, records)))

    assert _after(file) == _before(file) == records


@pytest.mark.usefixtures("block")
def test_from_anywhere_the_next_record_is_found(tmp_path: Path) -> None:
    texts = [b"\n\x06stdout%d" % number * (number % 7 + 1) for number in range(40)]
    file = _file(tmp_path, b"".join(map(_framed, texts)))
    begins = [begin for begin, _, _ in file.lines_after(0)]

    found = [file.line_at(offset) for offset in range(file.size())]

    assert found == [next((begin for begin in begins if begin >= offset), file.size()) for offset in range(file.size())]


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("torn", [b"\0\0\0\x30\n\x06stdouthalf", b"\0\0", b"\xff\xff\xff\xff\xff", b"\0\0\x40\0\n\x06st"])
def test_a_torn_record_stands_as_it_is_and_those_around_it_are_whole(tmp_path: Path, torn: bytes) -> None:
    before, after = [b"\n\x06stdouta", b"\n\x06stderrb"], [b"\n\x06stdoutc", b"\n\x06stdoutd"]
    text = b"".join(map(_framed, before)) + torn + b"".join(map(_framed, after))
    file = _file(tmp_path, text)

    assert _after(file) == _before(file) == [*before, torn, *after]


@pytest.mark.usefixtures("block")
def test_what_is_being_written_is_not_read_yet(tmp_path: Path) -> None:
    whole, half = _framed(b"\n\x06stdouta"), _framed(b"\n\x06stdoutbcd")[:-5]
    file = _file(tmp_path, whole + half)

    assert file.end_of_lines() == len(whole)
    assert _after(file) == _before(file) == [b"\n\x06stdouta"]
    assert _after(_file(tmp_path, half)) == []


def test_a_record_longer_than_a_piece_that_is_read_is_one(tmp_path: Path) -> None:
    long = b"\n\x06stdout" + b"\0\0\0\1x" * 60_000
    file = _file(tmp_path, _framed(b"\n\x06stdouta") + _framed(long) + _framed(b"\n\x06stdoutb"))

    assert _after(file) == _before(file) == [b"\n\x06stdouta", long, b"\n\x06stdoutb"]
