"""The part of entering that happens in the new process: join, become who init is, exec.

*Source:* setns(2), capabilities(7) "Programmatically adjusting capability sets", credentials(7), execve(2).

Where the user namespace belongs in the order depends on who we are. Root outside loses its power over namespaces that
the container's user namespace does not own once it is in there, so it joins that one last. An ordinary user gets any
power only by joining it, so it has to come first. Nobody has to know which: what is refused before it is tried again after.

Nothing is imported, and no file of the host is opened by its name, once the mount namespace is joined.
Until exec the process is not dumpable: root in the container can neither trace it nor reach descriptors of the host
through its /proc/PID (CVE-2016-9962).
"""

import _signal as signal
import errno
import os
import resource
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from ctrscope.attach import syscalls
from ctrscope.attach.become import become, hide, keep_from_exec, write_own
from ctrscope.attach.channel import Channel
from ctrscope.attach.confinement import Confinement, ResourceLimit
from ctrscope.attach.program import execute
from ctrscope.attach.request import AttachPlan, CannotAttach
from ctrscope.attach.tools import mount_beside
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.value import Value
from ctrscope.probes.open_files import put_back_open_files

if TYPE_CHECKING:
    from ctrscope.attach.terminal import Likeness

ENDED = 125  # the exit status when ctrscope itself failed
PIDFD, TERMINAL, WARNING, REFUSED = b"P", b"T", b"W", b"R"  # the first byte of a message to the outside
_TEXT_LIMIT = 4096


class Target(Value, frozen=True):
    """Descriptors of what is to be joined, opened while its names still mean something."""

    pidfd: int  # of init
    namespaces: dict[NamespaceType, int]
    mnt: int | None  # the mount namespace to copy from, for --tools
    root: int | None
    cwd: int | None


