"""How old that is which is not read with every sample, in words. Pure."""

from ctrscope.model.sample import Ages
from ctrscope.render.units import format_duration

#: Seconds from which on an age is worth a word; the header has that of the sample.
_OLD = 3.0


def as_of(age: float | None) -> str:
    """`` (as of 40s ago)``; "" for what is of now, or was never read."""
    return f" (as of {format_duration(age)} ago)" if age is not None and age >= _OLD else ""


def ages_text(ages: Ages) -> str:
    """``health (as of 40s ago), idle figures (as of 8s ago)``; "" while nothing is that old."""
    known = (("health", as_of(ages.health)), ("idle figures", as_of(ages.idle)))
    return ", ".join(f"{what}{age}" for what, age in known if age)
