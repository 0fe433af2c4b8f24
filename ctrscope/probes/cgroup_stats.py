"""The interface files of one cgroup: usage, limits and pressure, from v2, v1 and hybrid alike.

*Source:* ``cgroup2`` and ``cgroup1``, the two versions.
*Shape:* both are told in the words of v2. A file that this kernel or this cgroup does not have leaves its field None, with
a Gap; a whole controller that is missing leaves its part None, with one Gap.
"""

import time

import msgspec

from ctrscope.model.cgroup import CgroupStats
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.gap import Reading
from ctrscope.probes.cgroup1 import read_v1
from ctrscope.probes.cgroup2 import read_v2
from ctrscope.probes.cgroup_files import InterfaceFiles
from ctrscope.probes.cgroupfs import CgroupLayout, read_frozen
from ctrscope.probes.hostfs import HostFs


def read_cgroup_stats(
    host: HostFs,
    layout: CgroupLayout,
    membership: CgroupMembership,
    subject: str,
    *,
    full: bool = False,
    known: CgroupStats | None = None,
) -> Reading[CgroupStats]:
    """Read one cgroup: what moves and its limits, or with *full* everything that there is.

    *known*: an earlier reading; when it is of the same cgroup, its limits are taken over: they are a third of the files.
    The value is None, without a Gap, when the cgroup went away or is the root: that one is the whole host's.
    """
    directory = layout.own_directory(membership)
    if directory is None:
        return Reading(None)
    try:
        ino = host.stat(directory).st_ino
    except OSError:
        return Reading(None)
    files = InterfaceFiles(host, subject, full=full, known=known if known is not None and known.ino == ino else None)
    read_at_ns = time.monotonic_ns()
    stats = read_v2(files, directory) if layout.version == "v2" else read_v1(files, layout, membership)
    if files.missed and not host.exists(directory):
        return Reading(None)
    frozen = read_frozen(host, layout, membership)
    return Reading(msgspec.structs.replace(stats, ino=ino, read_at_ns=read_at_ns, frozen=frozen), tuple(files.gaps))
