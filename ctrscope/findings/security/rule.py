"""What a rule of security is: a function of one record, and what it means.

A rule says which fields it ``needs``. Where one of them is None although there should be a value, the rule was not checked,
which is a gap and never a pass.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ctrscope.model.audited import Audited, AuditedHost
from ctrscope.model.container import Evidence
from ctrscope.model.finding import Severity


class Defect(NamedTuple):
    """What a rule found."""

    title: str  # why it applies here, in one line
    evidence: tuple[Evidence, ...]
    severity: Severity | None = None  # where it is not the rule's own


class Rule(NamedTuple):
    """One rule about containers."""

    id: str  # "security/privileged"
    severity: Severity
    meaning: str  # what it means wherever it applies: one sentence
    needs: tuple[str, ...]  # fields of Audited
    judge: Callable[[Audited], Iterable[Defect]]
    remedy: str
    references: tuple[str, ...] = ()


class HostRule(NamedTuple):
    """One rule about the host."""

    id: str
    severity: Severity
    meaning: str
    needs: tuple[str, ...]  # fields of AuditedHost
    judge: Callable[[AuditedHost], Iterable[Defect]]
    remedy: str
    references: tuple[str, ...] = ()


def evidence(audited: Audited, field: str, value: str) -> Evidence:
    """What a field was, and where that stands."""
    return Evidence(source=audited.sources.get(field, field), value=value)


def acts_on_host(audited: Audited) -> bool:
    """Whether ids and capabilities inside are those of the host: no user namespace of its own confines them."""
    return not audited.has_user_namespace


def is_host_root(audited: Audited) -> bool:
    """Whether init runs as root of the host."""
    return audited.uid == 0 and acts_on_host(audited)


def is_privileged(audited: Audited) -> bool:
    """Whether nothing confines it: every capability, no filter, nothing masked; or its engine was told so."""
    if audited.options is not None and audited.options.privileged:
        return True
    if audited.specified is not None and audited.specified.privileged:
        return True
    every, held = audited.host.capabilities, audited.capabilities
    return (
        every is not None
        and held is not None
        and set(every) <= set(held)
        and audited.seccomp == "disabled"
        and audited.masked_paths in ((), None)
        and not audited.readonly_paths
        and audited.all_devices is not False
    )


def cis(number: str) -> str:
    """A recommendation of section 5, containers at run time. Source: their numbers as docker-bench-security 1.6 has them."""
    return f"CIS Docker Benchmark v1.6 5.{number}"


#: Source: kubernetes.io/docs/concepts/security/pod-security-standards. What it calls baseline: host namespaces but for UTS,
#: privileged, capabilities beyond a list without NET_RAW, hostPath, hostPort, AppArmor, SELinux, procMount, seccomp, sysctls.
PSS_BASELINE = "Kubernetes Pod Security Standards: baseline"
#: And restricted: privilege escalation, running as root, every capability but NET_BIND_SERVICE.
PSS_RESTRICTED = "Kubernetes Pod Security Standards: restricted"


def nist(section: str) -> str:
    """A countermeasure of the Application Container Security Guide of September 2017. Source: its chapter 4.

    4.1.2 defects of an image's configuration, 4.1.4 secrets in it, 4.2.2 stale images, 4.3.2 unauthorized access, 4.3.3 traffic
    between containers, 4.4.1 the runtime's own holes, 4.4.3 its configuration, 4.4.4 what runs inside (read-only root,
    unexpected processes), 4.5.2 the shared kernel, 4.5.3 holes of the host's parts, 4.5.4 rights of users, 4.5.5 the host's
    file system.
    """
    return f"NIST SP 800-190 {section}"
