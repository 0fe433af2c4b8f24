"""The way to a port as text."""

from ctrscope.model.network import Hop, NetworkPath
from ctrscope.render.path import format_path
from ctrscope.render.safe import cell_width

PATH = NetworkPath(
    proto="udp",
    port=53,
    hops=(
        Hop(kind="wire", what="udp *:53", is_ok=True),
        Hop(
            kind="nat", what="nftables \x1b[31mip nat", is_ok=False, why="nobody has 172.17.0.99: web has " + "172.17.0.2 " * 9
        ),
        Hop(kind="listener", what="udp 53 inside", is_ok=None, why="its sockets could not be read", evidence="e"),
    ),
)


def test_signs_stand_for_what_is_right_wrong_and_unknown() -> None:
    lines = format_path(PATH, "web")
    assert [line[2] for line in lines if line[:4].strip() and line.startswith("  ") and line[2] in "✓✗?"] == ["✓", "✗", "?"]


def test_it_fits_the_screen_and_hostile_text_is_inert() -> None:
    lines = format_path(PATH, "we\x1bb", 80)
    assert all(cell_width(line.removesuffix("  ◀ here")) <= 80 for line in lines)
    assert not any("\x1b" in line for line in lines)
    assert sum("◀ here" in line for line in lines) == 1


def test_without_anything_broken_the_last_line_says_so() -> None:
    fine = NetworkPath(proto="tcp", port=80, hops=PATH.hops[:1])
    assert format_path(fine, "web")[-1] == "Every hop is in order."
    unknown = NetworkPath(proto="tcp", port=80, hops=PATH.hops[2:])
    assert format_path(unknown, "web")[-1] == "Nothing broken was found; not certain: its sockets could not be read"


def test_colour_only_adds() -> None:
    plain, coloured = format_path(PATH, "web", 80), format_path(PATH, "web", 80, colour=True)
    assert len(plain) == len(coloured)
    assert any("\x1b[31m" in line for line in coloured)
