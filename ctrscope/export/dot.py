"""The topology for Graphviz.

*Source:* the DOT language, https://graphviz.org/doc/info/lang.html: in a quoted string only the quotation mark is special, in
a label the backslash too.
"""

from collections.abc import Iterable

from ctrscope.export.graph import graph_of
from ctrscope.model.container import Container
from ctrscope.model.network import NetworkTopology


def format_dot(topology: NetworkTopology, containers: Iterable[Container]) -> list[str]:
    """Lines of a DOT graph: ``ctrscope net --dot | dot -Tpdf``."""
    graph = graph_of(topology, containers)
    lines = [
        "graph network {",
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="monospace"];',
        '  edge [fontname="monospace", fontsize=10];',
    ]
    for group in graph.groups:
        lines += [f'  subgraph "cluster_{group.id}" {{', f"    label={_quoted(group.title)};"]
        for node in group.nodes:
            colour = ", color=red, fontcolor=red" if node.is_broken else ""
            # \n is the one escape that is meant.
            label = '"' + "\\n".join(_quoted(line)[1:-1] for line in node.lines) + '"'
            lines.append(f'    "{node.id}" [label={label}{colour}];')
        lines.append("  }")
    lines += [f'  "{a}" -- "{b}" [label={_quoted(kind)}];' for a, b, kind in graph.edges]
    return [*lines, "}"]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
