"""Where engines listen: at their usual places, and wherever those that run were told to.

*Source:* dockerd(8) ``--host``, podman-system-service(1), containerd's and CRI-O's configuration: any path. Which socket an
engine has open, /proc/PID/fd says, and the path that it was bound to /proc/PID/net/unix.
"""

import stat
from collections.abc import Iterator
from contextlib import suppress

from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_net_sockets import find_holders, parse_unix

_USUAL = (
    "/run/docker.sock", "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/podman/podman.sock",
    "/run/cri-dockerd.sock", "/run/k3s/containerd/containerd.sock", "/run/snap.docker/docker.sock",
    "/run/buildkit/buildkitd.sock",
    "/var/lib/incus/unix.socket", "/var/lib/lxd/unix.socket", "/var/snap/lxd/common/lxd/unix.socket",
)  # fmt: skip
_DAEMONS = frozenset({b"buildkitd", b"containerd", b"cri-dockerd", b"crio", b"dockerd", b"podman"})
#: What no container is started through: events of shims, metrics, set-up of networks.
_OTHER = (".ttrpc", "/metrics.sock")


def find_sockets(host: HostFs) -> tuple[str, ...]:
    """Sockets of engines that exist, the usual ones first."""
    usual = [path for path in _USUAL if is_socket(host, path)]
    told = {path for path in _find_told(host) if not path.endswith(_OTHER) and "/libnetwork/" not in path}
    return (*usual, *sorted(path for path in told.difference(usual) if is_socket(host, path)))


def is_socket(host: HostFs, path: str) -> bool:
    """Whether there is one."""
    try:
        return stat.S_ISSOCK(host.stat(path).st_mode)
    except OSError:
        return False


def _find_told(host: HostFs) -> Iterator[str]:
    try:
        pids = [int(name) for name in host.names("/proc") if name.isdecimal()]
    except OSError:
        return  # no running host
    for pid in pids:
        with suppress(OSError, ParseError):  # it ended, or is somebody else's
            if host.read(f"/proc/{pid}/comm").rstrip(b"\n") in _DAEMONS:
                held = find_holders(host, (pid,))
                for socket in parse_unix(host.read(f"/proc/{pid}/net/unix")):
                    path = socket.local or ""
                    if socket.state == "LISTEN" and socket.ino in held and path.startswith("/"):
                        yield path.removeprefix("/var" if path.startswith("/var/run/") else "")
