"""A small U-Net that finds the one loose piece in a photo, on whatever it lies.

The photo is seen twice: whole, then the neighbourhood of what was found, enlarged.
"""

import json
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from heatmap_locator.errors import WeightsError
from heatmap_locator.files import write_atomically
from heatmap_locator.model.backbones import RESNET_BLOCKS, BasicBlock, Nested, ResNet
from heatmap_locator.model.files import read_weights
from heatmap_locator.model.precision import autocast
from heatmap_locator.model.unet import UNet
from heatmap_locator.outline.shape import fill_holes

FORMAT = "heatmap-outline/1"
SHIPPED = "outline.safetensors"

# Part of the window's side that the piece takes the second time.
_FILL = 0.72
# Of the photo's longer side: what is smaller is looked at once more.
_SMALL = 0.2
# Fewest pixels, of the network's, that count as something found.
_LEAST = 24


@dataclass(frozen=True)
class OutlineConfig:
    """The network's shape.

    Attributes:
        size: side of the square it is trained on, in pixels.
        channels: of the encoder's four stages.
        decoder: channels of the U-Net's decoder, from the coarsest on.
        fused: channels of the reader at half resolution.
    """

    size: int = 192
    channels: tuple[int, ...] = (24, 48, 64, 96)
    decoder: tuple[int, ...] = (64, 48, 32, 24, 16)
    fused: int = 32

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "OutlineConfig":
        known = {f.name for f in fields(cls)}
        if set(values) - known:
            raise ValueError(f"unknown keys {sorted(set(values) - known)}")
        built: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**built)


class OutlineNet(nn.Module):
    """A ResNet-18 of few channels under a U-Net; ``(N, 3, H, W)`` in 0..1 to logits, one channel.

    H and W are multiples of 64.  Pixels enter as blocks of 2 x 2, which costs a quarter; the
    U-Net has no skip at that resolution, so its output is context for a small reader of the
    pixels themselves, where the edge is to be told to a fraction of one.
    """

    def __init__(self, config: OutlineConfig) -> None:
        super().__init__()
        self.config = config
        context = config.decoder[-1]
        backbone = ResNet(12, RESNET_BLOCKS["resnet18"], config.channels)
        for module in backbone.modules():
            if isinstance(module, BasicBlock):
                # A block begins as the identity (Goyal et al., "Accurate, Large Minibatch SGD").
                nn.init.zeros_(module.bn2.weight)  # type: ignore[arg-type]
        self.unet = UNet(Nested(backbone), config.decoder, context, nn.BatchNorm2d)
        self.fuse = nn.Sequential(
            nn.Conv2d(context + 12, config.fused, 3, padding=1, bias=False),
            nn.BatchNorm2d(config.fused),
            nn.ReLU(),
            nn.Conv2d(config.fused, config.fused, 3, padding=1, bias=False),
            nn.BatchNorm2d(config.fused),
            nn.ReLU(),
            nn.Conv2d(config.fused, 4, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        x = F.pixel_unshuffle(image * 2 - 1, 2).contiguous(memory_format=torch.channels_last)
        context = self.unet(x)
        logits = self.fuse(torch.cat([context, x.to(context.dtype)], 1))
        return F.pixel_shuffle(logits.float(), 2)


def save_outline_net(net: OutlineNet, path: str | Path, extra: dict[str, Any]) -> None:
    """Write the network in half precision, with its configuration and ``extra``."""
    metadata = {
        "format": FORMAT,
        "config": json.dumps(asdict(net.config), sort_keys=True),
        "extra": json.dumps(extra, sort_keys=True),
    }
    tensors = {
        k: (v.half() if v.is_floating_point() else v).detach().cpu().contiguous()
        for k, v in net.state_dict().items()
    }
    write_atomically(path, save(tensors, metadata))


def load_outline_net(path: str | Path | None = None) -> OutlineNet:
    """Read a network, in evaluation mode on the CPU; ``None`` is the one that ships.

    Raises:
        WeightsError: missing, damaged, of another kind or version.
    """
    source, metadata, tensors = read_weights(path, SHIPPED)
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{source}: not weights of an outline network; this one reads {FORMAT}")
    try:
        net = OutlineNet(OutlineConfig.from_dict(json.loads(metadata["config"])))
        net.load_state_dict(tensors)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise WeightsError(
            f"{source}: does not fit the network it describes; use weights of this version"
        ) from error
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


@cache
def shipped_outline_net() -> OutlineNet:
    """The network that ships, read once a process."""
    return load_outline_net()


@torch.inference_mode()
def _look(net: OutlineNet, rgb: np.ndarray) -> np.ndarray:
    """(H, W) 0..1, what the network sees of (H, W, 3) uint8, on a square of its size."""
    height, width = rgb.shape[:2]
    size = net.config.size
    scale = size / max(height, width)
    h, w = max(round(height * scale), 1), max(round(width * scale), 1)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(rgb, (w, h), interpolation=way)
    top, left = (size - h) // 2, (size - w) // 2
    pads = top, size - h - top, left, size - w - left
    square = cv2.copyMakeBorder(small, *pads, cv2.BORDER_REPLICATE)
    image = torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255
    # A mirror image is as good a photo: the mean of both is steadier at the edge.
    both = torch.cat([image, image.flip(3)])
    with autocast(torch.device("cpu")):
        seen = net(both).sigmoid()
    mean = (seen[0, 0] + seen[1, 0].flip(1)) / 2
    return np.ascontiguousarray(mean.numpy()[top : top + h, left : left + w])


def _main_part(seen: np.ndarray) -> np.ndarray | None:
    """The one part of (h, w) 0..1 that is the piece, its holes filled, soft at its edge."""
    solid = (seen > 0.5).astype(np.uint8)
    height, width = solid.shape
    count, labels, stats, centroids = cv2.connectedComponentsWithStats(solid, connectivity=4)
    if count < 2:
        return None
    # Big and near the middle: others reach in from the frame.
    off = np.linalg.norm(centroids[1:] - [width / 2, height / 2], axis=1) / max(height, width)
    best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA] * np.exp(-((off / 0.3) ** 2))))
    if stats[best, cv2.CC_STAT_AREA] < _LEAST:
        return None
    body = (labels == best).astype(np.uint8)
    filled = fill_holes(body)
    soft = np.where(cv2.dilate(filled, np.ones((5, 5), np.uint8)) > 0, seen, 0)
    soft = np.where((solid > 0) & (body == 0) & (filled == 0), 0, soft)
    return np.where((filled > 0) & (body == 0), 1.0, soft).astype(np.float32)


