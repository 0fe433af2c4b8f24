"""What was asked for, and what the kernel enforces: they should be the same, and whoever reads the file believes they are.

*Source:* OCI runtime specification; proc_pid_status(5), proc_pid_mountinfo(5), cgroup files.
"""

from collections.abc import Iterator

from ctrscope.findings.security.rule import Defect, Rule, evidence
from ctrscope.model.audited import Audited, Specified
from ctrscope.model.cgroup import EffectiveLimit
from ctrscope.model.container import EngineName, Evidence
from ctrscope.model.finding import Severity
from ctrscope.model.namespace import NamespaceType


def _asked(audited: Audited) -> Specified | None:
    """What was asked for, where something runs that it can be compared with."""
    return audited.specified if audited.container.is_running else None


def _said(asked: Specified, value: str) -> Evidence:
    return Evidence(source=asked.source, value=value)


def capabilities(audited: Audited) -> Iterator[Defect]:
    """More than the bundle gives."""
    asked = _asked(audited)
    if asked is None or asked.capabilities is None or audited.has_user_namespace:
        return
    more = sorted(set(audited.capabilities or ()) - set(asked.capabilities) - set(asked.bounding or ()))
    if more:
        yield Defect(
            f"it has {', '.join(more[:6])}, which it was not given",
            (evidence(audited, "capabilities", f"CapEff has {', '.join(more)}"), _said(asked, "process.capabilities has not")),
        )


def seccomp(audited: Audited) -> Iterator[Defect]:
    """A profile that nobody applied."""
    asked = _asked(audited)
    if asked is not None and asked.seccomp and audited.seccomp == "disabled":
        yield Defect(
            "a seccomp profile was asked for, and no filter is in force",
            (evidence(audited, "seccomp", "Seccomp: 0"), _said(asked, "linux.seccomp is there")),
        )


def no_new_privs(audited: Audited) -> Iterator[Defect]:
    """A bit that nobody set."""
    asked = _asked(audited)
    if asked is not None and asked.no_new_privs and audited.no_new_privs is False:
        yield Defect(
            "no_new_privs was asked for, and is not in force",
            (evidence(audited, "no_new_privs", "NoNewPrivs: 0"), _said(asked, "noNewPrivileges: true")),
        )


def profile(audited: Audited) -> Iterator[Defect]:
    """Another profile of AppArmor."""
    asked = _asked(audited)
    if asked is None or not asked.apparmor or "apparmor" not in (audited.host.lsm or ()):
        return
    now = (audited.label or "").partition(" ")[0]
    if now != asked.apparmor:
        yield Defect(
            f"AppArmor profile {asked.apparmor} was asked for, and {now or 'none'} is in force",
            (evidence(audited, "label", audited.label or "none"), _said(asked, f"apparmorProfile {asked.apparmor}")),
        )


def namespaces(audited: Audited) -> Iterator[Defect]:
    """One of its own was asked for, and it has the host's."""
    asked = _asked(audited)
    if asked is None:
        return
    lost = [type_ for type_ in asked.own_namespaces or () if type_ in (audited.host_namespaces or ())]
    if lost:
        names = ", ".join(lost)
        yield Defect(
            f"namespaces of its own were asked for, and it is in the host's: {names}",
            (evidence(audited, "host_namespaces", f"{names}: the host's"), _said(asked, f"linux.namespaces has {names}")),
        )


def limits(audited: Audited) -> Iterator[Defect]:
    """What bounds it now is more than what was asked for."""
    asked = _asked(audited)
    if asked is None or audited.limits is None:
        return
    for name, wanted in (("memory", asked.memory), ("pids", asked.pids), ("cpus", asked.cpus)):
        limit: EffectiveLimit | None = getattr(audited.limits, name)
        if wanted is None or limit is None or limit.value is None:
            continue
        # A page, or a thousandth of a CPU, is what the kernel rounds.
        slack = 4096 if name == "memory" else 0.01 if name == "cpus" else 0
        if limit.value == "max" or limit.value > wanted + slack:
            said = f"{wanted:g}" if isinstance(wanted, float) else str(wanted)
            told = Evidence(source=asked.limits_source or asked.source, value=f"{name} {said}")
            title = f"a limit of {name} of {said} was asked for, and {limit.value} is in force"
            shown = (evidence(audited, "limits", f"{name} {limit.value}"), told)
            if audited.container.engine is EngineName.PODMAN and (audited.container.runtime or "").endswith("crun"):
                title += ": with crun, an update by Podman before 5 is written down nowhere, so it may have been one"
                yield Defect(title, shown, Severity.LOW)
            else:
                yield Defect(title, shown)


def mounts(audited: Audited) -> Iterator[Defect]:
    """Read-only was asked for; or the host's files came later."""
    asked = _asked(audited)
    if asked is None or asked.mounts is None or audited.mounts is None:
        return
    now = {one.mount_point: one for one in audited.mounts}
    for one in asked.mounts:
        found = next((now[point] for point in _places(one.mount_point) if point in now), None)
        if not one.is_writable and found is not None and found.is_writable and one.fs_type not in ("cgroup", "cgroup2"):
            yield Defect(
                f"{one.mount_point} was asked for read-only, and is writable",
                (
                    evidence(audited, "mounts", f"{found.fs_type} at {found.mount_point}, rw"),
                    _said(asked, f"{one.mount_point}: ro"),
                ),
            )
    known = {point for one in asked.mounts for point in _places(one.mount_point)}
    for point, found in now.items():
        is_new = point not in known and not any(point.startswith(f"{one}/") for one in known) and point != "/"
        # Runtimes put terminals and devices there by themselves.
        if found.host_path is not None and is_new and not point.startswith(("/dev/", "/proc/", "/sys/")):
            yield Defect(
                f"{found.host_path} of the host is mounted at {point}, which was not asked for",
                (evidence(audited, "mounts", f"{found.fs_type} at {point}"), _said(asked, "mounts has no such destination")),
            )


