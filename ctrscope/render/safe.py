r"""Strings of the host made harmless to show: whoever names a container does not get to steer the terminal.

Labels, arguments, names and paths are written by users and containers. The model keeps them as they are, with bytes
that are not UTF-8 as surrogates (PEP 383); everything that shows them calls ``inert`` first.
"""

from collections.abc import Iterable, Sequence


def inert(text: str) -> str:
    r"""Write every character that is not printable as an escape that is: ESC becomes ``\x1b``.

    That covers control characters, escape sequences, bidi overrides, zero-width and unusual spaces, surrogates and
    unassigned characters. Square brackets stay: the dashboard hands strings on as text, never as markup.
    """
    # str.isprintable is false for exactly the Unicode categories "other" and "separator", save the space.
    return text if text.isprintable() else "".join(char if char.isprintable() else _escape(char) for char in text)


def inert_command(arguments: Iterable[str]) -> str:
    """Arguments on one line; those that hold spaces or quotes, or nothing, in single quotes."""
    return " ".join(_quote(argument) for argument in arguments)


def cell_width(text: str) -> int:
    """How many cells of a terminal an inert text takes: two for a wide character, none for a combining one."""
    # Below the first combining character all are one cell wide, and so is the dash that stands for no value.
    if text.isascii() or max(text) < "\u0300" or text == "\u2013":
        return len(text)
    import unicodedata  # 3 ms

    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def max_width(texts: Sequence[str]) -> int:
    """Cells of the widest of some inert texts. Asked for a whole column at once: half of what a table of ASCII costs."""
    return max(map(len if "".join(texts).isascii() else cell_width, texts), default=0)


def shorten(text: str, width: int) -> str:
    """The beginning of an inert text, with ``…`` for what does not fit into *width* cells."""
    if len(text) <= width and cell_width(text) <= width:
        return text
    kept, room = "", width - 1
    for char in text:
        room -= cell_width(char)
        if room < 0:
            break
        kept += char
    return kept + "…" if width > 0 else ""


def wrap(text: str, start: str, indent: str, width: int | None) -> list[str]:
    """An inert text in lines of *width* cells, the first after *start*, the others after *indent*; None: on one line."""
    if width is None or cell_width(start) + cell_width(text) <= width:
        return [start + text]
    import textwrap

    # A screen narrower than what stands before leaves twenty cells for the text.
    before = cell_width(indent)
    room = max(width - before, 20)
    if cell_width(text) != len(text):
        room //= 2  # textwrap counts characters, and each of them may take two cells
    return textwrap.wrap(text, before + room, initial_indent=start, subsequent_indent=indent)


def pad(text: str, width: int, align: str = "left") -> str:
    """An inert text filled with spaces up to *width* cells."""
    space = " " * (width - cell_width(text))
    return space + text if align == "right" else text + space


def pad_all(texts: Sequence[str], width: int, align: str = "left") -> list[str]:
    """Inert texts, each filled with spaces up to *width* cells."""
    if not "".join(texts).isascii():
        return [pad(text, width, align) for text in texts]
    return [text.rjust(width) for text in texts] if align == "right" else [text.ljust(width) for text in texts]


_NEEDS_QUOTES = frozenset(" \"'")
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _escape(char: str) -> str:
    number = ord(char)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"  # surrogateescape: the byte that was not UTF-8
    if number > 0xFFFF:
        return f"\\U{number:08x}"
    return _NAMED.get(char) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")


def _quote(argument: str) -> str:
    shown = inert(argument)
    if shown and _NEEDS_QUOTES.isdisjoint(shown):
        return shown
    return "'" + shown.replace("'", "'\\''") + "'"
