"""Audit of live containers with a defect each, of Docker, Podman and runc; and of hardened ones, on which nothing is found."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live import docker as live_docker
from tests.live.docker import IMAGE
from tests.live.machine import run, wait_for
from tests.live.podman import IMAGE as PODMAN_IMAGE
from tests.live.podman import podman
from tests.requirements import require, require_root

_SLEEP = ("sleep", "100000")

#: Rule → arguments of docker and podman that make the defect.
DEFECTS: dict[str, tuple[str, ...]] = {
    "privileged": ("--privileged",),
    "host-root": ("--privileged", "--pid=host"),
    "cap-sys-admin": ("--cap-add=SYS_ADMIN",),
    "cap-sys-module": ("--cap-add=SYS_MODULE",),
    "cap-sys-ptrace": ("--cap-add=SYS_PTRACE",),
    "cap-sys-rawio": ("--cap-add=SYS_RAWIO",),
    "cap-dac-read-search": ("--cap-add=DAC_READ_SEARCH",),
    "cap-net-admin": ("--cap-add=NET_ADMIN",),
    "cap-sys-time": ("--cap-add=SYS_TIME",),
    "cap-syslog": ("--cap-add=SYSLOG",),
    "cap-sys-boot": ("--cap-add=SYS_BOOT",),
    "cap-beyond-default": ("--cap-add=MAC_ADMIN",),
    "cap-net-raw": ("--cap-add=NET_RAW",),
    "seccomp-disabled": ("--security-opt=seccomp=unconfined",),
    "no-new-privs": (),
    "root-without-userns": ("--user=0",),
    "host-pid": ("--pid=host",),
    "host-net": ("--network=host",),
    "host-ipc": ("--ipc=host",),
    "host-uts": ("--uts=host",),
    "host-cgroup": ("--cgroupns=host",),
    "host-root-mounted": ("-v", "/:/host:ro"),
    "sensitive-mount": ("-v", "/etc:/host-etc"),
    "engine-socket": ("-v", "/run:/host-run"),
    "credentials-mounted": ("-v", "/etc/shadow:/shadow:ro"),
    "kernel-files-mounted": ("-v", "/proc:/host-proc:ro"),
    "host-device": ("--device=/dev/loop-control",),
    "writable-root": (),
    "no-memory-limit": (),
    "no-cpu-limit": (),
    "no-pids-limit": ("--pids-limit=-1",),
    "secret-in-environment": ("-e", "DB_PASSWORD=hunter2"),
    "port-on-all-addresses": ("-p", "38765:80"),
    "privileged-port": ("-p", "127.0.0.1:787:80"),
}
#: What makes a container that nothing is to be said about.
_HARDENED = (
    *("--user", "1000:1000", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", "--memory=64m", "--cpus=0.5"),
    *("--pids-limit=32", "--network=none", "--cgroupns=private"),
)


def audit(*names: str) -> Any:
    argv = [sys.executable, "-m", "ctrscope", "audit", *names, "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rules(name: str) -> set[str]:
    return {one["rule"].removeprefix("security/") for one in audit(name)["findings"]}


@pytest.fixture(scope="module", autouse=True)
def _as_root() -> None:
    require_root("containers of all users")


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> str:
    require(request.param)
    if request.param == "docker":
        live_docker.start_daemon()
    return str(request.param)


@contextmanager
def started(engine: str, name: str, *arguments: str, command: tuple[str, ...] = _SLEEP) -> Iterator[str]:
    whole = f"au-{engine}-{name}-{os.getpid()}"
    if engine == "docker":
        live_docker.start_container(whole, *arguments, IMAGE, *command)
    else:
        podman("run", "-d", "--name", whole, *arguments, PODMAN_IMAGE, *command)
    try:
        yield whole
    finally:
        if engine == "docker":
            run("docker", "rm", "-f", whole)
        else:
            podman("rm", "-f", "-t", "0", whole)


def can_be_privileged(engine: str) -> bool:
    """Docker asks for every capability that the kernel has; where root lacks one, runc refuses. Podman asks for ours."""
    bounding = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    return engine == "podman" or int(bounding.split()[1], 16) == (2 << last) - 1


def test_every_defect_is_found(engine: str) -> None:
    missed = []
    for rule, arguments in DEFECTS.items():
        if "--privileged" in arguments and not can_be_privileged(engine):
            continue
        with started(engine, rule, *arguments) as name:
            found = rules(name)
            if rule not in found:
                missed.append((rule, sorted(found)))
    assert missed == []


def test_nothing_is_found_on_a_hardened_container(engine: str) -> None:
    more = ("--restart=on-failure:5", "--health-cmd=true") if engine == "docker" else ()
    tagged = f"{IMAGE}:au" if engine == "docker" else PODMAN_IMAGE
    if engine == "docker":
        run("docker", "tag", IMAGE, tagged)
    whole = f"au-{engine}-hardened-{os.getpid()}"
    try:
        if engine == "docker":
            run("docker", "run", "-d", "--name", whole, *_HARDENED, *more, tagged, *_SLEEP)
        else:
            podman("run", "-d", "--name", whole, *_HARDENED, tagged, *_SLEEP)
        answer = audit(whole)
        assert [(one["rule"], one["title"]) for one in answer["findings"]] == []
    finally:
        if engine == "docker":
            run("docker", "rm", "-f", whole)
            run("docker", "rmi", tagged)
        else:
            podman("rm", "-f", "-t", "0", whole)


def test_an_exec_with_more_rights_is_found(engine: str) -> None:
    with started(engine, "exec", "--cap-drop=ALL", "--user=1000") as name:
        assert "more-rights-than-init" not in rules(name)
        argv = [engine, "exec", "--user", "0", name, "sleep", "1000"]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            try:
                wait_for("the exec to be found", lambda: "more-rights-than-init" in rules(name), seconds=30)
            finally:
                process.kill()


def test_a_secret_is_not_in_any_output(engine: str) -> None:
    command = ("sh", "-c", "exec sleep 100000", "--password=t0psecret")
    with started(engine, "secret", "-e", "API_TOKEN=t0psecret", command=command) as name:
        for kind in ("table", "json", "sarif", "junit", "markdown", "html"):
            argv = [sys.executable, "-m", "ctrscope", "audit", name, "--format", kind]
            done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
            assert "API_TOKEN" in done.stdout.replace("\\", "")  # Markdown escapes it
            if kind != "html":  # the command line of each container is shown there, as ps shows it
                assert "t0psecret" not in done.stdout


def bundle(directory: Path, **changes: Any) -> Path:
    """A runc bundle over busybox, hardened but for the changes."""
    from tests.live.image import ROOTFS

    run("runc", "spec", "-b", str(directory))
    path = directory / "config.json"
    spec = json.loads(path.read_text())
    spec["process"].update(terminal=False, args=["/bin/sleep", "100000"], rlimits=[], user={"uid": 1000, "gid": 1000})
    spec["process"]["capabilities"] = {name: [] for name in ("bounding", "effective", "permitted")}
    spec["root"] = {"path": str(ROOTFS), "readonly": True}
    spec["linux"]["resources"].update(memory={"limit": 64 << 20}, pids={"limit": 32}, cpu={"quota": 50000, "period": 100000})
    spec["linux"]["namespaces"].append({"type": "cgroup"})
    spec["linux"]["namespaces"] = list({one["type"]: one for one in spec["linux"]["namespaces"]}.values())
    spec["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO"}],
    }
    for key, value in changes.items():
        part = spec
        *above, last = key.split("__")
        for name in above:
            part = part[name]
        part[last] = value(part.get(last)) if callable(value) else value
    path.write_text(json.dumps(spec))
    return directory


@contextmanager
def runc(directory: Path, **changes: Any) -> Iterator[str]:
    require("runc")
    name = f"au-runc-{os.getpid()}"
    run("runc", "run", "-d", "-b", str(bundle(directory, **changes)), name)
    try:
        yield name
    finally:
        run("runc", "delete", "-f", name)


def _without(kind: str) -> Any:
    return lambda namespaces: [one for one in namespaces if one["type"] != kind]


RUNC_DEFECTS: dict[str, dict[str, Any]] = {
    "seccomp-disabled": {"linux__seccomp": None},
    "no-new-privs": {"process__noNewPrivileges": False},
    "root-without-userns": {"process__user": {"uid": 0, "gid": 0}},
    "host-net": {"linux__namespaces": _without("network")},
    "host-ipc": {"linux__namespaces": _without("ipc")},
    "host-cgroup": {"linux__namespaces": _without("cgroup")},
    "unmasked-paths": {"linux__maskedPaths": []},
    "proc-sys-writable": {"linux__readonlyPaths": []},
    "writable-root": {"root__readonly": False},
    "all-devices-allowed": {"linux__resources__devices": [{"allow": True, "access": "rwm"}]},
    "no-memory-limit": {"linux__resources__memory": {}},
    "no-pids-limit": {"linux__resources__pids": {"limit": -1}},
    "no-cpu-limit": {"linux__resources__cpu": {}},
    "shared-propagation": {
        "mounts": lambda mounts: [
            *mounts,
            {"destination": "/run", "source": "/run/netns", "type": "bind", "options": ["rbind", "rshared", "ro"]},
        ],
        "linux__rootfsPropagation": "shared",
    },
    "unsafe-sysctl": {"linux__sysctl": {"net.ipv4.conf.all.route_localnet": "1"}},
}


@pytest.mark.parametrize("rule", RUNC_DEFECTS)
def test_a_defect_of_a_bundle_is_found(rule: str, tmp_path: Path) -> None:
    if rule == "shared-propagation":
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        if not any(" /run/netns " in line and " shared:" in line for line in lines):
            pytest.skip("/run/netns is no shared mount here")
    with runc(tmp_path, **RUNC_DEFECTS[rule]) as name:
        assert rule in rules(name)


def test_nothing_is_found_on_a_hardened_bundle(tmp_path: Path) -> None:
    with runc(tmp_path) as name:
        answer = audit(name)
        assert [(one["rule"], one["title"]) for one in answer["findings"]] == []


def test_drift_from_the_bundle_is_found(tmp_path: Path) -> None:
    with runc(tmp_path) as name:
        config = tmp_path / "config.json"
        spec = json.loads(config.read_text())
        # Who reads the file now believes that it is tighter than it is.
        spec["linux"]["resources"].update(memory={"limit": 1 << 20}, pids={"limit": 4})
        spec["linux"]["namespaces"].append({"type": "user"})
        config.write_text(json.dumps(spec))
        assert {"drift-limits", "drift-namespaces"} <= rules(name)


def test_a_limit_raised_behind_the_engine_is_drift(tmp_path: Path) -> None:
    with runc(tmp_path) as name:
        argv = [sys.executable, "-m", "ctrscope", "limit", name, "--memory", "128m", "--yes"]
        subprocess.run(argv, capture_output=True, check=True, timeout=60)
        assert "drift-limits" in rules(name)


def test_it_exits_10_when_something_is_that_bad(tmp_path: Path) -> None:
    with runc(tmp_path, process__user={"uid": 0, "gid": 0}) as name:
        argv = [sys.executable, "-m", "ctrscope", "audit", name, "--fail-on"]
        assert subprocess.run([*argv, "medium"], capture_output=True, check=False, timeout=60).returncode == 10
        assert subprocess.run([*argv, "high"], capture_output=True, check=False, timeout=60).returncode == 0
