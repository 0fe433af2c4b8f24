import pytest

from ctrscope.render.units import format_bytes, format_duration, format_limit, format_percent


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (812, "812B"),
        (1024, "1K"),
        (1536, "1.5K"),
        (432013312, "412M"),
        (44238163149, "41.2G"),
        (1023 * 1024, "1023K"),
        (1024 * 1024 - 1, "1M"),
        (5000 * 1024**4, "5000T"),
    ],
)
def test_bytes_have_three_digits_and_a_unit(value: int, text: str) -> None:
    assert format_bytes(value) == text


def test_a_limit_keeps_the_kernels_own_word() -> None:
    assert (format_limit("max"), format_limit(512 << 20), format_limit(None)) == ("max", "512M", "·")


@pytest.mark.parametrize(("value", "text"), [(0.0, "0.0"), (48.06, "48.1"), (99.96, "100"), (1600.4, "1600")])
def test_percent_has_a_decimal_below_a_hundred(value: float, text: str) -> None:
    assert format_percent(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (0.9, "0s"), (3, "3s"), (59.9, "59s"), (60, "1m"), (68400, "19h"), (86400 * 4.9, "4d")]
)
def test_a_duration_is_its_largest_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
