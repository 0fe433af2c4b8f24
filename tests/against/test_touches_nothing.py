"""Asks no daemon, runs no engine, changes nothing: what the kernel saw `ctrscope` do."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.live.machine import run
from tests.requirements import require

# Everything by which a process could ask somebody else, start somebody else, or leave something behind.
_TRACED = (
    "trace=%network,execve,execveat,open,openat,openat2,creat,mknodat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,"
    "link,linkat,symlink,symlinkat,chmod,fchmod,fchmodat,chown,fchown,fchownat,truncate,ftruncate,flock,kill,tgkill,pidfd_send_signal,"
    "ptrace,mount,umount2,setns,unshare"
)


@pytest.mark.parametrize(
    "verb",
    [["ps", "-a", "--json"], ["ps"], ["tree"], ["ns", "--deep"], ["doctor", "--json"], ["find", "1"], ["find", "/etc/passwd"]],
    ids=" ".join,
)
def test_a_reading_command_asks_nobody_and_changes_nothing(parts: tuple[str, ...], tmp_path: Path, verb: list[str]) -> None:
    del parts
    require("strace")
    trace = tmp_path / "trace"
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}
    output = run(
        "strace", "-f", "-qq", "-o", str(trace), "-e", _TRACED, sys.executable, "-m", "ctrscope", *verb, env=environment
    )
    assert output
    calls = [line.split(maxsplit=1)[1] for line in trace.read_text(errors="replace").splitlines()]
    opened = [call for call in calls if call.startswith(("open(", "openat(", "openat2("))]
    assert any('"/proc' in call or '"proc' in call for call in opened), "strace saw nothing"
    written = [call for call in opened if re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)", call)]
    others = [call for call in calls if call not in opened and re.match(r"[a-z_0-9]+\(", call)]
    assert written == []
    assert [call for call in others if not call.startswith("execve(")] == []
    assert [call for call in others if call.startswith("execve(")][1:] == []
