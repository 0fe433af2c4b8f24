"""Findings: worst first, how we know and what to do below the cursor, and enter goes to the subject."""

import json

import pytest
from msgspec import structs
from textual.pilot import Pilot

from ctrscope.model.container import Evidence
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.sample import Ages
from ctrscope.views.finding_rows import keyed, tab_of
from ctrscope.views.panes import PANES
from ctrscope.views.screens.cgroups import CgroupsScreen
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.findings import FindingsScreen
from ctrscope.views.screens.host import HostScreen
from ctrscope.views.screens.namespaces import NamespacesScreen
from ctrscope.views.screens.network import NetworkScreen
from ctrscope.views.widgets.row_table import RowTable
from tests.views.builders import APP, sample
from tests.views.driver import app_of, asynchronous, dashboard, press, screen_lines, settle, show, table_of
from tests.views.world import BLUE, HOST_NET, findings, full, security


def key_of(rule: str) -> str:
    return next(key for key, finding in keyed(findings()).items() if finding.rule == rule)


@asynchronous
async def test_they_are_grouped_by_severity_worst_first() -> None:
    async with dashboard([structs.replace(sample(), findings=findings()[::-1])]) as pilot:
        await press(pilot, "6")
        text = "\n".join(screen_lines(pilot))
        places = [text.index(word) for word in ("high  1", "medium  2", "low  2", "info  1")]
        assert places == sorted(places)
        assert "critical" not in text


@asynchronous
async def test_below_the_cursor_is_how_we_know_and_what_to_do() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "6")
        text = "\n".join(screen_lines(pilot))
        assert "/proc/4410: no such process" in text  # the first one, and not the heading above it
        pilot.app.screen.query_one(RowTable).stand_on(key_of("health/cpu-throttled"))
        await settle(pilot)
        text = "\n".join(screen_lines(pilot))
        assert "cpu.stat: nr_throttled +31 of +100 periods" in text
        assert "Raise the quota of kubepods-burstable.slice" in text


@pytest.mark.parametrize(
    ("rule", "screen", "cursor"),
    [
        ("health/leftover-cgroup", CgroupsScreen, "/user.slice/user-1000.slice"),
        ("health/pinned-namespace", NamespacesScreen, f"net:[{BLUE}]"),
        ("health/link-down", NetworkScreen, f"{HOST_NET}/12"),
    ],
)
def test_enter_goes_to_the_subject_on_its_screen(rule: str, screen: type, cursor: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([full()]) as pilot:
            await press(pilot, "6")
            pilot.app.screen.query_one(RowTable).stand_on(key_of(rule))
            await press(pilot, "enter")
            await show(pilot, full(second=2))
            assert isinstance(pilot.app.screen, screen)
            assert pilot.app.screen.query_one(RowTable).cursor == cursor

    run()


@asynchronous
async def test_enter_opens_the_container_and_escape_comes_back() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "6")
        pilot.app.screen.query_one(RowTable).stand_on(key_of("health/cpu-throttled"))
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ContainerScreen)
        assert pilot.app.screen.key == APP
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, FindingsScreen)


@asynchronous
async def test_a_finding_about_the_host_leads_to_its_page() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "6", "end", "enter")
        assert isinstance(pilot.app.screen, HostScreen)


@asynchronous
async def test_nothing_wrong_is_said() -> None:
    async with dashboard([sample()]) as pilot:
        await press(pilot, "6", "enter", "down")
        assert "Nothing is wrong" in "\n".join(screen_lines(pilot))


@asynchronous
async def test_what_was_not_judged_yet_is_not_said_to_be_right() -> None:
    async with dashboard([structs.replace(sample(), findings=None)]) as pilot:
        await press(pilot, "6")
        assert "Looking: it takes two readings" in "\n".join(screen_lines(pilot))


@asynchronous
async def test_until_somebody_moves_it_the_cursor_is_on_the_worst_though_that_comes_later() -> None:
    grave = structs.replace(findings()[0], rule="capabilities/all", severity=Severity.CRITICAL)
    for keys, is_worst in (((), True), (("down", "up"), False)):
        async with dashboard([structs.replace(full(), security=())]) as pilot:
            await press(pilot, "6", *keys)
            await show(pilot, structs.replace(full(second=2), security=(grave,)))
            table = pilot.app.screen.query_one(RowTable)
            first = next(key for key in table.row_keys if not key.startswith("severity"))
            assert (table.cursor == first) is is_worst


@asynchronous
async def test_how_old_it_is_that_is_not_looked_at_with_every_sample() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "6")
        assert "as of" not in "\n".join(screen_lines(pilot))
        await show(pilot, structs.replace(full(second=2), ages=Ages(health=95.0, security=12.0)))
        text = "\n".join(screen_lines(pilot))
        assert "of health (as of 1m ago)" in text
        assert "of security (as of 12s ago)" in text


