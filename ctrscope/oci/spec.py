"""``config.json`` of an OCI bundle, whole: what a container is to be.

*Source:* OCI runtime specification 1.2, config.md and config-linux.md. Unknown fields are ignored, null is as good as absent.
*Shape:* the names of the specification in snake case; encoded again, what is as by default is left out.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from ctrscope.attach.seccomp import Profile as Seccomp
from ctrscope.oci.errors import SpecError

T = TypeVar("T")
_LIMIT = 16 * 1024 * 1024


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A JSON object of the specification."""


class User(_Part, frozen=True):
    """``process.user``: ids as they are inside the container's user namespace."""

    uid: int = 0
    gid: int = 0
    umask: int | None = None
    additional_gids: tuple[int, ...] = ()


class Capabilities(_Part, frozen=True):
    """``process.capabilities``: names (``CAP_KILL``) of the five sets of capabilities(7)."""

    bounding: tuple[str, ...] = ()
    effective: tuple[str, ...] = ()
    inheritable: tuple[str, ...] = ()
    permitted: tuple[str, ...] = ()
    ambient: tuple[str, ...] = ()


class Rlimit(_Part, frozen=True):
    """One of ``process.rlimits``; the largest number of 64 bits is no limit."""

    type: str
    soft: int
    hard: int


class ConsoleSize(_Part, frozen=True):
    """``process.consoleSize`` in characters."""

    height: int
    width: int


class IoPriority(_Part, frozen=True):
    """``process.ioPriority`` of ioprio_set(2)."""

    class_: str = msgspec.field(name="class", default="")
    priority: int = 0


class Process(_Part, frozen=True):
    """``process``, and the file that ``exec --process`` is given."""

    cwd: str
    terminal: bool = False
    console_size: ConsoleSize | None = None
    user: User = User()
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    capabilities: Capabilities | None = None
    rlimits: tuple[Rlimit, ...] = ()
    no_new_privileges: bool = False
    apparmor_profile: str = ""
    selinux_label: str = ""
    oom_score_adj: int | None = None
    io_priority: IoPriority | None = None


class Root(_Part, frozen=True):
    """``root``: a path, relative to the bundle unless it is absolute."""

    path: str
    readonly: bool = False


class IdMapping(_Part, frozen=True):
    """One line of a uid_map or gid_map."""

    container_id: int = msgspec.field(name="containerID")
    host_id: int = msgspec.field(name="hostID")
    size: int


class Mount(_Part, frozen=True):
    """One of ``mounts``, in their order."""

    destination: str
    type: str = ""
    source: str = ""
    options: tuple[str, ...] = ()
    uid_mappings: tuple[IdMapping, ...] = ()
    gid_mappings: tuple[IdMapping, ...] = ()


class Hook(_Part, frozen=True):
    """A program that is handed the state on standard input; *timeout* in seconds."""

    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None


class Hooks(_Part, frozen=True):
    """``hooks``, in the order in which they are run."""

    prestart: tuple[Hook, ...] = ()
    create_runtime: tuple[Hook, ...] = ()
    create_container: tuple[Hook, ...] = ()
    start_container: tuple[Hook, ...] = ()
    poststart: tuple[Hook, ...] = ()
    poststop: tuple[Hook, ...] = ()


class Namespace(_Part, frozen=True):
    """One of ``linux.namespaces``: a new one, or that of *path*."""

    type: str
    path: str = ""


class TimeOffset(_Part, frozen=True):
    """How far a clock of a new time namespace is ahead."""

    secs: int = 0
    nanosecs: int = 0


class Device(_Part, frozen=True):
    """One of ``linux.devices``, to be made below the root."""

    type: str
    path: str
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    uid: int = 0
    gid: int = 0


class DeviceRule(_Part, frozen=True):
    """One of ``linux.resources.devices``; a number of None or -1 is any, a type of None any."""

    allow: bool
    type: str | None = None
    major: int | None = None
    minor: int | None = None
    access: str = ""


class Memory(_Part, frozen=True):
    """``memory`` in bytes; -1 is no limit."""

    limit: int | None = None
    reservation: int | None = None
    swap: int | None = None  # memory and swap together
    kernel: int | None = None
    kernel_tcp: int | None = msgspec.field(name="kernelTCP", default=None)
    swappiness: int | None = None
    disable_oom_killer: bool | None = msgspec.field(name="disableOOMKiller", default=None)
    use_hierarchy: bool | None = None


class Cpu(_Part, frozen=True):
    """``cpu``; times in microseconds."""

    shares: int | None = None
    quota: int | None = None
    burst: int | None = None
    period: int | None = None
    realtime_runtime: int | None = None
    realtime_period: int | None = None
    cpus: str = ""
    mems: str = ""
    idle: int | None = None


class Pids(_Part, frozen=True):
    """``pids``; 0 and -1 are no limit."""

    limit: int


class WeightDevice(_Part, frozen=True):
    """Share of one block device's time."""

    major: int
    minor: int
    weight: int | None = None
    leaf_weight: int | None = None


class ThrottleDevice(_Part, frozen=True):
    """Bytes or operations a second of one block device."""

    major: int
    minor: int
    rate: int


