"""Mounts: the layers of its root, what it has of the host's files, and its mount table, with what is mounted over what."""

from collections.abc import Sequence

from textual.content import Content

from ctrscope.model.mount import Mount, Overlay
from ctrscope.render.safe import cell_width, inert
from ctrscope.render.tables import Column
from ctrscope.render.wording import MOUNT_TITLES, mount_cells, upper_text
from ctrscope.views.panes.opened import MARGIN, Opened, facts, heading, missing, table, wrapped

_COLUMNS = tuple(
    Column(title, rank=rank, least=least)
    for title, (rank, least) in zip(MOUNT_TITLES, ((0, 16), (0, None), (0, 12), (1, 12), (2, None)), strict=True)
)
_BINDS = (Column("OF THE HOST", least=20), Column("MOUNTED ON", least=16), Column("", rank=1), Column("PROPAGATION", rank=2))


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    detail = opened.detail
    if detail is None or detail.mounts is None:
        lines = facts("root", inert(opened.container.rootfs or ""), opened.width)
        return [*lines, *([Content("")] if lines else []), *missing(opened, "mounts")]
    lines = _overlay(detail.overlay, opened.width) if detail.overlay is not None else []
    lines += _binds(detail.mounts, opened.width)
    covered = find_covered(detail.mounts)
    rows, tones = [], []
    for mount in detail.mounts:
        point, *rest = mount_cells(mount)
        is_covered = mount.mount_id in covered
        rows.append((f"{point} (covered)" if is_covered else point, *rest))
        tones.append("idle" if is_covered else "plain")
    remark = f"{len(covered)} covered by what was mounted over them later" if covered else ""
    lines.append(heading(f"all {len(rows)} mounts", remark))
    return lines + (table(_COLUMNS, rows, opened.width, tones) if rows else missing(opened, "mounts"))


def _overlay(overlay: Overlay, width: int) -> list[Content]:
    lines = [heading("overlay", f"{len(overlay.lower)} lower layer{'s' if len(overlay.lower) != 1 else ''}")]
    lines += facts("upper", upper_text(overlay), width)
    lines += facts("work", inert(overlay.work or ""), width)
    for index, layer in enumerate(overlay.lower):
        lines += facts("" if index else "lower", inert(layer), width)
    return [*lines, Content("")]


def _binds(mounts: Sequence[Mount], width: int) -> list[Content]:
    bound = [mount for mount in mounts if mount.host_path is not None]
    if not bound:
        return []
    rows = [
        (
            inert(mount.host_path or ""),
            inert(mount.mount_point),
            "read-only" if "ro" in mount.options else "writable",
            inert(" ".join(mount.propagation)) or "private",
        )
        for mount in bound
    ]
    lines = [heading("bound from the host", f"{len(rows)}")]
    widest = sum(max(cell_width(row[place]) for row in rows) for place in range(len(_BINDS))) + 2 * (len(_BINDS) - 1)
    if widest + 2 * MARGIN <= width:
        return [*lines, *table(_BINDS, rows, width), Content("")]
    for path, *rest in rows:  # paths are there to be read to their end
        lines += [*wrapped("  ".join(rest), width), *wrapped(path, width, "muted", indent=2)]
    return [*lines, Content("")]


def find_covered(mounts: Sequence[Mount]) -> frozenset[int]:
    """Ids of the mounts that no path leads to, since something was mounted over them or above them. Pure.

    *Source:* path_resolution(7): at each directory the mount on top of it is entered.
    """
    on: dict[tuple[int, str], int] = {(mount.parent_id, mount.mount_point): mount.mount_id for mount in mounts}
    ids = {mount.mount_id for mount in mounts}
    roots = (mount.mount_id for mount in mounts if mount.parent_id not in ids or mount.parent_id == mount.mount_id)
    root = next(roots, None)

    def reached(path: str) -> int | None:
        here, at = root, "/"
        for name in ("", *(part for part in path.split("/") if part)):
            at = f"{at.rstrip('/')}/{name}" if name else at
            for _ in mounts:  # a mount that is its own parent would be followed for ever
                on_top = on.get((here, at)) if here is not None else None
                if on_top is None or on_top == here:
                    break
                here = on_top
        return here

    return frozenset(mount.mount_id for mount in mounts if reached(mount.mount_point) != mount.mount_id)
