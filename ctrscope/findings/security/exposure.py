"""Secrets in sight, and doors to the network."""

from collections.abc import Iterator, Sequence

from ctrscope.findings.security.files import has_hosts_root
from ctrscope.findings.security.rule import PSS_BASELINE, Defect, Rule, cis, evidence, nist
from ctrscope.model.audited import Audited
from ctrscope.model.container import EngineName, Evidence
from ctrscope.model.finding import Severity
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.reach import any_address

_MOST_NAMED = 8
#: Ports of the web: privileged by number only.
_WEB = (80, 443)
#: Settings that Kubernetes calls safe, and what engines set by themselves.
_SAFE_SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    ]
)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")


def _hidden(names: Sequence[str]) -> str:
    return "; ".join(f"{name}=***" for name in names[:_MOST_NAMED])


def environment(audited: Audited) -> Iterator[Defect]:
    """Whoever may look at the container, at its image or at /proc, reads them."""
    words = "holds what looks like secrets"
    if audited.secrets:
        shown = evidence(audited, "secrets", _hidden(audited.secrets))
        yield Defect(f"its environment {words}: {_few(audited.secrets)}", (shown,))
    known = set(audited.secrets or ())
    for process in audited.processes or ():
        more = tuple(name for name in process.environment if name not in known)
        if more:
            known |= set(more)
            shown = Evidence(source=f"/proc/{process.pid}/environ", value=_hidden(more))
            yield Defect(f"the environment of {process.comm} ({process.pid}) {words}: {_few(more)}", (shown,))


def arguments(audited: Audited) -> Iterator[Defect]:
    """Everybody on the host reads arguments in ps."""
    for process in audited.processes or ():
        if process.secrets:
            yield Defect(
                f"arguments of {process.comm} hold what looks like a secret: everybody on the host sees them in ps",
                (Evidence(source=f"/proc/{process.pid}/cmdline", value=" ".join(process.secrets[:4])),),
            )


def credentials_inside(audited: Audited) -> Iterator[Defect]:
    """They are in the image, or were written into it, and stay when the container goes."""
    if audited.credentials and not has_hosts_root(audited):
        names = _few(audited.credentials)
        yield Defect(f"credentials are in its own root: {names}", (evidence(audited, "credentials", names),))


def passwords(audited: Audited) -> Iterator[Defect]:
    """A hash can be guessed by whoever has the image; an empty one needs no guessing."""
    if not audited.passwords or has_hosts_root(audited):
        return
    for is_empty, words in (
        (True, "may log in without a password"),
        (False, "may log in with a password that is in the image"),
    ):
        users = [name for name, empty in audited.passwords.items() if empty is is_empty]
        if users:
            names = _few(users)
            severity = Severity.MEDIUM if is_empty and not audited.no_new_privs else None
            yield Defect(
                f"{names} {words}", (evidence(audited, "passwords", f"{names}: {'empty' if is_empty else 'a hash'}"),), severity
            )


def all_addresses(audited: Audited) -> Iterator[Defect]:
    """Reached from every network that the host is in."""
    open_ports = dict.fromkeys(
        f"{one.host_port}/{one.proto}"
        for one in audited.container.ports
        if one.host_ip is not None and not any_address(one.host_ip)
    )
    if open_ports:
        names = ", ".join(open_ports)
        yield Defect(
            f"published on every address of the host: {names}", (Evidence(source="ports", value=f"0.0.0.0 or ::, {names}"),)
        )


def privileged_ports(audited: Audited) -> Iterator[Defect]:
    """Where others expect a service of the system."""
    low = dict.fromkeys(
        f"{one.host_port}/{one.proto}"
        for one in audited.container.ports
        if one.host_port is not None and 0 < one.host_port < 1024 and one.host_port not in _WEB
    )
    if low:
        yield Defect(f"published on ports of the system: {', '.join(low)}", (Evidence(source="ports", value=", ".join(low)),))


def sshd(audited: Audited) -> Iterator[Defect]:
    """A second way in, with keys and passwords of its own."""
    found = [one for one in audited.processes or () if one.comm in ("sshd", "dropbear", "telnetd")]
    if found:
        first = found[0]
        yield Defect(
            f"{first.comm} runs inside: a way in that its engine knows nothing of",
            (Evidence(source=f"/proc/{first.pid}/comm", value=first.comm),),
        )


