"""Each rule of ``audit`` on live containers: a hardened one, and the same with one defect, in docker, podman and runc.

Of the hardened one nothing is said; of the others what the defect is, and nothing else.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.live import docker as live_docker
from tests.live.defects import (
    CGROUP_PARENT,
    DEFECTS,
    DOCKER_ONLY,
    HARDENED_DOCKER,
    HARDENED_PODMAN,
    Defect,
    Options,
    bind,
    bundle_spec,
    has_apparmor,
)
from tests.live.image import make_rootfs
from tests.live.machine import LAB, CommandFailedError, children, remove_cgroups, remove_directory, run, wait_for
from tests.live.podman import IMAGE as PODMAN_IMAGE
from tests.live.podman import podman
from tests.requirements import require, require_root

_IMAGE = f"{live_docker.IMAGE}:audited"
_NUMBERS = count()
_IS_V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
#: Defects that a script inside makes after its start.
_SCRIPTS = {"sshd", "temporary-executable", "deleted-executable", "credentials-inside", "password-inside"}
_LATEST = {"docker": f"{live_docker.IMAGE}:latest", "podman": "ctrscope.test/busybox:latest"}


def audit(*names: str) -> Any:
    # Whether Docker maps users is not what these are about: test_audit_v2_machine.py has that.
    argv = [sys.executable, "-m", "ctrscope", "audit", *names, "--skip", "userns-opt-out", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rules_of(answer: Any, name: str) -> dict[str, str]:
    """What is said of a container: rule → title."""
    return {one["rule"].removeprefix("security/"): one["title"] for one in answer["findings"] if one["subject"]["name"] == name}


_PLAIN = Defect({}, lambda spec: None)


class Engine:
    """One of the three, with containers that are removed in the end."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self.name = name
        self.started: list[str] = []
        self.may: frozenset[str] = frozenset()  # rules that may say something of any container of root
        self.prefix = f"audited-{name}-{os.getpid()}-{next(_NUMBERS)}"
        self.files = LAB / self.prefix
        _prepare(self, stack)

    def full_name(self, rule: str) -> str:
        """Of the container that has this defect."""
        return f"{self.prefix}-{rule}"

    def start(self, rule: str, defect: Defect) -> str:
        """A hardened container with this defect; its name."""
        whole = self.full_name(rule)
        self.started.append(whole)
        if self.name == "runc":
            self._start_bundle(whole, defect)
            return whole
        told = defect.podman if self.name == "podman" and defect.podman is not None else defect.options
        options: dict[str, Any] = {**(HARDENED_DOCKER if self.name == "docker" else HARDENED_PODMAN), **(told or {})}
        image = options.pop("image", "")
        argv = self._argv(options)
        if self.name == "docker":
            which = _LATEST["docker"] if image else _IMAGE
            run("docker", "run", "-d", "--name", whole, *argv, which, *defect.command, timeout=300)
        else:
            which = _LATEST["podman"] if image else PODMAN_IMAGE
            podman("run", "-d", "--name", whole, *argv, which, *defect.command)
        return whole

    def _start_bundle(self, name: str, defect: Defect) -> None:
        directory = self.files / "bundles" / name
        directory.mkdir(parents=True)
        run("runc", "spec", "-b", str(directory))
        path = directory / "config.json"
        spec = bundle_spec(json.loads(path.read_text()), str(self.files / "rootfs"))
        if defect.command[0] == "sh":
            spec["process"]["args"] = ["/bin/sh", *defect.command[1:]]
        spec["linux"]["cgroupsPath"] = f"/{self.prefix}/{name}"
        assert defect.change is not None
        defect.change(spec)
        text = self._filled(json.dumps(spec))
        if '"{partner}"' in text:
            state = json.loads(run("runc", "state", self.full_name("partner")))
            text = text.replace('"{partner}"', json.dumps({"type": "network", "path": f"/proc/{state['pid']}/ns/net"}))
        path.write_text(text)
        run("runc", "run", "-d", "-b", str(directory), name)

    def _argv(self, options: Options) -> list[str]:
        return [
            self._filled(f"--{key}" if one is True else f"--{key}={one}")
            for key, value in options.items()
            for one in (value if isinstance(value, tuple) else (value,))
            if one is not None
        ]

    def _filled(self, text: str) -> str:
        text = text.replace("container:{partner}", f"container:{self.full_name('partner')}").replace("{files}", str(self.files))
        for word, candidates in (("{low}", range(1023, 512, -1)), ("{free}", range(38765, 39000))):
            if word in text:
                text = text.replace(word, str(next(port for port in candidates if _is_free(port))))
        return text

    def remove(self) -> None:
        """All that were started."""
        if self.name == "docker":
            run("docker", "rm", "-f", *self.started, check=False, timeout=300)
            remove_cgroups(CGROUP_PARENT)
        elif self.name == "podman":
            # Of two that share a namespace podman removes the one that has it only after the other.
            names = self.started[::-1]
            for first in range(0, len(names), 8):
                podman("rm", "-f", "-t", "0", "--ignore", "--depend", *names[first : first + 8], check=False)
        else:
            for name in self.started:
                run("runc", "delete", "-f", name, check=False)
            remove_cgroups(self.prefix)


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def makes(engine: str, rule: str, defect: Defect) -> bool:
    """Whether this engine can have the defect."""
    if engine == "runc":
        return defect.change is not None
    if engine == "podman":
        return rule not in DOCKER_ONLY and (defect.options is not None or defect.podman is not None)
    return defect.options is not None


