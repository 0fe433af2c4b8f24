"""Podman for real, as root, over its usual storage."""

import json
import shutil
from typing import Any

from tests.live.image import TAR
from tests.live.machine import LAB, Borrowed, remove_cgroups, remove_links, run

LABEL = "ctrscope.test=1"
IMAGE = "ctrscope.test/busybox:1"
PROGRAMS = ("podman", "conmon", "runc", "catatonit")

_CONFIGURATION = LAB / "containers.conf"
# Limits cannot be raised without CAP_SYS_RESOURCE; crun refuses hybrid cgroups; there may be no systemd and no journal.
_TEXT = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""

#: Name → arguments of `podman run`.
RUNNING: dict[str, tuple[str, ...]] = {
    "cs-p-web": (
        *("--memory", "64m", "--cpus", "0.5", "--pids-limit", "50", "--hostname", "web"),
        *("-p", "127.0.0.1:28080:80", "-p", "28053:53/udp", "--env", "APP=web", "--env", "DB_PASSWORD=not-a-secret"),
        *("--label", "app=web", "--label", "tier=front", "--restart", "always"),
        *(IMAGE, "httpd", "-f", "-p", "80", "-h", "/www"),
    ),
    "cs-p-plain": (IMAGE, "sleep", "100000"),
    "cs_p.odd-name_1": (IMAGE, "sh", "-c", 'echo "ü \033[31m\u202e"; exec sleep 100000', "", "a b"),
    "cs-p-host": ("--network", "host", "--pid", "host", IMAGE, "sleep", "100000"),
    "cs-p-readonly": ("--cap-drop", "all", "--read-only", "--network", "none", IMAGE, "sleep", "100000"),
}


def podman(*argv: str, check: bool = True) -> str:
    """Run podman with a configuration of our own, once ``start`` wrote it; the machine's is left alone."""
    environment = {"CONTAINERS_CONF": str(_CONFIGURATION)} if _CONFIGURATION.exists() else {}
    return run("podman", *argv, env=environment, check=check)


def start() -> None:
    """Start one container of every kind."""
    Borrowed("/var/lib/containers", "/run/containers", "/run/libpod", "/run/netns", "/etc/containers/networks").note()
    _CONFIGURATION.write_text(_TEXT)
    remove_containers()
    podman("import", "-q", str(TAR), IMAGE)
    for name, arguments in RUNNING.items():
        start_container(name, *arguments)
    start_container("cs-p-paused", IMAGE, "sleep", "100000")
    podman("pause", "cs-p-paused")
    podman("create", "--name", "cs-p-created", "--label", LABEL, "-p", "28099:99", IMAGE, "sleep", "100000")
    start_container("cs-p-exit3", IMAGE, "sh", "-c", "exit 3")
    podman("wait", "cs-p-exit3")
    podman("pod", "create", "--name", "cs-pod", "--label", LABEL, "-p", "127.0.0.1:28081:80")
    start_container("cs-pod-a", "--pod", "cs-pod", IMAGE, "httpd", "-f", "-p", "80")
    start_container("cs-pod-b", "--pod", "cs-pod", IMAGE, "sleep", "100000")


def start_container(name: str, *arguments: str) -> str:
    """`podman run -d`; returns the full id."""
    return podman("run", "-d", "--name", name, "--label", LABEL, *arguments).strip()


def inspect(*names: str) -> list[dict[str, Any]]:
    """`podman inspect` of some containers, or of all."""
    wanted = names or tuple(podman("ps", "-aq", "--no-trunc").split())
    found: list[dict[str, Any]] = json.loads(podman("container", "inspect", *wanted)) if wanted else []
    return found


def remove_containers() -> None:
    """Remove every container that the tests started."""
    podman("pod", "rm", "-f", "--time", "0", "--ignore", "cs-pod")
    if found := podman("ps", "-aq", "--filter", f"label={LABEL}").split():
        podman("rm", "-f", "--time", "0", *found)


def stop() -> None:
    """Stop all of it and remove what it made."""
    if shutil.which("podman") is None or not _CONFIGURATION.exists():
        return
    remove_containers()
    podman("image", "rm", "-f", IMAGE, check=False)
    if not podman("ps", "-aq").split():
        remove_links("podman0")
        remove_cgroups("libpod_parent")
