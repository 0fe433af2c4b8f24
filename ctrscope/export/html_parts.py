"""How the report of an audit looks, and what it does when somebody searches it or prints it."""

STYLE = """\
:root { color-scheme: light dark; --line: #8884; --dim: #666; --paper: #8881;
  --critical: #b00020; --high: #c2410c; --medium: #a16207; --low: #1d4ed8; --info: #555; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin: 0 0 .6rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem;
  border-bottom: 2px solid var(--line); padding-bottom: .25rem; }
h3 { font-size: 1rem; margin: 0; } p { margin: .35rem 0; } a { color: inherit; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; }
th, td { text-align: left; vertical-align: top; padding: .22rem .7rem .22rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
th { font-weight: 600; color: var(--dim); overflow-wrap: normal; }
.wide td { overflow-wrap: break-word; } .wide .code { overflow-wrap: anywhere; }
code, .code { font: .8rem ui-monospace, Menlo, Consolas, monospace; } .dim { color: var(--dim); font-size: .87rem; }
.number { text-align: right; } td.number { font-variant-numeric: tabular-nums; font-weight: 600; }
.critical { --tone: var(--critical); } .high { --tone: var(--high); } .medium { --tone: var(--medium); }
.low { --tone: var(--low); } .info { --tone: var(--info); } td.number { color: var(--tone); }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; }
.facts dt { color: var(--dim); } .facts dd { margin: 0; }
.counts { display: grid; grid-template-columns: repeat(5, 1fr); gap: .8rem; margin: 1.4rem 0 .8rem; }
.counts label { border: 1px solid var(--line); border-top: 4px solid var(--tone); padding: .5rem .8rem; cursor: pointer; }
.counts b { font-size: 1.5rem; color: var(--tone); margin-right: .25rem; } .counts input { float: right; }
.counts small { display: block; color: var(--dim); }
nav a { margin-right: 1.2rem; white-space: nowrap; }
.tools input { font: inherit; padding: .35rem .6rem; width: 26rem; max-width: 100%; }
.finding { border-left: 4px solid var(--tone); padding: .5rem 0 .6rem .9rem; margin: .9rem 0; }
.badge { background: var(--tone); color: #fff; border-radius: .2rem; padding: .05rem .45rem; font-size: .78rem;
  margin-right: .3rem; }
.remedy { margin-top: .5rem; }
.references { list-style: none; padding: 0; margin: .2rem 0 0; color: var(--dim); font-size: .82rem; }
.references li { display: inline; } .references li + li::before { content: " · "; }
.finding td:first-child { width: 16rem; } .finding td:nth-child(2) { width: 24rem; }
.shared { color: var(--high); font-weight: 600; } .picture { overflow-x: auto; } summary { cursor: pointer; }
[hidden] { display: none !important; }
@media screen and (max-width: 62rem) { .wide { display: block; overflow-x: auto; }
  .counts { grid-template-columns: repeat(2, 1fr); } .finding td:first-child, .finding td:nth-child(2) { width: auto; } }
@media (prefers-color-scheme: dark) { :root { --dim: #9aa0a6; --info: #9aa0a6;
  --critical: #e5484d; --high: #f76b15; --medium: #b7860b; --low: #3b82f6; } }
@media print { :root { color-scheme: light; }
  @page { margin: 14mm 12mm; } body { font-size: 10pt; margin: 0; max-width: none; padding: 0; }
  nav, .tools, .counts input { display: none; } a { text-decoration: none; } h2 { break-after: avoid; }
  .finding { break-inside: avoid; } .finding h3, .finding .dim { break-after: avoid; }
  .finding td:first-child { width: 26%; } .finding td:nth-child(2) { width: 40%; }
  tr { break-inside: avoid; } thead { display: table-header-group; }
  .badge, .counts label { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .picture { overflow: visible; } .picture svg { max-width: 100%; height: auto; } }
"""
#: Search and severities leave what matches; of a finding about many, the rows that match. Paper shows all of it.
SCRIPT = """\
const search = document.getElementById("search"), shown = document.getElementById("shown");
const findings = [...document.querySelectorAll(".finding")].map(one => ({
  one, text: one.textContent.toLowerCase(), rows: [...one.querySelectorAll("tbody tr")],
  head: (one.querySelector("h3").textContent + one.querySelector(".dim").textContent).toLowerCase() }));
const boxes = [...document.querySelectorAll(".counts input")];
function filter() {
  const wanted = search.value.toLowerCase().trim(), chosen = new Set(boxes.filter(one => one.checked).map(one => one.value));
  let count = 0;
  for (const { one, text, rows, head } of findings) {
    one.hidden = !chosen.has(one.dataset.severity) || !text.includes(wanted);
    if (one.hidden) continue;
    count += 1;
    const all = !wanted || head.includes(wanted) || !rows.some(row => row.textContent.toLowerCase().includes(wanted));
    for (const row of rows) row.hidden = !all && !row.textContent.toLowerCase().includes(wanted);
    const folded = one.querySelector("details");
    if (folded && !all) folded.open = true;
  }
  shown.textContent = count === findings.length ? "" : `${count} of ${findings.length} kinds of findings`;
}
search.addEventListener("input", filter);
for (const box of boxes) box.addEventListener("change", filter);
document.addEventListener("click", event => {
  const name = event.target.dataset.find;
  if (name !== undefined) { search.value = name; filter(); }
});
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const one of folded) one.open = true;
});
addEventListener("afterprint", () => { for (const one of folded) one.open = false; });
"""
