from hypothesis import given
from hypothesis import strategies as st

from ctrscope.render.safe import cell_width
from ctrscope.render.tables import EXTRA, Column, format_table

COLUMNS = (Column("NAME", least=6), Column("PID", "right", rank=2), Column("IMAGE", rank=3, least=6), Column("NOTE", least=6))
ROWS = [("web", "4711", "nginx:1.25", ""), ("a very long name", "9", "日本語", "paused (freezer)")]


def test_a_pipe_gets_every_column_in_full() -> None:
    assert format_table(COLUMNS, ROWS) == [
        "NAME               PID  IMAGE       NOTE",
        "web               4711  nginx:1.25",
        "a very long name     9  日本語      paused (freezer)",
    ]


def test_a_terminal_loses_the_least_important_column_first() -> None:
    assert format_table(COLUMNS, ROWS, 26) == [
        "NAME           PID  NOTE",
        "web           4711",
        "a very long…     9  pause…",
    ]


def test_what_room_is_left_goes_to_the_most_important_columns() -> None:
    assert format_table(COLUMNS, ROWS, 36)[2] == "a very long n…     9  日本語  pause…"


def test_a_column_that_nobody_fills_takes_no_room_on_a_terminal() -> None:
    rows = [(name, pid, "", note) for name, pid, _, note in ROWS]
    assert format_table(COLUMNS, rows, 200)[0].split() == ["NAME", "PID", "NOTE"]


@given(st.integers(min_value=16, max_value=80), st.lists(st.tuples(*[st.text("ab日 ", max_size=30)] * 4), max_size=4))
def test_no_line_is_wider_than_the_terminal(width: int, rows: list[tuple[str, str, str, str]]) -> None:
    assert max(cell_width(line) for line in format_table(COLUMNS, rows, width)) <= width


def test_an_extra_column_waits_until_the_others_have_a_good_width() -> None:
    columns = (Column("NAME", least=4, good=10), Column("MORE", rank=EXTRA))
    rows = [("a long name", "more")]
    assert format_table(columns, rows, 15) == ["NAME", "a long name"]
    assert format_table(columns, rows, 16) == ["NAME        MORE", "a long na…  more"]
