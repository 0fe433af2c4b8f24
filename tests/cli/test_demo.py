"""What ``ctrscope demo`` refuses before it starts anything."""

import io
from argparse import Namespace

import pytest

from ctrscope.cli.demo import Demo
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.probes.hostfs import HostFs


def run(root: str = "/", *, json: bool = False, read_only: bool = False) -> CommandError:
    environment = Environment(HostFs(root), io.StringIO(), io.StringIO(), io.StringIO(), json=json, read_only=read_only)
    with pytest.raises(CommandError) as caught:
        Demo().run(Namespace(), environment)
    return caught.value


def test_without_a_terminal_it_starts_nothing() -> None:
    error = run()
    assert error.status == ExitStatus.USAGE
    assert "needs a terminal" in str(error)


def test_it_has_no_json_answer_and_is_refused_under_read_only_and_in_another_root() -> None:
    assert run(json=True).status == ExitStatus.USAGE
    assert "--read-only" in str(run(read_only=True))
    assert "another root" in str(run("/tmp"))
