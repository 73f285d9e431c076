"""The network: encode picture and piece, correlate, read the volume."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heatmap_locator.geometry import STRIDE
from heatmap_locator.model.bank import erode
from heatmap_locator.model.correlation import by_fft, masked_ncc
from heatmap_locator.model.encoder import Encoder
from heatmap_locator.model.head import CONTEXT, READER, CenterHead, HeadMaps
from heatmap_locator.model.overlap_save import PictureTiles
from heatmap_locator.model.ranker import Ranker
from heatmap_locator.model.verifier import Verifier
from heatmap_locator.steps import step

PIXEL_STRIDE = 2
"""Working pixels per pixel of the images whose own correlation is the volume's second channel."""

ENERGY_EVERY = {"feature": 6, "pixel": 3}
"""Rotations of the bank from one for which a window's energy is computed to the next, where it
divides their number (``train/LOG.md``, "search, cost" and "energies of features")."""

STRIP_PIXELS, STRIP_HALO = 2**22, 64
"""Working pixels of a picture that the encoder sees at once, where no gradient is asked for, and
rows beyond them that it sees as well: it looks 48 far."""

TEMPLATES = 18
"""Templates that a CPU encodes at once: what lies between layers of more leaves the cache."""

FEATURE_NOISE = 0.02
PIXEL_NOISE = 3 * (3 / 255) ** 2
"""Variance a position, all channels together, that correlations take for noise: of features, and of
pixels three levels of 255 in each channel.  The shipped weights were trained with these."""


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a model; it travels inside the weights file.

    Attributes:
        encoder: smp encoder shared by picture and piece.
        features: channels of the features that are correlated.
        rotations: hypotheses in the bank, a multiple of 4.
        head_encoder: smp encoder of the head's U-Net.
        head_decoder: channels of the U-Net's decoder, three of them.
        head_context: channels that the U-Net gives to the head's reader.
        head_reader: channels of that.
        verifier: members of the second stage; 0 where there is none.
        verifier_hidden: numbers that its members make of a place's, even.
        feature_floor: of ``Encoder``; 0 where features are all of unit length.
    """

    encoder: str = "resnet18"
    features: int = 32
    rotations: int = 36
    head_encoder: str = "timm-mobilenetv3_small_minimal_100"
    head_decoder: tuple[int, ...] = (64, 32, 16)
    head_context: int = CONTEXT
    head_reader: int = READER
    verifier: int = 0
    verifier_hidden: int = 64
    feature_floor: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """Rebuild from ``to_dict``; an unknown key is a ValueError."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if "verifier_filters" in unknown and not values["verifier_filters"]:
            unknown.remove("verifier_filters")  # once the second stage could have some
        if unknown:
            raise ValueError(f"unknown model setting: {', '.join(sorted(unknown))}")
        values = {key: value for key, value in values.items() if key != "verifier_filters"}
        if "head_decoder" in values:
            values["head_decoder"] = tuple(values["head_decoder"])
        return cls(**values)


@dataclass
class EncodedImages:
    """``features`` (..., C, h, w) at stride 4, ``pixels`` (..., 3, 2h, 2w) and, for pieces, the
    weights of both, ``feature_mask`` (..., 1, h, w) and ``pixel_mask`` (..., 1, 2h, 2w).

    A picture that is asked for piece after piece has ``tiles`` of features and of pixels as well,
    whose transforms are kept."""

    features: Tensor
    pixels: Tensor
    feature_mask: Tensor | None = None
    pixel_mask: Tensor | None = None
    tiles: tuple[PictureTiles, PictureTiles] | None = None

    def kept(self) -> "EncodedImages":
        """A picture, a batch of one, to be asked for piece after piece."""
        if not by_fft(self.features.device):
            return self
        tiles = PictureTiles(self.features[0]), PictureTiles(self.pixels[0])
        return replace(self, tiles=tiles)

    def repeated(self, count: int) -> "EncodedImages":
        """A picture, a batch of one, for as many pieces; nothing is copied."""
        features, pixels = (t.expand(count, *t.shape[1:]) for t in (self.features, self.pixels))
        return EncodedImages(features, pixels, tiles=self.tiles)

    def part(self, rows: Sequence[int]) -> "EncodedImages":
        """Some of the batch."""
        own = list(rows)
        masks = (self.feature_mask, self.pixel_mask)
        feature_mask, pixel_mask = (None if mask is None else mask[own] for mask in masks)
        return EncodedImages(self.features[own], self.pixels[own], feature_mask, pixel_mask)

    def trimmed(self) -> "EncodedImages":
        """Pieces without the empty border that all their masks share.

        The correlations stay the same and cost less.  The same number of elements goes on each
        side, so that the middle stays the middle.
        """
        assert self.feature_mask is not None
        assert self.pixel_mask is not None
        f, p = empty_border(self.feature_mask), empty_border(self.pixel_mask)
        features, pixels, feature_mask, pixel_mask = (
            t[..., n : t.shape[-2] - n, n : t.shape[-1] - n]
            for t, n in (
                (self.features, f),
                (self.pixels, p),
                (self.feature_mask, f),
                (self.pixel_mask, p),
            )
        )
        return EncodedImages(features, pixels, feature_mask, pixel_mask)


