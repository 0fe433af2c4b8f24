"""An audit as one HTML file that needs nothing else: findings, containers, who shares which namespace, the network, gaps.

No script runs that is not in it, nothing is loaded, and every text of the host is escaped: a policy in the file
forbids the rest.
"""

from collections.abc import Sequence
from html import escape

from ctrscope.model.audit_report import AuditReport
from ctrscope.model.container import Container
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.namespace import NamespaceType
from ctrscope.render.audit import summary
from ctrscope.render.gaps import describe_gap
from ctrscope.render.matrix import MatrixRow
from ctrscope.render.safe import inert, inert_command

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{}'"
_STYLE = """\
:root { color-scheme: light dark; --line: #8884; --dim: #777;
  --critical: #b00020; --high: #c2410c; --medium: #a16207; --low: #2563eb; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem;
  border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem; }
td, th { border-bottom: 1px solid var(--line); } code, td.code {
  font: .82rem ui-monospace, monospace; overflow-wrap: anywhere; }
.dim { color: var(--dim); } .critical, .high, .medium, .low { font-weight: 600; }
.critical { color: var(--critical); }
.high { color: var(--high); } .medium { color: var(--medium); } .low { color: var(--low); }
.counts span { margin-right: 1.4rem; } .picture { overflow-x: auto; } details { margin: .2rem 0; } summary { cursor: pointer; }
input { font: inherit; padding: .35rem .6rem; width: 24rem; max-width: 100%; }
@media print { input { display: none; }
  details:not([open]) > * { display: block; } body { margin: 0; max-width: none; } }
@media (prefers-color-scheme: dark) {
  :root { --critical: #ff6b81; --high: #fb923c; --medium: #facc15; --low: #60a5fa; } }
"""
#: Shows the rows of findings that hold what is typed. Its digest stands in the policy.
_SCRIPT = """\
document.getElementById("search").addEventListener("input", event => {
  const wanted = event.target.value.toLowerCase();
  for (const row of document.querySelectorAll("#findings tbody tr")) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
  }
});
"""


def format_html(
    report: AuditReport, containers: Sequence[Container], matrix: Sequence[MatrixRow], picture: Sequence[str]
) -> list[str]:
    """Lines of the file. *picture*: an SVG, or nothing where the network was not read."""
    import base64
    import hashlib

    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    name = _text(report.host.hostname or "host")
    return [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(digest)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Audit of {name}</title>",
        f"<style>\n{_STYLE}</style></head><body>",
        f"<h1>Audit of {name}</h1>",
        f"<p>{_text(summary(report))}<br>",
        f'<span class="dim">{_text(report.taken_at)}, Linux {_text(report.host.kernel or "?")}</span></p>',
        *_counts(report),
        *_findings(report),
        *_accepted(report),
        *_containers(report, containers),
        *_matrix(matrix),
        *(["<h2>Network</h2>", '<div class="picture">', *_embedded(picture), "</div>"] if picture else []),
        *_gaps(report),
        *_rules(report),
        f"<script>{_SCRIPT}</script>",
        "</body></html>",
    ]


def _counts(report: AuditReport) -> list[str]:
    parts = []
    for severity in Severity:
        count = sum(1 for one in report.findings if one.severity is severity)
        parts.append(f'<span class="{severity}">{severity} {count}</span>')
    return [f'<p class="counts">{"".join(parts)}</p>']


def _findings(report: AuditReport) -> list[str]:
    lines = [
        f"<h2>Findings ({len(report.findings)})</h2>",
        '<p><input id="search" type="search" placeholder="search findings" aria-label="search findings"></p>',
        '<table id="findings"><thead><tr><th>severity<th>of<th>finding, evidence, what to do</tr></thead><tbody>',
    ]
    lines += [_finding(one) for one in report.findings]
    return [*lines, "</tbody></table>"]


def _finding(one: Finding) -> str:
    evidence = "".join(f"<br><code>{_text(item.source)}: {_text(item.value)}</code>" for item in one.evidence)
    references = _text("; ".join(one.references))
    return (
        f'<tr><td class="{one.severity}">{one.severity}<td>{_text(one.subject.name)}'
        f'<br><span class="dim">{_text(one.subject.kind)}</span>'
        f"<td>{_text(one.title)}{evidence}<br>→ {_text(one.remedy)}"
        f'<br><span class="dim">{_text(one.rule)}{" · " + references if references else ""}</span></tr>'
    )


def _accepted(report: AuditReport) -> list[str]:
    if not report.accepted:
        return []
    rows = [
        f"<tr><td>{_text(one.finding.subject.name)}<td>{_text(one.finding.title)}<td>{_text(one.reason)}<td>{_text(one.expires)}</tr>"
        for one in report.accepted
    ]
    return [f"<h2>Accepted ({len(rows)})</h2>", "<table><tr><th>of<th>finding<th>reason<th>until</tr>", *rows, "</table>"]


def _containers(report: AuditReport, containers: Sequence[Container]) -> list[str]:
    worst: dict[str, list[Finding]] = {}
    for finding in report.findings:
        worst.setdefault(finding.subject.id, []).append(finding)
    lines = [
        f"<h2>Containers ({len(containers)})</h2>",
        "<table><tr><th>name<th>engine<th>status<th>pid<th>image<th>command<th>findings<th>worst</tr>",
    ]
    for one in containers:
        found = worst.get(one.key, [])
        bad = f'<td class="{found[0].severity}">{found[0].severity}' if found else "<td>"
        lines.append(
            f"<tr><td>{_text(one.name)}<td>{one.engine}<td>{one.status}<td>{one.pid or ''}<td>{_text(one.image or '')}"
            f'<td class="code">{escape(inert_command(one.command or ()))}<td>{len(found)}{bad}</tr>'
        )
    return [*lines, "</table>"]


def _matrix(matrix: Sequence[MatrixRow]) -> list[str]:
    head = "".join(f"<th>{type_}" for type_ in NamespaceType)
    lines = ["<h2>Namespaces</h2>", f"<table><tr><th>{head}</tr>"]
    for row in matrix:
        cells = "".join(
            f'<td class="code{" high" if cell.is_host and row.key != "host" else ""}">{_text(cell.text)}' for cell in row.cells
        )
        lines.append(f"<tr><td>{escape(row.label)}{cells}</tr>")
    return [*lines, "</table>"]


def _embedded(picture: Sequence[str]) -> list[str]:
    """Without the XML declaration, which HTML has no place for."""
    return [line for line in picture if not line.startswith("<?xml")]


def _gaps(report: AuditReport) -> list[str]:
    if not report.gaps:
        return ["<h2>Not checked</h2>", "<p>Everything that was asked could be checked.</p>"]
    lines = [f"<li>{escape(describe_gap(gap))}</li>" for gap in report.gaps]
    return [
        f"<h2>Not checked ({len(lines)})</h2>",
        f"<details open><summary>{len(lines)} gaps</summary><ul>",
        *lines,
        "</ul></details>",
    ]


def _rules(report: AuditReport) -> list[str]:
    rows = [
        f"<tr><td><code>{_text(rule.id)}</code><td>{rule.checked}<td>{_text(rule.meaning)}"
        f"<td class=dim>{_text('; '.join(rule.references))}</tr>"
        for rule in report.rules
    ]
    return [
        f"<h2>Rules ({len(rows)})</h2>",
        "<details><summary>what was asked</summary><table><tr><th>rule<th>checked on<th>meaning<th>references</tr>",
        *rows,
        "</table></details>",
    ]


def _text(text: str) -> str:
    return escape(inert(text))
