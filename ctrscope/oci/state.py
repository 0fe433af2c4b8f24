"""What the launcher knows of a container: one directory each, written before the thing that it describes is made.

*Source:* OCI runtime specification, runtime.md "State". *Shape:* ``ROOT/ID/state.json``; beside it ``config.json`` as it was
validated, for whoever comes later, and ``exec.fifo``, which is there until the container is started. Who creates or
deletes holds a lock (flock(2)) on the directory: a container without process is being created for as long as it is held.
"""

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

import msgspec

from ctrscope.model.gap import ParseError
from ctrscope.model.value import Value
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import Spec, read_part
from ctrscope.probes.cgroupfs import PREFERRED
from ctrscope.probes.proc_pid_stat import parse_stat

OCI_VERSION = "1.2.0"
FIFO = "exec.fifo"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")
_ID_LIMIT = 1024
#: Descriptors of the locks that this process holds.
_locks: list[int] = []


class Scope(Value, frozen=True, kw_only=True):
    """A unit that systemd is asked for."""

    name: str
    slice: str
    is_users: bool  # of the user's own service manager


class Cgroups(Value, frozen=True, kw_only=True):
    """Where a container is in each hierarchy. None at all: nothing there may be written."""

    directories: Mapping[str, str] = {}  # controller → directory; "" is the v2 hierarchy
    scope: Scope | None = None

    @property
    def is_v2(self) -> bool:
        """Whether the v2 hierarchy is the only one."""
        return set(self.directories) == {""}

    @property
    def main(self) -> str | None:
        """The one whose cgroup.procs is asked for the container's processes."""
        return next((self.directories[name] for name in PREFERRED if name in self.directories), None)

    @property
    def distinct(self) -> tuple[str, ...]:
        """Each directory once: on v1 controllers may share a hierarchy."""
        return tuple(dict.fromkeys(self.directories.values()))


class State(Value, frozen=True, kw_only=True):
    """One container. The kernel has the last word on whether it lives: ``read_status``."""

    id: str
    bundle: str
    rootfs: str
    created: str  # RFC 3339
    annotations: Mapping[str, str] = {}
    pid: int | None = None  # of init, as the host counts
    starttime_ticks: int | None = None
    cgroups: Cgroups | None = None
    name: str | None = None  # what a person called it
    image: str | None = None
    monitor_pid: int | None = None
    monitor_starttime_ticks: int | None = None
    remove_at_exit: bool = False
    exit_status: int | None = None
    finished: str | None = None  # RFC 3339


class OciState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The specification's state, as ``state`` prints it and hooks read it."""

    oci_version: str
    id: str
    status: str
    pid: int
    bundle: str
    rootfs: str
    created: str
    annotations: Mapping[str, str]


def default_root() -> str:
    """Where the directories of containers are. Errors: LauncherError when others could change what is there."""
    if os.geteuid() == 0:
        return "/run/ctrscope/containers"
    runtime = os.environ.get("XDG_RUNTIME_DIR") or _own_directory(f"/tmp/ctrscope-{os.geteuid()}")  # noqa: S108
    return f"{runtime}/ctrscope/containers"


def _own_directory(path: str) -> str:
    """A directory of ours alone, where anybody may have made one of that name before, or a link to another."""
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise LauncherError(
            f"{path} is no directory that we alone may change, and our containers would be noted there: "
            "set XDG_RUNTIME_DIR to one, or have that removed"
        )
    return path


def directory_of(root: str, container_id: str) -> str:
    """The state directory of that ID. Errors: LauncherError for what is no ID."""
    if not 0 < len(container_id) <= _ID_LIMIT or not _LETTERS.issuperset(container_id) or container_id in (".", ".."):
        raise LauncherError(f"invalid container id {container_id!r}: letters, digits and _ + - . make one")
    return f"{root}/{container_id}"


def make_directory(root: str, container_id: str) -> None:
    """Make the state directory; whoever makes it has the ID. Errors: LauncherError when it is taken."""
    directory = directory_of(root, container_id)
    os.makedirs(root, 0o700, exist_ok=True)
    if os.stat(root).st_uid != os.geteuid():
        raise LauncherError(f"{root} is not ours: state is kept in a directory of our own; --root names another")
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        raise LauncherError(f"container with id exists: {container_id}") from None


