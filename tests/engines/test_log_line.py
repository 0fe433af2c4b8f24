"""Lines of log files, as engines write them: literal text."""

import pytest

from ctrscope.engines.log_line import LogRecord, parse_record
from ctrscope.model.log import LogFormat


@pytest.mark.parametrize(
    ("raw", "record"),
    [
        (
            rb'{"log":"hello \u001b[31mred\n","stream":"stderr","time":"2026-09-21T14:13:20.123456789Z"}',
            LogRecord("hello \x1b[31mred", "2026-09-21T14:13:20.123456789Z", "stderr"),
        ),
        (rb'{"log":"no newline","stream":"stdout","time":"T"}', LogRecord("no newline", "T", "stdout", goes_on=True)),
        (rb'{"log":"\n"}', LogRecord("")),
        (b"[" * 5000, LogRecord("[" * 5000)),
        (rb'{"log": 5}', LogRecord('{"log": 5}')),
        (b"torn {", LogRecord("torn {")),
    ],
)
def test_a_record_of_docker_is_its_text_its_time_and_its_stream(raw: bytes, record: LogRecord) -> None:
    assert parse_record(raw, LogFormat.JSON_FILE) == record


@pytest.mark.parametrize(
    ("raw", "record"),
    [
        (b"2026-09-21T14:13:20.1+02:00 stdout F a  b", LogRecord("a  b", "2026-09-21T14:13:20.1+02:00", "stdout")),
        (b"2026-09-21T14:13:20.1Z stderr P half", LogRecord("half", "2026-09-21T14:13:20.1Z", "stderr", goes_on=True)),
        (b"2026-09-21T14:13:20.1Z stdout F ", LogRecord("", "2026-09-21T14:13:20.1Z", "stdout")),
        (b"2026-09-21T14:13:20.1Z stdout F:tag x", LogRecord("x", "2026-09-21T14:13:20.1Z", "stdout")),
        (b"2026-09-21T14:13:20.1Z elsewhere F x", LogRecord("2026-09-21T14:13:20.1Z elsewhere F x")),
        (b"\xff\xfe", LogRecord("\udcff\udcfe")),
    ],
)
def test_a_record_of_kubernetes_is_its_text_its_time_and_its_stream(raw: bytes, record: LogRecord) -> None:
    assert parse_record(raw, LogFormat.CRI) == record


def test_a_line_of_a_console_is_what_it_is_without_the_carriage_return() -> None:
    assert parse_record(b'{"log":"x"}\r', LogFormat.PLAIN) == LogRecord('{"log":"x"}')


_AT = b"\x10\x93\xe2\xe2\xe1\x9c\x9b\x9d\xf5\x18"  # of a record that Docker 20.10 wrote


@pytest.mark.parametrize(
    ("raw", "record"),
    [
        (b"\n\x06stdout" + _AT + b"\x1a\x03one", LogRecord("one", "2026-11-22T19:31:20.243556627Z", "stdout")),
        (b"\n\x06stderr" + _AT + b"\x1a\x00", LogRecord("", "2026-11-22T19:31:20.243556627Z", "stderr")),
        (
            b"\n\x06stdout" + _AT + b"\x1a\x03one\x20\x01\x2a\x06\x12\x02ce\x18\x01",
            LogRecord("one", "2026-11-22T19:31:20.243556627Z", "stdout", goes_on=True),
        ),
        (
            b"\n\x06stdout" + _AT + b"\x1a\x03one\x20\x01\x2a\x08\x08\x01\x12\x02ce\x18\x02",
            LogRecord("one", "2026-11-22T19:31:20.243556627Z", "stdout"),
        ),
        (b"\n\x06stdout\x1a\x01a\x20\x01", LogRecord("a", "1970-01-01T00:00:00Z", "stdout", goes_on=True)),
        (b"\n\x06stdouT\x1a\x01a", LogRecord("\n\x06stdouT\x1a\x01a")),
        (b"\n\x06std", LogRecord("\n\x06std")),
    ],
)
def test_a_record_of_dockers_local_driver_is_its_text_its_time_and_its_stream(raw: bytes, record: LogRecord) -> None:
    assert parse_record(raw, LogFormat.LOCAL) == record
