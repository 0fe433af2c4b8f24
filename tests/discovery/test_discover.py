"""Discovery on hosts written by hand: what engines say against what the kernel says."""

import errno
import json
import os
from pathlib import Path

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.gap import Reason
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import READ_LIMIT, HostFs
from tests.builders import HostTree
from tests.engines.surveys import add_status
from tests.hostfs import DenyingHostFs
from tests.requirements import require_root

PLAN = Plan(namespaces=True, addresses=False, stats=False, stopped=True)
OWN = {"mnt": 4026532001, "pid": 4026532002, "net": 4026532003}
DOCKER_ID = "3f" * 32


@pytest.fixture
def host(tmp_path: Path) -> HostTree:
    return HostTree(tmp_path)


def runc_state(host: HostTree, name: str, pid: int, starttime: int, cgroup: str | None = None) -> None:
    state = {
        "id": name,
        "init_process_pid": pid,
        "init_process_start": starttime,
        "created": "2023-11-14T22:14:20.5Z",
        "cgroup_paths": {"": f"/sys/fs/cgroup{cgroup or '/' + name}"},
        "config": {"rootfs": f"/b/{name}/rootfs", "labels": [f"bundle=/b/{name}"]},
    }
    host.file(f"/run/runc/{name}/state.json", json.dumps(state))


def launcher_state(host: HostTree, name: str, pid: int, *, monitor: int) -> None:
    state = {"id": name, "name": name, "bundle": "/b", "rootfs": "/", "created": "2023-11-14T22:14:20Z", "pid": pid}
    more = {"starttime_ticks": 5000, "monitor_pid": monitor}
    host.file(f"/run/ctrscope/containers/{name}/state.json", json.dumps(state | more))


def docker_state(host: HostTree, pid: int, *, running: bool = True, starttime: int | None = None) -> None:
    state = {
        "ID": DOCKER_ID,
        "Name": "/web",
        "Created": "2023-11-14T22:14:20.5Z",
        "Path": "sleep",
        "Args": ["1"],
        "Config": {"Image": "bb", "Labels": {}},
        "State": {"Running": running, "Pid": pid, "StartedAt": "2023-11-14T22:14:21Z", "ExitCode": 0},
    }
    host.file(f"/var/lib/docker/containers/{DOCKER_ID}/config.v2.json", json.dumps(state))
    host.file(f"/var/lib/docker/containers/{DOCKER_ID}/hostconfig.json", "{}")
    if starttime is not None:
        runtime = {"id": DOCKER_ID, "init_process_pid": pid, "init_process_start": starttime, "config": {"rootfs": "/r"}}
        host.file(f"/run/docker/runtime-runc/moby/{DOCKER_ID}/state.json", json.dumps(runtime))


def only(snapshot: Snapshot) -> Container:
    assert [container.key for container in snapshot.containers] == [snapshot.containers[0].key]
    return snapshot.containers[0]


def test_an_empty_host_has_no_containers_and_no_gaps_about_engines(host: HostTree) -> None:
    snapshot = discover(host.fs, PLAN)

    assert snapshot.containers == ()
    assert [gap for gap in snapshot.gaps if gap.subject != "host"] == []
    assert {status.found for status in snapshot.engines} == {False}


def test_a_root_without_proc_is_an_image_and_its_containers_do_not_run(tmp_path: Path) -> None:
    host = HostTree(tmp_path / "written")
    docker_state(host, 0, running=False)
    (tmp_path / "image").mkdir()
    (tmp_path / "written/var").rename(tmp_path / "image/var")

    container = only(discover(HostFs(str(tmp_path / "image")), PLAN))

    assert (container.name, container.status, container.pid) == ("web", ContainerStatus.STOPPED, None)


def test_a_running_container_is_confirmed_by_its_start_time(host: HostTree) -> None:
    runc_state(host, "box", 40, 5000)
    host.process(40, starttime=5000, cgroup="/box", namespaces=OWN)
    host.process(41, ppid=40, cgroup="/box", namespaces=OWN)

    container = only(discover(host.fs, PLAN))

    assert (container.status, container.pid, container.pids) == (ContainerStatus.RUNNING, 40, (40, 41))
    assert container.cgroup is not None
    assert container.cgroup.path == "/box"
    assert any("starttime 5000" in evidence.value for evidence in container.evidence)


def test_a_reused_pid_makes_it_stale(host: HostTree) -> None:
    runc_state(host, "box", 40, 4999)
    host.process(40, starttime=5000)

    container = only(discover(host.fs, PLAN))

    assert (container.status, container.pid) == (ContainerStatus.STALE, None)
    assert container.note == "state says running, but process 40 is another one"


def test_runc_without_its_process_is_stopped_as_runc_itself_says(host: HostTree) -> None:
    runc_state(host, "box", 40, 5000)

    assert only(discover(host.fs, PLAN)).status is ContainerStatus.STOPPED


def test_docker_that_says_running_without_its_process_is_stale(host: HostTree) -> None:
    docker_state(host, 40)

    container = only(discover(host.fs, PLAN))

    assert container.status is ContainerStatus.STALE
    assert container.note == "state says running, but process 40 is gone"


def test_a_zombie_init_does_not_count_as_running(host: HostTree) -> None:
    runc_state(host, "box", 40, 5000)
    host.process(40, starttime=5000, state="Z", cgroup="/box")

    assert only(discover(host.fs, PLAN)).status is ContainerStatus.STOPPED


