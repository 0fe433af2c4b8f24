"""Security: what is risky about it, and what confines its init now, as the kernel says."""

from textual.content import Content

from ctrscope.model.detail import CapabilitySets, Security
from ctrscope.render.safe import inert
from ctrscope.render.wording import capabilities_text, id_map_text, is_hosts_id_map, seccomp_text
from ctrscope.views.panes.opened import MARGIN, Opened, facts, heading, missing, wrapped
from ctrscope.views.tones import SEVERITIES, line

_SETS = ("effective", "permitted", "inheritable", "bounding", "ambient")


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    security = opened.detail.security if opened.detail else None
    if security is None:
        return [*_risks(opened), *missing(opened, "security facts")]
    lines = [
        *_risks(opened),
        *_confinement(security, opened.width),
        Content(""),
        *_capabilities(security.capabilities, opened.width),
    ]
    rest: list[Content] = []
    inside = {"masked": security.masked_paths, "read-only": security.readonly_paths, "devices": security.devices}
    for label, paths in inside.items():
        rest += facts(label, inert(" ".join(paths)) if paths else "" if paths is None else "none", opened.width)
    if rest:
        lines += [Content(""), heading("inside"), *rest]
    return lines


def _risks(opened: Opened) -> list[Content]:
    """What audit says, worst first."""
    if opened.security is None:
        return [line(" " * MARGIN, ("looking for what is risky …", "muted")), Content("")]
    if not opened.security:
        return [line(" " * MARGIN, ("Nothing is risky about it, as far as we can see.", "muted")), Content("")]
    count = len(opened.security)
    lines = [heading("risky", f"{count} finding{'s' if count != 1 else ''}: evidence and remedy with g f")]
    for finding in opened.security:
        sign, tone = SEVERITIES[finding.severity]
        lines += wrapped(f"{sign} {inert(finding.title)}", opened.width, tone)
    return [*lines, Content("")]


def _confinement(security: Security, width: int) -> list[Content]:
    lines = facts("seccomp", seccomp_text(security), width, "watch" if security.seccomp == "disabled" else "plain")
    if security.no_new_privs is not None:
        lines += facts("no_new_privs", "yes" if security.no_new_privs else "no", width)
    lines += facts("apparmor", inert(security.apparmor or ""), width, "watch" if security.apparmor == "unconfined" else "plain")
    lines += facts("selinux", inert(security.selinux or ""), width)
    for label, id_map in (("uid map", security.uid_map), ("gid map", security.gid_map)):
        if id_map is not None:
            lines += facts(label, id_map_text(id_map), width, "watch" if is_hosts_id_map(id_map) else "plain")
    return lines


def _capabilities(sets: CapabilitySets | None, width: int) -> list[Content]:
    if sets is None:
        return []
    lines = [heading("capabilities")]
    for name in _SETS:
        held: tuple[str, ...] = getattr(sets, name)
        lines += facts(name, f"{len(held):>2}  {capabilities_text(held)}" if held else "none", width)
    return lines
