"""Gaps in few words: what is missing, and what it would take."""

from collections.abc import Iterable

from ctrscope.model.gap import Gap
from ctrscope.render.safe import inert


def summarise_gaps(gaps: Iterable[Gap]) -> str:
    """All gaps on one line, those of one reason and need together; "" when there are none."""
    groups: dict[tuple[str, str | None], list[Gap]] = {}
    for gap in gaps:
        groups.setdefault((gap.reason, gap.needs), []).append(gap)
    if not groups:
        return ""
    count = sum(len(group) for group in groups.values())
    parts = []
    for (reason, needs), group in sorted(groups.items(), key=lambda item: -len(item[1])):
        many = f"{len(group)} " if len(groups) > 1 or len(group) < count else ""
        what = reason.replace("_", " ")
        where = inert(group[0].source) + (", …" if len({gap.source for gap in group}) > 1 else "")
        parts.append(f"{many}{what} ({where})" + (f", needs {inert(needs)}" if needs else ""))
    return f"{count} gap{'s' if count != 1 else ''}: {'; '.join(parts)}"


def describe_gap(gap: Gap) -> str:
    """One gap in a line: what, where, why, and what would help."""
    why = gap.reason.replace("_", " ") + (f" ({inert(gap.detail)})" if gap.detail else "")
    needs = f"; needs {inert(gap.needs)}" if gap.needs else ""
    return f"{inert(gap.subject)}: {', '.join(inert(field) for field in gap.fields)} from {inert(gap.source)}: {why}{needs}"
