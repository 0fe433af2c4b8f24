"""config.json of a bundle."""

from pathlib import Path

import pytest

from ctrscope.engines.oci_config import parse_oci_config, read_oci_config
from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs


def test_what_was_asked_for_is_read() -> None:
    config = parse_oci_config(
        b'{"ociVersion":"1.0.2","process":{"args":["sh","-c","x"],"env":["A=1"],"cwd":"/"},"root":{"path":"rootfs"},'
        b'"annotations":{"k":"v"},"linux":{"cgroupsPath":"/a/b","seccomp":{}}}',
        "config.json",
    )
    assert config.process is not None
    assert config.process.args == ("sh", "-c", "x")
    assert config.root is not None
    assert config.root.path == "rootfs"
    assert config.linux is not None
    assert config.linux.cgroups_path == "/a/b"


def test_a_config_says_only_what_it_says() -> None:
    config = parse_oci_config(b"{}", "config.json")
    assert (config.process, config.root, config.annotations, config.linux) == (None, None, None, None)


@pytest.mark.parametrize("text", [b"", b"[]", b'{"process":{"args":[1]}}', b'{"process":', b"\xff", b'{"x":' + b"[" * 200_000])
def test_what_makes_no_sense_is_a_parse_error_that_names_the_file(text: bytes) -> None:
    with pytest.raises(ParseError, match="/b/config"):
        parse_oci_config(text, "/b/config.json")


def test_cruns_own_copy_is_the_bundles_config(v2_host: HostFs) -> None:
    config = read_oci_config(v2_host, "/run/crun/crun-bare")
    assert config.process is not None
    assert config.process.args == ("sleep", "100000")


def test_a_bundle_that_is_gone_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_oci_config(HostFs(str(tmp_path)), "/gone")
