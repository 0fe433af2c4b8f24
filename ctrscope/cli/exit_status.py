"""What the exit status says. Scripts rely on these."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit status of every command but those that hand on the status of the command they ran."""

    DONE = 0  # also when some data was not permitted: the gaps say so
    FAILED = 1
    USAGE = 2
    INCOMPLETE = 3  # something could not be read, and --strict was asked for
    NO_SUCH_CONTAINER = 4
    AMBIGUOUS = 5
    NOT_PERMITTED = 6  # nothing useful could be read
    FOUND = 10  # --fail-on: something is at least that bad
    INTERRUPTED = 130  # SIGINT, as a shell counts it
    CLOSED_PIPE = 141  # SIGPIPE: who read our output has had enough


class CommandError(Exception):
    """Ends the command with a status and a message for people, one line each."""

    def __init__(self, status: ExitStatus, *lines: str) -> None:
        super().__init__(*lines)
        self.status = status
        self.lines = lines
