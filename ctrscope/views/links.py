"""Published ports as links that a terminal opens (OSC 8).

A link is made of a number and an address that were parsed, never of a text in which a container or an engine had a part.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from textual.content import Content
from textual.style import Style

from ctrscope.model.container import Container, Port
from ctrscope.render.fields import is_every_address, port_text

#: Text that is a link → its URL.
Links = Mapping[str, str]

_WORD = re.compile(r"[^ ,]+")


def port_links(container: Container, here: str | None) -> dict[str, str]:
    """The published TCP ports of a container that runs, by their text.

    *here*: the address by which whoever sits at the terminal reaches this host; None: the terminal opens nothing.
    """
    if here is None or not container.is_running:
        return {}
    urls = {port_text(port): port_url(port, here) for port in container.ports}
    return {text: url for text, url in urls.items() if url is not None}


def port_url(port: Port, here: str) -> str | None:
    """``http://192.0.2.7:8080``; None where nobody at the terminal could open it."""
    if port.proto != "tcp" or port.host_port is None or not 0 < port.host_port < 65536:
        return None
    try:
        mine = ip_address(here)
        address = mine if is_every_address(port) else ip_address(port.host_ip or "")
    except ValueError:
        return None
    if address.is_loopback and not mine.is_loopback:
        return None  # it is the loopback of this host, and the terminal is on another
    if address.is_link_local or address.is_multicast:
        return None  # which link it would be is not said
    if address.version == 4:
        return f"http://{address}:{port.host_port}"
    return None if address.scope_id else f"http://[{address}]:{port.host_port}"  # a scope may be any text


def spans(text: str, links: Links) -> Iterator[tuple[int, int, str]]:
    """Where in a text words stand that are links: first and last character, URL."""
    for found in _WORD.finditer(text) if links else ():
        url = links.get(found[0])
        if url is not None:
            yield found.start(), found.end(), url


def linked(lines: list[Content], links: Links) -> list[Content]:
    """The same lines, with links."""
    drawn = []
    for line in lines:
        for first, last, url in spans(line.plain, links):
            line = line.stylize(Style(link=url), first, last)
        drawn.append(line)
    return drawn