def test_without_a_recorded_start_time_a_strange_process_is_not_believed(host: HostTree) -> None:
    docker_state(host, 40)
    host.process(40, comm="cron", starttime=900_000, cgroup="/system.slice/cron.service")

    container = only(discover(host.fs, PLAN))

    assert (container.status, container.pid) == (ContainerStatus.STALE, None)


def test_without_a_recorded_start_time_the_cgroup_speaks_for_it(host: HostTree) -> None:
    docker_state(host, 40)
    host.process(40, starttime=900_000, cgroup=f"/system.slice/docker-{DOCKER_ID}.scope", namespaces=OWN)

    container = only(discover(host.fs, PLAN))

    assert (container.status, container.pid) == (ContainerStatus.RUNNING, 40)
    assert any("carries the container's id" in evidence.value for evidence in container.evidence)


@pytest.mark.parametrize(
    "cgroup",
    [
        f"/user.slice/user-1000.slice/user@1000.service/docker-{DOCKER_ID}.scope",
        "/user.slice/user-1000.slice/user@1000.service/lxc/web",
        f"/system.slice/docker-{'4f' * 32}.scope/docker/{DOCKER_ID}",
    ],
)
def test_a_cgroup_that_a_user_or_a_container_named_says_nothing_of_another(host: HostTree, cgroup: str) -> None:
    docker_state(host, 40)
    host.process(40, starttime=900_000, cgroup=cgroup, namespaces=OWN)

    found = {container.key: container for container in discover(host.fs, PLAN).containers}

    assert found[f"docker/{DOCKER_ID}"].status is ContainerStatus.STALE


@pytest.mark.parametrize(
    ("uid", "pid_namespace", "is_one"), [(0, 4026531836, True), (1000, 4026531836, False), (0, 4026532002, False)]
)
def test_a_supervisor_that_speaks_for_its_child_is_roots_and_on_the_host(
    host: HostTree, uid: int, pid_namespace: int, is_one: bool
) -> None:
    docker_state(host, 40)
    host.process(39, comm="containerd-shim", namespaces={"pid": pid_namespace})
    add_status(host, 39, uid)
    host.process(40, ppid=39, starttime=900_000, namespaces=OWN)

    found = {container.key: container for container in discover(host.fs, PLAN).containers}

    assert (found[f"docker/{DOCKER_ID}"].status is ContainerStatus.RUNNING) == is_one


def test_a_frozen_cgroup_is_paused(host: HostTree) -> None:
    runc_state(host, "box", 40, 5000)
    host.process(40, starttime=5000, cgroup="/box", namespaces=OWN)
    host.file("/sys/fs/cgroup/box/cgroup.events", "populated 1\nfrozen 1\n")

    container = only(discover(host.fs, PLAN))

    assert (container.status, container.note) == (ContainerStatus.PAUSED, "paused (freezer)")


def test_a_docker_container_is_not_also_runcs_or_containerds(host: HostTree) -> None:
    docker_state(host, 40, starttime=5000)
    host.process(40, starttime=5000, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)
    task = f"/run/containerd/io.containerd.runtime.v2.task/moby/{DOCKER_ID}"
    host.file(f"{task}/init.pid", "40")
    host.file(f"{task}/config.json", json.dumps({"process": {"args": ["sleep", "1"]}}))

    container = only(discover(host.fs, PLAN))

    assert (container.engine, container.name) == (EngineName.DOCKER, "web")


def test_a_dead_supervisor_shows_while_the_container_lives(host: HostTree) -> None:
    docker_state(host, 40, starttime=5000)
    host.process(40, ppid=1, starttime=5000, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)

    container = only(discover(host.fs, PLAN))

    assert container.monitor is not None
    assert (container.status, container.monitor.alive) == (ContainerStatus.RUNNING, False)
    assert container.note == "containerd-shim is gone: exit status will not be recorded"


def test_a_living_supervisor_is_the_parent_of_init(host: HostTree) -> None:
    docker_state(host, 40, starttime=5000)
    host.process(30, comm="containerd-shim")
    host.process(40, ppid=30, starttime=5000, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)

    monitor = only(discover(host.fs, PLAN)).monitor

    assert monitor is not None
    assert (monitor.pid, monitor.comm, monitor.alive) == (30, "containerd-shim", True)


def test_an_orphan_is_found_by_its_cgroup_when_the_state_is_gone(host: HostTree) -> None:
    host.process(40, cgroup=f"/system.slice/docker-{DOCKER_ID}.scope", namespaces=OWN)
    host.process(41, ppid=40, cgroup=f"/system.slice/docker-{DOCKER_ID}.scope", namespaces=OWN)

    container = only(discover(host.fs, PLAN))

    assert (container.engine, container.id, container.name) == (EngineName.DOCKER, DOCKER_ID, DOCKER_ID[:12])
    assert (container.status, container.pids) == (ContainerStatus.RUNNING, (40, 41))
    assert container.note == "docker has no state of it: found by its cgroup"


def test_who_may_not_read_the_state_is_not_told_that_there_is_none(host: HostTree) -> None:
    docker_state(host, 40)
    host.process(40, cgroup=f"/system.slice/docker-{DOCKER_ID}.scope", namespaces=OWN)

    container = only(discover(DenyingHostFs(str(host.path), {"/var/lib/docker": errno.EACCES}), PLAN))

    assert (container.engine, container.id) == (EngineName.DOCKER, DOCKER_ID)
    assert container.note == "docker's state is not permitted: found by its cgroup"


