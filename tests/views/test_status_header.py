"""The header never lies, and never drops what matters."""

import pytest

from ctrscope.model.host import Privileges
from ctrscope.views.widgets.status_header import HeaderState, header_line
from tests.views.builders import NOW, host, sample

STATE = HeaderState(sample=sample(), age=1.0, now=NOW + 1)


def test_it_says_which_host_and_how_it_is_seen() -> None:
    text = header_line(STATE, 200).plain
    for part in ("web-3", "6.1.0-18-amd64", "cgroup v2", "root", "38 % of 16", "41.2G/64G", "2.1 % 71M", "14:13:21", "1s old"):
        assert part in text


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_it_fits_and_keeps_host_and_age(width: int) -> None:
    text = header_line(STATE, width).plain
    assert len(text) <= width
    assert "web-3" in text
    assert "1s old" in text


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (STATE._replace(age=9.0), "LATE"),
        (STATE._replace(paused=True), "PAUSED"),
        (STATE._replace(badge="ONLY RUNNING"), "ONLY RUNNING"),
        (STATE._replace(read_only=True), "READ-ONLY"),
        (STATE._replace(error="OSError: no"), "FAILED"),
        (STATE._replace(sample=sample(on=host(root="/mnt/disk"))), "--root /mnt/disk"),
        (STATE._replace(sample=sample(on=host(euid=1000, capabilities=()))), "uid 1000"),
        (STATE._replace(sample=sample(on=host(capabilities=()))), "root without CAP_SYS_PTRACE"),
    ],
)
@pytest.mark.parametrize("width", [80, 200])
def test_what_is_not_as_usual_is_always_said(state: HeaderState, word: str, width: int) -> None:
    assert word in header_line(state, width).plain
    assert word not in header_line(STATE, width).plain


def test_a_view_from_inside_a_container_is_said_to_be_one() -> None:
    nested = host(privileges=Privileges(euid=0, capabilities=("CAP_SYS_PTRACE",), host_pid_namespace=False))
    assert "not the host's PID namespace" in header_line(STATE._replace(sample=sample(on=nested)), 80).plain


def test_before_the_first_sample_it_says_that_it_reads() -> None:
    assert "reading the host" in header_line(HeaderState(), 80).plain


def test_a_hostname_is_no_escape_sequence() -> None:
    text = header_line(STATE._replace(sample=sample(on=host(hostname="a\x1b[31mb\n"))), 120).plain
    assert "a\\x1b[31mb\\n" in text
