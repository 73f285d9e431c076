"""One piece a cell, on cases small enough to solve by hand."""

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest

from heatmap_locator.assign import SURE_MARGIN, SURE_SCORE, Assignment, assign
from heatmap_locator.errors import InputError
from heatmap_locator.grid import Grid
from heatmap_locator.placement import Placement

_CELL = 20.0


def _puzzle(rows: int, cols: int) -> SimpleNamespace:
    return SimpleNamespace(grid=Grid(rows, cols), width=int(cols * _CELL), height=int(rows * _CELL))


def _place(
    row: float, col: float, score: float, rotation: float = 30.0, grid: Grid | None = None
) -> Placement:
    """In the middle of a cell; fractions of a cell move it."""
    x, y = (col + 0.5) * _CELL, (row + 0.5) * _CELL
    cell = None if grid is None else grid.cell_at(x, y, grid.cols * _CELL, grid.rows * _CELL)
    box = (x - 12, y - 10, x + 12, y + 10)
    return Placement(box, (x, y), rotation, score, cell, (0.5, 0.0, x - 30, 0.0, 0.5, y - 30))


def _search(*places: Placement, heat: np.ndarray | None = None) -> SimpleNamespace:
    places = tuple(sorted(places, key=lambda p: -p.score))
    return SimpleNamespace(
        placements=list(places), heatmap=np.zeros((4, 4), np.float32) if heat is None else heat
    )


def _cells(result: list[Assignment]) -> list[tuple[int, int] | None]:
    assert [a.index for a in result] == list(range(len(result)))
    given = [a.cell for a in result if a.cell is not None]
    assert len(set(given)) == len(given)
    return [a.cell for a in result]


def test_without_conflict_everyone_gets_the_best() -> None:
    places = [_place(0, 0, 0.9), _place(1, 1, 0.8), _place(0, 1, 0.95)]
    result = assign(_puzzle(2, 2), [_search(p, _place(1, 0, 0.05)) for p in places])
    assert _cells(result) == [(0, 0), (1, 1), (0, 1)]
    assert all(a.sure for a in result)
    for assignment, place in zip(result, places, strict=True):
        assert assignment.placement.box == place.box
        assert assignment.placement.cell == assignment.cell


def test_conflict_is_solved_for_the_total_not_for_the_first() -> None:
    # Alone both want (0, 0); the first has somewhere else to go, the second has not.
    first = _search(_place(0, 0, 0.95), _place(0, 1, 0.85))
    second = _search(_place(0, 0, 0.82), _place(0, 1, 0.01))
    result = assign(_puzzle(1, 2), [first, second])
    assert _cells(result) == [(0, 1), (0, 0)]
    assert [a.placement.score for a in result] == [0.85, 0.82]
    # The swap would be 0.95 x 0.01 against 0.85 x 0.82: far off.
    assert all(a.sure for a in result)


def test_elimination_makes_sure() -> None:
    unsure = _search(_place(0, 0, 0.86), _place(0, 1, 0.84), _place(1, 0, 0.02))
    assert not assign(_puzzle(2, 2), [unsure])[0].sure
    taken = _search(_place(0, 1, 0.9), _place(1, 1, 0.01))
    both = assign(_puzzle(2, 2), [unsure, taken])
    assert _cells(both) == [(0, 0), (0, 1)]
    assert both[0].sure


def test_look_alikes_share_out_the_cells_and_are_not_sure() -> None:
    alike = [_search(_place(0, 0, 0.8), _place(0, 1, 0.8), _place(0, 2, 0.001)) for _ in range(2)]
    result = assign(_puzzle(1, 3), alike)
    assert set(_cells(result)) == {(0, 0), (0, 1)}
    assert not any(a.sure for a in result)


def test_low_score_is_not_sure() -> None:
    only = _search(_place(0, 0, SURE_SCORE - 0.01), _place(0, 1, 0.001))
    assert not assign(_puzzle(1, 2), [only])[0].sure
    only = _search(_place(0, 0, SURE_SCORE + 0.01), _place(0, 1, 0.001))
    assert assign(_puzzle(1, 2), [only])[0].sure


