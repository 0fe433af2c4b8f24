"""Parsers of the files of one process: literal text, as the manual pages have it."""

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrscope.model.gap import ParseError
from ctrscope.model.namespace import IdMapLine, NamespaceSet
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_attr import Label, parse_label, read_label
from ctrscope.probes.proc_pid_cgroup import parse_cgroup
from ctrscope.probes.proc_pid_environ import parse_environ, read_environ
from ctrscope.probes.proc_pid_ns import parse_namespace, read_namespaces
from ctrscope.probes.proc_pid_stat import parse_stat
from ctrscope.probes.proc_pid_status import parse_status, read_status
from ctrscope.probes.proc_pid_uid_map import parse_id_map, read_id_map
from tests.hostfs import DenyingHostFs

_STAT = b"4711 (%s) S 1 4711 4711 0 -1 4194560 90 0 0 0 12 34 0 0 20 0 3 0 81723 2314240 1 18446744073709551615 0 0 0\n"


@given(st.binary(min_size=0, max_size=15).filter(lambda name: b"\0" not in name))
def test_a_process_may_have_any_name(name: bytes) -> None:
    stat = parse_stat(_STAT % name)
    assert stat.comm.encode("utf-8", "surrogateescape") == name
    assert (stat.pid, stat.state, stat.ppid, stat.starttime_ticks) == (4711, "S", 1, 81723)
    assert (stat.utime_ticks, stat.stime_ticks, stat.is_kernel_thread) == (12, 34, False)


