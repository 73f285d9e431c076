"""What is said of a photo beside where its piece goes, and what that does to the scores."""

from collections.abc import Callable
from dataclasses import replace

from heatmap_locator.found import Search
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.outline.others import find_others
from heatmap_locator.search.piece import PreparedPiece

MOST_CUT_OFF = 0.89
"""Score at most where the outline runs into the photo's edge, so that it is not the piece's alone,
or where the photo's mirror image fits better."""

NAMED = 0.4
"""Probability from which a photo is said to be probably not of the picture: the highest of 0.2,
0.3, ... that names 95 of 100 foreign ones, by fits to other pictures (1,170 photos);
``MODEL_CARD.md`` has what it names of others."""

_MIRRORED = 0.0007
"""Probability from which the piece is looked for in the photo's mirror image, too; of sure answers
that are right one in twenty has it (1,170 photos of ``heatmap-eval nuisances``)."""

_HIDDEN = 0.1
"""Share of a piece without print from which that is told."""


def remarked(
    found: Search,
    piece: PreparedPiece,
    finder: OutlineFinder,
    mirror_fits: Callable[[float], Search | None],
) -> Search:
    """The answer with all that there is to say.

    Args:
        found: the answer chosen for a photo.
        piece: as which it was searched.
        finder: whose network looks for other pieces.
        mirror_fits: asked, with the number of places, for the answer to the photo's mirror image
            where the photo may be of another picture; it answers where that one is sure.
    """
    if piece.searched and piece.cut_off:
        found = _unsure(found)
    if piece.searched:
        found = replace(found, others=tuple(find_others(piece.rgb, piece.mask, finder)))
    mirror = None
    if found.evidence is not None and (found.foreign or 0.0) >= _MIRRORED:
        mirror = mirror_fits(found.evidence.places)
        if mirror is not None and not _better(mirror, found):
            mirror = None
    if mirror is not None:
        found = replace(_unsure(found), foreign=mirror.foreign)
    return replace(found, doubts=_doubts(piece, found, mirror))


def _unsure(found: Search) -> Search:
    """The answer with no score over ``MOST_CUT_OFF``."""
    unsure = [replace(p, score=min(p.score, MOST_CUT_OFF)) for p in found.placements]
    return replace(found, placements=unsure)


def _better(mirror: Search, found: Search) -> bool:
    """Whether the mirror image's place has the higher logit."""
    first, second = mirror.evidence, found.evidence
    return first is not None and second is not None and first.logits[0] > second.logits[0]


def _doubts(piece: PreparedPiece, found: Search, mirror: Search | None) -> tuple[str, ...]:
    """What is odd about a photo, a few words each; what matters most comes first."""
    said = []
    if mirror is not None:
        x, y = mirror.placements[0].center
        said.append(f"looks mirrored: its mirror image goes to {x:.0f},{y:.0f}")
    elif found.foreign is not None and found.foreign >= NAMED:
        said.append("probably not of this picture")
    if piece.cut_off:
        said.append("its outline runs off the photo")
    if piece.hidden >= _HIDDEN:
        said.append(f"{piece.hidden:.0%} of it shows no print")
    if piece.step > 0:
        said.append("a shadow's edge lies across it")
    return tuple(said)