def default_bridge(audited: Audited) -> Iterator[Defect]:
    """All containers on it reach each other."""
    container = audited.container
    if container.engine is EngineName.DOCKER and "bridge" in container.networks:
        yield Defect(
            "on Docker's default bridge, where every container reaches every other",
            (Evidence(source="networks", value="bridge"),),
        )


def sysctls(audited: Audited) -> Iterator[Defect]:
    """Settings that reach beyond the container, or open it."""
    asked = audited.specified
    unsafe = {name: value for name, value in (asked.sysctls if asked is not None else {}).items() if name not in _SAFE_SYSCTLS}
    if asked is None or not unsafe:
        return
    shown = ", ".join(f"{name}={value}" for name, value in unsafe.items())
    yield Defect(
        f"sets kernel parameters that are not known to be safe: {shown}", (Evidence(source=asked.source, value=shown),)
    )


def route_localnet(audited: Audited) -> Iterator[Defect]:
    """What listens on 127.0.0.1 inside is meant for nobody else."""
    names = ", ".join(audited.route_localnet or ())
    if names:
        where = "the host's network, " if NamespaceType.NET in (audited.host_namespaces or ()) else "its network, "
        yield Defect(
            f"route_localnet is on in {where}for {names}: neighbours there reach what listens on 127.0.0.1",
            (evidence(audited, "route_localnet", f"1 for {names}"),),
        )


RULES = (
    Rule(
        "security/secret-in-environment",
        Severity.MEDIUM,
        "Environments are seen by every process of the user and by the engine.",
        ("secrets", "processes"),
        environment,
        "hand it in as a file: a secret of the engine, or a mount of one file",
        (nist("4.1.4"), "CIS Docker Benchmark v1.6 4.10"),
    ),
    Rule(
        "security/secret-in-arguments",
        Severity.MEDIUM,
        "Arguments are seen by everybody on the host.",
        ("processes",),
        arguments,
        "hand it in as a file",
        (nist("4.1.4"),),
    ),
    Rule(
        "security/credentials-inside",
        Severity.LOW,
        "Whoever has its image, or breaks in, has them.",
        ("credentials", "mounts"),
        credentials_inside,
        "keep them out of the image: build secrets; at run time hand in the one that is needed as a mount of one file",
        (nist("4.1.4"), "CIS Docker Benchmark v1.6 4.10"),
    ),
    Rule(
        "security/password-inside",
        Severity.LOW,
        "A password makes root of an ordinary user inside, and may open more than this container.",
        ("passwords", "mounts"),
        passwords,
        "lock it in the image: passwd -l, usermod -p '*'",
        (nist("4.1.4"), "CVE-2019-5021", "shadow(5)"),
    ),
    Rule(
        "security/port-on-all-addresses",
        Severity.LOW,
        "It is reached from every network of the host, past its firewall with some engines.",
        (),
        all_addresses,
        "name an address: -p 127.0.0.1:8080:80",
        (cis("14"), PSS_BASELINE),
    ),
    Rule(
        "security/privileged-port",
        Severity.LOW,
        "Others expect a service of the host there.",
        (),
        privileged_ports,
        "publish it above 1023",
        (cis("8"), PSS_BASELINE),
    ),
    Rule(
        "security/sshd",
        Severity.LOW,
        "A way in past the engine.",
        ("processes",),
        sshd,
        "remove it: docker exec, kubectl exec or ctrscope attach lead in",
        (cis("7"), nist("4.1.2")),
    ),
    Rule(
        "security/default-bridge",
        Severity.INFO,
        "No network of its own.",
        (),
        default_bridge,
        "docker network create, and --network",
        (cis("30"), nist("4.3.3")),
    ),
    Rule(
        "security/unsafe-sysctl",
        Severity.MEDIUM,
        "Settings that are not known to stay inside.",
        ("specified",),
        sysctls,
        "leave it out, or set it on the host for all",
        (PSS_BASELINE,),
    ),
    Rule(
        "security/route-localnet",
        Severity.MEDIUM,
        "127.0.0.1 is no border any more.",
        ("route_localnet",),
        route_localnet,
        "sysctl -w net.ipv4.conf.all.route_localnet=0 on the host before its containers are started; kube-proxy can do without",
        ("kernel document ip-sysctl", "CVE-2020-8558"),
    ),
)
