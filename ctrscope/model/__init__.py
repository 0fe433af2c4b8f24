"""WHAT is on a host: frozen values, no input or output, no clock. The glossary, in code."""

import sys
import typing
from importlib import import_module
from types import ModuleType


def _compile(pattern: str) -> object:
    """What msgspec does with a pattern that a type is annotated with."""
    import re

    return re.compile(pattern)


def _import_msgspec() -> None:
    """Import msgspec, with stand-ins for those modules that it asks for and of which nothing here has a use.

    That takes a third of the time: UUIDs and decimals are not in the contract, ``uuid`` imports ``platform``, no type of ours
    has a pattern, the JSON schema is for one command (see ``export.json_schema``), and ``typing_extensions`` has nothing that
    Python 3.11 lacks.
    Every layer imports the model first. Each module is its real self to whoever imports it afterwards.
    """
    nothing = type("nothing", (), {"unknown": None})
    stand_ins: dict[str, dict[str, object] | None] = {
        "typing_extensions": None,
        "uuid": {"UUID": type("UUID", (), {}), "SafeUUID": nothing},
        "decimal": {"Decimal": type("Decimal", (), {})},
        "re": {"compile": _compile},
        "msgspec.inspect": {},
        "msgspec._json_schema": {"schema": None, "schema_components": None},
        "msgspec.toml": {},
        "msgspec.yaml": {},
    }
    placed = stand_ins.keys() - sys.modules.keys()
    for name in placed:
        contents = stand_ins[name]
        module = None if contents is None else ModuleType(name)
        if module is not None and contents is not None:
            module.__dict__.update(contents)
        sys.modules[name] = module  # type: ignore[assignment]
    # It tries what typing.ForwardRef takes. The first call of compile() in a process makes every type of `ast`: 1.3 ms.
    typing.compile = lambda *_, **__: None  # type: ignore[attr-defined]
    try:
        import msgspec
    finally:
        del typing.compile  # type: ignore[attr-defined]
        for name in placed:
            del sys.modules[name]
    del msgspec.inspect, msgspec.toml, msgspec.yaml


if "datetime" not in sys.modules:
    # datetime.py of Python 3.11 runs all of its Python version before it takes the one in C, as 3.12 does at once: 1.5 ms.
    sys.modules["datetime"] = import_module("_datetime")
if "msgspec" not in sys.modules:
    _import_msgspec()
