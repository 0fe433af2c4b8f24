"""Rules of security: each with a container that has the defect and one that has not, and what was not read is a gap."""

import re

import msgspec
import pytest

from ctrscope.findings.security import HOST_RULES, RULES, judge
from ctrscope.findings.security.kernels import HOLES, open_kernel_holes
from ctrscope.findings.security.releases import numbers, open_holes
from ctrscope.model.audited import Audited, AuditedDevice, AuditedHost, AuditedMount
from ctrscope.model.finding import Severity
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.namespace import NamespaceType
from tests.findings.audits import (
    DEFECTS,
    HARDENED,
    HOST,
    HOST_DEFECTS,
    LEFT_OPEN,
    MOUNTS,
    PRIVILEGED,
    asked,
    caps,
    change,
    child,
    container,
    mounted,
    on_host,
)


def found(audited: Audited) -> dict[str, Severity]:
    return {one.rule.removeprefix("security/"): one.severity for one in judge(None, (audited,)).findings}


def test_there_are_at_least_45_rules_and_each_has_a_defect_here() -> None:
    assert len(RULES) + len(HOST_RULES) >= 45
    assert [f"security/{name}" for name in DEFECTS] == [rule.id for rule in RULES]
    assert [f"security/{name}" for name in HOST_DEFECTS] == [rule.id for rule in HOST_RULES]


@pytest.mark.parametrize("name", DEFECTS)
def test_a_container_with_the_defect_is_found(name: str) -> None:
    findings = [one for one in judge(None, (DEFECTS[name],)).findings if one.rule == f"security/{name}"]
    assert findings
    for one in findings:
        assert one.title
        assert one.remedy
        assert one.references
        assert all(evidence.source and evidence.value for evidence in one.evidence)


def test_nothing_is_found_on_a_hardened_container() -> None:
    judgement = judge(HOST, (HARDENED,))
    assert (judgement.findings, judgement.gaps) == ((), ())
    assert set(judgement.checked) == {rule.id for rule in (*RULES,)} | {rule.id for rule in HOST_RULES}


@pytest.mark.parametrize("name", HOST_DEFECTS)
def test_a_host_with_the_defect_is_found(name: str) -> None:
    assert {one.rule for one in judge(HOST_DEFECTS[name], ()).findings} == {f"security/{name}"}


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.needs], ids=lambda rule: rule.id)
def test_what_could_not_be_read_is_a_gap_and_no_pass(rule: object) -> None:
    assert isinstance(rule, type(RULES[0]))
    unread = change(HARDENED, **dict.fromkeys(rule.needs))
    judgement = judge(None, (unread,), only=(rule.id,))
    assert judgement.findings == ()
    assert judgement.checked == {}
    assert [gap.fields for gap in judgement.gaps] == [(rule.id,)]


def test_the_gap_says_why_it_could_not_be_read() -> None:
    why = Gap(
        subject="container x", fields=("seccomp",), source="/proc/100/status", reason=Reason.DENIED, needs="CAP_SYS_PTRACE"
    )
    gap = judge(None, (change(seccomp=None, gaps=(why,)),), only=("security/seccomp-disabled",)).gaps[0]
    assert (gap.source, gap.reason, gap.needs) == ("/proc/100/status", Reason.DENIED, "CAP_SYS_PTRACE")


def test_what_there_is_nothing_of_is_neither_gap_nor_pass() -> None:
    judgement = judge(None, (change(options=None, inapplicable=("options",)),), only=("security/no-health-check",))
    assert (judgement.findings, judgement.gaps, judgement.checked) == ((), (), {})


def test_privileged_in_the_host_pid_namespace_is_joined_into_one_finding() -> None:
    one = next(
        one
        for one in judge(None, (change(PRIVILEGED, host_namespaces=(NamespaceType.PID,)),)).findings
        if one.rule == "security/host-root"
    )
    assert one.severity is Severity.CRITICAL
    assert "privileged + host PID namespace" in one.title
    assert len(one.evidence) == 2


def test_every_way_to_the_host_is_named() -> None:
    way = change(
        mounted("/", "/host"), uid=0, capabilities=("CAP_SYS_MODULE", "CAP_SYS_PTRACE"), host_namespaces=(NamespaceType.PID,)
    )
    title = next(one.title for one in judge(None, (way,)).findings if one.rule == "security/host-root")
    for words in ("CAP_SYS_PTRACE + host PID", "CAP_SYS_MODULE", "the host's / for writing at /host"):
        assert words in title


