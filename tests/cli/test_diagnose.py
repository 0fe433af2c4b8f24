"""``ctrscope diagnose``: what it prints, for people and for scripts, and the exit status."""

from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from ctrscope.export.json_schema import json_schema
from tests.awkward import HOSTILE, WEB
from tests.cli.conftest import Done

Run = Callable[..., Done]

pytestmark = pytest.mark.usefixtures("observed")


def test_findings_are_grouped_worst_first_with_evidence_and_next_step(run: Run) -> None:
    done = run("diagnose")
    lines = done.out.splitlines()
    assert done.status == 0
    headings = [line.split()[0] for line in lines if line.endswith(")") and line.split()[0].isupper()]
    assert headings == sorted(headings, key=["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO"].index)
    title = next(index for index, line in enumerate(lines) if "throttled in 31 % of periods: quota 0.5 CPU" in line)
    assert lines[title].strip().startswith("web")
    assert "cpu.stat" in lines[title + 1]
    assert lines[title + 2].strip().startswith("→ raise the quota")


def test_the_last_line_says_what_was_looked_at(run: Run) -> None:
    assert (
        run("diagnose")
        .out.splitlines()[-1]
        .endswith("Looked at: 4 running containers (5 known), 1 process, figures over 0.5 s, not the kernel log.")
    )


def test_one_container_has_its_own_findings_only(run: Run) -> None:
    subjects = {finding["subject"]["id"] for finding in run("diagnose", "web", "--json").answer["findings"]}
    assert subjects == {WEB.key}


def test_nothing_wrong_is_said_with_how_much_was_looked_at(run: Run) -> None:
    done = run("diagnose", HOSTILE.id)
    assert done.out == "Nothing wrong found. Looked at: 1 process, figures over 0.5 s, not the kernel log.\n"


def test_json_satisfies_the_schema_and_has_the_keys_of_the_contract(run: Run) -> None:
    answer: Any = run("diagnose", "--json").answer
    jsonschema.Draft202012Validator(json_schema()).validate(answer)
    for finding in answer["findings"]:
        assert set(finding) == {"rule", "severity", "subject", "title", "evidence", "remedy", "references"}
        assert set(finding["subject"]) == {"kind", "id", "name"}
        assert all(set(evidence) == {"source", "value"} for evidence in finding["evidence"])


@pytest.mark.parametrize(("severity", "status"), [("critical", 0), ("high", 10), ("medium", 10), ("info", 10)])
def test_fail_on_exits_10_from_that_severity_on(severity: str, status: int, run: Run) -> None:
    assert run("diagnose", "--fail-on", severity).status == status


def test_a_severity_that_there_is_none_of_is_wrong_usage(run: Run) -> None:
    assert run("diagnose", "--fail-on", "terrible").status == 2


def test_an_unknown_container_is_exit_4(run: Run) -> None:
    assert run("diagnose", "nobody").status == 4


def test_no_string_of_the_host_reaches_the_terminal_as_it_is(run: Run) -> None:
    assert all(char.isprintable() or char == "\n" for char in run("diagnose").out)


def test_processes_are_looked_at_of_the_container_that_was_asked_for(run: Run, observed: list[tuple[str, ...] | None]) -> None:
    run("diagnose")
    run("diagnose", "web")
    assert observed == [None, (WEB.key,)]


def test_gaps_are_on_standard_error(run: Run) -> None:
    done = run("diagnose")
    assert "3 gaps" in done.err
