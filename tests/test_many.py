"""Photos of several pieces, composed here: the picture cut up, turned and laid on a table."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import draw_texture
from PIL import Image

from heatmap_locator.errors import InputError, NoPieceError
from heatmap_locator.geometry import bounds, similarity, to_cv2, transform
from heatmap_locator.outline.many import FoundPiece, cut_pieces
from heatmap_locator.picture.read import read_picture

EXAMPLES = Path(__file__).parents[1] / "examples"
ROWS, COLS = 12, 16
TABLES = {"wood": (150, 112, 74), "white": (240, 240, 236), "green": (70, 150, 80)}


@dataclass
class Table:
    """A photo and what lies where in it."""

    photo: np.ndarray
    masks: list[np.ndarray]
    outlines: list[np.ndarray]


def lay(
    spots: list[tuple[int, int, float, float, float]],
    size: tuple[int, int] = (1200, 900),
    table: str = "wood",
    side: float = 130.0,
) -> Table:
    """Lays pieces of the example picture on a table.

    Args:
        spots: (row, col, x of the middle, y of the middle, rotation) per piece.
        size: (width, height) of the photo.
        side: of a cell, in pixels of the photo.
    """
    pytest.importorskip("torch")
    from heatmap_train.draw.cutter import cut_grid, rasterize

    picture = read_picture(EXAMPLES / "puzzle.jpg")
    height, width = picture.shape[:2]
    cut = cut_grid(ROWS, COLS, width, height, np.random.default_rng(4))
    rng = np.random.default_rng(9)
    photo = np.ones((size[1], size[0], 3)) * TABLES[table]
    photo *= np.linspace(0.9, 1.08, size[0])[None, :, None]
    masks, outlines = [], []
    scale = side / (width / COLS)
    for row, col, x, y, rotation in spots:
        outline = cut.outline(row, col).astype(np.float64)
        x1, y1, x2, y2 = bounds(outline)
        matrix = similarity(((x1 + x2) / 2, (y1 + y2) / 2), (x, y), rotation, scale)
        printed = cv2.warpAffine(
            picture, to_cv2(matrix), size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        mask = rasterize(outline, (size[1], size[0]), matrix)
        shadow = cv2.GaussianBlur(np.roll(mask, (3, 4), (0, 1)), (0, 0), 2.0)[..., None]
        photo = photo * (1 - 0.35 * shadow * (1 - mask[..., None]))
        photo = photo * (1 - mask[..., None]) + printed * mask[..., None]
        masks.append(mask)
        outlines.append(transform(matrix, outline))
    photo = cv2.GaussianBlur(photo, (0, 0), 0.8) + rng.normal(0, 2.0, photo.shape)
    return Table(np.clip(photo, 0, 255).astype(np.uint8), masks, outlines)


SIX = [
    (3, 5, 200, 220, 25.0),
    (8, 10, 560, 200, 140.0),
    (6, 2, 950, 250, 301.0),
    (5, 8, 230, 640, 77.0),
    (9, 13, 600, 690, 180.0),
    (2, 3, 960, 660, 222.0),
]


def spread(found: FoundPiece, size: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool, the cut-out's alpha where the photo has it: its box says where that is."""
    full = np.zeros(size[:2], np.uint8)
    cv2.fillPoly(full, [np.rint(found.outline - 0.5).astype(np.int32)], 1)
    return full > 0


def check(found: list[FoundPiece], table: Table, touching: bool = False) -> None:
    """Every piece found once, outlines and boxes right, cut-outs the photo's own pixels."""
    assert len(found) == len(table.masks)
    for mask, outline in zip(table.masks, table.outlines, strict=True):
        truth = mask > 0.5
        overlaps = [
            (spread(f, truth.shape) & truth).sum() / (spread(f, truth.shape) | truth).sum()
            for f in found
        ]
        best = found[int(np.argmax(overlaps))]
        assert max(overlaps) > (0.88 if touching else 0.93)
        assert best.touching is touching
        side = np.sqrt(truth.sum())
        np.testing.assert_allclose(best.box, bounds(outline), atol=0.05 * side)
        alpha = best.image[..., 3]
        assert best.image.shape[2] == 4
        assert alpha.max() == 255
        assert abs((alpha > 127).sum() / truth.sum() - 1) < 0.12


