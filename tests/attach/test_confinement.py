"""What holds a process of the container back, from literal text."""

import ctypes
import os
import resource
import signal
from pathlib import Path

import pytest

from ctrscope.attach.confinement import Filter, ResourceLimit, parse_limits
from ctrscope.attach.seccomp import Profile, compile_filter, parse_bundle
from ctrscope.attach.syscalls import PR_SET_NO_NEW_PRIVS, prctl, seccomp_filter
from ctrscope.model.gap import ParseError
from tests.requirements import unmet

needs_libseccomp = pytest.mark.usefixtures("libseccomp")

_ROWS = (
    ("Limit", "Soft Limit", "Hard Limit", "Units"),
    ("Max cpu time", "unlimited", "unlimited", "seconds"),
    ("Max open files", "1024", "524288", "files"),
    ("Max nice priority", "0", "0", ""),
    ("Max something new", "1", "2", "bytes"),
)
LIMITS = "".join(f"{name:<25} {soft:<20} {hard:<20} {unit:<10}\n" for name, soft, hard, unit in _ROWS).encode()
BUNDLE = b"""{"process": {"cwd": "/srv", "args": ["x"]}, "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_X86"],
"syscalls": [{"names": ["mkdir", "mkdirat", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 71},
{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]}]}}}"""


@pytest.fixture
def libseccomp() -> None:
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        unmet("not installed: libseccomp2")


def test_limits_are_read_by_their_names() -> None:
    assert parse_limits(LIMITS) == (
        ResourceLimit(resource.RLIMIT_CPU, -1, -1),
        ResourceLimit(resource.RLIMIT_NOFILE, 1024, 524288),
        ResourceLimit(resource.RLIMIT_NICE, 0, 0),
    )


def test_limits_of_this_process_are_what_getrlimit_says() -> None:
    for limit in parse_limits(Path("/proc/self/limits").read_bytes()):
        assert resource.getrlimit(limit.resource) == (limit.soft, limit.hard)


@pytest.mark.parametrize(
    "line", [b"Max open files            many                 524288  files", b"Max open files            1"]
)
def test_a_limit_that_is_none_is_an_error_with_its_line(line: bytes) -> None:
    with pytest.raises(ParseError, match="line 2"):
        parse_limits(b"Limit\n" + line)


def test_a_bundle_says_directory_and_profile() -> None:
    found = parse_bundle(BUNDLE)
    assert found.cwd == "/srv"
    assert found.seccomp is not None
    assert found.seccomp.defaultAction == "SCMP_ACT_ALLOW"
    assert parse_bundle(b"{}").seccomp is None
    assert parse_bundle(b'{"linux": {}}').cwd is None


@pytest.mark.parametrize("text", [b"", b"[]", b'{"linux": 3}', b'{"linux": {"seccomp": {"syscalls": []}}}', b"\xff{}"])
def test_what_is_no_config_is_an_error(text: bytes) -> None:
    with pytest.raises(ParseError, match=r"not a config\.json"):
        parse_bundle(text)


@needs_libseccomp
def test_the_compiled_filter_does_what_the_profile_says() -> None:
    profile = parse_bundle(BUNDLE).seccomp
    assert profile is not None
    compiled = compile_filter(profile)
    assert _under(compiled, lambda: os.mkdir("/nowhere/at/all")) == 71  # the number the profile names, not ENOENT
    assert _under(compiled, lambda: os.kill(os.getpid(), 10)) == 1
    assert _under(compiled, lambda: os.kill(os.getpid(), 0)) == 0


@needs_libseccomp
@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (Profile("SCMP_ACT_NOTIFY"), "defaultAction: SCMP_ACT_NOTIFY is not supported"),
        (
            Profile("SCMP_ACT_ALLOW", flags=("SECCOMP_FILTER_FLAG_NEW_LISTENER",)),
            "flags: SECCOMP_FILTER_FLAG_NEW_LISTENER is not supported",
        ),
    ],
)
def test_what_is_not_supported_is_said_with_its_place(profile: Profile, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        compile_filter(profile)


def _under(compiled: Filter, call: object) -> int:
    """The errno of a call in a child under that filter; 0 when it succeeds."""
    assert callable(call)
    child = os.fork()
    if child == 0:
        status = 255
        try:
            signal.signal(10, signal.SIG_IGN)
            prctl(PR_SET_NO_NEW_PRIVS, 1)
            seccomp_filter(compiled.program, compiled.flags)
            call()
            status = 0
        except OSError as error:
            status = error.errno or 255
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
