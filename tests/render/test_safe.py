import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrscope.render.safe import cell_width, inert, inert_command, pad, shorten, wrap


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x7f\x9b2J", "\\x7f\\x9b2J"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("ze\u200bro\ufeff", "ze\\u200bro\\ufeff"),
        ("\udcff\udc80", "\\xff\\x80"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("non\xa0breaking", "non\\xa0breaking"),
        ("日本 café [bold]", "日本 café [bold]"),
    ],
)
def test_what_does_not_print_becomes_visible(hostile: str, shown: str) -> None:
    assert inert(hostile) == shown


@given(st.text(st.characters()))
def test_an_inert_text_holds_no_control_format_or_surrogate_character(text: str) -> None:
    assert not [char for char in inert(text) if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@given(st.text(st.characters()), st.integers(min_value=0, max_value=30))
def test_a_padded_shortened_text_is_exactly_as_wide_as_asked(text: str, width: int) -> None:
    assert cell_width(pad(shorten(inert(text), width), width)) == width


def test_wide_characters_take_two_cells_and_combining_ones_none() -> None:
    assert (cell_width("日本"), cell_width("e\u0301"), cell_width("abc")) == (4, 1, 3)


def test_a_wide_character_that_does_not_fit_is_left_out() -> None:
    assert (shorten("日本語", 4), shorten("日本語", 6)) == ("日…", "日本語")


def test_arguments_with_spaces_or_quotes_are_quoted() -> None:
    assert inert_command(["sh", "-c", "echo 'a'", "", "\x1b"]) == "sh -c 'echo '\\''a'\\''' '' \\x1b"


def test_a_text_of_wide_characters_is_wrapped_to_the_cells_of_the_screen() -> None:
    lines = wrap("漢字" * 100, "  web  ", "       ", 40)
    assert max(map(cell_width, lines)) <= 40
    assert "".join(line.strip().removeprefix("web  ") for line in lines) == "漢字" * 100


def test_a_text_that_fits_or_goes_to_a_file_stays_on_one_line() -> None:
    assert wrap("one two", "→ ", "  ", 9) == ["→ one two"]
    assert wrap("one two", "→ ", "  ", None) == ["→ one two"]
    assert wrap("a word " * 5, "→ ", "  ", 30)[1].startswith("  ")