@pytest.mark.parametrize("name", TABLES)
def test_six_pieces(name: str) -> None:
    table = lay(SIX, table=name)
    found = cut_pieces(table.photo)
    check(found, table)
    # Reading order.
    middles = [((f.box[0] + f.box[2]) / 2, (f.box[1] + f.box[3]) / 2) for f in found]
    assert [round(x, -2) for x, _ in middles[:3]] == [200, 600, 1000]
    assert max(y for _, y in middles[:3]) < min(y for _, y in middles[3:])


def test_cut_out_holds_the_photos_pixels() -> None:
    table = lay(SIX[:2])
    first = cut_pieces(table.photo)[0]
    x, y = (int(v) for v in (first.box[0], first.box[1]))
    view = first.image[..., :3]
    scores = cv2.matchTemplate(table.photo, view, cv2.TM_SQDIFF)
    row, col = np.unravel_index(int(scores.argmin()), scores.shape)
    np.testing.assert_array_equal(
        table.photo[row : row + view.shape[0], col : col + view.shape[1]], view
    )
    assert 0 <= x - col <= 6
    assert 0 <= y - row <= 6


def test_one_piece() -> None:
    table = lay([(3, 5, 200, 180, 25.0)], (400, 360))
    check(cut_pieces(table.photo), table)
    (example,) = cut_pieces(EXAMPLES / "piece1.jpg")
    assert not example.touching


def test_specks_crumbs_and_a_pencil_are_ignored() -> None:
    table = lay(SIX)
    rng = np.random.default_rng(2)
    for _ in range(30):
        x, y = rng.integers(20, 1180), rng.integers(420, 480)
        cv2.circle(table.photo, (int(x), int(y)), int(rng.integers(1, 7)), (30, 30, 30), -1)
    cv2.line(table.photo, (100, 440), (1000, 452), (200, 30, 30), 16)
    check(cut_pieces(table.photo), table)


def test_a_piece_cut_off_by_the_edge_is_left_out() -> None:
    table = lay([*SIX[:3], (7, 7, 600, 890, 10.0)])
    table.masks, table.outlines = table.masks[:3], table.outlines[:3]
    check(cut_pieces(table.photo), table)


def test_touching_pieces_are_parted() -> None:
    # The corner of one on the side of the other.
    table = lay([*SIX[:2], (5, 8, 480, 640, 45.0), (9, 13, 636, 660, 3.0)])
    touching = cv2.morphologyEx(
        ((table.masks[2] > 0.5) | (table.masks[3] > 0.5)).astype(np.uint8),
        cv2.MORPH_CLOSE,
        np.ones((3, 3)),
    )
    assert cv2.connectedComponents(touching)[0] == 2  # they do touch
    found = cut_pieces(table.photo)
    apart = [f for f in found if not f.touching]
    check(apart, Table(table.photo, table.masks[:2], table.outlines[:2]))
    joined = [f for f in found if f.touching]
    check(joined, Table(table.photo, table.masks[2:], table.outlines[2:]), touching=True)


def test_interlocked_pieces_are_flagged() -> None:
    # Two neighbours as they are in the puzzle: no neck to part them at.
    side = 130.0
    table = lay([*SIX[:3], (5, 8, 300, 640, 0.0), (5, 9, 300 + side, 640, 0.0)])
    found = cut_pieces(table.photo)
    assert sum(not f.touching for f in found) == 3
    joined = [f for f in found if f.touching]
    assert 1 <= len(joined) <= 2


def test_alpha_tells_the_pieces() -> None:
    table = lay(SIX)
    alpha = np.rint(255 * np.clip(sum(table.masks), 0, 1)).astype(np.uint8)
    check(cut_pieces(np.dstack([table.photo, alpha])), table)
    opaque = np.dstack([draw_texture(60, 80), np.full((60, 80), 255, np.uint8)])
    (whole,) = cut_pieces(opaque, cutout=True)
    assert whole.box == (0.0, 0.0, 80.0, 60.0)
    np.testing.assert_array_equal(whole.image, opaque)


@pytest.mark.slow
def test_large_photo() -> None:
    table = lay(SIX)
    photo = cv2.resize(table.photo, (3600, 2700), interpolation=cv2.INTER_CUBIC)
    large = [cv2.resize(m, (3600, 2700)) for m in table.masks]
    check(cut_pieces(photo), Table(photo, large, [3 * o for o in table.outlines]))


