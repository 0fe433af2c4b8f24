"""Network namespaces of the tests' own: a process that sleeps in one, and programs run in it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


class Namespace:
    """A network namespace that lives as long as one process of ours."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def run(self, *argv: str, text: str | None = None) -> str:
        """Run a program inside; its standard output."""
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self.pid}/ns/net", *argv], input=text, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def script(self, lines: str) -> None:
        """Run commands, one a line, none of which may fail."""
        self.run("sh", "-e", text=lines)


@contextmanager
def network_namespace() -> Iterator[Namespace]:
    """A new network namespace, with its loopback up; it is gone afterwards."""
    process = subprocess.Popen(
        ["unshare", "-n", "sh", "-c", "ip link set lo up && echo up && exec sleep 1000"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield Namespace(process.pid)
    finally:
        process.kill()
        process.communicate()
