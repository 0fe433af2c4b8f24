"""A database that another connection is writing to, read without its lock."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ctrscope.engines.sqlite_file import open_sqlite_copy, read_sqlite_image
from ctrscope.model.gap import ParseError, TornReadError
from ctrscope.probes.hostfs import READ_LIMIT, HostFs


def _rows(root: Path, name: str = "/db.sql") -> list[int]:
    with open_sqlite_copy(HostFs(str(root)), name) as copy:
        return sorted(int(row[0]) for row in copy.rows("t", "n") if isinstance(row[0], int))


@contextmanager
def _writer(path: Path, *pragmas: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE IF NOT EXISTS t(n INTEGER, filler BLOB)")
        yield connection


def _insert(connection: sqlite3.Connection, numbers: range) -> None:
    connection.executemany("INSERT INTO t VALUES(?, randomblob(900))", ((number,) for number in numbers))


def _listing(root: Path) -> dict[str, tuple[int, int, int]]:
    return {name: ((found := os.stat(root / name)).st_mtime_ns, found.st_size, found.st_ino) for name in os.listdir(root)}


def test_a_committed_transaction_is_read(tmp_path: Path) -> None:
    with _writer(tmp_path / "db.sql") as connection:
        _insert(connection, range(100))
    assert _rows(tmp_path) == list(range(100))


def test_text_is_bytes_and_null_is_none(tmp_path: Path) -> None:
    with _writer(tmp_path / "db.sql") as connection:
        connection.execute("CREATE TABLE names(a TEXT, b TEXT)")
        connection.execute("INSERT INTO names VALUES(CAST(x'ff41' AS TEXT), NULL)")
    with open_sqlite_copy(HostFs(str(tmp_path)), "/db.sql") as copy:
        assert copy.rows("names", "a", "b") == [(b"\xffA", None)]


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist"])
def test_an_exclusive_lock_does_not_block_and_an_open_transaction_is_not_seen(tmp_path: Path, mode: str) -> None:
    with _writer(tmp_path / "db.sql", f"journal_mode={mode}") as connection:
        _insert(connection, range(50))
        connection.execute("BEGIN EXCLUSIVE")
        _insert(connection, range(1000, 1020))
        with pytest.raises(sqlite3.OperationalError), closing(sqlite3.connect(tmp_path / "db.sql", timeout=0)) as other:
            other.execute("SELECT n FROM t").fetchall()
        before = _listing(tmp_path)
        assert _rows(tmp_path) == list(range(50))
        assert _listing(tmp_path) == before


def test_pages_written_before_the_commit_are_taken_back_with_the_journal(tmp_path: Path) -> None:
    with _writer(tmp_path / "db.sql", "cache_size=5") as connection:
        _insert(connection, range(200))
        committed = (tmp_path / "db.sql").read_bytes()
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("UPDATE t SET n = n + 5000, filler = randomblob(900)")
        _insert(connection, range(9000, 9300))  # more than the cache holds: SQLite spills into the database file
        assert (tmp_path / "db.sql").read_bytes() != committed
        assert _rows(tmp_path) == list(range(200))
        assert read_sqlite_image(HostFs(str(tmp_path)), "/db.sql")[100:] == committed[100:]
        connection.execute("COMMIT")
    assert _rows(tmp_path) == [*range(5000, 5200), *range(9000, 9300)]


def test_transactions_in_a_write_ahead_log_are_seen_and_an_open_one_is_not(tmp_path: Path) -> None:
    with _writer(tmp_path / "db.sql", "journal_mode=wal", "wal_autocheckpoint=0", "cache_size=5") as connection:
        _insert(connection, range(60))
        assert os.path.getsize(tmp_path / "db.sql-wal") > 0
        connection.execute("BEGIN IMMEDIATE")
        _insert(connection, range(1000, 1200))  # spills into the log, uncommitted
        before = _listing(tmp_path)
        assert _rows(tmp_path) == list(range(60))
        assert _listing(tmp_path) == before


def test_a_log_that_starts_again_ends_at_the_frames_of_the_old_one(tmp_path: Path) -> None:
    with _writer(tmp_path / "db.sql", "journal_mode=wal", "wal_autocheckpoint=0") as connection:
        _insert(connection, range(200))
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        connection.execute("DELETE FROM t WHERE n >= 10")
        connection.execute("INSERT INTO t VALUES(77, NULL)")
        assert _rows(tmp_path) == [*range(10), 77]


def test_an_exclusive_locking_mode_with_a_log_has_no_shared_memory_file_and_is_read(tmp_path: Path) -> None:
    with _writer(tmp_path / "db.sql", "locking_mode=exclusive", "journal_mode=wal") as connection:
        _insert(connection, range(7))
        assert not (tmp_path / "db.sql-shm").exists()
        assert _rows(tmp_path) == list(range(7))
        assert not (tmp_path / "db.sql-shm").exists()


def test_a_damaged_frame_ends_the_log_at_the_last_good_commit(tmp_path: Path) -> None:
    with _writer(tmp_path / "db.sql", "journal_mode=wal", "wal_autocheckpoint=0") as connection:
        _insert(connection, range(3))
        good = os.path.getsize(tmp_path / "db.sql-wal")
        _insert(connection, range(3, 6))
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / "db.sql").write_bytes((tmp_path / "db.sql").read_bytes())
        wal = bytearray((tmp_path / "db.sql-wal").read_bytes())
    wal[good + 200] ^= 0xFF
    (copy / "db.sql-wal").write_bytes(wal)
    assert _rows(copy) == [0, 1, 2]


def test_a_database_that_changes_during_every_reading_is_torn(tmp_path: Path) -> None:
    class Busy(HostFs):
        def read(self, path: str, *, limit: int = READ_LIMIT, owner: int | None = None) -> bytes:
            content = super().read(path, limit=limit, owner=owner)
            with _writer(tmp_path / "db.sql") as connection:
                connection.execute("INSERT INTO t VALUES(1, NULL)")
            return content

    with _writer(tmp_path / "db.sql"):
        pass
    with pytest.raises(TornReadError):
        read_sqlite_image(Busy(str(tmp_path)), "/db.sql")


def test_one_write_during_the_first_reading_is_read_again(tmp_path: Path) -> None:
    with _writer(tmp_path / "db.sql") as connection:
        _insert(connection, range(5))
    readings: list[str] = []

    class Once(HostFs):
        def read(self, path: str, *, limit: int = READ_LIMIT, owner: int | None = None) -> bytes:
            content = super().read(path, limit=limit, owner=owner)
            if not readings:
                with _writer(tmp_path / "db.sql") as connection:
                    connection.execute("INSERT INTO t VALUES(5, NULL)")
            readings.append(path)
            return content

    with open_sqlite_copy(Once(str(tmp_path)), "/db.sql") as copy:
        assert len(copy.rows("t", "n")) == 6


@pytest.mark.parametrize("keep", [0, 50, 100, 2000, 4096, 9000])
def test_a_truncated_database_is_malformed(tmp_path: Path, keep: int) -> None:
    with _writer(tmp_path / "db.sql") as connection:
        _insert(connection, range(100))
    content = (tmp_path / "db.sql").read_bytes()
    (tmp_path / "db.sql").write_bytes(content[:keep])
    with pytest.raises(ParseError):
        _rows(tmp_path)


def test_something_else_is_malformed(tmp_path: Path) -> None:
    (tmp_path / "db.sql").write_bytes(b"{}" * 4096)
    with pytest.raises(ParseError, match="not an SQLite database"):
        _rows(tmp_path)


def test_a_view_in_the_place_of_a_table_is_malformed(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "db.sql")) as connection:
        endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"
        connection.execute(f"CREATE VIEW t AS {endless}")
        connection.commit()
    with pytest.raises(ParseError, match="no table t"):
        _rows(tmp_path)


def test_a_table_with_computed_columns_is_malformed(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "db.sql")) as connection:
        connection.execute("CREATE TABLE t(k INTEGER, n INTEGER GENERATED ALWAYS AS (length(hex(zeroblob(k)))) VIRTUAL)")
        connection.execute("INSERT INTO t(k) VALUES(10)")
        connection.commit()
    with pytest.raises(ParseError, match="computed columns"):
        _rows(tmp_path)


def test_a_tree_whose_pages_refer_to_each_other_ends(tmp_path: Path) -> None:
    with _writer(tmp_path / "db.sql") as connection:
        _insert(connection, range(2000))
        connection.execute("VACUUM")
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 't'").fetchone()[0]
    image = bytearray((tmp_path / "db.sql").read_bytes())
    top = memoryview(image)[(root - 1) * 4096 : root * 4096]
    assert top[0] == 5  # an interior page of a table
    count = int.from_bytes(top[3:5], "big")
    for index in range(count):  # every child is the largest one
        cell = int.from_bytes(top[12 + 2 * index : 14 + 2 * index], "big")
        top[cell : cell + 4] = root.to_bytes(4, "big")
    del top
    (tmp_path / "db.sql").write_bytes(image)
    with pytest.raises(ParseError):
        _rows(tmp_path)


def test_the_file_of_somebody_else_is_denied(tmp_path: Path) -> None:
    with _writer(tmp_path / "db.sql"):
        pass
    with pytest.raises(PermissionError):
        read_sqlite_image(HostFs(str(tmp_path)), "/db.sql", owner=os.geteuid() + 1)
