"""proc_pid_limits(5)."""

import os
import resource

import pytest

from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_limits import parse_nofile

_TEXT = b"""Limit                     Soft Limit           Hard Limit           Units
Max processes             95970                95970                processes
Max open files            1024                 4096                 files
Max locked memory         65536                65536                bytes
"""


def test_the_soft_limit_of_open_files() -> None:
    assert parse_nofile(_TEXT) == 1024
    assert parse_nofile(_TEXT.replace(b"1024", b"unlimited")) == "max"


@pytest.mark.parametrize(
    "text", [b"", b"Max processes 1 1 processes\n", b"Max open files\n", b"Max open files    many   4096   files\n"]
)
def test_text_that_is_no_limits_file_is_malformed(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_nofile(text)


def test_our_own_is_what_getrlimit_says() -> None:
    assert parse_nofile(HostFs().read(f"/proc/{os.getpid()}/limits")) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
