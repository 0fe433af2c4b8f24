from collections.abc import Callable
from errno import EACCES, ENOENT, EOPNOTSUPP
from pathlib import Path

import msgspec
import pytest

from ctrscope.discovery.sources import held_capabilities, read_sources
from ctrscope.model.host import Privileges
from ctrscope.model.source import Source
from ctrscope.probes.hostfs import HostFs
from tests.awkward import HOST
from tests.cli.conftest import Done, Host
from tests.hostfs import DenyingHostFs

Run = Callable[..., Done]
_RIGHTS = Privileges(euid=0, capabilities=("CAP_SYS_PTRACE",), host_pid_namespace=True)


def sources(host: HostFs) -> dict[str, Source]:
    return {source.tells: source for source in read_sources(host, HOST)}


def test_everything_of_a_v2_host_can_be_read(v2_host: HostFs) -> None:
    assert [source.tells for source in read_sources(v2_host, HOST) if not source.readable] == []
    assert sources(v2_host)["which process is in which container"].detail == "cgroup v2"


def test_denied_namespace_links_need_ptrace(v2_root: Path) -> None:
    host = DenyingHostFs(str(v2_root), {f"/proc/{pid}/ns": EACCES for pid in (1, 2)})
    found = sources(host)["which process is in which namespace"]
    assert (found.readable, found.needs) == (False, "CAP_SYS_PTRACE")
    assert found.detail.startswith("2 of ")


@pytest.mark.parametrize(("number", "needs"), [(EOPNOTSUPP, "psi=1 on the kernel's command line"), (ENOENT, "CONFIG_PSI")])
def test_missing_pressure_names_the_kernel_option(v2_root: Path, number: int, needs: str) -> None:
    found = sources(DenyingHostFs(str(v2_root), {"/proc/pressure": number}))["pressure"]
    assert (found.readable, found.needs) == (False, needs)


def test_hidden_processes_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "mounts").write_text("proc /proc proc rw,nosuid,hidepid=invisible,gid=4 0 0\n")
    found = sources(HostFs(str(tmp_path)))["whether other users' processes are hidden"]
    assert (found.needs, found.detail) == ("root, or the group of the mount's gid= option", "hidepid=invisible")


def test_an_empty_root_has_nothing_to_read(tmp_path: Path) -> None:
    assert not any(source.readable for source in read_sources(HostFs(str(tmp_path)), HOST))


def test_a_nested_pid_namespace_is_not_the_host(v2_host: HostFs) -> None:
    nested = msgspec.structs.replace(HOST, privileges=Privileges(euid=0, capabilities=(), host_pid_namespace=False))
    found = read_sources(v2_host, nested)[0]
    assert (found.readable, found.needs) == (False, "the host's PID namespace (--pid=host)")


def test_capabilities_say_what_they_are_good_for() -> None:
    assert [(one.capability, one.held) for one in held_capabilities(_RIGHTS)] == [
        ("CAP_SYS_PTRACE", True),
        ("CAP_DAC_READ_SEARCH", False),
        ("CAP_SYS_ADMIN", False),
        ("CAP_SYS_CHROOT", False),
    ]


def test_the_report_lists_engines_sources_capabilities_and_gaps(awkward: Host, run: Run, v2_root: Path) -> None:
    done = run("doctor", "--root", str(v2_root))
    assert (done.status, done.err) == (0, "")
    assert all(line.isprintable() for line in done.out.splitlines())
    assert [line.split()[0] for line in done.out.splitlines() if line.isupper()] == ["ENGINE", "READ", "HELD", "GAPS"]
    assert ["docker", "yes", "2", "1", "/var/lib/docker", "/run/docker"] in [line.split() for line in done.out.splitlines()]


def test_json_has_the_same(awkward: Host, run: Run, v2_root: Path) -> None:
    answer = run("doctor", "--json", "--root", str(v2_root)).answer
    assert {one["engine"]: one["found"] for one in answer["engines"]} == {"docker": True, "lxc": False}
    assert all(one["readable"] for one in answer["sources"] if one["source"] not in ("seccomp(2)", "landlock(7)"))
