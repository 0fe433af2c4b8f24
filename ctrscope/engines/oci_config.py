"""``config.json`` of an OCI bundle: what the container was asked to be.

*Source:* OCI runtime specification, config.md and config-linux.md. Only the keys named here are looked at.
"""

from collections.abc import Mapping

import msgspec

from ctrscope.engines.state_file import parse_json
from ctrscope.probes.hostfs import HostFs


class OciProcess(msgspec.Struct):
    """``process``."""

    args: tuple[str, ...] | None = None
    env: tuple[str, ...] | None = None


class OciRoot(msgspec.Struct):
    """``root``."""

    path: str = ""


class OciLinux(msgspec.Struct, rename="camel"):
    """``linux``."""

    cgroups_path: str | None = None


class OciConfig(msgspec.Struct):
    """The parts of a bundle's config.json that we use."""

    process: OciProcess | None = None
    root: OciRoot | None = None
    annotations: Mapping[str, str] | None = None
    linux: OciLinux | None = None


_decoder = msgspec.json.Decoder(OciConfig)


def read_oci_config(host: HostFs, bundle: str, *, owner: int | None = None) -> OciConfig:
    """Read ``config.json`` of a bundle. Errors: OSError as from ``HostFs.read``; ParseError."""
    path = f"{bundle}/config.json"
    return parse_oci_config(host.read(path, owner=owner), path)


def parse_oci_config(text: bytes, path: str) -> OciConfig:
    """Parse a bundle's config.json; *path* is for the error. Errors: ParseError."""
    return parse_json(_decoder, text, path)
