"""Limits that are missing, and options of the engine that decide what happens after a failure.

*Source:* kernel document cgroup-v2, proc_pid_oom_score_adj(5).
"""

from collections.abc import Callable, Iterator

from ctrscope.findings.security.rule import Defect, Rule, cis, evidence, nist
from ctrscope.model.audited import Audited
from ctrscope.model.cgroup import EffectiveLimit
from ctrscope.model.container import Evidence
from ctrscope.model.finding import Severity


def _unlimited(name: str, what: str) -> Callable[[Audited], Iterator[Defect]]:
    def judge(audited: Audited) -> Iterator[Defect]:
        limit: EffectiveLimit | None = getattr(audited.limits, name)
        # Only the host's size bounds it: neither its own cgroup nor one above does.
        if limit is not None and (limit.limited_by == "host" or limit.value == "max"):
            yield Defect(
                f"no limit of {what}: it may take all that the host has",
                (evidence(audited, "limits", f"{name} {limit.value}"),),
            )

    return judge


def oom_score(audited: Audited) -> Iterator[Defect]:
    """When the host runs out of memory, others are killed first."""
    for process in audited.processes or ():
        if process.oom_score_adj is not None and process.oom_score_adj < 0:
            yield Defect(
                f"oom_score_adj {process.oom_score_adj}: when memory runs out, the host's own processes are killed before it",
                (Evidence(source=f"/proc/{process.pid}/oom_score_adj", value=str(process.oom_score_adj)),),
            )


def restart(audited: Audited) -> Iterator[Defect]:
    """A crash, provoked or not, may be tried again for ever."""
    options = audited.options
    if options is not None and options.restart_policy in ("always", "unless-stopped"):
        yield Defect(
            f"restarted without end: policy {options.restart_policy}",
            (Evidence(source=options.source, value=f"RestartPolicy {options.restart_policy}"),),
        )


def health_check(audited: Audited) -> Iterator[Defect]:
    """Nobody notices that it does not work any more."""
    if audited.options is not None and not audited.options.has_health_check:
        yield Defect(
            "no health check: its engine does not notice when it stops working",
            (evidence(audited, "options", "no Healthcheck"),),
        )


def ulimits(audited: Audited) -> Iterator[Defect]:
    """How many files it may open, and the like, is what its engine may."""
    options = audited.options
    if options is not None and options.ulimits == ():
        yield Defect(
            "no limits of its own for open files and the like: those of its engine hold",
            (Evidence(source=options.source, value="no Ulimits"),),
        )


def cgroup_parent(audited: Audited) -> Iterator[Defect]:
    """Below another cgroup other limits hold, or none."""
    options = audited.options
    if options is not None and options.cgroup_parent:
        yield Defect(
            f"its cgroup was put below {options.cgroup_parent}: what limits that one limits it, whoever set it",
            (Evidence(source=options.source, value=f"CgroupParent {options.cgroup_parent}"),),
        )


def latest(audited: Audited) -> Iterator[Defect]:
    """A tag that is another image tomorrow."""
    image = audited.container.image
    if not image or "@sha256:" in image or image.startswith("sha256:"):
        return
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        yield Defect(
            f"its image is {image if tag else image + ':latest'}: which one that is changes with every pull",
            (Evidence(source="image", value=image),),
        )


_L = ("limits",)
RULES = (
    Rule(
        "security/no-memory-limit",
        Severity.MEDIUM,
        "It may take all memory of the host, and others are killed for it.",
        _L,
        _unlimited("memory", "memory"),
        "--memory, resources.limits.memory; at once: ctrscope limit ID --memory 512m",
        (cis("11"), "kernel document cgroup-v2"),
    ),
    Rule(
        "security/no-pids-limit",
        Severity.MEDIUM,
        "A fork bomb takes all PIDs of the host.",
        _L,
        _unlimited("pids", "processes"),
        "--pids-limit; at once: ctrscope limit ID --pids 512",
        (cis("29"), "kernel document cgroup-v2"),
    ),
    Rule(
        "security/no-cpu-limit",
        Severity.LOW,
        "It may take all CPUs.",
        _L,
        _unlimited("cpus", "CPU time"),
        "--cpus, resources.limits.cpu; at once: ctrscope limit ID --cpus 2",
        (cis("12"), "kernel document cgroup-v2"),
    ),
    Rule(
        "security/oom-protected",
        Severity.LOW,
        "It outlives the host's own processes.",
        ("processes",),
        oom_score,
        "no negative --oom-score-adj",
        ("proc_pid_oom_score_adj(5)",),
    ),
    Rule(
        "security/restart-unlimited",
        Severity.INFO,
        "It is started again for ever.",
        ("options",),
        restart,
        "--restart on-failure:5",
        (cis("15"),),
    ),
    Rule(
        "security/no-health-check",
        Severity.INFO,
        "Nobody notices that it stopped working.",
        ("options",),
        health_check,
        "HEALTHCHECK in the image, or --health-cmd",
        (cis("27"),),
    ),
    Rule(
        "security/default-ulimits",
        Severity.INFO,
        "Nobody thought of how many files and processes it needs.",
        ("options",),
        ulimits,
        "--ulimit nofile=1024:4096",
        (cis("19"), "getrlimit(2)"),
    ),
    Rule(
        "security/cgroup-parent",
        Severity.INFO,
        "It is not where its engine puts containers.",
        ("options",),
        cgroup_parent,
        "no --cgroup-parent, unless that cgroup was made for it: ctrscope cgroup ID shows what limits it",
        (cis("25"), "cgroups(7)"),
    ),
    Rule(
        "security/image-latest",
        Severity.INFO,
        "What runs cannot be told from the name.",
        (),
        latest,
        "name a version, or better a digest: image@sha256:…",
        (cis("28"), nist("4.2.2")),
    ),
)
