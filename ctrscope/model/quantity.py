"""Bytes as people say them."""


def format_bytes(value: float) -> str:
    """Three significant digits and a unit, powers of 1024: ``812B``, ``3.21M``, ``41.2G``, ``512M``."""
    for unit in "BKMG":
        if value < 1023.5:
            return _three_digits(value) + unit if value else "0"
        value /= 1024
    return _three_digits(value) + "T"


def _three_digits(value: float) -> str:
    text = f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
