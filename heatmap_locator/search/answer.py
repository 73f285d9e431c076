"""From what was seen of a piece to places in the picture, step by step.

``see`` has proposed places at every picture size; here they are compared, aligned and ranked, the
best of all sizes laid on the picture, and identical pixels recognised.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
import torch

from heatmap_locator.errors import WeightsError
from heatmap_locator.geometry import transform
from heatmap_locator.grid import Grid
from heatmap_locator.model.ranker import Ranker
from heatmap_locator.resample import stretch
from heatmap_locator.search.decode import best_apart
from heatmap_locator.search.identical import GAIN, SURELY, find_identical, verify
from heatmap_locator.search.levels import Level
from heatmap_locator.search.measure import KEPT, aligned, measure_shortlist, rank
from heatmap_locator.search.named import Candidate, Named
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.place import Laid, lay_on_picture
from heatmap_locator.search.pose import pose_pieces
from heatmap_locator.search.see import Seen

Ranked = tuple[Level, list[Candidate]]
"""A picture size and its places, best first, with the ranker's logits."""


def rank_seen(
    seen: Sequence[Sequence[Seen]],
    pieces: Sequence[PreparedPiece],
    ranker: Ranker,
    device: torch.device,
    most: int = KEPT,
) -> list[list[Ranked]]:
    """Compare, align and rank the places that each picture size proposes for each piece.

    Args:
        seen: of each piece.
        pieces: at least one.
        ranker: with the model's weights.
        device: where ``seen`` lives.
        most: places of a piece aligned at each size.

    Returns:
        of each piece, in the order of what was seen of it; none where nothing is named.
    """
    poses = pose_pieces(pieces, device)
    levels = {s.level.index: s.level for own in seen for s in own}
    found: list[dict[int, list[Candidate]]] = [{} for _ in pieces]
    for index, level in levels.items():
        asked = [(n, s) for n, own in enumerate(seen) for s in own if s.level is level]
        rows = [n for n, _ in asked]
        if not asked[0][1].named.real.shape[1]:
            continue
        own = poses if len(rows) == len(pieces) else poses.of(rows)
        named = Named.joined([s.named for _, s in asked], 0)
        feature = torch.cat([s.feature for _, s in asked])
        ranked = rank(named, own, level, feature, ranker, most)
        for n, places in zip(rows, ranked, strict=True):
            found[n][index] = places
    return [
        [(s.level, places.get(s.level.index, [])) for s in own]
        for own, places in zip(seen, found, strict=True)
    ]


def measure_seen(
    seen: Seen, piece: PreparedPiece, device: torch.device
) -> tuple[torch.Tensor, list[Candidate]]:
    """What the ranker would be told of one piece: ``(N, F)``, and the N places aligned."""
    poses, level = pose_pieces([piece], device), seen.level
    found = measure_shortlist(seen.named, poses, level.field, seen.feature)
    logits = found.features[..., 0]
    ((places, _),) = aligned(seen.named, poses, found, logits, level.index)
    return found.features[found.real], places


def lay_best(ranked: Sequence[Ranked], piece: PreparedPiece, most: int) -> list[Laid]:
    """The best places of all sizes, laid on the picture, none twice.

    Args:
        ranked: by picture size.
        piece: the piece.
        most: kept at most.

    Returns:
        best first.
    """
    found = [(level, candidate) for level, own in ranked for candidate in own]
    reaches = {level.index: level.reach for level, _ in ranked}
    places = [
        transform(level.to_picture, np.array([(c.x, c.y) for c in own]).reshape(-1, 2))
        for level, own in ranked
    ]
    kept = best_apart(
        np.concatenate(places),
        np.array([reaches[level.index] for level, _ in found]),
        np.array([candidate.logit for _, candidate in found]),
        most,
    )
    return [lay_on_picture(found[i][1], piece, found[i][0]) for i in kept]


def recognise(
    laid: list[Laid], piece: PreparedPiece, picture: np.ndarray, grid: Grid | None
) -> list[Laid]:
    """Raise the places whose pixels are the piece's own, and look for them where none is.

    Args:
        laid: best first.
        piece: the piece.
        picture: (H, W, 3) uint8.
        grid: of the puzzle, ``None`` where it is not known.

    Returns:
        them, and what else was found, best first.
    """
    verified = [verify(one, piece, picture) for one in laid]
    gains = [after.logit - before.logit for after, before in zip(verified, laid, strict=True)]
    unsure = max(gains, default=0.0) < SURELY * GAIN
    found = find_identical(piece, picture, grid, nearly=unsure)
    if found and (unsure or len(found) > 1):
        # What is equal to the pixel in several places earns less in each of them.
        worth = found[0].logit
        verified = [
            replace(after, logit=before.logit + min(after.logit - before.logit, worth))
            for after, before in zip(verified, laid, strict=True)
        ]
        best = max((one.logit for one in laid), default=0.0)
        verified += [replace(one, logit=best + one.logit) for one in found]
    return sorted(verified, key=lambda one: -one.logit)


def highest(heatmaps: Sequence[np.ndarray]) -> np.ndarray:
    """The largest of heatmaps of the whole picture, at the finest of their sizes."""

    def larger(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        height, width = max(a.shape[0], b.shape[0]), max(a.shape[1], b.shape[1])
        first, second = (
            m if m.shape == (height, width) else stretch(m, (width, height)) for m in (a, b)
        )
        return np.maximum(first, second)

    return reduce(larger, heatmaps)


def require_numbers(ranked: Sequence[Ranked], name: str) -> None:
    """Refuse answers without a single place.

    Args:
        ranked: of a piece, by picture size.
        name: what errors call the piece.

    Raises:
        WeightsError: there is none, as where the network answers with NaN.
    """
    if not any(places for _, places in ranked):
        raise WeightsError(
            f"{name}: the network answers with no number (NaN); its weights are damaged, or "
            "overflow on this device: use other weights, or the CPU"
        )
