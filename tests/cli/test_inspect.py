from collections.abc import Callable

import msgspec
import pytest

from ctrscope.model.gap import Gap, Reason
from tests.awkward import WEB
from tests.cli.conftest import Done, Host

Run = Callable[..., Done]


def test_the_page_answers_top_down(awkward: Host, run: Run) -> None:
    done = run("inspect", "web")
    assert (done.status, done.err) == (0, "")
    titles = [line for line in done.out.splitlines() if line.isupper() and not line.startswith(" ")]
    assert titles[:4] == ["SUPERVISION", "PROCESSES", "NAMESPACES", "CGROUP"]


def test_json_merges_row_and_detail(awkward: Host, run: Run) -> None:
    container = run("inspect", WEB.id[:7], "--json").answer["container"]
    assert (container["pid"], container["usage"]["memory"]["current"]) == (4711, 412 << 20)


def test_only_gaps_that_matter_to_the_container_are_listed(awkward: Host, run: Run) -> None:
    answer = run("inspect", "legacy", "--json").answer
    assert [gap["source"] for gap in answer["gaps"]] == ["/proc/911/ns"]


def test_secrets_are_shown_only_when_asked_for(awkward: Host, run: Run) -> None:
    run("inspect", "web")
    run("inspect", "web", "--show-secrets")
    assert awkward.shown_secrets == [False, True]


@pytest.mark.parametrize("verb", ["inspect", "tree"])
def test_an_unknown_id_exits_4_and_names_the_nearest(awkward: Host, run: Run, verb: str) -> None:
    done = run(verb, "wbe")
    assert (done.status, done.out) == (4, "")
    assert done.err == "ctrscope: no such container: wbe; nearest: web\n"


def test_an_unknown_id_may_be_in_a_state_that_was_not_permitted(awkward: Host, run: Run) -> None:
    gap = Gap(subject="engine docker", fields=("containers",), source="/var/lib/docker", reason=Reason.DENIED, needs="root")
    awkward.snapshot = msgspec.structs.replace(awkward.snapshot, gaps=(gap,))
    done = run("inspect", "wbe")
    assert done.status == 4
    assert done.err.splitlines()[0] == "1 gap: denied (/var/lib/docker), needs root. ctrscope doctor tells more."


def test_who_may_read_nothing_is_not_told_that_there_is_none(awkward: Host, run: Run) -> None:
    gap = Gap(subject="host", fields=("containers",), source="/proc", reason=Reason.DENIED, needs="root")
    awkward.snapshot = msgspec.structs.replace(awkward.snapshot, gaps=(gap,), containers=(), engines=())
    assert run("inspect", "web") == (6, "", "ctrscope: not permitted to look for web\n")


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_an_ambiguous_id_exits_5_and_lists_the_candidates(awkward: Host, run: Run, debug: list[str]) -> None:
    other = msgspec.structs.replace(WEB, owner_uid=1000)
    awkward.snapshot = msgspec.structs.replace(awkward.snapshot, containers=(WEB, other))
    done = run("inspect", "web", *debug)
    assert (done.status, done.out) == (5, "")
    assert done.err.splitlines()[-3:] == [
        "ctrscope: web may be any of 2 containers:",
        f"  docker/{WEB.id}  web",
        f"  docker@1000/{WEB.id}  web",
    ]


def test_a_hostile_query_is_shown_inert(awkward: Host, run: Run) -> None:
    assert run("inspect", "\x1b[2J").err.startswith("ctrscope: no such container: \\x1b[2J")
