"""Rules of the namespaces that forward: which are asked, and what is said when they may not be."""

import errno
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from ctrscope.discovery.nat import may_forward, read_nat
from ctrscope.discovery.published import find_publications
from ctrscope.model.gap import Reason
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.netns import Door
from tests.site import HOST, WEB_INSIDE, link, snapshot, topology


def test_a_container_does_not_forward_and_a_host_does() -> None:
    assert may_forward(HOST)
    assert not may_forward(WEB_INSIDE)
    assert may_forward(replace(WEB_INSIDE, links=(*WEB_INSIDE.links, link(9, "br0", "bridge"))))
    # Some kernels put these into every namespace.
    assert not may_forward(replace(WEB_INSIDE, links=(*WEB_INSIDE.links, link(9, "tunl0", "ipip", is_up=False))))


def test_another_root_has_no_rules_that_netlink_could_tell(tmp_path: Path) -> None:
    rules, gaps = read_nat(HostFs(str(tmp_path)), topology())
    assert rules == ()
    assert [(gap.subject, gap.reason) for gap in gaps] == [("host", Reason.UNSUPPORTED)]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def visit(host: HostFs, doors: Sequence[Door], call: Callable[[Door], object]) -> list[object]:
        return [OSError(errno.EPERM, "Operation not permitted") for _ in doors]

    for module in ("nat", "forwarded"):
        monkeypatch.setattr(f"ctrscope.discovery.{module}.visit_network_namespaces", visit)


@pytest.mark.usefixtures("refused")
def test_a_namespace_that_may_not_be_entered_is_a_gap_that_says_what_it_takes() -> None:
    _, gaps = read_nat(HostFs(), topology())
    assert [(gap.subject, gap.reason, gap.needs) for gap in gaps] == [("host", Reason.DENIED, "CAP_SYS_ADMIN")]


@pytest.mark.usefixtures("refused")
def test_what_could_not_be_read_is_not_said_to_be_absent() -> None:
    published, gaps = find_publications(HostFs(), snapshot(), topology())
    assert [(one.via, one.is_checked) for one in published or ()] == [((), False)]
    assert gaps
