"""What tests of the direct regressors share: their recipes, small, and a batch of small scenes."""

from dataclasses import replace
from functools import lru_cache

import torch

from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.scenes import Scenes
from heatmap_train.recipes import load_recipe
from heatmap_train.regressor.recipe import RegressionRecipe
from heatmap_train.shared.batches import CapturedBatches

FAMILY = {
    "giou",
    "ciou",
    "ciou_smoothl1",
    "ciou_ramped",
    "l1",
    "l1_no_sigmoid",
    "center_size",
    "mse_center",
    "bias_mean",
    "variance_penalty",
    "fpn_correlation",
    "lr_1e-3",
    "lr_2e-3",
    "lr_1e-2",
}


# Side 0.2, beside each other: a gap of 0.2 between them, so no overlap.  The enclosing box is
# 0.6 x 0.2 (area 0.12, of which 0.08 is covered), its squared diagonal 0.4, the squared distance
# of the centres 0.16.
LEFT = torch.tensor([[0.3, 0.5, 0.2, 0.2]])


RIGHT = torch.tensor([[0.7, 0.5, 0.2, 0.2]])


# Half as wide inside a box: IoU 1/2, the centres agree, the aspects are 1 and 2.
WIDE, NARROW = torch.tensor([[0.5, 0.5, 0.4, 0.2]]), torch.tensor([[0.5, 0.5, 0.2, 0.2]])


def recipe(name: str) -> RegressionRecipe:
    found = load_recipe(f"regression/{name}")
    assert isinstance(found, RegressionRecipe)
    return found


def small(name: str) -> RegressionRecipe:
    """The recipe on small pictures, two of them, a step or two."""
    own = recipe(name)
    return replace(
        own,
        scenes=replace(own.scenes, size=96, pieces=2),
        regressor=replace(own.regressor, piece_size=32, channels=32),
        optim=replace(own.optim, steps=2, warmup=1),
        run=replace(own.run, batch=2, validate_every=1, validation_batches=1),
    )


@lru_cache(maxsize=1)
def scenes() -> Scenes:
    return CapturedBatches(PictureSource(None, "train"), small("giou"), "train")[0]
