"""Whole puzzles by print, straight sides and neighbours; and what is the matter with pieces."""

from dataclasses import replace

import numpy as np
import pytest
from assign_support import (
    Drawn,
    drawn_puzzle,
    from_behind,
    laid,
    placement,
    sides_in_photo,
)

from heatmap_locator.assign import Assignment, assign
from heatmap_locator.geometry import angle_difference


@pytest.fixture(scope="module")
def puzzle() -> Drawn:
    return drawn_puzzle(9, 12, seed=4)


def _right(drawn: Drawn, found: list[Assignment]) -> np.ndarray:
    assert [one.index for one in found] == list(range(len(found)))
    given = [one.cell for one in found if one.cell is not None]
    assert len(set(given)) == len(given)
    return np.array(
        [
            one.cell == cell and abs(angle_difference(one.placement.rotation, rotation)) < 5
            for one, cell, rotation in zip(found, drawn.cells, drawn.rotations, strict=False)
        ]
    )


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_flat_pieces_find_their_place_by_their_neighbours(seed: int) -> None:
    drawn = drawn_puzzle(9, 12, seed=seed)
    flat = np.array([cell[0] < 4 for cell in drawn.cells])
    by_print = _right(drawn, assign(drawn.puzzle, drawn.pieces, by_print=True))
    assert by_print[~flat].all()
    assert by_print[flat].mean() < 0.2
    found = drawn.assigned()
    right = _right(drawn, found)
    assert right[~flat].all()
    assert right[flat].mean() > 0.93
    sure = np.array([one.sure for one in found])
    assert sure.mean() > 0.85
    assert right[sure].all()


def test_what_spoke_for_a_piece_is_told(puzzle: Drawn) -> None:
    found = puzzle.assigned()
    for one, cell in zip(found, puzzle.cells, strict=True):
        assert one.why is not None
        edges = (cell[0] in (0, 8)) + (cell[1] in (0, 11))
        assert one.why.met == 4 - edges
        # What is seen of a border piece speaks for the border, a corner all the more.
        assert (one.why.straight > 2 * edges) if edges else (abs(one.why.straight) < 1)
        if cell[0] >= 4:
            assert one.why.print > 5
        else:
            assert one.why.print < 4
    assert np.median([one.why.neighbours for one in found if one.why]) > 8


@pytest.mark.parametrize(("score", "by_sides"), [(0.02, True), (0.9, False)])
def test_the_angle_is_what_is_believed_more_of_print_and_sides(
    puzzle: Drawn, score: float, by_sides: bool
) -> None:
    index = next(i for i, cell in enumerate(puzzle.cells) if cell == (1, 5))
    piece, rotation = puzzle.pieces[index], puzzle.rotations[index]
    assert piece.sides is not None
    place = placement(puzzle.cut, (1, 5), (rotation + 30) % 360, score, puzzle.puzzle.grid)
    unclear = replace(
        piece,
        placements=[laid(place, piece.sides)],
        sides=replace(piece.sides, sure=0.45, regular=False),
    )
    pieces = [unclear if i == index else own for i, own in enumerate(puzzle.pieces)]
    found = puzzle.assigned(pieces)[index]
    assert found.cell == (1, 5)
    off = abs(angle_difference(found.placement.rotation, rotation))
    assert off < 5 if by_sides else off == pytest.approx(30)


def test_pieces_that_are_missing_leave_their_cells_open(puzzle: Drawn) -> None:
    kept = [i for i, cell in enumerate(puzzle.cells) if cell not in ((2, 5), (6, 6))]
    found = puzzle.assigned([puzzle.pieces[i] for i in kept])
    cells = [puzzle.cells[i] for i in kept]
    wrong = [one for one, cell in zip(found, cells, strict=True) if one.cell != cell]
    assert len(wrong) <= 3
    assert not any(one.sure for one in wrong)


