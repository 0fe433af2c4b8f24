"""Rules about devices: the program for v2 decides as the specification says, run here by a few lines that know BPF."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrscope.cgroups.devices import compile_rules, line_of
from ctrscope.oci.spec import DeviceRule

_ACCESS = {"m": 1, "r": 2, "w": 4}


def decide(program: bytes, type_: str, major: int, minor: int, access: str) -> bool:
    """What the kernel would make of it; include/uapi/linux/bpf.h."""
    wanted = sum(_ACCESS[letter] for letter in access) << 16 | {"b": 1, "c": 2}[type_]
    context = struct.pack("=III", wanted, major, minor)
    registers, at = [0] * 11, 0
    while True:
        code, both, offset, value = struct.unpack_from("=BBhI", program, at * 8)
        register, source, at = both & 15, both >> 4, at + 1
        match code:
            case 0x61:
                registers[register] = struct.unpack_from("=I", context, offset)[0]
            case 0xBF:
                registers[register] = registers[source]
            case 0xB7:
                registers[register] = value
            case 0x57:
                registers[register] &= value
            case 0x77:
                registers[register] >>= value
            case 0x55:
                at += offset if registers[register] != value else 0
            case 0x45:
                at += offset if registers[register] & value else 0
            case 0x05:
                at += offset
            case 0x95:
                return bool(registers[0])
            case _:
                raise AssertionError(f"{code:#x}")


numbers = st.one_of(st.none(), st.just(-1), st.integers(0, 2))
rules = st.builds(
    DeviceRule,
    allow=st.booleans(),
    type=st.sampled_from("bc"),
    major=numbers,
    minor=numbers,
    access=st.sets(st.sampled_from("rwm")).map("".join),
)


@given(
    st.lists(rules, max_size=6),
    st.sampled_from("bc"),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(("r", "w", "rw", "m")),
)
def test_the_last_rule_about_each_way_of_use_decides(
    asked: list[DeviceRule], type_: str, major: int, minor: int, access: str
) -> None:
    def may(letter: str) -> bool:
        found = [
            rule.allow
            for rule in asked
            if rule.type == type_
            and rule.major in (None, -1, major)
            and rule.minor in (None, -1, minor)
            and letter in (rule.access or "rwm")
        ]
        return found[-1] if found else False

    assert decide(compile_rules(asked), type_, major, minor, access) == all(map(may, access))


def test_nothing_is_allowed_without_a_rule() -> None:
    assert not decide(compile_rules(()), "c", 1, 3, "r")


def test_a_rule_about_everything_ends_the_program() -> None:
    everything = DeviceRule(allow=True, type="a")
    before = DeviceRule(allow=False, type="c", major=1, minor=3)
    assert compile_rules((before, everything)) == compile_rules((everything,))  # the kernel refuses what is never reached


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (DeviceRule(allow=True, type="a"), "a"),
        (DeviceRule(allow=True, type="c", major=1, minor=3, access="rw"), "c 1:3 rw"),
        (DeviceRule(allow=True, type="b", major=8), "b 8:* rwm"),
        (DeviceRule(allow=False, type="c", major=-1, minor=-1, access="m"), "c *:* m"),
    ],
)
def test_lines_of_v1(rule: DeviceRule, line: str) -> None:
    assert line_of(rule) == line