def test_capabilities_of_a_user_namespace_of_its_own_are_not_held_against_it() -> None:
    assert found(change(caps("SYS_ADMIN"), has_user_namespace=True)) == {}
    assert found(change(PRIVILEGED, has_user_namespace=True))["privileged"] is Severity.MEDIUM
    assert "host-root" not in found(change(PRIVILEGED, has_user_namespace=True))


def test_a_privileged_container_is_not_told_about_every_capability() -> None:
    assert not [name for name in found(PRIVILEGED) if name.startswith("cap-")]


def test_what_a_mount_leads_to_counts_and_not_what_it_is_called() -> None:
    assert "engine-socket" in found(mounted("/run", "/innocent", "tmpfs"))
    assert "engine-socket" in found(mounted("/var/run/docker.sock", "/s", "tmpfs"))
    assert found(mounted("/srv/docker.sock.d", "/run/docker.sock")) == {}
    assert found(mounted("/etc/ssl/certs", "/etc/ssl/certs", is_writable=False)) == {}
    assert found(mounted("/etc", "/e", is_writable=False))["sensitive-mount"] is Severity.MEDIUM


def test_a_part_of_a_hierarchy_has_no_release_agent() -> None:
    def severity(root: str) -> Severity:
        one = AuditedMount(mount_point="/sys/fs/cgroup/rdma", host_path=None, fs_type="cgroup", root=root)
        return found(change(caps("SYS_ADMIN"), uid=0, mounts=(*MOUNTS, one)))["cgroup-writable"]

    assert (severity("/"), severity("/docker/x")) == (Severity.CRITICAL, Severity.MEDIUM)


def test_the_devices_of_the_host_are_where_its_root_is() -> None:
    shared = AuditedMount(mount_point="/", host_path="/", fs_type="ext4")
    one = change(mounts=(shared,), devices=(AuditedDevice(path="vda", is_block=True), AuditedDevice(path="mem")))
    assert not {"block-device", "host-device"} & set(found(one))


def test_a_secret_that_init_has_too_is_said_once() -> None:
    both = change(child(environment=("DB_PASSWORD", "API_TOKEN")), secrets=("DB_PASSWORD",))
    titles = [one.title for one in judge(None, (both,), only=("security/secret-in-environment",)).findings]
    assert titles == [
        "its environment holds what looks like secrets: DB_PASSWORD",
        "the environment of nginx (101) holds what looks like secrets: API_TOKEN",
    ]


def test_an_empty_password_weighs_more_where_somebody_could_become_root_with_it() -> None:
    assert found(change(passwords={"root": True, "app": False}, no_new_privs=False))["password-inside"] is Severity.LOW
    severities = [one.severity for one in judge(None, (change(passwords={"root": True}, no_new_privs=False),)).findings]
    assert Severity.MEDIUM in severities
    assert found(change(passwords={"root": True}))["password-inside"] is Severity.LOW


def test_files_of_a_root_that_is_the_host_s_are_not_held_against_it() -> None:
    shared = AuditedMount(mount_point="/", host_path="/", fs_type="ext4")
    one = change(mounts=(shared,), credentials=("/root/.ssh/id_rsa",), passwords={"root": False})
    assert not {"credentials-inside", "password-inside"} & set(found(one))


def test_processes_that_gained_a_user_namespace_are_not_said_to_have_more_rights() -> None:
    assert found(child(user=99, effective=("CAP_SYS_ADMIN",))) == {}


def test_members_of_a_pod_may_share() -> None:
    from ctrscope.model.container import Pod

    assert found(container(shares={"net": ("c" * 64,)}, pod=Pod(name="web-0"))) == {}


def test_a_limit_that_is_tighter_than_asked_for_is_no_drift() -> None:
    assert "drift-limits" not in found(change(specified=asked(memory=128 << 20)))


def test_docker_with_certificates_is_less_bad() -> None:
    host = on_host(docker_hosts=("tcp://0.0.0.0:2376",), docker_verifies=True)
    assert [one.severity for one in judge(host, ()).findings] == [Severity.LOW]


def test_a_host_without_docker_is_not_asked_about_it() -> None:
    judgement = judge(on_host(docker_hosts=None, docker_remaps=None, docker_verifies=None), ())
    assert (judgement.findings, judgement.gaps) == ((), ())


