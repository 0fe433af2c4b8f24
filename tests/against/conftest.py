"""Engines for the comparisons: started once, stopped at the end; those that run already are used and left running."""

import os
from collections.abc import Iterator

import pytest

from tests.against.names import IS_V2_MACHINE
from tests.live.up import PARTS, engines_up, missing
from tests.requirements import require, require_root, unmet

#: Set to 1 to compare with what runs on this machine as it is, and start nothing.
AS_IS = "CTRSCOPE_HOST_AS_IS"


@pytest.fixture(scope="session")
def parts() -> Iterator[tuple[str, ...]]:
    """Names of the engines that are up."""
    require_root()
    require("busybox", "ip")
    if os.environ.get(AS_IS) == "1":
        yield tuple(part.name for part in PARTS if not missing(part))
        return
    with engines_up() as names:
        yield names


@pytest.fixture(scope="session")
def started(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the engines that are up with the containers that ``tests.live`` starts."""
    if os.environ.get(AS_IS) == "1":
        pytest.skip(f"is about containers that the tests start themselves ({AS_IS}=1)")
    return parts


@pytest.fixture
def peopled(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the engines that are up with the containers of ``tests.against.names``."""
    if os.environ.get(AS_IS) == "1" and not IS_V2_MACHINE:
        pytest.skip(f"is about containers that the tests start themselves ({AS_IS}=1)")
    return parts


@pytest.fixture
def engine(parts: tuple[str, ...], request: pytest.FixtureRequest) -> str:
    """The engine that a test is about; skips when it is not installed."""
    name: str = request.param
    if name not in parts:
        lacking = next(missing(part) for part in PARTS if part.name == name)
        unmet(f"not installed: {', '.join(lacking)}")
    return name
