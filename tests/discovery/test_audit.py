"""What is gathered for an audit: of a running host, of an image, and what could not be read."""

import gzip
import os
from pathlib import Path

import pytest

from ctrscope.discovery.audit import PLAN, gather, secret_arguments
from ctrscope.discovery.audit_asked import with_limits_of
from ctrscope.discovery.audit_host import parse_apk, parse_dpkg
from ctrscope.discovery.audit_inside import find_setuid_programs
from ctrscope.discovery.audit_kernel import find_stable_release, read_kernel_release
from ctrscope.discovery.audit_secrets import find_credentials, find_passwords, parse_passwords
from ctrscope.discovery.changelog import parse_changelog
from ctrscope.discovery.discover import discover
from ctrscope.discovery.host_paths import HostPaths
from ctrscope.engines.docker_options import parse_options
from ctrscope.engines.oci_limits import parse_runtime_limits
from ctrscope.engines.oci_spec import parse_specified
from ctrscope.engines.podman_options import parse_podman_options
from ctrscope.findings.security import judge
from ctrscope.model.namespace import NamespaceType
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import parse_mountinfo

_ID = "d" * 64
_CONFIG = b"""{"ID": "%s", "Name": "/old", "State": {},
 "Config": {"User": "", "Image": "web:1", "Healthcheck": {"Test": ["NONE"]}}}"""
_HOST_CONFIG = b"""{"Privileged": true, "NetworkMode": "host", "Binds": ["/:/host:ro", "data:/data"], "CapAdd": ["sys_time"],
 "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}, "SecurityOpt": ["seccomp=unconfined"], "Memory": 1048576,
 "Ulimits": [{"Name": "nofile", "Hard": 9, "Soft": 9}], "CgroupParent": "/x"}"""


def test_the_host_path_of_a_mount_is_found_by_device_and_path() -> None:
    host = parse_mountinfo(
        b"27 1 254:0 / / rw shared:1 - ext4 /dev/vda rw\n"
        b"42 27 254:0 /var/lib/docker /docker rw - ext4 /dev/vda rw\n"
        b"50 27 0:20 / /run rw - tmpfs tmpfs rw\n"
    )
    inside = parse_mountinfo(
        b"1 0 0:51 / / ro - overlay overlay rw\n"
        b"2 1 254:0 /etc /host-etc rw shared:1 - ext4 /dev/vda rw\n"
        b"3 1 254:0 /var/lib/docker/volumes/x /data ro - ext4 /dev/vda rw\n"
        b"4 1 0:20 /docker.sock /s rw - tmpfs tmpfs rw\n"
        b"5 1 254:0 / /all rw - ext4 /dev/vda ro\n"
        b"6 1 0:99 / /own rw - tmpfs tmpfs rw\n"
        b"7 1 0:20 / /whole rw - tmpfs tmpfs rw\n"
    )
    found = {one.mount_point: (one.host_path, one.is_writable, one.is_shared) for one in HostPaths(host).audited(inside)}
    assert found == {
        "/": (None, False, False),
        "/host-etc": ("/etc", True, True),
        "/data": ("/docker/volumes/x", False, False),
        "/s": ("/run/docker.sock", True, False),
        "/all": ("/", False, False),
        "/own": (None, True, False),
        "/whole": ("/run", True, False),
    }


def test_what_docker_was_told_stands_for_what_does_not_run() -> None:
    options, asked = parse_options(_HOST_CONFIG, "h", _CONFIG % _ID.encode(), "c")
    assert (options.privileged, options.restart_policy, options.has_health_check) == (True, "always", False)
    assert (options.ulimits, options.cgroup_parent) == (("nofile",), "/x")
    assert asked.mounts is not None
    assert [(one.host_path, one.mount_point, one.is_writable) for one in asked.mounts] == [("/", "/host", False)]
    assert (asked.uid, asked.memory, asked.seccomp, asked.capabilities) == (0, 1 << 20, False, None)
    assert NamespaceType.NET not in (asked.own_namespaces or ())


