"""The report of an audit in a real browser: it renders, asks the network for nothing, is searched, and prints all of it."""

import base64
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ctrscope.export.html import format_html
from ctrscope.export.svg import format_svg
from ctrscope.model.finding import Severity
from ctrscope.render.matrix import namespace_matrix
from tests.awkward import HOST, SNAPSHOT
from tests.browser import Page, chromium
from tests.export.test_audit import REPORT, finding
from tests.networks import TOPOLOGY
from tests.requirements import require

#: One finding about so many containers that its evidence is folded.
_MANY = tuple(
    msgspec.structs.replace(finding("security/a", Severity.MEDIUM, f"member-{number:02}"), title="no limit of memory")
    for number in range(40)
)
_WHOLE = msgspec.structs.replace(REPORT, findings=(*REPORT.findings, *_MANY))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    require("chromium")
    file: Path = tmp_path_factory.mktemp("report") / "audit.html"
    matrix = namespace_matrix(SNAPSHOT.containers, HOST.namespaces, ())
    picture = format_svg(TOPOLOGY, SNAPSHOT.containers)
    file.write_text("\n".join(format_html(_WHOLE, SNAPSHOT.containers, matrix, picture)))
    with chromium() as browser:
        browser.open(file.as_uri())
        yield browser


def visible(page: Page, selector: str) -> list[str]:
    """Text of the elements that somebody sees."""
    found = page.evaluate(
        f"[...document.querySelectorAll({selector!r})].filter(one => one.checkVisibility()).map(one => one.innerText)"
    )
    assert isinstance(found, list)
    return found


def search(page: Page, text: str) -> None:
    page.evaluate("document.getElementById('search').select()")
    page.evaluate("document.getElementById('search').focus()")
    if text:
        page.call("Input.insertText", text=text)
    else:
        page.evaluate("document.execCommand('delete')")


def test_it_renders_and_asks_for_nothing_but_itself(page: Page) -> None:
    assert [one.split(":")[0] for one in page.requests] == ["file"]
    assert page.errors == []
    assert len(visible(page, "h2")) == 7
    assert page.evaluate("document.querySelector('.picture svg').getBoundingClientRect().width") > 100
    assert page.evaluate("getComputedStyle(document.querySelector('.finding')).borderLeftWidth") == "4px"  # its style applies


def test_what_a_container_calls_itself_was_not_run(page: Page) -> None:
    assert "<script>alert(1)" in page.evaluate("document.body.innerText")
    assert page.evaluate("document.scripts.length") == 1


def test_nothing_is_wider_than_the_window(page: Page) -> None:
    for width in (1400, 1000, 700):
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.call("Emulation.clearDeviceMetricsOverride")


def test_a_search_leaves_what_matches(page: Page) -> None:
    assert len(visible(page, ".finding")) == 3
    search(page, "member-07")
    (left,) = visible(page, ".finding")
    assert "no limit of memory" in left
    (row,) = visible(page, ".finding tbody tr")
    assert row.startswith("member-07")
    assert visible(page, "#shown") == ["1 of 3 kinds of findings"]
    search(page, "nobody is called so")
    assert visible(page, ".finding") == []
    search(page, "")
    assert len(visible(page, ".finding")) == 3


def test_a_severity_can_be_hidden(page: Page) -> None:
    click = "document.querySelector('.counts input[value=medium]').click()"
    page.evaluate(click)
    assert [one.split()[0] for one in visible(page, ".finding")] == ["critical", "low"]
    page.evaluate(click)
    assert len(visible(page, ".finding")) == 3


def test_a_click_on_a_container_shows_what_was_found_of_it(page: Page) -> None:
    page.evaluate("document.querySelector('[data-find=web]').click()")
    assert page.evaluate("document.getElementById('search').value") == "web"
    assert all("web" in one for one in visible(page, ".finding"))
    search(page, "")


def test_paper_has_all_of_it(page: Page) -> None:
    require("pdftotext")
    search(page, "")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = false")
    printed = base64.b64decode(page.call("Page.printToPDF", printBackground=True)["data"])
    text = subprocess.run(["pdftotext", "-", "-"], input=printed, capture_output=True, check=True, timeout=60).stdout.decode()
    for number in range(40):  # folded on the screen
        assert f"member-{number:02}" in text
    for rule in _WHOLE.rules:
        assert rule.id in text
    assert "/proc/7" in text  # a gap
    assert len(re.findall("What to do", text)) == 3
    assert page.evaluate("document.querySelectorAll('details[open]').length") == 0  # and is folded again
