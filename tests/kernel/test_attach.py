"""Entering containers for real: what the entered process is, is what init is; afterwards nothing is different."""

import fcntl
import os
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from ctrscope.attach.enter import enter, opened_target
from ctrscope.attach.plan import plan_attach
from ctrscope.attach.request import AttachRequest, CannotAttach
from ctrscope.model.container import ContainerStatus
from ctrscope.model.namespace import NamespaceType
from ctrscope.probes.cgroupfs import read_layout
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_ns import read_namespaces
from ctrscope.probes.proc_pid_stat import read_stat
from tests.attach.containers import (
    attach,
    attach_command,
    children,
    container_of,
    entered,
    entrant_of,
    facts,
    make_rootfs,
    runc_container,
    unshared,
    wait_for,
)
from tests.requirements import require, require_root

pytestmark = pytest.mark.usefixtures("root")

_ALL = ("-m", "-p", "-f", "-n", "-u", "-i", "-C", "-T")
_MOUNTS = (
    "mount -t proc proc {0}/proc; mkdir -p {0}/dev/pts; mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 pts {0}/dev/pts;"
)


@pytest.fixture
def root() -> None:
    require_root()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[int]:
    """A container with every namespace but user, its own root, /proc and devpts."""
    rootfs = make_rootfs(tmp_path / "rootfs")
    with unshared(*_ALL, rootfs=rootfs, mounts=_MOUNTS.format(rootfs)) as init:
        yield init


