"""From the options of ``ctrscope run`` to a specification: what the engines give a container when nobody says otherwise.

*Source:* OCI runtime specification; for defaults the containers of docker and podman: 14 capabilities, masked and read-only
paths, a private /dev. *Errors:* LauncherError that names the option and what is expected. Nothing is made here.
"""

import os
from collections.abc import Callable, Iterable

from ctrscope.attach.environment import DEFAULT_PATH
from ctrscope.attach.seccomp import Profile
from ctrscope.images.settings import ImageSettings
from ctrscope.model.quantity import parse_bytes, parse_cpus
from ctrscope.model.value import Value
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import (
    BlockIO,
    Capabilities,
    Cpu,
    DeviceRule,
    IdMapping,
    Linux,
    Memory,
    Mount,
    Namespace,
    Pids,
    Process,
    Resources,
    Rlimit,
    Root,
    Spec,
)  # fmt: skip
from ctrscope.oci.state import OCI_VERSION
from ctrscope.oci.validate import RLIMITS
from ctrscope.probes.capability_names import capability_names
from ctrscope.run.users import own_mappings

_CAPABILITIES = (
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
)  # fmt: skip
_MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
    "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
)  # fmt: skip
_READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
#: What of the host's own root has to be writable, with its mode. /run has the sockets of the host's daemons, too.
_WRITABLE = (("/run", "755"), ("/tmp", "1777"), ("/var/tmp", "1777"), ("/root", "700"))  # noqa: S108
_PROPAGATIONS = frozenset(("shared", "rshared", "slave", "rslave", "private", "rprivate"))
_MOUNT_OPTIONS = frozenset(("ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "bind", "rbind")) | _PROPAGATIONS
_TTY = 5  # the group of terminals
_PERIOD = 100_000  # microseconds
_NO_LIMIT = 2**64 - 1


class Wanted(Value, frozen=True, kw_only=True):
    """The options, as they were typed unless said otherwise."""

    hostname: str | None = None
    memory: str | None = None
    cpus: str | None = None
    cpu_shares: str | None = None
    cpuset: str | None = None
    pids: str | None = None
    io_weight: str | None = None
    network: str = "none"  # none, host, bridge, or the absolute path of a namespace
    volumes: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    user: str | None = None
    workdir: str | None = None
    userns: str | None = None  # auto, host, FIRST:COUNT
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    read_only: bool = False
    ulimits: tuple[str, ...] = ()
    terminal: bool = False
    command: tuple[str, ...] = ()


def build_spec(wanted: Wanted, container_id: str, root: str | None, image: ImageSettings) -> tuple[Spec, str]:
    """The specification; *root* None: the host's own root, which is read-only.

    Shape: with it the user as it is called, who has to be looked up in files that may not be there yet.
    """
    mappings = own_mappings(wanted.userns)
    hostname = wanted.hostname or container_id[:64]
    capabilities = _capabilities(wanted.cap_add, wanted.cap_drop)
    no_new_privileges, has_filter, filter_file, profile = _security(wanted.security)
    asked = (*(parse_tmpfs(text) for text in wanted.tmpfs), *(parse_volume(text) for text in wanted.volumes))
    if root is None:
        _check_places(asked)
    spec = Spec(
        oci_version=OCI_VERSION,
        process=Process(
            terminal=wanted.terminal,
            args=_command(wanted.command, image),
            env=_environment(wanted, image, hostname),
            cwd=_absolute("--workdir", wanted.workdir) if wanted.workdir else image.working_dir or "/",
            capabilities=Capabilities(bounding=capabilities, effective=capabilities, permitted=capabilities),
            rlimits=tuple(parse_ulimit(text) for text in wanted.ulimits),
            no_new_privileges=no_new_privileges,
            apparmor_profile=profile,
        ),
        root=Root(path=root or "/", readonly=wanted.read_only or root is None),
        hostname=hostname,
        mounts=(
            *_system_mounts(wanted.network, is_mapped=bool(mappings), has_tty_group=_has_tty_group(mappings)),
            *(_tmpfs(path, "nosuid", "nodev", f"mode={mode}") for path, mode in (_WRITABLE if root is None else ())),
            *_resolvers(wanted.network, has_own_root=root is not None),
            *asked,
        ),
        linux=Linux(
            namespaces=_namespaces(wanted.network, is_mapped=bool(mappings)),
            uid_mappings=mappings[0] if mappings else (),
            gid_mappings=mappings[1] if mappings else (),
            resources=_resources(wanted),
            seccomp=_seccomp(has_filter, filter_file, capabilities),
            masked_paths=_MASKED,
            readonly_paths=_READONLY,
        ),
    )
    return spec, wanted.user or image.user


def _check_places(mounts: Iterable[Mount]) -> None:
    """The host's own root is read-only: nothing can be made in it to mount something on."""
    for mount in mounts:
        where = mount.destination
        if not os.path.exists(where) and not any(where.startswith(f"{path}/") for path, _ in _WRITABLE):
            raise LauncherError(f"there is no {where} on this host, whose own root the container has: take one below /tmp", 2)


def _command(command: tuple[str, ...], image: ImageSettings) -> tuple[str, ...]:
    entrypoint = tuple(image.entrypoint or ())
    return (*entrypoint, *command) if command else (*entrypoint, *(image.cmd or ())) or ("/bin/sh",)


def _environment(wanted: Wanted, image: ImageSettings, hostname: str) -> tuple[str, ...]:
    values = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if wanted.terminal:
        values["TERM"] = os.environ.get("TERM", "xterm")
    for text in image.env or ():
        key, _, value = text.partition("=")
        values[key] = value
    for text in wanted.environment:
        key, equals, value = text.partition("=")
        if not key:
            raise LauncherError(f"--env {text!r}: expected NAME=VALUE, or NAME to hand on ours", 2)
        if equals or key in os.environ:
            values[key] = value if equals else os.environ[key]
    return tuple(f"{key}={value}" for key, value in values.items())


def _namespaces(network: str, *, is_mapped: bool) -> tuple[Namespace, ...]:
    types = ["mount", "pid", "ipc", "uts"]
    if os.path.exists("/proc/self/ns/cgroup"):  # Linux 4.6
        types.append("cgroup")
    if is_mapped:
        types.append("user")
    joined = Namespace(type="network", path=network if network.startswith("/") else "")
    return (*(Namespace(type=type_) for type_ in types), *(() if network == "host" else (joined,)))


def _has_tty_group(mappings: tuple[tuple[IdMapping, ...], tuple[IdMapping, ...]] | None) -> bool:
    """Whether there is a group 5 inside; an ordinary user has none unless it is reserved for that user."""
    if mappings is None:
        return True
    return any(one.container_id <= _TTY < one.container_id + one.size for one in mappings[1])


def _system_mounts(network: str, *, is_mapped: bool, has_tty_group: bool) -> tuple[Mount, ...]:
    """/proc, /dev, /sys. sysfs is the network namespace's: whoever does not own that, or has the host's, gets the host's."""
    owner = (f"gid={_TTY}",) if has_tty_group else ()
    terminals = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", *owner)
    is_hosts = network == "host" or (is_mapped and network.startswith("/"))
    quiet = ("nosuid", "noexec", "nodev")
    mounts = [
        Mount(destination="/proc", type="proc", source="proc", options=quiet),
        Mount(destination="/dev", type="tmpfs", source="tmpfs", options=("nosuid", "strictatime", "mode=755", "size=65536k")),
        Mount(destination="/dev/pts", type="devpts", source="devpts", options=terminals),
        Mount(destination="/dev/shm", type="tmpfs", source="shm", options=(*quiet, "mode=1777", "size=65536k")),  # noqa: S108
        Mount(destination="/dev/mqueue", type="mqueue", source="mqueue", options=quiet),
        _bind("/sys") if is_hosts else Mount(destination="/sys", type="sysfs", source="sysfs", options=(*quiet, "ro")),
    ]
    # v1: no root of a user namespace may mount its hierarchies. v2: one that is there already is busy.
    if not (is_hosts if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else is_mapped):
        mounts.append(Mount(destination="/sys/fs/cgroup", type="cgroup", source="cgroup", options=(*quiet, "relatime", "ro")))
    return tuple(mounts)


def _resolvers(network: str, *, has_own_root: bool) -> tuple[Mount, ...]:
    """The host's resolv.conf. Of systemd-resolved it lies below /run, which is private, and on a bridge it is another one."""
    if network not in ("host", "bridge"):
        return ()
    from ctrscope.network.bridge import find_resolvers

    source = find_resolvers() if network == "bridge" else "/etc/resolv.conf"
    is_there = os.path.exists(source) and (has_own_root or os.path.realpath(source).startswith("/run/"))
    return (_bind("/etc/resolv.conf", source),) if is_there else ()


def _bind(path: str, source: str | None = None) -> Mount:
    """What the host has at that place and below, or at another, to be read."""
    return Mount(
        destination=path, type="bind", source=source or path, options=("rbind", "rslave", "rro", "rnosuid", "rnodev", "rnoexec")
    )


def _tmpfs(path: str, *options: str) -> Mount:
    return Mount(destination=path, type="tmpfs", source="tmpfs", options=options)


def parse_tmpfs(text: str) -> Mount:
    """``DIR[:OPTIONS]``."""
    path, _, options = text.partition(":")
    return _tmpfs(_absolute("--tmpfs", path), *(options.split(",") if options else ("nosuid", "nodev", "noexec", "mode=1777")))


def parse_volume(text: str) -> Mount:
    """``HOST:CONTAINER[:OPTIONS]``. Volumes have no names here, and nothing is made on the host."""
    source, _, rest = text.partition(":")
    destination, _, words = rest.partition(":")
    options = tuple(words.split(",")) if words else ()
    if not source.startswith("/") or not destination.startswith("/") or (unknown := set(options) - _MOUNT_OPTIONS):
        what = f"; unknown: {', '.join(sorted(unknown))}" if source.startswith("/") and destination.startswith("/") else ""
        raise LauncherError(f"-v {text!r}: expected /ON/THE/HOST:/IN/THE/CONTAINER[:ro,rslave,nosuid,…]{what}", 2)
    if not os.path.exists(source):
        raise LauncherError(f"-v {text!r}: there is no {source} on this host", 2)
    propagation = () if _PROPAGATIONS & set(options) else ("rprivate",)
    return Mount(destination=destination, type="bind", source=source, options=("rbind", *propagation, *options))


def _capabilities(added: Iterable[str], dropped: Iterable[str]) -> tuple[str, ...]:
    known = capability_names((1 << 41) - 1)

    def names(option: str, values: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for value in values:
            name = value.upper() if value.upper() == "ALL" or value.upper().startswith("CAP_") else f"CAP_{value.upper()}"
            if name != "ALL" and name not in known:
                raise LauncherError(f"{option} {value!r}: expected ALL or the name of a capability, NET_ADMIN for instance", 2)
            found.update(known if name == "ALL" else (name,))
        return found

    more, less = names("--cap-add", added), names("--cap-drop", dropped)
    # With ALL dropped, those that are added are all there is; with ALL added, those that are dropped are missing.
    kept = {*_CAPABILITIES, *more} - less if more >= set(known) else {*_CAPABILITIES} - less | more
    return tuple(name for name in known if name in kept)


def _security(options: Iterable[str]) -> tuple[bool, bool, str, str]:
    """no_new_privs, whether there is a seccomp filter, the file of one, the AppArmor profile."""
    no_new_privileges, has_filter, file, profile = False, True, "", ""
    for option in options:
        key, _, value = option.replace(":", "=", 1).partition("=")
        if key == "no-new-privileges" and value in ("", "true", "false"):
            no_new_privileges = value != "false"
        elif key == "seccomp" and value:
            has_filter, file = value != "unconfined", "" if value in ("unconfined", "default") else value
        elif key == "apparmor" and value:
            profile = value
        else:
            known = "no-new-privileges, seccomp=default|unconfined|FILE, apparmor=PROFILE|unconfined"
            raise LauncherError(f"--security-opt {option!r}: expected one of {known}", 2)
    return no_new_privileges, has_filter, file, profile


def _seccomp(has_filter: bool, file: str, capabilities: tuple[str, ...]) -> Profile | None:
    if not has_filter:
        return None
    if file:
        from ctrscope.oci.spec import read_part

        return read_part(file, Profile)
    from ctrscope.run.seccomp_profile import default_seccomp

    return default_seccomp(capabilities)


def _resources(wanted: Wanted) -> Resources:
    cpu = Cpu(
        shares=_number("--cpu-shares", wanted.cpu_shares, 2, 262_144),
        quota=None if wanted.cpus is None else int(_quantity("--cpus", wanted.cpus, parse_cpus) * _PERIOD),
        period=None if wanted.cpus is None else _PERIOD,
        cpus=_cpuset(wanted.cpuset),
    )
    memory = None if wanted.memory is None else int(_quantity("--memory", wanted.memory, parse_bytes))
    pids = _number("--pids", wanted.pids, 1, 1 << 22)
    weight = _number("--io-weight", wanted.io_weight, 10, 1000)
    return Resources(
        # None but those that every container has. An ordinary user gets none that is not shown already, and may load no rules.
        devices=(DeviceRule(allow=False, access="rwm"),) if os.geteuid() == 0 else (),
        memory=None if memory is None else Memory(limit=memory),
        cpu=None if cpu == Cpu() else cpu,
        pids=None if pids is None else Pids(limit=pids),
        block_io=None if weight is None else BlockIO(weight=weight),
    )


def _quantity(option: str, text: str, parse: Callable[[str], float]) -> float:
    try:
        return parse(text)
    except ValueError as error:
        raise LauncherError(f"{option} {error}", 2) from None


def _number(option: str, text: str | None, least: int, most: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and least <= int(text) <= most):
        raise LauncherError(f"{option} {text!r}: expected a number from {least} to {most}", 2)
    return int(text)


def _cpuset(text: str | None) -> str:
    for part in (text or "0").split(","):
        first, dash, last = part.partition("-")
        if not all(one.isascii() and one.isdecimal() for one in ((first, last) if dash else (first,))):
            raise LauncherError(f"--cpuset {text!r}: expected numbers and ranges of CPUs, 0,2-3 for instance", 2)
        if text and int(last or first) >= (there := os.sysconf("SC_NPROCESSORS_CONF")):
            raise LauncherError(f"--cpuset {text!r}: this host has CPUs 0 to {there - 1}", 2)
    return text or ""


def parse_ulimit(text: str) -> Rlimit:
    """``nofile=1024[:4096]``."""
    name, _, rest = text.partition("=")
    soft, _, hard = rest.partition(":")
    values = [_NO_LIMIT if one in ("-1", "unlimited") else one for one in (soft, hard or soft)]
    try:
        numbers = [int(one) for one in values]
    except ValueError:
        numbers = [-1]
    if name.upper() not in RLIMITS or not 0 <= numbers[0] <= numbers[-1] <= _NO_LIMIT:
        raise LauncherError(f"--ulimit {text!r}: expected NAME=SOFT[:HARD], nofile=1024:4096 for instance", 2)
    return Rlimit(type=f"RLIMIT_{name.upper()}", soft=numbers[0], hard=numbers[-1])


def _absolute(option: str, path: str) -> str:
    if not path.startswith("/"):
        raise LauncherError(f"{option} {path!r}: expected an absolute path in the container", 2)
    return path
