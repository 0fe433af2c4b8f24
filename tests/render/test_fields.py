import msgspec
import pytest

from ctrscope.model.cgroup import CgroupStats, MemoryStats
from ctrscope.model.container import Container, ContainerStatus, Port
from ctrscope.model.rates import Rates
from ctrscope.render.fields import CONTAINER_FIELDS, STATUS_SIGNS, Row, ports_text
from tests.awkward import BY_HAND, HOSTILE, NOW, ORPHAN, SNAPSHOT, STATS, STOPPED, WEB

FIELDS = {field.key: field for field in CONTAINER_FIELDS}


def cell(key: str, container: Container, stats: CgroupStats | None = None, rates: Rates | None = None) -> str:
    return FIELDS[key].get(Row(container, stats, rates), NOW)


def test_every_status_has_a_sign() -> None:
    assert set(STATUS_SIGNS) == set(ContainerStatus)


@pytest.mark.parametrize(("container", "sign"), [(WEB, "●"), (HOSTILE, "◐"), (STOPPED, "○"), (ORPHAN, "!"), (BY_HAND, "?")])
def test_the_sign_says_the_state_without_colour(container: Container, sign: str) -> None:
    assert cell("sign", container) == sign


def test_the_engine_names_owner_and_namespace_where_they_are_not_the_usual_ones() -> None:
    assert [cell("engine", one) for one in (WEB, ORPHAN, HOSTILE)] == ["docker", "podman@1000", "containerd/k8s.io"]


def test_the_group_is_the_pod_or_the_compose_project() -> None:
    assert [cell("group", one) for one in (HOSTILE, WEB, ORPHAN)] == ["shop/web-0", "shop", ""]


def test_the_age_counts_from_the_present_state() -> None:
    assert [cell("age", one) for one in (WEB, STOPPED, ORPHAN)] == ["4d", "3m", ""]


def test_figures_of_a_stopped_container_do_not_apply() -> None:
    assert {cell(key, STOPPED) for key in ("pid", "pids", "cpu", "throttled", "memory", "memory_limit", "memory_percent")} == {
        "–"
    }


def test_figures_that_could_not_be_read_are_not_zero() -> None:
    assert (cell("memory", WEB, None), cell("memory", WEB, CgroupStats(memory=MemoryStats()))) == ("·", "·")


def test_figures_of_a_controller_that_is_not_there_do_not_apply() -> None:
    assert (cell("memory", WEB, CgroupStats()), cell("memory", BY_HAND, None)) == ("–", "–")


def test_a_rate_is_empty_until_there_are_two_readings() -> None:
    assert (cell("cpu", WEB, STATS), cell("cpu", WEB, STATS, Rates(cpu_percent=48.06))) == ("", "48.1")


def test_memory_is_shown_against_its_limit() -> None:
    assert [cell(key, WEB, STATS) for key in ("memory", "memory_limit", "memory_percent")] == ["412M", "512M", "80"]


def test_no_limit_is_max_and_no_percentage_of_it() -> None:
    stats = CgroupStats(memory=MemoryStats(current=1, limit="max"))
    assert [cell(key, WEB, stats) for key in ("memory_limit", "memory_percent")] == ["max", "–"]


def test_both_address_families_of_a_port_are_one() -> None:
    assert cell("ports", WEB) == "8080->80/tcp, 127.0.0.1:53->53/udp"


def test_an_ipv6_address_of_a_port_has_brackets() -> None:
    port = Port(proto="tcp", host_ip="fe80::1", host_port=1, container_ip=None, container_port=2)
    unpublished = Port(proto="sctp", host_ip=None, host_port=None, container_ip=None, container_port=9)
    assert ports_text((port, unpublished)) == "[fe80::1]:1->2/tcp, 9/sctp"


@pytest.mark.parametrize("field", CONTAINER_FIELDS, ids=lambda field: field.key)
def test_every_column_of_every_container_prints_and_sorts(field: object) -> None:
    shown = FIELDS[field.key]  # type: ignore[attr-defined]
    rows = [Row(one, stats) for one in SNAPSHOT.containers for stats in (None, STATS)]
    assert all(shown.get(row, NOW).isprintable() for row in rows)
    assert len(sorted(rows, key=lambda row: shown.sort(row, NOW))) == len(rows)
    assert shown.help.endswith(".")


def test_what_is_unknown_sorts_below_what_is_known() -> None:
    bigger = msgspec.structs.replace(STATS, memory=MemoryStats(current=1 << 40, limit="max"))
    rows = [Row(WEB, bigger), Row(WEB, None), Row(WEB, STATS)]
    for key in ("memory", "memory_limit"):
        ordered = sorted(rows, key=lambda row: FIELDS[key].sort(row, NOW))
        assert [row.stats for row in ordered] == [None, STATS, bigger]
