"""Ranking by pixels, on a print whose place is known."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import draw_texture

from heatmap_locator.geometry import CELL, angle_difference
from heatmap_locator.grid import Grid
from heatmap_locator.model.network import PIXEL_STRIDE, EncodedImages
from heatmap_locator.model.ranker import FEATURES, Ranker
from heatmap_locator.search import measure as measure_module
from heatmap_locator.search.align import rotation_of
from heatmap_locator.search.compare import Compared, compare
from heatmap_locator.search.levels import Field, Level
from heatmap_locator.search.measure import KEPT, lay, measure, measure_shortlist
from heatmap_locator.search.named import Candidate, Named
from heatmap_locator.search.piece import PreparedPiece, prepare_piece
from heatmap_locator.search.pose import ROTATIONS, Poses, pose_pieces
from heatmap_locator.search.propose import around, bodies

PLACE = (110.0, 90.0)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return draw_texture(192, 224, 12)


@pytest.fixture(scope="module")
def piece(picture: np.ndarray) -> PreparedPiece:
    """A round piece at PLACE, turned by 50 degrees, darker and flatter than the picture."""
    side, zoom, degrees = 192, 2.0, 50.0
    matrix = cv2.getRotationMatrix2D((PLACE[0] - 0.5, PLACE[1] - 0.5), -degrees, zoom)
    matrix[:, 2] += np.array([side / 2 - 0.5, side / 2 - 0.5]) - np.subtract(PLACE, 0.5)
    rgb = cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_CUBIC)
    ys, xs = np.mgrid[:side, :side] + 0.5 - side / 2
    inside = np.hypot(xs, ys) <= CELL / np.sqrt(np.pi) * zoom
    return prepare_piece(np.dstack([rgb // 2 + 20, inside.astype(np.uint8) * 255]))


def at(x: float, y: float, rotation: float, logit: float = 0.0) -> Candidate:
    return Candidate(x, y, rotation, logit, 0)


def tensor_of(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255


def field_of(picture: np.ndarray, grid: Grid | None = None) -> Field:
    tensor = tensor_of(picture)
    return Field(tensor, F.avg_pool2d(tensor, PIXEL_STRIDE), grid)


def volume(field: Field, pieces: int = 1) -> torch.Tensor:
    """36 rotations of features that correlate nowhere."""
    return torch.zeros(pieces, 36, field.picture.shape[1] // 4, field.picture.shape[2] // 4)


def as_named(own: list[Candidate], most: int = 0) -> Named:
    """A batch of one; filled up with what is not real."""
    filled = [*own, *[own[0]] * (most - len(own))]
    values = torch.tensor([[(c.x, c.y, c.rotation, c.logit) for c in filled]]).float()
    real = torch.tensor([[n < len(own) for n in range(len(filled))]])
    return Named(values[..., :2], values[..., 2], values[..., 3], real)


def rank(
    asked: list[list[Candidate]], poses: Poses, field: Field, volume: torch.Tensor, most: int = KEPT
) -> list[list[Candidate]]:
    together = max(len(own) for own in asked)
    named = Named.joined([as_named(own, together) for own in asked], 0)
    level = Level(0, field, EncodedImages(volume, volume), np.eye(2, 3))
    return measure_module.rank(named, poses, level, around(volume, named), Ranker(), most)


def posed(*pieces: PreparedPiece) -> Poses:
    return pose_pieces(pieces, torch.device("cpu"))


def compared(candidates: list[Candidate], poses: Poses, field: Field) -> Compared:
    return compare(as_named(candidates), poses, field)


def measured(
    candidates: list[Candidate], poses: Poses, field: Field, feature: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Warps and features of one piece's candidates, aligned from where they are compared."""
    named = as_named(candidates)
    known = {"head": named.logit, "feature": torch.full_like(named.logit, feature)}
    warp, features = measure(compared(candidates, poses, field), poses, field, known)
    return warp[0], features[0]


