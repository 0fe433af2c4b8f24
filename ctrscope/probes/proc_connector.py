"""Told by the kernel which programs are executed and which processes end, with their status.

*Source:* kernel document driver-api/connector, linux/cn_proc.h. A message is a netlink header, ``struct cn_msg`` and
``struct proc_event``: what, cpu, a timestamp of the monotonic clock, PID and TGID, and for an end the status as of wait(2).
*Kernel:* CONFIG_PROC_EVENTS, and only in the initial PID and user namespaces: elsewhere nobody answers.
*Versions:* before Linux 6.6 it takes CAP_NET_ADMIN, and who listens is counted until it says that it no longer does, so
``close`` says it.

A filter in the kernel (socket(7) SO_ATTACH_FILTER) lets pass what is executed and what ends, processes and not threads.
"""

import ctypes
import errno
import os
import select
import socket
import struct
import time
from typing import NamedTuple

_NETLINK_CONNECTOR = 11
_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP = 270, 1
_CN_IDX_PROC = _CN_VAL_PROC = 1
_LISTEN, _IGNORE = 1, 2
_NLMSG_DONE = 3
_NETLINK = struct.Struct("=IHHII")
_CONNECTOR = struct.Struct("=IIIIHH")
_EVENT = struct.Struct("=IIQIII")  # what, cpu, timestamp, PID, TGID, and of an end the status
_AT = _NETLINK.size + _CONNECTOR.size
_ACKNOWLEDGED, _EXEC, _EXIT = 0, 0x2, 0x80000000
_SO_ATTACH_FILTER = 26
_RECEIVE_BUFFER = 1 << 20
_PATIENCE = 0.2  # seconds until the kernel has said that it heard us
#: Messages of one reading.
_MOST = 4096

# Classic BPF, linux/filter.h: loads are in network byte order.
_LOAD, _COPY, _EQUAL, _SAME, _RETURN = 0x20, 0x07, 0x15, 0x1D, 0x06
_WHAT, _PID, _TGID = _AT, _AT + 16, _AT + 20
_INSTRUCTION = struct.Struct("=HBBI")


class Executed(NamedTuple):
    """A process executes a program."""

    pid: int
    at_ns: int  # monotonic


class Ended(NamedTuple):
    """A process ended."""

    pid: int
    at_ns: int  # monotonic
    status: int  # as of wait(2)


class ProcConnector:
    """Listens from now on.

    Errors: EPERM without CAP_NET_ADMIN where that is needed; ENOTSUP in other namespaces than the initial ones.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _NETLINK_CONNECTOR
        )
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            # Not with bind(2), which the lock of --read-only refuses: a filter cannot see whose address it is.
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _CN_IDX_PROC)
            _attach_filter(self._socket)
            self._send(_LISTEN)
            self._await_answer()
        except BaseException:
            self._socket.close()
            raise
        self.lost = False  # whether some were lost since somebody last looked

    def fileno(self) -> int:
        """For poll(2)."""
        return self._socket.fileno()

    def read(self) -> list[Executed | Ended]:
        """What happened since, in order; empty when nothing did."""
        found: list[Executed | Ended] = []
        for _ in range(_MOST):
            try:
                event = parse_event(self._socket.recv(256))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost = True
                continue
            if event is not None:
                found.append(event)
        return found

    def close(self) -> None:
        """Listen no more."""
        self._send(_IGNORE)
        self._socket.close()

    def _await_answer(self) -> None:
        """The kernel acknowledges whom it heard. Others listen too: their events come with PIDs that mean nothing here."""
        deadline = time.monotonic() + _PATIENCE
        while (left := deadline - time.monotonic()) > 0 and select.select([self._socket], [], [], left)[0]:
            data = self._socket.recv(256)
            if len(data) >= _AT + _EVENT.size and _EVENT.unpack_from(data, _AT)[0] == _ACKNOWLEDGED:
                return
        raise OSError(errno.ENOTSUP, "nobody answers: not the initial PID and user namespace, or no CONFIG_PROC_EVENTS")

    def _send(self, operation: int) -> None:
        body = _CONNECTOR.pack(_CN_IDX_PROC, _CN_VAL_PROC, 0, 0, 4, 0) + struct.pack("=I", operation)
        header = _NETLINK.pack(_NETLINK.size + len(body), _NLMSG_DONE, 0, 0, os.getpid())
        self._socket.send(header + body)


def parse_event(data: bytes) -> Executed | Ended | None:
    """What a message tells; None for what is neither, or cut off."""
    if len(data) < _AT + _EVENT.size:
        return None
    what, _, at_ns, _, tgid, status = _EVENT.unpack_from(data, _AT)
    if what == _EXEC:
        return Executed(tgid, at_ns)
    return Ended(tgid, at_ns, status) if what == _EXIT else None


def _attach_filter(connection: socket.socket) -> None:
    program = b"".join(
        _INSTRUCTION.pack(*line)
        for line in (
            (_LOAD, 0, 0, _WHAT),
            (_EQUAL, 6, 0, _swapped(_ACKNOWLEDGED)),
            (_EQUAL, 5, 0, _swapped(_EXEC)),
            (_EQUAL, 0, 5, _swapped(_EXIT)),
            (_LOAD, 0, 0, _PID),
            (_COPY, 0, 0, 0),
            (_LOAD, 0, 0, _TGID),
            (_SAME, 0, 1, 0),
            (_RETURN, 0, 0, 0xFFFF),
            (_RETURN, 0, 0, 0),
        )
    )
    kept = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HL", len(program) // _INSTRUCTION.size, ctypes.addressof(kept))
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def _swapped(number: int) -> int:
    return socket.htonl(number)