def test_a_state_with_a_dead_pid_gives_way_to_the_living_cgroup(host: HostTree) -> None:
    docker_state(host, 39)
    host.process(40, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)

    container = only(discover(host.fs, PLAN))

    assert (container.status, container.pid, container.name) == (ContainerStatus.RUNNING, 40, "web")
    assert container.note == "state says running and names process 39, but its cgroup holds 40"


def test_unshare_by_hand_is_an_unclaimed_container(host: HostTree) -> None:
    host.process(50, comm="unshare", namespaces={"mnt": OWN["mnt"]}, cgroup="/user.slice/s.scope")
    host.process(51, ppid=50, comm="sleep", cmdline="sleep 9", namespaces=OWN, cgroup="/user.slice/s.scope")

    container = only(discover(host.fs, PLAN))

    assert (container.engine, container.id, container.name) == (EngineName.UNCLAIMED, f"pid:[{OWN['pid']}]", "sleep")
    assert (container.pid, container.pids, container.command) == (51, (51,), ("sleep", "9"))
    assert container.monitor is not None
    assert container.monitor.pid == 50


def test_two_sandboxes_are_two_containers(host: HostTree) -> None:
    host.process(50, comm="a", namespaces=OWN)
    host.process(60, comm="b", namespaces={name: ino + 100 for name, ino in OWN.items()})

    assert [container.name for container in discover(host.fs, PLAN).containers] == ["a", "b"]


def test_processes_that_share_a_hand_made_namespace_are_one_container(host: HostTree) -> None:
    host.process(50, comm="a", namespaces={"net": 4026532003, "mnt": 4026532001})
    host.process(60, comm="b", namespaces={"net": 4026532003, "mnt": 4026532009})

    assert only(discover(host.fs, PLAN)).pids == (50, 60)


def test_a_hardened_service_is_not_a_container(host: HostTree) -> None:
    host.process(50, comm="systemd-logind", namespaces={"mnt": 1, "uts": 2}, cgroup="/system.slice/systemd-logind.service")

    assert discover(host.fs, PLAN).containers == ()


def test_a_service_with_its_own_network_is_an_unclaimed_container_by_the_units_name(host: HostTree) -> None:
    host.process(50, namespaces={"mnt": 1, "net": 2}, cgroup="/system.slice/sandboxed.service")

    assert only(discover(host.fs, PLAN)).name == "sandboxed"


def test_a_process_isolated_from_within_a_service_is_not_named_after_it(host: HostTree) -> None:
    host.process(49, comm="agent", cgroup="/system.slice/agent.service")
    host.process(50, ppid=49, comm="sleep", namespaces=OWN, cgroup="/system.slice/agent.service")

    assert only(discover(host.fs, PLAN)).name == "sleep"


def test_in_the_cgroup_of_who_started_it_nothing_has_a_cgroup_of_its_own(host: HostTree) -> None:
    host.process(49, comm="bash", cgroup="/s.scope")
    host.process(50, ppid=49, namespaces=OWN, cgroup="/s.scope")

    # Who else is in it need not be asked: on some hosts that is a list of thousands.
    silent = DenyingHostFs(str(host.path), {"/sys/fs/cgroup/s.scope/cgroup.procs": errno.EACCES})

    assert not only(discover(silent, PLAN)).has_own_cgroup


def test_a_kernel_thread_with_its_own_mount_namespace_is_not_a_container(host: HostTree) -> None:
    host.process(33, ppid=2, comm="kdevtmpfs", flags=0x00200000, namespaces={"mnt": 4026531862})

    assert discover(host.fs, PLAN).containers == ()


def test_the_pause_process_of_rootless_podman_is_not_a_container(host: HostTree) -> None:
    host.process(50, comm="catatonit", cmdline="catatonit -P", namespaces={"user": 1, "mnt": 2}, cgroup="/u.slice/p.scope")

    assert discover(host.fs, PLAN).containers == ()


def test_the_half_of_rootlessport_in_the_containers_network_is_not_a_container(host: HostTree) -> None:
    own = {"user": 1, "mnt": 2, "net": 3}
    host.process(50, comm="exe", cmdline="rootlessport-child", namespaces=own, cgroup="/u.slice/podman-4.scope")

    assert discover(host.fs, PLAN).containers == ()


def test_another_program_that_was_started_by_its_own_link_is_shown(host: HostTree) -> None:
    host.process(50, comm="exe", cmdline="box", namespaces={"user": 1, "net": 3}, cgroup="/u.slice/podman-4.scope")

    assert only(discover(host.fs, PLAN)).engine is EngineName.UNCLAIMED


def test_a_sandbox_cannot_hide_behind_the_name_of_a_supervisor(host: HostTree) -> None:
    host.process(50, comm="conmon", namespaces=OWN)

    assert only(discover(host.fs, PLAN)).engine is EngineName.UNCLAIMED


