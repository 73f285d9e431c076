"""Which places of a picture are worth a closer look: what the head, pixels and the cut name."""

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.grid import Grid
from heatmap_locator.model.bank import bank_angles
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.model.ranker import PIXEL_WEIGHT, evidence
from heatmap_locator.search.decode import Candidate, decode, decode_pixels
from heatmap_locator.search.lattice import cell_evidence, turn_evidence
from heatmap_locator.search.piece import PreparedPiece

NAMED = 60
"""The head's places that are compared; this and the next as in ``train/LOG.md``, "60 + 120
places"."""

NAMED_BY_PIXELS = 120
"""Places compared because pixels alone put them first: many, as the volume sees one size."""

CONSIDERED = 3
"""Times as many are read from the volume, of which the cut leaves so many."""

CUT_WEIGHT = 0.65
"""Logits of the head that a unit of the cut's evidence is worth."""

TURN_BIAS = 0.05
"""Correlation of pixels that a unit of evidence for an angle is worth: flat print fits at any."""


def bodies(places: Tensor, rotations: Tensor, scales: Tensor | float, off: Tensor) -> Tensor:
    """``(..., 2)`` where the middles of pieces' bodies lie, working pixels.

    Args:
        places: ``(..., 2)`` of the pieces' reference points, working pixels.
        rotations: ``(...)`` degrees.
        scales: ``(...)`` factors on the size that outlines imply.
        off: ``(..., 2)`` of ``PreparedPiece.body_off``.
    """
    x, y = off.unbind(-1)
    cos, sin = rotations.deg2rad().cos(), rotations.deg2rad().sin()
    # Turned back counter-clockwise, as the photo is to be upright.
    turned = torch.stack([cos * x + sin * y, cos * y - sin * x], -1)
    return places + turned * torch.as_tensor(scales).to(turned)[..., None]


def cut_evidence(
    middles: Tensor,
    rotations: Tensor,
    direction: Tensor | float,
    grid: Grid | None,
    size: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """``cell`` and ``turn`` of ``ranker.FEATURES`` for poses, ``(...)`` each.

    Args:
        middles: ``(..., 2)`` of the pieces' bodies, working pixels.
        rotations: ``(...)`` degrees.
        direction: of the bodies in their photos, degrees.
        grid: of the puzzle; its cells are relied on where it is exact.
        size: (height, width) of the working picture.
    """
    turn = turn_evidence(rotations, direction)
    if grid is None or not grid.exact:
        return torch.zeros_like(turn), turn
    return cell_evidence(middles, grid, size[1], size[0]), turn


def name_places(
    maps: HeadMaps,
    pixel: Tensor,
    piece: PreparedPiece,
    grid: Grid | None,
    size: tuple[int, int],
    gain: float,
    level: int,
) -> list[Candidate]:
    """The head's first places and those that the pixels alone put first, in view of the cut.

    Features may fail on a print unlike any they were trained on; pixels fail elsewhere.

    Args:
        maps: the head's output for a batch of one.
        pixel: ``(1, R, h, w)`` correlations it was read from.
        piece: the piece.
        grid, size: as in :func:`cut_evidence`.
        gain: the head's ``rotation_gain``.
        level: copied into the candidates.

    Returns:
        with the head's logits; a place may come twice.
    """

    def favour(candidates: list[Candidate]) -> np.ndarray:
        own = [(c.x, c.y, c.rotation) for c in candidates]
        at = torch.tensor(own, dtype=torch.float64).reshape(-1, 3)
        middles = bodies(at[:, :2], at[:, 2], 1.0, piece.body_off)
        cell, turn = cut_evidence(middles, at[:, 2], piece.body.direction, grid, size)
        weighted: np.ndarray = (CUT_WEIGHT * (cell + turn)).numpy()
        return weighted

    rotations = pixel.shape[1]
    named = decode(maps, rotations, gain, NAMED, level, favour)
    bias = TURN_BIAS * turn_evidence(bank_angles(rotations), piece.body.direction).to(pixel)
    by_pixels, found = decode_pixels(maps, pixel, CONSIDERED * NAMED_BY_PIXELS, bias, level)
    own = PIXEL_WEIGHT * evidence(found).cpu().numpy() + favour(by_pixels)
    order = np.argsort(-own, kind="stable")[:NAMED_BY_PIXELS]
    return named + [by_pixels[i] for i in order]
