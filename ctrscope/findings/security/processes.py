"""Processes that are not what the container was started as.

*Source:* proc_pid_status(5), proc_pid_exe(5), memfd_create(2).
"""

from collections.abc import Iterator

from ctrscope.findings.security.rule import Defect, Rule, cis, nist
from ctrscope.model.audited import Audited, AuditedProcess
from ctrscope.model.container import Evidence
from ctrscope.model.finding import Severity

_DELETED = " (deleted)"
#: Where programs are put by those who may write nowhere else.
_TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/")  # noqa: S108 -- compared with


def more_rights(audited: Audited) -> Iterator[Defect]:
    """Compared with init: what came in later, or gained rights."""
    processes = audited.processes or ()
    init = next((one for one in processes if one.pid == audited.container.pid), None)
    if init is None:
        return
    for one in processes:
        gained = _gained(one, init)
        if gained:
            how = "came in from outside" if one.has_joined else "was started inside"
            yield Defect(
                f"{one.comm} ({one.pid}) {how} and has more rights than init: {', '.join(gained)}",
                (
                    Evidence(source=f"/proc/{one.pid}/status", value="; ".join(gained)),
                    Evidence(
                        source=f"/proc/{init.pid}/status", value=f"init: uid {init.uid}, {len(init.effective)} capabilities"
                    ),
                ),
            )


def _gained(one: AuditedProcess, init: AuditedProcess) -> list[str]:
    if one.pid == init.pid or one.user is None or one.user != init.user:
        return []  # in a user namespace of its own it has every capability, for that one only
    more = sorted(set(one.effective) - set(init.effective))
    found = [f"{', '.join(more[:4])}{' and others' if len(more) > 4 else ''}"] if more else []
    if one.seccomp == "disabled" and init.seccomp in ("filter", "strict"):
        found.append("no seccomp filter")
    if one.has_joined and one.no_new_privs is False and init.no_new_privs:
        found.append("no no_new_privs")
    if one.uid == 0 and init.uid != 0:
        found.append("uid 0")
    return found


def visitors(audited: Audited) -> Iterator[Defect]:
    """In its cgroup, so that engines count them as its own, and elsewhere by their namespaces."""
    for one in audited.processes or ():
        if one.outside:
            types = ", ".join(one.outside)
            yield Defect(
                f"{one.comm} ({one.pid}) is counted as its own, and is in the host's {types} namespace",
                (Evidence(source=f"/proc/{one.pid}/ns", value=f"{types}: the host's"),),
            )


def deleted(audited: Audited) -> Iterator[Defect]:
    """The file is gone: replaced by an update, or removed to hide it."""
    found = [one for one in audited.processes or () if (one.executable or "").endswith(_DELETED) and not _is_memfd(one)]
    if found:
        first = found[0]
        yield Defect(
            f"{first.comm} ({first.pid}) runs a program whose file is gone"
            + (f", and {len(found) - 1} more" if len(found) > 1 else ""),
            tuple(Evidence(source=f"/proc/{one.pid}/exe", value=one.executable or "") for one in found[:4]),
        )


def temporary(audited: Audited) -> Iterator[Defect]:
    """A program that was brought along."""
    for one in audited.processes or ():
        path = one.executable or ""
        if _is_memfd(one):
            where = "memory: no file system ever had it"
        elif path.startswith(_TEMPORARY):
            where = path
        else:
            continue
        # runc and crun run from a sealed copy of themselves while they start a container.
        if one.comm.startswith(("runc", "crun", "exe")):
            continue
        yield Defect(f"{one.comm} ({one.pid}) runs from {where}", (Evidence(source=f"/proc/{one.pid}/exe", value=path),))


def host_directories(audited: Audited) -> Iterator[Defect]:
    """Left open by whoever started the process: from there ``..`` leads through the host's files."""
    for one in audited.host_directories or ():
        what = {"cwd": "its working directory", "root": "its root directory"}.get(one.link, f"descriptor {one.link[3:]}")
        yield Defect(
            f"{one.comm} ({one.pid}) holds a directory of the host, {what}: {one.path}",
            (
                Evidence(
                    source=f"/proc/{one.pid}/{one.link}",
                    value=f"{one.path}, on the mount that the host has at {one.mount_point}",
                ),
            ),
        )


def _is_memfd(process: AuditedProcess) -> bool:
    return (process.executable or "").startswith("/memfd:")


_P = ("processes",)
RULES = (
    Rule(
        "security/leaked-directory",
        Severity.HIGH,
        "A directory that was opened outside leads out of the container, past its mounts.",
        ("host_directories",),
        host_directories,
        "update the runtime, and restart the container; no --preserve-fds with a directory",
        ("CVE-2024-21626", nist("4.4.1")),
    ),
    Rule(
        "security/more-rights-than-init",
        Severity.MEDIUM,
        "A process has what the container was not given.",
        _P,
        more_rights,
        "if nobody you know opened it, look at it (ctrscope tree ID); exec without --privileged and without --user root",
        (cis("23"), cis("24")),
    ),
    Rule(
        "security/process-outside",
        Severity.MEDIUM,
        "It is not isolated, and looks as if it were.",
        _P,
        visitors,
        "find out who started it: ctrscope tree ID",
        ("namespaces(7)",),
    ),
    Rule(
        "security/deleted-executable",
        Severity.LOW,
        "What runs is in no file any more.",
        _P,
        deleted,
        "restart the container; if no update was made, keep /proc/PID/exe for whoever investigates",
        (nist("4.4.4"),),
    ),
    Rule(
        "security/temporary-executable",
        Severity.HIGH,
        "A program from a temporary directory or from memory was brought along.",
        _P,
        temporary,
        "keep /proc/PID/exe for whoever investigates; mount temporary directories noexec",
        (nist("4.4.4"), "memfd_create(2)"),
    ),
)