def test_the_same_piece_twice(puzzle: Drawn) -> None:
    rng = np.random.default_rng(0)
    again = []
    for index in (3, 17):
        first = puzzle.pieces[index]
        cell = puzzle.cells[index]
        sides = sides_in_photo(puzzle.cut, cell, puzzle.rotations[index], rng, 0.006)
        again.append(replace(first, sides=sides))
    found = puzzle.assigned([*puzzle.pieces, *again])
    assert _right(puzzle, found).mean() > 0.95
    for extra, index in zip((len(found) - 2, len(found) - 1), (3, 17), strict=True):
        told = {a: found[a].problem for a in (extra, index) if found[a].problem is not None}
        ((which, problem),) = told.items()
        assert problem.kind == "twice"
        assert problem.other == (index if which == extra else extra)
        assert found[which].cell is None
        assert not found[which].sure


def test_a_photo_of_the_back(puzzle: Drawn) -> None:
    pieces = list(puzzle.pieces)
    backs = [puzzle.cells.index(cell) for cell in ((6, 4), (7, 9))]
    for index in backs:
        nowhere = [replace(p, score=0.02) for p in pieces[index].placements]
        turned = from_behind(pieces[index].sides)  # type: ignore[arg-type]
        pieces[index] = replace(pieces[index], placements=nowhere, sides=turned)
    found = puzzle.assigned(pieces)
    others = np.ones(len(found), bool)
    others[backs] = False
    assert _right(puzzle, found)[others].mean() > 0.95
    for index in backs:
        assert found[index].cell is None
        problem = found[index].problem
        assert problem is not None
        assert problem.kind == "behind"
        assert problem.cell == puzzle.cells[index]


def test_pieces_of_another_puzzle_are_not_forced_in(puzzle: Drawn) -> None:
    stranger = drawn_puzzle(9, 12, seed=11)
    foreign = [
        piece for piece, cell in zip(stranger.pieces, stranger.cells, strict=True) if cell[0] < 4
    ][:6]
    taken = [puzzle.cells.index(cell) for cell in ((5, 5), (7, 2), (6, 9))]
    pieces = [piece for i, piece in enumerate(puzzle.pieces) if i not in taken]
    own = [i for i in range(len(puzzle.pieces)) if i not in taken]
    found = puzzle.assigned([*pieces, *foreign])
    right = [found[n].cell == puzzle.cells[i] for n, i in enumerate(own)]
    assert np.mean(right) > 0.95
    for one in found[len(pieces) :]:
        assert one.cell is None
        assert one.problem is not None
        assert one.problem.kind == "foreign"


def test_more_pieces_than_cells(puzzle: Drawn) -> None:
    rng = np.random.default_rng(1)
    found = puzzle.assigned()
    # Unlike a piece photographed twice, these have no outline that could be compared.
    extra = [replace(puzzle.pieces[i], sides=None) for i in rng.integers(0, 40, 3)]
    more = puzzle.assigned([*puzzle.pieces, *extra])
    assert [one.cell for one in more[: len(found)]] == [one.cell for one in found]
    for one in more[len(found) :]:
        assert one.cell is None
        assert one.problem is not None
        assert one.problem.kind == "no-cell"


def test_a_damaged_knob(puzzle: Drawn) -> None:
    pieces = list(puzzle.pieces)
    index = puzzle.cells.index((6, 6))
    sides = pieces[index].sides
    assert sides is not None
    torn = next(i for i, side in enumerate(sides.sides) if side.kind == "knob")
    flat = replace(sides.sides[torn], curve=sides.sides[torn].curve * np.float32([1, 0.45]))
    own = [flat if i == torn else side for i, side in enumerate(sides.sides)]
    pieces[index] = replace(pieces[index], sides=replace(sides, sides=tuple(own)))
    found = puzzle.assigned(pieces)
    assert found[index].cell == (6, 6)
    problem = found[index].problem
    assert problem is not None
    assert problem.kind == "damaged"
    assert "does not fit its neighbour" in problem.text


def test_progress_is_told(puzzle: Drawn) -> None:
    told: list[str] = []
    assign(puzzle.puzzle, puzzle.pieces, progress=told.append)
    assert told[0] == "looking at the sides of pieces"
    assert any(text.startswith("weighing neighbours: round 1 of") for text in told)
