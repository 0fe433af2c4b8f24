r"""/proc/PID/status: ids, PIDs in nested namespaces, capabilities and confinement of one process.

*Source:* proc_pid_status(5). Lines ``Name:\tvalue``, for instance ``NSpid:\t4711\t1`` and ``CapEff:\t00000000a80425fb``.
*Versions:* ``NSpid`` since Linux 4.1, ``NoNewPrivs`` since 4.10, ``Seccomp_filters`` since 5.9.
"""

from typing import TYPE_CHECKING, Literal

from ctrscope.model.gap import ParseError
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs

if TYPE_CHECKING:
    from ctrscope.model.detail import CapabilitySets

_SECCOMP: tuple[Literal["disabled", "strict", "filter"], ...] = ("disabled", "strict", "filter")


class CapabilityMasks(Value, frozen=True):
    """The five sets; bit N is capability number N of capabilities(7)."""

    effective: int
    permitted: int
    inheritable: int
    bounding: int
    ambient: int

    def named(self) -> "CapabilitySets":
        """The same by name."""
        from ctrscope.model.detail import CapabilitySets  # with that, the details of a container: for those that show them
        from ctrscope.probes.capability_names import capability_names

        return CapabilitySets(**{name: capability_names(getattr(self, name)) for name in self.__struct_fields__})


class Status(Value, frozen=True):
    """Fields of proc_pid_status(5) that we use. None: this kernel does not say."""

    tgid: int  # PID of the process whose thread it is: its own, unless somebody asked for /proc/TID
    uid: int  # effective, in the reader's user namespace, as are all ids here
    gid: int
    groups: tuple[int, ...]
    nspid: tuple[int, ...]  # ours first
    capabilities: CapabilityMasks
    seccomp: Literal["disabled", "strict", "filter"] | None
    seccomp_filters: int | None
    no_new_privs: bool | None


def read_status(host: HostFs, pid: int) -> Status:
    """Read and parse. Errors: ENOENT or ESRCH when the process is gone; ParseError."""
    return parse_status(host.read(f"/proc/{pid}/status"))


def parse_status(text: bytes) -> Status:
    """Parse /proc/PID/status. Names that we do not know are ignored."""
    # Name comes first and escapes its line breaks, so no process can invent a line here.
    lines = dict(line.partition(b":\t")[::2] for line in text.splitlines())
    try:
        seccomp = int(lines[b"Seccomp"]) if b"Seccomp" in lines else None
        return Status(
            tgid=int(lines.get(b"Tgid", lines[b"Pid"])),
            uid=int(lines[b"Uid"].split()[1]),
            gid=int(lines[b"Gid"].split()[1]),
            groups=_numbers(lines.get(b"Groups", b"")),
            nspid=_numbers(lines.get(b"NSpid", lines[b"Pid"])),
            capabilities=CapabilityMasks(
                effective=int(lines[b"CapEff"], 16),
                permitted=int(lines[b"CapPrm"], 16),
                inheritable=int(lines[b"CapInh"], 16),
                bounding=int(lines[b"CapBnd"], 16),
                ambient=int(lines.get(b"CapAmb", b"0"), 16),
            ),
            seccomp=None if seccomp is None else _SECCOMP[seccomp],
            seccomp_filters=int(lines[b"Seccomp_filters"]) if b"Seccomp_filters" in lines else None,
            no_new_privs=bool(int(lines[b"NoNewPrivs"])) if b"NoNewPrivs" in lines else None,
        )
    except KeyError as error:
        raise ParseError(f"no line {error.args[0].decode()!r}") from error
    except (ValueError, IndexError) as error:
        raise ParseError(f"not a status file: {error}") from error


def parse_caught(text: bytes) -> int:
    """Signals that the process has a handler for; bit N is signal N + 1."""
    for line in text.splitlines():
        if line.startswith(b"SigCgt:\t"):
            try:
                return int(line[8:], 16)
            except ValueError as error:
                raise ParseError(f"not a mask: {line!r}") from error
    raise ParseError("no line 'SigCgt'")


def _numbers(text: bytes) -> tuple[int, ...]:
    return tuple(map(int, text.split()))
