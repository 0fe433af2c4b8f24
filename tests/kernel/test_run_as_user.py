"""``ctrscope run`` for an ordinary user, who is root inside and nowhere else. Not for root: ``.ci/run`` has a run of both."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrscope.run.users import own_mappings
from tests.kernel.test_run import PATIENCE, ctrscope, described, run, said
from tests.live.machine import wait_for

NAME = f"hum-user-{os.getpid()}"


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if os.geteuid() == 0:
        pytest.skip("as an ordinary user")
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no user namespaces for ordinary users here")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    yield
    ctrscope("rm", "--force", NAME)


def test_root_inside_is_the_user_outside() -> None:
    mappings = own_mappings(None)
    assert mappings is not None
    lines = said("--", "sh", "-c", "id -u; cat /proc/self/uid_map; touch /tmp/x /root/x && echo written").splitlines()
    assert lines[0] == "0"
    assert lines[1].split() == ["0", str(os.geteuid()), "1"]
    assert len(lines) == 2 + len(mappings[0])
    assert lines[-1] == "written"


def test_what_was_not_asked_for_is_not_complained_about() -> None:
    done = run("--", "true")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_network_is_none_or_the_hosts() -> None:
    assert said("--", "sh", "-c", "grep -c : /proc/net/dev").strip() == "1"
    assert said("--net", "host", "--", "readlink", "/proc/self/ns/net").strip() == os.readlink("/proc/self/ns/net")
    done = run("--net", "bridge", "--", "true")
    assert done.returncode == 125
    assert "needs root" in done.stderr


def test_the_files_of_the_host_are_still_to_be_read_only() -> None:
    done = run("--", "sh", "-c", "touch /usr/x /var/x")
    assert done.returncode != 0
    assert done.stderr.count("Read-only file system") == 2


def test_a_detached_one_is_seen_and_removed_by_its_user(tmp_path: Path) -> None:
    assert ctrscope("run", "-d", "--name", NAME, "--", "sleep", "1000").returncode == 0
    found = described(NAME)
    assert (found["engine"], found["status"], found["owner_uid"]) == ("ctrscope", "running", os.geteuid())
    assert found["monitor"]["alive"]
    assert ctrscope("rm", "--force", NAME).returncode == 0
    wait_for("the end of the supervisor", lambda: not Path(f"/proc/{found['monitor']['pid']}").exists(), seconds=PATIENCE)
    assert os.listdir(tmp_path / "ctrscope/containers") == []


def test_a_limit_that_cannot_be_set_is_an_error_not_a_promise() -> None:
    done = run("--memory", "64m", "--", "cat", "/sys/fs/cgroup/memory.max")
    if done.returncode == 0:  # a cgroup was delegated
        assert done.stdout.strip() == str(64 << 20)
    else:
        assert done.returncode == 125
        assert "memory" in done.stderr
