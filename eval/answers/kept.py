"""Files that answers are kept in: a header that says what was asked, then one answer a line."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from heatmap_locator.errors import InputError

Answer = TypeVar("Answer")


class KeptLines(Generic[Answer]):
    """Answers of one run, kept in a file if one is given; a run that was cut off goes on.

    Args:
        path: ``None`` keeps them in memory; its folder is made.
        header: what was asked; a file that was asked something else is refused.
        read: an answer from what ``write`` made of it; what it raises of ``ValueError``,
            ``TypeError`` and ``KeyError`` says that it is none.
        write: an answer, JSON-ready.

    Attributes:
        all: the answers, those of earlier runs first.

    Raises:
        InputError: the file is of another run or damaged, or cannot be used.
    """

    def __init__(
        self,
        path: Path | None,
        header: Mapping[str, Any],
        read: Callable[[dict[str, Any]], Answer],
        write: Callable[[Answer], dict[str, Any]],
    ) -> None:
        self.all: list[Answer] = []
        self.path, self.header = path, dict(header)
        self._read, self._write = read, write
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self._go_on(path)
            else:
                path.write_text(json.dumps(self.header) + "\n", encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot be used ({error}); name another --out", name=path) from None

    def _go_on(self, path: Path) -> None:
        text = path.read_bytes()
        # A line without an end is one that a stopped run did not finish.
        whole = text[: text.rfind(b"\n") + 1]
        first, *lines = whole.decode("utf-8").splitlines() or [""]
        try:
            header = json.loads(first)
        except json.JSONDecodeError:
            header = None
        reason = self.refusal(header)
        if reason is not None:
            raise InputError(f"{reason}; name another --out", name=path)
        for number, line in enumerate(lines, 2):
            try:
                self.all.append(self._read(json.loads(line)))
            except (ValueError, TypeError, KeyError):
                raise InputError(
                    f"line {number} is damaged; name another --out", name=path
                ) from None
        if len(whole) < len(text):
            os.truncate(path, len(whole))

    def refusal(self, header: Any) -> str | None:
        """Why a file with this header is not of this run; ``None`` where it is."""
        return None if header == self.header else "of another run"

    def add(self, answers: Iterable[Answer]) -> None:
        """Keep answers; on disk before the call returns."""
        new = list(answers)
        self.all += new
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(self._write(a), allow_nan=False) + "\n" for a in new)
