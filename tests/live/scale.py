"""Many containers: ``python -m tests.live.scale`` starts 240 with 9 processes each, and removes them at ^C or end of input.

``python -m tests.live.scale --stop`` removes what a run left that was killed.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.live.image import make_rootfs
from tests.live.machine import remove_cgroups, run

CONTAINERS, PROCESSES = 240, 9
_DIRECTORY = Path("/run/ctrscope-scale")
_PREFIX = "cs-scale-"
# The shell becomes the last of them.
_COMMAND = f"i=1; while [ $i -lt {PROCESSES} ]; do sleep 100000 & i=$((i+1)); done; exec sleep 100000"


@contextmanager
def many_containers(count: int = CONTAINERS) -> Iterator[list[str]]:
    """*count* runc containers with nine processes each; gives their ids."""
    down()
    try:
        yield _up(count)
    finally:
        down()


def _up(count: int) -> list[str]:
    make_rootfs(_DIRECTORY / "rootfs")
    template = _DIRECTORY / "template"
    template.mkdir()
    run("runc", "spec", "-b", str(template))
    spec: dict[str, Any] = json.loads((template / "config.json").read_text())
    spec["process"].update(terminal=False, args=["/bin/sh", "-c", _COMMAND], rlimits=[])
    spec["root"] = {"path": str(_DIRECTORY / "rootfs"), "readonly": True}
    names = [f"{_PREFIX}{number:03d}" for number in range(count)]

    def start(name: str) -> None:
        bundle = _DIRECTORY / name
        bundle.mkdir()
        linux = spec["linux"] | {"cgroupsPath": f"/{_PREFIX[:-1]}/{name}"}
        (bundle / "config.json").write_text(json.dumps(spec | {"linux": linux}))
        run("runc", "run", "-d", "-b", str(bundle), name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, names))
    return names


def down() -> None:
    """Remove all of them, also those of a run that was killed."""
    if not _DIRECTORY.exists():
        return
    names = [name for name in run("runc", "list", "-q").split() if name.startswith(_PREFIX)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: run("runc", "delete", "-f", name, check=False), names))
    remove_cgroups(_PREFIX[:-1])
    shutil.rmtree(_DIRECTORY)
    with suppress(OSError):  # not ours alone
        os.rmdir("/run/runc")


def main() -> int:
    """Bring them up, wait, take them down."""
    if "--stop" in sys.argv:
        down()
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell starts a background job with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    started = time.monotonic()
    with suppress(KeyboardInterrupt), many_containers() as names:
        total = sum(name.isdecimal() for name in os.listdir("/proc"))
        sys.stderr.write(
            f"up: {len(names)} containers, {total} processes on the host, in {time.monotonic() - started:.0f} s;"
            " ^C or end of input removes them\n"
        )
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