@asynchronous
async def test_the_cursor_stays_on_a_finding_whose_words_change() -> None:
    later = [structs.replace(one, title=one.title.replace("31 %", "47 %")) for one in findings()]
    async with dashboard([full()]) as pilot:
        await press(pilot, "6")
        table = pilot.app.screen.query_one(RowTable)
        table.stand_on(key_of("health/cpu-throttled"))
        await show(pilot, structs.replace(full(second=2), findings=tuple(later)))
        assert table.cursor == key_of("health/cpu-throttled")
        assert "throttled in 47 %" in "\n".join(screen_lines(pilot))


def test_two_findings_of_one_rule_about_one_subject_are_two() -> None:
    one: Finding = findings()[1]
    assert len(keyed([one, structs.replace(one, title="another")])) == 2


@asynchronous
async def test_the_note_of_a_container_with_a_grave_finding_is_red() -> None:
    from ctrscope.model.finding import Subject

    grave = structs.replace(findings()[0], severity=Severity.CRITICAL, subject=Subject(kind="container", id=APP, name="app"))
    for found, tone in (((), "watch"), ((grave,), "act")):
        async with dashboard([structs.replace(sample(), findings=found)]) as pilot:
            row = table_of(pilot).row(APP)
            assert row is not None
            assert row.cells[-1].tone == tone


def shown(pilot: Pilot[None]) -> set[str]:
    """Rules of the findings in the list."""
    return {key.split()[0] for key in pilot.app.screen.query_one(RowTable).row_keys if "/" in key}


HEALTH = {one.rule for one in findings()}
SECURITY = {one.rule for one in security()}


@asynchronous
async def test_health_and_security_stand_together_and_can_be_told_apart() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "6")
        assert shown(pilot) == HEALTH | SECURITY
        assert f"{len(HEALTH)} of health, {len(SECURITY)} of security" in screen_lines(pilot)[-2]
        await press(pilot, "t")
        assert shown(pilot) == HEALTH
        await press(pilot, "t")
        assert shown(pilot) == SECURITY
        await press(pilot, "t")
        assert shown(pilot) == HEALTH | SECURITY


@asynchronous
async def test_a_severity_can_be_chosen_beside_a_kind_and_escape_shows_all() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "6", "t", "t", "v", "v")
        assert shown(pilot) == {"security/cap-sys-admin"}  # critical, then high
        await press(pilot, "escape")
        assert shown(pilot) == HEALTH | SECURITY


@pytest.mark.parametrize(
    ("typed", "rules"),
    [
        ("name:d-db", {"security/cap-sys-admin"}),
        ("rule:kptr", {"security/kernel-kptr-restrict"}),
        ("severity:medium kind:security", {"security/sensitive-mount"}),
        ("host-etc", {"security/sensitive-mount"}),
        ("nothing-of-the-kind", set()),
    ],
)
def test_words_that_are_typed_leave_what_matches(typed: str, rules: set[str]) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([full()]) as pilot:
            await press(pilot, "6", "slash", *("space" if one == " " else one for one in typed))
            assert shown(pilot) == rules
            if not rules:
                assert "No finding matches" in "\n".join(screen_lines(pilot))

    run()


@pytest.mark.parametrize(("rule", "tab"), [("security/cap-sys-admin", "Security"), ("security/sensitive-mount", "Mounts")])
def test_enter_opens_the_tab_that_the_evidence_is_on(rule: str, tab: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([full()]) as pilot:
            await press(pilot, "6")
            key = next(key for key, one in keyed(security()).items() if one.rule == rule)
            pilot.app.screen.query_one(RowTable).stand_on(key)
            await press(pilot, "enter")
            screen = pilot.app.screen
            assert isinstance(screen, ContainerScreen)
            assert PANES[screen.tab].title == tab

    run()


@asynchronous
async def test_security_that_is_not_known_yet_is_said_and_what_was_known_stays() -> None:
    async with dashboard([structs.replace(full(), security=None)]) as pilot:
        await press(pilot, "6")
        assert "looking at security" in screen_lines(pilot)[-2]
        await show(pilot, full(second=2))
        assert "looking at security" not in screen_lines(pilot)[-2]
        await show(pilot, structs.replace(full(second=3), security=None))
        assert shown(pilot) == HEALTH | SECURITY


@pytest.mark.parametrize(
    ("rule", "source", "tab"),
    [
        ("security/host-pid", "/proc/9/ns", "Namespaces"),
        ("security/secret-in-environment", "/proc/9/environ", "Environment"),
        ("security/no-memory-limit", "cgroup /docker/x", "Cgroup"),
        ("security/more-rights-than-init", "/proc/9/status", "Processes"),
        ("security/port-on-all-addresses", "ports", "Network"),
        ("security/privileged", "/var/lib/docker/containers/x/hostconfig.json", "Security"),
        ("health/cpu-throttled", "cpu.stat", "Overview"),
    ],
)
def test_every_source_has_a_tab(rule: str, source: str, tab: str) -> None:
    one = structs.replace(findings()[0], rule=rule, evidence=(Evidence(source=source, value=""),))
    assert tab_of(one) == tab
    assert tab in {pane.title for pane in PANES}


@asynchronous
async def test_what_is_shown_is_exported_as_json() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "6", "slash", *"severity:low", "enter", "e")
        rules = {one["rule"] for one in json.loads(app_of(pilot).clipboard)["findings"]}
        assert rules
        assert rules == shown(pilot)