def test_a_bundle_is_read_as_what_it_asks_for() -> None:
    asked = parse_specified(
        b"""{"process": {"user": {"uid": 7}, "noNewPrivileges": true, "capabilities": {"effective": ["CAP_KILL"]}},
        "root": {"readonly": true},
        "mounts": [{"destination": "/d", "type": "bind", "source": "/s", "options": ["rbind", "ro"]}],
        "linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": "/run/netns/x"}],
        "seccomp": {"defaultAction": "x"},
        "resources": {"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 3}],
        "memory": {"limit": -1}, "pids": {"limit": 5}, "cpu": {"quota": 50000, "period": 100000}}}}""",
        "config.json",
    )
    assert (asked.uid, asked.no_new_privs, asked.capabilities, asked.root_readonly) == (7, True, ("CAP_KILL",), True)
    assert (asked.own_namespaces, asked.joined_namespaces) == ((NamespaceType.PID,), (NamespaceType.NET,))
    assert (asked.seccomp, asked.all_devices, asked.memory, asked.pids, asked.cpus) == (True, False, None, 5, 0.5)
    assert asked.mounts is not None
    assert (asked.mounts[0].host_path, asked.mounts[0].is_writable) == ("/s", False)


def test_an_image_is_audited_by_what_is_on_its_disk(tmp_path: Path) -> None:
    directory = tmp_path / f"var/lib/docker/containers/{_ID}"
    directory.mkdir(parents=True)
    (directory / "config.v2.json").write_bytes(_CONFIG % _ID.encode())
    (directory / "hostconfig.json").write_bytes(_HOST_CONFIG)
    host = HostFs(str(tmp_path))
    audit = gather(host, discover(host, PLAN)).value
    assert audit is not None
    judgement = judge(audit.host, audit.containers)
    found = {one.rule.removeprefix("security/") for one in judgement.findings}
    assert {"privileged", "host-root", "host-net", "host-root-mounted", "restart-unlimited"} <= found
    unchecked = {field.removeprefix("security/") for gap in judgement.gaps for field in gap.fields}
    assert {"sshd", "secret-in-environment", "no-memory-limit", "kernel-kptr-restrict"} <= unchecked
    assert not found & unchecked


def test_a_captured_host_is_audited_and_what_a_copy_lacks_is_a_gap(v2_host: HostFs) -> None:
    snapshot = discover(v2_host, PLAN)
    audit = gather(v2_host, snapshot).value
    assert audit is not None
    judgement = judge(audit.host, audit.containers)
    assert len(judgement.findings) > 50
    unchecked = {field for gap in judgement.gaps for field in gap.fields}
    # A copy of /proc has no roots to look into, no descriptors and no namespaces to enter.
    assert {"security/host-device", "security/leaked-directory", "security/route-localnet"} <= unchecked


def test_arguments_that_look_secret_are_told_without_their_value() -> None:
    arguments = ("db", "--password=hunter2", "--token", "t0psecret", "--port=80", "--name", "web", "postgres://u:pw@host/db")
    assert list(secret_arguments(arguments)) == ["--password=***", "--token ***", "***"]


def test_package_databases_are_read() -> None:
    dpkg = b"Package: runc\nStatus: install ok installed\nVersion: 1.1.5+ds1-1\n\n"
    dpkg += b"Package: podman\nStatus: deinstall ok config-files\nVersion: 4\n"
    assert parse_dpkg(dpkg) == {"runc": "1.1.5+ds1-1"}
    assert parse_apk(b"P:runc\nV:1.2.6-r0\n\nP:musl\nV:1.2\n") == {"runc": "1.2.6-r0"}


def test_a_changelog_names_what_a_distribution_mended() -> None:
    text = b"runc (1.1.5+ds1-1+deb12u1) bookworm-security; urgency=high\n\n  * CVE-2024-21626: fd leak (CVE-2024-21626)\n"
    assert parse_changelog(gzip.compress(text)) == ("CVE-2024-21626",)


def test_limits_are_those_of_dockers_own_file_which_an_update_changes() -> None:
    _, engine = parse_options(_HOST_CONFIG, "h", _CONFIG % _ID.encode(), "c")
    bundle = parse_specified(b'{"linux": {"resources": {"memory": {"limit": 4096}, "pids": {"limit": 5}}}}', "config.json")
    both = with_limits_of(bundle, engine)
    assert both is not None
    assert (both.source, both.memory, both.pids) == ("config.json", 1 << 20, None)
    assert (with_limits_of(bundle, None), with_limits_of(None, engine)) == (bundle, engine)


