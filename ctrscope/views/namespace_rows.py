"""The matrix of namespaces as rows, and who is in one of them: words, tones and widths. Pure."""

from collections.abc import Sequence
from functools import partial

from ctrscope.model.container import Container
from ctrscope.model.namespace import Namespace, NamespaceType
from ctrscope.render.fields import engine_text, status_sign
from ctrscope.render.matrix import HOST_KEY, MatrixCell, MatrixRow
from ctrscope.render.namespaces import holder_text, kept_by_text
from ctrscope.render.safe import cell_width, inert
from ctrscope.render.units import NOT_PERMITTED
from ctrscope.views.ordering import Order, ordered
from ctrscope.views.owners import members_of
from ctrscope.views.rows import status_tone
from ctrscope.views.widgets.row_table import SHARED, Cell, Column, TableRow

_LABEL_LEAST = 14
#: Sharing these with the host lets a container see or reach more than a container usually does.
_TELLING = frozenset({NamespaceType.IPC, NamespaceType.MNT, NamespaceType.NET, NamespaceType.PID})


def matrix_columns(rows: Sequence[MatrixRow], width: int) -> tuple[Column, ...]:
    """A column for the labels and one for each type, apart as far as there is room."""
    cells = {
        type_: max([len(type_), *(cell_width(_text(row.cells[at])) for row in rows)]) for at, type_ in enumerate(NamespaceType)
    }
    label = max([_LABEL_LEAST, *(cell_width(row.label) for row in rows if not is_alone(row))])
    spare = width - 2 - label - sum(cells.values())
    gap = max(1, min(5, spare // (len(cells) + 1)))
    label = min(label + 1, max(_LABEL_LEAST, width - 2 - sum(cells.values()) - gap * (len(cells) + 1)))
    return (
        Column("label", " CONTAINER", "left", label, gap=gap),
        *(Column(type_, type_, "left", cells[type_], gap=gap) for type_ in NamespaceType),
    )


def sorted_matrix(rows: Sequence[MatrixRow], order: Order) -> Sequence[MatrixRow]:
    """Rows by their names, or by the number of one type, so that those that share it stand together."""
    if not order.column:
        return rows

    def value(row: MatrixRow) -> str | float | None:
        if order.column == "label":
            return row.label
        return next((cell.ino for cell in row.cells if cell.type == order.column), None)

    return ordered(rows, value, descending=order.descending)


def row_fields(row: MatrixRow, engine: str) -> dict[str, str | float | None]:
    """What a filter may ask of a row: of each type the number, and whether it is the host's."""
    numbers = {
        str(cell.type): "" if cell.ino is None else f"{cell.ino}{' host' if cell.is_host else ''} {cell.letter or ''}"
        for cell in row.cells
    }
    return {"name": row.label, "engine": engine, **numbers}


def is_alone(row: MatrixRow) -> bool:
    """Whether it is a namespace that no process is in: then it has one cell only."""
    return sum(bool(cell.text) for cell in row.cells) == 1


def _text(cell: MatrixCell) -> str:
    return f"{cell.text} ▲" if _is_telling(cell) else cell.text


def _is_telling(cell: MatrixCell) -> bool:
    return cell.text == HOST_KEY and cell.type in _TELLING


def matrix_line(row: MatrixRow, picked: frozenset[NamespaceType]) -> tuple[Cell, ...]:
    """The cells of one row; *picked* are marked."""
    tone = "muted" if is_alone(row) or row.key == HOST_KEY else "plain"
    return (Cell(f" {row.label}", tone), *(_cell(cell, cell.type in picked) for cell in row.cells))


def _cell(cell: MatrixCell, is_picked: bool) -> Cell:
    if is_picked:
        return Cell(cell.text, "picked", "✓")
    if _is_telling(cell):
        return Cell(_text(cell), "watch")
    if cell.letter:
        return Cell(cell.text, SHARED[(sum(map(ord, cell.letter)) - ord("A")) % len(SHARED)])
    return Cell(cell.text, "idle" if cell.is_host or cell.text == NOT_PERMITTED else "plain")


def namespace_words(namespace: Namespace, names: Sequence[str]) -> str:
    """Who is in a namespace and what keeps it, shortest first."""
    if not namespace.nprocs:
        return f"no process, {kept_by_text(namespace)}"
    leader = namespace.leader
    parts = [
        f"{namespace.nprocs} process{'es' if namespace.nprocs != 1 else ''}",
        f"leader {leader.pid} {inert(leader.comm)}" if leader else "",
        "the host's own" if namespace.is_initial else "",
        ", ".join(names),
    ]
    return " · ".join(part for part in parts if part)


def who_columns(width: int) -> tuple[Column, ...]:
    """A sign, a name, and what it is."""
    name = max(20, min(60, width * 3 // 5))
    what = width - name - 5
    return (Column("sign", "", "right", 2), Column("name", "WHO", "left", name, gap=2), Column("what", "OF", "left", what))


def who_rows(namespace: Namespace, containers: Sequence[Container]) -> list[TableRow]:
    """The containers in a namespace, then everything that holds it."""
    names = {pid: inert(one.name) for one in containers for pid in one.pids}
    rows = [TableRow(one.key, partial(_container_line, one)) for one in members_of(namespace, containers)]
    rows += [
        TableRow(f"holder {number}", partial(_holder_line, holder_text(holder), names.get(holder.pid or 0, "")))
        for number, holder in enumerate(namespace.held_by)
    ]
    return rows


def _container_line(container: Container) -> tuple[Cell, ...]:
    what = f"{engine_text(container)}, init {container.pid}"
    return (Cell(status_sign(container), status_tone(container)), Cell(inert(container.name), "strong"), Cell(what, "muted"))


def _holder_line(text: str, name: str) -> tuple[Cell, ...]:
    return (Cell(""), Cell(text), Cell(name, "muted"))
