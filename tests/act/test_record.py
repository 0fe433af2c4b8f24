"""The line in the system log: whoever names a container does not get to write words or lines of it."""

import syslog

import pytest

from ctrscope.act.record import record


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda priority, line: lines.append(line))
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 0)
    return lines


def test_it_says_what_who_and_to_which_container(written: list[str]) -> None:
    record("kill SIGTERM pid=4711", "docker/3f", "web")
    assert written == ["kill SIGTERM pid=4711 uid=0 container=docker/3f name=web"]


def test_a_name_makes_neither_lines_nor_words(written: list[str]) -> None:
    record("pause", "lxc/a", "a\nctrscope[1]: kill uid=1000 sudo_user=eve \u202e\udcff")
    assert written == ["pause uid=0 container=lxc/a name='a?ctrscope[1]: kill uid=1000 sudo_user=eve ??'"]
