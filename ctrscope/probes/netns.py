"""Run something inside network namespaces, on a thread of its own.

*Source:* setns(2): a thread enters a network namespace alone; the other threads, the main one among them, stay.
Entering needs CAP_SYS_ADMIN in the user namespace that owns the network namespace, and in our own; our own needs none.
*Cost:* 0.1 ms a namespace, and one thread for any number of them.
"""

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from threading import Thread
from typing import Generic, NamedTuple, TypeVar

from ctrscope.model.namespace import NamespaceType
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.libc import libc
from ctrscope.probes.nsfs import identify

T = TypeVar("T")

_CLONE_NEWNET = 0x4000_0000


class Door(NamedTuple):
    """Where a network namespace can be entered: paths of nsfs files, tried in their order."""

    paths: tuple[str, ...]  # "/proc/4711/ns/net", "/run/netns/blue"
    ino: int | None = None  # of the namespace: a path that leads to another one is not taken


def visit_network_namespaces(host: HostFs, doors: Sequence[Door], call: Callable[[Door], T]) -> list[T | Exception]:
    """Result of *call*, handed the door, inside each of several network namespaces, or what it raised there.

    *Errors* in the list: ENOENT when the namespace is gone, EPERM or EACCES when we may not enter.
    """
    results: list[T | Exception] = []
    while len(results) < len(doors):
        visitor = _Visitor(host, doors[len(results) :], call)
        visitor.start()
        visitor.join()
        if visitor.error is not None:
            raise visitor.error
        results += visitor.results
    return results


def run_in_network_namespace(pid: int, call: Callable[[], T]) -> T:
    """Result of *call*, run inside the network namespace of process *pid* of our own /proc.

    Errors: whatever *call* raises; ENOENT when the process is gone; EPERM or EACCES when we may not enter.
    """
    result = visit_network_namespaces(HostFs(), (Door((f"/proc/{pid}/ns/net",)),), lambda door: call())[0]
    if isinstance(result, Exception):
        raise result
    return result


class _Visitor(Thread, Generic[T]):
    def __init__(self, host: HostFs, doors: Sequence[Door], call: Callable[[Door], T]) -> None:
        super().__init__(name="network namespaces", daemon=True)
        self._host, self._doors, self._call = host, doors, call
        self.results: list[T | Exception] = []
        self.error: BaseException | None = None
        self._is_astray = False

    def run(self) -> None:
        try:
            # The thread starts where the main one is; that one never leaves its namespace.
            own = self._host.stat("/proc/self/ns/net").st_ino
            for door in self._doors:
                self.results.append(self._visit(door, own))
                if self._is_astray:
                    return  # the next thread begins at home
        except BaseException as error:  # it is raised again where the result is waited for
            self.error = error

    def _visit(self, door: Door, own: int) -> T | Exception:
        try:
            with ExitStack() as held:
                handle = self._open(door, held)
                if identify(handle).ino != own:
                    self._enter(handle, held)
                return self._call(door)
        except Exception as error:  # of one namespace; the others are still visited
            return error

    def _enter(self, handle: int, held: ExitStack) -> None:
        home = held.enter_context(self._host.namespace("/proc/self/ns/net"))
        _join(handle)

        def leave() -> None:
            try:
                _join(home)
            except OSError:
                # EPERM: root of a user namespace may enter what belongs to it, and not go back to what does not.
                self._is_astray = True

        held.callback(leave)

    def _open(self, door: Door, held: ExitStack) -> int:
        last = OSError(errno.ENOENT, "nothing leads into it")
        for path in door.paths:
            try:
                handle = held.enter_context(self._host.namespace(path))
                found = identify(handle)
                if found.type is NamespaceType.NET and door.ino in (None, found.ino):
                    return handle
            except OSError as error:
                last = error
        raise last


def _join(handle: int) -> None:
    """setns(2), with the type: under --read-only that is what the filter of system calls lets through. os.setns is 3.12's."""
    import ctypes

    if libc().setns(handle, _CLONE_NEWNET) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
