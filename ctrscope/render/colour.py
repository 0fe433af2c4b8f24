"""Colour for terminals: red needs action, yellow watch, dim idle. It only adds to what sign and word already say."""

from ctrscope.model.container import Container, ContainerStatus
from ctrscope.render.fields import status_sign

_RESET = "\x1b[0m"
_BOLD, _DIM, _RED, _YELLOW = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m"


def paint_row(line: str, container: Container) -> str:
    """A line of a table in the colour of the container's state; running ones stay as they are."""
    if status_sign(container) == "!":
        return f"{_RED}{line}{_RESET}"
    if container.status is ContainerStatus.PAUSED:
        return f"{_YELLOW}{line}{_RESET}"
    return f"{_DIM}{line}{_RESET}" if not container.is_running else line


def paint_title(line: str) -> str:
    """A header line, bold."""
    return f"{_BOLD}{line}{_RESET}"
