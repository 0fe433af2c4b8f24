"""What several facts mean together: the ways in which a container is root of its host.

Each way is known to work: it needs nothing but what is listed.
"""

from collections.abc import Iterator

from ctrscope.findings.security.files import engine_socket, of_the_host
from ctrscope.findings.security.rule import (
    PSS_BASELINE,
    Defect,
    Rule,
    acts_on_host,
    cis,
    evidence,
    is_host_root,
    is_privileged,
    nist,
)
from ctrscope.model.audited import Audited
from ctrscope.model.container import Evidence
from ctrscope.model.finding import Severity
from ctrscope.model.namespace import NamespaceType


def ways(audited: Audited) -> Iterator[tuple[str, tuple[Evidence, ...]]]:
    """How it gets there: the facts that make a way, and where they stand."""
    held = set(audited.capabilities or ())
    shared = audited.host_namespaces or ()
    for defect in engine_socket(audited):
        if audited.uid == 0:
            yield "the socket of an engine", defect.evidence
    if not acts_on_host(audited):
        return
    has_pid = NamespaceType.PID in shared
    pid = evidence(audited, "host_namespaces", "pid is the host's")
    if is_privileged(audited):
        all_capabilities = evidence(audited, "capabilities", "every capability")
        if has_pid:
            yield "privileged + host PID namespace (nsenter -t 1)", (all_capabilities, pid)
        else:
            yield "privileged: the host's disks can be mounted", (all_capabilities,)
        return
    if {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE"} <= held and has_pid:
        found = evidence(audited, "capabilities", "CAP_SYS_ADMIN, CAP_SYS_PTRACE")
        yield "CAP_SYS_ADMIN + CAP_SYS_PTRACE + host PID namespace", (found, pid)
    elif "CAP_SYS_PTRACE" in held and has_pid:
        yield "CAP_SYS_PTRACE + host PID namespace", (evidence(audited, "capabilities", "CAP_SYS_PTRACE"), pid)
    if "CAP_SYS_MODULE" in held:
        yield "CAP_SYS_MODULE: a module of its own", (evidence(audited, "capabilities", "CAP_SYS_MODULE"),)
    for mount in of_the_host(audited):
        if mount.host_path == "/" and mount.is_writable and audited.uid == 0:
            shown = f"{mount.host_path} at {mount.mount_point}, writable"
            yield f"the host's / for writing at {mount.mount_point} + root", (evidence(audited, "mounts", shown),)
            break
    old = any(one.fs_type == "cgroup" and one.is_writable and one.root == "/" for one in audited.mounts or ())
    if old and "CAP_SYS_ADMIN" in held:
        yield "CAP_SYS_ADMIN + writable cgroup v1 (release_agent)", (evidence(audited, "mounts", "cgroup v1, rw"),)
    left = next((one for one in audited.host_directories or () if one.mount_point == "/"), None)
    if left is not None and audited.uid == 0:
        yield "a directory of the host left open + root", (Evidence(source=f"/proc/{left.pid}/{left.link}", value=left.path),)
    if any(one.is_block for one in audited.devices or ()) and audited.uid == 0:
        yield "a disk of the host + root", (evidence(audited, "devices", "block devices"),)
    elif audited.all_devices and "CAP_MKNOD" in held:
        yield "every device allowed + CAP_MKNOD", (evidence(audited, "all_devices", "a *:* rwm"),)
    if audited.has_whole_proc and "/proc/sys" not in (audited.readonly_paths or ()) and is_host_root(audited):
        yield "root + writable /proc/sys (kernel.core_pattern)", (evidence(audited, "readonly_paths", "/proc/sys is writable"),)


def host_root(audited: Audited) -> Iterator[Defect]:
    """All ways in one finding."""
    found = list(ways(audited))
    if found:
        shown = tuple(dict.fromkeys(one for _, all_of_it in found for one in all_of_it))
        names = "; ".join(dict.fromkeys(name for name, _ in found))
        yield Defect(f"as good as root on the host: {names}", shown)


RULES = (
    Rule(
        "security/host-root",
        Severity.CRITICAL,
        "Together, these are root on the host.",
        ("capabilities", "host_namespaces", "mounts"),
        host_root,
        "take away one part of each way: the findings beside this one say how",
        (cis("5"), PSS_BASELINE, nist("4.4.3")),
    ),
)
