"""systemd-nspawn without machined, and the sandboxes that no engine claims: bubblewrap and unshare(1)."""

import signal
from pathlib import Path

from tests.live.image import ROOTFS, make_rootfs
from tests.live.machine import (
    FOREVER,
    LAB,
    Background,
    Borrowed,
    children,
    end,
    processes,
    remove_cgroups,
    remove_directory,
    wait_for,
)

NSPAWN_PROGRAMS = ("systemd-nspawn",)
MACHINES = ("cs-nsp1", "cs-nsp2", "cs-odd.host-3")


def _nspawn(name: str) -> Background:
    # --keep-unit and --register=no: there may be no systemd. SYSTEMD_NSPAWN_UNIFIED_HIERARCHY is left to its default.
    argv = ["systemd-nspawn", "-q", "-D", str(_machine_root(name)), "--register=no", "--keep-unit", "--private-network"]
    return Background(f"nspawn-{name}", [*argv, "-M", name, *FOREVER])


def _machine_root(name: str) -> Path:
    return LAB / "machines" / name


def start_nspawn() -> None:
    """Start nspawn containers."""
    Borrowed("/run/systemd/nspawn").note()
    stop_nspawn()
    for name in MACHINES:
        make_rootfs(_machine_root(name))
        _nspawn(name).start()
    for name in MACHINES:
        wait_for(f"payload of {name}", lambda name=name: nspawn_payload(name))  # type: ignore[misc]


def nspawn_pid(name: str) -> int | None:
    """PID of the systemd-nspawn process."""
    return _nspawn(name).pid


def nspawn_payload(name: str) -> int | None:
    """PID of the payload: the descendant that runs our command."""
    supervisor = nspawn_pid(name)
    waiting = children(supervisor) if supervisor is not None else []
    while waiting:
        pid = waiting.pop()
        try:
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"/bin/sleep\0"):
                return pid
        except OSError:
            continue
        waiting += children(pid)
    return None


def stop_nspawn() -> None:
    """Stop all of it and remove what it made."""
    for name in MACHINES:
        payload = nspawn_payload(name)
        _nspawn(name).stop()
        if payload is not None:
            end(payload, first=signal.SIGKILL)
        remove_directory(str(_machine_root(name)))
    remove_cgroups("payload", "supervisor")  # without systemd they are made where the caller stands


_bubblewrap = Background(
    "bubblewrap",
    [
        *("bwrap", "--unshare-all", "--hostname", "cs-bwrap", "--ro-bind", str(ROOTFS), "/"),
        *("--proc", "/proc", "--dev", "/dev", "/bin/sleep", "100001"),
    ],
)
_unshare = Background("unshare", ["unshare", "-m", "-p", "-i", "-u", "-f", "--kill-child", "--mount-proc", "sleep", "100002"])


def start_unclaimed() -> None:
    """Start one bubblewrap and one unshare(1)."""
    stop_unclaimed()
    _bubblewrap.start()
    _unshare.start()
    wait_for("bubblewrap's command", lambda: processes(lambda argv: argv == ["/bin/sleep", "100001"]))
    wait_for("unshare's command", lambda: processes(lambda argv: argv == ["sleep", "100002"]))


def unclaimed_pids() -> dict[str, int]:
    """PID 1 of each sandbox: bubblewrap keeps one of its own as init, unshare's is the command."""
    wrapper, parent = _bubblewrap.pid, _unshare.pid
    assert wrapper is not None
    assert parent is not None
    return {"bubblewrap": children(wrapper)[0], "unshare": children(parent)[0]}


def stop_unclaimed() -> None:
    """Stop them. bubblewrap's --die-with-parent would end it with the thread that started it, so its child is ended here."""
    for sandbox in (_bubblewrap, _unshare):
        inside = children(sandbox.pid) if sandbox.pid is not None else []
        sandbox.stop()
        for pid in inside:
            end(pid, first=signal.SIGKILL)
