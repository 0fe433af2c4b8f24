"""A process in cgroups that the launcher made for it, without the rest of a container."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ctrscope.cgroups.cgroup import kill_all, make, place, plan_cgroups, remove, thaw
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import Resources, Spec
from ctrscope.oci.state import Cgroups
from tests.requirements import require_root

_WAITS = "import sys; sys.stdin.readline()\n"
_SLEEPS = "import time; print(flush=True); time.sleep(1000)"


class Placed(NamedTuple):
    """It, and what was said about it."""

    cgroups: Cgroups
    process: subprocess.Popen[str]
    warnings: tuple[str, ...]

    def file(self, name: str) -> Path:
        """An interface file, whichever hierarchy it is in."""
        return Path(self.cgroups.directories["" if self.cgroups.is_v2 else name.partition(".")[0]], name)

    def read(self, name: str) -> str:
        """What an interface file says."""
        return self.file(name).read_text().strip()


def resources_of(**resources: Any) -> Resources:
    """From the words of a config.json."""
    return msgspec.convert(resources, Resources)


def spec_of(cgroups_path: str = "", **resources: Any) -> Spec:
    """A config.json that says nothing else."""
    linux = {"cgroupsPath": cgroups_path, "resources": resources}
    return msgspec.convert({"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "linux": linux}, Spec)


@contextmanager
def placed(name: str, program: str = _SLEEPS, *, path: str = "", systemd: bool = False, **resources: Any) -> Iterator[Placed]:
    """A Python program that begins once it is in its cgroups."""
    require_root("makes cgroups")
    spec = spec_of(path, **resources)
    cgroups = plan_cgroups(spec, name, systemd=systemd)
    process = subprocess.Popen(
        [sys.executable, "-c", _WAITS + program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        warnings = make(cgroups, spec.linux.resources) + place(cgroups, spec.linux.resources, process.pid)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        yield Placed(cgroups, process, warnings)
    finally:
        process.kill()
        with suppress(LauncherError):
            thaw(cgroups)
        kill_all(cgroups)
        process.communicate(timeout=20)
        remove(cgroups)
