"""The configuration of a CNI network: a list of plug-ins, or, as before there were lists, one alone.

*Source:* CNI specification, section 1; the bridge plug-in's own default.
*Shape:* ``{"name": "pods", "plugins": [{"type": "bridge", "bridge": "cni0", "ipam": {"subnet": "10.1.0.0/16"}}]}``.
"""

import msgspec

from ctrscope.engines.state_file import parse_json

DIRECTORY = "/etc/cni/net.d"
ENDINGS = (".conflist", ".conf", ".json")


class Range(msgspec.Struct):
    """Where addresses come from; empty where it is not said."""

    subnet: str = ""
    gateway: str = ""


class _Ipam(Range):
    ranges: list[list[Range]] | None = None


class Plugin(msgspec.Struct):
    """One plug-in."""

    type: str = ""
    bridge: str = ""
    ipam: _Ipam | None = None

    @property
    def bridge_name(self) -> str:
        """The bridge that it makes containers ports of; "" for another kind."""
        return self.bridge or "cni0" if self.type == "bridge" else ""

    @property
    def ranges(self) -> tuple[Range, ...]:
        """Every range of addresses."""
        ipam = self.ipam or _Ipam()
        return (Range(ipam.subnet, ipam.gateway), *(one for few in ipam.ranges or () for one in few))


class CniConfiguration(Plugin):
    """A file; of one with a plug-in alone that one's fields stand beside the name."""

    name: str = ""
    plugins: list[Plugin] | None = None

    @property
    def chain(self) -> list[Plugin]:
        """Its plug-ins, in their order."""
        return self.plugins or [self]


_decoder = msgspec.json.Decoder(CniConfiguration)


def parse_cni_configuration(text: bytes, path: str) -> CniConfiguration:
    """Parse a file of ``/etc/cni/net.d``. Errors: ParseError."""
    return parse_json(_decoder, text, path)
