"""Whether the packet filter lets a packet from the wire through to a container, in the namespaces that forward."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Literal

import msgspec

from ctrscope.discovery.nat import door_of, may_forward
from ctrscope.model.network import NetworkNamespace, NetworkTopology, Publication
from ctrscope.model.reach import find_route, find_uplink
from ctrscope.probes.forward_filter import Chains, Packet, Verdict, judge_forwarded
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.netns import Door, visit_network_namespaces
from ctrscope.probes.packet_filter import Chain

#: By inode of the network namespace; one that could not be read is missing.
Filters = Mapping[int, Chains]


def read_filters(hostfs: HostFs, topology: NetworkTopology) -> Filters:
    """Chains that packets pass through on their way to others, of each namespace that forwards. *Cost:* as ``read_nat``."""
    from ctrscope.probes.iptables_legacy import read_iptables_legacy
    from ctrscope.probes.nftables import read_nftables

    if hostfs.root != "/":
        return {}

    def read(_: Door) -> tuple[Chain, ...]:
        return (*read_nftables(hostfs, ("filter",)), *read_iptables_legacy(hostfs, "filter"))

    namespaces = [one for one in topology.network_namespaces if may_forward(one)]
    answers = visit_network_namespaces(hostfs, [door_of(one) for one in namespaces], read)
    return {
        namespace.ino: {(chain.table, chain.name): chain for chain in answer}
        for namespace, answer in zip(namespaces, answers, strict=True)
        if not isinstance(answer, Exception)
    }


def judge_publication(filters: Filters, outside: NetworkNamespace, publication: Publication) -> tuple[Verdict, Packet] | None:
    """What becomes of a new connection from the wire to where a rule sends it; None: the way or the rules are not known."""
    chains, uplink, address = filters.get(outside.ino), find_uplink(outside), publication.target_ip
    route = find_route(outside, address) if address else None
    if chains is None or uplink is None or route is None or route.dev is None or not address:
        return None
    behind = tuple(
        str(ip_network(network, strict=False))
        for link in outside.links
        if link.name != uplink.name
        for network in link.addresses
    )
    family: Literal["ipv4", "ipv6"] = "ipv6" if ":" in address else "ipv4"
    packet = Packet(family, publication.proto, address, publication.target_port or 0, uplink.name, route.dev, behind)
    return judge_forwarded(chains, packet), packet


def with_filters(publications: Iterable[Publication], topology: NetworkTopology, filters: Filters) -> tuple[Publication, ...]:
    """The same publications, with what drops those that a rule sends on, for everybody on the wire."""
    namespaces = {one.ino: one for one in topology.network_namespaces}
    return tuple(_filtered(one, namespaces.get(one.netns), filters) for one in publications)


def _filtered(one: Publication, outside: NetworkNamespace | None, filters: Filters) -> Publication:
    by_rule = any(via.startswith(("nftables ", "iptables-legacy ")) for via in one.via)
    if outside is None or not by_rule or one.reach or one.target_netns in (None, one.netns):
        return one
    judged = judge_publication(filters, outside, one)
    if judged is None or judged[0].is_accepted is not False:
        return one
    return msgspec.structs.replace(one, dropped_by=judged[0].source)
