"""Decide how to enter a container, or say why it cannot be entered. Nothing is changed here.

*Source:* /proc/PID/{stat,ns,cgroup,status,uid_map,gid_map,environ,attr,limits}, the bundle, and passwd(5) and the shells
inside its root.
*Shape:* ``plan_attach`` reads; the functions below it decide one thing each.
"""

import os
from collections.abc import Mapping, Sequence

from ctrscope.attach.confinement import Confinement
from ctrscope.attach.credentials import (
    Credentials,
    PasswdEntry,
    choose_credentials,
    credentials_of,
    id_exists_inside,
    parse_passwd,
    translate,
)
from ctrscope.attach.environment import choose_environment, read_environment, tools_environment
from ctrscope.attach.request import AttachPlan, AttachRequest, CannotAttach
from ctrscope.attach.session import is_interactive
from ctrscope.attach.shells import find_shell, find_tools_shell
from ctrscope.attach.tools import MOUNT_POINT
from ctrscope.model.container import Container, ContainerStatus
from ctrscope.model.gap import ParseError
from ctrscope.model.namespace import IdMapLine, NamespaceSet, NamespaceType
from ctrscope.model.value import Value
from ctrscope.probes.cgroupfs import CgroupLayout, read_frozen, read_layout
from ctrscope.probes.hostfs import HostFs, ProcDir
from ctrscope.probes.proc_pid_cgroup import parse_cgroup, read_cgroup
from ctrscope.probes.proc_pid_ns import read_namespaces, read_namespaces_of
from ctrscope.probes.proc_pid_stat import parse_stat
from ctrscope.probes.proc_pid_status import Status, parse_status, read_status
from ctrscope.probes.proc_pid_uid_map import parse_id_map

#: What --tools joins: all but the files, and whose they are.
TOOLS = (NamespaceType.NET, NamespaceType.PID, NamespaceType.IPC, NamespaceType.UTS)
#: mnt comes last so that every error before it is still about the host's files; user is placed by ``enter``, pid takes a fork.
_ORDER = ("user", "pid", "ipc", "uts", "net", "time", "cgroup", "mnt")
_CAP_SYS_CHROOT, _CAP_SYS_ADMIN = 1 << 18, 1 << 21
_PASSWD_LIMIT = 1024 * 1024
#: Types of file systems that somebody serves, as they stand in mountinfo.
_SERVED = (b" - fuse.", b" - fuse ", b" - fuseblk ", b" - nfs", b" - cifs ", b" - smb3 ", b" - ceph ", b" - 9p ")


class Ourselves(Value, frozen=True, kw_only=True):
    """What we are before entering."""

    namespaces: NamespaceSet
    cgroups: Mapping[str, str]
    effective: int  # capabilities, as a mask
    environment: Mapping[str, str]


class _Ids(Value, frozen=True, kw_only=True):
    """Who is asked for and who that is inside."""

    uid: int | None
    gid: int | None
    passwd: PasswdEntry | None


def plan_attach(host: HostFs, container: Container, request: AttachRequest) -> AttachPlan:
    """Decide how to enter *container*. Errors: CannotAttach."""
    name, pid = container.name, container.pid
    if host.root != "/":
        raise CannotAttach(f"cannot attach to {name}: --root {host.root} is not the running host; run ctrscope on that host")
    if pid is None or container.status not in (ContainerStatus.RUNNING, ContainerStatus.PAUSED):
        raise CannotAttach(f"cannot attach to {name}: it is {container.status}, not running; start it first")
    layout = read_layout(host)
    if _is_in_cgroup(request) and is_frozen(host, layout, container):
        # Entering a frozen cgroup freezes who enters.
        raise CannotAttach(f"cannot attach to {name}: it is paused, and a command in its cgroup would hang; --thaw wakes it")
    try:
        with host.process(pid) as process:
            return _plan(host, container, process, layout, request)
    except PermissionError as error:
        raise CannotAttach(
            f"cannot attach to {name}: not permitted to look at process {pid} ({error.strerror}: {error.filename}); "
            "run ctrscope as root (CAP_SYS_PTRACE), or as the user whose container it is"
        ) from error
    except (FileNotFoundError, ProcessLookupError):
        raise CannotAttach(f"cannot attach to {name}: its process {pid} ended meanwhile") from None
    except (OSError, ParseError) as error:
        raise CannotAttach(f"cannot attach to {name}: process {pid}: {error}") from error


def is_frozen(host: HostFs, layout: CgroupLayout | None, container: Container) -> bool:
    """Whether nothing in its cgroup runs now."""
    frozen = container.status is ContainerStatus.PAUSED
    if layout is not None and container.cgroup is not None:
        frozen = frozen or bool(read_frozen(host, layout, container.cgroup))
    return frozen


