"""Logs of several containers read as one: every line once, by time, in both directions; bounded; what has no times is said."""

import gzip
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctrscope.discovery.log_reader import LogReader
from ctrscope.discovery.merged_log import MergedLog, open_logs
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.log import LogFormat, LogLine, LogPage, LogPlace, LogSource
from ctrscope.probes.hostfs import HostFs

_START = datetime(2026, 9, 21, 12, tzinfo=UTC)


def _at(seconds: float) -> str:
    return (_START + timedelta(seconds=seconds)).isoformat()


def _cri(name: str, seconds: Sequence[float]) -> str:
    return "".join(f"{_at(one)} stdout F {name} {one:g}\n" for one in seconds)


def _reader(root: Path, *names: str, format_: LogFormat = LogFormat.CRI) -> LogReader:
    return LogReader(HostFs(str(root)), LogSource(paths=tuple(f"/{name}" for name in names), format=format_))


def _texts(page: LogPage) -> list[str]:
    return [line.text for line in page.lines]


def _backwards(log: MergedLog, count: int) -> list[str]:
    page = log.before(None, count)
    found = _texts(page)
    while not page.is_first:
        page = log.before(page.start, count)
        found = _texts(page) + found
    return found


def _forwards(log: MergedLog, count: int) -> list[str]:
    page = log.after(log.beginning, count)
    found = _texts(page)
    while not page.is_last:
        page = log.after(page.end, count)
        found += _texts(page)
    return found


@pytest.fixture
def pod(tmp_path: Path) -> MergedLog:
    """Two logs that take turns, the first of them rotated; one whose lines are all of one minute; one that is empty."""
    (tmp_path / "app.1.gz").write_bytes(gzip.compress(_cri("app", range(0, 100, 2)).encode()))
    (tmp_path / "app").write_text(_cri("app", range(100, 200, 2)))
    (tmp_path / "proxy").write_text(_cri("proxy", range(1, 200, 2)))
    (tmp_path / "job").write_text(_cri("job", [60.5, 60.75]))
    (tmp_path / "idle").touch()
    names = ("app", "proxy", "job", "idle")
    return MergedLog({name: _reader(tmp_path, *(("app.1.gz", "app") if name == "app" else (name,))) for name in names})


_EXPECTED = [
    text
    for second in range(200)
    for text in (
        f"{'proxy' if second % 2 else 'app'} {second}",
        *(("job 60.5", "job 60.75") if second == 60 else ()),
    )
]


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_lines_of_all_are_told_by_time_and_each_once_in_both_directions(pod: MergedLog, count: int) -> None:
    assert _forwards(pod, count) == _EXPECTED
    assert _backwards(pod, count) == _EXPECTED


def test_a_line_says_whose_it_is_and_its_place_leads_to_it(pod: MergedLog) -> None:
    page = pod.before(None, 20)
    assert {line.whose for line in page.lines} == {"app", "proxy"}
    for line in page.lines:
        again = pod.after(line.place, 1).lines[0]
        assert (again.text, again.whose) == (line.text, line.text.split()[0])


def test_pages_meet_wherever_one_turns_round(pod: MergedLog) -> None:
    back = pod.before(None, 120)
    assert _texts(pod.after(back.start, 120)) == _texts(back)
    assert not back.is_first
    assert back.is_last


def test_a_moment_is_the_same_in_all_of_them(pod: MergedLog) -> None:
    place = pod.find_time((_START + timedelta(seconds=60.6)).timestamp())
    assert place is not None
    assert _texts(pod.after(place, 3)) == ["job 60.75", "proxy 61", "app 62"]
    assert _texts(pod.before(place, 2)) == ["app 60", "job 60.5"]


def test_what_is_written_later_by_any_of_them_is_what_follows(pod: MergedLog, tmp_path: Path) -> None:
    page = pod.before(None, 5)
    with (tmp_path / "idle").open("a") as file:
        file.write(_cri("idle", [201, 203]))
    with (tmp_path / "job").open("a") as file:
        file.write(_cri("job", [202]))
    page = pod.after(page.end, 10)
    assert _texts(page) == ["idle 201", "job 202", "idle 203"]
    assert pod.after(page.end, 10).lines == ()


def test_one_that_is_rotated_while_it_is_followed_loses_no_line(pod: MergedLog, tmp_path: Path) -> None:
    page = pod.before(None, 5)
    (tmp_path / "proxy").rename(tmp_path / "proxy.1")
    (tmp_path / "proxy").write_text(_cri("proxy", [201]))
    page = pod.after(page.end, 10)
    assert _texts(page) == ["proxy 201"]
    assert _texts(pod.before(None, 2)) == ["proxy 199", "proxy 201"]


def test_only_lines_that_are_wanted_are_told(pod: MergedLog) -> None:
    assert _texts(pod.before(None, 4, lambda line: line.text.endswith("7"))) == [
        "proxy 167",
        "proxy 177",
        "proxy 187",
        "proxy 197",
    ]


def test_a_line_without_a_time_stays_with_the_line_before_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"{_cri('a', [1])}Traceback:\n  File x\n{_cri('a', [9])}")
    (tmp_path / "b").write_text(_cri("b", range(2, 8)))
    log = MergedLog({name: _reader(tmp_path, name) for name in "ab"})
    expected = ["a 1", "Traceback:", "  File x", *(f"b {second}" for second in range(2, 8)), "a 9"]
    assert _forwards(log, 100) == expected
    assert _backwards(log, 100) == expected


