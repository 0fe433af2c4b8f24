"""The file of accepted findings: what somebody has looked at and lives with, until a day.

*Source:* TOML 1.0. Entries ``[[accepted]]`` with ``rule``, ``subject`` (name or key of the container, with ``*``), ``reason``
and ``expires``. All four have to be there: what is accepted without reason or for ever is forgotten.
"""

import datetime as dt
import fnmatch
from collections.abc import Iterable, Sequence

import msgspec

from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.model.audit_report import AcceptedFinding
from ctrscope.model.finding import Finding
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs
from ctrscope.render.safe import inert

_LIMIT = 4 << 20


class Accepted(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry."""

    rule: str  # "security/host-net", "security/host-*"
    subject: str  # name or key of the container, "host", "web-*"
    reason: str
    expires: dt.date  # the last day on which it holds


class Baseline(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file."""

    accepted: tuple[Accepted, ...] = ()


def read_baseline(path: str) -> Baseline:
    """Read it. Errors: CommandError, because a baseline that is not understood would let findings through or hide them."""
    import tomllib

    try:
        text = HostFs().read(path, limit=_LIMIT)
        return msgspec.convert(tomllib.loads(text.decode()), Baseline)
    except OSError as error:
        raise CommandError(ExitStatus.USAGE, f"--baseline {inert(path)}: {error.strerror or error}") from None
    except ValueError as error:
        raise CommandError(ExitStatus.USAGE, f"--baseline {inert(path)}: {inert(str(error))}") from None


def apply_baseline(
    baseline: Baseline, findings: Sequence[Finding], today: dt.date
) -> tuple[tuple[Finding, ...], tuple[AcceptedFinding, ...]]:
    """Findings that remain, and those that are accepted today. An entry that has expired hides nothing."""
    valid = [one for one in baseline.accepted if today <= one.expires]
    remaining: list[Finding] = []
    accepted: list[AcceptedFinding] = []
    for finding in findings:
        entry = next((one for one in valid if _covers(one, finding)), None)
        if entry is None:
            remaining.append(finding)
        else:
            accepted.append(AcceptedFinding(finding=finding, reason=entry.reason, expires=entry.expires.isoformat()))
    return tuple(remaining), tuple(accepted)


def expired(baseline: Baseline, today: dt.date) -> Iterable[Accepted]:
    """Entries whose day has passed."""
    return (one for one in baseline.accepted if today > one.expires)


def _covers(entry: Accepted, finding: Finding) -> bool:
    subject = finding.subject
    return fnmatch.fnmatchcase(finding.rule, entry.rule) and any(
        fnmatch.fnmatchcase(name, entry.subject) for name in (subject.name, subject.id)
    )