@pytest.mark.parametrize(
    ("release", "version", "signature", "expected"),
    [
        ("6.18.44", "Linux version 6.18.44 (x@y) #1 SMP", "", ("6.18.44", "/proc/sys/kernel/osrelease")),
        ("7.0", "", "", ("7.0", "/proc/sys/kernel/osrelease")),
        (
            "6.1.0-50-cloud-amd64",
            "Linux version 6.1.0-50-cloud-amd64 (gcc-12 (Debian 12.2.0-14) 12.2.0) #1 SMP Debian 6.1.176-1 (2026-07-02)",
            "",
            ("6.1.176", "/proc/version"),
        ),
        ("5.15.0-91-generic", "", "Ubuntu 5.15.0-91.101-generic 5.15.131\n", ("5.15.131", "/proc/version_signature")),
        ("5.15.0-91-generic", "", "", (None, "/proc/sys/kernel/osrelease")),
        ("4.18.0-553.el8_10.x86_64", "", "", (None, "/proc/sys/kernel/osrelease")),
        ("5.14.21-150500.55.19-default", "", "", (None, "/proc/sys/kernel/osrelease")),
        ("6.1.79-99.167.amzn2023.x86_64", "", "", ("6.1.79", "/proc/sys/kernel/osrelease")),
        ("custom", "", "", (None, "/proc/sys/kernel/osrelease")),
    ],
)
def test_the_stable_release_of_a_kernel_is_where_its_vendor_says_it(
    release: str, version: str, signature: str, expected: tuple[str | None, str]
) -> None:
    assert find_stable_release(release, version, signature) == expected


def test_the_changelog_of_an_old_kernel_is_looked_into(tmp_path: Path) -> None:
    changelog = tmp_path / "usr/share/doc/linux-image-6.1.0-18-amd64/changelog.Debian.gz"
    changelog.parent.mkdir(parents=True)
    changelog.write_bytes(gzip.compress(b"linux (6.1.75-1)\n  * nf_tables (CVE-2024-1086)\n"))
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "version").write_text("Linux version 6.1.0-18-amd64 #1 SMP Debian 6.1.75-1 (2024-01-30)\n")
    found = read_kernel_release(HostFs(str(tmp_path)), "6.1.0-18-amd64")
    assert found == ("6.1.75", "/proc/version", ("CVE-2024-1086",))


def test_setuid_programs_are_found_where_programs_are_and_a_link_to_the_same_directory_is_looked_at_once(
    tmp_path: Path,
) -> None:
    programs = tmp_path / "usr/bin"
    programs.mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    for name, mode in (("su", 0o4755), ("ls", 0o755), ("odd", 0o4644)):
        (programs / name).touch()
        (programs / name).chmod(mode)
    (programs / "sudo").symlink_to("su")
    assert find_setuid_programs(HostFs(str(tmp_path)), os.getuid()) == ("/usr/bin/su",)
    # A setuid bit makes whoever owns the program, who need not own the directory it is in.
    assert find_setuid_programs(HostFs(str(tmp_path)), os.getuid() + 1) == ()


def test_a_docker_in_a_swarm_keeps_a_file_about_it(tmp_path: Path) -> None:
    def is_in_swarm() -> bool | None:
        host = HostFs(str(tmp_path))
        audit = gather(host, discover(host, PLAN)).value
        assert audit is not None
        return audit.host.docker_swarm

    assert is_in_swarm() is None
    (tmp_path / "var/lib/docker/containers").mkdir(parents=True)
    assert is_in_swarm() is False
    (tmp_path / "var/lib/docker/swarm").mkdir()
    assert is_in_swarm() is False
    (tmp_path / "var/lib/docker/swarm/docker-state.json").write_text("{}")
    assert is_in_swarm() is True