def test_margin_is_a_factor() -> None:
    for factor, sure in [(0.95 * SURE_MARGIN, False), (1.05 * SURE_MARGIN, True)]:
        search = _search(_place(0, 0, 0.9), _place(0, 1, 0.9 / factor))
        assert assign(_puzzle(1, 2), [search])[0].sure is sure


def test_cell_without_a_placement_takes_the_heatmap_and_the_best_rotation() -> None:
    # Three pieces know of (0, 0) alone; the heat tells which other cell is the likelier.
    heat = np.zeros((8, 24), np.float32)
    heat[:, 16:] = 0.09
    certain = _search(_place(0, 0, 0.95))
    other = _search(_place(0, 0, 0.5, rotation=77.0), heat=heat)
    result = assign(_puzzle(1, 3), [certain, other])
    assert _cells(result) == [(0, 0), (0, 2)]
    moved = result[1].placement
    assert not result[1].sure
    assert moved.rotation == 77.0
    assert moved.center == (2.5 * _CELL, 0.5 * _CELL)
    assert moved.box == (38.0, 0.0, 62.0, 20.0)
    assert moved.matrix == (0.5, 0.0, 20.0, 0.0, 0.5, -20.0)
    assert moved.cell == (0, 2)
    assert moved.score == pytest.approx(0.09)


def test_heat_never_beats_a_placement() -> None:
    heat = np.full((8, 24), 0.99, np.float32)  # uncalibrated: higher than any score
    result = assign(_puzzle(1, 3), [_search(_place(0, 1, 0.4), _place(0, 2, 0.2), heat=heat)])
    assert _cells(result) == [(0, 1)]


def test_middle_beyond_the_border_of_its_cell() -> None:
    # Knobs push the second piece's middle just over the border, into the first one's cell.
    first = _search(_place(0, 0, 0.8), _place(0, 3, 0.01))
    second = _search(_place(0, 0.48, 0.8), _place(0, 3, 0.02))
    assert _cells(assign(_puzzle(1, 4), [first, second])) == [(0, 0), (0, 1)]


def test_middle_outside_the_picture_counts_for_the_nearest_cell() -> None:
    assert _cells(assign(_puzzle(2, 2), [_search(_place(-0.8, 1, 0.9))])) == [(0, 1)]


def test_more_pieces_than_cells_leaves_the_worst_over() -> None:
    scores = [0.9, 0.3, 0.8]
    searches = [_search(_place(0, c, s)) for c, s in zip([0, 0, 1], scores, strict=True)]
    result = assign(_puzzle(1, 2), searches)
    assert _cells(result) == [(0, 0), None, (0, 1)]
    assert result[1].placement.cell is None
    assert not result[1].sure
    # A near tie with the piece left over takes away the certainty.
    searches[1] = _search(_place(0, 0, 0.85))
    result = assign(_puzzle(1, 2), searches)
    assert _cells(result) == [(0, 0), None, (0, 1)]
    assert [a.sure for a in result] == [False, False, True]


def test_total_is_the_best_of_all_permutations() -> None:
    rng = np.random.default_rng(3)
    puzzle = _puzzle(2, 3)
    for _ in range(20):
        table = rng.uniform(0.01, 0.99, (5, 6))
        searches = [
            _search(*(_place(*divmod(c, 3), table[i, c]) for c in range(6))) for i in range(5)
        ]
        result = assign(puzzle, searches)
        flat = [r * 3 + c for r, c in _cells(result)]
        best = max(permutations(range(6), 5), key=lambda p: np.log(table[range(5), p]).sum())
        assert flat == list(best)


def test_bad_input() -> None:
    unknown = SimpleNamespace(grid=None, width=40, height=40)
    with pytest.raises(InputError, match="grid"):
        assign(unknown, [_search(_place(0, 0, 0.9))])
    with pytest.raises(InputError, match="piece 1"):
        assign(_puzzle(1, 2), [_search(_place(0, 0, 0.9)), _search()])
    assert assign(_puzzle(1, 2), []) == []
