"""Capabilities by name.

*Source:* capabilities(7), include/uapi/linux/capability.h up to CAP_CHECKPOINT_RESTORE (40, Linux 5.9).
"""

from collections.abc import Iterable

_NAMES = str.split(
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)


def capability_names(mask: int) -> tuple[str, ...]:
    """Names of the bits of a capability mask, lowest first; a bit that we do not know is ``CAP_41``."""
    return tuple(
        f"CAP_{_NAMES[bit]}" if bit < len(_NAMES) else f"CAP_{bit}" for bit in range(mask.bit_length()) if mask >> bit & 1
    )


def capability_mask(names: Iterable[str]) -> tuple[int, tuple[str, ...]]:
    """The mask of names as the OCI specification writes them (``CAP_KILL``), and those that we do not know."""
    mask, unknown = 0, []
    for name in names:
        if name.startswith("CAP_") and name[4:] in _NAMES:
            mask |= 1 << _NAMES.index(name[4:])
        else:
            unknown.append(name)
    return mask, tuple(unknown)