def is_possible(defect: Defect) -> bool:
    """Whether this host allows it: root may lack a capability, and the kernel AppArmor."""
    if defect.needs == "apparmor":
        return has_apparmor()
    bounding = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
    return not defect.needs or bool(int(bounding.split()[1], 16) >> _NUMBER[defect.needs] & 1)


_NUMBER = {"CAP_SYS_RESOURCE": 24}


class Audited:
    """What was said of the containers of one engine, all of them asked at once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.failed: dict[str, str] = {}  # rule → why its container could not be started
        self.answer: Any = None

    def rules(self, defect: str) -> dict[str, str]:
        """What was said of the one with this defect."""
        return rules_of(self.answer, self.engine.full_name(defect))


@pytest.fixture(scope="module", params=["docker", "podman", "runc"])
def audited(request: pytest.FixtureRequest) -> Iterator[Audited]:
    require_root("containers of all users")
    name = str(request.param)
    require(name)
    with ExitStack() as stack:
        engine = Engine(name, stack)
        found = Audited(engine)
        for one in ("hardened", "partner"):
            engine.start(one, _PLAIN)

        def start(rule: str) -> None:
            try:
                engine.start(rule, DEFECTS[rule])
            except CommandFailedError as error:
                found.failed[rule] = str(error)

        # What `-k` leaves out is not started.
        items = (getattr(item, "callspec", None) for item in request.session.items)
        asked = {
            item.params["rule"]
            for item in items
            if item is not None and item.params.get("audited") == name and "rule" in item.params
        }
        chosen = [one for one in DEFECTS if one in asked and makes(name, one, DEFECTS[one]) and is_possible(DEFECTS[one])]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(start, chosen))
        running = [engine.full_name(rule) for rule in ("hardened", "partner", *chosen) if rule not in found.failed]

        def is_found() -> bool:
            found.answer = audit(*running)
            return all(rule in found.rules(rule) for rule in _SCRIPTS & set(chosen))

        with suppress(TimeoutError):  # those that start something themselves; without it, their tests fail
            wait_for("what scripts start", is_found, seconds=20)
        yield found


def _prepare(engine: Engine, stack: ExitStack) -> None:
    stack.callback(remove_directory, str(engine.files))
    for name in ("token", "shared", "debug"):
        (engine.files / name).mkdir(parents=True)
    run("mount", "-t", "debugfs", "debugfs", str(engine.files / "debug"))
    run("mount", "--bind", str(engine.files / "shared"), str(engine.files / "shared"))
    run("mount", "--make-shared", str(engine.files / "shared"))
    # What a shim of containerd before 1.3.9 listened on.
    old_shim = stack.enter_context(closing(socket.socket(socket.AF_UNIX)))
    old_shim.bind(f"\0/containerd-shim/{engine.prefix}.sock")
    if engine.name == "docker":
        live_docker.start_daemon()
        if "name=userns" in run("docker", "info", "-f", "{{.SecurityOptions}}"):
            # Where it maps users it leaves cgroups writable, for those too that opted out (moby oci_linux.go).
            engine.may = frozenset({"cgroup-writable"})
        run("docker", "tag", live_docker.IMAGE, _IMAGE)
    elif engine.name == "podman":
        podman("tag", PODMAN_IMAGE, _LATEST["podman"])
    else:
        for name in ("rootfs", "credentials", "password"):
            make_rootfs(engine.files / name)
    stack.callback(engine.remove)


@pytest.fixture(scope="module", autouse=True)
def _images() -> Iterator[None]:
    yield
    if shutil.which("docker"):
        run("docker", "rmi", _IMAGE, check=False)
    if shutil.which("podman"):
        podman("untag", PODMAN_IMAGE, _LATEST["podman"], check=False)


def test_nothing_is_said_of_a_hardened_container(audited: Audited) -> None:
    assert audited.rules("hardened") == {}


@pytest.mark.parametrize("rule", DEFECTS)
def test_of_a_defect_is_said_what_it_is_and_nothing_else(audited: Audited, rule: str) -> None:
    defect = DEFECTS[rule]
    engine = audited.engine.name
    if not makes(engine, rule, defect):
        pytest.skip(f"{engine} cannot be told so")
    if not is_possible(defect):
        pytest.skip(f"not on this host: {defect.needs}")
    assert rule not in audited.failed, audited.failed[rule]
    expected = {rule} | (defect.also if engine == "docker" else defect.also - DOCKER_ONLY)
    found = audited.rules(rule)
    if rule == "all-devices-allowed" and _IS_V2:  # devices are a BPF program there, which no file shows: not checked is no pass
        expected = set()
        assert any(f"security/{rule}" in gap["fields"] for gap in audited.answer["gaps"])
    if rule == "no-pids-limit" and _pids_limit_of_systemd(audited.engine, rule):
        expected = set()  # there is one, as the kernel has it
    may = defect.may | audited.engine.may
    assert set(found) - may == expected - may, found


def _pids_limit_of_systemd(engine: Engine, rule: str) -> bool:
    """Engines tell their runtime nothing when they are told -1: a scope of systemd then has DefaultTasksMax for a limit."""
    if engine.name == "runc" or not _IS_V2:
        return False
    pid = run(engine.name, "inspect", "-f", "{{.State.Pid}}", engine.full_name(rule)).strip()
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    path = next(line.removeprefix("0::") for line in lines if line.startswith("0::"))
    scope = path[: path.index(".scope") + len(".scope")]
    return Path(f"/sys/fs/cgroup{scope}/pids.max").read_text().strip().isdecimal()


@pytest.fixture
def live(request: pytest.FixtureRequest) -> Iterator[Engine]:
    require_root("containers of all users")
    require(request.param)
    with ExitStack() as stack:
        yield Engine(request.param, stack)


_EVERY = pytest.mark.parametrize("live", ["docker", "podman", "runc"], indirect=True)


@_EVERY
def test_an_exec_with_more_rights_is_found(live: Engine) -> None:
    name = live.start("exec", _PLAIN)
    assert rules_of(audit(name), name) == {}
    argv = [live.name, "exec", "--user", "0", name, "sleep", "1000"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for("the exec to be found", lambda: set(rules_of(audit(name), name)) == {"more-rights-than-init"}, seconds=60)
        finally:
            process.kill()


@_EVERY
def test_a_process_of_the_host_in_its_cgroup_is_found(live: Engine) -> None:
    name = live.start("outside", _PLAIN)
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            for directory in cgroups_of(init_of(name)):
                (directory / "cgroup.procs").write_text(str(process.pid))
            # It is root, with everything, which the container's are not.
            assert set(rules_of(audit(name), name)) == {"process-outside", "more-rights-than-init"}
        finally:
            process.kill()


@_EVERY
def test_a_directory_of_the_host_that_a_process_was_left_with_is_found(live: Engine) -> None:
    name = live.start("leak", _PLAIN)
    init = init_of(name)
    # nsenter hands on what it has open. As CVE-2024-21626 has it, one of the two is its working directory, too.
    enter = ["nsenter", "-t", str(init), "--mount", "--pid", "--net", "--ipc", "--uts"]
    script = 'cd "/proc/self/fd/$1" && echo ready && exec sleep 1000'
    left = os.open(live.files, os.O_RDONLY | os.O_DIRECTORY)
    argv = [*enter, "/bin/sh", "-c", script, "sh", str(left)]
    with subprocess.Popen(argv, pass_fds=(left,), stdout=subprocess.PIPE, text=True) as process:
        try:
            os.close(left)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            (inside,) = children(process.pid)
            for directory in cgroups_of(init):
                (directory / "cgroup.procs").write_text(str(inside))
            answer = audit(name)
            found = [one for one in answer["findings"] if one["rule"] == "security/leaked-directory"]
            held = {f"{process.pid}/fd/{left}", f"{inside}/fd/{left}", f"{inside}/cwd"}  # nsenter itself is inside as well
            assert {one["evidence"][0]["source"] for one in found} == {f"/proc/{one}" for one in held}
            assert all(str(live.files) in one["title"] for one in found)
            # It is root, with everything, which the container's are not, and nsenter keeps its PID namespace.
            assert set(rules_of(answer, name)) == {"leaked-directory", "more-rights-than-init", "process-outside"}
        finally:
            for child in children(process.pid):
                os.kill(child, signal.SIGKILL)
            process.kill()


@_EVERY
def test_what_was_set_in_its_network_after_the_start_is_found(live: Engine) -> None:
    name = live.start("localnet", _PLAIN)
    setting = "/proc/sys/net/ipv4/conf/all/route_localnet"  # of the network namespace of whoever writes
    run("nsenter", "-t", str(init_of(name)), "--net", "sh", "-c", f"echo 1 > {setting}")
    assert set(rules_of(audit(name), name)) == {"route-localnet"}


@_EVERY
def test_a_whole_file_system_of_the_host_is_found_by_where_the_host_has_it(live: Engine) -> None:
    name = live.start("dev", Defect({"volume": "/dev:/host-dev:ro"}, bind("/dev", "/host-dev", "ro")))
    assert rules_of(audit(name), name) == {"sensitive-mount": "/dev of the host is mounted read-only at /host-dev"}


@_EVERY
def test_a_secret_that_only_a_process_beside_init_was_given_is_found(live: Engine) -> None:
    name = live.start("secret", _PLAIN)
    given = ("--env", "API_TOKEN=hunter2")
    argv = [live.name, "exec", *given, name, "sleep", "1000"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for("its environment to be read", lambda: "secret-in-environment" in rules_of(audit(name), name), seconds=60)
            said = rules_of(audit(name), name)
            assert set(said) == {"secret-in-environment"}
            assert "API_TOKEN" in said["secret-in-environment"]
            assert "sleep" in said["secret-in-environment"]
        finally:
            process.kill()


@_EVERY
def test_a_socket_of_an_engine_is_found_wherever_the_engine_was_told_to_listen(live: Engine) -> None:
    require("podman")
    place = live.files / "place"
    place.mkdir()
    argv = ["podman", "system", "service", "--time=0", f"unix://{place}/odd.name"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
        try:
            wait_for("podman to listen", (place / "odd.name").exists, seconds=60)
            for which, host_path in (("socket", place / "odd.name"), ("directory", place)):
                mount = f"{host_path}:/{which}:rw"
                name = live.start(which, Defect({"volume": mount}, bind(str(host_path), f"/{which}", "rw")))
                said = rules_of(audit(name), name)
                assert set(said) == {"engine-socket"}
                assert f"{place}/odd.name" in said["engine-socket"]
        finally:
            service.terminate()


@_EVERY
def test_setuid_programs_of_one_that_runs_as_root_are_told(live: Engine) -> None:
    change = all_of(DEFECTS["setuid-reachable"].change, DEFECTS["root-without-userns"].change)
    defect = Defect({**(DEFECTS["setuid-reachable"].options or {}), "user": "0:0"}, change)
    name = live.start("setuid", defect)
    found = {one["rule"].removeprefix("security/"): one for one in audit(name)["findings"]}
    assert set(found) - live.may == {"setuid-reachable", "no-new-privs", "root-without-userns"}
    assert found["setuid-reachable"]["severity"] == "info"
    assert "/usr/bin/su" in found["setuid-reachable"]["title"]


@_EVERY
def test_lxcfs_as_a_whole_is_found_where_it_may_be_written_to(live: Engine) -> None:
    if os.environ.get("CTRSCOPE_V2_MACHINE") == "1":
        pytest.skip("lxcfs is not in the virtual machine")
    require("lxcfs")
    place = live.files / "lxcfs"
    place.mkdir()
    argv = ["lxcfs", "-f", f"--pidfile={live.files}/lxcfs.pid", str(place)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for("lxcfs to serve", lambda: (place / "proc/uptime").exists(), seconds=60)
            for mode, expected in (("rw", {"lxcfs-writable", "root-without-userns"}), ("ro", {"root-without-userns"})):
                change = all_of(DEFECTS["root-without-userns"].change, bind(str(place), "/lxcfs", mode))
                name = live.start(f"lxcfs-{mode}", Defect({"user": "0:0", "volume": f"{place}:/lxcfs:{mode}"}, change))
                answer = audit(name)
                assert set(rules_of(answer, name)) - live.may == expected
                assert not [gap for gap in answer["gaps"] if "FUSE" in (gap["detail"] or "")]  # it is the host's own
        finally:
            live.remove()  # what is mounted there keeps it
            run("umount", "-l", str(place), check=False)
            server.terminate()


@_EVERY
def test_every_way_in_which_a_bundle_says_less_than_is_the_case_is_drift(live: Engine) -> None:
    lax: Options = {
        "user": "0:0",
        "cap-add": "NET_RAW",
        "network": "host",
        "read-only": None,
        "device-cgroup-rule": "a *:* rwm",
        "volume": "{files}/token:/token:rw",
    }
    lax_spec = all_of(
        *(DEFECTS[rule].change for rule in ("cap-net-raw", "seccomp-disabled", "no-new-privs", "host-net", "writable-root")),
        *(DEFECTS[rule].change for rule in ("all-devices-allowed", "proc-sys-writable")),
        *((DEFECTS["apparmor-unconfined"].change,) if has_apparmor() else ()),
        lambda spec: spec["mounts"].append(
            {"destination": "/token", "source": "{files}/token", "type": "bind", "options": ["bind", "rw"]}
        ),
    )
    unconfined = ("apparmor=unconfined",) if has_apparmor() else ()
    lax = {**lax, "security-opt": ("seccomp=unconfined", "systempaths=unconfined", *unconfined)}
    podman_words = {**lax, "security-opt": ("seccomp=unconfined", "unmask=ALL", *unconfined)}
    name = live.start("drift", Defect(lax, lax_spec, podman=podman_words))
    found = rules_of(audit(name), name)
    assert not [rule for rule in found if rule.startswith("drift-")], found
    path = bundle_of(live, name) / "config.json"
    spec = json.loads(path.read_text())
    spec["process"] |= {"capabilities": {}, "noNewPrivileges": True, "user": {"uid": 1000, "gid": 1000}}
    spec["root"]["readonly"] = True
    spec["mounts"] = [one for one in spec["mounts"] if one["destination"] != "/token"]
    linux = spec["linux"]
    linux["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO"}
    linux["namespaces"] = [*(one for one in linux["namespaces"] if one["type"] != "network"), {"type": "network"}]
    linux["resources"] |= {"devices": [{"allow": False, "access": "rwm"}]}
    linux |= {"maskedPaths": ["/proc/keys"], "readonlyPaths": ["/proc/sys"]}
    if has_apparmor():
        spec["process"]["apparmorProfile"] = "docker-default"
    path.write_text(json.dumps(spec))
    run(sys.executable, "-m", "ctrscope", "limit", name, "--memory", "100m", "--yes")
    drift = {rule.removeprefix("drift-") for rule in rules_of(audit(name), name) if rule.startswith("drift-")}
    every = {"capabilities", "seccomp", "no-new-privs", "namespaces", "limits", "mounts", "masks", "devices", "root", "user"}
    # On v2 devices are a BPF program, which no file shows.
    assert drift == (every | ({"apparmor"} if has_apparmor() else set())) - ({"devices"} if _IS_V2 else set())


def all_of(*changes: Any) -> Any:
    return lambda spec: [change(spec) for change in changes]


def init_of(name: str) -> int:
    argv = [sys.executable, "-m", "ctrscope", "inspect", name, "--json"]
    return int(json.loads(run(*argv))["container"]["pid"])


def bundle_of(engine: Engine, name: str) -> Path:
    """As the engine itself says."""
    if engine.name == "docker":
        whole = run("docker", "inspect", "-f", "{{.Id}}", name).strip()
        return Path("/run/containerd/io.containerd.runtime.v2.task/moby", whole)
    if engine.name == "podman":
        return Path(podman("inspect", "-f", "{{.OCIConfigPath}}", name).strip()).parent
    return Path(json.loads(run("runc", "state", name))["bundle"])


def cgroups_of(pid: int) -> list[Path]:
    """Directories of its cgroups, in every hierarchy."""
    mounted: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        if kind.startswith("cgroup"):
            for controller in ("",) if kind == "cgroup2" else options.split(","):
                mounted.setdefault(controller, Path(before.split()[4]))
    found = []
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        top = mounted.get(controllers.split(",")[0])
        if top is not None:
            found.append(top / path.lstrip("/"))
    return found
