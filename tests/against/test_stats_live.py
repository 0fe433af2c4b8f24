"""Figures of real containers: equal to the kernel's files, to what the engines were asked for, and to ``docker stats``."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from ctrscope.discovery.detail import read_detail
from ctrscope.discovery.discover import discover
from ctrscope.discovery.effective import Ancestry
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import Container
from ctrscope.model.detail import Detail
from ctrscope.probes.cgroupfs import read_layout
from ctrscope.probes.hostfs import HostFs
from tests.live.machine import run, wait_for
from tests.live.podman import podman
from tests.requirements import require

_LIMITS = ("--memory", "64m", "--memory-swap", "96m", "--cpus", "0.5", "--pids-limit", "40", "--cpuset-cpus", "0")
_BUSY = "while :; do :; done"
#: Grows until it is killed; the shell that started it goes on.
_HOG = "tail /dev/zero; exec sleep 100000"
_MIB = 1 << 20


def _engine(name: str, *argv: str) -> str:
    return podman(*argv) if name == "podman" else run(name, *argv)


@contextmanager
def _running(engine: str, name: str, *options: str, command: str = "exec sleep 100000") -> Iterator[str]:
    """A container of ours, from whatever image there is: all of them have busybox."""
    images = _engine(engine, "images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").split("\n")
    named = next(line.split()[-1] for line in images if line and "pause" not in line)
    name = f"cgstats-{name}-{os.getpid()}"
    try:
        _engine(engine, "run", "-d", "--name", name, *options, "--entrypoint", "/bin/sh", named, "-c", command)
        yield name
    finally:
        _engine(engine, "rm", "-f", *(("--time", "0") if engine == "podman" else ()), name)


@contextmanager
def _parent() -> Iterator[str]:
    """Path of a cgroup for containers of ours to be below, which docker makes; removed afterwards."""
    path = f"/cgstats-parent-{os.getpid()}"
    try:
        yield path
    finally:
        for directory in Path("/sys/fs/cgroup").glob(f"*{path}"):
            directory.rmdir()


@contextmanager
def _favoured() -> Iterator[tuple[str, ...]]:
    """Options for a container that gets its share of CPU however busy the machine is."""
    if _is_v2():
        yield ()
        return
    with _parent() as path:
        Path(f"/sys/fs/cgroup/cpu{path}").mkdir()
        Path(f"/sys/fs/cgroup/cpu{path}/cpu.shares").write_text("262144")
        yield ("--cgroup-parent", path)


def _opened(name: str) -> tuple[Container, Detail]:
    host = HostFs("/")
    container = next(one for one in discover(host, Plan()).containers if one.name == name)
    return container, read_detail(host, container)


def _file(container: Container, controller: str, name: str) -> str:
    """An interface file of the cgroup that the kernel says init is in; with crun on v2 of the scope, limits below it."""
    with open(f"/proc/{container.pid}/cgroup") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    path = next((path for _, names, path in lines if controller and controller in names.split(",")), None)
    if path is not None:
        return Path(f"/sys/fs/cgroup/{controller}{path}/{name}").read_text().strip()
    (path,) = [path for number, _, path in lines if number == "0"]
    scope = path.removesuffix("/container")
    is_limit = name in ("memory.max", "pids.max", "cpu.max", "cpu.weight")
    return Path(f"/sys/fs/cgroup{path if is_limit else scope}/{name}").read_text().strip()


def _is_v2() -> bool:
    layout = read_layout(HostFs("/"))
    return layout is not None and layout.version == "v2"


def _stats(*argv: str) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-m", "ctrscope", "stats", "--json", *argv], capture_output=True, check=True, timeout=60
    )
    return [json.loads(line)["stats"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)
def test_limits_are_those_that_the_engine_was_asked_for(engine: str) -> None:
    with _running(engine, "limits", *_LIMITS) as name:
        said = json.loads(_engine(engine, "inspect", name))[0]["HostConfig"]
        _, detail = _opened(name)
        assert detail.limits is not None
        assert detail.usage is not None
        assert detail.usage.cpuset is not None
        assert detail.effective is not None
        assert detail.limits.memory == said["Memory"] == 64 * _MIB
        assert detail.limits.swap == said["MemorySwap"] - said["Memory"] == 32 * _MIB
        assert detail.limits.pids == said["PidsLimit"] == 40
        cpus = said["NanoCpus"] / 1e9 if said.get("NanoCpus") else said["CpuQuota"] / said["CpuPeriod"]
        assert detail.limits.cpus == cpus == 0.5
        assert detail.usage.cpuset.cpus_effective == said["CpusetCpus"] == "0"
        effective = detail.effective
        assert [limit.value for limit in (effective.cpus, effective.memory, effective.pids) if limit] == [0.5, 64 * _MIB, 40]


@pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)
def test_figures_of_a_paused_container_are_the_numbers_in_the_kernels_files(engine: str) -> None:
    with _running(engine, "paused", *_LIMITS, command="for i in 1 2 3 4 5 6 7 8 9; do :; done; exec sleep 100000") as name:
        _engine(engine, "pause", name)
        try:
            container, detail = _opened(name)
            usage = detail.usage
            assert usage is not None
            assert usage.cpu is not None
            assert usage.memory is not None
            assert usage.pids is not None
            assert usage.frozen
            memory, pids, cpu = usage.memory, usage.pids, usage.cpu
            if _is_v2():
                files = {
                    "memory.current": memory.current,
                    "memory.peak": memory.peak,
                    "memory.max": memory.limit,
                    "memory.swap.current": memory.swap_current,
                    "pids.current": pids.current,
                    "pids.max": pids.limit,
                    "cpu.max": f"{cpu.quota_usec} {cpu.period_usec}",
                    "cpu.weight": cpu.weight,
                }
                assert {name: _file(container, "", name) for name in files} == {name: str(files[name]) for name in files}
                assert f"usage_usec {cpu.usage_usec}" in _file(container, "", "cpu.stat").splitlines()
                assert f"inactive_file {memory.inactive_file}" in _file(container, "", "memory.stat").splitlines()
            else:
                known = {
                    ("memory", "memory.usage_in_bytes"): memory.current,
                    ("memory", "memory.max_usage_in_bytes"): memory.peak,
                    ("memory", "memory.limit_in_bytes"): memory.limit,
                    ("memory", "memory.failcnt"): memory.events["max"],
                    ("memory", "memory.kmem.usage_in_bytes"): memory.kmem_current,
                    ("pids", "pids.current"): pids.current,
                    ("pids", "pids.max"): pids.limit,
                    ("cpu", "cpu.cfs_quota_us"): cpu.quota_usec,
                    ("cpu", "cpu.cfs_period_us"): cpu.period_usec,
                    ("cpu", "cpu.shares"): cpu.weight,
                    ("cpuset", "cpuset.effective_cpus"): usage.cpuset.cpus_effective if usage.cpuset else None,
                }
                assert {where: _file(container, *where) for where in known} == {where: str(known[where]) for where in known}
                assert int(_file(container, "cpuacct", "cpuacct.usage")) // 1000 == cpu.usage_usec
                assert f"total_inactive_file {memory.inactive_file}" in _file(container, "memory", "memory.stat").splitlines()
                assert usage.devices == tuple(_file(container, "devices", "devices.list").splitlines())
        finally:
            _engine(engine, "unpause", name)


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
@pytest.mark.skipif(os.environ.get("CTRSCOPE_V2_MACHINE") == "1", reason="nothing about time in that slow machine")
def test_cpu_percent_under_a_quota_is_within_three_points_of_docker_stats(engine: str) -> None:
    with _favoured() as parent, _running("docker", "busy", "--cpus", "0.5", *parent, command=_BUSY) as name:
        # docker's own reading swings by several points on a busy machine: the middle one of three.
        once = f"docker stats --no-stream --format '{{{{.CPUPerc}}}} {{{{.PIDs}}}}' {name};"
        docker = subprocess.Popen(["sh", "-c", once * 3], stdout=subprocess.PIPE, text=True)
        readings = [ours for [ours] in _stats(name, "--interval", "1.5", "--count", "4")][1:]
        said = [line.split() for line in docker.communicate(timeout=60)[0].splitlines()]
        percent = median(ours["cpu"]["percent"] for ours in readings)
        assert abs(percent - median(float(word.rstrip("%")) for word, _ in said)) <= 3, (percent, said)
        assert abs(percent - 50) <= 3
        assert abs(readings[-1]["cpu"]["percent_of_allowed"] - 2 * readings[-1]["cpu"]["percent"]) < 0.1
        assert readings[-1]["cpu"]["throttled_percent"] > 0
        assert {int(tasks) for _, tasks in said} == {readings[-1]["pids"]["current"]}


@pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)
def test_a_container_that_outgrew_its_memory_shows_its_cap_and_its_kills(engine: str) -> None:
    with _running(engine, "oom", "--memory", "64m", "--memory-swap", "64m", command=_HOG) as name:
        container, _ = _opened(name)
        if _is_v2():
            wait_for("OOM kill", lambda: "oom_kill 0" not in _file(container, "", "memory.events").splitlines())
        else:
            wait_for("OOM kill", lambda: "oom_kill 0" not in _file(container, "memory", "memory.oom_control").splitlines())
        container, detail = _opened(name)
        [[ours]] = _stats(name)
        assert detail.usage is not None
        assert detail.usage.memory is not None
        assert (ours["memory"]["limit"], ours["memory"]["effective_limit"]) == (64 * _MIB, 64 * _MIB)
        assert ours["memory"]["oom_kills"] == 1
        # v2 counts some pages that the kernel could not refuse.
        assert 60 * _MIB < ours["memory"]["peak"] < 65 * _MIB
        (events,) = [one for one in detail.limit_events if one.memory_max or one.was_full]
        assert ours["memory"]["limited_by"] in (events.path, events.path.removesuffix("/container"))


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_memory_that_an_ancestor_limits_is_attributed_to_it(engine: str) -> None:
    if _is_v2():
        pytest.skip("cgroup v1: on v2 with systemd a parent has to be a slice, which the fixture tests have")
    with (
        _parent() as parent,
        _running(
            *("docker", "child", "--cgroup-parent", parent, "--memory", "128m", "--memory-swap", "128m"),
            command=f"while ! [ -e /go ]; do sleep 0.1; done; {_HOG}",
        ) as name,
    ):
        Path(f"/sys/fs/cgroup/memory{parent}/memory.limit_in_bytes").write_text(str(32 * _MIB))
        container, detail = _opened(name)
        run("docker", "exec", name, "touch", "/go")
        wait_for("OOM kill", lambda: "oom_kill 0" not in _file(container, "memory", "memory.oom_control").splitlines())
        layout = read_layout(HostFs("/"))
        assert layout is not None
        assert container.cgroup is not None
        assert detail.effective is not None
        assert detail.effective.memory is not None
        assert (detail.effective.memory.value, detail.effective.memory.limited_by) == (32 * _MIB, parent)
        child, above = Ancestry(HostFs("/"), layout).events(container.cgroup)
        assert (child.path, child.memory_max, child.oom_kills) == (f"{parent}/{container.id}", 0, 1)
        assert (above.path, above.oom_kills) == (parent, 0)
        assert above.memory_max
        text = run(sys.executable, "-m", "ctrscope", "cgroup", name)
        assert "↑32M" in text
        assert f"memory: {parent}" in text


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_traffic_is_that_of_docker_stats(engine: str) -> None:
    with _running(
        "docker", "net", command="ping -c 3 -i 0.2 -s 1000 $(ip route | awk '/default/ {print $3}'); exec sleep 100000"
    ) as name:
        container, _ = _opened(name)

        def received() -> int:
            line = next(line for line in Path(f"/proc/{container.pid}/net/dev").read_text().splitlines() if "eth0" in line)
            return int(line.split(":")[1].split()[0])

        wait_for("three answers", lambda: received() > 3000)
        [[ours]] = _stats(name)
        assert 3000 < ours["network"]["rx_bytes"] <= received()


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_from_a_cgroup_namespace_of_our_own_every_path_is_the_hosts(engine: str) -> None:
    require("unshare")
    with _running("docker", "path", "--memory", "64m") as name:
        container, _ = _opened(name)
        command = [sys.executable, "-m", "ctrscope", "inspect", name, "--json"]
        inside = json.loads(run("unshare", "-C", *command))["container"]
        told = run("unshare", "-C", "cat", f"/proc/{container.pid}/cgroup")
        assert container.cgroup is not None
        assert inside["cgroup"]["paths"] == dict(container.cgroup.paths), told
        assert inside["limits"]["memory"] == 64 * _MIB
