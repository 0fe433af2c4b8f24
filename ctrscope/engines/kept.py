"""How everything that engines keep beside containers is read: bounded, of the right owner, and what fails is a gap."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from ctrscope.engines.bolt import Bucket
from ctrscope.engines.state_file import USER_LIMIT
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reason, gap_of
from ctrscope.probes.hostfs import READ_LIMIT, HostFs

T = TypeVar("T")
#: Of one list: who has more than that looks at them with something else.
_MOST = 10_000
#: Of one file of a directory that holds one for each thing.
_FILE_LIMIT = 1024 * 1024


def values_of(name: bytes, root: Bucket) -> list[tuple[bytes, bytes]]:
    """Keys and values of one bucket of a BoltDB file, for ``read_bolt``."""
    bucket = root.bucket(name)
    return list(bucket.values()) if bucket is not None else []


class KeptReader:
    """Reads the files of one engine's store, and keeps what could not be read.

    *owner*: uid that every file has to belong to; None for root's stores, which only root writes. *field*: what is not known
    where something could not be read.
    """

    def __init__(self, host: HostFs, engine: str, owner: int | None, gaps: list[Gap], field: str = "storage") -> None:
        self.host = host
        self.owner = owner
        self._subject = f"engine {engine}"
        self._gaps = gaps
        self._field = field

    def read(self, path: str, *, limit: int = READ_LIMIT) -> bytes:
        """As ``HostFs.read``, of the owner's files only."""
        return self.host.read(path, limit=limit, owner=self.owner)

    def names(self, path: str) -> list[str]:
        """Entries of a directory in order, as many as are read of one list; none where there is no such directory."""
        try:
            return self.first_of(sorted(self.host.names(path)), path)
        except OSError as error:
            self.note(error, path)
            return []

    def parsed(self, directory: str, parse: Callable[[bytes, str], T], *endings: str) -> Iterator[tuple[str, T]]:
        """Path of each file of a directory with one of these endings, or of all, and what *parse* makes of text and path."""
        for name in self.names(directory):
            if name.endswith(endings or ""):
                path = f"{directory}/{name}"
                try:
                    yield path, parse(self.read(path, limit=_FILE_LIMIT), path)
                except (OSError, ParseError) as error:
                    self.note(error, path)

    def first_of(self, entries: list[T], path: str) -> list[T]:
        """The entries of one list that are read."""
        most = USER_LIMIT if self.owner else _MOST
        if len(entries) > most:
            detail = f"{len(entries)} entries: {most} were read"
            self._gaps.append(
                Gap(subject=self._subject, fields=(self._field,), source=path, reason=Reason.TRUNCATED, detail=detail)
            )
        return entries[:most]

    def note(self, error: OSError | ParseError, path: str, *, even_vanished: bool = False) -> None:
        """Keep what could not be read; what is not there is no gap, unless something says that it should be."""
        is_gone = isinstance(error, NotADirectoryError) or (isinstance(error, OSError) and error.errno in VANISHED)
        if even_vanished or not is_gone:
            self._gaps.append(gap_of(error, self._subject, (self._field,), path))
