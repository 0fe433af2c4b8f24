"""What the rules of ``audit`` need to know of the host itself.

*Source:* proc_sys(5), proc_pid_mountinfo(5), dockerd(8) and its ``daemon.json``, dpkg(1) ``/var/lib/dpkg/status``, Debian's
changelogs, apk ``/lib/apk/db/installed``, kernel document admin-guide/LSM.
"""

import stat
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import msgspec

from ctrscope.discovery.audit_kernel import KernelRelease, read_kernel_release
from ctrscope.discovery.audit_sockets import find_sockets
from ctrscope.discovery.changelog import parse_changelog
from ctrscope.discovery.host_paths import HostPaths
from ctrscope.engines.state_file import parse_json
from ctrscope.model.audited import AuditedHost
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reason, gap_of
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import read_mountinfo
from ctrscope.probes.proc_pid_status import read_status
from ctrscope.probes.process_table import parse_cmdline

#: Directories of state that only root may write to.
_STATE = (
    "/var/lib/docker", "/run/docker", "/var/lib/containerd", "/run/containerd", "/var/lib/containers", "/run/containers",
    "/run/runc", "/run/crun", "/run/libpod", "/var/lib/lxc", "/var/lib/incus", "/var/lib/lxd", "/var/lib/kubelet",
    "/etc/docker",
    "/etc/containers", "/etc/containerd", "/etc/cni/net.d", "/opt/cni/bin",
)  # fmt: skip
#: What runtimes mask; the list of moby oci/defaults.go.
_MASKABLE = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
    "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
)  # fmt: skip
SYSCTLS = (
    "kernel.kptr_restrict", "kernel.dmesg_restrict", "kernel.unprivileged_bpf_disabled", "kernel.yama.ptrace_scope",
    "kernel.perf_event_paranoid", "kernel.unprivileged_userns_clone", "user.max_user_namespaces", "kernel.randomize_va_space",
    "fs.protected_symlinks", "fs.protected_hardlinks", "kernel.apparmor_restrict_unprivileged_userns",
)  # fmt: skip
#: Packages of engines and runtimes, as distributions and vendors call them.
_PACKAGES = frozenset(
    {
        "runc",
        "crun",
        "containerd",
        "containerd.io",
        "docker.io",
        "docker-ce",
        "docker",
        "podman",
        "cri-o",
        "buildah",
        "moby-engine",
    }
)


class HostFacts(NamedTuple):
    """The record, and what it takes to translate paths."""

    host: AuditedHost
    paths: HostPaths | None
    gaps: tuple[Gap, ...]


class _Daemon(msgspec.Struct, rename="kebab"):
    hosts: tuple[str, ...] | None = None
    tlsverify: bool | None = None
    userns_remap: str | None = None


_daemon_decoder = msgspec.json.Decoder(_Daemon)


def read_audited_host(host: HostFs, snapshot: Snapshot) -> HostFacts:
    """Read it once for all containers."""
    gaps: list[Gap] = []
    is_live = host.exists("/proc/1/status") or host.exists("/proc/self/status")
    mounts = None
    every: tuple[str, ...] | None = None
    if is_live:
        try:
            mounts = read_mountinfo(host, 1)
            every = read_status(host, 1).capabilities.named().bounding
        except (OSError, ParseError) as error:
            gaps.append(gap_of(error, "host", ("mounts", "capabilities"), "/proc/1", "the host's own PID namespace"))
    sockets = find_sockets(host)
    hosts, verifies, remaps = _read_docker(host, snapshot, gaps)
    packages, source = _read_packages(host, gaps)
    kernel = snapshot.host.kernel
    release = KernelRelease(None, "", None) if kernel is None else read_kernel_release(host, kernel)
    value = AuditedHost(
        root=host.root,
        is_live=is_live,
        kernel=kernel,
        kernel_stable=release.stable,
        kernel_source=release.source,
        kernel_mended=release.mended,
        namespaces=snapshot.host.namespaces,
        capabilities=every,
        lsm=_read_lsm(host, gaps) if is_live else None,
        maskable=tuple(path for path in _MASKABLE if host.exists(path)) if is_live else (),
        sockets=sockets,
        open_sockets=tuple(f"{path} mode {mode:04o}" for path in sockets if (mode := _mode(host, path)) & 0o002),
        shim_sockets=_count_shims(host) if is_live else None,
        docker_hosts=hosts,
        docker_verifies=verifies,
        docker_remaps=remaps,
        docker_swarm=_read_swarm(host, snapshot, gaps),
        lax_directories=tuple(f"{path} mode {mode:04o}" for path in _STATE if _is_lax(mode := _mode(host, path))),
        sysctls=_read_sysctls(host),
        packages=packages,
        packages_source=source,
        mended=_read_mended(host, packages or {}),
    )
    return HostFacts(value, None if mounts is None else HostPaths(mounts), tuple(gaps))


def _mode(host: HostFs, path: str) -> int:
    try:
        return stat.S_IMODE(host.stat(path).st_mode)
    except OSError:
        return 0


def _is_lax(mode: int) -> bool:
    """Whether anybody may write; a sticky directory such as /tmp lets nobody take another's place."""
    return bool(mode & 0o002) and not mode & stat.S_ISVTX


