"""The three most important facts about a container: what is wrong with it, worst first; else how it does. Pure."""

from collections.abc import Sequence

from textual.content import Content

from ctrscope.model.container import ContainerStatus
from ctrscope.render.fields import ports_text
from ctrscope.render.safe import cell_width, inert, shorten
from ctrscope.render.units import format_bytes, format_percent
from ctrscope.views.panes.opened import Opened
from ctrscope.views.rows import note_tone
from ctrscope.views.tones import SEVERITIES, Part, line

_FACTS = 3


def fact_lines(opened: Opened) -> list[Content]:
    """A line for each thing that is wrong; what room is left for says how it does, on one line."""
    room = opened.width - 2
    troubles = _troubles(opened)[:_FACTS]
    lines = [line(" ", (shorten(text, room), tone)) for text, tone in troubles]
    if len(troubles) == _FACTS:
        return lines
    parts: list[Part] = []
    used = 1
    for fact in how_it_does(opened)[: _FACTS - len(troubles)]:
        text = f"{'   ' if parts else ' '}{fact}"
        if used + cell_width(text) > opened.width:
            break
        used += cell_width(text)
        parts.append((text, "plain"))
    return [*lines, line(*parts)] if parts else lines


def _troubles(opened: Opened) -> list[tuple[str, str]]:
    container = opened.container
    found = [(f"{SEVERITIES[one.severity][0]} {inert(one.title)}", SEVERITIES[one.severity][1]) for one in opened.findings]
    note = container.note or ""
    if note and all(inert(note) != text[2:] for text, _ in found):
        found.insert(0, (f"▲ {inert(note)}", note_tone(container)))
    return found


def how_it_does(opened: Opened) -> Sequence[str]:
    """What one asks first of a container that is well: of one that runs what it uses, of another how it ended."""
    container = opened.container
    if not container.is_running:
        return _how_it_ended(opened)
    facts = []
    stats, effective, rates = opened.stats, opened.effective, opened.rates
    if rates is not None and rates.cpu_percent is not None:
        cpus = effective.cpus if effective else None
        bound = f" of {cpus.value * 100:g}" if cpus is not None and isinstance(cpus.value, float | int) else ""
        facts.append(f"cpu {format_percent(rates.cpu_percent)} %{bound}")
    if stats is not None and stats.memory is not None and stats.memory.current is not None:
        memory = effective.memory if effective else None
        bound = f" of {format_bytes(memory.value)}" if memory is not None and isinstance(memory.value, int) else ""
        facts.append(f"memory {format_bytes(stats.memory.current)}{bound}")
    if container.ports:
        facts.append(f"reached at {ports_text(container.ports)}")
    elif container.shares.get("net") == "host":
        facts.append("in the host's network")
    elif container.addresses:
        facts.append(f"at {inert(', '.join(container.addresses))}")
    if len(facts) < _FACTS:
        count = len(container.pids)
        facts.append(f"{count} process{'es' if count != 1 else ''}")
    return facts


def _how_it_ended(opened: Opened) -> list[str]:
    container = opened.container
    facts = []
    if container.status is ContainerStatus.STOPPED and container.exit_code is not None:
        facts.append(f"exit status {container.exit_code}{', killed for memory' if container.oom_killed else ''}")
    if container.restart_count:
        facts.append(f"restarted {container.restart_count} times")
    if container.image:
        facts.append(f"image {inert(container.image)}")
    return facts
