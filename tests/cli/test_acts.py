"""``limit``, ``pause``, ``unpause`` and ``kill`` from their command line: they ask, refuse, and say what they did."""

import argparse
import io
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from ctrscope.act import freezer
from ctrscope.act.freezer import FreezePlan
from ctrscope.act.limit import Change
from ctrscope.act.target import Target
from ctrscope.cli import main
from ctrscope.cli.consent import ask
from ctrscope.cli.entering import thawed
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError
from ctrscope.cli.limit import allowed_text, change_lines, engine_warning, parse_count, parse_cpus, parse_size
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import ContainerStatus, EngineName
from ctrscope.probes.cgroupfs import CgroupLayout
from ctrscope.probes.hostfs import HostFs
from tests.attach.containers import runc_container, wait_for
from tests.awkward import BY_HAND, HOSTILE, WEB
from tests.requirements import require_root

ACTS = ("limit web --pids 50", "pause web", "unpause web", "kill web")


@pytest.mark.parametrize("line", ACTS)
def test_read_only_refuses_before_anything_is_looked_at(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line.split(), "--yes", "--read-only"]) == 1
    assert "refused under --read-only" in capsys.readouterr().err


@pytest.mark.parametrize("line", ACTS)
def test_json_is_wrong_usage(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line.split(), "--yes", "--json"]) == 2
    assert "has no JSON answer" in capsys.readouterr().err


@pytest.mark.parametrize("line", ACTS)
def test_another_root_is_not_acted_on(line: str, v2_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(v2_root), *line.replace("web", "d-web").split(), "--yes"]) == 1
    assert "is not the running host" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "limit web",
        "limit web --memory lots",
        "limit web --cpus 0",
        "limit web --pids 0",
        "limit web --cpus nan",
        "kill web NOPE",
        "pause",
    ],
)
def test_wrong_usage_is_exit_2(line: str) -> None:
    assert main([*line.split(), "--yes"]) == 2


def environment(answer: str, *, is_terminal: bool) -> Environment:
    stdin = io.StringIO(answer)
    stdin.isatty = lambda: is_terminal  # type: ignore[method-assign]
    return Environment(host=HostFs(), stdin=stdin, stdout=io.StringIO(), stderr=io.StringIO())


def test_who_has_the_order_of_kill_in_mind_is_told_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kill", "-9", "web"]) == 2
    assert capsys.readouterr().err == "ctrscope: web: no such signal; kill -l lists them (ctrscope kill ID [SIGNAL])\n"


@pytest.mark.parametrize("answer", ["y\n", "Y\n", "yes\n"])
def test_yes_goes_on(answer: str) -> None:
    asked = environment(answer, is_terminal=True)
    ask(asked, ["memory 64M → 128M"], "Change web?", yes=False)
    assert asked.stderr.getvalue() == "memory 64M → 128M\nChange web? [y/N] "  # type: ignore[attr-defined]


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yesterday\n"])
def test_anything_else_does_not(answer: str) -> None:
    with pytest.raises(CommandError, match="nothing was done") as caught:
        ask(environment(answer, is_terminal=True), [], "Change web?", yes=False)
    assert caught.value.status == 1


def test_without_a_terminal_yes_has_to_be_said() -> None:
    with pytest.raises(CommandError, match="say --yes") as caught:
        ask(environment("y\n", is_terminal=False), [], "Change web?", yes=False)
    assert caught.value.status == 2
    silent = environment("", is_terminal=False)
    ask(silent, ["a line"], "Change web?", yes=True)
    assert silent.stderr.getvalue() == ""  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("128M", 128 << 20),
        ("128m", 128 << 20),
        ("1.5G", 3 << 29),
        ("64MiB", 64 << 20),
        ("4096", 4096),
        ("8kb", 8192),
        ("9007199254740993", 2**53 + 1),
        ("max", "max"),
    ],
)
def test_sizes_are_read_as_engines_read_them(text: str, value: object) -> None:
    assert parse_size(text) == value


