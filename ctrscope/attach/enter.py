"""Enter a container as planned and run a command there.

*Source:* setns(2), pid_namespaces(7), user_namespaces(7), nsenter(1).

Three processes take part. *We* stay outside, hold the terminal and wait. The *go-between*, our child, joins the PID
namespace, which counts for children only, and waits for its own child: the *entrant*, which joins everything else
(``inside``) and becomes the command. Each dies with the one before it. A socket tells us how far the entrant got; exec
closes it.
"""

import _signal as signal
import os
import select
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NoReturn

from ctrscope.attach import inside, syscalls
from ctrscope.attach.become import hide, reset_signals
from ctrscope.attach.channel import Channel, open_channel
from ctrscope.attach.inside import ENDED, PIDFD, REFUSED, TERMINAL, WARNING, Report, Target
from ctrscope.attach.request import AttachPlan, CannotAttach
from ctrscope.attach.session import FORWARDED, Started, attend, caught_signals, exit_status, is_interactive, send_signal
from ctrscope.model.gap import ParseError
from ctrscope.probes.proc_pid_stat import parse_stat

if TYPE_CHECKING:
    from ctrscope.attach.terminal import Likeness

_MESSAGE_LIMIT = 8192
ESCAPE = b"\x10\x11"  # ctrl-p ctrl-q, as docker attach has it


def enter(plan: AttachPlan, escape: bytes = ESCAPE) -> int:
    """Run the command and return its exit status, 128+N when signal N ended it.

    The keys *escape* leave a session on a terminal: the command loses its terminal, and ends.
    Call it on the main thread: signals are taken over until it returns. Errors: CannotAttach.
    """
    with ExitStack() as stack:
        ours, theirs = open_channel()
        stack.enter_context(ours)
        likeness = None
        if is_interactive():
            from ctrscope.attach.terminal import read_likeness  # with a pipe at either end there is none

            likeness = stack.enter_context(read_likeness())
        signals = stack.enter_context(caught_signals())
        with theirs, opened_target(plan) as target:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            try:
                parent, child = os.getpid(), os.fork()
                if child == 0:
                    _go_between(plan, target, likeness, Report(theirs), parent)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            started = _await_start(plan, child, ours, signals, stack)
            try:
                attend(started, signals, escape)
            except BaseException:
                send_signal(started.pidfd, signal.SIGKILL)
                raise
        finally:
            # The go-between is never killed where that can be helped: whom it did not reap would be left to the host's init.
            status = exit_status(os.waitpid(child, 0)[1])
    return status


@contextmanager
def opened_target(plan: AttachPlan) -> Iterator[Target]:
    """Hold init's namespaces, root and working directory open. Errors: CannotAttach.

    /proc/PID, once open, is of one process for ever, as a pidfd is: reads through it fail with ESRCH when that process
    is gone. Hence the start time is compared after opening, and a PID that was reused is never entered.
    """
    with ExitStack() as stack:

        def hold(name: str, flags: int, dir_fd: int | None = None) -> int:
            handle = os.open(name, flags | os.O_CLOEXEC, dir_fd=dir_fd)
            stack.callback(os.close, handle)
            return handle

        try:
            process = hold(f"/proc/{plan.pid}", os.O_PATH | os.O_DIRECTORY)
            pidfd = os.pidfd_open(plan.pid)
            stack.callback(os.close, pidfd)
            with open(os.open("stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process), "rb") as file:
                found = parse_stat(file.read())
            if found.starttime_ticks != plan.starttime_ticks or found.state in "ZX":
                raise ProcessLookupError
            root = hold("root", os.O_PATH | os.O_DIRECTORY, process) if plan.root or plan.tools else None
            target = Target(
                pidfd=pidfd,
                namespaces={type_: hold(f"ns/{type_}", os.O_RDONLY, process) for type_ in plan.namespaces},
                mnt=hold("ns/mnt", os.O_RDONLY, process) if plan.tools else None,
                root=root,
                cwd=hold("cwd", os.O_PATH | os.O_DIRECTORY, process) if plan.root else None,
            )
        except (FileNotFoundError, ProcessLookupError, ParseError):
            raise CannotAttach(f"cannot attach to {plan.name}: its process {plan.pid} ended meanwhile") from None
        except OSError as error:
            raise CannotAttach(
                f"cannot attach to {plan.name}: not permitted to open {error.filename} of process {plan.pid} "
                f"({error.strerror}); run ctrscope as root"
            ) from error
        yield target


def _go_between(plan: AttachPlan, target: Target, likeness: "Likeness | None", report: Report, parent: int) -> NoReturn:
    """Join the PID namespace, start the entrant there and end as it ends."""
    try:
        signal.set_wakeup_fd(-1)
        reset_signals()
        os.setsid()  # keys that signal the foreground of our terminal are for us to pass on, once
        hide()
        joined = inside.join_pid(target)
        hide()
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(ENDED)
        myself = os.pidfd_open(os.getpid())
        entrant = os.fork()
        if entrant == 0:
            inside.become_command(plan, target, joined, likeness, report, myself)
        # Killed, we could not reap it any more, and it would be a zombie in the container's PID namespace.
        signal.signal(signal.SIGTERM, lambda number, frame: os.kill(entrant, signal.SIGKILL))
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(entrant, signal.SIGKILL)
        report.send(PIDFD, handle=os.pidfd_open(entrant))
        # What is open here would keep namespaces alive, and pipes of ours open, for as long as the command runs.
        os.closerange(0, os.sysconf("SC_OPEN_MAX"))
        os._exit(exit_status(os.waitpid(entrant, 0)[1]))
    except BaseException as error:
        report.refuse(error)
    os._exit(ENDED)


def _await_start(plan: AttachPlan, child: int, ours: Channel, signals: int, stack: ExitStack) -> Started:
    """Read what the entrant says until exec closes the socket. Errors: CannotAttach when it does not come that far."""
    pidfd: int | None = None
    master: int | None = None
    poll = select.poll()
    poll.register(ours, select.POLLIN)
    poll.register(signals, select.POLLIN)
    while True:
        # What the entrant says comes first: a signal that came after its exec is for the command, which has it from attend.
        if ours.fileno() not in dict(poll.poll()):
            for number in os.read(signals, _MESSAGE_LIMIT):
                if number in FORWARDED:
                    os.kill(child, signal.SIGKILL)
                    raise CannotAttach(f"interrupted by signal {number} while entering {plan.name}", 128 + number)
            continue
        message, handle = ours.receive(_MESSAGE_LIMIT)
        if handle is not None:
            stack.callback(os.close, handle)
        kind, text = message[:1], message[2:].decode("utf-8", "surrogateescape")
        if kind == PIDFD:
            pidfd = handle
        elif kind == TERMINAL:
            master = handle
        elif kind == WARNING:
            os.write(2, f"ctrscope: {text}\n".encode("utf-8", "surrogateescape"))
        elif kind == REFUSED:
            raise CannotAttach(f"{plan.name}: {text}", message[1])
        elif pidfd is None:
            os.kill(child, signal.SIGKILL)
            raise CannotAttach(f"{plan.name}: it ended while it was being entered")
        else:
            return Started(pidfd, master)
