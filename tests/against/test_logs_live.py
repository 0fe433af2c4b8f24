"""Logs of live containers against what their engines' own commands print."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.log_reader import LogReader
from ctrscope.discovery.merged_log import open_logs
from ctrscope.discovery.plan import Plan
from ctrscope.engines.log_source import find_earlier_log, find_log
from ctrscope.model.container import Container
from ctrscope.model.log import LogPlace
from ctrscope.model.timestamp import unix_time
from ctrscope.probes.hostfs import HostFs
from tests.live import cri, docker, lxc, podman
from tests.live.image import make_rootfs
from tests.live.machine import LAB, remove_cgroups, remove_directory, run, wait_for
from tests.requirements import unmet

#: Two streams, an empty line, an escape sequence, a line longer than one record, and no newline at the end.
_SCRIPT = (
    "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; done; echo to-stderr >&2; echo; "
    "printf '\\033[31mred\\033[0m\\t\\r\\n'; head -c 40000 /dev/zero | tr '\\0' x; echo; printf 'no newline'; exec sleep 100000"
)
#: LXC splits its init's command at blanks.
_SAYS = "exec>/dev/console;echo${IFS}hello;printf${IFS}login:;exec${IFS}sleep${IFS}100000"


def _find(name: str) -> Container:
    return next(one for one in discover(HostFs(), Plan(stopped=True)).containers if one.name == name)


def _texts(name: str) -> list[str]:
    host = HostFs()
    reader = LogReader(host, find_log(host, _find(name)))
    page = reader.after(LogPlace(0, 0), 10_000)
    assert page.is_last
    back = reader.before(None, 10_000)
    assert [one.text for one in back.lines] == [one.text for one in page.lines]
    return [one.text for one in page.lines]


def _has_said(command: tuple[str, ...], text: str) -> bool:
    return text in run(*command)


def _said(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


@pytest.mark.parametrize(("driver", "ending"), [("json-file", "-json.log"), ("local", "/local-logs/container.log")])
def test_a_log_of_docker_is_what_docker_logs_prints_across_its_rotated_parts(
    parts: tuple[str, ...], driver: str, ending: str
) -> None:
    if "docker" not in parts:
        unmet("docker is not up")
    name, command = "log-live", ("sh", "-c", "docker logs log-live 2>&1")
    options = ("--network", "none", "--log-driver", driver, "--log-opt", "max-size=4k", "--log-opt", "max-file=20")
    try:
        docker.start_container(name, *options, docker.IMAGE, "sh", "-c", _SCRIPT)
        wait_for("the last line", lambda: "x" * 40_000 in run(*command))
        paths = find_log(HostFs(), _find(name)).paths
        assert len(paths) > 2
        assert paths[-1].endswith(ending)
        # docker logs prints each stream to a descriptor of its own: their lines mix as they come.
        found = _texts(name)
        assert sorted(found) == sorted(_said(run(*command)))
        assert [text for text in found if text.startswith("line ")] == [f"line {number}" for number in range(1, 301)]
    finally:
        run("docker", "rm", "-f", name, check=False)


@pytest.fixture
def wrote_by_podman(parts: tuple[str, ...]) -> Iterator[str]:
    if "podman" not in parts:
        unmet("podman is not up")
    name = "log-live-p"
    try:
        podman.podman("run", "-d", "--name", name, "--log-driver", "k8s-file", podman.IMAGE, "sh", "-c", _SCRIPT)
        yield name
    finally:
        podman.podman("rm", "-f", "-t", "0", name, check=False)


def test_a_log_of_podman_is_what_podman_logs_prints(wrote_by_podman: str) -> None:
    command = ("sh", "-c", f"podman logs {wrote_by_podman} 2>&1")
    wait_for("the last line", lambda: "no newline" in run(*command))
    assert sorted(_texts(wrote_by_podman)) == sorted(_said(run(*command)))


def test_the_console_log_of_lxc_is_what_the_console_showed(parts: tuple[str, ...]) -> None:
    if "lxc" not in parts:
        unmet("lxc is not up")
    name = "log-live-lx"
    directory, console = Path("/var/lib/lxc", name), Path("/run", f"{name}.console")
    with contextlib.ExitStack() as stack:
        stack.callback(console.unlink, missing_ok=True)
        stack.callback(remove_directory, str(directory))
        stack.callback(remove_cgroups, f"lxc.payload.{name}*", f"lxc.monitor.{name}*")
        stack.callback(run, "lxc-stop", "-k", "-n", name, check=False)
        make_rootfs(directory / "rootfs")
        (directory / "config").write_text(
            f"lxc.rootfs.path = dir:{directory}/rootfs\nlxc.uts.name = {name}\nlxc.net.0.type = empty\n"
            f"lxc.apparmor.profile = unconfined\nlxc.console.logfile = {console}\nlxc.init.cmd = /bin/sh -c {_SAYS}\n"
        )
        lxc.start_container(name)
        wait_for("the console's log", lambda: console.exists() and b"login:" in console.read_bytes())
        host = HostFs()
        source = find_log(host, _find(name))
        assert source.paths == (str(console),)
        page = LogReader(host, source).before(None, 10)
        assert "hello" in [one.text for one in page.lines]
        assert page.unfinished is not None
        assert page.unfinished.text.endswith("login:")


#: Lines of one stream, so that their times rise, from the moment on at which all are told to begin.
_TURNS = (
    "while [ ! -e /go/now ]; do sleep 0.01; done; i=0; "
    "while [ $i -lt 40 ]; do i=$((i+1)); echo said $i; sleep 0.01; done; exec sleep 100000"
)


def test_a_merged_log_has_the_lines_of_the_engines_own_commands_in_the_order_of_their_times(
    parts: tuple[str, ...], tmp_path: Path
) -> None:
    if "docker" not in parts or "podman" not in parts:
        unmet("docker and podman are not both up")
    engines = {"log-live-m0": "docker", "log-live-m1": "docker", "log-live-mp": "podman"}
    options = ("--network", "none", "-v", f"{tmp_path}:/go:ro")
    try:
        for name, engine in engines.items():
            if engine == "docker":
                docker.start_container(name, *options, docker.IMAGE, "sh", "-c", _TURNS)
            else:
                podman.podman(
                    "run", "-d", "--name", name, "--log-driver", "k8s-file", *options, podman.IMAGE, "sh", "-c", _TURNS
                )
        (tmp_path / "now").touch()
        expected = []
        for name, engine in engines.items():
            command = (engine, "logs", "-t", name)
            wait_for("the last line", partial(_has_said, command, "said 40"))
            for line in run(*command).splitlines():
                at, _, text = line.partition(" ")
                expected.append((unix_time(at) or 0.0, name, text))
        log = open_logs(HostFs(), {name: _find(name) for name in engines})
        page = log.after(log.beginning, 10_000)
        assert page.is_last
        assert [(unix_time(one.at), one.whose, one.text) for one in page.lines] == sorted(expected, key=lambda one: one[:2])
        assert log.before(None, 10_000).lines == page.lines
    finally:
        for name, engine in engines.items():
            run(engine, "rm", "-f", *(("-t", "0") if engine == "podman" else ()), name, check=False)


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_after_a_restart_the_lines_from_before_it_are_told_from_the_others(parts: tuple[str, ...], engine: str) -> None:
    if engine not in parts:
        unmet(f"{engine} is not up")
    name = f"log-live-r-{engine}"
    say = "echo begins; echo $(cat /n 2>/dev/null)x >/n; echo start $(cat /n); exec sleep 100000"
    try:
        if engine == "docker":
            docker.start_container(name, "--network", "none", docker.IMAGE, "sh", "-c", say)
        else:
            podman.podman("run", "-d", "--name", name, "--log-driver", "k8s-file", podman.IMAGE, "sh", "-c", say)
        for marks in ("x", "xx"):
            wait_for("the last line", partial(_has_said, (engine, "logs", name), f"start {marks}\n"))
            if marks == "x":
                podman.podman("restart", "-t", "0", name) if engine == "podman" else run("docker", "restart", "-t", "0", name)
        host, found = HostFs(), _find(name)
        assert [one.text for one in LogReader(host, find_log(host, found)).before(None, 10).lines] == [
            *("begins", "start x"),
            *("begins", "start xx"),
        ]
        source = find_earlier_log(host, found, 1)
        assert [one.text for one in LogReader(host, source).before(None, 10).lines] == ["begins", "start x"]
    finally:
        run(engine, "rm", "-f", *(("-t", "0") if engine == "podman" else ()), name, check=False)


def _of(container_id: str) -> Container:
    return next(one for one in discover(HostFs(), Plan(stopped=True)).containers if one.id == container_id)


def test_the_log_of_an_attempt_before_is_the_file_that_containerd_wrote_for_it(parts: tuple[str, ...]) -> None:
    if "containerd" not in parts or not cri.is_ours():
        unmet("containerd is not up with its CRI")
    name = "log-live"
    logs = LAB / "pods" / name
    remove_directory(str(logs))  # of a run that was killed
    pod = cri.start_pod(name)
    try:
        first = cri.start_attempt(pod, name, 0, "echo first; exit 3")
        wait_for("the first attempt ends", lambda: _of(first).exit_code == 3)
        second = cri.start_attempt(pod, name, 1, "echo second; exec sleep 100000")
        host, present = HostFs(), _of(second)
        path = find_log(host, present).paths[-1]
        wait_for("the second attempt's line", lambda: "second" in Path(path).read_text())
        source = find_earlier_log(host, present, 1)
        assert [one.text for one in LogReader(host, source).before(None, 10).lines] == ["first"]
        assert source.paths == (_of(first).log_path,)
        assert find_earlier_log(host, present, 2).paths == ()
    finally:
        cri.remove_pod(pod)
        remove_directory(str(logs))


def test_without_a_file_it_is_said_where_the_log_is(parts: tuple[str, ...]) -> None:
    if "docker" not in parts:
        unmet("docker is not up")
    try:
        options = ("--network", "none", "--log-driver", "none")
        docker.start_container("log-live-none", *options, docker.IMAGE, "sleep", "100000")
        assert find_log(HostFs(), _find("log-live-none")).elsewhere == "it keeps none: its log driver is none"
    finally:
        run("docker", "rm", "-f", "log-live-none", check=False)
