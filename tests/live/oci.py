"""runc and crun for real, from bundles of our own."""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.live.image import ROOTFS
from tests.live.machine import FOREVER, LAB, remove_cgroups, run

PROGRAMS = ("runc",)

#: Id → memory limit in bytes (0: none) of the runc containers that run.
RUNNING = {"cs-r1": 0, "cs-r2-limits": 48 << 20, "cs_r.odd+id-1": 0}


def start() -> None:
    """Start runc containers: running, paused, created."""
    remove_containers()
    for name, memory in RUNNING.items():
        run("runc", "run", "-d", "-b", str(make_bundle(name, memory=memory)), name)
    run("runc", "run", "-d", "-b", str(make_bundle("cs-r-paused")), "cs-r-paused")
    run("runc", "pause", "cs-r-paused")
    run("runc", "create", "-b", str(make_bundle("cs-r-created")), "cs-r-created")


def start_crun() -> None:
    """Start one crun container with a cgroup and one without a cgroup of its own."""
    remove_crun()
    _crun("--cgroup-manager=cgroupfs", "run", "-d", "-b", str(make_bundle("cs-crun")), "cs-crun")
    _crun("--cgroup-manager=disabled", "run", "-d", "-b", str(make_bundle("cs-crun-free", cgroup=False)), "cs-crun-free")


def _crun(*argv: str, check: bool = True) -> str:
    # crun refuses a hybrid hierarchy in which the v2 side has controllers left; so it does not get to see that side.
    hidden = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec crun "$@"'
    return run("unshare", "-m", "sh", "-c", hidden, "crun", *argv, check=check)


def make_bundle(name: str, *, args: tuple[str, ...] = FOREVER, memory: int = 0, cgroup: bool = True) -> Path:
    """A bundle over the shared, read-only root file system."""
    bundle = LAB / "bundles" / name
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / "config.json").unlink(missing_ok=True)
    run("runc", "spec", "-b", str(bundle))
    spec: dict[str, Any] = json.loads((bundle / "config.json").read_text())
    spec["process"].update(terminal=False, args=list(args), rlimits=[])
    spec["root"] = {"path": str(ROOTFS), "readonly": True}
    spec["annotations"] = {"org.example.purpose": "test"}
    if cgroup:
        spec["linux"]["cgroupsPath"] = f"/cs-oci/{name}"
    else:
        spec["linux"]["namespaces"] = [entry for entry in spec["linux"]["namespaces"] if entry["type"] != "cgroup"]
        spec["mounts"] = [mount for mount in spec["mounts"] if mount["type"] != "cgroup"]
    if memory:
        spec["linux"]["resources"]["memory"] = {"limit": memory}
    (bundle / "config.json").write_text(json.dumps(spec))
    return bundle


def remove_containers() -> None:
    """Remove every runc container that the tests started."""
    for name in run("runc", "list", "-q").split():
        if name.startswith(("cs-", "cs_")):
            run("runc", "resume", name, check=False)
            run("runc", "delete", "-f", name, check=False)


def remove_crun() -> None:
    """Remove every crun container that the tests started."""
    for name in ("cs-crun", "cs-crun-free"):
        if Path("/run/crun", name).exists():
            _crun("delete", "-f", name, check=False)


def stop() -> None:
    """Stop all of it and remove what it made."""
    if shutil.which("runc") is not None:
        remove_containers()
    if shutil.which("crun") is not None:
        remove_crun()
    remove_cgroups("cs-oci")
    for root in ("/run/runc", "/run/crun"):
        with suppress(OSError):  # not ours alone
            os.rmdir(root)
