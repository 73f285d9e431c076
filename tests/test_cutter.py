"""The cutter: pieces that tile the picture, share their edges, and look like a jigsaw's."""

from __future__ import annotations

import numpy as np
import pytest

from heatmap_train.draw.cutter import Cut, cut_grid, rasterize

GRIDS = [(4, 5, 150.0, 120.0), (3, 3, 97.0, 131.0), (2, 6, 180.0, 90.0), (1, 1, 40.0, 30.0)]


def cut(seed: int, grid: tuple[int, int, float, float], style: str = "interlocking") -> Cut:
    return cut_grid(*grid, np.random.default_rng(seed), style)


def pieces(of: Cut) -> list[tuple[int, int]]:
    return [(row, col) for row in range(of.rows) for col in range(of.cols)]


def area(points: np.ndarray) -> float:
    """Shoelace area: positive for clockwise as seen, because y points down."""
    x, y = points.astype(np.float64).T
    return float(x @ np.roll(y, -1) - np.roll(x, -1) @ y) / 2


def crosses_itself(points: np.ndarray) -> bool:
    start = points.astype(np.float64)
    end = np.roll(start, -1, axis=0)

    def side(of: np.ndarray) -> np.ndarray:
        along, to = (end - start)[:, None], of[None] - start[:, None]
        return along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]

    splits = side(start) * side(end) < -1e-9
    return bool((splits & splits.T).any())


@pytest.mark.parametrize("style", ["interlocking", "square"])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pieces_tile_the_picture(
    seed: int, grid: tuple[int, int, float, float], style: str
) -> None:
    got = cut(seed, grid, style)
    size = int(got.height), int(got.width)
    total = sum(rasterize(got.outline(*at), size) for at in pieces(got))
    np.testing.assert_allclose(total, 1.0, atol=1e-5)
    areas = sum(area(got.outline(*at)) for at in pieces(got))
    assert areas == pytest.approx(got.width * got.height, rel=1e-5)


@pytest.mark.parametrize("seed", range(12))
def test_outlines_are_clockwise_and_simple(seed: int) -> None:
    got = cut(seed, (4, 4, 400.0, 300.0 + 40 * seed))
    for at in pieces(got):
        outline = got.outline(*at)
        assert outline.dtype == np.float32
        assert outline.shape[1] == 2
        assert area(outline) > 0
        assert not crosses_itself(outline)


@pytest.mark.parametrize("seed", range(20))
def test_edges_of_one_piece_stay_apart(seed: int) -> None:
    got = cut(seed, (4, 4, 400.0, 400.0))
    across, down = got.edges
    for row, col in pieces(got):
        sides = (across[row, col], down[row, col + 1], across[row + 1, col], down[row, col])
        # The ends meet at the corners, so only the middles are held apart.
        middles = [side[5:-5] for side in sides]
        for index, one in enumerate(middles):
            for other in middles[:index]:
                gaps = np.linalg.norm(one[:, None] - other[None], axis=-1)
                assert gaps.min() > 5.0  # of a 100 px cell


def test_neighbours_share_their_edge_exactly() -> None:
    got = cut(3, (3, 4, 320.0, 270.0))
    outlines = {at: {tuple(point) for point in got.outline(*at).tolist()} for at in pieces(got)}
    across, down = got.edges
    for row, col in pieces(got):
        if row:
            shared = {tuple(point) for point in across[row, col].tolist()}
            assert shared == outlines[row, col] & outlines[row - 1, col]
        if col:
            shared = {tuple(point) for point in down[row, col].tolist()}
            assert shared == outlines[row, col] & outlines[row, col - 1]


def test_border_is_straight_and_corners_stay_near_the_grid() -> None:
    for seed in range(20):
        got = cut(seed, (3, 4, 320.0, 270.0))
        across, down = got.edges
        assert (across[0, ..., 1] == 0).all()
        assert (across[-1, ..., 1] == 270).all()
        assert (down[:, 0, :, 0] == 0).all()
        assert (down[:, -1, :, 0] == 320).all()
        grid = np.stack(np.meshgrid(np.arange(4) * 80.0, np.arange(4) * 90.0), axis=-1)
        off = (across[:, :, 0] - grid) / (80.0, 90.0)
        assert np.abs(off).max() <= 0.0601


def test_boxes_bound_the_rasters() -> None:
    got = cut(5, (3, 4, 128.0, 102.0))
    for at in pieces(got):
        x1, y1, x2, y2 = got.box(*at)
        rows, cols = np.nonzero(rasterize(got.outline(*at), (102, 128), supersample=16))
        assert cols.min() == pytest.approx(x1, abs=1.1)
        assert cols.max() + 1 == pytest.approx(x2, abs=1.1)
        assert rows.min() == pytest.approx(y1, abs=1.1)
        assert rows.max() + 1 == pytest.approx(y2, abs=1.1)


