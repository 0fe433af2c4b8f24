"""Mounts: the layers of its root, and its mount table."""

from textual.content import Content

from ctrscope.render.safe import inert
from ctrscope.render.tables import Column
from ctrscope.render.wording import MOUNT_TITLES, mount_cells, upper_text
from ctrscope.views.panes.opened import Opened, facts, heading, missing, table

_COLUMNS = tuple(
    Column(title, rank=rank, least=least)
    for title, (rank, least) in zip(MOUNT_TITLES, ((0, 16), (0, None), (0, 12), (1, 12), (2, None)), strict=True)
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
        lines += facts("upper", upper_text(overlay), opened.width)
        lines += facts("work", inert(overlay.work or ""), opened.width)
        for index, layer in enumerate(overlay.lower):
            lines += facts("" if index else "lower", inert(layer), opened.width)
        lines.append(Content(""))
    rows = [mount_cells(mount) for mount in detail.mounts]
    return lines + (table(_COLUMNS, rows, opened.width) if rows else missing(opened, "mounts"))
