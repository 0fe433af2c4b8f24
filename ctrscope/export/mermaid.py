"""The topology for Mermaid, which documentation sites draw.

*Source:* https://mermaid.js.org/syntax/flowchart.html: in a quoted label a character may be written as ``#35;``, which is done
with all that could mean something to Mermaid, Markdown or HTML.
"""

from collections.abc import Iterable

from ctrscope.export.graph import graph_of
from ctrscope.model.container import Container
from ctrscope.model.network import NetworkTopology

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:/()-+@=")


def format_mermaid(topology: NetworkTopology, containers: Iterable[Container]) -> list[str]:
    """Lines of a flow chart, to stand in a block of its own."""
    graph = graph_of(topology, containers)
    lines = ["flowchart LR"]
    for group in graph.groups:
        lines.append(f'  subgraph {group.id}["{_escaped(group.title)}"]')
        lines += [f'    {node.id}["{"<br/>".join(map(_escaped, node.lines))}"]' for node in group.nodes]
        lines.append("  end")
    lines += [f'  {a} ---|"{_escaped(kind)}"| {b}' for a, b, kind in graph.edges]
    broken = [node.id for group in graph.groups for node in group.nodes if node.is_broken]
    if broken:
        lines += ["  classDef broken stroke:#c00,color:#c00", f"  class {','.join(broken)} broken"]
    return lines


def _escaped(text: str) -> str:
    return "".join(char if char in _PLAIN or not char.isascii() else f"#{ord(char)};" for char in text)
