"""How long ``ps`` takes beside the tool that lists the same containers, on a host where an engine runs many of them.

In pairs: on a machine that others use as well the times vary, and their ratio hardly.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.scale import CONTAINERS, many_containers
from tests.requirements import unmet

_CHECKOUT = Path(__file__).parents[2]
_COMMAND = (sys.executable, str(_CHECKOUT / "bin/ctrscope"))
_PAIRS = 9


@pytest.fixture(scope="module")
def many(started: tuple[str, ...]) -> Iterator[list[str]]:
    """Names of 240 containers of Podman's, which runc runs."""
    if "podman" not in started:
        unmet("not installed: podman")
    with many_containers("podman") as names:
        yield names


@pytest.mark.parametrize("options", [(), ("-q",)])
def test_ps_takes_no_longer_than_runc_list(many: list[str], options: tuple[str, ...]) -> None:
    ours, theirs = (*_COMMAND, "ps", *options), ("runc", "list", "-q")
    listed = len(_run(theirs).splitlines())
    assert listed >= len(many) == CONTAINERS
    assert len(_run(ours).splitlines()) > listed  # those of the other engines as well

    ratios = [_seconds(ours) / _seconds(theirs) for _ in range(_PAIRS)]

    assert statistics.median(ratios) <= 1.0, ratios


def _run(command: tuple[str, ...]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what a start compiles, it may keep, as for everybody
    return subprocess.run(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment, check=True, text=True, timeout=60
    ).stdout


def _seconds(command: tuple[str, ...]) -> float:
    started = time.perf_counter()
    _run(command)
    return time.perf_counter() - started
