"""The straight sides of a piece, which cells are open, how it fills their holes, and its colour,
weighed in the logits of its places."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from heatmap_locator.assign.holes import hole_evidence
from heatmap_locator.assign.shapes import shapes_of
from heatmap_locator.geometry import CELL, transform
from heatmap_locator.grid import Grid
from heatmap_locator.picture.done import Done
from heatmap_locator.search.answer import Ranked
from heatmap_locator.search.evidence import evidence_of_places, seen_sides
from heatmap_locator.search.lattice import in_cells
from heatmap_locator.search.levels import Field
from heatmap_locator.search.named import Candidate, set_upright
from heatmap_locator.search.open_cells import open_evidence
from heatmap_locator.search.piece import PreparedPiece


def weighed(ranked: Sequence[Ranked], piece: PreparedPiece, scale: float) -> list[Ranked]:
    """Places with what the piece's sides, open cells and colour say of them in their logits, best
    first.

    Args:
        ranked: by picture size.
        piece: the piece.
        scale: of the logits in the calibration: what the sides say is added to scaled logits.
    """
    return [(level, _weighed(own, piece, level.field, scale)) for level, own in ranked]


def _weighed(
    own: list[Candidate], piece: PreparedPiece, field: Field, scale: float
) -> list[Candidate]:
    """One picture size's places; the earlier of equals comes first."""
    sides = seen_sides([piece], field.grid, field.size)
    tell = bool(sides.tell[0])
    if not own or not (tell or field.open is not None or field.lit is not None):
        return own
    middles = torch.from_numpy(_middles(own, piece))
    by_sides = by_open = by_colour = middles.new_zeros(len(own))
    if tell:
        turns = torch.tensor([[candidate.rotation for candidate in own]], dtype=torch.float64)
        (by_sides,) = evidence_of_places(middles[None], turns, sides, field.grid, field.size, CELL)
    if field.grid is not None and field.open is not None and field.done is not None:
        cells = in_cells(middles, field.grid, field.size)
        by_open = open_evidence(cells, field.open.to(cells))
        turned = np.array([candidate.rotation for candidate in own])
        by_open += torch.from_numpy(holes_of(piece, field.done, field.grid, cells.numpy(), turned))
    if field.grid is not None and field.lit is not None and piece.colour is not None:
        col, row = in_cells(middles, field.grid, field.size).floor().long().unbind(-1)
        at = row.clamp(0, field.grid.rows - 1) * field.grid.cols + col.clamp(0, field.grid.cols - 1)
        by_colour = torch.from_numpy(field.lit.log_ratios(piece.colour))[at]
    said = [(value / max(scale, 1e-6)).tolist() for value in (by_sides, by_open, by_colour)]
    more = [
        replace(one, logit=one.logit + line + cell + shade, sides=line, open=cell, colour=shade)
        for one, line, cell, shade in zip(own, *said, strict=True)
    ]
    return sorted(more, key=lambda candidate: -candidate.logit)


def holes_of(
    piece: PreparedPiece, done: Done, grid: Grid, middles: np.ndarray, rotations: np.ndarray
) -> np.ndarray:
    """(M,) log likelihood ratios of places, by how well the piece fills their cells' holes.

    Args:
        piece: the piece.
        done: what a photo shows.
        grid: of the puzzle.
        middles: (M, 2) of bodies, in cells from the picture's top left.
        rotations: (M,) degrees.
    """
    sides = [piece.sides]
    shapes = shapes_of(sides)
    logs = hole_evidence(sides, shapes, done, grid).logs[:, 0].reshape(grid.rows, grid.cols, 4)
    col, row = np.floor(middles).astype(int).T
    off = (rotations[:, None] - shapes.outward[0] + 180.0) % 360.0 - 180.0
    turn = np.abs(off).argmin(axis=1)
    found: np.ndarray = logs[row.clip(0, grid.rows - 1), col.clip(0, grid.cols - 1), turn]
    return found.astype(np.float64)


def _middles(own: Sequence[Candidate], piece: PreparedPiece) -> np.ndarray:
    """(M, 2) where the middle of the piece's body lies, working pixels."""
    named = torch.tensor([(c.x, c.y, c.rotation) for c in own], dtype=torch.float64)
    found: np.ndarray = (named[:, :2] + set_upright(piece.body_off, named[:, 2])).numpy()
    laid = [i for i, candidate in enumerate(own) if candidate.pose is not None]
    if laid:
        poses = np.array([own[i].pose for i in laid]).reshape(-1, 2, 3)
        found[laid] = transform(poses, np.array([piece.body.middle]))[:, 0]
    return found
