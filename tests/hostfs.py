"""HostFs for tests: denies, truncates or removes what a test declares."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ctrscope.probes.hostfs import READ_LIMIT, HostFs, ProcDir


class DenyingHostFs(HostFs):
    """A HostFs in which some paths answer with an errno, as if the kernel had said so.

    Tests run as root, and root ignores file modes, so what is denied has to be declared. A path denies everything
    below it too.
    """

    def __init__(self, root: str, errors: dict[str, int]) -> None:
        super().__init__(root)
        self._errors = errors

    def _check(self, path: str) -> None:
        for denied, number in self._errors.items():
            if path == denied or path.startswith(denied + "/"):
                raise OSError(number, os.strerror(number), path)

    def read(self, path: str, *, limit: int = READ_LIMIT, owner: int | None = None) -> bytes:
        self._check(path)
        return super().read(path, limit=limit, owner=owner)

    def lines(self, path: str) -> Iterator[bytes]:
        self._check(path)
        return super().lines(path)

    def readlink(self, path: str) -> str:
        self._check(path)
        return super().readlink(path)

    def readlinks(self, directory: str, *, names: Iterable[str]) -> list[str | None]:
        names = tuple(names)
        for name in names:
            self._check(f"{directory}/{name}")
        return super().readlinks(directory, names=names)

    def names(self, path: str) -> list[str]:
        self._check(path)
        return super().names(path)

    def stat(self, path: str) -> os.stat_result:
        # stat(2) needs no right on the file itself, only on its directory.
        parent = path.rpartition("/")[0]
        if self._errors.get(path) != errno.EACCES or parent in self._errors:
            self._check(path)
        return super().stat(path)

    @contextmanager
    def process(self, pid: int) -> Iterator[ProcDir]:
        self._check(f"/proc/{pid}")
        with super().process(pid) as inner:
            yield _DenyingProcDir(self, inner, f"/proc/{pid}")


class _DenyingProcDir:
    def __init__(self, host: DenyingHostFs, inner: ProcDir, path: str) -> None:
        self._host, self._inner, self._path = host, inner, path

    def read(self, name: str) -> bytes:
        self._host._check(f"{self._path}/{name}")
        return self._inner.read(name)

    def readlink(self, name: str) -> str:
        self._host._check(f"{self._path}/{name}")
        return self._inner.readlink(name)

    def names(self, name: str) -> list[str]:
        self._host._check(f"{self._path}/{name}")
        return self._inner.names(name)

    def directories(self, most: int) -> Iterator[tuple[str, int]]:
        self._host._check(f"{self._path}/fd")
        return self._inner.directories(most)
