"""A script of one's own: where three pieces go, what is sure, and a drawing of each.

    python examples/script.py examples/puzzle.jpg 192 examples/piece*.jpg --drawings DIR

It passes ``mypy --strict`` and ``pyright`` where the library is installed by ``pip install .``.
"""

# pyright: strict
import argparse
from pathlib import Path

from PIL import Image

from heatmap_locator import Assignment, InputError, Locator, Placement, Puzzle, Search


def describe(place: Placement) -> str:
    """One line about a place."""
    x, y = place.center
    # Cells count from 0; people count from 1.
    cell = "" if place.cell is None else f", row {place.cell[0] + 1}, column {place.cell[1] + 1}"
    turned = f"turned {place.rotation:.0f} degrees"
    return f"at {x:.0f}, {y:.0f}{cell}, {turned}, score {place.score:.2f}"


def draw(search: Search, file: Path) -> None:
    """Write the search's places as a picture."""
    Image.fromarray(search.draw()).save(file)


def sure(answers: list[Assignment | InputError]) -> int:
    """How many pieces have a cell that can be sworn to."""
    return sum(not isinstance(answer, InputError) and answer.sure for answer in answers)


def main() -> None:
    """Read the arguments and answer them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("picture", type=Path)
    parser.add_argument("pieces", type=int)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--drawings", type=Path, metavar="DIR")
    args = parser.parse_args()
    photos: list[Path] = args.photos

    puzzle: Puzzle = Locator.from_pretrained().encode(args.picture, pieces=args.pieces)
    for photo, found in zip(photos, puzzle.search_many(photos, top=3), strict=True):
        if isinstance(found, InputError):
            print(found)
            continue
        print(photo.name, describe(found.placements[0]))
        hottest: float = found.heatmap_like(puzzle).max().item()
        print(f"  of {len(found.placements)} places; heat {hottest:.2f} at most")
        if args.drawings is not None:
            draw(found, args.drawings / f"{photo.stem}.png")
    for piece in puzzle.locate_many(photos[0]):
        print(piece.number, piece.box, [place.to_dict() for place in piece.placements])
    print(f"{sure(puzzle.assign(photos))} of {len(photos)} sure of their cell")


if __name__ == "__main__":
    main()
