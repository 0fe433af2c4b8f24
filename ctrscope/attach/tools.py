"""The host's programs with the container's files mounted beside them, in a mount namespace made for this session.

*Source:* open_tree(2), move_mount(2), mount_namespaces(7). *Versions:* both calls since Linux 5.2.

A copy of the container's mounts is taken from inside its mount namespace, by a child that then ends, and is handed over
detached; the container's own mount table is never written. The session's namespace is private, and goes when it ends.
"""

import os
from typing import NoReturn

from ctrscope.attach import syscalls
from ctrscope.attach.channel import Channel, open_channel
from ctrscope.attach.request import CannotAttach
from ctrscope.model.namespace import NamespaceType

#: Exists on every Linux host (Filesystem Hierarchy Standard 3.12). What may be mounted there stays hidden for the session.
MOUNT_POINT = "/mnt"


def mount_beside(mnt: int, root: int, *, has_pid_namespace: bool) -> None:
    """Mount a copy of the tree at *root* on ``MOUNT_POINT`` of a new mount namespace.

    *mnt* is the container's mount namespace. Where we joined a PID namespace, /proc shows that one's. Errors: CannotAttach.
    """
    try:
        tree = _clone_inside(mnt, root)
        syscalls.unshare(NamespaceType.MNT)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.move_mount(tree, MOUNT_POINT)
        os.close(tree)
        # What a shared mount of the container does must not be done here, nor the other way round.
        syscalls.mount(None, MOUNT_POINT, None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        if has_pid_namespace:
            syscalls.mount("proc", "/proc", "proc", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)
    except OSError as error:
        raise CannotAttach(f"mounting its files on {MOUNT_POINT}: {error.strerror}") from error


def _clone_inside(mnt: int, root: int) -> int:
    """The copy, taken by a child: a mount can be copied from inside its own mount namespace only (EINVAL)."""
    ours, theirs = open_channel()
    with ours:
        with theirs:
            child = os.fork()
            if child == 0:
                _send_clone(mnt, root, theirs)
        message, handle = ours.receive(16)
    os.waitpid(child, 0)
    if handle is None:
        number = int(message or b"0")
        raise OSError(number, os.strerror(number))
    return handle


def _send_clone(mnt: int, root: int, channel: Channel) -> NoReturn:
    try:
        syscalls.setns(mnt, NamespaceType.MNT)
        handle = syscalls.open_tree(root)
        channel.send(b"0", handle)
    except OSError as error:
        channel.send(str(error.errno or 0).encode())
    finally:
        os._exit(0)