def _window(mask: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(x1, y1, x2, y2) pixels of the photo around the piece in a smaller mask of it."""
    height, width = shape[:2]
    sx, sy = width / mask.shape[1], height / mask.shape[0]
    x, y, w, h = cv2.boundingRect((mask > 0.5).astype(np.uint8))
    half = max(w * sx, h * sy, 16.0) / _FILL / 2
    cx, cy = (x + w / 2) * sx, (y + h / 2) * sy
    return (
        max(int(cx - half), 0),
        max(int(cy - half), 0),
        min(int(np.ceil(cx + half)), width),
        min(int(np.ceil(cy + half)), height),
    )


def _laid(
    part: np.ndarray | None, window: tuple[int, int, int, int], shape: tuple[int, ...]
) -> np.ndarray | None:
    """A mask of a window of the photo, of any size, as one of the photo."""
    if part is None:
        return None
    x1, y1, x2, y2 = window
    mask = np.zeros(shape[:2], np.float32)
    mask[y1:y2, x1:x2] = cv2.resize(part, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
    return mask


def likelihood(rgb: np.ndarray, mask: np.ndarray, net: OutlineNet | None = None) -> float:
    """How much the network takes a guess for the piece, seen from near by: mean inside, 0..1.

    Args:
        rgb: (H, W, 3) uint8.
        mask: (H, W) 0..1, more than 0.5 somewhere.
        net: another network than the one that ships.
    """
    x1, y1, x2, y2 = _window(mask, rgb.shape)
    seen = _look(net or shipped_outline_net(), rgb[y1:y2, x1:x2])
    inside = mask[y1:y2, x1:x2] > 0.5
    return float(cv2.resize(seen, (x2 - x1, y2 - y1))[inside].mean())


def find_piece(rgb: np.ndarray, net: OutlineNet | None = None) -> np.ndarray | None:
    """Finds the loose piece nearest the middle of a photo.

    Args:
        rgb: (H, W, 3) uint8.
        net: another network than the one that ships.

    Returns:
        (H, W) float32, 0..1; None where no piece is seen.
    """
    net = net or shipped_outline_net()
    height, width = rgb.shape[:2]
    mask = _main_part(_look(net, rgb))
    if mask is None:
        return None
    window = _window(mask, rgb.shape)
    extent = max(cv2.boundingRect((mask > 0.5).astype(np.uint8))[2:])
    for _ in range(1 + (extent < _SMALL * net.config.size)):
        x1, y1, x2, y2 = window
        closer = _laid(_main_part(_look(net, rgb[y1:y2, x1:x2])), window, rgb.shape)
        if closer is None:
            break
        mask = closer
        window = _window(mask, rgb.shape)
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