def test_a_piece_in_part_of_the_tables_colour_is_found_among_others() -> None:
    table = lay([*SIX[:5], (6, 5, 960, 660, 250.0)])  # its print is brown as the wood
    check(cut_pieces(table.photo), table)


@pytest.mark.parametrize("kind", ["blank", "noise", "gradient", "texture", "plates"])
def test_no_piece(kind: str) -> None:
    rng = np.random.default_rng(0)
    photo = np.full((300, 400, 3), 190, np.uint8)
    if kind == "noise":
        photo = rng.integers(0, 256, photo.shape).astype(np.uint8)
    elif kind == "gradient":
        ramp = np.linspace(40, 220, 400)[None, :, None] + rng.normal(0, 2, (300, 400, 3))
        photo = ramp.clip(0, 255).astype(np.uint8)
    elif kind == "texture":
        photo = draw_texture(300, 400)
    elif kind == "plates":
        for x in (110, 290):
            cv2.circle(photo, (x, 150), 70, (40, 60, 160), -1)
    with pytest.raises(NoPieceError, match="no piece found"):
        cut_pieces(photo)


def test_a_file_that_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no image")
    with pytest.raises(InputError, match=r"a\.jpg"):
        cut_pieces(tmp_path / "a.jpg")


def test_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``heatmap-predict --many --assign`` with the shipped model: six pieces, true boxes known."""
    from heatmap_locator.command.cli import main
    from heatmap_locator.geometry import box_iou
    from heatmap_train.draw.cutter import cut_grid

    table = lay(SIX)
    Image.fromarray(table.photo).save(tmp_path / "table.png")
    picture = str(EXAMPLES / "puzzle.jpg")
    argv = [str(tmp_path / "table.png"), picture, "--many", "--grid", f"{ROWS}x{COLS}"]
    assert main([*argv, "--assign", "--json", "--device", "cpu"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert len(results) == 6
    height, width = read_picture(picture).shape[:2]
    cut = cut_grid(ROWS, COLS, width, height, np.random.default_rng(4))
    right = 0
    # Reading order is that of SIX: two rows of three.
    for result, (row, col, _, _, rotation) in zip(results, SIX, strict=True):
        place = result["assignment"]
        turned = abs((place["rotation"] - rotation + 180) % 360 - 180)
        same = box_iou(tuple(place["box"]), cut.box(row, col)) > 0.6 and turned < 15
        right += same and place["cell"] == [row, col]
        assert same or not place["sure"]
    assert right >= 5


@pytest.mark.slow
def test_thirty_to_a_photo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table of thirty neighbours: their outlines, seen beside each other, fit together."""
    from heatmap_locator.command.cli import main

    rng = np.random.default_rng(2)
    cells = [(row, col) for row in range(3, 8) for col in range(5, 11)]
    spots = []
    for number, at in enumerate(rng.permutation(len(cells)).tolist()):
        down, across = divmod(number, 6)
        x, y = 150 + 230 * across, 150 + 230 * down
        spots.append((*cells[at], float(x), float(y), float(rng.uniform(0, 360))))
    table = lay(spots, (1450, 1220))
    Image.fromarray(table.photo).save(tmp_path / "table.png")
    picture = str(EXAMPLES / "puzzle.jpg")
    argv = [str(tmp_path / "table.png"), picture, "--many", "--grid", f"{ROWS}x{COLS}"]
    assert main([*argv, "--assign", "--json", "--device", "cpu"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert len(results) == len(spots)
    right = []
    for result in results:
        x1, y1, x2, y2 = result["photo_box"]
        at = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
        row, col, *_, rotation = min(spots, key=lambda s: float(np.hypot(*(at - s[2:4]))))
        place = result["assignment"]
        turned = abs((place["rotation"] - rotation + 180) % 360 - 180)
        right.append(place["cell"] == [row, col] and turned < 15)
        assert right[-1] or not place["sure"]
    assert sum(right) >= len(results) - 1
    # Each of the inner twelve meets its neighbours, and is said to fit them.
    whys = [result["assignment"]["why"] for result in results]
    assert sum(why["met"] >= 3 and why["neighbours"] > 0 for why in whys) >= 11
