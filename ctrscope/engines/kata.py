"""Kata Containers: which process is the hypervisor of a sandbox.

*Source:* kata-containers src/runtime/virtcontainers/persist: ``/run/vc/sbs/SANDBOX/persist.json``, a Go struct without tags.
*Versions:* Kata 1.11 to 3 with the Go runtime; the Rust runtime keeps no such file. Written from its source, not run here.
"""

import msgspec

from ctrscope.engines.state_file import parse_json
from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs


class _Hypervisor(msgspec.Struct, rename="pascal"):
    pid: int = 0


class _Sandbox(msgspec.Struct, rename="pascal"):
    hypervisor_state: _Hypervisor


_decoder = msgspec.json.Decoder(_Sandbox)


def kata_state_file(sandbox_id: str) -> str:
    """Where Kata's shim keeps what it knows of a sandbox."""
    return f"/run/vc/sbs/{sandbox_id}/persist.json"


def read_hypervisor_pid(host: HostFs, sandbox_id: str) -> int:
    """PID of the hypervisor of a sandbox. Errors: OSError as from ``HostFs.read``; ParseError."""
    if "/" in sandbox_id:  # whoever wrote the bundle chose it
        raise ParseError(f"no id of a sandbox: {sandbox_id!r}")
    source = kata_state_file(sandbox_id)
    pid = parse_json(_decoder, host.read(source), source).hypervisor_state.pid
    if not 0 < pid < 2**31:
        raise ParseError(f"{source}: {pid} is no PID")
    return pid
