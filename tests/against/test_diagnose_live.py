"""The classic demonstration on live containers: throttled, raised, unthrottled; killed at a memory limit and explained."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.lookup import find_container
from ctrscope.discovery.observe import PLAN, observe
from ctrscope.probes.hostfs import HostFs
from tests.against.names import IS_V2_MACHINE
from tests.attach.containers import runc_container
from tests.kernel.cgroups import cgroup, layout
from tests.live.docker import IMAGE, start_container
from tests.live.machine import FOREVER, end, remove_cgroups, run, wait_for
from tests.live.podman import IMAGE as PODMAN_IMAGE
from tests.live.podman import podman
from tests.requirements import require_root

_BUSY = "while :; do :; done"
#: Needs 100 MiB at once; the shell around it lives on when it is killed.
_HOG = "busybox dd if=/dev/zero of=/dev/null bs=100M count=1; sleep 100000"
_LIMIT = 64 << 20


def ctrscope(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ctrscope", *argv], capture_output=True, text=True, check=False, timeout=300)


def findings(name: str) -> dict[str, Any]:
    """What ``ctrscope diagnose NAME --json`` finds, by rule."""
    done = ctrscope("diagnose", name, "--json")
    assert done.returncode == 0, done.stderr
    return {finding["rule"]: finding for finding in json.loads(done.stdout)["findings"]}


def await_finding(name: str, rule: str) -> Any:
    """The finding, once there is one. On a machine with other work to do a container may not get what it is allowed at once."""
    return wait_for(f"{rule} of {name}", lambda: findings(name).get(rule), seconds=60)


def cpu_percent(name: str) -> float:
    """Percent of one CPU that a container used in half a second."""
    host = HostFs()
    snapshot = discover(host, PLAN)
    key = find_container(snapshot, name).key
    observed = observe(host, snapshot, keys=(key,)).value
    assert observed is not None
    return observed.rates[key].cpu_percent or 0.0


@contextmanager
def docker_container(name: str, *arguments: str) -> Iterator[None]:
    start_container(name, *arguments)
    try:
        yield
    finally:
        run("docker", "rm", "-f", name)


@contextmanager
def started(
    engine: str, directory: Path, script: str, *, cpus: float | None = None, memory: int | None = None
) -> Iterator[str]:
    """A container of that engine with that limit, which runs a script; its name."""
    name = f"ctrscope-diagnose-{engine}-{os.getpid()}"
    if engine == "docker":
        limits = [f"--cpus={cpus}"] if cpus else [f"--memory={memory}", f"--memory-swap={memory}"]
        with docker_container(name, *limits, IMAGE, "sh", "-c", script):
            yield name
        return
    # runc's is limited while it waits for us.
    wait = f"until test -e /go; do sleep 0.1; done; {script}"
    with runc_container(directory, name, args=["/bin/sh", "-c", wait], env=["PATH=/bin"]):
        done = ctrscope("limit", name, "--yes", *([f"--cpus={cpus}"] if cpus else [f"--memory={memory}"]))
        assert done.returncode == 0, done.stderr
        (directory / "rootfs" / "go").touch()
        yield name


@pytest.mark.parametrize("engine", ["docker", "runc"], indirect=True)
def test_throttling_at_half_a_cpu_is_found_and_gone_once_the_quota_is_raised(engine: str, tmp_path: Path) -> None:
    with started(engine, tmp_path, _BUSY, cpus=0.5) as name:
        throttled = await_finding(name, "health/cpu-throttled")
        assert "quota 0.5 CPU" in throttled["title"]
        assert cpu_percent(name) < 55
        done = ctrscope("limit", name, "--cpus", "1", "--yes")
        assert done.returncode == 0, done.stderr
        assert "0.5 CPU → 1 CPU" in done.stdout
        assert f"{engine} is not told" in done.stderr
        # 99 where nobody else wants a CPU; more than the old quota in any case.
        wait_for("usage to follow", lambda: cpu_percent(name) > 60, seconds=60)
        wait_for("the finding to go", lambda: "health/cpu-throttled" not in findings(name), seconds=60)


@pytest.mark.parametrize("engine", ["docker", "runc"], indirect=True)
def test_an_oom_kill_at_64_mib_is_found_with_the_line_of_the_kernel_log(engine: str, tmp_path: Path) -> None:
    with started(engine, tmp_path, _HOG, memory=_LIMIT) as name:
        killed = await_finding(name, "health/oom-killed")
        assert killed["severity"] == "high"
        sources = [evidence["source"] for evidence in killed["evidence"]]
        values = [evidence["value"] for evidence in killed["evidence"]]
        assert values[0] == "oom_kill 1"
        if os.path.exists("/dev/kmsg"):
            assert "it hit its own limit, last killed busybox" in killed["title"] or "last killed dd" in killed["title"]
            assert any(source.startswith("kernel log ") for source in sources)
            assert any("Memory cgroup out of memory: Killed process" in value for value in values)
        limits = json.loads(ctrscope("inspect", name, "--json").stdout)["container"]["limits"]
        assert limits["memory"] == _LIMIT


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_exit_137_of_a_container_that_ran_out_of_memory_is_explained(engine: str) -> None:
    name = f"ctrscope-diagnose-{engine}-137-{os.getpid()}"
    hog = ("busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1")
    with docker_container(name, f"--memory={_LIMIT}", f"--memory-swap={_LIMIT}", IMAGE, *hog):
        assert run("docker", "wait", name).strip() == "137"
        killed = findings(name)["health/oom-killed"]
        assert killed["title"].startswith("exit 137: 1 OOM kill")
        assert any("exit status 137 (128 + 9: SIGKILL)" in evidence["value"] for evidence in killed["evidence"])
    gone = json.loads(ctrscope("diagnose", "--json").stdout)["findings"]
    if os.path.exists("/dev/kmsg"):
        # Removed, and still the log tells why it vanished.
        assert any(finding["rule"] == "health/oom-killed-gone" for finding in gone)


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_zombie_that_pid_1_does_not_reap_is_found(engine: str) -> None:
    require_root()
    name = f"ctrscope-diagnose-{engine}-zombie-{os.getpid()}"
    # The shell's child becomes sleep's: exec keeps the PID and the children, and sleep waits for none.
    with docker_container(name, IMAGE, "sh", "-c", "sleep 0.1 & exec sleep 100000"):
        zombies = await_finding(name, "health/zombies")
        assert "1 zombie that PID 1 of it, sleep" in zombies["title"]


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_container_that_keeps_ending_is_in_a_restart_loop(engine: str) -> None:
    name = f"ctrscope-diagnose-{engine}-loop-{os.getpid()}"
    with docker_container(name, "--restart=always", IMAGE, "sh", "-c", "exit 3"):
        loop = await_finding(name, "health/restart-loop")
        count = int(run("docker", "inspect", "-f", "{{.RestartCount}}", name))
        assert 3 <= int(loop["title"].split()[1]) <= count


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_a_container_whose_conmon_died_is_found(engine: str) -> None:
    name = f"ctrscope-diagnose-{engine}-{os.getpid()}"
    podman("run", "-d", "--name", name, PODMAN_IMAGE, *FOREVER)
    try:
        conmon = int(podman("inspect", "-f", "{{.State.ConmonPid}}", name))
        end(conmon, first=signal.SIGKILL)
        gone = await_finding(name, "health/monitor-gone")
        assert gone["title"] == f"conmon {conmon} is gone: exit status will not be recorded"
        assert gone["severity"] == "high"
    finally:
        podman("rm", "-f", "--time", "0", name)


@pytest.mark.usefixtures("parts")
def test_an_empty_cgroup_of_a_container_that_is_gone_is_found_until_it_is_removed() -> None:
    name = f"{'e' * 56}{os.getpid():08x}"
    path = f"/system.slice/docker-{name}.scope" if IS_V2_MACHINE else f"/docker/{name}"
    with cgroup(path) as made:
        leaked = [
            found for found in json.loads(ctrscope("diagnose", "--json").stdout)["findings"] if found["subject"]["id"] == path
        ]
        assert [found["rule"] for found in leaked] == ["health/leaked"]
        assert len(leaked[0]["evidence"]) == len(set(made.values()))
    assert path not in ctrscope("diagnose", "--json").stdout


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_throttling_by_a_cgroup_above_is_found_and_named(engine: str) -> None:
    if layout().version == "v2":
        pytest.skip("with systemd the cgroup above has to be a slice")
    name, parent = f"ctrscope-diagnose-{engine}-below-{os.getpid()}", f"/ctrscope-parent-{os.getpid()}"
    try:
        with cgroup(parent) as made:
            (made["cpu"] / "cpu.cfs_quota_us").write_text("30000")
            with docker_container(name, f"--cgroup-parent={parent}", IMAGE, "sh", "-c", _BUSY):
                throttled = await_finding(name, "health/cpu-throttled")
                assert throttled["title"].endswith(f": quota 0.3 CPU set by {parent}")
                assert throttled["evidence"][0]["source"] == f"cgroup {parent} cpu.stat"
                assert f"0.3 CPU by {parent}" in findings(name)["health/limited-by-ancestor"]["title"]
                done = ctrscope("limit", name, "--cpus", "0.2", "--yes")
                assert done.returncode == 0, done.stderr
                wait_for("its own quota to bite", lambda: "set by" not in await_finding(name, "health/cpu-throttled")["title"])
    finally:
        remove_cgroups(parent[1:])
