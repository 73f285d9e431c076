"""The predictions file: a header that says what was asked, then one record a line."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from heatmap_locator.errors import InputError

from .kept import KeptLines
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


class Predictions(KeptLines[Record]):
    """Records of one run, kept in a folder if one is given.

    A run that was cut off goes on where it ended; scores always come from the file.

    Args:
        folder: holds or will hold ``predictions.jsonl``; ``None`` keeps records in memory.
        header: what was asked; a file that was asked something else is refused.

    Raises:
        InputError: the file is of another run or damaged, or the folder cannot be written.
    """

    def __init__(self, folder: Path | None, header: Mapping[str, Any]) -> None:
        path = None if folder is None else folder / NAME
        super().__init__(path, {"kind": _KIND, **header}, _record, asdict)

    @property
    def records(self) -> list[Record]:
        """All that are kept."""
        return self.all

    def refusal(self, header: Any) -> str | None:
        """As for all files that are kept, and what was asked otherwise."""
        if not isinstance(header, dict) or header.get("kind") != _KIND:
            return "not a predictions file"
        keys = header.keys() | self.header.keys()
        other = sorted(k for k in keys if header.get(k) != self.header.get(k))
        asked = ", ".join(f"{k} {header.get(k)} not {self.header.get(k)}" for k in other)
        return f"of another run ({asked})" if other else None

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
