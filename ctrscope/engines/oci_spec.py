"""What the ``config.json`` of a bundle asks for, as far as ``audit`` compares it with the kernel.

*Source:* OCI runtime specification, config.md and config-linux.md. ``oci_config`` reads the few keys that every verb needs.
"""

from collections.abc import Mapping

import msgspec

from ctrscope.engines.state_file import parse_json
from ctrscope.model.audited import AuditedMount, Specified
from ctrscope.model.namespace import OCI_TYPES
from ctrscope.probes.hostfs import HostFs

#: The spec gives a memory or pids limit of -1, and of 0 for pids by the runtimes' word, the meaning of none.
_NO_QUOTA = (None, 0, -1)


class _User(msgspec.Struct):
    uid: int = 0


class _Capabilities(msgspec.Struct):
    effective: tuple[str, ...] | None = None
    bounding: tuple[str, ...] | None = None


class _Process(msgspec.Struct, rename="camel"):
    user: _User | None = None
    capabilities: _Capabilities | None = None
    no_new_privileges: bool = False
    apparmor_profile: str = ""


class _Root(msgspec.Struct):
    readonly: bool = False


class _Mount(msgspec.Struct):
    destination: str = ""
    type: str = ""
    source: str = ""
    options: tuple[str, ...] | None = None


class _Namespace(msgspec.Struct):
    type: str = ""
    path: str = ""


class _Device(msgspec.Struct):
    path: str = ""


class _DeviceRule(msgspec.Struct):
    allow: bool = False
    type: str | None = None
    major: int | None = None
    minor: int | None = None


class _Memory(msgspec.Struct):
    limit: int | None = None


class _Pids(msgspec.Struct):
    limit: int | None = None


class _Cpu(msgspec.Struct):
    quota: int | None = None
    period: int | None = None


class _Resources(msgspec.Struct):
    devices: tuple[_DeviceRule, ...] | None = None
    memory: _Memory | None = None
    pids: _Pids | None = None
    cpu: _Cpu | None = None


class _Linux(msgspec.Struct, rename="camel"):
    namespaces: tuple[_Namespace, ...] | None = None
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    devices: tuple[_Device, ...] | None = None
    resources: _Resources | None = None
    seccomp: Mapping[str, msgspec.Raw] | None = None
    sysctl: Mapping[str, str] | None = None


class _Config(msgspec.Struct):
    process: _Process | None = None
    root: _Root | None = None
    mounts: tuple[_Mount, ...] | None = None
    linux: _Linux | None = None


_decoder = msgspec.json.Decoder(_Config)


def read_specified(host: HostFs, bundle: str, *, owner: int | None = None) -> Specified:
    """Read ``config.json`` of a bundle. Errors: OSError as from ``HostFs.read``; ParseError."""
    path = f"{bundle}/config.json"
    return parse_specified(host.read(path, owner=owner), path)


def parse_specified(text: bytes, path: str) -> Specified:
    """Parse it; *path* is where it is from. Errors: ParseError."""
    config = parse_json(_decoder, text, path)
    process, linux = config.process or _Process(), config.linux or _Linux()
    resources = linux.resources or _Resources()
    capabilities = process.capabilities or _Capabilities()
    namespaces = [(OCI_TYPES[one.type], one.path) for one in linux.namespaces or () if one.type in OCI_TYPES]
    quota, period = (resources.cpu.quota, resources.cpu.period or 100_000) if resources.cpu else (None, 100_000)
    return Specified(
        source=path,
        uid=process.user.uid if process.user else 0,
        capabilities=capabilities.effective or (),
        bounding=capabilities.bounding or (),
        no_new_privs=process.no_new_privileges,
        seccomp=linux.seccomp is not None,
        apparmor=process.apparmor_profile or None,
        own_namespaces=tuple(type_ for type_, where in namespaces if not where),
        joined_namespaces=tuple(type_ for type_, where in namespaces if where),
        root_readonly=config.root.readonly if config.root else False,
        masked_paths=linux.masked_paths or (),
        readonly_paths=linux.readonly_paths or (),
        mounts=tuple(_mount(one) for one in config.mounts or ()),
        devices=tuple(one.path for one in linux.devices or ()),
        all_devices=_allows_all(resources.devices or ()),
        memory=_limit(resources.memory.limit if resources.memory else None),
        pids=_limit(resources.pids.limit if resources.pids else None),
        cpus=None if quota in _NO_QUOTA or quota is None or quota < 0 else quota / period,
        sysctls=linux.sysctl or {},
    )


def _mount(one: _Mount) -> AuditedMount:
    options = one.options or ()
    return AuditedMount(
        mount_point=one.destination,
        host_path=one.source if one.type in ("bind", "none") or {"bind", "rbind"} & set(options) else None,
        fs_type=one.type,
        is_writable="ro" not in options,
        is_shared=bool({"shared", "rshared"} & set(options)),
        nosuid="nosuid" in options,
    )


def _limit(value: int | None) -> int | None:
    return value if value is not None and value > 0 else None


def _allows_all(rules: tuple[_DeviceRule, ...]) -> bool:
    """Whether the last rule about every device allows them."""
    for rule in reversed(rules):
        if rule.type in (None, "a", "") and rule.major in (None, -1) and rule.minor in (None, -1):
            return rule.allow
    return False
