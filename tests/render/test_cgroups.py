"""The cgroup tree as text."""

import pytest

from ctrscope.model.cgroup import CgroupNode, EffectiveLimit, EffectiveLimits
from ctrscope.render.cgroups import format_cgroups, short_path
from ctrscope.render.safe import cell_width
from tests.awkward import HOSTILE, STATS, WEB
from tests.golden import assert_golden

assert WEB.cgroup is not None
assert HOSTILE.cgroup is not None
_WEB, _HOSTILE = WEB.cgroup.path, HOSTILE.cgroup.path
_EFFECTIVE = EffectiveLimits(
    cpus=EffectiveLimit(value=0.5, limited_by=_WEB),
    memory=EffectiveLimit(value=128 << 20, limited_by="/system.slice"),
    pids=EffectiveLimit(value=32768, limited_by="host"),
)
TREE = CgroupNode(
    path="/",
    nprocs=60,
    nr_empty=3,
    children=(
        CgroupNode(path="/kubepods.slice", children=(CgroupNode(path=_HOSTILE, container=HOSTILE.id, nprocs=1, stats=STATS),)),
        CgroupNode(
            path="/system.slice",
            nprocs=0,
            children=(
                CgroupNode(path=_WEB, container=WEB.id, nprocs=3, stats=STATS, effective=_EFFECTIVE),
                CgroupNode(path="/system.slice/pool", kind="threaded", owner_uid=1000, nr_empty=1),
            ),
        ),
    ),
)


@pytest.mark.parametrize("width", [None, 80, 200])
def test_the_tree_shows_what_fits(width: int | None) -> None:
    lines = format_cgroups(TREE, {_WEB: "web (docker)"}, width)
    assert width is None or max(map(cell_width, lines)) <= width
    assert_golden(f"cgroup-{width}.txt" if width else "cgroup.txt", "\n".join(lines) + "\n")


def test_a_tree_as_deep_as_it_gets_is_drawn() -> None:
    node = CgroupNode(path="/d" * 64)
    for depth in range(63, 0, -1):
        node = CgroupNode(path="/d" * depth, children=(node,))
    assert len(format_cgroups(node, {}, 80)) == 65


def test_of_a_hash_twelve_characters_are_enough() -> None:
    assert short_path(f"/docker/{'ab' * 32}/x\x1b") == "/docker/abababababab/x\\x1b"
