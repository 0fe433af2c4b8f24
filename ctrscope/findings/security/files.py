"""What of the host's files a container has, and what of its own it may change.

*Source:* proc_pid_mountinfo(5), mount_namespaces(7), cgroups(7).
"""

from collections.abc import Iterator

from ctrscope.findings.security.rule import (
    PSS_BASELINE,
    Defect,
    Rule,
    acts_on_host,
    cis,
    evidence,
    is_host_root,
    is_privileged,
    nist,
)
from ctrscope.model.audited import Audited, AuditedMount
from ctrscope.model.container import EngineName
from ctrscope.model.finding import Severity

#: Directories of the host that no container should have as a whole.
_SENSITIVE = frozenset(
    [
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/home",
        "/lib",
        "/lib64",
        "/opt",
        "/proc",
        "/root",
        "/run",
        "/sbin",
        "/srv",
        "/sys",
        "/usr",
        "/usr/bin",
        "/usr/lib",
        "/usr/local",
        "/usr/sbin",
        "/var",
        "/var/lib",
        "/var/log",
        "/var/run",
        "/var/spool",
        "/var/spool/cron",
        "/etc/cron.d",
        "/etc/systemd",
        "/etc/systemd/system",
        "/etc/ssh",
        "/etc/pam.d",
        "/var/lib/docker",
        "/var/lib/containerd",
        "/var/lib/containers",
        "/var/lib/containers/storage",
        "/var/lib/kubelet",
        "/var/lib/kubelet/pods",
        "/run/containerd",
        "/run/docker",
        "/run/containers",
        "/run/crio",
        "/run/systemd",
        "/run/runc",
        "/var/lib/docker/overlay2",
        "/var/lib/lxc",
        "/var/lib/incus",
    ]
)
#: Below these, what can be written changes the system.
_SYSTEM = ("/bin/", "/boot/", "/etc/", "/lib/", "/lib64/", "/sbin/", "/usr/", "/root/")
_CREDENTIALS = (
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/kubernetes",
    "/etc/rancher",
    "/var/lib/kubelet/pki",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/rancher",
    "/root/.ssh",
    "/root/.kube",
    "/root/.aws",
    "/root/.azure",
    "/root/.config/gcloud",
    "/root/.docker",
    "/root/.gnupg",
    "/etc/ssl/private",
    "/etc/docker/certs.d",
    "/var/lib/etcd",
    "/etc/ssh",
)
_HOME_CREDENTIALS = ("/.ssh", "/.kube", "/.aws", "/.azure", "/.config/gcloud", "/.docker", "/.gnupg")
_TOKEN = "/serviceaccount"  # noqa: S105 -- where it is
_INTERFACES = frozenset({"debugfs", "tracefs", "securityfs", "bpf", "configfs", "efivarfs", "pstore"})


def _shown(mount: AuditedMount) -> str:
    return f"{mount.host_path} at {mount.mount_point}, {'writable' if mount.is_writable else 'read-only'}, {mount.fs_type}"


def has_hosts_root(audited: Audited) -> bool:
    """Whether its root directory is the host's: then every mount is the host's, and one finding says it all."""
    return any(mount.mount_point == "/" and mount.host_path == "/" for mount in audited.mounts or ())


def of_the_host(audited: Audited) -> Iterator[AuditedMount]:
    """Mounts of the host's files, without the root itself and what its engine keeps for it."""
    if has_hosts_root(audited):
        return
    for mount in audited.mounts or ():
        if mount.host_path is not None and mount.mount_point != "/":
            yield mount


def host_root(audited: Audited) -> Iterator[Defect]:
    """All files of the host."""
    for mount in audited.mounts or ():
        if mount.host_path == "/" and (mount.mount_point != "/" or audited.container.engine is not EngineName.UNCLAIMED):
            severity = Severity.CRITICAL if mount.is_writable else Severity.HIGH
            words = "for writing" if mount.is_writable else "read-only"
            yield Defect(
                f"the host's whole root directory is mounted {words} at {mount.mount_point}",
                (evidence(audited, "mounts", _shown(mount)),),
                severity,
            )


def shared_root(audited: Audited) -> Iterator[Defect]:
    """Isolated by hand, and nothing was done about files."""
    if has_hosts_root(audited) and audited.container.engine is EngineName.UNCLAIMED:
        yield Defect("its root directory is the host's", (evidence(audited, "mounts", "/ is the host's /"),))


