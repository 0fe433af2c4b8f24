"""The interface files of one cgroup: usage, limits and pressure, from v2, v1 and hybrid alike.

*Source:* ``cgroup2`` and ``cgroup1``, the two versions.
*Shape:* both are told in the words of v2. A file that this kernel or this cgroup does not have leaves its field None, with
a Gap; a whole controller that is missing leaves its part None, with one Gap.
"""

import time

import msgspec

from ctrscope.model.cgroup import CgroupStats
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.gap import ParseError, Reading
from ctrscope.probes.cgroup1 import read_v1
from ctrscope.probes.cgroup2 import read_v2
from ctrscope.probes.cgroup_files import InterfaceFiles
from ctrscope.probes.cgroupfs import CgroupLayout, read_frozen
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.keyed import parse_flat, parse_number
from ctrscope.probes.proc_pressure import read_pressure


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


def reread_idle(host: HostFs, layout: CgroupLayout, membership: CgroupMembership, known: CgroupStats) -> CgroupStats | None:
    """An earlier reading that still holds, since nothing in the cgroup has run; None when something has, or nobody can say.

    What moves all the same is read: pressure grows while everybody waits, and a pause takes no time that would be counted.
    What others do to it is not: writeback, reclaim.
    *Cost:* one to five reads in place of twenty.
    """
    usage = None if known.cpu is None else known.cpu.usage_usec
    if usage is None:
        return None
    read_at_ns = time.monotonic_ns()
    try:
        if _read_usage(host, layout, membership) != usage:
            return None
    except (OSError, ParseError):
        return None
    pressure = known.pressure
    directory = layout.directory(membership, "")
    if pressure is not None and directory is not None:
        pressure, gaps = read_pressure(host, "", directory + "/{}.pressure", read=host.reread)
        if gaps:
            return None
    frozen = read_frozen(host, layout, membership)
    return msgspec.structs.replace(known, read_at_ns=read_at_ns, pressure=pressure, frozen=frozen)


def _read_usage(host: HostFs, layout: CgroupLayout, membership: CgroupMembership) -> int | None:
    if layout.version == "v2":
        return parse_flat(host.reread(f"{layout.own_directory(membership)}/cpu.stat")).get("usage_usec")
    directory = layout.directory(membership, "cpuacct")
    return None if directory is None else parse_number(host.reread(f"{directory}/cpuacct.usage")) // 1000
