"""What somebody who has never seen the dashboard looks for on a busy host: each at most three keys from the first screen."""

from msgspec import structs
from textual.pilot import Pilot

from ctrscope.model.container import Evidence
from ctrscope.model.event import Event, EventKind
from ctrscope.model.finding import Finding, Severity, Subject
from ctrscope.model.network import Hop, NetworkPath, NetworkTopology, NetworkWay
from ctrscope.model.sample import Sample
from tests.views.builders import APP, NOW, ago, container, containers, detail
from tests.views.driver import asynchronous, dashboard, press, screen_lines, show
from tests.views.world import full

_CROWD = tuple(container(f"a-job-{number}") for number in range(120))  # before everything else by name
_HOST = (*containers(), *_CROWD)
_DB = next(one for one in containers() if one.name == "d-db")


def _finding(rule: str, severity: Severity, key: str, name: str, title: str, source: str, value: str, remedy: str) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        subject=Subject(kind="container", id=key, name=name),
        title=title,
        evidence=(Evidence(source=source, value=value),),
        remedy=remedy,
    )


_FINDINGS = (
    _finding(
        "health/cpu-throttled",
        Severity.MEDIUM,
        APP,
        "app",
        "throttled in 31 % of periods: quota 0.5 CPU set by kubepods-burstable.slice",
        "cpu.stat",
        "nr_throttled 28400 of nr_periods 91000",
        "raise the quota of kubepods-burstable.slice",
    ),
    _finding(
        "health/port-silent",
        Severity.MEDIUM,
        _DB.key,
        "d-db",
        "port 0.0.0.0:8080/tcp: nothing listens on 80/tcp inside",
        "/proc/1200/net/tcp",
        "no socket in state LISTEN with port 80",
        "look into the log of d-db: g l",
    ),
)
_WAY = NetworkWay(
    topology=NetworkTopology(),
    paths=(
        NetworkPath(
            proto="tcp",
            port=8080,
            hops=(
                Hop(kind="wire", what="tcp *:8080", is_ok=True),
                Hop(kind="listener", what="tcp 80 inside", is_ok=False, why="nothing listens on 80/tcp; no tcp port is open"),
            ),
        ),
    ),
)


def _busy(second: int = 0, **changes: object) -> Sample:
    return structs.replace(full(_HOST, second=second, details={APP: detail()}), findings=_FINDINGS, **changes)


async def _look(pilot: Pilot[None], *keys: str) -> str:
    """Press keys, and let the sample come that the screen asks for; what is on the screen then."""
    assert len(keys) <= 3
    await press(pilot, *keys)
    await show(pilot, _busy(3, way=_WAY))
    return "\n".join(screen_lines(pilot))


@asynchronous
async def test_the_throttled_container_is_two_keys_away() -> None:
    for size in ((80, 24), (120, 40)):
        async with dashboard([_busy()], size=size) as pilot:
            text = await _look(pilot, "6", "t")
            assert "app" in text
            assert "throttled in 31 % of periods" in text
            assert "kubepods-burstable.slice" in text


@asynchronous
async def test_who_shares_its_network_is_three_keys_away() -> None:
    for size in ((80, 24), (120, 40)):
        async with dashboard([_busy()], size=size) as pilot:
            text = await _look(pilot, "6", "t", "enter")
            assert "net with pause, istio-proxy" in text


@asynchronous
async def test_why_port_8080_does_not_answer_is_three_keys_away() -> None:
    for size in ((80, 24), (120, 40)):
        async with dashboard([_busy()], size=size) as pilot:
            text = await _look(pilot, "6", "t", "down")
            assert "port 0.0.0.0:8080/tcp: nothing listens on 80/tcp inside" in text
            assert "look into the log of d-db" in text  # what to do
            text = await _look(pilot, "enter")
            assert "▲ port 0.0.0.0:8080/tcp: nothing listens on 80/tcp inside" in text


@asynchronous
async def test_what_changed_in_the_last_minute_is_one_key_away() -> None:
    limit = Event(
        time=ago(20), kind=EventKind.LIMIT_CHANGED, container=APP, name="app", what="memory limit 256M → 512M", cause=""
    )
    died = Event(time=ago(5), kind=EventKind.DIED, container=None, name="batch-9", what="died, exit 137", cause="SIGKILL")
    for size in ((80, 24), (120, 40)):
        async with dashboard([_busy()], size=size, now=NOW) as pilot:
            await show(pilot, _busy(1, events=(limit, died)))
            text = await _look(pilot, "7")
            assert "memory limit 256M → 512M" in text
            assert "died, exit 137" in text


@asynchronous
async def test_the_way_of_a_port_is_on_the_page_hop_by_hop() -> None:
    async with dashboard([_busy()]) as pilot:
        await press(pilot, "6", "t", "down", "enter", "right", "right", "right", "right")
        await show(pilot, _busy(3, way=_WAY))
        text = "\n".join(screen_lines(pilot))
        assert "✗ 8080/tcp  broken" in text, text
        assert "✓ wire      tcp *:8080" in text
        assert "nothing listens on 80/tcp; no tcp port is open" in text
