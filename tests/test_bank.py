"""The rotation bank: which way it turns, what lands in the middle, what is outside."""

import cv2
import numpy as np
import pytest
import torch

from heatmap_locator.geometry import clockwise, similarity, to_cv2
from heatmap_locator.model.bank import (
    CANVAS,
    OVERSAMPLE,
    bank_angles,
    erode,
    rotate_all_round,
    rotate_piece,
)

SIDE = 100


def photo(seed: int = 0) -> np.ndarray:
    """(SIDE, SIDE, 3) float32, smooth."""
    noise = np.random.default_rng(seed).standard_normal((SIDE, SIDE, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 5)
    return (0.5 + 0.15 * smooth / smooth.std()).clip(0, 1).astype(np.float32)


def shape() -> np.ndarray:
    """(SIDE, SIDE) float32, a lopsided outline around the middle."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.rectangle(mask, (30, 25), (69, 74), 1.0, -1)
    cv2.circle(mask, (70, 40), 12, 1.0, -1)
    return cv2.GaussianBlur(mask, (0, 0), 1.5)


def tensors(image: np.ndarray, mask: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(image.transpose(2, 0, 1).copy())[None], torch.from_numpy(mask.copy())[
        None, None
    ]


def bank(
    image: np.ndarray,
    mask: np.ndarray,
    degrees: list[float],
    reference: tuple[float, float] = (SIDE / 2, SIDE / 2),
    scale: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """(K, 3, CANVAS, CANVAS) templates and (K, CANVAS, CANVAS) masks."""
    templates, masks = rotate_piece(
        *tensors(image, mask), torch.tensor([reference]), torch.tensor([degrees]), scale
    )
    return templates[0].numpy(), masks[0, :, 0].numpy()


def turn(image: np.ndarray, degrees: float) -> np.ndarray:
    """The image turned clockwise about its middle."""
    matrix = to_cv2(similarity((SIDE / 2, SIDE / 2), (SIDE / 2, SIDE / 2), degrees, 1.0))
    return cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC)


def test_angles_start_at_zero_in_equal_steps() -> None:
    np.testing.assert_allclose(bank_angles(8).numpy(), np.arange(8) * 45.0)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_quarter_turn_is_undone_exactly(quarters: int) -> None:
    upright, upright_mask = bank(photo(), shape(), [0.0])
    turned = np.rot90(photo(), -quarters), np.rot90(shape(), -quarters)
    found, mask = bank(*turned, [90.0 * quarters])
    np.testing.assert_allclose(found, upright, atol=2e-5)
    np.testing.assert_allclose(mask, upright_mask, atol=2e-5)


@pytest.mark.parametrize("degrees", [10.0, 37.0, 123.0, 300.0])
def test_any_turn_is_undone(degrees: float) -> None:
    upright, upright_mask = bank(photo(), shape(), [0.0])
    found, mask = bank(turn(photo(), degrees), turn(shape(), degrees), [degrees])
    assert np.abs(mask - upright_mask).max() < 0.05
    assert np.abs(found - upright).max() < 0.03
    wrong, _ = bank(turn(photo(), degrees), turn(shape(), degrees), [-degrees])
    assert np.abs(wrong - upright).max() > 0.2


def test_upright_template_is_the_photo_averaged_down() -> None:
    image, mask = photo(), np.ones((SIDE, SIDE), np.float32)
    found, _ = bank(image, mask, [0.0])
    small = cv2.resize(image, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)
    edge = (CANVAS - SIDE // OVERSAMPLE) // 2
    inner = found[0, :, edge:-edge, edge:-edge]
    np.testing.assert_allclose(inner, small.transpose(2, 0, 1), atol=1e-5)


@pytest.mark.parametrize("degrees", [0.0, 90.0, 200.0])
def test_the_reference_lands_in_the_middle(degrees: float) -> None:
    spot = (62.0, 41.0)
    ys, xs = np.mgrid[:SIDE, :SIDE] + 0.5
    mask = np.exp(-((xs - spot[0]) ** 2 + (ys - spot[1]) ** 2) / 50).astype(np.float32)
    _, masks = bank(photo(), mask, [degrees], reference=spot)
    ys, xs = np.mgrid[:CANVAS, :CANVAS] + 0.5
    centre = [(masks[0] * xs).sum() / masks[0].sum(), (masks[0] * ys).sum() / masks[0].sum()]
    np.testing.assert_allclose(centre, [CANVAS / 2, CANVAS / 2], atol=0.02)


@pytest.mark.parametrize("degrees", [0.0, 90.0, 250.0])
def test_a_point_of_the_photo_turns_counter_clockwise(degrees: float) -> None:
    spot = np.array([64.0, 44.0])
    ys, xs = np.mgrid[:SIDE, :SIDE] + 0.5
    mask = np.exp(-((xs - spot[0]) ** 2 + (ys - spot[1]) ** 2) / 50).astype(np.float32)
    _, masks = bank(photo(), mask, [degrees])
    ys, xs = np.mgrid[:CANVAS, :CANVAS] + 0.5
    found = [(masks[0] * xs).sum() / masks[0].sum(), (masks[0] * ys).sum() / masks[0].sum()]
    wanted = CANVAS / 2 + clockwise(-degrees) @ (spot - SIDE / 2) / OVERSAMPLE
    np.testing.assert_allclose(found, wanted, atol=0.02)


@pytest.mark.parametrize("scale", [0.8, 1.25])
def test_templates_grow_by_the_scale(scale: float) -> None:
    _, plain = bank(photo(), shape(), [30.0])
    _, scaled = bank(photo(), shape(), [30.0], scale=scale)
    assert scaled.sum() / plain.sum() == pytest.approx(scale**2, rel=0.01)


def test_photos_and_rotations_of_a_batch_stay_apart() -> None:
    pairs = [(photo(0), shape()), (photo(1), np.rot90(shape()).copy())]
    images = torch.cat([tensors(*pair)[0] for pair in pairs])
    masks = torch.cat([tensors(*pair)[1] for pair in pairs])
    middle = torch.full((2, 2), SIDE / 2)
    together, _ = rotate_piece(images, masks, middle, torch.tensor([[0.0, 50.0], [20.0, 90.0]]))
    for row, degrees in ((0, [0.0, 50.0]), (1, [20.0, 90.0])):
        for column in range(2):
            alone, _ = bank(*pairs[row], [degrees[column]])
            np.testing.assert_allclose(together[row, column].numpy(), alone[0], atol=1e-6)


def test_outside_the_outline_is_the_mean_colour() -> None:
    image, mask = photo(), np.zeros((SIDE, SIDE), np.float32)
    mask[30:70, 30:70] = 1
    image[mask == 0] = (0.0, 1.0, 0.0)
    found, masks = bank(image, mask, [33.0])
    mean = image[30:70, 30:70].mean((0, 1))
    outside = found[0][:, masks[0] == 0]
    assert outside.shape[1] > 500
    np.testing.assert_allclose(outside, np.tile(mean[:, None], outside.shape[1]), atol=1e-5)


def test_erode_takes_a_ring_off() -> None:
    mask = torch.zeros(2, 3, 1, 12, 12)
    mask[..., 3:9, 2:10] = 1
    wanted = torch.zeros_like(mask)
    wanted[..., 4:8, 3:9] = 1
    assert torch.equal(erode(mask), wanted)
    wanted[:] = 0
    wanted[..., 5:7, 4:8] = 1
    assert torch.equal(erode(mask, 2), wanted)


@pytest.mark.parametrize("reference", [(40.0, 31.0), (37.3, 44.8)])
def test_all_round_is_every_angle_by_itself(reference: tuple[float, float]) -> None:
    generator = torch.Generator().manual_seed(2)
    photo = torch.rand(2, 3, 70, 84, generator=generator)
    mask = torch.zeros(2, 1, 70, 84)
    mask[:, :, 8:58, 12:75] = torch.rand(2, 1, 50, 63, generator=generator)
    middle = torch.tensor([reference, reference])
    wanted = rotate_piece(photo, mask, middle, bank_angles(36).expand(2, -1))
    found = rotate_all_round(photo, mask, middle, 36)
    for own, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(own, other, atol=2e-5, rtol=0)
