"""WHAT is on a host: frozen values, no input or output, no clock. The glossary, in code."""

import sys

# msgspec asks for typing_extensions before typing, and needs nothing of it since Python 3.11. Where textual installed it,
# importing it costs 10 ms: a tenth of the time in which `ctrscope ps` answers. Every layer imports the model first.
if "typing_extensions" not in sys.modules:
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    import msgspec  # noqa: F401

    del sys.modules["typing_extensions"]
