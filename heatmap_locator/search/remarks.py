"""What is said of a photo beside where its piece goes, and what that does to the scores."""

from collections.abc import Callable
from dataclasses import replace

from heatmap_locator.found import Search
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.outline.others import find_others
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.sizes import SURE

MOST_CUT_OFF = 0.89
"""Score at most where the outline runs into the photo's edge, so that it is not the piece's alone,
or where the photo's mirror image fits as well."""

NAMED = 0.9
"""Probability from which a photo is said to be probably not of the picture: the lowest of 0.3, 0.4,
... at which that is said of less than one in a hundred right answers, by fits to other pictures
(1,170 photos); ``MODEL_CARD.md`` has what it names of others."""

PERHAPS = 0.3
"""Probability from which it is said to be perhaps not of it: of 95 in 100 that are not, at least,
by the same fits."""

PLAIN = -3.6
"""``texture`` of ``calibration.MEASURES`` below which a print is said to be plain.  Set by hand:
one in five right answers has less, and most of those that are said to be perhaps of another one."""

_ASKED = 0.0002
"""Probability from which the photo's mirror image is looked for, too; of sure answers that are
right one in ten has it (1,170 photos of ``heatmap-eval nuisances``)."""

CLOSE = 3.0
"""Logits that a sure answer is ahead of the best place of the photo's mirror image, at least: of 52
mirrored photos of held-back pictures none is, of 65 right answers that were sure all but 2."""

_HIDDEN = 0.1
"""Share of a piece without print from which that is told."""

NOT_OF_IT = "probably not of this picture"
MAYBE_NOT = "perhaps not of this picture"
TOO_PLAIN = f"{MAYBE_NOT}: too plain a print to tell"


def remarked(
    found: Search,
    piece: PreparedPiece,
    finder: OutlineFinder,
    mirror_image: Callable[[float], Search | None],
) -> Search:
    """The answer with all that there is to say.

    Args:
        found: the answer chosen for a photo.
        piece: as which it was searched.
        finder: whose network looks for other pieces.
        mirror_image: asked, with the number of places, for the answer to the photo's mirror image,
            where the photo may be of another picture.
    """
    if piece.searched and piece.cut_off:
        found = _unsure(found)
    if piece.searched:
        found = replace(found, others=tuple(find_others(piece.rgb, piece.mask, finder)))
    mirror = None
    if found.evidence is not None and (found.foreign or 0.0) >= _ASKED:
        mirror = mirror_image(found.evidence.places)
    if mirror is not None:
        found, mirror = _beside(found, mirror)
    return replace(found, doubts=_doubts(piece, found, mirror))


def _beside(found: Search, mirror: Search) -> tuple[Search, Search | None]:
    """The answer in view of that to the photo's mirror image, and the latter where the photo is
    mirrored."""
    own, other = found.evidence, mirror.evidence
    if own is None or other is None:
        return found, None
    ahead = own.logits[0] - other.logits[0]
    evidence = replace(own, measures={**own.measures, "rival": ahead})
    found = replace(found, evidence=evidence)
    if ahead < CLOSE:
        found = _unsure(found)
    # Of symmetrical print either fits, and neither is said to be the right way round.
    if ahead > -CLOSE or mirror.placements[0].score < SURE:
        return found, None
    return replace(found, foreign=mirror.foreign), mirror


def _unsure(found: Search) -> Search:
    """The answer with no score over ``MOST_CUT_OFF``."""
    unsure = [replace(p, score=min(p.score, MOST_CUT_OFF)) for p in found.placements]
    return replace(found, placements=unsure)


def _doubts(piece: PreparedPiece, found: Search, mirror: Search | None) -> tuple[str, ...]:
    """What is odd about a photo, a few words each; what matters most comes first."""
    said = []
    if mirror is not None:
        x, y = mirror.placements[0].center
        said.append(f"looks mirrored: its mirror image goes to {x:.0f},{y:.0f}")
    elif found.foreign is not None and found.foreign >= PERHAPS:
        said.append(_foreign(found, found.foreign))
    if piece.cut_off:
        said.append("its outline runs off the photo")
    if piece.hidden >= _HIDDEN:
        said.append(f"{piece.hidden:.0%} of it shows no print")
    if piece.step > 0:
        said.append("a shadow's edge lies across it")
    return tuple(said)


def _foreign(found: Search, probability: float) -> str:
    """How strongly a photo is said to be of another picture."""
    if probability >= NAMED:
        return NOT_OF_IT
    texture = found.evidence.measures.get("texture") if found.evidence else None
    return TOO_PLAIN if texture is not None and texture < PLAIN else MAYBE_NOT
