"""How much a volume holds, counted when somebody asks: nobody writes that down, and a volume may have millions of files."""

from ctrscope.model.gap import Reading, gap_of
from ctrscope.model.storage import Measured, Volume
from ctrscope.probes.hostfs import HostFs

#: Files that are counted, a minute's work on a slow disk.
_MOST = 2_000_000


def measure_volume(hostfs: HostFs, volume: Volume) -> Reading[Measured]:
    """Count the bytes on disk below the volume's directory. Gaps: there is none, or it cannot be listed."""
    path = volume.mount_point
    if path is None:
        return Reading(None)
    try:
        size, files, trouble = hostfs.disk_usage(path, most=_MOST)
    except OSError as error:
        return Reading(None, (gap_of(error, f"volume {volume.name}", ("size",), path),))
    return Reading(Measured(size, files, not trouble, trouble))
