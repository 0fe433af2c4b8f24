"""What a config.json has to say beyond its types, looked at before anything is made.

*Source:* OCI runtime specification, config.md and config-linux.md: what is REQUIRED or MUST be an error there.
*Errors:* SpecError with the JSON path and what is expected there.
"""

import os
from collections.abc import Iterable

from ctrscope.oci.errors import SpecError
from ctrscope.oci.spec import Hook, IdMapping, Linux, Process, Resources, Spec

NAMESPACES = ("cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts")
PROPAGATIONS = ("", "shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable")
RLIMITS = (
    "AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE", "NPROC", "RSS", "RTPRIO", "RTTIME",
    "SIGPENDING", "STACK",
)  # fmt: skip
#: Numbers of 64 bits without sign below $.linux.resources; others may be -1, which is no limit.
_UNSIGNED = {
    "cpu.shares": "cpu.shares",
    "cpu.period": "cpu.period",
    "cpu.burst": "cpu.burst",
    "cpu.realtime_period": "cpu.realtimePeriod",
    "memory.swappiness": "memory.swappiness",
    "block_io.weight": "blockIO.weight",
    "block_io.leaf_weight": "blockIO.leafWeight",
    "network.class_id": "network.classID",
}
#: Below kernel.: those of the IPC namespace. Others of the host would be changed for everybody.
_NAME_LIMIT = 64  # __NEW_UTS_LEN
_IPC_SYSCTLS = ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")


def validate(spec: Spec) -> None:
    """Look at everything that can be looked at without making anything. Errors: SpecError."""
    major, *rest = spec.oci_version.split(".")
    _expect(major == "1" and len(rest) >= 2, "$.ociVersion", "a version 1.x.y", spec.oci_version)
    _expect(bool(spec.root.path), "$.root.path", "a path", spec.root.path)
    if spec.process is not None:
        validate_process(spec.process)
    for number, mount in enumerate(spec.mounts):
        where = f"$.mounts[{number}]"
        _absolute(f"{where}.destination", mount.destination)
        _text(f"{where}.source", mount.source)
        mapped = bool(mount.uid_mappings or mount.gid_mappings)
        _expect(not mapped, f"{where}.uidMappings", "none, as mounts with ids of their own are not made here", mapped)
        for at, option in enumerate(mount.options):
            _text(f"{where}.options[{at}]", option)
    for name in spec.hooks.__struct_fields__:
        _hooks(f"$.hooks.{'createRuntime' if name == 'create_runtime' else name}", getattr(spec.hooks, name))
    _linux(spec.linux)
    for field, name in (("hostname", spec.hostname), ("domainname", spec.domainname)):
        _text(f"$.{field}", name)
        _expect(len(os.fsencode(name)) <= _NAME_LIMIT, f"$.{field}", f"at most {_NAME_LIMIT} bytes", name)
        _expect(
            not name or _has_own(spec.linux, "uts"),
            f"$.{field}",
            "none, as there is no uts namespace in $.linux.namespaces",
            name,
        )


def validate_process(process: Process, where: str = "$.process") -> None:
    """Look at a process; *where* is its JSON path. Errors: SpecError."""
    _expect(bool(process.args), f"{where}.args", "a program and its arguments", process.args)
    for field, values in (("args", process.args), ("env", process.env)):
        for number, value in enumerate(values):
            _text(f"{where}.{field}[{number}]", value)
    _absolute(f"{where}.cwd", process.cwd)
    for field in ("uid", "gid"):
        _unsigned(f"{where}.user.{field}", getattr(process.user, field), 32)
    for number, group in enumerate(process.user.additional_gids):
        _unsigned(f"{where}.user.additionalGids[{number}]", group, 32)
    seen = set()
    for number, limit in enumerate(process.rlimits):
        place = f"{where}.rlimits[{number}]"
        _one_of(f"{place}.type", limit.type, [f"RLIMIT_{name}" for name in RLIMITS])
        _expect(limit.type not in seen, f"{place}.type", "every type once", limit.type)
        seen.add(limit.type)
        _unsigned(f"{place}.hard", limit.hard, 64)
        _unsigned(f"{place}.soft", limit.soft, 64)
        _expect(limit.soft <= limit.hard, f"{place}.soft", f"at most hard, {limit.hard}", limit.soft)
    if process.oom_score_adj is not None:
        _expect(-1000 <= process.oom_score_adj <= 1000, f"{where}.oomScoreAdj", "-1000 to 1000", process.oom_score_adj)


