"""A container that every rule is content with, and for each rule the same with its defect."""

from typing import Any

import msgspec

from ctrscope.model.audited import (
    Audited,
    AuditedDevice,
    AuditedHost,
    AuditedMount,
    AuditedProcess,
    EngineOptions,
    HeldDirectory,
    Specified,
)
from ctrscope.model.cgroup import EffectiveLimit, EffectiveLimits
from ctrscope.model.container import Container, ContainerStatus, EngineName, Port
from ctrscope.model.namespace import NamespaceSet, NamespaceType

ALL = ("CAP_CHOWN", "CAP_NET_RAW", "CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_PTRACE")
HOST = AuditedHost(
    kernel="6.18.44",
    kernel_stable="6.18.44",
    kernel_source="/proc/sys/kernel/osrelease",
    namespaces=NamespaceSet(pid=1, net=2, ipc=3, uts=4, user=5, mnt=6, cgroup=7, time=8),
    capabilities=ALL,
    lsm=("lockdown", "apparmor", "selinux"),
    maskable=("/proc/kcore", "/proc/keys"),
    sockets=("/run/docker.sock", "/run/containerd/containerd.sock"),
    open_sockets=(),
    shim_sockets=0,
    docker_hosts=("unix:///run/docker.sock",),
    docker_verifies=False,
    docker_remaps=True,
    docker_swarm=False,
    lax_directories=(),
    sysctls={
        "kernel.unprivileged_bpf_disabled": "2",
        "kernel.kptr_restrict": "1",
        "kernel.dmesg_restrict": "1",
        "kernel.yama.ptrace_scope": "1",
        "kernel.perf_event_paranoid": "2",
        "kernel.randomize_va_space": "2",
        "fs.protected_symlinks": "1",
        "fs.protected_hardlinks": "1",
    },
    packages={"runc": "1.5.1-1", "containerd.io": "2.3.5", "docker-ce": "5:29.5.1-1~debian"},
    packages_source="/var/lib/dpkg/status",
)
CONTAINER = Container(
    id="a" * 64,
    name="web",
    engine=EngineName.DOCKER,
    status=ContainerStatus.RUNNING,
    pid=100,
    pids=(100, 101),
    image="registry.example/web@sha256:" + "b" * 64,
    networks=("shop",),
    ports=(Port(proto="tcp", host_ip="127.0.0.1", host_port=8080, container_ip=None, container_port=80),),
    namespaces=NamespaceSet(pid=11, net=12, ipc=13, uts=14, user=5, mnt=16, cgroup=17, time=8),
)
INIT = AuditedProcess(
    pid=100,
    ppid=90,
    comm="nginx",
    uid=1000,
    effective=(),
    seccomp="filter",
    no_new_privs=True,
    user=5,
    executable="/usr/sbin/nginx",
    oom_score_adj=0,
)
CHILD = msgspec.structs.replace(INIT, pid=101, ppid=100, oom_score_adj=None)
ROOT = AuditedMount(mount_point="/", host_path="/var/lib/docker/overlay2/x/merged", fs_type="overlay", is_writable=False)
MOUNTS = (
    ROOT,
    AuditedMount(mount_point="/proc", host_path=None, fs_type="proc"),
    AuditedMount(mount_point="/sys", host_path=None, fs_type="sysfs", is_writable=False),
    AuditedMount(mount_point="/sys/fs/cgroup", host_path=None, fs_type="cgroup2", is_writable=False),
    AuditedMount(mount_point="/etc/hosts", host_path="/var/lib/docker/containers/a/hosts", fs_type="ext4"),
    AuditedMount(mount_point="/data", host_path="/var/lib/docker/volumes/data/_data", fs_type="ext4"),
)
OWN = (
    NamespaceType.CGROUP, NamespaceType.IPC, NamespaceType.MNT, NamespaceType.NET, NamespaceType.PID, NamespaceType.UTS,
)  # fmt: skip
SPECIFIED = Specified(
    source="/run/bundle/config.json",
    uid=1000,
    capabilities=(),
    bounding=(),
    no_new_privs=True,
    seccomp=True,
    apparmor="docker-default",
    own_namespaces=OWN,
    root_readonly=True,
    masked_paths=("/proc/kcore", "/proc/keys", "/proc/asound"),
    readonly_paths=("/proc/sys",),
    mounts=(
        AuditedMount(mount_point="/etc/hosts", host_path="/var/lib/docker/containers/a/hosts", fs_type="bind"),
        AuditedMount(mount_point="/data", host_path="/var/lib/docker/volumes/data/_data", fs_type="bind"),
        AuditedMount(mount_point="/sys", host_path=None, fs_type="sysfs", is_writable=False),
    ),
    devices=(),
    all_devices=False,
    memory=64 << 20,
    pids=100,
    cpus=1.0,
)
OPTIONS = EngineOptions(
    source="/var/lib/docker/containers/a/hostconfig.json",
    restart_policy="on-failure",
    restart_maximum=5,
    has_health_check=True,
    ulimits=("nofile",),
)
LIMITS = EffectiveLimits(
    cpus=EffectiveLimit(value=1.0, limited_by="/docker/a"),
    memory=EffectiveLimit(value=64 << 20, limited_by="/docker/a"),
    swap=EffectiveLimit(value=0, limited_by="/docker/a"),
    pids=EffectiveLimit(value=100, limited_by="/docker/a"),
)
HARDENED = Audited(
    container=CONTAINER,
    host=HOST,
    sources={"capabilities": "/proc/100/status", "mounts": "/proc/100/mountinfo"},
    uid=1000,
    has_user_namespace=False,
    capabilities=(),
    ambient=(),
    seccomp="filter",
    no_new_privs=True,
    label="docker-default (enforce)",
    host_namespaces=(NamespaceType.USER, NamespaceType.TIME),
    mounts=MOUNTS,
    masked_paths=("/proc/kcore", "/proc/keys"),
    readonly_paths=("/proc/sys",),
    has_whole_proc=True,
    devices=(AuditedDevice(path="null"), AuditedDevice(path="pts/0")),
    all_devices=False,
    limits=LIMITS,
    processes=(INIT, CHILD),
    secrets=(),
    setuid_programs=(),
    credentials=(),
    passwords={},
    host_directories=(),
    route_localnet=(),
    specified=SPECIFIED,
    options=OPTIONS,
)


