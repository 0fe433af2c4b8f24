"""What is decided before anything is entered, from literal values."""

import errno
from pathlib import Path

import pytest

from ctrscope.attach.confinement import choose_label
from ctrscope.attach.credentials import Credentials, PasswdEntry, choose_credentials
from ctrscope.attach.environment import choose_environment, tools_environment
from ctrscope.attach.plan import check_privileges, choose_cgroups, choose_namespaces, find_ids, plan_attach
from ctrscope.attach.request import AttachRequest, CannotAttach
from ctrscope.attach.shells import find_shell
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.namespace import NamespaceSet, NamespaceType
from ctrscope.probes.cgroupfs import CgroupLayout
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_status import CapabilityMasks
from tests.hostfs import DenyingHostFs

OURS = NamespaceSet(cgroup=1, ipc=2, mnt=3, net=4, pid=5, time=6, user=7, uts=8)
CAPABILITIES = CapabilityMasks(effective=1, permitted=3, inheritable=0, bounding=7, ambient=0)
INIT = Credentials(uid=33, gid=44, groups=(5, 6), capabilities=CAPABILITIES, no_new_privs=True)


def test_only_what_differs_is_joined_and_mnt_comes_last() -> None:
    theirs = NamespaceSet(cgroup=1, ipc=12, mnt=13, net=14, pid=15, time=6, user=17, uts=None)
    assert choose_namespaces(OURS, theirs, ()) == ("user", "pid", "ipc", "net", "mnt")
    assert choose_namespaces(OURS, theirs, (NamespaceType.NET, NamespaceType.TIME)) == ("net",)


def test_a_missing_capability_is_named() -> None:
    with pytest.raises(CannotAttach, match="needs CAP_SYS_ADMIN and CAP_SYS_CHROOT; run ctrscope as root"):
        check_privileges("web", (NamespaceType.NET,), 0)
    with pytest.raises(CannotAttach, match="needs CAP_SYS_CHROOT; run"):
        check_privileges("web", (NamespaceType.NET,), 1 << 21)


def test_who_may_join_a_user_namespace_is_for_the_kernel_to_say() -> None:
    check_privileges("web", (NamespaceType.USER, NamespaceType.NET), 0)


def test_v1_cgroups_are_joined_where_membership_differs_once_for_each_mount() -> None:
    layout = CgroupLayout(
        version="hybrid",
        mounts={"memory": "/c/m", "cpu": "/c/cc", "cpuacct": "/c/cc", "pids": "/c/p", "": "/c/u"},
    )
    theirs = {"memory": "/web", "cpu": "/web", "cpuacct": "/web", "pids": "/shell", "rdma": "/web", "": "/web"}
    assert choose_cgroups(layout, {"pids": "/shell", "memory": "/"}, theirs) == (
        "/c/m/web",
        "/c/cc/web",
        "/c/u/web",
    )


def test_on_v2_only_the_one_hierarchy_counts() -> None:
    # systemd-nspawn leaves a line of a v1 hierarchy that is mounted nowhere.
    layout = CgroupLayout(version="v2", mounts={"": "/c"})
    assert choose_cgroups(layout, {"": "/shell"}, {"": "/pod/web/init", "name=systemd": "/"}) == ("/c/pod/web/init",)
    assert choose_cgroups(layout, {"": "/shell"}, {"": "/"}) == ("/c",)


def confined(**asked: int) -> Credentials:
    return choose_credentials(INIT, confined=True, uid=asked.get("uid"), gid=asked.get("gid"), passwd=None)


def test_confined_the_command_runs_as_init() -> None:
    assert confined() == INIT


def test_root_in_a_container_of_an_ordinary_user_gets_what_the_container_may_have() -> None:
    chosen = confined(uid=0)
    assert (chosen.uid, chosen.gid, chosen.groups, chosen.no_new_privs) == (0, 0, (), True)
    assert chosen.capabilities == CapabilityMasks(effective=7, permitted=7, inheritable=0, bounding=7, ambient=0)


def test_another_user_gets_no_capability_and_the_group_of_passwd() -> None:
    chosen = choose_credentials(INIT, confined=True, uid=8, gid=None, passwd=PasswdEntry(8, 9, "/home/eight"))
    assert (chosen.uid, chosen.gid) == (8, 9)
    assert chosen.capabilities is not None
    assert (chosen.capabilities.effective, chosen.capabilities.bounding) == (0, 7)
    assert choose_credentials(INIT, confined=True, uid=8, gid=1, passwd=PasswdEntry(8, 9, "/")).gid == 1


def test_the_doctor_is_root_with_our_capabilities() -> None:
    chosen = choose_credentials(INIT, confined=False, uid=None, gid=None, passwd=None)
    assert (chosen.uid, chosen.gid, chosen.groups, chosen.capabilities, chosen.no_new_privs) == (0, 0, (), None, False)


