"""The process table of one pass."""

import errno
from pathlib import Path

from ctrscope.model.namespace import NamespaceSet, NamespaceType
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable, parse_cmdline
from tests.builders import HostTree
from tests.hostfs import DenyingHostFs


def test_pids_are_those_of_proc(v2_root: Path, v2_host: HostFs) -> None:
    assert sorted(ProcessTable(v2_host).pids()) == sorted(
        int(path.name) for path in (v2_root / "proc").iterdir() if path.name.isdecimal()
    )


def test_a_root_without_proc_has_no_processes(tmp_path: Path) -> None:
    assert ProcessTable(HostFs(str(tmp_path))).pids() == []


def test_a_pid_is_alive_only_with_its_start_time(v2_host: HostFs) -> None:
    table = ProcessTable(v2_host)
    stat = table.stat(1808)
    assert stat is not None
    assert table.is_alive(1808)
    assert table.is_alive(1808, stat.starttime_ticks)
    assert not table.is_alive(1808, stat.starttime_ticks + 1)
    assert not table.is_alive(0)


def test_a_zombie_is_not_alive(tmp_path: Path) -> None:
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/stat").write_text("7 (gone) Z 1" + " 0" * 40)
    table = ProcessTable(HostFs(str(tmp_path)))
    assert table.stat(7) is not None
    assert not table.is_alive(7)


def test_a_process_lives_as_long_as_one_of_its_threads(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.process(7, state="Z", thread=9, cgroup="/c", namespaces={"net": 5})
    for ended in (8, 6):
        host.file(f"/proc/7/task/{ended}/stat", f"{ended} (gone) Z 1" + " 0" * 40)
    (host.path / "proc/7/task/5").mkdir()  # ended while we looked
    table = ProcessTable(host.fs)
    assert table.is_alive(7, 5000)
    assert table.namespace(7, NamespaceType.NET) == 5
    found = table.namespaces(7)
    assert isinstance(found, NamespaceSet)
    assert found.net == 5
    assert table.cgroup(7) == {"": "/c"}


def test_a_process_that_ended_is_none_everywhere_and_counted_once(v2_host: HostFs) -> None:
    table = ProcessTable(v2_host)
    assert table.stat(99999) is None
    assert table.stat(99999) is None
    assert table.cgroup(99999) is None
    assert table.cmdline(99999) is None
    assert isinstance(table.namespaces(99999), FileNotFoundError)
    assert table.vanished == 1


def test_why_namespaces_cannot_be_read_is_kept(v2_root: Path) -> None:
    table = ProcessTable(DenyingHostFs(str(v2_root), {"/proc/1808/ns": errno.EACCES}))
    found = table.namespaces(1808)
    assert isinstance(found, OSError)
    assert found.errno == errno.EACCES
    assert found.__traceback__ is None, "its frames hold the table, and the table holds it"


def test_conmons_are_found_by_name(v2_host: HostFs) -> None:
    table = ProcessTable(v2_host)
    assert {stat.pid for stat in table.named((703, 705, 748, 99999), "conmon")} == {703, 748}


def test_arguments_are_nul_separated_and_may_be_empty() -> None:
    assert parse_cmdline(b"sh\0-c\0\0x y\0") == ("sh", "-c", "", "x y")
    assert parse_cmdline(b"nginx: worker process") == ("nginx: worker process",)
    assert parse_cmdline(b"") == ()
