"""Settings that a TOML file may set: typed, ranges beside the fields, one-line errors by key.

Settings are pydantic dataclasses with ``config=SETTINGS``.  Made in code they are held to the same
ranges; there pydantic's ``ValidationError``, a ``ValueError``, is raised.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypeVar, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from heatmap_locator.errors import InputError

SETTINGS = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""Of every dataclass of settings: an unknown key is an error, and 1 is no text and no truth."""

Share = Annotated[float, Field(ge=0, le=1)]
Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
"""Of what there has to be one at least."""
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]

Kind = TypeVar("Kind")


def rising(low: float, high: float = math.inf) -> Callable[[tuple[float, float]], Any]:
    """A check that two numbers are within these limits and the second is not the smaller."""

    def check(pair: tuple[float, float]) -> tuple[float, float]:
        if not low <= pair[0] <= pair[1] <= high:
            until = "on" if math.isinf(high) else f"to {high:g}"
            raise ValueError(f"must be two numbers from {low:g} {until}, rising, not {pair}")
        return pair

    return check


def build(kind: type[Kind], values: Mapping[str, Any], source: str) -> Kind:
    """Settings of a kind from the tables of a TOML file; what is not given keeps its default.

    Args:
        kind: a dataclass of settings, whose fields may be others.
        values: as ``tomllib`` reads them, or as ``dataclasses.asdict`` writes them.
        source: what an error names, such as the file.

    Raises:
        InputError: an unknown key, a wrong type or a value out of range; one line.
    """
    try:
        # Through JSON: of Python values, strict takes no table for a dataclass nor list for a
        # tuple.  Dates, which JSON has none of, become texts, and no setting is a date.
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        # A key that is misspelt first: that its table lacks something may follow from it.
        found = sorted(error.errors(), key=lambda e: e["type"] != "unexpected_keyword_argument")
        raise InputError(_told(kind, values, dict(found[0])), name=source) from None


def _told(kind: type, values: Any, error: dict[str, Any]) -> str:
    """One of pydantic's errors in a line that names the key."""
    # Positions in a list are left out: the list is shown as a whole.
    names = [part for part in error["loc"] if isinstance(part, str)]
    key, limits = ".".join(names), list[Any]()
    annotation: Any = kind
    for depth, name in enumerate(names, 1):
        known = {f.name: f.type for f in fields(annotation)}
        if name not in known:
            unknown = ".".join(names[:depth])
            return f"unknown key '{unknown}'; known here: {', '.join(known)}"
        # Dataclasses of the library are not pydantic's: they have types, but no limits.
        info = getattr(annotation, "__pydantic_fields__", {}).get(name)
        annotation = known[name] if info is None else info.annotation
        limits = [] if info is None else info.metadata
        values = values[name]
    if error["type"] == "value_error":
        said = str(error["ctx"]["error"])
        # What is wrong with several keys together names them itself.
        return said if is_dataclass(annotation) else f"{key} {said}"
    if error["type"] == "dataclass_type":
        return f"'{key}' must be a table"
    if error["type"] == "literal_error":
        wanted = f"one of {', '.join(get_args(annotation))}"
    elif error["type"] == "finite_number":
        wanted = "a finite number"
    elif error["type"] in _OUT_OF_RANGE:
        wanted = _range(limits)
    else:
        return f"'{key}' must be {_type(annotation)}, not {values!r}"
    return f"{key} must be {wanted}, not {values!r}"


_OUT_OF_RANGE = {"greater_than_equal", "greater_than", "less_than_equal", "multiple_of"}


def _type(annotation: Any) -> str:
    parts = get_args(annotation)
    if not parts:
        return f"of type {annotation.__name__}"
    kinds = "/".join(dict.fromkeys(part.__name__ for part in parts if part is not ...))
    return f"a list of {kinds}" if ... in parts else f"a list of {len(parts)} {kinds}"


def _range(limits: list[Any]) -> str:
    """The values within a field's limits: "from 0 to 1", "a multiple of 8, at least 96"."""

    def limit(name: str) -> float | None:
        return next((getattr(found, name) for found in limits if hasattr(found, name)), None)

    low, high, above, step = map(limit, ("ge", "le", "gt", "multiple_of"))
    words = [] if step is None else [f"a multiple of {step:g}"]
    if low is not None and high is not None:
        words.append(f"from {low:g} to {high:g}")
    elif low is not None:
        words.append(f"at least {low:g}")
    elif above is not None:
        words.append(f"above {above:g}")
    return ", ".join(words)
