"""Every network namespace of the host with what is in it, and what connects them.

The first reading enters all of them; later ones read the counters of each from /proc and enter in turn, so that every
namespace is looked at again within four seconds, and one whose links have other names at once.
"""

import math
import time
from collections.abc import Iterable, Mapping

import msgspec

from ctrscope.discovery.entrances import Entrance, add_containers, add_held, find_entrances
from ctrscope.discovery.peers import LinkIndex, find_edges, implied_nsids, with_peers
from ctrscope.model.gap import Gap, ParseError, Reading, Reason
from ctrscope.model.namespace import Namespace
from ctrscope.model.network import Network, NetworkNamespace, NetworkTopology
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes import proc_pid_net
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_ns import parse_namespace
from ctrscope.probes.rtnetlink import NsidQuery, Seen, read_networks, read_nsids

#: Seconds within which every namespace is entered again, and all processes are asked which namespace they are in.
_WHOLE_EVERY = 3.5
#: Numbers of namespaces asked for in one reading; what is left comes with the next. 300 namespaces need 300.
_MOST_QUESTIONS = 4_000


class _Known(msgspec.Struct, kw_only=True):
    """What was read of one namespace."""

    network: Network
    cookie: int | None = None
    gaps: tuple[Gap, ...] = ()
    entered_at: float  # monotonic
    read_ns: int  # monotonic, of its counters


