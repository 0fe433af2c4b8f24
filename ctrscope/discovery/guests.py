"""Kata Containers and gVisor: containers whose processes run on a kernel of their own, of which the host sees one process.

*Source:* the names of their runtimes (``io.containerd.kata-qemu.v2``, ``kata-runtime``, ``io.containerd.runsc.v1``, ``runsc``);
the arguments of hypervisors (``-name sandbox-ID``, ``/run/vc/vm/ID/…``) and of gVisor's sentry (``runsc-sandbox … boot … ID``).
*Versions:* written from their sources and documents; neither runs where this was tested.
"""

from typing import Literal

from ctrscope.model.container import Record
from ctrscope.model.gap import Gap, Reason

Sandbox = Literal["kata", "gvisor"]

_NAMES: tuple[tuple[str, Sandbox], ...] = (("kata", "kata"), ("runsc", "gvisor"), ("gvisor", "gvisor"))
_WHAT = {
    "kata": "Kata: it runs in a virtual machine, of which only the process of the hypervisor is seen",
    "gvisor": "gVisor: it runs on a kernel in user space, of which only the sentry's process is seen",
}
#: Keys that are of the guest. What the host's files say there would be about the process around it.
_OF_THE_GUEST = ("processes", "namespaces", "mounts", "overlay", "environment", "security")
#: A shorter id could be part of any word.
_SHORTEST_ID = 12


def sandbox_of(runtime: str | None) -> Sandbox | None:
    """What kind of sandbox a runtime of that name makes; None: containers of the host's kernel."""
    return next((sandbox for name, sandbox in _NAMES if name in runtime), None) if runtime else None


def is_named_in(arguments: tuple[str, ...], record: Record) -> bool:
    """Whether arguments name the container or the sandbox it is in, as those of hypervisors and of the sentry do."""
    ids = {record.id, (record.pod.sandbox_id if record.pod is not None else None) or record.id}
    return any(len(one) >= _SHORTEST_ID and one in argument for argument in arguments for one in ids)


def guest_gap(sandbox: Sandbox, subject: str, pid: int) -> Gap:
    """What cannot be seen from outside."""
    return Gap(
        subject=subject,
        fields=_OF_THE_GUEST,
        source=f"the guest of process {pid}",
        reason=Reason.UNAVAILABLE,
        detail=f"{_WHAT[sandbox]}; what is inside cannot be seen from the host",
    )
