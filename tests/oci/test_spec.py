"""config.json: what is in it is taken, and whatever is wrong in it is said with its JSON path before anything is made."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctrscope.cgroups.cgroup import plan_cgroups
from ctrscope.launcher.confine import plan_confinement
from ctrscope.oci.errors import SpecError
from ctrscope.oci.spec import Spec, load_spec, parse_part
from ctrscope.oci.validate import validate

#: One of everything.
SPEC: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "box",
    "domainname": "example.org",
    "process": {
        "terminal": False,
        "consoleSize": {"height": 24, "width": 80},
        "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [3, 4]},
        "args": ["sh", "-c", "true"],
        "env": ["A=1", "B"],
        "cwd": "/srv",
        "capabilities": {one: ["CAP_KILL"] for one in ("bounding", "effective", "inheritable", "permitted", "ambient")},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}],
        "noNewPrivileges": True,
        "oomScoreAdj": 1,
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
    },
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/d", "type": "bind", "source": "/srv", "options": ["rbind", "ro"]},
    ],
    "hooks": {"poststop": [{"path": "/bin/true", "args": ["true"], "env": ["A=1"], "timeout": 3}]},
    "annotations": {"a": "b"},
    "linux": {
        "namespaces": [{"type": one} for one in ("pid", "mount", "network", "ipc", "uts", "cgroup", "user", "time")],
        "uidMappings": [{"containerID": 0, "hostID": 100000, "size": 1000}],
        "gidMappings": [{"containerID": 0, "hostID": 100000, "size": 1000}],
        "timeOffsets": {"monotonic": {"secs": 1, "nanosecs": 2}},
        "devices": [{"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 0}],
        "cgroupsPath": "/a/b",
        "resources": {
            "devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 10, "minor": 229}],
            "memory": {"limit": 1 << 26, "reservation": 1 << 25},
            "cpu": {"shares": 512, "quota": 1000, "period": 100000, "cpus": "0", "mems": "0"},
            "pids": {"limit": 5},
            "blockIO": {"weight": 100, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
            "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}},
        },
        "rootfsPropagation": "slave",
        "seccomp": {
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [
                {
                    "names": ["getcwd"],
                    "action": "SCMP_ACT_ERRNO",
                    "errnoRet": 1,
                    "args": [{"index": 0, "value": 1, "valueTwo": 0, "op": "SCMP_CMP_EQ"}],
                }
            ],
        },
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "maskedPaths": ["/proc/kcore"],
        "readonlyPaths": ["/proc/sys"],
        "personality": {"domain": "LINUX"},
    },
}
_PLACE = r"(config\.json: )?\$|config\.json: not JSON"  # half a surrogate pair is not


def take(content: object) -> Spec:
    """Everything that is looked at before anything is made."""
    spec = parse_part(json.dumps(content).encode(), "config.json", Spec)
    validate(spec)
    if spec.process is not None:
        plan_confinement(spec.process, spec.linux.seccomp)
    plan_cgroups(spec, "ctrscope-test-spec", systemd=False)
    return spec


def outcome(content: object) -> Spec | str:
    """What it comes to: the specification, or the error."""
    try:
        return take(content)
    except SpecError as error:
        return str(error)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inside for place in places(one, (*path, key)))]


def put(content: Any, path: tuple[Any, ...], value: object) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(content)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-2, 2), st.floats(allow_nan=False, allow_infinity=False), st.text(),
    st.sampled_from(("", "/", "..", "../..", "a\0b", "/a\0", "-1", "RLIMIT_X", "SCMP_ACT_NOTIFY", "bind", "\ud800")),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=6
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(places(SPEC)), values)
def test_whatever_is_put_wherever_it_is_taken_or_refused_by_its_path(path: tuple[Any, ...], value: object) -> None:
    said = outcome(put(SPEC, path, value))
    assert isinstance(said, Spec) or re.match(_PLACE, said), said


def test_one_of_everything_is_taken() -> None:
    spec = take(SPEC)
    assert spec.process is not None
    assert spec.process.io_priority is not None
    assert spec.process.io_priority.class_ == "IOPRIO_CLASS_BE"
    assert spec.linux.resources.block_io is not None
    assert spec.linux.resources.block_io.throttle_read_bps_device[0].rate == 600


@pytest.mark.parametrize(
    "path", [path for path in places(SPEC) if path and isinstance(path[-1], str)], ids=lambda path: ".".join(map(str, path))
)
def test_null_is_as_good_as_absent(path: tuple[Any, ...]) -> None:
    without = copy.deepcopy(SPEC)
    inner = without
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    assert outcome(put(SPEC, path, None)) == outcome(without)


def test_an_unknown_field_is_ignored_wherever_it_is() -> None:
    changed = SPEC
    for path in places(SPEC):
        inner: Any = SPEC
        for key in path:
            inner = inner[key]
        is_map = path[-1:] in (("annotations",), ("sysctl",), ("timeOffsets",), ("rdma",))
        if isinstance(inner, dict) and not is_map:
            changed = put(changed, (*path, "org.example.unknown"), {"deep": [1, None]})
    assert take(changed) == take(SPEC)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("process.rlimits.0.type", "RLIMIT_X", "$.process.rlimits[0].type: expected one of "),
        ("process.rlimits.0.soft", 3, "$.process.rlimits[0].soft: expected at most hard, 2, found 3"),
        ("process.rlimits.0.hard", -1, "$.process.rlimits[0].hard: expected a number of 64 bits without sign"),
        ("process.rlimits.0.soft", "1", "config.json: $.process.rlimits[0].soft: Expected `int`, got `str`"),
        ("process.oomScoreAdj", 1001, "$.process.oomScoreAdj: expected -1000 to 1000"),
        ("process.user.uid", 1 << 32, "$.process.user.uid: expected a number of 32 bits"),
        ("process.cwd", "srv", "$.process.cwd: expected an absolute path, found 'srv'"),
        ("process.args", [], "$.process.args: expected a program"),
        ("process.ioPriority.priority", 8, "$.process.ioPriority: expected"),
        ("linux.sysctl", {"kernel.panic": "1"}, "$.linux.sysctl['kernel.panic']: expected"),
        ("linux.sysctl", {"net..x": "1"}, "$.linux.sysctl['net..x']: expected"),
        ("linux.sysctl", {"net.x": 1}, "config.json: $.linux.sysctl"),
        ("linux.resources.devices.1.type", "x", "$.linux.resources.devices[1].type: expected one of a, b, c"),
        ("linux.resources.devices.1.access", "x", "$.linux.resources.devices[1].access: expected letters of r, w and m"),
        ("linux.resources.devices.1.major", -2, "$.linux.resources.devices[1].major: expected"),
        ("linux.resources.hugepageLimits.0.pageSize", "../x", "$.linux.resources.hugepageLimits[0].pageSize: expected a size"),
        ("linux.resources.cpu.shares", -1, "$.linux.resources.cpu.shares: expected a number of 64 bits"),
        ("linux.resources.cpu.cpus", "0;1", "$.linux.resources.cpu.cpus: expected numbers and ranges"),
        ("linux.resources.memory.limit", 1.5, "config.json: $.linux.resources.memory.limit: Expected `int"),
        ("linux.cgroupsPath", "../x", "$.linux.cgroupsPath: expected a path without .."),
        ("linux.cgroupsPath", "/", "$.linux.cgroupsPath: expected a path below"),
        ("linux.seccomp.syscalls.0.args.0.op", "?", "$.linux.seccomp.syscalls[0].args: "),
        ("linux.namespaces.0.type", "mount", "$.linux.namespaces[1].type: expected every type once"),
        ("ociVersion", "2.0.0", "$.ociVersion: expected"),
    ],
)  # fmt: skip
def test_bad_input_is_said_with_path_and_expectation(path: str, value: object, said: str) -> None:
    keys = tuple(int(key) if key.isdecimal() else key for key in path.split("."))
    with pytest.raises(SpecError) as caught:
        take(put(SPEC, keys, value))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b"\xff", b'{"ociVersion":' + b"[" * 100_000])
def test_what_is_no_config_is_said(text: bytes) -> None:
    with pytest.raises(SpecError, match=r"^config\.json: "):
        parse_part(text, "config.json", Spec)


def test_a_bundle_without_config_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"there is no config\.json; a bundle is"):
        load_spec(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("process", "rlimits", 0, "type"), "RLIMIT_X"),
        (("linux", "seccomp", "defaultAction"), "SCMP_ACT_NOTIFY"),
        (("linux", "resources", "unified"), {"../../x": "1"}),
        (("linux", "cgroupsPath"), "/"),
    ],
)
def test_nothing_is_made_for_what_is_refused(path: tuple[Any, ...], value: object, tmp_path: Path) -> None:
    bundle, state, name = tmp_path / "bundle", tmp_path / "state", f"ctrscope-test-spec-{os.getpid()}"
    (bundle / "rootfs").mkdir(parents=True)
    (bundle / "config.json").write_text(json.dumps(put(SPEC, path, value)))
    words = ("--root", str(state), "create", "-b", str(bundle), name)
    done = subprocess.run(
        [sys.executable, "-m", "ctrscope.cli.oci", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "$." in done.stderr
    assert not state.exists() or list(state.iterdir()) == []
    assert [here for here, _, _ in os.walk("/sys/fs/cgroup") if here.endswith(f"/{name}")] == []  # others' cgroups go meanwhile
