"""What Docker's two files of a container say that neither the kernel nor a bundle does.

*Source:* moby api/types/container/hostconfig.go (``hostconfig.json``) and container.Config (``config.v2.json``).
"""

import msgspec

from ctrscope.engines.state_file import parse_json
from ctrscope.model.audited import AuditedMount, EngineOptions, Specified
from ctrscope.model.namespace import NamespaceType
from ctrscope.probes.hostfs import HostFs

#: Docker's own list; moby oci/caps/defaults.go.
DEFAULT_CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "FSETID",
        "FOWNER",
        "MKNOD",
        "NET_RAW",
        "SETGID",
        "SETUID",
        "SETFCAP",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "SYS_CHROOT",
        "KILL",
        "AUDIT_WRITE",
    ]
)


class _RestartPolicy(msgspec.Struct, rename="pascal"):
    name: str = ""
    maximum_retry_count: int = 0


class _Ulimit(msgspec.Struct, rename="pascal"):
    name: str = ""


class _HostConfig(msgspec.Struct, rename="pascal"):
    privileged: bool = False
    restart_policy: _RestartPolicy = msgspec.field(default_factory=_RestartPolicy)
    userns_mode: str = ""
    binds: list[str] | None = None
    cap_add: list[str] | None = None
    cap_drop: list[str] | None = None
    security_opt: list[str] | None = None
    pid_mode: str = ""
    network_mode: str = ""
    ipc_mode: str = ""
    uts_mode: str = msgspec.field(name="UTSMode", default="")
    cgroupns_mode: str = ""
    readonly_rootfs: bool = False
    memory: int = 0
    nano_cpus: int = 0
    pids_limit: int | None = None
    sysctls: dict[str, str] | None = None
    ulimits: list[_Ulimit] | None = None
    cgroup_parent: str = ""


class _Health(msgspec.Struct, rename="pascal"):
    test: list[str] | None = None


class _Config(msgspec.Struct, rename="pascal"):
    user: str = ""
    healthcheck: _Health | None = None


class _ConfigV2(msgspec.Struct, rename="pascal"):
    config: _Config = msgspec.field(default_factory=_Config)


_host_decoder = msgspec.json.Decoder(_HostConfig)
_config_decoder = msgspec.json.Decoder(_ConfigV2)


def read_options(host: HostFs, config_path: str, *, owner: int | None = None) -> tuple[EngineOptions, Specified]:
    """Read both files; *config_path* is that of ``config.v2.json``. Errors: OSError, ParseError."""
    path = config_path.removesuffix("config.v2.json") + "hostconfig.json"
    return parse_options(host.read(path, owner=owner), path, host.read(config_path, owner=owner), config_path)


def parse_options(host_config: bytes, path: str, config: bytes, config_path: str) -> tuple[EngineOptions, Specified]:
    """What the engine was told, and the same as a specification, for one that does not run. Errors: ParseError."""
    found = parse_json(_host_decoder, host_config, path)
    asked = parse_json(_config_decoder, config, config_path).config
    health = (asked.healthcheck.test or []) if asked.healthcheck is not None else []
    options = EngineOptions(
        source=path,
        privileged=found.privileged,
        restart_policy=found.restart_policy.name,
        restart_maximum=found.restart_policy.maximum_retry_count,
        has_health_check=bool(health) and health[0] != "NONE",
        userns_mode=found.userns_mode,
        ulimits=tuple(one.name for one in found.ulimits or ()),
        cgroup_parent=found.cgroup_parent,
    )
    return options, _specified(found, asked, path)


def _specified(found: _HostConfig, asked: _Config, path: str) -> Specified:
    security = found.security_opt or []
    hosts = {
        NamespaceType.PID: found.pid_mode,
        NamespaceType.NET: found.network_mode,
        NamespaceType.IPC: found.ipc_mode,
        NamespaceType.UTS: found.uts_mode,
        NamespaceType.CGROUP: found.cgroupns_mode,
    }
    user = asked.user.partition(":")[0]
    return Specified(
        source=path,
        privileged=found.privileged,
        uid=int(user) if user.isdecimal() else 0 if user in ("", "root") else None,
        capabilities=_capabilities(found),
        no_new_privs=any(one in ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true") for one in security),
        seccomp=not found.privileged and not any(one.replace(":", "=") == "seccomp=unconfined" for one in security),
        own_namespaces=(
            NamespaceType.MNT,
            *(type_ for type_, mode in hosts.items() if mode != "host" and not mode.startswith("container:")),
        ),
        joined_namespaces=tuple(type_ for type_, mode in hosts.items() if mode.startswith("container:")),
        root_readonly=found.readonly_rootfs,
        mounts=tuple(mount for one in found.binds or () if (mount := _bind(one)) is not None),
        memory=found.memory or None,
        pids=found.pids_limit if found.pids_limit and found.pids_limit > 0 else None,
        cpus=found.nano_cpus / 1e9 if found.nano_cpus else None,
        sysctls=found.sysctls or {},
    )


def _capabilities(found: _HostConfig) -> tuple[str, ...] | None:
    def named(names: list[str] | None) -> set[str]:
        return {f"CAP_{name.upper().removeprefix('CAP_')}" for name in names or ()}

    added, dropped = named(found.cap_add), named(found.cap_drop)
    if found.privileged or "CAP_ALL" in added:
        return None  # every one that the kernel has; which, this file does not say
    base = set() if "CAP_ALL" in dropped else set(DEFAULT_CAPABILITIES) - dropped
    return tuple(sorted(base | added))


def _bind(text: str) -> AuditedMount | None:
    source, _, rest = text.partition(":")
    point, _, options = rest.partition(":")
    if not source.startswith("/") or not point:
        return None  # a volume by name, which Docker keeps
    words = options.split(",")
    return AuditedMount(
        mount_point=point,
        host_path=source,
        fs_type="bind",
        is_writable="ro" not in words,
        is_shared=bool({"shared", "rshared"} & set(words)),
    )
