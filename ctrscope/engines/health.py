"""What the last check of a container's health found: Docker and Podman write the same words.

*Source:* ``State.Health`` of Docker's config.v2.json; Podman's ``healthcheck.log`` beside the container's run directory.
"""

import msgspec

from ctrscope.engines.state_file import parse_json

_WORDS = frozenset({"starting", "healthy", "unhealthy"})


class Health(msgspec.Struct, rename="pascal"):
    """The result of a check; of what it printed nothing is kept here."""

    status: str = ""

    @property
    def word(self) -> str | None:
        """One of "starting", "healthy" and "unhealthy"; None where the check is switched off ("none")."""
        return self.status if self.status in _WORDS else None


def parse_health(text: bytes, path: str) -> str | None:
    """Parse ``healthcheck.log``. Errors: ParseError."""
    return parse_json(msgspec.json.Decoder(Health), text, path).word