def sensitive(audited: Audited) -> Iterator[Defect]:
    """Directories of the host that are the system, or belong to engines."""
    for mount in of_the_host(audited):
        path = mount.host_path or ""
        if path == "/" or _is_credential(path) or mount.fs_type in ("proc", "sysfs"):
            continue  # other rules say it
        is_system = path.startswith(_SYSTEM) and mount.is_writable and not _is_engines_own(path)
        if path in _SENSITIVE or is_system:
            words = "for writing" if mount.is_writable else "read-only"
            yield Defect(
                f"{path} of the host is mounted {words} at {mount.mount_point}",
                (evidence(audited, "mounts", _shown(mount)),),
                Severity.HIGH if mount.is_writable else Severity.MEDIUM,
            )


def engine_socket(audited: Audited) -> Iterator[Defect]:
    """A socket of an engine, or a directory that one is in."""
    for mount in of_the_host(audited):
        path = _plain(mount.host_path or "")
        known = audited.host.sockets or ()
        found = [one for one in known if one == path or one.startswith(path.rstrip("/") + "/")]
        if not found and path.endswith((".sock", ".socket")) and any(word in path for word in _ENGINE_WORDS):
            found = [path]
        for socket in found:
            yield Defect(
                f"{socket} of an engine is within reach at {mount.mount_point}: whoever writes to it starts containers as root",
                (evidence(audited, "mounts", _shown(mount)),),
            )


_ENGINE_WORDS = ("docker", "containerd", "crio", "podman", "buildkit", "incus", "lxd")


def credentials(audited: Audited) -> Iterator[Defect]:
    """Keys and tokens of the host."""
    for mount in of_the_host(audited):
        path = mount.host_path or ""
        if _is_credential(path):
            yield Defect(
                f"{path} of the host, where credentials are, is mounted at {mount.mount_point}",
                (evidence(audited, "mounts", _shown(mount)),),
            )


def service_account(audited: Audited) -> Iterator[Defect]:
    """A token of the cluster."""
    for mount in audited.mounts or ():
        if mount.mount_point.rstrip("/").endswith(_TOKEN):
            yield Defect(
                f"a service account token of the cluster is mounted at {mount.mount_point}",
                (evidence(audited, "mounts", f"{mount.fs_type} at {mount.mount_point}"),),
            )


def kernel_files(audited: Audited) -> Iterator[Defect]:
    """The host's own procfs or sysfs at another place, where nothing of it is masked."""
    if has_hosts_root(audited):
        return
    for mount in audited.mounts or ():
        usual = mount.mount_point == "/proc" or mount.mount_point == "/sys" or mount.mount_point.startswith(("/proc/", "/sys/"))
        if mount.fs_type in ("proc", "sysfs") and not usual and mount.mount_point != "/":
            words = "writable" if mount.is_writable else "read-only"
            yield Defect(
                f"{mount.fs_type} is mounted {words} at {mount.mount_point}, where nothing is masked",
                (evidence(audited, "mounts", f"{mount.fs_type} at {mount.mount_point}, {words}"),),
                Severity.HIGH if mount.is_writable else Severity.MEDIUM,
            )


def interfaces(audited: Audited) -> Iterator[Defect]:
    """File systems that are doors into the kernel."""
    if has_hosts_root(audited):
        return
    found = sorted({f"{one.fs_type} at {one.mount_point}" for one in audited.mounts or () if one.fs_type in _INTERFACES})
    if found and acts_on_host(audited):
        yield Defect(
            f"interfaces of the kernel are mounted: {', '.join(found)}", (evidence(audited, "mounts", ", ".join(found)),)
        )


def propagation(audited: Audited) -> Iterator[Defect]:
    """What it mounts there, the host has too."""
    for mount in of_the_host(audited):
        if mount.is_shared:
            yield Defect(
                f"{mount.mount_point} shares mounts with the host: what is mounted below it appears on the host",
                (evidence(audited, "mounts", f"{mount.host_path} at {mount.mount_point}, shared"),),
            )


