"""The files that say what a container was asked to be: which, and how their secrets are hidden."""

import json
from pathlib import Path

from ctrscope.discovery.config_files import config_paths, parse_config_file, read_config_files
from ctrscope.model.container import Container, ContainerStatus, EngineName, Evidence
from ctrscope.probes.hostfs import HostFs

_CONFIG = {
    "process": {"env": ["PATH=/bin", "DB_PASSWORD=hunter2"], "args": ["app", "--api-key=abc123", "plain"]},
    "annotations": {"auth-token": "t0ps3cret", "note": "hello"},
}


def _container(*sources: str, bundle: str | None = "/bundle", owner_uid: int = 0) -> Container:
    evidence = tuple(Evidence(source=source, value="") for source in sources)
    return Container(
        id="3fca",
        name="web",
        engine=EngineName.DOCKER,
        status=ContainerStatus.STOPPED,
        bundle=bundle,
        evidence=evidence,
        owner_uid=owner_uid,
    )


def test_the_bundles_file_comes_first_then_the_engines_own() -> None:
    found = config_paths(
        _container(
            "/data/containers/3fca/config.v2.json",
            "/run/runc/3fca/state.json",
            "/proc/12/stat",
            "/var/lib/containers/storage/overlay-containers/containers.json",
            "/var/lib/containers/storage/overlay-containers/volatile-containers.json",
            "/var/lib/containers/storage/libpod/bolt_state.db",
            "/var/lib/lxc/web/config",
        )
    )
    assert found == [
        "/bundle/config.json",
        "/data/containers/3fca/config.v2.json",
        "/data/containers/3fca/hostconfig.json",
        "/run/runc/3fca/state.json",
        "/var/lib/lxc/web/config",
    ]


def test_secrets_in_json_are_hidden_wherever_they_stand() -> None:
    text = json.dumps(_CONFIG).encode()
    hidden = "\n".join(parse_config_file(text, "/config.json").lines)
    for secret in ("hunter2", "abc123", "t0ps3cret"):
        assert secret not in hidden
    for kept in ("PATH=/bin", "DB_PASSWORD=***", "--api-key=***", '"auth-token": "***"', '"note": "hello"'):
        assert kept in hidden
    assert "hunter2" in "\n".join(parse_config_file(text, "/config.json", show_secrets=True).lines)


def test_secrets_in_lines_are_hidden() -> None:
    text = b"lxc.uts.name = web\nlxc.environment = DB_PASSWORD=hunter2\nlxc.environment = LANG=C\ntoken: abc\n"
    found = parse_config_file(text, "/var/lib/lxc/web/config").lines
    assert found == ("lxc.uts.name = web", "lxc.environment = DB_PASSWORD=***", "lxc.environment = LANG=C", "token: ***", "")


def test_what_is_no_json_is_not_shown_since_its_secrets_could_not_be_told() -> None:
    for text in (b'{"env": ["DB_PASSWORD=hunter2"', b"[" * 100_000, b"\xff"):
        found = parse_config_file(text, "/config.json")
        assert found.lines == ()
        assert found.trouble.startswith("no JSON: ")


def test_a_file_that_is_not_there_is_left_out_and_one_that_is_too_long_says_so(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/config.json").write_bytes(b" " * 2_000_000)
    (found,) = read_config_files(HostFs(str(tmp_path)), _container("/run/runc/3fca/state.json"))
    assert (found.path, found.lines) == ("/bundle/config.json", ())
    assert "longer than" in found.trouble


def test_a_users_store_does_not_lead_to_files_of_others(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/config.json").write_text("{}")
    (found,) = read_config_files(HostFs(str(tmp_path)), _container(owner_uid=54321))
    assert "owned by uid" in found.trouble
