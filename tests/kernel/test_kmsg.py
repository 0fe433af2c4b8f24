"""An OOM kill on the running kernel, as its log and its counters have it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ctrscope.probes.host import read_boot_time
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.kmsg import read_oom_kills
from tests.kernel.cgroups import cgroup, layout
from tests.requirements import require_root

_HOG = "import sys; sys.stdin.readline(); kept = b'x' * (100 << 20)"


def test_a_process_killed_at_its_limit_is_in_the_log_with_its_cgroup() -> None:
    require_root("the kernel log, and a cgroup of its own")
    if not os.path.exists("/dev/kmsg"):
        pytest.skip("no /dev/kmsg here")
    is_v2 = layout().version == "v2"
    path = f"/ctrscope-oom-{os.getpid()}"
    with cgroup(path) as group:
        memory = group["memory"]
        (memory / ("memory.max" if is_v2 else "memory.limit_in_bytes")).write_text(str(32 << 20))
        if (memory / "memory.swap.max").exists():
            (memory / "memory.swap.max").write_text("0")
        process = subprocess.Popen([sys.executable, "-c", _HOG], stdin=subprocess.PIPE)
        (memory / "cgroup.procs").write_text(str(process.pid))
        process.communicate(b"\n", timeout=60)
        assert process.returncode == -signal.SIGKILL
        counted = Path(memory, "memory.events" if is_v2 else "memory.oom_control").read_text()
        assert "oom_kill 1" in counted.splitlines()
    kills, gaps = read_oom_kills(HostFs(), read_boot_time(HostFs()))
    assert gaps == ()
    assert kills is not None
    (kill,) = [one for one in kills if one.pid == process.pid]
    assert (kill.memcg, kill.oom_memcg) == (path, path)
    assert kill.comm == Path(sys.executable).resolve().name[:15] or kill.comm.startswith("python")
    assert len(kill.lines) == 2
    # Who reads /dev/kmsg takes nothing away.
    assert read_oom_kills(HostFs(), read_boot_time(HostFs())).value is not None
    assert [one.pid for one in read_oom_kills(HostFs(), None).value or ()][-1:] == [kills[-1].pid]


def test_nothing_but_the_kernel_log_is_opened_in_its_place() -> None:
    require_root("a mount namespace of its own")
    program = (
        "from ctrscope.probes.hostfs import HostFs\n"
        "try:\n    HostFs().kernel_log()\nexcept OSError as error:\n    print(error.strerror)\n"
    )
    for made in ("mknod /dev/kmsg c 1 3", "mkfifo /dev/kmsg", "echo 6,1,1,-\\;x > /dev/kmsg", "ln -s /proc/self/mem /dev/kmsg"):
        command = [
            "unshare",
            "-m",
            "sh",
            "-c",
            f'mount -t tmpfs none /dev && {made} && exec "$0" -c "$1"',
            sys.executable,
            program,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout == "not the kernel log\n", made
