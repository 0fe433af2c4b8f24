"""The way of a published port as text: one hop a line, a sign before it, and where it breaks at the end."""

from ctrscope.model.network import Hop, NetworkPath
from ctrscope.render.safe import cell_width, inert, pad, shorten, wrap

_SIGNS = {True: "✓", False: "✗", None: "?"}
_RED, _DIM, _BOLD, _RESET = "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"


def format_path(path: NetworkPath, name: str, width: int | None = None, *, colour: bool = False) -> list[str]:
    """Lines, from the wire to the process. What breaks is said below its hop, and once more at the end."""
    title = f"{path.port}/{path.proto} of {inert(name)}"
    lines = [f"{_BOLD}{title}{_RESET}" if colour else title, ""]
    column = max((cell_width(hop.kind) for hop in path.hops), default=0)
    for hop in path.hops:
        lines += _hop_lines(hop, column, hop is path.broken, width, colour)
    return [*lines, "", *wrap(_verdict(path), "", "  ", width)]


def _hop_lines(hop: Hop, column: int, is_broken: bool, width: int | None, colour: bool) -> list[str]:
    start = f"  {_SIGNS[hop.is_ok]} {pad(hop.kind, column)}  "
    indent = " " * cell_width(start)
    line = f"{start}{inert(hop.what)}"
    first = line if width is None else shorten(line, width)
    if colour and hop.is_ok is False:
        first = f"{_RED}{first}{_RESET}"
    lines = [first]
    if hop.why:
        lines += wrap(inert(hop.why), indent, indent, width)
    # What speaks for a hop that works is for those who ask: it is in --json.
    if hop.is_ok is False and hop.evidence:
        lines += wrap(inert(hop.evidence), f"{indent}because: ", f"{indent}  ", width)
    if is_broken:
        lines[-1] += "  ◀ here"
    return lines


def _verdict(path: NetworkPath) -> str:
    broken = path.broken
    if broken is not None:
        return f"It breaks at the {broken.kind}: {inert(broken.why)}"
    unknown = [hop for hop in path.hops if hop.is_ok is None]
    if unknown:
        return f"Nothing broken was found; not certain: {'; '.join(inert(hop.why or hop.what) for hop in unknown)}"
    return "Every hop is in order."
