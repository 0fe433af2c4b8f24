from ctrscope.model.process import Role
from ctrscope.render.trees import format_forest, supervisor_trees
from tests.awkward import HOSTILE, HOSTILE_PROCESSES, WEB, WEB_PROCESSES, process
from tests.golden import assert_golden

NAMES = {WEB.key: "web", HOSTILE.key: "hostile"}


def test_a_shim_of_two_containers_is_one_tree() -> None:
    trees = supervisor_trees((*WEB_PROCESSES, *HOSTILE_PROCESSES))
    assert [[one.pid for one in tree] for tree in trees] == [[4690, 4711, 4730, 4800, 30111, 25112, 25113]]


def test_containers_without_supervisor_are_trees_of_their_own() -> None:
    web = process(10, 1, role=Role.INIT, container=WEB)
    hostile = process(20, 1, role=Role.INIT, container=HOSTILE)
    joined = process(30, 9, role=Role.JOINED, container=WEB)
    assert supervisor_trees((web, joined, hostile)) == ((web, joined), (hostile,))


def test_the_tree_names_supervisor_inits_zombies_and_who_joined() -> None:
    tree = supervisor_trees((*WEB_PROCESSES, *HOSTILE_PROCESSES))[0]
    assert_golden("tree.txt", "\n".join(format_forest(tree, NAMES)) + "\n")


def test_a_process_without_its_own_pid_namespace_has_one_number() -> None:
    assert format_forest([process(10, 1, role=Role.DESCENDANT, container=WEB)], NAMES) == ["10 sh"]


def test_processes_nested_ten_thousand_deep_are_all_listed() -> None:
    chain = [process(pid, pid - 1, role=Role.DESCENDANT, container=WEB) for pid in range(2, 10_002)]
    lines = format_forest(chain, NAMES)
    assert len(lines) == 10_000
    assert max(map(len, lines)) < 250