def test_seed_decides_the_cut() -> None:
    one, same, other = (cut(seed, GRIDS[0]).outline(1, 1) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_areas_spread_as_real_pieces_do() -> None:
    ratios = []
    for seed in range(40):
        got = cut(seed, (5, 5, 500.0, 500.0))
        ratios += [area(got.outline(*at)) / 1e4 for at in pieces(got)]
    assert 0.6 < min(ratios) < 0.85
    assert 1.15 < max(ratios) < 1.4
    assert 0.04 < np.std(ratios) < 0.15


def test_knob_is_wider_than_its_neck() -> None:
    for seed in range(30):
        got = cut(seed, (2, 1, 100.0, 200.0))
        points = got.edges[0][1, 0].astype(np.float64)
        middle = len(points) // 2
        span = points[middle + 1 :: 1][:, 0], points[middle - 1 :: -1][:, 0]
        widths = span[0] - span[1]  # mirrored samples: their distance along the edge
        head, neck = widths[5], widths[9]
        assert 0 < neck < 0.9 * head
        assert 14 < abs(points[middle, 1] - 100.0) < 32


def test_looks_vary_between_cuts() -> None:
    jitters, ribbons = [], []
    for seed in range(40):
        across = cut(seed, (4, 4, 400.0, 400.0)).edges[0].astype(np.float64)
        inner = across[1:-1, :, :]
        jitters.append(np.abs(inner[:, 1:, 0] - np.round(inner[:, 1:, 0] / 100) * 100).max())
        up = inner[:, :, inner.shape[2] // 2, 1] < inner[:, :, [0, -1], 1].mean(axis=-1)
        parity = np.indices(up.shape).sum(axis=0) % 2 == 1
        ribbons.append(bool((up == parity).all() or (up != parity).all()))
    assert min(jitters) < 1.0
    assert max(jitters) > 4.0
    assert 4 < sum(ribbons) < 36


def test_square_cut_is_plain_rectangles() -> None:
    got = cut(0, (2, 4, 100.0, 30.0), "square")
    np.testing.assert_array_equal(got.outline(1, 2), [(50, 15), (75, 15), (75, 30), (50, 30)])
    assert got.box(1, 2) == (50, 15, 75, 30)
    assert got.cell_center(1, 2) == (62.5, 22.5)


SQUARE = np.array([(3, 3), (6, 3), (6, 6), (3, 6)])


@pytest.mark.parametrize("points", [SQUARE, SQUARE[::-1], SQUARE.astype(np.float32)])
@pytest.mark.parametrize("supersample", [1, 4])
def test_raster_covers_just_the_pixels_inside(points: np.ndarray, supersample: int) -> None:
    want = np.zeros((8, 9), np.float32)
    want[3:6, 3:6] = 1
    got = rasterize(points, (8, 9), supersample=supersample)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, want)


def test_raster_gives_area_fractions() -> None:
    half = rasterize(SQUARE + np.array([0.5, 0.25]), (8, 8))
    np.testing.assert_allclose(half[4], [0, 0, 0, 0.5, 1, 1, 0.5, 0])
    np.testing.assert_allclose(half[:, 4], [0, 0, 0, 0.75, 1, 1, 0.25, 0])
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    disc = np.stack((np.cos(angle), np.sin(angle)), axis=1) * 20 + 30
    assert rasterize(disc, (60, 60)).sum() == pytest.approx(area(disc), rel=1e-3)


def test_raster_maps_by_the_matrix_and_clips() -> None:
    doubled = rasterize(SQUARE, (14, 14), np.array([[2.0, 0, -2], [0, 2, -4]]))
    want = np.zeros((14, 14))
    want[2:8, 4:10] = 1
    np.testing.assert_array_equal(doubled, want)
    mirrored = rasterize(SQUARE, (8, 8), np.array([[-1.0, 0, 8], [0, 1, 0]]))
    assert mirrored[3:6, 2:5].sum() == mirrored.sum() == 9
    assert (rasterize(SQUARE * 10 - 45, (8, 8)) == 1).all()
    assert (rasterize(SQUARE + 100, (8, 8)) == 0).all()
    assert (rasterize(SQUARE - 100, (8, 8)) == 0).all()


def test_bad_arguments_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="at least 1"):
        cut_grid(0, 3, 10, 10, rng)
    with pytest.raises(ValueError, match="positive"):
        cut_grid(3, 3, 10, float("nan"), rng)
    with pytest.raises(ValueError, match="interlocking, square"):
        cut_grid(3, 3, 10, 10, rng, "round")
    with pytest.raises(IndexError, match="no piece"):
        cut(0, GRIDS[0]).outline(-1, 0)
    with pytest.raises(ValueError, match="N >= 3"):
        rasterize(SQUARE[:2], (8, 8))
    with pytest.raises(ValueError, match="at least 1"):
        rasterize(SQUARE, (0, 8))
    with pytest.raises(ValueError, match="finite"):
        rasterize(SQUARE * np.nan, (8, 8))
