"""Where the launcher keeps its states: nobody else may have prepared that place."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrscope.cli import main
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.state import _own_directory

_NOBODY = 3_000_000_000 + os.getpid()  # a user who has nothing there


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of a user without XDG_RUNTIME_DIR."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: _NOBODY)
    path = Path(f"/tmp/ctrscope-{_NOBODY}")
    yield path
    if path.is_symlink():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def test_a_place_that_somebody_else_prepared_is_refused_and_nothing_behind_its_links_removed(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letter").touch()
    (place / "ctrscope/containers").mkdir(parents=True)
    (place / "ctrscope/containers/web").symlink_to(tmp_path)
    assert main(["rm", "web"]) == 1
    assert f"{place} is no directory that we alone may change" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["letter"]


def test_a_place_of_ours_is_made_for_us_alone(tmp_path: Path) -> None:
    ours = _own_directory(str(tmp_path / "ours"))
    assert os.stat(ours).st_mode & 0o777 == 0o700
    assert _own_directory(ours) == ours
    os.chmod(ours, 0o770)
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (ours, str(tmp_path / "link")):
        with pytest.raises(LauncherError, match="is no directory that we alone may change"):
            _own_directory(path)
