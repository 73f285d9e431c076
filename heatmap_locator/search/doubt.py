"""What speaks against an answer: how well the print fits where it goes, and its mirror image there.

The ranker tells places apart; whether the best of them is any good is another question.  A piece
of another puzzle has a best place, too, and a mirrored photo of symmetrical print fits well.
"""

import math

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.geometry import CELL, Array, compose, invert
from heatmap_locator.model.filters import blur, gaussian_kernel
from heatmap_locator.model.ranker import FEATURES, Ranker
from heatmap_locator.search.align import points_of, sample
from heatmap_locator.search.compare import compare, compare_all_round
from heatmap_locator.search.lattice import cell_evidence
from heatmap_locator.search.levels import Field, Level
from heatmap_locator.search.measure import lay, print_evidence
from heatmap_locator.search.named import Named
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.place import Laid
from heatmap_locator.search.pose import Poses, pose_pieces
from heatmap_locator.search.sizes import cell_side

PRINT = ("pixel", "colour", "detail", "local")
"""Measures of ``ranker.FEATURES`` that are of the print alone."""

TURNS = 24
"""Angles that a mirror image is compared in, each with those 5 degrees beside it."""

ALIGNED = 3
"""Of these the likeliest, which are aligned."""

SAME_SIZE = math.log(1.5)
"""Of the log of a cell's side, within which a picture size suits a place."""

# Working pixels of the blurs between which print is detail.
_FINE, _COARSE = 1.0, 6.0

_DARK = 0.05
"""Of 0..1, so that black has a colour, too."""


def photo_measures(piece: PreparedPiece) -> dict[str, float]:
    """What the photo itself says, of ``calibration.MEASURES``."""
    return {
        "unclear": 1.0 - piece.clear,
        "cut_off": float(piece.cut_off),
        "hidden": piece.hidden,
        "step": piece.step,
    }


def place_measures(
    piece: PreparedPiece, best: Laid, levels: list[Level], ranker: Ranker
) -> dict[str, float] | None:
    """What the print says at the best place, of ``calibration.MEASURES``.

    Args:
        piece: the piece.
        best: where it goes.
        levels: picture sizes that it was looked for at.
        ranker: whose weights add up what the measures of print are worth.

    Returns:
        ``None`` where no picture size suits the place.
    """
    level = _level_of(piece, best, levels)
    if level is None:
        return None
    device = level.field.picture.device
    poses = pose_pieces([piece, piece.mirrored()], device)
    upright, mirror = poses.of([0]), poses.of([1])
    place = torch.as_tensor(_reference(piece, best, level), dtype=torch.float32, device=device)
    own = compare(_at(place, best.rotation), upright, level.field)
    turned = compare_all_round(place, TURNS, mirror, level.field)
    # The likeliest few of the mirror image are aligned, all with the piece itself.
    order = turned.correlation.argsort(dim=1, descending=True)[:, :ALIGNED]
    both = own.take(torch.zeros_like(order)).joined(turned.take(order))
    laid = lay(both, poses, level.field)
    prints = print_evidence(laid, poses, level.field)
    weights = dict(zip(FEATURES, ranker.weights.tolist(), strict=True))
    worth = torch.stack([weights[name] * prints[name] for name in PRINT]).sum(0)
    measures = {name: float(prints[name][0, 0]) for name in PRINT}
    warp, field = laid.warp[:1, :1], level.field
    return (
        measures
        | _cell(warp, upright, field)
        | {
            "mirror": float(worth[1].max() - worth[0, 0]),
            "texture": _texture(upright),
            "cast": _cast(warp, upright, field),
        }
    )


def _cell(warp: Tensor, upright: Poses, field: Field) -> dict[str, float]:
    """``cell``, where rows and columns are known."""
    if field.grid is None or not field.grid.exact:
        return {}
    middle = (warp[..., :2] @ upright.body[:, None, :, None] + warp[..., 2:])[..., 0]
    height, width = field.size
    return {"cell": float(cell_evidence(middle, field.grid, width, height))}


def _cast(warp: Tensor, upright: Poses, field: Field) -> float:
    """``cast``: a photo's light is the same for all channels but for its tint."""
    counted = upright.counted[0] / upright.counted[0].sum().clamp_min(1)
    own = upright.prints[0].flatten(1)[:, upright.pixels[0]] @ counted + upright.means[0]
    under = sample(field.picture, warp, points_of(upright))[0, :, 0] @ counted
    ratios = ((under + _DARK) / (own + _DARK)).log()
    return float((ratios - ratios.mean()).norm())


def _level_of(piece: PreparedPiece, best: Laid, levels: list[Level]) -> Level | None:
    """The picture size at which the piece is about as large as it lies there."""
    own = math.log(cell_side(piece, best.matrix) / CELL)

    def off(level: Level) -> float:
        return abs(own - math.log(abs(float(np.linalg.det(level.to_picture[:, :2])))) / 2)

    nearest = min(levels, key=off, default=None)
    return nearest if nearest is not None and off(nearest) <= SAME_SIZE else None


def _reference(piece: PreparedPiece, best: Laid, level: Level) -> Array:
    """(2,) where the piece's reference point lies, working pixels."""
    to_working = compose(invert(level.to_picture), compose(best.matrix, invert(piece.to_resized)))
    found: Array = to_working @ [*piece.reference[0].double().tolist(), 1.0]
    return found


def _at(place: Tensor, degrees: float) -> Named:
    """A candidate at ``(2,)`` in one angle."""
    zero = place.new_zeros(1, 1)
    return Named(place.view(1, 1, 2), zero + degrees, zero, zero == 0)


def _texture(poses: Poses) -> float:
    """Natural logarithm of how much detail a piece's print has, deviation of 0..1."""
    prints, inside = poses.prints, poses.insides
    device = prints.device

    def soft(values: Tensor, sigma: float) -> Tensor:
        kernel = gaussian_kernel(sigma * CELL / 32, device)
        return blur(values * inside, kernel) / blur(inside, kernel).clamp_min(0.05)

    detail = (soft(prints, _FINE) - soft(prints, _COARSE)) * inside
    variance = detail.square().sum() / (3 * inside.sum()).clamp_min(1)
    return 0.5 * math.log(float(variance) + 1e-6)
