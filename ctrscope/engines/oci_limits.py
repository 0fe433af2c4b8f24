"""Limits as an OCI runtime was last told them: runc keeps them in ``state.json``, also those that ``runc update`` brought.

*Source:* runc libcontainer ``configs/cgroup_linux.go`` (Resources). crun writes its update down nowhere.
"""

import msgspec

from ctrscope.engines.state_file import parse_json
from ctrscope.model.audited import Specified
from ctrscope.probes.hostfs import HostFs


class _Cgroups(msgspec.Struct):
    memory: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    pids_limit: int | None = None


class _Config(msgspec.Struct):
    cgroups: _Cgroups | None = None


class _State(msgspec.Struct):
    config: _Config | None = None


_decoder = msgspec.json.Decoder(_State)


def read_runtime_limits(host: HostFs, path: str, *, owner: int | None = None) -> Specified | None:
    """Limits of a ``state.json``; None: it is not runc's. Errors: OSError, ParseError."""
    return parse_runtime_limits(host.read(path, owner=owner), path)


def parse_runtime_limits(text: bytes, path: str) -> Specified | None:
    """The same of its text. Errors: ParseError."""
    config = parse_json(_decoder, text, path).config
    if config is None or config.cgroups is None:
        return None
    told = config.cgroups
    return Specified(
        source=path,
        memory=told.memory if told.memory > 0 else None,
        pids=told.pids_limit if told.pids_limit is not None and told.pids_limit > 0 else None,
        cpus=told.cpu_quota / (told.cpu_period or 100_000) if told.cpu_quota > 0 else None,
    )
