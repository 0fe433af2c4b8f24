"""``ctrscope attach`` from its command line: what belongs to whom, and what is refused."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ctrscope.cli import main
from ctrscope.cli.attach import Attach, parse_keys, parse_types, parse_user, parse_variable
from ctrscope.cli.options import parse_arguments
from tests.attach.containers import runc_container
from tests.requirements import require_root


def parse(*argv: str) -> argparse.Namespace:
    return parse_arguments(Attach(), argv)


def test_options_after_the_command_belong_to_the_command() -> None:
    arguments = parse("web", "-u", "7:8", "--", "ls", "--json", "-u", "x", "--", "y")
    assert arguments.id == "web"
    assert arguments.user == "7:8"
    assert arguments.argv == ("ls", "--json", "-u", "x", "--", "y")
    assert arguments.json is False


def test_without_a_command_there_is_none() -> None:
    assert parse("--read-only", "web", "-w", "/tmp").argv == ()


@pytest.mark.parametrize(
    "line",
    [
        "web --",
        "web ls",
        "-- ls",
        "web -u :5",
        "web -u 4294967295",
        "web -n all,-all",
        "web -n net,-net",
        "web --escape ctrl-",
        "web -u 1:x",
        "web -e K",
        "web -n ne",
    ],
)
def test_wrong_usage_is_exit_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*line.split())
    assert caught.value.code == 2
    assert "usage: ctrscope attach ID [options] [-- CMD …]" in capsys.readouterr().err


def test_users_variables_types_and_keys_are_read_as_they_are_written() -> None:
    assert parse_user("0") == "0"
    assert parse_user("www-data:5") == "www-data:5"
    assert parse_variable("A=b=c") == ("A", "b=c")
    assert parse_types("net,uts") == ("net", "uts")
    assert parse_types("all") == ()
    assert parse_types("all,-mnt") == parse_types("-mnt") == ("cgroup", "ipc", "net", "pid", "time", "user", "uts")
    assert parse_keys("ctrl-p,ctrl-q") == b"\x10\x11"
    assert parse_keys("ctrl-],d") == b"\x1dd"
    assert parse_keys("") == b""


def test_the_hosts_tools_are_neither_confined_nor_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attach", "web", "--tools", "--confined"]) == 2
    assert "neither --confined nor -w" in capsys.readouterr().err


def test_a_toolbox_that_is_not_there_is_not_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attach", "web", "--tools=/no/such", "--", "true"]) == 2
    assert capsys.readouterr().err == "ctrscope: --tools /no/such: there is no such directory on this host\n"


def test_read_only_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attach", "web", "--read-only", "--", "true"]) == 125
    assert "refused under --read-only" in capsys.readouterr().err


def test_json_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attach", "web", "--json"]) == 2
    assert "no JSON answer" in capsys.readouterr().err


def test_another_root_is_no_place_to_attach_to(v2_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--root", str(v2_root), "attach", "d-web", "--", "true"])
    assert status == 125
    assert "is not the running host" in capsys.readouterr().err


def test_an_unknown_container_is_exit_4(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attach", "no-such-container-anywhere"]) == 4
    assert "no such container" in capsys.readouterr().err


def test_a_container_is_found_and_entered_and_a_paused_one_refused(tmp_path: Path) -> None:
    require_root()
    name = f"ctrscope-attach-cli-{os.getpid()}"
    attach = [sys.executable, "-m", "ctrscope", "attach", name]
    with runc_container(tmp_path, name, env=["ROLE=web"]):
        result = subprocess.run([*attach, "--", "sh", "-c", "echo $ROLE $HOME; exit 3"], capture_output=True, check=False)
        assert (result.returncode, result.stdout, result.stderr) == (3, b"web /\n", b"")
        subprocess.run(["runc", "pause", name], check=True)
        paused = subprocess.run([*attach, "--confined", "--", "true"], capture_output=True, check=False, timeout=60)
        assert paused.returncode == 125
        assert b"it is paused" in paused.stderr
        script = ["--", "sh", "-c", "exit 4"]
        thaw = [*attach, "--thaw", "--confined"]
        asked = subprocess.run([*thaw, *script], capture_output=True, check=False, timeout=60)
        assert asked.returncode == 2
        assert b"--yes" in asked.stderr
        woken = subprocess.run(
            [*attach, "--thaw", "--yes", "--confined", *script], capture_output=True, check=False, timeout=60
        )
        assert woken.returncode == 4
        state = subprocess.run(["runc", "state", name], capture_output=True, check=True)
        assert json.loads(state.stdout)["status"] == "paused"


def test_no_directory_leads_out_of_the_container_through_a_descriptor_of_ours(tmp_path: Path) -> None:
    require_root()
    name = f"ctrscope-attach-cwd-{os.getpid()}"
    # Of the host's /proc the directory of every process is at hand; of the container's root nothing of the kind.
    look = ["--", "sh", "-c", "test ! -e ../1/ns"]
    with runc_container(tmp_path, name):
        for number in range(3, 20):
            attach = [sys.executable, "-m", "ctrscope", "attach", name, "-w", f"/proc/self/fd/{number}", *look]
            result = subprocess.run(attach, capture_output=True, check=False, timeout=60)
            assert result.returncode in (0, 125), (number, result.stderr)


def test_a_program_of_the_host_gets_nothing_of_the_containers_environment(tmp_path: Path) -> None:
    require_root()
    name = f"ctrscope-attach-env-{os.getpid()}"
    attach = [sys.executable, "-m", "ctrscope", "attach", name, "-n", "net", "--confined", "--", "sh", "-c", "echo $ROLE"]
    with runc_container(tmp_path, name, env=["ROLE=web", "PATH=/proc/1/root/evil"]):
        result = subprocess.run(attach, capture_output=True, check=False, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"\n", b"")
