"""``ctrscope find`` over the awkward host."""

from collections.abc import Callable

import pytest

from ctrscope.model.gap import Reading
from ctrscope.model.match import Match, MatchKind
from tests.awkward import HOSTILE, WEB
from tests.cli.conftest import Done, Host

MATCHES = (
    Match(kind=MatchKind.PROCESS, what="process 4711", container=WEB.key, detail="nginx, its init"),
    Match(kind=MatchKind.PORT, what="tcp *:\x1b[2J", container=HOSTILE.key, detail="\u202eevil\n"),
    Match(kind=MatchKind.NAMESPACE, what="net:[1]", container=None, detail="the host's own"),
)


@pytest.fixture
def answers(awkward: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ctrscope.discovery.find.find", lambda host, snapshot, query: Reading(MATCHES if query == "4711" else ())
    )


def test_one_line_a_match_the_container_first(answers: None, run: Callable[..., Done]) -> None:
    done = run("find", "4711")
    lines = done.out.splitlines()
    assert done.status == 0
    assert lines[0].split() == ["CONTAINER", "ENGINE", "KIND", "WHAT", "DETAIL"]
    assert lines[1].split()[:4] == ["web", "docker", "process", "process"]
    assert lines[3].startswith("–")
    assert lines[3].endswith("the host's own")
    assert len(lines) == 4
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out


def test_json_has_the_key_of_the_container(answers: None, run: Callable[..., Done]) -> None:
    done = run("find", "4711", "--json")
    assert [match["container"] for match in done.answer["matches"]] == [WEB.key, HOSTILE.key, None]
    assert list(done.answer["matches"][0]) == ["kind", "what", "container", "detail"]


def test_nothing_is_status_1_and_says_what_was_looked_for_and_what_can_be_asked(
    answers: None, run: Callable[..., Done]
) -> None:
    done = run("find", "tcp/99\x1b")
    assert (done.status, done.out) == (1, "")
    first, second = done.err.splitlines()[:2]
    assert first.startswith("Nothing on this host answers to 'tcp/99\\x1b'; looked for a container's name or id")
    assert "a MAC" in second
    assert "\x1b" not in done.err


def test_an_empty_query_is_told_what_can_be_asked(answers: None, run: Callable[..., Done]) -> None:
    done = run("find", "")
    assert done.status == 1
    assert "the query is empty" in done.err


def test_nothing_as_json_is_an_answer_without_matches(answers: None, run: Callable[..., Done]) -> None:
    done = run("find", "nope", "--json")
    assert (done.status, done.answer["matches"]) == (1, [])
