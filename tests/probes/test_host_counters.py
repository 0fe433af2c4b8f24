"""What the kernel counts for the whole host."""

from pathlib import Path

from ctrscope.probes.host_counters import HostCountersReader, parse_diskstats
from ctrscope.probes.host_totals import HostTotalsReader
from ctrscope.probes.hostfs import HostFs

DISKSTATS = b"""\
   7       0 loop0 11 0 2048 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 259       0 nvme0n1 7651218 1731645 224573074 5435073 5003990 8889874 214901920 3064392 0 1390876 9261582 0 0 0 0 0 0
 259       1 nvme0n1p1 76512 17 224573000 54 50 88 214901000 30 0 13 92 0 0 0 0 0 0
 253       0 dm-0 1 0 224573000 0 1 0 214901000 0 0 0 0 0 0 0 0 0 0
 8 0 cut 1 2
"""
DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 900 3 0 0 0 0 0 0 900 3 0 0 0 0 0 0
  eth0: 4000 31 0 2 0 0 0 0 700 10 0 1 0 0 0 0
  eth1: 50 1 0 0 0 0 0 0 60 1 0 0 0 0 0 0
docker0: 4000 31 0 0 0 0 0 0 700 10 0 0 0 0 0 0
veth1a3f: 4000 31 0 0 0 0 0 0 700 10 0 0 0 0 0 0
"""
ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


def written(root: Path, files: dict[str, str]) -> HostFs:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return HostFs(str(root))


def test_sectors_are_512_bytes_and_lines_of_another_shape_are_passed_over() -> None:
    disks = parse_diskstats(DISKSTATS)
    assert disks["nvme0n1"] == (224573074 * 512, 214901920 * 512)
    assert set(disks) == {"loop0", "nvme0n1", "nvme0n1p1", "dm-0"}


def test_what_stands_on_a_device_is_not_counted_again(tmp_path: Path) -> None:
    host = written(
        tmp_path,
        {
            "proc/diskstats": DISKSTATS.decode(),
            "proc/1/net/dev": DEV,
            "proc/1/net/route": ROUTE,
            "proc/pressure/io": "some avg10=0.00 avg60=0.00 avg300=0.00 total=67842\n",
            "sys/block/nvme0n1/device/model": "a disk",
            "sys/block/dm-0/size": "1",
            "sys/class/net/eth0/device/vendor": "0x1af4",
            "sys/class/net/eth1/device/vendor": "0x1af4",
            "sys/class/net/docker0/address": "02:42:ac:11:00:01",
        },
    )
    counters = HostCountersReader(host).read()
    assert counters.disk == (224573074 * 512, 214901920 * 512)
    assert counters.wire == (4050, 760)
    assert counters.stalled == {"io": 67842}


def test_where_no_link_is_a_device_those_of_the_default_routes_are_counted(tmp_path: Path) -> None:
    host = written(tmp_path, {"proc/1/net/dev": DEV, "proc/1/net/route": ROUTE})
    assert HostCountersReader(host).read().wire == (4000, 700)


def test_a_link_that_came_later_is_counted_too(tmp_path: Path) -> None:
    first, *_ = DEV.partition("  eth1")
    host = written(tmp_path, {"proc/1/net/dev": first, "sys/class/net/eth0/device/vendor": "0x1af4"})
    reader = HostCountersReader(host)
    assert reader.read().wire == (4000, 700)
    written(tmp_path, {"proc/1/net/dev": DEV, "sys/class/net/eth1/device/vendor": "0x1af4"})
    assert reader.read().wire == (4050, 760)


def test_what_there_is_not_is_unknown_and_not_zero(tmp_path: Path) -> None:
    host = written(
        tmp_path, {"proc/diskstats": "   7 0 loop0 1 0 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", "proc/1/net/dev": "nonsense\n\nx"}
    )
    assert HostCountersReader(host).read() == ({}, None, None)


def test_a_rate_takes_two_readings() -> None:
    reader = HostTotalsReader(HostFs())
    first, second, counters = reader.read(), reader.read(), HostCountersReader(HostFs()).read()
    assert (first.read_bytes, first.rx_bytes, first.stalled_percent) == (None, None, {})
    for rate, counted in ((second.write_bytes, counters.disk), (second.rx_bytes, counters.wire)):
        assert (rate is None) == (counted is None)
        assert rate is None or rate >= 0
    assert set(second.stalled_percent) == set(counters.stalled)
    assert all(0 <= value <= 100 for value in second.stalled_percent.values())


def sectors() -> tuple[int, int] | None:
    """Read and written, as sysfs tells them of each disk by itself."""
    stats = [path.read_text().split() for path in Path("/sys/block").glob("*/stat") if (path.parent / "device").exists()]
    return (sum(int(one[2]) for one in stats) * 512, sum(int(one[6]) for one in stats) * 512) if stats else None


def test_disks_are_counted_as_sysfs_counts_them() -> None:
    before, counted, after = sectors(), HostCountersReader(HostFs()).read().disk, sectors()
    if before is None or after is None:
        assert counted is None
    else:
        assert counted is not None
        assert before[0] <= counted[0] <= after[0]
        assert before[1] <= counted[1] <= after[1]
