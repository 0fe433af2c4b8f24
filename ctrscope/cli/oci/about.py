"""``--help`` and ``--version``."""

from ctrscope import __version__
from ctrscope.cli.oci.arguments import OPTIONS, Arguments
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.state import OCI_VERSION

_WHAT = {
    "create": ("ID", "make a container of a bundle that waits for start"),
    "delete": ("ID", "remove what there is of a container"),
    "exec": ("ID COMMAND…", "run one program more in a container"),
    "features": ("", "what this runtime can do, as JSON"),
    "kill": ("ID [SIGNAL]", "send the container's init a signal, SIGTERM unless another is named"),
    "list": ("", "the containers there are"),
    "pause": ("ID", "hold all processes of a container"),
    "ps": ("ID [OPTIONS OF PS]", "the processes of a container"),
    "resume": ("ID", "let them go on"),
    "run": ("ID", "make a container, start it, wait for its end and delete it"),
    "spec": ("", "write a config.json to begin with"),
    "start": ("ID", "let a container begin that was created"),
    "state": ("ID", "the state of a container, as JSON"),
    "update": ("ID", "change the limits of a container"),
}


def about(arguments: Arguments) -> int:
    """Print one of the two. Errors: LauncherError for a command that there is not."""
    if arguments.verb == "version":
        print(f"ctrscope-oci version {__version__}\nspec: {OCI_VERSION}")  # noqa: T201
        return 0
    if not arguments.words:
        print("Usage: ctrscope-oci [OPTIONS] COMMAND [OPTIONS] …\n\nCommands, as of the OCI runtimes:")  # noqa: T201
        for verb, (words, what) in _WHAT.items():
            print(f"  {verb + ' ' + words:26} {what}")  # noqa: T201
        print(f"\nOptions before the command:\n{_options('')}")  # noqa: T201
        return 0
    verb = arguments.words[0]
    if verb not in _WHAT:
        raise LauncherError(f"no such command: {verb}; there are {' '.join(_WHAT)}")
    words, what = _WHAT[verb]
    print(f"Usage: ctrscope-oci {verb} {'[OPTIONS] ' if OPTIONS[verb] else ''}{words}\n\n{what}\n{_options(verb)}")  # noqa: T201
    return 0


def _options(verb: str) -> str:
    lines = []
    for word in OPTIONS[verb].split():
        short, colon, name = word.rpartition(":")
        plain = name.rstrip("=+")
        lines.append(f"  --{plain}{' VALUE' if plain != name else ''}{f', -{short}' if colon else ''}")
    return "\n".join(lines)
