"""runc and crun without an engine above them: whatever their state roots hold that no engine has claimed.

*Source:* runc(8) ``--root``, crun(1) ``--root``: ``/run/runc``, ``/run/crun``; for a user ``$XDG_RUNTIME_DIR/runc`` and
``/crun``. A directory below it is a container when it holds ``state.json`` or ``status`` (see ``oci_state``).
*Versions:* youki (``/run/youki``, ``$XDG_RUNTIME_DIR/youki``) has no engine name of its own in the contract: its
containers are listed as engine ``runc``, ``runtime: "youki"``.

The state says that a container exists and whether it was started, never that it runs: what is started is claimed to run
until the kernel is asked.

*Cost:* one listing a root, and per container the state file, ``exec.fifo`` and the bundle's config.json.
"""

from typing import ClassVar

from ctrscope.engines.claims import is_full_id
from ctrscope.engines.engine import Survey
from ctrscope.engines.oci_cgroup import find_cgroup_path
from ctrscope.engines.oci_config import read_oci_config
from ctrscope.engines.oci_state import OciState, read_oci_state
from ctrscope.engines.state_file import first_of
from ctrscope.model.container import ContainerStatus, EngineName, EngineReading, EngineStatus, Evidence, Record
from ctrscope.model.gap import VANISHED, Gap, ParseError, gap_of
from ctrscope.probes.hostfs import HostFs


class _OciRuntime:
    """The same reading for each runtime; only the roots differ."""

    name: ClassVar[EngineName]
    _root_names: ClassVar[tuple[str, ...]]  # below /run and /run/user/UID
    _comms: ClassVar[tuple[str, ...]]
    _state_file: ClassVar[str]

    def read_state(self, survey: Survey) -> EngineReading:
        """Containers of the system's and of every user's state root."""
        return self._read_roots(survey, self._usual_roots(survey.host))

    def read_supervisors(self, survey: Survey) -> EngineReading | None:
        """Containers of a root that a runtime in the foreground names (``runc --root DIR run ID``)."""
        usual = {root for root, _ in self._usual_roots(survey.host)}
        roots: dict[tuple[str, int | None], None] = {}
        for stat in survey.processes.named(survey.supervisors, *self._comms):
            root = find_root(survey.processes.cmdline(stat.pid) or ())
            # Anybody can give a process these arguments: what a user's names has to be the user's.
            if root is not None and root not in usual and (uid := survey.uid(stat.pid)) is not None:
                roots[root, uid or None] = None
        if not roots:
            return None
        reading = self._read_roots(survey, list(roots))
        return reading if reading.records or reading.gaps else None

    def _usual_roots(self, host: HostFs) -> list[tuple[str, int | None]]:
        """State roots and who must own what is in them (None: the system's)."""
        roots: list[tuple[str, int | None]] = [(f"/run/{name}", None) for name in self._root_names]
        for uid in _session_uids(host):
            roots += [(f"/run/user/{uid}/{name}", uid) for name in self._root_names]
        return roots

    def _read_roots(self, survey: Survey, roots: list[tuple[str, int | None]]) -> EngineReading:
        found: list[str] = []
        records: list[Record] = []
        gaps: list[Gap] = []
        for root, owner in roots:
            try:
                names = survey.host.names(root)
                owner_uid = owner if owner is not None else survey.host.stat(root).st_uid
            except OSError as error:
                if error.errno not in VANISHED:
                    found.append(root)
                    gaps.append(gap_of(error, f"engine {self.name}", ("containers",), root))
                continue
            found.append(root)
            names, more = first_of(names, owner_uid, f"engine {self.name}", root)
            gaps += more
            for name in filter(survey.is_sought, names):
                directory = f"{root}/{name}"
                # A full id is an engine's; a name may well be another engine's too.
                if survey.has_state_dir(directory, owner_uid) or (is_full_id(name) and survey.has_id(name, owner_uid)):
                    continue
                try:
                    state = read_oci_state(survey.host, directory, owner=owner)
                except (OSError, ParseError) as error:
                    gaps.append(gap_of(error, f"engine {self.name}", ("containers",), f"{directory}/{self._state_file}"))
                    continue
                if state is not None:
                    command = _read_command(survey.host, state.bundle, owner) if survey.commands else None
                    records.append(self._record(state, owner_uid, command))
        return EngineReading(
            status=EngineStatus(engine=self.name, found=bool(found), state_roots=tuple(found), containers=len(records)),
            records=tuple(records),
            gaps=tuple(gaps),
        )

    def _record(self, state: OciState, owner_uid: int, command: tuple[str, ...] | None) -> Record:
        start = "not recorded" if state.starttime_ticks is None else state.starttime_ticks
        return Record(
            id=state.id,
            name=state.id,
            engine=self.name,
            owner_uid=owner_uid,
            runtime=state.runtime,
            created_at=state.created_at,
            command=command,
            bundle=state.bundle,
            rootfs=state.rootfs,
            labels=state.annotations,
            annotations=state.annotations,
            evidence=(Evidence(source=state.source, value=f"pid {state.pid}, start time {start}"),),
            status=(
                ContainerStatus.STOPPED
                if state.has_stopped
                else ContainerStatus.CREATED
                if state.awaits_start
                else ContainerStatus.RUNNING
            ),
            pid=state.pid,
            starttime_ticks=state.starttime_ticks,
            cgroup_path=find_cgroup_path(state.cgroup_paths),
            state_dirs=(state.path,),
        )


class Runc(_OciRuntime):
    """runc, and youki."""

    name = EngineName.RUNC
    _root_names = ("runc", "youki")
    _comms = ("runc", "youki")
    _state_file = "state.json"


class Crun(_OciRuntime):
    """crun."""

    name = EngineName.CRUN
    _root_names = ("crun",)
    _comms = ("crun",)
    _state_file = "status"


def find_root(arguments: tuple[str, ...]) -> str | None:
    """The ``--root`` of a runtime's command line, when it is absolute."""
    for index, argument in enumerate(arguments[1:], 1):
        option, equals, value = argument.partition("=")
        if option in ("--root", "-root"):
            root = value if equals else arguments[index + 1] if index + 1 < len(arguments) else ""
            return root.rstrip("/") if root.startswith("/") else None
    return None


def _read_command(host: HostFs, bundle: str | None, owner: int | None) -> tuple[str, ...] | None:
    """``process.args`` of the bundle. A bundle may be gone, or the user's own business, once its container is created."""
    if bundle is None:
        return None
    try:
        config = read_oci_config(host, bundle, owner=owner)
    except (OSError, ParseError):
        return None
    return config.process.args if config.process else None


def _session_uids(host: HostFs) -> list[int]:
    try:
        return sorted(int(name) for name in host.names("/run/user") if name.isascii() and name.isdecimal())
    except OSError:
        return []