def _plan(
    host: HostFs, container: Container, process: ProcDir, layout: CgroupLayout | None, request: AttachRequest
) -> AttachPlan:
    name, pid = container.name, container.pid
    assert pid is not None
    ours = read_ourselves(host)
    found = parse_stat(process.read("stat"))
    if found.state in "ZX" or container.starttime_ticks not in (None, found.starttime_ticks):
        raise CannotAttach(f"cannot attach to {name}: its process {pid} ended meanwhile")
    namespaces = choose_namespaces(ours.namespaces, read_namespaces_of(process), _wanted(request, ours.effective))
    check_privileges(name, namespaces, ours.effective)

    # Without the container's mounts the command is one of the host's own, looking at some of the container's namespaces.
    root = request.tools is None and (not request.namespaces or NamespaceType.MNT in request.namespaces)
    inside = _files_of(process, pid) if root else host
    status = parse_status(process.read("status"))
    credentials, passwd = None, None
    if root or request.confined or request.user is not None or NamespaceType.USER in namespaces:
        maps = parse_id_map(process.read("uid_map")), parse_id_map(process.read("gid_map"))
        credentials, passwd = _choose_who(name, status, maps, NamespaceType.USER in namespaces, inside, request)
        if NamespaceType.USER in namespaces and not (
            id_exists_inside(maps[0], credentials.uid) and id_exists_inside(maps[1], credentials.gid)
        ):
            raise CannotAttach(
                f"cannot attach to {name}: uid {credentials.uid} or gid {credentials.gid} does not exist in its user "
                f"namespace; choose one that /proc/{pid}/uid_map and gid_map have"
            )
    if request.tools is not None:
        environment = tools_environment(ours.environment, request, MOUNT_POINT)
        shell = request.argv or find_tools_shell(host, request.tools, ours.environment)
    else:
        # A program of the host gets ours: with the container's PATH or LD_PRELOAD it would not be the host's any more.
        theirs = read_environment(process) if root else None
        environment = choose_environment(theirs, ours.environment, request, passwd, is_interactive=is_interactive())
        shell = request.argv or find_shell(inside, name)
    in_cgroup = layout is not None and _is_in_cgroup(request)
    confinement, cwd = Confinement(), None
    if request.confined:
        from ctrscope.attach.confined import read_confined  # the doctor has no use for it

        confinement, cwd = read_confined(host, container, process, status)
    return AttachPlan(
        name=name,
        pid=pid,
        starttime_ticks=found.starttime_ticks,
        cgroups=choose_cgroups(layout, ours.cgroups, parse_cgroup(process.read("cgroup"))) if layout and in_cgroup else (),
        confinement=confinement,
        namespaces=namespaces,
        root=root,
        tools=request.tools is not None,
        credentials=credentials,
        # Where it was started; init may be elsewhere by now.
        workdir=request.workdir or (cwd if root else None),
        environment=environment,
        argv=shell,
    )


def _files_of(process: ProcDir, pid: int) -> HostFs:
    """The container's files. Its root may have mounted what nobody serves over them, and the network of others may be down."""
    mountinfo = process.read("mountinfo")
    if not any(one in mountinfo for one in _SERVED):
        return HostFs(f"/proc/{pid}/root")
    from ctrscope.attach.patience import PatientFs  # few containers have such a file system

    return PatientFs(f"/proc/{pid}/root")


def _is_in_cgroup(request: AttachRequest) -> bool:
    return request.confined if request.cgroup is None else request.cgroup


def _wanted(request: AttachRequest, effective: int) -> Sequence[NamespaceType]:
    if request.tools is None or request.namespaces:
        return request.namespaces
    # An ordinary user may join none of them but from inside the user namespace that owns them.
    return TOOLS if effective & _CAP_SYS_ADMIN else (NamespaceType.USER, *TOOLS)


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


def _choose_who(
    name: str,
    status: Status,
    maps: tuple[Sequence[IdMapLine], Sequence[IdMapLine]],
    in_user_namespace: bool,
    inside: HostFs,
    request: AttachRequest,
) -> tuple[Credentials, PasswdEntry | None]:
    init = credentials_of(status)
    if in_user_namespace:
        init = translate(init, *maps)
    ids = find_ids(name, inside, request.user)
    uid = ids.uid if ids.uid is not None else init.uid if request.confined else 0
    passwd = ids.passwd or read_passwd(inside, uid)
    return choose_credentials(init, confined=request.confined, uid=ids.uid, gid=ids.gid, passwd=passwd), passwd


def find_ids(name: str, inside: HostFs, user: str | None) -> _Ids:
    """Ids of ``UID``, ``UID:GID`` or a name of the container's passwd. Errors: CannotAttach when there is no such name."""
    if user is None:
        return _Ids(uid=None, gid=None, passwd=None)
    first, colon, second = user.partition(":")
    gid = int(second) if colon else None
    if first.isdecimal():
        return _Ids(uid=int(first), gid=gid, passwd=None)
    passwd = read_passwd(inside, first)
    if passwd is None:
        raise CannotAttach(f"cannot attach to {name}: its /etc/passwd has no user {first}; a number always works")
    return _Ids(uid=passwd.uid, gid=gid, passwd=passwd)


def read_passwd(inside: HostFs, user: int | str) -> PasswdEntry | None:
    """Entry of the container's own /etc/passwd; None when there is none."""
    try:
        return parse_passwd(inside.read("/etc/passwd", limit=_PASSWD_LIMIT), user)
    except OSError:
        return None


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
