"""What a container was asked to be: its bundle, and what its engine or its runtime wrote since.

An update leaves the bundle as it was. Docker's own file has it; runc's state has it, whoever asked for it; with another runtime
Podman's database, since Podman 5.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from ctrscope.engines.docker_options import read_options
from ctrscope.engines.oci_limits import read_runtime_limits
from ctrscope.engines.oci_spec import read_specified
from ctrscope.engines.podman_options import DATABASES, parse_podman_options, read_podman_configs
from ctrscope.model.audited import EngineOptions, Specified
from ctrscope.model.container import Container, EngineName
from ctrscope.model.gap import VANISHED, Gap, ParseError, gap_of
from ctrscope.probes.hostfs import HostFs

T = TypeVar("T")


class Asked(NamedTuple):
    """None: there is no such file, or the gaps say why it was not read."""

    options: EngineOptions | None
    specified: Specified | None
    gaps: tuple[Gap, ...]  # their ``fields`` are those of ``Audited``


class AskedReader:
    """Reads it for one container after another; a database that has many of them once."""

    def __init__(self, hostfs: HostFs) -> None:
        self._hostfs = hostfs
        self._databases: dict[str, Mapping[str, bytes]] = {}

    def read(self, container: Container) -> Asked:
        """What is known of one."""
        hostfs, owner, gaps = self._hostfs, container.owner_uid or None, []

        def attempt(field: str, path: str, look: Callable[[], T | None]) -> T | None:
            try:
                return look()
            except (OSError, ParseError) as error:
                if isinstance(error, ParseError) or error.errno not in VANISHED:
                    gaps.append(gap_of(error, f"container {container.key}", (field,), path, "CAP_DAC_READ_SEARCH"))
                return None

        told: tuple[EngineOptions, Specified] | None = None
        bundle: Specified | None = None
        runtimes: Specified | None = None
        if container.engine is EngineName.DOCKER and (config := _source(container, "/config.v2.json")) is not None:
            told = attempt("options", config, lambda: read_options(hostfs, config, owner=owner))
        if container.engine is EngineName.PODMAN and (database := _source(container, *DATABASES)) is not None:
            told = attempt("options", database, lambda: self._of_podman(container, database, owner))
        if (directory := container.bundle) is not None:
            bundle = attempt("specified", f"{directory}/config.json", lambda: read_specified(hostfs, directory, owner=owner))
        if container.engine is not EngineName.DOCKER and (state := _source(container, "/state.json")) is not None:
            runtimes = attempt("specified", state, lambda: read_runtime_limits(hostfs, state, owner=owner))
        options, engines = told or (None, None)
        if bundle is None and container.engine is not EngineName.DOCKER:
            return Asked(options, None, tuple(gaps))  # the rest of what it was asked to be stands nowhere else
        return Asked(options, with_limits_of(bundle, runtimes or engines), tuple(gaps))

    def _of_podman(self, container: Container, path: str, owner: int | None) -> tuple[EngineOptions, Specified] | None:
        if path not in self._databases:
            self._databases[path] = read_podman_configs(self._hostfs, path, owner=owner)
        text = self._databases[path].get(container.id)
        return None if text is None else parse_podman_options(text, path)


def with_limits_of(bundle: Specified | None, updated: Specified | None) -> Specified | None:
    """What the bundle asks for, with the limits of the file that an update writes."""
    if bundle is None or updated is None:
        return bundle or updated
    return msgspec.structs.replace(
        bundle, limits_source=updated.source, memory=updated.memory, pids=updated.pids, cpus=updated.cpus
    )


def _source(container: Container, *ends: str) -> str | None:
    """The file that discovery knows the container from."""
    return next((one.source for one in container.evidence if one.source.endswith(ends)), None)
