"""One clock, one time zone, and the colours of the theme, wherever these tests run."""

import time
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _same_surroundings() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        for name in ("NO_COLOR", "COLORTERM", "TEXTUAL", "TEXTUAL_THEME", "TEXTUAL_COLOR_SYSTEM"):
            patch.delenv(name, raising=False)
        time.tzset()
        yield
    time.tzset()
