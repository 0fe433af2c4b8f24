"""The map as an SVG picture, laid out here: the wire on the left, the containers on the right. No other program is needed.

*Source:* SVG 1.1. Every text is escaped; there are no scripts, no links and no fonts to load. Colours follow the
reader's choice of a light or a dark background.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from ctrscope.model.container import Container
from ctrscope.model.network import NetworkTopology
from ctrscope.render.safe import cell_width, shorten
from ctrscope.render.topology import MapLine, Part, topology_lines

_CELL, _LINE = 7.3, 16  # of the monospace font at 12 pixels
_PADDING, _BETWEEN, _APART = 8, 48, 10  # inside a box; between columns; between rows
_MARGIN = 16
_WIDEST = 56  # cells of one line
_STYLE = """\
  text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #1f2328; }
  .name { font-weight: bold; } .dim { fill: #656d76; } .trouble { fill: #c00; } .port { fill: #0550ae; }
  .ground { fill: #ffffff; } rect.box { fill: #f6f8fa; stroke: #8c959f; } rect.broken { stroke: #c00; stroke-width: 2; }
  path { fill: none; stroke: #8c959f; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .dim { fill: #8b949e; } .trouble { fill: #ff7b72; } .port { fill: #79c0ff; }
    .ground { fill: #0d1117; } rect.box { fill: #161b22; stroke: #6e7681; } rect.broken { stroke: #ff7b72; }
  }"""
#: Role → on which line of a box it stands, and its class.
_PLACES = {
    "title": (0, "name"),
    "link": (0, "name"),
    "kind": (0, "name"),
    "address": (1, ""),
    "namespace": (2, "dim"),
    "container": (2, "name"),
    "port": (3, "port"),
    "sign": (3, "port"),
    "dim": (4, "dim"),
    "rate": (4, "dim"),
    "trouble": (5, "trouble"),
}


class _Box:
    """One end of a link, or a title, and what hangs on it."""

    def __init__(self, parts: Sequence[Part], column: int, *, is_broken: bool) -> None:
        self.column, self.is_broken = column, is_broken
        rows: dict[int, tuple[str, list[str]]] = {}
        for number, part in enumerate(parts):
            place, style = _PLACES[part.role]
            place = place if number else 0
            rows.setdefault(place, (style, []))[1].append(part.text.strip())
        self.rows = [(style, shorten(" ".join(texts), _WIDEST)) for _, (style, texts) in sorted(rows.items())]
        self.children: list[_Box] = []
        self.x = self.y = 0.0

    @property
    def width(self) -> float:
        return max(cell_width(text) for _, text in self.rows) * _CELL + 2 * _PADDING

    @property
    def height(self) -> float:
        return len(self.rows) * _LINE + _PADDING


class _Size(NamedTuple):
    width: float
    height: float


def format_svg(topology: NetworkTopology, containers: Iterable[Container]) -> list[str]:
    """Lines of an SVG document."""
    boxes, roots = _boxes(topology_lines(topology, containers))
    size = _lay_out(boxes, roots)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size.width:.0f}" height="{size.height:.0f}"'
        f' viewBox="0 0 {size.width:.0f} {size.height:.0f}" role="img" aria-label="Network namespaces of this host">',
        "<style>",
        *_STYLE.splitlines(),
        "</style>",
        '<rect class="ground" width="100%" height="100%"/>',
    ]
    lines += [_curve(box, child) for box in boxes for child in box.children]
    for box in boxes:
        style = "box broken" if box.is_broken else "box"
        extent = f'width="{box.width:.1f}" height="{box.height:.1f}"'
        lines.append(f'<rect class="{style}" x="{box.x:.1f}" y="{box.y:.1f}" {extent} rx="4"/>')
        for number, (style, text) in enumerate(box.rows, 1):
            name = f' class="{style}"' if style else ""
            x, y = box.x + _PADDING, box.y + number * _LINE
            lines.append(f'<text{name} x="{x:.1f}" y="{y:.1f}" xml:space="preserve">{escape(text)}</text>')
    return [*lines, "</svg>"]


def _boxes(lines: Sequence[MapLine]) -> tuple[list[_Box], list[_Box]]:
    """All boxes in the order of the map, and those that hang on nothing. Both ends of a veth are a box each."""
    boxes: list[_Box] = []
    roots: list[_Box] = []
    above: list[_Box] = []  # the box on which the next one of each depth hangs
    for line in lines:
        parts = [part for part in line.parts if part.role != "branch"]
        links = [place for place, part in enumerate(parts) if part.role == "link"]
        halves = [parts[: links[1]], parts[links[1] :]] if len(links) > 1 else [parts]
        del above[line.depth :]
        parent = above[-1] if above else None
        for half in (half for half in halves if half):
            box = _Box(half, 0 if parent is None else parent.column + 1, is_broken=any(part.role == "trouble" for part in half))
            (roots if parent is None else parent.children).append(box)
            boxes.append(box)
            parent = box
        if parent is not None:
            above.append(parent)
    return boxes, roots


def _lay_out(boxes: Sequence[_Box], roots: Sequence[_Box]) -> _Size:
    """Give every box its place: a column for each step from the wire, a box in the middle of what hangs on it."""
    widths: dict[int, float] = {}
    for box in boxes:
        widths[box.column] = max(widths.get(box.column, 0.0), box.width)
    starts, x = {}, float(_MARGIN)
    for column in sorted(widths):
        starts[column] = x
        x += widths[column] + _BETWEEN
    # Boxes come before what hangs on them: from the last one up all children are measured before their parent.
    spans: dict[int, float] = {}
    for box in reversed(boxes):
        spans[id(box)] = max(box.height, _stacked(spans, box.children))
    y = float(_MARGIN)
    tops = {}
    for root in roots:
        tops[id(root)] = y
        y += spans[id(root)] + _APART
    for box in boxes:
        top, span = tops[id(box)], spans[id(box)]
        box.x, box.y = starts[box.column], top + (span - box.height) / 2
        below = top + (span - _stacked(spans, box.children)) / 2
        for child in box.children:
            tops[id(child)] = below
            below += spans[id(child)] + _APART
    return _Size(max(x - _BETWEEN + _MARGIN, 2.0 * _MARGIN), y - _APART + _MARGIN)


def _stacked(spans: Mapping[int, float], boxes: Sequence[_Box]) -> float:
    """Height of several boxes, with all that hangs on them, one below the other."""
    return sum(spans[id(box)] + _APART for box in boxes) - _APART if boxes else 0.0


def _curve(box: _Box, child: _Box) -> str:
    x, y = box.x + box.width, box.y + box.height / 2
    to_x, to_y = child.x, child.y + child.height / 2
    middle = (x + to_x) / 2
    return f'<path d="M{x:.1f} {y:.1f} C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"/>'
