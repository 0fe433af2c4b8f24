"""The engines, in the order in which they are asked, and the traces by which each shows itself.

An engine's module is imported only on a host that has a trace of it: most hosts have one or two of them, and importing
all ten takes longer than finding the containers of those two.
"""

from collections.abc import Iterable
from importlib import import_module

from ctrscope.engines.engine import Engine, User
from ctrscope.model.container import EngineName
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs


class EngineEntry(Value, frozen=True):
    """Where an engine's code is, and what on a host calls for it."""

    name: EngineName
    module: str
    class_name: str
    traces: tuple[str, ...]  # of the system's engine: without any of these paths it has no state
    user_traces: tuple[str, ...]  # of a rootless one: {home} and {run} (/run/user/UID) are the user's
    supervisors: tuple[str, ...]  # comm of processes that may name state kept elsewhere

    def load(self) -> Engine:
        """Import the engine."""
        engine: Engine = getattr(import_module(f"ctrscope.engines.{self.module}"), self.class_name)()
        return engine

    def has_trace(self, host: HostFs, users: Iterable[User]) -> bool:
        """Whether this host has a trace of it. A path that may not be looked at counts: the engine will say so."""
        return any(_may_exist(host, path) for path in self.traces) or any(
            _may_exist(host, path.format(home=user.home, run=f"/run/user/{user.uid}"))
            for user in users
            for path in self.user_traces
            if user.home or not path.startswith("{home}")
        )


#: An engine that drives another one stands before it.
ENGINES: tuple[EngineEntry, ...] = (
    EngineEntry(
        EngineName.DOCKER,
        "docker",
        "Docker",
        ("/var/lib/docker", "/etc/docker/daemon.json", "/run/docker", "/run/docker.pid", "/var/snap/docker"),
        ("{home}/.local/share/docker", "{home}/.config/docker", "{run}/docker"),
        ("dockerd",),
    ),
    EngineEntry(
        EngineName.PODMAN,
        "podman",
        "Podman",
        ("/var/lib/containers", "/run/containers", "/run/libpod", "/etc/containers/storage.conf"),
        ("{home}/.local/share/containers", "{home}/.config/containers/storage.conf", "{run}/containers", "{run}/libpod"),
        ("conmon",),
    ),
    EngineEntry(EngineName.CRI_O, "crio", "CriO", ("/etc/crio", "/var/lib/crio", "/run/crio"), (), ("crio",)),
    EngineEntry(
        EngineName.CONTAINERD,
        "containerd",
        "Containerd",
        (
            "/run/containerd",
            "/var/lib/containerd",
            "/etc/containerd/config.toml",
            "/run/k3s",
            "/run/k0s",
            "/var/lib/rancher",
            "/var/lib/k0s",
            "/var/snap/microk8s",
            "/run/docker/containerd",
            "/var/lib/docker/containerd",
            "/run/snap.docker",
        ),
        (
            "{home}/.local/share/containerd",
            "{home}/.local/share/docker/containerd",
            "{run}/containerd",
            "{run}/docker/containerd",
        ),
        ("containerd", "containerd-shim"),
    ),
    EngineEntry(
        EngineName.LXC,
        "lxc",
        "Lxc",
        ("/var/lib/lxc", "/etc/lxc/lxc.conf"),
        ("{home}/.local/share/lxc", "{home}/.config/lxc/lxc.conf"),
        ("lxc-start", "lxc-autostart", "lxc-execute", "lxc-copy", "lxc-checkpoint", "lxc-snapshot", "lxc-unpriv-star"),
    ),
    EngineEntry(EngineName.INCUS, "incus", "Incus", ("/var/lib/incus", "/run/incus"), (), ("incusd",)),
    EngineEntry(EngineName.LXD, "incus", "Lxd", ("/var/lib/lxd", "/var/snap/lxd"), (), ("lxd",)),
    EngineEntry(EngineName.NSPAWN, "systemd_nspawn", "Nspawn", ("/run/systemd/machines",), (), ("systemd-nspawn",)),
    EngineEntry(
        EngineName.RUNC, "oci_runtime", "Runc", ("/run/runc", "/run/youki"), ("{run}/runc", "{run}/youki"), ("runc", "youki")
    ),
    EngineEntry(EngineName.CRUN, "oci_runtime", "Crun", ("/run/crun",), ("{run}/crun",), ("crun",)),
    EngineEntry(EngineName.CTRSCOPE, "launcher", "Launcher", ("/run/ctrscope",), ("{run}/ctrscope",), ("ctrscope-mon",)),
)


def _may_exist(host: HostFs, path: str) -> bool:
    try:
        host.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