def change(audited: Audited = HARDENED, **fields: Any) -> Audited:
    """The same with other facts."""
    return msgspec.structs.replace(audited, **fields)


def on_host(**fields: Any) -> AuditedHost:
    """The same host with other facts."""
    return msgspec.structs.replace(HOST, **fields)


def container(**fields: Any) -> Audited:
    """The same with another container."""
    return change(container=msgspec.structs.replace(CONTAINER, **fields))


def asked(**fields: Any) -> Specified:
    """Asked for something else."""
    return msgspec.structs.replace(SPECIFIED, **fields)


def options(**fields: Any) -> Audited:
    """Told something else by its engine."""
    return change(options=msgspec.structs.replace(OPTIONS, **fields))


def mounted(host_path: str | None, at: str, fs_type: str = "ext4", **fields: Any) -> Audited:
    """With one mount more, which was asked for."""
    mount = AuditedMount(mount_point=at, host_path=host_path, fs_type=fs_type, **fields)
    return change(mounts=(*MOUNTS, mount), specified=asked(mounts=(*(SPECIFIED.mounts or ()), mount)))


def child(**fields: Any) -> Audited:
    """With another second process."""
    return change(processes=(INIT, msgspec.structs.replace(CHILD, **fields)))


def caps(*names: str, **fields: Any) -> Audited:
    """With capabilities in force that were asked for."""
    held = tuple(f"CAP_{name}" for name in names)
    return change(capabilities=held, specified=asked(capabilities=held, bounding=held), **fields)


def limited(**fields: Any) -> Audited:
    """With other limits, and none asked for."""
    return change(limits=msgspec.structs.replace(LIMITS, **fields), specified=asked(memory=None, pids=None, cpus=None))


PRIVILEGED = change(
    uid=0, capabilities=ALL, seccomp="disabled", masked_paths=(), readonly_paths=(), all_devices=True, specified=None,
    inapplicable=("specified",),
)  # fmt: skip
LEFT_OPEN = HeldDirectory(pid=101, comm="sh", link="fd/7", path="/sys/fs/cgroup", mount_point="/sys/fs/cgroup")
NOBODY = EffectiveLimit(value="max", limited_by=None)
_HOSTS = EffectiveLimit(value=16 << 30, limited_by="host")

