"""The base of every record: frozen, compared by value, encoded to the JSON contract as it stands."""

import sys

# msgspec asks for typing_extensions before typing, and needs nothing of it since Python 3.11. Where textual installed it,
# importing it costs 12 ms: a tenth of the time in which `ctrscope ps` answers.
_absent = "typing_extensions" not in sys.modules
if _absent:
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
import msgspec  # noqa: E402

if _absent:
    del sys.modules["typing_extensions"]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable record. Its field names are the keys of the JSON contract."""
