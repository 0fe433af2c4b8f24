"""The small files that containerd's shim keeps in a bundle beside ``config.json``.

*Source:* containerd core/runtime/v2 (binary.go, bundle.go) and cmd/containerd-shim-runc-v2 (process/init.go, runc/util.go).
*Versions:* ``init.pid``, ``options.json`` and ``shim-binary-path`` since 1.4; ``address`` became ``bootstrap.json`` in 2.0.
"""

import msgspec

from ctrscope.engines.state_file import check_path, parse_json, without_var
from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs


class _Options(msgspec.Struct):
    root: str = ""


_options_decoder = msgspec.json.Decoder(_Options)


def read_init_pid(host: HostFs, bundle: str, owner: int | None) -> int:
    """PID of init. Errors: OSError as from ``HostFs.read``; ParseError."""
    source = f"{bundle}/init.pid"
    text = host.read(source, limit=64, owner=owner)
    try:
        pid = int(text)
    except ValueError as error:
        raise ParseError(f"{source}: {error}") from error
    if not 0 < pid < 2**31:
        raise ParseError(f"{source}: {pid} is no PID")
    return pid


def read_runc_root(host: HostFs, bundle: str, owner: int | None) -> str | None:
    """The root of runc's state that the client asked for, or None: the shim's usual one.

    Errors: OSError as from ``HostFs.read``; ParseError.
    """
    source = f"{bundle}/options.json"
    root = parse_json(_options_decoder, host.read(source, limit=65536, owner=owner), source).root
    return without_var(check_path(root, source)) if root else None


def find_runtime_name(host: HostFs, bundle: str, owner: int | None) -> str | None:
    """Runtime's name from its shim's: ``/usr/bin/containerd-shim-runc-v2`` is ``io.containerd.runc.v2``."""
    try:
        text = host.read(f"{bundle}/shim-binary-path", limit=4096, owner=owner)
    except OSError:
        return None
    name = text.decode("utf-8", "surrogateescape").strip().rpartition("/")[2]
    kind, _, version = name.removeprefix("containerd-shim-").rpartition("-")
    return f"io.containerd.{kind}.{version}" if name.startswith("containerd-shim-") and kind else None
