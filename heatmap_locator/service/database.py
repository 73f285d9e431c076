"""The SQLite database (write-ahead log) of a storage in a folder; several threads may share it."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from heatmap_locator.errors import InputError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS puzzles (
    id TEXT PRIMARY KEY, created TEXT NOT NULL, used REAL NOT NULL, size INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS pieces (
    id TEXT NOT NULL, puzzle TEXT NOT NULL REFERENCES puzzles(id) ON DELETE CASCADE,
    created TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (puzzle, id)
);
CREATE TABLE IF NOT EXISTS numbers (
    puzzle TEXT PRIMARY KEY REFERENCES puzzles(id) ON DELETE CASCADE, last INTEGER NOT NULL
);
"""
_VERSION = 1
"""Of the tables; what other versions wrote is left alone."""


class Database:
    """One connection, which is used by one thread at a time.

    Raises:
        InputError: the file is damaged, or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = threading.RLock()
        try:
            self._connection = self._connect(folder)
        except sqlite3.DatabaseError as error:
            raise InputError(f"its database is damaged ({error})", name=folder) from None

    @staticmethod
    def _connect(folder: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(
            folder / "heatmap.sqlite3", check_same_thread=False, timeout=30, isolation_level=None
        )
        connection.execute("PRAGMA journal_mode = WAL")
        # A commit is on disk when it returns, even if the power goes.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise InputError("written by another version; name another --data", name=folder)
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        return connection

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written inside, or nothing."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What a query finds."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()
