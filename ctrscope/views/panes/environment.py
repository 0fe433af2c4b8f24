"""Environment: what its init was started with. Values that look secret stay hidden."""

from textual.content import Content

from ctrscope.render.safe import inert
from ctrscope.views.panes.opened import MARGIN, Opened, missing
from ctrscope.views.tones import line

MASK = "***"  # what stands in place of a value that looks secret


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    environment = opened.detail.environment if opened.detail else None
    if not environment:
        return missing(opened, "environment")
    hidden = sum(value == MASK for value in environment.values())
    words = (
        [line(" " * MARGIN, (f"{hidden} value{'s' if hidden != 1 else ''} hidden: v shows them", "muted"))] if hidden else []
    )
    if opened.secrets:
        words = [line(" " * MARGIN, ("secrets are shown: v hides them", "badge"))]
    drawn = [
        line(" " * MARGIN, (inert(name), "muted"), ("=", "idle"), (inert(value), "idle" if value == MASK else "plain"))
        for name, value in environment.items()
    ]
    return [*words, Content(""), *drawn] if words else drawn
