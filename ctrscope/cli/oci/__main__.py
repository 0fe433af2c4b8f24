"""The process behind ``ctrscope-oci``."""

import gc
import os
import sys
from typing import NoReturn


def start() -> NoReturn:
    """Run it, and end at once with its exit status, as ``ctrscope`` does."""
    gc.disable()
    from ctrscope.cli.oci import main

    status = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(status)


if __name__ == "__main__":
    start()