def test_of_few_poses_those_alone_are_rendered(piece: PreparedPiece) -> None:
    poses = posed(piece, piece.mirrored())
    few = torch.tensor([[3, 70], [ROTATIONS + 5, 3]])
    templates, masks, which = poses.rendered(few)
    assert len(templates) == len(masks) == few.numel()
    every, every_mask, same = poses.rendered(torch.arange(2 * ROTATIONS))
    assert torch.equal(same, torch.arange(2 * ROTATIONS))
    torch.testing.assert_close(templates[which], every[few])
    torch.testing.assert_close(masks[which], every_mask[few])
    again, _, own = poses.of([1]).rendered(torch.tensor([5]))  # what is rendered is not twice
    assert len(again) == ROTATIONS
    torch.testing.assert_close(again[own], every[[ROTATIONS + 5]])


def test_the_true_place_correlates_and_others_do_not(
    piece: PreparedPiece, picture: np.ndarray
) -> None:
    near = at(PLACE[0] + 2, PLACE[1] - 2, 53.0)
    elsewhere, turned = at(60, 120, 50.0), at(*PLACE, 140.0)
    poses, field = posed(piece), field_of(picture)
    best = compared([near, elsewhere, turned], poses, field)
    found = best.correlation[0].tolist()
    assert found[0] > 0.9
    assert max(found[1:]) < 0.6
    assert all(-1.01 <= value <= 1.01 for value in found)
    # Where it correlates best is where it lies, to the nearest pixel of the field.
    assert best.middle[0, 0].tolist() == pytest.approx(PLACE, abs=1.5 * PIXEL_STRIDE)
    assert best.degrees[0, 0] == 50
    # The body of a round piece is its middle.
    there = bodies(best.middle, best.degrees, best.scale, poses.body)
    assert there[0, 0].tolist() == pytest.approx(PLACE, abs=1.5 * PIXEL_STRIDE + 0.5)


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("off", [-4.0, 3.0])
def test_alignment_finds_place_angle_and_size(
    piece: PreparedPiece, picture: np.ndarray, factor: float, off: float
) -> None:
    x, y = PLACE[0] * factor, PLACE[1] * factor
    other = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    poses, field = posed(piece), field_of(other)
    start = [at(x + off, y - off, 50.0 + off)]
    laid = lay(compared(start, poses, field), poses, field)
    assert float(laid.correlation) > 0.97
    assert laid.warp[0, 0, :, 2].tolist() == pytest.approx((x, y), abs=0.3)
    assert abs(angle_difference(float(rotation_of(laid.warp)), 50.0)) < 0.6
    assert float(laid.warp[0, 0, :, :2].det().sqrt()) == pytest.approx(factor, rel=0.015)
    (ranked,) = rank([start], poses, field, volume(field))
    assert (ranked[0].x, ranked[0].y) == pytest.approx((x, y), abs=0.3)
    linear = np.reshape(ranked[0].pose, (2, 3))[:, :2]
    assert np.sqrt(np.linalg.det(linear)) == pytest.approx(factor / 2, rel=0.015)


def test_pixels_change_the_order(piece: PreparedPiece, picture: np.ndarray) -> None:
    field = field_of(picture)
    true = at(*PLACE, 50.0)
    others = [at(9.0 * i % 220, 20 + i, 5.0 * i, 2.0) for i in range(KEPT + 6)]
    (ranked,) = rank([[*others, true]], posed(piece), field, volume(field))
    assert len(ranked) == KEPT + 7
    assert (ranked[0].x, ranked[0].y) == pytest.approx(PLACE, abs=0.3)
    aligned = [c for c in ranked if c.pose is not None]
    assert aligned == ranked[: len(aligned)]
    assert KEPT - 10 <= len(aligned) <= KEPT
    logits = [c.logit for c in ranked]
    assert max(logits[len(aligned) :]) <= logits[len(aligned) - 1]
    assert logits == sorted(logits, reverse=True)


