"""What can be done with a container: create, start, kill, delete, pause, resume, update, and run one program more in it.

*Source:* OCI runtime specification, runtime.md "Operations". *Errors:* LauncherError, SpecError. Whatever is made is written
to the state before, so that ``delete`` with force removes it, whoever was killed at whatever moment.
"""

import _signal as signal
import os
import select
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import msgspec
from msgspec.structs import replace

from ctrscope.attach import syscalls
from ctrscope.attach.channel import Channel, open_channel
from ctrscope.cgroups import cgroup
from ctrscope.launcher import hooks, init, talk
from ctrscope.launcher.confine import Confined, limit, plan_confinement
from ctrscope.launcher.mounts import hierarchy_names, parse_options
from ctrscope.launcher.namespaces import open_joined, write_maps
from ctrscope.launcher.rootfs import find_left_out, unmount_in_place
from ctrscope.model.timestamp import rfc3339
from ctrscope.model.value import Value
from ctrscope.oci import state as states
from ctrscope.oci.errors import LauncherError, run_program, step
from ctrscope.oci.spec import Process, Resources, Spec
from ctrscope.oci.state import FIFO, Cgroups, State
from ctrscope.probes.cgroupfs import read_frozen, read_layout
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_cgroup import read_cgroup

if TYPE_CHECKING:
    from ctrscope.model.container import Port

_PR_SET_CHILD_SUBREAPER = 36
_LISTEN_FDS = "LISTEN_FDS"


class Wish(Value, frozen=True, kw_only=True):
    """What is asked for besides the specification."""

    id: str
    root: str  # where state is kept
    bundle: str
    pid_file: str | None = None
    console_socket: str | None = None
    preserved: int = 0  # descriptors from 3 on
    systemd_cgroup: bool = False
    new_keyring: bool = True
    ports: "tuple[Port, ...] | None" = None  # to publish on the launcher's own bridge; None: no such network
    name: str | None = None
    image: str | None = None
    remove_at_exit: bool = False


class Made(Value, frozen=True, kw_only=True):
    """A process that waits for its start, our child."""

    pid: int
    channel: Channel
    terminal: int | None  # our end, where nobody waits for it at a socket
    warnings: tuple[str, ...]


def create(wish: Wish, spec: Spec) -> Made:
    """Make a container that waits for its start. What fails leaves nothing behind."""
    if spec.process is None:
        raise LauncherError("$.process: expected a program to run, found nothing")
    if os.path.exists(states.directory_of(wish.root, wish.id)):
        raise LauncherError(f"container with id exists: {wish.id}")
    program = _program(wish, spec.process, plan_confinement(spec.process, spec.linux.seccomp), is_init=True)
    cgroups = cgroup.plan_cgroups(spec, wish.id, systemd=wish.systemd_cgroup)
    rootfs = os.path.realpath(os.path.join(wish.bundle, spec.root.path))
    if not os.path.isdir(rootfs):
        raise LauncherError(f"$.root.path: {rootfs} is not a directory")
    if rootfs == "/" and not spec.linux.has_new("mount"):
        raise LauncherError("$.root.path: the host's own root takes a new mount namespace in $.linux.namespaces")
    state = State(
        id=wish.id,
        bundle=wish.bundle,
        rootfs=rootfs,
        created=rfc3339(time.time()),
        annotations=spec.annotations,
        cgroups=cgroups,
        name=wish.name,
        image=wish.image,
        remove_at_exit=wish.remove_at_exit,
    )
    states.make_directory(wish.root, wish.id)
    with states.locked(wish.root, wish.id):
        try:
            states.write_state(wish.root, state)
            states.write_spec(wish.root, wish.id, spec)
            if wish.ports is not None:
                from ctrscope.network.bridge import plan_network

                plan_network(wish.root, wish.id, wish.ports)
            return _make(wish, spec, state, program)
        except BaseException:
            _undo(wish.root, wish.id, states.find_state(wish.root, wish.id))
            raise


