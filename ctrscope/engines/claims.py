r"""What a cgroup path says about whose it is, by the names that engines give to cgroups.

*Source:* the engines' cgroup drivers: moby oci_linux.go, libpod container.go, CRI-O cgmgr, containerd CRI helpers.go,
kubelet cgroup_manager_linux.go, lxc cgfsng.c, systemd machine.c and nspawn-cgroup.c, runc and crun systemd drivers.
For example ``/kubepods.slice/kubepods-pod0a1b_2c3d.slice/cri-containerd-3fca….scope/container``.
*Versions:* LXC before 3.1 used ``/lxc/NAME``, 3.1 to 3.2 ``/lxc.payload/NAME``, since 4.0 ``/lxc.payload.NAME``.

A claim is a hint: whoever may create cgroups can give them any name, a container below its own cgroup too. It names a
container only where no engine's state does. Incus and LXD run LXC: theirs are claimed for LXC, under the same id.
"""

from typing import Literal

from ctrscope.model.container import EngineName
from ctrscope.model.value import Value

_Role = Literal["payload", "monitor"]


class Claim(Value, frozen=True):
    """One container, as a cgroup path names it."""

    engine: EngineName
    id: str
    role: _Role  # "payload" is the container, "monitor" its supervisor
    engine_namespace: str | None  # containerd namespace, where the path says so
    pod_uid: str | None  # Kubernetes pod
    path: str  # cgroup path of the container itself; what its parent directory claims is the container around it
    owner_uid: int = 0  # whose service manager it runs under (user-UID.slice); 0: the system's


#: What stands before a full id: "libpod-conmon" in ``libpod-conmon-ID.scope``.
_PREFIXES: dict[str, tuple[EngineName, _Role, str | None]] = {
    "libpod-payload": (EngineName.PODMAN, "payload", None),
    "libpod-conmon": (EngineName.PODMAN, "monitor", None),
    "libpod": (EngineName.PODMAN, "payload", None),
    "crio-conmon": (EngineName.CRI_O, "monitor", None),
    "crio": (EngineName.CRI_O, "payload", None),
    "cri-containerd": (EngineName.CONTAINERD, "payload", "k8s.io"),
    "docker": (EngineName.DOCKER, "payload", None),
    "nerdctl": (EngineName.CONTAINERD, "payload", None),
}
#: What stands before a free id in the name of a scope. youki's containers are listed with runc's.
_SCOPES = (("runc-", EngineName.RUNC), ("crun-", EngineName.CRUN), ("youki-", EngineName.RUNC))
_LXC: tuple[tuple[str, _Role], ...] = (("lxc.payload", "payload"), ("lxc.monitor", "monitor"))
#: Namespaces whose cgroups are claimed by ``/NAMESPACE/ID`` alone; another name could be anybody's directory.
_CONTAINERD_NAMESPACES = frozenset({"default", "k8s.io"})
#: libvirt registers ``DRIVER-NUMBER-NAME`` with machined: virtual machines, and containers of its own kind.
_LIBVIRT_DRIVERS = frozenset({"qemu", "lxc", "ch", "xen", "bhyve", "vz"})
_UNITS = (".service", ".scope", ".slice", ".socket", ".mount", ".swap")
_HEX = "0123456789abcdef"


def parse_claim(path: str) -> Claim | None:
    """The container that a cgroup path names; None when it names none.

    Shape: the leaf-most component that matches counts; ``path`` of the claim ends with it, so that ``/container``,
    ``/payload``, ``/supervisor``, ``/init.scope`` and whatever a container made below itself are cut.
    """
    parts = path.split("/")
    for depth in range(len(parts) - 1, 0, -1):
        found = _match(parts, depth)
        if found is not None:
            engine, container_id, role, namespace = found
            return Claim(
                engine=engine,
                id=container_id,
                role=role,
                engine_namespace=namespace,
                pod_uid=_pod_uid(parts[: depth + 1]),
                path="/".join(parts[: depth + 1]),
                owner_uid=_owner_uid(parts),
            )
    return None


def parse_claims(path: str) -> tuple[Claim, ...]:
    """Every container that a cgroup path names, the outermost first.

    A container may make cgroups of any name below its own, so only the outermost was named by somebody outside of it.
    """
    claims: list[Claim] = []
    while (claim := parse_claim(path)) is not None:
        claims.append(claim)
        path = claim.path.rpartition("/")[0]
    claims.reverse()
    return tuple(claims)


def unescape_unit(name: str) -> str:
    r"""Undo the escaping of a unit name, systemd.unit(5): ``-`` is ``/``, ``\x2d`` a byte. Broken escapes stay."""
    first, *rest = name.replace("-", "/").split("\\x")
    octets = bytearray(_encode(first))
    for piece in rest:
        code = piece[:2]
        if len(code) == 2 and not code.lower().strip(_HEX):
            octets.append(int(code, 16))
            octets += _encode(piece[2:])
        else:
            octets += b"\\x" + _encode(piece)
    return octets.decode("utf-8", "surrogateescape")


