"""Where a Docker keeps its state: data roots and exec roots.

*Source:* dockerd(8) and its ``daemon.json`` (keys ``data-root``, ``exec-root``); moby daemon/config/config_linux.go;
dockerd-rootless.sh; the snap's dockerd wrapper; userns-remap (``DATA_ROOT/UID.GID``).
*Versions:* ``--graph``, ``-g`` and the key ``graph`` were ``data-root`` until Docker 23.
"""

import msgspec

from ctrscope.engines.engine import Survey
from ctrscope.engines.state_file import check_path, parse_json, without_var
from ctrscope.model.gap import Gap, ParseError, gap_of
from ctrscope.model.value import Value

_DATA_ROOT = "/var/lib/docker"
_EXEC_ROOT = "/run/docker"
_CONFIG_FILE = "/etc/docker/daemon.json"
_SNAP = ("/var/snap/docker/common/var-lib-docker", "/run/snap.docker")


class DockerRoot(Value, frozen=True):
    """One Docker."""

    path: str  # data root
    exec_root: str
    owner: int | None = None  # uid of a rootless Docker


class _DaemonConfig(msgspec.Struct, rename="kebab"):
    """``daemon.json``."""

    data_root: str | None = None
    graph: str | None = None
    exec_root: str | None = None


_decoder = msgspec.json.Decoder(_DaemonConfig)
_FLAGS = {
    "--data-root": "data_root",
    "--graph": "data_root",
    "-g": "data_root",
    "--exec-root": "exec_root",
    "--config-file": "config_file",
}


def find_roots(survey: Survey) -> tuple[list[DockerRoot], list[Gap]]:
    """Data roots at the usual places, and those that ``daemon.json`` and the dockerd of ``/run/docker.pid`` name.

    They need not exist.
    """
    gaps: list[Gap] = []
    configured = _configured(survey, _daemon_arguments(survey), gaps)
    roots = [configured]
    if configured.path != _DATA_ROOT:
        roots.append(DockerRoot(_DATA_ROOT, configured.exec_root))
    roots.append(DockerRoot(*_SNAP))
    for user in survey.users:
        if not user.home:
            continue
        home_config = f"{user.home}/.config/docker/daemon.json"
        usual = DockerRoot(f"{user.home}/.local/share/docker", f"/run/user/{user.uid}/docker", user.uid)
        config = _read_config(survey, home_config, user.uid, gaps)
        if config is not None and config.data_root and config.data_root != usual.path:
            roots.append(DockerRoot(config.data_root, config.exec_root or usual.exec_root, user.uid))
        roots.append(usual)
    return roots, gaps


def find_running_roots(survey: Survey) -> tuple[list[DockerRoot], list[Gap]]:
    """Data roots of running dockerds, as their arguments and configuration files say."""
    gaps: list[Gap] = []
    roots = []
    for stat in survey.processes.named(survey.supervisors, "dockerd"):
        arguments = parse_arguments(survey.processes.cmdline(stat.pid) or ())
        if not arguments:
            continue
        root = _configured(survey, arguments, gaps)
        # Anybody can give a process these arguments: what a user's names has to be the user's.
        if (uid := survey.uid(stat.pid)) is not None:
            roots.append(msgspec.structs.replace(root, owner=uid or None))
    return roots, gaps


def parse_arguments(arguments: tuple[str, ...]) -> dict[str, str]:
    """``data_root``, ``exec_root`` and ``config_file`` of dockerd's command line, where it has them with an absolute path."""
    found = {}
    waiting = list(arguments[1:])
    while waiting:
        flag, equals, value = waiting.pop(0).partition("=")
        if flag in _FLAGS:
            value = value if equals else waiting.pop(0) if waiting else ""
            if value.startswith("/"):
                found[_FLAGS[flag]] = value.rstrip("/")
    return found


def _daemon_arguments(survey: Survey) -> dict[str, str]:
    try:
        pid = int(survey.host.read("/run/docker.pid", limit=64))
    except (OSError, ValueError):
        return {}
    arguments = survey.processes.cmdline(pid) or ()
    # The PID may be another process's by now, and anybody's.
    is_dockerd = bool(arguments) and arguments[0].rpartition("/")[2] == "dockerd" and survey.uid(pid) == 0
    return parse_arguments(arguments) if is_dockerd else {}


def _configured(survey: Survey, arguments: dict[str, str], gaps: list[Gap]) -> DockerRoot:
    config = _read_config(survey, arguments.get("config_file", _CONFIG_FILE), None, gaps) or _DaemonConfig()
    data_root = arguments.get("data_root") or config.data_root or config.graph or _DATA_ROOT
    exec_root = arguments.get("exec_root") or config.exec_root or _EXEC_ROOT
    return DockerRoot(data_root.rstrip("/"), without_var(exec_root.rstrip("/")))


def _read_config(survey: Survey, path: str, owner: int | None, gaps: list[Gap]) -> _DaemonConfig | None:
    try:
        text = survey.host.read(path, owner=owner).strip()
        config = parse_json(_decoder, text, path) if text else _DaemonConfig()  # an empty one is fine with dockerd
        for root in filter(None, (config.data_root, config.graph, config.exec_root)):
            check_path(root, path)
        return config
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        # A user's home that we may not enter: the data root in it will say so.
        if owner is None:
            gaps.append(gap_of(error, "engine docker", ("state_roots",), path))
    except (OSError, ParseError) as error:
        gaps.append(gap_of(error, "engine docker", ("state_roots",), path))
    return None
