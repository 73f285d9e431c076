"""Which places of a picture are worth a closer look: what the head, pixels and the cut name."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from heatmap_locator.geometry import CELL, STRIDE
from heatmap_locator.grid import Grid
from heatmap_locator.model.bank import bank_angles
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.model.ranker import PIXEL_WEIGHT, evidence
from heatmap_locator.search.border import border_places
from heatmap_locator.search.decode import decode, decode_pixels
from heatmap_locator.search.evidence import SeenSides, evidence_of_places, seen_sides
from heatmap_locator.search.lattice import cell_evidence, in_cells, turn_evidence
from heatmap_locator.search.named import Named, set_upright
from heatmap_locator.search.open_cells import open_evidence, open_places
from heatmap_locator.search.piece import PreparedPiece

NAMED = 60
"""The head's places that are compared; this and the next as in ``train/LOG.md``, "60 + 120
places"."""

NAMED_BY_PIXELS = 120
"""Places compared because pixels alone put them first: many, as the volume sees one size."""

CONSIDERED = 3
"""Times as many are read from the volume, of which the cut leaves so many."""

CUT_WEIGHT = 0.65
"""Logits of the head that a unit of the cut's evidence is worth.  Set by hand, as the next; what
naming places in view of the cut gains is in ``train/LOG.md``, "the cut"."""

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
    turned = set_upright(off, rotations)
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
        grid: of the puzzle, ``None`` where it is not known.
        size: (height, width) of the working picture.
    """
    turn = turn_evidence(rotations, direction)
    if grid is None:
        return torch.zeros_like(turn), turn
    return cell_evidence(middles, grid, size[1], size[0]), turn


def name_places(
    maps: HeadMaps,
    pixel: Tensor,
    pieces: Sequence[PreparedPiece],
    grid: Grid | None,
    size: tuple[int, int],
    gain: float,
    open_cells: Tensor | None = None,
) -> Named:
    """The head's first places and those that the pixels alone put first, in view of the cut.

    Features may fail on a print unlike any they were trained on; pixels fail elsewhere.  Pieces
    with straight sides are looked for all along the picture's edges as well.

    Args:
        maps: the head's output.
        pixel: ``(B, R, h, w)`` correlations it was read from.
        pieces: B of them.
        grid, size: as in :func:`cut_evidence`.
        gain: the head's ``rotation_gain``.
        open_cells: ``(rows, cols)`` how likely cells are open; ``None`` where all are.

    Returns:
        with the head's logits; a place may come twice.
    """
    device = pixel.device
    off, direction = bodies_of(pieces, device)
    seen = seen_sides(pieces, grid, size)
    favour = favoured(off, direction, seen, grid, size, open_cells)
    rotations = pixel.shape[1]
    named = decode(maps, rotations, gain, NAMED, favour)
    bias = TURN_BIAS * turn_evidence(bank_angles(rotations).to(device), direction)
    by_pixels, found = decode_pixels(maps, pixel, CONSIDERED * NAMED_BY_PIXELS, bias)
    own = PIXEL_WEIGHT * evidence(found) + favour(by_pixels)
    own = own.masked_fill(~by_pixels.real, -torch.inf)
    order = own.argsort(dim=1, descending=True, stable=True)[:, :NAMED_BY_PIXELS]
    parts = [named, by_pixels.take(order)]
    along_edges = border_places(maps, pixel, seen, off[:, 0], grid, size)
    parts += [] if along_edges is None else [along_edges]
    if open_cells is not None and grid is not None:
        inside = open_places(maps, pixel, pieces, off[:, 0], grid, open_cells, size)
        parts += [] if inside is None else [inside]
    return Named.joined(parts, 1)


def favoured(
    off: Tensor,
    direction: Tensor,
    seen: SeenSides,
    grid: Grid | None,
    size: tuple[int, int],
    open_cells: Tensor | None = None,
) -> Callable[[Named], Tensor]:
    """What the cut says of places, in logits, as ``decode`` takes it.

    Args:
        off, direction: of :func:`bodies_of`.
        seen: the pieces' sides.
        grid, size: as in :func:`cut_evidence`.
        open_cells: ``(rows, cols)`` how likely cells are open; ``None`` where all are.
    """
    sides = seen.to(off.device)

    def favour(named: Named) -> Tensor:
        middles = bodies(named.place, named.rotation, 1.0, off)
        cell, turn = cut_evidence(middles, named.rotation, direction, grid, size)
        edge = evidence_of_places(middles, named.rotation, sides, grid, size, CELL)
        if open_cells is not None and grid is not None:
            edge = edge + open_evidence(in_cells(middles, grid, size), open_cells)
        return CUT_WEIGHT * (cell + turn) + edge

    return favour


def bodies_of(pieces: Sequence[PreparedPiece], device: torch.device) -> tuple[Tensor, Tensor]:
    """``(B, 1, 2)`` as ``body_off`` has it and ``(B, 1)`` degrees, of the pieces' bodies."""
    off = torch.stack([piece.body_off.float() for piece in pieces])[:, None]
    direction = torch.tensor([[piece.body.direction] for piece in pieces])
    return off.to(device), direction.to(device)


def around(volume: Tensor, named: Named) -> Tensor:
    """``(B, M)`` largest correlation within a cell and a rotation of each candidate.

    Args:
        volume: ``(B, R, h, w)`` correlations of features, of the whole bank.
        named: the candidates.
    """
    pieces, rotations, height, width = volume.shape
    device, near = volume.device, torch.arange(-1, 2, device=volume.device)
    columns, rows = (named.place // STRIDE).long().unbind(2)
    turns = (named.rotation * (rotations / 360)).round().long()
    rows, columns, turns = (t[..., None] + near for t in (rows, columns, turns))
    found = volume[
        torch.arange(pieces, device=device).view(-1, 1, 1, 1, 1),
        (turns % rotations)[..., None, None],
        rows.clamp(0, height - 1)[..., None, :, None],
        columns.clamp(0, width - 1)[..., None, None, :],
    ]
    return found.float().amax((2, 3, 4))
