"""What tests of reported inputs share: the example as a phone, an editor or a scanner has it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from heatmap_locator.geometry import angle_difference
from heatmap_locator.placement import Placement

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PIECE, PICTURE = EXAMPLES / "piece1.jpg", EXAMPLES / "puzzle.jpg"
CENTRE, ROTATION, CELL = (385.0, 255.0), 218.0, (3, 5)


def piece() -> np.ndarray:
    """(360, 360, 3) uint8, the example's first piece."""
    return np.array(Image.open(PIECE))


def is_right(place: Placement | dict[str, Any]) -> bool:
    """Whether the first piece has been found, by an answer or its JSON."""
    values = place.to_dict() if isinstance(place, Placement) else place
    return (
        values["cell"] in (None, list(CELL))
        and float(np.hypot(*np.subtract(values["center"], CENTRE))) < 12
        and abs(angle_difference(values["rotation"], ROTATION)) < 5
    )


def saved(image: Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    """An image file in memory."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        file, kind, **options
    )
    return file.getvalue()
