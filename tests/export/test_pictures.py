"""Pictures of the topology: every hostile name stays a name in each of the three languages."""

import re
import shutil
import subprocess
from xml.etree import ElementTree as ET

import pytest

from ctrscope.export.dot import format_dot
from ctrscope.export.graph import graph_of
from ctrscope.export.mermaid import format_mermaid
from ctrscope.export.svg import format_svg
from ctrscope.model.network import NetworkTopology
from tests.awkward import SNAPSHOT
from tests.golden import assert_golden
from tests.networks import BLUE, INITIAL, TOPOLOGY, WEB_NET

_SVG = "{http://www.w3.org/2000/svg}"
ODD_SHOWN = r'a"<b>&\x1b[31m;#]'


@pytest.mark.parametrize(("name", "draw"), [("net.dot", format_dot), ("net.mermaid", format_mermaid), ("net.svg", format_svg)])
def test_the_picture_is_this(name: str, draw: object) -> None:
    assert callable(draw)
    assert_golden(name, "".join(f"{line}\n" for line in draw(TOPOLOGY, SNAPSHOT.containers)))


def test_the_graph_has_what_is_joined_or_in_use() -> None:
    graph = graph_of(TOPOLOGY, SNAPSHOT.containers)
    nodes = {node.id for group in graph.groups for node in group.nodes}
    assert {f"ns{INITIAL}_2", f"ns{WEB_NET}_2", f"ns{BLUE}_2"} <= nodes
    assert not {f"ns{INITIAL}_1", f"ns{INITIAL}_7"} & nodes  # lo, and a tunnel that nobody set up
    assert {end for a, b, _ in graph.edges for end in (a, b)} <= nodes
    assert [node.is_broken for group in graph.groups for node in group.nodes if node.id == f"ns{INITIAL}_5"] == [True]


def test_in_dot_a_name_ends_where_its_quotes_end() -> None:
    text = "\n".join(format_dot(TOPOLOGY, SNAPSHOT.containers))
    assert r'label="a\"<b>&\\x1b[31m;#] (veth)' in text
    # What is left without quoted strings is the grammar alone.
    bare = re.sub(r'"(\\.|[^"\\])*"', "Q", text)
    assert re.fullmatch(r"[\w\s={}\[\],;Q-]*", bare), bare


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
def test_graphviz_draws_it() -> None:
    text = "\n".join(format_dot(TOPOLOGY, SNAPSHOT.containers))
    drawn = subprocess.run(["dot", "-Tsvg"], input=text, text=True, capture_output=True, check=True).stdout
    assert "docker0" in drawn


def test_in_mermaid_a_label_holds_nothing_that_means_something() -> None:
    labels = [label for line in format_mermaid(TOPOLOGY, SNAPSHOT.containers) for label in re.findall(r'\["(.*)"\]', line)]
    assert len(labels) > 10
    assert all(re.fullmatch(r"([^\"<>&`#;\\{}\[\]|]|#\d+;|<br/>)*", label) for label in labels)
    assert any("#34;#60;b#62;#38;#92;x1b#91;31m#59;#35;#93;" in label for label in labels)


def test_the_svg_is_well_formed_and_shows_every_name_as_text() -> None:
    root = ET.fromstring("\n".join(format_svg(TOPOLOGY, SNAPSHOT.containers)))
    assert {element.tag.removeprefix(_SVG) for element in root.iter()} == {"svg", "style", "rect", "path", "text"}
    texts = [element.text or "" for element in root.iter(f"{_SVG}text")]
    assert any(ODD_SHOWN in text for text in texts)
    assert any(r"<svg>\x1b]0;" in text for text in texts)


def test_no_two_boxes_of_the_svg_overlap_and_none_is_outside() -> None:
    root = ET.fromstring("\n".join(format_svg(TOPOLOGY, SNAPSHOT.containers)))
    boxes = [
        tuple(float(element.attrib[name]) for name in ("x", "y", "width", "height"))
        for element in root.iter(f"{_SVG}rect")
        if "ground" not in element.attrib["class"]
    ]
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in boxes)
    for number, (x, y, w, h) in enumerate(boxes):
        for other_x, other_y, other_w, other_h in boxes[number + 1 :]:
            assert x + w <= other_x or other_x + other_w <= x or y + h <= other_y or other_y + other_h <= y


def test_the_svg_is_readable_on_light_and_dark() -> None:
    assert "@media (prefers-color-scheme: dark)" in "\n".join(format_svg(TOPOLOGY, SNAPSHOT.containers))


@pytest.mark.parametrize("draw", [format_dot, format_mermaid, format_svg])
def test_an_empty_host_is_drawn_too(draw: object) -> None:
    assert callable(draw)
    assert draw(NetworkTopology(), ())
