"""LXC for real, at its usual place."""

import shutil
from pathlib import Path

from tests.live.image import make_rootfs
from tests.live.machine import Borrowed, remove_cgroups, remove_directory, remove_links, run

PROGRAMS = ("lxc-start", "lxc-info", "lxc-stop")
BRIDGE = "cs-lxc0"
#: Name → last byte of its address.
RUNNING = {"cs-lx1": 11, "cs-lx2": 12, "cs_lx.odd-3": 13}
OTHERS = {"cs-lx-frozen": 14, "cs-lx-stopped": 15}


def start() -> None:
    """Start LXC containers: running, frozen, and one that is only configured."""
    Borrowed("/run/lxc", "/var/lib/lxc", "/var/log/lxc").note()
    remove_containers()
    run("ip", "link", "add", BRIDGE, "type", "bridge", check=False)
    run("ip", "address", "replace", "10.98.7.1/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    for name, address in (RUNNING | OTHERS).items():
        directory = Path("/var/lib/lxc", name)
        make_rootfs(directory / "rootfs")
        (directory / "config").write_text(
            f"lxc.rootfs.path = dir:{directory}/rootfs\nlxc.uts.name = {name}\nlxc.init.cmd = /bin/sleep 100000\n"
            f"lxc.net.0.type = veth\nlxc.net.0.link = {BRIDGE}\nlxc.net.0.flags = up\n"
            f"lxc.net.0.ipv4.address = 10.98.7.{address}/24\nlxc.apparmor.profile = unconfined\n"
        )
        if name != "cs-lx-stopped":
            start_container(name)
    run("lxc-freeze", "-n", "cs-lx-frozen")


def start_container(name: str) -> None:
    """Start a configured container."""
    run("lxc-start", "-n", name)
    run("lxc-wait", "-n", name, "-s", "RUNNING", "-t", "20")


def remove_containers() -> None:
    """Remove every container that the tests made."""
    for name in RUNNING | OTHERS:
        directory = Path("/var/lib/lxc", name)
        if directory.exists():
            run("lxc-unfreeze", "-n", name, check=False)
            run("lxc-stop", "-k", "-n", name, check=False)
            remove_directory(str(directory))


def stop() -> None:
    """Stop all of it and remove what it made."""
    if shutil.which("lxc-stop") is None:
        return
    remove_containers()
    if Path("/sys/class/net", BRIDGE).exists():
        remove_links(BRIDGE)
    remove_cgroups("lxc.payload.cs*", "lxc.monitor.cs*", "lxc.pivot")
