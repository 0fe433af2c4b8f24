"""``ctrscope run`` and ``rm`` for real: whose exit status it is, what a supervisor keeps, what is left afterwards."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ctrscope.cli import main, rm
from ctrscope.oci.state import default_root
from ctrscope.run.removal import image_root
from tests.images.layouts import archive, file, folder, symlink, write_layout
from tests.live.machine import wait_for
from tests.requirements import require, require_root, unmet

PATIENCE = 60.0
MARK = f"hum-{os.getpid()}"  # of every container that these tests make


def ctrscope(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ctrscope", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, **options)


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """In the foreground, gone afterwards."""
    return ctrscope("run", "--rm", *arguments, **options)


def said(*arguments: str, **options: Any) -> str:
    """What a command that succeeds wrote."""
    done = run(*arguments, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def described(name: str) -> dict[str, Any]:
    done = ctrscope("inspect", "--json", name)
    assert done.returncode == 0, done.stderr
    container: dict[str, Any] = json.loads(done.stdout)["container"]
    return container


def directories() -> list[str]:
    """Everything on the file systems that carries our mark."""
    places = [
        Path(default_root()),
        Path(image_root()),
        *Path("/sys/fs/cgroup").glob("*/ctrscope"),
        Path("/sys/fs/cgroup/ctrscope"),
    ]
    return [str(path) for place in places if place.is_dir() for path in place.iterdir() if MARK in path.name]


def processes() -> list[str]:
    """Supervisors with our mark in their title."""
    titles = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if title.startswith("ctrscope-monitor") and MARK in title:
                titles.append(title)
    return titles


@pytest.fixture
def name() -> Iterator[Callable[[str], str]]:
    """Names for containers, which are removed with whatever belongs to them."""
    given: list[str] = []

    def make(name: str) -> str:
        given.append(f"{MARK}-{name}")
        return given[-1]

    yield make
    for one in given:
        ctrscope("rm", "--force", one)
    assert directories() == []
    wait_for("the end of all", lambda: not processes(), seconds=PATIENCE)


@pytest.fixture
def root() -> None:
    require_root("cgroups, and a root file system without a user namespace")


pytestmark = pytest.mark.usefixtures("root")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "sh -c 'kill -9 $$'; exit $?"), 137),
        (("/no/such/program",), 127),
        (("no-such-program",), 127),
        (("/etc/passwd",), 126),
        (("/etc",), 126),
    ],
)
def test_the_exit_status_is_the_commands_own(command: tuple[str, ...], status: int) -> None:
    done = run("--", *command)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr


def test_a_signal_that_ends_it_is_in_the_status() -> None:
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ctrscope",
            "run",
            "--rm",
            "--",
            "sh",
            "-c",
            "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "up\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE) == 3


def test_standard_streams_are_the_commands() -> None:
    done = run("-i", "--", "sh", "-c", "cat; echo error >&2", input="through\n")
    assert (done.stdout, done.stderr) == ("through\n", "error\n")
    assert said("--", "cat", input="not asked for\n") == ""


def test_without_an_image_it_has_the_hosts_files_to_be_read_and_nothing_else_of_the_host() -> None:
    script = """
        cat /etc/passwd | head -n 1
        touch /usr/x 2>&1; touch /etc/x 2>&1
        for place in /tmp /run /var/tmp /root; do touch $place/x && ls -A $place; done
        ls /proc | grep -c '^[0-9]'
        cat /proc/net/dev | grep -c :
        hostname
    """
    lines = said("--hostname", "alone", "--", "sh", "-c", script).splitlines()
    assert lines[0] == Path("/etc/passwd").read_text().splitlines()[0]
    assert "Read-only file system" in lines[1]
    assert "Read-only file system" in lines[2]
    assert lines[3:7] == ["x"] * 4
    assert int(lines[7]) < 6  # sh, ls, grep
    assert lines[8] == "1"  # lo
    assert lines[9] == "alone"


def test_a_namespace_of_the_hosts_is_not_kept_by_the_copy_of_its_root(tmp_path: Path) -> None:
    holder = tmp_path / "holder"
    holder.touch()
    with subprocess.Popen(["unshare", "--net", "sleep", "1000"]) as held:
        try:
            wait_for("the program", lambda: Path(f"/proc/{held.pid}/comm").read_text() == "sleep\n", seconds=PATIENCE)
            subprocess.run(["mount", "--bind", f"/proc/{held.pid}/ns/net", holder], check=True)
            done = run("--", "grep", " - nsfs ", "/proc/self/mountinfo")
            assert (done.returncode, done.stdout) == (1, "")
        finally:
            subprocess.run(["umount", holder], check=True)
            held.kill()


def test_nothing_of_the_host_changes_by_it() -> None:
    def picture() -> list[str]:
        links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
        return [line.split()[0] for line in links.splitlines() if line.startswith("ctrscope")] + directories()

    before = picture()
    said("--", "true")
    assert picture() == before


def test_options_arrive_in_the_container(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "shared").write_text("from the host\n")
    script = "id -u; id -g; pwd; echo $A; cat /tmp/data/shared; ulimit -n; ulimit -Hn; grep -E 'CapBnd|NoNew' /proc/self/status"
    lines = said(
        *("-u", "65534:65534", "-w", "/tmp", "-e", "A=b", "-v", f"{tmp_path}:/tmp/data:ro", "--ulimit", "nofile=100:200"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--", "sh", "-c", script),
    ).splitlines()  # fmt: skip
    assert lines[:7] == ["65534", "65534", "/tmp", "b", "from the host", "100", "200"]
    assert lines[7].split() == ["CapBnd:", "0000000000000000"]
    assert lines[8].split() == ["NoNewPrivs:", "1"]


def test_a_detached_one_is_what_discovery_says_it_is(name: Callable[[str], str]) -> None:
    web = name("web")
    done = ctrscope("run", "-d", "--name", web, "--", "sh", "-c", "echo out; echo error >&2; exec sleep 1000")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{web}\n", "")
    found = described(web)
    assert (found["engine"], found["name"], found["status"]) == ("ctrscope", web, "running")
    assert found["command"] == ["sh", "-c", "echo out; echo error >&2; exec sleep 1000"]
    assert found["monitor"]["alive"]
    assert found["monitor"]["comm"] == "ctrscope-mon"
    assert found["cgroup"]["path"] == f"/ctrscope/{web}"
    log = wait_for(
        "two lines",
        lambda: text if len(text := Path(found["log_path"]).read_text().splitlines()) == 2 else None,
        seconds=PATIENCE,
    )
    assert sorted(line.partition(" ")[2] for line in log) == ["stderr F error", "stdout F out"]
    tree = ctrscope("tree", web).stdout
    assert f"{found['monitor']['pid']} supervisor: ctrscope-monitor {web} " in tree
    stat = Path(f"/proc/{found['pid']}/stat").read_text().rpartition(")")[2].split()
    assert int(stat[1]) == found["monitor"]["pid"]  # the kernel says so, too


def test_how_a_detached_one_ended_is_noted(name: Callable[[str], str]) -> None:
    ended = name("ended")
    assert ctrscope("run", "-d", "--name", ended, "--", "sh", "-c", "sleep 0.1; exit 3").returncode == 0
    found = wait_for(
        "the note of its end",
        lambda: one if (one := described(ended))["status"] == "stopped" and one["exit_code"] is not None else None,
        seconds=PATIENCE,
    )
    assert found["exit_code"] == 3
    assert found["finished_at"] is not None
    wait_for("the end of all", lambda: not processes(), seconds=PATIENCE)
    assert directories() == [f"{default_root()}/{ended}"]
    done = ctrscope("rm", ended)
    assert (done.returncode, done.stdout) == (0, f"removed {ended}\n")


def test_the_supervisor_passes_signals_on(name: Callable[[str], str]) -> None:
    one = name("signalled")
    script = "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"
    assert ctrscope("run", "-d", "--name", one, "--", "sh", "-c", script).returncode == 0
    found = described(one)
    wait_for("a line", lambda: "up" in Path(found["log_path"]).read_text(), seconds=PATIENCE)
    os.kill(found["monitor"]["pid"], signal.SIGTERM)
    assert wait_for("the exit status", lambda: described(one)["exit_code"], seconds=PATIENCE) == 9


def test_a_detached_one_with_rm_leaves_nothing(name: Callable[[str], str]) -> None:
    one = name("short")
    assert ctrscope("run", "-d", "--rm", "--name", one, "--", "sleep", "0.1").returncode == 0
    wait_for("nothing to be left", lambda: not directories() and not processes(), seconds=PATIENCE)


def test_a_start_that_fails_is_told_to_who_asked_and_leaves_nothing(name: Callable[[str], str]) -> None:
    done = ctrscope("run", "-d", "--name", name("never"), "--", "no-such-program")
    assert done.returncode == 127
    assert "no-such-program" in done.stderr
    assert directories() == []


def test_a_name_is_given_once(name: Callable[[str], str]) -> None:
    one = name("twice")
    assert ctrscope("run", "-d", "--name", one, "--", "sleep", "1000").returncode == 0
    done = ctrscope("run", "--name", one, "--", "true")
    assert done.returncode == 125
    assert "is taken" in done.stderr
    assert described(one)["status"] == "running"


def test_when_the_supervisor_is_killed_it_runs_on_and_can_be_removed(name: Callable[[str], str]) -> None:
    one = name("orphan")
    assert ctrscope("run", "-d", "--name", one, "--", "sleep", "1000").returncode == 0
    found = described(one)
    os.kill(found["monitor"]["pid"], signal.SIGKILL)
    wait_for("the end of the supervisor", lambda: not described(one)["monitor"]["alive"], seconds=PATIENCE)
    assert described(one)["status"] == "running"
    assert ctrscope("rm", one, stdin=subprocess.DEVNULL).returncode == 2  # nobody to ask
    assert ctrscope("rm", "--force", one[: len(MARK) + 3]).returncode == 0
    assert not Path(f"/proc/{found['pid']}").exists() or Path(f"/proc/{found['pid']}/stat").read_text().split()[2] == "Z"
    assert directories() == []


def test_a_terminal_is_the_containers_own_and_ours_is_put_back(name: Callable[[str], str]) -> None:
    one = name("terminal")
    child, master = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "ctrscope", "run", "-it", "--rm", "--name", one, "--", "sh"])
    written = b""

    def until(text: bytes) -> None:
        nonlocal written
        deadline = time.monotonic() + PATIENCE
        while text not in written:
            assert time.monotonic() < deadline, written
            if select.select([master], [], [], 0.1)[0]:
                written += os.read(master, 4096)

    try:
        until(b"# ")
        os.write(master, b"tty; exit 5\r")
        until(b"/dev/pts/0\r\n")
        while True:
            try:
                if not os.read(master, 4096):
                    break
            except OSError:  # EIO: it is over
                break
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    finally:
        os.close(master)


def busybox(tmp_path: Path, **config: Any) -> str:
    require("busybox")
    program = Path(subprocess.run(["which", "busybox"], capture_output=True, text=True, check=True).stdout.strip())
    below = [
        folder("bin"),
        file("bin/busybox", program.read_bytes(), mode=0o755),
        file("etc/old"),
        file("etc/passwd", b"web:x:33:34::/srv:/bin/sh\n"),
    ]
    above = [file("etc/.wh.old"), *(symlink(f"bin/{one}", "busybox") for one in ("sh", "id", "cat", "ls", "echo", "pwd"))]
    return write_layout(tmp_path / "layout", [archive(below), archive(above)], tag="1", config=config, compress="gzip")


def test_an_image_says_what_runs_and_as_whom(tmp_path: Path) -> None:
    image = busybox(
        tmp_path,
        Entrypoint=["/bin/sh", "-c"],
        Cmd=["id; pwd; echo $A; ls /etc"],
        Env=["A=image"],
        User="web",
        WorkingDir="/srv/app",
    )
    lines = said("--image", image).splitlines()
    assert lines[0].startswith("uid=33(web) gid=34")
    assert lines[1:3] == ["/srv/app", "image"]
    assert "old" not in lines[3:]
    assert said("--image", image, "-u", "0", "--", "echo over").splitlines() == ["over"]
    assert directories() == []


def test_an_image_in_a_user_namespace_is_owned_by_its_root(tmp_path: Path) -> None:
    image = busybox(tmp_path)
    lines = said(
        "--image",
        image,
        "--userns",
        "300000:65536",
        "--",
        "sh",
        "-c",
        "id; ls -ln /bin/busybox; cat /proc/self/uid_map; echo > /made",
    ).splitlines()
    assert lines[0].startswith("uid=0")
    assert lines[1].split()[2:4] == ["0", "0"]
    assert lines[2].split() == ["0", "300000", "65536"]


def test_what_was_unpacked_for_nobody_is_swept_away(tmp_path: Path) -> None:
    left = Path(image_root()) / f"{MARK}-left"
    (left / "rootfs/bin").mkdir(parents=True)
    said("--image", busybox(tmp_path), "--", "echo", "hello")
    assert not left.exists()


def test_the_hosts_root_is_shown_with_its_disks_and_it_is_said_what_is_left_out(tmp_path: Path) -> None:
    require_root("mounts")
    if not Path("/dev/fuse").exists():
        unmet("there is no /dev/fuse")
    for one in ("a b", "hidden/below", "far", "other"):
        (tmp_path / one).mkdir(parents=True)
    (tmp_path / "other/file").write_text("on a disk\n")
    source = subprocess.run(("findmnt", "-no", "SOURCE", "-T", tmp_path), capture_output=True, text=True, check=True).stdout
    if not source.startswith("/dev/"):
        pytest.skip("files of tests are on no disk here")
    script = """
