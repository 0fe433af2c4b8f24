"""The processes of every container: CPU between two readings, and what is read again."""

from pathlib import Path

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.process_forest import ForestReader, cpu_percent
from tests.builders import HostTree
from tests.discovery.test_sampler import KEY, add_container


def test_cpu_is_percent_of_one_cpu_and_another_process_with_the_same_pid_starts_anew() -> None:
    before = {(40, 5): 100, (41, 5): 100}
    after = {(40, 5): 150, (41, 9): 300, (42, 5): 10}
    assert cpu_percent(before, after, 2.0, 100) == {40: 25.0}
    assert cpu_percent(before, after, 0.0, 100) == {}


def test_it_reads_again_what_moves_and_finds_who_is_new(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    add_container(host, "box", 40)
    host.file("/proc/40/status", STATUS.format(pid=40))
    host.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    snapshot = discover(host.fs, Plan())
    reader = ForestReader(host.fs)
    first = reader.read(snapshot, 1_000_000_000)
    assert [(one.pid, one.cpu_ticks) for one in first.processes[KEY]] == [(40, 7)]
    assert (first.cpu_percent, first.users) == ({}, {0: "root"})
    stat = (tmp_path / "proc/40/stat").read_text()
    host.file("/proc/40/stat", stat.replace(" 3 4 0 0 20", " 53 54 0 0 20"))
    host.process(41, ppid=40, cgroup="/box", starttime=6000)
    host.file("/proc/41/status", STATUS.format(pid=41))
    second = reader.read(snapshot, 2_000_000_000)
    assert [one.pid for one in second.processes[KEY]] == [40, 41]
    assert second.cpu_percent == {40: 100 * 100 / snapshot.host.clock_ticks}


STATUS = """Name:\tsleep
Tgid:\t{pid}
Pid:\t{pid}
Uid:\t0\t0\t0\t0
Gid:\t0\t0\t0\t0
Groups:\t
NSpid:\t{pid}\t1
CapInh:\t0
CapPrm:\t0
CapEff:\t0
CapBnd:\t0
CapAmb:\t0
Seccomp:\t0
"""
