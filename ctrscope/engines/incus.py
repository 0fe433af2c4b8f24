"""Incus and LXD containers: the instances on disk, and the LXC monitors of those that run.

*Source:* incus internal/server/sys/fs.go and instance/drivers/driver_lxc.go: ``/var/lib/incus/containers/INSTANCE``
(a link into a storage pool) with ``backup.yaml`` and ``rootfs``; ``/run/incus/INSTANCE/lxc.conf`` while it runs. LXD:
``/var/lib/lxd``, ``/var/snap/lxd/common/lxd``, and ``logs/INSTANCE/lxc.conf``. The monitor's title is that of LXC.
*Versions:* the top key of backup.yaml is ``container`` up to LXD 4, ``instance`` as well since.

An instance outside the default project is called ``PROJECT_NAME`` on disk and in cgroups, and that is its id here; neither
part may hold an underscore, so ``name`` and ``engine_namespace`` (the project) are told apart again. Virtual machines are
no containers. Of backup.yaml two lines are looked at: when the instance was created, and what its image says it is.
"""

from typing import ClassVar

from ctrscope.engines.engine import Survey
from ctrscope.engines.lxc import LxcConfig, find_monitors, read_lxc_config, running
from ctrscope.model.container import ContainerStatus, EngineName, EngineReading, EngineStatus, Evidence, Record
from ctrscope.model.gap import VANISHED, Gap, ParseError, gap_of
from ctrscope.probes.hostfs import HostFs


class _Manager:
    """The same reading for Incus and LXD, which was one project."""

    name: ClassVar[EngineName]
    _roots: ClassVar[tuple[tuple[str, str], ...]]  # its directory, and where INSTANCE/lxc.conf of running ones is
    _comms: ClassVar[tuple[str, ...]]  # the daemon's own name: its child becomes the monitor

    def read_state(self, survey: Survey) -> EngineReading:
        """Instances that exist, all as stopped."""
        roots: list[str] = []
        records: list[Record] = []
        gaps: list[Gap] = []
        for root, runtime in self._roots:
            directory = f"{root}/containers"
            try:
                names = survey.host.names(directory)
            except OSError as error:
                if error.errno not in VANISHED:
                    roots.append(root)
                    gaps.append(gap_of(error, f"engine {self.name}", ("containers",), directory))
                continue
            roots.append(root)
            records += [self._read_instance(survey.host, root, runtime, name, gaps) for name in names]
        return EngineReading(
            status=EngineStatus(engine=self.name, found=bool(roots), state_roots=tuple(roots), containers=len(records)),
            records=tuple(records),
            gaps=tuple(gaps),
        )

    def read_supervisors(self, survey: Survey) -> EngineReading | None:
        """Instances that run, from their monitors; also where the directory was moved (``INCUS_DIR``, ``LXD_DIR``)."""
        known = {record.id: record for record in survey.records if record.engine is self.name}
        records: list[Record] = []
        gaps: list[Gap] = []
        for monitor in find_monitors(survey, self._comms):
            if monitor.uid != 0:
                continue  # somebody's process of that title: the daemon runs as root
            record = known.get(monitor.name)
            if record is None:
                root = (monitor.lxcpath or "").removesuffix("/containers")
                runtime = next((runtime for known_root, runtime in self._roots if known_root == root), f"{root}/logs")
                record = self._read_instance(survey.host, root, runtime, monitor.name, gaps)
            records.append(running(survey, record, monitor))
        if not records:
            return None
        status = EngineStatus(engine=self.name, found=True, containers=len(records))
        return EngineReading(status=status, records=tuple(records), gaps=tuple(gaps))

    def _read_instance(self, host: HostFs, root: str, runtime: str, instance: str, gaps: list[Gap]) -> Record:
        directory = f"{root}/containers/{instance}"
        project, _, name = instance.rpartition("_")
        subject = f"container {self.name}/{instance}"
        created = image = None
        try:
            created, image = parse_backup(host.read(f"{directory}/backup.yaml"))
        except OSError as error:
            # ENOENT: LXD as a snap mounts its storage pools in a mount namespace of its own.
            if error.errno not in VANISHED:
                gaps.append(gap_of(error, subject, ("created_at", "image"), f"{directory}/backup.yaml"))
        config = LxcConfig()
        source = f"{runtime}/{instance}/lxc.conf"
        try:
            config = read_lxc_config(host, source)
        except (OSError, ParseError) as error:
            if not isinstance(error, OSError) or error.errno not in VANISHED:
                gaps.append(gap_of(error, subject, ("command", "rootfs"), source))
        return Record(
            id=instance,
            name=name,
            engine=self.name,
            engine_namespace=project or None,
            created_at=created,
            image=image,
            command=config.command,
            rootfs=config.rootfs or f"{directory}/rootfs",
            networks=config.links,
            log_path=config.console_log,
            evidence=(Evidence(source=directory, value="exists"),),
            status=ContainerStatus.STOPPED,
        )


class Incus(_Manager):
    """Incus."""

    name = EngineName.INCUS
    _roots = (("/var/lib/incus", "/run/incus"),)
    _comms = ("incusd",)


class Lxd(_Manager):
    """LXD, packaged or as a snap."""

    name = EngineName.LXD
    _roots = (("/var/lib/lxd", "/var/log/lxd"), ("/var/snap/lxd/common/lxd", "/var/snap/lxd/common/lxd/logs"))
    _comms = ("lxd",)


def parse_backup(text: bytes) -> tuple[str | None, str | None]:
    """Moment of creation and description of the image, from the lines of backup.yaml that hold them; None where there is none.

    Shape: both belong to the top key ``container`` or ``instance``; two blanks an indentation, as its writer has it.
    """
    created = image = None
    section = ""
    for line in text.decode("utf-8", "surrogateescape").split("\n"):
        if line[:1] not in ("", " ", "-", "#"):
            section = line.partition(":")[0]
        if section not in ("container", "instance"):
            continue
        if line.startswith("  created_at:"):
            created = created or _scalar(line)
        elif line.startswith("    image.description:"):
            image = image or _scalar(line)
    return created, image


def _scalar(line: str) -> str | None:
    value = line.partition(":")[2].strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return value or None
