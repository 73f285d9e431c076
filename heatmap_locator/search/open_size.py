"""From places at many sizes to the answer, where the number of pieces is not known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from heatmap_locator.errors import InputError, NoPieceError
from heatmap_locator.found import Search
from heatmap_locator.search.by_size import BySize
from heatmap_locator.search.conclude import Judge
from heatmap_locator.search.identical import CANDIDATES
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.see import Seen
from heatmap_locator.search.sizes import SURE, about, cell_side


def sureness(answer: Search | InputError) -> float:
    """Score of the best place; what is no answer comes after all that are."""
    if isinstance(answer, InputError) or not answer.placements:
        return -1.0
    return answer.placements[0].score


def answer_by_size(
    judge: Judge,
    by_size: BySize,
    piece: PreparedPiece,
    seen: list[Seen],
    top: int,
    name: str,
    say: Callable[[str], None],
) -> Search:
    """The first sure answer, or the last.

    Args:
        judge: for this picture.
        by_size: looks at it.
        piece: the piece.
        seen: of it at the sizes that are settled; empty where none are.
        top: placements wanted.
        name: what errors call the piece.
        say: told what begins.

    Raises:
        NoPieceError: the photo shows no piece of this picture.
    """
    answers: list[Search | InputError] = []
    for look in by_size.look(piece, seen, max(top, CANDIDATES), say):
        try:
            answers.append(judge.conclude(look, piece, top, name)[0])
        except NoPieceError as error:
            answers.append(error)
        if sureness(answers[-1]) >= SURE:
            break
    # What a settled size says stands unless another size is surer.
    answer = max(answers[0], answers[-1], key=sureness) if seen else answers[-1]
    if isinstance(answer, InputError):
        raise answer
    if not answer.placements:
        return answer
    place = answer.placements[0]
    side = cell_side(piece, np.reshape(place.matrix, (2, 3)))
    by_size.sizes.tell(side, place.score)
    width, height = judge.size
    return replace(answer, size_estimate=about(width * height / side**2))
