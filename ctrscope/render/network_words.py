"""Facts about a network in words, the same on paper, on screen and in pictures."""

from collections.abc import Mapping, Sequence

from ctrscope.model.container import Container
from ctrscope.model.network import Link, LinkRates, NetworkNamespace, Publication
from ctrscope.render.fields import group_text
from ctrscope.render.safe import inert
from ctrscope.render.units import format_bytes

_MOST_NAMES = 4


def namespace_text(namespace: NetworkNamespace) -> str:
    """What to call a network namespace that no container is in: its bind mount, else a process in it."""
    if namespace.is_initial:
        return "host"
    if namespace.path:
        return f"netns {inert(namespace.path.rpartition('/')[2])}"
    if namespace.pid is not None:
        return f"{inert(namespace.comm or 'process')} {namespace.pid}"
    return f"net:[{namespace.ino}]"


def who_text(ids: Sequence[str], containers: Mapping[str, Container]) -> str:
    """The containers of one namespace: ``web``, ``pod shop/web-0 (pause, app)``, ``a, b, c, d and 3 more``."""
    found = [containers[one] for one in ids if one in containers]
    text = listed([inert(one.name) for one in found] or [inert(one[:12]) for one in ids])
    groups = {group_text(one) for one in found if one.pod is not None}
    if len(groups) == 1 and all(one.pod is not None for one in found):
        return f"pod {groups.pop()} ({text})"
    return text


def listed(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def publication_text(publication: Publication) -> str:
    """``:80 ◀ 0.0.0.0:8080``; udp says so."""
    host = publication.host_ip or "*"
    host = f"[{host}]" if ":" in host else host
    proto = "" if publication.proto == "tcp" else f"/{publication.proto}"
    target = "?" if publication.target_port is None else publication.target_port
    return inert(f":{target}{proto} ◀ {host}:{publication.host_port}")


def publication_trouble(publication: Publication, target: NetworkNamespace | None) -> str:
    """Why a published port leads nowhere, as far as that is known. *target*: the namespace it leads to."""
    if publication.target_netns is None:
        return f"nobody has {inert(publication.target_ip or 'the address')}"
    were_asked = target is not None and target.sockets is not None
    return "nobody listens" if publication.listener is None and were_asked else ""


def link_trouble(link: Link, below: Link | None = None) -> str:
    """Why nothing passes through a link: it is down, or *below* is, its other end or its lower link."""
    if link.is_up is False:
        return "link is down"
    if below is not None and below.is_up is False:
        return f"{inert(below.name)} is down"
    if link.has_carrier is False and link.kind != "bridge":
        return "no carrier"
    return ""


def kind_text(link: Link) -> str:
    """The kind and what matters most of it: ``vlan 7``, ``macvlan bridge``; nothing of a plain device or a veth."""
    if link.kind in (None, "veth"):
        return ""
    values = [link.details[key] for key in ("vlan id", "vni", "mode") if key in link.details]
    return inert(" ".join([link.kind or "", *values]))


def rate_text(rate: LinkRates) -> str:
    """``↓ 1.2M/s ↑ 340K/s``."""
    return f"↓ {format_bytes(rate.rx_bytes or 0)}/s ↑ {format_bytes(rate.tx_bytes or 0)}/s"


def is_loopback(link: Link) -> bool:
    """Whether it is lo, which every namespace has."""
    return link.name == "lo" and link.kind is None
