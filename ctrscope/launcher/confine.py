"""What holds the program of a container back: who it is, what it may, how much it may have, which system calls it may make.

*Source:* OCI runtime specification, config.md "process" and config-linux "seccomp".
*Shape:* ``plan_confinement`` reads the configuration and raises every error before anything is made; ``limit`` is for whoever
starts init, as lowering what the host allows takes the host's capabilities; ``take_label`` and ``become`` are init's.
"""

import os
import resource
import stat
from contextlib import suppress

from ctrscope.attach import become as attach_become
from ctrscope.attach import syscalls
from ctrscope.attach.confinement import Confinement, Filter, ResourceLimit
from ctrscope.attach.credentials import Credentials
from ctrscope.attach.seccomp import Profile
from ctrscope.launcher.filters import compile_seccomp
from ctrscope.model.value import Value
from ctrscope.oci.errors import LauncherError, SpecError, step
from ctrscope.oci.spec import Capabilities, IoPriority, Process
from ctrscope.probes.capability_names import capability_mask
from ctrscope.probes.proc_pid_status import CapabilityMasks

_RLIMIT_LOCKS = 10  # Python has no name for it, as Linux has no use
_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_UMASK = 0o022


class Confined(Value, frozen=True, kw_only=True):
    """What a process of a container becomes."""

    credentials: Credentials
    confinement: Confinement
    umask: int
    io_priority: tuple[int, int] | None  # class and priority of ioprio_set(2)
    warnings: tuple[str, ...]

    @property
    def last(self) -> Filter | None:
        """The filter that is loaded when nothing but execve(2) is left: no_new_privs lets it wait."""
        return self.confinement.filter if self.credentials.no_new_privs else None


def plan_confinement(process: Process, seccomp: Profile | None, where: str = "$.process") -> Confined:
    """Decide what it becomes; *where* is the JSON path of *process*. Errors: SpecError."""
    asked = process.capabilities or Capabilities()
    known = {name: capability_mask(getattr(asked, name)) for name in asked.__struct_fields__}
    masks = CapabilityMasks(**{name: mask for name, (mask, _) in known.items()})
    unknown = dict.fromkeys(name for _, names in known.values() for name in names)
    label = None
    if process.apparmor_profile:
        label = "attr/apparmor/exec", f"exec {process.apparmor_profile}"
    elif process.selinux_label:
        label = "attr/exec", process.selinux_label
    return Confined(
        credentials=Credentials(
            uid=process.user.uid,
            gid=process.user.gid,
            groups=process.user.additional_gids,
            capabilities=masks,
            no_new_privs=process.no_new_privileges,
        ),
        confinement=Confinement(
            label=label,
            filter=None if seccomp is None else compile_seccomp(seccomp),
            limits=tuple(
                ResourceLimit(getattr(resource, one.type, _RLIMIT_LOCKS), _amount(one.soft), _amount(one.hard))
                for one in process.rlimits
            ),
            oom_score_adj=process.oom_score_adj,
        ),
        umask=_UMASK if process.user.umask is None else process.user.umask,
        io_priority=_io_priority(process.io_priority, where),
        warnings=tuple(
            f"{where}.capabilities: {name} is not a capability that is known here; it is left out" for name in unknown
        ),
    )


def limit(pid: int, confined: Confined, where: str = "$.process") -> tuple[str, ...]:
    """Set resource limits and the like of a process that waits; returns warnings. Errors: LauncherError."""
    warnings = []
    for number, one in enumerate(confined.confinement.limits):
        try:
            resource.prlimit(pid, one.resource, (one.soft, one.hard))
        except (OSError, ValueError) as error:  # ValueError is how Python says EPERM here
            raise LauncherError(
                f"{where}.rlimits[{number}]: setting {one.soft} and {one.hard}: {getattr(error, 'strerror', None) or error}; "
                "a limit above our own takes CAP_SYS_RESOURCE"
            ) from error
    if confined.confinement.oom_score_adj is not None:
        try:
            with open(f"/proc/{pid}/oom_score_adj", "w", encoding="utf-8") as file:
                file.write(str(confined.confinement.oom_score_adj))
        except PermissionError:
            warnings.append(f"{where}.oomScoreAdj: to lower it takes CAP_SYS_RESOURCE on the host; it stays as it is")
    if confined.io_priority is not None:
        with step(f"{where}.ioPriority"):
            syscalls.ioprio_set(pid, *confined.io_priority)
    return tuple(warnings)


def take_label(confined: Confined, where: str = "$.process") -> None:
    """Have the next exec take the AppArmor or SELinux label; while /proc is the host's. Errors: LauncherError."""
    if confined.confinement.label is None:
        return
    file, label = confined.confinement.label
    name = "apparmorProfile" if label.startswith("exec ") else "selinuxLabel"
    try:
        attach_become.write_own(file, label)
    except OSError as error:
        if not (file.startswith("attr/apparmor/") and isinstance(error, FileNotFoundError)):
            raise LauncherError(f"{where}.{name}: {label.removeprefix('exec ')}: {error.strerror}; is it loaded?") from error
        with step(f"{where}.{name}: writing /proc/self/attr/exec, which takes a host with AppArmor"):
            attach_become.write_own("attr/exec", label)  # as it was before Linux 5.8


def become(confined: Confined, where: str = "$.process") -> None:
    """Take ids, capabilities, and the seccomp filter unless that is for the very end. Errors: LauncherError."""
    credentials = confined.credentials
    _own_standard_streams(credentials.uid)
    os.umask(confined.umask)
    with step(f"{where}.user: becoming uid {credentials.uid}, gid {credentials.gid}"):
        attach_become.become(credentials, confined.confinement.filter)
    if missing := set(credentials.groups) - set(os.getgroups()):
        raise LauncherError(
            f"{where}.user.additionalGids: {sorted(missing)}: not permitted: this user namespace denies setgroups(2)"
        )


def _own_standard_streams(uid: int) -> None:
    """Let the user open /dev/stdout and the like once more, which a pipe or terminal of root's would not permit."""
    null = os.stat("/dev/null").st_rdev if os.path.exists("/dev/null") else None
    for number in range(3):
        with suppress(OSError):  # EBADF: closed; EINVAL, EPERM: an id that is not mapped; EROFS
            found = os.fstat(number)
            if found.st_uid != uid and not (stat.S_ISCHR(found.st_mode) and found.st_rdev == null):
                os.fchown(number, uid, -1)


def _io_priority(asked: IoPriority | None, where: str) -> tuple[int, int] | None:
    if asked is None:
        return None
    if asked.class_ not in _IO_CLASSES or not 0 <= asked.priority <= 7:
        raise SpecError(
            f"{where}.ioPriority: expected a class of {', '.join(_IO_CLASSES)} and a priority from 0 to 7, "
            f"found {asked.class_!r} and {asked.priority}"
        )
    return _IO_CLASSES[asked.class_], asked.priority


def _amount(value: int) -> int:
    return resource.RLIM_INFINITY if value == (1 << 64) - 1 else value
