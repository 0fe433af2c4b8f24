"""Where a containerd keeps its state: state directories (tasks) and root directories (``meta.db``).

*Source:* containerd(8), containerd-config.toml(5) keys ``root`` and ``state``; the set-ups of k3s, RKE2, k0s, MicroK8s, of
Docker that starts its own containerd, and of nerdctl's rootless containerd.
*Versions:* the bundle directory is ``io.containerd.runtime.v2.task`` since 1.3, also in 2.x.
"""

from ctrscope.engines.engine import Survey
from ctrscope.engines.state_file import without_var
from ctrscope.model.gap import Gap, Reason, gap_of
from ctrscope.model.value import Value

_CONFIG_FILE = "/etc/containerd/config.toml"


class ContainerdRoot(Value, frozen=True):
    """One containerd."""

    state: str
    root: str | None  # None when nothing says where it is
    runc_root: str = "/run/containerd/runc"  # where the shim keeps runc's state: whatever the state directory is
    owner: int | None = None  # uid of a rootless containerd


_DEFAULT = ContainerdRoot("/run/containerd", "/var/lib/containerd")
_USUAL = (
    _DEFAULT,
    ContainerdRoot("/run/k3s/containerd", "/var/lib/rancher/k3s/agent/containerd"),
    ContainerdRoot("/run/k3s/containerd", "/var/lib/rancher/rke2/agent/containerd"),
    ContainerdRoot("/run/k0s/containerd", "/var/lib/k0s/containerd"),
    ContainerdRoot("/var/snap/microk8s/common/run/containerd", "/var/snap/microk8s/common/var/lib/containerd"),
    ContainerdRoot("/run/docker/containerd/daemon", "/var/lib/docker/containerd/daemon"),
    ContainerdRoot("/run/snap.docker/containerd/daemon", "/var/snap/docker/common/var-lib-docker/containerd/daemon"),
)


def find_roots(survey: Survey) -> tuple[list[ContainerdRoot], list[Gap]]:
    """The usual places, every user's, and what ``/etc/containerd/config.toml`` names. They need not exist."""
    gaps: list[Gap] = []
    configured = _read_config(survey, _CONFIG_FILE, gaps)
    roots = [configured, *(root for root in _USUAL if root.state != configured.state)]
    for user in survey.users:
        run, share = f"/run/user/{user.uid}", f"{user.home}/.local/share" if user.home else None
        # Both bind their own directory over /run/containerd in their mount namespace.
        runc_root = f"{run}/containerd/runc"
        roots.append(ContainerdRoot(f"{run}/containerd", share and f"{share}/containerd", runc_root, user.uid))
        docker_root = share and f"{share}/docker/containerd/daemon"
        roots.append(ContainerdRoot(f"{run}/docker/containerd/daemon", docker_root, f"{run}/docker/runtime-runc", user.uid))
    return roots, gaps


def find_running_roots(survey: Survey) -> tuple[list[ContainerdRoot], list[Gap]]:
    """State directories that the arguments of running containerds, and of shims whose container is not known, name."""
    # Anybody can give a process such arguments: what a user's process names has to be the user's.
    gaps: list[Gap] = []
    roots: list[ContainerdRoot] = []
    for stat in survey.processes.named(survey.supervisors, "containerd"):
        arguments = _parse_flags(survey.processes.cmdline(stat.pid) or ())
        if arguments.keys() & {"config", "c", "root", "state"}:
            config = _read_config(survey, arguments.get("config") or arguments.get("c") or _CONFIG_FILE, gaps)
            state, root = arguments.get("state", config.state), arguments.get("root", config.root)
            if (uid := survey.uid(stat.pid)) is not None:
                roots.append(ContainerdRoot(state, root, owner=uid or None))
    known = survey.known_supervisors()
    unknown = [pid for pid in survey.supervisors if pid not in known]
    for stat in survey.processes.named(unknown, "containerd-shim"):
        address = _parse_flags(survey.processes.cmdline(stat.pid) or ()).get("address", "")
        state = address.rpartition("/")[0]
        if state.startswith("/") and (uid := survey.uid(stat.pid)) is not None:
            owner = uid or None
            if (state, owner) not in {(root.state, root.owner) for root in roots}:
                roots.append(ContainerdRoot(state, None, owner=owner))
    return roots, gaps


def _parse_flags(arguments: tuple[str, ...]) -> dict[str, str]:
    """``-flag value``, ``--flag value`` and ``--flag=value`` with an absolute path as the value, by name."""
    found = {}
    for index, argument in enumerate(arguments[1:], 1):
        if argument.startswith("-"):
            name, equals, value = argument.lstrip("-").partition("=")
            if not equals:
                value = arguments[index + 1] if index + 1 < len(arguments) else ""
            if value.startswith("/"):
                found[name] = without_var(value.rstrip("/"))
    return found


def _read_config(survey: Survey, path: str, gaps: list[Gap]) -> ContainerdRoot:
    try:
        # The two keys stand before the first table; the rest, which may be long, is nobody's business here.
        head = b"\n" + survey.host.read(path)
        head = head.partition(b"\n[")[0].partition(b"\n  [")[0]
        if b"root" not in head and b"state" not in head:
            return _DEFAULT
        config = _parse_plain(head)
        if config is None:
            import tomllib  # 3 ms

            config = tomllib.loads(head.decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return _DEFAULT
    except OSError as error:
        gaps.append(gap_of(error, "engine containerd", ("state_roots",), path))
        return _DEFAULT
    except (ValueError, RecursionError) as error:
        reason = Reason.MALFORMED
        gap = Gap(subject="engine containerd", fields=("state_roots",), source=path, reason=reason, detail=str(error))
        gaps.append(gap)
        return _DEFAULT
    state, root = (_absolute(config.get(key)) for key in ("state", "root"))
    return ContainerdRoot(state or _DEFAULT.state, root or _DEFAULT.root)


def _parse_plain(text: bytes) -> dict[str, object] | None:
    """Keys and values of lines as ``containerd config default`` writes them; None when any line is of another form."""
    found: dict[str, object] = {}
    for line in text.decode("utf-8").split("\n"):
        if not line or line.startswith("#"):
            continue
        key, _, value = (part.strip(" ") for part in line.partition("="))
        if not (key.isascii() and key.isidentifier()) or key in found:
            return None
        inside = value[1:-1]
        if len(value) > 1 and value[0] == value[-1] == '"' and inside.isprintable() and {'"', "\\"}.isdisjoint(inside):
            found[key] = inside
        elif value in ("[]", "0") or (value.isascii() and value.isdecimal() and value[0] != "0"):
            found[key] = None
        else:
            return None
    return found


def _absolute(value: object) -> str | None:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        return None
    return without_var(value.rstrip("/"))
