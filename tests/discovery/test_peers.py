"""Which links belong together, from numbers alone: no namespace is entered here."""

from ctrscope.discovery.link_rates import link_rates_between
from ctrscope.discovery.narrow import narrowed
from ctrscope.discovery.peers import LinkIndex, find_edges, implied_nsids, other_ifindex, with_peers
from ctrscope.model.network import Link, LinkRates, NetworkNamespace, NetworkTopology, Peer

HOST, A, B = 100, 1, 2


def link(ifindex: int, name: str, kind: str | None = None, **more: object) -> Link:
    return Link(**{"ifindex": ifindex, "name": name, "kind": kind, "mac": None, "mtu": 1500, "state": "UP", **more})  # type: ignore[arg-type]


def namespace(ino: int, *links: Link) -> NetworkNamespace:
    return NetworkNamespace(ino=ino, is_initial=ino == HOST, links=links)


def two_containers() -> tuple[NetworkNamespace, ...]:
    """Both have an eth0 with ifindex 2, and the host's ends differ only in the number of the namespace."""
    return (
        namespace(
            HOST,
            link(1, "eth0"),
            link(5, "br0", "bridge"),
            link(7, "vetha", "veth", master=5, peer_ifindex=2, peer_netnsid=0),
            link(9, "vethb", "veth", master=5, peer_ifindex=2, peer_netnsid=1),
        ),
        namespace(A, link(2, "eth0", "veth", peer_ifindex=7, peer_netnsid=0)),
        namespace(B, link(2, "eth0", "veth", peer_ifindex=9, peer_netnsid=0)),
    )


NSIDS = {(HOST, 0): A, (HOST, 1): B, (A, 0): HOST, (B, 0): HOST}


def ends(topology: NetworkTopology) -> set[tuple[str, int, int, int, int]]:
    return {(edge.kind, edge.a.netns, edge.a.ifindex, edge.b.netns, edge.b.ifindex) for edge in topology.edges}


def joined(*namespaces: NetworkNamespace, nsids: dict[tuple[int, int], int | None]) -> NetworkTopology:
    found = with_peers(namespaces, nsids)
    return NetworkTopology(network_namespaces=found, edges=find_edges(found))


def test_veths_with_the_same_peer_index_are_told_apart_by_the_number_of_the_namespace() -> None:
    topology = joined(*two_containers(), nsids=dict(NSIDS))
    assert ends(topology) == {
        ("veth", A, 2, HOST, 7),
        ("veth", B, 2, HOST, 9),
        ("bridge_port", HOST, 7, HOST, 5),
        ("bridge_port", HOST, 9, HOST, 5),
    }
    assert topology.network_namespaces[0].links[2].peer == Peer(netns=A, ifindex=2, name="eth0")


def test_what_one_side_knows_tells_the_number_of_the_other() -> None:
    known = {(HOST, 0): A, (HOST, 1): B}
    assert implied_nsids(LinkIndex(two_containers()), known) == {(A, 0): HOST, (B, 0): HOST}


def test_only_those_that_name_each_other_are_candidates() -> None:
    index = LinkIndex(two_containers())
    assert list(index.candidates(HOST, index.links[HOST, 7])) == [A]
    assert list(index.candidates(B, index.links[B, 2])) == [HOST]


def test_a_namespace_that_is_not_found_leaves_the_other_end_unknown() -> None:
    host = namespace(HOST, link(7, "vetha", "veth", peer_ifindex=2, peer_netnsid=0))
    topology = joined(host, nsids={(HOST, 0): None})
    assert topology.edges == ()
    assert topology.network_namespaces[0].links[0].peer == Peer(netns=None, ifindex=2)


def test_an_end_that_names_somebody_else_by_now_is_no_pair() -> None:
    # Read one after the other: the container's eth0 was made anew in between.
    host = namespace(HOST, link(7, "vetha", "veth", peer_ifindex=2, peer_netnsid=0))
    anew = namespace(A, link(2, "eth0", "veth", peer_ifindex=11, peer_netnsid=0))
    assert joined(host, anew, nsids={(HOST, 0): A, (A, 0): HOST}).edges == ()


def test_both_ends_in_one_namespace_need_no_number() -> None:
    one = namespace(A, link(2, "x", "veth", peer_ifindex=3), link(3, "y", "veth", peer_ifindex=2))
    assert ends(joined(one, nsids={})) == {("veth", A, 3, A, 2)}


def test_what_lies_on_a_link_of_the_host_is_looked_for_there_first() -> None:
    host = namespace(HOST, link(2, "eth0"))
    a = namespace(A, link(2, "mv0", "macvlan", peer_ifindex=2, peer_netnsid=0))
    b = namespace(B, link(2, "eth0"))
    index = LinkIndex((a, b, host))
    assert list(index.candidates(A, index.links[A, 2])) == [HOST, B]
    assert ends(joined(host, a, b, nsids={(A, 0): HOST})) == {("macvlan", A, 2, HOST, 2)}


def test_the_own_index_of_a_moved_wireguard_is_no_link_below() -> None:
    assert other_ifindex(link(4, "wg0", "wireguard", peer_ifindex=4, peer_netnsid=0)) is None
    assert other_ifindex(link(4, "vx0", "vxlan", peer_ifindex=4, peer_netnsid=0, details={"link": "2"})) == 2
    assert other_ifindex(link(4, "sit0", "sit", peer_ifindex=0)) is None


def test_of_the_others_only_what_leads_to_a_namespace_is_kept() -> None:
    topology = narrowed(joined(*two_containers(), nsids=dict(NSIDS)), A)
    assert {one.ino: [link.name for link in one.links] for one in topology.network_namespaces} == {
        HOST: ["eth0", "br0", "vetha"],
        A: ["eth0"],
    }
    assert ends(topology) == {("veth", A, 2, HOST, 7), ("bridge_port", HOST, 7, HOST, 5)}


# Rates


def reading(at: float, *links: Link) -> NetworkTopology:
    return NetworkTopology(network_namespaces=(namespace(A, *links),), read_ns={A: int(at * 1e9)})


def eth0(rx: int, tx: int, **more: object) -> Link:
    return link(2, "eth0", "veth", rx_bytes=rx, tx_bytes=tx, **more)


def test_traffic_is_what_the_counters_grew_by_in_the_time_between_their_readings() -> None:
    assert link_rates_between(reading(1, eth0(100, 7)), reading(3, eth0(300, 7))) == {
        (A, 2): LinkRates(rx_bytes=100, tx_bytes=0)
    }


def test_there_is_no_rate_of_another_link_or_of_one_that_was_not_read_again() -> None:
    before = reading(1, eth0(100, 100))
    assert link_rates_between(before, reading(3, eth0(50, 200))) == {}
    assert link_rates_between(before, reading(3, eth0(200, 200, mac="02:00:00:00:00:01"))) == {}
    assert link_rates_between(before, before) == {}
    assert link_rates_between(before, reading(3, link(2, "eth0", "veth"))) == {}
    assert link_rates_between(reading(1), reading(3, eth0(1, 1))) == {}
