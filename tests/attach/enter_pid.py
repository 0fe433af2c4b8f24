"""``python -m tests.attach.enter_pid PID REQUEST``: attach to the container of one init, without discovery."""

import os
import sys

import msgspec

from ctrscope.attach.enter import enter
from ctrscope.attach.plan import plan_attach
from ctrscope.attach.request import AttachRequest, CannotAttach
from ctrscope.probes.hostfs import HostFs
from tests.attach.containers import container_of


def main(pid: int, request: AttachRequest) -> int:
    """Attach; the exit status of the command."""
    try:
        return enter(plan_attach(HostFs(), container_of(pid), request))
    except CannotAttach as error:
        os.write(2, f"{error}\n".encode())
        return error.status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=AttachRequest)))
