"""Batches of whole puzzles: labels that are true of their pixels, as a search would see them."""

from dataclasses import fields, replace

import pytest
import torch
from training_support import tiny

from heatmap_locator.errors import InputError
from heatmap_locator.geometry import CELL, STRIDE, angle_difference
from heatmap_locator.model.bank import rotate_piece
from heatmap_locator.model.correlation import masked_ncc
from heatmap_locator.model.network import PIXEL_NOISE
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.puzzles import PuzzleSettings
from heatmap_train.locator.places import map_points, masked_centroid
from heatmap_train.locator.puzzles import PuzzleBatches
from heatmap_train.locator.recipe import Recipe
from heatmap_train.recipes import load_recipe, loop_recipe


def recipe(batch: int = 1) -> Recipe:
    drawn = PuzzleSettings(collage=1, picture_cell=(36.0, 40.0), pieces=3, mildest=0.0, most=24)
    small = tiny()
    return replace(small, puzzles=drawn, run=replace(small.run, batch=batch, head_pieces=1))


@pytest.fixture(scope="module")
def batches() -> PuzzleBatches:
    return PuzzleBatches(PictureSource(None), recipe(batch=2), "train")


def test_pieces_lie_where_they_are_said_to(batches: PuzzleBatches) -> None:
    """Turned as labelled, a piece correlates best with the picture at the labelled place."""
    right = total = 0
    for step in range(3):
        made = batches[step]
        for picture, *own in zip(
            made.pictures, made.photos, made.masks, made.homographies, made.rotation, strict=True
        ):
            photos, masks, homographies, rotation = own
            reference = masked_centroid(masks)
            centers = map_points(homographies, reference)
            templates, weights = rotate_piece(photos, masks, reference, rotation[:, None])
            volume = masked_ncc(
                picture.expand(len(photos), -1, -1, -1), templates, weights, PIXEL_NOISE
            )[:, 0]
            best = volume.flatten(1).argmax(1)
            # Even sides: an entry lies on the edge before its pixel.
            found = torch.stack([best % volume.shape[2], best // volume.shape[2]], 1)
            right += int(((found - centers).norm(dim=1) < STRIDE).sum())
            total += len(photos)
    assert total >= 15
    assert right >= 0.7 * total  # the rest is flat, or looks alike


def test_the_second_picture_is_the_first_mirrored(batches: PuzzleBatches) -> None:
    made = batches[0]
    assert torch.equal(made.pictures[1], made.pictures[0].flip(2))
    reference = masked_centroid(made.masks.flatten(0, 1))
    x, y = map_points(made.homographies.flatten(0, 1), reference).view(2, -1, 2).unbind(2)
    torch.testing.assert_close(x[1], made.pictures.shape[3] - x[0], atol=1e-2, rtol=0)
    torch.testing.assert_close(y[1], y[0], atol=1e-2, rtol=0)
    both = zip(*made.rotation.tolist(), strict=True)
    assert all(abs(angle_difference(a, -b)) < 1e-3 for a, b in both)
    # Knobs reach unequally far, so a box's middle is near the reference and not on it.
    middles = (made.box[..., :2] + made.box[..., 2:]) / 2
    assert (middles - torch.stack([x, y], 2)).norm(dim=2).max() < CELL / 3


def test_a_step_is_the_same_in_every_run_and_another_than_the_next(batches: PuzzleBatches) -> None:
    again = PuzzleBatches(PictureSource(None), recipe(batch=2), "train")
    first, second = batches[1], again[1]
    for f in fields(first):
        assert torch.equal(getattr(first, f.name), getattr(second, f.name))
    other = batches[2]
    assert other.pictures.shape != first.pictures.shape or not torch.equal(
        other.pictures, first.pictures
    )


def test_a_recipe_that_a_step_cannot_follow_is_refused() -> None:
    said = {"puzzles": {"pieces": 3}, "run": {"head_pieces": 4}}
    with pytest.raises(InputError, match=r"head_pieces must be from 1 to puzzles\.pieces"):
        loop_recipe(said)
    with pytest.raises(InputError, match="one puzzle"):
        loop_recipe({"puzzles": {"pieces": 3}, "run": {"batch": 4, "head_pieces": 1}})
    shipped = load_recipe("encoder_puzzles")
    assert isinstance(shipped, Recipe)
    assert shipped.samples == 40
