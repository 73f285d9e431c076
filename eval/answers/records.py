"""The predictions file: a header that says what was asked, then one record a line."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from heatmap_locator.errors import InputError

from .metrics import Answer, Record

NAME = "predictions.jsonl"
_KIND = "heatmap-eval predictions"


def answer(values: Mapping[str, Any]) -> Answer:
    """The part of a placement, as ``Placement.to_dict`` names its fields, that is judged."""
    return Answer(tuple(values["box"]), float(values["rotation"]), float(values["score"]))


def _record(values: dict[str, Any]) -> Record:
    answers = [answer(values) for values in values["answers"]]
    tuples = {key: tuple(values[key]) for key in ("box", "cell", "size")}
    return Record(**{**values, **tuples, "answers": tuple(answers)})


def _line(record: Record) -> str:
    return json.dumps(asdict(record), allow_nan=False) + "\n"


class Predictions:
    """Records of one run, kept in a folder if one is given.

    A run that was cut off goes on where it ended; scores always come from the file.

    Args:
        folder: holds or will hold ``predictions.jsonl``; ``None`` keeps records in memory.
        header: what was asked; a file that was asked something else is refused.

    Raises:
        InputError: the file is of another run or damaged, or the folder cannot be written.
    """

    def __init__(self, folder: Path | None, header: dict[str, Any]) -> None:
        self.records: list[Record] = []
        self.path = None if folder is None else folder / NAME
        self.header = {"kind": _KIND, **header}
        if self.path is None or folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                self._read(self.path)
            else:
                self.path.write_text(json.dumps(self.header) + "\n", encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"cannot be used ({error}); name another --out", name=self.path
            ) from None

    def _read(self, path: Path) -> None:
        text = path.read_bytes()
        # A line without an end is one that a stopped run did not finish.
        whole = text[: text.rfind(b"\n") + 1]
        lines = whole.decode("utf-8").splitlines()
        try:
            header = json.loads(lines[0]) if lines else None
        except json.JSONDecodeError:
            header = None
        if not isinstance(header, dict) or header.get("kind") != _KIND:
            raise InputError("not a predictions file; name another --out", name=path)
        keys = header.keys() | self.header.keys()
        other = sorted(k for k in keys if header.get(k) != self.header.get(k))
        if other:
            asked = ", ".join(f"{k} {header.get(k)} not {self.header.get(k)}" for k in other)
            raise InputError(f"of another run ({asked}); name another --out", name=path)
        for number, line in enumerate(lines[1:], 2):
            try:
                self.records.append(_record(json.loads(line)))
            except (ValueError, TypeError, KeyError):
                raise InputError(
                    f"line {number} is damaged; name another --out", name=path
                ) from None
        if len(whole) < len(text):
            os.truncate(path, len(whole))

    def check_weights(self, method: str, weights: str | None) -> None:
        """Refuse to mix answers of different weights.

        Raises:
            InputError: the file's records of ``method`` were made with others.
        """
        for record in self.records:
            if record.method == method and record.weights != weights:
                raise InputError(
                    f"{method} was run with weights {record.weights}, not {weights}; "
                    "name another --out",
                    name=self.path,
                )

    def done(self, method: str) -> set[str]:
        """The pieces that a method has answered."""
        return {record.piece for record in self.records if record.method == method}

    def add(self, records: Iterable[Record]) -> None:
        """Keep records; on disk before the call returns."""
        new = list(records)
        self.records += new
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(map(_line, new))
