"""Storage on anything fsspec reaches, such as S3, for servers that share no folder."""

import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any

from heatmap_locator.errors import InputError
from heatmap_locator.service.storage import GoneError, Record, Usage, names_of


class BlobStorage:
    """One object a file and one a record, under ``PUZZLE/`` below a root.

    An object store has no transactions: a record is written after its files, as one object, and is
    the last word.  Two changes of one record at the same moment leave one of them, whole.

    Args:
        url: such as ``s3://bucket/heatmap`` or ``file:///srv/heatmap``.
        options: of the fsspec file system.

    Raises:
        InputError: there is no such file system, or it cannot be reached.
    """

    shared = True

    def __init__(self, url: str, **options: Any) -> None:
        try:
            import fsspec

            self._fs, root = fsspec.core.url_to_fs(url, **options)
            self._root = root.rstrip("/")
            self._fs.makedirs(self._root, exist_ok=True)
        except (ImportError, ValueError, OSError) as error:
            raise InputError(f"cannot be used as storage ({error})", name=url) from None

    def _path(self, *parts: str) -> str:
        return "/".join((self._root, *parts))

    def _read(self, path: str) -> bytes | None:
        try:
            data: bytes = self._fs.cat_file(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return data

    def _record(self, path: str) -> Record | None:
        data = self._read(path)
        return None if data is None else json.loads(data)

    def _write(self, puzzle: str, record: str, value: Record, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            self._pipe(self._path(puzzle, "files", name), data)
        self._pipe(self._path(puzzle, record), json.dumps(value).encode())

    def _pipe(self, path: str, data: bytes) -> None:
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        if "file" in (self._fs.protocol if isinstance(self._fs.protocol, tuple) else ()):
            from heatmap_locator.files import write_atomically

            write_atomically(path, data)
        else:  # an object store shows an object when it is whole
            self._fs.pipe_file(path, data)

    def _names(self, *parts: str) -> list[str]:
        """What lies in a folder, without its path."""
        self._fs.invalidate_cache()  # others write to it too
        try:
            found = self._fs.ls(self._path(*parts), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [path.rstrip("/").rpartition("/")[2] for path in found]

    def _remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(path)

    def close(self) -> None:
        """There is nothing to close."""

    # ------------------------------------------------------------------- puzzles

    def add_puzzle(self, record: Record, files: Mapping[str, bytes]) -> None:
        self.touch(record["id"])
        self._write(record["id"], "puzzle.json", record, files)

    def update_puzzle(
        self, puzzle: str, changes: Record, files: Mapping[str, bytes] = {}
    ) -> Record:
        before = self.puzzle(puzzle)
        if before is None:
            raise GoneError(puzzle)
        after = {**before, **changes}
        self._write(puzzle, "puzzle.json", after, files)
        for name in names_of(before) - names_of(after):
            self._remove(self._path(puzzle, "files", name))
        return after

    def puzzle(self, puzzle: str) -> Record | None:
        return self._record(self._path(puzzle, "puzzle.json"))

    def puzzles(self) -> list[Record]:
        found = [r for name in self._names() if (r := self.puzzle(name)) is not None]
        return sorted(found, key=lambda record: (record["created"], record["id"]), reverse=True)

    def delete_puzzle(self, puzzle: str) -> bool:
        if self.puzzle(puzzle) is None:
            return False
        self._remove(self._path(puzzle, "puzzle.json"))  # it is gone from here on
        self._fs.rm(self._path(puzzle), recursive=True)
        return True

    # -------------------------------------------------------------------- pieces

    def put_piece(self, record: Record, files: Mapping[str, bytes] = {}) -> None:
        puzzle, name = record["puzzle"], f"pieces/{record['id']}.json"
        if self.puzzle(puzzle) is None:
            raise GoneError(puzzle)
        before = self._record(self._path(puzzle, name))
        self._write(puzzle, name, record, files)
        if before is not None:
            self._drop(puzzle, names_of(before) - names_of(record))

    def _drop(self, puzzle: str, names: set[str]) -> None:
        """Removes files that no piece names any more: many pieces can share a photo."""
        if names:
            for record in self.pieces(puzzle):
                names = names - names_of(record)
        for name in names:
            self._remove(self._path(puzzle, "files", name))

    def piece(self, puzzle: str, piece: str) -> Record | None:
        return self._record(self._path(puzzle, "pieces", f"{piece}.json"))

    def pieces(self, puzzle: str) -> list[Record]:
        names = [name for name in self._names(puzzle, "pieces") if name.endswith(".json")]
        found = [self._record(self._path(puzzle, "pieces", name)) for name in names]
        known = [record for record in found if record is not None]
        return sorted(known, key=lambda record: (record["created"], record["id"]))

    def count(self, puzzle: str) -> int:
        return sum(name.endswith(".json") for name in self._names(puzzle, "pieces"))

    def delete_piece(self, puzzle: str, piece: str) -> bool:
        record = self.piece(puzzle, piece)
        if record is None:
            return False
        self._remove(self._path(puzzle, "pieces", f"{piece}.json"))
        self._drop(puzzle, names_of(record))
        return True

    def file(self, puzzle: str, name: str) -> bytes | None:
        return self._read(self._path(puzzle, "files", name))

    # ----------------------------------------------------------------- retention

    def touch(self, puzzle: str) -> None:
        self._pipe(self._path(puzzle, "used"), str(time.time()).encode())

    def usage(self) -> list[Usage]:
        found = []
        for record in reversed(self.puzzles()):
            size = int(self._fs.du(self._path(record["id"])))
            used = self._read(self._path(record["id"], "used"))
            found.append(Usage(record["id"], size, float(used or 0)))
        return found

    def sweep(self) -> int:
        """Nothing: other servers may be writing what looks left over."""
        return 0
