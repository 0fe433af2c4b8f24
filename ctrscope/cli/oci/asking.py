"""``list``, ``ps``, ``update``, ``spec`` and ``features``."""

import sys
from typing import Any

import msgspec

from ctrscope.cli.oci.arguments import Arguments
from ctrscope.launcher import lifecycle
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import BlockIO, Cpu, Memory, Pids, Resources, parse_part, read_part
from ctrscope.oci.state import OCI_VERSION, State, container_state, default_root, list_ids, read_state


def list_(arguments: Arguments) -> int:
    """Print the containers there are."""
    root = arguments.find("root") or default_root()
    states: list[State] = []
    for name in list_ids(root):
        try:
            states.append(read_state(root, name))
        except LauncherError as error:  # one that was killed while it was being made
            print(f"ctrscope-oci: {name}: {error}; delete --force removes it", file=sys.stderr)  # noqa: T201
    if arguments.has("quiet"):
        _say(*(state.id for state in states))
        return 0
    found = [container_state(state, lifecycle.read_status(root, state)) for state in states]
    if arguments.find("format") == "json":
        rows = [{**msgspec.to_builtins(one), "owner": "root"} for one in found]
        _say(msgspec.json.encode(rows).decode())
        return 0
    lines = [("ID", "PID", "STATUS", "BUNDLE", "CREATED")]
    lines += [(one.id, str(one.pid), one.status, one.bundle, one.created) for one in found]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    _say(*("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines))
    return 0


def ps_(arguments: Arguments) -> int:
    """Print its processes: as JSON their PIDs, else the lines that ps(1) has for them."""
    root = arguments.find("root") or default_root()
    pids = lifecycle.read_pids(root, arguments.id)
    if arguments.find("format") == "json":
        _say(msgspec.json.encode(pids).decode())
        return 0
    _say(*lifecycle.read_process_table(pids, arguments.words[1:] or ("-ef",)))
    return 0


def update_(arguments: Arguments) -> int:
    """Change its limits."""
    root = arguments.find("root") or default_root()
    path = arguments.find("resources")
    if path == "-":
        resources = parse_part(sys.stdin.buffer.read(), "standard input", Resources)
    elif path is not None:
        resources = read_part(path, Resources)
    else:
        resources = _resources(arguments)
    for warning in lifecycle.update(root, arguments.id, resources):
        print(f"ctrscope-oci: {warning}", file=sys.stderr)  # noqa: T201
    return 0


def spec_(arguments: Arguments) -> int:
    """Write a config.json to begin with."""
    from ctrscope.images.settings import ImageSettings
    from ctrscope.run.build import Wanted, build_spec

    spec, _ = build_spec(Wanted(terminal=True, command=("sh",)), "ctrscope", "rootfs", ImageSettings())
    lifecycle.write_template(arguments.find("bundle") or ".", spec)
    return 0


def features_(arguments: Arguments) -> int:
    """Print what this runtime can do, as features.md of the specification has it."""
    _say(msgspec.json.format(msgspec.json.encode(_features()), indent=2).decode())
    return 0


def _features() -> dict[str, Any]:
    from ctrscope.attach.seccomp import ACTIONS, OPERATORS
    from ctrscope.launcher.mounts import known_options
    from ctrscope.oci.validate import NAMESPACES
    from ctrscope.probes.capability_names import capability_names

    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": sorted(known_options()),
        "linux": {
            "namespaces": list(NAMESPACES),
            "capabilities": list(capability_names((1 << 41) - 1)),
            "cgroup": {"v1": True, "v2": True, "systemd": True, "systemdUser": True, "rdma": True},
            "seccomp": {"enabled": True, "actions": sorted(ACTIONS), "operators": sorted(OPERATORS)},
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "mountExtensions": {"idmap": {"enabled": False}},
        },
    }


def _resources(arguments: Arguments) -> Resources:
    number = arguments.number
    return Resources(
        memory=Memory(
            limit=_bytes(arguments, "memory"),
            reservation=_bytes(arguments, "memory-reservation"),
            swap=_bytes(arguments, "memory-swap"),
            kernel=_bytes(arguments, "kernel-memory"),
            kernel_tcp=_bytes(arguments, "kernel-memory-tcp"),
        ),
        cpu=Cpu(
            shares=number("cpu-share"),
            quota=number("cpu-quota"),
            burst=number("cpu-burst"),
            period=number("cpu-period"),
            realtime_runtime=number("cpu-rt-runtime"),
            realtime_period=number("cpu-rt-period"),
            cpus=arguments.find("cpuset-cpus") or "",
            mems=arguments.find("cpuset-mems") or "",
            idle=number("cpu-idle"),
        ),
        pids=Pids(limit=limit) if (limit := number("pids-limit")) is not None else None,
        block_io=BlockIO(weight=weight) if (weight := number("blkio-weight")) is not None else None,
    )


def _bytes(arguments: Arguments, name: str) -> int | None:
    from ctrscope.model.quantity import parse_bytes

    text = arguments.find(name)
    if text is None:
        return None
    if text == "-1":
        return -1
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise LauncherError(f"--{name} {text!r}: {error}") from None


def _say(*lines: str) -> None:
    for line in lines:
        print(line)  # noqa: T201
