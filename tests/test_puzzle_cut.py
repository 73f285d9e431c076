"""A session learns from its pieces how the puzzle lies in the picture."""

import numpy as np
import pytest

from heatmap_locator.grid import WHOLE, Grid
from heatmap_locator.locator import Locator
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.puzzles import PuzzleSettings, cut_puzzle


@pytest.mark.slow
@pytest.mark.parametrize("exact", [True, False])
def test_a_cropped_picture(exact: bool) -> None:
    """Most of the pieces show where cells lie; the others then get the right ones."""
    rng = np.random.default_rng(4)
    settings = PuzzleSettings(collage=1, pieces=36, picture_cell=(40.0, 44.0), harsh_share=0.0)
    drawn = cut_puzzle(PictureSource(None, "validation"), settings, rng)
    height, width = drawn.picture.shape[:2]
    x, y = round(0.04 * width), round(0.03 * height)
    picture = drawn.picture[y : height - y, x : width - x]
    given = Grid(drawn.grid.rows, drawn.grid.cols, exact=exact)
    puzzle = Locator.from_pretrained().encode(picture, grid=given)
    assert puzzle.cut is puzzle.grid
    numbers = drawn.chosen(rng)
    photos = [drawn.photograph(number, rng).image for number in numbers]
    puzzle.search_many(photos[:26])
    assert puzzle.cut is not None
    assert puzzle.cut is not puzzle.grid
    assert puzzle.grid == given
    own = picture.shape[1], picture.shape[0]
    wanted = -x / own[0], -y / own[1], 1 + x / own[0], 1 + y / own[1]
    truth = Grid(given.rows, given.cols, edges=wanted)
    middles = np.array([truth.middle_of(cell, *own) for cell in np.ndindex(given.rows, given.cols)])
    at = puzzle.cut.in_cells(middles, *own)
    assert np.abs(at - np.floor(at) - 0.5).max() < 0.15
    if not exact:  # what is cropped may as well be a column more
        assert puzzle.cut.exact
        return
    assert np.abs(np.array(puzzle.cut.edges) - wanted).max() < 0.15 / given.cols
    cells = [divmod(number, given.cols) for number in numbers[26:]]
    found = [puzzle.locate(photo)[0] for photo in photos[26:]]
    sure = [
        (place.cell, cell) for place, cell in zip(found, cells, strict=True) if place.score > 0.9
    ]
    assert len(sure) >= 4
    assert all(place == cell for place, cell in sure)
    assert puzzle.grid.edges == WHOLE