def test_a_kernel_thread_is_known_by_its_flag() -> None:
    assert parse_stat(b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 0\n").is_kernel_thread


@pytest.mark.parametrize("text", [b"", b"4711", b"4711 (a) S 1", b"x (a) S" + b" 1" * 30, b"1 )a( S" + b" 1" * 30])
def test_a_broken_stat_line_is_malformed(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_stat(text)


def test_a_v2_process_has_one_line_and_a_v1_process_many() -> None:
    assert parse_cgroup(b"0::/system.slice/a:b.service\n") == {"": "/system.slice/a:b.service"}
    text = b"4:cpu,cpuacct:/docker/3f\n1:name=systemd:/\n0::/\n"
    assert parse_cgroup(text) == {"cpu": "/docker/3f", "cpuacct": "/docker/3f", "name=systemd": "/", "": "/"}


def test_a_zombie_may_be_in_a_cgroup_that_was_removed() -> None:
    assert parse_cgroup(b"0::/old.scope (deleted)\n") == {"": "/old.scope"}


def test_a_cgroup_line_without_fields_is_malformed() -> None:
    with pytest.raises(ParseError, match="line 2"):
        parse_cgroup(b"0::/\nnonsense\n")


@pytest.mark.parametrize("text", ["", "net", "net:[]", "net:[x]", "net:[12"])
def test_what_is_no_namespace_link_is_malformed(text: str) -> None:
    with pytest.raises(ParseError):
        parse_namespace(text)


def test_namespaces_are_the_numbers_of_the_links(v2_host: HostFs) -> None:
    assert read_namespaces(v2_host, 1808).net == 4026532869


def test_namespaces_that_this_kernel_lacks_are_none(tmp_path: Path) -> None:
    (tmp_path / "proc/7/ns").mkdir(parents=True)
    (tmp_path / "proc/7/ns/net").symlink_to("net:[4026531833]")
    assert read_namespaces(HostFs(str(tmp_path)), 7) == NamespaceSet(net=4026531833)


def test_namespaces_that_are_denied_raise(v2_root: Path) -> None:
    with pytest.raises(PermissionError):
        read_namespaces(DenyingHostFs(str(v2_root), {"/proc/1808/ns": errno.EACCES}), 1808)


_STATUS = (
    b"Name:\ta\\nb\nState:\tS (sleeping)\nPid:\t4711\nPPid:\t1\nUid:\t1000\t1001\t1002\t1003\nGid:\t5\t6\t7\t8\n"
    b"Groups:\t5 27 \nNSpid:\t4711\t12\t1\nThreads:\t3\nCapInh:\t0000000000000000\nCapPrm:\t0000020000000001\n"
    b"CapEff:\t00000000a80425fb\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"
    b"Seccomp_filters:\t1\n"
)


def test_ids_are_the_effective_ones() -> None:
    status = parse_status(_STATUS)
    assert (status.uid, status.gid, status.groups) == (1001, 6, (5, 27))
    assert status.nspid == (4711, 12, 1)
    assert (status.seccomp, status.seccomp_filters, status.no_new_privs) == ("filter", 1, True)


def test_capabilities_are_named_and_new_ones_numbered() -> None:
    sets = parse_status(_STATUS).capabilities.named()
    assert sets.permitted == ("CAP_CHOWN", "CAP_41")
    assert sets.inheritable == sets.ambient == ()
    assert len(sets.bounding) == 41
    assert sets.bounding[-1] == "CAP_CHECKPOINT_RESTORE"
    # CapEff of a container with Docker's default set.
    assert sets.effective[:3] == ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER")
    assert sets.effective[-2:] == ("CAP_AUDIT_WRITE", "CAP_SETFCAP")
    assert len(sets.effective) == 14


def test_an_older_kernel_says_less() -> None:
    old = b"".join(
        line
        for line in _STATUS.splitlines(True)
        if not line.startswith((b"NSpid", b"NoNew", b"Seccomp_f", b"Groups", b"CapAmb"))
    )
    status = parse_status(old)
    assert (status.nspid, status.no_new_privs, status.seccomp_filters) == ((4711,), None, None)
    assert status.seccomp == "filter"


@pytest.mark.parametrize(
    "text", [b"", b"Name:\tx\n", _STATUS.replace(b"1001", b"me"), _STATUS.replace(b"Seccomp:\t2", b"Seccomp:\t9")]
)
def test_a_broken_status_is_malformed(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_status(text)


def test_a_container_knows_itself_as_pid_1(v2_host: HostFs) -> None:
    assert read_status(v2_host, 1808).nspid == (1808, 1)


def test_a_map_of_a_rootless_container_has_two_lines() -> None:
    assert parse_id_map(b"         0       1000          1\n         1     100000      65536\n") == (
        IdMapLine(inside=0, outside=1000, count=1),
        IdMapLine(inside=1, outside=100000, count=65536),
    )


def test_a_map_that_nobody_wrote_yet_is_empty() -> None:
    assert parse_id_map(b"") == ()


@pytest.mark.parametrize("text", [b"0 0\n", b"0 0 many\n", b"0 0 1 1\n"])
def test_a_broken_map_is_malformed(text: bytes) -> None:
    with pytest.raises(ParseError, match="line 1"):
        parse_id_map(text)


def test_podman_with_a_user_namespace_maps_ids_away_from_root(v2_host: HostFs) -> None:
    assert read_id_map(v2_host, 856, "uid_map") == (IdMapLine(inside=0, outside=100000, count=65536),)


@pytest.mark.parametrize(
    ("text", "modules", "label"),
    [
        (b"docker-default (enforce)\n", b"lockdown,capability,apparmor", Label(apparmor="docker-default (enforce)")),
        (b"unconfined\n", b"apparmor\n", Label(apparmor="unconfined")),
        (
            b"system_u:system_r:container_t:s0:c1,c2\0",
            b"capability,selinux",
            Label(selinux="system_u:system_r:container_t:s0:c1,c2"),
        ),
        (b"system_u:system_r:container_t:s0\0", b"", Label(selinux="system_u:system_r:container_t:s0")),
        (b"a:b:c:d (enforce)", b"apparmor", Label(apparmor="a:b:c:d (enforce)")),
        (b"unconfined\n", b"", Label(apparmor="unconfined")),
        (b"_\n", b"smack", Label()),
        (b"", b"apparmor", Label()),
    ],
)
def test_labels_belong_to_the_module_that_is_active(text: bytes, modules: bytes, label: Label) -> None:
    assert parse_label(text, modules) == label


def test_a_kernel_without_labels_is_no_gap(v2_root: Path) -> None:
    host = DenyingHostFs(str(v2_root), {"/proc/1808/attr/current": errno.EINVAL})
    assert read_label(host, 1808) == Label()


def test_the_label_is_the_profile_docker_says(v2_host: HostFs) -> None:
    assert read_label(v2_host, 1808) == Label(apparmor="docker-default (enforce)")


def test_an_environment_is_nul_separated_and_may_hold_anything() -> None:
    assert parse_environ(b"A=1\0B=x=y\nz\0A=2\0junk\0=x\0C=\0\xff=\xfe\0") == {
        "A": "1",
        "B": "x=y\nz",
        "C": "",
        "\udcff": "\udcfe",
    }


def test_an_environment_that_was_overwritten_with_megabytes_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/environ").write_bytes(b"A=1\0" * 1_100_000)
    with pytest.raises(OSError, match="longer") as caught:
        read_environ(HostFs(str(tmp_path)), 7)
    assert caught.value.errno == errno.EFBIG
