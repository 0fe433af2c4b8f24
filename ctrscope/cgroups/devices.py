"""Which devices a container may use: devices.allow and devices.deny on v1, a BPF program on v2.

*Source:* OCI runtime specification, config-linux "Allowed Device list" and "Default Devices"; kernel documents
cgroup-v1/devices and cgroup-v2 "Device controller"; bpf(2), struct bpf_cgroup_dev_ctx of include/uapi/linux/bpf.h.
*Shape:* what no rule allows is forbidden; a later rule has precedence, for each of read, write and mknod by itself.
"""

import ctypes
import os
import struct
from collections.abc import Sequence

from msgspec.structs import replace

from ctrscope.act.open_cgroup import opened_cgroup
from ctrscope.attach import syscalls
from ctrscope.oci.errors import step
from ctrscope.oci.spec import DeviceRule
from ctrscope.oci.state import Cgroups

#: Nodes may be made of any device, which is not to use it; used may be what every container has.
_ALWAYS = (
    *(DeviceRule(allow=True, type=type_, access="m") for type_ in "bc"),
    *(
        DeviceRule(allow=True, type="c", major=major, minor=minor, access="rwm")
        # null zero full random urandom tty ptmx, and every terminal of devpts: a container's console is one of those
        for major, minor in ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, None))
    ),
)
_ACCESS = {"m": 1, "r": 2, "w": 4}  # BPF_DEVCG_ACC_…
_TYPES = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_…
_ALL = 7

#: Instructions of bpf(2): R0 is the answer, R1 the context at the beginning.
_LOAD, _RIGHT, _AND, _MOVE, _COPY, _EXIT = 0x61, 0x77, 0x57, 0xB7, 0xBF, 0x95
_IF_DIFFERENT, _IF_ANY_BIT, _JUMP = 0x55, 0x45, 0x05
_TYPE, _WANTED, _MAJOR, _MINOR = 2, 3, 4, 5  # registers

_PROG_LOAD, _PROG_ATTACH = 5, 8
_PROG_TYPE_CGROUP_DEVICE, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI = 15, 6, 2


def allow_devices(cgroups: Cgroups, rules: Sequence[DeviceRule]) -> tuple[str, ...]:
    """Enforce the rules; returns a warning where that cannot be done. Errors: LauncherError."""
    forbids = any(not rule.allow for rule in rules)
    rules = [one for rule in (*rules, *_ALWAYS) for one in _of_either_type(rule)]
    directory = cgroups.directories.get("" if cgroups.is_v2 else "devices")
    missed = ""
    if directory is None:
        missed = "no cgroup hierarchy for devices may be written"
    elif cgroups.is_v2:
        try:
            _attach(directory, compile_rules(rules))
        except OSError as error:
            missed = f"bpf(2), which takes CAP_BPF and CAP_NET_ADMIN: {error.strerror or 'refused'}"
    else:
        with step(f"$.linux.resources.devices: writing to {directory}"), opened_cgroup(directory) as cgroup:
            cgroup.write("devices.deny", "a")
            for rule in rules:
                cgroup.write("devices.allow" if rule.allow else "devices.deny", line_of(rule))
    return (f"{missed}: what $.linux.resources.devices forbids is not forbidden",) if missed and forbids else ()


def line_of(rule: DeviceRule) -> str:
    """A rule as devices.allow takes it; ``a`` is every device in every way, whatever follows it."""
    return "a" if rule.type == "a" else f"{rule.type} {_or_any(rule.major)}:{_or_any(rule.minor)} {rule.access or 'rwm'}"


def _of_either_type(rule: DeviceRule) -> tuple[DeviceRule, ...]:
    if rule.type in ("b", "c"):
        return (rule,)
    if {rule.major, rule.minor} <= {None, -1} and set(rule.access or "rwm") == set("rwm"):
        return (DeviceRule(allow=rule.allow, type="a"),)
    return tuple(replace(rule, type=type_) for type_ in "bc")


def compile_rules(rules: Sequence[DeviceRule]) -> bytes:
    """Instructions that answer 1 for what is allowed. The last rule is asked first, about what is not decided yet."""
    program = [
        _instruction(_LOAD, _WANTED, source=1),
        _instruction(_COPY, _TYPE, source=_WANTED),
        _instruction(_AND, _TYPE, value=0xFFFF),
        _instruction(_RIGHT, _WANTED, value=16),
        _instruction(_LOAD, _MAJOR, source=1, offset=4),
        _instruction(_LOAD, _MINOR, source=1, offset=8),
    ]
    for rule in reversed(rules):
        conditions = [
            (register, value)
            for register, value in ((_TYPE, _TYPES.get(rule.type or "")), (_MAJOR, rule.major), (_MINOR, rule.minor))
            if value is not None and value != -1
        ]
        access = sum(_ACCESS[letter] for letter in set(rule.access)) or _ALL
        answer = [_instruction(_MOVE, 0, value=int(rule.allow)), _instruction(_EXIT)]
        if access == _ALL:
            action = answer
        elif rule.allow:
            action = [
                _instruction(_AND, _WANTED, value=_ALL & ~access),
                _instruction(_IF_DIFFERENT, _WANTED, offset=2),
                *answer,
            ]
        else:
            action = [_instruction(_IF_ANY_BIT, _WANTED, value=access, offset=1), _instruction(_JUMP, offset=2), *answer]
        for number, (register, value) in enumerate(conditions):
            left = len(conditions) - 1 - number + len(action)
            program.append(_instruction(_IF_DIFFERENT, register, value=value, offset=left))
        program += action
        if not conditions and access == _ALL:
            return b"".join(program)  # the kernel takes no instruction that is never reached
    return b"".join((*program, _instruction(_MOVE, 0, value=0), _instruction(_EXIT)))


def _attach(directory: str, program: bytes) -> None:
    """Errors: OSError; EPERM without the capabilities, EINVAL where the kernel was built without."""
    instructions, license_ = ctypes.create_string_buffer(program, len(program)), ctypes.create_string_buffer(b"Apache-2.0")
    handle = syscalls.bpf(
        _PROG_LOAD,
        struct.pack(
            "=IIQQIIQII16sII",
            _PROG_TYPE_CGROUP_DEVICE, len(program) // 8, ctypes.addressof(instructions), ctypes.addressof(license_),
            0, 0, 0, 0, 0, b"ctrscope", 0, _ATTACH_CGROUP_DEVICE,
        ),
    )  # fmt: skip
    try:
        cgroup = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syscalls.bpf(_PROG_ATTACH, struct.pack("=IIII", cgroup, handle, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI))
        finally:
            os.close(cgroup)
    finally:
        os.close(handle)


def _instruction(code: int, register: int = 0, *, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhI", code, register | source << 4, offset, value)


def _or_any(number: int | None) -> str:
    return "*" if number in (None, -1) else str(number)
