"""What happens between two looks, on the running kernel: nothing short is missed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ctrscope.discovery.event_watcher import EventWatcher
from ctrscope.discovery.noticing import Noticer
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.watcher import Watcher
from ctrscope.model.event import Event, EventKind
from ctrscope.model.gap import Reason
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_connector import Ended, ProcConnector
from tests.attach.containers import make_rootfs, wait_for
from tests.requirements import require, require_root

NAME = f"ev-{os.getpid()}"
_QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Watching:
    """What the dashboard does once a second, by hand."""

    def __init__(self) -> None:
        self.noticer = Noticer(HostFs())
        self.noticer.start()
        self._events = EventWatcher(HostFs(), self.noticer)
        self._watcher = Watcher(HostFs(), Plan(addresses=False, stats=True))
        self._before: Snapshot | None = None
        self.told: list[Event] = []
        self.sample()

    def sample(self) -> Snapshot:
        noticed = self._events.notice()
        after = self._watcher.look(whole=noticed.whole, limits=noticed.limits)
        self.told += [event for event in self._events.poll(self._before, after) if NAME in event.name]
        self._before = after
        return after

    def until(self, *kinds: EventKind) -> Sequence[Event]:
        """Sample until events of these kinds were told, and no others; gives them."""

        def is_told() -> bool:
            self.sample()
            return len(self.told) >= len(kinds)

        wait_for(f"{kinds}, told: {self.told}", is_told, 30)
        told, self.told = self.told, []
        assert [event.kind for event in told] == list(kinds)
        return told


@pytest.fixture
def watching() -> Iterator[Watching]:
    require_root("watches state directories, and the process connector")
    made = Watching()
    yield made
    made.noticer.close()


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
