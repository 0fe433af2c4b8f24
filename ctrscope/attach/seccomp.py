"""What a container's bundle says about its processes: the seccomp filter, built anew from its profile, and the directory.

*Source:* OCI runtime spec, config-linux "seccomp"; seccomp(2). The kernel shows a filter to a tracer only, and tracing would
touch the container, so what the runtime was told is compiled once more, by the same library as the runtimes use.
*Versions:* libseccomp 2.x, which comes with every runtime; flags since Linux 4.14 (LOG) and 4.17 (SPEC_ALLOW).
"""

import ctypes
import os
from functools import cache

import msgspec

from ctrscope.attach.confinement import Filter
from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs

_CONFIG_LIMIT = 16 * 1024 * 1024
_FILTER_LIMIT = 32768  # bytes: BPF_MAXINSNS instructions of eight bytes each
_UNKNOWN_SYSCALL = -1

#: include/uapi/linux/seccomp.h; the low 16 bits of ERRNO and TRACE carry a number.
ACTIONS = {
    "SCMP_ACT_KILL": 0x0000_0000,
    "SCMP_ACT_KILL_THREAD": 0x0000_0000,
    "SCMP_ACT_KILL_PROCESS": 0x8000_0000,
    "SCMP_ACT_TRAP": 0x0003_0000,
    "SCMP_ACT_ERRNO": 0x0005_0000,
    "SCMP_ACT_TRACE": 0x7FF0_0000,
    "SCMP_ACT_LOG": 0x7FFC_0000,
    "SCMP_ACT_ALLOW": 0x7FFF_0000,
}
OPERATORS = {f"SCMP_CMP_{name}": number for number, name in enumerate(("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"), 1)}
#: SECCOMP_FILTER_FLAG_… that a new filter of one thread can have; TSYNC means nothing then.
_FLAGS = {"SECCOMP_FILTER_FLAG_LOG": 2, "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4, "SECCOMP_FILTER_FLAG_TSYNC": 0}


_libc = ctypes.CDLL(None)
_libc.free.argtypes = (ctypes.c_void_p,)


class Argument(msgspec.Struct, frozen=True):
    """One condition on an argument of a system call."""

    index: int
    value: int
    op: str
    valueTwo: int = 0  # noqa: N815 - the spec's name


class Rule(msgspec.Struct, frozen=True):
    """What happens to some system calls."""

    names: tuple[str, ...]
    action: str
    errnoRet: int | None = None  # noqa: N815
    args: tuple[Argument, ...] | None = None


class Profile(msgspec.Struct, frozen=True):
    """The ``linux.seccomp`` object of a config.json."""

    defaultAction: str  # noqa: N815
    defaultErrnoRet: int | None = None  # noqa: N815
    architectures: tuple[str, ...] | None = None
    flags: tuple[str, ...] | None = None
    syscalls: tuple[Rule, ...] | None = None


class _Linux(msgspec.Struct, frozen=True):
    seccomp: Profile | None = None


class _Process(msgspec.Struct, frozen=True):
    cwd: str = "/"


class _Config(msgspec.Struct, frozen=True):
    linux: _Linux | None = None
    process: _Process | None = None


class Bundle(msgspec.Struct, frozen=True):
    """What attach takes from a config.json."""

    seccomp: Profile | None  # None: no filter
    cwd: str | None


def read_bundle(host: HostFs, directory: str) -> Bundle:
    """What the runtime was told. Errors: OSError, ParseError."""
    return parse_bundle(host.read(f"{directory}/config.json", limit=_CONFIG_LIMIT))


def parse_bundle(text: bytes) -> Bundle:
    """``linux.seccomp`` and ``process.cwd`` of a config.json. Errors: ParseError."""
    try:
        config = msgspec.json.decode(text, type=_Config)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ParseError(f"not a config.json: {error}") from error
    return Bundle(
        seccomp=None if config.linux is None else config.linux.seccomp,
        cwd=None if config.process is None else config.process.cwd,
    )


@cache  # looked at once to be validated, once to be loaded
def compile_filter(profile: Profile) -> Filter:
    """Compile a profile for this machine. Errors: ParseError for what it says and cannot be done, OSError without libseccomp.

    A system call that this libseccomp has never heard of is passed over, as the runtimes do.
    """
    library = _load()
    default = _action("seccomp.defaultAction", profile.defaultAction, profile.defaultErrnoRet)
    context = library.seccomp_init(default)
    if not context:
        raise ParseError(f"seccomp.defaultAction: {profile.defaultAction} is no default action")
    try:
        for architecture in profile.architectures or ():
            token = library.seccomp_arch_resolve_name(architecture.removeprefix("SCMP_ARCH_").lower().encode())
            if token and library.seccomp_arch_exist(context, token):
                _check(library.seccomp_arch_add(context, token), f"seccomp.architectures: {architecture}")
        for number, rule in enumerate(profile.syscalls or ()):
            _add(library, context, rule, default, f"seccomp.syscalls[{number}]")
        return Filter(_export(library, context), _flags(profile.flags or ()))
    finally:
        library.seccomp_release(context)


def library_version() -> tuple[int, int, int]:
    """Major, minor and micro version of libseccomp. Errors: OSError."""
    major, minor, micro = (ctypes.c_uint * 3).from_address(_load().seccomp_version())
    return major, minor, micro


def known_syscalls(architecture: str, last: int) -> tuple[str, ...]:
    """Names of an architecture's system calls from number 0 to *last*, as far as libseccomp knows them. Errors: OSError."""
    library = _load()
    token = library.seccomp_arch_resolve_name(architecture.removeprefix("SCMP_ARCH_").lower().encode())
    found = []
    for number in range(last + 1):
        if name := library.seccomp_syscall_resolve_num_arch(token, number):
            found.append(ctypes.string_at(name).decode())
            _libc.free(name)
    return tuple(found)


class _Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_version.restype = ctypes.c_void_p
    library.seccomp_release.argtypes = (ctypes.c_void_p,)
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_void_p
    library.seccomp_syscall_resolve_num_arch.argtypes = (ctypes.c_uint32, ctypes.c_int)
    library.seccomp_arch_exist.argtypes = library.seccomp_arch_add.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Comparison),
    )
    return library


