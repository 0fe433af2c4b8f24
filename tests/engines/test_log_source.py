"""Where a container's log is: its files with the rotated ones, or words on where it is read instead."""

from pathlib import Path
from typing import Any

import pytest

from ctrscope.engines.log_source import find_earlier_log, find_log, rotated_names
from ctrscope.engines.lxc import parse_lxc_config
from ctrscope.model.container import Container, ContainerStatus, EngineName, Evidence, Monitor, Pod
from ctrscope.model.log import LogFormat, LogSource
from ctrscope.model.timestamp import unix_time
from ctrscope.probes.hostfs import HostFs


def _container(engine: EngineName, **changes: Any) -> Container:
    values: dict[str, Any] = {"id": "3fca", "name": "web", "engine": engine, "status": ContainerStatus.STOPPED}
    return Container(**(values | changes))


def test_parts_of_a_log_are_in_the_order_in_which_they_were_written() -> None:
    names = ["x-json.log", "x-json.log.2.gz", "x-json.log.1", "x-json.log.10.gz", "x-json.log.old", "y-json.log.1"]
    assert rotated_names(names, "x-json.log") == ["x-json.log.10.gz", "x-json.log.2.gz", "x-json.log.1"]


def test_parts_that_kubelet_rotated_are_told_by_their_date() -> None:
    names = ["0.log", "0.log.20260921-120000", "0.log.20260920-120000.gz", "0.log.tmp", "1.log"]
    assert rotated_names(names, "0.log") == ["0.log.20260920-120000.gz", "0.log.20260921-120000"]


@pytest.mark.parametrize(
    ("engine", "name", "format_"),
    [
        (EngineName.DOCKER, "3fca-json.log", LogFormat.JSON_FILE),
        (EngineName.CONTAINERD, "3fca-json.log", LogFormat.JSON_FILE),  # nerdctl
        (EngineName.CONTAINERD, "0.log", LogFormat.CRI),
        (EngineName.PODMAN, "ctr.log", LogFormat.CRI),
        (EngineName.CRI_O, "0.log", LogFormat.CRI),
        (EngineName.CTRSCOPE, "log", LogFormat.CRI),
        (EngineName.LXC, "console.log", LogFormat.PLAIN),
    ],
)
def test_the_format_is_the_engines(tmp_path: Path, engine: EngineName, name: str, format_: LogFormat) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / f"{name}.1").touch()
    found = find_log(HostFs(str(tmp_path)), _container(engine, log_path=f"/logs/{name}", owner_uid=1000))
    assert found == LogSource(paths=(f"/logs/{name}.1", f"/logs/{name}"), format=format_, owner=1000)


@pytest.mark.parametrize("path", ["relative/x.log", "/a\0b"])
def test_what_is_no_path_is_not_opened(tmp_path: Path, path: str) -> None:
    assert find_log(HostFs(str(tmp_path)), _container(EngineName.DOCKER, log_path=path)).paths == ()


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ("journald", "journalctl CONTAINER_ID_FULL=3fca"),
        ("none", "it keeps none"),
        ("gelf", "its log driver is gelf"),
    ],
)
def test_of_another_driver_of_docker_it_is_said_where_the_log_is_read(tmp_path: Path, driver: str, words: str) -> None:
    (tmp_path / "hostconfig.json").write_text(f'{{"LogConfig": {{"Type": "{driver}", "Config": {{}}}}}}')
    evidence = (Evidence(source="/config.v2.json", value=""),)
    assert words in find_log(HostFs(str(tmp_path)), _container(EngineName.DOCKER, evidence=evidence)).elsewhere


def test_the_file_of_dockers_local_driver_lies_beside_its_state(tmp_path: Path) -> None:
    (tmp_path / "d/local-logs").mkdir(parents=True)
    (tmp_path / "d/local-logs/container.log.1.gz").touch()
    (tmp_path / "d/hostconfig.json").write_text('{"LogConfig": {"Type": "local", "Config": {}}}')
    evidence = (Evidence(source="/d/config.v2.json", value=""),)

    found = find_log(HostFs(str(tmp_path)), _container(EngineName.DOCKER, evidence=evidence))

    paths = ("/d/local-logs/container.log.1.gz", "/d/local-logs/container.log")
    assert found == LogSource(paths=paths, format=LogFormat.LOCAL)


