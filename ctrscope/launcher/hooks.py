"""Programs that are told of a step in a container's life, with its state on their standard input.

*Source:* OCI runtime specification, config.md "POSIX-platform Hooks". *Errors:* a hook that fails is a LauncherError with the
last of what it said.
"""

import msgspec

from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import Hook, Spec
from ctrscope.oci.state import State, container_state

_FIELDS = {"createRuntime": "create_runtime", "createContainer": "create_container", "startContainer": "start_container"}
_TAIL = 500


def run_hooks(kind: str, spec: Spec, state: State, status: str) -> tuple[str, ...]:
    """Run them in their order, each when the one before has ended; after the end of the container a failure is a warning."""
    warnings = []
    for number, hook in enumerate(getattr(spec.hooks, _FIELDS.get(kind, kind))):
        if failure := _run(hook, msgspec.json.encode(container_state(state, status))):
            warnings.append(f"hook $.hooks.{kind}[{number}], {hook.path}: {failure}")
            if kind != "poststop":
                raise LauncherError(warnings[-1])
    return tuple(warnings)


def _run(hook: Hook, text: bytes) -> str:
    """What went wrong; nothing when nothing did."""
    import subprocess  # few have hooks

    try:
        done = subprocess.run(  # noqa: S603 -- whoever writes the bundle says what is run
            hook.args or (hook.path,),
            executable=hook.path,
            env=dict(line.split("=", 1) for line in hook.env if "=" in line),
            input=text,
            capture_output=True,
            timeout=hook.timeout,
            check=False,
        )
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"not done within {hook.timeout} s, and killed"
    said = (done.stderr or done.stdout)[-_TAIL:].decode("utf-8", "replace").strip()
    return f"exit status {done.returncode}: {said or 'it said nothing'}" if done.returncode else ""
