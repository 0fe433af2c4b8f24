"""Docker for real: containerd and dockerd as Debian has them, started by hand at their usual places."""

import shutil
import signal
from pathlib import Path

from tests.live import containerd
from tests.live.image import TAR
from tests.live.machine import Background, Borrowed, remove_cgroups, remove_links, run, tail, wait_for

LABEL = "ctrscope.test=1"
IMAGE = "ctrscope-test"
PROGRAMS = ("dockerd", "docker", "containerd", "runc")

#: Name → arguments of `docker run`. Between them: limits, ports, shared namespaces, odd characters.
RUNNING: dict[str, tuple[str, ...]] = {
    "cs-web": (
        *("--memory", "64m", "--cpus", "0.5", "--pids-limit", "50", "--hostname", "web"),
        *("-p", "127.0.0.1:18080:80", "-p", "18053:53/udp", "-e", "APP=web", "-e", "DB_PASSWORD=not-a-secret"),
        *("--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=web"),
        *(IMAGE, "httpd", "-f", "-p", "80", "-h", "/www"),
    ),
    "cs-db": ("--network", "cs-shop", "--ip", "172.29.7.9", "--restart", "unless-stopped", IMAGE, "sleep", "100000"),
    "cs_odd.name-1": ("--entrypoint", "/bin/sh", IMAGE, "-c", 'echo "ü \033[31m\u202e"; exec sleep 100000', "", "a b"),
    "cs-side": ("--network", "container:cs-web", "--pid", "container:cs-web", IMAGE, "sleep", "100000"),
    "cs-host": ("--network", "host", "--pid", "host", IMAGE, "sleep", "100000"),
}

_daemon = Background("dockerd", ["dockerd", "--live-restore", "--containerd", containerd.SOCKET])


def start() -> None:
    """Start the daemon, unless one runs, and one container of every kind."""
    Borrowed("/var/lib/docker", "/run/docker", "/etc/docker/key.json").note()
    start_daemon()
    remove_containers()
    run("docker", "import", str(TAR), IMAGE)
    run("docker", "network", "create", "--subnet", "172.29.7.0/24", "cs-shop")
    for name, arguments in RUNNING.items():
        start_container(name, *arguments)
    start_container("cs-paused", IMAGE, "sleep", "100000")
    run("docker", "pause", "cs-paused")
    run("docker", "create", "--name", "cs-created", "--label", LABEL, "-p", "18099:99", IMAGE, "sleep", "100000")
    start_container("cs-exit7", IMAGE, "sh", "-c", "exit 7")
    run("docker", "wait", "cs-exit7")


def start_container(name: str, *arguments: str) -> str:
    """`docker run -d`; returns the full id."""
    return run("docker", "run", "-d", "--name", name, "--label", LABEL, *arguments).strip()


def start_daemon() -> None:
    """Start dockerd unless it answers."""
    if _daemon.pid is None and not _answers():
        Path("/run/docker.pid").unlink(missing_ok=True)
        _daemon.start()
    try:
        wait_for("dockerd answers", _answers, seconds=60)
    except TimeoutError as error:
        raise TimeoutError(f"{error}\n{tail(_daemon.log)}") from None


def daemon_pid() -> int | None:
    """PID of the dockerd that the tests started."""
    return _daemon.pid


def kill_daemon() -> None:
    """SIGKILL: what happens when a daemon crashes."""
    _daemon.stop(signal.SIGKILL)


def remove_containers() -> None:
    """Remove every container that the tests started."""
    if found := run("docker", "ps", "-aq", "--filter", f"label={LABEL}").split():
        run("docker", "rm", "-f", *found)
    run("docker", "network", "rm", "cs-shop", check=False)


def stop() -> None:
    """Stop all of it and remove what it made."""
    if shutil.which("docker") is None or not (_answers() or Path("/var/lib/docker/containers").is_dir()):
        return
    try:
        if not containerd.answers():
            _daemon.stop()  # a dockerd that lost its containerd hears of no exit any more
        containerd.start_daemon()
        start_daemon()
        remove_containers()
        run("docker", "image", "rm", "-f", IMAGE, check=False)
    finally:
        if _daemon.pid is not None:
            _daemon.stop()
            remove_links("docker0")
            remove_cgroups("docker")
            Path("/run/docker.pid").unlink(missing_ok=True)
            Path("/run/docker.sock").unlink(missing_ok=True)


def _answers() -> bool:
    return Path("/run/docker.sock").exists() and bool(
        run("docker", "version", "-f", "{{.Server.Version}}", check=False).strip()
    )
