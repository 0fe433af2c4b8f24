"""What a test needs of the machine. Missing: the test is skipped with the reason, or fails where nothing may be missing."""

import os
import shutil

import pytest

#: Set to 1 where every engine has to be there: a missing one is then a failure.
REQUIRE_ENGINES = "CTRSCOPE_REQUIRE_ENGINES"


def require(*programs: str) -> None:
    """Skip the test unless every one of *programs* is installed."""
    if missing := [program for program in programs if shutil.which(program) is None]:
        unmet(f"not installed: {', '.join(missing)}")


def require_root(why: str = "") -> None:
    """Skip the test unless it runs as root; a run without root promises nothing about what only root may do."""
    if os.geteuid() != 0:
        pytest.skip(f"needs root: {why}" if why else "needs root")


def unmet(reason: str) -> None:
    """Skip the test, or fail it where nothing may be missing."""
    if os.environ.get(REQUIRE_ENGINES) == "1":
        pytest.fail(f"{reason} ({REQUIRE_ENGINES}=1)", pytrace=False)
    pytest.skip(reason)
