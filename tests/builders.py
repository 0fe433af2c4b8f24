"""Hosts written by hand: a directory with just the files that a test is about."""

from pathlib import Path

from ctrscope.probes.hostfs import HostFs

#: Inode numbers of the built host's own namespaces.
HOST_NAMESPACES = {
    "cgroup": 4026531835,
    "ipc": 4026531839,
    "mnt": 4026531832,
    "net": 4026531833,
    "pid": 4026531836,
    "time": 4026531834,
    "user": 4026531837,
    "uts": 4026531838,
}


class HostTree:
    """A host below a directory: cgroup v2, PID 1, nothing else."""

    def __init__(self, root: Path) -> None:
        self.path = root
        self.file("/proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime 0 0\n")
        self.file("/proc/stat", "cpu 1 2 3\ncpu0 1 2 3\nbtime 1700000000\nprocesses 1\n")
        self.process(1, ppid=0, comm="systemd", cgroup="/init.scope", starttime=1)

    @property
    def fs(self) -> HostFs:
        """The host as the code under test reads it."""
        return HostFs(str(self.path))

    def file(self, path: str, content: str | bytes) -> Path:
        """Write one file."""
        target = self.path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return target

    def link(self, path: str, to: str) -> None:
        """Make one symlink."""
        target = self.path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(to)

    def process(
        self,
        pid: int,
        *,
        ppid: int = 1,
        comm: str = "sleep",
        state: str = "S",
        starttime: int = 5000,
        cgroup: str = "/",
        cmdline: str = "",
        namespaces: dict[str, int] | None = None,
        flags: int = 0,
        thread: int | None = None,
    ) -> None:
        """Add one process; *namespaces* are those that are not the host's. It is listed in its cgroup's cgroup.procs.

        *thread*: another one, which lives on when *state* says that the main thread has ended.
        """
        threads, rest = 1 if thread is None else 2, f"{ppid} 0 0 0 0 {flags} 0 0 0 0 3 4 0 0 20 0"
        self.file(f"/proc/{pid}/stat", f"{pid} ({comm}) {state} {rest} {threads} 0 {starttime} 0 0")
        self.file(f"/proc/{pid}/cgroup", f"0::{cgroup}\n")
        self.file(f"/proc/{pid}/cmdline", cmdline.replace(" ", "\0"))
        living = [f"/proc/{pid}"] if state != "Z" else []
        if thread is not None:
            living.append(f"/proc/{pid}/task/{thread}")
            self.file(f"{living[-1]}/stat", f"{thread} ({comm}) S {rest} {threads} 0 {starttime} 0 0")
            self.file(f"{living[-1]}/cgroup", f"0::{cgroup}\n")
        (self.path / f"proc/{pid}/ns").mkdir(exist_ok=True)
        for directory in living:
            for name, ino in {**HOST_NAMESPACES, **(namespaces or {})}.items():
                self.link(f"{directory}/ns/{name}", f"{name}:[{ino}]")
        procs = self.path / f"sys/fs/cgroup{cgroup}" / "cgroup.procs"
        procs.parent.mkdir(parents=True, exist_ok=True)
        with procs.open("a") as listing:
            listing.write(f"{pid}\n")
