"""From places at many sizes to the answer, where the number of pieces is not known."""

import math
from collections.abc import Callable
from dataclasses import replace

from heatmap_locator.errors import InputError, NoPieceError
from heatmap_locator.fitted_grid import SAME_SIZE
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
    placed: bool = False,
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
        placed: the same photo, read another way, has a sure answer: this way is not looked for at
            more than the size that is likely by now.

    Raises:
        NoPieceError: the photo shows no piece of this picture.
    """
    answers: list[Search | InputError] = []
    for look in by_size.look(piece, seen, max(top, CANDIDATES), say):
        try:
            found = judge.conclude(look, piece, top, name)[0]
        except NoPieceError as error:
            answers.append(error)
        else:
            answers.append(found)
            # What fits at the finest size may fit better at the next.
            if sureness(found) >= SURE and _side(piece, found) > look.finest * math.exp(SAME_SIZE):
                break
        if placed:
            break
    # What a settled size says stands unless another size is surer.
    answer = max(answers[0], answers[-1], key=sureness) if seen else answers[-1]
    if isinstance(answer, InputError):
        raise answer
    if not answer.placements:
        return answer
    side = _side(piece, answer)
    by_size.sizes.tell(side, answer.placements[0].score)
    width, height = judge.size
    return replace(answer, size_estimate=about(width * height / side**2))


def _side(piece: PreparedPiece, found: Search) -> float:
    """Of the square of a cell's area where a piece's best place is, picture pixels."""
    return cell_side(piece, found.placements[0].matrix)