def test_a_clock_that_was_set_back_loses_no_line_and_keeps_the_order_of_each_log(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(_cri("a", [10, 11, 3, 4, 12]))
    (tmp_path / "b").write_text(_cri("b", [1, 5, 11.5, 20]))
    log = MergedLog({name: _reader(tmp_path, name) for name in "ab"})
    for told in (_forwards(log, 1), _forwards(log, 100), _backwards(log, 1), _backwards(log, 100)):
        assert [text for text in told if text.startswith("a")] == ["a 10", "a 11", "a 3", "a 4", "a 12"]
        assert [text for text in told if text.startswith("b")] == ["b 1", "b 5", "b 11.5", "b 20"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    times=st.lists(st.lists(st.integers(0, 20).map(float), max_size=12).map(sorted), min_size=1, max_size=4),
    count=st.integers(1, 5),
)
def test_however_times_lie_the_order_is_that_of_sorting(
    tmp_path_factory: pytest.TempPathFactory, times: list[list[float]], count: int
) -> None:
    root = tmp_path_factory.mktemp("logs")
    for number, own in enumerate(times):
        (root / str(number)).write_text(_cri(str(number), own))
    log = MergedLog({str(number): _reader(root, str(number)) for number in range(len(times))})
    expected = [f"{number} {at:g}" for at, number in sorted((at, number) for number, own in enumerate(times) for at in own)]
    assert _forwards(log, count) == expected
    assert _backwards(log, count) == expected


def test_of_gigabytes_only_what_is_shown_is_read(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(10)]
    for name in names:
        with (tmp_path / name).open("wb") as file:
            file.truncate(20 * 1024**3)  # sparse: zeros, without a newline
            file.seek(0, 2)
            file.write(b"\n" + _cri(name, range(3)).encode())
    log = MergedLog({name: _reader(tmp_path, name) for name in names})
    tracemalloc.start()
    try:
        page = log.before(None, 30)
        assert len(page.lines) == 30
        page = log.before(page.start, 500, lambda line: "wanted" in line.text)
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024**2
    finally:
        tracemalloc.stop()
    assert page.lines == ()
    assert not page.is_first
    assert page.looked_through < 8 * 1024**2


def test_of_what_was_compressed_only_so_much_is_kept_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctrscope.probes.log_file._HELD_LIMIT", 3_000_000)
    names = [f"m{number}" for number in range(8)]
    for name in names:
        text = "".join(f"{_at(second / 100)} stdout F {name} {second}\n" for second in range(20_000))  # a megabyte
        (tmp_path / f"{name}.1.gz").write_bytes(gzip.compress(text.encode()))
        (tmp_path / name).write_text(_cri(name, [300]))
    log = MergedLog({name: _reader(tmp_path, f"{name}.1.gz", name) for name in names})
    tracemalloc.start()
    try:
        assert len(log.before(None, 4).lines) == 4
        page = log.before(None, 2000)
        assert [line.whose for line in page.lines[-16:]] == names * 2
        del page
        assert tracemalloc.get_traced_memory()[0] < 5_000_000
    finally:
        tracemalloc.stop()


# Opening them


def _container(name: str, engine: EngineName = EngineName.PODMAN, **changes: Any) -> Container:
    values: dict[str, Any] = {"id": name, "name": name, "engine": engine, "status": ContainerStatus.RUNNING, "pid": 7}
    return Container(**(values | changes))


def test_a_log_that_has_no_place_among_the_others_is_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(_cri("a", [1]))
    (tmp_path / "console").write_text("Welcome\n")
    found = {
        "a": _container("a", log_path="/a"),
        "lx": _container("lx", EngineName.LXC, log_path="/console"),
        "b": _container("b", log_path="/b"),
        "nsp": _container("nsp", EngineName.NSPAWN),
    }
    log = open_logs(HostFs(str(tmp_path)), found)
    assert log.members == ("a",)
    assert [one.partition(": ")[0] for one in log.left_out] == ["lx", "b", "nsp"]
    assert log.left_out[0] == "lx: the lines of /console have no times"
    assert log.left_out[1] == "b: /b: No such file or directory"
    assert _texts(log.before(None, 10)) == ["a 1"]


def test_without_any_log_it_is_said_why_for_each(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"a: /a: No such file or directory; nsp: what its journal took"):
        open_logs(HostFs(str(tmp_path)), {"a": _container("a", log_path="/a"), "nsp": _container("nsp", EngineName.NSPAWN)})


def test_of_very_many_those_that_run_are_read_and_the_others_are_said(tmp_path: Path) -> None:
    found = {}
    for number in range(103):
        (tmp_path / f"c{number}").write_text(_cri(f"c{number}", [number]))
        stopped: dict[str, Any] = {"pid": None, "status": ContainerStatus.STOPPED} if number < 10 else {}
        found[f"c{number}"] = _container(f"c{number}", log_path=f"/c{number}", **stopped)
    log = open_logs(HostFs(str(tmp_path)), found)
    assert len(log.members) == 100
    assert log.left_out == tuple(f"c{number}: 100 logs are read at once" for number in (7, 8, 9))
    assert _texts(log.before(None, 2)) == ["c101 101", "c102 102"]


def test_the_text_of_a_line_is_not_what_orders_it(tmp_path: Path) -> None:
    """Two lines of one moment and one log, of which the second would sort first."""
    (tmp_path / "a").write_text(f"{_at(1)} stdout F z\n{_at(1)} stdout F a\n")
    page = MergedLog({"a": _reader(tmp_path, "a")}).after((LogPlace(0, 0),), 10)
    assert [line._replace(place=None) for line in page.lines] == [
        LogLine(None, "z", _at(1), "stdout", "a"),
        LogLine(None, "a", _at(1), "stdout", "a"),
    ]
