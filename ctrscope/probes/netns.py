"""Run something inside the network namespace of a process, on a thread of its own.

*Source:* setns(2): a thread enters a network namespace alone; the other threads, the main one among them, stay.
Entering needs CAP_SYS_ADMIN in the user namespace that owns the network namespace, and in our own.
"""

from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


def run_in_network_namespace(pid: int, call: Callable[[], T]) -> T:
    """Result of *call*, run inside the network namespace of process *pid* of our own /proc.

    Errors: whatever *call* raises; ENOENT when the process is gone; EPERM or EACCES when we may not enter.
    """
    visitor = _Visitor(pid, call)
    visitor.start()
    visitor.join()
    if visitor.error is not None:
        raise visitor.error
    return visitor.results[0]


class _Visitor(Thread, Generic[T]):
    def __init__(self, pid: int, call: Callable[[], T]) -> None:
        super().__init__(name=f"network namespace of {pid}", daemon=True)
        self._pid, self._call = pid, call
        self.results: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            from nsenter import Namespace  # loads libc through ctypes, argparse and logging

            with Namespace(self._pid, "net"):
                self.results.append(self._call())
        except BaseException as error:  # it is raised again where the result is waited for
            self.error = error
