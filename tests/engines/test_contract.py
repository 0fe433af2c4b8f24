"""What every engine module promises, whichever it is: one body over all of ``engines/table.py``."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ctrscope.engines.engine import Engine
from ctrscope.model.container import EngineName, EngineReading
from ctrscope.model.gap import Gap, Reason
from ctrscope.probes.hostfs import HostFs
from tests.engines.surveys import read_both, survey_of
from tests.hostfs import DenyingHostFs

if TYPE_CHECKING:
    from ctrscope.engines.table import EngineEntry

#: Unclaimed containers have no engine.
NAMES = tuple(name for name in EngineName if name is not EngineName.UNCLAIMED)


@pytest.fixture(params=NAMES, ids=str)
def engine(request: pytest.FixtureRequest) -> Engine:
    """One engine of the table."""
    return entry_of(request.param).load()


def entry_of(name: EngineName) -> "EngineEntry":
    from ctrscope.engines.table import ENGINES

    return next(entry for entry in ENGINES if entry.name is name)


def half(text: bytes) -> bytes:
    return text[: len(text) // 2]


def deep(_: bytes) -> bytes:
    return b'{"a":' + b"[" * 200_000


@pytest.fixture(scope="module")
def altered(v2_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[bytes], bytes]], Path]:
    """The captured host with the content of every state file altered; each alteration is made once."""
    made: dict[str, Path] = {}

    def alter(change: Callable[[bytes], bytes]) -> Path:
        name = change.__name__
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            for source in (v2_root / top for top in ("run", "var", "etc", "home")):
                shutil.copytree(source, made[name] / source.name, symlinks=True, copy_function=copy_changed(change))
            shutil.copytree(v2_root / "proc", made[name] / "proc", symlinks=True, copy_function=os.link)
        return made[name]

    return alter


def copy_changed(change: Callable[[bytes], bytes]) -> Callable[[str, str], object]:
    def copy(source: str, target: str) -> None:
        path = Path(source)
        # The list of users says where stores are; it is nobody's state file.
        if path.is_file() and not path.is_symlink():
            Path(target).write_bytes(path.read_bytes() if path.name == "passwd" else change(path.read_bytes()))
            if os.geteuid() == 0:
                os.chown(target, path.stat().st_uid, path.stat().st_gid)

    return copy


def gaps_of(readings: tuple[EngineReading, EngineReading | None]) -> tuple[Gap, ...]:
    return tuple(gap for reading in readings if reading is not None for gap in reading.gaps)


def test_the_table_has_every_engine_once() -> None:
    from ctrscope.engines.table import ENGINES

    assert sorted(entry.name for entry in ENGINES) == sorted(NAMES)
    assert all(entry.load().name is entry.name for entry in ENGINES)


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_an_engine_that_finds_something_left_a_trace(name: EngineName, v2_host: HostFs) -> None:
    entry, survey = entry_of(name), survey_of(v2_host)
    first, more = read_both(entry.load(), survey)
    assert entry.has_trace(v2_host, survey.users) == first.status.found
    monitors = {survey.processes.stat(record.monitor_pid) for record in (more.records if more else ()) if record.monitor_pid}
    assert {stat.comm for stat in monitors if stat is not None} <= set(entry.supervisors)


def test_an_empty_root_has_nothing_and_no_gaps(engine: Engine, tmp_path: Path) -> None:
    first, more = read_both(engine, survey_of(HostFs(str(tmp_path))))
    assert (first.status.engine, first.status.found, first.status.state_roots) == (engine.name, False, ())
    assert (first.records, first.gaps, more) == ((), (), None)


def test_a_records_engine_is_the_one_that_found_it(engine: Engine, v2_host: HostFs) -> None:
    first, more = read_both(engine, survey_of(v2_host))
    found = (*first.records, *(more.records if more else ()))
    assert {record.engine for record in found} <= {engine.name}
    assert all(record.id and record.name and record.evidence for record in found)
    assert first.status.found == bool(first.status.state_roots)


def test_an_intact_host_has_no_malformed_state(engine: Engine, v2_host: HostFs) -> None:
    assert [gap for gap in gaps_of(read_both(engine, survey_of(v2_host))) if gap.reason is Reason.MALFORMED] == []


def test_reading_twice_is_the_same(engine: Engine, v2_host: HostFs) -> None:
    assert read_both(engine, survey_of(v2_host)) == read_both(engine, survey_of(v2_host))


@pytest.mark.parametrize("change", [half, deep], ids=["truncated", "nested without end"])
def test_a_state_file_that_makes_no_sense_is_a_gap(
    engine: Engine, change: Callable[[bytes], bytes], v2_host: HostFs, altered: Callable[[Callable[[bytes], bytes]], Path]
) -> None:
    intact = read_both(engine, survey_of(v2_host))[0]
    gaps = gaps_of(read_both(engine, survey_of(HostFs(str(altered(change))))))
    told = [gap for gap in gaps if gap.reason in (Reason.MALFORMED, Reason.TRUNCATED)]
    assert bool(told) == bool(intact.records)
    assert all(gap.source.startswith("/") and gap.subject and gap.detail for gap in told)


@pytest.mark.parametrize("content", [b"", b"null", b"{}", b"\xff\0 = \xff\n"])
def test_no_content_is_an_exception(
    engine: Engine, content: bytes, altered: Callable[[Callable[[bytes], bytes]], Path]
) -> None:
    def change(_: bytes) -> bytes:
        return content

    change.__name__ = f"content-{content[:2].hex()}"
    first, _ = read_both(engine, survey_of(HostFs(str(altered(change)))))
    assert first.status.engine is engine.name


def test_a_state_directory_that_may_not_be_read_is_a_gap(engine: Engine, v2_root: Path, v2_host: HostFs) -> None:
    roots = read_both(engine, survey_of(v2_host))[0].status.state_roots
    denied = DenyingHostFs(str(v2_root), dict.fromkeys(roots, errno.EACCES))
    gaps = gaps_of(read_both(engine, survey_of(denied)))
    assert (Reason.DENIED in {gap.reason for gap in gaps}) == bool(roots)


def test_processes_that_are_gone_are_no_exception(engine: Engine, v2_root: Path) -> None:
    gone = DenyingHostFs(str(v2_root), {"/proc": errno.ENOENT})
    first, more = read_both(engine, survey_of(gone))
    assert [gap for gap in first.gaps if gap.source.startswith("/proc")] == []
    assert more is None
