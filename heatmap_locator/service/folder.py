"""Storage in a folder of this machine."""

import contextlib
import fcntl
import json
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from heatmap_locator.errors import InputError
from heatmap_locator.files import write_atomically
from heatmap_locator.service.database import Database
from heatmap_locator.service.storage import GoneError, Record, Usage, names_of

_GRACE = 3600.0
"""Seconds for which files of another process may still be in the making."""


class LocalStorage:
    """A folder with a SQLite database (write-ahead log) and a subfolder a puzzle.

    Files are written before the record that names them and removed after the record is gone, so a
    kill at any moment leaves at most files that no record names, which ``sweep`` removes.

    Args:
        folder: created if need be.
        shared: whether several processes of this machine use it; otherwise a second one is refused.

    Raises:
        InputError: the folder cannot be used, or another server uses it.
    """

    def __init__(self, folder: Path, shared: bool = False) -> None:
        self.folder, self.shared = folder, shared
        self._files = folder / "puzzles"
        try:
            self._files.mkdir(parents=True, exist_ok=True)
            self._held = (folder / "lock").open("a")
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(self._held, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("another server uses it; name another --data", name=folder) from None
        except OSError as error:
            raise InputError(
                f"cannot be written ({error.strerror}); name another --data", name=folder
            ) from None
        try:
            self._database = Database(folder)
        except BaseException:
            self._held.close()
            raise

    def close(self) -> None:
        self._database.close()
        self._held.close()

    # ------------------------------------------------------------------- puzzles

    def add_puzzle(self, record: Record, files: Mapping[str, bytes]) -> None:
        folder = self._files / record["id"]
        folder.mkdir()
        try:
            self._write(folder, files)
            with self._database.transaction() as database:
                database.execute(
                    "INSERT INTO puzzles VALUES (?, ?, ?, ?, ?)",
                    (
                        record["id"],
                        record["created"],
                        time.time(),
                        sum(map(len, files.values())),
                        json.dumps(record),
                    ),
                )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def update_puzzle(
        self, puzzle: str, changes: Record, files: Mapping[str, bytes] = {}
    ) -> Record:
        with self._written(puzzle, files), self._database.transaction() as database:
            rows = database.execute("SELECT record FROM puzzles WHERE id = ?", (puzzle,)).fetchall()
            if not rows:
                raise GoneError(puzzle)
            before: Record = json.loads(rows[0][0])
            after = {**before, **changes}
            database.execute(
                "UPDATE puzzles SET record = ? WHERE id = ?", (json.dumps(after), puzzle)
            )
        self._drop(puzzle, names_of(before) - names_of(after))
        return after

    def puzzle(self, puzzle: str) -> Record | None:
        rows = self._database.rows("SELECT record FROM puzzles WHERE id = ?", puzzle)
        return json.loads(rows[0][0]) if rows else None

    def puzzles(self) -> list[Record]:
        rows = self._database.rows("SELECT record FROM puzzles ORDER BY created DESC, id")
        return [json.loads(row[0]) for row in rows]

    def delete_puzzle(self, puzzle: str) -> bool:
        with self._database.transaction() as database:
            gone = database.execute("DELETE FROM puzzles WHERE id = ?", (puzzle,)).rowcount
        if gone:
            shutil.rmtree(self._files / puzzle, ignore_errors=True)
        return bool(gone)

    # -------------------------------------------------------------------- pieces

    def put_piece(self, record: Record, files: Mapping[str, bytes] = {}) -> None:
        puzzle = record["puzzle"]
        try:
            with self._written(puzzle, files), self._database.transaction() as database:
                rows = database.execute(
                    "SELECT record FROM pieces WHERE puzzle = ? AND id = ?", (puzzle, record["id"])
                ).fetchall()
                database.execute(
                    "INSERT INTO pieces VALUES (?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET record = excluded.record",
                    (record["id"], puzzle, record["created"], json.dumps(record)),
                )
        except sqlite3.IntegrityError:
            raise GoneError(puzzle) from None
        if rows:
            self._drop_unnamed(puzzle, names_of(json.loads(rows[0][0])) - names_of(record))

    def update_piece(
        self, puzzle: str, piece: str, changes: Record, files: Mapping[str, bytes] = {}
    ) -> Record:
        with self._written(puzzle, files), self._database.transaction() as database:
            rows = database.execute(
                "SELECT record FROM pieces WHERE puzzle = ? AND id = ?", (puzzle, piece)
            ).fetchall()
            if not rows:
                raise GoneError(puzzle)
            before: Record = json.loads(rows[0][0])
            after = {**before, **changes}
            database.execute(
                "UPDATE pieces SET record = ? WHERE puzzle = ? AND id = ?",
                (json.dumps(after), puzzle, piece),
            )
        self._drop_unnamed(puzzle, names_of(before) - names_of(after))
        return after

    def next_number(self, puzzle: str) -> int:
        with self._database.transaction() as database:
            # Pieces of older records have none: theirs are those that come first.
            rows = database.execute(
                "INSERT INTO numbers SELECT ?, 1 + count(*) FROM pieces WHERE puzzle = ? "
                "ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last",
                (puzzle, puzzle),
            ).fetchall()
        return int(rows[0][0])

    def waiting(self) -> list[Record]:
        rows = self._database.rows(
            "SELECT record FROM pieces WHERE json_extract(record, '$.state') = 'waiting' "
            "ORDER BY created, id"
        )
        return [json.loads(row[0]) for row in rows]

    def piece(self, puzzle: str, piece: str) -> Record | None:
        rows = self._database.rows(
            "SELECT record FROM pieces WHERE puzzle = ? AND id = ?", puzzle, piece
        )
        return json.loads(rows[0][0]) if rows else None

    def pieces(self, puzzle: str) -> list[Record]:
        rows = self._database.rows(
            "SELECT record FROM pieces WHERE puzzle = ? ORDER BY created, id", puzzle
        )
        return [json.loads(row[0]) for row in rows]

    def count(self, puzzle: str) -> int:
        return int(
            self._database.rows("SELECT count(*) FROM pieces WHERE puzzle = ?", puzzle)[0][0]
        )

    def delete_piece(self, puzzle: str, piece: str) -> bool:
        with self._database.transaction() as database:
            rows = database.execute(
                "DELETE FROM pieces WHERE puzzle = ? AND id = ? RETURNING record", (puzzle, piece)
            ).fetchall()
        if rows:
            self._drop_unnamed(puzzle, names_of(json.loads(rows[0][0])))
        return bool(rows)

    # --------------------------------------------------------------------- files

    def file(self, puzzle: str, name: str) -> bytes | None:
        try:
            return (self._files / puzzle / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    @contextlib.contextmanager
    def _written(self, puzzle: str, files: Mapping[str, bytes]) -> Iterator[None]:
        """The files are there inside, and afterwards unless the record could not be written."""
        if not files:
            yield
            return
        folder = self._files / puzzle
        new = {name: data for name, data in files.items() if not (folder / name).exists()}
        try:
            self._write(folder, new)
            yield
        except BaseException as error:
            for name in new:
                (folder / name).unlink(missing_ok=True)
            if isinstance(error, FileNotFoundError):
                raise GoneError(puzzle) from None
            raise
        self._grow(puzzle, sum(map(len, new.values())))

    @staticmethod
    def _write(folder: Path, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            write_atomically(folder / name, data)

    def _grow(self, puzzle: str, size: int) -> None:
        with self._database.transaction() as database:
            database.execute("UPDATE puzzles SET size = size + ? WHERE id = ?", (size, puzzle))

    def _drop(self, puzzle: str, names: set[str]) -> None:
        freed = 0
        for name in names:
            path = self._files / puzzle / name
            with contextlib.suppress(FileNotFoundError):
                freed += path.stat().st_size
                path.unlink()
        if freed:
            self._grow(puzzle, -freed)

    def _drop_unnamed(self, puzzle: str, names: set[str]) -> None:
        """Drops those that no other piece names: many pieces can share a photo."""
        if names:
            for record in self.pieces(puzzle):
                names = names - names_of(record)
        self._drop(puzzle, names)

    # ----------------------------------------------------------------- retention

    def touch(self, puzzle: str) -> None:
        with self._database.transaction() as database:
            database.execute("UPDATE puzzles SET used = ? WHERE id = ?", (time.time(), puzzle))

    def size(self) -> int:
        return int(self._database.rows("SELECT coalesce(sum(size), 0) FROM puzzles")[0][0])

    def usage(self) -> list[Usage]:
        return [
            Usage(*row)
            for row in self._database.rows("SELECT id, size, used FROM puzzles ORDER BY created")
        ]

    def sweep(self) -> int:
        removed = 0
        # With other processes at work, a young file may be about to be named.
        before = time.time() - _GRACE if self.shared else float("inf")
        for folder in list(self._files.iterdir()):
            record = self.puzzle(folder.name)
            if record is None:
                if folder.stat().st_mtime < before:
                    removed += sum(1 for path in folder.rglob("*") if path.is_file())
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            named = names_of(record).union(*(names_of(p) for p in self.pieces(folder.name)))
            size = 0
            for path in list(folder.iterdir()):
                with contextlib.suppress(FileNotFoundError):
                    status = path.stat()
                    if path.name in named or status.st_mtime >= before:
                        size += status.st_size
                    else:
                        path.unlink()
                        removed += 1
            with self._database.transaction() as database:
                database.execute("UPDATE puzzles SET size = ? WHERE id = ?", (size, folder.name))
        return removed