def _make(wish: Wish, spec: Spec, state: State, program: init.Program) -> Made:
    assert state.cgroups is not None
    cgroups, resources = state.cgroups, spec.linux.resources

    def became(pid: int) -> None:
        nonlocal state
        state = replace(state, pid=pid, starttime_ticks=states.read_starttime(pid))
        states.write_state(wish.root, state)

    def run_hooks(pid: int) -> tuple[str, ...]:
        changed: tuple[str, ...] = ()
        if wish.ports is not None:
            from ctrscope.network.bridge import connect

            changed = connect(wish.root, wish.id, pid)
        hooks.run_hooks("prestart", spec, state, "created")
        hooks.run_hooks("createRuntime", spec, state, "created")
        return changed

    fifo = f"{states.directory_of(wish.root, wish.id)}/{FIFO}"
    os.mkfifo(fifo, 0o600)
    with ExitStack() as held:
        making = init.Making(
            spec=spec,
            state=state,
            program=program,
            cgroups=cgroups,
            hierarchies=hierarchy_names(cgroups.directories),
            joined=open_joined(spec.linux),
            sources=_open_sources(spec, wish.bundle),
            fifo=os.open(fifo, os.O_RDWR | os.O_CLOEXEC),
        )
        for handle in (making.fifo, *making.joined.values(), *making.sources.values()):
            held.callback(os.close, handle)
        answers = {
            talk.IDS: lambda pid: write_maps(pid, spec.linux),
            talk.PID: became,
            talk.CGROUPS: lambda pid: cgroup.place(cgroups, resources, pid),
            talk.HOOKS: run_hooks,
        }
        begin, meanwhile = partial(init.begin, making), partial(cgroup.make, cgroups, resources)
        made = _bring_up(wish, program, begin, answers, meanwhile)
    seen: list[str] = []
    if not spec.linux.has_new("mount"):
        seen.append("$.linux.namespaces has no new mount namespace: its mounts are seen outside until it is deleted")
    if state.rootfs == "/" and not spec.linux.has_new("user"):
        seen += find_left_out([one.destination for one in spec.mounts])
    return replace(made, warnings=(*made.warnings, *seen))


def launch(wish: Wish, spec: Spec, created: Callable[[Made], None]) -> Made:
    """Create it and start it; returns once it executes its program. What fails leaves nothing behind."""
    made = create(wish, spec)
    try:
        created(made)
        start(wish.root, wish.id)
        with made.channel:
            talk.listen(made.channel, made.pid, {})  # it says why it did not execute its program
    except BaseException:
        delete(wish.root, wish.id, force=True)
        raise
    return made


