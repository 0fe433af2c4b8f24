"""Decide how to enter a container, or say why it cannot be entered. Nothing is changed here.

*Source:* /proc/PID/{stat,ns,cgroup,status,uid_map,gid_map,environ,attr}, and passwd(5) and the shells inside its root.
*Shape:* ``plan_attach`` reads; the functions below it are pure and decide one thing each.
"""

import os
import stat
from collections.abc import Mapping, Sequence

from ctrscope.attach.credentials import (
    Credentials,
    PasswdEntry,
    credentials_of,
    id_exists_inside,
    id_inside,
    parse_passwd,
)
from ctrscope.model.container import Container, ContainerStatus
from ctrscope.model.gap import ParseError
from ctrscope.model.namespace import IdMapLine, NamespaceSet, NamespaceType
from ctrscope.model.value import Value
from ctrscope.probes.cgroupfs import CgroupLayout, read_frozen, read_layout
from ctrscope.probes.hostfs import HostFs, ProcDir
from ctrscope.probes.proc_pid_cgroup import parse_cgroup, read_cgroup
from ctrscope.probes.proc_pid_ns import read_namespaces, read_namespaces_of
from ctrscope.probes.proc_pid_stat import parse_stat
from ctrscope.probes.proc_pid_status import CapabilityMasks, parse_status, read_status
from ctrscope.probes.proc_pid_uid_map import parse_id_map

#: Shells in the order in which they are tried inside; the arguments after the first are for busybox.
SHELLS = (
    ("/bin/bash",),
    ("/usr/bin/bash",),
    ("/bin/sh",),
    ("/usr/bin/sh",),
    ("/bin/ash",),
    ("/bin/busybox", "sh"),
    ("/run/current-system/sw/bin/bash",),
)
#: As execvp(3) and every engine have it when the environment names none.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: mnt comes last so that every error before it is still about the host's files; user is placed by ``enter``, pid takes a fork.
_ORDER = ("user", "pid", "ipc", "uts", "net", "time", "cgroup", "mnt")
_CAP_SYS_CHROOT, _CAP_SYS_ADMIN = 1 << 18, 1 << 21
_PASSWD_LIMIT = 1024 * 1024


class CannotAttach(Exception):  # noqa: N818 -- it reads as what happened
    """A container cannot be entered, or the command cannot be run in it: what happened, to what, and what to do.

    *status* is the exit status: 125 ctrscope failed, 126 the command cannot be executed, 127 it was not found.
    """

    def __init__(self, message: str, status: int = 125) -> None:
        super().__init__(message)
        self.status = status


class AttachRequest(Value, frozen=True, kw_only=True):
    """What the user asked for."""

    argv: tuple[str, ...] = ()  # empty: a shell
    uid: int | None = None  # inside; None: as init
    gid: int | None = None  # inside; None: as init, or the group of *uid* in the container's passwd
    workdir: str | None = None  # inside; None: as init
    environment: Mapping[str, str] = {}  # on top of init's
    privileged: bool = False  # keep our capabilities, no confinement
    namespaces: tuple[NamespaceType, ...] = ()  # empty: all


class AttachPlan(Value, frozen=True, kw_only=True):
    """How to enter: everything that ``enter`` needs, in the order in which it happens."""

    name: str  # of the container, for messages
    pid: int  # of init
    starttime_ticks: int  # of init: a reused PID is never entered
    cgroups: tuple[str, ...]  # directories of cgroupfs to become a member of
    label: tuple[str, str] | None  # file below /proc/self and what to write: the AppArmor or SELinux label of init
    namespaces: tuple[NamespaceType, ...]  # to join
    root: bool  # take init's root and working directory
    credentials: Credentials | None  # None: keep ours
    workdir: str | None
    environment: Mapping[str, str]
    argv: tuple[str, ...]


class Ourselves(Value, frozen=True, kw_only=True):
    """What we are before entering."""

    namespaces: NamespaceSet
    cgroups: Mapping[str, str]
    effective: int  # capabilities, as a mask
    environment: Mapping[str, str]


def plan_attach(host: HostFs, container: Container, request: AttachRequest) -> AttachPlan:
    """Decide how to enter *container*. Errors: CannotAttach."""
    name, pid = container.name, container.pid
    if host.root != "/":
        raise CannotAttach(f"cannot attach to {name}: --root {host.root} is not the running host; run ctrscope on that host")
    if pid is None or container.status not in (ContainerStatus.RUNNING, ContainerStatus.PAUSED):
        raise CannotAttach(f"cannot attach to {name}: it is {container.status}, not running; start it first")
    layout = read_layout(host)
    frozen = container.status is ContainerStatus.PAUSED
    if layout is not None and container.cgroup is not None:
        frozen = frozen or bool(read_frozen(host, layout, container.cgroup))
    if frozen:
        # Entering a frozen cgroup freezes who enters.
        raise CannotAttach(f"cannot attach to {name}: it is paused, and a command in it would hang; unpause it first")
    try:
        with host.process(pid) as process:
            return _plan(host, name, pid, container.starttime_ticks, process, layout, request)
    except PermissionError as error:
        raise CannotAttach(
            f"cannot attach to {name}: not permitted to look at process {pid} ({error.strerror}: {error.filename}); "
            "run ctrscope as root (CAP_SYS_PTRACE), or as the user whose container it is"
        ) from error
    except (FileNotFoundError, ProcessLookupError):
        raise CannotAttach(f"cannot attach to {name}: its process {pid} ended meanwhile") from None
    except (OSError, ParseError) as error:
        raise CannotAttach(f"cannot attach to {name}: process {pid}: {error}") from error


