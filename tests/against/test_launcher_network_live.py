"""Containers of ``ctrscope run`` on this very host: they reach each other, a published port answers, and nothing is left."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.kernel.networks import network_namespace
from tests.live.machine import run, wait_for
from tests.requirements import require, require_root

pytestmark = pytest.mark.usefixtures("_needed")

_NAMES = tuple(f"cs-net-{os.getpid()}-{name}" for name in ("web", "other", "beside"))
_WEB, _OTHER, _BESIDE = _NAMES
#: Says who asked.
_SERVE = """
import socket
with socket.create_server(("", 80)) as server:
    while True:
        connection, (sender, _) = server.accept()
        with connection:
            connection.sendall(sender.encode())
"""
_ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as connection:
    print(connection.recv(100).decode())
"""


def ctrscope(*arguments: str) -> str:
    return run(sys.executable, "-m", "ctrscope", *arguments)


def found(name: str) -> dict[str, Any]:
    container: dict[str, Any] = json.loads(ctrscope("inspect", name, "--json"))["container"]
    return container


def address(name: str) -> str:
    return str(found(name)["addresses"][0]).partition("/")[0]


def ask(pid: int, where: str, port: int) -> str:
    """What is answered to a process in the network namespace of that one; "" is nothing."""
    argv = ("nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", _ASK, where, str(port))
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def own_address() -> str:
    """An address of this host that is not the loopback's."""
    for one in json.loads(run("ip", "-j", "-4", "addr")):
        for info in one["addr_info"]:
            if one["ifname"] != "lo" and not one["ifname"].startswith("ctrscope"):
                return str(info["local"])
    pytest.skip("this host has no address but the loopback's")


@pytest.fixture(scope="module")
def _needed() -> None:
    require_root("a bridge")
    require("ip", "nft", "nsenter", "unshare")


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("", 0)) as probe:
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture(scope="module", autouse=True)
def _pair(_needed: None, port: int) -> Iterator[None]:
    """A server with a published port, and another container on the bridge."""
    before = links_and_rules()
    python = (os.path.realpath(sys.executable), "-ISc")
    volume = () if sys.base_prefix == "/usr" else ("-v", f"{sys.base_prefix}:{sys.base_prefix}:ro")
    try:
        ctrscope("run", "-d", "--name", _WEB, "--net", "bridge", "-p", f"{port}:80", *volume, "--", *python, _SERVE)
        ctrscope("run", "-d", "--name", _OTHER, "--net", "bridge", "--", "/bin/sleep", "1000")
        wait_for("the server", lambda: ask(os.getpid(), address(_WEB), 80))
        yield
    finally:
        for name in _NAMES:
            with suppress(Exception):
                ctrscope("rm", "--force", name)
    assert links_and_rules() == before


def links_and_rules() -> list[str]:
    """Lines about the bridge and its ports, as ip(8) and nft(8) have them: those of others may change meanwhile."""
    lines = (*run("ip", "-br", "link").splitlines(), *run("nft", "list", "ruleset").splitlines())
    return [line.partition("@")[0].strip() for line in lines if "ctrscope" in line]


def test_two_containers_on_the_bridge_reach_each_other() -> None:
    assert ask(found(_OTHER)["pid"], address(_WEB), 80) == address(_OTHER)


def test_a_published_port_answers_on_this_host_and_to_other_containers(port: int) -> None:
    assert ask(os.getpid(), "127.0.0.1", port)
    assert ask(os.getpid(), own_address(), port)
    assert ask(found(_OTHER)["pid"], own_address(), port)


def test_it_is_declared_found_in_the_rules_and_explained(port: int) -> None:
    (declared,) = found(_WEB)["ports"]
    assert (declared["host_port"], declared["container_port"]) == (port, 80)
    published = json.loads(ctrscope("net", "--json"))["publications"]
    (ours,) = [one for one in published if one["host_port"] == port]
    assert (ours["is_declared"], ours["target_ip"], ours["target_port"]) == (True, address(_WEB), 80)
    assert any("ctrscope0" in via for via in ours["via"])
    path = json.loads(ctrscope("net", _WEB, "--path", str(port), "--json"))["path"]
    broken = [hop for hop in path["hops"] if hop["is_ok"] is False]
    assert broken == []
    assert path["hops"][-1]["kind"] == "listener"


def test_the_network_of_any_container_or_namespace_is_joined() -> None:
    with network_namespace() as namespace:
        inode = os.stat(f"/proc/{namespace.pid}/ns/net").st_ino
        for network in (f"container:pid:{namespace.pid}", f"ns:/proc/{namespace.pid}/ns/net"):
            ctrscope("run", "-d", "--name", _BESIDE, "--net", network, "--", "/bin/sleep", "1000")
            assert found(_BESIDE)["namespaces"]["net"] == inode
            ctrscope("rm", "--force", _BESIDE)
    web = found(_WEB)
    ctrscope("run", "-d", "--name", _BESIDE, "--net", f"container:{_WEB}", "--", "/bin/sleep", "1000")
    assert found(_BESIDE)["namespaces"]["net"] == web["namespaces"]["net"]
