"""Surveys over hosts of files, as discovery makes them."""

from pathlib import Path

from ctrscope.engines.engine import Engine, Survey
from ctrscope.engines.users import read_users
from ctrscope.model.container import EngineReading
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable
from tests.builders import HostTree


def survey_of(host: HostFs) -> Survey:
    """A survey in which nothing was found yet, and every process counts as outside of containers."""
    survey = Survey(host, ProcessTable(host), read_users(host))
    survey.supervisors = tuple(survey.processes.pids())
    return survey


def read_both(engine: Engine, survey: Survey) -> tuple[EngineReading, EngineReading | None]:
    """What an engine says of its state, then of supervisors."""
    first = engine.read_state(survey)
    survey.add(first.records)
    return first, engine.read_supervisors(survey)


def add_status(host: HostTree, pid: int, uid: int = 0) -> None:
    """Give a process of a built host its /proc/PID/status."""
    host.file(f"/proc/{pid}/status", _status(pid, uid))


def add_process(root: Path, pid: int, comm: str, arguments: list[str], uid: int = 0) -> None:
    """Add a process to an unpacked host: what is read of a supervisor."""
    process = root / f"proc/{pid}"
    process.mkdir(parents=True)
    (process / "stat").write_text(f"{pid} ({comm}) S 1 {' '.join(['0'] * 17)} 300 {' '.join(['0'] * 30)}\n")
    (process / "cmdline").write_bytes(b"\0".join(argument.encode() for argument in arguments) + b"\0")
    (process / "status").write_text(_status(pid, uid))


def _status(pid: int, uid: int) -> str:
    sets = "".join(f"Cap{name}:\t0\n" for name in ("Inh", "Prm", "Eff", "Bnd", "Amb"))
    return f"Name:\tx\nPid:\t{pid}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t0\t0\t0\t0\nThreads:\t1\n{sets}"
