"""How much a volume or a writable layer holds, counted when somebody asks: nobody writes it down, and it may be much."""

from ctrscope.model.gap import Reading, gap_of
from ctrscope.model.storage import Measured, Volume, WritableLayer
from ctrscope.probes.hostfs import HostFs

#: Files that are counted, a minute's work on a slow disk.
_MOST = 2_000_000


def measure_volume(hostfs: HostFs, volume: Volume) -> Reading[Measured]:
    """Count the bytes on disk below the volume's directory. Gaps: there is none, or it cannot be listed."""
    path = volume.mount_point
    if path is None:
        return Reading(None)
    try:
        found = hostfs.disk_usage(path, most=_MOST)
    except OSError as error:
        return Reading(None, (gap_of(error, f"volume {volume.name}", ("size",), path),))
    return Reading(Measured(found.size, found.files, not found.trouble, found.trouble))


def measure_layer(hostfs: HostFs, layer: WritableLayer) -> Reading[Measured]:
    """Count the bytes of the files in it, as ``docker ps -s`` and ``podman ps -s`` do. Gaps: it cannot be listed."""
    try:
        found = hostfs.disk_usage(layer.upper, most=_MOST)
    except OSError as error:
        return Reading(None, (gap_of(error, f"container {layer.container}", ("size",), layer.upper),))
    return Reading(Measured(found.content, found.files, not found.trouble, found.trouble))