def _add(library: ctypes.CDLL, context: int, rule: Rule, default: int, where: str) -> None:
    action = _action(f"{where}.action", rule.action, rule.errnoRet)
    if action == default:
        return  # EACCES: libseccomp takes no rule that says what holds anyway
    arguments = rule.args or ()
    # Conditions on one argument twice are alternatives, on different ones they all have to hold; as runc reads the spec.
    groups = [arguments] if len({one.index for one in arguments}) == len(arguments) else [(one,) for one in arguments]
    for name in rule.names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == _UNKNOWN_SYSCALL:
            continue
        for group in groups:
            compared = (_Comparison * len(group))(*[_compared(argument, where) for argument in group])
            _check(library.seccomp_rule_add_array(context, action, number, len(group), compared), f"{where}: {name}")


def _compared(argument: Argument, where: str) -> _Comparison:
    operator = OPERATORS.get(argument.op)
    if (
        operator is None
        or not 0 <= argument.index <= 5
        or not all(0 <= one < 1 << 64 for one in (argument.value, argument.valueTwo))
    ):
        raise ParseError(f"{where}.args: argument {argument.index} {argument.op} is not of the spec")
    # MASKED_EQ: the mask comes first, in the spec as in libseccomp.
    return _Comparison(argument.index, operator, argument.value, argument.valueTwo)


def _action(where: str, name: str, number: int | None) -> int:
    if name not in ACTIONS:
        raise ParseError(f"{where}: {name} is not supported")  # SCMP_ACT_NOTIFY asks a program that we are not
    action = ACTIONS[name]
    if name in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        action |= (1 if number is None else number) & 0xFFFF  # EPERM
    return action


def _flags(names: tuple[str, ...]) -> int:
    flags = 0
    for name in names:
        if name not in _FLAGS:
            raise ParseError(f"seccomp.flags: {name} is not supported")
        flags |= _FLAGS[name]
    return flags


def _export(library: ctypes.CDLL, context: int) -> bytes:
    handle = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        _check(library.seccomp_export_bpf(context, handle), "seccomp")
        return os.pread(handle, _FILTER_LIMIT + 1, 0)
    finally:
        os.close(handle)


def _check(result: int, what: str) -> None:
    if result < 0:
        raise ParseError(f"{what}: {os.strerror(-result)}")
