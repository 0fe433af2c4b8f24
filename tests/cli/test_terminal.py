"""Which terminal opens links, and by which address it reaches this host."""

import os
from pathlib import Path

import pytest

from ctrscope.cli.terminal import reached_by
from ctrscope.probes.hostfs import HostFs

SSH = "192.0.2.9 50123 198.51.100.4 22"


def stat_of(pid: int, ppid: int) -> str:
    return f"{pid} (sh) S {ppid} 1 1 0 -1 4194304 {'0 ' * 8}20 0 1 0 81723 {'0 ' * 30}\n"


def with_process(root: Path, pid: int, ppid: int, environ: str) -> None:
    directory = root / f"proc/{pid}"
    directory.mkdir(parents=True)
    (directory / "stat").write_text(stat_of(pid, ppid))
    (directory / "environ").write_text(environ)


@pytest.mark.parametrize("term", ["", "dumb", "linux"])
def test_a_plain_terminal_opens_nothing(term: str, tmp_path: Path) -> None:
    assert reached_by(HostFs(str(tmp_path)), {"TERM": term, "SSH_CONNECTION": SSH}) is None


def test_over_ssh_it_is_the_address_at_which_one_came_in(tmp_path: Path) -> None:
    assert reached_by(HostFs(str(tmp_path)), {"TERM": "xterm", "SSH_CONNECTION": SSH}) == "198.51.100.4"


def test_what_sudo_took_out_of_the_environment_the_shell_above_still_has(tmp_path: Path) -> None:
    above = os.getppid()
    with_process(tmp_path, above, 2_000_000, "SUDO_USER=alice\0")
    with_process(tmp_path, 2_000_000, 1, f"TERM=xterm\0SSH_CONNECTION={SSH}\0")
    assert reached_by(HostFs(str(tmp_path)), {"TERM": "xterm"}) == "198.51.100.4"


def test_else_the_terminal_is_on_this_host(tmp_path: Path) -> None:
    with_process(tmp_path, os.getppid(), 1, "TERM=xterm\0")
    assert reached_by(HostFs(str(tmp_path)), {"TERM": "xterm"}) == "127.0.0.1"
    assert reached_by(HostFs(str(tmp_path)), {"TERM": "xterm", "SSH_CONNECTION": "nonsense"}) == "127.0.0.1"
