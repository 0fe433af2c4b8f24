"""The environment that the command gets.

*Source:* proc_pid_environ(5), environ(7).
"""

from collections.abc import Mapping

from ctrscope.attach.credentials import PasswdEntry
from ctrscope.attach.request import AttachRequest
from ctrscope.probes.hostfs import ProcDir

#: As execvp(3) and every engine have it when the environment names none.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ROOT_VARIABLE = "CTRSCOPE_ROOT"  # where --tools has the container's files


def read_environment(process: ProcDir) -> Mapping[str, str]:
    """Environment that init was started with (proc_pid_environ(5)); empty when it was overwritten or is not readable."""
    try:
        text = process.read("environ")
    except OSError:
        return {}
    pairs = (entry.decode("utf-8", "surrogateescape").partition("=") for entry in text.split(b"\0"))
    return {key: value for key, equals, value in pairs if key and equals}


def choose_environment(
    init: Mapping[str, str] | None,
    ours: Mapping[str, str],
    request: AttachRequest,
    passwd: PasswdEntry | None,
    *,
    is_interactive: bool,
) -> Mapping[str, str]:
    """Init's environment with a PATH, a HOME and what our terminal needs; None for *init* keeps ours. The request comes last.

    Confined, it is what the engine's own exec gives: TERM on a terminal only, and no locale of ours.
    """
    if init is None:
        return {**({} if request.clear_environment else ours), **request.environment}
    environment = {"PATH": DEFAULT_PATH, **({} if request.clear_environment else init)}
    if is_interactive or not request.confined:
        environment.pop("TERM", None)
        environment.update({name: ours[name] for name in ours if name == "TERM"})
    if not request.confined:
        environment.update({name: ours[name] for name in ours if name == "LANG" or name.startswith("LC_")})
    if request.user is not None or not request.confined or "HOME" not in environment:
        environment["HOME"] = passwd.home if passwd else "/"
    return {**environment, **request.environment}


def tools_environment(ours: Mapping[str, str], request: AttachRequest, mount_point: str) -> Mapping[str, str]:
    """Our own, with the programs of the toolbox first in PATH, and where the container's files are."""
    environment = {**choose_environment(None, ours, request, None, is_interactive=True), ROOT_VARIABLE: mount_point}
    if request.tools:
        path = environment.get("PATH", DEFAULT_PATH)
        environment["PATH"] = f"{request.tools}:{request.tools}/bin:{request.tools}/sbin:{path}"
    return environment