@pytest.mark.parametrize(
    ("comm", "arguments"), [("lxc-start", "lxc-start -F -n web"), ("systemd-nspawn", "systemd-nspawn --machine=web")]
)
def test_what_a_sandbox_calls_itself_makes_no_container_of_the_hosts(host: HostTree, comm: str, arguments: str) -> None:
    host.file("/var/lib/lxc/web/config", "lxc.rootfs.path = dir:/r\n")
    host.process(39, comm=comm, cmdline=arguments, namespaces=OWN)
    add_status(host, 39)
    host.process(40, ppid=39, namespaces={**OWN, "pid": 4026532012})

    found = {container.key: container for container in discover(host.fs, PLAN).containers}

    assert found.pop("lxc/web").status is ContainerStatus.STOPPED
    assert {container.engine for container in found.values()} == {EngineName.UNCLAIMED}


@pytest.mark.parametrize(("named", "alive"), [("box", True), ("box2", False)])
def test_a_supervisor_is_of_the_container_that_its_arguments_name(host: HostTree, named: str, alive: bool) -> None:
    launcher_state(host, "box", 40, monitor=50)
    host.process(40, ppid=1, starttime=5000, cgroup="/ctrscope/box", namespaces=OWN)
    host.process(50, comm="ctrscope-mon", cmdline=f"ctrscope-monitor {named} /run/ctrscope/containers/{named}")

    monitor = only(discover(host.fs, PLAN)).monitor

    assert monitor is not None
    assert (monitor.pid, monitor.alive) == (50, alive)


def test_a_container_does_not_choose_its_cgroup_by_the_names_of_those_it_makes(host: HostTree) -> None:
    require_root("a state that root wrote")
    runc_state(host, "web", 40, 5000, "/apps/web-1")
    host.process(40, starttime=5000, cgroup="/apps/web-1/lxc/web", namespaces=OWN)
    host.process(41, ppid=40, cgroup="/apps/web-1", namespaces=OWN)

    found = only(discover(host.fs, PLAN))

    assert found.cgroup is not None
    assert (found.cgroup.path, found.has_own_cgroup, found.pids) == ("/apps/web-1", True, (40, 41))


def test_what_has_the_pid_of_a_supervisor_that_is_gone_is_shown(host: HostTree) -> None:
    launcher_state(host, "box", 40, monitor=50)
    host.process(40, starttime=5000, cgroup="/ctrscope/box", namespaces=OWN)
    host.process(50, comm="a", namespaces={name: ino + 100 for name, ino in OWN.items()})

    assert [container.name for container in discover(host.fs, PLAN).containers] == ["box", "a"]


def test_a_sandbox_whose_main_thread_has_ended_is_shown(host: HostTree) -> None:
    host.process(50, comm="miner", state="Z", thread=51, namespaces=OWN)

    found = only(discover(host.fs, PLAN))

    assert (found.engine, found.pid, found.status) == (EngineName.UNCLAIMED, 50, ContainerStatus.RUNNING)
    assert (found.namespaces.net, found.namespaces.user) == (OWN["net"], 4026531837)


def test_a_container_whose_main_thread_has_ended_runs(host: HostTree) -> None:
    runc_state(host, "box", 50, 5000)
    host.process(50, state="Z", thread=51, namespaces=OWN, cgroup="/box")
    host.file("/proc/50/cgroup", "0::/\n")  # as v1 tells of a main thread that has ended

    found = only(discover(host.fs, PLAN))

    assert (found.status, found.pid, found.note) == (ContainerStatus.RUNNING, 50, None)
    assert found.has_own_cgroup
    assert found.namespaces.mnt == OWN["mnt"]


def test_a_user_cannot_hide_a_sandbox_by_making_it_the_parent_of_a_container(host: HostTree) -> None:
    require_root("files of another user")
    state = {"id": "box", "init_process_pid": 40, "init_process_start": 5000, "config": {"rootfs": "/r"}}
    os.chown(host.file("/run/user/1000/runc/box/state.json", json.dumps(state)), 1000, 1000)
    host.process(40, ppid=50, starttime=5000, namespaces={**OWN, "user": 4026532009})
    host.file("/proc/40/uid_map", "0 1000 1\n1 100000 65536\n")
    host.process(50, comm="conmon", namespaces={name: ino + 100 for name, ino in OWN.items()})

    assert [container.name for container in discover(host.fs, PLAN).containers] == ["box", "conmon"]


def test_a_process_that_joined_from_outside_belongs_to_the_container(host: HostTree) -> None:
    runc_state(host, "box", 40, 5000)
    host.process(40, starttime=5000, cgroup="/box", namespaces=OWN)
    host.process(70, comm="nsenter", cgroup="/user.slice", namespaces={"net": OWN["net"]})

    assert only(discover(host.fs, PLAN)).pids == (40, 70)


def test_a_container_without_a_cgroup_of_its_own_has_its_processes_by_namespace(host: HostTree) -> None:
    status = {"pid": 40, "process-start-time": 5000, "cgroup-path": "", "bundle": "/b", "created": "2023-11-14T22:14:20Z"}
    host.file("/run/crun/box/status", json.dumps(status))
    host.process(40, starttime=5000, namespaces=OWN)
    host.process(41, ppid=40, namespaces=OWN)
    host.process(99, comm="bystander")

    container = only(discover(host.fs, PLAN))

    assert (container.engine, container.pids) == (EngineName.CRUN, (40, 41))


def test_shares_name_the_host_and_the_other_containers(host: HostTree) -> None:
    runc_state(host, "a", 40, 5000)
    runc_state(host, "b", 50, 5000)
    host.process(40, starttime=5000, cgroup="/a", namespaces=OWN)
    host.process(50, starttime=5000, cgroup="/b", namespaces={**OWN, "pid": 4026532777, "mnt": 4026532778})

    first, second = discover(host.fs, PLAN).containers

    assert first.shares["net"] == ("b",)
    assert second.shares["net"] == ("a",)
    assert first.shares["uts"] == "host"
    assert "pid" not in first.shares


