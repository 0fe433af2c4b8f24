"""A person's container: made of options, run before the person's eyes or left to a supervisor.

*Source:* docker run, for what an option and an exit status mean.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from ctrscope.attach import syscalls
from ctrscope.attach.session import Started, attend, caught_signals, exit_status
from ctrscope.attach.terminal import EscapeKeys, is_interactive, read_window_size
from ctrscope.launcher.build import Wanted, build_spec
from ctrscope.launcher.errors import LauncherError
from ctrscope.launcher.lifecycle import Made, Wish, await_program, create, start
from ctrscope.launcher.removal import note_end, remove, unpacked
from ctrscope.launcher.spec import ConsoleSize, Spec, load_spec
from ctrscope.launcher.state import State, default_root, directory_of, locked, read_starttime, read_state, write_state
from ctrscope.launcher.users import find_user
from ctrscope.launcher.validate import validate
from ctrscope.model.value import Value


class Order(Value, frozen=True, kw_only=True):
    """What a person asks for."""

    wanted: Wanted
    rootfs: str | None = None
    bundle: str | None = None
    image: str | None = None
    name: str | None = None
    ports: tuple[str, ...] = ()
    interactive: bool = False
    remove: bool = False


def run_attached(order: Order, say: Callable[[str], None]) -> int:
    """Run it with our standard streams, and wait; returns its exit status. Errors: LauncherError."""
    has_terminal = is_interactive()
    if order.wanted.terminal and not has_terminal:
        raise LauncherError("-t: standard input and output are no terminal: leave it out")
    with prepared(order) as (wish, spec), caught_signals() as signals:
        assert spec.process is not None
        has_terminal = has_terminal and spec.process.terminal
        process = msgspec.structs.replace(spec.process, terminal=has_terminal, console_size=_size() if has_terminal else None)
        if not has_terminal and not order.interactive:
            _take_nothing_for(0)
        made = create(wish, msgspec.structs.replace(spec, process=process))
        for warning in made.warnings:
            say(warning)
        pidfd = os.pidfd_open(made.pid)
        _start(wish, made)
        attend(Started(pidfd, made.terminal), signals, EscapeKeys(b""))
        status = exit_status(os.waitpid(made.pid, 0)[1])
        finish(wish, status)
    return status


def run_detached(order: Order) -> str:
    """Leave it to a supervisor; returns its id once it runs. Errors: LauncherError."""
    from ctrscope.launcher.log import Log
    from ctrscope.launcher.monitor import detach, keep, redirected

    with prepared(order) as (wish, spec):

        def supervise(tell_started: Callable[[], None]) -> None:
            with redirected() as output:
                made = create(wish, spec)
            directory = directory_of(wish.root, wish.id)
            with locked(wish.root, wish.id):
                pid = os.getpid()
                state = read_state(wish.root, wish.id)
                state = msgspec.structs.replace(state, monitor_pid=pid, monitor_starttime_ticks=read_starttime(pid))
                write_state(wish.root, state)
            log = Log(f"{directory}/log")
            for warning in made.warnings:
                log.write("stderr", f"ctrscope: {warning}\n".encode("utf-8", "surrogateescape"))
            _start(wish, made)
            tell_started()
            finish(wish, keep(made.pid, log, output, made.terminal))

        detach(f"ctrscope-monitor {wish.id} {directory_of(wish.root, wish.id)}", supervise)
    return wish.id


def finish(wish: Wish, status: int) -> None:
    """It is over: note how, or remove it."""
    if wish.remove_at_exit:
        remove(wish.root, wish.id)
    else:
        note_end(wish.root, wish.id, status)


def _start(wish: Wish, made: Made) -> None:
    try:
        start(wish.root, wish.id)
        await_program(made)
    except BaseException:
        remove(wish.root, wish.id)
        raise


@contextmanager
def prepared(order: Order) -> Iterator[tuple[Wish, Spec]]:
    """What is to be made, validated; an image is unpacked, and stays when a container was made of it. Errors: LauncherError."""
    from ctrscope.launcher.network import parse_port

    container_id = order.name or os.urandom(6).hex()
    root = default_root()
    if os.path.isdir(directory_of(root, container_id)):
        raise LauncherError(f"the name {container_id} is taken: ctrscope rm {container_id} removes that container")
    has_bridge = order.wanted.network == "bridge"
    ports = tuple(parse_port(text) for text in order.ports)
    if ports and not has_bridge:
        raise LauncherError("-p: a port is published from the bridge: say --net bridge, too", 2)
    wish = Wish(
        id=container_id,
        root=root,
        bundle=order.bundle or directory_of(root, container_id),
        ports=ports if has_bridge else None,
        name=order.name,
        image=order.image,
        remove_at_exit=order.remove,
    )
    if order.bundle is not None:
        yield wish, _bundled(order)
    elif order.image is not None:
        with unpacked(order.image, container_id, lambda image: _built(order, container_id, "/", image)) as (rootfs, spec):
            yield wish, _with_user(msgspec.structs.replace(spec, root=msgspec.structs.replace(spec.root, path=rootfs)), order)
    else:
        rootfs = None if order.rootfs is None else os.path.abspath(order.rootfs)
        if rootfs is not None and not os.path.isdir(rootfs):
            raise LauncherError(f"--rootfs {order.rootfs}: there is no such directory", 2)
        yield wish, _with_user(_built(order, container_id, rootfs, ImageSettings()), order)
