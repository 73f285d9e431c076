"""Storage on anything fsspec reaches, such as S3, for servers that share no folder."""

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from heatmap_locator.errors import InputError
from heatmap_locator.service.storage import GoneError, Record, Usage, names_of

COUNT_AGE = 60.0
"""Seconds for which a count of everything serves: others write too, and a count lists it all."""

READERS = 16
"""Objects read at once for a count."""


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
        self._lock, self._counting = threading.Lock(), threading.Lock()
        self._written = 0  # bytes by this process, ever
        self._size, self._counted = 0, float("-inf")
        self._sizes = Counter[str]()  # of puzzles, as they were counted last

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
        with self._lock:
            self._written += len(data)
            self._size += len(data)

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
        with self._lock:
            self._size -= self._sizes.pop(puzzle, 0)
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

    def update_piece(
        self, puzzle: str, piece: str, changes: Record, files: Mapping[str, bytes] = {}
    ) -> Record:
        before = self.piece(puzzle, piece)
        if before is None or self.puzzle(puzzle) is None:
            raise GoneError(puzzle)
        after = {**before, **changes}
        self._write(puzzle, f"pieces/{piece}.json", after, files)
        self._drop(puzzle, names_of(before) - names_of(after))
        return after

    def next_number(self, puzzle: str) -> int:
        """Two servers that count at the same moment may come to the same."""
        with self._counting:
            path = self._path(puzzle, "number")
            last = int(self._read(path) or self.count(puzzle))
            self._pipe(path, str(last + 1).encode())
            return last + 1

    def waiting(self) -> list[Record]:
        """None: another server may be at work on them."""
        return []

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

    def size(self) -> int:
        """As of the last count, with all that this process has written since."""
        with self._lock:
            if time.monotonic() - self._counted < COUNT_AGE:
                return self._size
        return sum(entry.size for entry in self.usage())

    def usage(self) -> list[Usage]:
        with self._lock:
            before, at = self._written, time.monotonic()
        sizes = Counter[str]()
        self._fs.invalidate_cache()  # others write to it too
        for path, about in self._fs.find(self._root, detail=True).items():
            sizes[path[len(self._root) + 1 :].partition("/")[0]] += int(about["size"])
        records = self._read_all(self._path(puzzle, "puzzle.json") for puzzle in sizes)
        used = self._read_all(self._path(puzzle, "used") for puzzle in sizes)
        known = [
            (json.loads(record)["created"], puzzle, float(when or 0))
            for puzzle, record, when in zip(sizes, records, used, strict=True)
            if record is not None
        ]
        found = [Usage(puzzle, sizes[puzzle], when) for _, puzzle, when in sorted(known)]
        with self._lock:
            # What was written meanwhile may have been listed or not; too much does no harm.
            self._size = sum(entry.size for entry in found) + self._written - before
            self._sizes, self._counted = sizes, at
        return found

    def _read_all(self, paths: Iterable[str]) -> list[bytes | None]:
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self._read, paths))

    def sweep(self) -> int:
        """Nothing: other servers may be writing what looks left over."""
        return 0
