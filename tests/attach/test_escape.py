"""The keys that leave a session."""

import pytest

from ctrscope.attach.terminal import EscapeKeys


@pytest.mark.parametrize(
    ("typed", "passed", "pressed"),
    [
        ([b"ls\n"], b"ls\n", False),
        ([b"\x10\x11"], b"", True),
        ([b"\x10", b"\x11"], b"", True),
        ([b"\x10", b"a"], b"\x10a", False),
        ([b"\x10\x10\x11after"], b"\x10", True),
        ([b"a\x10"], b"a", False),  # held back: it may be the beginning
        ([b"\x11\x10"], b"\x11", False),
    ],
)
def test_keys_leave_and_everything_else_passes(typed: list[bytes], passed: bytes, pressed: bool) -> None:
    keys = EscapeKeys(b"\x10\x11")
    assert b"".join(keys.pass_on(part) for part in typed) == passed
    assert keys.pressed is pressed


def test_without_keys_everything_passes() -> None:
    keys = EscapeKeys(b"")
    assert keys.pass_on(b"\x10\x11") == b"\x10\x11"
    assert not keys.pressed
