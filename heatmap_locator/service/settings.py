"""What the service can be told, by flag, by environment variable, or in code."""

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from heatmap_locator.errors import InputError
from heatmap_locator.options import whole

PREFIX = "HEATMAP_"


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value


def _device(text: str) -> str:
    if text not in ("auto", "cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"'{text}': use auto, cpu or cuda")
    return text


def _origins(text: str) -> tuple[str, ...]:
    return tuple(origin.strip().rstrip("/") for origin in text.split(",") if origin.strip())


def _setting(default: Any, parse: Callable[[str], Any], metavar: str, about: str) -> Any:
    return field(default=default, metadata={"parse": parse, "metavar": metavar, "about": about})


_DATA = Path("heatmap-data")


@dataclass(frozen=True)
class Settings:
    """Every setting of the service; each is a flag of ``heatmap-serve`` and a ``HEATMAP_`` name."""

    host: str = _setting("127.0.0.1", str, "ADDRESS", "address to listen on")
    port: int = _setting(8000, whole(0, 65535), "N", "port to listen on; 0 takes a free one")
    data: Path = _setting(_DATA, Path, "DIR", "where puzzles and pieces are kept")  # noqa: RUF009
    weights: Path | None = _setting(None, Path, "PATH", "weights other than the packaged ones")  # noqa: RUF009
    device: str = _setting("auto", _device, "NAME", "auto, cpu or cuda")
    max_upload_mb: float = _setting(25.0, _positive, "MB", "largest file of an upload")
    queue: int = _setting(64, whole(1, 10_000), "N", "photos in work or waiting before 503")
    batch: int = _setting(8, whole(1, 256), "N", "pieces searched together on the device")
    max_pieces: int = _setting(10_000, whole(1, 50_000), "N", "largest puzzle; 10000 take 3 GB")
    cache: int = _setting(8, whole(1, 1000), "N", "encoded puzzles kept in memory")
    token: str | None = _setting(None, str, "TOKEN", "bearer token that all of /v1 then asks for")
    cors: tuple[str, ...] = _setting((), _origins, "ORIGINS", "origins allowed, by comma; or *")
    max_storage_gb: float = _setting(10.0, _positive, "GB", "oldest puzzles go beyond this")
    keep_minutes: float = _setting(60.0, _positive, "MIN", "a puzzle used since is never removed")
    decode_seconds: float = _setting(10.0, _positive, "S", "longest time an image may decode")
    upload_seconds: float = _setting(60.0, _positive, "S", "longest time a body may take to come")
    idle_seconds: float = _setting(10.0, _positive, "S", "longest silence while a body comes")

    @property
    def max_upload(self) -> int:
        """Bytes of one file."""
        return int(self.max_upload_mb * 1e6)

    @property
    def max_storage(self) -> int:
        """Bytes of everything kept."""
        return int(self.max_storage_gb * 1e9)

    def lines(self) -> list[str]:
        """``name = value``, one a setting, with the token masked."""
        shown = []
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "token" and value is not None:
                value = "****"
            elif isinstance(value, tuple):
                value = ",".join(value) or None
            shown.append(f"{f.name} = {'-' if value is None else value}")
        return shown


def add_arguments(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """One flag a setting; its default is the environment's value where there is one.

    Raises:
        InputError: a variable's value cannot be used.
    """
    for f in fields(Settings):
        variable = PREFIX + f.name.upper()
        default = f.default
        if environment.get(variable):
            try:
                default = f.metadata["parse"](environment[variable])
            except (argparse.ArgumentTypeError, ValueError) as error:
                raise InputError(str(error), name=variable) from None
        shown = "" if f.default in (None, ()) else f" (default {f.default})"
        parser.add_argument(
            f"--{f.name.replace('_', '-')}",
            type=f.metadata["parse"],
            default=default,
            metavar=f.metadata["metavar"],
            help=f"{f.metadata['about']}{shown}",
        )


def settings_from(namespace: argparse.Namespace) -> Settings:
    """The settings that a parser with ``add_arguments`` has read."""
    return Settings(**{f.name: getattr(namespace, f.name) for f in fields(Settings)})


def settings_from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Defaults and ``HEATMAP_`` variables alone, where no command line is read."""
    parser = argparse.ArgumentParser()
    add_arguments(parser, os.environ if environment is None else environment)
    return settings_from(parser.parse_args([]))
