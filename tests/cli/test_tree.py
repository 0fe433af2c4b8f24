from collections.abc import Callable

from tests.awkward import HOSTILE, WEB
from tests.cli.conftest import Done, Host
from tests.golden import assert_golden

Run = Callable[..., Done]


def test_all_trees_stand_below_each_other(awkward: Host, run: Run) -> None:
    done = run("tree")
    assert done.status == 0
    assert_golden("tree-all.txt", done.out)


def test_one_container_has_only_its_own_processes(awkward: Host, run: Run) -> None:
    assert "25112" not in run("tree", "web").out


def test_json_has_one_tree_for_each_supervisor(awkward: Host, run: Run) -> None:
    (tree,) = run("tree", "--json").answer["trees"]
    assert tree["supervisor"] == 4690
    assert set(tree["containers"]) == {WEB.id, HOSTILE.id}
    assert [process["nspid"] for process in tree["processes"] if process["pid"] == 4711] == [[4711, 1]]


def test_a_stopped_container_has_no_tree(awkward: Host, run: Run) -> None:
    done = run("tree", "batch 7")
    assert (done.status, done.out) == (0, "")
    assert "batch 7 is stopped: it has no processes." in done.err
