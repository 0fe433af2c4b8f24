"""What happens between two looks, on the running kernel: nothing short is missed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ctrscope.discovery.noticing import Noticer
from ctrscope.model.event import EventKind
from ctrscope.model.gap import Reason
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_connector import Ended, ProcConnector
from tests.attach.containers import make_rootfs, wait_for
from tests.kernel.watching import Watching
from tests.requirements import require, require_root

NAME = f"ev-{os.getpid()}"
_QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@pytest.fixture
def watching() -> Iterator[Watching]:
    require_root("watches state directories, and the process connector")
    made = Watching(NAME)
    yield made
    made.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Runs a container of runc with a shell command, in the foreground unless it is detached."""
    require("runc", "busybox")
    make_rootfs(tmp_path / "rootfs")
    subprocess.run(["runc", "spec"], cwd=tmp_path, check=True)
    config = json.loads((tmp_path / "config.json").read_text())

    def start(command: str, *, detached: bool = False, memory: int | None = None) -> None:
        config["process"] |= {"terminal": False, "args": ["/bin/sh", "-c", command], "rlimits": []}
        config["linux"]["cgroupsPath"] = f"/{NAME}"
        config["linux"]["resources"] |= {"memory": {"limit": memory, "swap": memory}} if memory else {}
        (tmp_path / "config.json").write_text(json.dumps(config))
        options = ["-d"] if detached else []
        subprocess.run(["runc", "run", *options, "-b", str(tmp_path), NAME], check=False, timeout=60, **_QUIET)  # type: ignore[call-overload]

    yield start
    subprocess.run(["runc", "resume", NAME], check=False, **_QUIET)  # type: ignore[call-overload]
    subprocess.run(["runc", "delete", "-f", NAME], check=False, timeout=60, **_QUIET)  # type: ignore[call-overload]
    shutil.rmtree(tmp_path / "rootfs", ignore_errors=True)


def test_a_container_that_lives_for_a_moment_was_started_and_died_with_its_exit_status(
    watching: Watching, run: Callable[..., None]
) -> None:
    run("sleep 0.05; exit 7")
    assert not os.path.exists(f"/run/runc/{NAME}")  # nothing is left of it for a look to find
    started, died = watching.until(EventKind.STARTED, EventKind.DIED)
    assert died.what == "died, exit 7"
    assert started.pid == died.pid
    assert started.container == f"runc/{NAME}"
    assert started.time < died.time


def test_paused_and_unpaused_between_two_samples(watching: Watching, run: Callable[..., None]) -> None:
    run("exec sleep 1000", detached=True)
    watching.until(EventKind.STARTED)
    subprocess.run(["runc", "pause", NAME], check=True, timeout=60)
    subprocess.run(["runc", "resume", NAME], check=True, timeout=60)
    watching.until(EventKind.PAUSED, EventKind.UNPAUSED)
    subprocess.run(["runc", "pause", NAME], check=True, timeout=60)
    watching.until(EventKind.PAUSED)


def test_a_limit_changed_by_hand_and_a_process_that_came_in(watching: Watching, run: Callable[..., None]) -> None:
    run("exec sleep 1000", detached=True)
    watching.until(EventKind.STARTED)
    subprocess.run(["runc", "update", "--pids-limit", "77", NAME], check=True, timeout=60)
    (limit,) = watching.until(EventKind.LIMIT_CHANGED)
    assert limit.what.startswith("task limit ")
    assert limit.what.endswith(" → 77")
    subprocess.run(["runc", "exec", NAME, "/bin/sleep", "0.3"], check=True, timeout=60)
    (joined,) = watching.until(EventKind.JOINED)
    assert joined.what.startswith("exec'd in: /bin/sleep 0.3 (pid ")
    assert joined.cause.startswith("exit 0 after 0.")


