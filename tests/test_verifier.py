"""The second stage: it starts at nothing, sees what it should, and learns from every part."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from heatmap_locator.geometry import clockwise
from heatmap_locator.locator import Locator
from heatmap_locator.model.bank import OVERSAMPLE
from heatmap_locator.model.calibration import Calibration
from heatmap_locator.model.comparison import CAST, SCALARS, compare_pairs
from heatmap_locator.model.files import load_model, save_model
from heatmap_locator.model.network import HeatmapLocator, ModelConfig
from heatmap_locator.model.ranker import FEATURES
from heatmap_locator.model.verifier import LIMIT, Member, Verifier
from heatmap_locator.search import measure
from heatmap_locator.search.look import LOOKED, look_again
from heatmap_locator.search.pairs import PITCH, SIDE, Pairs, pair
from heatmap_locator.search.piece import prepare_piece
from heatmap_locator.search.pose import Poses, pose_pieces
from heatmap_train.draw.procedural import draw_picture
from heatmap_train.verifier.batches import Shown
from heatmap_train.verifier.fit import loss_of

CPU = torch.device("cpu")


def some_pairs(pieces: int = 2, places: int = 5) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    insides = torch.zeros(pieces, 1, SIDE, SIDE)
    insides[..., 8:-8, 8:-8] = 1
    return (
        torch.rand(pieces, 3, SIDE, SIDE, generator=generator),
        insides,
        torch.rand(pieces, places, 3, SIDE, SIDE, generator=generator),
        torch.randn(pieces, places, len(FEATURES), generator=generator),
        torch.randn(pieces, places, generator=generator),
        torch.ones(pieces, places, dtype=torch.bool),
    )


def shaken(verifier: Verifier) -> Verifier:
    """One that says something."""
    torch.manual_seed(1)
    for name, parameter in verifier.named_parameters():
        if name.endswith(("added.weight", "none.weight")):
            torch.nn.init.normal_(parameter)
    return verifier


def test_as_made_it_adds_nothing_and_is_small() -> None:
    given = some_pairs()
    verifier = Verifier(1, 128)
    added, none = verifier(compare_pairs(*given), *given[4:])
    assert added.shape == (2, 5)
    assert none.shape == (2,)
    assert not added.any()
    assert sum(p.numel() for p in verifier.parameters()) <= 60_000


def test_how_bright_a_photo_is_says_nothing_and_its_tint_does() -> None:
    prints, insides, windows, *rest = some_pairs()
    seen = compare_pairs(prints, insides, windows, *rest)
    assert seen.shape == (2, 5, SCALARS)
    paler = compare_pairs(prints, insides, windows * 0.5 + 0.2, *rest)
    assert (paler - seen).abs().amax() > 0.1
    exposed = compare_pairs(prints, insides, windows * 0.7, *rest)
    torch.testing.assert_close(exposed[..., CAST], seen[..., CAST], atol=0.03, rtol=0)
    tinted = windows * torch.tensor([0.7, 1.0, 1.0])[:, None, None]
    cast = (compare_pairs(prints, insides, tinted, *rest) - seen)[..., CAST]
    assert cast[..., 0].mean() < -0.15
    assert cast[..., 1].mean() > 0.05
    flat = compare_pairs(prints, insides, torch.full_like(windows, 0.4), *rest)
    assert flat.isfinite().all()


def test_what_lies_outside_the_piece_says_nothing() -> None:
    prints, insides, windows, *rest = some_pairs()
    outside = insides == 0
    other = compare_pairs(
        torch.where(outside, 0.9, prints),
        insides,
        torch.where(outside[:, None], 0.1, windows),
        *rest,
    )
    torch.testing.assert_close(other, compare_pairs(prints, insides, windows, *rest))


def test_a_gradient_reaches_every_parameter() -> None:
    given = some_pairs(4)
    verifier = shaken(Verifier(2, 32))
    right = torch.zeros(4, 5, dtype=torch.bool)
    right[:3, 1] = True
    seen = compare_pairs(*given)
    batch = Shown(seen, *given[4:], right)
    loss_of(batch, *verifier(seen, *given[4:])).backward()
    for name, parameter in verifier.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_places_that_are_not_there_change_nothing() -> None:
    prints, insides, windows, features, logits, real = some_pairs()
    verifier = shaken(Verifier(2, 32)).eval()
    real[:, 3:] = False
    added, none = verifier(
        compare_pairs(prints, insides, windows, features, logits, real), logits, real
    )
    fewer = (prints, insides, windows[:, :3], features[:, :3], logits[:, :3], real[:, :3])
    alone, none_alone = verifier(compare_pairs(*fewer), *fewer[4:])
    torch.testing.assert_close(added[:, :3], alone)
    torch.testing.assert_close(none, none_alone)
    assert not added[:, 3:].any()


def test_whatever_it_sees_it_adds_no_more_than_its_limit() -> None:
    prints, insides, windows, features, logits, real = some_pairs()
    verifier = shaken(Verifier(2, 64))
    for member in verifier.members:
        assert isinstance(member, Member)
        member.added.weight.data *= 1e4
    seen = compare_pairs(prints, insides, windows, 1e3 * features, logits, real)
    added, _ = verifier(seen, logits, real)
    assert LIMIT * 0.99 < added.abs().max() <= LIMIT


def test_what_the_cut_says_is_the_rankers_affair() -> None:
    prints, insides, windows, features, logits, real = some_pairs()
    seen = compare_pairs(prints, insides, windows, features, logits, real)
    other = features.clone()
    other[..., [FEATURES.index(name) for name in ("cell", "turn", "size")]] += 3
    again = compare_pairs(prints, insides, windows, other, logits, real)
    torch.testing.assert_close(again, seen)
    pixel = features.clone()
    pixel[..., FEATURES.index("pixel")] += torch.rand(2, 5)
    changed = compare_pairs(prints, insides, windows, pixel, logits, real)
    assert (changed - seen).abs().amax() > 0.1


def test_members_that_disagree_add_their_mean() -> None:
    given = some_pairs()
    verifier = shaken(Verifier(2, 64))
    seen = compare_pairs(*given)
    first, second = (member(seen, *given[4:])[0] for member in verifier.members)
    assert (first - second).abs().max() > 0.1
    torch.testing.assert_close(verifier(seen, *given[4:])[0], (first + second) / 2)


def test_the_loss_is_cross_entropy_with_none_of_these_as_a_class() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 5.0]])
    real = torch.tensor([[True, True, True], [True, True, False]])
    right = torch.tensor([[False, True, True], [False, False, False]])
    none = torch.tensor([0.5, 0.25])
    batch = Shown(torch.zeros(2, 3, 1), logits, real, right)
    found = loss_of(batch, torch.zeros(2, 3), none)
    e = np.exp
    first = -np.log((e(0) + e(1)) / (e(2) + e(0) + e(1) + e(0.5)))
    second = -np.log(e(0.25) / (e(0) + e(1) + e(0.25)))
    assert float(found) == pytest.approx((first + second) / 2, rel=1e-5)


def test_weights_of_before_are_read_unless_they_had_filters() -> None:
    config = ModelConfig(verifier=4).to_dict()
    assert ModelConfig.from_dict({**config, "verifier_filters": 0}) == ModelConfig(verifier=4)
    with pytest.raises(ValueError, match="unknown model setting: verifier_filters"):
        ModelConfig.from_dict({**config, "verifier_filters": 16})


@pytest.fixture(scope="module")
def laid() -> tuple[np.ndarray, Poses, Tensor, Tensor]:
    """A picture, a square piece of it turned by 30 degrees, and the warp to its place."""
    rng = np.random.default_rng(2)
    picture = draw_picture(192, 160, rng)
    turn = 30.0
    # The photo shows 32 working pixels as 64, its middle at (96, 80) of the picture.
    ys, xs = np.mgrid[:110, :110] + 0.5
    away = np.stack([xs - 55, ys - 55], -1) @ clockwise(turn) / 2
    inside = (np.abs(away) < 16).all(-1)
    at = np.floor(away + np.array([96, 80])).astype(int).clip(0, [191, 159])
    rgb = picture[at[..., 1], at[..., 0]]
    piece = prepare_piece(np.dstack([rgb, inside * np.uint8(255)]).astype(np.uint8), cutout=True)
    poses = pose_pieces([piece], CPU)
    back = torch.from_numpy(clockwise(-turn)).float()
    # Two pixels of the photo are a working pixel, and so many of its own as the piece was sized.
    size = float(piece.to_resized[0, 0]) * 2 / OVERSAMPLE
    warp = torch.cat([back / size, torch.tensor([[96.0], [80.0]])], 1)
    tensor = torch.from_numpy(picture).permute(2, 0, 1).float() / 255
    return picture, poses, warp[None, None], tensor


def seen_at(laid: tuple[np.ndarray, Poses, Tensor, Tensor]) -> Pairs:
    _, poses, warp, picture = laid
    return pair(warp, poses, picture)


def test_a_pair_is_square_and_both_show_the_same(
    laid: tuple[np.ndarray, Poses, Tensor, Tensor],
) -> None:
    views = seen_at(laid)
    assert views.prints.shape == (1, 3, SIDE, SIDE)
    assert views.windows.shape == (1, 1, 3, SIDE, SIDE)
    inside = views.insides[0, 0] > 0.9
    rows, columns = inside.any(1).nonzero()[:, 0], inside.any(0).nonzero()[:, 0]
    middle = SIDE / 2 - 0.5
    for found in (rows, columns):  # set square, and its body in the middle
        assert float(found.float().mean()) == pytest.approx(middle, abs=1)
        assert len(found) * PITCH == pytest.approx(30, abs=3)
    own, window = views.prints[0][:, inside], views.windows[0, 0][:, inside]
    assert float((own - window).abs().mean()) < 0.05
    outside = views.insides[0, 0] == 0
    assert float((views.windows[0, 0] - views.prints[0])[:, outside].abs().mean()) > 0.05


def test_places_looked_at_again_stay_before_the_rest(
    laid: tuple[np.ndarray, Poses, Tensor, Tensor],
) -> None:
    _, poses, warp, picture = laid
    count = LOOKED + 6
    generator = torch.Generator().manual_seed(3)
    warps = warp.repeat(1, count, 1, 1)
    warps[0, :, :, 2] += 20 * torch.randn(count, 2, generator=generator)
    features = torch.randn(1, count, len(FEATURES), generator=generator)
    logits = torch.arange(count, 0.0, -1)[None].clone()
    real = torch.ones(1, count, dtype=torch.bool)
    given = warps, features, logits, real, poses, picture
    with torch.no_grad():
        same = look_again(Verifier(2, 32).eval(), *given)
        changed = look_again(shaken(Verifier(2, 32)).eval(), *given)
    torch.testing.assert_close(same, logits)
    assert not torch.equal(changed[:, :LOOKED], logits[:, :LOOKED])
    assert changed[0, 0] == logits[0, 0]
    assert (changed - logits)[0, LOOKED:].unique().numel() <= 2
    assert changed[0, LOOKED:].max() < changed[0, :LOOKED].min() + LOOKED


def test_weights_with_a_second_stage_are_read_again_and_answer_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = {"features": 4, "rotations": 16, "head_decoder": (4, 4, 4)}
    plain = HeatmapLocator(ModelConfig(**small))  # type: ignore[arg-type]
    both = HeatmapLocator(ModelConfig(**small, verifier=2))  # type: ignore[arg-type]
    both.load_state_dict(plain.state_dict(), strict=False)
    answers = []
    picture = draw_picture(200, 160, np.random.default_rng(1))
    piece = np.dstack([picture[40:72, 40:72], np.full((32, 32), 255, np.uint8)])
    for name, model in (("plain", plain), ("both", both)):
        save_model(model, tmp_path / name, {})
        locator = Locator.from_pretrained(tmp_path / name, "cpu")
        answers.append(locator.encode(picture, grid=(5, 6)).locate(piece, 3, cutout=True))
    assert answers[0] == answers[1]
    loaded, _ = load_model(tmp_path / "both")
    assert isinstance(loaded.ranker.verifier, Verifier)
    assert load_model(tmp_path / "plain")[0].ranker.verifier is None


def test_it_is_asked_where_cells_are_known_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()

    def looked(verifier: Verifier, warp: Tensor, features: Tensor, logits: Tensor, *_: Any) -> Any:
        asked.append(logits.shape[1])
        return logits

    monkeypatch.setattr(measure, "look_again", looked)
    small = {"features": 4, "rotations": 16, "head_decoder": (4, 4, 4), "verifier": 1}
    model = HeatmapLocator(ModelConfig(**small)).eval()  # type: ignore[arg-type]
    locator = Locator(model, torch.device("cpu"), Calibration())
    picture = draw_picture(200, 160, np.random.default_rng(1))
    piece = np.dstack([picture[40:72, 40:72], np.full((32, 32), 255, np.uint8)])
    locator.encode(picture).locate(piece, cutout=True)
    assert asked == []
    locator.encode(picture, grid=(5, 6)).locate(piece, cutout=True)
    assert asked
