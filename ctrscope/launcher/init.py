"""The processes that become a container: a go-between gets the namespaces, its child, init, fills them and becomes the program.

*Source:* OCI runtime specification, runtime.md "Lifecycle" and runtime-linux.md; namespaces(7), pivot_root(2).
The steps are in ``_become_init`` from top to bottom. What the host has to do for them is asked for (``talk``).
"""

import _socket
import errno
import fcntl
import os
import struct
from collections.abc import Mapping
from typing import NoReturn

from msgspec.structs import replace

from ctrscope.attach import syscalls
from ctrscope.attach.become import hide, keep_from_exec, reset_signals
from ctrscope.attach.channel import Channel
from ctrscope.attach.credentials import parse_passwd
from ctrscope.attach.environment import DEFAULT_PATH
from ctrscope.attach.program import CANNOT_EXECUTE, NOT_FOUND, candidates, execute
from ctrscope.launcher import namespaces, nodes
from ctrscope.launcher.confine import Confined, become, take_label
from ctrscope.launcher.hooks import run_hooks
from ctrscope.launcher.mounts import make_readonly, mask, mount_cgroups, mount_inside, parse_options, remount
from ctrscope.launcher.rootfs import PROPAGATIONS, enter_in_place, make_inside, open_root, pivot
from ctrscope.launcher.talk import CGROUPS, HOOKS, IDS, LIMITS, READY, TERMINAL, ask, go_on
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.value import Value
from ctrscope.oci.errors import LauncherError, step
from ctrscope.oci.spec import Linux, Process, Spec
from ctrscope.oci.state import Cgroups, State

_PERSONALITIES = {"LINUX": 0, "LINUX32": 8}
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_PASSWD_LIMIT = 1024 * 1024


class Program(Value, frozen=True, kw_only=True):
    """What init, or a process that joins later, has to become in the end."""

    process: Process
    confined: Confined
    is_init: bool
    console: int | None  # a socket that waits for the terminal; None: it goes to whoever made us
    preserved: int  # how many descriptors from 3 on the program gets
    keyring: str | None  # name of the session keyring; None: keep the caller's


class Making(Value, frozen=True, kw_only=True):
    """Everything that init needs, opened while the names of the host mean something."""

    spec: Spec
    state: State
    program: Program
    cgroups: Cgroups
    hierarchies: Mapping[str, str]  # controller → the name of its mount
    joined: Mapping[NamespaceType, int]
    sources: Mapping[int, int]  # number of a mount → a detached copy of what is to be bound
    fifo: int


def begin(making: Making, channel: Channel) -> NoReturn:
    """Be the go-between: get the namespaces, start init in them, end."""
    namespaces.enter(making.spec.linux, making.joined, lambda: ask(channel, IDS))
    go_on(channel, lambda: _become_init(making, channel))


def _become_init(making: Making, channel: Channel) -> NoReturn:
    spec, linux, program = making.spec, making.spec.linux, making.program
    state = replace(making.state, pid=int(os.readlink("/proc/self")))  # as the host counts
    import_late(program, spec)
    os.setsid()
    os.umask(0)
    keep_from_exec(program.preserved)
    _raise_loopback(linux)
    is_apart = linux.has_new("mount")
    root = open_root(state.rootfs, linux.rootfs_propagation, readonly=spec.root.readonly, is_apart=is_apart)
    _make_mounts(making, root, channel)
    _fill_dev(spec, root)
    with step(f"$.process.cwd: {program.process.cwd} is not there, and cannot be made"):
        os.close(make_inside(root, program.process.cwd, directory=True))
    ask(channel, HOOKS)
    run_hooks("createContainer", spec, state, "created")
    _set_names(spec)
    for path in linux.readonly_paths:
        make_readonly(root, path)
    for path in linux.masked_paths:
        mask(root, path)
    take_label(program.confined)
    pivot(root) if is_apart else enter_in_place(root)
    _finish_root(spec, root)
    environment = become_program(program, channel)
    channel.send(READY)
    os.read(making.fifo, 1)
    run_hooks("startContainer", spec, state, "created")
    execute(program.process.args, environment, inside=True, alone=True, last=program.confined.last)


def import_late(program: Program, spec: Spec | None = None) -> None:
    """Import what few need while the host's files are still there."""
    if program.process.terminal:
        import ctrscope.launcher.console  # noqa: F401
    if spec is not None and (spec.hooks.create_container or spec.hooks.start_container):
        import subprocess  # noqa: F401