def test_a_limit_written_into_the_cgroup_by_nobodys_tool(watching: Watching, run: Callable[..., None]) -> None:
    run("exec sleep 1000", detached=True)
    watching.until(EventKind.STARTED)
    places = [Path(top, NAME, "pids.max") for top in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup")]
    next(path for path in places if path.exists()).write_text("66")
    (limit,) = watching.until(EventKind.LIMIT_CHANGED)
    assert limit.what.endswith(" → 66")


def test_what_somebody_isolates_by_hand_and_how_that_ends(watching: Watching, tmp_path: Path) -> None:
    require("unshare")
    program = tmp_path / NAME  # whose name the kernel shows
    shutil.copy("/bin/sh", program)
    command = ["unshare", "--pid", "--net", "--fork", "--kill-child", str(program), "-c", "read line; exit 5"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        (isolated,) = watching.until(EventKind.NAMESPACE)
        assert isolated.what == f"isolated by hand, init {isolated.pid}"
        assert isolated.cause == "own net pid"
        process.communicate(b"\n", timeout=60)
        (died,) = watching.until(EventKind.DIED)
        assert (died.what, died.pid) == ("died, exit 5", isolated.pid)
    finally:
        process.kill()
        process.wait()


def test_a_network_namespace_that_gets_a_name_and_loses_it(watching: Watching) -> None:
    require("ip")
    subprocess.run(
        ["ip", "netns", "add", NAME], check=True
    )  # makes /run/netns, if nobody has: that is watched with the next look
    try:
        watching.sample()
    finally:
        subprocess.run(["ip", "netns", "delete", NAME], check=True)
    wait_for("its end to be told", lambda: watching.sample() and any("lost" in one.what for one in watching.told), 30)
    told = [one for one in watching.told if one.kind is EventKind.NAMESPACE]
    assert {one.name for one in told} == {f"/run/netns/{NAME}"}
    assert told[-1].what == "the network namespace lost this name"


def test_a_container_killed_for_memory_says_whose_limit_and_which_victim(watching: Watching, run: Callable[..., None]) -> None:
    if not os.path.exists("/dev/kmsg"):
        pytest.skip("no /dev/kmsg here")
    run("sleep 0.5; exec cat /dev/zero | tail", memory=16 << 20)
    watching.sample()
    wait_for("the end to be told", lambda: watching.sample() and any(one.kind is EventKind.DIED for one in watching.told), 30)
    kill = next(one for one in watching.told if one.kind is EventKind.OOM_KILLED)
    assert kill.what.startswith("OOM-killed: ")
    assert "its own limit" in kill.cause


def test_how_its_init_was_killed(watching: Watching, run: Callable[..., None]) -> None:
    run("exec sleep 1000", detached=True)
    (started,) = watching.until(EventKind.STARTED)
    assert started.pid is not None
    os.kill(started.pid, signal.SIGKILL)
    (died,) = watching.until(EventKind.DIED)
    assert (died.what, died.cause) == ("died, exit 137", "killed by SIGKILL")


def test_everything_is_closed_at_the_end() -> None:
    require_root("the process connector")
    before = set(os.listdir("/proc/self/fd"))
    noticer = Noticer(HostFs())
    noticer.start()
    assert noticer.gaps == ()
    noticer.close()
    assert set(os.listdir("/proc/self/fd")) == before
    assert not noticer.is_alive()


def test_where_nobody_answers_that_is_a_gap() -> None:
    require_root("namespaces of its own")
    program = (
        "from ctrscope.discovery.noticing import Noticer\nfrom ctrscope.probes.hostfs import HostFs\n"
        "noticer = Noticer(HostFs()); noticer.start()\n"
        "print(*[gap.reason.value for gap in noticer.gaps]); noticer.close()\n"
    )
    command = ["unshare", "--pid", "--fork", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"{Reason.UNSUPPORTED.value}\n"


def test_the_connector_tells_the_status_that_wait_gives() -> None:
    require_root("the process connector")
    connector = ProcConnector()
    try:
        process = subprocess.Popen(["sh", "-c", "exit 42"])
        status = os.waitpid(process.pid, 0)[1]
        process.returncode = 42
        found: list[Ended] = []

        def is_told() -> bool:
            found.extend(one for one in connector.read() if isinstance(one, Ended) and one.pid == process.pid)
            return bool(found)

        wait_for("its end", is_told)
        assert [one.status for one in found] == [status]  # and no thread's
        assert abs(found[0].at_ns / 1e9 - time.monotonic()) < 5
    finally:
        connector.close()
