"""What changes a second between two snapshots, and when that cannot be said."""

import msgspec

from ctrscope.discovery.rates import rates_between
from ctrscope.model.cgroup import CgroupStats, CpuStats, IoStats, Pressure, PressureLine
from ctrscope.model.network import Traffic
from ctrscope.model.rates import Rates
from ctrscope.model.snapshot import Snapshot
from tests.awkward import SNAPSHOT, WEB


def at(seconds: float, stats: CgroupStats | None, *, starttime: int = 5, traffic: Traffic | None = None) -> Snapshot:
    return msgspec.structs.replace(
        SNAPSHOT,
        monotonic_ns=int(seconds * 1e9),
        containers=(msgspec.structs.replace(WEB, starttime_ticks=starttime),),
        stats={WEB.key: stats} if stats is not None else {},
        traffic={WEB.key: traffic} if traffic is not None else {},
    )


def between(old: Snapshot, new: Snapshot) -> Rates:
    return rates_between(old, new)[WEB.key]


def cpu(usage_usec: int | None, nr_periods: int | None = None, nr_throttled: int | None = None) -> CgroupStats:
    return CgroupStats(cpu=CpuStats(usage_usec=usage_usec, nr_periods=nr_periods, nr_throttled=nr_throttled))


def waited(total: int) -> CgroupStats:
    line = PressureLine(avg10=0, avg60=0, avg300=0, total=total)
    return CgroupStats(pressure={"memory": Pressure(some=line)})


def traffic(received: int, sent: int) -> Traffic:
    return Traffic(rx_bytes=received, tx_bytes=sent, rx_dropped=0, tx_dropped=0)


def test_cpu_is_percent_of_one_cpu() -> None:
    assert between(at(10, cpu(1_000_000)), at(12, cpu(2_000_000))).cpu_percent == 50


def test_throttled_is_percent_of_the_periods_that_passed() -> None:
    assert between(at(10, cpu(0, 100, 10)), at(11, cpu(0, 110, 13))).throttled_percent == 30
    assert between(at(10, cpu(0, 100, 10)), at(11, cpu(0, 100, 10))).throttled_percent is None


def test_bytes_operations_and_traffic_are_a_second() -> None:
    io = IoStats(read_bytes=0, write_bytes=100, read_operations=1, write_operations=1)
    more = IoStats(read_bytes=4096, write_bytes=100, read_operations=5, write_operations=1)
    rates = between(at(10, CgroupStats(io=io), traffic=traffic(7, 9)), at(12, CgroupStats(io=more), traffic=traffic(27, 9)))
    assert (rates.read_bytes, rates.write_bytes, rates.read_operations, rates.write_operations) == (2048, 0, 2, 0)
    assert (rates.rx_bytes, rates.tx_bytes) == (10, 0)


def test_traffic_that_was_not_read_has_no_rate() -> None:
    assert between(at(10, cpu(0), traffic=traffic(7, 9)), at(12, cpu(0))).rx_bytes is None


def test_stalled_is_percent_of_the_time_that_passed() -> None:
    assert between(at(10, waited(1_000_000)), at(12, waited(1_500_000))).stalled_percent == {"memory": 25}
    assert between(at(10, waited(5)), at(12, waited(4))).stalled_percent == {}


def test_the_moment_of_reading_counts_and_not_that_of_the_whole_pass() -> None:
    first = msgspec.structs.replace(cpu(0), read_at_ns=10_500_000_000)
    second = msgspec.structs.replace(cpu(500_000), read_at_ns=11_000_000_000)
    assert between(at(10, first), at(11, second)).cpu_percent == 100


def test_no_rate_from_a_counter_that_went_backwards() -> None:
    assert between(at(10, cpu(2_000_000)), at(12, cpu(1_000_000))).cpu_percent is None


def test_no_rate_from_a_container_that_was_started_anew() -> None:
    assert rates_between(at(10, cpu(1)), at(12, cpu(2), starttime=6)) == {}


def test_no_rate_from_a_cgroup_that_was_made_anew() -> None:
    first, second = (msgspec.structs.replace(cpu(usage), ino=ino) for usage, ino in ((1, 40), (2, 41)))
    assert rates_between(at(10, first), at(12, second)) == {}


def test_no_rate_from_figures_that_are_missing() -> None:
    assert between(at(10, cpu(None)), at(12, cpu(2))).cpu_percent is None
    assert rates_between(at(10, None), at(12, cpu(2))) == {}


def test_nothing_changes_between_a_snapshot_and_itself() -> None:
    one = at(10, cpu(5, 5, 5))
    assert rates_between(one, one) == {}
