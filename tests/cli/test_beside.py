import errno
import os
import signal
from typing import NoReturn

import pytest

from ctrscope.cli.beside import beside


def refuse() -> NoReturn:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.fixture(autouse=True)
def two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})


def test_the_work_is_done_by_another_process() -> None:
    result = beside(os.getpid, int)

    assert result() != os.getpid()


def test_a_result_that_does_not_fit_into_a_pipe_comes_whole() -> None:
    numbers = list(range(200_000))

    assert beside(lambda: numbers, list[int])() == numbers


def test_nothing_is_left_of_the_other_process() -> None:
    before = len(os.listdir("/proc/self/fd"))

    pid = beside(os.getpid, int)()

    assert len(os.listdir("/proc/self/fd")) == before
    assert not os.path.exists(f"/proc/{pid}")


def test_without_another_cpu_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})

    assert beside(os.getpid, int)() == os.getpid()


def test_where_no_process_may_be_started_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", refuse)
    before = len(os.listdir("/proc/self/fd"))

    assert beside(os.getpid, int)() == os.getpid()
    assert len(os.listdir("/proc/self/fd")) == before


def test_when_the_other_process_is_killed_the_work_is_done_here() -> None:
    here = os.getpid()

    def work() -> int:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    assert beside(work, int)() == here


def test_what_the_work_raises_is_raised_here() -> None:
    with pytest.raises(PermissionError):
        beside(refuse, int)()
