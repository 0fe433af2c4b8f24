"""The keys that leave a session."""

import os

import pytest

from ctrscope.attach import terminal
from ctrscope.attach.terminal import EscapeKeys, carry


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


def test_keys_typed_after_the_program_let_go_of_its_terminal_go_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    os.close(slave)
    (keyboard, fingers), (ended, _), (signals, _) = pipes = os.pipe(), os.pipe(), os.pipe()
    monkeypatch.setattr(terminal, "_STDIN", keyboard)

    class Typist(EscapeKeys):
        def pass_on(self, typed: bytes) -> bytes:
            if typed == b"x":
                os.write(fingers, b"\x10\x11")
            return super().pass_on(typed)

    os.write(fingers, b"x")
    keys = Typist(b"\x10\x11")
    carry(master, ended, signals, lambda number: True, keys)
    assert keys.pressed
    for descriptor in (master, *(one for pipe in pipes for one in pipe)):
        os.close(descriptor)
