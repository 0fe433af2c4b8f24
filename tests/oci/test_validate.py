"""config.json as text: what is read, what is refused, and by which name the place is called."""

import json
from typing import Any

import msgspec
import pytest

from ctrscope.oci.errors import SpecError
from ctrscope.oci.spec import Device, Linux, Memory, Process, Spec, parse_part
from ctrscope.oci.validate import validate

_LEAST: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "root": {"path": "rootfs"},
    "process": {"args": ["sh"], "cwd": "/"},
    "linux": {"namespaces": [{"type": name} for name in ("mount", "uts", "ipc", "network")]},
}


def parse(text: str | bytes) -> Spec:
    return parse_part(text.encode() if isinstance(text, str) else text, "c.json", Spec)


def changed(**changes: Any) -> str:
    """The least that is valid, with other top-level fields."""
    return json.dumps(_LEAST | changes)


def test_names_of_the_specification_are_read() -> None:
    spec = parse(
        changed(
            process={
                "args": ["sh"],
                "cwd": "/",
                "user": {"uid": 5, "additionalGids": [6]},
                "oomScoreAdj": -5,
                "noNewPrivileges": True,
            },
            linux={
                "uidMappings": [{"containerID": 0, "hostID": 100000, "size": 10}],
                "devices": [{"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229, "fileMode": 438}],
                "resources": {"memory": {"disableOOMKiller": True, "kernelTCP": 5}, "blockIO": {"throttleReadIOPSDevice": []}},
                "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38},
            },
        )
    )
    assert spec.process is not None
    assert (spec.process.user.uid, spec.process.user.additional_gids, spec.process.oom_score_adj) == (5, (6,), -5)
    assert spec.linux.uid_mappings[0].host_id == 100000
    assert spec.linux.devices == (Device(type="c", path="/dev/fuse", major=10, minor=229, file_mode=0o666),)
    assert spec.linux.resources.memory == Memory(disable_oom_killer=True, kernel_tcp=5)
    assert spec.linux.seccomp is not None
    assert spec.linux.seccomp.defaultErrnoRet == 38


def test_unknown_fields_are_ignored_and_null_is_absent() -> None:
    spec = parse(
        changed(mounts=None, linux={"intelRdt": {"closID": "x"}, "resources": None, "namespaces": None}, vendor={"a": [1]})
    )
    assert spec.mounts == ()
    assert spec.linux == Linux()


def test_what_is_written_is_read_again() -> None:
    spec = parse(changed(annotations={"a": "b"}, hostname="h"))
    assert parse(msgspec.json.encode(spec)) == spec


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "c.json: not JSON"),
        ("[" * 100_000, "c.json: not JSON"),
        ("[]", "c.json: $: Expected `object`"),
        ('{"ociVersion": "1.0.2"}', "c.json: $: Object missing required field `root`"),
        ('{"ociVersion": "1.0.2", "root": {"path": null}}', "c.json: $.root: Object missing required field `path`"),
        (
            changed(mounts=[{"destination": "/a"}, {"destination": 5}]),
            "c.json: $.mounts[1].destination: Expected `str`, got `int`",
        ),
        (changed(process={"args": ["a", 2], "cwd": "/"}), "c.json: $.process.args[1]: Expected `str`, got `int`"),
        (
            changed(mounts=[{"destination": "/a", "options": ["ro"]}, {"destination": "/b", "options": ["ro", 1]}]),
            "c.json: $.mounts[1].options[1]: Expected `str`, got `int`",
        ),
        (changed(linux={"resources": {"memory": {"limit": "1g"}}}), "c.json: $.linux.resources.memory.limit: Expected `int"),
    ],
)
def test_what_is_of_another_type_is_named(text: str, wanted: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert str(caught.value).startswith(wanted)


def linux(**changes: Any) -> str:
    return changed(linux=_LEAST["linux"] | changes)


def process(**changes: Any) -> str:
    return changed(process=_LEAST["process"] | changes)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (changed(ociVersion="2.0.0"), "$.ociVersion: expected a version 1.x.y, found '2.0.0'"),
        (changed(root={"path": ""}), "$.root.path: expected a path"),
        (changed(mounts=[{"destination": "relative"}]), "$.mounts[0].destination: expected an absolute path"),
        (changed(mounts=[{"destination": "/a\0b"}]), "$.mounts[0].destination: expected no NUL"),
        (
            changed(mounts=[{"destination": "/a", "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}]),
            "$.mounts[0].uidMappings",
        ),
        (changed(hooks={"createRuntime": [{"path": "x"}]}), "$.hooks.createRuntime[0].path: expected an absolute path"),
        (
            changed(hooks={"poststop": [{"path": "/x", "timeout": 0}]}),
            "$.hooks.poststop[0].timeout: expected more than 0 seconds",
        ),
        (process(args=[]), "$.process.args: expected a program"),
        (process(args=["a\0"]), "$.process.args[0]: expected no NUL"),
        (process(cwd="x"), "$.process.cwd: expected an absolute path"),
        (process(user={"uid": -1}), "$.process.user.uid: expected a number of 32 bits"),
        (process(rlimits=[{"type": "RLIMIT_X", "soft": 1, "hard": 1}]), "$.process.rlimits[0].type: expected one of RLIMIT_AS"),
        (
            process(rlimits=[{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]),
            "$.process.rlimits[0].soft: expected at most hard, 1",
        ),
        (
            process(rlimits=[{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2),
            "$.process.rlimits[1].type: expected every type once",
        ),
        (process(oomScoreAdj=1001), "$.process.oomScoreAdj: expected -1000 to 1000"),
        (linux(namespaces=[{"type": "mnt"}]), "$.linux.namespaces[0].type: expected one of cgroup, ipc, mount"),
        (linux(namespaces=[{"type": "pid"}] * 2), "$.linux.namespaces[1].type: expected every type once"),
        (linux(namespaces=[{"type": "pid", "path": "x"}]), "$.linux.namespaces[0].path: expected an absolute path"),
        (
            linux(uidMappings=[{"containerID": 0, "hostID": 1, "size": 1}]),
            "$.linux.uidMappings: expected none, as there is no user",
        ),
        (linux(namespaces=[{"type": "user"}]), "$.linux.uidMappings: expected at least one"),
        (
            linux(timeOffsets={"monotonic": {"secs": 1}}),
            "$.linux.timeOffsets: expected none, as there is no new time namespace",
        ),
        (linux(devices=[{"type": "x", "path": "/dev/x"}]), "$.linux.devices[0].type: expected one of b, c, u, p"),
        (linux(cgroupsPath="/a/../../b"), "$.linux.cgroupsPath: expected a path without .."),
        (linux(rootfsPropagation="all"), "$.linux.rootfsPropagation: expected one of shared"),
        (linux(maskedPaths=["x"]), "$.linux.maskedPaths[0]: expected an absolute path"),
        (linux(sysctl={"kernel.panic": "1"}), "$.linux.sysctl['kernel.panic']: expected one that namespaces have"),
        (linux(sysctl={"net/../kernel/panic": "1"}), "$.linux.sysctl['net/../kernel/panic']: expected names with dots"),
        (
            linux(namespaces=[{"type": "mount"}], sysctl={"net.a": "1"}),
            "$.linux.sysctl['net.a']: expected none, as there is no network",
        ),
        (
            changed(hostname="h", linux={"namespaces": [{"type": "mount"}]}),
            "$.hostname: expected none, as there is no uts namespace",
        ),
    ],
)
def test_what_cannot_be_is_named_with_what_is_expected(text: str, wanted: str) -> None:
    with pytest.raises(SpecError) as caught:
        validate(parse(text))
    assert str(caught.value).startswith(wanted)


def test_the_least_is_enough() -> None:
    validate(parse(json.dumps(_LEAST)))


def test_a_process_of_exec_is_a_file_of_its_own() -> None:
    assert parse_part(b'{"args": ["a"], "cwd": "/x", "terminal": true}', "p", Process) == Process(
        args=("a",), cwd="/x", terminal=True
    )
