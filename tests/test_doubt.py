"""What speaks against an answer: mirror images, and how well the print fits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from heatmap_locator.geometry import transform
from heatmap_locator.grid import Grid
from heatmap_locator.puzzle import Puzzle
from heatmap_locator.search.doubt import PRINT
from heatmap_locator.search.piece import PreparedPiece, prepare_piece

PIECE = "examples/piece1.jpg"


@pytest.fixture(scope="module")
def cut(example_puzzle: Puzzle) -> np.ndarray:
    """(H, W, 4) uint8, the example cut out."""
    found = example_puzzle.search(PIECE)
    return np.dstack([found.piece_rgb, np.rint(255 * found.piece_mask).astype(np.uint8)])


def both(cut: np.ndarray) -> tuple[PreparedPiece, PreparedPiece]:
    """A piece turned over as a photo, and as it is prepared."""
    image = cut[:, 10:]
    return prepare_piece(np.ascontiguousarray(image[:, ::-1])), prepare_piece(image).mirrored()


def test_a_mirrored_piece_is_that_of_a_mirrored_photo(cut: np.ndarray) -> None:
    wanted, found = both(cut)
    assert torch.allclose(found.photo, wanted.photo, atol=2 / 255)
    assert torch.allclose(found.weight, wanted.weight, atol=1e-4)
    assert torch.allclose(found.reference, wanted.reference, atol=0.01)
    assert found.to_resized == pytest.approx(wanted.to_resized, abs=1e-6)
    assert found.body.middle == pytest.approx(wanted.body.middle, abs=1.0)
    assert abs((found.body.direction - wanted.body.direction + 45) % 90 - 45) < 1.0
    near = np.linalg.norm(found.contour[:, None] - wanted.contour[None, ::7], axis=2).min(axis=0)
    assert near.max() < 1.5
    back = transform(found.to_resized, found.contour)
    assert back.min() > -1


def test_twice_is_as_before(cut: np.ndarray) -> None:
    once = prepare_piece(cut)
    twice = once.mirrored().mirrored()
    assert torch.equal(twice.photo, once.photo)
    assert np.allclose(twice.to_resized, once.to_resized)
    assert np.allclose(twice.contour, once.contour)


def test_print_fits_far_better_than_its_mirror_image(example_puzzle: Puzzle) -> None:
    right = example_puzzle.search(PIECE).evidence
    assert right is not None
    turned = np.array(Image.open(PIECE))[:, ::-1].copy()
    wrong = example_puzzle.search(turned).evidence
    assert wrong is not None
    assert right.measures["mirror"] < -10 < -3 < wrong.measures["mirror"]
    assert all(right.measures[name] > wrong.measures[name] > 0 for name in PRINT)
    assert right.measures["texture"] == pytest.approx(wrong.measures["texture"], abs=0.05)
    # The mirror image of a mirrored photo was looked for, and fits better.
    assert "rival" not in right.measures
    assert wrong.measures["rival"] < -10


def test_colours_that_no_light_makes_of_the_pictures_are_measured(
    cut: np.ndarray, example_puzzle: Puzzle
) -> None:
    def cast(gains: tuple[float, float, float]) -> float:
        rgb = np.rint(cut[..., :3] * gains).astype(np.uint8)
        evidence = example_puzzle.search(np.dstack([rgb, cut[..., 3:]])).evidence
        assert evidence is not None
        return evidence.measures["cast"]

    as_it_is = cast((1.0, 1.0, 1.0))
    assert cast((0.7, 0.7, 0.7)) == pytest.approx(as_it_is, abs=0.1)
    # It has a cast of its own, which one of the two adds to.
    assert max(cast((1.0, 0.5, 0.5)), cast((0.5, 1.0, 1.0))) > as_it_is + 0.3


def test_cells_are_measured_where_rows_and_columns_are_known(example_puzzle: Puzzle) -> None:
    # Another one, as pieces that were placed before may have shown the cells.
    about = replace(example_puzzle).search(PIECE).evidence
    exact = replace(example_puzzle, grid=Grid(12, 16)).search(PIECE).evidence
    assert about is not None
    assert exact is not None
    assert exact.measures.keys() - about.measures.keys() == {"cell"}
    assert exact.measures["cell"] > 3
