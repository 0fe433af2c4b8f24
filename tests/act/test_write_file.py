"""What is exported goes into a new file, over an old one only on a yes, and never through a link."""

import os
from pathlib import Path

import pytest

from ctrscope.act.refusal import CannotAct
from ctrscope.act.write_file import write_file


def test_a_new_file_is_its_owners_only_and_holds_every_character(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_file("out.txt", "● web\udcff\n") == str(tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_bytes() == "● web\\udcff\n".encode()
    assert (tmp_path / "out.txt").stat().st_mode & 0o777 == 0o600


def test_home_is_written_as_a_shell_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert write_file("~/out.json", "{}") == str(tmp_path / "out.json")


def test_what_is_there_stays_until_it_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(FileExistsError):
        write_file(str(path), "new")
    assert path.read_text() == "old"
    write_file(str(path), "new", replace=True)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("replace", [False, True])
def test_what_a_link_leads_to_is_not_touched(tmp_path: Path, replace: bool) -> None:
    target, link = tmp_path / "target", tmp_path / "out.txt"
    target.write_text("of somebody else")
    link.symlink_to(target)
    if replace:
        write_file(str(link), "new", replace=True)
        assert not link.is_symlink()
    else:
        with pytest.raises(FileExistsError):
            write_file(str(link), "new")
    assert target.read_text() == "of somebody else"


@pytest.mark.parametrize(
    ("name", "replace", "why"),
    [
        ("", True, "is no file, so it is not replaced"),  # the directory itself
        ("pipe", True, "is no file, so it is not replaced"),
        ("missing/out.txt", False, "could not be written: No such file or directory"),
        ("missing/out.txt", True, "could not be written: No such file or directory"),
        ("a" * 300, False, "could not be written: File name too long"),
        ("a\0b", False, "could not be written: embedded null byte"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path: Path, name: str, replace: bool, why: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CannotAct) as caught:
        write_file(str(tmp_path / name), "new", replace=replace)
    assert why in str(caught.value)


def test_half_a_file_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, mode: str) -> object:
        os.close(descriptor)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    (tmp_path / "old").write_text("old")
    for name, replace in (("new", False), ("old", True)):
        with pytest.raises(CannotAct, match="No space left on device"):
            write_file(str(tmp_path / name), "new", replace=replace)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"
