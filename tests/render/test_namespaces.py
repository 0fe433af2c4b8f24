import pytest

from ctrscope.model.namespace import Holder, HolderKind, Leader, Namespace, NamespaceType
from ctrscope.render.namespace_tree import format_namespace_tree
from ctrscope.render.namespaces import (
    DEFAULT_COLUMNS,
    LSNS_COLUMNS,
    NAMESPACE_FIELDS,
    NamespaceRow,
    format_namespaces,
    held_text,
    inside_text,
    kept_by_text,
)
from tests.golden import assert_golden


def holder(kind: HolderKind, path: str, pid: int | None = 7, mnt: int | None = None) -> Holder:
    return Holder(kind=kind, pid=pid, path=path, mnt=mnt)


def net(*held_by: Holder, nprocs: int | None = 0) -> Namespace:
    return Namespace(type=NamespaceType.NET, ino=4026532281, nprocs=nprocs, held_by=held_by)


@pytest.mark.parametrize(
    ("namespace", "text"),
    [
        (net(), "nothing that was found"),
        (net(holder(HolderKind.PROCESS, "/proc/7/ns/net"), nprocs=1), ""),
        (net(holder(HolderKind.BIND_MOUNT, "/run/netns/blue")), "bind mount /run/netns/blue"),
        (net(holder(HolderKind.BIND_MOUNT, "/run/a", None, 4026532280)), "bind mount /run/a in mnt:[4026532280]"),
        (
            net(holder(HolderKind.BIND_MOUNT, "/run/a"), holder(HolderKind.BIND_MOUNT, "/run/a", 9)),
            "bind mount /run/a in 2 mount namespaces",
        ),
        (net(holder(HolderKind.BIND_MOUNT, "/run/a"), holder(HolderKind.BIND_MOUNT, "/run/b")), "2 bind mounts"),
        (
            net(holder(HolderKind.FD, "/proc/7/fd/3"), holder(HolderKind.SOCKET, "/proc/7/fd/4"), nprocs=2),
            "descriptor /proc/7/fd/3, socket /proc/7/fd/4",
        ),
        (net(holder(HolderKind.THREAD, "/proc/7/task/8/ns/net")), "thread /proc/7/task/8/ns/net"),
        (net(holder(HolderKind.HIERARCHY, "user:[5]", None)), "user:[5] below it"),
        (net(holder(HolderKind.PROCESS, "/proc/7/ns/pid_for_children")), "process /proc/7/ns/pid_for_children"),
        (net(holder(HolderKind.FD, "/proc/7/fd/3\x1b[31m")), r"descriptor /proc/7/fd/3\x1b[31m"),
    ],
)
def test_what_keeps_a_namespace_is_said_in_words(namespace: Namespace, text: str) -> None:
    assert kept_by_text(namespace) == text


def test_that_no_process_is_in_it_is_only_said_when_it_is_known() -> None:
    mount = holder(HolderKind.BIND_MOUNT, "/run/netns/blue")
    assert held_text(net(mount)) == "no process: bind mount /run/netns/blue"
    assert held_text(net(mount, nprocs=None)) == "bind mount /run/netns/blue"
    assert held_text(net()) == "no process: nothing that was found"
    assert held_text(net(nprocs=None)) == ""


def test_of_many_containers_some_are_named_and_the_rest_is_counted() -> None:
    names = [f"c{n}" for n in range(9)]
    assert inside_text(NamespaceRow(net(), names[:4])) == "c0, c1, c2, c3"
    assert inside_text(NamespaceRow(net(), names)) == "c0, c1, c2, and 6 more"
    assert inside_text(NamespaceRow(net(), names), whole=True) == ", ".join(names)


def test_the_columns_of_lsns_are_all_there() -> None:
    assert set(LSNS_COLUMNS) <= set(NAMESPACE_FIELDS)
    named = "ns type path nprocs pid ppid command uid user netnsid nsfs pns ons"  # of lsns --help
    assert set(named.split()) <= set(NAMESPACE_FIELDS)


_USER, _INNER = 4026531837, 4026532300
ROWS = (
    NamespaceRow(
        Namespace(type=NamespaceType.NET, ino=4026531833, is_initial=True, nprocs=90, owner=_USER, owner_uid=0,
                  leader=Leader(pid=1, comm="systemd")),
        ("host-net",), "/sbin/init", 0, 0, "root",
    ),
    NamespaceRow(
        Namespace(type=NamespaceType.NET, ino=4026532281, owner=_USER, owner_uid=0,
                  held_by=(holder(HolderKind.BIND_MOUNT, "/run/netns/blue"),)),
        netnsid=3,
    ),
    NamespaceRow(
        Namespace(type=NamespaceType.PID, ino=4026531836, is_initial=True, nprocs=88, owner=_USER, owner_uid=0,
                  leader=Leader(pid=1, comm="systemd")),
        (), "/sbin/init", 0, 0, "root",
    ),
    NamespaceRow(
        Namespace(type=NamespaceType.PID, ino=4026532302, nprocs=2, owner=_USER, owner_uid=0, parent=4026531836,
                  leader=Leader(pid=4711, comm="nginx")),
        ("web",), "nginx -g 'daemon off;'", 4690, 0, "root",
    ),
    NamespaceRow(
        Namespace(type=NamespaceType.PID, ino=4026532303, nprocs=1, owner=_INNER, owner_uid=1000, parent=4026531836,
                  leader=Leader(pid=5000, comm="sh")),
        ("rootless",), "sh", 4999, 1000, "alice",
    ),
    NamespaceRow(
        Namespace(type=NamespaceType.USER, ino=_USER, is_initial=True, nprocs=90, owner_uid=0,
                  leader=Leader(pid=1, comm="systemd")),
        ("host-net", "web"), "/sbin/init", 0, 0, "root",
    ),
    NamespaceRow(
        Namespace(type=NamespaceType.USER, ino=_INNER, nprocs=1, owner=_USER, parent=_USER, owner_uid=1000,
                  leader=Leader(pid=5000, comm="sh"), held_by=(holder(HolderKind.HIERARCHY, "pid:[4026532303]", None),)),
        ("rootless",), "sh", 4999, 1000, "alice",
    ),
)  # fmt: skip


def test_the_table_on_paper_and_on_a_narrow_screen() -> None:
    lines = [*format_namespaces(DEFAULT_COLUMNS, ROWS, None), "", *format_namespaces(DEFAULT_COLUMNS, ROWS, 80)]
    assert all(len(line) <= 80 for line in lines[lines.index("") :])
    lines += ["", *format_namespaces(tuple(NAMESPACE_FIELDS), ROWS, None)]
    assert_golden("namespaces.txt", "\n".join(lines) + "\n")


def test_each_stands_below_its_owner_or_its_parent() -> None:
    assert_golden("namespace-tree.txt", "\n".join(format_namespace_tree(ROWS)) + "\n")


def test_namespaces_that_name_each_other_as_parent_do_not_hang() -> None:
    loop = [Namespace(type=NamespaceType.USER, ino=a, parent=b, owner=b) for a, b in ((1, 2), (2, 1), (3, 3))]
    assert format_namespace_tree([NamespaceRow(one) for one in loop]) == ["user:[3]  no process: nothing that was found"]
