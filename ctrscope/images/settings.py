"""What an image says about the program of its containers.

*Source:* OCI image specification 1.1, config.md "config".
"""

import msgspec


class ImageSettings(msgspec.Struct, rename="pascal"):
    """What an image says about the process: the part ``config`` of its configuration."""

    user: str = ""
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    working_dir: str = ""
