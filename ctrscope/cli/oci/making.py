"""``create``, ``run`` and ``exec``."""

import os
import sys

from msgspec.structs import replace

from ctrscope.attach.session import caught_signals
from ctrscope.cli.oci.arguments import Arguments
from ctrscope.launcher import lifecycle
from ctrscope.launcher.attended import attend_made, run_attached
from ctrscope.launcher.lifecycle import Wish
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import Capabilities, Process, User, load_spec, read_part
from ctrscope.oci.state import default_root, read_spec
from ctrscope.oci.validate import validate_process


def create(arguments: Arguments) -> int:
    """Make a container that waits for ``start``."""
    wish = _wish(arguments)
    spec = load_spec(wish.bundle)
    if spec.process is not None and spec.process.terminal and wish.console_socket is None:
        raise LauncherError("$.process.terminal is true: create takes --console-socket then, where the terminal is sent")
    made = lifecycle.create(wish, spec)
    _warn(made.warnings)
    return 0


def run(arguments: Arguments) -> int:
    """Make a container, start it, wait for its end and delete it."""
    wish = _wish(arguments)
    spec = load_spec(wish.bundle)
    if arguments.has("detach"):
        if spec.process is not None and spec.process.terminal and wish.console_socket is None:
            raise LauncherError("--detach with $.process.terminal takes --console-socket, where the terminal is sent")
        lifecycle.launch(wish, spec, lambda made: _warn(made.warnings))
        return 0
    return run_attached(wish, spec, warn=_warn, keep=arguments.has("keep"))


def exec(arguments: Arguments) -> int:  # noqa: A001 -- the verb's name
    """Run one program more in a container."""
    wish = _wish(arguments)
    process = _process(arguments, wish)
    with caught_signals() as signals:
        made = lifecycle.execute(wish, process)
        _warn(made.warnings)
        return 0 if arguments.has("detach") else attend_made(made, signals)


def _wish(arguments: Arguments) -> Wish:
    if arguments.has("no-pivot"):
        raise LauncherError("--no-pivot: there is no other way here than pivot_root(2): a bare chroot(2) can be left")
    preserved = arguments.number("preserve-fds") or 0
    lifecycle.check_preserved(preserved)
    return Wish(
        id=arguments.id,
        root=arguments.find("root") or default_root(),
        bundle=os.path.abspath(arguments.find("bundle") or "."),
        pid_file=arguments.find("pid-file"),
        console_socket=arguments.find("console-socket") or None,
        preserved=preserved,
        systemd_cgroup=arguments.has("systemd-cgroup"),
        new_keyring=not arguments.has("no-new-keyring"),
    )


def _process(arguments: Arguments, wish: Wish) -> Process:
    path = arguments.find("process")
    if path is not None:
        process = read_part(path, Process)
    else:
        inside = read_spec(wish.root, wish.id).process
        assert inside is not None
        process = _changed(arguments, inside)
    if arguments.has("tty"):
        process = replace(process, terminal=True)
    validate_process(process, "$" if path else "$.process")
    return process


def _changed(arguments: Arguments, process: Process) -> Process:
    """As init's, with what the options say."""
    process = replace(process, args=arguments.words[1:], terminal=False, env=(*process.env, *arguments.options.get("env", ())))
    if (cwd := arguments.find("cwd")) is not None:
        process = replace(process, cwd=cwd)
    if (user := arguments.find("user")) is not None:
        uid, _, gid = user.partition(":")
        if not uid.isdecimal() or (gid and not gid.isdecimal()):
            raise LauncherError(f"--user {user!r}: expected UID or UID:GID")
        process = replace(process, user=User(uid=int(uid), gid=int(gid or 0)))
    if groups := arguments.options.get("additional-gids"):
        process = replace(process, user=replace(process.user, additional_gids=tuple(int(group) for group in groups)))
    if more := arguments.options.get("cap"):
        had = process.capabilities or Capabilities()
        process = replace(
            process,
            capabilities=Capabilities(
                **{name: (*getattr(had, name), *more) for name in had.__struct_fields__ if name != "ambient"}
            ),
        )
    if arguments.has("no-new-privs"):
        process = replace(process, no_new_privileges=True)
    return replace(
        process,
        apparmor_profile=arguments.find("apparmor") or process.apparmor_profile,
        selinux_label=arguments.find("process-label") or process.selinux_label,
    )


def _warn(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        print(f"ctrscope-oci: {warning}", file=sys.stderr)  # noqa: T201
