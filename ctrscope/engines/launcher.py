"""Containers of ctrscope's own launcher: its state directories, and the supervisors that name one.

*Source:* ``/run/ctrscope/containers/ID/state.json`` (a user's: ``$XDG_RUNTIME_DIR/ctrscope/containers``); beside it
``config.json`` as it was validated, ``exec.fifo`` until the container is started, ``log``; above it ``network.json``.
*Shape:* the state says that a container exists, and how it ended where its supervisor lived to write that down.
"""

from typing import ClassVar

import msgspec

from ctrscope.engines.engine import Survey
from ctrscope.engines.launcher_state import launcher_state_decoder
from ctrscope.engines.oci_cgroup import find_cgroup_path
from ctrscope.engines.oci_config import parse_oci_config
from ctrscope.engines.state_file import check_path, first_of, parse_json
from ctrscope.model.container import ContainerStatus, EngineName, EngineReading, EngineStatus, Evidence, Port, Record
from ctrscope.model.gap import VANISHED, Gap, ParseError, gap_of
from ctrscope.probes.hostfs import HostFs

MONITOR = "ctrscope-mon"
_ROOT = "/run/ctrscope/containers"


class _Plan(msgspec.Struct):
    address: str
    ports: tuple[Port, ...] = ()


class _Network(msgspec.Struct):
    containers: dict[str, _Plan] = {}


_network_decoder = msgspec.json.Decoder(_Network)


class Launcher:
    """``ctrscope run``, ``ctrscope-oci``."""

    name: ClassVar[EngineName] = EngineName.CTRSCOPE

    def read_state(self, survey: Survey) -> EngineReading:
        """Containers of root's and of every user's state directory."""
        roots: list[tuple[str, int | None]] = [(_ROOT, None)]
        roots += [(f"/run/user/{user.uid}/ctrscope/containers", user.uid) for user in survey.users]
        return self._read(survey, roots)

    def read_supervisors(self, survey: Survey) -> EngineReading | None:
        """Containers kept elsewhere (no XDG_RUNTIME_DIR): a supervisor's arguments end with the state directory."""
        roots: dict[tuple[str, int | None], None] = {}
        for stat in survey.processes.named(survey.supervisors, MONITOR):
            # "ctrscope-monitor NAME DIRECTORY", one string.
            root = " ".join(survey.processes.cmdline(stat.pid) or ()).partition(" ")[2].partition(" ")[2].rpartition("/")[0]
            # Anybody can give a process these arguments: what a user's names has to be the user's.
            if root.startswith("/") and root != _ROOT and (uid := survey.uid(stat.pid)) is not None:
                roots[root, uid or None] = None
        known = {path.rpartition("/")[0] for record in survey.records for path in record.state_dirs}
        reading = self._read(survey, [one for one in roots if one[0] not in known])
        return reading if reading.records or reading.gaps else None

    def _read(self, survey: Survey, roots: list[tuple[str, int | None]]) -> EngineReading:
        found: list[str] = []
        records: list[Record] = []
        gaps: list[Gap] = []
        for root, owner in roots:
            try:
                names = survey.host.names(root)
                owner_uid = survey.host.stat(root).st_uid if owner is None else owner
            except OSError as error:
                if error.errno not in VANISHED:
                    gaps.append(gap_of(error, "engine ctrscope", ("containers",), root))
                continue
            found.append(root)
            names, more = first_of([name for name in names if name != "network.json"], owner_uid, "engine ctrscope", root)
            gaps += more
            plans = _read_plans(survey.host, root, owner) if len(names) else {}
            for name in names:
                directory = f"{root}/{name}"
                # An engine that drives the launcher as its runtime has a state of its own.
                if survey.has_state_dir(directory, owner_uid) or survey.has_id(name, owner_uid):
                    continue
                try:
                    record = _read_record(survey.host, directory, owner, plans.get(name))
                except (OSError, ParseError) as error:
                    if not isinstance(error, OSError) or error.errno not in VANISHED:
                        gaps.append(gap_of(error, "engine ctrscope", ("containers",), f"{directory}/state.json"))
                    continue
                records.append(msgspec.structs.replace(record, owner_uid=owner_uid))
        return EngineReading(
            status=EngineStatus(engine=self.name, found=bool(found), state_roots=tuple(found), containers=len(records)),
            records=tuple(records),
            gaps=tuple(gaps),
        )


def _read_record(host: HostFs, directory: str, owner: int | None, plan: _Plan | None) -> Record:
    source, log = f"{directory}/state.json", f"{directory}/log"
    state = parse_json(launcher_state_decoder, host.read(source, owner=owner), source)
    container_id = directory.rpartition("/")[2]
    if state.exit_status is not None:
        status = ContainerStatus.STOPPED
    elif state.pid is None:
        status = ContainerStatus.CREATING
    else:
        status = ContainerStatus.CREATED if host.exists(f"{directory}/exec.fifo") else ContainerStatus.RUNNING
    return Record(
        id=container_id,
        name=state.name or container_id,
        engine=EngineName.CTRSCOPE,
        runtime="ctrscope-oci",
        created_at=state.created,
        finished_at=state.finished,
        exit_code=state.exit_status,
        image=state.image,
        command=_read_command(host, directory, owner),
        bundle=check_path(state.bundle, source),
        rootfs=check_path(state.rootfs, source),
        labels=state.annotations,
        annotations=state.annotations,
        ports=plan.ports if plan else (),
        addresses=(plan.address,) if plan else (),
        log_path=log if host.exists(log) else None,
        evidence=(Evidence(source=source, value=f"pid {state.pid}, start time {state.starttime_ticks}"),),
        status=status,
        pid=state.pid,
        starttime_ticks=state.starttime_ticks,
        monitor_pid=state.monitor_pid,
        monitor_expected=MONITOR if state.monitor_pid else None,
        cgroup_path=find_cgroup_path(state.cgroups.directories) if state.cgroups else None,
        state_dirs=(directory,),
    )


def _read_command(host: HostFs, directory: str, owner: int | None) -> tuple[str, ...] | None:
    path = f"{directory}/config.json"
    try:
        config = parse_oci_config(host.read(path, owner=owner), path)
    except (OSError, ParseError):
        return None  # killed before it was written
    return config.process.args if config.process else None


def _read_plans(host: HostFs, root: str, owner: int | None) -> dict[str, _Plan]:
    path = f"{root}/network.json"
    try:
        return parse_json(_network_decoder, host.read(path, owner=owner), path).containers
    except (OSError, ParseError):
        return {}  # nobody is on the bridge
