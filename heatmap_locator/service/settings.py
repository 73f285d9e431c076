"""What the service can be told, by flag, by environment variable, or in code.

Imports nothing heavy: ``environment`` reads and checks what was given, by the limits beside the
fields.
"""

import argparse
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

PREFIX = "HEATMAP_"


def _setting(default: Any, metavar: str, about: str, **limits: float | str) -> Any:
    """A field with what its flag shows, and its limits as pydantic names them."""
    return field(default=default, metadata={"metavar": metavar, "about": about, "limits": limits})


def _positive(default: float, metavar: str, about: str) -> Any:
    return _setting(default, metavar, about, gt=0, lt=1e9)


@dataclass(frozen=True)
class Settings:
    """Every setting of the service; each is a flag of ``heatmap-serve`` and a ``HEATMAP_`` name."""

    host: str = _setting("127.0.0.1", "ADDRESS", "address to listen on")
    port: int = _setting(8000, "N", "port to listen on; 0 takes a free one", ge=0, le=65535)
    data: Path = _setting(Path("heatmap-data"), "DIR", "where puzzles and pieces are kept")  # noqa: RUF009
    weights: Path | None = _setting(None, "PATH", "weights other than the packaged ones")  # noqa: RUF009
    outline_weights: Path | None = _setting(  # noqa: RUF009
        None, "PATH", "the same for the network that finds the piece"
    )
    device: Literal["auto", "cpu", "cuda"] = _setting("auto", "NAME", "auto, cpu or cuda")
    max_upload_mb: float = _positive(25.0, "MB", "largest file of an upload")
    queue: int = _setting(64, "N", "photos in work or waiting before 503", ge=1, le=10_000)
    batch: int = _setting(8, "N", "pieces searched together on the device", ge=1, le=256)
    max_pieces: int = _setting(10_000, "N", "largest puzzle; 10000 take 3 GB", ge=1, le=50_000)
    cache: int = _setting(8, "N", "encoded puzzles kept in memory", ge=1, le=1000)
    lan: bool = _setting(False, "", "open to the phones of this home: a token, a QR code")
    token: str | None = _setting(  # an empty one would be sent by anybody
        None, "TOKEN", "bearer token that all of /v1 then asks for", pattern=r"^\S(.*\S)?$"
    )
    cors: tuple[str, ...] = _setting((), "ORIGINS", "origins allowed, by comma; or *")
    max_storage_gb: float = _positive(10.0, "GB", "oldest puzzles go beyond this")
    keep_minutes: float = _positive(60.0, "MIN", "a puzzle used since is never removed")
    decode_seconds: float = _positive(10.0, "S", "longest time an image may decode")
    upload_seconds: float = _positive(3600.0, "S", "longest time a body may take to come")
    idle_seconds: float = _positive(10.0, "S", "longest silence while a body comes")

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


@dataclass(frozen=True)
class Layout:
    """How much of a cluster the service takes; each is a ``HEATMAP_`` name."""

    replicas: int = _setting(2, "N", "models", ge=1, le=10_000)
    fronts: int = _setting(2, "N", "processes that answer HTTP", ge=1, le=10_000)
    gpus: float = _setting(0.0, "N", "of one model, a part of one too; 0: the CPU", ge=0, lt=1e9)
    cpus: float = _positive(1.0, "N", "of one model")
    storage: str | None = _setting(None, "URL", "of an object store in place of a folder")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One flag a setting; those not given are left out of what is parsed, the others are text."""
    for f in fields(Settings):
        shown = "" if f.default in (None, (), False) else f" (default {f.default})"
        flag = f"--{f.name.replace('_', '-')}"
        if isinstance(f.default, bool):
            about = f.metadata["about"]
            parser.add_argument(
                flag, action="store_const", const="true", default=argparse.SUPPRESS, help=about
            )
            continue
        parser.add_argument(
            flag,
            default=argparse.SUPPRESS,
            metavar=f.metadata["metavar"],
            help=f"{f.metadata['about']}{shown}",
        )
