"""The command line of ``ctrscope-oci``, in the forms that engines use."""

import pytest

from ctrscope.cli.oci import main
from ctrscope.cli.oci.arguments import OPTIONS, parse
from ctrscope.cli.oci.living import parse_signal
from ctrscope.oci.errors import LauncherError


def test_podmans_create_is_understood() -> None:
    found = parse(
        [
            "--log=/l/oci-log",
            "--log-format=json",
            "create",
            "--bundle",
            "/b",
            "--pid-file",
            "/b/pidfile",
            "--console-socket",
            "/s",
            "ID",
        ]
    )
    assert (found.verb, found.id) == ("create", "ID")
    assert [found.find(name) for name in ("log", "log-format", "bundle", "pid-file", "console-socket", "root")] == [
        "/l/oci-log", "json", "/b", "/b/pidfile", "/s", None,
    ]  # fmt: skip


def test_containerds_shim_is_understood() -> None:
    found = parse(["--root", "/run/r", "--log", "/l", "--log-format", "json", "--systemd-cgroup", "kill", "--all", "ID", "9"])
    assert (found.verb, found.words, found.has("all"), found.has("systemd-cgroup")) == ("kill", ("ID", "9"), True, True)
    found = parse(["exec", "--process", "/p.json", "--detach", "--pid-file", "/pid", "ID"])
    assert (found.find("process"), found.has("detach"), found.words) == ("/p.json", True, ("ID",))
    assert parse(["ps", "-f", "json", "ID"]).find("format") == "json"


def test_nothing_after_the_id_of_exec_is_an_option() -> None:
    found = parse(["exec", "-t", "--env", "A=1", "-e", "B=2", "ID", "ls", "--all", "-t"])
    assert found.words == ("ID", "ls", "--all", "-t")
    assert found.options["env"] == ("A=1", "B=2")


def test_one_dash_is_as_good_as_two_and_a_switch_can_be_off() -> None:
    found = parse(["-root", "/r", "delete", "-force=false", "ID"])
    assert (found.find("root"), found.has("force")) == ("/r", False)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (["checkpoint", "ID"], "no such command: checkpoint"),
        (["create", "--console", "x", "ID"], "no such option of create: --console"),
        (["--rot", "/r", "state", "ID"], "no such option: --rot"),
        (["create", "ID", "--bundle"], "option --bundle takes a value"),
    ],
)
def test_what_it_does_not_know_is_said(line: list[str], wanted: str) -> None:
    with pytest.raises(LauncherError, match=wanted):
        parse(line)


@pytest.mark.parametrize(("word", "number"), [("9", 9), ("KILL", 9), ("SIGKILL", 9), ("term", 15), ("RTMIN", 34)])
def test_signals_have_numbers_and_names(word: str, number: int) -> None:
    assert parse_signal(word) == number


@pytest.mark.parametrize("word", ["", "0", "65", "NOPE", "-1"])
def test_what_is_no_signal_is_said(word: str) -> None:
    with pytest.raises(LauncherError, match="unknown signal"):
        parse_signal(word)


def test_an_error_is_one_sentence_and_status_1(capsys: pytest.CaptureFixture[str], tmp_path: object) -> None:
    assert main(["--root", str(tmp_path), "state", "nobody"]) == 1
    assert capsys.readouterr().err == "ctrscope-oci: container does not exist: nobody\n"
    assert main(["--root", str(tmp_path), "state", "../x"]) == 1
    assert "invalid container id" in capsys.readouterr().err
    assert main(["--root", str(tmp_path), "state"]) == 1
    assert "expected the ID of a container" in capsys.readouterr().err


def test_help_and_version_name_every_command_and_the_specification(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert "spec: 1.2.0" in capsys.readouterr().out
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for verb in filter(None, OPTIONS):
        assert f"\n  {verb} " in said
        assert main([verb, "--help"]) == 0
    assert main(["features"]) == 0
