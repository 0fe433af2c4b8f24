"""The JSON contract: one Struct for each answer, whose fields are its keys, in their order.

Every answer says which schema it follows, when and where it was taken, and what could not be read. Keys stay; new ones
may come.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from ctrscope.export.stats import ContainerFigures
from ctrscope.model.audit_report import AcceptedFinding, AuditReport, CheckedRule
from ctrscope.model.cgroup import CgroupNode, CgroupStats, EffectiveLimits, LimitEvents
from ctrscope.model.container import Container, EngineStatus
from ctrscope.model.detail import Detail, Limits, Security
from ctrscope.model.finding import Finding
from ctrscope.model.gap import Gap
from ctrscope.model.host import Host
from ctrscope.model.match import Match
from ctrscope.model.mount import Mount, Overlay
from ctrscope.model.namespace import Namespace
from ctrscope.model.network import Edge, Network, NetworkNamespace, NetworkPath, Publication
from ctrscope.model.process import Process
from ctrscope.model.source import HeldCapability, Source
from ctrscope.model.value import Value

Schema = Literal["ctrscope/1"]
SCHEMA: Schema = "ctrscope/1"


class PsAnswer(Value, frozen=True, kw_only=True):
    """What ``ps --json`` prints."""

    schema: Schema = SCHEMA
    taken_at: str  # RFC 3339
    host: Host
    containers: tuple[Container, ...]
    gaps: tuple[Gap, ...]


class InspectedContainer(Container, frozen=True, kw_only=True):
    """The ``container`` object of ``ps``, and everything else that is known about it."""

    processes: tuple[Process, ...] = ()
    limits: Limits | None = None
    effective: EffectiveLimits | None = None
    limit_events: tuple[LimitEvents, ...] = ()
    usage: CgroupStats | None = None
    mounts: tuple[Mount, ...] | None = None
    overlay: Overlay | None = None
    security: Security | None = None
    network: Network | None = None
    environment: Mapping[str, str] | None = None


class InspectAnswer(Value, frozen=True, kw_only=True):
    """What ``inspect --json`` prints."""

    schema: Schema = SCHEMA
    taken_at: str
    host: Host
    container: InspectedContainer
    gaps: tuple[Gap, ...]


class Tree(Value, frozen=True, kw_only=True):
    """The processes below one supervisor, or below an init that has none. ``ppid`` says who is below whom."""

    supervisor: int | None  # PID
    containers: tuple[str, ...]  # ids
    processes: tuple[Process, ...]


class TreeAnswer(Value, frozen=True, kw_only=True):
    """What ``tree --json`` prints."""

    schema: Schema = SCHEMA
    taken_at: str
    host: Host
    trees: tuple[Tree, ...]
    gaps: tuple[Gap, ...]


class FindAnswer(Value, frozen=True, kw_only=True):
    """What ``find --json`` prints."""

    schema: Schema = SCHEMA
    taken_at: str
    host: Host
    matches: tuple[Match, ...]
    gaps: tuple[Gap, ...]


class NsAnswer(Value, frozen=True, kw_only=True):
    """What ``ns --json`` prints."""

    schema: Schema = SCHEMA
    taken_at: str
    host: Host
    namespaces: tuple[Namespace, ...]
    gaps: tuple[Gap, ...]


class NetAnswer(Value, frozen=True, kw_only=True):
    """What ``net --json`` prints; of one container only its own namespace, and the edges that lead out of it."""

    schema: Schema = SCHEMA
    taken_at: str
    host: Host
    network_namespaces: tuple[NetworkNamespace, ...]
    edges: tuple[Edge, ...]
    publications: tuple[Publication, ...] | None
    path: NetworkPath | None = None  # the way to a port, with --path
    gaps: tuple[Gap, ...]


class StatsAnswer(Value, frozen=True, kw_only=True):
    """What ``stats --json`` prints; of a stream, each line."""

    schema: Schema = SCHEMA
    taken_at: str
    host: Host
    stats: tuple[ContainerFigures, ...]
    gaps: tuple[Gap, ...]


class CgroupAnswer(Value, frozen=True, kw_only=True):
    """What ``cgroup --json`` prints."""

    schema: Schema = SCHEMA
    taken_at: str
    host: Host
    cgroups: CgroupNode | None  # the root; null on a host without cgroups
    gaps: tuple[Gap, ...]


class DoctorAnswer(Value, frozen=True, kw_only=True):
    """What ``doctor --json`` prints."""

    schema: Schema = SCHEMA
    taken_at: str
    host: Host
    engines: tuple[EngineStatus, ...]
    sources: tuple[Source, ...]
    capabilities: tuple[HeldCapability, ...]
    gaps: tuple[Gap, ...]


class DiagnoseAnswer(Value, frozen=True, kw_only=True):
    """What ``diagnose --json`` prints."""

    schema: Schema = SCHEMA
    taken_at: str
    host: Host
    findings: tuple[Finding, ...]  # worst first
    gaps: tuple[Gap, ...]


class AuditAnswer(Value, frozen=True, kw_only=True):
    """What ``audit --json`` prints."""

    schema: Schema = SCHEMA
    taken_at: str
    host: Host
    containers: int  # how many were looked at
    findings: tuple[Finding, ...]  # worst first
    accepted: tuple[AcceptedFinding, ...]  # by the baseline
    rules: tuple[CheckedRule, ...]
    gaps: tuple[Gap, ...]


#: Every answer, by its verb.
ANSWERS: Mapping[str, type[Value]] = {
    "ps": PsAnswer,
    "inspect": InspectAnswer,
    "tree": TreeAnswer,
    "stats": StatsAnswer,
    "cgroup": CgroupAnswer,
    "ns": NsAnswer,
    "find": FindAnswer,
    "net": NetAnswer,
    "doctor": DoctorAnswer,
    "diagnose": DiagnoseAnswer,
    "audit": AuditAnswer,
}


def inspected(container: Container, detail: Detail) -> InspectedContainer:
    """One container merged with its detail."""
    known = {name: getattr(container, name) for name in Container.__struct_fields__}
    more = {name: getattr(detail, name) for name in Detail.__struct_fields__ if name != "gaps"}
    return InspectedContainer(**known, **more)


def audit_answer(report: AuditReport) -> AuditAnswer:
    """A report as an answer."""
    return AuditAnswer(**{name: getattr(report, name) for name in AuditReport.__struct_fields__})


def encode_answer(answer: Value) -> bytes:
    """One line of JSON in UTF-8: an answer of the contract."""
    return encode_json(answer)


def encode_json(answer: object) -> bytes:
    """One line of JSON in UTF-8.

    Names and arguments on Linux are bytes; those that are not UTF-8 stand in the model as surrogates, which JSON cannot
    carry: each becomes U+FFFD.
    """
    try:
        return msgspec.json.encode(answer)
    except UnicodeEncodeError:
        return msgspec.json.encode(_without_surrogates(msgspec.to_builtins(answer)))


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in value)
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(item) for item in value]
    return value
