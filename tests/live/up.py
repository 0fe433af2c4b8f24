"""Every engine at once: ``python -m tests.live.up`` starts one container of every kind, and stops them at ^C or end of input.

``python -m tests.live.up --stop`` removes what a run left that was killed.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import NamedTuple

from tests.live import containerd, docker, lxc, oci, podman, sandboxes
from tests.live.image import make_image
from tests.live.machine import LAB, Borrowed, remove_directory, run, start_time


class Part(NamedTuple):
    """One engine under test."""

    name: str
    programs: tuple[str, ...]  # what it takes
    start: Callable[[], None]
    stop: Callable[[], None]


#: In the order in which they stop: docker before the containerd that it uses.
PARTS = (
    Part("docker", docker.PROGRAMS, docker.start, docker.stop),
    Part("containerd", containerd.PROGRAMS, containerd.start, containerd.stop),
    Part("podman", podman.PROGRAMS, podman.start, podman.stop),
    Part("runc", oci.PROGRAMS, oci.start, oci.stop),
    Part("crun", ("crun", "runc"), oci.start_crun, lambda: None),
    Part("lxc", lxc.PROGRAMS, lxc.start, lxc.stop),
    Part("nspawn", sandboxes.NSPAWN_PROGRAMS, sandboxes.start_nspawn, sandboxes.stop_nspawn),
    Part("unclaimed", ("bwrap", "unshare"), sandboxes.start_unclaimed, sandboxes.stop_unclaimed),
)


def missing(part: Part) -> list[str]:
    """Programs of a part that are not installed."""
    return [program for program in part.programs if shutil.which(program) is None]


@contextmanager
def engines_up() -> Iterator[tuple[str, ...]]:
    """Everything that is installed, up; gives the names of the parts. One that runs already is used and left running."""
    if _holder() is not None:
        yield tuple((LAB / "parts").read_text().split())
        return
    down()
    LAB.mkdir(exist_ok=True)
    (LAB / "up.pid").write_text(f"{os.getpid()} {start_time(os.getpid())}")
    try:
        _save_network()
        make_image()
        parts = [part for part in PARTS if not missing(part)]
        _start(parts)
        (LAB / "parts").write_text(" ".join(part.name for part in parts))
        yield tuple(part.name for part in parts)
    finally:
        down()


def _start(parts: list[Part]) -> None:
    # docker waits for containerd's daemon, and the rest for nobody; two CPUs are enough for three at a time.
    with ThreadPoolExecutor(3) as pool:
        if any(part.name in ("docker", "containerd") for part in parts):
            containerd.start_daemon()
        started = [pool.submit(_timed, part) for part in parts]
    if failures := [str(failure) for future in started if (failure := future.exception())]:
        raise RuntimeError("\n".join(failures))


def _timed(part: Part) -> None:
    started = time.monotonic()
    part.start()
    _say(f"{part.name}: up in {time.monotonic() - started:.1f} s")


def down() -> None:
    """Stop everything, also what an earlier run left, and leave nothing behind."""
    if not LAB.exists():
        return
    failures = []
    for part in PARTS:
        try:
            part.stop()
        except Exception as error:  # the rest must still be stopped
            failures.append(f"{part.name}: {error}")
    if failures:
        raise RuntimeError("\n".join(failures))
    _restore_network()
    Borrowed.give_back()
    remove_directory(str(LAB))


def _save_network() -> None:
    # Docker and Podman add chains, and Docker forbids forwarding by default; neither takes that back when it ends.
    for family in ("iptables", "ip6tables"):
        if shutil.which(f"{family}-save"):
            (LAB / f"{family}.before").write_text(run(f"{family}-save", check=False))
    with suppress(OSError), open("/proc/sys/net/ipv4/ip_forward") as file:
        (LAB / "ip_forward.before").write_text(file.read())


def _restore_network() -> None:
    for family in ("iptables", "ip6tables"):
        saved = LAB / f"{family}.before"
        if saved.exists():
            rules = saved.read_text()
            empty = "".join(
                f"*{table}\n:{chain} ACCEPT [0:0]\nCOMMIT\n" for table, chain in (("filter", "FORWARD"), ("nat", "OUTPUT"))
            )
            subprocess.run([f"{family}-restore"], input=rules or empty, text=True, check=False, stderr=subprocess.DEVNULL)
    with suppress(OSError):
        before = (LAB / "ip_forward.before").read_text()
        with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
            file.write(before)


def _holder() -> int | None:
    try:
        pid, started = (LAB / "up.pid").read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if int(pid) != os.getpid() and start_time(int(pid)) == int(started) else None


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def main() -> int:
    """Bring everything up, say what runs, wait, take it down."""
    if "--stop" in sys.argv:
        if (holder := _holder()) is not None:
            os.kill(holder, signal.SIGTERM)
        else:
            down()
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell starts a background job with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    for part in PARTS:
        if lacking := missing(part):
            _say(f"{part.name}: not installed: {', '.join(lacking)}")
    with suppress(KeyboardInterrupt), engines_up() as parts:
        _say(f"up: {', '.join(parts)}; ^C or end of input stops them")
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
