import msgspec
import pytest

from ctrscope.model.container import Container
from ctrscope.model.detail import Detail
from ctrscope.render.page import format_page
from tests.awkward import BY_HAND, DETAIL, HOSTILE, HOSTILE_PROCESSES, NOW, ORPHAN, SNAPSHOT, STOPPED, WEB
from tests.golden import assert_golden

NAMES = {one.id: one.name for one in SNAPSHOT.containers}


@pytest.mark.parametrize(
    ("name", "container", "detail"),
    [
        ("page-full", WEB, DETAIL),
        ("page-hostile", HOSTILE, Detail(processes=HOSTILE_PROCESSES)),
        ("page-orphan", ORPHAN, Detail()),
        ("page-stopped", STOPPED, Detail()),
        ("page-unclaimed", BY_HAND, Detail()),
    ],
)
def test_the_page_of_a_container(name: str, container: Container, detail: Detail) -> None:
    gaps = SNAPSHOT.gaps if container is WEB else ()
    lines = format_page(container, detail, NAMES, gaps, NOW)
    assert all(line.isprintable() for line in lines)
    assert_golden(f"{name}.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("field", ["created_at", "started_at", "image", "runtime", "bundle", "rootfs", "log_path", "note"])
def test_no_field_of_a_container_reaches_the_terminal_as_it_is(field: str) -> None:
    hostile = msgspec.structs.replace(WEB, **{field: "\x1b]0;owned\x07"})
    lines = format_page(hostile, DETAIL, NAMES, (), NOW)
    assert any("\\x1b]0;owned\\x07" in line for line in lines)
    assert all(line.isprintable() for line in lines)
