"""Everything that ``audit`` judges: the host once, then each container.

Nothing is looked at twice and nothing is waited for. Of a container that does not run, what its bundle or its engine's file
asks for stands for what the kernel would say.
*Cost:* some 25 small reads a container and 4 a process.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from ctrscope.discovery.audit_asked import AskedReader
from ctrscope.discovery.audit_host import HostFacts, read_audited_host
from ctrscope.discovery.audit_inside import find_audited_devices, find_host_directories, find_setuid_programs
from ctrscope.discovery.audit_network import read_route_localnet
from ctrscope.discovery.audit_secrets import find_credentials, find_passwords
from ctrscope.discovery.confinement import find_masked_paths, find_readonly_paths
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.secrets import MASK, looks_secret
from ctrscope.model.audited import Audited, AuditedHost, AuditedProcess, HeldDirectory, Specified
from ctrscope.model.container import Container
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reading, Reason, gap_of
from ctrscope.model.mount import Mount
from ctrscope.model.namespace import NamespaceSet, NamespaceType
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.capability_names import capability_names
from ctrscope.probes.cgroupfs import CgroupLayout, read_layout
from ctrscope.probes.hostfs import HostFs, ProcDir
from ctrscope.probes.proc_pid_attr import read_label
from ctrscope.probes.proc_pid_environ import parse_environ, read_environ
from ctrscope.probes.proc_pid_mountinfo import find_unanswering, read_mountinfo, seen_mounts
from ctrscope.probes.proc_pid_ns import read_namespaces_of
from ctrscope.probes.proc_pid_stat import parse_stat
from ctrscope.probes.proc_pid_status import Status, parse_status, read_status
from ctrscope.probes.proc_pid_uid_map import read_id_map
from ctrscope.probes.process_table import parse_cmdline

T = TypeVar("T")

#: What the snapshot that is handed in has to be made with.
PLAN = Plan(namespaces=True, addresses=False, stats=True, stopped=True)
#: Facts that only a running container has.
_KERNEL_ONLY = (
    "ambient", "label", "devices", "processes", "secrets", "setuid_programs", "limits", "host_directories", "route_localnet",
    "credentials", "passwords",
)  # fmt: skip


class Audit(msgspec.Struct, frozen=True, eq=False):
    """All that was gathered."""

    host: AuditedHost
    containers: tuple[Audited, ...]


def gather(hostfs: HostFs, snapshot: Snapshot, *, keys: Iterable[str] | None = None) -> Reading[Audit]:
    """Look at the host and at every container, or at those of *keys*. Shape: the value is never None."""
    facts = read_audited_host(hostfs, snapshot)
    layout = read_layout(hostfs)
    wanted = None if keys is None else frozenset(keys)
    chosen = [one for one in snapshot.containers if wanted is None or one.key in wanted]
    localnet = read_route_localnet(hostfs, chosen, facts.host.namespaces.net)
    reader = AskedReader(hostfs)
    containers = tuple(_Gatherer(hostfs, facts, layout, snapshot, one, reader).gather(localnet) for one in chosen)
    return Reading(Audit(facts.host, containers), facts.gaps)


class _Gatherer:
    """Collects facts, sources and gaps of one container."""

    def __init__(
        self,
        hostfs: HostFs,
        facts: HostFacts,
        layout: CgroupLayout | None,
        snapshot: Snapshot,
        container: Container,
        reader: AskedReader,
    ) -> None:
        self._reader = reader
        self._hostfs, self._facts, self._layout, self._snapshot, self._container = hostfs, facts, layout, snapshot, container
        self._owner = container.owner_uid or None
        self._gaps: list[Gap] = []
        self._sources: dict[str, str] = {}
        self._inapplicable: set[str] = set()
        self._environments: dict[bytes, tuple[str, ...]] = {}  # environment → names of what looks secret in it

    def gather(self, localnet: Mapping[int, tuple[str, ...] | Exception]) -> Audited:
        container = self._container
        found: dict[str, Any] = {}
        options, specified, gaps = self._reader.read(container)
        self._gaps += gaps
        if container.pid is None:
            found |= self._from_specified(specified)
        elif container.sandbox is not None:
            fields = tuple(name for name in Audited.__struct_fields__[6:] if name not in ("specified", "options"))
            self._gap(
                f"/proc/{container.pid}", Reason.UNSUPPORTED, f"the workload runs on {container.sandbox}'s own kernel", *fields
            )
        else:
            found |= self._from_kernel(container.pid)
            found |= self._take_localnet(localnet)
        unread = {field for gap in self._gaps for field in gap.fields}
        self._inapplicable.update(
            name for name, value in (("specified", specified), ("options", options)) if value is None and name not in unread
        )
        return Audited(
            container=container,
            host=self._facts.host,
            sources=self._sources,
            gaps=tuple(self._gaps),
            inapplicable=tuple(sorted(self._inapplicable)),
            specified=specified,
            options=options,
            **found,
        )

    def _from_specified(self, asked: Specified | None) -> dict[str, Any]:
        """What one that does not run would be."""
        if self._facts.host.is_live:
            self._inapplicable.update(_KERNEL_ONLY)
        else:
            self._gap("/proc", Reason.UNAVAILABLE, "no /proc of a running host below this root", *_KERNEL_ONLY)
        if asked is None:
            fields = (*_ASKED, "uid", "seccomp", "host_namespaces", "has_whole_proc", "has_user_namespace")
            if self._facts.host.is_live:
                self._inapplicable.update(fields)
            else:
                self._gap(
                    "config.json", Reason.UNAVAILABLE, "no /proc here, and neither bundle nor engine's file says it", *fields
                )
            return {}
        kinds = (*(asked.own_namespaces or ()), *asked.joined_namespaces)
        found: dict[str, Any] = {name: getattr(asked, name) for name in _ASKED}
        found |= {
            "uid": asked.uid,
            "seccomp": None if asked.seccomp is None else "filter" if asked.seccomp else "disabled",
            "host_namespaces": None
            if asked.own_namespaces is None
            else tuple(type_ for type_ in NamespaceType if type_ not in kinds and type_ is not NamespaceType.TIME),
            "has_user_namespace": None if asked.own_namespaces is None else NamespaceType.USER in kinds,
            "has_whole_proc": None,
        }
        if asked.privileged and found["capabilities"] is None:
            found["capabilities"] = self._facts.host.capabilities or capability_names((1 << 41) - 1)
        for name, value in found.items():
            if value is None:
                self._inapplicable.add(name)
            else:
                self._sources[name] = asked.source
        return found

    def _from_kernel(self, pid: int) -> dict[str, Any]:
        hostfs, host = self._hostfs, self._facts.host
        found: dict[str, Any] = {}
        status: Status | None = self._attempt(
            lambda: read_status(hostfs, pid), f"/proc/{pid}/status", "uid", "capabilities", "ambient", "seccomp", "no_new_privs"
        )
        if status is not None:
            named = status.capabilities.named()
            found |= {"uid": status.uid, "capabilities": named.effective, "ambient": named.ambient}
            found |= {"seccomp": status.seccomp, "no_new_privs": status.no_new_privs}
        label = self._attempt(lambda: read_label(hostfs, pid), f"/proc/{pid}/attr/current", "label")
        found["label"] = None if label is None else label.apparmor or label.selinux or ""
        found |= self._read_namespaces(pid)
        mounts = self._attempt(
            lambda: read_mountinfo(hostfs, pid),
            f"/proc/{pid}/mountinfo",
            *("mounts", "masked_paths", "readonly_paths", "has_whole_proc"),
        )
        if mounts is not None:
            found |= self._from_mounts(mounts)
        found |= self._read_inside(pid, status, mounts)
        found |= self._read_cgroup()
        found |= self._read_processes(pid)
        environment = self._attempt(lambda: read_environ(hostfs, pid), f"/proc/{pid}/environ", "secrets")
        if environment is not None:
            found["secrets"] = tuple(name for name, value in environment.items() if looks_secret(name, value))
        if host.namespaces.user is None:
            found["has_user_namespace"] = None
        return found

    def _read_namespaces(self, pid: int) -> dict[str, Any]:
        own, hosts, source = self._container.namespaces, self._facts.host.namespaces, f"/proc/{pid}/ns"
        self._sources["host_namespaces"] = source
        if own.mnt is None and own.pid is None:
            self._gap(
                source, Reason.DENIED, "links of its namespaces could not be read", "host_namespaces", needs="CAP_SYS_PTRACE"
            )
            return {}
        shared = tuple(type_ for type_ in NamespaceType if (ino := own.ino(type_)) is not None and ino == hosts.ino(type_))
        maps = self._attempt(lambda: read_id_map(self._hostfs, pid, "uid_map"), f"/proc/{pid}/uid_map", "has_user_namespace")
        # A user namespace that maps root to root confines nothing of what belongs to root.
        maps_root = maps is not None and any(line.outside == 0 for line in maps)
        separate = None if maps is None or own.user is None else NamespaceType.USER not in shared and not maps_root
        return {"host_namespaces": shared, "has_user_namespace": separate}

    def _from_mounts(self, mounts: tuple[Mount, ...]) -> dict[str, Any]:
        mounts = seen_mounts(mounts)
        proc = next((one for one in reversed(mounts) if one.mount_point == "/proc"), None)
        found: dict[str, Any] = {
            "masked_paths": find_masked_paths(mounts),
            "readonly_paths": find_readonly_paths(mounts),
            "has_whole_proc": proc is not None and proc.fs_type == "proc" and proc.root == "/" and "rw" in proc.options,
        }
        if self._facts.paths is None:
            self._gap("/proc/1/mountinfo", Reason.DENIED, "the host's mounts are not known", "mounts", needs="host's /proc")
            return found
        return found | {"mounts": self._facts.paths.audited(mounts)}

    def _read_inside(self, pid: int, status: Status | None, mounts: tuple[Mount, ...] | None) -> dict[str, Any]:
        """Device nodes, and what somebody inside could become root with."""
        found: dict[str, Any] = {}

        def look(field: str, path: str, find: Callable[[HostFs], Any]) -> None:
            self._sources[field] = f"/proc/{pid}/root{path}"
            if mounts is None and "mounts" in self._inapplicable:
                self._inapplicable.add(field)  # it ended
                return
            served = None if mounts is None else find_unanswering(self._hostfs, mounts, path)
            if mounts is None or served is not None:
                detail = f"a FUSE file system at {served} may never answer" if served else "its mounts could not be read"
                self._gap(f"/proc/{pid}/root{path}", Reason.NOT_COLLECTED, detail, field)
                return
            with self._hostfs.inside(pid) as inside:
                found[field] = find(inside)

        def find_setuid(inside: HostFs) -> tuple[str, ...]:
            root = next((line.outside for line in read_id_map(self._hostfs, pid, "uid_map") if line.inside == 0), None)
            return () if root is None else find_setuid_programs(inside, root)

        self._attempt(lambda: look("devices", "/dev", find_audited_devices), f"/proc/{pid}/root/dev", "devices")
        if "devices" in found and found["devices"] is None:
            self._gap(f"/proc/{pid}/root/dev", Reason.TRUNCATED, "more entries than any container needs", "devices")
        points = tuple(mount.mount_point for mount in mounts or ())
        self._attempt(
            lambda: look("credentials", "/root", lambda inside: find_credentials(inside, points)),
            f"/proc/{pid}/root",
            "credentials",
        )
        self._attempt(
            lambda: look("passwords", "/etc/shadow", lambda inside: find_passwords(inside, points)),
            f"/proc/{pid}/root/etc/shadow",
            "passwords",
        )
        if status is None and "uid" in self._inapplicable:
            self._inapplicable.add("setuid_programs")
        elif status is not None and status.no_new_privs:
            found["setuid_programs"] = ()
        elif status is not None:
            source = f"/proc/{pid}/root/usr/bin"
            self._attempt(lambda: look("setuid_programs", "/usr/bin", find_setuid), source, "setuid_programs")
        return found

    def _take_localnet(self, known: Mapping[int, tuple[str, ...] | Exception]) -> dict[str, Any]:
        answer = known.get(self._container.namespaces.net or 0)
        source = "/proc/sys/net/ipv4/conf/*/route_localnet in its network namespace"
        self._sources["route_localnet"] = source
        if isinstance(answer, OSError) and answer.errno in VANISHED:
            self._inapplicable.add("route_localnet")
        elif isinstance(answer, OSError):
            self._gaps.append(gap_of(answer, self._subject, ("route_localnet",), source, "CAP_SYS_ADMIN"))
        elif answer is None or isinstance(answer, Exception):
            reason, needs = (Reason.DENIED, "CAP_SYS_PTRACE") if answer is None else (Reason.MALFORMED, None)
            self._gap(source, reason, str(answer or "its network namespace is not known"), "route_localnet", needs=needs)
        else:
            return {"route_localnet": answer}
        return {}

    def _read_cgroup(self) -> dict[str, Any]:
        container, layout = self._container, self._layout
        limits = self._snapshot.effective.get(container.key)
        source = container.cgroup.path if container.cgroup is not None else "cgroup"
        self._sources["limits"] = f"cgroup {source}"
        if limits is None:
            detail = "it has no cgroup of its own" if not container.has_own_cgroup else "its cgroup could not be read"
            self._gap(f"cgroup {source}", Reason.UNAVAILABLE, detail, "limits")
        directory = None
        if layout is not None and container.cgroup is not None and container.has_own_cgroup and layout.version != "v2":
            directory = layout.directory(container.cgroup, "devices")
        if directory is None:
            is_shared = not container.has_own_cgroup
            detail = (
                "it has no cgroup of its own" if is_shared else "cgroup v2 has a BPF program, which cannot be read as a file"
            )
            self._gap("cgroup devices", Reason.UNAVAILABLE if is_shared else Reason.UNSUPPORTED, detail, "all_devices")
            return {"limits": limits}
        path = f"{directory}/devices.list"
        text = self._attempt(lambda: self._hostfs.read(path), path, "all_devices")
        return {"limits": limits, "all_devices": None if text is None else text.startswith(b"a ")}

    def _read_processes(self, init: int) -> dict[str, Any]:
        found = []
        held: list[HeldDirectory] | None = []
        is_whole = True
        members = frozenset(self._container.pids)
        self._sources |= {"processes": "/proc/PID/status", "host_directories": "/proc/PID/fd"}
        for pid in self._container.pids:
            try:
                with self._hostfs.process(pid) as process:
                    one, namespaces = self._read_process(process, pid == init, members)
                    found.append(one)
                    if held is not None and namespaces is not None:
                        held = self._held(process, one, namespaces, held)
            except (OSError, ParseError) as error:
                if isinstance(error, ParseError) or error.errno not in VANISHED:
                    held, is_whole = None, False
                    fields = ("processes", "host_directories")
                    self._gaps.append(gap_of(error, self._subject, fields, f"/proc/{pid}", "CAP_SYS_PTRACE"))
        # Of some that could be read what is wrong with them is said, whatever the others are.
        return {
            "processes": tuple(found) if found or is_whole else None,
            "host_directories": None if held is None else tuple(held),
        }

    def _held(
        self, process: ProcDir, one: AuditedProcess, namespaces: NamespaceSet, before: list[HeldDirectory]
    ) -> list[HeldDirectory] | None:
        """With what a process holds that is in the container's mount namespace: of one in another it is no leak."""
        own, paths = self._container.namespaces.mnt, self._facts.paths
        if own is None or own == self._facts.host.namespaces.mnt or namespaces.mnt != own:
            return before
        source = f"/proc/{one.pid}/fd"
        if paths is None:
            self._gap("/proc/1/mountinfo", Reason.DENIED, "the host's mounts are not known", "host_directories")
            return None
        try:
            return [*before, *find_host_directories(process, one.pid, one.comm, paths.points)]
        except OSError as error:
            if error.errno in VANISHED:
                return before
            self._gaps.append(gap_of(error, self._subject, ("host_directories",), source, "CAP_SYS_PTRACE"))
            return None

    def _read_process(
        self, process: ProcDir, is_init: bool, members: frozenset[int]
    ) -> tuple[AuditedProcess, NamespaceSet | None]:
        stat_, status = parse_stat(process.read("stat")), parse_status(process.read("status"))
        arguments = parse_cmdline(process.read("cmdline"))
        executable, namespaces = None, None
        if stat_.state not in "ZX":
            executable = process.readlink("exe")
            namespaces = read_namespaces_of(process)
        own, hosts = self._container.namespaces, self._facts.host.namespaces
        audited = AuditedProcess(
            pid=stat_.pid,
            ppid=stat_.ppid,
            comm=stat_.comm,
            uid=status.uid,
            effective=status.capabilities.named().effective,
            seccomp=status.seccomp,
            no_new_privs=status.no_new_privs,
            user=None if namespaces is None else namespaces.user,
            has_joined=not is_init and stat_.ppid not in members,
            outside=()
            if namespaces is None or is_init
            else tuple(type_ for type_ in namespaces.differs_from(own) if namespaces.ino(type_) == hosts.ino(type_)),
            executable=executable,
            secrets=tuple(secret_arguments(arguments)),
            environment=() if is_init or executable is None else self._secret_names(process),
            oom_score_adj=int(process.read("oom_score_adj")) if is_init else None,
        )
        return audited, namespaces

    def _secret_names(self, process: ProcDir) -> tuple[str, ...]:
        """Most processes have the environment of the one that started them."""
        text = process.read("environ")
        if text not in self._environments:
            secret = (name for name, value in parse_environ(text).items() if looks_secret(name, value))
            self._environments[text] = tuple(secret)
        return self._environments[text]

    @property
    def _subject(self) -> str:
        return f"container {self._container.key}"

    def _attempt(self, read: Callable[[], T], source: str, *fields: str) -> T | None:
        """Result of *read*, or None with a Gap; what went away with the container does not apply."""
        self._sources.update(dict.fromkeys(fields, source))
        try:
            return read()
        except (OSError, ParseError) as error:
            if isinstance(error, OSError) and error.errno in VANISHED:
                self._inapplicable.update(fields)
            else:
                self._gaps.append(gap_of(error, self._subject, fields, source, "CAP_SYS_PTRACE"))
        return None

    def _gap(self, source: str, reason: Reason, detail: str, *fields: str, needs: str | None = None) -> None:
        self._gaps.append(Gap(subject=self._subject, fields=fields, source=source, reason=reason, needs=needs, detail=detail))


#: Fields that have the same name in what was asked for.
_ASKED = ("capabilities", "no_new_privs", "mounts", "masked_paths", "readonly_paths", "all_devices")


def secret_arguments(arguments: Iterable[str]) -> Iterable[str]:
    """Arguments that look secret, with the value hidden: ``--password=***``, ``--token ***``."""
    waiting = list(arguments)[1:]
    for index, argument in enumerate(waiting):
        name, equals, value = argument.partition("=")
        if equals:
            if looks_secret(name.lstrip("-"), value):
                yield f"{name}={MASK}"
        elif name.startswith("--") and index + 1 < len(waiting) and not waiting[index + 1].startswith("-"):
            if looks_secret(name.lstrip("-"), waiting[index + 1]):
                yield f"{name} {MASK}"
        elif looks_secret("", argument):
            yield MASK