def test_stopped_containers_are_left_out_unless_asked_for(host: HostTree) -> None:
    runc_state(host, "box", 40, 5000)

    assert discover(host.fs, Plan(stopped=False, addresses=False)).containers == ()


def test_one_broken_state_file_is_a_gap_and_the_others_stand(host: HostTree) -> None:
    runc_state(host, "good", 40, 5000)
    host.process(40, starttime=5000, cgroup="/good", namespaces=OWN)
    host.file("/run/runc/bad/state.json", '{"id": "bad", "init_pro')

    snapshot = discover(host.fs, PLAN)

    assert [container.name for container in snapshot.containers] == ["good"]
    assert [(gap.reason, gap.source) for gap in snapshot.gaps if "runc" in gap.subject or "runc" in gap.source] == [
        (Reason.MALFORMED, "/run/runc/bad/state.json")
    ]


def test_an_unreadable_state_directory_is_a_gap_and_its_containers_are_found_by_cgroup(host: HostTree) -> None:
    docker_state(host, 40)
    host.process(40, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)
    denied = DenyingHostFs(str(host.path), {"/var/lib/docker": errno.EACCES})

    snapshot = discover(denied, PLAN)

    assert only(snapshot).name == DOCKER_ID[:12]
    assert Reason.DENIED in {gap.reason for gap in snapshot.gaps if "docker" in gap.source}


def test_links_that_may_not_be_read_leave_the_container_and_a_gap(host: HostTree) -> None:
    runc_state(host, "box", 40, 5000)
    host.process(40, starttime=5000, cgroup="/box", namespaces=OWN)
    host.process(99, comm="other")
    denied = DenyingHostFs(str(host.path), {"/proc/40/ns": errno.EACCES, "/proc/99/ns": errno.EACCES})

    snapshot = discover(denied, PLAN)

    assert (only(snapshot).status, only(snapshot).namespaces.net) == (ContainerStatus.RUNNING, None)
    assert {(gap.subject, gap.needs) for gap in snapshot.gaps if gap.reason is Reason.DENIED} == {
        (f"container {only(snapshot).key}", "CAP_SYS_PTRACE"),
        ("host", "CAP_SYS_PTRACE"),
    }


def test_a_process_that_ends_between_two_reads_is_only_counted(host: HostTree) -> None:
    runc_state(host, "box", 40, 5000)
    host.process(40, starttime=5000, cgroup="/box", namespaces=OWN)
    (host.path / "proc/77").mkdir()

    snapshot = discover(host.fs, PLAN)

    assert only(snapshot).name == "box"
    assert snapshot.vanished == 1
    assert not [gap for gap in snapshot.gaps if "77" in gap.source]


def test_a_users_state_about_somebody_elses_process_is_not_believed(host: HostTree) -> None:
    require_root("files of another user")
    state = {"id": "trick", "init_process_pid": 40, "init_process_start": 5000, "config": {"rootfs": "/r"}}
    path = host.file("/run/user/1000/runc/trick/state.json", json.dumps(state))
    os.chown(path, 1000, 1000)
    host.process(40, comm="postgres", starttime=5000)
    host.file("/proc/40/uid_map", "0 0 4294967295\n")

    container = only(discover(host.fs, PLAN))

    assert (container.status, container.pid) == (ContainerStatus.STALE, None)


def test_a_users_state_about_a_process_of_roots_container_that_runs_as_the_user_is_not_believed(host: HostTree) -> None:
    require_root("files of another user")
    docker_state(host, 40, starttime=5000)
    users_runc_state(host, "trick", 40, "/")
    host.process(40, starttime=5000, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)
    os.chown(host.path / "proc/40", 1000, 1000)

    found = {container.name: container for container in discover(host.fs, PLAN).containers}

    assert (found["web"].pid, found["trick"].pid, found["trick"].status) == (40, None, ContainerStatus.STALE)


def test_in_a_users_copy_of_a_host_everything_is_that_users(host: HostTree) -> None:
    require_root("files of another user")
    runc_state(host, "box", 40, 5000)
    host.process(40, starttime=5000, cgroup="/box", namespaces=OWN)
    for path in (host.path, *host.path.rglob("*")):
        os.chown(path, 1000, 1000, follow_symlinks=False)

    assert only(discover(host.fs, PLAN)).status is ContainerStatus.RUNNING


def test_a_users_state_about_a_process_in_the_users_namespace_is_believed(host: HostTree) -> None:
    require_root("files of another user")
    state = {"id": "box", "init_process_pid": 40, "init_process_start": 5000, "config": {"rootfs": "/r"}}
    path = host.file("/run/user/1000/runc/box/state.json", json.dumps(state))
    os.chown(path, 1000, 1000)
    host.process(40, starttime=5000, namespaces={**OWN, "user": 4026532009})
    host.file("/proc/40/uid_map", "0 1000 1\n1 100000 65536\n")

    container = only(discover(host.fs, PLAN))

    assert (container.status, container.pid, container.owner_uid) == (ContainerStatus.RUNNING, 40, 1000)