#: Rule → a container with its defect.
DEFECTS: dict[str, Audited] = {
    "host-root": change(PRIVILEGED, host_namespaces=(NamespaceType.PID,)),
    "privileged": PRIVILEGED,
    "cap-sys-admin": caps("SYS_ADMIN"),
    "cap-sys-module": caps("SYS_MODULE"),
    "cap-sys-ptrace": caps("SYS_PTRACE"),
    "cap-sys-rawio": caps("SYS_RAWIO"),
    "cap-dac-read-search": caps("DAC_READ_SEARCH"),
    "cap-net-admin": caps("NET_ADMIN"),
    "cap-bpf": caps("BPF"),
    "cap-sys-time": caps("SYS_TIME"),
    "cap-syslog": caps("SYSLOG"),
    "cap-sys-boot": caps("SYS_BOOT"),
    "cap-beyond-default": caps("MAC_ADMIN"),
    "cap-net-raw": caps("NET_RAW"),
    "ambient-capabilities": change(ambient=("CAP_NET_BIND_SERVICE",)),
    "seccomp-disabled": change(seccomp="disabled"),
    "apparmor-unconfined": change(label="unconfined"),
    "selinux-unconfined": change(label="system_u:system_r:spc_t:s0"),
    "no-new-privs": change(no_new_privs=False),
    "root-without-userns": change(uid=0),
    "userns-opt-out": options(userns_mode="host"),
    "setuid-reachable": change(setuid_programs=("/usr/bin/su",)),
    "host-pid": change(host_namespaces=(NamespaceType.PID,)),
    "host-net": change(host_namespaces=(NamespaceType.NET,)),
    "host-ipc": change(host_namespaces=(NamespaceType.IPC,)),
    "host-uts": change(host_namespaces=(NamespaceType.UTS,)),
    "host-cgroup": change(host_namespaces=(NamespaceType.CGROUP,)),
    "host-mnt": change(host_namespaces=(NamespaceType.MNT,)),
    "host-user": PRIVILEGED,
    "shared-namespace": container(shares={"net": ("c" * 64,)}),
    "shim-socket": change(uid=0, host_namespaces=(NamespaceType.NET,), host=on_host(shim_sockets=2)),
    "host-root-mounted": mounted("/", "/host"),
    "host-root-shared": change(
        mounts=(AuditedMount(mount_point="/", host_path="/", fs_type="ext4"),),
        container=msgspec.structs.replace(CONTAINER, engine=EngineName.UNCLAIMED),
    ),
    "engine-socket": mounted("/run/docker.sock", "/run/docker.sock", "tmpfs"),
    "sensitive-mount": mounted("/etc", "/host-etc"),
    "credentials-mounted": mounted("/root/.ssh", "/keys", is_writable=False),
    "service-account-token": mounted(None, "/run/secrets/kubernetes.io/serviceaccount", "tmpfs"),
    "kernel-files-mounted": mounted("/proc", "/host/proc", "proc"),
    "kernel-interfaces": mounted(None, "/sys/kernel/debug", "debugfs"),
    "shared-propagation": mounted("/srv/data", "/data2", is_shared=True),
    "unmasked-paths": change(masked_paths=("/proc/keys",)),
    "proc-sys-writable": change(readonly_paths=()),
    "sysfs-writable": change(uid=0, mounts=(ROOT, AuditedMount(mount_point="/sys", host_path=None, fs_type="sysfs"))),
    "cgroup-writable": change(
        mounts=(*MOUNTS, AuditedMount(mount_point="/sys/fs/cgroup/memory", host_path=None, fs_type="cgroup")),
        capabilities=("CAP_SYS_ADMIN",),
    ),
    "lxcfs-writable": change(
        uid=0, mounts=(*MOUNTS, AuditedMount(mount_point="/var/lib/lxcfs", host_path=None, fs_type="fuse.lxcfs"))
    ),
    "writable-root": change(mounts=(msgspec.structs.replace(ROOT, is_writable=True),)),
    "block-device": change(devices=(AuditedDevice(path="sda", is_block=True),)),
    "host-device": change(devices=(AuditedDevice(path="mem"),)),
    "all-devices-allowed": change(all_devices=True),
    "no-memory-limit": limited(memory=_HOSTS),
    "no-pids-limit": limited(pids=_HOSTS),
    "no-cpu-limit": limited(cpus=_HOSTS),
    "oom-protected": change(processes=(msgspec.structs.replace(INIT, oom_score_adj=-500),)),
    "restart-unlimited": options(restart_policy="always"),
    "no-health-check": options(has_health_check=False),
    "default-ulimits": options(ulimits=()),
    "cgroup-parent": options(cgroup_parent="/others"),
    "image-latest": container(image="registry.example:5000/web"),
    "secret-in-environment": change(secrets=("DB_PASSWORD",)),
    "secret-in-arguments": child(secrets=("--token=***",)),
    "credentials-inside": change(credentials=("/root/.aws/credentials",)),
    "password-inside": change(passwords={"root": False}),
    "port-on-all-addresses": container(
        ports=(Port(proto="tcp", host_ip="0.0.0.0", host_port=8080, container_ip=None, container_port=80),)
    ),
    "privileged-port": container(
        ports=(Port(proto="tcp", host_ip="127.0.0.1", host_port=25, container_ip=None, container_port=25),)
    ),
    "sshd": child(comm="sshd"),
    "default-bridge": container(networks=("bridge",)),
    "unsafe-sysctl": change(specified=asked(sysctls={"net.ipv4.conf.all.accept_redirects": "1"})),
    "route-localnet": change(route_localnet=("all", "eth0")),
    "leaked-directory": change(host_directories=(LEFT_OPEN,)),
    "more-rights-than-init": child(has_joined=True, effective=("CAP_SYS_ADMIN",)),
    "process-outside": child(outside=(NamespaceType.NET,)),
    "deleted-executable": child(executable="/usr/bin/worker (deleted)"),
    "temporary-executable": child(executable="/memfd:x (deleted)", comm="x"),
    "drift-capabilities": change(capabilities=("CAP_SYS_TIME",)),
    "drift-seccomp": change(seccomp="disabled"),
    "drift-no-new-privs": change(no_new_privs=False),
    "drift-apparmor": change(label="unconfined"),
    "drift-namespaces": change(host_namespaces=(NamespaceType.PID,)),
    "drift-limits": change(limits=msgspec.structs.replace(LIMITS, memory=NOBODY)),
    "drift-mounts": change(mounts=(*MOUNTS, AuditedMount(mount_point="/late", host_path="/srv", fs_type="ext4"))),
    "drift-masks": change(masked_paths=("/proc/keys",)),
    "drift-devices": change(all_devices=True),
    "drift-root": change(mounts=(msgspec.structs.replace(ROOT, is_writable=True),)),
    "drift-user": change(uid=0),
}
#: Rule → a host with its defect.
HOST_DEFECTS: dict[str, AuditedHost] = {
    "docker-api-tcp": on_host(docker_hosts=("tcp://0.0.0.0:2375",)),
    "userns-remap-off": on_host(docker_remaps=False),
    "swarm-mode": on_host(docker_swarm=True),
    "socket-mode": on_host(open_sockets=("/run/docker.sock mode 0666",)),
    "state-mode": on_host(lax_directories=("/var/lib/docker mode 0777",)),
    "no-lsm": on_host(lsm=("capability", "landlock")),
    "old-version": on_host(packages={"runc": "1.1.5+ds1-1"}),
    "old-kernel": on_host(kernel="5.10.101", kernel_stable="5.10.101"),
    "kernel-unprivileged-bpf-disabled": on_host(sysctls={"kernel.unprivileged_bpf_disabled": "0"}),
    "kernel-kptr-restrict": on_host(sysctls={"kernel.kptr_restrict": "0"}),
    "kernel-dmesg-restrict": on_host(sysctls={"kernel.dmesg_restrict": "0"}),
    "kernel-yama-ptrace-scope": on_host(sysctls={"kernel.yama.ptrace_scope": "0"}),
    "kernel-perf-event-paranoid": on_host(sysctls={"kernel.perf_event_paranoid": "-1"}),
    "kernel-randomize-va-space": on_host(sysctls={"kernel.randomize_va_space": "0"}),
    "fs-protected-symlinks": on_host(sysctls={"fs.protected_symlinks": "0"}),
    "fs-protected-hardlinks": on_host(sysctls={"fs.protected_hardlinks": "0"}),
}
