"""Fixtures that every layer's tests share."""

import signal
from pathlib import Path

import pytest

from ctrscope.probes.hostfs import HostFs
from tests.hosts import unpack_v2_systemd

# Run in the background of a shell SIGINT is ignored, which every program that a test starts would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line is run in this process, which a lock would hold for good."""
    monkeypatch.setattr("ctrscope.lock.lock", lambda *, image: ())


@pytest.fixture(scope="session")
def v2_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root directory of the captured cgroup-v2 host. Read only: tests that change something copy what they need."""
    return unpack_v2_systemd(tmp_path_factory.mktemp("v2-systemd"))


@pytest.fixture
def v2_host(v2_root: Path) -> HostFs:
    """The captured cgroup-v2 host."""
    return HostFs(str(v2_root))
