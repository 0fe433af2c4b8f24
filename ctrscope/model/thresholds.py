"""From when on a figure is worth a finding: what a person may set in the configuration file."""

from typing import Annotated

from msgspec import Meta

from ctrscope.model.value import Value

Percent = Annotated[float, Meta(gt=0, le=100)]
Count = Annotated[int, Meta(ge=1)]


class Thresholds(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of ``[thresholds]`` in config.toml. A figure at or above its threshold is a finding."""

    memory_percent: Percent = 90.0  # working set, of the effective limit
    swap_bytes: Count = 1 << 20  # swapped out
    throttled_percent: Percent = 10.0  # of the periods in the interval
    pids_percent: Percent = 90.0  # tasks, of the effective limit
    descriptors_percent: Percent = 90.0  # open files of one process, of its RLIMIT_NOFILE
    cpu_pressure_percent: Percent = 60.0  # some task waited, of the last 10 seconds
    memory_pressure_percent: Percent = 10.0
    io_pressure_percent: Percent = 40.0
    zombies: Count = 1  # of one parent
    restarts: Count = 3  # by its engine
    restart_window_seconds: Count = 600  # a container that restarted that often is in a loop when the last time is this recent
