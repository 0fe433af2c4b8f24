"""``ctrscope-oci``: the launcher as an OCI runtime, for engines and bundles. Its words are runc's, whose place it takes."""

import os
import sys
from collections.abc import Sequence

from ctrscope.cli.oci.arguments import Arguments, parse
from ctrscope.oci.errors import LauncherError


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ctrscope-oci`` and return its exit status: 1 after an error, that of the program after ``run`` and ``exec``."""
    arguments = None
    try:
        arguments = parse(sys.argv[1:] if argv is None else list(argv))
        return _run(arguments)
    except LauncherError as error:
        message, status = str(error), error.status
    except OSError as error:
        message, status = (f"{os.fsdecode(error.filename)}: " if error.filename else "") + (error.strerror or str(error)), 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if arguments is not None and arguments.has("debug"):
            raise
        message, status = f"{type(error).__name__}: {error} (--debug shows where)", 1
    if arguments is not None and (path := arguments.find("log")):
        from ctrscope.launcher.report import write_report

        write_report(path, message, as_json=arguments.find("log-format") == "json")
    print(f"ctrscope-oci: {message}", file=sys.stderr)  # noqa: T201
    return status if arguments is not None and arguments.verb in ("run", "exec") else 1


def _run(arguments: Arguments) -> int:
    if arguments.verb in ("", "help", "version"):
        from ctrscope.cli.oci.about import about

        return about(arguments)
    if arguments.verb in ("create", "run", "exec"):
        from ctrscope.cli.oci import making

        return int(getattr(making, arguments.verb)(arguments))
    if arguments.verb in ("spec", "features", "list", "ps", "update"):
        from ctrscope.cli.oci import asking

        return int(getattr(asking, f"{arguments.verb}_")(arguments))
    from ctrscope.cli.oci import living

    return int(getattr(living, arguments.verb)(arguments))
