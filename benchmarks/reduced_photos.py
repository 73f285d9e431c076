"""What the page's reduction of photos costs: answers to a phone's full size and to what is sent.

    python benchmarks/reduced_photos.py FOLDER

FOLDER has a ``manifest.csv`` as ``heatmap-eval real`` takes it.  Each photo is enlarged to 4,000
pixels with a sensor's grain and stored as a camera does (quality 95); then reduced to 2,000 pixels
and quality 90, as the page does.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from heatmap_eval.protocols.real import read_manifest
from heatmap_locator import Locator
from heatmap_locator.errors import InputError

FULL, SENT, GRAIN = 4000, 2000, 6.0
"""Longer sides in pixels, and the grain's standard deviation in grey levels."""


def stored(image: Image.Image, side: int, quality: int) -> tuple[np.ndarray, int]:
    """A photo as its file shows it, and the file's bytes."""
    scale = side / max(image.size)
    file = io.BytesIO()
    size = round(image.width * scale), round(image.height * scale)
    image.resize(size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)), len(file.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    rows = [row for row in read_manifest(folder) if row.get("photo")]
    locator, puzzles, rng = Locator.from_pretrained(), {}, np.random.default_rng(0)
    right, scores, sizes = [0, 0], [0.0, 0.0], [0, 0]
    for row in rows:
        key = row["puzzle"], f"{row['rows']}x{row['cols']}"
        if key not in puzzles:
            puzzles[key] = locator.encode(folder / key[0], grid=key[1])
        puzzle = puzzles[key]
        photo = Image.open(folder / row["photo"]).convert("RGB")
        large = np.asarray(photo.resize([round(v * FULL / max(photo.size)) for v in photo.size]))
        grain = rng.normal(0, GRAIN, large.shape[:2])[..., None]
        camera = Image.fromarray((large + grain).clip(0, 255).astype(np.uint8))
        full, bytes_full = stored(camera, FULL, 95)
        sent, bytes_sent = stored(Image.fromarray(full), SENT, 90)
        centre = [(float(row[a]) + float(row[b])) / 2 for a, b in (("x1", "x2"), ("y1", "y2"))]
        cell = puzzle.width / int(row["cols"]), puzzle.height / int(row["rows"])
        for way, (pixels, size) in enumerate(((full, bytes_full), (sent, bytes_sent))):
            sizes[way] += size
            try:
                place = puzzle.locate(pixels)[0]
            except InputError:
                continue
            off = max(abs(a - b) / c for a, b, c in zip(place.center, centre, cell, strict=True))
            turned = abs((place.rotation - float(row["rotation"]) + 180) % 360 - 180)
            right[way] += off < 0.5 and turned < 15
            scores[way] += place.score
    for way, name in enumerate(("full", "sent")):
        print(
            f"{name}: right {right[way]} of {len(rows)}, mean score {scores[way] / len(rows):.3f}, "
            f"{sizes[way] / len(rows) / 1e6:.2f} MB a photo"
        )


if __name__ == "__main__":
    main()
