import msgspec
import pytest

from ctrscope.model.namespace import NamespaceType
from ctrscope.model.process import Role
from ctrscope.render.trees import format_forest, remarks, supervisor_trees
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


INNER = msgspec.structs.replace(WEB, id="e" * 64, name="web/inner", outer=WEB.key)
DEEP = msgspec.structs.replace(WEB, id="f" * 64, name="web/inner/deep", outer=INNER.key)


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_container_in_a_container_is_part_of_its_tree(is_reversed: bool) -> None:
    outer = (
        process(5, 1, role=Role.MONITOR, container=WEB),
        process(10, 5, role=Role.INIT, container=WEB),
        process(11, 10, role=Role.DESCENDANT, container=WEB),  # the shim inside, which is of both
    )
    inner = (process(11, 10, role=Role.MONITOR, container=INNER), process(20, 11, role=Role.INIT, container=INNER))
    deep = (process(30, 20, role=Role.INIT, container=DEEP), process(31, 30, role=Role.DESCENDANT, container=DEEP))
    parts = [outer, inner, deep]
    (tree,) = supervisor_trees(one for part in (reversed(parts) if is_reversed else parts) for one in part)
    assert sorted(one.pid for one in tree) == [5, 10, 11, 20, 30, 31]
    lines = format_forest(
        sorted(tree, key=lambda one: one.pid), {WEB.key: "web", INNER.key: "web/inner", DEEP.key: "web/inner/deep"}
    )
    assert lines == [
        "5 supervisor: sh",
        "└─ 10 init of web: sh",
        "   └─ 11 supervisor: sh",
        "      └─ 20 init of web/inner: sh",
        "         └─ 30 init of web/inner/deep: sh",
        "            └─ 31 sh",
    ]


@pytest.mark.parametrize(
    ("role", "outside", "is_outside_cgroup", "words"),
    [
        (Role.JOINED, (), False, "joined web from outside"),
        (Role.JOINED, (), True, "joined web from outside, outside its cgroup: no limit holds it"),
        (
            Role.JOINED,
            (NamespaceType.MNT, NamespaceType.PID),
            False,
            "joined web from outside, not in its mnt pid namespaces, a visitor in its cgroup",
        ),
        (Role.JOINED, (NamespaceType.UTS,), None, "joined web from outside, not in its uts namespace, a visitor in its cgroup"),
        (Role.DESCENDANT, (), False, ""),
        (Role.DESCENDANT, (), True, "outside its cgroup: no limit holds it"),
        (Role.DESCENDANT, (NamespaceType.MNT,), False, "escaped from its mnt namespace"),
        (Role.DESCENDANT, None, None, ""),
    ],
)
def test_who_stands_outside_is_said_in_words(
    role: Role, outside: tuple[NamespaceType, ...] | None, is_outside_cgroup: bool | None, words: str
) -> None:
    one = process(30, 9, role=role, container=WEB, outside=outside, is_outside_cgroup=is_outside_cgroup)
    assert ", ".join(remarks(one, NAMES)) == words


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
