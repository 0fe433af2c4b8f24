"""The base of every record: frozen, compared by value, encoded to the JSON contract as it stands."""

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable record. Its field names are the keys of the JSON contract."""
