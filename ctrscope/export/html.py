"""An audit as one HTML file that needs nothing else: findings, containers, who shares which namespace, the network, gaps.

No script runs that is not in it, nothing is loaded, and every text of the host is escaped: a policy in the file
forbids the rest. What is the same of many containers stands there once; printed, everything is unfolded.
"""

from collections.abc import Sequence
from html import escape

from ctrscope import __version__
from ctrscope.export.html_parts import SCRIPT, STYLE
from ctrscope.model.audit_report import AuditReport
from ctrscope.model.container import Container
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.namespace import NamespaceType
from ctrscope.render.audit import group_findings, summary
from ctrscope.render.fields import ports_text
from ctrscope.render.gaps import describe_gap
from ctrscope.render.matrix import MatrixRow
from ctrscope.render.safe import inert, inert_command

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{}'"
#: Rows of evidence that are shown at once; of more, the reader unfolds them.
_FEW = 4


def format_html(
    report: AuditReport, containers: Sequence[Container], matrix: Sequence[MatrixRow], picture: Sequence[str]
) -> list[str]:
    """Lines of the file. *picture*: an SVG, or nothing where the network was not read."""
    import base64
    import hashlib

    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    name = _text(report.host.hostname or "host")
    return [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(digest)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Audit of {name}</title>",
        f"<style>\n{STYLE}</style></head><body>",
        f"<header><h1>Security audit of {name}</h1>",
        *_facts(report),
        "</header>",
        *_counts(report),
        *_contents(report, containers, bool(picture)),
        *_findings(report),
        *_accepted(report),
        *_containers(report, containers),
        *_matrix(matrix),
        *(['<h2 id="network">Network</h2>', '<div class="picture">', *_embedded(picture), "</div>"] if picture else []),
        *_gaps(report),
        *_rules(report),
        f"<script>{SCRIPT}</script>",
        "</body></html>",
    ]


def _facts(report: AuditReport) -> list[str]:
    host = report.host
    facts = {
        "taken": report.taken_at,
        "host": f"{host.hostname or '?'}, Linux {host.kernel or '?'} {host.machine or ''}, cgroup {host.cgroup_version or '?'}",
        "read as": "root" if host.privileges.euid == 0 else f"uid {host.privileges.euid}",
        "scope": summary(report),
        "by": f"ctrscope {__version__} audit, read-only: nothing on the host was changed, no daemon asked",
    }
    return ['<dl class="facts">', *(f"<dt>{label}</dt><dd>{_text(value)}</dd>" for label, value in facts.items()), "</dl>"]


def _counts(report: AuditReport) -> list[str]:
    """One box for each severity; it shows or hides its findings."""
    lines = ['<div class="counts">']
    for severity in Severity:
        members = [one for one in report.findings if one.severity is severity]
        subjects = len({one.subject.id for one in members})
        lines.append(
            f'<label class="{severity}"><input type="checkbox" checked value="{severity}"><b>{len(members)}</b> {severity}'
            f"<small>{len(group_findings(members))} kinds, {subjects} affected</small></label>"
        )
    return [*lines, "</div>"]


def _contents(report: AuditReport, containers: Sequence[Container], has_picture: bool) -> list[str]:
    parts = {
        "findings": f"Findings ({len(report.findings)})",
        **({"accepted": f"Accepted ({len(report.accepted)})"} if report.accepted else {}),
        "containers": f"Containers ({len(containers)})",
        "namespaces": "Namespaces",
        **({"network": "Network"} if has_picture else {}),
        "gaps": f"Not checked ({len(report.gaps)})",
        "rules": f"Rules ({len(report.rules)})",
    }
    return ["<nav>", *(f'<a href="#{key}">{words}</a>' for key, words in parts.items()), "</nav>"]


def _findings(report: AuditReport) -> list[str]:
    meanings = {rule.id: rule.meaning for rule in report.rules}
    lines = [
        f'<h2 id="findings">Findings ({len(report.findings)})</h2>',
        '<p class="tools"><input id="search" type="search" placeholder="search: container, rule, file, words …" '
        'aria-label="search findings"> <span id="shown"></span></p>',
    ]
    if not report.findings:
        lines.append("<p>Nothing was found.</p>")
    for group in group_findings(report.findings):
        lines += _finding(group, meanings)
    return lines


