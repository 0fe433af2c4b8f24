"""What every command does the same way: options, errors, closed pipes."""

import fcntl
import io
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ctrscope import __version__
from ctrscope.cli import main
from ctrscope.cli.answer import print_json
from ctrscope.cli.environment import Environment
from ctrscope.cli.options import split_verb
from ctrscope.cli.verb import VERBS
from ctrscope.probes.hostfs import HostFs
from tests.cli.conftest import Done, Host
from tests.requirements import require, require_root

Run = Callable[..., Done]


@pytest.mark.parametrize(
    ("argv", "verb", "rest"),
    [
        ([], None, []),
        (["ps", "-a"], "ps", ["-a"]),
        (["--json", "ps"], "ps", ["--json"]),
        (["--root", "ps", "tree", "ps"], "tree", ["--root", "ps", "ps"]),
        (["--root=/mnt", "ps"], "ps", ["--root=/mnt"]),
        (["attach", "web", "--", "ps", "--json"], "attach", ["web", "--", "ps", "--json"]),
        (["--", "ps"], None, ["--", "ps"]),
    ],
)
def test_the_verb_is_the_first_argument_that_is_no_option(argv: list[str], verb: str | None, rest: list[str]) -> None:
    assert split_verb(argv) == (verb, rest)


def test_global_options_stand_before_or_after_the_verb(awkward: Host, run: Run, tmp_path: Path) -> None:
    before, after = run("--json", "--root", str(tmp_path), "ps"), run("ps", "--root", str(tmp_path), "--json")
    assert before.answer == after.answer
    assert awkward.roots == [str(tmp_path)] * 2


def test_the_version_is_printed(run: Run) -> None:
    assert run("--version") == (0, f"ctrscope {__version__}\n", "")


@pytest.mark.parametrize("argv", [["help"], ["-h"], ["--help"]])
def test_help_lists_the_commands(run: Run, argv: list[str]) -> None:
    done = run(*argv)
    assert done.status == 0
    assert all(f"ctrscope {verb}" in done.out for verb in VERBS)


def test_help_of_a_command_is_that_commands_own(run: Run) -> None:
    assert run("help", "ps").out == run("ps", "--help").out
    assert "examples:" in run("help", "ps").out


@pytest.mark.parametrize("line", ["ps --frob", "inspect", "ps extra", "--root", "--root /nope ps", "--jso ps"])
def test_wrong_usage_exits_2_and_prints_nothing(run: Run, line: str) -> None:
    done = run(*line.split())
    assert (done.status, done.out) == (2, "")
    assert done.err


def test_a_root_that_cannot_be_read_says_why(run: Run, tmp_path: Path) -> None:
    assert run("--root", str(tmp_path / "none"), "ps").err == f"ctrscope: --root {tmp_path}/none: No such file or directory\n"
    assert run("--root", "", "ps") == (2, "", "ctrscope: --root: an empty name is no directory\n")  # "$ROOT" of a script
    (tmp_path / "file").touch()
    assert run("--root", str(tmp_path / "file"), "ps") == (2, "", f"ctrscope: --root {tmp_path}/file: Not a directory\n")


def test_a_mistyped_command_is_told_the_nearest(run: Run) -> None:
    assert run("inspct", "web") == (2, "", "ctrscope: no such command: inspct; did you mean inspect?\n")


