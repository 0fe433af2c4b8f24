from ctrscope.model.container import Container, ContainerStatus, EngineName, Pod
from ctrscope.model.namespace import Holder, HolderKind, Namespace, NamespaceSet, NamespaceType
from ctrscope.render.matrix import HOST_KEY, MatrixCell, MatrixRow, format_matrix, namespace_matrix
from tests.golden import assert_golden

HOST = NamespaceSet(cgroup=4026531835, ipc=4026531839, mnt=4026531832, net=4026531833, pid=4026531836, user=4026531837)
NET = NamespaceType.NET


def container(name: str, pid: int | None = 7, pod: str | None = None, **inos: int) -> Container:
    known = {str(type_): HOST.ino(type_) for type_ in NamespaceType}
    return Container(
        id=name,
        name=name,
        engine=EngineName.RUNC,
        status=ContainerStatus.RUNNING,
        pid=pid,
        pod=Pod(namespace="shop", name=pod) if pod else None,
        namespaces=NamespaceSet(**{**known, **inos}) if pid else NamespaceSet(),
    )


CONTAINERS = (
    container("web-0", pod="web-0", ipc=4026532911, mnt=4026532912, net=4026532913, uts=4026532915),
    container("app", pod="web-0", ipc=4026532911, mnt=4026532921, net=4026532913, uts=4026532915),
    container("d-priv", mnt=4026532931),
    container("side", mnt=4026532941, net=4026532942),
    container("side 2", mnt=4026532943, net=4026532942),
    container("gone", pid=None),
)
BLUE = Namespace(
    type=NET,
    ino=4026533977,
    held_by=(Holder(kind=HolderKind.BIND_MOUNT, pid=1, path="/run/netns/blue\x1b[0m", mnt=4026531832),),
)


def by_key(rows: tuple[MatrixRow, ...]) -> dict[str, dict[NamespaceType, MatrixCell]]:
    return {row.key: {cell.type: cell for cell in row.cells} for row in rows}


def test_the_host_stands_first_then_what_runs_then_what_no_process_is_in() -> None:
    rows = namespace_matrix(CONTAINERS, HOST, (BLUE,))
    assert [row.key for row in rows] == [HOST_KEY, *(f"runc/{c.id}" for c in CONTAINERS[:-1]), "net:[4026533977]"]
    assert all([cell.type for cell in row.cells] == list(NamespaceType) for row in rows)


def test_the_same_letter_is_the_same_group_and_no_letter_is_nobody_else() -> None:
    rows = by_key(namespace_matrix(CONTAINERS, HOST, ()))
    assert [rows["runc/web-0"][type_].letter for type_ in (NamespaceType.IPC, NamespaceType.MNT, NET, NamespaceType.UTS)] == [
        "A",
        None,
        "A",
        "A",
    ]
    assert rows["runc/app"][NET] == rows["runc/web-0"][NET] == MatrixCell(NET, "…913 A", 4026532913, "A", False)
    assert rows["runc/side"][NET].letter == rows["runc/side 2"][NET].letter == "B"
    assert rows["runc/d-priv"][NET] == MatrixCell(NET, "host", HOST.net, None, True)


def test_what_could_not_be_read_is_not_the_hosts() -> None:
    cell = by_key(namespace_matrix(CONTAINERS[:1], HOST, ()))["runc/web-0"][NamespaceType.TIME]
    assert cell == MatrixCell(NamespaceType.TIME, "·", None, None, is_host=False)


def test_as_many_digits_as_it_takes_to_tell_a_column_apart() -> None:
    rows = by_key(namespace_matrix((container("a", net=4026532833),), HOST, ()))
    assert (rows["runc/a"][NET].text, rows[HOST_KEY][NET].text) == ("…2833", "…1833")
    assert rows[HOST_KEY][NamespaceType.PID].text == "…836"


def test_letters_go_on_after_z() -> None:
    pairs = [container(f"{n}{side}", net=4026540000 + n) for n in range(28) for side in "ab"]
    rows = by_key(namespace_matrix(pairs, HOST, ()))
    assert [rows[f"runc/{n}a"][NET].letter for n in (0, 25, 26, 27)] == ["A", "Z", "AA", "AB"]


def test_a_namespace_with_processes_or_of_the_host_has_no_row_of_its_own() -> None:
    others = (Namespace(type=NET, ino=5, nprocs=1), Namespace(type=NET, ino=4026531833, is_initial=True))
    assert len(namespace_matrix((), HOST, others)) == 1


def test_on_paper() -> None:
    rows = namespace_matrix(CONTAINERS, HOST, (BLUE,))
    assert_golden("matrix.txt", "\n".join([*format_matrix(rows, None), "", *format_matrix(rows, 72)]) + "\n")
