"""What containers changed, and how much they wrote, as docker and podman say it at the same moment."""

from typing import NamedTuple

import pytest

from ctrscope.discovery.changes import ChangeReader
from ctrscope.discovery.discover import discover
from ctrscope.discovery.measure import measure_layer
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.writable_layers import find_writable_layer
from ctrscope.model.changes import Change
from ctrscope.model.container import Container, EngineName
from ctrscope.model.gap import Reason
from ctrscope.model.storage import WritableLayer
from ctrscope.probes.hostfs import HostFs
from tests.live.containerd import ctr
from tests.live.docker import IMAGE, start_container
from tests.live.image import NAME as CONTAINERD_IMAGE
from tests.live.machine import removed, run, wait_for
from tests.live.podman import IMAGE as PODMAN_IMAGE
from tests.live.podman import podman
from tests.live.podman import start_container as start_podman_container

NAME = "cs-changed"
#: Added, changed, deleted, replaced, renamed; a link, a pipe, a mode, a file in place of a directory; come and gone again.
SCRIPT = """
    echo hi > /new.txt; mkdir -p /new/sub; echo x > /new/sub/f; ln -s /etc/passwd /link; mkfifo /pipe
    rm -rf /www; mkdir /www; echo again > /www/other; mv /etc/group /etc/group2; chmod 600 /etc/passwd
    : > /etc/os-release; chmod 700 /root; rm -r /tmp; echo file > /tmp; rm /bin/ls; mkdir /gone; echo x > /gone/x; rm -r /gone
    head -c 70000 /dev/urandom > /data; ln /data /data2; touch /ready; exec sleep 1000
"""
REPLACED = "/www"


class Seen(NamedTuple):
    """A container as we see it."""

    container: Container
    layer: WritableLayer
    changes: tuple[Change, ...]
    size: int

    def said(self) -> set[str]:
        """As ``docker diff`` has it."""
        return {f"{change.kind[0].upper()} {change.path}" for change in self.changes}


def look(container_id: str) -> Seen:
    snapshot = discover(HostFs(), Plan(namespaces=True, stopped=True))
    container = next(one for one in snapshot.containers if one.id == container_id)
    layer, gaps = find_writable_layer(HostFs(), container)
    assert layer is not None, gaps
    reader, changes, piece = ChangeReader(HostFs(), layer), list[Change](), None
    while piece is None or not piece.is_last:
        piece = reader.more()
        changes += piece.changes
    assert piece.trouble == ""
    assert len({change.path for change in changes}) == len(changes)
    measured = measure_layer(HostFs(), layer).value
    assert measured is not None
    assert measured.is_whole
    assert measured.size == piece.size
    return Seen(container, layer, tuple(changes), piece.size)


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_it_is_what_docker_diff_and_ps_say(engine: str) -> None:
    """While it runs, and once it has ended: then Docker's store says where its layer is."""
    with removed("docker", "rm", "-f", NAME):
        container_id = start_container(NAME, "--network", "none", IMAGE, "sh", "-c", SCRIPT)
        wait_for("it wrote", lambda: "/ready" in run("docker", "diff", NAME))
        for is_running in (True, False):
            seen = look(container_id)
            assert seen.container.is_running is is_running
            assert seen.said() == set(run("docker", "diff", NAME).splitlines())
            assert seen.size == int(run("docker", "inspect", "-s", "-f", "{{.SizeRw}}", NAME))
            assert [change.path for change in seen.changes if change.note == "replaced"] == [REPLACED]
            if is_running:
                run("docker", "kill", NAME)
                run("docker", "wait", NAME)


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_it_is_what_podman_diff_and_ps_say(engine: str) -> None:
    """Podman calls a directory that was replaced deleted; which files went with it, it does not say."""
    with removed("podman", "rm", "-f", "-t0", NAME):
        container_id = start_podman_container(NAME, "--network", "none", PODMAN_IMAGE, "sh", "-c", SCRIPT)
        wait_for("it wrote", lambda: "/ready" in podman("diff", NAME))
        for is_running in (True, False):
            seen = look(container_id)
            assert seen.container.is_running is is_running
            said = set(podman("diff", NAME).splitlines())
            assert f"D {REPLACED}" in said
            gone = {f"D {REPLACED}/index.html"}
            assert gone < seen.said()
            assert seen.said() - gone == said - {f"D {REPLACED}"} | {f"C {REPLACED}"}
            assert seen.size == int(podman("inspect", "-s", "-f", "{{.SizeRw}}", NAME))
            if is_running:
                podman("kill", NAME)
                podman("wait", NAME)


@pytest.mark.parametrize("engine", ["containerd"], indirect=True)
def test_of_containerd_it_is_what_was_done(engine: str) -> None:
    """With a task and, once that was deleted, without one: then two databases say where the snapshot is."""

    def remove() -> None:
        for command in (("task", "rm", "-f", NAME), ("container", "rm", NAME)):
            ctr("default", *command, check=False)

    remove()
    try:
        ctr("default", "run", "-d", "--null-io", CONTAINERD_IMAGE, NAME, "/bin/sh", "-c", SCRIPT)
        wait_for("it wrote", lambda: "A /ready" in look(NAME).said())
        running = look(NAME)
        assert running.said() >= {"A /new/sub/f", "D /etc/group", "A /etc/group2", "C /etc/passwd", "C /tmp", "D /bin/ls"}
        assert running.said() >= {"C /www", "A /www/other", "D /www/index.html"}
        assert not any("/gone" in one for one in running.said())
        ctr("default", "task", "rm", "-f", NAME)
        stopped = look(NAME)
        assert not stopped.container.is_running
        assert stopped.layer.source.endswith("metadata.db")
        assert (stopped.layer.upper, stopped.said(), stopped.size) == (running.layer.upper, running.said(), running.size)
    finally:
        remove()


@pytest.mark.parametrize("engine", ["runc"], indirect=True)
def test_a_bundle_on_a_plain_directory_has_nothing_to_compare_with(engine: str) -> None:
    snapshot = discover(HostFs(), Plan(namespaces=True))
    plain = [one for one in snapshot.containers if one.engine is EngineName.RUNC and one.name == "cs-r1"]
    for container in plain:
        layer, gaps = find_writable_layer(HostFs(), container)
        assert layer is None
        assert [gap.reason for gap in gaps] == [Reason.UNSUPPORTED]
    assert plain