@pytest.mark.parametrize("text", ["", "M", "-1M", "12X", "1e3", "1 2", "²", "9" * 400 + ".0"])
def test_what_is_no_size_is_said(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse_size(text)


def test_cpus_and_counts() -> None:
    assert (parse_cpus("0.5"), parse_cpus("max"), parse_count("7"), parse_count("max")) == (0.5, "max", 7, "max")
    for text in ("0.001", "-1", "inf", "nan", "many"):
        with pytest.raises(argparse.ArgumentTypeError):
            parse_cpus(text)


def test_a_plan_is_a_line_for_each_file() -> None:
    change = Change(resource="memory", directory="/sys/fs/cgroup/\x1b", file="memory.max", before="64M", after="128M", text="1")
    assert change_lines([change]) == ["memory  64M → 128M  /sys/fs/cgroup/\\x1b/memory.max"]


def test_the_engine_is_named_with_the_file_that_keeps_the_old_value() -> None:
    said = engine_warning(WEB)
    assert "docker is not told: /var/lib/docker/containers/3fca/hostconfig.json keeps the old value" in said
    assert "may set docker-3fcac954851d.scope back" in said
    assert engine_warning(BY_HAND) == "it lasts until the container ends"
    hostile = replace(HOSTILE, engine=EngineName.RUNC)
    assert engine_warning(hostile).isprintable()


def test_a_container_that_somebody_else_woke_is_not_paused_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    applied = _stand_in_for_the_freezer(monkeypatch, ())
    with thawed(environment("", is_terminal=False), replace(WEB, status=ContainerStatus.PAUSED), yes=False) as awake:
        assert awake.status is ContainerStatus.RUNNING
    assert applied == []


def test_what_was_woken_is_paused_again_whatever_happens_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    applied = _stand_in_for_the_freezer(monkeypatch, ("/sys/fs/cgroup/web",))
    with pytest.raises(OSError, match="no more processes"):  # noqa: SIM117 -- the second is what is tested
        with thawed(environment("", is_terminal=False), replace(WEB, status=ContainerStatus.PAUSED), yes=True):
            raise OSError("no more processes")
    assert [(plan.frozen, plan.directories) for plan in applied] == [
        (False, ("/sys/fs/cgroup/web",)),
        (True, ("/sys/fs/cgroup/web",)),
    ]


def _stand_in_for_the_freezer(monkeypatch: pytest.MonkeyPatch, directories: tuple[str, ...]) -> list[FreezePlan]:
    """Plans that thaw *directories* whatever the container; returns what is applied."""
    applied: list[FreezePlan] = []
    none = CgroupMembership(version="v2", path="/web", paths={})
    layout = CgroupLayout(version="v2", mounts={"": "/sys/fs/cgroup"})
    target = Target(
        name="web", key="web", pid=1, starttime_ticks=1, layout=layout, membership=none, init=none, has_own_cgroup=True
    )
    plan = FreezePlan(target=target, frozen=False, directories=directories)
    monkeypatch.setattr(freezer, "plan_freeze", lambda host, container, frozen: replace(plan, frozen=frozen))
    monkeypatch.setattr(freezer, "apply_freeze", lambda host, plan: applied.append(plan))
    return applied


def test_a_limit_from_above_is_told_as_people_write_it() -> None:
    above = {"memory": 1 << 27, "cpus": 0.5, "pids": 4194304}
    assert [allowed_text(resource, value) for resource, value in above.items()] == ["128M", "0.5 CPU", "4194304 tasks"]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    require_root()
    name = f"ctrscope-acts-{os.getpid()}"
    with runc_container(
        tmp_path_factory.mktemp("acts"), name, args=["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    ):
        yield name


def ctrscope(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ctrscope", *argv]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)


def state(name: str) -> str:
    answer = json.loads(subprocess.run(["runc", "state", name], capture_output=True, check=True).stdout)
    return str(answer["status"])


def test_without_a_terminal_and_without_yes_nothing_is_done(box: str) -> None:
    for line in (f"limit {box} --pids 50", f"pause {box}", f"kill {box}"):
        done = ctrscope(*line.split())
        assert (done.returncode, done.stdout) == (2, "")
        assert "say --yes" in done.stderr
    assert state(box) == "running"


def test_a_container_of_runc_is_limited_paused_and_thawed_as_runc_sees_it(box: str) -> None:
    limited = ctrscope("limit", box, "--pids", "50", "--yes")
    assert (limited.returncode, limited.stdout.split()[:4]) == (0, ["pids", "max", "→", "50"])
    assert "runc is not told" in limited.stderr
    again = ctrscope("limit", box, "--pids", "50", "--yes")
    assert (again.returncode, again.stdout) == (0, "")
    assert "is limited like that already" in again.stderr
    assert ctrscope("pause", box, "--yes").returncode == 0
    assert state(box) == "paused"
    assert "is paused already" in ctrscope("pause", box).stderr
    pending = ctrscope("kill", box, "HUP", "--yes")
    assert (pending.returncode, pending.stdout.split()[:2]) == (0, ["sent", "SIGHUP"])
    thawed = ctrscope("unpause", box, "--yes")
    assert thawed.returncode == 0
    assert state(box) == "running"


def test_on_a_terminal_it_shows_the_plan_and_does_as_it_is_told(box: str) -> None:
    screen, status = _on_terminal(["limit", box, "--cpus", "0.5"], b"n\n")
    assert status == 1
    assert "max → 0.5 CPU" in screen
    assert f"Change {box}? [y/N]" in screen
    assert "nothing was done" in screen
    screen, status = _on_terminal(["limit", box, "--cpus", "0.5"], b"y\n")
    assert status == 0
    assert screen.count("max → 0.5 CPU") == 2  # before and after


def test_what_was_woken_is_paused_again_when_we_are_killed(box: str) -> None:
    assert ctrscope("pause", box, "--yes").returncode == 0
    command = [sys.executable, "-m", "ctrscope", "attach", box, "--thaw", "--yes", "--", "sleep", "1000"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_for("the container to wake", lambda: state(box) == "running", seconds=60)
    finally:
        process.kill()
        process.wait()
    wait_for("the container to be paused again", lambda: state(box) == "paused", seconds=60)
    assert ctrscope("unpause", box, "--yes").returncode == 0


def test_what_is_not_woken_is_a_failure_of_ours_not_of_the_command(box: str) -> None:
    assert ctrscope("pause", box, "--yes").returncode == 0
    screen, status = _on_terminal(["attach", box, "--thaw", "--", "true"], b"n\n")
    assert "nothing was done" in screen
    assert status == 125
    assert state(box) == "paused"
    assert ctrscope("unpause", box, "--yes").returncode == 0


def test_a_signal_ends_it(box: str) -> None:
    done = ctrscope("kill", box, "--yes")
    assert done.returncode == 0
    for _ in range(500):
        if state(box) == "stopped":
            break
        select.select([], [], [], 0.02)
    assert state(box) == "stopped"
    after = ctrscope("kill", box, "--yes")
    assert after.returncode == 1
    assert "is stopped, not running" in after.stderr


def _on_terminal(argv: list[str], answer: bytes) -> tuple[str, int]:
    """Run the command line on a terminal of its own: what it showed, and its status."""
    pid, master = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "ctrscope", *argv])
    screen = b""
    is_answered = False
    with open(master, "r+b", buffering=0) as terminal:
        while True:
            try:
                chunk = terminal.read(4096)
            except OSError:  # EIO: nobody has the other end open any more
                break
            if not chunk:
                break
            screen += chunk
            if b"[y/N] " in screen and not is_answered:
                terminal.write(answer)
                is_answered = True
    return screen.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
