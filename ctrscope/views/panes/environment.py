"""Environment: what its init was started with. Values that look secret stay hidden."""

from textual.content import Content

from ctrscope.render.safe import inert
from ctrscope.views.panes.opened import MARGIN, Opened, missing
from ctrscope.views.tones import line


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    environment = opened.detail.environment if opened.detail else None
    if not environment:
        return missing(opened, "environment")
    return [
        line(" " * MARGIN, (inert(name), "muted"), ("=", "idle"), (inert(value), "idle" if value == "***" else "plain"))
        for name, value in environment.items()
    ]
