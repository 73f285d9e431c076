"""Predicted boxes of a trained member on held-back scenes, and how they are spread."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.geometry import CELL, bounds, clockwise
from heatmap_locator.model.bank import OVERSAMPLE, bank_angles, rotate_piece
from heatmap_locator.model.network import EncodedImages, HeatmapLocator
from heatmap_locator.search.decode import decode
from heatmap_train.draw.scenes import Scenes
from heatmap_train.locator.places import masked_centroid
from heatmap_train.regressor.module import RegressionModule, paired_iou, true_boxes
from heatmap_train.shared.batches import CapturedBatches
from heatmap_train.shared.module import RecipeModule, collapse_gauge

from ..methods.places import hull


def located_boxes(model: HeatmapLocator, batch: Scenes) -> Tensor:
    """The first place that the locator decodes for every piece.

    Returns:
        ``(B * P, 4)`` (cx, cy, w, h) in shares of the picture.
    """
    rotations, gain = model.config.rotations, model.head.rotation_gain
    angles = bank_angles(rotations).to(batch.photos.device)[None]
    encoded = model.encode_picture(batch.pictures)
    size = np.array(batch.pictures.shape[:-3:-1], float)
    found = []
    for i, (photos, masks) in enumerate(zip(batch.photos, batch.masks, strict=True)):
        picture = EncodedImages(encoded.features[i : i + 1], encoded.pixels[i : i + 1])
        references = masked_centroid(masks)
        for photo, mask, reference in zip(photos, masks, references, strict=True):
            bank = rotate_piece(photo[None], mask[None], reference[None], angles)
            pieces = model.encode_pieces(*bank).trimmed()
            maps = model.head(*model.correlate_bank(picture, pieces))
            ((place,),) = decode(maps, rotations, gain, 1).candidates()
            # The outline set upright about its reference point.
            points = hull(mask[0].cpu().numpy()).astype(np.float32) - reference.cpu().numpy()
            points = points @ clockwise(-place.rotation).T / OVERSAMPLE
            x1, y1, x2, y2 = bounds(points + np.array([place.x, place.y]))
            corner, far = np.array([x1, y1]) / size, np.array([x2, y2]) / size
            found.append(np.concatenate([(corner + far) / 2, far - corner]))
    return torch.tensor(np.array(found), dtype=torch.float32)


@torch.no_grad()
def predict(module: RecipeModule, batches: CapturedBatches, count: int) -> tuple[Tensor, Tensor]:
    """Predicted and true boxes of the first ``count`` batches, ``(N, 4)`` each, on the CPU."""
    module.eval()
    found, truth = [], []
    for index in range(count):
        batch = module.transfer_batch_to_device(batches[index], module.device, 0)
        truth.append(true_boxes(batch).cpu())
        if isinstance(module, RegressionModule):
            found.append(module.boxes(batch).cpu())
        else:
            assert isinstance(module.model, HeatmapLocator)
            found.append(located_boxes(module.model, batch))
    return torch.cat(found), torch.cat(truth)


def spread(found: Tensor, truth: Tensor, picture: int) -> dict[str, Any]:
    """The figures of a row: how predicted centres are spread, and how right the boxes are.

    Args:
        found, truth: ``(N, 4)`` (cx, cy, w, h) in shares of the picture, N at least 2.
        picture: side of the pictures in pixels, CELL of them a cell.

    Returns:
        JSON-ready; None where predictions are not finite.  ``gauge`` is the collapse gauge;
        ``correlation`` is Pearson's between predicted and true centre, the mean of x and y, and
        None where all predictions are one; ``placed`` is the share within half a cell.
    """
    centers, true = found[:, :2], truth[:, :2]
    row: dict[str, Any] = {
        "n": len(truth),
        "truth_mean": true.mean(0).tolist(),
        "truth_std": true.std(0).tolist(),
        "constant_iou": float(paired_iou(truth.mean(0).expand_as(truth), truth).mean()),
    }
    if not bool(found.isfinite().all()):
        missing = ("mean", "std", "gauge", "correlation", "iou", "placed")
        return row | dict.fromkeys(missing)
    gap = (centers - true) * picture / CELL
    return row | {
        "mean": centers.mean(0).tolist(),
        "std": centers.std(0).tolist(),
        "gauge": float(collapse_gauge(centers, true)),
        "correlation": _correlation(centers, true),
        "iou": float(paired_iou(found, truth).mean()),
        "placed": float((gap.norm(dim=1) < 0.5).float().mean()),
    }


def _correlation(a: Tensor, b: Tensor) -> float | None:
    a, b = (x.double() - x.double().mean(0) for x in (a, b))
    norms = a.norm(dim=0) * b.norm(dim=0)
    # Below this the spread is rounding.
    if bool((a.norm(dim=0) < 1e-6 * len(a)).any()):
        return None
    return float(((a * b).sum(0) / norms).mean())
