"""Settings as flags and ``HEATMAP_`` variables give them, read and checked by pydantic-settings."""

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field as DataclassField
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator, Field, ValidationError, create_model
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from heatmap_locator.errors import InputError
from heatmap_locator.service.settings import PREFIX, Layout, Settings

_T = TypeVar("_T", Settings, Layout)


class _Base(BaseSettings):
    # A variable that is set to nothing is not set.
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, allow_inf_nan=False)


def read(
    kind: type[_T],
    flags: Mapping[str, str] | None = None,
    refuse: Callable[[str], NoReturn] | None = None,
) -> _T:
    """Settings of a kind: flags come first, then variables, then defaults.

    Args:
        flags: the text of each flag that was given, by the setting's name.
        refuse: says what is wrong with a flag.

    Raises:
        InputError: a value cannot be used, or a variable is of no setting.
    """
    given: dict[str, Any] = dict(flags or {})
    _check_names()
    try:
        found = _model(kind)(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        wrong = _wrong(next(f for f in fields(kind) if f.name == name), kind, first["input"])
        if name in given and refuse is not None:
            refuse(f"argument --{name.replace('_', '-')}: {wrong}")
        raise InputError(wrong, name=f"{PREFIX}{name.upper()}") from None
    return kind(**dict(found))


def _model(kind: type) -> type[BaseSettings]:
    """The pydantic model of a dataclass of settings."""
    members: dict[str, Any] = {}
    for f in fields(kind):
        hint = get_type_hints(kind)[f.name]
        if get_origin(hint) is tuple:
            hint = Annotated[hint, NoDecode, BeforeValidator(_split)]
        if _is_path(hint):
            hint = Annotated[hint, BeforeValidator(_named)]
        members[f.name] = hint, Field(f.default, **f.metadata["limits"])
    return create_model(kind.__name__, __base__=_Base, **members)


def _is_path(hint: Any) -> bool:
    return Path in (hint, *get_args(hint))


def _named(value: object) -> object:
    """A path; an empty one, which would be the current folder, is none."""
    if value == "":
        raise ValueError
    return value


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s]+", re.IGNORECASE)
"""A scheme, a host and perhaps a port, as browsers send it (RFC 6454)."""


def _split(value: object) -> object:
    """Origins by comma.

    Raises:
        ValueError: one is none, and would allow nobody without a word.
    """
    if not isinstance(value, str):
        return value
    origins = tuple(origin.strip().rstrip("/") for origin in value.split(",") if origin.strip())
    if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError
    return origins


def _wrong(f: "DataclassField[Any]", kind: type, value: object) -> str:
    """What is wrong with a value, in the words that all commands use."""
    hint, limits = get_type_hints(kind)[f.name], f.metadata["limits"]
    if "pattern" in limits:  # which is a secret, and not shown
        return "is empty, or has spaces around it; give one without, or leave it out"
    if get_origin(hint) is Literal:
        *names, last = get_args(hint)
        return f"'{value}': use {', '.join(names)} or {last}"
    if _is_path(hint):
        return "is empty; name a file or folder"
    if get_origin(hint) is tuple:
        return f"'{value}': give origins such as https://example.org, by comma, or *"
    low = f"above {limits['gt']}" if "gt" in limits else f"from {limits.get('ge', 0)}"
    high = f" to {limits['le']}" if "le" in limits else ""
    number = "a whole number" if hint is int else "a number"
    return f"'{value}' is not {number} {low}{high}"


def _check_names() -> None:
    """A variable whose name is mistyped must not be passed over: it may be the token."""
    known = [PREFIX + f.name.upper() for kind in (Settings, Layout) for f in fields(kind)]
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and os.environ[name] and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else "see heatmap-serve --help"
            raise InputError(f"no setting has this name; {hint}", name=name)