def test_an_image_has_no_settings_of_a_kernel() -> None:
    image: AuditedHost = msgspec.structs.replace(HOST, is_live=False, sysctls={}, lsm=None, root="/mnt")
    gaps = {gap.fields[0] for gap in judge(image, ()).gaps}
    assert {"security/kernel-kptr-restrict", "security/no-lsm"} <= gaps


def test_rules_can_be_chosen_and_skipped() -> None:
    worst = DEFECTS["host-root"]
    assert {one.rule for one in judge(None, (worst,), only=("security/host-pid",)).findings} == {"security/host-pid"}
    assert "security/privileged" not in {one.rule for one in judge(None, (worst,), skip=("security/privileged",)).findings}


def test_findings_are_ordered_worst_first_and_always_alike() -> None:
    both = judge(HOST, tuple(DEFECTS.values())).findings
    assert [one.severity.rank for one in both] == sorted(one.severity.rank for one in both)
    again = judge(HOST, tuple(reversed(DEFECTS.values()))).findings
    assert [(one.rule, one.title) for one in both] == [(one.rule, one.title) for one in again]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.1.5+ds1-1+deb12u1", (1, 1, 5, 65536)),
        ("5:28.0.1-1~debian.12~bookworm", (28, 0, 1, 65536)),
        ("1.6.20~ds1-1", (1, 6, 20, 65536)),
        ("1.0.0~rc93+ds1-5+deb11u5", (1, 0, 0, 93)),
        ("1.4.0-rc.2", (1, 4, 0, 2)),
        ("1.28", (1, 28, 0, 65536)),
        ("x", ()),
    ],
)
def test_versions_of_packages_are_read_as_numbers(version: str, expected: tuple[int, ...]) -> None:
    assert numbers(version) == expected


@pytest.mark.parametrize(
    ("package", "version", "cve", "expected"),
    [
        ("runc", "1.2.7", "CVE-2025-31133", True),
        ("runc", "1.2.8", "CVE-2025-31133", False),
        ("runc", "1.3.0", "CVE-2025-31133", True),
        ("runc", "1.3.3", "CVE-2025-31133", False),
        ("runc", "1.4.0~rc2", "CVE-2025-31133", True),
        ("runc", "1.4.0", "CVE-2025-31133", False),
        ("runc", "1.0.0~rc92", "CVE-2024-21626", False),  # it came with rc93
        ("docker-ce", "5:26.0.2-1~debian", "CVE-2024-41110", True),
        ("docker-ce", "5:27.0.3-1", "CVE-2024-41110", True),
        ("docker-ce", "18.09.9", "CVE-2024-41110", False),  # mended in 18.09.1, lost in 19.03
        ("containerd.io", "2.1.8", "CVE-2026-53488", True),
        ("containerd.io", "2.1.9", "CVE-2026-53488", False),
        ("docker-ce", "5:29.5.0-1~debian", "CVE-2026-41567", True),
        ("docker-ce", "5:29.5.1-1~debian", "CVE-2026-41567", False),
    ],
)
def test_a_release_is_open_in_the_ranges_of_its_branch(package: str, version: str, cve: str, expected: bool) -> None:
    assert (cve in {one.cve for one, _ in open_holes(package, version)}) is expected


def test_what_the_changelog_of_a_distribution_says_it_mended_is_not_held_against_it() -> None:
    old = on_host(packages={"runc": "1.1.5+ds1-1+deb12u1"})
    found = [one.title for one in judge(old, ()).findings]
    assert any("CVE-2024-21626" in title and "its changelog is not there" in title for title in found)
    mended = on_host(packages={"runc": "1.1.5+ds1-1+deb12u1"}, mended={"runc": ("CVE-2024-21626",)})
    found = [one.title for one in judge(mended, ()).findings]
    assert not any("CVE-2024-21626" in title for title in found)
    assert any("CVE-2025-31133" in title and "its changelog does not name it" in title for title in found)


def test_a_mount_below_var_run_is_the_same_where_that_is_a_link_and_where_it_is_none() -> None:
    asked_for = AuditedMount(mount_point="/var/run/secrets", host_path="/srv/s", fs_type="bind", is_writable=False)
    for point in ("/var/run/secrets", "/run/secrets"):
        there = (AuditedMount(mount_point=point, host_path="/srv/s", fs_type="ext4", is_writable=False),)
        assert not [one for one in found(change(mounts=there, specified=asked(mounts=(asked_for,)))) if "drift" in one]


