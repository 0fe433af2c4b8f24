"""The files that say what a container was asked to be: the bundle's config.json, and the engine's own about this container.

*Source:* OCI runtime specification, bundle.md; moby daemon/container (``config.v2.json``, ``hostconfig.json``); runc and crun
state directories; lxc.container.conf(5); systemd.nspawn(5). What several containers share (databases, storage's
``containers.json``) is not about this one.
"""

from typing import Any

import msgspec

from ctrscope.discovery.secrets import MASK, looks_secret
from ctrscope.model.container import Container
from ctrscope.model.detail import ConfigFile
from ctrscope.model.gap import VANISHED
from ctrscope.probes.hostfs import HostFs

_LIMIT = 1024 * 1024
_MOST_LINES = 20_000
_SHARED = ("/containers.json", "/volatile-containers.json", ".db", ".sqlite", "/meta.db")
_TEXT = ("/config", ".conf", ".nspawn", ".yaml", ".toml")
_JSON = (".json", "/status")


def read_config_files(host: HostFs, container: Container, *, show_secrets: bool = False) -> tuple[ConfigFile, ...]:
    """Every such file that there is, the bundle's first.

    *Gaps:* a file that could not be read, or is not what it should be, says so itself (``trouble``).
    """
    files = []
    for path in config_paths(container):
        try:
            text = host.read(path, limit=_LIMIT, owner=container.owner_uid or None)
        except OSError as error:
            if error.errno not in VANISHED:
                files.append(ConfigFile(path=path, trouble=error.strerror or str(error)))
            continue
        files.append(parse_config_file(text, path, show_secrets=show_secrets))
    return tuple(files)


def config_paths(container: Container) -> list[str]:
    """Where they may be."""
    paths = [f"{container.bundle}/config.json"] if container.bundle else []
    for source in (one.source for one in container.evidence):
        if source.startswith("/proc/") and "/root/" not in source:
            continue
        if source.endswith((*_JSON, *_TEXT)) and not source.endswith(_SHARED):
            paths.append(source)
        if source.endswith("/config.v2.json"):
            paths.append(f"{source.removesuffix('/config.v2.json')}/hostconfig.json")
    return list(dict.fromkeys(paths))


def parse_config_file(text: bytes, path: str, *, show_secrets: bool = False) -> ConfigFile:
    """Lines of a file, its secrets hidden. JSON that is none is not shown: what is secret in it could not be told."""
    if not path.endswith(_JSON):
        lines = text.decode("utf-8", "surrogateescape").split("\n")
        return _file(path, lines if show_secrets else [_hidden_in_line(line) for line in lines])
    try:
        value = msgspec.json.decode(text)
        value = value if show_secrets else _hidden(value, "")
        laid_out = msgspec.json.format(msgspec.json.encode(value), indent=2).decode("utf-8", "surrogateescape")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return ConfigFile(path=path, trouble=f"no JSON: {error}")
    return _file(path, laid_out.split("\n"))


def _file(path: str, lines: list[str]) -> ConfigFile:
    trouble = f"{len(lines)} lines: the first {_MOST_LINES} are shown" if len(lines) > _MOST_LINES else ""
    return ConfigFile(path=path, lines=tuple(lines[:_MOST_LINES]), trouble=trouble)


def _hidden(value: Any, name: str) -> Any:
    """The same value, where what looks secret by its name or its form is ``***``; so are ``NAME=VALUE`` in a list."""
    if isinstance(value, dict):
        return {key: _hidden(one, str(key)) for key, one in value.items()}
    if isinstance(value, list):
        return [_hidden(one, name) for one in value]
    return _hidden_text(value, name) if isinstance(value, str) else value


def _hidden_text(text: str, name: str) -> str:
    variable, equals, rest = text.partition("=")
    if equals and variable.lstrip("-").replace("-", "_").isidentifier():  # an argument, too: --db-password=…
        return f"{variable}={MASK}" if looks_secret(variable, rest) else text
    return MASK if looks_secret(name, text) else text


def _hidden_in_line(line: str) -> str:
    """``lxc.environment = NAME=VALUE``, ``Environment=NAME=VALUE``, ``key: value``."""
    for separator in ("=", ":"):
        key, found, value = line.partition(separator)
        if found and value.strip():
            name = key.strip()
            variable, equals, rest = value.strip().partition("=")
            if equals and looks_secret(variable, rest):
                return f"{key}{found} {variable}={MASK}"
            if looks_secret(name.rpartition(".")[2], value.strip()):
                return f"{key}{found} {MASK}"
    return line