def start(root: str, container_id: str) -> None:
    """Let it begin; returns once it executes its program, or has ended."""
    with states.locked(root, container_id):
        state = states.read_state(root, container_id)
        status = states.read_status(root, state)
        if status != "created":
            raise LauncherError(f"cannot start a container that is {status}: {container_id}")
        fifo = f"{states.directory_of(root, container_id)}/{FIFO}"
        handle = os.open(fifo, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.write(handle, b".")
            os.unlink(fifo)
            poll = select.poll()
            poll.register(handle, 0)  # POLLERR: who reads has executed its program, which closes its end
            poll.poll()
        finally:
            os.close(handle)
        spec = states.read_spec(root, container_id)
        try:
            hooks.run_hooks("poststart", spec, state, "running")
        except LauncherError:
            kill(root, container_id, signal.SIGKILL, everybody=True)
            raise


def check_preserved(preserved: int) -> None:
    """Before anything else is opened, and gets a number of those that are to be passed on. Errors: LauncherError."""
    for number in range(3, 3 + preserved + _listened()):
        try:
            os.fstat(number)
        except OSError:
            raise LauncherError(f"--preserve-fds {preserved}: descriptor {number} is not open") from None


def kill(root: str, container_id: str, number: int, *, everybody: bool = False) -> None:
    """Signal its init, or all of its processes."""
    state = states.read_state(root, container_id)
    alive = states.is_alive(state)
    if everybody and state.cgroups is not None:
        if number == signal.SIGKILL:
            cgroup.kill_all(state.cgroups)
        else:
            for pid in cgroup.read_pids(state.cgroups):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
    elif not alive:
        raise LauncherError(f"container not running: {container_id}")
    if alive and state.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(state.pid, number)
    if number == signal.SIGKILL and alive and state.cgroups is not None:
        with suppress(LauncherError):  # a frozen one dies when it is thawed
            cgroup.thaw(state.cgroups)


def delete(
    root: str, container_id: str, *, force: bool, check: Callable[[State | None], None] = lambda _: None
) -> tuple[str, ...]:
    """Remove what there is of it; returns warnings. One that runs is killed, with *force* only.

    *check* may refuse when nobody else can change it any more. Errors: LauncherError.
    """
    with states.locked(root, container_id):
        state = states.find_state(root, container_id)
        check(state)
        status = "stopped" if state is None else states.read_status(root, state)
        if status not in ("stopped", "created") and not force:
            raise LauncherError(f"cannot delete container {container_id} that is not stopped: {status}")
        return _undo(root, container_id, state)


def read_status(root: str, state: State) -> str:
    """As ``states.read_status``, and ``paused`` for what the freezer holds."""
    status = states.read_status(root, state)
    host, layout = HostFs(), None
    if status == "running" and state.pid is not None:
        layout = read_layout(host)
    if layout is not None and state.pid is not None:
        with suppress(OSError):  # it ended meanwhile
            if read_frozen(host, layout, layout.membership(read_cgroup(host, state.pid))):
                return "paused"
    return status


def read_pids(root: str, container_id: str) -> tuple[int, ...]:
    """All processes in its cgroups, or its init when it has none."""
    state = states.read_state(root, container_id)
    pids = cgroup.read_pids(state.cgroups) if state.cgroups is not None else ()
    return pids or ((state.pid,) if state.pid is not None and states.is_alive(state) else ())


def read_process_table(pids: tuple[int, ...], options: tuple[str, ...]) -> list[str]:
    """What ps(1) says of them. Errors: LauncherError."""
    what = f"ps {' '.join(options)}"
    head, *lines = run_program(what, ("ps", *options)).splitlines() or [""]
    if "PID" not in head.split():
        raise LauncherError(f"{what}: no column PID")
    column, known = head.split().index("PID"), {str(pid) for pid in pids}
    return [head, *(line for line in lines if line.split()[column] in known)]


def write_template(bundle: str, spec: Spec) -> None:
    """Write a config.json where there is none yet. Errors: LauncherError."""
    try:
        with open(f"{bundle}/config.json", "xb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(spec), indent=2) + b"\n")
    except FileExistsError:
        raise LauncherError(f"{bundle}/config.json exists; remove it first") from None


def pause(root: str, container_id: str) -> None:
    """Hold all of its processes by the freezer."""
    cgroup.freeze(_running(root, container_id))


def resume(root: str, container_id: str) -> None:
    """Let them go on."""
    cgroup.thaw(_running(root, container_id))


def update(root: str, container_id: str, resources: Resources) -> tuple[str, ...]:
    """Change its limits; returns warnings."""
    return cgroup.update(_running(root, container_id), resources)


def execute(wish: Wish, process: Process) -> Made:
    """Run one program more in a container, as it would be one of its own."""
    from ctrscope.launcher import join  # whoever makes a container does without

    state = states.read_state(wish.root, wish.id)
    status = states.read_status(wish.root, state)
    if status == "stopped" or state.pid is None or state.cgroups is None:
        raise LauncherError(f"cannot exec in a container that is {status}: {wish.id}: container not running")
    spec = states.read_spec(wish.root, wish.id)
    program = _program(wish, process, plan_confinement(process, spec.linux.seccomp), is_init=False)
    joining = join.plan(state, program)
    try:
        answers = {talk.CGROUPS: lambda pid: cgroup.join(joining.cgroups, pid)}
        return _bring_up(wish, program, partial(join.begin, joining), answers)
    finally:
        os.close(joining.pidfd)


def _bring_up(
    wish: Wish,
    program: init.Program,
    begin: Callable[[Channel], NoReturn],
    answers: Mapping[bytes, Callable[[int], tuple[str, ...] | None]],
    meanwhile: Callable[[], tuple[str, ...]] = tuple,
) -> Made:
    """Start the go-between, whose child is ours once it has ended, and do what is asked for.

    Errors: LauncherError, after which nobody is left of those that were started.
    """
    syscalls.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    channel, theirs = open_channel()
    go_between = os.fork()
    if go_between == 0:
        try:
            signal.set_wakeup_fd(-1)  # what reaches us is not told to who waits
            states.forget_locks()
            channel.close()
            begin(theirs)
        except BaseException as error:
            talk.fail(theirs, error)
    theirs.close()
    try:
        warnings = (*program.confined.warnings, *meanwhile())
        heard = talk.listen(channel, go_between, {talk.LIMITS: lambda pid: limit(pid, program.confined), **answers})
        if heard.last != (talk.READY if program.is_init else b""):
            raise LauncherError("it was killed while it was being made; a memory limit below some 4m is too little to start in")
    except BaseException:
        channel.close()  # whoever waits for an answer ends
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        raise
    os.waitpid(go_between, 0)
    if program.console is not None:
        os.close(program.console)
    if wish.pid_file is not None:  # engines wait for it to be there
        states.write_whole(wish.pid_file, str(heard.pid).encode())
    return Made(pid=heard.pid, channel=channel, terminal=heard.terminal, warnings=(*warnings, *heard.warnings))


def _program(wish: Wish, process: Process, confined: Confined, *, is_init: bool) -> init.Program:
    if (listened := _listened()) and is_init:
        process = replace(process, env=(*process.env, f"{_LISTEN_FDS}={listened}", "LISTEN_PID=1"))
    console = None
    if wish.console_socket is not None:
        if not process.terminal:
            raise LauncherError("--console-socket: $.process.terminal is not true, so that there will be no terminal to send")
        from ctrscope.launcher.console import connect_console

        console = connect_console(wish.console_socket)
    return init.Program(
        process=process,
        confined=confined,
        is_init=is_init,
        console=console,
        preserved=wish.preserved + listened,
        keyring=f"_ses.{wish.id}" if wish.new_keyring else None,
    )


def _listened() -> int:
    """How many sockets we were handed to hand them on, as systemd does: sd_listen_fds(3)."""
    listened = os.environ.get(_LISTEN_FDS, "")
    return int(listened) if listened.isdecimal() else 0


def _open_sources(spec: Spec, bundle: str) -> dict[int, int]:
    """With a user namespace root inside may not get to the names of what is bound: copies of the mounts, by number."""
    found: dict[int, int] = {}
    if spec.linux.find_namespace("user") is None or os.geteuid() != 0:
        return found
    for number, mount in enumerate(spec.mounts):
        options = parse_options(mount.options)
        if options.is_bind:
            with step(f"$.mounts[{number}].source: {mount.source}"):
                handle = os.open(os.path.join(bundle, mount.source), os.O_PATH | os.O_CLOEXEC)
            found[number] = syscalls.open_tree(handle, recursive=bool(options.flags & syscalls.MS_REC))
            os.close(handle)
    return found


def _undo(root: str, container_id: str, state: State | None) -> tuple[str, ...]:
    """Remove everything that there may be, each whether or not it is there; the state goes last. Returns warnings."""
    if state is None:
        states.remove_directory(root, container_id)
        return ()
    if states.is_alive(state) and state.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGKILL)
    let_go(root, state)
    warnings: tuple[str, ...] = ()
    if os.path.exists(f"{states.directory_of(root, container_id)}/config.json"):
        spec = states.read_spec(root, container_id)
        if spec.linux.find_namespace("mount") is None:
            unmount_in_place(state.rootfs)
        warnings = hooks.run_hooks("poststop", spec, state, "stopped")
    states.remove_directory(root, container_id)
    return warnings


def let_go(root: str, state: State) -> None:
    """Take away what only a running container needs."""
    cgroup.let_go(state.cgroups)
    if os.path.exists(f"{root}/network.json"):
        from ctrscope.network.bridge import disconnect  # few have one

        disconnect(root, state.id)


def _running(root: str, container_id: str) -> Cgroups:
    state = states.read_state(root, container_id)
    if not states.is_alive(state) or state.cgroups is None:
        raise LauncherError(f"container not running: {container_id}")
    return state.cgroups