def test_figures_of_a_shared_cgroup_are_not_a_containers(host: HostTree) -> None:
    status = {"pid": 40, "process-start-time": 5000, "cgroup-path": "", "bundle": "/b", "created": "2023-11-14T22:14:20Z"}
    host.file("/run/crun/box/status", json.dumps(status))
    host.process(30, comm="bash", cgroup="/session")
    host.process(40, ppid=30, starttime=5000, cgroup="/session", namespaces=OWN)
    host.file("/sys/fs/cgroup/session/memory.current", "4096\n")

    snapshot = discover(host.fs, Plan(addresses=False, stats=True))

    assert snapshot.stats == {}
    assert not only(snapshot).has_own_cgroup
    assert [gap.detail for gap in snapshot.gaps if gap.fields == ("stats",)] == [
        "it has no cgroup of its own: the figures of /session are also those of other processes"
    ]


VICTIM = "ab" * 32


def users_runc_state(host: HostTree, name: str, pid: int, cgroup: str, bundle: str = "/b") -> None:
    """State of uid 1000's own runc about a process of uid 1000."""
    require_root("files of another user")
    state = {
        "id": name,
        "init_process_pid": pid,
        "init_process_start": 5000,
        "cgroup_paths": {"": f"/sys/fs/cgroup{cgroup}"},
        "config": {"rootfs": "/r", "labels": [f"bundle={bundle}"]},
    }
    os.chown(host.file(f"/run/user/1000/runc/{name}/state.json", json.dumps(state)), 1000, 1000)


def test_a_user_cannot_take_a_whole_slice_for_a_containers_cgroup(host: HostTree) -> None:
    users_runc_state(host, "greedy", 40, "/user.slice")
    host.process(40, starttime=5000, cgroup="/user.slice/user-1000.slice/session-1.scope", namespaces={**OWN, "user": 79})
    os.chown(host.path / "proc/40", 1000, 1000)
    host.process(50, comm="hidden", cgroup="/user.slice/user-1001.slice/session-2.scope", namespaces={"pid": 77, "mnt": 78})
    (host.path / "sys/fs/cgroup/user.slice/cgroup.procs").write_text("40\n50\n")

    greedy, hidden = sorted(discover(host.fs, PLAN).containers, key=lambda container: container.pid or 0)

    assert (greedy.pids, greedy.has_own_cgroup) == ((40,), False)
    assert (hidden.engine, hidden.name) == (EngineName.UNCLAIMED, "hidden")


def test_a_users_container_in_a_cgroup_given_to_the_user_has_it_for_its_own(host: HostTree) -> None:
    mine = "/user.slice/user-1000.slice/user@1000.service/mine"
    users_runc_state(host, "box", 40, mine)
    host.process(40, starttime=5000, cgroup=mine, namespaces={**OWN, "user": 79})
    os.chown(host.path / "proc/40", 1000, 1000)
    os.chown(host.path / f"sys/fs/cgroup{mine}", 1000, 1000)

    assert only(discover(host.fs, PLAN)).has_own_cgroup


def test_the_root_cgroup_is_nobodys_own(host: HostTree) -> None:
    runc_state(host, "box", 40, 5000, cgroup="/")
    host.process(40, starttime=5000, cgroup="/session.scope", namespaces=OWN)

    container = only(discover(host.fs, PLAN))

    assert container.cgroup is not None
    assert (container.cgroup.path, container.has_own_cgroup) == ("/session.scope", False)


def test_a_cgroup_whose_name_holds_a_short_name_is_not_that_containers(host: HostTree) -> None:
    status = {"pid": 40, "process-start-time": 5000, "cgroup-path": "", "bundle": "/b", "created": "2023-11-14T22:14:20Z"}
    host.file("/run/crun/web/status", json.dumps(status))
    host.process(30, comm="server", cgroup="/system.slice/webserver.service")
    host.process(40, ppid=30, starttime=5000, cgroup="/system.slice/webserver.service", namespaces=OWN)

    container = only(discover(host.fs, PLAN))

    assert (container.pids, container.has_own_cgroup) == ((40,), False)


def test_a_user_cannot_put_processes_into_anothers_container_by_the_name_of_a_cgroup(host: HostTree) -> None:
    docker_state(host, 40, starttime=5000)
    host.process(40, starttime=5000, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)
    theirs = f"/user.slice/user-1000.slice/user@1000.service/docker-{DOCKER_ID}.scope"
    host.process(50, comm="intruder", cgroup=theirs)

    containers = {container.key: container for container in discover(host.fs, PLAN).containers}

    assert containers[f"docker/{DOCKER_ID}"].pids == (40,)
    assert containers[f"docker@1000/{DOCKER_ID}"].pids == (50,)


def test_a_user_cannot_revive_anothers_container_by_the_name_of_a_cgroup(host: HostTree) -> None:
    docker_state(host, 0, running=False)
    theirs = f"/user.slice/user-1000.slice/user@1000.service/docker-{DOCKER_ID}.scope"
    host.process(50, comm="intruder", cgroup=theirs)

    containers = {container.key: container for container in discover(host.fs, PLAN).containers}

    assert containers[f"docker/{DOCKER_ID}"].status is ContainerStatus.STOPPED


def test_a_container_cannot_make_another_one_by_the_name_of_a_cgroup_below_its_own(host: HostTree) -> None:
    below = f"/docker/{DOCKER_ID}/docker-{VICTIM}.scope"
    host.process(40, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)
    host.process(41, ppid=40, cgroup=below, namespaces=OWN)

    container = only(discover(host.fs, PLAN))

    assert (container.id, container.pids) == (DOCKER_ID, (40, 41))