def _read_lsm(host: HostFs, gaps: list[Gap]) -> tuple[str, ...] | None:
    """Active modules; securityfs may not be mounted, then AppArmor's parameter and selinuxfs have to do."""
    source = "/sys/kernel/security/lsm"
    try:
        return tuple(host.read(source).decode("ascii", "replace").strip().split(","))
    except OSError as error:
        if error.errno not in VANISHED:
            gaps.append(gap_of(error, "host", ("lsm",), source))
            return None
    found = []
    try:
        if host.read("/sys/module/apparmor/parameters/enabled").strip() == b"Y":
            found.append("apparmor")
    except OSError:
        pass
    if host.exists("/sys/fs/selinux/enforce"):
        found.append("selinux")
    return tuple(found)


def _count_shims(host: HostFs) -> int | None:
    """Abstract sockets of containerd shims before 1.3.9 and 1.4.3, which whoever shares the network can reach."""
    try:
        return host.read("/proc/1/net/unix").count(b"@/containerd-shim/")
    except OSError:
        return None


def _read_docker(host: HostFs, snapshot: Snapshot, gaps: list[Gap]) -> tuple[tuple[str, ...] | None, bool | None, bool | None]:
    """Where dockerd listens, whether it asks for certificates, and whether it maps users; None without Docker."""
    if not any(engine.engine == "docker" and engine.found for engine in snapshot.engines):
        return None, None, None
    config = _Daemon()
    try:
        config = parse_json(_daemon_decoder, host.read("/etc/docker/daemon.json"), "/etc/docker/daemon.json")
    except FileNotFoundError:
        pass
    except (OSError, ParseError) as error:
        gaps.append(gap_of(error, "host", ("docker_hosts", "docker_remaps"), "/etc/docker/daemon.json"))
        return None, None, None
    arguments: tuple[str, ...] = ()
    with suppress(OSError, ValueError):  # it does not run
        arguments = parse_cmdline(host.read(f"/proc/{int(host.read('/run/docker.pid', limit=64))}/cmdline"))
    if not arguments or not arguments[0].endswith("dockerd"):
        arguments = ()
    hosts = [*(config.hosts or ())]
    for index, one in enumerate(arguments):
        flag, equals, value = one.partition("=")
        if flag in ("-H", "--host", "--hosts"):
            hosts.append(value if equals else arguments[index + 1] if index + 1 < len(arguments) else "")
    verifies = bool(config.tlsverify) or any(one in ("--tlsverify", "--tlsverify=true") for one in arguments)
    remaps = bool(config.userns_remap) or any(one.startswith("--userns-remap") for one in arguments)
    return tuple(hosts), verifies, remaps


def _read_swarm(host: HostFs, snapshot: Snapshot, gaps: list[Gap]) -> bool | None:
    """Whether a Docker is part of a swarm: who leaves it removes the file."""
    roots = [root for engine in snapshot.engines if engine.engine == "docker" for root in engine.state_roots]
    for path in (f"{root}/swarm/docker-state.json" for root in roots):
        try:
            host.stat(path)
        except OSError as error:
            if error.errno not in VANISHED:
                gaps.append(gap_of(error, "host", ("docker_swarm",), path, "CAP_DAC_READ_SEARCH"))
                return None
        else:
            return True
    return False if roots else None


def _read_sysctls(host: HostFs) -> dict[str, str]:
    found = {}
    for name in SYSCTLS:
        try:
            found[name] = host.read(f"/proc/sys/{name.replace('.', '/')}").decode("ascii", "replace").strip()
        except OSError:
            continue  # this kernel does not have it
    return found


def _read_packages(host: HostFs, gaps: list[Gap]) -> tuple[dict[str, str] | None, str]:
    for path, parse in (("/var/lib/dpkg/status", parse_dpkg), ("/lib/apk/db/installed", parse_apk)):
        try:
            return parse(host.read(path, limit=64 << 20)), path
        except FileNotFoundError:
            continue
        except OSError as error:
            gaps.append(gap_of(error, "host", ("packages",), path))
            return None, path
    detail = "neither dpkg nor apk keeps a list here; other package databases are not read"
    gap = Gap(subject="host", fields=("packages",), source="/var/lib/dpkg/status", reason=Reason.UNAVAILABLE, detail=detail)
    gaps.append(gap)
    return None, ""


def _read_mended(host: HostFs, packages: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """What a distribution says it mended without a newer release: CVE numbers in the changelog of each package."""
    found = {}
    for name in packages:
        with suppress(OSError, EOFError, zlib.error):  # minimal installations leave the documentation out
            compressed = host.read(f"/usr/share/doc/{name}/changelog.Debian.gz", limit=4 << 20)
            found[name] = parse_changelog(compressed)
    return found


def parse_dpkg(text: bytes) -> dict[str, str]:
    """Versions of the packages that matter, as far as they are installed."""
    found = {}
    for name in _PACKAGES:
        start = 0
        mark = b"Package: " + name.encode() + b"\n"
        while (start := text.find(mark, start)) >= 0:
            end = text.find(b"\n\n", start)
            if start == 0 or text[start - 1 : start] == b"\n":
                fields = dict(line.partition(b": ")[::2] for line in text[start : end if end >= 0 else None].splitlines())
                if fields.get(b"Status", b"").endswith(b" installed") and b"Version" in fields:
                    found[name] = fields[b"Version"].decode("utf-8", "replace")
            start += len(mark)
    return found


def parse_apk(text: bytes) -> dict[str, str]:
    """The same of an apk database: ``P:`` and ``V:`` lines, a blank line after each package."""
    found = {}
    for block in text.split(b"\n\n"):
        fields = dict(line.split(b":", 1) for line in block.splitlines() if line[:2] in (b"P:", b"V:"))
        name = fields.get(b"P", b"").decode("utf-8", "replace")
        if name in _PACKAGES and b"V" in fields:
            found[name] = fields[b"V"].decode("utf-8", "replace")
    return found
