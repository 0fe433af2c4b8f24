"""What is left of a person's container: the note of its end, its unpacked image, and the removal of everything.

An image is unpacked below ``/var/lib``, because programs cannot be executed below ``/run`` on every host. Its directory has the
container's id and is locked until the container's state is there, to which a link in it leads: where states are kept is another
place for a user who has no ``XDG_RUNTIME_DIR`` now. One that is not locked and whose state is gone belongs to nobody.
"""

import _signal as signal
import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import msgspec

from ctrscope.attach.channel import open_channel
from ctrscope.images.settings import ImageSettings
from ctrscope.launcher.lifecycle import delete, let_go
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.timestamp import rfc3339
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import IdMapping, Linux, Spec
from ctrscope.oci.state import (
    State,
    default_root,
    directory_of,
    find_state,
    held,
    list_ids,
    locked,
    read_starttime,
    read_state,
    write_state,
)

_STATE = "state"  # beside rootfs: a link to the container's state
_PATIENCE = 5000  # milliseconds that a supervisor gets to notice that its container is gone


def image_root() -> str:
    """Where images are unpacked."""
    if os.geteuid() == 0:
        return "/var/lib/ctrscope/containers"
    return f"{os.environ.get('XDG_DATA_HOME') or os.path.expanduser('~/.local/share')}/ctrscope/containers"


@contextmanager
def unpacked(
    reference: str, container_id: str, build: Callable[[ImageSettings], tuple[Spec, str]]
) -> Iterator[tuple[str, Spec, str]]:
    """An image unpacked, once *build* had nothing against it: its root directory, and what was built."""
    from ctrscope.images.image import opened_image  # takes a third of what a container without one does

    sweep()
    directory = f"{image_root()}/{container_id}"
    with opened_image(reference) as image:
        spec, user = build(image.settings)
        os.makedirs(image_root(), 0o711, exist_ok=True)
        os.mkdir(directory, 0o711)
        with held(directory):
            try:
                os.symlink(directory_of(default_root(), container_id), f"{directory}/{_STATE}")
                os.mkdir(f"{directory}/rootfs", 0o755)
                image.unpack(
                    f"{directory}/rootfs", *(_first(one) for one in (spec.linux.uid_mappings, spec.linux.gid_mappings))
                )
                yield f"{directory}/rootfs", spec, user
            except BaseException:
                _remove_tree(directory)
                raise


def _first(mappings: Sequence[IdMapping]) -> int:
    """Who root inside is, where we are root: else every file is ours."""
    return mappings[0].host_id if mappings and os.geteuid() == 0 else 0


def sweep() -> None:
    """Remove what was unpacked for containers that never came to be, or that a restart of the host took with it."""
    root = image_root()
    for name in os.listdir(root) if os.path.isdir(root) else ():
        with suppress(OSError, LauncherError), held(directory := f"{root}/{name}", wait=False):
            if not os.path.isdir(f"{directory}/{_STATE}"):
                _remove_tree(directory)


def find_ours(query: str) -> str | None:
    """The id that a name, an id or a unique beginning of one means; None: none of ours. Errors: LauncherError."""
    ids = list_ids(default_root())
    if query in ids:
        return query
    found = [one for one in ids if query and one.startswith(query)]
    if len(found) > 1:
        raise LauncherError(f"{query!r} is the beginning of {', '.join(found)}: say more of it")
    return found[0] if found else None


def note_end(root: str, container_id: str, status: int) -> None:
    """Write down how it ended, and let go of what only a running one needs. Unless somebody has removed it."""
    with suppress(LauncherError, FileNotFoundError), locked(root, container_id):
        state = read_state(root, container_id)
        write_state(root, msgspec.structs.replace(state, exit_status=status, finished=rfc3339(time.time())))
        let_go(root, state)


def remove(root: str, container_id: str, check: Callable[[State | None], None] = lambda _: None) -> tuple[str, ...]:
    """Kill and remove it, whatever there is of it; its supervisor, unless that is us, ends. Returns warnings.

    *check*: as ``delete`` has it. Errors: LauncherError.
    """
    state = find_state(root, container_id)
    warnings = delete(root, container_id, force=True, check=check)
    if state is not None and state.monitor_pid not in (None, os.getpid()):
        _await_monitor(state)
    directory = f"{image_root()}/{container_id}"
    with suppress(FileNotFoundError):  # it was made without an image
        if os.readlink(f"{directory}/{_STATE}") == directory_of(root, container_id):
            _remove_tree(directory)
    return warnings


def _await_monitor(state: State) -> None:
    assert state.monitor_pid is not None
    with suppress(ProcessLookupError):
        pidfd = os.pidfd_open(state.monitor_pid)
        try:
            # After the descriptor was opened: it is of that very process.
            if read_starttime(state.monitor_pid) == state.monitor_starttime_ticks:
                poll = select.poll()
                poll.register(pidfd, select.POLLIN)
                if not poll.poll(_PATIENCE):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)


def _remove_tree(directory: str) -> None:
    """Remove an unpacked image. What is mounted in there is not: it would be somebody's files that go."""
    real = os.path.realpath(directory)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            if f"{line.split()[4]}/".startswith(f"{real}/"):
                raise LauncherError(f"{directory} is not removed: something is mounted at {line.split()[4]}")
    try:
        _empty(directory)
    except PermissionError:
        if os.geteuid() == 0:
            raise
        _as_root_inside(lambda: _empty(directory))
    os.rmdir(directory)


def _as_root_inside(change: Callable[[], None]) -> None:
    """An ordinary user's container may have made files of the ids that are reserved for the user: its root removes them."""
    from ctrscope.attach import syscalls
    from ctrscope.launcher.namespaces import become_root, write_maps
    from ctrscope.run.users import own_mappings

    mappings = own_mappings(None)
    assert mappings is not None
    ours, theirs = open_channel()
    child = os.fork()
    if child == 0:
        try:
            syscalls.unshare(NamespaceType.USER)
            theirs.send(b".")
            theirs.receive(1)
            become_root()
            change()
            os._exit(0)
        finally:
            os._exit(1)
    with ours, theirs:
        ours.receive(1)
        write_maps(child, Linux(uid_mappings=mappings[0], gid_mappings=mappings[1]))
        ours.send(b".")
        if os.waitpid(child, 0)[1]:
            raise LauncherError("the files of its users are not removed: not permitted")


def _empty(directory: str) -> None:
    """Remove what is in a directory of ours. However deep directories are nested, each is moved up before it is emptied."""
    top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    while names := os.listdir(top):
        for name in names:
            if _unlinked(name, top):
                continue
            handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
            try:
                for inner in os.listdir(handle):
                    if not _unlinked(inner, handle):
                        # A name that no removal before this one, interrupted, has left.
                        os.rename(inner, os.urandom(16).hex(), src_dir_fd=handle, dst_dir_fd=top)
            finally:
                os.close(handle)
            os.rmdir(name, dir_fd=top)
    os.close(top)


def _unlinked(name: str, parent: int) -> bool:
    """Whether it was no directory, and is gone."""
    try:
        os.unlink(name, dir_fd=parent)
    except IsADirectoryError:
        return False
    return True