class BlockIO(_Part, frozen=True):
    """``blockIO``."""

    weight: int | None = None
    leaf_weight: int | None = None
    weight_device: tuple[WeightDevice, ...] = ()
    throttle_read_bps_device: tuple[ThrottleDevice, ...] = ()
    throttle_write_bps_device: tuple[ThrottleDevice, ...] = ()
    throttle_read_iops_device: tuple[ThrottleDevice, ...] = msgspec.field(name="throttleReadIOPSDevice", default=())
    throttle_write_iops_device: tuple[ThrottleDevice, ...] = msgspec.field(name="throttleWriteIOPSDevice", default=())


class HugepageLimit(_Part, frozen=True):
    """One of ``hugepageLimits``; *page_size* as the kernel writes it (``2MB``), *limit* in bytes."""

    page_size: str
    limit: int


class InterfacePriority(_Part, frozen=True):
    """One of ``network.priorities``."""

    name: str
    priority: int


class NetworkResources(_Part, frozen=True):
    """``network``: cgroup v1 only."""

    class_id: int | None = msgspec.field(name="classID", default=None)
    priorities: tuple[InterfacePriority, ...] = ()


class Rdma(_Part, frozen=True):
    """``rdma`` of one device."""

    hca_handles: int | None = None
    hca_objects: int | None = None


class Resources(_Part, frozen=True):
    """``linux.resources``, and what ``update`` is given."""

    devices: tuple[DeviceRule, ...] = ()
    memory: Memory | None = None
    cpu: Cpu | None = None
    pids: Pids | None = None
    block_io: BlockIO | None = msgspec.field(name="blockIO", default=None)
    hugepage_limits: tuple[HugepageLimit, ...] = ()
    network: NetworkResources | None = None
    rdma: Mapping[str, Rdma] = {}
    unified: Mapping[str, str] = {}


class Personality(_Part, frozen=True):
    """``linux.personality`` of personality(2)."""

    domain: str


class Linux(_Part, frozen=True):
    """``linux``."""

    namespaces: tuple[Namespace, ...] = ()
    uid_mappings: tuple[IdMapping, ...] = ()
    gid_mappings: tuple[IdMapping, ...] = ()
    time_offsets: Mapping[str, TimeOffset] = {}
    devices: tuple[Device, ...] = ()
    cgroups_path: str = ""
    resources: Resources = Resources()
    rootfs_propagation: str = ""
    seccomp: Seccomp | None = None
    sysctl: Mapping[str, str] = {}
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    mount_label: str = ""
    personality: Personality | None = None

    def find_namespace(self, type_: str) -> Namespace | None:
        """What it says about namespaces of that type, in the specification's words; None is the runtime's own."""
        return next((one for one in self.namespaces if one.type == type_), None)

    def has_new(self, type_: str) -> bool:
        """Whether it gets a new namespace of that type."""
        return any(one.type == type_ and not one.path for one in self.namespaces)


class Spec(_Part, frozen=True):
    """The whole of it."""

    oci_version: str
    root: Root
    process: Process | None = None
    hostname: str = ""
    domainname: str = ""
    mounts: tuple[Mount, ...] = ()
    hooks: Hooks = Hooks()
    annotations: Mapping[str, str] = {}
    linux: Linux = Linux()


def load_spec(bundle: str) -> Spec:
    """Read ``config.json`` of a bundle and validate it. Errors: SpecError."""
    from ctrscope.oci.validate import validate

    if not os.path.exists(f"{bundle}/config.json"):
        raise SpecError(f"{bundle}: there is no config.json; a bundle is a directory with one and a root file system")
    spec = read_part(f"{bundle}/config.json", Spec)
    validate(spec)
    return spec


def read_part(path: str, type_: type[T]) -> T:
    """Decode a file that holds one object of the specification. Errors: SpecError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(handle, "rb") as file:
            text = file.read(_LIMIT + 1)
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from None
    if len(text) > _LIMIT:
        raise SpecError(f"{path}: larger than {_LIMIT} bytes")
    return parse_part(text, path, type_)


def parse_part(text: bytes, path: str, type_: type[T]) -> T:
    """Decode it; *path* is for the error. Errors: SpecError, which names the JSON path."""
    with suppress(msgspec.MsgspecError, ValueError, RecursionError):
        return msgspec.json.decode(text, type=type_)
    try:
        content = _without_null(msgspec.json.decode(text))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SpecError(f"{path}: not JSON: {error}") from None
    if said := _wrong(content, type_):
        what, _, where = said.partition(" - at `")
        raise SpecError(f"{path}: {_locate(content, type_, said, where.rstrip('`')) or '$'}: {what}")
    return msgspec.convert(content, type_)


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(one) for key, one in value.items() if one is not None}
    return [_without_null(one) for one in value] if isinstance(value, list) else value


def _wrong(content: Any, type_: type) -> str:
    try:
        msgspec.convert(content, type_)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _locate(content: Any, type_: type, said: str, where: str) -> str:
    """The JSON path with the number of the element, where msgspec says ``$.mounts[...]``."""
    while "[...]" in where:
        place = content
        for name in where.partition("[...]")[0].removeprefix("$").replace("[", ".").replace("]", "").split(".")[1:]:
            place = place[int(name) if name.isdecimal() else name]
        if not isinstance(place, list):
            break  # a value of an object, whose keys are anybody's
        whole, number = list(place), 0
        for number in range(len(whole)):
            place[:] = whole[: number + 1]
            if _wrong(content, type_) == said:
                break
        place[:] = whole
        where = where.replace("[...]", f"[{number}]", 1)
    return where
