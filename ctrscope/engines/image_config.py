"""The OCI configuration of an image: what lists need of it, and all that its page shows.

*Source:* OCI image specification 1.1, config.md. Docker's own is the same, with keys of its own beside.
*Shape:* ``{"created": …, "config": {"Env": […], …}, "rootfs": {"diff_ids": […]}, "history": [{"created_by": …}, …]}``.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from ctrscope.engines.state_file import parse_json

#: What registries take as a configuration.
CONFIG_LIMIT = 4 * 1024 * 1024


class _Settings(msgspec.Struct, rename="pascal"):
    labels: dict[str, str] | None = None


class _RootFs(msgspec.Struct):
    diff_ids: tuple[str, ...] | None = None


class _Outline(msgspec.Struct):
    created: str | None = None
    config: _Settings | None = None
    rootfs: _RootFs | None = None


class Outline(msgspec.Struct, frozen=True):
    """What a list of images says of one."""

    created_at: str | None
    labels: Mapping[str, str]
    diff_ids: tuple[str, ...]


class History(msgspec.Struct):
    """One step of how the image was made."""

    created: str | None = None
    created_by: str | None = None
    comment: str | None = None
    empty_layer: bool = False


class Settings(msgspec.Struct, rename="pascal"):
    """``config``: what a container of it is made with. A port or a volume is a key."""

    user: str | None = None
    working_dir: str | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: tuple[str, ...] | None = None
    exposed_ports: dict[str, Any] | None = None
    volumes: dict[str, Any] | None = None
    labels: dict[str, str] | None = None


class Configuration(msgspec.Struct):
    """All that its page shows."""

    created: str | None = None
    author: str | None = None
    os: str | None = None
    architecture: str | None = None
    config: Settings | None = None
    history: tuple[History, ...] | None = None


_outline_decoder = msgspec.json.Decoder(_Outline)
_decoder = msgspec.json.Decoder(Configuration)


def parse_outline(text: bytes, path: str) -> Outline:
    """Parse what a list needs. Errors: ParseError."""
    found = parse_json(_outline_decoder, text, path)
    labels = found.config.labels if found.config is not None else None
    diff_ids = found.rootfs.diff_ids if found.rootfs is not None else None
    return Outline(found.created, labels or {}, diff_ids or ())


def parse_configuration(text: bytes, path: str) -> Configuration:
    """Parse everything. Errors: ParseError."""
    return parse_json(_decoder, text, path)
