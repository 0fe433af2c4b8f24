"""The C library, for the few calls that Python has not."""

import functools
from typing import Any


@functools.cache  # each CDLL makes a class of its own: 40 µs, and work for the garbage collector
def libc() -> Any:
    """Its functions by their names. They leave errno where ``ctypes.get_errno`` finds it, and answer with an int."""
    import ctypes  # as long as a hundred namespaces take, of which most commands enter none

    return ctypes.CDLL(None, use_errno=True)