def empty_border(masks: Tensor) -> int:
    """Elements on every side of ``(..., k, k)`` masks that are zero in all of them."""
    used = masks.flatten(0, -3).amax(0) > 0
    lines = used.any(0) | used.any(1)
    lines = lines | lines.flip(0)
    return int(lines.int().argmax()) if bool(lines.any()) else 0


class HeatmapLocator(nn.Module):
    """Shared encoder, correlation, centre head, and the ranker of the places that it names."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder, config.features, config.feature_floor)
        shape = config.head_encoder, config.head_decoder, config.head_context, config.head_reader
        self.head = CenterHead(config.rotations, *shape)
        members, hidden = config.verifier, config.verifier_hidden
        self.ranker = Ranker(Verifier(members, hidden) if members else None)

    def encode_picture(self, picture: Tensor) -> EncodedImages:
        """``(B, 3, H, W)`` working pictures, 0..1, H and W multiples of 4."""
        large = picture[0, 0].numel() > STRIP_PIXELS and not torch.is_grad_enabled()
        features = self._in_strips(picture) if large else self.encoder(picture)
        return EncodedImages(features, F.avg_pool2d(picture, PIXEL_STRIDE))

    def _in_strips(self, picture: Tensor) -> Tensor:
        """A large picture's features, the same to the digit, in a part of the memory."""
        height, width = picture.shape[2:]
        rows = max(4 * STRIP_HALO, STRIP_PIXELS // width // STRIDE * STRIDE)
        parts = []
        for top in range(0, height, rows):
            step()
            first, end = max(0, top - STRIP_HALO), min(height, top + rows)
            strip = self.encoder(picture[:, :, first : min(height, end + STRIP_HALO)])
            parts.append(strip[:, :, (top - first) // STRIDE : (end - first) // STRIDE])
        return torch.cat(parts, 2)

    def encode_pieces(self, templates: Tensor, masks: Tensor) -> EncodedImages:
        """``(B, R, 3, S, S)`` templates and ``(B, R, 1, S, S)`` masks from the rotation bank."""
        b, r = templates.shape[:2]
        flat, weight = templates.flatten(0, 1), masks.flatten(0, 1)
        inner = erode(weight)
        weight = weight.clamp_max(1)
        parts: Iterable[tuple[Tensor, Tensor]] = [(flat, weight)]
        whole = torch.is_grad_enabled() or torch.compiler.is_exporting()
        if flat.device.type == "cpu" and not whole:
            parts = zip(flat.split(TEMPLATES), weight.split(TEMPLATES), strict=True)
        return EncodedImages(
            torch.cat([self.encoder(*part) for part in parts]).unflatten(0, (b, r)),
            F.avg_pool2d(flat, PIXEL_STRIDE).unflatten(0, (b, r)),
            F.avg_pool2d(inner, STRIDE).unflatten(0, (b, r)),
            F.avg_pool2d(inner, PIXEL_STRIDE).unflatten(0, (b, r)),
        )

    def correlate(
        self,
        picture: EncodedImages,
        pieces: EncodedImages,
        energy_every: Mapping[str, int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Feature and pixel correlation, each ``(B, R, h, w)`` on the feature grid.

        Args:
            picture, pieces: encoded.
            energy_every: as ``masked_ncc`` takes it, of each; 1 where left out.
        """
        every = energy_every or {}
        assert pieces.feature_mask is not None
        assert pieces.pixel_mask is not None
        features, pixels = picture.tiles or (None, None)
        feature = masked_ncc(
            picture.features,
            pieces.features,
            pieces.feature_mask,
            FEATURE_NOISE,
            every.get("feature", 1),
            tiles=features,
        )
        # Entry i lies on the edge before pixel i, so a cell of two pixels has three entries.
        pixel = masked_ncc(
            picture.pixels,
            pieces.pixels,
            pieces.pixel_mask,
            PIXEL_NOISE,
            every.get("pixel", 1),
            coarsen=True,
            tiles=pixels,
        )
        return feature, pixel

    @torch.no_grad()
    def correlate_bank(self, picture: EncodedImages, bank: EncodedImages) -> tuple[Tensor, Tensor]:
        """``correlate`` for a whole bank of rotations, with energies interpolated around it."""
        count = self.config.rotations
        every = {name: 1 if count % step else step for name, step in ENERGY_EVERY.items()}
        return self.correlate(picture, bank, every)

    @torch.no_grad()
    def correlate_banks(
        self, pictures: EncodedImages, banks: EncodedImages
    ) -> tuple[Tensor, Tensor]:
        """``correlate_bank`` of B pictures with as many pieces each, ``(B * n, R, h, w)``.

        What is transformed of a picture serves all its pieces.
        """
        count = len(banks.features) // len(pictures.features)
        found = [
            self.correlate_bank(pictures.part([n]).kept().repeated(count), banks.part(own))
            for n in range(len(pictures.features))
            for own in [range(n * count, (n + 1) * count)]
        ]
        feature, pixel = (torch.cat(volumes) for volumes in zip(*found, strict=True))
        return feature, pixel

    def forward(self, picture: Tensor, templates: Tensor, masks: Tensor) -> HeadMaps:
        """One bank for each picture: shapes of ``encode_picture`` and ``encode_pieces``."""
        encoded = self.encode_picture(picture), self.encode_pieces(templates, masks)
        return self.head(*self.correlate_bank(*encoded))
