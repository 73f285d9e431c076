"""The library as one meets it at a prompt or in a notebook: names, short reprs, pictures."""

import io
import pickle
import pydoc
import subprocess
import sys

import numpy as np
import pytest
from locator_support import CELL, COLS, FIXTURES, ROWS, cell
from PIL import Image

import heatmap_locator
from heatmap_locator import InputError, Locator, Placement, Puzzle

picture, locator, puzzle = FIXTURES

NAMES = ("Locator", "Puzzle", "Placement", "Search", "Assignment", "LocatedPiece")


def test_names_are_listed_before_anything_heavy_is_loaded() -> None:
    code = "import sys, heatmap_locator\nprint(*dir(heatmap_locator))\n"
    code += "print(*(m for m in ('torch', 'cv2', 'numpy', 'PIL', 'scipy') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, loaded, *_ = done.stdout.split("\n")
    assert {*NAMES, "find_corners", "InputError", "__version__"} <= set(names.split())
    assert loaded == ""


def test_each_name_is_there_and_help_shows_it() -> None:
    for name in heatmap_locator.__all__:
        assert getattr(heatmap_locator, name) is not None
    text = pydoc.plain(pydoc.render_doc(heatmap_locator))
    for name in NAMES:
        assert f"class {name}(" in text
    with pytest.raises(AttributeError, match="no attribute 'Lokator'"):
        _ = heatmap_locator.Lokator  # type: ignore[attr-defined]


def test_a_placement_is_one_short_line() -> None:
    place = Placement(
        (1 / 3, 20.126, 40.0, 61.999), (20.1, 41.1), 359.97, 0.123456, (3, 5), (1, 0, 0, 0, 1, 0)
    )
    shown = "Placement(box=(0.3, 20.1, 40.0, 62.0), rotation=0.0, score=0.123, cell=(3, 5))"
    assert repr(place) == shown
    assert (place.row, place.col) == (3, 5)
    assert "<td>0.123</td>" in place._repr_html_()
    nowhere = Placement(place.box, place.center, 0.0, 1.0, None, place.matrix)
    assert (nowhere.row, nowhere.col) == (None, None)


def test_reprs_are_short(locator: Locator, puzzle: Puzzle, picture: np.ndarray) -> None:
    assert repr(locator) == "<Locator on cpu>"
    assert repr(puzzle) == f"<Puzzle: 160 x 120 pixels, {ROWS}x{COLS} pieces, on cpu>"
    search = puzzle.search(cell(picture, 1, 2), top=2)
    assert repr(search).startswith("<Search: 2 places, best Placement(box=(")
    assert len(repr(search)) < 160


def test_pictures_for_notebooks(puzzle: Puzzle, picture: np.ndarray) -> None:
    assert Image.open(io.BytesIO(puzzle._repr_png_())).size == (COLS * CELL, ROWS * CELL)
    search = puzzle.search(cell(picture, 1, 2))
    png = search._repr_png_()
    assert png is not None
    assert max(Image.open(io.BytesIO(png)).size) <= 720


def test_a_search_draws_itself_and_its_heatmap(puzzle: Puzzle, picture: np.ndarray) -> None:
    search = puzzle.search(cell(picture, 1, 2))
    drawn = search.draw()
    assert drawn.dtype == np.uint8
    assert drawn.shape[2] == 3
    heat = search.heatmap_like(puzzle)
    assert heat.shape == picture.shape[:2]
    np.testing.assert_array_equal(heat, search.heatmap_like(picture))
    np.testing.assert_array_equal(heat, search.heatmap_like(Image.fromarray(picture)))
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert puzzle.grid is not None
    assert puzzle.grid.cell_at(float(x), float(y), puzzle.width, puzzle.height) == (1, 2)


def test_a_pickled_search_leaves_the_picture_behind(puzzle: Puzzle, picture: np.ndarray) -> None:
    search = puzzle.search(cell(picture, 1, 2))
    assert search.picture is puzzle.picture
    copy = pickle.loads(pickle.dumps(search))
    assert copy.picture is None
    assert copy._repr_png_() is None
    with pytest.raises(InputError, match=r"draw\(puzzle.picture\)"):
        copy.draw()
    np.testing.assert_array_equal(copy.draw(puzzle.picture), search.draw())
