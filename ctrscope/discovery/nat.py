"""Destination NAT of every network namespace that other namespaces hang from: the host's own, a user's rootless one."""

import msgspec

from ctrscope.model.gap import VANISHED, Gap, ParseError, Reading, Reason, gap_of
from ctrscope.model.nat import DnatRule
from ctrscope.model.network import NetworkNamespace, NetworkTopology
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.netns import Door, visit_network_namespaces
from ctrscope.probes.packet_filter import Chain, find_dnat


def read_nat(hostfs: HostFs, topology: NetworkTopology) -> Reading[tuple[DnatRule, ...]]:
    """Rules of each such namespace, in the order of the namespaces; nothing is loaded or created by asking.

    *Gaps:* namespaces whose rules may not be read. *Cost:* 2 ms a namespace, more with many rules.
    """
    if hostfs.root != "/":
        detail = f"rules are told by netlink, which answers only for our own host, not for {hostfs.root}"
        return Reading(
            (), (Gap(subject="host", fields=("publications",), source="netfilter", reason=Reason.UNSUPPORTED, detail=detail),)
        )
    namespaces = [one for one in topology.network_namespaces if may_forward(one)]

    def read(_: Door) -> tuple[tuple[Chain, ...], tuple[Gap, ...]]:
        return _read_chains(hostfs)

    rules: list[DnatRule] = []
    gaps: list[Gap] = []
    for namespace, answer in zip(
        namespaces, visit_network_namespaces(hostfs, [door_of(one) for one in namespaces], read), strict=True
    ):
        subject = "host" if namespace.is_initial else f"namespace net:[{namespace.ino}]"
        if isinstance(answer, OSError):
            if answer.errno not in VANISHED:
                gaps.append(gap_of(answer, subject, ("publications",), "netfilter", needs="CAP_SYS_ADMIN"))
        elif isinstance(answer, Exception):
            raise answer
        else:
            chains, more = answer
            rules += find_dnat({(chain.table, chain.name): chain for chain in chains}, namespace.ino)
            gaps += (msgspec.structs.replace(gap, subject=subject) for gap in more)
    return Reading(tuple(rules), tuple(gaps))


def may_forward(namespace: NetworkNamespace) -> bool:
    """Whether others may be reached through it: the host's own, one with a bridge, one with more links than a container has."""
    # Only those in use: some kernels put tunnels, down and without an address, into every namespace.
    links = [link for link in namespace.links if link.name != "lo" and link.is_up]
    return namespace.is_initial or len(links) > 1 or any(link.kind == "bridge" for link in links)


def door_of(namespace: NetworkNamespace) -> Door:
    """Ways into a namespace."""
    by_process = () if namespace.pid is None else (f"/proc/{namespace.pid}/ns/net",)
    return Door((*by_process, *((namespace.path,) if namespace.path else ())), namespace.ino)


def _read_chains(hostfs: HostFs) -> tuple[tuple[Chain, ...], tuple[Gap, ...]]:
    """Chains of the namespace of this thread, of both kinds; one that cannot be read does not hide the other."""
    from ctrscope.probes.iptables_legacy import read_iptables_legacy
    from ctrscope.probes.nftables import read_nftables

    chains: list[Chain] = []
    gaps: list[Gap] = []
    for source, read in (("nftables", read_nftables), ("iptables-legacy", read_iptables_legacy)):
        try:
            chains += read(hostfs)
        except (OSError, ParseError) as error:
            gaps.append(gap_of(error, "", ("publications",), source, needs="CAP_NET_ADMIN"))
    return tuple(chains), tuple(gaps)
