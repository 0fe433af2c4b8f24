"""Bundles for ``ctrscope-oci``: a busybox root of a test's own, and a config.json as runc would write it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctrscope
from tests.live.image import make_rootfs

CHECKOUT = str(Path(ctrscope.__file__).parent.parent)
PATIENCE = 120.0
RUNTIME = (sys.executable, "-m", "ctrscope.cli.oci")
_DEFAULT_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES = ("pid", "ipc", "uts", "mount", "network", "cgroup")
Edit = Callable[[dict[str, Any]], None]


def oci(*arguments: str, runtime: tuple[str, ...] = RUNTIME, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``ctrscope-oci``, or another *runtime*. A container that stays keeps its streams open: they are files."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        ended = subprocess.run(
            [*runtime, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            check=False,
            timeout=PATIENCE,
            env={**os.environ, "PYTHONPATH": CHECKOUT},
            **options,
        )
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(ended.args, ended.returncode, stdout.read(), stderr.read())


def done(*arguments: str, **options: Any) -> str:
    """What one that succeeds wrote."""
    ended = oci(*arguments, **options)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def program(directory: Path) -> str:
    """An executable that is ``ctrscope-oci``, for engines, which take one path."""
    path = directory / "ctrscope-oci"
    path.write_text(f'#!/bin/sh\nPYTHONPATH={CHECKOUT} exec {sys.executable} -m ctrscope.cli.oci "$@"\n')
    path.chmod(0o755)
    return str(path)


class Bundle:
    """One bundle."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rootfs = path / "rootfs"
        make_rootfs(self.rootfs)

    def write(self, *args: str, edit: Edit | None = None) -> None:
        """Write config.json for that command."""
        spec = default_spec(args)
        if edit is not None:
            edit(spec)
        (self.path / "config.json").write_text(json.dumps(spec))


def default_spec(args: tuple[str, ...]) -> dict[str, Any]:
    """What engines ask for, more or less."""
    capabilities = ["CAP_KILL", "CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE"]
    nothing = ["nosuid", "noexec", "nodev"]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": list(args),
            "env": [_DEFAULT_PATH, "TERM=xterm"],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs"},
        "hostname": "inside",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": nothing},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755"]},
            {
                "destination": "/dev/pts",
                "type": "devpts",
                "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            },
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*nothing, "mode=1777"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": nothing},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*nothing, "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": [*nothing, "relatime", "ro"]},
        ],
        "annotations": {"org.example.purpose": "test"},
        "linux": {
            "namespaces": [{"type": name} for name in _NAMESPACES],
            "resources": {"devices": [{"allow": False, "access": "rwm"}], "pids": {"limit": 100}},
            "maskedPaths": ["/proc/kcore", "/proc/acpi", "/proc/scsi", "/proc/not-there"],
            "readonlyPaths": ["/proc/sys", "/proc/bus", "/proc/sysrq-trigger"],
        },
    }
