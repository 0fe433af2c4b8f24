"""Two ends that carry messages between a process and its child, each message with a descriptor if need be.

*Source:* unix(7): SOCK_SEQPACKET, SCM_RIGHTS. What is in C suffices: ``socket`` makes enumerations first, which takes 3 ms.
"""

import _socket
import struct
from types import TracebackType


class Channel:
    """One end. The other reads the end of it once every copy of this one is closed, which exec does too."""

    def __init__(self, end: _socket.socket) -> None:
        self._end = end

    def __enter__(self) -> "Channel":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.close()

    def close(self) -> None:
        """Close it, at once and not at exec."""
        self._end.close()

    def fileno(self) -> int:
        """Its descriptor, for poll(2)."""
        return self._end.fileno()

    def send(self, message: bytes, handle: int | None = None) -> None:
        """Send one message, and a copy of the descriptor. Errors: EPIPE when nobody is left to read it."""
        rights = [] if handle is None else [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", handle))]
        self._end.sendmsg([message], rights)

    def receive(self, limit: int) -> tuple[bytes, int | None]:
        """One message and the descriptor that came with it, to be closed; an empty message is the end."""
        message, ancillary, _, _ = self._end.recvmsg(limit, _socket.CMSG_LEN(4), _socket.MSG_CMSG_CLOEXEC)
        return message, struct.unpack("i", ancillary[0][2])[0] if ancillary else None


def open_channel() -> tuple[Channel, Channel]:
    """Both ends."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    return Channel(ours), Channel(theirs)