def test_a_user_is_found_by_number_or_by_name_in_the_containers_own_passwd(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("broken\nweb:x:33:44::/srv:/bin/sh\n")
    inside = HostFs(str(tmp_path))
    assert (find_ids("web", inside, "7:8").uid, find_ids("web", inside, "7:8").gid) == (7, 8)
    by_name = find_ids("web", inside, "web")
    assert (by_name.uid, by_name.gid, by_name.passwd) == (33, None, PasswdEntry(33, 44, "/srv"))
    with pytest.raises(CannotAttach, match="its /etc/passwd has no user root; a number always works"):
        find_ids("web", inside, "root")


def test_the_environment_is_inits_with_our_terminal_and_what_was_asked() -> None:
    chosen = choose_environment(
        {"A": "1", "TERM": "dumb", "HOME": "/srv"},
        {"TERM": "xterm", "SECRET": "x", "LANG": "de_DE.UTF-8"},
        AttachRequest(environment={"A": "2"}, confined=True),
        None,
        is_interactive=True,
    )
    assert chosen == {
        "A": "2",
        "TERM": "xterm",
        "HOME": "/srv",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }


def test_the_doctor_brings_terminal_and_locale() -> None:
    ours = {"TERM": "xterm", "LC_ALL": "de_DE.UTF-8", "LANG": "C", "SECRET": "x"}
    chosen = choose_environment({"PATH": "/bin", "LANG": "fr"}, ours, AttachRequest(), None, is_interactive=False)
    assert chosen == {"PATH": "/bin", "TERM": "xterm", "LC_ALL": "de_DE.UTF-8", "LANG": "C", "HOME": "/"}


def test_a_cleared_environment_has_what_is_needed_and_what_was_asked() -> None:
    request = AttachRequest(clear_environment=True, environment={"A": "1"}, confined=True)
    assert choose_environment({"B": "2"}, {}, request, None, is_interactive=False) == {
        "A": "1",
        "HOME": "/",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }


def test_home_is_that_of_the_user() -> None:
    def home(init: dict[str, str], request: AttachRequest, passwd: PasswdEntry | None) -> str:
        return choose_environment(init, {}, request, passwd, is_interactive=False)["HOME"]

    assert home({}, AttachRequest(confined=True), None) == "/"
    assert home({}, AttachRequest(confined=True), PasswdEntry(0, 0, "/root")) == "/root"
    assert home({"HOME": "/root"}, AttachRequest(user="3", confined=True), PasswdEntry(3, 3, "/three")) == "/three"


def test_tools_come_first_in_the_path_and_know_where_the_files_are() -> None:
    found = tools_environment({"PATH": "/bin", "A": "1"}, AttachRequest(tools="/box"), "/mnt")
    assert found == {"PATH": "/box:/box/bin:/box/sbin:/bin", "A": "1", "CTRSCOPE_ROOT": "/mnt"}
    assert tools_environment({"PATH": "/bin"}, AttachRequest(tools=""), "/mnt")["PATH"] == "/bin"


def test_a_command_of_the_host_keeps_our_environment() -> None:
    assert choose_environment(None, {"A": "1"}, AttachRequest(environment={"B": "2"}), None, is_interactive=True) == {
        "A": "1",
        "B": "2",
    }


@pytest.mark.parametrize(
    ("text", "directory", "label"),
    [
        (b"docker-default (enforce)\n", "attr/apparmor", ("attr/apparmor/exec", "exec docker-default")),
        (b"docker-default (enforce)\n", "attr", ("attr/exec", "exec docker-default")),
        (b"/usr/bin/a (b) c (complain)\n", "attr/apparmor", ("attr/apparmor/exec", "exec /usr/bin/a (b) c")),
        (b"unconfined\n", "attr/apparmor", None),
        (b"system_u:system_r:container_t:s0:c1,c2\0", "attr", ("attr/exec", "system_u:system_r:container_t:s0:c1,c2")),
        (b"", "attr", None),
    ],
)
def test_the_security_label_of_init_is_taken(text: bytes, directory: str, label: tuple[str, str] | None) -> None:
    assert choose_label(text, directory) == label


def test_a_shell_is_looked_for_inside_and_never_outside(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/bash").symlink_to("/usr/bin/env")  # there is one, but not in there
    with pytest.raises(CannotAttach, match="no shell inside web") as caught:
        find_shell(HostFs(str(tmp_path)), "web")
    assert caught.value.status == 127
    (tmp_path / "bin/busybox").write_text("")
    (tmp_path / "bin/sh").write_text("")
    (tmp_path / "bin/busybox").chmod(0o755)
    assert find_shell(HostFs(str(tmp_path)), "web") == ("/bin/busybox", "sh")


@pytest.mark.parametrize("status", [ContainerStatus.CREATED, ContainerStatus.STALE, ContainerStatus.STOPPED])
def test_what_does_not_run_is_refused(status: ContainerStatus) -> None:
    container = Container(id="web", name="web", engine=EngineName.RUNC, status=status, pid=4711)
    with pytest.raises(CannotAttach, match=f"cannot attach to web: it is {status}, not running; start it first"):
        plan_attach(HostFs(), container, AttachRequest())


def test_a_process_that_may_not_be_looked_at_is_refused_with_what_it_takes() -> None:
    container = Container(id="web", name="web", engine=EngineName.RUNC, status=ContainerStatus.RUNNING, pid=1)
    host = DenyingHostFs("/", {"/proc/1/ns": errno.EACCES})
    with pytest.raises(CannotAttach, match=r"not permitted to look at process 1.*CAP_SYS_PTRACE"):
        plan_attach(host, container, AttachRequest())


def test_an_init_that_is_gone_has_ended_meanwhile() -> None:
    container = Container(id="web", name="web", engine=EngineName.RUNC, status=ContainerStatus.RUNNING, pid=1)
    host = DenyingHostFs("/", {"/proc/1": errno.ENOENT})
    with pytest.raises(CannotAttach, match="its process 1 ended meanwhile"):
        plan_attach(host, container, AttachRequest())