def is_full_id(text: str) -> bool:
    """Whether that is 64 lower-case hexadecimal digits, as Docker, Podman and CRI name containers."""
    return len(text) == 64 and not text.strip(_HEX)


def _match(parts: list[str], depth: int) -> tuple[EngineName, str, _Role, str | None] | None:
    name, parent = parts[depth], parts[depth - 1]
    if not name:
        return None
    full_id = name[-70:].removesuffix(".scope")[-64:]
    if is_full_id(full_id):
        return _match_full_id(parts, depth, full_id)
    for prefix, role in _LXC:
        if name.startswith(prefix + ".") and len(name) > len(prefix) + 1:
            return EngineName.LXC, name[len(prefix) + 1 :], role, None
        if parent == prefix and not name.endswith(_UNITS):
            return EngineName.LXC, name, role, None
    if parent == "lxc" and not name.endswith(_UNITS):
        return EngineName.LXC, name, "payload", None
    if depth == 2 and parent in _CONTAINERD_NAMESPACES and not name.endswith(_UNITS):
        return EngineName.CONTAINERD, name, "payload", parent
    if depth == 2 and parent == "ctrscope" and not name.endswith(_UNITS):
        return EngineName.CTRSCOPE, name, "payload", None
    for prefix, engine in _SCOPES:
        if name.startswith(prefix) and name.endswith(".scope") and len(name) > len(prefix) + len(".scope"):
            return engine, name[len(prefix) : -len(".scope")], "payload", None
    machine = _machine(name, parent, parts[depth + 1] if depth + 1 < len(parts) else "")
    if machine is None:
        return None
    return EngineName.NSPAWN, machine, "monitor" if parts[depth + 1 : depth + 2] == ["supervisor"] else "payload", None


def _match_full_id(parts: list[str], depth: int, full_id: str) -> tuple[EngineName, str, _Role, str | None] | None:
    name, parent = parts[depth], parts[depth - 1]
    before = name.removesuffix(".scope")[:-64]
    if not before:
        if name != full_id:
            return None
        if parent == "docker":
            return EngineName.DOCKER, full_id, "payload", None
        if parent.startswith("pod") and "kubepods" in parts[: depth - 1]:
            # cri-dockerd with the cgroupfs driver uses the same path; containerd is what most nodes run.
            return EngineName.CONTAINERD, full_id, "payload", "k8s.io"
        if depth == 2 and parent in _CONTAINERD_NAMESPACES:
            return EngineName.CONTAINERD, full_id, "payload", parent
        if parent in ("lxc", "lxc.payload"):
            return EngineName.LXC, full_id, "payload", None
        if depth == 2 and parent == "ctrscope":
            return EngineName.CTRSCOPE, full_id, "payload", None
        return None
    # "kubepods-….slice:cri-containerd:ID": a path for the systemd driver that the cgroupfs driver took literally.
    prefix = before[:-1].rpartition(":")[2]
    known = _PREFIXES.get(prefix) if before[-1] in "-:" else None
    if known is not None:
        engine, role, namespace = known
        return engine, full_id, role, namespace
    for start, engine in _SCOPES:
        if before == start and name.endswith(".scope"):
            return engine, full_id, "payload", None
    return None


def _machine(name: str, parent: str, child: str) -> str | None:
    """Name of the systemd-nspawn machine whose unit that is."""
    if name.startswith("systemd-nspawn@") and name.endswith(".service"):
        # The unit starts `systemd-nspawn --machine=%i`, the instance as it is written.
        machine = name[len("systemd-nspawn@") : -len(".service")]
    elif name.startswith("machine-") and name.endswith(".scope"):
        machine = unescape_unit(name[len("machine-") : -len(".scope")])
        driver, _, rest = machine.partition("-")
        if driver in _LIBVIRT_DRIVERS and rest.partition("-")[0].isdecimal():
            return None
    elif parent == "machine.slice" and name.endswith(".scope") and child in ("payload", "supervisor"):
        # nspawn --register=no makes its scope without machined.
        machine = name.removesuffix(".scope")
    else:
        return None
    return machine if machine and "/" not in machine and "\0" not in machine else None


def _pod_uid(parts: list[str]) -> str | None:
    for name in reversed(parts):
        if "kubepods" in name and "-pod" in name and ".slice" in name:
            # kubelet turns the dashes of the uid into underscores, since a dash means a parent slice to systemd.
            uid = name.partition(".slice")[0].rpartition("-pod")[2].replace("_", "-")
        elif name.startswith("pod") and "kubepods" in parts:
            uid = name[3:]
        else:
            continue
        return uid if uid and uid.replace("-", "").isalnum() else None
    return None


def _owner_uid(parts: list[str]) -> int:
    if len(parts) > 2 and parts[1] == "user.slice" and parts[2].startswith("user-") and parts[2].endswith(".slice"):
        uid = parts[2][len("user-") : -len(".slice")]
        return int(uid) if uid.isdecimal() and len(uid) <= 10 else 0
    return 0


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
