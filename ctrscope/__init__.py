"""Shows what the containers on this host really are, read from the kernel and from what engines leave on disk."""

import sys

__version__ = "0.1.0"


def _import_typing() -> None:
    """Import typing without ``re``, of which Python before 3.13 wants the two types there: 2 ms of every start.

    Whoever imports ``re`` afterwards gets the real one, whose types these are.
    """
    import _sre  # type: ignore[import-not-found]

    stand_in = sys.modules["re"] = type(sys)("re")
    pattern = _sre.compile("", 0, [1], 0, {}, (None,))  # 1: it matches
    stand_in.Pattern, stand_in.Match = type(pattern), type(pattern.match(""))  # type: ignore[attr-defined]
    try:
        import typing  # noqa: F401
    finally:
        del sys.modules["re"]


if sys.version_info < (3, 13) and sys.modules.keys().isdisjoint(("re", "typing")):
    _import_typing()