def test_an_init_that_moved_below_its_cgroup_keeps_the_whole_of_it(host: HostTree) -> None:
    docker_state(host, 40)
    below = f"/docker/{DOCKER_ID}/docker-{VICTIM}.scope"
    host.process(40, starttime=5000, cgroup=below, namespaces=OWN)
    host.process(41, ppid=40, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)

    container = only(discover(host.fs, PLAN))

    assert container.cgroup is not None
    assert (container.name, container.pids, container.cgroup.path) == ("web", (40, 41), f"/docker/{DOCKER_ID}")


def test_a_sandbox_cannot_hide_in_a_cgroup_named_like_a_supervisors(host: HostTree) -> None:
    theirs = f"/user.slice/user-1000.slice/user@1000.service/libpod-conmon-{VICTIM}.scope"
    host.process(50, comm="hidden", cgroup=theirs, namespaces=OWN)

    assert only(discover(host.fs, PLAN)).engine is EngineName.UNCLAIMED


def test_a_users_state_does_not_stand_in_front_of_the_systems(host: HostTree) -> None:
    task = f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{VICTIM}"
    host.file(f"{task}/init.pid", "40")
    host.file(f"{task}/config.json", json.dumps({"process": {"args": ["victim"]}}))
    host.process(40, cgroup=f"/kubepods/pod1/{VICTIM}", namespaces=OWN)
    host.file("/etc/passwd", "u:x:1000:1000::/home/u:/bin/sh\n")
    users_runc_state(host, "trick", 99, "/", bundle=task)
    docker = "/home/u/.local/share/docker/containers"
    fake = {"ID": VICTIM, "Name": "/fake", "State": {"Running": False}}
    os.chown(host.file(f"{docker}/{VICTIM}/config.v2.json", json.dumps(fake)), 1000, 1000)

    containers = {container.key: container for container in discover(host.fs, PLAN).containers}

    assert containers[f"containerd/k8s.io/{VICTIM}"].command == ("victim",)
    assert containers[f"containerd/k8s.io/{VICTIM}"].note != "containerd has no state of it: found by its cgroup"


def test_two_users_may_have_a_container_of_the_same_id(host: HostTree) -> None:
    require_root("files of another user")
    host.file("/etc/passwd", "u:x:1000:1000::/home/u:/bin/sh\nv:x:1001:1001::/home/v:/bin/sh\n")
    for user, uid in (("u", 1000), ("v", 1001)):
        state = {"ID": VICTIM, "Name": f"/{user}s", "State": {"Running": False, "StartedAt": "2023-11-14T22:14:21Z"}}
        path = host.file(f"/home/{user}/.local/share/docker/containers/{VICTIM}/config.v2.json", json.dumps(state))
        os.chown(path, uid, uid)

    assert {container.name for container in discover(host.fs, PLAN).containers} == {"us", "vs"}


def test_two_monitors_of_one_name_are_one_container(host: HostTree) -> None:
    host.file("/var/lib/lxc/web/config", "lxc.rootfs.path = dir:/r\n")
    title = "[lxc monitor] /var/lib/lxc web"
    for pid in (30, 31):
        host.process(pid, comm="lxc-start")
        (host.path / f"proc/{pid}/cmdline").write_text(title)
        add_status(host, pid)
    host.process(40, ppid=31, cgroup="/lxc.payload.web", namespaces=OWN)

    container = only(discover(host.fs, PLAN))

    assert (container.status, container.pid) == (ContainerStatus.RUNNING, 40)


NUL_STATES = {
    "/run/user/1000/runc/box/state.json": {"id": "box", "config": {"rootfs": "/r", "labels": ["bundle=/b\0x"]}},
    "/run/user/1000/crun/box/status": {"pid": 40, "bundle": "/b\0x"},
    "/home/u/.config/docker/daemon.json": {"data-root": "/d\0x"},
    "/etc/docker/daemon.json": {"exec-root": "/d\0x", "data-root": "/var/lib/docker"},
    "/home/u/.config/containers/storage.conf": '[storage]\ngraphroot = "/g\\u0000x"\n',
    "/etc/containerd/config.toml": 'root = "/g\\u0000x"\n',
}


@pytest.mark.parametrize("path", NUL_STATES)
def test_a_path_with_a_nul_in_a_state_file_spoils_nothing_else(host: HostTree, path: str) -> None:
    require_root("files of another user")
    host.file("/etc/passwd", "u:x:1000:1000::/home/u:/bin/sh\n")
    runc_state(host, "good", 40, 5000)
    content = NUL_STATES[path]
    uid = 0 if path.startswith("/etc/") else 1000
    os.chown(host.file(path, content if isinstance(content, str) else json.dumps(content)), uid, uid)
    host.file("/home/u/.local/share/containers/storage/x", "")

    snapshot = discover(host.fs, PLAN)

    assert "good" in {container.name for container in snapshot.containers}
    assert path.startswith("/etc/containerd") or path in {gap.source for gap in snapshot.gaps}


def test_a_container_that_starts_while_states_are_read_is_not_taken_for_a_lost_one(host: HostTree) -> None:
    class Busy(HostFs):
        def names(self, path: str) -> list[str]:
            found = super().names(path)
            if path == "/run/runc":
                host.process(40, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)
            return found

    runc_state(host, "other", 99, 1)

    assert only(discover(Busy(str(host.path)), PLAN)).name == "other"


