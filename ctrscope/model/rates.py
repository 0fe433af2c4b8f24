"""Rates: what changed a second between two snapshots."""

from collections.abc import Mapping

import msgspec


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Change a second between two readings of one container; None when it cannot be said."""

    cpu_percent: float | None = None  # of one CPU
    throttled_percent: float | None = None  # of the periods that passed
    read_bytes: float | None = None
    write_bytes: float | None = None
    read_operations: float | None = None
    write_operations: float | None = None
    rx_bytes: float | None = None  # of its network namespace, all links but lo; None for the host's
    tx_bytes: float | None = None
    stalled_percent: Mapping[str, float] = {}  # pressure "some" of cpu, memory and io: percent of the time that passed
