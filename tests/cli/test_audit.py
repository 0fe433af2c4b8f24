"""``ctrscope audit``: what it prints, for people and for scripts, its options and the exit status."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ctrscope.discovery.audit import Audit
from ctrscope.export.json_schema import json_schema
from ctrscope.model.gap import Reading
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from tests.awkward import HOSTILE, WEB
from tests.cli.conftest import Done, Host
from tests.findings.audits import HARDENED, PRIVILEGED, change, on_host

Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def gathered(awkward: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Web is privileged, the hostile one is hardened, the host listens on TCP."""
    host = on_host(docker_hosts=("tcp://0.0.0.0:2375",))
    every = (change(PRIVILEGED, container=WEB), change(HARDENED, container=HOSTILE, seccomp=None))

    def gather(hostfs: HostFs, snapshot: Snapshot, *, keys: Iterable[str] | None = None) -> Reading[Audit]:
        wanted = None if keys is None else set(keys)
        return Reading(Audit(host, tuple(one for one in every if wanted is None or one.container.key in wanted)))

    monkeypatch.setattr("ctrscope.discovery.audit.gather", gather)


def rules(done: Done) -> set[str]:
    return {one["rule"] for one in done.answer["findings"]}


def test_findings_are_grouped_worst_first(run: Run) -> None:
    done = run("audit")
    headings = [line.split()[0] for line in done.out.splitlines() if line.endswith(")") and line.split()[0].isupper()]
    assert headings[0] == "CRITICAL"
    assert headings == sorted(headings, key=["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO"].index)
    assert "Looked at: 2 containers and the host" in done.out.splitlines()[-1]


def test_json_satisfies_the_schema_and_has_the_keys_of_the_contract(run: Run) -> None:
    answer: Any = run("audit", "--json").answer
    jsonschema.Draft202012Validator(json_schema()).validate(answer)
    for finding in answer["findings"]:
        assert set(finding) == {"rule", "severity", "subject", "title", "evidence", "remedy", "references"}
    assert run("audit", "--format", "json").answer["findings"] == answer["findings"]


def test_of_named_containers_the_host_is_not_told(run: Run) -> None:
    assert "security/docker-api-tcp" in rules(run("audit", "--json"))
    assert "security/docker-api-tcp" not in rules(run("audit", "web", "--json"))
    assert {one["subject"]["id"] for one in run("audit", "web", "--json").answer["findings"]} == {WEB.key}


@pytest.mark.parametrize(("severity", "status"), [("critical", 10), ("info", 10)])
def test_fail_on_exits_10_from_that_severity_on(severity: str, status: int, run: Run) -> None:
    assert run("audit", "--fail-on", severity).status == status
    assert run("audit", HOSTILE.id, "--rule", "cap-*", "--fail-on", severity).status == 0


def test_rules_are_chosen_by_pattern(run: Run) -> None:
    assert rules(run("audit", "--rule", "security/docker-*", "--json")) == {"security/docker-api-tcp"}
    assert "security/privileged" not in rules(run("audit", "--skip", "privileged", "--json"))


def test_a_rule_that_there_is_none_of_is_wrong_usage(run: Run) -> None:
    done = run("audit", "--rule", "nonsense")
    assert (done.status, "no such rule: nonsense" in done.err) == (2, True)


def test_what_could_not_be_checked_is_a_gap_and_incomplete_when_strict(run: Run) -> None:
    gaps = run("audit", HOSTILE.id, "--json").answer["gaps"]
    assert any("security/seccomp-disabled" in gap["fields"] for gap in gaps)
    assert run("audit", HOSTILE.id, "--strict").status == 3


def test_accepted_findings_do_not_count_until_their_day_has_passed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    entry = '[[accepted]]\nrule = "security/*"\nsubject = "web"\nreason = "a test"\nexpires = {}\n'
    file.write_text(entry.format("2999-01-01"))
    done = run("audit", "web", "--json", "--baseline", str(file), "--fail-on", "info")
    assert (done.status, done.answer["findings"]) == (0, [])
    assert {one["reason"] for one in done.answer["accepted"]} == {"a test"}
    file.write_text(entry.format("2001-01-01"))
    done = run("audit", "web", "--json", "--baseline", str(file), "--fail-on", "info")
    assert (done.status, "has expired on 2001-01-01" in done.err) == (10, True)


@pytest.mark.parametrize("text", ['[[accepted]]\nrule = "x"\nsubject = "y"\nexpires = 2999-01-01\n', "[[", "accepted = 1\n"])
def test_a_baseline_with_a_mistake_is_wrong_usage(text: str, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    file.write_text(text)
    assert run("audit", "--baseline", str(file)).status == 2


@pytest.mark.parametrize("kind", ["table", "junit", "markdown", "html", "sarif"])
def test_no_string_of_the_host_comes_out_as_it_is(kind: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctrscope.cli.audit._print_html", lambda *unused: None)
    done = run("audit", "--format", kind)
    assert done.status == 0
    assert all(char.isprintable() or char == "\n" for char in done.out)
