"""``ctrscope doctor``: what can be read on this host, what cannot, and what it would take."""

import argparse
from typing import ClassVar

from ctrscope.cli.answer import exit_status, is_blind, print_answer, print_lines
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import ExitStatus
from ctrscope.export.contract import DoctorAnswer
from ctrscope.model.gap import Gap
from ctrscope.model.host import Host
from ctrscope.model.source import HeldCapability, Source
from ctrscope.render.colour import paint_title
from ctrscope.render.gaps import describe_gap
from ctrscope.render.safe import inert, shorten
from ctrscope.render.tables import Column, format_table
from ctrscope.render.units import NOT_PERMITTED


class Doctor:
    """What can be read here."""

    name: ClassVar[str] = "doctor"
    help: ClassVar[str] = "what can be read on this host, what cannot, and which privilege or kernel option it would take"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """No arguments."""

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Read everything once and report."""
        from ctrscope.discovery.discover import discover
        from ctrscope.discovery.plan import Plan
        from ctrscope.discovery.sources import held_capabilities, read_sources

        snapshot = discover(environment.host, Plan(namespaces=True, addresses=True, stats=True, stopped=True))
        answer = DoctorAnswer(
            taken_at=snapshot.taken_at,
            host=snapshot.host,
            engines=snapshot.engines,
            sources=(*read_sources(environment.host, snapshot.host), *lock_sources()),
            capabilities=held_capabilities(snapshot.host.privileges),
            gaps=snapshot.gaps,
        )
        if environment.json:
            print_answer(environment, answer)
        else:
            width = environment.width
            lines = [paint_title(line) if environment.colour and line.isupper() else line for line in _report(answer, width)]
            print_lines(environment, lines)
        return ExitStatus.NOT_PERMITTED if is_blind(snapshot) else exit_status(environment, answer.gaps)


def lock_sources() -> tuple[Source, ...]:
    """What --read-only is enforced by on this kernel."""
    from ctrscope import lock

    version, has_filters = lock.landlock_version(), lock.seccomp_is_there()
    return (
        Source(
            source="seccomp(2)",
            tells="what --read-only is enforced by",
            readable=has_filters,
            needs=None if has_filters else lock.NEEDS["seccomp"],
        ),
        Source(
            source="landlock(7)",
            tells="what --read-only of an image is enforced by too",
            readable=version is not None,
            needs=None if version is not None else lock.NEEDS["landlock"],
            detail="" if version is None else f"ABI {version}",
        ),
    )


def _report(answer: DoctorAnswer, width: int | None) -> list[str]:
    gaps = _gaps(answer.gaps)
    return [
        _host(answer.host),
        "",
        *_engines(answer, width),
        "",
        *_sources(answer.sources, width),
        "",
        *_capabilities(answer.capabilities, width),
        "",
        *(["GAPS", *(gaps if width is None else (shorten(gap, width) for gap in gaps))] if gaps else ["no gaps"]),
    ]


def _gaps(gaps: tuple[Gap, ...]) -> list[str]:
    """One line for all gaps of one kind, with the first of them as the example."""
    kinds: dict[tuple[object, ...], list[Gap]] = {}
    for gap in gaps:
        kinds.setdefault((gap.fields, gap.reason, gap.needs, gap.detail), []).append(gap)
    return [
        describe_gap(kind[0]) + (f" (and {len(kind) - 1} more like it)" if len(kind) > 1 else "") for kind in kinds.values()
    ]


def _host(host: Host) -> str:
    privileges = host.privileges
    where = {True: "the host's own PID namespace", False: "not the host's PID namespace", None: "PID namespace unknown"}
    parts = (
        inert(host.hostname or NOT_PERMITTED),
        f"Linux {inert(host.kernel or NOT_PERMITTED)} {inert(host.machine or '')}".rstrip(),
        f"cgroup {host.cgroup_version or NOT_PERMITTED}",
        "root" if privileges.euid == 0 else f"uid {privileges.euid}",
        where[privileges.host_pid_namespace],
        *([f"reading {inert(host.root)}"] if host.root != "/" else ()),
    )
    return ", ".join(parts)


def _engines(answer: DoctorAnswer, width: int | None) -> list[str]:
    gaps = [gap.subject for gap in answer.gaps]
    rows = [
        (
            engine.engine,
            "yes" if engine.found else "no",
            str(engine.containers),
            str(gaps.count(f"engine {engine.engine}")),
            inert(" ".join(engine.state_roots)),
        )
        for engine in answer.engines
    ]
    columns = [
        Column("ENGINE"),
        Column("FOUND"),
        Column("CONTAINERS", "right"),
        Column("GAPS", "right"),
        Column("STATE", least=20),
    ]
    return format_table(columns, rows, width)


def _sources(sources: tuple[Source, ...], width: int | None) -> list[str]:
    rows = [
        (
            "ok" if source.readable else "no",
            inert(source.source),
            source.tells,
            "" if source.readable else inert(source.needs or ""),
            inert(source.detail),
        )
        for source in sources
    ]
    columns = [
        Column("READ"),
        Column("SOURCE", least=12),
        Column("TELLS", rank=2, least=16),
        Column("NEEDS", least=20),
        Column("DETAIL", rank=1, least=20),
    ]
    return format_table(columns, rows, width)


def _capabilities(capabilities: tuple[HeldCapability, ...], width: int | None) -> list[str]:
    rows = [("yes" if one.held else "no", one.capability, one.buys) for one in capabilities]
    return format_table([Column("HELD"), Column("CAPABILITY"), Column("FOR", least=20)], rows, width)
