"""Which places of a picture are worth a closer look: what the head, pixels and the cut name."""

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.geometry import Array, transform
from heatmap_locator.grid import Grid
from heatmap_locator.model.bank import OVERSAMPLE, bank_angles
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.model.ranker import PIXEL_WEIGHT, evidence
from heatmap_locator.search.decode import Candidate, decode, decode_pixels
from heatmap_locator.search.lattice import cell_evidence, turn_evidence
from heatmap_locator.search.piece import PreparedPiece

NAMED = 60
"""The head's places that are compared."""

NAMED_BY_PIXELS = 120
"""Places compared because pixels alone put them first: many, as the volume sees one size."""

CONSIDERED = 3
"""Times as many are read from the volume, of which the cut leaves so many."""

CUT_WEIGHT = 0.65
"""Logits of the head that a unit of the cut's evidence is worth."""

TURN_BIAS = 0.05
"""Correlation of pixels that a unit of evidence for an angle is worth: flat print fits at any."""


def bodies(places: Array, rotations: Array, scales: Array, piece: PreparedPiece) -> Array:
    """(M, 2) where the middle of a piece's body lies, working pixels.

    Args:
        places: (M, 2) of the piece's reference point, working pixels.
        rotations: (M,) degrees.
        scales: (M,) factors on the size that its outline implies.
        piece: the piece.
    """
    body = transform(piece.to_resized, np.array([piece.body.middle]))
    x, y = (body - piece.reference.double().numpy())[0] / OVERSAMPLE
    cos, sin = np.cos(np.deg2rad(rotations)), np.sin(np.deg2rad(rotations))
    # Turned back counter-clockwise, as the photo is to be upright.
    off = np.stack([cos * x + sin * y, cos * y - sin * x], axis=1)
    there: Array = places + np.asarray(scales)[:, None] * off
    return there


def cut_evidence(
    middles: Array, rotations: Array, piece: PreparedPiece, grid: Grid | None, size: tuple[int, int]
) -> Array:
    """``cell`` and ``turn`` of ``ranker.FEATURES`` for M poses, (M, 2).

    Args:
        middles: (M, 2) of the piece's body, working pixels.
        rotations: (M,) degrees.
        piece: the piece.
        grid: of the puzzle; its cells are relied on where it is exact.
        size: (height, width) of the working picture.
    """
    cell: Array = np.zeros(len(middles))
    if grid is not None and grid.exact:
        cell = cell_evidence(middles, grid, size[1], size[0])
    return np.stack([cell, turn_evidence(rotations, piece.body.direction)], axis=1)


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
        degrees = np.array([c.rotation for c in candidates])
        places = np.array([(c.x, c.y) for c in candidates]).reshape(-1, 2)
        middles = bodies(places, degrees, np.ones(len(candidates)), piece)
        weighted: np.ndarray = CUT_WEIGHT * cut_evidence(middles, degrees, piece, grid, size).sum(1)
        return weighted

    rotations = pixel.shape[1]
    named = decode(maps, rotations, gain, NAMED, level, favour)
    turn = turn_evidence(bank_angles(rotations).numpy(), piece.body.direction)
    bias = torch.from_numpy(TURN_BIAS * turn).to(pixel)
    by_pixels, found = decode_pixels(maps, pixel, CONSIDERED * NAMED_BY_PIXELS, bias, level)
    own = PIXEL_WEIGHT * evidence(found).cpu().numpy() + favour(by_pixels)
    order = np.argsort(-own, kind="stable")[:NAMED_BY_PIXELS]
    return named + [by_pixels[i] for i in order]
