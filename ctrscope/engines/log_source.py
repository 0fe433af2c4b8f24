"""Where the log of a container is: the files that its engine has written, rotated ones first; or where it is read instead.

*Source:* moby daemon/logger (``LogConfig.Type`` of hostconfig.json; json-file keeps ``NAME.1`` … ``NAME.N``, ``.gz`` with
``compress``; local does so in ``local-logs/container.log``); kubelet pkg/kubelet/logs (``NAME.20060102-150405``, ``.gz``);
conmon(8) ``--log-path DRIVER:PATH``; journald-driver fields CONTAINER_ID_FULL (Docker, conmon);
lxc.container.conf(5) ``lxc.console.logfile``.
"""

import re
from collections.abc import Iterable
from itertools import pairwise

import msgspec
from msgspec import structs

from ctrscope.engines.state_file import parse_json
from ctrscope.model.container import Container, EngineName
from ctrscope.model.gap import ParseError
from ctrscope.model.log import LogFormat, LogSource
from ctrscope.model.timestamp import unix_time
from ctrscope.probes.hostfs import HostFs

_FORMATS = {
    EngineName.DOCKER: LogFormat.JSON_FILE,
    EngineName.PODMAN: LogFormat.CRI,
    EngineName.CONTAINERD: LogFormat.CRI,
    EngineName.CRI_O: LogFormat.CRI,
    EngineName.CTRSCOPE: LogFormat.CRI,
}
#: Engines rotate a handful; whoever owns the directory may make more.
_MOST_FILES = 100
_ATTEMPT = re.compile(r"(0|[1-9]\d{0,8})\.log")
#: An engine notes the start when the program runs already, which may have written something by then; none starts again sooner.
_BEFORE_START = 0.05  # s
_NUMBERED, _DATED = re.compile(r"(\d{1,3})(\.gz)?"), re.compile(r"\d{8}-\d{6}(\.gz)?")


class _LogConfig(msgspec.Struct, rename="pascal"):
    type: str = ""


class _HostConfig(msgspec.Struct, rename="pascal"):
    log_config: _LogConfig = msgspec.field(default_factory=_LogConfig)


_decoder = msgspec.json.Decoder(_HostConfig)


def find_log(host: HostFs, container: Container) -> LogSource:
    """The files of a container's log; without any, words on where it is read instead."""
    path, owner = container.log_path, container.owner_uid or None
    if path is not None and path.startswith("/") and "\0" not in path:
        return LogSource(paths=(*_rotated(host, path), path), format=format_of(container.engine, path), owner=owner)
    if container.engine is not EngineName.DOCKER:
        return LogSource(owner=owner, elsewhere=_elsewhere(host, container, _conmon_driver(host, container)))
    directory, driver = _docker_driver(host, container)
    if driver == "local":  # the path of whose file Docker keeps to itself
        path = f"{directory}/local-logs/container.log"
        return LogSource(paths=(*_rotated(host, path), path), format=LogFormat.LOCAL, owner=owner)
    return LogSource(owner=owner, elsewhere=_elsewhere(host, container, driver))


def find_earlier_log(host: HostFs, container: Container, back: int) -> LogSource:
    """The log of *back* starts before this one, with its rotated parts; without a file, words on why there is none.

    kubelet keeps one for each attempt. Docker, Podman and nerdctl go on in the same file, and do not say in it where.
    *Source:* kubelet pkg/kubelet/kuberuntime: ``POD/CONTAINER/ATTEMPT.log``.
    """
    present = find_log(host, container)
    directory, _, name = present.paths[-1].rpartition("/") if present.paths else ("", "", "")
    started = unix_time(container.started_at)
    if container.pod is not None and (own := _ATTEMPT.fullmatch(name)) is not None:
        try:
            found = [int(one[1]) for other in host.names(directory) if (one := _ATTEMPT.fullmatch(other)) is not None]
        except OSError as error:
            return LogSource(elsewhere=f"{directory}: {error.strerror or error}")
        earlier = sorted((number for number in found if number < int(own[1])), reverse=True)
        if back <= len(earlier):
            path = f"{directory}/{earlier[back - 1]}.log"
            return structs.replace(present, paths=(*_rotated(host, path), path))
        return LogSource(elsewhere=f"{directory} has no log of an attempt before that")
    if not present.paths or present.format is LogFormat.PLAIN or started is None or back > 1:
        return LogSource(elsewhere=present.elsewhere or "what was written before this start cannot be told from the rest")
    ended = unix_time(container.finished_at)
    is_before = ended is not None and ended < started  # else it is this start that ended
    return structs.replace(present, until=(started + ended) / 2 if ended and is_before else started - _BEFORE_START)


