"""When a writable layer is counted: when somebody asks, and again when the container ran meanwhile."""

import threading
from pathlib import Path

import pytest
from msgspec import structs

from ctrscope.discovery import layer_sizes
from ctrscope.discovery.layer_sizes import LayerSizes
from ctrscope.model.cgroup import CgroupStats, CpuStats
from ctrscope.model.container import Container
from ctrscope.model.gap import Reading, Reason
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.storage import Measured, WritableLayer
from ctrscope.probes.hostfs import HostFs
from tests.builders import HostTree
from tests.views.builders import container, sample, stopped

OWN = "/var/lib/docker/overlay2/ab12"


@pytest.fixture
def tree(tmp_path: Path) -> HostTree:
    tree = HostTree(tmp_path)
    tree.file("/proc/1/mountinfo", "24 1 254:1 / / rw - ext4 /dev/vda1 rw\n")
    tree.file("/proc/4711/mountinfo", f"6 5 0:57 / / rw - overlay overlay rw,lowerdir=/l,upperdir={OWN}/diff,workdir=/w\n")
    tree.file(f"{OWN}/diff/etc/new", "x" * 1000)
    return tree


def snapshot(*found: Container, ran: int = 100) -> Snapshot:
    stats = {one.key: CgroupStats(cpu=CpuStats(usage_usec=ran)) for one in found}
    return structs.replace(sample().snapshot, containers=found, stats=stats)


def counted(sizes: LayerSizes, seen: Snapshot) -> dict[str, Reading[Measured]]:
    """What is known once nothing is counted any more."""
    keys = [one.key for one in seen.containers]
    sizes.get(seen, keys)
    thread = sizes._thread
    if thread is not None:
        thread.join(timeout=30)
        assert not thread.is_alive()
    known = {one.key: sizes._counted[one.key].reading for one in seen.containers if one.key in sizes._counted}
    return dict(known)


def test_what_files_say_is_added_up_and_who_has_no_layer_says_so(tree: HostTree) -> None:
    web, plain = container("web"), container("plain", pid=4712)
    tree.file("/proc/4712/mountinfo", "6 5 254:1 / / rw - ext4 /dev/vda1 rw\n")
    found = counted(LayerSizes(tree.fs), snapshot(web, plain))
    assert found[web.key].value == Measured(1000, 2, True)
    assert found[plain.key].value is None
    assert [gap.reason for gap in found[plain.key].gaps] == [Reason.UNSUPPORTED]


def test_nobody_is_counted_who_was_not_asked_for(tree: HostTree) -> None:
    sizes, web = LayerSizes(tree.fs), container("web")
    assert sizes.get(snapshot(web), ()) == {}
    assert sizes._thread is None


def test_it_is_counted_again_when_it_ran_meanwhile_and_not_before(tree: HostTree, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, web, now = LayerSizes(tree.fs), container("web"), [1000.0]
    monkeypatch.setattr(layer_sizes, "monotonic", lambda: now[0])

    def size(ran: int) -> int:
        value = counted(sizes, snapshot(web, ran=ran))[web.key].value
        assert value is not None
        return value.size

    assert size(ran=100) == 1000
    tree.file(f"{OWN}/diff/more", "x" * 500)
    assert size(ran=200) == 1000  # not yet: it was counted just now
    now[0] += 11
    assert size(ran=100) == 1000  # it used no CPU since
    assert size(ran=200) == 1500
    tree.file(f"{OWN}/diff/more", "x" * 700)
    now[0] += 301
    assert size(ran=200) == 1700  # somebody may have copied something into it


def test_what_is_gone_is_forgotten(tree: HostTree) -> None:
    sizes, web = LayerSizes(tree.fs), stopped("web", rootfs=f"{OWN}/merged")
    tree.file(f"{OWN}/lower", "l/X")
    assert counted(sizes, snapshot(web))[web.key].value == Measured(1000, 2, True)
    sizes.get(snapshot(), (web.key,))
    assert sizes._counted == {}


def test_whoever_asks_does_not_wait(tree: HostTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that takes long, or for ever."""
    sizes, web, may_end = LayerSizes(tree.fs), container("web"), threading.Event()

    def wait(hostfs: HostFs, layer: WritableLayer) -> Reading[Measured]:
        may_end.wait(timeout=60)
        return Reading(Measured(1, 1, True))

    monkeypatch.setattr(layer_sizes, "measure_layer", wait)
    assert sizes.get(snapshot(web), (web.key,)) == {}
    assert sizes.get(snapshot(web), (web.key,)) == {}
    may_end.set()
    assert counted(sizes, snapshot(web))[web.key].value == Measured(1, 1, True)


def test_what_goes_wrong_there_is_said_to_whoever_asks_next(tree: HostTree, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, web = LayerSizes(tree.fs), container("web")

    def fail(hostfs: HostFs, layer: WritableLayer) -> Reading[Measured]:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(layer_sizes, "measure_layer", fail)
    assert counted(sizes, snapshot(web)) == {}
    with pytest.raises(RuntimeError, match="a mistake"):
        sizes.get(snapshot(web), (web.key,))