def _places(path: str) -> tuple[str, ...]:
    """Where it may be: /var/run is a link to /run in most images, not in all, and mountinfo tells the path without links."""
    path = path.rstrip("/") or "/"
    return (path, "/run" + path[8:]) if path.startswith("/var/run/") else (path,)


def paths(audited: Audited) -> Iterator[Defect]:
    """Masks and read-only paths that are not there. A path that this kernel lacks cannot be masked."""
    asked = _asked(audited)
    if asked is None or audited.masked_paths is None:
        return
    bare = [one for one in asked.masked_paths or () if one in audited.host.maskable and one not in audited.masked_paths]
    if "/proc/sys" in (asked.readonly_paths or ()) and "/proc/sys" not in (audited.readonly_paths or ()):
        bare.append("/proc/sys")
    if bare:
        yield Defect(
            f"asked to be masked or read-only, and is not: {', '.join(bare)}",
            (evidence(audited, "masked_paths", f"no mount over {', '.join(bare)}"), _said(asked, "maskedPaths, readonlyPaths")),
        )


def devices(audited: Audited) -> Iterator[Defect]:
    """The list of the cgroup says more than the bundle."""
    asked = _asked(audited)
    if asked is not None and asked.all_devices is False and audited.all_devices:
        yield Defect(
            "only some devices were asked to be allowed, and its cgroup allows all",
            (evidence(audited, "all_devices", "a *:* rwm"), _said(asked, "linux.resources.devices denies the rest")),
        )


def root(audited: Audited) -> Iterator[Defect]:
    """A root that was to be read-only."""
    asked = _asked(audited)
    at_root = next((one for one in audited.mounts or () if one.mount_point == "/"), None)
    if asked is not None and asked.root_readonly and at_root is not None and at_root.is_writable:
        yield Defect(
            "a read-only root was asked for, and it is writable",
            (evidence(audited, "mounts", f"{at_root.fs_type} at /, rw"), _said(asked, "root.readonly: true")),
        )


def user(audited: Audited) -> Iterator[Defect]:
    """Another user than the bundle names."""
    asked = _asked(audited)
    if asked is None or asked.uid in (None, 0) or audited.has_user_namespace or NamespaceType.USER in asked.joined_namespaces:
        return
    if audited.uid == 0:
        yield Defect(
            f"uid {asked.uid} was asked for, and init runs as root",
            (evidence(audited, "uid", "Uid: 0"), _said(asked, f"process.user.uid {asked.uid}")),
        )


_REMEDY = "restart it from its bundle; if that changes nothing, its runtime does not do what it is asked"
_OCI = ("OCI runtime specification: config-linux.md",)
RULES = (
    Rule(
        "security/drift-capabilities",
        Severity.HIGH,
        "It may more than its bundle says.",
        ("specified", "capabilities"),
        capabilities,
        _REMEDY,
        _OCI,
    ),
    Rule(
        "security/drift-seccomp",
        Severity.HIGH,
        "The filter of its bundle is not in force.",
        ("specified", "seccomp"),
        seccomp,
        _REMEDY,
        _OCI,
    ),
    Rule(
        "security/drift-no-new-privs",
        Severity.MEDIUM,
        "no_new_privs of its bundle is not in force.",
        ("specified", "no_new_privs"),
        no_new_privs,
        _REMEDY,
        _OCI,
    ),
    Rule(
        "security/drift-apparmor",
        Severity.HIGH,
        "The AppArmor profile of its bundle is not in force.",
        ("specified", "label"),
        profile,
        _REMEDY,
        _OCI,
    ),
    Rule(
        "security/drift-namespaces",
        Severity.HIGH,
        "It is less isolated than its bundle says.",
        ("specified", "host_namespaces"),
        namespaces,
        _REMEDY,
        _OCI,
    ),
    Rule(
        "security/drift-limits",
        Severity.MEDIUM,
        "A limit was raised, or never set.",
        ("specified", "limits"),
        limits,
        "set it again: ctrscope limit ID, or the engine's update",
        _OCI,
    ),
    Rule(
        "security/drift-mounts",
        Severity.MEDIUM,
        "Its mounts are not those of its bundle.",
        ("specified", "mounts"),
        mounts,
        _REMEDY,
        _OCI,
    ),
    Rule(
        "security/drift-masks",
        Severity.HIGH,
        "Masks of its bundle are not there.",
        ("specified", "masked_paths", "readonly_paths"),
        paths,
        _REMEDY,
        _OCI,
    ),
    Rule(
        "security/drift-devices",
        Severity.HIGH,
        "It has more devices than its bundle says.",
        ("specified", "all_devices"),
        devices,
        _REMEDY,
        _OCI,
    ),
    Rule(
        "security/drift-root",
        Severity.MEDIUM,
        "Its root is not as its bundle says.",
        ("specified", "mounts"),
        root,
        _REMEDY,
        _OCI,
    ),
    Rule("security/drift-user", Severity.HIGH, "It runs as root, and should not.", ("specified", "uid"), user, _REMEDY, _OCI),
)
