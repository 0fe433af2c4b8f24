"""Many containers: ``python -m tests.live.scale [runc|podman|docker]`` starts 240, and removes them at ^C or end of input.

``python -m tests.live.scale --stop`` removes what a run left that was killed. Those of runc have what ``runc spec`` writes,
without a seccomp filter; Podman and Docker give theirs what they give everybody, and have the other engines beside them.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.live import docker, podman
from tests.live.image import make_rootfs
from tests.live.machine import remove_cgroups, run
from tests.live.up import engines_up

CONTAINERS, PROCESSES = 240, 9
_DIRECTORY = Path("/run/ctrscope-scale")
_PREFIX = "cs-scale-"


class _Engine(NamedTuple):
    """How one engine starts and removes them."""

    prepare: Callable[[], None]
    start: Callable[[str], object]
    remove: Callable[[], None]


@contextmanager
def many_containers(engine: str = "runc", count: int = CONTAINERS) -> Iterator[list[str]]:
    """*count* containers with nine processes each, the supervisor among them; gives their names."""
    how = _ENGINES[engine]
    how.remove()
    names = [f"{_PREFIX}{number:03d}" for number in range(count)]
    try:
        how.prepare()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(how.start, names))
        yield names
    finally:
        how.remove()


def down() -> None:
    """Remove all of them, also those of a run that was killed."""
    for engine, how in _ENGINES.items():
        if shutil.which(engine) is not None:
            how.remove()


def _command(processes: int) -> tuple[str, ...]:
    # The shell becomes the last of them.
    return "/bin/sh", "-c", f"i=1; while [ $i -lt {processes} ]; do sleep 100000 & i=$((i+1)); done; exec sleep 100000"


def _prepare_runc() -> None:
    make_rootfs(_DIRECTORY / "rootfs")
    template = _DIRECTORY / "template"
    template.mkdir()
    run("runc", "spec", "-b", str(template))


def _start_runc(name: str) -> None:
    spec: dict[str, Any] = json.loads((_DIRECTORY / "template/config.json").read_text())
    spec["process"].update(terminal=False, args=_command(PROCESSES), rlimits=[])
    spec["root"] = {"path": str(_DIRECTORY / "rootfs"), "readonly": True}
    spec["linux"]["cgroupsPath"] = f"/{_PREFIX[:-1]}/{name}"
    bundle = _DIRECTORY / name
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(spec))
    run("runc", "run", "-d", "-b", str(bundle), name)


def _remove_runc() -> None:
    if not _DIRECTORY.exists():
        return
    names = [name for name in run("runc", "list", "-q").split() if name.startswith(_PREFIX)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: run("runc", "delete", "-f", name, check=False), names))
    remove_cgroups(_PREFIX[:-1])
    shutil.rmtree(_DIRECTORY)
    with suppress(OSError):  # not ours alone
        os.rmdir("/run/runc")


def _start_podman(name: str) -> str:
    return podman.start_container(name, "--network", "none", podman.IMAGE, *_command(PROCESSES - 1))


def _remove_podman() -> None:
    if found := podman.podman("ps", "-aq", "--filter", f"name=^{_PREFIX}").split():
        podman.podman("rm", "-f", "--time", "0", *found)


def _start_docker(name: str) -> str:
    return docker.start_container(name, "--network", "none", docker.IMAGE, *_command(PROCESSES - 1))


def _remove_docker() -> None:
    found = run("docker", "ps", "-aq", "--filter", f"name=^/{_PREFIX}", check=False).split()
    while found:  # Docker 20.10 stops answering when it is to remove 240 at once
        run("docker", "rm", "-f", *found[:30])
        del found[:30]


_ENGINES = {
    "runc": _Engine(_prepare_runc, _start_runc, _remove_runc),
    "podman": _Engine(lambda: None, _start_podman, _remove_podman),
    "docker": _Engine(lambda: None, _start_docker, _remove_docker),
}


def main() -> int:
    """Bring them up, wait, take them down."""
    if "--stop" in sys.argv:
        down()
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell starts a background job with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    engine = next(iter(sys.argv[1:]), "runc")
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        if engine != "runc":
            stack.enter_context(engines_up())
        started = time.monotonic()
        names = stack.enter_context(many_containers(engine))
        total = sum(name.isdecimal() for name in os.listdir("/proc"))
        sys.stderr.write(
            f"up: {len(names)} containers, {total} processes on the host, in {time.monotonic() - started:.0f} s;"
            " ^C or end of input removes them\n"
        )
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
