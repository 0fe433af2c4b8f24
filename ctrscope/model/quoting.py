"""Words of a command line for the shell. ``shlex`` imports ``re``: 4 of the 90 ms that ``attach`` takes to a prompt."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_")


def quote(word: str) -> str:
    """The word as the shell reads it back; as ``shlex.quote`` writes it."""
    return word if word and _PLAIN.issuperset(word) else "'" + word.replace("'", "'\"'\"'") + "'"
