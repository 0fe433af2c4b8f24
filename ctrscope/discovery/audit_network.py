"""What an audit asks each network namespace: whether packets for 127.0.0.0/8 are taken from a network.

*Source:* kernel document ip-sysctl, ``route_localnet``: of an interface it is on where it is on for that one or for all. A new
network namespace has what the first one has (``devconf_inherit_init_net``), so that nobody has to have asked for it.
*Kernel:* ``/proc/sys/net`` shows the namespace of whoever looks, so it is looked at from inside.
"""

import errno
from collections.abc import Iterable, Mapping

from ctrscope.model.container import Container
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.netns import Door, visit_network_namespaces

_CONF = "/proc/sys/net/ipv4/conf"
_MOST_INTERFACES = 256
#: New interfaces, which there are none of yet, and one that no packet comes in by from elsewhere.
_NOBODYS = ("default", "lo")


def read_route_localnet(
    host: HostFs, containers: Iterable[Container], hosts: int | None
) -> Mapping[int, tuple[str, ...] | Exception]:
    """Network namespace → interfaces with the setting on, or why that could not be read. *hosts*: the host's own one.

    Of the host's only "all" is told: its bridges are not those of a container that shares it.
    """
    doors: dict[int, list[str]] = {}
    for one in containers:
        if one.pid is not None and one.namespaces.net is not None and one.sandbox is None:
            doors.setdefault(one.namespaces.net, []).append(f"/proc/{one.pid}/ns/net")
    asked = [Door(tuple(paths[:4]), ino) for ino, paths in doors.items()]

    def look(door: Door) -> tuple[str, ...]:
        names = ["all"] if door.ino == hosts else sorted(set(host.names(_CONF)[:_MOST_INTERFACES]) - set(_NOBODYS))
        return tuple(name for name in names if host.read(f"{_CONF}/{name}/route_localnet").strip() == b"1")

    try:
        answers = visit_network_namespaces(host, asked, look)
    except OSError as error:  # a copy of /proc, which nothing can be entered through
        return dict.fromkeys(doors, OSError(errno.ENOTSUP, f"not a live /proc: {error.strerror}"))
    return dict(zip(doors, answers, strict=True))
