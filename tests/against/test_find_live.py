"""``find`` by every kind of query, on live docker, podman and runc containers, against what engines and iproute2 say."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.find import find
from ctrscope.discovery.plan import Plan
from ctrscope.model.match import Match, MatchKind
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from tests.against.names import called
from tests.live import docker, oci, podman
from tests.live.machine import CommandFailedError, end, run, wait_for
from tests.requirements import require, unmet

_PORT = 8089  # inside; nobody else's here
_PUBLISHED = {"docker": 18589, "podman": 28589}
_SERVER = ("httpd", "-f", "-p", str(_PORT), "-h", "/www")


class Subject(NamedTuple):
    """A container that the tests started, as its engine and the kernel describe it."""

    key: str
    name: str
    id: str
    pid: int
    layers: dict[str, str]  # what it is → directory
    volume: Path
    image: str | None
    image_id: str | None
    entrant: int  # a process that came in from outside: in its cgroup, and in its namespaces but mnt
    entrant_tid: int  # another thread of that


@pytest.fixture(scope="module", params=["docker", "podman", "runc"])
def subject(
    request: pytest.FixtureRequest, parts: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    name: str = request.param
    if name not in parts:
        unmet(f"{name} is not up")
    starters: dict[str, Callable[[Path, ExitStack], dict[str, Any]]] = {"docker": _docker, "podman": _podman, "runc": _runc}
    volume = tmp_path_factory.mktemp("volume")
    (volume / "file").write_text("x")
    with ExitStack() as stack:
        facts = starters[name](volume, stack)
        entrant, tid = stack.enter_context(_entrant(facts["pid"]))
        yield Subject(name="fnd-live", volume=volume, entrant=entrant, entrant_tid=tid, **facts)


def _docker(volume: Path, stack: ExitStack) -> dict[str, Any]:
    run("docker", "rm", "-f", "fnd-live", check=False)
    stack.callback(run, "docker", "rm", "-f", "fnd-live")
    ports = f"127.0.0.1:{_PUBLISHED['docker']}:{_PORT}"
    docker.start_container("fnd-live", "-v", f"{volume}:/data", "-p", ports, docker.IMAGE, *_SERVER)
    (said,) = json.loads(run("docker", "inspect", "fnd-live"))
    layers = said["GraphDriver"]["Data"]
    return {
        "key": f"docker/{said['Id']}",
        "id": said["Id"],
        "pid": said["State"]["Pid"],
        "layers": {"upper": layers["UpperDir"], "merged": layers["MergedDir"], "work": layers["WorkDir"]},
        "image": docker.IMAGE,
        "image_id": said["Image"],
    }


def _podman(volume: Path, stack: ExitStack) -> dict[str, Any]:
    podman.podman("rm", "-f", "--time", "0", "--ignore", "fnd-live")
    stack.callback(podman.podman, "rm", "-f", "--time", "0", "fnd-live")
    ports = f"127.0.0.1:{_PUBLISHED['podman']}:{_PORT}"
    podman.start_container("fnd-live", "-v", f"{volume}:/data", "-p", ports, podman.IMAGE, *_SERVER)
    (said,) = podman.inspect("fnd-live")
    layers = said["GraphDriver"]["Data"]
    return {
        "key": f"podman/{said['Id']}",
        "id": said["Id"],
        "pid": said["State"]["Pid"],
        "layers": {"upper": layers["UpperDir"], "merged": layers["MergedDir"], "work": layers["WorkDir"]},
        "image": podman.IMAGE,
        "image_id": said["Image"],
    }


def _runc(volume: Path, stack: ExitStack) -> dict[str, Any]:
    """A root file system of its own, a volume, and a veth whose other end is in a namespace that the test made."""
    bundle = volume.parent / "fnd-bundle"
    shutil.copytree(oci.make_bundle("fnd-live", args=_SERVER), bundle, dirs_exist_ok=True)
    spec = json.loads((bundle / "config.json").read_text())
    shutil.copytree(spec["root"]["path"], bundle / "rootfs", symlinks=True)
    spec["root"] = {"path": "rootfs", "readonly": False}
    spec["mounts"].append({"destination": "/data", "type": "bind", "source": str(volume), "options": ["bind", "rw"]})
    (bundle / "config.json").write_text(json.dumps(spec))
    with suppress(CommandFailedError):
        run("runc", "delete", "-f", "fnd-live")
    stack.callback(run, "runc", "delete", "-f", "fnd-live")
    run("runc", "run", "-d", "-b", str(bundle), "fnd-live")
    pid = json.loads(run("runc", "state", "fnd-live"))["pid"]
    run("ip", "netns", "delete", "fnd-live", check=False)
    run("ip", "netns", "add", "fnd-live")
    stack.callback(run, "ip", "netns", "delete", "fnd-live")
    run("ip", "-n", "fnd-live", "link", "add", "fnd-out", "type", "veth", "peer", "name", "fnd-in", "netns", str(pid))
    for command in (("addr", "add", "10.231.7.2/24", "dev", "fnd-in"), ("link", "set", "fnd-in", "up")):
        run("nsenter", "-t", str(pid), "-n", "ip", *command)
    layers = {"rootfs": str(bundle / "rootfs"), "bundle": str(bundle)}
    return {"key": "runc/fnd-live", "id": "fnd-live", "pid": pid, "layers": layers, "image": None, "image_id": None}


@contextmanager
def _entrant(pid: int) -> Iterator[tuple[int, int]]:
    """A program with two threads in a container's cgroup, and in its namespaces but mnt; its PID and the other thread's."""
    require("nsenter")
    program = (
        "import os, sys, threading\n"
        "thread = threading.Thread(target=threading.Event().wait, daemon=True); thread.start()\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    enter = ["nsenter", "-t", str(pid), "-n", "-i", "-u", "-p", sys.executable, "-c", program]
    process = subprocess.Popen(enter, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=lambda: _join_cgroups(pid))
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        found = int(children[0])
        tids = wait_for("thread", lambda: [int(tid) for tid in os.listdir(f"/proc/{found}/task") if int(tid) != found])
        yield found, tids[0]
        assert process.stdin is not None
        process.stdin.close()
    finally:
        end(process.pid)
        assert process.stdout is not None
        process.stdout.close()
        process.wait()


def _join_cgroups(pid: int) -> None:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        for _, point, kind, options, *_ in mounts:
            if (kind == "cgroup2" and not names) or (
                kind == "cgroup" and names and set(names.split(",")) <= set(options.split(","))
            ):
                with suppress(OSError):
                    Path(f"{point}{path}/cgroup.procs").write_text(str(os.getpid()))


@pytest.fixture(scope="module")
def snapshot(subject: Subject) -> Snapshot:
    return look()


def look() -> Snapshot:
    return discover(HostFs("/"), Plan(namespaces=True, addresses=False, stats=False, stopped=True))


@pytest.fixture
def ask(snapshot: Snapshot) -> Callable[[str], tuple[Match, ...]]:
    def ask(query: object) -> tuple[Match, ...]:
        return find(HostFs("/"), snapshot, str(query)).value or ()

    return ask


Ask = Callable[[object], tuple[Match, ...]]


def owners(matches: tuple[Match, ...], kind: MatchKind) -> list[str | None]:
    return [match.container for match in matches if match.kind is kind]


def links(pid: int | None) -> list[dict[str, Any]]:
    """`ip -j address` in the network namespace of a process, without lo; None: here."""
    enter = () if pid is None else ("nsenter", "-t", str(pid), "-n")
    found: list[dict[str, Any]] = json.loads(run(*enter, "ip", "-j", "address"))
    return [link for link in found if link["ifname"] != "lo"]


# Processes


def test_a_pid(ask: Ask, subject: Subject) -> None:
    for query in (subject.pid, f"pid:{subject.pid}", f"/proc/{subject.pid}/status"):
        assert owners(ask(query), MatchKind.PROCESS) == [subject.key]


def test_a_process_that_came_in(ask: Ask, subject: Subject) -> None:
    assert owners(ask(subject.entrant), MatchKind.PROCESS) == [subject.key]


def test_a_thread(ask: Ask, subject: Subject) -> None:
    found = ask(subject.entrant_tid)
    assert owners(found, MatchKind.THREAD) == [subject.key]
    assert owners(found, MatchKind.PROCESS) == []


def test_a_pid_as_the_container_counts(ask: Ask, subject: Subject) -> None:
    line = next(line for line in Path(f"/proc/{subject.entrant}/status").read_text().splitlines() if line.startswith("NSpid"))
    inside = int(line.split()[-1])
    assert inside != subject.entrant
    found = [match for match in ask(inside) if match.kind is MatchKind.PID_INSIDE and match.container == subject.key]
    assert [f"process {subject.entrant} of the host" in match.detail for match in found] == [True]


def test_the_supervisor_is_said_to_be_one(ask: Ask, subject: Subject) -> None:
    parent = int(Path(f"/proc/{subject.pid}/stat").read_text().rpartition(")")[2].split()[1])
    if subject.key.startswith("runc"):
        assert subject.key not in owners(ask(parent), MatchKind.PROCESS)  # nobody supervises it
    else:
        assert owners(ask(parent), MatchKind.PROCESS) == [subject.key]


# Namespaces


@pytest.mark.parametrize("type_", ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"])
def test_a_namespace(ask: Ask, subject: Subject, type_: str) -> None:
    text = os.readlink(f"/proc/{subject.pid}/ns/{type_}")
    if text == os.readlink(f"/proc/self/ns/{type_}"):
        for query in (text, text.partition("[")[2].rstrip("]")):
            (match,) = ask(query)
            assert (match.container, match.what) == (None, text)
            assert match.detail.startswith(f"the host's own {type_} namespace")
    else:
        for query in (text, text.partition("[")[2].rstrip("]"), text.replace("[", "").replace("]", "")):
            assert [(match.kind, match.what, match.container) for match in ask(query)] == [
                (MatchKind.NAMESPACE, text, subject.key)
            ]


# Networks


def test_a_link_inside_its_mac_and_its_addresses(ask: Ask, subject: Subject) -> None:
    (link,) = links(subject.pid)
    assert subject.key in owners(ask(link["ifname"]), MatchKind.LINK)
    assert owners(ask(link["address"]), MatchKind.MAC) == [subject.key]
    assert owners(ask(link["address"].upper().replace(":", "-")), MatchKind.MAC) == [subject.key]
    addresses = [entry["local"] for entry in link["addr_info"] if entry["family"] == "inet" or entry["scope"] == "global"]
    assert addresses
    for address in addresses:
        assert owners(ask(address), MatchKind.ADDRESS) == [subject.key]
        assert owners(ask(f"{address}/16"), MatchKind.ADDRESS) == [subject.key]


def test_the_other_end_of_its_veth(ask: Ask, subject: Subject) -> None:
    (inside,) = links(subject.pid)
    if subject.key.startswith("runc"):
        # The other end is in a namespace that no process is in.
        (match,) = ask("fnd-out")
        assert (match.kind, match.container) == (MatchKind.LINK, None)
        assert "nobody's" in match.detail
        assert "/run/netns/fnd-live" in match.detail
        return
    (host_end,) = [link for link in links(None) if link["ifindex"] == inside["link_index"]]
    assert owners(ask(host_end["ifname"]), MatchKind.LINK) == [subject.key]
    # A bridge takes the lowest address of its ports: it may be this one's.
    same = [link for link in links(None) if link["address"] == host_end["address"]]
    found = owners(ask(host_end["address"]), MatchKind.MAC)
    assert (found.count(subject.key), len(found)) == (1, len(same))


def test_a_bridge_is_the_hosts_and_names_the_containers_behind_it(ask: Ask, subject: Subject) -> None:
    bridges = {"docker": "docker0", "podman": "podman0"}
    bridge = bridges.get(subject.key.partition("/")[0])
    if bridge is None:
        return  # runc makes none
    (match,) = ask(bridge)
    assert (match.kind, match.container) == (MatchKind.LINK, None)
    assert subject.name in match.detail


def test_a_listening_port(ask: Ask, subject: Subject) -> None:
    for query in (_PORT, f":{_PORT}", f"tcp/{_PORT}", f"{_PORT}/tcp", f"port:{_PORT}"):
        assert subject.key in owners(ask(query), MatchKind.PORT)
        assert None not in owners(ask(query), MatchKind.PORT)
    assert ask(f"udp/{_PORT}") == ()
    (link,) = links(subject.pid)
    address = next(entry["local"] for entry in link["addr_info"] if entry["family"] == "inet")
    assert owners(ask(f"{address}:{_PORT}"), MatchKind.PORT) == [subject.key]


def test_a_published_port(ask: Ask, subject: Subject) -> None:
    port = _PUBLISHED.get(subject.key.partition("/")[0])
    if port is None:
        return  # runc publishes none
    for query in (port, f":{port}", f"tcp/{port}", f"127.0.0.1:{port}"):
        assert owners(ask(query), MatchKind.PORT) == [subject.key]
    assert ask(f"{port}/udp") == ()


# Paths


def test_a_cgroup_by_directory_and_as_proc_has_it(ask: Ask, subject: Subject) -> None:
    line = next(
        line for line in Path(f"/proc/{subject.pid}/cgroup").read_text().splitlines() if "pids" in line or line[0] == "0"
    )
    path = line.split(":", 2)[2]
    directories = [
        f"{words[1]}{path}"
        for words in (line.split() for line in Path("/proc/mounts").read_text().splitlines())
        if words[2].startswith("cgroup") and os.path.isdir(f"{words[1]}{path}")
    ]
    assert directories
    for query in (path, f"{path}/made/inside", *directories, f"{directories[0]}/cgroup.procs"):
        assert owners(ask(query), MatchKind.CGROUP) == [subject.key], query


def test_a_cgroup_above_it_is_the_hosts(ask: Ask, subject: Subject) -> None:
    line = next(
        line for line in Path(f"/proc/{subject.pid}/cgroup").read_text().splitlines() if "pids" in line or line[0] == "0"
    )
    # crun has a cgroup of its own below the scope that systemd made: that one is the container's, too.
    parent = line.split(":", 2)[2].removesuffix("/container").rpartition("/")[0]
    (match,) = [match for match in ask(parent) if match.kind is MatchKind.CGROUP]
    assert match.container is None
    assert match.detail.startswith("the host's")


def test_its_layers_and_whatever_lies_below_them(ask: Ask, subject: Subject) -> None:
    kinds = {"upper": MatchKind.OVERLAY, "work": MatchKind.OVERLAY, "merged": MatchKind.MOUNT, "rootfs": MatchKind.MOUNT}
    for what, directory in subject.layers.items():
        for query in (directory, f"{directory}/etc/passwd"):
            assert owners(ask(query), kinds.get(what, MatchKind.FILE)) == [subject.key], query


def test_a_layer_that_several_have_is_each_ones(ask: Ask, snapshot: Snapshot, subject: Subject) -> None:
    if "upper" not in subject.layers:
        return  # runc has no layers
    layer = lowest_layer(subject.pid)
    assert layer is not None
    found = owners(ask(layer), MatchKind.OVERLAY)
    assert subject.key in found
    # Those that have it as the kernel says: in the virtual machine nobody else runs from this image.
    assert set(found) == {one.key for one in snapshot.containers if one.pid is not None and lowest_layer(one.pid) == layer}


def lowest_layer(pid: int) -> str | None:
    """Directory of the lowest layer of its root; None where that is no overlay."""
    try:
        lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    except OSError:
        return None
    root = next((line for line in reversed(lines) if line.split()[4] == "/"), "")
    _, found, rest = root.partition("lowerdir=")
    return os.path.realpath(rest.split(",")[0].split(" ")[0].split(":")[-1]) if found else None


def test_a_volume_and_where_it_is_mounted(ask: Ask, subject: Subject) -> None:
    for query in (subject.volume, subject.volume / "file"):
        (match,) = ask(query)
        assert (match.kind, match.container) == (MatchKind.MOUNT, subject.key)
        assert "/data" in match.detail
    assert subject.key in owners(ask("/data"), MatchKind.MOUNT)


def test_a_file_of_the_host_is_the_hosts(ask: Ask, subject: Subject) -> None:
    (match,) = ask("/etc/shadow")
    assert (match.kind, match.container) == (MatchKind.FILE, None)
    assert match.detail.startswith("the host's own")


# Names


def test_its_names(ask: Ask, subject: Subject) -> None:
    named = ask(subject.id)
    assert owners(named, MatchKind.CONTAINER) == [subject.key]
    assert owners(ask(subject.key), MatchKind.CONTAINER) == [subject.key]
    assert subject.key in owners(ask("fnd-live"), MatchKind.CONTAINER)


def test_its_image(ask: Ask, subject: Subject) -> None:
    if subject.image is None or subject.image_id is None:
        return  # runc knows of none
    for query in (subject.image, subject.image_id, subject.image_id.removeprefix("sha256:")[:12]):
        assert subject.key in owners(ask(query), MatchKind.IMAGE), query


def test_a_pod(ask: Ask, subject: Subject) -> None:
    if not subject.key.startswith("podman"):
        return  # only podman has pods
    name = called("cs-pod")
    pod = json.loads(run("podman", "pod", "inspect", name))
    members = {f"podman/{one['Id']}" for one in pod["Containers"]}
    for query in (name, f"pod/{name}", pod["Id"]):
        assert set(owners(ask(query), MatchKind.POD)) == members, query


# What is the host's, or nobody's


def test_a_process_of_the_host(ask: Ask, subject: Subject) -> None:
    (match,) = [match for match in ask(os.getpid()) if match.kind is MatchKind.PROCESS]
    assert match.container is None
    assert "in no container" in match.detail


def test_a_namespace_that_only_a_bind_mount_holds(subject: Subject) -> None:
    nobody = f"fnd-nobody-{os.getpid()}"
    run("ip", "netns", "add", nobody)
    try:
        ino = os.stat(f"/run/netns/{nobody}").st_ino
        now = look()  # numbers are given out again: it may have that of one which was there before
        for query in (str(ino), f"net:[{ino}]", f"/run/netns/{nobody}"):
            (match,) = find(HostFs("/"), now, query).value or ()
            assert (match.kind, match.container, match.what) == (MatchKind.NAMESPACE, None, f"net:[{ino}]")
            assert match.detail.startswith("nobody's: no process is in it")
            assert f"/run/netns/{nobody}" in match.detail
    finally:
        run("ip", "netns", "delete", nobody)


@pytest.mark.parametrize(
    "query",
    [
        "4194304",
        "net:[4026999999]",
        "4026999999",
        "203.0.113.9",
        "02:00:5e:00:53:77",
        "/no/such",
        "no-such-thing",
        "tcp/65535",
        "",
    ],
)
def test_what_is_not_there_answers_nothing(ask: Ask, subject: Subject, query: str) -> None:
    assert ask(query) == ()