class TopologyReader:
    """Reads the topology again and again; keeps values only, no descriptor, which would keep a namespace alive."""

    def __init__(self, hostfs: HostFs) -> None:
        self._hostfs = hostfs
        self._can_enter = hostfs.root == "/"
        self._entrances: dict[int, Entrance] = {}
        self._held: tuple[Namespace, ...] = ()
        self._listed_at = -math.inf
        self._read_at = -math.inf
        self._known: dict[int, _Known] = {}
        #: (who numbers, nsid) → whom, by cookies where the kernel has them: inodes are used again, cookies never.
        self._nsids: dict[tuple[int, int], int | None] = {}
        self._numbered: frozenset[int] = frozenset()

    def read(
        self, snapshot: Snapshot, *, namespaces: Iterable[Namespace] | None = None, sockets: bool = False
    ) -> Reading[NetworkTopology]:
        """All namespaces as they are now; counters are of this moment, all else at most four seconds old.

        *namespaces*: those that the host has, which may know of some that neither a process nor a bind mount of ours is in.
        *Gaps:* namespaces that could not be entered or found. *Cost:* 0.5 ms a namespace at first, a fifth of that later.
        """
        now = time.monotonic()
        self._held = self._held if namespaces is None else tuple(namespaces)
        if now - self._listed_at >= _WHOLE_EVERY:
            self._list(snapshot, now)
        else:
            add_containers(self._entrances, snapshot)
            add_held(self._hostfs, self._entrances, self._held)
        if gone := self._enter(self._due(now), now):
            # The processes that led there ended; there may be others in it by now.
            self._list(snapshot, now)
            gone = self._enter([ino for ino in gone if ino in self._entrances], now)
            self._held = tuple(one for one in self._held if one.ino not in gone)
        self._read_at = now
        found = self._namespaces(snapshot)
        nsids = self._resolve(found)
        found = with_peers(found, nsids)
        initial = snapshot.host.namespaces.net
        numbers = {other: nsid for (netns, nsid), other in nsids.items() if netns == initial}
        found = tuple(msgspec.structs.replace(one, nsid=numbers[one.ino]) if one.ino in numbers else one for one in found)
        gaps = tuple(gap for one in found for gap in self._known[one.ino].gaps)
        if sockets:
            from ctrscope.discovery.sockets import with_sockets  # only where they are shown

            found, socket_gaps = with_sockets(self._hostfs, found, snapshot.containers)
            gaps += socket_gaps
        if not self._can_enter:
            gaps += (_not_our_host(self._hostfs),)
        return Reading(
            NetworkTopology(
                network_namespaces=found,
                edges=find_edges(found),
                read_ns={one.ino: self._known[one.ino].read_ns for one in found},
            ),
            gaps,
        )

    def _list(self, snapshot: Snapshot, now: float) -> None:
        self._entrances = find_entrances(self._hostfs, snapshot)
        self._listed_at = now
        add_held(self._hostfs, self._entrances, self._held)
        self._known = {ino: known for ino, known in self._known.items() if ino in self._entrances}

    def _due(self, now: float) -> list[int]:
        """Namespaces to enter: new ones, those that have other links, and as many others as keep all of them young."""
        due = [ino for ino in self._entrances if ino not in self._known]
        quota = math.ceil(len(self._known) * min(1.0, (now - self._read_at) / _WHOLE_EVERY)) if self._known else 0
        turn = sorted(self._known, key=lambda ino: self._known[ino].entered_at)
        due += turn[:quota]
        due += [ino for ino in turn[quota:] if not self._read_counters(ino)]
        return due

    def _enter(self, inos: list[int], now: float) -> list[int]:
        """Read some namespaces; returns those that nothing led to any more, which are forgotten."""
        subjects = [f"namespace net:[{ino}]" for ino in inos]
        answers: list[Reading[Seen]] = [Reading(None) for _ in inos]
        if self._can_enter and inos:
            answers = read_networks(self._hostfs, [self._entrances[ino].door for ino in inos], subjects)
        gone = []
        for ino, subject, (seen, gaps) in zip(inos, subjects, answers, strict=True):
            network = None if seen is None else seen.network
            if network is None and (gaps or not self._can_enter):
                network = self._from_proc(ino, subject)
            if not self._entrances[ino].door.paths:
                gaps = (_not_entered(subject),)
            if network is None and not gaps:
                self._known.pop(ino, None)
                self._entrances.pop(ino, None)
                gone.append(ino)
                continue
            self._known[ino] = _Known(
                network=network or Network(),
                cookie=None if seen is None else seen.cookie,
                gaps=gaps,
                entered_at=now,
                read_ns=time.monotonic_ns() if seen is None else seen.read_ns,
            )
        return gone

    def _from_proc(self, ino: int, subject: str) -> Network | None:
        """What /proc tells of a namespace that cannot be entered."""
        for pid in self._entrances[ino].pids:
            network, _ = proc_pid_net.read_network(self._hostfs, pid, subject)
            if network is not None:
                return network
        return None

    def _read_counters(self, ino: int) -> bool:
        """Counters of the links from /proc; False when it has to be entered: other links, or nobody in it any more."""
        known, pids = self._known[ino], self._entrances[ino].pids
        if not pids:
            return True  # entered in its turn
        try:
            with self._hostfs.process(pids[0]) as process:
                if parse_namespace(process.readlink("ns/net")) != ino:
                    return False
                counters = proc_pid_net.parse_dev(process.read("net/dev"))
        except (OSError, ParseError):
            return False
        if len(counters) != len(known.network.links):
            return False
        links = []
        for link in known.network.links:
            if (counted := counters.get(link.name)) is None:
                return False
            links.append(
                msgspec.structs.replace(
                    link,
                    rx_bytes=counted.rx_bytes,
                    tx_bytes=counted.tx_bytes,
                    rx_dropped=counted.rx_dropped,
                    tx_dropped=counted.tx_dropped,
                )
            )
        known.network = msgspec.structs.replace(known.network, links=tuple(links))
        known.read_ns = time.monotonic_ns()
        return True

    def _namespaces(self, snapshot: Snapshot) -> tuple[NetworkNamespace, ...]:
        ids: dict[int, list[str]] = {}
        networks: dict[int, dict[str, None]] = {}
        for container in snapshot.containers:
            if container.pid is not None and (ino := container.namespaces.net) is not None:
                ids.setdefault(ino, []).append(container.id)
                networks.setdefault(ino, {}).update(dict.fromkeys(container.networks))
        initial = snapshot.host.namespaces.net
        found = []
        for ino in sorted(self._known, key=lambda ino: (ino != initial, ino)):
            entrance, network = self._entrances[ino], self._known[ino].network
            found.append(
                NetworkNamespace(
                    ino=ino,
                    is_initial=ino == initial,
                    pid=entrance.pids[0] if entrance.pids else None,
                    comm=entrance.comm,
                    path=entrance.paths[0] if entrance.paths else None,
                    containers=tuple(ids.get(ino, ())),
                    networks=tuple(networks.get(ino, ())),
                    links=network.links,
                    routes=network.routes,
                    neighbours=network.neighbours,
                    forwarding=network.forwarding,
                )
            )
        return tuple(found)

    def _resolve(self, namespaces: Iterable[NetworkNamespace]) -> Mapping[tuple[int, int], int | None]:
        """Which namespace each nsid means that a link mentions; the kernel is asked for what is not known yet."""
        index = LinkIndex(namespaces)
        names = {ino: known.cookie or ino for ino, known in self._known.items()}
        inodes = {name: ino for ino, name in names.items()}
        if (present := frozenset(inodes)) != self._numbered:
            # Numbers of namespaces that ended are given out again, and what was not found may be there now.
            self._nsids = {
                key: other for key, other in self._nsids.items() if key[0] in present and other is not None and other in present
            }

        def known() -> dict[tuple[int, int], int | None]:
            return {
                (inodes[name], nsid): None if other is None else inodes[other]
                for (name, nsid), other in self._nsids.items()
                if name in inodes and (other is None or other in inodes)
            }

        if self._can_enter and index.initial is not None and present != self._numbered:
            # The host numbers nearly all the others; most of them need not be asked then.
            self._ask(names, {index.initial: None}, index)
            self._nsids |= {(names[ino], nsid): names[other] for (ino, nsid), other in implied_nsids(index, known()).items()}
        self._numbered = present
        if self._can_enter:
            wanted: dict[int, set[int]] = {}
            for (netns, _), link in index.links.items():
                if (
                    link.peer_netnsid is not None
                    and link.peer_netnsid >= 0
                    and (names[netns], link.peer_netnsid) not in self._nsids
                ):
                    wanted.setdefault(netns, set()).add(link.peer_netnsid)
            if wanted:
                self._ask(names, {netns: frozenset(nsids) for netns, nsids in wanted.items()}, index)
        return known()

    def _ask(self, names: Mapping[int, int], wanted: Mapping[int, frozenset[int] | None], index: LinkIndex) -> None:
        """Ask each of some namespaces for the numbers of others: of those that its links may lead to, or of all (None)."""
        candidates: dict[int, dict[int, None]] = {netns: {} for netns in wanted}
        for (netns, _), link in index.links.items():
            if link.peer_netnsid in (wanted.get(netns) or ()):
                candidates[netns] |= dict.fromkeys(index.candidates(netns, link))
        orders = {
            netns: list(candidates[netns]) if nsids is not None else [ino for ino in self._known if ino != netns]
            for netns, nsids in wanted.items()
        }
        queries = [
            NsidQuery(self._entrances[netns].door, [self._entrances[ino].door for ino in orders[netns]], nsids)
            for netns, nsids in wanted.items()
        ]
        for netns, answer in zip(wanted, read_nsids(self._hostfs, queries, _MOST_QUESTIONS), strict=True):
            if answer is not None:
                self._nsids |= {(names[netns], nsid): None for nsid in wanted[netns] or ()}
                self._nsids |= {(names[netns], nsid): names[orders[netns][place]] for nsid, place in answer.items()}


def _not_entered(subject: str) -> Gap:
    return Gap(
        subject=subject,
        fields=("network_namespaces.links",),
        source="/proc",
        reason=Reason.UNAVAILABLE,
        detail="nothing leads into it: only a socket, the kernel, or a mount below what may never answer holds it",
    )


def _not_our_host(hostfs: HostFs) -> Gap:
    return Gap(
        subject="host",
        fields=("network_namespaces.links", "edges"),
        source="netlink",
        reason=Reason.UNSUPPORTED,
        detail=f"netlink answers only for our own host, not for {hostfs.root}: kinds and peers of links are not known",
    )