def masked(audited: Audited) -> Iterator[Defect]:
    """Paths that runtimes hide."""
    if is_privileged(audited) or not acts_on_host(audited) or not audited.has_whole_proc:
        return
    hidden = set(audited.masked_paths or ()) | set(audited.readonly_paths or ())
    # Newer engines mask this one, and only on machines where it leaks something.
    bare = [path for path in audited.host.maskable if path not in hidden and path not in ("/proc/interrupts", "/sys/firmware")]
    if bare:
        yield Defect(f"not masked: {', '.join(bare)}", (evidence(audited, "masked_paths", f"no mount over {', '.join(bare)}"),))


def proc_sys(audited: Audited) -> Iterator[Defect]:
    """core_pattern names a program that the kernel runs as root of the host."""
    if audited.has_whole_proc and "/proc/sys" not in (audited.readonly_paths or ()) and acts_on_host(audited):
        severity = Severity.HIGH if audited.uid == 0 else Severity.LOW
        title = "/proc/sys is writable: kernel.core_pattern names a program that the kernel runs as root of the host"
        yield Defect(
            title, (evidence(audited, "readonly_paths", "/proc is rw, and /proc/sys is no read-only mount"),), severity
        )


def sysfs(audited: Audited) -> Iterator[Defect]:
    """uevent_helper and much else."""
    for mount in audited.mounts or ():
        if mount.fs_type == "sysfs" and mount.mount_point == "/sys" and mount.is_writable and is_host_root(audited):
            title = "/sys is writable by root: kernel/uevent_helper names a program that the kernel runs as root of the host"
            yield Defect(title, (evidence(audited, "mounts", "sysfs at /sys, rw"),))


def cgroupfs(audited: Audited) -> Iterator[Defect]:
    """release_agent of v1 is run by the kernel; on v2 the container may move its own limits."""
    if not acts_on_host(audited) or has_hosts_root(audited):
        return
    writable = [one for one in audited.mounts or () if one.fs_type in ("cgroup", "cgroup2") and one.is_writable]
    # Only the root of a hierarchy has a release_agent.
    old = [one for one in writable if one.fs_type == "cgroup" and one.root == "/"]
    if old and "CAP_SYS_ADMIN" in (audited.capabilities or ()):
        title = (
            f"{old[0].mount_point} is writable with CAP_SYS_ADMIN: release_agent names a program that the kernel runs as root"
        )
        yield Defect(title, (evidence(audited, "mounts", f"cgroup v1 at {old[0].mount_point}, rw"),), Severity.CRITICAL)
    elif writable and is_host_root(audited):
        title = f"{writable[0].mount_point} is writable by root: it may change its own limits, and those of cgroups it sees"
        yield Defect(title, (evidence(audited, "mounts", f"{writable[0].fs_type} at {writable[0].mount_point}, rw"),))


def lxcfs(audited: Audited) -> Iterator[Defect]:
    """A FUSE file system that shows cgroups, served by root of the host."""
    found = [
        one for one in audited.mounts or () if one.fs_type == "fuse.lxcfs" and one.is_writable and one.root in ("/", "/cgroup")
    ]
    if found and is_host_root(audited):
        yield Defect(
            f"lxcfs as a whole is mounted for writing at {found[0].mount_point}: through it devices can be allowed",
            (evidence(audited, "mounts", f"fuse.lxcfs at {found[0].mount_point}, rw"),),
        )


def writable_root(audited: Audited) -> Iterator[Defect]:
    """Programs inside can be replaced."""
    asked = audited.specified.root_readonly if audited.specified is not None else None
    at_root = next((one for one in audited.mounts or () if one.mount_point == "/"), None)
    if (at_root.is_writable if at_root is not None else asked is False) and not has_hosts_root(audited):
        kind = at_root.fs_type if at_root is not None else "root"
        yield Defect("its root file system is writable", (evidence(audited, "mounts", f"{kind} at /, rw"),))


def _is_credential(path: str) -> bool:
    if any(path == one or path.startswith(one + "/") for one in _CREDENTIALS):
        return True
    return path.startswith("/home/") and any(path.endswith(one) or f"{one}/" in path for one in _HOME_CREDENTIALS)


def _is_engines_own(path: str) -> bool:
    return path.startswith(("/etc/cni/", "/usr/share/containers/", "/usr/share/zoneinfo"))


def _plain(path: str) -> str:
    return "/run" + path[8:] if path == "/var/run" or path.startswith("/var/run/") else path


