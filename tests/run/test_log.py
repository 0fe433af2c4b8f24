"""The log of a detached container: the format of the CRI, bounded."""

import re
from pathlib import Path

from ctrscope.run.log import Log

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")


def entries(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    assert all(STAMP.match(line) for line in lines)
    return [line.partition(" ")[2] for line in lines]


def test_lines_of_both_streams_are_kept_apart_whatever_pieces_they_come_in(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    log.write("stdout", b"hel")
    log.write("stderr", b"oops\n")
    log.write("stdout", b"lo\nsecond\n\nthi")
    log.write("stdout", b"rd")
    log.write("stdout", b"")
    log.write("stderr", b"")
    assert entries(tmp_path / "log") == ["stderr F oops", "stdout F hello", "stdout F second", "stdout F ", "stdout F third"]


def test_a_line_without_end_is_kept_in_parts_that_make_it_up_again(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    text = "0123456789" * 5000
    for start in range(0, len(text), 777):
        log.write("stdout", text[start : start + 777].encode())
    log.write("stdout", b"\nnext\n")
    found = [entry.split(" ", 2) for entry in entries(tmp_path / "log")]
    assert [tag for _, tag, _ in found] == ["P", "P", "P", "F", "F"]
    assert "".join(part for _, _, part in found[:-1]) == text
    assert found[-1] == ["stdout", "F", "next"]


def test_it_never_takes_more_than_twice_the_limit_and_keeps_what_came_last(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), limit=10_000)
    for number in range(2000):
        log.write("stdout", f"line {number}\n".encode())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
    assert all(path.stat().st_size <= 10_000 for path in tmp_path.iterdir())
    kept = [*entries(tmp_path / "log.1"), *entries(tmp_path / "log")]
    assert kept == [f"stdout F line {number}" for number in range(2000 - len(kept), 2000)]
