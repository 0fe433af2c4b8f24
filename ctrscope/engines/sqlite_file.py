"""Reads an SQLite database file without its lock: Podman's ``db.sql``.

*Source:* sqlite.org/fileformat2.html: section 1.3 the header, section 3 the rollback journal, section 4 the write-ahead log.
*Versions:* Podman keeps the rollback journal, which is SQLite's default; write-ahead logs were seen with Podman 4.5 to 4.7.

The database and what lies beside it (``-journal``, ``-wal``) are read twice. When nothing differs, the first copy is what
the disk held at the moment between the two: what SQLite would find after a power failure. A transaction that is half
written is taken back with its journal, one that was committed to the log is added, both on the copy in memory. No file of
the host is locked, created or touched, and SQLite never hears of its path.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from struct import Struct, unpack
from typing import TYPE_CHECKING

from ctrscope.model.gap import ParseError, TornReadError
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs

if TYPE_CHECKING:
    from sqlite3 import Connection

_LIMIT = 64 * 1024 * 1024
_ATTEMPTS = 3
_MAGIC = b"SQLite format 3\0"
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_JOURNAL_HEADER = Struct(">8sIIIII")  # magic, pages in this segment, nonce, size of the database in pages, sector, page size
_JOURNAL_SIZE_UNKNOWN = 0xFFFFFFFF
_WAL_LITTLE, _WAL_BIG = 0x377F0682, 0x377F0683  # byte order of the checksums
_WAL_HEADER = Struct(">IIIIIIII")  # magic, version, page size, checkpoint, salt (2), checksum (2)
_WAL_FRAME = Struct(">IIIIII")  # page, size of the database in pages when this commits, salt (2), checksum (2)
_PAGE_SIZES = tuple(512 << shift for shift in range(8))
#: Steps of SQLite's virtual machine, less than a second; a thousand containers take some 100,000.
_MAX_STEPS, _STEPS_AT_A_TIME = 5_000_000, 100_000


class SqliteFile(Value, frozen=True):
    """A copy of a database in memory."""

    connection: "Connection"
    path: str
    size: int

    def rows(self, table: str, *columns: str) -> list[tuple[object, ...]]:
        """Those columns of all rows of a table: int, float, bytes (text too) or None. Errors: ParseError.

        *table* and *columns* are names of ours, never of the file: they become part of the statement.
        """
        import sqlite3

        try:
            self._check(table)
            found, size = [], 0
            for row in self.connection.execute(f'SELECT {", ".join(columns)} FROM "{table}"'):  # noqa: S608
                size += 4 + len(row) + sum(len(value) for value in row if isinstance(value, bytes))
                if size > self.size:
                    raise ParseError(f"{self.path}: table {table} holds more than the file: pages refer to each other")
                found.append(row)
        except (sqlite3.Error, MemoryError) as error:
            raise ParseError(f"{self.path}: {error}") from error
        return found

    def _check(self, table: str) -> None:
        """A foreign schema may have a view, a virtual table or a computed column by that name: reading it would run it."""
        kinds = self.connection.execute("SELECT type, sql LIKE 'CREATE TABLE%' FROM sqlite_schema WHERE name = ?", (table,))
        if kinds.fetchone() != (b"table", 1):
            raise ParseError(f"{self.path}: no table {table}")
        if self.connection.execute("SELECT 1 FROM pragma_table_xinfo(?) WHERE hidden <> 0", (table,)).fetchone():
            raise ParseError(f"{self.path}: table {table} has computed columns")


@contextmanager
def open_sqlite_copy(host: HostFs, path: str, *, owner: int | None = None) -> Iterator[SqliteFile]:
    """Copy a database into memory, for as long as the context lasts.

    Errors: OSError as from ``HostFs.read``; TornReadError when it changed on three attempts; ParseError.
    """
    image = read_sqlite_image(host, path, owner=owner)
    import sqlite3

    connection = sqlite3.connect(":memory:")
    try:
        steps = iter(range(_MAX_STEPS // _STEPS_AT_A_TIME))
        connection.set_progress_handler(lambda: 1 if next(steps, None) is None else 0, _STEPS_AT_A_TIME)
        connection.text_factory = bytes
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(len(image), 1_000_000))
            connection.deserialize(image)
            # What the schema of a foreign file calls may do nothing but compute.
            connection.execute("PRAGMA trusted_schema = OFF")
        except (sqlite3.Error, MemoryError, OverflowError) as error:
            raise ParseError(f"{path}: {error}") from error
        yield SqliteFile(connection, path, len(image))
    finally:
        connection.close()


def read_sqlite_image(host: HostFs, path: str, *, owner: int | None = None) -> bytes:
    """The database as its last committed transaction left it. Errors: as ``open_sqlite_copy``."""
    files = _read_files(host, path, owner)
    for _ in range(_ATTEMPTS):
        again = _read_files(host, path, owner)
        if again == files:
            return recover(*files, path)
        files = again
    raise TornReadError(f"{path}: it was written to during each of {_ATTEMPTS} readings")


def recover(content: bytes, journal: bytes, wal: bytes, path: str) -> bytes:
    """Database file, rollback journal and write-ahead log → the database. Errors: ParseError."""
    image = bytearray(content)
    _apply_journal(image, journal)
    _apply_wal(image, wal)
    if image and image[:16] != _MAGIC:
        raise ParseError(f"{path}: not an SQLite database")
    if len(image) >= 100:
        # Bytes 18 and 19 say "has a write-ahead log", which a database in memory cannot have.
        image[18:20] = b"\x01\x01"
    return bytes(image)


def _read_files(host: HostFs, path: str, owner: int | None) -> tuple[bytes, bytes, bytes]:
    content = host.read(path, limit=_LIMIT, owner=owner)
    beside = []
    for suffix in ("-journal", "-wal"):
        try:
            beside.append(host.read(path + suffix, limit=_LIMIT, owner=owner))
        except FileNotFoundError:
            beside.append(b"")
    return content, beside[0], beside[1]


def _apply_journal(image: bytearray, journal: bytes) -> None:
    """Put the pages back that a transaction has overwritten and not yet committed."""
    offset, original_size = 0, None
    while offset + _JOURNAL_HEADER.size <= len(journal):
        magic, count, nonce, pages, sector, page_size = _JOURNAL_HEADER.unpack_from(journal, offset)
        if magic != _JOURNAL_MAGIC or page_size not in _PAGE_SIZES or not 32 <= sector <= 65536:
            break  # zeroed or absent: the transaction is over
        original_size = pages * page_size if original_size is None else original_size
        at = offset + sector
        record = 4 + page_size + 4
        if count == _JOURNAL_SIZE_UNKNOWN:
            count = (len(journal) - at) // record
        for _ in range(count):
            if at + record > len(journal):
                break
            number = int.from_bytes(journal[at : at + 4], "big")
            page = journal[at + 4 : at + 4 + page_size]
            start = (number - 1) * page_size
            if not 0 <= start <= len(image) or _journal_checksum(page, nonce) != int.from_bytes(
                journal[at + record - 4 : at + record], "big"
            ):
                break
            image[start : start + page_size] = page
            at += record
        offset = (at + sector - 1) // sector * sector
    if original_size is not None:
        del image[original_size:]


def _journal_checksum(page: bytes, nonce: int) -> int:
    return (nonce + sum(page[index] for index in range(len(page) - 200, 0, -200))) & 0xFFFFFFFF


def _apply_wal(image: bytearray, wal: bytes) -> None:
    """Add the transactions that were committed to the log and not yet moved into the database."""
    if len(wal) < _WAL_HEADER.size:
        return
    magic, _, page_size, _, *salt_and_sum = _WAL_HEADER.unpack_from(wal)
    if magic not in (_WAL_LITTLE, _WAL_BIG) or page_size not in _PAGE_SIZES:
        return
    order = "<" if magic == _WAL_LITTLE else ">"
    salt, expected = salt_and_sum[:2], tuple(salt_and_sum[2:])
    total = _wal_checksum(wal[:24], (0, 0), order)
    if total != expected:
        return
    waiting: dict[int, int] = {}  # page number → where its content starts
    for at in range(_WAL_HEADER.size, len(wal) - _WAL_FRAME.size - page_size + 1, _WAL_FRAME.size + page_size):
        number, size, *rest = _WAL_FRAME.unpack_from(wal, at)
        body = at + _WAL_FRAME.size
        if rest[:2] != salt or number == 0:
            return  # from here on: frames of an older log that this one overwrites
        total = _wal_checksum(wal[body : body + page_size], _wal_checksum(wal[at : at + 8], total, order), order)
        if total != tuple(rest[2:]):
            return
        waiting[number] = body
        if size == 0:
            continue
        if size * page_size > _LIMIT:
            return
        image.extend(bytes(max(0, size * page_size - len(image))))
        for page, start in waiting.items():
            if page <= size:
                image[(page - 1) * page_size : page * page_size] = wal[start : start + page_size]
        del image[size * page_size :]
        waiting.clear()


def _wal_checksum(data: bytes, start: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = start
    words = iter(unpack(f"{order}{len(data) // 4}I", data))
    for left in words:
        first = (first + left + second) & 0xFFFFFFFF
        second = (second + next(words) + first) & 0xFFFFFFFF
    return first, second
