"""The one way of saying that a container cannot be made, changed or removed."""


class LauncherError(Exception):
    """What happened, to what, and what to do. *status* is the exit status: 125 ctrscope failed, 126 and 127 the command's."""

    def __init__(self, message: str, status: int = 125) -> None:
        super().__init__(message)
        self.status = status


class SpecError(LauncherError):
    """A config.json does not say what it has to: the JSON path and what is expected there."""