def _plan(
    host: HostFs,
    name: str,
    pid: int,
    starttime_ticks: int | None,
    process: ProcDir,
    layout: CgroupLayout | None,
    request: AttachRequest,
) -> AttachPlan:
    ours = read_ourselves(host)
    found = parse_stat(process.read("stat"))
    if found.state in "ZX" or starttime_ticks not in (None, found.starttime_ticks):
        raise CannotAttach(f"cannot attach to {name}: its process {pid} ended meanwhile")
    namespaces = choose_namespaces(ours.namespaces, read_namespaces_of(process), request.namespaces)
    check_privileges(name, namespaces, ours.effective)

    # Without the container's mounts the command is one of the host's own, looking at some of the container's namespaces:
    # then it keeps our root, environment and cgroup.
    whole = not request.namespaces or NamespaceType.MNT in request.namespaces
    inside = HostFs(f"/proc/{pid}/root") if whole else host
    credentials, passwd = None, None
    if whole or NamespaceType.USER in namespaces:
        uid_map, gid_map = (parse_id_map(process.read(file)) for file in ("uid_map", "gid_map"))
        init = credentials_of(parse_status(process.read("status")))
        if NamespaceType.USER in namespaces:
            init = translate(init, uid_map, gid_map)
        uid = request.uid if request.uid is not None else 0 if request.privileged else init.uid
        passwd = read_passwd(inside, uid)
        credentials = choose_credentials(init, request, passwd)
        if NamespaceType.USER in namespaces and not (
            id_exists_inside(uid_map, credentials.uid) and id_exists_inside(gid_map, credentials.gid)
        ):
            raise CannotAttach(
                f"cannot attach to {name}: uid {credentials.uid} or gid {credentials.gid} does not exist in its user "
                f"namespace; choose one that /proc/{pid}/uid_map and gid_map have"
            )
    environment = choose_environment(read_environment(process) if whole else None, ours.environment, request, passwd)
    return AttachPlan(
        name=name,
        pid=pid,
        starttime_ticks=found.starttime_ticks,
        cgroups=choose_cgroups(layout, ours.cgroups, parse_cgroup(process.read("cgroup"))) if whole and layout else (),
        label=None if request.privileged or not whole else read_label(process),
        namespaces=namespaces,
        root=whole,
        credentials=credentials,
        workdir=request.workdir,
        environment=environment,
        argv=request.argv or find_shell(inside, name),
    )


def read_ourselves(host: HostFs) -> Ourselves:
    """Read what we are. Errors: OSError, ParseError."""
    pid = os.getpid()
    capabilities = read_status(host, pid).capabilities
    return Ourselves(
        namespaces=read_namespaces(host, pid),
        cgroups=read_cgroup(host, pid),
        effective=capabilities.effective,
        environment=dict(os.environ),
    )


def read_environment(process: ProcDir) -> Mapping[str, str]:
    """Environment that init was started with (proc_pid_environ(5)); empty when it was overwritten or is not readable."""
    try:
        text = process.read("environ")
    except OSError:
        return {}
    pairs = (entry.decode("utf-8", "surrogateescape").partition("=") for entry in text.split(b"\0"))
    return {key: value for key, equals, value in pairs if key and equals}


def read_label(process: ProcDir) -> tuple[str, str] | None:
    """The AppArmor or SELinux label of init and where to write it; None when none is active or it is unconfined.

    Errors of reading mean that there is no such module: EINVAL from attr/current, ENOENT below attr/apparmor (since 5.8).
    """
    for directory in ("attr/apparmor", "attr"):
        try:
            text = process.read(f"{directory}/current")
        except OSError:
            continue
        return choose_label(text, directory)
    return None


def read_passwd(inside: HostFs, uid: int) -> PasswdEntry | None:
    """Entry of the container's own /etc/passwd; None when there is none."""
    try:
        return parse_passwd(inside.read("/etc/passwd", limit=_PASSWD_LIMIT), uid)
    except OSError:
        return None


