"""Processes: zombies that nobody reaps, tasks stuck in the kernel, executables deleted on disk, descriptors running out.

*Source:* proc_pid_stat(5), proc_pid_exe(5), proc_pid_limits(5), wait(2).
"""

from collections.abc import Callable, Iterator

from ctrscope.findings.subjects import container_subject, running
from ctrscope.model.container import Container, ContainerStatus, Evidence
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.observed import Observed, ObservedProcess
from ctrscope.model.quoting import quote
from ctrscope.model.thresholds import Thresholds

_DELETED = " (deleted)"
_QUOTED = 8  # processes named as evidence


def zombies(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """Zombies that were there at both looks, by the parent that does not wait for them."""
    for container, processes in _containers(observed):
        parents: dict[int, list[ObservedProcess]] = {}
        for process in processes:
            if process.state == "Z" and process.has_lasted:
                parents.setdefault(process.ppid, []).append(process)
        for ppid, found in parents.items():
            if len(found) < thresholds.zombies:
                continue
            is_init = ppid == container.pid
            comm = next((process.comm for process in processes if process.pid == ppid), "a process outside")
            who = f"PID 1 of it, {comm} {ppid}," if is_init else f"{comm} {ppid}"
            yield Finding(
                rule="health/zombies",
                severity=Severity.MEDIUM if is_init else Severity.LOW,
                subject=container_subject(container),
                title=f"{_count(found, 'zombie')} that {who} does not reap",
                evidence=_evidence(found, lambda process: f"state Z, parent {process.ppid}: {process.comm}"),
                remedy="start it with an init that reaps (docker run --init, podman run --init, tini)"
                if is_init
                else f"a bug of {comm}, which does not wait(2) for its children: they stay until it ends",
                references=("https://man7.org/linux/man-pages/man2/wait.2.html",),
            )


def stuck(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """In state D at both looks without having run in between: no signal reaches them."""
    for container, processes in _containers(observed):
        # The freezer holds what it froze in state D.
        if container.status is ContainerStatus.PAUSED:
            continue
        found = [process for process in processes if process.state == "D" and process.has_lasted]
        if not found:
            continue
        within = f" for {observed.seconds:.1f} s at least" if observed.seconds else ""
        yield Finding(
            rule="health/stuck",
            severity=Severity.HIGH,
            subject=container_subject(container),
            title=f"{_count(found, 'process')} in uninterruptible sleep{within}: {_names(found)}",
            evidence=_evidence(found, lambda process: f"state D, did not run in between: {process.comm}"),
            remedy=f"see what it waits for in /proc/{found[0].pid}/stack, often a dead disk or NFS server; SIGKILL waits too",
            references=("https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html",),
        )


def deleted_executables(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """Running from a file that is not there any more: replaced by an update, or removed."""
    for container, processes in _containers(observed):
        files: dict[str, list[ObservedProcess]] = {}
        for process in processes:
            path = process.executable
            # A memfd never was on disk.
            if path is not None and path.endswith(_DELETED) and not path.startswith("/memfd:"):
                files.setdefault(path.removesuffix(_DELETED), []).append(process)
        for path, found in files.items():
            yield Finding(
                rule="health/executable-deleted",
                severity=Severity.LOW,
                subject=container_subject(container),
                title=f"{_count(found, 'process')} of {path}, which is deleted on disk",
                evidence=tuple(
                    Evidence(source=f"/proc/{process.pid}/exe", value=process.executable or "") for process in found[:_QUOTED]
                ),
                remedy="restart it: what runs is not what is installed, an old version or a program somebody removed",
                references=("https://man7.org/linux/man-pages/man5/proc_pid_exe.5.html",),
            )


def descriptors(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """Open files near RLIMIT_NOFILE, where open, accept and pipe fail with EMFILE."""
    for container, processes in _containers(observed):
        for process in processes:
            opened, limit = process.open_files, process.open_files_limit
            if (
                opened is None
                or not isinstance(limit, int)
                or limit <= 0
                or 100 * opened / limit < thresholds.descriptors_percent
            ):
                continue
            is_full = opened >= limit
            yield Finding(
                rule="health/descriptors-near-limit",
                severity=Severity.CRITICAL if is_full else Severity.HIGH,
                subject=container_subject(container),
                title=f"{process.comm} {process.pid} has {opened} of {limit} descriptors open"
                + (": it cannot open another" if is_full else ""),
                evidence=(
                    Evidence(source=f"/proc/{process.pid}/fd", value=f"{opened} entries"),
                    Evidence(source=f"/proc/{process.pid}/limits", value=f"Max open files {limit} (soft)"),
                ),
                remedy=f"see what is open (ls -l /proc/{process.pid}/fd): if it leaks, restart it; if not, raise the limit "
                f"(prlimit --pid {process.pid} --nofile=N)",
                references=("https://man7.org/linux/man-pages/man2/getrlimit.2.html",),
            )


def outside_of_its_cgroup(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """In namespaces of the container and not in its cgroup: no limit of the container holds them."""
    for container, processes in _containers(observed):
        if found := [process for process in processes if process.is_outside_cgroup]:
            yield Finding(
                rule="health/outside-cgroup",
                severity=Severity.LOW,
                subject=container_subject(container),
                title=f"{_count(found, 'process')} in it and not in its cgroup, held by none of its limits: {_names(found)}",
                evidence=tuple(
                    Evidence(source=f"/proc/{process.pid}/cgroup", value="not the container's, nor below it")
                    for process in found[:_QUOTED]
                ),
                remedy="on purpose when somebody debugs it (nsenter, ctrscope attach); if not, find out who started it "
                f"(ctrscope tree {quote(container.name)})",
                references=("https://man7.org/linux/man-pages/man7/cgroups.7.html",),
            )


def outside_of_its_namespaces(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """In its cgroup, hence counted as its usage, and in another's namespaces."""
    for container, processes in _containers(observed):
        if found := [process for process in processes if process.outside and not process.is_outside_cgroup]:
            yield Finding(
                rule="health/outside-namespaces",
                severity=Severity.LOW,
                subject=container_subject(container),
                title=f"{_count(found, 'process')} in its cgroup and not in all of its namespaces: {_names(found)}",
                evidence=tuple(
                    Evidence(source=f"/proc/{process.pid}/ns", value=f"not in its {' '.join(process.outside or ())}")
                    for process in found[:_QUOTED]
                ),
                remedy="its usage counts as the container's; if nobody debugs it, find out who put it there "
                f"(ctrscope tree {quote(container.name)})",
                references=("https://man7.org/linux/man-pages/man7/namespaces.7.html",),
            )


def _containers(observed: Observed) -> Iterator[tuple[Container, tuple[ObservedProcess, ...]]]:
    return ((container, observed.processes.get(container.key, ())) for container in running(observed))


def _evidence(found: list[ObservedProcess], value: Callable[[ObservedProcess], str]) -> tuple[Evidence, ...]:
    return tuple(Evidence(source=f"/proc/{process.pid}/stat", value=value(process)) for process in found[:_QUOTED])


def _count(found: list[ObservedProcess], noun: str) -> str:
    return f"{len(found)} {noun}" if len(found) == 1 else f"{len(found)} {noun}{'es' if noun.endswith('s') else 's'}"


def _names(found: list[ObservedProcess]) -> str:
    more = ", …" if len(found) > _QUOTED else ""
    return ", ".join(f"{process.comm} {process.pid}" for process in found[:_QUOTED]) + more