def test_equal_pixels_keep_the_order_of_the_head(piece: PreparedPiece, picture: np.ndarray) -> None:
    # A picture of one tile, four times over: what is seen at each place is the same.
    tile = picture[34:146, 54:166]
    field = field_of(np.tile(tile, (2, 2, 1)))
    poses = posed(piece)
    first, second = at(56, 56, 50.0, 1.0), at(168, 168, 50.0, 0.0)
    (level,) = rank([[second, first]], poses, field, volume(field))
    assert (level[0].x, level[0].y) == pytest.approx((56, 56), abs=0.5)
    assert level[0].logit - level[1].logit == pytest.approx(1.0, abs=0.05)


def test_the_same_pose_is_measured_once(piece: PreparedPiece, picture: np.ndarray) -> None:
    field = field_of(picture)
    twice = [at(*PLACE, 50.0), at(PLACE[0] + 1, PLACE[1], 51.0)]
    (ranked,) = rank([twice], posed(piece), field, volume(field))
    assert [c.pose is not None for c in ranked] == [True, False]


def test_every_measure_tells_the_true_place(piece: PreparedPiece, picture: np.ndarray) -> None:
    # The true place is the middle of a cell: of three columns and two rows, with a round body.
    grid = Grid(1, 1)
    field, poses = field_of(picture, grid), posed(piece)
    correlations = volume(field)
    correlations[0, 5, int(PLACE[1] // 4), int(PLACE[0] // 4)] = 0.8
    places = [at(*PLACE, 50.0, 3.0), at(60, 120, 50.0, 1.0), at(*PLACE, 140.0, 1.0)]
    named = as_named(places)
    short = measure_shortlist(named, poses, field, around(correlations, named))
    found = torch.empty(3, len(FEATURES))
    found[short.index[0]] = short.features[0]
    assert found[:, 0].tolist() == [3.0, 1.0, 1.0]
    assert float(found[0, 1]) == pytest.approx(-np.log(1 - 0.64))
    assert (found[0, :6] > 2 * found[1:, :6]).all()
    cell, size = FEATURES.index("cell"), FEATURES.index("size")
    assert found[0, cell] > 1
    assert found[1, cell] < -1
    assert found[0, size] > -0.1
    unknown = measured(places, poses, field_of(picture))[1]
    assert (unknown[:, [cell, size]] == 0).all()
    fitting = Field(field.picture, field.halved, Grid(1, 1, exact=False))
    assert (measured(places, poses, fitting)[1][:, cell] == 0).all()


@pytest.mark.parametrize("corner", [(0.0, 0.0), (223.9, 0.0), (0.0, 191.9), (223.9, 191.9)])
def test_places_at_the_picture_s_corners_can_be_measured(
    piece: PreparedPiece, picture: np.ndarray, corner: tuple[float, float]
) -> None:
    warp, found = measured([at(*corner, 10.0)], posed(piece), field_of(picture))
    assert torch.isfinite(found).all()
    assert torch.isfinite(warp).all()


def test_pieces_of_other_sizes_beside_it_change_no_answer(
    piece: PreparedPiece, picture: np.ndarray
) -> None:
    """Pieces are filled up to one size, and places to one number; neither counts."""
    rng = np.random.default_rng(0)
    field = field_of(picture)
    crop = prepare_piece(picture[30:66, 40:84].copy())
    asked = [
        [at(*PLACE, 50.0, 1.0), *(at(*rng.uniform(20, 180, 2), 50.0) for _ in range(20))],
        [at(61.0, 49.0, 0.0, 1.0), at(120.0, 70.0, 90.0)],
    ]
    generator = torch.Generator().manual_seed(0)
    correlations = torch.rand(volume(field, 2).shape, generator=generator)
    both = rank(asked, posed(piece, crop), field, correlations, 12)
    for n, own in enumerate((piece, crop)):
        (alone,) = rank(asked[n : n + 1], posed(own), field, correlations[n : n + 1], 12)
        assert len(alone) == len(asked[n])
        for one, other in zip(both[n], alone, strict=True):
            assert (one.x, one.y) == pytest.approx((other.x, other.y), abs=0.01)
            assert one.logit == pytest.approx(other.logit, abs=0.01)
