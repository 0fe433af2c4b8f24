"""What the launcher writes of a container, whether a person or an engine drives it.

*Source:* ``state.json`` in the container's state directory.
"""

import msgspec


class LauncherCgroups(msgspec.Struct):
    """Directories by hierarchy."""

    directories: dict[str, str] = {}


class LauncherState(msgspec.Struct):
    """One container; what else is written is of no use here."""

    id: str
    bundle: str
    rootfs: str
    created: str
    annotations: dict[str, str] = {}
    pid: int | None = None
    starttime_ticks: int | None = None
    cgroups: LauncherCgroups | None = None
    name: str | None = None
    image: str | None = None
    monitor_pid: int | None = None
    exit_status: int | None = None
    finished: str | None = None


launcher_state_decoder = msgspec.json.Decoder(LauncherState)