def become_program(program: Program, channel: Channel) -> dict[str, str]:
    """Take what the process is to have: terminal, keyring, directory, limits, ids, capabilities, filter.

    Shape: its environment. What is left is to execute it.
    """
    process = program.process
    environment = dict(line.split("=", 1) for line in process.env if "=" in line)
    if not environment.get("HOME"):
        environment["HOME"] = _home(process.user.uid)
    if process.terminal:
        _take_terminal(program, channel)
    if program.keyring is not None:
        try:
            syscalls.join_new_keyring(program.keyring)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EPERM):  # a kernel without keys, or a filter around us
                raise LauncherError(f"making a session keyring: {error.strerror}") from error
    is_there = _change_directory(process.cwd)
    ask(channel, LIMITS)
    become(program.confined)
    hide()
    if not is_there and not _change_directory(process.cwd):
        raise LauncherError(f"$.process.cwd: {process.cwd}: permission denied")
    _find_program(process)
    reset_signals()
    return environment


def _raise_loopback(linux: Linux) -> None:
    if linux.has_new("network"):
        end = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        fcntl.ioctl(end.fileno(), _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
        end.close()


def _make_mounts(making: Making, root: int, channel: Channel) -> None:
    """In their order. The first that shows the cgroup takes being in it, and a namespace that begins there."""
    cgroup, has_joined = making.spec.linux.find_namespace("cgroup"), False

    def join() -> None:
        ask(channel, CGROUPS)
        if making.spec.linux.has_new("cgroup"):
            syscalls.unshare(NamespaceType.CGROUP)

    for number, mount in enumerate(making.spec.mounts):
        if mount.type in ("cgroup", "cgroup2") and not parse_options(mount.options).is_bind:
            if not has_joined:
                join()
            has_joined = True
            with step(f"mount {mount.destination} ({mount.type})"):
                mount_cgroups(root, mount, making.cgroups.directories, making.hierarchies, own_namespace=cgroup is not None)
        else:
            mount_inside(root, mount, making.state.bundle, making.sources.get(number))
    if not has_joined:
        join()


def _fill_dev(spec: Spec, root: int) -> None:
    """Unless /dev is the host's, or another's, who filled it."""
    if any(os.path.normpath(mount.destination) == "/dev" and parse_options(mount.options).is_bind for mount in spec.mounts):
        return
    nodes.make_nodes(root, spec.linux.devices)
    nodes.make_links(root)
    if spec.process is not None and spec.process.terminal:
        os.close(make_inside(root, "/dev/console", directory=False))


def _set_names(spec: Spec) -> None:
    """Host name, domain name and what else of /proc/sys namespaces have of their own."""
    syscalls.set_names(spec.hostname, spec.domainname)
    for name, value in spec.linux.sysctl.items():
        path = f"/proc/sys/{name if '/' in name else name.replace('.', '/')}"
        with step(f"$.linux.sysctl[{name!r}]: writing {value!r}"), open(path, "w", encoding="utf-8") as file:
            file.write(value)


def _finish_root(spec: Spec, root: int) -> None:
    if spec.linux.rootfs_propagation:
        syscalls.mount(None, "/", None, PROPAGATIONS[spec.linux.rootfs_propagation])
    if spec.root.readonly:
        remount(root, syscalls.MS_RDONLY | os.fstatvfs(root).f_flag & 0xE)
    if spec.linux.personality is not None:
        syscalls.set_personality(_PERSONALITIES[spec.linux.personality.domain])


def _take_terminal(program: Program, channel: Channel) -> None:
    from ctrscope.launcher.console import send_terminal, take_terminal

    master, name = take_terminal(program.process.console_size)
    if program.console is None:
        channel.send(TERMINAL, master)
    else:
        send_terminal(program.console, master, name)
    os.close(master)
    if program.is_init:
        syscalls.mount(name, "/dev/console", None, syscalls.MS_BIND)


def _change_directory(path: str) -> bool:
    """Whether it was permitted. Where a link leads out through one of our descriptors, it is not (CVE-2024-21626)."""
    try:
        os.chdir(path)
        os.getcwd()  # ENOENT: outside of our root
    except PermissionError:
        return False
    except OSError as error:
        raise LauncherError(f"$.process.cwd: {path}: {error.strerror}") from None
    return True


def _find_program(process: Process) -> None:
    """Say now that it is not there, rather than at the start, when who asked for it is gone."""
    name = process.args[0]
    path = next((line[5:] for line in process.env if line.startswith("PATH=")), DEFAULT_PATH)
    found = [candidate for candidate in candidates(name, path) if os.path.exists(candidate)]
    if not found:
        where = "no such file or directory" if "/" in name else f"executable file not found in $PATH ({path})"
        raise LauncherError(f'exec: "{name}": {where}', NOT_FOUND)
    if not any(os.path.isfile(candidate) and os.access(candidate, os.X_OK) for candidate in found):
        what = "is a directory: permission denied" if os.path.isdir(found[0]) else "permission denied"
        raise LauncherError(f'exec: "{name}": {what}', CANNOT_EXECUTE)


def _home(uid: int) -> str:
    try:
        handle = os.open("/etc/passwd", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(handle, "rb", buffering=0) as file:
            entry = parse_passwd(file.read(_PASSWD_LIMIT) or b"", uid)
    except OSError:
        return "/"
    return entry.home if entry else "/"
