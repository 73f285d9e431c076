"""Where training pictures come from: a folder of images, or drawn procedurally where none is given.

The split into training and validation is by file and comes before anything else.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.picture.read import read_picture

from .procedural import draw_picture

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}

VALIDATION_SHARE = 0.08
"""118 of the 1,320 pictures that the shipped weights were trained with."""

PROCEDURAL_COUNT = 4096
PROCEDURAL_SIZE = (640, 480)
"""Width and height of what is drawn, in pixels; pictures trained on are at most so wide."""


def in_validation(name: str) -> bool:
    """Whether a file is held back: by a hash of its name, so that adding files moves none."""
    # A file's name may be of any bytes.
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < VALIDATION_SHARE


class PictureSource:
    """Pictures by index, ``(H, W, 3)`` uint8.

    Args:
        folder: searched recursively for images; ``None`` draws pictures instead.
        split: ``"train"``, ``"validation"`` or ``"all"``.

    Raises:
        InputError: the folder is missing or holds no image of the split.
    """

    def __init__(self, folder: str | Path | None, split: str = "train") -> None:
        if split not in ("train", "validation", "all"):
            raise ValueError(f"split must be train, validation or all, not {split!r}")
        self.split = split
        self.files: list[Path] | None = None
        if folder is None:
            return
        root = Path(folder)
        if not root.is_dir():
            raise InputError("no such folder; give a folder of images", name=folder)
        # Hidden files are what systems keep beside images, not images.
        files = sorted(
            p
            for p in root.rglob("*")
            if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
        )
        if split != "all":
            held = split == "validation"
            files = [p for p in files if in_validation(p.name) == held]
        if not files:
            raise InputError(f"no {split} images; add more .jpg, .png or .webp files", name=folder)
        self.files = files

    def __len__(self) -> int:
        return PROCEDURAL_COUNT if self.files is None else len(self.files)

    def __getitem__(self, index: int) -> np.ndarray:
        index %= len(self)
        if self.files is not None:
            return _read(self.files[index])
        # Training and validation pictures are drawn from streams that never meet.
        stream = {"train": 0, "validation": 1, "all": 2}[self.split]
        return draw_picture(*PROCEDURAL_SIZE, np.random.default_rng([stream, index]))


@lru_cache(maxsize=1500)
def _read(path: Path) -> np.ndarray:
    return read_picture(path)
