"""``ctrscope-oci`` for real: the specification's lifecycle, what a container gets, and what cannot be escaped from."""

import array
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.bundles import PATIENCE, PYTHONPATH, RUNTIME, Bundle, done, oci
from tests.live.machine import wait_for
from tests.requirements import require, require_root

pytestmark = pytest.mark.filterwarnings("error")
ID = f"oci-{os.getpid()}"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    require_root("makes containers")
    require("busybox")
    return Bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """Where state is kept; whatever is there in the end is removed."""
    root = tmp_path / "state"
    yield root
    for name in os.listdir(root) if root.exists() else ():
        oci("--root", str(root), "delete", "--force", name)


@pytest.fixture
def runtime(state: Path, bundle: Bundle) -> Callable[..., str]:
    """Run a verb on the container of the test, which has to succeed."""

    def call(verb: str, *options: str, words: tuple[str, ...] = (), **more: Any) -> str:
        where = ("--bundle", str(bundle.path)) if verb in ("create", "run") else ()
        return done("--root", str(state), verb, *where, *options, ID, *words, **more)

    return call


def refused(state: Path, *arguments: str) -> str:
    """What is said by one that fails."""
    ended = oci("--root", str(state), *arguments)
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    return ended.stderr


def state_of(runtime: Callable[..., str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(runtime("state"))
    return found


def await_status(runtime: Callable[..., str], status: str) -> None:
    wait_for(status, lambda: state_of(runtime)["status"] == status, seconds=PATIENCE)


def host_mounts(bundle: Bundle) -> list[str]:
    """What is mounted on this host because of the bundle; others mount and unmount all the time."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(bundle.path) in line]


def test_a_container_is_created_started_killed_and_deleted(bundle: Bundle, state: Path, runtime: Callable[..., str]) -> None:
    bundle.write("sh", "-c", "echo ran > /ran; exec sleep 1000")
    (bundle.rootfs / "ran").unlink(missing_ok=True)
    pid_file = state.parent / "pid"
    runtime("create", "--pid-file", str(pid_file))
    created = state_of(runtime)
    assert created["status"] == "created"
    assert created["pid"] == int(pid_file.read_text())
    assert created["bundle"] == str(bundle.path)
    assert created["annotations"] == {"org.example.purpose": "test"}
    assert not (bundle.rootfs / "ran").exists()
    assert "exists" in refused(state, "create", "--bundle", str(bundle.path), ID)
    runtime("start")
    wait_for("what it writes", (bundle.rootfs / "ran").exists, seconds=PATIENCE)
    assert state_of(runtime) == {**created, "status": "running"}
    assert Path(f"/proc/{created['pid']}/comm").read_text() in ("sh\n", "sleep\n")
    assert "cannot start" in refused(state, "start", ID)
    assert "not stopped: running" in refused(state, "delete", ID)
    runtime("kill", words=("KILL",))
    await_status(runtime, "stopped")
    assert "container not running" in refused(state, "kill", ID, "KILL")
    runtime("delete")
    assert "container does not exist" in refused(state, "state", ID)
    assert oci("--root", str(state), "delete", "--force", ID).returncode == 0


def test_run_returns_the_status_of_the_program_and_leaves_nothing(bundle: Bundle, state: Path) -> None:
    bundle.write("sh", "-c", "exit 7")
    assert oci("--root", str(state), "run", "--bundle", str(bundle.path), ID).returncode == 7
    bundle.write("no-such-program")
    ended = oci("--root", str(state), "run", "--bundle", str(bundle.path), ID)
    assert (ended.returncode, ended.stderr.count("executable file not found in $PATH")) == (127, 1)
    bundle.write("/etc/os-release")
    ended = oci("--root", str(state), "run", "--bundle", str(bundle.path), ID)
    assert (ended.returncode, ended.stderr.count("permission denied")) == (126, 1)
    assert os.listdir(state) == []
    assert host_mounts(bundle) == []
    assert not list(Path("/sys/fs/cgroup").glob(f"*/ctrscope/{ID}"))


def test_a_container_is_what_runc_makes_of_the_same_bundle(bundle: Bundle, state: Path) -> None:
    require("runc")
    script = "; ".join(
        (
            "id; hostname; pwd; env | sort; umask; ulimit -n; tty; cat /proc/self/oom_score_adj",
            "cat /proc/kcore | wc -c; touch /proc/sys/x; grep pids /proc/self/cgroup; ls /proc/self/fd | wc -l",
            "grep -E '^(Cap|NoNew|Seccomp:|Groups)' /proc/self/status",
            "awk '{ print $5, $6, $(NF-2) }' /proc/self/mountinfo",
            "ls -l /dev | awk '{ print $1, $3, $4, $5, $6, $NF }' | grep -v total | sort; ip addr | grep -c LOOPBACK,UP",
        )
    )

    def edit(spec: dict[str, Any]) -> None:
        spec["process"]["user"] = {"uid": 0, "gid": 0, "additionalGids": [5, 6], "umask": 0o027}
        spec["process"]["oomScoreAdj"] = 100
        spec["linux"]["cgroupsPath"] = f"/{ID}"
        spec["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}],
        }
        spec["process"]["noNewPrivileges"] = False

    bundle.write("sh", "-c", script, edit=edit)
    theirs = done("--root", str(state / "runc"), "run", "--bundle", str(bundle.path), ID, runtime=("runc",))
    ours = done("--root", str(state / "ours"), "run", "--bundle", str(bundle.path), ID)
    # The tmpfs is read-only either way: as a mount here, as a file system there.
    theirs = theirs.replace("/sys/fs/cgroup rw,", "/sys/fs/cgroup ro,")
    # On a hybrid host runc shows none of the hierarchy that has no controllers; a masked file is the host's null here.
    assert [line for line in ours.splitlines() if "/unified" not in line and not line.startswith("/proc/kcore")] == [
        line for line in theirs.splitlines() if not line.startswith("/proc/kcore")
    ]
    shutil.rmtree(state)


def test_another_program_is_run_as_the_containers_own(bundle: Bundle, state: Path, runtime: Callable[..., str]) -> None:
    bundle.write("sleep", "1000")
    runtime("create")
    runtime("start")
    script = "readlink /proc/self/ns/mnt; id -u; pwd; cat /proc/1/cgroup /proc/self/cgroup; echo $A; exit 9"
    ended = oci("--root", str(state), "exec", "--user", "5:6", "--cwd", "/tmp", "-e", "A=b c", ID, "sh", "-c", script)
    assert ended.returncode == 9
    namespace, uid, directory, *cgroups, variable = ended.stdout.splitlines()
    assert (uid, directory, variable) == ("5", "/tmp", "b c")
    assert namespace == os.readlink(f"/proc/{state_of(runtime)['pid']}/ns/mnt")
    assert cgroups[: len(cgroups) // 2] == cgroups[len(cgroups) // 2 :]
    process = state / "process.json"
    process.write_text(
        json.dumps({"args": ["sh", "-c", "id -g; grep CapEff /proc/self/status"], "cwd": "/", "user": {"gid": 4}})
    )
    said = runtime("exec", "--process", str(process))
    assert said.split() == ["4", "CapEff:", "0000000000000000"]
    process.write_text(json.dumps({"args": [], "cwd": "/"}))
    assert "$.args: expected a program" in refused(state, "exec", "--process", str(process), ID)
    assert refused(state, "exec", ID, "no-such-program").count("executable file not found") == 1
    pids = json.loads(runtime("ps", "--format", "json"))
    assert pids == [state_of(runtime)["pid"]]
    runtime("pause")
    assert state_of(runtime)["status"] == "paused"
    assert json.loads(done("--root", str(state), "list", "--format", "json"))[0]["status"] == "paused"
    runtime("resume")
    assert state_of(runtime)["status"] == "running"


def test_hooks_run_in_their_order_with_the_state_on_standard_input(
    bundle: Bundle, state: Path, runtime: Callable[..., str]
) -> None:
    heard = state.parent / "heard"
    inside = "/bin/sh"

    def hook(kind: str, shell: str, where: str) -> list[dict[str, Any]]:
        script = f"read -r line; echo {kind} $(readlink /proc/self/ns/mnt) $line >> {where}"
        return [{"path": shell, "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"], "timeout": 60}]

    def edit(spec: dict[str, Any]) -> None:
        kinds = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
        spec["hooks"] = {kind: hook(kind, "/bin/sh", str(heard)) for kind in kinds}
        spec["hooks"]["startContainer"] = hook("startContainer", inside, "/heard")

    bundle.write("sleep", "1000", edit=edit)
    runtime("create")
    pid = state_of(runtime)["pid"]
    runtime("start")
    namespace = os.readlink(f"/proc/{pid}/ns/mnt")
    done("--root", str(state), "delete", "--force", ID)
    lines = [line.split(" ", 2) for line in heard.read_text().splitlines()]
    assert [line[0] for line in lines] == ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
    host = os.readlink("/proc/self/ns/mnt")
    assert [line[1] for line in lines] == [host, host, namespace, host, host]
    assert [f'"id":"{ID}"' in line[2] and f'"pid":{pid},' in line[2] for line in lines] == [True, True, True, True, False]
    assert [status for line in lines for status in ("created", "running", "stopped") if f'"status":"{status}"' in line[2]] == [
        "created", "created", "created", "running", "stopped",
    ]  # fmt: skip
    assert (bundle.rootfs / "heard").read_text().startswith(f"startContainer {namespace}")


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        (lambda spec: spec["mounts"].append({"destination": "/x", "source": "/not/there", "options": ["bind"]}), "/not/there"),
        (lambda spec: spec.update(hooks={"createRuntime": [{"path": "/bin/false"}]}), "$.hooks.createRuntime[0]"),
        (lambda spec: spec["process"].update(args=["nothing"]), "executable file not found"),
        (lambda spec: spec["linux"].update(sysctl={"net.not.there": "1"}), "net.not.there"),
        (lambda spec: spec["mounts"][0].update(destination=5), "$.mounts[0].destination"),
        (lambda spec: spec["process"].update(cwd="relative"), "$.process.cwd"),
        (lambda spec: spec["linux"]["namespaces"].append({"type": "new"}), "$.linux.namespaces[6].type"),
        (lambda spec: spec["linux"]["namespaces"].append({"type": "user"}), "$.linux.uidMappings"),
    ],
)
def test_a_creation_that_fails_says_why_and_leaves_nothing(
    bundle: Bundle, state: Path, what: Callable[[dict[str, Any]], None], wanted: str
) -> None:
    def edit(spec: dict[str, Any]) -> None:
        what(spec)
        spec["linux"]["cgroupsPath"] = f"/{ID}"

    bundle.write("true", edit=edit)
    log = state.parent / "log.json"
    ended = oci("--root", str(state), "--log", str(log), "--log-format", "json", "create", "--bundle", str(bundle.path), ID)
    assert ended.returncode == 1
    assert wanted in ended.stderr
    assert json.loads(log.read_text().splitlines()[-1])["msg"] in ended.stderr
    assert not state.exists() or os.listdir(state) == []
    assert host_mounts(bundle) == []
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{ID}"))


def test_no_link_of_the_root_file_system_leads_a_mount_outside(bundle: Bundle, state: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("bound")
    links = {
        "absolute": str(outside),
        "climbing": "../../../../../../../../../.." + str(outside),
        "dangling": "/made/by/the/mount",
        "of-a-process": "/proc/self/root" + str(outside),
    }
    for name, target in links.items():
        with suppress(FileNotFoundError):
            (bundle.rootfs / name).unlink()
        (bundle.rootfs / name).symlink_to(target)

    def edit(spec: dict[str, Any]) -> None:
        for name in links:
            spec["mounts"].append({"destination": f"/{name}", "type": "bind", "source": str(source), "options": ["bind", "ro"]})
            spec["mounts"].append({"destination": f"/{name}-{name}/{name}", "type": "tmpfs", "source": "tmpfs"})

    for name in links:
        (bundle.rootfs / f"{name}-{name}").unlink(missing_ok=True)
        (bundle.rootfs / f"{name}-{name}").symlink_to(f"{links[name]}-2")
    bundle.write("sh", "-c", "cat /absolute/file /climbing/file /dangling/file; ls -d /absolute-absolute/absolute", edit=edit)
    said = done("--root", str(state), "run", "--bundle", str(bundle.path), ID)
    assert said == "boundboundbound/absolute-absolute/absolute\n"
    assert os.listdir(outside) == []
    assert sorted(os.listdir(tmp_path)) == ["outside", "source", "state"]
    assert (bundle.rootfs / "made/by/the/mount").is_dir()
    for name in links:
        (bundle.rootfs / name).unlink()
        (bundle.rootfs / f"{name}-{name}").unlink()


def test_procfs_is_not_mounted_where_a_link_says(bundle: Bundle, state: Path) -> None:
    proc = bundle.rootfs / "proc"
    proc.rmdir()
    proc.symlink_to("/tmp")
    try:
        bundle.write("true")
        said = refused(state, "run", "--bundle", str(bundle.path), ID)
    finally:
        proc.unlink()
        proc.mkdir()
    assert "/proc: refused" in said


def test_neither_directory_nor_program_leads_out_through_a_descriptor(bundle: Bundle, state: Path) -> None:
    (bundle.rootfs / "outside").unlink(missing_ok=True)
    for number in range(3, 15):
        (bundle.rootfs / "outside").symlink_to(f"/proc/self/fd/{number}")
        bundle.write("sh", "-c", "ls -d ../../../etc/hostname", edit=lambda spec: spec["process"].update(cwd="/outside"))
        ended = oci("--root", str(state), "run", "--bundle", str(bundle.path), ID)
        (bundle.rootfs / "outside").unlink()
        assert ended.returncode != 0
        assert ended.stdout == ""
    script = bundle.rootfs / "bin/evil"
    script.write_text("#!/proc/self/exe -c\n")
    script.chmod(0o755)
    (bundle.rootfs / "bin/worse").unlink(missing_ok=True)
    (bundle.rootfs / "bin/worse").symlink_to("/proc/self/exe")
    for name in ("evil", "worse"):
        bundle.write(f"/bin/{name}")
        assert "leads to a file outside" in refused(state, "run", "--bundle", str(bundle.path), ID)


def test_a_user_namespace_maps_ids_and_still_has_devices(bundle: Bundle, state: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    (hidden / "source").mkdir(parents=True)
    (hidden / "source/file").write_text("bound")
    hidden.chmod(0o700)  # root inside could not come to the source by its name

    def edit(spec: dict[str, Any]) -> None:
        spec["linux"]["namespaces"].append({"type": "user"})
        mapping = [{"containerID": 0, "hostID": 300000, "size": 1000}]
        spec["linux"].update(uidMappings=mapping, gidMappings=mapping)
        spec["mounts"].append({"destination": "/bound", "source": str(hidden / "source"), "options": ["rbind", "ro"]})

    for path in (bundle.path, *bundle.path.parents):
        if path.stat().st_mode & 0o111 != 0o111:
            path.chmod(path.stat().st_mode | 0o011)
    script = "cat /proc/self/uid_map; id -u; echo > /dev/null && echo fine; ls /bound; stat -c %u /bin/busybox"
    bundle.write("sh", "-c", script, edit=edit)
    shutil.chown(bundle.rootfs, 300000, 300000)
    try:
        said = done("--root", str(state), "run", "--bundle", str(bundle.path), ID)
    finally:
        shutil.chown(bundle.rootfs, 0, 0)
    assert said.split() == ["0", "300000", "1000", "0", "fine", "file", "65534"]


def test_clocks_of_a_time_namespace_are_ahead(bundle: Bundle, state: Path) -> None:
    def edit(spec: dict[str, Any]) -> None:
        spec["linux"]["namespaces"].append({"type": "time"})
        spec["linux"]["timeOffsets"] = {"boottime": {"secs": 1_000_000}, "monotonic": {"secs": 5}}

    bundle.write("cat", "/proc/uptime", edit=edit)
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    inside = float(done("--root", str(state), "run", "--bundle", str(bundle.path), ID).split()[0])
    assert inside == pytest.approx(uptime + 1_000_000, abs=PATIENCE)


def test_namespaces_are_joined_by_their_path(bundle: Bundle, state: Path, runtime: Callable[..., str]) -> None:
    bundle.write("sleep", "1000")
    runtime("create")
    runtime("start")
    pid = state_of(runtime)["pid"]

    def edit(spec: dict[str, Any]) -> None:
        for one in spec["linux"]["namespaces"]:
            if one["type"] in ("network", "ipc", "uts", "pid"):
                one["path"] = f"/proc/{pid}/ns/{'net' if one['type'] == 'network' else one['type']}"

    bundle.write("sh", "-c", "for name in net ipc uts pid; do readlink /proc/self/ns/$name; done", edit=edit)
    said = done("--root", str(state), "run", "--bundle", str(bundle.path), f"{ID}-2")
    assert said.split() == [os.readlink(f"/proc/{pid}/ns/{name}") for name in ("net", "ipc", "uts", "pid")]

    def wrong(spec: dict[str, Any]) -> None:
        spec["linux"]["namespaces"][0]["path"] = f"/proc/{pid}/ns/net"

    bundle.write("true", edit=wrong)
    assert "is no pid namespace" in refused(state, "run", "--bundle", str(bundle.path), f"{ID}-2")


def test_a_terminal_is_sent_to_the_socket_that_waits_for_it(bundle: Bundle, state: Path, runtime: Callable[..., str]) -> None:
    def edit(spec: dict[str, Any]) -> None:
        spec["process"].update(terminal=True, consoleSize={"height": 24, "width": 77})

    bundle.write("sh", "-c", "tty; stty size; ls -l /dev/console; exec sleep 1000", edit=edit)
    assert "--console-socket" in refused(state, "create", "--bundle", str(bundle.path), ID)
    path = str(bundle.path / "s")
    with suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        runtime("create", "--console-socket", path)
        with listener.accept()[0] as console:
            name, ancillary, _, _ = console.recvmsg(100, socket.CMSG_LEN(4))
    master = array.array("i", ancillary[0][2])[0]
    runtime("start")
    said = b""
    while said.count(b"\n") < 3:
        said += os.read(master, 1000)
    os.close(master)
    terminal, size, console_node = said.decode().splitlines()
    assert (terminal, size) == (name.decode(), "24 77")
    assert " 136, " in console_node


def test_only_the_descriptors_that_were_meant_are_passed_on(bundle: Bundle, state: Path) -> None:
    bundle.write("sh", "-c", "echo passed >&3; ls -1 /proc/self/fd")
    reader, writer = os.pipe()
    extra = os.open("/etc", os.O_RDONLY)
    moved = os.dup(writer)
    try:
        script = f'exec 3>&{moved} 4</etc "$@"'
        command = ("bash", "-c", script, "bash")
        said = done(
            "--root", str(state), "run", "--preserve-fds", "1", "--bundle", str(bundle.path), ID,
            runtime=(*command, *RUNTIME), pass_fds=(moved, extra),
        )  # fmt: skip
        os.close(writer)
        os.close(moved)
        assert os.read(reader, 100) == b"passed\n"
        assert said.split() == ["0", "1", "2", "3", "4"]  # 4 is ls's own
        assert "descriptor 3 is not open" in refused(state, "run", "--preserve-fds", "1", "--bundle", str(bundle.path), ID)
    finally:
        os.close(reader)
        os.close(extra)


def test_a_tmpfs_takes_over_what_it_covers(bundle: Bundle, state: Path) -> None:
    (bundle.rootfs / "etc/kept").write_text("kept")
    os.chown(bundle.rootfs / "etc/kept", 5, 6)

    def edit(spec: dict[str, Any]) -> None:
        spec["mounts"].append({"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]})
        spec["root"]["readonly"] = True

    bundle.write("sh", "-c", "cat /etc/kept; stat -c ' %u:%g' /etc/kept; touch /etc/new && touch /new", edit=edit)
    ended = oci("--root", str(state), "run", "--bundle", str(bundle.path), ID)
    assert ended.stdout == "kept 5:6\n"
    assert "Read-only file system" in ended.stderr
    assert not (bundle.rootfs / "etc/new").exists()


@pytest.mark.parametrize("who", ["ours", "runc"])
def test_a_mount_that_is_to_be_shared_is_shared_and_the_hosts_stay_where_they_are(
    bundle: Bundle, state: Path, tmp_path: Path, who: str
) -> None:
    require(*(["runc"] if who == "runc" else []))
    outside = tmp_path / "outside"
    outside.mkdir()

    def edit(spec: dict[str, Any]) -> None:
        spec["linux"]["rootfsPropagation"] = "shared"
        spec["mounts"].append({"destination": "/way", "type": "bind", "source": str(outside), "options": ["rbind", "rshared"]})

    bundle.write("grep", "-E", " /way .* shared:", "/proc/self/mountinfo", edit=edit)
    # Of a host whose mounts are shared, as systemd's are, but of nobody else's.
    argv = (*(RUNTIME if who == "ours" else ("runc",)), "--root", str(state), "run", "--bundle", str(bundle.path), ID)
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    script = 'mount --make-rshared /; findmnt -rno TARGET >before; "$@" >&2; s=$?; findmnt -rno TARGET | diff before -; exit $s'
    ended = subprocess.run(
        ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *argv),
        cwd=outside, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


def test_a_container_that_is_32_bits_to_itself_has_its_filter_and_priority(bundle: Bundle, state: Path) -> None:
    def edit(spec: dict[str, Any]) -> None:
        spec["linux"]["personality"] = {"domain": "LINUX32"}
        spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
        spec["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}

    bundle.write("sh", "-c", "uname -m; grep Seccomp: /proc/self/status", edit=edit)
    machine = {"x86_64": "i686", "aarch64": "armv8l"}[os.uname().machine]
    assert done("--root", str(state), "run", "--bundle", str(bundle.path), ID).split() == [machine, "Seccomp:", "2"]


def test_without_a_mount_namespace_of_its_own_the_mounts_go_with_the_container(
    bundle: Bundle, state: Path, runtime: Callable[..., str]
) -> None:
    def edit(spec: dict[str, Any]) -> None:
        spec["linux"]["namespaces"] = [{"type": "pid"}]
        del spec["hostname"]

    bundle.write("sleep", "1000", edit=edit)
    runtime("create")
    runtime("start")
    pid = state_of(runtime)["pid"]
    assert os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    assert os.path.exists(f"/proc/{pid}/root/dev/null")
    assert host_mounts(bundle)
    done("--root", str(state), "delete", "--force", ID)
    assert host_mounts(bundle) == []

    def of_the_host(spec: dict[str, Any]) -> None:
        edit(spec)
        spec["root"]["path"] = "/"

    bundle.write("true", edit=of_the_host)
    assert "$.root.path" in refused(state, "create", "--bundle", str(bundle.path), ID)


def test_a_template_is_written_once_and_is_a_bundle_for_runc_too(bundle: Bundle, state: Path, tmp_path: Path) -> None:
    require("runc")
    done("spec", "--bundle", str(tmp_path))
    assert "exists" in refused(state, "spec", "--bundle", str(tmp_path))
    spec = json.loads((tmp_path / "config.json").read_text())
    spec["process"].update(terminal=False, args=["hostname"])
    spec["root"]["path"] = str(bundle.rootfs)
    (tmp_path / "config.json").write_text(json.dumps(spec))
    ours = done("--root", str(state / "ours"), "run", "--bundle", str(tmp_path), ID)
    theirs = done("--root", str(state / "runc"), "run", "--bundle", str(tmp_path), ID, runtime=("runc",))
    assert ours == theirs
    assert ours.strip()
    shutil.rmtree(state)


def test_signals_reach_the_program_of_run(bundle: Bundle, state: Path) -> None:
    bundle.write("sh", "-c", "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.1; done")
    argv = [*RUNTIME, "--root", str(state), "run", "--bundle", str(bundle.path), ID]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": PYTHONPATH}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "got\n"
        assert process.wait(PATIENCE) == 5