def _linux(linux: Linux) -> None:
    seen = set()
    for number, namespace in enumerate(linux.namespaces):
        where = f"$.linux.namespaces[{number}]"
        _one_of(f"{where}.type", namespace.type, NAMESPACES)
        _expect(namespace.type not in seen, f"{where}.type", "every type once", namespace.type)
        seen.add(namespace.type)
        if namespace.path:
            _absolute(f"{where}.path", namespace.path)
    user = linux.find_namespace("user")
    for field, mappings in (("uidMappings", linux.uid_mappings), ("gidMappings", linux.gid_mappings)):
        _mappings(f"$.linux.{field}", mappings)
        _expect(
            user is not None or not mappings,
            f"$.linux.{field}",
            "none, as there is no user namespace",
            f"{len(mappings)} of them",
        )
        if user is not None and not user.path:
            _expect(bool(mappings), f"$.linux.{field}", "at least one, as there is a new user namespace", "none")
    for name in linux.time_offsets:
        _one_of("$.linux.timeOffsets", name, ("monotonic", "boottime"))
        _expect(linux.has_new("time"), "$.linux.timeOffsets", "none, as there is no new time namespace", name)
    for number, device in enumerate(linux.devices):
        where = f"$.linux.devices[{number}]"
        _one_of(f"{where}.type", device.type, ("b", "c", "u", "p"))
        _absolute(f"{where}.path", device.path)
    validate_resources(linux.resources)
    _expect(".." not in linux.cgroups_path.split("/"), "$.linux.cgroupsPath", "a path without ..", linux.cgroups_path)
    _text("$.linux.cgroupsPath", linux.cgroups_path)
    _one_of("$.linux.rootfsPropagation", linux.rootfs_propagation, PROPAGATIONS)
    for field, paths in (("maskedPaths", linux.masked_paths), ("readonlyPaths", linux.readonly_paths)):
        for number, path in enumerate(paths):
            _absolute(f"$.linux.{field}[{number}]", path)
    for name, value in linux.sysctl.items():
        _sysctl(linux, name, value)
    if linux.personality is not None:
        _one_of("$.linux.personality.domain", linux.personality.domain, ("LINUX", "LINUX32"))


def validate_resources(resources: Resources) -> None:
    """Look at limits, also those of an update. Errors: SpecError."""
    base = "$.linux.resources"
    for number, rule in enumerate(resources.devices):
        where = f"{base}.devices[{number}]"
        if rule.type:
            _one_of(f"{where}.type", rule.type, ("a", "b", "c"))
        _expect(set(rule.access) <= set("rwm"), f"{where}.access", "letters of r, w and m", rule.access)
        for field, value in (("major", rule.major), ("minor", rule.minor)):
            if value not in (None, -1):
                _unsigned(f"{where}.{field}", value, 32)
    for number, page in enumerate(resources.hugepage_limits):
        size = page.page_size
        is_size = size[:-2].isdecimal() and size[-2:] in ("KB", "MB", "GB")
        _expect(is_size, f"{base}.hugepageLimits[{number}].pageSize", "a size as the kernel writes it, 2MB", size)
        _unsigned(f"{base}.hugepageLimits[{number}].limit", page.limit, 64)
    for field, name in _UNSIGNED.items():
        group, _, part = field.partition(".")
        if (value := getattr(getattr(resources, group), part, None)) is not None:
            _unsigned(f"{base}.{name}", value, 64)
    for name, text in (("cpus", resources.cpu.cpus), ("mems", resources.cpu.mems)) if resources.cpu else ():
        _expect(set(text) <= set("0123456789,- "), f"{base}.cpu.{name}", "numbers and ranges, 0-3,8", text)
    for name, text in resources.unified.items():
        _text(f"{base}.unified[{name!r}]", name + text)


def _sysctl(linux: Linux, name: str, value: str) -> None:
    where = f"$.linux.sysctl[{name!r}]"
    _text(where, value)
    words = name.replace("/", ".").split(".")
    _expect(not {"", ".."} & set(words), where, "names with dots between them", name)
    if words[0] == "net":
        needed = "network"
    elif words[:2] == ["fs", "mqueue"] or (words[0] == "kernel" and words[1:2] and words[1] in _IPC_SYSCTLS):
        needed = "ipc"
    elif words == ["kernel", "domainname"]:
        needed = "uts"
    else:
        raise SpecError(
            f"{where}: expected one that namespaces have (net.…, fs.mqueue.…, kernel.sem and the like), not one of the host's"
        )
    _expect(_has_own(linux, needed), where, f"none, as there is no {needed} namespace in $.linux.namespaces", value)


def _has_own(linux: Linux, type_: str) -> bool:
    return linux.find_namespace(type_) is not None


def _hooks(where: str, hooks: Iterable[Hook]) -> None:
    for number, hook in enumerate(hooks):
        _absolute(f"{where}[{number}].path", hook.path)
        if hook.timeout is not None:
            _expect(hook.timeout > 0, f"{where}[{number}].timeout", "more than 0 seconds", hook.timeout)


def _mappings(where: str, mappings: Iterable[IdMapping]) -> None:
    for number, one in enumerate(mappings):
        for field, value in (("containerID", one.container_id), ("hostID", one.host_id), ("size", one.size)):
            _unsigned(f"{where}[{number}].{field}", value, 32)


def _absolute(where: str, path: str) -> None:
    _text(where, path)
    _expect(path.startswith("/"), where, "an absolute path", path)


def _text(where: str, value: str) -> None:
    _expect("\0" not in value, where, "no NUL", value)


def _unsigned(where: str, value: int, bits: int) -> None:
    _expect(0 <= value < 1 << bits, where, f"a number of {bits} bits without sign", value)


def _one_of(where: str, value: str, known: Iterable[str]) -> None:
    _expect(value in known, where, "one of " + ", ".join(one for one in known if one), value)


def _expect(holds: bool, where: str, expected: str, found: object) -> None:
    if not holds:
        raise SpecError(f"{where}: expected {expected}, found {found!r}")