def find_shell(inside: HostFs, name: str) -> tuple[str, ...]:
    """The first of ``SHELLS`` that is an executable file inside. Errors: CannotAttach."""
    for shell in SHELLS:
        try:
            found = inside.stat(shell[0])
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode) and found.st_mode & 0o111:
            return shell
    raise CannotAttach(
        f"there is no shell inside {name}; name a program that is there (ctrscope attach {name} -- CMD), "
        f"or bring the host's own (ctrscope attach {name} --namespaces net,pid,ipc,uts)",
        127,
    )


def choose_namespaces(ours: NamespaceSet, theirs: NamespaceSet, wanted: Sequence[NamespaceType]) -> tuple[NamespaceType, ...]:
    """Namespaces to join, in order: those that differ from ours, of those that are wanted (empty: all)."""
    differing = theirs.differs_from(ours)
    return tuple(type_ for name in _ORDER if (type_ := NamespaceType(name)) in differing and (not wanted or type_ in wanted))


def check_privileges(name: str, namespaces: Sequence[NamespaceType], effective: int) -> None:
    """Refuse what the kernel is going to refuse, while it can still be explained. Errors: CannotAttach.

    In a user namespace that we enter we have every capability if the kernel lets us in at all: only it can tell.
    """
    if NamespaceType.USER in namespaces:
        return
    needed = {"CAP_SYS_ADMIN": _CAP_SYS_ADMIN, "CAP_SYS_CHROOT": _CAP_SYS_CHROOT}
    missing = [capability for capability, bit in needed.items() if not effective & bit]
    if missing:
        raise CannotAttach(f"cannot attach to {name}: not permitted, needs {' and '.join(missing)}; run ctrscope as root")


def choose_cgroups(layout: CgroupLayout, ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, ...]:
    """Directories of the cgroups that init is in and we are not, one for each hierarchy.

    Init's own cgroup is a leaf or holds no controllers, so the rule against inner processes (cgroups(7)) never bites.
    """
    if layout.version == "v2":
        theirs = {"": theirs.get("", "/")}
    directories = {
        layout.mounts[controller] + path.rstrip("/"): None
        for controller, path in theirs.items()
        if controller in layout.mounts and ours.get(controller) != path
    }
    return tuple(directories)


def translate(init: Credentials, uid_map: Sequence[IdMapLine], gid_map: Sequence[IdMapLine]) -> Credentials:
    """Ids of init as they are inside its user namespace. An id that is not mapped is 0; such a group is left out."""
    return Credentials(
        uid=id_inside(uid_map, init.uid) or 0,
        gid=id_inside(gid_map, init.gid) or 0,
        groups=tuple(inside for group in init.groups if (inside := id_inside(gid_map, group)) is not None),
        capabilities=init.capabilities,
        no_new_privs=init.no_new_privs,
    )


def choose_credentials(init: Credentials, request: AttachRequest, passwd: PasswdEntry | None) -> Credentials:
    """Who the command runs as: init, unless the request says otherwise.

    Another user gets what the container could give to a process of that user: root the bounding set, others nothing.
    """
    other = request.uid is not None or request.privileged
    uid = request.uid if request.uid is not None else 0 if other else init.uid
    gid = request.gid if request.gid is not None else (passwd.gid if passwd else 0) if other else init.gid
    capabilities = init.capabilities
    if request.privileged:
        capabilities = None
    elif capabilities is not None and uid != init.uid:
        given = capabilities.bounding if uid == 0 else 0
        capabilities = CapabilityMasks(
            effective=given, permitted=given, inheritable=0, bounding=capabilities.bounding, ambient=0
        )
    return Credentials(
        uid=uid,
        gid=gid,
        groups=() if other or request.gid is not None else init.groups,
        capabilities=capabilities,
        no_new_privs=init.no_new_privs and not request.privileged,
    )


def choose_environment(
    init: Mapping[str, str] | None, ours: Mapping[str, str], request: AttachRequest, passwd: PasswdEntry | None
) -> Mapping[str, str]:
    """Init's environment with our TERM, a PATH and a HOME; None for *init* keeps ours. The request comes last."""
    if init is None:
        return {**ours, **request.environment}
    environment = {"PATH": DEFAULT_PATH, **init}
    environment.pop("TERM", None)
    if "TERM" in ours:
        environment["TERM"] = ours["TERM"]
    if request.uid is not None or request.privileged or "HOME" not in init:
        environment["HOME"] = passwd.home if passwd else "/"
    return {**environment, **request.environment}


def choose_label(text: bytes, directory: str) -> tuple[str, str] | None:
    """What to write where so that the next exec gets the label in *text*, the content of ``current`` in *directory*.

    AppArmor says ``docker-default (enforce)``, SELinux ``system_u:system_r:container_t:s0:c1,c2`` and NUL.
    """
    label = text.decode("utf-8", "surrogateescape").rstrip("\0\n")
    profile, bracket, _ = label.rpartition(" (")
    if bracket:
        return f"{directory}/exec", f"exec {profile}"
    if directory == "attr" and label.count(":") >= 3:
        return f"{directory}/exec", label
    return None
