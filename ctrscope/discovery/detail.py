"""Everything about one container that its row does not say: what ``inspect`` adds and the container page shows."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from ctrscope.discovery.confinement import find_devices, find_masked_paths, find_overlay, find_readonly_paths
from ctrscope.discovery.effective import Ancestry
from ctrscope.discovery.host_paths import HostPaths
from ctrscope.discovery.processes import read_processes
from ctrscope.discovery.secrets import mask_secrets
from ctrscope.discovery.stats import shared_cgroup_gap
from ctrscope.engines.docker_config import parse_environment
from ctrscope.engines.oci_config import read_oci_config
from ctrscope.model.cgroup import CgroupStats, EffectiveLimits, LimitEvents
from ctrscope.model.container import Container
from ctrscope.model.detail import Detail, Limits, Security
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reason, gap_of
from ctrscope.model.mount import Mount
from ctrscope.model.network import Network
from ctrscope.probes.cgroup_stats import read_cgroup_stats
from ctrscope.probes.cgroupfs import read_layout
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_attr import Label, read_label
from ctrscope.probes.proc_pid_environ import environment_of, read_environ
from ctrscope.probes.proc_pid_mountinfo import find_unanswering, read_mountinfo
from ctrscope.probes.proc_pid_stat import read_stat
from ctrscope.probes.proc_pid_status import Status, read_status
from ctrscope.probes.proc_pid_uid_map import read_id_map

__all__ = ["read_detail", "read_processes"]

T = TypeVar("T")

#: Which keys of ``limits`` are null with a field of CgroupStats.
_LIMITS_FROM = {
    "cpu.quota_usec": ("limits.cpus",),
    "memory": ("limits.memory", "limits.swap"),
    "memory.limit": ("limits.memory",),
    "memory.swap_limit": ("limits.swap",),
    "pids": ("limits.pids",),
    "pids.limit": ("limits.pids",),
}
#: What only netlink tells.
_NETLINK_ONLY = (
    *(
        f"network.links.{key}"
        for key in ("kind", "mac", "mtu", "state", "master", "peer_ifindex", "peer_netnsid", "peer", "is_up", "has_carrier")
    ),
    "network.neighbours",
    "network.forwarding",
)


def read_detail(host: HostFs, container: Container, *, show_secrets: bool = False) -> Detail:
    """Read one container. Of one that does not run, or ended meanwhile: only what is on disk.

    *Gaps:* each names the keys below the container that are null because of it.
    *Cost:* some 30 small reads, 10 a process, and 1 ms of netlink.
    """
    if container.pid is not None:
        detail = _Reader(host, container, show_secrets).read_running(container.pid)
        if detail is not None:
            return detail
    return _Reader(host, container, show_secrets).read_stopped()


def read_limit_events(host: HostFs, container: Container) -> tuple[LimitEvents, ...]:
    """Whose limits were hit: the container's own cgroup's and those above it; nothing without a cgroup of its own."""
    layout = read_layout(host)
    if layout is None or container.cgroup is None or not container.has_own_cgroup:
        return ()
    return Ancestry(host, layout).events(container.cgroup)


class _Reader:
    """Collects the gaps of one container while its parts are read."""

    def __init__(self, host: HostFs, container: Container, show_secrets: bool) -> None:
        self._host, self._container, self._show_secrets = host, container, show_secrets
        self._subject = f"container {container.key}"
        self._gaps: list[Gap] = []

    def read_running(self, pid: int) -> Detail | None:
        """Detail of a running container; None when its init ended before all was read."""
        processes = read_processes(self._host, self._container)
        usage, effective, events = self._read_usage()
        mounts = self._attempt(lambda: read_mountinfo(self._host, pid), f"/proc/{pid}/mountinfo", "mounts", "overlay")
        if mounts is not None:
            mounts = self._with_host_paths(mounts)
        security: Security | None = self._read_security(pid, mounts)
        network = self._read_network(pid)
        environment = self._attempt(lambda: read_environ(self._host, pid), f"/proc/{pid}/environ", "environment")
        if not self._is_still_there(pid):
            return None
        if self._container.sandbox is not None:
            # Those files are about the process around the guest; discovery left a gap that says so.
            mounts, security, environment = None, None, None
        return Detail(
            processes=processes,
            limits=None if usage is None else _limits_of(usage),
            effective=effective,
            limit_events=events,
            usage=usage,
            mounts=mounts,
            overlay=None if mounts is None else find_overlay(self._host, mounts),
            security=security,
            network=network,
            environment=self._masked(environment),
            gaps=tuple(self._gaps),
        )

    def read_stopped(self) -> Detail:
        """What is on disk; everything else is the kernel's and does not apply."""
        found = self._read_declared_environment()
        environment = None if found is None else environment_of(found)
        return Detail(environment=self._masked(environment), gaps=tuple(self._gaps))

    def _read_declared_environment(self) -> Iterable[str] | None:
        """Environment that init was asked to have: from Docker's own file, or from the bundle."""
        # A user's store may hold links to files that only root may read.
        container, owner = self._container, self._container.owner_uid or None
        own_file = next((one.source for one in container.evidence if one.source.endswith("/config.v2.json")), None)
        if own_file is not None:
            return self._attempt(
                lambda: parse_environment(self._host.read(own_file, owner=owner), own_file), own_file, "environment"
            )
        if container.bundle is None:
            detail = "the container does not run, and no bundle of it is known"
            self._gap("config.json", Reason.UNAVAILABLE, detail, "environment")
            return None
        bundle, source = container.bundle, f"{container.bundle}/config.json"
        config = self._attempt(lambda: read_oci_config(self._host, bundle, owner=owner), source, "environment")
        if config is not None and config.process is not None and config.process.env is not None:
            return config.process.env
        if not self._gaps:
            self._gap(source, Reason.UNAVAILABLE, "the container does not run, and its bundle is gone", "environment")
        return None

    def _read_usage(self) -> tuple[CgroupStats | None, EffectiveLimits | None, tuple[LimitEvents, ...]]:
        """Figures of its cgroup, the limits that bite, and whose were hit."""
        layout, membership = read_layout(self._host), self._container.cgroup
        if layout is None or membership is None:
            return None, None, ()
        if not self._container.has_own_cgroup:
            self._gaps.append(shared_cgroup_gap(self._container, "usage", "limits", "effective"))
            return None, None, ()
        usage, gaps = read_cgroup_stats(self._host, layout, membership, self._subject, full=True)
        for gap in gaps:
            limits = (limit for field in gap.fields for limit in _LIMITS_FROM.get(field, ()))
            fields = (*(f"usage.{field}" for field in gap.fields), *limits)
            self._gaps.append(msgspec.structs.replace(gap, fields=fields))
        ancestry = Ancestry(self._host, layout)
        return usage, ancestry.limits(membership, usage), ancestry.events(membership)

    def _with_host_paths(self, mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
        """The mounts, those of the host's own files with the host's name for them."""
        hosts = self._attempt(lambda: read_mountinfo(self._host, 1), "/proc/1/mountinfo", "mounts.host_path")
        if hosts is None:
            return mounts
        paths = HostPaths(hosts)
        return tuple(
            msgspec.structs.replace(mount, host_path=found) if (found := paths.find_bound(mount)) is not None else mount
            for mount in mounts
        )

    def _read_security(self, pid: int, mounts: tuple[Mount, ...] | None) -> Security:
        host = self._host
        status: Status | None = self._attempt(
            lambda: read_status(host, pid),
            f"/proc/{pid}/status",
            *(f"security.{key}" for key in ("capabilities", "seccomp", "seccomp_filters", "no_new_privs")),
        )
        label = (
            self._attempt(lambda: read_label(host, pid), f"/proc/{pid}/attr/current", "security.apparmor", "security.selinux")
            or Label()
        )
        return Security(
            capabilities=None if status is None else status.capabilities.named(),
            seccomp=None if status is None else status.seccomp,
            seccomp_filters=None if status is None else status.seccomp_filters,
            no_new_privs=None if status is None else status.no_new_privs,
            apparmor=label.apparmor,
            selinux=label.selinux,
            uid_map=self._attempt(lambda: read_id_map(host, pid, "uid_map"), f"/proc/{pid}/uid_map", "security.uid_map"),
            gid_map=self._attempt(lambda: read_id_map(host, pid, "gid_map"), f"/proc/{pid}/gid_map", "security.gid_map"),
            masked_paths=None if mounts is None else find_masked_paths(mounts),
            readonly_paths=None if mounts is None else find_readonly_paths(mounts),
            devices=self._read_devices(pid, mounts),
        )

    def _read_devices(self, pid: int, mounts: tuple[Mount, ...] | None) -> tuple[str, ...] | None:
        source = f"/proc/{pid}/root/dev"
        if mounts is None or (served := find_unanswering(self._host, mounts, "/dev")) is not None:
            what = "its mounts are not known" if mounts is None else f"it has a FUSE file system at {served}"
            self._gap(source, Reason.NOT_COLLECTED, f"{what}: looking might never end", "security.devices")
            return None

        def look() -> tuple[tuple[str, ...], bool]:
            with self._host.inside(pid) as inside:
                return find_devices(inside)

        found = self._attempt(look, source, "security.devices")
        if found is None:
            return None
        devices, is_complete = found
        if not is_complete:
            self._gap(source, Reason.TRUNCATED, "more entries than any container needs", "security.devices")
        return devices

    def _read_network(self, pid: int) -> Network | None:
        from ctrscope.probes import proc_pid_net

        # Netlink would answer for the /proc that we run on, not for the one below another root.
        needs, why = None, "netlink answers only for our own host"
        if self._host.root == "/":
            from ctrscope.discovery.container_network import read_container_network

            network, gaps = read_container_network(self._host, pid, self._subject)
            if network is not None or not gaps:
                self._gaps += gaps
                return network
            needs, why = gaps[0].needs, gaps[0].detail
        network, gaps = proc_pid_net.read_network(self._host, pid, self._subject)
        self._gaps += gaps
        if network is not None:
            reason = Reason.DENIED if needs else Reason.UNSUPPORTED
            self._gap(f"netlink in /proc/{pid}/ns/net", reason, why, *_NETLINK_ONLY, needs=needs)
        return network

    def _masked(self, environment: Mapping[str, str] | None) -> Mapping[str, str] | None:
        return environment if environment is None or self._show_secrets else mask_secrets(environment)

    def _is_still_there(self, pid: int) -> bool:
        try:
            stat = read_stat(self._host, pid)
        except (OSError, ParseError):
            return False
        return not stat.has_ended and self._container.starttime_ticks in (None, stat.starttime_ticks)

    def _attempt(self, read: Callable[[], T], source: str, *fields: str) -> T | None:
        """Result of *read*, or None: without a Gap when what it reads went away."""
        try:
            return read()
        except ParseError as error:
            self._gap(source, Reason.MALFORMED, str(error), *fields)
        except OSError as error:
            if error.errno not in VANISHED:
                needs = "CAP_SYS_PTRACE" if isinstance(error, PermissionError) else None
                self._gaps.append(gap_of(error, self._subject, fields, source, needs))
        return None

    def _gap(self, source: str, reason: Reason, detail: str, *fields: str, needs: str | None = None) -> None:
        self._gaps.append(Gap(subject=self._subject, fields=fields, source=source, reason=reason, needs=needs, detail=detail))


def _limits_of(usage: CgroupStats) -> Limits:
    cpu, memory, pids = usage.cpu, usage.memory, usage.pids
    return Limits(
        cpus=None if cpu is None else cpu.limit_cpus,
        memory=None if memory is None else memory.limit,
        swap=None if memory is None else memory.swap_limit,
        pids=None if pids is None else pids.limit,
    )
