"""What somebody asks of attach, what comes of it, and the way of saying that it cannot be."""

from collections.abc import Mapping

from ctrscope.attach.confinement import Confinement
from ctrscope.attach.credentials import Credentials
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.value import Value


class CannotAttach(Exception):  # noqa: N818 -- it reads as what happened
    """A container cannot be entered, or the command cannot be run in it: what happened, to what, and what to do.

    *status* is the exit status: 125 ctrscope failed, 126 the command cannot be executed, 127 it was not found.
    """

    def __init__(self, message: str, status: int = 125) -> None:
        super().__init__(message)
        self.status = status


class AttachRequest(Value, frozen=True, kw_only=True):
    """What the user asked for. Unless *confined*, the command is a doctor: root, with all our capabilities, in our cgroup."""

    argv: tuple[str, ...] = ()  # empty: a shell
    namespaces: tuple[NamespaceType, ...] = ()  # empty: all
    confined: bool = False  # exactly as a process of the container
    user: str | None = None  # UID, UID:GID or a name of the container's passwd; None: root, or as init when confined
    workdir: str | None = None  # inside; None: as init
    environment: Mapping[str, str] = {}  # on top of init's
    clear_environment: bool = False  # start from none instead of init's
    cgroup: bool | None = None  # be in the container's; None: when confined
    tools: str | None = None  # the host's programs, looking at the container; a directory of more of them, or ""


class AttachPlan(Value, frozen=True, kw_only=True):
    """How to enter: everything that ``enter`` needs, in the order in which it happens."""

    name: str  # of the container, for messages
    pid: int  # of init
    starttime_ticks: int  # of init: a reused PID is never entered
    cgroups: tuple[str, ...]  # directories of cgroupfs to become a member of
    confinement: Confinement
    namespaces: tuple[NamespaceType, ...]  # to join
    root: bool  # take init's root and working directory
    tools: bool  # stay with the host's files, with the container's mounted beside them
    credentials: Credentials | None  # None: keep ours
    workdir: str | None
    environment: Mapping[str, str]
    argv: tuple[str, ...]
