"""Nothing is left of a container, nor of the demo, however their processes ended. 200 moments: ``make test-moments``."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.kernel.world import run_in_world
from tests.live.machine import wait_for
from tests.requirements import require, require_root

_NEEDED = ("unshare", "ip", "nft", "findmnt", "lsns")


def test_nothing_is_left_whoever_is_killed_at_whatever_moment() -> None:
    """What is printed says the seed and, of each failure, who was killed when, and what was left."""
    require_root("namespaces, cgroups")
    require(*_NEEDED)
    assert run_in_world("tests.kernel.nothing_left", "--inside", "--moments", "25") == 0


def test_nothing_is_left_of_the_demo_however_it_ends() -> None:
    require_root("namespaces, cgroups")
    require(*_NEEDED)
    assert run_in_world("tests.kernel.demo") == 0


def test_a_container_can_be_removed_whose_launcher_was_killed_while_its_init_was_busy(tmp_path: Path) -> None:
    """Init had a copy of the launcher's lock then, and whoever came to remove it waited for that init."""
    require_root("namespaces")
    name, sleep = f"cs-busy-{os.getpid()}", f"1000.{os.getpid()}"
    spec = {
        "ociVersion": "1.0.2",
        "process": {"cwd": "/", "args": ["true"]},
        "root": {"path": "/", "readonly": True},
        "mounts": [{"destination": f"/{path}", "type": kind} for path, kind in (("proc", "proc"), ("dev", "tmpfs"))],
        "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
        "hooks": {"createContainer": [{"path": shutil.which("sleep"), "args": ["sleep", sleep]}]},
    }
    (tmp_path / "config.json").write_text(json.dumps(spec))
    ctrscope = (sys.executable, "-m", "ctrscope")

    def find_hook() -> list[Path]:
        return [one for one in Path("/proc").glob("[0-9]*/cmdline") if sleep.encode() in read(one)]

    with subprocess.Popen((*ctrscope, "run", "--bundle", str(tmp_path), "--name", name)) as launcher:
        try:
            (hook,) = wait_for("the hook", find_hook)
            launcher.kill()
            launcher.wait()
            assert hook.exists()
            done = subprocess.run((*ctrscope, "rm", "--force", name), timeout=60, check=False)
            assert done.returncode == 0
            wait_for("its end", lambda: not find_hook())
        finally:
            launcher.kill()
            for one in find_hook():
                os.kill(int(one.parent.name), signal.SIGKILL)


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