@pytest.mark.parametrize(
    ("release", "cve", "mended"),
    [
        ("5.8", "CVE-2022-0847", "5.10.102"),  # ended without it
        ("5.10.101", "CVE-2022-0847", "5.10.102"),
        ("5.10.102", "CVE-2022-0847", None),
        ("5.7.19", "CVE-2022-0847", None),  # from before it came
        ("5.17", "CVE-2022-0847", None),
        ("6.5.13", "CVE-2024-1086", "6.6.15"),
        ("6.1.75", "CVE-2024-1086", "6.1.76"),
        ("6.8", "CVE-2024-1086", None),
        ("5.16.5", "CVE-2022-0492", "5.16.6"),
        ("6.18.21", "CVE-2026-31431", "6.18.22"),
        ("7.0", "CVE-2026-31431", None),
        ("4.13.16", "CVE-2026-31431", None),
        ("not a release", "CVE-2026-31431", None),
        ("5.15.205", "CVE-2026-43284", "5.15.206"),
        ("6.1.172", "CVE-2026-43284", None),
        ("4.19.325", "CVE-2026-43284", "5.10.255"),
        ("6.12.85", "CVE-2026-43499", "6.12.86"),
        ("7.1", "CVE-2026-43499", None),
        ("6.18.28", "CVE-2026-43500", "6.18.29"),
        ("6.12.80", "CVE-2026-43500", None),  # not known to us
        ("6.18.32", "CVE-2026-46300", "6.18.33"),
        ("6.18.33", "CVE-2026-46300", None),
    ],
)
def test_a_kernel_has_the_holes_of_its_branch(release: str, cve: str, mended: str | None) -> None:
    assert {one.cve: fixed for one, fixed in open_kernel_holes(release)}.get(cve) == mended


def test_the_releases_that_mended_a_hole_are_one_of_each_branch_and_later_than_its_first() -> None:
    for one in HOLES:
        branches = [numbers(release)[:2] for release in one.mended.split()]
        assert branches == sorted(set(branches)), one.cve
        assert all(numbers(one.first) < numbers(release) for release in one.mended.split()), one.cve


def test_the_number_of_a_vendor_says_little_and_what_its_changelog_names_is_mended() -> None:
    vendor = judge(on_host(kernel="4.18.0-553.el8.x86_64", kernel_stable=None), ()).findings
    assert [one.severity for one in vendor] == [Severity.INFO]
    assert "CVE-2024-1086" in vendor[0].title
    old = {"kernel": "6.1.0-18-amd64", "kernel_stable": "6.1.75", "kernel_source": "/proc/version"}
    doubtful = judge(on_host(**old), ()).findings
    later = {"CVE-2026-31431", "CVE-2026-43284", "CVE-2026-43499", "CVE-2026-46300"}
    assert {"CVE-2024-1086"} | later == {cve for one in doubtful for cve in _cves(one.title)}
    assert {one.severity for one in doubtful} == {Severity.LOW}
    assert all("your distribution may have put it in" in one.title for one in doubtful)
    named = judge(on_host(**old, kernel_mended=("CVE-2024-1086",)), ()).findings
    assert {cve for one in named for cve in _cves(one.title)} == later
    assert "its changelog does not name it" in named[0].title


def _cves(title: str) -> list[str]:
    return re.findall(r"CVE-\d+-\d+", title)


def test_setuid_programs_of_one_that_is_root_are_told_and_no_more() -> None:
    assert found(change(uid=0, setuid_programs=("/usr/bin/su",), has_user_namespace=True))["setuid-reachable"] is Severity.INFO
    assert found(change(uid=1000, setuid_programs=("/usr/bin/su",)))["setuid-reachable"] is Severity.LOW


def test_a_directory_of_the_hosts_root_and_root_inside_are_root_of_the_host() -> None:
    at_root = msgspec.structs.replace(LEFT_OPEN, path="/etc", mount_point="/", link="cwd")
    assert "host-root" not in found(change(host_directories=(at_root,)))
    assert "host-root" in found(change(host_directories=(at_root,), uid=0))
    assert "host-root" not in found(change(host_directories=(at_root,), uid=0, has_user_namespace=True))