def test_credentials_are_found_in_homes_unless_they_are_mounted_or_hold_nothing(tmp_path: Path) -> None:
    for path, text in (
        ("root/.aws/credentials", "[default]\naws_secret_access_key = x\n"),
        ("root/.docker/config.json", '{"credsStore": "pass"}'),
        ("root/.ssh/id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----\n"),
        ("root/.ssh/id_rsa.pub", "ssh-rsa AAAA\n"),
        ("root/.netrc", ""),
        ("home/app/.docker/config.json", '{"auths": {"r": {"auth": "eDp5"}}}'),
        ("home/app/.kube/config", "apiVersion: v1\n"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "root/.pgpass").symlink_to("/root/.aws/credentials")
    inside = HostFs(str(tmp_path))
    mounted = ("/", "/proc", "/home/app/.kube")
    assert find_credentials(inside, mounted) == (
        "/root/.aws/credentials",
        "/root/.ssh/id_ed25519",
        "/home/app/.docker/config.json",
    )
    assert find_credentials(inside, ("/", "/root", "/home/")) == ()


def test_who_logs_in_with_a_password_is_who_has_a_hash_or_an_empty_one(tmp_path: Path) -> None:
    text = (
        b"root::18000:0:99999:7:::\nadmin:$y$j9T$salt$hash:19000::::::\nold:aabbccddeeff0:1:::::\n"
        b"daemon:*:18000::::::\nlocked:!$6$a$b:18000::::::\nnobody:!!:1:::::\nplus:+:1:::::\n\nodd\n"
    )
    assert parse_passwords(text) == {"root": True, "admin": False, "old": False}
    inside = HostFs(str(tmp_path))
    assert find_passwords(inside, ("/",)) == {}
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/shadow").write_bytes(text)
    assert find_passwords(inside, ("/", "/etc/shadow")) == {}
    assert len(find_passwords(inside, ("/", "/etc/shadow.d"))) == 3


def test_what_podman_was_told_stands_in_its_database() -> None:
    text = b"""{"id": "x", "privileged": true, "restart_policy": "always", "restart_retries": 3,
     "healthcheck": {"Test": ["CMD", "true"]}, "spec": {"linux": {"resources": {"memory": {"limit": 4096}}}}}"""
    options, asked = parse_podman_options(text, "/db.sql")
    assert (options.source, options.privileged, options.restart_policy, options.restart_maximum) == (
        "/db.sql",
        True,
        "always",
        3,
    )
    assert (options.has_health_check, options.ulimits, asked.memory) == (True, None, 4096)
    bare, _ = parse_podman_options(b'{"id": "x", "healthcheck": {"Test": ["NONE"]}}', "/db.sql")
    assert (bare.has_health_check, bare.restart_policy, bare.privileged) == (False, "", False)


def test_the_limits_that_runc_was_told_last_are_in_its_state() -> None:
    text = b'{"id": "x", "config": {"cgroups": {"memory": 4096, "cpu_quota": 70000, "cpu_period": 100000, "pids_limit": -1}}}'
    told = parse_runtime_limits(text, "/run/runc/x/state.json")
    assert told is not None
    assert (told.memory, told.cpus, told.pids) == (4096, 0.7, None)
    assert parse_runtime_limits(b'{"id": "x", "status": "running"}', "/run/youki/x/state.json") is None  # youki's
    bundle = parse_specified(b'{"linux": {"resources": {"memory": {"limit": 1}}}}', "config.json")
    both = with_limits_of(bundle, told)
    assert both is not None
    assert (both.source, both.limits_source, both.memory) == ("config.json", "/run/runc/x/state.json", 4096)


def test_what_its_engine_was_told_and_cannot_be_read_is_a_gap_and_no_pass(tmp_path: Path) -> None:
    directory = tmp_path / f"var/lib/docker/containers/{_ID}"
    directory.mkdir(parents=True)
    (directory / "config.v2.json").write_bytes(_CONFIG % _ID.encode())
    (directory / "hostconfig.json").write_bytes(b"{")
    host = HostFs(str(tmp_path))
    audit = gather(host, discover(host, PLAN)).value
    assert audit is not None
    judgement = judge(audit.host, audit.containers, only=("security/restart-unlimited",))
    assert [(gap.fields, gap.source.rpartition("/")[2]) for gap in judgement.gaps] == [
        (("security/restart-unlimited",), "config.v2.json")
    ]