class Report:
    """The way out for messages and descriptors: kind, exit status, text."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def send(self, kind: bytes, *, status: int = 0, text: str = "", handle: int | None = None) -> None:
        """Send one message. Errors: OSError when nobody is left to read it."""
        message = kind + bytes((status,)) + text.encode("utf-8", "surrogateescape")[:_TEXT_LIMIT]
        self._channel.send(message, handle)

    def refuse(self, error: BaseException) -> None:
        """Send the reason why it went no further."""
        status = error.status if isinstance(error, CannotAttach) else ENDED
        with suppress(OSError):  # EPIPE: whoever asked is gone
            self.send(REFUSED, status=status, text=str(error) or type(error).__name__)


def join_pid(target: Target) -> tuple[NamespaceType, ...]:
    """Join the PID namespace, and before it the user namespace where that is what it takes; returns what was joined."""
    handle = target.namespaces.get(NamespaceType.PID)
    if handle is None:
        return ()
    try:
        syscalls.setns(handle, NamespaceType.PID)
    except PermissionError:
        if NamespaceType.USER not in target.namespaces:
            raise _refusal(NamespaceType.PID, errno.EPERM) from None
        _setns(target, NamespaceType.USER)
        _setns(target, NamespaceType.PID)
        return (NamespaceType.USER, NamespaceType.PID)
    return (NamespaceType.PID,)


def become_command(
    plan: AttachPlan,
    target: Target,
    joined: tuple[NamespaceType, ...],
    likeness: "Likeness | None",
    report: Report,
    parent: int,
) -> NoReturn:
    """Join the rest and exec. *parent* is a pidfd of the go-between."""
    try:
        os.setsid()
        keep_from_exec()
        # Inside its own user namespace an ordinary user is uid 0 as well.
        _join_cgroups(plan.cgroups, report, delegated=NamespaceType.USER in joined or os.geteuid() != 0)
        put_back_open_files()
        _take_limits(plan.confinement, report)
        if plan.credentials is not None:
            _leave_groups()
        _join(target, joined)
        hide()
        if plan.tools:
            assert target.mnt is not None
            assert target.root is not None
            mount_beside(target.mnt, target.root, has_pid_namespace=NamespaceType.PID in target.namespaces)
        elif target.root is not None:
            with _step("taking its root directory"):
                os.fchdir(target.root)
                os.chroot(".")
        filter_ = plan.confinement.filter
        if plan.credentials is not None:
            with _step(f"becoming uid {plan.credentials.uid}, gid {plan.credentials.gid}"):
                become(plan.credentials, filter_)
            hide()
        if likeness is not None:
            _take_terminal(likeness, report)
        _change_directory(plan, target)
        os.umask(0o022)
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if _has_ended(parent):
            os._exit(ENDED)  # it died before we asked to be told
        late = filter_ if plan.credentials is None or plan.credentials.no_new_privs else None
        execute(plan.argv, plan.environment, inside=plan.root, last=late)
    except BaseException as error:
        report.refuse(error)
    os._exit(ENDED)


def _join_cgroups(directories: Sequence[str], report: Report, *, delegated: bool) -> None:
    refused = None
    for directory in directories:
        try:
            handle = os.open(f"{directory}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(handle, b"0")
            finally:
                os.close(handle)
        except OSError as error:
            if not delegated or error.errno not in (errno.EACCES, errno.EPERM):
                raise CannotAttach(f"joining cgroup {directory}: {error.strerror}") from error
            refused = error.strerror
    if refused is not None:
        # cgroups(7), delegation: an ordinary user may move nothing out of the session that it logged in to.
        report.send(WARNING, text=f"not in its cgroup, so its limits do not hold for this command: {refused}")


def _set_label(file: str, label: str) -> None:
    try:
        write_own(file, label)
    except OSError as error:
        raise CannotAttach(
            f"taking its security label ({label}): {error.strerror}; without --confined it is not taken"
        ) from error


def _take_limits(confinement: Confinement, report: Report) -> None:
    """While files of the host still have their names, and we the capabilities that raising a limit takes."""
    if confinement.label is not None:
        _set_label(*confinement.label)
    refused = [limit for limit in confinement.limits if not _set_limit(limit)]
    if refused:
        report.send(WARNING, text="some of its resource limits are higher than ours, which stay: not permitted to raise them")
    if confinement.oom_score_adj is not None:
        try:
            write_own("oom_score_adj", str(confinement.oom_score_adj))
        except PermissionError:
            report.send(WARNING, text="its oom_score_adj is lower than ours, which stays: not permitted to lower it")


def _has_ended(pidfd: int) -> bool:
    poller = select.poll()  # select(2) takes no descriptor beyond 1023
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(0))


def _set_limit(limit: ResourceLimit) -> bool:
    try:
        resource.setrlimit(limit.resource, (limit.soft, limit.hard))
    except (OSError, ValueError):  # ValueError is how Python says EPERM here
        return False
    return True


def _leave_groups() -> None:
    with suppress(PermissionError):  # an ordinary user, who has none that the container's owner does not have
        os.setgroups([])


def _join(target: Target, joined: tuple[NamespaceType, ...]) -> None:
    wanted = [type_ for type_ in target.namespaces if type_ not in joined]
    if not wanted:
        return
    try:
        syscalls.setns_process(target.pidfd, wanted)
    except OSError:
        _join_one_by_one(target, joined)  # EINVAL before Linux 5.8, EPERM where one has to come before the others


def _join_one_by_one(target: Target, joined: tuple[NamespaceType, ...]) -> None:
    refused = []
    for type_, handle in target.namespaces.items():
        if type_ in joined or type_ is NamespaceType.USER:
            continue
        try:
            syscalls.setns(handle, type_)
        except PermissionError:
            refused.append(type_)
        except OSError as error:
            raise _refusal(type_, error.errno) from error
    if NamespaceType.USER in target.namespaces and NamespaceType.USER not in joined:
        _setns(target, NamespaceType.USER)
    for type_ in refused:
        _setns(target, type_)


def _setns(target: Target, type_: NamespaceType) -> None:
    try:
        syscalls.setns(target.namespaces[type_], type_)
    except OSError as error:
        raise _refusal(type_, error.errno) from error


def _refusal(type_: NamespaceType, number: int | None) -> CannotAttach:
    hint = "; run ctrscope as root" if number == errno.EPERM else ""
    return CannotAttach(f"joining its {type_} namespace: {os.strerror(number or 0)}{hint}")


def _take_terminal(likeness: "Likeness", report: Report) -> None:
    master, slave = likeness.open_pty()
    report.send(TERMINAL, handle=master)
    with _step("taking a terminal"):
        likeness.make_controlling(slave)


def _change_directory(plan: AttachPlan, target: Target) -> None:
    if plan.workdir is not None:
        with _step(f"working directory {plan.workdir}"):
            os.chdir(plan.workdir)
            # A link of the container to /proc/self/fd/N is one of our descriptors, and the host lies behind some
            # (CVE-2024-21626). ENOENT: outside of our root.
            os.getcwd()
    elif target.cwd is not None:
        try:
            os.fchdir(target.cwd)
            os.getcwd()  # ENOENT: removed, or outside the root
        except OSError:
            os.chdir("/")


@contextmanager
def _step(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotAttach(f"{what}: {error.strerror}") from error
