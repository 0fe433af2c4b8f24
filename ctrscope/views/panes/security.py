"""Security: what confines its init now, as the kernel says."""

from textual.content import Content

from ctrscope.model.detail import CapabilitySets, IdMapLine, Security
from ctrscope.render.safe import inert
from ctrscope.render.units import NOT_APPLICABLE
from ctrscope.views.panes.opened import Opened, facts, heading, missing

_SETS = ("effective", "permitted", "inheritable", "bounding", "ambient")
_WHOLE_RANGE = 0xFFFFFFFF  # count of the map of the initial user namespace; user_namespaces(7)


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    security = opened.detail.security if opened.detail else None
    if security is None:
        return missing(opened, "security facts")
    lines = [*_confinement(security, opened.width), Content(""), *_capabilities(security.capabilities, opened.width)]
    rest: list[Content] = []
    inside = {"masked": security.masked_paths, "read-only": security.readonly_paths, "devices": security.devices}
    for label, paths in inside.items():
        rest += facts(label, inert(" ".join(paths)) if paths else "" if paths is None else "none", opened.width)
    if rest:
        lines += [Content(""), heading("inside"), *rest]
    return lines


def _confinement(security: Security, width: int) -> list[Content]:
    count = security.seccomp_filters
    filters = f" ({count})" if count else ""
    lines = facts(
        "seccomp",
        f"{security.seccomp}{filters}" if security.seccomp else "",
        width,
        "watch" if security.seccomp == "disabled" else "plain",
    )
    if security.no_new_privs is not None:
        lines += facts("no_new_privs", "yes" if security.no_new_privs else "no", width)
    lines += facts("apparmor", inert(security.apparmor or ""), width, "watch" if security.apparmor == "unconfined" else "plain")
    lines += facts("selinux", inert(security.selinux or ""), width)
    for label, id_map in (("uid map", security.uid_map), ("gid map", security.gid_map)):
        if id_map is not None:
            lines += facts(label, _id_map(id_map), width, "watch" if _is_hosts(id_map) else "plain")
    return lines


def _capabilities(sets: CapabilitySets | None, width: int) -> list[Content]:
    if sets is None:
        return []
    lines = [heading("capabilities")]
    for name in _SETS:
        held: tuple[str, ...] = getattr(sets, name)
        words = " ".join(inert(capability.removeprefix("CAP_").lower()) for capability in held)
        lines += facts(name, f"{len(held):>2}  {words}" if held else "none", width)
    return lines


def _is_hosts(lines: tuple[IdMapLine, ...]) -> bool:
    return len(lines) == 1 and lines[0].inside == lines[0].outside == 0 and lines[0].count >= _WHOLE_RANGE


def _id_map(lines: tuple[IdMapLine, ...]) -> str:
    if _is_hosts(lines):
        return "none: ids inside are the host's"
    return ", ".join(f"{found.inside} → {found.outside} ({found.count})" for found in lines) or NOT_APPLICABLE
