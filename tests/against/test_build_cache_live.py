"""Docker's build cache, as ``docker system df`` lists it at the same moment."""

import functools
import http.client
import http.server
import io
import json
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.storage import read_storage
from ctrscope.model.storage import BuildRecord
from ctrscope.probes.hostfs import HostFs
from tests.live.docker import IMAGE
from tests.live.machine import run

NAME = "cs-built"
DOCKERFILE = f"FROM {IMAGE}\nCOPY a /a\nRUN head -c 30000 /dev/urandom > /c\n"


class _Docker(http.client.HTTPConnection):
    """The daemon's own interface: building by its command line takes a plug-in that few have."""

    def __init__(self) -> None:
        super().__init__("docker", timeout=120)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/var/run/docker.sock")


def ask(method: str, path: str) -> bytes:
    connection = _Docker()
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return text
    finally:
        connection.close()


def listed() -> dict[str, dict[str, Any]]:
    return {one["ID"]: one for one in json.loads(ask("GET", "/system/df"))["BuildCache"] or ()}


def seen() -> dict[str, BuildRecord]:
    found = read_storage(HostFs(), discover(HostFs(), Plan(namespaces=True, stopped=True))).value
    assert found is not None
    return {one.id: one for one in found.builds}


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """The directory over HTTP; its address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_every_record_has_the_size_and_the_description_that_docker_says(engine: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "context.tar", "w") as archive:
        for name, text in (("Dockerfile", DOCKERFILE.encode()), ("a", b"x" * 50_000)):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    before = listed()
    try:
        with served(tmp_path) as address:
            remote = quote(f"{address}/context.tar", safe="")
            said = ask("POST", f"/build?version=2&remote={remote}&t={NAME}&networkmode=none").decode()
        assert "Successfully tagged" in said
        for _ in range(2):  # with the image, whose layers are counted there, and without it
            docker, ours = listed(), seen()
            new = docker.keys() - before.keys()
            assert len(new) >= 3
            for key in new:
                record, one = ours[key], docker[key]
                assert (record.description, record.size, record.is_shared) == (one["Description"], one["Size"], one["Shared"])
                assert record.used == one["UsageCount"]
            run("docker", "rmi", NAME, check=False)
    finally:
        run("docker", "rmi", NAME, check=False)
        for _ in range(5):  # what others stand on goes after them
            for key in listed().keys() - before.keys():
                ask("POST", f"/build/prune?all=1&filters={quote(json.dumps({'id': {key: True}}))}")
        assert listed().keys() <= before.keys()
