"""Pause, unpause and kill, driven by keys in a terminal, over containers of runc and podman: what the kernel says then."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.against.terminal import Terminal
from tests.live import podman
from tests.live.machine import LAB, remove_directory, run, wait_for
from tests.live.oci import make_bundle
from tests.requirements import require

NAME = f"keys-{os.getpid()}"


def _start(engine: str) -> int:
    """Start a container; the PID of its init."""
    if engine == "podman":
        podman.podman("run", "-d", "--network", "none", "--name", NAME, podman.IMAGE, "sleep", "1000")
        return int(podman.podman("inspect", "-f", "{{.State.Pid}}", NAME))
    pid_file = LAB / f"{NAME}.pid"
    run("runc", "run", "-d", "--pid-file", str(pid_file), "-b", str(make_bundle(NAME)), NAME)
    pid = int(pid_file.read_text())
    pid_file.unlink()
    return pid


@pytest.fixture(params=["runc", "podman"])
def pid(parts: tuple[str, ...], request: pytest.FixtureRequest) -> Iterator[int]:
    """Of the init of a container that sleeps."""
    require("tmux", request.param)
    del parts
    try:
        yield _start(request.param)
    finally:
        if request.param == "podman":
            podman.podman("rm", "-f", "-t", "0", NAME, check=False)
        else:
            run("runc", "resume", NAME, check=False)
            run("runc", "delete", "-f", NAME, check=False)
            remove_directory(str(LAB / "bundles" / NAME))


def _is_frozen(pid: int) -> bool:
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    paths = {controllers: path for _, controllers, path in lines}
    if "freezer" in paths:
        return Path(f"/sys/fs/cgroup/freezer{paths['freezer']}/freezer.state").read_text() == "FROZEN\n"
    return "frozen 1" in Path(f"/sys/fs/cgroup{paths['']}/cgroup.events").read_text()


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _opened(directory: Path, *arguments: str) -> Terminal:
    """The dashboard, with our container alone in the table."""
    terminal = Terminal(directory, *arguments)
    try:
        terminal.until(" containers ", "sort CPU")
        terminal.press("/")
        terminal.until("words that must match")
        terminal.write(NAME)
        terminal.press("Enter")
        terminal.until("1 shown")
    except BaseException:
        terminal.close()
        raise
    return terminal


def test_p_and_k_ask_and_what_is_answered_with_yes_is_so_in_the_kernel(pid: int, tmp_path: Path) -> None:
    terminal = _opened(tmp_path)
    try:
        terminal.press("p")
        terminal.until(f"Pause {NAME}", "freezes ", "y  yes")
        assert not _is_frozen(pid)
        terminal.press("n")
        terminal.until("1 shown", without="y  yes")
        assert not _is_frozen(pid)
        terminal.press("p")
        terminal.until("y  yes")
        terminal.press("y")
        wait_for("it is frozen", lambda: _is_frozen(pid), seconds=60)
        terminal.until("1 shown", "paused (freezer)", without="y  yes")
        terminal.press("p")
        terminal.until(f"Unpause {NAME}", "thaws ", "y  yes")
        terminal.press("y")
        wait_for("it goes on", lambda: not _is_frozen(pid), seconds=60)
        terminal.until("1 shown", without="paused (freezer)")
        terminal.press("K")
        terminal.until("ends it, whatever it is doing")
        terminal.press("Down", "Enter")
        terminal.until(f"Send SIGKILL to {NAME}", f"process {pid}", "y  yes")
        assert _is_alive(pid)
        terminal.press("y")
        wait_for("it is gone", lambda: not _is_alive(pid), seconds=60)
    finally:
        terminal.close()


@pytest.mark.parametrize("pid", ["runc"], indirect=True)
def test_read_only_refuses_both(pid: int, tmp_path: Path) -> None:
    terminal = _opened(tmp_path, "--read-only")
    try:
        for key in ("p", "K"):
            terminal.press(key)
            terminal.until("that changes the container, and this is --read-only")
            assert _is_alive(pid)
            assert not _is_frozen(pid)
    finally:
        terminal.close()