def test_podmans_driver_is_what_conmon_was_told(tmp_path: Path) -> None:
    (tmp_path / "proc/77").mkdir(parents=True)
    (tmp_path / "proc/77/cmdline").write_bytes(b"/usr/bin/conmon\0--api-version\x001\0-l\0journald\0-c\x003fca\0")
    monitor = Monitor(pid=77, comm="conmon", alive=True)
    found = find_log(HostFs(str(tmp_path)), _container(EngineName.PODMAN, monitor=monitor))
    assert found.elsewhere == "journald has it: journalctl CONTAINER_ID_FULL=3fca"


def test_without_an_engine_it_is_said_where_init_writes(tmp_path: Path) -> None:
    (tmp_path / "proc/9/fd").mkdir(parents=True)
    (tmp_path / "proc/9/fd/1").symlink_to("/dev/pts/3")
    words = find_log(HostFs(str(tmp_path)), _container(EngineName.RUNC, pid=9, status=ContainerStatus.RUNNING)).elsewhere
    assert words.endswith("the standard output of its init is /dev/pts/3")


def test_the_log_of_an_lxc_console_is_what_the_configuration_names() -> None:
    text = b"lxc.uts.name = web\nlxc.console.logfile = /var/log/lxc/web.console\n"
    assert parse_lxc_config(text, "config").console_log == "/var/log/lxc/web.console"
    assert parse_lxc_config(b"lxc.console.logfile = none\n", "config").console_log is None


# The log of an attempt before

_POD = Pod(name="web-0", namespace="shop", uid="6f1c")


def _kubernetes(root: Path, attempt: int, names: tuple[str, ...]) -> tuple[HostFs, Container]:
    (root / "app").mkdir()
    for name in names:
        (root / "app" / name).touch()
    return HostFs(str(root)), _container(EngineName.CONTAINERD, pod=_POD, log_path=f"/app/{attempt}.log")


def test_kubelet_keeps_a_log_for_each_attempt_with_its_own_rotated_parts(tmp_path: Path) -> None:
    names = ("12.log", "3.log", "2.log", "2.log.20260921-120000", "2.log.20260920-120000.gz", "02.log", "x.log", "2.log.tmp")
    host, container = _kubernetes(tmp_path, 12, names)
    assert find_earlier_log(host, container, 1) == LogSource(paths=("/app/3.log",), format=LogFormat.CRI)
    assert find_earlier_log(host, container, 2).paths == (
        "/app/2.log.20260920-120000.gz",
        "/app/2.log.20260921-120000",
        "/app/2.log",
    )
    found = find_earlier_log(host, container, 3)
    assert (found.paths, found.elsewhere) == ((), "/app has no log of an attempt before that")


def test_a_later_attempt_is_not_one_before(tmp_path: Path) -> None:
    host, container = _kubernetes(tmp_path, 1, ("1.log", "2.log"))
    assert find_earlier_log(host, container, 1).paths == ()


def test_where_an_engine_goes_on_in_the_same_file_the_lines_end_between_the_end_and_the_start(tmp_path: Path) -> None:
    times = {"started_at": "2026-09-21T12:00:10Z", "finished_at": "2026-09-21T12:00:06Z"}
    container = _container(EngineName.DOCKER, log_path="/x-json.log", **times)
    assert find_earlier_log(HostFs(str(tmp_path)), container, 1) == LogSource(
        paths=("/x-json.log",), format=LogFormat.JSON_FILE, until=unix_time("2026-09-21T12:00:08Z")
    )
    assert find_earlier_log(HostFs(str(tmp_path)), container, 2).paths == ()


def test_of_a_container_that_ended_since_what_the_engine_noted_late_is_of_its_last_start(tmp_path: Path) -> None:
    times = {"started_at": "2026-09-21T12:00:10Z", "finished_at": "2026-09-21T12:00:16Z"}
    container = _container(EngineName.DOCKER, log_path="/x-json.log", **times)
    until = find_earlier_log(HostFs(str(tmp_path)), container, 1).until
    assert until is not None
    assert unix_time("2026-09-21T12:00:09.9Z") < until < unix_time("2026-09-21T12:00:10Z")  # type: ignore[operator]


@pytest.mark.parametrize(
    ("engine", "facts"),
    [
        (EngineName.LXC, {"log_path": "/console", "started_at": "2026-09-21T12:00:10Z"}),  # its lines have no times
        (EngineName.PODMAN, {"log_path": "/ctr.log"}),  # never started
    ],
)
def test_where_starts_cannot_be_told_apart_it_is_said(tmp_path: Path, engine: EngineName, facts: dict[str, Any]) -> None:
    found = find_earlier_log(HostFs(str(tmp_path)), _container(engine, **facts), 1)
    assert (found.paths, found.elsewhere) == ((), "what was written before this start cannot be told from the rest")
