"""A person's container: made of options, run before the person's eyes or left to a supervisor.

*Source:* docker run, for what an option and an exit status mean.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ctrscope.attach.session import is_interactive
from ctrscope.images.settings import ImageSettings
from ctrscope.launcher import attended
from ctrscope.launcher.lifecycle import Wish, launch
from ctrscope.model.value import Value
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import Spec, load_spec
from ctrscope.oci.state import default_root, directory_of, locked, read_starttime, read_state, write_state
from ctrscope.oci.validate import validate
from ctrscope.run.build import Wanted, build_spec
from ctrscope.run.removal import note_end, remove, unpacked
from ctrscope.run.users import find_user

if TYPE_CHECKING:
    from ctrscope.model.container import Port


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


def run_attached(order: Order, say: Callable[[tuple[str, ...]], None]) -> int:
    """Run it with our standard streams, and wait; returns its exit status. Errors: LauncherError."""
    if order.wanted.terminal and not is_interactive():
        raise LauncherError("-t: standard input and output are no terminal: leave it out")
    with prepared(order) as (wish, spec):
        assert spec.process is not None
        has_terminal = spec.process.terminal and is_interactive()
        if not has_terminal and not order.interactive:
            with open(os.devnull, "rb") as nothing:
                os.dup2(nothing.fileno(), 0)
        spec = replace(spec, process=replace(spec.process, terminal=has_terminal))
        status = attended.run_attached(wish, spec, warn=say, keep=True)
        finish(wish, status)
    return status


def run_detached(order: Order) -> str:
    """Leave it to a supervisor; returns its id once it runs. Errors: LauncherError."""
    from ctrscope.run.log import Log
    from ctrscope.run.monitor import detach, keep, redirected

    with prepared(order) as (wish, spec):

        def supervise(tell_started: Callable[[], None]) -> None:
            with redirected() as output:
                made = launch(wish, spec, lambda _: _note_monitor(wish))
            log = Log(f"{directory_of(wish.root, wish.id)}/log")
            for warning in made.warnings:
                log.write("stderr", f"ctrscope: {warning}\n".encode("utf-8", "surrogateescape"))
            tell_started()
            finish(wish, keep(made.pid, log, output, made.terminal))

        detach(f"ctrscope-monitor {wish.id} {directory_of(wish.root, wish.id)}", supervise)
    return wish.id


def _note_monitor(wish: Wish) -> None:
    """Write down that it is us who will wait."""
    with locked(wish.root, wish.id):
        pid = os.getpid()
        state = read_state(wish.root, wish.id)
        write_state(wish.root, replace(state, monitor_pid=pid, monitor_starttime_ticks=read_starttime(pid)))


def finish(wish: Wish, status: int) -> None:
    """It is over: note how, or remove it."""
    if wish.remove_at_exit:
        with suppress(LauncherError):  # somebody else has removed it
            remove(wish.root, wish.id)
    else:
        note_end(wish.root, wish.id, status)


@contextmanager
def prepared(order: Order) -> Iterator[tuple[Wish, Spec]]:
    """What is to be made, validated. Errors: LauncherError."""
    wanted, container_id = order.wanted, order.name or os.urandom(6).hex()
    directory = directory_of(default_root(), container_id)
    if os.path.isdir(directory):
        raise LauncherError(f"the name {container_id} is taken: ctrscope rm {container_id} removes that container")
    wish = Wish(
        id=container_id,
        root=default_root(),
        bundle=os.path.abspath(order.bundle) if order.bundle else directory,
        ports=_ports(order),
        name=order.name,
        image=order.image,
        remove_at_exit=order.remove,
    )
    if order.bundle is not None:
        spec = load_spec(order.bundle)
        if wanted.command and spec.process is not None:
            spec = replace(spec, process=replace(spec.process, args=wanted.command))
        yield wish, spec
    elif order.image is not None:

        def build(image: ImageSettings) -> tuple[Spec, str]:
            return build_spec(wanted, container_id, "/", image)

        with unpacked(order.image, container_id, build) as (rootfs, spec, user):
            yield wish, _completed(rootfs, spec, user)
    else:
        if order.rootfs is not None and not os.path.isdir(order.rootfs):
            raise LauncherError(f"--rootfs {order.rootfs}: there is no such directory", 2)
        own = None if order.rootfs is None else os.path.realpath(order.rootfs)
        yield wish, _completed(own or "/", *build_spec(wanted, container_id, own, ImageSettings()))


def _completed(rootfs: str, spec: Spec, user: str) -> Spec:
    """The specification with what only the files of the container tell."""
    assert spec.process is not None
    process = replace(spec.process, user=find_user(rootfs, user)) if user else spec.process
    if process.user.uid != 0 and process.capabilities is not None:
        # As of docker: another user than root may get capabilities by programs that have them.
        process = replace(process, capabilities=replace(process.capabilities, effective=(), permitted=()))
    spec = replace(spec, process=process, root=replace(spec.root, path=rootfs))
    validate(spec)
    return spec


def _ports(order: Order) -> "tuple[Port, ...] | None":
    if order.wanted.network != "bridge":
        if order.ports:
            raise LauncherError("-p: a port is published from the bridge: say --net bridge, too", 2)
        return None
    from ctrscope.network.bridge import parse_port

    return tuple(parse_port(text) for text in order.ports)
