"""Limits on cgroup v2, in directories with the files of a cgroup: what is written, and where crun with systemd wants it."""

from pathlib import Path

import pytest

from ctrscope.act.limit import LimitRequest, apply_limit, plan_limit
from ctrscope.act.refusal import CannotAct
from tests.act.files import BOX, SCOPE, FilesFs

MIB = 1 << 20


@pytest.fixture
def scope(tmp_path: Path) -> Path:
    return fill(tmp_path / SCOPE.lstrip("/"))


@pytest.fixture
def host(tmp_path: Path) -> FilesFs:
    return FilesFs(tmp_path)


def fill(directory: Path, **texts: str) -> Path:
    """The files that limits are in."""
    directory.mkdir(parents=True)
    files = {
        "memory.max": "max",
        "memory.current": str(10 * MIB),
        "cpu.max": "max 100000",
        "pids.max": "max",
        "pids.current": "3",
    }
    for name, text in {**files, **texts}.items():
        (directory / name).write_text(text + "\n")
    return directory


def written(directory: Path) -> dict[str, str]:
    return {name: (directory / name).read_text() for name in ("memory.max", "cpu.max", "pids.max")}


def test_each_limit_is_written_as_the_kernel_wants_it(host: FilesFs, scope: Path) -> None:
    changes = apply_limit(host, plan_limit(host, BOX, LimitRequest(memory=64 * MIB, cpus=0.5, pids=100)))
    # What was in an ordinary file behind the new text stays there, unlike in cgroupfs.
    assert {name: text.split("\n")[0] for name, text in written(scope).items()} == {
        "memory.max": str(64 * MIB),
        "cpu.max": "50000 100000",
        "pids.max": "100",
    }
    assert [(one.resource, one.before) for one in changes] == [("memory", "max"), ("cpus", "max"), ("pids", "max")]


def test_the_period_stays_as_it_is(host: FilesFs, tmp_path: Path) -> None:
    fill(tmp_path / SCOPE.lstrip("/"), **{"cpu.max": "10000 20000"})
    (change,) = plan_limit(host, BOX, LimitRequest(cpus=2)).changes
    assert (change.before, change.after, change.text) == ("0.5 CPU", "2 CPU", "40000 20000")
    (change,) = plan_limit(host, BOX, LimitRequest(cpus="max")).changes
    assert change.text == "max 20000"


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("67108864", "max", [""]),
        ("max", "67108864", ["/container"]),
        ("67108864", "67108864", ["", "/container"]),
        ("max", "max", [""]),
    ],
)
def test_of_a_scope_and_the_cgroup_of_crun_below_it_whichever_limits_is_changed(
    outer: str, inner: str, expected: list[str], host: FilesFs, tmp_path: Path
) -> None:
    scope = fill(tmp_path / SCOPE.lstrip("/"), **{"memory.max": outer})
    fill(scope / "container", **{"memory.max": inner})
    host.cgroup = f"0::{SCOPE}/container\n"
    plan = plan_limit(host, BOX, LimitRequest(memory=128 * MIB))
    assert [change.directory.removeprefix(str(scope)) for change in plan.changes] == expected
    apply_limit(host, plan)


def test_a_cgroup_that_the_container_made_itself_is_not_taken_for_that_of_crun(host: FilesFs, scope: Path) -> None:
    fill(scope / "container", **{"memory.max": "67108864"})
    (change,) = plan_limit(host, BOX, LimitRequest(memory=128 * MIB)).changes
    assert change.directory == str(scope)


def test_a_controller_that_is_off_is_said(host: FilesFs, scope: Path) -> None:
    (scope / "pids.max").unlink()
    with pytest.raises(CannotAct, match=r"there is no .*pids\.max: the pids controller is off there"):
        plan_limit(host, BOX, LimitRequest(pids=10))


def test_text_that_is_no_limit_is_said(host: FilesFs, scope: Path) -> None:
    (scope / "memory.max").write_text("lots\n")
    with pytest.raises(CannotAct, match=r"memory\.max: not a number"):
        plan_limit(host, BOX, LimitRequest(memory=64 * MIB))


def test_a_symlink_in_the_place_of_the_cgroup_or_of_a_file_is_not_followed(host: FilesFs, scope: Path, tmp_path: Path) -> None:
    plan = plan_limit(host, BOX, LimitRequest(pids=10))
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (scope / "pids.max").unlink()
    (scope / "pids.max").symlink_to(victim)
    with pytest.raises(CannotAct, match="nothing was changed"):
        apply_limit(host, plan)
    scope.rename(tmp_path / "elsewhere")
    scope.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotAct, match="nothing was changed"):
        apply_limit(host, plan)
    assert victim.read_text() == "precious"


def test_a_cgroup_that_is_gone_is_said(host: FilesFs, scope: Path) -> None:
    plan = plan_limit(host, BOX, LimitRequest(pids=10))
    for file in scope.iterdir():
        file.unlink()
    scope.rmdir()
    with pytest.raises(CannotAct, match="nothing was changed"):
        apply_limit(host, plan)
