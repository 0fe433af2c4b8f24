"""Fixture hosts: real hosts as captured files, unpacked into a directory that ``--root`` can read."""

import json
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
#: Python before 3.11.4 knows no filter.
_FILTER: Any = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}


def unpack(name: str, target: Path) -> None:
    """Unpack one archive of this directory."""
    with tarfile.open(_HERE / name) as archive:
        archive.extractall(target, **_FILTER)


def unpack_v2_systemd(target: Path) -> Path:
    """Unpack the Debian 12 capture (pure cgroup v2, systemd, every engine); returns its root.

    Links of /proc/PID and of the state directories become symlinks again, most of them dangling as on the host;
    sockets and FIFOs become FIFOs, which must never be opened. Modes and owners are not kept: tests run as root,
    and root ignores modes; a denied file has to be declared (``DenyingHostFs``).
    """
    unpack("v2-systemd.tar.gz", target)
    root = target / "fixtures-v2"
    for pid, links in json.loads((root / "links.json").read_text()).items():
        process = root / "proc" / pid
        for name, value in links.items():
            if name in ("ns/net", "exe", "cwd", "root") or name.startswith("ns/"):
                if not value.startswith("!"):
                    _symlink(process / name, value)
            elif name == "fd":
                for number, value_of_fd in value.items():
                    _symlink(process / "fd" / number, value_of_fd)
            elif name == "task":
                for tid in value:
                    (process / "task" / str(tid)).mkdir(parents=True, exist_ok=True)
    for name, entry in json.loads((root / "index.json").read_text()).items():
        path, mode = root / name.lstrip("/"), int(entry["mode"], 8)
        if "link" in entry:
            _symlink(path, entry["link"])
        elif stat.S_ISDIR(mode):
            path.mkdir(parents=True, exist_ok=True)
        elif (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)) and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.mkfifo(path)
        if not path.is_symlink() and path.exists() and os.geteuid() == 0:
            os.chown(path, entry["uid"], entry["gid"])
    return root


def _symlink(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(target)
