"""Bytes and CPUs as people say them."""

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_LONGEST = 32  # characters of a size: more bytes than that no kernel can count
_LEAST_CPUS = 0.01  # a quota of 1 ms in a period of 100 ms: the kernel takes no less


def parse_bytes(text: str) -> int:
    """``128M``, ``1.5g``, ``64MiB``, ``134217728``: units are powers of 1024. Errors: ValueError."""
    lower = text[:_LONGEST].lower()
    number = lower.removesuffix("ib" if lower.endswith("ib") else "b")
    unit = number[-1:] if number[-1:] in _UNITS else ""
    whole, point, fraction = number.removesuffix(unit).rstrip(" ").partition(".")
    digits = (whole, fraction) if point else (whole,)
    if len(text) > _LONGEST or not all(one.isascii() and one.isdecimal() for one in digits):
        raise ValueError(f"{text!r} is not a size like 128M or 1.5G")
    return int(float(f"{whole}.{fraction}") * _UNITS[unit]) if point else int(whole) * _UNITS[unit]


def parse_cpus(text: str) -> float:
    """``0.5``, ``2``. Errors: ValueError."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not _LEAST_CPUS <= number < 1e6:
        raise ValueError(f"{text!r} is not a number of CPUs from {_LEAST_CPUS} up")
    return number


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
