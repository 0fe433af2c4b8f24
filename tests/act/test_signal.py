"""Names and numbers of signals, as kill(1) and the engines take them."""

import signal

import pytest

from ctrscope.act.signal import parse_signal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("TERM", 15),
        ("SIGTERM", 15),
        ("sigkill", 9),
        ("15", 15),
        ("RTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("RTMAX-2", signal.SIGRTMAX - 2),
        ("64", 64),
    ],
)
def test_a_signal_is_read(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "SIG", "NOPE", "0", "65", "9" * 5000, "²", "TERM+1", "TERM+x", "RTMAX+1", "RTMIN+-20", "RTMIN+99", "RTMAX-64", "-9"],
)
def test_what_is_no_signal_is_refused_rather_than_sent_as_another(text: str) -> None:
    with pytest.raises(ValueError, match="no such signal"):
        parse_signal(text)
