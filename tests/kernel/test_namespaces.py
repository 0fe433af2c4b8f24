"""Namespaces that are hard to find, each made for real, and found with what holds it."""

import ctypes
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from ctrscope.discovery import namespace_census
from ctrscope.discovery.discover import discover
from ctrscope.discovery.namespaces import read_namespaces
from ctrscope.discovery.plan import Plan
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.namespace import Holder, HolderKind, IdMapLine, Namespace, NamespaceId, NamespaceType
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes import listns, nsfs
from ctrscope.probes.hostfs import HostFs
from tests.requirements import require, require_root

HOST = HostFs()
_PRELUDE = """
import ctypes, os, socket, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def unshare(flags): check(libc.unshare(flags))
def setns(handle): check(libc.setns(handle, 0))
def here(name): return os.readlink(f"/proc/thread-self/ns/{name}")
def ready(*words): print(*words, flush=True); sys.stdin.read()
NET, UTS, USER, NS, TIME = 0x40000000, 0x04000000, 0x10000000, 0x00020000, 0x80
"""


class Made(NamedTuple):
    """A process that holds something, and what it said."""

    pid: int
    words: list[str]

    @property
    def id(self) -> NamespaceId:
        return namespace_census.id_of(self.words[0])


@contextmanager
def made(script: str) -> Iterator[Made]:
    """A Python process that runs *script*; it lasts until its standard input ends."""
    command = [sys.executable, "-c", _PRELUDE + textwrap.dedent(script)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words, script
        yield Made(process.pid, words)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


SCRIPTS = {
    "thread": """
        names = []
        def run():
            unshare(NET | UTS)
            names.append((here("net"), here("uts")))
            done.set()
            threading.Event().wait()
        done = threading.Event()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        done.wait()
        ready(*names[0], thread.native_id)
    """,
    "descriptor": """
        old = os.open("/proc/self/ns/net", os.O_RDONLY)
        unshare(NET)
        new = os.open("/proc/self/ns/net", os.O_RDONLY)
        name = here("net")
        setns(old)
        ready(name, new)
    """,
    "socket": """
        old = os.open("/proc/self/ns/net", os.O_RDONLY)
        unshare(NET)
        name, kept = here("net"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        setns(old)
        ready(name, kept.fileno())
    """,
    "time_for_children": """
        unshare(TIME)
        open("/proc/self/timens_offsets", "w").write("monotonic 3600 500000000\\nboottime 7200 0")
        ready(here("time_for_children"))
    """,
    # A network namespace on a file, in a mount namespace of its own.
    "bind mount": """
        unshare(NS)
        check(libc.mount(b"none", b"/", None, 0x44000, None))
        check(libc.mount(b"none", b"/mnt", b"tmpfs", 0, None))
        open("/mnt/net ns", "w").close()
        pid = os.fork()
        if not pid:
            unshare(NET)
            check(libc.mount(b"/proc/self/ns/net", b"/mnt/net ns", None, 0x1000, None))
            os._exit(0)
        os.waitpid(pid, 0)
        name = os.stat("/mnt/net ns").st_ino
        ready(f"net:[{name}]", here("mnt"))
    """,
    # The same, opened by its path, and in the second case unmounted from it.
    "path": """
        unshare(NS)
        check(libc.mount(b"none", b"/", None, 0x44000, None))
        check(libc.mount(b"none", b"/mnt", b"tmpfs", 0, None))
        kept = []
        for name in (b"/mnt/blue", b"/mnt/green"):
            open(name, "w").close()
            pid = os.fork()
            if not pid:
                unshare(NET)
                check(libc.mount(b"/proc/self/ns/net", name, None, 0x1000, None))
                os._exit(0)
            os.waitpid(pid, 0)
            kept.append(os.open(name, os.O_RDONLY))
        check(libc.umount2(b"/mnt/green", 2))
        blue, green = (f"net:[{os.fstat(handle).st_ino}]" for handle in kept)
        ready(blue, kept[0], green, kept[1])
    """,
    # A mount namespace that nobody is in, kept by a descriptor, with a network namespace mounted inside.
    "mount namespace": """
        old = os.open("/proc/self/ns/mnt", os.O_RDONLY)
        unshare(NS)
        check(libc.mount(b"none", b"/", None, 0x44000, None))
        check(libc.mount(b"none", b"/mnt", b"tmpfs", 0, None))
        open("/mnt/inner", "w").close()
        pid = os.fork()
        if not pid:
            unshare(NET)
            check(libc.mount(b"/proc/self/ns/net", b"/mnt/inner", None, 0x1000, None))
            os._exit(0)
        os.waitpid(pid, 0)
        inner, new, name = os.stat("/mnt/inner").st_ino, os.open("/proc/self/ns/mnt", os.O_RDONLY), here("mnt")
        setns(old)
        ready(name, new, f"net:[{inner}]")
    """,
    # User namespaces in each other; only the innermost has a process.
    "hierarchy": """
        names = []
        for outside in (0, 0):
            unshare(USER)
            open("/proc/self/setgroups", "w").write("deny")
            open("/proc/self/uid_map", "w").write(f"0 {outside} 1")
            open("/proc/self/gid_map", "w").write(f"0 {outside} 1")
            names.append(here("user"))
        ready(*names)
    """,
    "zombie leader": """
        import ctypes
        def run():
            unshare(NET)
            print(here("net"), flush=True)
            sys.stdin.read()
            os._exit(0)
        threading.Thread(target=run).start()
        libc.syscall(60, 0)
    """,
}


class Seen(NamedTuple):
    """What was made, and what was read of it."""

    made: dict[str, Made]
    namespaces: dict[NamespaceId, Namespace]
    gaps: tuple[Gap, ...]
    snapshot: Snapshot

    def holders(self, id_: NamespaceId) -> list[tuple[HolderKind, int | None, str | None]]:
        return [(held.kind, held.pid, held.path) for held in self.namespaces[id_].held_by]


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    require_root("makes namespaces of every type")
    with ExitStack() as stack:
        held = {name: stack.enter_context(made(script)) for name, script in SCRIPTS.items()}
        snapshot = discover(HOST, Plan(addresses=False))
        namespaces, gaps = read_namespaces(HOST, snapshot)
        yield Seen(held, {one.id: one for one in namespaces or ()}, gaps, snapshot)


def test_one_that_only_a_thread_is_in(seen: Seen) -> None:
    pid, (net, uts, tid) = seen.made["thread"]
    for name in (net, uts):
        id_ = namespace_census.id_of(name)
        assert seen.holders(id_) == [(HolderKind.THREAD, pid, f"/proc/{pid}/task/{tid}/ns/{id_.type}")]
        assert (seen.namespaces[id_].nprocs, seen.namespaces[id_].leader) == (0, None)
        assert seen.namespaces[id_].owner == seen.snapshot.host.namespaces.user


def test_one_that_only_a_descriptor_keeps(seen: Seen) -> None:
    pid, (_, handle) = seen.made["descriptor"]
    assert seen.holders(seen.made["descriptor"].id) == [(HolderKind.FD, pid, f"/proc/{pid}/fd/{handle}")]


def test_one_that_only_a_socket_keeps(seen: Seen) -> None:
    pid, (_, handle) = seen.made["socket"]
    namespace = seen.namespaces[seen.made["socket"].id]
    assert seen.holders(namespace.id) == [(HolderKind.SOCKET, pid, f"/proc/{pid}/fd/{handle}")]
    assert (namespace.owner, namespace.owner_uid) == (seen.snapshot.host.namespaces.user, 0)


def test_one_that_only_a_bind_mount_in_another_mount_namespace_keeps(seen: Seen) -> None:
    pid, (_, mnt) = seen.made["bind mount"]
    (holder,) = seen.namespaces[seen.made["bind mount"].id].held_by
    assert holder == Holder(kind=HolderKind.BIND_MOUNT, pid=pid, path="/mnt/net ns", mnt=namespace_census.id_of(mnt).ino)


def test_one_opened_by_the_path_of_its_bind_mount(seen: Seen) -> None:
    pid, (blue, kept, green, detached) = seen.made["path"]
    assert seen.holders(namespace_census.id_of(blue)) == [
        (HolderKind.BIND_MOUNT, pid, "/mnt/blue"),
        (HolderKind.FD, pid, f"/proc/{pid}/fd/{kept}"),
    ]
    assert seen.holders(namespace_census.id_of(green)) == [(HolderKind.FD, pid, f"/proc/{pid}/fd/{detached}")]


def test_a_bind_mount_in_a_mount_namespace_that_nobody_is_in(seen: Seen) -> None:
    pid, (name, handle, inner) = seen.made["mount namespace"]
    assert seen.holders(namespace_census.id_of(name)) == [(HolderKind.FD, pid, f"/proc/{pid}/fd/{handle}")]
    if os.uname().release < "6.11":
        assert any(gap.source == "listmount(2)" for gap in seen.gaps)
        return
    mount = Holder(kind=HolderKind.BIND_MOUNT, pid=None, path="/mnt/inner", mnt=namespace_census.id_of(name).ino)
    assert seen.namespaces[namespace_census.id_of(inner)].held_by == (mount,)


def test_one_that_only_the_namespace_below_it_keeps(seen: Seen) -> None:
    pid, (outer, inner) = seen.made["hierarchy"]
    above, below = (seen.namespaces[namespace_census.id_of(name)] for name in (outer, inner))
    assert seen.holders(above.id) == [(HolderKind.HIERARCHY, None, inner)]
    assert (above.nprocs, above.parent, above.owner_uid) == (0, seen.snapshot.host.namespaces.user, 0)
    assert above.uid_map is None
    assert any(gap.fields == ("uid_map",) and gap.reason is Reason.UNAVAILABLE for gap in seen.gaps)
    assert (below.parent, below.owner, below.leader and below.leader.pid) == (above.ino, above.ino, pid)
    assert below.uid_map == below.gid_map == (IdMapLine(inside=0, outside=0, count=1),)


def test_one_that_only_children_will_be_in(seen: Seen) -> None:
    pid, _ = seen.made["time_for_children"]
    namespace = seen.namespaces[seen.made["time_for_children"].id]
    assert seen.holders(namespace.id) == [(HolderKind.PROCESS, pid, f"/proc/{pid}/ns/time_for_children")]
    assert namespace.nprocs == 0
    assert namespace.offsets is not None
    assert (namespace.offsets.monotonic, namespace.offsets.boottime) == (3600.5, 7200.0)


def test_the_parent_of_a_pid_namespace_is_seen_to_keep_it(seen: Seen) -> None:
    require("unshare")
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
            id_ = NamespaceId(NamespaceType.PID, os.stat(f"/proc/{child}/ns/pid").st_ino)
            namespaces, _ = read_namespaces(HOST, seen.snapshot)
            (namespace,) = [one for one in namespaces or () if one.id == id_]
            assert (namespace.nprocs, namespace.leader and namespace.leader.pid) == (1, child)
            assert namespace.parent == os.stat("/proc/self/ns/pid").st_ino
            path = f"/proc/{process.pid}/ns/pid_for_children"
            assert Holder(kind=HolderKind.PROCESS, pid=process.pid, path=path) in namespace.held_by
        finally:
            os.kill(child, 9)


def test_one_whose_process_lost_its_main_thread(seen: Seen) -> None:
    pid, _ = seen.made["zombie leader"]
    ((kind, holder, path),) = seen.holders(seen.made["zombie leader"].id)
    assert (kind, holder) == (HolderKind.THREAD, pid)
    assert path is not None
    assert path.startswith(f"/proc/{pid}/task/")


def test_without_deep_a_gap_says_what_was_not_looked_at(seen: Seen) -> None:
    namespaces, gaps = read_namespaces(HOST, seen.snapshot, deep=False)
    found = {one.id for one in namespaces or ()}
    assert seen.made["socket"].id not in found
    assert {seen.made["bind mount"].id, seen.made["hierarchy"].id} <= found
    assert [gap.reason for gap in gaps if gap.needs == "--deep"] == [Reason.NOT_COLLECTED]


def test_where_the_kernel_lists_them_it_agrees_with_the_walk(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """listns(2) came with Linux 6.19: before, its list is made from the ids that nsfs gives to what the walk found."""
    ids: dict[int, NamespaceId] = {}
    ours = {seen.made[name].pid for name in SCRIPTS}
    for id_, namespace in seen.namespaces.items():
        if namespace.leader is not None and (namespace.leader.pid in ours or namespace.is_initial):
            with HOST.namespace(f"/proc/{namespace.leader.pid}/ns/{id_.type}") as handle:
                try:
                    ids[nsfs.read_unique_id(handle)] = id_
                except OSError as error:
                    pytest.skip(f"NS_GET_ID: {error}")
    assert len(ids) > len(NamespaceType)
    hidden = seen.made["socket"]

    @contextmanager
    def opened(number: int) -> Iterator[int]:
        if number == 0:  # one that no walk without sockets finds
            pidfd = os.pidfd_open(hidden.pid)
            copy = ctypes.CDLL(None).syscall(438, pidfd, int(hidden.words[1]), 0)
            import fcntl

            handle = fcntl.ioctl(copy, 0x894C)
            os.close(copy)
            os.close(pidfd)
        else:
            buffer = ctypes.create_string_buffer(handle_of(number, ids[number]))
            handle = ctypes.CDLL(None).open_by_handle_at(-10003, buffer, os.O_RDONLY | os.O_CLOEXEC)
        assert handle >= 0
        try:
            yield handle
        finally:
            os.close(handle)

    monkeypatch.setattr("ctrscope.discovery.namespaces._is_before_listns", lambda release: False)
    monkeypatch.setattr(listns, "list_namespaces", lambda: (0, *ids))
    monkeypatch.setattr(listns, "opened", opened)
    namespaces, _ = read_namespaces(HOST, seen.snapshot, deep=False)
    found = {one.id: one for one in namespaces or ()}
    assert set(ids.values()) <= found.keys()
    assert found[hidden.id].held_by == ()
    assert found[hidden.id].owner == seen.snapshot.host.namespaces.user


def handle_of(number: int, id_: NamespaceId) -> bytes:
    """Before Linux 6.19 a handle needs type and inode number too."""
    flags = {value: key for key, value in nsfs._TYPES.items()}
    handle = bytearray(listns.encode_handle(number))
    handle[16:24] = flags[id_.type].to_bytes(4, sys.byteorder) + id_.ino.to_bytes(4, sys.byteorder)
    return bytes(handle)
