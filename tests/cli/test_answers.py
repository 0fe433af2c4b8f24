"""What ``--json`` prints of a real host: valid by the published schema, with every key of the contract."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.attach.containers import runc_container
from tests.export.test_contract import CONTAINER_KEYS, INSPECT_KEYS
from tests.requirements import require_root


def answer(*argv: str) -> Any:
    """The answer of a command that writes nothing else; 6 is that of somebody who may read nothing useful, on an idle host."""
    done = subprocess.run([sys.executable, "-m", "ctrscope", *argv], capture_output=True, check=False, timeout=120)
    assert (done.returncode in (0, 6), done.stderr) == (True, b""), argv
    return json.loads(done.stdout)


@cache
def published() -> Any:
    return answer("schema")


def assert_valid(name: str, found: Any) -> None:
    """One kind of answer alone: any of the others would not do."""
    schema = {**published(), "anyOf": [{"$ref": f"#/$defs/{name}"}]}
    jsonschema.Draft202012Validator(schema).validate(found)


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        ("ps", "PsAnswer"),
        ("tree", "TreeAnswer"),
        ("stats", "StatsAnswer"),
        ("cgroup", "CgroupAnswer"),
        ("doctor", "DoctorAnswer"),
    ],
)
def test_an_answer_about_this_host_satisfies_the_published_schema(verb: str, name: str) -> None:
    assert_valid(name, answer(verb, "--json"))


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        ("ps", "PsAnswer"),
        ("tree", "TreeAnswer"),
        ("stats", "StatsAnswer"),
        ("cgroup", "CgroupAnswer"),
        ("doctor", "DoctorAnswer"),
    ],
)
def test_an_answer_about_another_root_satisfies_the_published_schema(verb: str, name: str, v2_root: Path) -> None:
    assert_valid(name, answer("--root", str(v2_root), verb, "--json"))


def test_find_about_this_host_and_another_root_satisfies_the_published_schema(v2_root: Path) -> None:
    for argv in (("find", str(os.getpid())), ("--root", str(v2_root), "find", "d-web"), ("--root", str(v2_root), "find", "80")):
        assert_valid("FindAnswer", answer(*argv, "--json"))


def inspect(*argv: str) -> Any:
    found = answer("inspect", "--json", *argv)
    assert_valid("InspectAnswer", found)
    assert set(f"{CONTAINER_KEYS} {INSPECT_KEYS}".split()) <= set(found["container"])
    return found["container"]


@pytest.mark.parametrize("name", ["docker/d-web", "d-exit7", "pod1-a", "p-userns", "pod/web-0", "lx1", "nspbb", "handu"])
def test_inspect_of_another_root_has_every_key_and_satisfies_the_schema(name: str, v2_root: Path) -> None:
    inspect("--root", str(v2_root), name)


def test_inspect_of_a_container_that_runs_here_has_every_key_and_satisfies_the_schema(tmp_path: Path) -> None:
    require_root("starts a container")
    with runc_container(tmp_path, f"ctrscope-answers-{os.getpid()}") as pid:
        found = inspect(f"pid:{pid}")
        assert (found["engine"], found["pid"]) == ("runc", pid)
        assert found["security"]["capabilities"]["effective"] is not None
