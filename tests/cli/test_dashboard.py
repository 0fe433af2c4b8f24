"""What the dashboard is handed for acting: values as they were typed become a plan, and a refusal says why."""

import io
from types import SimpleNamespace

import pytest

from ctrscope.act import limit
from ctrscope.act.limit import Change, LimitRequest
from ctrscope.act.refusal import CannotAct
from ctrscope.cli.dashboard import _limit
from ctrscope.cli.environment import Environment
from ctrscope.probes.hostfs import HostFs
from ctrscope.views.acting import Limits, Refused
from tests.awkward import WEB

CHANGE = Change(
    resource="memory", directory="/sys/fs/cgroup/web", file="memory.max", before="64M", after="128M", text="134217728"
)


@pytest.fixture
def environment() -> Environment:
    return Environment(HostFs(), io.StringIO(), io.StringIO(), io.StringIO())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[LimitRequest]:
    requests: list[LimitRequest] = []

    def plan_limit(host: object, container: object, request: LimitRequest) -> SimpleNamespace:
        requests.append(request)
        return SimpleNamespace(changes=(CHANGE,))

    monkeypatch.setattr(limit, "plan_limit", plan_limit)
    monkeypatch.setattr(limit, "apply_limit", lambda host, plan: plan.changes)
    return requests


def test_what_was_typed_is_what_is_planned_and_the_rest_stays(environment: Environment, asked: list[LimitRequest]) -> None:
    proposal = _limit(environment, WEB, Limits("128M", "0.5", ""))

    assert asked == [LimitRequest(memory=128 << 20, cpus=0.5, pids=None)]
    assert proposal.lines == ("memory          64M → 128M",)
    assert "keeps the old value" in proposal.warning
    assert proposal.apply() == proposal.lines


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits("much", "", ""), "'much' is not a size"),
        (Limits("", "none", ""), "'none' is not a number of CPUs"),
        (Limits("", "", "-1"), "'-1' is not a number from 1 up"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_would(
    environment: Environment, asked: list[LimitRequest], limits: Limits, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        _limit(environment, WEB, limits)
    assert asked == []


def test_what_the_kernel_refuses_is_said(
    environment: Environment, asked: list[LimitRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(host: object, plan: object) -> None:
        raise CannotAct("web: memory.max: Device or resource busy")

    monkeypatch.setattr(limit, "apply_limit", fail)

    with pytest.raises(Refused, match="Device or resource busy"):
        _limit(environment, WEB, Limits("1M", "", "")).apply()
