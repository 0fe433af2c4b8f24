"""Regular expressions that somebody types, in time that grows with the text only.

Python's own go back and try again: ``(a+)+$`` takes a second for 24 letters and twice that for each more, and holds every
thread meanwhile. What is typed here is looked for in what containers wrote, so neither is anybody's to choose: RE2 follows
all ways at once.
"""

import re


def is_lower(text: str) -> bool:
    """Whether upper and lower case are the same: unless somebody typed an upper one."""
    return text == text.lower()


def searched(text: str) -> re.Pattern[str]:
    """A text that is looked for as it is."""
    return re.compile(re.escape(text), re.IGNORECASE if is_lower(text) else 0)


class NotPossible(ValueError):  # noqa: N818 -- it reads as what happened
    """It is no regular expression, or none of RE2's; why, in words."""


class Expression:
    r"""One expression, ready to be looked for; the syntax is RE2's, without ``\1`` and ``(?=…)``.

    *Errors:* NotPossible.
    """

    def __init__(self, text: str, *, ignore_case: bool = False) -> None:
        import re2  # 27 ms, which only who types an expression pays

        options = re2.Options()
        options.log_errors = False  # it would write to the terminal
        options.case_sensitive = not ignore_case
        self.pattern = text
        try:
            self._compiled = re2.compile(_encoded(text), options)
        except re2.error as error:
            reason = _text(error.args[0])
            hint = (
                r"; a filter cannot look back (\1) or ahead (?=…)" if reason.startswith(("invalid perl", "invalid esc")) else ""
            )
            raise NotPossible(f"not a regular expression: {reason}{hint}") from error

    def search(self, text: str) -> bool:
        """Whether it is found anywhere in a text."""
        return self._compiled.search(_encoded(text)) is not None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # what was no UTF-8 is a surrogate


def _text(reason: object) -> str:
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
