"""A container of ``ctrscope run`` under stress: its limits hold, and the other verbs say so."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.attach.containers import wait_for
from tests.requirements import require, require_root

MIB = 1 << 20
NAME = f"ctrscope-stress-{os.getpid()}"


def ctrscope(*words: str, program: str = "ctrscope", check: bool = True) -> str:
    done = subprocess.run(
        [sys.executable, "-m", program, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def answer(*words: str) -> Any:
    return json.loads(ctrscope(*words, "--json", check=False))


@contextmanager
def stressed(*arguments: str, options: tuple[str, ...]) -> Iterator[None]:
    require_root("starts a container")
    require("stress-ng")
    ctrscope("run", "-d", "--name", NAME, *options, "--", "stress-ng", "--quiet", "--temp-path", "/tmp", *arguments)
    try:
        yield
    finally:
        ctrscope("rm", "--force", NAME)


def figures() -> Any:
    (row,) = answer("stats", NAME)["stats"]
    return row


def test_the_oom_kill_of_a_container_over_its_memory_is_found_by_diagnose() -> None:
    with stressed("--vm", "1", "--vm-bytes", "300M", "--vm-keep", options=("--memory", "64m")):

        def killed() -> Any:
            findings = answer("diagnose", NAME)["findings"]
            return next((one for one in findings if one["rule"] == "health/oom-killed"), None)

        finding = wait_for("the finding", killed, 120)
        assert f"/ctrscope/{NAME}" in json.dumps(finding["evidence"])
        assert "Killed process" in json.dumps(finding["evidence"])
        assert figures()["memory"]["limit"] == 64 * MIB
        assert figures()["memory"]["current"] <= 64 * MIB


def test_cpu_and_tasks_hold_and_an_update_moves_them() -> None:
    with stressed("--fork", "4", "--cpu", "2", options=("--cpus", "0.2", "--pids", "16")):

        def is_held() -> bool:
            row = figures()
            assert row["pids"]["current"] <= 16
            return bool(row["cpu"]["nr_throttled"] > 5 and row["pids"]["limit"] == 16)

        wait_for("periods in which it was throttled", is_held, 120)
        assert figures()["cpu"]["limit_cpus"] == 0.2
        ctrscope("update", "--cpu-quota", "30000", "--pids-limit", "24", NAME, program="ctrscope.cli.oci")
        assert (figures()["cpu"]["limit_cpus"], figures()["pids"]["limit"]) == (0.3, 24)
        ctrscope("pause", NAME, program="ctrscope.cli.oci")
        assert _status() == "paused"
        ctrscope("resume", NAME, program="ctrscope.cli.oci")
        assert _status() == "running"


def _status() -> str:
    return str(next(one["status"] for one in answer("ps")["containers"] if one["name"] == NAME))
