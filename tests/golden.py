"""Golden files: text that somebody looked at once, and that stays as it is."""

import os
from pathlib import Path

_HERE = Path(__file__).parent / "render" / "golden"


def assert_golden(name: str, text: str) -> None:
    """Compare with the file of that name. CTRSCOPE_WRITE_GOLDEN=1 writes it: then look at the difference before it stays."""
    path = _HERE / name
    if os.environ.get("CTRSCOPE_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
