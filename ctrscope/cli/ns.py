"""``ctrscope ns``: every namespace of the host, who is in it, who owns it, what keeps it alive."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from ctrscope.cli.answer import exit_status, find_or_say, is_blind, print_answer, print_lines, say_gaps
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import ExitStatus
from ctrscope.cli.inspect import ID_HELP
from ctrscope.cli.options import wrong_value
from ctrscope.model.container import Container
from ctrscope.model.namespace import HolderKind, Namespace, NamespaceType
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable
from ctrscope.render.namespaces import DEFAULT_COLUMNS, LSNS_COLUMNS, NAMESPACE_FIELDS, NamespaceRow, format_namespaces
from ctrscope.render.safe import inert, inert_command, shorten

if TYPE_CHECKING:
    import argparse

_EXAMPLES = f"""\
USER has the process with the lowest PID, OWNER is the uid that made the namespace's user namespace, HELD BY is what keeps
a namespace besides the processes in it. Without --deep a thread, a descriptor or a socket may keep it too.

columns for -o: {", ".join(NAMESPACE_FIELDS)};
  lsns stands for those that lsns(8) shows: {", ".join(LSNS_COLUMNS)}

examples:
  ctrscope ns --matrix               containers down, types across: who shares what
  ctrscope ns --type net web         the network namespace of one container, and who else is in it
  ctrscope ns --deep                 also what only a thread, a descriptor or a socket holds
  ctrscope ns -o lsns,nsfs,netnsid
  ctrscope ns --json | jq '.namespaces[] | select(.nprocs == 0) | .held_by'
