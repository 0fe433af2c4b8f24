"""Which cgroups are frozen and thawed, decided from directories with the files of a cgroup."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from ctrscope.act.freezer import apply_freeze, plan_freeze
from ctrscope.act.refusal import CannotAct
from ctrscope.model.cgroup_membership import CgroupMembership
from tests.act.files import BOX, SCOPE, FilesFs


@pytest.fixture
def scope(tmp_path: Path) -> Path:
    directory = tmp_path / SCOPE.lstrip("/")
    for level in (directory, directory / "container"):
        level.mkdir(parents=True)
        (level / "cgroup.events").write_text("populated 1\nfrozen 0\n")
        (level / "cgroup.freeze").write_text("0\n")
    return directory


def test_crun_with_systemd_is_frozen_below_its_scope(scope: Path, tmp_path: Path) -> None:
    plan = plan_freeze(FilesFs(tmp_path, f"{SCOPE}/container"), BOX, frozen=True)
    assert plan.directories == (f"{scope}/container",)


def test_a_cgroup_that_the_container_made_itself_does_not_save_the_rest_of_it(scope: Path, tmp_path: Path) -> None:
    plan = plan_freeze(FilesFs(tmp_path), BOX, frozen=True)
    assert plan.directories == (str(scope),)


def test_who_runs_inside_is_not_frozen_with_the_container(scope: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotAct, match="ctrscope itself runs in"):
        plan_freeze(FilesFs(tmp_path, ours=f"{SCOPE}/container"), BOX, frozen=True)


def test_who_runs_inside_is_recognised_in_the_hierarchy_of_the_freezer(scope: Path, tmp_path: Path) -> None:
    host = FilesFs(tmp_path)
    host.mounts = f"cgroup {tmp_path} cgroup rw,memory 0 0\ncgroup {tmp_path} cgroup rw,freezer 0 0\n"
    host.cgroup = f"2:memory:{SCOPE}\n1:freezer:{SCOPE}\n"
    host.ours = f"2:memory:/elsewhere\n1:freezer:{SCOPE}\n"
    paths = {"memory": SCOPE, "freezer": SCOPE}
    box = replace(BOX, cgroup=CgroupMembership(version="v1", path=SCOPE, paths=paths))
    (scope / "cgroup.procs").write_text("4711\n")
    with pytest.raises(CannotAct, match="ctrscope itself runs in"):
        plan_freeze(host, box, frozen=True)


def test_a_cgroup_that_goes_meanwhile_is_a_container_that_ended(scope: Path, tmp_path: Path) -> None:
    host = FilesFs(tmp_path)
    plan = plan_freeze(host, BOX, frozen=True)
    (scope / "cgroup.events").unlink()
    with pytest.raises(CannotAct, match="ended meanwhile"):
        apply_freeze(host, plan)


def test_what_was_changed_before_something_failed_is_said(scope: Path, tmp_path: Path) -> None:
    host = FilesFs(tmp_path, f"{SCOPE}/container")
    plan = plan_freeze(host, BOX, frozen=True)
    both = replace(plan, frozen=False, directories=(str(scope), f"{scope}/container"))
    (scope / "container/cgroup.freeze").unlink()
    (scope / "container/cgroup.freeze").symlink_to(tmp_path / "victim")
    with pytest.raises(CannotAct, match="was changed before that"):
        apply_freeze(host, both)
    assert not (tmp_path / "victim").exists()
