"""``ctrscope cgroup``: the whole tree, or the way to one container."""

from collections.abc import Callable
from pathlib import Path

import jsonschema

from ctrscope.export.json_schema import json_schema
from tests.cli.conftest import Done, Host
from tests.requirements import require_root

Run = Callable[..., Done]


def test_the_answer_satisfies_the_schema(v2_root: Path, run: Run) -> None:
    answer = run("--root", str(v2_root), "cgroup", "--json").answer
    schema = {**json_schema(), "anyOf": [{"$ref": "#/$defs/CgroupAnswer"}]}
    jsonschema.Draft202012Validator(schema).validate(answer)
    assert answer["cgroups"]["path"] == "/"
    assert {child["path"] for child in answer["cgroups"]["children"]} >= {"/system.slice", "/machine.slice"}


def test_a_limit_from_above_is_marked_and_named(v2_root: Path, run: Run) -> None:
    lines = run("--root", str(v2_root), "cgroup").out.splitlines()
    service = next(line for line in lines if "user@1000.service" in line)
    assert "↑" in service
    assert service.endswith("pids: /user.slice/user-1000.slice")


def test_of_one_container_it_says_whose_limits_were_hit(v2_root: Path, run: Run) -> None:
    require_root("the capture has files of several users")
    done = run("--root", str(v2_root), "cgroup", "p-web")
    assert "p-web (podman)" in done.out
    assert "docker" not in done.out
    stat = dict(
        line.split()
        for line in next(v2_root.glob("sys/fs/cgroup/machine.slice/libpod-16a6*.scope/container/cpu.stat"))
        .read_text()
        .splitlines()
    )
    assert f"throttled in {stat['nr_throttled']} of {stat['nr_periods']} periods" in done.out


def test_one_that_does_not_run_is_in_no_cgroup(v2_root: Path, run: Run) -> None:
    done = run("--root", str(v2_root), "cgroup", "d-exit7")
    assert done.status == 0
    assert done.err.startswith("d-exit7 is stopped: it is in no cgroup.\n")


def test_an_unknown_id_is_status_4(awkward: Host, run: Run) -> None:
    assert run("cgroup", "nope").status == 4


def test_a_host_without_cgroups_has_no_tree(tmp_path: Path, run: Run) -> None:
    (tmp_path / "proc").mkdir()
    assert run("--root", str(tmp_path), "cgroup", "--json").answer["cgroups"] is None
