"""The seccomp profile of a container that brings none: what Docker's or Podman's refuses is refused.

*Source:* seccomp(2), syscalls(2), capabilities(7); compared with the profiles that dockerd and Podman hand to their runtimes.

It lists what may be called, so that a system call which is newer than this list does not exist in there (ENOSYS, at which
programs fall back); what was looked at and refused is EPERM. The list is what libseccomp knows up to ``_LAST`` without what
is named below: three hundred harmless names need no reading, these do. What takes a capability is for those who have it.
Programs of 32 bits run, too. Their socketcall(2) hides in memory which family is asked for, so that by it, as with the
engines' profiles, every family can be had.
"""

import os
from collections.abc import Collection

from ctrscope.attach.seccomp import Argument, Profile, Rule, known_syscalls
from ctrscope.oci.errors import LauncherError

_LAST = 462  # mseal, Linux 6.10: the newest that was looked at. From 424 on numbers are the same everywhere
#: The machine's own, then the one whose programs it runs besides. Not x32, which nobody builds for: its calls are killed.
_ARCHITECTURES = {"x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"), "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM")}
_FAR = ("breakpoint", "cacheflush", "set_tls")  # of ARM with 32 bits, whose numbers are a million from the others
#: Refused unless the container has the capability, though most would be checked by the kernel too.
_CAPABILITIES = {
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYSLOG": "syslog",
    "CAP_SYS_ADMIN": "bpf fanotify_init fsconfig fsmount fsopen fspick listmount lookup_dcookie mount mount_setattr move_mount "
    "open_tree perf_event_open pivot_root quotactl quotactl_fd setdomainname sethostname setns statmount syslog umount umount2 "
    "unshare",
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "create_module delete_module finit_module init_module query_module",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev",
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "CAP_SYS_TTY_CONFIG": "vhangup",
}
#: Keyrings are no namespace's; the others replace the kernel, its memory or ways of old, or had too many holes.
_NEVER = (
    "_sysctl add_key bdflush io_uring_enter io_uring_register io_uring_setup kexec_file_load kexec_load keyctl migrate_pages "
    "move_pages nfsservctl nice oldfstat oldlstat oldolduname oldstat olduname request_key sgetmask ssetmask swapoff swapon "
    "sysfs uselib userfaultfd ustat vm86 vm86old vmsplice"
)
_NAMESPACES = (0x00020000, *(1 << bit for bit in range(25, 31)))  # CLONE_NEWNS; NEWCGROUP to NEWNET
#: Linux and Linux of 32 bits, each with another uname(2); the question which it is.
_PERSONALITIES = (0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
_AF_ALG, _AF_VSOCK = 38, 40
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97


def default_seccomp(capabilities: Collection[str] = ()) -> Profile:
    """The profile for a container with that bounding set. Errors: LauncherError, OSError without libseccomp."""
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        raise LauncherError(f"there is no seccomp profile for {machine}; --security-opt seccomp=unconfined goes without")
    known = tuple(dict.fromkeys(name for one in _ARCHITECTURES[machine] for name in known_syscalls(one, _LAST)))
    given = {name for one, names in _CAPABILITIES.items() if one in capabilities for name in names.split()}
    refused = {name for names in (*_CAPABILITIES.values(), _NEVER) for name in names.split()} - given
    special = {"personality", "socket"}
    rules = [_refuse(*sorted(refused & set(known)))]
    if "CAP_SYS_ADMIN" not in capabilities:
        special |= {"clone", "clone3"}  # clone3 says its flags in memory: ENOSYS makes the C library call clone
        rules += [_allow("clone", Argument(0, sum(_NAMESPACES), "SCMP_CMP_MASKED_EQ"))]
        rules += [_refuse("clone", on=Argument(0, flag, "SCMP_CMP_MASKED_EQ", flag)) for flag in _NAMESPACES]
    rules += [_allow("personality", Argument(0, number, "SCMP_CMP_EQ")) for number in _PERSONALITIES]
    # Sockets of virtual machines lead past the network namespace; AF_ALG is the kernel's cryptography.
    families = ("LT", _AF_ALG), ("EQ", 39), ("GT", _AF_VSOCK)
    rules += [_allow("socket", Argument(0, family, f"SCMP_CMP_{operator}")) for operator, family in families]
    rules += [_refuse("socket", number=_EAFNOSUPPORT, on=Argument(0, one, "SCMP_CMP_EQ")) for one in (_AF_ALG, _AF_VSOCK)]
    allowed = Rule(names=tuple(name for name in (*known, *_FAR) if name not in refused | special), action="SCMP_ACT_ALLOW")
    return Profile(
        defaultAction="SCMP_ACT_ERRNO",
        defaultErrnoRet=_ENOSYS,
        architectures=_ARCHITECTURES[machine],
        syscalls=(allowed, *rules),
    )


def _allow(name: str, on: Argument) -> Rule:
    return Rule(names=(name,), action="SCMP_ACT_ALLOW", args=(on,))


def _refuse(*names: str, number: int = _EPERM, on: Argument | None = None) -> Rule:
    return Rule(names=names, action="SCMP_ACT_ERRNO", errnoRet=number, args=None if on is None else (on,))