def format_of(engine: EngineName, path: str) -> LogFormat:
    """How that engine writes its lines; nerdctl, whose containers are containerd's, writes Docker's."""
    return LogFormat.JSON_FILE if path.endswith("-json.log") else _FORMATS.get(engine, LogFormat.PLAIN)


def rotated_names(names: Iterable[str], name: str) -> list[str]:
    """Those of *names* that are older parts of the log *name*, the oldest first."""
    numbered: list[tuple[int, str]] = []
    dated: list[str] = []
    for other in names:
        rest = other.removeprefix(f"{name}.")
        if rest == other:
            continue
        if (found := _NUMBERED.fullmatch(rest)) is not None:
            numbered.append((-int(found[1]), other))
        elif _DATED.fullmatch(rest):
            dated.append(other)
    return [*sorted(dated), *(other for _, other in sorted(numbered))][-_MOST_FILES:]


def _rotated(host: HostFs, path: str) -> list[str]:
    directory, _, name = path.rpartition("/")
    try:
        names = host.names(directory or "/")
    except OSError:
        return []
    return [f"{directory}/{other}" for other in rotated_names(names, name)]


def _elsewhere(host: HostFs, container: Container, driver: str) -> str:
    if driver == "journald":
        return f"journald has it: journalctl CONTAINER_ID_FULL={container.id}"
    if driver == "none":
        return "it keeps none: its log driver is none"
    if driver:
        return f"its log driver is {driver}, which sends it away from this host's files"
    if container.engine is EngineName.NSPAWN:
        return f"what its journal took: journalctl -M {container.name}; what its console showed: systemd-nspawn's own output"
    if container.engine is EngineName.LXC:
        return f"its configuration names no lxc.console.logfile: lxc-console -n {container.name} shows its console"
    return _output_of_init(host, container)


def _docker_driver(host: HostFs, container: Container) -> tuple[str, str]:
    """Directory of the container's state, and which driver it says; "" where that cannot be told."""
    own = next((one.source for one in container.evidence if one.source.endswith("/config.v2.json")), None)
    if own is None:
        return "", ""
    directory = own.removesuffix("/config.v2.json")
    path = f"{directory}/hostconfig.json"
    try:
        return directory, parse_json(_decoder, host.read(path, owner=container.owner_uid or None), path).log_config.type
    except (OSError, ParseError):
        return directory, ""


def _conmon_driver(host: HostFs, container: Container) -> str:
    """What conmon was told: ``journald`` of ``--log-path journald``, ``-l journald:``."""
    if container.monitor is None or container.monitor.pid is None or container.monitor.comm != "conmon":
        return ""
    try:
        words = host.read(f"/proc/{container.monitor.pid}/cmdline").decode("utf-8", "surrogateescape").split("\0")
    except OSError:
        return ""
    return next((value.partition(":")[0] for option, value in pairwise(words) if option in ("-l", "--log-path")), "")


def _output_of_init(host: HostFs, container: Container) -> str:
    if container.pid is None:
        return "no engine's state names a file for it"
    try:
        target = host.readlink(f"/proc/{container.pid}/fd/1")
    except FileNotFoundError:
        return "its init has no standard output"
    except OSError as error:
        return f"no engine's state names a file for it, and /proc/{container.pid}/fd/1 could not be read: {error.strerror}"
    return f"no engine's state names a file for it; the standard output of its init is {target}"
