"""Which devices of the host a container has, and which it could have.

*Source:* kernel documents admin-guide/devices.txt and cgroup-v1/devices.
"""

from collections.abc import Iterator

from ctrscope.findings.security.files import has_hosts_root
from ctrscope.findings.security.rule import Defect, Rule, acts_on_host, cis, evidence, is_privileged, nist
from ctrscope.model.audited import Audited
from ctrscope.model.finding import Severity

#: Nodes that every engine makes, terminals among them.
_USUAL_DEVICES = frozenset(
    [
        "null",
        "zero",
        "full",
        "random",
        "urandom",
        "tty",
        "console",
        "ptmx",
        "core",
        "fuse",
        "net/tun",
        "pts/ptmx",
        "initctl",
        "lxc/console",
        "lxc/tty1",
        "lxc/tty2",
        "lxc/tty3",
        "lxc/tty4",
        "tty1",
        "tty2",
        "tty3",
        "tty4",
        "tty5",
        "tty6",
    ]
)
#: Character devices that reach the machine's memory, its kernel or its disks.
_DANGEROUS_DEVICES = frozenset(
    [
        "mem",
        "kmem",
        "port",
        "kmsg",
        "mapper/control",
        "loop-control",
        "btrfs-control",
        "vhost-net",
        "sgx_enclave",
        "cuse",
        "uinput",
        "kvm",
    ]
)


def block_devices(audited: Audited) -> Iterator[Defect]:
    """Disks."""
    found = [one.path for one in audited.devices or () if one.is_block]
    if found and acts_on_host(audited) and not is_privileged(audited) and not has_hosts_root(audited):
        names = ", ".join(f"/dev/{name}" for name in found[:6]) + (", …" if len(found) > 6 else "")
        title = f"block devices are there: {names}; what is written to a disk passes by every file system"
        yield Defect(title, (evidence(audited, "devices", names),))


def char_devices(audited: Audited) -> Iterator[Defect]:
    """What engines do not make by themselves."""
    names = [one.path for one in audited.devices or () if not one.is_block and one.path not in _USUAL_DEVICES]
    found = [name for name in names if not name.startswith("pts/")]
    if found and acts_on_host(audited) and not is_privileged(audited) and not has_hosts_root(audited):
        bad = [name for name in found if name in _DANGEROUS_DEVICES]
        shown = ", ".join(f"/dev/{name}" for name in (bad + [one for one in found if one not in bad])[:6])
        title = f"{len(found)} devices of the host are there: {shown}{', …' if len(found) > 6 else ''}"
        yield Defect(title, (evidence(audited, "devices", shown),), Severity.HIGH if bad else Severity.MEDIUM)


def all_devices(audited: Audited) -> Iterator[Defect]:
    """No rule of the cgroup says no."""
    if audited.all_devices and acts_on_host(audited) and not is_privileged(audited):
        can = "mknod and" if "CAP_MKNOD" in (audited.capabilities or ()) else "whoever gets a node may"
        yield Defect(
            f"its cgroup allows every device: {can} open any disk of the host",
            (evidence(audited, "all_devices", "a *:* rwm"),),
            Severity.HIGH if "CAP_MKNOD" in (audited.capabilities or ()) else Severity.MEDIUM,
        )


RULES = (
    Rule(
        "security/block-device",
        Severity.HIGH,
        "A disk can be read and changed past all permissions.",
        ("devices",),
        block_devices,
        "no --device of a disk: mount a directory of it",
        (cis("18"), nist("4.4.3")),
    ),
    Rule(
        "security/host-device",
        Severity.MEDIUM,
        "Devices of the host.",
        ("devices",),
        char_devices,
        "give the one device that it needs, without m",
        (cis("18"), nist("4.4.3")),
    ),
    Rule(
        "security/all-devices-allowed",
        Severity.HIGH,
        "The cgroup's list of devices is what keeps a node from working.",
        ("all_devices",),
        all_devices,
        "start it with a device list: what engines do unless --privileged; for runc resources.devices",
        (cis("18"), "cgroups(7)"),
    ),
)
