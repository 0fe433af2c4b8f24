"""Why something is not done."""


class CannotAct(Exception):  # noqa: N818 -- it reads as what happened
    """A container cannot be acted on: what happened, to what, and what to do."""
