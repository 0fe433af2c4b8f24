"""Pressure stall information."""

import errno
from pathlib import Path

import pytest

from ctrscope.model.cgroup import PressureLine
from ctrscope.model.gap import ParseError, Reason
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pressure import parse_pressure, read_pressure
from tests.hostfs import DenyingHostFs

_TEXT = b"some avg10=7.32 avg60=18.68 avg300=17.94 total=106506784\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=12\n"


def test_both_lines_are_parsed() -> None:
    pressure = parse_pressure(_TEXT)
    assert pressure.some == PressureLine(avg10=7.32, avg60=18.68, avg300=17.94, total=106506784)
    assert pressure.full == PressureLine(avg10=0.5, avg60=0.0, avg300=0.0, total=12)


def test_an_older_kernel_has_no_full_line_for_the_cpu() -> None:
    assert parse_pressure(_TEXT.splitlines()[0]).full is None


@pytest.mark.parametrize("text", [b"", b"full avg10=0 avg60=0 avg300=0 total=0\n", b"some avg10=0\n", b"some a b c\n"])
def test_half_a_line_is_malformed(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_pressure(text)


def test_the_host_has_pressure_of_three_resources(v2_host: HostFs) -> None:
    value, gaps = read_pressure(v2_host, "host")
    assert value is not None
    assert set(value) == {"cpu", "memory", "io"}
    assert not gaps


def test_a_kernel_without_pressure_leaves_gaps_that_say_what_to_do(tmp_path: Path) -> None:
    value, gaps = read_pressure(HostFs(str(tmp_path)), "host")
    assert value is None
    assert {(gap.reason, gap.needs) for gap in gaps} == {(Reason.UNSUPPORTED, "psi=1")}


def test_pressure_switched_off_at_boot_is_unsupported(v2_root: Path) -> None:
    host = DenyingHostFs(str(v2_root), {"/proc/pressure/cpu": errno.EOPNOTSUPP})
    value, gaps = read_pressure(host, "host")
    assert value is not None
    assert "cpu" not in value
    assert [(gap.fields, gap.reason) for gap in gaps] == [(("pressure.cpu",), Reason.UNSUPPORTED)]
