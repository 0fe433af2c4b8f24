"""Namespaces: which of the eight it has to itself, and with whom it shares the others."""

from textual.content import Content

from ctrscope.model.namespace import NamespaceId, NamespaceType
from ctrscope.render.tables import Column
from ctrscope.render.units import NOT_PERMITTED
from ctrscope.render.wording import sharing_text
from ctrscope.views.panes.opened import Opened, missing, table

_COLUMNS = (Column("TYPE"), Column("NAMESPACE"), Column("WHOSE", least=20))


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    container = opened.container
    if container.pid is None:
        return missing(opened, "namespaces")
    rows, tones = [], []
    for type_ in NamespaceType:
        ino, shared = container.namespaces.ino(type_), container.shares.get(type_)
        whose = "could not be read" if ino is None else sharing_text(shared, opened.name_of)
        rows.append((str(type_), NOT_PERMITTED if ino is None else str(NamespaceId(type_, ino)), whose))
        tones.append("muted" if ino is None else "watch" if shared == "host" else "plain")
    return table(_COLUMNS, rows, opened.width, tones)
