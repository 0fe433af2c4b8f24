"""Mounts: the layers of its root, and its mount table."""

from textual.content import Content

from ctrscope.render.safe import inert
from ctrscope.render.tables import Column
from ctrscope.views.panes.opened import Opened, facts, heading, missing, table

_COLUMNS = (
    Column("MOUNTED ON", least=16),
    Column("TYPE"),
    Column("SOURCE", least=12),
    Column("OPTIONS", rank=1, least=12),
    Column("PROPAGATION", rank=2),
)


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    detail = opened.detail
    if detail is None or detail.mounts is None:
        lines = facts("root", inert(opened.container.rootfs or ""), opened.width)
        return [*lines, *([Content("")] if lines else []), *missing(opened, "mounts")]
    lines = []
    if detail.overlay is not None:
        overlay = detail.overlay
        lines += [heading("overlay", f"{len(overlay.lower)} lower layer{'s' if len(overlay.lower) != 1 else ''}")]
        lines += facts("upper", inert(overlay.upper or "none: read-only"), opened.width)
        lines += facts("work", inert(overlay.work or ""), opened.width)
        for index, layer in enumerate(overlay.lower):
            lines += facts("" if index else "lower", inert(layer), opened.width)
        lines.append(Content(""))
    rows = [
        (
            inert(mount.mount_point),
            inert(mount.fs_type),
            inert(mount.source) + (f" [{inert(mount.root)}]" if mount.root != "/" else ""),
            inert(",".join(mount.options)),
            inert(" ".join(mount.propagation)) or "private",
        )
        for mount in detail.mounts
    ]
    return lines + (table(_COLUMNS, rows, opened.width) if rows else missing(opened, "mounts"))