def _finding(group: Sequence[Finding], meanings: dict[str, str]) -> list[str]:
    first = group[0]
    rows = [
        f'<tr><td>{_text(one.subject.name)}<td class="code">{_text(item.source)}<td class="code">{_text(item.value)}</tr>'
        for one in group
        for item in one.evidence
    ]
    table = ["<table><thead><tr><th>of<th>read from<th>says</tr></thead><tbody>", *rows, "</tbody></table>"]
    if len(rows) > _FEW:
        table = [f"<details><summary>evidence: {len(rows)} rows</summary>", *table, "</details>"]
    count = len({one.subject.id for one in group})
    about = f"{count} {_text(first.subject.kind)}s" if count > 1 else f"{_text(first.subject.kind)} {_text(first.subject.name)}"
    references = "".join(f"<li>{_text(one)}</li>" for one in first.references)
    return [
        f'<article class="finding {first.severity}" data-severity="{first.severity}">',
        f'<h3><span class="badge">{first.severity}</span> {_text(first.title)}</h3>',
        f'<p class="dim">{about} · <code>{_text(first.rule)}</code> · {_text(meanings.get(first.rule, ""))}</p>',
        *table,
        f'<p class="remedy"><b>What to do:</b> {_text(first.remedy)}</p>',
        *([f'<ul class="references">{references}</ul>'] if references else []),
        "</article>",
    ]


def _accepted(report: AuditReport) -> list[str]:
    if not report.accepted:
        return []
    rows = [
        f"<tr><td>{_text(one.finding.subject.name)}<td>{_text(one.finding.title)}<td>{_text(one.reason)}<td>{_text(one.expires)}</tr>"
        for one in report.accepted
    ]
    head = "<table><thead><tr><th>of<th>finding<th>reason<th>until</tr></thead><tbody>"
    return [f'<h2 id="accepted">Accepted ({len(rows)})</h2>', head, *rows, "</tbody></table>"]


def _containers(report: AuditReport, containers: Sequence[Container]) -> list[str]:
    found: dict[str, list[Finding]] = {}
    for finding in report.findings:
        found.setdefault(finding.subject.id, []).append(finding)
    lines = [
        f'<h2 id="containers">Containers ({len(containers)})</h2>',
        '<table class="wide"><thead><tr><th>name<th>engine<th>status<th>pid<th>image<th>command<th>ports',
        *(f'<th class="number">{severity}' for severity in Severity),
        "</tr></thead><tbody>",
    ]
    for one in sorted(containers, key=lambda one: found[one.key][0].severity.rank if one.key in found else len(Severity)):
        counts = [sum(1 for each in found.get(one.key, ()) if each.severity is severity) for severity in Severity]
        cells = (
            f'<td class="number {severity if count else ""}">{count or ""}'
            for severity, count in zip(Severity, counts, strict=True)
        )
        lines.append(
            f'<tr><td><a href="#findings" data-find="{_text(one.name)}">{_text(one.name)}</a><td>{one.engine}<td>{one.status}'
            f"<td>{one.pid or ''}<td>{_text(one.image or '')}"
            f'<td class="code">{escape(inert_command(one.command or ()))}<td>{_text(ports_text(one.ports))}'
            f"{''.join(cells)}</tr>"
        )
    return [*lines, "</tbody></table>"]


def _matrix(matrix: Sequence[MatrixRow]) -> list[str]:
    head = "".join(f"<th>{type_}" for type_ in NamespaceType)
    lines = [
        '<h2 id="namespaces">Namespaces</h2>',
        '<p class="dim">The same letter in a column is the same namespace; host is that of the host.</p>',
        f'<table class="wide"><thead><tr><th>{head}</tr></thead><tbody>',
    ]
    for row in matrix:
        cells = "".join(
            f'<td class="code{" shared" if cell.is_host and row.key != "host" else ""}">{_text(cell.text)}'
            for cell in row.cells
        )
        lines.append(f"<tr><td>{escape(row.label)}{cells}</tr>")
    return [*lines, "</tbody></table>"]


def _embedded(picture: Sequence[str]) -> list[str]:
    """Without the XML declaration, which HTML has no place for."""
    return [line for line in picture if not line.startswith("<?xml")]


def _gaps(report: AuditReport) -> list[str]:
    heading = f'<h2 id="gaps">Not checked ({len(report.gaps)})</h2>'
    if not report.gaps:
        return [heading, "<p>Everything that was asked could be checked.</p>"]
    lines = [f"<li>{escape(describe_gap(gap))}</li>" for gap in report.gaps]
    return [
        heading,
        "<p>What could not be read is no pass.</p>",
        f"<details><summary>{len(lines)} gaps</summary><ul>",
        *lines,
        "</ul></details>",
    ]


def _rules(report: AuditReport) -> list[str]:
    rows = [
        f"<tr><td><code>{_text(rule.id)}</code><td>{_text(rule.meaning)}"
        f'<td class="number">{rule.checked or "–"}<td class="dim">{_text("; ".join(rule.references))}</tr>'
        for rule in report.rules
    ]
    head = '<table class="wide"><thead><tr><th>rule<th>meaning<th class="number">checked on<th>references</tr></thead><tbody>'
    return [
        f'<h2 id="rules">Rules ({len(rows)})</h2>',
        f"<details><summary>what was asked</summary>{head}",
        *rows,
        "</tbody></table></details>",
    ]


def _text(text: str) -> str:
    return escape(inert(text))
