"""Programs that are told of a step in a container's life, with its state on their standard input.

*Source:* OCI runtime specification, config.md "POSIX-platform Hooks". *Errors:* a hook that fails is a LauncherError with the
last of what it said; after the start and after the end that is only worth a warning.
"""

import subprocess
from collections.abc import Iterable

import msgspec

from ctrscope.launcher.errors import LauncherError
from ctrscope.launcher.spec import Hook
from ctrscope.launcher.state import State, container_state

_TAIL = 500


def run_hooks(kind: str, hooks: Iterable[Hook], state: State, status: str) -> None:
    """Run them in their order, each when the one before has ended. Errors: LauncherError."""
    text = msgspec.json.encode(container_state(state, status))
    for number, hook in enumerate(hooks):
        where = f"hook $.hooks.{kind}[{number}], {hook.path}"
        environment = dict(line.split("=", 1) for line in hook.env if "=" in line)
        try:
            done = subprocess.run(  # noqa: S603 -- whoever writes the bundle says what is run
                hook.args or (hook.path,),
                executable=hook.path,
                env=environment,
                input=text,
                capture_output=True,
                timeout=hook.timeout,
                check=False,
            )
        except OSError as error:
            raise LauncherError(f"{where}: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise LauncherError(f"{where}: not done within {hook.timeout} s, and killed") from None
        if done.returncode:
            said = (done.stderr or done.stdout)[-_TAIL:].decode("utf-8", "replace").strip()
            raise LauncherError(f"{where}: exit status {done.returncode}: {said or 'it said nothing'}")
