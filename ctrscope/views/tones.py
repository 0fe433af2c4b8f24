"""The colours, and the few words by which everything else asks for them.

One accent. Red: somebody has to act. Yellow: worth a look. What is idle is dim. A tone never says anything that a sign
or a word beside it does not say too.
"""

from collections.abc import Iterable, Mapping

from textual.content import Content

from ctrscope.model.finding import Severity
from ctrscope.render.safe import cell_width

#: Tone → style, in the variables of the theme. ``ctrscope.tcss`` gives the same names to the table.
TONES: Mapping[str, str] = {
    "plain": "",
    "strong": "bold",
    "muted": "$muted",
    "idle": "$idle",
    "watch": "$warning",
    "act": "bold $error",
    "accent": "$accent",
    "graph": "$graph",
    "title": "bold $accent",
    "badge": "bold $background on $warning",
    "chosen": "bold $background on $accent",
    "alarm": "bold $background on $error",
}

#: Role of a piece of the network map → tone.
MAP_TONES: Mapping[str, str] = {
    "branch": "idle",
    "title": "strong",
    "link": "plain",
    "kind": "muted",
    "address": "muted",
    "namespace": "muted",
    "container": "accent",
    "port": "strong",
    "sign": "accent",
    "rate": "plain",
    "trouble": "act",
    "dim": "idle",
}

#: Severity → sign and tone.
SEVERITIES: Mapping[Severity, tuple[str, str]] = {
    Severity.CRITICAL: ("●", "act"),
    Severity.HIGH: ("●", "act"),
    Severity.MEDIUM: ("▲", "watch"),
    Severity.LOW: ("▲", "muted"),
    Severity.INFO: ("i", "muted"),
}

#: A piece of a line: text as it is, or text with a tone. The text is never parsed as markup.
Part = str | tuple[str, str]


def width_of(parts: Iterable[Part]) -> int:
    """Cells that pieces take."""
    return sum(cell_width(part if isinstance(part, str) else part[0]) for part in parts)


def line(*parts: Part) -> Content:
    """One line of pieces."""
    return Content.assemble(*(part if isinstance(part, str) else (part[0], TONES[part[1]]) for part in parts))
