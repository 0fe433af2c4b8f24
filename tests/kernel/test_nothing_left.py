"""Nothing is left of a container, nor of the demo, however their processes ended. 200 moments: ``make test-moments``."""

from tests.kernel.world import run_in_world
from tests.requirements import require, require_root

_NEEDED = ("unshare", "ip", "nft", "findmnt", "lsns")


def test_nothing_is_left_whoever_is_killed_at_whatever_moment() -> None:
    """What is printed says the seed and, of each failure, who was killed when, and what was left."""
    require_root("namespaces, cgroups")
    require(*_NEEDED)
    assert run_in_world("tests.kernel.nothing_left", "--inside", "--moments", "25") == 0


def test_nothing_is_left_of_the_demo_however_it_ends() -> None:
    require_root("namespaces, cgroups")
    require(*_NEEDED)
    assert run_in_world("tests.kernel.demo") == 0