@contextmanager
def locked(root: str, container_id: str) -> Iterator[None]:
    """Nobody else creates, starts or deletes it meanwhile. Errors: LauncherError when there is no such container."""
    with ExitStack() as stack:
        try:
            stack.enter_context(held(directory_of(root, container_id)))
        except FileNotFoundError:
            raise _missing(container_id) from None
        yield


@contextmanager
def held(directory: str, *, wait: bool = True) -> Iterator[int]:
    """Hold a directory, by a descriptor. Errors: OSError; BlockingIOError when somebody else does and we do not wait."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    _locks.append(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield handle
        fcntl.flock(handle, fcntl.LOCK_UN)  # a supervisor has a copy
    finally:
        _locks.remove(handle)
        os.close(handle)


def forget_locks() -> None:
    """In a child that may outlive us: a lock is held for as long as anybody has a copy of its descriptor."""
    while _locks:
        os.close(_locks.pop())


def write_state(root: str, state: State) -> None:
    """Put it in place of what was known before, in one piece."""
    write_whole(f"{directory_of(root, state.id)}/state.json", msgspec.json.encode(state))


def write_spec(root: str, container_id: str, spec: Spec) -> None:
    """Keep what was validated: the bundle may change or go."""
    write_whole(f"{directory_of(root, container_id)}/config.json", msgspec.json.encode(spec))


def read_state(root: str, container_id: str) -> State:
    """What is known of it. Errors: LauncherError when there is no such container."""
    path = f"{directory_of(root, container_id)}/state.json"
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=State)
    except FileNotFoundError:
        raise _missing(container_id) from None
    except msgspec.MsgspecError as error:
        raise LauncherError(f"{path}: {error}") from None


def find_state(root: str, container_id: str) -> State | None:
    """What is known of it; None where who made it was killed before there was anything to write down."""
    try:
        return read_state(root, container_id)
    except LauncherError:
        return None


def read_spec(root: str, container_id: str) -> Spec:
    """The config.json that it was made of."""
    return read_part(f"{directory_of(root, container_id)}/config.json", Spec)


def list_ids(root: str) -> list[str]:
    """The IDs of all containers there."""
    try:
        return sorted(name for name in os.listdir(root) if os.path.isdir(f"{root}/{name}"))
    except FileNotFoundError:
        return []


def remove_directory(root: str, container_id: str) -> None:
    """Forget it; the state goes last, so that what was not removed yet is still known."""
    directory = directory_of(root, container_id)
    for name in sorted(os.listdir(directory), key=lambda name: name == "state.json"):
        os.unlink(f"{directory}/{name}")
    os.rmdir(directory)


def read_starttime(pid: int) -> int | None:
    """When that process started, in clock ticks after boot; None when it ended, be it reaped or not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            found = parse_stat(file.read())
    except (FileNotFoundError, ProcessLookupError, ParseError):
        return None
    return None if found.has_ended else found.starttime_ticks


def is_alive(state: State) -> bool:
    """Whether its init lives: that very process, not one that got its number since."""
    return state.pid is not None and state.starttime_ticks == read_starttime(state.pid)


def read_status(root: str, state: State) -> str:
    """``creating``, ``created``, ``running`` or ``stopped``; what is held by the freezer is running here."""
    directory = directory_of(root, state.id)
    if is_alive(state):
        return "created" if os.path.exists(f"{directory}/{FIFO}") else "running"
    return "creating" if state.pid is None and _is_locked(directory) else "stopped"


def container_state(state: State, status: str) -> OciState:
    """The specification's state; the process is 0 once there is none."""
    return OciState(
        oci_version=OCI_VERSION,
        id=state.id,
        status=status,
        pid=0 if status == "stopped" else state.pid or 0,
        bundle=state.bundle,
        rootfs=state.rootfs,
        created=state.created,
        annotations=state.annotations,
    )


def _missing(container_id: str) -> LauncherError:
    return LauncherError(f"container does not exist: {container_id}")


def _is_locked(directory: str) -> bool:
    try:
        with suppress(FileNotFoundError), held(directory, wait=False):
            return False
    except BlockingIOError:
        return True
    return False


def write_whole(path: str, content: bytes) -> None:
    """Write a file that is there with all of its content or not at all."""
    new = f"{os.path.dirname(path) or '.'}/.{os.path.basename(path)}.new"
    with open(new, "wb") as file:
        file.write(content)
    os.rename(new, path)