def test_what_runs_after_all_has_no_exit_status(host: HostTree) -> None:
    docker_state(host, 0, running=False)
    host.process(40, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)

    container = only(discover(host.fs, PLAN))

    assert (container.status, container.exit_code) == (ContainerStatus.RUNNING, None)


def test_the_payload_cgroup_that_all_machines_share_is_nobodys_own(host: HostTree) -> None:
    for pid, name in ((40, "one"), (50, "two")):
        host.file(f"/run/systemd/machines/{name}", f"NAME={name}\nLEADER={pid}\nCLASS=container\n")
        host.process(pid - 1, comm="systemd-nspawn", cgroup="/supervisor", cmdline=f"systemd-nspawn -M {name}")
        add_status(host, pid - 1)
        host.process(pid, ppid=pid - 1, cgroup="/payload", namespaces={"pid": pid, "mnt": pid})

    containers = discover(host.fs, PLAN).containers

    assert [(one.name, one.pids, one.has_own_cgroup) for one in containers] == [("one", (40,), False), ("two", (50,), False)]


@pytest.mark.parametrize("query", ["web", DOCKER_ID, f"docker/{DOCKER_ID}"])
def test_who_is_asked_for_by_name_and_runs_is_found_as_in_the_whole(host: HostTree, query: str) -> None:
    docker_state(host, 40, starttime=5000)
    host.process(40, starttime=5000, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)
    host.process(41, ppid=40, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)
    runc_state(host, "box", 50, 6000)
    host.process(50, starttime=6000, cgroup="/box", namespaces={"pid": 50, "mnt": 50})

    asked, whole = (discover(host.fs, Plan(only=only_)) for only_ in (query, None))

    assert [one.name for one in whole.containers] == ["web", "box"]
    assert asked.containers == whole.containers[:1]


def test_of_two_engines_with_that_name_both_are_found(host: HostTree) -> None:
    docker_state(host, 40, starttime=5000)
    host.process(40, starttime=5000, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)
    runc_state(host, "web", 50, 6000)
    host.process(50, starttime=6000, cgroup="/web", namespaces={"pid": 50, "mnt": 50})

    assert [one.engine for one in discover(host.fs, Plan(only="web")).containers] == [EngineName.DOCKER, EngineName.RUNC]


def test_every_container_of_a_captured_host_is_found_by_its_name_as_in_the_whole(v2_host: HostFs) -> None:
    whole = discover(v2_host, Plan(addresses=False)).containers
    assert {one.engine for one in whole} >= {EngineName.DOCKER, EngineName.PODMAN, EngineName.CONTAINERD, EngineName.RUNC}
    for one in whole:
        for query in (one.id, one.name, one.key):
            meant = {other.key for other in whole if query in (other.id, other.name, other.key)}
            found = {other.key: other.pids for other in discover(v2_host, Plan(addresses=False, only=query)).containers}
            assert {key: found[key] for key in meant} == {other.key: other.pids for other in whole if other.key in meant}


class Noting(HostFs):
    """Notes what is read."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.noted: list[str] = []

    def read(self, path: str, *, limit: int = READ_LIMIT, owner: int | None = None) -> bytes:
        self.noted.append(path)
        return super().read(path, limit=limit, owner=owner)


def test_where_one_is_sought_the_states_of_other_oci_containers_are_not_read(host: HostTree) -> None:
    for number, name in enumerate(("one", "two", "three")):
        runc_state(host, name, 50 + number, 6000)
        host.process(50 + number, starttime=6000, cgroup=f"/{name}", namespaces={"pid": 50, "mnt": 50})
    noting = Noting(host.path)

    assert only(discover(noting, Plan(only="two"))).name == "two"
    assert [path for path in noting.noted if path.endswith("state.json")] == ["/run/runc/two/state.json"]


@pytest.mark.parametrize("commands", [True, False])
def test_a_bundle_is_read_for_its_command_where_that_is_wanted(host: HostTree, commands: bool) -> None:
    runc_state(host, "box", 50, 6000)
    host.file("/b/box/config.json", '{"process": {"args": ["sleep", "1"]}}')
    host.process(50, starttime=6000, cgroup="/box", namespaces={"pid": 50, "mnt": 50})
    noting = Noting(host.path)

    assert only(discover(noting, Plan(commands=commands))).command == (("sleep", "1") if commands else None)
    assert ("/b/box/config.json" in noting.noted) is commands


@pytest.mark.parametrize("query", ["web", "bo", "pid:50", "sleep"])
def test_where_no_state_says_that_it_runs_the_whole_host_is_looked_at(host: HostTree, query: str) -> None:
    docker_state(host, 0, running=False)
    host.process(40, cgroup=f"/docker/{DOCKER_ID}", namespaces=OWN)  # its cgroup says that it runs after all
    runc_state(host, "box", 50, 6000)
    host.process(50, starttime=6000, cgroup="/box", namespaces={"pid": 50, "mnt": 50})
    host.process(60, comm="sleep", namespaces={"pid": 60, "mnt": 60})  # unclaimed

    snapshot = discover(host.fs, Plan(only=query))

    assert [(one.name, one.pid) for one in snapshot.containers] == [("web", 40), ("box", 50), ("sleep", 60)]