_M = ("mounts",)
_MOUNT_REFERENCES = (cis("6"), PSS_BASELINE, nist("4.5.5"))
RULES = (
    Rule(
        "security/host-root-mounted",
        Severity.CRITICAL,
        "Every file of the host is within reach.",
        _M,
        host_root,
        "mount the one directory that is needed, read-only",
        _MOUNT_REFERENCES,
    ),
    Rule(
        "security/host-root-shared",
        Severity.MEDIUM,
        "Its files are the host's.",
        _M,
        shared_root,
        "give it a root of its own: pivot_root(2), unshare --root, or an engine",
        (nist("4.5.5"), "mount_namespaces(7)"),
    ),
    Rule(
        "security/engine-socket",
        Severity.CRITICAL,
        "Whoever talks to an engine is root of the host.",
        ("mounts",),
        engine_socket,
        "do not mount it; a proxy that allows single requests is better than the socket",
        (cis("32"), PSS_BASELINE, nist("4.5.5")),
    ),
    Rule(
        "security/sensitive-mount",
        Severity.HIGH,
        "Directories of the host that are the system itself, or the engine's.",
        _M,
        sensitive,
        "mount the one file that is needed, read-only, or copy it into the image",
        _MOUNT_REFERENCES,
    ),
    Rule(
        "security/credentials-mounted",
        Severity.HIGH,
        "Credentials of the host or of its users are within reach.",
        _M,
        credentials,
        "do not mount it; hand in the one secret that is needed",
        _MOUNT_REFERENCES,
    ),
    Rule(
        "security/service-account-token",
        Severity.INFO,
        "What breaks in may speak to the cluster's API.",
        _M,
        service_account,
        "automountServiceAccountToken: false, where it does not speak to the API",
        ("https://kubernetes.io/docs/concepts/security/service-accounts/",),
    ),
    Rule(
        "security/kernel-files-mounted",
        Severity.HIGH,
        "procfs or sysfs without masks.",
        _M,
        kernel_files,
        "do not mount it; tools that need figures get them from /proc of their own",
        _MOUNT_REFERENCES,
    ),
    Rule(
        "security/kernel-interfaces",
        Severity.MEDIUM,
        "debugfs, tracefs, bpf and their like are doors into the kernel.",
        _M,
        interfaces,
        "do not mount it",
        (PSS_BASELINE,),
    ),
    Rule(
        "security/shared-propagation",
        Severity.MEDIUM,
        "Mounts travel to the host.",
        _M,
        propagation,
        "mount it rprivate or rslave (the default)",
        (cis("20"), "mount_namespaces(7)"),
    ),
    Rule(
        "security/unmasked-paths",
        Severity.MEDIUM,
        "Files of /proc tell about the host, or change it.",
        ("masked_paths", "has_whole_proc"),
        masked,
        "no --security-opt systempaths=unconfined, no procMount: Unmasked; for runc list maskedPaths",
        (PSS_BASELINE, "OCI runtime specification: maskedPaths"),
    ),
    Rule(
        "security/proc-sys-writable",
        Severity.HIGH,
        "The kernel's settings are within reach.",
        ("readonly_paths", "has_whole_proc"),
        proc_sys,
        "let the runtime mount it read-only: readonlyPaths",
        (PSS_BASELINE, "core(5)"),
    ),
    Rule(
        "security/sysfs-writable",
        Severity.HIGH,
        "The kernel's objects are within reach.",
        _M,
        sysfs,
        "mount sysfs read-only",
        (nist("4.4.3"), "sysfs(5)"),
    ),
    Rule(
        "security/cgroup-writable",
        Severity.MEDIUM,
        "It may change the cgroups that should hold it.",
        _M,
        cgroupfs,
        "mount it read-only, with a cgroup namespace of its own",
        ("CVE-2022-0492", nist("4.4.3"), "cgroups(7)"),
    ),
    Rule(
        "security/lxcfs-writable",
        Severity.HIGH,
        "lxcfs passes what is written on to the host's cgroups.",
        _M,
        lxcfs,
        "mount single files of it, read-only",
        (nist("4.4.3"),),
    ),
    Rule(
        "security/writable-root",
        Severity.LOW,
        "What breaks in can stay, and change programs.",
        _M,
        writable_root,
        "--read-only with --tmpfs for what has to be written; readOnlyRootFilesystem in Kubernetes",
        (cis("13"), nist("4.4.4")),
    ),
)