"""

#: Processes by which a namespace is entered to ask for its number, should the first have ended.
_DOORS = 3


def _columns(text: str) -> tuple[str, ...]:
    names: list[str] = []
    for name in text.lower().replace("_", "-").split(","):
        if name == "lsns":
            names += LSNS_COLUMNS
        elif name in NAMESPACE_FIELDS:
            names.append(name)
        else:
            raise wrong_value(f"no such column: {name}; there are {', '.join(NAMESPACE_FIELDS)}, and lsns")
    return tuple(names)


class Ns:
    """Every namespace."""

    name: ClassVar[str] = "ns"
    help: ClassVar[str] = "every namespace of the host: who is in it, who owns it, what keeps it alive"

    def prepare_parser(self, parser: "argparse.ArgumentParser") -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("id", metavar="ID", nargs="?", help=ID_HELP + "; without it the whole host")
        parser.add_argument(
            "--type", metavar="T", action="append", choices=[str(type_) for type_ in NamespaceType],
            help="only of that type (may be given several times): cgroup ipc mnt net pid time user uts",
        )  # fmt: skip
        parser.add_argument("--deep", action="store_true", help="also look at every thread, descriptor and socket")
        shape = parser.add_mutually_exclusive_group()
        shape.add_argument("--tree", action="store_true", help="each below its owner or parent")
        shape.add_argument("--matrix", action="store_true", help="containers down, types across")
        shape.add_argument("-o", "--output", metavar="COLUMNS", type=_columns, default=DEFAULT_COLUMNS,
            help="which columns, separated by commas",
        )  # fmt: skip

    def run(self, arguments: "argparse.Namespace", environment: Environment) -> int:
        """Print them."""
        from ctrscope.cli.beside import beside
        from ctrscope.discovery.namespace_census import Census, Taken
        from ctrscope.discovery.namespaces import MOST_PROCESSES, read_namespaces, take_census

        processes = ProcessTable(environment.host)
        census = Census(environment.host, processes.pids())

        def take() -> Taken:
            take_census(census, deep=arguments.deep)
            return census.hand_over()

        taken = beside(take, Taken)
        from ctrscope.discovery.discover import discover  # here, because the copy needs none of it
        from ctrscope.discovery.plan import Plan

        wanted = arguments.id
        plan = Plan(
            commands=False, cgroups=False, namespaces=arguments.matrix, addresses=False, stats=False, stopped=wanted is not None
        )
        snapshot = discover(environment.host, plan, processes)
        shown = () if environment.json or arguments.matrix else ("command",) if arguments.tree else arguments.output
        leaders = _Leaders(processes, shown)
        if wanted is None and not arguments.type:
            leaders.read_all(container.pid for container in snapshot.containers)  # while the census is being taken
        census.take_over(taken())
        container = None if wanted is None else find_or_say(environment, snapshot, wanted)
        # Text shows what holds a namespace besides its processes; of thousands of these 20 ms are saved.
        most = MOST_PROCESSES if environment.json else _DOORS if "netnsid" in arguments.output else 0
        found, gaps = read_namespaces(
            environment.host, snapshot, deep=arguments.deep, processes=processes, census=census, most_processes=most
        )
        gaps = (*snapshot.gaps, *gaps)
        namespaces = tuple(
            one
            for one in found or ()
            if (container is None or container.id in one.containers) and (not arguments.type or one.type in arguments.type)
        )
        if environment.json:
            from ctrscope.export.contract import NsAnswer

            answer = NsAnswer(taken_at=snapshot.taken_at, host=snapshot.host, namespaces=namespaces, gaps=gaps)
            print_answer(environment, answer)
        else:
            print_lines(environment, _lines(arguments, environment, snapshot, leaders, container, namespaces))
            if container is not None and not container.is_running:
                environment.say(f"{inert(container.name)} is {container.status}: it has no namespaces.")
            say_gaps(environment, gaps)
        return ExitStatus.NOT_PERMITTED if is_blind(snapshot) else exit_status(environment, gaps)


def _lines(
    arguments: "argparse.Namespace",
    environment: Environment,
    snapshot: Snapshot,
    leaders: "_Leaders",
    container: Container | None,
    namespaces: Sequence[Namespace],
) -> list[str]:
    if arguments.matrix:
        from ctrscope.render.matrix import format_matrix, namespace_matrix

        containers = snapshot.containers
        if container is not None:
            ids = {container.id, *(id_ for one in namespaces if not one.is_initial for id_ in one.containers)}
            containers = tuple(one for one in containers if one.id in ids)
        return format_matrix(namespace_matrix(containers, snapshot.host.namespaces, namespaces), environment.width)
    if arguments.tree:
        from ctrscope.render.namespace_tree import format_namespace_tree

        lines = format_namespace_tree(_rows(leaders, snapshot, namespaces, {}))
        width = environment.width
        return lines if width is None else [shorten(line, width) for line in lines]
    netnsids = _netnsids(environment.host, namespaces) if "netnsid" in arguments.output else {}
    return format_namespaces(arguments.output, _rows(leaders, snapshot, namespaces, netnsids), environment.width)


class _Leaders:
    """What the columns show of the process with the lowest PID of each namespace, read once."""

    def __init__(self, processes: ProcessTable, columns: Sequence[str]) -> None:
        self._processes = processes
        self._columns = frozenset(columns)
        self._users: Mapping[int, str] = {}
        if "user" in columns:
            from ctrscope.probes.user_names import read_user_names

            self._users = read_user_names(processes.host)
        self._read: dict[int, tuple[str, int | None, int | None, str]] = {}

    def read_all(self, pids: Iterable[int | None]) -> None:
        """Read in advance what is known of those that may be leaders."""
        for pid in pids:
            if pid is not None:
                self.facts(pid)

    def facts(self, pid: int) -> tuple[str, int | None, int | None, str]:
        """Command (inert), parent, uid, and user (inert) of a process."""
        if pid not in self._read:
            columns = self._columns
            command = inert_command(self._processes.cmdline(pid) or ()) if "command" in columns else ""
            stat = self._processes.stat(pid) if "ppid" in columns else None
            uid = _uid(self._processes.host, pid) if "uid" in columns or "user" in columns else None
            user = "" if uid is None else inert(self._users.get(uid, str(uid)))
            self._read[pid] = command, stat.ppid if stat is not None else None, uid, user
        return self._read[pid]


_NOBODY: tuple[str, int | None, int | None, str] = "", None, None, ""


def _rows(
    leaders: _Leaders, snapshot: Snapshot, namespaces: Sequence[Namespace], netnsids: Mapping[int, int]
) -> list[NamespaceRow]:
    names = {container.id: inert(container.name) for container in snapshot.containers}
    rows = []
    for one in namespaces:
        command, ppid, uid, user = leaders.facts(one.leader.pid) if one.leader is not None else _NOBODY
        rows.append(
            NamespaceRow(
                namespace=one,
                containers=[names.get(id_, id_) for id_ in one.containers],
                command=command or (inert(one.leader.comm) if one.leader is not None else ""),
                ppid=ppid,
                uid=uid,
                user=user,
                netnsid=netnsids.get(one.ino),
            )
        )
    return rows


def _uid(host: HostFs, pid: int) -> int | None:
    try:
        uid: int = host.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None
    return uid


def _netnsids(host: HostFs, namespaces: Sequence[Namespace]) -> dict[int, int]:
    """Inode number of a network namespace → the number by which our own knows it."""
    from ctrscope.discovery.entrances import Entrance, add_held
    from ctrscope.probes.netns import Door
    from ctrscope.probes.rtnetlink import NsidQuery, read_nsids

    networks = [one for one in namespaces if one.type is NamespaceType.NET]
    entrances: dict[int, Entrance] = {}
    add_held(host, entrances, [one for one in networks if not one.nprocs])
    doors = [
        entrances[one.ino].door
        if one.ino in entrances
        else Door(tuple(holder.path for holder in one.held_by if holder.kind is HolderKind.PROCESS and holder.path), one.ino)
        for one in networks
    ]
    (found,) = read_nsids(host, [NsidQuery(Door(("/proc/self/ns/net",)), doors)], len(doors))
    return {networks[index].ino: nsid for nsid, index in (found or {}).items()}
