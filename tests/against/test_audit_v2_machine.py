"""What an audit says of a host, by changing the host: only in the virtual machine, which is thrown away (``make test-v2``)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.machine import run, wait_for

pytestmark = pytest.mark.skipif(
    os.environ.get("CTRSCOPE_V2_MACHINE") != "1", reason="runs in the virtual machine: make test-v2"
)

#: Setting → a lax value, and one that is not.
_SETTINGS = {
    "kernel.unprivileged_bpf_disabled": ("0", "2"),
    "kernel.kptr_restrict": ("0", "1"),
    "kernel.dmesg_restrict": ("0", "1"),
    "kernel.yama.ptrace_scope": ("0", "1"),
    "kernel.perf_event_paranoid": ("1", "3"),
    "kernel.randomize_va_space": ("1", "2"),
    "fs.protected_symlinks": ("0", "1"),
    "fs.protected_hardlinks": ("0", "1"),
}


def of_the_host() -> dict[str, str]:
    """Rule → title, of what is said of the host."""
    argv = [sys.executable, "-m", "ctrscope", "audit", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300)
    found = json.loads(done.stdout)["findings"]
    return {one["rule"].removeprefix("security/"): one["title"] for one in found if one["subject"]["kind"] == "host"}


def test_a_lax_setting_of_the_kernel_is_found_and_a_strict_one_is_not() -> None:
    rules = {name.replace(".", "-").replace("_", "-") for name in _SETTINGS}
    for which in (0, 1):
        for name, values in _SETTINGS.items():
            Path("/proc/sys", name.replace(".", "/")).write_text(values[which])
        assert rules & set(of_the_host()) == (rules if which == 0 else set())


def test_modes_that_let_everybody_write_are_found() -> None:
    assert not {"socket-mode", "state-mode"} & set(of_the_host())
    Path("/run/docker.sock").chmod(0o666)
    Path("/var/lib/containers").chmod(0o777)
    found = of_the_host()
    assert "/run/docker.sock" in found["socket-mode"]
    assert "/var/lib/containers" in found["state-mode"]


def test_a_host_with_apparmor_has_a_security_module() -> None:
    assert "apparmor" in Path("/sys/kernel/security/lsm").read_text()
    assert "no-lsm" not in of_the_host()


@pytest.fixture
def _dockerd_otherwise() -> Iterator[None]:
    """Docker on a port of this machine, and mapping users; afterwards as it was."""
    path = Path("/etc/docker/daemon.json")
    told = path.read_text()
    for kind in ("uid", "gid"):
        with Path(f"/etc/sub{kind}").open("a") as file:
            file.write("dockremap:200000:65536\n")
    run("useradd", "-r", "dockremap", check=False)
    more = {"hosts": ["unix:///run/docker.sock", "tcp://127.0.0.1:2375"], "userns-remap": "dockremap"}
    unit = Path("/etc/systemd/system/docker.service.d/hosts.conf")
    unit.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_text(json.dumps({**json.loads(told), **more}))
        unit.write_text("[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd\n")
        restart_docker()
        yield
        run("docker", "rm", "-f", "mapped", "opted-out", check=False, timeout=300)
    finally:
        path.write_text(told)
        unit.unlink()
        restart_docker()


def restart_docker() -> None:
    """With what its files say now."""
    run("systemctl", "daemon-reload")
    # A dockerd that binds the socket itself takes the path away from docker.socket, which has to make it anew.
    run("systemctl", "stop", "docker.service", "docker.socket", timeout=300)
    run("systemctl", "start", "docker.service", timeout=300)
    wait_for("dockerd", lambda: run("docker", "version", "-f", "{{.Server.Version}}", check=False).strip(), seconds=120)


@pytest.mark.usefixtures("_dockerd_otherwise")
def test_an_api_on_a_port_is_found_and_mapped_users_are_no_finding_but_to_opt_out_is() -> None:
    found = of_the_host()
    assert "tcp://127.0.0.1:2375" in found["docker-api-tcp"]
    assert "userns-remap-off" not in found
    run("docker", "import", "/run/ctrscope-lab/rootfs.tar", "ctrscope-test", timeout=300)
    for name, options in (("mapped", ()), ("opted-out", ("--userns=host",))):
        run("docker", "run", "-d", "--name", name, *options, "ctrscope-test", "sleep", "100000", timeout=300)
        argv = [sys.executable, "-m", "ctrscope", "audit", name, "--json"]
        answer = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300).stdout)
        rules = {one["rule"].removeprefix("security/") for one in answer["findings"]}
        opted_out = {"userns-opt-out", "root-without-userns"}
        assert rules & opted_out == (opted_out if name == "opted-out" else set())