import os, subprocess, sys
def sh(*words):
    subprocess.run(words, check=True, close_fds=False)
sh("mount", "--bind", sys.argv[1], "/mnt")
sh("mount", "--bind", "/mnt/other", "/mnt/a b")
sh("mount", "--bind", "/mnt/other", "/mnt/hidden/below")
sh("mount", "-t", "tmpfs", "none", "/mnt/hidden")
fuse = os.open("/dev/fuse", os.O_RDWR)
os.set_inheritable(fuse, True)
sh("mount", "-i", "-t", "fuse.sshfs", "-o", f"fd={fuse},rootmode=40000,user_id=0,group_id=0", "far", "/mnt/far")
os.execv(sys.executable, (sys.executable, "-m", "ctrscope", "run", "--rm", *sys.argv[2:]))
"""
    apart = ("unshare", "--mount", "--propagation", "private", sys.executable, "-c", script, str(tmp_path))
    command = ("--", "sh", "-c", "cat '/mnt/a b/file'; ls /mnt/hidden /mnt/far")
    done = subprocess.run((*apart, *command), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, "on a disk\n/mnt/far:\n\n/mnt/hidden:\nbelow\n"), done.stderr
    assert "may not answer: /mnt/far (fuse.sshfs); -v /mnt/far:/mnt/far shows that one" in done.stderr


def test_a_user_namespace_without_a_group_for_terminals_is_made_too() -> None:
    require_root("maps ids")
    assert said("--userns", "300000:2", "--", "id", "-u") == "0\n"


def test_a_hostile_image_is_refused_before_anything_is_there(tmp_path: Path, name: Callable[[str], str]) -> None:
    image = write_layout(tmp_path / "layout", [archive([file("a/../../escaped", b"!")])])
    done = ctrscope("run", "--name", name("hostile"), "--image", image, "--", "true")
    assert done.returncode == 125
    assert "refused" in done.stderr
    assert not (tmp_path / "escaped").exists()
    assert directories() == []


def test_a_bundle_that_umoci_unpacked_runs(tmp_path: Path) -> None:
    require("umoci")
    image = busybox(tmp_path, Cmd=["/bin/sh", "-c", "cat /etc/passwd"])
    subprocess.run(["umoci", "unpack", "--image", image, tmp_path / "bundle"], check=True, capture_output=True)
    assert said("--bundle", str(tmp_path / "bundle")) == "web:x:33:34::/srv:/bin/sh\n"
    assert said("--bundle", str(tmp_path / "bundle"), "--", "echo", "other") == "other\n"
    done = run("--bundle", str(tmp_path / "bundle"), "--memory", "64m", "--net", "host")
    assert done.returncode == 2
    assert "--net, --memory too" in done.stderr


def test_a_network_is_joined_whosever_it_is(name: Callable[[str], str]) -> None:
    one = name("joined")
    assert ctrscope("run", "-d", "--name", one, "--", "sleep", "1000").returncode == 0
    namespace = os.readlink(f"/proc/{described(one)['pid']}/ns/net")
    assert said("--net", f"container:{one}", "--", "readlink", "/proc/self/ns/net").strip() == namespace
    assert said("--net", "host", "--", "readlink", "/proc/self/ns/net").strip() == os.readlink("/proc/self/ns/net")
    assert run("--net", "container:no-such", "--", "true").returncode == 4
    assert run("--net", "somewhere", "--", "true").returncode == 2
    ended = name("ended")
    assert ctrscope("run", "--name", ended, "--", "true").returncode == 0
    done = run("--net", f"container:{ended}", "--", "true")
    assert done.returncode == 125
    assert "does not run: it has no network" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--memory", "lots"), 2, "--memory 'lots' is not a size"),
        (("-p", "80:80"), 2, "say --net bridge"),
        (("--rootfs", "/no/such"), 2, "--rootfs /no/such: there is no such directory"),
        (("--image", "/no/such:1"), 125, "there is no such image layout"),
        (("--bundle", "/no/such"), 125, "/no/such: there is no config.json"),
        (("--name", "a b"), 125, "invalid container id"),
        (("--name", "../x"), 125, "invalid container id"),
        (("-t",), 125, "no terminal"),
        (("--user", "nobody-here"), 2, "no 'nobody-here' in its /etc/passwd"),
        (("--read-only",), 125, "refused under --read-only"),
        (("--json",), 2, "no JSON answer"),
        (("--cpuset", "99999", "--", "true"), 2, "--cpuset '99999': this host has CPUs 0 to "),
        (
            ("--net", "ns:no-such-one", "--", "true"),
            2,
            "--net ns:no-such-one: there is no /run/netns/no-such-one; ip netns lists",
        ),
        (("--net", "ns:/etc/passwd", "--", "true"), 125, "/etc/passwd is no network namespace"),
        (("--workdir", "/no/such", "--", "true"), 125, "$.process.cwd: /no/such is not there, and cannot be made: "),
        (("--security-opt", "seccomp=/no/such", "--", "true"), 125, "/no/such: No such file or directory\n"),
        (("--hostname", "h" * 65, "--", "true"), 125, "$.hostname: expected at most 64 bytes"),
        (("--memory", "4k", "--", "true"), 125, "a memory limit below some 4m is too little to start in"),
        (("alpine", "sh"), 2, "alpine sh: the command stands after --, an image after --image"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments: tuple[str, ...], status: int, message: str) -> None:
    done = run(*arguments, "--", "true")
    assert done.returncode == status
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_what_took_the_place_of_the_one_that_was_asked_about_is_not_removed(
    name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = name("replaced")
    assert ctrscope("run", "-d", "--name", one, "--", "sleep", "1000").returncode == 0

    def answer(_environment: object, _lines: object, question: str, *, yes: bool) -> None:
        assert f"process {first}" in question
        assert not yes
        assert ctrscope("rm", "--force", one).returncode == 0
        assert ctrscope("run", "-d", "--name", one, "--", "sleep", "1000").returncode == 0

    first = described(one)["pid"]
    monkeypatch.setattr(rm, "ask", answer)
    assert main(["rm", one]) == 1
    second = described(one)
    assert second["status"] == "running"
    assert f"{one} was started meanwhile, process {second['pid']}: nothing was done" in capsys.readouterr().err


def test_rm_removes_none_but_ours() -> None:
    held = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sleep", "1000"])
    try:
        child = wait_for(
            "a child", lambda: Path(f"/proc/{held.pid}/task/{held.pid}/children").read_text().split(), seconds=PATIENCE
        )
        done = ctrscope("rm", "--force", f"pid:{child[0]}")
        assert done.returncode == 1
        assert "not ours to remove: nothing was done" in done.stderr
        assert held.poll() is None
    finally:
        held.kill()
        held.wait()
    assert ctrscope("rm", "no-such-container").returncode == 4
    assert ctrscope("rm", "--read-only", "any").returncode == 1
