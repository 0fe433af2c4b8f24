"""The head of a container's page: the three facts that matter most. And its mounts: what no path leads to any more."""

from typing import Any

import pytest
from msgspec import structs

from ctrscope.model.finding import Finding, Severity, Subject
from ctrscope.model.mount import Mount
from ctrscope.views.facts import fact_lines, how_it_does
from ctrscope.views.panes.mounts import find_covered
from ctrscope.views.panes.opened import Opened
from tests.views.builders import APP, NOW, container, containers, sample, stopped


def _opened(key: str = APP, **changes: Any) -> Opened:
    found = sample()
    one = next(one for one in containers() if one.key == key)
    values: dict[str, Any] = {
        "container": one,
        "snapshot": found.snapshot,
        "now": NOW,
        "width": 120,
        "stats": found.snapshot.stats.get(key),
        "rates": found.rates.get(key),
        "effective": found.snapshot.effective.get(key),
    }
    return Opened(**(values | changes))


def _finding(title: str, severity: Severity = Severity.MEDIUM) -> Finding:
    subject = Subject(kind="container", id=APP, name="app")
    return Finding(rule="health/x", severity=severity, subject=subject, title=title, evidence=(), remedy="")


def _texts(opened: Opened) -> list[str]:
    return [line.plain for line in fact_lines(opened)]


def _quiet() -> Opened:
    opened = _opened()
    return opened._replace(container=structs.replace(opened.container, note=None))


def test_of_one_that_is_well_it_says_how_it_does_on_one_line() -> None:
    (text,) = _texts(_quiet())
    assert text == " cpu 48.1 % of 50   memory 412M of 480M   reached at 8080->3000/tcp"


def test_what_is_wrong_comes_first_and_takes_the_place_of_the_rest() -> None:
    findings = (_finding("worst", Severity.HIGH), _finding("bad"))
    assert _texts(_quiet()._replace(findings=findings)) == [" ● worst", " ▲ bad", " cpu 48.1 % of 50"]
    three = (*findings, _finding("third"), _finding("fourth"))
    assert _texts(_quiet()._replace(findings=three)) == [" ● worst", " ▲ bad", " ▲ third"]


def test_a_note_that_is_a_finding_already_is_said_once() -> None:
    opened = _quiet()
    noted = opened._replace(container=structs.replace(opened.container, note="bad"), findings=(_finding("bad"),))
    assert sum("bad" in text for text in _texts(noted)) == 1


def test_what_does_not_fit_is_cut_and_hostile_text_is_inert() -> None:
    (text, *_) = _texts(_quiet()._replace(width=30, findings=(_finding("\x1b[2J" + "x" * 100),)))
    assert len(text) <= 30
    assert text.startswith(r" ▲ \x1b[2Jxxx")


def test_of_one_that_ended_it_says_how() -> None:
    one = stopped("batch", exit_code=137, oom_killed=True, restart_count=4, image="busy:1")
    wanted = ["exit status 137, killed for memory", "restarted 4 times", "image busy:1"]
    assert how_it_does(_opened()._replace(container=one)) == wanted


def test_of_one_without_figures_it_says_what_is_known() -> None:
    one = container("bare", addresses=("10.0.0.2/24",), pids=(1, 2))
    assert how_it_does(_opened()._replace(container=one, stats=None, rates=None)) == ["at 10.0.0.2/24", "2 processes"]


def _mount(number: int, parent: int, point: str) -> Mount:
    return Mount(
        mount_id=number,
        parent_id=parent,
        device="0:1",
        root="/",
        mount_point=point,
        options=("rw",),
        propagation=(),
        fs_type="tmpfs",
        source="tmpfs",
        super_options=(),
    )


@pytest.mark.parametrize(
    ("mounts", "covered"),
    [
        ([(1, 0, "/"), (2, 1, "/proc"), (3, 2, "/proc/sys")], set()),
        ([(1, 0, "/"), (2, 1, "/data"), (3, 2, "/data")], {2}),  # one on top of the other
        ([(1, 0, "/"), (2, 1, "/a/b"), (3, 1, "/a")], {2}),  # a directory above it was covered
        ([(1, 0, "/"), (2, 1, "/a"), (3, 2, "/a/b"), (4, 1, "/ab")], set()),
        ([(1, 0, "/"), (2, 1, "/")], {1}),  # the root itself
        ([(1, 1, "/"), (2, 1, "/x")], set()),  # its own parent, as the root of a mount namespace may say
        ([], set()),
    ],
    ids=str,
)
def test_a_mount_is_covered_when_no_path_leads_to_it(mounts: list[tuple[int, int, str]], covered: set[int]) -> None:
    assert find_covered([_mount(*one) for one in mounts]) == covered
