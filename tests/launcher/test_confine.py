"""What a process of a container becomes: planned from config.json, taken in a child, and read back from the kernel."""

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ctrscope.attach.confinement import Filter
from ctrscope.attach.program import execute
from ctrscope.attach.seccomp import Profile, Rule
from ctrscope.attach.seccomp import compile_filter as real
from ctrscope.launcher.confine import become, limit, plan_confinement, take_label
from ctrscope.launcher.filters import compile_seccomp
from ctrscope.oci.errors import LauncherError, SpecError
from ctrscope.oci.spec import Process
from tests.requirements import require, require_root

_CAPS = ("CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE")


def process(**fields: Any) -> Process:
    return msgspec.convert({"cwd": "/", "args": ["x"], **fields}, Process)


def child(action: Callable[[], None]) -> str:
    """What a child prints that does it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            action()
            status = 0
        except LauncherError as error:
            os.write(writing, f"refused: {error}".encode())
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as file:
        text = file.read().decode()
    os.waitpid(pid, 0)
    return text


def after_becoming(asked: Process, seccomp: Profile | None = None) -> dict[str, str]:
    """/proc/self/status of a child that became it."""
    confined = plan_confinement(asked, seccomp)

    def show() -> None:
        handle = os.open("/proc/self/status", os.O_RDONLY)
        become(confined)
        os.write(1, os.read(handle, 65536))  # opened before: a filter may forbid it now

    text = child(show)
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line) or {"refused": text}


def test_ids_capabilities_and_umask_are_those_asked_for() -> None:
    require_root("becomes another user")
    status = after_becoming(
        process(
            user={"uid": 1001, "gid": 1002, "additionalGids": [7, 9], "umask": 0o027},
            capabilities={
                "bounding": _CAPS,
                "permitted": _CAPS,
                "effective": _CAPS[:2],
                "inheritable": _CAPS[1:],
                "ambient": _CAPS[1:2],
            },
            noNewPrivileges=True,
        )
    )
    assert (status["Uid"], status["Gid"], status["Groups"].split()) == (
        "1001\t1001\t1001\t1001",
        "1002\t1002\t1002\t1002",
        ["7", "9"],
    )
    chown, kill, bind = 1 << 0, 1 << 5, 1 << 10
    assert {name: int(status[f"Cap{name}"], 16) for name in ("Bnd", "Prm", "Eff", "Inh", "Amb")} == {
        "Bnd": chown | kill | bind,
        "Prm": chown | kill | bind,
        "Eff": chown | kill,
        "Inh": kill | bind,
        "Amb": kill,
    }
    assert (status["Umask"], status["NoNewPrivs"]) == ("0027", "1")


def test_without_capabilities_there_are_none_and_the_umask_is_the_usual() -> None:
    require_root("drops capabilities")
    status = after_becoming(process())
    assert {int(status[f"Cap{name}"], 16) for name in ("Bnd", "Prm", "Eff", "Inh", "Amb")} == {0}
    assert (status["Umask"], status["NoNewPrivs"], status["Uid"].split()[0]) == ("0022", "0", "0")


@pytest.mark.parametrize("no_new_privs", [True, False])
@pytest.mark.parametrize("uid", [0, 1001])
def test_a_filter_is_loaded_whoever_it_is(no_new_privs: bool, uid: int) -> None:
    require_root("loads a filter without no_new_privs")
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 71}
    profile = msgspec.convert({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}, Profile)
    asked = process(user={"uid": uid, "gid": uid}, noNewPrivileges=no_new_privs)
    status = after_becoming(asked, profile)
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("0" if no_new_privs else "2", str(int(no_new_privs)))
    confined = plan_confinement(asked, profile)

    def try_it() -> None:
        become(confined)
        execute(("/bin/mkdir", "/nowhere/at/all"), {"LC_ALL": "C"}, inside=False, last=confined.last)

    assert "Protocol error" in child(try_it)  # 71, EPROTO


def test_a_filter_has_to_permit_nothing_but_the_program_itself() -> None:
    require_root("gives up capabilities")
    require("busybox")
    memory, thread = "brk getrandom mmap mprotect munmap prlimit64", "arch_prctl prctl rseq set_robust_list set_tid_address"
    needed = (
        f"{memory} {thread} execve exit_group fstat getegid geteuid getgid getuid newfstatat readlink readlinkat uname write"
    )
    rule = {"names": needed.split(), "action": "SCMP_ACT_ALLOW"}
    profile = msgspec.convert({"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": [rule]}, Profile)
    confined = plan_confinement(process(noNewPrivileges=True), profile)

    def try_it() -> None:
        become(confined)
        execute(("busybox", "echo", "alive"), {}, inside=True, alone=True, last=confined.last)

    assert child(try_it) == "alive\n"


def test_limits_are_set_from_outside() -> None:
    require_root("sets limits of another process")
    rlimits = [
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_STACK", "soft": 1 << 20, "hard": (1 << 64) - 1},
    ]
    asked = process(rlimits=rlimits, oomScoreAdj=500, ioPriority={"class": "IOPRIO_CLASS_IDLE", "priority": 0})
    confined = plan_confinement(asked, None)
    pid = os.fork()
    if pid == 0:
        signal.pause()
    try:
        if resource.getrlimit(resource.RLIMIT_STACK)[1] != resource.RLIM_INFINITY:
            pytest.skip("the stack of this process is limited")
        assert limit(pid, confined) == ()
        lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
        found = {line[:26].strip(): line[26:].split()[:2] for line in lines}
        assert found["Max open files"] == ["100", "200"]
        assert found["Max core file size"] == ["0", "0"]
        assert found["Max stack size"] == [str(1 << 20), "unlimited"]
        assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "500\n"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_limit_that_is_not_permitted_names_its_place() -> None:
    require_root("gives up capabilities")
    confined = plan_confinement(process(rlimits=[{"type": "RLIMIT_NOFILE", "soft": 1 << 20, "hard": 1 << 20}]), None)

    def try_it() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        os.setresuid(1001, 1001, 1001)
        limit(os.getpid(), confined)

    assert child(try_it).startswith("refused: $.process.rlimits[0]: setting 1048576 and 1048576: ")


def test_a_label_without_its_module_names_its_place() -> None:
    if Path("/sys/module/apparmor/parameters/enabled").exists():
        pytest.skip("AppArmor is here")
    confined = plan_confinement(process(apparmorProfile="docker-default"), None)
    said = child(lambda: take_label(confined))
    assert said.startswith("refused: $.process.apparmorProfile: ")


@pytest.mark.parametrize(
    ("seccomp", "path"),
    [
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "defaultAction"),
        ({"defaultAction": "?"}, "defaultAction"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}, "flags"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action": "?"}]}, r"syscalls\[0\]\.action"),
        (
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [
                    {"names": ["read"], "action": "SCMP_ACT_KILL"},
                    {"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]},
                ],
            },
            r"syscalls\[1\]\.args",
        ),
    ],
)
def test_a_profile_that_cannot_be_is_refused_by_its_path(seccomp: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError, match=rf"^\$\.linux\.seccomp\.{path}: "):
        plan_confinement(process(), msgspec.convert(seccomp, Profile))


def test_capabilities_that_nobody_knows_are_left_out_and_said() -> None:
    confined = plan_confinement(
        process(capabilities={"bounding": ["CAP_KILL", "CAP_FLY", "kill"], "ambient": ["CAP_FLY"]}), None
    )
    assert [warning.partition(" is not")[0] for warning in confined.warnings] == [
        "$.process.capabilities: CAP_FLY",
        "$.process.capabilities: kill",
    ]
    capabilities = confined.credentials.capabilities
    assert capabilities is not None
    assert capabilities.bounding == 1 << 5


@pytest.mark.parametrize("io", [{"class": "IOPRIO_CLASS_X", "priority": 0}, {"class": "IOPRIO_CLASS_BE", "priority": 8}])
def test_an_io_priority_that_is_none_is_refused(io: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"^\$\.process\.ioPriority: expected"):
        plan_confinement(process(ioPriority=io), None)


def test_the_last_filter_is_remembered_and_taken_for_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctrscope.launcher.filters._cache", lambda: str(tmp_path / "cache"))
    compiled: list[Profile] = []

    def compile_filter(profile: Profile) -> Filter:
        compiled.append(profile)
        return real(profile)

    monkeypatch.setattr("ctrscope.launcher.filters.compile_filter", compile_filter)
    one, other = (
        Profile(defaultAction="SCMP_ACT_ALLOW", syscalls=(Rule(("mount",), action),))
        for action in ("SCMP_ACT_TRAP", "SCMP_ACT_LOG")
    )
    expected = real(one)
    assert [compile_seccomp(one), compile_seccomp(one)] == [expected, expected]
    assert compiled == [one]
    assert compile_seccomp(other) == real(other) != expected
    remembered = tmp_path / "cache/seccomp.filter"
    remembered.write_bytes(remembered.read_bytes()[:-8])  # half written
    assert compile_seccomp(other) == real(other)
    assert compiled == [one, other, other]