@pytest.fixture
def runc_box(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A container of runc: its id and its init."""
    name = f"ctrscope-attach-{os.getpid()}"
    with runc_container(tmp_path, name, cwd="/srv", env=["PATH=/bin", "ROLE=web", "HOME=/tmp"]) as init:
        yield name, init


@pytest.mark.parametrize("user", [(), ("-U", "-r")], ids=["root", "user"])
@pytest.mark.parametrize(
    "flags",
    [("-m",), ("-n",), ("-u", "-i"), ("-C",), ("-p", "-f"), ("-T", "-f"), _ALL],
    ids=lambda flags: "".join(flags),
)
def test_the_entered_process_is_what_init_is(flags: tuple[str, ...], user: tuple[str, ...], tmp_path: Path) -> None:
    with unshared(*user, *flags, rootfs=make_rootfs(tmp_path / "rootfs")) as init, entered(init) as pid:
        assert facts(pid).namespaces == facts(init).namespaces
        assert facts(pid)[1:5] == facts(init)[1:5]
        assert set(facts(pid).descriptors) == {"0", "1", "2"}


def test_a_container_that_differs_in_its_root_directory_only_is_entered(tmp_path: Path) -> None:
    with unshared(rootfs=make_rootfs(tmp_path / "rootfs")) as init, entered(init) as pid:
        assert facts(pid)[:5] == facts(init)[:5]


def test_a_user_namespace_with_other_ids_is_entered_as_its_root(tmp_path: Path) -> None:
    rootfs = make_rootfs(tmp_path / "rootfs")
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    with unshared(*_ALL, rootfs=rootfs, mapped=True) as init:
        with entered(init) as pid:
            assert facts(pid).namespaces == facts(init).namespaces
            assert facts(pid).status == facts(init).status
            assert "100000" in facts(pid).status[0]
            assert "100004 100005" in facts(pid).status[2]
        result = attach(init, "id", user="33:44")
        assert result.stdout == b"uid=33 gid=44\n"


def test_a_user_that_the_user_namespace_does_not_have_is_refused_with_the_place_to_look() -> None:
    with unshared("-U", "-r", "-m") as init:
        result = attach(init, "id", user="1000")
    assert result.returncode == 125
    assert f"/proc/{init}/uid_map" in result.stderr.decode()


def test_an_ordinary_user_enters_a_container_of_their_own(tmp_path: Path) -> None:
    rootfs = make_rootfs(tmp_path / "rootfs")
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    with unshared("-U", "-r", *_ALL, rootfs=rootfs, uid=12345) as init:
        inside = "test $(id -u) = 0 && test -e /srv && test ! -e /usr && exit 9"
        assert _as_user(12345, init, AttachRequest(argv=("sh", "-c", inside), confined=True)) == (9, "")


def test_an_ordinary_user_who_may_not_join_its_cgroup_is_told_and_gets_in(capfd: pytest.CaptureFixture[str]) -> None:
    layout = read_layout(HostFs())
    if layout is None:
        pytest.skip("no cgroups")
    cgroup = Path(layout.mounts["pids" if "pids" in layout.mounts else ""]) / f"ctrscope-attach-{os.getpid()}"
    cgroup.mkdir()
    try:
        with unshared("-U", "-r", "-m", uid=12345) as init:
            (cgroup / "cgroup.procs").write_text(str(init))
            assert _as_user(12345, init, AttachRequest(argv=("sh", "-c", "exit 8"), confined=True)) == (8, "")
        assert "ctrscope: not in its cgroup" in capfd.readouterr().err
        with unshared("-U", "-r", "-p", "-f", uid=12345) as init:
            (cgroup / "cgroup.procs").write_text(str(init))
            assert _as_user(12345, init, AttachRequest(argv=("sh", "-c", "exit 8"), confined=True)) == (8, "")
        assert "ctrscope: not in its cgroup" in capfd.readouterr().err
    finally:
        wait_for("empty cgroup", lambda: not (cgroup / "cgroup.procs").read_text())
        cgroup.rmdir()


def test_an_ordinary_user_is_told_what_entering_a_container_of_root_takes(box: int) -> None:
    status, message = _as_user(12345, box, AttachRequest())
    assert status == 125
    assert "cannot attach to box: not permitted" in message
    assert "run ctrscope as root" in message


def test_root_without_the_capability_is_told_which() -> None:
    require("setpriv")
    with unshared("-n") as init:
        bare = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
        result = subprocess.run([*bare, *attach_command(init, "true")], capture_output=True, timeout=60, check=False)
    assert result.returncode == 125
    assert b"needs CAP_SYS_ADMIN; run ctrscope as root" in result.stderr


def test_inside_runc_it_is_as_with_runc_exec(runc_box: tuple[str, int]) -> None:
    name, init = runc_box
    # What both ends of the comparison cannot share: their own PIDs, and the shell's idea of its depth.
    look = "id; pwd; env | grep -v SHLVL; grep -E 'Cap|NoNew|Groups|Uid|Gid' /proc/self/status; cat /proc/self/cgroup; "
    look += "for n in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$n; done"
    theirs = subprocess.run(["runc", "exec", name, "sh", "-c", look], capture_output=True, stdin=subprocess.DEVNULL, check=True)
    mine = attach(init, "sh", "-c", look)
    assert mine.returncode == 0
    assert sorted(_without_term(mine.stdout)) == sorted(_without_term(theirs.stdout))


def test_inside_it_is_as_with_nsenter(box: int) -> None:
    require("nsenter")
    look = "for n in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$n; done"
    nsenter = ["nsenter", "-t", str(box), "-a", "-r", "/bin/sh", "-c", look]
    theirs = subprocess.run(nsenter, capture_output=True, check=True, env={"PATH": "/bin"}).stdout
    assert attach(box, "sh", "-c", look).stdout == theirs


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 3"), 3),
        (("sh", "-c", "kill -9 $$"), 137),
        (("sh", "-c", "kill -TERM $$"), 143),
        (("/srv",), 126),
        (("/etc/plain",), 126),
        (("/etc/lost",), 126),
        (("nothing-of-that-name",), 127),
        (("",), 127),
        (("/srv/nothing",), 127),
    ],
)
def test_the_exit_status_is_that_of_the_command(box: int, argv: tuple[str, ...], status: int) -> None:
    etc = Path(f"/proc/{box}/root/etc")
    (etc / "plain").write_text("not a program")
    (etc / "lost").write_text("#!/nowhere/sh\n")
    for name in ("plain", "lost"):
        (etc / name).chmod(0o755)
    result = attach(box, *argv)
    assert result.returncode == status
    assert bool(result.stderr) == (status in (126, 127))


def test_pipes_carry_bytes_as_they_are(box: int) -> None:
    content = os.urandom(300_000) + bytes(range(256)) + b"\r\n\x03\x04\x1a"
    assert attach(box, "cat", stdin=content).stdout == content
    both = attach(box, "sh", "-c", "echo out; echo err >&2")
    assert (both.stdout, both.stderr) == (b"out\n", b"err\n")


def test_user_directory_and_variables_are_as_asked(box: int) -> None:
    result = attach(
        box, "sh", "-c", "id -u; id -g; pwd; echo $ROLE $MORE", user="7:8", workdir="/srv", environment={"MORE": "x"}
    )
    assert result.stdout == b"7\n8\n/srv\ninit x\n"
    assert attach(box, "grep", "CapEff", "/proc/self/status", user="7").stdout.split()[1].strip(b"0") == b""
    lost = attach(box, "true", workdir="/nowhere")
    assert (lost.returncode, lost.stderr) == (125, b"box: working directory /nowhere: No such file or directory\n")


def test_the_doctor_has_our_capabilities_and_stays_out_of_the_cgroup(runc_box: tuple[str, int]) -> None:
    ours = re.search(r"CapBnd:\s*(\w+)", Path("/proc/self/status").read_text())
    assert ours is not None
    with entered(runc_box[1], confined=False) as pid:
        found = facts(pid)
        assert f"CapEff:\t{ours[1]}" in found.status
        assert "NoNewPrivs:\t0" in found.status
        assert found.namespaces == facts(runc_box[1]).namespaces
        assert found.cgroup == Path("/proc/self/cgroup").read_text()
    with entered(runc_box[1], confined=False, cgroup=True) as pid:
        assert facts(pid).cgroup == facts(runc_box[1]).cgroup


def test_a_program_of_the_host_looks_at_the_network_namespace_only(box: int) -> None:
    with entered(box, namespaces=("net",), confined=False) as pid:
        ours = read_namespaces(HostFs(), os.getpid())
        assert read_namespaces(HostFs(), pid).differs_from(ours) == (NamespaceType.NET,)
        assert os.path.samefile(f"/proc/{pid}/root", "/")
        assert Path(f"/proc/{pid}/cgroup").read_text() == Path("/proc/self/cgroup").read_text()


def test_what_the_caller_had_open_stays_outside(box: int) -> None:
    leak = os.open("/etc", os.O_RDONLY)
    try:
        command = attach_command(box, "ls", "/proc/self/fd")
        result = subprocess.run(command, capture_output=True, pass_fds=(leak,), stdin=subprocess.DEVNULL, check=True)
    finally:
        os.close(leak)
    assert result.stdout.split() == [b"0", b"1", b"2", b"3"]  # 3 is the directory that ls reads


def test_the_container_is_afterwards_as_it_was(runc_box: tuple[str, int]) -> None:
    _, init = runc_box
    before = _state(init)
    assert attach(init, "sh", "-c", "sleep 0; exit 4").returncode == 4
    assert attach(init, "nothing-of-that-name").returncode == 127
    assert _Terminal(init).finish("exit\n") == 0
    assert _state(init) == before


def test_a_shell_that_leads_back_to_our_own_interpreter_is_refused(box: int) -> None:
    inside = Path(f"/proc/{box}/root")
    (inside / "bin/evil").symlink_to("/proc/self/exe")
    (inside / "bin/script").write_text("#!/proc/self/exe\n")
    (inside / "bin/script").chmod(0o755)
    for name in ("evil", "script"):
        result = attach(box, name)
        assert result.returncode == 126
        assert b"outside the container" in result.stderr


def test_without_a_shell_inside_the_message_says_what_to_do(tmp_path: Path) -> None:
    rootfs = make_rootfs(tmp_path / "rootfs")
    with unshared("-m", rootfs=rootfs) as init:
        for name in ("sh", "busybox"):
            (rootfs / "bin" / name).unlink()
        result = attach(init)
    assert result.returncode == 127
    assert b"no shell inside box" in result.stderr
    assert b"--tools" in result.stderr


def test_a_paused_container_is_refused_and_not_entered(runc_box: tuple[str, int]) -> None:
    name, init = runc_box
    subprocess.run(["runc", "pause", name], check=True)
    container = container_of(init, ContainerStatus.PAUSED)
    with pytest.raises(CannotAttach, match="box: it is paused, and a command in its cgroup would hang; --thaw"):
        plan_attach(HostFs(), container, AttachRequest(argv=("true",), confined=True))
    assert attach(init, "true", confined=False).returncode == 0  # its doctor is not frozen


def test_a_reused_pid_is_never_entered(box: int) -> None:
    plan = plan_attach(HostFs(), container_of(box), AttachRequest(argv=("true",)))
    with pytest.raises(CannotAttach, match="ended meanwhile"), opened_target(replace(plan, starttime_ticks=1)):
        pass
    with pytest.raises(CannotAttach, match="ended meanwhile"):
        plan_attach(HostFs(), replace(container_of(box), starttime_ticks=1), AttachRequest())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command(box: int, number: signal.Signals) -> None:
    command = attach_command(box, "sh", "-c", f"trap 'exit 42' {number.value}; echo go; while :; do sleep 0.1; done")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"go\n"
        process.send_signal(number)
        assert process.wait(20) == 42


def test_a_signal_that_comes_once_the_command_runs_is_the_commands_even_if_we_have_not_heard_yet(box: int) -> None:
    command = attach_command(box, "sh", "-c", "trap 'exit 42' TERM; echo go; while :; do sleep 0.1; done")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not children.read_text():
            assert process.poll() is None
        process.send_signal(signal.SIGSTOP)
        assert process.stdout.readline() == b"go\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        assert process.wait(20) == 42


def test_the_command_dies_with_us(box: int) -> None:
    with subprocess.Popen(attach_command(box, "sleep", "1000"), stdin=subprocess.DEVNULL) as process:
        entrant = entrant_of(process.pid)
        wait_for("exec", lambda: b"sleep" in Path(f"/proc/{entrant}/cmdline").read_bytes())
        handle = os.pidfd_open(entrant)
        process.kill()
    assert select.select([handle], [], [], 20)[0]
    os.close(handle)


def test_the_terminal_is_one_of_the_containers_own(box: int) -> None:
    terminal = _Terminal(box, size=(31, 91))
    assert "/dev/pts/0\n31 91\n" in terminal.type("tty; stty size; echo done$((1+1))\n", "done2")
    terminal.type("sleep 1000\n", "", until=terminal.runs("sleep"))
    terminal.type("\x03", "# ")
    assert "code 130" in terminal.type("echo code $?\n", "code 130")
    terminal.resize(44, 99)
    assert "44 99" in terminal.type("stty size\n", "44 99")
    assert terminal.finish("exit 7\n") == 7
    assert terminal.is_as_before()


def test_without_a_devpts_inside_the_terminal_is_one_of_the_hosts(tmp_path: Path) -> None:
    with unshared("-m", "-n", rootfs=make_rootfs(tmp_path / "rootfs")) as init:
        terminal = _Terminal(init)
        assert "yes2" in terminal.type("test -t 0 && echo yes$((1+1))\n", "yes2")
        assert terminal.finish("exit\n") == 0


def test_jobs_can_be_stopped_and_resumed(box: int) -> None:
    terminal = _Terminal(box)
    terminal.type("sleep 1000\n", "", until=terminal.runs("sleep"))
    assert "Stopped" in terminal.type("\x1a", "Stopped")
    terminal.type("fg\n", "sleep 1000", until=terminal.runs("sleep", "S"))
    terminal.type("\x03", "# ")
    assert terminal.finish("exit 0\n") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_session_and_the_terminal_is_put_back(box: int, number: signal.Signals) -> None:
    terminal = _Terminal(box)
    terminal.type("trap '' TERM; echo ready$((1+1))\n", "ready2")
    os.kill(terminal.pid, number)
    assert terminal.finish("") in (129, 137, 143)
    assert terminal.is_as_before()
    assert wait_for("nobody left", lambda: _members(box) == [box])


def test_killed_the_terminal_is_put_back_and_nobody_is_left(box: int) -> None:
    terminal = _Terminal(box)
    shell = entrant_of(terminal.pid)
    terminal.type("sleep 1000\n", "", until=terminal.runs("sleep"))
    assert not terminal.is_as_before()
    os.kill(terminal.pid, signal.SIGKILL)
    assert terminal.finish("") == -signal.SIGKILL
    wait_for("terminal put back", terminal.is_as_before)
    wait_for("shell reaped", lambda: not os.path.exists(f"/proc/{shell}"))
    # What the shell had started is for init to reap, and this one does not.
    assert wait_for("nobody left", lambda: [pid for pid in _members(box) if read_stat(HostFs(), pid).state != "Z"] == [box])


def test_two_keys_leave_the_session(box: int) -> None:
    terminal = _Terminal(box)
    assert "yes2" in terminal.type("\x10echo yes$((1+1))\n", "yes2")  # the first key alone is the shell's
    terminal.finish("\x10\x11")
    assert terminal.is_as_before()
    assert wait_for("nobody left", lambda: _members(box) == [box])


def test_the_file_that_was_looked_at_is_the_file_that_runs(box: int) -> None:
    """Its name is a link that changes all the time: to a program, and to our own interpreter."""
    inside = Path(f"/proc/{box}/root/bin")
    swap = f"while :; do ln -sfn true {inside}/prog; ln -sfn /proc/self/exe {inside}/prog; done"
    with subprocess.Popen(["sh", "-c", swap], start_new_session=True) as swapper:
        try:
            wait_for("link", lambda: os.path.islink(inside / "prog"))
            results = {attach(box, "/bin/prog", "--version").stdout for _ in range(12)}
        finally:
            os.killpg(swapper.pid, signal.SIGKILL)
    assert not any(b"Python" in text for text in results)


def test_between_joining_and_executing_nothing_of_the_container_is_read_but_the_command(box: int, tmp_path: Path) -> None:
    """No module, no linker configuration, no locale; and what others may do with the process is settled last."""
    require("strace")
    trace = tmp_path / "trace"
    tracer = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=setns,chroot,prctl,openat,open,execve,execveat,setresuid"]
    subprocess.run([*tracer, *attach_command(box, "true", confined=False)], check=True, timeout=60)
    lines = [line.split(maxsplit=1) for line in trace.read_text().splitlines() if " resumed>" not in line]
    (entrant,) = {pid for pid, call in lines if call.startswith("chroot(")}
    calls = [call for pid, call in lines if pid == entrant]
    joined = next(index for index, call in enumerate(calls) if call.startswith("setns("))
    executed = next(index for index, call in enumerate(calls) if call.startswith("execveat("))
    opened = [call for call in calls[joined:executed] if call.startswith("open")]
    assert opened
    assert all('/true"' in call for call in opened), opened
    changes = [index for index, call in enumerate(calls[:executed]) if call.startswith(("setns(", "setresuid(", "chroot("))]
    hidden = [index for index, call in enumerate(calls[:executed]) if "PR_SET_DUMPABLE, SUID_DUMP_DISABLE" in call]
    assert hidden[-1] > changes[-1]


def test_a_script_runs_with_its_interpreter_and_argument(box: int) -> None:
    script = Path(f"/proc/{box}/root/srv/script")
    script.write_text("#!/bin/sh -e\nfalse\necho $0 $1\n")
    script.chmod(0o755)
    assert attach(box, "/srv/script", "x").returncode == 1
    script.write_text("#! /bin/sh\necho $0 $1\n")
    assert attach(box, "/srv/script", "x").stdout == b"/srv/script x\n"
    script.chmod(0o644)
    assert attach(box, "/srv/script", "x").returncode == 126


def test_the_hosts_tools_see_network_processes_and_files_of_a_container_that_has_none(tmp_path: Path) -> None:
    rootfs = make_rootfs(tmp_path / "rootfs")
    with unshared(*_ALL, rootfs=rootfs, mounts=_MOUNTS.format(rootfs)) as init:
        for name in os.listdir(rootfs / "bin"):
            (rootfs / "bin" / name).unlink()
        (rootfs / "srv" / "mark").write_text("here")
        before, ours = _state(init), Path("/proc/self/mountinfo").read_text()
        look = "cd /proc/self; readlink ns/net ns/pid; cat $CTRSCOPE_ROOT/srv/mark /proc/1/comm mountinfo"
        result = attach(init, "sh", "-c", look, confined=False, tools="")
        assert (result.returncode, result.stderr) == (0, b"")
        lines = result.stdout.decode().splitlines()
        assert lines[:2] == [facts(init).namespaces["net"], facts(init).namespaces["pid"]]
        assert lines[2] == "heresleep"
        assert any(" /mnt " in line for line in lines)
        assert not any("shared:" in line or "master:" in line for line in lines if " /mnt" in line)
        assert _state(init) == before
        assert Path("/proc/self/mountinfo").read_text() == ours


def test_an_ordinary_user_brings_the_hosts_tools_to_a_container_of_their_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rootfs = make_rootfs(tmp_path / "rootfs")
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    with unshared("-U", "-r", *_ALL, rootfs=rootfs, uid=12345) as init:
        look = AttachRequest(argv=("sh", "-c", "test -e $CTRSCOPE_ROOT/srv && cat /proc/1/comm && exit 6"), tools="")
        assert _as_user(12345, init, look) == (6, "")
    assert capfd.readouterr().out == "sleep\n"


def test_a_toolbox_comes_first(box: int, tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "uname"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho from the box\n")
    tool.chmod(0o755)
    assert attach(box, "uname", confined=False, tools=str(tmp_path)).stdout == b"from the box\n"


def test_limits_and_oom_score_are_those_of_init(runc_box: tuple[str, int]) -> None:
    init = runc_box[1]
    resource.prlimit(init, resource.RLIMIT_NOFILE, (333, 444))
    Path(f"/proc/{init}/oom_score_adj").write_text("321")
    with entered(init) as pid:
        assert Path(f"/proc/{pid}/limits").read_text() == Path(f"/proc/{init}/limits").read_text()
        assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "321\n"
    with entered(init, confined=False) as pid:
        assert Path(f"/proc/{pid}/oom_score_adj").read_text() == Path("/proc/self/oom_score_adj").read_text()


class _Terminal:
    """A person at a terminal, attached to a container."""

    def __init__(self, init: int, size: tuple[int, int] = (24, 80)) -> None:
        self._master, self._slave = os.openpty()
        self.resize(*size)
        self._before = termios.tcgetattr(self._slave)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LOGIN, *attach_command(init)[1:]],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.type("", "# ")

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str, expected: str, until: Callable[[], object] | None = None) -> str:
        """Type, and read until what is expected is on the screen."""
        os.write(self._master, keys.encode())
        if until is not None:
            wait_for(f"after {keys!r}", until)
        screen, deadline = "", time.monotonic() + 20
        while expected not in screen:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expected!r} not in {screen!r}")
            if select.select([self._master], [], [], 0.1)[0]:
                screen += os.read(self._master, 4096).decode().replace("\r\n", "\n")
        return screen

    def runs(self, program: str, state: str = "ST") -> Callable[[], object]:
        """Whether the shell has a child of that name in one of those states."""
        shell = entrant_of(self.pid)
        return lambda: [
            pid
            for pid in children(shell)
            if program in Path(f"/proc/{pid}/cmdline").read_text() and read_stat(HostFs(), pid).state in state
        ]

    def finish(self, keys: str) -> int:
        """Type, and wait for the end."""
        os.write(self._master, keys.encode())
        deadline = time.monotonic() + 20
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                self._process.kill()
                raise TimeoutError("does not end")
            if select.select([self._master], [], [], 0.05)[0]:
                os.read(self._master, 4096)
        return self._process.returncode

    def is_as_before(self) -> bool:
        return termios.tcgetattr(self._slave) == self._before


#: Makes the terminal that it got the controlling one, as login(1) does, and becomes the module that is named.
_LOGIN = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def _as_user(uid: int, init: int, request: AttachRequest) -> tuple[int, str]:
    """Attach as an ordinary user: status and message. In a child, since the interpreter may be out of that user's reach."""
    container = container_of(init)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            try:
                status = enter(plan_attach(HostFs(), container, request))
            except CannotAttach as error:
                os.write(writer, str(error).encode())
                status = error.status
        except BaseException as error:
            os.write(writer, repr(error).encode())
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        message = file.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), message


def _members(init: int) -> list[int]:
    """Processes in the PID namespace of *init*."""
    wanted = os.readlink(f"/proc/{init}/ns/pid")
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{name}/ns/pid") == wanted:
                found.append(int(name))
        except OSError:
            continue
    return found


def _state(init: int) -> tuple[object, ...]:
    """Everything of a container that an attach could have changed."""
    inside = Path(f"/proc/{init}/root")
    files = []
    for place, directories, names in os.walk(inside):
        directories[:] = [name for name in directories if not os.path.ismount(os.path.join(place, name))]
        files += [
            (path, os.lstat(path).st_mtime_ns, os.lstat(path).st_size) for name in names if (path := os.path.join(place, name))
        ]
    own = facts(init).cgroup.partition(":pids:/")[2].split("\n")[0]
    pids = Path("/sys/fs/cgroup/pids") / own / "cgroup.procs"
    mounts = Path(f"/proc/{init}/mountinfo").read_text()
    # In the root are the processes of the whole host, where others come and go.
    return facts(init), _members(init), sorted(files), mounts, pids.read_text() if own and pids.exists() else None


def _without_term(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if not line.startswith(b"TERM=")]
