"""What the service asks of whatever keeps its puzzles and pieces: one small interface.

A record is a JSON-ready dict.  Its ``files`` member maps roles to names of files that belong to it;
every name is used once, so that a record never speaks of another version of a file.  What a method
has returned from is on disk.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

Record = dict[str, Any]


class Usage(NamedTuple):
    """A puzzle's bytes, pieces included, and when it was last used (seconds since the epoch)."""

    id: str
    size: int
    used: float


class GoneError(LookupError):
    """The puzzle that something was to be written to has been deleted."""


class Storage(Protocol):
    """All that the service asks of its storage; used from several threads."""

    shared: bool
    """Whether other processes write to it too."""

    def add_puzzle(self, record: Record, files: Mapping[str, bytes]) -> None: ...

    def update_puzzle(
        self, puzzle: str, changes: Record, files: Mapping[str, bytes] = {}
    ) -> Record:
        """The record with ``changes``; files no longer named go.  GoneError without a puzzle."""
        ...

    def puzzle(self, puzzle: str) -> Record | None: ...

    def puzzles(self) -> list[Record]:
        """Newest first."""
        ...

    def delete_puzzle(self, puzzle: str) -> bool:
        """Whether there was one."""
        ...

    def put_piece(self, record: Record, files: Mapping[str, bytes] = {}) -> None:
        """Adds or replaces a piece.  GoneError if its puzzle is not there."""
        ...

    def update_piece(
        self, puzzle: str, piece: str, changes: Record, files: Mapping[str, bytes] = {}
    ) -> Record:
        """The record with ``changes``; files no longer named go.  GoneError without a piece."""
        ...

    def next_number(self, puzzle: str) -> int:
        """A number that no piece of the puzzle has or had, from 1."""
        ...

    def waiting(self) -> list[Record]:
        """Pieces of all puzzles that are kept but not searched yet, oldest first."""
        ...

    def piece(self, puzzle: str, piece: str) -> Record | None: ...

    def pieces(self, puzzle: str) -> list[Record]:
        """Oldest first."""
        ...

    def count(self, puzzle: str) -> int:
        """Number of a puzzle's pieces."""
        ...

    def delete_piece(self, puzzle: str, piece: str) -> bool: ...

    def file(self, puzzle: str, name: str) -> bytes | None: ...

    def touch(self, puzzle: str) -> None:
        """Note that a puzzle is used now."""
        ...

    def size(self) -> int:
        """Bytes kept by all puzzles: quick to ask, and no less than what this process wrote."""
        ...

    def usage(self) -> list[Usage]:
        """Counted anew, least recently created first."""
        ...

    def sweep(self) -> int:
        """Removes what a killed process left half-written; number of files removed."""
        ...

    def close(self) -> None: ...


def names_of(record: Record) -> set[str]:
    """Names of the files that belong to a record."""
    return set(record.get("files", {}).values())
