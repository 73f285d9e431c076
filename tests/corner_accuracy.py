"""How well a picture's corners are found in synthetic photographs of tables.

    python tests/corner_accuracy.py --count 300 --seed 0 [--pictures DIR] [--save DIR]

Prints, for every kind of table, how many corners were found to within 2% of the picture's shorter
side, and the errors' percentiles.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from table_photos import empty_table, kinds, photograph
from table_tops import TABLES

from heatmap_train.draw.procedural import draw_picture


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path, help="a folder; without it pictures are drawn")
    parser.add_argument("--save", type=Path, help="where photos that went wrong are drawn")
    args = parser.parse_args()
    from heatmap_locator.picture.corners import find_corners
    from heatmap_locator.picture.read import read_picture

    files = sorted(args.pictures.iterdir()) if args.pictures else []
    errors: dict[str, list[float]] = {table: [] for table in TABLES}
    for number, table in enumerate(kinds(args.count)):
        picture = read_picture(files[number * 7 % len(files)]) if files else None
        seen = photograph(np.random.default_rng((args.seed, number)), table, picture)
        found = find_corners(seen.photo)
        error = float("inf") if found is None else seen.error(found)
        errors[table].append(error)
        if args.save and error > 0.02:
            args.save.mkdir(parents=True, exist_ok=True)
            if found is not None:
                cv2.polylines(seen.photo, [np.rint(found).astype(np.int32)], True, (255, 0, 0), 3)
            name = f"{table}-{number}-{'none' if found is None else round(error, 3)}.jpg"
            cv2.imwrite(str(args.save / name), seen.photo[..., ::-1])
    print(f"{'table':12}{'photos':>8}{'within 2%':>11}{'wrong':>7}{'none':>6}{'median error':>14}")
    every = [e for table in errors.values() for e in table]
    for table, values in [*errors.items(), ("all", every)]:
        e = np.array(values)
        known = e[np.isfinite(e)]
        middle = f"{np.median(known):.4f}" if len(known) else "-"
        right, none = int((e <= 0.02).sum()), int(np.isinf(e).sum())
        print(f"{table:12}{len(e):8}{right:11}{len(e) - right - none:7}{none:6}{middle:>14}")
    fourth = args.count // 4
    rng = np.random.default_rng(args.seed)
    without = {
        "tables without a picture": [empty_table(rng, t).photo for t in kinds(fourth)],
        "whole pictures, drawn": [draw_picture(640, 480, rng) for _ in range(fourth)],
        "whole pictures, of the folder": [read_picture(p) for p in files[:: len(files) // fourth]]
        if files
        else [],
    }
    for name, photos in without.items():
        seen_in = sum(find_corners(photo) is not None for photo in photos)
        print(f"{name}: corners in {seen_in} of {len(photos)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
