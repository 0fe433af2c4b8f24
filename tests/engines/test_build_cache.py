"""Docker's build cache, from the two databases that BuildKit writes."""

import json
from pathlib import Path
from typing import Any

from ctrscope.engines.docker_build_cache import read_docker_build_cache
from ctrscope.engines.kept import KeptReader
from ctrscope.model.gap import Gap, Reason
from tests.builders import HostTree
from tests.engines.bolt_file import bolt_file

ROOT = "/var/lib/docker"
CHAIN = "sha256:0bbdb5d15d518cc59d0fb4e3107981d9cb3bed5bff1584e100a80567bacaa6b2"


def value(found: Any) -> str:
    return json.dumps({"value": found})


def record(description: str, **values: Any) -> dict[str, str]:
    made = {"cache.createdAt": 1795363392880728915, "cache.description": description, "cache.usageCount": 2}
    return {key.replace("__", "."): "" if one is None else value(one) for key, one in (made | values).items()}


def store(tmp_path: Path, main: dict[str, Any], snapshots: dict[str, Any]) -> HostTree:
    tree = HostTree(tmp_path)
    tree.file(f"{ROOT}/buildkit/metadata_v2.db", bolt_file({"_main": main, "_index": {"x": ""}}))
    tree.file(f"{ROOT}/buildkit/snapshots.db", bolt_file(snapshots))
    return tree


def reader(tree: HostTree, gaps: list[Gap]) -> KeptReader:
    return KeptReader(tree.fs, "docker", None, gaps)


def test_the_same_data_under_two_ids_is_one_record_with_its_size(tmp_path: Path) -> None:
    """What can still be written has no size of its own: the record that names it as its equal has."""
    tree, gaps = (
        store(
            tmp_path,
            {
                "5q15": record("http url", cache__equalMutable="p75u", snapshot__size=61440),
                "p75u": record("http url"),
                "394m": record("fileop", snapshot__size=50000, cache__equalMutable=None),
                "qiud": record("RUN", snapshot__size=-1, cache__lastUsedAt=1795363393154426200),
            },
            {},
        ),
        list[Gap](),
    )
    found = {one.id: one for one in read_docker_build_cache(reader(tree, gaps), ROOT, ())}
    assert {key: one.size for key, one in found.items()} == {"394m": 50000, "p75u": 61440, "qiud": None}
    assert (found["qiud"].last_used_at, found["qiud"].used) == ("2026-11-22T16:03:13.1544262Z", 2)
    assert found["p75u"].created_at == "2026-11-22T16:03:12.880728915Z"
    assert gaps == []


def test_what_is_a_layer_of_an_image_and_what_that_stands_on_is_shared(tmp_path: Path) -> None:
    main = {"base": record("from"), "top": record("RUN", cache__parent="base"), "own": record("COPY", cache__parent="base")}
    tree = store(
        tmp_path, main, {"top": {"chainid": CHAIN}, "own": {"chainid": "sha256:ff", "size": "1"}, "base": {"parent": ""}}
    )
    found = read_docker_build_cache(reader(tree, []), ROOT, {CHAIN})
    assert {one.id for one in found if one.is_shared} == {"base", "top"}


def test_a_record_that_stands_on_itself_and_times_that_are_none_harm_nobody(tmp_path: Path) -> None:
    odd = record("\x1b[2J", cache__parent="a", cache__createdAt=10**30, cache__lastUsedAt="x", snapshot__size="y")
    tree = store(tmp_path, {"a": odd}, {"a": {"chainid": CHAIN}})
    (found,) = read_docker_build_cache(reader(tree, []), ROOT, {CHAIN})
    assert (found.created_at, found.last_used_at, found.size, found.description) == (None, None, None, "\x1b[2J")


def test_without_buildkit_there_is_no_gap_and_with_a_torn_file_there_is(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    assert read_docker_build_cache(reader(tree, gaps), ROOT, ()) == ()
    assert gaps == []
    tree.file(f"{ROOT}/buildkit/metadata_v2.db", b"torn")
    assert read_docker_build_cache(reader(tree, gaps), ROOT, ()) == ()
    tree.file(f"{ROOT}/buildkit/metadata_v2.db", bolt_file({"_main": {"a": {"cache.description": "no json"}}}))
    assert read_docker_build_cache(reader(tree, gaps), ROOT, ()) == ()
    assert [gap.reason for gap in gaps] == [Reason.MALFORMED, Reason.MALFORMED]
