"""What the kernel answers to whoever runs us, and what it would take to be told more."""

from collections.abc import Mapping

import msgspec

from ctrscope.model.cgroup import Pressure
from ctrscope.model.value import Value


class Source(Value, frozen=True, kw_only=True):
    """One thing that the kernel can be asked."""

    source: str  # the file, link or directory
    tells: str  # what it is good for
    readable: bool
    needs: str | None  # what it would take: a privilege or a kernel option
    detail: str = ""


class HeldCapability(Value, frozen=True, kw_only=True):
    """A capability that ctrscope has a use for."""

    capability: str
    held: bool
    buys: str  # what it makes possible


class HostSources(msgspec.Struct, frozen=True, kw_only=True):
    """What can be asked of the host, and the pressure on it."""

    sources: tuple[Source, ...]
    capabilities: tuple[HeldCapability, ...]
    pressure: Mapping[str, Pressure] | None = None  # cpu, memory, io; None: no PSI, a source says why
    load: tuple[float, float, float] | None = None  # averages of 1, 5 and 15 minutes; proc_loadavg(5)
