"""The best place of a photo's mirror image, beside which that of the photo itself is judged.

Front cameras and scans of transfers mirror.  Knobs, holes and print then fit nowhere, but the
photo's mirror image fits as well as any piece.  Of any other photo the mirror image is a decoy: it
has the same colours and as much detail and belongs nowhere, so that its best place shows how well
such print fits by chance (Elias and Gygi, "Target-decoy search strategy", 2007, of spectra).
"""

from collections.abc import Sequence

import torch

from heatmap_locator.errors import NoPieceError
from heatmap_locator.found import Search
from heatmap_locator.model.network import HeatmapLocator
from heatmap_locator.search.answer import rank_seen
from heatmap_locator.search.by_size import Look
from heatmap_locator.search.conclude import Judge
from heatmap_locator.search.levels import Level
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.see import heats_of, see


def mirror_image(
    judge: Judge,
    piece: PreparedPiece,
    levels: Sequence[Level],
    places: float,
    model: HeatmapLocator,
    device: torch.device,
) -> Search | None:
    """The answer to the mirror image of a photo, where there is any.

    Args:
        judge: for this picture.
        piece: the photo as it is.
        levels: picture sizes to look at; where there are none it is not asked.
        places: that there are.
        model: in evaluation mode, on ``device``.
        device: where the levels are.
    """
    if not levels:
        return None
    mirror = piece.mirrored()
    seen = see([mirror], [levels], model, device)
    (ranked,) = rank_seen(seen, [mirror], model.ranker, device)
    if not any(own for _, own in ranked):
        return None
    try:
        found, _ = judge.conclude(Look(ranked, heats_of(seen[0]), places), mirror, 1, "piece")
    except NoPieceError:
        return None
    return found if found.evidence is not None else None
