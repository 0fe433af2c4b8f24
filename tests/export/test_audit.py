"""An audit in every form: well-formed, complete, and what a container calls itself does nothing."""

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ctrscope.export.contract import encode_json
from ctrscope.export.html import format_html
from ctrscope.export.junit import format_junit
from ctrscope.export.markdown import format_markdown
from ctrscope.export.sarif import sarif
from ctrscope.model.audit_report import AcceptedFinding, AuditReport, CheckedRule
from ctrscope.model.container import Evidence
from ctrscope.model.finding import Finding, Severity, Subject
from ctrscope.model.gap import Gap, Reason
from ctrscope.render.matrix import namespace_matrix
from tests.awkward import HOST, HOSTILE, SNAPSHOT
from tests.requirements import require

_SCHEMAS = Path(__file__).parent / "schemas"
_EVIL = "<script>alert(1)</script> \x1b[31m]]> & \" ' | `x` \udcff"


def finding(rule: str, severity: Severity, name: str = _EVIL) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        subject=Subject(kind="container", id=HOSTILE.key, name=name),
        title=f"mounts {_EVIL}",
        evidence=(Evidence(source="/proc/1/mountinfo", value=_EVIL),),
        remedy="do not",
        references=("CIS Docker Benchmark v1.6 5.5",),
    )


def rule(name: str, checked: int) -> CheckedRule:
    return CheckedRule(
        id=name, severity=Severity.HIGH, meaning="It means <b>this</b>.", remedy="do not", references=("CIS",), checked=checked
    )


REPORT = AuditReport(
    taken_at="2026-11-22T02:00:00Z",
    host=HOST,
    containers=2,
    findings=(finding("security/a", Severity.CRITICAL), finding("security/b", Severity.LOW, "web")),
    accepted=(AcceptedFinding(finding=finding("security/a", Severity.HIGH), reason=f"known {_EVIL}", expires="2027-01-01"),),
    rules=(rule("security/a", 2), rule("security/b", 2), rule("security/c", 1), rule("security/d", 0)),
    gaps=(
        Gap(
            subject=f"container {_EVIL}", fields=("security/d",), source="/proc/7", reason=Reason.DENIED, needs="CAP_SYS_PTRACE"
        ),
    ),
)


class Page(HTMLParser):
    """Elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page() -> str:
    matrix = namespace_matrix(SNAPSHOT.containers, HOST.namespaces, ())
    return "\n".join(format_html(REPORT, SNAPSHOT.containers, matrix, ['<?xml version="1.0"?>', "<svg></svg>"]))


def test_the_page_has_every_part() -> None:
    parsed = Page(page())
    for heading in ("Findings (2)", "Accepted (1)", "Containers", "Namespaces", "Network", "Not checked (1)", "Rules (4)"):
        assert heading in parsed.text
    assert "svg" in {tag for tag, _ in parsed.elements}


def test_the_page_loads_nothing_and_runs_only_what_its_policy_names() -> None:
    text = page()
    parsed = Page(text)
    assert [tag for tag, _ in parsed.elements].count("script") == 1
    assert not {tag for tag, _ in parsed.elements} & {"link", "img", "iframe", "object", "embed", "base", "form"}
    assert not [name for _, attributes in parsed.elements for name in attributes if name == "src" or name.startswith("on")]
    assert all(str(attributes.get("href", "#"))[0] == "#" for _, attributes in parsed.elements)
    assert "url(" not in text
    assert "@import" not in text
    policy = next(attributes["content"] for tag, attributes in parsed.elements if attributes.get("http-equiv"))
    assert "default-src 'none'" in str(policy)


def test_the_policy_names_the_script_by_its_digest() -> None:
    import base64
    import hashlib

    text = page()
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in text


def test_what_a_container_calls_itself_is_text_on_the_page() -> None:
    text = page()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert all(char.isprintable() or char == "\n" for char in text)


def test_sarif_names_rules_results_suppressions_and_gaps() -> None:
    log: Any = sarif(REPORT)
    run = log["runs"][0]
    assert (log["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "ctrscope")
    assert [one["ruleId"] for one in run["results"]] == ["security/a", "security/b", "security/a"]
    assert [run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] for one in run["results"]] == [
        one["ruleId"] for one in run["results"]
    ]
    assert [one["level"] for one in run["results"]] == ["error", "note", "error"]
    assert [len(one.get("suppressions", ())) for one in run["results"]] == [0, 0, 1]
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 1


def test_sarif_validates_against_the_schema_of_oasis() -> None:
    schema = json.loads((_SCHEMAS / "sarif-schema-2.1.0.json").read_text())
    assert schema["id"] == json.loads(encode_json(sarif(REPORT)))["$schema"]
    validator = jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())
    assert list(validator.iter_errors(json.loads(encode_json(sarif(REPORT))))) == []
    wrong: Any = sarif(REPORT)
    wrong["runs"][0]["results"][0]["level"] = "critical"  # which SARIF has no word for
    assert len(list(validator.iter_errors(wrong))) == 1


def test_junit_validates_against_the_schema_that_build_servers_use(tmp_path: Path) -> None:
    require("xmllint")
    file = tmp_path / "audit.xml"
    file.write_text("\n".join(format_junit(REPORT)))
    argv = ["xmllint", "--noout", "--schema", str(_SCHEMAS / "junit-10.xsd"), str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_junit_fails_what_was_found_and_skips_what_was_not_checked() -> None:
    root = ET.fromstring("\n".join(format_junit(REPORT)))
    cases = root.findall(".//testcase")
    suite = root.find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == (str(len(cases)), "2", "2")
    by_rule = {one.get("classname"): one for one in cases}
    assert by_rule["security/b"].find("failure") is not None
    assert len(list(by_rule["security/c"])) == 0
    assert by_rule["security/d"].find("skipped") is not None


def test_markdown_has_no_markup_of_a_container() -> None:
    text = "\n".join(format_markdown(REPORT))
    assert "<script>" not in text
    assert re.search(r"(?<!\\)`", text) is None
    for line in text.splitlines():
        if line.startswith("| **"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 5


@pytest.mark.parametrize("lines", [format_junit(REPORT), format_markdown(REPORT)])
def test_text_is_inert(lines: list[str]) -> None:
    assert all(char.isprintable() or char == "\n" for line in lines for char in line)
