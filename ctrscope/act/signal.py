"""Send a signal to the init of a container.

*Source:* signal(7), pidfd_open(2), pidfd_send_signal(2), pid_namespaces(7), proc_pid_status(5) ``SigCgt``.
*Versions:* pidfds since Linux 5.3. Init of a PID namespace gets only signals that it has a handler for, KILL and STOP from
outside excepted: the kernel drops the others.
"""

import os
import re
import signal

from ctrscope.act.record import record
from ctrscope.act.refusal import CannotAct
from ctrscope.act.target import Target, check_target, choose_target
from ctrscope.model.container import Container
from ctrscope.model.gap import ParseError
from ctrscope.model.quoting import quote
from ctrscope.model.value import Value
from ctrscope.probes.cgroupfs import read_frozen
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_status import parse_caught, parse_status

_NUMBER = re.compile(r"[0-9]{1,3}")
_REAL_TIME = re.compile(r"RT(MIN\+|MAX-)([0-9]{1,2})")
#: What init of a PID namespace cannot ignore when it comes from outside.
_FORCED = (signal.SIGKILL, signal.SIGSTOP)


class SignalPlan(Value, frozen=True, kw_only=True):
    """Which signal goes to whom, and what will come of it."""

    target: Target
    number: int
    name: str  # "SIGTERM"
    warnings: tuple[str, ...]


def parse_signal(text: str) -> int:
    """Number of ``TERM``, ``SIGTERM``, ``sigrtmin+1``, ``RTMAX-2`` or ``15``. Errors: ValueError."""
    name = text.upper().removeprefix("SIG")
    if found := _REAL_TIME.fullmatch(name):
        offset = int(found[2])
        number = signal.SIGRTMIN + offset if found[1] == "MIN+" else signal.SIGRTMAX - offset
        if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            return number
    elif _NUMBER.fullmatch(text) and 0 < int(text) < signal.NSIG:
        return int(text)
    elif f"SIG{name}" in signal.Signals.__members__:
        return signal.Signals[f"SIG{name}"]
    raise ValueError(f"{text}: no such signal; kill -l lists them")


def plan_signal(host: HostFs, container: Container, number: int) -> SignalPlan:
    """Look at who would get it. Nothing is done. Errors: CannotAct."""
    target = choose_target(host, container)
    name = _name(number)
    caught, is_init = _read_handlers(host, target.pid)
    warnings: tuple[str, ...] = ()
    if is_init and not caught & 1 << (number - 1) and number not in _FORCED:
        warnings = (f"its init has no handler for {name}, which the kernel drops for PID 1 of a PID namespace; KILL ends it",)
    elif target.has_own_cgroup and read_frozen(host, target.layout, target.membership):
        # The v2 freezer lets go of what dies; that of v1 lets go of nothing.
        is_v1 = target.layout.version != "v2" and "freezer" in target.layout.mounts
        if is_v1 or caught & 1 << (number - 1):
            warnings = (f"it is paused: {name} stays pending until it is thawed (ctrscope unpause {quote(target.name)})",)
    return SignalPlan(target=target, number=number, name=name, warnings=warnings)


def send_signal(host: HostFs, plan: SignalPlan) -> None:
    """Send it to the very process that was planned for. Errors: CannotAct."""
    target = plan.target
    try:
        handle = os.pidfd_open(target.pid)
    except OSError as error:
        raise CannotAct(f"{target.name} ended meanwhile: there is no process {target.pid}") from error
    try:
        # The pidfd refers to one process for ever: if its start time is right now, it is that one.
        check_target(host, target)
        signal.pidfd_send_signal(handle, plan.number)
    except PermissionError as error:
        raise CannotAct(f"{target.name}: not permitted to signal process {target.pid}; run ctrscope as root") from error
    except ProcessLookupError as error:
        raise CannotAct(f"{target.name} ended meanwhile: there is no process {target.pid}") from error
    finally:
        os.close(handle)
    record(f"kill {plan.name} pid={target.pid}", target.key, target.name)


def _read_handlers(host: HostFs, pid: int) -> tuple[int, bool]:
    """Mask of the signals that it has a handler for, and whether it is PID 1 of a PID namespace."""
    try:
        text = host.read(f"/proc/{pid}/status")
        nspid = parse_status(text).nspid
        return parse_caught(text), len(nspid) > 1 and nspid[-1] == 1
    except (OSError, ParseError):
        return 0, False


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if number > signal.SIGRTMIN else str(number)