@pytest.mark.parametrize("argv", [[], ["--json"], ["--read-only"]])
def test_the_dashboard_without_a_terminal_is_one_line_that_names_ps(run: Run, argv: list[str]) -> None:
    done = run(*argv)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert "ctrscope ps" in done.err


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_is_locked_when_asked_and_some_always(verb: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []

    class Stub:
        name, help = verb, ""

        def prepare_parser(self, parser: object) -> None: ...

        def run(self, *unused: object) -> int:
            events.append("run")
            return 0

    def lock(**unused: object) -> tuple[()]:
        events.append("lock")
        return ()

    monkeypatch.setattr("ctrscope.cli.load_verb", lambda where: Stub())
    monkeypatch.setattr("ctrscope.lock.lock", lock)
    run(verb, "--read-only")
    assert events == ["lock", "run"]  # in that order
    events.clear()
    run(verb)
    assert events == (["lock", "run"] if verb in ("audit", "snapshot", "diagnose") else ["run"])


def test_an_unexpected_error_is_one_line_and_a_traceback_only_with_debug(
    awkward: Host, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a \x1b[31msurprise")

    monkeypatch.setattr("ctrscope.discovery.discover.discover", broken)
    assert run("ps") == (1, "", "ctrscope: RuntimeError: a \\x1b[31msurprise (--debug shows where)\n")
    done = run("ps", "--debug")
    assert (done.status, done.out) == (1, "")
    assert "Traceback" in done.err


def test_an_interrupt_exits_130_without_a_word(awkward: Host, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ctrscope.discovery.discover.discover", interrupted)
    assert run("ps") == (130, "", "")


def test_an_error_of_the_system_names_the_file(awkward: Host, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/proc/\x1b")

    monkeypatch.setattr("ctrscope.cli._close_output", lambda: None)
    monkeypatch.setattr("ctrscope.discovery.discover.discover", broken)
    assert run("ps") == (1, "", "ctrscope: /proc/\\x1b: Permission denied\n")


def test_the_schema_is_json(run: Run) -> None:
    assert run("schema").answer["title"] == "ctrscope/1"


def _python(*argv: str, stdout: int, environment: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "ctrscope", *argv]
    return subprocess.run(command, text=True, check=False, timeout=60, stdout=stdout, stderr=subprocess.PIPE, env=environment)


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = _python("schema", stdout=write)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_interrupt_from_outside_exits_130_without_a_word() -> None:
    command = [sys.executable, "-m", "ctrscope", "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)  # less than the answer
        select.select([process.stdout], [], [], 60)  # it is in the middle of writing, and waits for us to read
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, b"")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_was_closed_before_the_start_is_no_error(closed: str) -> None:
    shell = f'exec "$0" -m ctrscope "$1" {closed}'
    good, bad = (
        subprocess.run(["sh", "-c", shell, sys.executable, verb], capture_output=True, check=False, timeout=60)
        for verb in ("schema", "no-such-verb")
    )
    assert (good.returncode, good.stderr) == (0, b"")
    assert (bad.returncode, bad.stdout) == (2, b"")


def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = _python("schema", stdout=full.fileno())
    assert (done.returncode, done.stderr) == (1, "ctrscope: No space left on device\n")


def test_a_locale_without_the_signs_is_no_error() -> None:
    done = _python("help", stdout=subprocess.PIPE, environment={"PYTHONIOENCODING": "ascii", "PATH": os.environ["PATH"]})
    assert (done.returncode, done.stderr) == (0, "")


def test_json_on_a_terminal_is_indented() -> None:
    out = io.StringIO()
    print_json(Environment(HostFs("/"), io.StringIO(), out, io.StringIO(), is_tty=True), b'{"a":[]}')
    assert out.getvalue() == '{\n  "a": []\n}\n'


def test_main_takes_the_arguments_of_the_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["ctrscope", "--version"])
    assert main() == 0
    assert __version__ in capsys.readouterr().out


def test_without_a_proc_nothing_is_said_about_the_host() -> None:
    """Every file is read through /proc: on a rescue system a host of engines looked like an empty one."""
    require_root("a mount namespace")
    require("unshare", "mount")
    lines = ("ps", "diagnose", "audit", "doctor", "ps --json", "kill web --yes", "attach web", "--help", "schema")
    script = "mount -t tmpfs none /proc && for line in " + " ".join(f"'{line}'" for line in lines)
    script += f"; do {sys.executable} -m ctrscope $line > /dev/null; echo $?; done"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == ["6", "6", "6", "6", "6", "6", "6", "0", "0"]
    assert done.stderr.count("ctrscope: no /proc is mounted here") == 7
    assert done.stderr.count("\n") == 7
