"""containerd for real: `ctr` containers in several namespaces, and Kubernetes pods made through its CRI."""

import shutil
from pathlib import Path

from tests.live import cri
from tests.live.image import ARCHIVE, NAME
from tests.live.machine import (
    FOREVER,
    LAB,
    Background,
    Borrowed,
    end,
    processes,
    remove_cgroups,
    remove_links,
    run,
    tail,
    wait_for,
)

SOCKET = "/run/containerd/containerd.sock"
PROGRAMS = ("containerd", "ctr", "runc", "containerd-shim-runc-v2")
NAMESPACES = ("default", "cs-team.a", "k8s.io")

_daemon = Background("containerd", ["containerd", "-c", str(LAB / "containerd.toml")])

#: (namespace, id) → arguments of `ctr run` before the image.
RUNNING: dict[tuple[str, str], tuple[str, ...]] = {
    ("default", "cs-c1"): (),
    ("default", "cs-limits"): ("--memory-limit", "33554432", "--cpu-quota", "20000", "--cpu-period", "100000"),
    ("cs-team.a", "cs-odd_name.1-x"): ("--label", "owner=team a", "--env", "A=b c"),
    ("cs-team.a", "cs-c1"): (),  # an id that is taken in another namespace
}


def ctr(namespace: str, *argv: str, check: bool = True) -> str:
    """Run ctr in one of containerd's namespaces."""
    return run("ctr", "-n", namespace, *argv, check=check)


def start() -> None:
    """Start the daemon, unless one runs, and one container of every kind."""
    start_daemon()
    remove_containers()
    for namespace in NAMESPACES:
        ctr(namespace, "image", "import", str(ARCHIVE))
    for (namespace, name), arguments in RUNNING.items():
        start_container(namespace, name, *arguments)
    start_container("default", "cs-paused")
    ctr("default", "task", "pause", "cs-paused")
    ctr("default", "container", "create", NAME, "cs-created", *FOREVER)
    ctr("default", "run", "-d", "--null-io", NAME, "cs-exit4", "/bin/sh", "-c", "exit 4")
    wait_for("cs-exit4 ends", lambda: "STOPPED" in ctr("default", "task", "ls").partition("cs-exit4")[2].partition("\n")[0])
    cri.start()


def start_container(namespace: str, name: str, *arguments: str) -> None:
    """`ctr run -d`."""
    ctr(namespace, "run", "-d", "--null-io", *arguments, NAME, name, *FOREVER)


def start_daemon() -> None:
    """Start containerd unless one answers."""
    if _daemon.pid is None and not answers():
        Borrowed("/var/lib/containerd", "/run/containerd", "/opt/containerd", "/var/lib/cni", "/run/netns").note()
        (LAB / "containerd.toml").write_text(_configuration())
        cri.write_cni()
        _daemon.start()
    try:
        wait_for("containerd answers", answers)
    except TimeoutError as error:
        raise TimeoutError(f"{error}\n{tail(_daemon.log)}") from None


def _configuration() -> str:
    text = run("containerd", "config", "default")
    for key, value in (
        ("restrict_oom_score_adj", "true"),  # no CAP_SYS_RESOURCE: the score of a sandbox cannot be lowered
        ("sandbox_image", f'"{NAME}"'),
        ("bin_dir", '"/usr/lib/cni"'),
        ("conf_dir", f'"{LAB}/cni"'),
    ):
        lines = [
            f"{line.partition('=')[0]}= {value}" if line.strip().startswith(f"{key} =") else line for line in text.splitlines()
        ]
        text = "\n".join(lines)
    return text


def remove_containers() -> None:
    """Remove every container that the tests started, and the pods."""
    cri.remove_pods()
    for namespace in NAMESPACES:
        for name in ctr(namespace, "container", "ls", "-q").split():
            if name.startswith("cs-"):
                ctr(namespace, "task", "resume", name, check=False)
                ctr(namespace, "task", "rm", "-f", name, check=False)
                ctr(namespace, "container", "rm", name, check=False)


def stop() -> None:
    """Stop all of it and remove what it made."""
    if shutil.which("ctr") is None or not (answers() or _daemon.pid or (LAB / "containerd.toml").exists()):
        return
    try:
        start_daemon()
        remove_containers()
        for namespace in NAMESPACES:
            ctr(namespace, "image", "rm", "--sync", *ctr(namespace, "image", "ls", "-q").split(), check=False)
        ctr("default", "namespace", "rm", "cs-team.a", check=False)
    finally:
        if _daemon.pid is not None:
            # A shim outlives its daemon; one that a test left over serves no container any more.
            shims = processes(lambda argv: argv[0].endswith("containerd-shim-runc-v2") and SOCKET in argv)
            _daemon.stop()
            for shim in shims:
                end(shim)
            remove_links(cri.BRIDGE)
            remove_cgroups("default", "cs-team.a", "k8s.io", "kubepods")
            for leftover in (SOCKET, f"{SOCKET}.ttrpc"):
                Path(leftover).unlink(missing_ok=True)


def answers() -> bool:
    """Whether a containerd runs and answers."""
    return Path(SOCKET).exists() and bool(run("ctr", "version", check=False).partition("Server:")[2])
