"""Traffic a second, from two readings of the topology: per link, and per container."""

from ctrscope.model.network import Link, LinkRates, NetworkTopology


def link_rates_between(earlier: NetworkTopology, later: NetworkTopology) -> dict[tuple[int, int], LinkRates]:
    """Change a second of every link that is in both, by (inode of its network namespace, ifindex).

    None of a link whose name, kind or MAC is another one by now, or whose counters went backwards: it is another link; and none
    of a namespace whose counters were not read again in between.
    """
    before = {
        (namespace.ino, link.ifindex): link
        for namespace in earlier.network_namespaces
        for link in namespace.links
        if link.ifindex is not None
    }
    rates = {}
    for namespace in later.network_namespaces:
        then, now = earlier.read_ns.get(namespace.ino), later.read_ns.get(namespace.ino)
        if then is None or now is None or now <= then:
            continue
        for link in namespace.links:
            if link.ifindex is None:
                continue
            old = before.get((namespace.ino, link.ifindex))
            if old is not None and _is_same(old, link):
                rx, tx = _grown(old.rx_bytes, link.rx_bytes), _grown(old.tx_bytes, link.tx_bytes)
                if rx is not None and tx is not None:
                    seconds = (now - then) / 1e9
                    rates[namespace.ino, link.ifindex] = LinkRates(rx_bytes=rx / seconds, tx_bytes=tx / seconds)
    return rates


def _is_same(old: Link, new: Link) -> bool:
    return (old.name, old.kind, old.mac) == (new.name, new.kind, new.mac)


def _grown(old: int | None, new: int | None) -> int | None:
    return None if old is None or new is None or new < old else new - old
